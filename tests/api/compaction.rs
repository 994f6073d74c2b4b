//! Compaction as clients see it: `__consumer_offsets` stays small, a compacted topic keeps the newest record
//! of each key where it was, whoever reads meanwhile, and however the broker ends.

use crate::broker::{Broker, Directory, Topic};
use crate::client::Client;
use crate::members::{HASTY, all_loaded, commit_request, find, offsets, the_error, until};
use crate::records::{builder, now_ms};
use millstream::batch::{self, Codec, HEADER_BYTES, Header};
use millstream::types::Timestamp;
use millstream::wire::{
    ErrorCode, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
    OffsetCommitResponse,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const EAGER: &str = "log.cleaner.backoff.ms=50";

/// Bytes of a partition's `.log` files.
pub fn log_bytes(partition: &Path) -> u64 {
    let entries = fs::read_dir(partition).expect("the partition's directory");
    let logs = entries.map(|entry| entry.expect("an entry").path());
    logs.filter(|path| path.extension().is_some_and(|it| it == "log"))
        // One may have gone meanwhile.
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| metadata.len())
        .sum()
}

pub fn cleaned(directory: &Directory, topic: &str) -> Option<i64> {
    let path = directory.data().join("cleaner-offset-checkpoint");
    let text = fs::read_to_string(path).ok()?;
    let start = format!("{topic} 0 ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start))?;
    Some(line.parse().expect("an offset"))
}

#[test]
fn the_offsets_topic_stays_small_and_right() {
    const PARTITIONS: i32 = 50;
    const COMMITS: i64 = 60;
    let settings = [
        &[
            "num.shards=2",
            "offsets.topic.num.partitions=1",
            "offsets.topic.segment.bytes=1048576",
            EAGER,
        ][..],
        &HASTY,
    ]
    .concat();
    let directory = Directory::new();
    let mut broker = Broker::start(&directory, &settings);
    let topic = broker.topic("t", PARTITIONS);
    let all: Vec<i32> = (0..PARTITIONS).collect();
    let mut client = broker.client();
    assert_eq!(find(&mut client, "g"), ErrorCode::NONE);
    let note = "x".repeat(4_000);
    let mut written = 0;
    let mut next = 0;
    let mut expected = Vec::new();
    for run in 0..3 {
        for _ in 0..COMMITS {
            expected = (0..PARTITIONS)
                .map(|index| next + i64::from(index))
                .collect();
            next += 1;
            let places: Vec<_> = all.iter().copied().zip(expected.iter().copied()).collect();
            let mut request = commit_request("g", &topic, &places);
            for partition in &mut request.topics[0].partitions {
                partition.committed_metadata = Some(note.clone().into());
            }
            let response: OffsetCommitResponse = client.call(9, &request);
            assert_eq!(the_error(&response), ErrorCode::NONE);
            written += note.len() as u64 * PARTITIONS as u64;
        }
        // One segment that is written to, one that is not due yet, what is left of the others.
        let partition = directory.data().join("__consumer_offsets-0");
        let left = until(|| log_bytes(&partition), |bytes| *bytes < 3_500_000);
        println!("run {run}: {written} bytes written, {left} left");
        assert!(written > 3 * left, "{written} written, {left} left");
        assert_eq!(offsets(&mut client, "g", &topic, &all), expected);
        match run {
            0 => broker.stop(),
            _ => broker.kill(),
        }
        broker = Broker::start(&directory, &settings);
        all_loaded(&broker);
        client = broker.client();
        assert_eq!(offsets(&mut client, "g", &topic, &all), expected);
    }
    assert!(cleaned(&directory, "__consumer_offsets").is_some_and(|offset| offset > 0));
    broker.stop();
    assert!(cleaned(&directory, "__consumer_offsets").is_some_and(|offset| offset > 0));
    let broker = Broker::start(&directory, &settings);
    all_loaded(&broker);
    assert_eq!(offsets(&mut broker.client(), "g", &topic, &all), expected);
    broker.stop();
}

/// A record as it was produced, or found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    offset: i64,
    value: Option<String>,
}

/// Reads everything as a consumer does. Of each key the last record; no batch is without records.
pub fn read(client: &mut Client, topic: &Topic, end: i64) -> (BTreeMap<String, Known>, usize) {
    let mut newest = BTreeMap::new();
    let mut count = 0;
    let mut next = 0;
    while next < end {
        let fetched = client.fetch(topic, 0, next);
        assert_eq!(fetched.response.error_code, ErrorCode::NONE);
        let before = next;
        for (position, header) in batch::scan(fetched.records) {
            assert!(header.record_count > 0, "{header:?}");
            let whole = &fetched.records[position..position + header.size()];
            for (key, known) in records(whole, &header) {
                assert!(known.offset >= before, "{known:?} from {before}");
                newest.insert(key, known);
                count += 1;
            }
            next = header.next_offset().0;
        }
        assert!(next > before, "nothing at {before} of {end}");
    }
    (newest, count)
}

fn records(whole: &[u8], header: &Header) -> Vec<(String, Known)> {
    batch::verify(whole).expect("a sound batch");
    let codec = header.codec().expect("a codec");
    let plain = batch::decompress(codec, &whole[HEADER_BYTES..], 1 << 20).expect("it inflates");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let records = batch::records(&plain).map(|record| {
        let record = record.expect("sound");
        let known = Known {
            offset: header.offset_of(&record).0,
            value: record.value.map(text),
        };
        (text(record.key.expect("a key")), known)
    });
    records.collect()
}

/// The first offset whose record is of that time or later.
fn at_time(client: &mut Client, topic: &Topic, time: i64) -> i64 {
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: topic.name.clone().into(),
            partitions: vec![ListOffsetsPartition {
                partition_index: 0,
                current_leader_epoch: -1,
                timestamp: time,
                ..Default::default()
            }],
        }],
        ..Default::default()
    };
    let response: ListOffsetsResponse = client.call(7, &request);
    let found = &response.topics[0].partitions[0];
    assert_eq!(found.error_code, ErrorCode::NONE);
    found.offset
}

#[test]
fn a_compacted_topic_keeps_the_newest_record_of_each_key_while_it_is_read() {
    const KEYS: i64 = 20;
    let directory = Directory::new();
    let settings = ["num.shards=2", EAGER];
    let mut broker = Broker::start(&directory, &settings);
    let configs = [
        ("cleanup.policy", "compact"),
        ("internal.segment.bytes", "4000"),
        ("index.interval.bytes", "300"),
        ("min.cleanable.dirty.ratio", "0.2"),
        ("delete.retention.ms", "2000"),
    ];
    let topic = broker.topic_with("compacted", 1, &configs);
    let mut expected = BTreeMap::new();
    let mut client = broker.client();
    let mut end = 0;
    let began = now_ms();
    for run in 0..3 {
        for at in 0..600_i64 {
            let codec = [Codec::None, Codec::Lz4, Codec::Zstd][at as usize % 3];
            let mut builder = builder().codec(codec);
            for step in 0..2 {
                let key = format!("key {}", (at * 7 + step * 3) % KEYS);
                let value = (at % 10 != 9).then(|| format!("{run}/{at}/{step}"));
                let bytes = value.as_ref().map(String::as_bytes);
                builder.push(Timestamp(now_ms()), Some(key.as_bytes()), bytes, &[]);
                let offset = end + step;
                expected.insert(key, Known { offset, value });
            }
            assert_eq!(client.append(&topic, 0, builder.finish()), end);
            end += 2;
            // Whoever reads while segments change their files finds the newest of each key.
            if at % 50 == 0 {
                let (newest, _) = read(&mut client, &topic, end);
                for (key, known) in &expected {
                    match newest.get(key) {
                        Some(found) => assert_eq!(found, known, "{key}"),
                        None => assert_eq!(known.value, None, "{key} is gone"),
                    }
                }
                let offset = at_time(&mut client, &topic, began);
                assert!((0..end).contains(&offset), "{offset} of {end}");
            }
        }
        // A quarter of the records, while there are 1,200 more with each run.
        let few = |client: &mut Client| read(client, &topic, end).1;
        let left = until(|| few(&mut client), |count| *count < 300);
        println!("run {run}: {left} of {end} records are left");
        match run {
            0 => broker.stop(),
            _ => broker.kill(),
        }
        broker = Broker::start(&directory, &settings);
        client = broker.client();
        let (newest, _) = read(&mut client, &topic, end);
        for (key, known) in &expected {
            match newest.get(key) {
                Some(found) => assert_eq!(found, known, "{key}"),
                None => assert_eq!(known.value, None, "{key} is gone"),
            }
        }
    }
    broker.stop();
}

#[test]
fn what_is_not_to_be_compacted_is_left_alone() {
    let directory = Directory::new();
    let settings = ["num.shards=1", EAGER, "log.cleaner.enable=false"];
    let broker = Broker::start(&directory, &settings);
    let configs = [
        ("cleanup.policy", "compact"),
        ("internal.segment.bytes", "1000"),
        ("min.cleanable.dirty.ratio", "0"),
    ];
    let off = broker.topic_with("off", 1, &configs);
    fill(&mut broker.client(), &off, 100);
    let before = log_bytes(&broker.partition(&off, 0));
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(log_bytes(&broker.partition(&off, 0)), before);
    broker.stop();
    // The same, switched on; and a topic whose records are too young.
    let broker = Broker::start(&directory, &["num.shards=1", EAGER]);
    let lag = ("min.compaction.lag.ms", "3600000");
    let young = broker.topic_with("young", 1, &[&configs[..], &[lag]].concat());
    fill(&mut broker.client(), &young, 100);
    let before = log_bytes(&broker.partition(&young, 0));
    until(
        || log_bytes(&broker.partition(&off, 0)),
        |bytes| *bytes < 2_000,
    );
    assert_eq!(log_bytes(&broker.partition(&young, 0)), before);
    assert_eq!(cleaned(&directory, "young"), None);
    broker.stop();
}

/// So many batches of one key.
fn fill(client: &mut Client, topic: &Topic, count: i64) {
    for at in 0..count {
        let mut builder = builder();
        let value = format!("{at:050}");
        builder.push(Timestamp(now_ms()), Some(b"k"), Some(value.as_bytes()), &[]);
        assert_eq!(client.append(topic, 0, builder.finish()), at);
    }
}
