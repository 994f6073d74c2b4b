//! Subscriptions by regular expression.

use super::*;
use crate::limits::{GROUP_REGEXES_MAX, REGEX_MATCHES_PER_TURN};

fn wants(member: &str, regex: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        topics: None,
        regex: Some(regex.to_string()),
        ..joins(member, &[])
    }
}

/// A heartbeat by which a member says that it wants something else.
fn wants_now(member: &str, epoch: i32, regex: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        regex: Some(regex.to_string()),
        ..beat(member, epoch)
    }
}

fn resolved(bench: &Bench, regex: &str) -> Option<Vec<String>> {
    let entries = bench.consumer("g").entries();
    entries.into_iter().find_map(|entry| match entry {
        ConsumerEntry::Regex(name, Some(resolved)) if &*name == regex => Some(
            resolved
                .topics
                .iter()
                .map(|name| name.to_string())
                .collect(),
        ),
        _ => None,
    })
}

#[test]
fn an_expression_is_looked_up_beside_and_then_assigned() {
    let mut bench = Bench::new();
    for topic in ["foo", "foo-1", "bar"] {
        bench.add_topic(topic, 1);
    }
    let reply = bench.beats(wants("a", "foo.*"));
    assert_eq!(
        (reply.epoch, reply.assignment),
        (1, Some(Partitions::new()))
    );
    assert_eq!(resolved(&bench, "foo.*"), None);
    let at = bench.log.len();
    bench.pass_ms(10);
    assert_eq!(bench.types_since(at), [16, 3]);
    assert_eq!(
        resolved(&bench, "foo.*"),
        Some(vec!["foo".to_string(), "foo-1".to_string()])
    );
    let reply = bench.beats(beat("a", 1));
    assert_eq!(reply.epoch, 2);
    let both = bench.of("foo", &[0]).or(&bench.of("foo-1", &[0]));
    assert_eq!(reply.assignment, Some(both));
}

#[test]
fn a_new_topic_that_matches_is_found_but_not_more_often_than_every_ten_seconds() {
    let mut bench = Bench::new();
    bench.add_topic("foo", 1);
    bench.beats(wants("a", "fo+"));
    bench.pass_ms(10);
    bench.beats(beat("a", 1));
    bench.add_topic("fooo", 1);
    let at = bench.log.len();
    bench.pass_ms(9_000);
    bench.beats(beat("a", 2));
    bench.pass_ms(10);
    bench.nothing_since(at);
    bench.pass_ms(1_000);
    bench.beats(beat("a", 2));
    bench.pass_ms(10);
    let reply = bench.beats(beat("a", 2));
    let both = bench.of("foo", &[0]).or(&bench.of("fooo", &[0]));
    assert_eq!((reply.epoch, reply.assignment), (3, Some(both)));
    // Nothing is new any more.
    let at = bench.log.len();
    bench.pass_ms(11_000);
    bench.beats(beat("a", 3));
    bench.pass_ms(10);
    bench.nothing_since(at);
}

#[test]
fn expressions_are_looked_up_again_from_time_to_time() {
    let mut bench = Bench::new();
    bench.beats(wants("a", "x"));
    bench.pass_ms(10);
    let at = bench.log.len();
    for _ in 0..19 {
        bench.pass_ms(30_000);
        bench.beats(beat("a", 1));
    }
    bench.pass_ms(10);
    bench.nothing_since(at);
    bench.pass_ms(30_000);
    bench.beats(beat("a", 1));
    bench.pass_ms(10);
    // The record is written anew, for its time; nothing follows from it.
    assert_eq!(bench.types_since(at), [16]);
}

#[test]
fn an_expression_that_another_member_has_brought_is_known() {
    let mut bench = Bench::new();
    bench.add_topic("foo", 2);
    bench.beats(wants("a", "fo+"));
    bench.pass_ms(10);
    bench.beats(beat("a", 1));
    let at = bench.log.len();
    let reply = bench.beats(wants("b", "fo+"));
    assert_eq!(reply.epoch, 3);
    assert_eq!(bench.types_since(at)[..2], [5, 3]);
    let target = &bench.consumer("g").target()["b"];
    assert_eq!(target.len(), 1);
}

#[test]
fn an_expression_that_nobody_has_any_more_is_forgotten() {
    let mut bench = Bench::new();
    bench.add_topic("foo", 1);
    bench.add_topic("bar", 1);
    bench.beats(wants("a", "foo"));
    bench.pass_ms(10);
    let reply = bench.beats(beat("a", 1));
    let foo = reply.assignment.expect("foo");
    bench.pass_ms(11_000);
    let at = bench.log.len();
    let changed = ConsumerHeartbeat {
        owned: Some(foo),
        ..wants_now("a", 2, "bar")
    };
    // What it does not want any more it is to give up already.
    assert_eq!(bench.beats(changed).assignment, Some(Partitions::new()));
    assert_eq!(bench.types_since(at), [5, -16, 8]);
    bench.pass_ms(10);
    bench.beats(owns("a", 2, &Partitions::new()));
    let reply = bench.beats(beat("a", 3));
    assert_eq!(reply.epoch, 3);
    let a = &bench.consumer("g").members()["a"];
    assert_eq!(a.current.assigned, bench.of("bar", &[0]));
    let at = bench.log.len();
    bench.beats(beat("a", -1));
    assert_eq!(bench.types_since(at), [-8, -7, -5, -16, 3]);
}

#[test]
fn names_and_an_expression_are_wanted_together_and_an_empty_one_is_none() {
    let mut bench = Bench::new();
    bench.add_topic("foo", 1);
    bench.add_topic("bar", 1);
    let both = ConsumerHeartbeat {
        topics: Some(vec!["bar".to_string()]),
        ..wants("a", "foo")
    };
    assert_eq!(bench.beats(both).assignment, Some(bench.of("bar", &[0])));
    bench.pass_ms(10);
    let all = bench.of("foo", &[0]).or(&bench.of("bar", &[0]));
    assert_eq!(bench.beats(beat("a", 1)).assignment, Some(all.clone()));
    let none = ConsumerHeartbeat {
        owned: Some(all),
        ..wants_now("a", 2, "")
    };
    assert_eq!(bench.beats(none).assignment, Some(bench.of("bar", &[0])));
    assert_eq!(resolved(&bench, "foo"), None);
}

#[test]
fn what_is_no_expression_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    for regex in ["(", "a(?=b)"] {
        let reply = bench.beat(wants("a", regex));
        assert_eq!(reply.error, ErrorCode::INVALID_REGULAR_EXPRESSION);
    }
    assert!(bench.log.is_empty());
    bench.beats(wants("a", "a"));
    let reply = bench.beat(wants_now("a", 1, "["));
    assert_eq!(reply.error, ErrorCode::INVALID_REGULAR_EXPRESSION);
}

#[test]
fn a_group_has_so_many_expressions_and_no_more() {
    let mut bench = Bench::new();
    for at in 0..GROUP_REGEXES_MAX {
        bench.beats(wants(&format!("m{at}"), &format!("r{at}")));
    }
    let reply = bench.beat(wants("more", "more"));
    assert_eq!(reply.error, ErrorCode::INVALID_REGULAR_EXPRESSION);
    bench.beats(wants("known", "r0"));
}

#[test]
fn internal_topics_are_topics_like_others() {
    let mut bench = Bench::new();
    bench.add_topic("__consumer_offsets", 1);
    bench.beats(wants("a", ".*"));
    bench.pass_ms(10);
    let found = resolved(&bench, ".*");
    assert_eq!(found, Some(vec!["__consumer_offsets".to_string()]));
}

#[test]
fn many_topics_take_many_turns() {
    let mut bench = Bench::new();
    for at in 0..REGEX_MATCHES_PER_TURN * 2 + 1 {
        bench.add_topic(&format!("t{at}"), 1);
    }
    bench.beats(wants("a", "t.*[05]"));
    bench.due();
    assert_eq!(resolved(&bench, "t.*[05]"), None);
    bench.pass_ms(100);
    let found = resolved(&bench, "t.*[05]").expect("it is found");
    assert_eq!(found.len(), (REGEX_MATCHES_PER_TURN * 2).div_ceil(5) + 1);
}

#[test]
fn a_look_up_of_an_expression_that_has_gone_meanwhile_finds_nothing() {
    let mut bench = Bench::new();
    bench.add_topic("foo", 1);
    bench.beats(wants("a", "foo"));
    bench.beats(joins("b", &["foo"]));
    bench.beats(beat("a", -1));
    let at = bench.log.len();
    bench.pass_ms(10);
    bench.nothing_since(at);
}

#[test]
fn what_expressions_stand_for_is_there_after_a_restart() {
    let mut bench = Bench::new();
    bench.add_topic("foo", 1);
    bench.beats(wants("a", "foo"));
    bench.pass_ms(10);
    bench.beats(beat("a", 1));
    bench.reload();
    assert_eq!(resolved(&bench, "foo"), Some(vec!["foo".to_string()]));
    let at = bench.log.len();
    bench.beats(beat("a", 2));
    bench.nothing_since(at);
    // When the last topic came is not known: it is looked up once more.
    bench.pass_ms(11_000);
    bench.image_offset += 1;
    bench.beats(beat("a", 2));
    bench.pass_ms(10);
    assert_eq!(bench.types_since(at), [16]);
}
