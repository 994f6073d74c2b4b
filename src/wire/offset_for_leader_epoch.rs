//! OffsetForLeaderEpoch (23): where an epoch ended, by which followers and consumers find out where
//! logs part (KIP-101, KIP-320).

use super::ErrorCode;
use super::Str;
use super::message::*;

message! {
    /// Asks for the ends of epochs.
    OffsetForLeaderEpochRequest<'a> key 23 versions [2-4] flexible [4+] {
        /// The follower, -1 for a consumer, -2 if it does not say.
        replica_id:  i32                                 [3+]  = -2, ignorable;
        /// The topics.
        topics:      Vec<OffsetForLeaderEpochTopic<'a>>  [0+];
    }

    /// A topic.
    struct OffsetForLeaderEpochTopic<'a> {
        /// The name.
        topic:       Str<'a>                             [0+];
        /// Its partitions.
        partitions:  Vec<OffsetForLeaderEpochPartition>  [0+];
    }

    /// A partition and an epoch of it.
    struct OffsetForLeaderEpochPartition {
        /// The partition.
        partition:             i32  [0+];
        /// The leader epoch that the sender knows, -1 if none.
        current_leader_epoch:  i32  [2+]  = -1, ignorable;
        /// The epoch whose end is wanted.
        leader_epoch:          i32  [0+];
    }
}

message! {
    /// The ends of the epochs.
    OffsetForLeaderEpochResponse<'a> key 23 versions [2-4] flexible [4+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                         [2+], ignorable;
        /// The topics.
        topics:            Vec<OffsetForLeaderEpochTopicResponse<'a>>  [0+];
    }

    /// A topic.
    struct OffsetForLeaderEpochTopicResponse<'a> {
        /// The name.
        topic:       Str<'a>                                     [0+];
        /// Its partitions.
        partitions:  Vec<OffsetForLeaderEpochPartitionResponse>  [0+];
    }

    /// The end of an epoch.
    struct OffsetForLeaderEpochPartitionResponse {
        /// Error of this partition.
        error_code:    ErrorCode  [0+];
        /// The partition.
        partition:     i32        [0+];
        /// The largest epoch that is not above the one asked for, -1 if none.
        leader_epoch:  i32        [1+]  = -1, ignorable;
        /// The offset behind its last record, -1 if none.
        end_offset:    i64        [0+]  = -1;
    }
}
