//! ConsumerGroupDescribe (69): groups that the broker assigns, and their members (KIP-848). Version 1
//! says of each member whether it speaks the classic protocol (KIP-1099).

use super::message::*;
use super::{ErrorCode, Str};
use crate::types::Uuid;

message! {
    /// Asks about groups.
    ConsumerGroupDescribeRequest<'a> key 69 versions [0-1] flexible [0+] {
        /// The groups.
        group_ids:                      Vec<Str<'a>>  [0+];
        /// Whether to say what the client may do with them.
        include_authorized_operations:  bool          [0+];
    }
}

message! {
    /// The groups.
    ConsumerGroupDescribeResponse<'a> key 69 versions [0-1] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                              [0+];
        /// One entry per group.
        groups:            Vec<DescribedConsumerGroup<'a>>  [0+];
    }

    /// A group.
    struct DescribedConsumerGroup<'a> {
        /// Error of this group.
        error_code:             ErrorCode                         [0+];
        /// What was wrong.
        error_message:          Option<Str<'a>>                   [0+];
        /// The group.
        group_id:               Str<'a>                           [0+];
        /// `Empty`, `Assigning`, `Reconciling`, `Stable` or `Dead`; empty on an error.
        group_state:            Str<'a>                           [0+];
        /// Counts the changes of what the group wants.
        group_epoch:            i32                               [0+];
        /// The group's epoch for which partitions were last assigned.
        assignment_epoch:       i32                               [0+];
        /// The assignor.
        assignor_name:          Str<'a>                           [0+];
        /// The members.
        members:                Vec<DescribedConsumerMember<'a>>  [0+];
        /// What the client may do, a bit per operation; the lowest number if not asked.
        authorized_operations:  i32                               [0+]  = i32::MIN;
    }

    /// A member.
    struct DescribedConsumerMember<'a> {
        /// The member.
        member_id:               Str<'a>                          [0+];
        /// Its `group.instance.id`, null for a dynamic member.
        instance_id:             Option<Str<'a>>                  [0+];
        /// Its rack.
        rack_id:                 Option<Str<'a>>                  [0+];
        /// Its epoch.
        member_epoch:            i32                              [0+];
        /// Its client id.
        client_id:               Str<'a>                          [0+];
        /// Where it comes from.
        client_host:             Str<'a>                          [0+];
        /// The topics it wants by name.
        subscribed_topic_names:  Vec<Str<'a>>                     [0+];
        /// The topics it wants by a regular expression.
        subscribed_topic_regex:  Option<Str<'a>>                  [0+];
        /// The partitions it has.
        assignment:              DescribedConsumerAssignment<'a>  [0+];
        /// The partitions it is to have.
        target_assignment:       DescribedConsumerAssignment<'a>  [0+];
        /// 0 it speaks the classic protocol, 1 the consumer protocol, -1 unknown.
        member_type:             i8                               [1+]  = -1, ignorable;
    }

    /// The partitions of a member.
    struct DescribedConsumerAssignment<'a> {
        /// The partitions.
        topic_partitions:  Vec<DescribedConsumerTopic<'a>>  [0+];
    }

    /// Partitions of a topic.
    struct DescribedConsumerTopic<'a> {
        /// The topic.
        topic_id:    Uuid      [0+];
        /// Its name.
        topic_name:  Str<'a>   [0+];
        /// The partitions.
        partitions:  Vec<i32>  [0+];
    }
}
