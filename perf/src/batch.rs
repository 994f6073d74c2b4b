//! Record batches (version 2) as a producer makes them, made before the clock starts.
//!
//! A set may carry a *stamp*: the first eight bytes of its first record's value are the monotonic
//! time at which it was meant to be sent, so that whoever reads it knows how long it was under way.
//! Stamping changes bytes under the CRC; what lies behind the stamp does not change, so its CRC is kept
//! and joined, and stamping costs the same for 1 KiB and 1 MiB. Inside a compressed set nothing can be
//! changed: its header's timestamp, in milliseconds, is the stamp.
//!
//! ```text
//! 0 base offset 8 | 8 length 4 | 12 leader epoch 4 | 16 magic 1 | 17 CRC 4 | 21 attributes 2
//! 23 last offset delta 4 | 27 first timestamp 8 | 35 last timestamp 8 | 43 producer id 8
//! 51 producer epoch 2 | 53 sequence 4 | 57 records 4 | 61 records
//! ```
//! The CRC is a CRC-32C of everything from the attributes on. Base offset and leader epoch are the
//! broker's to set.

use crate::clock;
use crc_fast::CrcAlgorithm::Crc32Iscsi;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::io::Write;

/// Bytes before the records.
pub const HEADER_BYTES: usize = 61;
/// Where the length stands, which counts from the leader epoch on.
pub const LENGTH_AT: usize = 8;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
/// Where the bytes begin that the CRC covers.
pub const CRC_START: usize = 21;
const LAST_DELTA_AT: usize = 23;
const FIRST_TIME_AT: usize = 27;
const LAST_TIME_AT: usize = 35;
const COUNT_AT: usize = 57;
/// Bytes of a stamp.
pub const STAMP_BYTES: usize = 8;

/// How records are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// As they are.
    None,
    /// zlib in a gzip member, level 6.
    Gzip,
    /// Snappy in the frame of xerial's Java library, 32 KiB blocks.
    Snappy,
    /// LZ4 frame, 64 KiB blocks.
    Lz4,
    /// Zstandard, level 3.
    Zstd,
}

/// One record: a key, if any, and a value.
pub struct Record<'a> {
    /// What decides the partition.
    pub key: Option<&'a [u8]>,
    /// What it says.
    pub value: &'a [u8],
}

/// A record set of one batch, ready to be sent any number of times.
pub struct RecordSet {
    /// The batch.
    pub bytes: Vec<u8>,
    /// Records in it.
    pub records: u32,
    /// Where its stamp goes: into the value of the first record, or nowhere.
    stamp_at: Option<usize>,
    /// CRC of what lies behind the bytes that stamping changes.
    rest_crc: u32,
}

impl RecordSet {
    /// Makes a batch of these records.
    pub fn new<'a>(records: impl IntoIterator<Item = Record<'a>>, codec: Codec) -> RecordSet {
        let mut encoded = Vec::new();
        let mut count = 0;
        let mut first_value = None;
        for record in records {
            let value_at = put_record(&mut encoded, count, &record);
            if count == 0 && record.value.len() >= STAMP_BYTES {
                first_value = Some(HEADER_BYTES + value_at);
            }
            count += 1;
        }
        let records = compress(&encoded, codec);
        let now_ms = clock::wall_ms();
        let mut bytes = 0i64.to_be_bytes().to_vec();
        bytes.extend(((HEADER_BYTES - 12 + records.len()) as i32).to_be_bytes());
        bytes.extend((-1i32).to_be_bytes()); // leader epoch
        bytes.push(2); // magic
        bytes.extend([0; 4]); // CRC
        bytes.extend((codec as i16).to_be_bytes());
        bytes.extend((count - 1).to_be_bytes());
        bytes.extend(now_ms.to_be_bytes());
        bytes.extend(now_ms.to_be_bytes());
        bytes.extend((-1i64).to_be_bytes()); // producer id
        bytes.extend((-1i16).to_be_bytes()); // its epoch
        bytes.extend((-1i32).to_be_bytes()); // sequence
        bytes.extend(count.to_be_bytes());
        assert_eq!(bytes.len(), HEADER_BYTES);
        bytes.extend(records);
        let crc = crc(&bytes[CRC_START..]);
        bytes[CRC_AT..CRC_START].copy_from_slice(&crc.to_be_bytes());
        let stamp_at = first_value.filter(|_| codec == Codec::None);
        let mut set = RecordSet {
            bytes,
            records: count as u32,
            stamp_at,
            rest_crc: 0,
        };
        set.rest_crc = self::crc(&set.bytes[set.stamped_bytes()..]);
        set
    }

    /// One record whose value fills the batch up to exactly `size` bytes.
    pub fn of_size(
        size: usize,
        mut value: impl FnMut(usize) -> Vec<u8>,
        codec: Codec,
    ) -> RecordSet {
        assert_eq!(codec, Codec::None, "what is compressed has the size it has");
        // The record's length and its value's are varints of one to five bytes.
        let overhead = HEADER_BYTES + 1 + 1 + 1 + 1 + 1;
        (2..=10)
            .filter_map(|varints| size.checked_sub(overhead + varints))
            .map(|value_bytes| {
                let value = value(value_bytes);
                RecordSet::new(
                    [Record {
                        key: None,
                        value: &value,
                    }],
                    codec,
                )
            })
            .find(|set| set.bytes.len() == size)
            .expect("a size that two varints leave open is at least 80 bytes")
    }

    /// How many of the first bytes stamping may change.
    pub fn stamped_bytes(&self) -> usize {
        self.stamp_at.map_or(HEADER_BYTES, |at| at + STAMP_BYTES)
    }

    /// Where the stamp is found in the value of the first record.
    pub fn stamp_at(&self) -> Option<usize> {
        self.stamp_at
    }

    /// Writes time and stamp into `prefix`, a copy of the first [`RecordSet::stamped_bytes`] bytes.
    pub fn stamp(&self, prefix: &mut [u8], now_ns: u64, wall_ms: i64) {
        prefix[FIRST_TIME_AT..LAST_TIME_AT].copy_from_slice(&wall_ms.to_be_bytes());
        prefix[LAST_TIME_AT..LAST_TIME_AT + 8].copy_from_slice(&wall_ms.to_be_bytes());
        if let Some(at) = self.stamp_at {
            prefix[at..at + STAMP_BYTES].copy_from_slice(&now_ns.to_be_bytes());
        }
        let rest_bytes = (self.bytes.len() - prefix.len()) as u64;
        let front = u64::from(crc(&prefix[CRC_START..]));
        let whole = crc_fast::checksum_combine(Crc32Iscsi, front, self.rest_crc.into(), rest_bytes);
        prefix[CRC_AT..CRC_START].copy_from_slice(&(whole as u32).to_be_bytes());
    }
}

/// What the header of a batch says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Bytes from here to its end.
    pub total_bytes: usize,
    /// Offset of the record behind its last.
    pub next_offset: i64,
    /// Records.
    pub records: u32,
    /// Whether they are compressed.
    pub is_compressed: bool,
    /// Timestamp of its last record, ms since 1970.
    pub last_time_ms: i64,
}

impl Header {
    /// Reads one from its [`HEADER_BYTES`] bytes; `None` if it is none of version 2.
    pub fn read(bytes: &[u8]) -> Option<Header> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let length = i32::from_be_bytes(part(bytes, LENGTH_AT));
        let total_bytes = 12 + usize::try_from(length).ok()?;
        if bytes[MAGIC_AT] != 2 || total_bytes < HEADER_BYTES {
            return None;
        }
        let base_offset = i64::from_be_bytes(part(bytes, 0));
        Some(Header {
            base_offset,
            total_bytes,
            next_offset: base_offset
                .checked_add(i32::from_be_bytes(part(bytes, LAST_DELTA_AT)).into())?
                .checked_add(1)?,
            records: u32::try_from(i32::from_be_bytes(part(bytes, COUNT_AT))).ok()?,
            is_compressed: bytes[CRC_START + 1] & 7 != 0,
            last_time_ms: i64::from_be_bytes(part(bytes, LAST_TIME_AT)),
        })
    }
}

/// Whether a whole batch has the CRC that it says.
pub fn is_intact(batch: &[u8]) -> bool {
    batch.len() >= HEADER_BYTES
        && crc(&batch[CRC_START..]).to_be_bytes() == batch[CRC_AT..CRC_START]
}

/// CRC-32C.
pub fn crc(bytes: &[u8]) -> u32 {
    crc_fast::checksum(Crc32Iscsi, bytes) as u32
}

/// `N` bytes at a place that is there.
pub fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a range of N bytes")
}

/// Appends a record; where its value begins.
fn put_record(into: &mut Vec<u8>, offset_delta: i32, record: &Record) -> usize {
    let mut front = vec![0]; // attributes
    put_varint(&mut front, 0); // timestamp delta
    put_varint(&mut front, offset_delta.into());
    match record.key {
        None => put_varint(&mut front, -1),
        Some(key) => {
            put_varint(&mut front, key.len() as i64);
            front.extend(key);
        }
    }
    put_varint(&mut front, record.value.len() as i64);
    put_varint(into, (front.len() + record.value.len() + 1) as i64);
    into.extend(front);
    let value_at = into.len();
    into.extend(record.value);
    put_varint(into, 0); // headers
    value_at
}

/// Zigzag, seven bits a byte, lowest first.
fn put_varint(into: &mut Vec<u8>, number: i64) {
    let mut left = ((number << 1) ^ (number >> 63)) as u64;
    while left > 0x7f {
        into.push(left as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}

fn compress(records: &[u8], codec: Codec) -> Vec<u8> {
    const INTO_MEMORY: &str = "writing to memory does not fail";
    match codec {
        Codec::None => records.to_vec(),
        Codec::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
            encoder.write_all(records).expect(INTO_MEMORY);
            encoder.finish().expect(INTO_MEMORY)
        }
        Codec::Snappy => {
            // xerial: a magic, two versions, then blocks with their length in front.
            let mut out = b"\x82SNAPPY\0".to_vec();
            out.extend(1i32.to_be_bytes());
            out.extend(1i32.to_be_bytes());
            for block in records.chunks(32 << 10) {
                let compressed = snap::raw::Encoder::new()
                    .compress_vec(block)
                    .expect("a block below 4 GiB");
                out.extend((compressed.len() as i32).to_be_bytes());
                out.extend(compressed);
            }
            out
        }
        Codec::Lz4 => {
            use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
            let frame = FrameInfo::new()
                .block_size(BlockSize::Max64KB)
                .block_mode(BlockMode::Independent);
            let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
            encoder.write_all(records).expect(INTO_MEMORY);
            encoder.finish().expect(INTO_MEMORY)
        }
        Codec::Zstd => zstd::encode_all(records, 3).expect(INTO_MEMORY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Corpus, Source};
    use bytes::Bytes;
    use kafka_protocol::records::RecordBatchDecoder;

    const CODECS: [Codec; 5] = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];

    fn values(count: usize) -> Vec<Vec<u8>> {
        let mut source = Source::new(Corpus::Compressible, 3);
        (0..count).map(|at| source.take(20 + at * 97)).collect()
    }

    fn set(values: &[Vec<u8>], codec: Codec) -> RecordSet {
        let records = values.iter().map(|value| Record {
            key: Some(b"a key"),
            value,
        });
        RecordSet::new(records, codec)
    }

    #[test]
    fn kafka_reads_every_codec() {
        let values = values(40);
        for codec in CODECS {
            let set = set(&values, codec);
            assert!(is_intact(&set.bytes));
            let mut bytes = Bytes::from(set.bytes.clone());
            // It checks length and CRC on the way.
            let read = RecordBatchDecoder::decode(&mut bytes).expect("a batch");
            assert!(bytes.is_empty());
            assert_eq!(read.records.len(), values.len(), "{codec:?}");
            for (at, (record, value)) in read.records.iter().zip(&values).enumerate() {
                assert_eq!(record.offset, at as i64);
                assert_eq!(record.key.as_deref(), Some(&b"a key"[..]));
                assert_eq!(record.value.as_deref(), Some(&value[..]));
            }
        }
    }

    #[test]
    fn a_header_says_what_is_in_the_batch() {
        let set = set(&values(3), Codec::Zstd);
        let header = Header::read(&set.bytes).expect("a header");
        assert_eq!(header.total_bytes, set.bytes.len());
        assert_eq!(
            (header.base_offset, header.next_offset, header.records),
            (0, 3, 3)
        );
        assert!(header.is_compressed);
        let mut other = set.bytes.clone();
        other[16] = 1;
        assert_eq!(Header::read(&other), None, "of another version");
        assert_eq!(Header::read(&set.bytes[..HEADER_BYTES - 1]), None);
        other = set.bytes;
        other[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&(-1i32).to_be_bytes());
        assert_eq!(Header::read(&other), None, "a length below zero");
    }

    #[test]
    fn a_stamped_batch_has_its_stamp_its_time_and_its_crc() {
        for codec in CODECS {
            for count in [1, 3, 40] {
                let set = set(&values(count), codec);
                let mut bytes = set.bytes.clone();
                set.stamp(
                    &mut bytes[..set.stamped_bytes()],
                    0x0102_0304_0506_0708,
                    1_700_000_000_123,
                );
                assert!(is_intact(&bytes), "{codec:?} {count}");
                assert_ne!(bytes, set.bytes);
                let mut read = Bytes::from(bytes.clone());
                let read = RecordBatchDecoder::decode(&mut read).expect("a batch");
                assert_eq!(read.records[0].timestamp, 1_700_000_000_123);
                let value = read.records[0].value.as_deref().expect("a value");
                assert_eq!(
                    value.starts_with(&[1, 2, 3, 4, 5, 6, 7, 8]),
                    codec == Codec::None
                );
                assert_eq!(set.stamp_at().is_some(), codec == Codec::None);
            }
        }
    }

    #[test]
    fn a_batch_has_the_size_that_was_asked_for() {
        for size in [
            80,
            135,
            136,
            137,
            1 << 10,
            8_250,
            16 << 10,
            900 << 10,
            1 << 20,
        ] {
            let set = RecordSet::of_size(size, |count| vec![5; count], Codec::None);
            assert_eq!(set.bytes.len(), size);
            assert_eq!(set.records, 1);
            assert!(is_intact(&set.bytes));
        }
    }

    #[test]
    fn a_changed_byte_is_seen() {
        let mut bytes = set(&values(2), Codec::None).bytes;
        for at in [CRC_START, 70, bytes.len() - 1] {
            bytes[at] ^= 1;
            assert!(!is_intact(&bytes), "{at}");
            bytes[at] ^= 1;
        }
        assert!(is_intact(&bytes));
    }
}
