//! ListPartitionReassignments: what is on the move by the metadata log, which a lone broker never
//! begins itself.

use super::{Context, Head, Progress};
use crate::io::Pieces;
use crate::metadata::Topic;
use crate::types::{NodeId, PartitionIndex};
use crate::wire::{
    DecodeError, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment, OngoingTopicReassignment,
};

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: ListPartitionReassignmentsRequest<'_> = head.decode(&frame)?;
    let image = context.image;
    let moves: Vec<_> = match &request.topics {
        None => image
            .topics()
            .map(|topic| moves(topic, topic.partitions.keys().copied()))
            .collect(),
        Some(topics) => topics
            .iter()
            .filter_map(|asked| {
                let indexes = asked.partition_indexes.iter();
                let topic = image.topic(&asked.name)?;
                Some(moves(topic, indexes.map(|index| PartitionIndex(*index))))
            })
            .collect(),
    };
    let response = ListPartitionReassignmentsResponse {
        topics: moves
            .into_iter()
            .filter(|topic| !topic.partitions.is_empty())
            .collect(),
        ..Default::default()
    };
    Ok(head.reply(&response))
}

fn moves(
    topic: &Topic,
    indexes: impl Iterator<Item = PartitionIndex>,
) -> OngoingTopicReassignment<'_> {
    let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
    let partitions = indexes.filter_map(|index| {
        let partition = topic.partitions.get(&index)?;
        let moving = !partition.adding.is_empty() || !partition.removing.is_empty();
        moving.then(|| OngoingPartitionReassignment {
            partition_index: index.0,
            replicas: ids(&partition.replicas),
            adding_replicas: ids(&partition.adding),
            removing_replicas: ids(&partition.removing),
        })
    });
    OngoingTopicReassignment {
        name: topic.name.as_ref().into(),
        partitions: partitions.collect(),
    }
}
