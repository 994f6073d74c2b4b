//! From an offset to a place in a file, without reading one where memory knows: the newest batches
//! by their places, the active segment by its index, a sealed one by an index that the store loads
//! when it is first asked for, and a large batch by the entries around it once they are proven.

use super::aborted::Aborted;
use super::index::OffsetIndex;
use super::machine::{Log, Mark};
use super::proven::Proven;
use super::time::{From, TimeLookup, TimeTarget};
use super::{TimeIndex, segment::Segment};
use crate::batch::{HEADER_BYTES, Header};
use crate::types::{Offset, Timestamp};
use bytes::Bytes;

/// Up to where a reader may read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    /// Up to the high watermark.
    ReadUncommitted,
    /// Up to the last stable offset.
    ReadCommitted,
    /// Up to the log's end: followers.
    Replica,
}

/// What a look-up found, or what has to happen before it can.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Located {
    /// The batch with the offset or, where the offset is gone, the next one.
    At {
        /// The segment's base.
        segment: Offset,
        /// Where the batch starts in it.
        position: u64,
        /// Bytes of the batch.
        batch_size: u32,
    },
    /// Its header is between these positions: read and [`scan_headers`].
    Scan {
        /// The segment's base.
        segment: Offset,
        /// Where a batch starts.
        from: u64,
        /// Behind the last header that may be meant.
        to: u64,
    },
    /// Read the segment's `.index` whole, call [`Log::index_loaded`], locate again.
    LoadIndex {
        /// The segment's base.
        segment: Offset,
    },
    /// Nothing to read there yet.
    End,
    /// OFFSET_OUT_OF_RANGE: below the log's start or above its end.
    OutOfRange,
}

/// One step of looking through the headers of a [`Located::Scan`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScanStep {
    /// The batch.
    Found {
        /// Where it starts in the segment.
        position: u64,
        /// Bytes.
        size: u32,
        /// Its last offset.
        last: Offset,
    },
    /// Not yet: the next header is here, read on.
    ReadOn {
        /// Where.
        position: u64,
    },
    /// The segment has no such batch: continue with [`Log::first_of_next`].
    End,
    /// No batch starts here. If an index led here, it lies: [`Log::index_lies`] and locate again;
    /// else the file is damaged.
    Corrupt {
        /// Where.
        position: u64,
    },
}

/// A range of a segment's file to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    /// The segment's base.
    pub segment: Offset,
    /// Its first byte.
    pub position: u64,
    /// Bytes; the last batch may be cut off, the first is not.
    pub length: u64,
}

/// Looks through `bytes`, which were read at `position`, for the first batch whose last offset is
/// `target` or above. `to` is the [`Located::Scan`]'s.
pub fn scan_headers(bytes: &[u8], mut position: u64, to: u64, target: Offset) -> ScanStep {
    let start = position;
    loop {
        if position + HEADER_BYTES as u64 > to {
            return ScanStep::End;
        }
        let at = usize::try_from(position - start).unwrap_or(usize::MAX);
        let Some(header) = bytes.get(at..).and_then(Header::read) else {
            return ScanStep::ReadOn { position };
        };
        if !header.is_plausible() {
            return ScanStep::Corrupt { position };
        }
        if header.last_offset() >= target {
            return ScanStep::Found {
                position,
                size: header.size() as u32,
                last: header.last_offset(),
            };
        }
        position += header.size() as u64;
    }
}

impl Log {
    /// Where the batch with `offset` is, for a reader of this kind.
    pub fn locate(&mut self, offset: Offset, isolation: Isolation) -> Located {
        if offset < self.log_start || offset > self.log_end {
            return Located::OutOfRange;
        }
        if offset >= self.bound(isolation).min(self.log_end) {
            return Located::End;
        }
        if let Some(place) = self.recent.find(offset) {
            return Located::At {
                segment: place.segment,
                position: place.position,
                batch_size: place.size,
            };
        }
        let segment = self.segment_of(offset);
        if segment.base == self.active.tail.base {
            let index = OffsetIndex::new(segment.base, &self.active.indexes.offsets);
            return search(segment, index, &self.active.proven, offset);
        }
        match self.indexes.get(segment.base) {
            Some((index, proven)) => search(segment, index, proven, offset),
            None => Located::LoadIndex {
                segment: segment.base,
            },
        }
    }

    /// Takes in the bytes of a sealed segment's `.index`, all of them or none if there is no such
    /// file. Bytes that cannot be its index count as none: it is then searched from its start.
    pub fn index_loaded(&mut self, segment: Offset, bytes: Bytes) {
        let Some(known) = self.sealed.iter().find(|known| known.base == segment) else {
            return;
        };
        let bytes = match OffsetIndex::new(segment, &bytes).fits(known.size) {
            true => bytes,
            false => Bytes::new(),
        };
        self.indexes.put(segment, bytes);
    }

    /// [`scan_headers`] of that segment; for a batch that it finds, the next look-up may need none.
    pub fn scan_headers(
        &mut self,
        segment: Offset,
        bytes: &[u8],
        position: u64,
        to: u64,
        target: Offset,
    ) -> ScanStep {
        let step = scan_headers(bytes, position, to, target);
        if let ScanStep::Found {
            position,
            size,
            last,
        } = step
        {
            if segment == self.active.tail.base {
                let index = OffsetIndex::new(segment, &self.active.indexes.offsets);
                self.active.proven.learn(index, last, position, size);
            } else {
                self.indexes.learn(segment, last, position, size);
            }
        }
        step
    }

    /// A sealed segment's index led to where no batch starts: from now on the segment is searched
    /// from its start. `false` if it was already, or is the active one: the file is damaged.
    pub fn index_lies(&mut self, segment: Offset) -> bool {
        let lies = self
            .indexes
            .peek(segment)
            .is_some_and(|index| !index.is_empty());
        if lies {
            self.indexes.put(segment, Bytes::new());
        }
        lies
    }

    /// The place to go on at when `segment` has no batch at or behind an offset: the base of the next
    /// segment that is not empty, to be located.
    pub fn first_of_next(&self, segment: Offset) -> Option<Offset> {
        self.segments()
            .find(|next| next.base > segment && next.size > 0)
            .map(|next| next.base)
    }

    /// The bytes to send from a located batch on: at most `max_bytes`, but the first batch whole if
    /// `first_whole`; not beyond what the reader may have, not beyond the segment. `None` if the
    /// first batch is larger than `max_bytes` and need not be sent.
    pub fn slice(
        &self,
        segment: Offset,
        position: u64,
        batch_size: u32,
        max_bytes: u64,
        first_whole: bool,
        isolation: Isolation,
    ) -> Option<Slice> {
        let batch = u64::from(batch_size);
        if batch > max_bytes && !first_whole {
            return None;
        }
        let end = self.readable_end(segment, isolation);
        // A watermark known only roughly does not hide the batch that was located below it.
        let length = (end.saturating_sub(position)).max(batch);
        Some(Slice {
            segment,
            position,
            length: length.min(max_bytes.max(batch)),
        })
    }

    /// The transactions of which the batches from `from` up to the position `end` in `segment` may hold
    /// aborted records, as Kafka collects them: markers from there on tell them, wherever they lie. Some
    /// may begin behind the end.
    pub fn aborted_in(&self, from: Offset, segment: Offset, end: u64) -> Vec<Aborted> {
        let next = self.first_of_next(segment).unwrap_or(self.log_end);
        let bound = self.known_index(segment).above(end).unwrap_or(next);
        let bound = bound.min(self.last_stable());
        let first = self.aborted.partition_point(|it| it.marker < from);
        let mut found = Vec::new();
        for aborted in self.aborted.range(first..) {
            if aborted.first < bound {
                found.push(*aborted);
            }
            if aborted.last_stable >= bound {
                break;
            }
        }
        found
    }

    /// Whether nothing more will be readable in this segment for such a reader than is now.
    pub fn is_settled(&self, segment: Offset, isolation: Isolation) -> bool {
        segment < self.end_of(isolation).segment
    }

    /// What has to be searched for a timestamp. `None`: there is no such record.
    pub fn time_lookup(&self, target: TimeTarget, isolation: Isolation) -> Option<TimeLookup> {
        let (segment, at_or_after, first) = match target {
            TimeTarget::AtOrAfter(time) => {
                // One that compaction has emptied has nothing to be found; Kafka judges it by its file's time.
                let segment = self
                    .segments()
                    .find(|segment| segment.size > 0 && segment.largest_timestamp() >= time)?;
                (segment, time, None)
            }
            TimeTarget::Largest => {
                let largest = self.segments().map(|segment| segment.max_timestamp).max()?;
                let segment = self
                    .segments()
                    .find(|segment| segment.max_timestamp == largest)?;
                (segment, largest, Some(segment.max_timestamp_offset))
            }
        };
        // Without timestamps there is nothing to find; a segment is chosen by its file's time, but
        // its records are judged by theirs.
        if segment.max_timestamp == Timestamp::NONE {
            return None;
        }
        let from = match segment.base == self.active.tail.base {
            true => {
                let indexes = &self.active.indexes;
                let floor = TimeIndex::new(segment.base, &indexes.times).floor(at_or_after);
                let offset = first.unwrap_or(floor.max(self.log_start));
                From::Position(
                    OffsetIndex::new(segment.base, &indexes.offsets)
                        .floor(offset)
                        .0,
                )
            }
            false => From::Indexes { first },
        };
        Some(TimeLookup {
            segment: segment.base,
            length: segment.size,
            from,
            time: at_or_after,
            equal: first.is_some(),
            log_start: self.log_start,
            bound: self.bound(isolation).min(self.log_end),
        })
    }

    /// The offset that this reader may not have any more.
    pub fn bound(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::ReadUncommitted => self.high.offset,
            Isolation::ReadCommitted => self.last_stable(),
            Isolation::Replica => self.log_end,
        }
    }

    /// Where what this reader may have ends, or a place before it.
    fn end_of(&self, isolation: Isolation) -> Mark {
        match isolation {
            Isolation::Replica => self.mark(self.log_end),
            Isolation::ReadUncommitted => self.high,
            Isolation::ReadCommitted if self.last_stable() == self.high.offset => self.high,
            Isolation::ReadCommitted => self.mark(self.last_stable()),
        }
    }

    /// The position in `segment` behind the last byte that this reader may have.
    fn readable_end(&self, segment: Offset, isolation: Isolation) -> u64 {
        let mark = self.end_of(isolation);
        let size = match segment == self.active.tail.base {
            true => self.active.tail.size,
            false => self.segment_of(segment).size,
        };
        match segment.cmp(&mark.segment) {
            std::cmp::Ordering::Less => size,
            std::cmp::Ordering::Equal => mark.position.min(size),
            std::cmp::Ordering::Greater => 0,
        }
    }
}

/// Where the batch with that offset is: in memory, where the entries around it are exact, else between them.
fn search(segment: Segment, index: OffsetIndex<'_>, proven: &Proven, offset: Offset) -> Located {
    let below = index.count_up_to(offset);
    if let Some((position, batch_size)) = proven.place(index, below, offset) {
        return Located::At {
            segment: segment.base,
            position,
            batch_size,
        };
    }
    let (from, next) = index.floor_of(below);
    let to = next.map_or(segment.size, |next| {
        segment.size.min(next + HEADER_BYTES as u64)
    });
    Located::Scan {
        segment: segment.base,
        from,
        to,
    }
}
