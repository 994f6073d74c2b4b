//! ConsumerGroupHeartbeat: who may join, what a member is told, and by which epoch it may come.

use super::*;

#[test]
fn the_first_member_gets_everything_and_it_is_written_as_kafka_writes_it() {
    let mut bench = Bench::new();
    bench.add_topic("t", 3);
    let reply = bench.beats(joins("a", &["t"]));
    assert_eq!(reply.member.as_deref(), Some("a"));
    assert_eq!((reply.epoch, reply.interval_ms), (1, INTERVAL_MS));
    assert_eq!(reply.assignment, Some(bench.of("t", &[0, 1, 2])));
    // The member, the group's epoch, the member's target, the target's epoch, what the member has.
    assert_eq!(bench.types_since(0), [5, 3, 7, 6, 8]);
    assert_eq!(bench.state("g"), "Stable");
}

#[test]
fn a_heartbeat_that_changes_nothing_writes_nothing_and_tells_nothing() {
    let mut bench = Bench::new();
    bench.add_topic("t", 3);
    bench.beats(joins("a", &["t"]));
    let at = bench.log.len();
    let reply = bench.beats(beat("a", 1));
    assert_eq!((reply.epoch, reply.assignment), (1, None));
    bench.nothing_since(at);
}

#[test]
fn a_full_request_is_told_the_assignment_again() {
    let mut bench = Bench::new();
    bench.add_topic("t", 3);
    bench.beats(joins("a", &["t"]));
    let all = bench.of("t", &[0, 1, 2]);
    let full = ConsumerHeartbeat {
        owned: Some(all.clone()),
        ..ConsumerHeartbeat {
            epoch: 1,
            ..joins("a", &["t"])
        }
    };
    assert_eq!(bench.beats(full.clone()).assignment, Some(all.clone()));
    let without_names = ConsumerHeartbeat {
        topics: None,
        ..full
    };
    assert_eq!(bench.beats(without_names).assignment, None);
    assert_eq!(bench.beats(joins("a", &["t"])).assignment, Some(all));
}

#[test]
fn clients_of_version_0_are_given_an_id_and_later_ones_bring_theirs() {
    let mut bench = Bench::new();
    bench.add_topic("t", 3);
    let old = ConsumerHeartbeat {
        makes_its_id: false,
        ..joins("", &["t"])
    };
    let id = bench.beats(old).member.expect("an id");
    assert_eq!(
        Uuid::parse(&id).map(|id| id.to_string()).as_deref(),
        Some(&*id)
    );
    bench.beats(beat(&id, 1));
    assert_eq!(
        bench.beat(joins("", &["t"])).error,
        ErrorCode::INVALID_REQUEST
    );
}

#[test]
fn what_a_heartbeat_must_say_and_does_not_is_invalid() {
    let mut bench = Bench::new();
    let topic = bench.add_topic("t", 3);
    let good = joins("a", &["t"]);
    let owned = Partitions::of([(topic, vec![PartitionIndex(0)])]);
    let text = |text: &str| Some(text.to_string());
    let mut bad = Vec::new();
    let mut with = |change: &dyn Fn(&mut ConsumerHeartbeat)| {
        let mut beat = good.clone();
        change(&mut beat);
        bad.push(beat);
    };
    with(&|beat| beat.group = String::new());
    with(&|beat| beat.group = " ".to_string());
    with(&|beat| beat.member = String::new());
    with(&|beat| beat.instance = text(""));
    with(&|beat| beat.rack = text(" "));
    with(&|beat| beat.rebalance_timeout_ms = None);
    with(&|beat| beat.owned = None);
    with(&|beat| beat.owned = Some(owned.clone()));
    with(&|beat| beat.topics = None);
    with(&|beat| beat.epoch = -2);
    with(&|beat| beat.epoch = -3);
    for epoch in [1, -1] {
        with(&|beat| {
            beat.makes_its_id = false;
            beat.epoch = epoch;
            beat.member = String::new();
        });
    }
    for beat in bad {
        let reply = bench.beat(beat.clone());
        assert_eq!(reply.error, ErrorCode::INVALID_REQUEST, "{beat:?}");
        assert!(reply.message.is_some());
    }
    assert!(bench.log.is_empty() && bench.coordinator.get("g").is_none());
    let nothing = ConsumerHeartbeat {
        topics: Some(Vec::new()),
        ..good
    };
    assert_eq!(bench.beats(nothing).epoch, 1);
}

#[test]
fn an_assignor_that_is_not_there_is_refused() {
    let mut bench = Bench::new();
    let voting = |name: &str| ConsumerHeartbeat {
        assignor: Some(name.to_string()),
        ..joins("a", &["t"])
    };
    let reply = bench.beat(voting("sticky"));
    assert_eq!(reply.error, ErrorCode::UNSUPPORTED_ASSIGNOR);
    bench.beats(voting("range"));
    let mut only_uniform = Bench::with(GroupConfig {
        consumer_assignors: vec![crate::group::Assignor::Uniform],
        ..GroupConfig::default()
    });
    let reply = only_uniform.beat(voting("range"));
    assert_eq!(reply.error, ErrorCode::UNSUPPORTED_ASSIGNOR);
}

#[test]
fn most_votes_choose_the_assignor_and_else_the_first_of_the_configuration() {
    let mut bench = Bench::new();
    let assignor = |bench: &mut Bench| bench.describe_consumer("g").assignor;
    let voting = |member: &str, name: &str| ConsumerHeartbeat {
        assignor: Some(name.to_string()),
        ..joins(member, &["t"])
    };
    bench.beats(joins("a", &["t"]));
    assert_eq!(assignor(&mut bench), "uniform");
    bench.beats(voting("b", "range"));
    assert_eq!(assignor(&mut bench), "range");
    bench.beats(voting("c", "uniform"));
    assert_eq!(assignor(&mut bench), "uniform");
    bench.beats(voting("d", "range"));
    assert_eq!(assignor(&mut bench), "range");
}

#[test]
fn a_full_group_takes_nobody_but_its_members() {
    let mut bench = Bench::with(GroupConfig {
        consumer_size_max: 2,
        ..GroupConfig::default()
    });
    for member in ["a", "b"] {
        bench.beats(joins(member, &["t"]));
    }
    assert_eq!(
        bench.beat(joins("c", &["t"])).error,
        ErrorCode::GROUP_MAX_SIZE_REACHED
    );
    bench.beats(joins("a", &["t"]));
}

#[test]
fn who_is_not_known_is_told_so() {
    let mut bench = Bench::new();
    for epoch in [3, -1] {
        assert_eq!(
            bench.beat(beat("a", epoch)).error,
            ErrorCode::GROUP_ID_NOT_FOUND
        );
    }
    bench.beats(joins("a", &["t"]));
    for epoch in [1, -1] {
        assert_eq!(
            bench.beat(beat("b", epoch)).error,
            ErrorCode::UNKNOWN_MEMBER_ID
        );
    }
}

#[test]
fn an_epoch_that_is_not_the_members_fences_it_but_not_the_one_before() {
    let mut bench = Bench::new();
    bench.add_topic("t", 4);
    bench.beats(joins("a", &["t"]));
    bench.beats(joins("b", &["t"]));
    let half = bench.beats(owns("a", 1, &bench.of("t", &[0, 1, 2, 3])));
    let half = half.assignment.expect("what is left to it");
    let reply = bench.beats(owns("a", 1, &half));
    assert_eq!(reply.epoch, 2);
    let error = |bench: &mut Bench, beat| bench.beat(beat).error;
    let fenced = ErrorCode::FENCED_MEMBER_EPOCH;
    assert_eq!(error(&mut bench, beat("a", 3)), fenced);
    assert_eq!(error(&mut bench, beat("a", 1)), fenced);
    let all = bench.of("t", &[0, 1, 2, 3]);
    assert_eq!(error(&mut bench, owns("a", 1, &all)), fenced);
    // It has not heard of epoch 2 yet.
    assert_eq!(bench.beats(owns("a", 1, &half)).epoch, 2);
    // It begins anew, with what it has.
    let again = bench.beats(joins("a", &["t"]));
    assert_eq!((again.epoch, again.assignment), (2, Some(half)));
}

#[test]
fn the_groups_own_settings_go_before_the_brokers() {
    let mut bench = Bench::new();
    bench.configure_group("g", "consumer.heartbeat.interval.ms", "7000");
    bench.configure_group("g", "consumer.session.timeout.ms", "50000");
    assert_eq!(bench.beats(joins("a", &["t"])).interval_ms, 7_000);
    bench.pass_ms(49_999);
    assert_eq!(bench.consumer("g").members().len(), 1);
    bench.pass_ms(1);
    assert_eq!(bench.state("g"), "Empty");
}

#[test]
fn an_empty_classic_group_makes_way_and_its_offsets_stay() {
    let mut bench = Bench::new();
    let members = bench.stable_group(1);
    let commit = super::super::calls::commit(&members[0], 1, &[("t", 0, 5)]);
    bench.call(commit);
    bench.call(leave(&[(&members[0], None)]));
    assert_eq!(bench.state("g"), "Empty");
    let at = bench.log.len();
    bench.beats(joins("a", &["t"]));
    assert_eq!(bench.types_since(at)[..3], [-2, 5, 3]);
    assert_eq!(bench.consumer("g").members().len(), 1);
    assert_eq!(bench.offsets(), [("t".to_string(), 0, 5)]);
}

#[test]
fn a_step_that_fits_no_batch_is_refused_and_changes_nothing() {
    let mut bench = Bench::with(GroupConfig {
        batch_bytes_max: 700,
        ..GroupConfig::default()
    });
    bench.add_topic("t", 500);
    assert_eq!(
        bench.beat(joins("a", &["t"])).error,
        ErrorCode::UNKNOWN_SERVER_ERROR
    );
    assert!(bench.log.is_empty() && bench.coordinator.get("g").is_none());
}
