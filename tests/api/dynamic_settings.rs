//! Settings that change while the broker runs, each shown by what it does: of a topic, of this broker,
//! and of all brokers as the default of topics that have none of their own.

use crate::broker::{self, Broker, Directory, Topic};
use crate::client::Client;
use crate::records::{batch, batch_at, builder, large, now_ms};
use crate::settings::{BROKER, DELETE, TOPIC, alter, set};
use millstream::batch::Codec;
use millstream::types::Timestamp;
use millstream::wire::ErrorCode;
use std::fs;
use std::time::Duration;

/// The sizes of a partition's files of that kind, in the order of their offsets.
fn sizes(broker: &Broker, topic: &Topic, kind: &str) -> Vec<u64> {
    let mut files: Vec<_> = fs::read_dir(broker.partition(topic, 0))
        .expect("the partition's directory")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(kind))
        .collect();
    files.sort_by_key(|entry| entry.file_name());
    let sizes = files.iter().map(|it| it.metadata().expect("a file").len());
    sizes.collect()
}

fn unset(client: &mut Client, kind: i8, name: &str, key: &str) {
    let result = alter(client, 1, kind, name, &[(key, DELETE, None)]);
    assert_eq!(result, (ErrorCode::NONE, None), "{key}");
}

/// What becomes of a batch.
fn fate(client: &mut Client, topic: &Topic, records: Vec<u8>) -> ErrorCode {
    client.produce(topic, 0, records).error_code
}

#[test]
fn max_message_bytes() {
    let broker = broker::shared();
    let topic = broker.topic("effect-max-bytes", 1);
    let mut client = broker.client();
    assert_eq!(fate(&mut client, &topic, large(5000)), ErrorCode::NONE);
    set(&mut client, TOPIC, &topic.name, "max.message.bytes", "4000");
    let error = fate(&mut client, &topic, large(5000));
    assert_eq!(error, ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(fate(&mut client, &topic, large(3000)), ErrorCode::NONE);
    set(
        &mut client,
        TOPIC,
        &topic.name,
        "max.message.bytes",
        "2000000",
    );
    assert_eq!(fate(&mut client, &topic, large(1_500_000)), ErrorCode::NONE);
}

#[test]
fn cleanup_policy_compact_wants_keys() {
    let broker = broker::shared();
    let topic = broker.topic("effect-compact", 1);
    let mut client = broker.client();
    assert_eq!(
        fate(&mut client, &topic, batch(&["keyless"])),
        ErrorCode::NONE
    );
    set(&mut client, TOPIC, &topic.name, "cleanup.policy", "compact");
    let error = fate(&mut client, &topic, batch(&["keyless"]));
    assert_eq!(error, ErrorCode::INVALID_RECORD);
    let mut keyed = builder();
    keyed.push(Timestamp(now_ms()), Some(b"key"), Some(b"value"), &[]);
    assert_eq!(fate(&mut client, &topic, keyed.finish()), ErrorCode::NONE);
    unset(&mut client, TOPIC, &topic.name, "cleanup.policy");
    assert_eq!(
        fate(&mut client, &topic, batch(&["keyless"])),
        ErrorCode::NONE
    );
}

#[test]
fn message_timestamp_type() {
    let broker = broker::shared();
    let topic = broker.topic("effect-timestamp-type", 1);
    let mut client = broker.client();
    let time = |client: &mut Client| {
        let response = client.produce(&topic, 0, batch_at(Codec::None, &[1000]));
        assert_eq!(response.error_code, ErrorCode::NONE);
        response.log_append_time_ms
    };
    assert_eq!(time(&mut client), -1);
    let before = now_ms();
    set(
        &mut client,
        TOPIC,
        &topic.name,
        "message.timestamp.type",
        "LogAppendTime",
    );
    assert!(time(&mut client) >= before, "the broker's time");
    unset(&mut client, TOPIC, &topic.name, "message.timestamp.type");
    assert_eq!(time(&mut client), -1);
}

#[test]
fn message_timestamp_before_and_after_max_ms() {
    let broker = broker::shared();
    let topic = broker.topic("effect-timestamp-bounds", 1);
    let mut client = broker.client();
    let hour = 3_600_000;
    let past =
        |client: &mut Client| fate(client, &topic, batch_at(Codec::None, &[now_ms() - hour]));
    let future = |client: &mut Client| {
        fate(
            client,
            &topic,
            batch_at(Codec::None, &[now_ms() + 2 * hour]),
        )
    };
    assert_eq!(past(&mut client), ErrorCode::NONE);
    assert_eq!(future(&mut client), ErrorCode::INVALID_TIMESTAMP);
    set(
        &mut client,
        TOPIC,
        &topic.name,
        "message.timestamp.before.max.ms",
        "60000",
    );
    set(
        &mut client,
        TOPIC,
        &topic.name,
        "message.timestamp.after.max.ms",
        "36000000",
    );
    assert_eq!(past(&mut client), ErrorCode::INVALID_TIMESTAMP);
    assert_eq!(future(&mut client), ErrorCode::NONE);
}

#[test]
fn segment_bytes() {
    let broker = broker::shared();
    let topic = broker.topic("effect-segment-bytes", 1);
    let mut client = broker.client();
    for _ in 0..3 {
        client.append(&topic, 0, large(600_000));
    }
    assert_eq!(sizes(broker, &topic, ".log").len(), 1);
    set(&mut client, TOPIC, &topic.name, "segment.bytes", "1048576");
    for _ in 0..3 {
        client.append(&topic, 0, large(600_000));
    }
    assert_eq!(sizes(broker, &topic, ".log").len(), 4);
    assert_eq!(client.fetch(&topic, 0, 5).response.high_watermark, 6);
}

#[test]
fn segment_ms() {
    let broker = broker::shared();
    let topic = broker.topic("effect-segment-ms", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["first"]));
    std::thread::sleep(Duration::from_millis(30));
    client.append(&topic, 0, batch(&["second"]));
    assert_eq!(sizes(broker, &topic, ".log").len(), 1);
    set(&mut client, TOPIC, &topic.name, "segment.ms", "10");
    std::thread::sleep(Duration::from_millis(30));
    client.append(&topic, 0, batch(&["third"]));
    assert_eq!(sizes(broker, &topic, ".log").len(), 2);
}

#[test]
fn index_interval_bytes_and_segment_index_bytes() {
    let broker = broker::shared();
    let topic = broker.topic("effect-index", 1);
    let mut client = broker.client();
    for _ in 0..10 {
        client.append(&topic, 0, batch(&["small"]));
    }
    assert_eq!(sizes(broker, &topic, ".log").len(), 1);
    // An entry of eight bytes for each batch, and room for three of them.
    set(&mut client, TOPIC, &topic.name, "index.interval.bytes", "0");
    set(&mut client, TOPIC, &topic.name, "segment.index.bytes", "24");
    for _ in 0..10 {
        client.append(&topic, 0, batch(&["small"]));
    }
    let segments = sizes(broker, &topic, ".log").len();
    assert!(segments >= 3, "{segments} segments");
    assert_eq!(client.fetch(&topic, 0, 19).response.high_watermark, 20);
}

#[test]
fn min_insync_replicas_beyond_the_replicas_is_no_bound_as_in_kafka() {
    let broker = broker::shared();
    let topic = broker.topic("effect-min-isr", 1);
    let mut client = broker.client();
    set(&mut client, TOPIC, &topic.name, "min.insync.replicas", "2");
    assert_eq!(
        fate(&mut client, &topic, batch(&["taken"])),
        ErrorCode::NONE
    );
}

#[test]
fn broker_defaults_reach_topics_without_settings_of_their_own_on_every_shard() {
    let directory = Directory::new();
    let overrides = ["num.shards=3", "message.max.bytes=100000"];
    let broker = Broker::start(&directory, &overrides);
    let mut client = broker.client();
    let plain: Vec<Topic> = (0..6)
        .map(|at| broker.topic(&format!("plain-{at}"), 1))
        .collect();
    let own = broker.topic_with("own", 1, &[("max.message.bytes", "5000")]);
    let taken = |client: &mut Client, bytes: usize| {
        let mut taken = plain.iter().map(|topic| fate(client, topic, large(bytes)));
        let first = taken.next().expect("a topic");
        assert!(taken.all(|it| it == first), "all topics alike");
        assert_eq!(fate(client, &own, large(4000)), ErrorCode::NONE);
        assert_eq!(
            fate(client, &own, large(6000)),
            ErrorCode::MESSAGE_TOO_LARGE
        );
        first
    };
    assert_eq!(taken(&mut client, 90_000), ErrorCode::NONE);
    set(&mut client, BROKER, "", "message.max.bytes", "10000");
    assert_eq!(taken(&mut client, 90_000), ErrorCode::MESSAGE_TOO_LARGE);
    set(&mut client, BROKER, "1", "message.max.bytes", "200000");
    assert_eq!(taken(&mut client, 190_000), ErrorCode::NONE);
    set(
        &mut client,
        BROKER,
        "1",
        "log.message.timestamp.type",
        "LogAppendTime",
    );
    let stamped = client.produce(&plain[0], 0, batch(&["stamped"]));
    assert!(stamped.log_append_time_ms > 0);
    broker.stop();
    // What was set is in force from the first request on.
    let broker = Broker::start(&directory, &overrides);
    let mut client = broker.client();
    assert_eq!(taken(&mut client, 190_000), ErrorCode::NONE);
    let late = broker.topic("late", 1);
    assert!(
        client
            .produce(&late, 0, batch(&["stamped"]))
            .log_append_time_ms
            > 0
    );
    unset(&mut client, BROKER, "1", "message.max.bytes");
    assert_eq!(taken(&mut client, 90_000), ErrorCode::MESSAGE_TOO_LARGE);
    unset(&mut client, BROKER, "", "message.max.bytes");
    assert_eq!(taken(&mut client, 90_000), ErrorCode::NONE);
    assert_eq!(taken(&mut client, 110_000), ErrorCode::MESSAGE_TOO_LARGE);
    broker.stop();
}

#[test]
fn max_connections_and_those_of_one_address() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let topic = broker.topic("connected", 1);
    let mut client = broker.client();
    let is_let_in = |broker: &Broker| {
        let mut other = broker.client();
        // Whoever is not let in is disconnected without having said anything.
        let wait = Some(Duration::from_millis(300));
        other
            .stream
            .set_read_timeout(wait)
            .expect("a socket option");
        let mut byte = [0];
        match std::io::Read::read(&mut other.stream, &mut byte) {
            Ok(0) => false,
            Ok(_) => panic!("a byte that nobody asked for"),
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    };
    assert!(is_let_in(&broker));
    for (key, few, many) in [
        ("max.connections", "1", "100"),
        ("max.connections.per.ip", "1", "100"),
        (
            "max.connections.per.ip.overrides",
            "127.0.0.1:1",
            "127.0.0.1:100",
        ),
    ] {
        set(&mut client, BROKER, "", key, few);
        assert!(!is_let_in(&broker), "{key}={few}");
        // Whoever is in stays in.
        client.append(&topic, 0, batch(&["still"]));
        set(&mut client, BROKER, "1", key, many);
        assert!(is_let_in(&broker), "{key}={many}");
        unset(&mut client, BROKER, "1", key);
        unset(&mut client, BROKER, "", key);
    }
    broker.stop();
}
