//! DescribeConfigs: every setting of a topic or of this broker, with default, source, type,
//! documentation and synonyms, from the one table of properties.

use super::{Context, Head, Progress};
use crate::config::{self, Entry};
use crate::io::Pieces;
use crate::metadata::{self, Resource};
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

fn entries(
    context: &Context<'_>,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<Entry>, (ErrorCode, String)> {
    let name = &*resource.resource_name;
    match resource.resource_type {
        Resource::TOPIC => {
            metadata::check_topic_name(name)
                .map_err(|why| (ErrorCode::INVALID_TOPIC_EXCEPTION, why))?;
            if context.image.topic(name).is_none() {
                let error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                return Err((error, error.message().to_string()));
            }
            let none = BTreeMap::new();
            let set = context
                .image
                .config(&Resource::topic(name))
                .map_or(&none, |set| &**set);
            let cluster = context.image.cluster_config();
            Ok(config::describe_topic(set, cluster, context.config))
        }
        // The empty name stands for what all brokers have as a dynamic default: nothing, here.
        Resource::BROKER if name.is_empty() => Ok(Vec::new()),
        Resource::BROKER if name == context.identity.node.to_string() => {
            Ok(config::describe_broker(context.config))
        }
        Resource::BROKER => Err((
            ErrorCode::INVALID_REQUEST,
            format!(
                "Unexpected broker id, expected {} or empty string, but received {name}",
                context.identity.node
            ),
        )),
        other => Err((
            ErrorCode::INVALID_REQUEST,
            format!("this release has no settings of resource type {other}"),
        )),
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
