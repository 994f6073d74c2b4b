//! Every message of `wire`, requests and responses and records, in every version: what decodes comes
//! back the same, wherever the frame is cut, and costs memory in proportion to its bytes. Besides,
//! headers, whole records of `__consumer_offsets`, and what consumers put into the group protocol.
//!
//! The list is the one of `tests/wire`: a message that joins it there joins here.

use super::allocation::within;
use super::generate::{self, Random};
use super::input::{Input, cut};
use super::subjects::{SUBJECTS, Subject};
use millstream::wire::{
    APIS, ApiKey, ConsumerProtocolAssignment, ConsumerProtocolSubscription, ConsumerProtocolTopic,
    GroupLogRecord, GroupRecord, Kind, Reader, RequestHeader, Writer, decode_response_header,
    encode_response_header,
};

/// Memory that decoding may take per byte that came, and in any case; `tests/wire` measures the same.
const PER_BYTE: usize = 64;
const AT_LEAST: usize = 4096;
/// What precedes the message: which it is (two bytes), its version, where to cut (two bytes).
const HEAD_BYTES: usize = 5;
/// What follows the list of messages, by the number modulo 4.
const REQUEST_HEADER: usize = 0;
const RESPONSE_HEADER: usize = 1;
const GROUP_RECORD: usize = 2;
const CONSUMER_PROTOCOL: usize = 3;
/// Or'ed to the length of a group record's key: there is no value.
const TOMBSTONE: u8 = 0x80;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let which = usize::from(input.short());
    let version = input.byte();
    let cuts = u64::from(input.short());
    let body = input.rest();
    match SUBJECTS.get(which) {
        Some(subject) => message(subject, version, body, cuts),
        None => match which % 4 {
            REQUEST_HEADER => request_header(body, cuts),
            RESPONSE_HEADER => {
                let key = ApiKey(i16::from(version));
                response_header(key, (which / 4 % 32) as i16, body, cuts);
            }
            GROUP_RECORD => group_record(version, body),
            _ => consumer_protocol(body),
        },
    }
}

fn message(subject: &Subject, version: u8, body: &[u8], cuts: u64) {
    let versions = usize::from(subject.versions.last.abs_diff(subject.versions.first)) + 1;
    let version = subject.versions.first + (usize::from(version) % versions) as i16;
    let chunks = cut(body, cuts);
    let most = body.len() * PER_BYTE + AT_LEAST;
    // `same` holds two of it.
    let equal = within(2 * most, || (subject.same)(&[body], &[body], version));
    let equal_cut = within(2 * most + chunks.len() * 64, || {
        (subject.same)(&[body], &chunks, version)
    });
    assert_eq!(equal, equal_cut, "{} v{version} cut up", subject.name);
    let again = (subject.again)(&[body], version);
    assert_eq!(again, (subject.again)(&chunks, version), "{}", subject.name);
    let Ok((bytes, left)) = again else {
        return;
    };
    let read = &body[..body.len() - left];
    assert_eq!(
        (subject.again)(&[&bytes], version),
        Ok((bytes.clone(), 0)),
        "{} v{version}",
        subject.name
    );
    if compares(subject.kind) {
        assert_eq!(equal, Ok(true), "{} v{version}", subject.name);
        assert_eq!((subject.same)(&[read], &[&bytes], version), Ok(true));
    }
}

/// Whether equal bytes give equal values: not if one may be not a number, nor if it says where in the
/// frame something lies.
fn compares(kind: &Kind) -> bool {
    match kind {
        Kind::Float64 | Kind::Records => false,
        Kind::Array(inner) | Kind::Nullable(inner) => compares(inner),
        Kind::Structure(_, rows) => rows.iter().all(|row| compares(&row.kind)),
        _ => true,
    }
}

fn request_header(bytes: &[u8], cuts: u64) {
    let mut reader = Reader::new([bytes]);
    let header = within(0, || RequestHeader::decode(&mut reader));
    let mut cut_reader = Reader::new(cut(bytes, cuts));
    assert_eq!(header, RequestHeader::decode(&mut cut_reader));
    let Ok(header) = header else {
        return;
    };
    assert_eq!(reader.remaining(), cut_reader.remaining());
    let mut writer = Writer::new();
    header.encode(&mut writer).expect("it was read");
    let again = writer.finish().0;
    assert_eq!(
        RequestHeader::decode(&mut Reader::new([&again[..]])),
        Ok(header)
    );
}

fn response_header(key: ApiKey, version: i16, bytes: &[u8], cuts: u64) {
    let header = decode_response_header(&mut Reader::new([bytes]), key, version);
    let chunks = cut(bytes, cuts);
    assert_eq!(
        header,
        decode_response_header(&mut Reader::new(chunks), key, version)
    );
    let Ok(correlation_id) = header else {
        return;
    };
    let mut writer = Writer::new();
    encode_response_header(&mut writer, key, version, correlation_id);
    let again = writer.finish().0;
    let read = decode_response_header(&mut Reader::new([&again[..]]), key, version);
    assert_eq!(read, Ok(correlation_id));
}

/// A record of `__consumer_offsets`: a key of so many bytes, then the value.
fn group_record(key_bytes: u8, body: &[u8]) {
    let split = usize::from(key_bytes & !TOMBSTONE).min(body.len());
    let (key, value) = body.split_at(split);
    let value = (key_bytes & TOMBSTONE == 0).then_some(value);
    let most = body.len() * PER_BYTE + AT_LEAST;
    let record = match within(most, || GroupRecord::decode(key, value)) {
        Ok(GroupLogRecord::Known(record)) => record,
        Ok(GroupLogRecord::Unknown(kind)) => {
            assert_eq!(key[..2], kind.to_be_bytes());
            return;
        }
        Err(error) => {
            assert!(!error.message.is_empty() && !error.field.is_empty());
            return;
        }
    };
    assert_eq!(key[..2], record.record_type().to_be_bytes());
    assert_eq!(record.is_tombstone(), value.is_none());
    let (key_again, value_again) = record.encode().expect("it was read");
    assert!(key.starts_with(&key_again), "no key has two forms");
    let again = GroupRecord::decode(&key_again, value_again.as_deref());
    assert_eq!(again, Ok(GroupLogRecord::Known(record)));
}

/// The bytes that a consumer, and those that a leader, hands to the coordinator.
fn consumer_protocol(bytes: &[u8]) {
    let most = bytes.len() * PER_BYTE + AT_LEAST;
    match within(most, || ConsumerProtocolSubscription::from_bytes(bytes)) {
        Ok((subscription, version)) => {
            let again = subscription.to_bytes(version).expect("it was read");
            let read = ConsumerProtocolSubscription::from_bytes(&again);
            assert_eq!(read, Ok((subscription, version)));
        }
        Err(error) => assert!(!error.message.is_empty() && !error.field.is_empty()),
    }
    match within(most, || ConsumerProtocolAssignment::from_bytes(bytes)) {
        Ok((assignment, version)) => {
            let again = assignment.to_bytes(version).expect("it was read");
            let read = ConsumerProtocolAssignment::from_bytes(&again);
            assert_eq!(read, Ok((assignment, version)));
        }
        Err(error) => assert!(!error.message.is_empty() && !error.field.is_empty()),
    }
}

/// Each message in each version, headers, records of groups, and what consumers say in them.
pub fn seeds() -> Vec<Vec<u8>> {
    let head = |which: usize, version: i16| {
        let which = (which as u16).to_be_bytes();
        [which[0], which[1], version as u8, 0, 7]
    };
    let mut seeds = Vec::new();
    for (which, subject) in SUBJECTS.iter().enumerate() {
        for (at, version) in subject.each_version().enumerate() {
            let mut random = Random::new(which as u64 * 100 + at as u64);
            let mut seed = head(which, at as i16).to_vec();
            seed.extend(generate::message(
                subject.kind,
                subject.form(version),
                &mut random,
            ));
            seeds.push(seed);
        }
    }
    for api in APIS {
        for version in [0, api.flexible.first] {
            let header = RequestHeader {
                api_key: api.key,
                api_version: version,
                correlation_id: 7,
                client_id: Some("me".into()),
            };
            let mut writer = Writer::new();
            header.encode(&mut writer).expect("it fits");
            let mut seed = head(beyond(REQUEST_HEADER), 0).to_vec();
            seed.extend(writer.finish().0);
            seeds.push(seed);
            let mut seed = head(beyond(RESPONSE_HEADER), api.key.0).to_vec();
            seed.extend([0, 0, 0, 7, 1, 5, 1, 9]);
            seeds.push(seed);
        }
    }
    for (key, value) in group_records() {
        let tombstone = if value.is_none() { TOMBSTONE } else { 0 };
        let key_bytes = key.len() as u8 | tombstone;
        let mut seed = head(beyond(GROUP_RECORD), i16::from(key_bytes)).to_vec();
        seed.extend(key);
        seed.extend(value.unwrap_or_default());
        seeds.push(seed);
    }
    for bytes in consumer_protocols() {
        let mut seed = head(beyond(CONSUMER_PROTOCOL), 0).to_vec();
        seed.extend(bytes);
        seeds.push(seed);
    }
    debug_assert!(seeds.iter().all(|seed| seed.len() >= HEAD_BYTES));
    seeds
}

/// The first number behind the list that leads to `what`.
fn beyond(what: usize) -> usize {
    SUBJECTS.len().next_multiple_of(4) + what
}

/// Keys and values that Kafka wrote.
fn group_records() -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let lines = include_str!("../../wire/kafka_group_records.txt").lines();
    let records = lines.filter(|line| !line.starts_with('#'));
    records
        .map(|line| {
            let (key, value) = line.split_once(' ').expect("a key and a value");
            (unhex(key), (value != "-").then(|| unhex(value)))
        })
        .collect()
}

/// Subscriptions and assignments in every version, and one that claims more than it has.
fn consumer_protocols() -> Vec<Vec<u8>> {
    let topic = ConsumerProtocolTopic {
        topic: "t".into(),
        partitions: vec![0, 2],
    };
    let subscription = ConsumerProtocolSubscription {
        topics: vec!["t".into(), "u".into()],
        user_data: Some(vec![7].into()),
        owned_partitions: vec![topic.clone()],
        generation_id: 5,
        rack_id: Some("r".into()),
    };
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: vec![topic],
        user_data: None,
    };
    let mut all = vec![vec![0, 1, 0, 0, 0, 1, 0, 1, b't', 255, 255, 255, 255]];
    for version in 0..=3 {
        all.push(subscription.to_bytes(version).expect("it fits").to_vec());
        all.push(assignment.to_bytes(version).expect("it fits").to_vec());
    }
    all
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hexadecimal"))
        .collect()
}
