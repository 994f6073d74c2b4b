//! OffsetForLeaderEpoch (23): where the records of a leader epoch end, so that followers and
//! consumers see whether they have diverged (KIP-101, KIP-320).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for the ends of epochs.
    OffsetForLeaderEpochRequest<'a> key 23 versions [2-4] flexible [4+] {
        /// The follower, -1 for a consumer, -2 for one that may see everything.
        replica_id:  i32                            [3+]  = -2, ignorable;
        /// The topics.
        topics:      Vec<OffsetForLeaderTopic<'a>>  [0+];
    }

    /// A topic.
    struct OffsetForLeaderTopic<'a> {
        /// The name.
        topic:       Str<'a>                        [0+];
        /// Its partitions.
        partitions:  Vec<OffsetForLeaderPartition>  [0+];
    }

    /// A partition and the epoch asked about.
    struct OffsetForLeaderPartition {
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
        throttle_time_ms:  i32                                  [2+], ignorable;
        /// The topics.
        topics:            Vec<OffsetForLeaderTopicResult<'a>>  [0+];
    }

    /// A topic.
    struct OffsetForLeaderTopicResult<'a> {
        /// The name.
        topic:       Str<'a>              [0+];
        /// Its partitions.
        partitions:  Vec<EpochEndOffset>  [0+];
    }

    /// The end of an epoch.
    struct EpochEndOffset {
        /// Error of this partition.
        error_code:    ErrorCode  [0+];
        /// The partition.
        partition:     i32        [0+];
        /// The newest epoch with records that is not newer than the one asked about, -1 if none.
        leader_epoch:  i32        [1+]  = -1, ignorable;
        /// The offset behind its last record, -1 if unknown.
        end_offset:    i64        [0+]  = -1;
    }
}
