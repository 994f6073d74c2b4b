//! ApiVersions (18): which APIs, versions and features a broker has. The first request of most clients
//! (KIP-35, KIP-511, KIP-584).
//!
//! An unsupported version of this request is answered, not disconnected: with a v0 body, error 35 and
//! the range of this API. The response header is v0 in every version.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks what the broker can do.
    ApiVersionsRequest<'a> key 18 versions [0-4] flexible [3+] {
        /// The client's library.
        client_software_name:     Str<'a>  [3+], ignorable;
        /// The version of that library.
        client_software_version:  Str<'a>  [3+], ignorable;
    }
}

message! {
    /// What the broker can do.
    ApiVersionsResponse<'a> key 18 versions [0-4] flexible [3+] {
        /// Error of the whole request.
        error_code:                ErrorCode                       [0+];
        /// The APIs served.
        api_keys:                  Vec<ApiVersion>                 [0+];
        /// How long the quota holds the client back.
        throttle_time_ms:          i32                             [1+], ignorable;
        /// The features that this broker supports; before v4 without those whose minimum is 0.
        supported_features:        Vec<ApiVersionsSupported<'a>>   [3+]  tag 0, ignorable;
        /// The epoch of the finalized features, -1 if unknown.
        finalized_features_epoch:  i64                             [3+]  tag 1 = -1, ignorable;
        /// The features that the cluster has agreed on; valid if the epoch is not -1.
        finalized_features:        Vec<ApiVersionsFinalized<'a>>   [3+]  tag 2, ignorable;
        /// Whether a controller can migrate from ZooKeeper; false since Kafka 4.
        zk_migration_ready:        bool                            [3+]  tag 3, ignorable;
    }

    /// The versions of one API.
    struct ApiVersion {
        /// The API.
        api_key:      i16  [0+];
        /// The lowest version served.
        min_version:  i16  [0+];
        /// The highest version served.
        max_version:  i16  [0+];
    }

    /// A feature that the broker supports.
    struct ApiVersionsSupported<'a> {
        /// The feature.
        name:         Str<'a>  [3+];
        /// Its lowest level supported.
        min_version:  i16      [3+];
        /// Its highest level supported.
        max_version:  i16      [3+];
    }

    /// A feature that the cluster has agreed on.
    struct ApiVersionsFinalized<'a> {
        /// The feature.
        name:               Str<'a>  [3+];
        /// The level agreed on.
        max_version_level:  i16      [3+];
        /// The lowest level that brokers must support.
        min_version_level:  i16      [3+];
    }
}
