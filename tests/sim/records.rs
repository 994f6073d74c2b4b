//! The records that clients produce: each says who it is, and carries bytes that follow from that, so
//! that one that is damaged or mistaken for another is seen wherever it is read.

use crate::history::RecordId;
use crate::random::Random;
use millstream::batch::{Builder, Codec, HEADER_BYTES, Header, decompress, records, scan, verify};
use millstream::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

const ID_BYTES: usize = 16;
const INFLATED_BYTES_MAX: usize = 64 << 20;

/// A record's value: producer, number, length, filling.
pub fn value(id: RecordId, length: usize) -> Vec<u8> {
    let length = length.max(ID_BYTES);
    let mut value = Vec::with_capacity(length + 8);
    value.extend(id.producer.to_be_bytes());
    value.extend(id.number.to_be_bytes());
    value.extend((length as u32).to_be_bytes());
    let mut random = filling(id);
    while value.len() < length {
        value.extend(random.next().to_be_bytes());
    }
    value.truncate(length);
    value
}

fn filling(id: RecordId) -> Random {
    Random::new(u64::from(id.producer) << 40 ^ id.number)
}

/// Whose value this is; panics if it is nobody's.
fn identify(found: &[u8]) -> RecordId {
    assert!(found.len() >= ID_BYTES, "a value of {} bytes", found.len());
    let id = RecordId {
        producer: u32::from_be_bytes(found[..4].try_into().expect("four bytes")),
        number: u64::from_be_bytes(found[4..12].try_into().expect("eight bytes")),
    };
    assert!(found == value(id, found.len()), "{id:?} is damaged");
    id
}

/// A batch of records with consecutive numbers, all with that timestamp.
pub fn batch(
    first: RecordId,
    lengths: &[usize],
    timestamp: i64,
    codec: Codec,
    identity: Option<(i64, i16, i32)>,
) -> Vec<u8> {
    let mut builder = Builder::new(Offset(0), LeaderEpoch(-1)).codec(codec);
    if let Some((id, epoch, sequence)) = identity {
        builder = builder.producer(ProducerId(id), ProducerEpoch(epoch), sequence);
    }
    for (number, length) in (first.number..).zip(lengths) {
        let id = RecordId { number, ..first };
        let key = number % 3;
        let key = (key != 0).then(|| key.to_be_bytes());
        let key = key.as_ref().map(|key| &key[..]);
        builder.push(Timestamp(timestamp), key, Some(&value(id, *length)), &[]);
    }
    builder.finish()
}

/// A record that was read.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Where.
    pub offset: i64,
    /// Which.
    pub id: RecordId,
    /// Its timestamp.
    pub timestamp: i64,
}

/// A batch that was read.
pub struct FoundBatch {
    /// Its header.
    pub header: Header,
    /// Its records.
    pub records: Vec<Found>,
}

/// The whole batches of a fetched record set; a part of one at the end is left out, as Kafka may
/// send it.
pub fn read(set: &[u8]) -> Vec<FoundBatch> {
    let mut found = Vec::new();
    let mut batches = scan(set);
    for (position, header) in batches.by_ref() {
        let bytes = &set[position..position + header.size()];
        verify(bytes).unwrap_or_else(|fault| panic!("a batch that was read: {fault:?} {header:?}"));
        found.push(read_batch(header, bytes));
    }
    let rest = batches.rest();
    assert!(
        !matches!(rest, millstream::batch::Rest::Implausible(_)),
        "no batch where one should be: {rest:?}"
    );
    found
}

fn read_batch(header: Header, bytes: &[u8]) -> FoundBatch {
    let body = &bytes[HEADER_BYTES..];
    let inflated;
    let body = match header.codec() {
        Some(Codec::None) => body,
        Some(codec) => {
            inflated = decompress(codec, body, INFLATED_BYTES_MAX).expect("we compressed it");
            &inflated[..]
        }
        None => panic!("no such codec: {header:?}"),
    };
    let mut found = Vec::new();
    for record in records(body) {
        let record = record.expect("a batch is well-formed");
        found.push(Found {
            offset: header.base_offset.0 + i64::from(record.offset_delta),
            id: identify(record.value.expect("every record has a value")),
            timestamp: header.base_timestamp.0 + record.timestamp_delta,
        });
    }
    let count = header.record_count as usize;
    assert_eq!(found.len(), count, "{header:?}");
    for (expected, record) in (header.base_offset.0..).zip(&found) {
        assert_eq!(record.offset, expected, "{header:?}");
    }
    FoundBatch {
        header,
        records: found,
    }
}
