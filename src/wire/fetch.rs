//! Fetch (1): record batches for consumers and for followers.
//!
//! Sessions (v7, KIP-227) let a client name only the partitions that changed. v12 reports divergence
//! of a follower's log (KIP-595), v13 names topics by id, v15 moves the replica into a tagged field
//! (KIP-903), v16 tells new leaders (KIP-951), v17 and v18 serve KRaft's own replicas.

use super::message::*;
use super::{ErrorCode, Records, Str};
use crate::types::{Few, Uuid};

message! {
    /// Asks for records.
    FetchRequest<'a> key 1 versions [4-18] flexible [12+] {
        /// The cluster that the sender belongs to, null if it does not say.
        cluster_id:             Option<Str<'a>>          [12+]  tag 0, ignorable;
        /// The follower, -1 for a consumer.
        replica_id:             i32                      [0-14] = -1;
        /// The follower, from v15 on.
        replica_state:          FetchReplicaState        [15+]  tag 1;
        /// How long to wait for `min_bytes`.
        max_wait_ms:            i32                      [0+];
        /// How many bytes are worth an answer before that.
        min_bytes:              i32                      [0+];
        /// How many bytes to answer at most, but for a first batch that is larger.
        max_bytes:              i32                      [3+]   = i32::MAX, ignorable;
        /// 0 reads everything, 1 only what is committed.
        isolation_level:        i8                       [4+], ignorable;
        /// The fetch session, 0 for none.
        session_id:             i32                      [7+], ignorable;
        /// The session's next epoch: 0 opens one, -1 is outside of any.
        session_epoch:          i32                      [7+]   = -1, ignorable;
        /// What to fetch; in a session, what to add or change.
        topics:                 Few<FetchTopic<'a>>      [0+];
        /// What to drop from the session.
        forgotten_topics_data:  Vec<FetchForgotten<'a>>  [7+];
        /// The consumer's rack.
        rack_id:                Str<'a>                  [11+], ignorable;
    }

    /// Which replica asks.
    struct FetchReplicaState {
        /// The follower, -1 for a consumer.
        replica_id:     i32  [15+]  = -1;
        /// Its broker epoch, -1 if unknown.
        replica_epoch:  i64  [15+]  = -1;
    }

    /// A topic.
    struct FetchTopic<'a> {
        /// The name.
        topic:       Str<'a>              [0-12], ignorable;
        /// The id.
        topic_id:    Uuid                 [13+], ignorable;
        /// Its partitions.
        partitions:  Few<FetchPartition>  [0+];
    }

    /// A partition and where to read it.
    struct FetchPartition {
        /// The partition.
        partition:             i32   [0+];
        /// The leader epoch that the sender knows, -1 if none.
        current_leader_epoch:  i32   [9+]   = -1, ignorable;
        /// The first offset wanted.
        fetch_offset:          i64   [0+];
        /// The epoch of the follower's last record, -1 if none.
        last_fetched_epoch:    i32   [12+]  = -1;
        /// Where the follower's log starts, -1 for a consumer.
        log_start_offset:      i64   [5+]   = -1, ignorable;
        /// How many bytes of this partition at most, but for a first batch that is larger.
        partition_max_bytes:   i32   [0+];
        /// The follower's log directory.
        replica_directory_id:  Uuid  [17+]  tag 0, ignorable;
        /// The high watermark that the follower knows: -1 none, `i64::MAX` if it does not say.
        high_watermark:        i64   [18+]  tag 1 = i64::MAX, ignorable;
    }

    /// Partitions to drop from a session.
    struct FetchForgotten<'a> {
        /// The topic's name.
        topic:       Str<'a>   [7-12], ignorable;
        /// The topic's id.
        topic_id:    Uuid      [13+], ignorable;
        /// The partitions.
        partitions:  Vec<i32>  [7+];
    }
}

message! {
    /// Records.
    FetchResponse<'a> key 1 versions [4-18] flexible [12+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                          [1+], ignorable;
        /// Error of the whole request.
        error_code:        ErrorCode                    [7+], ignorable;
        /// The fetch session, 0 for none.
        session_id:        i32                          [7+];
        /// The topics; in a session, those with news.
        responses:         Few<FetchTopicResponse<'a>>  [0+];
        /// Where the leaders named in partitions listen (KIP-951).
        node_endpoints:    Vec<FetchNodeEndpoint<'a>>   [16+]  tag 0;
    }

    /// A topic.
    struct FetchTopicResponse<'a> {
        /// The name.
        topic:       Str<'a>                          [0-12], ignorable;
        /// The id.
        topic_id:    Uuid                             [13+], ignorable;
        /// Its partitions.
        partitions:  Few<FetchPartitionResponse<'a>>  [0+];
    }

    /// A partition and its records.
    struct FetchPartitionResponse<'a> {
        /// The partition.
        partition_index:         i32                                   [0+];
        /// Error of this partition.
        error_code:              ErrorCode                             [0+];
        /// Up to where records are committed.
        high_watermark:          i64                                   [0+];
        /// Up to where all transactions are decided.
        last_stable_offset:      i64                                   [4+]   = -1, ignorable;
        /// Where the log starts.
        log_start_offset:        i64                                   [5+]   = -1, ignorable;
        /// Where the follower's log parts from ours.
        diverging_epoch:         FetchEpochEndOffset                   [12+]  tag 0;
        /// The leader to turn to instead.
        current_leader:          FetchLeader                           [12+]  tag 1;
        /// The snapshot to load instead, for a replica behind the log's start.
        snapshot_id:             FetchSnapshotId                       [12+]  tag 2;
        /// The aborted transactions in these records, null unless asked for committed ones.
        aborted_transactions:    Option<Vec<FetchAbortedTransaction>>  [4+], ignorable;
        /// The replica to read from instead, -1 for this one.
        preferred_read_replica:  i32                                   [11+]  = -1;
        /// The batches. Empty rather than null, also on errors: librdkafka fails on null.
        records:                 Records<'a>                           [0+]   = Records::EMPTY;
    }

    /// The end of a leader epoch.
    struct FetchEpochEndOffset {
        /// The epoch, -1 if none.
        epoch:       i32  [12+]  = -1;
        /// The offset behind its last record.
        end_offset:  i64  [12+]  = -1;
    }

    /// A partition's leader.
    struct FetchLeader {
        /// The leader, -1 if unknown.
        leader_id:     i32  [12+]  = -1;
        /// Its epoch, -1 if unknown.
        leader_epoch:  i32  [12+]  = -1;
    }

    /// A snapshot of the metadata log.
    struct FetchSnapshotId {
        /// The offset behind its last record, -1 if none.
        end_offset:  i64  [0+]  = -1;
        /// The epoch of its last record.
        epoch:       i32  [0+]  = -1;
    }

    /// An aborted transaction.
    struct FetchAbortedTransaction {
        /// The producer.
        producer_id:   i64  [4+];
        /// Its first offset in the transaction.
        first_offset:  i64  [4+];
    }

    /// Where a broker listens.
    struct FetchNodeEndpoint<'a> {
        /// The broker.
        node_id:  i32              [16+];
        /// Where it listens.
        host:     Str<'a>          [16+];
        /// Where it listens.
        port:     i32              [16+];
        /// Its rack.
        rack:     Option<Str<'a>>  [16+];
    }
}
