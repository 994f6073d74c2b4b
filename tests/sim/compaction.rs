//! Compaction, interrupted at each call of the disk: whatever a start finds then, a reader has in the end
//! what the log said before, and the next pass goes on.

use crate::disk::{Crash, SimDisk};
use crate::random::Random;
use bytes::BytesMut;
use millstream::batch::{self, Builder, Checked, HEADER_BYTES, Header, TimestampType};
use millstream::io::{Disk, Operation, Outcome, Pieces, Task as _, Token};
use millstream::log::{self, CompactionRules, FileKind, Isolation, Log, LogConfig, Stage};
use millstream::store::{
    Compaction, CompactionMeans, Event, Found, OpenedLog, Scan, SegmentSwap, Stepped, Store,
    Submissions, Task, Want, files, open_partition, swap_segments,
};
use millstream::types::{LeaderEpoch, Now, Offset, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;

const DIRECTORY: &str = "/p-0";
const NOW: Timestamp = Timestamp(1_700_000_000_000);
const RETENTION_MS: i64 = 1_000;
const RULES: CompactionRules = CompactionRules {
    dirty_ratio_min: 0.0,
    lag_ms_min: 0,
    lag_ms_max: i64::MAX,
    delete_retention_ms: RETENTION_MS,
};
const MEANS: CompactionMeans = CompactionMeans {
    map_bytes_max: 1 << 16,
    map_load: 0.9,
    buffer_bytes: 64,
    step_bytes: 200,
    seed: 3,
};
const SEGMENTS: i64 = 7;

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        segment_ms: i64::MAX,
        segment_jitter_ms: 0,
        jitter_seed: 0,
        index_interval_bytes: 100,
        index_bytes_max: 1 << 20,
        compact: true,
        producer_expiration_ms: i64::MAX,
        flush_messages: i64::MAX,
        recent_batches: 4,
        index_cache_bytes: 1 << 20,
    }
}

/// Segments of three batches of two records, durable; every third batch deletes a key that no later one
/// sets, so that a tombstone which goes before what it deletes is seen.
fn set_up() -> SimDisk {
    let disk = SimDisk::new(Random::new(1));
    let directory = Path::new(DIRECTORY);
    disk.create_directory(directory).expect("calm weather");
    let mut next = 0;
    for segment in 0..SEGMENTS {
        let base = Offset(next);
        let mut file = Vec::new();
        for batch in 0..3 {
            let mut builder = Builder::new(Offset(next), LeaderEpoch(0));
            let common = format!("key {}", next % 4);
            let own = format!("own {}", segment - batch);
            let own_value = (batch < 2).then(|| next.to_be_bytes());
            let own_value = own_value.as_ref().map(|bytes| &bytes[..]);
            builder.push(NOW, Some(common.as_bytes()), Some(&next.to_be_bytes()), &[]);
            builder.push(NOW, Some(own.as_bytes()), own_value, &[]);
            next += 2;
            file.extend(builder.finish());
        }
        let name = directory.join(log::file_name(base, FileKind::Log));
        files::write_whole(&disk, &name, &file).expect("calm weather");
    }
    open(&disk);
    disk.sync_directory(directory).expect("calm weather");
    disk.sync_directory(Path::new("/")).expect("calm weather");
    disk
}

fn open(disk: &SimDisk) -> OpenedLog {
    let directory = Path::new(DIRECTORY);
    let (point, start) = (Offset(0), Offset(0));
    let opened = open_partition(disk, directory, config(), point, start, false, NOW);
    opened.unwrap_or_else(|fault| panic!("it does not open: {fault}"))
}

/// A pass, as the store runs it.
fn compact(disk: &SimDisk, log: &mut Log, now: Timestamp) -> Result<(), String> {
    let plan = log.plan_compaction(&RULES, now);
    let mut pass = Compaction::new(DIRECTORY.into(), plan, &MEANS);
    loop {
        match pass.step(disk).1.map_err(|fault| fault.to_string())? {
            Stepped::More => {}
            Stepped::Swap(replacement, _file) => {
                log.replace(&replacement);
                let swap = SegmentSwap::of(&replacement);
                let swapped = swap_segments(disk, Path::new(DIRECTORY), &swap);
                swapped.map_err(|error| error.to_string())?;
            }
            Stepped::Done(cleaned) => {
                log.set_cleaned(cleaned);
                return Ok(());
            }
        }
    }
}

/// Of each key the offset and the value.
type View = BTreeMap<Vec<u8>, (i64, Vec<u8>)>;

/// What a reader has in the end: of each key that is not deleted its last record. And how many records
/// there are.
fn view(disk: &SimDisk) -> (View, usize) {
    let mut view = View::new();
    let (mut count, mut end) = (0, 0);
    for entry in disk.list(Path::new(DIRECTORY)).expect("calm weather") {
        match log::parse_file_name(&entry.name) {
            Some((_, FileKind::Log, Stage::Live)) => {}
            Some((_, _, Stage::Live)) | None => continue,
            Some(_) => panic!("{} is left", entry.name),
        }
        let path = Path::new(DIRECTORY).join(&entry.name);
        let file = disk.content(&path).expect("calm weather");
        for (position, header) in batch::scan(&file) {
            assert!(header.base_offset.0 >= end, "{} goes back", entry.name);
            end = header.next_offset().0;
            let body = &file[position + HEADER_BYTES..position + header.size()];
            for record in batch::records(body) {
                let record = record.expect("a sound record");
                let key = record.key.expect("a key").to_vec();
                count += 1;
                match record.value {
                    Some(value) => {
                        view.insert(key, (header.offset_of(&record).0, value.to_vec()));
                    }
                    None => {
                        view.remove(&key);
                    }
                }
            }
        }
    }
    assert_eq!(end, SEGMENTS * 6, "the end is gone");
    (view, count)
}

/// Two passes: in the second one tombstones go, too.
fn compact_twice(disk: &SimDisk, log: &mut Log) -> Result<(), String> {
    compact(disk, log, NOW)?;
    log.set_cleaned(Offset(0));
    compact(disk, log, Timestamp(NOW.0 + RETENTION_MS))
}

#[test]
fn a_crash_at_any_call_of_the_disk_changes_nothing_for_a_reader() {
    let disk = set_up();
    let (expected, all) = view(&disk);
    let mut opened = open(&disk);
    assert_eq!(opened.log.segments().count() as i64, SEGMENTS);
    compact_twice(&disk, &mut opened.log).expect("calm weather");
    let (after, few) = view(&disk);
    assert_eq!(after, expected);
    assert!(few * 2 < all, "{few} records of {all} are left");
    let segments = opened.log.segments().count() as i64;
    assert!(segments < SEGMENTS, "{segments} segments are left");
    for how in [Crash::Kill, Crash::PowerLoss] {
        let mut calls = 1;
        loop {
            let disk = set_up();
            let mut opened = open(&disk);
            disk.die_after(calls);
            let ended = compact_twice(&disk, &mut opened.log);
            let died = disk.is_dead();
            drop(opened);
            disk.crash(how);
            assert_eq!(ended.is_err(), died, "call {calls}: {ended:?}");
            let mut opened = open(&disk);
            assert_eq!(opened.log.log_end(), Offset(SEGMENTS * 6), "call {calls}");
            assert_eq!(view(&disk).0, expected, "{how:?} at call {calls}");
            // And once more within the start that follows.
            if calls % 7 == 0 {
                let mut log = opened.log.clone();
                disk.die_after(40);
                let _interrupted = compact_twice(&disk, &mut log);
                drop(log);
                disk.crash(how);
                disk.die_after(calls / 7);
                let again = open_partition(
                    &disk,
                    Path::new(DIRECTORY),
                    config(),
                    Offset(0),
                    Offset(0),
                    false,
                    NOW,
                );
                drop(again);
                disk.crash(how);
                opened = open(&disk);
                assert_eq!(view(&disk).0, expected, "{how:?} at call {calls}, twice");
            }
            compact_twice(&disk, &mut opened.log).expect("calm weather");
            assert_eq!(
                view(&disk),
                (expected.clone(), few),
                "{how:?} at call {calls}"
            );
            if !died {
                break;
            }
            calls += 1;
        }
        println!("{how:?}: interrupted at each of {calls} calls");
        assert!(calls > 100, "only {calls} calls");
    }
}

/// A store whose tasks end when the test says so.
pub struct Slow {
    /// Where.
    pub disk: SimDisk,
    /// Which.
    pub store: Store,
    /// What is to be done.
    pub waiting: Submissions,
}

impl Slow {
    const TIME: Now = Now {
        monotonic_us: 0,
        wall: NOW,
    };

    /// Ends the tasks that wait, and those that they bring about, but for some.
    pub fn end(&mut self, waits: impl Fn(&Task) -> bool) {
        let mut longer = Submissions::new();
        while !self.waiting.is_empty() {
            let (token, operation) = self.waiting.remove(0);
            let Operation::Task(task) = operation else {
                panic!("{operation:?} is no task");
            };
            if waits(&task) {
                longer.push((token, Operation::Task(task)));
                continue;
            }
            let Token::Partition { operation, .. } = token else {
                panic!("{token:?} is no partition");
            };
            let outcome = Outcome::Done(task.run(&self.disk));
            match self.store.handle(operation, outcome, &mut self.waiting) {
                Some(Event::Offline { why, .. }) => panic!("{why}"),
                Some(Event::CompactionStepped { .. }) => {
                    self.store.go_on_compacting(true, &mut self.waiting);
                }
                _ => {}
            }
        }
        self.waiting = longer;
    }

    /// Each segment is served from the file that has its name.
    fn check(&mut self) {
        let segments = self.store.log().segments();
        let mut bases: Vec<Offset> = segments.map(|segment| segment.base).collect();
        bases.pop().expect("there is an active segment");
        for base in bases {
            let name = Path::new(DIRECTORY).join(log::file_name(base, FileKind::Log));
            let content = self.disk.content(&name).expect("calm weather");
            let (position, header) = self.fetch(base);
            let there = Header::read(&content[position as usize..]);
            assert_eq!(Some(header), there, "{base} at {position}");
        }
    }

    /// A batch that goes into a segment of its own.
    fn append(&mut self) {
        let mut builder = Builder::new(Offset(0), LeaderEpoch(0));
        builder.push(NOW, Some(b"key 0"), Some(&[7; 600]), &[]);
        let bytes = builder.finish();
        let checked = Checked {
            header: Header::read(&bytes).expect("a batch"),
            size: bytes.len(),
            max_timestamp: NOW,
            timestamp_type: TimestampType::CreateTime,
        };
        let pieces = Pieces::from(&bytes[..]);
        let admitted = self
            .store
            .append(&checked, pieces, LeaderEpoch(0), Slow::TIME);
        admitted.expect("there is room");
        self.store.drive(Slow::TIME, &mut self.waiting);
    }

    /// The first batch that a fetch from there gets, and where in its file it is.
    fn fetch(&mut self, offset: Offset) -> (u64, Header) {
        let want = Want {
            offset,
            bytes_max: 1,
            isolation: Isolation::ReadUncommitted,
        };
        let mut found = self.store.find(&want, &mut self.waiting);
        let range = loop {
            found = match found {
                Found::Slice(slice) => break slice.range,
                Found::Opening(_) => {
                    self.end(is_roll);
                    self.store.find(&want, &mut self.waiting)
                }
                Found::ReadHeaders(scan) => {
                    let headers = self.read_headers(&scan);
                    self.store
                        .scanned(&scan, &headers, &want, &mut self.waiting)
                }
                Found::End | Found::OutOfRange | Found::Corrupt => panic!("{offset}: {found:?}"),
            }
        };
        let mut header = [0; HEADER_BYTES];
        let read = self.disk.read_at(&range.file, range.position, &mut header);
        assert_eq!(read.expect("calm weather"), HEADER_BYTES);
        (range.position, Header::read(&header).expect("a batch"))
    }

    fn read_headers(&mut self, scan: &Scan) -> BytesMut {
        let mut operations = Submissions::new();
        let number = self
            .store
            .read_headers(scan, BytesMut::new(), &mut operations)
            .expect("its file is open");
        let [(_, Operation::Read { file, position, .. })] = &operations[..] else {
            panic!("{operations:?} is no read");
        };
        let mut buffer = BytesMut::zeroed(1 << 16);
        let read = self.disk.read_at(file, *position, &mut buffer);
        buffer.truncate(read.expect("calm weather"));
        let result = Ok(buffer.len());
        let outcome = Outcome::Read { buffer, result };
        match self.store.handle(number, outcome, &mut self.waiting) {
            Some(Event::Headers { bytes, .. }) => bytes.expect("calm weather"),
            other => panic!("{other:?}"),
        }
    }
}

fn is_roll(task: &Task) -> bool {
    matches!(task, Task::OpenNext { .. })
}

/// A pass is through before the file of the next segment is open: the file that the log has had till then
/// must not be taken for one that compaction has made.
#[test]
fn what_is_compacted_while_the_log_rolls_is_read_from_its_own_files() {
    let disk = set_up();
    let OpenedLog { log, active, .. } = open(&disk);
    let store = Store::new(0, DIRECTORY.into(), log, active, Offset(SEGMENTS * 6));
    let mut slow = Slow {
        disk,
        store,
        waiting: Submissions::new(),
    };
    slow.append();
    slow.end(is_roll);
    assert_eq!(slow.waiting.len(), 1, "the log rolls");
    slow.store
        .begin_compaction(&RULES, &MEANS, Slow::TIME, &mut slow.waiting);
    slow.end(is_roll);
    slow.check();
    slow.end(|_| false);
    slow.check();
    slow.store.go_on_compacting(true, &mut slow.waiting);
    slow.end(|_| false);
    slow.check();
    let segments = slow.store.log().segments().count() as i64;
    assert!(segments < SEGMENTS, "{segments} segments are left");
}
