//! What can be wrong with a batch. Each fault says which of Kafka's error codes a producer gets for
//! it; making the answer is the API's business.

use super::header::Codec;
use crate::types::Timestamp;
use std::fmt;

/// Why a batch was refused, or bytes could not be read as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Not one whole batch. INVALID_RECORD (87).
    NoBatch,
    /// A length that no format allows. CORRUPT_MESSAGE (2).
    Length(i32),
    /// A version of the format that does not exist. CORRUPT_MESSAGE (2).
    UnknownMagic(i8),
    /// A version of the format before v2. INVALID_RECORD (87).
    OldMagic(i8),
    /// zstd in a produce request before version 7. UNSUPPORTED_COMPRESSION_TYPE (76).
    ZstdTooEarly {
        /// The request's version.
        produce_version: i16,
    },
    /// More than one batch. INVALID_RECORD (87).
    TwoBatches,
    /// A producer's base offset other than 0. INVALID_RECORD (87).
    BaseOffset(i64),
    /// Larger than `max.message.bytes`. MESSAGE_TOO_LARGE (10).
    TooLarge {
        /// Bytes of the batch.
        size: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A batch smaller than its header. CORRUPT_MESSAGE (2).
    Size(usize),
    /// The bytes are not those that were sent. CORRUPT_MESSAGE (2).
    Crc {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// Codec 5, 6 or 7. UNKNOWN_SERVER_ERROR (-1).
    UnknownCodec(u8),
    /// A count that is not positive or does not fit the last offset. INVALID_RECORD (87).
    Count {
        /// Records, says the header.
        count: i32,
        /// The last record's offset less the first's, says the header.
        last_offset_delta: i32,
    },
    /// A producer may not write control records. INVALID_RECORD (87).
    Control,
    /// A producer id without a sequence number. INVALID_RECORD (87).
    NoSequence,
    /// Single records are wrong: INVALID_TIMESTAMP (32) if any of them by its timestamp, else
    /// INVALID_RECORD (87); the answer lists them (KIP-467).
    Records {
        /// How many.
        total: usize,
        /// The first of them, at most `limits::RECORD_ERRORS_MAX`.
        first: Vec<RecordError>,
        /// Whether any of them is wrong by its timestamp.
        timestamp: bool,
    },
    /// Bytes behind the last record. INVALID_RECORD (87).
    BytesRemain,
    /// The bytes end before the last record. INVALID_RECORD (87).
    RecordsMissing,
    /// A record's length does not fit what it holds. INVALID_RECORD (87).
    RecordLength,
    /// A varint of more than 5 or 10 bytes. INVALID_RECORD (87).
    Varint,
    /// A negative count of headers, or more than there are bytes; a header without a key.
    /// INVALID_RECORD (87).
    RecordHeaders,
    /// Records within a compressed batch whose offsets are not 0, 1, 2... UNKNOWN_SERVER_ERROR (-1).
    OffsetDelta {
        /// The offset that it should have.
        expected: i32,
        /// The one it has.
        found: i32,
    },
    /// The compressed bytes are not what the codec makes. UNKNOWN_SERVER_ERROR (-1).
    Undecodable(Codec),
    /// LZ4 blocks that depend on each other, which Java does not read. UNKNOWN_SERVER_ERROR (-1).
    LinkedBlocks,
    /// Decompressed, the records are larger than we are ready to hold. MESSAGE_TOO_LARGE (10); Kafka
    /// has no such bound.
    TooLargeInflated {
        /// Bytes allowed.
        max: usize,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NoBatch => write!(f, "there is no whole record batch"),
            Fault::Length(length) => write!(f, "a record batch cannot have length {length}"),
            Fault::UnknownMagic(magic) => write!(f, "unknown record format {magic}"),
            Fault::OldMagic(magic) => {
                write!(f, "record format {magic} is not supported, only 2 is")
            }
            Fault::ZstdTooEarly { produce_version } => write!(
                f,
                "produce version {produce_version} does not allow zstd, version 7 does"
            ),
            Fault::TwoBatches => write!(f, "more than one record batch"),
            Fault::BaseOffset(offset) => {
                write!(f, "the base offset must be 0 and is {offset}")
            }
            Fault::TooLarge { size, max } => write!(
                f,
                "the record batch has {size} bytes, max.message.bytes allows {max}"
            ),
            Fault::Size(size) => write!(f, "a record batch cannot have {size} bytes"),
            Fault::Crc { stored, computed } => {
                write!(f, "the CRC is {computed:08x}, not {stored:08x}")
            }
            Fault::UnknownCodec(codec) => write!(f, "unknown compression type {codec}"),
            Fault::Count {
                count,
                last_offset_delta,
            } => write!(
                f,
                "{count} records cannot end at offset delta {last_offset_delta}"
            ),
            Fault::Control => write!(f, "clients may not write control records"),
            Fault::NoSequence => write!(f, "a producer id without a sequence number"),
            Fault::Records {
                timestamp: true, ..
            } => write!(
                f,
                "One or more records have been rejected due to invalid timestamp"
            ),
            Fault::Records { total, .. } => write!(
                f,
                "One or more records have been rejected due to {total} record errors in total"
            ),
            Fault::BytesRemain => write!(f, "bytes remain behind the last record"),
            Fault::RecordsMissing => write!(f, "the bytes end before the last record"),
            Fault::RecordLength => write!(f, "a record's length does not fit its contents"),
            Fault::Varint => write!(f, "a number of too many bytes"),
            Fault::RecordHeaders => write!(f, "a record's headers are malformed"),
            Fault::OffsetDelta { expected, found } => write!(
                f,
                "a record has offset delta {found} and should have {expected}"
            ),
            Fault::Undecodable(codec) => write!(f, "the {} bytes do not decode", codec.name()),
            Fault::LinkedBlocks => write!(f, "the lz4 blocks depend on each other"),
            Fault::TooLargeInflated { max } => {
                write!(f, "decompressed, the records have more than {max} bytes")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// One record that was refused, for the answer's `record_errors`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordError {
    /// The record's place in its batch, from 0.
    pub index: i32,
    /// What is wrong with it.
    pub fault: RecordFault,
}

/// What can be wrong with a single record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordFault {
    /// A null key, and the topic is compacted.
    NoKey,
    /// A timestamp further from now than the topic allows.
    Timestamp {
        /// The record's.
        timestamp: Timestamp,
        /// The earliest allowed.
        from: i64,
        /// The latest allowed.
        to: i64,
    },
    /// The producer claimed a timestamp that only the broker sets.
    LogAppendTime,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            RecordFault::NoKey => {
                write!(f, "Compacted topic cannot accept message without key.")
            }
            RecordFault::Timestamp {
                timestamp,
                from,
                to,
            } => write!(
                f,
                "Timestamp {timestamp} of message with offset {} is out of range. The timestamp \
                 should be within [{from}, {to}]",
                self.index
            ),
            RecordFault::LogAppendTime => write!(
                f,
                "Invalid timestamp type in message with offset {}. Producer should not set \
                 timestamp type to LogAppendTime.",
                self.index
            ),
        }
    }
}
