//! Metadata: which topics are told, and which are made on the way.

use crate::broker;
use crate::client::{Client, versions};
use millstream::types::Uuid;
use millstream::wire::{
    ApiKey, ErrorCode, MetadataRequest, MetadataResponse, MetadataTopic, MetadataTopicResponse,
};

const NEWEST: i16 = 13;

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
fn every_version_tells_broker_topic_and_partitions() {
    let broker = broker::shared();
    let topic = broker.topic("metadata-versions", 3);
    let mut client = broker.client();
    for version in versions(ApiKey::METADATA) {
        let request = by_name(&[&topic.name], true);
        let response: MetadataResponse = client.call(version, &request);
        let [own] = &response.brokers[..] else {
            panic!("one broker: {:?}", response.brokers)
        };
        assert_eq!(
            (&*own.host, own.port),
            ("127.0.0.1", i32::from(broker.port()))
        );
        if version >= 1 {
            assert_eq!(
                response.controller_id, own.node_id,
                "a live broker, or admins loop"
            );
        }
        if version >= 2 {
            let cluster = response.cluster_id.as_deref().expect("an id");
            assert!(Uuid::parse(cluster).is_some(), "{cluster}");
        }
        let told = &response.topics[0];
        assert_eq!(told.error_code, ErrorCode::NONE);
        assert!(!told.is_internal);
        if version >= 10 {
            assert_eq!(told.topic_id, topic.id);
        }
        let indexes: Vec<i32> = told
            .partitions
            .iter()
            .map(|it| it.partition_index)
            .collect();
        assert_eq!(indexes, [0, 1, 2]);
        for partition in &told.partitions {
            assert_eq!(partition.error_code, ErrorCode::NONE);
            assert_eq!(partition.leader_id, own.node_id);
            assert_eq!(partition.replica_nodes, [own.node_id]);
            assert_eq!(partition.isr_nodes, [own.node_id]);
            assert!(partition.offline_replicas.is_empty());
            assert_eq!(partition.leader_epoch, if version >= 7 { 0 } else { -1 });
        }
    }
}

/// But for that of groups: see group_coordinators.
#[test]
fn internal_topics_are_not_made_by_asking() {
    let mut client = broker::shared().client();
    for name in [
        "__share_group_state",
        "__transaction_state",
        "__cluster_metadata",
    ] {
        let told = one(&mut client, NEWEST, name, true);
        assert_ne!(told.error_code, ErrorCode::NONE, "{name}");
        assert!(told.partitions.is_empty());
        assert!(told.is_internal);
    }
}

#[test]
fn several_missing_topics_are_made_and_told_in_the_order_of_the_request() {
    let mut client = broker::shared().client();
    let names = ["metadata-z", "bad name", "metadata-a", "metadata-m"];
    let response: MetadataResponse = client.call(NEWEST, &by_name(&names, true));
    let told: Vec<_> = response
        .topics
        .iter()
        .map(|topic| (topic.name.as_deref().expect("a name"), topic.error_code))
        .collect();
    let ok = ErrorCode::NONE;
    let expected = [
        ("metadata-z", ok),
        ("bad name", ErrorCode::INVALID_TOPIC_EXCEPTION),
        ("metadata-a", ok),
        ("metadata-m", ok),
    ];
    assert_eq!(told, expected);
}

#[test]
fn many_clients_that_ask_for_the_same_missing_topic_get_the_same_one() {
    let broker = broker::shared();
    let mut clients: Vec<Client> = (0..12).map(|_| broker.client()).collect();
    let request = by_name(&["metadata-race"], true);
    for client in &mut clients {
        client.send(NEWEST, &request);
    }
    let ids: Vec<Uuid> = clients
        .iter_mut()
        .map(|client| {
            let (response, _) = client.receive::<MetadataResponse>(NEWEST);
            assert_eq!(response.topics[0].error_code, ErrorCode::NONE);
            assert_eq!(response.topics[0].partitions.len(), 2);
            response.topics[0].topic_id
        })
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0] && !id.is_zero()));
}

#[test]
fn topics_are_found_by_id() {
    let broker = broker::shared();
    let topic = broker.topic("metadata-by-id", 1);
    let mut client = broker.client();
    // Java's client sends an empty name beside the id.
    let names = [None, Some("")];
    for (version, name) in (12..=NEWEST).flat_map(|version| names.map(|name| (version, name))) {
        let request = MetadataRequest {
            topics: Some(
                [topic.id, Uuid([8; 16])]
                    .map(|topic_id| MetadataTopic {
                        topic_id,
                        name: name.map(Into::into),
                    })
                    .into(),
            ),
            ..Default::default()
        };
        let response: MetadataResponse = client.call(version, &request);
        let [known, unknown] = &response.topics[..] else {
            panic!("two topics: {:?}", response.topics)
        };
        assert_eq!(known.error_code, ErrorCode::NONE);
        assert_eq!(known.name.as_deref(), Some(&*topic.name));
        assert_eq!(known.topic_id, topic.id);
        assert_eq!(unknown.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
        assert_eq!(unknown.name, None);
        assert_eq!(unknown.topic_id, Uuid([8; 16]));
    }
}

#[test]
fn operations_are_told_only_when_asked_for() {
    let broker = broker::shared();
    let topic = broker.topic("metadata-operations", 1);
    let mut client = broker.client();
    let mut request = by_name(&[&topic.name], false);
    let silent: MetadataResponse = client.call(8, &request);
    assert_eq!(silent.cluster_authorized_operations, i32::MIN);
    assert_eq!(silent.topics[0].topic_authorized_operations, i32::MIN);
    request.include_cluster_authorized_operations = true;
    request.include_topic_authorized_operations = true;
    let told: MetadataResponse = client.call(8, &request);
    assert!(told.cluster_authorized_operations > 0);
    assert!(told.topics[0].topic_authorized_operations > 0);
}
