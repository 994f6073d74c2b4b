//! The hot paths one by one, for callgrind to count: `instructions NAME` runs one, `instructions`
//! lists them. `tests/proofs/instructions` counts each and compares with `instructions.txt`.
//!
//! Counting begins and ends with [`counted`], so that only what stands between is in the figure; each
//! does the same work [`TIMES`] times, warmed up before.

#[path = "../machine/mod.rs"]
mod machine;
#[path = "../machine/requests.rs"]
mod requests;

use bytes::BytesMut;
use machine::Machine;
use millstream::batch::{self, Look, Rules, TimestampType};
use millstream::types::Timestamp;
use millstream::wire::{Message, MetadataRequest, ProduceRequest, Reader, RequestHeader};
use std::hint::black_box;

/// How often each is done while it is counted.
const TIMES: usize = 200;
/// How often before.
const WARM_UP: usize = 500;

const TOPIC: &str = "bench";
/// Of a log that has many: more than those whose places are known (`limits::RECENT_BATCHES`).
const BATCHES: i64 = 10_000;
/// Of a broker that has many; no one request may create them all, as in Kafka.
const TOPICS: usize = 10;
const PARTITIONS: i32 = 1000;
/// A segment for each of them: it is older than that when the next one comes.
const ROLLS: &[(&str, &str)] = &[("segment.ms", "1")];

type Bench = (&'static str, fn());

const BENCHES: &[Bench] = &[
    ("produce-1k", || produce(1, 1, 1, 1000)),
    ("produce-1k-64-connections", || produce(1, 64, 1, 1000)),
    ("produce-1k-4-shards", || produce(4, 1, 1, 1000)),
    ("produce-1k-16-shards", || produce(16, 1, 1, 1000)),
    ("produce-1k-10000-partitions", produce_to_many),
    ("produce-100-records", || produce(1, 1, 100, 100)),
    ("produce-64k", || produce(1, 1, 64, 1000)),
    ("fetch-64k", || fetch(1, 64 << 10)),
    ("fetch-4k", || fetch(1, 4 << 10)),
    ("fetch-64k-16-shards", || fetch(16, 64 << 10)),
    ("fetch-64k-of-a-backlog", fetch_of_backlog),
    ("fetch-4k-first-of-10000-batches", || {
        fetch_of_many(&[], 1, |_| 0)
    }),
    ("fetch-4k-first-of-10000-segments", || {
        fetch_of_many(ROLLS, BATCHES, |_| 0)
    }),
    ("fetch-4k-last-of-10000-segments", || {
        fetch_of_many(ROLLS, BATCHES, |batches| batches - 1)
    }),
    ("batch-check-1k", || check(1, 1000)),
    ("batch-check-100-records", || check(100, 100)),
    ("batch-crc-64k", || crc(64 << 10)),
    ("wire-decode-produce", decode_produce),
    ("wire-metadata", decode_metadata),
];

fn main() {
    let name = std::env::args().nth(1);
    match name {
        None => BENCHES.iter().for_each(|(name, _)| println!("{name}")),
        Some(name) => match BENCHES.iter().find(|(known, _)| *known == name) {
            Some((_, bench)) => bench(),
            None => {
                eprintln!("no bench {name}");
                std::process::exit(2);
            }
        },
    }
}

/// What callgrind counts: `--toggle-collect=*counted*`.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    for _ in 0..TIMES {
        work();
    }
}

fn bench(mut work: impl FnMut()) {
    (0..WARM_UP).for_each(|_| work());
    counted(&mut work);
}

fn machine(shards: u16, connections: usize, config: &[(&str, &str)]) -> (Machine, Vec<i32>, i32) {
    let parent = std::env::temp_dir();
    let mut machine = Machine::start(&parent, shards, &[]);
    let sockets: Vec<i32> = (0..connections).map(|_| machine.connect()).collect();
    let answer = machine.ask(
        sockets[0],
        &requests::create_topic(TOPIC, i32::from(shards), config),
    );
    let topic = requests::created(&answer);
    // The partition that lies on the shard of the first connection.
    let local = machine.partition_on_shard_of(sockets[0], topic, shards);
    (machine, sockets, local)
}

/// One request of each connection, all of them at once.
fn produce(shards: u16, connections: usize, records: usize, value_bytes: usize) {
    let (mut machine, sockets, partition) = machine(shards, connections, &[]);
    let request = requests::produce(TOPIC, partition, &requests::batch(records, value_bytes));
    requests::assert_produced(&machine.ask(sockets[0], &request));
    bench(|| {
        sockets
            .iter()
            .for_each(|socket| machine.send(*socket, &request));
        machine.run();
    });
}

/// One connection's requests, each to another of ten thousand partitions than the last two hundred.
fn produce_to_many() {
    let parent = std::env::temp_dir();
    let mut machine = Machine::start(&parent, 1, &[]);
    let socket = machine.connect();
    let batch = requests::batch(1, 1000);
    let mut requests = Vec::new();
    for topic in (0..TOPICS).map(|at| format!("{TOPIC}-{at}")) {
        let create = requests::create_topic(&topic, PARTITIONS, &[]);
        requests::created(&machine.ask(socket, &create));
        let some = (0..PARTITIONS).step_by(50);
        requests.extend(some.map(|partition| requests::produce(&topic, partition, &batch)));
    }
    // Beyond the beginning of a log, when each few batches need more memory to be noted in.
    for request in requests.iter().cycle().take(9 * requests.len()) {
        requests::assert_produced(&machine.ask(socket, request));
    }
    let mut turns = requests.iter().cycle();
    bench(|| {
        machine.send(socket, turns.next().expect("it cycles"));
        machine.run();
    });
}

fn fetch(shards: u16, bytes: i32) {
    let batch = requests::batch(1, bytes as usize - 100);
    fetch_of_equal(shards, 4, &batch, 2, bytes);
}

/// A fetch of a log of many batches of 4 KiB in so many segments, at the offset that `which` makes of their number.
fn fetch_of_many(config: &[(&str, &str)], segments: i64, which: fn(i64) -> i64) {
    const BYTES: i32 = 4 << 10;
    let (mut machine, sockets, partition) = machine(1, 1, config);
    for at in 0..BATCHES {
        let timestamp = Timestamp(1_700_000_000_000 + at * 10);
        let batch = requests::batch_at(timestamp, 1, BYTES as usize - 100);
        let set = requests::produce(TOPIC, partition, &batch);
        requests::assert_produced(&machine.ask(sockets[0], &set));
    }
    assert_eq!(machine.segments(TOPIC, partition), segments as usize);
    fetch_again(machine, sockets[0], partition, which(BATCHES), BYTES);
}

/// A fetch of a batch that is no longer among those whose places are known one by one.
fn fetch_of_backlog() {
    const RECORDS: i64 = 64;
    const SETS: i64 = 1000;
    let batch = requests::batch(RECORDS as usize, 1000);
    fetch_of_equal(1, SETS, &batch, SETS / 4 * RECORDS, 64 << 10);
}

/// A fetch at that offset of a log of so many equal batches.
fn fetch_of_equal(shards: u16, batches: i64, batch: &[u8], offset: i64, bytes: i32) {
    let (mut machine, sockets, partition) = machine(shards, 1, &[]);
    let set = requests::produce(TOPIC, partition, batch);
    (0..batches).for_each(|_| requests::assert_produced(&machine.ask(sockets[0], &set)));
    fetch_again(machine, sockets[0], partition, offset, bytes);
}

fn fetch_again(mut machine: Machine, socket: i32, partition: i32, offset: i64, bytes: i32) {
    let request = requests::fetch(TOPIC, partition, offset, bytes);
    requests::assert_fetched(&machine.ask(socket, &request));
    bench(|| {
        machine.send(socket, &request);
        machine.run();
    });
}

fn check(records: usize, value_bytes: usize) {
    let batch = requests::batch(records, value_bytes);
    let rules = Rules {
        max_message_bytes: 1 << 20,
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        now: Timestamp(1_700_000_001_000),
        produce_version: 9,
        compressed: Look::Header,
    };
    bench(|| {
        let checked = batch::check([black_box(&batch[..])].into_iter(), batch.len(), &rules);
        assert!(black_box(checked).is_ok());
    });
}

fn crc(bytes: usize) {
    let bytes = BytesMut::from_iter((0..bytes).map(|at| at as u8));
    bench(|| {
        black_box(batch::crc32c(black_box(&bytes)));
    });
}

fn decode_produce() {
    let request = requests::produce(TOPIC, 0, &requests::batch(1, 1000));
    bench(|| {
        let mut reader = Reader::new([black_box(&request[4..])]);
        let header = RequestHeader::decode(&mut reader).expect("ours");
        let request = ProduceRequest::decode(&mut reader, header.api_version);
        assert!(black_box(request).is_ok());
    });
}

fn decode_metadata() {
    let request = MetadataRequest::default();
    let frame = millstream::wire::encode_request(12, 7, Some("bench"), &request).expect("ours");
    bench(|| {
        let mut reader = Reader::new([black_box(&frame.bytes[4..])]);
        let header = RequestHeader::decode(&mut reader).expect("ours");
        let request = MetadataRequest::decode(&mut reader, header.api_version);
        assert!(black_box(request).is_ok());
    });
}
