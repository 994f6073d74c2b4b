//! InitProducerId (22): an id for an idempotent or transactional producer (KIP-98, KIP-360).
//!
//! v6 adds two-phase commit (KIP-939), which Kafka itself does not offer yet; neither do we.

use super::ErrorCode;
use super::Str;
use super::message::*;

message! {
    /// Asks for a producer id.
    InitProducerIdRequest<'a> key 22 versions [0-5] flexible [2+] {
        /// The transactional id, null for a producer that is only idempotent.
        transactional_id:        Option<Str<'a>>  [0+];
        /// After how long an idle transaction is aborted.
        transaction_timeout_ms:  i32              [0+];
        /// The id that the producer has had, -1 if none.
        producer_id:             i64              [3+]  = -1;
        /// The epoch that the producer has had, -1 if none.
        producer_epoch:          i16              [3+]  = -1;
    }
}

message! {
    /// The producer id.
    InitProducerIdResponse key 22 versions [0-5] flexible [2+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32        [0+], ignorable;
        /// Error of the whole request.
        error_code:        ErrorCode  [0+];
        /// The id.
        producer_id:       i64        [0+]  = -1;
        /// The epoch.
        producer_epoch:    i16        [0+];
    }
}
