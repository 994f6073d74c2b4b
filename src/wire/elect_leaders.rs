//! ElectLeaders (43): gives partitions their preferred leader, or any leader at all (KIP-183,
//! KIP-460).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for elections.
    ElectLeadersRequest<'a> key 43 versions [0-2] flexible [2+] {
        /// 0 the preferred replica, 1 one that is not in sync.
        election_type:     i8                                    [1+];
        /// The partitions, null for all.
        topic_partitions:  Option<Vec<ElectLeadersTopic<'a>>>  [0+];
        /// How long to wait for the elections.
        timeout_ms:        i32                                   [0+]  = 60000;
    }

    /// A topic.
    struct ElectLeadersTopic<'a> {
        /// The name.
        topic:       Str<'a>   [0+];
        /// Its partitions.
        partitions:  Vec<i32>  [0+];
    }
}

message! {
    /// How the elections went.
    ElectLeadersResponse<'a> key 43 versions [0-2] flexible [2+] {
        /// How long the quota holds the client back.
        throttle_time_ms:          i32                                 [0+];
        /// Error of the request.
        error_code:                ErrorCode                           [1+];
        /// The topics.
        replica_election_results:  Vec<ElectLeadersTopicResult<'a>>  [0+];
    }

    /// A topic.
    struct ElectLeadersTopicResult<'a> {
        /// The name.
        topic:             Str<'a>                               [0+];
        /// Its partitions.
        partition_result:  Vec<ElectLeadersPartitionResult<'a>>  [0+];
    }

    /// A partition.
    struct ElectLeadersPartitionResult<'a> {
        /// The partition.
        partition_id:   i32              [0+];
        /// Error of this partition.
        error_code:     ErrorCode        [0+];
        /// What was wrong.
        error_message:  Option<Str<'a>>  [0+];
    }
}
