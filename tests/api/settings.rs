//! Settings over the wire: changed, and looked at.

use crate::client::Client;
use millstream::wire::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, ErrorCode,
    IncrementalAlterConfigsProperty, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResource, IncrementalAlterConfigsResponse,
};

pub const TOPIC: i8 = 2;
pub const BROKER: i8 = 4;
pub const LOGGER: i8 = 8;
pub const METRICS: i8 = 16;
pub const GROUP: i8 = 32;

pub const SET: i8 = 0;
pub const DELETE: i8 = 1;
pub const APPEND: i8 = 2;
pub const SUBTRACT: i8 = 3;

/// Name, operation, value.
pub type Change<'a> = (&'a str, i8, Option<&'a str>);

/// A request about one resource.
pub fn request(
    kind: i8,
    name: &str,
    changes: &[Change<'_>],
) -> IncrementalAlterConfigsRequest<'static> {
    let configs = changes
        .iter()
        .map(|(name, operation, value)| IncrementalAlterConfigsProperty {
            name: name.to_string().into(),
            config_operation: *operation,
            value: value.map(|value| value.to_string().into()),
        });
    IncrementalAlterConfigsRequest {
        resources: vec![IncrementalAlterConfigsResource {
            resource_type: kind,
            resource_name: name.to_string().into(),
            configs: configs.collect(),
        }],
        validate_only: false,
    }
}

/// Changes one resource.
pub fn alter(
    client: &mut Client,
    version: i16,
    kind: i8,
    name: &str,
    changes: &[Change<'_>],
) -> (ErrorCode, Option<String>) {
    let response: IncrementalAlterConfigsResponse =
        client.call(version, &request(kind, name, changes));
    assert_eq!(response.responses.len(), 1);
    let it = &response.responses[0];
    assert_eq!((it.resource_type, &*it.resource_name), (kind, name));
    (it.error_code, it.error_message.as_deref().map(String::from))
}

/// Sets one thing, which must be taken.
pub fn set(client: &mut Client, kind: i8, name: &str, key: &str, value: &str) {
    let result = alter(client, 1, kind, name, &[(key, SET, Some(value))]);
    assert_eq!(result, (ErrorCode::NONE, None), "{key}={value}");
}

/// A setting's value and source, if it is shown.
pub fn described(
    client: &mut Client,
    kind: i8,
    name: &str,
    key: &str,
) -> Option<(Option<String>, i8)> {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.to_string().into(),
            configuration_keys: Some(vec![key.to_string().into()]),
        }],
        ..Default::default()
    };
    let response: DescribeConfigsResponse = client.call(4, &request);
    let it = response.results[0].configs.first()?;
    assert_eq!(it.name, key);
    let value = it.value.as_deref().map(String::from);
    Some((value, it.config_source))
}

/// A setting's value, if it is shown and has one.
pub fn value(client: &mut Client, kind: i8, name: &str, key: &str) -> Option<String> {
    described(client, kind, name, key)?.0
}
