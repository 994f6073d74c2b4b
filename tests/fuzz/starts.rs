//! Data directories that a fuzz target has found, or that were found while it was written, as small as
//! they can be: what a start makes of each.

use crate::harness::allocation::kept;
use crate::harness::disk::Files;
use crate::harness::machine::{DATA, Machine};
use millstream::batch::Builder;
use millstream::metadata::{
    BOOTSTRAP_FILE, DIRECTORY, LogPosition, MetaProperties, QuorumState, State, bootstrap_features,
    snapshot_name, write_bootstrap,
};
use millstream::types::{LeaderEpoch, NodeId, Offset, Timestamp, Uuid};
use millstream::wire::{
    BeginTransactionRecord, FeatureLevelRecord, MetadataRecord, PartitionRecord, TopicRecord,
    Writer,
};
use std::path::{Path, PathBuf};

const TIME: Timestamp = Timestamp(1_700_000_000_000);
const EPOCH: LeaderEpoch = LeaderEpoch(1);

/// A directory that is formatted, with this `bootstrap.checkpoint`.
fn formatted(bootstrap: &[MetadataRecord<'_>]) -> Files {
    let meta = MetaProperties {
        cluster_id: "5L6g3nShT-eMCtK--X86sw".into(),
        node_id: NodeId(1),
        directory_id: Some(Uuid([7; 16])),
    };
    let data = Path::new(DATA);
    Files::from([
        (data.join(MetaProperties::NAME), meta.format().into_bytes()),
        (data.join(BOOTSTRAP_FILE), write_bootstrap(bootstrap)),
    ])
}

/// The directory of a broker that was started and stopped.
fn stopped() -> Files {
    let machine = Machine::boot(&Files::new(), &[]);
    machine.expect("an empty disk").stop()
}

fn metadata_file(name: &str) -> PathBuf {
    Path::new(DATA).join(DIRECTORY).join(name)
}

const FIRST: &str = "00000000000000000000.log";

/// The metadata log.
fn log(files: &mut Files) -> &mut Vec<u8> {
    files.get_mut(&metadata_file(FIRST)).expect("a log")
}

/// What the metadata log leads to.
fn state(files: &Files) -> State {
    let mut state = State::new();
    state
        .replay_log(&files[&metadata_file(FIRST)])
        .expect("our own");
    state
}

/// One batch of records in version 0.
fn batch(base: Offset, records: &[MetadataRecord<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(base, EPOCH);
    for record in records {
        let mut writer = Writer::new();
        record.encode(&mut writer, 0).expect("it has nothing newer");
        builder.push(TIME, None, Some(&writer.finish().0), &[]);
    }
    builder.finish()
}

fn starts(files: &Files) {
    let machine = Machine::boot(files, &[]).expect("it starts");
    let files = machine.stop();
    Machine::boot(&files, &[]).expect("and again").stop();
}

fn refuses(files: &Files, because: &str) {
    match Machine::boot(files, &[]) {
        Ok(_) => panic!("it starts, in spite of: {because}"),
        Err(why) => assert!(why.contains(because), "{why}"),
    }
}

#[test]
fn a_broker_that_has_stopped_holds_its_lock_and_nothing_else() {
    let files = stopped();
    for _ in 0..3 {
        let kept = kept(|| {
            let machine = Machine::boot(&files, &[]);
            machine.expect("our own").stop();
        });
        assert!((0..256).contains(&kept), "{kept} bytes");
    }
}

#[test]
fn a_bootstrap_file_must_say_a_metadata_version_that_is_served() {
    starts(&formatted(&bootstrap_features()));
    let features = bootstrap_features();
    let other = features.last().cloned().expect("not the first");
    refuses(&formatted(&[other]), "does not say its metadata.version");
    let old = FeatureLevelRecord {
        name: "metadata.version".into(),
        feature_level: 3,
    };
    refuses(&formatted(&[old.into()]), "metadata.version is at level 3");
}

#[test]
fn a_bootstrap_file_holds_features_settings_and_credentials() {
    let mut records = bootstrap_features();
    records.push(PartitionRecord::default().into());
    refuses(&formatted(&records), "a record of type 3");
    let many = vec![bootstrap_features().remove(0); 6000];
    refuses(&formatted(&many), "6000 records");
}

#[test]
fn a_first_start_that_ended_within_its_transaction_is_begun_anew() {
    let mut files = formatted(&bootstrap_features());
    let begun = BeginTransactionRecord::default();
    let begun = batch(Offset(0), &[begun.into()]);
    files.insert(metadata_file(FIRST), begun);
    let identity = format!("version: 0\ntopic_id: {}", Uuid::METADATA_TOPIC);
    files.insert(metadata_file("partition.metadata"), identity.into_bytes());
    starts(&files);
}

#[test]
fn a_metadata_log_with_a_hole_before_its_last_segment_is_refused() {
    let mut files = stopped();
    files.insert(metadata_file("00000000000000000066.log"), b"x".to_vec());
    refuses(&files, "its files say 66");
}

#[test]
fn a_metadata_log_that_ends_long_before_its_snapshot_begins_anew_behind_it() {
    let mut files = stopped();
    let position = LogPosition {
        end: Offset(1 << 33),
        epoch: EPOCH,
    };
    let snapshot = state(&files).snapshot();
    files.insert(metadata_file(&snapshot_name(position)), snapshot);
    starts(&files);
}

#[test]
fn a_snapshot_whose_name_no_log_reaches_is_none() {
    let mut files = stopped();
    let name = format!("{}-0000000001.checkpoint", "09223372036854775807");
    files.insert(metadata_file(&name), b"x".to_vec());
    starts(&files);
}

#[test]
fn the_last_of_all_epochs_does_not_overflow() {
    let mut files = stopped();
    let quorum = QuorumState {
        leader: Some(NodeId(1)),
        epoch: i32::MAX,
        voted: None,
        voted_directory: Uuid::ZERO,
        voters: None,
    };
    let quorum = quorum.format().into_bytes();
    files.insert(metadata_file(QuorumState::NAME), quorum);
    starts(&files);
}

#[test]
fn a_partition_with_an_impossible_leader_epoch_is_refused() {
    let mut files = stopped();
    let end = state(&files).position.end;
    let id = Uuid([9; 16]);
    let topic = TopicRecord {
        name: "t".into(),
        topic_id: id,
    };
    let partition = PartitionRecord {
        topic_id: id,
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        leader_epoch: -1,
        ..Default::default()
    };
    log(&mut files).extend(batch(end, &[topic.into(), partition.into()]));
    refuses(&files, "has leader epoch -1");
}
