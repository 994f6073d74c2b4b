//! What the pages show of made-up reports, and how the console behaves when shards are silent.

use super::*;
use crate::group::{Bookmark, Owner, Standing, StandingOffset, StandingPage, Told};
use crate::limits;
use crate::metrics::{ClusterReport, LogReport, Logs, Requests, Traffic};
use crate::types::{LeaderEpoch, Now, Offset, PartitionIndex, ShardId, Timestamp, TopicId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

pub(super) fn watched() -> Watched {
    Watched {
        node: 1,
        cluster_id: Arc::from("cluster"),
        listeners: vec!["PLAINTEXT".into()],
        clock: || 0,
        api_name: |key| match key {
            0 => "Produce",
            1 => "Fetch",
            _ => "Other",
        },
        error_name: |code| match code {
            3 => "UNKNOWN_TOPIC_OR_PARTITION",
            _ => "NONE",
        },
        ask: Arc::new(|| vec![Some(report(0)), Some(report(1))]),
        standings: Arc::new(|_, _| None),
        times: Arc::new(|_, _| None),
    }
}

pub(super) fn said(report: Report) -> Said {
    Said {
        report,
        answers: true,
    }
}

/// A shard with three produces of version 13 that took 40, 41 and 42 us and a fetch of version 18.
pub(super) fn report(shard: u16) -> Report {
    let at = |monotonic_us| Now {
        monotonic_us,
        wall: Timestamp(0),
    };
    let mut requests = Requests::default();
    for extra in 0..3 {
        let mut meter = requests.begun(0, 13, 1_000, at(1_010));
        meter.answered(at(1_030));
        requests.sent(meter, 1_040 + extra);
    }
    let fetch = requests.begun(1, 18, 2_000, at(2_000));
    requests.fetched(2_000, at(2_500));
    requests.sent(fetch, 2_600);
    requests.refused(0, 3);
    requests.counters.bytes_received = 77;
    let mut logs = Logs::default();
    logs.appended(1_500);
    logs.acknowledged(1_010, 1_030);
    let mut rows = requests.rows();
    rows.extend(logs.rows());
    let traffic = |bytes_in| Traffic {
        messages_in: 3,
        bytes_in,
        produces: 3,
        ..Traffic::default()
    };
    Report {
        shard: ShardId(shard),
        at_us: 3_000_000,
        counters: requests.counters,
        connections: vec![2],
        produces_waiting: 1,
        fetches_waiting: 0,
        fetch_sessions: 0,
        rows,
        apis: requests.apis(),
        topics: BTreeMap::from([(Arc::from("orders"), traffic(300))]),
        gone: traffic(10),
        logs: vec![LogReport {
            topic: Arc::from("orders"),
            topic_id: TopicId::ZERO,
            partition: shard.into(),
            bytes: 4_000,
            log_start: Offset(2),
            high_watermark: Offset(5),
            log_end: Offset(5),
            segments: 1,
            is_offline: false,
            replicas: 1,
            insync_replicas: 1,
            insync_replicas_min: 1,
        }],
        cluster: (shard == 0).then_some(ClusterReport {
            topics: 1,
            partitions: 2,
            epoch: LeaderEpoch(7),
            log_end: Offset(40),
            log_dirs_offline: 0,
        }),
    }
}

fn console(watched: Watched) -> Console {
    Console {
        watched,
        memory: Mutex::default(),
        times: Mutex::default(),
    }
}

fn page(console: &Console, path: &str) -> String {
    console.answer(path).expect("there is such a page").body
}

#[test]
fn every_line_is_a_comment_or_a_sample_of_the_family_above_it() {
    let text = page(&console(watched()), "/metrics");
    let mut family = String::new();
    let mut families = BTreeSet::new();
    let mut samples = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap().to_owned();
            assert!(families.insert(family.clone()), "{family} stands twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert_eq!(rest.split(' ').next(), Some(family.as_str()));
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().unwrap();
            let suffix = name.strip_prefix(family.as_str()).expect(line);
            assert!(
                ["", "_bucket", "_sum", "_count"].contains(&suffix),
                "{line}"
            );
            assert!(samples.insert(series.to_owned()), "{series} stands twice");
        }
    }
    assert!(samples.len() > 200, "{}", samples.len());
}

#[test]
fn figures_stand_under_the_names_that_boards_look_for() {
    let text = page(&console(watched()), "/metrics");
    for line in [
        "kafka_server_brokertopicmetrics_bytesin_total 620",
        "kafka_server_brokertopicmetrics_bytesin_total{topic=\"orders\"} 600",
        "kafka_network_requestmetrics_requests_total{request=\"Produce\",version=\"13\"} 6",
        "kafka_network_requestmetrics_requests_total{request=\"FetchConsumer\",version=\"18\"} 2",
        "kafka_network_requestmetrics_errors_total{request=\"Produce\",error=\"UNKNOWN_TOPIC_OR_PARTITION\"} 2",
        "kafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.50\"} 0.041",
        "kafka_network_requestmetrics_totaltimems_count{request=\"Produce\"} 6",
        "kafka_network_requestmetrics_requestqueuetimems{request=\"Produce\",quantile=\"0.99\"} 0.01",
        "kafka_network_requestmetrics_remotetimems{request=\"FetchConsumer\",quantile=\"0.999\"} 0.501",
        "kafka_network_requestmetrics_localtimems_count{request=\"Produce\"} 2",
        "kafka_server_socket_server_metrics_connection_count{listener=\"PLAINTEXT\",networkProcessor=\"1\"} 2",
        "kafka_server_replicamanager_partitioncount 2",
        "kafka_server_replicamanager_underreplicatedpartitions 0",
        "kafka_controller_kafkacontroller_activecontrollercount 1",
        "kafka_controller_kafkacontroller_globaltopiccount 1",
        "kafka_log_log_size{topic=\"orders\",partition=\"1\"} 4000",
        "kafka_log_log_logendoffset{topic=\"orders\",partition=\"0\"} 5",
        "millstream_shard_up{shard=\"1\"} 1",
        "millstream_stage_seconds_bucket{shard=\"0\",stage=\"append\",class=\"\",le=\"0.000001\"} 0",
        "millstream_stage_seconds_bucket{shard=\"0\",stage=\"append\",class=\"\",le=\"0.000002\"} 1",
        "millstream_stage_seconds_bucket{shard=\"0\",stage=\"append\",class=\"\",le=\"+Inf\"} 1",
        "millstream_stage_seconds_count{shard=\"0\",stage=\"queue\",class=\"produce\"} 3",
    ] {
        let is_there = text.lines().any(|found| found == line);
        assert!(is_there, "{line} is missing:\n{text}");
    }
}

/// Kafka's JMX has no lag: these are kafka_exporter's names, but for that of the seconds.
const OF_GROUPS: [&str; 6] = [
    "kafka_consumergroup_current_offset",
    "kafka_consumergroup_current_offset_sum",
    "kafka_consumergroup_lag",
    "kafka_consumergroup_lag_seconds",
    "kafka_consumergroup_lag_sum",
    "kafka_consumergroup_members",
];

#[test]
fn every_name_in_kafkas_vocabulary_is_one_of_kafkas() {
    let theirs: BTreeSet<&str> = include_str!("kafka-names.txt").lines().collect();
    // Twice, a second apart: what needs a look before to compare with comes with the second.
    static AT_US: AtomicU64 = AtomicU64::new(0);
    let ask = || {
        let at_us = AT_US.fetch_add(1_000_000, Ordering::Relaxed);
        let report = report(0);
        vec![Some(Report { at_us, ..report })]
    };
    let console = console(Watched {
        ask: Arc::new(ask),
        ..watched()
    });
    page(&console, "/metrics");
    let text = page(&console, "/metrics");
    let ours = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE kafka_"));
    let ours: Vec<String> = ours
        .map(|rest| format!("kafka_{}", rest.split(' ').next().unwrap()))
        .collect();
    assert!(ours.len() > 50, "{}", ours.len());
    assert!(ours.iter().any(|name| name.ends_with("avgidle_percent")));
    for name in ours {
        let is_known = theirs.contains(name.as_str()) || OF_GROUPS.contains(&name.as_str());
        assert!(is_known, "{name} is none of Kafka's");
    }
}

#[test]
fn a_silent_shard_is_told_of_as_it_was_last() {
    static SILENT: AtomicBool = AtomicBool::new(false);
    let ask = || {
        let silent = SILENT.load(Ordering::Relaxed);
        vec![Some(report(0)), (!silent).then(|| report(1))]
    };
    let console = console(Watched {
        ask: Arc::new(ask),
        ..watched()
    });
    let total = "kafka_server_brokertopicmetrics_bytesin_total 620";
    assert!(page(&console, "/metrics").contains(total));
    SILENT.store(true, Ordering::Relaxed);
    let text = page(&console, "/metrics");
    assert!(text.contains(total), "no counter goes back");
    assert!(text.contains("millstream_shard_up{shard=\"0\"} 1"));
    assert!(text.contains("millstream_shard_up{shard=\"1\"} 0"));
}

#[test]
fn a_shard_that_has_never_answered_is_left_out() {
    let console = console(Watched {
        ask: Arc::new(|| vec![None, Some(report(1))]),
        ..watched()
    });
    let text = page(&console, "/metrics");
    assert!(!text.contains("shard=\"0\""));
    assert!(text.contains("millstream_shard_up{shard=\"1\"} 1"));
    assert!(console.answer("/nothing").is_none());
}

// -- groups

/// A group "readers" that is at `offset` of both partitions of "orders", each on a shard of its own.
fn standing(shard: i32, offset: i64) -> Standing {
    Standing {
        group: Arc::from("readers"),
        kind: "classic",
        state: "Stable",
        members: 2,
        offsets: vec![StandingOffset {
            topic: Arc::from("orders"),
            partition: PartitionIndex(shard),
            offset: Offset(offset),
            committed: Timestamp(1_000_500),
            owner: (shard == 0).then(|| Owner {
                member: Arc::from("m-1"),
                client_id: Arc::from("cli\"ent"),
                client_host: Arc::from("/10.0.0.1"),
            }),
        }],
    }
}

fn page_of(standings: Vec<Standing>, next: Option<Bookmark>) -> StandingPage {
    StandingPage {
        at: Timestamp(1_010_000),
        standings,
        next,
    }
}

/// A broker on whose first shard the group is coordinated, and whose logs go from 2 to 5.
fn watched_groups(offsets: [i64; 2]) -> Watched {
    let standings = move |shard, from: Option<Bookmark>| {
        // In two pages, so that they are put together.
        let told = Told {
            group: Arc::from("readers"),
            offset: Some((Arc::from("orders"), PartitionIndex(0))),
        };
        let next = Bookmark {
            coordinator: PartitionIndex(0),
            told: Some(told),
        };
        Some(match (shard, from) {
            (ShardId(0), None) => page_of(vec![standing(0, offsets[0])], Some(next)),
            (ShardId(0), Some(from)) if from == next => {
                page_of(vec![standing(1, offsets[1])], None)
            }
            (ShardId(0), Some(from)) => panic!("{from:?} was not told"),
            _ => page_of(Vec::new(), None),
        })
    };
    Watched {
        standings: Arc::new(standings),
        ..watched()
    }
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|found| found == line)
}

#[test]
fn a_group_is_behind_by_records_and_by_time() {
    let times = |shard: ShardId, places: &[(crate::types::PartitionId, Offset)]| {
        assert_eq!(places.len(), 1);
        assert_eq!(i32::from(shard.0), places[0].0.index.0, "asked who has it");
        Some(vec![Some(Timestamp(1_007_750))])
    };
    let watched = Watched {
        times: Arc::new(times),
        ..watched_groups([3, 5])
    };
    let text = page(&console(watched), "/metrics");
    let of = |partition: &str| {
        format!("{{consumergroup=\"readers\",topic=\"orders\",partition=\"{partition}\"}}")
    };
    for line in [
        format!("kafka_consumergroup_current_offset{} 3", of("0")),
        format!("kafka_consumergroup_lag{} 2", of("0")),
        format!("kafka_consumergroup_lag_seconds{} 2.25", of("0")),
        format!("kafka_consumergroup_lag{} 0", of("1")),
        format!("kafka_consumergroup_lag_seconds{} 0", of("1")),
        format!("millstream_consumergroup_commit_timestamp_seconds{} 1000.5", of("1")),
        "kafka_consumergroup_lag_sum{consumergroup=\"readers\",topic=\"orders\"} 2".into(),
        "kafka_consumergroup_current_offset_sum{consumergroup=\"readers\",topic=\"orders\"} 8".into(),
        "kafka_consumergroup_members{consumergroup=\"readers\"} 2".into(),
        "millstream_consumergroup_state{consumergroup=\"readers\",state=\"Stable\",type=\"classic\"} 1".into(),
        "millstream_consumergroup_owner{consumergroup=\"readers\",topic=\"orders\",partition=\"0\",consumer_id=\"m-1\",client_id=\"cli\\\"ent\",host=\"/10.0.0.1\"} 1".into(),
        "millstream_consumergroups_cut 0".into(),
    ] {
        assert!(has_line(&text, &line), "{line} is missing:\n{text}");
    }
    let nobody =
        "millstream_consumergroup_owner{consumergroup=\"readers\",topic=\"orders\",partition=\"1\"";
    assert!(!text.contains(nobody));
}

#[test]
fn what_lies_before_the_log_has_a_lag_and_no_time() {
    let watched = Watched {
        times: Arc::new(|_, _| panic!("there is nothing to look up")),
        ..watched_groups([1, 7])
    };
    let text = page(&console(watched), "/metrics");
    let of = |partition: &str| {
        format!("{{consumergroup=\"readers\",topic=\"orders\",partition=\"{partition}\"}}")
    };
    assert!(has_line(
        &text,
        &format!("kafka_consumergroup_lag{} 4", of("0"))
    ));
    let seconds = "kafka_consumergroup_lag_seconds";
    assert!(!text.contains(&format!("{seconds}{}", of("0"))), "{text}");
    // Beyond the end, as behind a log that was deleted and made again, nothing is behind.
    assert!(has_line(
        &text,
        &format!("kafka_consumergroup_lag{} 0", of("1"))
    ));
    assert!(has_line(&text, &format!("{seconds}{} 0", of("1"))));
}

#[test]
fn the_time_of_a_place_is_looked_up_once() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let times = |_: ShardId, places: &[(crate::types::PartitionId, Offset)]| {
        ASKED.fetch_add(places.len(), Ordering::Relaxed);
        // The second cannot be told, and is asked for again.
        let told = places
            .iter()
            .map(|place| (place.0.index.0 == 0).then_some(Timestamp(1_000_000)));
        Some(told.collect())
    };
    let console = console(Watched {
        times: Arc::new(times),
        ..watched_groups([3, 3])
    });
    page(&console, "/metrics");
    assert_eq!(ASKED.load(Ordering::Relaxed), 2);
    let text = page(&console, "/metrics");
    assert_eq!(ASKED.load(Ordering::Relaxed), 3);
    let seconds =
        "kafka_consumergroup_lag_seconds{consumergroup=\"readers\",topic=\"orders\",partition=";
    assert!(has_line(&text, &format!("{seconds}\"0\"}} 10")), "{text}");
    assert!(!text.contains(&format!("{seconds}\"1\"")), "{text}");
}

#[test]
fn more_groups_than_are_shown_are_cut_off_and_that_is_said() {
    let standings = |shard: ShardId, from: Option<Bookmark>| {
        let first = from.map_or(0, |from| from.coordinator.0);
        let groups = (0..1000).map(|at| Standing {
            group: format!("g-{}-{first}-{at}", shard.0).into(),
            ..standing(0, 5)
        });
        let next = Bookmark {
            coordinator: PartitionIndex(first + 1),
            told: None,
        };
        Some(page_of(groups.collect(), Some(next)))
    };
    let text = page(
        &console(Watched {
            standings: Arc::new(standings),
            ..watched()
        }),
        "/metrics",
    );
    let shown = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert!(has_line(&text, "millstream_consumergroups_cut 1"));
    let offsets = shown("kafka_consumergroup_current_offset{");
    let groups = shown("kafka_consumergroup_members{");
    assert!(offsets + groups <= limits::GROUP_OFFSETS_SHOWN_MAX);
    assert!(offsets + groups >= limits::GROUP_OFFSETS_SHOWN_MAX - 1);
}

#[test]
fn programs_get_groups_as_json() {
    let watched = Watched {
        times: Arc::new(|_, _| Some(vec![Some(Timestamp(1_010_500))])),
        ..watched_groups([3, 5])
    };
    let text = page(&console(watched), "/groups");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        document,
        serde_json::json!({
            "node": 1,
            "cluster_id": "cluster",
            "groups": [{
                "group": "readers",
                "type": "classic",
                "state": "Stable",
                "members": 2,
                "partitions": [
                    {
                        "topic": "orders", "partition": 0, "offset": 3, "log_end": 5, "lag": 2,
                        // Written later than now, by somebody else's clock.
                        "behind_ms": 0, "committed_ms": 1_000_500,
                        "member": "m-1", "client_id": "cli\"ent", "host": "/10.0.0.1",
                    },
                    {
                        "topic": "orders", "partition": 1, "offset": 5, "log_end": 5, "lag": 0,
                        "behind_ms": 0, "committed_ms": 1_000_500,
                        "member": null, "client_id": null, "host": null,
                    },
                ],
            }],
            "is_cut": false,
        })
    );
}
