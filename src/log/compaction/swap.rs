//! A compacted segment takes the place of those that it was made of, in the log's memory.

use super::rewriting::Replacement;
use crate::log::machine::Log;
use crate::types::Offset;

impl Log {
    /// Puts a segment in the place of others. Offsets, watermarks and producers stay; whatever knew a place
    /// in one of the old files forgets it.
    pub fn replace(&mut self, replacement: &Replacement) {
        let base = replacement.segment.base;
        let end = replacement.end;
        let from = self.sealed.partition_point(|segment| segment.base < base);
        let to = self.sealed.partition_point(|segment| segment.base < end);
        let replaced = self.sealed.range(from..to).map(|segment| segment.base);
        assert!(
            replaced.eq(replacement.replaced.iter().copied()),
            "compaction replaces {base} to {end}, which are not the segments that it has read"
        );
        assert!(
            end <= self.last_stable() && end <= self.active.tail.base,
            "compaction to {end}, the last stable offset is {}",
            self.last_stable()
        );
        self.sealed.drain(from..to);
        self.sealed.insert(from, replacement.segment);
        for base in &replacement.replaced {
            self.indexes.remove(*base);
        }
        self.indexes.put(base, replacement.index.clone());
        self.recent.forget_segments_below(end);
        self.open.retain(|_, mark| mark.segment >= end);
        let first = self.aborted.partition_point(|it| it.marker < base);
        let behind = self.aborted.partition_point(|it| it.marker < end);
        let rest = self.aborted.split_off(behind);
        self.aborted.truncate(first);
        self.aborted.extend(&replacement.aborted);
        self.aborted.extend(rest);
        self.emptied_below = self.emptied_below.max(end);
        if self.high.segment < end {
            self.high = self.mark(self.high.offset);
        }
    }

    /// The segments before this offset have been compacted, as `cleaner-offset-checkpoint` says.
    pub fn set_cleaned(&mut self, offset: Offset) {
        self.cleaned = offset;
        self.emptied_below = self.emptied_below.max(offset);
    }

    /// The segments before this offset have been compacted.
    pub fn cleaned(&self) -> Offset {
        self.cleaned
    }

    /// Nothing is known of how far the log was compacted before a crash: any closed segment may be.
    pub fn expect_emptied(&mut self) {
        self.emptied_below = self.emptied_below.max(self.active.tail.base);
    }

    /// Whether there may be batches without records in a segment: see [`sift`](crate::log::sift).
    pub fn may_hold_emptied(&self, segment: Offset) -> bool {
        segment < self.emptied_below
    }
}
