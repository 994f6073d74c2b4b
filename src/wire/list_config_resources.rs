//! ListConfigResources (74): what has a configuration (KIP-1142). v0 was called
//! ListClientMetricsResources and lists those only.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks what there is to configure.
    ListConfigResourcesRequest key 74 versions [0-1] flexible [0+] {
        /// The kinds wanted, none for all: 2 topic, 4 broker, 8 broker logger, 16 client metrics,
        /// 32 group.
        resource_types:  Vec<i8>  [1+];
    }
}

message! {
    /// What there is to configure.
    ListConfigResourcesResponse<'a> key 74 versions [0-1] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                               [0+];
        /// Error of the whole request.
        error_code:        ErrorCode                         [0+];
        /// One entry per resource.
        config_resources:  Vec<ListConfigResourcesEntry<'a>> [0+];
    }

    /// Something that has a configuration.
    struct ListConfigResourcesEntry<'a> {
        /// Its name.
        resource_name:  Str<'a>  [0+];
        /// Its kind.
        resource_type:  i8       [1+]  = 16, ignorable;
    }
}
