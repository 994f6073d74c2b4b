//! DescribeClientQuotas: the quotas that the metadata log holds.

use super::{Context, Head, Progress};
use crate::io::Pieces;
use crate::metadata::{self, QuotaMatch, Refusal};
use crate::wire::{
    DecodeError, DescribeClientQuotasRequest, DescribeClientQuotasResponse, ErrorCode,
    QuotaEntityPart, QuotaFilter, QuotaOfEntity, QuotaValue,
};

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DescribeClientQuotasRequest<'_> = head.decode(&frame)?;
    let filter: Result<Vec<_>, Refusal> = request.components.iter().map(wanted).collect();
    let image = context.image.clone();
    let found =
        filter.and_then(|filter| metadata::describe_client_quotas(&image, &filter, request.strict));
    let response = match found {
        Err(refusal) => DescribeClientQuotasResponse {
            error_code: refusal.code,
            error_message: Some(refusal.message.into()),
            ..Default::default()
        },
        Ok(found) => DescribeClientQuotasResponse {
            entries: Some(
                found
                    .into_iter()
                    .map(|(entity, quotas)| QuotaOfEntity {
                        entity: entity
                            .iter()
                            .map(|(kind, name)| QuotaEntityPart {
                                entity_type: kind.as_str().into(),
                                entity_name: name.as_deref().map(Into::into),
                            })
                            .collect(),
                        values: quotas
                            .iter()
                            .map(|(key, value)| QuotaValue {
                                key: key.as_str().into(),
                                value: *value,
                            })
                            .collect(),
                    })
                    .collect(),
            ),
            ..Default::default()
        },
    };
    Ok(head.reply(&response))
}

fn wanted(filter: &QuotaFilter<'_>) -> Result<(String, QuotaMatch), Refusal> {
    let refuse = |why: String| {
        Err(Refusal {
            code: ErrorCode::INVALID_REQUEST,
            message: why,
        })
    };
    let what = match (filter.match_type, &filter.match_name) {
        (0, Some(name)) => QuotaMatch::Name(name.to_string()),
        (0, None) => {
            return refuse(
                "Request specified MATCH_TYPE_EXACT, but set match string to null.".into(),
            );
        }
        (1, None) => QuotaMatch::Default,
        (2, None) => QuotaMatch::Any,
        (kind @ 1..=2, Some(_)) => {
            let kind = if kind == 1 { "DEFAULT" } else { "SPECIFIED" };
            return refuse(format!(
                "Request specified MATCH_TYPE_{kind}, but also specified a match string."
            ));
        }
        (other, _) => return refuse(format!("Unknown match type {other}")),
    };
    Ok((filter.entity_type.to_string(), what))
}
