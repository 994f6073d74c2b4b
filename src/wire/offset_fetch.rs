//! OffsetFetch (9): what groups have committed.
//!
//! Up to version 7 a request asks for one group, from version 8 on for several (KIP-709). Topics go by
//! name up to version 9 and by id from version 10 on (KIP-848). Version 0, which Kafka 4 no longer
//! has, read from ZooKeeper.

use super::message::*;
use super::{ErrorCode, Str};
use crate::types::Uuid;

message! {
    /// Asks for committed offsets.
    OffsetFetchRequest<'a> key 9 versions [1-10] flexible [6+] {
        /// The group.
        group_id:        Str<'a>                            [0-7];
        /// The topics, null for all.
        topics:          Option<Vec<OffsetFetchTopic<'a>>>  [0-7]  nullable [2-7] = Some(Vec::new());
        /// The groups.
        groups:          Vec<OffsetFetchGroup<'a>>          [8+];
        /// Whether to refuse offsets that an open transaction may still change.
        require_stable:  bool                               [7+];
    }

    /// A group.
    struct OffsetFetchGroup<'a> {
        /// The group.
        group_id:      Str<'a>                            [8+];
        /// The member that asks, null from outside of the group.
        member_id:     Option<Str<'a>>                    [9+], ignorable;
        /// Its epoch, -1 from outside of the group or of a classic one.
        member_epoch:  i32                                [9+]  = -1, ignorable;
        /// The topics, null for all.
        topics:        Option<Vec<OffsetFetchTopic<'a>>>  [8+]  = Some(Vec::new());
    }

    /// A topic.
    struct OffsetFetchTopic<'a> {
        /// The name.
        name:               Str<'a>   [0-9], ignorable;
        /// The id.
        topic_id:           Uuid      [10+], ignorable;
        /// Its partitions.
        partition_indexes:  Vec<i32>  [0+];
    }
}

message! {
    /// The offsets.
    OffsetFetchResponse<'a> key 9 versions [1-10] flexible [6+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                [3+], ignorable;
        /// The topics of the group.
        topics:            Vec<OffsetFetchTopicResponse<'a>>  [0-7];
        /// Error of the whole request; version 1 has to say it at each partition.
        error_code:        ErrorCode                          [2-7], ignorable;
        /// One entry per group.
        groups:            Vec<OffsetFetchGroupResponse<'a>>  [8+];
    }

    /// The offsets of a group.
    struct OffsetFetchGroupResponse<'a> {
        /// The group.
        group_id:    Str<'a>                            [8+];
        /// The topics.
        topics:      Vec<OffsetFetchTopicResponse<'a>>  [8+];
        /// Error of this group.
        error_code:  ErrorCode                          [8+];
    }

    /// A topic.
    struct OffsetFetchTopicResponse<'a> {
        /// The name.
        name:        Str<'a>                                [0-9], ignorable;
        /// The id.
        topic_id:    Uuid                                   [10+], ignorable;
        /// Its partitions.
        partitions:  Vec<OffsetFetchPartitionResponse<'a>>  [0+];
    }

    /// The offset of a partition.
    struct OffsetFetchPartitionResponse<'a> {
        /// The partition.
        partition_index:         i32              [0+];
        /// The next offset to read, -1 if none is committed.
        committed_offset:        i64              [0+];
        /// The leader epoch of the last record read, -1 if none.
        committed_leader_epoch:  i32              [5+]  = -1, ignorable;
        /// What the client left with the offset.
        metadata:                Option<Str<'a>>  [0+]  = Some("".into());
        /// Error of this partition.
        error_code:              ErrorCode        [0+];
    }
}
