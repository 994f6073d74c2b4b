//! Start and stop: what a clean stop leaves, what survives an end without one, and what a broker
//! says that cannot start.

use crate::broker::{Broker, Directory, command, ended};
use crate::client::{FETCH, PRODUCE, fetch_request, produce_request};
use crate::records::{batch, headers, large, sequenced, values};
use millstream::wire::{
    ErrorCode, FetchResponse, MetadataRequest, MetadataResponse, ProduceResponse,
};
use std::fs::OpenOptions;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const MARKER: &str = ".kafka_cleanshutdown";

#[test]
fn a_clean_stop_answers_what_is_in_flight_and_leaves_the_marker() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=4"]);
    let topic = broker.topic("t", 4);
    let mut client = broker.client();
    const REQUESTS: i32 = 40;
    for at in 0..REQUESTS {
        client.send(
            PRODUCE,
            &produce_request(-1, &topic, vec![(at % 4, large(20_000))]),
        );
    }
    // All have arrived once one has been answered behind them.
    let first: ProduceResponse = client.receive_earlier(PRODUCE, REQUESTS - 1);
    assert_eq!(
        first.responses[0].partition_responses[0].error_code,
        ErrorCode::NONE
    );
    broker.terminate();
    let mut answered = 1;
    while let Some(frame) = client.frame() {
        assert!(frame.len() > 20);
        answered += 1;
    }
    let status = broker.ended();
    assert!(status.success(), "{status}");
    let data = directory.data();
    assert!(data.join(MARKER).exists(), "the stop was clean");
    assert!(!data.join(".lock").exists(), "the lock is given back");

    let broker = Broker::start(&directory, &["num.shards=4"]);
    assert!(
        !data.join(MARKER).exists(),
        "a running broker has not stopped cleanly"
    );
    let mut client = broker.client();
    let stored: i64 = (0..4)
        .map(|partition| client.fetch(&topic, partition, 0).response.high_watermark)
        .sum();
    assert!(
        stored >= answered,
        "{answered} were acknowledged, {stored} are there"
    );
    broker.stop();
}

#[test]
fn a_stop_answers_long_polls_and_closes_idle_connections() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let topic = broker.topic("t", 2);
    let mut idle = broker.client();
    let mut waiting = broker.client();
    let mut request = fetch_request(&topic, &[(0, 0), (1, 0)]);
    request.max_wait_ms = 25_000;
    waiting.send(FETCH, &request);
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    broker.terminate();
    idle.expect_end();
    if let Some(frame) = waiting.frame() {
        assert!(!frame.is_empty());
        waiting.expect_end();
    }
    assert!(broker.ended().success());
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn everything_is_there_again_after_a_clean_stop() {
    restarted(Broker::stop);
}

#[test]
fn everything_is_there_again_after_a_kill() {
    restarted(Broker::kill);
}

/// Fills a broker, ends it, and looks whether another one knows all of it.
fn restarted(end: fn(Broker)) {
    let directory = Directory::new();
    let overrides = ["num.shards=2"];
    let broker = Broker::start(&directory, &overrides);
    let settings = [
        ("segment.bytes", "1048576"),
        ("max.message.bytes", "300000"),
    ];
    let topic = broker.topic_with("t", 3, &settings);
    let gone = broker.topic("gone", 1);
    let mut client = broker.client();
    let cluster: millstream::wire::DescribeClusterResponse =
        client.call(0, &millstream::wire::DescribeClusterRequest::default());
    for at in 0..30i64 {
        for partition in 0..3 {
            assert_eq!(client.append(&topic, partition, large(100_000)), at);
        }
    }
    client.append(&topic, 1, sequenced(5, 0, 0, 2));
    client.append(&topic, 1, sequenced(5, 0, 2, 2));
    let deleted: millstream::wire::DeleteTopicsResponse = client.call(
        6,
        &millstream::wire::DeleteTopicsRequest {
            topics: vec![millstream::wire::DeleteTopic {
                name: None,
                topic_id: gone.id,
            }],
            ..Default::default()
        },
    );
    assert_eq!(deleted.responses[0].error_code, ErrorCode::NONE);
    end(broker);

    let broker = Broker::start(&directory, &overrides);
    let mut client = broker.client();
    let again: millstream::wire::DescribeClusterResponse =
        client.call(0, &millstream::wire::DescribeClusterRequest::default());
    assert_eq!(again.cluster_id, cluster.cluster_id);
    for partition in 0..3 {
        let end = if partition == 1 { 34 } else { 30 };
        let mut offset = 0;
        while offset < end {
            // By id: the topic is the same one.
            let fetched = client.fetch(&topic, partition, offset);
            assert_eq!(fetched.response.error_code, ErrorCode::NONE);
            assert_eq!(fetched.response.high_watermark, end);
            let read = headers(fetched.records);
            assert!(!read.is_empty(), "nothing at {offset}");
            for header in read {
                assert_eq!(header.base_offset.0, offset);
                offset = header.next_offset().0;
            }
        }
    }
    // What producers sent is remembered: no duplicate, no gap.
    assert_eq!(client.append(&topic, 1, sequenced(5, 0, 2, 2)), 32);
    let gap = client.produce(&topic, 1, sequenced(5, 0, 5, 1));
    assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(client.append(&topic, 1, sequenced(5, 0, 4, 1)), 34);
    // So are settings, and that a topic was deleted.
    let large = client.produce(&topic, 0, large(300_001));
    assert_eq!(large.error_code, ErrorCode::MESSAGE_TOO_LARGE);
    let unknown = client.produce(&gone, 0, batch(&["a"]));
    assert_eq!(unknown.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    broker.stop();
}

#[test]
fn a_torn_end_of_a_log_is_cut_off_after_a_kill() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    let topic = broker.topic("torn", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a"]));
    client.append(&topic, 0, batch(&["b"]));
    let log = broker.partition(&topic, 0).join("00000000000000000000.log");
    broker.kill();
    let mut file = OpenOptions::new().append(true).open(&log).expect("the log");
    file.write_all(&batch(&["half of a batch"])[..50])
        .expect("it is written");
    drop(file);

    let broker = Broker::start(&directory, &["num.shards=1"]);
    let mut client = broker.client();
    assert_eq!(client.append(&topic, 0, batch(&["c"])), 2);
    assert_eq!(values(client.fetch(&topic, 0, 0).records), ["a", "b", "c"]);
    broker.stop();
}

#[test]
fn a_restart_raises_the_leader_epoch_and_fences_those_who_know_the_old_one() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    let topic = broker.topic("epochs", 1);
    broker.client().append(&topic, 0, batch(&["a"]));
    broker.stop();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["b"]));
    let epochs: Vec<i32> = headers(client.fetch(&topic, 0, 0).records)
        .iter()
        .map(|header| header.leader_epoch.0)
        .collect();
    assert_eq!(epochs[0], 0);
    assert!(epochs[1] > 0, "{epochs:?}");
    let mut code = |epoch| {
        let mut request = fetch_request(&topic, &[(0, 0)]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        client.send(FETCH, &request);
        let (response, _) = client.receive::<FetchResponse>(FETCH);
        response.responses[0].partitions[0].error_code
    };
    assert_eq!(code(0), ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!(code(epochs[1]), ErrorCode::NONE);
    assert_eq!(code(epochs[1] + 1), ErrorCode::UNKNOWN_LEADER_EPOCH);
    broker.stop();
}

// -- what keeps a broker from starting

/// Runs a broker that must fail, and returns the one line in which it says why.
fn failure(data: &Path, overrides: &[&str]) -> String {
    let mut child = command(data, overrides)
        .args(["--log", "error"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let status = ended(&mut child, String::new);
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("it is piped");
    std::io::Read::read_to_string(&mut stderr, &mut said).expect("text");
    assert_eq!(status.code(), Some(1), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 1, "one line: {said}");
    assert!(said.starts_with("millstream: "), "{said}");
    said
}

#[test]
fn a_data_directory_in_use_is_named() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    let topic = broker.topic("t", 1);
    let said = failure(&directory.data(), &["num.shards=1"]);
    assert!(said.contains("is in use by another broker"), "{said}");
    assert!(
        said.contains(&*directory.data().to_string_lossy()),
        "{said}"
    );
    // The one that runs has not noticed.
    assert_eq!(broker.client().append(&topic, 0, batch(&["a"])), 0);
    broker.stop();
    assert!(directory.data().join(MARKER).exists());
}

#[test]
fn a_port_in_use_is_named() {
    let directory = Directory::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it is bound").port();
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{port}");
    let said = failure(&directory.data(), &[&listeners]);
    assert!(said.contains(&format!("port {port} is in use")), "{said}");
}

#[test]
fn a_directory_of_another_node_is_refused() {
    let directory = Directory::new();
    Broker::start(&directory, &["num.shards=1", "node.id=1"]).stop();
    let said = failure(&directory.data(), &["node.id=2"]);
    assert!(said.contains("node.id"), "{said}");
}

#[test]
fn a_path_that_cannot_be_a_directory_is_named() {
    let directory = Directory::new();
    let file = directory.path().join("file");
    std::fs::write(&file, "not a directory").expect("it is writable");
    let said = failure(&file, &[]);
    assert!(said.contains(&*file.to_string_lossy()), "{said}");
    let said = failure(&file.join("below"), &[]);
    assert!(said.contains(&*file.to_string_lossy()), "{said}");
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    let directory = Directory::new();
    let data = directory.data();
    std::fs::create_dir(&data).expect("it is new");
    let mut rights = std::fs::metadata(&data).expect("it is there").permissions();
    rights.set_readonly(true);
    std::fs::set_permissions(&data, rights).expect("it is ours");
    if std::fs::write(data.join("probe"), "").is_ok() {
        eprintln!("skipped: this user, root, may write everywhere");
        return;
    }
    let said = failure(&data, &[]);
    assert!(said.contains(&*data.to_string_lossy()), "{said}");
}

#[test]
fn bad_values_are_named_with_their_reason() {
    let directory = Directory::new();
    for (setting, name) in [
        ("num.shards=0", "num.shards"),
        ("num.shards=many", "num.shards"),
        ("log.segment.bytes=1", "log.segment.bytes"),
        ("listeners=HTTP//nowhere", "listeners"),
        ("log.append.mode=fast", "log.append.mode"),
    ] {
        let said = failure(&directory.data(), &[setting]);
        assert!(said.contains(name), "{setting}: {said}");
    }
    assert!(!directory.data().exists(), "nothing was touched");
}

#[test]
fn a_bad_line_of_the_file_is_named_by_its_number() {
    let directory = Directory::new();
    let file = directory.path().join("server.properties");
    std::fs::write(&file, "# first\nnode.id=1\nnum.partitions=none\n").expect("it is writable");
    let mut command = command(&directory.data(), &[]);
    let output = command
        .arg(&file)
        .stdout(Stdio::null())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("server.properties:3"), "{said}");
    assert!(said.contains("num.partitions"), "{said}");
}

#[test]
fn a_port_is_free_again_as_soon_as_the_broker_has_ended() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    let port = broker.port();
    let _open = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    broker.stop();
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{port}");
    let broker = Broker::start(&directory, &["num.shards=1", &listeners]);
    assert_eq!(broker.port(), port);
    broker.stop();
}

#[test]
fn sigint_stops_as_sigterm_does_and_a_second_signal_ends_at_once() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[]);
    broker.interrupt();
    assert!(broker.ended().success());
    assert!(directory.data().join(MARKER).exists(), "the stop was clean");

    let broker = Broker::start(&directory, &[]);
    let topic = broker.topic("t", 1);
    let mut client = broker.client();
    // More than the buffers of the sockets take.
    for _ in 0..24 {
        client.append(&topic, 0, large(900_000));
    }
    // A reader that does not read keeps the clean stop waiting, once its answer has begun.
    let mut fetch = fetch_request(&topic, &[(0, 0)]);
    fetch.topics[0].partitions[0].partition_max_bytes = i32::MAX;
    client.send(FETCH, &fetch);
    client.stream.peek(&mut [0]).expect("an answer begins");
    while !broker.said().contains("stopping") {
        broker.interrupt();
        std::thread::sleep(Duration::from_millis(20));
    }
    let began = Instant::now();
    broker.interrupt();
    let status = broker.ended();
    assert_eq!(status.code(), Some(1), "{status}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(
        !directory.data().join(MARKER).exists(),
        "nobody may take it for a clean stop"
    );
}

#[test]
fn the_advertised_address_is_what_clients_are_told() {
    let directory = Directory::new();
    let advertised = "advertised.listeners=PLAINTEXT://broker.example:19092";
    let broker = Broker::start(&directory, &[advertised]);
    let response: MetadataResponse = broker.client().call(12, &MetadataRequest::default());
    let told: Vec<_> = response
        .brokers
        .iter()
        .map(|it| (it.host.to_string(), it.port))
        .collect();
    assert_eq!(told, [("broker.example".to_owned(), 19092)]);
    broker.stop();
}
