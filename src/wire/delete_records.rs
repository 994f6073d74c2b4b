//! DeleteRecords (21): moves the start of logs forward (KIP-107).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// The records to delete.
    DeleteRecordsRequest<'a> key 21 versions [0-2] flexible [2+] {
        /// The topics.
        topics:      Vec<DeleteRecordsTopic<'a>>  [0+];
        /// How long to wait for the replicas.
        timeout_ms:  i32                          [0+];
    }

    /// A topic.
    struct DeleteRecordsTopic<'a> {
        /// The name.
        name:        Str<'a>                      [0+];
        /// Its partitions.
        partitions:  Vec<DeleteRecordsPartition>  [0+];
    }

    /// A partition and its new start.
    struct DeleteRecordsPartition {
        /// The partition.
        partition_index:  i32  [0+];
        /// The first offset to keep, -1 for the high watermark.
        offset:           i64  [0+];
    }
}

message! {
    /// Where the logs start now.
    DeleteRecordsResponse<'a> key 21 versions [0-2] flexible [2+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                  [0+];
        /// The topics.
        topics:            Vec<DeleteRecordsTopicResponse<'a>>  [0+];
    }

    /// A topic.
    struct DeleteRecordsTopicResponse<'a> {
        /// The name.
        name:        Str<'a>                              [0+];
        /// Its partitions.
        partitions:  Vec<DeleteRecordsPartitionResponse>  [0+];
    }

    /// A partition.
    struct DeleteRecordsPartitionResponse {
        /// The partition.
        partition_index:  i32        [0+];
        /// Where its log starts now, -1 on error.
        low_watermark:    i64        [0+];
        /// Error of this partition.
        error_code:       ErrorCode  [0+];
    }
}
