//! What makes a batch bad, row by row in the order of Kafka's checks, each with its code; and what
//! looks bad and is taken, as Kafka takes it.

use crate::broker::{self, Broker, Directory, Topic};
use crate::client::Client;
use crate::records::{
    batch, batch_at, batch_in, builder, changed, headers, large, now_ms, put, values,
};
use millstream::batch::{
    ATTRIBUTES, BASE_OFFSET, BASE_SEQUENCE, Builder, CRC, Codec, HEADER_BYTES, LAST_OFFSET_DELTA,
    LENGTH, MAGIC, PRODUCER_ID, RECORD_COUNT, compress, put_varint,
};
use millstream::types::Timestamp;
use millstream::wire::{ErrorCode, ProducePartitionResponse};

/// Sends the set to a topic of its own that must stay empty, over a connection that must stay usable.
fn refused(
    name: &str,
    version: i16,
    settings: &[(&str, &str)],
    set: Vec<u8>,
) -> ProducePartitionResponse<'static> {
    let broker = broker::shared();
    let topic = broker.topic_with(name, 1, settings);
    let mut client = broker.client();
    let response = client.produce_as(version, &topic, 0, set);
    assert_ne!(response.error_code, ErrorCode::NONE, "{name}");
    assert_eq!(response.base_offset, -1, "{name}");
    assert_eq!(
        client.fetch(&topic, 0, 0).response.high_watermark,
        0,
        "{name}"
    );
    let mut good = builder();
    good.push(Timestamp(now_ms()), Some(b"k"), Some(b"good"), &[]);
    assert_eq!(client.append(&topic, 0, good.finish()), 0, "{name}");
    response
}

fn code(name: &str, set: Vec<u8>) -> ErrorCode {
    refused(name, 13, &[], set).error_code
}

/// A topic of its own, and the set taken at offset 0.
fn taken(name: &str, set: Vec<u8>) -> (Client, Topic) {
    let broker = broker::shared();
    let topic = broker.topic(name, 1);
    let mut client = broker.client();
    assert_eq!(client.append(&topic, 0, set), 0, "{name}");
    (client, topic)
}

fn good() -> Vec<u8> {
    batch(&["a", "b"])
}

fn attributes(bits: i16) -> Vec<u8> {
    changed(good(), |batch| put(batch, ATTRIBUTES, &bits.to_be_bytes()))
}

// -- the frame of the batch

#[test]
fn a_length_below_14_is_corrupt() {
    for (at, length) in [13, 0, -1, i32::MIN].into_iter().enumerate() {
        let set = changed(good(), |batch| put(batch, LENGTH, &length.to_be_bytes()));
        let error = code(&format!("check-length-{at}"), set);
        assert_eq!(error, ErrorCode::CORRUPT_MESSAGE, "{length}");
    }
}

#[test]
fn an_unknown_magic_is_corrupt() {
    let set = changed(good(), |batch| batch[MAGIC] = 3);
    assert_eq!(code("check-magic-3", set), ErrorCode::CORRUPT_MESSAGE);
}

#[test]
fn an_old_magic_is_an_invalid_record() {
    for magic in [0, 1] {
        let set = changed(good(), |batch| batch[MAGIC] = magic);
        let error = code(&format!("check-magic-{magic}"), set);
        assert_eq!(error, ErrorCode::INVALID_RECORD, "{magic}");
    }
}

#[test]
fn no_whole_batch_is_an_invalid_record() {
    let whole = good();
    for bytes in [
        0,
        1,
        11,
        12,
        16,
        17,
        HEADER_BYTES - 1,
        HEADER_BYTES,
        whole.len() - 1,
    ] {
        let error = code(&format!("check-cut-{bytes}"), whole[..bytes].to_vec());
        assert_eq!(error, ErrorCode::INVALID_RECORD, "{bytes}");
    }
}

#[test]
fn two_batches_are_an_invalid_record() {
    let two = [good(), good()].concat();
    assert_eq!(code("check-two", two), ErrorCode::INVALID_RECORD);
}

#[test]
fn zstd_is_unknown_below_version_7() {
    for version in 3..7 {
        let name = format!("check-zstd-{version}");
        let response = refused(&name, version, &[], batch_in(Codec::Zstd, &["a"]));
        assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    }
}

#[test]
fn a_base_offset_other_than_0_is_an_invalid_record() {
    let mut set = good();
    put(&mut set, BASE_OFFSET, &1i64.to_be_bytes());
    assert_eq!(code("check-base-offset", set), ErrorCode::INVALID_RECORD);
}

#[test]
fn a_batch_smaller_than_its_header_is_corrupt() {
    for length in [14i32, 48] {
        let mut set = good();
        put(&mut set, LENGTH, &length.to_be_bytes());
        set.truncate(12 + length as usize);
        let error = code(&format!("check-size-{length}"), set);
        assert_eq!(error, ErrorCode::CORRUPT_MESSAGE, "{length}");
    }
}

#[test]
fn a_flipped_bit_is_corrupt() {
    let end = good().len() - 1;
    for at in [CRC, ATTRIBUTES, RECORD_COUNT, HEADER_BYTES, end] {
        let mut set = good();
        set[at] ^= 0x40;
        let error = code(&format!("check-crc-{at}"), set);
        assert_eq!(error, ErrorCode::CORRUPT_MESSAGE, "byte {at}");
    }
}

#[test]
fn a_codec_that_nobody_defined_is_an_unknown_error() {
    for codec in [5, 6, 7] {
        let error = code(&format!("check-codec-{codec}"), attributes(codec));
        assert_eq!(error, ErrorCode::UNKNOWN_SERVER_ERROR, "{codec}");
    }
}

// -- the header

#[test]
fn lz4_blocks_that_depend_on_each_other_are_an_unknown_error() {
    // As kafka-python 1.4 makes them. The frame's flags are its fifth byte.
    let linked = changed(batch_in(Codec::Lz4, &["a", "b"]), |batch| {
        batch[HEADER_BYTES + 4] &= !0x20;
    });
    let error = code("check-linked-lz4", linked);
    assert_eq!(error, ErrorCode::UNKNOWN_SERVER_ERROR);
}

#[test]
fn a_count_that_is_not_the_last_delta_and_one_is_an_invalid_record() {
    for (count, last) in [(0i32, -1i32), (-1, -2), (2, 0), (1, 1), (3, 1), (0, 1)] {
        let set = changed(good(), |batch| {
            put(batch, RECORD_COUNT, &count.to_be_bytes());
            put(batch, LAST_OFFSET_DELTA, &last.to_be_bytes());
        });
        let error = code(&format!("check-count-{count}-{last}"), set);
        assert_eq!(error, ErrorCode::INVALID_RECORD, "{count} {last}");
    }
}

#[test]
fn clients_may_not_write_control_records() {
    assert_eq!(
        code("check-control", attributes(1 << 5)),
        ErrorCode::INVALID_RECORD
    );
}

#[test]
fn a_producer_without_a_sequence_is_an_invalid_record() {
    let set = changed(good(), |batch| {
        put(batch, PRODUCER_ID, &5i64.to_be_bytes());
        put(batch, PRODUCER_ID + 8, &0i16.to_be_bytes());
        put(batch, BASE_SEQUENCE, &(-1i32).to_be_bytes());
    });
    assert_eq!(code("check-sequence", set), ErrorCode::INVALID_RECORD);
}

// -- single records

#[test]
fn a_time_too_far_ahead_is_refused_and_its_records_are_named() {
    let hour = 3_600_000;
    let now = now_ms();
    let set = batch_at(Codec::None, &[now, now + 2 * hour, now]);
    let response = refused("check-time", 13, &[], set);
    assert_eq!(response.error_code, ErrorCode::INVALID_TIMESTAMP);
    let named: Vec<i32> = response
        .record_errors
        .iter()
        .map(|it| it.batch_index)
        .collect();
    assert_eq!(named, [1]);
}

#[test]
fn a_topic_sets_how_far_times_may_lie_from_now() {
    let settings = [
        ("message.timestamp.after.max.ms", "1000"),
        ("message.timestamp.before.max.ms", "5000"),
    ];
    let now = now_ms();
    for (at, time) in [now + 60_000, now - 60_000].into_iter().enumerate() {
        let name = format!("check-time-bounds-{at}");
        let response = refused(&name, 13, &settings, batch_at(Codec::None, &[time]));
        assert_eq!(response.error_code, ErrorCode::INVALID_TIMESTAMP);
    }
}

#[test]
fn only_the_broker_says_log_append_time() {
    let settings = [("message.timestamp.type", "LogAppendTime")];
    let response = refused("check-append-time", 13, &settings, attributes(1 << 3));
    assert_eq!(response.error_code, ErrorCode::INVALID_TIMESTAMP);
    assert!(!response.record_errors.is_empty());
}

#[test]
fn bytes_after_the_records_are_an_invalid_record() {
    let set = changed(good(), |batch| {
        batch.push(0);
        let length = batch.len() as i32 - 12;
        put(batch, LENGTH, &length.to_be_bytes());
    });
    assert_eq!(code("check-rest", set), ErrorCode::INVALID_RECORD);
}

#[test]
fn a_count_above_the_records_is_an_invalid_record() {
    let set = changed(good(), |batch| {
        put(batch, RECORD_COUNT, &3i32.to_be_bytes());
        put(batch, LAST_OFFSET_DELTA, &2i32.to_be_bytes());
    });
    assert_eq!(code("check-count-high", set), ErrorCode::INVALID_RECORD);
}

/// A batch of one record whose body is this.
fn with_body(codec: Codec, length: i32, body: &[u8]) -> Vec<u8> {
    let mut one = builder().codec(codec);
    one.push(Timestamp(now_ms()), Some(b"k"), Some(b"v"), &[]);
    changed(one.finish(), |batch| {
        batch.truncate(HEADER_BYTES);
        let mut record = Vec::new();
        put_varint(&mut record, length);
        record.extend(body);
        batch.extend(compress(codec, &record));
        let length = batch.len() as i32 - 12;
        put(batch, LENGTH, &length.to_be_bytes());
    })
}

/// A record's body: attributes, time delta, offset delta, key "k", value "v", `count` headers.
fn body(count: i32) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 2, b'k', 2, b'v'];
    put_varint(&mut body, count);
    body
}

#[test]
fn a_bad_count_of_headers_is_an_invalid_record() {
    for (at, count) in [-1, 1, 1000, i32::MAX].into_iter().enumerate() {
        let body = body(count);
        let set = with_body(Codec::None, body.len() as i32, &body);
        let error = code(&format!("check-headers-{at}"), set);
        assert_eq!(error, ErrorCode::INVALID_RECORD, "{count}");
    }
}

#[test]
fn a_plain_record_of_a_wrong_length_is_an_invalid_record() {
    let body = body(0);
    for (at, length) in [-1, 0, 3, 7, 9, 1000, i32::MAX].into_iter().enumerate() {
        let set = with_body(Codec::None, length, &body);
        let error = code(&format!("check-record-length-{at}"), set);
        assert_eq!(error, ErrorCode::INVALID_RECORD, "{length}");
    }
}

#[test]
fn what_does_not_inflate_is_an_unknown_error_where_records_are_looked_at() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let set = changed(batch_in(codec, &["abcabcabc"]), |batch| {
            for byte in &mut batch[HEADER_BYTES..] {
                *byte = 0xff;
            }
        });
        let name = format!("check-inflate-{}", codec.name());
        let response = refused(&name, 13, &[("cleanup.policy", "compact")], set);
        assert_eq!(
            response.error_code,
            ErrorCode::UNKNOWN_SERVER_ERROR,
            "{codec:?}"
        );
    }
}

#[test]
fn compressed_offsets_out_of_order_are_an_unknown_error_where_records_are_looked_at() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        // attributes, time delta, offset delta 1 (zigzag 2) where 0 belongs
        let body = [0, 0, 2, 2, b'k', 2, b'v', 0];
        let set = with_body(codec, body.len() as i32, &body);
        let name = format!("check-deltas-{}", codec.name());
        let response = refused(&name, 13, &[("cleanup.policy", "compact")], set);
        assert_eq!(
            response.error_code,
            ErrorCode::UNKNOWN_SERVER_ERROR,
            "{codec:?}"
        );
    }
}

#[test]
fn a_batch_larger_than_a_segment_is_refused() {
    let settings = [
        ("segment.bytes", "1048576"),
        ("max.message.bytes", "4000000"),
    ];
    let response = refused("check-segment", 13, &settings, large(1_048_576));
    assert_eq!(response.error_code, ErrorCode::RECORD_LIST_TOO_LARGE);
}

#[test]
fn with_full_validation_compressed_records_are_looked_at_everywhere() {
    let directory = Directory::new();
    let settings = ["num.shards=1", "millstream.produce.validation=records"];
    let broker = Broker::start(&directory, &settings);
    let topic = broker.topic("t", 1);
    let mut client = broker.client();
    let undecodable = changed(batch_in(Codec::Gzip, &["abcabcabc"]), |batch| {
        batch[HEADER_BYTES..].fill(0xff);
    });
    let response = client.produce(&topic, 0, undecodable);
    assert_eq!(response.error_code, ErrorCode::UNKNOWN_SERVER_ERROR);
    let late = batch_at(Codec::Zstd, &[now_ms(), now_ms() + 7_200_000]);
    let response = client.produce(&topic, 0, late);
    assert_eq!(response.error_code, ErrorCode::INVALID_TIMESTAMP);
    assert_eq!(response.record_errors[0].batch_index, 1);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        client.append(&topic, 0, batch_in(codec, &["a", "b"]));
    }
    assert_eq!(client.fetch(&topic, 0, 0).response.high_watermark, 8);
    broker.stop();
}

// -- what is taken

#[test]
fn plain_records_keep_wrong_offset_deltas() {
    let body = [0, 0, 10, 2, b'k', 2, b'v', 0];
    let (mut client, topic) = taken("taken-deltas", with_body(Codec::None, 8, &body));
    assert_eq!(client.fetch(&topic, 0, 0).response.high_watermark, 1);
}

#[test]
fn bits_without_a_meaning_are_kept() {
    let bits = 0x7f80;
    let (mut client, topic) = taken("taken-bits", attributes(bits));
    let fetched = client.fetch(&topic, 0, 0);
    assert_eq!(headers(fetched.records)[0].attributes, bits);
}

#[test]
fn a_claim_of_log_append_time_is_cleared_under_create_time() {
    let (mut client, topic) = taken("taken-append-time", attributes(1 << 3));
    let fetched = client.fetch(&topic, 0, 0);
    assert!(!headers(fetched.records)[0].is_log_append_time());
    assert_eq!(values(fetched.records), ["a", "b"]);
}

#[test]
fn an_incomplete_second_batch_is_dropped() {
    let half = [good(), good()[..40].to_vec()].concat();
    let (mut client, topic) = taken("taken-half", half);
    let fetched = client.fetch(&topic, 0, 0);
    assert_eq!(values(fetched.records), ["a", "b"]);
    assert_eq!(fetched.records.len(), good().len());
    assert_eq!(client.append(&topic, 0, good()), 2);
}

#[test]
fn keys_values_and_headers_may_be_null_or_empty() {
    let mut builder: Builder = builder();
    let time = Timestamp(now_ms());
    builder.push(time, None, None, &[]);
    builder.push(
        time,
        Some(b""),
        Some(b""),
        &[(b"", None), (b"h", Some(b""))],
    );
    let (mut client, topic) = taken("taken-nulls", builder.finish());
    assert_eq!(values(client.fetch(&topic, 0, 0).records), ["", ""]);
}

#[test]
fn a_batch_of_the_largest_default_size_is_taken() {
    let mut set = large(1_048_000);
    let missing = 1_048_588 - set.len();
    set = large(1_048_000 + missing);
    assert_eq!(set.len(), 1_048_588);
    let (mut client, topic) = taken("taken-largest", set.clone());
    let fetched = client.fetch(&topic, 0, 0);
    assert_eq!(&fetched.records[HEADER_BYTES..], &set[HEADER_BYTES..]);
}
