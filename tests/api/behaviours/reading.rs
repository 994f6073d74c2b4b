//! Behaviours 5 to 9, 12 and 13: what a fetch brings, and when.

use super::left_behind::{self, emptied, plain, thinned};
use crate::broker::{self, Broker, Directory, Topic};
use crate::client::{FETCH, fetch_request, fetch_topic, fetched, versions};
use crate::records::{batch, batch_in, headers, large, values};
use millstream::batch::Codec;
use millstream::types::Uuid;
use millstream::wire::{ApiKey, ErrorCode, FetchRequest, FetchResponse};
use std::time::{Duration, Instant};

/// A topic with a batch in partition 0 and nothing in partition 1, and a request for both, and for all
/// that goes wrong with a partition.
fn of_every_kind(broker: &Broker, name: &str) -> (FetchRequest<'static>, [ErrorCode; 6]) {
    let topic = broker.topic(name, 4);
    broker.client().append(&topic, 0, large(500));
    broker.client().append(&topic, 2, large(500));
    let missing = Topic {
        name: format!("{name}-missing"),
        id: Uuid([3; 16]),
    };
    let mut request = fetch_request(&topic, &[(0, 0), (1, 0), (2, 0), (3, 9), (8, 0)]);
    // Partition 0 uses up all of it.
    request.max_bytes = 100;
    request.topics.push(fetch_topic(&missing, &[(0, 0)]));
    let codes = [
        ErrorCode::NONE,
        ErrorCode::NONE,
        ErrorCode::NONE,
        ErrorCode::OFFSET_OUT_OF_RANGE,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ];
    (request, codes)
}

#[test]
fn behaviour_05_fetch_records_are_of_length_0_and_never_null_on_errors_too() {
    let broker = broker::shared();
    let (mut request, mut codes) = of_every_kind(broker, "behaviour-05");
    let mut client = broker.client();
    for version in versions(ApiKey::FETCH) {
        if version >= 13 {
            codes[5] = ErrorCode::UNKNOWN_TOPIC_ID;
        }
        // It panics at null.
        let all = client.fetch_all(version, &request);
        let told: Vec<_> = all.iter().map(|it| it.response.error_code).collect();
        assert_eq!(told, codes, "version {version}");
        let lengths: Vec<_> = all.iter().map(|it| headers(it.records).len()).collect();
        assert_eq!(lengths, [1, 0, 0, 0, 0, 0]);
        assert!(all[1..].iter().all(|it| it.records.is_empty()));
        let ends = all.iter().map(|it| it.response.high_watermark);
        assert!(
            ends.eq([1, 0, 1, -1, -1, -1]),
            "an error tells nothing else"
        );
    }
    // What only later versions can ask for.
    request.topics.pop();
    for (epoch, expected) in [(1, ErrorCode::UNKNOWN_LEADER_EPOCH), (0, ErrorCode::NONE)] {
        request.topics[0].partitions[1].current_leader_epoch = epoch;
        for version in 9..=FETCH {
            let all = client.fetch_all(version, &request);
            assert_eq!(all[1].response.error_code, expected);
            assert!(all[1].records.is_empty());
        }
    }
}

#[test]
fn behaviour_06_preferred_read_replica_is_minus_1_also_for_a_consumer_with_a_rack() {
    let broker = broker::shared();
    let (mut request, _) = of_every_kind(broker, "behaviour-06");
    request.rack_id = "a-rack".into();
    let mut client = broker.client();
    for version in 11..=FETCH {
        for fetched in client.fetch_all(version, &request) {
            assert_eq!(fetched.response.preferred_read_replica, -1);
        }
    }
}

#[test]
fn behaviour_07_a_fetch_offset_in_the_middle_of_a_batch_returns_the_whole_batch() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    let topic = broker.topic_with("t", 1, &[("index.interval.bytes", "200")]);
    let mut client = broker.client();
    const CODECS: [Codec; 3] = [Codec::None, Codec::Gzip, Codec::Zstd];
    const BATCHES: i64 = 60;
    for (number, codec) in (0..BATCHES).zip(CODECS.into_iter().cycle()) {
        let value = number.to_string();
        client.append(&topic, 0, batch_in(codec, &[&value, "b", "c"]));
    }
    let check = |broker: &Broker| {
        let mut client = broker.client();
        for offset in 0..BATCHES * 3 {
            for isolation in [0, 1] {
                let mut request = fetch_request(&topic, &[(0, offset)]);
                request.isolation_level = isolation;
                request.topics[0].partitions[0].partition_max_bytes = 1;
                let fetched = client.fetch_all(FETCH, &request).remove(0);
                let first = (offset / 3).to_string();
                assert_eq!(values(fetched.records), [&*first, "b", "c"], "{offset}");
            }
        }
    };
    // From memory, then by the indexes that a stop has left.
    check(&broker);
    broker.stop();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    check(&broker);
    broker.stop();
}

#[test]
fn behaviour_08_a_first_batch_larger_than_max_bytes_is_returned_anyway_once_per_request() {
    let broker = broker::shared();
    let topic = broker.topic("behaviour-08", 5);
    let mut client = broker.client();
    let size = large(50_000).len();
    for partition in 1..5 {
        client.append(&topic, partition, large(50_000));
        client.append(&topic, partition, large(100));
    }
    // Partition 0 is empty: the one batch that may be too large is the first that there is.
    let order = [0, 3, 1, 4, 2];
    let wanted = order.map(|partition| (partition, 0));
    for (request_max, partition_max) in [
        (1000, 1 << 20),
        (0, 0),
        (1, 1),
        (50 << 20, 1000),
        (50 << 20, size as i32 - 1),
        (size as i32 - 1, 50 << 20),
    ] {
        let mut request = fetch_request(&topic, &wanted);
        request.max_bytes = request_max;
        for partition in &mut request.topics[0].partitions {
            partition.partition_max_bytes = partition_max;
        }
        for version in versions(ApiKey::FETCH) {
            let all = client.fetch_all(version, &request);
            let lengths: Vec<_> = all.iter().map(|it| it.records.len()).collect();
            assert_eq!(
                lengths,
                [0, size, 0, 0, 0],
                "version {version} of {request_max}, {partition_max}"
            );
            assert!(
                all.iter()
                    .all(|it| it.response.error_code == ErrorCode::NONE)
            );
        }
    }
    // As large as it may be, a batch is not too large.
    let mut request = fetch_request(&topic, &wanted);
    request.max_bytes = size as i32 * 2;
    for partition in &mut request.topics[0].partitions {
        partition.partition_max_bytes = size as i32;
    }
    let all = client.fetch_all(FETCH, &request);
    let lengths: Vec<_> = all.iter().map(|it| it.records.len()).collect();
    assert_eq!(lengths, [0, size, size, 0, 0]);
}

/// With transactions the last stable offset lies below the high watermark, which is the same to this
/// check: `transactions` has that half.
#[test]
fn behaviour_09_the_fetch_range_check_is_against_the_log_end() {
    let broker = broker::shared();
    let topic = broker.topic("behaviour-09", 1);
    let mut client = broker.client();
    for end in [0, 2, 4] {
        for version in versions(ApiKey::FETCH) {
            let mut error = |offset| {
                let request = fetch_request(&topic, &[(0, offset)]);
                let fetched = client.fetch_all(version, &request).remove(0);
                assert_eq!(fetched.records.is_empty(), !(0..end).contains(&offset));
                fetched.response.error_code
            };
            assert_eq!(error(end), ErrorCode::NONE);
            assert_eq!(error(0), ErrorCode::NONE);
            assert_eq!(error(end + 1), ErrorCode::OFFSET_OUT_OF_RANGE);
            assert_eq!(error(-1), ErrorCode::OFFSET_OUT_OF_RANGE);
            assert_eq!(error(i64::MAX), ErrorCode::OFFSET_OUT_OF_RANGE);
            assert_eq!(error(i64::MIN), ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        client.append(&topic, 0, batch(&["a", "b"]));
    }
}

/// Kafka's cleaner keeps the header of a producer's last batch when all of its records are gone.
#[test]
fn behaviour_12_batches_without_records_are_not_returned_and_gaps_are_passed_over() {
    let directory = Directory::new();
    let first = [
        plain(0, &["a", "b"]),
        emptied(2, 4, (7, 0, 0)),
        emptied(5, 5, (8, 0, 0)),
        thinned(8, 11, "c"),
        plain(12, &["d"]),
        emptied(20, 24, (9, 0, 0)),
    ];
    let segments = [
        (0, first.to_vec()),
        // All of it is gone, and what follows is gone from its start.
        (30, vec![emptied(30, 33, (10, 0, 0))]),
        (36, vec![]),
        (
            40,
            vec![emptied(40, 41, (11, 0, 3)), plain(45, &["e", "f"])],
        ),
        (50, vec![plain(50, &["g"])]),
    ];
    let (broker, topic) = left_behind::start(&directory, &segments, Some(50));
    let check = |broker: &Broker| {
        let mut client = broker.client();
        for bytes_max in [1, 150, 200, 300, 1 << 20] {
            for isolation in [0, 1] {
                let mut found = Vec::new();
                let mut offset = 0;
                while offset < 51 {
                    let mut request = fetch_request(&topic, &[(0, offset)]);
                    request.isolation_level = isolation;
                    request.topics[0].partitions[0].partition_max_bytes = bytes_max;
                    let fetched = client.fetch_all(FETCH, &request).remove(0);
                    assert_eq!(fetched.response.high_watermark, 51);
                    let batches = headers(fetched.records);
                    assert!(batches.iter().all(|it| it.record_count > 0), "at {offset}");
                    found.extend(values(fetched.records));
                    let last = batches.last();
                    offset = last.expect("there is more").next_offset().0;
                }
                let all = ["a", "b", "c", "d", "e", "f", "g"];
                assert_eq!(found, all, "{bytes_max} bytes at a time");
            }
        }
        // From anywhere, into gaps and batches without records too.
        for offset in 0..51 {
            let fetched = client.fetch(&topic, 0, offset);
            let first = headers(fetched.records)[0];
            assert!(first.record_count > 0 && first.last_offset().0 >= offset);
        }
    };
    check(&broker);
    broker.stop();
    // The same after a clean stop, and behind what is written now.
    let broker = Broker::start(&directory, &["num.shards=1"]);
    check(&broker);
    assert_eq!(broker.client().append(&topic, 0, batch(&["h"])), 51);
    let fetched = broker.client().fetch(&topic, 0, 51);
    assert_eq!(values(fetched.records), ["h"]);
    broker.stop();
}

/// With nothing behind it a batch without records is what brings a reader to the end of the log, as
/// those need that read up to the high watermark before they do anything else.
#[test]
fn behaviour_12_the_end_of_a_log_is_reached_although_its_last_batch_has_no_records() {
    let directory = Directory::new();
    let batches = vec![
        plain(0, &["a"]),
        emptied(1, 3, (7, 0, 0)),
        emptied(4, 8, (8, 0, 0)),
    ];
    let segments = [(0, batches), (9, vec![])];
    let (broker, topic) = left_behind::start(&directory, &segments, Some(9));
    let mut client = broker.client();
    let mut offset = 0;
    let mut rounds = Vec::new();
    while offset < 9 {
        let fetched = client.fetch(&topic, 0, offset);
        assert_eq!(fetched.response.high_watermark, 9);
        let batches = headers(fetched.records);
        offset = batches.last().expect("a way on").next_offset().0;
        rounds.push((batches.len(), batches[0].record_count));
    }
    assert_eq!(rounds, [(1, 1), (1, 0), (1, 0)]);
    assert!(client.fetch(&topic, 0, 9).records.is_empty());
    broker.stop();
}

/// kafkajs allows 100 ms beyond the wait, kafka-go a quarter of it. The machine may be busy: what
/// counts is the quickest third of the answers.
#[test]
fn behaviour_13_an_empty_fetch_is_answered_within_a_quarter_and_100_ms_of_its_max_wait() {
    let broker = broker::shared();
    let topic = broker.topic("behaviour-13", 3);
    let mut client = broker.client();
    client.append(&topic, 1, batch(&["a"]));
    const ROUNDS: usize = 9;
    for wait_ms in [0, 100, 500] {
        let wait = Duration::from_millis(wait_ms);
        let slack = Duration::from_millis(100)
            .min(wait / 4)
            .max(Duration::from_millis(25));
        let mut late = Vec::new();
        for _ in 0..ROUNDS {
            let mut request = fetch_request(&topic, &[(0, 0), (1, 1), (2, 0)]);
            request.max_wait_ms = wait_ms as i32;
            let start = Instant::now();
            client.send(FETCH, &request);
            let (response, frame) = client.receive::<FetchResponse>(FETCH);
            let waited = start.elapsed();
            assert!(waited >= wait, "{waited:?} is too early for {wait:?}");
            late.push(waited - wait);
            // Empty means that there was nothing: the high watermark is the offset that was asked for.
            for (fetched, end) in fetched(response, frame).iter().zip([0, 1, 0]) {
                assert!(fetched.records.is_empty());
                assert_eq!(fetched.response.high_watermark, end);
            }
        }
        late.sort();
        assert!(late[ROUNDS / 3] <= slack, "{wait:?}, late by {late:?}");
    }
}
