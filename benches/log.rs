//! The log room by the clock: where an append and a look-up spend their time. `cargo bench --bench log`.

use divan::{Bencher, black_box};
use millstream::batch::{Builder, Header};
use millstream::log::{
    Isolation, Located, Log, LogConfig, OFFSET_ENTRY_BYTES, OffsetIndex, ScanStep, scan_headers,
};
use millstream::types::{LeaderEpoch, Offset, Timestamp};

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
