//! CreateTopics: what is made, what is refused and with which words.

use crate::broker;
use crate::client::{Client, versions};
use crate::records::batch;
use millstream::types::Uuid;
use millstream::wire::{
    ApiKey, CreateTopic, CreateTopicAssignment, CreateTopicConfig, CreateTopicResult,
    CreateTopicsRequest, CreateTopicsResponse, ErrorCode, MetadataRequest, MetadataResponse,
    MetadataTopic,
};

const NEWEST: i16 = 7;

fn topic(name: &str) -> CreateTopic<'static> {
    CreateTopic {
        name: name.to_string().into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    }
}

fn with_config(name: &str, key: &str, value: &str) -> CreateTopic<'static> {
    CreateTopic {
        configs: vec![CreateTopicConfig {
            name: key.to_string().into(),
            value: Some(value.to_string().into()),
        }],
        ..topic(name)
    }
}

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreateTopic<'static> {
    CreateTopic {
        num_partitions: -1,
        replication_factor: -1,
        assignments: assignments
            .iter()
            .map(|(partition_index, brokers)| CreateTopicAssignment {
                partition_index: *partition_index,
                broker_ids: brokers.to_vec(),
            })
            .collect(),
        ..topic(name)
    }
}

fn create(
    client: &mut Client,
    version: i16,
    topics: Vec<CreateTopic<'static>>,
) -> Vec<CreateTopicResult<'static>> {
    let request = CreateTopicsRequest {
        topics,
        ..Default::default()
    };
    let response: CreateTopicsResponse = client.call(version, &request);
    response.topics
}

fn partitions_of(client: &mut Client, name: &str) -> Option<usize> {
    let request = MetadataRequest {
        topics: Some(vec![MetadataTopic {
            name: Some(name.to_string().into()),
            ..Default::default()
        }]),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    let response: MetadataResponse = client.call(13, &request);
    let topic = &response.topics[0];
    (topic.error_code == ErrorCode::NONE).then_some(topic.partitions.len())
}

/// That the topic is refused with this code, a message of these words, and not made.
fn refused(topic: CreateTopic<'static>, code: ErrorCode, words: &str) {
    let mut client = broker::shared().client();
    let name = topic.name.to_string();
    let before = partitions_of(&mut client, &name);
    let results = create(&mut client, NEWEST, vec![topic]);
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].name, name);
    assert_eq!(results[0].error_code, code, "{name}");
    let message = results[0].error_message.as_deref().expect("a message");
    assert!(message.contains(words), "{name}: {message}");
    assert_eq!(partitions_of(&mut client, &name), before);
}

#[test]
fn every_version_makes_a_topic_that_every_connection_can_use_at_once() {
    let broker = broker::shared();
    let mut client = broker.client();
    let mut others: Vec<Client> = (0..5).map(|_| broker.client()).collect();
    for version in versions(ApiKey::CREATE_TOPICS) {
        let name = format!("create-versions-{version}");
        let mut wanted = topic(&name);
        wanted.num_partitions = 5;
        let results = create(&mut client, version, vec![wanted]);
        assert_eq!(results.len(), 1);
        let result = &results[0];
        assert_eq!(result.error_code, ErrorCode::NONE);
        assert_eq!(result.error_message, None);
        if version >= 5 {
            assert_eq!((result.num_partitions, result.replication_factor), (5, 1));
            let configs = result.configs.as_ref().expect("its settings");
            assert!(configs.iter().any(|it| it.name == "cleanup.policy"));
        }
        if version >= 7 {
            assert!(!result.topic_id.is_zero());
        }
        for (partition, other) in others.iter_mut().enumerate() {
            assert_eq!(partitions_of(other, &name), Some(5));
            let topic = broker::Topic {
                name: name.clone(),
                id: Uuid::ZERO,
            };
            let response = other.produce_as(12, &topic, partition as i32, batch(&["first"]));
            assert_eq!(response.error_code, ErrorCode::NONE);
        }
    }
}

#[test]
fn minus_one_stands_for_the_brokers_defaults() {
    let mut client = broker::shared().client();
    let mut wanted = topic("create-defaults");
    wanted.num_partitions = -1;
    wanted.replication_factor = -1;
    let result = create(&mut client, NEWEST, vec![wanted]).remove(0);
    assert_eq!(result.error_code, ErrorCode::NONE);
    assert_eq!((result.num_partitions, result.replication_factor), (2, 1));
}

#[test]
fn a_topic_is_made_once() {
    let broker = broker::shared();
    broker.topic("create-twice", 3);
    refused(
        topic("create-twice"),
        ErrorCode::TOPIC_ALREADY_EXISTS,
        "Topic 'create-twice' already exists.",
    );
}

#[test]
fn names_that_kafka_forbids_are_refused() {
    let long = "x".repeat(250);
    for name in ["", ".", "..", "a b", "a/b", "\u{e4}", &long] {
        refused(
            topic(name),
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid",
        );
    }
    let longest = "x".repeat(249);
    let results = create(
        &mut broker::shared().client(),
        NEWEST,
        vec![topic(&longest)],
    );
    assert_eq!(results[0].error_code, ErrorCode::NONE);
}

#[test]
fn names_that_differ_only_in_dot_and_underscore_collide() {
    broker::shared().topic("create.collides_here", 1);
    refused(
        topic("create_collides.here"),
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        "collides with existing topic",
    );
}

#[test]
fn counts_that_make_no_sense_are_refused() {
    for count in [0, -2, i32::MIN] {
        let mut wanted = topic("create-partitions");
        wanted.num_partitions = count;
        refused(wanted, ErrorCode::INVALID_PARTITIONS, "non-positive");
    }
    for factor in [0, -2, i16::MIN] {
        let mut wanted = topic("create-replicas");
        wanted.replication_factor = factor;
        refused(
            wanted,
            ErrorCode::INVALID_REPLICATION_FACTOR,
            "larger than 0",
        );
    }
    let mut wanted = topic("create-replicas");
    wanted.replication_factor = 2;
    refused(
        wanted,
        ErrorCode::INVALID_REPLICATION_FACTOR,
        "only 1 broker(s)",
    );
    let mut wanted = topic("create-too-many");
    wanted.num_partitions = i32::MAX;
    // Kafka's own code for it (KAFKA-17870).
    refused(wanted, ErrorCode::POLICY_VIOLATION, "at most 10000");
}

#[test]
fn the_metadata_log_is_not_made_by_anyone() {
    let results = create(
        &mut broker::shared().client(),
        NEWEST,
        vec![topic("__cluster_metadata")],
    );
    assert_eq!(results[0].error_code, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
}

#[test]
fn settings_are_checked_and_named() {
    for (key, value) in [
        ("cleanup.policy", "sometimes"),
        ("retention.ms", "soon"),
        ("max.message.bytes", "-1"),
        ("segment.bytes", "1000"),
        ("message.timestamp.type", "Now"),
        ("no.such.setting", "1"),
        ("min.insync.replicas", "0"),
        ("compression.type", "rar"),
    ] {
        refused(
            with_config("create-config", key, value),
            ErrorCode::INVALID_CONFIG,
            key,
        );
    }
}

#[test]
fn settings_that_are_made_are_told() {
    let mut client = broker::shared().client();
    let wanted = with_config("create-config-told", "max.message.bytes", "12345");
    let result = create(&mut client, NEWEST, vec![wanted]).remove(0);
    assert_eq!(result.error_code, ErrorCode::NONE);
    let configs = result.configs.expect("its settings");
    let find = |name: &str| {
        let found = configs.iter().find(|config| config.name == name);
        let found = found.unwrap_or_else(|| panic!("{name}"));
        (found.value.as_deref(), found.config_source)
    };
    // 1: of the topic, 5: the default.
    assert_eq!(find("max.message.bytes"), (Some("12345"), 1));
    assert_eq!(find("retention.ms"), (Some("604800000"), 5));
}

#[test]
fn validate_only_answers_and_makes_nothing() {
    let broker = broker::shared();
    let mut client = broker.client();
    let request = |name: &str, key: &str| CreateTopicsRequest {
        topics: vec![with_config(name, key, "100000")],
        validate_only: true,
        ..Default::default()
    };
    for version in versions(ApiKey::CREATE_TOPICS) {
        let good: CreateTopicsResponse =
            client.call(version, &request("create-validated", "max.message.bytes"));
        assert_eq!(good.topics[0].error_code, ErrorCode::NONE);
        assert!(good.topics[0].topic_id.is_zero());
        let bad: CreateTopicsResponse = client.call(version, &request("create-validated", "x.y"));
        assert_eq!(bad.topics[0].error_code, ErrorCode::INVALID_CONFIG);
    }
    assert_eq!(partitions_of(&mut client, "create-validated"), None);
}

#[test]
fn each_topic_of_a_request_has_one_result_and_its_own_fate() {
    let mut client = broker::shared().client();
    let results = create(
        &mut client,
        NEWEST,
        vec![
            topic("create-mixed-a"),
            topic("bad name"),
            topic("create-mixed-b"),
        ],
    );
    let codes: Vec<_> = results
        .iter()
        .map(|it| (&*it.name, it.error_code))
        .collect();
    let expected = [
        ("create-mixed-a", ErrorCode::NONE),
        ("bad name", ErrorCode::INVALID_TOPIC_EXCEPTION),
        ("create-mixed-b", ErrorCode::NONE),
    ];
    assert_eq!(codes, expected);
    assert_eq!(partitions_of(&mut client, "create-mixed-b"), Some(1));
}

#[test]
fn a_name_that_stands_twice_in_a_request_is_refused_once() {
    let mut client = broker::shared().client();
    let results = create(
        &mut client,
        NEWEST,
        vec![
            topic("create-double"),
            topic("create-single"),
            topic("create-double"),
        ],
    );
    assert_eq!(results.len(), 2);
    let find = |name: &str| results.iter().find(|it| it.name == name).expect("a result");
    assert_eq!(find("create-double").error_code, ErrorCode::INVALID_REQUEST);
    assert_eq!(find("create-single").error_code, ErrorCode::NONE);
    assert_eq!(partitions_of(&mut client, "create-double"), None);
}

#[test]
fn an_empty_request_has_an_empty_answer() {
    let mut client = broker::shared().client();
    assert!(create(&mut client, NEWEST, Vec::new()).is_empty());
}

#[test]
fn partitions_can_be_placed_by_hand() {
    let mut client = broker::shared().client();
    let wanted = assigned("create-placed", &[(1, &[1]), (0, &[1]), (2, &[1])]);
    let result = create(&mut client, NEWEST, vec![wanted]).remove(0);
    assert_eq!(result.error_code, ErrorCode::NONE);
    assert_eq!(result.num_partitions, 3);
    assert_eq!(partitions_of(&mut client, "create-placed"), Some(3));
}

#[test]
fn placements_that_make_no_sense_are_refused() {
    let code = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
    let name = "create-misplaced";
    refused(assigned(name, &[(0, &[])]), code, "empty replica list");
    refused(assigned(name, &[(0, &[9])]), code, "no such broker");
    refused(assigned(name, &[(0, &[1, 1])]), code, "more than once");
    refused(
        assigned(name, &[(0, &[1]), (2, &[1])]),
        code,
        "consecutive 0-based",
    );
    refused(
        assigned(name, &[(0, &[1]), (0, &[1])]),
        code,
        "multiple manual",
    );
    let mut both = assigned(name, &[(0, &[1])]);
    both.num_partitions = 1;
    refused(
        both,
        ErrorCode::INVALID_REQUEST,
        "numPartitions was not set to -1",
    );
    let mut both = assigned(name, &[(0, &[1])]);
    both.replication_factor = 1;
    refused(
        both,
        ErrorCode::INVALID_REQUEST,
        "replication factor was not set to -1",
    );
}

#[test]
fn a_topic_of_many_partitions_works_on_each() {
    let broker = broker::shared();
    let topic = broker.topic("create-many", 200);
    let mut client = broker.client();
    for partition in [0, 1, 99, 198, 199] {
        assert_eq!(client.append(&topic, partition, batch(&["a"])), 0);
    }
    assert_eq!(partitions_of(&mut client, "create-many"), Some(200));
}
