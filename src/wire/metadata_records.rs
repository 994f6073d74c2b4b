//! The records of `__cluster_metadata` (KIP-631): everything the cluster knows.
//!
//! A record's value is a frame version (always 1), the record's type and its version, all unsigned
//! varints, then the body, which is flexible in every version. Kafka refuses to start on a type or a
//! frame version that it does not know; so a reader here gets an error, never a guess.
//!
//! What version to write follows from the cluster's metadata.version, which is not known here.

use super::error::{DecodeError, EncodeError, Problem};
use super::message::*;
use super::{Message, Octets, Reader, Str, Writer};
use crate::types::Uuid;

/// The version of the frame around every record.
const FRAME_VERSION: u32 = 1;

macro_rules! metadata_records {
    ($($(#[$meta:meta])* $type:literal $variant:ident($record:ident $(<$life:lifetime>)?);)*) => {
        /// A record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        pub enum MetadataRecord<'a> {
            $($(#[$meta])* $variant($record $(<$life>)?),)*
        }

        impl<'a> MetadataRecord<'a> {
            /// The type of the record.
            pub fn record_type(&self) -> u32 {
                match self {
                    $(MetadataRecord::$variant(_) => $type,)*
                }
            }

            /// The highest version in which this type of record can be written.
            pub fn version_max(&self) -> i16 {
                match self {
                    $(MetadataRecord::$variant(_) => $record::VERSIONS.last,)*
                }
            }

            /// Reads a record's value, all of it. Returns the version too.
            ///
            /// # Errors
            /// When the bytes are malformed, or the type or version is unknown.
            pub fn decode(
                reader: &mut Reader<'a>,
            ) -> Result<(MetadataRecord<'a>, i16), DecodeError> {
                let (kind, version) = read_frame(reader)?;
                let record = match kind {
                    $($type => MetadataRecord::$variant($record::decode(reader, version)?),)*
                    _ => return Err(frame_error(reader, Problem::RecordType(kind))),
                };
                if reader.remaining() > 0 {
                    return Err(frame_error(reader, Problem::Trailing(reader.remaining())));
                }
                Ok((record, version))
            }

            /// Writes a record's value.
            ///
            /// # Errors
            /// When the version cannot carry what the record holds, or is unknown.
            pub fn encode(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
                writer.uvarint(FRAME_VERSION);
                writer.uvarint(self.record_type());
                writer.uvarint(u32::from(version.unsigned_abs()));
                match self {
                    $(MetadataRecord::$variant(record) => record.encode(writer, version),)*
                }
            }
        }

        $(
            impl<'a> From<$record $(<$life>)?> for MetadataRecord<'a> {
                fn from(record: $record $(<$life>)?) -> MetadataRecord<'a> {
                    MetadataRecord::$variant(record)
                }
            }
        )*
    };
}

metadata_records! {
    /// A broker has registered.
    0  RegisterBroker(RegisterBrokerRecord<'a>);
    /// A broker has left for good.
    1  UnregisterBroker(UnregisterBrokerRecord);
    /// A topic was created.
    2  Topic(TopicRecord<'a>);
    /// A partition was created, or is given anew in a snapshot.
    3  Partition(PartitionRecord);
    /// A property was set or deleted.
    4  Config(ConfigRecord<'a>);
    /// A partition has changed.
    5  PartitionChange(PartitionChangeRecord);
    /// Written by early versions only: a broker was fenced.
    7  FenceBroker(FenceBrokerRecord);
    /// Written by early versions only: a broker was unfenced.
    8  UnfenceBroker(UnfenceBrokerRecord);
    /// A topic was deleted.
    9  RemoveTopic(RemoveTopicRecord);
    /// A delegation token was made or renewed.
    10 DelegationToken(DelegationTokenRecord<'a>);
    /// A SCRAM credential was set.
    11 UserScramCredential(UserScramCredentialRecord<'a>);
    /// A feature was finalized.
    12 FeatureLevel(FeatureLevelRecord<'a>);
    /// A quota was set or removed.
    14 ClientQuota(ClientQuotaRecord<'a>);
    /// A block of producer ids was given out.
    15 ProducerIds(ProducerIdsRecord);
    /// A broker was fenced, unfenced, or begins its shutdown.
    17 BrokerRegistrationChange(BrokerRegistrationChangeRecord);
    /// An ACL was added.
    18 AccessControlEntry(AccessControlEntryRecord<'a>);
    /// An ACL was removed.
    19 RemoveAccessControlEntry(RemoveAccessControlEntryRecord);
    /// The controller is alive.
    20 NoOp(NoOpRecord);
    /// How far a migration from ZooKeeper has come.
    21 ZkMigrationState(ZkMigrationStateRecord);
    /// A SCRAM credential was removed.
    22 RemoveUserScramCredential(RemoveUserScramCredentialRecord<'a>);
    /// What follows counts only when the transaction ends.
    23 BeginTransaction(BeginTransactionRecord<'a>);
    /// The open transaction counts.
    24 EndTransaction(EndTransactionRecord);
    /// The open transaction does not count.
    25 AbortTransaction(AbortTransactionRecord<'a>);
    /// A delegation token was removed.
    26 RemoveDelegationToken(RemoveDelegationTokenRecord<'a>);
    /// A controller has registered.
    27 RegisterController(RegisterControllerRecord<'a>);
    /// The eligible leader replicas of a topic, or of all, are forgotten.
    28 ClearElr(ClearElrRecord<'a>);
}

message! {
    /// A broker has registered.
    RegisterBrokerRecord<'a> versions [0-3] flexible [0+] {
        /// The broker.
        broker_id:               i32                           [0+];
        /// Whether it migrates from ZooKeeper.
        is_migrating_zk_broker:  bool                          [2+];
        /// Its process.
        incarnation_id:          Uuid                          [0+];
        /// Its epoch: the offset of this record's batch.
        broker_epoch:            i64                           [0+];
        /// Where it listens.
        end_points:              Vec<RegisteredEndpoint<'a>>   [0+];
        /// The features it supports.
        features:                Vec<RegisteredFeature<'a>>    [0+];
        /// Its rack.
        rack:                    Option<Str<'a>>               [0+];
        /// Whether it is fenced.
        fenced:                  bool                          [0+]  = true;
        /// Whether it is shutting down.
        in_controlled_shutdown:  bool                          [1+];
        /// Its log directories.
        log_dirs:                Vec<Uuid>                     [3+]  tag 0;
    }

    /// Where a broker or controller listens.
    struct RegisteredEndpoint<'a> {
        /// The listener's name.
        name:               Str<'a>  [0+];
        /// The host.
        host:               Str<'a>  [0+];
        /// The port.
        port:               u16      [0+];
        /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
        security_protocol:  i16      [0+];
    }

    /// The levels of a feature that a broker or controller supports.
    struct RegisteredFeature<'a> {
        /// The feature.
        name:                   Str<'a>  [0+];
        /// Its lowest level.
        min_supported_version:  i16      [0+];
        /// Its highest level.
        max_supported_version:  i16      [0+];
    }
}

message! {
    /// A broker has left for good.
    UnregisterBrokerRecord versions [0] flexible [0+] {
        /// The broker.
        broker_id:     i32  [0+];
        /// Its epoch.
        broker_epoch:  i64  [0+];
    }
}

message! {
    /// A topic was created.
    TopicRecord<'a> versions [0] flexible [0+] {
        /// The name.
        name:      Str<'a>  [0+];
        /// The id.
        topic_id:  Uuid     [0+];
    }
}

message! {
    /// The whole state of a partition.
    PartitionRecord versions [0-2] flexible [0+] {
        /// The partition.
        partition_id:              i32               [0+]  = -1;
        /// Its topic.
        topic_id:                  Uuid              [0+];
        /// Its replicas, the preferred leader first.
        replicas:                  Vec<i32>          [0+];
        /// Those in sync.
        isr:                       Vec<i32>          [0+];
        /// Those on their way out.
        removing_replicas:         Vec<i32>          [0+];
        /// Those on their way in.
        adding_replicas:           Vec<i32>          [0+];
        /// The leader, -1 if none.
        leader:                    i32               [0+]  = -1;
        /// 1 after an unclean election, until the leader has recovered.
        leader_recovery_state:     i8                [0+]  tag 0;
        /// The leader's epoch.
        leader_epoch:              i32               [0+]  = -1;
        /// Counts the changes of the partition.
        partition_epoch:           i32               [0+]  = -1;
        /// The log directory of each replica, in the order of `replicas`.
        directories:               Vec<Uuid>         [1+];
        /// Out of sync, yet with all that is committed (KIP-966).
        eligible_leader_replicas:  Option<Vec<i32>>  [2+]  tag 1;
        /// The last of those when there was none left.
        last_known_elr:            Option<Vec<i32>>  [2+]  tag 2;
    }
}

message! {
    /// What is new about a partition; null or the value noted means unchanged.
    PartitionChangeRecord versions [0-2] flexible [0+] {
        /// The partition.
        partition_id:              i32                [0+]  = -1;
        /// Its topic.
        topic_id:                  Uuid               [0+];
        /// The replicas in sync.
        isr:                       Option<Vec<i32>>   [0+]  tag 0;
        /// The leader, -1 for none, -2 unchanged.
        leader:                    i32                [0+]  tag 1 = -2;
        /// All replicas.
        replicas:                  Option<Vec<i32>>   [0+]  tag 2;
        /// Those on their way out.
        removing_replicas:         Option<Vec<i32>>   [0+]  tag 3;
        /// Those on their way in.
        adding_replicas:           Option<Vec<i32>>   [0+]  tag 4;
        /// 0 recovered, 1 after an unclean election, -1 unchanged.
        leader_recovery_state:     i8                 [0+]  tag 5 = -1;
        /// Out of sync, yet with all that is committed (KIP-966).
        eligible_leader_replicas:  Option<Vec<i32>>   [2+]  tag 6;
        /// The last of those when there was none left.
        last_known_elr:            Option<Vec<i32>>   [2+]  tag 7;
        /// The log directory of each replica.
        directories:               Option<Vec<Uuid>>  [1+]  tag 8;
    }
}

message! {
    /// A property was set or deleted.
    ConfigRecord<'a> versions [0] flexible [0+] {
        /// 2 topic, 4 broker, 16 client metrics, 32 group.
        resource_type:  i8               [0+];
        /// Its name; of a broker its id, empty for the cluster's defaults.
        resource_name:  Str<'a>          [0+];
        /// The property.
        name:           Str<'a>          [0+];
        /// Its value, null if deleted.
        value:          Option<Str<'a>>  [0+];
    }
}

message! {
    /// Written by early versions only: a broker was fenced.
    FenceBrokerRecord versions [0] flexible [0+] {
        /// The broker.
        id:     i32  [0+];
        /// Its epoch.
        epoch:  i64  [0+];
    }
}

message! {
    /// Written by early versions only: a broker was unfenced.
    UnfenceBrokerRecord versions [0] flexible [0+] {
        /// The broker.
        id:     i32  [0+];
        /// Its epoch.
        epoch:  i64  [0+];
    }
}

message! {
    /// A topic was deleted, with its partitions.
    RemoveTopicRecord versions [0] flexible [0+] {
        /// The topic.
        topic_id:  Uuid  [0+];
    }
}

message! {
    /// A delegation token was made or renewed.
    DelegationTokenRecord<'a> versions [0] flexible [0+] {
        /// Whose it is.
        owner:                 Str<'a>       [0+];
        /// Who asked for it.
        requester:             Str<'a>       [0+];
        /// Who may renew it.
        renewers:              Vec<Str<'a>>  [0+];
        /// When it was made.
        issue_timestamp:       i64           [0+];
        /// Until when it can be renewed.
        max_timestamp:         i64           [0+];
        /// Until when it holds.
        expiration_timestamp:  i64           [0+];
        /// The token's id.
        token_id:              Str<'a>       [0+];
    }
}

message! {
    /// A SCRAM credential was set.
    UserScramCredentialRecord<'a> versions [0] flexible [0+] {
        /// The user.
        name:        Str<'a>     [0+];
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism:   i8          [0+];
        /// The salt.
        salt:        Octets<'a>  [0+];
        /// By which the broker knows the client.
        stored_key:  Octets<'a>  [0+];
        /// By which the client knows the broker.
        server_key:  Octets<'a>  [0+];
        /// How often the password was hashed.
        iterations:  i32         [0+];
    }
}

message! {
    /// A feature was finalized.
    FeatureLevelRecord<'a> versions [0] flexible [0+] {
        /// The feature.
        name:           Str<'a>  [0+];
        /// Its level, 0 to switch it off.
        feature_level:  i16      [0+];
    }
}

message! {
    /// A quota was set or removed.
    ClientQuotaRecord<'a> versions [0] flexible [0+] {
        /// For whom.
        entity:  Vec<ClientQuotaRecordEntity<'a>>  [0+];
        /// Which quota.
        key:     Str<'a>                           [0+];
        /// Its value.
        value:   f64                               [0+];
        /// Whether it was removed.
        remove:  bool                              [0+];
    }

    /// A part of the description for whom a quota is.
    struct ClientQuotaRecordEntity<'a> {
        /// `user`, `client-id` or `ip`.
        entity_type:  Str<'a>          [0+];
        /// The name, null for all that have no quota of their own.
        entity_name:  Option<Str<'a>>  [0+];
    }
}

message! {
    /// A block of producer ids was given out.
    ProducerIdsRecord versions [0] flexible [0+] {
        /// To which broker.
        broker_id:         i32  [0+];
        /// Its epoch.
        broker_epoch:      i64  [0+]  = -1;
        /// The first id behind the block.
        next_producer_id:  i64  [0+];
    }
}

message! {
    /// A broker was fenced, unfenced, or begins its shutdown.
    BrokerRegistrationChangeRecord versions [0-2] flexible [0+] {
        /// The broker.
        broker_id:               i32        [0+];
        /// Its epoch.
        broker_epoch:            i64        [0+];
        /// 1 fenced, -1 unfenced, 0 unchanged.
        fenced:                  i8         [0+]  tag 0;
        /// 1 shutting down, 0 unchanged.
        in_controlled_shutdown:  i8         [1+]  tag 1;
        /// Its log directories, empty if unchanged.
        log_dirs:                Vec<Uuid>  [2+]  tag 2;
    }
}

message! {
    /// An ACL was added.
    AccessControlEntryRecord<'a> versions [0] flexible [0+] {
        /// The entry's own id.
        id:               Uuid     [0+];
        /// The kind of resource.
        resource_type:    i8       [0+];
        /// Its name or prefix.
        resource_name:    Str<'a>  [0+];
        /// 3 literal, 4 prefixed.
        pattern_type:     i8       [0+];
        /// Who.
        principal:        Str<'a>  [0+];
        /// From where.
        host:             Str<'a>  [0+];
        /// Doing what.
        operation:        i8       [0+];
        /// 2 denied, 3 allowed.
        permission_type:  i8       [0+];
    }
}

message! {
    /// An ACL was removed.
    RemoveAccessControlEntryRecord versions [0] flexible [0+] {
        /// The entry's id.
        id:  Uuid  [0+];
    }
}

message! {
    /// The controller is alive.
    NoOpRecord versions [0] flexible [0+] {}
}

message! {
    /// How far a migration from ZooKeeper has come.
    ZkMigrationStateRecord versions [0] flexible [0+] {
        /// 0 none, 1 before, 2 during, 3 after the migration, 4 never needed.
        zk_migration_state:  i8  [0+];
    }
}

message! {
    /// A SCRAM credential was removed.
    RemoveUserScramCredentialRecord<'a> versions [0] flexible [0+] {
        /// The user.
        name:       Str<'a>  [0+];
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism:  i8       [0+];
    }
}

message! {
    /// What follows counts only when the transaction ends.
    BeginTransactionRecord<'a> versions [0] flexible [0+] {
        /// What it is about.
        name:  Option<Str<'a>>  [0+]  tag 0;
    }
}

message! {
    /// The open transaction counts.
    EndTransactionRecord versions [0] flexible [0+] {}
}

message! {
    /// The open transaction does not count.
    AbortTransactionRecord<'a> versions [0] flexible [0+] {
        /// Why.
        reason:  Option<Str<'a>>  [0+]  tag 0;
    }
}

message! {
    /// A delegation token was removed.
    RemoveDelegationTokenRecord<'a> versions [0] flexible [0+] {
        /// The token's id.
        token_id:  Str<'a>  [0+];
    }
}

message! {
    /// A controller has registered.
    RegisterControllerRecord<'a> versions [0] flexible [0+] {
        /// The controller.
        controller_id:       i32                          [0+];
        /// Its process.
        incarnation_id:      Uuid                         [0+];
        /// Whether it can migrate from ZooKeeper.
        zk_migration_ready:  bool                         [0+];
        /// Where it listens.
        end_points:          Vec<RegisteredEndpoint<'a>>  [0+];
        /// The features it supports.
        features:            Vec<RegisteredFeature<'a>>   [0+];
    }
}

message! {
    /// The eligible leader replicas of a topic, or of all, are forgotten.
    ClearElrRecord<'a> versions [0] flexible [0+] {
        /// The topic, empty for all.
        topic_name:  Str<'a>  [0+];
    }
}

/// The type and version of the record that follows.
fn read_frame(reader: &mut Reader<'_>) -> Result<(u32, i16), DecodeError> {
    let place = |error: DecodeError| error.at("MetadataRecord", "frame").of("MetadataRecord");
    let frame = reader.uvarint().map_err(place)?;
    if frame != FRAME_VERSION {
        return Err(frame_error(reader, Problem::FrameVersion(frame)));
    }
    let kind = reader.uvarint().map_err(place)?;
    let version = reader.uvarint().map_err(place)?;
    Ok((kind, i16::try_from(version).unwrap_or(i16::MAX)))
}

fn frame_error(reader: &Reader<'_>, problem: Problem) -> DecodeError {
    reader
        .error(problem)
        .at("MetadataRecord", "frame")
        .of("MetadataRecord")
}
