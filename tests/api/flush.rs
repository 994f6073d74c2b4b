//! `flush.messages` and `flush.ms`: what is durable, and when. How far a log is on disk shows in the
//! recovery-point checkpoint; that nothing acknowledged is lost with the power is the simulation's to
//! show.

use crate::broker::{Broker, Directory, Topic};
use crate::records::batch;
use crate::settings::{TOPIC, set};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A broker whose checkpoint follows at once.
pub fn start(directory: &Directory) -> Broker {
    let overrides = ["num.shards=2", "log.flush.offset.checkpoint.interval.ms=10"];
    Broker::start(directory, &overrides)
}

/// What the checkpoint says of partition 0.
pub fn recovery_point(directory: &Directory, topic: &Topic) -> i64 {
    let path = directory.data().join("recovery-point-offset-checkpoint");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let start = format!("{} 0 ", topic.name);
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.map_or(0, |offset| offset.parse().expect("a number"))
}

pub fn wait_for_recovery_point(directory: &Directory, topic: &Topic, wanted: i64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while recovery_point(directory, topic) != wanted {
        let now = recovery_point(directory, topic);
        assert!(Instant::now() < deadline, "{now} instead of {wanted}");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn flush_messages_makes_an_append_durable_before_it_is_acknowledged() {
    let directory = Directory::new();
    let broker = start(&directory);
    let lazy = broker.topic("lazy", 1);
    let eager = broker.topic_with("eager", 1, &[("flush.messages", "1")]);
    let mut client = broker.client();
    for offset in 0..5 {
        assert_eq!(client.append(&lazy, 0, batch(&["x"])), offset);
        assert_eq!(client.append(&eager, 0, batch(&["x"])), offset);
        assert_eq!(
            client.fetch(&eager, 0, offset).response.high_watermark,
            offset + 1
        );
        wait_for_recovery_point(&directory, &eager, offset + 1);
    }
    assert_eq!(recovery_point(&directory, &lazy), 0);
    // From now on the other one, too; what it had so far goes with it.
    set(&mut client, TOPIC, &lazy.name, "flush.messages", "1");
    client.append(&lazy, 0, batch(&["x"]));
    wait_for_recovery_point(&directory, &lazy, 6);
    broker.kill();
    let broker = start(&directory);
    assert_eq!(
        broker.client().fetch(&eager, 0, 0).response.high_watermark,
        5
    );
    broker.stop();
}

#[test]
fn flush_messages_counts_the_records_that_are_not_durable() {
    let directory = Directory::new();
    let broker = start(&directory);
    let topic = broker.topic_with("counted", 1, &[("flush.messages", "10")]);
    let mut client = broker.client();
    for end in [4, 8] {
        client.append(&topic, 0, batch(&["x"; 4]));
        assert_eq!(client.fetch(&topic, 0, 0).response.high_watermark, end);
    }
    assert_eq!(recovery_point(&directory, &topic), 0);
    client.append(&topic, 0, batch(&["x"; 4]));
    wait_for_recovery_point(&directory, &topic, 12);
    broker.stop();
}

#[test]
fn a_segment_may_roll_between_flushes() {
    let directory = Directory::new();
    let broker = start(&directory);
    let configs = [("flush.messages", "1"), ("segment.bytes", "1048576")];
    let topic = broker.topic_with("rolls", 1, &configs);
    let mut client = broker.client();
    let large = "x".repeat(300_000);
    for offset in 0..20 {
        assert_eq!(client.append(&topic, 0, batch(&[&large])), offset);
    }
    wait_for_recovery_point(&directory, &topic, 20);
    broker.stop();
}

#[test]
fn flush_ms_makes_a_log_durable_soon() {
    let directory = Directory::new();
    let broker = start(&directory);
    let topic = broker.topic_with("timed", 1, &[("flush.ms", "50")]);
    let mut client = broker.client();
    for end in 1..4 {
        client.append(&topic, 0, batch(&["x"]));
        wait_for_recovery_point(&directory, &topic, end);
    }
    set(&mut client, TOPIC, &topic.name, "flush.ms", "3600000");
    client.append(&topic, 0, batch(&["x"]));
    sleep(Duration::from_millis(200));
    assert_eq!(recovery_point(&directory, &topic), 3);
    broker.stop();
}
