//! SyncGroup: answered when the group's leader has sent the assignment.

use super::{Context, Head, Progress, group_calls};
use crate::group::{Call, Reply, Sync};
use crate::io::Pieces;
use crate::wire::{DecodeError, ErrorCode, SyncGroupRequest, SyncGroupResponse};
use bytes::Bytes;

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: SyncGroupRequest<'_> = head.decode(&frame)?;
    // From version 5 on a member has to say what it takes the group for (KIP-559).
    let says_what = request.protocol_type.is_some() && request.protocol_name.is_some();
    if head.version >= 5 && !says_what {
        return Ok(head.reply(&SyncGroupResponse {
            error_code: ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            ..Default::default()
        }));
    }
    let assignments = request.assignments.into_iter().map(|assigned| {
        let assignment = Bytes::from(assigned.assignment.into_owned());
        (assigned.member_id.into_owned(), assignment)
    });
    let sync = Sync {
        group: request.group_id.into_owned(),
        member: request.member_id.into_owned(),
        instance: request.group_instance_id.map(Into::into),
        generation: request.generation_id,
        protocol_type: request.protocol_type.map(Into::into),
        protocol_name: request.protocol_name.map(Into::into),
        assignments: assignments.collect(),
    };
    let call = Call::Sync(sync);
    Ok(group_calls::make_one(context, head, call, |head, reply| {
        let Reply::Synced(synced) = reply else {
            unreachable!("a sync is answered by Synced")
        };
        head.reply(&SyncGroupResponse {
            error_code: synced.error,
            protocol_type: synced.protocol_type.as_deref().map(Into::into),
            protocol_name: synced.protocol_name.as_deref().map(Into::into),
            assignment: synced.assignment.as_ref().into(),
            ..Default::default()
        })
    }))
}
