//! A disk in memory that tears, forgets, shortens and fails. The fault model stands in `main.rs`.
//!
//! Every file has two contents: what was *written* (the page cache: what reads see, what survives
//! kill -9) and what is *durable* (what survives a power loss for certain). Between the two stands
//! the set of dirty sectors, of which a power loss keeps any subset. Every directory has its entries
//! and its durable entries, and between the two the list of changes, of which a power loss keeps the
//! first few.

use crate::random::Random;
use crate::weather::DiskWeather;
use millstream::io::{Closer, Disk, Entry, File, FileInfo, FileRange, OpenMode, Pieces, Space};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, Result};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard};

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;
const ROOT: u64 = 0;

/// How the broker's process ends unasked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// kill -9: the page cache stays.
    Kill,
    /// The machine goes dark: the page cache is gone.
    PowerLoss,
}

/// The disk of the simulated machine. Outlives the broker.
pub struct SimDisk {
    state: Mutex<State>,
    closed: Arc<Closed>,
}

/// Handles whose last holder is gone. Only a list, because a handle may be dropped in any place.
#[derive(Default)]
pub struct Closed(Mutex<Vec<i32>>);

impl Closed {
    /// Takes the numbers closed since the last call.
    pub fn take(&self) -> Vec<i32> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(|broken| broken.into_inner()))
    }
}

impl Closer for Closed {
    fn close(&self, number: i32) {
        self.0
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
            .push(number);
    }
}

struct State {
    weather: DiskWeather,
    random: Random,
    now_us: u64,
    wall_ms: i64,
    inodes: BTreeMap<u64, Inode>,
    inodes_made: u64,
    handles: BTreeMap<i32, u64>,
    handles_made: i32,
    /// Locked inode -> the handle that holds the lock.
    locks: BTreeMap<u64, i32>,
    /// Calls until the machine dies, if it is about to.
    fuse: Option<u64>,
    /// Count of errors that the broker was made to see.
    errors: u64,
}

enum Inode {
    File(FileNode),
    Directory(DirectoryNode),
}

#[derive(Default)]
struct FileNode {
    written: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// Shortest length since the last sync, if that is shorter than the durable one.
    cut: Option<usize>,
    modified_ms: i64,
}

#[derive(Default)]
struct DirectoryNode {
    entries: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    /// Since the last sync: each change sets or removes names, all of them or none.
    changes: Vec<Vec<(String, Option<u64>)>>,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(random: Random) -> SimDisk {
        let mut inodes = BTreeMap::new();
        inodes.insert(ROOT, Inode::Directory(DirectoryNode::default()));
        SimDisk {
            state: Mutex::new(State {
                weather: crate::weather::Weather::calm().disk,
                random,
                now_us: 0,
                wall_ms: 0,
                inodes,
                inodes_made: 0,
                handles: BTreeMap::new(),
                handles_made: 0,
                locks: BTreeMap::new(),
                fuse: None,
                errors: 0,
            }),
            closed: Arc::new(Closed::default()),
        }
    }

    /// Changes delays and faults.
    pub fn set_weather(&self, weather: DiskWeather) {
        self.state().weather = weather;
    }

    /// Sets the clocks: faults come at moments, files note the calendar.
    pub fn set_now(&self, now_us: u64, wall_ms: i64) {
        let mut state = self.state();
        state.now_us = now_us;
        state.wall_ms = wall_ms;
    }

    /// From the `calls`-th call on, everything fails and nothing has an effect, until `crash`.
    pub fn die_after(&self, calls: u64) {
        self.state().fuse = Some(calls);
    }

    /// The machine does not die after all.
    pub fn survive(&self) {
        self.state().fuse = None;
    }

    /// Whether the machine has died in the middle of something.
    pub fn is_dead(&self) -> bool {
        self.state().fuse == Some(0)
    }

    /// How many times the broker was made to see an error of the disk.
    pub fn errors(&self) -> u64 {
        self.state().errors
    }

    /// The process is gone, and with `PowerLoss` what was not durable.
    pub fn crash(&self, how: Crash) {
        let mut state = self.state();
        let state = &mut *state;
        state.fuse = None;
        state.handles.clear();
        state.locks.clear();
        if how == Crash::Kill {
            return;
        }
        let keep_percent = *state.random.pick(&[0, 10, 50, 90, 100]);
        for inode in state.inodes.values_mut() {
            match inode {
                Inode::File(file) => file.lose_power(keep_percent, &mut state.random),
                Inode::Directory(directory) => directory.lose_power(&mut state.random),
            }
        }
    }

    /// A vectored write, as an operation does it: perhaps short, perhaps failing.
    pub fn append(&self, file: &File, position: u64, pieces: &Pieces) -> Result<usize> {
        let mut state = self.state();
        state.tick()?;
        assert!(
            position <= state.file(file).written.len() as u64,
            "an append at {position} leaves a hole in a file of {} bytes",
            state.file(file).written.len()
        );
        let most = state.write_limit(file, position, pieces.len())?;
        state.write(file, position, pieces.chunks(), most);
        Ok(most)
    }

    /// What a crash leaves of a write in flight: its first `most` bytes.
    pub fn append_part(&self, file: &File, position: u64, pieces: &Pieces, most: usize) {
        self.state().write(file, position, pieces.chunks(), most);
    }

    /// What sendfile would find: `None` if the range is not in the page cache.
    pub fn cached(&self, range: &FileRange, most: usize) -> Result<Option<Vec<u8>>> {
        let mut state = self.state();
        state.tick()?;
        let cold = state.weather.cold_one_in;
        if state.random.one_in(cold) {
            return Ok(None);
        }
        let from = &state.file(&range.file).written;
        let start = from.len().min(range.position as usize);
        let length = (range.length as usize).min(most).min(from.len() - start);
        Ok(Some(from[start..start + length].to_vec()))
    }

    /// The written content of a file by its path, for tests and for the audit.
    pub fn content(&self, path: &Path) -> Result<Vec<u8>> {
        let state = self.state();
        let inode = state.find(path)?;
        match &state.inodes[&inode] {
            Inode::File(file) => Ok(file.written.clone()),
            Inode::Directory(_) => Err(errno(libc::EISDIR)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        for number in self.closed.take() {
            state.handles.remove(&number);
            state.locks.retain(|_, holder| *holder != number);
        }
        state
    }

    fn handle(&self, state: &mut State, inode: u64) -> File {
        state.handles_made += 1;
        state.handles.insert(state.handles_made, inode);
        File::new(state.handles_made, self.closed.clone())
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<File> {
        let mut state = self.state();
        state.tick()?;
        let inode = match (state.find(path), mode) {
            (Ok(_), OpenMode::CreateNew) => return Err(errno(libc::EEXIST)),
            (Ok(inode), _) => inode,
            (Err(_), OpenMode::Create | OpenMode::CreateNew) => {
                state.make(path, Inode::File(FileNode::default()))?
            }
            (Err(error), _) => return Err(error),
        };
        if matches!(state.inodes[&inode], Inode::Directory(_)) {
            return Err(errno(libc::EISDIR));
        }
        Ok(self.handle(&mut state, inode))
    }

    fn read_at(&self, file: &File, position: u64, into: &mut [u8]) -> Result<usize> {
        let mut state = self.state();
        state.tick()?;
        let shortened = state.weather.short_read_one_in;
        let mut most = into.len();
        if most > 1 && state.random.one_in(shortened) {
            most = state.random.between(1, most as u64 - 1) as usize;
        }
        let from = &state.file(file).written;
        let start = (position.min(from.len() as u64)) as usize;
        let count = most.min(from.len() - start);
        into[..count].copy_from_slice(&from[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, file: &File, position: u64, bytes: &[u8]) -> Result<usize> {
        let mut state = self.state();
        state.tick()?;
        let most = state.write_limit(file, position, bytes.len())?;
        state.write(file, position, std::iter::once(bytes), most);
        Ok(most)
    }

    fn info(&self, file: &File) -> Result<FileInfo> {
        let mut state = self.state();
        state.tick()?;
        let file = state.file(file);
        Ok(FileInfo {
            length: file.written.len() as u64,
            modified_ms: file.modified_ms,
        })
    }

    fn truncate(&self, file: &File, length: u64) -> Result<()> {
        let mut state = self.state();
        state.tick()?;
        let now_ms = state.wall_ms;
        let file = state.file(file);
        file.modified_ms = now_ms;
        let length = length as usize;
        if length < file.written.len() {
            file.dirty.retain(|sector| sector * SECTOR < length);
            if length < file.durable.len() {
                file.cut = Some(file.cut.map_or(length, |cut| cut.min(length)));
            }
        } else {
            (file.written.len() / SECTOR..length.div_ceil(SECTOR)).for_each(|sector| {
                file.dirty.insert(sector);
            });
        }
        file.written.resize(length, 0);
        Ok(())
    }

    fn allocate(&self, file: &File, length: u64) -> Result<()> {
        let mut state = self.state();
        state.tick()?;
        if state.weather.full.holds(state.now_us) && length > state.file(file).written.len() as u64
        {
            state.errors += 1;
            return Err(errno(libc::ENOSPC));
        }
        Ok(())
    }

    fn set_modified(&self, file: &File, modified_ms: i64) -> Result<()> {
        let mut state = self.state();
        state.tick()?;
        state.file(file).modified_ms = modified_ms;
        Ok(())
    }

    fn sync(&self, file: &File) -> Result<()> {
        let mut state = self.state();
        state.tick()?;
        let fails = match state.weather.sync_error_at_us {
            Some(at_us) => at_us <= state.now_us,
            None => false,
        };
        if !fails {
            state.file(file).sync();
            return Ok(());
        }
        state.weather.sync_error_at_us = None;
        state.errors += 1;
        let mut random = state.random.fork("failed sync");
        state.random.next();
        state.file(file).fail_sync(&mut random);
        Err(errno(libc::EIO))
    }

    fn sync_directory(&self, path: &Path) -> Result<()> {
        let mut state = self.state();
        state.tick()?;
        let inode = state.find(path)?;
        let directory = state.directory(inode)?;
        directory.durable = directory.entries.clone();
        directory.changes.clear();
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut state = self.state();
        state.tick()?;
        let (from_directory, from_name) = state.place(from)?;
        let (to_directory, to_name) = state.place(to)?;
        assert_eq!(
            from_directory, to_directory,
            "the broker renames within a directory: {from:?} to {to:?}"
        );
        let inode = state.find(from)?;
        if let Ok(there) = state.find(to)
            && there != inode
        {
            match &state.inodes[&there] {
                Inode::Directory(directory) if !directory.entries.is_empty() => {
                    return Err(errno(libc::ENOTEMPTY));
                }
                Inode::Directory(_) if matches!(state.inodes[&inode], Inode::File(_)) => {
                    return Err(errno(libc::EISDIR));
                }
                _ => {}
            }
        }
        if from_name != to_name {
            state
                .directory(to_directory)?
                .change(vec![(from_name, None), (to_name, Some(inode))]);
        }
        Ok(())
    }

    fn unlink(&self, path: &Path) -> Result<()> {
        let mut state = self.state();
        state.tick()?;
        let inode = state.find(path)?;
        if matches!(state.inodes[&inode], Inode::Directory(_)) {
            return Err(errno(libc::EISDIR));
        }
        let (directory, name) = state.place(path)?;
        state.directory(directory)?.change(vec![(name, None)]);
        Ok(())
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        let mut state = self.state();
        state.tick()?;
        if state.find(path).is_ok() {
            return Err(errno(libc::EEXIST));
        }
        state.make(path, Inode::Directory(DirectoryNode::default()))?;
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> Result<()> {
        let mut state = self.state();
        state.tick()?;
        let inode = state.find(path)?;
        if !state.directory(inode)?.entries.is_empty() {
            return Err(errno(libc::ENOTEMPTY));
        }
        let (directory, name) = state.place(path)?;
        state.directory(directory)?.change(vec![(name, None)]);
        Ok(())
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let mut state = self.state();
        state.tick()?;
        let inode = state.find(path)?;
        let entries = state.directory(inode)?.entries.clone();
        Ok(entries
            .into_iter()
            .map(|(name, inode)| Entry {
                name,
                is_directory: matches!(state.inodes[&inode], Inode::Directory(_)),
            })
            .collect())
    }

    fn lock(&self, path: &Path) -> Result<File> {
        let mut state = self.state();
        state.tick()?;
        let inode = match state.find(path) {
            Ok(inode) => inode,
            Err(_) => state.make(path, Inode::File(FileNode::default()))?,
        };
        if state.locks.contains_key(&inode) {
            return Err(errno(libc::EAGAIN));
        }
        let file = self.handle(&mut state, inode);
        state.locks.insert(inode, file.number());
        Ok(file)
    }

    fn space(&self, _: &Path) -> Result<Space> {
        self.state().tick()?;
        Ok(Space {
            total: 1 << 40,
            usable: 1 << 39,
        })
    }
}

impl State {
    /// Counts a call towards the machine's end.
    fn tick(&mut self) -> Result<()> {
        match &mut self.fuse {
            None => Ok(()),
            Some(0) => Err(errno(libc::EIO)),
            Some(calls) => {
                *calls -= 1;
                if *calls == 0 {
                    return Err(errno(libc::EIO));
                }
                Ok(())
            }
        }
    }

    fn file(&mut self, file: &File) -> &mut FileNode {
        let inode = self.handles.get(&file.number());
        let inode = inode.unwrap_or_else(|| panic!("{file:?} is not open"));
        match self.inodes.get_mut(inode) {
            Some(Inode::File(file)) => file,
            _ => panic!("{file:?} is not a file"),
        }
    }

    fn directory(&mut self, inode: u64) -> Result<&mut DirectoryNode> {
        match self.inodes.get_mut(&inode) {
            Some(Inode::Directory(directory)) => Ok(directory),
            _ => Err(errno(libc::ENOTDIR)),
        }
    }

    fn find(&self, path: &Path) -> Result<u64> {
        let mut at = ROOT;
        for name in names(path) {
            at = match &self.inodes[&at] {
                Inode::Directory(directory) => match directory.entries.get(name) {
                    Some(inode) => *inode,
                    None => return Err(errno(libc::ENOENT)),
                },
                Inode::File(_) => return Err(errno(libc::ENOTDIR)),
            };
        }
        Ok(at)
    }

    /// The directory and the name of a path, which need not exist.
    fn place(&self, path: &Path) -> Result<(u64, String)> {
        let name = names(path).last().ok_or_else(|| errno(libc::EBUSY))?;
        let count = names(path).count();
        let above: std::path::PathBuf = names(path).take(count - 1).collect();
        Ok((self.find(&above)?, name.to_owned()))
    }

    fn make(&mut self, path: &Path, what: Inode) -> Result<u64> {
        let (directory, name) = self.place(path)?;
        if self.weather.full.holds(self.now_us) {
            self.errors += 1;
            return Err(errno(libc::ENOSPC));
        }
        self.inodes_made += 1;
        let inode = self.inodes_made;
        let what = match what {
            Inode::File(file) => Inode::File(FileNode {
                modified_ms: self.wall_ms,
                ..file
            }),
            directory => directory,
        };
        self.inodes.insert(inode, what);
        self.directory(directory)?.change(vec![(name, Some(inode))]);
        Ok(inode)
    }

    /// How much of a write of `length` bytes the weather lets through.
    fn write_limit(&mut self, file: &File, position: u64, length: usize) -> Result<usize> {
        if let Some(at_us) = self.weather.write_error_at_us
            && at_us <= self.now_us
        {
            self.weather.write_error_at_us = None;
            self.errors += 1;
            return Err(errno(libc::EIO));
        }
        let end = self.file(file).written.len() as u64;
        if self.weather.full.holds(self.now_us) && position + length as u64 > end {
            // What overwrites, and sometimes a little more, still has its blocks.
            let room = (end.saturating_sub(position) + self.random.below(SECTOR as u64)) as usize;
            if room == 0 || self.random.one_in(2) {
                self.errors += 1;
                return Err(errno(libc::ENOSPC));
            }
            return Ok(room.min(length));
        }
        if length > 1 && self.random.one_in(self.weather.short_write_one_in) {
            return Ok(self.random.between(1, length as u64 - 1) as usize);
        }
        Ok(length)
    }

    fn write<'a>(
        &mut self,
        file: &File,
        position: u64,
        parts: impl Iterator<Item = &'a [u8]>,
        most: usize,
    ) {
        let now_ms = self.wall_ms;
        let file = self.file(file);
        file.modified_ms = now_ms;
        if most == 0 {
            return;
        }
        let start = position as usize;
        if start > file.written.len() {
            (file.written.len() / SECTOR..start.div_ceil(SECTOR)).for_each(|sector| {
                file.dirty.insert(sector);
            });
        }
        if start + most > file.written.len() {
            file.written.resize(start + most, 0);
        }
        let mut at = start;
        for part in parts {
            let count = part.len().min(start + most - at);
            file.written[at..at + count].copy_from_slice(&part[..count]);
            at += count;
        }
        file.dirty
            .extend(start / SECTOR..(start + most).div_ceil(SECTOR));
    }
}

impl FileNode {
    fn sync(&mut self) {
        if let Some(cut) = self.cut.take() {
            self.durable.truncate(cut);
        }
        self.durable.resize(self.written.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            copy_sector(&self.written, &mut self.durable, sector);
        }
    }

    /// A failed sync: some sectors made it, the others are dropped from the list of what is to be
    /// written, though reads still see them. A second sync would find nothing to do.
    fn fail_sync(&mut self, random: &mut Random) {
        if let Some(cut) = self.cut.take() {
            self.durable.truncate(cut);
        }
        self.durable.resize(self.written.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            if random.one_in(2) {
                copy_sector(&self.written, &mut self.durable, sector);
            }
        }
    }

    fn lose_power(&mut self, keep_percent: u64, random: &mut Random) {
        let changed = self.cut.is_some() || !self.dirty.is_empty();
        if changed && !(self.cut.is_some() && random.one_in(2)) {
            if let Some(cut) = self.cut {
                self.durable.truncate(cut);
            }
            // The length comes with the blocks or after them, never before.
            let (least, most) = (
                self.durable.len(),
                self.written.len().max(self.durable.len()),
            );
            let length = match random.below(4) {
                0 => least,
                1 => random.between(least as u64, most as u64) as usize,
                _ => most,
            };
            self.durable.resize(length, 0);
            for sector in &self.dirty {
                if random.percent(keep_percent) {
                    copy_sector(&self.written, &mut self.durable, *sector);
                }
            }
        }
        self.cut = None;
        self.dirty.clear();
        self.written.clone_from(&self.durable);
    }
}

/// Copies what of the sector lies within both.
fn copy_sector(from: &[u8], to: &mut [u8], sector: usize) {
    let start = sector * SECTOR;
    let end = (start + SECTOR).min(from.len()).min(to.len());
    if start < end {
        to[start..end].copy_from_slice(&from[start..end]);
    }
}

impl DirectoryNode {
    fn change(&mut self, names: Vec<(String, Option<u64>)>) {
        apply(&mut self.entries, &names);
        self.changes.push(names);
    }

    fn lose_power(&mut self, random: &mut Random) {
        let kept = random.below(self.changes.len() as u64 + 1) as usize;
        for names in &self.changes[..kept] {
            apply(&mut self.durable, names);
        }
        self.changes.clear();
        self.entries.clone_from(&self.durable);
    }
}

fn apply(entries: &mut BTreeMap<String, u64>, names: &[(String, Option<u64>)]) {
    for (name, inode) in names {
        match inode {
            Some(inode) => entries.insert(name.clone(), *inode),
            None => entries.remove(name),
        };
    }
}

fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_str().expect("the broker's names are UTF-8")),
        _ => None,
    })
}

fn errno(number: i32) -> Error {
    Error::from_raw_os_error(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weather::Weather;

    fn disk(seed: u64) -> SimDisk {
        SimDisk::new(Random::new(seed))
    }

    fn create(disk: &SimDisk, path: &str) -> File {
        disk.open(Path::new(path), OpenMode::CreateNew).unwrap()
    }

    #[test]
    fn kill_keeps_what_was_written_and_power_loss_what_was_synced() {
        for seed in 0..200 {
            let disk = disk(seed);
            let root = Path::new("/");
            let file = create(&disk, "/log");
            disk.write_at(&file, 0, &[1; 3000]).unwrap();
            disk.sync(&file).unwrap();
            disk.sync_directory(root).unwrap();
            disk.write_at(&file, 3000, &[2; 3000]).unwrap();
            let _unsynced = create(&disk, "/new");
            disk.crash(Crash::Kill);
            assert_eq!(disk.content(Path::new("/log")).unwrap().len(), 6000);
            assert!(disk.content(Path::new("/new")).is_ok());
            disk.crash(Crash::PowerLoss);
            let left = disk.content(Path::new("/log")).unwrap();
            assert_eq!(left[..3000], [1; 3000]);
            assert!((3000..=6000).contains(&left.len()));
            assert!(left[3000..].iter().all(|byte| *byte == 0 || *byte == 2));
        }
    }

    #[test]
    fn a_power_loss_tears_at_sectors_in_any_subset() {
        let mut shapes = BTreeSet::new();
        for seed in 0..400 {
            let disk = disk(seed);
            let file = create(&disk, "/log");
            disk.sync_directory(Path::new("/")).unwrap();
            disk.write_at(&file, 0, &[7; SECTOR * 3]).unwrap();
            disk.crash(Crash::PowerLoss);
            let left = disk.content(Path::new("/log")).unwrap();
            if left.len() == SECTOR * 3 {
                shapes.insert([left[0], left[SECTOR], left[2 * SECTOR]]);
            }
        }
        assert_eq!(shapes.len(), 8);
    }

    #[test]
    fn names_last_from_the_sync_of_their_directory_on() {
        let (mut lost, mut kept) = (0, 0);
        for seed in 0..100 {
            let disk = disk(seed);
            disk.create_directory(Path::new("/data")).unwrap();
            disk.sync_directory(Path::new("/")).unwrap();
            let file = create(&disk, "/data/a");
            disk.sync(&file).unwrap();
            disk.sync_directory(Path::new("/data")).unwrap();
            disk.rename(Path::new("/data/a"), Path::new("/data/b"))
                .unwrap();
            disk.crash(Crash::PowerLoss);
            let names = disk.list(Path::new("/data")).unwrap();
            assert_eq!(names.len(), 1, "a rename is whole or not at all");
            match names[0].name.as_str() {
                "a" => lost += 1,
                _ => kept += 1,
            }
        }
        assert!(lost > 10 && kept > 10);
    }

    #[test]
    fn a_failed_sync_drops_what_it_should_have_written() {
        let mut lost = 0;
        for seed in 0..50 {
            let disk = disk(seed);
            let file = create(&disk, "/log");
            disk.sync_directory(Path::new("/")).unwrap();
            disk.set_weather(DiskWeather {
                sync_error_at_us: Some(0),
                ..Weather::calm().disk
            });
            disk.write_at(&file, 0, &[1; 2048]).unwrap();
            assert!(disk.sync(&file).is_err());
            disk.sync(&file).unwrap();
            assert_eq!(disk.content(Path::new("/log")).unwrap(), [1; 2048]);
            disk.crash(Crash::PowerLoss);
            lost += u32::from(disk.content(Path::new("/log")).unwrap() != [1; 2048]);
        }
        assert!(lost > 25, "the second sync's success means nothing: {lost}");
    }

    #[test]
    fn an_unlinked_file_stays_readable_while_open_and_locks_end_with_their_handle() {
        let disk = disk(1);
        let file = create(&disk, "/log");
        disk.write_at(&file, 0, b"still here").unwrap();
        disk.unlink(Path::new("/log")).unwrap();
        assert!(disk.open(Path::new("/log"), OpenMode::Read).is_err());
        let mut into = [0; 10];
        assert_eq!(disk.read_at(&file, 0, &mut into).unwrap(), 10);
        assert_eq!(&into, b"still here");

        let lock = disk.lock(Path::new("/.lock")).unwrap();
        let second = disk.lock(Path::new("/.lock")).unwrap_err();
        assert_eq!(second.kind(), std::io::ErrorKind::WouldBlock);
        drop(lock);
        assert!(disk.lock(Path::new("/.lock")).is_ok());
    }

    #[test]
    fn a_machine_that_died_does_nothing_more() {
        let disk = disk(1);
        let file = create(&disk, "/log");
        disk.die_after(2);
        disk.write_at(&file, 0, b"first").unwrap();
        assert!(disk.write_at(&file, 5, b"second").is_err());
        assert!(disk.is_dead());
        disk.crash(Crash::Kill);
        assert_eq!(disk.content(Path::new("/log")).unwrap(), b"first");
    }
}
