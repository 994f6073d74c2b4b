//! AlterClientQuotas: quotas into the metadata log, from where they bind every client at once.

use super::{Context, Head, Pending, Progress};
use crate::io::Pieces;
use crate::metadata::QuotaChange;
use crate::shard::{AdminAnswer, AdminAsk, Alteration, Ask};
use crate::wire::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterQuotaEntryResult, DecodeError,
    ErrorCode, QuotaEntityPart,
};

/// A request that waits for the metadata log's owner.
pub struct AlterClientQuotas {
    head: Head,
    entities: Vec<Vec<(String, Option<String>)>>,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: AlterClientQuotasRequest<'_> = head.decode(&frame)?;
    let entities: Vec<Vec<_>> = request
        .entries
        .iter()
        .map(|entry| {
            let parts = entry.entity.iter();
            parts
                .map(|part| {
                    let name = part.entity_name.as_ref().map(|name| name.to_string());
                    (part.entity_type.to_string(), name)
                })
                .collect()
        })
        .collect();
    let changes = request.entries.iter().zip(&entities);
    let changes = changes.map(|(entry, entity)| QuotaChange {
        entity: entity.iter().cloned().collect(),
        ops: entry
            .ops
            .iter()
            .map(|op| (op.key.to_string(), (!op.remove).then_some(op.value)))
            .collect(),
    });
    let alteration = Alteration::Quotas {
        changes: changes.collect(),
        validate_only: request.validate_only,
    };
    let ask = Ask::Admin(AdminAsk::Alter(alteration));
    context.asks.asks.push((Context::CONTROLLER, ask));
    let head = *head;
    let waiting = AlterClientQuotas { head, entities };
    Ok(Progress::Wait(Pending::AlterClientQuotas(waiting)))
}

impl AlterClientQuotas {
    /// What became of each entity.
    pub(super) fn answered(self, answer: AdminAnswer) -> Progress {
        let results = self.entities.iter().zip(answer.altered());
        let entries = results.map(|(entity, result)| {
            let (error_code, error_message) = match result {
                Ok(()) => (ErrorCode::NONE, None),
                Err(refusal) => (refusal.code, Some(refusal.message.into())),
            };
            let parts = entity.iter().map(|(kind, name)| QuotaEntityPart {
                entity_type: kind.as_str().into(),
                entity_name: name.as_deref().map(Into::into),
            });
            AlterQuotaEntryResult {
                error_code,
                error_message,
                entity: parts.collect(),
            }
        });
        let response = AlterClientQuotasResponse {
            entries: entries.collect(),
            ..Default::default()
        };
        self.head.reply(&response)
    }
}
