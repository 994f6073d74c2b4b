//! The places of the newest batches, so that a reader at the log's tail is answered from memory; and
//! the offset indexes of sealed segments that were asked for lately.

use super::index::OffsetIndex;
use super::proven::Proven;
use crate::types::Offset;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Where a batch lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) base: Offset,
    pub(crate) last: Offset,
    pub(crate) segment: Offset,
    pub(crate) position: u64,
    pub(crate) size: u32,
}

/// The newest batches without a gap between them, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    places: VecDeque<Place>,
    bound: usize,
}

impl Recent {
    pub(crate) fn new(bound: usize) -> Recent {
        Recent {
            places: VecDeque::new(),
            bound,
        }
    }

    pub(crate) fn push(&mut self, place: Place) {
        debug_assert!(self.places.back().is_none_or(|last| last.last < place.base));
        while self.places.len() >= self.bound.max(1) {
            self.places.pop_front();
        }
        if self.bound > 0 {
            self.places.push_back(place);
        }
    }

    /// What lies in segments below `base` is forgotten: their files are others now.
    pub(crate) fn forget_segments_below(&mut self, base: Offset) {
        while self
            .places
            .pop_front_if(|place| place.segment < base)
            .is_some()
        {}
    }

    /// The batch with this offset or, in a gap, the next one; `None` if it may be older than what is
    /// remembered, or is not there yet.
    pub(crate) fn find(&self, offset: Offset) -> Option<Place> {
        if self.places.front()?.base > offset {
            return None;
        }
        let at = self.places.partition_point(|place| place.last < offset);
        self.places.get(at).copied()
    }
}

/// Offset indexes of sealed segments, the least lately used dropped first. There may be one of each of
/// thousands of segments.
#[derive(Clone, Debug)]
pub(crate) struct IndexCache {
    indexes: BTreeMap<Offset, Cached>,
    /// Their segments by when they were last used.
    by_use: BTreeMap<u64, Offset>,
    uses: u64,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Clone, Debug)]
struct Cached {
    index: Bytes,
    proven: Proven,
    used: u64,
}

impl IndexCache {
    pub(crate) fn new(bytes_max: usize) -> IndexCache {
        IndexCache {
            indexes: BTreeMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            bytes: 0,
            bytes_max,
        }
    }

    /// Keeps an index; the newest one is kept whatever its size.
    pub(crate) fn put(&mut self, segment: Offset, index: Bytes) {
        self.put_with(segment, index, Proven::default());
    }

    /// The same with what is known of it.
    pub(crate) fn put_with(&mut self, segment: Offset, index: Bytes, proven: Proven) {
        self.remove(segment);
        self.uses += 1;
        let used = self.uses;
        self.bytes += index.len();
        self.by_use.insert(used, segment);
        let cached = Cached {
            index,
            proven,
            used,
        };
        self.indexes.insert(segment, cached);
        while self.bytes > self.bytes_max && self.indexes.len() > 1 {
            let (_, oldest) = self.by_use.first_key_value().expect("there are several");
            self.remove(*oldest);
        }
    }

    pub(crate) fn get(&mut self, segment: Offset) -> Option<(OffsetIndex<'_>, &Proven)> {
        let cached = self.indexes.get_mut(&segment)?;
        if cached.used < self.uses {
            self.uses += 1;
            self.by_use.remove(&cached.used);
            cached.used = self.uses;
            self.by_use.insert(cached.used, segment);
        }
        Some((OffsetIndex::new(segment, &cached.index), &cached.proven))
    }

    /// A batch of the segment was seen, by its last offset, position and size.
    pub(crate) fn learn(&mut self, segment: Offset, last: Offset, position: u64, size: u32) {
        if let Some(cached) = self.indexes.get_mut(&segment) {
            let index = OffsetIndex::new(segment, &cached.index);
            cached.proven.learn(index, last, position, size);
        }
    }

    /// Without counting as a use.
    pub(crate) fn peek(&self, segment: Offset) -> Option<&Bytes> {
        self.indexes.get(&segment).map(|cached| &cached.index)
    }

    pub(crate) fn remove(&mut self, segment: Offset) {
        if let Some(cached) = self.indexes.remove(&segment) {
            self.by_use.remove(&cached.used);
            self.bytes -= cached.index.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(base: i64, last: i64) -> Place {
        Place {
            base: Offset(base),
            last: Offset(last),
            segment: Offset(0),
            position: base as u64,
            size: 1,
        }
    }

    #[test]
    fn an_offset_in_a_gap_finds_the_next_batch_and_an_older_one_nothing() {
        let mut recent = Recent::new(2);
        recent.push(place(0, 4));
        recent.push(place(5, 6));
        recent.push(place(10, 10));
        let base = |offset| recent.find(Offset(offset)).map(|place| place.base.0);
        assert_eq!(base(4), None);
        assert_eq!(base(5), Some(5));
        assert_eq!(base(6), Some(5));
        assert_eq!(base(7), Some(10));
        assert_eq!(base(11), None);
    }

    #[test]
    fn the_cache_drops_what_was_not_used_longest() {
        let mut cache = IndexCache::new(16);
        cache.put(Offset(0), Bytes::from_static(&[0; 8]));
        cache.put(Offset(1), Bytes::from_static(&[0; 8]));
        assert!(cache.get(Offset(0)).is_some());
        cache.put(Offset(2), Bytes::from_static(&[0; 8]));
        assert!(cache.get(Offset(1)).is_none());
        assert!(cache.get(Offset(0)).is_some());
        cache.put(Offset(3), Bytes::from_static(&[0; 99]));
        assert!(cache.peek(Offset(0)).is_none() && cache.peek(Offset(3)).is_some());
    }
}
