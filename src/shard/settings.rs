//! Settings that change while the broker runs: which are allowed, and how a shard takes them over.

use super::Shard;
use crate::config::{self, BrokerConfig, Unfit};
use crate::metadata::{self, ConfigChange, ConfigRules, Decision, Image, Refusal, Resource};
use crate::types::NodeId;
use crate::wire::ErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Decides about changes of settings.
pub(super) fn alter(
    image: &Image,
    config: &BrokerConfig,
    changes: &[ConfigChange],
    validate_only: bool,
) -> Decision<Vec<(Resource, Result<(), Refusal>)>> {
    let rules = ConfigRules {
        list: &config::list_default,
        check: &|resource, settings| check(config, resource, settings),
    };
    metadata::alter_configs(image, changes, validate_only, &rules)
}

/// Whether the resource may have these settings and no others.
fn check(
    config: &BrokerConfig,
    resource: &Resource,
    settings: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let name = &resource.name;
    let request = |why: String| Refusal::new(ErrorCode::INVALID_REQUEST, why);
    let invalid = |why: String| Refusal::new(ErrorCode::INVALID_CONFIG, why);
    match resource.kind {
        Resource::TOPIC if name.is_empty() => {
            Err(request("Default topic resources are not allowed.".into()))
        }
        Resource::TOPIC => {
            metadata::check_topic_name(name)
                .map_err(|why| Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, why))?;
            config::validate_topic(config, settings).map_err(invalid)
        }
        Resource::BROKER => {
            config::validate_broker(config, settings, !name.is_empty()).map_err(request)
        }
        Resource::CLIENT_METRICS if name.is_empty() => {
            Err(request("Subscription name can't be empty".into()))
        }
        Resource::CLIENT_METRICS => {
            config::validate_client_metrics(settings).map_err(|unfit| match unfit {
                Unfit::Request(why) => request(why),
                Unfit::Config(why) => invalid(why),
            })
        }
        Resource::GROUP if name.is_empty() => {
            Err(request("Default group resources are not allowed.".into()))
        }
        Resource::GROUP => config::validate_group(config, settings).map_err(invalid),
        kind => Err(request(format!("Unknown resource type {kind}"))),
    }
}

/// The broker's configuration under the dynamic settings of this image.
pub fn effective(config: &Arc<BrokerConfig>, image: &Image) -> Arc<BrokerConfig> {
    let (cluster, own) = dynamic(image, config.node_id);
    match config.has_dynamic(cluster, own) {
        true => config.clone(),
        false => Arc::new(config.with_dynamic(cluster, own)),
    }
}

fn dynamic(image: &Image, node: NodeId) -> (&BTreeMap<String, String>, &BTreeMap<String, String>) {
    static NOTHING: BTreeMap<String, String> = BTreeMap::new();
    let own = image.config(&Resource::broker(node));
    (image.cluster_config(), own.map_or(&NOTHING, |set| &**set))
}

/// Values that most partitions have in common. They share one copy, which stays in the processor's caches
/// however many partitions there are.
pub(super) struct Common<T> {
    /// The newest different ones, the last one asked for at the end.
    newest: Vec<Arc<T>>,
}

/// Different values that are remembered: more than brokers have kinds of topics, and few enough to be
/// looked through.
const COMMON_MAX: usize = 16;

impl<T: PartialEq> Common<T> {
    pub(super) fn new() -> Common<T> {
        Common { newest: Vec::new() }
    }

    /// The copy of this value that the others have, or from now on this one.
    pub(super) fn share(&mut self, value: T) -> Arc<T> {
        let known = self.newest.iter().rposition(|it| **it == value);
        let shared = match known {
            Some(at) => self.newest.remove(at),
            None => Arc::new(value),
        };
        if self.newest.len() == COMMON_MAX {
            self.newest.remove(0);
        }
        self.newest.push(shared.clone());
        shared
    }
}

impl Shard {
    /// Puts the dynamic settings of a broker into force: for what it does itself, and as defaults of
    /// every topic's.
    pub(super) fn take_settings(&mut self, image: &Image) {
        let config = effective(&self.config, image);
        if Arc::ptr_eq(&config, &self.config) {
            return;
        }
        if config.cleaner != self.config.cleaner {
            self.hurry_compaction();
        }
        self.config = config;
        let mut by_topic = BTreeMap::new();
        for slot in 0..self.slots.len() as u32 {
            let Some(partition) = &self.slots[slot as usize] else {
                continue;
            };
            let config = by_topic
                .entry(partition.topic.clone())
                .or_insert_with_key(|topic| self.topic_config(image, topic));
            self.configure(slot, config);
        }
        self.configure_groups();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_while_they_are_among_the_newest() {
        let mut common = Common::new();
        let first = common.share(0);
        assert!(Arc::ptr_eq(&first, &common.share(0)));
        for other in 1..COMMON_MAX {
            assert_eq!(*common.share(other), other);
            assert!(Arc::ptr_eq(&first, &common.share(0)));
        }
        for other in COMMON_MAX..2 * COMMON_MAX {
            common.share(other);
        }
        assert!(!Arc::ptr_eq(&first, &common.share(0)));
        assert_eq!(common.newest.len(), COMMON_MAX);
    }
}
