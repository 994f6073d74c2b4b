//! DeleteGroups (42): deletes groups without members, with their offsets.

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// The groups to delete.
    DeleteGroupsRequest<'a> key 42 versions [0-2] flexible [2+] {
        /// The groups.
        groups_names:  Vec<Str<'a>>  [0+];
    }
}

message! {
    /// What became of the groups.
    DeleteGroupsResponse<'a> key 42 versions [0-2] flexible [2+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                         [0+];
        /// One entry per group.
        results:           Vec<DeleteGroupResult<'a>>  [0+];
    }

    /// What became of a group.
    struct DeleteGroupResult<'a> {
        /// The group.
        group_id:    Str<'a>    [0+];
        /// Error of this group.
        error_code:  ErrorCode  [0+];
    }
}
