//! ListGroups (16): the groups that this broker coordinates, of some states (KIP-518) and types (KIP-848).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for groups.
    ListGroupsRequest<'a> key 16 versions [0-5] flexible [3+] {
        /// Those in these states, empty for all.
        states_filter:  Vec<Str<'a>>  [4+];
        /// Those of these types, empty for all.
        types_filter:   Vec<Str<'a>>  [5+];
    }
}

message! {
    /// The groups.
    ListGroupsResponse<'a> key 16 versions [0-5] flexible [3+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                   [1+], ignorable;
        /// Error of the request.
        error_code:        ErrorCode             [0+];
        /// The groups.
        groups:            Vec<ListedGroup<'a>>  [0+];
    }

    /// A group.
    struct ListedGroup<'a> {
        /// The group.
        group_id:       Str<'a>  [0+];
        /// What it is for: `consumer`, `connect` ...
        protocol_type:  Str<'a>  [0+];
        /// Its state.
        group_state:    Str<'a>  [4+], ignorable;
        /// `classic`, `consumer` ...
        group_type:     Str<'a>  [5+], ignorable;
    }
}
