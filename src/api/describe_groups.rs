//! DescribeGroups: classic groups and their members.

use super::metadata::operations;
use super::{Context, Head, Progress, group_calls};
use crate::group::{Call, Describe, Described, DescribedMember, Reply};
use crate::io::Pieces;
use crate::types::Few;
use crate::wire::{
    DecodeError, DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup,
    DescribedGroupMember, ErrorCode,
};

/// The operations that a client may do where there is no authorizer (KIP-430).
pub(super) const GROUP_OPERATIONS: i32 = operations(&[3, 6, 8, 10, 11]);

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DescribeGroupsRequest<'_> = head.decode(&frame)?;
    let with_operations = request.include_authorized_operations;
    let groups: Vec<String> = request.groups.into_iter().map(Into::into).collect();
    let knows_group_id_not_found = head.version >= 6;
    let calls: Vec<Call> = groups
        .iter()
        .map(|group| {
            Call::Describe(Describe {
                group: group.clone(),
                knows_group_id_not_found,
            })
        })
        .collect();
    let respond = move |_: &Context<'_>, head: &Head, replies: Few<Reply>| {
        let described = groups.iter().zip(&replies).map(|(group, reply)| {
            let Reply::Described(described) = reply else {
                unreachable!("a description is not {reply:?}")
            };
            described_group(head.version, group, described, with_operations)
        });
        head.reply(&DescribeGroupsResponse {
            groups: described.collect(),
            ..Default::default()
        })
    };
    Ok(group_calls::make_all(context, head, calls, respond))
}

fn described_group<'a>(
    version: i16,
    group: &'a str,
    described: &'a Described,
    with_operations: bool,
) -> DescribedGroup<'a> {
    let message = described.message.as_deref().filter(|_| version >= 6);
    DescribedGroup {
        error_code: described.error,
        error_message: message.map(Into::into),
        group_id: group.into(),
        group_state: described.state.into(),
        protocol_type: described.protocol_type.as_ref().into(),
        protocol_data: described.protocol.as_ref().into(),
        members: described.members.iter().map(member).collect(),
        authorized_operations: match described.error {
            ErrorCode::NONE if with_operations => GROUP_OPERATIONS,
            _ => i32::MIN,
        },
    }
}

fn member(member: &DescribedMember) -> DescribedGroupMember<'_> {
    DescribedGroupMember {
        member_id: member.member.as_ref().into(),
        group_instance_id: member.instance.as_deref().map(Into::into),
        client_id: member.client_id.as_ref().into(),
        client_host: member.client_host.as_ref().into(),
        member_metadata: member.metadata.as_ref().into(),
        member_assignment: member.assignment.as_ref().into(),
    }
}
