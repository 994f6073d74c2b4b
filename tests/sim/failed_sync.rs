//! A sync that has failed and the process after it: what it read from the page cache and served is durable
//! once that process says so, though the kernel takes those pages for written.

use crate::compaction::Slow;
use crate::disk::{Crash, SimDisk};
use crate::random::Random;
use crate::weather::{DiskWeather, Weather};
use millstream::batch::Builder;
use millstream::io::{Disk, OpenMode};
use millstream::log::{self, FileKind, LogConfig};
use millstream::store::{OpenedLog, Store, Submissions, open_partition};
use millstream::types::{LeaderEpoch, Offset, Timestamp};
use std::path::Path;

const DIRECTORY: &str = "/p-0";
const NOW: Timestamp = Timestamp(1_700_000_000_000);
const BATCHES: i64 = 40;

fn open(disk: &SimDisk) -> OpenedLog {
    let config = LogConfig {
        segment_bytes: 1 << 20,
        segment_ms: i64::MAX,
        segment_jitter_ms: 0,
        jitter_seed: 0,
        index_interval_bytes: 500,
        index_bytes_max: 1 << 20,
        compact: false,
        producer_expiration_ms: i64::MAX,
        flush_messages: i64::MAX,
        recent_batches: 4,
        index_cache_bytes: 1 << 20,
    };
    let (directory, zero) = (Path::new(DIRECTORY), Offset(0));
    let opened = open_partition(disk, directory, config, zero, zero, false, NOW);
    opened.unwrap_or_else(|fault| panic!("it does not open: {fault}"))
}

/// A segment whose sync has failed, as the process after that one finds it.
fn after_a_failed_sync(seed: u64) -> SimDisk {
    let disk = SimDisk::new(Random::new(seed));
    let directory = Path::new(DIRECTORY);
    disk.create_directory(directory).expect("calm weather");
    let mut bytes = Vec::new();
    for offset in 0..BATCHES {
        let mut builder = Builder::new(Offset(offset), LeaderEpoch(0));
        builder.push(NOW, None, Some(&[7; 300]), &[]);
        bytes.extend(builder.finish());
    }
    let name = directory.join(log::file_name(Offset(0), FileKind::Log));
    let file = disk.open(&name, OpenMode::Create).expect("calm weather");
    disk.write_at(&file, 0, &bytes).expect("calm weather");
    disk.sync_directory(directory).expect("calm weather");
    disk.sync_directory(Path::new("/")).expect("calm weather");
    disk.set_weather(DiskWeather {
        sync_error_at_us: Some(0),
        ..Weather::calm().disk
    });
    assert!(disk.sync(&file).is_err());
    drop(file);
    disk.crash(Crash::Kill);
    disk
}

#[test]
fn what_the_next_process_makes_durable_is_durable() {
    let mut lost = 0;
    for seed in 0..40 {
        let disk = after_a_failed_sync(seed);
        disk.crash(Crash::PowerLoss);
        lost += u64::from(open(&disk).log.log_end() != Offset(BATCHES));
        for way in ["stop", "flush"] {
            let disk = after_a_failed_sync(seed);
            let opened = open(&disk);
            assert_eq!(opened.log.log_end(), Offset(BATCHES), "the cache has it");
            let OpenedLog { log, active, .. } = opened;
            let store = Store::new(0, DIRECTORY.into(), log, active, Offset(0));
            let mut slow = Slow {
                disk,
                store,
                waiting: Submissions::new(),
            };
            match way {
                "stop" => assert!(slow.store.close(&mut slow.waiting)),
                _ => slow.store.flush(&mut slow.waiting),
            }
            slow.end(|_| false);
            let Slow { disk, store, .. } = slow;
            assert_eq!(store.log().flushed(), Offset(BATCHES), "{way}");
            drop(store);
            disk.crash(Crash::PowerLoss);
            let log_end = open(&disk).log.log_end();
            assert_eq!(log_end, Offset(BATCHES), "seed {seed}, {way}");
        }
    }
    assert!(lost > 20, "without a next process it is lost: {lost}");
}
