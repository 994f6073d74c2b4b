//! The front of a log: what is deleted there, and which files go with it.

use super::{Beside, Lane, Store, Submissions};
use crate::types::Offset;

impl Store {
    /// Deletes what lies before `offset` (DeleteRecords). Says whether the log's start moved.
    ///
    /// # Errors
    /// Above the high watermark, which is returned: OFFSET_OUT_OF_RANGE.
    pub fn delete_records(
        &mut self,
        offset: Offset,
        out: &mut Submissions,
    ) -> Result<bool, Offset> {
        let before = self.log.epochs().entries().to_vec();
        let moved = self.log.advance_log_start(offset)?;
        if before != self.log.epochs().entries() {
            self.write_epochs(out);
        }
        Ok(moved)
    }

    /// Takes the segments out of the log that lie before its start, and says which: their files may go
    /// (Kafka's pass of retention by the log's start). A fetch under way holds its file, so it is sent
    /// all the same.
    ///
    /// A segment of which something is in flight stays until the next call: its indexes are being
    /// written, or its file is being opened; and so do all while the log is compacted.
    pub fn remove_before_start(&mut self) -> Vec<Offset> {
        let mut removed = Vec::new();
        if self.offline || self.is_compacting() {
            return removed;
        }
        while let Some((base, next)) = self.oldest_two() {
            if next > self.log.log_start() || self.is_at_work_on(base, next) {
                break;
            }
            let Some(segment) = self.log.remove_oldest() else {
                break;
            };
            assert_eq!(segment.base, base, "the oldest segment goes first");
            self.sealed.remove(&base);
            removed.push(base);
        }
        removed
    }

    fn oldest_two(&self) -> Option<(Offset, Offset)> {
        let mut bases = self.log.segments().map(|segment| segment.base);
        Some((bases.next()?, bases.next()?))
    }

    fn is_at_work_on(&self, base: Offset, next: Offset) -> bool {
        // While a roll opens the next file, the one before is still what is appended to.
        matches!(self.lane, Lane::Rolling { base } if base == next)
            || self.beside.values().any(|beside| match beside {
                Beside::Sealing { next: sealing } => *sealing == next,
                Beside::Opening { base: opening, .. } => *opening == base,
                Beside::Reserving { .. }
                | Beside::Headers { .. }
                | Beside::Epochs
                | Beside::Compacting
                | Beside::Swapping
                | Beside::RemovingCleaned { .. }
                | Beside::Flushing { .. } => false,
            })
    }
}
