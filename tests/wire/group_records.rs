//! The records of `__consumer_offsets`: the bytes that Kafka writes, in every version that it reads.

use crate::allocation::bytes_allocated_by;
use crate::generate::{self, Random};
use crate::subjects::{GROUP_RECORDS, SUBJECTS, Subject};
use millstream::types::Uuid;
use millstream::wire::*;

#[test]
fn records_have_the_bytes_that_kafkas_schemas_say() {
    let topic_id = Uuid(*b"0123456789abcdef");
    let offset_key = || OffsetCommitKey {
        group_id: "g".into(),
        topic: "t".into(),
        partition: 3,
    };
    let offset = || OffsetCommitValue {
        offset: 42,
        leader_epoch: 5,
        metadata: "m".into(),
        commit_timestamp: 1000,
        ..Default::default()
    };
    let member_key = || ConsumerGroupMemberKey {
        group_id: "g".into(),
        member_id: "m".into(),
    };
    let topic = |partition| ConsumerGroupRecordTopic {
        topic_id,
        partitions: vec![partition],
    };
    let offset_key_bytes = [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 3];
    let cases: [(GroupRecord, &[u8], Vec<u8>); 8] = [
        (
            GroupRecord::OffsetCommit(
                offset_key(),
                Some(OffsetCommitValue {
                    topic_id,
                    ..offset()
                }),
            ),
            &offset_key_bytes,
            [
                &[0, 4, 0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 5][..], // version, offset, leader epoch
                &[2, b'm', 0, 0, 0, 0, 0, 0, 3, 0xe8],            // metadata, time
                &[1, 0, 16],                                      // one tag: 0, of 16 bytes
                &topic_id.0,
            ]
            .concat(),
        ),
        // What expires by itself is written in the only version that can say so.
        (
            GroupRecord::OffsetCommit(
                offset_key(),
                Some(OffsetCommitValue {
                    expire_timestamp: 2000,
                    leader_epoch: -1,
                    ..offset()
                }),
            ),
            &offset_key_bytes,
            [
                &[0, 1, 0, 0, 0, 0, 0, 0, 0, 42, 0, 1, b'm'][..],
                &[0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 0, 0, 0, 0, 0, 7, 0xd0],
            ]
            .concat(),
        ),
        (
            GroupRecord::GroupMetadata(
                GroupMetadataKey {
                    group_id: "g".into(),
                },
                Some(GroupMetadataValue {
                    protocol_type: "consumer".into(),
                    generation: 7,
                    protocol: Some("range".into()),
                    leader: Some("m".into()),
                    current_state_timestamp: 1000,
                    members: vec![GroupMetadataMember {
                        member_id: "m".into(),
                        client_id: "c".into(),
                        client_host: "/h".into(),
                        rebalance_timeout: 300_000,
                        session_timeout: 45_000,
                        subscription: vec![0, 1, 2].into(),
                        assignment: vec![9].into(),
                        ..Default::default()
                    }],
                }),
            ),
            &[0, 2, 0, 1, b'g'],
            [
                &[0, 3, 0, 8][..],
                b"consumer",
                &[0, 0, 0, 7, 0, 5], // generation
                b"range",
                &[0, 1, b'm', 0, 0, 0, 0, 0, 0, 3, 0xe8], // leader, since when
                &[0, 0, 0, 1, 0, 1, b'm', 0xff, 0xff],    // a member without an instance id
                &[0, 1, b'c', 0, 2, b'/', b'h'],
                &[0, 4, 0x93, 0xe0, 0, 0, 0xaf, 0xc8], // rebalance and session timeout
                &[0, 0, 0, 3, 0, 1, 2, 0, 0, 0, 1, 9], // subscription, assignment
            ]
            .concat(),
        ),
        (
            GroupRecord::ConsumerGroupMetadata(
                ConsumerGroupKey {
                    group_id: "g".into(),
                },
                Some(ConsumerGroupMetadataValue {
                    epoch: 5,
                    metadata_hash: -2,
                }),
            ),
            &[0, 3, 0, 1, b'g'],
            vec![
                0, 0, 0, 0, 0, 5, 1, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254,
            ],
        ),
        (
            GroupRecord::ConsumerGroupMemberMetadata(
                member_key(),
                Some(ConsumerGroupMemberMetadataValue {
                    rack_id: Some("r".into()),
                    client_id: "c".into(),
                    client_host: "h".into(),
                    subscribed_topic_names: vec!["t".into()],
                    classic_member_metadata: Some(ClassicMemberMetadata {
                        session_timeout_ms: 45_000,
                        supported_protocols: vec![ClassicMemberProtocol {
                            name: "range".into(),
                            metadata: vec![0, 3].into(),
                        }],
                    }),
                    ..Default::default()
                }),
            ),
            &[0, 5, 0, 1, b'g', 0, 1, b'm'],
            [
                &[0, 0, 0, 2, b'r', 2, b'c', 2, b'h'][..], // version, no instance id, rack, client
                &[2, 2, b't', 0, 255, 255, 255, 255, 0],   // topics, no regex, timeout, no assignor
                &[1, 0, 17, 1],                            // one tag: 0, of 17 bytes, not null
                &[0, 0, 0xaf, 0xc8, 2, 6],                 // session timeout, one protocol
                b"range",
                &[3, 0, 3, 0, 0], // its metadata, no tags of its, none of the structure
            ]
            .concat(),
        ),
        (
            GroupRecord::ConsumerGroupTargetAssignmentMember(
                member_key(),
                Some(ConsumerGroupTargetAssignmentMemberValue {
                    topic_partitions: vec![topic(2)],
                }),
            ),
            &[0, 7, 0, 1, b'g', 0, 1, b'm'],
            [&[0, 0, 2][..], &topic_id.0, &[2, 0, 0, 0, 2, 0, 0]].concat(),
        ),
        (
            GroupRecord::ConsumerGroupCurrentMemberAssignment(
                member_key(),
                Some(ConsumerGroupCurrentMemberAssignmentValue {
                    member_epoch: 4,
                    previous_member_epoch: 3,
                    state: 1,
                    assigned_partitions: vec![topic(0)],
                    partitions_pending_revocation: vec![topic(2)],
                }),
            ),
            &[0, 8, 0, 1, b'g', 0, 1, b'm'],
            [
                &[0, 0, 0, 0, 0, 4, 0, 0, 0, 3, 1, 2][..],
                &topic_id.0,
                &[2, 0, 0, 0, 0, 0, 2],
                &topic_id.0,
                &[2, 0, 0, 0, 2, 0, 0],
            ]
            .concat(),
        ),
        (
            GroupRecord::ConsumerGroupRegularExpression(
                ConsumerGroupRegularExpressionKey {
                    group_id: "g".into(),
                    regular_expression: "t.*".into(),
                },
                Some(ConsumerGroupRegularExpressionValue {
                    topics: vec!["t".into(), "t2".into()],
                    version: 12,
                    timestamp: 1000,
                }),
            ),
            &[0, 16, 0, 1, b'g', 0, 3, b't', b'.', b'*'],
            [
                &[0, 0, 3, 2, b't', 3, b't', b'2'][..],
                &[0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 3, 0xe8, 0],
            ]
            .concat(),
        ),
    ];
    for (record, key, value) in cases {
        let (key_written, value_written) = record.encode().unwrap();
        assert_eq!(key_written, key, "{record:?}");
        assert_eq!(value_written.as_deref(), Some(&value[..]), "{record:?}");
        assert!(!record.is_tombstone());
        let read = GroupRecord::decode(key, Some(&value));
        assert_eq!(read, Ok(GroupLogRecord::Known(record)));
    }

    let gone = GroupRecord::OffsetCommit(offset_key(), None);
    assert!(gone.is_tombstone());
    let (key, value) = gone.encode().unwrap();
    assert_eq!((&key[..], value), (&offset_key_bytes[..], None));
    let read = GroupRecord::decode(&key, None);
    assert_eq!(read, Ok(GroupLogRecord::Known(gone)));
}

#[test]
fn records_that_kafkas_coordinator_wrote_are_read_and_written_again_byte_for_byte() {
    let mut written = std::collections::BTreeSet::new();
    let mut unknown = Vec::new();
    for line in include_str!("kafka_group_records.txt").lines() {
        let Some((key, value)) = line.split_once(' ').filter(|_| !line.starts_with('#')) else {
            assert!(line.starts_with('#'), "{line}");
            continue;
        };
        let key = unhex(key);
        let value = (value != "-").then(|| unhex(value));
        let record = match GroupRecord::decode(&key, value.as_deref()).unwrap() {
            GroupLogRecord::Known(record) => record,
            GroupLogRecord::Unknown(kind) => {
                unknown.push(kind);
                continue;
            }
        };
        let (key_again, value_again) = record.encode().unwrap();
        assert_eq!(key_again, key, "{line}");
        assert_eq!(record.is_tombstone(), value.is_none());
        let Some(value) = &value else {
            assert_eq!(value_again, None);
            continue;
        };
        let version = i16::from_be_bytes([value[0], value[1]]);
        if version == record.value_version() {
            assert_eq!(value_again.unwrap(), value[..], "{line}");
            written.insert((record.record_type(), version));
        }
        // In versions that are not written any more the table alone is asked.
        let again = (tables(record.record_type()).1.again)(&[&value[2..]], version);
        assert_eq!(again, Ok((value[2..].to_vec(), 0)), "{line}");
    }
    assert_eq!(unknown, [11, 11]);
    let kinds = [(0, 0), (1, 1), (1, 4), (2, 3), (3, 0), (4, 0), (5, 0)];
    let modern = [(6, 0), (7, 0), (8, 0), (16, 0)];
    let expected: Vec<(i16, i16)> = kinds.into_iter().chain(modern).collect();
    assert_eq!(written.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn what_an_old_version_does_not_say_is_unknown_and_not_zero() {
    let key = [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 3];
    let value = [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0xe8,
    ];
    let GroupLogRecord::Known(GroupRecord::OffsetCommit(_, Some(offset))) =
        GroupRecord::decode(&key, Some(&value)).unwrap()
    else {
        panic!("not an offset");
    };
    assert_eq!((offset.offset, offset.commit_timestamp), (42, 1000));
    assert_eq!((offset.leader_epoch, offset.expire_timestamp), (-1, -1));
    assert_eq!(offset.topic_id, Uuid::ZERO);

    let value = [
        &[0, 0, 0, 0, 0, 0, 0, 7, 255, 255, 255, 255][..], // generation, neither protocol nor leader
        &[0, 0, 0, 1, 0, 1, b'm', 0, 0, 0, 0, 0, 0, 0, 9], // a member with a session timeout of 9 ms
        &[0, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let GroupLogRecord::Known(GroupRecord::GroupMetadata(_, Some(group))) =
        GroupRecord::decode(&[0, 2, 0, 1, b'g'], Some(&value)).unwrap()
    else {
        panic!("not a group");
    };
    assert_eq!((group.generation, group.current_state_timestamp), (7, -1));
    let member = &group.members[0];
    assert_eq!((member.session_timeout, member.rebalance_timeout), (9, -1));
    assert_eq!(member.group_instance_id, None);
}

#[test]
fn any_record_in_any_version_means_the_same_when_it_is_written_anew() {
    each(40, |kind, version, key, value, _| {
        let record = known(key, Some(value));
        assert_eq!(record.record_type(), kind);
        let (key_again, value_again) = record.encode().unwrap();
        assert_eq!(key_again, key);
        let value_again = value_again.unwrap();
        assert_eq!(known(&key_again, Some(&value_again)), record);
        if version == record.value_version() {
            assert_eq!(value_again, value);
        }
        let gone = known(key, None);
        assert!(gone.is_tombstone());
        assert_eq!(gone.encode().unwrap(), (key_again, None));
    });
}

#[test]
fn types_that_are_not_in_the_table_are_told_and_nothing_of_them_is_read() {
    for kind in (-2..64).chain([i16::MIN, i16::MAX]) {
        if GROUP_RECORDS.iter().any(|(known, ..)| *known == kind) {
            continue;
        }
        let key = kind.to_be_bytes();
        let unknown = Ok(GroupLogRecord::Unknown(kind));
        assert_eq!(GroupRecord::decode(&key, None), unknown);
        assert_eq!(GroupRecord::decode(&key, Some(&[])), unknown);
    }
}

#[test]
fn a_version_that_kafka_would_refuse_is_refused() {
    each(1, |kind, _, key, value, _| {
        let last = tables(kind).1.versions.last;
        for version in [i16::MIN, -1, last + 1, i16::MAX] {
            let mut value = value.to_vec();
            value[..2].copy_from_slice(&version.to_be_bytes());
            let error = GroupRecord::decode(key, Some(&value)).unwrap_err();
            assert_eq!(error.problem, Problem::Version(version));
            assert_eq!(
                (error.message, error.field),
                (tables(kind).1.name, "version")
            );
        }
    });
}

#[test]
fn a_record_cut_short_anywhere_is_an_error_and_bytes_behind_it_are_none() {
    each(4, |_, _, key, value, _| {
        for end in 0..key.len() {
            let error = GroupRecord::decode(&key[..end], Some(value)).unwrap_err();
            assert!(matches!(error.problem, Problem::Truncated { .. }));
            assert!(!error.message.is_empty() && !error.field.is_empty());
        }
        for end in 0..value.len() {
            let error = GroupRecord::decode(key, Some(&value[..end])).unwrap_err();
            assert!(matches!(error.problem, Problem::Truncated { .. }));
            assert!(!error.message.is_empty() && !error.field.is_empty());
        }
        let (longer_key, longer_value) = ([key, &[7]].concat(), [value, &[7]].concat());
        let longer = known(&longer_key, Some(&longer_value));
        assert_eq!(longer, known(key, Some(value)));
    });
}

#[test]
fn damaged_records_never_panic_and_take_little_memory() {
    each(6, |_, _, key, value, random| {
        for _ in 0..200 {
            let (mut key, mut value) = (key.to_vec(), value.to_vec());
            for bytes in [&mut key, &mut value] {
                // Type and version stay: nothing else would be read.
                let at = 2 + random.below(bytes.len() - 2);
                let count = random.below(6);
                for byte in bytes.iter_mut().skip(at).take(count) {
                    *byte = [0, 0x7f, 0x80, 0xff, random.next() as u8][random.below(5)];
                }
            }
            let taken = bytes_allocated_by(|| drop(GroupRecord::decode(&key, Some(&value))));
            let most = (key.len() + value.len()) * 64 + 1024;
            assert!(taken <= most, "{taken} bytes for {key:02x?} {value:02x?}");
        }
    });
}

/// Random records of every type, in every version of the value.
fn each(seeds: u64, mut check: impl FnMut(i16, i16, &[u8], &[u8], &mut Random)) {
    for (kind, ..) in GROUP_RECORDS {
        let (key_table, value_table) = tables(*kind);
        for version in value_table.each_version() {
            for seed in 0..seeds {
                let mut random = Random::new(seed * 131 + *kind as u64 * 7 + version as u64 + 1);
                let key = body(key_table, 0, &mut random);
                let value = body(value_table, version, &mut random);
                let key = [&kind.to_be_bytes(), &key[..]].concat();
                let value = [&version.to_be_bytes(), &value[..]].concat();
                check(*kind, version, &key, &value, &mut random);
            }
        }
    }
}

fn body(table: &Subject, version: i16, random: &mut Random) -> Vec<u8> {
    generate::message(table.kind, table.form(version), random)
}

/// The tables of the key and the value of that type.
fn tables(kind: i16) -> (&'static Subject, &'static Subject) {
    let (_, key, value) = GROUP_RECORDS
        .iter()
        .find(|(known, ..)| *known == kind)
        .unwrap();
    let table = |name| SUBJECTS.iter().find(|it| it.name == name).unwrap();
    (table(*key), table(*value))
}

fn known<'a>(key: &'a [u8], value: Option<&'a [u8]>) -> GroupRecord<'a> {
    match GroupRecord::decode(key, value) {
        Ok(GroupLogRecord::Known(record)) => record,
        other => panic!("{other:?} of {key:02x?} {value:02x?}"),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}
