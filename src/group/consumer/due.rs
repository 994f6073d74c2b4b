//! Which members time removes from a consumer group.

use super::Consumer;
use super::heartbeat::is_revoking;
use crate::group::timers::{MemberNumber, Timer};
use std::sync::Arc;

/// What of a consumer group is due.
pub(super) enum Due {
    /// The member is to be removed.
    Removal(Arc<str>),
    /// The look-up of regular expressions goes on.
    Lookup,
    /// Nothing any more.
    Nothing,
}

impl Consumer {
    /// What the timer means by now.
    pub(super) fn due(&self, timer: Timer) -> Due {
        let removal = |number: MemberNumber| match self.numbers.get(&number) {
            Some(id) => Due::Removal(id.clone()),
            None => Due::Nothing,
        };
        match timer {
            Timer::Session(number) | Timer::Rejoin(number) | Timer::Resync(number) => {
                removal(number)
            }
            Timer::Revocation(number) => match removal(number) {
                Due::Removal(id) if is_revoking(&self.members[&id].current) => Due::Removal(id),
                _ => Due::Nothing,
            },
            Timer::Lookup => Due::Lookup,
            // Of a classic group that this one has been.
            Timer::Rebalance | Timer::Syncs => Due::Nothing,
        }
    }
}
