//! One segment: what is known of it, and for the one being written, when an index entry is due and
//! when it must be followed by another.

use super::index::{Indexes, OffsetEntry, TimeEntry};
use super::{LogConfig, OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES};
use crate::types::{Offset, Timestamp};

/// What is known of a segment without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// The offset that names its files; no record in it is below.
    pub base: Offset,
    /// Bytes of complete batches.
    pub size: u64,
    /// The largest timestamp of its first batch; none where nobody has looked.
    pub first_timestamp: Timestamp,
    /// The largest timestamp of its batches, or none.
    pub max_timestamp: Timestamp,
    /// The last offset of the first batch that has it.
    pub max_timestamp_offset: Offset,
    /// When its file last changed: stands in where there are no timestamps.
    pub modified: Timestamp,
}

impl Segment {
    /// The time by which retention and time look-ups judge a segment.
    pub fn largest_timestamp(&self) -> Timestamp {
        match self.max_timestamp.0 {
            0.. => self.max_timestamp,
            _ => self.modified,
        }
    }
}

/// The end of the log as arithmetic: all that decides about rolls and index entries. There is one
/// for what is complete, and one that runs ahead with what is staged; both take the same steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tail {
    pub(crate) base: Offset,
    pub(crate) size: u64,
    pub(crate) max_timestamp: Timestamp,
    pub(crate) max_timestamp_offset: Offset,
    created: Timestamp,
    /// The first batch's largest timestamp.
    first_timestamp: Option<Timestamp>,
    jitter_ms: i64,
    bytes_since_entry: u64,
    offset_entries: usize,
    time_entries: usize,
    last_time_entry: Timestamp,
}

/// The index entries that a batch gives rise to, and where it starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Added {
    pub(crate) position: u64,
    pub(crate) offset: Option<OffsetEntry>,
    time: Option<TimeEntry>,
}

impl Tail {
    /// An empty segment.
    pub(crate) fn new(config: &LogConfig, base: Offset, created: Timestamp) -> Tail {
        Tail {
            base,
            size: 0,
            max_timestamp: Timestamp::NONE,
            max_timestamp_offset: base,
            created,
            first_timestamp: None,
            jitter_ms: jitter(config, base, created),
            bytes_since_entry: 0,
            offset_entries: 0,
            time_entries: 0,
            last_time_entry: Timestamp::NONE,
        }
    }

    /// Whether the next batch belongs into a new segment (Kafka's `LogSegment.shouldRoll`).
    pub(crate) fn must_roll(
        &self,
        config: &LogConfig,
        bytes: u32,
        last_offset: Offset,
        max_timestamp: Timestamp,
        now: Timestamp,
    ) -> bool {
        let Some(first_timestamp) = self.first_timestamp else {
            return false;
        };
        let waited_ms = match first_timestamp.0 {
            0.. => max_timestamp.0.saturating_sub(first_timestamp.0),
            _ => now.0.saturating_sub(self.created.0),
        };
        self.size + u64::from(bytes) > config.segment_bytes
            || waited_ms > config.segment_ms.saturating_sub(self.jitter_ms)
            || self.offset_entries >= config.index_bytes_max / OFFSET_ENTRY_BYTES
            || self.time_entries + 1 >= config.index_bytes_max / TIME_ENTRY_BYTES
            || last_offset.0 - self.base.0 > i64::from(i32::MAX)
    }

    /// Takes in a batch. An entry is due for it if more than `index.interval.bytes` lie between its
    /// start and the start of the last batch that got one.
    pub(crate) fn add(
        &mut self,
        config: &LogConfig,
        bytes: u32,
        last_offset: Offset,
        max_timestamp: Timestamp,
    ) -> Added {
        self.first_timestamp.get_or_insert(max_timestamp);
        if max_timestamp > self.max_timestamp {
            self.max_timestamp = max_timestamp;
            self.max_timestamp_offset = last_offset;
        }
        let mut added = Added {
            position: self.size,
            offset: None,
            time: None,
        };
        if self.bytes_since_entry > config.index_interval_bytes {
            added.offset = Some(OffsetEntry {
                offset: last_offset,
                position: self.size,
            });
            self.offset_entries += 1;
            added.time = self.time_entry();
            self.bytes_since_entry = 0;
        }
        self.size += u64::from(bytes);
        self.bytes_since_entry += u64::from(bytes);
        added
    }

    /// The entry that the time index lacks for what was appended so far.
    pub(crate) fn time_entry(&mut self) -> Option<TimeEntry> {
        (self.max_timestamp > self.last_time_entry).then(|| {
            self.last_time_entry = self.max_timestamp;
            self.time_entries += 1;
            TimeEntry {
                timestamp: self.max_timestamp,
                offset: self.max_timestamp_offset,
            }
        })
    }

    /// The end of a segment that was found on disk with these indexes. The distance to the next
    /// index entry counts from here.
    pub(crate) fn found(
        config: &LogConfig,
        segment: &Segment,
        first_timestamp: Option<Timestamp>,
        opened: Timestamp,
        indexes: &Indexes,
    ) -> Tail {
        let times = super::TimeIndex::new(segment.base, &indexes.times);
        Tail {
            size: segment.size,
            max_timestamp: segment.max_timestamp,
            max_timestamp_offset: segment.max_timestamp_offset,
            first_timestamp,
            offset_entries: indexes.offsets.len() / OFFSET_ENTRY_BYTES,
            time_entries: times.len(),
            last_time_entry: times.last().map_or(Timestamp::NONE, |last| last.timestamp),
            ..Tail::new(config, segment.base, opened)
        }
    }

    pub(crate) fn segment(&self, modified: Timestamp) -> Segment {
        Segment {
            base: self.base,
            size: self.size,
            first_timestamp: self.first_timestamp.unwrap_or(Timestamp::NONE),
            max_timestamp: self.max_timestamp,
            max_timestamp_offset: self.max_timestamp_offset,
            modified,
        }
    }
}

impl Indexes {
    /// Writes down what a batch gave rise to.
    pub(crate) fn add(&mut self, base: Offset, added: &Added) {
        if let Some(entry) = added.offset {
            self.add_offset(base, entry);
        }
        if let Some(entry) = added.time {
            self.add_time(base, entry);
        }
    }
}

/// How much earlier than `segment.ms` this segment rolls, so that the partitions of a broker do not
/// all roll at once: drawn from the log's seed.
fn jitter(config: &LogConfig, base: Offset, created: Timestamp) -> i64 {
    let bound = config.segment_jitter_ms.min(config.segment_ms);
    if bound <= 0 {
        return 0;
    }
    let mut mixed = config.jitter_seed ^ (base.0 as u64).rotate_left(32) ^ created.0 as u64;
    for multiplier in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb_u64] {
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(multiplier);
    }
    ((mixed ^ (mixed >> 31)) % bound as u64) as i64
}
