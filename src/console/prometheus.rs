//! Reports as text in Prometheus' exposition format.
//!
//! Names in `kafka_` are those that the JMX exporter's usual configuration for Kafka gives (its
//! `kafka-kraft-3_0_0.yml`, and Strimzi's), so that people's boards and alerts find them: type and name
//! of the MBean in lower case, `_total` for what counts, a gauge by `quantile` for what Kafka keeps a
//! histogram of, in ms. `kafka-names.txt` holds what Apache Kafka 4.2.0 itself gives through the exporter
//! with either configuration; the tests hold ours against it. What differs from Kafka:
//!
//! - Quantiles are of the last minute and exact to 1 %; Kafka's are of a sample that favours the last
//!   five minutes.
//! - A fetch shows as `Fetch` and as `FetchConsumer`, as there; there are no followers yet.
//! - Only requests whose client was held back count in `throttletimems`; in Kafka all do, most with 0.
//! - `errors` counts responses by their first error, in Kafka by each.
//! - One thread reads, handles and answers, so all idle shares of Kafka's are that of the shards.
//!
//! Kafka gives no lag of groups over JMX. Names in `kafka_consumergroup_` are those of kafka_exporter, which
//! people run beside it for that, and one more of that kind, `kafka_consumergroup_lag_seconds`. What of a
//! group goes with a member's life stands apart, in `millstream_consumergroup_owner`, so that the lag's
//! series outlive a rebalance.
//!
//! Names in `millstream_` are ours: the stages of each shard as real Prometheus histograms, and what its
//! connections have moved. `process_` is what Prometheus' client libraries tell of a process.

use super::groups::{Lags, PartitionLag};
use super::window::Recent;
use super::{Said, Watched};
use crate::metrics::{Class, ClusterReport, LogReport, Report, Row, Snapshot, Traffic};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};
use std::fs;

/// Kafka's quantiles, as the exporter writes them.
const QUANTILES: [(&str, f64); 6] = [
    ("0.50", 0.5),
    ("0.75", 0.75),
    ("0.95", 0.95),
    ("0.98", 0.98),
    ("0.99", 0.99),
    ("0.999", 0.999),
];

/// Kafka's key of Fetch.
const FETCH: i16 = 1;

/// Everything that the shards have said.
pub(super) fn text(watched: &Watched, said: &[Said], recent: &Recent, lags: &Lags) -> String {
    let mut text = Text::default();
    let reports: Vec<&Report> = said.iter().map(|said| &said.report).collect();
    topics(&mut text, &reports);
    requests(&mut text, watched, &reports, recent);
    connections(&mut text, watched, &reports, recent);
    replicas(&mut text, &reports);
    if let Some(cluster) = reports.iter().find_map(|report| report.cluster) {
        controller(&mut text, watched, &cluster, &reports);
    }
    logs(&mut text, &reports);
    groups(&mut text, lags);
    shards(&mut text, said);
    process(&mut text);
    text.text
}

// -- Kafka's

fn topics(text: &mut Text, reports: &[&Report]) {
    let mut topics: BTreeMap<&str, Traffic> = BTreeMap::new();
    let mut all = Traffic::default();
    for report in reports {
        all += report.gone;
        for (topic, traffic) in &report.topics {
            all += *traffic;
            *topics.entry(topic).or_default() += *traffic;
        }
    }
    type Of = fn(&Traffic) -> u64;
    let metrics: [(&str, &str, Of); 8] = [
        ("messagesin", "Records appended.", |it| it.messages_in),
        ("bytesin", "Bytes of records produced.", |it| it.bytes_in),
        ("bytesout", "Bytes of records sent to clients.", |it| {
            it.bytes_out
        }),
        (
            "bytesrejected",
            "Bytes of record sets that were too large.",
            |it| it.bytes_rejected,
        ),
        ("totalproducerequests", "Record sets produced.", |it| {
            it.produces
        }),
        (
            "failedproducerequests",
            "Record sets refused for what is in them.",
            |it| it.produces_failed,
        ),
        (
            "totalfetchrequests",
            "Partitions asked for by fetches.",
            |it| it.fetches,
        ),
        (
            "failedfetchrequests",
            "Partitions that could not be read.",
            |it| it.fetches_failed,
        ),
    ];
    for (name, help, of) in metrics {
        let name = format!("kafka_server_brokertopicmetrics_{name}_total");
        text.family(&name, "counter", help);
        text.sample(&name, &[], of(&all));
        for (topic, traffic) in &topics {
            text.sample(&name, &[("topic", topic)], of(traffic));
        }
    }
    for name in [
        "replicationbytesin",
        "replicationbytesout",
        "reassignmentbytesin",
    ] {
        let name = format!("kafka_server_brokertopicmetrics_{name}_total");
        text.counter(&name, "Bytes between brokers: there is one replica.", 0);
    }
}

fn requests(text: &mut Text, watched: &Watched, reports: &[&Report], recent: &Recent) {
    let mut versions: BTreeMap<(i16, i16), u64> = BTreeMap::new();
    let mut errors: BTreeMap<(i16, i16), u64> = BTreeMap::new();
    let mut totals: BTreeMap<i16, u64> = BTreeMap::new();
    for api in reports.iter().flat_map(|report| &report.apis) {
        for (version, count) in &api.versions {
            *versions.entry((api.key, *version)).or_default() += count;
        }
        for (code, count) in &api.errors {
            *errors.entry((api.key, *code)).or_default() += count;
        }
        *totals.entry(api.key).or_default() += api.total_us.count();
    }
    // A consumer's fetch has two names.
    let names = |key: i16| {
        let consumer = (key == FETCH).then_some("FetchConsumer");
        [(watched.api_name)(key)].into_iter().chain(consumer)
    };

    const REQUESTS: &str = "kafka_network_requestmetrics_requests_total";
    text.family(REQUESTS, "counter", "Requests begun.");
    for ((key, version), count) in &versions {
        let version = version.to_string();
        for name in names(*key) {
            let labels = [("request", name), ("version", &version)];
            text.sample(REQUESTS, &labels, count);
        }
    }
    const ERRORS: &str = "kafka_network_requestmetrics_errors_total";
    let help = "Responses by the first error that they tell.";
    text.family(ERRORS, "counter", help);
    for ((key, code), count) in &errors {
        let error = (watched.error_name)(*code);
        for name in names(*key) {
            text.sample(ERRORS, &[("request", name), ("error", error)], count);
        }
    }
    let all = totals.iter().flat_map(|(key, count)| {
        let times = recent.api(*key);
        names(*key).map(move |name| (name, times.clone(), *count))
    });
    let help = "From the arrival of a request to the last byte of its answer.";
    text.times("totaltimems", help, &all.collect::<Vec<_>>());
    stages(text, reports, recent);

    const PURGATORY: &str = "kafka_server_delayedoperationpurgatory_purgatorysize";
    let help = "Requests that wait: for records, for the log.";
    text.family(PURGATORY, "gauge", help);
    let sum = |of: fn(&Report) -> u64| reports.iter().map(|report| of(report)).sum::<u64>();
    for (operation, count) in [
        ("Fetch", sum(|it| it.fetches_waiting)),
        ("Produce", sum(|it| it.produces_waiting)),
    ] {
        text.sample(PURGATORY, &[("delayedOperation", operation)], count);
    }
    text.gauge(
        "kafka_server_fetchsessioncache_numincrementalfetchsessions",
        "Fetch sessions that are open.",
        sum(|it| it.fetch_sessions),
    );
}

/// The stages that Kafka has a name for.
fn stages(text: &mut Text, reports: &[&Report], recent: &Recent) {
    let stages = [
        (
            "requestqueuetimems",
            "queue",
            "From the arrival of a request to its handler.",
        ),
        (
            "responsesendtimems",
            "send",
            "From an answer to its last byte in the socket.",
        ),
        (
            "throttletimems",
            "throttle",
            "For how long clients over their quota are held back.",
        ),
        (
            "remotetimems",
            "fetch_wait",
            "How long a fetch waits for records.",
        ),
        (
            "localtimems",
            "acknowledge",
            "From a batch's way to its log to its commit.",
        ),
    ];
    for (name, stage, help) in stages {
        let mut all = Vec::new();
        for (class, count) in counts_of(reports, stage) {
            let (class, requests): (_, &[&str]) = match (stage, class) {
                // Only produces are acknowledged.
                ("acknowledge", _) => (None, &["Produce"]),
                (_, "produce") => (Some(Class::Produce), &["Produce"]),
                (_, "fetch") => (Some(Class::Fetch), &["Fetch", "FetchConsumer"]),
                _ => continue,
            };
            let times = recent.stage(stage, class);
            let requests = requests.iter();
            all.extend(requests.map(|request| (*request, times.clone(), count)));
        }
        text.times(name, help, &all);
    }
}

/// How often a stage was gone through, by class.
fn counts_of(reports: &[&Report], stage: &str) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for row in reports.iter().flat_map(|report| &report.rows) {
        if row.stage == stage {
            *counts.entry(row.class).or_default() += row.values.count();
        }
    }
    counts
}

fn connections(text: &mut Text, watched: &Watched, reports: &[&Report], recent: &Recent) {
    const PREFIX: &str = "kafka_server_socket_server_metrics_";
    let name = format!("{PREFIX}connection_count");
    text.family(&name, "gauge", "Connections that are open.");
    for report in reports {
        let shard = report.shard.to_string();
        for (listener, count) in watched.listeners.iter().zip(&report.connections) {
            let labels = [
                ("listener", listener.as_str()),
                ("networkProcessor", &shard),
            ];
            text.sample(&name, &labels, count);
        }
    }
    type Of = fn(&Report) -> u64;
    let counters: [(&str, &str, Of); 6] = [
        ("connection_creation", "Connections accepted.", |it| {
            it.counters.connections_opened
        }),
        ("connection_close", "Connections ended.", |it| {
            it.counters.connections_closed
        }),
        ("incoming_byte", "Bytes received.", |it| {
            it.counters.bytes_received
        }),
        ("outgoing_byte", "Bytes sent.", |it| {
            it.counters.bytes_sent + it.counters.bytes_sent_by_sendfile
        }),
        ("request", "Requests received.", |it| it.counters.frames),
        ("response", "Responses sent.", |it| it.counters.replies),
    ];
    for (name, help, of) in counters {
        let name = format!("{PREFIX}{name}_total");
        text.family(&name, "counter", help);
        for report in reports {
            let shard = report.shard.to_string();
            text.sample(&name, &[("networkProcessor", &shard)], of(report));
        }
    }
    if let Some(busy) = recent.busy {
        let help = "The share of their time that shards sleep or look for work.";
        for name in [
            "kafka_network_socketserver_networkprocessoravgidle_percent",
            "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
            "kafka_server_kafkarequesthandlerpool_brokerrequesthandleravgidle_percent",
        ] {
            text.gauge(name, help, 1.0 - busy);
        }
    }
}

fn replicas(text: &mut Text, reports: &[&Report]) {
    let logs = || reports.iter().flat_map(|report| &report.logs);
    let count = |is: fn(&LogReport) -> bool| logs().filter(|log| is(log)).count();
    let gauges = [
        (
            "partitioncount",
            "Partitions on this broker.",
            count(|_| true),
        ),
        ("leadercount", "Partitions that it leads.", count(|_| true)),
        (
            "offlinereplicacount",
            "Partitions whose log directory has failed.",
            count(|log| log.is_offline),
        ),
        (
            "underreplicatedpartitions",
            "Partitions with replicas out of sync.",
            count(|log| log.insync_replicas < log.replicas),
        ),
        (
            "underminisrpartitioncount",
            "Partitions with fewer replicas in sync than min.insync.replicas.",
            count(|log| log.insync_replicas < log.insync_replicas_min),
        ),
        (
            "atminisrpartitioncount",
            "Partitions with just min.insync.replicas in sync.",
            count(|log| log.insync_replicas == log.insync_replicas_min),
        ),
        ("reassigningpartitions", "Partitions on the move.", 0),
    ];
    for (name, help, value) in gauges {
        let name = format!("kafka_server_replicamanager_{name}");
        text.gauge(&name, help, value);
    }
    for name in ["isrshrinks", "isrexpands", "failedisrupdates"] {
        let name = format!("kafka_server_replicamanager_{name}_total");
        text.counter(&name, "Changes of who is in sync: there is one replica.", 0);
    }
}

fn controller(text: &mut Text, watched: &Watched, cluster: &ClusterReport, reports: &[&Report]) {
    let logs = reports.iter().flat_map(|report| &report.logs);
    let offline = logs.filter(|log| log.is_offline).count();
    let gauges = [
        (
            "activecontrollercount",
            "Whether this is the controller.",
            1,
        ),
        ("activebrokercount", "Brokers in service.", 1),
        ("fencedbrokercount", "Brokers out of service.", 0),
        ("globaltopiccount", "Topics.", cluster.topics),
        (
            "globalpartitioncount",
            "Partitions of all topics.",
            cluster.partitions,
        ),
        (
            "offlinepartitionscount",
            "Partitions without a leader.",
            offline,
        ),
        (
            "preferredreplicaimbalancecount",
            "Partitions not led by their first replica.",
            0,
        ),
        (
            "metadataerrorcount",
            "Metadata records that could not be applied.",
            0,
        ),
    ];
    for (name, help, value) in gauges {
        let name = format!("kafka_controller_kafkacontroller_{name}");
        text.gauge(&name, help, value);
    }
    text.counter(
        "kafka_controller_controllerstats_uncleanleaderelections_total",
        "Leaders elected that were not in sync.",
        0,
    );
    text.gauge(
        "kafka_log_logmanager_offlinelogdirectorycount",
        "Log directories whose disk has failed.",
        cluster.log_dirs_offline,
    );
    // RUNNING, of Kafka's BrokerState.
    text.gauge("kafka_server_kafkaserver_brokerstate", "3: serving.", 3);
    const STATE: &str = "kafka_server_raft_metrics_current_state";
    let help = "Its part in the quorum of the metadata log.";
    text.family(STATE, "gauge", help);
    text.sample(STATE, &[("state", "leader")], 1);
    let (epoch, end) = (i64::from(cluster.epoch.0), cluster.log_end.0);
    let raft = [
        (
            "current_leader",
            "The metadata log's leader.",
            watched.node.into(),
        ),
        ("current_epoch", "Its epoch.", epoch),
        (
            "high_watermark",
            "What is committed of the metadata log.",
            end,
        ),
        ("log_end_offset", "The metadata log's end.", end),
    ];
    for (name, help, value) in raft {
        text.gauge(&format!("kafka_server_raft_metrics_{name}"), help, value);
    }
}

fn logs(text: &mut Text, reports: &[&Report]) {
    type Of = fn(&LogReport) -> i64;
    let metrics: [(&str, &str, Of); 8] = [
        ("log_log_size", "Bytes of its segments.", |it| {
            it.bytes as i64
        }),
        ("log_log_numlogsegments", "Its segments.", |it| {
            it.segments as i64
        }),
        ("log_log_logstartoffset", "Its first offset.", |it| {
            it.log_start.0
        }),
        (
            "log_log_logendoffset",
            "The offset behind its last record.",
            |it| it.log_end.0,
        ),
        ("cluster_partition_replicascount", "Its replicas.", |it| {
            it.replicas as i64
        }),
        (
            "cluster_partition_insyncreplicascount",
            "Those in sync.",
            |it| it.insync_replicas as i64,
        ),
        (
            "cluster_partition_underminisr",
            "Whether fewer are in sync than it wants.",
            |it| (it.insync_replicas < it.insync_replicas_min).into(),
        ),
        (
            "cluster_partition_atminisr",
            "Whether just as many are in sync as it wants.",
            |it| (it.insync_replicas == it.insync_replicas_min).into(),
        ),
    ];
    for (name, help, of) in metrics {
        let name = format!("kafka_{name}");
        text.family(&name, "gauge", help);
        for log in reports.iter().flat_map(|report| &report.logs) {
            let partition = log.partition.to_string();
            let labels = [("topic", &*log.topic), ("partition", &partition)];
            text.sample(&name, &labels, of(log));
        }
    }
}

// -- kafka_exporter's

fn groups(text: &mut Text, lags: &Lags) {
    type Of = fn(&PartitionLag) -> Option<f64>;
    let by_partition: [(&str, &str, Of); 4] = [
        (
            "kafka_consumergroup_current_offset",
            "The offset that a group has committed.",
            |lag| Some(lag.at.offset.0 as f64),
        ),
        ("kafka_consumergroup_lag", "Records behind it.", |lag| {
            Some(lag.records()? as f64)
        }),
        (
            "kafka_consumergroup_lag_seconds",
            "How long the first of them has been there, by its timestamp; 0 if there is none.",
            |lag| Some(lag.behind_ms? as f64 / 1e3),
        ),
        (
            "millstream_consumergroup_commit_timestamp_seconds",
            "When it was committed, seconds since 1970.",
            |lag| (lag.at.committed.0 >= 0).then_some(lag.at.committed.0 as f64 / 1e3),
        ),
    ];
    for (name, help, of) in by_partition {
        text.family(name, "gauge", help);
        for (group, lag) in lags.partitions() {
            if let Some(value) = of(lag) {
                let partition = lag.at.partition.to_string();
                let labels = [
                    ("consumergroup", group),
                    ("topic", &*lag.at.topic),
                    ("partition", &partition),
                ];
                text.sample(name, &labels, value);
            }
        }
    }
    let sums: [(&str, &str, Of); 2] = [
        (
            "kafka_consumergroup_current_offset_sum",
            "The offsets that a group has committed for a topic, added up.",
            |lag| Some(lag.at.offset.0 as f64),
        ),
        (
            "kafka_consumergroup_lag_sum",
            "Records behind them.",
            |lag| Some(lag.records()? as f64),
        ),
    ];
    for (name, help, of) in sums {
        text.family(name, "gauge", help);
        let mut by_topic: BTreeMap<(&str, &str), f64> = BTreeMap::new();
        for (group, lag) in lags.partitions() {
            *by_topic.entry((group, &lag.at.topic)).or_default() += of(lag).unwrap_or(0.0);
        }
        for ((group, topic), sum) in by_topic {
            text.sample(name, &[("consumergroup", group), ("topic", topic)], sum);
        }
    }
    const MEMBERS: &str = "kafka_consumergroup_members";
    text.family(MEMBERS, "gauge", "Members of a group.");
    for (group, lag) in &lags.groups {
        text.sample(MEMBERS, &[("consumergroup", group)], lag.members);
    }
    const STATE: &str = "millstream_consumergroup_state";
    text.family(
        STATE,
        "gauge",
        "The state that a group is in, and its type.",
    );
    for (group, lag) in &lags.groups {
        let labels = [
            ("consumergroup", &**group),
            ("state", lag.state),
            ("type", lag.kind),
        ];
        text.sample(STATE, &labels, 1);
    }
    const OWNER: &str = "millstream_consumergroup_owner";
    text.family(OWNER, "gauge", "The member that consumes a partition.");
    for (group, lag) in lags.partitions() {
        if let Some(owner) = &lag.at.owner {
            let partition = lag.at.partition.to_string();
            let labels = [
                ("consumergroup", group),
                ("topic", &lag.at.topic),
                ("partition", &partition),
                ("consumer_id", &owner.member),
                ("client_id", &owner.client_id),
                ("host", &owner.client_host),
            ];
            text.sample(OWNER, &labels, 1);
        }
    }
    let help = "Whether groups are left out here, for there are more than are shown.";
    text.gauge("millstream_consumergroups_cut", help, u8::from(lags.is_cut));
}

// -- ours

/// Bounds of a stage's buckets, nanoseconds.
#[rustfmt::skip] // three per decade
const BOUNDS_NS: [u64; 25] = [
    100, 200, 500,
    1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000,
    100_000_000, 200_000_000, 500_000_000,
    1_000_000_000, 2_000_000_000, 5_000_000_000, 10_000_000_000,
];

fn shards(text: &mut Text, said: &[Said]) {
    const INFO: &str = "millstream_build_info";
    text.family(INFO, "gauge", "The version that runs.");
    text.sample(INFO, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let of_each = |text: &mut Text, name: &str, of: &dyn Fn(&Said) -> f64| {
        for said in said {
            let shard = said.report.shard.to_string();
            text.sample(name, &[("shard", &shard)], of(said));
        }
    };
    const UP: &str = "millstream_shard_up";
    let help = "Whether the shard answered this question in time.";
    text.family(UP, "gauge", help);
    of_each(text, UP, &|said| f64::from(u8::from(said.answers)));
    const BUSY: &str = "millstream_shard_busy_seconds_total";
    text.family(BUSY, "counter", "Time that the shard worked.");
    of_each(text, BUSY, &|said| {
        said.report.counters.worked_us as f64 / 1e6
    });
    type Of = fn(&Report) -> u64;
    let counters: [(&str, &str, Of); 7] = [
        ("receives", "Receives that brought something.", |it| {
            it.counters.receives
        }),
        (
            "sends_blocked",
            "Sends that found no room in the socket.",
            |it| it.counters.sends_blocked,
        ),
        (
            "sendfile_bytes",
            "Bytes sent from files by the kernel.",
            |it| it.counters.bytes_sent_by_sendfile,
        ),
        (
            "spliced_bytes",
            "Bytes of files sent through a pipe, not being in the page cache.",
            |it| it.counters.bytes_spliced,
        ),
        (
            "read_bytes",
            "Bytes of files read into memory to be sent.",
            |it| it.counters.bytes_read,
        ),
        (
            "cold_ranges",
            "Stretches of files that were not in the page cache.",
            |it| it.counters.cold_ranges,
        ),
        (
            "requests_parked",
            "Requests that waited for queued.max.request.bytes.",
            |it| it.counters.frames_parked,
        ),
    ];
    for (name, help, of) in counters {
        let name = format!("millstream_{name}_total");
        text.family(&name, "counter", help);
        of_each(text, &name, &|said| of(&said.report) as f64);
    }
    const STAGE: &str = "millstream_stage_seconds";
    let help = "How long the stages of requests take.";
    text.family(STAGE, "histogram", help);
    for said in said {
        for row in said.report.rows.iter().filter(|row| row.values.count() > 0) {
            stage(text, STAGE, &said.report.shard.to_string(), row);
        }
    }
}

fn stage(text: &mut Text, name: &str, shard: &str, row: &Row) {
    let seconds = |ns: u64| ns as f64 / 1e9;
    let labels = [("shard", shard), ("stage", row.stage), ("class", row.class)];
    let [shard, stage, class] = labels;
    let bucket = format!("{name}_bucket");
    for bound in BOUNDS_NS.iter().filter(|bound| **bound >= row.unit_ns) {
        let le = seconds(*bound).to_string();
        let count = row.values.count_up_to(bound / row.unit_ns);
        text.sample(&bucket, &[shard, stage, class, ("le", &le)], count);
    }
    let count = row.values.count();
    text.sample(&bucket, &[shard, stage, class, ("le", "+Inf")], count);
    let sum = row.values.sum() as f64 * seconds(row.unit_ns);
    text.sample(&format!("{name}_sum"), &labels, sum);
    text.sample(&format!("{name}_count"), &labels, count);
}

// -- the process

fn process(text: &mut Text) {
    let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let stat = read("stat");
    // Behind the name, which may hold anything; proc(5) counts fields from 1, the state is the third.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    // Ticks are hundredths of a second on every Linux that Prometheus' own libraries know.
    if let (Some(user), Some(system)) = (field(14), field(15)) {
        let seconds = (user + system) as f64 / 100.0;
        text.counter("process_cpu_seconds_total", "Processor time used.", seconds);
    }
    if let Some(bytes) = field(23) {
        text.gauge("process_virtual_memory_bytes", "Address space.", bytes);
    }
    let number = |text: &str, name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    if let Some(kib) = number(&read("status"), "VmRSS:") {
        let bytes = kib * 1024;
        text.gauge("process_resident_memory_bytes", "Memory in use.", bytes);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        let open = entries.count();
        text.gauge("process_open_fds", "Open files and sockets.", open);
    }
    if let Some(soft) = number(&read("limits"), "Max open files") {
        text.gauge("process_max_fds", "How many may be open.", soft);
    }
    let io = read("io");
    for (name, field) in [("read", "read_bytes:"), ("write", "write_bytes:")] {
        if let Some(bytes) = number(&io, field) {
            let name = format!("kafka_server_kafkaserver_linux_disk_{name}_bytes");
            text.gauge(&name, "Bytes of the disk, by this process.", bytes);
        }
    }
}

// -- the format

#[derive(Default)]
struct Text {
    text: String,
}

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.put(format_args!("{name}"));
        for (at, (label, text)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            self.put(format_args!("{open}{label}=\"{}\"", Escaped(text)));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        self.put(format_args!("{close} {value}\n"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }

    /// Quantiles in ms and how many there were, by Kafka's name of the request.
    fn times(&mut self, name: &str, help: &str, all: &[(&str, Snapshot, u64)]) {
        let name = format!("kafka_network_requestmetrics_{name}");
        self.family(&name, "gauge", help);
        for (request, times_us, _) in all {
            for (label, quantile) in QUANTILES {
                let ms = times_us.value_at(quantile) as f64 / 1e3;
                let labels = [("request", *request), ("quantile", label)];
                self.sample(&name, &labels, ms);
            }
        }
        let count = format!("{name}_count");
        self.family(&count, "counter", "How many of them.");
        for (request, _, times) in all {
            self.sample(&count, &[("request", request)], times);
        }
    }

    fn put(&mut self, what: fmt::Arguments<'_>) {
        self.text
            .write_fmt(what)
            .expect("a string takes everything");
    }
}

/// A label's value: backslash, quote and line feed are escaped.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for symbol in self.0.chars() {
            match symbol {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                symbol => f.write_char(symbol)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out_of_their_quotes() {
        let mut text = Text::default();
        text.sample("a", &[("b", "x\"} 1\n\\"), ("c", "é")], 5);
        assert_eq!(text.text, "a{b=\"x\\\"} 1\\n\\\\\",c=\"é\"} 5\n");
    }
}
