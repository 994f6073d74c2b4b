//! A member's next step to its target: what it is to give up, and when it has, what it gets.

use super::member::{Current, State};
use super::{Consumer, Refusal};
use crate::group::partitions::Partitions;
use crate::types::TopicId;
use crate::wire::ErrorCode;
use std::collections::BTreeSet;

/// Where a member is to be led.
pub(super) struct Goal<'a> {
    /// The epoch of the target.
    pub(super) epoch: i32,
    /// What the member is to have.
    pub(super) target: &'a Partitions,
    /// The topics that it wants now. What it is to have of others it is to have no longer, even before
    /// there is a target that says so.
    pub(super) topics: &'a BTreeSet<TopicId>,
    /// Whether that has changed.
    pub(super) topics_changed: bool,
    /// What the member says that it owns; none: it does not say.
    pub(super) owned: Option<&'a Partitions>,
}

impl Goal<'_> {
    /// Whether the member may still use one of these.
    fn may_use(&self, partitions: &Partitions) -> bool {
        self.owned.is_none_or(|owned| owned.overlap(partitions))
    }
}

impl Consumer {
    /// What the member has after this step; the same if there is nothing to do.
    pub(super) fn reconcile(&self, now: &Current, goal: &Goal<'_>) -> Result<Current, Refusal> {
        match now.state {
            State::Stable if now.epoch != goal.epoch => Ok(self.approach(now, now.epoch, goal)),
            State::Stable if goal.topics_changed => Ok(drop_unwanted(now, goal)),
            State::Stable => Ok(now.clone()),
            State::Unrevoked if !goal.may_use(&now.revoking) => {
                Ok(self.approach(now, now.epoch, goal))
            }
            State::Unrevoked if goal.topics_changed => Ok(drop_unwanted(now, goal)),
            State::Unrevoked => Ok(now.clone()),
            State::Unreleased => Ok(self.approach(now, now.epoch, goal)),
            State::Unknown if goal.owned.is_some_and(Partitions::is_empty) => {
                Ok(self.approach(now, goal.epoch, goal))
            }
            State::Unknown => Err(Refusal::new(
                ErrorCode::FENCED_MEMBER_EPOCH,
                "The member is in a state that is not known here: give up all partitions and join again.",
            )),
        }
    }

    /// One step to the target: giving up before getting.
    fn approach(&self, now: &Current, epoch: i32, goal: &Goal<'_>) -> Current {
        let target = goal.target.filter(|topic, _| goal.topics.contains(&topic));
        let kept = now.assigned.and(&target);
        let revoking = now.assigned.without(&target);
        if !revoking.is_empty() && goal.may_use(&revoking) {
            return Current {
                epoch,
                previous_epoch: now.epoch,
                state: State::Unrevoked,
                assigned: kept,
                revoking,
            };
        }
        let missing = target.without(&kept);
        let released = missing.filter(|topic, index| {
            // What the member itself has just given up is nobody else's.
            !self.owners.contains_key(&(topic, index)) || now.revoking.contains(topic, index)
        });
        let state = match released.len() == missing.len() {
            true => State::Stable,
            false => State::Unreleased,
        };
        Current {
            epoch: goal.epoch,
            previous_epoch: now.epoch,
            state,
            assigned: kept.or(&released),
            revoking: Partitions::new(),
        }
    }
}

/// The member is to give up what it does not want any more, without waiting for another target.
fn drop_unwanted(now: &Current, goal: &Goal<'_>) -> Current {
    let assigned = now.assigned.filter(|topic, _| goal.topics.contains(&topic));
    if assigned == now.assigned {
        return now.clone();
    }
    let revoking = now.revoking.or(&now.assigned.without(&assigned));
    if !goal.may_use(&revoking) {
        return Current {
            assigned,
            ..now.clone()
        };
    }
    Current {
        state: State::Unrevoked,
        assigned,
        revoking,
        ..now.clone()
    }
}
