//! DescribeQuorum: one voter, which leads.

use crate::broker::{Broker, Directory};
use crate::client::{Client, versions};
use crate::records::now_ms;
use millstream::types::Uuid;
use millstream::wire::{
    ApiKey, DescribeQuorumPartition, DescribeQuorumPartitionResult, DescribeQuorumRequest,
    DescribeQuorumResponse, DescribeQuorumTopic, ErrorCode,
};

const NEWEST: i16 = 2;

fn request(topic: &str, partition_index: i32) -> DescribeQuorumRequest<'static> {
    DescribeQuorumRequest {
        topics: vec![DescribeQuorumTopic {
            topic_name: topic.to_string().into(),
            partitions: vec![DescribeQuorumPartition { partition_index }],
        }],
    }
}

fn describe(client: &mut Client, version: i16) -> DescribeQuorumResponse<'static> {
    let response: DescribeQuorumResponse = client.call(version, &request("__cluster_metadata", 0));
    assert_eq!(response.error_code, ErrorCode::NONE);
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error_code, ErrorCode::NONE);
    response
}

fn partition(client: &mut Client) -> DescribeQuorumPartitionResult<'static> {
    describe(client, NEWEST)
        .topics
        .remove(0)
        .partitions
        .remove(0)
}

#[test]
fn every_version_names_the_one_voter_that_leads() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    let meta = std::fs::read_to_string(directory.data().join("meta.properties")).unwrap();
    let id = meta
        .lines()
        .find_map(|line| line.strip_prefix("directory.id="));
    let id = Uuid::parse(id.unwrap()).unwrap();
    let before = now_ms();
    for version in versions(ApiKey::DESCRIBE_QUORUM) {
        let response = describe(&mut client, version);
        let it = &response.topics[0].partitions[0];
        assert_eq!((it.leader_id, it.leader_epoch), (1, 1));
        assert!(it.high_watermark > 0 && it.observers.is_empty());
        assert_eq!(it.current_voters.len(), 1);
        let voter = &it.current_voters[0];
        assert_eq!(
            (voter.replica_id, voter.log_end_offset),
            (1, it.high_watermark)
        );
        if version >= 1 {
            assert!((before..=now_ms()).contains(&voter.last_fetch_timestamp));
            assert_eq!(voter.last_caught_up_timestamp, voter.last_fetch_timestamp);
        }
        if version >= 2 {
            assert_eq!(voter.replica_directory_id, id);
            assert_eq!(response.nodes.len(), 1);
            assert_eq!(response.nodes[0].node_id, 1);
            let listeners = &response.nodes[0].listeners;
            assert_eq!(listeners.len(), 1);
            assert_eq!(listeners[0].name, "CONTROLLER");
        }
    }
}

#[test]
fn the_high_watermark_moves_with_every_change_and_the_epoch_with_every_start() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    let before = partition(&mut client);
    broker.topic("t", 3);
    let after = partition(&mut client);
    assert_eq!(after.high_watermark, before.high_watermark + 4);
    assert_eq!(after.leader_epoch, before.leader_epoch);
    broker.kill();
    let broker = Broker::start(&directory, &[]);
    let again = partition(&mut broker.client());
    assert_eq!(again.leader_epoch, after.leader_epoch + 1);
    assert!(again.high_watermark > after.high_watermark);
}

#[test]
fn there_is_one_quorum_only() {
    let broker = crate::broker::shared();
    let mut client = broker.client();
    for version in versions(ApiKey::DESCRIBE_QUORUM) {
        for (topic, index) in [("__cluster_metadata", 1), ("t", 0)] {
            let response: DescribeQuorumResponse = client.call(version, &request(topic, index));
            assert_eq!(response.error_code, ErrorCode::NONE);
            let it = &response.topics[0].partitions[0];
            assert_eq!(it.partition_index, index);
            assert_eq!(it.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            assert_eq!(it.error_message.is_some(), version >= 2);
        }
    }
}
