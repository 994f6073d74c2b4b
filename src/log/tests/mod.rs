//! Stories about the log, and the log against a naive model of one. What they share: batches, files
//! in memory, a store that does what the log says.

mod append;
mod compaction;
mod recover;
mod transactions;

use super::*;
use crate::batch::{Builder, Header};
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use std::collections::BTreeMap;
use std::io;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const EPOCH: LeaderEpoch = LeaderEpoch(0);

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1 << 20,
        segment_ms: 7 * 24 * 3600 * 1000,
        segment_jitter_ms: 0,
        jitter_seed: 0,
        index_interval_bytes: 4096,
        index_bytes_max: 10 << 20,
        compact: false,
        producer_expiration_ms: 24 * 3600 * 1000,
        flush_messages: i64::MAX,
        recent_batches: 4,
        index_cache_bytes: 1 << 20,
    }
}

/// A batch of records as a producer sends it; each record's timestamp is one more than the last's.
fn batch(records: usize, value_bytes: usize, time: i64) -> Vec<u8> {
    fill(builder(), records, value_bytes, time)
}

fn builder() -> Builder {
    Builder::new(Offset(0), LeaderEpoch::UNKNOWN)
}

fn fill(mut builder: Builder, records: usize, value_bytes: usize, time: i64) -> Vec<u8> {
    let value = vec![7; value_bytes];
    for at in 0..records {
        builder.push(Timestamp(time + at as i64), None, Some(&value), &[]);
    }
    builder.finish()
}

fn from_producer(id: i64, epoch: i16, sequence: i32, records: usize) -> Vec<u8> {
    let builder = builder().producer(ProducerId(id), ProducerEpoch(epoch), sequence);
    fill(builder, records, 10, NOW.0)
}

fn header(batch: &[u8]) -> Header {
    Header::read(batch).expect("a header")
}

/// The batch as the leader puts it into the file.
fn placed(batch: &[u8], base: Offset, epoch: LeaderEpoch) -> Vec<u8> {
    let mut batch = batch.to_vec();
    batch[..8].copy_from_slice(&base.0.to_be_bytes());
    batch[12..16].copy_from_slice(&epoch.0.to_be_bytes());
    batch
}

struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, position: u64, into: &mut [u8]) -> io::Result<usize> {
        // Short reads are the rule here: whoever relies on whole ones fails.
        let rest = self.0.get(position as usize..).unwrap_or(&[]);
        let count = rest.len().min(into.len()).min(into.len() / 2 + 1);
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// The files of a partition, in memory.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Disk {
    files: BTreeMap<(Offset, FileKind), Vec<u8>>,
    epochs: Option<String>,
}

/// A store as the real one, but with everything at hand.
struct Store {
    log: Log,
    disk: Disk,
}

impl Store {
    fn new(config: LogConfig) -> Store {
        let log = Log::empty(config, Offset(0), NOW);
        let mut disk = Disk::default();
        disk.files.insert((Offset(0), FileKind::Log), Vec::new());
        Store { log, disk }
    }

    fn append(&mut self, batch: &[u8]) -> Result<Staged, Refused> {
        self.append_as(batch, EPOCH)
    }

    fn append_as(&mut self, batch: &[u8], epoch: LeaderEpoch) -> Result<Staged, Refused> {
        let staged = self.stage(batch, epoch)?;
        self.finish(&staged, batch, epoch);
        Ok(staged)
    }

    fn stage(&mut self, batch: &[u8], epoch: LeaderEpoch) -> Result<Staged, Refused> {
        let header = header(batch);
        let size = batch.len() as u32;
        self.log
            .stage(&header, size, header.max_timestamp, epoch, NOW)
    }

    fn finish(&mut self, staged: &Staged, batch: &[u8], epoch: LeaderEpoch) -> Completed {
        if staged.roll_first {
            let sealed = self.log.roll(staged.segment, NOW);
            self.write(sealed);
        }
        let log = (staged.segment, FileKind::Log);
        let file = self.disk.files.entry(log).or_default();
        assert_eq!(file.len() as u64, staged.position);
        file.extend_from_slice(&placed(batch, staged.base_offset, epoch));
        let completed = self.log.complete(1);
        if completed.epochs_changed {
            self.disk.epochs = Some(self.log.epochs().text());
        }
        completed
    }

    fn write(&mut self, sealed: Sealed) {
        let log = &self.disk.files[&(sealed.base, FileKind::Log)];
        assert_eq!(log.len() as u64, sealed.size);
        let files = &mut self.disk.files;
        files.insert((sealed.base, FileKind::Index), sealed.index.to_vec());
        files.insert(
            (sealed.base, FileKind::TimeIndex),
            sealed.timeindex.to_vec(),
        );
        if let Some(txnindex) = sealed.txnindex {
            files.insert((sealed.base, FileKind::TxnIndex), txnindex.to_vec());
        }
        if let Some((at, snapshot)) = sealed.snapshot {
            files.insert((at, FileKind::Snapshot), snapshot);
        }
    }

    fn close(mut self) -> Disk {
        let sealed = self.log.close_files();
        self.write(sealed);
        self.disk
    }

    /// The batch that a reader of `offset` gets: its base offset.
    fn find(&mut self, offset: Offset) -> Result<Offset, Located> {
        let mut target = offset;
        loop {
            let (segment, position) = match self.log.locate(target, Isolation::ReadUncommitted) {
                Located::At {
                    segment,
                    position,
                    batch_size,
                } => {
                    let file = &self.disk.files[&(segment, FileKind::Log)];
                    let size = header(&file[position as usize..]).size();
                    assert_eq!(batch_size as usize, size, "at {position} in {segment}");
                    (segment, position)
                }
                Located::LoadIndex { segment } => {
                    let index = self.disk.files.get(&(segment, FileKind::Index));
                    let index = index.cloned().unwrap_or_default();
                    self.log.index_loaded(segment, index.into());
                    continue;
                }
                Located::Scan { segment, from, to } => match self.scan(segment, from, to, target) {
                    ScanStep::Found { position, .. } => (segment, position),
                    ScanStep::Corrupt { .. } if self.log.index_lies(segment) => continue,
                    ScanStep::End => {
                        target = self.log.first_of_next(segment).expect("more segments");
                        continue;
                    }
                    step => panic!("{step:?} looking for {target} in {segment}"),
                },
                other => return Err(other),
            };
            let file = &self.disk.files[&(segment, FileKind::Log)];
            return Ok(header(&file[position as usize..]).base_offset);
        }
    }

    fn scan(&mut self, segment: Offset, from: u64, to: u64, target: Offset) -> ScanStep {
        let file = &self.disk.files[&(segment, FileKind::Log)];
        let mut at = from;
        loop {
            let end = (at + 100).min(file.len() as u64);
            let bytes = &file[at as usize..end as usize];
            match self.log.scan_headers(segment, bytes, at, to, target) {
                ScanStep::ReadOn { position } => {
                    assert!(position > at || end == at + 100, "no progress at {at}");
                    at = position;
                }
                step => return step,
            }
        }
    }
}

impl Disk {
    fn load(&self, config: LogConfig, recovery_point: i64, clean: bool) -> Loaded {
        self.try_load(config, recovery_point, 0, clean)
            .expect("no I/O error")
    }

    fn try_load(
        &self,
        config: LogConfig,
        recovery_point: i64,
        log_start: i64,
        clean: bool,
    ) -> Result<Loaded, LoadError> {
        let sources: BTreeMap<_, _> = self
            .files
            .iter()
            .map(|(name, bytes)| (*name, Bytes(bytes)))
            .collect();
        let source = |base, kind| sources.get(&(base, kind)).map(|s| s as &dyn Source);
        let of_kind = |wanted| {
            let names = sources.keys();
            names
                .filter(move |(_, kind)| *kind == wanted)
                .map(|(base, _)| *base)
        };
        let files = Files {
            segments: of_kind(FileKind::Log)
                .map(|base| SegmentFiles {
                    base,
                    log: source(base, FileKind::Log).expect("listed"),
                    modified: NOW,
                    index: source(base, FileKind::Index),
                    timeindex: source(base, FileKind::TimeIndex),
                    txnindex: source(base, FileKind::TxnIndex),
                })
                .collect(),
            snapshots: of_kind(FileKind::Snapshot)
                .map(|at| (at, source(at, FileKind::Snapshot).expect("listed")))
                .collect(),
            epochs: self.epochs.clone(),
            recovery_point: Offset(recovery_point),
            log_start: Offset(log_start),
            clean,
        };
        load(config, files, NOW)
    }

    /// Does what a load asks for, and goes on from there.
    fn open(mut self, loaded: Loaded) -> Store {
        if let Some((segment, length)) = loaded.cut {
            let log = self
                .files
                .get_mut(&(segment, FileKind::Log))
                .expect("there");
            log.truncate(length as usize);
        }
        for base in loaded.drop_segments {
            self.files
                .retain(|(of, kind), _| *of != base || *kind == FileKind::Snapshot);
        }
        for at in loaded.drop_snapshots {
            assert!(self.files.remove(&(at, FileKind::Snapshot)).is_some());
        }
        for rebuilt in loaded.rebuilt {
            let base = rebuilt.base;
            self.files
                .insert((base, FileKind::Index), rebuilt.index.to_vec());
            self.files
                .insert((base, FileKind::TimeIndex), rebuilt.timeindex.to_vec());
            match rebuilt.txnindex {
                Some(bytes) => self
                    .files
                    .insert((base, FileKind::TxnIndex), bytes.to_vec()),
                None => self.files.remove(&(base, FileKind::TxnIndex)),
            };
        }
        for (at, bytes) in loaded.snapshots {
            self.files.insert((at, FileKind::Snapshot), bytes);
        }
        if let Some(text) = loaded.epochs {
            self.epochs = Some(text);
        }
        let base = loaded.log.active_segment().base;
        self.files.entry((base, FileKind::Log)).or_default();
        Store {
            log: loaded.log,
            disk: self,
        }
    }

    fn log(&mut self, base: i64) -> &mut Vec<u8> {
        self.files
            .get_mut(&(Offset(base), FileKind::Log))
            .expect("there")
    }
}
