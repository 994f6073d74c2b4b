//! AlterPartitionReassignments: with one broker a partition can be moved only to where it is, which is
//! done at once, and no move is ever under way that could be called off.

use super::{Context, Head, Progress};
use crate::io::Pieces;
use crate::metadata::{self, Image, Refusal};
use crate::types::{NodeId, PartitionIndex};
use crate::wire::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, DecodeError,
    ErrorCode, ReassignablePartition, ReassignablePartitionResponse, ReassignableTopicResponse,
};

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: AlterPartitionReassignmentsRequest<'_> = head.decode(&frame)?;
    let any_factor = request.allow_replication_factor_change;
    let responses = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let checked = check(context.image, &topic.name, partition, any_factor);
            let (error_code, error_message) = match checked {
                Ok(()) => (ErrorCode::NONE, None),
                Err(refusal) => (refusal.code, Some(refusal.message.into())),
            };
            ReassignablePartitionResponse {
                partition_index: partition.partition_index,
                error_code,
                error_message,
            }
        });
        ReassignableTopicResponse {
            name: topic.name.clone(),
            partitions: partitions.collect(),
        }
    });
    let response = AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: any_factor,
        responses: responses.collect(),
        ..Default::default()
    };
    Ok(head.reply(&response))
}

/// Whether the partition is already where it is to be.
fn check(
    image: &Image,
    topic: &str,
    target: &ReassignablePartition,
    any_factor: bool,
) -> Result<(), Refusal> {
    let index = target.partition_index;
    let unknown = |message| Refusal {
        code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        message,
    };
    let found = image
        .topic(topic)
        .ok_or_else(|| unknown(format!("Unable to find a topic named {topic}.")))?;
    let partition = found
        .partitions
        .get(&PartitionIndex(index))
        .ok_or_else(|| unknown(format!("Unable to find partition {topic}:{index}.")))?;
    let Some(replicas) = &target.replicas else {
        let code = ErrorCode::NO_REASSIGNMENT_IN_PROGRESS;
        return Err(Refusal {
            code,
            message: code.message().to_string(),
        });
    };
    let replicas: Vec<NodeId> = replicas.iter().map(|id| NodeId(*id)).collect();
    metadata::check_assignment(image, index, &replicas, None)?;
    let (now, then) = (partition.replicas.len(), replicas.len());
    if !any_factor && now != then {
        return Err(Refusal {
            code: ErrorCode::INVALID_REPLICATION_FACTOR,
            message: format!("The replication factor is changed from {now} to {then}"),
        });
    }
    match replicas == partition.replicas {
        true => Ok(()),
        false => Err(Refusal {
            code: ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            message: format!("Partition {topic}:{index} cannot be moved to another broker."),
        }),
    }
}
