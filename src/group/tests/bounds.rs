//! What a batch holds, and how much is done in one turn.

use super::calls::{commit, commit_errors, committing};
use super::*;
use crate::limits::{EXPIRY_GROUPS_PER_TURN, GROUP_TIMERS_PER_TURN};

fn small_batches(bytes: usize) -> Bench {
    Bench::with(GroupConfig {
        batch_bytes_max: bytes,
        ..GroupConfig::default()
    })
}

/// Commits one partition after the other.
fn commit_partitions(bench: &mut Bench, topic: &str, partitions: i32) {
    for index in 0..partitions {
        let reply = bench.call(commit("", -1, &[(topic, index, 5)]));
        assert_eq!(commit_errors(reply), [ErrorCode::NONE]);
    }
}

#[test]
fn a_commit_larger_than_a_batch_is_refused_as_a_whole() {
    let mut bench = small_batches(1000);
    let large: Vec<(&str, i32, i64)> = (0..20).map(|index| ("t", index, 5)).collect();
    let reply = bench.call(commit("", -1, &large));
    let refused = ErrorCode::INVALID_COMMIT_OFFSET_SIZE;
    assert_eq!(commit_errors(reply), vec![refused; 20]);
    assert_eq!(bench.offsets(), []);
    let reply = bench.call(commit("", -1, &large[..5]));
    assert_eq!(commit_errors(reply), [ErrorCode::NONE; 5]);
}

#[test]
fn a_name_too_long_for_the_log_is_refused() {
    let mut bench = Bench::new();
    let long = Commit {
        group: "g".repeat(40_000),
        ..committing("", -1, &[("t", 0, 5)])
    };
    let reply = bench.call(Call::Commit(long));
    assert_eq!(
        commit_errors(reply),
        [ErrorCode::INVALID_COMMIT_OFFSET_SIZE]
    );
    let long = Join {
        group: "g".repeat(40_000),
        ..join("")
    };
    let ticket = bench.send(long.into());
    assert_eq!(bench.joined(ticket).error, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(bench.coordinator.list(&ListFilter::default()), []);
}

#[test]
fn an_assignment_larger_than_a_batch_fails_the_syncs_and_the_members_rejoin() {
    let mut bench = small_batches(2000);
    let tickets = [(); 2].map(|()| bench.send(join("").into()));
    bench.pass_ms(GATHER_MS);
    let [leader, follower] = tickets.map(|ticket| bench.joined(ticket));
    let waits = bench.send(sync(&follower.member, 1, &[]));
    let large = "x".repeat(2000);
    let leads = bench.send(sync(&leader.member, 1, &[(&follower.member, &large)]));
    for ticket in [waits, leads] {
        assert_eq!(bench.synced(ticket).error, ErrorCode::UNKNOWN_SERVER_ERROR);
    }
    assert_eq!(bench.state("g"), "PreparingRebalance");
    let tickets = [&leader, &follower].map(|joined| bench.send(join(&joined.member).into()));
    let joined = tickets.map(|ticket| bench.joined(ticket));
    assert_eq!(joined[0].generation, 2);
    bench.sync_all(&joined);
}

#[test]
fn a_restart_that_makes_the_group_larger_than_a_batch_is_refused_and_changes_nothing() {
    let mut bench = small_batches(2000);
    let ticket = bench.send(join_static("", "a").into());
    bench.pass_ms(3_000);
    let joined = bench.joined(ticket);
    let members = bench.sync_all(&[joined]);
    let large = Join {
        protocols: vec![protocol("range", &[0; 2000])],
        ..join_static("", "a")
    };
    let ticket = bench.send(large.into());
    assert_eq!(bench.joined(ticket).error, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(bench.heartbeat(&members[0], 1), ErrorCode::NONE);
    assert_eq!(bench.state("g"), "Stable");
}

#[test]
fn a_group_with_more_offsets_than_a_batch_holds_tombstones_is_deleted_in_turns() {
    let mut bench = small_batches(1000);
    commit_partitions(&mut bench, "t", 40);
    let call = Call::Delete(Delete {
        group: "g".to_string(),
    });
    let ticket = bench.send(call);
    assert!(bench.is_waiting(ticket));
    assert!(!bench.offsets().is_empty());
    bench.pass_ms(10);
    assert_eq!(bench.reply(ticket), Reply::Deleted(ErrorCode::NONE));
    assert_eq!(bench.state("g"), "Dead");
}

#[test]
fn a_group_that_is_joined_while_it_is_being_deleted_is_not_empty() {
    let mut bench = small_batches(1000);
    commit_partitions(&mut bench, "t", 40);
    let ticket = bench.send(Call::Delete(Delete {
        group: "g".to_string(),
    }));
    bench.send(join("").into());
    bench.pass_ms(10);
    assert_eq!(
        bench.reply(ticket),
        Reply::Deleted(ErrorCode::NON_EMPTY_GROUP)
    );
}

#[test]
fn more_offsets_than_a_batch_holds_tombstones_are_deleted_in_turns() {
    let mut bench = small_batches(1000);
    commit_partitions(&mut bench, "t", 40);
    let all: Vec<_> = (0..40).map(crate::types::PartitionIndex).collect();
    let ticket = bench.send(Call::DeleteOffsets(DeleteOffsets {
        group: "g".to_string(),
        topics: vec![("t".to_string(), all)],
    }));
    assert!(bench.is_waiting(ticket));
    bench.pass_ms(10);
    let Reply::OffsetsDeleted(deleted) = bench.reply(ticket) else {
        unreachable!()
    };
    assert_eq!(deleted.error, ErrorCode::NONE);
    assert_eq!(deleted.topics[0].1.len(), 40);
    assert_eq!(bench.offsets(), []);
}

#[test]
fn giving_up_the_partition_answers_who_waits_for_later_turns() {
    let mut bench = small_batches(1000);
    commit_partitions(&mut bench, "t", 40);
    let ticket = bench.send(Call::Delete(Delete {
        group: "g".to_string(),
    }));
    let replies = bench.coordinator.unload();
    bench.answer(replies);
    assert_eq!(
        bench.reply(ticket),
        Reply::Deleted(ErrorCode::NOT_COORDINATOR)
    );
}

#[test]
fn a_deleted_topic_is_forgotten_in_turns_and_what_is_committed_meanwhile_stays() {
    let mut bench = small_batches(1000);
    commit_partitions(&mut bench, "t", 40);
    let step =
        bench.act(|coordinator, context| coordinator.topics_deleted(context, &["t".to_string()]));
    assert!(step.records.len() < 40);
    bench.take(step);
    // The topic is made anew, and read.
    bench.call(commit("", -1, &[("t", 39, 6)]));
    bench.pass_ms(10);
    assert_eq!(bench.offsets(), [("t".to_string(), 39, 6)]);
}

#[test]
fn more_expired_offsets_than_a_batch_holds_expire_in_turns() {
    let mut bench = Bench::with(GroupConfig {
        batch_bytes_max: 1000,
        offsets_retention_ms: 1000,
        ..GroupConfig::default()
    });
    commit_partitions(&mut bench, "t", 40);
    bench.pass_ms(600_000 - 1);
    assert_eq!(bench.offsets().len(), 40);
    bench.pass_ms(1);
    assert!(bench.offsets().len() < 40);
    bench.pass_ms(10);
    assert_eq!(bench.state("g"), "Dead");
}

#[test]
fn many_groups_are_looked_at_in_turns() {
    let mut bench = Bench::with(GroupConfig {
        offsets_retention_ms: 1000,
        ..GroupConfig::default()
    });
    let groups = 2 * EXPIRY_GROUPS_PER_TURN + 1;
    for group in 0..groups {
        let call = Commit {
            group: format!("g-{group}"),
            ..committing("", -1, &[("t", 0, 5)])
        };
        bench.call(Call::Commit(call));
    }
    bench.pass_ms(600_000);
    let left = |bench: &Bench| bench.coordinator.list(&ListFilter::default()).len();
    assert_eq!(left(&bench), groups - EXPIRY_GROUPS_PER_TURN);
    bench.pass_ms(1);
    assert_eq!(left(&bench), 1);
    bench.pass_ms(1);
    assert_eq!(left(&bench), 0);
    // The next look is an interval later, at groups that are new.
    let next_us = bench.coordinator.poll_timeout().expect("the next look");
    assert_eq!(next_us, bench.now_us + 600_000_000);
}

#[test]
fn sessions_that_all_end_at_once_end_in_turns() {
    let mut bench = Bench::new();
    let members = 3 * GROUP_TIMERS_PER_TURN;
    let tickets: Vec<Ticket> = (0..members).map(|_| bench.send(join("").into())).collect();
    bench.pass_ms(GATHER_MS);
    assert!(tickets.iter().all(|ticket| !bench.is_waiting(*ticket)));
    bench.pass_ms(SESSION_MS as u64);
    let left = bench.classic("g").roster().len();
    assert_eq!(left, members - GROUP_TIMERS_PER_TURN);
    bench.pass_ms(2);
    assert_eq!(bench.state("g"), "Empty");
}
