//! The records of `__consumer_offsets`: groups, their members and what they have committed.
//!
//! A record's key is an int16 type, then a body that is flexible in none of them. Its value is an int16
//! version, then a body in that version; no value at all is a tombstone, which takes back what the
//! record of that key said. Behind a body nothing is looked at, as in Kafka.
//!
//! Types 0 to 2 are those of classic groups (and of the offsets of all groups), 3 to 8 and 16 those of
//! groups that the broker assigns (KIP-848). The others are of share and streams groups, or newer than
//! this; Kafka passes over a type that it does not know, and so may a reader here. A version that it
//! does not know keeps Kafka from loading the group, and is an error here.
//!
//! Written is what Kafka 4.2 writes (its `GroupCoordinatorRecordHelpers`): `GroupMetadata` in version 3,
//! `OffsetCommit` in version 4, in version 1 if it says when it expires, everything else in version 0.

use super::error::{DecodeError, EncodeError, Problem};
use super::message::*;
use super::{Message, Octets, Reader, Str, Writer};
use crate::types::Uuid;
use bytes::BytesMut;

/// A record of `__consumer_offsets`, as far as its type is known.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // it is taken apart where it is read, and nearly always known
pub enum GroupLogRecord<'a> {
    /// A record of a type in the table.
    Known(GroupRecord<'a>),
    /// A record of another type, which a reader may pass over.
    Unknown(i16),
}

macro_rules! group_records {
    ($(
        $(#[$meta:meta])*
        $type:literal $variant:ident($key:ident, $value:ident $(<$life:lifetime>)?);
    )*) => {
        /// A record of `__consumer_offsets`: its key, and its value unless it is a tombstone.
        #[derive(Clone, Debug, PartialEq)]
        pub enum GroupRecord<'a> {
            $($(#[$meta])* $variant($key<'a>, Option<$value $(<$life>)?>),)*
        }

        impl<'a> GroupRecord<'a> {
            /// The type of the record.
            pub fn record_type(&self) -> i16 {
                match self {
                    $(GroupRecord::$variant(..) => $type,)*
                }
            }

            /// Whether the record takes back what an earlier one of its key said.
            pub fn is_tombstone(&self) -> bool {
                match self {
                    $(GroupRecord::$variant(_, value) => value.is_none(),)*
                }
            }

            /// Reads a record.
            ///
            /// # Errors
            /// When the bytes are malformed, or the version of the value is unknown.
            pub fn decode(
                key: &'a [u8],
                value: Option<&'a [u8]>,
            ) -> Result<GroupLogRecord<'a>, DecodeError> {
                let mut key = Reader::new([key]);
                let mut value = value.map(|value| Reader::new([value]));
                Ok(GroupLogRecord::Known(match key.int16().map_err(in_key)? {
                    $($type => GroupRecord::$variant(
                        $key::decode(&mut key, 0)?,
                        value.as_mut().map(decode_value).transpose()?,
                    ),)*
                    unknown => return Ok(GroupLogRecord::Unknown(unknown)),
                }))
            }

            /// Writes the key, and the value unless the record is a tombstone.
            ///
            /// # Errors
            /// When a string, array or piece of bytes is longer than its length can say.
            pub fn encode(&self) -> Result<(BytesMut, Option<BytesMut>), EncodeError> {
                let version = self.value_version();
                match self {
                    $(GroupRecord::$variant(key, value) => Ok((
                        prefixed($type, key, 0)?,
                        value
                            .as_ref()
                            .map(|value| prefixed(version, value, version))
                            .transpose()?,
                    )),)*
                }
            }
        }
    };
}

group_records! {
    /// An offset that was committed, as Kafka wrote it before 0.9.
    0  LegacyOffsetCommit(OffsetCommitKey, LegacyOffsetCommitValue<'a>);
    /// An offset that was committed.
    1  OffsetCommit(OffsetCommitKey, OffsetCommitValue<'a>);
    /// A classic group and its members.
    2  GroupMetadata(GroupMetadataKey, GroupMetadataValue<'a>);
    /// The epoch of a group.
    3  ConsumerGroupMetadata(ConsumerGroupKey, ConsumerGroupMetadataValue);
    /// Written before Kafka 4.1 only: the topics that a group is subscribed to. Since, it is taken back
    /// where it is found.
    4  ConsumerGroupPartitionMetadata(ConsumerGroupKey, ConsumerGroupPartitionMetadataValue<'a>);
    /// What a member of a group wants.
    5  ConsumerGroupMemberMetadata(ConsumerGroupMemberKey, ConsumerGroupMemberMetadataValue<'a>);
    /// For which epoch of the group the partitions were last assigned.
    6  ConsumerGroupTargetAssignmentMetadata(ConsumerGroupKey, ConsumerGroupTargetAssignmentMetadataValue);
    /// The partitions that a member is to have.
    7  ConsumerGroupTargetAssignmentMember(ConsumerGroupMemberKey, ConsumerGroupTargetAssignmentMemberValue);
    /// The partitions that a member has, and its epoch.
    8  ConsumerGroupCurrentMemberAssignment(ConsumerGroupMemberKey, ConsumerGroupCurrentMemberAssignmentValue);
    /// The topics that a regular expression stands for.
    16 ConsumerGroupRegularExpression(ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue<'a>);
}

impl GroupRecord<'_> {
    /// The version in which the record's value is written.
    pub fn value_version(&self) -> i16 {
        match self {
            GroupRecord::OffsetCommit(_, Some(value)) if value.expire_timestamp != -1 => 1,
            GroupRecord::OffsetCommit(..) => 4,
            GroupRecord::GroupMetadata(..) => 3,
            _ => 0,
        }
    }
}

message! {
    /// The key of a committed offset.
    OffsetCommitKey<'a> versions [0] flexible [none] {
        /// The group.
        group_id:   Str<'a>  [0+];
        /// The topic.
        topic:      Str<'a>  [0+];
        /// The partition.
        partition:  i32      [0+];
    }
}

message! {
    /// A committed offset in a record of type 0.
    LegacyOffsetCommitValue<'a> versions [0] flexible [none] {
        /// The next offset to read.
        offset:            i64      [0+];
        /// What the client left with it.
        metadata:          Str<'a>  [0+];
        /// When it was committed, milliseconds.
        commit_timestamp:  i64      [0+];
    }
}

message! {
    /// A committed offset.
    OffsetCommitValue<'a> versions [0-4] flexible [4+] {
        /// The next offset to read.
        offset:            i64      [0+];
        /// The leader epoch of the last record read, -1 if none.
        leader_epoch:      i32      [3+]  = -1, ignorable;
        /// What the client left with it.
        metadata:          Str<'a>  [0+];
        /// When it was committed, milliseconds.
        commit_timestamp:  i64      [0+];
        /// When it may be forgotten, milliseconds; -1 to go by the broker's setting.
        expire_timestamp:  i64      [1]   = -1, ignorable;
        /// The topic, zero if its id was not known.
        topic_id:          Uuid     [4+]  tag 0, ignorable;
    }
}

message! {
    /// The key of a classic group.
    GroupMetadataKey<'a> versions [0] flexible [none] {
        /// The group.
        group_id:  Str<'a>  [0+];
    }
}

message! {
    /// A classic group after a rebalance, or without members.
    GroupMetadataValue<'a> versions [0-4] flexible [4+] {
        /// What the group is for, empty without members.
        protocol_type:            Str<'a>                       [0+];
        /// The generation.
        generation:               i32                           [0+];
        /// The protocol chosen.
        protocol:                 Option<Str<'a>>               [0+];
        /// The member that assigns.
        leader:                   Option<Str<'a>>               [0+];
        /// Since when the group is in its state, milliseconds, -1 if unknown.
        current_state_timestamp:  i64                           [2+]  = -1, ignorable;
        /// The members.
        members:                  Vec<GroupMetadataMember<'a>>  [0+];
    }

    /// A member of a classic group.
    struct GroupMetadataMember<'a> {
        /// The member.
        member_id:          Str<'a>          [0+];
        /// Its `group.instance.id`, null for a dynamic member.
        group_instance_id:  Option<Str<'a>>  [3+], ignorable;
        /// Its client id.
        client_id:          Str<'a>          [0+];
        /// Where it comes from.
        client_host:        Str<'a>          [0+];
        /// How long a rebalance waits for it, milliseconds; -1, as in version 0, for the session timeout.
        rebalance_timeout:  i32              [1+]  = -1, ignorable;
        /// Without a heartbeat for so long it is taken for dead, milliseconds.
        session_timeout:    i32              [0+];
        /// What it said of itself for the protocol chosen.
        subscription:       Octets<'a>       [0+];
        /// Its part.
        assignment:         Octets<'a>       [0+];
    }
}

message! {
    /// The key of what concerns a group as a whole.
    ConsumerGroupKey<'a> versions [0] flexible [none] {
        /// The group.
        group_id:  Str<'a>  [0+];
    }
}

message! {
    /// The key of what concerns a member.
    ConsumerGroupMemberKey<'a> versions [0] flexible [none] {
        /// The group.
        group_id:   Str<'a>  [0+];
        /// The member.
        member_id:  Str<'a>  [0+];
    }
}

message! {
    /// The epoch of a group.
    ConsumerGroupMetadataValue versions [0] flexible [0+] {
        /// The epoch.
        epoch:          i32  [0+];
        /// A hash of the topics that it is subscribed to, 0 if it was not computed (KIP-1101).
        metadata_hash:  i64  [0+]  tag 0;
    }
}

message! {
    /// The topics that a group is subscribed to.
    ConsumerGroupPartitionMetadataValue<'a> versions [0] flexible [0+] {
        /// The topics.
        topics:  Vec<ConsumerGroupSubscribedTopic<'a>>  [0+];
    }

    /// A topic.
    struct ConsumerGroupSubscribedTopic<'a> {
        /// The id.
        topic_id:            Uuid                                  [0+];
        /// The name.
        topic_name:          Str<'a>                               [0+];
        /// How many partitions it has.
        num_partitions:      i32                                   [0+];
        /// Its partitions, or none if no rack is known.
        partition_metadata:  Vec<ConsumerGroupPartitionRacks<'a>>  [0+];
    }

    /// Where the replicas of a partition are.
    struct ConsumerGroupPartitionRacks<'a> {
        /// The partition.
        partition:  i32           [0+];
        /// The racks.
        racks:      Vec<Str<'a>>  [0+];
    }
}

message! {
    /// What a member wants.
    ConsumerGroupMemberMetadataValue<'a> versions [0] flexible [0+] {
        /// Its `group.instance.id`, null for a dynamic member.
        instance_id:              Option<Str<'a>>                    [0+];
        /// Its rack.
        rack_id:                  Option<Str<'a>>                    [0+];
        /// Its client id.
        client_id:                Str<'a>                            [0+];
        /// Where it comes from.
        client_host:              Str<'a>                            [0+];
        /// The topics it wants by name.
        subscribed_topic_names:   Vec<Str<'a>>                       [0+];
        /// The topics it wants by a regular expression.
        subscribed_topic_regex:   Option<Str<'a>>                    [0+];
        /// How long a rebalance waits for it to give up partitions, -1 if it did not say.
        rebalance_timeout_ms:     i32                                [0+]  = -1;
        /// The assignor it wants.
        server_assignor:          Option<Str<'a>>                    [0+];
        /// What a member that speaks the classic protocol said, null for one that does not.
        classic_member_metadata:  Option<ClassicMemberMetadata<'a>>  [0+]  tag 0;
    }

    /// What a member that speaks the classic protocol said.
    struct ClassicMemberMetadata<'a> {
        /// Without a heartbeat for so long it is taken for dead.
        session_timeout_ms:   i32                             [0+];
        /// The protocols that it speaks.
        supported_protocols:  Vec<ClassicMemberProtocol<'a>>  [0+];
    }

    /// A protocol.
    struct ClassicMemberProtocol<'a> {
        /// The name.
        name:      Str<'a>     [0+];
        /// What the member said of itself.
        metadata:  Octets<'a>  [0+];
    }
}

message! {
    /// For which epoch the partitions were last assigned.
    ConsumerGroupTargetAssignmentMetadataValue versions [0] flexible [0+] {
        /// The epoch of the group.
        assignment_epoch:  i32  [0+];
    }
}

message! {
    /// The partitions that a member is to have.
    ConsumerGroupTargetAssignmentMemberValue versions [0] flexible [0+] {
        /// The partitions.
        topic_partitions:  Vec<ConsumerGroupRecordTopic>  [0+];
    }

    /// Partitions of a topic.
    struct ConsumerGroupRecordTopic {
        /// The topic.
        topic_id:    Uuid      [0+];
        /// The partitions.
        partitions:  Vec<i32>  [0+];
    }
}

message! {
    /// The partitions that a member has.
    ConsumerGroupCurrentMemberAssignmentValue versions [0] flexible [0+] {
        /// Its epoch.
        member_epoch:                   i32                            [0+];
        /// The epoch before, by which it comes back if it has not heard of the new one.
        previous_member_epoch:          i32                            [0+];
        /// 0 stable, 1 it has yet to give up partitions, 2 others have yet to give up its partitions.
        state:                          i8                             [0+];
        /// The partitions that it has.
        assigned_partitions:            Vec<ConsumerGroupRecordTopic>  [0+];
        /// The partitions that it has yet to give up.
        partitions_pending_revocation:  Vec<ConsumerGroupRecordTopic>  [0+];
    }
}

message! {
    /// The key of a regular expression that members of a group use.
    ConsumerGroupRegularExpressionKey<'a> versions [0] flexible [none] {
        /// The group.
        group_id:            Str<'a>  [0+];
        /// The expression.
        regular_expression:  Str<'a>  [0+];
    }
}

message! {
    /// The topics that a regular expression stands for.
    ConsumerGroupRegularExpressionValue<'a> versions [0] flexible [0+] {
        /// Their names.
        topics:     Vec<Str<'a>>  [0+];
        /// The version of the metadata in which they were looked up.
        version:    i64           [0+];
        /// When they were, milliseconds.
        timestamp:  i64           [0+];
    }
}

/// Reads a value: its version, then its body.
fn decode_value<'a, V: Message<'a>>(value: &mut Reader<'a>) -> Result<V, DecodeError> {
    let place = |error: DecodeError| error.at(V::NAME, "version").of(V::NAME);
    let version = value.int16().map_err(place)?;
    if !V::VERSIONS.contain(version) {
        return Err(place(value.error(Problem::Version(version))));
    }
    V::decode(value, version)
}

/// Writes a key or a value: its type or version, then its body.
fn prefixed<'a, M: Message<'a>>(
    prefix: i16,
    body: &M,
    version: i16,
) -> Result<BytesMut, EncodeError> {
    let mut writer = Writer::new();
    writer.int16(prefix);
    body.encode(&mut writer, version)?;
    Ok(writer.finish().0)
}

fn in_key(error: DecodeError) -> DecodeError {
    error.at("GroupRecord", "key").of("GroupRecord")
}
