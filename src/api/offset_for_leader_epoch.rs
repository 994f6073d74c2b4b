//! OffsetForLeaderEpoch: where epochs end, from the leader's own epochs.

use super::{Context, Head, Pending, Progress, by_owner, partition_of};
use crate::io::Pieces;
use crate::shard::{Ask, EpochEnd, EpochPart, InspectAsk, Inspected};
use crate::types::LeaderEpoch;
use crate::wire::{
    DecodeError, EpochEndOffset, ErrorCode, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};

/// A request that waits for the owners of its partitions.
pub struct OffsetForLeaderEpoch {
    head: Head,
    topics: Vec<(String, usize)>,
    partitions: Vec<(i32, Option<EpochEnd>)>,
    missing: usize,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: OffsetForLeaderEpochRequest<'_> = head.decode(&frame)?;
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut partitions = Vec::new();
    let mut parts = Vec::new();
    for asked in &request.topics {
        let topic = context.image.topic(&asked.topic);
        for partition in &asked.partitions {
            let target = topic
                .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                .and_then(|topic| partition_of(topic, partition.partition));
            let end = match target {
                Err(error) => Some(Err(error)),
                Ok(target) => {
                    let part = EpochPart {
                        index: partitions.len() as u32,
                        partition: target,
                        current: LeaderEpoch(partition.current_leader_epoch),
                        wanted: LeaderEpoch(partition.leader_epoch),
                    };
                    parts.push((target, part));
                    None
                }
            };
            partitions.push((partition.partition, end));
        }
        topics.push((asked.topic.to_string(), asked.partitions.len()));
    }
    let waiting = OffsetForLeaderEpoch {
        head: *head,
        topics,
        partitions,
        missing: parts.len(),
    };
    for (owner, parts) in by_owner(context, parts) {
        let ask = Ask::Inspect(InspectAsk::EpochEnds(parts.into_vec()));
        context.asks.asks.push((owner, ask));
    }
    Ok(waiting.progress())
}

impl OffsetForLeaderEpoch {
    /// Takes the answer of one shard.
    pub(super) fn answered(mut self, answer: Inspected) -> Progress {
        let Inspected::EpochEnds(parts) = answer else {
            unreachable!("ends of epochs were asked for")
        };
        self.missing -= parts.len();
        for (index, end) in parts {
            self.partitions[index as usize].1 = Some(end);
        }
        self.progress()
    }

    fn progress(self) -> Progress {
        if self.missing > 0 {
            return Progress::Wait(Pending::OffsetForLeaderEpoch(self));
        }
        let mut partitions = self.partitions.into_iter();
        let topics = self
            .topics
            .iter()
            .map(|(topic, count)| OffsetForLeaderTopicResult {
                topic: topic.as_str().into(),
                partitions: partitions.by_ref().take(*count).map(response).collect(),
            });
        let response = OffsetForLeaderEpochResponse {
            topics: topics.collect(),
            ..Default::default()
        };
        self.head.reply(&response)
    }
}

fn response((partition, end): (i32, Option<EpochEnd>)) -> EpochEndOffset {
    match end.expect("none is missing") {
        Ok((epoch, offset)) => EpochEndOffset {
            partition,
            leader_epoch: epoch.0,
            end_offset: offset.0,
            ..Default::default()
        },
        Err(error_code) => EpochEndOffset {
            error_code,
            partition,
            ..Default::default()
        },
    }
}
