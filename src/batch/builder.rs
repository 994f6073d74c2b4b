//! Makes batches from records: the metadata log's, markers, what the command line produces.

use super::compression::compress;
use super::crc::crc32c;
use super::header::{
    CONTROL, CRC_START, Codec, HEADER_BYTES, Header, LENGTH_END, LOG_APPEND_TIME, MAGIC_V2,
    TRANSACTIONAL,
};
use super::reader::{put_varint, put_varlong};
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// A batch in the making. Offsets are consecutive.
pub struct Builder {
    header: Header,
    codec: Codec,
    records: Vec<u8>,
    record: Vec<u8>,
}

impl Builder {
    /// An uncompressed batch without producer. Producers send base offset 0 and epoch -1.
    pub fn new(base_offset: Offset, leader_epoch: LeaderEpoch) -> Builder {
        Builder {
            header: Header {
                base_offset,
                length: 0,
                leader_epoch,
                magic: MAGIC_V2,
                crc: 0,
                attributes: 0,
                last_offset_delta: -1,
                base_timestamp: Timestamp::NONE,
                max_timestamp: Timestamp::NONE,
                producer_id: ProducerId::NONE,
                producer_epoch: ProducerEpoch(-1),
                base_sequence: -1,
                record_count: 0,
            },
            codec: Codec::None,
            records: Vec::new(),
            record: Vec::new(),
        }
    }

    /// Compresses the records.
    pub fn codec(mut self, codec: Codec) -> Builder {
        self.codec = codec;
        self.header.attributes = self.header.attributes & !0x07 | codec as i16;
        self
    }

    /// Marks the batch with its producer; `base_sequence` is the first record's.
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> Builder {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Marks the batch as part of its producer's transaction.
    pub fn transactional(mut self) -> Builder {
        self.header.attributes |= TRANSACTIONAL;
        self
    }

    /// Marks the batch as control records.
    pub fn control(mut self) -> Builder {
        self.header.attributes |= CONTROL;
        self
    }

    /// Marks the batch's time as the broker's.
    pub fn log_append_time(mut self) -> Builder {
        self.header.attributes |= LOG_APPEND_TIME;
        self
    }

    /// Adds a record with a key, a value and headers.
    pub fn push(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) {
        let header = &mut self.header;
        if header.record_count == 0 {
            header.base_timestamp = timestamp;
        }
        header.max_timestamp = header.max_timestamp.max(timestamp);
        header.last_offset_delta = header.record_count;
        header.record_count += 1;

        let record = &mut self.record;
        record.clear();
        record.push(0);
        put_varlong(record, timestamp.0.wrapping_sub(header.base_timestamp.0));
        put_varint(record, header.last_offset_delta);
        put_field(record, key);
        put_field(record, value);
        put_varint(record, headers.len() as i32);
        for (key, value) in headers {
            put_field(record, Some(key));
            put_field(record, *value);
        }
        put_varint(&mut self.records, record.len() as i32);
        self.records.extend_from_slice(record);
    }

    /// Adds a control record of this type (0 abort, 1 commit, 2 to 6 KRaft's): its key is a version,
    /// always 0, and the type.
    pub fn push_control(&mut self, timestamp: Timestamp, kind: i16, value: &[u8]) {
        let kind = kind.to_be_bytes();
        let key = [0, 0, kind[0], kind[1]];
        self.push(timestamp, Some(&key), Some(value), &[]);
    }

    /// How many records so far.
    pub fn len(&self) -> usize {
        self.header.record_count as usize
    }

    /// Whether there are none yet.
    pub fn is_empty(&self) -> bool {
        self.header.record_count == 0
    }

    /// Bytes that the batch will have if it is not compressed.
    pub fn size(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// The batch.
    ///
    /// Panics if it has no record, or 2 GiB of them.
    pub fn finish(self) -> Vec<u8> {
        assert!(!self.is_empty(), "a batch has at least one record");
        let records = match self.codec {
            Codec::None => self.records,
            codec => compress(codec, &self.records),
        };
        assemble(self.header, &records)
    }
}

/// A batch of these records, compressed as the header says: length and CRC are made.
///
/// Panics if it has 2 GiB.
pub(super) fn assemble(mut header: Header, records: &[u8]) -> Vec<u8> {
    let length = HEADER_BYTES - LENGTH_END + records.len();
    header.length = i32::try_from(length).expect("a batch has less than 2 GiB");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + records.len());
    bytes.extend_from_slice(&header.encode());
    bytes.extend_from_slice(records);
    header.crc = crc32c(&bytes[CRC_START..]);
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    bytes
}

/// Appends a length and the bytes; null is a length of -1.
pub(super) fn put_field(into: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => put_varint(into, -1),
        Some(field) => {
            put_varint(into, field.len() as i32);
            into.extend_from_slice(field);
        }
    }
}
