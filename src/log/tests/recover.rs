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
    // The producer is known: a retry of any of its five last batches is one, and its next follows.
    for sequence in [22, 14, 16] {
        assert!(matches!(
            store.append(&from_producer(5, 0, sequence, 2)),
            Err(Refused::Duplicate { base_offset, .. }) if base_offset == Offset(sequence.into())
        ));
    }
    assert!(matches!(
        store.append(&from_producer(5, 0, 12, 2)),
        Err(Refused::OutOfOrderSequence { .. })
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
fn a_base_offset_that_is_far_off_is_not_believed_after_a_clean_stop() {
    let (config, mut disk, size) = stopped();
    // The base offset of the last batch, which no CRC covers, and the index entry that leads to it.
    let last = 2 * size as usize;
    disk.log(18)[last..last + 8].copy_from_slice(&(i64::MAX - 1).to_be_bytes());
    disk.files.insert((Offset(18), FileKind::Index), Vec::new());
    let loaded = disk.load(config, 24, true);
    assert_eq!(loaded.cut, Some((Offset(18), 2 * size)));
    assert_eq!(
        loaded.found,
        [Found::Cut {
            segment: Offset(18),
            position: 2 * size,
            bytes: size,
            fault: Fault::Offsets,
            durable: true
        }]
    );
    let mut store = disk.open(loaded);
    finds_all(&mut store, 0, 22);
    let next = store.append(&from_producer(6, 0, 0, 2)).unwrap();
    assert_eq!(next.base_offset, Offset(22));
}

#[test]
fn a_segment_that_is_larger_than_any_is_not_opened() {
    struct Huge;
    impl Source for Huge {
        fn length(&self) -> u64 {
            1 << 31
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
            panic!("its length says enough");
        }
    }
    let files = Files {
        segments: vec![SegmentFiles {
            base: Offset(0),
            log: &Huge,
            modified: NOW,
            index: None,
            timeindex: None,
            txnindex: None,
        }],
        snapshots: Vec::new(),
        epochs: None,
        recovery_point: Offset(0),
        log_start: Offset(0),
        clean: false,
    };
    let error = load(config(), files, NOW).unwrap_err();
    assert_eq!(error.error.kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn a_batch_that_reaches_into_the_next_segment_is_where_a_recovery_cuts() {
    let (config, mut disk, size) = stopped();
    let last = 2 * size as usize;
    disk.log(6)[last..last + 8].copy_from_slice(&15_i64.to_be_bytes());
    let loaded = disk.load(config, 6, false);
    assert_eq!(loaded.cut, Some((Offset(6), 2 * size)));
    assert_eq!(loaded.drop_segments, [Offset(12), Offset(18)]);
    assert_eq!(loaded.log.log_end(), Offset(10));
    finds_all(&mut disk.open(loaded), 0, 10);
}

#[test]
fn a_snapshot_of_batches_that_a_recovery_does_not_find_goes() {
    let (config, mut disk, _) = stopped();
    // The batches of 18 to 23 are gone without a trace, and a later segment is there.
    disk.log(18).clear();
    disk.files.insert((Offset(30), FileKind::Log), Vec::new());
    assert!(disk.files.contains_key(&(Offset(24), FileKind::Snapshot)));
    let loaded = disk.load(config.clone(), 18, false);
    assert_eq!(loaded.drop_snapshots, [Offset(24)]);
    assert_eq!(loaded.log.log_end(), Offset(30));
    let known = loaded.log.producer_states();
    assert_eq!(known[0].last_sequence, 17);
    let store = disk.open(loaded);
    let again = store.close().load(config, 30, true);
    assert_eq!(again.log.producer_states(), known);
}

#[test]
fn an_epoch_that_was_said_to_begin_later_than_its_batches_begins_with_them() {
    let mut store = Store::new(config());
    for (epoch, sequence) in [(3, 0), (4, 2), (4, 4)] {
        let batch = from_producer(5, 0, sequence, 2);
        store.append_as(&batch, LeaderEpoch(epoch)).unwrap();
    }
    let mut disk = store.disk;
    let good = disk.epochs.clone();
    assert_eq!(good.as_deref(), Some("0\n2\n3 0\n4 2\n"));
    for damaged in ["0\n2\n3 0\n4 20\n", "0\n2\n3 1\n4 20\n"] {
        disk.epochs = Some(damaged.into());
        let loaded = disk.load(config(), 0, false);
        assert_eq!(loaded.log.epochs().text(), good.clone().unwrap());
        assert_eq!(loaded.epochs, good);
    }
}

#[test]
fn a_recovery_below_the_start_of_the_log_keeps_the_newest_epoch_without_records() {
    let mut store = Store::new(config());
    for sequence in [0, 2, 4] {
        let batch = from_producer(5, 0, sequence, 2);
        store.append_as(&batch, LeaderEpoch(3)).unwrap();
    }
    // The log begins within its first segment, and a leader that has written nothing came last.
    let mut disk = store.disk;
    disk.epochs = Some("0\n2\n3 4\n7 6\n".into());
    let loaded = disk.try_load(config(), 0, 4, false).expect("no I/O error");
    assert_eq!(loaded.log.epochs().text(), "0\n2\n3 4\n7 6\n");
    assert_eq!(loaded.epochs, None);
}

#[test]
fn damage_in_a_sealed_segment_does_not_lead_the_producers_beyond_the_log() {
    let (config, mut disk, size) = stopped();
    // The segment of 18 is an empty one at 30 instead, and what the producers were is known of 18 alone.
    disk.files.retain(|(offset, kind), _| match kind {
        FileKind::Snapshot => *offset == Offset(18),
        _ => *offset < Offset(18),
    });
    for kind in [FileKind::Log, FileKind::Index, FileKind::TimeIndex] {
        disk.files.insert((Offset(30), kind), Vec::new());
    }
    // No index entry leads past the damage.
    disk.files.insert((Offset(12), FileKind::Index), Vec::new());
    // The last offset delta of 14: in a sealed segment no CRC is looked at after a clean stop.
    let field = size as usize + 23;
    disk.log(12)[field..field + 4].copy_from_slice(&(1_i32 << 20).to_be_bytes());
    let loaded = disk.load(config.clone(), 30, true);
    assert_eq!(loaded.log.log_end(), Offset(30));
    let known = loaded.log.producer_states();
    assert_eq!(known[0].last_sequence, 17);
    // The next start takes the producers as this one knew them, and reads no batch.
    let snapshots: Vec<Offset> = loaded.snapshots.iter().map(|(at, _)| *at).collect();
    assert_eq!(snapshots, [Offset(30)]);
    let again = disk.open(loaded).close().load(config, 30, true);
    assert_eq!(again.log.producer_states(), known);
}

#[test]
fn an_index_that_is_built_anew_hides_no_batch_from_the_producers() {
    let (config, mut disk, size) = stopped();
    // What the producers were is known of 20, where the damaged index of 18 leads past a batch.
    let mut store = Store::new(config.clone());
    for at in 0..10 {
        store.append(&from_producer(5, 0, at * 2, 2)).unwrap();
    }
    let snapshot = (Offset(20), FileKind::Snapshot);
    let known = store.close().files.remove(&snapshot).expect("at its end");
    disk.files
        .retain(|(_, kind), _| *kind != FileKind::Snapshot);
    disk.files.insert(snapshot, known);
    let entry = [2_u32.to_be_bytes(), (2 * size as u32).to_be_bytes()].concat();
    disk.files.insert((Offset(18), FileKind::Index), entry);
    disk.files.remove(&(Offset(18), FileKind::TimeIndex));
    let loaded = disk.load(config, 24, true);
    let mut store = disk.open(loaded);
    assert!(matches!(
        store.append(&from_producer(5, 0, 20, 2)),
        Err(Refused::Duplicate { base_offset, .. }) if base_offset == Offset(20)
    ));
}

#[test]
fn who_wrote_below_the_log_start_alone_is_known_after_every_crash() {
    let (config, mut disk, size) = stopped();
    // 9 in the first segment, which lies below the log's start, and 5; their snapshot is that of 18, which
    // is behind the last batch of 12. The next segment begins further on.
    let mut store = Store::new(config.clone());
    store.append(&from_producer(9, 0, 0, 2)).unwrap();
    for at in 0..8 {
        store.append(&from_producer(5, 0, at * 2, 2)).unwrap();
    }
    let snapshot = (Offset(18), FileKind::Snapshot);
    let known = store.close().files.remove(&snapshot).expect("at its end");
    disk.files
        .retain(|(offset, kind), _| *kind != FileKind::Snapshot && *offset < Offset(18));
    disk.files.insert(snapshot, known);
    let batch = placed(&from_producer(5, 0, 16, 2), Offset(30), EPOCH);
    assert_eq!(batch.len() as u64, size);
    disk.files.insert((Offset(30), FileKind::Log), batch);
    for _ in 0..3 {
        let loaded = disk.try_load(config.clone(), 30, 8, false);
        let loaded = loaded.expect("no I/O error");
        let known = loaded.log.producer_states();
        let ids: Vec<i64> = known.iter().map(|it| it.id.0).collect();
        assert_eq!(ids, [5, 9]);
        disk = disk.open(loaded).disk;
    }
}
