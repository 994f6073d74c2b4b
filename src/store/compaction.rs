//! A pass of compaction over a partition's files: first the keys of the dirty segments are noted, then
//! segments are written anew, several into one where they fit. It is a value that goes to and fro between
//! the shard and the threads beside it: each step reads a bounded number of bytes, so that a pass can be
//! slowed, and given up, at any moment.
//!
//! What is written has names in `.cleaned` until it is whole and durable. Then the shard swaps the segments
//! in memory and has [`swap_segments`] do it in the directory.

use super::files::{self, FileSource};
use crate::batch::{self, Header};
use crate::io::{Disk, File, OpenMode};
use crate::log::{
    self, Cleaner, CompactionPlan, Fate, FileKind, OffsetMap, Replacement, Rewriting, Stage,
    Stretch, Unreadable, each_batch,
};
use crate::types::Offset;
use std::fmt;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

/// What a pass may take.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CompactionMeans {
    /// Memory for keys: `log.cleaner.dedupe.buffer.size`, or a shard's share of it.
    pub map_bytes_max: u64,
    /// How full that may become: `log.cleaner.io.buffer.load.factor`.
    pub map_load: f64,
    /// Bytes read and written at once: `log.cleaner.io.buffer.size`.
    pub buffer_bytes: usize,
    /// Bytes that one step reads.
    pub step_bytes: u64,
    /// Any number, to hash keys with.
    pub seed: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Compaction {
    directory: PathBuf,
    plan: CompactionPlan,
    cleaner: Cleaner,
    buffer_bytes: usize,
    step_bytes: u64,
    phase: Phase,
    /// The source that is being read, by its place in the plan.
    source: Option<(usize, File)>,
    /// Bytes of the segments that were cleaned, and of those that took their place.
    bytes: (u64, u64),
}

#[derive(Debug)]
enum Phase {
    /// The keys of the source `at` are noted, from this position on.
    Noting { at: usize, position: u64 },
    /// Segments become one; those of `groups` come next, in this order.
    Cleaning {
        group: Range<usize>,
        at: usize,
        position: u64,
        file: File,
        into: Box<Rewriting>,
        groups: Vec<Range<usize>>,
    },
    /// Between two groups.
    Between { groups: Vec<Range<usize>> },
}

/// How a step ended.
#[derive(Debug)]
pub enum Stepped {
    /// There is more to do.
    More,
    /// This segment, in this file, is to take its place before the next step.
    Swap(Box<Replacement>, File),
    /// The pass is over: the log is clean up to this offset.
    Done(Offset),
}

/// Why a pass ended early. The log is as it was.
#[derive(Debug)]
pub enum CompactionFault {
    /// The disk did not do what it was asked.
    Io(io::Error),
    /// A segment cannot be compacted.
    Segment {
        /// Which.
        base: Offset,
        /// Why.
        why: Unreadable,
    },
    /// A segment would become larger than a segment may be.
    TooLarge(Offset),
}

impl From<io::Error> for CompactionFault {
    fn from(error: io::Error) -> CompactionFault {
        CompactionFault::Io(error)
    }
}

impl fmt::Display for CompactionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompactionFault::Io(error) => write!(f, "{error}"),
            CompactionFault::Segment { base, why } => {
                write!(f, "{}: {why}", log::file_name(*base, FileKind::Log))
            }
            CompactionFault::TooLarge(base) => {
                let name = log::file_name(*base, FileKind::Log);
                write!(f, "{name} would become larger than a segment may be")
            }
        }
    }
}

impl Compaction {
    /// A pass by this plan over the files in `directory`.
    pub fn new(directory: PathBuf, plan: CompactionPlan, means: &CompactionMeans) -> Compaction {
        // There are no more keys than offsets.
        let keys_max = plan.upper.0.saturating_sub(plan.first_dirty.0).max(0) as u64;
        let map = OffsetMap::new(means.map_bytes_max, means.map_load, keys_max, means.seed);
        Compaction {
            directory,
            cleaner: Cleaner::new(&plan, map),
            phase: Phase::Noting {
                at: plan.dirty().start,
                position: 0,
            },
            plan,
            buffer_bytes: means.buffer_bytes,
            step_bytes: means.step_bytes,
            source: None,
            bytes: (0, 0),
        }
    }

    /// Does the next step, and says how many bytes it has read and written.
    ///
    /// # Errors
    /// The pass is over; what it has left is to be removed with [`remove_cleaned`].
    pub fn step(&mut self, disk: &dyn Disk) -> (u64, Result<Stepped, CompactionFault>) {
        let mut bytes = 0;
        let stepped = loop {
            match self.go_on(disk, &mut bytes) {
                Ok(Stepped::More) if bytes < self.step_bytes => {}
                ended => break ended,
            }
        };
        (bytes, stepped)
    }

    /// Bytes of the segments that were cleaned so far, and of those that took their place.
    pub fn bytes(&self) -> (u64, u64) {
        self.bytes
    }

    fn go_on(&mut self, disk: &dyn Disk, bytes: &mut u64) -> Result<Stepped, CompactionFault> {
        let between = Phase::Between { groups: Vec::new() };
        match std::mem::replace(&mut self.phase, between) {
            Phase::Noting { at, position } => {
                self.phase = self.note(disk, at, position, bytes)?;
                Ok(Stepped::More)
            }
            Phase::Between { mut groups } => {
                let Some(group) = groups.pop() else {
                    return Ok(Stepped::Done(self.cleaner.end()));
                };
                let first = &self.plan.sources[group.start];
                let file = disk.open(&self.cleaned(first.base, FileKind::Log), OpenMode::Create)?;
                disk.truncate(&file, 0)?;
                self.phase = Phase::Cleaning {
                    at: group.start,
                    position: 0,
                    file,
                    into: Box::new(Rewriting::new(self.plan.config.clone(), first)),
                    group,
                    groups,
                };
                Ok(Stepped::More)
            }
            Phase::Cleaning {
                group,
                at,
                position,
                file,
                mut into,
                groups,
            } => {
                if at == group.end {
                    let replacement = self.finish(disk, group, &file, *into)?;
                    self.phase = Phase::Between { groups };
                    return Ok(Stepped::Swap(Box::new(replacement), file));
                }
                let position = self.clean(disk, at, position, &file, &mut into, bytes)?;
                let is_read = position == self.plan.sources[at].size;
                self.phase = Phase::Cleaning {
                    group,
                    at: if is_read { at + 1 } else { at },
                    position: if is_read { 0 } else { position },
                    file,
                    into,
                    groups,
                };
                Ok(Stepped::More)
            }
        }
    }

    /// Notes the keys of a stretch of the dirty part.
    fn note(
        &mut self,
        disk: &dyn Disk,
        at: usize,
        position: u64,
        bytes: &mut u64,
    ) -> Result<Phase, CompactionFault> {
        let Some(source) = self.plan.sources.get(at).copied() else {
            return Ok(self.to_clean());
        };
        let log = open_source(disk, &self.directory, &self.plan, &mut self.source, at)?;
        let stretch = self.stretch(at, position);
        let cleaner = &mut self.cleaner;
        let mut has_room = true;
        let mut take = |header: &Header, batch: &[u8]| -> Result<ControlFlow<()>, batch::Fault> {
            has_room = cleaner.note(header, batch)?;
            Ok(match has_room {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        };
        let behind =
            each_batch(&log, &stretch, &mut take).map_err(|why| fault(source.base, why))?;
        *bytes += behind - position;
        if !has_room {
            return Ok(self.to_clean());
        }
        if behind < source.size {
            let position = behind;
            return Ok(Phase::Noting { at, position });
        }
        self.cleaner.noted_up_to(source.next);
        Ok(Phase::Noting {
            at: at + 1,
            position: 0,
        })
    }

    /// Everything that fits is noted: what is up to there is written anew.
    fn to_clean(&self) -> Phase {
        let mut groups = self.plan.groups(self.cleaner.end());
        groups.reverse();
        Phase::Between { groups }
    }

    /// Writes what stays of a stretch. Returns where the next one begins.
    fn clean(
        &mut self,
        disk: &dyn Disk,
        at: usize,
        position: u64,
        file: &File,
        into: &mut Rewriting,
        bytes: &mut u64,
    ) -> Result<u64, CompactionFault> {
        let base = self.plan.sources[at].base;
        let from = into.size();
        let mut stays = Vec::new();
        let mut fits = true;
        let log = open_source(disk, &self.directory, &self.plan, &mut self.source, at)?;
        let stretch = self.stretch(at, position);
        let cleaner = &mut self.cleaner;
        let mut take = |header: &Header, batch: &[u8]| -> Result<ControlFlow<()>, batch::Fault> {
            let (fate, aborted) = cleaner.clean(header, batch)?;
            if let Some(aborted) = aborted {
                into.name(aborted);
            }
            match fate {
                Fate::Dropped => {}
                Fate::Kept => {
                    fits = into.add(header, batch.len());
                    stays.extend_from_slice(batch);
                }
                Fate::Rewritten(batch) => {
                    let header = Header::read(&batch).expect("a batch has a header");
                    fits = into.add(&header, batch.len());
                    stays.extend_from_slice(&batch);
                }
            }
            Ok(match fits {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        };
        let behind = each_batch(&log, &stretch, &mut take).map_err(|why| fault(base, why))?;
        if !fits {
            return Err(CompactionFault::TooLarge(base));
        }
        files::write_all_at(disk, file, from, &stays)?;
        *bytes += behind - position + stays.len() as u64;
        self.bytes.0 += behind - position;
        self.bytes.1 += stays.len() as u64;
        Ok(behind)
    }

    /// Makes a new segment whole and durable.
    fn finish(
        &mut self,
        disk: &dyn Disk,
        group: Range<usize>,
        file: &File,
        into: Rewriting,
    ) -> Result<Replacement, CompactionFault> {
        self.source = None;
        let replacement = into.finish(&self.plan.sources[group]);
        let segment = &replacement.segment;
        disk.set_modified(file, segment.modified.0)?;
        disk.sync(file)?;
        let write = |kind, content: &[u8]| {
            files::write_whole(disk, &self.cleaned(segment.base, kind), content)
        };
        write(FileKind::Index, &replacement.index)?;
        write(FileKind::TimeIndex, &replacement.timeindex)?;
        if let Some(txnindex) = &replacement.txnindex {
            write(FileKind::TxnIndex, txnindex)?;
        }
        Ok(replacement)
    }

    fn stretch(&self, at: usize, position: u64) -> Stretch {
        let source = &self.plan.sources[at];
        Stretch {
            offsets: source.base..source.next,
            length: source.size,
            position,
            bytes_max: self.step_bytes,
            chunk_bytes: self.buffer_bytes,
        }
    }

    fn cleaned(&self, base: Offset, kind: FileKind) -> PathBuf {
        self.directory
            .join(log::staged_file_name(base, kind, Stage::Cleaned))
    }
}

/// The source `at`, opened unless it is the one that was read last.
fn open_source<'a>(
    disk: &'a dyn Disk,
    directory: &Path,
    plan: &CompactionPlan,
    opened: &mut Option<(usize, File)>,
    at: usize,
) -> io::Result<FileSource<'a>> {
    let file = match opened {
        Some((of, file)) if *of == at => file.clone(),
        _ => {
            let name = log::file_name(plan.sources[at].base, FileKind::Log);
            let file = disk.open(&directory.join(name), OpenMode::Read)?;
            *opened = Some((at, file.clone()));
            file
        }
    };
    FileSource::new(disk, file)
}

/// An error of the disk, or what is wrong with a segment.
fn fault(base: Offset, why: Unreadable) -> CompactionFault {
    match why {
        Unreadable::Io(error) => CompactionFault::Io(error),
        why => CompactionFault::Segment { base, why },
    }
}

/// The files of a segment that takes the place of others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentSwap {
    /// The base of the new segment and of the first one that it replaces.
    pub base: Offset,
    /// The bases of the others.
    pub gone: Vec<Offset>,
    /// Whether it has a `.txnindex`.
    pub has_txnindex: bool,
}

impl SegmentSwap {
    /// What puts this segment in its place.
    pub fn of(replacement: &Replacement) -> SegmentSwap {
        SegmentSwap {
            base: replacement.segment.base,
            gone: replacement.replaced[1..].to_vec(),
            has_txnindex: replacement.txnindex.is_some(),
        }
    }
}

/// Puts a `.cleaned` segment in the place of others. Whenever this is interrupted, the next start finds
/// the old segments whole, or the new one beside what is left of them, and then finishes the swap:
///
/// 1. The new files become `.swap`, durably: from here on they count.
/// 2. Old segments but the first go one after the other, each durably before the next: a tombstone must
///    not go before what it deletes. Their snapshots go with them.
/// 3. The new files take the place of the first, whose name they have; only now, because a start does not
///    see any more what they cover.
pub fn swap_segments(disk: &dyn Disk, directory: &Path, swap: &SegmentSwap) -> io::Result<()> {
    let path = |kind, stage| directory.join(log::staged_file_name(swap.base, kind, stage));
    let mut kinds = vec![FileKind::Log, FileKind::Index, FileKind::TimeIndex];
    if swap.has_txnindex {
        kinds.push(FileKind::TxnIndex);
    }
    for kind in &kinds {
        disk.rename(&path(*kind, Stage::Cleaned), &path(*kind, Stage::Swap))?;
    }
    disk.sync_directory(directory)?;
    for base in &swap.gone {
        files::remove_segments(disk, directory, &[*base])?;
    }
    if !swap.has_txnindex {
        files::unlink_if_there(disk, &path(FileKind::TxnIndex, Stage::Live))?;
    }
    for kind in &kinds {
        disk.rename(&path(*kind, Stage::Swap), &path(*kind, Stage::Live))?;
    }
    disk.sync_directory(directory)
}

/// Removes what a pass that was given up has written.
pub fn remove_cleaned(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    for entry in disk.list(directory)? {
        if let Some((_, _, Stage::Cleaned)) = log::parse_file_name(&entry.name) {
            files::unlink_if_there(disk, &directory.join(entry.name))?;
        }
    }
    disk.sync_directory(directory)
}
