//! Static members (KIP-345, KIP-814): a member that restarts takes its own place again.

use super::*;

fn both() -> Join {
    Join {
        protocols: vec![
            protocol("range", &subscription(&["t"])),
            protocol("sticky", &subscription(&["t"])),
        ],
        ..join("")
    }
}

/// A stable group of two static members, `a` and `b`: their ids, `a`'s first; `a` leads.
fn stable(bench: &mut Bench) -> [String; 2] {
    let tickets = ["a", "b"].map(|instance| bench.send(join_static("", instance).into()));
    bench.pass_ms(GATHER_MS);
    let joined = tickets.map(|ticket| bench.joined(ticket));
    let members = bench.sync_all(&joined);
    assert_eq!(*members[0], *joined[0].member);
    [members[0].clone(), members[1].clone()]
}

#[test]
fn a_static_member_needs_no_id_to_join() {
    let mut bench = Bench::new();
    let required = Join {
        requires_member_id: true,
        ..join_static("", "a")
    };
    let ticket = bench.send(required.into());
    bench.pass_ms(GATHER_MS);
    assert_eq!(bench.joined(ticket).error, ErrorCode::NONE);
}

#[test]
fn a_restarted_follower_gets_a_new_id_and_its_assignment_without_a_rebalance() {
    let mut bench = Bench::new();
    let members = stable(&mut bench);
    let written = bench.log.len();
    let ticket = bench.send(join_static("", "b").into());
    let joined = bench.joined(ticket);
    assert_eq!((joined.error, joined.generation), (ErrorCode::NONE, 1));
    assert_ne!(*joined.member, *members[1]);
    assert_eq!(*joined.leader, *members[0]);
    assert_eq!(bench.state("g"), "Stable");
    assert_eq!(bench.log.len(), written + 1, "the log knows the new id");

    let ticket = bench.send(sync(&joined.member, 1, &[]));
    assert_eq!(bench.synced(ticket).assignment, members[1].as_bytes());
    assert_eq!(bench.heartbeat(&joined.member, 1), ErrorCode::NONE);
    assert_eq!(
        bench.heartbeat(&members[1], 1),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
}

#[test]
fn who_was_taken_over_is_fenced_in_every_call() {
    let mut bench = Bench::new();
    let [_, old] = stable(&mut bench);
    let ticket = bench.send(join_static("", "b").into());
    let new = bench.joined(ticket).member;
    let instance = Some("b".to_string());
    let fenced = ErrorCode::FENCED_INSTANCE_ID;

    let ticket = bench.send(join_static(&old, "b").into());
    assert_eq!(bench.joined(ticket).error, fenced);
    let Call::Sync(call) = sync(&old, 1, &[]) else {
        unreachable!()
    };
    let ticket = bench.send(Call::Sync(Sync {
        instance: instance.clone(),
        ..call
    }));
    assert_eq!(bench.synced(ticket).error, fenced);
    let beat = |member: &str| {
        Call::Heartbeat(Heartbeat {
            group: "g".to_string(),
            member: member.to_string(),
            instance: instance.clone(),
            generation: 1,
        })
    };
    assert_eq!(bench.call(beat(&old)), Reply::Heartbeat(fenced));
    assert_eq!(bench.call(beat(&new)), Reply::Heartbeat(ErrorCode::NONE));
    let Reply::Left(left) = bench.call(leave(&[(&old, Some("b"))])) else {
        unreachable!()
    };
    assert_eq!(left.members[0].error, fenced);
    assert_eq!(bench.state("g"), "Stable");
}

#[test]
fn an_instance_nobody_has_is_unknown() {
    let mut bench = Bench::new();
    let [member, _] = stable(&mut bench);
    let ticket = bench.send(join_static(&member, "c").into());
    assert_eq!(bench.joined(ticket).error, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_restarted_leader_that_may_skip_leads_and_need_not_assign() {
    let mut bench = Bench::new();
    let members = stable(&mut bench);
    let modern = Join {
        supports_skipping_assignment: true,
        ..join_static("", "a")
    };
    let ticket = bench.send(modern.into());
    let joined = bench.joined(ticket);
    assert_eq!(joined.leader, joined.member);
    assert!(joined.skip_assignment);
    assert_eq!(joined.members.len(), 2);
    let ticket = bench.send(sync(&joined.member, 1, &[]));
    assert_eq!(bench.synced(ticket).assignment, members[0].as_bytes());

    let modern = Join {
        supports_skipping_assignment: true,
        ..join_static("", "b")
    };
    let ticket = bench.send(modern.into());
    let follower = bench.joined(ticket);
    assert!(!follower.skip_assignment && follower.members.is_empty());
    assert_eq!(follower.leader, joined.member);
}

#[test]
fn a_restarted_leader_of_an_old_version_is_told_that_another_leads() {
    let mut bench = Bench::new();
    let members = stable(&mut bench);
    let ticket = bench.send(join_static("", "a").into());
    let joined = bench.joined(ticket);
    assert_eq!(*joined.leader, *members[0], "the id that it had");
    assert!(joined.members.is_empty() && !joined.skip_assignment);
    // It leads nevertheless, and its next join begins a rebalance.
    let ticket = bench.send(join_static(&joined.member, "a").into());
    assert!(bench.is_waiting(ticket));
}

#[test]
fn a_restart_that_changes_the_groups_protocol_makes_it_rebalance() {
    let mut bench = Bench::new();
    let instance = |name: &str| Some(name.to_string());
    let tickets = ["a", "b"].map(|name| {
        let join = Join {
            instance: instance(name),
            ..both()
        };
        bench.send(join.into())
    });
    bench.pass_ms(GATHER_MS);
    let joined = tickets.map(|ticket| bench.joined(ticket));
    let members = bench.sync_all(&joined);
    let only_sticky = Join {
        instance: instance("b"),
        protocols: vec![protocol("sticky", &subscription(&["t"]))],
        ..join("")
    };
    let restarted = bench.send(only_sticky.into());
    assert!(bench.is_waiting(restarted));
    assert_eq!(bench.state("g"), "PreparingRebalance");
    let leader = Join {
        member: members[0].clone(),
        instance: instance("a"),
        ..both()
    };
    let leader = bench.send(leader.into());
    let joined = bench.joined(leader);
    assert_eq!(joined.protocol_name.as_deref(), Some("sticky"));
    assert_eq!(bench.joined(restarted).generation, 2);
}

#[test]
fn a_restart_while_the_leader_assigns_begins_anew_and_fences_the_sync_that_waits() {
    let mut bench = Bench::new();
    let tickets = ["a", "b"].map(|instance| bench.send(join_static("", instance).into()));
    bench.pass_ms(GATHER_MS);
    let [a, b] = tickets.map(|ticket| bench.joined(ticket));
    let old = bench.send(sync(&b.member, 1, &[]));
    let new = bench.send(join_static("", "b").into());
    assert_eq!(bench.synced(old).error, ErrorCode::FENCED_INSTANCE_ID);
    assert!(bench.is_waiting(new));
    assert_eq!(bench.state("g"), "PreparingRebalance");
    let ticket = bench.send(sync(&a.member, 1, &[]));
    assert_eq!(bench.synced(ticket).error, ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_restart_while_members_gather_fences_the_join_that_waits() {
    let mut bench = Bench::new();
    let old = bench.send(join_static("", "a").into());
    let new = bench.send(join_static("", "a").into());
    let fenced = bench.joined(old);
    assert_eq!(fenced.error, ErrorCode::FENCED_INSTANCE_ID);
    assert!(fenced.member.starts_with("a-"));
    bench.pass_ms(GATHER_MS);
    let joined = bench.joined(new);
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.leader, joined.member);
}

#[test]
fn a_static_member_that_does_not_rejoin_stays_until_its_session_ends() {
    let mut bench = Bench::new();
    let slow = Join {
        session_timeout_ms: 120_000,
        ..join_static("", "slow")
    };
    let tickets = [slow, join_static("", "a")].map(|join| bench.send(join.into()));
    bench.pass_ms(GATHER_MS);
    let joined = tickets.map(|ticket| bench.joined(ticket));
    let members = bench.sync_all(&joined);
    let changed = Join {
        protocols: vec![protocol("range", b"else")],
        ..join_static(&members[1], "a")
    };
    let ticket = bench.send(changed.into());
    bench.pass_ms(REBALANCE_MS as u64);
    let joined = bench.joined(ticket);
    assert_eq!(joined.members.len(), 2, "it is assigned to as before");
    assert_eq!(*joined.leader, *members[1], "but leads no more");
}

#[test]
fn static_members_none_of_whom_rejoins_are_waited_for_with_patience() {
    let mut bench = Bench::new();
    let hasty = |instance: &str| Join {
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 1,
        ..join_static("", instance)
    };
    let a = bench.send(hasty("a").into());
    bench.pass_ms(3_000);
    let a = bench.joined(a);
    bench.sync_all(std::slice::from_ref(&a));
    let b = bench.send(hasty("b").into());
    bench.call(leave(&[("", Some("b"))]));
    assert_eq!(bench.joined(b).error, ErrorCode::UNKNOWN_MEMBER_ID);
    bench.pass_ms(1);
    assert_eq!(bench.state("g"), "PreparingRebalance");
    let next_us = bench.coordinator.poll_timeout().expect("a timer");
    assert_eq!(next_us, bench.now_us + 1_000_000, "not every millisecond");
    bench.pass_ms(10_000);
    let again = Join {
        rebalance_timeout_ms: 1,
        session_timeout_ms: 30_000,
        ..join_static(&a.member, "a")
    };
    let again = bench.send(again.into());
    assert_eq!(bench.joined(again).generation, 2);
    bench.pass_ms(30_000);
    assert_eq!(bench.state("g"), "Empty");
}
