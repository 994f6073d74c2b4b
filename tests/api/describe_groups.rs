//! DescribeGroups: a group in each of its states, version by version.

use crate::broker::{self, Broker};
use crate::client::{Client, versions};
use crate::members::{Member, PROTOCOL, commit, find};
use millstream::wire::{
    ApiKey, DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, ErrorCode,
};

fn describe(client: &mut Client, version: i16, group: &str) -> DescribedGroup<'static> {
    let request = DescribeGroupsRequest {
        groups: vec![group.to_owned().into()],
        ..Default::default()
    };
    let mut response: DescribeGroupsResponse = client.call(version, &request);
    assert_eq!(response.groups.len(), 1);
    let described = response.groups.remove(0);
    assert_eq!(*described.group_id, *group);
    described
}

fn client_of(broker: &Broker) -> Client {
    let mut client = broker.client();
    assert_eq!(find(&mut client, "any"), ErrorCode::NONE);
    client
}

#[test]
fn every_version_describes_a_stable_group_and_its_members() {
    let broker = broker::of_groups();
    let mut member = Member::of_instance(broker, "describe-stable", "instance-1");
    member.settle(b"everything");
    let mut client = client_of(broker);
    for version in versions(ApiKey::DESCRIBE_GROUPS) {
        let group = describe(&mut client, version, "describe-stable");
        assert_eq!(group.error_code, ErrorCode::NONE);
        assert_eq!(group.error_message, None);
        assert_eq!(&*group.group_state, "Stable");
        assert_eq!(&*group.protocol_type, "consumer");
        assert_eq!(&*group.protocol_data, PROTOCOL);
        assert_eq!(group.authorized_operations, i32::MIN);
        let [told] = &group.members[..] else {
            panic!("one member: {group:?}")
        };
        assert_eq!(*told.member_id, member.id);
        let instance = told.group_instance_id.as_deref();
        assert_eq!(instance, (version >= 4).then_some("instance-1"));
        assert_eq!(&*told.client_id, "tests");
        assert_eq!(&*told.client_host, "/127.0.0.1");
        assert_eq!(*told.member_metadata, member.metadata);
        assert_eq!(*told.member_assignment, *b"everything");
    }
}

#[test]
fn a_group_that_is_not_there_is_dead_or_not_found() {
    let mut client = client_of(broker::of_groups());
    for version in versions(ApiKey::DESCRIBE_GROUPS) {
        for name in ["describe-unknown", ""] {
            let group = describe(&mut client, version, name);
            let (error, has_message) = match version {
                6.. => (ErrorCode::GROUP_ID_NOT_FOUND, true),
                _ => (ErrorCode::NONE, false),
            };
            assert_eq!(group.error_code, error);
            assert_eq!(group.error_message.is_some(), has_message);
            assert_eq!(&*group.group_state, "Dead");
            assert!(group.members.is_empty());
        }
    }
}

#[test]
fn states_are_told_as_a_group_goes_through_them() {
    let broker = broker::of_groups();
    let topic = broker.topic("describe-states", 1);
    let mut client = client_of(broker);
    commit(&mut client, "describe-states", &topic, &[(0, 1)]);
    let mut state = || {
        let group = describe(&mut client, 6, "describe-states");
        let (kind, protocol) = (&*group.protocol_type, &*group.protocol_data);
        assert_eq!(protocol.is_empty(), &*group.group_state != "Stable");
        (
            group.group_state.to_string(),
            kind.to_owned(),
            group.members.len(),
        )
    };
    let expected = |name: &str, kind: &str, members| (name.to_owned(), kind.to_owned(), members);
    assert_eq!(state(), expected("Empty", "", 0));
    let mut first = Member::of(broker, "describe-states");
    first.join();
    assert_eq!(state(), expected("CompletingRebalance", "consumer", 1));
    let own = first.id.clone();
    first.send_sync(&[(&own, b"all")]);
    first.synced();
    assert_eq!(state(), expected("Stable", "consumer", 1));
    let mut second = Member::of(broker, "describe-states");
    second.get_id();
    second.send_join();
    first.heartbeat_until_news();
    assert_eq!(state(), expected("PreparingRebalance", "consumer", 2));
    first.join();
    second.joined();
    first.leave();
    second.leave();
    assert_eq!(state(), expected("Empty", "consumer", 0));
}

#[test]
fn several_groups_are_told_in_the_order_of_the_request_with_what_may_be_done() {
    let broker = broker::of_groups();
    let topic = broker.topic("describe-order", 1);
    let mut client = client_of(broker);
    let names: Vec<String> = (0..12).map(|at| format!("describe-order-{at}")).collect();
    for name in &names {
        commit(&mut client, name, &topic, &[(0, 1)]);
    }
    for version in versions(ApiKey::DESCRIBE_GROUPS) {
        let asked = names.iter().rev().chain(&names[..1]);
        let request = DescribeGroupsRequest {
            groups: asked.clone().map(|name| name.clone().into()).collect(),
            include_authorized_operations: version >= 3,
        };
        let response: DescribeGroupsResponse = client.call(version, &request);
        let told: Vec<_> = response.groups.iter().map(|it| &*it.group_id).collect();
        assert_eq!(told, asked.collect::<Vec<_>>());
        for group in &response.groups {
            assert_eq!(&*group.group_state, "Empty");
            // READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS
            let operations = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;
            let told = group.authorized_operations;
            assert_eq!(told, if version >= 3 { operations } else { i32::MIN });
        }
        let response: DescribeGroupsResponse =
            client.call(version, &DescribeGroupsRequest::default());
        assert!(response.groups.is_empty());
    }
}
