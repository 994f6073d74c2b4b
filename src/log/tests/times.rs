//! Look-up by timestamp.

use super::*;
use crate::batch::Codec;

impl Store {
    fn at_time(&self, target: TimeTarget) -> Option<(i64, i64)> {
        let lookup = self.log.time_lookup(target, Isolation::ReadUncommitted)?;
        let file = |kind| self.disk.files.get(&(lookup.segment, kind));
        let log = Bytes(file(FileKind::Log).unwrap());
        let (index, times) = (file(FileKind::Index), file(FileKind::TimeIndex));
        assert_eq!(
            lookup.wants_indexes(),
            lookup.segment != self.log.active_segment().base
        );
        let found = lookup
            .run(&log, index.map(Vec::as_slice), times.map(Vec::as_slice))
            .unwrap();
        // Without its indexes the same, only slower.
        assert_eq!(lookup.run(&log, None, None).unwrap(), found);
        found.map(|found| (found.offset.0, found.timestamp.0 - NOW.0))
    }

    fn after(&self, time: i64) -> Option<(i64, i64)> {
        self.at_time(TimeTarget::AtOrAfter(Timestamp(NOW.0 + time)))
    }
}

/// Segments of four batches of two records; the batch at offset 2n has times 20n and 20n + 1.
fn store() -> Store {
    let size = batch(2, 10, NOW.0).len() as u64;
    let mut store = Store::new(LogConfig {
        segment_bytes: 4 * size,
        index_interval_bytes: size,
        ..config()
    });
    for at in 0..10 {
        store.append(&batch(2, 10, NOW.0 + at * 20)).unwrap();
    }
    store
}

#[test]
fn the_first_record_at_or_after_a_time_is_found_not_its_batch() {
    let store = store();
    assert_eq!(store.log.segments().count(), 3);
    assert_eq!(store.after(-1000), Some((0, 0)));
    for time in 0..=181 {
        let expected = match time % 20 {
            0 => (time / 20 * 2, time),
            1 => (time / 20 * 2 + 1, time),
            _ => (time / 20 * 2 + 2, time / 20 * 20 + 20),
        };
        assert_eq!(store.after(time), Some(expected), "at {time}");
    }
    assert_eq!(store.after(182), None);
    assert_eq!(store.at_time(TimeTarget::Largest), Some((19, 181)));
}

#[test]
fn only_the_first_segment_that_could_have_it_is_searched() {
    // Its largest timestamp lies below the log's start: none, although later segments have later
    // records. So Kafka answers.
    let mut store = store();
    store.log.advance_log_start(Offset(7)).unwrap();
    assert_eq!(store.after(0), Some((7, 61)));
    store.log.advance_log_start(Offset(8)).unwrap();
    assert_eq!(store.after(60), None);
    assert_eq!(store.after(62), Some((8, 80)));
}

#[test]
fn times_may_go_back() {
    let mut store = Store::new(config());
    for time in [50, 90, 10, 90, 70] {
        store.append(&batch(1, 1, NOW.0 + time)).unwrap();
    }
    assert_eq!(store.after(0), Some((0, 50)));
    assert_eq!(store.after(51), Some((1, 90)));
    assert_eq!(store.after(91), None);
    assert_eq!(store.at_time(TimeTarget::Largest), Some((1, 90)));
}

#[test]
fn what_is_above_the_watermark_is_not_found() {
    let mut store = Store::new(config());
    store.append(&batch(2, 1, NOW.0)).unwrap();
    store.log.set_sole_replica(false);
    store.append(&batch(2, 1, NOW.0 + 10)).unwrap();
    assert_eq!(store.after(1), Some((1, 1)));
    assert_eq!(store.after(5), None);
    assert_eq!(store.at_time(TimeTarget::Largest), None);
}

#[test]
fn compressed_records_and_append_times_are_found() {
    let mut store = Store::new(config());
    for (at, codec) in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd]
        .into_iter()
        .enumerate()
    {
        let bytes = fill(builder().codec(codec), 10, 10, NOW.0 + at as i64 * 10);
        store.append(&bytes).unwrap();
    }
    for time in 0..40 {
        assert_eq!(store.after(time), Some((time, time)));
    }
    let bytes = fill(builder().log_append_time(), 3, 10, NOW.0 + 50);
    let staged = store.append(&bytes).unwrap();
    // All records have the batch's time.
    let largest = header(&bytes).max_timestamp.0 - NOW.0;
    assert_eq!(store.after(45), Some((staged.base_offset.0, largest)));
}

#[test]
fn a_batch_that_does_not_decompress_is_found_as_a_whole() {
    let mut store = Store::new(config());
    let mut bytes = fill(builder().codec(Codec::Zstd), 3, 10, NOW.0);
    let size = bytes.len();
    bytes[61..size].fill(0xee);
    store.append(&bytes).unwrap();
    assert_eq!(store.after(1), Some((0, 2)));
}

#[test]
fn records_without_timestamps_are_not_found() {
    let mut store = Store::new(config());
    let mut builder = builder();
    builder.push(Timestamp::NONE, None, None, &[]);
    store.append(&builder.finish()).unwrap();
    assert_eq!(store.after(-5), None);
    assert_eq!(store.at_time(TimeTarget::Largest), None);
    assert_eq!(Store::new(config()).after(0), None);
}

#[test]
fn the_leader_epoch_is_that_of_the_batch() {
    let mut store = Store::new(config());
    store
        .append_as(&batch(1, 1, NOW.0), LeaderEpoch(3))
        .unwrap();
    store
        .append_as(&batch(1, 1, NOW.0 + 5), LeaderEpoch(8))
        .unwrap();
    let target = TimeTarget::AtOrAfter(Timestamp(NOW.0 + 1));
    let lookup = store
        .log
        .time_lookup(target, Isolation::ReadUncommitted)
        .unwrap();
    let log = Bytes(&store.disk.files[&(Offset(0), FileKind::Log)]);
    let found = lookup.run(&log, None, None).unwrap().unwrap();
    assert_eq!(found.leader_epoch, LeaderEpoch(8));
}
