//! A topic's configuration: its own settings over the broker's defaults.

use super::broker::BrokerConfig;
use super::load::{ConfigError, Place, Settings};
use super::property::{Property, Scope, list_elements};
use super::{PROPERTIES, topic_property};
use std::collections::BTreeMap;

/// What a log is told, resolved.
#[derive(Clone, PartialEq, Debug)]
pub struct TopicConfig {
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type`.
    pub compression: Compression,
    /// `compression.gzip.level`; -1 is zlib's own choice.
    pub gzip_level: i32,
    /// `compression.lz4.level`.
    pub lz4_level: i32,
    /// `compression.zstd.level`.
    pub zstd_level: i32,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// `file.delete.delay.ms`.
    pub file_delete_delay_ms: i64,
    /// `flush.messages`: `i64::MAX` never flushes by count.
    pub flush_messages: i64,
    /// `flush.ms`: `i64::MAX` never flushes by time.
    pub flush_ms: i64,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u32,
    /// `max.compaction.lag.ms`.
    pub compaction_lag_ms_max: i64,
    /// `max.message.bytes`: of a whole batch.
    pub max_message_bytes: u32,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `min.cleanable.dirty.ratio`, 0 to 1.
    pub cleanable_dirty_ratio_min: f64,
    /// `min.compaction.lag.ms`.
    pub compaction_lag_ms_min: i64,
    /// `min.insync.replicas`.
    pub insync_replicas_min: u32,
    /// `preallocate`.
    pub preallocate: bool,
    /// `retention.bytes`; below 0 there is no bound.
    pub retention_bytes: i64,
    /// `retention.ms`; -1 keeps for ever.
    pub retention_ms: i64,
    /// `segment.bytes`, or `internal.segment.bytes` if that is set.
    pub segment_bytes: u32,
    /// `segment.index.bytes`.
    pub segment_index_bytes: u32,
    /// `segment.jitter.ms`.
    pub segment_jitter_ms: i64,
    /// `segment.ms`.
    pub segment_ms: i64,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: bool,
}

/// `cleanup.policy`: neither keeps everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CleanupPolicy {
    /// The last record of each key stays.
    pub compact: bool,
    /// Old segments go.
    pub delete: bool,
}

/// `compression.type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Compression {
    /// As the producer sent it.
    Producer,
    Uncompressed,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// `message.timestamp.type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimestampType {
    /// The producer's time.
    CreateTime,
    /// The broker's time.
    LogAppendTime,
}

/// Whether a topic may have these settings. The error is Kafka's wording, for the client, whose code is
/// INVALID_CONFIG: an unknown name, else a bad value, else values that contradict each other.
pub fn validate_topic(
    broker: &BrokerConfig,
    settings: &BTreeMap<String, String>,
) -> Result<(), String> {
    TopicConfig::resolve(broker, settings)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

fn validate_override(name: &str, value: &str) -> Result<(), String> {
    let property = topic_property(name).expect("names come first");
    property
        .normalise(value)
        .map_err(|refusal| refusal.to_kafka(property, value))?;
    if name == "remote.storage.enable" && value.trim().eq_ignore_ascii_case("true") {
        return Err(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured \
             with remote log storage."
                .into(),
        );
    }
    Ok(())
}

impl TopicConfig {
    /// What a topic with these settings of its own has under this broker. Refuses unknown names, bad
    /// values and settings that contradict each other, in Kafka's words.
    pub fn resolve(
        broker: &BrokerConfig,
        overrides: &BTreeMap<String, String>,
    ) -> Result<TopicConfig, ConfigError> {
        for name in overrides.keys() {
            if topic_property(name).is_none() {
                return Err(refusal(format!("Unknown topic config name: {name}")));
            }
        }
        for (name, value) in overrides {
            validate_override(name, value).map_err(refusal)?;
        }
        let value = |property: &Property| match overrides.get(property.name) {
            Some(value) => Some(property.normalise(value).expect("validated above")),
            None => value_from_broker(property, |name| broker.value(name)),
        };
        let config = TopicConfig::from_values(value);
        let (min, max) = (config.compaction_lag_ms_min, config.compaction_lag_ms_max);
        if min > max {
            return Err(refusal(format!(
                "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
            )));
        }
        Ok(config)
    }

    /// Whether the last record of each key stays.
    pub fn is_compacted(&self) -> bool {
        self.cleanup_policy.compact
    }

    pub(super) fn broker_defaults(settings: &Settings) -> Result<TopicConfig, ConfigError> {
        for property in PROPERTIES {
            let Scope::Topic([synonym, ..]) = property.scope else {
                continue;
            };
            let Some(value) = value_from_broker(property, |name| settings.get(name)) else {
                continue;
            };
            property
                .normalise(&value)
                .map_err(|refusal| settings.refuse(synonym, refusal.to_user(property, &value)))?;
        }
        Ok(TopicConfig::from_values(|property| {
            value_from_broker(property, |name| settings.get(name))
        }))
    }

    fn from_values(value: impl Fn(&Property) -> Option<String>) -> TopicConfig {
        let text = |name: &str| {
            let property = topic_property(name).expect("in the table");
            value(property)
        };
        let some = |name: &str| text(name).unwrap_or_else(|| panic!("{name} has a default"));
        let long = |name: &str| some(name).parse::<i64>().expect("normalised");
        let size = |name: &str| some(name).parse::<u32>().expect("bounded by the table");
        let level = |name: &str| some(name).parse::<i32>().expect("bounded by the table");
        let policy = some("cleanup.policy");
        TopicConfig {
            cleanup_policy: CleanupPolicy {
                compact: list_elements(&policy).contains(&"compact"),
                delete: list_elements(&policy).contains(&"delete"),
            },
            compression: match some("compression.type").as_str() {
                "uncompressed" => Compression::Uncompressed,
                "gzip" => Compression::Gzip,
                "snappy" => Compression::Snappy,
                "lz4" => Compression::Lz4,
                "zstd" => Compression::Zstd,
                _ => Compression::Producer,
            },
            gzip_level: level("compression.gzip.level"),
            lz4_level: level("compression.lz4.level"),
            zstd_level: level("compression.zstd.level"),
            delete_retention_ms: long("delete.retention.ms"),
            file_delete_delay_ms: long("file.delete.delay.ms"),
            flush_messages: long("flush.messages"),
            flush_ms: long("flush.ms"),
            index_interval_bytes: size("index.interval.bytes"),
            compaction_lag_ms_max: long("max.compaction.lag.ms"),
            max_message_bytes: size("max.message.bytes"),
            timestamp_after_max_ms: long("message.timestamp.after.max.ms"),
            timestamp_before_max_ms: long("message.timestamp.before.max.ms"),
            timestamp_type: match some("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            cleanable_dirty_ratio_min: some("min.cleanable.dirty.ratio")
                .parse()
                .expect("normalised"),
            compaction_lag_ms_min: long("min.compaction.lag.ms"),
            insync_replicas_min: size("min.insync.replicas"),
            preallocate: some("preallocate") == "true",
            retention_bytes: long("retention.bytes"),
            retention_ms: long("retention.ms"),
            segment_bytes: match text("internal.segment.bytes") {
                Some(bytes) => bytes.parse().expect("bounded by the table"),
                None => size("segment.bytes"),
            },
            segment_index_bytes: size("segment.index.bytes"),
            segment_jitter_ms: long("segment.jitter.ms"),
            segment_ms: long("segment.ms"),
            unclean_leader_election: some("unclean.leader.election.enable") == "true",
        }
    }
}

/// A topic property's value where the topic sets none: the first broker property that has one, in the
/// topic's unit.
pub(super) fn value_from_broker<'a>(
    property: &Property,
    broker: impl Fn(&str) -> Option<&'a str>,
) -> Option<String> {
    let Scope::Topic(synonyms) = property.scope else {
        unreachable!("{} is no topic property", property.name)
    };
    synonyms
        .iter()
        .find_map(|synonym| Some(in_topic_unit(synonym, broker(synonym)?)))
        .or_else(|| property.default.map(str::to_owned))
}

/// `log.retention.hours=1` as `retention.ms` has it. A negative number of either unit means the same
/// as -1 ms.
pub(super) fn in_topic_unit(broker_name: &str, value: &str) -> String {
    let ms = match broker_name.rsplit('.').next() {
        Some("hours") => 3_600_000,
        Some("minutes") => 60_000,
        _ => return value.to_owned(),
    };
    match value.parse::<i64>().expect("normalised") {
        negative if negative < 0 => "-1".into(),
        number => number.saturating_mul(ms).to_string(),
    }
}

fn refusal(reason: String) -> ConfigError {
    ConfigError {
        place: Place::Topic,
        property: None,
        reason,
    }
}
