//! DescribeConfigs: every setting of a topic or of this broker, with default, source, type,
//! documentation and synonyms, from the one table of properties.

use super::{Context, Head, Progress};
use crate::config::{self, Entry, Source};
use crate::io::Pieces;
use crate::metadata::{self, Resource};
use crate::types::NodeId;
use crate::wire::{
    DecodeError, DescribeConfigsProperty, DescribeConfigsRequest, DescribeConfigsResource,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym, ErrorCode,
};
use std::collections::BTreeMap;

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DescribeConfigsRequest<'_> = head.decode(&frame)?;
    if !request
        .resources
        .iter()
        .all(|it| KINDS.contains(&it.resource_type))
    {
        return Ok(refuse_all(head, &request));
    }
    let results = request
        .resources
        .iter()
        .map(|resource| match entries(context, resource) {
            Ok(entries) => DescribeConfigsResult {
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                configs: entries
                    .into_iter()
                    .filter(|entry| is_wanted(resource, entry))
                    .map(|entry| property(&request, entry))
                    .collect(),
                ..Default::default()
            },
            Err((error_code, message)) => DescribeConfigsResult {
                error_code,
                error_message: Some(message.into()),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                ..Default::default()
            },
        });
    let response = DescribeConfigsResponse {
        results: results.collect(),
        ..Default::default()
    };
    Ok(head.reply(&response))
}

/// The kinds of resource that can be described.
const KINDS: [i8; 5] = [
    Resource::TOPIC,
    Resource::BROKER,
    Resource::BROKER_LOGGER,
    Resource::CLIENT_METRICS,
    Resource::GROUP,
];

/// As in Kafka, one kind that nobody knows spoils the whole request.
fn refuse_all(head: &Head, request: &DescribeConfigsRequest<'_>) -> Progress {
    let error = ErrorCode::INVALID_REQUEST;
    let results = request.resources.iter().map(|it| DescribeConfigsResult {
        error_code: error,
        error_message: Some(match KINDS.contains(&it.resource_type) {
            true => error.message().into(),
            false => format!("Unexpected resource type {}", it.resource_type).into(),
        }),
        resource_type: it.resource_type,
        resource_name: it.resource_name.clone(),
        ..Default::default()
    });
    head.reply(&DescribeConfigsResponse {
        results: results.collect(),
        ..Default::default()
    })
}

fn entries(
    context: &Context<'_>,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<Entry>, (ErrorCode, String)> {
    let name = &*resource.resource_name;
    let node = context.identity.node;
    let none = BTreeMap::new();
    let named = Resource {
        kind: resource.resource_type,
        name: name.to_string(),
    };
    let set = context.image.config(&named).map_or(&none, |set| &**set);
    match resource.resource_type {
        Resource::TOPIC => {
            metadata::check_topic_name(name)
                .map_err(|why| (ErrorCode::INVALID_TOPIC_EXCEPTION, why))?;
            if context.image.topic(name).is_none() {
                let error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                return Err((error, error.message().to_string()));
            }
            Ok(config::describe_topic(set, context.config))
        }
        Resource::BROKER if name.is_empty() => Ok(config::describe_cluster(context.config)),
        Resource::BROKER => {
            check_broker(name, node, " or empty string,")?;
            Ok(config::describe_broker(context.config))
        }
        Resource::BROKER_LOGGER if name.is_empty() => {
            Err(invalid("Broker id must not be empty".into()))
        }
        Resource::BROKER_LOGGER => {
            check_broker(name, node, "")?;
            Ok(vec![root_logger()])
        }
        Resource::CLIENT_METRICS if name.is_empty() => Err(invalid(
            "Client metrics subscription name must not be empty".into(),
        )),
        Resource::CLIENT_METRICS => Ok(config::describe_client_metrics(set)),
        Resource::GROUP if name.is_empty() => Err(invalid("Group name must not be empty".into())),
        Resource::GROUP => Ok(config::describe_group(set, context.config)),
        _ => unreachable!("other kinds refuse the request"),
    }
}

fn check_broker(name: &str, node: NodeId, or: &str) -> Result<(), (ErrorCode, String)> {
    match name.parse::<i32>() {
        Err(_) => Err(invalid(format!(
            "Broker id must be an integer, but it is: {name}"
        ))),
        Ok(id) if id != node.0 => Err(invalid(format!(
            "Unexpected broker id, expected {node}{or} but received {name}"
        ))),
        Ok(_) => Ok(()),
    }
}

fn invalid(why: String) -> (ErrorCode, String) {
    (ErrorCode::INVALID_REQUEST, why)
}

/// There are no loggers by class here, but one level below which nothing is logged.
fn root_logger() -> Entry {
    let level = match tracing::level_filters::LevelFilter::current().into_level() {
        Some(level) => level.to_string(),
        None => "OFF".into(),
    };
    Entry {
        name: "root".into(),
        value: Some(level),
        source: Source::BrokerLogger,
        kind: 0,
        documentation: None,
        synonyms: Vec::new(),
        is_sensitive: false,
        is_read_only: true,
    }
}

/// A null list of keys asks for all; so does an empty one, as in Kafka.
fn is_wanted(resource: &DescribeConfigsResource<'_>, entry: &Entry) -> bool {
    match &resource.configuration_keys {
        None => true,
        Some(keys) => keys.is_empty() || keys.iter().any(|key| **key == *entry.name),
    }
}

fn property(
    request: &DescribeConfigsRequest<'_>,
    entry: Entry,
) -> DescribeConfigsProperty<'static> {
    let synonyms = entry
        .synonyms
        .into_iter()
        .filter(|_| request.include_synonyms);
    DescribeConfigsProperty {
        name: entry.name.into(),
        value: entry.value.map(Into::into),
        read_only: entry.is_read_only,
        config_source: entry.source as i8,
        is_sensitive: entry.is_sensitive,
        synonyms: synonyms
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name.into(),
                value: synonym.value.map(Into::into),
                source: synonym.source as i8,
            })
            .collect(),
        config_type: entry.kind,
        documentation: entry
            .documentation
            .filter(|_| request.include_documentation)
            .map(Into::into),
    }
}
