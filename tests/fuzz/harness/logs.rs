//! A partition's directory, damaged: it opens, whatever is in its files. What was opened serves
//! look-ups, takes batches, rolls and is compacted; and opened again, after a stop or a kill, it is the same log.

use super::allocation::within;
use super::disk::{Files, MemoryDisk};
use super::input::Input;
use super::make::{self, NOW_MS};
use bytes::Bytes;
use millstream::batch::{Builder, CRC_START, HEADER_BYTES, Header, crc32c};
use millstream::io::{Disk, OpenMode};
use millstream::log::{
    CompactionRules, FileKind, Isolation, Located, Log, LogConfig, ScanStep, Source, TimeTarget,
    file_name,
};
use millstream::store::{
    Compaction, CompactionMeans, SegmentSwap, Stepped, files, open_partition, swap_segments,
};
use millstream::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use std::path::{Path, PathBuf};

const DIRECTORY: &str = "/data/t-0";
const NOW: Timestamp = Timestamp(NOW_MS);
/// What opening takes beside what lies in the files: the windows that move over them.
const OPEN_BYTES: usize = 8 * 1024 * 1024;
/// The highest offset that a log begins at here: beyond `Offset::MAX`, which no file says, a log that
/// has grown could not be found again.
const FAR: i64 = 1 << 61;
const DAMAGES_MAX: usize = 8;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let config = config(&mut input);
    let (damage, log) = made(&mut input, &config);
    let point = Point {
        clean: input.byte() & 1 == 1,
        recovery: position(&mut input, &log),
        start: position(&mut input, &log),
    };
    drop(log);
    let disk = MemoryDisk::with(&damage);
    // Nothing may be left of it.
    let _ = disk.create_directory(Path::new(DIRECTORY));
    let size: usize = damage.values().map(Vec::len).sum();
    let (mut log, recovered) = within(6 * size + OPEN_BYTES, || open(&disk, &config, point));
    // Damage that a clean stop has vouched for is not looked for; a recovery leaves none.
    let killed = |log: &Log| Point {
        clean: false,
        recovery: recovered,
        start: log.log_start(),
    };
    if !point.clean {
        same(&log, &open(&disk, &config, killed(&log)).0);
    }
    look_around(&mut log, &disk, &mut input);
    append(&mut log, &disk, &mut input);
    if !point.clean {
        let left = MemoryDisk::with(&disk.files());
        same(&log, &open(&left, &config, killed(&log)).0);
    }
    compact(&mut log, &disk, &mut input);
    if !point.clean {
        let left = MemoryDisk::with(&disk.files());
        same(&log, &open(&left, &config, killed(&log)).0);
    }
    let file = active(&disk, &log);
    let sealed = log.close_files();
    files::seal(&disk, Path::new(DIRECTORY), &sealed, &file, 0..0).expect("memory takes it");
    let stopped = Point {
        clean: true,
        recovery: log.log_end(),
        start: log.log_start(),
    };
    let (found, _) = open(&disk, &config, stopped);
    same(&log, &found);
    assert_eq!(log.epochs().entries(), found.epochs().entries());
    assert_eq!(log.producer_states(), found.producer_states());
}

/// A damaged partition.
pub fn damaged(input: &mut Input<'_>) -> Files {
    let config = config(input);
    made(input, &config).0
}

/// A damaged partition, and the log that it was before.
fn made(input: &mut Input<'_>, config: &LogConfig) -> (Files, Log) {
    let base = match input.byte() {
        0..=191 => 0,
        192..=223 => 1000,
        _ => FAR - i64::from(input.short()),
    };
    let disk = MemoryDisk::with(&whole(input, Offset(base)));
    // Opened once, it has its indexes and snapshots.
    let (log, _) = open(&disk, config, Point::START);
    let mut damage = disk.files();
    for _ in 0..input.below(DAMAGES_MAX) {
        hurt(&mut damage, input);
    }
    (damage, log)
}

fn config(input: &mut Input<'_>) -> LogConfig {
    LogConfig {
        flush_messages: i64::MAX,
        segment_bytes: *input.pick(&[1 << 20, 300, 1 << 31]),
        segment_ms: *input.pick(&[604_800_000, 1, i64::MAX]),
        segment_jitter_ms: *input.pick(&[0, 1000]),
        jitter_seed: 7,
        index_interval_bytes: *input.pick(&[4096, 0, 100]),
        index_bytes_max: *input.pick(&[10 << 20, 24]),
        compact: false,
        producer_expiration_ms: 86_400_000,
        recent_batches: *input.pick(&[512, 0, 2]),
        index_cache_bytes: 1 << 20,
    }
}

/// What is known of a log beside its files.
#[derive(Clone, Copy)]
struct Point {
    clean: bool,
    recovery: Offset,
    start: Offset,
}

impl Point {
    const START: Point = Point {
        clean: false,
        recovery: Offset(0),
        start: Offset(0),
    };
}

/// Opens the log; returns it and its recovery point.
fn open(disk: &MemoryDisk, config: &LogConfig, point: Point) -> (Log, Offset) {
    let Point {
        clean,
        recovery,
        start,
    } = point;
    let directory = Path::new(DIRECTORY);
    let opened = open_partition(disk, directory, config.clone(), recovery, start, clean, NOW);
    let opened = opened.unwrap_or_else(|fault| panic!("{fault}"));
    assert!(opened.recovery_point <= opened.log.log_end());
    let log = opened.log;
    let segments: Vec<_> = log.segments().collect();
    assert!(segments.is_sorted_by(|one, next| one.base < next.base));
    for segment in segments {
        let path = path(segment.base, FileKind::Log);
        let length = disk.length(&path);
        assert_eq!(length, Some(segment.size as usize), "{}", path.display());
    }
    (log, opened.recovery_point)
}

fn same(one: &Log, other: &Log) {
    let places =
        |log: &Log| -> Vec<(Offset, u64)> { log.segments().map(|it| (it.base, it.size)).collect() };
    assert_eq!(places(one), places(other));
    let marks = |log: &Log| (log.log_start(), log.high_watermark(), log.log_end());
    assert_eq!(marks(one), marks(other));
}

fn path(base: Offset, kind: FileKind) -> PathBuf {
    Path::new(DIRECTORY).join(file_name(base, kind))
}

fn far(input: &mut Input<'_>) -> Offset {
    Offset(input.number().clamp(0, FAR))
}

fn position(input: &mut Input<'_>, log: &Log) -> Offset {
    match input.byte() {
        0..=127 => log.log_start(),
        128..=191 => log.log_end(),
        192..=223 => Offset(log.log_start().0 + i64::from(input.byte())),
        _ => far(input),
    }
}

/// Segments of batches as they should be.
fn whole(input: &mut Input<'_>, base: Offset) -> Files {
    let mut files = Files::new();
    let mut next = base;
    let mut epoch = 0;
    for _ in 0..=input.below(4) {
        let mut log = Vec::new();
        let segment = next;
        for _ in 0..input.below(6) {
            epoch += i32::from(input.seldom());
            let batch = batch(input, next, epoch);
            next = Header::read(&batch).expect("a header").next_offset();
            if input.seldom() {
                // Compaction leaves gaps.
                next = next.plus(i64::from(input.byte()));
            }
            log.extend(batch);
        }
        files.insert(path(segment, FileKind::Log), log);
    }
    files
}

fn batch(input: &mut Input<'_>, base: Offset, epoch: i32) -> Vec<u8> {
    let mut builder = Builder::new(base, LeaderEpoch(epoch));
    let kind = input.byte();
    if kind & 3 != 0 {
        let id = ProducerId(i64::from(kind & 3));
        let epoch = ProducerEpoch(i16::from(kind >> 6));
        builder = builder.producer(id, epoch, i32::from(input.byte()) - 1);
    }
    if kind & 4 != 0 {
        builder = builder.transactional();
    }
    if kind & 24 == 24 {
        builder = builder.control();
        let value = [0, 0, 0, 0, 0, input.byte()];
        builder.push_control(NOW, i16::from(input.byte() % 3), &value);
    } else {
        make::fill(&mut builder, input);
    }
    builder.finish()
}

/// Damages one file, or makes or takes one.
pub fn hurt(files: &mut Files, input: &mut Input<'_>) {
    let Some(path) = files.keys().nth(input.below(files.len().max(1))).cloned() else {
        return;
    };
    let content = files.get_mut(&path).expect("just seen");
    match input.byte() {
        0..=119 if !content.is_empty() => {
            let at = input.below(content.len());
            let count = input.below(9);
            let bytes = input.take(count);
            let end = content.len().min(at + bytes.len());
            content[at..end].copy_from_slice(&bytes[..end - at]);
        }
        120..=149 => content.truncate(input.below(content.len() + 1)),
        150..=169 => {
            let count = usize::from(input.byte());
            content.extend(input.take(count));
        }
        170..=184 => {
            // A header's field of some batch, which may be one that the CRC does not cover.
            let at = input.below(content.len().max(1)) / HEADER_BYTES * HEADER_BYTES;
            let field = input.below(HEADER_BYTES);
            for (to, byte) in content
                .iter_mut()
                .skip(at + field)
                .zip(input.number().to_be_bytes())
            {
                *to = byte;
            }
        }
        185..=204 => {
            let count = usize::from(input.short());
            *content = input.take(count).to_vec();
        }
        205..=219 => {
            files.remove(&path);
            return;
        }
        _ => {
            let content = content.clone();
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.expect("our own names");
            let made = match input.below(10) {
                0 => format!("{name}.swap"),
                1 => format!("{name}.cleaned"),
                2 => format!("{name}.deleted"),
                3 => "leader-epoch-checkpoint".to_owned(),
                8 => format!("{:020}-{:010}.checkpoint", far(input), input.short()),
                9 => format!(
                    "{:020}-{:010}.checkpoint",
                    input.number().max(0),
                    input.byte()
                ),
                4 => file_name(far(input), FileKind::Snapshot),
                5 => file_name(far(input), FileKind::Log),
                6 => file_name(far(input), FileKind::TxnIndex),
                _ => file_name(Offset(i64::from(input.byte())), FileKind::Index),
            };
            files.insert(path.with_file_name(made), content);
            return;
        }
    }
    if input.byte() & 1 == 1 {
        match path.extension().and_then(|it| it.to_str()) {
            Some("log" | "checkpoint") => make::mend_all(content),
            Some("snapshot") if content.len() > 6 => {
                let crc = crc32c(&content[6..]);
                content[2..6].copy_from_slice(&crc.to_be_bytes());
            }
            _ => {}
        }
    }
}

/// A file as a look-up in a task sees it.
struct Content<'a>(&'a [u8]);

impl Source for Content<'_> {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, position: u64, into: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.0.get(position as usize..).unwrap_or(&[]);
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// Looks up offsets and times.
fn look_around(log: &mut Log, disk: &MemoryDisk, input: &mut Input<'_>) {
    let files = disk.files();
    let content = |base, kind| files.get(&path(base, kind)).map(Vec::as_slice);
    let isolations = [
        Isolation::ReadUncommitted,
        Isolation::ReadCommitted,
        Isolation::Replica,
    ];
    for at in 0..12 {
        let span = log.log_end().0 - log.log_start().0;
        let offset = match at {
            0 => log.log_start(),
            1 => log.log_end(),
            2 => Offset(log.log_end().0 - 1),
            _ => log
                .log_start()
                .plus(i64::from(input.byte()).min(span.max(0))),
        };
        let isolation = isolations[at % 3];
        for _ in 0..3 {
            match log.locate(offset, isolation) {
                Located::LoadIndex { segment } => {
                    let index = content(segment, FileKind::Index).unwrap_or_default();
                    log.index_loaded(segment, Bytes::copy_from_slice(index));
                }
                Located::Scan { segment, from, to } => {
                    let bytes = content(segment, FileKind::Log).expect("it is there");
                    let bytes = bytes.get(from as usize..).unwrap_or(&[]);
                    match log.scan_headers(segment, bytes, from, to, offset) {
                        ScanStep::Found { position, size, .. } => {
                            let _ = log.slice(segment, position, size, 100, true, isolation);
                            break;
                        }
                        ScanStep::Corrupt { .. } => {
                            if !log.index_lies(segment) {
                                break;
                            }
                        }
                        ScanStep::End => {
                            let _ = log.first_of_next(segment);
                            break;
                        }
                        ScanStep::ReadOn { position } => assert!(position >= from),
                    }
                }
                Located::At {
                    segment,
                    position,
                    batch_size,
                } => {
                    let _ = log.slice(segment, position, batch_size, 1 << 20, false, isolation);
                    break;
                }
                Located::End | Located::OutOfRange => break,
            }
        }
        let time = Timestamp(input.number());
        for target in [TimeTarget::AtOrAfter(time), TimeTarget::Largest] {
            let Some(lookup) = log.time_lookup(target, isolation) else {
                continue;
            };
            let bytes = content(lookup.segment, FileKind::Log).expect("it is there");
            let found = lookup.run(
                &Content(bytes),
                content(lookup.segment, FileKind::Index),
                content(lookup.segment, FileKind::TimeIndex),
            );
            let found = found.expect("memory gives it");
            assert!(found.is_none_or(|found| found.offset >= log.log_start()));
        }
        let epoch = LeaderEpoch(input.number() as i32);
        let (_, end) = log.epochs().end_offset_for(epoch, log.log_end());
        assert!(end <= log.log_end());
    }
    let _ = (log.last_stable(), log.producer_states(), log.size());
}

fn active(disk: &MemoryDisk, log: &Log) -> millstream::io::File {
    let path = path(log.active_segment().base, FileKind::Log);
    disk.open(&path, OpenMode::Create).expect("memory has it")
}

/// What a store does with the batches of producers.
fn append(log: &mut Log, disk: &MemoryDisk, input: &mut Input<'_>) {
    let epoch = log.epochs().latest().map_or(0, |latest| latest.0);
    if log.lead(LeaderEpoch(epoch)) {
        note_epochs(log, disk);
    }
    for _ in 0..input.below(5) {
        let mut bytes = batch(input, Offset(0), -1);
        let header = Header::read(&bytes).expect("a header");
        if header.is_control() {
            continue;
        }
        let size = bytes.len() as u32;
        let staged = log.stage(&header, size, header.max_timestamp, LeaderEpoch(epoch), NOW);
        let Ok(staged) = staged else {
            continue;
        };
        if staged.roll_first {
            let file = active(disk, log);
            let sealed = log.roll(staged.segment, NOW);
            files::seal(disk, Path::new(DIRECTORY), &sealed, &file, 0..0).expect("memory takes it");
            files::open_next(disk, Path::new(DIRECTORY), staged.segment).expect("memory");
        }
        let stored = Header {
            base_offset: staged.base_offset,
            leader_epoch: LeaderEpoch(epoch),
            ..header
        };
        bytes[..CRC_START].copy_from_slice(&stored.encode()[..CRC_START]);
        disk.write_at(&active(disk, log), staged.position, &bytes)
            .expect("memory takes it");
        let completed = log.complete(1);
        assert_eq!(completed.log_end, staged.last_offset.plus(1));
        if completed.epochs_changed {
            note_epochs(log, disk);
        }
    }
}

/// A pass of compaction, which ends early where there is damage. Nothing of the log goes but records.
fn compact(log: &mut Log, disk: &MemoryDisk, input: &mut Input<'_>) {
    let rules = CompactionRules {
        dirty_ratio_min: 0.0,
        lag_ms_min: 0,
        lag_ms_max: i64::MAX,
        delete_retention_ms: *input.pick(&[0, 86_400_000, i64::MAX]),
    };
    let means = CompactionMeans {
        map_bytes_max: *input.pick(&[1 << 16, 50]),
        map_load: 0.9,
        buffer_bytes: *input.pick(&[1 << 16, 100]),
        step_bytes: *input.pick(&[1 << 20, 300]),
        seed: 5,
    };
    log.set_flushed(log.log_end());
    let ends = |log: &Log| (log.log_start(), log.last_stable(), log.log_end());
    let before = ends(log);
    let directory = Path::new(DIRECTORY);
    for _ in 0..2 {
        let plan = log.plan_compaction(&rules, NOW);
        let mut pass = Compaction::new(directory.to_owned(), plan, &means);
        loop {
            match pass.step(disk).1 {
                Ok(Stepped::More) => {}
                Ok(Stepped::Swap(replacement, _)) => {
                    log.replace(&replacement);
                    let swap = SegmentSwap::of(&replacement);
                    swap_segments(disk, directory, &swap).expect("memory takes it");
                    assert_eq!(ends(log), before);
                }
                Ok(Stepped::Done(cleaned)) => {
                    log.set_cleaned(cleaned);
                    break;
                }
                Err(_) => return,
            }
        }
    }
}

fn note_epochs(log: &Log, disk: &MemoryDisk) {
    let path = Path::new(DIRECTORY).join(files::LEADER_EPOCHS);
    files::note(disk, &path, log.epochs().text().as_bytes()).expect("memory takes it");
}

/// Logs of several segments, with damage and without.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut random = super::generate::Random::new(11);
    (0..80)
        .map(|_| (0..400).map(|_| random.next() as u8).collect())
        .collect()
}
