//! The log against a naive model: a list of batches. Random appends of known and unknown producers,
//! retries, failures, rolls, deletions, clean stops, and crashes that tear the files; after each
//! stretch every offset is looked up, and every producer retries.

use super::*;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// What should be in the log.
#[derive(Clone)]
struct Entry {
    base: i64,
    records: i64,
    producer: Option<(i64, i32)>,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    start: i64,
    end: i64,
    /// Of each producer the entries that a retry must recognise, oldest first.
    window: BTreeMap<i64, Vec<Entry>>,
    next_sequence: BTreeMap<i64, i32>,
}

impl Model {
    fn push(&mut self, entry: Entry) {
        self.end = entry.base + entry.records;
        if let Some((id, sequence)) = entry.producer {
            let window = self.window.entry(id).or_default();
            window.push(entry.clone());
            if window.len() > 5 {
                window.remove(0);
            }
            self.next_sequence
                .insert(id, sequence + entry.records as i32);
        }
        self.entries.push(entry);
    }

    /// The log ends at `end` and was opened anew from a snapshot at `snapshot`: of each producer one
    /// batch from before is known, and those behind. There is no snapshot at the log's start.
    fn reopen(&mut self, end: i64, snapshot: i64) {
        let entries = std::mem::take(&mut self.entries);
        let start = self.start;
        *self = Model {
            start,
            end: start,
            ..Model::default()
        };
        let known_from = if snapshot > start { 0 } else { start };
        let left = |entry: &Entry| entry.base < end && entry.base >= known_from;
        for entry in entries.into_iter().filter(left) {
            if let Some((id, _)) = entry.producer.filter(|_| entry.base < snapshot) {
                self.window.remove(&id);
            }
            self.push(entry);
        }
    }
}

fn check(store: &mut Store, model: &Model) {
    assert_eq!(store.log.log_end().0, model.end);
    assert_eq!(store.log.log_start().0, model.start);
    let entries = model.entries.iter();
    for entry in entries.filter(|entry| entry.base >= model.start) {
        for offset in entry.base..entry.base + entry.records {
            assert_eq!(store.find(Offset(offset)), Ok(Offset(entry.base)));
        }
    }
    assert_eq!(store.find(Offset(model.end)), Err(Located::End));
    assert_eq!(store.find(Offset(model.end + 1)), Err(Located::OutOfRange));
    for window in model.window.values() {
        for entry in window {
            let Err(Refused::Duplicate { base_offset, .. }) = store.stage(&entry.bytes, EPOCH)
            else {
                panic!("the batch at {} was taken again", entry.base);
            };
            assert_eq!(base_offset.0, entry.base);
        }
    }
    // A refused retry may have made a roll due; nothing else.
    assert_eq!(store.log.staged(), 0);
}

fn random_entry(random: &mut Random, model: &Model) -> Entry {
    let records = 1 + random.below(4) as i64;
    let value = random.below(120) as usize;
    let id = random.below(4) as i64;
    let time = NOW.0 + random.below(1000) as i64;
    let (producer, bytes) = match id {
        0 => (None, batch(records as usize, value, time)),
        _ => {
            let first = random.below(100) as i32;
            let sequence = model.next_sequence.get(&id).copied().unwrap_or(first);
            let builder = builder().producer(ProducerId(id), ProducerEpoch(0), sequence);
            let bytes = fill(builder, records as usize, value, time);
            (Some((id, sequence)), bytes)
        }
    };
    Entry {
        base: model.end,
        records,
        producer,
        bytes,
    }
}

fn run(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    let config = LogConfig {
        segment_bytes: 700 + random.below(3000),
        index_interval_bytes: random.below(500),
        recent_batches: random.below(6) as usize,
        index_cache_bytes: random.below(100) as usize,
        ..config()
    };
    let mut store = Store::new(config.clone());
    let mut model = Model::default();
    for _ in 0..40 {
        match random.below(10) {
            // Appends, one by one.
            0..=4 => {
                for _ in 0..random.below(12) {
                    let entry = random_entry(&mut random, &model);
                    let staged = store.append(&entry.bytes).unwrap();
                    assert_eq!(staged.base_offset.0, entry.base);
                    model.push(entry);
                }
            }
            // Several staged; some complete, the rest fail.
            5 => {
                let mut batches = Vec::new();
                for _ in 0..random.below(8) {
                    let builder = builder().producer(
                        ProducerId(9),
                        ProducerEpoch(0),
                        model.next_sequence.get(&9).copied().unwrap_or(0) + batches.len() as i32,
                    );
                    let bytes = fill(builder, 1, random.below(90) as usize, NOW.0);
                    batches.push((store.stage(&bytes, EPOCH).unwrap(), bytes));
                }
                let complete = random.below(batches.len() as u64 + 1) as usize;
                for (staged, bytes) in batches.into_iter().take(complete) {
                    store.finish(&staged, &bytes, EPOCH);
                    let sequence = header(&bytes).base_sequence;
                    model.push(Entry {
                        base: staged.base_offset.0,
                        records: 1,
                        producer: Some((9, sequence)),
                        bytes,
                    });
                }
                store.log.abandon();
            }
            6 => {
                if let Some(removed) = store.log.remove_oldest() {
                    let files = &mut store.disk.files;
                    files.retain(|(base, _), _| *base != removed.base);
                    model.start = store.log.log_start().0;
                }
            }
            // A clean stop and start.
            7 => {
                let disk = store.close();
                let start = model.start;
                let loaded = disk
                    .try_load(config.clone(), model.end, start, true)
                    .unwrap();
                assert_eq!(loaded.found, []);
                // The snapshot at the end has one batch of each.
                model.reopen(model.end, model.end);
                store = disk.open(loaded);
            }
            _ => store = crash(store, &mut model, &config, &mut random),
        }
        check(&mut store, &model);
    }
}

/// kill -9 and a torn disk: what lies behind the recovery point may be cut or damaged anywhere, and
/// indexes may be missing or wrong.
fn crash(store: Store, model: &mut Model, config: &LogConfig, random: &mut Random) -> Store {
    let bases: Vec<Offset> = store.log.segments().map(|segment| segment.base).collect();
    let mut disk = store.disk;
    let point = random.below(bases.len() as u64) as usize;
    let torn = point + random.below((bases.len() - point) as u64) as usize;
    let base = bases[torn].0;
    let next = bases.get(torn + 1).map_or(model.end, |next| next.0);
    // Where the batches of the torn segment start and end.
    let mut places = Vec::new();
    let mut size = 0;
    for entry in &model.entries {
        if entry.base >= base && entry.base < next {
            places.push((entry.base, size, size + entry.bytes.len()));
            size += entry.bytes.len();
        }
    }
    let log = disk.log(base);
    assert_eq!(log.len(), size);
    let mut end = model.end;
    match random.below(4) {
        // Cut short; at the end of a batch only where nothing follows, else it would be a hole that
        // nobody can tell from one that compaction made.
        0 if size > 0 => {
            let mut keep = random.below(size as u64) as usize;
            let boundary = places.iter().any(|(_, from, _)| *from == keep);
            if boundary && torn + 1 < bases.len() {
                keep += 1;
            }
            log.truncate(keep);
            end = places.iter().find(|(_, _, to)| *to > keep).expect("cut").0;
        }
        // A bit flipped in what the CRC covers, or in the CRC.
        1 if size > 0 => {
            let (first, from, to) = places[random.below(places.len() as u64) as usize];
            let at = from + 16 + random.below((to - from - 16) as u64) as usize;
            log[at] ^= 1 << random.below(8);
            end = first;
        }
        // Zeros behind.
        2 => {
            log.resize(size + 1 + random.below(200) as usize, 0);
            end = next;
        }
        _ => {}
    }
    for base in &bases[point..] {
        let kind = [FileKind::Index, FileKind::TimeIndex][random.below(2) as usize];
        match random.below(3) {
            0 => drop(disk.files.remove(&(*base, kind))),
            1 => drop(disk.files.insert((*base, kind), vec![0xff; 48])),
            _ => {}
        }
    }
    let start = model.start;
    let loaded = disk
        .try_load(config.clone(), bases[point].0, start, false)
        .unwrap();
    assert_eq!(loaded.log.log_end().0, end);
    model.reopen(end, bases[point].0);
    disk.open(loaded)
}

#[test]
fn the_log_agrees_with_the_model() {
    let failed: Vec<u64> = (0..300)
        .filter(|seed| std::panic::catch_unwind(|| run(*seed)).is_err())
        .take(5)
        .collect();
    assert!(failed.is_empty(), "seeds {failed:?}");
}
