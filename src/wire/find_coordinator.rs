//! FindCoordinator (10): which broker coordinates a group, a transactional id or a share partition.
//! One key per request; from v4 on several (KIP-699).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for coordinators.
    FindCoordinatorRequest<'a> key 10 versions [0-6] flexible [3+] {
        /// The group or transactional id.
        key:               Str<'a>       [0-3];
        /// 0 group, 1 transaction, 2 share partition (v6).
        key_type:          i8            [1+];
        /// The groups, transactional ids or share partitions.
        coordinator_keys:  Vec<Str<'a>>  [4+];
    }
}

message! {
    /// The coordinators.
    FindCoordinatorResponse<'a> key 10 versions [0-6] flexible [3+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                               [1+], ignorable;
        /// Error of the whole request.
        error_code:        ErrorCode                         [0-3];
        /// What was wrong.
        error_message:     Option<Str<'a>>                   [1-3], ignorable;
        /// The coordinator.
        node_id:           i32                               [0-3];
        /// Where it listens.
        host:              Str<'a>                           [0-3];
        /// Where it listens.
        port:              i32                               [0-3];
        /// One entry per key.
        coordinators:      Vec<FindCoordinatorResult<'a>>    [4+];
    }

    /// The coordinator of a key.
    struct FindCoordinatorResult<'a> {
        /// The key.
        key:            Str<'a>          [4+];
        /// The coordinator, -1 on error.
        node_id:        i32              [4+];
        /// Where it listens.
        host:           Str<'a>          [4+];
        /// Where it listens.
        port:           i32              [4+];
        /// Error of this key.
        error_code:     ErrorCode        [4+];
        /// What was wrong.
        error_message:  Option<Str<'a>>  [4+], ignorable;
    }
}
