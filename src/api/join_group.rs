//! JoinGroup: answered when the rebalance has gathered its members. A client that goes away meanwhile
//! stays a member until its session ends, as in Kafka.

use super::{Context, Head, Progress, group_calls};
use crate::group::{Call, Join, JoinedMember, Protocol, Reply};
use crate::io::Pieces;
use crate::wire::{DecodeError, JoinGroupMember, JoinGroupRequest, JoinGroupResponse};
use bytes::Bytes;

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: JoinGroupRequest<'_> = head.decode(&frame)?;
    let protocols = request.protocols.into_iter().map(|protocol| Protocol {
        name: protocol.name.into_owned(),
        metadata: Bytes::from(protocol.metadata.into_owned()),
    });
    let join = Join {
        group: request.group_id.into_owned(),
        member: request.member_id.into_owned(),
        instance: request.group_instance_id.map(Into::into),
        client_id: context.session.client_id_or_empty().to_owned(),
        client_host: context.session.client_host(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: match head.version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        },
        protocol_type: request.protocol_type.into_owned(),
        protocols: protocols.collect(),
        reason: request.reason.map(Into::into),
        requires_member_id: head.version >= 4,
        supports_skipping_assignment: head.version >= 9,
    };
    Ok(group_calls::make_one(
        context,
        head,
        Call::Join(join),
        respond,
    ))
}

fn respond(head: &Head, reply: Reply) -> Progress {
    let Reply::Joined(joined) = reply else {
        unreachable!("a join is answered by Joined")
    };
    let protocol_name = joined.protocol_name.as_deref();
    let response = JoinGroupResponse {
        error_code: joined.error,
        generation_id: joined.generation,
        protocol_type: joined.protocol_type.as_deref().map(Into::into),
        protocol_name: match head.version {
            7.. => protocol_name.filter(|name| !name.is_empty()),
            _ => Some(protocol_name.unwrap_or_default()),
        }
        .map(Into::into),
        leader: joined.leader.as_ref().into(),
        skip_assignment: head.version >= 9 && joined.skip_assignment,
        member_id: joined.member.as_ref().into(),
        members: joined.members.iter().map(member).collect(),
        ..Default::default()
    };
    head.reply(&response)
}

fn member(member: &JoinedMember) -> JoinGroupMember<'_> {
    JoinGroupMember {
        member_id: member.member.as_ref().into(),
        group_instance_id: member.instance.as_deref().map(Into::into),
        metadata: member.metadata.as_ref().into(),
    }
}
