//! The way of members to their targets: giving up before getting, and no partition with two owners.

use super::*;
use crate::group::consumer::State;
use crate::wire::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberKey, ConsumerGroupRecordTopic,
};

#[test]
fn a_partition_is_given_when_its_owner_has_given_it_up() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    let all = bench.of("t", &[0, 1, 2, 3]);
    assert_eq!(
        bench.beats(joins("a", &["t"])).assignment,
        Some(all.clone())
    );
    let b = bench.beats(joins("b", &["t"]));
    assert_eq!((b.epoch, b.assignment), (2, Some(Partitions::new())));
    assert_eq!(bench.state("g"), "Reconciling");
    let state = |bench: &Bench, member: &str| bench.consumer("g").members()[member].current.state;
    assert_eq!(state(&bench, "b"), State::Unreleased);

    // It is told what to keep, and has until then not given up anything.
    let told = bench.beats(beat("a", 1));
    let kept = told.assignment.expect("what it is to keep");
    assert_eq!((told.epoch, kept.len()), (1, 2));
    assert_eq!(state(&bench, "a"), State::Unrevoked);
    for still in [beat("a", 1), owns("a", 1, &all)] {
        let reply = bench.beats(still);
        assert_eq!((reply.epoch, reply.assignment), (1, None));
        assert_eq!(bench.beats(beat("b", 2)).assignment, None);
    }
    let done = bench.beats(owns("a", 1, &kept));
    assert_eq!((done.epoch, done.assignment), (2, None));
    assert_eq!(state(&bench, "a"), State::Stable);

    let got = bench.beats(beat("b", 2)).assignment.expect("the rest");
    assert_eq!(got, all.without(&kept));
    assert_eq!(bench.state("g"), "Stable");
}

#[test]
fn who_does_not_give_up_in_time_is_removed() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    bench.beats(joins("a", &["t"]));
    bench.beats(joins("b", &["t"]));
    bench.beats(beat("a", 1));
    for _ in 0..3 {
        bench.pass_ms(19_000);
        bench.beats(beat("a", 1));
        bench.beats(beat("b", 2));
    }
    assert_eq!(bench.consumer("g").members().len(), 2);
    bench.pass_ms(3_000);
    assert_eq!(bench.beat(beat("a", 1)).error, ErrorCode::UNKNOWN_MEMBER_ID);
    let all = bench.of("t", &[0, 1, 2, 3]);
    assert_eq!(bench.beats(beat("b", 2)).assignment, Some(all));
}

#[test]
fn who_gives_up_in_time_is_not_removed_later() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    let mut clients = [Client::new("a", &["t"]), Client::new("b", &["t"])];
    converge(&mut bench, &mut clients);
    for _ in 0..5 {
        bench.pass_ms(30_000);
        converge(&mut bench, &mut clients);
    }
    assert_eq!(bench.consumer("g").members().len(), 2);
}

#[test]
fn who_is_silent_for_a_session_is_removed() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    let mut clients = [Client::new("a", &["t"]), Client::new("b", &["t"])];
    converge(&mut bench, &mut clients);
    bench.pass_ms(CONSUMER_SESSION_MS - 1);
    clients[0].beat(&mut bench);
    assert_eq!(bench.consumer("g").members().len(), 2);
    let (at, epoch) = (bench.log.len(), bench.consumer("g").epoch());
    bench.pass_ms(1);
    assert_eq!(bench.types_since(at), [-8, -7, -5, 3]);
    assert_eq!(bench.consumer("g").epoch(), epoch + 1);
    converge(&mut bench, &mut clients[..1]);
    assert_eq!(clients[0].owned.len(), 2);
}

#[test]
fn two_that_end_at_the_same_time_are_removed_in_two_epochs() {
    let mut bench = Bench::new();
    bench.add_topic("t", 3);
    let mut clients = ["a", "b", "c"].map(|id| Client::new(id, &["t"]));
    converge(&mut bench, &mut clients);
    let epoch = bench.consumer("g").epoch();
    bench.pass_ms(CONSUMER_SESSION_MS - 1);
    clients[0].beat(&mut bench);
    bench.pass_ms(1);
    assert_eq!(bench.consumer("g").epoch(), epoch + 2);
    assert_eq!(bench.consumer("g").members().len(), 1);
}

#[test]
fn what_a_member_does_not_want_any_more_it_is_told_to_give_up_at_once() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    bench.add_topic("u", 2);
    let mut clients = [Client::new("a", &["t", "u"]), Client::new("b", &["t", "u"])];
    converge(&mut bench, &mut clients);
    let a = clients[0].clone();
    let changed = ConsumerHeartbeat {
        topics: Some(vec!["u".to_string()]),
        ..owns("a", a.epoch, &a.owned)
    };
    let reply = bench.beats(changed);
    let kept = reply.assignment.expect("another assignment");
    assert_eq!(kept, a.owned.without(&bench.of("t", &[0, 1])));
    assert_eq!(reply.epoch, a.epoch);
    clients[0].topics = vec!["u".to_string()];
    clients[0].owned = kept;
    converge(&mut bench, &mut clients);
    assert_eq!(clients[0].owned, bench.of("u", &[0, 1]));
    assert_eq!(clients[1].owned, bench.of("t", &[0, 1]));
}

#[test]
fn a_member_of_a_state_not_known_here_begins_anew() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    bench.beats(joins("a", &["t"]));
    let all = bench.of("t", &[0, 1]);
    let key = ConsumerGroupMemberKey {
        group_id: "g".into(),
        member_id: "a".into(),
    };
    let value = ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: 1,
        previous_member_epoch: 0,
        state: 99,
        assigned_partitions: vec![ConsumerGroupRecordTopic {
            topic_id: bench.topic("t"),
            partitions: vec![0, 1],
        }],
        partitions_pending_revocation: Vec::new(),
    };
    let record = GroupRecord::ConsumerGroupCurrentMemberAssignment(key, Some(value));
    bench.load(&record);
    let state = bench.consumer("g").members()["a"].current.state;
    assert_eq!(state, State::Unknown);
    assert_eq!(
        bench.beat(owns("a", 1, &all)).error,
        ErrorCode::FENCED_MEMBER_EPOCH
    );
    let again = bench.beats(joins("a", &["t"]));
    assert_eq!((again.epoch, again.assignment), (1, Some(all)));
}

#[test]
fn the_group_is_told_by_its_states() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    let state = |bench: &mut Bench| bench.describe_consumer("g").state;
    assert_eq!(
        bench.describe_consumer("g").error,
        ErrorCode::GROUP_ID_NOT_FOUND
    );
    bench.beats(joins("a", &["t"]));
    assert_eq!(state(&mut bench), "Stable");
    bench.beats(joins("b", &["t"]));
    assert_eq!(state(&mut bench), "Reconciling");
    bench.beats(beat("b", -1));
    assert_eq!(state(&mut bench), "Assigning");
    bench.beats(beat("a", 1));
    assert_eq!(state(&mut bench), "Stable");
    bench.beats(beat("a", -1));
    assert_eq!(state(&mut bench), "Empty");
    let filter = ListFilter {
        types: vec!["Consumer".to_string()],
        ..ListFilter::default()
    };
    let listed = bench.coordinator.list(&filter);
    assert_eq!(listed.len(), 1);
    assert_eq!(&*listed[0].protocol_type, "consumer");
    assert_eq!((listed[0].kind, listed[0].state), ("consumer", "Empty"));
}

#[test]
fn describing_tells_what_members_want_and_have_and_are_to_have() {
    let mut bench = Bench::new();
    let id = bench.add_topic("t", 2);
    let join = ConsumerHeartbeat {
        rack: Some("r".to_string()),
        instance: Some("i".to_string()),
        ..joins("a", &["t", "absent"])
    };
    bench.beats(join);
    bench.beats(joins("b", &["t"]));
    let described = bench.describe_consumer("g");
    assert_eq!((described.epoch, described.assignment_epoch), (2, 2));
    let a = &described.members[0];
    assert_eq!((&*a.member, a.rack.as_deref()), ("a", Some("r")));
    assert_eq!((a.instance.as_deref(), a.epoch), (Some("i"), 1));
    assert_eq!(a.topics, ["absent".into(), "t".into()]);
    assert_eq!((&*a.client_id, &*a.client_host), ("client", "/10.0.0.1"));
    assert!(!a.is_classic && a.regex.is_empty());
    let topic = |partitions: &[i32]| DescribedTopic {
        id,
        name: "t".to_string(),
        partitions: partitions.iter().copied().map(PartitionIndex).collect(),
    };
    assert_eq!(a.assigned, [topic(&[0, 1])]);
    assert_eq!(a.target, [topic(&[0])]);
    let b = &described.members[1];
    assert_eq!((b.assigned.len(), &b.target[..]), (0, &[topic(&[1])][..]));
}
