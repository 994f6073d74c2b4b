//! Behaviours 23 and 29, of groups, and what kafka-go needs of them: it joins in versions 1 and 2 and asks
//! for the rest in its oldest ones.

use crate::broker::{self, Broker, Directory};
use crate::client::{Client, versions};
use crate::members::{
    HASTY, JOIN, Member, PROTOCOL, ask, commit_request, fetch_topic, join_beside, offsets, share,
    subscription, the_error, told, topic_of,
};
use millstream::wire::{
    ApiKey, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest,
    HeartbeatResponse, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeletePartition, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetDeleteTopic, OffsetFetchRequest, OffsetFetchResponse,
    SyncGroupAssignment, SyncGroupRequest, SyncGroupResponse,
};

#[test]
fn behaviour_23_offset_fetch_has_an_entry_for_each_partition_and_all_that_was_committed() {
    let (topic, mut client) = topic_of("behaviour-23", 4);
    let mut request = commit_request("behaviour-23", &topic, &[(1, 10), (3, 30)]);
    let partitions = &mut request.topics[0].partitions;
    partitions[0].committed_metadata = Some("{\"any\": \"tëxt\"}".into());
    partitions[0].committed_leader_epoch = 0;
    partitions[1].committed_metadata = None;
    let response: OffsetCommitResponse = client.call(9, &request);
    assert_eq!(the_error(&response), ErrorCode::NONE);
    for version in versions(ApiKey::OFFSET_FETCH) {
        let topics = Some(vec![fetch_topic(&topic, &[0, 3, 1, 99])]);
        let (error, topics) = ask(&mut client, version, "behaviour-23", topics);
        assert_eq!(error, ErrorCode::NONE);
        // Unknown is -1, which is not 0; versions below 5 have no room for it.
        let epoch = if version >= 5 { 0 } else { -1 };
        assert_eq!(
            told(&topics[0].partitions),
            [
                (0, -1, -1, Some("")),
                (3, 30, -1, Some("")),
                (1, 10, epoch, Some("{\"any\": \"tëxt\"}")),
                (99, -1, -1, Some("")),
            ]
        );
    }
}

#[test]
fn behaviour_29_a_static_member_that_rejoins_swaps_its_id_and_fences_the_old_one() {
    let broker = broker::of_groups();
    // The first versions with instances, the last that knows nothing of skipping, and the last.
    for version in [5, 8, JOIN] {
        let group = format!("behaviour-29-v{version}");
        let mut first = Member::of_instance(broker, &group, "one");
        first.settle(b"all");
        let mut second = Member::of_instance(broker, &group, "two");
        join_beside(&mut first, &mut second);
        share(&mut first, b"half of one", &mut second, b"half of two");
        assert_eq!((first.generation, second.generation), (2, 2));

        // The process of the leader starts anew, and then the other.
        for (member, half) in [(&mut first, "half of one"), (&mut second, "half of two")] {
            let mut again = Member::of_instance(broker, &group, member.instance.expect("static"));
            let request = again.join_request();
            let response: JoinGroupResponse = again.client.call(version, &request);
            assert_eq!(response.error_code, ErrorCode::NONE, "at once");
            assert_eq!(response.generation_id, 2, "without a rebalance");
            assert_ne!(*response.member_id, member.id);
            again.id = response.member_id.to_string();
            again.generation = 2;
            // A client that is not told to skip the assignment is not told that it leads.
            let leads = *response.leader == again.id;
            assert_eq!(leads, half == "half of one" && version >= 9);
            assert_eq!(response.skip_assignment, leads);

            assert_eq!(member.heartbeat(), ErrorCode::FENCED_INSTANCE_ID);
            let request = member.sync_request(&[]);
            let response: SyncGroupResponse = member.client.call(5, &request);
            assert_eq!(response.error_code, ErrorCode::FENCED_INSTANCE_ID);
            let request = member.join_request();
            let response: JoinGroupResponse = member.client.call(version, &request);
            assert_eq!(response.error_code, ErrorCode::FENCED_INSTANCE_ID);
            assert_eq!(member.leave(), ErrorCode::FENCED_INSTANCE_ID);

            assert_eq!(again.heartbeat(), ErrorCode::NONE);
            again.send_sync(&[]);
            assert_eq!(again.synced(), half.as_bytes());
            *member = again;
        }
        assert_eq!(first.heartbeat(), ErrorCode::NONE);
    }
}

#[test]
fn behaviour_29_what_members_say_of_themselves_is_opaque_but_for_its_beginning() {
    let broker = broker::of_groups();
    let topic = broker.topic("behaviour-29", 2);
    let other = broker.topic("behaviour-29-other", 1);
    // Any bytes at all; a subscription with more behind it; one that claims a later version; and
    // kafka-go's, which claims 1 and leaves out the partitions owned.
    let mut trailing = subscription(&["behaviour-29"]);
    trailing.extend([0xff; 9]);
    let mut later = trailing.clone();
    later[..2].copy_from_slice(&9i16.to_be_bytes());
    let mut of_kafka_go = vec![0, 1, 0, 0, 0, 1, 0, 12];
    of_kafka_go.extend(b"behaviour-29");
    of_kafka_go.extend((-1i32).to_be_bytes());
    for (at, (metadata, is_understood)) in [
        (vec![0xff; 21], false),
        (Vec::new(), false),
        (trailing, true),
        (later, true),
        (of_kafka_go, true),
    ]
    .into_iter()
    .enumerate()
    {
        let group = format!("behaviour-29-opaque-{at}");
        let mut member = Member::of(broker, &group);
        member.metadata = metadata;
        let joined = member.join();
        assert_eq!(*joined.members[0].metadata, member.metadata);
        let own = member.id.clone();
        member.send_sync(&[(&own, &[0xfe; 3])]);
        assert_eq!(member.synced(), [0xfe; 3]);
        for topic in [&topic, &other] {
            assert_eq!(member.commit(topic, &[(0, 1)]), ErrorCode::NONE);
        }
        // What is understood of it: which topics are read, so that their offsets stay.
        let mut is_kept = |name: &str| {
            let request = OffsetDeleteRequest {
                group_id: group.clone().into(),
                topics: vec![OffsetDeleteTopic {
                    name: name.to_owned().into(),
                    partitions: vec![OffsetDeletePartition { partition_index: 0 }],
                }],
            };
            let response: OffsetDeleteResponse = member.client.call(0, &request);
            match response.topics[0].partitions[0].error_code {
                ErrorCode::NONE => false,
                ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC => true,
                other => panic!("{other:?}"),
            }
        };
        assert!(is_kept(&topic.name));
        // Where nothing is understood, everything may be read.
        assert_eq!(is_kept(&other.name), !is_understood);
    }
}

/// kafka-go's ConsumerGroup, of one member: every request in the version that it uses.
fn as_kafka_go(client: &mut Client, join_version: i16, group: &str, broker: &Broker) {
    let topic = broker.topic(&format!("{group}-topic"), 1);
    let request = FindCoordinatorRequest {
        key: group.to_owned().into(),
        ..Default::default()
    };
    let response: FindCoordinatorResponse = client.call(0, &request);
    assert_eq!(response.error_code, ErrorCode::NONE);
    assert_eq!(response.port, i32::from(broker.port()));
    let member = Member::of(broker, group);
    let joined: JoinGroupResponse = client.call(join_version, &member.join_request());
    assert_eq!(joined.error_code, ErrorCode::NONE, "no id is asked for");
    assert_eq!(joined.protocol_name.as_deref(), Some(PROTOCOL));
    assert_eq!(joined.leader, joined.member_id);
    let request = SyncGroupRequest {
        group_id: group.to_owned().into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments: vec![SyncGroupAssignment {
            member_id: joined.member_id.clone(),
            assignment: b"all".into(),
        }],
        ..Default::default()
    };
    let synced: SyncGroupResponse = client.call(0, &request);
    assert_eq!(synced.error_code, ErrorCode::NONE);
    assert_eq!(*synced.assignment, *b"all");
    let request = OffsetFetchRequest {
        group_id: group.to_owned().into(),
        topics: Some(vec![fetch_topic(&topic, &[0])]),
        ..Default::default()
    };
    let fetched: OffsetFetchResponse = client.call(1, &request);
    assert_eq!(fetched.topics[0].partitions[0].committed_offset, -1);
    let request = HeartbeatRequest {
        group_id: group.to_owned().into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..Default::default()
    };
    let heard: HeartbeatResponse = client.call(0, &request);
    assert_eq!(heard.error_code, ErrorCode::NONE);
    let request = OffsetCommitRequest {
        generation_id_or_member_epoch: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..commit_request(group, &topic, &[(0, 5)])
    };
    let committed: OffsetCommitResponse = client.call(2, &request);
    assert_eq!(the_error(&committed), ErrorCode::NONE);
    let request = LeaveGroupRequest {
        group_id: group.to_owned().into(),
        member_id: joined.member_id,
        ..Default::default()
    };
    let left: LeaveGroupResponse = client.call(0, &request);
    assert_eq!(left.error_code, ErrorCode::NONE);
    assert_eq!(offsets(client, group, &topic, &[0]), [5]);
}

#[test]
fn kafka_go_gets_through_a_session_in_its_versions() {
    let broker = broker::of_groups();
    let mut client = broker.client();
    for version in [1, 2] {
        let group = format!("behaviour-kafka-go-v{version}");
        as_kafka_go(&mut client, version, &group, broker);
    }
}

/// A client that gets UNKNOWN_MEMBER_ID or NOT_COORDINATOR for nothing leaves and stalls for seconds.
#[test]
fn heartbeats_of_a_stable_group_never_hear_of_anything_else() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[&["num.shards=3"][..], &HASTY].concat());
    let topic = broker.topic("t", 6);
    let mut members: Vec<Member> = (0..6)
        .map(|at| {
            let mut member = Member::of(&broker, &format!("g-{at}"));
            member.settle(b"all");
            member
        })
        .collect();
    for round in 0..200 {
        // Topics come and go meanwhile, which every shard hears of.
        if round % 50 == 0 {
            broker.topic(&format!("other-{round}"), 3);
        }
        for (at, member) in members.iter_mut().enumerate() {
            assert_eq!(member.heartbeat(), ErrorCode::NONE);
            let committed = member.commit(&topic, &[(at as i32, round)]);
            assert_eq!(committed, ErrorCode::NONE);
        }
    }
    broker.stop();
}
