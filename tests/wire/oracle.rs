//! Our codec against kafka-protocol's, for every message and version.

use crate::generate::{self, Random};
use crate::subjects::{SUBJECTS, Subject};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};
use millstream::wire::*;

/// Random messages per message and version.
const SEEDS: u64 = 60;

/// Versions that kafka-protocol 0.18 (Kafka 4.1) lacks, and the version whose layout they share: the
/// schema changed its range but no field. They are checked as that version.
const SAME_LAYOUT: &[(&str, i16, i16)] = &[
    // KIP-1023 only added a special timestamp.
    ("ListOffsetsRequest", 11, 10),
    ("ListOffsetsResponse", 11, 10),
    // Kafka 4.0 took version 0 away, whose layout version 1 has.
    ("DescribeLogDirsRequest", 0, 1),
    ("DescribeLogDirsResponse", 0, 1),
    // KIP-1066 only added a field to the response.
    ("DescribeLogDirsRequest", 5, 4),
    // Kafka 4.0 took version 1 away; the response is the one of version 2.
    ("OffsetCommitResponse", 1, 2),
];

/// Versions with fields that kafka-protocol 0.18 lacks, newer than it or gone before it: their bytes are in
/// [`the_fields_that_the_oracle_lacks_stand_where_kafkas_schemas_say`].
const UNKNOWN_TO_ORACLE: &[(&str, i16)] = &[
    ("DescribeLogDirsResponse", 5),
    ("ListOffsetsRequest", 0),
    ("ListOffsetsResponse", 0),
    ("OffsetCommitRequest", 1),
    ("OffsetCommitRequest", 10),
    ("OffsetFetchRequest", 10),
];

/// Messages whose first field must repeat their version; the oracle goes by that field from there on.
const CONTROL_RECORDS: &[&str] = &[
    "LeaderChangeMessage",
    "SnapshotHeaderRecord",
    "SnapshotFooterRecord",
    "KRaftVersionRecord",
    "VotersRecord",
];

#[test]
fn every_message_in_every_version_comes_back_byte_for_byte() {
    each_message(|subject, version, bytes| {
        let (again, left) = (subject.again)(&[bytes], version).map_err(|e| e.to_string())?;
        expect(left == 0, "bytes are left over")?;
        expect(again == bytes, "we write other bytes than we read")
    });
}

#[test]
fn kafkas_own_schemas_read_our_bytes_and_write_the_same() {
    let mut compared = 0;
    each_message(|subject, version, bytes| {
        let Some(oracle) = subject.oracle else {
            return Ok(());
        };
        if UNKNOWN_TO_ORACLE.contains(&(subject.name, version)) {
            return Ok(());
        }
        let (ours, _) = (subject.again)(&[bytes], version).map_err(|e| e.to_string())?;
        let as_version = SAME_LAYOUT
            .iter()
            .find(|(name, extra, _)| *name == subject.name && *extra == version)
            .map_or(version, |(_, _, same)| *same);
        let theirs = oracle(&ours, as_version)?;
        expect(theirs == ours, "it writes other bytes than it read")?;
        compared += 1;
        expect(
            (subject.same)(&[bytes], &[&theirs], version) == Ok(true),
            "its bytes give another value",
        )
    });
    assert!(compared > 100 * SEEDS, "only {compared} messages compared");
}

#[test]
fn the_fields_that_the_oracle_lacks_stand_where_kafkas_schemas_say() {
    let response = DescribeLogDirsResponse {
        results: vec![DescribeLogDirsResult {
            log_dir: "/d".into(),
            total_bytes: 7,
            usable_bytes: 5,
            is_cordoned: true,
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut writer = Writer::new();
    response.encode(&mut writer, 5).unwrap();
    let bytes = [
        &[0, 0, 0, 0, 0, 0, 2][..], // throttle time, error, one directory
        &[0, 0, 3, b'/', b'd', 1],  // its error, its path, no topics
        &[0, 0, 0, 0, 0, 0, 0, 7],
        &[0, 0, 0, 0, 0, 0, 0, 5],
        &[1, 0, 0], // cordoned, no tagged fields
    ];
    assert_eq!(writer.finish().0, bytes.concat());

    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: "t".into(),
            partitions: vec![ListOffsetsPartition {
                partition_index: 3,
                timestamp: -2,
                max_num_offsets: 9,
                ..Default::default()
            }],
        }],
        ..Default::default()
    };
    let mut writer = Writer::new();
    request.encode(&mut writer, 0).unwrap();
    let bytes = [
        &[255; 4][..],
        &[0, 0, 0, 1, 0, 1, b't'],                 // one topic
        &[0, 0, 0, 1, 0, 0, 0, 3],                 // one partition
        &[255, 255, 255, 255, 255, 255, 255, 254], // its time
        &[0, 0, 0, 9],                             // offsets at most
    ];
    assert_eq!(writer.finish().0, bytes.concat());

    let response = ListOffsetsResponse {
        topics: vec![ListOffsetsTopicResponse {
            name: "t".into(),
            partitions: vec![ListOffsetsPartitionResponse {
                partition_index: 3,
                old_style_offsets: vec![5],
                ..Default::default()
            }],
        }],
        ..Default::default()
    };
    let mut writer = Writer::new();
    response.encode(&mut writer, 0).unwrap();
    let bytes = [
        &[0, 0, 0, 1, 0, 1, b't'][..],         // one topic
        &[0, 0, 0, 1, 0, 0, 0, 3, 0, 0],       // one partition without an error
        &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5], // one offset
    ];
    assert_eq!(writer.finish().0, bytes.concat());
}

#[test]
fn offsets_by_topic_id_and_with_the_time_of_their_commit_stand_where_kafkas_schemas_say() {
    let topic_id = millstream::types::Uuid(*b"0123456789abcdef");
    let commit = |version, topic: OffsetCommitTopic<'static>, instance: Option<&'static str>| {
        let request = OffsetCommitRequest {
            group_id: "g".into(),
            generation_id_or_member_epoch: 7,
            member_id: "m".into(),
            group_instance_id: instance.map(Into::into),
            topics: vec![topic],
            ..Default::default()
        };
        let mut writer = Writer::new();
        request.encode(&mut writer, version).unwrap();
        let bytes = writer.finish().0;
        let read = OffsetCommitRequest::decode(&mut Reader::new([&bytes[..]]), version);
        assert_eq!(read, Ok(request));
        bytes
    };
    let partition = |commit_timestamp, committed_leader_epoch| OffsetCommitPartition {
        partition_index: 3,
        committed_offset: 42,
        committed_leader_epoch,
        commit_timestamp,
        committed_metadata: Some("x".into()),
    };

    let topic = OffsetCommitTopic {
        name: "t".into(),
        partitions: vec![partition(1000, -1)],
        ..Default::default()
    };
    let bytes = [
        &[0, 1, b'g', 0, 0, 0, 7, 0, 1, b'm'][..], // group, generation, member
        &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1],     // one topic, one partition
        &[0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 42],    // its number, its offset
        &[0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 1, b'x'],  // when, metadata
    ];
    assert_eq!(commit(1, topic, None), bytes.concat());

    // Version 10 of both, as Kafka 4.2's client writes them.
    let topic = OffsetCommitTopic {
        topic_id,
        partitions: vec![partition(-1, 5)],
        ..Default::default()
    };
    let bytes = [
        &[2, b'g', 0, 0, 0, 7, 2, b'm', 2, b'i', 2][..], // ... instance, one topic
        &topic_id.0,
        &[2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 42],
        &[0, 0, 0, 5, 2, b'x', 0, 0, 0], // leader epoch, metadata, three times no tags
    ];
    assert_eq!(commit(10, topic, Some("i")), bytes.concat());

    let request = OffsetFetchRequest {
        groups: vec![
            OffsetFetchGroup {
                group_id: "g".into(),
                member_id: Some("m".into()),
                member_epoch: 7,
                topics: Some(vec![OffsetFetchTopic {
                    topic_id,
                    partition_indexes: vec![3],
                    ..Default::default()
                }]),
            },
            OffsetFetchGroup {
                group_id: "h".into(),
                topics: None,
                ..Default::default()
            },
        ],
        require_stable: true,
        ..Default::default()
    };
    let mut writer = Writer::new();
    request.encode(&mut writer, 10).unwrap();
    let bytes = [
        &[3, 2, b'g', 2, b'm', 0, 0, 0, 7, 2][..], // two groups; one topic of the first
        &topic_id.0,
        &[2, 0, 0, 0, 3, 0, 0],
        &[2, b'h', 0, 255, 255, 255, 255, 0, 0], // no member, all topics
        &[1, 0],
    ]
    .concat();
    assert_eq!(writer.finish().0, bytes);
    let read = OffsetFetchRequest::decode(&mut Reader::new([&bytes[..]]), 10);
    assert_eq!(read, Ok(request));
}

#[test]
fn where_the_chunks_are_cut_makes_no_difference() {
    let mut random = Random::new(9);
    each_message(|subject, version, bytes| {
        let mut chunks = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(random.below(rest.len().min(24)) + 1);
            chunks.push(chunk);
            if random.one_in(4) {
                chunks.push(&[]);
            }
            rest = after;
        }
        expect(
            (subject.same)(&[bytes], &chunks, version) == Ok(true),
            "cut up it reads otherwise",
        )
    });
}

#[test]
fn tagged_fields_from_the_future_are_passed_over() {
    for subject in SUBJECTS {
        for version in subject.each_version().filter(|v| subject.form(*v).flexible) {
            for seed in 0..SEEDS {
                let form = subject.form(version);
                let today = generate::message(subject.kind, form, &mut Random::new(seed));
                let future =
                    generate::message_from_the_future(subject.kind, form, &mut Random::new(seed));
                assert!(future.len() > today.len());
                assert_eq!(
                    (subject.again)(&[&future], version),
                    Ok((today, 0)),
                    "{} v{version}, seed {seed}",
                    subject.name
                );
            }
        }
    }
}

#[test]
fn request_headers_are_those_of_kafkas_schemas() {
    for key in (0..=94).map(ApiKey) {
        let Ok(their_key) = theirs::ApiKey::try_from(key.0) else {
            continue; // removed in Kafka 4.0, or newer than the oracle
        };
        let valid = their_key.valid_versions();
        for version in valid.min..=valid.max {
            let ours = key.request_header_version(version);
            assert_eq!(
                ours,
                their_key.request_header_version(version),
                "{key} v{version}"
            );
            let ours = key.response_header_version(version);
            assert_eq!(
                ours,
                their_key.response_header_version(version),
                "{key} v{version}"
            );

            let header = RequestHeader {
                api_key: key,
                api_version: version,
                correlation_id: 0x0102_0304,
                client_id: Some("client".into()),
            };
            let mut writer = Writer::new();
            header.encode(&mut writer).unwrap();
            let (bytes, _) = writer.finish();
            let mut left = Bytes::copy_from_slice(&bytes);
            let header_version = key.request_header_version(version);
            let read = theirs::RequestHeader::decode(&mut left, header_version).unwrap();
            assert!(left.is_empty());
            let mut again = BytesMut::new();
            read.encode(&mut again, header_version).unwrap();
            assert_eq!(bytes, again);
            assert_eq!(
                RequestHeader::decode(&mut Reader::new([&again[..]])),
                Ok(header)
            );
        }
    }
}

#[test]
fn a_response_frame_is_its_size_its_header_and_its_body() {
    for version in 0..=4 {
        let body = ApiVersionsResponse {
            api_keys: vec![ApiVersion {
                api_key: 18,
                min_version: 0,
                max_version: 4,
            }],
            ..Default::default()
        };
        let frame = encode_response(version, 77, &body).unwrap();
        assert!(frame.holes.is_empty());
        let (size, rest) = frame.bytes.split_at(4);
        assert_eq!(size, (rest.len() as i32).to_be_bytes());
        let mut bytes = Bytes::copy_from_slice(rest);
        let header = theirs::ResponseHeader::decode(
            &mut bytes,
            theirs::ApiVersionsResponse::header_version(version),
        )
        .unwrap();
        assert_eq!(header.correlation_id, 77);
        let read = theirs::ApiVersionsResponse::decode(&mut bytes, version).unwrap();
        assert_eq!(read.api_keys[0].api_key, 18);
        assert!(bytes.is_empty());

        let mut reader = Reader::new([rest]);
        let correlation_id = decode_response_header(&mut reader, ApiKey::API_VERSIONS, version);
        assert_eq!(correlation_id, Ok(77));
        assert_eq!(
            ApiVersionsResponse::decode(&mut reader, version),
            Ok(body.clone())
        );
    }
}

#[test]
fn a_fetch_reply_with_holes_filled_is_the_reply_with_its_records_inside() {
    let sets: [&[u8]; 4] = [b"first", b"", b"the third", &[7; 300]];
    let reply = |records: &dyn Fn(&'static [u8]) -> Records<'static>| FetchResponse {
        responses: vec![FetchTopicResponse {
            topic: "t".into(),
            topic_id: millstream::types::Uuid([5; 16]),
            partitions: [b"first" as &[u8], b"", b"the third", &[7; 300]]
                .into_iter()
                .map(|set| FetchPartitionResponse {
                    records: records(set),
                    ..Default::default()
                })
                .collect(),
        }]
        .into(),
        ..Default::default()
    };
    for version in FetchResponse::VERSIONS.first..=FetchResponse::VERSIONS.last {
        let inside = encode_response(version, 1, &reply(&Records::from)).unwrap();
        let holed = encode_response(version, 1, &reply(&|set| Records::Hole(set.len()))).unwrap();
        assert!(inside.holes.is_empty());
        assert_eq!(holed.holes.len(), 3, "an empty set leaves no hole");

        let mut sent = Vec::new();
        let mut at = 0;
        let mut filled = sets.iter().filter(|set| !set.is_empty());
        for hole in &holed.holes {
            sent.extend_from_slice(&holed.bytes[at..hole.at]);
            at = hole.at;
            let set = filled.next().unwrap();
            assert_eq!(set.len(), hole.length);
            sent.extend_from_slice(set);
        }
        sent.extend_from_slice(&holed.bytes[at..]);
        assert_eq!(sent, inside.bytes, "v{version}");
    }
}

#[test]
fn records_of_a_request_are_a_range_of_the_frame() {
    let request = ProduceRequest {
        acks: -1,
        topic_data: vec![ProduceTopic {
            name: "t".into(),
            partition_data: vec![ProducePartition {
                index: 3,
                records: Records::from(b"a batch".as_slice()),
            }]
            .into(),
            ..Default::default()
        }]
        .into(),
        ..Default::default()
    };
    for version in 3..=12 {
        let frame = encode_request(version, 5, Some("me"), &request).unwrap();
        let body = &frame.bytes[4..];
        let mut reader = Reader::new(body.chunks(5));
        let header = RequestHeader::decode(&mut reader).unwrap();
        assert_eq!(
            (header.api_key, header.api_version),
            (ApiKey::PRODUCE, version)
        );
        let read = ProduceRequest::decode(&mut reader, version).unwrap();
        let Records::Range { start, length } = read.topic_data[0].partition_data[0].records else {
            panic!("not a range");
        };
        assert_eq!(&body[start..start + length], b"a batch");
    }
}

#[test]
fn a_field_that_the_version_lacks_is_an_error_unless_it_may_be_dropped() {
    let encode = |request: &FetchRequest<'_>, version| request.encode(&mut Writer::new(), version);
    let droppable = FetchRequest {
        rack_id: "rack".into(),
        ..Default::default()
    };
    assert_eq!(encode(&droppable, 4), Ok(()));
    let needed = FetchRequest {
        replica_id: 5,
        ..Default::default()
    };
    assert_eq!(encode(&needed, 14), Ok(()));
    let error = encode(&needed, 15).unwrap_err();
    assert_eq!(
        error.to_string(),
        "FetchRequest.replica_id: set, but this version does not have it"
    );
    let null = MetadataRequest::default();
    let error = null.encode(&mut Writer::new(), 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "MetadataRequest.topics: null, but this version needs a value"
    );
}

#[test]
fn the_tables_hold_what_reading_and_writing_rely_on() {
    fn check(kind: &Kind) {
        match kind {
            Kind::Array(inner) | Kind::Nullable(inner) => check(inner),
            Kind::Structure(name, rows) => {
                let tags: Vec<u32> = rows.iter().filter_map(|row| row.tag).collect();
                assert!(tags.is_sorted_by(|a, b| a < b), "{name}: tags {tags:?}");
                for row in *rows {
                    let in_tag = matches!(row.kind, Kind::Records) && row.tag.is_some();
                    assert!(!in_tag, "{name}.{}: records in a tagged field", row.name);
                    check(&row.kind);
                }
            }
            _ => {}
        }
    }
    SUBJECTS.iter().for_each(|subject| check(subject.kind));
}

/// Runs `check` on random messages of every kind and version, and says on which one it failed.
fn each_message(mut check: impl FnMut(&Subject, i16, &[u8]) -> Result<(), String>) {
    for subject in SUBJECTS {
        for version in subject.each_version() {
            for seed in 0..SEEDS {
                let form = subject.form(version);
                let mut bytes = generate::message(subject.kind, form, &mut Random::new(seed + 1));
                if CONTROL_RECORDS.contains(&subject.name) {
                    bytes[..2].copy_from_slice(&version.to_be_bytes());
                }
                if let Err(why) = check(subject, version, &bytes) {
                    panic!(
                        "{} v{version}, seed {seed}: {why}\n{bytes:02x?}",
                        subject.name
                    );
                }
            }
        }
    }
}

fn expect(condition: bool, otherwise: &str) -> Result<(), String> {
    condition.then_some(()).ok_or_else(|| otherwise.to_owned())
}
