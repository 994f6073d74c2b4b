//! CreateTopics (19). One result per topic asked for, whatever its fate.

use super::message::*;
use super::{ErrorCode, Str};
use crate::types::Uuid;

message! {
    /// The topics to create.
    CreateTopicsRequest<'a> key 19 versions [2-7] flexible [5+] {
        /// The topics.
        topics:         Vec<CreateTopic<'a>>  [0+];
        /// How long to wait until the topics are everywhere.
        timeout_ms:     i32                   [0+]  = 60_000;
        /// Whether only to check.
        validate_only:  bool                  [1+];
    }

    /// A topic.
    struct CreateTopic<'a> {
        /// The name.
        name:                Str<'a>                      [0+];
        /// How many partitions; -1 for the default, or with assignments.
        num_partitions:      i32                          [0+];
        /// How many replicas; -1 for the default, or with assignments.
        replication_factor:  i16                          [0+];
        /// Who holds which partition, empty to leave it to the cluster.
        assignments:         Vec<CreateTopicAssignment>   [0+];
        /// The topic's configuration.
        configs:             Vec<CreateTopicConfig<'a>>   [0+];
    }

    /// The replicas of a partition.
    struct CreateTopicAssignment {
        /// The partition.
        partition_index:  i32       [0+];
        /// The brokers, the preferred leader first.
        broker_ids:       Vec<i32>  [0+];
    }

    /// A property.
    struct CreateTopicConfig<'a> {
        /// Its name.
        name:   Str<'a>          [0+];
        /// Its value.
        value:  Option<Str<'a>>  [0+];
    }
}

message! {
    /// What became of the topics.
    CreateTopicsResponse<'a> key 19 versions [2-7] flexible [5+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                          [2+], ignorable;
        /// One entry per topic asked for.
        topics:            Vec<CreateTopicResult<'a>>   [0+];
    }

    /// What became of a topic.
    struct CreateTopicResult<'a> {
        /// The name.
        name:                     Str<'a>                                  [0+];
        /// Its new id.
        topic_id:                 Uuid                                     [7+], ignorable;
        /// Error of this topic.
        error_code:               ErrorCode                                [0+];
        /// What was wrong.
        error_message:            Option<Str<'a>>                          [1+], ignorable;
        /// Why the configuration is not in this answer.
        topic_config_error_code:  ErrorCode                                [5+]  tag 0, ignorable;
        /// How many partitions it has.
        num_partitions:           i32                                      [5+]  = -1, ignorable;
        /// How many replicas each has.
        replication_factor:       i16                                      [5+]  = -1, ignorable;
        /// Its whole configuration.
        configs:                  Option<Vec<CreateTopicResultConfig<'a>>> [5+], ignorable;
    }

    /// A property of a new topic.
    struct CreateTopicResultConfig<'a> {
        /// Its name.
        name:           Str<'a>          [5+];
        /// Its value.
        value:          Option<Str<'a>>  [5+];
        /// Whether it cannot be changed.
        read_only:      bool             [5+];
        /// Where the value comes from; the numbers are those of DescribeConfigs.
        config_source:  i8               [5+]  = -1, ignorable;
        /// Whether the value is kept from view.
        is_sensitive:   bool             [5+];
    }
}
