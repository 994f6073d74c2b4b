//! The batch room by the clock: checks, CRC, codecs. `cargo bench --bench batch`; instructions are counted in
//! `instructions/`.

use divan::{Bencher, black_box, counter::BytesCount};
use millstream::batch::{self, Builder, Codec, Look, Rules, TimestampType, compress, decompress};
use millstream::types::{LeaderEpoch, Offset, Timestamp};

fn main() {
    divan::main();
}

const NOW: Timestamp = Timestamp(1_700_000_001_000);
const RULES: Rules = Rules {
    max_message_bytes: 1 << 20,
    compacted: false,
    timestamp_type: TimestampType::CreateTime,
    timestamp_before_max_ms: i64::MAX,
    timestamp_after_max_ms: i64::MAX,
    now: NOW,
    produce_version: 9,
    compressed: Look::Header,
};
const CODECS: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// Lines that resemble each other.
fn lines(bytes: usize) -> Vec<u8> {
    let line = |at: u32| {
        format!(
            "{{\"user\":{},\"page\":\"/item/{}\"}}\n",
            at * 7919,
            at % 97
        )
    };
    let all = (0..).map(line).flat_map(String::into_bytes);
    all.take(bytes).collect()
}

fn batch_of(records: usize, value_bytes: usize, codec: Codec) -> Vec<u8> {
    let mut builder = Builder::new(Offset(0), LeaderEpoch::UNKNOWN).codec(codec);
    let value = lines(value_bytes);
    (0..records).for_each(|_| builder.push(NOW, None, Some(&value), &[]));
    builder.finish()
}

/// What a produce pays for each record set.
#[divan::bench(args = [(1, 1_000), (100, 100), (64, 1_000)])]
fn check(bencher: Bencher<'_, '_>, (records, value_bytes): (usize, usize)) {
    let bytes = batch_of(records, value_bytes, Codec::None);
    bencher.counter(BytesCount::of_slice(&bytes)).bench(|| {
        let checked = batch::check([black_box(&bytes[..])].into_iter(), bytes.len(), &RULES);
        checked.expect("a good batch")
    });
}

/// The same of 64 KiB in compressed sets, which are not looked into.
#[divan::bench(args = CODECS)]
fn check_compressed(bencher: Bencher<'_, '_>, codec: Codec) {
    let bytes = batch_of(64, 1_000, codec);
    bencher.counter(BytesCount::of_slice(&bytes)).bench(|| {
        let checked = batch::check([black_box(&bytes[..])].into_iter(), bytes.len(), &RULES);
        checked.expect("a good batch")
    });
}

#[divan::bench(args = [1 << 10, 16 << 10, 1 << 20])]
fn crc32c(bencher: Bencher<'_, '_>, bytes: usize) {
    let bytes = lines(bytes);
    let count = BytesCount::of_slice(&bytes);
    bencher
        .counter(count)
        .bench(|| batch::crc32c(black_box(&bytes)));
}

#[divan::bench(args = CODECS)]
fn compress_64k(bencher: Bencher<'_, '_>, codec: Codec) {
    let plain = lines(64 << 10);
    let count = BytesCount::of_slice(&plain);
    bencher
        .counter(count)
        .bench(|| compress(codec, black_box(&plain)));
}

#[divan::bench(args = CODECS)]
fn decompress_64k(bencher: Bencher<'_, '_>, codec: Codec) {
    let plain = lines(64 << 10);
    let packed = compress(codec, &plain);
    bencher.counter(BytesCount::of_slice(&plain)).bench(|| {
        let out = decompress(codec, black_box(&packed), 1 << 20).expect("our own");
        assert_eq!(out.len(), plain.len());
        out
    });
}
