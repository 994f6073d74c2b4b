//! ElectLeaders: a lone broker leads what it can, so no election is needed.

use crate::broker;
use crate::client::{Client, versions};
use millstream::wire::{
    ApiKey, ElectLeadersPartitionResult, ElectLeadersRequest, ElectLeadersResponse,
    ElectLeadersTopic, ErrorCode,
};

const NEWEST: i16 = 2;

fn request(kind: i8, topic: &str, partitions: &[i32]) -> ElectLeadersRequest<'static> {
    ElectLeadersRequest {
        election_type: kind,
        topic_partitions: Some(vec![ElectLeadersTopic {
            topic: topic.to_string().into(),
            partitions: partitions.to_vec(),
        }]),
        ..Default::default()
    }
}

fn elect(
    client: &mut Client,
    kind: i8,
    topic: &str,
    partition: i32,
) -> ElectLeadersPartitionResult<'static> {
    let response: ElectLeadersResponse = client.call(NEWEST, &request(kind, topic, &[partition]));
    assert_eq!(response.error_code, ErrorCode::NONE);
    let result = response.replica_election_results[0].partition_result[0].clone();
    assert_eq!(result.partition_id, partition);
    result
}

#[test]
fn no_version_needs_an_election() {
    let broker = broker::shared();
    let topic = broker.topic("elections", 2);
    let mut client = broker.client();
    for version in versions(ApiKey::ELECT_LEADERS) {
        let response: ElectLeadersResponse =
            client.call(version, &request(0, &topic.name, &[0, 1]));
        assert_eq!(response.error_code, ErrorCode::NONE);
        let results = &response.replica_election_results[0];
        assert_eq!(results.topic, topic.name);
        let errors: Vec<_> = results
            .partition_result
            .iter()
            .map(|it| (it.partition_id, it.error_code))
            .collect();
        let not_needed = ErrorCode::ELECTION_NOT_NEEDED;
        assert_eq!(
            errors,
            [(0, not_needed), (1, not_needed)],
            "version {version}"
        );
    }
    let unclean = elect(&mut client, 1, &topic.name, 0);
    assert_eq!(unclean.error_code, ErrorCode::ELECTION_NOT_NEEDED);
}

#[test]
fn what_is_not_there_is_named() {
    let broker = broker::shared();
    let topic = broker.topic("elections-none", 1);
    let mut client = broker.client();
    for (name, partition) in [("elections-nowhere", 0), (&*topic.name, 1)] {
        let result = elect(&mut client, 0, name, partition);
        assert_eq!(result.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert!(result.error_message.is_some_and(|why| why.contains(name)));
    }
}

#[test]
fn asked_about_everything_it_tells_only_what_needs_an_election() {
    let broker = broker::shared();
    let topic = broker.topic("elections-all", 3);
    let mut client = broker.client();
    let all = ElectLeadersRequest {
        topic_partitions: None,
        ..request(0, "", &[])
    };
    let response: ElectLeadersResponse = client.call(NEWEST, &all);
    assert_eq!(response.error_code, ErrorCode::NONE);
    let results = &response.replica_election_results;
    assert!(results.iter().any(|it| it.topic == topic.name));
    assert!(results.iter().all(|it| it.partition_result.is_empty()));
    let none = ElectLeadersRequest {
        topic_partitions: Some(Vec::new()),
        ..all
    };
    let response: ElectLeadersResponse = client.call(NEWEST, &none);
    assert_eq!(response, ElectLeadersResponse::default());
}

#[test]
fn an_unknown_kind_of_election_is_an_invalid_request() {
    let mut client = broker::shared().client();
    let response: ElectLeadersResponse = client.call(NEWEST, &request(7, "t", &[0]));
    assert_eq!(response.error_code, ErrorCode::INVALID_REQUEST);
    let result = &response.replica_election_results[0].partition_result[0];
    assert_eq!(result.error_code, ErrorCode::INVALID_REQUEST);
    assert_eq!(
        result.error_message.as_deref(),
        Some("Unknown election type 7")
    );
}
