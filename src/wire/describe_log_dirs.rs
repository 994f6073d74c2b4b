//! DescribeLogDirs (35): the log directories with their partitions and sizes.
//!
//! v0 is laid out as v1 is. Kafka 4 dropped it; clients of the kafka-python 2.0 line still send it.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks about log directories.
    DescribeLogDirsRequest<'a> key 35 versions [0-5] flexible [2+] {
        /// The topics of interest, null for all.
        topics:  Option<Vec<DescribeLogDirsTopic<'a>>>  [0+];
    }

    /// A topic.
    struct DescribeLogDirsTopic<'a> {
        /// The name.
        topic:       Str<'a>   [0+];
        /// The partitions of interest.
        partitions:  Vec<i32>  [0+];
    }
}

message! {
    /// The log directories.
    DescribeLogDirsResponse<'a> key 35 versions [0-5] flexible [2+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                             [0+];
        /// Error of the whole request.
        error_code:        ErrorCode                       [3+], ignorable;
        /// One entry per directory.
        results:           Vec<DescribeLogDirsResult<'a>>  [0+];
    }

    /// A log directory.
    struct DescribeLogDirsResult<'a> {
        /// Error of this directory.
        error_code:    ErrorCode                              [0+];
        /// Its path.
        log_dir:       Str<'a>                                [0+];
        /// The topics in it.
        topics:        Vec<DescribeLogDirsTopicResponse<'a>>  [0+];
        /// The size of its file system, -1 if unknown.
        total_bytes:   i64                                    [4+]  = -1, ignorable;
        /// The space left there, -1 if unknown.
        usable_bytes:  i64                                    [4+]  = -1, ignorable;
        /// Whether no new partitions are placed there.
        is_cordoned:   bool                                   [5+], ignorable;
    }

    /// A topic.
    struct DescribeLogDirsTopicResponse<'a> {
        /// The name.
        name:        Str<'a>                                 [0+];
        /// Its partitions.
        partitions:  Vec<DescribeLogDirsPartitionResponse>   [0+];
    }

    /// A partition.
    struct DescribeLogDirsPartitionResponse {
        /// The partition.
        partition_index:  i32   [0+];
        /// The bytes of its segments.
        partition_size:   i64   [0+];
        /// How far it is behind: the high watermark, or the log that it is to replace.
        offset_lag:       i64   [0+];
        /// Whether it is to replace the partition's log in another directory.
        is_future_key:    bool  [0+];
    }
}
