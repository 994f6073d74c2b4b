//! DescribeTopicPartitions (75): topics and their partitions in pages (KIP-966).

use super::message::*;
use super::{ErrorCode, Str};
use crate::types::Uuid;

message! {
    /// Asks for one page.
    DescribeTopicPartitionsRequest<'a> key 75 versions [0] flexible [0+] {
        /// The topics, none for all.
        topics:                    Vec<DescribeTopicPartitionsTopic<'a>>          [0+];
        /// The most partitions in the answer.
        response_partition_limit:  i32                                            [0+]  = 2000;
        /// Where the page begins, null for the first.
        cursor:                    Option<DescribeTopicPartitionsCursor<'a>>      [0+];
    }

    /// A topic asked about.
    struct DescribeTopicPartitionsTopic<'a> {
        /// The name.
        name:  Str<'a>  [0+];
    }

    /// A place among all partitions, by topic name and index.
    struct DescribeTopicPartitionsCursor<'a> {
        /// The topic.
        topic_name:       Str<'a>  [0+];
        /// The first partition.
        partition_index:  i32      [0+];
    }
}

message! {
    /// One page.
    DescribeTopicPartitionsResponse<'a> key 75 versions [0] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                               [0+], ignorable;
        /// The topics, by name.
        topics:            Vec<DescribeTopicPartitionsTopicResponse<'a>>     [0+];
        /// Where the next page begins, null after the last.
        next_cursor:       Option<DescribeTopicPartitionsNextCursor<'a>>     [0+];
    }

    /// A topic.
    struct DescribeTopicPartitionsTopicResponse<'a> {
        /// Error of this topic.
        error_code:                   ErrorCode                                [0+];
        /// The name.
        name:                         Option<Str<'a>>                          [0+];
        /// The id.
        topic_id:                     Uuid                                     [0+], ignorable;
        /// Whether the broker keeps its own state in it.
        is_internal:                  bool                                     [0+], ignorable;
        /// Its partitions that are on this page.
        partitions:                   Vec<DescribeTopicPartitionsPartition>    [0+];
        /// Bits of what the client may do with the topic.
        topic_authorized_operations:  i32                                      [0+]  = i32::MIN;
    }

    /// A partition.
    struct DescribeTopicPartitionsPartition {
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
        /// The replicas out of sync that may lead all the same.
        eligible_leader_replicas:  Option<Vec<i32>>  [0+];
        /// Who may have led last.
        last_known_elr:            Option<Vec<i32>>  [0+];
        /// The replicas on dead brokers or dead disks.
        offline_replicas:          Vec<i32>          [0+], ignorable;
    }

    /// Where the next page begins.
    struct DescribeTopicPartitionsNextCursor<'a> {
        /// The topic.
        topic_name:       Str<'a>  [0+];
        /// The first partition.
        partition_index:  i32      [0+];
    }
}
