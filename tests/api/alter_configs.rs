//! AlterConfigs: what is not named goes back to its default.

use crate::broker;
use crate::client::{Client, versions};
use crate::settings::{BROKER, LOGGER, TOPIC, described};
use millstream::wire::{
    AlterConfigsProperty, AlterConfigsRequest, AlterConfigsResource, AlterConfigsResponse, ApiKey,
    ErrorCode,
};

fn alter(
    client: &mut Client,
    version: i16,
    kind: i8,
    name: &str,
    settings: &[(&str, Option<&str>)],
    validate_only: bool,
) -> (ErrorCode, Option<String>) {
    let configs = settings.iter().map(|(name, value)| AlterConfigsProperty {
        name: name.to_string().into(),
        value: value.map(|value| value.to_string().into()),
    });
    let request = AlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: kind,
            resource_name: name.to_string().into(),
            configs: configs.collect(),
        }],
        validate_only,
    };
    let response: AlterConfigsResponse = client.call(version, &request);
    let it = &response.responses[0];
    assert_eq!((it.resource_type, &*it.resource_name), (kind, name));
    (it.error_code, it.error_message.as_deref().map(String::from))
}

#[test]
fn every_version_replaces_all_settings_of_a_topic() {
    let broker = broker::shared();
    let mut client = broker.client();
    let source = |client: &mut Client, name: &str, key: &str| {
        described(client, TOPIC, name, key).expect("it is shown").1
    };
    for version in versions(ApiKey::ALTER_CONFIGS) {
        let name = format!("replace-{version}");
        broker.topic_with(&name, 1, &[("flush.ms", "5"), ("segment.ms", "7000")]);
        let settings = [("flush.ms", Some("6")), ("retention.ms", Some("-1"))];
        let validated = alter(&mut client, version, TOPIC, &name, &settings, true);
        assert_eq!(validated, (ErrorCode::NONE, None));
        assert_eq!(source(&mut client, &name, "segment.ms"), 1);
        let altered = alter(&mut client, version, TOPIC, &name, &settings, false);
        assert_eq!(altered, (ErrorCode::NONE, None));
        let flush = described(&mut client, TOPIC, &name, "flush.ms");
        assert_eq!(flush, Some((Some("6".into()), 1)));
        assert_eq!(source(&mut client, &name, "retention.ms"), 1);
        assert_eq!(source(&mut client, &name, "segment.ms"), 5);
        // No settings at all: every one goes.
        let altered = alter(&mut client, version, TOPIC, &name, &[], false);
        assert_eq!(altered, (ErrorCode::NONE, None));
        assert_eq!(source(&mut client, &name, "flush.ms"), 5);
    }
}

#[test]
fn what_is_wrong_is_refused_in_kafkas_words() {
    let broker = broker::shared();
    broker.topic("replace-refused", 1);
    let mut client = broker.client();
    let one = [("flush.ms", Some("1"))];
    let request = ErrorCode::INVALID_REQUEST;
    for (kind, name, settings, code, words) in [
        (
            TOPIC,
            "replace-missing",
            &one[..],
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            "does not exist",
        ),
        (
            TOPIC,
            "replace-refused",
            &[("flush", Some("1"))],
            ErrorCode::INVALID_CONFIG,
            "Unknown topic config name: flush",
        ),
        (
            TOPIC,
            "replace-refused",
            &[("flush.ms", None)],
            request,
            "Null value not supported for : flush.ms",
        ),
        (
            TOPIC,
            "replace-refused",
            &[("flush.ms", Some("1")), ("flush.ms", Some("1"))],
            request,
            "Error due to duplicate config keys",
        ),
        (BROKER, "9", &one, request, "Unexpected broker id"),
        (
            BROKER,
            "1",
            &[("node.id", Some("1"))],
            request,
            "Cannot update these configs dynamically: Set(node.id)",
        ),
        (LOGGER, "1", &one, request, "Unknown resource type 8"),
        (3, "x", &one, request, "Unknown resource type 3"),
    ] {
        let (error, message) = alter(&mut client, 2, kind, name, settings, false);
        let message = message.unwrap_or_default();
        assert_eq!(error, code, "{name}: {message}");
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(
        described(&mut client, TOPIC, "replace-refused", "flush.ms")
            .expect("it is shown")
            .1,
        5
    );
}
