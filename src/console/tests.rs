//! What the pages show of made-up reports, and how the console behaves when shards are silent.

use super::*;
use crate::metrics::{ClusterReport, LogReport, Logs, Requests, Traffic};
use crate::types::{LeaderEpoch, Now, Offset, ShardId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
            partition: shard.into(),
            bytes: 4_000,
            log_start: Offset(2),
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
        assert!(theirs.contains(name.as_str()), "{name} is none of Kafka's");
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
