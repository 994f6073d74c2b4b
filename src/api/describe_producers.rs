//! DescribeProducers: who produces, from the logs' own state of their producers.

use super::{Context, Head, Pending, Progress, by_owner, partition_of};
use crate::io::Pieces;
use crate::log::ProducerState;
use crate::metadata;
use crate::shard::{Ask, InspectAsk, Inspected};
use crate::wire::{
    DecodeError, DescribeProducersPartitionResult, DescribeProducersRequest,
    DescribeProducersResponse, DescribeProducersTopicResult, DescribedProducer, ErrorCode,
};

/// The producers, or an error and what to say about it.
type Found = Result<Vec<ProducerState>, (ErrorCode, Option<String>)>;

/// A request that waits for the owners of its partitions.
pub struct DescribeProducers {
    head: Head,
    topics: Vec<(String, usize)>,
    partitions: Vec<(i32, Option<Found>)>,
    missing: usize,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DescribeProducersRequest<'_> = head.decode(&frame)?;
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut partitions = Vec::new();
    let mut parts = Vec::new();
    for asked in &request.topics {
        let topic = match metadata::check_topic_name(&asked.name) {
            Err(why) => Err((ErrorCode::INVALID_TOPIC_EXCEPTION, Some(why))),
            Ok(()) => context.image.topic(&asked.name).ok_or_else(|| {
                let error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                (error, Some(error.message().to_string()))
            }),
        };
        for index in &asked.partition_indexes {
            let target = topic.clone().and_then(|topic| {
                // As Kafka, which has a message for the topic only.
                partition_of(topic, *index).map_err(|error| (error, None))
            });
            let found = match target {
                Err(refused) => Some(Err(refused)),
                Ok(target) => {
                    parts.push((target, (partitions.len() as u32, target)));
                    None
                }
            };
            partitions.push((*index, found));
        }
        topics.push((asked.name.to_string(), asked.partition_indexes.len()));
    }
    let waiting = DescribeProducers {
        head: *head,
        topics,
        partitions,
        missing: parts.len(),
    };
    for (owner, parts) in by_owner(context, parts) {
        let ask = Ask::Inspect(InspectAsk::Producers(parts.into_vec()));
        context.asks.asks.push((owner, ask));
    }
    Ok(waiting.progress())
}

impl DescribeProducers {
    /// Takes the answer of one shard.
    pub(super) fn answered(mut self, answer: Inspected) -> Progress {
        let Inspected::Producers(parts) = answer else {
            unreachable!("producers were asked for")
        };
        self.missing -= parts.len();
        for (index, found) in parts {
            self.partitions[index as usize].1 = Some(found.map_err(|error| (error, None)));
        }
        self.progress()
    }

    fn progress(self) -> Progress {
        if self.missing > 0 {
            return Progress::Wait(Pending::DescribeProducers(self));
        }
        let mut partitions = self.partitions.into_iter();
        let topics = self
            .topics
            .iter()
            .map(|(name, count)| DescribeProducersTopicResult {
                name: name.as_str().into(),
                partitions: partitions.by_ref().take(*count).map(response).collect(),
            });
        let response = DescribeProducersResponse {
            topics: topics.collect(),
            ..Default::default()
        };
        self.head.reply(&response)
    }
}

fn response(
    (partition_index, found): (i32, Option<Found>),
) -> DescribeProducersPartitionResult<'static> {
    match found.expect("none is missing") {
        Ok(producers) => DescribeProducersPartitionResult {
            partition_index,
            active_producers: producers.iter().map(producer).collect(),
            ..Default::default()
        },
        Err((error_code, message)) => DescribeProducersPartitionResult {
            partition_index,
            error_code,
            error_message: message.map(Into::into),
            ..Default::default()
        },
    }
}

fn producer(state: &ProducerState) -> DescribedProducer {
    DescribedProducer {
        producer_id: state.id.0,
        producer_epoch: state.epoch.0.into(),
        last_sequence: state.last_sequence,
        last_timestamp: state.timestamp.0,
        coordinator_epoch: state.coordinator_epoch,
        current_txn_start_offset: state.open_since.map_or(-1, |offset| offset.0),
    }
}
