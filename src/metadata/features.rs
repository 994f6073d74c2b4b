//! UpdateFeatures, decided as Apache Kafka 4.2's controller does (KIP-584, KIP-778): all updates of a
//! request or none. A metadata.version goes down only where no level between has changed the records;
//! kraft.version, which is not a record but a control record of the quorum, stays as it is.

use super::image::{ELR_VERSION, METADATA_VERSION, Resource};
use super::log::State;
use super::topics::{Decision, Refusal};
use super::versions::{self, FEATURES, KRAFT_VERSION};
use crate::types::NodeId;
use crate::wire::{ConfigRecord, ErrorCode, FeatureLevelRecord, MetadataRecord};
use std::collections::BTreeMap;

/// In which direction a level may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UpgradeType {
    /// Up only.
    Upgrade,
    /// Down, if nothing is lost.
    SafeDowngrade,
    /// Down, whatever is lost.
    UnsafeDowngrade,
    /// A number that Kafka has no meaning for.
    Unknown,
}

/// A feature's new level.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureUpdate {
    /// Its name.
    pub name: String,
    /// The level; 0 takes the feature away.
    pub level: i16,
    /// In which direction it may go.
    pub upgrade: UpgradeType,
}

/// The levels of metadata.version that changed the records: nothing goes down past one of these.
const CHANGED_AT: [i16; 8] = [7, 8, 11, 13, 14, 15, 17, 23];

/// What a feature needs besides metadata.version at all: the feature, its level, metadata.version's.
const DEPENDS: [(&str, i16, i16); 1] = [(ELR_VERSION, 1, versions::ELR)];

/// Changes the finalized levels. `node` is this node, its own controller.
pub fn update_features(
    state: &State,
    node: NodeId,
    updates: &[FeatureUpdate],
    validate_only: bool,
) -> Decision<Result<(), Refusal>> {
    // The last word on a feature counts.
    let updates: BTreeMap<&str, &FeatureUpdate> = updates
        .iter()
        .map(|update| (update.name.as_str(), update))
        .collect();
    let proposed = match updates.get(METADATA_VERSION) {
        Some(update) => update.level,
        None => state.image.metadata_version(),
    };
    let mut records = Vec::new();
    for update in updates.values() {
        match check(state, node, update, proposed) {
            Ok(true) => put(state, update, &mut records),
            Ok(false) => {}
            Err(why) => {
                let refusal = Refusal {
                    code: ErrorCode::INVALID_UPDATE_VERSION,
                    message: format!(
                        "The update failed for all features since the following feature had an \
                         error: {why}"
                    ),
                };
                return Decision {
                    records: Vec::new(),
                    outcome: Err(refusal),
                };
            }
        }
    }
    if validate_only {
        records.clear();
    }
    Decision {
        records,
        outcome: Ok(()),
    }
}

/// Whether the update is a record, or why it is refused.
fn check(
    state: &State,
    node: NodeId,
    update: &FeatureUpdate,
    proposed: i16,
) -> Result<bool, String> {
    let FeatureUpdate {
        name,
        level,
        upgrade,
    } = update;
    let (name, level) = (name.as_str(), *level);
    let invalid = |why: &str| {
        Err(format!(
            "Invalid update version {level} for feature {name}. {why}"
        ))
    };
    let current = match name {
        KRAFT_VERSION => state.quorum.kraft_version,
        name => state.image.feature(name),
    };
    if *upgrade == UpgradeType::Unknown {
        return invalid("The controller does not support the given upgrade type.");
    }
    if level < 0 {
        return invalid("A feature version cannot be less than 0.");
    }
    match FEATURES.iter().find(|(known, ..)| *known == name) {
        None if level == 0 => return invalid(&format!("Feature {name} not found.")),
        None => {
            return invalid(&format!(
                "Local controller {node} does not support this feature."
            ));
        }
        Some((_, first, last, _)) if !(*first..=*last).contains(&level) => {
            return invalid(&format!(
                "Local controller {node} only supports versions {first}-{last}"
            ));
        }
        Some(_) => {}
    }
    if level < current && *upgrade == UpgradeType::Upgrade {
        return invalid(
            "Can't downgrade the version of this feature without setting the upgrade type to \
             either safe or unsafe downgrade.",
        );
    }
    if level > current && *upgrade != UpgradeType::Upgrade {
        return invalid("Can't downgrade to a newer version.");
    }
    match name {
        KRAFT_VERSION if level < current => invalid("Can't downgrade the version of this feature."),
        KRAFT_VERSION if level > current => {
            invalid("This release does not change the version of this feature.")
        }
        KRAFT_VERSION => Ok(false),
        METADATA_VERSION => check_metadata_version(current, level, *upgrade),
        name => {
            let mut depends = DEPENDS.iter();
            let needs = depends.find(|(of, from, _)| *of == name && level >= *from);
            match needs {
                Some((_, _, needed)) if proposed < *needed => invalid(&format!(
                    "{name} could not be set to {level} because it depends on metadata.version \
                     level {needed}"
                )),
                _ => Ok(true),
            }
        }
    }
}

fn check_metadata_version(current: i16, level: i16, upgrade: UpgradeType) -> Result<bool, String> {
    let changed = CHANGED_AT.iter().any(|at| level < *at && *at <= current);
    if level >= current || !changed {
        return Ok(true);
    }
    let why = match upgrade {
        UpgradeType::UnsafeDowngrade => {
            "Unsafe metadata downgrade is not supported in this version."
        }
        _ => {
            "Refusing to perform the requested downgrade because it might delete metadata \
             information."
        }
    };
    Err(format!(
        "Unsupported metadata.version downgrade from {current} to {level}. {why}"
    ))
}

fn put(state: &State, update: &FeatureUpdate, records: &mut Vec<MetadataRecord<'static>>) {
    let enables_elr = update.name == ELR_VERSION && update.level > 0;
    let is_news = state.image.feature(ELR_VERSION) == 0;
    if enables_elr && is_news {
        // With ELR the minimum must be the cluster's, known to the controller (KIP-966).
        let set = state.image.cluster_config();
        if !set.contains_key("min.insync.replicas") {
            records.push(MetadataRecord::Config(ConfigRecord {
                resource_type: Resource::BROKER,
                resource_name: "".into(),
                name: "min.insync.replicas".into(),
                value: Some("1".into()),
            }));
        }
    }
    records.push(MetadataRecord::FeatureLevel(FeatureLevelRecord {
        name: update.name.clone().into(),
        feature_level: update.level,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cluster at that metadata.version, with one feature.
    fn state(metadata_version: i16, elr: i16) -> State {
        let mut state = State::new();
        for (name, feature_level) in [(METADATA_VERSION, metadata_version), (ELR_VERSION, elr)] {
            let record = MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: name.into(),
                feature_level,
            });
            state.image.replay(&record).unwrap();
        }
        state.quorum.kraft_version = 1;
        state
    }

    fn update(name: &str, level: i16, upgrade: UpgradeType) -> FeatureUpdate {
        FeatureUpdate {
            name: name.into(),
            level,
            upgrade,
        }
    }

    /// Names and levels written, or what is said.
    fn decide(state: &State, updates: &[FeatureUpdate]) -> Result<Vec<(String, i16)>, String> {
        let decision = update_features(state, NodeId(1), updates, false);
        let dry = update_features(state, NodeId(1), updates, true);
        assert_eq!(dry.outcome, decision.outcome);
        assert!(dry.records.is_empty());
        decision.outcome.map_err(|refusal| {
            assert_eq!(refusal.code, ErrorCode::INVALID_UPDATE_VERSION);
            refusal.message
        })?;
        let levels = decision.records.iter().filter_map(|record| match record {
            MetadataRecord::FeatureLevel(it) => Some((it.name.to_string(), it.feature_level)),
            _ => None,
        });
        Ok(levels.collect())
    }

    fn one(state: &State, name: &str, level: i16, upgrade: UpgradeType) -> Result<usize, String> {
        decide(state, &[update(name, level, upgrade)]).map(|records| records.len())
    }

    use UpgradeType::*;

    #[test]
    fn a_level_goes_up_and_only_where_it_may_down() {
        let state = state(25, 1);
        assert_eq!(one(&state, "group.version", 1, Upgrade), Ok(1));
        assert_eq!(one(&state, ELR_VERSION, 0, SafeDowngrade), Ok(1));
        let why = one(&state, ELR_VERSION, 0, Upgrade).unwrap_err();
        assert!(why.contains("without setting the upgrade type"), "{why}");
        let why = one(&state, "group.version", 1, SafeDowngrade).unwrap_err();
        assert!(why.contains("Can't downgrade to a newer version."), "{why}");
        let why = one(&state, "group.version", 1, Unknown).unwrap_err();
        assert!(why.contains("given upgrade type"), "{why}");
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        let state = state(25, 1);
        for (name, level, expected) in [
            ("group.version", 2, "only supports versions 0-1"),
            ("group.version", -1, "cannot be less than 0"),
            (METADATA_VERSION, 6, "only supports versions 7-29"),
            (METADATA_VERSION, 99, "only supports versions 7-29"),
            ("no.such", 1, "does not support this feature"),
            ("no.such", 0, "Feature no.such not found."),
        ] {
            let why = one(&state, name, level, Upgrade).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn metadata_version_goes_down_unless_that_could_lose_something() {
        let state = state(29, 0);
        assert_eq!(one(&state, METADATA_VERSION, 29, Upgrade), Ok(1));
        assert_eq!(one(&state, METADATA_VERSION, 23, SafeDowngrade), Ok(1));
        let why = one(&state, METADATA_VERSION, 22, SafeDowngrade).unwrap_err();
        assert!(why.contains("from 29 to 22. Refusing"), "{why}");
        let why = one(&state, METADATA_VERSION, 22, UnsafeDowngrade).unwrap_err();
        assert!(why.contains("is not supported"), "{why}");
    }

    #[test]
    fn a_feature_waits_for_the_metadata_version_that_it_needs() {
        let old = state(22, 0);
        let elr = update(ELR_VERSION, 1, Upgrade);
        let why = decide(&old, std::slice::from_ref(&elr)).unwrap_err();
        assert!(
            why.contains("depends on metadata.version level 23"),
            "{why}"
        );
        let both = [elr, update(METADATA_VERSION, 29, Upgrade)];
        assert_eq!(decide(&old, &both).map(|records| records.len()), Ok(2));
        let decision = update_features(&old, NodeId(1), &both, false);
        assert_eq!(decision.records.len(), 3, "with the cluster's minimum");
    }

    #[test]
    fn one_bad_update_refuses_all() {
        let state = state(25, 0);
        let good = update("group.version", 1, Upgrade);
        let bad = update("no.such", 1, Upgrade);
        assert!(decide(&state, &[good, bad]).is_err());
    }

    #[test]
    fn kraft_version_stays() {
        let state = state(25, 0);
        assert_eq!(one(&state, KRAFT_VERSION, 1, Upgrade), Ok(0));
        assert!(one(&state, KRAFT_VERSION, 0, SafeDowngrade).is_err());
    }
}
