//! Between the room's own data and the records of `__consumer_offsets`. What is written is what Kafka
//! 4.2 writes; what is read is whatever Kafka has written so far.

use super::consumer::{self, ConsumerEntry};
use super::coordinator::{Fault, Record};
use super::offsets::Committed;
use crate::types::{LeaderEpoch, Offset, PartitionIndex, Timestamp};
use crate::wire::{
    GroupLogRecord, GroupMetadataKey, GroupMetadataMember, GroupMetadataValue, GroupRecord,
    OffsetCommitKey, OffsetCommitValue,
};
use bytes::Bytes;
use std::sync::Arc;

/// The type of a classic group's record.
const CLASSIC_GROUP: i16 = 2;

/// What a record of the log says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) enum Entry {
    /// What was committed for a partition; none: nothing any more.
    Offset {
        group: String,
        topic: String,
        partition: PartitionIndex,
        committed: Option<Committed>,
    },
    /// A classic group; none: it is gone.
    Group {
        group: String,
        stored: Option<StoredGroup>,
    },
    /// Something of a consumer group.
    Consumer { group: String, entry: ConsumerEntry },
}

/// A classic group, as far as it is durable: stable, or without members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) struct StoredGroup {
    pub(in crate::group) protocol_type: Option<Arc<str>>,
    pub(in crate::group) protocol_name: Option<Arc<str>>,
    pub(in crate::group) generation: i32,
    pub(in crate::group) leader: Option<Arc<str>>,
    /// Since when it is stable or empty, if that is known.
    pub(in crate::group) since: Timestamp,
    pub(in crate::group) members: Vec<StoredMember>,
}

/// A member, as far as it is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) struct StoredMember {
    pub(in crate::group) id: Arc<str>,
    pub(in crate::group) instance: Option<Arc<str>>,
    pub(in crate::group) client_id: Arc<str>,
    pub(in crate::group) client_host: Arc<str>,
    pub(in crate::group) session_timeout_ms: i32,
    pub(in crate::group) rebalance_timeout_ms: i32,
    /// What it said for the protocol chosen.
    pub(in crate::group) subscription: Bytes,
    pub(in crate::group) assignment: Bytes,
}

/// The record of a commit, unless something in it is too long for its format.
pub(in crate::group) fn offset(
    group: &str,
    topic: &str,
    partition: PartitionIndex,
    committed: &Committed,
) -> Option<Record> {
    let value = OffsetCommitValue {
        offset: committed.offset.0,
        leader_epoch: committed.leader_epoch.0,
        metadata: (&*committed.metadata).into(),
        commit_timestamp: committed.committed.0,
        expire_timestamp: committed.expires.0,
        topic_id: committed.topic_id,
    };
    let key = offset_key(group, topic, partition);
    encode(&GroupRecord::OffsetCommit(key, Some(value)))
}

/// The record that takes a commit back.
pub(in crate::group) fn no_offset(
    group: &str,
    topic: &str,
    partition: PartitionIndex,
) -> Option<Record> {
    encode(&GroupRecord::OffsetCommit(
        offset_key(group, topic, partition),
        None,
    ))
}

/// The record of a classic group, unless something in it is too long for its format.
pub(in crate::group) fn group(group: &str, stored: &StoredGroup) -> Option<Record> {
    let members = stored.members.iter().map(|member| GroupMetadataMember {
        member_id: (&*member.id).into(),
        group_instance_id: member.instance.as_deref().map(Into::into),
        client_id: (&*member.client_id).into(),
        client_host: (&*member.client_host).into(),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: (&member.subscription[..]).into(),
        assignment: (&member.assignment[..]).into(),
    });
    let value = GroupMetadataValue {
        protocol_type: stored.protocol_type.as_deref().unwrap_or_default().into(),
        generation: stored.generation,
        protocol: stored.protocol_name.as_deref().map(Into::into),
        leader: stored.leader.as_deref().map(Into::into),
        current_state_timestamp: stored.since.0,
        members: members.collect(),
    };
    let key = GroupMetadataKey {
        group_id: group.into(),
    };
    encode(&GroupRecord::GroupMetadata(key, Some(value)))
}

/// The record that says that a classic group is gone.
pub(in crate::group) fn no_group(group: &str) -> Option<Record> {
    let key = GroupMetadataKey {
        group_id: group.into(),
    };
    encode(&GroupRecord::GroupMetadata(key, None))
}

fn offset_key<'a>(
    group: &'a str,
    topic: &'a str,
    partition: PartitionIndex,
) -> OffsetCommitKey<'a> {
    OffsetCommitKey {
        group_id: group.into(),
        topic: topic.into(),
        partition: partition.0,
    }
}

/// The records of a consumer group that say so, unless something in them is too long for its format.
pub(in crate::group) fn consumer(group: &str, entries: &[ConsumerEntry]) -> Option<Vec<Record>> {
    let records = entries.iter().map(|entry| consumer::record(group, entry));
    records.collect()
}

pub(in crate::group) fn encode(record: &GroupRecord<'_>) -> Option<Record> {
    let (key, value) = record.encode().ok()?;
    Some(Record {
        key: key.into(),
        value: value.map(Into::into),
    })
}

/// Whether a record tells of a classic group that is there.
pub(in crate::group) fn tells_group(record: &Record) -> bool {
    record.key.starts_with(&CLASSIC_GROUP.to_be_bytes()) && record.value.is_some()
}

/// Reads a record of the log.
///
/// # Errors
/// When it is damaged, contradicts itself, or is of a type that is not served here.
pub(in crate::group) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Entry, Fault> {
    let record = GroupRecord::decode(key, value);
    match record.map_err(|error| Fault::Malformed(error.to_string()))? {
        GroupLogRecord::Known(GroupRecord::OffsetCommit(key, value)) => Ok(Entry::Offset {
            group: key.group_id.into_owned(),
            topic: key.topic.into_owned(),
            partition: PartitionIndex(key.partition),
            committed: value.map(|value| Committed {
                offset: Offset(value.offset),
                leader_epoch: LeaderEpoch(value.leader_epoch),
                metadata: (&*value.metadata).into(),
                committed: Timestamp(value.commit_timestamp),
                expires: Timestamp(value.expire_timestamp),
                topic_id: value.topic_id,
            }),
        }),
        GroupLogRecord::Known(GroupRecord::LegacyOffsetCommit(key, value)) => Ok(Entry::Offset {
            group: key.group_id.into_owned(),
            topic: key.topic.into_owned(),
            partition: PartitionIndex(key.partition),
            committed: value.map(|value| Committed {
                offset: Offset(value.offset),
                leader_epoch: LeaderEpoch::UNKNOWN,
                metadata: (&*value.metadata).into(),
                committed: Timestamp(value.commit_timestamp),
                expires: Timestamp::NONE,
                topic_id: Default::default(),
            }),
        }),
        GroupLogRecord::Known(GroupRecord::GroupMetadata(key, value)) => Ok(Entry::Group {
            group: key.group_id.into_owned(),
            stored: value.map(stored).transpose()?,
        }),
        GroupLogRecord::Known(record) => match consumer::entry(record)? {
            Some((group, entry)) => Ok(Entry::Consumer { group, entry }),
            None => unreachable!("a record of another kind is read above"),
        },
        GroupLogRecord::Unknown(kind) => Err(Fault::NotServed(format!("type {kind}"))),
    }
}

fn stored(value: GroupMetadataValue<'_>) -> Result<StoredGroup, Fault> {
    let protocol_type = Some(&*value.protocol_type).filter(|name| !name.is_empty());
    if !value.members.is_empty() && (protocol_type.is_none() || value.protocol.is_none()) {
        let why = "a classic group has members, but no protocol";
        return Err(Fault::Malformed(why.to_string()));
    }
    let mut members: Vec<StoredMember> = Vec::with_capacity(value.members.len());
    for member in &value.members {
        let rebalance_timeout_ms = match member.rebalance_timeout {
            -1 => member.session_timeout,
            timeout_ms => timeout_ms,
        };
        members.push(StoredMember {
            id: (&*member.member_id).into(),
            instance: member.group_instance_id.as_deref().map(Into::into),
            client_id: (&*member.client_id).into(),
            client_host: (&*member.client_host).into(),
            session_timeout_ms: member.session_timeout,
            rebalance_timeout_ms,
            subscription: Bytes::copy_from_slice(&member.subscription),
            assignment: Bytes::copy_from_slice(&member.assignment),
        });
    }
    check_distinct(members.iter().map(|member| &*member.id))?;
    check_distinct(
        members
            .iter()
            .filter_map(|member| member.instance.as_deref()),
    )?;
    Ok(StoredGroup {
        protocol_type: protocol_type.map(Into::into),
        protocol_name: value.protocol.as_deref().map(Into::into),
        generation: value.generation,
        leader: value.leader.as_deref().map(Into::into),
        since: Timestamp(value.current_state_timestamp),
        members,
    })
}

fn check_distinct<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            let why = format!("a classic group has two members called {name}");
            return Err(Fault::Malformed(why));
        }
    }
    Ok(())
}
