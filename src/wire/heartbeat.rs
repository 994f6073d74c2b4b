//! Heartbeat (12): a member of a classic group is alive, and learns of a rebalance.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// A member is alive.
    HeartbeatRequest<'a> key 12 versions [0-4] flexible [4+] {
        /// The group.
        group_id:           Str<'a>          [0+];
        /// The generation that the member is in.
        generation_id:      i32              [0+];
        /// The member.
        member_id:          Str<'a>          [0+];
        /// Its `group.instance.id`, null for a dynamic member.
        group_instance_id:  Option<Str<'a>>  [3+];
    }
}

message! {
    /// Whether the member may go on.
    HeartbeatResponse key 12 versions [0-4] flexible [4+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32        [1+], ignorable;
        /// Error of the request.
        error_code:        ErrorCode  [0+];
    }
}
