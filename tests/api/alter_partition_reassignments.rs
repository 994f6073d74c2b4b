//! AlterPartitionReassignments: the only place to move to is where a partition is.

use crate::broker;
use crate::client::{Client, versions};
use millstream::wire::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ApiKey, ErrorCode,
    ReassignablePartition, ReassignablePartitionResponse, ReassignableTopic,
};

const NEWEST: i16 = 1;

fn request(
    topic: &str,
    partition_index: i32,
    replicas: Option<&[i32]>,
) -> AlterPartitionReassignmentsRequest<'static> {
    AlterPartitionReassignmentsRequest {
        topics: vec![ReassignableTopic {
            name: topic.to_string().into(),
            partitions: vec![ReassignablePartition {
                partition_index,
                replicas: replicas.map(<[i32]>::to_vec),
            }],
        }],
        ..Default::default()
    }
}

fn alter(
    client: &mut Client,
    version: i16,
    request: &AlterPartitionReassignmentsRequest<'static>,
) -> ReassignablePartitionResponse<'static> {
    let response: AlterPartitionReassignmentsResponse = client.call(version, request);
    assert_eq!(response.error_code, ErrorCode::NONE);
    assert_eq!(response.responses[0].name, request.topics[0].name);
    response.responses[0].partitions[0].clone()
}

#[test]
fn every_version_moves_a_partition_to_where_it_is() {
    let broker = broker::shared();
    let topic = broker.topic("reassign", 2);
    let mut client = broker.client();
    for version in versions(ApiKey::ALTER_PARTITION_REASSIGNMENTS) {
        let result = alter(&mut client, version, &request(&topic.name, 1, Some(&[1])));
        assert_eq!(result.partition_index, 1);
        assert_eq!(
            (result.error_code, result.error_message),
            (ErrorCode::NONE, None)
        );
    }
}

#[test]
fn a_move_that_cannot_be_is_refused_with_the_reason() {
    let broker = broker::shared();
    let topic = broker.topic("reassign-refused", 1);
    let mut client = broker.client();
    let invalid = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
    for (replicas, expected) in [
        (&[2][..], "broker 2, but no such broker is registered"),
        (&[1, 2], "broker 2, but no such broker is registered"),
        (&[-1], "broker -1, but no such broker is registered"),
        (&[1, 1], "broker 1 more than once"),
        (&[], "empty replica list"),
    ] {
        let result = alter(
            &mut client,
            NEWEST,
            &request(&topic.name, 0, Some(replicas)),
        );
        assert_eq!(result.error_code, invalid);
        let why = result.error_message.unwrap();
        assert!(why.contains(expected), "{why}");
    }
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    for (name, index) in [("reassign-nowhere", 0), (&*topic.name, 1)] {
        let result = alter(&mut client, NEWEST, &request(name, index, Some(&[1])));
        assert_eq!(result.error_code, unknown);
        assert!(result.error_message.is_some_and(|why| why.contains(name)));
    }
}

#[test]
fn there_is_no_move_to_call_off() {
    let broker = broker::shared();
    let topic = broker.topic("reassign-cancel", 1);
    let result = alter(&mut broker.client(), NEWEST, &request(&topic.name, 0, None));
    assert_eq!(result.error_code, ErrorCode::NO_REASSIGNMENT_IN_PROGRESS);
}

#[test]
fn whether_the_replication_factor_may_change_is_echoed() {
    let broker = broker::shared();
    let topic = broker.topic("reassign-factor", 1);
    let strict = AlterPartitionReassignmentsRequest {
        allow_replication_factor_change: false,
        ..request(&topic.name, 0, Some(&[1]))
    };
    let response: AlterPartitionReassignmentsResponse = broker.client().call(NEWEST, &strict);
    assert!(!response.allow_replication_factor_change);
    assert_eq!(
        response.responses[0].partitions[0].error_code,
        ErrorCode::NONE
    );
}
