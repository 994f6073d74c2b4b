//! Behaviours 9 to 11, 18, 20 and 30 where they are about transactions. Transactions are not served
//! yet; a log in which Apache Kafka has left some is read as there.

use super::left_behind::{self, marker, plain, time_of, transactional};
use super::offsets::list;
use crate::broker::{self, Broker, Directory, Topic};
use crate::client::{Client, FETCH, Fetched, PRODUCE, fetch_request, produce_request, versions};
use crate::records::{
    batch, batch_at, builder, changed, now_ms, put, seen, sequenced, values as all_values,
};
use millstream::batch::{ATTRIBUTES, Codec, scan};
use millstream::types::{ProducerEpoch, ProducerId, Timestamp};
use millstream::wire::{
    ApiKey, ErrorCode, InitProducerIdRequest, InitProducerIdResponse, ProduceResponse,
};
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The first offset of the transaction that is open: the last stable offset.
const STABLE: i64 = 10;
const END: i64 = 13;

/// Offsets 0 to 12 in two segments: committed, aborted and open transactions, interleaved.
fn start(directory: &Directory) -> (Broker, Topic) {
    let first = [
        plain(0, &["a", "b"]),
        transactional(2, (101, 0, 0), &["aborted", "aborted"]),
        transactional(4, (102, 0, 0), &["c", "d"]),
    ];
    let second = [
        marker(6, 101, 0, false),
        marker(7, 102, 0, true),
        plain(8, &["e"]),
        transactional(9, (103, 0, 0), &["aborted"]),
        transactional(STABLE, (101, 0, 2), &["open"]),
        marker(11, 103, 0, false),
        plain(12, &["f"]),
    ];
    let segments = [(0, first.to_vec()), (6, second.to_vec())];
    left_behind::start(directory, &segments, None)
}

fn fetch(client: &mut Client, topic: &Topic, version: i16, isolation: i8, offset: i64) -> Fetched {
    let mut request = fetch_request(topic, &[(0, offset)]);
    request.isolation_level = isolation;
    client.fetch_all(version, &request).remove(0)
}

/// What a consumer that reads committed records hands on (KIP-98): of a producer nothing between the
/// first offset of a transaction that was aborted and the marker that aborted it.
fn committed(fetched: &Fetched) -> Vec<String> {
    let aborted = fetched.response.aborted_transactions.as_ref();
    let mut aborted = aborted.expect("what was aborted").clone();
    aborted.sort_by_key(|it| it.first_offset);
    let mut aborted = aborted.into_iter().peekable();
    let mut off = BTreeSet::new();
    let mut handed_on = Vec::new();
    for (position, header) in scan(fetched.records) {
        while let Some(begun) = aborted.next_if(|it| it.first_offset <= header.last_offset().0) {
            off.insert(begun.producer_id);
        }
        if header.is_control() {
            off.remove(&header.producer_id.0);
        } else if !(header.is_transactional() && off.contains(&header.producer_id.0)) {
            let batch = &fetched.records[position..position + header.size()];
            handed_on.extend(seen(batch).into_iter().map(|it| it.value));
        }
    }
    handed_on
}

#[test]
fn behaviour_09_an_offset_between_last_stable_offset_and_log_end_is_not_out_of_range() {
    let directory = Directory::new();
    let (broker, topic) = start(&directory);
    let mut client = broker.client();
    for version in versions(ApiKey::FETCH) {
        for offset in STABLE..=END {
            let fetched = fetch(&mut client, &topic, version, 1, offset);
            assert_eq!(fetched.response.error_code, ErrorCode::NONE, "{offset}");
            assert!(fetched.records.is_empty());
            assert_eq!(fetched.response.high_watermark, END);
            assert_eq!(fetched.response.last_stable_offset, STABLE);
        }
        let fetched = fetch(&mut client, &topic, version, 1, END + 1);
        assert_eq!(fetched.response.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    broker.stop();
}

#[test]
fn behaviour_10_aborted_transactions_are_told_to_read_committed_and_to_nobody_else() {
    let directory = Directory::new();
    let (broker, topic) = start(&directory);
    let check = |broker: &Broker| {
        let mut client = broker.client();
        for version in versions(ApiKey::FETCH) {
            for offset in 0..END {
                let plain = fetch(&mut client, &topic, version, 0, offset);
                assert_eq!(plain.response.aborted_transactions, None);
                assert!(!plain.records.is_empty());
            }
            // A slice ends with its segment; what was aborted in it is told by markers further on.
            for (offset, aborted, handed_on) in [
                (0, vec![(101, 2)], vec!["a", "b", "c", "d"]),
                (2, vec![(101, 2)], vec!["c", "d"]),
                (5, vec![(101, 2)], vec!["c", "d"]),
                (6, vec![(101, 2), (103, 9)], vec!["e"]),
                (7, vec![(103, 9)], vec!["e"]),
                (9, vec![(103, 9)], vec![]),
                (STABLE, vec![], vec![]),
                (END, vec![], vec![]),
            ] {
                let fetched = fetch(&mut client, &topic, version, 1, offset);
                assert_eq!(fetched.response.last_stable_offset, STABLE);
                let told = fetched.response.aborted_transactions.as_ref();
                let told = told.expect("a list, if an empty one").iter();
                let told: Vec<_> = told.map(|it| (it.producer_id, it.first_offset)).collect();
                assert_eq!(told, aborted, "version {version} from {offset}");
                assert_eq!(committed(&fetched), handed_on, "from {offset}");
                let last = seen(fetched.records).last().map(|it| it.offset);
                assert!(last.is_none_or(|last| last < STABLE));
            }
        }
        let all = fetch(&mut client, &topic, FETCH, 0, 6);
        assert_eq!(all_values(all.records).len(), 7, "markers are records, too");
    };
    // As it was left, then as a clean stop leaves it.
    check(&broker);
    broker.stop();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    check(&broker);
    // What is written behind the open transaction changes nothing before it.
    broker.client().append(&topic, 0, batch(&["g"]));
    let mut client = broker.client();
    let late = fetch(&mut client, &topic, FETCH, 1, 6);
    assert_eq!(late.response.high_watermark, END + 1);
    assert_eq!(late.response.last_stable_offset, STABLE);
    assert_eq!(committed(&late), ["e"]);
    broker.stop();
}

#[test]
fn behaviour_11_min_bytes_of_read_committed_count_up_to_the_last_stable_offset() {
    let directory = Directory::new();
    let (broker, topic) = start(&directory);
    let mut client = broker.client();
    let one = transactional(9, (103, 0, 0), &["aborted"]).len() as i32;
    let three = one + (marker(7, 102, 0, true).len() + plain(8, &["e"]).len()) as i32;
    const WAIT_MS: i32 = 500;
    let wait = Duration::from_millis(WAIT_MS as u64);
    // Behind the last stable offset there is nothing; before it there are three batches from 7 on.
    for (offset, batches_before, min_bytes, waits) in [
        (STABLE, 0, 1, true),
        (9, 1, one + 1, true),
        (9, 1, one, false),
        (7, 3, three + 1, true),
        (7, 3, three, false),
    ] {
        for isolation in [0, 1] {
            let mut request = fetch_request(&topic, &[(0, offset)]);
            request.isolation_level = isolation;
            request.min_bytes = min_bytes;
            request.max_wait_ms = WAIT_MS;
            let start = Instant::now();
            client.send(FETCH, &request);
            // Neither does what is written meanwhile count.
            sleep(Duration::from_millis(50));
            broker.client().append(&topic, 0, batch(&["more"]));
            let (response, frame) = client.receive(FETCH);
            let fetched = crate::client::fetched(response, frame).remove(0);
            let sits_it_out = start.elapsed() >= wait;
            assert_eq!(sits_it_out, waits && isolation == 1, "from {offset}");
            let batches = scan(fetched.records).count();
            match isolation {
                1 => assert_eq!(batches, batches_before),
                _ => assert!(batches > batches_before),
            }
        }
    }
    broker.stop();
}

/// The rest of InitProducerId for transactions comes with their coordinator.
#[test]
fn behaviour_18_transaction_timeout_ms_is_validated_against_transaction_max_timeout_ms() {
    let directory = Directory::new();
    let settings = ["num.shards=1", "transaction.max.timeout.ms=60000"];
    let broker = Broker::start(&directory, &settings);
    let mut client = broker.client();
    for version in versions(ApiKey::INIT_PRODUCER_ID) {
        for (timeout, expected) in [
            (60_000, ErrorCode::COORDINATOR_NOT_AVAILABLE),
            (1, ErrorCode::COORDINATOR_NOT_AVAILABLE),
            (60_001, ErrorCode::INVALID_TRANSACTION_TIMEOUT),
            (i32::MAX, ErrorCode::INVALID_TRANSACTION_TIMEOUT),
            (0, ErrorCode::INVALID_TRANSACTION_TIMEOUT),
            (-1, ErrorCode::INVALID_TRANSACTION_TIMEOUT),
        ] {
            let mut request = InitProducerIdRequest {
                transactional_id: Some("t".into()),
                transaction_timeout_ms: timeout,
                ..Default::default()
            };
            let response: InitProducerIdResponse = client.call(version, &request);
            assert_eq!(response.error_code, expected, "{timeout}");
            assert_eq!((response.producer_id, response.producer_epoch), (-1, -1));
            // Without a transaction there is nothing that could time out.
            request.transactional_id = None;
            let response: InitProducerIdResponse = client.call(version, &request);
            assert_eq!(response.error_code, ErrorCode::NONE);
        }
    }
    broker.stop();
}

#[test]
fn behaviour_20_list_offsets_honours_the_isolation_level() {
    let directory = Directory::new();
    let (broker, topic) = start(&directory);
    let check = |broker: &Broker| {
        let mut client = broker.client();
        for version in 2..=*versions(ApiKey::LIST_OFFSETS).end() {
            let mut found = |isolation, time| {
                let it = list(&mut client, version, &topic, isolation, time);
                assert_eq!(it.error_code, ErrorCode::NONE);
                (it.offset, it.timestamp)
            };
            assert_eq!(found(0, -1), (END, -1));
            assert_eq!(found(1, -1), (STABLE, -1));
            assert_eq!(found(1, -2), (0, -1));
            for isolation in [0, 1] {
                // Control records are records, and so are those of aborted transactions.
                for base in [2, 6, 9] {
                    assert_eq!(found(isolation, time_of(base)), (base, time_of(base)));
                }
            }
            for base in [STABLE, 11, 12] {
                assert_eq!(found(0, time_of(base)), (base, time_of(base)));
                assert_eq!(found(1, time_of(base)), (-1, -1));
            }
        }
    };
    check(&broker);
    broker.stop();
    check(&Broker::start(&directory, &["num.shards=1"]));
}

/// With transactions come their coordinator's verification (KIP-890) and the epoch that each of them
/// bumps. Until then no batch gets into a transaction at all, and none past one that is open.
#[test]
fn behaviour_30_late_or_reordered_requests_do_not_leak_into_a_transaction() {
    let directory = Directory::new();
    let (broker, topic) = start(&directory);
    let mut client = broker.client();
    let late = |(id, epoch, sequence): left_behind::Writer| {
        let mut builder = builder()
            .producer(ProducerId(id), ProducerEpoch(epoch), sequence)
            .transactional();
        builder.push(Timestamp(now_ms()), Some(b"k"), Some(b"late"), &[]);
        builder.finish()
    };
    let mut send = |transactional_id: Option<&'static str>, set: Vec<u8>, version| {
        let mut request = produce_request(-1, &topic, vec![(0, set)]);
        request.transactional_id = transactional_id.map(Into::into);
        let response: ProduceResponse = client.call(version, &request);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.base_offset, -1);
        partition.error_code
    };
    for version in 3..=PRODUCE {
        // The next of the transaction that is open, of ones that have ended, and of a stranger.
        for writer in [
            (101, 0, 3),
            (102, 0, 2),
            (103, 0, 1),
            (103, 1, 0),
            (104, 0, 0),
        ] {
            let error = send(Some("t"), late(writer), version);
            assert_eq!(error, ErrorCode::INVALID_TXN_STATE, "{writer:?}");
            let error = send(None, late(writer), version);
            assert_eq!(error, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        }
        // Whose transaction is open cannot write beside it.
        let error = send(None, sequenced(101, 0, 3, 1), version);
        assert_eq!(error, ErrorCode::INVALID_TXN_STATE);
        // And nobody but a coordinator ends it.
        let forged = changed(late((101, 0, -1)), |batch| {
            put(batch, ATTRIBUTES, &0x30i16.to_be_bytes());
        });
        let error = send(Some("t"), forged, version);
        assert_eq!(error, ErrorCode::INVALID_RECORD);
    }
    let after = fetch(&mut client, &topic, FETCH, 1, 6);
    assert_eq!(after.response.high_watermark, END);
    assert_eq!(after.response.last_stable_offset, STABLE);
    // Whose transactions have ended goes on without, and others were never held up.
    assert_eq!(client.append(&topic, 0, sequenced(102, 0, 2, 1)), END);
    let other = batch_at(Codec::None, &[now_ms()]);
    assert_eq!(client.append(&topic, 0, other), END + 1);
    broker.stop();
}

/// A transactional batch is refused for what its request lacks: the same on every shard.
#[test]
fn behaviour_30_a_transactional_batch_without_a_transactional_id_refuses_its_whole_request() {
    let broker = broker::shared();
    let topic = broker.topic("behaviour-30", 4);
    let mut client = broker.client();
    let set = |transactional: bool| {
        let mut builder = builder();
        if transactional {
            builder = builder
                .producer(ProducerId(77), ProducerEpoch(0), 0)
                .transactional();
        }
        builder.push(Timestamp(now_ms()), None, Some(b"a"), &[]);
        builder.finish()
    };
    for version in 3..=PRODUCE {
        for acks in [-1, 1, 7] {
            let sets = (0..5).map(|index| (index, set(index == 2))).collect();
            let request = produce_request(acks, &topic, sets);
            let response: ProduceResponse = client.call(version, &request);
            let partitions = &response.responses[0].partition_responses;
            assert_eq!(partitions.len(), 5);
            for partition in partitions {
                assert_eq!(partition.error_code.0, 53, "version {version}, acks {acks}");
                assert_eq!(
                    (partition.base_offset, partition.log_start_offset),
                    (-1, -1)
                );
            }
        }
    }
    for partition in 0..4 {
        let fetched = client.fetch(&topic, partition, 0);
        assert_eq!(fetched.response.high_watermark, 0, "nothing was appended");
    }
    let sets = vec![(0, set(false)), (1, set(true))];
    client.send(PRODUCE, &produce_request(0, &topic, sets));
    client.expect_end();
    let fetched = broker.client().fetch(&topic, 0, 0);
    assert_eq!(fetched.response.high_watermark, 0);
}
