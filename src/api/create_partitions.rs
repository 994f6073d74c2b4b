//! CreatePartitions: handed to the shard that owns the metadata log, answered when every shard knows
//! the new partitions.

use super::{Context, Head, Pending, Progress};
use crate::io::Pieces;
use crate::metadata::MorePartitions;
use crate::shard::{AdminAnswer, AdminAsk, Ask};
use crate::types::NodeId;
use crate::wire::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsResult, DecodeError,
    ErrorCode,
};

/// A request that waits for its partitions.
pub struct CreatePartitions {
    head: Head,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: CreatePartitionsRequest<'_> = head.decode(&frame)?;
    let topics = request.topics.iter().map(|topic| MorePartitions {
        name: topic.name.to_string(),
        count: topic.count,
        assignments: topic.assignments.as_ref().map(|assignments| {
            assignments
                .iter()
                .map(|new| new.broker_ids.iter().copied().map(NodeId).collect())
                .collect()
        }),
    });
    let ask = AdminAsk::CreatePartitions {
        topics: topics.collect(),
        validate_only: request.validate_only,
    };
    context
        .asks
        .asks
        .push((Context::CONTROLLER, Ask::Admin(ask)));
    Ok(Progress::Wait(Pending::CreatePartitions(
        CreatePartitions { head: *head },
    )))
}

impl CreatePartitions {
    /// The partitions are made, or refused.
    pub(super) fn answered(self, answer: AdminAnswer) -> Progress {
        let AdminAnswer::Grown(grown) = answer else {
            unreachable!("more partitions are answered by their results")
        };
        let results = grown.iter().map(|(name, result)| match result {
            Ok(()) => CreatePartitionsResult {
                name: name.as_str().into(),
                error_code: ErrorCode::NONE,
                error_message: None,
            },
            Err(refusal) => CreatePartitionsResult {
                name: name.as_str().into(),
                error_code: refusal.code,
                error_message: Some(refusal.message.as_str().into()),
            },
        });
        let response = CreatePartitionsResponse {
            results: results.collect(),
            ..Default::default()
        };
        self.head.reply(&response)
    }
}
