//! OffsetCommit, OffsetFetch and OffsetDelete.

use super::calls::{commit, commit_errors, committing, fetching};
use super::*;
use crate::types::{LeaderEpoch, Offset, PartitionIndex, TopicId, Uuid};

#[test]
fn who_has_no_group_may_keep_offsets_in_one() {
    let mut bench = Bench::new();
    let reply = bench.call(commit("", -1, &[("t", 0, 5), ("u", 1, 6)]));
    assert_eq!(commit_errors(reply), [ErrorCode::NONE; 2]);
    assert_eq!(bench.state("g"), "Empty");
    let expected = [("t".to_string(), 0, 5), ("u".to_string(), 1, 6)];
    assert_eq!(bench.offsets(), expected);
    bench.reload();
    assert_eq!(bench.offsets(), expected);
}

#[test]
fn a_commit_carries_leader_epoch_and_metadata() {
    let mut bench = Bench::new();
    let mut call = committing("", -1, &[("t", 0, 5)]);
    call.topics[0].partitions[0].metadata = Some("mine".to_string());
    bench.call(Call::Commit(call));
    let found = bench.fetch(fetching(Some(&[("t", &[0])])));
    let found = &found[0].partitions[0];
    assert_eq!(found.offset, Offset(5));
    assert_eq!(found.leader_epoch, LeaderEpoch(7));
    assert_eq!(found.metadata, "mine");
}

#[test]
fn members_of_a_group_that_does_not_exist_are_told_what_their_version_knows() {
    let mut bench = Bench::new();
    let old = Commit {
        knows_member_epochs: false,
        ..committing("m", 1, &[("t", 0, 5)])
    };
    let reply = bench.call(Call::Commit(old));
    assert_eq!(commit_errors(reply), [ErrorCode::ILLEGAL_GENERATION]);
    let reply = bench.call(commit("m", 1, &[("t", 0, 5)]));
    assert_eq!(commit_errors(reply), [ErrorCode::GROUP_ID_NOT_FOUND]);
    assert_eq!(bench.state("g"), "Dead");
}

#[test]
fn in_a_group_with_members_only_members_of_its_generation_commit() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    for (member, generation, expected) in [
        ("", -1, ErrorCode::UNKNOWN_MEMBER_ID),
        ("made-up", 1, ErrorCode::UNKNOWN_MEMBER_ID),
        ("", 1, ErrorCode::UNKNOWN_MEMBER_ID),
        (&*members[0], 0, ErrorCode::ILLEGAL_GENERATION),
        (&*members[0], -1, ErrorCode::ILLEGAL_GENERATION),
        (&*members[0], 1, ErrorCode::NONE),
    ] {
        let reply = bench.call(commit(member, generation, &[("t", 0, 5)]));
        assert_eq!(commit_errors(reply), [expected], "{member} {generation}");
    }
    // While they gather, what was read before is committed.
    bench.send(join(&members[0]).into());
    let other = bench.send(join("").into());
    assert!(bench.is_waiting(other));
    let reply = bench.call(commit(&members[0], 1, &[("t", 0, 5)]));
    assert_eq!(
        commit_errors(reply),
        [ErrorCode::ILLEGAL_GENERATION],
        "it has joined the second"
    );
}

#[test]
fn while_members_gather_what_they_have_read_is_committed() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    bench.send(join(&members[0]).into());
    assert_eq!(bench.state("g"), "PreparingRebalance");
    let reply = bench.call(commit(&members[1], 1, &[("t", 0, 5)]));
    assert_eq!(commit_errors(reply), [ErrorCode::NONE]);
}

#[test]
fn while_the_leader_assigns_a_commit_is_told_that_a_rebalance_is_under_way() {
    let mut bench = Bench::new();
    let ticket = bench.send(join("").into());
    bench.pass_ms(3_000);
    let joined = bench.joined(ticket);
    let reply = bench.call(commit(&joined.member, 1, &[("t", 0, 5)]));
    assert_eq!(commit_errors(reply), [ErrorCode::REBALANCE_IN_PROGRESS]);
    assert_eq!(bench.offsets(), []);
}

#[test]
fn a_static_member_that_was_taken_over_cannot_commit() {
    let mut bench = Bench::new();
    let ticket = bench.send(join_static("", "a").into());
    bench.pass_ms(3_000);
    let joined = bench.joined(ticket);
    let members = bench.sync_all(&[joined]);
    let ticket = bench.send(join_static("", "a").into());
    let new = bench.joined(ticket).member;
    let by = |member: &str, instance: &str| {
        Call::Commit(Commit {
            instance: Some(instance.to_string()),
            ..committing(member, 1, &[("t", 0, 5)])
        })
    };
    for (member, instance, expected) in [
        (&*members[0], "a", ErrorCode::FENCED_INSTANCE_ID),
        (&*new, "b", ErrorCode::UNKNOWN_MEMBER_ID),
        (&*new, "a", ErrorCode::NONE),
    ] {
        let reply = bench.call(by(member, instance));
        assert_eq!(commit_errors(reply), [expected]);
    }
}

#[test]
fn an_administrator_commits_for_an_empty_group() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    bench.call(leave(&[(&members[0], None)]));
    let reply = bench.call(commit("", -1, &[("t", 0, 5)]));
    assert_eq!(commit_errors(reply), [ErrorCode::NONE]);
    let reply = bench.call(commit(&members[0], 1, &[("t", 0, 5)]));
    assert_eq!(commit_errors(reply), [ErrorCode::UNKNOWN_MEMBER_ID]);
}

#[test]
fn metadata_that_is_too_long_spoils_its_partition_alone() {
    let mut bench = Bench::new();
    let mut call = committing("", -1, &[("t", 0, 5), ("t", 1, 6), ("t", 2, 7)]);
    // Java's length: one unit for an umlaut, two for an emoji.
    call.topics[0].partitions[0].metadata = Some("ä".repeat(4096));
    call.topics[1].partitions[0].metadata = Some("ä".repeat(4097));
    call.topics[2].partitions[0].metadata = Some("😀".repeat(2049));
    let too_long = ErrorCode::OFFSET_METADATA_TOO_LARGE;
    let reply = bench.call(Call::Commit(call));
    assert_eq!(commit_errors(reply), [ErrorCode::NONE, too_long, too_long]);
    assert_eq!(bench.offsets(), [("t".to_string(), 0, 5)]);
}

#[test]
fn what_was_never_committed_is_minus_one_with_and_without_a_group() {
    let mut bench = Bench::new();
    let nothing = FetchedOffset {
        index: PartitionIndex(3),
        offset: Offset::UNKNOWN,
        leader_epoch: LeaderEpoch::UNKNOWN,
        metadata: String::new(),
        error: ErrorCode::NONE,
    };
    let found = bench.fetch(fetching(Some(&[("t", &[3])])));
    assert_eq!(found[0].partitions, std::slice::from_ref(&nothing));
    assert_eq!(bench.fetch(fetching(None)), []);
    bench.call(commit("", -1, &[("t", 0, 5)]));
    let found = bench.fetch(fetching(Some(&[("t", &[3, 0]), ("u", &[3])])));
    assert_eq!(found[0].partitions[0], nothing);
    assert_eq!(found[0].partitions[1].offset, Offset(5));
    assert_eq!(found[1].partitions, [nothing]);
}

#[test]
fn offsets_of_another_topic_of_the_same_name_are_not_found() {
    let mut bench = Bench::new();
    let (old, new) = (Uuid([1; 16]), Uuid([2; 16]));
    let mut call = committing("", -1, &[("t", 0, 5), ("u", 0, 6)]);
    call.topics[0].id = old;
    let reply = bench.call(Call::Commit(call));
    let Reply::Committed(committed) = &reply else {
        unreachable!()
    };
    assert_eq!(committed.topics[0].id, old);
    let mut ask = |id: TopicId| {
        let mut fetch = fetching(Some(&[("t", &[0]), ("u", &[0])]));
        fetch
            .topics
            .iter_mut()
            .flatten()
            .for_each(|topic| topic.id = id);
        let found = bench.fetch(fetch);
        assert!(found.iter().all(|topic| topic.id == id));
        [found[0].partitions[0].offset, found[1].partitions[0].offset]
    };
    assert_eq!(ask(old), [Offset(5), Offset(6)]);
    assert_eq!(ask(new), [Offset::UNKNOWN, Offset(6)]);
    assert_eq!(ask(TopicId::ZERO), [Offset(5), Offset(6)]);
}

#[test]
fn the_last_commit_of_a_partition_counts_within_one_call_too() {
    let mut bench = Bench::new();
    bench.call(commit("", -1, &[("t", 0, 5), ("t", 0, 4)]));
    assert_eq!(bench.offsets(), [("t".to_string(), 0, 4)]);
}

#[test]
fn offsets_are_deleted_and_missing_ones_are_no_error() {
    let mut bench = Bench::new();
    let refused = bench.delete_offsets(&[("t", &[0])]);
    assert_eq!(refused.error, ErrorCode::GROUP_ID_NOT_FOUND);
    bench.call(commit("", -1, &[("t", 0, 5), ("t", 1, 6)]));
    let deleted = bench.delete_offsets(&[("t", &[0, 9]), ("u", &[0])]);
    assert_eq!(deleted.error, ErrorCode::NONE);
    let errors = deleted.topics.iter().flat_map(|(_, partitions)| partitions);
    assert!(errors.into_iter().all(|(_, error)| error.is_none()));
    assert_eq!(bench.offsets(), [("t".to_string(), 1, 6)]);
    let deleted = bench.delete_offsets(&[("t", &[1])]);
    assert_eq!(deleted.error, ErrorCode::NONE);
    bench.reload();
    assert_eq!(bench.offsets(), []);
}

#[test]
fn offsets_of_topics_that_consumers_read_stay() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    bench.call(commit(&members[0], 1, &[("t", 0, 5), ("u", 0, 6)]));
    let deleted = bench.delete_offsets(&[("t", &[0, 1]), ("u", &[0])]);
    let read = ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC;
    assert_eq!(
        deleted.topics,
        [
            (
                "t".to_string(),
                vec![(PartitionIndex(0), read), (PartitionIndex(1), read)]
            ),
            ("u".to_string(), vec![(PartitionIndex(0), ErrorCode::NONE)]),
        ]
    );
    assert_eq!(bench.offsets(), [("t".to_string(), 0, 5)]);
    // What nobody reads any more may go.
    bench.call(leave(&[(&members[0], None)]));
    bench.delete_offsets(&[("t", &[0])]);
    assert_eq!(bench.offsets(), []);
}

#[test]
fn consumers_that_cannot_be_understood_may_read_anything() {
    let mut bench = Bench::new();
    let odd = Join {
        protocols: vec![protocol("range", b"?")],
        ..join("")
    };
    let ticket = bench.send(odd.into());
    bench.pass_ms(3_000);
    let joined = bench.joined(ticket);
    let members = bench.sync_all(&[joined]);
    bench.call(commit(&members[0], 1, &[("t", 0, 5)]));
    let deleted = bench.delete_offsets(&[("t", &[0])]);
    assert_eq!(
        deleted.topics[0].1[0].1,
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
    );
}

#[test]
fn a_subscription_is_read_as_version_0_whatever_follows() {
    let mut bench = Bench::new();
    // kafka-go says version 1 and ends where version 0 does; others have more.
    for tail in [&b""[..], b"\xff\xff"] {
        let mut said = subscription(&["t"]);
        said[1] = 1;
        said.extend(tail);
        let join = Join {
            protocols: vec![protocol("range", &said)],
            ..join("")
        };
        bench.send(join.into());
    }
    bench.pass_ms(GATHER_MS);
    let subscribed = bench.classic("g").subscribed().expect("it is understood");
    assert!(subscribed.iter().eq(["t"]));
}

#[test]
fn offsets_of_a_group_that_is_not_of_consumers_stay_while_it_has_members() {
    let mut bench = Bench::new();
    let connect = Join {
        protocol_type: "connect".to_string(),
        ..join("")
    };
    let ticket = bench.send(connect.into());
    bench.pass_ms(3_000);
    let joined = bench.joined(ticket);
    let members = bench.sync_all(&[joined]);
    bench.call(commit(&members[0], 1, &[("t", 0, 5)]));
    let deleted = bench.delete_offsets(&[("t", &[0])]);
    assert_eq!(deleted.error, ErrorCode::NON_EMPTY_GROUP);
    bench.call(leave(&[(&members[0], None)]));
    let deleted = bench.delete_offsets(&[("t", &[0])]);
    assert_eq!(deleted.error, ErrorCode::NONE);
    assert_eq!(bench.offsets(), []);
}

#[test]
fn a_group_without_a_name_may_keep_offsets() {
    let mut bench = Bench::new();
    let nameless = Commit {
        group: String::new(),
        ..committing("", -1, &[("t", 0, 5)])
    };
    let reply = bench.call(Call::Commit(nameless));
    assert_eq!(commit_errors(reply), [ErrorCode::NONE]);
    let Reply::OffsetsDeleted(refused) = bench.call(Call::DeleteOffsets(DeleteOffsets {
        group: String::new(),
        topics: Vec::new(),
    })) else {
        unreachable!()
    };
    assert_eq!(refused.error, ErrorCode::INVALID_GROUP_ID);
    assert_eq!(bench.delete_group(""), ErrorCode::NONE);
}
