//! DescribeGroups (15): classic groups and their members. From version 6 on a group that is not there is
//! an error with a text (KIP-1043); before, it was described as dead.

use super::message::*;
use super::{ErrorCode, Octets, Str};

message! {
    /// Asks about groups.
    DescribeGroupsRequest<'a> key 15 versions [0-6] flexible [5+] {
        /// The groups.
        groups:                         Vec<Str<'a>>  [0+];
        /// Whether to say what the client may do with them.
        include_authorized_operations:  bool          [3+];
    }
}

message! {
    /// The groups.
    DescribeGroupsResponse<'a> key 15 versions [0-6] flexible [5+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                      [1+], ignorable;
        /// One entry per group.
        groups:            Vec<DescribedGroup<'a>>  [0+];
    }

    /// A group.
    struct DescribedGroup<'a> {
        /// Error of this group.
        error_code:             ErrorCode                      [0+];
        /// What was wrong; no version before 6 can carry it.
        error_message:          Option<Str<'a>>                [6+];
        /// The group.
        group_id:               Str<'a>                        [0+];
        /// `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable` or `Dead`; empty on an error.
        group_state:            Str<'a>                        [0+];
        /// What the group is for: `consumer`, `connect` ...
        protocol_type:          Str<'a>                        [0+];
        /// The protocol chosen, empty unless the group is stable.
        protocol_data:          Str<'a>                        [0+];
        /// The members.
        members:                Vec<DescribedGroupMember<'a>>  [0+];
        /// What the client may do, a bit per operation; the lowest number if not asked.
        authorized_operations:  i32                            [3+]  = i32::MIN;
    }

    /// A member.
    struct DescribedGroupMember<'a> {
        /// The member.
        member_id:          Str<'a>          [0+];
        /// Its `group.instance.id`, null for a dynamic member.
        group_instance_id:  Option<Str<'a>>  [4+], ignorable;
        /// The client id it joined with.
        client_id:          Str<'a>          [0+];
        /// Where it joined from.
        client_host:        Str<'a>          [0+];
        /// What it said of itself for the protocol chosen, empty unless the group is stable.
        member_metadata:    Octets<'a>       [0+];
        /// Its part, empty unless the group is stable.
        member_assignment:  Octets<'a>       [0+];
    }
}
