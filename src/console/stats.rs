//! Reports as JSON: figures of all shards together, histograms with all of their buckets, so that a
//! reader who asks twice can tell what came in between, with its quantiles. The console writes it,
//! [`Stats::read`] reads it again.

use super::{Said, Watched};
use crate::metrics::{Report, Snapshot, Traffic};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a broker has done since its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// The broker's version.
    pub version: String,
    /// Its `node.id`.
    pub node: i32,
    /// The cluster's id.
    pub cluster_id: String,
    /// When, microseconds on the broker's monotonic clock.
    pub at_us: u64,
    /// Partitions on this broker.
    pub partitions: u64,
    /// Of these, those whose disk has failed.
    pub partitions_offline: u64,
    /// Bytes of all segments.
    pub log_bytes: u64,
    /// One per shard.
    pub shards: Vec<ShardStats>,
    /// By Kafka's name of the API.
    pub apis: BTreeMap<String, ApiStats>,
    /// Every stage of each class of requests.
    pub stages: Vec<StageStats>,
    /// Everything, topics that are gone included.
    pub traffic: Traffic,
    /// By topic.
    pub topics: BTreeMap<String, Traffic>,
}

/// One shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardStats {
    /// Whether it answered in time; if not, its figures are older.
    pub answers: bool,
    /// Connections that are open.
    pub connections: u64,
    /// Microseconds that it has worked.
    pub worked_us: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// File ranges that were not in the page cache.
    pub cold_ranges: u64,
}

/// One API.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiStats {
    /// Responses that told an error.
    pub errors: u64,
    /// From the arrival of a request to the last byte of its answer, microseconds.
    pub total_us: Snapshot,
}

/// One stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageStats {
    /// Its name, as in [`crate::metrics`].
    pub stage: String,
    /// The requests that it is of; empty where it is of all.
    pub class: String,
    /// What one unit of the values is, in nanoseconds.
    pub unit_ns: u64,
    /// How often which time.
    pub times: Snapshot,
}

/// One figure of a topic.
type Field = fn(&mut Traffic) -> &mut u64;

const TRAFFIC: [(&str, Field); 8] = [
    ("messages_in", |it| &mut it.messages_in),
    ("bytes_in", |it| &mut it.bytes_in),
    ("bytes_out", |it| &mut it.bytes_out),
    ("bytes_rejected", |it| &mut it.bytes_rejected),
    ("produces", |it| &mut it.produces),
    ("produces_failed", |it| &mut it.produces_failed),
    ("fetches", |it| &mut it.fetches),
    ("fetches_failed", |it| &mut it.fetches_failed),
];

pub(super) fn document(watched: &Watched, said: &[Said]) -> Value {
    gather(watched, said).write()
}

/// Adds the shards up.
fn gather(watched: &Watched, said: &[Said]) -> Stats {
    let reports = || said.iter().map(|said| &said.report);
    let logs = || reports().flat_map(|report| &report.logs);
    let mut stats = Stats {
        version: env!("CARGO_PKG_VERSION").into(),
        node: watched.node,
        cluster_id: watched.cluster_id.to_string(),
        at_us: reports().map(|report| report.at_us).max().unwrap_or(0),
        partitions: logs().count() as u64,
        partitions_offline: logs().filter(|log| log.is_offline).count() as u64,
        log_bytes: logs().map(|log| log.bytes).sum(),
        ..Stats::default()
    };
    for Said { report, answers } in said {
        stats.shards.push(shard(report, *answers));
        for api in &report.apis {
            let name = (watched.api_name)(api.key).to_owned();
            let sum = stats.apis.entry(name).or_default();
            sum.errors += api.errors.iter().map(|(_, count)| count).sum::<u64>();
            sum.total_us.add(&api.total_us);
        }
        for row in &report.rows {
            let same = |it: &&mut StageStats| it.stage == row.stage && it.class == row.class;
            match stats.stages.iter_mut().find(same) {
                Some(stage) => stage.times.add(&row.values),
                None => stats.stages.push(StageStats {
                    stage: row.stage.into(),
                    class: row.class.into(),
                    unit_ns: row.unit_ns,
                    times: row.values.clone(),
                }),
            }
        }
        stats.traffic += report.gone;
        for (topic, traffic) in &report.topics {
            stats.traffic += *traffic;
            *stats.topics.entry(topic.to_string()).or_default() += *traffic;
        }
    }
    stats
}

fn shard(report: &Report, answers: bool) -> ShardStats {
    let counters = &report.counters;
    ShardStats {
        answers,
        connections: report.connections.iter().sum(),
        worked_us: counters.worked_us,
        bytes_received: counters.bytes_received,
        bytes_sent: counters.bytes_sent + counters.bytes_sent_by_sendfile,
        cold_ranges: counters.cold_ranges,
    }
}

impl Stats {
    fn write(&self) -> Value {
        let shards = self.shards.iter().map(|shard| {
            json!({
                "answers": shard.answers,
                "connections": shard.connections,
                "worked_us": shard.worked_us,
                "bytes_received": shard.bytes_received,
                "bytes_sent": shard.bytes_sent,
                "cold_ranges": shard.cold_ranges,
            })
        });
        let apis = self.apis.iter().map(|(name, api)| {
            json!({ "api": name, "errors": api.errors, "total_us": write_times(&api.total_us) })
        });
        let stages = self.stages.iter().map(|stage| {
            json!({
                "stage": stage.stage,
                "class": stage.class,
                "unit_ns": stage.unit_ns,
                "times": write_times(&stage.times),
            })
        });
        let topics = self.topics.iter().map(|(name, traffic)| {
            let mut topic = write_traffic(traffic);
            topic["topic"] = name.as_str().into();
            topic
        });
        json!({
            "version": self.version,
            "node": self.node,
            "cluster_id": self.cluster_id,
            "at_us": self.at_us,
            "partitions": self.partitions,
            "partitions_offline": self.partitions_offline,
            "log_bytes": self.log_bytes,
            "shards": shards.collect::<Vec<_>>(),
            "apis": apis.collect::<Vec<_>>(),
            "stages": stages.collect::<Vec<_>>(),
            "traffic": write_traffic(&self.traffic),
            "topics": topics.collect::<Vec<_>>(),
        })
    }

    /// What a broker has written; nothing if it is not that.
    pub fn read(document: &Value) -> Option<Stats> {
        let mut stats = Stats {
            version: text(document, "version")?,
            node: i32::try_from(document["node"].as_i64()?).ok()?,
            cluster_id: text(document, "cluster_id")?,
            at_us: number(document, "at_us")?,
            partitions: number(document, "partitions")?,
            partitions_offline: number(document, "partitions_offline")?,
            log_bytes: number(document, "log_bytes")?,
            traffic: read_traffic(&document["traffic"])?,
            ..Stats::default()
        };
        for shard in document["shards"].as_array()? {
            stats.shards.push(ShardStats {
                answers: shard["answers"].as_bool()?,
                connections: number(shard, "connections")?,
                worked_us: number(shard, "worked_us")?,
                bytes_received: number(shard, "bytes_received")?,
                bytes_sent: number(shard, "bytes_sent")?,
                cold_ranges: number(shard, "cold_ranges")?,
            });
        }
        for api in document["apis"].as_array()? {
            let read = ApiStats {
                errors: number(api, "errors")?,
                total_us: read_times(&api["total_us"])?,
            };
            stats.apis.insert(text(api, "api")?, read);
        }
        for stage in document["stages"].as_array()? {
            stats.stages.push(StageStats {
                stage: text(stage, "stage")?,
                class: text(stage, "class")?,
                unit_ns: number(stage, "unit_ns")?,
                times: read_times(&stage["times"])?,
            });
        }
        for topic in document["topics"].as_array()? {
            let name = text(topic, "topic")?;
            stats.topics.insert(name, read_traffic(topic)?);
        }
        Some(stats)
    }
}

fn write_times(times: &Snapshot) -> Value {
    let buckets = times.buckets().iter();
    let buckets: Vec<Value> = buckets.map(|(at, count)| json!([at, count])).collect();
    json!({ "sum": times.sum(), "buckets": buckets })
}

fn read_times(times: &Value) -> Option<Snapshot> {
    let buckets = times["buckets"].as_array()?.iter().map(|pair| {
        let at = u16::try_from(pair[0].as_u64()?).ok()?;
        Some((at, pair[1].as_u64()?))
    });
    Snapshot::from_buckets(buckets.collect::<Option<_>>()?, number(times, "sum")?)
}

fn write_traffic(traffic: &Traffic) -> Value {
    let mut traffic = *traffic;
    let mut object = json!({});
    for (name, field) in TRAFFIC {
        object[name] = (*field(&mut traffic)).into();
    }
    object
}

fn read_traffic(object: &Value) -> Option<Traffic> {
    let mut traffic = Traffic::default();
    for (name, field) in TRAFFIC {
        *field(&mut traffic) = number(object, name)?;
    }
    Some(traffic)
}

fn number(object: &Value, name: &str) -> Option<u64> {
    object[name].as_u64()
}

fn text(object: &Value, name: &str) -> Option<String> {
    object[name].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::{report, said, watched};

    #[test]
    fn what_is_written_is_read_again() {
        let stats = gather(&watched(), &[said(report(0)), said(report(1))]);
        let text = stats.write().to_string();
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(Stats::read(&document), Some(stats));
    }

    #[test]
    fn shards_are_added_up() {
        let stats = gather(&watched(), &[said(report(0)), said(report(1))]);
        assert_eq!(stats.shards.len(), 2);
        assert_eq!((stats.partitions, stats.log_bytes), (2, 8_000));
        assert_eq!(stats.apis["Produce"].total_us.count(), 6);
        let queue = &stats.stages[0];
        assert_eq!((&*queue.stage, &*queue.class), ("queue", "produce"));
        assert_eq!(queue.times.count(), 6);
        assert_eq!(stats.topics["orders"].bytes_in, 600);
        assert_eq!(stats.traffic.bytes_in, 600 + 20);
    }

    #[test]
    fn a_document_of_something_else_is_not_believed() {
        let good = gather(&watched(), &[said(report(0))]).write();
        for field in [
            "node", "at_us", "shards", "apis", "stages", "topics", "traffic",
        ] {
            let mut bad = good.clone();
            bad[field] = "x".into();
            assert_eq!(Stats::read(&bad), None, "{field}");
        }
        let mut bad = good.clone();
        bad["apis"][0]["total_us"]["buckets"] = json!([[5, 1], [4, 1]]);
        assert_eq!(Stats::read(&bad), None);
        assert_eq!(Stats::read(&json!([1])), None);
    }
}
