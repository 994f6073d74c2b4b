//! The way of a classic group from one generation to the next.

use super::{Classic, Initial, Member, State};
use crate::group::call::{Joined, JoinedMember, Reply, Synced};
use crate::group::timers::{MemberNumber, Timer};
use crate::group::turn::Turn;
use crate::limits::REBALANCE_RETRY_MS_MIN;
use crate::types::ReturnTo;
use crate::wire::ErrorCode;
use std::collections::BTreeMap;

impl Classic {
    /// Something has changed that the members are to agree on: begins a rebalance, or ends the one under
    /// way if that was all it waited for.
    pub(super) fn rebalance(&mut self, turn: &mut Turn<'_>) {
        match self.state {
            State::Preparing { .. } => self.complete_join_if_all_came(turn),
            State::Empty | State::Completing { .. } | State::Stable { .. } => {
                self.prepare_rebalance(turn);
            }
        }
    }

    /// Begins a rebalance.
    pub(in crate::group) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.state, State::Completing { .. }) {
            // Whoever has synced is to join again.
            self.roster.assign(&BTreeMap::new());
            self.answer_syncs(turn, ErrorCode::REBALANCE_IN_PROGRESS);
        }
        turn.cancel(Timer::Syncs);
        let was_empty = self.is_empty();
        let timeout_ms = self.roster.rebalance_timeout_ms();
        let initial = was_empty.then(|| {
            let delay_ms = turn.config.initial_rebalance_delay_ms.max(0);
            Initial {
                delay_ms,
                remaining_ms: timeout_ms.saturating_sub(delay_ms).max(0),
                more_came: false,
            }
        });
        self.enter(State::Preparing { initial }, turn);
        match initial {
            Some(initial) => turn.set(Timer::Rebalance, initial.delay_ms),
            None if self.roster.all_joined() => self.complete_join(turn),
            None => turn.set(Timer::Rebalance, timeout_ms),
        }
    }

    /// Ends the gathering if everybody has come. The first gathering of a group lasts its time.
    pub(super) fn complete_join_if_all_came(&mut self, turn: &mut Turn<'_>) {
        if self.state == (State::Preparing { initial: None }) && self.roster.all_joined() {
            self.complete_join(turn);
        }
    }

    /// The time of the gathering is up.
    pub(super) fn rebalance_timed_out(&mut self, turn: &mut Turn<'_>) {
        let State::Preparing { initial } = &mut self.state else {
            debug_assert!(false, "the timer ends with the state");
            return;
        };
        match initial {
            Some(initial) if initial.more_came && initial.remaining_ms > 0 => {
                let delay_ms = turn.config.initial_rebalance_delay_ms.max(0);
                let delay_ms = delay_ms.min(initial.remaining_ms);
                *initial = Initial {
                    delay_ms,
                    remaining_ms: initial.remaining_ms.saturating_sub(initial.delay_ms).max(0),
                    more_came: false,
                };
                turn.set(Timer::Rebalance, delay_ms);
            }
            _ => self.complete_join(turn),
        }
    }

    /// Ends the gathering: who has not come is left behind, and the next generation begins.
    pub(super) fn complete_join(&mut self, turn: &mut Turn<'_>) {
        debug_assert!(matches!(self.state, State::Preparing { .. }));
        turn.cancel(Timer::Rebalance);
        let is_late = |member: &Member| member.joining.is_none() && member.instance.is_none();
        let late: Vec<MemberNumber> = self
            .roster
            .iter()
            .filter(|(_, member)| is_late(member))
            .map(|(number, _)| number)
            .collect();
        for number in late {
            self.dismiss(number, turn);
        }
        if self.roster.is_empty() {
            self.next_generation();
            self.enter(State::Empty, turn);
            // Where even this does not fit, the log keeps the generation before, whose members are gone
            // when their sessions are over.
            self.write(turn);
        } else if self.roster.elect_joined_leader() {
            self.next_generation();
            let unsynced = self.roster.numbers().into_iter().collect();
            self.enter(State::Completing { unsynced }, turn);
            self.answer_joins(turn);
            turn.set(Timer::Syncs, self.roster.rebalance_timeout_ms());
        } else {
            // Static members alone, none of which has come: until their sessions are over.
            let timeout_ms = self.roster.rebalance_timeout_ms();
            turn.set(Timer::Rebalance, timeout_ms.max(REBALANCE_RETRY_MS_MIN));
        }
    }

    fn next_generation(&mut self) {
        // Only a log that was tampered with counts that far.
        self.generation = self.generation.checked_add(1).unwrap_or(0);
        self.protocol_name = self.roster.select_protocol().map(Into::into);
        debug_assert!(self.roster.is_empty() || self.protocol_name.is_some());
        self.subscribed = self.read_subscriptions();
    }

    /// Tells everybody of the generation that has begun.
    fn answer_joins(&mut self, turn: &mut Turn<'_>) {
        for number in self.roster.numbers() {
            if let Some(caller) = self.roster.take_joining(number) {
                let joined = self.joined(number, self.roster.leads(number));
                turn.reply(caller, Reply::Joined(joined));
            }
            self.roster.settle(number);
            self.start_session(number, turn);
        }
    }

    /// What a member is told of the current generation.
    pub(super) fn joined(&self, number: MemberNumber, with_members: bool) -> Joined {
        let name_of = |member: Option<&Member>| member.map_or_else(|| "".into(), |m| m.id.clone());
        Joined {
            error: ErrorCode::NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: name_of(self.roster.leader()),
            skip_assignment: false,
            member: name_of(self.roster.get(number)),
            members: match with_members {
                true => self.everybody(),
                false => Vec::new(),
            },
        }
    }

    fn everybody(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol_name.as_deref();
        let members = self.roster.iter().map(|(_, member)| JoinedMember {
            member: member.id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol),
        });
        members.collect()
    }

    /// Answers everybody whose sync waits: with the assignment, or an error.
    pub(super) fn answer_syncs(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        for number in self.roster.numbers() {
            let Some(caller) = self.roster.take_syncing(number) else {
                continue;
            };
            let synced = match error.is_none() {
                true => self.synced(number),
                false => Synced::refused(error),
            };
            turn.reply(caller, Reply::Synced(synced));
            // The session does not end while a call waits, and so may have run out meanwhile.
            self.start_session(number, turn);
        }
    }

    /// What a member is told to do.
    pub(super) fn synced(&self, number: MemberNumber) -> Synced {
        let member = self.roster.get(number);
        Synced {
            error: ErrorCode::NONE,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            assignment: member
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
        }
    }

    /// The member may be silent for its session timeout from now on.
    pub(super) fn start_session(&self, number: MemberNumber, turn: &mut Turn<'_>) {
        if let Some(member) = self.roster.get(number) {
            turn.start_session(number, member.session_timeout_ms);
        }
    }

    /// Takes a member out, and answers what of its waits: that it is no member.
    pub(super) fn dismiss(&mut self, number: MemberNumber, turn: &mut Turn<'_>) {
        turn.cancel(Timer::Session(number));
        self.strike_unsynced(number, turn);
        let Some(member) = self.roster.remove(number) else {
            return;
        };
        answer(
            member.joining,
            Reply::Joined(Joined::refused(ErrorCode::UNKNOWN_MEMBER_ID, "")),
            turn,
        );
        answer(
            member.syncing,
            Reply::Synced(Synced::refused(ErrorCode::UNKNOWN_MEMBER_ID)),
            turn,
        );
    }

    /// The member has synced, or is gone; when all have, nothing is late any more.
    pub(super) fn strike_unsynced(&mut self, number: MemberNumber, turn: &mut Turn<'_>) {
        if let State::Completing { unsynced } | State::Stable { unsynced } = &mut self.state {
            unsynced.remove(&number);
            if unsynced.is_empty() {
                turn.cancel(Timer::Syncs);
            }
        }
    }
}

/// Answers a call, if it is there.
pub(super) fn answer(caller: Option<ReturnTo>, reply: Reply, turn: &mut Turn<'_>) {
    if let Some(caller) = caller {
        turn.reply(caller, reply);
    }
}
