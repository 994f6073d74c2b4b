//! ListOffsets: offsets by time, or by Kafka's names for them.

use super::{Context, Head, Pending, Progress, by_owner, partition_of};
use crate::io::Pieces;
use crate::log::Isolation;
use crate::shard::{Ask, OffsetPart, OffsetResult};
use crate::types::{Few, LeaderEpoch, Offset};
use crate::wire::{
    DecodeError, ErrorCode, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

/// A request that waits for offsets.
pub struct ListOffsets {
    head: Head,
    topics: Vec<(String, usize)>,
    partitions: Vec<(i32, Option<OffsetResult>)>,
    missing: usize,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: ListOffsetsRequest<'_> = head.decode(&frame)?;
    let isolation = match request.isolation_level {
        0 => Isolation::ReadUncommitted,
        _ => Isolation::ReadCommitted,
    };
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut partitions = Vec::new();
    let mut parts = Vec::new();
    for asked in &request.topics {
        let topic = context.image.topic(&asked.name);
        for partition in &asked.partitions {
            let target = topic
                .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                .and_then(|topic| partition_of(topic, partition.partition_index))
                .and_then(
                    |target| match name_is_known(partition.timestamp, head.version) {
                        true if partition.max_num_offsets < 1 => Err(ErrorCode::INVALID_REQUEST),
                        true => Ok(target),
                        false => Err(ErrorCode::UNSUPPORTED_VERSION),
                    },
                );
            let result = match target {
                Err(error) => Some(OffsetResult::refused(error)),
                Ok(target) => {
                    let part = OffsetPart {
                        index: partitions.len() as u32,
                        partition: target,
                        timestamp: partition.timestamp,
                        epoch: LeaderEpoch(partition.current_leader_epoch),
                    };
                    parts.push((target, part));
                    None
                }
            };
            partitions.push((partition.partition_index, result));
        }
        topics.push((asked.name.to_string(), asked.partitions.len()));
    }
    let waiting = ListOffsets {
        head: *head,
        topics,
        partitions,
        missing: parts.len(),
    };
    for (owner, parts) in by_owner(context, parts) {
        context
            .asks
            .asks
            .push((owner, Ask::Offsets { parts, isolation }));
    }
    Ok(waiting.progress())
}

/// Whether this version of the request knows that name of an offset (KIP-734, KIP-405, KIP-1005,
/// KIP-1023). Version 0 asked for the ages of segments, not of records, which nobody does any more: only
/// the ends are left of it.
fn name_is_known(timestamp: i64, version: i16) -> bool {
    match timestamp {
        0.. => version >= 1,
        -1 | -2 => true,
        -3 => version >= 7,
        -4 => version >= 8,
        -5 => version >= 9,
        -6 => version >= 11,
        _ => false,
    }
}

impl ListOffsets {
    /// Takes the answer of one shard.
    pub(super) fn answered(mut self, parts: Few<(u32, OffsetResult)>) -> Progress {
        self.missing -= parts.len();
        for (index, result) in parts {
            self.partitions[index as usize].1 = Some(result);
        }
        self.progress()
    }

    fn progress(self) -> Progress {
        if self.missing > 0 {
            return Progress::Wait(Pending::ListOffsets(self));
        }
        let mut partitions = self.partitions.iter();
        let topics = self
            .topics
            .iter()
            .map(|(name, count)| ListOffsetsTopicResponse {
                name: name.as_str().into(),
                partitions: partitions
                    .by_ref()
                    .take(*count)
                    .map(|it| response(it, self.head.version))
                    .collect(),
            });
        let response = ListOffsetsResponse {
            topics: topics.collect(),
            ..Default::default()
        };
        self.head.reply(&response)
    }
}

fn response(
    (index, result): &(i32, Option<OffsetResult>),
    version: i16,
) -> ListOffsetsPartitionResponse {
    let result = result.as_ref().expect("none is missing");
    let base = ListOffsetsPartitionResponse {
        partition_index: *index,
        error_code: result.error,
        ..Default::default()
    };
    if version == 0 {
        let found = (result.offset != Offset::UNKNOWN).then_some(result.offset.0);
        return ListOffsetsPartitionResponse {
            old_style_offsets: found.into_iter().collect(),
            ..base
        };
    }
    ListOffsetsPartitionResponse {
        timestamp: result.timestamp.0,
        offset: result.offset.0,
        leader_epoch: if version >= 4 { result.epoch.0 } else { -1 },
        ..base
    }
}
