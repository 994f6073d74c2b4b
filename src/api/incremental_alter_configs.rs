//! IncrementalAlterConfigs: single settings are set, deleted, and lists added to or taken from.

use super::alter_configs::{self, check_names, check_resource, invalid};
use super::{Context, Head, Progress};
use crate::io::Pieces;
use crate::metadata::{ConfigEdit, ConfigStep, Refusal, Resource};
use crate::wire::{
    DecodeError, ErrorCode, IncrementalAlterConfigsProperty, IncrementalAlterConfigsRequest,
};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: IncrementalAlterConfigsRequest<'_> = head.decode(&frame)?;
    let wanted = request.resources.iter().map(|resource| {
        let named = Resource {
            kind: resource.resource_type,
            name: resource.resource_name.to_string(),
        };
        let settings = resource.configs.iter().map(|it| match it.config_operation {
            DELETE => (&*it.name, Some("")),
            _ => (&*it.name, it.value.as_deref()),
        });
        let edit = check_names(settings)
            .and_then(|()| check_resource(context.identity.node, &named))
            .and_then(|()| match named.kind {
                Resource::BROKER_LOGGER => Err(no_loggers()),
                _ => steps(&resource.configs),
            });
        (named, edit)
    });
    let wanted = wanted.collect();
    let validate_only = request.validate_only;
    Ok(alter_configs::ask(
        context,
        head,
        wanted,
        validate_only,
        true,
    ))
}

/// Levels are those of the start: `RUST_LOG` and `--log`.
fn no_loggers() -> Refusal {
    Refusal::new(
        ErrorCode::INVALID_CONFIG,
        "this broker's log levels are set at its start: millstream serve --log LEVELS, or RUST_LOG",
    )
}

fn steps(configs: &[IncrementalAlterConfigsProperty<'_>]) -> Result<ConfigEdit, Refusal> {
    let mut steps = Vec::with_capacity(configs.len());
    for config in configs {
        let value = || config.value.as_deref().unwrap_or("").to_owned();
        let step = match config.config_operation {
            SET => ConfigStep::Set(value()),
            DELETE => ConfigStep::Delete,
            APPEND => ConfigStep::Append(value()),
            SUBTRACT => ConfigStep::Subtract(value()),
            other => return Err(invalid(format!("Unknown operations type {other}"))),
        };
        steps.push((config.name.to_string(), step));
    }
    Ok(ConfigEdit::Each(steps))
}
