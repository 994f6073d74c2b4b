//! OffsetDelete: committed offsets go. Partitions that do not exist are refused one by one; the
//! coordinator hears of the others alone, as in Kafka.

use super::{Context, Head, Progress, group_calls, partition_of};
use crate::group::{Call, DeleteOffsets, OffsetsDeleted, Reply};
use crate::io::Pieces;
use crate::types::PartitionIndex;
use crate::wire::{
    DecodeError, ErrorCode, OffsetDeletePartitionResult, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetDeleteTopicResult,
};

/// A topic as it was asked for, and its partitions: why one is refused, or nothing for those that the
/// coordinator decides about.
type Asked = (String, Vec<(i32, Option<ErrorCode>)>);

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: OffsetDeleteRequest<'_> = head.decode(&frame)?;
    let mut all: Vec<Asked> = Vec::with_capacity(request.topics.len());
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let topic = context.image.topic(&asked.name);
        let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let partitions = asked.partitions.iter().map(|partition| {
            let index = partition.partition_index;
            let found = topic.and_then(|topic| partition_of(topic, index));
            (index, found.err())
        });
        let partitions: Vec<_> = partitions.collect();
        let known = partitions.iter().filter(|(_, refused)| refused.is_none());
        let known: Vec<_> = known.map(|(index, _)| PartitionIndex(*index)).collect();
        let name = asked.name.into_owned();
        if !known.is_empty() {
            topics.push((name.clone(), known));
        }
        all.push((name, partitions));
    }
    let call = Call::DeleteOffsets(DeleteOffsets {
        group: request.group_id.into_owned(),
        topics,
    });
    let respond = move |head: &Head, reply| {
        let Reply::OffsetsDeleted(deleted) = reply else {
            unreachable!("a deletion of offsets is answered by OffsetsDeleted")
        };
        head.reply(&response(&all, &deleted))
    };
    Ok(group_calls::make_one(context, head, call, respond))
}

fn response<'a>(all: &'a [Asked], deleted: &OffsetsDeleted) -> OffsetDeleteResponse<'a> {
    if deleted.error != ErrorCode::NONE {
        return OffsetDeleteResponse {
            error_code: deleted.error,
            ..Default::default()
        };
    }
    // The coordinator's results stand in the order of what it was asked.
    let mut results = deleted.topics.iter().flat_map(|(_, partitions)| partitions);
    let topics = all.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|(index, refused)| {
            let of_coordinator = || results.next().expect("a result for each partition").1;
            OffsetDeletePartitionResult {
                partition_index: *index,
                error_code: refused.unwrap_or_else(of_coordinator),
            }
        });
        OffsetDeleteTopicResult {
            name: name.as_str().into(),
            partitions: partitions.collect(),
        }
    });
    OffsetDeleteResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}
