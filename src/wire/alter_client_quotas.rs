//! AlterClientQuotas (49): sets and removes quotas of users, client ids and addresses (KIP-546).

use super::message::*;
use super::{ErrorCode, QuotaEntityPart, Str};

message! {
    /// Asks for other quotas.
    AlterClientQuotasRequest<'a> key 49 versions [0-1] flexible [1+] {
        /// The entities.
        entries:        Vec<AlterQuotaEntry<'a>>  [0+];
        /// Whether only to say what would happen.
        validate_only:  bool                      [0+];
    }

    /// An entity and what changes.
    struct AlterQuotaEntry<'a> {
        /// The entity.
        entity:  Vec<QuotaEntityPart<'a>>  [0+];
        /// What changes.
        ops:     Vec<AlterQuota<'a>>       [0+];
    }

    /// A quota to be set or removed.
    struct AlterQuota<'a> {
        /// Its name.
        key:     Str<'a>  [0+];
        /// Its value.
        value:   f64      [0+];
        /// Whether it is removed.
        remove:  bool     [0+];
    }
}

message! {
    /// What became of it.
    AlterClientQuotasResponse<'a> key 49 versions [0-1] flexible [1+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                              [0+];
        /// One entry per entity.
        entries:           Vec<AlterQuotaEntryResult<'a>>  [0+];
    }

    /// How an entity fared.
    struct AlterQuotaEntryResult<'a> {
        /// Error of this entity.
        error_code:     ErrorCode                 [0+];
        /// What was wrong.
        error_message:  Option<Str<'a>>           [0+];
        /// The entity.
        entity:         Vec<QuotaEntityPart<'a>>  [0+];
    }
}
