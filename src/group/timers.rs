//! When what is due in which group: an ordered set, so that the next is found at once and setting one
//! of 100,000 costs as much as a few comparisons. Groups and members have numbers here, which are never
//! given twice: a timer of a group that is gone finds nothing.

use std::collections::{BTreeMap, BTreeSet};

/// A group, as timers know it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::group) struct GroupNumber(pub u64);

/// A member of any group, as timers know it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::group) struct MemberNumber(pub u64);

/// Gives out numbers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in crate::group) struct Numbers(u64);

impl Numbers {
    /// Numbers for what is only planned: no coordinator comes so far.
    pub(in crate::group) fn apart() -> Numbers {
        Numbers(u64::MAX / 2)
    }

    pub(in crate::group) fn group(&mut self) -> GroupNumber {
        GroupNumber(self.next())
    }

    pub(in crate::group) fn member(&mut self) -> MemberNumber {
        MemberNumber(self.next())
    }

    /// One more number, which orders what happens.
    pub(in crate::group) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::group) enum Timer {
    /// Whoever has not joined the rebalance is left behind.
    Rebalance,
    /// Whoever has joined and not synced is removed.
    Syncs,
    /// The member was silent for too long.
    Session(MemberNumber),
    /// The member of a consumer group has not given up partitions in time.
    Revocation(MemberNumber),
    /// The member of a consumer group that speaks the classic protocol has not joined again in time.
    Rejoin(MemberNumber),
    /// The member of a consumer group that speaks the classic protocol has joined and not synced.
    Resync(MemberNumber),
    /// Regular expressions are to be looked up.
    Lookup,
}

impl Timer {
    /// All timers of a member.
    pub(in crate::group) fn of_member(member: MemberNumber) -> [Timer; 4] {
        [
            Timer::Session(member),
            Timer::Revocation(member),
            Timer::Rejoin(member),
            Timer::Resync(member),
        ]
    }
}

/// All timers of a coordinator. Each group has at most one of each kind per member.
///
/// `queue` and `due` hold the same timers.
#[derive(Default, Debug)]
pub(in crate::group) struct Timers {
    queue: BTreeSet<(u64, GroupNumber, Timer)>,
    due: BTreeMap<(GroupNumber, Timer), u64>,
}

impl Timers {
    /// Sets a timer anew, µs on the monotonic clock.
    pub(in crate::group) fn set(&mut self, group: GroupNumber, timer: Timer, due_us: u64) {
        if let Some(before) = self.due.insert((group, timer), due_us) {
            self.queue.remove(&(before, group, timer));
        }
        self.queue.insert((due_us, group, timer));
        debug_assert_eq!(self.queue.len(), self.due.len());
    }

    /// Whether a timer is set.
    pub(in crate::group) fn is_set(&self, group: GroupNumber, timer: Timer) -> bool {
        self.due.contains_key(&(group, timer))
    }

    /// Forgets a timer, if it is set.
    pub(in crate::group) fn cancel(&mut self, group: GroupNumber, timer: Timer) {
        if let Some(due_us) = self.due.remove(&(group, timer)) {
            self.queue.remove(&(due_us, group, timer));
        }
    }

    /// Forgets all timers of a group.
    pub(in crate::group) fn cancel_group(&mut self, group: GroupNumber) {
        let next = GroupNumber(group.0 + 1);
        let first = (group, Timer::Rebalance);
        while let Some((&(_, timer), _)) = self.due.range(first..(next, Timer::Rebalance)).next() {
            self.cancel(group, timer);
        }
    }

    /// When the next is due.
    pub(in crate::group) fn next_us(&self) -> Option<u64> {
        self.queue.first().map(|(due_us, _, _)| *due_us)
    }

    /// Takes the next that is due.
    pub(in crate::group) fn pop(&mut self, now_us: u64) -> Option<(GroupNumber, Timer)> {
        let (due_us, group, timer) = *self.queue.first()?;
        if due_us > now_us {
            return None;
        }
        self.cancel(group, timer);
        Some((group, timer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: GroupNumber = GroupNumber(1);
    const B: GroupNumber = GroupNumber(2);
    const MEMBER: Timer = Timer::Session(MemberNumber(9));

    #[test]
    fn a_timer_set_again_is_due_once() {
        let mut timers = Timers::default();
        timers.set(A, MEMBER, 10);
        timers.set(A, MEMBER, 30);
        timers.set(B, Timer::Syncs, 20);
        assert_eq!(timers.next_us(), Some(20));
        assert_eq!(timers.pop(19), None);
        assert_eq!(timers.pop(40), Some((B, Timer::Syncs)));
        assert_eq!(timers.pop(40), Some((A, MEMBER)));
        assert_eq!(timers.pop(40), None);
        assert_eq!(timers.next_us(), None);
    }

    #[test]
    fn a_group_that_goes_takes_all_its_timers_and_no_others() {
        let mut timers = Timers::default();
        for timer in [Timer::Rebalance, Timer::Syncs, MEMBER] {
            timers.set(A, timer, 1);
            timers.set(B, timer, 2);
        }
        timers.cancel_group(A);
        assert_eq!(timers.next_us(), Some(2));
        assert_eq!((timers.queue.len(), timers.due.len()), (3, 3));
        timers.cancel(B, MEMBER);
        timers.cancel(B, MEMBER);
        assert_eq!((timers.queue.len(), timers.due.len()), (2, 2));
    }
}
