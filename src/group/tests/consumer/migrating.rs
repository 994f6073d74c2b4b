//! Groups that change their protocol while they have members.

use super::super::calls::commit;
use super::*;
use crate::group::config::Migration;
use crate::wire::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, ConsumerProtocolTopic,
};

/// An assignment as a leader makes it.
pub(super) fn assigned(topics: &[(&str, &[i32])]) -> Vec<u8> {
    let topics = topics
        .iter()
        .map(|(topic, partitions)| ConsumerProtocolTopic {
            topic: topic.to_string().into(),
            partitions: partitions.to_vec(),
        });
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: topics.collect(),
        user_data: None,
    };
    assignment.to_bytes(0).expect("a version").to_vec()
}

/// The partitions of topic "t" in an assignment.
pub(super) fn read(bytes: &Bytes) -> Vec<i32> {
    let (assignment, _) = ConsumerProtocolAssignment::from_bytes(bytes).expect("an assignment");
    let topics = assignment.assigned_partitions.into_iter();
    topics.flat_map(|topic| topic.partitions).collect()
}

/// A join of a classic member that owns partitions of topic "t".
pub(super) fn classic_join(member: &str, owned: &[i32]) -> Join {
    let owned_partitions = match owned {
        [] => Vec::new(),
        _ => vec![ConsumerProtocolTopic {
            topic: "t".into(),
            partitions: owned.to_vec(),
        }],
    };
    let subscription = ConsumerProtocolSubscription {
        topics: vec!["t".into()],
        user_data: None,
        owned_partitions,
        generation_id: -1,
        rack_id: None,
    };
    let metadata = subscription.to_bytes(1).expect("a version");
    Join {
        protocols: vec![protocol("range", &metadata)],
        ..join(member)
    }
}

/// A stable classic group with partitions of "t" assigned to its members, the leader first.
fn classic_group(bench: &mut Bench, parts: &[&[i32]]) -> Vec<String> {
    let tickets: Vec<Ticket> = parts
        .iter()
        .map(|_| bench.send(classic_join("", &[]).into()))
        .collect();
    bench.pass_ms(GATHER_MS);
    let joined: Vec<Joined> = tickets.iter().map(|at| bench.joined(*at)).collect();
    let members: Vec<String> = joined
        .iter()
        .map(|joined| joined.member.to_string())
        .collect();
    let Call::Sync(mut call) = sync(&joined[0].leader, joined[0].generation, &[]) else {
        panic!("another call")
    };
    call.assignments = members
        .iter()
        .zip(parts)
        .map(|(member, part)| (member.clone(), assigned(&[("t", part)]).into()))
        .collect();
    let ticket = bench.send(Call::Sync(call));
    assert_eq!(bench.synced(ticket).error, ErrorCode::NONE);
    for member in &members {
        let ticket = bench.send(sync(member, joined[0].generation, &[]));
        assert_eq!(bench.synced(ticket).error, ErrorCode::NONE);
    }
    members
}

fn rejoin(bench: &mut Bench, member: &str, owned: &[i32]) -> Joined {
    let ticket = bench.send(classic_join(member, owned).into());
    let joined = bench.joined(ticket);
    assert_eq!(joined.error, ErrorCode::NONE);
    joined
}

fn synced(bench: &mut Bench, member: &str, generation: i32) -> Vec<i32> {
    let ticket = bench.send(sync(member, generation, &[]));
    let synced = bench.synced(ticket);
    assert_eq!(synced.error, ErrorCode::NONE);
    read(&synced.assignment)
}

fn with(migration: Migration) -> Bench {
    Bench::with(GroupConfig {
        migration,
        ..GroupConfig::default()
    })
}

#[test]
fn a_classic_group_becomes_a_consumer_group_and_its_members_go_on() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    let members = classic_group(&mut bench, &[&[0, 1], &[2, 3]]);
    bench.call(commit(&members[0], 1, &[("t", 0, 5)]));
    let at = bench.log.len();
    let new = bench.beats(joins("new", &["t"]));
    assert_eq!((new.epoch, new.assignment), (2, Some(Partitions::new())));
    // The classic group is over; two members; their epoch; what each is to have, and has.
    assert_eq!(bench.types_since(at)[..9], [-2, 5, 5, 3, 7, 7, 6, 8, 8]);
    assert_eq!(bench.offsets(), [("t".to_string(), 0, 5)]);

    // The classic members hear that they are to join again, give up what the new one is to have, and
    // get the rest.
    let mut kept = Vec::new();
    for (member, owned) in members.iter().zip([[0, 1], [2, 3]]) {
        assert_eq!(bench.heartbeat(member, 1), ErrorCode::REBALANCE_IN_PROGRESS);
        let joined = rejoin(&mut bench, member, &owned);
        assert_eq!((&*joined.leader, joined.members.len()), ("", 0));
        assert_eq!(joined.protocol_name.as_deref(), Some("range"));
        let mut got = synced(&mut bench, member, joined.generation);
        let mut generation = joined.generation;
        if got.len() < 2 {
            // It has given one up, and says so by joining once more.
            assert_eq!(
                bench.heartbeat(member, generation),
                ErrorCode::REBALANCE_IN_PROGRESS
            );
            generation = rejoin(&mut bench, member, &got).generation;
            got = synced(&mut bench, member, generation);
        }
        assert_eq!(generation, 2);
        assert_eq!(bench.heartbeat(member, 2), ErrorCode::NONE);
        kept.extend(got);
    }
    let rest = bench.beats(beat("new", 2)).assignment.expect("the rest");
    kept.extend(rest.iter().map(|(_, index)| index.0));
    kept.sort_unstable();
    assert_eq!(kept, [0, 1, 2, 3]);
    assert_eq!(bench.state("g"), "Stable");
    let described = bench.describe_consumer("g");
    let classic = described.members.iter().filter(|member| member.is_classic);
    assert_eq!((classic.count(), described.members.len()), (2, 3));
    bench.reload();
    assert_eq!(bench.heartbeat(&members[0], 2), ErrorCode::NONE);
}

#[test]
fn the_last_that_speaks_the_new_protocol_leaves_a_classic_group_behind() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    let members = classic_group(&mut bench, &[&[0, 1, 2, 3]]);
    bench.beats(joins("new", &["t"]));
    let at = bench.log.len();
    bench.beats(beat("new", -1));
    let types = bench.types_since(at);
    assert_eq!(types.last(), Some(&2));
    assert!(
        types[..types.len() - 1].iter().all(|kind| *kind < 0),
        "{types:?}"
    );
    assert_eq!(bench.state("g"), "PreparingRebalance");
    assert_eq!(bench.classic("g").roster().len(), 1);
    let joined = rejoin(&mut bench, &members[0], &[0, 1, 2, 3]);
    assert_eq!(joined.leader.to_string(), members[0]);
    assert!(joined.generation > 2);
    bench.reload();
    assert_eq!(bench.state("g"), "Stable");
}

#[test]
fn a_session_that_ends_leaves_a_classic_group_behind_too() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    let members = classic_group(&mut bench, &[&[0, 1]]);
    bench.beats(joins("new", &["t"]));
    for _ in 0..5 {
        bench.pass_ms(9_000);
        if bench.state("g") == "PreparingRebalance" {
            break;
        }
        let _ = bench.heartbeat(&members[0], 1);
    }
    assert_eq!(bench.state("g"), "PreparingRebalance");
    assert_eq!(bench.classic("g").roster().len(), 1);
}

#[test]
fn who_waits_in_a_classic_group_that_changes_is_sent_back() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    let members = classic_group(&mut bench, &[&[0], &[1]]);
    let waiting = bench.send(classic_join(&members[0], &[]).into());
    assert!(bench.is_waiting(waiting));
    bench.beats(joins("new", &["t"]));
    let joined = bench.joined(waiting);
    assert_eq!(joined.error, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(bench.consumer("g").members().len(), 3);
}

#[test]
fn a_group_in_its_first_gathering_changes_too() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    let waiting = bench.send(classic_join("", &[]).into());
    bench.beats(joins("new", &["t"]));
    let joined = bench.joined(waiting);
    assert_eq!(joined.error, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(bench.consumer("g").members().len(), 2);
}

#[test]
fn groups_change_only_the_way_that_they_may() {
    for migration in [Migration::Disabled, Migration::Downgrade] {
        let mut bench = with(migration);
        bench.add_topic("t", 2);
        classic_group(&mut bench, &[&[0, 1]]);
        let reply = bench.beat(joins("new", &["t"]));
        assert_eq!(reply.error, ErrorCode::GROUP_ID_NOT_FOUND);
        assert_eq!(bench.state("g"), "Stable");
    }
    let mut bench = with(Migration::Upgrade);
    bench.add_topic("t", 2);
    classic_group(&mut bench, &[&[0, 1]]);
    bench.beats(joins("new", &["t"]));
    bench.beats(beat("new", -1));
    assert_eq!(bench.consumer("g").members().len(), 1);

    let mut bench = with(Migration::Disabled);
    bench.beats(joins("new", &["t"]));
    let ticket = bench.send(classic_join("", &[]).into());
    let joined = bench.joined(ticket);
    assert_eq!(joined.error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
}

#[test]
fn groups_that_cannot_be_understood_stay_classic() {
    let mut bench = Bench::new();
    let other = Join {
        protocol_type: "connect".to_string(),
        ..join("")
    };
    let ticket = bench.send(other.into());
    bench.pass_ms(GATHER_MS);
    assert_eq!(bench.joined(ticket).error, ErrorCode::NONE);
    let reply = bench.beat(joins("new", &["t"]));
    assert_eq!(reply.error, ErrorCode::GROUP_ID_NOT_FOUND);

    let mut bench = Bench::new();
    // Its leader has assigned what is no assignment.
    bench.stable_group(1);
    let reply = bench.beat(joins("new", &["t"]));
    assert_eq!(reply.error, ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(bench.state("g"), "Stable");
}

#[test]
fn a_partition_that_a_leader_gave_to_two_has_one_owner_then() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    classic_group(&mut bench, &[&[0, 1], &[1]]);
    bench.beats(joins("new", &["t"]));
    let members = bench.consumer("g").members().values();
    let owned: usize = members.map(|member| member.current.owned().len()).sum();
    assert_eq!(owned, 2);
}

#[test]
fn a_classic_member_joins_a_consumer_group() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    let mut clients = [Client::new("a", &["t"])];
    converge(&mut bench, &mut clients);
    let asks = Join {
        requires_member_id: true,
        ..classic_join("", &[])
    };
    let ticket = bench.send(asks.clone().into());
    let told = bench.joined(ticket);
    assert_eq!(told.error, ErrorCode::MEMBER_ID_REQUIRED);
    let named = Join {
        member: told.member.to_string(),
        ..asks
    };
    let ticket = bench.send(named.into());
    let joined = bench.joined(ticket);
    assert_eq!((joined.error, joined.generation), (ErrorCode::NONE, 2));
    assert!(synced(&mut bench, &joined.member, 2).is_empty());
    // While nothing is free, there is nothing to join for.
    assert_eq!(bench.heartbeat(&joined.member, 2), ErrorCode::NONE);
    for _ in 0..2 {
        clients[0].beat(&mut bench);
    }
    assert_eq!(
        bench.heartbeat(&joined.member, 2),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    rejoin(&mut bench, &joined.member, &[]);
    assert_eq!(synced(&mut bench, &joined.member, 2).len(), 1);
    assert_eq!(bench.state("g"), "Stable");
}

/// A fuzzer's finding: the group that was left behind had a member and no protocol, which its own record
/// does not allow.
#[test]
fn a_protocol_that_a_member_names_twice_counts_once_when_the_group_is_a_classic_one_again() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    bench.beats(joins("new", &["t"]));
    let mut twice = classic_join("", &[]);
    twice.protocols.extend(twice.protocols.clone());
    let ticket = bench.send(twice.into());
    let joined = bench.joined(ticket);
    assert_eq!(joined.error, ErrorCode::NONE);
    bench.beats(beat("new", -1));
    let roster = bench.classic("g").roster();
    assert_eq!(roster.select_protocol(), Some("range"));
    bench.reload();
    assert_eq!(bench.state("g"), "Stable");
}

#[test]
fn what_a_classic_member_must_say_it_must_say_to_a_consumer_group_too() {
    let mut bench = Bench::new();
    bench.beats(joins("a", &["t"]));
    let joined = rejoin(&mut bench, "b", &[]);
    let error = |bench: &mut Bench, join: Join| {
        let ticket = bench.send(join.into());
        bench.joined(ticket).error
    };
    let inconsistent = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
    let other_type = Join {
        protocol_type: "connect".to_string(),
        ..classic_join("", &[])
    };
    assert_eq!(error(&mut bench, other_type), inconsistent);
    let other_protocol = Join {
        protocols: vec![protocol("other", &subscription(&["t"]))],
        ..classic_join("", &[])
    };
    assert_eq!(error(&mut bench, other_protocol), inconsistent);
    let malformed = Join {
        protocols: vec![protocol("range", b"x")],
        ..classic_join("", &[])
    };
    assert_eq!(error(&mut bench, malformed), inconsistent);

    let generation = joined.generation;
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    let illegal = ErrorCode::ILLEGAL_GENERATION;
    assert_eq!(bench.heartbeat("x", generation), unknown);
    assert_eq!(bench.heartbeat("a", 1), unknown);
    assert_eq!(bench.heartbeat("b", generation + 1), illegal);
    let ticket = bench.send(sync("b", generation + 1, &[]));
    assert_eq!(bench.synced(ticket).error, illegal);
    let Call::Sync(mut call) = sync("b", generation, &[]) else {
        panic!("another call")
    };
    call.protocol_name = Some("other".to_string());
    let ticket = bench.send(Call::Sync(call));
    assert_eq!(bench.synced(ticket).error, inconsistent);
}

#[test]
fn a_classic_member_that_does_not_sync_or_does_not_join_again_is_removed() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    let patient = Join {
        session_timeout_ms: 1_000_000,
        ..classic_join("b", &[])
    };
    bench.beats(joins("a", &["t"]));
    let ticket = bench.send(patient.clone().into());
    let generation = bench.joined(ticket).generation;
    let mut clients = [Client {
        epoch: 1,
        owned: bench.of("t", &[0, 1]),
        ..Client::new("a", &["t"])
    }];
    for _ in 0..2 {
        bench.pass_ms(20_000);
        clients[0].beat(&mut bench);
    }
    assert_eq!(bench.consumer("g").members().len(), 2);
    bench.pass_ms(20_000);
    assert_eq!(bench.consumer("g").members().len(), 1, "it did not sync");

    clients[0].beat(&mut bench);
    let ticket = bench.send(patient.into());
    let again = bench.joined(ticket);
    assert!(again.generation > generation);
    synced(&mut bench, "b", again.generation);
    bench.pass_ms(20_000);
    converge_one(&mut bench, &mut clients[0]);
    assert_eq!(
        bench.heartbeat("b", again.generation),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    for _ in 0..3 {
        assert_eq!(bench.consumer("g").members().len(), 2);
        bench.pass_ms(20_000);
        clients[0].beat(&mut bench);
    }
    assert_eq!(bench.consumer("g").members().len(), 1, "it did not join");
}

fn converge_one(bench: &mut Bench, client: &mut Client) {
    for _ in 0..3 {
        client.beat(bench);
    }
}

#[test]
fn a_static_member_changes_its_protocol_and_keeps_what_it_has() {
    let mut bench = Bench::new();
    bench.add_topic("t", 2);
    let static_join = |member: &str, owned: &[i32]| Join {
        instance: Some("i".to_string()),
        ..classic_join(member, owned)
    };
    // The consumer group's only member is replaced by a classic one: the group is classic then.
    let first = ConsumerHeartbeat {
        instance: Some("i".to_string()),
        ..joins("a", &["t"])
    };
    bench.beats(first.clone());
    let ticket = bench.send(static_join("", &[0, 1]).into());
    let joined = bench.joined(ticket);
    assert_eq!(joined.error, ErrorCode::NONE);
    assert_eq!(bench.state("g"), "Stable");
    assert_eq!(bench.classic("g").generation(), joined.generation);
    let call = Sync {
        group: "g".to_string(),
        member: joined.member.to_string(),
        instance: Some("i".to_string()),
        generation: joined.generation,
        protocol_type: None,
        protocol_name: None,
        assignments: Vec::new(),
    };
    let ticket = bench.send(Call::Sync(call));
    assert_eq!(read(&bench.synced(ticket).assignment), [0, 1]);
    // And back: no classic member holds the instance id against one of the new protocol.
    let back = bench.beats(ConsumerHeartbeat {
        member: "b".to_string(),
        ..first
    });
    assert_eq!(back.assignment, Some(bench.of("t", &[0, 1])));
    assert_eq!(bench.consumer("g").members().len(), 1);
    bench.reload();
    assert_eq!(bench.consumer("g").members().len(), 1);
}

#[test]
fn an_empty_consumer_group_becomes_a_classic_one_when_a_classic_member_joins() {
    let mut bench = Bench::new();
    bench.beats(joins("a", &["t"]));
    bench.beats(beat("a", -1));
    assert_eq!(bench.heartbeat("a", 1), ErrorCode::UNKNOWN_MEMBER_ID);
    let at = bench.log.len();
    let members = classic_group(&mut bench, &[&[]]);
    assert_eq!(bench.types_since(at)[..4], [-6, -4, -3, 2]);
    assert_eq!(bench.classic("g").roster().len(), members.len());
    bench.reload();
    assert_eq!(bench.state("g"), "Stable");
}
