//! InitProducerId for idempotent producers (KIP-98, KIP-360).

use super::{Context, Head, Pending, Progress};
use crate::io::Pieces;
use crate::shard::{AdminAnswer, AdminAsk, Ask};
use crate::wire::{DecodeError, ErrorCode, InitProducerIdRequest, InitProducerIdResponse};

/// A request that waits for a producer id.
pub struct InitProducerId {
    head: Head,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: InitProducerIdRequest<'_> = head.decode(&frame)?;
    let longest_ms = context.config.transaction_timeout_ms_max;
    let refused = match &request.transactional_id {
        Some(id) if id.is_empty() => Some(ErrorCode::INVALID_REQUEST),
        Some(_) if !(1..=longest_ms).contains(&request.transaction_timeout_ms) => {
            Some(ErrorCode::INVALID_TRANSACTION_TIMEOUT)
        }
        // Transactions need a coordinator; as FindCoordinator says, there is none.
        Some(_) => Some(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        None => None,
    };
    if let Some(error_code) = refused {
        return Ok(head.reply(&refusal(error_code)));
    }
    context
        .asks
        .asks
        .push((Context::CONTROLLER, Ask::Admin(AdminAsk::ProducerId)));
    Ok(Progress::Wait(Pending::InitProducerId(InitProducerId {
        head: *head,
    })))
}

impl InitProducerId {
    /// Here is the id, or why there is none.
    pub(super) fn answered(self, answer: AdminAnswer) -> Progress {
        let response = match answer {
            AdminAnswer::ProducerId(Ok(id)) => InitProducerIdResponse {
                producer_id: id.0,
                producer_epoch: 0,
                ..Default::default()
            },
            AdminAnswer::ProducerId(Err(error)) => refusal(error),
            answer => unreachable!("nobody asked for {answer:?}"),
        };
        self.head.reply(&response)
    }
}

fn refusal(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    }
}
