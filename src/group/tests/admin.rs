//! DescribeGroups, ListGroups, DeleteGroups; deleted topics; giving up the partition.

use super::calls::commit;
use super::*;
use crate::types::PartitionIndex;

fn describe(bench: &mut Bench, knows_group_id_not_found: bool) -> Described {
    let call = Call::Describe(Describe {
        group: "g".to_string(),
        knows_group_id_not_found,
    });
    match bench.call(call) {
        Reply::Described(described) => described,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_that_does_not_exist_is_dead_and_new_clients_are_told_more() {
    let mut bench = Bench::new();
    let old = describe(&mut bench, false);
    assert_eq!((old.error, old.state), (ErrorCode::NONE, "Dead"));
    let new = describe(&mut bench, true);
    assert_eq!(
        (new.error, new.state),
        (ErrorCode::GROUP_ID_NOT_FOUND, "Dead")
    );
    assert_eq!(new.message.as_deref(), Some("Group g not found."));
}

#[test]
fn a_stable_group_shows_its_protocol_and_what_members_said_and_do() {
    let mut bench = Bench::new();
    let ticket = bench.send(join_static("", "a").into());
    let gathering = describe(&mut bench, true);
    assert_eq!(gathering.state, "PreparingRebalance");
    assert_eq!(&*gathering.protocol, "");
    assert!(gathering.members[0].metadata.is_empty());
    bench.pass_ms(3_000);
    assert_eq!(describe(&mut bench, true).state, "CompletingRebalance");
    let joined = bench.joined(ticket);
    let members = bench.sync_all(&[joined]);

    let stable = describe(&mut bench, true);
    assert_eq!(stable.state, "Stable");
    assert_eq!(
        (&*stable.protocol_type, &*stable.protocol),
        ("consumer", "range")
    );
    let member = &stable.members[0];
    assert_eq!(*member.member, *members[0]);
    assert_eq!(member.instance.as_deref(), Some("a"));
    assert_eq!(
        (&*member.client_id, &*member.client_host),
        ("client", "/10.0.0.1")
    );
    assert_eq!(member.metadata, subscription(&["t"]));
    assert_eq!(member.assignment, members[0].as_bytes());

    bench.call(leave(&[("", Some("a"))]));
    let empty = describe(&mut bench, true);
    assert_eq!(empty.state, "Empty");
    assert_eq!(&*empty.protocol_type, "consumer");
    assert!(empty.members.is_empty());
}

#[test]
fn groups_are_listed_by_state_and_type_in_any_spelling() {
    let mut bench = Bench::new();
    bench.stable_group(1);
    let Call::Commit(simple) = commit("", -1, &[("t", 0, 5)]) else {
        unreachable!()
    };
    bench.call(Call::Commit(Commit {
        group: "a".to_string(),
        ..simple
    }));
    let list = |states: &[&str], types: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        let filter = ListFilter {
            states: owned(states),
            types: owned(types),
        };
        let listed = bench.coordinator.list(&filter).into_iter();
        let shown = listed.map(|group| {
            format!(
                "{}/{}/{}/{}",
                group.group, group.protocol_type, group.state, group.kind
            )
        });
        shown.collect::<Vec<String>>()
    };
    let (simple, stable) = ("a//Empty/classic", "g/consumer/Stable/classic");
    assert_eq!(list(&[], &[]), [simple, stable]);
    assert_eq!(list(&["stable"], &[]), [stable]);
    assert_eq!(list(&[" EMPTY ", "Dead"], &["Classic"]), [simple]);
    assert_eq!(
        list(&["Stable", "Empty"], &["classic", "consumer"]),
        [simple, stable]
    );
    assert_eq!(list(&[], &["consumer"]), [""; 0]);
    assert_eq!(list(&["Nonsense"], &[]), [""; 0]);
}

#[test]
fn only_an_empty_group_is_deleted_and_its_offsets_go_with_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.delete_group("g"), ErrorCode::GROUP_ID_NOT_FOUND);
    let members = bench.stable_group(1);
    bench.call(commit(&members[0], 1, &[("t", 0, 5), ("u", 3, 5)]));
    assert_eq!(bench.delete_group("g"), ErrorCode::NON_EMPTY_GROUP);
    bench.call(leave(&[(&members[0], None)]));
    let written = bench.log.len();
    assert_eq!(bench.delete_group("g"), ErrorCode::NONE);
    let tombstones = &bench.log[written..];
    assert_eq!(tombstones.len(), 3);
    assert!(tombstones.iter().all(|record| record.value.is_none()));
    assert_eq!(bench.state("g"), "Dead");
    assert_eq!(bench.delete_group("g"), ErrorCode::GROUP_ID_NOT_FOUND);
    bench.reload();
    assert_eq!(bench.state("g"), "Dead");
    assert_eq!(bench.offsets(), []);
}

#[test]
fn a_deleted_group_leaves_no_timer_behind() {
    let mut bench = Bench::new();
    let required = Join {
        requires_member_id: true,
        ..join("")
    };
    let ticket = bench.send(required.into());
    let given = bench.joined(ticket).member;
    assert!(bench.coordinator.timers.next_us().is_some());
    assert_eq!(bench.delete_group("g"), ErrorCode::NONE);
    assert_eq!(bench.coordinator.timers.next_us(), None);
    let ticket = bench.send(join(&given).into());
    assert_eq!(bench.joined(ticket).error, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_deleted_topic_takes_what_was_committed_for_it_from_every_group() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    bench.call(commit(
        &members[0],
        1,
        &[("t", 0, 5), ("t", 1, 5), ("u", 0, 5)],
    ));
    let Call::Commit(other) = commit("", -1, &[("t", 0, 5)]) else {
        unreachable!()
    };
    bench.call(Call::Commit(Commit {
        group: "h".to_string(),
        ..other
    }));
    let step = bench.act(|coordinator, context| {
        coordinator.topics_deleted(context, &["t".to_string(), "nowhere".to_string()])
    });
    assert_eq!(step.records.len(), 3);
    bench.take(step);
    assert_eq!(bench.offsets(), [("u".to_string(), 0, 5)]);
    let other = bench.coordinator.get("h").expect("the group stays");
    assert!(other.offsets.get("t", PartitionIndex(0)).is_none());
    let again =
        bench.act(|coordinator, context| coordinator.topics_deleted(context, &["t".to_string()]));
    assert_eq!(again, Step::default());
}

#[test]
fn giving_up_the_partition_answers_everyone_who_waits() {
    let mut bench = Bench::new();
    let tickets = [(); 2].map(|()| bench.send(join("").into()));
    bench.pass_ms(GATHER_MS);
    let [_, follower] = tickets.map(|ticket| bench.joined(ticket));
    let sync = bench.send(sync(&follower.member, 1, &[]));
    let elsewhere = Join {
        group: "h".to_string(),
        ..join("")
    };
    let join = bench.send(elsewhere.into());
    let replies = bench.coordinator.unload();
    bench.answer(replies);
    assert_eq!(bench.synced(sync).error, ErrorCode::NOT_COORDINATOR);
    assert_eq!(bench.joined(join).error, ErrorCode::NOT_COORDINATOR);
    assert!(bench.waiting.is_empty());
    assert_eq!(bench.coordinator.poll_timeout(), None);
    assert_eq!(bench.coordinator.list(&ListFilter::default()), []);
}

#[test]
fn every_kind_of_call_can_be_refused_and_every_reply_fail() {
    let error = ErrorCode::NOT_COORDINATOR;
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let calls = [
        Call::Join(join(&members[0])),
        sync(&members[0], 1, &[]),
        heartbeat(&members[0], 1),
        leave(&[("made-up", None)]),
        commit(&members[0], 1, &[("t", 0, 5)]),
        Call::Fetch(calls::fetching(None)),
        Call::DeleteOffsets(DeleteOffsets {
            group: "g".to_string(),
            topics: Vec::new(),
        }),
        Call::Describe(Describe {
            group: "g".to_string(),
            knows_group_id_not_found: true,
        }),
        Call::Delete(Delete {
            group: "g".to_string(),
        }),
    ];
    for call in calls {
        assert_eq!(call.group(), "g");
        let refused = call.refuse(error);
        assert!(answers(&call, &refused), "{refused:?}");
        assert!(format!("{refused:?}").contains("NOT_COORDINATOR"));
        let ticket = bench.send(call.clone());
        let reply = match bench.replies.remove(&ticket) {
            Some(reply) => reply,
            None => continue,
        };
        assert!(!format!("{reply:?}").contains("NOT_COORDINATOR"));
        let failed = reply.fail(error);
        assert!(answers(&call, &failed), "{failed:?}");
        assert!(format!("{failed:?}").contains("NOT_COORDINATOR"));
    }
    let loading = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    assert_eq!(
        heartbeat("m", 1).refuse(loading),
        Reply::Heartbeat(ErrorCode::NONE)
    );
    assert_eq!(
        sync("m", 1, &[]).refuse(loading),
        Reply::Synced(Synced::refused(loading))
    );
}
