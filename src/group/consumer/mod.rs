//! Consumer groups (KIP-848): members say what they want, the broker assigns, and each member is led to
//! its target on its own, by its heartbeats, without the others stopping.
//!
//! Three epochs:
//!
//! ```text
//! group epoch       counts what changes the assignment: members, subscriptions, topics
//! assignment epoch  the group epoch for which the target was computed
//! member epoch      the assignment epoch that a member has got to
//! ```
//!
//! The group epoch is raised first; the next heartbeat of any member computes the target; each member's
//! next heartbeats take it there: it is told to give up what is not in its target and stays in its
//! epoch until it no longer names it among what it owns (`Unrevoked`); then it gets the new epoch and
//! what is free of its target (`Unreleased` while others have yet to give up some of it, else `Stable`).
//!
//! | file | what |
//! |---|---|
//! | `member` | what a member wants and has |
//! | `heartbeat` | ConsumerGroupHeartbeat: joining, changing one's mind, being led |
//! | `reconcile` | a member's next step to its target |
//! | `target` | computing the target; the group's metadata hash |
//! | `regexes` | subscriptions by regular expression, and what they stand for |
//! | `leave` | leaving, and being removed |
//! | `due` | timers |
//! | `classic` | members that speak the classic protocol |
//! | `migrate` | a classic group becomes a consumer group, and back |
//! | `plan` | a group with changes that are not in the log yet |
//! | `records` | the log's format |
//! | `verbs` | the coordinator's side: who is asked, what is written, which timers run |
//!
//! # Invariants
//!
//! - No partition has two owners: `owners` holds each at most once, whether its owner uses it or has yet
//!   to give it up, and a member is given only what nobody owns.
//! - All that a group is follows from its records ([`Consumer::entries`]); what is not in them
//!   (whether topics have changed, a look-up of regular expressions under way) may be forgotten.
//! - A call changes nothing but by the records that it writes.

mod classic;
mod describe;
mod due;
mod heartbeat;
mod leave;
mod member;
mod migrate;
mod plan;
mod reconcile;
mod records;
mod regexes;
mod target;
mod verbs;

pub(in crate::group) use member::{ClassicProfile, Current, Member, Profile, State};
pub(in crate::group) use records::{ConsumerEntry, GroupEpoch, entry, record};
pub(in crate::group) use regexes::Resolved;
pub(in crate::group) use target::TopicHashes;

use super::partitions::Partitions;
use super::timers::{MemberNumber, Numbers};
use crate::types::{PartitionIndex, Timestamp, TopicId};
use crate::wire::ErrorCode;
use member::LEAVES;
use regexes::Lookup;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why something is not done: a code, and words for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) struct Refusal {
    pub(in crate::group) code: ErrorCode,
    pub(in crate::group) message: String,
}

impl Refusal {
    pub(in crate::group) fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
        }
    }
}

/// A consumer group.
#[derive(Clone, Debug, Default)]
pub(in crate::group) struct Consumer {
    /// 0 of one that is not written yet.
    epoch: i32,
    /// Of the topics that it is subscribed to, when the epoch was last raised.
    metadata_hash: i64,
    /// The epoch for which the target was computed. Kafka begins with 0, too.
    target_epoch: i32,
    members: BTreeMap<Arc<str>, Member>,
    /// What members are to have. Of one that has come since, or never wanted anything, nothing is said.
    target: BTreeMap<Arc<str>, Partitions>,
    /// What regular expressions stand for, as far as they were looked up.
    regexes: BTreeMap<Arc<str>, Resolved>,
    /// Whether the log has a record of a kind that Kafka wrote before 4.1 and 4.2 takes back.
    has_partition_metadata: bool,

    // -- follows from the above
    /// The owner of each partition that is owned.
    owners: Arc<BTreeMap<(TopicId, PartitionIndex), Arc<str>>>,
    statics: BTreeMap<Arc<str>, Arc<str>>,
    numbers: BTreeMap<MemberNumber, Arc<str>>,
    /// How many members and regular expressions name a topic.
    subscribed: BTreeMap<Arc<str>, u32>,
    /// How many members name a regular expression.
    named: BTreeMap<Arc<str>, usize>,

    // -- may be forgotten
    /// The version of the topics in which the metadata hash was looked at; none: never.
    seen_topics: Option<u64>,
    lookup: Option<Lookup>,
    /// When a look-up was made that could not be written down.
    failed_lookup: Option<Timestamp>,
}

impl Consumer {
    /// Takes in a record. Returns the number of a member that it removed.
    pub(in crate::group) fn apply(
        &mut self,
        entry: ConsumerEntry,
        numbers: &mut Numbers,
    ) -> Option<MemberNumber> {
        match entry {
            ConsumerEntry::Epoch(Some(GroupEpoch { epoch, hash })) => {
                self.epoch = epoch;
                self.metadata_hash = hash;
            }
            // The group is gone, which its keeper sees to.
            ConsumerEntry::Epoch(None) => {}
            ConsumerEntry::PartitionMetadata(there) => self.has_partition_metadata = there,
            ConsumerEntry::Member(id, Some(profile)) => self.set_profile(&id, profile, numbers),
            ConsumerEntry::Member(id, None) => return self.remove_member(&id),
            ConsumerEntry::TargetEpoch(epoch) => self.target_epoch = epoch.unwrap_or(-1),
            ConsumerEntry::Target(id, Some(partitions)) => {
                self.target.insert(id, partitions);
            }
            ConsumerEntry::Target(id, None) => {
                self.target.remove(&id);
            }
            ConsumerEntry::Current(id, Some(current)) => {
                self.make_member(&id, numbers);
                self.set_current(&id, current);
            }
            ConsumerEntry::Current(id, None) => {
                if self.members.contains_key(&id) {
                    let gone = Current {
                        epoch: LEAVES,
                        previous_epoch: LEAVES,
                        ..Current::new()
                    };
                    self.set_current(&id, gone);
                }
            }
            ConsumerEntry::Regex(regex, Some(resolved)) => {
                self.forget_regex(&regex);
                for topic in &resolved.topics {
                    *self.subscribed.entry(topic.clone()).or_default() += 1;
                }
                self.regexes.insert(regex, resolved);
            }
            ConsumerEntry::Regex(regex, None) => self.forget_regex(&regex),
        }
        self.check();
        None
    }

    /// Whether a record of what a member has contradicts what others have: they have got to the same
    /// epoch or a later one with a partition of it.
    pub(in crate::group) fn contradicts(&self, id: &str, current: &Current) -> bool {
        current.owned().iter().any(|partition| {
            let owner = self.owners.get(&partition);
            let other = owner.filter(|owner| &***owner != id);
            let other = other.and_then(|owner| self.members.get(owner));
            other.is_some_and(|other| other.current.epoch >= current.epoch)
        })
    }

    fn make_member(&mut self, id: &Arc<str>, numbers: &mut Numbers) {
        if self.members.contains_key(id) {
            return;
        }
        let member = Member {
            number: numbers.member(),
            profile: Arc::default(),
            current: Current::new(),
        };
        self.numbers.insert(member.number, id.clone());
        self.members.insert(id.clone(), member);
    }

    fn set_profile(&mut self, id: &Arc<str>, profile: Profile, numbers: &mut Numbers) {
        self.make_member(id, numbers);
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut member.profile, Arc::new(profile));
        let after = member.profile.clone();
        self.count(&before, &after);
        if before.instance != after.instance {
            self.free_instance(&before, id);
        }
        if let Some(instance) = &after.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
    }

    /// The instance id of that profile is nobody's, if it is that member's.
    fn free_instance(&mut self, profile: &Profile, id: &Arc<str>) {
        if let Some(instance) = &profile.instance
            && self.statics.get(instance) == Some(id)
        {
            self.statics.remove(instance);
        }
    }

    fn set_current(&mut self, id: &Arc<str>, current: Current) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut member.current, current).owned();
        let after = member.current.owned();
        if before == after {
            return;
        }
        let owners = Arc::make_mut(&mut self.owners);
        for partition in before.iter() {
            if owners.get(&partition) == Some(id) {
                owners.remove(&partition);
            }
        }
        let mut robbed = BTreeSet::new();
        for partition in after.iter() {
            if let Some(other) = owners.insert(partition, id.clone())
                && other != *id
            {
                robbed.insert(other);
            }
        }
        // A log that is being loaded may tell of a new owner before the old one's end.
        for other in robbed {
            if let Some(member) = self.members.get_mut(&other) {
                member.current.assigned = member.current.assigned.without(&after);
                member.current.revoking = member.current.revoking.without(&after);
            }
        }
    }

    fn remove_member(&mut self, id: &Arc<str>) -> Option<MemberNumber> {
        self.target.remove(id);
        self.set_current(id, Current::new());
        let member = self.members.remove(id)?;
        self.numbers.remove(&member.number);
        self.count(&member.profile, &Profile::default());
        self.free_instance(&member.profile, id);
        Some(member.number)
    }

    fn forget_regex(&mut self, regex: &str) {
        if let Some(resolved) = self.regexes.remove(regex) {
            self.uncount(&resolved.topics);
        }
    }

    fn count(&mut self, before: &Profile, after: &Profile) {
        if before.topics != after.topics {
            for topic in &after.topics {
                *self.subscribed.entry(topic.clone()).or_default() += 1;
            }
            self.uncount(&before.topics);
        }
        if before.regex != after.regex {
            if let Some(regex) = &after.regex {
                *self.named.entry(regex.clone()).or_default() += 1;
            }
            if let Some(regex) = &before.regex
                && let Some(count) = self.named.get_mut(regex)
            {
                *count -= 1;
                if *count == 0 {
                    self.named.remove(regex);
                }
            }
        }
    }

    fn uncount(&mut self, topics: &BTreeSet<Arc<str>>) {
        for topic in topics {
            if let Some(count) = self.subscribed.get_mut(topic) {
                *count -= 1;
                if *count == 0 {
                    self.subscribed.remove(topic);
                }
            }
        }
    }

    // -- what it tells

    pub(in crate::group) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    #[cfg(test)]
    pub(in crate::group) fn epoch(&self) -> i32 {
        self.epoch
    }

    #[cfg(test)]
    pub(in crate::group) fn target_epoch(&self) -> i32 {
        self.target_epoch
    }

    pub(in crate::group) fn members(&self) -> &BTreeMap<Arc<str>, Member> {
        &self.members
    }

    #[cfg(test)]
    pub(in crate::group) fn target(&self) -> &BTreeMap<Arc<str>, Partitions> {
        &self.target
    }

    /// Kafka's name of the state.
    pub(in crate::group) fn state(&self) -> &'static str {
        let at_target = |member: &Member| member.current.is_at(self.target_epoch);
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.target_epoch {
            "Assigning"
        } else if self.members.values().all(at_target) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// Who has that partition, or has yet to give it up.
    pub(in crate::group) fn owner(
        &self,
        topic: TopicId,
        index: PartitionIndex,
    ) -> Option<(&Arc<str>, &Member)> {
        let owner = self.owners.get(&(topic, index))?;
        self.members.get_key_value(owner)
    }

    /// Whether any member reads the topic.
    pub(in crate::group) fn reads(&self, topic: &str) -> bool {
        self.subscribed.contains_key(topic)
    }

    /// Who that is.
    fn member(&self, id: &str) -> Result<&Member, Refusal> {
        let unknown = || {
            let why = format!("There is no member {id} in the group.");
            Refusal::new(ErrorCode::UNKNOWN_MEMBER_ID, why)
        };
        self.members.get(id).ok_or_else(unknown)
    }

    /// The id and the rest of the member that holds an instance id.
    fn static_member(&self, instance: &str) -> Option<(&Arc<str>, &Member)> {
        let id = self.statics.get(instance)?;
        self.members.get_key_value(id)
    }

    /// Who that is, if it may speak for the group's static member (KIP-345).
    fn speaker(&self, id: &str, instance: Option<&str>) -> Result<&Member, Refusal> {
        let Some(instance) = instance else {
            return self.member(id);
        };
        let Some((holder, member)) = self.static_member(instance) else {
            let why = format!("There is no static member {instance} in the group.");
            return Err(Refusal::new(ErrorCode::UNKNOWN_MEMBER_ID, why));
        };
        if &**holder != id {
            let why = format!("The static member {instance} is {holder} now, not {id}.");
            return Err(Refusal::new(ErrorCode::FENCED_INSTANCE_ID, why));
        }
        Ok(member)
    }

    /// What timers call a member.
    fn number(&self, id: &str) -> Option<MemberNumber> {
        Some(self.members.get(id)?.number)
    }

    /// How many members name that regular expression.
    fn regex_members(&self, regex: &str) -> usize {
        self.named.get(regex).copied().unwrap_or(0)
    }

    fn classic_members(&self) -> impl Iterator<Item = &ClassicProfile> {
        let profiles = self.members.values();
        profiles.filter_map(|member| member.profile.classic.as_ref())
    }

    /// The records that tell the whole group, in the order in which Kafka writes a new one.
    pub(in crate::group) fn entries(&self) -> Vec<ConsumerEntry> {
        let mut entries = Vec::new();
        for (id, member) in &self.members {
            let profile = (*member.profile).clone();
            entries.push(ConsumerEntry::Member(id.clone(), Some(profile)));
        }
        for (regex, resolved) in &self.regexes {
            entries.push(ConsumerEntry::Regex(regex.clone(), Some(resolved.clone())));
        }
        entries.push(ConsumerEntry::Epoch(Some(GroupEpoch {
            epoch: self.epoch,
            hash: self.metadata_hash,
        })));
        for (id, partitions) in &self.target {
            entries.push(ConsumerEntry::Target(id.clone(), Some(partitions.clone())));
        }
        entries.push(ConsumerEntry::TargetEpoch(Some(self.target_epoch)));
        for (id, member) in &self.members {
            let current = member.current.clone();
            entries.push(ConsumerEntry::Current(id.clone(), Some(current)));
        }
        entries
    }

    /// The records that take the whole group back.
    pub(in crate::group) fn end(&self) -> Vec<ConsumerEntry> {
        let ids = || self.members.keys().cloned();
        let mut entries: Vec<ConsumerEntry> = Vec::new();
        entries.extend(ids().map(|id| ConsumerEntry::Current(id, None)));
        let targets = self.target.keys().cloned();
        entries.extend(targets.map(|id| ConsumerEntry::Target(id, None)));
        entries.push(ConsumerEntry::TargetEpoch(None));
        entries.extend(ids().map(|id| ConsumerEntry::Member(id, None)));
        let regexes = self.regexes.keys().cloned();
        entries.extend(regexes.map(|regex| ConsumerEntry::Regex(regex, None)));
        entries.push(ConsumerEntry::PartitionMetadata(false));
        entries.push(ConsumerEntry::Epoch(None));
        entries
    }

    /// The invariants, in debug builds and in groups in which a walk is short.
    fn check(&self) {
        if !cfg!(debug_assertions) || self.owners.len() + self.members.len() > WALKED_MAX {
            return;
        }
        let owned: usize = self
            .members
            .values()
            .map(|member| member.current.owned().len())
            .sum();
        assert_eq!(self.owners.len(), owned);
        for (partition, owner) in self.owners.iter() {
            let current = &self.members[owner].current;
            assert!(current.owned().contains(partition.0, partition.1));
        }
        for (instance, id) in &self.statics {
            let member = &self.members[id];
            assert_eq!(member.profile.instance.as_ref(), Some(instance));
        }
        assert_eq!(self.numbers.len(), self.members.len());
    }
}

/// Members and partitions of a group up to which every check of its invariants walks over all of them.
const WALKED_MAX: usize = 64;
