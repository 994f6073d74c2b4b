//! Where a shard keeps which partition. Every part of every request looks one up, so a look-up among many
//! partitions touches a few lines of memory and not the path through a tree of all ids.

use crate::types::{PartitionId, PartitionIndex, TopicId};
use std::collections::BTreeMap;

/// The slots of a shard's partitions, in the order of the partitions.
pub(super) struct Roster {
    /// Each topic's, by index. Topics have no gaps and their partitions go from shard to shard, so
    /// one stands where its index says; where it does not, it is searched for.
    topics: BTreeMap<TopicId, Vec<(PartitionIndex, u32)>>,
    shards: u16,
}

impl Roster {
    /// That of one of so many shards, without partitions.
    pub(super) fn new(shards: u16) -> Roster {
        Roster {
            topics: BTreeMap::new(),
            shards,
        }
    }

    /// The partition's slot.
    pub(super) fn get(&self, id: PartitionId) -> Option<u32> {
        let of_topic = self.topics.get(&id.topic)?;
        let likely = id.index.0 as usize / usize::from(self.shards);
        match of_topic.get(likely) {
            Some((index, slot)) if *index == id.index => Some(*slot),
            _ => {
                let at = search(of_topic, id.index).ok()?;
                Some(of_topic[at].1)
            }
        }
    }

    /// Takes in a partition, in the place of what may have been there.
    pub(super) fn insert(&mut self, id: PartitionId, slot: u32) {
        let of_topic = self.topics.entry(id.topic).or_default();
        match search(of_topic, id.index) {
            Ok(at) => of_topic[at].1 = slot,
            Err(at) => of_topic.insert(at, (id.index, slot)),
        }
    }

    /// Strikes off a topic; returns the slots of its partitions.
    pub(super) fn remove(&mut self, topic: TopicId) -> Vec<u32> {
        let gone = self.topics.remove(&topic).unwrap_or_default();
        gone.into_iter().map(|(_, slot)| slot).collect()
    }

    /// Strikes off everything.
    pub(super) fn clear(&mut self) {
        self.topics.clear();
    }

    /// All slots.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        self.topics.values().flatten().map(|(_, slot)| *slot)
    }

    /// A topic's partitions from this one on.
    pub(super) fn of_topic(
        &self,
        topic: TopicId,
        first: PartitionIndex,
    ) -> impl Iterator<Item = (PartitionIndex, u32)> {
        let all = self.topics.get(&topic).map_or(&[][..], |it| &it[..]);
        let from = all.partition_point(|(index, _)| *index < first);
        all[from..].iter().copied()
    }
}

fn search(of_topic: &[(PartitionIndex, u32)], index: PartitionIndex) -> Result<usize, usize> {
    of_topic.binary_search_by_key(&index, |(index, _)| *index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Uuid;

    fn id(topic: u8, index: i32) -> PartitionId {
        PartitionId {
            topic: Uuid([topic; 16]),
            index: PartitionIndex(index),
        }
    }

    #[test]
    fn partitions_are_found_wherever_a_topic_begins_and_whatever_it_lacks() {
        // Those of a topic on the third of four shards; one with gaps, as a disk that failed leaves it.
        let third = (0..100).map(|at| at * 4 + 2);
        let gaps = [0, 1, 5, 6, 40, i32::MAX];
        let mut roster = Roster::new(4);
        let ids = third.map(|index| id(1, index));
        let ids: Vec<_> = ids.chain(gaps.map(|index| id(2, index))).collect();
        for (slot, id) in ids.iter().enumerate().rev() {
            roster.insert(*id, slot as u32);
        }
        for (slot, id) in ids.iter().enumerate() {
            assert_eq!(roster.get(*id), Some(slot as u32), "{id:?}");
        }
        assert!(roster.slots().eq(0..ids.len() as u32));
        for absent in [id(1, 0), id(1, 402), id(2, 2), id(2, -1), id(3, 0)] {
            assert_eq!(roster.get(absent), None, "{absent:?}");
        }
    }

    #[test]
    fn a_topic_is_walked_from_a_partition_on_and_goes_as_a_whole() {
        let mut roster = Roster::new(1);
        for (slot, index) in [7, 3, 5].into_iter().enumerate() {
            roster.insert(id(1, index), slot as u32);
        }
        roster.insert(id(2, 0), 9);
        let walk = |roster: &Roster, first| -> Vec<_> {
            let from_there = roster.of_topic(Uuid([1; 16]), PartitionIndex(first));
            from_there.map(|(index, slot)| (index.0, slot)).collect()
        };
        assert_eq!(walk(&roster, 0), [(3, 1), (5, 2), (7, 0)]);
        assert_eq!(walk(&roster, 4), [(5, 2), (7, 0)]);
        assert_eq!(walk(&roster, 8), []);
        assert_eq!(roster.remove(Uuid([1; 16])), [1, 2, 0]);
        assert_eq!(walk(&roster, 0), []);
        assert_eq!(roster.get(id(2, 0)), Some(9));
        assert!(roster.remove(Uuid([1; 16])).is_empty());
    }
}
