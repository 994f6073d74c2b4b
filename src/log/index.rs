//! The two sparse indexes of a segment, as Kafka lays them out. They are derived from the log: a
//! look-up that finds nonsense in one falls back to the segment's start, never to an error.
//!
//! ```text
//! .index      8 bytes an entry: i32 last offset of a batch - base | i32 position where it starts
//! .timeindex 12 bytes an entry: i64 largest timestamp so far      | i32 last offset of its batch - base
//! ```
//!
//! Entries ascend strictly in their first field and do not fall in the second. Big-endian.

use crate::types::{Offset, Timestamp};

/// Bytes of one entry of a `.index` file.
pub const OFFSET_ENTRY_BYTES: usize = 8;
/// Bytes of one entry of a `.timeindex` file.
pub const TIME_ENTRY_BYTES: usize = 12;

/// One entry of an offset index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OffsetEntry {
    /// The last offset of the batch.
    pub offset: Offset,
    /// Where the batch starts in the segment.
    pub position: u64,
}

/// One entry of a time index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeEntry {
    /// The largest timestamp of the segment up to here.
    pub timestamp: Timestamp,
    /// The last offset of the batch that had it first.
    pub offset: Offset,
}

/// The bytes of a `.index` file, to look something up. Bytes behind the last whole entry are ignored.
#[derive(Clone, Copy, Debug)]
pub struct OffsetIndex<'a> {
    base: Offset,
    bytes: &'a [u8],
}

impl<'a> OffsetIndex<'a> {
    /// The index of the segment with this base.
    pub fn new(base: Offset, bytes: &'a [u8]) -> OffsetIndex<'a> {
        OffsetIndex { base, bytes }
    }

    /// Whole entries.
    pub fn len(&self) -> usize {
        self.bytes.len() / OFFSET_ENTRY_BYTES
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at `at`.
    pub fn get(&self, at: usize) -> Option<OffsetEntry> {
        let entry = self
            .bytes
            .get(at * OFFSET_ENTRY_BYTES..(at + 1) * OFFSET_ENTRY_BYTES)?;
        Some(OffsetEntry {
            offset: self.base.plus(read_i32(entry, 0) as i64),
            position: read_i32(entry, 4).max(0) as u64,
        })
    }

    /// The last entry.
    pub fn last(&self) -> Option<OffsetEntry> {
        self.len().checked_sub(1).and_then(|at| self.get(at))
    }

    /// The position from which `target` is to be searched: that of the largest entry at or below it,
    /// else 0; and the position of the next entry, at or before which its batch starts.
    pub fn floor(&self, target: Offset) -> (u64, Option<u64>) {
        self.floor_of(self.count_up_to(target))
    }

    /// How many entries are at or below `target`.
    pub(crate) fn count_up_to(&self, target: Offset) -> usize {
        first_where(self.len(), |at| {
            self.get(at).is_none_or(|entry| entry.offset > target)
        })
    }

    /// The floor of a target at or above so many entries.
    pub(crate) fn floor_of(&self, after: usize) -> (u64, Option<u64>) {
        let from = match after {
            0 => 0,
            _ => self.get(after - 1).map_or(0, |entry| entry.position),
        };
        (from, self.get(after).map(|entry| entry.position))
    }

    /// An offset above all that lie before `position`: that of the first entry from there on.
    pub fn above(&self, position: u64) -> Option<Offset> {
        let at = first_where(self.len(), |at| {
            self.get(at).is_none_or(|entry| entry.position >= position)
        });
        self.get(at).map(|entry| entry.offset)
    }

    /// Whether every entry ascends and lies within a segment of `size` bytes. An index that does not
    /// is worth nothing.
    pub fn fits(&self, size: u64) -> bool {
        let mut before = OffsetEntry {
            offset: self.base.plus(-1),
            position: 0,
        };
        (0..self.len()).all(|at| {
            let entry = self.get(at).expect("at < len");
            let ascends = entry.offset > before.offset && entry.position > before.position;
            before = entry;
            ascends && entry.position < size
        })
    }
}

/// The bytes of a `.timeindex` file, to look something up.
#[derive(Clone, Copy, Debug)]
pub struct TimeIndex<'a> {
    base: Offset,
    bytes: &'a [u8],
}

impl<'a> TimeIndex<'a> {
    /// The index of the segment with this base.
    pub fn new(base: Offset, bytes: &'a [u8]) -> TimeIndex<'a> {
        TimeIndex { base, bytes }
    }

    /// Whole entries.
    pub fn len(&self) -> usize {
        self.bytes.len() / TIME_ENTRY_BYTES
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry at `at`.
    pub fn get(&self, at: usize) -> Option<TimeEntry> {
        let entry = self
            .bytes
            .get(at * TIME_ENTRY_BYTES..(at + 1) * TIME_ENTRY_BYTES)?;
        Some(TimeEntry {
            timestamp: Timestamp(i64::from_be_bytes(entry[..8].try_into().expect("8 bytes"))),
            offset: self.base.plus(read_i32(entry, 8) as i64),
        })
    }

    /// The last entry.
    pub fn last(&self) -> Option<TimeEntry> {
        self.len().checked_sub(1).and_then(|at| self.get(at))
    }

    /// The offset from which a timestamp is to be searched: that of the last entry whose timestamp
    /// is at or below it, else the segment's base.
    pub fn floor(&self, target: Timestamp) -> Offset {
        let after = first_where(self.len(), |at| {
            self.get(at).is_none_or(|entry| entry.timestamp > target)
        });
        match after {
            0 => self.base,
            _ => self.get(after - 1).map_or(self.base, |entry| entry.offset),
        }
    }
}

/// The indexes of a segment that is being written, as the bytes their files will hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Indexes {
    pub(crate) offsets: Vec<u8>,
    pub(crate) times: Vec<u8>,
}

impl Indexes {
    pub(crate) fn add_offset(&mut self, base: Offset, entry: OffsetEntry) {
        let position = i32::try_from(entry.position).expect("a segment is below 2^31 bytes");
        self.offsets
            .extend_from_slice(&relative(base, entry.offset).to_be_bytes());
        self.offsets.extend_from_slice(&position.to_be_bytes());
    }

    pub(crate) fn add_time(&mut self, base: Offset, entry: TimeEntry) {
        self.times
            .extend_from_slice(&entry.timestamp.0.to_be_bytes());
        self.times
            .extend_from_slice(&relative(base, entry.offset).to_be_bytes());
    }
}

/// An offset as an index holds it. The roll keeps it within 31 bits.
fn relative(base: Offset, offset: Offset) -> i32 {
    i32::try_from(offset.0 - base.0).expect("a segment spans less than 2^31 offsets")
}

fn read_i32(entry: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(entry[at..at + 4].try_into().expect("4 bytes"))
}

/// The first of `count` positions at which `holds` is true; it is false before and true after.
fn first_where(count: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Offset = Offset(1000);

    fn offsets(entries: &[(i64, u64)]) -> Vec<u8> {
        let mut indexes = Indexes::default();
        for &(offset, position) in entries {
            let offset = Offset(offset);
            indexes.add_offset(BASE, OffsetEntry { offset, position });
        }
        indexes.offsets
    }

    #[test]
    fn entries_have_kafkas_bytes() {
        let mut indexes = Indexes::default();
        indexes.add_offset(
            Offset(0),
            OffsetEntry {
                offset: Offset(4),
                position: 4 * 1072,
            },
        );
        assert_eq!(indexes.offsets, [0, 0, 0, 4, 0, 0, 0x10, 0xc0]);
        indexes.add_time(
            Offset(0),
            TimeEntry {
                timestamp: Timestamp(0x1a20339c27e),
                offset: Offset(0x3cf),
            },
        );
        assert_eq!(
            indexes.times,
            [0, 0, 1, 0xa2, 3, 0x39, 0xc2, 0x7e, 0, 0, 3, 0xcf]
        );
    }

    #[test]
    fn the_floor_is_the_largest_entry_at_or_below() {
        let bytes = offsets(&[(1004, 100), (1010, 200), (1011, 300)]);
        let index = OffsetIndex::new(BASE, &bytes);
        assert_eq!(index.floor(Offset(1003)), (0, Some(100)));
        assert_eq!(index.floor(Offset(1004)), (100, Some(200)));
        assert_eq!(index.floor(Offset(1009)), (100, Some(200)));
        assert_eq!(index.floor(Offset(1010)), (200, Some(300)));
        assert_eq!(index.floor(Offset(9999)), (300, None));
        assert_eq!(OffsetIndex::new(BASE, &[]).floor(BASE), (0, None));
    }

    #[test]
    fn an_index_out_of_order_or_beyond_the_log_does_not_fit() {
        assert!(OffsetIndex::new(BASE, &offsets(&[(1004, 100), (1010, 200)])).fits(201));
        assert!(!OffsetIndex::new(BASE, &offsets(&[(1004, 100), (1010, 200)])).fits(200));
        assert!(!OffsetIndex::new(BASE, &offsets(&[(1004, 100), (1004, 200)])).fits(999));
        assert!(!OffsetIndex::new(BASE, &offsets(&[(1004, 100), (1005, 100)])).fits(999));
        assert!(!OffsetIndex::new(BASE, &[0; 16]).fits(999));
        assert!(OffsetIndex::new(BASE, &[]).fits(0));
    }

    #[test]
    fn a_time_look_up_starts_at_the_last_entry_not_above() {
        let mut indexes = Indexes::default();
        for (time, offset) in [(10, 1002), (20, 1005), (30, 1009)] {
            let timestamp = Timestamp(time);
            let offset = Offset(offset);
            indexes.add_time(BASE, TimeEntry { timestamp, offset });
        }
        let index = TimeIndex::new(BASE, &indexes.times);
        assert_eq!(index.floor(Timestamp(9)), BASE);
        assert_eq!(index.floor(Timestamp(10)), Offset(1002));
        assert_eq!(index.floor(Timestamp(29)), Offset(1005));
        assert_eq!(index.floor(Timestamp(99)), Offset(1009));
        assert_eq!(index.last().unwrap().offset, Offset(1009));
    }

    #[test]
    fn half_an_entry_at_the_end_is_ignored() {
        let mut bytes = offsets(&[(1004, 100)]);
        bytes.extend_from_slice(&[0, 0, 0]);
        assert_eq!(OffsetIndex::new(BASE, &bytes).len(), 1);
        assert_eq!(TimeIndex::new(BASE, &bytes[..11]).len(), 0);
    }
}
