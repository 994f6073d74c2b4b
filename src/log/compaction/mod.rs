//! Compaction: of each key only the newest record stays (Kafka's `LogCleaner`). Rules and arithmetic; the
//! files are the store's.
//!
//! ```text
//! plan          which segments, from where on they are dirty, which are put together into one
//! offset map    key -> offset of its newest record, of the dirty part; bounded
//! reading       batches of a segment, checked
//! transactions  whose batches were aborted, and which markers nothing stands behind any more
//! cleaner       batch after batch: noted in the map, then kept, thinned, emptied or dropped
//! rewriting     the segment that takes the place of those read, with its indexes
//! swap          that it does, in the log's memory
//! ```
//!
//! A log is clean up to the offset in `cleaner-offset-checkpoint`, dirty from there to the first segment
//! that may not be compacted: the active one, one that reaches over the last stable offset, one that is
//! not durable yet, one younger than `min.compaction.lag.ms`. A pass notes the dirty part's keys, as many
//! as the map takes, then writes all segments up to there anew. Invariants:
//!
//! - Records keep their offsets, batches their first and last offset: a reader sees gaps, never another
//!   record at an offset.
//! - The newest record of a key in the compacted part stays, unless it is a tombstone whose batch has had
//!   a delete horizon for `delete.retention.ms`: readers who are slower than that may miss it (KIP-534).
//! - What was aborted goes at once, its marker a delete horizon after the last batch of its transaction.
//! - A producer's last batch stays, if need be without records: it holds the last sequence number. So does
//!   the last batch of the compacted part, which says how far that goes.
//! - A damaged batch ends the pass; nothing of the log is changed.
//!
//! What Kafka's cleaner does besides and this one does not: delete old segments by `retention.*`
//! (nothing does yet), and the rules for batches before version 2, which are not stored.

mod cleaner;
mod offset_map;
mod plan;
mod reading;
mod rewriting;
mod swap;
mod transactions;

pub use cleaner::{Cleaner, Fate};
pub use offset_map::OffsetMap;
pub use plan::{CompactionPlan, CompactionRules, CompactionSource};
pub use reading::{Stretch, TakeBatch, Unreadable, each_batch};
pub use rewriting::{Replacement, Rewriting};
