//! Configuration under Kafka's names.
//!
//! [`PROPERTIES`] is one table: name, type, default, bounds, documentation, and what Millstream does
//! with the property. The loader ([`load`]), DescribeConfigs ([`describe_topic`], [`describe_broker`]),
//! `millstream config` and the README all read it.
//!
//! [`load`] takes the text of a `server.properties` and the `--override`s and gives a [`BrokerConfig`]:
//! plain typed fields. [`TopicConfig::resolve`] puts a topic's own settings over the broker's. Nothing
//! here reads a file, the environment or a clock; what the machine knows comes in as [`Machine`].

mod broker;
mod cleaner;
mod consumer_groups;
mod describe;
mod dynamic;
mod java_properties;
mod listeners;
mod load;
mod properties;
mod property;
mod topic;

#[cfg(test)]
mod tests;

pub use broker::{Address, AppendMode, BrokerConfig, FetchColdMode};
pub use cleaner::CleanerConfig;
pub use consumer_groups::ConsumerGroups;
pub use describe::{
    Entry, Source, Synonym, describe_broker, describe_client_metrics, describe_cluster,
    describe_group, describe_topic, help,
};
pub use dynamic::{Unfit, list_default, validate_broker, validate_client_metrics, validate_group};
pub use listeners::Listener;
pub use load::{ConfigError, Loaded, Machine, Note, load};
pub use properties::PROPERTIES;
pub use property::{Check, Importance, Kind, Property, Refusal, Scope, Support, Update};
pub use topic::{CleanupPolicy, Compression, TimestampType, TopicConfig, validate_topic};

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The broker property of this name.
pub fn broker_property(name: &str) -> Option<&'static Property> {
    static TABLE: LazyLock<Table> = LazyLock::new(|| table(|scope| *scope == Scope::Broker));
    TABLE.get(name).copied()
}

/// The topic property of this name.
pub fn topic_property(name: &str) -> Option<&'static Property> {
    static TABLE: LazyLock<Table> = LazyLock::new(|| table(|it| matches!(it, Scope::Topic(_))));
    TABLE.get(name).copied()
}

/// The group property of this name.
pub fn group_property(name: &str) -> Option<&'static Property> {
    static TABLE: LazyLock<Table> = LazyLock::new(|| table(|it| matches!(it, Scope::Group(_))));
    TABLE.get(name).copied()
}

/// The property of client metrics subscriptions of this name.
pub fn client_metrics_property(name: &str) -> Option<&'static Property> {
    static TABLE: LazyLock<Table> = LazyLock::new(|| table(|it| *it == Scope::ClientMetrics));
    TABLE.get(name).copied()
}

type Table = BTreeMap<&'static str, &'static Property>;

fn table(has: impl Fn(&Scope) -> bool) -> Table {
    PROPERTIES
        .iter()
        .filter(|property| has(&property.scope))
        .map(|property| (property.name, property))
        .collect()
}
