//! AlterConfigs: a resource gets these settings and loses all others. What it shares with
//! IncrementalAlterConfigs is here too: what a request may say at all, and the answers in its order.

use super::{Context, Head, Pending, Progress};
use crate::io::Pieces;
use crate::metadata::{ConfigChange, ConfigEdit, Refusal, Resource};
use crate::shard::{AdminAnswer, AdminAsk, Ask};
use crate::types::NodeId;
use crate::wire::{
    AlterConfigsRequest, AlterConfigsResponse, AlterConfigsResult, DecodeError, ErrorCode,
    IncrementalAlterConfigsResponse, IncrementalAlterConfigsResult,
};
use std::collections::{BTreeMap, BTreeSet};

/// A request that waits for its settings, of either API.
pub struct AlterConfigs {
    head: Head,
    resources: Vec<(Resource, Verdict)>,
    incremental: bool,
}

/// What is known of a resource before the controller has decided.
enum Verdict {
    Refused(Refusal),
    Asked,
}

/// A resource of a request, and what it is to become or why it is not even asked for.
pub(super) type Wanted = (Resource, Result<ConfigEdit, Refusal>);

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: AlterConfigsRequest<'_> = head.decode(&frame)?;
    let wanted = request.resources.iter().map(|resource| {
        let named = Resource {
            kind: resource.resource_type,
            name: resource.resource_name.to_string(),
        };
        let settings = resource
            .configs
            .iter()
            .map(|it| (&*it.name, it.value.as_deref()));
        let edit = check_names(settings.clone())
            .and_then(|()| check_resource(context.identity.node, &named))
            .and_then(|()| match named.kind {
                Resource::BROKER_LOGGER => Err(unknown_kind(named.kind)),
                _ => Ok(()),
            })
            .map(|()| {
                let values =
                    settings.map(|(name, value)| (name.into(), value.unwrap_or("").into()));
                ConfigEdit::Replace(values.collect())
            });
        (named, edit)
    });
    let wanted = wanted.collect();
    Ok(ask(context, head, wanted, request.validate_only, false))
}

/// Hands what may be asked for to the controller; a resource that stands twice may not.
pub(super) fn ask(
    context: &mut Context<'_>,
    head: &Head,
    wanted: Vec<Wanted>,
    validate_only: bool,
    incremental: bool,
) -> Progress {
    let mut times: BTreeMap<Resource, usize> = BTreeMap::new();
    for (resource, _) in &wanted {
        *times.entry(resource.clone()).or_default() += 1;
    }
    let mut changes = Vec::new();
    let resources = wanted.into_iter().map(|(resource, edit)| {
        let verdict = match edit {
            _ if times[&resource] > 1 => Verdict::Refused(Refusal::new(
                ErrorCode::INVALID_REQUEST,
                "Each resource must appear at most once.",
            )),
            Err(refusal) => Verdict::Refused(refusal),
            Ok(edit) => {
                let resource = resource.clone();
                changes.push(ConfigChange { resource, edit });
                Verdict::Asked
            }
        };
        (resource, verdict)
    });
    let waiting = AlterConfigs {
        head: *head,
        resources: resources.collect(),
        incremental,
    };
    if changes.is_empty() {
        return waiting.reply(&BTreeMap::new());
    }
    let ask = AdminAsk::AlterConfigs {
        changes,
        validate_only,
    };
    context
        .asks
        .asks
        .push((Context::CONTROLLER, Ask::Admin(ask)));
    Progress::Wait(Pending::AlterConfigs(waiting))
}

/// No name stands twice, and none lacks a value.
pub(super) fn check_names<'a>(
    settings: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    let mut without = Vec::new();
    for (name, value) in settings {
        if !seen.insert(name) {
            return Err(invalid("Error due to duplicate config keys"));
        }
        if value.is_none() {
            without.push(name);
        }
    }
    match without.is_empty() {
        true => Ok(()),
        false => Err(invalid(format!(
            "Null value not supported for : {}",
            without.join(", ")
        ))),
    }
}

/// The kind is one with settings, and a broker is this one.
pub(super) fn check_resource(node: NodeId, resource: &Resource) -> Result<(), Refusal> {
    match resource.kind {
        Resource::TOPIC | Resource::CLIENT_METRICS | Resource::GROUP => Ok(()),
        Resource::BROKER if resource.name.is_empty() => Ok(()),
        Resource::BROKER | Resource::BROKER_LOGGER => match resource.name.parse::<i32>() {
            Err(_) => Err(invalid(format!(
                "Node id must be an integer, but it is: {}",
                resource.name
            ))),
            Ok(id) if id != node.0 => Err(invalid(format!(
                "Unexpected broker id, expected {node}, but received {}",
                resource.name
            ))),
            Ok(_) => Ok(()),
        },
        kind => Err(unknown_kind(kind)),
    }
}

fn unknown_kind(kind: i8) -> Refusal {
    invalid(format!("Unknown resource type {kind}"))
}

pub(super) fn invalid(why: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REQUEST, why)
}

impl AlterConfigs {
    /// The controller has decided, and every shard has what it decided.
    pub(super) fn answered(self, answer: AdminAnswer) -> Progress {
        let AdminAnswer::Configured(altered) = answer else {
            unreachable!("changes of settings are answered by their results")
        };
        self.reply(&altered.into_iter().collect())
    }

    fn reply(&self, altered: &BTreeMap<Resource, Result<(), Refusal>>) -> Progress {
        let results = self.resources.iter().map(|(resource, verdict)| {
            let result = match verdict {
                Verdict::Refused(refusal) => Err(refusal),
                Verdict::Asked => altered[resource].as_ref().copied(),
            };
            match result {
                Ok(()) => (resource, ErrorCode::NONE, None),
                Err(refusal) => (resource, refusal.code, Some(refusal.message.as_str())),
            }
        });
        if self.incremental {
            let responses = results.map(|(resource, code, why)| IncrementalAlterConfigsResult {
                error_code: code,
                error_message: why.map(Into::into),
                resource_type: resource.kind,
                resource_name: resource.name.as_str().into(),
            });
            return self.head.reply(&IncrementalAlterConfigsResponse {
                responses: responses.collect(),
                ..Default::default()
            });
        }
        let responses = results.map(|(resource, code, why)| AlterConfigsResult {
            error_code: code,
            error_message: why.map(Into::into),
            resource_type: resource.kind,
            resource_name: resource.name.as_str().into(),
        });
        self.head.reply(&AlterConfigsResponse {
            responses: responses.collect(),
            ..Default::default()
        })
    }
}
