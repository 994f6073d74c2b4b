//! A file system in memory that does what it is asked, at once.

use millstream::io::{Closer, Disk, Entry, File, FileInfo, OpenMode, Space};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// Contents by path: what a [`MemoryDisk`] is made of, and what is left of it.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, u64>,
    directories: BTreeSet<PathBuf>,
    contents: BTreeMap<u64, Vec<u8>>,
    handles: BTreeMap<i32, u64>,
    inodes_made: u64,
    handles_made: i32,
}

/// The file system. Unlinked files stay readable through their handles.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<State>>);

struct CloseIn(Arc<Mutex<State>>);

/// Of a file that is never closed.
struct Forget;

impl Closer for Forget {
    fn close(&self, _: i32) {}
}

impl Closer for CloseIn {
    fn close(&self, number: i32) {
        // A broken target unwinds with handles in its hands.
        let mut state = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
        state.handles.remove(&number);
    }
}

impl MemoryDisk {
    /// A disk with these files, and their directories.
    pub fn with(files: &Files) -> MemoryDisk {
        let disk = MemoryDisk::default();
        let mut state = disk.state();
        for (path, content) in files {
            let mut above = path.parent();
            while let Some(directory) = above {
                state.directories.insert(directory.to_owned());
                above = directory.parent();
            }
            let inode = state.make(path);
            state.contents.insert(inode, content.clone());
        }
        drop(state);
        disk
    }

    /// What lies on it.
    pub fn files(&self) -> Files {
        let state = self.state();
        let names = state.names.iter();
        names
            .map(|(path, inode)| (path.clone(), state.contents[inode].clone()))
            .collect()
    }

    /// The length of a file, if it is there.
    pub fn length(&self, path: &Path) -> Option<usize> {
        let state = self.state();
        Some(state.contents[state.names.get(path)?].len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    fn content<T>(&self, file: &File, act: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut state = self.state();
        let inode = *state.handles.get(&file.number()).expect("an open file");
        act(state.contents.get_mut(&inode).expect("open files stay"))
    }
}

impl State {
    fn make(&mut self, path: &Path) -> u64 {
        self.inodes_made += 1;
        self.contents.insert(self.inodes_made, Vec::new());
        self.names.insert(path.to_owned(), self.inodes_made);
        self.inodes_made
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<File> {
        let mut state = self.state();
        let known = state.names.get(path).copied();
        let inode = match (known, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(ErrorKind::AlreadyExists.into()),
            (Some(inode), _) => inode,
            (None, OpenMode::Read | OpenMode::Write) => return Err(ErrorKind::NotFound.into()),
            (None, OpenMode::Create | OpenMode::CreateNew) => {
                let above = path.parent().expect("a file lies in a directory");
                if !state.directories.contains(above) {
                    return Err(ErrorKind::NotFound.into());
                }
                state.make(path)
            }
        };
        state.handles_made += 1;
        let number = state.handles_made;
        state.handles.insert(number, inode);
        Ok(File::new(number, Arc::new(CloseIn(self.0.clone()))))
    }

    fn read_at(&self, file: &File, position: u64, into: &mut [u8]) -> Result<usize> {
        self.content(file, |content| {
            let from = usize::try_from(position).unwrap_or(usize::MAX);
            let rest = content.get(from..).unwrap_or(&[]);
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn write_at(&self, file: &File, position: u64, bytes: &[u8]) -> Result<usize> {
        self.content(file, |content| {
            let from = position as usize;
            if content.len() < from + bytes.len() {
                content.resize(from + bytes.len(), 0);
            }
            content[from..from + bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        })
    }

    fn info(&self, file: &File) -> Result<FileInfo> {
        self.content(file, |content| {
            Ok(FileInfo {
                length: content.len() as u64,
                modified_ms: super::make::NOW_MS,
            })
        })
    }

    fn truncate(&self, file: &File, length: u64) -> Result<()> {
        self.content(file, |content| content.resize(length as usize, 0));
        Ok(())
    }

    fn allocate(&self, _: &File, _: u64) -> Result<()> {
        Ok(())
    }

    fn set_modified(&self, _: &File, _: i64) -> Result<()> {
        Ok(())
    }

    fn sync(&self, _: &File) -> Result<()> {
        Ok(())
    }

    fn sync_directory(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = self.state();
        if state.directories.contains(from) {
            let moved = |path: &PathBuf| to.join(path.strip_prefix(from).expect("it lies within"));
            let names = state.names.range(from.to_owned()..).map(|(name, _)| name);
            let names: Vec<PathBuf> = names
                .take_while(|it| it.starts_with(from))
                .cloned()
                .collect();
            for name in names {
                let inode = state.names.remove(&name).expect("just seen");
                state.names.insert(moved(&name), inode);
            }
            let directories = state.directories.range(from.to_owned()..);
            let directories: Vec<PathBuf> = directories
                .take_while(|it| it.starts_with(from))
                .cloned()
                .collect();
            for directory in directories {
                state.directories.remove(&directory);
                state.directories.insert(moved(&directory));
            }
            return Ok(());
        }
        let inode = state.names.remove(from).ok_or(ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> Result<()> {
        let removed = self.state().names.remove(path);
        removed
            .map(|_| ())
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        match self.state().directories.insert(path.to_owned()) {
            true => Ok(()),
            false => Err(ErrorKind::AlreadyExists.into()),
        }
    }

    fn remove_directory(&self, path: &Path) -> Result<()> {
        let mut state = self.state();
        let mut behind = state.names.range(path.to_owned()..);
        if behind
            .next()
            .is_some_and(|(name, _)| name.starts_with(path))
        {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        match state.directories.remove(path) {
            true => Ok(()),
            false => Err(ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let state = self.state();
        if !state.directories.contains(path) {
            return Err(ErrorKind::NotFound.into());
        }
        let entry = |name: &PathBuf, is_directory| {
            let here = name.parent() == Some(path);
            let name = name.file_name().filter(|_| here)?.to_str()?.to_owned();
            Some(Entry { name, is_directory })
        };
        // What lies within a directory follows it. Ten thousand partitions are listed one by one.
        let within = |name: &&PathBuf| name.starts_with(path);
        let files = state.names.range(path.to_owned()..).map(|(name, _)| name);
        let files = files.take_while(within);
        let directories = state.directories.range(path.to_owned()..);
        let mut entries: Vec<Entry> = directories
            .take_while(within)
            .filter_map(|name| entry(name, true))
            .chain(files.filter_map(|name| entry(name, false)))
            .collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn lock(&self, path: &Path) -> Result<File> {
        // The broker keeps it for as long as its process lives: it must not keep the whole disk.
        let number = self.open(path, OpenMode::Create)?.number();
        Ok(File::new(number, Arc::new(Forget)))
    }

    fn space(&self, _: &Path) -> Result<Space> {
        Err(Error::from(ErrorKind::Unsupported))
    }
}
