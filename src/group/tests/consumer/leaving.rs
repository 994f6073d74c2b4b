//! Members that leave, and static members, which come back under other ids.

use super::*;

fn static_join(member: &str, topics: &[&str]) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        instance: Some("i".to_string()),
        ..joins(member, topics)
    }
}

fn static_beat(member: &str, epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        instance: Some("i".to_string()),
        ..beat(member, epoch)
    }
}

#[test]
fn what_a_member_that_leaves_had_goes_to_the_others() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    let mut clients = [Client::new("a", &["t"]), Client::new("b", &["t"])];
    converge(&mut bench, &mut clients);
    let at = bench.log.len();
    let reply = bench.beats(beat("a", -1));
    assert_eq!((reply.epoch, reply.member.as_deref()), (-1, Some("a")));
    assert_eq!((reply.assignment, reply.interval_ms), (None, 0));
    assert_eq!(bench.types_since(at), [-8, -7, -5, 3]);
    converge(&mut bench, &mut clients[1..]);
    assert_eq!(clients[1].owned, bench.of("t", &[0, 1, 2, 3]));
}

#[test]
fn a_static_member_that_goes_for_a_while_keeps_what_it_has() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    let first = bench.beats(static_join("a", &["t"]));
    let all = first.assignment.expect("everything");
    let reply = bench.beats(static_beat("a", -2));
    assert_eq!((reply.epoch, reply.member.as_deref()), (-2, Some("a")));
    let epoch = bench.consumer("g").epoch();
    let back = bench.beats(static_join("b", &["t"]));
    assert_eq!((back.epoch, back.assignment), (1, Some(all)));
    // Nobody else had to hear of it.
    assert_eq!(bench.consumer("g").epoch(), epoch);
    assert_eq!(
        bench.beat(static_beat("a", 1)).error,
        ErrorCode::FENCED_INSTANCE_ID
    );
    bench.beats(static_beat("b", 1));
    bench.pass_ms(CONSUMER_SESSION_MS - 1);
    assert_eq!(bench.consumer("g").members().len(), 1);
}

#[test]
fn a_static_member_that_does_not_come_back_is_removed_after_its_session() {
    let mut bench = Bench::new();
    bench.beats(static_join("a", &["t"]));
    bench.pass_ms(10_000);
    bench.beats(static_beat("a", -2));
    bench.pass_ms(CONSUMER_SESSION_MS - 10_001);
    assert_eq!(bench.consumer("g").members().len(), 1);
    bench.pass_ms(1);
    assert_eq!(bench.state("g"), "Empty");
}

#[test]
fn a_static_member_that_has_not_left_is_not_replaced() {
    let mut bench = Bench::new();
    bench.beats(static_join("a", &["t"]));
    assert_eq!(
        bench.beat(static_join("b", &["t"])).error,
        ErrorCode::UNRELEASED_INSTANCE_ID
    );
    assert_eq!(
        bench.beat(static_beat("b", 1)).error,
        ErrorCode::FENCED_INSTANCE_ID
    );
    let unknown = ConsumerHeartbeat {
        instance: Some("j".to_string()),
        ..beat("a", 1)
    };
    assert_eq!(bench.beat(unknown).error, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(
        bench.beat(static_beat("b", -1)).error,
        ErrorCode::FENCED_INSTANCE_ID
    );
    bench.beats(static_beat("a", -1));
    bench.beats(static_join("b", &["t"]));
}

#[test]
fn a_static_member_that_comes_back_wanting_something_else_gets_that() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    bench.add_topic("u", 2);
    bench.beats(static_join("a", &["t"]));
    bench.beats(static_beat("a", -2));
    let at = bench.log.len();
    let back = bench.beats(static_join("b", &["u"]));
    assert_eq!(back.assignment, Some(bench.of("u", &[0, 1])));
    // One member out, the other in its place; then what it wants, and what follows from it.
    assert_eq!(bench.types_since(at), [-8, -7, -5, 5, 7, 8, 5, 3, 7, 6, 8]);
    bench.reload();
    assert_eq!(bench.consumer("g").members().len(), 1);
}

#[test]
fn a_static_member_that_was_to_give_up_partitions_has_when_it_is_away() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    bench.beats(static_join("a", &["t"]));
    bench.beats(joins("b", &["t"]));
    let kept = bench.beats(static_beat("a", 1)).assignment;
    let kept = kept.expect("what it is to keep");
    bench.beats(static_beat("a", -2));
    let got = bench.beats(beat("b", 2)).assignment.expect("the rest");
    assert_eq!(got, bench.of("t", &[0, 1, 2, 3]).without(&kept));
    let back = bench.beats(static_join("c", &["t"]));
    assert_eq!(back.assignment, Some(kept));
}

#[test]
fn members_are_removed_by_leave_group_too() {
    let mut bench = Bench::new();
    bench.beats(static_join("a", &["t"]));
    bench.beats(joins("b", &["t"]));
    let call = leave(&[("", Some("i")), ("b", None), ("c", None), ("x", Some("i"))]);
    let Reply::Left(left) = bench.call(call) else {
        panic!("another reply")
    };
    let errors: Vec<ErrorCode> = left.members.iter().map(|member| member.error).collect();
    assert_eq!(
        errors,
        [
            ErrorCode::NONE,
            ErrorCode::NONE,
            ErrorCode::UNKNOWN_MEMBER_ID,
            ErrorCode::FENCED_INSTANCE_ID
        ]
    );
    assert_eq!(bench.state("g"), "Empty");
}

#[test]
fn a_group_is_deleted_when_it_is_empty_and_not_before() {
    let mut bench = Bench::new();
    bench.beats(joins("a", &["t"]));
    let delete = || {
        Call::Delete(Delete {
            group: "g".to_string(),
        })
    };
    let deleted = Reply::Deleted(ErrorCode::NON_EMPTY_GROUP);
    assert_eq!(bench.call(delete()), deleted);
    bench.beats(beat("a", -1));
    let at = bench.log.len();
    assert_eq!(bench.call(delete()), Reply::Deleted(ErrorCode::NONE));
    assert_eq!(bench.types_since(at), [-6, -4, -3]);
    assert_eq!(bench.state("g"), "Dead");
}
