//! CreatePartitions (37): gives topics more partitions.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// The topics to grow.
    CreatePartitionsRequest<'a> key 37 versions [0-3] flexible [2+] {
        /// The topics.
        topics:         Vec<CreatePartitionsTopic<'a>>  [0+];
        /// How long to wait until the partitions are everywhere.
        timeout_ms:     i32                             [0+];
        /// Whether only to check.
        validate_only:  bool                            [0+];
    }

    /// A topic.
    struct CreatePartitionsTopic<'a> {
        /// The name.
        name:         Str<'a>                                  [0+];
        /// How many partitions it is to have in all.
        count:        i32                                      [0+];
        /// Who holds each of the new partitions, null to leave it to the cluster.
        assignments:  Option<Vec<CreatePartitionsAssignment>>  [0+];
    }

    /// The replicas of a new partition.
    struct CreatePartitionsAssignment {
        /// The brokers, the preferred leader first.
        broker_ids:  Vec<i32>  [0+];
    }
}

message! {
    /// What became of the topics.
    CreatePartitionsResponse<'a> key 37 versions [0-3] flexible [2+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                               [0+];
        /// One entry per topic asked for.
        results:           Vec<CreatePartitionsResult<'a>>   [0+];
    }

    /// What became of a topic.
    struct CreatePartitionsResult<'a> {
        /// The name.
        name:           Str<'a>          [0+];
        /// Error of this topic.
        error_code:     ErrorCode        [0+];
        /// What was wrong.
        error_message:  Option<Str<'a>>  [0+];
    }
}
