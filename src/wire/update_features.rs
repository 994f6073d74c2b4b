//! UpdateFeatures (57): raises or lowers the finalized levels of features (KIP-584, KIP-778).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for other levels.
    UpdateFeaturesRequest<'a> key 57 versions [0-2] flexible [0+] {
        /// How long to wait.
        timeout_ms:       i32                     [0+]  = 60000;
        /// The features.
        feature_updates:  Vec<FeatureUpdate<'a>>  [0+];
        /// Whether only to say what would happen.
        validate_only:    bool                    [1+];
    }

    /// A feature's new level.
    struct FeatureUpdate<'a> {
        /// Its name.
        feature:            Str<'a>  [0+];
        /// The new level; 0 takes the feature away.
        max_version_level:  i16      [0+];
        /// Whether the level may go down.
        allow_downgrade:    bool     [0];
        /// 1 up only, 2 down if nothing is lost, 3 down whatever is lost.
        upgrade_type:       i8       [1+]  = 1;
    }
}

message! {
    /// Whether the levels are as asked.
    UpdateFeaturesResponse<'a> key 57 versions [0-2] flexible [0+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                           [0+];
        /// Error of the request.
        error_code:        ErrorCode                     [0+];
        /// What was wrong.
        error_message:     Option<Str<'a>>               [0+];
        /// One entry per feature.
        results:           Vec<FeatureUpdateResult<'a>>  [0-1], ignorable;
    }

    /// A feature.
    struct FeatureUpdateResult<'a> {
        /// Its name.
        feature:        Str<'a>          [0+];
        /// Error of this feature.
        error_code:     ErrorCode        [0+];
        /// What was wrong.
        error_message:  Option<Str<'a>>  [0+];
    }
}
