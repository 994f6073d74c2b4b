//! Metadata (3): brokers, topics, partitions and their leaders.
//!
//! A null topic list asks for all topics, an empty one for none; in v0, which has no null, an empty
//! list asks for all.

use super::message::*;
use super::{ErrorCode, Str};
use crate::types::Uuid;

message! {
    /// Asks about topics.
    MetadataRequest<'a> key 3 versions [0-13] flexible [9+] {
        /// The topics, null for all.
        topics:                                 Option<Vec<MetadataTopic<'a>>>  [0+]  nullable [1+];
        /// Whether a topic that is missing may be created.
        allow_auto_topic_creation:              bool                            [4+]  = true;
        /// Whether to say what the client may do with the cluster.
        include_cluster_authorized_operations:  bool                            [8-10];
        /// Whether to say what the client may do with each topic.
        include_topic_authorized_operations:    bool                            [8+];
    }

    /// A topic asked about, by name or by id.
    struct MetadataTopic<'a> {
        /// The id, zero if asked by name.
        topic_id:  Uuid             [10+], ignorable;
        /// The name, null if asked by id.
        name:      Option<Str<'a>>  [0+]  nullable [10+];
    }
}

message! {
    /// The cluster as clients see it.
    MetadataResponse<'a> key 3 versions [0-13] flexible [9+] {
        /// How long the quota holds the client back.
        throttle_time_ms:               i32                             [3+], ignorable;
        /// The live brokers.
        brokers:                        Vec<MetadataBroker<'a>>         [0+];
        /// The cluster's id.
        cluster_id:                     Option<Str<'a>>                 [2+], ignorable;
        /// A live broker to send admin requests to, -1 if none.
        controller_id:                  i32                             [1+]  = -1, ignorable;
        /// One entry per topic asked for.
        topics:                         Vec<MetadataTopicResponse<'a>>  [0+];
        /// Bits of what the client may do with the cluster, `i32::MIN` if not asked.
        cluster_authorized_operations:  i32                             [8-10] = i32::MIN;
        /// Error of the whole request.
        error_code:                     ErrorCode                       [13+], ignorable;
    }

    /// A live broker.
    struct MetadataBroker<'a> {
        /// The broker.
        node_id:  i32              [0+];
        /// Where it listens.
        host:     Str<'a>          [0+];
        /// Where it listens.
        port:     i32              [0+];
        /// Its rack.
        rack:     Option<Str<'a>>  [1+], ignorable;
    }

    /// A topic.
    struct MetadataTopicResponse<'a> {
        /// Error of this topic.
        error_code:                   ErrorCode                       [0+];
        /// The name; null only for an unknown id.
        name:                         Option<Str<'a>>                 [0+]  nullable [12+];
        /// The id; zero only for an unknown name.
        topic_id:                     Uuid                            [10+], ignorable;
        /// Whether the broker keeps its own state in it.
        is_internal:                  bool                            [1+], ignorable;
        /// Its partitions.
        partitions:                   Vec<MetadataPartitionResponse>  [0+];
        /// Bits of what the client may do with the topic, `i32::MIN` if not asked.
        topic_authorized_operations:  i32                             [8+]  = i32::MIN;
    }

    /// A partition.
    struct MetadataPartitionResponse {
        /// Error of this partition.
        error_code:        ErrorCode  [0+];
        /// The partition.
        partition_index:   i32        [0+];
        /// The leader, -1 if none.
        leader_id:         i32        [0+];
        /// The leader's epoch, -1 if unknown.
        leader_epoch:      i32        [7+]  = -1, ignorable;
        /// All replicas, the preferred leader first.
        replica_nodes:     Vec<i32>   [0+];
        /// The replicas in sync.
        isr_nodes:         Vec<i32>   [0+];
        /// The replicas on dead brokers or dead disks.
        offline_replicas:  Vec<i32>   [5+], ignorable;
    }
}
