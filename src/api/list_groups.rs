//! ListGroups: asked of every shard, answered by group id.

use super::{Context, Head, Pending, Progress};
use crate::group::{self, ListFilter};
use crate::io::Pieces;
use crate::shard::{Ask, InspectAsk, Inspected};
use crate::types::ShardId;
use crate::wire::{
    DecodeError, ErrorCode, ListGroupsRequest, ListGroupsResponse, ListedGroup, Str,
};

/// A request that waits for every shard.
pub struct ListGroups {
    head: Head,
    groups: Vec<group::ListedGroup>,
    /// Of the first shard that cannot tell.
    error: ErrorCode,
    missing: u16,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: ListGroupsRequest<'_> = head.decode(&frame)?;
    let owned = |names: Vec<Str<'_>>| names.into_iter().map(Into::into).collect();
    let filter = ListFilter {
        states: owned(request.states_filter),
        types: owned(request.types_filter),
    };
    for shard in 0..context.shards {
        let ask = Ask::Inspect(InspectAsk::Groups(filter.clone()));
        context.asks.asks.push((ShardId(shard), ask));
    }
    Ok(Progress::Wait(Pending::ListGroups(ListGroups {
        head: *head,
        groups: Vec::new(),
        error: ErrorCode::NONE,
        missing: context.shards,
    })))
}

impl ListGroups {
    /// Takes the answer of one shard.
    pub(super) fn answered(mut self, answer: Inspected) -> Progress {
        let Inspected::Groups(groups) = answer else {
            unreachable!("groups were asked for")
        };
        match groups {
            Ok(groups) => self.groups.extend(groups),
            Err(error) if self.error == ErrorCode::NONE => self.error = error,
            Err(_) => {}
        }
        self.missing -= 1;
        if self.missing > 0 {
            return Progress::Wait(Pending::ListGroups(self));
        }
        if self.error != ErrorCode::NONE {
            // A part of the groups would be taken for all of them.
            self.groups.clear();
        }
        self.groups.sort_by(|a, b| a.group.cmp(&b.group));
        let groups = self.groups.iter().map(|listed| ListedGroup {
            group_id: listed.group.as_ref().into(),
            protocol_type: listed.protocol_type.as_ref().into(),
            group_state: listed.state.into(),
            group_type: listed.kind.into(),
        });
        self.head.reply(&ListGroupsResponse {
            error_code: self.error,
            groups: groups.collect(),
            ..Default::default()
        })
    }
}
