//! Members of a consumer group that speak the classic protocol, while the group migrates. To them it
//! looks as if it were classic: a generation is their epoch, whoever is to do something is told to join
//! again, the answer to the join names no leader, and the sync brings what the broker has assigned.

use super::heartbeat::{Outcome, View};
use super::member::{ClassicProfile, Current, Member, Profile, State};
use super::plan::Plan;
use super::regexes::Change;
use super::{Consumer, Refusal};
use crate::group::call::{Heartbeat, Join, Protocol, Sync};
use crate::group::classic::CONSUMER;
use crate::group::config::Migration;
use crate::group::partitions::Partitions;
use crate::metadata::Image;
use crate::types::PartitionIndex;
use crate::wire::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, ConsumerProtocolTopic, ErrorCode,
};
use bytes::Bytes;
use std::sync::Arc;

/// A join that is taken.
pub(super) struct ClassicJoin<'a> {
    /// The group as it will be.
    pub(super) plan: Plan<'a>,
    pub(super) before: Current,
    pub(super) after: Current,
    pub(super) seen_topics: Option<u64>,
    /// Whether the member has taken the place of the last one that speaks the consumer protocol: the
    /// group is to become a classic one.
    pub(super) is_last_to_change: bool,
    /// Whether what the members want has changed.
    pub(super) topics_changed: bool,
    /// The protocol that the member is told of.
    pub(super) protocol_name: String,
}

impl ClassicJoin<'_> {
    /// For a group that stays a consumer group.
    pub(super) fn outcome(self) -> Outcome {
        Outcome {
            entries: self.plan.finish(),
            before: self.before,
            after: self.after,
            rebalance_timeout_ms: None,
            seen_topics: self.seen_topics,
            lookup: None,
        }
    }
}

impl Consumer {
    /// Whether a member may join by the classic protocol; asked before it is given an id.
    pub(super) fn check_classic_join(
        &self,
        join: &Join,
        id: &str,
        view: &View<'_>,
    ) -> Result<(), Refusal> {
        let inconsistent = |why: &str| {
            let code = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
            Err(Refusal::new(code, why))
        };
        if view.config.migration == Migration::Disabled {
            return inconsistent("Groups do not migrate here.");
        }
        self.check_room(id, view.config)?;
        if join.protocol_type != CONSUMER {
            return inconsistent("The group is one of consumers.");
        }
        let classic_members = self.classic_members().count();
        let all_support = |name: &str| {
            let supports = |member: &&ClassicProfile| member.supports(name);
            self.classic_members().filter(supports).count() == classic_members
        };
        match join
            .protocols
            .iter()
            .any(|protocol| all_support(&protocol.name))
        {
            true => Ok(()),
            false => inconsistent("No protocol is supported by all."),
        }
    }

    /// A join of the member with this id, which it named itself if `is_known`.
    pub(super) fn join_classic<'a>(
        &'a self,
        join: &Join,
        id: &Arc<str>,
        is_known: bool,
        view: &mut View<'_>,
    ) -> Result<ClassicJoin<'a>, Refusal> {
        let mut plan = Plan::of(self);
        let mut is_last_to_change = false;
        let known = match join.instance.as_deref() {
            Some(instance) if is_known => {
                self.speaker(id, Some(instance))?;
                plan.find_or_new(id)
            }
            Some(instance) => match self.static_member(instance) {
                Some((holder, member)) => {
                    let others_are_classic =
                        self.classic_members().count() + 1 == self.members.len();
                    is_last_to_change = member.profile.classic.is_none() && others_are_classic;
                    plan.replace(holder, id)
                }
                None => plan.find_or_new(id),
            },
            None => plan.find_or_new(id),
        };
        let size_max = usize::try_from(view.config.size_max).unwrap_or(0);
        is_last_to_change &= view.config.migration.downgrades() && self.members.len() <= size_max;
        let (subscription, owned) = read_subscription(&join.protocols, view.image)?;
        let profile = profile(&known.profile, join, &subscription);
        let protocol_name = profile
            .classic
            .as_ref()
            .map_or_else(String::new, |classic| classic.protocol_name().to_string());
        let change = plan.subscribe(id, &known, profile)?;
        let raise = change.names || change.regex != Change::Nothing;
        let seen_topics = plan.look_at_topics(raise, view)?;
        let after = match (is_last_to_change, raise) {
            (false, _) => plan.lead(id, raise, Some(&owned), view)?,
            (true, false) => plan.lead_within(id, false, Some(&owned), view)?,
            // The classic group rebalances at once.
            (true, true) => known.current.clone(),
        };
        Ok(ClassicJoin {
            plan,
            before: known.current,
            after,
            seen_topics,
            is_last_to_change,
            topics_changed: raise,
            protocol_name,
        })
    }

    /// What a member is assigned, if it may sync now.
    pub(super) fn sync_classic(&self, sync: &Sync, image: &Image) -> Result<Bytes, ClassicError> {
        let (member, classic) =
            self.classic_speaker(&sync.member, sync.instance.as_deref(), sync.generation)?;
        let differ =
            |said: &Option<String>, is: &str| said.as_deref().is_some_and(|said| said != is);
        if differ(&sync.protocol_type, CONSUMER)
            || differ(&sync.protocol_name, classic.protocol_name())
        {
            return Err(ClassicError::Refused(
                ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            ));
        }
        // One that is to give something up has joined already; it syncs to hear of it.
        if self.epoch > member.current.epoch && member.current.state != State::Unrevoked {
            return Err(ClassicError::JoinAgain);
        }
        Ok(assignment(
            &member.current.assigned,
            classic.version(),
            image,
        ))
    }

    /// Whether a member may go on, or is to join again.
    pub(super) fn beat_classic(&self, heartbeat: &Heartbeat) -> Result<(), ClassicError> {
        let instance = heartbeat.instance.as_deref();
        let (member, _) =
            self.classic_speaker(&heartbeat.member, instance, heartbeat.generation)?;
        let is_behind = member.current.epoch < self.epoch;
        let joins_again = match member.current.state {
            State::Unrevoked => true,
            State::Unreleased => !self.waits_for_others(&heartbeat.member, &member.current),
            State::Stable | State::Unknown => false,
        };
        match is_behind || joins_again {
            true => Err(ClassicError::JoinAgain),
            false => Ok(()),
        }
    }

    /// Whether nothing has become free of what the member has yet to get.
    fn waits_for_others(&self, id: &str, current: &Current) -> bool {
        let missing = self
            .target
            .get(id)
            .map(|target| target.without(&current.assigned));
        missing.is_some_and(|missing| {
            missing
                .iter()
                .any(|partition| self.owners.contains_key(&partition))
        })
    }

    /// A member that speaks the classic protocol, in its generation.
    fn classic_speaker(
        &self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(&Member, &ClassicProfile), ClassicError> {
        let member = self
            .speaker(id, instance)
            .map_err(|refusal| ClassicError::Refused(refusal.code))?;
        let Some(classic) = &member.profile.classic else {
            return Err(ClassicError::Refused(ErrorCode::UNKNOWN_MEMBER_ID));
        };
        if member.current.epoch != generation {
            return Err(ClassicError::Refused(ErrorCode::ILLEGAL_GENERATION));
        }
        Ok((member, classic))
    }

    /// The session timeout of a member that speaks the classic protocol.
    pub(super) fn classic_session_ms(&self, id: &str) -> Option<i32> {
        let classic = self.members.get(id)?.profile.classic.as_ref()?;
        Some(classic.session_timeout_ms)
    }
}

/// Why a call of the classic protocol is not answered as the member hopes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ClassicError {
    /// The call is refused.
    Refused(ErrorCode),
    /// It is to join again, in time.
    JoinAgain,
}

/// What a member says of itself by the classic protocol.
fn profile(
    before: &Profile,
    join: &Join,
    subscription: &ConsumerProtocolSubscription<'_>,
) -> Profile {
    let topics = subscription.topics.iter();
    let rack = subscription.rack_id.as_deref().map(Into::into);
    let instance = join.instance.as_deref().map(Into::into);
    Profile {
        instance: instance.or_else(|| before.instance.clone()),
        rack: rack.or_else(|| before.rack.clone()),
        client_id: join.client_id.as_str().into(),
        client_host: join.client_host.as_str().into(),
        topics: topics.map(|name| (&**name).into()).collect(),
        regex: None,
        rebalance_timeout_ms: match join.rebalance_timeout_ms {
            -1 => before.rebalance_timeout_ms,
            timeout_ms => timeout_ms,
        },
        assignor: before.assignor.clone(),
        classic: Some(ClassicProfile {
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols.clone(),
        }),
    }
}

/// What the first protocol says, and the partitions that the member owns by it.
fn read_subscription<'p>(
    protocols: &'p [Protocol],
    image: &Image,
) -> Result<(ConsumerProtocolSubscription<'p>, Partitions), Refusal> {
    let malformed = || {
        let code = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
        Refusal::new(code, "The subscription cannot be read.")
    };
    let first = protocols.first().ok_or_else(malformed)?;
    let read = ConsumerProtocolSubscription::from_bytes(&first.metadata);
    let (subscription, _) = read.map_err(|_| malformed())?;
    let owned = partitions(&subscription.owned_partitions, image);
    Ok((subscription, owned))
}

/// Partitions that are named by their topics' names; those of topics that do not exist are none.
pub(super) fn partitions(topics: &[ConsumerProtocolTopic<'_>], image: &Image) -> Partitions {
    Partitions::of(topics.iter().filter_map(|topic| {
        let id = image.topic(&topic.topic)?.id;
        let partitions = topic.partitions.iter().copied().map(PartitionIndex);
        Some((id, partitions.collect()))
    }))
}

/// An assignment as members that speak the classic protocol read it.
pub(super) fn assignment(partitions: &Partitions, version: i16, image: &Image) -> Bytes {
    let topics = partitions.topics().filter_map(|(id, partitions)| {
        Some(ConsumerProtocolTopic {
            topic: image.topic_by_id(id)?.name.to_string().into(),
            partitions: partitions.iter().map(|index| index.0).collect(),
        })
    });
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: topics.collect(),
        user_data: None,
    };
    let bytes = assignment.to_bytes(version);
    bytes
        .expect("a version that was read can be written")
        .freeze()
}
