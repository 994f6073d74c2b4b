//! UnregisterBroker: forgets a broker that is gone.

use super::{Context, Head, Pending, Progress};
use crate::io::Pieces;
use crate::shard::{AdminAnswer, AdminAsk, Alteration, Ask};
use crate::types::NodeId;
use crate::wire::{DecodeError, UnregisterBrokerRequest, UnregisterBrokerResponse};

/// A request that waits for the metadata log's owner.
pub struct UnregisterBroker {
    head: Head,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: UnregisterBrokerRequest = head.decode(&frame)?;
    let alteration = Alteration::Unregister(NodeId(request.broker_id));
    let ask = Ask::Admin(AdminAsk::Alter(alteration));
    context.asks.asks.push((Context::CONTROLLER, ask));
    let waiting = UnregisterBroker { head: *head };
    Ok(Progress::Wait(Pending::UnregisterBroker(waiting)))
}

impl UnregisterBroker {
    /// It is forgotten, or not.
    pub(super) fn answered(self, answer: AdminAnswer) -> Progress {
        let response = match answer.altered().pop().expect("one answer") {
            Ok(()) => UnregisterBrokerResponse::default(),
            Err(refusal) => UnregisterBrokerResponse {
                error_code: refusal.code,
                error_message: Some(refusal.message.into()),
                ..Default::default()
            },
        };
        self.head.reply(&response)
    }
}
