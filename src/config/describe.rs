//! What DescribeConfigs answers, and the same table as a text for people.

use super::broker::BrokerConfig;
use super::property::{Property, Scope, Support, Update};
use super::topic::value_from_broker;
use super::{PROPERTIES, broker_property};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One property as DescribeConfigs answers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its value; none if it is null or must not be shown.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: Source,
    /// Its type's code; 0 for an unknown property.
    pub kind: i8,
    /// What it means; `None` for an unknown property.
    pub documentation: Option<&'static str>,
    /// Every place that has a value for it, the one that counts first.
    pub synonyms: Vec<Synonym>,
    /// Whether the value must not be shown.
    pub is_sensitive: bool,
    /// Whether only a restart can change it.
    pub is_read_only: bool,
}

/// A place that has a value for a property.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Synonym {
    /// The name under which it is set.
    pub name: String,
    /// The value there.
    pub value: Option<String>,
    /// The place.
    pub source: Source,
}

/// The places of a value, with DescribeConfigs' codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub enum Source {
    /// Set for the topic.
    DynamicTopic = 1,
    /// Set in the metadata log for all brokers. The first start of Apache Kafka sets min.insync.replicas so.
    DynamicDefaultBroker = 3,
    /// Set in `server.properties` or by `--override`.
    StaticBroker = 4,
    /// Set nowhere.
    Default = 5,
}

/// Every property of a topic with these settings of its own, sorted by name. `cluster` is what the
/// metadata log has as default of all brokers.
pub fn describe_topic(
    overrides: &BTreeMap<String, String>,
    cluster: &BTreeMap<String, String>,
    broker: &BrokerConfig,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = PROPERTIES
        .iter()
        .filter_map(|property| match property.scope {
            Scope::Topic(synonyms) if !property.internal => {
                Some(topic_entry(property, synonyms, overrides, cluster, broker))
            }
            _ => None,
        })
        .collect();
    // As Kafka: what is set although the table hides or lacks it is shown too.
    for (name, value) in overrides {
        if entries.iter().all(|entry| entry.name != *name) {
            entries.push(unlisted(name, value, Source::DynamicTopic, false));
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Every property of this broker, sorted by name. Unknown ones that were set are there too, without
/// their value: it may be a secret.
pub fn describe_broker(broker: &BrokerConfig) -> Vec<Entry> {
    let mut entries: Vec<Entry> = PROPERTIES
        .iter()
        .filter(|property| property.scope == Scope::Broker && !property.internal)
        .map(|property| broker_entry(property, broker))
        .collect();
    for (name, value) in &broker.set {
        if broker_property(name).is_none() {
            entries.push(unlisted(name, value, Source::StaticBroker, true));
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// The table as a text: every property with type, default, bounds and documentation.
pub fn help() -> String {
    let mut text = String::new();
    for (heading, topic) in [("Broker properties", false), ("Topic properties", true)] {
        writeln!(text, "{heading}:").expect("a String takes it");
        for property in PROPERTIES {
            if property.internal || topic != (property.scope != Scope::Broker) {
                continue;
            }
            let kind = format!("{:?}", property.kind).to_lowercase();
            let bounds = match property.bounds() {
                bounds if bounds.is_empty() => bounds,
                bounds => format!(" ({bounds})"),
            };
            let default = match property.default {
                None | Some("") => String::new(),
                Some(default) => format!(" = {default}"),
            };
            let support = match property.support {
                Support::Used => String::new(),
                Support::Later(reason) => format!(" [no effect in this release: {reason}]"),
                Support::NotNeeded(reason) => format!(" [accepted, not needed: {reason}]"),
            };
            writeln!(
                text,
                "  {}{default}\n      {kind}{bounds}. {}{support}",
                property.name, property.doc
            )
            .expect("a String takes it");
        }
    }
    text
}

impl BrokerConfig {
    /// A broker property's value in normal form: as set, else its default, else null.
    pub fn value(&self, name: &str) -> Option<&str> {
        match self.set.get(name) {
            Some(value) => Some(value),
            None => broker_property(name)?.default,
        }
    }
}

fn topic_entry(
    property: &'static Property,
    broker_names: &[&str],
    overrides: &BTreeMap<String, String>,
    cluster: &BTreeMap<String, String>,
    broker: &BrokerConfig,
) -> Entry {
    let own = overrides
        .get(property.name)
        .map(|value| property.normalise(value).unwrap_or_else(|_| value.clone()));
    let mut synonyms = synonyms(broker_names, cluster, broker);
    if let Some(value) = &own {
        synonyms.insert(
            0,
            Synonym {
                name: property.name.to_owned(),
                value: Some(value.clone()),
                source: Source::DynamicTopic,
            },
        );
    }
    let inherited = |name: &str| match cluster.get(name) {
        Some(value) => Some(value.as_str()),
        None => broker.value(name),
    };
    let value = own.or_else(|| value_from_broker(property, inherited));
    entry(property, value, synonyms, false)
}

fn broker_entry(property: &'static Property, broker: &BrokerConfig) -> Entry {
    let value = match property.name {
        // Kafka shows what it concluded.
        "node.id" | "broker.id" => Some(broker.node_id.to_string()),
        "num.shards" => Some(broker.shards.to_string()),
        name => broker.value(name).map(str::to_owned),
    };
    let read_only = property.update == Update::ReadOnly;
    let synonyms = synonyms(&[property.name], &BTreeMap::new(), broker);
    entry(property, value, synonyms, read_only)
}

/// The cluster's, the static and the default values under these names, beginning with the most important name: what
/// is set under a less important one before that is left out, as Kafka does.
fn synonyms(
    names: &[&str],
    cluster: &BTreeMap<String, String>,
    broker: &BrokerConfig,
) -> Vec<Synonym> {
    let named = |source: Source, of: &dyn Fn(&str) -> Option<String>| -> Vec<Synonym> {
        names
            .iter()
            .filter_map(|name| {
                Some(Synonym {
                    name: (*name).to_owned(),
                    value: Some(of(name)?),
                    source,
                })
            })
            .collect()
    };
    let set = |name: &str| broker.set.get(name).cloned();
    let default = |name: &str| broker_property(name)?.default.map(str::to_owned);
    let mut all = named(Source::StaticBroker, &set);
    all.extend(named(Source::Default, &default));
    let inherited = all
        .into_iter()
        .skip_while(|synonym| Some(&synonym.name.as_str()) != names.first());
    let mut all = named(Source::DynamicDefaultBroker, &|name| {
        cluster.get(name).cloned()
    });
    all.extend(inherited);
    all
}

fn entry(
    property: &'static Property,
    value: Option<String>,
    synonyms: Vec<Synonym>,
    is_read_only: bool,
) -> Entry {
    let is_sensitive = property.is_sensitive();
    Entry {
        name: property.name.to_owned(),
        value: value.filter(|_| !is_sensitive),
        source: synonyms
            .first()
            .map_or(Source::Default, |synonym| synonym.source),
        kind: property.kind as i8,
        documentation: Some(property.doc),
        synonyms,
        is_sensitive,
        is_read_only,
    }
}

fn unlisted(name: &str, value: &str, source: Source, is_sensitive: bool) -> Entry {
    let value = Some(value.to_owned()).filter(|_| !is_sensitive);
    Entry {
        name: name.to_owned(),
        value: value.clone(),
        source,
        kind: 0,
        documentation: None,
        synonyms: vec![Synonym {
            name: name.to_owned(),
            value,
            source,
        }],
        is_sensitive,
        is_read_only: true,
    }
}
