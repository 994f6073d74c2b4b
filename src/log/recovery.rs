//! From files to a log, at start. After a clean stop sizes are believed and only the last segment's
//! tail is walked over; after a crash everything from the recovery point on is read, the log is cut
//! at the first batch that is not whole and right, and whatever is derived is built anew from the
//! batches: an index that was on disk is not believed for a segment that was recovered.
//!
//! An I/O error ends the load. It never cuts: a disk that cannot be read may hold good data.

use super::aborted::{Aborted, parse_aborted};
use super::epochs::Epochs;
use super::index::{Indexes, OFFSET_ENTRY_BYTES, OffsetIndex, TIME_ENTRY_BYTES, TimeIndex};
use super::machine::{Active, Log, LogConfig, Mark};
use super::names::FileKind;
use super::producers::{Marker, Producers};
use super::proven::Proven;
use super::scan::{Source, Walk, first_header, read_all, read_exact_at};
use super::segment::{Segment, Tail};
use crate::batch::Header;
use crate::mutation::{Mutation, planted};
use crate::types::{Offset, Timestamp};
use bytes::Bytes;
use std::sync::Arc;
use std::{fmt, io};

/// The largest segment: an index has 31 bits for a position, and so has `segment.bytes`.
const SEGMENT_BYTES_MAX: u64 = i32::MAX as u64;

/// The files of one segment.
pub struct SegmentFiles<'a> {
    /// The offset that names them.
    pub base: Offset,
    /// `.log`.
    pub log: &'a dyn Source,
    /// When `.log` was last changed.
    pub modified: Timestamp,
    /// `.index`.
    pub index: Option<&'a dyn Source>,
    /// `.timeindex`.
    pub timeindex: Option<&'a dyn Source>,
    /// `.txnindex`.
    pub txnindex: Option<&'a dyn Source>,
}

/// What there is of a log when it is opened.
pub struct Files<'a> {
    /// Its segments, in any order.
    pub segments: Vec<SegmentFiles<'a>>,
    /// Its `.snapshot` files by the offsets that name them.
    pub snapshots: Vec<(Offset, &'a dyn Source)>,
    /// `leader-epoch-checkpoint`, if it is there.
    pub epochs: Option<String>,
    /// From `recovery-point-offset-checkpoint`, else 0.
    pub recovery_point: Offset,
    /// From `log-start-offset-checkpoint`, else 0.
    pub log_start: Offset,
    /// The clean-shutdown marker was there.
    pub clean: bool,
}

/// A log, and what has to be done to its files to agree with it.
#[derive(Debug)]
pub struct Loaded {
    /// The log, its high watermark at its end.
    pub log: Log,
    /// Cut this segment's `.log` to this many bytes.
    pub cut: Option<(Offset, u64)>,
    /// Delete these segments, all their files.
    pub drop_segments: Vec<Offset>,
    /// Delete these snapshots.
    pub drop_snapshots: Vec<Offset>,
    /// Write these indexes.
    pub rebuilt: Vec<Rebuilt>,
    /// Write these snapshots.
    pub snapshots: Vec<(Offset, Vec<u8>)>,
    /// Write `leader-epoch-checkpoint`.
    pub epochs: Option<String>,
    /// What was not as it should be, for the operator.
    pub found: Vec<Found>,
    /// Bytes that were read to recover.
    pub scanned: u64,
}

/// The indexes of a recovered segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rebuilt {
    /// The segment.
    pub base: Offset,
    /// Its `.index`.
    pub index: Bytes,
    /// Its `.timeindex`.
    pub timeindex: Bytes,
    /// Its `.txnindex`; none: there must be no such file.
    pub txnindex: Option<Bytes>,
}

/// Something that was not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// The log is cut: what follows is not a whole and right batch.
    Cut {
        /// The segment.
        segment: Offset,
        /// Where in its file.
        position: u64,
        /// Bytes that go.
        bytes: u64,
        /// What is wrong there.
        fault: Fault,
        /// It lies below the recovery point: not a torn write, but damage to what was durable.
        durable: bool,
    },
    /// Segments behind the cut go.
    Dropped {
        /// How many.
        segments: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// A sealed segment of a log that was stopped cleanly is damaged. It is kept as it is.
    Damaged {
        /// The segment.
        segment: Offset,
        /// Where in its file.
        position: u64,
        /// What is wrong there.
        fault: Fault,
    },
    /// An index was missing or could not be one; it is built anew.
    Index {
        /// The segment.
        segment: Offset,
        /// Which.
        kind: FileKind,
    },
    /// A producer snapshot is damaged; an older one is used.
    Snapshot(Offset),
    /// `leader-epoch-checkpoint` is missing or damaged; it is built anew.
    Epochs,
    /// The whole log lies below its start: it begins anew there.
    BelowLogStart(Offset),
}

/// What is wrong where a batch should begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// No header, or its length reaches beyond the file: a torn write, zeros, something else.
    NotWhole,
    /// Its bytes are not those that were written.
    Crc,
    /// Its offsets do not follow the ones before, or do not belong into the segment: they may be those of
    /// the next.
    Offsets,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = |base: &Offset| super::file_name(*base, FileKind::Log);
        match self {
            Found::Cut {
                segment,
                position,
                bytes,
                fault,
                durable,
            } => {
                let durable = match durable {
                    true => ", below the recovery point: the disk has damaged it",
                    false => "",
                };
                let log = log(segment);
                write!(
                    f,
                    "{log} cut at {position}: {fault}, {bytes} bytes go{durable}"
                )
            }
            Found::Dropped { segments, bytes } => {
                write!(f, "{segments} segments behind the cut go, {bytes} bytes")
            }
            Found::Damaged {
                segment,
                position,
                fault,
            } => write!(f, "{} is damaged at {position}: {fault}", log(segment)),
            Found::Index { segment, kind } => {
                let name = super::file_name(*segment, *kind);
                write!(f, "{name} is missing or damaged and was built anew")
            }
            Found::Snapshot(offset) => {
                let name = super::file_name(*offset, FileKind::Snapshot);
                write!(f, "{name} is damaged and goes")
            }
            Found::Epochs => {
                write!(
                    f,
                    "leader-epoch-checkpoint is missing or damaged and was built anew"
                )
            }
            Found::BelowLogStart(start) => {
                write!(
                    f,
                    "all records lie below the log's start and go; it begins at {start}"
                )
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::NotWhole => "there is no whole batch",
            Fault::Crc => "the CRC does not match",
            Fault::Offsets => "the offsets do not follow",
        })
    }
}

/// A file that could not be read.
#[derive(Debug)]
pub struct LoadError {
    /// The segment's base or the snapshot's offset.
    pub base: Offset,
    /// Which file.
    pub kind: FileKind,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = super::file_name(self.base, self.kind);
        write!(f, "reading {name}: {}", self.error)
    }
}

impl std::error::Error for LoadError {}

/// Opens a log (Kafka's `LogLoader`). Reads; what has to be written comes back.
///
/// # Errors
/// A file could not be read, or is none of ours. Nothing may be cut or deleted then.
pub fn load(config: LogConfig, mut files: Files<'_>, now: Timestamp) -> Result<Loaded, LoadError> {
    if let Some(huge) = files
        .segments
        .iter()
        .find(|it| it.log.length() > SEGMENT_BYTES_MAX)
    {
        let why = io::Error::new(io::ErrorKind::FileTooLarge, "no segment has 2 GiB");
        return Err(failed(huge.base, FileKind::Log)(why));
    }
    files.segments.sort_by_key(|segment| segment.base);
    files.snapshots.sort_by_key(|(offset, _)| *offset);
    let mut loading = Loading {
        now,
        found: Vec::new(),
        rebuilt: Vec::new(),
        snapshots: Vec::new(),
        bad_snapshots: Vec::new(),
        scanned: 0,
        config: Arc::new(config),
        files,
    };
    loading.run()
}

struct Loading<'a> {
    config: Arc<LogConfig>,
    files: Files<'a>,
    now: Timestamp,
    found: Vec<Found>,
    rebuilt: Vec<Rebuilt>,
    snapshots: Vec<(Offset, Vec<u8>)>,
    bad_snapshots: Vec<Offset>,
    scanned: u64,
}

/// A segment as it was found or recovered.
struct Read {
    segment: Segment,
    /// The offset behind its last record.
    end: Offset,
    indexes: Indexes,
    aborted: Vec<Aborted>,
    first_timestamp: Option<Timestamp>,
    fault: Option<Fault>,
}

impl Loading<'_> {
    fn run(&mut self) -> Result<Loaded, LoadError> {
        let Some(first) = self.files.segments.first().map(|segment| segment.base) else {
            return Ok(self.start_anew(self.files.log_start));
        };
        let log_start = self.files.log_start.max(first);
        let mut epochs = self.read_epochs(log_start)?;
        let Outcome {
            mut segments,
            last,
            cut,
            dropped: drop_segments,
            mut producers,
            mut aborted,
        } = match self.files.clean {
            true => self.read_clean(log_start)?,
            false => self.recover_all(log_start, &mut epochs)?,
        };
        let log_end = last.end;
        if log_end < log_start {
            self.found.push(Found::BelowLogStart(log_start));
            return Ok(self.start_anew(log_start));
        }
        epochs.cut_after(log_end);
        epochs.cut_before(log_start);

        segments.truncate(segments.len() - 1);
        aborted.extend(last.aborted);
        // Also where the last segment is empty: the next start takes this snapshot and reads no batch.
        producers.reach(log_end);
        let newest_known = self.newest_snapshot(log_start, log_end);
        if newest_known.is_none_or(|newest| newest < log_end)
            && let Some(snapshot) = producers.take_snapshot()
        {
            self.snapshots.push(snapshot);
        }
        let drop_snapshots =
            self.snapshots_to_drop(log_start, log_end, &segments, last.segment.base);
        let tail = Tail::found(
            &self.config,
            &last.segment,
            last.first_timestamp,
            self.now,
            &last.indexes,
        );
        let active = Active {
            tail,
            indexes: last.indexes,
            proven: Proven::default(),
            modified: last.segment.modified,
        };
        let text = epochs.text();
        let changed = self.files.epochs.as_ref() != Some(&text);
        let write_epochs = changed && (self.files.epochs.is_some() || !epochs.entries().is_empty());
        let begun: Vec<Offset> = producers.open().filter(|it| *it >= log_start).collect();
        let mut log = Log::assemble(
            self.config.clone(),
            segments.into(),
            active,
            log_start,
            log_end,
            epochs,
            (producers, aborted.into()),
        );
        for offset in begun {
            if let Some(mark) = self.find_batch(offset)? {
                log.open.insert(offset, mark);
            }
        }
        Ok(Loaded {
            log,
            cut,
            drop_segments,
            drop_snapshots,
            rebuilt: std::mem::take(&mut self.rebuilt),
            snapshots: std::mem::take(&mut self.snapshots),
            epochs: write_epochs.then_some(text),
            found: std::mem::take(&mut self.found),
            scanned: self.scanned,
        })
    }

    /// An empty log at `start`; whatever files there are go.
    fn start_anew(&mut self, start: Offset) -> Loaded {
        let given = self.files.epochs.as_deref();
        let mut epochs = given.and_then(Epochs::parse).unwrap_or_default();
        epochs.cut_after(start);
        epochs.cut_before(start);
        let text = epochs.text();
        let changed = given.is_some_and(|given| given != text);
        let mut log = Log::empty(self.config.clone(), start, self.now);
        log.epochs = epochs;
        Loaded {
            log,
            cut: None,
            drop_segments: self.files.segments.iter().map(|s| s.base).collect(),
            drop_snapshots: self.files.snapshots.iter().map(|(at, _)| *at).collect(),
            rebuilt: Vec::new(),
            snapshots: Vec::new(),
            epochs: changed.then_some(text),
            found: std::mem::take(&mut self.found),
            scanned: self.scanned,
        }
    }
}

/// What the segments come to.
struct Outcome {
    segments: Vec<Segment>,
    /// The last of them.
    last: Read,
    /// Where its file is to be cut.
    cut: Option<(Offset, u64)>,
    /// Segments behind the cut.
    dropped: Vec<Offset>,
    producers: Producers,
    /// What was aborted in all segments but the last.
    aborted: Vec<Aborted>,
}

impl Loading<'_> {
    /// After a crash: recovers from the segment that holds the recovery point on.
    fn recover_all(
        &mut self,
        log_start: Offset,
        epochs: &mut Epochs,
    ) -> Result<Outcome, LoadError> {
        let count = self.files.segments.len();
        let after = self
            .files
            .segments
            .partition_point(|segment| segment.base <= self.files.recovery_point);
        let from = after.saturating_sub(1);
        let base = self.files.segments[from].base;
        let mut producers = self.producers_at(base.max(log_start), log_start)?;
        // Of batches that are read again only those are believed.
        let snapshots = self.files.snapshots.iter().map(|(offset, _)| *offset);
        self.bad_snapshots
            .extend(snapshots.filter(|offset| *offset > producers.end()));
        if base > log_start {
            self.snapshot(base, &mut producers);
        }
        let mut segments = Vec::with_capacity(count);
        let mut aborted = Vec::new();
        for at in 0..from {
            segments.push(self.read_sealed(at, log_start, &mut aborted)?);
        }
        for at in from..count {
            let read = self.recover(at, &mut producers, Some(epochs))?;
            segments.push(read.segment);
            let segment = &self.files.segments[at];
            let length = segment.log.length();
            let Some(fault) = read.fault else {
                if at + 1 == count {
                    return Ok(Outcome {
                        segments,
                        last: read,
                        cut: None,
                        dropped: Vec::new(),
                        producers,
                        aborted,
                    });
                }
                let next = self.files.segments[at + 1].base;
                if next > log_start {
                    self.snapshot(next, &mut producers);
                }
                aborted.extend(read.aborted);
                continue;
            };
            self.found.push(Found::Cut {
                segment: segment.base,
                position: read.segment.size,
                bytes: length - read.segment.size,
                fault,
                durable: read.end < self.files.recovery_point,
            });
            let behind = &self.files.segments[at + 1..];
            if !behind.is_empty() {
                self.found.push(Found::Dropped {
                    segments: behind.len(),
                    bytes: behind.iter().map(|segment| segment.log.length()).sum(),
                });
            }
            return Ok(Outcome {
                segments,
                cut: Some((segment.base, read.segment.size)),
                dropped: behind.iter().map(|segment| segment.base).collect(),
                last: read,
                producers,
                aborted,
            });
        }
        unreachable!("the last segment ends the loop")
    }

    /// The producers as of a segment's base, behind every batch before it, which may be a gap away. A start
    /// keeps the snapshots of bases; of another offset one would be gone after the next.
    fn snapshot(&mut self, base: Offset, producers: &mut Producers) {
        producers.reach(base);
        self.snapshots.extend(producers.take_snapshot());
    }

    /// After a clean stop: believes the sealed segments, walks over the last one's tail.
    fn read_clean(&mut self, log_start: Offset) -> Result<Outcome, LoadError> {
        let count = self.files.segments.len();
        let mut segments = Vec::with_capacity(count);
        let mut aborted = Vec::new();
        for at in 0..count - 1 {
            segments.push(self.read_sealed(at, log_start, &mut aborted)?);
        }
        let mut cut = None;
        let at = count - 1;
        let base = self.files.segments[at].base;
        let damaged = self.damaged_index(at)?;
        if let Some(kind) = damaged {
            self.found.push(Found::Index {
                segment: base,
                kind,
            });
        }
        let trusted = match damaged {
            None => self.trust_last(at)?,
            Some(_) => None,
        };
        let last = match trusted {
            Some(last) => last,
            None => {
                let mut producers = self.producers_at(base.max(log_start), log_start)?;
                let last = self.recover(at, &mut producers, None)?;
                if let Some(fault) = last.fault {
                    let length = self.files.segments[at].log.length();
                    cut = Some((base, last.segment.size));
                    self.found.push(Found::Cut {
                        segment: base,
                        position: last.segment.size,
                        bytes: length - last.segment.size,
                        fault,
                        durable: last.end < self.files.recovery_point,
                    });
                }
                last
            }
        };
        segments.push(last.segment);
        let producers = match last.end >= log_start {
            true => self.producers_at(last.end, log_start)?,
            false => Producers::none(last.end),
        };
        Ok(Outcome {
            segments,
            last,
            cut,
            dropped: Vec::new(),
            producers,
            aborted,
        })
    }

    /// A sealed segment, and what was aborted in it.
    fn read_sealed(
        &mut self,
        at: usize,
        log_start: Offset,
        aborted: &mut Vec<Aborted>,
    ) -> Result<Segment, LoadError> {
        match self.damaged_index(at)? {
            None => {
                aborted.extend(self.trusted_aborted(at)?);
                self.trust(at)
            }
            Some(kind) => {
                let read = self.rebuild_sealed(at, kind, log_start)?;
                aborted.extend(read.aborted);
                Ok(read.segment)
            }
        }
    }

    /// Reads a segment batch by batch and builds anew what is derived from it. Stops at the first
    /// batch that is not whole and right.
    fn recover(
        &mut self,
        at: usize,
        producers: &mut Producers,
        mut epochs: Option<&mut Epochs>,
    ) -> Result<Read, LoadError> {
        let files = &self.files.segments[at];
        let base = files.base;
        let next = self.files.segments.get(at + 1).map(|next| next.base);
        let length = files.log.length();
        let mut walk = Walk::whole(files.log, length);
        let mut tail = Tail::new(&self.config, base, self.now);
        let mut read = Read {
            segment: tail.segment(files.modified),
            end: base,
            indexes: Indexes::default(),
            aborted: Vec::new(),
            first_timestamp: None,
            fault: None,
        };
        while tail.size < length {
            let position = tail.size;
            let header = walk.header(position).map_err(failed(base, FileKind::Log))?;
            let Some(header) = header else {
                read.fault = Some(Fault::NotWhole);
                break;
            };
            let reaches_over = next.is_some_and(|next| header.last_offset() >= next);
            if !follows(&header, base, read.end) || reaches_over {
                read.fault = Some(Fault::Offsets);
                break;
            }
            let holds = walk.crc_holds(position, &header);
            if !holds.map_err(failed(base, FileKind::Log))? {
                read.fault = Some(Fault::Crc);
                break;
            }
            let size = header.size() as u32;
            let last = header.last_offset();
            let added = tail.add(&self.config, size, last, header.max_timestamp);
            read.indexes.add(base, &added);
            read.first_timestamp.get_or_insert(header.max_timestamp);
            read.end = header.next_offset();
            if let Some(epochs) = epochs.as_deref_mut() {
                epochs.seen(header.leader_epoch, header.base_offset);
            }
            if header.last_offset() >= producers.end() {
                let marker = marker(&mut walk, position, &header);
                let marker = marker.map_err(failed(base, FileKind::Log))?;
                read.aborted
                    .extend(producers.replay(&header, marker, self.now));
            }
        }
        self.scanned += tail.size;
        if let Some(entry) = tail.time_entry() {
            read.indexes.add_time(base, entry);
        }
        read.segment = tail.segment(files.modified);
        if planted(Mutation::StaleIndex) && read.fault.is_some() {
            self.keep_stale_index(at, &mut read)?;
        }
        let txnindex: Vec<u8> = read
            .aborted
            .iter()
            .flat_map(|entry| entry.encode())
            .collect();
        self.rebuilt.push(Rebuilt {
            base,
            index: Bytes::copy_from_slice(&read.indexes.offsets),
            timeindex: Bytes::copy_from_slice(&read.indexes.times),
            txnindex: (!txnindex.is_empty()).then(|| txnindex.into()),
        });
        Ok(read)
    }

    /// A sealed segment whose index is missing: built anew. The segment is kept whatever is found in
    /// it: the segments behind it are good.
    fn rebuild_sealed(
        &mut self,
        at: usize,
        kind: FileKind,
        log_start: Offset,
    ) -> Result<Read, LoadError> {
        let base = self.files.segments[at].base;
        self.found.push(Found::Index {
            segment: base,
            kind,
        });
        let mut producers = self.producers_at(base.max(log_start), log_start)?;
        let mut read = self.recover(at, &mut producers, None)?;
        if let Some(fault) = read.fault {
            self.found.push(Found::Damaged {
                segment: base,
                position: read.segment.size,
                fault,
            });
            read.segment.size = self.files.segments[at].log.length();
        }
        Ok(read)
    }

    /// The planted bug: the index still speaks of batches behind the cut.
    fn keep_stale_index(&self, at: usize, read: &mut Read) -> Result<(), LoadError> {
        let files = &self.files.segments[at];
        if let Some(index) = files.index {
            let old = read_all(index).map_err(failed(files.base, FileKind::Index))?;
            if old.len() > read.indexes.offsets.len() {
                read.indexes.offsets = old;
                return Ok(());
            }
        }
        let entry = super::OffsetEntry {
            offset: read.end,
            position: read.segment.size + 1,
        };
        read.indexes.add_offset(files.base, entry);
        Ok(())
    }
}

impl Loading<'_> {
    /// Which index of a segment is missing, or cannot belong to it. Only its end is looked at.
    fn damaged_index(&self, at: usize) -> Result<Option<FileKind>, LoadError> {
        let files = &self.files.segments[at];
        let base = files.base;
        let next = self.files.segments.get(at + 1).map(|next| next.base);
        let within = |offset: Offset| offset >= base && next.is_none_or(|next| offset < next);
        let size = files.log.length();
        let (Some(index), Some(timeindex)) = (files.index, files.timeindex) else {
            return Ok(Some(match files.index {
                None => FileKind::Index,
                Some(_) => FileKind::TimeIndex,
            }));
        };
        let bytes = last_entry(index, OFFSET_ENTRY_BYTES);
        let bytes = bytes.map_err(failed(base, FileKind::Index))?;
        if let Some(last) = OffsetIndex::new(base, &bytes).last()
            && (!within(last.offset) || last.position == 0 || last.position >= size)
        {
            return Ok(Some(FileKind::Index));
        }
        let bytes = last_entry(timeindex, TIME_ENTRY_BYTES);
        let bytes = bytes.map_err(failed(base, FileKind::TimeIndex))?;
        let entries = timeindex.length() / TIME_ENTRY_BYTES as u64;
        if let Some(last) = TimeIndex::new(base, &bytes).last() {
            // Zeros behind the entries: the file was not trimmed.
            let padded = entries > 1 && last.timestamp.0 == 0;
            if !within(last.offset) || last.timestamp.0 < 0 || padded || size == 0 {
                return Ok(Some(FileKind::TimeIndex));
            }
        }
        if let Some(txnindex) = files.txnindex {
            let bytes = read_all(txnindex).map_err(failed(base, FileKind::TxnIndex))?;
            let aborted = parse_aborted(base, &bytes);
            if !aborted.is_some_and(|all| all.last().is_none_or(|last| within(last.marker))) {
                return Ok(Some(FileKind::TxnIndex));
            }
        }
        Ok(None)
    }

    /// What was aborted in a segment, as its file says.
    fn trusted_aborted(&self, at: usize) -> Result<Vec<Aborted>, LoadError> {
        let files = &self.files.segments[at];
        let Some(txnindex) = files.txnindex else {
            return Ok(Vec::new());
        };
        let bytes = read_all(txnindex).map_err(failed(files.base, FileKind::TxnIndex))?;
        Ok(parse_aborted(files.base, &bytes).unwrap_or_default())
    }

    /// The time of a segment's first batch: compaction asks for it, and nobody else.
    fn first_timestamp(&self, files: &SegmentFiles<'_>) -> Result<Timestamp, LoadError> {
        if !self.config.compact {
            return Ok(Timestamp::NONE);
        }
        let first = first_header(files.log).map_err(failed(files.base, FileKind::Log))?;
        Ok(first.map_or(Timestamp::NONE, |first| first.max_timestamp))
    }

    /// A sealed segment as its files say.
    fn trust(&self, at: usize) -> Result<Segment, LoadError> {
        let files = &self.files.segments[at];
        let mut segment = Segment {
            base: files.base,
            size: files.log.length(),
            first_timestamp: self.first_timestamp(files)?,
            max_timestamp: Timestamp::NONE,
            max_timestamp_offset: files.base,
            modified: files.modified,
        };
        if let Some(timeindex) = files.timeindex {
            let bytes = last_entry(timeindex, TIME_ENTRY_BYTES);
            let bytes = bytes.map_err(failed(files.base, FileKind::TimeIndex))?;
            if let Some(last) = TimeIndex::new(files.base, &bytes).last() {
                segment.max_timestamp = last.timestamp;
                segment.max_timestamp_offset = last.offset;
            }
        }
        Ok(segment)
    }

    /// The last segment as its files say, its end by walking from the last index entry on. `None` if
    /// that does not come out at the file's end.
    fn trust_last(&self, at: usize) -> Result<Option<Read>, LoadError> {
        let files = &self.files.segments[at];
        let base = files.base;
        let mut segment = self.trust(at)?;
        let all = |source: Option<&dyn Source>, kind| {
            let read = source.map_or(Ok(Vec::new()), read_all);
            read.map_err(failed(base, kind))
        };
        let indexes = Indexes {
            offsets: all(files.index, FileKind::Index)?,
            times: all(files.timeindex, FileKind::TimeIndex)?,
        };
        let index = OffsetIndex::new(base, &indexes.offsets);
        if !index.fits(segment.size)
            || !indexes.offsets.len().is_multiple_of(OFFSET_ENTRY_BYTES)
            || !indexes.times.len().is_multiple_of(TIME_ENTRY_BYTES)
        {
            return Ok(None);
        }
        let mut walk = Walk::headers(files.log, segment.size);
        let first = walk.header(0).map_err(failed(base, FileKind::Log))?;
        let mut position = index.last().map_or(0, |last| last.position);
        let mut expected = index.last().map(|last| last.offset);
        let mut end = base;
        while position < segment.size {
            let header = walk.header(position).map_err(failed(base, FileKind::Log))?;
            let Some(header) = header.filter(|header| {
                let indexed = expected
                    .take()
                    .is_none_or(|last| last == header.last_offset());
                indexed && follows(header, base, end)
            }) else {
                return Ok(None);
            };
            if header.max_timestamp > segment.max_timestamp {
                segment.max_timestamp = header.max_timestamp;
                segment.max_timestamp_offset = header.last_offset();
            }
            end = header.next_offset();
            position += header.size() as u64;
        }
        Ok(Some(Read {
            segment,
            end,
            indexes,
            aborted: self.trusted_aborted(at)?,
            first_timestamp: first.map(|header| header.max_timestamp),
            fault: None,
        }))
    }

    /// The epochs as their checkpoint says; if that cannot be, as the batches say.
    fn read_epochs(&mut self, log_start: Offset) -> Result<Epochs, LoadError> {
        let given = self.files.epochs.as_deref();
        if let Some(epochs) = given.and_then(Epochs::parse) {
            return Ok(epochs);
        }
        let mut epochs = Epochs::default();
        for files in &self.files.segments {
            let mut walk = Walk::headers(files.log, files.log.length());
            let mut position = 0;
            while let Some(header) = walk
                .header(position)
                .map_err(failed(files.base, FileKind::Log))?
            {
                epochs.seen(header.leader_epoch, header.base_offset);
                position += header.size() as u64;
            }
        }
        epochs.cut_before(log_start);
        if given.is_some() || !epochs.entries().is_empty() {
            self.found.push(Found::Epochs);
        }
        Ok(epochs)
    }

    /// The producers at `target`: from the newest good snapshot at or below it and above the log's
    /// start, then batch by batch. After a clean stop without any snapshot there are none.
    fn producers_at(&mut self, target: Offset, log_start: Offset) -> Result<Producers, LoadError> {
        let mut producers = Producers::none(log_start);
        let mut any = false;
        for (offset, source) in self.files.snapshots.iter().rev() {
            if *offset > target || *offset <= log_start || self.bad_snapshots.contains(offset) {
                continue;
            }
            any = true;
            let bytes = read_all(*source).map_err(failed(*offset, FileKind::Snapshot))?;
            match Producers::parse(*offset, &bytes, self.now) {
                Some(read) => {
                    producers = read;
                    break;
                }
                None => {
                    self.bad_snapshots.push(*offset);
                    self.found.push(Found::Snapshot(*offset));
                }
            }
        }
        if self.files.clean && !any {
            return Ok(Producers::none(target));
        }
        let from = producers.end();
        if from >= target {
            return Ok(producers);
        }
        for (at, files) in self.files.segments.iter().enumerate() {
            let next = self.files.segments.get(at + 1).map(|next| next.base);
            if files.base >= target || next.is_some_and(|next| next <= from) {
                continue;
            }
            let mut position = self.floor(at, from)?;
            let mut walk = Walk::headers(files.log, files.log.length());
            let error = failed(files.base, FileKind::Log);
            while let Some(header) = walk.header(position).map_err(&error)? {
                if header.base_offset >= target {
                    break;
                }
                // No CRC has been looked at. Offsets that are those of the next segment are damage: with
                // them the producers would be told to a snapshot beyond the log, which none asks for.
                let reaches_over = next.is_some_and(|next| header.last_offset() >= next);
                if header.last_offset() >= from && !reaches_over {
                    let marker = marker(&mut walk, position, &header).map_err(&error)?;
                    producers.replay(&header, marker, self.now);
                }
                position += header.size() as u64;
            }
        }
        Ok(producers)
    }

    /// The batch that begins with `offset`.
    fn find_batch(&self, offset: Offset) -> Result<Option<Mark>, LoadError> {
        let segments = &self.files.segments;
        let after = segments.partition_point(|segment| segment.base <= offset);
        let Some(at) = after.checked_sub(1) else {
            return Ok(None);
        };
        let files = &segments[at];
        let mut position = self.floor(at, offset)?;
        let mut walk = Walk::headers(files.log, files.log.length());
        let error = failed(files.base, FileKind::Log);
        while let Some(header) = walk.header(position).map_err(&error)? {
            if header.base_offset >= offset {
                return Ok((header.base_offset == offset).then_some(Mark {
                    offset,
                    segment: files.base,
                    position,
                }));
            }
            position += header.size() as u64;
        }
        Ok(None)
    }

    /// Where to begin in a segment to find `offset`, by its index if that fits.
    fn floor(&self, at: usize, offset: Offset) -> Result<u64, LoadError> {
        let files = &self.files.segments[at];
        // After a crash an index may point anywhere, and so may one that is being built anew.
        let anew = self.rebuilt.iter().any(|it| it.base == files.base);
        let wanted = self.files.clean && !anew && offset > files.base;
        let Some(index) = files.index.filter(|_| wanted) else {
            return Ok(0);
        };
        let bytes = read_all(index).map_err(failed(files.base, FileKind::Index))?;
        let index = OffsetIndex::new(files.base, &bytes);
        match index.fits(files.log.length()) {
            true => Ok(index.floor(offset).0),
            false => Ok(0),
        }
    }

    fn newest_snapshot(&self, log_start: Offset, log_end: Offset) -> Option<Offset> {
        let offsets = self.files.snapshots.iter().map(|(offset, _)| *offset);
        offsets
            .filter(|offset| *offset > log_start && *offset <= log_end)
            .filter(|offset| !self.bad_snapshots.contains(offset))
            .max()
    }

    /// Kept is one snapshot per segment base, and the newest.
    fn snapshots_to_drop(
        &self,
        log_start: Offset,
        log_end: Offset,
        sealed: &[Segment],
        active: Offset,
    ) -> Vec<Offset> {
        let written = self.snapshots.iter().map(|(offset, _)| *offset).max();
        let newest = self.newest_snapshot(log_start, log_end).max(written);
        let bases: Vec<Offset> = sealed.iter().map(|s| s.base).chain([active]).collect();
        let offsets = self.files.snapshots.iter().map(|(offset, _)| *offset);
        offsets
            .filter(|offset| {
                let kept = Some(*offset) == newest || bases.binary_search(offset).is_ok();
                let bad = self.bad_snapshots.contains(offset);
                let outside = *offset <= log_start || *offset > log_end;
                let rewritten = self.snapshots.iter().any(|(at, _)| at == offset);
                (!kept || bad || outside) && !rewritten
            })
            .collect()
    }
}

/// Whether a batch's offsets can be: behind those before it, and near enough to the segment's base for
/// its index. No CRC covers the base offset.
fn follows(header: &Header, base: Offset, end: Offset) -> bool {
    header.base_offset >= end && header.last_offset().0 - base.0 <= i64::from(i32::MAX)
}

/// How a transaction ended, if the batch says so.
fn marker(walk: &mut Walk<'_>, position: u64, header: &Header) -> io::Result<Option<Marker>> {
    match header.is_control() && header.has_producer() {
        true => Ok(Marker::parse(walk.control_body(position, header)?)),
        false => Ok(None),
    }
}

/// The last whole entry of an index file; empty if there is none.
fn last_entry(source: &dyn Source, entry_bytes: usize) -> io::Result<Vec<u8>> {
    let entries = source.length() / entry_bytes as u64;
    let Some(last) = entries.checked_sub(1) else {
        return Ok(Vec::new());
    };
    let mut bytes = vec![0; entry_bytes];
    read_exact_at(source, last * entry_bytes as u64, &mut bytes)?;
    Ok(bytes)
}

fn failed(base: Offset, kind: FileKind) -> impl Fn(io::Error) -> LoadError {
    move |error| LoadError { base, kind, error }
}
