//! The small files that a start reads, as bytes: indexes, aborted transactions, checkpoints, leader
//! epochs, identities, names. Whatever they hold gives a value or nothing; what a value writes is
//! read back as that value.

use super::allocation::within;
use super::input::Input;
use millstream::log::{
    Epochs, OffsetIndex, TimeIndex, file_name, offsets_text, parse_aborted, parse_file_name,
    parse_offsets, parse_partition_metadata, partition_metadata_text, plan_tidy, swaps_to_finish,
};
use millstream::metadata::{
    CleanShutdown, MetaProperties, QuorumState, parse_snapshot_name, snapshot_name,
};
use millstream::types::{LeaderEpoch, Offset, Timestamp, Uuid};
use std::collections::BTreeMap;

/// What reading takes in memory per byte: a line of an offset checkpoint (`a 0 0`) becomes an entry of
/// a map.
const PER_BYTE: usize = 64;
const AT_LEAST: usize = 4096;

/// Files of these kinds, by the first byte.
const KINDS: [fn(&[u8], &str); 11] = [
    offset_index,
    time_index,
    aborted,
    |_, text| offsets(text),
    |_, text| epochs(text),
    |_, text| partition_metadata(text),
    |_, text| meta_properties(text),
    |_, text| quorum_state(text),
    |_, text| clean_shutdown(text),
    |_, text| names(text),
    |_, text| ids(text),
];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = KINDS[input.below(KINDS.len())];
    let bytes = input.rest();
    let text = String::from_utf8_lossy(bytes);
    within(text.len() * PER_BYTE + AT_LEAST, || kind(bytes, &text));
}

/// The highest base that a file's name may have.
const BASE_MAX: i64 = i64::MAX - (1 << 32);

fn base(bytes: &[u8]) -> Offset {
    match bytes.first() {
        Some(0..=127) | None => Offset(0),
        Some(_) => Offset(BASE_MAX),
    }
}

fn offset_index(bytes: &[u8], _: &str) {
    let index = OffsetIndex::new(base(bytes), bytes);
    for target in [0, 1, 1000, i64::MAX, base(bytes).0 + 5] {
        let (from, next) = index.floor(Offset(target));
        if index.fits(1 << 31) {
            assert!(from < 1 << 31 && next.is_none_or(|next| next > from));
        }
    }
    assert_eq!(
        index.last(),
        index.len().checked_sub(1).and_then(|at| index.get(at))
    );
    assert_eq!(index.get(index.len()), None);
}

fn time_index(bytes: &[u8], _: &str) {
    let index = TimeIndex::new(base(bytes), bytes);
    for target in [0, -1, 1 << 40, i64::MAX, i64::MIN] {
        let _ = index.floor(Timestamp(target));
    }
    assert_eq!(
        index.last(),
        index.len().checked_sub(1).and_then(|at| index.get(at))
    );
    assert_eq!(index.get(index.len()), None);
}

fn aborted(bytes: &[u8], _: &str) {
    if let Some(entries) = parse_aborted(Offset(0), bytes) {
        let again: Vec<u8> = entries.iter().flat_map(|entry| entry.encode()).collect();
        assert_eq!(again, bytes);
    }
}

fn offsets(text: &str) {
    if let Some(offsets) = parse_offsets(text) {
        assert_eq!(parse_offsets(&offsets_text(&offsets)), Some(offsets));
    }
}

fn epochs(text: &str) {
    let Some(mut epochs) = Epochs::parse(text) else {
        return;
    };
    assert_eq!(Epochs::parse(&epochs.text()).as_ref(), Some(&epochs));
    let ends = Offset(i64::MAX);
    for epoch in [-1, 0, 5, i32::MAX] {
        let (found, end) = epochs.end_offset_for(LeaderEpoch(epoch), ends);
        assert!(found.0 <= epoch && end <= ends);
    }
    let _ = (epochs.epoch_of(Offset(0)), epochs.epoch_of(ends));
    epochs.cut_after(Offset(1 << 40));
    epochs.cut_before(Offset(1000));
    epochs.assign(LeaderEpoch(7), Offset(1001));
    let entries = epochs.entries();
    assert!(entries.is_sorted_by(|a, b| a.epoch < b.epoch && a.start < b.start));
}

fn partition_metadata(text: &str) {
    if let Some(topic) = parse_partition_metadata(text) {
        let again = partition_metadata_text(topic);
        assert_eq!(parse_partition_metadata(&again), Some(topic));
    }
}

fn meta_properties(text: &str) {
    match MetaProperties::parse(text) {
        Ok(meta) => assert_eq!(MetaProperties::parse(&meta.format()), Ok(meta)),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}

fn quorum_state(text: &str) {
    match QuorumState::parse(text) {
        Ok(state) => {
            // Kafka's first form has no place for the directory.
            let again = QuorumState::parse(&state.format()).expect("our own text");
            assert_eq!((again.leader, again.epoch), (state.leader, state.epoch));
            assert_eq!((again.voted, again.voters), (state.voted, state.voters));
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}

fn clean_shutdown(text: &str) {
    let clean = CleanShutdown::parse(text);
    assert_eq!(CleanShutdown::parse(&clean.format()), clean);
}

/// A directory's names, one a line.
fn names(text: &str) {
    let names: Vec<String> = text.lines().map(str::to_owned).collect();
    for name in &names {
        if let Some((base, kind, _)) = parse_file_name(name) {
            assert!(name.starts_with(&file_name(base, kind)));
        }
        if let Some(position) = parse_snapshot_name(name) {
            assert_eq!(snapshot_name(position), *name);
        }
    }
    let swaps = swaps_to_finish(&names);
    let ends: BTreeMap<Offset, Offset> = swaps
        .iter()
        .map(|base| (*base, base.plus(1 + names.len() as i64)))
        .collect();
    let plan = plan_tidy(&names, &ends);
    for (from, to) in &plan.rename {
        assert!(names.contains(from) && !plan.unlink.contains(from), "{to}");
    }
    assert!(plan.unlink.iter().all(|name| names.contains(name)));
}

fn ids(text: &str) {
    if let Some(id) = Uuid::parse(text) {
        assert_eq!(Uuid::parse(&id.to_string()), Some(id));
    }
}

/// A file of each kind as Kafka writes it.
pub fn seeds() -> Vec<Vec<u8>> {
    let binary: [&[u8]; 3] = [
        &[0, 0, 0, 4, 0, 0, 0x10, 0xc0, 0, 0, 0, 9, 0, 0, 0x20, 0xc0],
        &[0, 0, 1, 0xa2, 3, 0x39, 0xc2, 0x7e, 0, 0, 3, 0xcf],
        &[
            0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0,
            0, 0, 0, 0, 6,
        ],
    ];
    let text: [&[&str]; 8] = [
        &["", "0\n0\n", "0\n2\nt 0 1\nu 12 9223372036854775807\n"],
        &["", "0\n2\n0 0\n4 18\n"],
        &["version: 0\ntopic_id: abcdefghijklmnopqrstuv"],
        &[
            "#\nversion=1\ncluster.id=5L6g3nShT-eMCtK--X86sw\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAZA\n",
        ],
        &[
            r#"{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#,
            r#"{"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#,
        ],
        &[r#"{"version":0,"brokerEpoch":12}"#],
        &[
            "00000000000000000042.log\n00000000000000000042.index.swap\n00000000000000000000.log.swap\n00000000000000000000.log\n00000000000000000007-0000000001.checkpoint",
        ],
        &["abcdefghijklmnopqrstuv"],
    ];
    let kind = |kind: usize, content: &[u8]| [&[kind as u8], content].concat();
    let binary = binary.iter().enumerate();
    let text = text.iter().enumerate();
    binary
        .map(|(at, content)| kind(at, content))
        .chain(text.flat_map(|(at, contents)| {
            let contents = contents.iter();
            contents.map(move |content| kind(at + 3, content.as_bytes()))
        }))
        .collect()
}
