//! Look-up by timestamp: which segment is decided in memory; the search within it reads, so it is a
//! value that a task off the shard runs.
//!
//! As Kafka does it: the *first* segment whose largest timestamp is at or above the target, and in it
//! the first record at or above. If that segment has none at or behind the log's start, the answer is
//! none, even if later segments would have one.

use super::index::{OffsetIndex, TimeIndex};
use super::scan::{Source, Walk, read_exact_at};
use crate::batch::{HEADER_BYTES, Header, decompress, records};
use crate::limits::INFLATED_BYTES_MAX;
use crate::types::{LeaderEpoch, Offset, Timestamp};
use std::io;

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeTarget {
    /// The first record with this timestamp or a later one.
    AtOrAfter(Timestamp),
    /// The first record with the largest timestamp of all (KIP-734).
    Largest,
}

/// Where the search in the segment begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum From {
    /// Known.
    Position(u64),
    /// The segment's files say, from this offset if given.
    Indexes { first: Option<Offset> },
}

/// A search in one segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimeLookup {
    /// The segment's base.
    pub segment: Offset,
    pub(super) length: u64,
    pub(super) from: From,
    pub(super) time: Timestamp,
    pub(super) equal: bool,
    pub(super) log_start: Offset,
    pub(super) bound: Offset,
}

/// The record that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeFound {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// The epoch of the leader that wrote it.
    pub leader_epoch: LeaderEpoch,
}

impl TimeLookup {
    /// Whether [`run`](TimeLookup::run) wants the segment's `.index` and `.timeindex`.
    pub fn wants_indexes(&self) -> bool {
        matches!(self.from, From::Indexes { .. })
    }

    /// Searches. An index that is not there, or that cannot be one, costs time and nothing else.
    pub fn run(
        &self,
        log: &dyn Source,
        index: Option<&[u8]>,
        timeindex: Option<&[u8]>,
    ) -> io::Result<Option<TimeFound>> {
        let mut position = match self.from {
            From::Position(position) => position,
            From::Indexes { first } => {
                let times = TimeIndex::new(self.segment, timeindex.unwrap_or(&[]));
                let offset = first.unwrap_or(times.floor(self.time).max(self.log_start));
                let index = OffsetIndex::new(self.segment, index.unwrap_or(&[]));
                match index.fits(self.length) {
                    true => index.floor(offset).0,
                    false => 0,
                }
            }
        };
        let mut walk = Walk::headers(log, self.length);
        while let Some(header) = walk.header(position)? {
            if self.matches(header.max_timestamp)
                && let Some(found) = self.search(log, position, &header)?
            {
                return Ok((found.offset < self.bound).then_some(found));
            }
            position += header.size() as u64;
        }
        Ok(None)
    }

    fn matches(&self, timestamp: Timestamp) -> bool {
        match self.equal {
            true => timestamp == self.time,
            false => timestamp >= self.time,
        }
    }

    /// The first record of a batch that matches. A batch that cannot be decompressed (we store what
    /// the producer sent) is taken as a whole.
    fn search(
        &self,
        log: &dyn Source,
        position: u64,
        header: &Header,
    ) -> io::Result<Option<TimeFound>> {
        let found = |offset, timestamp| TimeFound {
            offset,
            timestamp,
            leader_epoch: header.leader_epoch,
        };
        let mut body = vec![0; header.size() - HEADER_BYTES];
        read_exact_at(log, position + HEADER_BYTES as u64, &mut body)?;
        let plain = header
            .codec()
            .and_then(|codec| decompress(codec, &body, INFLATED_BYTES_MAX).ok());
        let Some(plain) = plain else {
            let offset = header.base_offset.max(self.log_start);
            return Ok((header.last_offset() >= self.log_start)
                .then(|| found(offset, header.max_timestamp)));
        };
        // Kafka numbers the records of a batch one by one or by their deltas: they agree, but for
        // batches that compaction has thinned, where only the delta is right.
        Ok(records(&plain).map_while(Result::ok).find_map(|record| {
            let offset = header.base_offset.plus(i64::from(record.offset_delta));
            let timestamp = match header.is_log_append_time() {
                true => header.max_timestamp,
                false => Timestamp(header.base_timestamp.0.wrapping_add(record.timestamp_delta)),
            };
            (self.matches(timestamp) && offset >= self.log_start).then(|| found(offset, timestamp))
        }))
    }
}

/// When the first record at or behind `offset` was written that the batch at `position` has; none if no
/// batch begins there, or it ends before. A batch that cannot be decompressed is taken as a whole.
///
/// # Errors
/// When the file cannot be read.
pub fn time_at(log: &dyn Source, position: u64, offset: Offset) -> io::Result<Option<Timestamp>> {
    let Some(header) = Walk::headers(log, log.length()).header(position)? else {
        return Ok(None);
    };
    if header.last_offset() < offset {
        return Ok(None);
    }
    // All records of such batches have the same time.
    if header.is_log_append_time() || header.base_timestamp == header.max_timestamp {
        return Ok(Some(header.max_timestamp));
    }
    let mut body = vec![0; header.size() - HEADER_BYTES];
    read_exact_at(log, position + HEADER_BYTES as u64, &mut body)?;
    let plain = header
        .codec()
        .and_then(|codec| decompress(codec, &body, INFLATED_BYTES_MAX).ok());
    let found = plain.and_then(|plain| {
        let mut records = records(&plain).map_while(Result::ok);
        let record =
            records.find(|record| header.base_offset.plus(record.offset_delta.into()) >= offset)?;
        let delta = record.timestamp_delta;
        Some(Timestamp(header.base_timestamp.0.wrapping_add(delta)))
    });
    Ok(Some(found.unwrap_or(header.max_timestamp)))
}
