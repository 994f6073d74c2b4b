//! Opens a partition's directory: lets `log` decide about what is there and makes the files agree
//! with what it decided. Runs at start, off the shards.

use super::files::{self, FileSource, LEADER_EPOCHS};
use crate::io::{Disk, File, OpenMode};
use crate::log::{self, FileKind, Isolation, Located, Log, LogConfig, SegmentFiles, Stage};
use crate::types::{Offset, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;

/// A partition as it was found, brought into order.
#[derive(Debug)]
pub struct OpenedLog {
    /// The log.
    pub log: Log,
    /// The active segment's file.
    pub active: File,
    /// Everything before is durable.
    pub recovery_point: Offset,
    /// Bytes that were read to recover.
    pub scanned: u64,
}

/// Why a partition cannot be opened. Nothing of it was deleted.
#[derive(Debug)]
pub enum LoadFault {
    /// The disk did not do what it was asked.
    Io(io::Error),
    /// The log cannot be made sense of.
    Log(log::LoadError),
}

impl fmt::Display for LoadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadFault::Io(error) => write!(f, "{error}"),
            LoadFault::Log(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for LoadFault {
    fn from(error: io::Error) -> LoadFault {
        LoadFault::Io(error)
    }
}

/// Opens the log in `directory`; one without a segment begins at `log_start`.
#[allow(clippy::too_many_arguments)]
pub fn open_partition(
    disk: &dyn Disk,
    directory: &Path,
    config: LogConfig,
    recovery_point: Offset,
    log_start: Offset,
    clean: bool,
    now: Timestamp,
) -> Result<OpenedLog, LoadFault> {
    tidy(disk, directory)?;
    let mut sources: BTreeMap<(Offset, FileKind), (FileSource<'_>, i64)> = BTreeMap::new();
    for entry in disk.list(directory)? {
        if let Some((base, kind, Stage::Live)) = log::parse_file_name(&entry.name) {
            let mode = if kind == FileKind::Log {
                OpenMode::Write
            } else {
                OpenMode::Read
            };
            let file = disk.open(&directory.join(&entry.name), mode)?;
            let modified_ms = disk.info(&file)?.modified_ms;
            sources.insert((base, kind), (FileSource::new(disk, file)?, modified_ms));
        }
    }
    let source = |base, kind| {
        sources
            .get(&(base, kind))
            .map(|(it, _)| it as &dyn log::Source)
    };
    let segments = sources
        .iter()
        .filter(|((_, kind), _)| *kind == FileKind::Log)
        .map(|((base, _), (log, modified_ms))| SegmentFiles {
            base: *base,
            log,
            modified: Timestamp(*modified_ms),
            index: source(*base, FileKind::Index),
            timeindex: source(*base, FileKind::TimeIndex),
            txnindex: source(*base, FileKind::TxnIndex),
        });
    let snapshots = sources
        .iter()
        .filter(|((_, kind), _)| *kind == FileKind::Snapshot)
        .map(|((offset, _), (source, _))| (*offset, source as &dyn log::Source));
    let epochs = files::read_if_there(disk, &directory.join(LEADER_EPOCHS))?;
    let found = log::Files {
        segments: segments.collect(),
        snapshots: snapshots.collect(),
        epochs: epochs.map(|text| String::from_utf8_lossy(&text).into_owned()),
        recovery_point,
        log_start,
        clean,
    };
    let mut loaded = log::load(config, found, now).map_err(LoadFault::Log)?;
    drop(sources);
    for found in &loaded.found {
        tracing::warn!(directory = %directory.display(), "{found}");
    }
    apply(disk, directory, &loaded)?;
    let active = loaded.log.active_segment().base;
    let path = directory.join(log::file_name(active, FileKind::Log));
    let active = disk.open(&path, OpenMode::Create)?;
    let active_base = loaded.log.active_segment().base;
    let log_end = loaded.log.log_end();
    let mut recovery_point = match clean {
        true => log_end,
        // Closed segments have been synced just now; the active one will be when it is closed.
        false => recovery_point.min(log_end).max(active_base),
    };
    if log_end.0 - recovery_point.0 >= loaded.log.config().flush_messages {
        // What is there may be acknowledged to a producer that comes again, or be read.
        files::write_again(disk, &active, behind(&mut loaded.log, recovery_point))?;
        files::sync_names(disk, directory)?;
        recovery_point = log_end;
    }
    Ok(OpenedLog {
        recovery_point,
        log: loaded.log,
        active,
        scanned: loaded.scanned,
    })
}

/// Where in the active segment lies what is not before the recovery point: the bytes.
pub(super) fn behind(log: &mut Log, recovery_point: Offset) -> Range<u64> {
    let from = match log.locate(recovery_point, Isolation::Replica) {
        Located::At { position, .. } => position,
        Located::Scan { from, .. } => from,
        Located::LoadIndex { .. } | Located::End | Located::OutOfRange => 0,
    };
    from..log.active_segment().size
}

/// Finishes or undoes what a crash interrupted.
fn tidy(disk: &dyn Disk, directory: &Path) -> Result<(), LoadFault> {
    let names: Vec<String> = disk
        .list(directory)?
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    let mut ends = BTreeMap::new();
    for base in log::swaps_to_finish(&names) {
        let name = format!("{}.swap", log::file_name(base, FileKind::Log));
        let file = disk.open(&directory.join(name), OpenMode::Read)?;
        ends.insert(base, log::next_offset(base, &FileSource::new(disk, file)?)?);
    }
    let plan = log::plan_tidy(&names, &ends);
    for name in &plan.unlink {
        disk.unlink(&directory.join(name))?;
    }
    if !plan.unlink.is_empty() && !plan.rename.is_empty() {
        // Without its suffix a file does not say any more what it covers.
        disk.sync_directory(directory)?;
    }
    for (from, to) in &plan.rename {
        disk.rename(&directory.join(from), &directory.join(to))?;
    }
    if !(plan.unlink.is_empty() && plan.rename.is_empty()) {
        disk.sync_directory(directory)?;
    }
    Ok(())
}

/// Makes the files agree with the log that was decided on. The cut comes first and is durable before
/// anything that was derived from it.
fn apply(disk: &dyn Disk, directory: &Path, loaded: &log::Loaded) -> io::Result<()> {
    let path = |base: Offset, kind| directory.join(log::file_name(base, kind));
    for base in &loaded.drop_segments {
        for kind in [
            FileKind::Log,
            FileKind::Index,
            FileKind::TimeIndex,
            FileKind::TxnIndex,
        ] {
            files::unlink_if_there(disk, &path(*base, kind))?;
        }
    }
    for offset in &loaded.drop_snapshots {
        files::unlink_if_there(disk, &path(*offset, FileKind::Snapshot))?;
    }
    if let Some((base, length)) = loaded.cut {
        let file = disk.open(&path(base, FileKind::Log), OpenMode::Write)?;
        disk.truncate(&file, length)?;
        disk.sync(&file)?;
    }
    let active = loaded.log.active_segment().base;
    let mut closed = false;
    for rebuilt in &loaded.rebuilt {
        // What is derived from the active segment is made durable when that is sealed. With three
        // fsyncs for each, 10,000 idle partitions took 19 s to start after a kill.
        let write = match rebuilt.base == active {
            true => files::note,
            false => files::write_whole,
        };
        if rebuilt.base != active {
            closed = true;
            let file = disk.open(&path(rebuilt.base, FileKind::Log), OpenMode::Write)?;
            files::write_again(disk, &file, 0..disk.info(&file)?.length)?;
        }
        let derived = |kind| path(rebuilt.base, kind);
        write(disk, &derived(FileKind::Index), &rebuilt.index)?;
        write(disk, &derived(FileKind::TimeIndex), &rebuilt.timeindex)?;
        match &rebuilt.txnindex {
            Some(txnindex) => write(disk, &derived(FileKind::TxnIndex), txnindex)?,
            None => files::unlink_if_there(disk, &derived(FileKind::TxnIndex))?,
        }
    }
    for (offset, snapshot) in &loaded.snapshots {
        files::write_whole(disk, &path(*offset, FileKind::Snapshot), snapshot)?;
    }
    if let Some(epochs) = &loaded.epochs {
        files::note(disk, &directory.join(LEADER_EPOCHS), epochs.as_bytes())?;
    }
    if closed || loaded.cut.is_some() || !loaded.drop_segments.is_empty() {
        disk.sync_directory(directory)?;
    }
    Ok(())
}
