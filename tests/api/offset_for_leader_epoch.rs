//! OffsetForLeaderEpoch: a consumer sees where an epoch ended, and whether it is behind the times.

use crate::broker::{self, Broker, Directory, Topic};
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

/// The epoch and its end, of what must be answered without an error.
fn end(client: &mut Client, topic: &Topic, epoch: i32) -> (i32, i64) {
    let it = ask(client, NEWEST, &topic.name, (0, -1, epoch));
    assert_eq!(it.error_code, ErrorCode::NONE);
    (it.leader_epoch, it.end_offset)
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
fn an_epoch_from_the_future_and_none_are_unknown() {
    let broker = broker::shared();
    let topic = broker.topic("epochs-unknown", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a"]));
    assert_eq!(end(&mut client, &topic, 1), (-1, -1));
    assert_eq!(end(&mut client, &topic, -1), (-1, -1));
}

#[test]
fn an_older_epoch_ends_where_the_next_began() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[]);
    let topic = broker.topic("t", 1);
    broker.client().append(&topic, 0, batch(&["a", "b"]));
    broker.stop();
    // The stop and the start have made it epoch 2: the leader left, and came again.
    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["c"]));
    let (newest, log_end) = (0..9)
        .map(|epoch| end(&mut client, &topic, epoch))
        .find(|(_, end)| *end == 3)
        .expect("the current epoch ends at the log's end");
    assert!(newest > 0);
    assert_eq!(log_end, 3);
    assert_eq!(end(&mut client, &topic, 0), (0, 2));
    // Nothing was written in the epochs between, so the one before is told.
    assert_eq!(end(&mut client, &topic, newest - 1), (0, 2));
    let fenced = ask(&mut client, NEWEST, "t", (0, newest - 1, 0));
    assert_eq!(fenced.error_code, ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!((fenced.leader_epoch, fenced.end_offset), (-1, -1));
    let ahead = ask(&mut client, NEWEST, "t", (0, newest + 1, 0));
    assert_eq!(ahead.error_code, ErrorCode::UNKNOWN_LEADER_EPOCH);
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
