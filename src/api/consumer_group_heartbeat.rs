//! ConsumerGroupHeartbeat: the one request by which members of consumer groups join, stay and leave
//! (KIP-848).

use super::{Context, Head, Progress, group_calls};
use crate::group::{Call, ConsumerBeat, ConsumerHeartbeat, Partitions, Reply};
use crate::io::Pieces;
use crate::metadata::GROUP_VERSION;
use crate::types::{PartitionIndex, Uuid};
use crate::wire::{
    ConsumerGroupAssignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    ConsumerGroupTopicPartitions, DecodeError, ErrorCode,
};

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: ConsumerGroupHeartbeatRequest<'_> = head.decode(&frame)?;
    if !are_served(context) {
        return Ok(head.reply(&ConsumerGroupHeartbeatResponse {
            error_code: ErrorCode::UNSUPPORTED_VERSION,
            ..Default::default()
        }));
    }
    let beat = ConsumerHeartbeat {
        group: request.group_id.into_owned(),
        member: request.member_id.into_owned(),
        epoch: request.member_epoch,
        instance: request.instance_id.map(Into::into),
        rack: request.rack_id.map(Into::into),
        rebalance_timeout_ms: match request.rebalance_timeout_ms {
            -1 => None,
            ms => Some(ms),
        },
        topics: request
            .subscribed_topic_names
            .map(|names| names.into_iter().map(Into::into).collect()),
        regex: request.subscribed_topic_regex.map(Into::into),
        assignor: request.server_assignor.map(Into::into),
        owned: request.topic_partitions.map(partitions),
        client_id: context.session.client_id_or_empty().to_owned(),
        client_host: context.session.client_host(),
        makes_its_id: head.version >= 1,
    };
    let call = Call::ConsumerHeartbeat(beat);
    Ok(group_calls::make_one(context, head, call, respond))
}

/// Whether consumer groups are: by the broker's settings, and by the cluster's feature.
pub(super) fn are_served(context: &Context<'_>) -> bool {
    context.config.consumer_groups.is_served && context.image.feature(GROUP_VERSION) > 0
}

fn partitions(topics: Vec<ConsumerGroupTopicPartitions>) -> Partitions {
    Partitions::of(topics.into_iter().map(|topic| {
        let indexes = topic.partitions.into_iter().map(PartitionIndex);
        (topic.topic_id, indexes.collect())
    }))
}

fn respond(head: &Head, reply: Reply) -> Progress {
    let Reply::ConsumerBeat(beat) = reply else {
        unreachable!("a heartbeat of a consumer is answered by ConsumerBeat")
    };
    head.reply(&response(&beat))
}

fn response(beat: &ConsumerBeat) -> ConsumerGroupHeartbeatResponse<'_> {
    ConsumerGroupHeartbeatResponse {
        error_code: beat.error,
        error_message: beat.message.as_deref().map(Into::into),
        member_id: beat.member.as_deref().map(Into::into),
        member_epoch: beat.epoch,
        heartbeat_interval_ms: beat.interval_ms,
        assignment: beat.assignment.as_ref().map(assignment),
        ..Default::default()
    }
}

fn assignment(partitions: &Partitions) -> ConsumerGroupAssignment {
    let topics = partitions.topics();
    let topics = topics.map(
        |(topic_id, indexes): (Uuid, _)| ConsumerGroupTopicPartitions {
            topic_id,
            partitions: indexes.iter().map(|index| index.0).collect(),
        },
    );
    ConsumerGroupAssignment {
        topic_partitions: topics.collect(),
    }
}
