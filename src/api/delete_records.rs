//! DeleteRecords: the logs begin further on.

use super::{Context, Head, Pending, Progress, by_owner, internal_topics, partition_of};
use crate::io::Pieces;
use crate::shard::{Ask, DeletePart};
use crate::types::Offset;
use crate::wire::{
    DecodeError, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult, ErrorCode,
};

/// What becomes of one partition.
type Deleted = Result<Offset, ErrorCode>;

/// A request that waits for the owners of its partitions.
pub struct DeleteRecords {
    head: Head,
    topics: Vec<(String, usize)>,
    partitions: Vec<(i32, Option<Deleted>)>,
    missing: usize,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DeleteRecordsRequest<'_> = head.decode(&frame)?;
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut partitions = Vec::new();
    let mut parts = Vec::new();
    for asked in &request.topics {
        let topic = context.image.topic(&asked.name);
        for partition in &asked.partitions {
            let target = topic
                .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                .and_then(|topic| partition_of(topic, partition.partition_index))
                .and_then(|target| match internal_topics::is_internal(&asked.name) {
                    false => Ok(target),
                    true => Err(ErrorCode::INVALID_TOPIC_EXCEPTION),
                });
            let result = match target {
                Err(error) => Some(Err(error)),
                Ok(target) => {
                    let part = DeletePart {
                        index: partitions.len() as u32,
                        partition: target,
                        offset: partition.offset,
                    };
                    parts.push((target, part));
                    None
                }
            };
            partitions.push((partition.partition_index, result));
        }
        topics.push((asked.name.to_string(), asked.partitions.len()));
    }
    let waiting = DeleteRecords {
        head: *head,
        topics,
        partitions,
        missing: parts.len(),
    };
    for (owner, parts) in by_owner(context, parts) {
        context
            .asks
            .asks
            .push((owner, Ask::DeleteRecords(parts.into_vec())));
    }
    Ok(waiting.progress())
}

impl DeleteRecords {
    /// Takes the answer of one shard.
    pub(super) fn answered(mut self, parts: Vec<(u32, Deleted)>) -> Progress {
        self.missing -= parts.len();
        for (index, result) in parts {
            self.partitions[index as usize].1 = Some(result);
        }
        self.progress()
    }

    fn progress(self) -> Progress {
        if self.missing > 0 {
            return Progress::Wait(Pending::DeleteRecords(self));
        }
        let mut partitions = self.partitions.into_iter();
        let topics = self
            .topics
            .iter()
            .map(|(name, count)| DeleteRecordsTopicResult {
                name: name.as_str().into(),
                partitions: partitions.by_ref().take(*count).map(response).collect(),
            });
        let response = DeleteRecordsResponse {
            topics: topics.collect(),
            ..Default::default()
        };
        self.head.reply(&response)
    }
}

fn response((partition_index, result): (i32, Option<Deleted>)) -> DeleteRecordsPartitionResult {
    let result = result.expect("none is missing");
    DeleteRecordsPartitionResult {
        partition_index,
        low_watermark: result.map_or(-1, |offset| offset.0),
        error_code: result.err().unwrap_or_default(),
    }
}
