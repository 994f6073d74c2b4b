//! AlterConfigs (33): replaces all settings of a resource. Older than IncrementalAlterConfigs, which
//! changes single ones.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// The settings that resources are to have, and no others.
    AlterConfigsRequest<'a> key 33 versions [0-2] flexible [2+] {
        /// The resources.
        resources:      Vec<AlterConfigsResource<'a>>  [0+];
        /// Whether only to check.
        validate_only:  bool                           [0+];
    }

    /// A resource.
    struct AlterConfigsResource<'a> {
        /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type:  i8                             [0+];
        /// Its name; of a broker its id, empty for the cluster's defaults.
        resource_name:  Str<'a>                        [0+];
        /// All of its settings.
        configs:        Vec<AlterConfigsProperty<'a>>  [0+];
    }

    /// A setting.
    struct AlterConfigsProperty<'a> {
        /// Its name.
        name:   Str<'a>          [0+];
        /// Its value.
        value:  Option<Str<'a>>  [0+];
    }
}

message! {
    /// What became of the resources.
    AlterConfigsResponse<'a> key 33 versions [0-2] flexible [2+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                          [0+];
        /// One entry per resource.
        responses:         Vec<AlterConfigsResult<'a>>  [0+];
    }

    /// What became of a resource.
    struct AlterConfigsResult<'a> {
        /// Error of this resource.
        error_code:     ErrorCode        [0+];
        /// What was wrong.
        error_message:  Option<Str<'a>>  [0+];
        /// The kind of resource.
        resource_type:  i8               [0+];
        /// Its name.
        resource_name:  Str<'a>          [0+];
    }
}
