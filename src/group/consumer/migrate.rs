//! A classic group of consumers becomes a consumer group when a member that speaks the new protocol
//! joins, and a classic group again when the last of them goes. Members that speak the classic protocol
//! stay throughout, with what they have.

use super::classic::{assignment, partitions};
use super::heartbeat::View;
use super::member::{ClassicProfile, Current, Profile, State};
use super::{Consumer, ConsumerEntry, GroupEpoch, Refusal};
use crate::group::classic::{self, Classic};
use crate::group::config::GroupConfig;
use crate::group::partitions::Partitions;
use crate::group::timers::Numbers;
use crate::metadata::Image;
use crate::types::Timestamp;
use crate::wire::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, ErrorCode};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The consumer group that the members of a classic group make: each has what its leader has given it.
/// Where the leader has given a partition to two, the first has it.
///
/// # Errors
/// When the group may not change, or its members say what cannot be understood: for a member that speaks
/// the new protocol there is no such group then.
pub(super) fn upgrade(group: &Classic, view: &mut View<'_>) -> Result<Consumer, Refusal> {
    check_upgrade(group, view.config)?;
    let mut numbers = Numbers::default();
    let mut consumer = Consumer::default();
    let mut taken = Partitions::new();
    let protocol = group.protocol_in_use();
    let mut currents = Vec::new();
    for (_, member) in group.roster().iter() {
        let given = read_assignment(&member.assignment, view.image)?.without(&taken);
        taken = taken.or(&given);
        let metadata = member.metadata(protocol);
        let metadata = match member.protocols.first() {
            Some(first) if metadata.is_empty() => first.metadata.clone(),
            _ => metadata,
        };
        let profile = profile(member, &metadata)?;
        let current = Current {
            epoch: group.generation(),
            previous_epoch: group.generation(),
            state: State::Stable,
            assigned: given.clone(),
            revoking: Partitions::new(),
        };
        for entry in [
            ConsumerEntry::Member(member.id.clone(), Some(profile)),
            ConsumerEntry::Target(member.id.clone(), Some(given)),
        ] {
            consumer.apply(entry, &mut numbers);
        }
        currents.push(ConsumerEntry::Current(member.id.clone(), Some(current)));
    }
    let epoch = GroupEpoch {
        epoch: group.generation(),
        hash: consumer.hash(view.hashes, view.image),
    };
    consumer.apply(ConsumerEntry::Epoch(Some(epoch)), &mut numbers);
    let target_epoch = ConsumerEntry::TargetEpoch(Some(group.generation()));
    consumer.apply(target_epoch, &mut numbers);
    for current in currents {
        consumer.apply(current, &mut numbers);
    }
    Ok(consumer)
}

fn check_upgrade(group: &Classic, config: &GroupConfig) -> Result<(), Refusal> {
    let refuse = |why: &str| {
        let message =
            format!("The group is a classic one and cannot become a consumer group: {why}.");
        Err(Refusal::new(ErrorCode::GROUP_ID_NOT_FOUND, message))
    };
    let size_max = usize::try_from(config.consumer_size_max).unwrap_or(0);
    if !config.migration.upgrades() {
        refuse("groups do not migrate that way here")
    } else if !group.is_of_consumers() {
        refuse("its members are not consumers")
    } else if group.roster().len() > size_max {
        refuse("it has too many members")
    } else {
        Ok(())
    }
}

fn not_understood(what: &str) -> Refusal {
    let message = format!("The group is a classic one, and {what} cannot be understood.");
    Refusal::new(ErrorCode::GROUP_ID_NOT_FOUND, message)
}

/// What a leader has given a member. User data would be lost, and so may not be there: it is of an
/// assignor of the members' own.
fn read_assignment(bytes: &Bytes, image: &Image) -> Result<Partitions, Refusal> {
    if bytes.is_empty() {
        return Ok(Partitions::new());
    }
    let (assignment, _) = ConsumerProtocolAssignment::from_bytes(bytes)
        .map_err(|_| not_understood("what its leader has assigned"))?;
    match assignment.user_data {
        Some(data) if !data.is_empty() => Err(not_understood(
            "what its leader says besides the assignment",
        )),
        _ => Ok(partitions(&assignment.assigned_partitions, image)),
    }
}

fn profile(member: &classic::Member, metadata: &Bytes) -> Result<Profile, Refusal> {
    let (subscription, _) = ConsumerProtocolSubscription::from_bytes(metadata)
        .map_err(|_| not_understood("what a member wants"))?;
    let topics = subscription.topics.iter();
    Ok(Profile {
        instance: member.instance.clone(),
        rack: subscription.rack_id.as_deref().map(Into::into),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        topics: topics.map(|name| (&**name).into()).collect(),
        regex: None,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        assignor: None,
        classic: Some(ClassicProfile {
            session_timeout_ms: member.session_timeout_ms,
            protocols: member.protocols.clone(),
        }),
    })
}

impl Consumer {
    /// Whether the group is to become a classic one when these members are gone.
    pub(super) fn downgrades_without(
        &self,
        gone: &BTreeSet<Arc<str>>,
        config: &GroupConfig,
    ) -> bool {
        let size_max = usize::try_from(config.size_max).unwrap_or(0);
        let left = self.members.iter().filter(|(id, _)| !gone.contains(*id));
        let left: Option<Vec<&ClassicProfile>> = left
            .map(|(_, member)| member.profile.classic.as_ref())
            .collect();
        let Some(left) = left.filter(|left| !left.is_empty() && left.len() <= size_max) else {
            return false;
        };
        // Who joins has a protocol in common with the others; what a log says may be otherwise.
        let mut names = left[0].protocols.iter().map(|protocol| &protocol.name);
        names.any(|name| left.iter().all(|member| member.supports(name)))
            && config.migration.downgrades()
    }

    /// The classic group that the members make without those that are gone: each has what it was to
    /// have. All of them speak the classic protocol.
    pub(super) fn downgrade(
        &self,
        gone: &BTreeSet<Arc<str>>,
        now: Timestamp,
        image: &Image,
        numbers: &mut Numbers,
    ) -> Classic {
        let mut given: BTreeMap<Arc<str>, Partitions> = BTreeMap::new();
        let mut members = Vec::new();
        for (id, member) in &self.members {
            let Some(classic) = &member.profile.classic else {
                debug_assert!(gone.contains(id), "who is left speaks the classic protocol");
                continue;
            };
            if gone.contains(id) {
                continue;
            }
            let target = self.target.get(id).cloned().unwrap_or_default();
            given.insert(id.clone(), target);
            members.push(classic::Member {
                id: id.clone(),
                instance: member.profile.instance.clone(),
                client_id: member.profile.client_id.clone(),
                client_host: member.profile.client_host.clone(),
                session_timeout_ms: classic.session_timeout_ms,
                rebalance_timeout_ms: member.profile.rebalance_timeout_ms,
                protocols: classic.protocols.clone(),
                assignment: Bytes::new(),
                joining: None,
                syncing: None,
                is_new: false,
            });
        }
        let assign = |member: &classic::Member, protocol: Option<&str>| {
            let metadata = member.metadata(protocol);
            let read = ConsumerProtocolSubscription::from_bytes(&metadata).ok();
            let version = read.map_or(0, |(_, version)| version);
            assignment(&given[&member.id], version, image)
        };
        Classic::from_members(self.epoch, now, members, assign, numbers)
    }
}
