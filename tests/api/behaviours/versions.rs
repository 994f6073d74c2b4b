//! Behaviours 1 to 4: what a client learns of versions before it knows anything else.

use crate::broker::{self, Broker, Directory};
use crate::client::{Client, versions};
use crate::records::{batch, batch_in, values};
use millstream::api::APIS;
use millstream::batch::Codec;
use millstream::wire::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode, FeatureUpdate,
    UpdateFeaturesRequest, UpdateFeaturesResponse,
};

fn request(version: i16) -> ApiVersionsRequest<'static> {
    let named = |name: &'static str| if version >= 3 { name.into() } else { "".into() };
    ApiVersionsRequest {
        client_software_name: named("tests"),
        client_software_version: named("1.0"),
    }
}

/// The versions of Produce that are advertised.
fn produce(response: &ApiVersionsResponse<'_>) -> (i16, i16) {
    let mut rows = response.api_keys.iter();
    let row = rows.find(|it| it.api_key == ApiKey::PRODUCE.0);
    let row = row.expect("Produce is served");
    (row.min_version, row.max_version)
}

#[test]
fn behaviour_01_an_unsupported_api_versions_version_is_answered_with_a_v0_body_error_35_listing_key_18()
 {
    let mut client = broker::shared().client();
    for version in [5, 99, i16::MAX] {
        // The body is of a version that the broker cannot know.
        client.send_raw(ApiKey::API_VERSIONS, version, b"\x01\x02\x03 whatever");
        let (response, _) = client.receive::<ApiVersionsResponse>(0);
        assert_eq!(response.error_code.0, 35);
        assert_eq!(response.api_keys.len(), 1);
        let own = &response.api_keys[0];
        assert_eq!((own.api_key, own.min_version, own.max_version), (18, 0, 4));
    }
    // The connection is as good as new.
    let response: ApiVersionsResponse = client.call(4, &request(4));
    assert_eq!(response.error_code, ErrorCode::NONE);
}

#[test]
fn behaviour_02_the_response_header_of_api_versions_is_v0_at_every_version() {
    let mut client = broker::shared().client();
    for (asked, version) in (1i32..).zip(versions(ApiKey::API_VERSIONS)) {
        client.send(version, &request(version));
        let frame = client.frame().expect("an answer");
        // A header of version 1 would have a count of tagged fields here.
        let (correlation_id, body) = frame.split_at(4);
        assert_eq!(correlation_id, asked.to_be_bytes());
        let count = match version {
            3.. => vec![APIS.len() as u8 + 1],
            _ => (APIS.len() as i32).to_be_bytes().to_vec(),
        };
        let expected = [&[0, 0][..], &count].concat();
        assert!(body.starts_with(&expected), "version {version}: {body:?}");
    }
}

#[test]
fn behaviour_03_produce_is_advertised_from_0_and_served_from_3() {
    let broker = broker::shared();
    let topic = broker.topic("behaviour-03", 1);
    let mut client = broker.client();
    for version in versions(ApiKey::API_VERSIONS) {
        let response: ApiVersionsResponse = client.call(version, &request(version));
        assert_eq!(produce(&response).0, 0, "version {version}");
    }
    for version in 0..3 {
        let mut old = broker.client();
        old.send_raw(ApiKey::PRODUCE, version, &[0; 64]);
        old.expect_end();
    }
    // What librdkafka, having seen that 0, goes on to compress.
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4] {
        let sent = batch_in(codec, &["a", "b"]);
        let response = client.produce_as(3, &topic, 0, sent);
        assert_eq!(response.error_code, ErrorCode::NONE);
        let fetched = client.fetch(&topic, 0, response.base_offset);
        assert_eq!(values(fetched.records), ["a", "b"]);
    }
}

/// The finalized level of a feature, and the last version of Produce that is advertised.
fn level_and_last_produce(client: &mut Client, feature: &str) -> (i16, i16) {
    let response: ApiVersionsResponse = client.call(4, &request(4));
    let mut features = response.finalized_features.iter();
    let level = features.find(|it| it.name == feature);
    let level = level.map_or(0, |it| it.max_version_level);
    (level, produce(&response).1)
}

#[test]
fn behaviour_04_produce_v12_is_advertised_only_with_finalized_transaction_version_2() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let mut client = broker.client();
    const FEATURE: &str = "transaction.version";
    assert_eq!(level_and_last_produce(&mut client, FEATURE), (2, 13));
    for (level, upgrade_type, last) in [(1, 2, 11), (0, 2, 11), (2, 1, 13)] {
        let update = UpdateFeaturesRequest {
            feature_updates: vec![FeatureUpdate {
                feature: FEATURE.into(),
                max_version_level: level,
                upgrade_type,
                ..Default::default()
            }],
            ..Default::default()
        };
        let response: UpdateFeaturesResponse = client.call(2, &update);
        assert_eq!(response.error_code, ErrorCode::NONE);
        // Whoever connects now; version 0 tells no features, but the same versions.
        let mut new = broker.client();
        assert_eq!(level_and_last_produce(&mut new, FEATURE), (level, last));
        let oldest: ApiVersionsResponse = new.call(0, &request(0));
        assert_eq!(produce(&oldest), (0, last));
    }
    // Who has asked before the level went down goes on with what it was told.
    let topic = broker.topic("t", 1);
    for version in [11, 12, 13] {
        let response = client.produce_as(version, &topic, 0, batch(&["a"]));
        assert_eq!(response.error_code, ErrorCode::NONE);
    }
    broker.stop();
}
