//! The metadata log and its snapshots: bytes that are noise and records that mean something, in any
//! order. A log gives a state or says what is wrong with it; a state's snapshot is read back as that
//! state.

use super::input::Input;
use super::make::{self, NOW_MS};
use super::subjects::{SUBJECTS, Subject};
use millstream::batch::Builder;
use millstream::metadata::{
    LogPosition, State, bootstrap, bootstrap_features, check_state, encode_batch, read_bootstrap,
    versions, write_bootstrap,
};
use millstream::types::{LeaderEpoch, NodeId, Offset, Timestamp, Uuid};
use millstream::wire::{ControlRecord, MetadataRecord, Reader, Writer};
use std::sync::LazyLock;

/// Topics of records that mean something.
const IDS: [Uuid; 3] = [Uuid([1; 16]), Uuid([2; 16]), Uuid([3; 16])];
/// Every type of metadata record, with its table.
static RECORDS: LazyLock<Vec<(u32, &Subject)>> = LazyLock::new(records);

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() {
        0..=99 => records_one_by_one(&mut input),
        100..=159 => log(&made(&mut input)),
        160..=191 => {
            let mut bytes = made(&mut input);
            let at = input.below(bytes.len().max(1));
            bytes.truncate(at + 1);
            log(&bytes);
        }
        192..=223 => {
            let mut bytes = input.rest().to_vec();
            make::mend_all(&mut bytes);
            snapshot(&bytes);
            log(&bytes);
        }
        _ => {
            let bytes = input.rest();
            if let Ok((record, version)) = MetadataRecord::decode(&mut Reader::new([bytes])) {
                let mut writer = Writer::new();
                record.encode(&mut writer, version).expect("it was read");
                let again = writer.finish().0;
                let read = MetadataRecord::decode(&mut Reader::new([&again[..]]));
                let (read, _) = read.expect("our own bytes");
                assert_eq!(read.record_type(), record.record_type());
            }
            snapshot(bytes);
        }
    }
}

/// Batches of records, one after the other; the first is that of a new cluster, as a rule.
fn made(input: &mut Input<'_>) -> Vec<u8> {
    let mut log = Vec::new();
    let mut next = Offset(0);
    if !input.seldom() {
        let first = bootstrap(&[]);
        let (epoch, time) = (LeaderEpoch(1), Timestamp(NOW_MS));
        log = encode_batch(&first, next, epoch, time, versions::LATEST);
        next = next.plus(first.len() as i64);
    }
    while !input.is_empty() && next.0 < 200 {
        let epoch = LeaderEpoch(input.number() as i32);
        let base = match input.byte() {
            255 => Offset(input.number()),
            _ => next,
        };
        let mut builder = Builder::new(base, epoch);
        let control = input.byte() > 239;
        if control {
            builder = builder.control();
        }
        for _ in 0..=input.below(12) {
            match control {
                true => control_record(&mut builder, input),
                false => record(&mut builder, input),
            }
        }
        next = next.plus(builder.len() as i64);
        log.extend(builder.finish());
    }
    log
}

/// Replays records, passing over those that do not fit what came before: these change nothing.
fn records_one_by_one(input: &mut Input<'_>) {
    let mut state = State::new();
    let first = bootstrap(&[]);
    let (epoch, time) = (LeaderEpoch(1), Timestamp(NOW_MS));
    let first = encode_batch(&first, Offset(0), epoch, time, versions::LATEST);
    state.replay_log(&first).expect("our own batch");
    while !input.is_empty() {
        let bytes = record_bytes(input);
        let Ok((record, _)) = MetadataRecord::decode(&mut Reader::new([&bytes[..]])) else {
            continue;
        };
        let before = state.image.clone();
        if let Err(why) = state.image.replay(&record) {
            assert!(!why.to_string().is_empty());
            // A quota that is not a number is not even equal to itself.
            assert!(state.image == before || before != before.clone(), "{why}");
        }
    }
    comes_back(&state);
}

/// A metadata record from its table.
fn record(builder: &mut Builder, input: &mut Input<'_>) {
    let value = record_bytes(input);
    builder.push(Timestamp(NOW_MS), None, Some(&value), &[]);
}

fn record_bytes(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, subject) = *input.pick(&RECORDS);
    let versions = usize::from(subject.versions.last.unsigned_abs()) + 1;
    let version = input.below(versions) as i16;
    let body = make::message(subject.kind, subject.form(version), &IDS, input);
    let mut writer = Writer::new();
    writer.uvarint(1);
    writer.uvarint(kind);
    writer.uvarint(version as u32);
    writer.octets(&body);
    writer.finish().0.to_vec()
}

fn control_record(builder: &mut Builder, input: &mut Input<'_>) {
    const NAMES: [&str; 5] = [
        "LeaderChangeMessage",
        "SnapshotHeaderRecord",
        "SnapshotFooterRecord",
        "KRaftVersionRecord",
        "VotersRecord",
    ];
    let at = input.below(NAMES.len());
    let subject = SUBJECTS.iter().find(|it| it.name == NAMES[at]);
    let subject = subject.expect("it is listed");
    let mut body = make::message(subject.kind, subject.form(0), &IDS, input);
    if !input.seldom() {
        body[..2].copy_from_slice(&[0, 0]);
    }
    builder.push_control(Timestamp(NOW_MS), at as i16 + 2, &body);
}

/// Finds the types by decoding: a body of enough zeros is a record of each.
fn records() -> Vec<(u32, &'static Subject)> {
    let mut found = Vec::new();
    for kind in 0..64 {
        for zeros in 0..96 {
            let mut bytes = vec![1, kind as u8, 0];
            bytes.resize(3 + zeros, 0);
            if let Ok((record, _)) = MetadataRecord::decode(&mut Reader::new([&bytes[..]])) {
                let name = format!("{record:?}");
                let name = name.split('(').next().unwrap_or_default().to_owned();
                let name = name + "Record";
                let subject = SUBJECTS.iter().find(|subject| subject.name == name);
                found.push((kind, subject.expect("it is listed")));
                break;
            }
        }
    }
    found
}

fn log(bytes: &[u8]) {
    let mut state = State::new();
    let sound = match state.replay_log(bytes) {
        Ok(sound) => sound,
        Err(fault) => {
            assert!(!fault.to_string().is_empty());
            return;
        }
    };
    assert!(sound <= bytes.len());
    if let Err(refused) = check_state(&state, NodeId(1), Some(IDS[0]), None) {
        assert!(!refused.to_string().is_empty());
    }
    let _ = state.next_epoch(None);
    for topic in state.image.topics() {
        assert_eq!(
            state.image.topic_by_id(topic.id).map(|it| &it.name),
            Some(&topic.name)
        );
    }
    comes_back(&state);
    // What is replayed twice is passed over the second time.
    let end = state.position.end;
    if state.replay_log(&bytes[..sound]).is_ok() {
        assert_eq!(state.position.end, end);
    }
}

/// A state in its snapshot, if it is one that we serve.
fn comes_back(state: &State) {
    let served = versions::CONTROLLED_SHUTDOWN..=versions::LATEST;
    if !served.contains(&state.image.metadata_version()) {
        return;
    }
    let bytes = state.snapshot();
    let again = State::from_snapshot(&bytes, state.position).expect("our own snapshot");
    assert_eq!(again.snapshot(), bytes);
}

fn snapshot(bytes: &[u8]) {
    let position = LogPosition {
        end: Offset(100),
        epoch: LeaderEpoch(1),
    };
    if let Err(fault) = State::from_snapshot(bytes, position) {
        assert!(!fault.to_string().is_empty());
    }
    if let Ok(records) = read_bootstrap(bytes) {
        let _ = records.len();
    }
    let _ = ControlRecord::decode_key(bytes);
    for kind in 2..8 {
        let _ = ControlRecord::decode(kind, &mut Reader::new([bytes]));
    }
}

/// The log of a new cluster, a bootstrap file, and records of every type.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut random = super::generate::Random::new(3);
    let mut seeds: Vec<Vec<u8>> = (0..120)
        .map(|at| {
            let mut seed = vec![at as u8];
            seed.extend((0..200).map(|_| random.next() as u8));
            seed
        })
        .collect();
    let snapshot = write_bootstrap(&bootstrap_features());
    seeds.push([&[200], &snapshot[..]].concat());
    seeds.push([&[255], &snapshot[..]].concat());
    seeds
}
