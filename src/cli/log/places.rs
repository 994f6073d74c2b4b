//! What a path is: a log directory, a partition, or one of their files by its name.

use crate::cli::failure::Failure;
use crate::log::{FileKind, Stage, parse_file_name};
use crate::metadata;
use crate::types::Offset;
use std::fs;
use std::path::{Path, PathBuf};

/// A file that we can read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    /// One of a segment's files, whatever is under way with it.
    Segment(Offset, FileKind, Stage),
    /// `leader-epoch-checkpoint`.
    Epochs,
    /// `*-offset-checkpoint`.
    Offsets,
    /// `partition.metadata`.
    PartitionMetadata,
    /// `meta.properties`, `quorum-state`, `.kafka_cleanshutdown`: text as it is.
    Text,
    /// A snapshot of the metadata log, or the records it begins with: batches.
    Batches,
}

/// What a file is by its name.
pub(super) fn kind_of(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?;
    if let Some((base, kind, stage)) = parse_file_name(name) {
        return Some(Kind::Segment(base, kind, stage));
    }
    Some(match name {
        "leader-epoch-checkpoint" => Kind::Epochs,
        "recovery-point-offset-checkpoint"
        | "replication-offset-checkpoint"
        | "log-start-offset-checkpoint"
        | "cleaner-offset-checkpoint" => Kind::Offsets,
        "partition.metadata" => Kind::PartitionMetadata,
        "meta.properties" | "quorum-state" | ".kafka_cleanshutdown" => Kind::Text,
        metadata::BOOTSTRAP_FILE => Kind::Batches,
        _ if metadata::parse_snapshot_name(name).is_some() => Kind::Batches,
        _ => return None,
    })
}

/// The files in a directory that we can read, sorted.
pub(super) type Files = Vec<(PathBuf, Kind)>;

/// The entries of a directory, sorted: files that we can read, and directories.
pub(super) fn entries(directory: &Path) -> Result<(Files, Vec<PathBuf>), Failure> {
    let unreadable = |error| Failure::new(format!("{}: {error}", directory.display()));
    let mut files = Vec::new();
    let mut directories = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            directories.push(path);
        } else if let Some(kind) = kind_of(&path) {
            files.push((path, kind));
        }
    }
    files.sort();
    directories.sort();
    Ok((files, directories))
}

/// A directory's name that ends in a partition's index: topic and index. Deleted and stray ones too.
pub(super) fn partition_of(directory: &Path) -> Option<(String, i32)> {
    let absolute = fs::canonicalize(directory).ok()?;
    let name = absolute.file_name()?.to_str()?;
    let name = match name.rsplit_once('.') {
        Some((partition, mark)) if mark.ends_with("-delete") || mark.ends_with("-stray") => {
            partition
        }
        _ => name,
    };
    let (topic, index) = name.rsplit_once('-')?;
    let plain = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    let index = plain.then(|| index.parse().ok()).flatten()?;
    (!topic.is_empty()).then(|| (topic.to_owned(), index))
}

/// Whether records there are those of the metadata log.
pub(super) fn holds_metadata(path: &Path) -> bool {
    let directory = match path.is_dir() {
        true => Some(path.to_owned()),
        false => fs::canonicalize(path)
            .ok()
            .and_then(|path| path.parent().map(Path::to_owned)),
    };
    let name = directory.and_then(|directory| fs::canonicalize(directory).ok());
    let name = name.as_deref().and_then(Path::file_name);
    name.is_some_and(|name| name == metadata::DIRECTORY)
        || path.file_name().is_some_and(|name| {
            name == metadata::BOOTSTRAP_FILE
                || name
                    .to_str()
                    .is_some_and(|it| metadata::parse_snapshot_name(it).is_some())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_name_says() {
        let kind = |name| kind_of(Path::new(name));
        assert_eq!(
            kind("d/00000000000000000042.timeindex"),
            Some(Kind::Segment(Offset(42), FileKind::TimeIndex, Stage::Live))
        );
        assert_eq!(
            kind("00000000000000000042.log.deleted"),
            Some(Kind::Segment(Offset(42), FileKind::Log, Stage::Deleted))
        );
        assert_eq!(
            kind("00000000000000000042-0000000001.checkpoint"),
            Some(Kind::Batches)
        );
        assert_eq!(kind("bootstrap.checkpoint"), Some(Kind::Batches));
        assert_eq!(
            kind("recovery-point-offset-checkpoint"),
            Some(Kind::Offsets)
        );
        assert_eq!(kind("notes.txt"), None);
    }
}
