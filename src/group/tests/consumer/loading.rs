//! Consumer groups that are loaded: from what was written here, and from what Kafka writes.

use super::super::super::coordinator::Fault;
use super::*;
use crate::wire::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupKey, ConsumerGroupMemberKey,
    ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataValue, ConsumerGroupRecordTopic,
};

#[test]
fn a_group_is_there_again_and_its_members_have_a_session_to_be_heard_of() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    let mut clients = [Client::new("a", &["t"]), Client::new("b", &["t"])];
    converge(&mut bench, &mut clients);
    let before = bench.consumer("g").entries();
    bench.pass_ms(CONSUMER_SESSION_MS - 1);
    bench.reload();
    assert_eq!(bench.consumer("g").entries(), before);
    bench.pass_ms(CONSUMER_SESSION_MS - 1);
    assert!(!clients[0].beat(&mut bench));
    bench.pass_ms(1);
    assert_eq!(bench.consumer("g").members().len(), 1);
}

#[test]
fn who_is_to_give_up_partitions_has_its_time_for_it_after_a_restart() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    bench.configure_group("g", "consumer.session.timeout.ms", "1000000");
    bench.beats(joins("a", &["t"]));
    bench.beats(joins("b", &["t"]));
    bench.beats(beat("a", 1));
    bench.pass_ms(30_000);
    bench.reload();
    bench.pass_ms(REBALANCE_MS as u64 - 1);
    assert_eq!(bench.consumer("g").members().len(), 2);
    bench.pass_ms(1);
    assert_eq!(bench.consumer("g").members().len(), 1);
}

#[test]
fn a_failed_append_leaves_the_group_as_the_log_tells_it() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    bench.beats(joins("a", &["t"]));
    let before = bench.consumer("g").entries();
    let step = bench.begin(Call::ConsumerHeartbeat(joins("b", &["t"])));
    assert!(!step.records.is_empty());
    let error = ErrorCode::NOT_COORDINATOR;
    let failed = step.replies.into_iter();
    let failed = failed.map(|(to, reply)| (to, reply.fail(error))).collect();
    bench.answer(failed);
    let replies = bench.coordinator.unload();
    assert_eq!(replies, []);
    bench.reload();
    assert_eq!(bench.consumer("g").entries(), before);
}

#[test]
fn topics_as_kafka_kept_them_before_4_1_are_taken_back() {
    let mut bench = Bench::new();
    bench.beats(joins("a", &["t"]));
    let key = || ConsumerGroupKey {
        group_id: "g".into(),
    };
    let value = ConsumerGroupPartitionMetadataValue { topics: Vec::new() };
    let record = GroupRecord::ConsumerGroupPartitionMetadata(key(), Some(value));
    bench.load(&record);
    bench.add_topic("t", 1);
    let at = bench.log.len();
    bench.beats(beat("a", 1));
    assert_eq!(bench.types_since(at), [3, -4, 7, 6, 8]);
    bench.grow_topic("t", 2);
    let at = bench.log.len();
    bench.beats(beat("a", 2));
    assert_eq!(bench.types_since(at), [3, 7, 6, 8]);
}

fn current(
    bench: &Bench,
    member: &'static str,
    epoch: i32,
    partitions: &[i32],
) -> GroupRecord<'static> {
    let key = ConsumerGroupMemberKey {
        group_id: "g".into(),
        member_id: member.into(),
    };
    let value = ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: epoch,
        previous_member_epoch: epoch - 1,
        state: 0,
        assigned_partitions: vec![ConsumerGroupRecordTopic {
            topic_id: bench.topic("t"),
            partitions: partitions.to_vec(),
        }],
        partitions_pending_revocation: Vec::new(),
    };
    GroupRecord::ConsumerGroupCurrentMemberAssignment(key, Some(value))
}

fn replay(coordinator: &mut Coordinator, record: &GroupRecord<'_>) -> Result<(), Fault> {
    let (key, value) = record.encode().expect("a record");
    coordinator.replay(&key, value.as_deref(), Timestamp::NONE)
}

#[test]
fn records_that_give_a_partition_to_two_are_damaged() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    let mut coordinator = Coordinator::new(bench.config.clone());
    let load = |coordinator: &mut Coordinator, member, epoch, partitions: &[i32]| {
        replay(coordinator, &current(&bench, member, epoch, partitions))
    };
    assert_eq!(load(&mut coordinator, "a", 5, &[0, 1]), Ok(()));
    for epoch in [4, 5] {
        let loaded = load(&mut coordinator, "b", epoch, &[1, 2]);
        assert!(matches!(loaded, Err(Fault::Malformed(_))), "{loaded:?}");
    }
    // The log may tell of the new owner before the old one's end, where it was compacted.
    assert_eq!(load(&mut coordinator, "b", 6, &[1, 2]), Ok(()));
    assert_eq!(load(&mut coordinator, "a", 7, &[0]), Ok(()));
    assert_eq!(load(&mut coordinator, "c", 7, &[3]), Ok(()));
}

#[test]
fn what_a_log_gives_to_a_new_owner_the_old_one_has_no_longer() {
    let mut bench = Bench::new();
    bench.add_topic("t", 3);
    // The old one's end is missing, as if the log had been damaged there.
    bench.load(&current(&bench, "a", 5, &[0, 1]));
    bench.load(&current(&bench, "b", 9, &[1, 2]));
    let members = bench.consumer("g").members();
    let [a, b] = ["a", "b"].map(|id| members[id].current.owned());
    assert_eq!((a.len(), b.len()), (1, 2));
    assert!(!a.overlap(&b));
    // What it is given next can be read again: it builds on what it has, and not on what it had.
    bench.beats(joins("a", &["t"]));
    bench.reload();
    let members = bench.consumer("g").members();
    assert_eq!(members["a"].current.owned().len(), 1);
}

#[test]
fn a_member_may_be_told_of_in_any_order() {
    let mut bench = Bench::new();
    bench.add_topic("t", 1);
    let mut coordinator = Coordinator::new(bench.config.clone());
    let loaded = replay(&mut coordinator, &current(&bench, "a", 1, &[0]));
    assert_eq!(loaded, Ok(()));
    let key = ConsumerGroupMemberKey {
        group_id: "g".into(),
        member_id: "a".into(),
    };
    let value = ConsumerGroupMemberMetadataValue {
        subscribed_topic_names: vec!["t".into()],
        client_id: "c".into(),
        // As Kafka before regular expressions wrote it.
        subscribed_topic_regex: None,
        ..Default::default()
    };
    let record = GroupRecord::ConsumerGroupMemberMetadata(key, Some(value));
    assert_eq!(replay(&mut coordinator, &record), Ok(()));
    bench.coordinator = coordinator;
    let a = &bench.consumer("g").members()["a"];
    assert_eq!((a.current.epoch, &*a.profile.client_id), (1, "c"));
    assert_eq!(a.profile.regex, None);
}

#[test]
fn tombstones_of_what_is_not_there_are_passed_over() {
    let mut coordinator = Coordinator::new(Arc::default());
    let group = || ConsumerGroupKey {
        group_id: "g".into(),
    };
    let member = || ConsumerGroupMemberKey {
        group_id: "g".into(),
        member_id: "a".into(),
    };
    for record in [
        GroupRecord::ConsumerGroupMetadata(group(), None),
        GroupRecord::ConsumerGroupPartitionMetadata(group(), None),
        GroupRecord::ConsumerGroupTargetAssignmentMetadata(group(), None),
        GroupRecord::ConsumerGroupMemberMetadata(member(), None),
        GroupRecord::ConsumerGroupTargetAssignmentMember(member(), None),
        GroupRecord::ConsumerGroupCurrentMemberAssignment(member(), None),
    ] {
        assert_eq!(replay(&mut coordinator, &record), Ok(()));
    }
    assert!(coordinator.get("g").is_none());
}

#[test]
fn a_group_cannot_be_of_both_kinds() {
    let mut bench = Bench::new();
    bench.stable_group(1);
    let key = ConsumerGroupKey {
        group_id: "g".into(),
    };
    let value = ConsumerGroupMetadataValue {
        epoch: 1,
        ..Default::default()
    };
    let record = GroupRecord::ConsumerGroupMetadata(key, Some(value));
    let loaded = replay(&mut bench.coordinator, &record);
    assert!(matches!(loaded, Err(Fault::Malformed(_))), "{loaded:?}");
}

#[test]
fn offsets_that_were_committed_before_the_group_came_are_its_own() {
    let mut bench = Bench::new();
    let call = super::super::calls::commit("", -1, &[("t", 0, 5)]);
    bench.call(call);
    bench.beats(joins("a", &["t"]));
    bench.reload();
    assert_eq!(bench.consumer("g").members().len(), 1);
    assert_eq!(bench.offsets(), [("t".to_string(), 0, 5)]);
}

#[test]
fn no_changed_byte_of_a_record_makes_a_coordinator_fail() {
    let mut bench = Bench::new();
    bench.add_topic("t", 3);
    bench.beats(ConsumerHeartbeat {
        instance: Some("i".to_string()),
        regex: Some("t".to_string()),
        ..joins("a", &[])
    });
    bench.pass_ms(10);
    bench.beats(beat_static("a", 1));
    bench.beats(joins("b", &["t"]));
    let ticket = bench.send(join("").into());
    let classic = bench.joined(ticket).member.to_string();
    let told = bench.beats(beat_static("a", 2)).assignment;
    let log = bench.log.clone();
    let mut loaded = 0;
    for (place, record) in log.iter().enumerate() {
        let Some(value) = &record.value else {
            continue;
        };
        for (at, bits) in (0..value.len()).flat_map(|at| [1, 0x80, 0xff].map(|bits| (at, bits))) {
            let mut changed = value.clone();
            changed[at] ^= bits;
            bench.coordinator = Coordinator::new(bench.config.clone());
            for (other, record) in log.iter().enumerate() {
                let value = match other == place {
                    true => Some(&changed),
                    false => record.value.as_ref(),
                };
                let value = value.map(|value| &value[..]);
                let replayed = bench
                    .coordinator
                    .replay(&record.key, value, Timestamp::NONE);
                loaded += usize::from(other == place && replayed.is_ok());
            }
            bench.act(|coordinator, context| coordinator.loaded(context));
            for call in [
                Call::ConsumerHeartbeat(owns("a", 2, &told.clone().unwrap_or_default())),
                Call::ConsumerHeartbeat(joins("new", &["t"])),
                heartbeat(&classic, 3),
                join(&classic).into(),
                sync(&classic, 4, &[]),
                Call::ConsumerHeartbeat(beat("b", -1)),
                Call::ConsumerDescribe(ConsumerDescribe {
                    group: "g".to_string(),
                }),
                leave(&[("new", None)]),
            ] {
                let step = bench.begin(call);
                bench.answer(step.replies);
            }
            // Sessions and rebalances end.
            for _ in 0..3 {
                bench.now_us += 3_000_000_000;
                let step = bench.act(|coordinator, context| coordinator.handle_timeout(context));
                bench.answer(step.replies);
            }
            bench.waiting.clear();
            bench.replies.clear();
        }
    }
    assert!(loaded > 500, "{loaded}");
}

fn beat_static(member: &str, epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        instance: Some("i".to_string()),
        ..beat(member, epoch)
    }
}
