//! UpdateFeatures: other finalized levels, all of them or none.

use super::{Context, Head, Pending, Progress};
use crate::io::Pieces;
use crate::metadata::{FeatureUpdate, UpgradeType};
use crate::shard::{AdminAnswer, AdminAsk, Alteration, Ask};
use crate::wire::{
    DecodeError, ErrorCode, FeatureUpdateResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

/// A request that waits for the metadata log's owner.
pub struct UpdateFeatures {
    head: Head,
    features: Vec<String>,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: UpdateFeaturesRequest<'_> = head.decode(&frame)?;
    let updates = request.feature_updates.iter().map(|update| FeatureUpdate {
        name: update.feature.to_string(),
        level: update.max_version_level,
        upgrade: match (head.version, update.upgrade_type) {
            // What version 0 could say became the safe kind of downgrade (KIP-778).
            (0, _) if update.allow_downgrade => UpgradeType::SafeDowngrade,
            (0, _) | (_, 1) => UpgradeType::Upgrade,
            (_, 2) => UpgradeType::SafeDowngrade,
            (_, 3) => UpgradeType::UnsafeDowngrade,
            _ => UpgradeType::Unknown,
        },
    });
    let alteration = Alteration::Features {
        updates: updates.collect(),
        validate_only: request.validate_only,
    };
    let ask = Ask::Admin(AdminAsk::Alter(alteration));
    context.asks.asks.push((Context::CONTROLLER, ask));
    let features = request.feature_updates.iter();
    Ok(Progress::Wait(Pending::UpdateFeatures(UpdateFeatures {
        head: *head,
        features: features.map(|update| update.feature.to_string()).collect(),
    })))
}

impl UpdateFeatures {
    /// The levels are as asked, or stay as they were.
    pub(super) fn answered(self, answer: AdminAnswer) -> Progress {
        let response = match answer.altered().pop().expect("one answer for all") {
            Ok(()) => UpdateFeaturesResponse {
                results: self
                    .features
                    .iter()
                    .filter(|_| self.head.version <= 1)
                    .map(|feature| FeatureUpdateResult {
                        feature: feature.as_str().into(),
                        error_code: ErrorCode::NONE,
                        error_message: None,
                    })
                    .collect(),
                ..Default::default()
            },
            Err(refusal) => UpdateFeaturesResponse {
                error_code: refusal.code,
                error_message: Some(refusal.message.into()),
                ..Default::default()
            },
        };
        self.head.reply(&response)
    }
}
