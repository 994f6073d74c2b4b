//! Which leader wrote what (KIP-101): for each leader epoch the offset at which it began. Followers
//! and consumers ask where an epoch ended, to see whether they have diverged (KIP-279, KIP-320).
//!
//! Epochs and start offsets both ascend strictly. The newest epoch is kept even while it has no
//! records: to forget it would send a follower round in circles.

use super::checkpoint::{lines, number, offset, text};
use crate::types::{LeaderEpoch, Offset};

/// An epoch and the offset at which it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The first offset its leader could have written.
    pub start: Offset,
}

/// The epochs of one log, ascending.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Epochs {
    entries: Vec<EpochStart>,
}

impl Epochs {
    /// Reads `leader-epoch-checkpoint`; `None` if it is damaged or its entries do not ascend. An
    /// empty file has no entries.
    pub fn parse(file: &str) -> Option<Epochs> {
        let mut epochs = Epochs::default();
        for line in lines(file)? {
            let (epoch, start) = line.split_once(' ')?;
            let entry = EpochStart {
                epoch: LeaderEpoch(i32::try_from(number(epoch)?).ok()?),
                start: offset(start)?,
            };
            let ascends = epochs
                .entries
                .last()
                .is_none_or(|last| last.epoch < entry.epoch && last.start < entry.start);
            if !ascends {
                return None;
            }
            epochs.entries.push(entry);
        }
        Some(epochs)
    }

    /// The text of `leader-epoch-checkpoint`.
    pub fn text(&self) -> String {
        text(
            self.entries
                .iter()
                .map(|entry| format!("{} {}", entry.epoch, entry.start)),
        )
    }

    /// All entries, ascending.
    pub fn entries(&self) -> &[EpochStart] {
        &self.entries
    }

    /// The newest epoch.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// The epoch that wrote `offset`.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start <= offset);
        Some(self.entries[after.checked_sub(1)?].epoch)
    }

    /// `epoch` begins at `start`. Says whether that was news. Entries that it contradicts (an epoch
    /// as new, or a start as late) give way to it; the current epoch does not begin twice.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        assert!(epoch.0 >= 0 && start.0 >= 0, "an epoch {epoch} at {start}");
        if self
            .entries
            .last()
            .is_some_and(|last| last.epoch == epoch && last.start <= start)
        {
            return false;
        }
        let kept = self
            .entries
            .iter()
            .take_while(|entry| entry.epoch < epoch && entry.start < start)
            .count();
        self.entries.truncate(kept);
        self.entries.push(EpochStart { epoch, start });
        true
    }

    /// A batch in the log says that `epoch` had begun at `start`: an epoch that is newer than all that are
    /// known begins there, and one that was said to begin later does, too. Those behind it stay, the newest
    /// without records above all.
    pub fn seen(&mut self, epoch: LeaderEpoch, start: Offset) {
        if epoch.0 < 0 || start.0 < 0 {
            return;
        }
        let at = self.entries.partition_point(|entry| entry.epoch < epoch);
        match self.entries.get_mut(at) {
            None => {
                self.assign(epoch, start);
            }
            Some(entry) if entry.epoch == epoch && entry.start > start => {
                entry.start = start;
                let kept = self.entries[..at].partition_point(|entry| entry.start < start);
                self.entries.drain(kept..at);
            }
            Some(_) => {}
        }
    }

    /// Where the records of `epoch` end, or of the next older epoch that has any: that epoch and the
    /// offset behind its last record (KIP-101, KIP-279). For an epoch this log has not heard of:
    /// unknown, -1.
    pub fn end_offset_for(&self, epoch: LeaderEpoch, log_end: Offset) -> (LeaderEpoch, Offset) {
        const UNKNOWN: (LeaderEpoch, Offset) = (LeaderEpoch::UNKNOWN, Offset::UNKNOWN);
        if epoch == LeaderEpoch::UNKNOWN {
            return UNKNOWN;
        }
        if self.latest() == Some(epoch) {
            return (epoch, log_end);
        }
        let higher = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let Some(next) = self.entries.get(higher) else {
            return UNKNOWN;
        };
        match higher {
            0 => (epoch, next.start),
            _ => (self.entries[higher - 1].epoch, next.start),
        }
    }

    /// The log now begins at `log_start`: epochs that ended before go, the one in force there begins
    /// there. Says whether anything changed.
    pub fn cut_before(&mut self, log_start: Offset) -> bool {
        let begun = self
            .entries
            .partition_point(|entry| entry.start <= log_start);
        let Some(in_force) = begun.checked_sub(1) else {
            return false;
        };
        if in_force == 0 && self.entries[0].start == log_start {
            return false;
        }
        self.entries.drain(..in_force);
        self.entries[0].start = log_start;
        true
    }

    /// The log now ends at `log_end`: epochs that began behind it go. One that begins exactly there
    /// stays. Says whether anything changed.
    pub fn cut_after(&mut self, log_end: Offset) -> bool {
        let kept = self.entries.partition_point(|entry| entry.start <= log_end);
        let changed = kept < self.entries.len();
        self.entries.truncate(kept);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        for &(epoch, start) in entries {
            assert!(epochs.assign(LeaderEpoch(epoch), Offset(start)));
        }
        epochs
    }

    fn pairs(epochs: &Epochs) -> Vec<(i32, i64)> {
        let entries = epochs.entries.iter();
        entries
            .map(|entry| (entry.epoch.0, entry.start.0))
            .collect()
    }

    #[test]
    fn the_checkpoint_has_kafkas_text() {
        assert_eq!(epochs(&[(0, 18)]).text(), "0\n1\n0 18\n");
        assert_eq!(Epochs::default().text(), "0\n0\n");
        let two = epochs(&[(0, 0), (4, 18)]);
        assert_eq!(Epochs::parse(&two.text()), Some(two));
        assert_eq!(Epochs::parse(""), Some(Epochs::default()));
        for bad in [
            "1\n0\n",
            "0\n2\n0 1\n",
            "0\n1\n0 x\n",
            "0\n1\n0 9223372036854775807\n",
            "0\n2\n1 5\n0 6\n",
            "0",
        ] {
            assert_eq!(Epochs::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_epoch_begins_once_and_replaces_an_empty_one() {
        let mut log = epochs(&[(0, 0), (1, 10)]);
        assert!(!log.assign(LeaderEpoch(1), Offset(15)));
        assert!(log.assign(LeaderEpoch(3), Offset(10)));
        assert_eq!(pairs(&log), [(0, 0), (3, 10)]);
        assert!(log.assign(LeaderEpoch(2), Offset(7)));
        assert_eq!(pairs(&log), [(0, 0), (2, 7)]);
    }

    #[test]
    fn what_a_batch_says_moves_its_epoch_back_and_costs_no_later_one() {
        let mut log = epochs(&[(1, 10), (2, 20), (4, 30)]);
        log.seen(LeaderEpoch(2), Offset(25));
        log.seen(LeaderEpoch(3), Offset(28));
        log.seen(LeaderEpoch(-1), Offset(0));
        assert_eq!(pairs(&log), [(1, 10), (2, 20), (4, 30)]);
        log.seen(LeaderEpoch(1), Offset(5));
        assert_eq!(pairs(&log), [(1, 5), (2, 20), (4, 30)]);
        log.seen(LeaderEpoch(4), Offset(20));
        assert_eq!(pairs(&log), [(1, 5), (4, 20)]);
        log.seen(LeaderEpoch(6), Offset(20));
        assert_eq!(pairs(&log), [(1, 5), (6, 20)]);
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let log = epochs(&[(2, 10), (3, 20), (6, 30)]);
        let end = |epoch| {
            let (epoch, offset) = log.end_offset_for(LeaderEpoch(epoch), Offset(40));
            (epoch.0, offset.0)
        };
        assert_eq!(end(-1), (-1, -1));
        assert_eq!(end(1), (1, 10));
        assert_eq!(end(2), (2, 20));
        assert_eq!(end(3), (3, 30));
        assert_eq!(end(5), (3, 30));
        assert_eq!(end(6), (6, 40));
        assert_eq!(end(7), (-1, -1));
        let none = Epochs::default();
        assert_eq!(
            none.end_offset_for(LeaderEpoch(0), Offset(0)).1,
            Offset::UNKNOWN
        );
    }

    #[test]
    fn cutting_the_log_keeps_the_epoch_in_force_and_the_empty_one_at_the_end() {
        let mut log = epochs(&[(2, 10), (3, 20), (6, 30)]);
        assert!(!log.cut_before(Offset(10)));
        assert!(log.cut_before(Offset(25)));
        assert_eq!(pairs(&log), [(3, 25), (6, 30)]);
        assert!(!log.cut_after(Offset(30)));
        assert_eq!(pairs(&log), [(3, 25), (6, 30)]);
        assert!(log.cut_after(Offset(29)));
        assert_eq!(pairs(&log), [(3, 25)]);
        assert_eq!(log.epoch_of(Offset(26)), Some(LeaderEpoch(3)));
        assert_eq!(log.epoch_of(Offset(24)), None);
    }
}
