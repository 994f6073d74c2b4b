//! What a shard tells of itself: plain data that a reader may keep, add and compare.

use super::histogram::{Histogram, Snapshot};
use super::logs::Traffic;
use super::requests::Counters;
use crate::types::{LeaderEpoch, Offset, ShardId, TopicId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One shard, at one moment.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub shard: ShardId,
    /// When, microseconds on the monotonic clock.
    pub at_us: u64,
    /// What its connections have moved.
    pub counters: Counters,
    /// Connections that are open, by listener.
    pub connections: Vec<u64>,
    /// Produce requests that wait for their batches.
    pub produces_waiting: u64,
    /// Fetch requests that wait for records.
    pub fetches_waiting: u64,
    /// Fetch sessions that are open.
    pub fetch_sessions: u64,
    /// How long things took.
    pub rows: Vec<Row>,
    /// Every API that was asked for.
    pub apis: Vec<ApiReport>,
    /// Every topic with a partition here, or of which records left from here.
    pub topics: BTreeMap<Arc<str>, Traffic>,
    /// The traffic of topics that are gone.
    pub gone: Traffic,
    /// Every partition here.
    pub logs: Vec<LogReport>,
    /// The cluster as its controller knows it (shard 0).
    pub cluster: Option<ClusterReport>,
}

/// How long one stage took.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The stage, as in [`crate::metrics`].
    pub stage: &'static str,
    /// The requests that it is of; empty where it is of all.
    pub class: &'static str,
    /// What one unit of the values is, in nanoseconds.
    pub unit_ns: u64,
    /// How often which time.
    pub values: Snapshot,
}

impl Row {
    pub(super) fn of_us(stage: &'static str, class: &'static str, values: &Histogram) -> Row {
        Row {
            stage,
            class,
            unit_ns: 1_000,
            values: values.snapshot(),
        }
    }

    pub(super) fn of_ns(stage: &'static str, values: &Histogram) -> Row {
        Row {
            unit_ns: 1,
            ..Row::of_us(stage, "", values)
        }
    }
}

/// One API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiReport {
    /// Kafka's number for it.
    pub key: i16,
    /// Requests begun, by version.
    pub versions: Vec<(i16, u64)>,
    /// Responses that tell an error, by the code of the first.
    pub errors: Vec<(i16, u64)>,
    /// From the arrival of a request to the last byte of its answer, microseconds.
    pub total_us: Snapshot,
}

/// One partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogReport {
    /// Its topic's name.
    pub topic: Arc<str>,
    /// Its topic's id.
    pub topic_id: TopicId,
    /// Its index.
    pub partition: i32,
    /// Bytes of its segments.
    pub bytes: u64,
    /// First offset.
    pub log_start: Offset,
    /// Offset behind the last record that may be read.
    pub high_watermark: Offset,
    /// Offset behind the last record.
    pub log_end: Offset,
    /// Its segments.
    pub segments: usize,
    /// Whether its storage has failed.
    pub is_offline: bool,
    /// Its replicas.
    pub replicas: usize,
    /// Those in sync.
    pub insync_replicas: usize,
    /// The topic's `min.insync.replicas`.
    pub insync_replicas_min: usize,
}

/// The cluster, of which this broker is the controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClusterReport {
    /// Topics.
    pub topics: usize,
    /// Partitions of all topics.
    pub partitions: usize,
    /// The epoch of the metadata log's leader.
    pub epoch: LeaderEpoch,
    /// The metadata log's end.
    pub log_end: Offset,
    /// Log directories whose disk has failed.
    pub log_dirs_offline: usize,
}
