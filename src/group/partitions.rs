//! Sets of partitions, as members are given them, own them and give them up. A set is shared when it is
//! cloned and never changes: what is to be another one is made anew.

use crate::types::{PartitionIndex, TopicId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Partitions by topic: ascending, each once, and no topic without any.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Partitions(Arc<BTreeMap<TopicId, Vec<PartitionIndex>>>);

impl Partitions {
    /// None.
    pub fn new() -> Partitions {
        Partitions::default()
    }

    /// Those named, which may be in any order and named again.
    pub fn of(named: impl IntoIterator<Item = (TopicId, Vec<PartitionIndex>)>) -> Partitions {
        let mut topics: BTreeMap<TopicId, Vec<PartitionIndex>> = BTreeMap::new();
        for (topic, partitions) in named {
            if !partitions.is_empty() {
                topics.entry(topic).or_default().extend(partitions);
            }
        }
        for partitions in topics.values_mut() {
            partitions.sort_unstable();
            partitions.dedup();
        }
        Partitions(Arc::new(topics))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// By topic.
    pub fn topics(&self) -> impl Iterator<Item = (TopicId, &[PartitionIndex])> {
        self.0
            .iter()
            .map(|(topic, partitions)| (*topic, partitions.as_slice()))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = (TopicId, PartitionIndex)> {
        self.topics()
            .flat_map(|(topic, partitions)| partitions.iter().map(move |index| (topic, *index)))
    }

    /// Those of one topic.
    pub fn of_topic(&self, topic: TopicId) -> &[PartitionIndex] {
        self.0.get(&topic).map_or(&[], Vec::as_slice)
    }

    /// Whether that one is among them.
    pub fn contains(&self, topic: TopicId, index: PartitionIndex) -> bool {
        self.of_topic(topic).binary_search(&index).is_ok()
    }

    /// Whether all of them are among the others.
    pub fn are_within(&self, others: &Partitions) -> bool {
        self.iter()
            .all(|(topic, index)| others.contains(topic, index))
    }

    /// Whether any of them is among the others.
    pub fn overlap(&self, others: &Partitions) -> bool {
        self.iter()
            .any(|(topic, index)| others.contains(topic, index))
    }

    /// Those for which it holds.
    pub fn filter(&self, holds: impl Fn(TopicId, PartitionIndex) -> bool) -> Partitions {
        if self.iter().all(|(topic, index)| holds(topic, index)) {
            return self.clone();
        }
        Partitions::of(self.topics().map(|(topic, partitions)| {
            let kept = partitions.iter().filter(|index| holds(topic, **index));
            (topic, kept.copied().collect())
        }))
    }

    /// Those that are in both.
    pub fn and(&self, others: &Partitions) -> Partitions {
        self.filter(|topic, index| others.contains(topic, index))
    }

    /// Those that are not among the others.
    pub fn without(&self, others: &Partitions) -> Partitions {
        self.filter(|topic, index| !others.contains(topic, index))
    }

    /// Those that are in either.
    pub fn or(&self, others: &Partitions) -> Partitions {
        if others.is_empty() {
            return self.clone();
        }
        if self.is_empty() {
            return others.clone();
        }
        let both = self.topics().chain(others.topics());
        Partitions::of(both.map(|(topic, partitions)| (topic, partitions.to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Uuid;

    const A: TopicId = Uuid([1; 16]);
    const B: TopicId = Uuid([2; 16]);

    fn set(named: &[(TopicId, &[i32])]) -> Partitions {
        let named = named.iter().map(|(topic, partitions)| {
            let partitions = partitions.iter().copied().map(PartitionIndex);
            (*topic, partitions.collect())
        });
        Partitions::of(named)
    }

    #[test]
    fn however_partitions_are_named_the_set_is_the_same() {
        let named = set(&[(B, &[]), (A, &[2, 0]), (A, &[0, 1])]);
        assert_eq!(named, set(&[(A, &[0, 1, 2])]));
        assert_eq!(named.len(), 3);
        assert!(set(&[(B, &[])]).is_empty());
    }

    #[test]
    fn sets_combine_as_sets_do() {
        let left = set(&[(A, &[0, 1, 2]), (B, &[0])]);
        let right = set(&[(A, &[1, 3])]);
        assert_eq!(left.and(&right), set(&[(A, &[1])]));
        assert_eq!(left.without(&right), set(&[(A, &[0, 2]), (B, &[0])]));
        assert_eq!(left.or(&right), set(&[(A, &[0, 1, 2, 3]), (B, &[0])]));
        assert_eq!(left.or(&Partitions::new()), left);
        assert!(left.overlap(&right) && !left.overlap(&set(&[(B, &[1])])));
        assert!(left.and(&right).are_within(&left) && !right.are_within(&left));
        assert!(Partitions::new().are_within(&left));
    }
}
