//! What a group has committed, by topic and partition. It changes by replay alone.

use crate::types::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// A committed offset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) struct Committed {
    /// The offset of the next record to be consumed.
    pub(in crate::group) offset: Offset,
    /// The leader epoch of the last record consumed, or unknown.
    pub(in crate::group) leader_epoch: LeaderEpoch,
    /// What the client wants to find again. Mostly empty, and then without memory of its own.
    pub(in crate::group) metadata: Box<str>,
    /// When it was committed.
    pub(in crate::group) committed: Timestamp,
    /// When it expires, if the client said (OffsetCommit versions 2 to 4); else none.
    pub(in crate::group) expires: Timestamp,
    /// The topic's id, zero if the client gave none.
    pub(in crate::group) topic_id: TopicId,
}

/// One partition's offset, and which replay brought it: a later commit has a larger stamp.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Kept {
    committed: Committed,
    stamp: u64,
}

/// A group's offsets. No topic is without partitions.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in crate::group) struct Offsets {
    topics: BTreeMap<Arc<str>, BTreeMap<PartitionIndex, Kept>>,
}

impl Offsets {
    pub(in crate::group) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(in crate::group) fn get(&self, topic: &str, index: PartitionIndex) -> Option<&Committed> {
        Some(&self.topics.get(topic)?.get(&index)?.committed)
    }

    /// Which replay brought that partition's offset.
    pub(in crate::group) fn stamp(&self, topic: &str, index: PartitionIndex) -> Option<u64> {
        Some(self.topics.get(topic)?.get(&index)?.stamp)
    }

    pub(in crate::group) fn set(
        &mut self,
        topic: &str,
        index: PartitionIndex,
        committed: Committed,
        stamp: u64,
    ) {
        let kept = Kept { committed, stamp };
        match self.topics.get_mut(topic) {
            Some(partitions) => {
                partitions.insert(index, kept);
            }
            None => {
                let partitions = BTreeMap::from([(index, kept)]);
                self.topics.insert(topic.into(), partitions);
            }
        }
    }

    pub(in crate::group) fn remove(&mut self, topic: &str, index: PartitionIndex) {
        let Some(partitions) = self.topics.get_mut(topic) else {
            return;
        };
        partitions.remove(&index);
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
    }

    /// All topics with their offsets, by name and partition.
    pub(in crate::group) fn topics(
        &self,
    ) -> impl Iterator<
        Item = (
            &Arc<str>,
            impl Iterator<Item = (PartitionIndex, &Committed)>,
        ),
    > {
        self.topics.iter().map(|(topic, partitions)| {
            let partitions = partitions.iter();
            (
                topic,
                partitions.map(|(index, kept)| (*index, &kept.committed)),
            )
        })
    }

    /// The offsets behind that one, by topic and partition; all of them behind none.
    pub(in crate::group) fn behind<'a>(
        &'a self,
        last: Option<&'a (Arc<str>, PartitionIndex)>,
    ) -> impl Iterator<Item = (&'a Arc<str>, PartitionIndex, &'a Committed)> {
        let from = last.map_or(Bound::Unbounded, |(topic, _)| Bound::Included(&**topic));
        let topics = self.topics.range::<str, _>((from, Bound::Unbounded));
        topics.flat_map(move |(topic, partitions)| {
            let from = match last {
                Some((begun, index)) if begun == topic => Bound::Excluded(*index),
                _ => Bound::Unbounded,
            };
            let partitions = partitions.range((from, Bound::Unbounded));
            partitions.map(move |(index, kept)| (topic, *index, &kept.committed))
        })
    }

    /// One topic's partitions.
    pub(in crate::group) fn partitions(
        &self,
        topic: &str,
    ) -> impl Iterator<Item = PartitionIndex> + '_ {
        let partitions = self.topics.get(topic);
        partitions.into_iter().flatten().map(|(index, _)| *index)
    }
}
