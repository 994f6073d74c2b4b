//! FindCoordinator: who coordinates a group, and the topic that is made for it.

use crate::broker::{self, Broker, Directory};
use crate::client::{Client, versions};
use crate::members::{FIND, find};
use millstream::wire::{
    ApiKey, DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, ErrorCode,
    FindCoordinatorRequest, FindCoordinatorResponse, FindCoordinatorResult, MetadataRequest,
    MetadataResponse, MetadataTopic,
};

const OFFSETS: &str = "__consumer_offsets";

/// Asks in the version's way for these keys: one, or from version 4 on any number.
fn ask(
    client: &mut Client,
    version: i16,
    key_type: i8,
    keys: &[&'static str],
) -> Vec<FindCoordinatorResult<'static>> {
    if version >= 4 {
        let request = FindCoordinatorRequest {
            key_type,
            coordinator_keys: keys.iter().map(|key| (*key).into()).collect(),
            ..Default::default()
        };
        let response: FindCoordinatorResponse = client.call(version, &request);
        let told: Vec<_> = response.coordinators.iter().map(|it| &*it.key).collect();
        assert_eq!(told, keys);
        return response.coordinators;
    }
    let ask = |key: &&'static str| {
        let request = FindCoordinatorRequest {
            key: (*key).into(),
            key_type,
            ..Default::default()
        };
        let response: FindCoordinatorResponse = client.call(version, &request);
        FindCoordinatorResult {
            key: (*key).into(),
            node_id: response.node_id,
            host: response.host,
            port: response.port,
            error_code: response.error_code,
            error_message: response.error_message,
        }
    };
    keys.iter().map(ask).collect()
}

fn metadata(client: &mut Client, topics: Option<&'static str>) -> MetadataResponse<'static> {
    let request = MetadataRequest {
        topics: topics.map(|name| {
            vec![MetadataTopic {
                name: Some(name.into()),
                ..Default::default()
            }]
        }),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    client.call(12, &request)
}

#[test]
fn every_version_is_told_this_broker() {
    let broker = broker::of_groups();
    let mut client = broker.client();
    let node = metadata(&mut client, Some("any")).brokers[0].node_id;
    for version in versions(ApiKey::FIND_COORDINATOR) {
        // As in Kafka, a group without a name has a coordinator, too.
        for found in ask(
            &mut client,
            version,
            0,
            &["a", "b", "", "polygenelubricants"],
        ) {
            assert_eq!(found.error_code, ErrorCode::NONE);
            assert_eq!(found.node_id, node);
            assert_eq!(&*found.host, "127.0.0.1");
            assert_eq!(found.port, i32::from(broker.port()));
            let message = found.error_message.as_deref();
            match version {
                0 => assert_eq!(message, None),
                1..4 => assert_eq!(message, Some("NONE")),
                _ => assert_eq!(message, Some("")),
            }
        }
    }
    assert!(ask(&mut client, FIND, 0, &[]).is_empty());
}

#[test]
fn the_first_who_asks_makes_the_topic_of_groups() {
    let directory = Directory::new();
    let settings = [
        "num.shards=2",
        "num.partitions=3",
        "offsets.topic.num.partitions=5",
        "offsets.topic.segment.bytes=2097152",
    ];
    let broker = Broker::start(&directory, &settings);
    let mut client = broker.client();
    assert!(metadata(&mut client, None).topics.is_empty());
    assert!(ask(&mut client, FIND, 0, &[]).is_empty());
    assert!(
        metadata(&mut client, None).topics.is_empty(),
        "nobody needs it yet"
    );

    assert_eq!(find(&mut client, "g"), ErrorCode::NONE);
    let topics = metadata(&mut client, None).topics;
    let [topic] = &topics[..] else {
        panic!("one topic: {topics:?}")
    };
    assert_eq!(topic.name.as_deref(), Some(OFFSETS));
    assert!(topic.is_internal);
    assert_eq!(topic.partitions.len(), 5);
    // By default there are to be three replicas; there is one broker.
    assert!(
        topic
            .partitions
            .iter()
            .all(|it| it.replica_nodes.len() == 1)
    );

    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: 2,
            resource_name: OFFSETS.into(),
            configuration_keys: None,
        }],
        ..Default::default()
    };
    let response: DescribeConfigsResponse = client.call(4, &request);
    let configs = &response.results[0].configs;
    const OF_TOPIC: i8 = 1;
    let set = configs.iter().filter(|it| it.config_source == OF_TOPIC);
    let mut set: Vec<_> = set
        .map(|it| (&*it.name, it.value.as_deref().expect("a value")))
        .collect();
    set.sort();
    assert_eq!(
        set,
        [
            ("cleanup.policy", "compact"),
            ("compression.type", "producer"),
            ("segment.bytes", "2097152"),
        ]
    );
    let id = topic.topic_id;
    assert_eq!(find(&mut client, "h"), ErrorCode::NONE);
    assert_eq!(
        metadata(&mut client, None).topics[0].topic_id,
        id,
        "made once"
    );
    broker.stop();
}

#[test]
fn all_who_ask_at_the_same_time_are_answered() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=4"]);
    let mut clients: Vec<Client> = (0..12).map(|_| broker.client()).collect();
    let request = FindCoordinatorRequest {
        coordinator_keys: vec!["g".into()],
        ..Default::default()
    };
    for client in &mut clients {
        client.send(FIND, &request);
    }
    for client in &mut clients {
        let (response, _) = client.receive::<FindCoordinatorResponse>(FIND);
        assert_eq!(response.coordinators[0].error_code, ErrorCode::NONE);
    }
    let topics = metadata(&mut clients[0], None).topics;
    assert_eq!(topics.len(), 1);
    assert_eq!(topics[0].partitions.len(), 50, "Kafka's number");
    broker.stop();
}

#[test]
fn a_topic_that_cannot_be_made_is_no_coordinator() {
    let directory = Directory::new();
    // Kafka allows the setting, and no topic with it.
    let broker = Broker::start(&directory, &["offsets.topic.segment.bytes=1"]);
    let mut client = broker.client();
    for version in versions(ApiKey::FIND_COORDINATOR) {
        let found = ask(&mut client, version, 0, &["g"]).remove(0);
        assert_eq!(found.error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE);
        assert_eq!((found.node_id, found.port), (-1, -1));
        if version >= 1 {
            let why = found.error_message.expect("a reason");
            assert!(why.contains("segment.bytes"), "{why}");
        }
    }
    broker.stop();
}

#[test]
fn every_version_refuses_other_coordinators_and_says_why() {
    let mut client = broker::of_groups().client();
    for version in 1..=FIND {
        // 1 transactional ids; from version 6 on 2 share partitions; nothing else.
        for key_type in [1, 2, 3, -1] {
            let expected = match (key_type, version) {
                (1, _) | (2, 6..) => ErrorCode::COORDINATOR_NOT_AVAILABLE,
                _ => ErrorCode::INVALID_REQUEST,
            };
            for found in ask(&mut client, version, key_type, &["a", "b"]) {
                assert_eq!(found.error_code, expected);
                assert_eq!((found.node_id, found.port), (-1, -1));
                assert_eq!(&*found.host, "");
                assert!(found.error_message.is_some());
            }
        }
    }
}
