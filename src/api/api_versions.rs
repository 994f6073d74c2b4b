//! ApiVersions: what this broker serves, and the features of the cluster.

use super::{APIS, Api, Context, Head, Progress};
use crate::io::Pieces;
use crate::metadata::Image;
use crate::metadata::versions::FEATURES;
use crate::wire::{
    ApiKey, ApiVersion, ApiVersionsFinalized, ApiVersionsRequest, ApiVersionsResponse,
    ApiVersionsSupported, DecodeError, ErrorCode,
};

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: ApiVersionsRequest<'_> = head.decode(&frame)?;
    if head.version >= 3
        && !(is_software_name(&request.client_software_name)
            && is_software_name(&request.client_software_version))
    {
        let response = ApiVersionsResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..Default::default()
        };
        return Ok(head.reply(&response));
    }
    // Version 3 cannot say that a feature may be off (KAFKA-17011): those are left out.
    let supported = FEATURES
        .iter()
        .filter(|(_, first, ..)| head.version >= 4 || *first > 0)
        .map(|(name, first, last, _)| ApiVersionsSupported {
            name: (*name).into(),
            min_version: *first,
            max_version: *last,
        });
    let finalized = context
        .image
        .finalized_features()
        .map(|(name, level)| ApiVersionsFinalized {
            name: name.into(),
            max_version_level: level,
            min_version_level: level,
        });
    let response = ApiVersionsResponse {
        api_keys: APIS
            .iter()
            .map(|api| row(api.key, advertised(api, context.image)))
            .collect(),
        supported_features: supported.collect(),
        finalized_features_epoch: context.image.features_epoch(),
        finalized_features: finalized.collect(),
        ..Default::default()
    };
    Ok(head.reply(&response))
}

/// The answer to a version that is not served: version 0, with the one row that lets the client
/// choose a version that is (KIP-511).
pub(super) fn unsupported(head: &Head) -> Progress {
    let own = APIS
        .iter()
        .find(|api| api.key == ApiKey::API_VERSIONS)
        .expect("it is in the table");
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: vec![row(own.key, own.advertised)],
        ..Default::default()
    };
    head.reply(&response)
}

/// What is told of an API. From version 12 on, Produce itself brings partitions into a transaction
/// (KIP-890): only where transaction.version says that transactions work so.
fn advertised(api: &Api, image: &Image) -> (i16, i16) {
    const IMPLICIT_PARTITIONS: i16 = 12;
    let (first, last) = api.advertised;
    match api.key {
        ApiKey::PRODUCE if image.feature("transaction.version") < 2 => {
            (first, last.min(IMPLICIT_PARTITIONS - 1))
        }
        _ => (first, last),
    }
}

fn row(key: ApiKey, (min_version, max_version): (i16, i16)) -> ApiVersion {
    ApiVersion {
        api_key: key.0,
        min_version,
        max_version,
    }
}

/// KIP-511's rule: letters and digits, with dots and dashes between them.
fn is_software_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let bytes = name.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && bytes.iter().all(|byte| is_inner(*byte))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_software_name;

    #[test]
    fn software_names_are_checked_as_kafka_does() {
        for good in ["apache-kafka-java", "4.2.0", "a", "librdkafka"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "a_b", "\u{e4}"] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }
}
