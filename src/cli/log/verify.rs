//! `log verify`: whether the files are what a broker relies on.
//!
//! Checked are the batches (whole, CRC, records that can be read, offsets and epochs that ascend), the
//! indexes against the batches, the producer snapshots' CRC, and the checkpoints against the logs.

use super::batches::{Batch, Batches, Next};
use super::dump::is_sound_snapshot;
use super::places::{Kind, entries, holds_metadata, kind_of, partition_of};
use crate::batch::Header;
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::log::{
    Epochs, FileKind, OffsetEntry, OffsetIndex, Stage, TimeEntry, TimeIndex, file_name,
    parse_aborted, parse_offsets, parse_partition_metadata,
};
use crate::metadata::{MetaProperties, State, parse_snapshot_name};
use crate::types::{LeaderEpoch, Offset, Timestamp};
use crate::wire::{MetadataRecord, Reader};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Checks CRCs, offsets, indexes and checkpoints; exits with 1 if anything is wrong.
#[derive(Args)]
pub(super) struct Verify {
    /// Segments (.log), partitions' directories, or a whole log directory.
    #[arg(required = true)]
    path: Vec<PathBuf>,

    /// Look at batches' headers and CRCs only, not at the records in them.
    #[arg(long)]
    shallow: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was looked at and what was found.
#[derive(Default)]
struct Findings {
    shallow: bool,
    partitions: u64,
    segments: u64,
    batches: u64,
    records: u64,
    bytes: u64,
    /// Which file, and what is wrong with it.
    problems: Vec<(PathBuf, String)>,
}

impl Verify {
    pub(super) fn print(self, writer: Box<dyn Write>) -> Result<(), Failure> {
        let mut findings = Findings {
            shallow: self.shallow,
            ..Findings::default()
        };
        for path in &self.path {
            match path.is_dir() {
                true => findings.directory(path)?,
                false => findings.file(path)?,
            }
        }
        findings.show(Out::to(writer, self.json))
    }
}

/// Where the segments before the present one have led.
#[derive(Clone, Copy)]
struct Walk {
    /// The offset behind the last batch.
    next: Offset,
    epoch: LeaderEpoch,
}

/// What is known of a partition while its segments are gone through.
struct Partition<'a> {
    directory: &'a Path,
    epochs: Option<Epochs>,
    metadata: bool,
}

impl Findings {
    fn problem(&mut self, path: &Path, what: impl Into<String>) {
        self.problems.push((path.to_owned(), what.into()));
    }

    /// A log directory or a partition's.
    fn directory(&mut self, directory: &Path) -> Result<(), Failure> {
        let (files, directories) = entries(directory)?;
        let is_partition = files
            .iter()
            .any(|(_, kind)| matches!(kind, Kind::Segment(..) | Kind::PartitionMetadata));
        if is_partition {
            return self.partition(directory, &files).map(|_| ());
        }
        let mut ends = BTreeMap::new();
        let mut found = false;
        for path in &directories {
            let (files, _) = entries(path)?;
            if !files
                .iter()
                .any(|(_, kind)| matches!(kind, Kind::Segment(..)))
            {
                continue;
            }
            found = true;
            let end = self.partition(path, &files)?;
            if let Some(partition) = partition_of(path) {
                ends.insert(partition, end);
            }
        }
        if !found && files.is_empty() {
            let name = directory.display();
            return Err(Failure::new(format!("{name}: there is no log in it"))
                .advise("give a directory of log.dirs or of a partition"));
        }
        for (path, kind) in &files {
            self.beside(path, *kind, &ends)?;
        }
        Ok(())
    }

    /// A file in the log directory itself.
    fn beside(
        &mut self,
        path: &Path,
        kind: Kind,
        ends: &BTreeMap<(String, i32), Offset>,
    ) -> Result<(), Failure> {
        match kind {
            Kind::Offsets => {
                let text = String::from_utf8_lossy(&read(path)?).into_owned();
                let Some(offsets) = parse_offsets(&text) else {
                    self.problem(path, "cannot be read");
                    return Ok(());
                };
                for ((topic, index), offset) in offsets {
                    if let Some(end) = ends.get(&(topic.clone(), index))
                        && offset > *end
                    {
                        self.problem(
                            path,
                            format!("{topic}-{index} is at {offset}, its log ends at {end}"),
                        );
                    }
                }
            }
            Kind::Text if path.ends_with(MetaProperties::NAME) => {
                let text = String::from_utf8_lossy(&read(path)?).into_owned();
                if let Err(fault) = MetaProperties::parse(&text) {
                    self.problem(path, fault.why);
                }
            }
            Kind::Batches => self.snapshot(path)?,
            _ => {}
        }
        Ok(())
    }

    /// A single file.
    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        match kind_of(path) {
            Some(Kind::Segment(base, FileKind::Log, _)) => {
                let directory = path.parent().unwrap_or(Path::new("."));
                let partition = Partition {
                    directory,
                    epochs: None,
                    metadata: holds_metadata(path),
                };
                let mut walk = Walk {
                    next: base,
                    epoch: LeaderEpoch::UNKNOWN,
                };
                self.segment(&partition, path, base, None, &mut walk)
            }
            Some(Kind::Batches) => self.snapshot(path),
            _ => Err(
                Failure::new(format!("{}: cannot be verified by itself", path.display()))
                    .advise("give a .log, a partition's directory or a log directory"),
            ),
        }
    }

    /// All segments of a partition; returns where its log ends.
    fn partition(
        &mut self,
        directory: &Path,
        files: &[(PathBuf, Kind)],
    ) -> Result<Offset, Failure> {
        self.partitions += 1;
        let mut partition = Partition {
            directory,
            epochs: None,
            metadata: holds_metadata(directory),
        };
        let mut logs: Vec<(Offset, &Path)> = Vec::new();
        for (path, kind) in files {
            match kind {
                Kind::Segment(base, FileKind::Log, Stage::Live) => logs.push((*base, path)),
                Kind::Segment(_, FileKind::Snapshot, Stage::Live)
                    if !is_sound_snapshot(&read(path)?) =>
                {
                    self.problem(path, "damaged: producers would be read from the log again");
                }
                Kind::Epochs => {
                    let text = String::from_utf8_lossy(&read(path)?).into_owned();
                    partition.epochs = Epochs::parse(&text);
                    if partition.epochs.is_none() {
                        self.problem(path, "cannot be read");
                    }
                }
                Kind::PartitionMetadata => {
                    let text = String::from_utf8_lossy(&read(path)?).into_owned();
                    if parse_partition_metadata(&text).is_none() {
                        self.problem(path, "names no topic id: Kafka would set the log aside");
                    }
                }
                Kind::Batches => self.snapshot(path)?,
                _ => {}
            }
        }
        logs.sort();
        let first = logs.first().map_or(Offset(0), |(base, _)| *base);
        let mut walk = Walk {
            next: first,
            epoch: LeaderEpoch::UNKNOWN,
        };
        for (at, (base, path)) in logs.iter().enumerate() {
            let next_base = logs.get(at + 1).map(|(base, _)| *base);
            self.segment(&partition, path, *base, next_base, &mut walk)?;
        }
        Ok(walk.next)
    }

    /// One segment with its indexes.
    fn segment(
        &mut self,
        partition: &Partition<'_>,
        path: &Path,
        base: Offset,
        next_base: Option<Offset>,
        walk: &mut Walk,
    ) -> Result<(), Failure> {
        self.segments += 1;
        if walk.next > base {
            self.problem(
                path,
                format!("begins before {}, where the one before ends", walk.next),
            );
        }
        walk.next = walk.next.max(base);
        let beside = |kind| partition.directory.join(file_name(base, kind));
        let index_path = beside(FileKind::Index);
        let times_path = beside(FileKind::TimeIndex);
        let mut offsets = OffsetCheck::new(read_if_there(&index_path)?.as_deref(), base);
        let mut times = TimeCheck::new(read_if_there(&times_path)?.as_deref(), base);
        let unreadable = |error| Failure::new(format!("{}: {error}", path.display()));
        let mut batches = Batches::open(path).map_err(unreadable)?;
        let mut epoch_told = false;
        loop {
            let batch = match batches.next().map_err(unreadable)? {
                Next::End => break,
                Next::Batch(batch) => batch,
                Next::Rest {
                    position,
                    bytes,
                    zero,
                    cut,
                } => {
                    let what = match (zero, cut) {
                        (true, _) => "zeros, not a batch",
                        (_, true) => "a batch that is cut off",
                        _ => "not a batch",
                    };
                    let more = next_base.map_or("", |_| ", and more segments follow");
                    self.problem(
                        path,
                        format!("the last {bytes} bytes, at {position}, are {what}{more}"),
                    );
                    break;
                }
            };
            self.batches += 1;
            self.bytes += batch.bytes.len() as u64;
            self.batch(partition, path, &batch, walk, &mut epoch_told);
            offsets.batch(batch.position, &batch.header);
            times.batch(&batch.header);
        }
        if let Some(next_base) = next_base
            && walk.next > next_base
        {
            self.problem(
                path,
                format!("goes on to {}, beyond the next segment", walk.next),
            );
        }
        for what in offsets.finish() {
            self.problem(&index_path, what);
        }
        for what in times.finish() {
            self.problem(&times_path, what);
        }
        let aborted_path = beside(FileKind::TxnIndex);
        if let Some(bytes) = read_if_there(&aborted_path)?
            && parse_aborted(base, &bytes).is_none()
        {
            self.problem(&aborted_path, "cannot be read");
        }
        Ok(())
    }

    fn batch(
        &mut self,
        partition: &Partition<'_>,
        path: &Path,
        batch: &Batch,
        walk: &mut Walk,
        epoch_told: &mut bool,
    ) {
        let header = &batch.header;
        let place = format!(
            "the batch of offset {} at {}",
            header.base_offset, batch.position
        );
        if let Err(fault) = batch.check() {
            self.problem(path, format!("{place}: {fault}"));
        } else if !self.shallow {
            match self.records(partition, path, batch) {
                Ok(count) => self.records += count,
                Err(what) => self.problem(path, format!("{place}: {what}")),
            }
        }
        if header.base_offset < walk.next {
            self.problem(
                path,
                format!("{place}: the log has come to {} before", walk.next),
            );
        }
        walk.next = walk.next.max(header.next_offset());
        if header.leader_epoch < walk.epoch {
            self.problem(
                path,
                format!(
                    "{place}: epoch {} after {}",
                    header.leader_epoch, walk.epoch
                ),
            );
        }
        walk.epoch = walk.epoch.max(header.leader_epoch);
        let known = partition.epochs.as_ref();
        let known = known.and_then(|epochs| epochs.epoch_of(header.base_offset));
        if let Some(known) = known
            && known != header.leader_epoch
            && !*epoch_told
        {
            *epoch_told = true;
            self.problem(
                path,
                format!(
                    "{place}: epoch {}, leader-epoch-checkpoint says {known}",
                    header.leader_epoch
                ),
            );
        }
    }

    /// Goes through the records; returns how many.
    fn records(
        &mut self,
        partition: &Partition<'_>,
        path: &Path,
        batch: &Batch,
    ) -> Result<u64, String> {
        let header = &batch.header;
        let mut before = -1;
        let mut disorder = None;
        let mut unknown = Vec::new();
        let count = batch
            .records(|record| {
                let delta = record.offset_delta;
                if delta <= before || delta > header.last_offset_delta {
                    disorder.get_or_insert(delta);
                }
                before = delta;
                if partition.metadata && !header.is_control() {
                    let value = record.value.unwrap_or_default();
                    if let Err(error) = MetadataRecord::decode(&mut Reader::new([value])) {
                        unknown.push((header.base_offset.plus(delta.into()), error));
                    }
                }
            })
            .map_err(|fault| fault.to_string())?;
        for (offset, error) in unknown {
            self.problem(path, format!("the record of offset {offset}: {error}"));
        }
        if let Some(delta) = disorder {
            return Err(format!(
                "a record's offset is out of order, {delta} after the first"
            ));
        }
        if count != header.record_count {
            return Err(format!(
                "{count} records, its header says {}",
                header.record_count
            ));
        }
        Ok(count as u64)
    }

    /// A snapshot of the metadata log.
    fn snapshot(&mut self, path: &Path) -> Result<(), Failure> {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(position) = name.and_then(parse_snapshot_name) else {
            return Ok(());
        };
        if let Err(fault) = State::from_snapshot(&read(path)?, position) {
            self.problem(path, fault.to_string());
        }
        Ok(())
    }

    fn show(self, mut out: Out) -> Result<(), Failure> {
        if out.json {
            let problems: Vec<Value> = self
                .problems
                .iter()
                .map(|(path, what)| json!({ "path": path.display().to_string(), "problem": what }))
                .collect();
            out.document(&json!({
                "partitions": self.partitions,
                "segments": self.segments,
                "batches": self.batches,
                "records": self.records,
                "bytes": self.bytes,
                "problems": problems,
            }))?;
        } else {
            for (path, what) in &self.problems {
                out.line(format!("{}: {what}", path.display()))?;
            }
            let records = match self.shallow {
                true => String::new(),
                false => format!(", records {}", self.records),
            };
            out.line(format!(
                "partitions {}, segments {}, batches {}{records}, bytes {}: {}",
                self.partitions,
                self.segments,
                self.batches,
                self.bytes,
                match self.problems.len() {
                    0 => "all is well".to_owned(),
                    1 => "1 problem".to_owned(),
                    count => format!("{count} problems"),
                }
            ))?;
        }
        out.flush()?;
        match self.problems.len() {
            0 => Ok(()),
            _ => Err(Failure::new("the log is damaged").advise(
                "keep a copy: after a crash a broker cuts a log at its first bad batch and makes its \
                 indexes anew; what is cut is only on other replicas",
            )),
        }
    }
}

/// An offset index beside its batches. An entry sends readers to a position: a batch must begin
/// there, and none before it may reach the entry's offset.
struct OffsetCheck {
    /// What is not compared yet, the next one last.
    entries: Vec<OffsetEntry>,
    problems: Vec<String>,
}

impl OffsetCheck {
    fn new(bytes: Option<&[u8]>, base: Offset) -> OffsetCheck {
        let index = OffsetIndex::new(base, bytes.unwrap_or_default());
        // An open file is as long as it may become, with zeros behind its entries.
        let entries = (0..index.len()).map_while(|at| index.get(at));
        let mut entries: Vec<OffsetEntry> = entries.take_while(|it| it.position > 0).collect();
        let mut problems = Vec::new();
        let disorder = entries
            .windows(2)
            .find(|two| two[0].offset >= two[1].offset || two[0].position >= two[1].position);
        if let Some(two) = disorder {
            problems.push(format!(
                "the entry behind offset {} does not ascend",
                two[0].offset
            ));
            entries.clear();
        }
        entries.reverse();
        OffsetCheck { entries, problems }
    }

    fn batch(&mut self, position: u64, header: &Header) {
        while let Some(entry) = self.entries.last()
            && entry.position <= position
        {
            if entry.position < position {
                self.problems.push(format!(
                    "the entry of offset {} points at {}, where no batch begins",
                    entry.offset, entry.position
                ));
            } else if entry.offset < header.base_offset {
                self.problems.push(format!(
                    "the entry of offset {} points at the batch of {}",
                    entry.offset, header.base_offset
                ));
            }
            self.entries.pop();
        }
    }

    fn finish(mut self) -> Vec<String> {
        if let Some(entry) = self.entries.last() {
            self.problems.push(format!(
                "the entry of offset {} points at {}, behind the last batch",
                entry.offset, entry.position
            ));
        }
        self.problems
    }
}

/// A time index beside its batches. An entry says what the largest timestamp is up to an offset.
struct TimeCheck {
    /// What is not compared yet, the next one last.
    entries: Vec<TimeEntry>,
    largest: Timestamp,
    problems: Vec<String>,
}

impl TimeCheck {
    fn new(bytes: Option<&[u8]>, base: Offset) -> TimeCheck {
        let index = TimeIndex::new(base, bytes.unwrap_or_default());
        let entries = (0..index.len()).map_while(|at| index.get(at));
        let mut entries: Vec<TimeEntry> = entries.take_while(|it| it.timestamp.0 > 0).collect();
        let mut problems = Vec::new();
        let disorder = entries
            .windows(2)
            .find(|two| two[0].timestamp >= two[1].timestamp || two[0].offset > two[1].offset);
        if let Some(two) = disorder {
            problems.push(format!(
                "the entry behind offset {} does not ascend",
                two[0].offset
            ));
            entries.clear();
        }
        entries.reverse();
        TimeCheck {
            entries,
            largest: Timestamp::NONE,
            problems,
        }
    }

    fn batch(&mut self, header: &Header) {
        self.compare_before(header.base_offset);
        // Compaction keeps a producer's last batch without records; nobody looks for its time.
        if header.record_count > 0 {
            self.largest = self.largest.max(header.max_timestamp);
        }
    }

    /// Compares the entries whose batches have all been seen.
    fn compare_before(&mut self, offset: Offset) {
        while let Some(entry) = self.entries.last()
            && entry.offset < offset
        {
            if entry.timestamp != self.largest {
                self.problems.push(format!(
                    "the entry of offset {} says {}, the largest timestamp up to there is {}",
                    entry.offset, entry.timestamp, self.largest
                ));
            }
            self.entries.pop();
        }
    }

    fn finish(mut self) -> Vec<String> {
        self.compare_before(Offset(i64::MAX));
        self.problems
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match path.exists() {
        true => read(path).map(Some),
        false => Ok(None),
    }
}
