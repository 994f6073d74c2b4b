//! AlterPartitionReassignments (45): moves partitions to other brokers, or calls a move off
//! (KIP-455, KIP-860).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for moves.
    AlterPartitionReassignmentsRequest<'a> key 45 versions [0-1] flexible [0+] {
        /// How long to wait for the moves to begin.
        timeout_ms:                       i32                           [0+]  = 60000;
        /// Whether a move may change how many replicas a partition has.
        allow_replication_factor_change:  bool                          [1+]  = true;
        /// The topics.
        topics:                           Vec<ReassignableTopic<'a>>  [0+];
    }

    /// A topic.
    struct ReassignableTopic<'a> {
        /// The name.
        name:        Str<'a>                     [0+];
        /// Its partitions.
        partitions:  Vec<ReassignablePartition>  [0+];
    }

    /// A partition.
    struct ReassignablePartition {
        /// The partition.
        partition_index:  i32               [0+];
        /// The brokers to move it to, null to call a move off.
        replicas:         Option<Vec<i32>>  [0+];
    }
}

message! {
    /// Which moves have begun.
    AlterPartitionReassignmentsResponse<'a> key 45 versions [0-1] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:                 i32                                 [0+];
        /// As in the request.
        allow_replication_factor_change:  bool                                [1+]  = true, ignorable;
        /// Error of the request.
        error_code:                       ErrorCode                           [0+];
        /// What was wrong.
        error_message:                    Option<Str<'a>>                     [0+];
        /// The topics.
        responses:                        Vec<ReassignableTopicResponse<'a>>  [0+];
    }

    /// A topic.
    struct ReassignableTopicResponse<'a> {
        /// The name.
        name:        Str<'a>                                 [0+];
        /// Its partitions.
        partitions:  Vec<ReassignablePartitionResponse<'a>>  [0+];
    }

    /// A partition.
    struct ReassignablePartitionResponse<'a> {
        /// The partition.
        partition_index:  i32              [0+];
        /// Error of this partition.
        error_code:       ErrorCode        [0+];
        /// What was wrong.
        error_message:    Option<Str<'a>>  [0+];
    }
}
