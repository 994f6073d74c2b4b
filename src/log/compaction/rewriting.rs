//! The segment that takes the place of one or several: its batches come in order, its indexes are built as
//! an append builds them.

use super::plan::CompactionSource;
use crate::batch::Header;
use crate::log::aborted::Aborted;
use crate::log::index::Indexes;
use crate::log::machine::LogConfig;
use crate::log::segment::{Segment, Tail};
use crate::types::Offset;
use bytes::Bytes;
use std::sync::Arc;

/// A segment has positions of 31 bits.
const SEGMENT_BYTES_MAX: u64 = i32::MAX as u64;

/// See the module.
#[derive(Debug)]
pub struct Rewriting {
    config: Arc<LogConfig>,
    tail: Tail,
    indexes: Indexes,
    aborted: Vec<Aborted>,
}

/// A segment, ready to take the place of others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replacement {
    /// The bases of those that it replaces, ascending; it has the first one's.
    pub replaced: Vec<Offset>,
    /// The base of the segment behind them.
    pub end: Offset,
    /// What it is.
    pub segment: Segment,
    /// Its `.index`.
    pub index: Bytes,
    /// Its `.timeindex`.
    pub timeindex: Bytes,
    /// Its `.txnindex`; none: there must be no such file.
    pub txnindex: Option<Bytes>,
    /// The aborted transactions whose markers are in it.
    pub(in crate::log) aborted: Vec<Aborted>,
}

impl Rewriting {
    /// Of segments of which this is the first.
    pub fn new(config: Arc<LogConfig>, first: &CompactionSource) -> Rewriting {
        Rewriting {
            tail: Tail::new(&config, first.base, first.modified),
            config,
            indexes: Indexes::default(),
            aborted: Vec::new(),
        }
    }

    /// Bytes so far: where the next batch goes.
    pub fn size(&self) -> u64 {
        self.tail.size
    }

    /// Adds a batch of so many bytes. `false` if the segment would become too large: batches may grow
    /// when their timestamps are counted from another moment, or are compressed less.
    #[must_use]
    pub fn add(&mut self, header: &Header, size: usize) -> bool {
        if self.tail.size + size as u64 > SEGMENT_BYTES_MAX {
            return false;
        }
        let last = header.last_offset();
        let added = self
            .tail
            .add(&self.config, size as u32, last, header.max_timestamp);
        self.indexes.add(self.tail.base, &added);
        true
    }

    /// The marker of an aborted transaction was met of which batches were there.
    pub fn name(&mut self, aborted: Aborted) {
        self.aborted.push(aborted);
    }

    /// The segment, in the place of these.
    pub fn finish(mut self, sources: &[CompactionSource]) -> Replacement {
        let last = sources.last().expect("it replaces something");
        if let Some(entry) = self.tail.time_entry() {
            self.indexes.add_time(self.tail.base, entry);
        }
        let aborted = self.aborted.iter();
        let txnindex: Vec<u8> = aborted.flat_map(|entry| entry.encode()).collect();
        Replacement {
            replaced: sources.iter().map(|source| source.base).collect(),
            end: last.next,
            segment: self.tail.segment(last.modified),
            index: self.indexes.offsets.into(),
            timeindex: self.indexes.times.into(),
            txnindex: (!txnindex.is_empty()).then(|| txnindex.into()),
            aborted: self.aborted,
        }
    }
}
