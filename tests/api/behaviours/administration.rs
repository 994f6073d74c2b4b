//! Behaviours 24 to 27: what admin clients and metadata requests rely on.

use crate::broker::{self, Broker, Directory};
use crate::client::{Client, versions};
use crate::settings::{APPEND, BROKER, SET, SUBTRACT, TOPIC, alter, value};
use millstream::wire::{
    ApiKey, CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreateTopic,
    CreateTopicsRequest, CreateTopicsResponse, DescribeClusterRequest, DescribeClusterResponse,
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, ErrorCode,
    MetadataRequest, MetadataResponse, MetadataTopic, MetadataTopicResponse,
};
use std::collections::BTreeSet;

const METADATA: i16 = 13;

#[test]
fn behaviour_24_controller_id_is_the_id_of_a_live_broker() {
    let directory = Directory::new();
    let settings = ["num.shards=1", "node.id=7"];
    for _ in 0..2 {
        let broker = Broker::start(&directory, &settings);
        let mut client = broker.client();
        for version in versions(ApiKey::METADATA) {
            let response: MetadataResponse = client.call(version, &by_name(&[], true));
            let live: Vec<_> = response
                .brokers
                .iter()
                .map(|it| (it.node_id, it.port))
                .collect();
            assert_eq!(live, [(7, i32::from(broker.port()))]);
            // Version 0 has no room for it.
            assert_eq!(response.controller_id, if version == 0 { -1 } else { 7 });
        }
        for version in versions(ApiKey::DESCRIBE_CLUSTER) {
            let request = DescribeClusterRequest::default();
            let response: DescribeClusterResponse = client.call(version, &request);
            assert_eq!(response.controller_id, 7);
            assert!(response.brokers.iter().any(|it| it.broker_id == 7));
        }
        // It takes what only a controller can do.
        broker.topic(&format!("t{}", broker.port()), 1);
        broker.stop();
    }
}

fn by_name(names: &[&str], create: bool) -> MetadataRequest<'static> {
    let topics = names.iter().map(|name| MetadataTopic {
        name: Some(name.to_string().into()),
        ..Default::default()
    });
    MetadataRequest {
        topics: Some(topics.collect()),
        allow_auto_topic_creation: create,
        ..Default::default()
    }
}

fn one(
    client: &mut Client,
    version: i16,
    name: &str,
    create: bool,
) -> MetadataTopicResponse<'static> {
    let mut response: MetadataResponse = client.call(version, &by_name(&[name], create));
    assert_eq!(response.topics.len(), 1);
    let topic = response.topics.remove(0);
    assert_eq!(topic.name.as_deref(), Some(name));
    topic
}

#[test]
fn behaviour_25_a_null_topic_list_asks_for_all_and_an_empty_one_for_none_but_in_v0_for_all() {
    let broker = broker::shared();
    let topic = broker.topic("behaviour-25-all", 1);
    let mut client = broker.client();
    let names = |response: MetadataResponse<'static>| -> Vec<String> {
        let names = response.topics.into_iter().map(|topic| topic.name);
        names
            .map(|name| name.expect("a name").into_owned())
            .collect()
    };
    let all = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    let none = MetadataRequest {
        topics: Some(Vec::new()),
        ..Default::default()
    };
    for version in 1..=METADATA {
        let told = names(client.call(version, &all));
        assert!(told.contains(&topic.name), "version {version}");
        assert!(told.iter().all(|name| name != "__cluster_metadata"));
        assert!(
            names(client.call(version, &none)).is_empty(),
            "version {version}"
        );
    }
    // Version 0 cannot say null.
    assert!(names(client.call(0, &none)).contains(&topic.name));
}

#[test]
fn behaviour_25_a_topic_is_made_by_asking_only_if_that_is_both_allowed_and_configured() {
    let directory = Directory::new();
    let forbidding = Broker::start(
        &directory,
        &["num.shards=1", "auto.create.topics.enable=false"],
    );
    let allowing = broker::shared();
    for (at, broker) in [allowing, &forbidding].into_iter().enumerate() {
        let mut client = broker.client();
        for version in versions(ApiKey::METADATA) {
            let name = format!("behaviour-25-made-{version}");
            // Clients below version 4 cannot forbid it.
            if version >= 4 {
                for _ in 0..2 {
                    let told = one(&mut client, version, &name, false);
                    assert_eq!(told.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
                    assert!(told.partitions.is_empty());
                }
            }
            let told = one(&mut client, version, &name, true);
            if at == 1 {
                assert_eq!(told.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
                continue;
            }
            assert_eq!(told.error_code, ErrorCode::NONE, "version {version}");
            // num.partitions of the shared broker.
            assert_eq!(told.partitions.len(), 2);
            // It can be used at once, over any connection.
            let told = one(&mut broker.client(), METADATA, &name, false);
            assert_eq!(told.error_code, ErrorCode::NONE);
            assert!(told.partitions.iter().all(|it| it.leader_id >= 0));
        }
    }
    forbidding.stop();
}

#[test]
fn behaviour_25_an_invalid_topic_name_is_error_17() {
    let mut client = broker::shared().client();
    let long = "x".repeat(250);
    for name in ["", ".", "..", "a b", "a/b", "\u{e4}", &long] {
        for create in [true, false] {
            for version in [4, METADATA] {
                let told = one(&mut client, version, name, create);
                assert_eq!(told.error_code.0, 17, "{name:?}");
            }
        }
    }
}

/// The names that Apache Kafka 4.2's kafka-configs describes, but for one that it had been given for a
/// stranger and one whose chores start with the broker here.
fn names_of_kafka(described: &str) -> BTreeSet<&str> {
    let lines = described.lines().map(str::trim);
    let names: BTreeSet<&str> = lines
        .filter_map(|line| Some(line.split_once('=')?.0))
        .filter(|name| !["foo.bar", "log.initial.task.delay.ms"].contains(name))
        .collect();
    assert!(names.len() > 20);
    names
}

#[test]
fn behaviour_26_describe_configs_lists_every_config_with_source_type_documentation_and_synonyms() {
    let broker = broker::shared();
    let topic = broker.topic_with("behaviour-26", 1, &[("segment.bytes", "2000000")]);
    let mut client = broker.client();
    for (kind, name, described) in [
        (
            TOPIC,
            &*topic.name,
            include_str!("../../../src/config/tests/kafka-topic.txt"),
        ),
        (
            BROKER,
            "1",
            include_str!("../../../src/config/tests/kafka-broker.txt"),
        ),
    ] {
        let request = DescribeConfigsRequest {
            resources: vec![DescribeConfigsResource {
                resource_type: kind,
                resource_name: name.to_string().into(),
                configuration_keys: None,
            }],
            include_synonyms: true,
            include_documentation: true,
        };
        let response: DescribeConfigsResponse = client.call(4, &request);
        let configs = &response.results[0].configs;
        let told: BTreeSet<&str> = configs.iter().map(|it| &*it.name).collect();
        assert_eq!(told.len(), configs.len(), "each stands once");
        let missing: Vec<_> = names_of_kafka(described)
            .into_iter()
            .filter(|name| !told.contains(name))
            .collect();
        assert_eq!(missing, Vec::<&str>::new());
        for it in configs {
            let name = &it.name;
            assert!((1..=9).contains(&it.config_type), "{name}");
            let words = it.documentation.as_deref().unwrap_or_default();
            assert!(!words.is_empty(), "{name} is not documented");
            assert!((1..=5).contains(&it.config_source), "{name}");
            match it.synonyms.first() {
                Some(first) => assert_eq!(it.config_source, first.source, "{name}"),
                // Set nowhere, and without a default among the broker's.
                None => assert_eq!(it.config_source, 5, "{name}"),
            }
            if it.value.is_some() && !it.synonyms.is_empty() {
                assert!(!it.is_sensitive, "{name}");
            }
        }
    }
}

#[test]
fn behaviour_26_create_topics_and_create_partitions_return_one_result_per_topic() {
    let broker = broker::shared();
    let mut client = broker.client();
    let names = ["made", "no good", "made-too", "twice", "twice", "cut"];
    for version in versions(ApiKey::CREATE_TOPICS) {
        let wanted = names.iter().map(|name| CreateTopic {
            name: format!("behaviour-26-{version}-{name}").into(),
            num_partitions: if *name == "cut" { 0 } else { 1 },
            replication_factor: 1,
            ..Default::default()
        });
        let request = CreateTopicsRequest {
            topics: wanted.collect(),
            ..Default::default()
        };
        let response: CreateTopicsResponse = client.call(version, &request);
        let prefix = format!("behaviour-26-{version}-");
        let mut results: Vec<_> = response
            .topics
            .iter()
            .map(|it| (it.name.strip_prefix(&*prefix), it.error_code))
            .collect();
        results.sort_by_key(|(name, _)| *name);
        let expected = [
            (Some("cut"), ErrorCode::INVALID_PARTITIONS),
            (Some("made"), ErrorCode::NONE),
            (Some("made-too"), ErrorCode::NONE),
            (Some("no good"), ErrorCode::INVALID_TOPIC_EXCEPTION),
            (Some("twice"), ErrorCode::INVALID_REQUEST),
        ];
        assert_eq!(results, expected, "version {version}");
    }
    let names = ["7-made", "nowhere", "7-made-too", "6-made", "6-made"];
    for version in versions(ApiKey::CREATE_PARTITIONS) {
        let count = 2 + i32::from(version);
        let wanted = names.iter().map(|name| CreatePartitionsTopic {
            name: format!("behaviour-26-{name}").into(),
            count,
            assignments: None,
        });
        let request = CreatePartitionsRequest {
            topics: wanted.collect(),
            timeout_ms: 30_000,
            validate_only: false,
        };
        let response: CreatePartitionsResponse = client.call(version, &request);
        let mut results: Vec<_> = response
            .results
            .iter()
            .map(|it| (&it.name["behaviour-26-".len()..], it.error_code))
            .collect();
        results.sort_by_key(|(name, _)| *name);
        let expected = [
            ("6-made", ErrorCode::INVALID_REQUEST),
            ("7-made", ErrorCode::NONE),
            ("7-made-too", ErrorCode::NONE),
            ("nowhere", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ];
        assert_eq!(results, expected, "version {version}");
    }
}

#[test]
fn behaviour_27_incremental_alter_configs_appends_to_lists_and_subtracts_from_them() {
    let broker = broker::shared();
    let topic = broker.topic("behaviour-27", 1);
    let mut client = broker.client();
    for version in versions(ApiKey::INCREMENTAL_ALTER_CONFIGS) {
        for (operation, elements, expected) in [
            (SET, "delete", "delete"),
            (APPEND, "compact", "delete,compact"),
            (APPEND, "delete,compact", "delete,compact"),
            (SUBTRACT, "delete", "compact"),
            (SUBTRACT, "delete,compact", ""),
            (APPEND, "delete", "delete"),
        ] {
            let change = ("cleanup.policy", operation, Some(elements));
            let result = alter(&mut client, version, TOPIC, &topic.name, &[change]);
            assert_eq!(result, (ErrorCode::NONE, None), "{change:?}");
            let shown = value(&mut client, TOPIC, &topic.name, "cleanup.policy");
            assert_eq!(shown.as_deref(), Some(expected));
        }
        let before = |client: &mut Client, key: &str| value(client, TOPIC, "behaviour-27", key);
        for (key, operation, element, words) in [
            ("segment.bytes", APPEND, "5", "its type is not LIST"),
            ("segment.bytes", SUBTRACT, "5", "its type is not LIST"),
            ("no.such", SUBTRACT, "5", "Can't SUBTRACT to key no.such"),
            ("cleanup.policy", APPEND, "shred", "Invalid value"),
        ] {
            let was = before(&mut client, key);
            let change = (key, operation, Some(element));
            let (error, why) = alter(&mut client, version, TOPIC, &topic.name, &[change]);
            assert_eq!(error, ErrorCode::INVALID_CONFIG, "{change:?}");
            let why = why.expect("it says why");
            assert!(why.contains(words), "{why}");
            assert_eq!(before(&mut client, key), was, "nothing changed");
        }
    }
}
