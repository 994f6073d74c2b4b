//! DescribeTopicPartitions (75): topics and partitions in pages, with eligible leader replicas
//! (KIP-966).

use super::message::*;
use super::{ErrorCode, Str};
use crate::types::Uuid;

message! {
    /// Asks about topics.
    DescribeTopicPartitionsRequest<'a> key 75 versions [0] flexible [0+] {
        /// The topics, none for all.
        topics:                    Vec<DescribeTopicPartitionsTopic<'a>>       [0+];
        /// How many partitions to answer at most.
        response_partition_limit:  i32                                         [0+]  = 2000;
        /// Where to go on, null at the start.
        cursor:                    Option<DescribeTopicPartitionsCursor<'a>>   [0+];
    }

    /// A topic.
    struct DescribeTopicPartitionsTopic<'a> {
        /// The name.
        name:  Str<'a>  [0+];
    }

    /// A place among all partitions, ordered by topic and index.
    struct DescribeTopicPartitionsCursor<'a> {
        /// The first topic to answer.
        topic_name:       Str<'a>  [0+];
        /// Its first partition to answer.
        partition_index:  i32      [0+];
    }
}

message! {
    /// A page of topics and partitions.
    DescribeTopicPartitionsResponse<'a> key 75 versions [0] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                             [0+], ignorable;
        /// The topics of this page.
        topics:            Vec<DescribeTopicPartitionsTopicResponse<'a>>   [0+];
        /// Where the next page begins, null at the end.
        next_cursor:       Option<DescribeTopicPartitionsCursor<'a>>       [0+];
    }

    /// A topic.
    struct DescribeTopicPartitionsTopicResponse<'a> {
        /// Error of this topic.
        error_code:                   ErrorCode                                      [0+];
        /// The name.
        name:                         Option<Str<'a>>                                [0+];
        /// The id.
        topic_id:                     Uuid                                           [0+], ignorable;
        /// Whether the broker keeps its own state in it.
        is_internal:                  bool                                           [0+], ignorable;
        /// Its partitions on this page.
        partitions:                   Vec<DescribeTopicPartitionsPartitionResponse>  [0+];
        /// Bits of what the client may do with the topic, `i32::MIN` if not known.
        topic_authorized_operations:  i32                                            [0+]  = i32::MIN;
    }

    /// A partition.
    struct DescribeTopicPartitionsPartitionResponse {
        /// Error of this partition.
        error_code:                ErrorCode         [0+];
        /// The partition.
        partition_index:           i32               [0+];
        /// The leader, -1 if none.
        leader_id:                 i32               [0+];
        /// The leader's epoch, -1 if unknown.
        leader_epoch:              i32               [0+]  = -1, ignorable;
        /// All replicas, the preferred leader first.
        replica_nodes:             Vec<i32>          [0+];
        /// The replicas in sync.
        isr_nodes:                 Vec<i32>          [0+];
        /// Out of sync, yet with all that is committed.
        eligible_leader_replicas:  Option<Vec<i32>>  [0+];
        /// The last of those when there was none left.
        last_known_elr:            Option<Vec<i32>>  [0+];
        /// The replicas on dead brokers or dead disks.
        offline_replicas:          Vec<i32>          [0+], ignorable;
    }
}
