//! OffsetCommit (8): what a group has read, to be kept.
//!
//! Topics go by name up to version 9 and by id from version 10 on (KIP-848). How long an offset is kept
//! was the client's to say in versions 2 to 4; the broker's setting says it since.
//!
//! Kafka 4 starts at version 2. Version 1, which librdkafka before 1.3 sends, has a time of commit per
//! partition instead.

use super::message::*;
use super::{ErrorCode, Str};
use crate::types::Uuid;

message! {
    /// Commits offsets.
    OffsetCommitRequest<'a> key 8 versions [1-10] flexible [8+] {
        /// The group.
        group_id:                       Str<'a>                     [0+];
        /// The generation of a classic group or the epoch of a member, -1 from outside of the group.
        generation_id_or_member_epoch:  i32                         [1+]   = -1, ignorable;
        /// The member, empty from outside of the group.
        member_id:                      Str<'a>                     [1+], ignorable;
        /// The member's `group.instance.id`, null for a dynamic member.
        group_instance_id:              Option<Str<'a>>             [7+];
        /// How long to keep the offsets, -1 for as long as the broker does.
        retention_time_ms:              i64                         [2-4]  = -1, ignorable;
        /// The topics.
        topics:                         Vec<OffsetCommitTopic<'a>>  [0+];
    }

    /// A topic.
    struct OffsetCommitTopic<'a> {
        /// The name.
        name:        Str<'a>                         [0-9], ignorable;
        /// The id.
        topic_id:    Uuid                            [10+], ignorable;
        /// Its partitions.
        partitions:  Vec<OffsetCommitPartition<'a>>  [0+];
    }

    /// The offset of a partition.
    struct OffsetCommitPartition<'a> {
        /// The partition.
        partition_index:         i32              [0+];
        /// The next offset to read.
        committed_offset:        i64              [0+];
        /// The leader epoch of the last record read, -1 if none.
        committed_leader_epoch:  i32              [6+]  = -1, ignorable;
        /// When it was committed, milliseconds; -1 leaves that to the broker.
        commit_timestamp:        i64              [1]   = -1;
        /// Whatever the client wants to have back with the offset.
        committed_metadata:      Option<Str<'a>>  [0+];
    }
}

message! {
    /// What became of the offsets.
    OffsetCommitResponse<'a> key 8 versions [1-10] flexible [8+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                 [3+], ignorable;
        /// The topics.
        topics:            Vec<OffsetCommitTopicResponse<'a>>  [0+];
    }

    /// A topic.
    struct OffsetCommitTopicResponse<'a> {
        /// The name.
        name:        Str<'a>                             [0-9], ignorable;
        /// The id.
        topic_id:    Uuid                                [10+], ignorable;
        /// Its partitions.
        partitions:  Vec<OffsetCommitPartitionResponse>  [0+];
    }

    /// What became of a partition's offset.
    struct OffsetCommitPartitionResponse {
        /// The partition.
        partition_index:  i32        [0+];
        /// Error of this partition.
        error_code:       ErrorCode  [0+];
    }
}
