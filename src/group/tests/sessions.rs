//! Sessions: what keeps a member alive, and what ends it.

use super::*;

#[test]
fn a_silent_member_is_removed_when_its_session_ends() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    bench.pass_ms(SESSION_MS as u64 - 1);
    assert_eq!(bench.heartbeat(&members[0], 1), ErrorCode::NONE);
    assert_eq!(bench.state("g"), "Stable");
    bench.pass_ms(1);
    assert_eq!(bench.state("g"), "PreparingRebalance");
    assert_eq!(
        bench.heartbeat(&members[1], 1),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(
        bench.heartbeat(&members[0], 1),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
}

#[test]
fn a_group_whose_members_are_all_silent_is_empty_and_the_log_says_so() {
    let mut bench = Bench::new();
    bench.stable_group(3);
    let written = bench.log.len();
    bench.pass_ms(SESSION_MS as u64);
    assert_eq!(bench.state("g"), "Empty");
    assert_eq!(bench.log.len(), written + 1);
    bench.reload();
    assert_eq!(bench.state("g"), "Empty");
    assert_eq!(bench.classic("g").generation(), 2);
}

#[test]
fn heartbeats_of_another_generation_or_of_nobody_are_refused() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.heartbeat("made-up", 1),
        ErrorCode::UNKNOWN_MEMBER_ID,
        "without a group"
    );
    let members = bench.stable_group(1);
    assert_eq!(bench.heartbeat("made-up", 1), ErrorCode::UNKNOWN_MEMBER_ID);
    for generation in [-1, 0, 2] {
        assert_eq!(
            bench.heartbeat(&members[0], generation),
            ErrorCode::ILLEGAL_GENERATION
        );
    }
    // And do not keep it alive.
    bench.pass_ms(SESSION_MS as u64 - 1);
    bench.heartbeat(&members[0], 0);
    bench.pass_ms(1);
    assert_eq!(bench.state("g"), "Empty");
}

#[test]
fn a_member_whose_join_waits_is_alive() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let leader = bench.send(join(&members[0]).into());
    for _ in 0..11 {
        bench.pass_ms(5_000);
        bench.heartbeat(&members[1], 1);
        assert!(bench.is_waiting(leader), "without a heartbeat");
    }
    bench.pass_ms(5_000);
    assert_eq!(bench.joined(leader).members.len(), 1);
    // Its session began again with the answer.
    bench.pass_ms(SESSION_MS as u64 - 1);
    assert_eq!(bench.state("g"), "CompletingRebalance");
    bench.pass_ms(1);
    assert_eq!(bench.state("g"), "Empty");
}

#[test]
fn a_member_whose_sync_waits_is_alive() {
    let mut bench = Bench::new();
    let tickets = [(); 2].map(|()| bench.send(join("").into()));
    bench.pass_ms(GATHER_MS);
    let [leader, follower] = tickets.map(|ticket| bench.joined(ticket));
    let waits = bench.send(sync(&follower.member, 1, &[]));
    for _ in 0..8 {
        bench.pass_ms(5_000);
        bench.heartbeat(&leader.member, 1);
    }
    assert!(bench.is_waiting(waits));
    bench.call(sync(&leader.member, 1, &[]));
    assert_eq!(bench.synced(waits).error, ErrorCode::NONE);
    bench.pass_ms(SESSION_MS as u64 - 1);
    assert_eq!(bench.state("g"), "Stable");
    bench.pass_ms(1);
    assert_eq!(bench.state("g"), "Empty");
}

#[test]
fn a_commit_keeps_its_member_alive() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    for _ in 0..5 {
        bench.pass_ms(SESSION_MS as u64 - 1);
        let commit = calls::commit(&members[0], 1, &[("t", 0, 5)]);
        assert_eq!(calls::commit_errors(bench.call(commit)), [ErrorCode::NONE]);
    }
    assert_eq!(bench.state("g"), "Stable");
}

#[test]
fn each_member_has_its_own_session_timeout() {
    let mut bench = Bench::new();
    let slow = Join {
        session_timeout_ms: 60_000,
        ..join("")
    };
    let tickets = [slow, join("")].map(|join| bench.send(join.into()));
    bench.pass_ms(GATHER_MS);
    let joined = tickets.map(|ticket| bench.joined(ticket));
    let members = bench.sync_all(&joined);
    bench.pass_ms(SESSION_MS as u64);
    assert_eq!(
        bench.heartbeat(&members[0], 1),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    assert_eq!(
        bench.heartbeat(&members[1], 1),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
}

#[test]
fn a_member_that_goes_while_others_gather_is_not_waited_for() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let leader = bench.send(join(&members[0]).into());
    bench.pass_ms(SESSION_MS as u64 - 1);
    assert!(bench.is_waiting(leader));
    bench.pass_ms(1);
    assert_eq!(bench.joined(leader).members.len(), 1);
}
