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
mod describe;
mod java_properties;
mod listeners;
mod load;
mod properties;
mod property;
mod topic;

#[cfg(test)]
mod tests;

pub use broker::{AppendMode, BrokerConfig};
pub use describe::{Entry, Source, Synonym, describe_broker, describe_topic, help};
pub use listeners::Listener;
pub use load::{ConfigError, Loaded, Machine, Note, load};
pub use properties::PROPERTIES;
pub use property::{Check, Importance, Kind, Property, Refusal, Scope, Support, Update};
pub use topic::{CleanupPolicy, Compression, TimestampType, TopicConfig, validate_topic_override};

/// The broker property of this name.
pub fn broker_property(name: &str) -> Option<&'static Property> {
    PROPERTIES
        .iter()
        .find(|property| property.name == name && property.scope == Scope::Broker)
}

/// The topic property of this name.
pub fn topic_property(name: &str) -> Option<&'static Property> {
    PROPERTIES
        .iter()
        .find(|property| property.name == name && property.scope != Scope::Broker)
}
