//! DescribeClientQuotas (48): the quotas of users, client ids and addresses (KIP-546).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for quotas.
    DescribeClientQuotasRequest<'a> key 48 versions [0-1] flexible [1+] {
        /// What the entities must have.
        components:  Vec<QuotaFilter<'a>>  [0+];
        /// Whether they may have nothing else.
        strict:      bool                  [0+];
    }

    /// A part that an entity must have.
    struct QuotaFilter<'a> {
        /// `user`, `client-id` or `ip`.
        entity_type:  Str<'a>          [0+];
        /// 0 that name, 1 the default, 2 any name or the default.
        match_type:   i8               [0+];
        /// The name.
        match_name:   Option<Str<'a>>  [0+];
    }
}

message! {
    /// The quotas.
    DescribeClientQuotasResponse<'a> key 48 versions [0-1] flexible [1+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                             [0+];
        /// Error of the request.
        error_code:        ErrorCode                       [0+];
        /// What was wrong.
        error_message:     Option<Str<'a>>                 [0+];
        /// The entities, null on an error.
        entries:           Option<Vec<QuotaOfEntity<'a>>>  [0+];
    }

    /// An entity and its quotas.
    struct QuotaOfEntity<'a> {
        /// The entity.
        entity:  Vec<QuotaEntityPart<'a>>  [0+];
        /// Its quotas.
        values:  Vec<QuotaValue<'a>>       [0+];
    }

    /// A part of an entity.
    struct QuotaEntityPart<'a> {
        /// `user`, `client-id` or `ip`.
        entity_type:  Str<'a>          [0+];
        /// Its name, null for the default.
        entity_name:  Option<Str<'a>>  [0+];
    }

    /// A quota.
    struct QuotaValue<'a> {
        /// Its name.
        key:    Str<'a>  [0+];
        /// Its value.
        value:  f64      [0+];
    }
}
