//! Compaction: its rules one by one, and against a naive model on random logs with tombstones, producers
//! and transactions.

use super::*;
use crate::batch::{self, Codec, HEADER_BYTES};
use std::ops::ControlFlow;

const RETENTION_MS: i64 = 1_000;
const RULES: CompactionRules = CompactionRules {
    dirty_ratio_min: 0.5,
    lag_ms_min: 0,
    lag_ms_max: i64::MAX,
    delete_retention_ms: RETENTION_MS,
};

fn compacted() -> LogConfig {
    LogConfig {
        compact: true,
        segment_bytes: 2_000,
        index_interval_bytes: 200,
        ..config()
    }
}

fn later(ms: i64) -> Timestamp {
    Timestamp(NOW.0 + ms)
}

/// A pass over everything that may be compacted, with memory for so many bytes of keys.
fn compact(store: &mut Store, rules: &CompactionRules, now: Timestamp, map_bytes: u64) -> Offset {
    let plan = store.log.plan_compaction(rules, now);
    let mut cleaner = Cleaner::new(&plan, OffsetMap::new(map_bytes, 0.9, u64::MAX, 5));
    let stretch = |at: usize| {
        let source = &plan.sources[at];
        Stretch {
            offsets: source.base..source.next,
            length: source.size,
            position: 0,
            bytes_max: u64::MAX,
            chunk_bytes: 100,
        }
    };
    for at in plan.dirty() {
        let file = &store.disk.files[&(plan.sources[at].base, FileKind::Log)];
        let mut has_room = true;
        let noted = each_batch(&Bytes(file), &stretch(at), &mut |header, batch| {
            has_room = cleaner.note(header, batch)?;
            Ok(match has_room {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        });
        noted.expect("the segment is sound");
        if !has_room {
            break;
        }
        cleaner.noted_up_to(plan.sources[at].next);
    }
    for group in plan.groups(cleaner.end()) {
        let mut into = Rewriting::new(plan.config.clone(), &plan.sources[group.start]);
        let mut bytes = Vec::new();
        for at in group.clone() {
            let file = &store.disk.files[&(plan.sources[at].base, FileKind::Log)];
            let cleaned = each_batch(&Bytes(file), &stretch(at), &mut |header, batch| {
                let (fate, aborted) = cleaner.clean(header, batch)?;
                aborted.into_iter().for_each(|aborted| into.name(aborted));
                let stays = match fate {
                    Fate::Dropped => Vec::new(),
                    Fate::Kept => batch.to_vec(),
                    Fate::Rewritten(batch) => batch,
                };
                if let Some(header) = Header::read(&stays) {
                    assert!(into.add(&header, stays.len()));
                    batch::verify(&stays)?;
                }
                bytes.extend(stays);
                Ok(ControlFlow::Continue(()))
            });
            cleaned.expect("the segment is sound");
        }
        let replacement = into.finish(&plan.sources[group]);
        assert_eq!(replacement.segment.size, bytes.len() as u64);
        store.log.replace(&replacement);
        store.replace(&replacement, bytes);
    }
    store.log.set_cleaned(cleaner.end());
    cleaner.end()
}

impl Store {
    /// Puts the files of a compacted segment in the place of others.
    fn replace(&mut self, replacement: &Replacement, log: Vec<u8>) {
        let base = replacement.segment.base;
        let files = &mut self.disk.files;
        files.retain(|(of, kind), _| {
            !replacement.replaced.contains(of) || (*of, *kind) == (base, FileKind::Snapshot)
        });
        files.insert((base, FileKind::Log), log);
        files.insert((base, FileKind::Index), replacement.index.to_vec());
        files.insert((base, FileKind::TimeIndex), replacement.timeindex.to_vec());
        if let Some(txnindex) = &replacement.txnindex {
            files.insert((base, FileKind::TxnIndex), txnindex.to_vec());
        }
    }

    fn headers(&self) -> Vec<Header> {
        self.batches()
            .into_iter()
            .map(|(header, _)| header)
            .collect()
    }

    /// Every batch, with its records in plain.
    fn batches(&self) -> Vec<(Header, Vec<u8>)> {
        let mut batches = Vec::new();
        let files = self.disk.files.iter();
        for (_, file) in files.filter(|((_, kind), _)| *kind == FileKind::Log) {
            for (position, header) in batch::scan(file) {
                let body = &file[position + HEADER_BYTES..position + header.size()];
                let codec = header.codec().expect("a codec");
                let plain = match header.record_count {
                    0 => Vec::new(),
                    _ => batch::decompress(codec, body, 1 << 20).expect("it inflates"),
                };
                batches.push((header, plain));
            }
        }
        batches
    }

    /// Every record of data by its offset.
    fn records(&self) -> BTreeMap<i64, Written> {
        let mut records = BTreeMap::new();
        for (header, plain) in self.batches() {
            if header.is_control() {
                continue;
            }
            for record in batch::records(&plain) {
                let record = record.expect("sound");
                let written = Written {
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    time: header.time_of(&record),
                };
                let before = records.insert(header.offset_of(&record).0, written);
                assert_eq!(before, None, "an offset has two records");
            }
        }
        records
    }
}

/// A record as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Written {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    time: Timestamp,
}

// -- the rules, one by one

/// The keys and values of a batch.
type Records<'a> = &'a [(&'a str, Option<&'a str>)];

/// A log of these segments of batches, each a list of keys and values; the last is the active one.
fn log_of(segments: &[&[Records<'_>]]) -> Store {
    let mut disk = Disk::default();
    let mut next = 0;
    for batches in segments {
        let base = next;
        let mut file = Vec::new();
        for records in *batches {
            let mut builder = Builder::new(Offset(next), EPOCH);
            for (key, value) in *records {
                let value = value.map(str::as_bytes);
                builder.push(later(next), Some(key.as_bytes()), value, &[]);
                next += 1;
            }
            file.extend(builder.finish());
        }
        disk.files.insert((Offset(base), FileKind::Log), file);
    }
    let loaded = disk.load(compacted(), 0, false);
    disk.open(loaded)
}

fn offsets(store: &Store) -> Vec<i64> {
    store.records().into_keys().collect()
}

#[test]
fn the_newest_record_of_each_key_stays_where_it_was() {
    let mut store = log_of(&[
        &[&[("a", Some("1")), ("b", Some("2"))], &[("a", Some("3"))]],
        &[&[("c", Some("4")), ("a", Some("5")), ("c", Some("6"))]],
        &[&[("b", Some("7")), ("b", Some("8"))]],
    ]);
    assert_eq!(compact(&mut store, &RULES, NOW, 1 << 20), Offset(6));
    // What the active segment has counts for nothing yet.
    assert_eq!(offsets(&store), [1, 4, 5, 6, 7]);
    let bases: Vec<i64> = store.log.segments().map(|it| it.base.0).collect();
    assert_eq!(bases, [0, 6]);
    for (offset, base) in [(0, 0), (1, 0), (2, 3), (3, 3), (5, 3), (6, 6)] {
        assert_eq!(store.find(Offset(offset)), Ok(Offset(base)), "{offset}");
    }
    assert_eq!(store.log.compaction_due(&RULES, NOW), None);
}

#[test]
fn a_tombstone_goes_a_while_after_it_was_met() {
    let mut store = log_of(&[
        &[&[("a", Some("1"))], &[("a", None), ("b", Some("2"))]],
        &[&[("c", Some("3"))]],
    ]);
    compact(&mut store, &RULES, NOW, 1 << 20);
    assert_eq!(offsets(&store), [1, 2, 3]);
    let horizon = Some(later(RETENTION_MS));
    assert_eq!(store.headers()[0].delete_horizon(), horizon);
    // Its time is not touched by that, and the horizon does not move.
    let times: Vec<Timestamp> = store.records().into_values().map(|it| it.time).collect();
    assert_eq!(times, [later(1), later(2), later(3)]);
    store.log.set_cleaned(Offset(0));
    compact(&mut store, &RULES, later(RETENTION_MS - 1), 1 << 20);
    assert_eq!(store.headers()[0].delete_horizon(), horizon);
    assert_eq!(offsets(&store), [1, 2, 3]);
    store.log.set_cleaned(Offset(0));
    compact(&mut store, &RULES, later(RETENTION_MS), 1 << 20);
    assert_eq!(offsets(&store), [2, 3]);
}

#[test]
fn the_last_batch_of_the_compacted_part_stays_without_records() {
    let mut store = log_of(&[
        &[&[("a", Some("1"))], &[("a", None)]],
        &[&[("b", Some("2"))]],
    ]);
    compact(&mut store, &RULES, NOW, 1 << 20);
    store.log.set_cleaned(Offset(0));
    compact(&mut store, &RULES, later(RETENTION_MS), 1 << 20);
    assert_eq!(offsets(&store), [2]);
    let headers = store.headers();
    let kept = (headers[0].base_offset, headers[0].record_count);
    assert_eq!((headers.len(), kept), (2, (Offset(1), 0)));
    assert!(store.log.may_hold_emptied(Offset(0)) && !store.log.may_hold_emptied(Offset(2)));
}

#[test]
fn a_record_without_a_key_goes_and_one_of_an_empty_key_does_not() {
    let mut disk = Disk::default();
    let mut builder = Builder::new(Offset(0), EPOCH);
    builder.push(NOW, None, Some(b"keyless"), &[]);
    builder.push(NOW, Some(b""), Some(b"1"), &[]);
    disk.files
        .insert((Offset(0), FileKind::Log), builder.finish());
    let active = placed(&batch(1, 1, NOW.0), Offset(2), EPOCH);
    disk.files.insert((Offset(2), FileKind::Log), active);
    let loaded = disk.load(compacted(), 0, false);
    let mut store = disk.open(loaded);
    compact(&mut store, &RULES, NOW, 1 << 20);
    assert_eq!(offsets(&store), [1, 2]);
}

#[test]
fn a_log_is_due_by_its_dirty_share_or_by_its_age() {
    let mut store = log_of(&[
        &[&[("a", Some("1"))]],
        &[&[("a", Some("2"))]],
        &[&[("a", Some("3"))]],
        &[&[("a", Some("4"))]],
    ]);
    let due = |store: &Store, rules: &CompactionRules, now| store.log.compaction_due(rules, now);
    assert_eq!(due(&store, &RULES, NOW), Some(1.0));
    store.log.set_cleaned(Offset(2));
    // One of three segments of the same size is dirty.
    let dirtier = |dirty_ratio_min| CompactionRules {
        dirty_ratio_min,
        ..RULES
    };
    assert_eq!(due(&store, &dirtier(0.5), NOW), None);
    assert!(due(&store, &dirtier(0.3), NOW).is_some_and(|ratio| (0.3..0.4).contains(&ratio)));
    // The dirty one was written at 2 ms.
    let overdue = CompactionRules {
        lag_ms_max: 100,
        ..RULES
    };
    assert_eq!(due(&store, &overdue, later(102)), None);
    assert!(due(&store, &overdue, later(103)).is_some());
    let young = CompactionRules {
        lag_ms_min: 100,
        lag_ms_max: 100,
        ..RULES
    };
    assert_eq!(due(&store, &young, later(101)), None);
    store.log.set_cleaned(Offset(0));
    let plan = store.log.plan_compaction(&young, later(101));
    assert_eq!((plan.first_dirty, plan.upper), (Offset(0), Offset(2)));
    // A checkpoint beside the log says nothing.
    store.log.set_cleaned(Offset(99));
    assert_eq!(due(&store, &RULES, NOW), Some(1.0));
}

#[test]
fn segments_become_one_as_long_as_they_fit_and_what_is_not_durable_stays() {
    let one: &[Records<'_>] = &[&[("a", Some("1"))]];
    let mut store = log_of(&[one, one, one, one, one, one]);
    let size = store.log.segments().next().map_or(0, |it| it.size);
    let groups = |store: &mut Store, segment_bytes, index_bytes_max| {
        store.log.set_config(LogConfig {
            segment_bytes,
            index_bytes_max,
            ..compacted()
        });
        let plan = store.log.plan_compaction(&RULES, NOW);
        let groups = plan.groups(plan.upper);
        groups.iter().map(|it| it.len()).collect::<Vec<_>>()
    };
    assert_eq!(groups(&mut store, 1 << 20, 1 << 20), [5]);
    assert_eq!(groups(&mut store, 2 * size, 1 << 20), [2, 2, 1]);
    assert_eq!(groups(&mut store, 1, 1 << 20), [1; 5]);
    // Room for two entries of the time index, one of which is forced at the end.
    assert_eq!(groups(&mut store, 1 << 20, 24), [2, 2, 1]);
    let plan = store.log.plan_compaction(&RULES, NOW);
    assert_eq!(plan.groups(Offset(2)).last().map(|it| it.end), Some(2));
    store.log.set_flushed(Offset(3));
    let plan = store.log.plan_compaction(&RULES, NOW);
    assert_eq!((plan.upper, plan.sources.len()), (Offset(3), 3));
}

#[test]
fn what_is_damaged_is_named_and_left_alone() {
    let store = log_of(&[
        &[&[("a", Some("1"))], &[("a", Some("2"))]],
        &[&[("a", Some("3"))]],
    ]);
    let plan = store.log.plan_compaction(&RULES, NOW);
    let whole = &store.disk.files[&(Offset(0), FileKind::Log)];
    let second = whole.len() as u64 / 2;
    let read = |file: &[u8]| {
        let mut cleaner = Cleaner::new(&plan, OffsetMap::new(1 << 10, 0.9, 10, 1));
        let stretch = Stretch {
            offsets: Offset(0)..Offset(2),
            length: file.len() as u64,
            position: 0,
            bytes_max: u64::MAX,
            chunk_bytes: 100,
        };
        each_batch(&Bytes(file), &stretch, &mut |header, batch| {
            cleaner.note(header, batch)?;
            Ok(ControlFlow::Continue(()))
        })
    };
    assert_eq!(read(whole).expect("it is sound"), whole.len() as u64);
    let at = second as usize;
    let damage = |place: usize, byte: u8| {
        let mut file = whole.clone();
        file[at + place] ^= byte;
        read(&file).expect_err("it is damaged")
    };
    for (place, expected) in [
        (HEADER_BYTES + 3, Fault::Crc),
        (16, Fault::NotWhole),
        (7, Fault::Offsets),
    ] {
        let found = damage(place, 0x80);
        let Unreadable::Batch { position, fault } = found else {
            panic!("{found}")
        };
        assert_eq!((position, fault), (second, expected));
    }
    // Under a good CRC records can be anything.
    let mut builder = Builder::new(Offset(1), EPOCH);
    builder.push(NOW, Some(b"a"), Some(b"2"), &[]);
    let sound = builder.finish();
    let record = batch::Record {
        offset_delta: 5,
        ..first_record(&sound)
    };
    let mut lying = batch::thin(&header(&sound), &[record], None);
    lying.splice(..0, whole[..at].iter().copied());
    let found = read(&lying).expect_err("an offset of another batch");
    assert!(
        matches!(found, Unreadable::Records { position, .. } if position == second),
        "{found}"
    );
}

fn first_record(batch: &[u8]) -> batch::Record<'_> {
    let mut records = batch::records(&batch[HEADER_BYTES..]);
    records.next().expect("a record").expect("sound")
}

// -- against a model

/// What is known of a random log besides its files.
#[derive(Default)]
struct History {
    written: BTreeMap<i64, Written>,
    aborted: std::collections::BTreeSet<i64>,
    batches: Vec<(i64, i64)>,
}

impl History {
    /// What a reader of committed records has in the end, if it reads these: of each key its value.
    fn view(&self, records: &BTreeMap<i64, Written>) -> BTreeMap<Vec<u8>, (i64, Vec<u8>)> {
        let mut view = BTreeMap::new();
        for (offset, record) in records {
            let Some(key) = record
                .key
                .clone()
                .filter(|_| !self.aborted.contains(offset))
            else {
                continue;
            };
            match record.value.clone() {
                Some(value) => view.insert(key, (*offset, value)),
                None => view.remove(&key),
            };
        }
        view
    }
}

struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A log drawn from a seed: plain batches, idempotent producers, transactions that overlap.
fn random_log(seed: u64) -> (Store, History) {
    const CODECS: [Codec; 4] = [Codec::None, Codec::Gzip, Codec::Lz4, Codec::Zstd];
    let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut history = History::default();
    let mut disk = Disk {
        epochs: Some("0\n1\n0 0\n".into()),
        ..Disk::default()
    };
    let mut sequences = [0; 6];
    // The offsets of each open transaction.
    let mut open: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    let mut next = 0;
    let mut base = 0;
    let keys = 1 + draw.below(15);
    let steps = 20 + draw.below(120);
    for step in 0..steps {
        if next > base && draw.below(6) == 0 {
            base = next;
        }
        let file = disk.files.entry((Offset(base), FileKind::Log)).or_default();
        let mut builder = Builder::new(Offset(next), EPOCH);
        let kind = draw.below(10);
        let who = draw.below(3);
        // Mostly everything is decided in the end.
        let ends = kind == 9 || step + 5 >= steps && draw.below(4) > 0;
        let ended = open.keys().next().copied().filter(|_| ends);
        if let Some(who) = ended {
            let offsets = open.remove(&who).expect("just seen");
            let commit = draw.below(2) == 0;
            if !commit {
                history.aborted.extend(offsets);
            }
            builder = builder
                .producer(ProducerId(who as i64), ProducerEpoch(0), -1)
                .transactional()
                .control();
            builder.push_control(later(next), i16::from(commit), &[0; 6]);
            file.extend(builder.finish());
            history.batches.push((next, next));
            next += 1;
            continue;
        }
        builder = builder.codec(CODECS[draw.below(4) as usize]);
        let is_transactional = (7..9).contains(&kind);
        if kind >= 5 {
            let producer = if is_transactional { who } else { 3 + who };
            let count = &mut sequences[producer as usize];
            let id = ProducerId(producer as i64);
            builder = builder.producer(id, ProducerEpoch(0), *count);
        }
        if is_transactional {
            builder = builder.transactional();
        }
        let first = next;
        for _ in 0..1 + draw.below(4) {
            let key = (draw.below(20) > 0).then(|| vec![draw.below(keys) as u8]);
            let value = (draw.below(4) > 0).then(|| next.to_be_bytes().to_vec());
            let time = later(next - draw.below(3) as i64);
            builder.push(time, key.as_deref(), value.as_deref(), &[]);
            history.written.insert(next, Written { key, value, time });
            if is_transactional {
                open.entry(who).or_default().push(next);
            }
            next += 1;
        }
        if kind >= 5 {
            let producer = if is_transactional { who } else { 3 + who };
            sequences[producer as usize] += (next - first) as i32;
        }
        history.batches.push((first, next - 1));
        file.extend(builder.finish());
    }
    let loaded = disk.load(compacted(), 0, false);
    assert_eq!(loaded.found, [], "seed {seed}");
    (disk.open(loaded), history)
}

/// What must hold after any number of passes.
fn check(store: &mut Store, history: &History, at: &str) {
    let records = store.records();
    for (offset, record) in &records {
        assert_eq!(
            Some(record),
            history.written.get(offset),
            "{at}: at {offset}"
        );
    }
    assert_eq!(
        history.view(&records),
        history.view(&history.written),
        "{at}: what a reader has in the end"
    );
    let headers = store.headers();
    let mut end = 0;
    for header in &headers {
        let (first, last) = (header.base_offset.0, header.last_offset().0);
        assert!(first >= end, "{at}: {first} after {end}");
        assert!(
            history.batches.contains(&(first, last)),
            "{at}: {first} to {last}"
        );
        end = last + 1;
    }
    // Wherever a reader looks it gets the next batch that is there.
    for offset in 0..store.log.log_end().0 {
        let next = headers.iter().find(|it| it.last_offset().0 >= offset);
        let next = next.expect("the last batch of a log stays");
        assert_eq!(
            store.find(Offset(offset)),
            Ok(next.base_offset),
            "{at}: {offset}"
        );
    }
    // Who reads committed records is told of every aborted one that is there.
    let stable = records.range(..store.log.last_stable().0);
    for (offset, _) in stable.filter(|it| history.aborted.contains(it.0)) {
        let mut segments = store.log.segments().filter(|it| it.base.0 <= *offset);
        let segment = segments.next_back().expect("a segment").base;
        let told = store.log.aborted_in(Offset(*offset), segment, u64::MAX);
        let is_told = told
            .iter()
            .any(|it| it.first.0 <= *offset && it.marker.0 > *offset);
        assert!(is_told, "{at}: {offset} was aborted");
    }
}

fn producers(log: &Log) -> Vec<(ProducerId, ProducerEpoch, i32)> {
    let states = log.producer_states().into_iter();
    states
        .map(|it| (it.id, it.epoch, it.last_sequence))
        .collect()
}

#[test]
fn readers_of_random_logs_have_in_the_end_what_they_had_without_compaction() {
    for seed in 0..400 {
        let (mut store, history) = random_log(seed);
        let at = |what: &str| format!("seed {seed}, {what}");
        check(&mut store, &history, &at("before"));
        let known = producers(&store.log);
        // With little memory it takes several passes.
        let map_bytes = [1 << 20, 72, 120, 240][seed as usize % 4];
        let end = store.log.plan_compaction(&RULES, NOW).upper;
        let mut passes = 0;
        while store.log.cleaned() < end {
            let before = store.log.cleaned();
            let after = compact(&mut store, &RULES, NOW, map_bytes);
            assert!(after > before, "{}: {before}", at("no progress"));
            check(&mut store, &history, &at("a pass"));
            passes += 1;
        }
        assert!(passes < 200, "{}", at("passes"));
        // Of each key one record, of an aborted transaction none.
        let records = store.records();
        let clean = || records.range(..end.0);
        let mut keys: Vec<_> = clean().map(|(_, record)| record.key.clone()).collect();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "{}", at("keys are there twice"));
        assert!(
            clean().all(|(offset, _)| !history.aborted.contains(offset)),
            "{}",
            at("aborted")
        );
        // Once markers have their horizons another pass changes nothing.
        let again = |store: &mut Store, now| {
            store.log.set_cleaned(Offset(0));
            compact(store, &RULES, now, 1 << 20);
        };
        again(&mut store, NOW);
        check(&mut store, &history, &at("again"));
        let settled = store.batches();
        again(&mut store, NOW);
        assert!(store.batches() == settled, "{}", at("not idempotent"));
        // A while later tombstones go, and markers behind which nothing stands.
        again(&mut store, later(RETENTION_MS));
        check(&mut store, &history, &at("later"));
        let records = store.records();
        let mut clean = records.range(..end.0);
        assert!(
            clean.all(|(_, record)| record.value.is_some()),
            "{}",
            at("tombstones")
        );
        // A start reads the same, and still knows where every producer stands.
        let end = store.log.log_end();
        let mut disk = store.disk;
        disk.files
            .retain(|(_, kind), _| *kind != FileKind::Snapshot);
        let loaded = disk.load(compacted(), 0, false);
        assert_eq!(loaded.found, [], "{}", at("a start"));
        assert_eq!(loaded.log.log_end(), end, "{}", at("a start"));
        assert_eq!(producers(&loaded.log), known, "{}", at("producers"));
        let mut store = disk.open(loaded);
        check(&mut store, &history, &at("after a start"));
    }
}
