//! The 61 bytes before a batch's records: each field's place, decoded and encoded.
//!
//! Decoding never fails: whether the values make sense is for [`super::check`] and for recovery.

use super::record::Record;
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// i64: the first record's offset. Producers send 0, the leader sets it.
pub const BASE_OFFSET: usize = 0;
/// i32: bytes that follow this field.
pub const LENGTH: usize = BASE_OFFSET + 8;
/// Where [`LENGTH`] ends: a batch takes this many bytes more than its length says.
pub const LENGTH_END: usize = LENGTH + 4;
/// i32: the leader's epoch, set by the leader.
pub const LEADER_EPOCH: usize = LENGTH_END;
/// Bytes at the start that the leader overwrites without touching the CRC.
pub const STAMP_BYTES: usize = LEADER_EPOCH + 4;
/// i8: the format's version.
pub const MAGIC: usize = STAMP_BYTES;
/// u32: CRC-32C of everything from [`CRC_START`] on.
pub const CRC: usize = MAGIC + 1;
/// The first byte that the CRC covers.
pub const CRC_START: usize = CRC + 4;
/// i16: bits, see [`Header::attributes`].
pub const ATTRIBUTES: usize = CRC_START;
/// i32: the last record's offset less the base offset; kept by compaction.
pub const LAST_OFFSET_DELTA: usize = ATTRIBUTES + 2;
/// i64: ms; what the records' timestamps are relative to.
pub const BASE_TIMESTAMP: usize = LAST_OFFSET_DELTA + 4;
/// i64: ms; the records' largest, or the time of the append.
pub const MAX_TIMESTAMP: usize = BASE_TIMESTAMP + 8;
/// i64: -1 without idempotence.
pub const PRODUCER_ID: usize = MAX_TIMESTAMP + 8;
/// i16: -1 without idempotence.
pub const PRODUCER_EPOCH: usize = PRODUCER_ID + 8;
/// i32: the first record's sequence number, -1 without idempotence.
pub const BASE_SEQUENCE: usize = PRODUCER_EPOCH + 2;
/// i32: how many records.
pub const RECORD_COUNT: usize = BASE_SEQUENCE + 4;
/// Where the records begin.
pub const HEADER_BYTES: usize = RECORD_COUNT + 4;

const _: () = assert!(HEADER_BYTES == 61);

/// The only version of the format that Kafka 4 writes.
pub const MAGIC_V2: i8 = 2;

/// Attribute bits 0-2: the codec.
pub(super) const CODEC_MASK: i16 = 0x07;
/// Attribute bit 3: timestamps are the broker's.
pub const LOG_APPEND_TIME: i16 = 0x08;
/// Attribute bit 4: part of a transaction.
pub const TRANSACTIONAL: i16 = 0x10;
/// Attribute bit 5: transaction markers and the like, not for applications.
pub const CONTROL: i16 = 0x20;
/// Attribute bit 6: the base timestamp says when tombstones may go (KIP-534).
pub const DELETE_HORIZON: i16 = 0x40;

/// How a batch's records are compressed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Codec {
    /// Not at all.
    None = 0,
    /// RFC 1952.
    Gzip = 1,
    /// Snappy in xerial's blocks, as Java writes it, or raw, as some clients do.
    Snappy = 2,
    /// LZ4 frame.
    Lz4 = 3,
    /// RFC 8878; produce version 7 and later (KIP-110).
    Zstd = 4,
}

impl Codec {
    /// The codec of this id; `None` for 5 to 7, which nobody has defined.
    pub const fn from_id(id: u8) -> Option<Codec> {
        Some(match id {
            0 => Codec::None,
            1 => Codec::Gzip,
            2 => Codec::Snappy,
            3 => Codec::Lz4,
            4 => Codec::Zstd,
            _ => return None,
        })
    }

    /// Kafka's name, as in `compression.type`.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// A batch's header, field by field, in the order of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The first record's offset (of the batch as written: compaction may have removed that record).
    pub base_offset: Offset,
    /// Bytes after this field.
    pub length: i32,
    /// The epoch of the leader that wrote it.
    pub leader_epoch: LeaderEpoch,
    /// The format's version, 2.
    pub magic: i8,
    /// CRC-32C of the attributes and all that follows.
    pub crc: u32,
    /// Codec and flags; bits 7 to 15 carry no meaning and are kept.
    pub attributes: i16,
    /// The last record's offset less the base offset.
    pub last_offset_delta: i32,
    /// What the records' timestamps are relative to, or the delete horizon.
    pub base_timestamp: Timestamp,
    /// The largest timestamp.
    pub max_timestamp: Timestamp,
    /// Who produced it.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// The first record's sequence number.
    pub base_sequence: i32,
    /// How many records.
    pub record_count: i32,
}

impl Header {
    /// Takes the fields apart.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Header {
        fn at<const N: usize>(bytes: &[u8; HEADER_BYTES], offset: usize) -> [u8; N] {
            bytes[offset..offset + N]
                .try_into()
                .expect("a field lies within the header")
        }
        Header {
            base_offset: Offset(i64::from_be_bytes(at(bytes, BASE_OFFSET))),
            length: i32::from_be_bytes(at(bytes, LENGTH)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(at(bytes, LEADER_EPOCH))),
            magic: i8::from_be_bytes(at(bytes, MAGIC)),
            crc: u32::from_be_bytes(at(bytes, CRC)),
            attributes: i16::from_be_bytes(at(bytes, ATTRIBUTES)),
            last_offset_delta: i32::from_be_bytes(at(bytes, LAST_OFFSET_DELTA)),
            base_timestamp: Timestamp(i64::from_be_bytes(at(bytes, BASE_TIMESTAMP))),
            max_timestamp: Timestamp(i64::from_be_bytes(at(bytes, MAX_TIMESTAMP))),
            producer_id: ProducerId(i64::from_be_bytes(at(bytes, PRODUCER_ID))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(at(bytes, PRODUCER_EPOCH))),
            base_sequence: i32::from_be_bytes(at(bytes, BASE_SEQUENCE)),
            record_count: i32::from_be_bytes(at(bytes, RECORD_COUNT)),
        }
    }

    /// Takes the fields apart; `None` if `bytes` is shorter than a header.
    pub fn read(bytes: &[u8]) -> Option<Header> {
        bytes.first_chunk().map(Header::decode)
    }

    /// The 61 bytes, the CRC as it stands in the field.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(BASE_OFFSET, &self.base_offset.0.to_be_bytes());
        put(LENGTH, &self.length.to_be_bytes());
        put(LEADER_EPOCH, &self.leader_epoch.0.to_be_bytes());
        put(MAGIC, &self.magic.to_be_bytes());
        put(CRC, &self.crc.to_be_bytes());
        put(ATTRIBUTES, &self.attributes.to_be_bytes());
        put(LAST_OFFSET_DELTA, &self.last_offset_delta.to_be_bytes());
        put(BASE_TIMESTAMP, &self.base_timestamp.0.to_be_bytes());
        put(MAX_TIMESTAMP, &self.max_timestamp.0.to_be_bytes());
        put(PRODUCER_ID, &self.producer_id.0.to_be_bytes());
        put(PRODUCER_EPOCH, &self.producer_epoch.0.to_be_bytes());
        put(BASE_SEQUENCE, &self.base_sequence.to_be_bytes());
        put(RECORD_COUNT, &self.record_count.to_be_bytes());
        bytes
    }

    /// Bytes of the whole batch; 0 if the length is negative.
    pub fn size(&self) -> usize {
        match usize::try_from(self.length) {
            Ok(length) => length + LENGTH_END,
            Err(_) => 0,
        }
    }

    /// Whether the size covers at least the header and the magic is the one that we know: what must
    /// hold before the next batch can be looked for behind this one.
    pub fn is_plausible(&self) -> bool {
        self.magic == MAGIC_V2 && self.size() >= HEADER_BYTES && self.last_offset_delta >= 0
    }

    /// The last record's offset.
    pub fn last_offset(&self) -> Offset {
        Offset(
            self.base_offset
                .0
                .saturating_add(i64::from(self.last_offset_delta)),
        )
    }

    /// The offset after the last record's.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.saturating_add(1))
    }

    /// The last record's sequence number; sequence numbers go from 2^31-1 on to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return self.base_sequence;
        }
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }

    /// The id of the codec, defined or not.
    pub fn codec_id(&self) -> u8 {
        (self.attributes & CODEC_MASK) as u8
    }

    /// The codec, if it is a defined one.
    pub fn codec(&self) -> Option<Codec> {
        Codec::from_id(self.codec_id())
    }

    /// Whether timestamps are the broker's, all of them [`Header::max_timestamp`].
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether the batch holds control records.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// The time of one of its records.
    pub fn time_of(&self, record: &Record<'_>) -> Timestamp {
        match self.is_log_append_time() {
            true => self.max_timestamp,
            false => Timestamp(self.base_timestamp.0.wrapping_add(record.timestamp_delta)),
        }
    }

    /// The offset of one of its records.
    pub fn offset_of(&self, record: &Record<'_>) -> Offset {
        Offset(
            self.base_offset
                .0
                .saturating_add(record.offset_delta.into()),
        )
    }

    /// When tombstones may go, if compaction has noted it.
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    /// Whether an idempotent or transactional producer sent it.
    pub fn has_producer(&self) -> bool {
        self.producer_id.0 > ProducerId::NONE.0
    }
}
