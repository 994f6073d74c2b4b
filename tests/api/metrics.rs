//! `/metrics`: its figures agree with what a client did, under Kafka's names; and a port that somebody
//! else has keeps no broker from serving.

use crate::broker::{Broker, Directory, Topic};
use crate::client::{Client, FETCH, PRODUCE, fetch_request, fetched, produce_request};
use crate::members::{HASTY, Member, all_loaded, subscription};
use crate::records::{batch, batch_at, large, now_ms};
use millstream::batch::Codec;
use millstream::wire::{
    ConsumerProtocolAssignment, ConsumerProtocolTopic, DeleteRecordsPartition,
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic, DeleteTopic,
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, FetchResponse, ProduceResponse,
};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends bytes to the port of the metrics: all that comes back.
fn ask(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the console listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    stream.write_all(request).expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    text
}

/// Every sample of a page, by its name and labels as they stand there.
struct Samples(BTreeMap<String, f64>);

impl Samples {
    fn of(broker: &Broker) -> Samples {
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        let text = ask(broker.metrics_port(), request);
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let kind = "Content-Type: text/plain; version=0.0.4";
        assert!(head.contains(kind), "{head}");
        let samples = body.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        });
        Samples(samples.collect())
    }

    fn get(&self, name: &str) -> f64 {
        *self
            .0
            .get(name)
            .unwrap_or_else(|| panic!("{name} is missing among {:#?}", self.0.keys()))
    }

    /// A counter of a topic.
    fn topic(&self, name: &str, topic: &str) -> f64 {
        self.get(&format!(
            "kafka_server_brokertopicmetrics_{name}_total{{topic=\"{topic}\"}}"
        ))
    }

    /// How often all shards went through a stage.
    fn stage(&self, stage: &str, class: &str) -> f64 {
        let labels = format!("stage=\"{stage}\",class=\"{class}\"}}");
        let all = self.0.iter().filter(|(name, _)| {
            name.starts_with("millstream_stage_seconds_count") && name.ends_with(&labels)
        });
        all.map(|(_, count)| count).sum()
    }

    /// The sum of every series of a name.
    fn sum(&self, name: &str) -> f64 {
        let start = format!("{name}{{");
        let all = self.0.iter().filter(|(it, _)| it.starts_with(&start));
        all.map(|(_, value)| value).sum()
    }
}

/// A broker of two shards.
fn broker(directory: &Directory) -> Broker {
    Broker::start(directory, &["num.shards=2", "num.partitions=2"])
}

fn fetch_all(client: &mut Client, topic: &Topic, partitions: &[(i32, i64)]) -> u64 {
    client.send(FETCH, &fetch_request(topic, partitions));
    let (response, frame): (FetchResponse<'static>, _) = client.receive(FETCH);
    let parts = fetched(response, frame);
    parts.iter().map(|part| part.records.len() as u64).sum()
}

#[test]
fn figures_agree_with_what_a_client_did() {
    let directory = Directory::new();
    let broker = broker(&directory);
    let topic = broker.topic("counted", 2);
    let other = broker.topic("other", 1);
    let mut client = broker.client();
    let mut bytes = 0;
    for round in 0..40 {
        let records = match round % 4 {
            0 => batch(&["a", "b", "c"]),
            _ => large(1_000),
        };
        bytes += records.len() as u64;
        client.append(&topic, round % 2, records);
    }
    let messages = 10 * 3 + 30;
    client.append(&other, 0, batch(&["x"]));
    let sent = fetch_all(&mut client, &topic, &[(0, 0), (1, 0)]);
    assert_eq!(sent, bytes, "all of it was fetched");

    let samples = Samples::of(&broker);
    assert_eq!(samples.topic("bytesin", "counted"), bytes as f64);
    assert_eq!(samples.topic("messagesin", "counted"), f64::from(messages));
    assert_eq!(samples.topic("totalproducerequests", "counted"), 40.0);
    assert_eq!(samples.topic("failedproducerequests", "counted"), 0.0);
    assert_eq!(samples.topic("bytesout", "counted"), sent as f64);
    assert!(samples.topic("totalfetchrequests", "counted") >= 2.0);
    assert_eq!(samples.topic("messagesin", "other"), 1.0);
    let all = samples.get("kafka_server_brokertopicmetrics_messagesin_total");
    assert_eq!(all, f64::from(messages + 1));

    let requests = |request, version| {
        let name = "kafka_network_requestmetrics_requests_total";
        samples.get(&format!(
            "{name}{{request=\"{request}\",version=\"{version}\"}}"
        ))
    };
    assert_eq!(requests("Produce", PRODUCE), 41.0);
    assert_eq!(requests("Fetch", FETCH), 1.0);
    assert_eq!(requests("FetchConsumer", FETCH), 1.0);
    let total = "kafka_network_requestmetrics_totaltimems";
    let count = format!("{total}_count{{request=\"Produce\"}}");
    assert_eq!(samples.get(&count), 41.0);
    let quantile = |quantile| {
        let labels = format!("request=\"Produce\",quantile=\"{quantile}\"");
        samples.get(&format!("{total}{{{labels}}}"))
    };
    assert!(0.0 < quantile("0.50") && quantile("0.50") <= quantile("0.999"));

    assert_eq!(samples.stage("queue", "produce"), 41.0);
    assert_eq!(samples.stage("acknowledge", ""), 41.0);
    assert_eq!(samples.stage("send", "produce"), 41.0);
    assert_eq!(samples.stage("fetch_wait", "fetch"), 1.0);
    assert!(samples.stage("append", "") >= 1.0);
    assert!(samples.stage("crc", "") >= 1.0, "a shard's first is timed");

    let replicas = |name| samples.get(&format!("kafka_server_replicamanager_{name}"));
    assert_eq!(replicas("partitioncount"), 3.0);
    assert_eq!(replicas("underreplicatedpartitions"), 0.0);
    let topics = "kafka_controller_kafkacontroller_globaltopiccount";
    assert_eq!(samples.get(topics), 2.0);
    let mut offsets = 0.0;
    for partition in 0..2 {
        let log = |name| {
            let labels = format!("topic=\"counted\",partition=\"{partition}\"");
            samples.get(&format!("kafka_log_log_{name}{{{labels}}}"))
        };
        let segment = broker.partition(&topic, partition);
        let segment = segment.join("00000000000000000000.log");
        let length = std::fs::metadata(segment).expect("a segment").len();
        assert_eq!(log("size"), length as f64);
        assert_eq!(log("numlogsegments"), 1.0);
        assert_eq!(log("logstartoffset"), 0.0);
        offsets += log("logendoffset");
    }
    assert_eq!(offsets, f64::from(messages));

    let sockets = "kafka_server_socket_server_metrics_connection";
    assert!(samples.sum(&format!("{sockets}_count")) >= 1.0);
    assert!(samples.sum(&format!("{sockets}_creation_total")) >= 3.0);
    assert!(samples.get("process_open_fds") > 5.0);
}

#[test]
fn refusals_are_counted_by_their_error() {
    let directory = Directory::new();
    let broker = broker(&directory);
    let topic = broker.topic_with("refusing", 1, &[("max.message.bytes", "2000")]);
    let mut client = broker.client();
    let mut produce = |records: Vec<u8>| {
        let request = produce_request(1, &topic, vec![(0, records)]);
        let response: ProduceResponse<'_> = client.call(PRODUCE, &request);
        response.responses[0].partition_responses[0].error_code
    };
    let too_large = large(5_000);
    let length = too_large.len() as f64;
    assert_eq!(produce(too_large), ErrorCode::MESSAGE_TOO_LARGE);
    let mut broken = batch(&["a"]);
    let last = broken.len() - 1;
    broken[last] ^= 1;
    assert_eq!(produce(broken), ErrorCode::CORRUPT_MESSAGE);
    assert_eq!(produce(batch(&["fine"])), ErrorCode::NONE);

    let samples = Samples::of(&broker);
    let errors = |error| {
        let name = "kafka_network_requestmetrics_errors_total";
        samples.get(&format!("{name}{{request=\"Produce\",error=\"{error}\"}}"))
    };
    assert_eq!(errors("MESSAGE_TOO_LARGE"), 1.0);
    assert_eq!(errors("CORRUPT_MESSAGE"), 1.0);
    assert_eq!(samples.topic("bytesrejected", "refusing"), length);
    assert_eq!(samples.topic("totalproducerequests", "refusing"), 3.0);
    assert_eq!(samples.topic("messagesin", "refusing"), 1.0);
}

#[test]
fn what_a_deleted_topic_had_stays_in_the_sums_and_not_under_its_name() {
    let directory = Directory::new();
    let broker = broker(&directory);
    let topic = broker.topic("short-lived", 2);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a"]));
    client.append(&topic, 1, batch(&["b"]));
    let sent = fetch_all(&mut client, &topic, &[(0, 0), (1, 0)]);
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopic {
            name: Some("short-lived".into()),
            ..Default::default()
        }],
        timeout_ms: 30_000,
        ..Default::default()
    };
    let response: DeleteTopicsResponse<'_> = client.call(6, &request);
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    // Twice, because the first page could have been the one that forgets.
    for _ in 0..2 {
        let samples = Samples::of(&broker);
        let all = |name| samples.get(&format!("kafka_server_brokertopicmetrics_{name}_total"));
        assert_eq!(all("messagesin"), 2.0);
        assert_eq!(all("bytesout"), sent as f64);
        let named = samples.0.keys().any(|name| name.contains("short-lived"));
        assert!(!named);
        let partitions = "kafka_server_replicamanager_partitioncount";
        assert_eq!(samples.get(partitions), 0.0);
    }
}

#[test]
fn whatever_is_sent_there_the_next_one_is_answered() {
    let directory = Directory::new();
    let broker = broker(&directory);
    let port = broker.metrics_port();
    let status = |request: &[u8]| {
        let text = ask(port, request);
        text.lines().next().unwrap_or_default().to_owned()
    };
    let get = |path: &str| status(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes());
    assert_eq!(get("/nothing"), "HTTP/1.1 404 Not Found");
    assert_eq!(get("/"), "HTTP/1.1 200 OK");
    let post = status(b"POST /metrics HTTP/1.1\r\n\r\n");
    assert_eq!(post, "HTTP/1.1 405 Method Not Allowed");
    let garbage = status(b"\x16\x03\x01\x02\x00\r\n\r\n");
    assert_eq!(garbage, "HTTP/1.1 400 Bad Request");
    let mut long = format!("GET /{}", "a".repeat(8 * 1024)).into_bytes();
    long.truncate(8 * 1024 + 1);
    assert_eq!(status(&long), "HTTP/1.1 400 Bad Request");
    let head = ask(port, b"HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    // One that says nothing holds nobody up.
    let _silent = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    assert_eq!(get("/metrics"), "HTTP/1.1 200 OK");
}

#[test]
fn a_port_in_use_keeps_no_broker_from_serving_and_is_taken_when_it_is_free() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("its address").port();
    let directory = Directory::new();
    let listener = format!("millstream.metrics.listener=127.0.0.1:{port}");
    let broker = Broker::start(&directory, &[&listener]);
    let said = broker.said();
    let warning = format!("no metrics at 127.0.0.1:{port}");
    assert!(said.contains(&warning), "{said}");
    broker.topic("served", 1);
    drop(taken);
    let deadline = Instant::now() + PATIENCE;
    while !broker.said().contains("metrics at http://") {
        assert!(Instant::now() < deadline, "{}", broker.said());
        sleep(Duration::from_millis(50));
    }
    assert_eq!(broker.metrics_port(), port);
    Samples::of(&broker);
}

#[test]
fn without_a_listener_nothing_listens() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["millstream.metrics.listener="]);
    assert!(!broker.said().contains("metrics"), "{}", broker.said());
}

#[test]
fn beyond_a_few_connections_at_once_none_is_kept_and_none_is_kept_for_ever() {
    let directory = Directory::new();
    let broker = broker(&directory);
    let port = broker.metrics_port();
    let connect = || TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let mut silent: Vec<TcpStream> = (0..64).map(|_| connect()).collect();
    let is_open = |stream: &mut TcpStream| {
        let wait = Duration::from_millis(20);
        stream.set_read_timeout(Some(wait)).expect("an option");
        let error = match stream.read(&mut [0]) {
            Ok(count) => {
                assert_eq!(count, 0, "nobody has asked");
                return false;
            }
            Err(error) => error,
        };
        error.kind() == ErrorKind::WouldBlock
    };
    // The first eight wait for a request, the others were closed as they came.
    let deadline = Instant::now() + PATIENCE;
    while silent
        .iter_mut()
        .filter_map(|it| is_open(it).then_some(()))
        .count()
        > 8
    {
        assert!(Instant::now() < deadline, "more than eight are open");
    }
    assert!(silent.iter_mut().take(8).all(is_open));
    // Clients of the broker do not notice.
    broker.topic("served", 1);
    // Their time is over after ten seconds, whatever they do.
    while silent.iter_mut().any(is_open) {
        assert!(Instant::now() < deadline, "a silent one is kept");
    }
    Samples::of(&broker);
}

#[test]
fn groups_are_behind_by_records_and_by_time() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[&["num.shards=2"][..], &HASTY].concat());
    let topic = broker.topic("read", 3);
    let mut client = broker.client();
    let hour_ago = now_ms() - 3_600_000;
    let times = [hour_ago, hour_ago + 600_000, hour_ago + 1_200_000];
    client.append(&topic, 0, batch_at(Codec::Lz4, &times));
    client.append(&topic, 1, batch(&["x"]));
    let mut member = Member::of(&broker, "readers");
    all_loaded(&broker);
    member.metadata = subscription(&["read"]);
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: vec![ConsumerProtocolTopic {
            topic: "read".into(),
            partitions: vec![0],
        }],
        user_data: None,
    };
    let assignment = assignment.to_bytes(0).expect("the version is known");
    member.settle(&assignment);
    let committed = member.commit(&topic, &[(0, 1), (1, 1)]);
    assert_eq!(committed, ErrorCode::NONE);

    let of = |partition: i32| {
        format!("{{consumergroup=\"readers\",topic=\"read\",partition=\"{partition}\"}}")
    };
    let samples = Samples::of(&broker);
    let figure = |name: &str, partition| samples.get(&format!("{name}{}", of(partition)));
    assert_eq!(figure("kafka_consumergroup_current_offset", 0), 1.0);
    assert_eq!(figure("kafka_consumergroup_lag", 0), 2.0);
    let seconds = figure("kafka_consumergroup_lag_seconds", 0);
    // The second record was written ten minutes after the first.
    assert!((3_000.0..3_100.0).contains(&seconds), "{seconds}");
    assert_eq!(figure("kafka_consumergroup_lag", 1), 0.0);
    assert_eq!(figure("kafka_consumergroup_lag_seconds", 1), 0.0);
    let at = figure("millstream_consumergroup_commit_timestamp_seconds", 0);
    assert!((at - now_ms() as f64 / 1e3).abs() < 60.0, "{at}");
    let by_topic = "{consumergroup=\"readers\",topic=\"read\"}";
    assert_eq!(
        samples.get(&format!("kafka_consumergroup_lag_sum{by_topic}")),
        2.0
    );
    let members = "kafka_consumergroup_members{consumergroup=\"readers\"}";
    assert_eq!(samples.get(members), 1.0);
    let state = "millstream_consumergroup_state{consumergroup=\"readers\",state=\"Stable\",type=\"classic\"}";
    assert_eq!(samples.get(state), 1.0);
    assert_eq!(samples.get("millstream_consumergroups_cut"), 0.0);
    let owners: Vec<&String> = samples
        .0
        .keys()
        .filter(|name| name.starts_with("millstream_consumergroup_owner"))
        .collect();
    let labels = format!(
        "consumer_id=\"{}\",client_id=\"tests\",host=\"/127.0.0.1\"",
        member.id
    );
    assert_eq!(owners.len(), 1, "{owners:?}");
    assert!(
        owners[0].contains("partition=\"0\"") && owners[0].contains(&labels),
        "{owners:?}"
    );

    // What it has consumed is not behind any more; records that are deleted have no time.
    assert_eq!(member.commit(&topic, &[(0, 3), (2, 0)]), ErrorCode::NONE);
    client.append(&topic, 2, batch(&["a", "b"]));
    let delete = DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: "read".into(),
            partitions: vec![DeleteRecordsPartition {
                partition_index: 2,
                offset: 1,
            }],
        }],
        timeout_ms: 30_000,
    };
    let _: DeleteRecordsResponse<'_> = client.call(2, &delete);
    let samples = Samples::of(&broker);
    let figure =
        |name: &str, partition| samples.0.get(&format!("{name}{}", of(partition))).copied();
    assert_eq!(figure("kafka_consumergroup_lag_seconds", 0), Some(0.0));
    assert_eq!(figure("kafka_consumergroup_lag", 2), Some(2.0));
    assert_eq!(figure("kafka_consumergroup_lag_seconds", 2), None);
}
