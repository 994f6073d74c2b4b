//! JoinGroup (11): a member of a classic group begins, or follows, a rebalance.
//!
//! From version 4 on a dynamic member without an id is sent back with one and asks again (KIP-394).
//! Version 5 has static members (KIP-345), version 8 a reason (KIP-800), version 9 lets the broker
//! tell a leader not to assign anew (KIP-814).

use super::message::*;
use super::{ErrorCode, Octets, Str};

message! {
    /// Asks to be a member in the next generation.
    JoinGroupRequest<'a> key 11 versions [0-9] flexible [6+] {
        /// The group.
        group_id:              Str<'a>                     [0+];
        /// Without a heartbeat for so long the member is taken for dead.
        session_timeout_ms:    i32                         [0+];
        /// How long a rebalance waits for the member; -1, as in version 0, for the session timeout.
        rebalance_timeout_ms:  i32                         [1+]  = -1, ignorable;
        /// The id that the broker gave, empty for a new member.
        member_id:             Str<'a>                     [0+];
        /// The member's `group.instance.id`, null for a dynamic member.
        group_instance_id:     Option<Str<'a>>             [5+];
        /// What the group is for: `consumer`, `connect` ...
        protocol_type:         Str<'a>                     [0+];
        /// The protocols that the member speaks, the one it likes best first.
        protocols:             Vec<JoinGroupProtocol<'a>>  [0+];
        /// Why it joins.
        reason:                Option<Str<'a>>             [8+], ignorable;
    }

    /// A protocol: for a consumer an assignor.
    struct JoinGroupProtocol<'a> {
        /// The name.
        name:      Str<'a>     [0+];
        /// What the leader gets to know of the member; for a consumer a
        /// [`ConsumerProtocolSubscription`](super::ConsumerProtocolSubscription).
        metadata:  Octets<'a>  [0+];
    }
}

message! {
    /// The generation that the member is in.
    JoinGroupResponse<'a> key 11 versions [0-9] flexible [6+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                       [2+], ignorable;
        /// Error of the request.
        error_code:        ErrorCode                 [0+];
        /// The generation, -1 on an error.
        generation_id:     i32                       [0+]  = -1;
        /// What the group is for.
        protocol_type:     Option<Str<'a>>           [7+], ignorable;
        /// The protocol chosen; on an error null, before version 7 empty.
        protocol_name:     Option<Str<'a>>           [0+]  nullable [7+] = Some("".into());
        /// The member that assigns.
        leader:            Str<'a>                   [0+];
        /// Whether the leader is to assign nothing.
        skip_assignment:   bool                      [9+];
        /// The member that asked.
        member_id:         Str<'a>                   [0+];
        /// All members, for the leader alone.
        members:           Vec<JoinGroupMember<'a>>  [0+];
    }

    /// A member, for the leader.
    struct JoinGroupMember<'a> {
        /// The member.
        member_id:          Str<'a>          [0+];
        /// Its `group.instance.id`, null for a dynamic member.
        group_instance_id:  Option<Str<'a>>  [5+], ignorable;
        /// What it said of itself for the protocol chosen.
        metadata:           Octets<'a>       [0+];
    }
}
