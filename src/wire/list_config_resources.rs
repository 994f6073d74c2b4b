//! ListConfigResources (74): the names of what has settings (KIP-1142). Version 0 knew client metrics
//! alone and was called ListClientMetricsResources.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for names.
    ListConfigResourcesRequest key 74 versions [0-1] flexible [0+] {
        /// The kinds of resource, none for all.
        resource_types:  Vec<i8>  [1+];
    }
}

message! {
    /// The names.
    ListConfigResourcesResponse<'a> key 74 versions [0-1] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                 [0+];
        /// Error of the whole request.
        error_code:        ErrorCode                           [0+];
        /// The resources.
        config_resources:  Vec<ListConfigResourcesItem<'a>>    [0+];
    }

    /// A resource.
    struct ListConfigResourcesItem<'a> {
        /// Its name.
        resource_name:  Str<'a>  [0+];
        /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type:  i8       [1+]  = 16, ignorable;
    }
}
