//! LeaveGroup: of the member that asks, or (version 3 on) of several, whom an administrator may name by
//! their instance ids (KIP-345).

use super::{Context, Head, Progress, group_calls};
use crate::group::{Call, Leave, Leaving, Left, Reply};
use crate::io::Pieces;
use crate::wire::{
    DecodeError, ErrorCode, LeaveGroupMemberResult, LeaveGroupRequest, LeaveGroupResponse,
};

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: LeaveGroupRequest<'_> = head.decode(&frame)?;
    let members = match head.version {
        3.. => {
            let members = request.members.into_iter().map(|leaving| Leaving {
                member: leaving.member_id.into_owned(),
                instance: leaving.group_instance_id.map(Into::into),
                reason: leaving.reason.map(Into::into),
            });
            members.collect()
        }
        _ => vec![Leaving {
            member: request.member_id.into_owned(),
            instance: None,
            reason: None,
        }],
    };
    let call = Call::Leave(Leave {
        group: request.group_id.into_owned(),
        members,
    });
    Ok(group_calls::make_one(context, head, call, |head, reply| {
        let Reply::Left(left) = reply else {
            unreachable!("a leave is answered by Left")
        };
        head.reply(&response(head.version, &left))
    }))
}

fn response(version: i16, left: &Left) -> LeaveGroupResponse<'_> {
    if version < 3 {
        let of_member = left.members.first().map(|member| member.error);
        return LeaveGroupResponse {
            error_code: match left.error {
                ErrorCode::NONE => of_member.unwrap_or(ErrorCode::NONE),
                error => error,
            },
            ..Default::default()
        };
    }
    let members = left.members.iter().map(|member| LeaveGroupMemberResult {
        member_id: member.member.as_str().into(),
        group_instance_id: member.instance.as_deref().map(Into::into),
        error_code: member.error,
    });
    LeaveGroupResponse {
        error_code: left.error,
        members: members.collect(),
        ..Default::default()
    }
}
