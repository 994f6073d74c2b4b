//! Files <-> log: one partition's files, and the order in which they change.
//!
//! A [`Store`] holds the partition's [`Log`] (what is decided) and its open files (what is there).
//! Batches queue; one vectored append is in flight per partition, and what arrives meanwhile joins
//! the next. Invariants:
//!
//! - A batch gets its offsets when it is queued, tentatively. Log end, indexes and producer state
//!   move when its append has completed, in order.
//! - A short write is resumed where it ended. When an append fails, the file is cut back to the last
//!   completed byte, every queued batch fails, and the tentative state is the completed one again;
//!   if the cut fails too, the store is offline until restart. Where the disk itself is at fault (EIO,
//!   a failed fsync) it is offline at once, and so is everything else in its log directory: after a
//!   failed fsync nobody knows which pages are on disk.
//! - A roll is an entry of the same lane: it starts when everything before it is complete.
//! - Where `flush.messages` is reached, log end moves when the append has completed and the high
//!   watermark when it is durable. One flush is under way at a time; it serves everything that was
//!   complete when it began, the next one all that came meanwhile.
//! - A compacted segment takes the place of others at once; no position that was found before counts after.
//! - What need not be in order (sealing a closed segment, reserving blocks, opening an old segment)
//!   runs beside the lane, each under an operation number of its own.

mod cleaning;
mod compaction;
pub mod files;
mod load;
mod task;
mod trim;

pub use cleaning::{Compacted, HeldSegment};
pub use compaction::{
    Compaction, CompactionFault, CompactionMeans, SegmentSwap, Stepped, swap_segments,
};
pub use load::{LoadFault, OpenedLog, open_partition};
pub use task::{Conversion, Task, TaskOutcome};

use crate::batch::{Checked, HEADER_BYTES, TimestampType};
use crate::io::{File, FileRange, Operation, Outcome, Patience, Pieces, Token};
use crate::limits;
use crate::log::{self, Isolation, Located, Log, Refused, ScanStep};
use crate::mutation::{Mutation, planted};
use crate::types::{LeaderEpoch, Now, Offset, Timestamp};
use bytes::{Bytes, BytesMut};
use cleaning::{Cleaning, Transit};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where operations are put for the kernel.
pub type Submissions = Vec<(Token, Operation<Task>)>;

/// Bytes of one append at most: beyond this, a large append would delay the acknowledgement of the
/// first batch in it without moving more bytes per second.
const APPEND_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes from an index entry onward read at most when a batch is looked for among small ones.
pub const SCAN_BYTES: usize = 8 * 1024;

/// Closed segments kept open per partition; older ones are opened again when asked for.
const SEALED_OPEN_MAX: usize = 64;

/// The first reservation ahead, after this many bytes have been appended since the file was opened;
/// each later one is twice as large, up to the maximum.
const ALLOCATE_BYTES_MIN: u64 = 1024 * 1024;
const ALLOCATE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// What a shard learns from a completion.
#[derive(Debug)]
pub enum Event {
    /// The log end and the high watermark moved; that many bytes became readable.
    Moved {
        /// Bytes.
        bytes: u64,
    },
    /// Every queued batch failed; none of them is in the log.
    AppendsFailed,
    /// A closed segment is open, or cannot be opened: look-ups that waited for it go on.
    Segment {
        /// Which.
        base: Offset,
        /// Why it could not be opened.
        failed: Option<String>,
    },
    /// A stretch of headers has been read for a look-up.
    Headers {
        /// The number that [`Store::read_headers`] returned.
        operation: u32,
        /// The bytes; an error's text where the read failed.
        bytes: Result<BytesMut, String>,
    },
    /// The log is durable up to this offset.
    Durable {
        /// The recovery point.
        to: Offset,
        /// Bytes that became readable, because they waited for that.
        bytes: u64,
    },
    /// A step of compaction has ended: [`Store::go_on_compacting`] when it is time.
    CompactionStepped {
        /// Bytes that were read and written.
        bytes: u64,
    },
    /// A pass of compaction is over.
    CompactionEnded {
        /// The offset up to which the log is compacted now, unless the pass ended early.
        cleaned: Option<Offset>,
    },
    /// The partition can take nothing more until the next start.
    Offline {
        /// What happened.
        why: String,
        /// Whether the disk is at fault, so that nothing else in the log directory is to be trusted.
        disk: bool,
    },
}

/// Where a batch that was accepted will be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// Offset of its first record.
    pub base: Offset,
    /// Offset of its last record: acknowledged when the high watermark is beyond it.
    pub last: Offset,
    /// The time given to its records, for a LogAppendTime topic.
    pub append_time: Timestamp,
}

/// Why a batch was not accepted.
#[derive(Debug)]
pub enum Rejected {
    /// The log refuses it.
    Refused(Refused),
    /// The partition's storage failed.
    Offline,
}

/// Where a look-up for a fetch stands.
#[derive(Debug)]
pub enum Found {
    /// These bytes, which start with the batch that holds the offset.
    Slice(Slice),
    /// The offset is the end of what may be read.
    End,
    /// Before the log start or beyond the log end.
    OutOfRange,
    /// Read headers and look again with [`Store::scanned`].
    ReadHeaders(Scan),
    /// The segment is being opened: look again at [`Event::Segment`].
    Opening(Offset),
    /// The bytes on disk are not batches.
    Corrupt,
}

/// Batches to send.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The segment.
    pub segment: Offset,
    /// Where in it.
    pub range: FileRange,
    /// Size of the first batch, whole.
    pub first_batch: u64,
    /// The store's when it was found.
    pub generation: u32,
}

/// A stretch of headers to look through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scan {
    /// The segment.
    pub segment: Offset,
    /// Where a batch starts.
    from: u64,
    /// Behind the last header that may be meant.
    to: u64,
    /// The batch before it was small.
    is_dense: bool,
    /// The store's when it was found: after a swap of segments a position means nothing.
    generation: u32,
}

impl Scan {
    /// Up to where headers are read at once: all of a short stretch; of a long one, in which there are large
    /// batches, the first header alone (8 KiB there made a fetch of 64 KiB 5 % dearer), unless small
    /// batches come first.
    fn read_end(&self) -> u64 {
        let left = self.to.saturating_sub(self.from);
        self.from
            + match left <= SCAN_BYTES as u64 {
                true => left.max(HEADER_BYTES as u64),
                false if self.is_dense => SCAN_BYTES as u64,
                false => HEADER_BYTES as u64,
            }
    }
}

/// What a fetch wants of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    /// The first offset.
    pub offset: Offset,
    /// Bytes at most, but for a first batch that is larger.
    pub bytes_max: u64,
    /// What the reader may see.
    pub isolation: Isolation,
}

struct Queued {
    staged: log::Staged,
    pieces: Pieces,
}

/// What the ordered lane is doing.
enum Lane {
    Idle,
    Appending {
        batches: usize,
        bytes: u64,
        position: u64,
        /// Parts beyond those that one vectored write takes.
        rest: Pieces,
    },
    Rolling {
        base: Offset,
    },
    Cutting,
}

/// What runs beside the lane.
enum Beside {
    Sealing {
        next: Offset,
    },
    Opening {
        base: Offset,
        /// The store's when it began: after a swap the file may be another.
        generation: u32,
    },
    /// Blocks are being reserved. A seal trims what is reserved too much, so one of the same file
    /// waits here for its turn.
    Reserving {
        then: Option<Box<(Task, Offset)>>,
    },
    Headers {
        file: File,
        range: Range<u64>,
    },
    Epochs,
    /// A step of a compaction.
    Compacting,
    /// Compacted segments take their places in the directory.
    Swapping,
    /// What a compaction that was given up has written goes.
    RemovingCleaned {
        /// None may follow until the next start.
        bars: bool,
    },
    /// Making durable what is complete, and maybe the names of its files.
    Flushing {
        to: Offset,
        names_of: Option<Offset>,
    },
}

/// One partition's files and log.
pub struct Store {
    slot: u32,
    directory: PathBuf,
    log: Log,
    active: File,
    sealed: BTreeMap<Offset, File>,
    queue: VecDeque<Queued>,
    lane: Lane,
    lane_operation: u32,
    beside: BTreeMap<u32, Beside>,
    operations: u32,
    /// Bytes of the active segment that an earlier process wrote: no sync proves that they are durable.
    doubted: Range<u64>,
    reserved: u64,
    reserve_step: u64,
    appended_since_open: u64,
    /// Something was appended since the start.
    touched: bool,
    /// Ends of seals and flushes that are done while an earlier seal is not.
    durable_to: Vec<Offset>,
    /// The segment whose name in the directory is durable.
    named: Option<Offset>,
    /// Bytes that are complete and wait for a flush to be readable.
    held_bytes: u64,
    cleaning: Cleaning,
    transit: Option<Transit>,
    /// Counts swaps of segments.
    generation: u32,
    offline: bool,
}

impl Store {
    /// Takes over a loaded log, durable up to `recovery_point`, and the open file of its active
    /// segment.
    pub fn new(
        slot: u32,
        directory: PathBuf,
        mut log: Log,
        active: File,
        recovery_point: Offset,
    ) -> Store {
        log.set_flushed(recovery_point);
        let doubted = match recovery_point < log.log_end() {
            true => load::behind(&mut log, recovery_point),
            false => 0..0,
        };
        Store {
            slot,
            directory,
            log,
            active,
            sealed: BTreeMap::new(),
            queue: VecDeque::new(),
            lane: Lane::Idle,
            lane_operation: 0,
            beside: BTreeMap::new(),
            operations: 0,
            doubted,
            reserved: 0,
            reserve_step: ALLOCATE_BYTES_MIN,
            appended_since_open: 0,
            touched: false,
            durable_to: Vec::new(),
            named: None,
            held_bytes: 0,
            cleaning: Cleaning::Idle,
            transit: None,
            generation: 0,
            offline: false,
        }
    }

    /// The partition's log, to read.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The partition's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The active segment's file.
    pub fn active_file(&self) -> File {
        self.active.clone()
    }

    /// Forgets producers not heard of for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now: Now) {
        self.log.expire_producers(now.wall);
    }

    /// Applies changed settings.
    pub fn configure(&mut self, config: Arc<log::LogConfig>) {
        self.log.set_config(config);
    }

    /// Whether it can take nothing more until the next start.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// Whether [`Store::drive`] would find something to do.
    pub fn wants_drive(&self) -> bool {
        matches!(self.lane, Lane::Idle) && !self.queue.is_empty()
    }

    /// Whether nothing is queued or in flight.
    pub fn is_quiet(&self) -> bool {
        matches!(self.lane, Lane::Idle) && self.queue.is_empty() && self.beside.is_empty()
    }

    /// Accepts one checked batch: gives it offsets, stamps them in, queues it for [`Store::drive`].
    pub fn append(
        &mut self,
        checked: &Checked,
        mut pieces: Pieces,
        epoch: LeaderEpoch,
        now: Now,
    ) -> Result<Admitted, Rejected> {
        if self.offline {
            return Err(Rejected::Offline);
        }
        let size = checked.size as u32;
        let staged = self
            .log
            .stage(
                &checked.header,
                size,
                checked.max_timestamp,
                epoch,
                now.wall,
            )
            .map_err(Rejected::Refused)?;
        let base = match self.queue.back() {
            Some(before) if planted(Mutation::WrongOffsetPatched) => before.staged.base_offset,
            _ => staged.base_offset,
        };
        let stamp = checked.stamp(base, epoch);
        pieces.patch_at(0, stamp.bytes());
        let append_time = match checked.timestamp_type {
            TimestampType::CreateTime => Timestamp::NONE,
            TimestampType::LogAppendTime => checked.max_timestamp,
        };
        self.queue.push_back(Queued { staged, pieces });
        self.touched = true;
        Ok(Admitted {
            base: staged.base_offset,
            last: staged.last_offset,
            append_time,
        })
    }

    /// Takes a completion of this partition. [`Store::drive`] comes next.
    pub fn handle(
        &mut self,
        operation: u32,
        outcome: Outcome<TaskOutcome>,
        out: &mut Submissions,
    ) -> Option<Event> {
        if operation == self.lane_operation && !matches!(self.lane, Lane::Idle) {
            if self.offline {
                self.lane = Lane::Idle;
                return None;
            }
            return self.handle_lane(outcome, out);
        }
        let beside = self
            .beside
            .remove(&operation)
            .expect("completions answer operations");
        match (beside, outcome) {
            (Beside::Sealing { next }, Outcome::Done(TaskOutcome::Finished(result))) => {
                match result {
                    // A seal before this one may be the one that failed.
                    Ok(()) if self.offline => None,
                    Ok(()) => self.durable_up_to(next),
                    Err(error) => Some(self.fail_for_good("sealing a segment", &error, true)),
                }
            }
            (Beside::Opening { base, generation }, Outcome::Done(TaskOutcome::Segment(result))) => {
                // Whoever waits looks again.
                if generation != self.generation {
                    return Some(Event::Segment { base, failed: None });
                }
                let failed = match result {
                    Ok((file, index)) => {
                        self.log
                            .index_loaded(base, index.map(Bytes::from).unwrap_or_default());
                        self.keep_open(base, file);
                        None
                    }
                    Err(error) => Some(error.to_string()),
                };
                Some(Event::Segment { base, failed })
            }
            // Blocks that could not be reserved are allocated when written; if the disk is full, the
            // append says so.
            (Beside::Reserving { then }, Outcome::Done(TaskOutcome::Finished(_))) => {
                if let Some(seal) = then {
                    let (task, next) = *seal;
                    self.submit_beside(Beside::Sealing { next }, Operation::Task(task), out);
                }
                None
            }
            // Short of a header, and not at the end of the file: reads on.
            (
                Beside::Headers { file, range },
                Outcome::Read {
                    buffer,
                    result: Ok(1..),
                },
            ) if buffer.len() < HEADER_BYTES => {
                self.read_on(operation, file, range, buffer, out);
                None
            }
            (Beside::Headers { .. }, Outcome::Read { buffer, result }) => {
                let bytes = result.map(|_| buffer).map_err(|error| error.to_string());
                Some(Event::Headers { operation, bytes })
            }
            (Beside::Flushing { .. }, Outcome::Done(TaskOutcome::Finished(_))) if self.offline => {
                None
            }
            (Beside::Flushing { to, names_of }, Outcome::Done(TaskOutcome::Finished(result))) => {
                match result {
                    Ok(()) => {
                        self.doubted = 0..0;
                        self.named = names_of.or(self.named);
                        let event = self.durable_up_to(to);
                        self.flush_if_awaited(out);
                        event
                    }
                    Err(error) => Some(self.fail_for_good("a flush", &error, true)),
                }
            }
            (Beside::Compacting, Outcome::Done(TaskOutcome::Compacted(compacted))) => {
                self.compacted(*compacted, out)
            }
            (Beside::Swapping, Outcome::Done(TaskOutcome::Finished(result))) => {
                self.swapped(result)
            }
            (Beside::RemovingCleaned { bars }, Outcome::Done(TaskOutcome::Finished(result))) => {
                self.cleaned_removed(bars, result)
            }
            // Derived from the batches: recovery makes it again.
            (Beside::Epochs, Outcome::Done(TaskOutcome::Finished(result))) => {
                if let Err(error) = result {
                    tracing::warn!(directory = %self.directory.display(), "leader epochs: {error}");
                }
                None
            }
            (_, outcome) => unreachable!("no operation of a store ends with {outcome:?}"),
        }
    }

    /// Finds what a fetch may read.
    pub fn find(&mut self, want: &Want, out: &mut Submissions) -> Found {
        match self.log.locate(want.offset, want.isolation) {
            Located::At {
                segment,
                position,
                batch_size,
            } => self.slice(segment, position, batch_size, want, out),
            Located::Scan { segment, from, to } => match self.file_of(segment) {
                Some(_) => Found::ReadHeaders(Scan {
                    segment,
                    from,
                    to,
                    is_dense: false,
                    generation: self.generation,
                }),
                None => self.open(segment, out),
            },
            Located::LoadIndex { segment } => match self.in_transit(segment) {
                Some(held) => {
                    let index = held.index.clone();
                    self.log.index_loaded(segment, index);
                    self.find(want, out)
                }
                None => self.open(segment, out),
            },
            Located::End => Found::End,
            Located::OutOfRange => Found::OutOfRange,
        }
    }

    /// Reads headers for a look-up into a buffer with room for [`SCAN_BYTES`]; the answer is
    /// [`Event::Headers`] with the returned number.
    ///
    /// # Errors
    /// The buffer, where the segment's file has been closed since: find again.
    pub fn read_headers(
        &mut self,
        scan: &Scan,
        buffer: BytesMut,
        out: &mut Submissions,
    ) -> Result<u32, BytesMut> {
        let Some(file) = self.file_of(scan.segment) else {
            return Err(buffer);
        };
        let file = file.clone();
        let operation = self.next_operation();
        self.read_on(operation, file, scan.from..scan.read_end(), buffer, out);
        Ok(operation)
    }

    /// Reads headers in this range, behind those that `buffer` already has.
    fn read_on(
        &mut self,
        operation: u32,
        file: File,
        range: Range<u64>,
        buffer: BytesMut,
        out: &mut Submissions,
    ) {
        let position = range.start + buffer.len() as u64;
        let read = Operation::Read {
            file: file.clone(),
            position,
            length: (range.end - position) as usize,
            buffer,
            patience: Patience::Hot,
        };
        self.beside
            .insert(operation, Beside::Headers { file, range });
        out.push((self.token(operation), read));
    }

    /// Goes on with a look-up after its headers were read.
    pub fn scanned(
        &mut self,
        scan: &Scan,
        bytes: &[u8],
        want: &Want,
        out: &mut Submissions,
    ) -> Found {
        if scan.generation != self.generation {
            return self.find(want, out);
        }
        let segment = scan.segment;
        match self
            .log
            .scan_headers(segment, bytes, scan.from, scan.to, want.offset)
        {
            ScanStep::Found { position, size, .. } => {
                self.slice(segment, position, size, want, out)
            }
            // A read that brought not even one more header has met the end of the file.
            ScanStep::ReadOn { position } if position == scan.from => Found::Corrupt,
            ScanStep::ReadOn { position } => Found::ReadHeaders(Scan {
                from: position,
                is_dense: position - scan.from < SCAN_BYTES as u64,
                ..*scan
            }),
            ScanStep::End => match self.log.first_of_next(segment) {
                Some(offset) => self.find(&Want { offset, ..*want }, out),
                None => Found::End,
            },
            ScanStep::Corrupt { .. } if self.log.index_lies(segment) => self.find(want, out),
            ScanStep::Corrupt { .. } => Found::Corrupt,
        }
    }

    /// Seals the active segment for a clean stop. Nothing may be in flight. `false` if there is
    /// nothing to do: nothing was appended since the start, and all of it is durable.
    pub fn close(&mut self, out: &mut Submissions) -> bool {
        assert!(self.is_quiet(), "a store closes when nothing is in flight");
        let is_durable = !self.touched && self.log.flushed() == self.log.log_end();
        if is_durable || self.offline {
            return false;
        }
        let sealed = self.log.close_files();
        self.seal(sealed, self.log.log_end(), out);
        true
    }

    /// This broker leads the partition with that epoch from here on.
    pub fn lead(&mut self, epoch: LeaderEpoch, out: &mut Submissions) {
        if self.log.lead(epoch) {
            self.write_epochs(out);
        }
    }

    fn write_epochs(&mut self, out: &mut Submissions) {
        let task = Task::Note {
            path: self.directory.join(files::LEADER_EPOCHS),
            content: self.log.epochs().text().into_bytes(),
        };
        self.submit_beside(Beside::Epochs, Operation::Task(task), out);
    }

    // -- the lane

    /// Begins what the lane can do next, if it is free. Called when a round of events has been dealt
    /// with, so that all batches of the round go into one append.
    pub fn drive(&mut self, now: Now, out: &mut Submissions) {
        if self.offline || !matches!(self.lane, Lane::Idle) {
            return;
        }
        let Some(first) = self.queue.front_mut() else {
            return;
        };
        if first.staged.roll_first {
            first.staged.roll_first = false;
            let base = first.staged.segment;
            let sealed = self.log.roll(base, now.wall);
            self.lane = Lane::Rolling { base };
            let task = Task::OpenNext {
                directory: self.directory.clone(),
                base,
            };
            // First the file that appends wait for, then the sync that nobody waits for.
            self.submit_lane(Operation::Task(task), out);
            self.seal(sealed, base, out);
            return;
        }
        let position = first.staged.position;
        let mut pieces = Pieces::new();
        let mut batches = 0;
        for queued in &mut self.queue {
            let parts = pieces.chunk_count() + queued.pieces.chunk_count();
            let bytes = pieces.len() + queued.pieces.len();
            let fits = parts <= limits::IOVECS_MAX && bytes <= APPEND_BYTES_MAX;
            if queued.staged.roll_first || batches > 0 && !fits {
                break;
            }
            pieces.append(std::mem::take(&mut queued.pieces));
            batches += 1;
        }
        let bytes = pieces.len() as u64;
        self.submit_append(batches, bytes, position, pieces, out);
    }

    /// Writes as many parts as one vectored write takes; a large batch that came in small parts has
    /// more.
    fn submit_append(
        &mut self,
        batches: usize,
        bytes: u64,
        position: u64,
        mut pieces: Pieces,
        out: &mut Submissions,
    ) {
        self.lane = Lane::Appending {
            batches,
            bytes,
            position,
            rest: pieces.split_off_parts(limits::IOVECS_MAX),
        };
        let file = self.active.clone();
        self.submit_lane(
            Operation::Append {
                file,
                position,
                pieces,
            },
            out,
        );
    }

    fn handle_lane(
        &mut self,
        outcome: Outcome<TaskOutcome>,
        out: &mut Submissions,
    ) -> Option<Event> {
        let lane = std::mem::replace(&mut self.lane, Lane::Idle);
        match (lane, outcome) {
            (
                Lane::Appending {
                    batches,
                    bytes,
                    position,
                    rest,
                },
                Outcome::Appended { pieces, result, .. },
            ) => self.handle_appended(batches, bytes, position, (pieces, rest), result, out),
            (Lane::Rolling { base }, Outcome::Done(TaskOutcome::Opened(result))) => match result {
                Ok(file) => {
                    let closed = std::mem::replace(&mut self.active, file);
                    if let Some(before) = self.before(base) {
                        self.keep_open(before, closed);
                    }
                    self.reserved = 0;
                    self.appended_since_open = 0;
                    None
                }
                Err(error) => {
                    // The log has rolled, the file has not: nothing more can be appended.
                    let what = format!("opening segment {base}");
                    Some(self.fail_for_good(&what, &error, is_of_the_disk(&error)))
                }
            },
            (Lane::Cutting, Outcome::Done(TaskOutcome::Finished(result))) => match result {
                Ok(()) => None,
                Err(error) => {
                    let disk = is_of_the_disk(&error);
                    Some(self.fail_for_good("cutting a failed append", &error, disk))
                }
            },
            (_, outcome) => unreachable!("the lane does not wait for {outcome:?}"),
        }
    }

    fn handle_appended(
        &mut self,
        batches: usize,
        bytes: u64,
        position: u64,
        (mut pieces, rest): (Pieces, Pieces),
        result: io::Result<usize>,
        out: &mut Submissions,
    ) -> Option<Event> {
        match result {
            Ok(count) if count > 0 => {
                assert!(
                    count <= pieces.len(),
                    "the kernel wrote more than it was given"
                );
                pieces.advance(count);
                pieces.append(rest);
                if !pieces.is_empty() && !planted(Mutation::ShortWriteNotResumed) {
                    let position = position + count as u64;
                    self.submit_append(batches, bytes, position, pieces, out);
                    return None;
                }
                self.queue.drain(..batches);
                if self.log.complete(batches).epochs_changed {
                    self.write_epochs(out);
                }
                self.reserve_ahead(bytes, out);
                if self.log.wants_flush().is_some() {
                    self.held_bytes += bytes;
                    self.flush_if_awaited(out);
                    return None;
                }
                Some(Event::Moved { bytes })
            }
            Ok(_) => Some(self.cut_back("nothing was written", out)),
            Err(error) if is_of_the_disk(&error) => {
                Some(self.fail_for_good("an append", &error, true))
            }
            Err(error) => Some(self.cut_back(&error.to_string(), out)),
        }
    }

    /// Forgets what is queued and cuts the file to what is complete.
    fn cut_back(&mut self, why: &str, out: &mut Submissions) -> Event {
        tracing::error!(directory = %self.directory.display(), "append failed: {why}");
        self.queue.clear();
        self.log.abandon();
        self.lane = Lane::Cutting;
        let task = Task::Truncate {
            file: self.active.clone(),
            length: self.log.active_segment().size,
        };
        self.submit_lane(Operation::Task(task), out);
        Event::AppendsFailed
    }

    /// Flushes what is complete, unless the high watermark waits for nothing, or for the flush that is
    /// under way.
    fn flush_if_awaited(&mut self, out: &mut Submissions) {
        if self.log.wants_flush().is_some() {
            self.flush(out);
        }
    }

    /// Makes durable what is complete and not durable, unless that is being done.
    pub fn flush(&mut self, out: &mut Submissions) {
        let to = self.log.log_end();
        let mut others = self.beside.values();
        let under_way = others.any(|it| matches!(it, Beside::Flushing { .. }));
        // While a roll opens the next file there is no file of the active segment; what is complete
        // is being sealed.
        if self.offline || under_way || self.is_rolling() || to <= self.log.flushed() {
            return;
        }
        let segment = self.log.active_segment().base;
        let names_of = (self.named != Some(segment)).then_some(segment);
        let task = Task::Flush {
            file: self.active.clone(),
            doubted: self.doubted.clone(),
            names: names_of.map(|_| self.directory.clone()),
        };
        let flushing = Beside::Flushing { to, names_of };
        self.submit_beside(flushing, Operation::Task(task), out);
    }

    /// Seals may end in another order than they began: the log is durable up to the first segment
    /// that is not, or up to where a flush came in the last one.
    fn durable_up_to(&mut self, next: Offset) -> Option<Event> {
        self.durable_to.push(next);
        let pending = self.beside.values().filter_map(|beside| match beside {
            Beside::Sealing { next } => Some(*next),
            Beside::Reserving { then: Some(seal) } => Some(seal.1),
            _ => None,
        });
        let first_pending = pending.min().unwrap_or(Offset(i64::MAX));
        let durable = self
            .durable_to
            .iter()
            .copied()
            .filter(|to| *to < first_pending)
            .max()?;
        self.durable_to.retain(|to| *to > durable);
        if durable <= self.log.flushed() {
            return None;
        }
        self.log.set_flushed(durable);
        let bytes = match self.log.high_watermark() == self.log.log_end() {
            true => std::mem::take(&mut self.held_bytes),
            // How many of them became readable is not worth counting: whoever waits looks again.
            false => self.held_bytes,
        };
        Some(Event::Durable { to: durable, bytes })
    }

    fn fail_for_good(&mut self, what: &str, error: &io::Error, disk: bool) -> Event {
        let why = format!("{what}: {error}");
        tracing::error!(directory = %self.directory.display(), "partition is offline: {why}");
        self.take_offline();
        Event::Offline { why, disk }
    }

    /// Takes nothing more until the next start; what is queued is not in the log.
    pub fn take_offline(&mut self) {
        self.queue.clear();
        self.log.abandon();
        self.offline = true;
    }

    fn seal(&mut self, sealed: log::Sealed, next: Offset, out: &mut Submissions) {
        let directory = self.directory.clone();
        let task = Task::Seal {
            directory,
            sealed: Box::new(sealed),
            file: self.active.clone(),
            doubted: std::mem::take(&mut self.doubted),
        };
        let reserving = self.beside.values_mut().find_map(|beside| match beside {
            Beside::Reserving { then } if then.is_none() => Some(then),
            _ => None,
        });
        match reserving {
            Some(then) => *then = Some(Box::new((task, next))),
            None => self.submit_beside(Beside::Sealing { next }, Operation::Task(task), out),
        }
    }

    /// Reserves blocks in steps that grow with what the partition writes: an idle one costs no disk.
    fn reserve_ahead(&mut self, bytes: u64, out: &mut Submissions) {
        self.appended_since_open += bytes;
        let size = self.log.active_segment().size;
        let near = self.reserved < size + self.reserve_step / 2;
        let under_way = self
            .beside
            .values()
            .any(|it| matches!(it, Beside::Reserving { then: None }));
        if self.appended_since_open < ALLOCATE_BYTES_MIN || !near || under_way {
            return;
        }
        let length = (size + self.reserve_step).min(self.log.config().segment_bytes);
        if length <= self.reserved || length <= size {
            return;
        }
        self.reserved = length;
        self.reserve_step = (self.reserve_step * 2).min(ALLOCATE_BYTES_MAX);
        let task = Task::Allocate {
            file: self.active.clone(),
            length,
        };
        self.submit_beside(Beside::Reserving { then: None }, Operation::Task(task), out);
    }

    // -- reading

    fn slice(
        &mut self,
        segment: Offset,
        position: u64,
        batch_size: u32,
        want: &Want,
        out: &mut Submissions,
    ) -> Found {
        let slice = self.log.slice(
            segment,
            position,
            batch_size,
            want.bytes_max,
            true,
            want.isolation,
        );
        let slice = slice.expect("the first batch is wanted whole");
        match self.file_of(segment) {
            Some(file) => {
                let range = FileRange {
                    file: file.clone(),
                    position,
                    length: slice.length,
                };
                Found::Slice(Slice {
                    segment,
                    range,
                    first_batch: batch_size.into(),
                    generation: self.generation,
                })
            }
            None => self.open(segment, out),
        }
    }

    fn file_of(&self, segment: Offset) -> Option<&File> {
        if segment == self.log.active_segment().base && !self.is_rolling() {
            return Some(&self.active);
        }
        // While a roll opens the next file, `active` is still the file of the segment before.
        if matches!(self.lane, Lane::Rolling { base } if self.before(base) == Some(segment)) {
            return Some(&self.active);
        }
        let held = self.in_transit(segment).map(|held| &held.log);
        held.or_else(|| self.sealed.get(&segment))
    }

    /// Whether the file of the active segment is being opened.
    fn is_rolling(&self) -> bool {
        matches!(self.lane, Lane::Rolling { .. })
    }

    /// The base of the segment before the one at `base`.
    fn before(&self, base: Offset) -> Option<Offset> {
        self.log
            .segments()
            .rev()
            .map(|segment| segment.base)
            .find(|before| *before < base)
    }

    fn open(&mut self, base: Offset, out: &mut Submissions) -> Found {
        let under_way = self
            .beside
            .values()
            .any(|it| matches!(it, Beside::Opening { base: at, .. } if *at == base));
        if !under_way {
            let task = Task::OpenSegment {
                directory: self.directory.clone(),
                base,
            };
            let generation = self.generation;
            let opening = Beside::Opening { base, generation };
            self.submit_beside(opening, Operation::Task(task), out);
        }
        Found::Opening(base)
    }

    fn keep_open(&mut self, base: Offset, file: File) {
        while self.sealed.len() >= SEALED_OPEN_MAX {
            self.sealed.pop_first();
        }
        self.sealed.insert(base, file);
    }

    // -- operations

    fn submit_lane(&mut self, operation: Operation<Task>, out: &mut Submissions) {
        self.lane_operation = self.next_operation();
        out.push((self.token(self.lane_operation), operation));
    }

    fn submit_beside(&mut self, what: Beside, operation: Operation<Task>, out: &mut Submissions) {
        let number = self.next_operation();
        self.beside.insert(number, what);
        out.push((self.token(number), operation));
    }

    fn next_operation(&mut self) -> u32 {
        self.operations = self.operations.wrapping_add(1);
        self.operations
    }

    fn token(&self, operation: u32) -> Token {
        Token::Partition {
            slot: self.slot,
            operation,
        }
    }
}

/// Whether an error speaks of the disk and not of this one operation: what it has of other files is
/// not to be trusted either.
fn is_of_the_disk(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ReadOnlyFilesystem || error.raw_os_error() == Some(EIO)
}

/// errno(3): input/output error. The same number on every Linux.
const EIO: i32 = 5;
