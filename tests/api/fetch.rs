//! Fetch without sessions: which bytes, how many, and when. Sessions are in `fetch_sessions`.

use crate::broker::{self, Topic, shard_of};
use crate::client::{Client, FETCH, fetch_request, fetch_topic, fetched, versions};
use crate::delete_topics::delete;
use crate::records::{batch, headers, large, values};
use millstream::types::Uuid;
use millstream::wire::{ApiKey, ErrorCode, FetchRequest, FetchResponse};
use std::collections::BTreeSet;
use std::io::Read;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A wait that no test should ever sit out.
const LONG_MS: i32 = 20_000;

/// Far below [`LONG_MS`], far above what a busy machine needs to wake a thread.
const SOON: Duration = Duration::from_secs(8);

#[test]
fn every_version_reads_what_was_written() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-versions", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a", "b"]));
    for version in versions(ApiKey::FETCH) {
        let mut all = client.fetch_all(version, &fetch_request(&topic, &[(0, 0)]));
        let fetched = all.remove(0);
        assert_eq!(fetched.response.error_code, ErrorCode::NONE);
        assert_eq!(values(fetched.records), ["a", "b"], "version {version}");
        assert_eq!(fetched.response.high_watermark, 2);
        assert_eq!(fetched.response.last_stable_offset, 2);
        assert_eq!(fetched.response.preferred_read_replica, -1);
        if version >= 5 {
            assert_eq!(fetched.response.log_start_offset, 0);
        }
    }
}

#[test]
fn every_offset_is_found_in_a_log_of_many_batches() {
    let broker = broker::shared();
    let settings = [("index.interval.bytes", "200")];
    let topic = broker.topic_with("fetch-every-offset", 1, &settings);
    let mut client = broker.client();
    for at in 0..100 {
        let value = format!("value {at}");
        client.append(&topic, 0, batch(&[value.as_str(), "beside"]));
    }
    for offset in 0..200 {
        let mut request = fetch_request(&topic, &[(0, offset)]);
        request.topics[0].partitions[0].partition_max_bytes = 1;
        let fetched = client.fetch_all(FETCH, &request).remove(0);
        let header = headers(fetched.records)[0];
        assert_eq!(header.base_offset.0, offset / 2 * 2, "{offset}");
    }
}

#[test]
fn an_error_is_answered_at_once() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-error-now", 2);
    let mut client = broker.client();
    let mut request = fetch_request(&topic, &[(0, 0), (1, 5)]);
    request.max_wait_ms = LONG_MS;
    let start = Instant::now();
    let all = client.fetch_all(FETCH, &request);
    assert!(start.elapsed() < SOON);
    assert_eq!(all[1].response.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
}

#[test]
fn leader_epochs_are_checked() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-epochs", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a"]));
    let mut code = |epoch| {
        let mut request = fetch_request(&topic, &[(0, 0)]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let fetched = client.fetch_all(FETCH, &request).remove(0);
        (fetched.response.error_code, fetched.records.is_empty())
    };
    assert_eq!(code(-1), (ErrorCode::NONE, false));
    assert_eq!(code(0), (ErrorCode::NONE, false));
    assert_eq!(code(1), (ErrorCode::UNKNOWN_LEADER_EPOCH, true));
}

#[test]
fn unknown_topics_and_ids_have_their_codes() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-known", 1);
    let missing = Topic {
        name: "fetch-missing".into(),
        id: Uuid([5; 16]),
    };
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a"]));
    for (version, expected) in [
        (12, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (13, ErrorCode::UNKNOWN_TOPIC_ID),
        (18, ErrorCode::UNKNOWN_TOPIC_ID),
    ] {
        let mut request = fetch_request(&missing, &[(0, 0)]);
        request.topics.push(fetch_topic(&topic, &[(0, 0)]));
        let all = client.fetch_all(version, &request);
        assert_eq!(all[0].response.error_code, expected, "version {version}");
        assert_eq!(values(all[1].records), ["a"]);
    }
}

#[test]
fn both_isolation_levels_read_committed_records() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-isolation", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a"]));
    for (isolation, aborted) in [(0, None), (1, Some(Vec::new()))] {
        let mut request = fetch_request(&topic, &[(0, 0)]);
        request.isolation_level = isolation;
        let fetched = client.fetch_all(FETCH, &request).remove(0);
        assert_eq!(values(fetched.records), ["a"]);
        assert_eq!(fetched.response.last_stable_offset, 1);
        assert_eq!(fetched.response.aborted_transactions, aborted);
    }
}

// -- how many bytes

#[test]
fn a_slice_ends_at_partition_max_bytes_even_within_a_batch() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-cut", 1);
    let mut client = broker.client();
    for _ in 0..10 {
        client.append(&topic, 0, large(1000));
    }
    let size = large(1000).len();
    let mut request = fetch_request(&topic, &[(0, 2)]);
    request.topics[0].partitions[0].partition_max_bytes = (size * 3 + size / 2) as i32;
    let fetched = client.fetch_all(FETCH, &request).remove(0);
    assert!((size * 3..=size * 3 + size / 2).contains(&fetched.records.len()));
    let offsets: Vec<i64> = headers(fetched.records)
        .iter()
        .map(|it| it.base_offset.0)
        .collect();
    assert_eq!(offsets, [2, 3, 4]);
}

#[test]
fn max_bytes_bounds_all_partitions_together_in_the_order_of_the_request() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-max-bytes", 6);
    let mut client = broker.client();
    let size = large(10_000).len();
    for partition in 0..6 {
        client.append(&topic, partition, large(10_000));
    }
    let order = [4, 1, 5, 0, 3, 2];
    let wanted: Vec<(i32, i64)> = order.iter().map(|partition| (*partition, 0)).collect();
    let mut request = fetch_request(&topic, &wanted);
    request.max_bytes = (size * 2 + size / 2) as i32;
    let all = client.fetch_all(FETCH, &request);
    let partitions: Vec<i32> = all.iter().map(|it| it.response.partition_index).collect();
    assert_eq!(partitions, order);
    let lengths: Vec<usize> = all.iter().map(|it| headers(it.records).len()).collect();
    assert_eq!(lengths, [1, 1, 0, 0, 0, 0]);
    // All of them say how far they are, with or without bytes.
    assert!(all.iter().all(|it| it.response.high_watermark == 1));
    let sum: usize = all.iter().map(|it| it.records.len()).sum();
    assert!(sum <= size * 2 + size / 2);
}

#[test]
fn a_large_log_is_read_slice_by_slice_without_a_gap() {
    let broker = broker::shared();
    let settings = [("segment.bytes", "1048576")];
    let topic = broker.topic_with("fetch-segments", 1, &settings);
    let mut client = broker.client();
    for _ in 0..60 {
        client.append(&topic, 0, large(100_000));
    }
    let mut offset = 0;
    let mut rounds = 0;
    while offset < 60 {
        let mut request = fetch_request(&topic, &[(0, offset)]);
        request.topics[0].partitions[0].partition_max_bytes = 350_000;
        let fetched = client.fetch_all(FETCH, &request).remove(0);
        for header in headers(fetched.records) {
            assert_eq!(header.base_offset.0, offset);
            offset += 1;
        }
        rounds += 1;
        assert!(rounds <= 60, "no progress at {offset}");
    }
    assert!(rounds >= 20, "three batches fit into a slice");
    let files = std::fs::read_dir(broker.partition(&topic, 0)).expect("its directory");
    let names = files.map(|it| {
        it.expect("an entry")
            .file_name()
            .into_string()
            .expect("a name")
    });
    assert!(names.filter(|name| name.ends_with(".log")).count() >= 6);
}

// -- when

#[test]
fn min_bytes_0_is_answered_at_once() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-min-0", 1);
    let mut request = fetch_request(&topic, &[(0, 0)]);
    request.max_wait_ms = LONG_MS;
    request.min_bytes = 0;
    let start = Instant::now();
    broker.client().fetch_all(FETCH, &request);
    assert!(start.elapsed() < SOON);
}

/// Sends a fetch, lets it wait, runs `then` and returns what comes, which must be soon.
fn woken(
    client: &mut Client,
    request: &FetchRequest<'static>,
    then: impl FnOnce(),
) -> Vec<crate::client::Fetched> {
    client.send(FETCH, request);
    sleep(Duration::from_millis(50));
    let start = Instant::now();
    then();
    let (response, frame) = client.receive::<FetchResponse>(FETCH);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    fetched(response, frame)
}

#[test]
fn a_waiting_fetch_wakes_on_data_from_any_shard_and_connection() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-wake", 8);
    let shards: BTreeSet<u16> = (0..8).map(|index| shard_of(&topic, index, 4)).collect();
    assert_eq!(shards.len(), 4, "eight partitions lie on all shards");
    // Consecutive connections are dealt to different shards.
    let mut consumers: Vec<Client> = (0..4).map(|_| broker.client()).collect();
    let mut producer = broker.client();
    let mut ends = [0i64; 8];
    for (at, consumer) in consumers.iter_mut().enumerate() {
        for partition in 0..8i32 {
            let wanted: Vec<(i32, i64)> =
                (0..8).map(|index| (index, ends[index as usize])).collect();
            let mut request = fetch_request(&topic, &wanted);
            request.max_wait_ms = LONG_MS;
            let value = format!("{at}/{partition}");
            let all = woken(consumer, &request, || {
                producer.append(&topic, partition, batch(&[value.as_str()]));
            });
            for fetched in &all {
                let expected = match fetched.response.partition_index == partition {
                    true => vec![value.clone()],
                    false => Vec::new(),
                };
                assert_eq!(values(fetched.records), expected);
            }
            ends[partition as usize] += 1;
        }
    }
}

#[test]
fn a_single_record_wakes_many_waiting_fetches() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-wake-many", 1);
    let mut consumers: Vec<Client> = (0..10).map(|_| broker.client()).collect();
    let mut request = fetch_request(&topic, &[(0, 0)]);
    request.max_wait_ms = LONG_MS;
    for consumer in &mut consumers {
        consumer.send(FETCH, &request);
    }
    sleep(Duration::from_millis(50));
    let start = Instant::now();
    broker.client().append(&topic, 0, batch(&["news"]));
    for consumer in &mut consumers {
        let (response, frame) = consumer.receive::<FetchResponse>(FETCH);
        assert_eq!(values(fetched(response, frame)[0].records), ["news"]);
    }
    assert!(start.elapsed() < SOON);
}

#[test]
fn min_bytes_are_waited_for_in_one_partition() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-min-bytes", 1);
    let mut producer = broker.client();
    let mut consumer = broker.client();
    let size = large(1000).len() as i32;
    let mut request = fetch_request(&topic, &[(0, 0)]);
    request.max_wait_ms = LONG_MS;
    request.min_bytes = size * 3;
    consumer.send(FETCH, &request);
    for _ in 0..2 {
        producer.append(&topic, 0, large(1000));
    }
    expect_silence(&mut consumer, Duration::from_millis(300));
    let start = Instant::now();
    producer.append(&topic, 0, large(1000));
    let (response, frame) = consumer.receive::<FetchResponse>(FETCH);
    assert!(start.elapsed() < SOON);
    assert_eq!(headers(fetched(response, frame)[0].records).len(), 3);
}

#[test]
fn min_bytes_are_summed_over_partitions_of_all_shards() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-min-bytes-sum", 8);
    let mut producer = broker.client();
    let mut consumer = broker.client();
    let size = large(1000).len() as i32;
    let wanted: Vec<(i32, i64)> = (0..8).map(|partition| (partition, 0)).collect();
    let mut request = fetch_request(&topic, &wanted);
    request.max_wait_ms = LONG_MS;
    request.min_bytes = size * 8;
    consumer.send(FETCH, &request);
    for partition in 0..7 {
        producer.append(&topic, partition, large(1000));
    }
    expect_silence(&mut consumer, Duration::from_millis(300));
    let start = Instant::now();
    producer.append(&topic, 7, large(1000));
    let (response, frame) = consumer.receive::<FetchResponse>(FETCH);
    assert!(start.elapsed() < SOON);
    let all = fetched(response, frame);
    assert!(all.iter().all(|it| headers(it.records).len() == 1));
}

#[test]
fn too_few_bytes_come_at_the_end_of_the_wait() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-min-late", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a"]));
    let mut request = fetch_request(&topic, &[(0, 0)]);
    request.min_bytes = 1 << 20;
    request.max_wait_ms = 200;
    let start = Instant::now();
    let all = client.fetch_all(FETCH, &request);
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(values(all[0].records), ["a"]);
}

#[test]
fn min_bytes_beyond_max_bytes_do_not_make_a_fetch_wait() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-min-max", 1);
    let mut client = broker.client();
    client.append(&topic, 0, large(5000));
    let mut request = fetch_request(&topic, &[(0, 0)]);
    request.min_bytes = i32::MAX;
    request.max_bytes = 1000;
    request.max_wait_ms = LONG_MS;
    let start = Instant::now();
    let all = client.fetch_all(FETCH, &request);
    assert!(start.elapsed() < SOON);
    assert_eq!(headers(all[0].records).len(), 1);
}

#[test]
fn a_client_that_leaves_while_it_waits_takes_nothing_with_it() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-leave", 4);
    let wanted: Vec<(i32, i64)> = (0..4).map(|partition| (partition, 0)).collect();
    let mut request = fetch_request(&topic, &wanted);
    request.max_wait_ms = LONG_MS;
    for _ in 0..20 {
        let mut leaving = broker.client();
        leaving.send(FETCH, &request);
    }
    let mut producer = broker.client();
    for partition in 0..4 {
        assert_eq!(producer.append(&topic, partition, batch(&["a"])), 0);
    }
    assert_eq!(producer.fetch_all(FETCH, &request).len(), 4);
}

#[test]
fn who_waits_twice_for_a_partition_is_told_once_that_it_is_gone() {
    let broker = broker::shared();
    let topic = broker.topic("fetch-twice", 1);
    let mut request = fetch_request(&topic, &[(0, 0), (0, 0)]);
    request.min_bytes = 1;
    request.max_wait_ms = LONG_MS;
    let mut waiting = broker.client();
    waiting.send(FETCH, &request);
    expect_silence(&mut waiting, Duration::from_millis(300));
    let start = Instant::now();
    delete(&topic.name);
    let mut byte = [0];
    waiting.stream.read_exact(&mut byte).expect("an answer");
    assert!(start.elapsed() < SOON);
    let other = broker.topic("fetch-twice-other", 1);
    assert_eq!(broker.client().append(&other, 0, batch(&["a"])), 0);
}

#[test]
fn a_fetch_of_no_partitions_is_answered_at_once() {
    let broker = broker::shared();
    let request = FetchRequest {
        max_wait_ms: LONG_MS,
        min_bytes: 1,
        ..Default::default()
    };
    let start = Instant::now();
    assert!(broker.client().fetch_all(FETCH, &request).is_empty());
    assert!(start.elapsed() < SOON);
}

/// That nothing comes for that long.
fn expect_silence(client: &mut Client, how_long: Duration) {
    let mut byte = [0];
    let before = client.stream.read_timeout().expect("a socket option");
    client
        .stream
        .set_read_timeout(Some(how_long))
        .expect("a socket option");
    let peeked = client.stream.peek(&mut byte);
    assert!(peeked.is_err(), "an answer came too early");
    client
        .stream
        .set_read_timeout(before)
        .expect("a socket option");
}
