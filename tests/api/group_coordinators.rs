//! Coordinators of groups on one shard, on several, and on more than there are cores; and what the topic
//! behind them is for others.

use crate::broker::{Broker, Directory, Topic};
use crate::client::{Client, produce_request};
use crate::members::{HASTY, Member, all_loaded, commit, find, join_beside, offsets, share};
use crate::records::batch;
use millstream::wire::{
    DeleteTopic, DeleteTopicsRequest, DeleteTopicsResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, ErrorCode, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest,
    JoinGroupResponse, ListGroupsRequest, ListGroupsResponse, MetadataRequest, MetadataResponse,
    MetadataTopic, OffsetDeleteRequest, OffsetDeleteResponse, ProduceResponse,
};

const OFFSETS: &str = "__consumer_offsets";

/// One group of two members: they share the topic, and commit.
fn exercise(broker: &Broker, group: &str, topic: &Topic) {
    let mut first = Member::of(broker, group);
    let mut second = Member::of(broker, group);
    first.settle(b"all");
    join_beside(&mut first, &mut second);
    share(&mut first, b"0", &mut second, b"1");
    assert_eq!(first.commit(topic, &[(0, 10)]), ErrorCode::NONE);
    assert_eq!(second.commit(topic, &[(1, 11)]), ErrorCode::NONE);
    assert_eq!(offsets(&mut first.client, group, topic, &[0, 1]), [10, 11]);
    assert_eq!(first.leave(), ErrorCode::NONE);
    assert_eq!(second.leave(), ErrorCode::NONE);
}

#[test]
fn any_number_of_shards_coordinates_alike_and_may_change_between_runs() {
    const GROUPS: usize = 12;
    let directory = Directory::new();
    let mut topic = None;
    let mut known: Vec<String> = Vec::new();
    for (run, shards) in [1, 2, 8].into_iter().enumerate() {
        let shards = format!("num.shards={shards}");
        let settings = [&[&*shards, "offsets.topic.num.partitions=10"][..], &HASTY].concat();
        let broker = Broker::start(&directory, &settings);
        all_loaded(&broker);
        let topic = topic.get_or_insert_with(|| broker.topic("t", 2));
        let mut client = broker.client();
        for group in &known {
            assert_eq!(offsets(&mut client, group, topic, &[0, 1]), [10, 11]);
        }
        for at in 0..GROUPS {
            let group = format!("run-{run}-group-{at}");
            exercise(&broker, &group, topic);
            known.push(group);
        }
        let listed: ListGroupsResponse = client.call(5, &ListGroupsRequest::default());
        let listed: Vec<_> = listed
            .groups
            .iter()
            .map(|it| it.group_id.to_string())
            .collect();
        let mut expected = known.clone();
        expected.sort();
        assert_eq!(listed, expected);
        let request = DescribeGroupsRequest {
            groups: known.iter().map(|group| group.clone().into()).collect(),
            ..Default::default()
        };
        let described: DescribeGroupsResponse = client.call(6, &request);
        for group in &described.groups {
            assert_eq!(&*group.group_state, "Empty");
        }
        match run % 2 {
            0 => broker.kill(),
            _ => broker.stop(),
        }
    }
}

/// As in Kafka: whoever wants to know looks for the coordinator first.
#[test]
fn nobody_coordinates_before_somebody_has_looked_for_a_coordinator() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let mut client = broker.client();
    let not_here = ErrorCode::NOT_COORDINATOR;
    let heartbeat = HeartbeatRequest {
        group_id: "g".into(),
        ..Default::default()
    };
    let response: HeartbeatResponse = client.call(4, &heartbeat);
    assert_eq!(response.error_code, not_here);
    let join = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        ..Default::default()
    };
    let response: JoinGroupResponse = client.call(9, &join);
    assert_eq!(response.error_code, not_here);
    let delete = OffsetDeleteRequest {
        group_id: "g".into(),
        ..Default::default()
    };
    let response: OffsetDeleteResponse = client.call(0, &delete);
    assert_eq!(response.error_code, not_here);
    let describe = DescribeGroupsRequest {
        groups: vec!["g".into()],
        ..Default::default()
    };
    let response: DescribeGroupsResponse = client.call(6, &describe);
    assert_eq!(response.groups[0].error_code, not_here);
    broker.stop();
}

fn told(client: &mut Client, create: bool) -> (ErrorCode, bool, usize) {
    let request = MetadataRequest {
        topics: Some(vec![MetadataTopic {
            name: Some(OFFSETS.into()),
            ..Default::default()
        }]),
        allow_auto_topic_creation: create,
        ..Default::default()
    };
    let response: MetadataResponse = client.call(12, &request);
    let topic = &response.topics[0];
    (topic.error_code, topic.is_internal, topic.partitions.len())
}

#[test]
fn metadata_makes_the_topic_of_groups_as_its_settings_say() {
    let directory = Directory::new();
    let settings = [
        "num.shards=2",
        "num.partitions=3",
        "offsets.topic.num.partitions=5",
    ];
    let broker = Broker::start(&directory, &settings);
    let mut client = broker.client();
    let missing = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(told(&mut client, false), (missing, true, 0));
    assert_eq!(told(&mut client, true), (ErrorCode::NONE, true, 5));
    assert_eq!(find(&mut client, "g"), ErrorCode::NONE);
    broker.stop();
    let settings = ["num.shards=2", "auto.create.topics.enable=false"];
    let directory = Directory::new();
    let broker = Broker::start(&directory, &settings);
    let mut client = broker.client();
    assert_eq!(told(&mut client, true), (missing, true, 0));
    assert_eq!(
        find(&mut client, "g"),
        ErrorCode::NONE,
        "groups need no leave"
    );
    broker.stop();
}

#[test]
fn nobody_but_the_broker_writes_to_the_topic_of_groups() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let mut client = broker.client();
    assert_eq!(find(&mut client, "g"), ErrorCode::NONE);
    let other = broker.topic("t", 1);
    let request = MetadataRequest {
        topics: Some(vec![MetadataTopic {
            name: Some(OFFSETS.into()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let response: MetadataResponse = client.call(12, &request);
    let topic = Topic {
        name: OFFSETS.into(),
        id: response.topics[0].topic_id,
    };
    for version in 3..=13 {
        let refused = client.produce_as(version, &topic, 0, batch(&["a"]));
        assert_eq!(refused.error_code, ErrorCode::INVALID_TOPIC_EXCEPTION);
        assert_eq!(refused.base_offset, -1);
        let missing = client.produce_as(version, &topic, 50, batch(&["a"]));
        assert_eq!(missing.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        // What is for others in the same request is taken.
        let mut request = produce_request(-1, &topic, vec![(0, batch(&["a"]))]);
        request
            .topic_data
            .extend(produce_request(-1, &other, vec![(0, batch(&["b"]))]).topic_data);
        let response: ProduceResponse = client.call(version, &request);
        let errors = response.responses.iter();
        let errors: Vec<_> = errors
            .map(|it| it.partition_responses[0].error_code)
            .collect();
        assert_eq!(
            errors,
            [ErrorCode::INVALID_TOPIC_EXCEPTION, ErrorCode::NONE]
        );
    }
    for partition in 0..50 {
        assert_eq!(
            client.fetch(&topic, partition, 0).response.high_watermark,
            0
        );
    }
    // Everybody may read what groups have written.
    commit(&mut client, "polygenelubricants", &other, &[(0, 5)]);
    let fetched = client.fetch(&topic, 0, 0);
    assert_eq!(fetched.response.high_watermark, 1);
    // Kafka's own tools may write.
    let mut tool = broker.client_named("__admin_client");
    let taken = tool.produce(&topic, 0, {
        let mut builder = crate::records::builder();
        let now = millstream::types::Timestamp(crate::records::now_ms());
        builder.push(now, Some(b"k"), Some(b"v"), &[]);
        builder.finish()
    });
    assert_eq!(taken.error_code, ErrorCode::NONE);
    broker.stop();
}

#[test]
fn the_topic_of_groups_takes_them_along_when_it_is_deleted() {
    let directory = Directory::new();
    let settings = [
        &["num.shards=3", "offsets.topic.num.partitions=4"][..],
        &HASTY,
    ]
    .concat();
    let broker = Broker::start(&directory, &settings);
    let topic = broker.topic("t", 1);
    let mut waiting = Member::of(&broker, "g");
    waiting.settle(b"all");
    let mut other = Member::of(&broker, "g");
    other.get_id();
    other.send_join();
    waiting.heartbeat_until_news();
    let mut client = broker.client();
    commit(&mut client, "kept", &topic, &[(0, 1)]);
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopic {
            name: Some(OFFSETS.into()),
            ..Default::default()
        }],
        timeout_ms: 30_000,
        ..Default::default()
    };
    let response: DeleteTopicsResponse = client.call(6, &request);
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    // Whoever waits is told to look for a coordinator, who knows nothing.
    let (response, _) = other.client.receive::<JoinGroupResponse>(9);
    assert_eq!(response.error_code, ErrorCode::NOT_COORDINATOR);
    assert_eq!(waiting.heartbeat(), ErrorCode::NOT_COORDINATOR);
    assert_eq!(find(&mut client, "kept"), ErrorCode::NONE);
    assert_eq!(offsets(&mut client, "kept", &topic, &[0]), [-1]);
    assert_eq!(waiting.heartbeat(), ErrorCode::UNKNOWN_MEMBER_ID);
    broker.stop();
}
