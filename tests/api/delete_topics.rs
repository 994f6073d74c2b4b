//! DeleteTopics: by name, by id, and what is left afterwards.

use crate::broker::{self, Broker, Directory};
use crate::client::{FETCH, fetch_request, fetched, versions};
use crate::records::{batch, values};
use millstream::types::Uuid;
use millstream::wire::{
    ApiKey, DeleteTopic, DeleteTopicResult, DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode,
    FetchResponse,
};
use std::thread::sleep;
use std::time::{Duration, Instant};

const NEWEST: i16 = 6;

fn by_name(version: i16, names: &[&str]) -> DeleteTopicsRequest<'static> {
    let owned = names.iter().map(|name| name.to_string());
    match version {
        6.. => DeleteTopicsRequest {
            topics: owned
                .map(|name| DeleteTopic {
                    name: Some(name.into()),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        },
        _ => DeleteTopicsRequest {
            topic_names: owned.map(Into::into).collect(),
            ..Default::default()
        },
    }
}

fn by_id(ids: &[Uuid]) -> DeleteTopicsRequest<'static> {
    let topics = ids.iter().map(|id| DeleteTopic {
        name: None,
        topic_id: *id,
    });
    DeleteTopicsRequest {
        topics: topics.collect(),
        ..Default::default()
    }
}

/// Deletes a topic of the shared broker.
pub fn delete(name: &str) {
    let mut client = broker::shared().client();
    let response: DeleteTopicsResponse = client.call(NEWEST, &by_name(NEWEST, &[name]));
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE, "{name}");
}

#[test]
fn every_version_deletes_by_name_and_every_connection_knows_at_once() {
    let broker = broker::shared();
    let mut client = broker.client();
    let mut others: Vec<_> = (0..5).map(|_| broker.client()).collect();
    for version in versions(ApiKey::DELETE_TOPICS) {
        let topic = broker.topic(&format!("delete-versions-{version}"), 4);
        let request = by_name(version, &[&topic.name]);
        let response: DeleteTopicsResponse = client.call(version, &request);
        let result = &response.responses[0];
        assert_eq!(result.error_code, ErrorCode::NONE);
        assert_eq!(result.name.as_deref(), Some(&*topic.name));
        if version >= 6 {
            assert_eq!(result.topic_id, topic.id);
        }
        for other in &mut others {
            let gone = other.produce_as(12, &topic, 0, batch(&["a"]));
            assert_eq!(gone.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            let gone = other.produce_as(13, &topic, 0, batch(&["a"]));
            assert_eq!(gone.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
        }
    }
}

#[test]
fn a_topic_is_deleted_by_its_id() {
    let broker = broker::shared();
    let topic = broker.topic("delete-by-id", 1);
    let mut client = broker.client();
    let request = by_id(&[topic.id, Uuid([6; 16])]);
    let response: DeleteTopicsResponse = client.call(NEWEST, &request);
    let find = |id: Uuid| -> &DeleteTopicResult<'static> {
        let mut all = response.responses.iter();
        all.find(|it| it.topic_id == id).expect("a result")
    };
    assert_eq!(find(topic.id).error_code, ErrorCode::NONE);
    assert_eq!(find(topic.id).name.as_deref(), Some("delete-by-id"));
    let unknown = find(Uuid([6; 16]));
    assert_eq!(unknown.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(unknown.name, None);
}

#[test]
fn what_is_not_there_is_told_beside_what_is() {
    let broker = broker::shared();
    broker.topic("delete-there", 1);
    let mut client = broker.client();
    for version in versions(ApiKey::DELETE_TOPICS) {
        let request = by_name(version, &["delete-not-there"]);
        let response: DeleteTopicsResponse = client.call(version, &request);
        assert_eq!(response.responses.len(), 1);
        let result = &response.responses[0];
        assert_eq!(result.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert_eq!(result.name.as_deref(), Some("delete-not-there"));
    }
    let request = by_name(NEWEST, &["delete-not-there", "delete-there"]);
    let response: DeleteTopicsResponse = client.call(NEWEST, &request);
    let there = response
        .responses
        .iter()
        .find(|it| it.name.as_deref() == Some("delete-there"));
    assert_eq!(there.expect("a result").error_code, ErrorCode::NONE);
}

#[test]
fn a_topic_made_again_is_another_one_and_empty() {
    let broker = broker::shared();
    let mut client = broker.client();
    let mut ids = Vec::new();
    for round in 0..5 {
        let topic = broker.topic("delete-again", 3);
        assert!(!ids.contains(&topic.id), "round {round}");
        for partition in 0..3 {
            let fetched = client.fetch(&topic, partition, 0);
            assert_eq!(fetched.response.error_code, ErrorCode::NONE);
            assert_eq!(fetched.response.high_watermark, 0, "round {round}");
            let value = format!("{round}/{partition}");
            client.append(&topic, partition, batch(&[value.as_str()]));
            assert_eq!(values(client.fetch(&topic, partition, 0).records), [value]);
        }
        ids.push(topic.id);
        delete("delete-again");
    }
}

#[test]
fn a_waiting_fetch_hears_that_its_topic_is_gone_at_the_latest_when_its_wait_ends() {
    let broker = broker::shared();
    let topic = broker.topic("delete-waited-for", 2);
    let mut client = broker.client();
    let mut request = fetch_request(&topic, &[(0, 0), (1, 0)]);
    request.max_wait_ms = 500;
    client.send(FETCH, &request);
    sleep(Duration::from_millis(50));
    delete("delete-waited-for");
    let start = Instant::now();
    let (response, frame) = client.receive::<FetchResponse>(FETCH);
    assert!(start.elapsed() < Duration::from_secs(5));
    for partition in fetched(response, frame) {
        assert!(partition.records.is_empty());
    }
    let after = client.fetch(&topic, 0, 0);
    assert_eq!(after.response.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
}

#[test]
fn produces_under_way_while_a_topic_goes_are_all_answered() {
    let broker = broker::shared();
    let topic = broker.topic("delete-busy", 4);
    let mut producer = broker.client();
    const REQUESTS: i32 = 200;
    for at in 0..REQUESTS {
        let request = crate::client::produce_request(-1, &topic, vec![(at % 4, batch(&["busy"]))]);
        producer.send(crate::client::PRODUCE, &request);
        if at == 20 {
            let mut other = broker.client();
            other.send(NEWEST, &by_id(&[topic.id]));
            let (response, _) = other.receive::<DeleteTopicsResponse>(NEWEST);
            assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
        }
    }
    for back in (0..REQUESTS).rev() {
        let response: millstream::wire::ProduceResponse =
            producer.receive_earlier(crate::client::PRODUCE, back);
        let code = response.responses[0].partition_responses[0].error_code;
        let allowed = [
            ErrorCode::NONE,
            ErrorCode::UNKNOWN_TOPIC_ID,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::KAFKA_STORAGE_ERROR,
        ];
        assert!(allowed.contains(&code), "{code}");
    }
}

#[test]
fn deletion_can_be_switched_off() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["delete.topic.enable=false", "num.shards=1"]);
    let topic = broker.topic("stays", 1);
    let mut client = broker.client();
    for version in versions(ApiKey::DELETE_TOPICS) {
        let response: DeleteTopicsResponse = client.call(version, &by_name(version, &["stays"]));
        let expected = match version {
            3.. => ErrorCode::TOPIC_DELETION_DISABLED,
            _ => ErrorCode::INVALID_REQUEST,
        };
        assert_eq!(response.responses[0].error_code, expected);
    }
    assert_eq!(client.append(&topic, 0, batch(&["a"])), 0);
    broker.stop();
}

#[test]
fn the_files_of_a_deleted_topic_go_after_its_delay() {
    let directory = Directory::new();
    let settings = ["log.segment.delete.delay.ms=100", "num.shards=2"];
    let broker = Broker::start(&directory, &settings);
    let topic = broker.topic("goes", 3);
    let mut client = broker.client();
    for partition in 0..3 {
        client.append(&topic, partition, batch(&["a"]));
    }
    let response: DeleteTopicsResponse = client.call(NEWEST, &by_id(&[topic.id]));
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    for partition in 0..3 {
        assert!(!broker.partition(&topic, partition).exists());
    }
    let left = || {
        let entries = std::fs::read_dir(directory.data()).expect("the data");
        let names = entries.map(|it| it.expect("an entry").file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("goes-"))
            .count()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while left() > 0 {
        assert!(Instant::now() < deadline, "{} directories are left", left());
        sleep(Duration::from_millis(20));
    }
    broker.stop();
}
