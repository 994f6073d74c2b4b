//! Between a consumer group's own data and the records of `__consumer_offsets`.

use super::member::{ClassicProfile, Current, Profile, State};
use super::regexes::Resolved;
use crate::group::call::Protocol;
use crate::group::classic::distinct;
use crate::group::coordinator::{Fault, Record};
use crate::group::partitions::Partitions;
use crate::group::records::encode;
use crate::types::{PartitionIndex, Timestamp};
use crate::wire::{
    ClassicMemberMetadata, ClassicMemberProtocol, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupKey, ConsumerGroupMemberKey, ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataValue, ConsumerGroupRecordTopic, ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataValue, GroupRecord,
};
use bytes::Bytes;
use std::sync::Arc;

/// What a record says of a consumer group; none where it says that something is no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) enum ConsumerEntry {
    /// The group's epoch; none: the group is gone.
    Epoch(Option<GroupEpoch>),
    /// Whether there is a record of topics, as Kafka wrote them before 4.1. It is only taken back.
    PartitionMetadata(bool),
    /// What a member has said of itself; none: it is gone.
    Member(Arc<str>, Option<Profile>),
    /// The epoch for which the target was computed.
    TargetEpoch(Option<i32>),
    /// What a member is to have.
    Target(Arc<str>, Option<Partitions>),
    /// What a member has.
    Current(Arc<str>, Option<Current>),
    /// What a regular expression stands for.
    Regex(Arc<str>, Option<Resolved>),
}

impl ConsumerEntry {
    /// Whether it takes something back.
    pub(in crate::group) fn is_tombstone(&self) -> bool {
        match self {
            ConsumerEntry::Epoch(value) => value.is_none(),
            ConsumerEntry::PartitionMetadata(there) => !there,
            ConsumerEntry::Member(_, value) => value.is_none(),
            ConsumerEntry::TargetEpoch(value) => value.is_none(),
            ConsumerEntry::Target(_, value) => value.is_none(),
            ConsumerEntry::Current(_, value) => value.is_none(),
            ConsumerEntry::Regex(_, value) => value.is_none(),
        }
    }
}

/// The epoch of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::group) struct GroupEpoch {
    pub(in crate::group) epoch: i32,
    /// Of its topics.
    pub(in crate::group) hash: i64,
}

/// The record of that, unless something in it is too long for its format.
pub(in crate::group) fn record(group: &str, entry: &ConsumerEntry) -> Option<Record> {
    let group_key = || ConsumerGroupKey {
        group_id: group.into(),
    };
    let member_key = |member: &str| ConsumerGroupMemberKey {
        group_id: group.to_string().into(),
        member_id: member.to_string().into(),
    };
    match entry {
        ConsumerEntry::Epoch(epoch) => {
            let value = epoch.map(|epoch| ConsumerGroupMetadataValue {
                epoch: epoch.epoch,
                metadata_hash: epoch.hash,
            });
            encode(&GroupRecord::ConsumerGroupMetadata(group_key(), value))
        }
        ConsumerEntry::PartitionMetadata(there) => {
            debug_assert!(!there, "it is only taken back");
            encode(&GroupRecord::ConsumerGroupPartitionMetadata(
                group_key(),
                None,
            ))
        }
        ConsumerEntry::Member(member, profile) => {
            let value = profile.as_ref().map(member_value);
            let key = member_key(member);
            encode(&GroupRecord::ConsumerGroupMemberMetadata(key, value))
        }
        ConsumerEntry::TargetEpoch(epoch) => {
            let value = epoch.map(
                |assignment_epoch| ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch },
            );
            encode(&GroupRecord::ConsumerGroupTargetAssignmentMetadata(
                group_key(),
                value,
            ))
        }
        ConsumerEntry::Target(member, partitions) => {
            let value = partitions.as_ref();
            let value = value.map(|partitions| ConsumerGroupTargetAssignmentMemberValue {
                topic_partitions: written(partitions),
            });
            let key = member_key(member);
            encode(&GroupRecord::ConsumerGroupTargetAssignmentMember(
                key, value,
            ))
        }
        ConsumerEntry::Current(member, current) => {
            let value = current.as_ref();
            let value = value.map(|current| ConsumerGroupCurrentMemberAssignmentValue {
                member_epoch: current.epoch,
                previous_member_epoch: current.previous_epoch,
                state: current.state.code(),
                assigned_partitions: written(&current.assigned),
                partitions_pending_revocation: written(&current.revoking),
            });
            let key = member_key(member);
            encode(&GroupRecord::ConsumerGroupCurrentMemberAssignment(
                key, value,
            ))
        }
        ConsumerEntry::Regex(regex, resolved) => {
            let value = resolved.as_ref();
            let value = value.map(|resolved| ConsumerGroupRegularExpressionValue {
                topics: resolved
                    .topics
                    .iter()
                    .map(|name| (&**name).into())
                    .collect(),
                version: resolved.version,
                timestamp: resolved.timestamp.0,
            });
            let key = ConsumerGroupRegularExpressionKey {
                group_id: group.into(),
                regular_expression: (&**regex).into(),
            };
            encode(&GroupRecord::ConsumerGroupRegularExpression(key, value))
        }
    }
}

fn member_value(profile: &Profile) -> ConsumerGroupMemberMetadataValue<'_> {
    let protocol = |protocol: &Protocol| ClassicMemberProtocol {
        name: protocol.name.clone().into(),
        metadata: protocol.metadata.to_vec().into(),
    };
    let classic = profile.classic.as_ref();
    ConsumerGroupMemberMetadataValue {
        instance_id: profile.instance.as_deref().map(Into::into),
        rack_id: profile.rack.as_deref().map(Into::into),
        client_id: (&*profile.client_id).into(),
        client_host: (&*profile.client_host).into(),
        subscribed_topic_names: profile.topics.iter().map(|name| (&**name).into()).collect(),
        // Kafka writes an empty one for none.
        subscribed_topic_regex: Some(profile.regex.as_deref().unwrap_or_default().into()),
        rebalance_timeout_ms: profile.rebalance_timeout_ms,
        server_assignor: profile.assignor.as_deref().map(Into::into),
        classic_member_metadata: classic.map(|classic| ClassicMemberMetadata {
            session_timeout_ms: classic.session_timeout_ms,
            supported_protocols: classic.protocols.iter().map(protocol).collect(),
        }),
    }
}

fn written(partitions: &Partitions) -> Vec<ConsumerGroupRecordTopic> {
    let topics = partitions.topics().map(|(topic_id, partitions)| {
        let partitions = partitions.iter().map(|index| index.0);
        ConsumerGroupRecordTopic {
            topic_id,
            partitions: partitions.collect(),
        }
    });
    topics.collect()
}

/// Reads a record of a consumer group; none if it is of something else. Returns the group's id, too.
///
/// # Errors
/// When it contradicts itself.
pub(in crate::group) fn entry(
    record: GroupRecord<'_>,
) -> Result<Option<(String, ConsumerEntry)>, Fault> {
    Ok(Some(match record {
        GroupRecord::ConsumerGroupMetadata(key, value) => {
            let epoch = value.map(|value| GroupEpoch {
                epoch: value.epoch,
                hash: value.metadata_hash,
            });
            (key.group_id.into_owned(), ConsumerEntry::Epoch(epoch))
        }
        GroupRecord::ConsumerGroupPartitionMetadata(key, value) => {
            let there = value.is_some();
            let entry = ConsumerEntry::PartitionMetadata(there);
            (key.group_id.into_owned(), entry)
        }
        GroupRecord::ConsumerGroupMemberMetadata(key, value) => {
            let entry = ConsumerEntry::Member((&*key.member_id).into(), value.map(profile));
            (key.group_id.into_owned(), entry)
        }
        GroupRecord::ConsumerGroupTargetAssignmentMetadata(key, value) => {
            let epoch = value.map(|value| value.assignment_epoch);
            let entry = ConsumerEntry::TargetEpoch(epoch);
            (key.group_id.into_owned(), entry)
        }
        GroupRecord::ConsumerGroupTargetAssignmentMember(key, value) => {
            let partitions = value.map(|value| read(value.topic_partitions));
            let entry = ConsumerEntry::Target((&*key.member_id).into(), partitions);
            (key.group_id.into_owned(), entry)
        }
        GroupRecord::ConsumerGroupCurrentMemberAssignment(key, value) => {
            let current = value.map(current).transpose()?;
            let entry = ConsumerEntry::Current((&*key.member_id).into(), current);
            (key.group_id.into_owned(), entry)
        }
        GroupRecord::ConsumerGroupRegularExpression(key, value) => {
            let resolved = value.map(|value| Resolved {
                topics: value.topics.iter().map(|name| (&**name).into()).collect(),
                version: value.version,
                timestamp: Timestamp(value.timestamp),
            });
            let regex = (&*key.regular_expression).into();
            let entry = ConsumerEntry::Regex(regex, resolved);
            (key.group_id.into_owned(), entry)
        }
        GroupRecord::LegacyOffsetCommit(..)
        | GroupRecord::OffsetCommit(..)
        | GroupRecord::GroupMetadata(..) => return Ok(None),
    }))
}

fn profile(value: ConsumerGroupMemberMetadataValue<'_>) -> Profile {
    let regex = value.subscribed_topic_regex.as_deref();
    let topics = value.subscribed_topic_names.iter();
    let classic = value.classic_member_metadata.map(|classic| {
        let protocols = classic.supported_protocols.iter().map(|protocol| Protocol {
            name: protocol.name.to_string(),
            metadata: Bytes::copy_from_slice(&protocol.metadata),
        });
        ClassicProfile {
            session_timeout_ms: classic.session_timeout_ms,
            protocols: distinct(protocols.collect()),
        }
    });
    Profile {
        instance: value.instance_id.as_deref().map(Into::into),
        rack: value.rack_id.as_deref().map(Into::into),
        client_id: (&*value.client_id).into(),
        client_host: (&*value.client_host).into(),
        topics: topics.map(|name| (&**name).into()).collect(),
        regex: regex.filter(|regex| !regex.is_empty()).map(Into::into),
        rebalance_timeout_ms: value.rebalance_timeout_ms,
        assignor: value.server_assignor.as_deref().map(Into::into),
        classic,
    }
}

fn current(value: ConsumerGroupCurrentMemberAssignmentValue) -> Result<Current, Fault> {
    let assigned = read(value.assigned_partitions);
    let revoking = read(value.partitions_pending_revocation);
    if assigned.overlap(&revoking) {
        let why = "a member of a consumer group is to give up what it is to use";
        return Err(Fault::Malformed(why.to_string()));
    }
    Ok(Current {
        epoch: value.member_epoch,
        previous_epoch: value.previous_member_epoch,
        state: State::from_code(value.state),
        assigned,
        revoking,
    })
}

fn read(topics: Vec<ConsumerGroupRecordTopic>) -> Partitions {
    Partitions::of(topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(PartitionIndex);
        (topic.topic_id, partitions.collect())
    }))
}
