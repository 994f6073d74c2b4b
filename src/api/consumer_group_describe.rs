//! ConsumerGroupDescribe: consumer groups and their members (KIP-848).

use super::consumer_group_heartbeat::are_served;
use super::describe_groups::GROUP_OPERATIONS;
use super::{Context, Head, Progress, group_calls};
use crate::group::{
    Call, ConsumerDescribe, ConsumerDescribed, ConsumerDescribedMember, DescribedTopic, Reply,
};
use crate::io::Pieces;
use crate::types::Few;
use crate::wire::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DecodeError,
    DescribedConsumerAssignment, DescribedConsumerGroup, DescribedConsumerMember,
    DescribedConsumerTopic, ErrorCode,
};

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: ConsumerGroupDescribeRequest<'_> = head.decode(&frame)?;
    let with_operations = request.include_authorized_operations;
    let groups: Vec<String> = request.group_ids.into_iter().map(Into::into).collect();
    if !are_served(context) {
        let refused = ConsumerDescribed::refused(ErrorCode::UNSUPPORTED_VERSION, None);
        let refused = groups
            .iter()
            .map(|group| described_group(group, &refused, false));
        return Ok(head.reply(&ConsumerGroupDescribeResponse {
            groups: refused.collect(),
            ..Default::default()
        }));
    }
    let calls = groups.iter().map(|group| {
        Call::ConsumerDescribe(ConsumerDescribe {
            group: group.clone(),
        })
    });
    let calls: Vec<Call> = calls.collect();
    let respond = move |_: &Context<'_>, head: &Head, replies: Few<Reply>| {
        let described = groups.iter().zip(&replies).map(|(group, reply)| {
            let Reply::ConsumerDescribed(described) = reply else {
                unreachable!("a description is not {reply:?}")
            };
            described_group(group, described, with_operations)
        });
        head.reply(&ConsumerGroupDescribeResponse {
            groups: described.collect(),
            ..Default::default()
        })
    };
    Ok(group_calls::make_all(context, head, calls, respond))
}

fn described_group<'a>(
    group: &'a str,
    described: &'a ConsumerDescribed,
    with_operations: bool,
) -> DescribedConsumerGroup<'a> {
    DescribedConsumerGroup {
        error_code: described.error,
        error_message: described.message.as_deref().map(Into::into),
        group_id: group.into(),
        group_state: described.state.into(),
        group_epoch: described.epoch,
        assignment_epoch: described.assignment_epoch,
        assignor_name: described.assignor.into(),
        members: described.members.iter().map(member).collect(),
        authorized_operations: match described.error {
            ErrorCode::NONE if with_operations => GROUP_OPERATIONS,
            _ => i32::MIN,
        },
    }
}

fn member(member: &ConsumerDescribedMember) -> DescribedConsumerMember<'_> {
    let topics = member.topics.iter().map(|name| name.as_ref().into());
    DescribedConsumerMember {
        member_id: member.member.as_ref().into(),
        instance_id: member.instance.as_deref().map(Into::into),
        rack_id: member.rack.as_deref().map(Into::into),
        member_epoch: member.epoch,
        client_id: member.client_id.as_ref().into(),
        client_host: member.client_host.as_ref().into(),
        subscribed_topic_names: topics.collect(),
        subscribed_topic_regex: Some(member.regex.as_ref().into()),
        assignment: assignment(&member.assigned),
        target_assignment: assignment(&member.target),
        member_type: i8::from(!member.is_classic),
    }
}

fn assignment(topics: &[DescribedTopic]) -> DescribedConsumerAssignment<'_> {
    let topics = topics.iter().map(|topic| DescribedConsumerTopic {
        topic_id: topic.id,
        topic_name: topic.name.as_str().into(),
        partitions: topic.partitions.iter().map(|index| index.0).collect(),
    });
    DescribedConsumerAssignment {
        topic_partitions: topics.collect(),
    }
}
