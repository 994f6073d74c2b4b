//! DeleteRecords (21): moves the start of logs, so that what lies before is deleted.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for records to be deleted.
    DeleteRecordsRequest<'a> key 21 versions [0-2] flexible [2+] {
        /// The topics.
        topics:      Vec<DeleteRecordsTopic<'a>>  [0+];
        /// How long to wait for the followers.
        timeout_ms:  i32                          [0+];
    }

    /// A topic.
    struct DeleteRecordsTopic<'a> {
        /// The name.
        name:        Str<'a>                      [0+];
        /// Its partitions.
        partitions:  Vec<DeleteRecordsPartition>  [0+];
    }

    /// A partition.
    struct DeleteRecordsPartition {
        /// The partition.
        partition_index:  i32  [0+];
        /// The first offset that stays, -1 for the high watermark.
        offset:           i64  [0+];
    }
}

message! {
    /// Where the logs begin now.
    DeleteRecordsResponse<'a> key 21 versions [0-2] flexible [2+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                [0+];
        /// The topics.
        topics:            Vec<DeleteRecordsTopicResult<'a>>  [0+];
    }

    /// A topic.
    struct DeleteRecordsTopicResult<'a> {
        /// The name.
        name:        Str<'a>                            [0+];
        /// Its partitions.
        partitions:  Vec<DeleteRecordsPartitionResult>  [0+];
    }

    /// A partition.
    struct DeleteRecordsPartitionResult {
        /// The partition.
        partition_index:  i32        [0+];
        /// The lowest start of its replicas' logs, -1 on an error.
        low_watermark:    i64        [0+];
        /// Error of this partition.
        error_code:       ErrorCode  [0+];
    }
}
