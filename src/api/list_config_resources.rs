//! ListConfigResources: the names of everything that has settings. Of groups and client metrics
//! subscriptions that is what somebody has set something for.

use super::{Context, Head, Progress};
use crate::io::Pieces;
use crate::metadata::Resource;
use crate::wire::{
    DecodeError, ErrorCode, ListConfigResourcesItem, ListConfigResourcesRequest,
    ListConfigResourcesResponse,
};

/// The kinds, in the order in which they are answered.
const KINDS: [i8; 5] = [
    Resource::GROUP,
    Resource::CLIENT_METRICS,
    Resource::BROKER_LOGGER,
    Resource::BROKER,
    Resource::TOPIC,
];

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: ListConfigResourcesRequest = head.decode(&frame)?;
    let known: &[i8] = match head.version {
        0 => &[Resource::CLIENT_METRICS],
        _ => &KINDS,
    };
    let wanted = &request.resource_types;
    if wanted.iter().any(|kind| !known.contains(kind)) {
        return Ok(head.reply(&ListConfigResourcesResponse {
            error_code: ErrorCode::UNSUPPORTED_VERSION,
            ..Default::default()
        }));
    }
    let is_wanted = |kind: &&i8| wanted.is_empty() || wanted.contains(*kind);
    let mut resources = Vec::new();
    for kind in known.iter().filter(is_wanted) {
        let item = |name: String| ListConfigResourcesItem {
            resource_name: name.into(),
            resource_type: *kind,
        };
        match *kind {
            Resource::BROKER | Resource::BROKER_LOGGER => {
                let active = context.image.brokers().filter(|broker| !broker.fenced);
                resources.extend(active.map(|broker| item(broker.id.to_string())));
            }
            Resource::TOPIC => {
                resources.extend(
                    context
                        .image
                        .topics()
                        .map(|topic| item(topic.name.to_string())),
                );
            }
            _ => {
                let set = context.image.configs().map(|(resource, _)| resource);
                let of_kind = set.filter(|resource| resource.kind == *kind);
                resources.extend(of_kind.map(|resource| item(resource.name.clone())));
            }
        }
    }
    Ok(head.reply(&ListConfigResourcesResponse {
        config_resources: resources,
        ..Default::default()
    }))
}
