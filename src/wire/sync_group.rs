//! SyncGroup (14): the leader of a classic group hands in what it has assigned, and every member gets its
//! part.

use super::message::*;
use super::{ErrorCode, Octets, Str};

message! {
    /// Asks for the member's part, and brings everyone's if the leader asks.
    SyncGroupRequest<'a> key 14 versions [0-5] flexible [4+] {
        /// The group.
        group_id:           Str<'a>                       [0+];
        /// The generation that the member is in.
        generation_id:      i32                           [0+];
        /// The member.
        member_id:          Str<'a>                       [0+];
        /// Its `group.instance.id`, null for a dynamic member.
        group_instance_id:  Option<Str<'a>>               [3+];
        /// What it takes the group to be for, null if it does not say (KIP-559).
        protocol_type:      Option<Str<'a>>               [5+], ignorable;
        /// The protocol that it takes to be chosen, null if it does not say.
        protocol_name:      Option<Str<'a>>               [5+], ignorable;
        /// Everyone's part, from the leader alone.
        assignments:        Vec<SyncGroupAssignment<'a>>  [0+];
    }

    /// The part of a member.
    struct SyncGroupAssignment<'a> {
        /// The member.
        member_id:   Str<'a>     [0+];
        /// Its part; for a consumer a
        /// [`ConsumerProtocolAssignment`](super::ConsumerProtocolAssignment).
        assignment:  Octets<'a>  [0+];
    }
}

message! {
    /// The member's part.
    SyncGroupResponse<'a> key 14 versions [0-5] flexible [4+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32              [1+], ignorable;
        /// Error of the request.
        error_code:        ErrorCode        [0+];
        /// What the group is for.
        protocol_type:     Option<Str<'a>>  [5+], ignorable;
        /// The protocol chosen.
        protocol_name:     Option<Str<'a>>  [5+], ignorable;
        /// The part, as the leader wrote it.
        assignment:        Octets<'a>       [0+];
    }
}
