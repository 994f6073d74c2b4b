//! What time does to a classic group.

use super::{Classic, State};
use crate::group::timers::{MemberNumber, Timer};
use crate::group::turn::Turn;
use crate::types::ReturnTo;
use std::sync::Arc;

/// A call that waits in a group that is given up.
pub(in crate::group) enum Waiting {
    /// The join of that member.
    Join(ReturnTo, Arc<str>),
    /// A sync.
    Sync(ReturnTo),
}

impl Classic {
    /// One of the group's timers is due.
    pub(in crate::group) fn due(&mut self, timer: Timer, turn: &mut Turn<'_>) {
        match timer {
            Timer::Rebalance => self.rebalance_timed_out(turn),
            Timer::Syncs => self.syncs_timed_out(turn),
            Timer::Session(number) => self.session_timed_out(number, turn),
            // Of a consumer group that this one has been.
            Timer::Revocation(_) | Timer::Rejoin(_) | Timer::Resync(_) | Timer::Lookup => {}
        }
    }

    /// A member was silent for too long, or did not come to use the id that it was given.
    fn session_timed_out(&mut self, number: MemberNumber, turn: &mut Turn<'_>) {
        let was_pending = self.roster.remove_pending(number);
        if !was_pending {
            let member = self.roster.get(number);
            // Of one that waits here, the session begins again when it is answered.
            if member.is_none_or(|member| member.waits()) {
                return;
            }
            self.dismiss(number, turn);
        }
        match self.state {
            State::Stable { .. } | State::Completing { .. } if !was_pending => {
                self.prepare_rebalance(turn);
            }
            // That may end the first gathering of a group before its time.
            State::Preparing { .. } if self.roster.all_joined() => self.complete_join(turn),
            _ => {}
        }
    }

    /// Members have joined the generation and not synced in time.
    fn syncs_timed_out(&mut self, turn: &mut Turn<'_>) {
        let unsynced = match &self.state {
            State::Completing { unsynced } | State::Stable { unsynced } => unsynced.clone(),
            State::Empty | State::Preparing { .. } => return,
        };
        if unsynced.is_empty() {
            return;
        }
        for number in unsynced {
            self.dismiss(number, turn);
        }
        self.prepare_rebalance(turn);
    }

    /// The group is loaded: members have their sessions from now on. One that has more members than it
    /// may have now gathers them again.
    pub(in crate::group) fn loaded(&mut self, turn: &mut Turn<'_>) {
        self.start_all_sessions(turn);
        let size_max = usize::try_from(turn.config.size_max).unwrap_or(0);
        if self.roster.len() > size_max {
            self.prepare_rebalance(turn);
        }
    }

    /// Members have their sessions from now on.
    pub(in crate::group) fn start_all_sessions(&mut self, turn: &mut Turn<'_>) {
        for number in self.roster.numbers() {
            self.start_session(number, turn);
        }
    }

    /// The group is given up: takes everybody's calls that wait.
    pub(in crate::group) fn take_waiting(&mut self) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        for number in self.roster.numbers() {
            let id = self.roster.get(number).map(|member| member.id.clone());
            let joining = self.roster.take_joining(number).zip(id);
            let join = joining.map(|(caller, id)| Waiting::Join(caller, id));
            let sync = self.roster.take_syncing(number).map(Waiting::Sync);
            waiting.extend(join);
            waiting.extend(sync);
        }
        waiting
    }
}
