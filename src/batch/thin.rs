//! A batch out of which compaction has taken records, as Kafka's cleaner writes it anew
//! (`MemoryRecords.filterTo`). Base offset, last offset, producer, epoch, sequence and the leader's epoch
//! stay: offsets name the same records as before, and the producer's last sequence number is still told.
//! The records keep their offsets and timestamps; the codec is the batch's own.

use super::builder::{assemble, put_field};
use super::compression::compress;
use super::header::{
    CODEC_MASK, CONTROL, Codec, DELETE_HORIZON, Header, LOG_APPEND_TIME, TRANSACTIONAL,
};
use super::reader::{put_varint, put_varlong};
use super::record::Record;
use crate::types::Timestamp;

/// The batch with these of its records, in their order, and no others. With a delete horizon the base
/// timestamp says when its tombstones, or the marker that it is, may go (KIP-534).
///
/// Panics if no record is kept, or if the header names an unknown codec: then nobody has read records.
pub fn thin(header: &Header, kept: &[Record<'_>], delete_horizon: Option<Timestamp>) -> Vec<u8> {
    assert!(!kept.is_empty(), "a batch without records is emptied");
    let codec = header.codec().expect("its records were read");
    let base = delete_horizon.unwrap_or(header.time_of(&kept[0]));
    let mut max_timestamp = Timestamp::NONE;
    let mut records = Vec::new();
    let mut body = Vec::new();
    for record in kept {
        let timestamp = header.time_of(record);
        max_timestamp = max_timestamp.max(timestamp);
        body.clear();
        body.push(0);
        put_varlong(&mut body, timestamp.0.wrapping_sub(base.0));
        put_varint(&mut body, record.offset_delta);
        put_field(&mut body, record.key);
        put_field(&mut body, record.value);
        put_varint(&mut body, record.headers.len() as i32);
        for (key, value) in record.headers {
            put_field(&mut body, Some(key));
            put_field(&mut body, value);
        }
        put_varint(&mut records, body.len() as i32);
        records.extend_from_slice(&body);
    }
    if codec != Codec::None {
        records = compress(codec, &records);
    }
    let horizon = match delete_horizon {
        Some(_) => DELETE_HORIZON,
        None => 0,
    };
    let thinned = Header {
        attributes: header.attributes & (CODEC_MASK | KINDS) | horizon,
        base_timestamp: base,
        max_timestamp,
        record_count: kept.len() as i32,
        ..*header
    };
    assemble(thinned, &records)
}

/// The batch without any record: what tells a producer's last sequence number or epoch, and how far the
/// log goes, after the records have gone.
pub fn emptied(header: &Header) -> Vec<u8> {
    let emptied = Header {
        attributes: header.attributes & KINDS,
        base_timestamp: Timestamp::NONE,
        record_count: 0,
        ..*header
    };
    assemble(emptied, &[])
}

/// What kind of batch it is, whatever becomes of its records.
const KINDS: i16 = LOG_APPEND_TIME | TRANSACTIONAL | CONTROL;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Builder, DELETE_HORIZON, HEADER_BYTES, decompress, records, verify};
    use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

    const CODECS: [Codec; 5] = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];

    /// Four records, the second one a tombstone with a header, the last one the newest.
    fn batch(codec: Codec) -> Vec<u8> {
        let mut builder = Builder::new(Offset(100), LeaderEpoch(3))
            .codec(codec)
            .producer(ProducerId(7), ProducerEpoch(2), 40)
            .transactional();
        let headers: [(&[u8], Option<&[u8]>); 2] = [(b"h", Some(b"x")), (b"i", None)];
        builder.push(Timestamp(1000), Some(b"a"), Some(b"1"), &[]);
        builder.push(Timestamp(990), Some(b"b"), None, &headers);
        builder.push(Timestamp(1010), Some(b"c"), Some(b"3"), &[]);
        builder.push(Timestamp(1020), Some(b"d"), Some(b"4"), &[]);
        builder.finish()
    }

    fn plain(bytes: &[u8]) -> (Header, Vec<u8>) {
        let header = verify(bytes).expect("a sound batch");
        let codec = header.codec().expect("a codec");
        let plain = decompress(codec, &bytes[HEADER_BYTES..], 1 << 20).expect("it inflates");
        (header, plain)
    }

    #[test]
    fn what_is_kept_keeps_its_offset_its_time_and_its_fields() {
        for codec in CODECS {
            let (header, before) = plain(&batch(codec));
            let all: Vec<Record<'_>> = records(&before).map(|it| it.expect("sound")).collect();
            for horizon in [None, Some(Timestamp(5_000))] {
                let (thinned, after) = plain(&thin(&header, &all[1..3], horizon));
                let kept: Vec<Record<'_>> = records(&after).map(|it| it.expect("sound")).collect();
                assert_eq!(kept.len(), 2);
                for (kept, was) in kept.iter().zip(&all[1..3]) {
                    assert_eq!(kept.offset_delta, was.offset_delta);
                    assert_eq!(thinned.time_of(kept), header.time_of(was));
                    assert_eq!((kept.key, kept.value), (was.key, was.value));
                    assert!(kept.headers.eq(was.headers));
                }
                let expected = Header {
                    length: thinned.length,
                    crc: thinned.crc,
                    attributes: match horizon {
                        Some(_) => header.attributes | DELETE_HORIZON,
                        None => header.attributes,
                    },
                    base_timestamp: horizon.unwrap_or(Timestamp(990)),
                    max_timestamp: Timestamp(1010),
                    record_count: 2,
                    ..header
                };
                assert_eq!(thinned, expected);
                assert_eq!(thinned.delete_horizon(), horizon);
            }
        }
    }

    #[test]
    fn a_batch_in_the_brokers_time_keeps_that_time() {
        let mut builder = Builder::new(Offset(0), LeaderEpoch(0)).log_append_time();
        builder.push(Timestamp(1), Some(b"a"), Some(b"1"), &[]);
        builder.push(Timestamp(9), Some(b"b"), Some(b"2"), &[]);
        let (header, before) = plain(&builder.finish());
        let first = records(&before).next().expect("one").expect("sound");
        let (thinned, _) = plain(&thin(&header, &[first], None));
        assert!(thinned.is_log_append_time());
        assert_eq!(thinned.max_timestamp, Timestamp(9));
    }

    #[test]
    fn an_emptied_batch_is_a_header_that_still_tells_the_sequence() {
        for codec in CODECS {
            let (header, _) = plain(&batch(codec));
            let bytes = emptied(&header);
            let after = verify(&bytes).expect("a sound batch");
            assert_eq!(bytes.len(), HEADER_BYTES);
            assert_eq!(after.last_offset(), Offset(103));
            assert_eq!(after.last_sequence(), 43);
            assert_eq!((after.record_count, after.codec()), (0, Some(Codec::None)));
            assert_eq!(after.base_timestamp, Timestamp::NONE);
            assert_eq!(after.max_timestamp, header.max_timestamp);
            assert!(after.is_transactional() && !after.is_control());
            assert_eq!(emptied(&after), bytes);
        }
    }
}
