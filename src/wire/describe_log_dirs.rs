//! DescribeLogDirs (35): a broker's log directories, what lies in them and what room is left
//! (KIP-113, KIP-827, KIP-1066).
//!
//! Kafka 4 starts at version 1, whose bytes are those of version 0; kafka-python 2.0 sends that one.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks what lies in the log directories.
    DescribeLogDirsRequest<'a> key 35 versions [0-5] flexible [2+] {
        /// The partitions asked about, null for all.
        topics:  Option<Vec<DescribableLogDirTopic<'a>>>  [0+];
    }

    /// A topic.
    struct DescribableLogDirTopic<'a> {
        /// The name.
        topic:       Str<'a>   [0+];
        /// Its partitions.
        partitions:  Vec<i32>  [0+];
    }
}

message! {
    /// The log directories.
    DescribeLogDirsResponse<'a> key 35 versions [0-5] flexible [2+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                             [0+];
        /// Error of the request.
        error_code:        ErrorCode                       [3+], ignorable;
        /// One entry per directory.
        results:           Vec<DescribeLogDirsResult<'a>>  [0+];
    }

    /// A log directory.
    struct DescribeLogDirsResult<'a> {
        /// Error of this directory.
        error_code:    ErrorCode                      [0+];
        /// Its absolute path.
        log_dir:       Str<'a>                        [0+];
        /// The topics with partitions in it.
        topics:        Vec<DescribeLogDirsTopic<'a>>  [0+];
        /// Bytes of the volume it is on.
        total_bytes:   i64                            [4+]  = -1, ignorable;
        /// Bytes that are left to this process there.
        usable_bytes:  i64                            [4+]  = -1, ignorable;
        /// Whether new partitions are kept out of it.
        is_cordoned:   bool                           [5+], ignorable;
    }

    /// A topic.
    struct DescribeLogDirsTopic<'a> {
        /// The name.
        name:        Str<'a>                        [0+];
        /// Its partitions.
        partitions:  Vec<DescribeLogDirsPartition>  [0+];
    }

    /// A partition's log.
    struct DescribeLogDirsPartition {
        /// The partition.
        partition_index:  i32   [0+];
        /// Bytes of its segments.
        partition_size:   i64   [0+];
        /// How far its end is behind the high watermark; of a future log, behind the current one.
        offset_lag:       i64   [0+];
        /// Whether it is on its way to replace the log in another directory.
        is_future_key:    bool  [0+];
    }
}
