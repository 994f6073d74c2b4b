//! Opening a log: after a clean stop, after a crash, after damage.

use super::*;

/// Twelve batches of two records, three to a segment, by one producer; stopped cleanly.
fn stopped() -> (LogConfig, Disk, u64) {
    let size = from_producer(5, 0, 0, 2).len() as u64;
    let config = LogConfig {
        segment_bytes: 3 * size,
        index_interval_bytes: size,
        ..config()
    };
    let mut store = Store::new(config.clone());
    for at in 0..12 {
        store.append(&from_producer(5, 0, at * 2, 2)).unwrap();
    }
    (config, store.close(), size)
}

fn finds_all(store: &mut Store, from: i64, to: i64) {
    for offset in from..to {
        assert_eq!(store.find(Offset(offset)), Ok(Offset(offset & !1)));
    }
    assert_eq!(store.find(Offset(to)), Err(Located::End));
}

#[test]
fn a_clean_stop_leaves_nothing_to_do() {
    let (config, disk, _) = stopped();
    let loaded = disk.load(config, 24, true);
    assert_eq!(loaded.found, []);
    assert_eq!(loaded.scanned, 0);
    assert_eq!((&loaded.cut, &loaded.rebuilt.len()), (&None, &0));
    assert_eq!((&loaded.epochs, &loaded.snapshots.len()), (&None, &0));
    assert_eq!(loaded.drop_snapshots, []);
    assert_eq!(loaded.log.log_end(), Offset(24));
    assert_eq!(loaded.log.high_watermark(), Offset(24));
    let mut store = disk.open(loaded);
    finds_all(&mut store, 0, 24);
    // The producer is known: a retry is one, and its next batch follows.
    assert!(matches!(
        store.append(&from_producer(5, 0, 22, 2)),
        Err(Refused::Duplicate { .. })
    ));
    assert_eq!(
        store
            .append(&from_producer(5, 0, 24, 2))
            .unwrap()
            .base_offset,
        Offset(24)
    );
}

#[test]
fn a_torn_tail_is_cut_wherever_it_is_torn() {
    let (config, disk, size) = stopped();
    for torn in 1..size {
        let mut disk = disk.clone();
        let log = disk.log(18);
        log.truncate((2 * size + torn) as usize);
        disk.files.remove(&(Offset(24), FileKind::Snapshot));
        let loaded = disk.load(config.clone(), 18, false);
        assert_eq!(loaded.cut, Some((Offset(18), 2 * size)));
        assert_eq!(loaded.drop_segments, []);
        assert_eq!(
            loaded.found,
            [Found::Cut {
                segment: Offset(18),
                position: 2 * size,
                bytes: torn,
                fault: Fault::NotWhole,
                durable: false
            }]
        );
        assert_eq!(loaded.log.log_end(), Offset(22));
        // Only the segment that holds the recovery point was read.
        assert_eq!(loaded.scanned, 2 * size);
        let mut store = disk.open(loaded);
        finds_all(&mut store, 0, 22);
        let next = store.append(&from_producer(5, 0, 22, 2)).unwrap();
        assert_eq!(next.base_offset, Offset(22));
        finds_all(&mut store, 0, 24);
    }
}

#[test]
fn whatever_lies_behind_the_last_batch_is_cut() {
    let (config, disk, size) = stopped();
    let lying = {
        let mut header = header(&from_producer(5, 0, 24, 2));
        header.base_offset = Offset(24);
        header.length = i32::MAX;
        header.encode().to_vec()
    };
    let negative = {
        let mut bytes = lying.clone();
        bytes[8] = 0xff;
        bytes
    };
    let batch = from_producer(5, 0, 24, 2);
    let elsewhere = placed(&batch, Offset(1 << 40), EPOCH);
    let before = placed(&batch, Offset(20), EPOCH);
    for (tail, fault) in [
        (vec![0; 100], Fault::NotWhole),
        (vec![0; 3 << 20], Fault::NotWhole),
        (vec![0xa5; 10], Fault::NotWhole),
        (vec![0xa5; 1000], Fault::NotWhole),
        (lying, Fault::NotWhole),
        (negative, Fault::NotWhole),
        (elsewhere, Fault::Offsets),
        (before, Fault::Offsets),
    ] {
        for clean in [false, true] {
            let mut disk = disk.clone();
            disk.log(18).extend_from_slice(&tail);
            let loaded = disk.load(config.clone(), 24, clean);
            assert_eq!(
                loaded.found,
                [Found::Cut {
                    segment: Offset(18),
                    position: 3 * size,
                    bytes: tail.len() as u64,
                    fault,
                    durable: false
                }]
            );
            let mut store = disk.open(loaded);
            finds_all(&mut store, 0, 24);
        }
    }
}

#[test]
fn damage_cuts_there_and_the_segments_behind_go() {
    let (config, disk, size) = stopped();
    // In the second segment's second batch: in what the CRC covers, behind the first recovery point.
    for at in [21, size - 1] {
        let mut disk = disk.clone();
        disk.log(6)[(size + at) as usize] ^= 1;
        let loaded = disk.load(config.clone(), 6, false);
        assert_eq!(loaded.cut, Some((Offset(6), size)));
        assert_eq!(loaded.drop_segments, [Offset(12), Offset(18)]);
        assert_eq!(
            loaded.found,
            [
                Found::Cut {
                    segment: Offset(6),
                    position: size,
                    bytes: 2 * size,
                    fault: Fault::Crc,
                    durable: false
                },
                Found::Dropped {
                    segments: 2,
                    bytes: 6 * size
                }
            ]
        );
        assert_eq!(
            loaded.drop_snapshots,
            [Offset(12), Offset(18), Offset(24)],
            "they speak of records that are gone"
        );
        let mut store = disk.open(loaded);
        finds_all(&mut store, 0, 8);
        assert_eq!(
            store.append(&from_producer(5, 0, 10, 2)),
            Err(Refused::OutOfOrderSequence { last_sequence: 7 })
        );
        store.append(&from_producer(5, 0, 8, 2)).unwrap();
        finds_all(&mut store, 0, 10);
        // The same damage below a recovery point says that the disk did it.
        let mut disk = self::stopped().1;
        disk.log(6)[(size + at) as usize] ^= 1;
        let loaded = disk.load(config.clone(), 11, false);
        assert!(matches!(loaded.found[0], Found::Cut { durable: true, .. }));
        // Behind a later recovery point nobody looks there.
        assert_eq!(disk.load(config.clone(), 12, false).found, []);
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_a_cut() {
    struct Broken(u64);
    impl Source for Broken {
        fn length(&self) -> u64 {
            self.0
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(5))
        }
    }
    for clean in [false, true] {
        let log = Broken(1000);
        let empty = Bytes(&[]);
        let files = Files {
            segments: vec![SegmentFiles {
                base: Offset(7),
                log: &log,
                modified: NOW,
                index: Some(&empty),
                timeindex: Some(&empty),
                txnindex: None,
            }],
            snapshots: Vec::new(),
            epochs: Some("0\n0\n".into()),
            recovery_point: Offset(0),
            log_start: Offset(0),
            clean,
        };
        let error = load(config(), files, NOW).unwrap_err();
        assert_eq!((error.base, error.kind), (Offset(7), FileKind::Log));
        assert!(error.to_string().contains("00000000000000000007.log"));
    }
}

#[test]
fn indexes_are_rebuilt_as_they_were_written() {
    let (config, disk, _) = stopped();
    let loaded = disk.load(config, 0, false);
    assert_eq!(loaded.found, []);
    assert_eq!(loaded.rebuilt.len(), 4);
    assert_eq!(disk.clone().open(loaded).disk, disk);
}

#[test]
fn an_index_newer_than_the_log_is_not_believed() {
    let (config, disk, size) = stopped();
    for clean in [false, true] {
        let mut disk = disk.clone();
        disk.log(18).truncate(size as usize);
        let loaded = disk.load(config.clone(), 18, clean);
        assert_eq!(loaded.rebuilt.len(), 1);
        assert_eq!(loaded.rebuilt[0].index.len(), 0);
        let mut store = disk.open(loaded);
        finds_all(&mut store, 0, 20);
        for at in 10..14 {
            store.append(&from_producer(5, 0, at * 2, 2)).unwrap();
            finds_all(&mut store, 0, at as i64 * 2 + 2);
        }
    }
}

#[test]
#[cfg(feature = "mutations")]
fn the_planted_stale_index_does_harm() {
    let (config, disk, size) = stopped();
    let mut disk = disk.clone();
    disk.log(18).truncate((size + 5) as usize);
    crate::mutation::plant(Some(crate::mutation::Mutation::StaleIndex));
    let loaded = disk.load(config, 18, false);
    crate::mutation::plant(None);
    assert!(!OffsetIndex::new(Offset(18), &loaded.rebuilt[0].index).fits(size));
}

#[test]
fn a_missing_or_padded_index_of_a_sealed_segment_is_built_anew() {
    let (config, disk, _) = stopped();
    for kind in [FileKind::Index, FileKind::TimeIndex] {
        let mut missing = disk.clone();
        missing.files.remove(&(Offset(6), kind));
        let mut padded = disk.clone();
        let file = padded.files.get_mut(&(Offset(6), kind)).unwrap();
        file.extend_from_slice(&[0; 24]);
        for (damaged, clean) in [(&missing, true), (&missing, false), (&padded, true)] {
            let loaded = damaged.load(config.clone(), 24, clean);
            let segment = Offset(6);
            assert_eq!(loaded.found, [Found::Index { segment, kind }]);
            assert_eq!(damaged.clone().open(loaded).disk, disk);
        }
    }
}

#[test]
fn a_damaged_sealed_segment_of_a_clean_log_is_kept() {
    let (config, mut disk, size) = stopped();
    disk.log(6)[(size + 30) as usize] ^= 1;
    disk.files.remove(&(Offset(6), FileKind::Index));
    let loaded = disk.load(config, 24, true);
    assert_eq!(loaded.cut, None);
    assert_eq!(loaded.drop_segments, []);
    let damaged = Found::Damaged {
        segment: Offset(6),
        position: size,
        fault: Fault::Crc,
    };
    assert_eq!(loaded.found[1], damaged);
    let mut store = disk.open(loaded);
    finds_all(&mut store, 12, 24);
    assert_eq!(store.find(Offset(10)), Ok(Offset(10)));
}

#[test]
fn a_bad_snapshot_gives_way_to_an_older_one() {
    let (config, disk, _) = stopped();
    let retry = |disk: &Disk, clean| {
        let loaded = disk.load(config.clone(), 18, clean);
        let found = loaded.found.clone();
        let mut store = disk.clone().open(loaded);
        let duplicate = matches!(
            store.append(&from_producer(5, 0, 22, 2)),
            Err(Refused::Duplicate { .. })
        );
        let known = matches!(
            store.append(&from_producer(5, 0, 30, 2)),
            Err(Refused::OutOfOrderSequence { last_sequence: 23 })
        );
        (found, duplicate, known)
    };
    let mut bad = disk.clone();
    bad.files
        .get_mut(&(Offset(24), FileKind::Snapshot))
        .unwrap()[20] ^= 1;
    assert_eq!(
        retry(&bad, true),
        (vec![Found::Snapshot(Offset(24))], true, true)
    );
    // After a crash the one at the recovered segment's base is what counts.
    let newest = bad.files.get_mut(&(Offset(18), FileKind::Snapshot));
    newest.unwrap().truncate(11);
    assert_eq!(
        retry(&bad, false),
        (vec![Found::Snapshot(Offset(18))], true, true)
    );
    // Without any, a crash replays the log, a clean stop has nobody.
    let mut none = disk.clone();
    none.files
        .retain(|(_, kind), _| *kind != FileKind::Snapshot);
    assert_eq!(retry(&none, false), (vec![], true, true));
    assert_eq!(retry(&none, true), (vec![], false, true));
}

#[test]
fn snapshots_are_kept_one_per_segment_and_the_newest() {
    let (config, mut disk, size) = stopped();
    let any = disk.files[&(Offset(24), FileKind::Snapshot)].clone();
    for at in [3, 20, 99] {
        disk.files
            .insert((Offset(at), FileKind::Snapshot), any.clone());
    }
    disk.log(18).truncate(2 * size as usize);
    let loaded = disk.load(config, 18, false);
    assert_eq!(
        loaded.drop_snapshots,
        [Offset(3), Offset(20), Offset(24), Offset(99)]
    );
    let written: Vec<i64> = loaded.snapshots.iter().map(|(at, _)| at.0).collect();
    assert_eq!(written, [22]);
}

#[test]
fn epochs_are_those_of_the_batches_and_an_empty_one_at_the_end_survives() {
    let mut store = Store::new(config());
    for (epoch, batches) in [(0, 2), (3, 1), (4, 2)] {
        for _ in 0..batches {
            let bytes = batch(2, 10, NOW.0);
            store.append_as(&bytes, LeaderEpoch(epoch)).unwrap();
        }
    }
    assert!(store.log.lead(LeaderEpoch(6)));
    assert!(!store.log.lead(LeaderEpoch(6)));
    store.disk.epochs = Some(store.log.epochs().text());
    let disk = store.close();
    let all = "0\n4\n0 0\n3 4\n4 6\n6 10\n";
    assert_eq!(disk.epochs.as_deref(), Some(all));
    for clean in [false, true] {
        let loaded = disk.load(config(), 0, clean);
        assert_eq!(
            (loaded.epochs, loaded.log.epochs().text()),
            (None, all.into())
        );
        for text in [None, Some("0\n7\n0 0\n".to_string())] {
            let mut damaged = disk.clone();
            damaged.epochs = text;
            let loaded = damaged.load(config(), 0, clean);
            assert_eq!(loaded.epochs.as_deref(), Some("0\n3\n0 0\n3 4\n4 6\n"));
            assert_eq!(loaded.found, [Found::Epochs]);
        }
    }
    // Cut below epoch 4: it goes.
    let mut torn = disk.clone();
    let size = batch(2, 10, NOW.0).len();
    torn.log(0).truncate(3 * size - 1);
    let loaded = torn.load(config(), 0, false);
    assert_eq!(loaded.epochs.as_deref(), Some("0\n2\n0 0\n3 4\n"));
    let cut = loaded.log.epochs();
    assert_eq!(
        cut.end_offset_for(LeaderEpoch(3), loaded.log.log_end()),
        (LeaderEpoch(3), Offset(4))
    );
}

#[test]
fn a_log_that_lies_below_its_start_begins_anew_there() {
    let (config, disk, _) = stopped();
    let loaded = disk.try_load(config.clone(), 0, 30, false).unwrap();
    assert_eq!(loaded.drop_segments.len(), 4);
    assert_eq!(loaded.log.log_start(), Offset(30));
    assert_eq!(loaded.log.log_end(), Offset(30));
    assert!(loaded.found.contains(&Found::BelowLogStart(Offset(30))));
    let mut store = disk.clone().open(loaded);
    assert_eq!(
        store
            .append(&from_producer(5, 0, 99, 2))
            .unwrap()
            .base_offset,
        Offset(30)
    );

    // At its end: nothing to read, producers forgotten; within: the records below are hidden.
    let loaded = disk.try_load(config.clone(), 0, 24, true).unwrap();
    assert_eq!(
        (loaded.log.log_start(), loaded.log.producers()),
        (Offset(24), 0)
    );
    let loaded = disk.try_load(config, 0, 13, false).unwrap();
    assert_eq!(
        (loaded.log.log_start(), loaded.log.producers()),
        (Offset(13), 1)
    );
    assert_eq!(loaded.epochs.as_deref(), Some("0\n1\n0 13\n"));
}

#[test]
fn a_directory_without_segments_is_an_empty_log() {
    let loaded = Disk::default().load(config(), 0, true);
    assert_eq!(loaded.log.log_end(), Offset(0));
    assert_eq!((loaded.epochs, loaded.found), (None, vec![]));
}

/// What a transaction coordinator writes into a partition.
fn end_marker(id: i64, epoch: i16, kind: i16) -> Vec<u8> {
    let mut builder = builder()
        .producer(ProducerId(id), ProducerEpoch(epoch), -1)
        .transactional()
        .control();
    builder.push_control(NOW, kind, &[0, 0, 0, 0, 0, 9]);
    builder.finish()
}

#[test]
fn transactions_are_found_again() {
    let transactional = |id, sequence| {
        let builder = builder()
            .producer(ProducerId(id), ProducerEpoch(0), sequence)
            .transactional();
        fill(builder, 1, 10, NOW.0)
    };
    // 0 and 2 of producer 2, 1 of producer 3; 2 aborts, 3 commits; 5 of producer 4 stays open.
    let batches = [
        transactional(2, 0),
        transactional(3, 0),
        transactional(2, 1),
        end_marker(2, 1, 0),
        end_marker(3, 0, 1),
        transactional(4, 0),
        batch(1, 1, NOW.0),
    ];
    let mut log = Vec::new();
    for (at, bytes) in batches.iter().enumerate() {
        log.extend_from_slice(&placed(bytes, Offset(at as i64), EPOCH));
    }
    let mut disk = Disk::default();
    disk.files.insert((Offset(0), FileKind::Log), log);
    let loaded = disk.load(config(), 0, false);
    assert_eq!(loaded.log.log_end(), Offset(7));
    assert_eq!(loaded.log.last_stable(), Offset(5));
    let aborted = parse_aborted(Offset(0), loaded.rebuilt[0].txnindex.as_ref().unwrap());
    let expected = Aborted {
        producer: ProducerId(2),
        first: Offset(0),
        marker: Offset(3),
        last_stable: Offset(1),
    };
    assert_eq!(aborted, Some(vec![expected]));
    // The snapshot brings the open transaction back, and the epoch that the marker set.
    let mut store = disk.open(loaded);
    assert_eq!(store.find(Offset(4)), Ok(Offset(4)));
    assert_eq!(
        store.append(&from_producer(2, 0, 2, 1)),
        Err(Refused::StaleEpoch {
            current: ProducerEpoch(1)
        })
    );
    let loaded = store.close().load(config(), 7, true);
    assert_eq!(loaded.log.last_stable(), Offset(5));
    assert_eq!(loaded.found, []);
    assert_eq!(loaded.log.producers(), 3);
}
