//! ConsumerGroupHeartbeat (68): the one request by which a consumer joins, stays in and leaves a group
//! that the broker assigns (KIP-848). Version 1 has regular expressions, and member ids that the client
//! makes (KIP-1082).

use super::message::*;
use super::{ErrorCode, Str};
use crate::types::Uuid;

message! {
    /// A member is alive; null and -1 mean that nothing has changed since its last heartbeat.
    ConsumerGroupHeartbeatRequest<'a> key 68 versions [0-1] flexible [0+] {
        /// The group.
        group_id:                Str<'a>                                    [0+];
        /// The member; empty, in version 0 alone, for one that is to be given an id.
        member_id:               Str<'a>                                    [0+];
        /// Its epoch; 0 joins, -1 leaves, -2 leaves for a while as a static member.
        member_epoch:            i32                                        [0+];
        /// Its `group.instance.id`.
        instance_id:             Option<Str<'a>>                            [0+];
        /// Its rack.
        rack_id:                 Option<Str<'a>>                            [0+];
        /// How long a rebalance waits for it to give up partitions.
        rebalance_timeout_ms:    i32                                        [0+]  = -1;
        /// The topics it wants by name.
        subscribed_topic_names:  Option<Vec<Str<'a>>>                       [0+];
        /// The topics it wants by a regular expression in the syntax of RE2.
        subscribed_topic_regex:  Option<Str<'a>>                            [1+];
        /// The assignor it wants.
        server_assignor:         Option<Str<'a>>                            [0+];
        /// The partitions it owns.
        topic_partitions:        Option<Vec<ConsumerGroupTopicPartitions>>  [0+];
    }

    /// Partitions of a topic.
    struct ConsumerGroupTopicPartitions {
        /// The topic.
        topic_id:    Uuid      [0+];
        /// The partitions.
        partitions:  Vec<i32>  [0+];
    }
}

message! {
    /// What the member is to do.
    ConsumerGroupHeartbeatResponse<'a> key 68 versions [0-1] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:       i32                              [0+];
        /// Error of the request.
        error_code:             ErrorCode                        [0+];
        /// What was wrong.
        error_message:          Option<Str<'a>>                  [0+];
        /// The member, for one that joins.
        member_id:              Option<Str<'a>>                  [0+];
        /// Its epoch.
        member_epoch:           i32                              [0+];
        /// When the next heartbeat is due.
        heartbeat_interval_ms:  i32                              [0+];
        /// The partitions it may use from now on, null if they are those it has.
        assignment:             Option<ConsumerGroupAssignment>  [0+];
    }

    /// The partitions of a member.
    struct ConsumerGroupAssignment {
        /// The partitions.
        topic_partitions:  Vec<ConsumerGroupTopicPartitions>  [0+];
    }
}
