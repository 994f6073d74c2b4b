//! What a coordinator is set to, as plain data. Whoever has the broker's configuration makes one.

use super::assign::Assignor;

/// Which way groups may change their protocol while they have members,
/// `group.consumer.migration.policy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Migration {
    /// Both ways.
    Bidirectional,
    /// From classic to consumer only.
    Upgrade,
    /// From consumer to classic only.
    Downgrade,
    /// Not at all; members of one protocol cannot join a group of the other.
    Disabled,
}

impl Migration {
    /// Whether a classic group may become a consumer group.
    pub fn upgrades(self) -> bool {
        matches!(self, Migration::Bidirectional | Migration::Upgrade)
    }

    /// Whether a consumer group may become a classic group.
    pub fn downgrades(self) -> bool {
        matches!(self, Migration::Bidirectional | Migration::Downgrade)
    }

    /// The one of that name, in letters of any case.
    pub fn parse(name: &str) -> Option<Migration> {
        let named = |known: &str| name.eq_ignore_ascii_case(known);
        let known = [
            ("bidirectional", Migration::Bidirectional),
            ("upgrade", Migration::Upgrade),
            ("downgrade", Migration::Downgrade),
            ("disabled", Migration::Disabled),
        ];
        let found = known.into_iter().find(|(known, _)| named(known));
        found.map(|(_, migration)| migration)
    }
}

/// The settings of all coordinators of a broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub session_timeout_ms_min: i32,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_ms_max: i32,
    /// `group.initial.rebalance.delay.ms`: how long an empty group that gets a member waits for more.
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`: members of one classic group.
    pub size_max: i32,
    /// `offset.metadata.max.bytes`: of the string committed with an offset. Kafka counts UTF-16 units,
    /// not bytes, and so do we.
    pub offset_metadata_max: i32,
    /// `offsets.retention.minutes`, in ms.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: i64,
    /// `max.message.bytes` of `__consumer_offsets`: the bytes of a batch. What would not fit is refused.
    pub batch_bytes_max: usize,
    /// `group.consumer.session.timeout.ms`, unless the group's `consumer.session.timeout.ms` says
    /// otherwise.
    pub consumer_session_timeout_ms: i32,
    /// `group.consumer.heartbeat.interval.ms`, unless the group's `consumer.heartbeat.interval.ms` says
    /// otherwise.
    pub consumer_heartbeat_interval_ms: i32,
    /// `group.consumer.max.size`: members of one consumer group.
    pub consumer_size_max: i32,
    /// `group.consumer.assignors`, the default first.
    pub consumer_assignors: Vec<Assignor>,
    /// `group.consumer.migration.policy`.
    pub migration: Migration,
    /// `group.consumer.regex.refresh.interval.ms`.
    pub regex_refresh_interval_ms: i32,
}

impl Default for GroupConfig {
    /// Kafka's defaults.
    fn default() -> GroupConfig {
        GroupConfig {
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            size_max: i32::MAX,
            offset_metadata_max: 4096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1000,
            offsets_retention_check_interval_ms: 600_000,
            batch_bytes_max: 1_048_588,
            consumer_session_timeout_ms: 45_000,
            consumer_heartbeat_interval_ms: 5_000,
            consumer_size_max: i32::MAX,
            consumer_assignors: vec![Assignor::Uniform, Assignor::Range],
            migration: Migration::Bidirectional,
            regex_refresh_interval_ms: 600_000,
        }
    }
}
