//! Files of a partition and of a log directory, through a [`Disk`]: may block, so it runs at start
//! and in tasks, never on a shard.

use super::HeldSegment;
use crate::batch::{self, Codec, HEADER_BYTES, Header};
use crate::io::{Disk, File, FileRange, OpenMode};
use crate::limits::INFLATED_BYTES_MAX;
use crate::log::{self, FileKind, Sealed, Sifted, TimeFound, TimeLookup};
use crate::types::{Offset, Timestamp, TopicId};
use std::io::{Error, ErrorKind, Result};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The largest derived or text file that is read whole: `segment.index.bytes` is an i32.
const WHOLE_FILE_BYTES_MAX: u64 = i32::MAX as u64;

/// The file that says which topic a partition's directory belongs to.
pub const PARTITION_METADATA: &str = "partition.metadata";
/// The file of a partition's leader epochs.
pub const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";

/// Makes `<topic>-<partition>/` with `partition.metadata` and an empty segment 0. A directory left by a
/// crash half-way is completed; one of another topic id is never adopted.
///
/// Nothing is synced: that the partition exists is the metadata log's knowledge, the next start makes
/// what is missing, and the first [`seal`] makes the directory durable before anything in it counts as
/// durable. (Six fsyncs each made a topic of 1,000 partitions take seconds.)
pub fn create_partition(disk: &dyn Disk, directory: &Path, topic: TopicId) -> Result<File> {
    make_directory(disk, directory)?;
    if let Some(text) = read_if_there(disk, &directory.join(PARTITION_METADATA))?
        && log::parse_partition_metadata(&String::from_utf8_lossy(&text)) != Some(topic)
    {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            "it belongs to another topic id",
        ));
    }
    let text = log::partition_metadata_text(topic);
    note(disk, &directory.join(PARTITION_METADATA), text.as_bytes())?;
    disk.open(
        &directory.join(log::file_name(Offset(0), FileKind::Log)),
        OpenMode::Create,
    )
}

/// Makes the file of the segment at `base`. One left by a crash at the same place holds nothing that
/// was acknowledged, because recovery has seen it: it is emptied.
pub fn open_next(disk: &dyn Disk, directory: &Path, base: Offset) -> Result<File> {
    let file = disk.open(
        &directory.join(log::file_name(base, FileKind::Log)),
        OpenMode::Create,
    )?;
    disk.truncate(&file, 0)?;
    Ok(file)
}

/// Trims a segment to its size (Kafka trusts sizes after a clean stop, and blocks reserved ahead are
/// given back), writes its indexes and the producer snapshot, and makes all of it durable; `doubted` bytes
/// of it, too.
pub fn seal(
    disk: &dyn Disk,
    directory: &Path,
    sealed: &Sealed,
    file: &File,
    doubted: Range<u64>,
) -> Result<()> {
    disk.truncate(file, sealed.size)?;
    write_again(disk, file, doubted)?;
    write_derived(disk, directory, sealed)?;
    sync_names(disk, directory)
}

/// Makes bytes durable that an earlier process has written, whatever happened to them since: an fsync that
/// failed has left its pages in the page cache as if they were on disk, and the next one, of another process
/// too, passes them over. So they are written again, in place. (Failure class "fsync fails with EIO";
/// simulation seeds 80 and 215460927.)
pub fn write_again(disk: &dyn Disk, file: &File, bytes: Range<u64>) -> Result<()> {
    let mut buffer = vec![0; WRITE_AGAIN_BYTES.min((bytes.end - bytes.start) as usize)];
    let mut position = bytes.start;
    while position < bytes.end {
        let wanted = buffer.len().min((bytes.end - position) as usize);
        let count = disk.read_at(file, position, &mut buffer[..wanted])?;
        if count == 0 {
            break;
        }
        write_all_at(disk, file, position, &buffer[..count])?;
        position += count as u64;
    }
    disk.sync(file)
}

/// Bytes read and written again at once.
const WRITE_AGAIN_BYTES: usize = 1 << 20;

/// Makes durable which partition a directory is, that it is there, and what lies in it.
pub fn sync_names(disk: &dyn Disk, directory: &Path) -> Result<()> {
    match disk.open(&directory.join(PARTITION_METADATA), OpenMode::Write) {
        Ok(identity) => disk.sync(&identity)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    disk.sync_directory(directory)?;
    match directory.parent() {
        Some(parent) => disk.sync_directory(parent),
        None => Ok(()),
    }
}

/// Writes a segment's derived files.
fn write_derived(disk: &dyn Disk, directory: &Path, sealed: &Sealed) -> Result<()> {
    let write = |base, kind, content: &[u8]| {
        write_whole(disk, &directory.join(log::file_name(base, kind)), content)
    };
    write(sealed.base, FileKind::Index, &sealed.index)?;
    write(sealed.base, FileKind::TimeIndex, &sealed.timeindex)?;
    if let Some(txnindex) = &sealed.txnindex {
        write(sealed.base, FileKind::TxnIndex, txnindex)?;
    }
    if let Some((offset, snapshot)) = &sealed.snapshot {
        write(*offset, FileKind::Snapshot, snapshot)?;
    }
    Ok(())
}

/// Opens a closed segment's log, and reads its offset index if there is one.
pub fn open_segment(
    disk: &dyn Disk,
    directory: &Path,
    base: Offset,
) -> Result<(File, Option<Vec<u8>>)> {
    let file = disk.open(
        &directory.join(log::file_name(base, FileKind::Log)),
        OpenMode::Read,
    )?;
    let index = read_if_there(disk, &directory.join(log::file_name(base, FileKind::Index)))?;
    Ok((file, index))
}

/// Renames a directory, durably.
pub fn set_aside(disk: &dyn Disk, directory: &Path, renamed: &Path) -> Result<()> {
    disk.rename(directory, renamed)?;
    match directory.parent() {
        Some(parent) => disk.sync_directory(parent),
        None => Ok(()),
    }
}

/// Removes a directory and the plain files in it.
pub fn remove_directory_with_files(disk: &dyn Disk, directory: &Path) -> Result<()> {
    for entry in disk.list(directory)? {
        disk.unlink(&directory.join(entry.name))?;
    }
    disk.remove_directory(directory)
}

/// Removes all files of segments and the names of the files durably: the oldest first, and of each the
/// batches first, because a start does without a file derived from batches that are gone.
pub fn remove_segments(disk: &dyn Disk, directory: &Path, segments: &[Offset]) -> Result<()> {
    const KINDS: [FileKind; 5] = [
        FileKind::Log,
        FileKind::Index,
        FileKind::TimeIndex,
        FileKind::TxnIndex,
        FileKind::Snapshot,
    ];
    for base in segments {
        for kind in KINDS {
            unlink_if_there(disk, &directory.join(log::file_name(*base, kind)))?;
        }
    }
    disk.sync_directory(directory)
}

/// unlink that is content where there is nothing.
pub fn unlink_if_there(disk: &dyn Disk, path: &Path) -> Result<()> {
    match disk.unlink(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Replaces files one after the other, then unlinks others; what is not there to unlink is gone
/// already.
pub fn replace_all(
    disk: &dyn Disk,
    files: &[(PathBuf, Vec<u8>)],
    unlink: &[PathBuf],
) -> Result<()> {
    for (path, content) in files {
        replace(disk, path, content)?;
    }
    for path in unlink {
        unlink_if_there(disk, path)?;
    }
    Ok(())
}

/// Writes `content` beside `path`, syncs it, renames it over `path` and syncs the directory: after a
/// crash there is either the old content or the new.
pub fn replace(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    write_whole(disk, &beside, content)?;
    disk.rename(&beside, path)?;
    match path.parent() {
        Some(parent) => disk.sync_directory(parent),
        None => Ok(()),
    }
}

/// Makes `path` hold exactly `content`, as long as the machine keeps its power: for what can be made
/// again.
pub fn note(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<()> {
    let file = disk.open(path, OpenMode::Create)?;
    write_all_at(disk, &file, 0, content)?;
    disk.truncate(&file, content.len() as u64)
}

/// Makes `path` hold exactly `content`, durable but for its name.
pub fn write_whole(disk: &dyn Disk, path: &Path, content: &[u8]) -> Result<()> {
    let file = disk.open(path, OpenMode::Create)?;
    disk.truncate(&file, 0)?;
    write_all_at(disk, &file, 0, content)?;
    disk.sync(&file)
}

/// Writes all of `bytes`, going on after short writes.
pub fn write_all_at(disk: &dyn Disk, file: &File, position: u64, bytes: &[u8]) -> Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match disk.write_at(file, position + done as u64, &bytes[done..])? {
            0 => return Err(ErrorKind::WriteZero.into()),
            count => done += count,
        }
    }
    Ok(())
}

/// The whole content of a file that is expected to be small.
pub fn read_whole(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    read_open(disk, &file)
}

/// The same of an open file.
pub fn read_open(disk: &dyn Disk, file: &File) -> Result<Vec<u8>> {
    let length = disk.info(file)?.length;
    if length > WHOLE_FILE_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("{length} bytes are too many"),
        ));
    }
    let mut content = vec![0; length as usize];
    let mut done = 0;
    while done < content.len() {
        match disk.read_at(file, done as u64, &mut content[done..])? {
            0 => break,
            count => done += count,
        }
    }
    content.truncate(done);
    Ok(content)
}

/// The content, or `None` where there is no such file.
pub fn read_if_there(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>> {
    match read_whole(disk, path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// mkdir that is content with an existing directory.
pub fn make_directory(disk: &dyn Disk, path: &Path) -> Result<()> {
    match disk.create_directory(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Finds an offset by time: opens what the look-up names and lets it read.
pub fn look_up_time(
    disk: &dyn Disk,
    directory: &Path,
    lookup: &TimeLookup,
) -> Result<Option<TimeFound>> {
    let path = |kind| directory.join(log::file_name(lookup.segment, kind));
    let file = disk.open(&path(FileKind::Log), OpenMode::Read)?;
    let source = FileSource::new(disk, file)?;
    let (index, timeindex) = match lookup.wants_indexes() {
        true => (
            read_if_there(disk, &path(FileKind::Index))?,
            read_if_there(disk, &path(FileKind::TimeIndex))?,
        ),
        false => (None, None),
    };
    lookup.run(&source, index.as_deref(), timeindex.as_deref())
}

/// The same in a segment that is held open.
pub fn look_up_time_in(
    disk: &dyn Disk,
    held: &HeldSegment,
    lookup: &TimeLookup,
) -> Result<Option<TimeFound>> {
    let source = FileSource::new(disk, held.log.clone())?;
    lookup.run(&source, Some(&held.index), Some(&held.timeindex))
}

/// When the first record at or behind `offset` in the batch at the start of a range was written.
pub fn time_at(disk: &dyn Disk, range: &FileRange, offset: Offset) -> Result<Option<Timestamp>> {
    let source = FileSource::new(disk, range.file.clone())?;
    log::time_at(&source, range.position, offset)
}

/// Looks through a stretch of a segment for batches without records.
pub fn sift(disk: &dyn Disk, range: &FileRange) -> Result<Sifted> {
    let source = FileSource::new(disk, range.file.clone())?;
    log::sift(&source, range.position, range.length)
}

/// The batches that lie whole in a range, each with the bytes of its records. One that does not hold what
/// its CRC says, or cannot be inflated, ends the file as far as anybody knows.
pub fn read_batches(disk: &dyn Disk, range: &FileRange) -> Result<Vec<(Header, Vec<u8>)>> {
    let mut bytes = vec![0; range.length as usize];
    let mut count = 0;
    while count < bytes.len() {
        let position = range.position + count as u64;
        match disk.read_at(&range.file, position, &mut bytes[count..])? {
            0 => break,
            more => count += more,
        }
    }
    let wrong = |fault: batch::Fault| Error::new(ErrorKind::InvalidData, fault.to_string());
    let mut batches = Vec::new();
    for (position, header) in batch::scan(&bytes[..count]) {
        let whole = &bytes[position..position + header.size()];
        let body = &whole[HEADER_BYTES..];
        batch::verify(whole).map_err(wrong)?;
        let records = match header.codec().expect("a sound batch has one") {
            Codec::None => body.to_vec(),
            codec => batch::decompress(codec, body, INFLATED_BYTES_MAX).map_err(wrong)?,
        };
        batches.push((header, records));
    }
    Ok(batches)
}

/// A file's bytes, for what reads logs.
pub struct FileSource<'a> {
    disk: &'a dyn Disk,
    file: File,
    length: u64,
}

impl<'a> FileSource<'a> {
    /// Wraps an open file, whose length it takes now.
    pub fn new(disk: &'a dyn Disk, file: File) -> Result<Self> {
        let length = disk.info(&file)?.length;
        Ok(FileSource { disk, file, length })
    }
}

impl log::Source for FileSource<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, position: u64, into: &mut [u8]) -> Result<usize> {
        self.disk.read_at(&self.file, position, into)
    }
}
