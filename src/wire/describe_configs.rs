//! DescribeConfigs (32): the configuration of topics, brokers, groups and client metrics, with the
//! default, source, type and documentation of every property.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for configurations.
    DescribeConfigsRequest<'a> key 32 versions [1-4] flexible [4+] {
        /// What to describe.
        resources:              Vec<DescribeConfigsResource<'a>>  [0+];
        /// Whether to list where each value could come from.
        include_synonyms:       bool                              [1+];
        /// Whether to add each property's documentation.
        include_documentation:  bool                              [3+];
    }

    /// A topic, broker, group or client metrics subscription.
    struct DescribeConfigsResource<'a> {
        /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type:       i8                    [0+];
        /// Its name; of a broker its id, empty for the cluster's defaults.
        resource_name:       Str<'a>               [0+];
        /// The properties wanted, null for all.
        configuration_keys:  Option<Vec<Str<'a>>>  [0+];
    }
}

message! {
    /// The configurations.
    DescribeConfigsResponse<'a> key 32 versions [1-4] flexible [4+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                             [0+];
        /// One entry per resource.
        results:           Vec<DescribeConfigsResult<'a>>  [0+];
    }

    /// The configuration of a resource.
    struct DescribeConfigsResult<'a> {
        /// Error of this resource.
        error_code:     ErrorCode                         [0+];
        /// What was wrong.
        error_message:  Option<Str<'a>>                   [0+];
        /// The kind of resource.
        resource_type:  i8                                [0+];
        /// Its name.
        resource_name:  Str<'a>                           [0+];
        /// Its properties.
        configs:        Vec<DescribeConfigsProperty<'a>>  [0+];
    }

    /// A property.
    struct DescribeConfigsProperty<'a> {
        /// Its name.
        name:           Str<'a>                          [0+];
        /// Its value, null if kept from view.
        value:          Option<Str<'a>>                  [0+];
        /// Whether it cannot be changed.
        read_only:      bool                             [0+];
        /// Where the value comes from: 1 topic, 2 this broker, 3 all brokers, 4 the broker's file,
        /// 5 the default, 6 broker logger, 7 client metrics, 8 group.
        config_source:  i8                               [1+]  = -1, ignorable;
        /// Whether the value is kept from view.
        is_sensitive:   bool                             [0+];
        /// Where the value could come from, the strongest first.
        synonyms:       Vec<DescribeConfigsSynonym<'a>>  [1+], ignorable;
        /// 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password.
        config_type:    i8                               [3+], ignorable;
        /// What it does.
        documentation:  Option<Str<'a>>                  [3+], ignorable;
    }

    /// A place where a property's value could come from.
    struct DescribeConfigsSynonym<'a> {
        /// The property's name there.
        name:    Str<'a>          [1+];
        /// Its value there.
        value:   Option<Str<'a>>  [1+];
        /// The place; numbers as above.
        source:  i8               [1+];
    }
}
