//! Heartbeat: a member is there, and hears whether its group rebalances.

use super::{Context, Head, Progress, group_calls};
use crate::group::{Call, Heartbeat, Reply};
use crate::io::Pieces;
use crate::wire::{DecodeError, HeartbeatRequest, HeartbeatResponse};

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: HeartbeatRequest<'_> = head.decode(&frame)?;
    let call = Call::Heartbeat(Heartbeat {
        group: request.group_id.into_owned(),
        member: request.member_id.into_owned(),
        instance: request.group_instance_id.map(Into::into),
        generation: request.generation_id,
    });
    Ok(group_calls::make_one(context, head, call, |head, reply| {
        let Reply::Heartbeat(error_code) = reply else {
            unreachable!("a heartbeat is answered by Heartbeat")
        };
        head.reply(&HeartbeatResponse {
            error_code,
            ..Default::default()
        })
    }))
}
