//! JoinGroup.

use super::*;
use crate::limits::{NEW_MEMBER_JOIN_TIMEOUT_MS, PENDING_MEMBERS_MAX};

fn error_of(bench: &mut Bench, join: Join) -> ErrorCode {
    let ticket = bench.send(join.into());
    bench.joined(ticket).error
}

#[test]
fn a_first_member_waits_for_the_initial_delay_and_leads_generation_one() {
    let mut bench = Bench::new();
    let ticket = bench.send(join("").into());
    assert_eq!(bench.state("g"), "PreparingRebalance");
    bench.pass_ms(2_999);
    assert!(bench.is_waiting(ticket));
    bench.pass_ms(1);
    let joined = bench.joined(ticket);
    assert_eq!((joined.error, joined.generation), (ErrorCode::NONE, 1));
    assert_eq!(joined.leader, joined.member);
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.members[0].metadata, subscription(&["t"]));
    assert!(!joined.skip_assignment);
    assert_eq!(bench.state("g"), "CompletingRebalance");
}

#[test]
fn each_join_extends_the_initial_delay_up_to_the_rebalance_timeout() {
    let mut bench = Bench::new();
    let quick = || Join {
        rebalance_timeout_ms: 7_000,
        ..join("")
    };
    let first = bench.send(quick().into());
    for _ in 0..4 {
        bench.pass_ms(1_500);
        bench.send(quick().into());
    }
    // 3 s, 3 s more, and the last second of seven, though somebody came in each.
    assert!(bench.is_waiting(first));
    bench.pass_ms(999);
    assert!(bench.is_waiting(first));
    bench.pass_ms(1);
    assert_eq!(bench.joined(first).members.len(), 5);
}

#[test]
fn a_delay_in_which_nobody_came_is_the_last() {
    let mut bench = Bench::new();
    let first = bench.send(join("").into());
    bench.pass_ms(2_000);
    bench.send(join("").into());
    bench.pass_ms(3_999);
    assert!(bench.is_waiting(first));
    bench.pass_ms(1);
    assert_eq!(bench.joined(first).members.len(), 2);
}

#[test]
fn without_a_delay_the_first_member_is_answered_when_time_is_looked_at() {
    let mut bench = Bench::with(GroupConfig {
        initial_rebalance_delay_ms: 0,
        ..GroupConfig::default()
    });
    let ticket = bench.send(join("").into());
    bench.pass_ms(0);
    assert_eq!(bench.joined(ticket).generation, 1);
}

#[test]
fn a_member_id_is_the_client_id_or_the_instance_id_and_a_uuid() {
    let mut bench = Bench::new();
    let required = Join {
        requires_member_id: true,
        ..join("")
    };
    let ticket = bench.send(required.into());
    let joined = bench.joined(ticket);
    assert_eq!(joined.error, ErrorCode::MEMBER_ID_REQUIRED);
    let uuid = joined
        .member
        .strip_prefix("client-")
        .expect("the client id");
    let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert_eq!(&uuid[14..15], "4", "a random UUID");
    assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"));

    let ticket = bench.send(join_static("", "host-7").into());
    bench.pass_ms(GATHER_MS);
    assert!(bench.joined(ticket).member.starts_with("host-7-"));
}

#[test]
fn a_dynamic_member_is_given_an_id_and_joins_with_it() {
    let mut bench = Bench::new();
    let required = Join {
        requires_member_id: true,
        ..join("")
    };
    let ticket = bench.send(required.into());
    let given = bench.joined(ticket);
    assert_eq!(given.generation, -1);
    assert_eq!(bench.state("g"), "Empty");
    assert_eq!(bench.log.len(), 1, "the log knows the group");

    let ticket = bench.send(join(&given.member).into());
    bench.pass_ms(3_000);
    let joined = bench.joined(ticket);
    assert_eq!(joined.member, given.member);
    assert_eq!((joined.error, joined.generation), (ErrorCode::NONE, 1));
}

#[test]
fn a_rebalance_waits_for_who_was_given_an_id() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let required = Join {
        requires_member_id: true,
        ..join("")
    };
    let ticket = bench.send(required.into());
    let given = bench.joined(ticket).member;
    // The leader joins: it alone would be enough.
    let leader = bench.send(join(&members[0]).into());
    assert!(bench.is_waiting(leader));
    let follower = bench.send(join(&given).into());
    assert_eq!(bench.joined(leader).members.len(), 2);
    assert_eq!(bench.joined(follower).generation, 2);
}

#[test]
fn an_id_that_is_not_used_is_taken_back_and_ends_the_wait_for_it() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let required = Join {
        requires_member_id: true,
        ..join("")
    };
    let ticket = bench.send(required.into());
    let given = bench.joined(ticket).member;
    let leader = bench.send(join(&members[0]).into());
    bench.pass_ms(SESSION_MS as u64 - 1);
    assert!(bench.is_waiting(leader));
    bench.pass_ms(1);
    assert_eq!(bench.joined(leader).members.len(), 1);
    assert_eq!(
        error_of(&mut bench, join(&given)),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
}

#[test]
fn an_id_nobody_gave_out_is_unknown_with_and_without_a_group() {
    let mut bench = Bench::new();
    let refused = error_of(&mut bench, join("made-up"));
    assert_eq!(refused, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(bench.state("g"), "Dead");
    bench.stable_group(1);
    let refused = error_of(&mut bench, join("made-up"));
    assert_eq!(refused, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn session_timeouts_outside_the_brokers_bounds_are_refused() {
    let mut bench = Bench::new();
    for (timeout_ms, expected) in [
        (5_999, ErrorCode::INVALID_SESSION_TIMEOUT),
        (1_800_001, ErrorCode::INVALID_SESSION_TIMEOUT),
        (6_000, ErrorCode::MEMBER_ID_REQUIRED),
        (1_800_000, ErrorCode::MEMBER_ID_REQUIRED),
    ] {
        let join = Join {
            session_timeout_ms: timeout_ms,
            requires_member_id: true,
            ..join("")
        };
        assert_eq!(error_of(&mut bench, join), expected, "{timeout_ms}");
    }
}

#[test]
fn a_group_needs_an_id_to_be_joined() {
    let mut bench = Bench::new();
    let nameless = Join {
        group: String::new(),
        ..join("")
    };
    assert_eq!(error_of(&mut bench, nameless), ErrorCode::INVALID_GROUP_ID);
}

#[test]
fn protocols_that_the_group_cannot_use_are_refused() {
    let mut bench = Bench::new();
    let of = |protocol_type: &str, names: &[&str]| Join {
        protocol_type: protocol_type.to_string(),
        protocols: names.iter().map(|name| protocol(name, b"")).collect(),
        ..join("")
    };
    let refused = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
    assert_eq!(error_of(&mut bench, of("", &["range"])), refused);
    assert_eq!(error_of(&mut bench, of("consumer", &[])), refused);
    assert_eq!(bench.state("g"), "Dead", "nothing was made of them");
    bench.stable_group(2);
    assert_eq!(error_of(&mut bench, of("connect", &["range"])), refused);
    assert_eq!(error_of(&mut bench, of("consumer", &["sticky"])), refused);
    let ticket = bench.send(of("consumer", &["sticky", "range"]).into());
    assert!(bench.is_waiting(ticket));
}

#[test]
fn the_protocol_with_most_votes_among_those_that_all_support_is_chosen() {
    let mut bench = Bench::new();
    let of = |names: &[&str]| Join {
        protocols: names
            .iter()
            .map(|name| protocol(name, name.as_bytes()))
            .collect(),
        ..join("")
    };
    let leader = bench.send(of(&["range", "sticky", "own"]).into());
    bench.send(of(&["sticky", "range"]).into());
    bench.send(of(&["sticky", "range"]).into());
    bench.pass_ms(GATHER_MS);
    let joined = bench.joined(leader);
    assert_eq!(joined.protocol_name.as_deref(), Some("sticky"));
    let said = joined.members.iter().map(|member| &member.metadata[..]);
    assert!(said.into_iter().all(|said| said == b"sticky"));
}

#[test]
fn a_protocol_named_twice_counts_once() {
    let mut bench = Bench::new();
    let twice = Join {
        protocols: vec![protocol("a", b"1"), protocol("a", b"2")],
        ..join("")
    };
    let first = bench.send(twice.into());
    let other = Join {
        protocols: vec![protocol("b", b""), protocol("a", b"3")],
        ..join("")
    };
    bench.send(other.into());
    bench.pass_ms(GATHER_MS);
    let joined = bench.joined(first);
    assert_eq!(joined.protocol_name.as_deref(), Some("a"));
    assert_eq!(joined.members[0].metadata, &b"1"[..]);
}

#[test]
fn a_join_of_the_leader_makes_a_stable_group_rebalance() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let leader = bench.send(join(&members[0]).into());
    assert!(bench.is_waiting(leader));
    assert_eq!(bench.state("g"), "PreparingRebalance");
    assert_eq!(
        bench.heartbeat(&members[1], 1),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    let follower = bench.send(join(&members[1]).into());
    assert_eq!(bench.joined(leader).generation, 2);
    let joined = bench.joined(follower);
    assert_eq!(joined.generation, 2);
    assert!(joined.members.is_empty(), "only the leader is told");
    assert_eq!(*joined.leader, *members[0]);
}

#[test]
fn an_unchanged_join_of_a_follower_only_hears_of_the_generation() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let ticket = bench.send(join(&members[1]).into());
    let joined = bench.joined(ticket);
    assert_eq!((joined.error, joined.generation), (ErrorCode::NONE, 1));
    assert_eq!(bench.state("g"), "Stable");

    let changed = Join {
        protocols: vec![protocol("range", &subscription(&["t", "u"]))],
        ..join(&members[1])
    };
    let ticket = bench.send(changed.into());
    assert!(bench.is_waiting(ticket));
    assert_eq!(bench.state("g"), "PreparingRebalance");
}

#[test]
fn who_did_not_hear_that_it_joined_is_told_again_while_the_leader_assigns() {
    let mut bench = Bench::new();
    let first = bench.send(join("").into());
    let second = bench.send(join("").into());
    bench.pass_ms(GATHER_MS);
    let (first, second) = (bench.joined(first), bench.joined(second));
    for (known, members) in [(&first, 2), (&second, 0)] {
        let ticket = bench.send(join(&known.member).into());
        let again = bench.joined(ticket);
        assert_eq!(again.generation, 1);
        assert_eq!(again.members.len(), members);
    }
    assert_eq!(bench.state("g"), "CompletingRebalance");

    let changed = Join {
        protocols: vec![protocol("range", b"else")],
        ..join(&second.member)
    };
    let ticket = bench.send(changed.into());
    assert!(bench.is_waiting(ticket));
    assert_eq!(bench.state("g"), "PreparingRebalance");
}

#[test]
fn who_does_not_rejoin_in_time_is_left_behind() {
    let mut bench = Bench::new();
    let members = bench.stable_group(3);
    let third = bench.send(join(&members[2]).into());
    let changed = Join {
        protocols: vec![protocol("range", b"else")],
        ..join(&members[1])
    };
    assert_eq!(bench.joined(third).generation, 1);
    let second = bench.send(changed.into());
    let third = bench.send(join(&members[2]).into());
    for _ in 0..11 {
        bench.pass_ms(5_000);
        assert!(bench.is_waiting(second));
        let alive = bench.heartbeat(&members[0], 1);
        assert_eq!(alive, ErrorCode::REBALANCE_IN_PROGRESS);
    }
    bench.pass_ms(5_000);
    let joined = bench.joined(second);
    assert_eq!(joined.generation, 2);
    assert_eq!(*joined.leader, *members[1], "the leader had not come");
    assert_eq!(joined.members.len(), 2);
    assert_eq!(bench.joined(third).leader, joined.leader);
    assert_eq!(
        bench.heartbeat(&members[0], 1),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
}

#[test]
fn a_rebalance_lasts_as_long_as_its_most_patient_member() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let patient = Join {
        rebalance_timeout_ms: 100_000,
        ..join("")
    };
    let patient = bench.send(patient.into());
    for _ in 0..19 {
        bench.pass_ms(5_000);
        bench.heartbeat(&members[0], 1);
    }
    assert!(bench.is_waiting(patient));
    bench.pass_ms(5_000);
    assert_eq!(bench.joined(patient).members.len(), 1);
}

#[test]
fn a_full_group_takes_no_more_members_and_keeps_those_it_has() {
    let mut bench = Bench::with(GroupConfig {
        size_max: 2,
        ..GroupConfig::default()
    });
    let members = bench.stable_group(2);
    assert_eq!(
        error_of(&mut bench, join("")),
        ErrorCode::GROUP_MAX_SIZE_REACHED
    );
    let ticket = bench.send(join(&members[1]).into());
    assert_eq!(bench.joined(ticket).error, ErrorCode::NONE);
}

#[test]
fn a_gathering_takes_as_many_joins_as_the_group_may_have_members() {
    let mut bench = Bench::with(GroupConfig {
        size_max: 2,
        ..GroupConfig::default()
    });
    let members = bench.stable_group(2);
    let leader = bench.send(join(&members[0]).into());
    let newcomer = bench.send(join("").into());
    assert!(bench.is_waiting(newcomer));
    // The member of old comes last, and there is no place left.
    let late = bench.send(join(&members[1]).into());
    let late = bench.joined(late);
    assert_eq!(late.error, ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(&*late.member, "");
    // A join that waits may be repeated.
    let again = bench.send(join(&members[0]).into());
    assert_eq!(bench.joined(leader).error, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(bench.joined(again).members.len(), 2);
    assert_eq!(bench.joined(newcomer).generation, 2);
}

#[test]
fn a_join_repeated_while_it_waits_takes_the_place_of_the_first() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let first = bench.send(join(&members[0]).into());
    let second = bench.send(join(&members[0]).into());
    assert_eq!(bench.joined(first).error, ErrorCode::REBALANCE_IN_PROGRESS);
    assert!(bench.is_waiting(second));
    let follower = bench.send(join(&members[1]).into());
    assert_eq!(bench.joined(second).generation, 2);
    assert_eq!(bench.joined(follower).generation, 2);
}

#[test]
fn a_new_members_join_times_out_after_five_minutes() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let endless = Join {
        rebalance_timeout_ms: i32::MAX,
        ..join("")
    };
    let ticket = bench.send(endless.into());
    let beats = NEW_MEMBER_JOIN_TIMEOUT_MS as u64 / 5_000;
    for _ in 0..beats - 1 {
        bench.pass_ms(5_000);
        bench.heartbeat(&members[0], 1);
    }
    bench.pass_ms(4_999);
    assert!(bench.is_waiting(ticket), "its session timeout is long over");
    bench.pass_ms(1);
    let joined = bench.joined(ticket);
    assert_eq!(joined.error, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(bench.classic("g").roster().len(), 1);
}

#[test]
fn ids_given_out_are_bounded() {
    let mut bench = Bench::new();
    let required = || Join {
        requires_member_id: true,
        ..join("")
    };
    for _ in 0..PENDING_MEMBERS_MAX {
        assert_eq!(
            error_of(&mut bench, required()),
            ErrorCode::MEMBER_ID_REQUIRED
        );
    }
    let refused = error_of(&mut bench, required());
    assert_eq!(refused, ErrorCode::GROUP_MAX_SIZE_REACHED);
    // They are taken back, and there is room again.
    bench.pass_ms(SESSION_MS as u64 + 1_000);
    assert_eq!(
        error_of(&mut bench, required()),
        ErrorCode::MEMBER_ID_REQUIRED
    );
}

#[test]
fn a_group_whose_first_members_all_leave_is_empty_when_the_delay_is_over() {
    let mut bench = Bench::new();
    let required = Join {
        requires_member_id: true,
        ..join("")
    };
    let ticket = bench.send(required.into());
    let id = bench.joined(ticket).member;
    let ticket = bench.send(join(&id).into());
    bench.call(leave(&[(&id, None)]));
    assert_eq!(bench.joined(ticket).error, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(bench.state("g"), "PreparingRebalance");
    bench.pass_ms(3_000);
    assert_eq!(bench.state("g"), "Empty");
    assert_eq!(bench.classic("g").generation(), 1);
}

#[test]
fn an_empty_group_may_be_joined_for_something_else() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    bench.call(leave(&[(&members[0], None)]));
    assert_eq!(bench.state("g"), "Empty");
    let connect = Join {
        protocol_type: "connect".to_string(),
        protocols: vec![protocol("compatible", b"")],
        ..join("")
    };
    let ticket = bench.send(connect.into());
    bench.pass_ms(3_000);
    let joined = bench.joined(ticket);
    assert_eq!(joined.protocol_type.as_deref(), Some("connect"));
    assert_eq!(joined.generation, 3, "leaving made the second");
}
