//! The control records of `__cluster_metadata` and its snapshots (KIP-595, KIP-630, KIP-853), and the
//! key by which every control record says what it is.
//!
//! A control record's key is an int16 version and an int16 type. Its value is flexible and begins
//! with its own version again.

use super::error::{DecodeError, EncodeError, Problem};
use super::message::*;
use super::{Message, Reader, Str, Writer};
use crate::types::Uuid;

/// The types of control records; 0 and 1 (abort, commit) end transactions of ordinary partitions.
pub mod control_type {
    #![allow(missing_docs)] // Kafka's names
    pub const ABORT: i16 = 0;
    pub const COMMIT: i16 = 1;
    pub const LEADER_CHANGE: i16 = 2;
    pub const SNAPSHOT_HEADER: i16 = 3;
    pub const SNAPSHOT_FOOTER: i16 = 4;
    pub const KRAFT_VERSION: i16 = 5;
    pub const KRAFT_VOTERS: i16 = 6;
}

/// A control record of the metadata log or of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlRecord<'a> {
    /// An epoch begins.
    LeaderChange(LeaderChangeMessage),
    /// A snapshot begins.
    SnapshotHeader(SnapshotHeaderRecord),
    /// A snapshot is complete.
    SnapshotFooter(SnapshotFooterRecord),
    /// How the quorum works from here on.
    KRaftVersion(KRaftVersionRecord),
    /// Who votes from here on.
    KRaftVoters(VotersRecord<'a>),
}

impl<'a> ControlRecord<'a> {
    /// The type, which the record's key carries.
    pub fn control_type(&self) -> i16 {
        match self {
            ControlRecord::LeaderChange(_) => control_type::LEADER_CHANGE,
            ControlRecord::SnapshotHeader(_) => control_type::SNAPSHOT_HEADER,
            ControlRecord::SnapshotFooter(_) => control_type::SNAPSHOT_FOOTER,
            ControlRecord::KRaftVersion(_) => control_type::KRAFT_VERSION,
            ControlRecord::KRaftVoters(_) => control_type::KRAFT_VOTERS,
        }
    }

    /// The record's key: version 0, then the type.
    pub fn key(&self) -> [u8; 4] {
        let [high, low] = self.control_type().to_be_bytes();
        [0, 0, high, low]
    }

    /// Reads the type from a control record's key. Keys of a later version may be longer.
    ///
    /// # Errors
    /// When the key is too short or its version negative.
    pub fn decode_key(key: &[u8]) -> Result<i16, DecodeError> {
        let mut reader = Reader::new([key]);
        let place = |error: DecodeError| error.at("ControlRecord", "key").of("ControlRecord");
        let version = reader.int16().map_err(place)?;
        if version < 0 {
            return Err(place(reader.error(Problem::Version(version))));
        }
        reader.int16().map_err(place)
    }

    /// Reads the value of a control record of that type.
    ///
    /// # Errors
    /// When the bytes are malformed or the type is not one of the metadata log's.
    pub fn decode(
        control_type: i16,
        reader: &mut Reader<'a>,
    ) -> Result<ControlRecord<'a>, DecodeError> {
        // The version of the value is its own first field.
        let version = reader.clone().int16().unwrap_or_default();
        Ok(match control_type {
            control_type::LEADER_CHANGE => {
                ControlRecord::LeaderChange(LeaderChangeMessage::decode(reader, version)?)
            }
            control_type::SNAPSHOT_HEADER => {
                ControlRecord::SnapshotHeader(SnapshotHeaderRecord::decode(reader, version)?)
            }
            control_type::SNAPSHOT_FOOTER => {
                ControlRecord::SnapshotFooter(SnapshotFooterRecord::decode(reader, version)?)
            }
            control_type::KRAFT_VERSION => {
                ControlRecord::KRaftVersion(KRaftVersionRecord::decode(reader, version)?)
            }
            control_type::KRAFT_VOTERS => {
                ControlRecord::KRaftVoters(VotersRecord::decode(reader, version)?)
            }
            other => {
                return Err(reader
                    .error(Problem::RecordType(other as u16 as u32))
                    .at("ControlRecord", "type")
                    .of("ControlRecord"));
            }
        })
    }

    /// Writes the value, in the version that its own field says.
    ///
    /// # Errors
    /// When that version cannot carry what the record holds, or is unknown.
    pub fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        match self {
            ControlRecord::LeaderChange(record) => record.encode(writer, record.version),
            ControlRecord::SnapshotHeader(record) => record.encode(writer, record.version),
            ControlRecord::SnapshotFooter(record) => record.encode(writer, record.version),
            ControlRecord::KRaftVersion(record) => record.encode(writer, record.version),
            ControlRecord::KRaftVoters(record) => record.encode(writer, record.version),
        }
    }
}

message! {
    /// An epoch begins, and this is its leader. v1 names the voters' directories too.
    LeaderChangeMessage versions [0-1] flexible [0+] {
        /// The version of this value.
        version:          i16                     [0+];
        /// The leader.
        leader_id:        i32                     [0+];
        /// Everyone who may vote.
        voters:           Vec<LeaderChangeVoter>  [0+];
        /// Those who voted for the leader.
        granting_voters:  Vec<LeaderChangeVoter>  [0+];
    }

    /// A voter.
    struct LeaderChangeVoter {
        /// Its node.
        voter_id:            i32   [0+];
        /// Its metadata directory.
        voter_directory_id:  Uuid  [1+];
    }
}

message! {
    /// A snapshot begins.
    SnapshotHeaderRecord versions [0] flexible [0+] {
        /// The version of this value.
        version:                       i16  [0+];
        /// The timestamp of the last batch that the snapshot contains.
        last_contained_log_timestamp:  i64  [0+];
    }
}

message! {
    /// A snapshot is complete.
    SnapshotFooterRecord versions [0] flexible [0+] {
        /// The version of this value.
        version:  i16  [0+];
    }
}

message! {
    /// How the quorum works from here on: 0 with a fixed set of voters, 1 with a set in the log.
    KRaftVersionRecord versions [0] flexible [0+] {
        /// The version of this value.
        version:         i16  [0+];
        /// The level of `kraft.version`.
        k_raft_version:  i16  [0+];
    }
}

message! {
    /// Who votes from here on.
    VotersRecord<'a> versions [0] flexible [0+] {
        /// The version of this value.
        version:  i16             [0+];
        /// The voters.
        voters:   Vec<Voter<'a>>  [0+];
    }

    /// A voter.
    struct Voter<'a> {
        /// Its node.
        voter_id:                i32                     [0+];
        /// Its metadata directory.
        voter_directory_id:      Uuid                    [0+];
        /// Where it listens.
        endpoints:               Vec<VoterEndpoint<'a>>  [0+];
        /// The levels of `kraft.version` that it supports.
        k_raft_version_feature:  VoterKRaftVersions      [0+];
    }

    /// Where a voter listens.
    struct VoterEndpoint<'a> {
        /// The listener's name.
        name:  Str<'a>  [0+];
        /// The host.
        host:  Str<'a>  [0+];
        /// The port.
        port:  u16      [0+];
    }

    /// The levels of `kraft.version` that a voter supports.
    struct VoterKRaftVersions {
        /// The lowest.
        min_supported_version:  i16  [0+];
        /// The highest.
        max_supported_version:  i16  [0+];
    }
}
