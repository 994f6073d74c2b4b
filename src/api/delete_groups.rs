//! DeleteGroups: groups without members go, with what they have committed. A group that is named twice
//! is answered once, as in Kafka.

use super::{Context, Head, Progress, group_calls};
use crate::group::{Call, Delete, Reply};
use crate::io::Pieces;
use crate::types::Few;
use crate::wire::{DecodeError, DeleteGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};
use std::collections::BTreeSet;

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DeleteGroupsRequest<'_> = head.decode(&frame)?;
    let mut seen = BTreeSet::new();
    let groups = request.groups_names.into_iter().map(String::from);
    let groups: Vec<String> = groups.filter(|group| seen.insert(group.clone())).collect();
    let calls = groups.iter().map(|group| {
        Call::Delete(Delete {
            group: group.clone(),
        })
    });
    let calls: Vec<Call> = calls.collect();
    let respond = move |_: &Context<'_>, head: &Head, replies: Few<Reply>| {
        let results = groups.iter().zip(&replies).map(|(group, reply)| {
            let Reply::Deleted(error_code) = reply else {
                unreachable!("a deletion is not answered by {reply:?}")
            };
            DeleteGroupResult {
                group_id: group.as_str().into(),
                error_code: *error_code,
            }
        });
        head.reply(&DeleteGroupsResponse {
            results: results.collect(),
            ..Default::default()
        })
    };
    Ok(group_calls::make_all(context, head, calls, respond))
}
