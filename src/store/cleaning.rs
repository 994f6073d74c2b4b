//! The shard's side of compaction: a pass is begun, goes on step by step, swaps segments, ends.
//!
//! A new segment counts in memory before its files have taken their names, so until they have it is served
//! from what is held open here and never opened by its name. What was looked up in an old segment is told
//! from what is there now by a generation: a position found before a swap means nothing after it. A fetch
//! that was answered before keeps the old file open and sends from it.

use super::compaction::{Compaction, CompactionFault, CompactionMeans, SegmentSwap, Stepped};
use super::{Beside, Event, Store, Submissions, Task, is_of_the_disk};
use crate::io::{File, Operation};
use crate::log::{CompactionRules, Replacement, TimeLookup};
use crate::types::{Now, Offset};
use bytes::Bytes;
use std::io;

/// Where compaction stands.
pub(super) enum Cleaning {
    /// Nothing is under way.
    Idle,
    /// A pass waits to be told to go on.
    Waiting(Box<Compaction>),
    /// The same, and what comes next is the swap of that segment.
    Ready(Box<Compaction>, Box<Replacement>, File),
    /// Something of it is in flight.
    Busy {
        /// The pass, while it is not what is in flight.
        pass: Option<Box<Compaction>>,
        /// It goes no further.
        given_up: bool,
    },
    /// There is damage in its way: nothing more until the next start.
    Barred,
}

/// A segment in whose place another is coming.
pub(super) struct Transit {
    base: Offset,
    held: HeldSegment,
}

/// A segment's files, held open or in memory.
#[derive(Clone, Debug)]
pub struct HeldSegment {
    /// `.log`.
    pub log: File,
    /// The bytes of its `.index`.
    pub index: Bytes,
    /// The bytes of its `.timeindex`.
    pub timeindex: Bytes,
}

/// A step of a pass that has ended.
#[derive(Debug)]
pub struct Compacted {
    /// The pass.
    pub pass: Box<Compaction>,
    /// Bytes that were read and written.
    pub bytes: u64,
    /// What comes next.
    pub result: Result<Stepped, CompactionFault>,
}

impl Store {
    /// The share of dirty bytes, if a pass is due and none is under way.
    pub fn compaction_due(&self, rules: &CompactionRules, now: Now) -> Option<f64> {
        match self.cleaning {
            Cleaning::Idle if !self.offline => self.log.compaction_due(rules, now.wall),
            _ => None,
        }
    }

    /// Begins a pass. Each step ends with [`Event::CompactionStepped`], the pass with
    /// [`Event::CompactionEnded`].
    pub fn begin_compaction(
        &mut self,
        rules: &CompactionRules,
        means: &CompactionMeans,
        now: Now,
        out: &mut Submissions,
    ) {
        let plan = self.log.plan_compaction(rules, now.wall);
        let pass = Compaction::new(self.directory.clone(), plan, means);
        self.step(Box::new(pass), out);
    }

    /// Goes on with a pass that has stepped. `false` if it does not: there is none, or segments are to be
    /// swapped and `may_swap` does not hold or the log rolls. Until the next file is open, the one that is
    /// still held is known by the segment before: that one must not become another.
    pub fn go_on_compacting(&mut self, may_swap: bool, out: &mut Submissions) -> bool {
        if self.offline {
            return false;
        }
        match std::mem::replace(&mut self.cleaning, Cleaning::Idle) {
            Cleaning::Waiting(pass) => self.step(pass, out),
            Cleaning::Ready(pass, replacement, file) if may_swap && !self.is_rolling() => {
                self.swap(pass, &replacement, file, out);
            }
            other => {
                self.cleaning = other;
                return false;
            }
        }
        true
    }

    /// Ends a pass, if one is under way, as soon as may be.
    pub fn give_compaction_up(&mut self, out: &mut Submissions) {
        match std::mem::replace(&mut self.cleaning, Cleaning::Idle) {
            // Nothing more is done to its files.
            Cleaning::Waiting(_) | Cleaning::Ready(..) if self.offline => {}
            Cleaning::Waiting(_) | Cleaning::Ready(..) => self.remove_cleaned(false, out),
            Cleaning::Busy { pass, .. } => {
                let given_up = true;
                self.cleaning = Cleaning::Busy { pass, given_up };
            }
            other @ (Cleaning::Idle | Cleaning::Barred) => self.cleaning = other,
        }
    }

    /// How many times segments have taken the place of others.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// A look-up by time, to be run off the shard.
    pub fn look_up_time(&self, lookup: TimeLookup) -> Task {
        let transit = self.transit.as_ref();
        let held = transit.filter(|transit| transit.base == lookup.segment);
        Task::LookUpTime {
            lookup: Box::new(lookup),
            directory: self.directory.clone(),
            held: held.map(|transit| Box::new(transit.held.clone())),
        }
    }

    /// A segment whose files have not taken their names yet.
    pub(super) fn in_transit(&self, base: Offset) -> Option<&HeldSegment> {
        let transit = self.transit.as_ref();
        transit
            .filter(|transit| transit.base == base)
            .map(|transit| &transit.held)
    }

    /// Whether a pass is under way: its segments stay where they are.
    pub(super) fn is_compacting(&self) -> bool {
        !matches!(self.cleaning, Cleaning::Idle | Cleaning::Barred)
    }

    fn step(&mut self, pass: Box<Compaction>, out: &mut Submissions) {
        self.cleaning = Cleaning::Busy {
            pass: None,
            given_up: false,
        };
        let task = Task::Compact(pass);
        self.submit_beside(Beside::Compacting, Operation::Task(task), out);
    }

    pub(super) fn compacted(
        &mut self,
        compacted: Compacted,
        out: &mut Submissions,
    ) -> Option<Event> {
        let Compacted {
            pass,
            bytes,
            result,
        } = compacted;
        let given_up = matches!(self.cleaning, Cleaning::Busy { given_up: true, .. });
        self.cleaning = Cleaning::Idle;
        if self.offline {
            return Some(Event::CompactionEnded { cleaned: None });
        }
        match result {
            Err(fault) => return self.compaction_failed(fault, out),
            Ok(Stepped::Done(cleaned)) => {
                let directory = self.directory.display();
                let (from, to) = pass.bytes();
                tracing::debug!(%directory, %cleaned, "compacted {from} bytes to {to}");
                self.log.set_cleaned(cleaned);
                let cleaned = Some(cleaned);
                return Some(Event::CompactionEnded { cleaned });
            }
            Ok(Stepped::More | Stepped::Swap(..)) if given_up => {
                self.remove_cleaned(false, out);
                return None;
            }
            Ok(Stepped::More) => self.cleaning = Cleaning::Waiting(pass),
            Ok(Stepped::Swap(replacement, file)) => {
                self.cleaning = Cleaning::Ready(pass, replacement, file);
            }
        }
        Some(Event::CompactionStepped { bytes })
    }

    /// Nothing of the log has changed. A disk that has failed takes the partition with it; one that is
    /// full is tried again; what is damaged is left alone.
    fn compaction_failed(
        &mut self,
        fault: CompactionFault,
        out: &mut Submissions,
    ) -> Option<Event> {
        let directory = self.directory.display();
        let bars = match fault {
            CompactionFault::Io(error) if is_of_the_disk(&error) => {
                return Some(self.fail_for_good("compaction", &error, true));
            }
            CompactionFault::Io(error) => {
                tracing::warn!(%directory, "compaction is put off: {error}");
                false
            }
            fault @ (CompactionFault::Segment { .. } | CompactionFault::TooLarge(_)) => {
                tracing::error!(%directory, "it is not compacted until the next start: {fault}");
                true
            }
        };
        self.remove_cleaned(bars, out);
        None
    }

    fn remove_cleaned(&mut self, bars: bool, out: &mut Submissions) {
        self.cleaning = Cleaning::Busy {
            pass: None,
            given_up: true,
        };
        let task = Task::RemoveCleaned {
            directory: self.directory.clone(),
        };
        let removing = Beside::RemovingCleaned { bars };
        self.submit_beside(removing, Operation::Task(task), out);
    }

    /// What a pass had written is gone. Where it is not, the next one must not come: beside it, a start
    /// would take that one's segments for unfinished, too.
    pub(super) fn cleaned_removed(&mut self, bars: bool, result: io::Result<()>) -> Option<Event> {
        if let Err(error) = &result {
            let directory = self.directory.display();
            tracing::error!(%directory, "it is not compacted until the next start: {error}");
        }
        self.cleaning = match bars || result.is_err() {
            true => Cleaning::Barred,
            false => Cleaning::Idle,
        };
        Some(Event::CompactionEnded { cleaned: None })
    }

    fn swap(
        &mut self,
        pass: Box<Compaction>,
        replacement: &Replacement,
        file: File,
        out: &mut Submissions,
    ) {
        let base = replacement.segment.base;
        self.log.replace(replacement);
        self.generation = self.generation.wrapping_add(1);
        for base in &replacement.replaced {
            self.sealed.remove(base);
        }
        self.keep_open(base, file.clone());
        self.transit = Some(Transit {
            base,
            held: HeldSegment {
                log: file,
                index: replacement.index.clone(),
                timeindex: replacement.timeindex.clone(),
            },
        });
        self.cleaning = Cleaning::Busy {
            pass: Some(pass),
            given_up: false,
        };
        let task = Task::SwapSegments {
            directory: self.directory.clone(),
            swap: Box::new(SegmentSwap::of(replacement)),
        };
        self.submit_beside(Beside::Swapping, Operation::Task(task), out);
    }

    /// The files have taken their names, or not: then what lies there is for the next start to sort out.
    pub(super) fn swapped(&mut self, result: io::Result<()>) -> Option<Event> {
        let before = std::mem::replace(&mut self.cleaning, Cleaning::Idle);
        if self.offline {
            return Some(Event::CompactionEnded { cleaned: None });
        }
        if let Err(error) = result {
            let disk = is_of_the_disk(&error);
            return Some(self.fail_for_good("swapping segments", &error, disk));
        }
        self.transit = None;
        match before {
            Cleaning::Busy {
                pass: Some(pass),
                given_up: false,
            } => {
                self.cleaning = Cleaning::Waiting(pass);
                Some(Event::CompactionStepped { bytes: 0 })
            }
            // Between two swaps nothing of it lies about.
            _ => Some(Event::CompactionEnded { cleaned: None }),
        }
    }
}
