//! How long offsets are kept (KIP-211).

use super::calls::{commit, commit_errors, committing};
use super::*;

const HOUR_MS: i64 = 60 * 60 * 1000;

fn bench() -> Bench {
    Bench::with(GroupConfig {
        offsets_retention_ms: 24 * HOUR_MS,
        ..GroupConfig::default()
    })
}

/// Hours, and the look that follows.
fn pass_hours(bench: &mut Bench, hours: i64) {
    bench.pass_ms((hours * HOUR_MS) as u64 + 600_000);
}

#[test]
fn offsets_of_nobodys_group_expire_after_their_last_commit_and_the_group_goes_with_the_last() {
    let mut bench = bench();
    bench.call(commit("", -1, &[("t", 0, 5), ("u", 0, 5)]));
    pass_hours(&mut bench, 12);
    bench.call(commit("", -1, &[("u", 0, 6)]));
    bench.pass_ms(11 * HOUR_MS as u64);
    assert_eq!(bench.offsets().len(), 2);
    pass_hours(&mut bench, 1);
    assert_eq!(bench.offsets(), [("u".to_string(), 0, 6)]);
    pass_hours(&mut bench, 12);
    assert_eq!(bench.state("g"), "Dead");
    bench.reload();
    assert_eq!(bench.state("g"), "Dead");
}

#[test]
fn offsets_of_a_group_that_had_members_are_kept_from_when_the_last_one_left() {
    let mut bench = bench();
    let members = bench.stable_group(1);
    bench.call(commit(&members[0], 1, &[("t", 0, 5)]));
    for _ in 0..30 {
        for _ in 0..720 {
            bench.pass_ms(5_000);
            assert_eq!(bench.heartbeat(&members[0], 1), ErrorCode::NONE);
        }
    }
    bench.call(leave(&[(&members[0], None)]));
    bench.pass_ms(23 * HOUR_MS as u64);
    assert_eq!(bench.offsets().len(), 1);
    bench.reload();
    pass_hours(&mut bench, 1);
    assert_eq!(bench.state("g"), "Dead");
}

#[test]
fn offsets_of_a_topic_that_members_no_longer_read_expire_after_their_commit() {
    let mut bench = bench();
    let members = bench.stable_group(1);
    bench.call(commit(&members[0], 1, &[("t", 0, 5), ("gone", 0, 5)]));
    for _ in 0..25 * 720 {
        bench.pass_ms(5_000);
        bench.heartbeat(&members[0], 1);
    }
    assert_eq!(bench.offsets(), [("t".to_string(), 0, 5)]);
    assert_eq!(bench.state("g"), "Stable");
}

#[test]
fn while_it_is_not_known_what_members_read_nothing_expires() {
    let mut bench = bench();
    let odd = Join {
        protocols: vec![protocol("range", b"?")],
        ..join("")
    };
    let ticket = bench.send(odd.into());
    bench.pass_ms(3_000);
    let joined = bench.joined(ticket);
    let members = bench.sync_all(&[joined]);
    bench.call(commit(&members[0], 1, &[("t", 0, 5)]));
    for _ in 0..25 * 720 {
        bench.pass_ms(5_000);
        bench.heartbeat(&members[0], 1);
    }
    assert_eq!(bench.offsets().len(), 1);
}

#[test]
fn a_commit_that_says_how_long_is_kept_that_long() {
    let mut bench = bench();
    let short = Commit {
        retention_ms: Some(2 * HOUR_MS),
        ..committing("", -1, &[("short", 0, 5)])
    };
    let long = Commit {
        retention_ms: Some(48 * HOUR_MS),
        ..committing("", -1, &[("long", 0, 5)])
    };
    let endless = Commit {
        retention_ms: Some(i64::MAX),
        ..committing("", -1, &[("long", 1, 5)])
    };
    for call in [short, long, endless] {
        let reply = bench.call(Call::Commit(call));
        assert_eq!(commit_errors(reply), [ErrorCode::NONE]);
    }
    bench.reload();
    bench.pass_ms(HOUR_MS as u64);
    assert_eq!(bench.offsets().len(), 3);
    pass_hours(&mut bench, 1);
    assert_eq!(bench.offsets().len(), 2);
    pass_hours(&mut bench, 30);
    assert_eq!(bench.offsets().len(), 2, "beyond the broker's setting");
    pass_hours(&mut bench, 16);
    assert_eq!(bench.offsets(), [("long".to_string(), 1, 5)]);
}

#[test]
fn an_empty_group_without_offsets_is_gone_at_the_next_look() {
    let mut bench = bench();
    let members = bench.stable_group(1);
    bench.call(leave(&[(&members[0], None)]));
    assert_eq!(bench.state("g"), "Empty");
    bench.pass_ms(600_000);
    assert_eq!(bench.state("g"), "Dead");
    assert!(
        bench
            .log
            .last()
            .is_some_and(|record| record.value.is_none())
    );
}

#[test]
fn a_group_somebody_is_about_to_join_is_not_gone() {
    let mut bench = bench();
    bench.pass_ms(595_000);
    let required = Join {
        requires_member_id: true,
        ..join("")
    };
    let ticket = bench.send(required.into());
    let given = bench.joined(ticket).member;
    bench.pass_ms(8_000);
    let ticket = bench.send(join(&given).into());
    bench.pass_ms(3_000);
    assert_eq!(bench.joined(ticket).error, ErrorCode::NONE);
}
