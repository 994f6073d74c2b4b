//! DescribeQuorum (55): who votes on the metadata log, who leads, how far everybody is (KIP-595,
//! KIP-836, KIP-853).

use super::message::*;
use super::{ErrorCode, Str};
use crate::types::Uuid;

message! {
    /// Asks for the quorum.
    DescribeQuorumRequest<'a> key 55 versions [0-2] flexible [0+] {
        /// The topics: `__cluster_metadata` alone.
        topics:  Vec<DescribeQuorumTopic<'a>>  [0+];
    }

    /// A topic.
    struct DescribeQuorumTopic<'a> {
        /// The name.
        topic_name:  Str<'a>                       [0+];
        /// Its partitions.
        partitions:  Vec<DescribeQuorumPartition>  [0+];
    }

    /// A partition.
    struct DescribeQuorumPartition {
        /// The partition.
        partition_index:  i32  [0+];
    }
}

message! {
    /// The quorum.
    DescribeQuorumResponse<'a> key 55 versions [0-2] flexible [0+] {
        /// Error of the request.
        error_code:     ErrorCode                            [0+];
        /// What was wrong.
        error_message:  Option<Str<'a>>                      [2+], ignorable;
        /// The topics.
        topics:         Vec<DescribeQuorumTopicResult<'a>>  [0+];
        /// Where the voters listen.
        nodes:          Vec<DescribeQuorumNode<'a>>         [2+];
    }

    /// A topic.
    struct DescribeQuorumTopicResult<'a> {
        /// The name.
        topic_name:  Str<'a>                                  [0+];
        /// Its partitions.
        partitions:  Vec<DescribeQuorumPartitionResult<'a>>  [0+];
    }

    /// A partition.
    struct DescribeQuorumPartitionResult<'a> {
        /// The partition.
        partition_index:  i32                [0+];
        /// Error of this partition.
        error_code:       ErrorCode          [0+];
        /// What was wrong.
        error_message:    Option<Str<'a>>    [2+], ignorable;
        /// The leader, -1 if there is none.
        leader_id:        i32                [0+];
        /// Its epoch.
        leader_epoch:     i32                [0+];
        /// The offset behind the last committed record.
        high_watermark:   i64                [0+];
        /// The voters.
        current_voters:   Vec<QuorumReplica>  [0+];
        /// Who reads along.
        observers:        Vec<QuorumReplica>  [0+];
    }

    /// A voter or an observer.
    struct QuorumReplica {
        /// Its id.
        replica_id:                i32   [0+];
        /// The directory of its metadata log.
        replica_directory_id:      Uuid  [2+];
        /// Its log's end, -1 if unknown.
        log_end_offset:            i64   [0+];
        /// When it last fetched, ms on the leader's clock, -1 if unknown.
        last_fetch_timestamp:      i64   [1+]  = -1, ignorable;
        /// When it last had everything, ms on the leader's clock, -1 if unknown.
        last_caught_up_timestamp:  i64   [1+]  = -1, ignorable;
    }

    /// A node.
    struct DescribeQuorumNode<'a> {
        /// Its id.
        node_id:    i32                              [2+];
        /// Where it listens.
        listeners:  Vec<DescribeQuorumListener<'a>>  [0+];
    }

    /// A listener.
    struct DescribeQuorumListener<'a> {
        /// Its name.
        name:  Str<'a>  [2+];
        /// Host name or address.
        host:  Str<'a>  [2+];
        /// TCP port.
        port:  u16      [2+];
    }
}
