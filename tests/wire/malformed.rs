//! Bytes that are no message: errors, never a panic, never much memory.

use crate::allocation::bytes_allocated_by;
use crate::generate::{self, Random};
use crate::subjects::{SUBJECTS, Subject};
use millstream::wire::{DecodeError, Problem, Reader, RequestHeader};

/// Memory that decoding may take per byte that came, and in any case. An empty string takes one byte
/// on the wire and three words in memory; arrays in arrays multiply that by their depth.
const PER_BYTE: usize = 64;
const AT_LEAST: usize = 4096;

#[test]
fn a_message_cut_short_anywhere_is_an_error() {
    each(8, |subject, version, bytes, _| {
        for end in 0..bytes.len() {
            let error = (subject.again)(&[&bytes[..end]], version).unwrap_err();
            assert!(error.position <= end);
            assert_eq!(error.message, subject.name);
            assert!(!error.field.is_empty());
        }
    });
}

#[test]
fn random_bytes_never_panic_and_take_little_memory() {
    each(8, |subject, version, bytes, random| {
        for _ in 0..8 {
            let noise: Vec<u8> = (0..bytes.len().max(16))
                .map(|_| match random.below(4) {
                    0 => 0,
                    1 => 0xff,
                    _ => random.next() as u8,
                })
                .collect();
            decode_frugally(subject, version, &noise);
        }
    });
}

#[test]
fn absurd_lengths_anywhere_never_panic_and_take_little_memory() {
    each(3, |subject, version, bytes, _| {
        for at in 0..bytes.len() {
            for absurd in [
                [0x7f, 0xff, 0xff, 0xff].as_slice(),
                &[0x80, 0x00, 0x00, 0x00],
                &[0x00, 0x00, 0xff, 0xff],
                &[0xff, 0xff, 0xff, 0xff, 0x0f],
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                &[0x7f, 0xff],
                &[0xff, 0x01],
                &[0xff],
            ] {
                let mut damaged = bytes.to_vec();
                let end = (at + absurd.len()).min(damaged.len());
                damaged[at..end].copy_from_slice(&absurd[..end - at]);
                decode_frugally(subject, version, &damaged);
            }
        }
    });
}

#[test]
fn a_flipped_bit_never_panics() {
    each(3, |subject, version, bytes, _| {
        for at in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[at / 8] ^= 1 << (at % 8);
            decode_frugally(subject, version, &damaged);
        }
    });
}

#[test]
fn versions_outside_of_the_table_are_refused() {
    for subject in SUBJECTS {
        for version in [
            i16::MIN,
            subject.versions.first - 1,
            subject.versions.last + 1,
            i16::MAX,
        ] {
            let error = (subject.again)(&[&[0; 64]], version).unwrap_err();
            assert_eq!(error.problem, Problem::Version(version), "{}", subject.name);
        }
    }
}

#[test]
fn random_headers_never_panic() {
    let mut random = Random::new(3);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..random.below(40))
            .map(|_| random.next() as u8 & 0x8f)
            .collect();
        let taken = bytes_allocated_by(|| {
            let _ = RequestHeader::decode(&mut Reader::new([&bytes[..]]));
        });
        assert_eq!(taken, 0);
    }
}

#[test]
fn an_error_says_which_field_of_which_structure_and_where() {
    use millstream::wire::{Message, MetadataRequest};
    // One topic whose name is two bytes long, neither of them UTF-8.
    let bytes = [0, 0, 0, 1, 0, 2, 0xff, 0xfe];
    let error: DecodeError =
        MetadataRequest::decode(&mut Reader::new([&bytes[..]]), 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "MetadataRequest: MetadataTopic.name at byte 8: not UTF-8"
    );
}

/// Decodes bytes that may be malformed, and checks what it takes in memory.
fn decode_frugally(subject: &Subject, version: i16, bytes: &[u8]) {
    let taken = bytes_allocated_by(|| {
        let _ = (subject.same)(&[bytes], &[bytes], version);
    });
    // `same` decodes twice.
    let most = 2 * (bytes.len() * PER_BYTE + AT_LEAST);
    assert!(
        taken <= most,
        "{} v{version}: {taken} bytes of memory for {}: {bytes:02x?}",
        subject.name,
        bytes.len()
    );
}

fn each(seeds: u64, mut check: impl FnMut(&Subject, i16, &[u8], &mut Random)) {
    for subject in SUBJECTS {
        for version in subject.each_version() {
            for seed in 0..seeds {
                let mut random = Random::new(seed * 31 + version as u64 + 5);
                let bytes = generate::message(subject.kind, subject.form(version), &mut random);
                check(subject, version, &bytes, &mut random);
            }
        }
    }
}
