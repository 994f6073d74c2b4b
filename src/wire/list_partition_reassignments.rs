//! ListPartitionReassignments (46): the partitions that are on the move (KIP-455).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for moves.
    ListPartitionReassignmentsRequest<'a> key 46 versions [0] flexible [0+] {
        /// How long to wait.
        timeout_ms:  i32                                                  [0+]  = 60000;
        /// The partitions asked about, null for all.
        topics:      Option<Vec<ListPartitionReassignmentsTopic<'a>>>  [0+];
    }

    /// A topic.
    struct ListPartitionReassignmentsTopic<'a> {
        /// The name.
        name:               Str<'a>   [0+];
        /// Its partitions.
        partition_indexes:  Vec<i32>  [0+];
    }
}

message! {
    /// The moves.
    ListPartitionReassignmentsResponse<'a> key 46 versions [0] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                [0+];
        /// Error of the request.
        error_code:        ErrorCode                          [0+];
        /// What was wrong.
        error_message:     Option<Str<'a>>                    [0+];
        /// The topics.
        topics:            Vec<OngoingTopicReassignment<'a>>  [0+];
    }

    /// A topic.
    struct OngoingTopicReassignment<'a> {
        /// The name.
        name:        Str<'a>                            [0+];
        /// Its partitions.
        partitions:  Vec<OngoingPartitionReassignment>  [0+];
    }

    /// A partition on the move.
    struct OngoingPartitionReassignment {
        /// The partition.
        partition_index:    i32       [0+];
        /// Its replicas.
        replicas:           Vec<i32>  [0+];
        /// Those that are being added.
        adding_replicas:    Vec<i32>  [0+];
        /// Those that are being removed.
        removing_replicas:  Vec<i32>  [0+];
    }
}
