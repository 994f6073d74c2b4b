//! JoinGroup: who gets in, rebalances, and members that wait.

use crate::broker::{self, Broker, Directory};
use crate::client::{Client, versions};
use crate::members::{HASTY, JOIN, Member, PROTOCOL, share};
use crate::records::batch;
use millstream::wire::{
    ApiKey, ErrorCode, HeartbeatResponse, JoinGroupProtocol, JoinGroupRequest, JoinGroupResponse,
};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn every_version_lets_a_lone_member_in_and_has_it_lead() {
    let broker = broker::of_groups();
    for version in versions(ApiKey::JOIN_GROUP) {
        let mut member = Member::of(broker, &format!("join-v{version}"));
        let request = member.join_request();
        let mut response: JoinGroupResponse = member.client.call(version, &request);
        if version >= 4 {
            assert_eq!(response.error_code, ErrorCode::MEMBER_ID_REQUIRED);
            assert_eq!(response.generation_id, -1);
            assert_eq!(&*response.leader, "");
            let name = response.protocol_name.as_deref();
            assert_eq!(name, if version < 7 { Some("") } else { None });
            member.id = response.member_id.to_string();
            response = member.client.call(version, &member.join_request());
            assert_eq!(*response.member_id, member.id);
        }
        assert_eq!(response.error_code, ErrorCode::NONE);
        assert!(response.member_id.starts_with("tests-"), "the client's id");
        assert_eq!(response.generation_id, 1);
        let protocol_type = response.protocol_type.as_deref();
        assert_eq!(protocol_type, (version >= 7).then_some("consumer"));
        assert_eq!(response.protocol_name.as_deref(), Some(PROTOCOL));
        assert_eq!(response.leader, response.member_id);
        assert!(!response.skip_assignment);
        assert_eq!(response.members.len(), 1);
        let own = &response.members[0];
        assert_eq!(own.member_id, response.member_id);
        assert_eq!(own.group_instance_id, None);
        assert_eq!(*own.metadata, member.metadata);
    }
}

#[test]
fn every_version_is_told_why_it_cannot_join() {
    let broker = broker::of_groups();
    let mut holder = Member::of(broker, "join-refused");
    holder.settle(b"all");
    for version in versions(ApiKey::JOIN_GROUP) {
        let mut refused = |change: &dyn Fn(&mut JoinGroupRequest<'static>)| {
            let mut request = Member::of(broker, "join-refused").join_request();
            change(&mut request);
            let response: JoinGroupResponse = holder.client.call(version, &request);
            assert_eq!(response.generation_id, -1);
            assert_eq!(response.protocol_type, None);
            let name = response.protocol_name.as_deref();
            assert_eq!(name, if version < 7 { Some("") } else { None });
            assert!(response.members.is_empty());
            response.error_code
        };
        let error = refused(&|request| request.group_id = "".into());
        assert_eq!(error, ErrorCode::INVALID_GROUP_ID);
        for timeout_ms in [0, -1, 1_800_001] {
            let error = refused(&|request| request.session_timeout_ms = timeout_ms);
            assert_eq!(error, ErrorCode::INVALID_SESSION_TIMEOUT, "{timeout_ms}");
        }
        let error = refused(&|request| request.member_id = "nobody".into());
        assert_eq!(error, ErrorCode::UNKNOWN_MEMBER_ID);
        for group in ["join-refused", "join-refused-unknown"] {
            let error = refused(&|request| {
                request.group_id = group.into();
                request.protocols = Vec::new();
            });
            assert_eq!(error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        let error = refused(&|request| request.protocol_type = "connect".into());
        assert_eq!(error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        let error = refused(&|request| request.protocols[0].name = "other".into());
        assert_eq!(error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    assert_eq!(holder.heartbeat(), ErrorCode::NONE, "nothing has changed");
}

#[test]
fn two_members_share_the_work_until_one_leaves() {
    let broker = broker::of_groups();
    let mut first = Member::of(broker, "join-two");
    let mut second = Member::of(broker, "join-two");
    first.settle(b"all");
    assert_eq!(first.generation, 1);

    second.get_id();
    assert_eq!(first.heartbeat(), ErrorCode::NONE, "an id is no membership");
    second.send_join();
    assert_eq!(
        first.heartbeat_until_news(),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    let leading = first.join();
    let following = second.joined();
    assert_eq!((first.generation, second.generation), (2, 2));
    assert_eq!(*leading.leader, first.id);
    assert_eq!(*following.leader, first.id);
    assert!(
        following.members.is_empty(),
        "the leader alone is told who is there"
    );
    let mut told: Vec<_> = leading
        .members
        .iter()
        .map(|it| it.member_id.to_string())
        .collect();
    told.sort();
    let mut both = [first.id.clone(), second.id.clone()];
    both.sort();
    assert_eq!(told, both);

    share(&mut first, b"one half", &mut second, b"the other");
    assert_eq!(first.heartbeat(), ErrorCode::NONE);
    assert_eq!(second.heartbeat(), ErrorCode::NONE);

    assert_eq!(second.leave(), ErrorCode::NONE);
    assert_eq!(second.heartbeat(), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(first.heartbeat(), ErrorCode::REBALANCE_IN_PROGRESS);
    first.settle(b"all again");
    assert_eq!(first.generation, 3);
}

#[test]
fn who_does_not_come_back_in_time_is_left_behind() {
    let broker = broker::of_groups();
    let mut first = Member::of(broker, "join-late");
    first.rebalance_timeout_ms = 300;
    first.settle(b"all");
    let mut second = Member::of(broker, "join-late");
    second.rebalance_timeout_ms = 300;
    let start = Instant::now();
    let joined = second.join();
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(*joined.leader, second.id);
    assert_eq!(joined.members.len(), 1);
    assert_eq!(first.heartbeat(), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_rebalance_in_version_0_waits_as_long_as_the_session() {
    let broker = broker::of_groups();
    let mut first = Member::of(broker, "join-v0-timeout");
    first.session_timeout_ms = 2_000;
    let request = first.join_request();
    let response: JoinGroupResponse = first.client.call(0, &request);
    assert_eq!(response.error_code, ErrorCode::NONE);
    first.id = response.member_id.to_string();
    first.generation = response.generation_id;
    let own = first.id.clone();
    first.send_sync(&[(&own, b"all")]);
    first.synced();
    let mut second = Member::of(broker, "join-v0-timeout");
    second.rebalance_timeout_ms = 100;
    let start = Instant::now();
    second.get_id();
    second.send_join();
    assert_eq!(
        first.heartbeat_until_news(),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    // It shows that it lives, and yet does not join: its session is not what ends the wait.
    while start.elapsed() < Duration::from_millis(1_000) {
        assert_eq!(first.heartbeat(), ErrorCode::REBALANCE_IN_PROGRESS);
        sleep(Duration::from_millis(10));
    }
    second.joined();
    assert!(start.elapsed() >= Duration::from_millis(2_000));
}

#[test]
fn a_group_that_begins_waits_for_more_members() {
    let directory = Directory::new();
    let delay = "group.initial.rebalance.delay.ms=600";
    let broker = Broker::start(&directory, &["num.shards=2", delay]);
    let mut members: Vec<_> = (0..3).map(|_| Member::of(&broker, "g")).collect();
    members.iter_mut().for_each(Member::get_id);
    let start = Instant::now();
    members.iter_mut().for_each(Member::send_join);
    let leads = members
        .iter_mut()
        .map(|member| member.joined().members.len());
    let leads: usize = leads.sum();
    assert_eq!(leads, 3, "all are in the first generation");
    assert!(members.iter().all(|member| member.generation == 1));
    assert!(start.elapsed() >= Duration::from_millis(600));
    broker.stop();
}

#[test]
fn a_group_holds_as_many_members_as_group_max_size_allows() {
    let directory = Directory::new();
    let settings = [&["num.shards=1", "group.max.size=1"][..], &HASTY].concat();
    let broker = Broker::start(&directory, &settings);
    let mut first = Member::of(&broker, "g");
    first.settle(b"all");
    let mut second = Member::of(&broker, "g");
    let request = second.join_request();
    let response: JoinGroupResponse = second.client.call(JOIN, &request);
    assert_eq!(response.error_code, ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(first.heartbeat(), ErrorCode::NONE);
    broker.stop();
}

#[test]
fn a_client_that_vanishes_while_its_join_waits_ends_with_its_session() {
    let broker = broker::of_groups();
    let mut first = Member::of(broker, "join-vanished");
    first.settle(b"all");
    let mut second = Member::of(broker, "join-vanished");
    second.session_timeout_ms = 1_500;
    second.get_id();
    second.send_join();
    assert_eq!(
        first.heartbeat_until_news(),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    let Member { client, id, .. } = second;
    drop(client);

    // Nobody takes it for gone before that.
    let joined = first.join();
    assert_eq!(joined.members.len(), 2);
    assert!(joined.members.iter().any(|it| *it.member_id == id));
    let own = first.id.clone();
    first.send_sync(&[(&own, b"half"), (&id, b"half")]);
    first.synced();
    assert_eq!(
        first.heartbeat_until_news(),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    first.settle(b"all");
    assert_eq!(first.heartbeat(), ErrorCode::NONE);
}

#[test]
fn a_second_join_answers_the_first_and_both_in_order() {
    let broker = broker::of_groups();
    let mut first = Member::of(broker, "join-twice");
    first.settle(b"all");
    let mut second = Member::of(broker, "join-twice");
    second.get_id();
    second.send_join();
    second.send_join();
    let early: JoinGroupResponse = second.client.receive_earlier(JOIN, 1);
    assert_eq!(early.error_code, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(*early.member_id, second.id);
    first.join();
    assert_eq!(second.joined().generation_id, 2);
}

/// More joins wait than shards may owe each other answers.
#[test]
fn a_crowd_that_waits_to_join_keeps_nobody_from_being_served() {
    const CLIENTS: usize = 12;
    const JOINS: usize = 200;
    let directory = Directory::new();
    let delay = "group.initial.rebalance.delay.ms=600000";
    let broker = Broker::start(&directory, &["num.shards=2", delay]);
    let topic = broker.topic("t", 4);
    let member = Member::of(&broker, "crowd");
    let request = member.join_request();
    let mut crowd: Vec<Client> = (0..CLIENTS).map(|_| broker.client()).collect();
    for client in &mut crowd {
        for _ in 0..JOINS {
            // Version 3 lets each of them in at once.
            client.send(3, &request);
        }
    }
    // From both shards to both, while the crowd waits; also the group itself answers.
    for _ in 0..4 {
        let mut client = broker.client();
        for partition in 0..4 {
            client.append(&topic, partition, batch(&["a"]));
        }
        let response: HeartbeatResponse = client.call(4, &member.heartbeat_request());
        assert_eq!(response.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    }
    // The stop tells them.
    broker.terminate();
    for client in &mut crowd {
        for back in (0..JOINS as i32).rev() {
            let response: JoinGroupResponse = client.receive_earlier(3, back);
            assert_eq!(response.error_code, ErrorCode::NOT_COORDINATOR);
        }
    }
    assert!(broker.ended().success());
}

#[test]
fn the_protocol_that_all_members_know_is_chosen() {
    let broker = broker::of_groups();
    let protocols = |names: &[&str]| -> Vec<JoinGroupProtocol<'static>> {
        let names = names.iter();
        let protocols = names.map(|name| JoinGroupProtocol {
            name: name.to_string().into(),
            metadata: format!("as {name}").into_bytes().into(),
        });
        protocols.collect()
    };
    let mut first = Member::of(broker, "join-protocols");
    let mut join = first.join_request();
    join.protocols = protocols(&["sticky", "range"]);
    // Version 2 is what kafka-go joins with.
    let response: JoinGroupResponse = first.client.call(2, &join);
    assert_eq!(response.protocol_name.as_deref(), Some("sticky"));
    first.id = response.member_id.to_string();
    first.generation = response.generation_id;
    join.member_id = response.member_id;
    let mut second = Member::of(broker, "join-protocols");
    let mut other = second.join_request();
    other.protocols = protocols(&["round robin", "range"]);
    second.client.send(2, &other);
    assert_eq!(
        first.heartbeat_until_news(),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    let response: JoinGroupResponse = first.client.call(2, &join);
    assert_eq!(response.protocol_name.as_deref(), Some("range"));
    assert_eq!(response.members.len(), 2);
    for member in &response.members {
        assert_eq!(*member.metadata, *b"as range");
    }
}
