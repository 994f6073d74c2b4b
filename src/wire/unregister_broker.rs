//! UnregisterBroker (64): takes a broker that will not come back out of the cluster (KIP-631).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for a broker to be forgotten.
    UnregisterBrokerRequest key 64 versions [0] flexible [0+] {
        /// The broker.
        broker_id:  i32  [0+];
    }
}

message! {
    /// Whether it is.
    UnregisterBrokerResponse<'a> key 64 versions [0] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32              [0+];
        /// Error of the request.
        error_code:        ErrorCode        [0+];
        /// What was wrong.
        error_message:     Option<Str<'a>>  [0+];
    }
}
