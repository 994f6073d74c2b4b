//! The real file system as a [`Disk`].

use super::retry::retry;
use crate::io::{Closer, Disk, Entry, File, FileInfo, OpenMode, Space};
use crossbeam_channel::{Sender, unbounded};
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, fallocate, fcntl, open};
use nix::sys::stat::{Mode, futimens};
use nix::sys::time::TimeSpec;
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// The file system of this machine. A file closes on the thread `reaper`, because the last close of
/// an unlinked segment frees its pages for tens of milliseconds; a locked file closes, and so
/// unlocks, at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Disk for Files {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<File> {
        let flags = match mode {
            OpenMode::Read => OFlag::O_RDONLY,
            OpenMode::Write => OFlag::O_RDWR,
            OpenMode::Create => OFlag::O_RDWR | OFlag::O_CREAT,
            OpenMode::CreateNew => OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL,
        };
        Ok(File::new(
            open_descriptor(path, flags)?.into_raw_fd(),
            reaper(),
        ))
    }

    fn read_at(&self, file: &File, position: u64, into: &mut [u8]) -> Result<usize> {
        // SAFETY: the pointer and length are those of `into`; `file` keeps the descriptor open.
        retry(|| unsafe {
            libc::pread(
                file.number(),
                into.as_mut_ptr().cast(),
                into.len(),
                position as i64,
            )
        })
    }

    fn write_at(&self, file: &File, position: u64, bytes: &[u8]) -> Result<usize> {
        // SAFETY: the pointer and length are those of `bytes`; `file` keeps the descriptor open.
        retry(|| unsafe {
            libc::pwrite(
                file.number(),
                bytes.as_ptr().cast(),
                bytes.len(),
                position as i64,
            )
        })
    }

    fn info(&self, file: &File) -> Result<FileInfo> {
        let stat = nix::sys::stat::fstat(borrow(file))?;
        Ok(FileInfo {
            length: stat.st_size as u64,
            modified_ms: stat.st_mtime * 1_000 + stat.st_mtime_nsec / 1_000_000,
        })
    }

    fn truncate(&self, file: &File, length: u64) -> Result<()> {
        uninterrupted(|| nix::unistd::ftruncate(borrow(file), length as i64))
    }

    fn allocate(&self, file: &File, length: u64) -> Result<()> {
        if length == 0 {
            return Ok(());
        }
        let keep = FallocateFlags::FALLOC_FL_KEEP_SIZE;
        match uninterrupted(|| fallocate(borrow(file), keep, 0, length as i64)) {
            // This file system reserves nothing: appends are slower there, not wrong.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
            other => other,
        }
    }

    fn set_modified(&self, file: &File, modified_ms: i64) -> Result<()> {
        let time = TimeSpec::new(
            modified_ms.div_euclid(1_000),
            modified_ms.rem_euclid(1_000) * 1_000_000,
        );
        Ok(futimens(borrow(file), &TimeSpec::UTIME_OMIT, &time)?)
    }

    fn sync(&self, file: &File) -> Result<()> {
        uninterrupted(|| nix::unistd::fdatasync(borrow(file)))
    }

    fn sync_directory(&self, path: &Path) -> Result<()> {
        let directory = open_descriptor(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        uninterrupted(|| nix::unistd::fsync(&directory))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> Result<()> {
        fs::remove_file(path)
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        fs::create_dir(path)
    }

    fn remove_directory(&self, path: &Path) -> Result<()> {
        fs::remove_dir(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // A symbolic link to a directory counts as one, as it does for Kafka.
            let is_directory = match entry.file_type()? {
                kind if kind.is_symlink() => entry.path().is_dir(),
                kind => kind.is_dir(),
            };
            entries.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_directory,
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn lock(&self, path: &Path) -> Result<File> {
        let descriptor = open_descriptor(path, OFlag::O_RDWR | OFlag::O_CREAT)?;
        let whole = libc::flock {
            l_type: libc::F_WRLCK as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        match fcntl(&descriptor, FcntlArg::F_OFD_SETLK(&whole)) {
            Ok(_) => Ok(File::new(descriptor.into_raw_fd(), Arc::new(CloseAtOnce))),
            // Another open file description, of this or another process, holds a lock on it;
            // fcntl(2) allows either errno for that.
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => {
                Err(ErrorKind::WouldBlock.into())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn space(&self, path: &Path) -> Result<Space> {
        let volume = nix::sys::statvfs::statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(volume.fragment_size());
        Ok(Space {
            total: bytes(volume.blocks()),
            usable: bytes(volume.blocks_available()),
        })
    }
}

fn open_descriptor(path: &Path, flags: OFlag) -> Result<OwnedFd> {
    let flags = flags | OFlag::O_CLOEXEC;
    loop {
        match open(path, flags, Mode::from_bits_truncate(0o644)) {
            Ok(descriptor) => return Ok(descriptor),
            Err(nix::errno::Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn uninterrupted(mut call: impl FnMut() -> nix::Result<()>) -> Result<()> {
    loop {
        match call() {
            Ok(()) => return Ok(()),
            Err(nix::errno::Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn borrow(file: &File) -> BorrowedFd<'_> {
    // SAFETY: the handle keeps its descriptor open for as long as it is borrowed.
    unsafe { BorrowedFd::borrow_raw(file.number()) }
}

/// Closes on the thread that drops the last holder: for locks.
struct CloseAtOnce;

impl Closer for CloseAtOnce {
    fn close(&self, number: i32) {
        close_descriptor(number);
    }
}

/// Hands descriptors to the thread that closes them.
struct Reaper {
    closing: Sender<RawFd>,
}

impl Closer for Reaper {
    fn close(&self, number: i32) {
        if self.closing.send(number).is_err() {
            close_descriptor(number);
        }
    }
}

/// The process's reaper; its thread starts at the first use.
fn reaper() -> Arc<dyn Closer> {
    static REAPER: OnceLock<Arc<Reaper>> = OnceLock::new();
    REAPER
        .get_or_init(|| {
            let (closing, queue) = unbounded();
            // Where it cannot start, the queue's end is dropped with the closure, sending fails, and
            // whoever drops a file last closes it.
            let started = std::thread::Builder::new()
                .name("reaper".into())
                .spawn(move || queue.iter().for_each(close_descriptor));
            if let Err(error) = started {
                tracing::warn!("files close on the shards: {error}");
            }
            Arc::new(Reaper { closing })
        })
        .clone()
}

/// close(2) of a descriptor whose handle is gone.
pub(super) fn close_descriptor(number: RawFd) {
    // SAFETY: called once per handle, when its last holder is gone, so nobody else uses the number.
    let closed = unsafe { libc::close(number) };
    if closed != 0 {
        let error = Error::last_os_error();
        match error.raw_os_error() {
            // Closed all the same (close(2), notes): what was delayed was the write-back.
            Some(libc::EINTR) => {}
            // A write-back failed earlier. Whoever needs durability asked fdatasync, which told.
            Some(libc::EIO | libc::ENOSPC | libc::EDQUOT) => {
                tracing::warn!("close of descriptor {number}: {error}");
            }
            _ => unreachable!("close of descriptor {number}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tests::Directory;

    #[test]
    fn what_was_written_is_read_again() {
        let directory = Directory::new();
        let path = directory.path("a");
        assert_eq!(
            Files.open(&path, OpenMode::Write).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        let file = Files.open(&path, OpenMode::CreateNew).unwrap();
        assert_eq!(
            Files.open(&path, OpenMode::CreateNew).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        assert_eq!(Files.write_at(&file, 3, b"abcdef").unwrap(), 6);
        let again = Files.open(&path, OpenMode::Create).unwrap();
        let mut bytes = [9; 16];
        assert_eq!(Files.read_at(&again, 1, &mut bytes).unwrap(), 8);
        assert_eq!(&bytes[..8], b"\0\0abcdef");
        assert_eq!(Files.read_at(&again, 9, &mut bytes).unwrap(), 0);

        Files.allocate(&file, 1 << 20).unwrap();
        let info = Files.info(&file).unwrap();
        assert_eq!(info.length, 9);
        assert!((info.modified_ms - super::super::clock().wall.0).abs() < 60_000);
        Files.truncate(&file, 4).unwrap();
        assert_eq!(Files.info(&again).unwrap().length, 4);
        Files.sync(&file).unwrap();
    }

    #[test]
    fn names_come_sorted_and_move() {
        let directory = Directory::new();
        let path = |name: &str| directory.path(name);
        Files.create_directory(&path("m")).unwrap();
        assert_eq!(
            Files.create_directory(&path("m")).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        for name in ["z", "b", "k"] {
            Files.open(&path(name), OpenMode::Create).unwrap();
        }
        Files.rename(&path("z"), &path("a")).unwrap();
        Files.unlink(&path("k")).unwrap();
        Files.sync_directory(&path("")).unwrap();
        let names = |entries: Vec<Entry>| -> Vec<(String, bool)> {
            entries
                .into_iter()
                .map(|e| (e.name, e.is_directory))
                .collect()
        };
        let expected = [("a", false), ("b", false), ("m", true)];
        assert_eq!(
            names(Files.list(&path("")).unwrap()),
            expected.map(|(name, is)| (name.to_owned(), is))
        );
        Files.remove_directory(&path("m")).unwrap();
        assert_eq!(Files.list(&path("")).unwrap().len(), 2);
    }

    #[test]
    fn a_lock_excludes_others_until_it_is_dropped() {
        let directory = Directory::new();
        let path = directory.path(".lock");
        let held = Files.lock(&path).unwrap();
        assert_eq!(Files.lock(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(held);
        Files.lock(&path).unwrap();
    }

    #[test]
    fn a_dropped_file_is_closed_soon() {
        let directory = Directory::new();
        let file = Files.open(&directory.path("a"), OpenMode::Create).unwrap();
        let link = format!("/proc/self/fd/{}", file.number());
        let ours = fs::read_link(&link).unwrap();
        drop(file);
        for _ in 0..1_000 {
            // Closed, or its number is taken by another test's file.
            if fs::read_link(&link).map_or(true, |path| path != ours) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("{link} is open still");
    }
}
