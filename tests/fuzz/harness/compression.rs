//! Compressed bytes of every codec and none: what they become is bounded by the caller's limit, and
//! so is the memory on the way; what was compressed comes back.

use super::allocation::within;
use super::input::Input;
use super::make::CODECS;
use millstream::batch::{Codec, Fault, Target, compress, compress_to, decompress};

/// The most that a decoder holds beyond what it has made: lz4's blocks of up to 8 MiB, in and out, and
/// the room of a vector that doubles.
const DECODER_BYTES: usize = 18 * 1024 * 1024;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let codec = *input.pick(&CODECS);
    let limit = *input.pick(&[0, 1, 100, 4096, 1 << 16, 1 << 20, 16 << 20]);
    let mode = input.byte();
    let level = input.byte() as i8;
    let bytes = input.rest();
    if mode < 192 {
        inflate(codec, bytes, limit);
        return;
    }
    // A stretch repeated makes something to compress.
    let plain = bytes.repeat(usize::from(mode - 191));
    let packed = match codec {
        Codec::None => plain.clone(),
        codec if level == 0 => compress(codec, &plain),
        codec => compress_to(
            Target {
                codec,
                level: i32::from(level).clamp(levels(codec).0, levels(codec).1),
            },
            &plain,
        ),
    };
    assert_eq!(decompress(codec, &packed, plain.len()).as_ref(), Ok(&plain));
    if let Some(less) = plain.len().checked_sub(1) {
        assert_eq!(
            decompress(codec, &packed, less),
            Err(Fault::TooLargeInflated { max: less })
        );
    }
    inflate(codec, &packed, limit);
}

/// The levels that a topic may set.
fn levels(codec: Codec) -> (i32, i32) {
    match codec {
        Codec::Gzip => (1, 9),
        Codec::Lz4 => (1, 17),
        Codec::Zstd => (-100, 19),
        Codec::None | Codec::Snappy => (0, 0),
    }
}

fn inflate(codec: Codec, bytes: &[u8], limit: usize) {
    // A vector that grows holds the old bytes and twice as many new ones for a moment.
    let most = 3 * limit + bytes.len() + DECODER_BYTES;
    let outcome = within(most, || decompress(codec, bytes, limit));
    match outcome {
        Ok(plain) => {
            assert!(plain.len() <= limit);
            let again = decompress(codec, bytes, plain.len());
            assert_eq!(again.as_ref(), Ok(&plain), "the limit is what it becomes");
        }
        Err(Fault::Undecodable(of)) => assert_eq!(of, codec),
        Err(Fault::TooLargeInflated { max }) => assert_eq!(max, limit),
        Err(other) => panic!("{other:?}"),
    }
}

/// What each codec makes of texts, noise and much of the same.
pub fn seeds() -> Vec<Vec<u8>> {
    let noise: Vec<u8> = (0..300_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let texts = [
        Vec::new(),
        b"a record set".to_vec(),
        noise,
        vec![7; 100_000],
    ];
    let mut seeds = Vec::new();
    for (at, codec) in CODECS.iter().enumerate() {
        for plain in &texts {
            let mut seed = vec![at as u8, 5, 0, 0];
            seed.extend(compress(*codec, plain));
            seeds.push(seed);
            let mut seed = vec![at as u8, 5, 192 + at as u8 * 9, at as u8];
            seed.extend(plain.iter().take(400));
            seeds.push(seed);
        }
        // Two streams in a row.
        let mut seed = vec![at as u8, 5, 0, 0];
        seed.extend(compress(*codec, b"one"));
        seed.extend(compress(*codec, b"two"));
        seeds.push(seed);
    }
    // A raw block of snappy, without Java's framing.
    let mut seed = vec![2, 5, 0, 0];
    seed.extend([12, 44]);
    seed.extend(b"a record set");
    seeds.push(seed);
    seeds
}
