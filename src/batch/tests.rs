//! The produce checks, one test per row of Kafka's behaviour; round trips; hostile bytes.

use super::*;
use crate::limits;
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// As written by Apache Kafka 4.2.0: one record, key "a", value "1".
const FIXTURE: [u8; 70] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x3a, 0, 0, 0, 0, 2, 0x9d, 0x18, 0x5f, 0xef, 0, 0, 0, 0, 0, 0,
    0, 0, 0x01, 0xa2, 0x03, 0x41, 0xd8, 0x44, 0, 0, 0x01, 0xa2, 0x03, 0x41, 0xd8, 0x44, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0x10, 0, 0,
    0, 2, b'a', 2, b'1', 0,
];
const NOW: Timestamp = Timestamp(0x1a2_0341_d844);
const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];

fn rules() -> Rules {
    Rules {
        max_message_bytes: 1_048_588,
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        now: NOW,
        produce_version: 9,
        compressed: Look::Inside,
    }
}

fn check_all(bytes: &[u8], rules: &Rules) -> Result<Checked, Fault> {
    check([bytes].into_iter(), bytes.len(), rules)
}

fn fault_of(bytes: &[u8]) -> Fault {
    check_all(bytes, &rules()).expect_err("a fault")
}

fn sent() -> Builder {
    Builder::new(Offset(0), LeaderEpoch::UNKNOWN)
}

fn batch_of(count: usize, codec: Codec) -> Vec<u8> {
    let mut builder = sent().codec(codec);
    for at in 0..count {
        let key = format!("key {at}");
        let value = vec![at as u8; at * 3];
        let header: (&[u8], Option<&[u8]>) = (b"h", Some(b"value"));
        let null: (&[u8], Option<&[u8]>) = (b"", None);
        let time = Timestamp(NOW.0 - 500 + at as i64);
        builder.push(time, Some(key.as_bytes()), Some(&value), &[header, null]);
    }
    builder.finish()
}

/// Changes a batch's header, and its CRC with it.
fn reheaded(mut bytes: Vec<u8>, change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::read(&bytes).expect("a header");
    change(&mut header);
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    signed(bytes)
}

fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c(&bytes[CRC_START..]);
    bytes[CRC..CRC_START].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// A batch of these record bytes.
fn batch_with(records: &[u8], count: i32, codec: Codec) -> Vec<u8> {
    let mut bytes = batch_of(1, Codec::None);
    bytes.truncate(HEADER_BYTES);
    bytes.extend_from_slice(&compress(codec, records));
    let length = (bytes.len() - LENGTH_END) as i32;
    reheaded(bytes, |header| {
        header.length = length;
        header.record_count = count;
        header.last_offset_delta = count - 1;
        header.attributes = codec as i16;
    })
}

/// Good bytes of a record: key "a", value "1", no headers.
fn record_bytes(offset_delta: u8) -> Vec<u8> {
    vec![0x10, 0, 0, offset_delta * 2, 2, b'a', 2, b'1', 0]
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

#[test]
fn the_builder_makes_the_bytes_of_kafka() {
    let mut builder = Builder::new(Offset(0), LeaderEpoch(0));
    builder.push(NOW, Some(b"a"), Some(b"1"), &[]);
    assert_eq!(builder.finish(), FIXTURE);
    let header = verify(&FIXTURE).expect("Kafka's bytes are good");
    assert_eq!(header.encode(), FIXTURE[..HEADER_BYTES]);
    assert_eq!(header.size(), FIXTURE.len());
    assert_eq!(header.max_timestamp, NOW);
    assert!(!header.has_producer());
}

#[test]
fn a_marker_has_the_bytes_of_kafka() {
    let mut builder = Builder::new(Offset(7), LeaderEpoch(0))
        .producer(ProducerId(2), ProducerEpoch(6), -1)
        .transactional()
        .control();
    builder.push_control(NOW, 1, &[0; 6]);
    let bytes = builder.finish();
    assert_eq!(bytes.len(), 78);
    assert_eq!(bytes[ATTRIBUTES..LAST_OFFSET_DELTA], [0, 0x30]);
    assert_eq!(
        bytes[HEADER_BYTES..],
        [0x20, 0, 0, 0, 8, 0, 0, 0, 1, 0x0c, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn every_codec_gives_back_what_it_took() {
    let mut random = Random(7);
    for codec in CODECS {
        for length in [0, 1, 100, 32 * 1024, 70_000, 300_000] {
            let text: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
            let noise: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            for bytes in [text, noise] {
                let packed = compress(codec, &bytes);
                assert_eq!(decompress(codec, &packed, length), Ok(bytes));
            }
        }
    }
}

#[test]
fn a_batch_of_every_codec_passes_and_its_records_come_back() {
    for codec in CODECS {
        let bytes = batch_of(100, codec);
        let checked = check_all(&bytes, &rules()).expect("good");
        assert_eq!(checked.size, bytes.len());
        assert_eq!(checked.max_timestamp, Timestamp(NOW.0 - 401));
        let inflated = decompress(codec, &bytes[HEADER_BYTES..], 1 << 20).expect("good");
        let mut count = 0;
        for (at, record) in records(&inflated).enumerate() {
            let record = record.expect("good");
            assert_eq!(record.key, Some(format!("key {at}").as_bytes()));
            assert_eq!(record.value, Some(&vec![at as u8; at * 3][..]));
            assert_eq!(record.offset_delta as usize, at);
            assert_eq!(record.timestamp_delta as usize, at);
            let headers: Vec<_> = record.headers.collect();
            assert_eq!(headers, [(&b"h"[..], Some(&b"value"[..])), (b"", None)]);
            count += 1;
        }
        assert_eq!(count, 100);
    }
}

#[test]
fn a_batch_is_judged_alike_however_it_is_cut_into_chunks() {
    let mut random = Random(11);
    for codec in CODECS {
        let whole = batch_of(40, codec);
        let spoilt = {
            let mut bytes = whole.clone();
            *bytes.last_mut().expect("not empty") ^= 1;
            bytes
        };
        for bytes in [whole, spoilt] {
            let expected = check_all(&bytes, &rules());
            for _ in 0..200 {
                let mut chunks: Vec<&[u8]> = Vec::new();
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let (chunk, after) = rest.split_at(random.below(rest.len().min(80) + 1));
                    chunks.push(chunk);
                    rest = after;
                }
                let found = check(chunks.into_iter(), bytes.len(), &rules());
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn a_length_below_14_is_corrupt() {
    for length in [13, 0, -1, i32::MIN] {
        let mut bytes = FIXTURE;
        bytes[LENGTH..LENGTH_END].copy_from_slice(&i32::to_be_bytes(length));
        assert_eq!(fault_of(&bytes), Fault::Length(length));
    }
}

#[test]
fn a_magic_above_2_is_corrupt() {
    for magic in [3, -1] {
        let mut bytes = FIXTURE;
        bytes[MAGIC] = magic as u8;
        assert_eq!(fault_of(&bytes), Fault::UnknownMagic(magic));
    }
}

#[test]
fn less_than_a_batch_is_invalid() {
    for length in [0, 11, 12, 16, 17, 61, 69] {
        assert_eq!(fault_of(&FIXTURE[..length]), Fault::NoBatch);
    }
}

#[test]
fn two_batches_are_invalid() {
    let bytes = [FIXTURE, FIXTURE].concat();
    assert_eq!(fault_of(&bytes), Fault::TwoBatches);
}

#[test]
fn an_incomplete_second_batch_is_dropped() {
    for length in [1, 11, 12, 16, 17, 69] {
        let bytes = [&FIXTURE[..], &FIXTURE[..length]].concat();
        let checked = check_all(&bytes, &rules()).expect("the first is good");
        assert_eq!(checked.size, FIXTURE.len());
    }
}

#[test]
fn a_magic_below_2_is_invalid() {
    for magic in [0, 1] {
        let mut bytes = FIXTURE;
        bytes[MAGIC] = magic as u8;
        assert_eq!(fault_of(&bytes), Fault::OldMagic(magic));
    }
}

#[test]
fn zstd_needs_produce_version_7() {
    let bytes = batch_of(3, Codec::Zstd);
    let version = |produce_version| Rules {
        produce_version,
        ..rules()
    };
    assert_eq!(
        check_all(&bytes, &version(6)),
        Err(Fault::ZstdTooEarly { produce_version: 6 })
    );
    assert!(check_all(&bytes, &version(7)).is_ok());
}

#[test]
fn a_base_offset_other_than_0_is_invalid() {
    let mut bytes = FIXTURE;
    bytes[7] = 5;
    assert_eq!(fault_of(&bytes), Fault::BaseOffset(5));
}

#[test]
fn a_batch_above_max_message_bytes_is_too_large() {
    let max = |max_message_bytes| Rules {
        max_message_bytes,
        ..rules()
    };
    assert!(check_all(&FIXTURE, &max(70)).is_ok());
    assert_eq!(
        check_all(&FIXTURE, &max(69)),
        Err(Fault::TooLarge { size: 70, max: 69 })
    );
}

#[test]
fn a_batch_smaller_than_its_header_is_corrupt() {
    let mut bytes = FIXTURE;
    bytes[LENGTH..LENGTH_END].copy_from_slice(&20i32.to_be_bytes());
    assert_eq!(fault_of(&bytes[..32]), Fault::Size(32));
}

#[test]
fn a_flipped_bit_behind_the_crc_is_corrupt() {
    for at in CRC..FIXTURE.len() {
        let mut bytes = FIXTURE;
        bytes[at] ^= 0x10;
        assert!(matches!(fault_of(&bytes), Fault::Crc { .. }), "byte {at}");
    }
}

#[test]
fn codecs_5_to_7_are_unknown() {
    for codec in 5..8 {
        let bytes = reheaded(FIXTURE.to_vec(), |header| header.attributes = codec);
        assert_eq!(fault_of(&bytes), Fault::UnknownCodec(codec as u8));
    }
}

#[test]
fn the_count_is_positive_and_fits_the_last_offset() {
    for (count, last_offset_delta) in [(0, -1), (-1, -2), (0, 0), (2, 0), (1, 1), (i32::MIN, 0)] {
        let bytes = reheaded(FIXTURE.to_vec(), |header| {
            header.record_count = count;
            header.last_offset_delta = last_offset_delta;
        });
        assert!(matches!(fault_of(&bytes), Fault::Count { .. }));
    }
}

#[test]
fn clients_may_not_send_control_batches() {
    let bytes = reheaded(FIXTURE.to_vec(), |header| header.attributes = CONTROL);
    assert_eq!(fault_of(&bytes), Fault::Control);
}

#[test]
fn a_producer_needs_a_sequence() {
    let bytes = reheaded(FIXTURE.to_vec(), |header| {
        header.producer_id = ProducerId(4)
    });
    assert_eq!(fault_of(&bytes), Fault::NoSequence);
}

#[test]
fn a_compacted_topic_names_the_records_without_key() {
    let mut builder = sent();
    builder.push(NOW, Some(b""), None, &[]);
    builder.push(NOW, None, Some(b"v"), &[]);
    let bytes = builder.finish();
    assert!(check_all(&bytes, &rules()).is_ok());
    let compacted = Rules {
        compacted: true,
        ..rules()
    };
    assert_eq!(
        check_all(&bytes, &compacted),
        Err(Fault::Records {
            total: 1,
            timestamp: false,
            first: vec![RecordError {
                index: 1,
                fault: RecordFault::NoKey
            }],
        })
    );
}

#[test]
fn a_timestamp_too_far_ahead_or_behind_is_invalid() {
    let rules = Rules {
        timestamp_before_max_ms: 10,
        timestamp_after_max_ms: 20,
        ..rules()
    };
    let mut builder = sent();
    for time in [-11, -10, 20, 21] {
        builder.push(Timestamp(NOW.0 + time), Some(b"k"), None, &[]);
    }
    builder.push(Timestamp::NONE, Some(b"k"), None, &[]);
    let Err(Fault::Records { first, .. }) = check_all(&builder.finish(), &rules) else {
        panic!("not refused");
    };
    let indexes: Vec<i32> = first.iter().map(|error| error.index).collect();
    assert_eq!(indexes, [0, 3]);
}

#[test]
fn a_compressed_batch_that_is_not_inflated_is_judged_by_its_maximum() {
    let mut builder = sent().codec(Codec::Lz4);
    builder.push(Timestamp(NOW.0 + 3_600_001), None, None, &[]);
    let outside = Rules {
        compressed: Look::Header,
        ..rules()
    };
    let fault = check_all(&builder.finish(), &outside).expect_err("an hour and a bit ahead");
    assert!(matches!(
        fault,
        Fault::Records {
            timestamp: true,
            ..
        }
    ));
}

#[test]
fn only_the_broker_sets_log_append_time() {
    let topic = Rules {
        timestamp_type: TimestampType::LogAppendTime,
        ..rules()
    };
    let claimed = reheaded(FIXTURE.to_vec(), |header| {
        header.attributes = LOG_APPEND_TIME
    });
    assert!(matches!(
        check_all(&claimed, &topic),
        Err(Fault::Records {
            timestamp: true,
            ..
        })
    ));
    // On a CreateTime topic Kafka clears the bit instead.
    let checked = check_all(&claimed, &rules()).expect("accepted");
    let stamp = checked.stamp(Offset(3), LeaderEpoch(1));
    assert_eq!(stamp.bytes().len(), HEADER_BYTES);
    assert_eq!(stamp.bytes()[ATTRIBUTES..LAST_OFFSET_DELTA], [0, 0]);
}

#[test]
fn bytes_behind_the_records_are_invalid() {
    for codec in CODECS {
        let bytes = [record_bytes(0), vec![0]].concat();
        assert_eq!(fault_of(&batch_with(&bytes, 1, codec)), Fault::BytesRemain);
    }
}

#[test]
fn a_count_that_is_too_high_is_invalid() {
    for codec in CODECS {
        let bytes = batch_with(&record_bytes(0), 2, codec);
        assert_eq!(fault_of(&bytes), Fault::RecordsMissing);
    }
}

#[test]
fn a_bad_count_of_headers_is_invalid() {
    for count in [1, 0x7e, 0x7f] {
        let mut bytes = record_bytes(0);
        *bytes.last_mut().expect("not empty") = count;
        let fault = fault_of(&batch_with(&bytes, 1, Codec::None));
        assert_eq!(fault, Fault::RecordHeaders);
    }
}

#[test]
fn a_wrong_record_length_is_invalid_unless_compressed() {
    for length in [0, 0x0e, 0x12, 0x0f] {
        let mut bytes = record_bytes(0);
        bytes[0] = length;
        let plain = batch_with(&bytes, 1, Codec::None);
        assert_eq!(fault_of(&plain), Fault::RecordLength);
        let packed = batch_with(&bytes, 1, Codec::Gzip);
        assert!(check_all(&packed, &rules()).is_ok());
    }
}

#[test]
fn wrong_offset_deltas_are_accepted_unless_compressed() {
    let bytes = [record_bytes(3), record_bytes(1)].concat();
    assert!(check_all(&batch_with(&bytes, 2, Codec::None), &rules()).is_ok());
    assert_eq!(
        fault_of(&batch_with(&bytes, 2, Codec::Zstd)),
        Fault::OffsetDelta {
            expected: 0,
            found: 3
        }
    );
}

#[test]
fn undecodable_bytes_are_named_by_codec() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bytes = batch_with(&record_bytes(0), 1, Codec::None);
        let bytes = reheaded(bytes, |header| header.attributes = codec as i16);
        assert_eq!(fault_of(&bytes), Fault::Undecodable(codec));
        let outside = Rules {
            compressed: Look::Header,
            ..rules()
        };
        assert!(check_all(&bytes, &outside).is_ok());
    }
}

#[test]
fn lz4_blocks_that_depend_on_each_other_are_refused_without_and_with_a_look_inside() {
    let mut bytes = batch_of(3, Codec::Lz4);
    bytes[HEADER_BYTES + 4] &= !0x20;
    let bytes = signed(bytes);
    for compressed in [Look::Header, Look::Inside, Look::Later] {
        let rules = Rules {
            compressed,
            ..rules()
        };
        assert_eq!(check_all(&bytes, &rules), Err(Fault::LinkedBlocks));
        // However the bytes come in.
        let parts = bytes.chunks(1);
        assert_eq!(check(parts, bytes.len(), &rules), Err(Fault::LinkedBlocks));
    }
}

#[test]
fn attribute_bits_without_meaning_and_bytes_after_gzip_are_accepted() {
    let bytes = reheaded(FIXTURE.to_vec(), |header| header.attributes = !0x7f);
    let checked = check_all(&bytes, &rules()).expect("accepted");
    assert_eq!(checked.stamp(Offset(1), LeaderEpoch(1)).bytes().len(), 16);

    let mut bytes = batch_of(3, Codec::Gzip);
    bytes.extend_from_slice(b"behind");
    let bytes = reheaded(bytes, |header| header.length += 6);
    assert!(check_all(&bytes, &rules()).is_ok());
}

#[test]
fn a_structural_fault_comes_before_a_bad_timestamp() {
    let mut record = record_bytes(0);
    record[0] = 0;
    let bytes = batch_with(&record, 1, Codec::None);
    let bytes = reheaded(bytes, |header| header.base_timestamp.0 += 1 << 40);
    assert_eq!(fault_of(&bytes), Fault::RecordLength);
}

#[test]
fn a_stamp_sets_offset_and_epoch_and_keeps_the_crc() {
    let mut bytes = batch_of(5, Codec::None);
    let checked = check_all(&bytes, &rules()).expect("good");
    let stamp = checked.stamp(Offset(1 << 40), LeaderEpoch(9));
    assert_eq!(stamp.bytes().len(), STAMP_BYTES);
    bytes[..STAMP_BYTES].copy_from_slice(stamp.bytes());
    let header = verify(&bytes).expect("the CRC does not cover the stamp");
    assert_eq!(header.base_offset, Offset(1 << 40));
    assert_eq!(header.next_offset(), Offset((1 << 40) + 5));
    assert_eq!(header.leader_epoch, LeaderEpoch(9));
}

#[test]
fn a_false_maximum_timestamp_is_put_right() {
    let bytes = reheaded(batch_of(5, Codec::None), |header| {
        header.max_timestamp = Timestamp(1);
        header.attributes = 0x1000;
    });
    let checked = check_all(&bytes, &rules()).expect("good");
    let mut stored = bytes;
    let stamp = checked.stamp(Offset(2), LeaderEpoch(0));
    stored[..stamp.bytes().len()].copy_from_slice(stamp.bytes());
    let header = verify(&stored).expect("the CRC is new");
    assert_eq!(header.max_timestamp, Timestamp(NOW.0 - 496));
    assert_eq!(header.attributes, 0);
}

#[test]
fn log_append_time_is_stamped_with_a_new_crc() {
    for codec in CODECS {
        let mut bytes = batch_of(50, codec);
        let topic = Rules {
            timestamp_type: TimestampType::LogAppendTime,
            now: Timestamp(77),
            ..rules()
        };
        let checked = check_all(&bytes, &topic).expect("good");
        let stamp = checked.stamp(Offset(0), LeaderEpoch(0));
        bytes[..stamp.bytes().len()].copy_from_slice(stamp.bytes());
        let header = verify(&bytes).expect("the CRC is new");
        assert!(header.is_log_append_time());
        assert_eq!(header.max_timestamp, Timestamp(77));
        assert_eq!(header.base_timestamp, Timestamp(NOW.0 - 500));
        assert_eq!(header.codec(), Some(codec));
    }
}

#[test]
fn sequence_numbers_wrap_to_0() {
    let mut header = Header::read(&FIXTURE).expect("a header");
    header.base_sequence = i32::MAX - 1;
    header.last_offset_delta = 3;
    assert_eq!(header.last_sequence(), 1);
}

#[test]
fn a_scan_stops_where_a_batch_is_not_whole() {
    let one = batch_of(3, Codec::None);
    let two = batch_of(1, Codec::Zstd);
    let bytes = [&one[..], &two, &one].concat();
    for length in 0..=bytes.len() {
        let mut scan = scan(&bytes[..length]);
        let positions: Vec<usize> = scan.by_ref().map(|(position, _)| position).collect();
        let ends = [one.len(), one.len() + two.len(), bytes.len()];
        let whole = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(positions.len(), whole);
        let behind = if whole == 0 { 0 } else { ends[whole - 1] };
        assert_eq!(scan.position(), behind);
        match length - behind {
            0 => assert_eq!(scan.rest(), Rest::Nothing),
            1..HEADER_BYTES => assert_eq!(scan.rest(), Rest::PartOfHeader),
            _ => assert!(matches!(scan.rest(), Rest::PartOfBatch(_))),
        }
    }
    let zeros = [&one[..], &[0; 100]].concat();
    let mut scan = scan(&zeros);
    assert_eq!(scan.by_ref().count(), 1);
    assert!(matches!(scan.rest(), Rest::Implausible(_)));
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let zeros = vec![0; 16 << 20];
    for codec in CODECS {
        let packed = compress(codec, &zeros);
        for limit in [0, 1000, 1 << 20, zeros.len() - 1] {
            assert_eq!(
                decompress(codec, &packed, limit),
                Err(Fault::TooLargeInflated { max: limit })
            );
        }
        assert_eq!(
            decompress(codec, &packed, zeros.len()).map(|out| out.len()),
            Ok(zeros.len())
        );
    }
    const { assert!(limits::INFLATED_BYTES_MAX > 1 << 20) };
}

#[test]
fn a_snappy_length_that_its_bytes_cannot_hold_is_refused() {
    let lying = [0xff, 0xff, 0xff, 0xff, 0x07, 0, 0];
    assert_eq!(
        decompress(Codec::Snappy, &lying, usize::MAX),
        Err(Fault::Undecodable(Codec::Snappy))
    );
}

#[test]
fn a_damaged_zstd_frame_is_not_given_room_for_more_than_its_bytes_can_become() {
    // It says that it becomes 245 bytes. One of them is damaged, so that it would write beyond those: the library says
    // of any room that it is too small.
    let damaged = [
        0x28, 0xb5, 0x2f, 0xfd, 0x20, 0xf5, 0x0d, 0x04, 0x00, 0x92, 0x06, 0x19, 0x25, 0x90, 0x2b,
        0x8d, 0x01, 0xf3, 0x83, 0x18, 0x34, 0x3c, 0xe9, 0xa7, 0x70, 0x89, 0x1d, 0xdf, 0x15, 0x2d,
        0x54, 0x1d, 0x1d, 0xd7, 0xc5, 0xe3, 0xa8, 0xd2, 0x5f, 0xc8, 0x0f, 0x51, 0xa5, 0x19, 0x65,
        0x00, 0x6e, 0xb9, 0x65, 0x0a, 0xe8, 0xae, 0xc6, 0xa8, 0x47, 0xc5, 0x60, 0x45, 0x24, 0xd5,
        0x14, 0x3d, 0x96, 0x82, 0xbb, 0x9e, 0x1f, 0x35, 0x8f, 0x71, 0x40, 0x08, 0x1e, 0xa1, 0x0d,
        0xda, 0xef, 0x1e, 0xaa, 0x85, 0x81, 0x2c, 0xa1, 0xe2, 0xdb, 0x56, 0xf9, 0xe7, 0x52, 0xe2,
        0x45, 0xac, 0x6d, 0x1d, 0x3b, 0x6d, 0x0f, 0xfc, 0xd0, 0x94, 0x93, 0x19, 0xb5, 0xa1, 0x34,
        0x32, 0x8b, 0xf3, 0x32, 0xe2, 0x0f, 0x08, 0x0a, 0x00, 0x20, 0x91, 0x68, 0x72, 0x0b, 0xe0,
        0x31, 0x85, 0x18, 0xe8, 0xec, 0x8f, 0x60, 0x43, 0xe0, 0xec, 0xff, 0x0c, 0xfc, 0x0b, 0xfb,
        0x5b, 0x30, 0x06,
    ];
    // A block that repeats a byte more often than a block may.
    let endless = [0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0xfb, 0xff, 0xff, b'x'];
    for bytes in [&damaged[..], &endless] {
        assert_eq!(
            decompress(Codec::Zstd, bytes, limits::INFLATED_BYTES_MAX),
            Err(Fault::Undecodable(Codec::Zstd))
        );
    }
    // The most that a block may: a byte 128 KiB times, from 4 bytes.
    let block = [0x02_u8, 0, 0x10, b'x'];
    let blocks = [
        &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x70][..],
        &block.repeat(99),
        &[0x03, 0, 0x10, b'x'],
    ];
    let packed = blocks.concat();
    let plain = decompress(Codec::Zstd, &packed, limits::INFLATED_BYTES_MAX);
    assert_eq!(plain.map(|plain| plain.len()), Ok(100 * 128 * 1024));
}

#[test]
fn snappy_is_read_raw_framed_and_concatenated() {
    let raw = snap::raw::Encoder::new()
        .compress_vec(b"plain snappy")
        .expect("small");
    assert_eq!(
        decompress(Codec::Snappy, &raw, 100).as_deref(),
        Ok(&b"plain snappy"[..])
    );
    let twice = compress(Codec::Snappy, b"twice ").repeat(2);
    assert_eq!(
        decompress(Codec::Snappy, &twice, 100).as_deref(),
        Ok(&b"twice twice "[..])
    );
}

#[test]
fn no_bytes_make_it_panic() {
    let mut random = Random(3);
    for round in 0..20_000 {
        let codec = CODECS[round % 5];
        let mut bytes = batch_of(1 + round % 9, codec);
        match round % 4 {
            0 => bytes.truncate(random.below(bytes.len())),
            1 => {
                for _ in 0..=random.below(4) {
                    let at = random.below(bytes.len());
                    bytes[at] = random.next() as u8;
                }
            }
            2 => {
                // Past the CRC, into the records.
                for _ in 0..=random.below(4) {
                    let at = HEADER_BYTES + random.below(bytes.len() - HEADER_BYTES);
                    bytes[at] = random.next() as u8;
                }
                bytes = signed(bytes);
            }
            _ => bytes
                .iter_mut()
                .for_each(|byte| *byte = random.next() as u8),
        }
        if let Ok(checked) = check(bytes.chunks(1 + random.below(40)), bytes.len(), &rules()) {
            assert!(checked.size <= bytes.len());
            checked.stamp(Offset(i64::MAX), LeaderEpoch(1));
        }
        let _ = verify(&bytes);
        assert!(scan(&bytes).count() <= 1);
        let from = random.below(bytes.len() + 1);
        for record in records(&bytes[from..]).flatten() {
            assert!(record.headers.count() <= bytes.len());
        }
        let _ = decompress(codec, &bytes[from..], 1 << 20);
    }
}

#[test]
fn a_conversion_keeps_the_records_and_everything_of_the_header_but_the_codec() {
    let later = Rules {
        compressed: Look::Later,
        ..rules()
    };
    for from in CODECS {
        for to in CODECS {
            let sent = batch_of(20, from);
            let checked = check_all(&sent, &later).unwrap();
            let target = Target::new(to);
            let (converted, bytes) = convert(&sent, &checked, &later, Some(target)).unwrap();
            assert_eq!(bytes.is_some(), from != to, "{from:?} to {to:?}");
            let bytes = bytes.unwrap_or_else(|| sent.clone());
            let header = verify(&bytes).expect("a sound batch");
            assert_eq!((header, converted.size), (converted.header, bytes.len()));
            assert_eq!(header.codec(), Some(to));
            let before = Header::read(&sent).unwrap();
            assert_eq!(
                Header {
                    length: before.length,
                    crc: before.crc,
                    attributes: before.attributes,
                    ..header
                },
                before
            );
            let plain = |codec, bytes: &[u8]| {
                decompress(codec, &bytes[HEADER_BYTES..], usize::MAX / 2).unwrap()
            };
            assert_eq!(plain(to, &bytes), plain(from, &sent));
            assert_eq!(check_all(&bytes, &rules()), Ok(converted));
        }
    }
}

#[test]
fn every_level_that_a_topic_may_ask_for_is_read_back() {
    let text = b"a line of a log, again and again; ".repeat(400);
    let gzip = (1..=9).chain([-1]).map(|level| (Codec::Gzip, level));
    let lz4 = (1..=17).map(|level| (Codec::Lz4, level));
    let zstd = [-131_072, -1, 0, 1, 3, 19, 22].map(|level| (Codec::Zstd, level));
    for (codec, level) in gzip.chain(lz4).chain(zstd) {
        let packed = compress_to(Target { codec, level }, &text);
        let plain = decompress(codec, &packed, text.len());
        assert_eq!(plain.as_deref(), Ok(&text[..]), "{codec:?} {level}");
    }
}

#[test]
fn a_batch_that_grows_beyond_the_limit_when_converted_is_too_large() {
    let mut builder = sent().codec(Codec::Zstd);
    builder.push(NOW, None, Some(&[7; 100_000]), &[]);
    let sent = builder.finish();
    let rules = Rules {
        compressed: Look::Later,
        max_message_bytes: 10_000,
        ..rules()
    };
    let checked = check_all(&sent, &rules).unwrap();
    let fault = convert(&sent, &checked, &rules, Some(Target::new(Codec::None))).unwrap_err();
    assert!(matches!(fault, Fault::TooLarge { max: 10_000, .. }));
}
