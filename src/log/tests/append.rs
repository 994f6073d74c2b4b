//! Staging, completing, rolling; idempotence; what readers are given.

use super::*;

#[test]
fn nothing_moves_before_the_append_is_complete() {
    let mut store = Store::new(config());
    let bytes = batch(3, 10, NOW.0);
    let first = store.stage(&bytes, EPOCH).unwrap();
    let second = store.stage(&bytes, EPOCH).unwrap();
    assert_eq!((first.base_offset.0, first.last_offset.0), (0, 2));
    assert_eq!(second.base_offset, Offset(3));
    assert_eq!(second.position, bytes.len() as u64);
    assert_eq!(store.log.next_offset(), Offset(6));
    assert_eq!(store.log.log_end(), Offset(0));
    assert_eq!(
        store.log.locate(Offset(0), Isolation::ReadUncommitted),
        Located::End
    );
    let completed = store.finish(&first, &bytes, EPOCH);
    assert_eq!(completed.log_end, Offset(3));
    assert_eq!(completed.high_watermark, Offset(3));
    assert!(completed.epochs_changed);
    assert_eq!(store.disk.epochs.as_deref(), Some("0\n1\n0 0\n"));
    assert!(!store.finish(&second, &bytes, EPOCH).epochs_changed);
    assert_eq!(store.log.next_offset(), store.log.log_end());
}

#[test]
fn an_append_that_failed_leaves_no_trace() {
    let mut store = Store::new(config());
    store.append(&from_producer(5, 0, 0, 2)).unwrap();
    let before = store.log.clone();
    store.stage(&from_producer(5, 0, 2, 2), EPOCH).unwrap();
    store.stage(&from_producer(6, 0, 9, 1), EPOCH).unwrap();
    store.log.abandon();
    assert_eq!(store.log.next_offset(), before.next_offset());
    assert_eq!(store.log.active_segment(), before.active_segment());
    // The producer may send the same again, at the same offset, and 6 anything.
    let again = store.append(&from_producer(5, 0, 2, 2)).unwrap();
    assert_eq!(again.base_offset, Offset(2));
    store.append(&from_producer(6, 0, 3, 1)).unwrap();
}

#[test]
fn index_entries_have_kafkas_bytes() {
    // One record that makes a batch of 1072 bytes.
    let size = |value| batch(1, value, NOW.0).len();
    let value = (900..1072).find(|value| size(*value) == 1072).unwrap();
    let mut store = Store::new(config());
    for at in 0..9 {
        store.append(&batch(1, value, NOW.0 + at)).unwrap();
    }
    let disk = store.close();
    let index = &disk.files[&(Offset(0), FileKind::Index)];
    assert_eq!(
        index.as_slice(),
        [0, 0, 0, 4, 0, 0, 0x10, 0xc0, 0, 0, 0, 8, 0, 0, 0x21, 0x80]
    );
    let times = &disk.files[&(Offset(0), FileKind::TimeIndex)];
    let times = TimeIndex::new(Offset(0), times);
    let entries: Vec<_> = (0..times.len()).map(|at| times.get(at).unwrap()).collect();
    let pairs: Vec<_> = entries
        .iter()
        .map(|entry| (entry.timestamp.0 - NOW.0, entry.offset.0))
        .collect();
    assert_eq!(pairs, [(4, 4), (8, 8)]);
}

#[test]
fn a_segment_rolls_when_full_and_not_when_it_just_fits() {
    let bytes = batch(1, 100, NOW.0);
    let segment_bytes = 3 * bytes.len() as u64;
    let mut store = Store::new(LogConfig {
        segment_bytes,
        ..config()
    });
    let rolled: Vec<bool> = (0..7)
        .map(|_| store.append(&bytes).unwrap().roll_first)
        .collect();
    assert_eq!(rolled, [false, false, false, true, false, false, true]);
    let bases: Vec<i64> = store.log.segments().map(|segment| segment.base.0).collect();
    assert_eq!(bases, [0, 3, 6]);
    for offset in 0..7 {
        assert_eq!(store.find(Offset(offset)), Ok(Offset(offset)));
    }
    let large = batch(1, segment_bytes as usize, NOW.0);
    assert_eq!(store.append(&large), Err(Refused::SegmentTooSmall));
}

#[test]
fn a_segment_rolls_by_the_records_time() {
    let mut store = Store::new(LogConfig {
        segment_ms: 2000,
        ..config()
    });
    let mut at = |time| store.append(&batch(1, 1, NOW.0 + time)).unwrap().roll_first;
    assert!(!at(0));
    assert!(!at(2000));
    assert!(at(2001));
    // Measured from the first batch of the new segment; earlier records do not count back.
    assert!(!at(0));
    assert!(!at(4001));
    assert!(at(4002));
}

#[test]
fn a_full_index_rolls_the_segment() {
    let mut store = Store::new(LogConfig {
        index_interval_bytes: 0,
        index_bytes_max: 24,
        ..config()
    });
    // 24 bytes hold three offset entries and two time entries, of which one is kept free for the
    // entry forced at the roll.
    let rolled: Vec<bool> = (0..4)
        .map(|at| {
            let bytes = batch(1, 1, NOW.0 + at);
            store.append(&bytes).unwrap().roll_first
        })
        .collect();
    assert_eq!(rolled, [false, false, true, false]);
}

#[test]
fn staged_batches_wait_for_the_roll() {
    let bytes = batch(2, 100, NOW.0);
    let mut store = Store::new(LogConfig {
        segment_bytes: 2 * bytes.len() as u64,
        ..config()
    });
    let staged: Vec<Staged> = (0..5)
        .map(|_| store.stage(&bytes, EPOCH).unwrap())
        .collect();
    let places: Vec<(i64, u64, bool)> = staged
        .iter()
        .map(|staged| (staged.segment.0, staged.position, staged.roll_first))
        .collect();
    let size = bytes.len() as u64;
    assert_eq!(
        places,
        [
            (0, 0, false),
            (0, size, false),
            (4, 0, true),
            (4, size, false),
            (8, 0, true)
        ]
    );
    for staged in &staged {
        store.finish(staged, &bytes, EPOCH);
    }
    assert_eq!(store.log.log_end(), Offset(10));
    assert_eq!(store.log.segments().count(), 3);
    // The last segment failed to be written: what is staged for it goes, the roll was done.
    let staged = store.stage(&bytes, EPOCH).unwrap();
    assert!(!staged.roll_first);
    store.log.abandon();
    assert_eq!(store.append(&bytes).unwrap().position, size);
}

#[test]
fn a_retry_gets_the_offset_it_had() {
    let mut store = Store::new(config());
    let batches: Vec<Vec<u8>> = (0..6).map(|at| from_producer(5, 0, at * 2, 2)).collect();
    for bytes in &batches {
        store.append(bytes).unwrap();
    }
    for (at, bytes) in batches.iter().enumerate().skip(1) {
        let Err(Refused::Duplicate {
            base_offset,
            last_offset,
            append_time,
            completed,
        }) = store.append(bytes)
        else {
            panic!("batch {at} was appended twice");
        };
        let base = at as i64 * 2;
        assert_eq!((base_offset.0, last_offset.0), (base, base + 1));
        assert_eq!(append_time.0, NOW.0 + 1);
        assert!(completed);
    }
    // The window is five batches: the first is merely old.
    assert_eq!(
        store.append(&batches[0]),
        Err(Refused::OutOfOrderSequence { last_sequence: 11 })
    );
    assert_eq!(store.log.log_end(), Offset(12));
}

#[test]
fn a_retry_of_what_is_still_being_written_is_told_so() {
    let mut store = Store::new(config());
    let bytes = from_producer(5, 0, 0, 3);
    let staged = store.stage(&bytes, EPOCH).unwrap();
    let Err(Refused::Duplicate { completed, .. }) = store.stage(&bytes, EPOCH) else {
        panic!("staged twice");
    };
    assert!(!completed);
    store.finish(&staged, &bytes, EPOCH);
    let Err(Refused::Duplicate { completed, .. }) = store.stage(&bytes, EPOCH) else {
        panic!("appended twice");
    };
    assert!(completed);
}

#[test]
fn sequences_must_follow_and_epochs_fence() {
    let mut store = Store::new(config());
    // Unknown: any first sequence.
    store.append(&from_producer(5, 3, 1000, 1)).unwrap();
    assert_eq!(
        store.append(&from_producer(5, 3, 1002, 1)),
        Err(Refused::OutOfOrderSequence {
            last_sequence: 1000
        })
    );
    assert_eq!(
        store.append(&from_producer(5, 2, 1001, 1)),
        Err(Refused::StaleEpoch {
            current: ProducerEpoch(3)
        })
    );
    // A new epoch starts at 0.
    assert!(matches!(
        store.append(&from_producer(5, 4, 1001, 1)),
        Err(Refused::OutOfOrderSequence { .. })
    ));
    store.append(&from_producer(5, 4, 0, 1)).unwrap();
    assert_eq!(
        store.append(&from_producer(5, 3, 1001, 1)),
        Err(Refused::StaleEpoch {
            current: ProducerEpoch(4)
        })
    );
}

#[test]
fn sequences_go_on_from_zero_after_their_largest() {
    let mut store = Store::new(config());
    store.append(&from_producer(5, 0, i32::MAX - 1, 2)).unwrap();
    store.append(&from_producer(5, 0, 0, 2)).unwrap();
    store.append(&from_producer(6, 0, i32::MAX, 3)).unwrap();
    let Err(Refused::Duplicate { base_offset, .. }) =
        store.append(&from_producer(6, 0, i32::MAX, 3))
    else {
        panic!("a batch across the wrap was appended twice");
    };
    assert_eq!(base_offset, Offset(4));
    store.append(&from_producer(6, 0, 2, 1)).unwrap();
}

#[test]
fn a_duplicate_that_was_due_to_roll_rolls_the_next_batch() {
    let mut store = Store::new(LogConfig {
        segment_bytes: from_producer(5, 0, 0, 1).len() as u64,
        ..config()
    });
    let bytes = from_producer(5, 0, 0, 1);
    store.append(&bytes).unwrap();
    assert!(matches!(
        store.append(&bytes),
        Err(Refused::Duplicate { .. })
    ));
    store.log.set_config(config());
    assert!(store.append(&from_producer(5, 0, 1, 1)).unwrap().roll_first);
}

#[test]
fn producers_expire_by_when_they_were_heard_and_not_by_their_timestamps() {
    let mut store = Store::new(config());
    let builder = builder().producer(ProducerId(5), ProducerEpoch(0), 0);
    store.append(&fill(builder, 1, 1, 1000)).unwrap();
    assert_eq!(store.log.expire_producers(NOW), 0);
    let day = config().producer_expiration_ms;
    assert_eq!(store.log.expire_producers(Timestamp(NOW.0 + day - 1)), 0);
    assert_eq!(store.log.expire_producers(Timestamp(NOW.0 + day)), 1);
    assert_eq!(store.log.producers(), 0);
}

#[test]
fn a_slice_ends_at_the_bound_but_holds_one_batch() {
    let mut store = Store::new(config());
    let bytes = batch(2, 100, NOW.0);
    for _ in 0..3 {
        store.append(&bytes).unwrap();
    }
    let size = bytes.len() as u64;
    let small = bytes.len() as u32;
    let slice = |max, whole| {
        let length = store.log.slice(
            Offset(0),
            size,
            small,
            max,
            whole,
            Isolation::ReadUncommitted,
        );
        length.map(|slice| slice.length)
    };
    assert_eq!(slice(1 << 20, true), Some(2 * size));
    assert_eq!(slice(size + 5, true), Some(size + 5));
    assert_eq!(slice(10, true), Some(size));
    assert_eq!(slice(10, false), None);
}

#[test]
fn a_watermark_below_the_end_bounds_readers_but_not_replicas() {
    let mut store = Store::new(config());
    store.log.set_sole_replica(false);
    let bytes = batch(2, 100, NOW.0);
    for _ in 0..3 {
        store.append(&bytes).unwrap();
    }
    let reader = Isolation::ReadUncommitted;
    assert_eq!(store.log.high_watermark(), Offset(0));
    assert_eq!(store.log.locate(Offset(0), reader), Located::End);
    assert_eq!(store.log.set_high_watermark(Offset(4)), Offset(4));
    assert_eq!(store.log.set_high_watermark(Offset(2)), Offset(4));
    assert!(matches!(
        store.log.locate(Offset(3), reader),
        Located::At { .. }
    ));
    assert_eq!(store.log.locate(Offset(4), reader), Located::End);
    assert!(matches!(
        store.log.locate(Offset(4), Isolation::Replica),
        Located::At { .. }
    ));
    let size = bytes.len() as u64;
    let slice = |isolation| {
        let slice = store
            .log
            .slice(Offset(0), 0, size as u32, 1 << 20, true, isolation);
        slice.unwrap().length
    };
    assert_eq!(slice(reader), 2 * size);
    assert_eq!(slice(Isolation::Replica), 3 * size);
    assert_eq!(store.log.set_high_watermark(Offset(99)), Offset(6));
}

#[test]
fn out_of_range_is_below_the_start_and_above_the_end() {
    let mut store = Store::new(config());
    for _ in 0..3 {
        store.append(&batch(2, 10, NOW.0)).unwrap();
    }
    assert_eq!(store.log.advance_log_start(Offset(3)), Ok(true));
    assert_eq!(store.log.advance_log_start(Offset(2)), Ok(false));
    assert_eq!(store.log.advance_log_start(Offset(7)), Err(Offset(6)));
    assert_eq!(store.find(Offset(2)), Err(Located::OutOfRange));
    assert_eq!(store.find(Offset(3)), Ok(Offset(2)));
    assert_eq!(store.find(Offset(6)), Err(Located::End));
    assert_eq!(store.find(Offset(7)), Err(Located::OutOfRange));
    assert_eq!(store.log.epochs().text(), "0\n1\n0 3\n");
}

#[test]
fn the_oldest_segment_can_go_and_the_active_one_cannot() {
    let bytes = batch(2, 10, NOW.0);
    let mut store = Store::new(LogConfig {
        segment_bytes: bytes.len() as u64,
        ..config()
    });
    for _ in 0..3 {
        store.append(&bytes).unwrap();
    }
    assert_eq!(store.log.remove_oldest().unwrap().base, Offset(0));
    assert_eq!(store.log.log_start(), Offset(2));
    assert_eq!(store.find(Offset(1)), Err(Located::OutOfRange));
    assert_eq!(store.find(Offset(2)), Ok(Offset(2)));
    assert_eq!(store.log.remove_oldest().unwrap().base, Offset(2));
    assert_eq!(store.log.remove_oldest(), None);
    assert_eq!(store.log.log_start(), Offset(4));
}

#[test]
fn places_of_large_batches_are_known_without_a_look_at_the_file() {
    let large = batch(3, 2_000, NOW.0);
    let mut store = Store::new(LogConfig {
        segment_bytes: large.len() as u64 * 10,
        ..config()
    });
    for _ in 0..30 {
        store.append(&large).unwrap();
    }
    let known = |store: &mut Store| -> Vec<i64> {
        let is_at = |it: &i64| {
            let located = store.log.locate(Offset(*it), Isolation::Replica);
            matches!(located, Located::At { .. })
        };
        (0..20 * 3).filter(is_at).collect()
    };
    let expected = |is_known: fn(i64) -> bool| -> Vec<i64> {
        (0..20 * 3).filter(|it| is_known(it % 30)).collect()
    };
    // A segment's first batch has no entry, so that it is not known where the second one begins, but by its last
    // offset; and there is none behind the last.
    let appended = expected(|it| (5..27).contains(&it));
    assert_eq!(known(&mut store), appended, "since they were appended");
    for segment in [0, 30] {
        store.log.indexes.remove(Offset(segment));
    }
    assert!(known(&mut store).is_empty());
    for offset in 0..20 * 3 {
        assert_eq!(store.find(Offset(offset)), Ok(Offset(offset / 3 * 3)));
    }
    let read = expected(|it| it < 3 || (5..27).contains(&it));
    assert_eq!(known(&mut store), read, "since they were read");
    for offset in 0..20 * 3 {
        assert_eq!(store.find(Offset(offset)), Ok(Offset(offset / 3 * 3)));
    }
}

#[test]
fn an_index_that_lies_costs_time_and_nothing_else() {
    let bytes = batch(2, 10, NOW.0);
    let segment_bytes = bytes.len() as u64 * 50;
    let mut store = Store::new(LogConfig {
        segment_bytes,
        index_interval_bytes: 200,
        index_cache_bytes: 0,
        ..config()
    });
    for _ in 0..120 {
        store.append(&bytes).unwrap();
    }
    // Out of order; beyond the file; and one that points into the middle of a batch.
    let lies: [&[u8]; 3] = [
        &[0, 0, 0, 9, 0, 0, 1, 0, 0, 0, 0, 8, 0, 0, 2, 0],
        &[0, 0, 0, 1, 0x7f, 0, 0, 0],
        &[0, 0, 0, 1, 0, 0, 0, 100],
    ];
    for lie in lies {
        let index = (Offset(0), FileKind::Index);
        store.disk.files.insert(index, lie.to_vec());
        store.log.indexes.remove(Offset(0));
        for offset in 0..240 {
            assert_eq!(store.find(Offset(offset)), Ok(Offset(offset & !1)));
        }
    }
}

#[test]
fn the_time_of_an_offset_is_that_of_the_record_there() {
    use crate::batch::Codec;
    for codec in [Codec::None, Codec::Zstd] {
        let mut store = Store::new(config());
        for time in [0, 100] {
            let batch = fill(builder().codec(codec), 3, 10, NOW.0 + time);
            store.append(&batch).unwrap();
        }
        let mut file = store.disk.files[&(Offset(0), FileKind::Log)].clone();
        let second = header(&file).size();
        let time = |file: &[u8], position: usize, offset| {
            let found = time_at(&Bytes(file), position as u64, Offset(offset)).unwrap();
            found.map(|time| time.0 - NOW.0)
        };
        for (position, offset, expected) in [
            (0, 0, Some(0)),
            (0, 1, Some(1)),
            (0, 2, Some(2)),
            // The batch ends before: it has no such record.
            (0, 3, None),
            (second, 4, Some(101)),
            // As after what was compacted away.
            (second, 1, Some(100)),
            (file.len(), 6, None),
        ] {
            assert_eq!(
                time(&file, position, offset),
                expected,
                "{codec:?} {offset}"
            );
        }
        // What cannot be decompressed has the time of the batch.
        let last = file.len();
        file[second + 70..last].fill(0xff);
        let found = time(&file, second, 4);
        assert_eq!(found, Some(102), "{codec:?}");
    }
}
