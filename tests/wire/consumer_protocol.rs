//! What consumers put into the metadata and the assignments of the classic group protocol, also as
//! clients write it that do not keep to the schema.

use crate::allocation::bytes_allocated_by;
use crate::generate::{self, Random};
use crate::subjects::{SUBJECTS, Subject};
use millstream::limits::REQUEST_ELEMENTS_MAX;
use millstream::wire::*;

fn topic(name: &'static str, partitions: &[i32]) -> ConsumerProtocolTopic<'static> {
    ConsumerProtocolTopic {
        topic: name.into(),
        partitions: partitions.to_vec(),
    }
}

#[test]
fn a_subscription_has_the_bytes_that_kafkas_schema_says() {
    let subscription = ConsumerProtocolSubscription {
        topics: vec!["t".into(), "u".into()],
        user_data: Some(vec![7].into()),
        owned_partitions: vec![topic("t", &[0, 2])],
        generation_id: 5,
        rack_id: Some("r".into()),
    };
    let parts: [&[u8]; 4] = [
        &[0, 0, 0, 2, 0, 1, b't', 0, 1, b'u', 0, 0, 0, 1, 7],
        &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2],
        &[0, 0, 0, 5],
        &[0, 1, b'r'],
    ];
    for version in 0..=3_i16 {
        let bytes = subscription.to_bytes(version).unwrap();
        let body = parts[..=version as usize].concat();
        assert_eq!(bytes, [&version.to_be_bytes()[..], &body].concat());
        let (read, claimed) = ConsumerProtocolSubscription::from_bytes(&bytes).unwrap();
        assert_eq!(claimed, version);
        assert_eq!(read.topics, subscription.topics);
        assert_eq!(read.user_data, subscription.user_data);
        assert_eq!(read.owned_partitions.len(), usize::from(version > 0));
        assert_eq!(read.generation_id, if version > 1 { 5 } else { -1 });
        assert_eq!(read.rack_id.is_some(), version > 2);
    }
    assert!(subscription.to_bytes(4).is_err());
    assert!(subscription.to_bytes(-1).is_err());
}

#[test]
fn an_assignment_has_the_bytes_that_kafkas_schema_says() {
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: vec![topic("t", &[1])],
        user_data: None,
    };
    for version in 0..=3_i16 {
        let bytes = assignment.to_bytes(version).unwrap();
        let body = [
            0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 1, 255, 255, 255, 255,
        ];
        assert_eq!(bytes, [&version.to_be_bytes()[..], &body].concat());
        let read = ConsumerProtocolAssignment::from_bytes(&bytes);
        assert_eq!(read, Ok((assignment.clone(), version)));
    }
}

/// As kafka-go writes it: version 1 without the partitions that version 1 has.
#[test]
fn a_subscription_may_lack_what_its_version_added() {
    let go = [0, 1, 0, 0, 0, 1, 0, 1, b't', 255, 255, 255, 255];
    let (read, version) = ConsumerProtocolSubscription::from_bytes(&go).unwrap();
    assert_eq!(version, 1);
    assert_eq!(read.topics, ["t"]);
    assert_eq!((read.user_data, read.owned_partitions), (None, vec![]));

    let whole = ConsumerProtocolSubscription {
        topics: vec!["t".into()],
        owned_partitions: vec![topic("t", &[4])],
        generation_id: 9,
        rack_id: Some("r".into()),
        ..Default::default()
    };
    for written in 0..=3 {
        for claimed in written..=3_i16 {
            let mut bytes = whole.to_bytes(written).unwrap().to_vec();
            bytes[..2].copy_from_slice(&claimed.to_be_bytes());
            let (read, version) = ConsumerProtocolSubscription::from_bytes(&bytes).unwrap();
            assert_eq!(version, claimed);
            assert_eq!(read.owned_partitions.is_empty(), written < 1);
            assert_eq!(read.generation_id, if written < 2 { -1 } else { 9 });
            assert_eq!(read.rack_id.is_none(), written < 3);
        }
    }
}

#[test]
fn a_later_version_is_read_as_the_latest_known() {
    let known = ConsumerProtocolSubscription {
        topics: vec!["t".into()],
        rack_id: Some("r".into()),
        ..Default::default()
    };
    let mut later = known.to_bytes(3).unwrap().to_vec();
    later.extend(b"what version 9 adds");
    later[..2].copy_from_slice(&[0, 9]);
    let read = ConsumerProtocolSubscription::from_bytes(&later);
    assert_eq!(read, Ok((known, 3)));
}

#[test]
fn bytes_that_are_neither_are_errors_that_say_where() {
    let problem = |bytes: &[u8]| {
        let subscription = ConsumerProtocolSubscription::from_bytes(bytes).unwrap_err();
        let assignment = ConsumerProtocolAssignment::from_bytes(bytes).unwrap_err();
        assert_eq!(subscription.message, "ConsumerProtocolSubscription");
        assert_eq!(assignment.message, "ConsumerProtocolAssignment");
        assert_eq!(subscription.problem, assignment.problem);
        subscription.problem
    };
    assert!(matches!(problem(&[]), Problem::Truncated { .. }));
    assert!(matches!(problem(&[0]), Problem::Truncated { .. }));
    assert!(matches!(problem(&[0, 0]), Problem::Truncated { .. }));
    assert_eq!(problem(&[0xff, 0xff, 0, 0]), Problem::Version(-1));
    assert_eq!(problem(&[0, 3, 0xff, 0xff, 0xff, 0xff]), Problem::Null);

    // The partitions are there, but end too early: nothing that any client means.
    let cut = [0, 1, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 1, 0];
    let error = ConsumerProtocolSubscription::from_bytes(&cut).unwrap_err();
    assert_eq!(error.field, "owned_partitions");
}

#[test]
fn more_elements_than_a_request_may_have_are_refused() {
    let many = vec![0; REQUEST_ELEMENTS_MAX + 1];
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: vec![topic("t", &many[2..])],
        ..Default::default()
    };
    let bytes = assignment.to_bytes(0).unwrap();
    assert!(ConsumerProtocolAssignment::from_bytes(&bytes).is_ok());
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: vec![topic("t", &many)],
        ..Default::default()
    };
    let bytes = assignment.to_bytes(0).unwrap();
    let error = ConsumerProtocolAssignment::from_bytes(&bytes).unwrap_err();
    assert_eq!(error.problem, Problem::Elements(many.len()));
}

#[test]
fn whatever_was_written_is_read_and_damage_never_panics() {
    for name in ["ConsumerProtocolSubscription", "ConsumerProtocolAssignment"] {
        let subject = SUBJECTS.iter().find(|it| it.name == name).unwrap();
        for version in subject.each_version() {
            for seed in 0..200 {
                let mut random = Random::new(seed * 5 + version as u64 + 1);
                let body = body(subject, version, &mut random);
                let bytes = [&version.to_be_bytes()[..], &body].concat();
                assert_eq!(
                    again(name, &bytes),
                    Some(bytes.clone()),
                    "{name} v{version}"
                );
                for _ in 0..20 {
                    let mut damaged = bytes.clone();
                    let at = random.below(damaged.len());
                    damaged[at] = [0, 0x7f, 0x80, 0xff][random.below(4)];
                    damaged.truncate(damaged.len() - random.below(2));
                    let taken = bytes_allocated_by(|| drop(again(name, &damaged)));
                    // Four attempts at most, and what is written of the one that succeeds.
                    let most = damaged.len() * 64 * 5 + 1024;
                    assert!(taken <= most, "{taken} bytes for {damaged:02x?}");
                }
            }
        }
    }
}

/// Reads and writes it in the version that it has.
fn again(name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let written = if name == "ConsumerProtocolSubscription" {
        let (value, version) = ConsumerProtocolSubscription::from_bytes(bytes).ok()?;
        value.to_bytes(version)
    } else {
        let (value, version) = ConsumerProtocolAssignment::from_bytes(bytes).ok()?;
        value.to_bytes(version)
    };
    Some(written.unwrap().to_vec())
}

fn body(subject: &Subject, version: i16, random: &mut Random) -> Vec<u8> {
    generate::message(subject.kind, subject.form(version), random)
}
