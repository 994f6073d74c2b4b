//! ConsumerGroupHeartbeat of a member that joins or is in: it says what it wants and owns, and is told
//! what to do next.

use super::member::{Current, JOINS, LEAVES_FOR_A_WHILE, Profile};
use super::plan::Plan;
use super::reconcile::Goal;
use super::regexes::{Change, Lookup};
use super::target::TopicHashes;
use super::{Consumer, ConsumerEntry, Refusal, State};
use crate::group::call::{ConsumerBeat, ConsumerHeartbeat};
use crate::group::config::GroupConfig;
use crate::group::coordinator::Context;
use crate::group::partitions::Partitions;
use crate::metadata::Image;
use crate::types::Timestamp;
use crate::wire::ErrorCode;
use std::sync::Arc;

/// What a heartbeat may look at besides its group.
pub(super) struct View<'a> {
    pub(super) config: &'a GroupConfig,
    pub(super) now: Timestamp,
    pub(super) image: &'a Image,
    /// The offset of the last metadata record in the image.
    pub(super) image_offset: i64,
    pub(super) hashes: &'a mut TopicHashes,
}

impl<'a> View<'a> {
    pub(super) fn new<'c: 'a>(
        context: &Context<'c>,
        config: &'a GroupConfig,
        hashes: &'a mut TopicHashes,
    ) -> View<'a> {
        View {
            config,
            now: context.now.wall,
            image: context.image,
            image_offset: context.image_offset.0,
            hashes,
        }
    }
}

/// What came of a heartbeat or of a join.
pub(super) struct Outcome {
    /// What is to be written.
    pub(super) entries: Vec<ConsumerEntry>,
    /// What the member has had and has now; the same if nothing changed.
    pub(super) before: Current,
    pub(super) after: Current,
    /// How long it may take to give up what it is to give up, ms; none for a member that speaks the
    /// classic protocol, which has other timers.
    pub(super) rebalance_timeout_ms: Option<i32>,
    /// The version of the topics that was looked at, if it was.
    pub(super) seen_topics: Option<u64>,
    /// A look-up that is to begin.
    pub(super) lookup: Option<Lookup>,
}

impl Outcome {
    /// What the member is told of it.
    pub(super) fn reply(
        &self,
        beat: &ConsumerHeartbeat,
        id: &Arc<str>,
        interval_ms: i32,
    ) -> ConsumerBeat {
        let is_full = beat.rebalance_timeout_ms.is_some()
            && (beat.topics.is_some() || beat.regex.is_some())
            && beat.owned.is_some();
        let changed = self.before.assigned != self.after.assigned;
        let tells = beat.epoch == JOINS || is_full || changed;
        ConsumerBeat {
            error: ErrorCode::NONE,
            message: None,
            member: Some(id.clone()),
            epoch: self.after.epoch,
            interval_ms,
            assignment: tells.then(|| self.after.assigned.clone()),
        }
    }
}

impl Consumer {
    /// A heartbeat of the member with this id to the group of the plan; `self` is the group as it is in
    /// the log.
    pub(super) fn beat(
        &self,
        mut plan: Plan<'_>,
        beat: &ConsumerHeartbeat,
        id: &Arc<str>,
        view: &mut View<'_>,
    ) -> Result<Outcome, Refusal> {
        plan.group().check_room(id, view.config)?;
        let known = match beat.instance.as_deref() {
            None => plan.find_dynamic(beat, id)?,
            Some(instance) => plan.find_static(beat, id, instance)?,
        };
        let profile = said_now(&known.profile, beat);
        let owned = beat.owned.as_ref();
        let change = plan.subscribe(id, &known, profile)?;
        let lookup = self.plan_lookup(&plan, view.image_offset, view.hashes, view.now, view.config);
        let raise = plan.group().epoch == 0 || change.names || change.regex == Change::Resolved;
        let seen_topics = plan.look_at_topics(raise, view)?;
        let changed = change.names || change.regex != Change::Nothing;
        let after = plan.lead(id, changed, owned, view)?;
        let rebalance_timeout_ms = plan.group().member(id)?.profile.rebalance_timeout_ms;
        Ok(Outcome {
            entries: plan.finish(),
            before: known.current,
            after,
            rebalance_timeout_ms: Some(rebalance_timeout_ms),
            seen_topics,
            lookup,
        })
    }

    /// Whether there is room for that member.
    pub(super) fn check_room(&self, id: &str, config: &GroupConfig) -> Result<(), Refusal> {
        let size_max = usize::try_from(config.consumer_size_max).unwrap_or(0);
        if self.members.len() < size_max || self.members.contains_key(id) {
            return Ok(());
        }
        let why = format!("The group has {size_max} members, which is as many as it may have.");
        Err(Refusal::new(ErrorCode::GROUP_MAX_SIZE_REACHED, why))
    }
}

/// What a member says of itself that it did not say before.
fn said_now(before: &Profile, beat: &ConsumerHeartbeat) -> Profile {
    let or = |now: &Option<String>, before: &Option<Arc<str>>| match now {
        Some(now) => Some(now.as_str().into()),
        None => before.clone(),
    };
    let topics = beat.topics.as_ref();
    let regex = match &beat.regex {
        Some(regex) => Some(regex.as_str().into()).filter(|regex: &Arc<str>| !regex.is_empty()),
        None => before.regex.clone(),
    };
    Profile {
        instance: or(&beat.instance, &before.instance),
        rack: or(&beat.rack, &before.rack),
        client_id: beat.client_id.as_str().into(),
        client_host: beat.client_host.as_str().into(),
        topics: match topics {
            Some(topics) => topics.iter().map(|topic| topic.as_str().into()).collect(),
            None => before.topics.clone(),
        },
        regex,
        rebalance_timeout_ms: beat
            .rebalance_timeout_ms
            .unwrap_or(before.rebalance_timeout_ms),
        assignor: or(&beat.assignor, &before.assignor),
        classic: None,
    }
}

/// A member as it is before its call: new, or one that is here, or in the place of one that was.
pub(super) struct Known {
    pub(super) profile: Arc<Profile>,
    pub(super) current: Current,
    /// Whether there is no record of it yet.
    pub(super) is_new: bool,
}

impl Known {
    fn new() -> Known {
        Known {
            profile: Arc::default(),
            current: Current::new(),
            is_new: true,
        }
    }
}

/// What of a member's subscription has changed.
pub(super) struct Changed {
    pub(super) names: bool,
    pub(super) regex: Change,
}

impl Plan<'_> {
    /// The member of that id, one that joins if it is not there.
    pub(super) fn find_or_new(&self, id: &str) -> Known {
        match self.group().members.get(id) {
            Some(member) => Known {
                profile: member.profile.clone(),
                current: member.current.clone(),
                is_new: false,
            },
            None => Known::new(),
        }
    }

    fn find_dynamic(&self, beat: &ConsumerHeartbeat, id: &str) -> Result<Known, Refusal> {
        if beat.epoch != JOINS {
            self.group().member(id)?;
        }
        let known = self.find_or_new(id);
        check_epoch(&known.current, beat)?;
        Ok(known)
    }

    fn find_static(
        &mut self,
        beat: &ConsumerHeartbeat,
        id: &Arc<str>,
        instance: &str,
    ) -> Result<Known, Refusal> {
        if beat.epoch != JOINS {
            let member = self.group().speaker(id, Some(instance))?;
            check_epoch(&member.current, beat)?;
            return Ok(self.find_or_new(id));
        }
        let Some((holder, member)) = self.group().static_member(instance) else {
            return Ok(self.find_or_new(id));
        };
        let is_away = member.current.epoch == LEAVES_FOR_A_WHILE;
        if member.profile.classic.is_none() && !is_away {
            let why = format!("The static member {instance} is {holder}, which has not left.");
            return Err(Refusal::new(ErrorCode::UNRELEASED_INSTANCE_ID, why));
        }
        let holder = holder.clone();
        Ok(self.replace(&holder, id))
    }

    /// Puts a member in the place of a static one: it has what that one had, in epoch 0.
    pub(super) fn replace(&mut self, holder: &Arc<str>, id: &Arc<str>) -> Known {
        let before = self.find_or_new(holder);
        let target = self.group().target.get(holder).cloned().unwrap_or_default();
        let current = Current {
            epoch: 0,
            previous_epoch: 0,
            ..before.current
        };
        self.remove(holder);
        let profile = (*before.profile).clone();
        self.write(ConsumerEntry::Member(id.clone(), Some(profile)));
        self.write(ConsumerEntry::Target(id.clone(), Some(target)));
        self.write(ConsumerEntry::Current(id.clone(), Some(current.clone())));
        Known {
            profile: before.profile,
            current,
            is_new: false,
        }
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, id: &Arc<str>) {
        self.write(ConsumerEntry::Current(id.clone(), None));
        self.write(ConsumerEntry::Target(id.clone(), None));
        self.write(ConsumerEntry::Member(id.clone(), None));
    }

    /// The member is as it says that it is now.
    pub(super) fn subscribe(
        &mut self,
        id: &Arc<str>,
        known: &Known,
        profile: Profile,
    ) -> Result<Changed, Refusal> {
        let names = profile.topics != known.profile.topics;
        let regex = profile.regex.clone();
        if known.is_new || *known.profile != profile {
            self.write(ConsumerEntry::Member(id.clone(), Some(profile)));
        }
        let regex = self.change_regex(known.profile.regex.as_ref(), regex.as_ref())?;
        Ok(Changed { names, regex })
    }

    /// Raises the group's epoch if it is to be, or if topics have changed since it was last looked at.
    /// Returns the version of the topics if they were looked at.
    pub(super) fn look_at_topics(
        &mut self,
        raise: bool,
        view: &mut View<'_>,
    ) -> Result<Option<u64>, Refusal> {
        let version = view.hashes.version();
        if !raise && self.group().seen_topics == Some(version) {
            return Ok(None);
        }
        let hash = self.group().hash(view.hashes, view.image);
        if raise || hash != self.group().metadata_hash {
            self.raise_epoch(hash)?;
        }
        if self.group().has_partition_metadata {
            self.write(ConsumerEntry::PartitionMetadata(false));
        }
        Ok(Some(version))
    }

    /// Computes the target if there is none for the group's epoch, and leads the member to it. Returns
    /// what the member has now.
    pub(super) fn lead(
        &mut self,
        id: &Arc<str>,
        topics_changed: bool,
        owned: Option<&Partitions>,
        view: &View<'_>,
    ) -> Result<Current, Refusal> {
        if self.group().epoch > self.group().target_epoch {
            self.set_target(view.image, view.config);
        }
        self.lead_within(id, topics_changed, owned, view)
    }

    /// Leads the member to the target that there is.
    pub(super) fn lead_within(
        &mut self,
        id: &Arc<str>,
        topics_changed: bool,
        owned: Option<&Partitions>,
        view: &View<'_>,
    ) -> Result<Current, Refusal> {
        let group = self.group();
        let member = group.member(id)?;
        if !topics_changed && member.current.is_at(group.target_epoch) {
            return Ok(member.current.clone());
        }
        let none = Partitions::new();
        let goal = Goal {
            epoch: group.target_epoch,
            target: group.target.get(id).unwrap_or(&none),
            topics: &group.wanted(&member.profile, view.image),
            topics_changed,
            owned,
        };
        let after = group.reconcile(&member.current, &goal)?;
        if after != member.current {
            self.end_with(ConsumerEntry::Current(id.clone(), Some(after.clone())));
        }
        Ok(after)
    }
}

/// Whether a member may come with that epoch: with its own; with the one before, if it owns nothing
/// that it may not use now, because the answer with the new one may have been lost; or with 0, by which
/// it begins anew.
fn check_epoch(current: &Current, beat: &ConsumerHeartbeat) -> Result<(), Refusal> {
    let said = beat.epoch;
    let missed_the_answer = said == current.previous_epoch
        && said < current.epoch
        && beat
            .owned
            .as_ref()
            .is_some_and(|owned| owned.are_within(&current.assigned));
    if said == JOINS || said == current.epoch || missed_the_answer {
        return Ok(());
    }
    let why = format!(
        "The member says epoch {said} and is in {}: give up all partitions and join again.",
        current.epoch
    );
    Err(Refusal::new(ErrorCode::FENCED_MEMBER_EPOCH, why))
}

/// Whether a member in that state is given time to give up partitions.
pub(super) fn is_revoking(current: &Current) -> bool {
    current.state == State::Unrevoked && current.epoch >= 0
}
