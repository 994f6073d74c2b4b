//! ListOffsets: the ends of a log, and offsets by time.

use crate::broker::{self, Topic};
use crate::client::{Client, versions};
use crate::records::{batch, batch_at, now_ms};
use millstream::batch::Codec;
use millstream::wire::{
    ApiKey, ErrorCode, ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest,
    ListOffsetsResponse, ListOffsetsTopic,
};

const NEWEST: i16 = 11;

fn request(topic: &Topic, partitions: &[(i32, i64)]) -> ListOffsetsRequest<'static> {
    ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: topic.name.clone().into(),
            partitions: partitions
                .iter()
                .map(|(partition_index, timestamp)| ListOffsetsPartition {
                    partition_index: *partition_index,
                    timestamp: *timestamp,
                    ..Default::default()
                })
                .collect(),
        }],
        ..Default::default()
    }
}

fn list(
    client: &mut Client,
    version: i16,
    topic: &Topic,
    timestamp: i64,
) -> ListOffsetsPartitionResponse {
    let request = request(topic, &[(0, timestamp)]);
    let mut response: ListOffsetsResponse = client.call(version, &request);
    assert_eq!(response.topics[0].name, topic.name);
    response.topics[0].partitions.remove(0)
}

/// Offset and timestamp, of what must be found or not without an error.
fn found(client: &mut Client, topic: &Topic, timestamp: i64) -> (i64, i64) {
    let response = list(client, NEWEST, topic, timestamp);
    assert_eq!(response.error_code, ErrorCode::NONE);
    (response.offset, response.timestamp)
}

#[test]
fn every_version_names_the_ends() {
    let broker = broker::shared();
    let topic = broker.topic("offsets-versions", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a", "b", "c"]));
    for version in versions(ApiKey::LIST_OFFSETS) {
        for (name, offset) in [(-1, 3), (-2, 0)] {
            let response = list(&mut client, version, &topic, name);
            assert_eq!(response.error_code, ErrorCode::NONE);
            if version == 0 {
                assert_eq!(response.old_style_offsets, [offset]);
                continue;
            }
            assert_eq!((response.offset, response.timestamp), (offset, -1));
            let epoch = if version >= 4 { 0 } else { -1 };
            assert_eq!(response.leader_epoch, epoch, "version {version} of {name}");
        }
    }
}

#[test]
fn version_0_knows_no_times_and_wants_an_offset() {
    let broker = broker::shared();
    let topic = broker.topic("offsets-version-0", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a"]));
    let by_time = list(&mut client, 0, &topic, now_ms());
    assert_eq!(by_time.error_code, ErrorCode::UNSUPPORTED_VERSION);
    assert!(by_time.old_style_offsets.is_empty());
    let mut none_wanted = request(&topic, &[(0, -1)]);
    none_wanted.topics[0].partitions[0].max_num_offsets = 0;
    let response: ListOffsetsResponse = client.call(0, &none_wanted);
    let refused = &response.topics[0].partitions[0];
    assert_eq!(refused.error_code, ErrorCode::INVALID_REQUEST);
    assert!(refused.old_style_offsets.is_empty());
}

#[test]
fn an_empty_log_begins_and_ends_at_0_and_holds_no_time() {
    let broker = broker::shared();
    let topic = broker.topic("offsets-empty", 1);
    let mut client = broker.client();
    assert_eq!(found(&mut client, &topic, -1), (0, -1));
    assert_eq!(found(&mut client, &topic, -2), (0, -1));
    assert_eq!(found(&mut client, &topic, -3), (-1, -1));
    assert_eq!(found(&mut client, &topic, 0), (-1, -1));
    let earliest = list(&mut client, NEWEST, &topic, -2);
    assert_eq!(earliest.error_code, ErrorCode::NONE);
}

#[test]
fn names_of_tiered_storage_answer_that_there_is_none() {
    let broker = broker::shared();
    let topic = broker.topic("offsets-tiered", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a"]));
    assert_eq!(found(&mut client, &topic, -4), (0, -1));
    assert_eq!(found(&mut client, &topic, -5), (-1, -1));
    assert_eq!(found(&mut client, &topic, -6), (-1, -1));
}

#[test]
fn a_name_is_unsupported_before_the_version_that_brought_it() {
    let broker = broker::shared();
    let topic = broker.topic("offsets-names", 1);
    let mut client = broker.client();
    for (name, first) in [(-3, 7), (-4, 8), (-5, 9), (-6, 11), (-7, 99)] {
        for version in versions(ApiKey::LIST_OFFSETS) {
            let response = list(&mut client, version, &topic, name);
            let expected = match version >= first {
                true => ErrorCode::NONE,
                false => ErrorCode::UNSUPPORTED_VERSION,
            };
            assert_eq!(response.error_code, expected, "{name} in version {version}");
        }
    }
}

#[test]
fn times_out_of_order_find_the_first_offset_that_fits() {
    let broker = broker::shared();
    let topic = broker.topic("offsets-disorder", 1);
    let mut client = broker.client();
    let base = now_ms() - 10_000;
    client.append(&topic, 0, batch_at(Codec::None, &[base + 50, base + 10]));
    client.append(&topic, 0, batch_at(Codec::None, &[base + 30]));
    client.append(
        &topic,
        0,
        batch_at(Codec::None, &[base + 70, base + 90, base + 20]),
    );
    client.append(&topic, 0, batch_at(Codec::None, &[base + 60]));
    assert_eq!(found(&mut client, &topic, base + 20), (0, base + 50));
    assert_eq!(found(&mut client, &topic, base + 51), (3, base + 70));
    assert_eq!(found(&mut client, &topic, base + 71), (4, base + 90));
    // The largest of all, not the last.
    assert_eq!(found(&mut client, &topic, -3), (4, base + 90));
}

#[test]
fn the_largest_timestamp_is_found_at_its_first_record() {
    let broker = broker::shared();
    for codec in [Codec::None, Codec::Zstd] {
        let topic = broker.topic(&format!("offsets-largest-{}", codec.name()), 1);
        let mut client = broker.client();
        let base = now_ms() - 10_000;
        client.append(&topic, 0, batch_at(codec, &[base, base + 9, base + 9]));
        client.append(&topic, 0, batch_at(codec, &[base + 9]));
        client.append(&topic, 0, batch_at(codec, &[base + 5]));
        assert_eq!(found(&mut client, &topic, -3), (1, base + 9), "{codec:?}");
    }
}

#[test]
fn times_are_found_across_segments() {
    let broker = broker::shared();
    let settings = [
        ("segment.bytes", "1048576"),
        ("index.interval.bytes", "1000"),
    ];
    let topic = broker.topic_with("offsets-segments", 1, &settings);
    let mut client = broker.client();
    let base = now_ms() - 1_000_000;
    let value = vec![b'x'; 100_000];
    for at in 0..40 {
        let mut builder = crate::records::builder();
        let time = millstream::types::Timestamp(base + at * 1000);
        builder.push(time, None, Some(&value), &[]);
        client.append(&topic, 0, builder.finish());
    }
    for at in 0..40 {
        let asked = base + at * 1000 - 500;
        assert_eq!(found(&mut client, &topic, asked), (at, base + at * 1000));
    }
    assert_eq!(found(&mut client, &topic, -3), (39, base + 39_000));
}

#[test]
fn under_log_append_time_the_brokers_stamp_is_found() {
    let broker = broker::shared();
    let settings = [("message.timestamp.type", "LogAppendTime")];
    let topic = broker.topic_with("offsets-append-time", 1, &settings);
    let mut client = broker.client();
    let old = now_ms() - 100_000;
    for codec in [Codec::None, Codec::Gzip] {
        let set = batch_at(codec, &[old, old + 1, old + 2]);
        let response = client.produce(&topic, 0, set);
        let stamp = response.log_append_time_ms;
        assert_eq!(
            found(&mut client, &topic, -3),
            (response.base_offset, stamp)
        );
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    assert_eq!(found(&mut client, &topic, old).0, 0);
    assert_eq!(found(&mut client, &topic, now_ms() + 1), (-1, -1));
}

#[test]
fn leader_epochs_are_checked() {
    let broker = broker::shared();
    let topic = broker.topic("offsets-epochs", 1);
    let mut client = broker.client();
    for (epoch, code) in [
        (-1, ErrorCode::NONE),
        (0, ErrorCode::NONE),
        (1, ErrorCode::UNKNOWN_LEADER_EPOCH),
    ] {
        let mut request = request(&topic, &[(0, -1)]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let response: ListOffsetsResponse = client.call(NEWEST, &request);
        assert_eq!(response.topics[0].partitions[0].error_code, code, "{epoch}");
    }
}

#[test]
fn both_isolation_levels_find_the_end() {
    let broker = broker::shared();
    let topic = broker.topic("offsets-isolation", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a"]));
    for isolation_level in [0, 1] {
        let mut request = request(&topic, &[(0, -1)]);
        request.isolation_level = isolation_level;
        let response: ListOffsetsResponse = client.call(NEWEST, &request);
        assert_eq!(response.topics[0].partitions[0].offset, 1);
    }
}

#[test]
fn partitions_of_all_shards_are_answered_in_the_order_of_the_request() {
    let broker = broker::shared();
    let topic = broker.topic("offsets-wide", 8);
    let mut client = broker.client();
    for partition in 0..8 {
        for _ in 0..=partition {
            client.append(&topic, partition, batch(&["a"]));
        }
    }
    let order = [6, 0, 3, 8, 7, 1];
    let asked: Vec<(i32, i64)> = order.iter().map(|index| (*index, -1)).collect();
    let response: ListOffsetsResponse = client.call(NEWEST, &request(&topic, &asked));
    let answers: Vec<(i32, ErrorCode, i64)> = response.topics[0]
        .partitions
        .iter()
        .map(|it| (it.partition_index, it.error_code, it.offset))
        .collect();
    let expected = order.map(|index| match index {
        8 => (8, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1),
        _ => (index, ErrorCode::NONE, i64::from(index) + 1),
    });
    assert_eq!(answers, expected);
}

#[test]
fn an_unknown_topic_is_told_by_partition() {
    let missing = Topic {
        name: "offsets-missing".into(),
        id: millstream::types::Uuid::ZERO,
    };
    let mut client = broker::shared().client();
    let response = list(&mut client, NEWEST, &missing, -1);
    assert_eq!(response.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!((response.offset, response.timestamp), (-1, -1));
}
