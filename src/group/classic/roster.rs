//! Who belongs to a classic group: its members, who is about to become one, who leads, and which
//! protocols all of them support.
//!
//! Invariants ([`Roster::check`]): the leader is a member, and there is one while there are members;
//! `by_id`, `statics`, `support` and `joining` follow from `members`; who is pending is no member.

use crate::group::call::Protocol;
use crate::group::timers::MemberNumber;
use crate::types::ReturnTo;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Members of a group up to which every check of its invariants walks over all of them.
const WALKED_MEMBERS_MAX: usize = 64;

/// A member of a classic group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) struct Member {
    pub(in crate::group) id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub(in crate::group) instance: Option<Arc<str>>,
    pub(in crate::group) client_id: Arc<str>,
    pub(in crate::group) client_host: Arc<str>,
    pub(in crate::group) session_timeout_ms: i32,
    pub(in crate::group) rebalance_timeout_ms: i32,
    /// What it supports, the preferred one first, each name once.
    pub(in crate::group) protocols: Vec<Protocol>,
    /// What the leader has given it.
    pub(in crate::group) assignment: Bytes,
    /// Its join that waits.
    pub(in crate::group) joining: Option<ReturnTo>,
    /// Its sync that waits.
    pub(in crate::group) syncing: Option<ReturnTo>,
    /// Whether it does not know its id yet and so cannot send heartbeats: its join may time out.
    pub(in crate::group) is_new: bool,
}

impl Member {
    /// What it said for that protocol; nothing if it does not support it.
    pub(in crate::group) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        let of = |name: &str| self.protocols.iter().find(|known| known.name == name);
        let found = protocol.and_then(of);
        found.map_or_else(Bytes::new, |found| found.metadata.clone())
    }

    /// Whether the member is known to live without heartbeats, because a call of its waits here.
    pub(in crate::group) fn waits(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }
}

/// Everybody in a classic group. Members stand in the order in which they came.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in crate::group) struct Roster {
    members: BTreeMap<MemberNumber, Member>,
    by_id: BTreeMap<Arc<str>, MemberNumber>,
    statics: BTreeMap<Arc<str>, MemberNumber>,
    /// Who was given an id and is to join with it.
    pending: BTreeMap<MemberNumber, Arc<str>>,
    pending_by_id: BTreeMap<Arc<str>, MemberNumber>,
    /// How many members support a protocol.
    support: BTreeMap<String, usize>,
    /// How many members have a join that waits.
    joining: usize,
    leader: Option<MemberNumber>,
}

impl Roster {
    pub(in crate::group) fn len(&self) -> usize {
        self.members.len()
    }

    pub(in crate::group) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(in crate::group) fn iter(&self) -> impl Iterator<Item = (MemberNumber, &Member)> {
        self.members
            .iter()
            .map(|(number, member)| (*number, member))
    }

    pub(in crate::group) fn numbers(&self) -> Vec<MemberNumber> {
        self.members.keys().copied().collect()
    }

    pub(in crate::group) fn get(&self, number: MemberNumber) -> Option<&Member> {
        self.members.get(&number)
    }

    pub(in crate::group) fn find(&self, id: &str) -> Option<MemberNumber> {
        self.by_id.get(id).copied()
    }

    pub(in crate::group) fn find_static(&self, instance: &str) -> Option<MemberNumber> {
        self.statics.get(instance).copied()
    }

    pub(in crate::group) fn find_pending(&self, id: &str) -> Option<MemberNumber> {
        self.pending_by_id.get(id).copied()
    }

    pub(in crate::group) fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// How many joins wait.
    pub(in crate::group) fn joining_len(&self) -> usize {
        self.joining
    }

    /// Whether everybody's join waits, and nobody is about to come.
    pub(in crate::group) fn all_joined(&self) -> bool {
        self.joining == self.members.len() && self.pending.is_empty()
    }

    pub(in crate::group) fn leader(&self) -> Option<&Member> {
        self.members.get(&self.leader?)
    }

    pub(in crate::group) fn leads(&self, number: MemberNumber) -> bool {
        self.leader == Some(number)
    }

    /// How long a rebalance waits, ms: as long as the most patient member.
    pub(in crate::group) fn rebalance_timeout_ms(&self) -> i32 {
        let timeouts = self.members.values();
        let longest = timeouts.map(|member| member.rebalance_timeout_ms).max();
        longest.unwrap_or(0).max(0)
    }

    /// Whether every member supports the protocol.
    pub(in crate::group) fn all_support(&self, protocol: &str) -> bool {
        self.support.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    /// The protocol for the next generation: each member votes for the first of its own that everybody
    /// supports; the most votes win, the first in the alphabet among equals.
    pub(in crate::group) fn select_protocol(&self) -> Option<&str> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let names = member.protocols.iter().map(|known| known.name.as_str());
            if let Some(vote) = names.into_iter().find(|name| self.all_support(name)) {
                *votes.entry(vote).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        let mut winners = votes.into_iter().filter(|(_, count)| *count == most);
        winners.next().map(|(name, _)| name)
    }

    /// Gives out an id to join with.
    pub(in crate::group) fn add_pending(&mut self, id: Arc<str>, number: MemberNumber) {
        self.pending_by_id.insert(id.clone(), number);
        self.pending.insert(number, id);
        self.check();
    }

    /// Takes an id back. Returns whether it was given out.
    pub(in crate::group) fn remove_pending(&mut self, number: MemberNumber) -> bool {
        let Some(id) = self.pending.remove(&number) else {
            return false;
        };
        self.pending_by_id.remove(&id);
        self.check();
        true
    }

    /// Adds a member, the leader if it is the first. It is pending no longer.
    pub(in crate::group) fn add(&mut self, number: MemberNumber, member: Member) {
        self.remove_pending(number);
        self.enter(number, member);
        self.leader = self.leader.or(Some(number));
        self.check();
    }

    /// Takes a member out. If it led, who has been here for longest does.
    pub(in crate::group) fn remove(&mut self, number: MemberNumber) -> Option<Member> {
        let member = self.withdraw(number)?;
        if self.leads(number) {
            self.leader = self.members.keys().next().copied();
        }
        self.check();
        Some(member)
    }

    /// Puts another member in the place of one that is here; it leads if that one did. Returns who was
    /// there.
    pub(in crate::group) fn replace(&mut self, number: MemberNumber, member: Member) -> Member {
        let before = self.withdraw(number).expect("a member to be replaced");
        self.enter(number, member);
        self.check();
        before
    }

    /// What a join that waits changes of a member. Returns the join that waited before, if any.
    pub(in crate::group) fn join(
        &mut self,
        number: MemberNumber,
        caller: ReturnTo,
        protocols: Vec<Protocol>,
        session_timeout_ms: i32,
        rebalance_timeout_ms: i32,
    ) -> Option<ReturnTo> {
        let mut member = self.withdraw(number).expect("a member that joins");
        member.protocols = protocols;
        member.session_timeout_ms = session_timeout_ms;
        member.rebalance_timeout_ms = rebalance_timeout_ms;
        let before = member.joining.replace(caller);
        self.enter(number, member);
        self.check();
        before
    }

    /// The member's join waits no longer. Returns it.
    pub(in crate::group) fn take_joining(&mut self, number: MemberNumber) -> Option<ReturnTo> {
        let member = self.members.get_mut(&number)?;
        let taken = member.joining.take()?;
        self.joining -= 1;
        Some(taken)
    }

    /// The member's sync waits no longer. Returns it.
    pub(in crate::group) fn take_syncing(&mut self, number: MemberNumber) -> Option<ReturnTo> {
        self.members.get_mut(&number)?.syncing.take()
    }

    /// The member's sync waits. Returns the one that waited before.
    pub(in crate::group) fn sync(
        &mut self,
        number: MemberNumber,
        caller: ReturnTo,
    ) -> Option<ReturnTo> {
        let member = self.members.get_mut(&number)?;
        member.syncing.replace(caller)
    }

    /// The member knows its id and has sessions.
    pub(in crate::group) fn settle(&mut self, number: MemberNumber) {
        if let Some(member) = self.members.get_mut(&number) {
            member.is_new = false;
        }
    }

    /// Gives members what they are to do: nothing to those who are not named.
    pub(in crate::group) fn assign(&mut self, assignments: &BTreeMap<&str, &Bytes>) {
        for member in self.members.values_mut() {
            let given = assignments.get(&*member.id);
            member.assignment = given.map_or_else(Bytes::new, |given| (*given).clone());
        }
    }

    /// Makes sure that somebody leads whose join waits. Returns false if no join waits.
    pub(in crate::group) fn elect_joined_leader(&mut self) -> bool {
        if self.leader().is_some_and(|leader| leader.joining.is_some()) {
            return true;
        }
        let joined = self.iter().find(|(_, member)| member.joining.is_some());
        let Some((number, _)) = joined else {
            return false;
        };
        self.leader = Some(number);
        true
    }

    /// Makes this member the leader, as the log says.
    pub(in crate::group) fn set_leader(&mut self, id: &str) {
        self.leader = self.find(id).or(self.leader);
    }

    fn enter(&mut self, number: MemberNumber, member: Member) {
        for protocol in &member.protocols {
            *self.support.entry(protocol.name.clone()).or_default() += 1;
        }
        self.joining += usize::from(member.joining.is_some());
        self.by_id.insert(member.id.clone(), number);
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), number);
        }
        self.members.insert(number, member);
    }

    fn withdraw(&mut self, number: MemberNumber) -> Option<Member> {
        let member = self.members.remove(&number)?;
        for protocol in &member.protocols {
            if let Some(count) = self.support.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.support.remove(&protocol.name);
                }
            }
        }
        self.joining -= usize::from(member.joining.is_some());
        self.by_id.remove(&member.id);
        if let Some(instance) = &member.instance {
            self.statics.remove(instance);
        }
        Some(member)
    }

    /// The invariants, in debug builds: those that take a walk only in groups of a size in which it is
    /// short.
    fn check(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        let members = &self.members;
        assert_eq!(self.pending.len(), self.pending_by_id.len());
        if members.len() > WALKED_MEMBERS_MAX {
            return;
        }
        let joining = members.values().filter(|member| member.joining.is_some());
        assert_eq!(joining.count(), self.joining);
        assert_eq!(members.len(), self.by_id.len());
        let statics = members.values().filter(|member| member.instance.is_some());
        assert_eq!(statics.count(), self.statics.len());
        assert_eq!(members.is_empty(), self.leader.is_none());
        assert!(
            self.leader
                .is_none_or(|leader| members.contains_key(&leader))
        );
        let mut pending = self.pending.iter().take(WALKED_MEMBERS_MAX);
        assert!(
            pending.all(|(number, id)| {
                !self.by_id.contains_key(id) && !members.contains_key(number)
            })
        );
    }
}
