//! The log room by the clock: where an append and a look-up spend their time. `cargo bench --bench log`.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use millstream::batch::{Builder, Header};
use millstream::log::{
    Cleaner, CompactionRules, Fate, Isolation, Located, Log, LogConfig, OFFSET_ENTRY_BYTES,
    OffsetIndex, OffsetMap, Rewriting, ScanStep, Source, Stretch, each_batch, scan_headers,
};
use millstream::types::{LeaderEpoch, Offset, Timestamp};
use std::ops::ControlFlow;

fn main() {
    divan::main();
}

const TIME: Timestamp = Timestamp(1_700_000_001_000);
const BATCH_BYTES: u32 = 1_100;

fn config() -> LogConfig {
    LogConfig {
        flush_messages: i64::MAX,
        segment_bytes: 1 << 30,
        segment_ms: i64::MAX,
        segment_jitter_ms: 0,
        jitter_seed: 1,
        index_interval_bytes: 4096,
        index_bytes_max: 10 << 20,
        compact: false,
        producer_expiration_ms: 86_400_000,
        recent_batches: 512,
        index_cache_bytes: 1 << 20,
    }
}

fn header() -> Header {
    let mut builder = Builder::new(Offset(0), LeaderEpoch::UNKNOWN);
    builder.push(TIME, None, Some(&[7; 1_000]), &[]);
    Header::read(&builder.finish()).expect("a whole header")
}

fn append(log: &mut Log, header: &Header) {
    let epoch = LeaderEpoch(0);
    let staged = log.stage(header, BATCH_BYTES, TIME, epoch, TIME);
    staged.expect("it fits");
    log.complete(1);
}

/// A log of so many batches of a record each, with a high watermark at its end.
fn log_of(batches: usize) -> Log {
    let mut log = Log::empty(config(), Offset(0), TIME);
    log.lead(LeaderEpoch(0));
    log.set_sole_replica(true);
    let header = header();
    (0..batches).for_each(|_| append(&mut log, &header));
    log
}

/// What the log decides and notes of one batch, from its admission to its completed append.
#[divan::bench]
fn stage_and_complete(bencher: Bencher<'_, '_>) {
    let header = header();
    bencher
        .with_inputs(|| log_of(600))
        .bench_refs(|log| append(log, &header));
}

/// Where an offset is: just written, and far back.
#[divan::bench(args = [1, 50_000])]
fn locate(bencher: Bencher<'_, '_>, back: i64) {
    let mut log = log_of(60_000);
    let offset = Offset(60_000 - back);
    bencher.bench_local(|| {
        let located = log.locate(black_box(offset), Isolation::ReadUncommitted);
        assert!(!matches!(located, Located::OutOfRange | Located::End));
    });
}

#[divan::bench(args = [1_000, 1_000_000])]
fn index_floor(bencher: Bencher<'_, '_>, entries: u32) {
    let entry = |at: u32| [(at * 4).to_be_bytes(), (at * 4096).to_be_bytes()].concat();
    let bytes: Vec<u8> = (0..entries).flat_map(entry).collect();
    assert_eq!(bytes.len(), entries as usize * OFFSET_ENTRY_BYTES);
    let target = Offset(i64::from(entries) * 3);
    bencher.bench(|| OffsetIndex::new(Offset(0), black_box(&bytes)).floor(target));
}

/// The last batch of an index interval's headers.
#[divan::bench]
fn scan_of_headers(bencher: Bencher<'_, '_>) {
    let batch = |at: i64| {
        let mut builder = Builder::new(Offset(at), LeaderEpoch(0));
        builder.push(TIME, None, Some(&[7; 100]), &[]);
        builder.finish()
    };
    let bytes: Vec<u8> = (0..24).flat_map(batch).collect();
    let to = bytes.len() as u64;
    bencher.bench(|| {
        let found = scan_headers(black_box(&bytes), 0, to, Offset(23));
        assert!(matches!(found, ScanStep::Found { .. }));
    });
}

struct InMemory(Vec<u8>);

impl Source for InMemory {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, position: u64, into: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.0[position as usize..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// A closed segment of commits: batches of ten records of 60 bytes of key and 40 of value, of so many keys.
fn commits(keys: u64) -> (Log, InMemory) {
    const BATCHES: u64 = 3_000;
    let mut log = Log::empty(config(), Offset(0), TIME);
    log.set_sole_replica(true);
    let mut bytes = Vec::new();
    for at in 0..BATCHES {
        let mut builder = Builder::new(Offset(at as i64 * 10), LeaderEpoch(0));
        for record in at * 10..at * 10 + 10 {
            let key = format!("{:060}", record.wrapping_mul(7_919) % keys);
            builder.push(TIME, Some(key.as_bytes()), Some(&[7; 40]), &[]);
        }
        let batch = builder.finish();
        let header = Header::read(&batch).expect("a whole header");
        let size = batch.len() as u32;
        let staged = log.stage(&header, size, TIME, LeaderEpoch(0), TIME);
        staged.expect("it fits");
        log.complete(1);
        bytes.extend(batch);
    }
    log.roll(log.log_end(), TIME);
    log.set_flushed(log.log_end());
    (log, InMemory(bytes))
}

/// A pass of compaction without the disk, per byte of the segment: its keys are noted, then what stays is
/// written.
#[divan::bench(args = [100, 10_000])]
fn compaction(bencher: Bencher<'_, '_>, keys: u64) {
    let (log, segment) = commits(keys);
    let rules = CompactionRules {
        dirty_ratio_min: 0.0,
        lag_ms_min: 0,
        lag_ms_max: i64::MAX,
        delete_retention_ms: 86_400_000,
    };
    let plan = log.plan_compaction(&rules, TIME);
    let stretch = Stretch {
        offsets: Offset(0)..log.log_end(),
        length: segment.length(),
        position: 0,
        bytes_max: u64::MAX,
        chunk_bytes: 256 * 1024,
    };
    let bytes = BytesCount::new(segment.length());
    bencher.counter(bytes).bench_local(|| {
        let map = OffsetMap::new(128 << 20, 0.9, plan.upper.0 as u64, 1);
        let mut cleaner = Cleaner::new(&plan, map);
        let noted = each_batch(&segment, &stretch, &mut |header, batch| {
            assert!(cleaner.note(header, batch)?, "it has room");
            Ok(ControlFlow::Continue(()))
        });
        noted.expect("it is sound");
        let mut into = Rewriting::new(plan.config.clone(), &plan.sources[0]);
        let mut stays = Vec::new();
        let mut records = 0;
        let cleaned = each_batch(&segment, &stretch, &mut |header, batch| {
            let stay = match cleaner.clean(header, batch)?.0 {
                Fate::Dropped => return Ok(ControlFlow::Continue(())),
                Fate::Kept => batch.to_vec(),
                Fate::Rewritten(batch) => batch,
            };
            let header = Header::read(&stay).expect("a whole header");
            records += header.record_count as u64;
            assert!(into.add(&header, stay.len()));
            stays.extend(stay);
            Ok(ControlFlow::Continue(()))
        });
        cleaned.expect("it is sound");
        assert_eq!(records, keys, "of each key one record stays");
        black_box(stays)
    });
}
