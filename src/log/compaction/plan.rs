//! When a log is compacted, how far, and which segments become one (Kafka's `LogCleanerManager` and
//! `Cleaner.groupSegmentsBySize`).

use crate::batch::HEADER_BYTES;
use crate::log::aborted::Aborted;
use crate::log::index::{OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES};
use crate::log::machine::{Log, LogConfig};
use crate::log::producers::LastRecord;
use crate::log::segment::Segment;
use crate::types::{Offset, ProducerId, Timestamp};
use std::ops::Range;
use std::sync::Arc;

/// What a topic demands of compaction.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CompactionRules {
    /// `min.cleanable.dirty.ratio`: with a larger share of dirty bytes the log is compacted.
    pub dirty_ratio_min: f64,
    /// `min.compaction.lag.ms`: so long a record stays as it is.
    pub lag_ms_min: i64,
    /// `max.compaction.lag.ms`: so long after a segment's first record it is compacted, however few bytes
    /// are dirty.
    pub lag_ms_max: i64,
    /// `delete.retention.ms`: so long a tombstone stays after it has been met first.
    pub delete_retention_ms: i64,
}

/// A segment that is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompactionSource {
    /// Its base.
    pub base: Offset,
    /// Its bytes.
    pub size: u64,
    /// The base of the segment behind it.
    pub next: Offset,
    /// When its file was changed last.
    pub modified: Timestamp,
}

/// A pass of compaction over one log, as of its beginning.
#[derive(Clone, Debug)]
pub struct CompactionPlan {
    /// All segments below [`CompactionPlan::upper`], ascending.
    pub sources: Vec<CompactionSource>,
    /// From there on the log is dirty.
    pub first_dirty: Offset,
    /// Where the part that may be compacted ends: the base of a segment.
    pub upper: Offset,
    /// The log's settings: the new segments are built by them.
    pub config: Arc<LogConfig>,
    /// Aborted transactions that begin below.
    pub(super) aborted: Vec<Aborted>,
    /// What is known of each producer.
    pub(super) producers: Vec<(ProducerId, LastRecord)>,
    pub(super) now: Timestamp,
    pub(super) delete_retention_ms: i64,
}

impl CompactionPlan {
    /// The dirty segments, by their place among the sources.
    pub fn dirty(&self) -> Range<usize> {
        let first = self
            .sources
            .partition_point(|source| source.next <= self.first_dirty);
        first..self.sources.len()
    }

    /// Which segments become one, by their places, up to the one that holds the offset before `end`: in
    /// all no larger than a segment and its indexes may be, whatever goes, so that segments do not become
    /// ever smaller.
    pub fn groups(&self, end: Offset) -> Vec<Range<usize>> {
        let bytes_max = self.group_bytes_max();
        let count = self.sources.partition_point(|source| source.base < end);
        let mut groups = Vec::new();
        let mut begin = 0;
        while begin < count {
            let base = self.sources[begin].base;
            let mut bytes = self.sources[begin].size;
            let mut at = begin + 1;
            while at < count {
                let source = self.sources[at];
                let is_near = source.next.0 - 1 - base.0 <= i64::from(i32::MAX);
                if bytes + source.size > bytes_max || source.size > 0 && !is_near {
                    break;
                }
                bytes += source.size;
                at += 1;
            }
            groups.push(begin..at);
            begin = at;
        }
        groups
    }

    /// The most bytes of a segment whose indexes are not too large, for certain.
    fn group_bytes_max(&self) -> u64 {
        let config = &self.config;
        let offsets = config.index_bytes_max / OFFSET_ENTRY_BYTES;
        let times = (config.index_bytes_max / TIME_ENTRY_BYTES).saturating_sub(1);
        // An entry comes after more than the interval, and not more than one with each batch.
        let interval = (config.index_interval_bytes + 1).max(HEADER_BYTES as u64);
        (offsets.min(times) as u64)
            .saturating_mul(interval)
            .min(config.segment_bytes)
    }
}

/// The parts of a log as compaction sees them.
struct Parts {
    first_dirty: Offset,
    upper: Offset,
    clean_bytes: u64,
    dirty_bytes: u64,
    /// When the oldest record of the dirty part was written, as far as is known.
    oldest: Option<Timestamp>,
}

impl Log {
    /// The share of dirty bytes among those that may be compacted, if it is time to compact.
    pub fn compaction_due(&self, rules: &CompactionRules, now: Timestamp) -> Option<f64> {
        let parts = self.parts(rules, now);
        if parts.dirty_bytes == 0 {
            return None;
        }
        let all = parts.clean_bytes + parts.dirty_bytes;
        let ratio = parts.dirty_bytes as f64 / all as f64;
        let is_overdue = parts
            .oldest
            .is_some_and(|oldest| oldest.0 < now.0.saturating_sub(rules.lag_ms_max));
        (is_overdue || ratio > rules.dirty_ratio_min).then_some(ratio)
    }

    /// What a pass would do now.
    pub fn plan_compaction(&self, rules: &CompactionRules, now: Timestamp) -> CompactionPlan {
        let parts = self.parts(rules, now);
        let sources = self.with_next().map(|(segment, next)| CompactionSource {
            base: segment.base,
            size: segment.size,
            next,
            modified: segment.modified,
        });
        let aborted = self.aborted.iter();
        CompactionPlan {
            sources: sources.take_while(|it| it.next <= parts.upper).collect(),
            first_dirty: parts.first_dirty,
            upper: parts.upper,
            config: self.config.clone(),
            aborted: aborted
                .filter(|it| it.first < parts.upper)
                .copied()
                .collect(),
            producers: self.producers.last_records(),
            now,
            delete_retention_ms: rules.delete_retention_ms,
        }
    }

    fn parts(&self, rules: &CompactionRules, now: Timestamp) -> Parts {
        // A checkpoint that is beside the log, after records were deleted or the log was cut, says nothing.
        let within = self.log_start..=self.log_end;
        let first_dirty = match within.contains(&self.cleaned) {
            true => self.cleaned,
            false => self.log_start,
        };
        // What is not durable may be cut by a crash: the newest record of a key must not be there alone.
        let bound = self.last_stable().min(self.flushed());
        let mut parts = Parts {
            first_dirty,
            upper: first_dirty,
            clean_bytes: 0,
            dirty_bytes: 0,
            oldest: None,
        };
        for (segment, next) in self.with_next() {
            let is_dirty = next > first_dirty;
            let is_young = rules.lag_ms_min > 0
                && segment.largest_timestamp().0 > now.0.saturating_sub(rules.lag_ms_min);
            if next > bound || is_dirty && is_young {
                break;
            }
            parts.upper = next;
            match is_dirty {
                true => {
                    parts.dirty_bytes += segment.size;
                    let begun = begun(&segment);
                    parts.oldest = match parts.oldest {
                        Some(oldest) => Some(begun.map_or(oldest, |begun| begun.min(oldest))),
                        None => begun,
                    };
                }
                false => parts.clean_bytes += segment.size,
            }
        }
        parts
    }

    /// The sealed segments, each with the base of the next.
    fn with_next(&self) -> impl Iterator<Item = (Segment, Offset)> + '_ {
        let bases = self.segments().skip(1).map(|segment| segment.base);
        self.sealed.iter().copied().zip(bases)
    }
}

/// When a segment was begun. Where nobody has looked at its first batch, its newest record tells: that is
/// later, so it is compacted later than it might be, not earlier.
fn begun(segment: &Segment) -> Option<Timestamp> {
    [segment.first_timestamp, segment.max_timestamp]
        .into_iter()
        .find(|timestamp| timestamp.0 > 0)
}
