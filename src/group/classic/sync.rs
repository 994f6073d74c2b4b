//! SyncGroup and Heartbeat.

use super::rebalance::answer;
use super::{Classic, State};
use crate::group::call::{Heartbeat, Reply, Sync, Synced};
use crate::group::timers::MemberNumber;
use crate::group::turn::Turn;
use crate::types::ReturnTo;
use crate::wire::ErrorCode;
use std::collections::BTreeMap;
use std::mem;

impl Classic {
    /// SyncGroup.
    pub(in crate::group) fn sync(&mut self, caller: ReturnTo, sync: &Sync, turn: &mut Turn<'_>) {
        let checked = self.check_sync(sync);
        let number = match (checked, &self.state) {
            (Err(error), _) => return refuse(caller, error, turn),
            (Ok(_), State::Preparing { .. } | State::Empty) => {
                return refuse(caller, ErrorCode::REBALANCE_IN_PROGRESS, turn);
            }
            (Ok(number), State::Completing { .. } | State::Stable { .. }) => number,
        };
        self.strike_unsynced(number, turn);
        if matches!(self.state, State::Stable { .. }) {
            let synced = self.synced(number);
            return turn.reply(caller, Reply::Synced(synced));
        }
        // An earlier sync that still waits was given up by its client.
        let before = self.roster.sync(number, caller);
        let refused = Synced::refused(ErrorCode::REBALANCE_IN_PROGRESS);
        answer(before, Reply::Synced(refused), turn);
        if self.roster.leads(number) {
            self.take_assignment(sync, turn);
        }
    }

    /// The leader has decided: everybody who waits gets to know.
    fn take_assignment(&mut self, sync: &Sync, turn: &mut Turn<'_>) {
        let State::Completing { unsynced } = &mut self.state else {
            return;
        };
        let unsynced = mem::take(unsynced);
        let given = sync.assignments.iter();
        let given: BTreeMap<&str, _> = given.map(|(id, what)| (id.as_str(), what)).collect();
        self.roster.assign(&given);
        self.enter(State::Stable { unsynced }, turn);
        if self.write(turn) {
            self.answer_syncs(turn, ErrorCode::NONE);
            return;
        }
        // More than a batch holds: Kafka's code for what the log does not take.
        self.roster.assign(&BTreeMap::new());
        self.answer_syncs(turn, ErrorCode::UNKNOWN_SERVER_ERROR);
        self.prepare_rebalance(turn);
    }

    fn check_sync(&self, sync: &Sync) -> Result<MemberNumber, ErrorCode> {
        let number = self.member(&sync.member, sync.instance.as_deref())?;
        if sync.generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differs = |said: &Option<String>, known: Option<&str>| match (said, known) {
            (Some(said), Some(known)) => said != known,
            _ => false,
        };
        let differ = differs(&sync.protocol_type, self.protocol_type.as_deref())
            || differs(&sync.protocol_name, self.protocol_name.as_deref());
        match differ {
            true => Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
            false => Ok(number),
        }
    }

    /// Heartbeat. Also while the members gather or the leader assigns, it shows that the member lives.
    pub(in crate::group) fn heartbeat(
        &mut self,
        heartbeat: &Heartbeat,
        turn: &mut Turn<'_>,
    ) -> ErrorCode {
        let number = match self.member(&heartbeat.member, heartbeat.instance.as_deref()) {
            Ok(number) => number,
            Err(error) => return error,
        };
        if heartbeat.generation != self.generation {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        self.start_session(number, turn);
        match self.state {
            State::Preparing { .. } => ErrorCode::REBALANCE_IN_PROGRESS,
            State::Completing { .. } | State::Stable { .. } => ErrorCode::NONE,
            State::Empty => unreachable!("a member of a group without members"),
        }
    }
}

fn refuse(caller: ReturnTo, error: ErrorCode, turn: &mut Turn<'_>) {
    turn.reply(caller, Reply::Synced(Synced::refused(error)));
}
