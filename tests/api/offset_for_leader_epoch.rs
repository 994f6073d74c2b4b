//! OffsetForLeaderEpoch: a consumer sees where an epoch ended, and whether it is behind the times.

use crate::broker;
use crate::client::{Client, versions};
use crate::records::batch;
use millstream::wire::{
    ApiKey, EpochEndOffset, ErrorCode, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};

const NEWEST: i16 = 4;

fn ask(
    client: &mut Client,
    version: i16,
    topic: &str,
    (partition, current, epoch): (i32, i32, i32),
) -> EpochEndOffset {
    let request = OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![OffsetForLeaderTopic {
            topic: topic.to_string().into(),
            partitions: vec![OffsetForLeaderPartition {
                partition,
                current_leader_epoch: current,
                leader_epoch: epoch,
            }],
        }],
    };
    let response: OffsetForLeaderEpochResponse = client.call(version, &request);
    assert_eq!(response.topics[0].topic, topic);
    let it = response.topics[0].partitions[0].clone();
    assert_eq!(it.partition, partition);
    it
}

#[test]
fn every_version_tells_the_end_of_the_current_epoch() {
    let broker = broker::shared();
    let topic = broker.topic("epochs", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a", "b", "c"]));
    for version in versions(ApiKey::OFFSET_FOR_LEADER_EPOCH) {
        let it = ask(&mut client, version, &topic.name, (0, 0, 0));
        assert_eq!(it.error_code, ErrorCode::NONE, "version {version}");
        assert_eq!((it.leader_epoch, it.end_offset), (0, 3));
    }
}

#[test]
fn a_partition_that_is_not_there_is_unknown() {
    let broker = broker::shared();
    let topic = broker.topic("epochs-none", 1);
    let mut client = broker.client();
    for (name, partition) in [("epochs-nowhere", 0), (&*topic.name, 1), (&*topic.name, -1)] {
        let it = ask(&mut client, NEWEST, name, (partition, -1, 0));
        assert_eq!(it.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        assert_eq!((it.leader_epoch, it.end_offset), (-1, -1));
    }
}
