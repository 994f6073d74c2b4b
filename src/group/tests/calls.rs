//! Calls about offsets, and what their answers say.

use super::*;
use crate::types::{LeaderEpoch, Offset, PartitionIndex, TopicId};

/// A commit to the group "g": topic, partition and offset.
pub(super) fn commit(member: &str, generation: i32, offsets: &[(&str, i32, i64)]) -> Call {
    Call::Commit(committing(member, generation, offsets))
}

pub(super) fn committing(member: &str, generation: i32, offsets: &[(&str, i32, i64)]) -> Commit {
    let topics = offsets.iter().map(|(topic, index, offset)| CommitTopic {
        name: topic.to_string(),
        id: TopicId::ZERO,
        partitions: vec![CommitPartition {
            index: PartitionIndex(*index),
            offset: Offset(*offset),
            leader_epoch: LeaderEpoch(7),
            metadata: None,
        }],
    });
    Commit {
        group: "g".to_string(),
        member: member.to_string(),
        instance: None,
        generation,
        retention_ms: None,
        knows_member_epochs: true,
        topics: topics.collect(),
    }
}

pub(super) fn commit_errors(reply: Reply) -> Vec<ErrorCode> {
    let Reply::Committed(committed) = reply else {
        panic!("{reply:?}")
    };
    let partitions = committed
        .topics
        .into_iter()
        .flat_map(|topic| topic.partitions);
    partitions.map(|(_, error)| error).collect()
}

pub(super) fn fetching(topics: Option<&[(&str, &[i32])]>) -> FetchOffsets {
    let named = |topics: &[(&str, &[i32])]| {
        let topics = topics.iter().map(|(name, partitions)| FetchTopic {
            name: name.to_string(),
            id: TopicId::ZERO,
            partitions: partitions
                .iter()
                .map(|index| PartitionIndex(*index))
                .collect(),
        });
        topics.collect()
    };
    FetchOffsets {
        group: "g".to_string(),
        member: None,
        member_epoch: -1,
        topics: topics.map(named),
        require_stable: false,
    }
}

impl Bench {
    pub(super) fn fetch(&mut self, fetch: FetchOffsets) -> Vec<FetchedTopic> {
        match self.call(Call::Fetch(fetch)) {
            Reply::OffsetsFetched(fetched) => {
                assert_eq!(fetched.error, ErrorCode::NONE);
                fetched.topics
            }
            other => panic!("{other:?}"),
        }
    }

    /// All offsets of the group "g": topic, partition, offset.
    pub(super) fn offsets(&mut self) -> Vec<(String, i32, i64)> {
        let topics = self.fetch(fetching(None)).into_iter();
        let flat = topics.flat_map(|topic| {
            let name = topic.name.to_string();
            let partitions = topic.partitions.into_iter();
            partitions.map(move |found| (name.clone(), found.index.0, found.offset.0))
        });
        flat.collect()
    }

    pub(super) fn delete_offsets(&mut self, topics: &[(&str, &[i32])]) -> OffsetsDeleted {
        let topics = topics.iter().map(|(name, partitions)| {
            let partitions = partitions.iter().map(|index| PartitionIndex(*index));
            (name.to_string(), partitions.collect())
        });
        let call = Call::DeleteOffsets(DeleteOffsets {
            group: "g".to_string(),
            topics: topics.collect(),
        });
        match self.call(call) {
            Reply::OffsetsDeleted(deleted) => deleted,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn delete_group(&mut self, group: &str) -> ErrorCode {
        let call = Call::Delete(Delete {
            group: group.to_string(),
        });
        match self.call(call) {
            Reply::Deleted(error) => error,
            other => panic!("{other:?}"),
        }
    }
}
