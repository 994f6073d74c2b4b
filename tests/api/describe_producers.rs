//! DescribeProducers: who has produced to a partition, and how far.

use crate::broker::{self, Topic};
use crate::client::Client;
use crate::records::{batch, now_ms, sequenced};
use millstream::wire::{
    DescribeProducersPartitionResult, DescribeProducersRequest, DescribeProducersResponse,
    DescribeProducersTopic, ErrorCode,
};

fn describe(
    client: &mut Client,
    topic: &str,
    partition: i32,
) -> DescribeProducersPartitionResult<'static> {
    let request = DescribeProducersRequest {
        topics: vec![DescribeProducersTopic {
            name: topic.to_string().into(),
            partition_indexes: vec![partition],
        }],
    };
    let mut response: DescribeProducersResponse = client.call(0, &request);
    assert_eq!(response.topics[0].name, topic);
    let it = response.topics[0].partitions.remove(0);
    assert_eq!(it.partition_index, partition);
    it
}

/// Id, epoch and last sequence of each.
fn producers(client: &mut Client, topic: &Topic) -> Vec<(i64, i32, i32)> {
    let it = describe(client, &topic.name, 0);
    assert_eq!((it.error_code, it.error_message), (ErrorCode::NONE, None));
    let states = it.active_producers.iter();
    states
        .map(|it| (it.producer_id, it.producer_epoch, it.last_sequence))
        .collect()
}

#[test]
fn producers_are_told_with_epoch_and_last_sequence() {
    let broker = broker::shared();
    let topic = broker.topic("producers", 1);
    let mut client = broker.client();
    assert_eq!(producers(&mut client, &topic), []);
    client.append(&topic, 0, batch(&["nobody"]));
    assert_eq!(producers(&mut client, &topic), [], "without an id: nobody");
    let before = now_ms();
    client.append(&topic, 0, sequenced(9_000_001, 0, 0, 3));
    client.append(&topic, 0, sequenced(9_000_002, 4, 0, 1));
    assert_eq!(
        producers(&mut client, &topic),
        [(9_000_001, 0, 2), (9_000_002, 4, 0)]
    );
    client.append(&topic, 0, sequenced(9_000_001, 1, 0, 1));
    assert_eq!(producers(&mut client, &topic)[0], (9_000_001, 1, 0));
    let states = describe(&mut client, &topic.name, 0).active_producers;
    for state in states {
        assert!((before..=now_ms()).contains(&state.last_timestamp));
        assert_eq!(state.coordinator_epoch, -1, "no marker was ever written");
        assert_eq!(state.current_txn_start_offset, -1);
    }
}

#[test]
fn a_partition_that_is_not_there_is_told_as_kafka_does() {
    let broker = broker::shared();
    let topic = broker.topic("producers-none", 1);
    let mut client = broker.client();
    let it = describe(&mut client, "producers-nowhere", 0);
    assert_eq!(it.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert!(it.error_message.is_some());
    let it = describe(&mut client, &topic.name, 1);
    assert_eq!(it.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(it.error_message, None);
    let it = describe(&mut client, "no good", 0);
    assert_eq!(it.error_code, ErrorCode::INVALID_TOPIC_EXCEPTION);
    assert!(it.error_message.is_some_and(|why| why.contains("no good")));
}
