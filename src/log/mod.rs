//! One partition's log as a pure machine: it decides, the store does.
//!
//! ```text
//! stage     a batch gets its offset and place, tentatively; sequence and roll are decided
//! complete  its bytes are on the file: log end, watermark, indexes, epochs, producers move
//! abandon   the append failed: everything staged is forgotten
//! roll      the active segment is sealed, the next begins
//! locate    an offset -> segment and position, from memory, or what has to be read to know
//! compact   of each key the newest record stays: rules, and the swap of segments
//! load      files -> a log, after a clean stop or a crash
//! ```
//!
//! Files and their bytes are Kafka's: `.log .index .timeindex .txnindex .snapshot`, the epoch and
//! offset checkpoints, `partition.metadata`. Indexes, epochs and producer state are derived from the
//! batches; recovery rebuilds them and never believes them beyond the log's end.
//!
//! Invariant: `log_start <= last_stable <= high_watermark <= log_end`, asserted where they move.

mod aborted;
mod checkpoint;
mod compaction;
mod epochs;
mod index;
mod lookup;
mod machine;
mod names;
mod producers;
mod proven;
mod recent;
mod recovery;
mod scan;
mod segment;
mod time;

pub use aborted::{ABORTED_ENTRY_BYTES, Aborted, parse_aborted};
pub use checkpoint::{
    OffsetCheckpoint, offsets_text, parse_offsets, parse_partition_metadata,
    partition_metadata_text,
};
pub use compaction::{
    Cleaner, CompactionPlan, CompactionRules, CompactionSource, Fate, OffsetMap, Replacement,
    Rewriting, Stretch, TakeBatch, Unreadable, each_batch,
};
pub use epochs::{EpochStart, Epochs};
pub use index::{
    OFFSET_ENTRY_BYTES, OffsetEntry, OffsetIndex, TIME_ENTRY_BYTES, TimeEntry, TimeIndex,
};
pub use lookup::{Isolation, Located, ScanStep, Slice, scan_headers};
pub use machine::{Completed, Log, LogConfig, Refused, Sealed, Staged};
pub use names::{
    FileKind, Stage, TidyPlan, file_name, parse_file_name, plan_tidy, staged_file_name,
    swaps_to_finish,
};
pub use producers::ProducerState;
pub use recovery::{Fault, Files, Found, LoadError, Loaded, Rebuilt, SegmentFiles, load};
pub use scan::{Sifted, Source, next_offset, sift};
pub use segment::Segment;
pub use time::{TimeFound, TimeLookup, TimeTarget, time_at};

#[cfg(test)]
mod tests;
