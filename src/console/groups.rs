//! How far groups are behind: what they have committed, held against the logs, with the time at which
//! what they have not consumed was written.
//!
//! It is reckoned here, by the thread that answers, when somebody asks; no commit, fetch or produce knows
//! of it. The shards are asked in portions ([`limits::GROUP_STANDINGS_PER_PAGE`],
//! [`limits::GROUP_TIMES_PER_TURN`]), and records are read by the threads for such work, each once: what
//! is told of a place stays true, so it is kept while a group is there.
//!
//! The number of offsets shown is bounded ([`limits::GROUP_OFFSETS_SHOWN_MAX`]): shard after shard, by the
//! partition of `__consumer_offsets` and the group's id, so that those shown stay the same ones.

use super::{Said, Watched};
use crate::group::{Standing, StandingOffset};
use crate::limits;
use crate::metrics::LogReport;
use crate::types::{Offset, PartitionId, PartitionIndex, ShardId, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All groups of a broker.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Lags {
    /// By id.
    pub(super) groups: BTreeMap<Arc<str>, GroupLag>,
    /// Whether there are more than are shown.
    pub(super) is_cut: bool,
}

/// One group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct GroupLag {
    /// Kafka's name of the type.
    pub(super) kind: &'static str,
    /// Kafka's name of the state.
    pub(super) state: &'static str,
    /// How many members it has.
    pub(super) members: usize,
    /// By topic and partition.
    pub(super) partitions: Vec<PartitionLag>,
}

/// One partition that a group has committed an offset of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PartitionLag {
    /// The offset, and who consumes the partition.
    pub(super) at: StandingOffset,
    /// Where the log ends; nothing if it is not here.
    pub(super) end: Option<Offset>,
    /// How long the oldest record that is not consumed has been there, ms; 0 if there is none. Nothing
    /// where that is not known.
    pub(super) behind_ms: Option<i64>,
}

impl PartitionLag {
    /// Records that are not consumed.
    pub(super) fn records(&self) -> Option<i64> {
        Some((self.end?.0 - self.at.offset.0).max(0))
    }
}

/// When records were written that groups are at. Nothing for what could not be told: it is asked again.
#[derive(Debug, Default)]
pub(super) struct Times(BTreeMap<(PartitionId, Offset), Timestamp>);

/// A place in a log whose time is wanted.
struct Wanted {
    shard: ShardId,
    /// How many records lie behind it.
    records: i64,
}

/// Asks the shards, and remembers the times.
pub(super) fn gather(watched: &Watched, said: &[Said], times: &mut Times) -> Lags {
    let mut lags = Lags::default();
    let mut now = Timestamp::NONE;
    for shard in said.iter().filter(|said| said.answers) {
        let at = collect(watched, shard.report.shard, &mut lags);
        now = now.max(at);
    }
    let logs = Logs::of(said);
    let mut wanted: BTreeMap<(PartitionId, Offset), Wanted> = BTreeMap::new();
    for lag in lags.groups.values_mut().flat_map(|it| &mut it.partitions) {
        let Some((shard, log)) = logs.find(&lag.at.topic, lag.at.partition) else {
            continue;
        };
        lag.end = Some(log.high_watermark);
        let records = log.high_watermark.0 - lag.at.offset.0;
        if records <= 0 {
            lag.behind_ms = Some(0);
        } else if lag.at.offset >= log.log_start {
            let place = (partition_id(log), lag.at.offset);
            wanted.insert(place, Wanted { shard, records });
        }
    }
    times.learn(watched, &wanted);
    for lag in lags.groups.values_mut().flat_map(|it| &mut it.partitions) {
        let log = logs.find(&lag.at.topic, lag.at.partition);
        let place = log.map(|(_, log)| (partition_id(log), lag.at.offset));
        if let Some(written) = place.and_then(|place| times.0.get(&place))
            && lag.behind_ms.is_none()
        {
            lag.behind_ms = Some((now.0 - written.0).max(0));
        }
    }
    lags
}

/// Adds a shard's groups, as far as they are shown. Returns when it told of them.
fn collect(watched: &Watched, shard: ShardId, lags: &mut Lags) -> Timestamp {
    let shown = |lags: &Lags| -> usize {
        let groups = lags.groups.values();
        groups.map(|group| 1 + group.partitions.len()).sum()
    };
    let mut room = limits::GROUP_OFFSETS_SHOWN_MAX.saturating_sub(shown(lags));
    let mut from = None;
    let mut at = Timestamp::NONE;
    loop {
        // A shard that says nothing is not waited for again.
        let Some(page) = (watched.standings)(shard, from.take()) else {
            return at;
        };
        at = page.at;
        for standing in page.standings {
            if room == 0 {
                lags.is_cut = true;
                return at;
            }
            room -= 1;
            let is_whole = standing.offsets.len() <= room;
            lags.add(standing, &mut room);
            if !is_whole {
                lags.is_cut = true;
                return at;
            }
        }
        from = page.next;
        if from.is_none() {
            return at;
        }
    }
}

impl Lags {
    fn add(&mut self, standing: Standing, room: &mut usize) {
        let Standing {
            group,
            kind,
            state,
            members,
            offsets,
        } = standing;
        let lag = self.groups.entry(group).or_insert_with(|| GroupLag {
            kind,
            state,
            members,
            partitions: Vec::new(),
        });
        // It may have changed since the page before.
        (lag.kind, lag.state, lag.members) = (kind, state, members);
        for at in offsets.into_iter().take(*room) {
            *room -= 1;
            lag.partitions.push(PartitionLag {
                at,
                end: None,
                behind_ms: None,
            });
        }
    }

    /// Every partition of every group, with the group's id.
    pub(super) fn partitions(&self) -> impl Iterator<Item = (&str, &PartitionLag)> {
        self.groups.iter().flat_map(|(group, lag)| {
            let partitions = lag.partitions.iter();
            partitions.map(move |partition| (&**group, partition))
        })
    }

    /// For programs.
    pub(super) fn document(&self, watched: &Watched) -> Value {
        let groups = self.groups.iter().map(|(id, group)| {
            let partitions = group.partitions.iter().map(|lag| {
                let owner = lag.at.owner.as_ref();
                json!({
                    "topic": &*lag.at.topic,
                    "partition": lag.at.partition.0,
                    "offset": lag.at.offset.0,
                    "log_end": lag.end.map(|end| end.0),
                    "lag": lag.records(),
                    "behind_ms": lag.behind_ms,
                    "committed_ms": (lag.at.committed.0 >= 0).then_some(lag.at.committed.0),
                    "member": owner.map(|owner| &*owner.member),
                    "client_id": owner.map(|owner| &*owner.client_id),
                    "host": owner.map(|owner| &*owner.client_host),
                })
            });
            json!({
                "group": &**id,
                "type": group.kind,
                "state": group.state,
                "members": group.members,
                "partitions": partitions.collect::<Vec<_>>(),
            })
        });
        json!({
            "node": watched.node,
            "cluster_id": &*watched.cluster_id,
            "groups": groups.collect::<Vec<_>>(),
            "is_cut": self.is_cut,
        })
    }
}

impl Times {
    /// Forgets what is wanted no more, and asks for what is not known: first where most lies behind it.
    fn learn(&mut self, watched: &Watched, wanted: &BTreeMap<(PartitionId, Offset), Wanted>) {
        self.0.retain(|place, _| wanted.contains_key(place));
        let mut unknown: Vec<_> = wanted
            .iter()
            .filter(|(place, _)| !self.0.contains_key(place))
            .collect();
        unknown.sort_by_key(|(_, wanted)| std::cmp::Reverse(wanted.records));
        let mut by_shard: BTreeMap<ShardId, Vec<(PartitionId, Offset)>> = BTreeMap::new();
        for (place, wanted) in unknown.into_iter().take(limits::GROUP_TIMES_PER_PAGE) {
            by_shard.entry(wanted.shard).or_default().push(*place);
        }
        for (shard, places) in by_shard {
            for portion in places.chunks(limits::GROUP_TIMES_PER_TURN) {
                let Some(told) = (watched.times)(shard, portion) else {
                    break;
                };
                let known = portion.iter().zip(told);
                let known = known.filter_map(|(place, time)| Some((*place, time?)));
                self.0.extend(known);
            }
        }
    }
}

/// The broker's logs, by topic and partition.
struct Logs<'a>(BTreeMap<(&'a str, i32), (ShardId, &'a LogReport)>);

impl<'a> Logs<'a> {
    fn of(said: &'a [Said]) -> Logs<'a> {
        let reports = said.iter().map(|said| &said.report);
        let logs = reports.flat_map(|report| {
            let logs = report.logs.iter();
            logs.map(move |log| ((&*log.topic, log.partition), (report.shard, log)))
        });
        Logs(logs.collect())
    }

    fn find(&self, topic: &str, partition: PartitionIndex) -> Option<(ShardId, &'a LogReport)> {
        self.0.get(&(topic, partition.0)).copied()
    }
}

fn partition_id(log: &LogReport) -> PartitionId {
    PartitionId {
        topic: log.topic_id,
        index: PartitionIndex(log.partition),
    }
}
