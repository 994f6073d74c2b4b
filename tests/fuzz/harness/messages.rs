//! Every message of `wire`, requests and responses and records, in every version: what decodes comes
//! back the same, wherever the frame is cut, and costs memory in proportion to its bytes.
//!
//! The list is the one of `tests/wire`: a message that joins it there joins here.

use super::allocation::within;
use super::generate::{self, Random};
use super::input::{Input, cut};
use super::subjects::{SUBJECTS, Subject};
use millstream::wire::{
    APIS, ApiKey, Kind, Reader, RequestHeader, Writer, decode_response_header,
    encode_response_header,
};

/// Memory that decoding may take per byte that came, and in any case; `tests/wire` measures the same.
const PER_BYTE: usize = 64;
const AT_LEAST: usize = 4096;
/// What precedes the message: which it is (two bytes), its version, where to cut (two bytes).
const HEAD_BYTES: usize = 5;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let which = usize::from(input.short());
    let version = input.byte();
    let cuts = u64::from(input.short());
    let body = input.rest();
    match SUBJECTS.get(which) {
        Some(subject) => message(subject, version, body, cuts),
        None if which.is_multiple_of(2) => request_header(body, cuts),
        None => response_header(ApiKey(i16::from(version)), which as i16 % 32, body, cuts),
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

/// Each message in each version, and headers.
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
            let mut seed = head(SUBJECTS.len() + SUBJECTS.len() % 2, 0).to_vec();
            seed.extend(writer.finish().0);
            seeds.push(seed);
            let mut seed = head(SUBJECTS.len() | 1, api.key.0).to_vec();
            seed.extend([0, 0, 0, 7, 1, 5, 1, 9]);
            seeds.push(seed);
        }
    }
    debug_assert!(seeds.iter().all(|seed| seed.len() >= HEAD_BYTES));
    seeds
}
