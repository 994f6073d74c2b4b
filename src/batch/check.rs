//! The checks of a produce request, in the order of Apache Kafka 4.2, so that a batch with several
//! faults gets the same error; and the stamp that makes a checked batch the leader's.
//!
//! One deviation: compressed records are taken as they are unless [`Rules::compressed`] asks to look
//! inside. Then the header's maximum timestamp stands for all records, and of an LZ4 frame no more is seen
//! than whether Java can read it.

use super::compression::{LZ4_OPENING_BYTES, decompress, lz4_blocks_are_linked};
use super::crc::{Crc, crc32c, replace_front};
use super::fault::{Fault, RecordError, RecordFault};
use super::header::{
    ATTRIBUTES, CRC_START, Codec, HEADER_BYTES, Header, LAST_OFFSET_DELTA, LENGTH, LENGTH_END,
    LOG_APPEND_TIME, MAGIC, MAGIC_V2, STAMP_BYTES, TRANSACTIONAL,
};
use super::reader::Reader;
use crate::limits;
use crate::types::{LeaderEpoch, Offset, Timestamp};

/// Whose time a topic's records carry, `message.timestamp.type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, set when it appends.
    LogAppendTime,
}

/// What a topic and a request demand of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// `max.message.bytes`: the largest batch, header included.
    pub max_message_bytes: usize,
    /// `cleanup.policy` contains compact: every record needs a key.
    pub compacted: bool,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how old a record may be.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far ahead of us a record may be.
    pub timestamp_after_max_ms: i64,
    /// The broker's time.
    pub now: Timestamp,
    /// The version of the produce request.
    pub produce_version: i16,
    /// What is looked at of compressed records.
    pub compressed: Look,
}

/// What is looked at of compressed records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// Their header, which speaks for them.
    Header,
    /// They are inflated, and each is checked.
    Inside,
    /// Nothing: [`super::convert`] will.
    Later,
}

/// A batch that passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checked {
    /// Its header, as sent.
    pub header: Header,
    /// Bytes of the batch. What follows them in the record set is dropped, as Kafka does.
    pub size: usize,
    /// What the stored header will say: the records' true maximum (if they were looked at), or the
    /// time of the append.
    pub max_timestamp: Timestamp,
    /// The topic's; goes into the stored header.
    pub timestamp_type: TimestampType,
}

/// The bytes that replace the beginning of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    bytes: [u8; HEADER_BYTES],
    count: usize,
}

impl Stamp {
    /// To be written over the batch from its first byte on: 16 of them, or all 61 if something under
    /// the CRC changes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.count]
    }
}

/// Checks the record set of one partition in a produce request. `chunks` are its bytes in order,
/// `length` how many there are.
///
/// # Errors
/// The first fault in Kafka's order.
pub fn check<'a, I>(chunks: I, length: usize, rules: &Rules) -> Result<Checked, Fault>
where
    I: Iterator<Item = &'a [u8]> + Clone,
{
    let mut start = [0; HEADER_BYTES];
    let mut reader = Reader::new(chunks.clone(), length);
    let present = length.min(HEADER_BYTES);
    reader
        .copy(&mut start[..present])
        .map_err(|_| Fault::NoBatch)?;
    let Some(size) = whole_batch(&start[..present], length)? else {
        return Err(Fault::NoBatch);
    };
    let magic = start[MAGIC] as i8;
    if magic != MAGIC_V2 {
        return Err(Fault::OldMagic(magic));
    }
    let header = Header::decode(&start);
    if rules.produce_version < 7 && size > ATTRIBUTES && header.codec() == Some(Codec::Zstd) {
        return Err(Fault::ZstdTooEarly {
            produce_version: rules.produce_version,
        });
    }
    no_second_batch(chunks.clone(), length, size)?;
    if header.base_offset != Offset(0) {
        return Err(Fault::BaseOffset(header.base_offset.0));
    }
    if size > rules.max_message_bytes {
        return Err(Fault::TooLarge {
            size,
            max: rules.max_message_bytes,
        });
    }
    if size < HEADER_BYTES {
        return Err(Fault::Size(size));
    }
    check_crc(chunks.clone(), size, &header)?;
    let codec = header
        .codec()
        .ok_or(Fault::UnknownCodec(header.codec_id()))?;
    check_header(&header)?;
    let max_timestamp = check_records(chunks, size, &header, codec, rules)?;
    Ok(Checked {
        header,
        size,
        max_timestamp: match rules.timestamp_type {
            TimestampType::CreateTime => max_timestamp,
            TimestampType::LogAppendTime => rules.now,
        },
        timestamp_type: rules.timestamp_type,
    })
}

/// Where in a batch the byte lies of which [`may_be_transactional`] tells.
pub const ATTRIBUTES_AT: usize = ATTRIBUTES + 1;

/// Whether a batch with that byte of its attributes may be one of a transaction.
pub fn may_be_transactional(attributes: u8) -> bool {
    i16::from(attributes) & TRANSACTIONAL != 0
}

/// Whether a record set of `length` bytes begins with a whole batch of a transaction, whatever else is
/// wrong with it. `start` is its first bytes, a header's count if there are as many.
pub fn is_transactional(start: &[u8], length: usize) -> bool {
    let is_whole = matches!(whole_batch(start, length), Ok(Some(_)));
    let attributes = start.get(ATTRIBUTES..LAST_OFFSET_DELTA);
    is_whole
        && start[MAGIC] as i8 == MAGIC_V2
        && attributes.is_some_and(|bits| {
            let bits = i16::from_be_bytes(bits.try_into().expect("two bytes"));
            bits & TRANSACTIONAL != 0
        })
}

/// Checks a batch as recovery does: it lies whole at the start of `bytes`, its size and CRC are right.
///
/// # Errors
/// [`Fault::NoBatch`], [`Fault::UnknownMagic`], [`Fault::OldMagic`], [`Fault::Length`],
/// [`Fault::Size`] and [`Fault::Crc`].
pub fn verify(bytes: &[u8]) -> Result<Header, Fault> {
    let size = whole_batch(bytes, bytes.len())?.ok_or(Fault::NoBatch)?;
    let magic = bytes[MAGIC] as i8;
    if magic != MAGIC_V2 {
        return Err(Fault::OldMagic(magic));
    }
    if size < HEADER_BYTES {
        return Err(Fault::Size(size));
    }
    let header = Header::read(bytes).ok_or(Fault::NoBatch)?;
    match crc32c(&bytes[CRC_START..size]) {
        computed if computed == header.crc => Ok(header),
        computed => Err(Fault::Crc {
            stored: header.crc,
            computed,
        }),
    }
}

impl Checked {
    /// The leader's bytes for this batch. Only if timestamps change are they the whole header, and its
    /// attributes then lose bits 7 to 15, as in Kafka.
    pub fn stamp(&self, base_offset: Offset, leader_epoch: LeaderEpoch) -> Stamp {
        let mut header = self.header;
        header.base_offset = base_offset;
        header.leader_epoch = leader_epoch;
        let append_time = self.timestamp_type == TimestampType::LogAppendTime;
        let same = self.header.max_timestamp == self.max_timestamp
            && self.header.is_log_append_time() == append_time;
        if same {
            return Stamp {
                bytes: header.encode(),
                count: STAMP_BYTES,
            };
        }
        header.max_timestamp = self.max_timestamp;
        header.attributes &= 0x7f & !LOG_APPEND_TIME;
        if append_time {
            header.attributes |= LOG_APPEND_TIME;
        }
        header.crc = replace_front(
            header.crc,
            &self.header.encode()[CRC_START..],
            &header.encode()[CRC_START..],
            self.size - HEADER_BYTES,
        );
        Stamp {
            bytes: header.encode(),
            count: HEADER_BYTES,
        }
    }
}

/// The size of the batch that `start` begins, if all of its bytes are among the `length` there are.
fn whole_batch(start: &[u8], length: usize) -> Result<Option<usize>, Fault> {
    /// The header of the oldest format, less the overhead before it: no length is smaller.
    const LENGTH_MIN: i32 = 14;
    let Some(field) = start.get(LENGTH..LENGTH_END) else {
        return Ok(None);
    };
    let claimed = i32::from_be_bytes(field.try_into().expect("four bytes"));
    if claimed < LENGTH_MIN {
        return Err(Fault::Length(claimed));
    }
    let Some(magic) = start.get(MAGIC) else {
        return Ok(None);
    };
    let magic = *magic as i8;
    if !(0..=MAGIC_V2).contains(&magic) {
        return Err(Fault::UnknownMagic(magic));
    }
    let size = claimed as usize + LENGTH_END;
    Ok((size <= length).then_some(size))
}

/// A whole second batch is refused, a part of one is dropped, if what there is of it makes sense.
fn no_second_batch<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    length: usize,
    size: usize,
) -> Result<(), Fault> {
    let left = length - size;
    if left < LENGTH_END {
        return Ok(());
    }
    let mut start = [0; MAGIC + 1];
    let present = left.min(start.len());
    let mut reader = Reader::new(chunks, length);
    reader.skip(size)?;
    reader.copy(&mut start[..present])?;
    match whole_batch(&start[..present], left)? {
        Some(_) => Err(Fault::TwoBatches),
        None => Ok(()),
    }
}

fn check_crc<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    size: usize,
    header: &Header,
) -> Result<(), Fault> {
    let mut reader = Reader::new(chunks, size);
    reader.skip(CRC_START)?;
    let count = size - CRC_START;
    let computed = match reader.run(count) {
        Some(bytes) => crc32c(bytes),
        None => {
            let mut crc = Crc::new();
            reader.each(count, |part| crc.update(part))?;
            crc.value()
        }
    };
    if computed != header.crc {
        return Err(Fault::Crc {
            stored: header.crc,
            computed,
        });
    }
    Ok(())
}

fn check_header(header: &Header) -> Result<(), Fault> {
    if header.record_count <= 0
        || header.last_offset_delta < 0
        || header.record_count - 1 != header.last_offset_delta
    {
        return Err(Fault::Count {
            count: header.record_count,
            last_offset_delta: header.last_offset_delta,
        });
    }
    if header.is_control() {
        return Err(Fault::Control);
    }
    if header.has_producer() && header.base_sequence < 0 {
        return Err(Fault::NoSequence);
    }
    Ok(())
}

/// The records' maximum timestamp.
fn check_records<'a>(
    chunks: impl Iterator<Item = &'a [u8]> + Clone,
    size: usize,
    header: &Header,
    codec: Codec,
    rules: &Rules,
) -> Result<Timestamp, Fault> {
    let mut reader = Reader::new(chunks.clone(), size);
    reader.skip(HEADER_BYTES)?;
    if codec == Codec::None {
        return walk(reader, header, rules, Strictness::Plain);
    }
    if codec == Codec::Lz4 {
        refuse_linked_blocks(Reader::new(chunks.clone(), size))?;
    }
    match rules.compressed {
        Look::Inside => {
            let mut packed = Vec::with_capacity(size - HEADER_BYTES);
            reader.each(size - HEADER_BYTES, |part| packed.extend_from_slice(part))?;
            let (max_timestamp, _) = check_compressed(&packed, header, codec, rules)?;
            Ok(max_timestamp)
        }
        Look::Header => {
            let mut errors = Errors::default();
            errors.note(0, timestamp_fault(header.max_timestamp.0, header, rules));
            errors.result()?;
            Ok(header.max_timestamp)
        }
        Look::Later => Ok(header.max_timestamp),
    }
}

/// Looks at how the LZ4 frame behind the header opens, if it is one. Whoever does not inflate it would keep it otherwise,
/// and every Java consumer would stop at it.
fn refuse_linked_blocks<'a>(
    mut reader: Reader<'a, impl Iterator<Item = &'a [u8]>>,
) -> Result<(), Fault> {
    reader.skip(HEADER_BYTES)?;
    let mut opening = [0; LZ4_OPENING_BYTES];
    let present = reader.left().min(LZ4_OPENING_BYTES);
    reader.copy(&mut opening[..present])?;
    if present == LZ4_OPENING_BYTES && lz4_blocks_are_linked(&opening) {
        return Err(Fault::LinkedBlocks);
    }
    Ok(())
}

/// Inflates compressed records and checks each; their maximum timestamp and what they inflate to.
pub(super) fn check_compressed(
    packed: &[u8],
    header: &Header,
    codec: Codec,
    rules: &Rules,
) -> Result<(Timestamp, Vec<u8>), Fault> {
    let bytes = decompress(codec, packed, limits::INFLATED_BYTES_MAX)?;
    let reader = Reader::new([&bytes[..]].into_iter(), bytes.len());
    let max_timestamp = walk(reader, header, rules, Strictness::Compressed)?;
    Ok((max_timestamp, bytes))
}

/// Kafka reads compressed records by another path, which looks at other things.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// Lengths must be right, offset deltas need not.
    Plain,
    /// The other way round.
    Compressed,
}

/// Goes over all record frames; returns the largest timestamp.
fn walk<'a, I: Iterator<Item = &'a [u8]>>(
    mut reader: Reader<'a, I>,
    header: &Header,
    rules: &Rules,
    strictness: Strictness,
) -> Result<Timestamp, Fault> {
    let plain = strictness == Strictness::Plain;
    let mut max_timestamp = Timestamp::NONE;
    let mut errors = Errors::default();
    let mut disorder = None;
    for index in 0..header.record_count {
        let length = reader.varint()?;
        let before = reader.left();
        if plain && !usize::try_from(length).is_ok_and(|length| length <= before) {
            return Err(Fault::RecordLength);
        }
        let _attributes = reader.byte()?;
        let timestamp_delta = reader.varlong()?;
        let offset_delta = reader.varint()?;
        let has_key = skip_field(&mut reader)?;
        skip_field(&mut reader)?;
        let headers = reader.varint()?;
        if headers < 0 || plain && headers as usize > reader.left() {
            return Err(Fault::RecordHeaders);
        }
        for _ in 0..headers {
            if !skip_field(&mut reader)? {
                return Err(Fault::RecordHeaders);
            }
            skip_field(&mut reader)?;
        }
        if plain && before - reader.left() != length as usize {
            return Err(Fault::RecordLength);
        }
        if !plain && offset_delta != index && disorder.is_none() {
            disorder = Some(Fault::OffsetDelta {
                expected: index,
                found: offset_delta,
            });
        }
        let timestamp = if header.is_log_append_time() {
            header.max_timestamp.0
        } else {
            header.base_timestamp.0.wrapping_add(timestamp_delta)
        };
        if rules.compacted && !has_key {
            errors.note(index, Some(RecordFault::NoKey));
        } else {
            errors.note(index, timestamp_fault(timestamp, header, rules));
        }
        max_timestamp = max_timestamp.max(Timestamp(timestamp));
    }
    if reader.left() > 0 {
        return Err(Fault::BytesRemain);
    }
    errors.result()?;
    disorder.map_or(Ok(max_timestamp), Err)
}

/// Passes over a length and that many bytes; whether it was not null.
fn skip_field<'a, I: Iterator<Item = &'a [u8]>>(reader: &mut Reader<'a, I>) -> Result<bool, Fault> {
    match usize::try_from(reader.varint()?) {
        Ok(length) => reader.skip(length).map(|()| true),
        Err(_) => Ok(false),
    }
}

#[inline]
fn timestamp_fault(timestamp: i64, header: &Header, rules: &Rules) -> Option<RecordFault> {
    if rules.timestamp_type == TimestampType::CreateTime && timestamp != Timestamp::NONE.0 {
        let age = rules.now.0.wrapping_sub(timestamp);
        let wrong = age > rules.timestamp_before_max_ms
            || age.wrapping_neg() > rules.timestamp_after_max_ms;
        wrong.then(|| RecordFault::Timestamp {
            timestamp: Timestamp(timestamp),
            from: rules.now.0.wrapping_sub(rules.timestamp_before_max_ms),
            to: rules.now.0.wrapping_add(rules.timestamp_after_max_ms),
        })
    } else {
        header
            .is_log_append_time()
            .then_some(RecordFault::LogAppendTime)
    }
}

#[derive(Default)]
struct Errors {
    total: usize,
    first: Vec<RecordError>,
    timestamp: bool,
}

impl Errors {
    #[inline]
    fn note(&mut self, index: i32, fault: Option<RecordFault>) {
        let Some(fault) = fault else { return };
        self.total += 1;
        self.timestamp |= fault != RecordFault::NoKey;
        if self.first.len() < limits::RECORD_ERRORS_MAX {
            self.first.push(RecordError { index, fault });
        }
    }

    fn result(self) -> Result<(), Fault> {
        if self.total == 0 {
            return Ok(());
        }
        Err(Fault::Records {
            total: self.total,
            first: self.first,
            timestamp: self.timestamp,
        })
    }
}
