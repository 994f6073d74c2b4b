//! FindCoordinator. This release has neither groups nor transactions, so there is no coordinator to
//! be found: COORDINATOR_NOT_AVAILABLE, with a word why for whoever reads it. (A code that clients
//! do not retry would make librdkafka report an error to consumers that only read assigned
//! partitions and merely look for their group's coordinator beside.)

use super::{Context, Head, Progress};
use crate::io::Pieces;
use crate::wire::{
    DecodeError, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, FindCoordinatorResult,
};

const WHY: &str = "this release of Millstream has no consumer groups and no transactions";

pub(super) fn begin(
    _context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: FindCoordinatorRequest<'_> = head.decode(&frame)?;
    let error_code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
    let response = match head.version {
        4.. => FindCoordinatorResponse {
            coordinators: request
                .coordinator_keys
                .iter()
                .map(|key| FindCoordinatorResult {
                    key: key.clone(),
                    node_id: -1,
                    port: -1,
                    error_code,
                    error_message: Some(WHY.into()),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        },
        _ => FindCoordinatorResponse {
            error_code,
            error_message: Some(WHY.into()),
            node_id: -1,
            port: -1,
            ..Default::default()
        },
    };
    Ok(head.reply(&response))
}
