//! LeaveGroup.

use super::*;

fn left(reply: Reply) -> Vec<ErrorCode> {
    let Reply::Left(left) = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(left.error, ErrorCode::NONE);
    left.members
        .into_iter()
        .map(|member| member.error)
        .collect()
}

#[test]
fn the_last_member_leaves_an_empty_group_at_once() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    assert_eq!(
        left(bench.call(leave(&[(&members[0], None)]))),
        [ErrorCode::NONE]
    );
    assert_eq!(bench.state("g"), "Empty");
    let refused = bench.heartbeat(&members[0], 1);
    assert_eq!(refused, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn who_leaves_a_stable_group_makes_the_others_rejoin() {
    let mut bench = Bench::new();
    let members = bench.stable_group(3);
    bench.call(leave(&[(&members[0], None)]));
    assert_eq!(bench.state("g"), "PreparingRebalance");
    let second = bench.send(join(&members[1]).into());
    let third = bench.send(join(&members[2]).into());
    let joined = bench.joined(second);
    assert_eq!(joined.generation, 2);
    assert_eq!(*joined.leader, *members[1], "who was here for longest");
    assert_eq!(joined.members.len(), 2);
    assert_eq!(bench.joined(third).generation, 2);
}

#[test]
fn who_leaves_while_the_others_have_gathered_ends_the_wait() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let leader = bench.send(join(&members[0]).into());
    bench.call(leave(&[(&members[1], None)]));
    assert_eq!(bench.joined(leader).members.len(), 1);
}

#[test]
fn each_of_several_is_told_how_it_went() {
    let mut bench = Bench::new();
    let tickets = [
        bench.send(join_static("", "a").into()),
        bench.send(join_static("", "b").into()),
        bench.send(join("").into()),
    ];
    bench.pass_ms(GATHER_MS);
    let joined = tickets.map(|ticket| bench.joined(ticket));
    bench.sync_all(&joined);
    let [_, b, c] = joined.map(|joined| joined.member);
    let reply = bench.call(leave(&[
        ("", Some("a")),
        ("", Some("nobody")),
        ("", None),
        (&c, Some("b")),
        (&b, Some("b")),
        (&c, None),
        ("made-up", None),
    ]));
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    assert_eq!(
        left(reply),
        [
            ErrorCode::NONE,
            unknown,
            unknown,
            ErrorCode::FENCED_INSTANCE_ID,
            ErrorCode::NONE,
            ErrorCode::NONE,
            unknown
        ]
    );
    assert_eq!(bench.state("g"), "Empty");
}

#[test]
fn who_only_has_an_id_may_give_it_back() {
    let mut bench = Bench::new();
    let required = Join {
        requires_member_id: true,
        ..join("")
    };
    let ticket = bench.send(required.into());
    let id = bench.joined(ticket).member;
    assert_eq!(left(bench.call(leave(&[(&id, None)]))), [ErrorCode::NONE]);
    let refused = ErrorCode::UNKNOWN_MEMBER_ID;
    assert_eq!(left(bench.call(leave(&[(&id, None)]))), [refused]);
    assert_eq!(bench.coordinator.timers.next_us(), None);
}

#[test]
fn leaving_no_group_is_leaving_nobody() {
    let mut bench = Bench::new();
    let reply = bench.call(leave(&[("made-up", None), ("", Some("a"))]));
    assert_eq!(left(reply), [ErrorCode::UNKNOWN_MEMBER_ID; 2]);
}

#[test]
fn a_leave_that_removes_nobody_changes_nothing() {
    let mut bench = Bench::new();
    bench.stable_group(1);
    bench.call(leave(&[("made-up", None)]));
    assert_eq!(bench.state("g"), "Stable");
}

#[test]
fn the_calls_of_who_leaves_are_answered() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let waits = bench.send(join(&members[0]).into());
    bench.call(leave(&[(&members[0], None)]));
    assert_eq!(bench.joined(waits).error, ErrorCode::UNKNOWN_MEMBER_ID);

    let follower = bench.send(join(&members[1]).into());
    let newcomer = bench.send(join("").into());
    let follower = bench.joined(follower);
    assert_eq!(follower.generation, 2);
    let follower = bench.send(join(&follower.member).into());
    assert_eq!(bench.joined(follower).generation, 3);
    let newcomer = bench.joined(newcomer).member;
    let waits = bench.send(sync(&newcomer, 3, &[]));
    bench.call(leave(&[(&newcomer, None)]));
    assert_eq!(bench.synced(waits).error, ErrorCode::UNKNOWN_MEMBER_ID);
}
