//! Loading: the groups are there again as the log tells them, and nothing else is.

use super::super::coordinator::Fault;
use super::calls::commit;
use super::*;
use crate::wire::{
    GroupMetadataKey, GroupMetadataMember, GroupMetadataValue, LegacyOffsetCommitValue,
    OffsetCommitKey,
};

fn replay(coordinator: &mut Coordinator, record: &GroupRecord<'_>) -> Result<(), Fault> {
    let (key, value) = record.encode().expect("a record");
    coordinator.replay(&key, value.as_deref(), Timestamp::NONE)
}

#[test]
fn a_stable_group_is_stable_again_and_its_members_have_a_session_to_be_heard_of() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    bench.call(commit(&members[0], 1, &[("t", 0, 5)]));
    bench.pass_ms(9_000);
    bench.reload();
    assert_eq!(bench.state("g"), "Stable");
    bench.pass_ms(SESSION_MS as u64 - 1);
    assert_eq!(bench.heartbeat(&members[0], 1), ErrorCode::NONE);
    let ticket = bench.send(sync(&members[0], 1, &[]));
    assert_eq!(bench.synced(ticket).assignment, members[0].as_bytes());
    bench.pass_ms(1);
    assert_eq!(
        bench.heartbeat(&members[1], 1),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    let leader = bench.send(join(&members[0]).into());
    assert_eq!(bench.joined(leader).generation, 2);
}

#[test]
fn what_the_log_does_not_tell_of_a_rebalance_is_the_generation_before() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    let tickets: Vec<Ticket> = members
        .iter()
        .map(|member| bench.send(join(member).into()))
        .collect();
    let joined: Vec<Joined> = tickets.iter().map(|at| bench.joined(*at)).collect();
    assert_eq!(joined[0].generation, 2);
    bench.reload();
    assert_eq!(
        bench.heartbeat(&members[0], 2),
        ErrorCode::ILLEGAL_GENERATION
    );
    assert_eq!(bench.heartbeat(&members[0], 1), ErrorCode::NONE);
}

#[test]
fn a_group_that_has_become_too_large_gathers_again_and_leaves_some_out() {
    let mut bench = Bench::new();
    let members = bench.stable_group(3);
    bench.config = Arc::new(GroupConfig {
        size_max: 2,
        ..GroupConfig::default()
    });
    bench.reload();
    assert_eq!(bench.state("g"), "PreparingRebalance");
    let tickets: Vec<Ticket> = members
        .iter()
        .map(|member| bench.send(join(member).into()))
        .collect();
    let refused = bench.joined(tickets[2]);
    assert_eq!(refused.error, ErrorCode::GROUP_MAX_SIZE_REACHED);
    bench.pass_ms(REBALANCE_MS as u64);
    assert_eq!(bench.joined(tickets[0]).members.len(), 2);
}

#[test]
fn a_group_that_is_gone_but_for_its_offsets_only_keeps_those() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    bench.call(commit(&members[0], 1, &[("t", 0, 5)]));
    let key = GroupMetadataKey {
        group_id: "g".into(),
    };
    bench.load(&GroupRecord::GroupMetadata(key, None));
    let listed = bench.coordinator.list(&ListFilter::default());
    assert_eq!((listed[0].state, &*listed[0].protocol_type), ("Empty", ""));
    assert_eq!(bench.offsets(), [("t".to_string(), 0, 5)]);
}

#[test]
fn tombstones_of_what_is_not_there_are_passed_over() {
    let mut coordinator = Coordinator::new(Arc::default());
    let group = GroupMetadataKey {
        group_id: "g".into(),
    };
    let offset = OffsetCommitKey {
        group_id: "g".into(),
        topic: "t".into(),
        partition: 0,
    };
    replay(&mut coordinator, &GroupRecord::GroupMetadata(group, None)).expect("a tombstone");
    replay(&mut coordinator, &GroupRecord::OffsetCommit(offset, None)).expect("a tombstone");
    assert_eq!(coordinator.list(&ListFilter::default()), []);
}

#[test]
fn offsets_in_the_format_before_kafka_0_9_are_read() {
    let mut bench = Bench::new();
    let key = OffsetCommitKey {
        group_id: "g".into(),
        topic: "t".into(),
        partition: 3,
    };
    let value = LegacyOffsetCommitValue {
        offset: 42,
        metadata: "old".into(),
        commit_timestamp: EPOCH_MS,
    };
    bench.load(&GroupRecord::LegacyOffsetCommit(key, Some(value)));
    assert_eq!(bench.offsets(), [("t".to_string(), 3, 42)]);
}

#[test]
fn records_of_types_not_served_are_named() {
    let mut coordinator = Coordinator::new(Arc::default());
    assert_eq!(
        coordinator.replay(&[0, 99, 1, 2], None, Timestamp::NONE),
        Err(Fault::NotServed("type 99".to_string()))
    );
}

#[test]
fn damaged_records_are_faults_and_change_nothing() {
    let mut bench = Bench::new();
    bench.stable_group(2);
    let record = bench.log.last().expect("the group's").clone();
    let value = record.value.expect("a value");
    let mut coordinator = Coordinator::new(bench.config.clone());
    for cut in 0..value.len() {
        let replayed = coordinator.replay(&record.key, Some(&value[..cut]), Timestamp::NONE);
        assert!(matches!(replayed, Err(Fault::Malformed(_))), "{cut}");
    }
    for cut in 0..record.key.len() {
        let replayed = coordinator.replay(&record.key[..cut], Some(&value), Timestamp::NONE);
        assert!(matches!(replayed, Err(Fault::Malformed(_))), "{cut}");
    }
    assert_eq!(coordinator.list(&ListFilter::default()), []);
}

#[test]
fn no_changed_byte_of_a_record_makes_a_coordinator_fail() {
    let mut bench = Bench::new();
    let members = bench.stable_group(2);
    bench.call(commit(&members[0], 1, &[("t", 0, 5)]));
    let mut loaded = 0;
    for record in bench.log.clone() {
        let value = record.value.expect("no tombstones");
        for (at, change) in (0..value.len()).flat_map(|at| [1, 0x80, 0xff].map(|bits| (at, bits))) {
            let mut changed = value.clone();
            changed[at] ^= change;
            let mut coordinator = Coordinator::new(bench.config.clone());
            let replayed = coordinator.replay(&record.key, Some(&changed), Timestamp::NONE);
            loaded += usize::from(replayed.is_ok());
            bench.coordinator = coordinator;
            bench.act(|coordinator, context| coordinator.loaded(context));
            let answered = bench.begin(join("").into());
            bench.answer(answered.replies);
            // Sessions end, syncs and rebalances time out, offsets expire.
            for _ in 0..6 {
                bench.now_us += 3_000_000_000;
                let step = bench.act(|coordinator, context| coordinator.handle_timeout(context));
                bench.answer(step.replies);
            }
            bench.waiting.clear();
        }
    }
    assert!(loaded > 100, "{loaded}");
}

#[test]
fn a_group_that_contradicts_itself_is_a_fault() {
    let member = |id: &'static str, instance: Option<&'static str>| GroupMetadataMember {
        member_id: id.into(),
        group_instance_id: instance.map(Into::into),
        ..Default::default()
    };
    let group = |protocol: Option<&'static str>, members: Vec<GroupMetadataMember<'static>>| {
        let key = GroupMetadataKey {
            group_id: "g".into(),
        };
        let value = GroupMetadataValue {
            protocol_type: "consumer".into(),
            protocol: protocol.map(Into::into),
            members,
            ..Default::default()
        };
        let mut coordinator = Coordinator::new(Arc::default());
        replay(
            &mut coordinator,
            &GroupRecord::GroupMetadata(key, Some(value)),
        )
    };
    let twice = vec![member("a", None), member("a", None)];
    assert!(group(Some("range"), twice).is_err());
    let one_instance = vec![member("a", Some("i")), member("b", Some("i"))];
    assert!(group(Some("range"), one_instance).is_err());
    assert!(group(None, vec![member("a", None)]).is_err());
    let two = vec![member("a", Some("i")), member("b", None)];
    assert_eq!(group(Some("range"), two), Ok(()));
    assert_eq!(group(None, Vec::new()), Ok(()));
}
