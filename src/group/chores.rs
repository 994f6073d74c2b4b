//! What a coordinator does without being asked, a turn at a time, so that calls have theirs in between:
//! it looks for offsets that have expired (KIP-211), forgets those of deleted topics, and goes on with
//! calls whose records did not fit into one batch.

use super::call::{Call, Reply};
use super::config::GroupConfig;
use super::coordinator::{Context, Coordinator};
use super::kind::{Group, Kind};
use super::offsets::Committed;
use super::records;
use super::timers::GroupNumber;
use super::turn::Draft;
use crate::limits::{EXPIRY_GROUPS_PER_TURN, GROUP_TURN_PAUSE_US};
use crate::types::{Now, PartitionIndex, ReturnTo, Timestamp};
use crate::wire::ErrorCode;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

/// What is to be done, and when.
#[derive(Default, Debug)]
pub(in crate::group) struct Chores {
    /// When to look for expired offsets again, µs on the monotonic clock; none before the log is loaded.
    next_expiry_us: Option<u64>,
    /// A look under way: the groups up to this one have been looked at.
    expiry_after: Option<GroupNumber>,
    /// Offsets of deleted topics. One that was committed again since is another one.
    doomed: VecDeque<Doomed>,
    /// Calls that are not done yet.
    deferred: VecDeque<(ReturnTo, Call)>,
    /// When to go on with the last two.
    resume_us: u64,
}

#[derive(Debug)]
struct Doomed {
    group: GroupNumber,
    topic: Arc<str>,
    partition: PartitionIndex,
    stamp: u64,
}

impl Chores {
    /// The log is loaded.
    pub(in crate::group) fn begin(&mut self, now: Now, config: &GroupConfig) {
        self.next_expiry_us = Some(next_expiry_us(now, config));
    }

    /// When there is something to do.
    pub(in crate::group) fn next_us(&self) -> Option<u64> {
        let waits = !self.doomed.is_empty() || !self.deferred.is_empty();
        let resume_us = waits.then_some(self.resume_us);
        resume_us.into_iter().chain(self.next_expiry_us).min()
    }

    /// The call is to be handled again, when what was done of it is in effect.
    pub(in crate::group) fn defer(&mut self, now: Now, caller: ReturnTo, call: Call) {
        self.deferred.push_back((caller, call));
        self.resume_us = now.monotonic_us + GROUP_TURN_PAUSE_US;
    }

    /// The answers to calls that will not be done.
    pub(in crate::group) fn take_deferred(&mut self, error: ErrorCode) -> Vec<(ReturnTo, Reply)> {
        let deferred = self.deferred.drain(..);
        deferred
            .map(|(caller, call)| (caller, call.refuse(error)))
            .collect()
    }
}

fn next_expiry_us(now: Now, config: &GroupConfig) -> u64 {
    let interval_ms = config.offsets_retention_check_interval_ms.max(1);
    let interval_us = u64::try_from(interval_ms).unwrap_or(1).saturating_mul(1000);
    now.monotonic_us.saturating_add(interval_us)
}

impl Coordinator {
    /// Does one turn of what is due.
    pub(in crate::group) fn do_chores(&mut self, context: &mut Context<'_>, draft: &mut Draft) {
        let now = context.now;
        let is_due = |due_us: u64| due_us <= now.monotonic_us;
        if is_due(self.chores.resume_us) {
            if let Some((caller, call)) = self.chores.deferred.pop_front() {
                self.chores.resume_us = now.monotonic_us + GROUP_TURN_PAUSE_US;
                return self.dispatch(context, caller, call, draft);
            }
            if !self.chores.doomed.is_empty() {
                return self.forget_doomed(now, draft);
            }
        }
        if self.chores.next_expiry_us.is_some_and(is_due) {
            self.expire_offsets(now, draft);
        }
    }

    // -- deleted topics

    /// Notes what is committed for these topics.
    pub(in crate::group) fn doom(&mut self, topics: &[String]) {
        for (number, group) in &self.groups {
            for topic in topics {
                for partition in group.offsets.partitions(topic) {
                    let stamp = group.offsets.stamp(topic, partition);
                    self.chores.doomed.extend(stamp.map(|stamp| Doomed {
                        group: *number,
                        topic: topic.as_str().into(),
                        partition,
                        stamp,
                    }));
                }
            }
        }
    }

    /// Forgets as many of the noted offsets as a batch holds.
    pub(in crate::group) fn forget_doomed(&mut self, now: Now, draft: &mut Draft) {
        self.chores.resume_us = now.monotonic_us + GROUP_TURN_PAUSE_US;
        while let Some(doomed) = self.chores.doomed.front() {
            let group = self.groups.get(&doomed.group);
            let group = group.filter(|group| {
                group.offsets.stamp(&doomed.topic, doomed.partition) == Some(doomed.stamp)
            });
            if let Some(group) = group {
                let record = records::no_offset(&group.id, &doomed.topic, doomed.partition);
                // One that no batch holds stays: it cannot have been written with these settings.
                if let Some(record) = record.filter(|record| draft.could_hold(record))
                    && !draft.push(record)
                {
                    return;
                }
            }
            self.chores.doomed.pop_front();
        }
    }

    // -- expiry

    /// Looks at some groups for offsets that have expired; groups that then have nothing left are gone.
    fn expire_offsets(&mut self, now: Now, draft: &mut Draft) {
        let after = match self.chores.expiry_after {
            Some(number) => Bound::Excluded(number),
            None => Bound::Unbounded,
        };
        let mut left = EXPIRY_GROUPS_PER_TURN;
        for (number, group) in self.groups.range((after, Bound::Unbounded)) {
            if left == 0 || !expire_group(group, now.wall, &self.config, draft) {
                self.chores.next_expiry_us = Some(now.monotonic_us + GROUP_TURN_PAUSE_US);
                return;
            }
            left -= 1;
            self.chores.expiry_after = Some(*number);
        }
        self.chores.expiry_after = None;
        self.chores.next_expiry_us = Some(next_expiry_us(now, &self.config));
    }
}

/// Writes the end of a group's offsets that have expired, and of the group if it has neither offsets nor
/// members. Returns false if only a part of it fits.
fn expire_group(group: &Group, now: Timestamp, config: &GroupConfig, draft: &mut Draft) -> bool {
    let mut all_expired = true;
    for (topic, partitions) in group.offsets.topics() {
        for (index, committed) in partitions {
            if !has_expired(&group.kind, topic, committed, now, config) {
                all_expired = false;
                continue;
            }
            let record = records::no_offset(&group.id, topic, index);
            let Some(record) = record.filter(|record| draft.could_hold(record)) else {
                all_expired = false;
                continue;
            };
            if !draft.push(record) {
                return false;
            }
        }
    }
    // Kafka takes the group from under who was given an id to join with, too.
    let is_over = all_expired && group.kind.is_deserted();
    let end = is_over.then(|| group.end()).flatten();
    match end.filter(|end| draft.could_hold_all(end)) {
        Some(end) => draft.push_all(end),
        None => true,
    }
}

/// Whether an offset has expired (KIP-211): so long after it was committed, or, in a group that had
/// members, so long after the last one left; and never while it may be read.
fn has_expired(
    kind: &Kind,
    topic: &str,
    committed: &Committed,
    now: Timestamp,
    config: &GroupConfig,
) -> bool {
    let Some(since) = kind.kept_for_nobody_since(committed.committed) else {
        return false;
    };
    if kind.may_read(topic) {
        return false;
    }
    match committed.expires {
        Timestamp::NONE => now.0.saturating_sub(since.0) >= config.offsets_retention_ms,
        expires => now >= expires,
    }
}
