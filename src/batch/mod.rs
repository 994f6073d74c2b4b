//! Record batch v2: what producers send, what lies in a `.log` file, what consumers read. One format
//! for all three, so that record bytes pass through the broker untouched.
//!
//! ```text
//! check    bytes of a producer, in chunks -> Checked (Kafka's produce checks, in Kafka's order)
//! stamp    Checked + offset + epoch -> the header bytes to put in place, new CRC included
//! scan     bytes of a file -> header after header
//! records  decompressed bytes -> Record after Record
//! Builder  records -> a batch
//! thin     a batch and those of its records that stay -> the batch without the others
//! ```
//!
//! Invariants:
//! - Bytes that came from outside give `Err(Fault)`, never a panic.
//! - What is allocated is bounded by the bytes at hand or by a limit that the caller names.
//! - Record bytes are read once for the CRC and, if not compressed, their frames once more; nothing is
//!   copied.
//!
//! The format: KIP-98; `org.apache.kafka.common.record.DefaultRecordBatch` describes it field by field.

mod builder;
mod check;
mod compression;
mod convert;
mod crc;
mod fault;
mod header;
mod reader;
mod record;
mod scan;
mod thin;

pub use builder::Builder;
pub use check::{
    ATTRIBUTES_AT, Checked, Look, Rules, Stamp, TimestampType, check, is_transactional,
    may_be_transactional, verify,
};
pub use compression::{Target, compress, compress_to, decompress};
pub use convert::convert;
pub use crc::{Crc, crc32c};
pub use fault::{Fault, RecordError, RecordFault};
pub use header::{
    ATTRIBUTES, BASE_OFFSET, BASE_SEQUENCE, BASE_TIMESTAMP, CRC, Codec, HEADER_BYTES,
    LAST_OFFSET_DELTA, LEADER_EPOCH, LENGTH, MAGIC, MAX_TIMESTAMP, PRODUCER_EPOCH, PRODUCER_ID,
    RECORD_COUNT,
};
pub use header::{
    CONTROL, CRC_START, DELETE_HORIZON, Header, LENGTH_END, LOG_APPEND_TIME, MAGIC_V2, STAMP_BYTES,
    TRANSACTIONAL,
};
pub use reader::{put_varint, put_varlong};
pub use record::{Headers, Record, Records, records};
pub use scan::{Rest, Scan, scan};
pub use thin::{emptied, thin};

#[cfg(test)]
mod tests;
