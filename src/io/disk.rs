//! The file system as seen by what may block: start-up, recovery and the tasks that run off the
//! shards. Shards themselves only append and read, through operations.

use super::File;
use std::io::Result;
use std::path::Path;

/// How to open a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    Write,
    /// To read and write, made empty if it does not exist; its content is kept if it does.
    Create,
    /// To read and write; must not exist.
    CreateNew,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileInfo {
    /// Length in bytes.
    pub length: u64,
    /// Last modification, milliseconds since the Unix epoch.
    pub modified_ms: i64,
}

/// One entry of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name, without the directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_directory: bool,
}

/// The room of the volume that a directory is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Its size in bytes.
    pub total: u64,
    /// Bytes that this process may still fill.
    pub usable: u64,
}

/// A file system. Calls block; reads and writes may be short. Nothing is durable before `sync` (the
/// file's bytes and length) and `sync_directory` (names).
pub trait Disk: Send + Sync {
    /// open(2).
    fn open(&self, path: &Path, mode: OpenMode) -> Result<File>;
    /// pread(2): the count of bytes read, 0 at the end of the file.
    fn read_at(&self, file: &File, position: u64, into: &mut [u8]) -> Result<usize>;
    /// pwrite(2): the count of bytes written.
    fn write_at(&self, file: &File, position: u64, bytes: &[u8]) -> Result<usize>;
    /// fstat(2).
    fn info(&self, file: &File) -> Result<FileInfo>;
    /// ftruncate(2), to cut or, sparsely, to grow.
    fn truncate(&self, file: &File, length: u64) -> Result<()>;
    /// fallocate(2) with KEEP_SIZE: blocks up to `length` are reserved, the file does not grow.
    fn allocate(&self, file: &File, length: u64) -> Result<()>;
    /// futimens(2): the file counts as last modified then, in milliseconds since the Unix epoch.
    fn set_modified(&self, file: &File, modified_ms: i64) -> Result<()>;
    /// fdatasync(2). An error is final: the kernel may have dropped the dirty pages, so a second
    /// call that succeeds means nothing.
    fn sync(&self, file: &File) -> Result<()>;
    /// fsync(2) on a directory: makes creations, renames and removals in it durable.
    fn sync_directory(&self, path: &Path) -> Result<()>;
    /// rename(2).
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// unlink(2).
    fn unlink(&self, path: &Path) -> Result<()>;
    /// mkdir(2); an existing directory is an error of kind `AlreadyExists`.
    fn create_directory(&self, path: &Path) -> Result<()>;
    /// rmdir(2).
    fn remove_directory(&self, path: &Path) -> Result<()>;
    /// The directory's entries, sorted by name.
    fn list(&self, path: &Path) -> Result<Vec<Entry>>;
    /// Opens (making it if need be) and locks a file for this process with an open-file-description
    /// lock, which Kafka respects; `WouldBlock` if another process holds it.
    fn lock(&self, path: &Path) -> Result<File>;
    /// statvfs(3).
    fn space(&self, path: &Path) -> Result<Space>;
}

/// Work that runs off the shards: a value that says what to do, and does it on a [`Disk`]. Its
/// outcome comes back as a completion.
pub trait Task: Send + std::fmt::Debug + 'static {
    /// What the submitter hears.
    type Outcome: Send + std::fmt::Debug + 'static;

    /// Whether appends or answers wait for it: it then does not queue behind tasks that write and sync
    /// much.
    fn is_awaited(&self) -> bool {
        false
    }

    /// Performs the task; may block as long as it needs.
    fn run(self, disk: &dyn Disk) -> Self::Outcome;
}
