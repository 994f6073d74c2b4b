//! LeaveGroup (13): members of a classic group go. Up to version 2 the one that asks; from version 3 on
//! several, whom an operator may name by their `group.instance.id` (KIP-345).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Takes members out of their group.
    LeaveGroupRequest<'a> key 13 versions [0-5] flexible [4+] {
        /// The group.
        group_id:   Str<'a>                    [0+];
        /// The member.
        member_id:  Str<'a>                    [0-2];
        /// The members.
        members:    Vec<LeaveGroupMember<'a>>  [3+];
    }

    /// A member that goes.
    struct LeaveGroupMember<'a> {
        /// The member, empty where the instance id names it.
        member_id:          Str<'a>          [3+];
        /// Its `group.instance.id`, null for a dynamic member.
        group_instance_id:  Option<Str<'a>>  [3+];
        /// Why it goes.
        reason:             Option<Str<'a>>  [5+], ignorable;
    }
}

message! {
    /// What became of the members.
    LeaveGroupResponse<'a> key 13 versions [0-5] flexible [4+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                              [1+], ignorable;
        /// Error of the whole request; before version 3 of the member.
        error_code:        ErrorCode                        [0+];
        /// One entry per member.
        members:           Vec<LeaveGroupMemberResult<'a>>  [3+];
    }

    /// What became of a member.
    struct LeaveGroupMemberResult<'a> {
        /// The member as it was named.
        member_id:          Str<'a>          [3+];
        /// Its `group.instance.id` as it was named.
        group_instance_id:  Option<Str<'a>>  [3+];
        /// Error of this member.
        error_code:         ErrorCode        [3+];
    }
}
