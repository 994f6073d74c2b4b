//! `__cluster_metadata-0` as bytes: batches and snapshots read into an image, records written as
//! batches, an image written as a snapshot.
//!
//! The reader takes what lies whole and sound and reports where it stopped; it is for the caller to
//! cut the file there, as Kafka does at every start. What is sound but makes no sense is an error.

use super::files::QuorumState;
use super::image::{Image, LogPosition};
use super::replay::ReplayError;
use super::snapshot::snapshot_records;
use super::versions::record_version;
use crate::batch::{self, Builder, Fault, HEADER_BYTES, Header};
use crate::limits;
use crate::types::{LeaderEpoch, NodeId, Offset, Timestamp, Uuid};
use crate::wire::{
    ControlRecord, DecodeError, KRaftVersionRecord, LeaderChangeMessage, LeaderChangeVoter,
    MetadataRecord, Reader, SnapshotFooterRecord, SnapshotHeaderRecord, Voter, VoterEndpoint,
    VoterKRaftVersions, VotersRecord, Writer,
};
use std::fmt;

/// The name of the directory of the metadata log.
pub const DIRECTORY: &str = "__cluster_metadata-0";
/// The file with the records that a new log begins with, in the log directory itself.
pub const BOOTSTRAP_FILE: &str = "bootstrap.checkpoint";
/// What ends the name of a snapshot.
const SNAPSHOT_SUFFIX: &str = ".checkpoint";

/// Why the metadata log cannot be read. Nothing but Kafka or we should have written it, so this ends
/// the start.
#[derive(Clone, PartialEq, Debug)]
pub enum LogFault {
    /// A batch's records cannot be taken apart, though its CRC is right.
    Batch(Offset, Fault),
    /// A record cannot be decoded: of a newer Kafka, or damaged before it was written.
    Record(Offset, DecodeError),
    /// A record does not follow from those before it.
    Replay(Offset, ReplayError),
    /// Offsets are missing before this one.
    Gap(Offset),
    /// A snapshot without its header or footer, or with a broken batch.
    Snapshot(&'static str),
}

impl fmt::Display for LogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DIRECTORY}")?;
        match self {
            LogFault::Batch(offset, fault) => write!(f, " at offset {offset}: {fault}"),
            LogFault::Record(offset, fault) => write!(f, " at offset {offset}: {fault}"),
            LogFault::Replay(offset, fault) => write!(f, " at offset {offset}: {fault}"),
            LogFault::Gap(offset) => write!(f, ": nothing before offset {offset}"),
            LogFault::Snapshot(why) => write!(f, ": the snapshot {why}"),
        }
    }
}

impl std::error::Error for LogFault {}

/// What the log says about the quorum itself.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Quorum {
    /// The level of kraft.version: 1 if the voters are in the log.
    pub kraft_version: i16,
    /// The voters, if they are in the log.
    pub voters: Option<Vec<VoterNode>>,
}

/// A voter of the quorum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoterNode {
    /// The node.
    pub id: NodeId,
    /// Its metadata directory; another one is not that voter.
    pub directory: Uuid,
    /// Where it listens for controllers: name, host, port.
    pub endpoints: Vec<(String, String, u16)>,
}

/// The state that a metadata log leads to.
#[derive(Clone, PartialEq, Debug)]
pub struct State {
    /// The cluster.
    pub image: Image,
    /// The quorum.
    pub quorum: Quorum,
    /// How far the log goes.
    pub position: LogPosition,
    /// The timestamp of the last batch.
    pub timestamp: Timestamp,
}

impl Default for State {
    fn default() -> State {
        State {
            image: Image::new(),
            quorum: Quorum::default(),
            position: LogPosition {
                end: Offset(0),
                epoch: LeaderEpoch(0),
            },
            timestamp: Timestamp(0),
        }
    }
}

impl State {
    /// An empty log.
    pub fn new() -> State {
        State::default()
    }

    /// The state that a snapshot holds. `position` is in its name, see [`parse_snapshot_name`].
    ///
    /// # Errors
    /// When the snapshot is not complete and sound, or its records do not fit together.
    pub fn from_snapshot(bytes: &[u8], position: LogPosition) -> Result<State, LogFault> {
        let mut state = State::new();
        for item in snapshot_items(bytes)? {
            match item {
                Item::Data(offset, record) => state
                    .image
                    .replay(&record)
                    .map_err(|fault| LogFault::Replay(offset, fault))?,
                Item::Control(ControlRecord::SnapshotHeader(header)) => {
                    state.timestamp = Timestamp(header.last_contained_log_timestamp);
                }
                Item::Control(control) => state.replay_control(&control),
            }
        }
        state.position = position;
        Ok(state)
    }

    /// Takes in the batches of one log file, in order of offsets; those before the position are passed
    /// over. Returns how many bytes are sound: the file is to be cut there.
    ///
    /// # Errors
    /// When a sound batch makes no sense. The state is then of no use.
    pub fn replay_log(&mut self, bytes: &[u8]) -> Result<usize, LogFault> {
        let mut scan = batch::scan(bytes);
        let mut sound = 0;
        while let Some((position, header)) = scan.next() {
            let whole = &bytes[position..scan.position()];
            if batch::verify(whole).is_err() {
                break;
            }
            self.replay_batch(&header, &whole[HEADER_BYTES..])?;
            sound = scan.position();
        }
        Ok(sound)
    }

    /// Takes in one verified batch.
    fn replay_batch(&mut self, header: &Header, records: &[u8]) -> Result<(), LogFault> {
        if header.last_offset() < self.position.end {
            return Ok(());
        }
        if header.base_offset != self.position.end {
            return Err(LogFault::Gap(header.base_offset));
        }
        each_item(header, records, |item| match item {
            Item::Data(offset, record) => self
                .image
                .replay(&record)
                .map_err(|fault| LogFault::Replay(offset, fault)),
            Item::Control(control) => {
                self.replay_control(&control);
                Ok(())
            }
        })?;
        self.position.end = header.next_offset();
        self.position.epoch = self.position.epoch.max(header.leader_epoch);
        self.timestamp = self.timestamp.max(header.max_timestamp);
        Ok(())
    }

    /// The quorum's own records are no part of a metadata transaction.
    fn replay_control(&mut self, control: &ControlRecord<'_>) {
        self.quorum.replay(control);
        let image = &mut self.image;
        image.kraft_version = self.quorum.kraft_version;
        if let Some(pending) = &mut image.pending {
            pending.kraft_version = self.quorum.kraft_version;
        }
    }

    /// Takes in records that this node has appended itself as one batch.
    ///
    /// # Errors
    /// When they do not fit: a mistake in whoever decided them.
    pub fn replay_appended(
        &mut self,
        records: &[MetadataRecord<'_>],
        epoch: LeaderEpoch,
        timestamp: Timestamp,
    ) -> Result<(), ReplayError> {
        for record in records {
            self.image.replay(record)?;
        }
        self.position.end = self.position.end.plus(records.len() as i64);
        self.position.epoch = epoch;
        self.timestamp = timestamp;
        Ok(())
    }

    /// The epoch that this node, its quorum's only voter, leads next: above what the log and
    /// `quorum-state` have seen.
    pub fn next_epoch(&self, quorum_state: Option<&QuorumState>) -> LeaderEpoch {
        let seen = quorum_state.map_or(0, |state| state.epoch);
        LeaderEpoch(self.position.epoch.0.max(seen).saturating_add(1))
    }

    /// The batch that opens an epoch: its leader and, in a new log, what `quorum` says. To be appended,
    /// then taken in with [`State::replay_log`].
    pub fn opening_batch(
        &self,
        node: NodeId,
        quorum: &Quorum,
        epoch: LeaderEpoch,
        timestamp: Timestamp,
    ) -> Vec<u8> {
        let mut controls = vec![leader_change(node)];
        if self.position.end == Offset(0) && quorum.kraft_version > 0 {
            controls.extend(quorum.records());
        }
        encode_control_batch(&controls, self.position.end, epoch, timestamp)
    }

    /// The batch for these records at the end of this log.
    ///
    /// Panics if there are none, or more than a batch may hold: who decides bounds them.
    pub fn batch_of(
        &self,
        records: &[MetadataRecord<'_>],
        epoch: LeaderEpoch,
        timestamp: Timestamp,
    ) -> Vec<u8> {
        // The first batch of a log brings its metadata.version along.
        let version = match self.image.metadata_version() {
            0 => bootstrap_version(records),
            version => version,
        };
        encode_batch(records, self.position.end, epoch, timestamp, version)
    }

    /// A snapshot of this state. Its name is [`snapshot_name`] of the position.
    pub fn snapshot(&self) -> Vec<u8> {
        let epoch = self.position.epoch;
        let header = SnapshotHeaderRecord {
            version: 0,
            last_contained_log_timestamp: self.timestamp.0,
        };
        let mut controls = vec![ControlRecord::SnapshotHeader(header)];
        if self.quorum.kraft_version > 0 {
            controls.extend(self.quorum.records());
        }
        write_snapshot(
            &controls,
            &snapshot_records(&self.image),
            self.image.metadata_version(),
            epoch,
            self.timestamp,
        )
    }
}

impl Quorum {
    fn replay(&mut self, record: &ControlRecord<'_>) {
        match record {
            ControlRecord::KRaftVersion(record) => self.kraft_version = record.k_raft_version,
            ControlRecord::KRaftVoters(record) => {
                let node = |voter: &Voter<'_>| VoterNode {
                    id: NodeId(voter.voter_id),
                    directory: voter.voter_directory_id,
                    endpoints: voter
                        .endpoints
                        .iter()
                        .map(|at| (at.name.to_string(), at.host.to_string(), at.port))
                        .collect(),
                };
                self.voters = Some(record.voters.iter().map(node).collect());
            }
            ControlRecord::LeaderChange(_)
            | ControlRecord::SnapshotHeader(_)
            | ControlRecord::SnapshotFooter(_) => {}
        }
    }

    /// The control records that say this.
    pub fn records(&self) -> Vec<ControlRecord<'static>> {
        let mut records = vec![ControlRecord::KRaftVersion(KRaftVersionRecord {
            version: 0,
            k_raft_version: self.kraft_version,
        })];
        if let Some(voters) = &self.voters {
            let voter = |node: &VoterNode| Voter {
                voter_id: node.id.0,
                voter_directory_id: node.directory,
                endpoints: node
                    .endpoints
                    .iter()
                    .map(|(name, host, port)| VoterEndpoint {
                        name: name.clone().into(),
                        host: host.clone().into(),
                        port: *port,
                    })
                    .collect(),
                k_raft_version_feature: VoterKRaftVersions {
                    min_supported_version: 0,
                    max_supported_version: 1,
                },
            };
            records.push(ControlRecord::KRaftVoters(VotersRecord {
                version: 0,
                voters: voters.iter().map(voter).collect(),
            }));
        }
        records
    }
}

/// The record that opens an epoch of a quorum whose only voter leads.
pub fn leader_change(node: NodeId) -> ControlRecord<'static> {
    let voter = LeaderChangeVoter {
        voter_id: node.0,
        ..Default::default()
    };
    ControlRecord::LeaderChange(LeaderChangeMessage {
        version: 0,
        leader_id: node.0,
        voters: vec![voter.clone()],
        granting_voters: vec![voter],
    })
}

/// One batch of metadata records, for the log of that metadata.version.
///
/// Panics if there are none, or more than a batch may hold.
pub fn encode_batch(
    records: &[MetadataRecord<'_>],
    base_offset: Offset,
    epoch: LeaderEpoch,
    timestamp: Timestamp,
    metadata_version: i16,
) -> Vec<u8> {
    assert!(records.len() <= limits::METADATA_BATCH_RECORDS_MAX);
    let mut batch = Builder::new(base_offset, epoch);
    for record in records {
        let mut writer = Writer::new();
        record
            .encode(&mut writer, record_version(record, metadata_version))
            .expect("a record holds nothing that its metadata.version lacks");
        let (bytes, _) = writer.finish();
        batch.push(timestamp, None, Some(&bytes), &[]);
    }
    batch.finish()
}

/// One batch of control records.
///
/// Panics if there are none.
pub fn encode_control_batch(
    records: &[ControlRecord<'_>],
    base_offset: Offset,
    epoch: LeaderEpoch,
    timestamp: Timestamp,
) -> Vec<u8> {
    let mut batch = Builder::new(base_offset, epoch).control();
    for record in records {
        let mut writer = Writer::new();
        record
            .encode(&mut writer)
            .expect("we fill control records as their version wants them");
        let (bytes, _) = writer.finish();
        batch.push_control(timestamp, record.control_type(), &bytes);
    }
    batch.finish()
}

/// `bootstrap.checkpoint` with these records.
pub fn write_bootstrap(records: &[MetadataRecord<'_>]) -> Vec<u8> {
    let header = SnapshotHeaderRecord::default();
    write_snapshot(
        &[ControlRecord::SnapshotHeader(header)],
        records,
        bootstrap_version(records),
        LeaderEpoch(0),
        Timestamp(0),
    )
}

/// The metadata records of `bootstrap.checkpoint`, or of any snapshot.
///
/// # Errors
/// When the file is not complete and sound.
pub fn read_bootstrap(bytes: &[u8]) -> Result<Vec<MetadataRecord<'_>>, LogFault> {
    let items = snapshot_items(bytes)?.into_iter();
    Ok(items
        .filter_map(|item| match item {
            Item::Data(_, record) => Some(record),
            Item::Control(_) => None,
        })
        .collect())
}

/// The name of the snapshot of everything before `position.end`.
pub fn snapshot_name(position: LogPosition) -> String {
    format!(
        "{:020}-{:010}{SNAPSHOT_SUFFIX}",
        position.end.0, position.epoch.0
    )
}

/// Reads a snapshot's name; `None` for any other file.
pub fn parse_snapshot_name(name: &str) -> Option<LogPosition> {
    let (end, epoch) = name.strip_suffix(SNAPSHOT_SUFFIX)?.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if end.len() != 20 || epoch.len() != 10 || !digits(end) || !digits(epoch) {
        return None;
    }
    let position = LogPosition {
        end: Offset(end.parse().ok()?),
        epoch: LeaderEpoch(epoch.parse().ok()?),
    };
    (position.end <= Offset::MAX).then_some(position)
}

/// A record with its offset, or a control record.
enum Item<'a> {
    Data(Offset, MetadataRecord<'a>),
    Control(ControlRecord<'a>),
}

/// Calls `take` with each record of a batch, decoded.
fn each_item<'a>(
    header: &Header,
    records: &'a [u8],
    mut take: impl FnMut(Item<'a>) -> Result<(), LogFault>,
) -> Result<(), LogFault> {
    let at = header.base_offset;
    if header.codec_id() != 0 {
        // Kafka does not compress this log.
        return Err(LogFault::Batch(at, Fault::UnknownCodec(header.codec_id())));
    }
    let mut count = 0;
    for record in batch::records(records) {
        let record = record.map_err(|fault| LogFault::Batch(at, fault))?;
        let offset = at.plus(i64::from(record.offset_delta));
        let fault = |fault| LogFault::Record(offset, fault);
        let mut value = Reader::new([record.value.unwrap_or_default()]);
        count += 1;
        take(if header.is_control() {
            let kind = ControlRecord::decode_key(record.key.unwrap_or_default()).map_err(fault)?;
            Item::Control(ControlRecord::decode(kind, &mut value).map_err(fault)?)
        } else {
            Item::Data(offset, MetadataRecord::decode(&mut value).map_err(fault)?.0)
        })?;
    }
    if count != header.record_count {
        return Err(LogFault::Batch(at, Fault::RecordsMissing));
    }
    Ok(())
}

/// All records of a snapshot, which must be whole: from its header to its footer.
fn snapshot_items(bytes: &[u8]) -> Result<Vec<Item<'_>>, LogFault> {
    let mut scan = batch::scan(bytes);
    let mut items = Vec::new();
    while let Some((position, header)) = scan.next() {
        let whole = &bytes[position..scan.position()];
        if batch::verify(whole).is_err() {
            return Err(LogFault::Snapshot("is damaged"));
        }
        each_item(&header, &whole[HEADER_BYTES..], |item| {
            items.push(item);
            Ok(())
        })?;
    }
    if scan.position() != bytes.len() {
        return Err(LogFault::Snapshot("is cut off"));
    }
    match (items.first(), items.last()) {
        (
            Some(Item::Control(ControlRecord::SnapshotHeader(_))),
            Some(Item::Control(ControlRecord::SnapshotFooter(_))),
        ) => Ok(items),
        (Some(Item::Control(ControlRecord::SnapshotHeader(_))), _) => {
            Err(LogFault::Snapshot("has no footer"))
        }
        _ => Err(LogFault::Snapshot("has no header")),
    }
}

fn write_snapshot(
    controls: &[ControlRecord<'_>],
    records: &[MetadataRecord<'_>],
    metadata_version: i16,
    epoch: LeaderEpoch,
    timestamp: Timestamp,
) -> Vec<u8> {
    let mut bytes = encode_control_batch(controls, Offset(0), epoch, timestamp);
    let mut end = Offset(controls.len() as i64);
    for part in records.chunks(limits::METADATA_BATCH_RECORDS_MAX) {
        bytes.extend(encode_batch(part, end, epoch, timestamp, metadata_version));
        end = end.plus(part.len() as i64);
    }
    let footer = ControlRecord::SnapshotFooter(SnapshotFooterRecord::default());
    bytes.extend(encode_control_batch(&[footer], end, epoch, timestamp));
    bytes
}

/// The metadata.version that these records set.
fn bootstrap_version(records: &[MetadataRecord<'_>]) -> i16 {
    records
        .iter()
        .find_map(|record| match record {
            MetadataRecord::FeatureLevel(feature)
                if feature.name == super::image::METADATA_VERSION =>
            {
                Some(feature.feature_level)
            }
            _ => None,
        })
        .unwrap_or(0)
}
