//! What a restart leaves of groups: everything that was acknowledged, however the broker ended.

use crate::broker::{Broker, Directory, Topic};
use crate::client::Client;
use crate::members::{
    HASTY, Member, all_loaded, commit, commit_request, fetch, fetch_request, find, join_beside,
    offsets, the_error, told, until,
};
use millstream::wire::{
    DeleteGroupsRequest, DeleteGroupsResponse, DeleteTopic, DeleteTopicsRequest,
    DeleteTopicsResponse, DescribeGroupsRequest, DescribeGroupsResponse, ErrorCode,
    JoinGroupResponse, OffsetCommitPartition, OffsetCommitResponse, OffsetFetchResponse,
};
use std::time::{Duration, Instant};

fn settings<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [more, &["offsets.topic.num.partitions=5"], &HASTY].concat()
}

/// The member goes on with a broker that has started anew.
fn reconnect(member: Member, broker: &Broker) -> Member {
    Member {
        client: broker.client(),
        ..member
    }
}

fn state(client: &mut Client, group: &str) -> String {
    let request = DescribeGroupsRequest {
        groups: vec![group.to_owned().into()],
        ..Default::default()
    };
    let response: DescribeGroupsResponse = client.call(6, &request);
    response.groups[0].group_state.to_string()
}

#[test]
fn offsets_and_stable_groups_outlive_every_end_of_the_broker() {
    let directory = Directory::new();
    let mut broker = Broker::start(&directory, &settings(&["num.shards=2"]));
    let topic = broker.topic("t", 3);
    let mut request = commit_request("simple", &topic, &[(0, 1), (2, 3)]);
    request.topics[0].partitions[1].committed_metadata = Some("note".into());
    request.topics[0].partitions[1].committed_leader_epoch = 2;
    let mut client = broker.client();
    assert_eq!(find(&mut client, "simple"), ErrorCode::NONE);
    let response: OffsetCommitResponse = client.call(9, &request);
    assert_eq!(the_error(&response), ErrorCode::NONE);
    let mut member = Member::of_instance(&broker, "members", "i");
    member.settle(b"everything");
    for (run, shards) in ["num.shards=1", "num.shards=4", "num.shards=2"]
        .iter()
        .enumerate()
    {
        let offset = 100 + run as i64;
        assert_eq!(member.commit(&topic, &[(1, offset)]), ErrorCode::NONE);
        match run % 2 {
            0 => broker.kill(),
            _ => broker.stop(),
        }
        broker = Broker::start(&directory, &settings(&[shards]));
        all_loaded(&broker);
        member = reconnect(member, &broker);
        let mut client = broker.client();
        let fetched = fetch(&mut client, "simple", &topic, &[0, 1, 2]);
        let expected = [
            (0, 1, -1, Some("")),
            (1, -1, -1, Some("")),
            (2, 3, 2, Some("note")),
        ];
        assert_eq!(told(&fetched), expected);
        assert_eq!(offsets(&mut client, "members", &topic, &[1]), [offset]);
        // The member, its generation and its assignment are as they were.
        assert_eq!(member.heartbeat(), ErrorCode::NONE);
        assert_eq!(state(&mut client, "members"), "Stable");
        member.send_sync(&[]);
        assert_eq!(member.synced(), b"everything");
        assert_eq!(member.generation, 1);
    }
    broker.stop();
}

#[test]
fn a_member_that_does_not_come_back_ends_with_its_session() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &settings(&["num.shards=2"]));
    let mut member = Member::of(&broker, "g");
    member.session_timeout_ms = 1_000;
    member.settle(b"all");
    broker.kill();
    let broker = Broker::start(&directory, &settings(&["num.shards=2"]));
    let mut client = broker.client();
    let describe = || state(&mut client, "g");
    until(describe, |state| state == "Empty");
    let mut late = reconnect(member, &broker);
    assert_eq!(late.heartbeat(), ErrorCode::UNKNOWN_MEMBER_ID);
    broker.stop();
}

#[test]
fn a_group_in_the_middle_of_a_rebalance_comes_back_as_it_was_before() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &settings(&["num.shards=2"]));
    let mut first = Member::of(&broker, "g");
    first.settle(b"all");
    let mut second = Member::of(&broker, "g");
    second.get_id();
    second.send_join();
    first.heartbeat_until_news();
    broker.kill();
    let broker = Broker::start(&directory, &settings(&["num.shards=2"]));
    all_loaded(&broker);
    let mut first = reconnect(first, &broker);
    assert_eq!(first.heartbeat(), ErrorCode::NONE);
    let mut second = reconnect(second, &broker);
    // What was not written is not known: it joins anew.
    let request = second.join_request();
    let response: JoinGroupResponse = second.client.call(9, &request);
    assert_eq!(response.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    second.id.clear();
    assert_eq!(join_beside(&mut first, &mut second).members.len(), 2);
    assert_eq!(second.generation, 2);
    broker.stop();
}

#[test]
fn deleted_groups_and_offsets_stay_deleted() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &settings(&["num.shards=2"]));
    let topic = broker.topic("t", 2);
    let gone = broker.topic("gone", 1);
    let mut client = broker.client();
    assert_eq!(find(&mut client, "g"), ErrorCode::NONE);
    commit(&mut client, "deleted", &topic, &[(0, 1)]);
    commit(&mut client, "kept", &topic, &[(0, 2)]);
    commit(&mut client, "kept", &gone, &[(0, 3)]);
    let request = DeleteGroupsRequest {
        groups_names: vec!["deleted".into()],
    };
    let response: DeleteGroupsResponse = client.call(2, &request);
    assert_eq!(response.results[0].error_code, ErrorCode::NONE);
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopic {
            name: Some("gone".into()),
            ..Default::default()
        }],
        timeout_ms: 30_000,
        ..Default::default()
    };
    let response: DeleteTopicsResponse = client.call(6, &request);
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    until(
        || offsets(&mut client, "kept", &gone, &[0]),
        |offsets| offsets[..] == [-1],
    );
    // Written behind what removes the offset: it is in the log, too.
    commit(&mut client, "kept", &topic, &[(1, 4)]);
    broker.kill();
    let broker = Broker::start(&directory, &settings(&["num.shards=1"]));
    all_loaded(&broker);
    let mut client = broker.client();
    assert_eq!(offsets(&mut client, "deleted", &topic, &[0]), [-1]);
    assert_eq!(state(&mut client, "deleted"), "Dead");
    assert_eq!(offsets(&mut client, "kept", &topic, &[0, 1]), [2, 4]);
    assert_eq!(offsets(&mut client, "kept", &gone, &[0]), [-1]);
    broker.stop();
}

/// Asks until the offset is told; any other error than that the groups are being loaded fails.
fn ask_while_loading(client: &mut Client, group: &str, topic: &Topic) -> (i64, usize) {
    let mut told_to_wait = 0;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let request = fetch_request(group, topic, &[0]);
        let response: OffsetFetchResponse = client.call(9, &request);
        let answered = &response.groups[0];
        match answered.error_code {
            ErrorCode::NONE => {
                let offset = answered.topics[0].partitions[0].committed_offset;
                return (offset, told_to_wait);
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => told_to_wait += 1,
            other => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn while_a_log_of_many_commits_is_loaded_clients_are_told_to_come_again() {
    const COMMITS: usize = 60;
    const OFFSETS_EACH: i64 = 4_000;
    let directory = Directory::new();
    let one = "offsets.topic.num.partitions=1";
    let broker = Broker::start(&directory, &[&["num.shards=2", one][..], &HASTY].concat());
    let topic = broker.topic("t", 1);
    let mut member = Member::of(&broker, "members");
    member.settle(b"all");
    let mut client = broker.client();
    let mut request = commit_request("g", &topic, &[]);
    for commit in 0..COMMITS as i64 {
        // The same partition again and again: each is a record.
        let offsets = (0..OFFSETS_EACH).map(|at| OffsetCommitPartition {
            partition_index: 0,
            committed_offset: commit * OFFSETS_EACH + at,
            ..Default::default()
        });
        request.topics[0].partitions = offsets.collect();
        let response: OffsetCommitResponse = client.call(9, &request);
        assert_eq!(the_error(&response), ErrorCode::NONE);
    }
    broker.kill();
    let broker = Broker::start(&directory, &[&["num.shards=2", one][..], &HASTY].concat());
    let mut client = broker.client();
    let mut member = reconnect(member, &broker);
    // Its heart beats on meanwhile.
    assert_eq!(member.heartbeat(), ErrorCode::NONE);
    let (offset, told_to_wait) = ask_while_loading(&mut client, "g", &topic);
    assert_eq!(offset, COMMITS as i64 * OFFSETS_EACH - 1);
    eprintln!("told to come again {told_to_wait} times");
    assert_eq!(member.heartbeat(), ErrorCode::NONE);
    broker.stop();
}
