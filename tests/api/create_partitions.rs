//! CreatePartitions: topics grow and never shrink.

use crate::broker::{self, Topic};
use crate::client::{Client, versions};
use crate::records::batch;
use millstream::wire::{
    ApiKey, CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsResult, CreatePartitionsTopic, ErrorCode, MetadataRequest, MetadataResponse,
    MetadataTopic,
};

const NEWEST: i16 = 3;

fn more(name: &str, count: i32) -> CreatePartitionsTopic<'static> {
    CreatePartitionsTopic {
        name: name.to_string().into(),
        count,
        assignments: None,
    }
}

fn assigned(name: &str, count: i32, brokers: &[&[i32]]) -> CreatePartitionsTopic<'static> {
    let assignments = brokers.iter().map(|ids| CreatePartitionsAssignment {
        broker_ids: ids.to_vec(),
    });
    CreatePartitionsTopic {
        assignments: Some(assignments.collect()),
        ..more(name, count)
    }
}

fn grow(
    client: &mut Client,
    version: i16,
    topics: Vec<CreatePartitionsTopic<'static>>,
    validate_only: bool,
) -> Vec<CreatePartitionsResult<'static>> {
    let request = CreatePartitionsRequest {
        topics,
        timeout_ms: 30_000,
        validate_only,
    };
    let response: CreatePartitionsResponse = client.call(version, &request);
    response.results
}

fn partitions_of(client: &mut Client, topic: &Topic) -> usize {
    let request = MetadataRequest {
        topics: Some(vec![MetadataTopic {
            name: Some(topic.name.clone().into()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let response: MetadataResponse = client.call(13, &request);
    response.topics[0].partitions.len()
}

#[test]
fn every_version_adds_partitions_that_every_connection_can_use_at_once() {
    let broker = broker::shared();
    let mut client = broker.client();
    for version in versions(ApiKey::CREATE_PARTITIONS) {
        let topic = broker.topic(&format!("grow-versions-{version}"), 1);
        assert_eq!(client.append(&topic, 0, batch(&["before"])), 0);
        let results = grow(&mut client, version, vec![more(&topic.name, 6)], false);
        assert_eq!(results.len(), 1);
        assert_eq!(results[0].error_code, ErrorCode::NONE);
        assert_eq!(results[0].error_message, None);
        assert_eq!(results[0].name, topic.name);
        for partition in 1..6 {
            let mut other = broker.client();
            assert_eq!(partitions_of(&mut other, &topic), 6);
            assert_eq!(other.append(&topic, partition, batch(&["new"])), 0);
        }
        // What was there stays.
        assert_eq!(client.append(&topic, 0, batch(&["after"])), 1);
    }
}

#[test]
fn partitions_that_were_added_are_there_after_a_restart() {
    let directory = broker::Directory::new();
    let broker = broker::Broker::start(&directory, &["num.shards=2"]);
    let topic = broker.topic("grown", 1);
    let mut client = broker.client();
    let results = grow(&mut client, NEWEST, vec![more("grown", 4)], false);
    assert_eq!(results[0].error_code, ErrorCode::NONE);
    assert_eq!(client.append(&topic, 3, batch(&["kept"])), 0);
    broker.kill();
    let broker = broker::Broker::start(&directory, &["num.shards=3"]);
    let mut client = broker.client();
    assert_eq!(partitions_of(&mut client, &topic), 4);
    assert_eq!(client.append(&topic, 3, batch(&["next"])), 1);
    assert_eq!(client.append(&topic, 2, batch(&["first"])), 0);
    broker.stop();
}

#[test]
fn validate_only_changes_nothing() {
    let broker = broker::shared();
    let topic = broker.topic("grow-validate", 2);
    let mut client = broker.client();
    let results = grow(&mut client, NEWEST, vec![more("grow-validate", 5)], true);
    assert_eq!(results[0].error_code, ErrorCode::NONE);
    assert_eq!(partitions_of(&mut client, &topic), 2);
    let results = grow(&mut client, NEWEST, vec![more("grow-validate", 1)], true);
    assert_eq!(results[0].error_code, ErrorCode::INVALID_PARTITIONS);
}

#[test]
fn what_is_no_increase_is_refused_in_kafkas_words() {
    let broker = broker::shared();
    let topic = broker.topic("grow-refused", 3);
    let mut client = broker.client();
    let name = "grow-refused";
    for (wanted, code, words) in [
        (
            more(name, 3),
            ErrorCode::INVALID_PARTITIONS,
            "Topic already has 3 partition(s).",
        ),
        (
            more(name, 2),
            ErrorCode::INVALID_PARTITIONS,
            "The topic grow-refused currently has 3 partition(s); 2 would not be an increase.",
        ),
        (
            more(name, -1),
            ErrorCode::INVALID_PARTITIONS,
            "would not be an increase.",
        ),
        (
            more("grow-missing", 3),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            "",
        ),
        (
            more(name, i32::MAX),
            ErrorCode::POLICY_VIOLATION,
            "Excessively large number of partitions",
        ),
        (
            assigned(name, 5, &[&[1]]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            assigned(name, 4, &[]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "but only 0 assignment(s)",
        ),
        (
            assigned(name, 4, &[&[]]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "includes an empty replica list",
        ),
        (
            assigned(name, 4, &[&[7]]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "includes broker 7, but no such broker is registered",
        ),
        (
            assigned(name, 4, &[&[1, 1]]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "the broker 1 more than once",
        ),
    ] {
        let results = grow(&mut client, NEWEST, vec![wanted.clone()], false);
        assert_eq!(results.len(), 1);
        assert_eq!(results[0].error_code, code, "{wanted:?}");
        let message = results[0].error_message.as_deref().unwrap_or_default();
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(partitions_of(&mut client, &topic), 3);
}

#[test]
fn assignments_that_name_this_broker_are_taken() {
    let broker = broker::shared();
    let topic = broker.topic("grow-assigned", 1);
    let mut client = broker.client();
    let wanted = assigned("grow-assigned", 3, &[&[1], &[1]]);
    let results = grow(&mut client, NEWEST, vec![wanted], false);
    assert_eq!(results[0].error_code, ErrorCode::NONE);
    assert_eq!(partitions_of(&mut client, &topic), 3);
}

#[test]
fn one_topic_that_is_refused_does_not_keep_the_others_from_growing() {
    let broker = broker::shared();
    let good = broker.topic("grow-some-good", 1);
    let twice = broker.topic("grow-some-twice", 1);
    let mut client = broker.client();
    let topics = vec![
        more("grow-some-missing", 2),
        more("grow-some-good", 2),
        more("grow-some-twice", 2),
        more("grow-some-twice", 3),
    ];
    let mut results = grow(&mut client, NEWEST, topics, false);
    results.sort_by(|a, b| a.name.cmp(&b.name));
    let codes: Vec<_> = results
        .iter()
        .map(|it| (&*it.name, it.error_code))
        .collect();
    let expected = [
        ("grow-some-good", ErrorCode::NONE),
        ("grow-some-missing", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ("grow-some-twice", ErrorCode::INVALID_REQUEST),
    ];
    assert_eq!(codes, expected);
    assert_eq!(partitions_of(&mut client, &good), 2);
    assert_eq!(partitions_of(&mut client, &twice), 1);
}
