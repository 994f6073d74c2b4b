//! Settings that change while the broker runs: which may, at which level, and what they lead to.
//!
//! A broker's setting has four places, the first that has it counts: this broker's own dynamic
//! settings, the dynamic defaults of the whole cluster, `server.properties` with its overrides, the
//! table's default (Kafka's DynamicBrokerConfig). The first two come from the metadata log.

use super::broker::{BrokerConfig, parse_per_ip_overrides};
use super::cleaner::CleanerConfig;
use super::property::{Property, Scope, Update, list_elements};
use super::topic::TopicConfig;
use super::{PROPERTIES, broker_property, client_metrics_property, group_property};
use std::collections::{BTreeMap, BTreeSet};

/// Why settings are refused, by the error that Kafka answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// INVALID_REQUEST.
    Request(String),
    /// INVALID_CONFIG.
    Config(String),
}

/// Settings that only brokers have, that only the metadata log holds and `server.properties` does
/// not: bytes a second, at least 0.
pub(super) const THROTTLES: [&str; 3] = [
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];

/// Files and secrets of TLS: to be changed for one listener at a time, under its prefix.
const BY_LISTENER_ONLY: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Counts of threads, which may grow to twice and shrink to half of what they are at a time.
const THREADS: [&str; 8] = [
    "background.threads",
    "log.cleaner.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.reader.threads",
];

/// What a listener's own settings begin with.
const LISTENER_PREFIX: &str = "listener.name.";

impl BrokerConfig {
    /// This configuration under these dynamic settings: the cluster's defaults and this broker's own.
    /// As in Kafka, those that may not be there are ignored.
    pub fn with_dynamic(
        &self,
        cluster: &BTreeMap<String, String>,
        own: &BTreeMap<String, String>,
    ) -> BrokerConfig {
        let mut config = BrokerConfig {
            cluster: applicable(cluster, false),
            own: applicable(own, true),
            ..self.clone()
        };
        config.connections_max = config.number("max.connections");
        config.connections_per_ip_max = config.number("max.connections.per.ip");
        let overrides = config.value("max.connections.per.ip.overrides");
        if let Ok(overrides) = parse_per_ip_overrides(overrides.unwrap_or("")) {
            config.connections_per_ip_overrides = overrides;
        }
        config.recovery_threads_per_dir = config.number("num.recovery.threads.per.data.dir");
        config.producer_id_expiration_ms = config.number("producer.id.expiration.ms");
        config.cleaner = CleanerConfig::new(|name| config.value(name));
        if let Ok(defaults) = TopicConfig::resolve(&config, &BTreeMap::new()) {
            config.topic_defaults = defaults;
        }
        config
    }

    /// Whether `other` stands under the same dynamic settings.
    pub fn has_dynamic(
        &self,
        cluster: &BTreeMap<String, String>,
        own: &BTreeMap<String, String>,
    ) -> bool {
        self.cluster == applicable(cluster, false) && self.own == applicable(own, true)
    }

    fn number<T: TryFrom<i64>>(&self, name: &str) -> T {
        let text = self.value(name).expect("it has a default");
        let number: i64 = text.parse().expect("normalised");
        match T::try_from(number) {
            Ok(number) => number,
            Err(_) => panic!("{name}={number}: its bounds in the table do not fit its field"),
        }
    }
}

/// Whether a broker (`own`), or all of them, may have these dynamic settings and no others. Says in
/// Kafka's words why not; the error is INVALID_REQUEST.
pub fn validate_broker(
    broker: &BrokerConfig,
    settings: &BTreeMap<String, String>,
    own: bool,
) -> Result<(), String> {
    let names = |which: &dyn Fn(&str) -> bool| -> Vec<&str> {
        let names = settings.keys().map(String::as_str);
        names.filter(|name| which(name)).collect()
    };
    let none_of = |names: Vec<&str>, why: &str| match names.is_empty() {
        true => Ok(()),
        false => Err(format!("{why}: Set({})", names.join(", "))),
    };
    let is_static = |name: &str| {
        broker_property(name).is_some_and(|property| property.update == Update::ReadOnly)
    };
    none_of(names(&is_static), "Cannot update these configs dynamically")?;
    none_of(
        names(&|name| BY_LISTENER_ONLY.contains(&name)),
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )?;
    for (name, value) in settings {
        check_value(name, value)?;
    }
    if !own {
        none_of(
            names(&is_per_broker),
            "Cannot update these configs at default cluster level, broker id must be specified",
        )?;
    }
    let (cluster, own) = match own {
        true => (&broker.cluster, settings),
        false => (settings, &broker.own),
    };
    check_together(broker, &broker.with_dynamic(cluster, own))
}

/// The settings in normal form, without those that may not be there.
fn applicable(settings: &BTreeMap<String, String>, own: bool) -> BTreeMap<String, String> {
    settings
        .iter()
        .filter_map(|(name, value)| {
            if BY_LISTENER_ONLY.contains(&name.as_str()) || (!own && is_per_broker(name)) {
                return None;
            }
            let value = match broker_property(name) {
                Some(property) if property.update == Update::ReadOnly => return None,
                Some(property) => property.normalise(value).ok()?,
                None => value.clone(),
            };
            Some((name.clone(), value))
        })
        .collect()
}

fn is_per_broker(name: &str) -> bool {
    if let Some(rest) = name.strip_prefix(LISTENER_PREFIX) {
        let base = rest.split_once('.').map_or("", |(_, base)| base);
        return !["max.connections", "max.connection.creation.rate"].contains(&base);
    }
    broker_property(name).is_some_and(|property| property.update == Update::PerBroker)
}

/// The type and the bounds. Names that nobody knows may be set: plug-ins have their own.
fn check_value(name: &str, value: &str) -> Result<(), String> {
    if THROTTLES.contains(&name) {
        return match value.trim().parse::<i64>() {
            Err(_) => Err(format!(
                "Invalid value {value} for configuration {name}: Not a number of type LONG"
            )),
            Ok(bytes) if bytes < 0 => Err(format!(
                "Invalid value {value} for configuration {name}: Value must be at least 0"
            )),
            Ok(_) => Ok(()),
        };
    }
    let Some(property) = broker_property(name) else {
        return Ok(());
    };
    property
        .normalise(value)
        .map(|_| ())
        .map_err(|refusal| refusal.to_kafka(property, value))
}

/// What holds between a broker's settings as they are and as they would be.
fn check_together(now: &BrokerConfig, then: &BrokerConfig) -> Result<(), String> {
    for name in THREADS {
        let (old, new): (i64, i64) = (now.number(name), then.number(name));
        let failed = |why: String| {
            Err(format!(
                "Dynamic thread count update validation failed for {name}={new}, {why}"
            ))
        };
        if new != old && new < 1 {
            return failed("value should be at least 1".into());
        }
        if new < old / 2 {
            return failed(format!(
                "value should be at least half the current value {old}"
            ));
        }
        if new > old * 2 {
            return failed(format!(
                "value should not be greater than double the current value {old}"
            ));
        }
    }
    for name in ["listeners", "listener.security.protocol.map"] {
        if now.value(name) != then.value(name) {
            return Err(format!(
                "{name} cannot be changed while the broker runs: this release opens its listeners \
                 at start only"
            ));
        }
    }
    let overrides = then.value("max.connections.per.ip.overrides").unwrap_or("");
    parse_per_ip_overrides(overrides)
        .map_err(|why| format!("max.connections.per.ip.overrides: {why}"))?;
    if then.connections_per_ip_max == 0 && overrides.is_empty() {
        return Err(
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides \
             property is set."
                .into(),
        );
    }
    TopicConfig::resolve(then, &BTreeMap::new())
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// Whether a client metrics subscription may have these settings.
pub fn validate_client_metrics(settings: &BTreeMap<String, String>) -> Result<(), Unfit> {
    for name in settings.keys() {
        if client_metrics_property(name).is_none() {
            return Err(Unfit::Request(format!(
                "Unknown client metrics configuration: {name}"
            )));
        }
    }
    for (name, value) in settings {
        let property = client_metrics_property(name).expect("just looked up");
        let number_of_type = property
            .normalise(value)
            .map_err(|refusal| Unfit::Config(refusal.to_kafka(property, value)))?;
        match name.as_str() {
            "interval.ms" => {
                let interval: i64 = number_of_type.parse().expect("normalised");
                if !(100..=3_600_000).contains(&interval) {
                    return Err(Unfit::Request(format!(
                        "Invalid value {interval} for interval.ms, interval must be between 100 and \
                         3600000 (1 hour)"
                    )));
                }
            }
            "match" => {
                for pattern in list_elements(value) {
                    check_pattern(pattern)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// `selector=expression`.
fn check_pattern(pattern: &str) -> Result<(), Unfit> {
    const SELECTORS: [&str; 6] = [
        "client_id",
        "client_instance_id",
        "client_software_name",
        "client_software_version",
        "client_source_address",
        "client_source_port",
    ];
    let mut parts = pattern.split('=');
    let selector = parts.next().unwrap_or("").trim();
    let expression = parts.next().unwrap_or("");
    let sound = SELECTORS.contains(&selector) && !expression.is_empty() && parts.next().is_none();
    match sound {
        true => Ok(()),
        false => Err(Unfit::Config(format!(
            "Illegal client matching pattern: {pattern}"
        ))),
    }
}

/// Whether a group may have these settings; the error is INVALID_CONFIG.
pub fn validate_group(
    broker: &BrokerConfig,
    settings: &BTreeMap<String, String>,
) -> Result<(), String> {
    for name in settings.keys() {
        if group_property(name).is_none() {
            return Err(format!("Unknown group config name: {name}"));
        }
    }
    for (name, value) in settings {
        let property = group_property(name).expect("just looked up");
        property
            .normalise(value)
            .map_err(|refusal| refusal.to_kafka(property, value))?;
    }
    check_group_bounds(broker, settings)
}

/// A group's times lie within the broker's bounds, and its session outlasts its heartbeat.
fn check_group_bounds(
    broker: &BrokerConfig,
    settings: &BTreeMap<String, String>,
) -> Result<(), String> {
    // Kafka validates what is not set by the table's defaults, not by the broker's settings.
    let number = |name: &str| -> Option<i64> {
        let default = group_property(name)?.default?;
        let text = settings.get(name).map_or(default, String::as_str);
        text.trim().parse().ok()
    };
    let bounded = |name: &str, bound: &str, is_low: bool| -> Result<(), String> {
        let (value, limit) = (number(name), broker.number::<i64>(bound));
        match value {
            Some(value) if is_low && value < limit => {
                Err(format!("{name} must be greater than or equal to {bound}"))
            }
            Some(value) if !is_low && value > limit => {
                Err(format!("{name} must be less than or equal to {bound}"))
            }
            _ => Ok(()),
        }
    };
    for (kind, time) in [
        ("consumer", "heartbeat.interval.ms"),
        ("consumer", "session.timeout.ms"),
        ("share", "heartbeat.interval.ms"),
        ("share", "session.timeout.ms"),
        ("share", "record.lock.duration.ms"),
        ("streams", "heartbeat.interval.ms"),
        ("streams", "session.timeout.ms"),
    ] {
        let name = format!("{kind}.{time}");
        bounded(&name, &format!("group.{kind}.min.{time}"), true)?;
        bounded(&name, &format!("group.{kind}.max.{time}"), false)?;
    }
    bounded(
        "streams.num.standby.replicas",
        "group.streams.max.standby.replicas",
        false,
    )?;
    for kind in ["consumer", "share", "streams"] {
        let session = format!("{kind}.session.timeout.ms");
        let heartbeat = format!("{kind}.heartbeat.interval.ms");
        if number(&session) <= number(&heartbeat) {
            return Err(format!("{session} must be greater than {heartbeat}"));
        }
    }
    Ok(())
}

/// The default of a setting that is a list, by Kafka's type of its resource; nothing if it is none.
pub fn list_default(kind: i8, name: &str) -> Option<&'static str> {
    let of_kind = |scope: &Scope| match scope {
        Scope::Broker => kind == 4,
        Scope::Topic(_) => kind == 2,
        Scope::ClientMetrics => kind == 16,
        Scope::Group(_) => kind == 32,
    };
    let is_it = |it: &&Property| it.name == name && of_kind(&it.scope);
    let property = PROPERTIES.iter().find(is_it)?;
    match property.kind {
        super::Kind::List => Some(property.default.unwrap_or("")),
        _ => None,
    }
}

/// The dynamic settings of all brokers whose names the table does not hold.
pub(super) fn unlisted_dynamic(broker: &BrokerConfig) -> BTreeSet<&String> {
    let names = broker.own.keys().chain(broker.cluster.keys());
    names
        .filter(|name| broker_property(name).is_none())
        .collect()
}
