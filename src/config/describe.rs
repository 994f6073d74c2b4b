//! What DescribeConfigs answers, and the same table as a text for people.

use super::broker::BrokerConfig;
use super::dynamic::{THROTTLES, unlisted_dynamic};
use super::property::{Kind, Property, Scope, Support, Update};
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
    /// Set in the metadata log for this broker.
    DynamicBroker = 2,
    /// Set in the metadata log for all brokers. The first start of Apache Kafka sets min.insync.replicas so.
    DynamicDefaultBroker = 3,
    /// Set in `server.properties` or by `--override`.
    StaticBroker = 4,
    /// Set nowhere.
    Default = 5,
    /// The level of a logger.
    BrokerLogger = 6,
    /// Set for the client metrics subscription.
    ClientMetrics = 7,
    /// Set for the group.
    Group = 8,
}

/// Every property of a topic with these settings of its own, sorted by name.
pub fn describe_topic(overrides: &BTreeMap<String, String>, broker: &BrokerConfig) -> Vec<Entry> {
    let mut entries: Vec<Entry> = PROPERTIES
        .iter()
        .filter_map(|property| match property.scope {
            Scope::Topic(broker_names) if !property.internal => {
                Some(topic_entry(property, broker_names, overrides, broker))
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
    for name in unlisted_dynamic(broker) {
        if broker.set.contains_key(name) {
            continue;
        }
        let own = broker.own.get(name).map(|it| (Source::DynamicBroker, it));
        let cluster = broker.cluster.get(name);
        let cluster = cluster.map(|it| (Source::DynamicDefaultBroker, it));
        let places: Vec<_> = own.into_iter().chain(cluster).collect();
        entries.push(match THROTTLES.contains(&name.as_str()) {
            true => throttle(name, &places),
            false => unlisted(name, "", places[0].0, true),
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// What is set as dynamic default of all brokers, sorted by name.
pub fn describe_cluster(broker: &BrokerConfig) -> Vec<Entry> {
    let entries = broker.cluster.iter().map(|(name, value)| {
        let source = Source::DynamicDefaultBroker;
        match broker_property(name) {
            None if THROTTLES.contains(&name.as_str()) => throttle(name, &[(source, value)]),
            None => unlisted(name, value, source, true),
            Some(property) => {
                let synonym = synonym(property, name, value, source);
                entry(property, Some(value.clone()), vec![synonym], false)
            }
        }
    });
    entries.collect()
}

/// Every property of a group with these settings of its own, sorted by name. Kafka shows the broker's
/// value as a default, whatever its source there.
pub fn describe_group(settings: &BTreeMap<String, String>, broker: &BrokerConfig) -> Vec<Entry> {
    let mut entries: Vec<Entry> = PROPERTIES
        .iter()
        .filter_map(|property| {
            let Scope::Group(broker_name) = property.scope else {
                return None;
            };
            let own = own_value(property, settings);
            let source = match own {
                Some(_) => Source::Group,
                None => Source::Default,
            };
            let inherited = || broker.value(broker_name).or(property.default);
            let value = own.or_else(|| inherited().map(str::to_owned))?;
            let synonyms = vec![synonym(property, property.name, &value, source)];
            Some(entry(property, Some(value), synonyms, false))
        })
        .collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Every property of a client metrics subscription with these settings, sorted by name.
pub fn describe_client_metrics(settings: &BTreeMap<String, String>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = PROPERTIES
        .iter()
        .filter(|property| property.scope == Scope::ClientMetrics)
        .map(|property| {
            let own = own_value(property, settings);
            let synonyms = own
                .iter()
                .map(|value| synonym(property, property.name, value, Source::ClientMetrics))
                .collect();
            let value = own.or_else(|| property.default.map(str::to_owned));
            entry(property, value, synonyms, false)
        })
        .collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// The table as a text: every property with type, default, bounds and documentation.
pub fn help() -> String {
    let mut text = String::new();
    let is_topic = |scope: &Scope| matches!(scope, Scope::Topic(_));
    let is_group = |scope: &Scope| matches!(scope, Scope::Group(_));
    type Has<'a> = &'a dyn Fn(&Scope) -> bool;
    let headings: [(&str, Has<'_>); 4] = [
        ("Broker properties", &|scope| *scope == Scope::Broker),
        ("Topic properties", &is_topic),
        ("Group properties", &is_group),
        ("Properties of client metrics subscriptions", &|scope| {
            *scope == Scope::ClientMetrics
        }),
    ];
    for (heading, has) in headings {
        writeln!(text, "{heading}:").expect("a String takes it");
        for property in PROPERTIES {
            if property.internal || !has(&property.scope) {
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
    /// A broker property's value in normal form: of the first place that has it, else null.
    pub fn value(&self, name: &str) -> Option<&str> {
        let places = [&self.own, &self.cluster, &self.set];
        match places.iter().find_map(|place| place.get(name)) {
            Some(value) => Some(value),
            None => broker_property(name)?.default,
        }
    }
}

fn own_value(property: &Property, settings: &BTreeMap<String, String>) -> Option<String> {
    settings
        .get(property.name)
        .map(|value| property.normalise(value).unwrap_or_else(|_| value.clone()))
}

fn topic_entry(
    property: &'static Property,
    broker_names: &[&str],
    overrides: &BTreeMap<String, String>,
    broker: &BrokerConfig,
) -> Entry {
    let own = own_value(property, overrides);
    let mut synonyms = match broker_names.first() {
        Some(first) => synonyms(property, broker_names, first, broker),
        None => Vec::new(),
    };
    if let Some(value) = &own {
        let own = synonym(property, property.name, value, Source::DynamicTopic);
        synonyms.insert(0, own);
    }
    let value = own.or_else(|| value_from_broker(property, |name| broker.value(name)));
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
    let name = property.name;
    let synonyms = synonyms(property, same_in_other_units(&name), name, broker);
    entry(property, value, synonyms, read_only)
}

/// The broker properties that say what this one says, the strongest first.
fn same_in_other_units<'a>(name: &'a &'a str) -> &'a [&'a str] {
    match *name {
        "log.roll.ms" | "log.roll.hours" => &["log.roll.ms", "log.roll.hours"],
        "log.roll.jitter.ms" | "log.roll.jitter.hours" => {
            &["log.roll.jitter.ms", "log.roll.jitter.hours"]
        }
        "log.flush.interval.ms" => &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" => &[
            "log.retention.ms",
            "log.retention.minutes",
            "log.retention.hours",
        ],
        _ => std::slice::from_ref(name),
    }
}

/// The values under these names: of this broker, of the cluster, of the file, of the table. What comes
/// before the first under the name `of` is left out, as Kafka does.
fn synonyms(property: &Property, names: &[&str], of: &str, broker: &BrokerConfig) -> Vec<Synonym> {
    let mut all = Vec::new();
    for (source, place) in [
        (Source::DynamicBroker, &broker.own),
        (Source::DynamicDefaultBroker, &broker.cluster),
        (Source::StaticBroker, &broker.set),
    ] {
        let there = names
            .iter()
            .filter_map(|name| Some((name, place.get(*name)?)));
        all.extend(there.map(|(name, value)| synonym(property, name, value, source)));
    }
    let defaults = names
        .iter()
        .filter_map(|name| Some((name, broker_property(name)?.default?)));
    all.extend(defaults.map(|(name, value)| synonym(property, name, value, Source::Default)));
    all.into_iter()
        .skip_while(|synonym| synonym.name != of)
        .collect()
}

fn synonym(property: &Property, name: &str, value: &str, source: Source) -> Synonym {
    Synonym {
        name: name.to_owned(),
        value: Some(value.to_owned()).filter(|_| !property.is_sensitive()),
        source,
    }
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

/// A throttle of replication, which is known although only the metadata log can hold it: its values,
/// the one that counts first.
fn throttle(name: &str, places: &[(Source, &String)]) -> Entry {
    let (source, value) = places[0];
    let synonyms = places.iter().map(|(source, value)| Synonym {
        name: name.to_owned(),
        value: Some(value.to_string()),
        source: *source,
    });
    Entry {
        kind: Kind::Long as i8,
        synonyms: synonyms.collect(),
        ..unlisted(name, value, source, false)
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
