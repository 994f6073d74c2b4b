//! A log in which another broker has left transactions: what readers of committed records are told.

use super::*;

/// A file of aborted transactions: each one batch of 100 bytes or so and the marker behind it, by
/// producers of their own.
fn aborted(base: i64, transactions: i64) -> Vec<u8> {
    let of = |at: i64| Builder::new(Offset(base + at), EPOCH);
    let mut bytes = Vec::new();
    for at in 0..transactions {
        let producer = ProducerId(base + at);
        let data = of(2 * at)
            .producer(producer, ProducerEpoch(0), 0)
            .transactional();
        bytes.extend(fill(data, 1, 10, NOW.0));
        let mut marker = of(2 * at + 1)
            .producer(producer, ProducerEpoch(0), -1)
            .transactional()
            .control();
        marker.push_control(NOW, 0, &[0; 6]);
        bytes.extend(marker.finish());
    }
    bytes
}

/// Two segments of 50 transactions each, with an index entry every few batches.
fn left_behind() -> (LogConfig, Disk) {
    let config = LogConfig {
        index_interval_bytes: 500,
        ..config()
    };
    let mut disk = Disk::default();
    for base in [0, 100] {
        let log = (Offset(base), FileKind::Log);
        disk.files.insert(log, aborted(base, 50));
    }
    (config, disk)
}

fn told(log: &Log, from: i64, segment: i64, end: u64) -> Vec<i64> {
    let told = log.aborted_in(Offset(from), Offset(segment), end);
    told.iter().map(|it| it.first.0).collect()
}

#[test]
fn a_slice_is_told_what_was_aborted_in_it_and_little_more() {
    let (config, disk) = left_behind();
    let loaded = disk.load(config.clone(), 0, false);
    let mut store = disk.open(loaded);
    for load in 0..2 {
        let size = store.disk.files[&(Offset(100), FileKind::Log)].len() as u64;
        // The whole of the segment, from its start, from a marker on, from behind it.
        let all: Vec<i64> = (0..50).map(|at| 100 + 2 * at).collect();
        assert_eq!(told(&store.log, 100, 100, size), all);
        assert_eq!(told(&store.log, 101, 100, size), all);
        assert_eq!(told(&store.log, 102, 100, size), all[1..]);
        assert!(told(&store.log, 200, 100, size).is_empty());
        // A tenth of it: the index says nearly where it ends.
        let some = told(&store.log, 100, 100, size / 10);
        assert!(
            all.starts_with(&some) && (5..12).contains(&some.len()),
            "{some:?}"
        );
        // A segment that is closed ends with the next, whether or not its index is in memory.
        let first: Vec<i64> = (0..50).map(|at| 2 * at).collect();
        assert_eq!(told(&store.log, 0, 0, size), first);
        assert_eq!(store.log.last_stable(), Offset(200));
        if load == 0 {
            // Once more from the files that a clean stop leaves.
            let disk = store.close();
            let entries = |base| disk.files[&(Offset(base), FileKind::TxnIndex)].len();
            assert_eq!((entries(0), entries(100)), (50 * 34, 50 * 34));
            let loaded = disk.load(config.clone(), 200, true);
            assert_eq!((loaded.found.len(), loaded.scanned), (0, 0));
            store = disk.open(loaded);
        }
    }
}

#[test]
fn what_was_aborted_goes_with_its_segment() {
    let (config, disk) = left_behind();
    let loaded = disk.load(config, 0, false);
    let mut store = disk.open(loaded);
    assert_eq!(store.log.remove_oldest().map(|it| it.base), Some(Offset(0)));
    assert_eq!(store.log.aborted.len(), 50);
    assert_eq!(told(&store.log, 100, 100, 1)[0], 100);
}

#[test]
fn a_txnindex_of_markers_beyond_its_segment_is_built_anew() {
    let (config, disk) = left_behind();
    let loaded = disk.load(config.clone(), 0, false);
    let mut disk = disk.open(loaded).close();
    let second = disk.files[&(Offset(100), FileKind::TxnIndex)].clone();
    let first = (Offset(0), FileKind::TxnIndex);
    let sound = disk.files.insert(first, second);
    let loaded = disk.load(config, 200, true);
    let kind = FileKind::TxnIndex;
    let segment = Offset(0);
    assert_eq!(loaded.found, [Found::Index { segment, kind }]);
    let store = disk.open(loaded);
    assert_eq!(store.disk.files.get(&first), sound.as_ref());
    assert_eq!(store.log.aborted.len(), 100);
}

/// Between two entries of the index, too: a reader gets all that lies before it, and not a batch more.
#[test]
fn where_the_oldest_open_transaction_begins_is_known_exactly() {
    let (config, mut disk) = left_behind();
    for at in 0..9 {
        let base = 200 + at;
        let producer = ProducerId(base);
        let open = Builder::new(Offset(base), EPOCH)
            .producer(producer, ProducerEpoch(0), 0)
            .transactional();
        let plain = Builder::new(Offset(base), EPOCH);
        let builder = if at < 4 { plain } else { open };
        disk.log(100).extend(fill(builder, 1, 10, NOW.0));
    }
    let size = batch(1, 10, NOW.0).len() as u64;
    let length = disk.files[&(Offset(100), FileKind::Log)].len() as u64;
    let begun = length - 5 * size;
    let loaded = disk.load(config.clone(), 0, false);
    let mut store = disk.open(loaded);
    for load in 0..2 {
        assert_eq!(store.log.last_stable(), Offset(204));
        let first = begun - 4 * size;
        let slice = |isolation| {
            let whole = store
                .log
                .slice(Offset(100), first, size as u32, 1 << 20, true, isolation);
            whole.expect("the first batch is wanted whole").length
        };
        assert_eq!(slice(Isolation::ReadCommitted), 4 * size);
        assert_eq!(slice(Isolation::ReadUncommitted), 9 * size);
        assert!(!store.log.is_settled(Offset(100), Isolation::ReadCommitted));
        assert!(store.log.is_settled(Offset(0), Isolation::ReadCommitted));
        if load == 0 {
            let disk = store.close();
            let loaded = disk.load(config.clone(), 209, true);
            store = disk.open(loaded);
        }
    }
}

#[test]
fn who_has_a_transaction_open_does_not_write_beside_it() {
    let (config, mut disk) = left_behind();
    let open = Builder::new(Offset(200), EPOCH)
        .producer(ProducerId(1007), ProducerEpoch(0), 0)
        .transactional();
    disk.log(100).extend(fill(open, 1, 10, NOW.0));
    let loaded = disk.load(config, 0, false);
    let mut store = disk.open(loaded);
    let beside = store.append(&from_producer(1007, 0, 1, 1));
    assert_eq!(beside, Err(Refused::BesideTransaction));
    // That it is out of order counts first.
    let gap = store.append(&from_producer(1007, 0, 5, 1));
    assert_eq!(gap, Err(Refused::OutOfOrderSequence { last_sequence: 0 }));
    assert!(store.append(&from_producer(1008, 0, 0, 1)).is_ok());
}

/// A segment as Kafka's cleaner leaves it: some headers have lost their records.
#[test]
fn sifting_finds_the_batches_with_records_between_those_without() {
    let whole = batch(1, 10, NOW.0);
    let mut emptied = placed(&whole[..crate::batch::HEADER_BYTES], Offset(5), EPOCH);
    let length = (crate::batch::HEADER_BYTES - crate::batch::LENGTH_END) as i32;
    emptied[8..12].copy_from_slice(&length.to_be_bytes());
    emptied[57..61].fill(0);
    let (empty, full) = (emptied.len() as u64, whole.len() as u64);
    let log = [&emptied[..], &emptied, &whole, &whole, &emptied, &whole].concat();
    let sift = |position, length| sift(&Bytes(&log), position, length).expect("it can be read");
    let batches = |position, length| Sifted::Batches {
        position,
        length,
        first_batch: full,
    };
    let end = log.len() as u64;
    assert_eq!(sift(0, end), batches(2 * empty, 2 * full));
    assert_eq!(
        sift(2 * empty, end - 2 * empty),
        batches(2 * empty, 2 * full)
    );
    // Cut within the second batch; within the first, which is then whole nevertheless.
    assert_eq!(sift(0, 2 * empty + full + 9), batches(2 * empty, full + 9));
    assert_eq!(sift(0, 2 * empty + 1), batches(2 * empty, full));
    let behind = 2 * empty + 2 * full;
    assert_eq!(sift(behind, end - behind), batches(behind + empty, full));
    assert_eq!(sift(0, 2 * empty), Sifted::Emptied { next: Offset(6) });
    // What is damaged is not hidden.
    let damaged = crate::log::sift(&Bytes(&[0xff; 200]), 0, 200).expect("it can be read");
    let as_it_is = Sifted::Batches {
        position: 0,
        length: 200,
        first_batch: 200,
    };
    assert_eq!(damaged, as_it_is);
}
