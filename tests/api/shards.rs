//! The same promises on one shard, on two, and on more shards than cores; and a data directory that
//! moves between them.

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
