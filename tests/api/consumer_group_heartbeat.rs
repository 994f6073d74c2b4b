//! ConsumerGroupHeartbeat: members come, share, leave and vanish, topics come and grow, and what is
//! refused.

use crate::broker::{self, Broker, Directory, Topic};
use crate::client::{Client, versions};
use crate::consumers::{Consumer, Owned, all_of, settle};
use crate::members::{HASTY, Member, all_loaded, offsets, subscription};
use millstream::wire::{
    ApiKey, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    ConsumerProtocolAssignment, ConsumerProtocolTopic, CreatePartitionsRequest,
    CreatePartitionsResponse, CreatePartitionsTopic, DeleteTopic, DeleteTopicsRequest,
    DeleteTopicsResponse, ErrorCode, HeartbeatRequest, HeartbeatResponse,
    IncrementalAlterConfigsProperty, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResource, IncrementalAlterConfigsResponse, JoinGroupResponse,
    ListGroupsRequest, ListGroupsResponse,
};
use std::time::{Duration, Instant};

fn grow(client: &mut Client, topic: &Topic, count: i32) {
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: topic.name.clone().into(),
            count,
            assignments: None,
        }],
        timeout_ms: 30_000,
        validate_only: false,
    };
    let response: CreatePartitionsResponse = client.call(3, &request);
    assert_eq!(response.results[0].error_code, ErrorCode::NONE);
}

fn delete(client: &mut Client, topic: &Topic) {
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopic {
            name: Some(topic.name.clone().into()),
            ..Default::default()
        }],
        timeout_ms: 30_000,
        ..Default::default()
    };
    let response: DeleteTopicsResponse = client.call(6, &request);
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
}

/// Gives a group settings of its own.
fn set(client: &mut Client, group: &str, settings: &[(&str, &str)]) {
    let settings = settings
        .iter()
        .map(|(name, value)| IncrementalAlterConfigsProperty {
            name: name.to_string().into(),
            config_operation: 0,
            value: Some(value.to_string().into()),
        });
    let request = IncrementalAlterConfigsRequest {
        resources: vec![IncrementalAlterConfigsResource {
            resource_type: 32,
            resource_name: group.to_string().into(),
            configs: settings.collect(),
        }],
        validate_only: false,
    };
    let response: IncrementalAlterConfigsResponse = client.call(1, &request);
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
}

#[test]
fn every_version_joins_stays_and_leaves() {
    let broker = broker::of_groups();
    let topic = broker.topic("consumer-versions", 3);
    for version in versions(ApiKey::CONSUMER_GROUP_HEARTBEAT) {
        let group = format!("consumer-versions-{version}");
        let mut consumer = Consumer::of(broker, &group, "", &["consumer-versions"]);
        if version >= 1 {
            // KIP-1082: clients make their ids.
            let request = consumer.request();
            let refused: ConsumerGroupHeartbeatResponse = consumer.client.call(version, &request);
            assert_eq!(refused.error_code, ErrorCode::INVALID_REQUEST);
            consumer.id = "made by the client".into();
        }
        let request = consumer.request();
        let joined: ConsumerGroupHeartbeatResponse = consumer.client.call(version, &request);
        assert_eq!(joined.error_code, ErrorCode::NONE);
        assert_eq!(joined.heartbeat_interval_ms, 5_000);
        assert_eq!(joined.member_epoch, 1);
        consumer.id = joined.member_id.expect("an id").to_string();
        assert!(!consumer.id.is_empty());
        assert_eq!(version == 1, consumer.id == "made by the client");
        let given = &joined
            .assignment
            .expect("what it is to do")
            .topic_partitions;
        assert_eq!(given.len(), 1);
        assert_eq!(given[0].topic_id, topic.id);
        assert_eq!(given[0].partitions, [0, 1, 2]);

        // Nothing new, nothing said.
        let bare = ConsumerGroupHeartbeatRequest {
            group_id: group.clone().into(),
            member_id: consumer.id.clone().into(),
            member_epoch: 1,
            ..Default::default()
        };
        let quiet: ConsumerGroupHeartbeatResponse = consumer.client.call(version, &bare);
        assert_eq!(quiet.error_code, ErrorCode::NONE);
        assert_eq!((quiet.member_epoch, quiet.assignment), (1, None));

        let leaving = ConsumerGroupHeartbeatRequest {
            member_epoch: -1,
            ..bare.clone()
        };
        let left: ConsumerGroupHeartbeatResponse = consumer.client.call(version, &leaving);
        assert_eq!(left.error_code, ErrorCode::NONE);
        assert_eq!((left.member_epoch, left.heartbeat_interval_ms), (-1, 0));
        let gone: ConsumerGroupHeartbeatResponse = consumer.client.call(version, &bare);
        assert_eq!(gone.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    }
}

#[test]
fn members_share_and_no_partition_moves_that_need_not() {
    let broker = broker::of_groups();
    let topic = broker.topic("consumer-share", 6);
    let expected = all_of(&[(&topic, 6)]);
    let join = |id| Consumer::of(broker, "consumer-share", id, &["consumer-share"]);
    let (mut a, mut b, mut c) = (join("a"), join("b"), join("c"));
    settle(&mut [&mut a], &expected);
    settle(&mut [&mut a, &mut b], &expected);
    assert_eq!((a.owned.len(), b.owned.len()), (3, 3));
    let before = (a.owned.clone(), b.owned.clone());
    settle(&mut [&mut a, &mut b, &mut c], &expected);
    for (now, before) in [(&a.owned, &before.0), (&b.owned, &before.1)] {
        assert_eq!(now.len(), 2);
        assert!(now.is_subset(before), "what is kept is what was there");
    }
    let before = (a.owned.clone(), c.owned.clone());
    b.leave();
    settle(&mut [&mut a, &mut c], &expected);
    assert!(a.owned.is_superset(&before.0) && c.owned.is_superset(&before.1));
    // More members than partitions.
    let mut many: Vec<Consumer> = (0..6)
        .map(|at| join(["d", "e", "f", "g", "h", "i"][at]))
        .collect();
    let mut all: Vec<&mut Consumer> = many.iter_mut().collect();
    all.extend([&mut a, &mut c]);
    settle(&mut all, &expected);
    assert!(all.iter().all(|consumer| consumer.owned.len() <= 1));
}

#[test]
fn ranges_go_together_where_the_group_asks_for_them() {
    let broker = broker::of_groups();
    let topics = [
        broker.topic("consumer-range-1", 4),
        broker.topic("consumer-range-2", 4),
    ];
    let expected = all_of(&[(&topics[0], 4), (&topics[1], 4)]);
    let join = |id| Consumer {
        assignor: Some("range"),
        ..Consumer::of(
            broker,
            "consumer-range",
            id,
            &["consumer-range-1", "consumer-range-2"],
        )
    };
    let (mut a, mut b) = (join("a"), join("b"));
    settle(&mut [&mut a, &mut b], &expected);
    let first: Owned = topics
        .iter()
        .flat_map(|it| [(it.id, 0), (it.id, 1)])
        .collect();
    assert!(a.owned == first || b.owned == first, "{:?}", a.owned);
}

#[test]
fn partitions_and_topics_that_come_are_given_out_and_those_that_go_are_given_up() {
    let broker = broker::of_groups();
    let topic = broker.topic("consumer-topics-1", 2);
    let mut client = broker.client();
    let wanted = ["consumer-topics-1", "consumer-topics-2"];
    let mut a = Consumer::of(broker, "consumer-topics", "a", &wanted);
    let mut b = Consumer::of(broker, "consumer-topics", "b", &wanted);
    settle(&mut [&mut a, &mut b], &all_of(&[(&topic, 2)]));
    grow(&mut client, &topic, 4);
    settle(&mut [&mut a, &mut b], &all_of(&[(&topic, 4)]));
    assert_eq!((a.owned.len(), b.owned.len()), (2, 2));
    let second = broker.topic("consumer-topics-2", 2);
    settle(&mut [&mut a, &mut b], &all_of(&[(&topic, 4), (&second, 2)]));
    delete(&mut client, &topic);
    settle(&mut [&mut a, &mut b], &all_of(&[(&second, 2)]));
    // Another of the same name is another topic.
    let again = broker.topic("consumer-topics-1", 1);
    assert_ne!(again.id, topic.id);
    settle(&mut [&mut a, &mut b], &all_of(&[(&again, 1), (&second, 2)]));
}

#[test]
fn topics_that_match_a_regular_expression_are_given_out_when_they_come() {
    let broker = broker::of_groups();
    let first = broker.topic("consumer-regex-1", 1);
    broker.topic("other-consumer-regex-1", 1);
    let mut a = Consumer {
        regex: Some("consumer-regex-.*".into()),
        ..Consumer::of(broker, "consumer-regex", "a", &[])
    };
    settle(&mut [&mut a], &all_of(&[(&first, 1)]));
    let second = broker.topic("consumer-regex-2", 2);
    let began = Instant::now();
    settle(&mut [&mut a], &all_of(&[(&first, 1), (&second, 2)]));
    assert!(began.elapsed() < Duration::from_secs(25));
    a.regex = Some("nothing".into());
    settle(&mut [&mut a], &Owned::new());
    for bad in ["(", "a(?=b)"] {
        a.regex = Some(bad.into());
        let request = a.request();
        let refused = a.ask(&request);
        assert_eq!(refused.error_code, ErrorCode::INVALID_REGULAR_EXPRESSION);
        assert!(refused.error_message.is_some());
    }
}

#[test]
fn a_silent_member_loses_its_partitions_when_its_session_ends() {
    const SESSION: Duration = Duration::from_millis(1_500);
    let broker = broker::of_groups();
    let topic = broker.topic("consumer-session", 4);
    let mut client = broker.client();
    set(
        &mut client,
        "consumer-session",
        &[
            ("consumer.session.timeout.ms", "1500"),
            ("consumer.heartbeat.interval.ms", "100"),
        ],
    );
    let join = |id| Consumer::of(broker, "consumer-session", id, &["consumer-session"]);
    let (mut a, mut b) = (join("a"), join("b"));
    let expected = all_of(&[(&topic, 4)]);
    settle(&mut [&mut a, &mut b], &expected);
    let request = a.request();
    assert_eq!(a.ask(&request).heartbeat_interval_ms, 100);
    let began = Instant::now();
    // Only one of them goes on.
    b.owned.clear();
    settle(&mut [&mut a], &expected);
    let took = began.elapsed();
    assert!(took >= SESSION - Duration::from_millis(200), "{took:?}");
    let epoch = b.epoch;
    assert_eq!(b.bare(epoch), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_static_member_that_is_away_for_a_while_keeps_its_partitions() {
    let broker = broker::of_groups();
    let topic = broker.topic("consumer-static", 4);
    let expected = all_of(&[(&topic, 4)]);
    let join = |id, instance| Consumer {
        instance: Some(instance),
        ..Consumer::of(broker, "consumer-static", id, &["consumer-static"])
    };
    let (mut a, mut b) = (join("a", "one"), join("b", "two"));
    settle(&mut [&mut a, &mut b], &expected);
    let held = b.owned.clone();
    let epoch = a.epoch;
    assert_eq!(b.bare(-2), ErrorCode::NONE);
    assert!(!a.beat(), "nobody takes what it has");
    let mut again = join("b again", "two");
    settle(&mut [&mut a, &mut again], &expected);
    assert_eq!((again.owned.clone(), again.epoch), (held, epoch));
    // Its former self is not it any more, and nobody else may take its name.
    assert_eq!(b.bare(epoch), ErrorCode::FENCED_INSTANCE_ID);
    let mut thief = join("thief", "two");
    let request = thief.request();
    assert_eq!(
        thief.ask(&request).error_code,
        ErrorCode::UNRELEASED_INSTANCE_ID
    );
}

#[test]
fn who_is_not_in_its_epoch_is_told_so() {
    let broker = broker::of_groups();
    let topic = broker.topic("consumer-epochs", 2);
    let expected = all_of(&[(&topic, 2)]);
    let join = |id| Consumer::of(broker, "consumer-epochs", id, &["consumer-epochs"]);
    let (mut a, mut b) = (join("a"), join("b"));
    settle(&mut [&mut a], &expected);
    settle(&mut [&mut a, &mut b], &expected);
    let epoch = a.epoch;
    assert_eq!(a.bare(epoch + 5), ErrorCode::FENCED_MEMBER_EPOCH);
    let mut nobody = join("nobody");
    assert_eq!(nobody.bare(epoch), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(nobody.bare(-3), ErrorCode::INVALID_REQUEST);
    let mut elsewhere = Consumer::of(broker, "consumer-nowhere", "a", &["consumer-epochs"]);
    assert_eq!(elsewhere.bare(3), ErrorCode::GROUP_ID_NOT_FOUND);
    let request = ConsumerGroupHeartbeatRequest {
        server_assignor: Some("sticky".into()),
        ..join("x").request()
    };
    let refused = nobody.ask(&request);
    assert_eq!(refused.error_code, ErrorCode::UNSUPPORTED_ASSIGNOR);
}

#[test]
fn offsets_are_committed_in_the_members_epoch() {
    let broker = broker::of_groups();
    let topic = broker.topic("consumer-commit", 2);
    let mut a = Consumer::of(broker, "consumer-commit", "a", &["consumer-commit"]);
    settle(&mut [&mut a], &all_of(&[(&topic, 2)]));
    let epoch = a.epoch;
    for version in [9, 10] {
        let offset = i64::from(version);
        let commit = a.commit(version, epoch, &topic, &[(0, offset)]);
        assert_eq!(commit, ErrorCode::NONE);
        let stale = a.commit(version, epoch + 1, &topic, &[(0, 77)]);
        assert_eq!(stale, ErrorCode::STALE_MEMBER_EPOCH);
        let told = offsets(&mut a.client, "consumer-commit", &topic, &[0, 1]);
        assert_eq!(told, [offset, -1]);
    }
    // Before version 9 there are no member epochs.
    let old = a.commit(8, epoch, &topic, &[(0, 77)]);
    assert_eq!(old, ErrorCode::UNSUPPORTED_VERSION);
    a.id = "nobody".into();
    let unknown = a.commit(9, epoch, &topic, &[(0, 77)]);
    assert_eq!(unknown, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_classic_group_becomes_a_consumer_group_member_by_member() {
    let broker = broker::of_groups();
    let topic = broker.topic("consumer-migrate", 4);
    let mut classic = Member::of(broker, "consumer-migrate");
    classic.metadata = subscription(&["consumer-migrate"]);
    classic.settle(&assignment("consumer-migrate", &[0, 1, 2, 3]));
    let mut new = Consumer::of(broker, "consumer-migrate", "new", &["consumer-migrate"]);
    new.beat();
    assert_eq!(kind(&mut new.client, "consumer-migrate"), "consumer");
    // The classic member is told to rejoin, and gives half of it up.
    assert_eq!(
        classic.heartbeat_until_news(),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    classic.send_join();
    let joined = classic.joined();
    assert!(joined.members.is_empty(), "it does not lead");
    classic.send_sync(&[]);
    let kept = classic.synced();
    assert!(!kept.is_empty());
    let half = all_of(&[(&topic, 4)]);
    while new.owned.len() < 2 {
        new.beat();
        let request = HeartbeatRequest {
            generation_id: classic.generation,
            ..classic.heartbeat_request()
        };
        let beat: HeartbeatResponse = classic.client.call(4, &request);
        match beat.error_code {
            ErrorCode::NONE => {}
            ErrorCode::REBALANCE_IN_PROGRESS => {
                classic.send_join();
                classic.joined();
                classic.send_sync(&[]);
                classic.synced();
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(new.owned.len(), 2);
    // The last classic member leaves; then the group is the others'.
    assert_eq!(classic.leave(), ErrorCode::NONE);
    settle(&mut [&mut new], &half);
    // And back: when the last consumer goes, a classic one may come.
    new.leave();
    let mut back = Member::of(broker, "consumer-migrate");
    back.settle(b"all");
    assert_eq!(kind(&mut back.client, "consumer-migrate"), "classic");
}

fn assignment(topic: &str, partitions: &[i32]) -> Vec<u8> {
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: vec![ConsumerProtocolTopic {
            topic: topic.to_owned().into(),
            partitions: partitions.to_vec(),
        }],
        ..Default::default()
    };
    assignment
        .to_bytes(3)
        .expect("the version is known")
        .to_vec()
}

/// The group's type as it is listed.
fn kind(client: &mut Client, group: &str) -> String {
    let response: ListGroupsResponse = client.call(5, &ListGroupsRequest::default());
    let mut listed = response.groups.iter();
    let listed = listed
        .find(|it| &*it.group_id == group)
        .expect("it is listed");
    listed.group_type.to_string()
}

#[test]
fn a_group_outlives_kill_9_and_nothing_moves() {
    let directory = Directory::new();
    let settings = [
        &["num.shards=2", "offsets.topic.num.partitions=3"][..],
        &HASTY,
    ]
    .concat();
    let broker = Broker::start(&directory, &settings);
    let topic = broker.topic("t", 5);
    let expected = all_of(&[(&topic, 5)]);
    let mut a = Consumer::of(&broker, "g", "a", &["t"]);
    let mut b = Consumer {
        regex: Some("t.*".into()),
        ..Consumer::of(&broker, "g", "b", &[])
    };
    settle(&mut [&mut a, &mut b], &expected);
    let epoch = a.epoch;
    assert_eq!(a.commit(9, epoch, &topic, &[(0, 5)]), ErrorCode::NONE);
    let before = (a.owned.clone(), b.owned.clone(), epoch);
    broker.kill();
    let broker = Broker::start(&directory, &settings);
    all_loaded(&broker);
    (a.client, b.client) = (broker.client(), broker.client());
    settle(&mut [&mut a, &mut b], &expected);
    assert_eq!((a.owned.clone(), b.owned.clone(), a.epoch), before);
    assert_eq!(offsets(&mut a.client, "g", &topic, &[0]), [5]);
    b.leave();
    settle(&mut [&mut a], &expected);
    broker.stop();
}

#[test]
fn a_group_may_be_full() {
    let directory = Directory::new();
    let settings = [&["group.consumer.max.size=1"][..], &HASTY].concat();
    let broker = Broker::start(&directory, &settings);
    let topic = broker.topic("t", 1);
    let mut a = Consumer::of(&broker, "g", "a", &["t"]);
    settle(&mut [&mut a], &all_of(&[(&topic, 1)]));
    let mut b = Consumer::of(&broker, "g", "b", &["t"]);
    let request = b.request();
    assert_eq!(
        b.ask(&request).error_code,
        ErrorCode::GROUP_MAX_SIZE_REACHED
    );
    broker.stop();
}

#[test]
fn where_the_protocol_is_not_served_clients_are_told_so() {
    let directory = Directory::new();
    let settings = [
        &["group.coordinator.rebalance.protocols=classic"][..],
        &HASTY,
    ]
    .concat();
    let broker = Broker::start(&directory, &settings);
    let mut a = Consumer::of(&broker, "g", "a", &["t"]);
    let request = a.request();
    let refused = a.ask(&request);
    assert_eq!(refused.error_code, ErrorCode::UNSUPPORTED_VERSION);
    let mut classic = Member::of(&broker, "g");
    classic.settle(b"all");
    broker.stop();
}

#[test]
fn a_policy_without_upgrades_keeps_the_protocols_apart() {
    let directory = Directory::new();
    let settings = [&["group.consumer.migration.policy=Disabled"][..], &HASTY].concat();
    let broker = Broker::start(&directory, &settings);
    broker.topic("t", 1);
    let mut classic = Member::of(&broker, "g");
    classic.settle(b"all");
    let mut new = Consumer::of(&broker, "g", "new", &["t"]);
    let request = new.request();
    assert_eq!(new.ask(&request).error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    let mut first = Consumer::of(&broker, "h", "first", &["t"]);
    first.beat();
    let mut late = Member::of(&broker, "h");
    let request = late.join_request();
    let refused: JoinGroupResponse = late.client.call(9, &request);
    assert_eq!(refused.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    broker.stop();
}

#[test]
fn a_hundred_members_share_a_thousand_partitions_evenly() {
    let broker = broker::of_groups();
    let topic = broker.topic("consumer-large", 1_000);
    let ids: Vec<String> = (0..100).map(|at| format!("member-{at:03}")).collect();
    let mut members: Vec<Consumer> = ids
        .iter()
        .map(|id| Consumer::of(broker, "consumer-large", id, &["consumer-large"]))
        .collect();
    let mut all: Vec<&mut Consumer> = members.iter_mut().collect();
    settle(&mut all, &all_of(&[(&topic, 1_000)]));
    assert!(all.iter().all(|consumer| consumer.owned.len() == 10));
}
