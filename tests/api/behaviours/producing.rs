//! Behaviours 14 to 17, 19 and 28: what becomes of a batch.

use crate::broker::{self, Broker, Directory, Topic};
use crate::client::Client;
use crate::records::{
    batch, batch_at, batch_in, builder, changed, headers, large, now_ms, put, seen, sequenced,
};
use millstream::batch::{BASE_TIMESTAMP, Codec, MAX_TIMESTAMP};
use millstream::types::Timestamp;
use millstream::wire::{ErrorCode, ProduceResponse};
use std::thread::sleep;
use std::time::Duration;

const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];

/// An id that no other test uses; the broker takes any.
const PRODUCER: i64 = 1 << 41;

/// Error and first offset of a batch of two records.
fn send(client: &mut Client, topic: &Topic, sequence: i32) -> (ErrorCode, i64) {
    let response = client.produce(topic, 0, sequenced(PRODUCER, 0, sequence, 2));
    (response.error_code, response.base_offset)
}

fn end(client: &mut Client, topic: &Topic) -> i64 {
    client.fetch(topic, 0, 0).response.high_watermark
}

#[test]
fn behaviour_14_each_of_the_last_5_batches_is_known_as_a_duplicate_by_its_original_offset() {
    let directory = Directory::new();
    let settings = ["num.shards=1"];
    let broker = Broker::start(&directory, &settings);
    let topic = broker.topic("t", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["before"]));
    let offsets: Vec<i64> = (0..7)
        .map(|number| {
            let (error, offset) = send(&mut client, &topic, number * 2);
            assert_eq!(error, ErrorCode::NONE);
            offset
        })
        .collect();
    assert_eq!(offsets, [1, 3, 5, 7, 9, 11, 13]);
    let check = |broker: &Broker| {
        let mut client = broker.client();
        for number in [6, 2, 4, 3, 5, 2] {
            let again = send(&mut client, &topic, number * 2);
            let original = (ErrorCode::NONE, offsets[number as usize]);
            assert_eq!(again, original, "batch {number}");
        }
        // The sixth from the end has left the window; a gap is a gap.
        for number in [1, 0, 8] {
            let (error, offset) = send(&mut client, &topic, number * 2);
            assert_eq!(error, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "{number}");
            assert_eq!(offset, -1);
        }
        assert_eq!(end(&mut client, &topic), 15, "nothing was stored twice");
    };
    check(&broker);
    broker.kill();
    let broker = Broker::start(&directory, &settings);
    check(&broker);
    // Twice: a stop that follows a start has nothing new to write down.
    broker.stop();
    let broker = Broker::start(&directory, &settings);
    check(&broker);
    broker.stop();
    let broker = Broker::start(&directory, &settings);
    check(&broker);
    let next = send(&mut broker.client(), &topic, 14);
    assert_eq!(next, (ErrorCode::NONE, 15));
    broker.stop();
}

#[test]
fn behaviour_14_a_duplicate_of_a_batch_that_is_still_being_written_is_not_stored_twice() {
    let broker = broker::shared();
    let topic = broker.topic("behaviour-14-in-flight", 1);
    let mut client = broker.client();
    const VERSION: i16 = crate::client::PRODUCE;
    for sequence in [0, 0, 1, 1, 0] {
        let set = sequenced(PRODUCER, 0, sequence, 1);
        let request = crate::client::produce_request(-1, &topic, vec![(0, set)]);
        client.send(VERSION, &request);
    }
    let offsets: Vec<i64> = (0..5)
        .map(|at| {
            let response: ProduceResponse = client.receive_earlier(VERSION, 4 - at);
            response.responses[0].partition_responses[0].base_offset
        })
        .collect();
    assert_eq!(offsets, [0, 0, 1, 1, 0]);
    assert_eq!(end(&mut client, &topic), 2);
}

#[test]
fn behaviour_15_sequence_numbers_wrap_to_0_after_2_to_the_31_minus_1() {
    let directory = Directory::new();
    let settings = ["num.shards=1"];
    let broker = Broker::start(&directory, &settings);
    let [over, between] = ["over", "between"].map(|name| broker.topic(name, 1));
    let mut client = broker.client();
    let append = |client: &mut Client, topic: &Topic, sequence, count| {
        client.append(topic, 0, sequenced(PRODUCER, 0, sequence, count))
    };
    // A producer that the partition does not know may begin anywhere. One of these batches goes over
    // the end: 2^31 - 2, 2^31 - 1, 0; or one ends at it, and the next begins at 0.
    assert_eq!(append(&mut client, &over, i32::MAX - 3, 2), 0);
    assert_eq!(append(&mut client, &over, i32::MAX - 1, 3), 2);
    assert_eq!(append(&mut client, &between, i32::MAX - 1, 2), 0);
    let gap = client.produce(&between, 0, sequenced(PRODUCER, 0, 1, 1));
    assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    broker.stop();
    let broker = Broker::start(&directory, &settings);
    let mut client = broker.client();
    assert_eq!(
        append(&mut client, &over, i32::MAX - 1, 3),
        2,
        "a duplicate"
    );
    assert_eq!(append(&mut client, &over, 1, 1), 5);
    assert_eq!(append(&mut client, &between, 0, 1), 2);
    broker.kill();
    let broker = Broker::start(&directory, &settings);
    let mut client = broker.client();
    for (topic, sequence, count, offset) in [
        (&over, i32::MAX - 1, 3, 2),
        (&over, 1, 1, 5),
        (&between, i32::MAX - 1, 2, 0),
        (&between, 0, 1, 2),
        (&over, 2, 1, 6),
        (&between, 1, 1, 3),
    ] {
        assert_eq!(append(&mut client, topic, sequence, count), offset);
    }
    broker.stop();
}

/// What Apache Kafka 2 did: its records' times made it forget a producer at once. With transactions
/// comes `transactional.id.expiration.ms`, which forgets ids of transactions and no producer.
#[test]
fn behaviour_16_producer_state_never_expires_by_record_timestamp_or_transaction_expiry() {
    let directory = Directory::new();
    let settings = [
        "num.shards=1",
        "producer.id.expiration.ms=3600000",
        "producer.id.expiration.check.interval.ms=20",
        "transactional.id.expiration.ms=1",
        "log.message.timestamp.after.max.ms=9223372036854775807",
    ];
    let broker = Broker::start(&directory, &settings);
    let ages = [0, 1, 1_000_000_000_000, now_ms() + 1_000_000_000_000];
    let topics = ages.map(|time| broker.topic(&format!("of-{time}"), 1));
    let batch_of = |time: i64, sequence: i32| {
        changed(sequenced(PRODUCER, 0, sequence, 1), |batch| {
            put(batch, BASE_TIMESTAMP, &time.to_be_bytes());
            put(batch, MAX_TIMESTAMP, &time.to_be_bytes());
        })
    };
    for (topic, time) in topics.iter().zip(ages) {
        for sequence in 0..3 {
            broker.client().append(topic, 0, batch_of(time, sequence));
        }
    }
    let check = |broker: &Broker| {
        // Long enough for producers to be looked through several times.
        sleep(Duration::from_millis(150));
        let mut client = broker.client();
        for (topic, time) in topics.iter().zip(ages) {
            let gap = client.produce(topic, 0, batch_of(time, 5));
            assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            assert_eq!(client.append(topic, 0, batch_of(time, 2)), 2, "a duplicate");
            assert_eq!(end(&mut client, topic), 3);
        }
    };
    check(&broker);
    broker.stop();
    let broker = Broker::start(&directory, &settings);
    check(&broker);
    broker.kill();
    let broker = Broker::start(&directory, &settings);
    check(&broker);
    broker.stop();
}

/// The coordinators' half, PRODUCER_FENCED (90), comes with transactions.
#[test]
fn behaviour_17_the_produce_path_fences_an_older_epoch_with_invalid_producer_epoch() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    let topic = broker.topic("t", 1);
    let mut client = broker.client();
    client.append(&topic, 0, sequenced(PRODUCER, 3, 0, 1));
    // A newer epoch starts at 0.
    let late = client.produce(&topic, 0, sequenced(PRODUCER, 4, 1, 1));
    assert_eq!(late.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(client.append(&topic, 0, sequenced(PRODUCER, 4, 0, 1)), 1);
    let check = |broker: &Broker| {
        let mut client = broker.client();
        // The next one of its epoch, and one that was stored: an epoch that is over is over.
        for sequence in [1, 0] {
            let stale = client.produce(&topic, 0, sequenced(PRODUCER, 3, sequence, 1));
            assert_eq!(stale.error_code.0, 47);
            assert_eq!(stale.error_code, ErrorCode::INVALID_PRODUCER_EPOCH);
            assert_eq!(stale.base_offset, -1);
        }
    };
    check(&broker);
    broker.stop();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    check(&broker);
    broker.kill();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    check(&broker);
    let mut client = broker.client();
    assert_eq!(client.append(&topic, 0, sequenced(PRODUCER, 4, 1, 1)), 2);
    broker.stop();
}

#[test]
fn behaviour_19_log_append_time_is_in_the_answer_and_in_the_batch_and_create_time_answers_minus_1()
{
    let broker = broker::shared();
    let settings = [("message.timestamp.type", "LogAppendTime")];
    let appended = broker.topic_with("behaviour-19-append", 1, &settings);
    let created = broker.topic("behaviour-19-create", 1);
    let mut client = broker.client();
    let old = now_ms() - 100_000;
    for codec in CODECS {
        for version in 3..=crate::client::PRODUCE {
            if codec == Codec::Zstd && version < 7 {
                continue;
            }
            let before = now_ms();
            let sent = batch_at(codec, &[old, old + 7]);
            let response = client.produce_as(version, &appended, 0, sent.clone());
            assert_eq!(response.error_code, ErrorCode::NONE);
            let stamped = response.log_append_time_ms;
            assert!((before..=now_ms()).contains(&stamped), "{stamped}");
            // `seen` checks the CRC, which covers the time.
            let fetched = client.fetch(&appended, 0, response.base_offset);
            let header = headers(fetched.records)[0];
            assert!(header.is_log_append_time());
            assert_eq!(header.max_timestamp.0, stamped);
            let times: Vec<i64> = seen(fetched.records).iter().map(|it| it.time).collect();
            assert_eq!(times, [stamped, stamped]);

            let response = client.produce_as(version, &created, 0, sent);
            assert_eq!(response.error_code, ErrorCode::NONE);
            assert_eq!(response.log_append_time_ms, -1);
            let fetched = client.fetch(&created, 0, response.base_offset);
            let times: Vec<i64> = seen(fetched.records).iter().map(|it| it.time).collect();
            assert_eq!(times, [old, old + 7]);
        }
    }
    // A duplicate is told when the first one came.
    let first = client.produce(&appended, 0, sequenced(PRODUCER, 0, 0, 1));
    sleep(Duration::from_millis(5));
    let again = client.produce(&appended, 0, sequenced(PRODUCER, 0, 0, 1));
    assert_eq!(again.base_offset, first.base_offset);
    assert_eq!(again.log_append_time_ms, first.log_append_time_ms);
}

#[test]
fn behaviour_28_a_batch_larger_than_max_message_bytes_is_message_too_large() {
    let broker = broker::shared();
    let fits = large(5000);
    let max = fits.len().to_string();
    let topic = broker.topic_with("behaviour-28-size", 1, &[("max.message.bytes", &max)]);
    let mut client = broker.client();
    assert_eq!(client.append(&topic, 0, fits), 0);
    let response = client.produce(&topic, 0, large(5001));
    assert_eq!(response.error_code.0, 10);
    assert_eq!(response.error_code, ErrorCode::MESSAGE_TOO_LARGE);
    // A batch as it comes, compressed, is what is measured.
    let text = "abc".repeat(20_000);
    let response = client.produce(&topic, 0, batch_in(Codec::Gzip, &[&text]));
    assert_eq!(response.error_code, ErrorCode::NONE);
    assert_eq!(end(&mut client, &topic), 2);
    // Where the topic sets no bound, the broker does.
    let plain = broker.topic("behaviour-28-default", 1);
    let response = client.produce(&plain, 0, large(1_048_588));
    assert_eq!(response.error_code, ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(end(&mut client, &plain), 0);
}

#[test]
fn behaviour_28_a_keyless_record_on_a_compacted_topic_is_an_invalid_record() {
    let broker = broker::shared();
    let mut client = broker.client();
    for policy in ["compact", "compact,delete"] {
        let name = format!("behaviour-28-{}", policy.replace(',', "-"));
        let topic = broker.topic_with(&name, 1, &[("cleanup.policy", policy)]);
        for codec in CODECS {
            let mut builder = builder().codec(codec);
            for key in [Some(&b"k"[..]), None, Some(b""), None] {
                builder.push(Timestamp(now_ms()), key, Some(b"v"), &[]);
            }
            let response = client.produce(&topic, 0, builder.finish());
            assert_eq!(response.error_code, ErrorCode::INVALID_RECORD);
            assert_eq!(response.base_offset, -1);
            let errors = response.record_errors.iter();
            let named: Vec<i32> = errors.map(|it| it.batch_index).collect();
            assert_eq!(named, [1, 3], "{codec:?}");
            assert!(response.error_message.is_some());
        }
        assert_eq!(end(&mut client, &topic), 0);
    }
}
