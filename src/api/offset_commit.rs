//! OffsetCommit: what a group has read. Partitions that do not exist are refused one by one; the
//! coordinator hears of the others alone, as in Kafka 4.2.
//!
//! Version 1, which Kafka 4 no longer has, brings a time with each offset. librdkafka before 1.3, for which
//! it is served, leaves that to the broker, and so it is.

use super::{Context, Head, Progress, group_calls, partition_of};
use crate::group::{Call, Commit, CommitPartition, CommitTopic, Reply};
use crate::io::Pieces;
use crate::types::{Few, LeaderEpoch, Offset, TopicId};
use crate::wire::{
    DecodeError, ErrorCode, OffsetCommitPartition, OffsetCommitPartitionResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopicResponse,
};

/// A topic as it was asked for, and its partitions: why one is refused, or nothing for those that the
/// coordinator decides about.
struct Asked {
    name: String,
    id: TopicId,
    partitions: Vec<(i32, Option<ErrorCode>)>,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: OffsetCommitRequest<'_> = head.decode(&frame)?;
    let mut all = Vec::with_capacity(request.topics.len());
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let topic = match head.version {
            10.. => context
                .image
                .topic_by_id(asked.topic_id)
                .ok_or(ErrorCode::UNKNOWN_TOPIC_ID),
            _ => context
                .image
                .topic(&asked.name)
                .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        };
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        let mut to_commit = Vec::with_capacity(asked.partitions.len());
        for partition in asked.partitions {
            let index = partition.partition_index;
            let refused = topic.and_then(|topic| partition_of(topic, index)).err();
            if refused.is_none() {
                to_commit.push(commit_partition(partition));
            }
            partitions.push((index, refused));
        }
        if let Ok(topic) = topic
            && !to_commit.is_empty()
        {
            topics.push(CommitTopic {
                name: topic.name.to_string(),
                id: asked.topic_id,
                partitions: to_commit,
            });
        }
        all.push(Asked {
            name: asked.name.into_owned(),
            id: asked.topic_id,
            partitions,
        });
    }
    let commit = Commit {
        group: request.group_id.into_owned(),
        member: request.member_id.into_owned(),
        instance: request.group_instance_id.map(Into::into),
        generation: request.generation_id_or_member_epoch,
        retention_ms: Some(request.retention_time_ms).filter(|ms| *ms != -1),
        knows_member_epochs: head.version >= 9,
        topics,
    };
    // Nothing to be committed is no question to the coordinator.
    let call = (!commit.topics.is_empty()).then_some(Call::Commit(commit));
    let respond = move |_: &Context<'_>, head: &Head, replies| head.reply(&response(&all, replies));
    Ok(group_calls::make_all(context, head, call, respond))
}

fn commit_partition(partition: OffsetCommitPartition<'_>) -> CommitPartition {
    CommitPartition {
        index: crate::types::PartitionIndex(partition.partition_index),
        offset: Offset(partition.committed_offset),
        leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
        metadata: partition.committed_metadata.map(Into::into),
    }
}

/// The coordinator's results stand in the order of what it was asked.
fn response(all: &[Asked], replies: Few<Reply>) -> OffsetCommitResponse<'_> {
    let committed = replies.into_iter().flat_map(|reply| match reply {
        Reply::Committed(committed) => committed.topics,
        reply => unreachable!("a commit is not answered by {reply:?}"),
    });
    let mut committed = committed.flat_map(|topic| topic.partitions);
    let topics = all.iter().map(|asked| {
        let partitions = asked.partitions.iter().map(|(index, refused)| {
            let of_coordinator = || committed.next().expect("a result for each partition").1;
            OffsetCommitPartitionResponse {
                partition_index: *index,
                error_code: refused.unwrap_or_else(of_coordinator),
            }
        });
        OffsetCommitTopicResponse {
            name: asked.name.as_str().into(),
            topic_id: asked.id,
            partitions: partitions.collect(),
        }
    });
    OffsetCommitResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}
