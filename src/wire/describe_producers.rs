//! DescribeProducers (61): the idempotent and transactional producers that partitions know
//! (KIP-664).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for producers.
    DescribeProducersRequest<'a> key 61 versions [0] flexible [0+] {
        /// The topics.
        topics:  Vec<DescribeProducersTopic<'a>>  [0+];
    }

    /// A topic.
    struct DescribeProducersTopic<'a> {
        /// The name.
        name:               Str<'a>   [0+];
        /// Its partitions.
        partition_indexes:  Vec<i32>  [0+];
    }
}

message! {
    /// The producers.
    DescribeProducersResponse<'a> key 61 versions [0] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                    [0+];
        /// The topics.
        topics:            Vec<DescribeProducersTopicResult<'a>>  [0+];
    }

    /// A topic.
    struct DescribeProducersTopicResult<'a> {
        /// The name.
        name:        Str<'a>                                    [0+];
        /// Its partitions.
        partitions:  Vec<DescribeProducersPartitionResult<'a>>  [0+];
    }

    /// A partition.
    struct DescribeProducersPartitionResult<'a> {
        /// The partition.
        partition_index:   i32                     [0+];
        /// Error of this partition.
        error_code:        ErrorCode               [0+];
        /// What was wrong.
        error_message:     Option<Str<'a>>         [0+];
        /// Its producers.
        active_producers:  Vec<DescribedProducer>  [0+];
    }

    /// A producer.
    struct DescribedProducer {
        /// Its id.
        producer_id:               i64  [0+];
        /// Its epoch.
        producer_epoch:            i32  [0+];
        /// The sequence number of its last record, -1 if none.
        last_sequence:             i32  [0+]  = -1;
        /// The largest timestamp of its last batch, -1 if none.
        last_timestamp:            i64  [0+]  = -1;
        /// The epoch of the coordinator that wrote its last marker, -1 if none.
        coordinator_epoch:         i32  [0+];
        /// The first offset of its open transaction, -1 if none.
        current_txn_start_offset:  i64  [0+]  = -1;
    }
}
