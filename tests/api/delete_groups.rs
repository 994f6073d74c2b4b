//! DeleteGroups: groups without members go with their offsets, others stay.

use crate::broker::{self, Broker, Directory};
use crate::client::{Client, versions};
use crate::members::{Member, all_loaded, commit, find, offsets};
use millstream::wire::{
    ApiKey, DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, ErrorCode,
};

fn delete(client: &mut Client, version: i16, groups: &[&str]) -> Vec<(String, ErrorCode)> {
    let request = DeleteGroupsRequest {
        groups_names: groups.iter().map(|it| it.to_string().into()).collect(),
    };
    let response: DeleteGroupsResponse = client.call(version, &request);
    let results = response.results.iter();
    results
        .map(|it| (it.group_id.to_string(), it.error_code))
        .collect()
}

fn client_of(broker: &Broker) -> Client {
    let mut client = broker.client();
    assert_eq!(find(&mut client, "any"), ErrorCode::NONE);
    client
}

#[test]
fn every_version_deletes_what_has_no_members() {
    let broker = broker::of_groups();
    let topic = broker.topic("delete-groups", 2);
    let mut client = client_of(broker);
    let mut member = Member::of(broker, "delete-groups-member");
    member.settle(b"all");
    for version in versions(ApiKey::DELETE_GROUPS) {
        commit(&mut client, "delete-groups-kept", &topic, &[(0, 9)]);
        for group in ["delete-groups-a", "delete-groups-b"] {
            commit(&mut client, group, &topic, &[(0, 1), (1, 2)]);
        }
        let asked = [
            "delete-groups-b",
            "delete-groups-member",
            "delete-groups-unknown",
            "delete-groups-a",
            "delete-groups-b",
        ];
        let results = delete(&mut client, version, &asked);
        let expected = [
            (asked[0], ErrorCode::NONE),
            (asked[1], ErrorCode::NON_EMPTY_GROUP),
            (asked[2], ErrorCode::GROUP_ID_NOT_FOUND),
            (asked[3], ErrorCode::NONE),
        ];
        let expected = expected.map(|(group, error)| (group.to_owned(), error));
        assert_eq!(results, expected, "each once, in the order of the request");
        for group in ["delete-groups-a", "delete-groups-b"] {
            assert_eq!(offsets(&mut client, group, &topic, &[0, 1]), [-1, -1]);
            let request = DescribeGroupsRequest {
                groups: vec![group.into()],
                ..Default::default()
            };
            let response: DescribeGroupsResponse = client.call(6, &request);
            let error = response.groups[0].error_code;
            assert_eq!(error, ErrorCode::GROUP_ID_NOT_FOUND);
        }
        assert_eq!(
            offsets(&mut client, "delete-groups-kept", &topic, &[0]),
            [9]
        );
        assert_eq!(member.heartbeat(), ErrorCode::NONE);
        assert!(delete(&mut client, version, &[]).is_empty());
    }
    assert_eq!(member.leave(), ErrorCode::NONE);
    let results = delete(&mut client, 2, &["delete-groups-member"]);
    assert_eq!(results[0].1, ErrorCode::NONE);
    assert_eq!(member.heartbeat(), ErrorCode::UNKNOWN_MEMBER_ID);
}

/// What is deleted does not fit into one batch, but goes as one.
#[test]
fn a_group_with_more_offsets_than_a_batch_holds_is_deleted_whole() {
    const PARTITIONS: i32 = 100;
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let small = [("max.message.bytes", "3000"), ("cleanup.policy", "compact")];
    broker.topic_with("__consumer_offsets", 1, &small);
    let topic = broker.topic(&"n".repeat(100), PARTITIONS);
    let mut client = client_of(&broker);
    for first in (0..PARTITIONS).step_by(10) {
        let some: Vec<(i32, i64)> = (first..first + 10).map(|index| (index, 1)).collect();
        commit(&mut client, "g", &topic, &some);
    }
    let all: Vec<i32> = (0..PARTITIONS).collect();
    let before = offsets(&mut client, "g", &topic, &all);
    assert_eq!(before, vec![1; PARTITIONS as usize]);
    let results = delete(&mut client, 2, &["g"]);
    assert_eq!(results, [("g".to_owned(), ErrorCode::NONE)]);
    let after = offsets(&mut client, "g", &topic, &all);
    assert_eq!(after, vec![-1; PARTITIONS as usize]);
    broker.kill();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    all_loaded(&broker);
    let mut client = client_of(&broker);
    assert_eq!(offsets(&mut client, "g", &topic, &all), after);
    broker.stop();
}
