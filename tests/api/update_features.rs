//! UpdateFeatures: levels go up and down by Kafka's rules, at once and for good.

use crate::broker::{Broker, Directory};
use crate::client::{Client, versions};
use millstream::wire::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode, FeatureUpdate,
    UpdateFeaturesRequest, UpdateFeaturesResponse,
};

const NEWEST: i16 = 2;
const UP: i8 = 1;
const SAFE_DOWN: i8 = 2;

fn update(feature: &str, level: i16, upgrade_type: i8) -> UpdateFeaturesRequest<'static> {
    UpdateFeaturesRequest {
        feature_updates: vec![FeatureUpdate {
            feature: feature.to_string().into(),
            max_version_level: level,
            upgrade_type,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// The error, and what was said.
fn ask(
    client: &mut Client,
    version: i16,
    request: &UpdateFeaturesRequest<'static>,
) -> (ErrorCode, Option<String>) {
    let response: UpdateFeaturesResponse = client.call(version, request);
    let done = response.error_code == ErrorCode::NONE;
    let listed = done && version <= 1;
    assert_eq!(response.results.len(), usize::from(listed));
    for result in &response.results {
        assert_eq!(result.feature, request.feature_updates[0].feature);
        assert_eq!(result.error_code, ErrorCode::NONE);
    }
    let message = response.error_message.map(|why| why.into_owned());
    (response.error_code, message)
}

/// The finalized level, and the epoch of all of them.
fn finalized(client: &mut Client, feature: &str) -> (i16, i64) {
    let request = ApiVersionsRequest {
        client_software_name: "tests".into(),
        client_software_version: "1".into(),
    };
    let response: ApiVersionsResponse = client.call(4, &request);
    let features = response.finalized_features.iter();
    let level = features
        .filter(|it| it.name == feature)
        .map(|it| it.max_version_level)
        .next();
    (level.unwrap_or(0), response.finalized_features_epoch)
}

#[test]
fn every_version_changes_a_level_that_is_seen_at_once_and_after_a_kill() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    let (level, mut epoch) = finalized(&mut client, "group.version");
    assert_eq!(level, 1);
    for version in versions(ApiKey::UPDATE_FEATURES) {
        let mut down = update("group.version", 0, if version > 0 { SAFE_DOWN } else { UP });
        down.feature_updates[0].allow_downgrade = version == 0;
        assert_eq!(ask(&mut client, version, &down), (ErrorCode::NONE, None));
        let (level, later) = finalized(&mut broker.client(), "group.version");
        assert_eq!(level, 0, "version {version}");
        assert!(later > epoch, "clients go by the epoch");
        let up = update("group.version", 1, UP);
        assert_eq!(ask(&mut client, version, &up), (ErrorCode::NONE, None));
        let (level, latest) = finalized(&mut broker.client(), "group.version");
        assert_eq!(level, 1);
        assert!(latest > later);
        epoch = latest;
    }
    let down = update("group.version", 0, SAFE_DOWN);
    assert_eq!(ask(&mut client, NEWEST, &down).0, ErrorCode::NONE);
    let (_, before) = finalized(&mut client, "group.version");
    broker.kill();
    let broker = Broker::start(&directory, &[]);
    let (level, after) = finalized(&mut broker.client(), "group.version");
    assert_eq!(level, 0);
    assert!(after > before);
}

#[test]
fn validate_only_changes_nothing() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    let before = finalized(&mut client, "metadata.version");
    for (level, error) in [
        (23, ErrorCode::NONE),
        (22, ErrorCode::INVALID_UPDATE_VERSION),
    ] {
        let dry = UpdateFeaturesRequest {
            validate_only: true,
            ..update("metadata.version", level, SAFE_DOWN)
        };
        assert_eq!(ask(&mut client, NEWEST, &dry).0, error);
        assert_eq!(finalized(&mut client, "metadata.version"), before);
    }
}

#[test]
fn metadata_version_goes_down_and_up_and_the_broker_lives_on_it() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    let (latest, _) = finalized(&mut client, "metadata.version");
    let down = update("metadata.version", 23, SAFE_DOWN);
    assert_eq!(ask(&mut client, NEWEST, &down), (ErrorCode::NONE, None));
    broker.topic("between", 2);
    broker.stop();
    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    assert_eq!(finalized(&mut client, "metadata.version").0, 23);
    let up = update("metadata.version", latest, UP);
    assert_eq!(ask(&mut client, NEWEST, &up), (ErrorCode::NONE, None));
    assert_eq!(finalized(&mut client, "metadata.version").0, latest);
    let topic = broker.topic("after", 1);
    client.append(&topic, 0, crate::records::batch(&["a"]));
}

#[test]
fn what_is_refused_says_which_feature_and_why() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    for (feature, level, kind, expected) in [
        ("group.version", 0, UP, "Can't downgrade"),
        ("group.version", 9, UP, "only supports versions 0-1"),
        ("metadata.version", 17, SAFE_DOWN, "might delete metadata"),
        ("no.such", 1, UP, "does not support this feature"),
        ("group.version", 1, 9, "upgrade type"),
    ] {
        let (error, why) = ask(&mut client, NEWEST, &update(feature, level, kind));
        assert_eq!(error, ErrorCode::INVALID_UPDATE_VERSION);
        let why = why.unwrap();
        assert!(
            why.contains(feature) || why.contains("metadata.version"),
            "{why}"
        );
        assert!(why.contains(expected), "{why}");
    }
    let nothing = UpdateFeaturesRequest::default();
    let response: UpdateFeaturesResponse = client.call(NEWEST, &nothing);
    assert_eq!(response.error_code, ErrorCode::NONE);
}
