//! Who gets which partitions, where the broker assigns them (KIP-848). Pure functions of the topics, the
//! members, what they want and what they were to have before.
//!
//! - [`Assignor::Uniform`]: everybody about the same number, and no partition moves that need not.
//! - [`Assignor::Range`]: of each topic a range, in the order of the members' names, so that who has
//!   partition 3 of one topic has that of the others, too; what moves is not looked at.
//!
//! # Invariants
//!
//! Each partition of a topic that somebody wants is given once, to somebody who wants it.

mod range;
mod uniform;

#[cfg(test)]
mod tests;

use super::partitions::Partitions;
use crate::types::TopicId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A way to assign, one of `group.consumer.assignors`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Assignor {
    /// Evenly and sticky.
    Uniform,
    /// By ranges.
    Range,
}

impl Assignor {
    /// All of them.
    pub const ALL: [Assignor; 2] = [Assignor::Uniform, Assignor::Range];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// The one of that name.
    pub fn parse(name: &str) -> Option<Assignor> {
        Assignor::ALL
            .into_iter()
            .find(|assignor| assignor.name() == name)
    }

    /// Gives out all partitions that anybody wants. `topics` says how many partitions a topic has;
    /// topics that are not there are not given out. Returns what each of the members gets.
    pub(in crate::group) fn assign(
        self,
        topics: &BTreeMap<TopicId, i32>,
        members: &[Subscriber<'_>],
    ) -> Vec<Partitions> {
        let assigned = match self {
            Assignor::Uniform => uniform::assign(topics, members),
            Assignor::Range => range::assign(topics, members),
        };
        if cfg!(debug_assertions) {
            check(topics, members, &assigned);
        }
        assigned
    }
}

/// Somebody who wants partitions.
#[derive(Clone, Debug)]
pub(in crate::group) struct Subscriber<'a> {
    /// The member's id.
    pub(in crate::group) id: &'a str,
    /// `group.instance.id` of a static member.
    pub(in crate::group) instance: Option<&'a str>,
    /// The topics that it wants.
    pub(in crate::group) topics: Arc<BTreeSet<TopicId>>,
    /// What it was to have until now.
    pub(in crate::group) held: Partitions,
}

/// The invariant.
fn check(topics: &BTreeMap<TopicId, i32>, members: &[Subscriber<'_>], assigned: &[Partitions]) {
    assert_eq!(members.len(), assigned.len());
    let mut given = BTreeSet::new();
    for (member, partitions) in members.iter().zip(assigned) {
        for (topic, index) in partitions.iter() {
            assert!(member.topics.contains(&topic));
            assert!((0..topics[&topic]).contains(&index.0));
            assert!(
                given.insert((topic, index)),
                "{topic:?}-{index} is given twice"
            );
        }
    }
    let wanted: BTreeSet<TopicId> = members
        .iter()
        .flat_map(|member| member.topics.iter().copied())
        .collect();
    let wanted = wanted.iter().filter_map(|topic| topics.get(topic));
    let wanted: usize = wanted
        .map(|count| usize::try_from(*count).unwrap_or(0))
        .sum();
    assert_eq!(given.len(), wanted, "everything that is wanted is given");
}
