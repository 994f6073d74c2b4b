//! ApiVersions: what a client that knows nothing yet can rely on.

use crate::broker;
use crate::client::versions;
use millstream::api::APIS;
use millstream::wire::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode};

fn request(version: i16) -> ApiVersionsRequest<'static> {
    let named = |name: &'static str| if version >= 3 { name.into() } else { "".into() };
    ApiVersionsRequest {
        client_software_name: named("tests"),
        client_software_version: named("1.0"),
    }
}

#[test]
fn every_version_lists_every_api_that_is_served() {
    let mut client = broker::shared().client();
    for version in versions(ApiKey::API_VERSIONS) {
        let response: ApiVersionsResponse = client.call(version, &request(version));
        assert_eq!(response.error_code, ErrorCode::NONE);
        let listed: Vec<_> = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        let served: Vec<_> = APIS.iter().map(|api| (api.key.0, api.advertised)).collect();
        assert_eq!(listed, served, "version {version}");
        if version >= 3 {
            assert!(response.finalized_features_epoch >= 0);
            let finalized = |name: &str| {
                let mut all = response.finalized_features.iter();
                all.find(|feature| feature.name == name)
                    .map(|feature| feature.max_version_level)
            };
            assert!(finalized("metadata.version").is_some());
        }
    }
}

#[test]
fn version_3_does_not_name_features_that_may_be_off() {
    let mut client = broker::shared().client();
    let third: ApiVersionsResponse = client.call(3, &request(3));
    let least = third.supported_features.iter().map(|it| it.min_version);
    assert!(least.min() > Some(0), "{:?}", third.supported_features);
    let fourth: ApiVersionsResponse = client.call(4, &request(4));
    assert!(fourth.supported_features.len() >= third.supported_features.len());
}

#[test]
fn a_malformed_software_name_is_an_invalid_request() {
    let mut client = broker::shared().client();
    for (name, version) in [("", "1"), ("a b", "1"), ("-a", "1"), ("a", "1_0")] {
        let request = ApiVersionsRequest {
            client_software_name: name.into(),
            client_software_version: version.into(),
        };
        let response: ApiVersionsResponse = client.call(3, &request);
        assert_eq!(response.error_code, ErrorCode::INVALID_REQUEST, "{name:?}");
        assert!(response.api_keys.is_empty());
    }
}

#[test]
fn versions_and_apis_that_are_not_served_end_the_connection() {
    let broker = broker::shared();
    for api in APIS.iter().filter(|api| api.key != ApiKey::API_VERSIONS) {
        for version in [api.parsed_from - 1, api.advertised.1 + 1] {
            let mut client = broker.client();
            client.send_raw(api.key, version, &[0; 16]);
            client.expect_end();
        }
    }
    // Removed from Kafka, internal to KRaft, of the next century, of no century.
    for key in [4, 52, 200, -1] {
        let mut client = broker.client();
        client.send_raw(ApiKey(key), 0, &[0; 16]);
        client.expect_end();
    }
}

#[test]
fn a_body_that_ends_too_early_ends_the_connection() {
    let broker = broker::shared();
    for api in APIS {
        let mut client = broker.client();
        // A declared count of 2^31 - 1 elements and nothing behind it.
        client.send_raw(api.key, api.advertised.1, b"\x80");
        client.expect_end();
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let mut client = broker::shared().client();
    const REQUESTS: i32 = 200;
    for _ in 0..REQUESTS {
        client.send(3, &request(3));
    }
    for back in (0..REQUESTS).rev() {
        let response: ApiVersionsResponse = client.receive_earlier(3, back);
        assert_eq!(response.error_code, ErrorCode::NONE);
    }
}
