//! OffsetDelete (47): deletes committed offsets of topics that the group is not subscribed to (KIP-496).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// The offsets to delete.
    OffsetDeleteRequest<'a> key 47 versions [0] flexible [none] {
        /// The group.
        group_id:  Str<'a>                     [0+];
        /// The topics.
        topics:    Vec<OffsetDeleteTopic<'a>>  [0+];
    }

    /// A topic.
    struct OffsetDeleteTopic<'a> {
        /// The name.
        name:        Str<'a>                     [0+];
        /// Its partitions.
        partitions:  Vec<OffsetDeletePartition>  [0+];
    }

    /// A partition.
    struct OffsetDeletePartition {
        /// The partition.
        partition_index:  i32  [0+];
    }
}

message! {
    /// What became of the offsets.
    OffsetDeleteResponse<'a> key 47 versions [0] flexible [none] {
        /// Error of the whole request.
        error_code:        ErrorCode                         [0+];
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                               [0+], ignorable;
        /// The topics.
        topics:            Vec<OffsetDeleteTopicResult<'a>>  [0+];
    }

    /// A topic.
    struct OffsetDeleteTopicResult<'a> {
        /// The name.
        name:        Str<'a>                           [0+];
        /// Its partitions.
        partitions:  Vec<OffsetDeletePartitionResult>  [0+];
    }

    /// What became of a partition's offset.
    struct OffsetDeletePartitionResult {
        /// The partition.
        partition_index:  i32        [0+];
        /// Error of this partition.
        error_code:       ErrorCode  [0+];
    }
}
