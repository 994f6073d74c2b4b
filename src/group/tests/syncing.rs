//! SyncGroup.

use super::*;

/// Two members that have joined and not synced, the leader first.
fn joined(bench: &mut Bench) -> [Joined; 2] {
    let tickets = [(); 2].map(|()| bench.send(join("").into()));
    bench.pass_ms(GATHER_MS);
    tickets.map(|ticket| bench.joined(ticket))
}

#[test]
fn syncs_wait_for_the_leader_whose_assignment_is_written_before_they_are_told() {
    let mut bench = Bench::new();
    let [leader, follower] = joined(&mut bench);
    let waits = bench.send(sync(&follower.member, 1, &[]));
    assert!(bench.is_waiting(waits));
    let step = bench.begin(sync(&leader.member, 1, &[(&follower.member, "everything")]));
    assert_eq!(step.records.len(), 1);
    assert_eq!(step.replies.len(), 2, "in the step of the record");
    let leaders = bench.tickets;
    bench.take(step);
    let synced = bench.synced(waits);
    assert_eq!(synced.assignment, &b"everything"[..]);
    assert_eq!(synced.protocol_name.as_deref(), Some("range"));
    assert_eq!(synced.protocol_type.as_deref(), Some("consumer"));
    let nothing = bench.synced(leaders);
    assert_eq!(
        (nothing.error, nothing.assignment.len()),
        (ErrorCode::NONE, 0)
    );
    // Afterwards they are answered at once.
    let ticket = bench.send(sync(&follower.member, 1, &[]));
    assert_eq!(bench.synced(ticket).assignment, &b"everything"[..]);
}

#[test]
fn syncs_that_do_not_fit_the_group_are_refused() {
    let mut bench = Bench::new();
    let refused = bench.call(sync("made-up", 1, &[]));
    assert_eq!(
        refused,
        Reply::Synced(Synced::refused(ErrorCode::UNKNOWN_MEMBER_ID)),
        "without a group"
    );
    let [leader, _] = joined(&mut bench);
    let with = |change: &dyn Fn(&mut Sync)| {
        let Call::Sync(mut call) = sync(&leader.member, 1, &[]) else {
            unreachable!()
        };
        change(&mut call);
        Call::Sync(call)
    };
    for (call, expected) in [
        (
            with(&|call| call.member = "made-up".into()),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        (
            with(&|call| call.generation = 0),
            ErrorCode::ILLEGAL_GENERATION,
        ),
        (
            with(&|call| call.generation = 2),
            ErrorCode::ILLEGAL_GENERATION,
        ),
        (
            with(&|call| call.protocol_type = Some("connect".into())),
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ),
        (
            with(&|call| call.protocol_name = Some("sticky".into())),
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ),
    ] {
        let ticket = bench.send(call);
        assert_eq!(bench.synced(ticket).error, expected);
    }
    assert_eq!(bench.state("g"), "CompletingRebalance");
    let fitting = with(&|call| {
        call.protocol_type = Some("consumer".into());
        call.protocol_name = Some("range".into());
    });
    let ticket = bench.send(fitting);
    assert_eq!(bench.synced(ticket).error, ErrorCode::NONE);
}

#[test]
fn a_sync_during_a_rebalance_is_told_to_rejoin() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    bench.send(join(&members[0]).into());
    let ticket = bench.send(sync(&members[1], 1, &[]));
    assert_eq!(bench.synced(ticket).error, ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn who_comes_while_the_leader_assigns_sends_the_waiting_syncs_back_to_join() {
    let mut bench = Bench::new();
    let [_, follower] = joined(&mut bench);
    let waits = bench.send(sync(&follower.member, 1, &[]));
    bench.send(join("").into());
    assert_eq!(bench.synced(waits).error, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(bench.state("g"), "PreparingRebalance");
}

#[test]
fn a_rebalance_takes_the_assignments_of_the_generation_before_with_it() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let tickets: Vec<Ticket> = members
        .iter()
        .map(|member| bench.send(join(member).into()))
        .collect();
    let joined: Vec<Joined> = tickets.iter().map(|at| bench.joined(*at)).collect();
    assert_eq!(joined[0].generation, 2);
    // The leader has nothing for anybody.
    let follower = bench.send(sync(&members[1], 2, &[]));
    let leader = bench.send(sync(&members[0], 2, &[]));
    assert!(bench.synced(follower).assignment.is_empty());
    assert!(bench.synced(leader).assignment.is_empty());
}

#[test]
fn a_sync_repeated_while_it_waits_takes_the_place_of_the_first() {
    let mut bench = Bench::new();
    let [leader, follower] = joined(&mut bench);
    let first = bench.send(sync(&follower.member, 1, &[]));
    let second = bench.send(sync(&follower.member, 1, &[]));
    assert_eq!(bench.synced(first).error, ErrorCode::REBALANCE_IN_PROGRESS);
    bench.call(sync(&leader.member, 1, &[(&follower.member, "x")]));
    assert_eq!(bench.synced(second).assignment, &b"x"[..]);
}

#[test]
fn who_does_not_sync_in_time_is_removed_and_the_others_rejoin() {
    let mut bench = Bench::new();
    let [leader, follower] = joined(&mut bench);
    let waits = bench.send(sync(&follower.member, 1, &[]));
    for _ in 0..11 {
        bench.pass_ms(5_000);
        assert_eq!(bench.heartbeat(&leader.member, 1), ErrorCode::NONE);
        assert!(bench.is_waiting(waits));
    }
    bench.pass_ms(5_000);
    assert_eq!(bench.synced(waits).error, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(
        bench.heartbeat(&leader.member, 1),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    let ticket = bench.send(join(&follower.member).into());
    let joined = bench.joined(ticket);
    assert_eq!((joined.generation, joined.members.len()), (2, 1));
}

#[test]
fn in_a_stable_group_too_who_has_not_synced_in_time_is_removed() {
    let mut bench = Bench::new();
    let [leader, follower] = joined(&mut bench);
    bench.call(sync(&leader.member, 1, &[]));
    assert_eq!(bench.state("g"), "Stable");
    for _ in 0..11 {
        bench.pass_ms(5_000);
        assert_eq!(bench.heartbeat(&leader.member, 1), ErrorCode::NONE);
        assert_eq!(bench.heartbeat(&follower.member, 1), ErrorCode::NONE);
    }
    bench.pass_ms(5_000);
    assert_eq!(bench.state("g"), "PreparingRebalance");
    assert_eq!(
        bench.heartbeat(&follower.member, 1),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
}

#[test]
fn a_group_in_which_everybody_synced_is_left_in_peace() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    for _ in 0..30 {
        bench.pass_ms(5_000);
        for member in &members {
            assert_eq!(bench.heartbeat(member, 1), ErrorCode::NONE);
        }
    }
    assert_eq!(bench.state("g"), "Stable");
}
