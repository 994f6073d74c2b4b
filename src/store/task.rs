//! Everything a shard wants done off its thread: plain values, each performed by one function over a
//! [`Disk`]. Whatever touches names, lengths or durability of files is here; shards themselves only
//! append and read.

use super::cleaning::{self, Compacted, HeldSegment};
use super::compaction::{self, Compaction, SegmentSwap};
use super::files;
use crate::batch::{self, Checked, Fault, Header, Rules, Target};
use crate::io::{self, Disk, File, FileRange, Pieces};
use crate::log;
use crate::types::{Offset, Timestamp, TopicId};
use std::io::Result;
use std::ops::Range;
use std::path::PathBuf;

/// Work for the threads beside the shards. Rare beside the operations among which it stands, which are
/// moved often: what is large in it stands apart.
#[derive(Debug)]
pub enum Task {
    /// Makes a partition's directory with its id and an empty first segment. -> `Opened`.
    CreatePartition {
        /// `<log dir>/<topic>-<partition>`.
        directory: PathBuf,
        /// Written to `partition.metadata`.
        topic: TopicId,
    },
    /// Makes the file of the next segment. -> `Opened`. Appends wait for this one, so it does
    /// nothing else.
    OpenNext {
        /// The partition's directory.
        directory: PathBuf,
        /// Base offset of the new segment.
        base: Offset,
    },
    /// Leaves a segment as Kafka would: trimmed, its derived files beside it, all durable.
    /// -> `Finished`.
    Seal {
        /// The partition's directory.
        directory: PathBuf,
        /// The derived files.
        sealed: Box<log::Sealed>,
        /// The segment's file.
        file: File,
        /// Its bytes that [`files::write_again`] is for.
        doubted: Range<u64>,
    },
    /// Opens a closed segment and reads its offset index. -> `Segment`.
    OpenSegment {
        /// The partition's directory.
        directory: PathBuf,
        /// The segment.
        base: Offset,
    },
    /// Makes what was appended to a segment durable. -> `Finished`.
    Flush {
        /// The segment's file.
        file: File,
        /// Its bytes that [`files::write_again`] is for.
        doubted: Range<u64>,
        /// The partition's directory, where the names in it are not known to be durable yet.
        names: Option<PathBuf>,
    },
    /// Makes a file's bytes durable. -> `Finished`.
    Sync {
        /// The file.
        file: File,
    },
    /// Cuts a file back after a failed append. -> `Finished`.
    Truncate {
        /// The file.
        file: File,
        /// What stays, in bytes.
        length: u64,
    },
    /// Reserves blocks ahead of the appends. -> `Finished`.
    Allocate {
        /// The file.
        file: File,
        /// Up to which position, in bytes.
        length: u64,
    },
    /// Replaces the content of files, one after the other, so that the old or the new content of
    /// each survives any crash; then removes others. -> `Finished`.
    Replace {
        /// Paths and contents.
        files: Vec<(PathBuf, Vec<u8>)>,
        /// What goes afterwards.
        unlink: Vec<PathBuf>,
    },
    /// Writes a file that can be made again; not synced. -> `Finished`.
    Note {
        /// The file.
        path: PathBuf,
        /// Its content.
        content: Vec<u8>,
    },
    /// Takes a deleted partition's directory out of the way, so that a topic of the same name can
    /// be made. -> `Finished`.
    SetAside {
        /// The partition's directory.
        directory: PathBuf,
        /// Its new name: `<topic>-<partition>.<32 hex>-delete`.
        renamed: PathBuf,
    },
    /// Removes a directory and its files. -> `Finished`.
    Remove {
        /// The directory.
        directory: PathBuf,
    },
    /// Removes all files of segments, durably. -> `Finished`.
    RemoveSegments {
        /// The partition's directory.
        directory: PathBuf,
        /// Their bases.
        segments: Vec<Offset>,
    },
    /// Does a step of a compaction. -> `Compacted`.
    Compact(Box<Compaction>),
    /// Puts a compacted segment in the place of others, durably. -> `Finished`.
    SwapSegments {
        /// The partition's directory.
        directory: PathBuf,
        /// Which.
        swap: Box<SegmentSwap>,
    },
    /// Removes what a compaction that was given up has written. -> `Finished`.
    RemoveCleaned {
        /// The partition's directory.
        directory: PathBuf,
    },
    /// Asks what room directories have. -> `Space`.
    MeasureSpace {
        /// Which.
        directories: Vec<PathBuf>,
    },
    /// Checks the records of a compressed batch, or compresses them anew. Touches no file.
    /// -> `Converted`.
    Convert(Box<Conversion>),
    /// Looks for batches without records. -> `Sifted`.
    Sift(FileRange),
    /// Reads batches and inflates them. -> `Batches`.
    ReadBatches(FileRange),
    /// Finds the time of an offset in the batch at the start of a stretch. -> `Time`.
    TellTime {
        /// The stretch.
        range: FileRange,
        /// The offset.
        offset: Offset,
    },
    /// Finds an offset by time. -> `Found`.
    LookUpTime {
        /// Segments as they were when asked.
        lookup: Box<log::TimeLookup>,
        /// The partition's directory.
        directory: PathBuf,
        /// The segment, while its files have not taken their names.
        held: Option<Box<HeldSegment>>,
    },
}

/// A batch that is too much work for a shard's thread.
#[derive(Debug)]
pub struct Conversion {
    /// The batch.
    pub pieces: Pieces,
    /// What the shard has found.
    pub checked: Checked,
    /// What its topic demands.
    pub rules: Rules,
    /// The codec that its topic wants, if any.
    pub target: Option<Target>,
}

/// How a task ended.
#[derive(Debug)]
pub enum TaskOutcome {
    /// The file that was made.
    Opened(Result<File>),
    /// A closed segment's file and the bytes of its offset index, if there is one.
    Segment(Result<(File, Option<Vec<u8>>)>),
    /// A batch as it is to be stored.
    Converted(Box<std::result::Result<(Checked, Pieces), Fault>>),
    /// Success or failure, nothing else.
    Finished(Result<()>),
    /// The room of each directory, in their order.
    Space(Vec<Result<io::Space>>),
    /// What a stretch has for a reader.
    Sifted(Result<log::Sifted>),
    /// What was found by time.
    Found(Result<Option<log::TimeFound>>),
    /// The end of a step.
    Compacted(Box<Compacted>),
    /// When a record was written.
    Time(Result<Option<Timestamp>>),
    /// The batches that lie whole in a stretch, each with the bytes of its records.
    Batches(Result<Vec<(Header, Vec<u8>)>>),
}

const _: () = assert!(size_of::<io::Operation<Task>>() <= 104);
const _: () = assert!(size_of::<io::Completion<TaskOutcome>>() <= 96);

impl io::Task for Task {
    type Outcome = TaskOutcome;

    fn is_awaited(&self) -> bool {
        match self {
            Task::CreatePartition { .. }
            | Task::OpenNext { .. }
            | Task::OpenSegment { .. }
            | Task::Sync { .. }
            | Task::Flush { .. }
            | Task::Truncate { .. }
            | Task::Convert(_)
            | Task::Sift(_)
            | Task::ReadBatches(_)
            | Task::SetAside { .. } => true,
            Task::Seal { .. }
            | Task::Allocate { .. }
            | Task::Replace { .. }
            | Task::Note { .. }
            | Task::Remove { .. }
            | Task::RemoveSegments { .. }
            | Task::Compact(_)
            | Task::SwapSegments { .. }
            | Task::RemoveCleaned { .. }
            | Task::MeasureSpace { .. }
            | Task::TellTime { .. }
            | Task::LookUpTime { .. } => false,
        }
    }

    fn run(self, disk: &dyn Disk) -> TaskOutcome {
        use TaskOutcome::*;
        match self {
            Task::CreatePartition { directory, topic } => {
                Opened(files::create_partition(disk, &directory, topic))
            }
            Task::OpenNext { directory, base } => Opened(files::open_next(disk, &directory, base)),
            Task::Seal {
                directory,
                sealed,
                file,
                doubted,
            } => Finished(files::seal(disk, &directory, &sealed, &file, doubted)),
            Task::OpenSegment { directory, base } => {
                Segment(files::open_segment(disk, &directory, base))
            }
            Task::Flush {
                file,
                doubted,
                names,
            } => {
                let flushed = files::write_again(disk, &file, doubted);
                Finished(flushed.and_then(|()| match names {
                    Some(directory) => files::sync_names(disk, &directory),
                    None => Ok(()),
                }))
            }
            Task::Sync { file } => Finished(disk.sync(&file)),
            Task::Truncate { file, length } => Finished(disk.truncate(&file, length)),
            Task::Allocate { file, length } => Finished(disk.allocate(&file, length)),
            Task::Replace { files, unlink } => Finished(files::replace_all(disk, &files, &unlink)),
            Task::Note { path, content } => Finished(files::note(disk, &path, &content)),
            Task::SetAside { directory, renamed } => {
                Finished(files::set_aside(disk, &directory, &renamed))
            }
            Task::Remove { directory } => {
                Finished(files::remove_directory_with_files(disk, &directory))
            }
            Task::RemoveSegments {
                directory,
                segments,
            } => Finished(files::remove_segments(disk, &directory, &segments)),
            Task::Compact(mut pass) => {
                let (bytes, result) = pass.step(disk);
                TaskOutcome::Compacted(Box::new(cleaning::Compacted {
                    pass,
                    bytes,
                    result,
                }))
            }
            Task::SwapSegments { directory, swap } => {
                Finished(compaction::swap_segments(disk, &directory, &swap))
            }
            Task::RemoveCleaned { directory } => {
                Finished(compaction::remove_cleaned(disk, &directory))
            }
            Task::MeasureSpace { directories } => {
                Space(directories.iter().map(|path| disk.space(path)).collect())
            }
            Task::Convert(conversion) => Converted(Box::new(conversion.run())),
            Task::Sift(range) => Sifted(files::sift(disk, &range)),
            Task::ReadBatches(range) => Batches(files::read_batches(disk, &range)),
            Task::LookUpTime {
                lookup,
                directory,
                held,
            } => Found(match held {
                Some(held) => files::look_up_time_in(disk, &held, &lookup),
                None => files::look_up_time(disk, &directory, &lookup),
            }),
            Task::TellTime { range, offset } => Time(files::time_at(disk, &range, offset)),
        }
    }
}

impl Conversion {
    fn run(self) -> std::result::Result<(Checked, Pieces), Fault> {
        let bytes = self.pieces.to_vec();
        let (checked, converted) = batch::convert(&bytes, &self.checked, &self.rules, self.target)?;
        let pieces = match converted {
            Some(bytes) => Pieces::from(&bytes[..]),
            None => self.pieces,
        };
        Ok((checked, pieces))
    }
}
