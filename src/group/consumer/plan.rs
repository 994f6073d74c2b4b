//! A consumer group with changes that are not in the log yet: what a call wants to write, and the group
//! as it will be then. If it comes to nothing, the group is as it was.

use super::{Consumer, ConsumerEntry};
use crate::group::timers::Numbers;
use std::borrow::Cow;

/// Changes in the making.
pub(in crate::group) struct Plan<'a> {
    group: Cow<'a, Consumer>,
    entries: Vec<ConsumerEntry>,
    /// Members that are only planned have numbers of the plan's own.
    numbers: Numbers,
}

impl<'a> Plan<'a> {
    /// None yet.
    pub(super) fn of(group: &'a Consumer) -> Plan<'a> {
        Plan {
            group: Cow::Borrowed(group),
            entries: Vec::new(),
            numbers: Numbers::apart(),
        }
    }

    /// The group as it will be.
    pub(super) fn group(&self) -> &Consumer {
        &self.group
    }

    /// One more change.
    pub(super) fn write(&mut self, entry: ConsumerEntry) {
        self.entries.push(entry.clone());
        self.group.to_mut().apply(entry, &mut self.numbers);
    }

    /// The last change: [`Plan::group`] does not show it.
    pub(super) fn end_with(&mut self, entry: ConsumerEntry) {
        self.entries.push(entry);
    }

    /// What is to be written.
    pub(super) fn finish(self) -> Vec<ConsumerEntry> {
        self.entries
    }
}
