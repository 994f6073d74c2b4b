//! Topics that come, grow and go.

use super::*;

#[test]
fn partitions_that_are_added_are_assigned_with_the_next_heartbeat() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    let mut clients = [Client::new("a", &["t"])];
    converge(&mut bench, &mut clients);
    bench.grow_topic("t", 4);
    let at = bench.log.len();
    let reply = bench.beats(beat("a", 1));
    assert_eq!(reply.epoch, 2);
    assert_eq!(reply.assignment, Some(bench.of("t", &[0, 1, 2, 3])));
    assert_eq!(bench.types_since(at), [3, 7, 6, 8]);
}

#[test]
fn a_topic_that_is_wanted_before_it_is_there_is_assigned_when_it_is() {
    let mut bench = Bench::new();
    let reply = bench.beats(joins("a", &["t"]));
    assert_eq!(
        (reply.epoch, reply.assignment),
        (1, Some(Partitions::new()))
    );
    bench.add_topic("t", 1);
    let reply = bench.beats(beat("a", 1));
    assert_eq!(
        (reply.epoch, reply.assignment),
        (2, Some(bench.of("t", &[0])))
    );
}

#[test]
fn topics_that_nobody_wants_change_nothing() {
    let mut bench = Bench::new();
    bench.add_topic("t", 1);
    bench.beats(joins("a", &["t"]));
    let at = bench.log.len();
    bench.add_topic("u", 1);
    bench.beats(beat("a", 1));
    bench.remove_topic("u");
    bench.beats(beat("a", 1));
    bench.nothing_since(at);
}

#[test]
fn a_topic_that_is_deleted_is_given_up_and_one_made_again_is_another_one() {
    let mut bench = Bench::new();
    let before = bench.add_topic("t", 2);
    let mut clients = [Client::new("a", &["t"])];
    converge(&mut bench, &mut clients);
    bench.remove_topic("t");
    let reply = bench.beats(owns("a", 1, &clients[0].owned));
    assert_eq!(
        (reply.epoch, reply.assignment),
        (1, Some(Partitions::new()))
    );
    let reply = bench.beats(owns("a", 1, &Partitions::new()));
    assert_eq!(reply.epoch, 2);
    let after = bench.add_topic("t", 2);
    assert_ne!(before, after);
    let reply = bench.beats(beat("a", 2));
    assert_eq!(reply.epoch, 3);
    assert_eq!(reply.assignment, Some(bench.of("t", &[0, 1])));
}

#[test]
fn after_a_restart_topics_are_looked_at_again() {
    let mut bench = Bench::new();
    bench.add_topic("t", 1);
    let mut clients = [Client::new("a", &["t"])];
    converge(&mut bench, &mut clients);
    let id = bench.topic("t");
    bench.add_partitions(id, 1..2);
    // Nobody was told.
    assert!(!clients[0].beat(&mut bench));
    bench.reload();
    assert!(clients[0].beat(&mut bench));
    assert_eq!(clients[0].owned, bench.of("t", &[0, 1]));
}

#[test]
fn racks_of_replicas_count_as_kafka_counts_them() {
    let mut bench = Bench::new();
    bench.add_topic("t", 1);
    bench.beats(joins("a", &["t"]));
    bench.add_broker(1, "r");
    bench.tell(false);
    bench.beats(beat("a", 1));
    assert_eq!(bench.consumer("g").epoch(), 2);
}
