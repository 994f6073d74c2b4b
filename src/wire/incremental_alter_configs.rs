//! IncrementalAlterConfigs (44): changes single settings of resources (KIP-339).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// The changes.
    IncrementalAlterConfigsRequest<'a> key 44 versions [0-1] flexible [1+] {
        /// The resources.
        resources:      Vec<IncrementalAlterConfigsResource<'a>>  [0+];
        /// Whether only to check.
        validate_only:  bool                                      [0+];
    }

    /// A resource.
    struct IncrementalAlterConfigsResource<'a> {
        /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type:  i8                                        [0+];
        /// Its name; of a broker its id, empty for the cluster's defaults.
        resource_name:  Str<'a>                                   [0+];
        /// What changes.
        configs:        Vec<IncrementalAlterConfigsProperty<'a>>  [0+];
    }

    /// A change.
    struct IncrementalAlterConfigsProperty<'a> {
        /// The setting.
        name:              Str<'a>          [0+];
        /// 0 set, 1 delete, 2 append to a list, 3 subtract from a list.
        config_operation:  i8               [0+];
        /// The value, or the elements of the list.
        value:             Option<Str<'a>>  [0+];
    }
}

message! {
    /// What became of the resources.
    IncrementalAlterConfigsResponse<'a> key 44 versions [0-1] flexible [1+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                     [0+];
        /// One entry per resource.
        responses:         Vec<IncrementalAlterConfigsResult<'a>>  [0+];
    }

    /// What became of a resource.
    struct IncrementalAlterConfigsResult<'a> {
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
