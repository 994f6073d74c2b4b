//! JoinGroup.

use super::rebalance::answer;
use super::{Classic, Initial, Member, State};
use crate::group::call::{Join, Joined, Protocol, Reply, Synced};
use crate::group::timers::MemberNumber;
use crate::group::turn::Turn;
use crate::limits::{NEW_MEMBER_JOIN_TIMEOUT_MS, PENDING_MEMBERS_MAX};
use crate::types::{ReturnTo, Uuid};
use crate::wire::ErrorCode;
use bytes::Bytes;
use std::sync::Arc;

/// The id of a member that has none yet: what it goes by, and a version 4 UUID.
pub(in crate::group) struct NewMember(Arc<str>);

impl NewMember {
    /// Made of 16 random bytes.
    pub(in crate::group) fn new(join: &Join, random: [u8; 16]) -> NewMember {
        let Uuid(bytes) = Uuid::from_random(random);
        let name = join.instance.as_ref().unwrap_or(&join.client_id);
        let mut id = format!("{name}-");
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                id.push('-');
            }
            id.push_str(&format!("{byte:02x}"));
        }
        NewMember(id.into())
    }

    /// The id itself.
    pub(in crate::group) fn into_id(self) -> Arc<str> {
        self.0
    }
}

impl Classic {
    /// A join of who has no id yet.
    pub(in crate::group) fn join_new(
        &mut self,
        caller: ReturnTo,
        join: Join,
        NewMember(id): NewMember,
        turn: &mut Turn<'_>,
    ) {
        if !self.has_room(None, turn) {
            return refuse(caller, ErrorCode::GROUP_MAX_SIZE_REACHED, "", turn);
        }
        if !self.supports(&join.protocol_type, &join.protocols) {
            return refuse(caller, ErrorCode::INCONSISTENT_GROUP_PROTOCOL, "", turn);
        }
        let holder = join.instance.as_deref();
        match holder.map(|instance| self.roster.find_static(instance)) {
            Some(Some(holder)) => self.take_over(caller, join, holder, id, turn),
            Some(None) => {
                let number = turn.numbers.member();
                self.admit(caller, join, number, id, turn);
            }
            None if join.requires_member_id => self.give_id(caller, &join, id, turn),
            None => {
                let number = turn.numbers.member();
                self.admit(caller, join, number, id, turn);
            }
        }
    }

    /// A join of who names its id.
    pub(in crate::group) fn join_known(
        &mut self,
        caller: ReturnTo,
        join: Join,
        turn: &mut Turn<'_>,
    ) {
        let pending = self.roster.find_pending(&join.member);
        let known = self.roster.find(&join.member);
        if !self.has_room(known, turn) {
            if let Some(number) = pending.or(known) {
                self.roster.remove_pending(number);
                self.dismiss(number, turn);
            }
            return refuse(caller, ErrorCode::GROUP_MAX_SIZE_REACHED, "", turn);
        }
        if !self.supports(&join.protocol_type, &join.protocols) {
            let error = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
            return refuse(caller, error, &join.member, turn);
        }
        if let Some(number) = pending {
            if join.instance.is_some() {
                // Ids to join with are not given to static members. Kafka's code for what it does not
                // expect.
                return refuse(caller, ErrorCode::UNKNOWN_SERVER_ERROR, &join.member, turn);
            }
            let id = join.member.as_str().into();
            return self.admit(caller, join, number, id, turn);
        }
        match self.member(&join.member, join.instance.as_deref()) {
            Ok(number) => self.rejoin(caller, join, number, turn),
            Err(error) => refuse(caller, error, &join.member, turn),
        }
    }

    /// A member joins again.
    fn rejoin(&mut self, caller: ReturnTo, join: Join, number: MemberNumber, turn: &mut Turn<'_>) {
        let leads = self.roster.leads(number);
        let is_unchanged = self
            .roster
            .get(number)
            .is_some_and(|member| member.protocols == join.protocols);
        match self.state {
            // It may not have heard of the generation that it belongs to.
            State::Completing { .. } if is_unchanged => {
                let joined = self.joined(number, leads);
                turn.reply(caller, Reply::Joined(joined));
            }
            // The leader may know of changes that do not show in what it says of itself, such as more
            // partitions of a topic; from the others nothing is new.
            State::Stable { .. } if is_unchanged && !leads => {
                let joined = self.joined(number, false);
                turn.reply(caller, Reply::Joined(joined));
            }
            State::Preparing { .. } | State::Completing { .. } | State::Stable { .. } => {
                self.hold_join(caller, join, number, turn);
                self.rebalance(turn);
            }
            State::Empty => unreachable!("a member of a group without members"),
        }
    }

    /// The member's join waits for the rebalance. An earlier one that still does was given up by its
    /// client, and is told to join again.
    fn hold_join(
        &mut self,
        caller: ReturnTo,
        join: Join,
        number: MemberNumber,
        turn: &mut Turn<'_>,
    ) {
        let (session_ms, rebalance_ms) = (join.session_timeout_ms, join.rebalance_timeout_ms);
        let before = self
            .roster
            .join(number, caller, join.protocols, session_ms, rebalance_ms);
        let refused = Joined::refused(ErrorCode::REBALANCE_IN_PROGRESS, &join.member);
        answer(before, Reply::Joined(refused), turn);
    }

    /// Gives a dynamic member the id that it is to join with (KIP-394).
    fn give_id(&mut self, caller: ReturnTo, join: &Join, id: Arc<str>, turn: &mut Turn<'_>) {
        if self.roster.pending_len() >= PENDING_MEMBERS_MAX {
            return refuse(caller, ErrorCode::GROUP_MAX_SIZE_REACHED, "", turn);
        }
        let number = turn.numbers.member();
        turn.start_session(number, join.session_timeout_ms);
        refuse(caller, ErrorCode::MEMBER_ID_REQUIRED, &id, turn);
        self.roster.add_pending(id, number);
    }

    /// A new member.
    fn admit(
        &mut self,
        caller: ReturnTo,
        join: Join,
        number: MemberNumber,
        id: Arc<str>,
        turn: &mut Turn<'_>,
    ) {
        if self.roster.is_empty() {
            self.protocol_type = Some(join.protocol_type.as_str().into());
        }
        if let State::Preparing {
            initial: Some(Initial { more_came, .. }),
        } = &mut self.state
        {
            *more_came = true;
        }
        let member = Member {
            id,
            instance: join.instance.as_deref().map(Into::into),
            client_id: join.client_id.as_str().into(),
            client_host: join.client_host.as_str().into(),
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: join.protocols,
            assignment: Bytes::new(),
            joining: Some(caller),
            syncing: None,
            is_new: true,
        };
        self.roster.add(number, member);
        turn.start_session(number, NEW_MEMBER_JOIN_TIMEOUT_MS);
        self.rebalance(turn);
    }

    /// A static member is back without its id: it takes the place of the one that it was, which is
    /// fenced (KIP-345).
    fn take_over(
        &mut self,
        caller: ReturnTo,
        join: Join,
        number: MemberNumber,
        id: Arc<str>,
        turn: &mut Turn<'_>,
    ) {
        let before = self
            .roster
            .get(number)
            .expect("the member is found")
            .clone();
        let leader_before = self.roster.leader().map(|leader| leader.id.clone());
        let (joining, syncing) = (before.joining, before.syncing);
        let fenced = ErrorCode::FENCED_INSTANCE_ID;
        let refused = Joined::refused(fenced, &before.id);
        answer(joining, Reply::Joined(refused), turn);
        let refused = Synced::refused(fenced);
        answer(syncing, Reply::Synced(refused), turn);

        let skips = join.supports_skipping_assignment;
        let now = Member {
            id,
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: join.protocols,
            joining: Some(caller),
            syncing: None,
            is_new: false,
            ..before.clone()
        };
        self.roster.replace(number, now);
        self.start_session(number, turn);

        match &self.state {
            State::Stable { .. } if self.keeps_its_protocol() => {
                // Nobody else needs to know; the log does.
                self.roster.take_joining(number);
                if !self.write(turn) {
                    let before = Member {
                        joining: None,
                        syncing: None,
                        ..before
                    };
                    self.roster.replace(number, before);
                    return refuse(caller, ErrorCode::UNKNOWN_SERVER_ERROR, "", turn);
                }
                let leads = self.roster.leads(number) && skips;
                let mut joined = self.joined(number, leads);
                joined.skip_assignment = leads;
                if !skips {
                    // A client that does not know that it need not assign is not to lead: it is told
                    // the id that it had.
                    joined.leader = leader_before.unwrap_or_else(|| "".into());
                }
                turn.reply(caller, Reply::Joined(joined));
            }
            // The leader knows it by the id that it had, and would assign to that.
            State::Stable { .. } | State::Completing { .. } => self.prepare_rebalance(turn),
            State::Preparing { .. } => self.complete_join_if_all_came(turn),
            State::Empty => unreachable!("a member of a group without members"),
        }
    }

    /// Whether the members would choose the protocol that they have.
    fn keeps_its_protocol(&self) -> bool {
        self.roster.select_protocol() == self.protocol_name.as_deref()
    }

    /// Whether one more may join, or this member again.
    fn has_room(&self, known: Option<MemberNumber>, turn: &Turn<'_>) -> bool {
        let size_max = usize::try_from(turn.config.size_max).unwrap_or(0);
        match self.state {
            State::Empty => true,
            // Whoever comes too late is left out, be it a member of old: the group may have more
            // members than it may have now.
            State::Preparing { .. } => {
                let member = known.and_then(|number| self.roster.get(number));
                member.is_some_and(|member| member.joining.is_some())
                    || self.roster.joining_len() < size_max
            }
            State::Completing { .. } | State::Stable { .. } => {
                known.is_some() || self.roster.len() < size_max
            }
        }
    }

    /// Whether the group and such a member could agree.
    pub(in crate::group) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols
                .iter()
                .any(|protocol| self.roster.all_support(&protocol.name))
    }
}

fn refuse(caller: ReturnTo, error: ErrorCode, member: &str, turn: &mut Turn<'_>) {
    turn.reply(caller, Reply::Joined(Joined::refused(error, member)));
}

/// Each protocol once, as it comes first.
pub(in crate::group) fn distinct(protocols: Vec<Protocol>) -> Vec<Protocol> {
    let mut names = std::collections::BTreeSet::new();
    let is_first = |protocol: &Protocol| names.insert(protocol.name.clone());
    protocols.into_iter().filter(is_first).collect()
}
