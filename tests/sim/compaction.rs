//! Compaction, interrupted at each call of the disk: whatever a start finds then, a reader has in the end
//! what the log said before, and the next pass goes on.

use crate::disk::{Crash, SimDisk};
use crate::random::Random;
use millstream::batch::{self, Builder, HEADER_BYTES};
use millstream::io::Disk;
use millstream::log::{self, CompactionRules, FileKind, Log, LogConfig, Stage};
use millstream::store::{
    Compaction, CompactionMeans, OpenedLog, SegmentSwap, Stepped, files, open_partition,
    swap_segments,
};
use millstream::types::{LeaderEpoch, Offset, Timestamp};
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
    let means = CompactionMeans {
        map_bytes_max: 1 << 16,
        map_load: 0.9,
        buffer_bytes: 64,
        step_bytes: 200,
        seed: 3,
    };
    let plan = log.plan_compaction(&RULES, now);
    let mut pass = Compaction::new(DIRECTORY.into(), plan, &means);
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
