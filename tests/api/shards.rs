//! The same promises on one shard, on two, and on more shards than cores, in every mode of appending
//! and of sleeping, over several log directories; and a data directory that moves between all of them.

use crate::broker::{Broker, Directory, Topic};
use crate::client::{FETCH, fetch_request, fetched};
use crate::records::{batch, sequenced, values};
use millstream::wire::{ErrorCode, FetchResponse, InitProducerIdRequest, InitProducerIdResponse};
use std::time::{Duration, Instant};

/// One round of everything over several connections; returns the topic it made.
fn exercise(broker: &Broker, name: &str) -> Topic {
    let topic = broker.topic(name, 8);
    let mut clients: Vec<_> = (0..5).map(|_| broker.client()).collect();
    for partition in 0..8 {
        let value = format!("{name}/{partition}");
        clients[partition as usize % 5].append(&topic, partition, batch(&[value.as_str()]));
    }
    let all: Vec<(i32, i64)> = (0..8).map(|partition| (partition, 0)).collect();
    for client in &mut clients {
        let fetched = client.fetch_all(FETCH, &fetch_request(&topic, &all));
        for (partition, fetched) in fetched.iter().enumerate() {
            assert_eq!(values(fetched.records), [format!("{name}/{partition}")]);
        }
    }
    // A long poll over all of them, woken by another connection.
    let ends: Vec<(i32, i64)> = (0..8).map(|partition| (partition, 1)).collect();
    let mut request = fetch_request(&topic, &ends);
    request.max_wait_ms = 20_000;
    let [waiting, producing, ..] = &mut clients[..] else {
        unreachable!("there are five")
    };
    waiting.send(FETCH, &request);
    let start = Instant::now();
    producing.append(&topic, 5, batch(&["woken"]));
    let (response, frame) = waiting.receive::<FetchResponse>(FETCH);
    assert!(start.elapsed() < Duration::from_secs(8));
    assert_eq!(values(fetched(response, frame)[5].records), ["woken"]);

    let response: InitProducerIdResponse = producing.call(5, &InitProducerIdRequest::default());
    assert_eq!(response.error_code, ErrorCode::NONE);
    let id = response.producer_id;
    assert_eq!(producing.append(&topic, 5, sequenced(id, 0, 0, 1)), 2);
    assert_eq!(producing.append(&topic, 5, sequenced(id, 0, 0, 1)), 2);
    topic
}

/// That a topic still holds what [`exercise`] left.
fn check(broker: &Broker, topic: &Topic) {
    let mut client = broker.client();
    for partition in 0..8 {
        let fetched = client.fetch(topic, partition, 0);
        assert_eq!(fetched.response.error_code, ErrorCode::NONE);
        let expected = if partition == 5 { 3 } else { 1 };
        assert_eq!(fetched.response.high_watermark, expected);
        let first = format!("{}/{partition}", topic.name);
        assert_eq!(values(fetched.records)[0], first);
    }
}

#[test]
fn any_number_of_shards_works_alike_and_may_change_between_runs() {
    let directory = Directory::new();
    let mut topics = Vec::new();
    for (run, shards) in [1, 2, 8, 1, 3].into_iter().enumerate() {
        let broker = Broker::start(&directory, &[&format!("num.shards={shards}")]);
        for topic in &topics {
            check(&broker, topic);
        }
        topics.push(exercise(&broker, &format!("run-{run}")));
        match run % 2 {
            0 => broker.stop(),
            _ => broker.kill(),
        }
    }
}

#[test]
fn every_mode_of_appending_and_sleeping_works_alike() {
    let directory = Directory::new();
    let mut topics = Vec::new();
    for append in ["uring", "inline", "auto"] {
        for spin in [0, 10_000] {
            let append_mode = format!("log.append.mode={append}");
            let spin_us = format!("shard.spin.us={spin}");
            let settings = ["num.shards=2", &append_mode, &spin_us];
            let broker = Broker::start(&directory, &settings);
            for topic in &topics {
                check(&broker, topic);
            }
            topics.push(exercise(&broker, &format!("{append}-{spin}")));
            broker.stop();
        }
    }
}

#[test]
fn partitions_are_spread_over_log_directories_and_found_again() {
    let directory = Directory::new();
    let other = directory.path().join("other");
    let both = format!(
        "log.dirs={},{}",
        directory.data().display(),
        other.display()
    );
    let broker = Broker::start(&directory, &[&both, "num.shards=2"]);
    let topic = exercise(&broker, "spread");
    let here = |path: &std::path::Path| {
        let entries = std::fs::read_dir(path).expect("a log directory");
        let names = entries.map(|it| it.expect("an entry").file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("spread-"))
            .count()
    };
    assert_eq!((here(&directory.data()), here(&other)), (4, 4));
    broker.kill();
    let broker = Broker::start(&directory, &[&both, "num.shards=4"]);
    check(&broker, &topic);
    broker.stop();
    for path in [&directory.data(), &other] {
        assert!(path.join(".kafka_cleanshutdown").exists());
    }
}

/// Each ask to another shard costs a credit that its answer gives back: were any lost on the way, a
/// shard would have none left after some thousands of asks, and stop for good.
#[test]
fn thousands_of_pipelined_requests_over_all_shards_use_up_nothing() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=3"]);
    let topic = broker.topic("t", 6);
    let mut clients: Vec<_> = (0..6).map(|_| broker.client()).collect();
    let all: Vec<(i32, i64)> = (0..6).map(|partition| (partition, 0)).collect();
    let mut request = fetch_request(&topic, &all);
    request.max_bytes = 1;
    const ROUNDS: usize = 30;
    const BURST: i32 = 60;
    for _ in 0..ROUNDS {
        for client in &mut clients {
            for _ in 0..BURST {
                client.send(FETCH, &request);
            }
        }
        for client in &mut clients {
            for back in (0..BURST).rev() {
                let response: FetchResponse = client.receive_earlier(FETCH, back);
                assert_eq!(response.error_code, ErrorCode::NONE);
            }
        }
    }
    // An answer of all shards is needed for this one.
    exercise(&broker, "after");
    broker.stop();
}
