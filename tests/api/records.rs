//! Record batches for the tests, and what came back of them.

use millstream::batch::{
    self, BASE_OFFSET, Builder, CRC, CRC_START, Codec, HEADER_BYTES, Header, crc32c, decompress,
    records, scan,
};
use millstream::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use std::time::{SystemTime, UNIX_EPOCH};

/// The calendar's time, ms.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_millis() as i64
}

/// A builder as producers use it.
pub fn builder() -> Builder {
    Builder::new(Offset(0), LeaderEpoch(-1))
}

/// A batch of these values, stamped now, without keys.
pub fn batch(values: &[&str]) -> Vec<u8> {
    batch_in(Codec::None, values)
}

/// The same, compressed.
pub fn batch_in(codec: Codec, values: &[&str]) -> Vec<u8> {
    let mut builder = builder().codec(codec);
    for value in values {
        builder.push(Timestamp(now_ms()), None, Some(value.as_bytes()), &[]);
    }
    builder.finish()
}

/// A batch of records at these times, ms, compressed.
pub fn batch_at(codec: Codec, times: &[i64]) -> Vec<u8> {
    let mut builder = builder().codec(codec);
    for time in times {
        builder.push(Timestamp(*time), None, Some(b"at"), &[]);
    }
    builder.finish()
}

/// A batch with one value of that many bytes that no codec makes smaller.
pub fn large(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut value = Vec::with_capacity(bytes + 8);
    while value.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        value.extend(state.to_le_bytes());
    }
    value.truncate(bytes);
    let mut builder = builder();
    builder.push(Timestamp(now_ms()), None, Some(&value), &[]);
    builder.finish()
}

/// A batch of `count` records of an idempotent producer.
pub fn sequenced(id: i64, epoch: i16, sequence: i32, count: i32) -> Vec<u8> {
    let mut builder = builder().producer(ProducerId(id), ProducerEpoch(epoch), sequence);
    for at in 0..count {
        let value = format!("{id}/{epoch}/{}", sequence.wrapping_add(at) & i32::MAX);
        builder.push(Timestamp(now_ms()), None, Some(value.as_bytes()), &[]);
    }
    builder.finish()
}

/// The batch with bytes changed by the test and the CRC made right again.
pub fn changed(mut batch: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut batch);
    let crc = crc32c(&batch[CRC_START..]);
    batch[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
    batch
}

/// Overwrites bytes at a place.
pub fn put(batch: &mut [u8], at: usize, bytes: &[u8]) {
    batch[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A record as a consumer sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub offset: i64,
    pub time: i64,
    pub value: String,
}

/// The records of the whole batches in a fetched slice, each batch's CRC checked.
pub fn seen(slice: &[u8]) -> Vec<Seen> {
    let mut all = Vec::new();
    for (position, header) in scan(slice) {
        let whole = &slice[position..position + header.size()];
        batch::verify(whole).expect("a batch as it was stored");
        let body = &whole[HEADER_BYTES..];
        let codec = header.codec().expect("a codec that exists");
        let body = decompress(codec, body, 64 << 20).expect("it inflates");
        for record in records(&body) {
            let record = record.expect("a record");
            let time = match header.is_log_append_time() {
                true => header.max_timestamp.0,
                false => header.base_timestamp.0 + record.timestamp_delta,
            };
            all.push(Seen {
                offset: header.base_offset.0 + i64::from(record.offset_delta),
                time,
                value: String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned(),
            });
        }
    }
    all
}

/// The values in a slice.
pub fn values(slice: &[u8]) -> Vec<String> {
    seen(slice).into_iter().map(|record| record.value).collect()
}

/// The headers of the whole batches in a slice.
pub fn headers(slice: &[u8]) -> Vec<Header> {
    scan(slice).map(|(_, header)| header).collect()
}

/// The batch as sent, placed at an offset by the leader of that epoch: what the log must hold.
pub fn placed(mut batch: Vec<u8>, offset: i64, epoch: i32) -> Vec<u8> {
    put(&mut batch, BASE_OFFSET, &offset.to_be_bytes());
    put(&mut batch, batch::LEADER_EPOCH, &epoch.to_be_bytes());
    batch
}
