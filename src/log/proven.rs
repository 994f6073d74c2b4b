//! What is known of an offset index beyond its bytes: which of its entries are exact.
//!
//! An entry tells the last offset of a batch and where that begins, but neither its size nor whether another
//! batch, without an entry, follows. Where batches are larger than `index.interval.bytes` each has one, and
//! its end is the next entry's position: known when it was appended or when its header was read once. From
//! then on a batch between two such entries is found without a look at the file, by every reader behind the
//! tail. A bit an entry; lost with the index when that leaves the memory, and learned again. The batch that a file
//! begins with, where who reads from the beginning begins, has no entry and is kept beside them.

use super::index::OffsetIndex;
use crate::types::Offset;

/// The entries of one offset index whose batch ends where the next entry's begins, and the batch before all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proven {
    words: Vec<u64>,
    /// Last offset and size of the batch at the file's beginning, once its header was read.
    first: Option<(Offset, u32)>,
}

impl Proven {
    /// A batch with that base offset gets the next entry. If the one before has the last, it ends here.
    pub(crate) fn append(&mut self, index: OffsetIndex<'_>, base: Offset) {
        if index.last().is_some_and(|it| it.offset.plus(1) == base) {
            self.note(index.len() - 1);
        }
    }

    /// That entry is exact, and so is where the next one's batch begins.
    fn note(&mut self, entry: usize) {
        let word = entry / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (entry % 64);
    }

    fn has(&self, entry: usize) -> bool {
        let word = self.words.get(entry / 64).copied().unwrap_or_default();
        word >> (entry % 64) & 1 == 1
    }

    /// A batch with that last offset lies there, by its header: takes note of it, if the file begins with it, and of
    /// its entry, if it has one and the next is that of the batch behind it.
    pub(crate) fn learn(&mut self, index: OffsetIndex<'_>, last: Offset, position: u64, size: u32) {
        if position == 0 {
            self.first = Some((last, size));
        }
        let after = index.count_up_to(last);
        let Some(entry) = after.checked_sub(1) else {
            return;
        };
        let is_exact = index
            .get(entry)
            .is_some_and(|it| (it.offset, it.position) == (last, position));
        let end = position + u64::from(size);
        if is_exact && index.get(after).is_some_and(|next| next.position == end) {
            self.note(entry);
        }
    }

    /// Position and size of the batch with `target`, or, where that is gone, of the next one. `below` are the
    /// entries up to `target`.
    pub(crate) fn place(
        &self,
        index: OffsetIndex<'_>,
        below: usize,
        target: Offset,
    ) -> Option<(u64, u32)> {
        let Some(before) = below.checked_sub(1) else {
            let (last, size) = self.first?;
            return (target <= last).then_some((0, size));
        };
        if !self.has(before) {
            return None;
        }
        let entry = match index.get(before)?.offset == target {
            true => before,
            false if self.has(below) => below,
            false => return None,
        };
        let position = index.get(entry)?.position;
        let end = index.get(entry + 1)?.position;
        Some((position, u32::try_from(end - position).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::{Indexes, OffsetEntry};
    use super::*;

    const BASE: Offset = Offset(100);

    /// Batches of ten offsets and as many thousand bytes as given, from the second on with an entry each.
    fn index(sizes: &[u64]) -> Vec<u8> {
        let mut indexes = Indexes::default();
        let mut position = 0;
        for (at, size) in sizes.iter().enumerate() {
            let offset = BASE.plus(at as i64 * 10 + 9);
            if at > 0 {
                indexes.add_offset(BASE, OffsetEntry { offset, position });
            }
            position += size * 1000;
        }
        indexes.offsets
    }

    #[test]
    fn a_place_is_known_between_two_batches_that_were_seen() {
        let bytes = index(&[5, 6, 7, 8, 9]);
        let index = OffsetIndex::new(BASE, &bytes);
        let mut proven = Proven::default();
        let place = |proven: &Proven, offset| {
            let target = BASE.plus(offset);
            proven.place(index, index.count_up_to(target), target)
        };
        let seen = |proven: &Proven| -> Vec<i64> {
            (0..50).filter(|it| place(proven, *it).is_some()).collect()
        };
        assert!(seen(&proven).is_empty());
        // Of the last it is not known where it ends.
        proven.learn(index, BASE.plus(49), 26_000, 9000);
        assert!(seen(&proven).is_empty());
        proven.learn(index, BASE.plus(19), 5000, 6000);
        assert_eq!(seen(&proven), [19]);
        assert_eq!(place(&proven, 19), Some((5000, 6000)));
        proven.learn(index, BASE.plus(29), 11_000, 7000);
        assert_eq!(seen(&proven), Vec::from_iter(19..30));
        assert_eq!(place(&proven, 20), Some((11_000, 7000)));
        assert_eq!(place(&proven, 29), Some((11_000, 7000)));
        proven.learn(index, BASE.plus(39), 18_000, 8000);
        assert_eq!(seen(&proven), Vec::from_iter(19..40));
        proven.learn(index, BASE.plus(9), 0, 5000);
        assert_eq!(place(&proven, 0), Some((0, 5000)));
        assert_eq!(
            seen(&proven),
            Vec::from_iter((0..10).chain(19..40)),
            "between the first and the second may lie others"
        );
    }

    #[test]
    fn the_first_batch_of_a_file_without_entries_is_known_once_it_was_seen() {
        let index = OffsetIndex::new(BASE, &[]);
        let mut proven = Proven::default();
        let place = |proven: &Proven, offset| proven.place(index, 0, BASE.plus(offset));
        proven.learn(index, BASE.plus(19), 700, 500);
        assert_eq!(place(&proven, 0), None);
        proven.learn(index, BASE.plus(9), 0, 700);
        assert_eq!(place(&proven, 0), Some((0, 700)));
        assert_eq!(place(&proven, 9), Some((0, 700)));
        assert_eq!(place(&proven, 10), None);
    }

    #[test]
    fn an_entry_that_says_something_else_than_its_batch_is_not_believed() {
        let bytes = index(&[5, 6, 7]);
        let index = OffsetIndex::new(BASE, &bytes);
        for (last, position, size) in [(18, 5000, 6000), (19, 5001, 6000), (19, 5000, 5999)] {
            let mut proven = Proven::default();
            proven.learn(index, BASE.plus(last), position, size);
            assert!(!proven.has(0), "{last} {position} {size}");
        }
    }

    #[test]
    fn entries_are_noted_one_by_one() {
        let mut proven = Proven::default();
        for entry in [0, 63, 64, 1000] {
            assert!(!proven.has(entry));
            proven.note(entry);
            assert!(proven.has(entry));
            assert!(!proven.has(entry + 1));
        }
    }
}
