//! InitProducerId: an id is handed out once and never again.

use crate::broker::{self, Broker, Directory};
use crate::client::{Client, versions};
use crate::records::sequenced;
use millstream::wire::{ApiKey, ErrorCode, InitProducerIdRequest, InitProducerIdResponse};
use std::collections::BTreeSet;

const NEWEST: i16 = 5;

fn plain() -> InitProducerIdRequest<'static> {
    InitProducerIdRequest {
        transaction_timeout_ms: i32::MAX,
        ..Default::default()
    }
}

fn new_id(client: &mut Client) -> i64 {
    let response: InitProducerIdResponse = client.call(NEWEST, &plain());
    assert_eq!(response.error_code, ErrorCode::NONE);
    assert_eq!(response.producer_epoch, 0);
    assert!(response.producer_id >= 0);
    response.producer_id
}

#[test]
fn every_version_hands_out_an_id() {
    let mut client = broker::shared().client();
    let mut ids = BTreeSet::new();
    for version in versions(ApiKey::INIT_PRODUCER_ID) {
        let response: InitProducerIdResponse = client.call(version, &plain());
        assert_eq!(response.error_code, ErrorCode::NONE, "version {version}");
        assert_eq!(response.producer_epoch, 0);
        assert!(ids.insert(response.producer_id));
    }
}

#[test]
fn ids_are_unique_over_connections_and_blocks() {
    let broker = broker::shared();
    let mut clients: Vec<Client> = (0..8).map(|_| broker.client()).collect();
    let mut ids = BTreeSet::new();
    // More than a block of 1000, and several requests at once.
    for _ in 0..150 {
        for client in &mut clients {
            client.send(NEWEST, &plain());
        }
        for client in &mut clients {
            let (response, _) = client.receive::<InitProducerIdResponse>(NEWEST);
            assert_eq!(response.error_code, ErrorCode::NONE);
            assert!(ids.insert(response.producer_id), "{}", response.producer_id);
        }
    }
    assert_eq!(ids.len(), 1200);
}

#[test]
fn ids_are_unique_over_restarts_clean_or_not() {
    let directory = Directory::new();
    let mut ids = BTreeSet::new();
    for round in 0..4 {
        let broker = Broker::start(&directory, &["num.shards=2"]);
        let mut client = broker.client();
        for _ in 0..20 {
            assert!(ids.insert(new_id(&mut client)), "round {round}");
        }
        match round % 2 {
            0 => broker.kill(),
            _ => broker.stop(),
        }
    }
}

#[test]
fn an_id_that_was_handed_out_can_produce() {
    let broker = broker::shared();
    let topic = broker.topic("producer-id-used", 1);
    let mut client = broker.client();
    let id = new_id(&mut client);
    assert_eq!(client.append(&topic, 0, sequenced(id, 0, 0, 2)), 0);
    assert_eq!(client.append(&topic, 0, sequenced(id, 0, 0, 2)), 0);
    assert_eq!(client.append(&topic, 0, sequenced(id, 0, 2, 1)), 2);
}

#[test]
fn an_idempotent_producer_that_asks_again_gets_a_new_id() {
    // Only with a transactional id does the broker know who asks (KIP-360).
    let mut client = broker::shared().client();
    let before = new_id(&mut client);
    let again = InitProducerIdRequest {
        producer_id: before,
        producer_epoch: 0,
        ..plain()
    };
    let response: InitProducerIdResponse = client.call(NEWEST, &again);
    assert_eq!(response.error_code, ErrorCode::NONE);
    assert_ne!(response.producer_id, before);
}

#[test]
fn transactional_producers_are_told_that_there_is_no_coordinator() {
    let mut client = broker::shared().client();
    for version in versions(ApiKey::INIT_PRODUCER_ID) {
        for (name, expected) in [
            ("t", ErrorCode::COORDINATOR_NOT_AVAILABLE),
            ("", ErrorCode::INVALID_REQUEST),
        ] {
            let request = InitProducerIdRequest {
                transactional_id: Some(name.into()),
                transaction_timeout_ms: 1000,
                ..Default::default()
            };
            let response: InitProducerIdResponse = client.call(version, &request);
            assert_eq!(response.error_code, expected);
            assert_eq!((response.producer_id, response.producer_epoch), (-1, -1));
        }
    }
}
