//! Offsets of consumer groups: who may commit and ask, by which epoch.

use super::super::calls::{commit_errors, committing, fetching};
use super::*;

fn committed(bench: &mut Bench, commit: Commit) -> ErrorCode {
    commit_errors(bench.call(Call::Commit(commit)))[0]
}

fn fetched(bench: &mut Bench, fetch: FetchOffsets) -> ErrorCode {
    match bench.call(Call::Fetch(fetch)) {
        Reply::OffsetsFetched(fetched) => fetched.error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_member_commits_by_its_epoch_and_no_other() {
    let mut bench = Bench::new();
    bench.beats(joins("a", &["t"]));
    bench.beats(joins("b", &["t"]));
    let commit = |member: &str, epoch| committing(member, epoch, &[("t", 0, 5)]);
    assert_eq!(committed(&mut bench, commit("a", 1)), ErrorCode::NONE);
    let stale = ErrorCode::STALE_MEMBER_EPOCH;
    for epoch in [0, 2, -1] {
        assert_eq!(committed(&mut bench, commit("a", epoch)), stale);
    }
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    assert_eq!(committed(&mut bench, commit("x", 1)), unknown);
    assert_eq!(committed(&mut bench, commit("", -1)), unknown);
    let old = Commit {
        knows_member_epochs: false,
        ..commit("a", 1)
    };
    let unsupported = ErrorCode::UNSUPPORTED_VERSION;
    assert_eq!(committed(&mut bench, old), unsupported);
    assert_eq!(bench.offsets(), [("t".to_string(), 0, 5)]);
}

#[test]
fn an_administrator_commits_while_there_are_no_members() {
    let mut bench = Bench::new();
    bench.beats(joins("a", &["t"]));
    bench.beats(beat("a", -1));
    let commit = committing("", -1, &[("t", 0, 5)]);
    assert_eq!(committed(&mut bench, commit), ErrorCode::NONE);
}

#[test]
fn a_member_asks_by_its_epoch_and_who_says_nothing_is_told() {
    let mut bench = Bench::new();
    bench.beats(joins("a", &["t"]));
    let asking = |member: Option<&str>, member_epoch| FetchOffsets {
        member: member.map(str::to_string),
        member_epoch,
        ..fetching(None)
    };
    assert_eq!(fetched(&mut bench, asking(None, -1)), ErrorCode::NONE);
    assert_eq!(fetched(&mut bench, asking(Some("a"), 1)), ErrorCode::NONE);
    for (member, epoch, error) in [
        (Some("a"), 2, ErrorCode::STALE_MEMBER_EPOCH),
        (Some("a"), -1, ErrorCode::STALE_MEMBER_EPOCH),
        (Some("x"), 1, ErrorCode::UNKNOWN_MEMBER_ID),
        (None, 1, ErrorCode::UNKNOWN_MEMBER_ID),
    ] {
        assert_eq!(fetched(&mut bench, asking(member, epoch)), error);
    }
}

#[test]
fn offsets_of_topics_that_members_read_stay() {
    let mut bench = Bench::new();
    bench.beats(joins("a", &["t"]));
    let commit = committing("a", 1, &[("t", 0, 5), ("u", 0, 6)]);
    bench.call(Call::Commit(commit));
    let partition = vec![PartitionIndex(0)];
    let delete = Call::DeleteOffsets(DeleteOffsets {
        group: "g".to_string(),
        topics: vec![
            ("t".to_string(), partition.clone()),
            ("u".to_string(), partition),
        ],
    });
    let Reply::OffsetsDeleted(deleted) = bench.call(delete) else {
        panic!("another reply")
    };
    assert_eq!(
        deleted.topics[0].1[0].1,
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
    );
    assert_eq!(deleted.topics[1].1[0].1, ErrorCode::NONE);
    assert_eq!(bench.offsets(), [("t".to_string(), 0, 5)]);
}

#[test]
fn offsets_that_nobody_reads_expire_after_their_commit_and_an_empty_group_goes_with_the_last() {
    let mut bench = Bench::with(GroupConfig {
        offsets_retention_ms: 100_000,
        offsets_retention_check_interval_ms: 1_000,
        ..GroupConfig::default()
    });
    bench.beats(joins("a", &["t"]));
    let commit = committing("a", 1, &[("t", 0, 5), ("u", 0, 6)]);
    bench.call(Call::Commit(commit));
    for _ in 0..5 {
        bench.pass_ms(30_000);
        bench.beats(beat("a", 1));
    }
    assert_eq!(bench.offsets(), [("t".to_string(), 0, 5)]);
    bench.beats(beat("a", -1));
    bench.pass_ms(2_000);
    assert_eq!(bench.state("g"), "Dead");
}

#[test]
fn a_member_that_speaks_the_classic_protocol_commits_by_its_generation() {
    let mut bench = Bench::new();
    bench.beats(joins("a", &["t"]));
    let ticket = bench.send(join("").into());
    let joined = bench.joined(ticket);
    let commit = |generation| Commit {
        knows_member_epochs: false,
        ..committing(&joined.member, generation, &[("t", 0, 5)])
    };
    let right = commit(joined.generation);
    assert_eq!(committed(&mut bench, right), ErrorCode::NONE);
    assert_eq!(
        committed(&mut bench, commit(7)),
        ErrorCode::ILLEGAL_GENERATION
    );
}
