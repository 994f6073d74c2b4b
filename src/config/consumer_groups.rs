//! The settings of consumer groups (KIP-848). What a group sets for itself comes on top of them
//! (`validate_group`).

use super::load::{ConfigError, Settings};
use super::property::list_elements;

/// Consumer groups as the broker has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerGroups {
    /// Whether `group.coordinator.rebalance.protocols` names `consumer`.
    pub is_served: bool,
    /// `group.consumer.session.timeout.ms`, longer than the heartbeats' interval.
    pub session_timeout_ms: i32,
    /// `group.consumer.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `group.consumer.max.size`, at least 1.
    pub size_max: i32,
    /// `group.consumer.assignors`, at least one: Kafka's short names, no name twice.
    pub assignors: Vec<&'static str>,
    /// `group.consumer.migration.policy`, in small letters.
    pub migration_policy: String,
    /// `group.consumer.regex.refresh.interval.ms`.
    pub regex_refresh_interval_ms: i32,
}

impl ConsumerGroups {
    /// Reads them.
    ///
    /// # Errors
    /// Times that contradict each other, which Kafka does not start with either, and assignors of one
    /// name.
    pub(super) fn new(settings: &Settings) -> Result<ConsumerGroups, ConfigError> {
        let protocols = settings.get("group.coordinator.rebalance.protocols");
        let protocols = list_elements(protocols.unwrap_or(""));
        let policy = settings.get("group.consumer.migration.policy");
        Ok(ConsumerGroups {
            is_served: protocols.contains(&"consumer"),
            heartbeat_interval_ms: bounded(settings, "heartbeat.interval.ms")?,
            session_timeout_ms: session(settings)?,
            size_max: settings.number("group.consumer.max.size"),
            assignors: assignors(settings)?,
            migration_policy: policy.unwrap_or("").to_ascii_lowercase(),
            regex_refresh_interval_ms: settings.number("group.consumer.regex.refresh.interval.ms"),
        })
    }
}

fn session(settings: &Settings) -> Result<i32, ConfigError> {
    const HEARTBEAT: &str = "group.consumer.heartbeat.interval.ms";
    let session = bounded(settings, "session.timeout.ms")?;
    let heartbeat: i32 = settings.number(HEARTBEAT);
    if session <= heartbeat {
        return Err(settings.refuse(
            "group.consumer.session.timeout.ms",
            format!("{session} must be greater than {HEARTBEAT}={heartbeat}"),
        ));
    }
    Ok(session)
}

/// A time that has to lie within others.
fn bounded(settings: &Settings, time: &str) -> Result<i32, ConfigError> {
    let name = format!("group.consumer.{time}");
    let low_name = format!("group.consumer.min.{time}");
    let high_name = format!("group.consumer.max.{time}");
    let low: i32 = settings.number(&low_name);
    let high: i32 = settings.number(&high_name);
    let value: i32 = settings.number(&name);
    if low > high {
        let why = format!("{high} must be at least {low_name}={low}");
        return Err(settings.refuse(&high_name, why));
    }
    if value < low {
        let why = format!("{value} must be at least {low_name}={low}");
        return Err(settings.refuse(&name, why));
    }
    if value > high {
        let why = format!("{value} must be at most {high_name}={high}");
        return Err(settings.refuse(&name, why));
    }
    Ok(value)
}

fn assignors(settings: &Settings) -> Result<Vec<&'static str>, ConfigError> {
    const NAME: &str = "group.consumer.assignors";
    let mut assignors = Vec::new();
    for element in list_elements(settings.get(NAME).unwrap_or("")) {
        let assignor = match element {
            "uniform" | "org.apache.kafka.coordinator.group.assignor.UniformAssignor" => "uniform",
            _ => "range",
        };
        if assignors.contains(&assignor) {
            return Err(settings.refuse(NAME, format!("{assignor} stands twice")));
        }
        assignors.push(assignor);
    }
    match assignors.is_empty() {
        true => Err(settings.refuse(NAME, "names no assignor")),
        false => Ok(assignors),
    }
}
