//! ListOffsets (2): the offset for a timestamp, or one of the log's ends.
//!
//! Negative timestamps ask for an end: -1 latest, -2 earliest, -3 the largest timestamp (v7), -4 the
//! earliest on local disk (v8), -5 the latest in remote storage (v9), -6 the earliest that is not yet
//! there (v11).
//!
//! Kafka 4 starts at version 1. Version 0 is what librdkafka before 1.8 asks for the ends of a log with.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for offsets.
    ListOffsetsRequest<'a> key 2 versions [0-11] flexible [6+] {
        /// The follower, -1 for a consumer.
        replica_id:       i32                        [0+];
        /// 0 reads everything, 1 only what is committed.
        isolation_level:  i8                         [2+];
        /// The topics.
        topics:           Vec<ListOffsetsTopic<'a>>  [0+];
        /// How long a look-up in remote storage may take.
        timeout_ms:       i32                        [10+], ignorable;
    }

    /// A topic.
    struct ListOffsetsTopic<'a> {
        /// The name.
        name:        Str<'a>                    [0+];
        /// Its partitions.
        partitions:  Vec<ListOffsetsPartition>  [0+];
    }

    /// A partition and the time asked about.
    struct ListOffsetsPartition {
        /// The partition.
        partition_index:       i32  [0+];
        /// The leader epoch that the sender knows, -1 if none.
        current_leader_epoch:  i32  [4+]  = -1, ignorable;
        /// The timestamp, or a negative number for an end.
        timestamp:             i64  [0+];
        /// The most offsets to answer with.
        max_num_offsets:       i32  [0]   = 1, ignorable;
    }
}

message! {
    /// The offsets.
    ListOffsetsResponse<'a> key 2 versions [0-11] flexible [6+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                [2+], ignorable;
        /// The topics.
        topics:            Vec<ListOffsetsTopicResponse<'a>>  [0+];
    }

    /// A topic.
    struct ListOffsetsTopicResponse<'a> {
        /// The name.
        name:        Str<'a>                            [0+];
        /// Its partitions.
        partitions:  Vec<ListOffsetsPartitionResponse>  [0+];
    }

    /// A partition's offset.
    struct ListOffsetsPartitionResponse {
        /// The partition.
        partition_index:    i32        [0+];
        /// Error of this partition.
        error_code:         ErrorCode  [0+];
        /// The offset found, or none.
        old_style_offsets:  Vec<i64>   [0];
        /// The timestamp of the record found, -1 if none.
        timestamp:          i64        [1+]  = -1;
        /// The offset found, -1 if none.
        offset:             i64        [1+]  = -1;
        /// The leader epoch of the record found, -1 if none.
        leader_epoch:       i32        [4+]  = -1;
    }
}
