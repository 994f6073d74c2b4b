//! Metadata and control records: their frames, and the bytes that Kafka writes.

use millstream::types::Uuid;
use millstream::wire::*;

fn encoded(record: &MetadataRecord<'_>, version: i16) -> Vec<u8> {
    let mut writer = Writer::new();
    record.encode(&mut writer, version).unwrap();
    writer.finish().0.to_vec()
}

fn decoded(bytes: &[u8]) -> Result<(MetadataRecord<'_>, i16), DecodeError> {
    MetadataRecord::decode(&mut Reader::new([bytes]))
}

#[test]
fn records_have_the_bytes_that_kafkas_schemas_say() {
    let topic = Uuid(*b"0123456789abcdef");
    let feature: MetadataRecord = FeatureLevelRecord {
        name: "metadata.version".into(),
        feature_level: 29,
    }
    .into();
    let partition: MetadataRecord = PartitionRecord {
        partition_id: 2,
        topic_id: topic,
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        leader_epoch: 0,
        partition_epoch: 0,
        directories: vec![topic],
        eligible_leader_replicas: Some(vec![]),
        ..Default::default()
    }
    .into();
    let unfence: MetadataRecord = BrokerRegistrationChangeRecord {
        broker_id: 1,
        broker_epoch: 12,
        fenced: -1,
        ..Default::default()
    }
    .into();
    let shutdown: MetadataRecord = BrokerRegistrationChangeRecord {
        broker_id: 1,
        broker_epoch: 12,
        in_controlled_shutdown: 1,
        ..Default::default()
    }
    .into();
    let leader_gone: MetadataRecord = PartitionChangeRecord {
        partition_id: 2,
        topic_id: topic,
        isr: Some(vec![]),
        leader: -1,
        eligible_leader_replicas: Some(vec![1]),
        last_known_elr: Some(vec![1]),
        ..Default::default()
    }
    .into();
    let begin: MetadataRecord = BeginTransactionRecord {
        name: Some("Bootstrap records".into()),
    }
    .into();
    let config: MetadataRecord = ConfigRecord {
        resource_type: 4,
        resource_name: "".into(),
        name: "min.insync.replicas".into(),
        value: Some("1".into()),
    }
    .into();

    let cases: [(MetadataRecord, i16, Vec<u8>); 9] = [
        (
            feature,
            0,
            [b"\x01\x0c\x00\x11metadata.version", &[0, 29, 0][..]].concat(),
        ),
        (
            partition,
            2,
            [
                &[1, 3, 2, 0, 0, 0, 2][..],
                &topic.0,
                &[2, 0, 0, 0, 1],                         // replicas
                &[2, 0, 0, 0, 1],                         // isr
                &[1, 1],                                  // removing, adding
                &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2], // leader, epochs, one directory
                &topic.0,
                &[1, 1, 1, 1], // one tag: 1, of one byte, an empty array
            ]
            .concat(),
        ),
        (
            unfence,
            0,
            vec![1, 17, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 12, 1, 0, 1, 0xff],
        ),
        (
            shutdown,
            1,
            vec![1, 17, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 12, 1, 1, 1, 1],
        ),
        (
            leader_gone,
            2,
            [
                &[1, 5, 2, 0, 0, 0, 2][..],
                &topic.0,
                &[4],
                &[0, 1, 1],
                &[1, 4, 0xff, 0xff, 0xff, 0xff],
                &[6, 5, 2, 0, 0, 0, 1],
                &[7, 5, 2, 0, 0, 0, 1],
            ]
            .concat(),
        ),
        (
            begin,
            0,
            [&[1, 23, 0, 1, 0, 18, 18][..], b"Bootstrap records"].concat(),
        ),
        (
            config,
            0,
            [
                &[1, 4, 0, 4, 1, 20][..],
                b"min.insync.replicas",
                &[2, b'1', 0],
            ]
            .concat(),
        ),
        (NoOpRecord::default().into(), 0, vec![1, 20, 0, 0]),
        (EndTransactionRecord::default().into(), 0, vec![1, 24, 0, 0]),
    ];
    for (record, version, bytes) in cases {
        assert_eq!(encoded(&record, version), bytes, "{record:?}");
        assert_eq!(decoded(&bytes), Ok((record, version)));
    }
}

#[test]
fn a_registered_broker_has_the_bytes_that_kafkas_schemas_say() {
    let id = Uuid(*b"0123456789abcdef");
    let record: MetadataRecord = RegisterBrokerRecord {
        broker_id: 1,
        incarnation_id: id,
        broker_epoch: 12,
        end_points: vec![RegisteredEndpoint {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 40_000,
            security_protocol: 0,
        }],
        features: vec![RegisteredFeature {
            name: "metadata.version".into(),
            min_supported_version: 7,
            max_supported_version: 29,
        }],
        log_dirs: vec![id],
        ..Default::default()
    }
    .into();
    let front = [
        &[0, 0, 0, 0, 0, 0, 0, 12, 2, 10][..],
        b"PLAINTEXT\x0alocalhost",
    ]
    .concat();
    let back = [
        &[0x9c, 0x40, 0, 0, 0, 2, 17][..],
        b"metadata.version",
        &[0, 7, 0, 29, 0],
    ]
    .concat();
    let bytes = [
        &[1, 0, 3, 0, 0, 0, 1, 0][..], // not migrating
        &id.0,
        &front,
        &back,
        &[0, 1, 0],         // no rack, fenced, not shutting down
        &[1, 0, 17, 2][..], // tag 0: an array of one directory
        &id.0,
    ]
    .concat();
    assert_eq!(encoded(&record, 3), bytes);
    assert_eq!(decoded(&bytes), Ok((record, 3)));
}

#[test]
fn records_that_kafka_wrote_are_read_and_written_again_byte_for_byte() {
    let mut types = std::collections::BTreeSet::new();
    for line in include_str!("kafka_records.txt").lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let again = match fields[..] {
            ["control", key, value] => {
                let (key, value) = (unhex(key), unhex(value));
                let control_type = ControlRecord::decode_key(&key).unwrap();
                let mut reader = Reader::new([&value[..]]);
                let record = ControlRecord::decode(control_type, &mut reader).unwrap();
                assert_eq!(reader.remaining(), 0);
                assert_eq!(record.key(), key[..]);
                let mut writer = Writer::new();
                record.encode(&mut writer).unwrap();
                writer.finish().0.to_vec()
            }
            ["data", "-", value] => {
                let value = unhex(value);
                let (record, version) = decoded(&value).unwrap();
                types.insert(record.record_type());
                encoded(&record, version)
            }
            _ => {
                assert!(line.starts_with('#'), "{line}");
                continue;
            }
        };
        assert_eq!(again, unhex(fields[2]), "{line}");
    }
    assert_eq!(
        types.into_iter().collect::<Vec<_>>(),
        [0, 2, 3, 4, 5, 12, 17, 20, 23, 24, 27]
    );
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

#[test]
fn a_record_that_kafka_would_refuse_is_refused() {
    let problem = |bytes: &[u8]| decoded(bytes).unwrap_err().problem;
    assert_eq!(problem(&[0, 20, 0, 0]), Problem::FrameVersion(0));
    assert_eq!(problem(&[2, 20, 0, 0]), Problem::FrameVersion(2));
    assert_eq!(problem(&[1, 6, 0, 0]), Problem::RecordType(6));
    assert_eq!(problem(&[1, 0xff, 0x7f, 0, 0]), Problem::RecordType(0x3fff));
    assert_eq!(problem(&[1, 20, 1, 0]), Problem::Version(1));
    assert_eq!(
        problem(&[1, 20, 0xff, 0xff, 0x0f, 0]),
        Problem::Version(i16::MAX)
    );
    assert_eq!(problem(&[1, 20, 0, 0, 0]), Problem::Trailing(1));
    assert!(matches!(problem(&[]), Problem::Truncated { .. }));
    assert!(matches!(problem(&[1, 20]), Problem::Truncated { .. }));
}

#[test]
fn a_field_newer_than_the_record_version_is_not_lost_silently() {
    let record: MetadataRecord = PartitionRecord {
        directories: vec![Uuid([1; 16])],
        ..Default::default()
    }
    .into();
    let error = record.encode(&mut Writer::new(), 0).unwrap_err();
    assert_eq!(error.field, "directories");
}

#[test]
fn control_records_name_their_type_in_the_key_and_their_version_in_the_value() {
    let id = Uuid(*b"0123456789abcdef");
    let leader = ControlRecord::LeaderChange(LeaderChangeMessage {
        leader_id: 1,
        voters: vec![LeaderChangeVoter {
            voter_id: 1,
            ..Default::default()
        }],
        ..Default::default()
    });
    let voters = ControlRecord::KRaftVoters(VotersRecord {
        voters: vec![Voter {
            voter_id: 1,
            voter_directory_id: id,
            endpoints: vec![VoterEndpoint {
                name: "C".into(),
                host: "h".into(),
                port: 9093,
            }],
            k_raft_version_feature: VoterKRaftVersions {
                min_supported_version: 0,
                max_supported_version: 1,
            },
        }],
        ..Default::default()
    });
    let cases: [(ControlRecord, i16, Vec<u8>); 5] = [
        (leader, 2, vec![0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 1, 0]),
        (
            ControlRecord::SnapshotHeader(SnapshotHeaderRecord {
                last_contained_log_timestamp: 5,
                ..Default::default()
            }),
            3,
            vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0],
        ),
        (
            ControlRecord::SnapshotFooter(SnapshotFooterRecord::default()),
            4,
            vec![0, 0, 0],
        ),
        (
            ControlRecord::KRaftVersion(KRaftVersionRecord {
                k_raft_version: 1,
                ..Default::default()
            }),
            5,
            vec![0, 0, 0, 1, 0],
        ),
        (
            voters,
            6,
            [
                &[0, 0, 2, 0, 0, 0, 1][..],
                &id.0,
                &[2, 2, b'C', 2, b'h', 0x23, 0x85, 0],
                &[0, 0, 0, 1, 0],
                &[0, 0],
            ]
            .concat(),
        ),
    ];
    for (record, control_type, bytes) in cases {
        assert_eq!(ControlRecord::decode_key(&record.key()), Ok(control_type));
        let mut writer = Writer::new();
        record.encode(&mut writer).unwrap();
        assert_eq!(writer.finish().0, bytes, "{record:?}");
        let read = ControlRecord::decode(control_type, &mut Reader::new([&bytes[..]]));
        assert_eq!(read, Ok(record));
    }
    assert!(ControlRecord::decode(7, &mut Reader::new([[0; 9].as_slice()])).is_err());
    assert!(ControlRecord::decode_key(&[0, 0, 1]).is_err());
    let newer = ControlRecord::decode(4, &mut Reader::new([[0, 1, 0].as_slice()])).unwrap_err();
    assert_eq!(newer.problem, Problem::Version(1));
}

#[test]
fn every_error_code_of_kafka_has_a_name_and_a_meaning() {
    let codes: Vec<i16> = ErrorCode::ALL.iter().map(|code| code.0).collect();
    assert_eq!(codes, (-1..=133).collect::<Vec<i16>>());
    for code in ErrorCode::ALL {
        assert!(!code.message().is_empty());
        // The oracle knows the codes up to Kafka 4.1's.
        if let Some(theirs) = kafka_protocol::ResponseError::try_from_code(code.0) {
            let theirs = format!("{theirs:?}");
            if !theirs.starts_with("Unknown(") && code.0 != 0 {
                assert_eq!(
                    code.name().replace('_', "").to_lowercase(),
                    theirs.to_lowercase()
                );
            }
        }
    }
    assert_eq!(ErrorCode(999).name(), "UNKNOWN_CODE");
    assert_eq!(
        ErrorCode::OFFSET_OUT_OF_RANGE.to_string(),
        "OFFSET_OUT_OF_RANGE"
    );
    assert_eq!(
        format!("{:?}", ErrorCode(3)),
        "UNKNOWN_TOPIC_OR_PARTITION (3)"
    );
}
