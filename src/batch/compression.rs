//! The four codecs, in the framings that Kafka's clients write and read.
//!
//! Decompression is bounded: what a batch claims to become is never allocated before it has become
//! it, and nothing grows beyond the caller's limit.

use super::fault::Fault;
use super::header::Codec;
use std::io::{Read, Write};
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall;

/// xerial's magic: what Java's SnappyOutputStream opens a stream with.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// xerial's header: magic, version and lowest compatible version, both 1.
const XERIAL_HEADER: [u8; 16] = [
    0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1,
];
/// Bytes of a block before compression: Java's default, which other readers expect at most.
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;
/// The most that snappy makes of one byte: a 3-byte copy gives at most 64.
const SNAPPY_RATIO_MAX: usize = 32;
/// The most that a zstd block becomes (RFC 8878, 3.1.1.2.4: `Block_Maximum_Size`).
const ZSTD_BLOCK_BYTES_MAX: usize = 128 * 1024;
/// The fewest bytes of a zstd block that becomes anything: its header, and the byte that it repeats.
const ZSTD_BLOCK_PACKED_BYTES_MIN: usize = 4;
/// What a gzip member opens with (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Room for decompressed bytes to begin with.
const ROOM_BYTES: usize = 64 * 1024;

/// What `bytes` become. `limit` is the most bytes that the result may have.
///
/// # Errors
/// [`Fault::Undecodable`] and [`Fault::TooLargeInflated`].
pub fn decompress(codec: Codec, bytes: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    match codec {
        Codec::None if bytes.len() > limit => Err(Fault::TooLargeInflated { max: limit }),
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => gunzip(bytes, limit),
        Codec::Snappy => unsnappy(bytes, limit),
        Codec::Lz4 => {
            let mut out = Vec::new();
            let frame = lz4_flex::frame::FrameDecoder::new(bytes);
            read_within(Codec::Lz4, frame, &mut out, limit)?;
            Ok(out)
        }
        Codec::Zstd => unzstd(bytes, limit),
    }
}

/// The bytes of an LZ4 frame that [`lz4_blocks_are_linked`] looks at: magic and flags.
pub(super) const LZ4_OPENING_BYTES: usize = 5;
const LZ4_MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
const LZ4_BLOCKS_ARE_INDEPENDENT: u8 = 0x20;

/// Whether an LZ4 frame opens with the announcement that its blocks refer to earlier ones. Java's clients and brokers
/// read no such frame, though other clients do, and some write them.
pub(super) fn lz4_blocks_are_linked(opening: &[u8; LZ4_OPENING_BYTES]) -> bool {
    opening.starts_with(&LZ4_MAGIC) && opening[4] & LZ4_BLOCKS_ARE_INDEPENDENT == 0
}

/// How records are to be compressed: a topic's `compression.type` and `compression.*.level`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// The codec.
    pub codec: Codec,
    /// Its level, in its own scale; snappy has none.
    pub level: i32,
}

impl Target {
    /// The codec at the level that Kafka's producers and brokers take by default (KIP-390).
    pub const fn new(codec: Codec) -> Target {
        let level = match codec {
            Codec::None | Codec::Snappy => 0,
            Codec::Gzip => GZIP_LEVEL_DEFAULT,
            Codec::Lz4 => LZ4_LEVEL_DEFAULT,
            Codec::Zstd => zstd::DEFAULT_COMPRESSION_LEVEL,
        };
        Target { codec, level }
    }
}

/// zlib's own default.
const GZIP_LEVEL_DEFAULT: i32 = -1;
/// Stands for lz4's fast compressor; any other level for the thorough one.
const LZ4_LEVEL_DEFAULT: i32 = 9;

/// `bytes` compressed, at Kafka's default levels (gzip 6, lz4's fast one, zstd 3).
pub fn compress(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    compress_to(Target::new(codec), bytes)
}

/// `bytes` compressed.
pub fn compress_to(target: Target, bytes: &[u8]) -> Vec<u8> {
    const MEMORY: &str = "writing to memory does not fail";
    match target.codec {
        Codec::None => bytes.to_vec(),
        Codec::Gzip => {
            let level = u32::try_from(target.level).unwrap_or(6);
            let level = flate2::Compression::new(level.min(9));
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).expect(MEMORY);
            encoder.finish().expect(MEMORY)
        }
        Codec::Snappy => snappy(bytes),
        // Kafka's own: independent blocks of 64 KiB, no content size, no checksum of the content.
        Codec::Lz4 if target.level != LZ4_LEVEL_DEFAULT => {
            let mut encoder = lz4::EncoderBuilder::new()
                .level(u32::try_from(target.level).unwrap_or(1))
                .block_size(lz4::BlockSize::Max64KB)
                .block_mode(lz4::BlockMode::Independent)
                .checksum(lz4::ContentChecksum::NoChecksum)
                .build(Vec::new())
                .expect("lz4 has memory");
            encoder.write_all(bytes).expect(MEMORY);
            let (bytes, result) = encoder.finish();
            result.expect(MEMORY);
            bytes
        }
        Codec::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new()
                .block_size(lz4_flex::frame::BlockSize::Max64KB)
                .block_mode(lz4_flex::frame::BlockMode::Independent);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes).expect(MEMORY);
            encoder.finish().expect(MEMORY)
        }
        Codec::Zstd => zstd::bulk::compress(bytes, target.level)
            .expect("the destination has room for the worst case"),
    }
}

/// Reads to the end, or to one byte beyond what `limit` leaves.
fn read_within(
    codec: Codec,
    from: impl Read,
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Fault> {
    let room = (limit - out.len()) as u64;
    from.take(room.saturating_add(1))
        .read_to_end(out)
        .map_err(|_| Fault::Undecodable(codec))?;
    if out.len() > limit {
        return Err(Fault::TooLargeInflated { max: limit });
    }
    Ok(())
}

/// One gzip member after the other; what follows the last and is none is ignored, as Java does.
fn gunzip(mut bytes: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    loop {
        let mut member = flate2::bufread::GzDecoder::new(bytes);
        read_within(Codec::Gzip, &mut member, &mut out, limit)?;
        bytes = member.into_inner();
        if !bytes.starts_with(&GZIP_MAGIC) {
            return Ok(out);
        }
    }
}

fn unzstd(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    // In one call, into a buffer that grows: a stream would hold a window as large as the frame
    // claims to need (128 MiB), whatever it contains.
    let undecodable = |_| Fault::Undecodable(Codec::Zstd);
    let mut decoder = zstd::bulk::Decompressor::new().map_err(undecodable)?;
    // The library calls the room too small for some frames that no room would be large enough for.
    let blocks_max = bytes.len().div_ceil(ZSTD_BLOCK_PACKED_BYTES_MIN);
    let most = blocks_max.saturating_mul(ZSTD_BLOCK_BYTES_MAX);
    let room_max = most.min(limit);
    let mut room = bytes.len().saturating_mul(8).max(ROOM_BYTES).min(room_max);
    loop {
        let mut out = Vec::with_capacity(room);
        let Err(error) = decoder.decompress_to_buffer(bytes, &mut out) else {
            return if out.len() > limit {
                Err(Fault::TooLargeInflated { max: limit })
            } else {
                Ok(out)
            };
        };
        let too_small = error
            .get_ref()
            .and_then(|error| error.downcast_ref::<zstd::Error>())
            .is_some_and(|error| error.is(ZSTD_error_dstSize_tooSmall));
        if !too_small {
            return Err(Fault::Undecodable(Codec::Zstd));
        }
        if room >= limit {
            return Err(Fault::TooLargeInflated { max: limit });
        }
        if room >= most {
            return Err(Fault::Undecodable(Codec::Zstd));
        }
        room = room.saturating_mul(4).min(room_max);
    }
}

/// xerial's framing: header, then blocks of i32 length and raw snappy. Without the header: one raw
/// block, as librdkafka reads and some clients write it.
fn unsnappy(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    const UNDECODABLE: Fault = Fault::Undecodable(Codec::Snappy);
    let mut out = Vec::new();
    if !bytes.starts_with(&XERIAL_MAGIC) {
        unsnappy_block(bytes, &mut out, limit)?;
        return Ok(out);
    }
    let mut rest = bytes.get(XERIAL_HEADER.len()..).ok_or(UNDECODABLE)?;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        if rest.starts_with(&XERIAL_MAGIC) {
            // Streams may be concatenated.
            rest = rest.get(XERIAL_HEADER.len()..).ok_or(UNDECODABLE)?;
            continue;
        }
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| UNDECODABLE)?;
        let (block, after) = after.split_at_checked(length).ok_or(UNDECODABLE)?;
        unsnappy_block(block, &mut out, limit)?;
        rest = after;
    }
    if rest.is_empty() {
        Ok(out)
    } else {
        Err(UNDECODABLE)
    }
}

fn unsnappy_block(block: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Fault> {
    let undecodable = |_| Fault::Undecodable(Codec::Snappy);
    let claimed = snap::raw::decompress_len(block).map_err(undecodable)?;
    if claimed > block.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(Fault::Undecodable(Codec::Snappy));
    }
    if claimed > limit - out.len() {
        return Err(Fault::TooLargeInflated { max: limit });
    }
    let start = out.len();
    out.resize(start + claimed, 0);
    let made = snap::raw::Decoder::new()
        .decompress(block, &mut out[start..])
        .map_err(undecodable)?;
    debug_assert_eq!(made, claimed);
    Ok(())
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut out = XERIAL_HEADER.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(XERIAL_BLOCK_BYTES) {
        let packed = encoder
            .compress_vec(block)
            .expect("a block is far below 4 GiB");
        out.extend_from_slice(&(packed.len() as i32).to_be_bytes());
        out.extend_from_slice(&packed);
    }
    out
}
