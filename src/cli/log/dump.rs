//! `log dump`: what lies in the files, in order.

use super::batches::{Batches, Next};
use super::describe::{batch_json, batch_line, record_json, record_line};
use super::places::{Kind, entries, holds_metadata, kind_of};
use crate::batch::crc32c;
use crate::cli::failure::Failure;
use crate::cli::output::{Out, known};
use crate::cli::time;
use crate::log::{
    Epochs, FileKind, OffsetIndex, TimeIndex, parse_aborted, parse_offsets,
    parse_partition_metadata,
};
use crate::types::{Offset, Timestamp};
use clap::Args;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Shows batches, records, index entries, producer snapshots and checkpoints.
#[derive(Args)]
pub(super) struct Dump {
    /// Files of a log, partitions' directories, or a whole log directory.
    #[arg(required = true)]
    path: Vec<PathBuf>,

    /// The records too, with keys, values and headers.
    #[arg(short, long)]
    records: bool,

    /// Only logs: no indexes, snapshots and checkpoints.
    #[arg(long)]
    logs_only: bool,

    /// Read records as those of the metadata log. Where the directory is called
    /// __cluster_metadata-0 this is so anyhow.
    #[arg(long)]
    metadata: bool,

    /// Print JSON, one object per line.
    #[arg(long)]
    json: bool,
}

impl Dump {
    pub(super) fn print(self, writer: Box<dyn Write>) -> Result<(), Failure> {
        let mut out = Out::to(writer, self.json);
        for path in &self.path {
            if path.is_dir() {
                self.directory(&mut out, path)?;
                continue;
            }
            let kind = kind_of(path).ok_or_else(|| {
                Failure::new(format!(
                    "{}: no file of a log has such a name",
                    path.display()
                ))
                .advise("give a .log, an index, a checkpoint or a directory")
            })?;
            self.file(&mut out, path, kind)?;
        }
        out.flush()
    }

    fn directory(&self, out: &mut Out, path: &Path) -> Result<(), Failure> {
        let (files, directories) = entries(path)?;
        for (file, kind) in files {
            let is_log = matches!(kind, Kind::Segment(_, FileKind::Log, _) | Kind::Batches);
            if is_log || !self.logs_only {
                self.file(out, &file, kind)?;
            }
        }
        for directory in directories {
            self.directory(out, &directory)?;
        }
        Ok(())
    }

    fn file(&self, out: &mut Out, path: &Path, kind: Kind) -> Result<(), Failure> {
        let name = path.display().to_string();
        match out.json {
            true => out.object(&json!({ "type": "file", "path": name }))?,
            false => out.line(&name)?,
        }
        let unreadable = |error| Failure::new(format!("{name}: {error}"));
        if matches!(kind, Kind::Segment(_, FileKind::Log, _) | Kind::Batches) {
            return self.batches(out, path);
        }
        let bytes = fs::read(path).map_err(unreadable)?;
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        let damaged = |out: &mut Out| say(out, "DAMAGED: nobody reads it");
        match kind {
            Kind::Segment(base, FileKind::Index, _) => {
                let index = OffsetIndex::new(base, &bytes);
                // An open file is as long as it may become, with zeros behind its entries.
                let entries = (0..index.len()).map_while(|at| index.get(at));
                for entry in entries.take_while(|entry| entry.position > 0) {
                    match out.json {
                        true => out.object(&json!({
                            "type": "offset_index",
                            "offset": entry.offset.0,
                            "position": entry.position,
                        }))?,
                        false => out.line(format!("  {} at {}", entry.offset, entry.position))?,
                    }
                }
            }
            Kind::Segment(base, FileKind::TimeIndex, _) => {
                let index = TimeIndex::new(base, &bytes);
                let entries = (0..index.len()).map_while(|at| index.get(at));
                for entry in entries.take_while(|entry| entry.timestamp.0 > 0) {
                    match out.json {
                        true => out.object(&json!({
                            "type": "time_index",
                            "timestamp": entry.timestamp.0,
                            "offset": entry.offset.0,
                        }))?,
                        false => out.line(format!(
                            "  {} up to {}",
                            time::format(entry.timestamp),
                            entry.offset
                        ))?,
                    }
                }
            }
            Kind::Segment(base, FileKind::TxnIndex, _) => {
                let Some(aborted) = parse_aborted(base, &bytes) else {
                    return damaged(out);
                };
                for it in aborted {
                    match out.json {
                        true => out.object(&json!({
                            "type": "aborted",
                            "producer_id": it.producer.0,
                            "first_offset": it.first.0,
                            "marker_offset": it.marker.0,
                            "last_stable_offset": it.last_stable.0,
                        }))?,
                        false => out.line(format!(
                            "  producer {} aborted from {}, marker at {}, then stable before {}",
                            it.producer, it.first, it.marker, it.last_stable
                        ))?,
                    }
                }
            }
            Kind::Segment(_, FileKind::Snapshot, _) => return snapshot(out, &bytes),
            Kind::Epochs => {
                let Some(epochs) = Epochs::parse(&text()) else {
                    return damaged(out);
                };
                for it in epochs.entries() {
                    match out.json {
                        true => out.object(&json!({
                            "type": "epoch",
                            "epoch": it.epoch.0,
                            "start": it.start.0,
                        }))?,
                        false => out.line(format!("  epoch {} from {}", it.epoch, it.start))?,
                    }
                }
            }
            Kind::Offsets => {
                let Some(offsets) = parse_offsets(&text()) else {
                    return damaged(out);
                };
                for ((topic, partition), offset) in offsets {
                    match out.json {
                        true => out.object(&json!({
                            "type": "checkpoint",
                            "topic": topic,
                            "partition": partition,
                            "offset": offset.0,
                        }))?,
                        false => out.line(format!("  {topic}-{partition} {offset}"))?,
                    }
                }
            }
            Kind::PartitionMetadata => match parse_partition_metadata(&text()) {
                Some(id) => say(out, &format!("topic id {id}"))?,
                None => return damaged(out),
            },
            Kind::Text => {
                for line in text().lines() {
                    say(out, line)?;
                }
            }
            Kind::Segment(_, FileKind::Log, _) | Kind::Batches => unreachable!("shown above"),
        }
        Ok(())
    }

    fn batches(&self, out: &mut Out, path: &Path) -> Result<(), Failure> {
        let unreadable = |error| Failure::new(format!("{}: {error}", path.display()));
        let metadata = self.metadata || holds_metadata(path);
        let mut batches = Batches::open(path).map_err(unreadable)?;
        loop {
            let batch = match batches.next().map_err(unreadable)? {
                Next::Batch(batch) => batch,
                Next::Rest {
                    position,
                    bytes,
                    zero,
                    cut,
                } => {
                    let what = match (zero, cut) {
                        (true, _) => "zeros",
                        (_, true) => "half a batch",
                        _ => "no batch",
                    };
                    return say(out, &format!("{bytes} bytes at {position}: {what}"));
                }
                Next::End => return Ok(()),
            };
            match out.json {
                true => out.object(&batch_json(&batch))?,
                false => out.line(batch_line(&batch))?,
            }
            if !self.records && !metadata {
                continue;
            }
            let mut shown = Ok(());
            let counted = batch.records(|record| {
                let line = match self.json {
                    true => out.object(&record_json(&batch.header, record, metadata)),
                    false => out.line(record_line(&batch.header, record, metadata)),
                };
                if shown.is_ok() {
                    shown = line;
                }
            });
            shown?;
            if let Err(fault) = counted {
                say(out, &format!("BAD: {fault}"))?;
            }
        }
    }
}

/// Bytes of a `.snapshot` before its entries, and of an entry; the layout is on the page of
/// `log::producers`.
const HEAD_BYTES: usize = 10;
const ENTRY_BYTES: usize = 46;

/// Whether a broker reads this `.snapshot`.
pub(super) fn is_sound_snapshot(bytes: &[u8]) -> bool {
    bytes.len() >= HEAD_BYTES
        && bytes[..2] == [0, 1]
        && bytes[2..6] == crc32c(&bytes[6..]).to_be_bytes()
        && (bytes.len() - HEAD_BYTES).is_multiple_of(ENTRY_BYTES)
}

/// The producers of a `.snapshot`.
fn snapshot(out: &mut Out, bytes: &[u8]) -> Result<(), Failure> {
    if !is_sound_snapshot(bytes) {
        return say(out, "DAMAGED: nobody reads it");
    }
    for entry in bytes[HEAD_BYTES..].chunks_exact(ENTRY_BYTES) {
        let long = |at: usize| i64::from_be_bytes(entry[at..at + 8].try_into().expect("8 bytes"));
        let int = |at: usize| i32::from_be_bytes(entry[at..at + 4].try_into().expect("4 bytes"));
        let epoch = i16::from_be_bytes(entry[8..10].try_into().expect("2 bytes"));
        match out.json {
            true => out.object(&json!({
                "type": "producer",
                "producer_id": long(0),
                "producer_epoch": epoch,
                "last_sequence": int(10),
                "last_offset": long(14),
                "last_offset_delta": int(22),
                "timestamp": long(26),
                "coordinator_epoch": int(34),
                "transaction_start": long(38),
            }))?,
            false => out.line(format!(
                "  producer {} epoch {epoch} sequence {} offset {} time {} transaction from {}",
                long(0),
                known(int(10).into()),
                Offset(long(14)),
                time::format(Timestamp(long(26))),
                known(long(38)),
            ))?,
        }
    }
    Ok(())
}

/// A remark, indented under its file.
fn say(out: &mut Out, remark: &str) -> Result<(), Failure> {
    match out.json {
        true => out.object(&json!({ "type": "remark", "text": remark })),
        false => out.line(format!("  {remark}")),
    }
}
