//! Produce (0): appends record batches.
//!
//! A request with acks 0 gets no response at all. v12 promises implicit partition adds for
//! transactions (KIP-890), v13 names topics by id (KIP-516).

use super::message::*;
use super::{ErrorCode, Records, Str};
use crate::types::{Few, Uuid};

message! {
    /// Record batches to append.
    ProduceRequest<'a> key 0 versions [3-13] flexible [9+] {
        /// The transactional id, null outside of transactions.
        transactional_id:  Option<Str<'a>>         [3+];
        /// Who must have it: 0 nobody, 1 the leader, -1 all replicas in sync.
        acks:              i16                     [0+];
        /// How long to wait for that.
        timeout_ms:        i32                     [0+];
        /// The topics.
        topic_data:        Few<ProduceTopic<'a>>   [0+];
    }

    /// A topic.
    struct ProduceTopic<'a> {
        /// The name.
        name:            Str<'a>                    [0-12], ignorable;
        /// The id.
        topic_id:        Uuid                       [13+], ignorable;
        /// Its partitions.
        partition_data:  Few<ProducePartition<'a>>  [0+];
    }

    /// A partition and what to append to it.
    struct ProducePartition<'a> {
        /// The partition.
        index:    i32          [0+];
        /// The batches.
        records:  Records<'a>  [0+];
    }
}

message! {
    /// Where the batches went.
    ProduceResponse<'a> key 0 versions [3-13] flexible [9+] {
        /// The topics.
        responses:         Few<ProduceTopicResponse<'a>>  [0+];
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                            [1+], ignorable;
        /// Where the leaders named in partitions listen (KIP-951).
        node_endpoints:    Vec<ProduceNodeEndpoint<'a>>   [10+]  tag 0;
    }

    /// A topic.
    struct ProduceTopicResponse<'a> {
        /// The name.
        name:                 Str<'a>                            [0-12], ignorable;
        /// The id.
        topic_id:             Uuid                               [13+], ignorable;
        /// Its partitions.
        partition_responses:  Few<ProducePartitionResponse<'a>>  [0+];
    }

    /// What became of a partition's batches.
    struct ProducePartitionResponse<'a> {
        /// The partition.
        index:               i32                          [0+];
        /// Error of this partition.
        error_code:          ErrorCode                    [0+];
        /// The offset of the first record, -1 on error.
        base_offset:         i64                          [0+];
        /// The broker's timestamp under LogAppendTime, else -1.
        log_append_time_ms:  i64                          [2+]  = -1, ignorable;
        /// Where the log starts.
        log_start_offset:    i64                          [5+]  = -1, ignorable;
        /// The records for which the batch was refused.
        record_errors:       Vec<ProduceRecordError<'a>>  [8+], ignorable;
        /// What was wrong with the batch.
        error_message:       Option<Str<'a>>              [8+], ignorable;
        /// The leader to turn to instead (KIP-951).
        current_leader:      ProduceLeader                [10+]  tag 0;
    }

    /// A record for which its batch was refused.
    struct ProduceRecordError<'a> {
        /// The record's index in the batch.
        batch_index:                i32              [8+];
        /// What was wrong with it.
        batch_index_error_message:  Option<Str<'a>>  [8+];
    }

    /// A partition's leader.
    struct ProduceLeader {
        /// The leader, -1 if unknown.
        leader_id:     i32  [10+]  = -1;
        /// Its epoch, -1 if unknown.
        leader_epoch:  i32  [10+]  = -1;
    }

    /// Where a broker listens.
    struct ProduceNodeEndpoint<'a> {
        /// The broker.
        node_id:  i32              [10+];
        /// Where it listens.
        host:     Str<'a>          [10+];
        /// Where it listens.
        port:     i32              [10+];
        /// Its rack.
        rack:     Option<Str<'a>>  [10+];
    }
}
