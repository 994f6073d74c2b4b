//! What came between two looks, as lines for people and as JSON.

use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table};
use crate::config::Address;
use crate::console::stats::{ApiStats, StageStats, Stats};
use crate::metrics::{Snapshot, Traffic};
use serde_json::{Value, json};
use std::cmp::Reverse;

/// The quantiles that are shown.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// What came between two looks.
pub(super) struct Change<'a> {
    now: &'a Stats,
    seconds: f64,
    /// The share of the time that each shard worked.
    busy: Vec<f64>,
    bytes_in: u64,
    bytes_out: u64,
    apis: Vec<(&'a str, ApiStats)>,
    stages: Vec<StageStats>,
    traffic: Traffic,
    topics: Vec<(&'a str, Traffic)>,
}

impl<'a> Change<'a> {
    /// What came between. Where the broker was started again meanwhile, which its counters tell, that
    /// is everything since.
    pub(super) fn between(before: &Stats, now: &'a Stats) -> Change<'a> {
        let us = now.at_us.saturating_sub(before.at_us).max(1);
        let nothing = Stats::default();
        let again = bytes(now).0 < bytes(before).0;
        let before = if again { &nothing } else { before };
        let busy = now.shards.iter().enumerate().map(|(at, shard)| {
            let worked = before.shards.get(at).map_or(0, |it| it.worked_us);
            let share = shard.worked_us.saturating_sub(worked) as f64 / us as f64;
            share.min(1.0)
        });
        let apis = now.apis.iter().map(|(name, api)| {
            let before = before.apis.get(name);
            let change = before.map_or_else(
                || api.clone(),
                |before| ApiStats {
                    errors: api.errors.saturating_sub(before.errors),
                    total_us: api.total_us.since(&before.total_us),
                },
            );
            (name.as_str(), change)
        });
        let stages = now.stages.iter().map(|stage| {
            let same = |it: &&StageStats| it.stage == stage.stage && it.class == stage.class;
            let before = before.stages.iter().find(same);
            let times = before.map_or_else(
                || stage.times.clone(),
                |before| stage.times.since(&before.times),
            );
            StageStats {
                times,
                ..stage.clone()
            }
        });
        let topics = now.topics.iter().map(|(name, traffic)| {
            let before = before.topics.get(name).copied().unwrap_or_default();
            (name.as_str(), since(*traffic, before))
        });
        Change {
            now,
            seconds: us as f64 / 1e6,
            busy: busy.collect(),
            bytes_in: bytes(now).0 - bytes(before).0,
            bytes_out: bytes(now).1.saturating_sub(bytes(before).1),
            apis: apis.collect(),
            stages: stages.collect(),
            traffic: since(now.traffic, before.traffic),
            topics: topics.collect(),
        }
    }

    fn rate(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let apis = self.apis.iter().map(|(name, api)| {
            let mut object = times(&api.total_us, 1_000);
            object["api"] = (*name).into();
            object["per_second"] = self.rate(api.total_us.count()).into();
            object["errors_per_second"] = self.rate(api.errors).into();
            object
        });
        let stages = self.stages.iter().map(|stage| {
            let mut object = times(&stage.times, stage.unit_ns);
            object["stage"] = stage.stage.as_str().into();
            object["class"] = stage.class.as_str().into();
            object["per_second"] = self.rate(stage.times.count()).into();
            object
        });
        let topics = self.topics.iter().map(|(name, traffic)| {
            let mut object = self.traffic(traffic);
            object["topic"] = (*name).into();
            object
        });
        let shards = self.now.shards.iter().zip(&self.busy);
        let shards = shards.map(|(shard, busy)| {
            json!({
                "answers": shard.answers,
                "busy": busy,
                "connections": shard.connections,
            })
        });
        json!({
            "node": self.now.node,
            "cluster_id": self.now.cluster_id,
            "seconds": self.seconds,
            "partitions": self.now.partitions,
            "partitions_offline": self.now.partitions_offline,
            "log_bytes": self.now.log_bytes,
            "socket_bytes_in_per_second": self.rate(self.bytes_in),
            "socket_bytes_out_per_second": self.rate(self.bytes_out),
            "traffic": self.traffic(&self.traffic),
            "shards": shards.collect::<Vec<_>>(),
            "apis": apis.collect::<Vec<_>>(),
            "stages": stages.collect::<Vec<_>>(),
            "topics": topics.collect::<Vec<_>>(),
        })
    }

    fn traffic(&self, traffic: &Traffic) -> Value {
        json!({
            "messages_in_per_second": self.rate(traffic.messages_in),
            "bytes_in_per_second": self.rate(traffic.bytes_in),
            "bytes_out_per_second": self.rate(traffic.bytes_out),
            "produces_per_second": self.rate(traffic.produces),
            "produces_failed_per_second": self.rate(traffic.produces_failed),
            "fetches_per_second": self.rate(traffic.fetches),
            "fetches_failed_per_second": self.rate(traffic.fetches_failed),
        })
    }

    /// For people: the broker, its requests, their stages, its busiest topics.
    pub(super) fn show(&self, out: &mut Out, at: &Address, topics: usize) -> Result<(), Failure> {
        self.show_broker(out, at)?;
        let head = [">PER S", ">P50", ">P99", ">P99.9", ">MAX"];
        let mut table = Table::new(&[&["REQUEST"], &head[..], &[">ERRORS/S"]].concat());
        let active = self.apis.iter().filter(|it| it.1.total_us.count() > 0);
        for (name, api) in active {
            let times = self.row(&api.total_us, 1_000);
            let errors = whole(self.rate(api.errors));
            table.row(
                [(*name).to_owned()]
                    .into_iter()
                    .chain(times)
                    .chain([errors]),
            );
        }
        out.line("")?;
        out.table(&table)?;

        let mut table = Table::new(&[&["STAGE", "OF"], &head[..]].concat());
        let active = self.stages.iter().filter(|it| it.times.count() > 0);
        for stage in active {
            let times = self.row(&stage.times, stage.unit_ns);
            let of = [stage.stage.clone(), stage.class.clone()];
            table.row(of.into_iter().chain(times));
        }
        out.line("")?;
        out.table(&table)?;
        self.show_topics(out, topics)
    }

    fn show_broker(&self, out: &mut Out, at: &Address) -> Result<(), Failure> {
        let now = self.now;
        let connections: u64 = now.shards.iter().map(|shard| shard.connections).sum();
        let shards = now.shards.iter().zip(&self.busy);
        let busy: Vec<String> = shards
            .map(|(shard, busy)| match shard.answers {
                true => format!("{:.0} %", busy * 100.0),
                false => "silent".to_owned(),
            })
            .collect();
        out.line(format!(
            "node {} of cluster {} at {at}, the last {:.1} s, shards busy {}",
            now.node,
            now.cluster_id,
            self.seconds,
            busy.join(", "),
        ))?;
        out.line(format!(
            "{} connections, {} partitions with {}, {} messages/s, {}/s in, {}/s out",
            connections,
            now.partitions,
            size(now.log_bytes as f64),
            whole(self.rate(self.traffic.messages_in)),
            size(self.rate(self.bytes_in)),
            size(self.rate(self.bytes_out)),
        ))?;
        match now.partitions_offline {
            0 => Ok(()),
            offline => out.line(format!("{offline} PARTITIONS ARE OFFLINE")),
        }
    }

    fn show_topics(&self, out: &mut Out, most: usize) -> Result<(), Failure> {
        let volume = |traffic: &Traffic| traffic.bytes_in + traffic.bytes_out;
        let mut busiest: Vec<_> = self.topics.iter().filter(|it| volume(&it.1) > 0).collect();
        busiest.sort_by_key(|(_, traffic)| Reverse(volume(traffic)));
        busiest.truncate(most);
        if busiest.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(&["TOPIC", ">MESSAGES/S", ">IN/S", ">OUT/S"]);
        for (name, traffic) in busiest {
            table.row([
                (*name).to_owned(),
                whole(self.rate(traffic.messages_in)),
                size(self.rate(traffic.bytes_in)),
                size(self.rate(traffic.bytes_out)),
            ]);
        }
        out.line("")?;
        out.table(&table)
    }

    fn row(&self, times: &Snapshot, unit_ns: u64) -> Vec<String> {
        let quantiles = QUANTILES.iter().map(|(_, quantile)| {
            let ms = times.value_at(*quantile) as f64 * unit_ns as f64 / 1e6;
            milliseconds(ms)
        });
        let rate = whole(self.rate(times.count()));
        [rate].into_iter().chain(quantiles).collect()
    }
}

/// Bytes that sockets have brought and taken.
fn bytes(stats: &Stats) -> (u64, u64) {
    let shards = stats.shards.iter();
    shards.fold((0, 0), |(received, sent), shard| {
        (received + shard.bytes_received, sent + shard.bytes_sent)
    })
}

/// Quantiles in microseconds, for programs.
fn times(times: &Snapshot, unit_ns: u64) -> Value {
    let mut object = json!({});
    for (name, quantile) in QUANTILES {
        let us = times.value_at(quantile) as f64 * unit_ns as f64 / 1e3;
        object[format!("{name}_us")] = us.into();
    }
    object
}

fn since(now: Traffic, before: Traffic) -> Traffic {
    let less = u64::saturating_sub;
    Traffic {
        messages_in: less(now.messages_in, before.messages_in),
        bytes_in: less(now.bytes_in, before.bytes_in),
        bytes_out: less(now.bytes_out, before.bytes_out),
        bytes_rejected: less(now.bytes_rejected, before.bytes_rejected),
        produces: less(now.produces, before.produces),
        produces_failed: less(now.produces_failed, before.produces_failed),
        fetches: less(now.fetches, before.fetches),
        fetches_failed: less(now.fetches_failed, before.fetches_failed),
    }
}

/// Three digits that matter, at least.
fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 1.0 => format!("{ms:.4}"),
        ms if ms < 10.0 => format!("{ms:.3}"),
        ms if ms < 100.0 => format!("{ms:.2}"),
        ms => format!("{ms:.1}"),
    }
}

/// A number without what is behind the point, its thousands apart; a small one with it.
fn whole(number: f64) -> String {
    if number > 0.0 && number < 10.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the unit that suits them, powers of ten.
fn size(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut bytes = bytes;
    let mut unit = 0;
    while bytes >= 999.5 && unit + 1 < UNITS.len() {
        bytes /= 1000.0;
        unit += 1;
    }
    match (unit, bytes) {
        (0, _) | (_, 100.0..) => format!("{bytes:.0} {}", UNITS[unit]),
        (_, 10.0..) => format!("{bytes:.1} {}", UNITS[unit]),
        _ => format!("{bytes:.2} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::stats::ShardStats;
    use crate::metrics::Histogram;

    fn snapshot(values: &[u64]) -> Snapshot {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        histogram.snapshot()
    }

    /// A broker after so many seconds, in which each of these produces has taken so long.
    fn stats(seconds: u64, values: &[u64]) -> Stats {
        let mut stats = Stats {
            at_us: seconds * 1_000_000,
            shards: vec![ShardStats {
                answers: true,
                worked_us: seconds * 500_000,
                bytes_received: values.len() as u64 * 1_000,
                ..ShardStats::default()
            }],
            ..Stats::default()
        };
        let api = ApiStats {
            errors: 0,
            total_us: snapshot(values),
        };
        stats.apis.insert("Produce".into(), api);
        stats.stages.push(StageStats {
            stage: "append".into(),
            unit_ns: 1,
            times: snapshot(values),
            ..StageStats::default()
        });
        stats.traffic.messages_in = values.len() as u64;
        stats.topics.insert("a".into(), stats.traffic);
        stats
    }

    #[test]
    fn what_is_shown_came_between_the_looks() {
        let before = stats(10, &[5, 5]);
        let now = stats(12, &[5, 5, 100, 100, 100, 100]);
        let json = Change::between(&before, &now).json();
        assert_eq!(json["seconds"], 2.0);
        assert_eq!(json["apis"][0]["api"], "Produce");
        assert_eq!(json["apis"][0]["per_second"], 2.0);
        assert_eq!(json["apis"][0]["p50_us"], 100.0);
        assert_eq!(json["stages"][0]["max_us"], 0.1);
        assert_eq!(json["shards"][0]["busy"], 0.5);
        assert_eq!(json["traffic"]["messages_in_per_second"], 2.0);
        assert_eq!(json["topics"][0]["messages_in_per_second"], 2.0);
        assert_eq!(json["socket_bytes_in_per_second"], 2000.0);
    }

    #[test]
    fn a_broker_that_was_started_again_begins_at_nothing() {
        let before = stats(1_000, &[5; 50]);
        let now = stats(1_004, &[7; 8]);
        let json = Change::between(&before, &now).json();
        assert_eq!(json["seconds"], 4.0);
        assert_eq!(json["apis"][0]["per_second"], 2.0);
        assert_eq!(json["apis"][0]["p50_us"], 7.0);
    }

    #[test]
    fn numbers_are_as_long_as_one_can_read() {
        let numbers = [0.0, 0.04, 9.99, 10.4, 999.6, 1_234_567.0].map(whole);
        assert_eq!(numbers, ["0", "0.0", "10.0", "10", "1,000", "1,234,567"]);
        let sizes = [0.0, 999.0, 1e3, 12_345.0, 123_456.0, 999_600.0, 5e13].map(size);
        assert_eq!(
            sizes,
            [
                "0 B", "999 B", "1.00 kB", "12.3 kB", "123 kB", "1.00 MB", "50.0 TB"
            ]
        );
        let times = [0.0, 0.00123, 1.5, 12.345, 250.0].map(milliseconds);
        assert_eq!(times, ["0.0000", "0.0012", "1.500", "12.35", "250.0"]);
    }
}
