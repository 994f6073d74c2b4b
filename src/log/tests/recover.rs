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
