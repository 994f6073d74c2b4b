//! The two requests that are measured, byte by byte: Produce 7 and Fetch 11, the last versions without
//! tagged fields, which every broker since 2.3 and Kafka 4 still serves. Everything else a client asks
//! goes through the kafka-protocol package (`admin`), which also checks these bytes in the tests.

use crate::batch::part;

/// The only topic that is measured.
pub const TOPIC: &str = "perf";
const CLIENT: &str = "perf";
/// API key and version of Produce.
pub const PRODUCE: (i16, i16) = (0, 7);
/// API key and version of Fetch.
pub const FETCH: (i16, i16) = (1, 11);
/// Where a request's API key stands, behind its length.
pub const API_KEY_AT: usize = 4;
/// Where a request's correlation id stands.
pub const CORRELATION_AT: usize = 8;
/// Where the first record set of a Produce request of one partition begins.
pub const SET_AT: usize = request_header_bytes() + 2 + 2 + 4 + 4 + 2 + TOPIC.len() + 4 + 4 + 4;
/// Where the partition index of such a request stands.
pub const PRODUCE_PARTITION_AT: usize = SET_AT - 8;
/// Where the partition index of a Fetch request of one partition stands.
pub const FETCH_PARTITION_AT: usize =
    request_header_bytes() + 4 * 4 + 1 + 4 + 4 + 4 + 2 + TOPIC.len() + 4;
/// Where its offset stands.
pub const FETCH_OFFSET_AT: usize = FETCH_PARTITION_AT + 4 + 4;
/// Where the most bytes of a partition stand.
pub const FETCH_BYTES_AT: usize = FETCH_OFFSET_AT + 8 + 8;
/// A Fetch response of one partition before its records: length, correlation id, throttle time, error,
/// session, topics, name, partitions, then of the partition index, error, three offsets, aborted
/// transactions, preferred replica, length.
pub const FETCHED_AT: usize = 4 + 4 + 4 + 2 + 4 + 4 + 2 + TOPIC.len() + 4 + 34 + 8;

const fn request_header_bytes() -> usize {
    4 + 2 + 2 + 4 + 2 + CLIENT.len()
}

/// Everything of a Produce request before its partitions.
pub fn produce_head(acks: i16, partitions: usize) -> Vec<u8> {
    let mut frame = head(PRODUCE);
    frame.extend((-1i16).to_be_bytes()); // no transaction
    frame.extend(acks.to_be_bytes());
    frame.extend(30_000i32.to_be_bytes());
    frame.extend(1i32.to_be_bytes());
    put_string(&mut frame, TOPIC);
    frame.extend((partitions as i32).to_be_bytes());
    frame
}

/// A partition of a Produce request, before its record set.
pub fn put_produce_partition(frame: &mut Vec<u8>, partition: i32, set_bytes: usize) {
    frame.extend(partition.to_be_bytes());
    frame.extend((set_bytes as i32).to_be_bytes());
}

/// Sets the length of a frame whose bytes come to `total`.
pub fn set_length(frame: &mut [u8], total: usize) {
    frame[..4].copy_from_slice(&((total - 4) as u32).to_be_bytes());
}

/// What a Fetch asks for, besides its partitions.
#[derive(Clone, Copy)]
pub struct Fetch {
    /// The longest wait for records, ms.
    pub max_wait_ms: i32,
    /// Bytes of the whole answer.
    pub max_bytes: i32,
    /// Bytes of a partition.
    pub partition_bytes: i32,
    /// The session, 0 for none.
    pub session: i32,
    /// Requests in the session so far, 0 to open one, -1 for none.
    pub epoch: i32,
}

/// Appends a whole Fetch request for partitions from offsets on.
pub fn put_fetch(
    into: &mut Vec<u8>,
    correlation: i32,
    fetch: Fetch,
    partitions: impl ExactSizeIterator<Item = (i32, i64)>,
) {
    let start = into.len();
    into.extend(head(FETCH));
    into[start + CORRELATION_AT..start + CORRELATION_AT + 4]
        .copy_from_slice(&correlation.to_be_bytes());
    into.extend((-1i32).to_be_bytes()); // not a replica
    into.extend(fetch.max_wait_ms.to_be_bytes());
    into.extend(1i32.to_be_bytes()); // least bytes
    into.extend(fetch.max_bytes.to_be_bytes());
    into.push(0); // read uncommitted
    into.extend(fetch.session.to_be_bytes());
    into.extend(fetch.epoch.to_be_bytes());
    if partitions.len() == 0 {
        into.extend(0i32.to_be_bytes());
    } else {
        into.extend(1i32.to_be_bytes());
        put_string(into, TOPIC);
        into.extend((partitions.len() as i32).to_be_bytes());
    }
    for (partition, offset) in partitions {
        into.extend(partition.to_be_bytes());
        into.extend((-1i32).to_be_bytes()); // leader epoch
        into.extend(offset.to_be_bytes());
        into.extend((-1i64).to_be_bytes()); // log start, a replica's
        into.extend(fetch.partition_bytes.to_be_bytes());
    }
    into.extend(0i32.to_be_bytes()); // no topic is forgotten
    put_string(into, ""); // rack
    let total = into.len() - start;
    set_length(&mut into[start..], total);
}

/// The answer of a Produce: the worst error of its partitions, or `None` if it makes no sense.
///
/// `answer` begins behind the length.
pub fn produced(answer: &[u8], correlation: i32) -> Option<i16> {
    let mut rest = Rest(answer);
    if rest.i32()? != correlation || rest.i32()? != 1 {
        return None;
    }
    let name = rest.i16()?;
    rest.take(usize::try_from(name).ok()?)?;
    let mut error = 0;
    for _ in 0..rest.i32()? {
        rest.take(4)?; // index
        let of_partition = rest.i16()?;
        if of_partition != 0 {
            error = of_partition;
        }
        rest.take(3 * 8)?; // base offset, append time, log start
    }
    rest.take(4)?; // throttle time
    rest.0.is_empty().then_some(error)
}

/// A good answer to a Produce of one partition: what a limit sends.
pub fn produce_answer(correlation: i32, partition: i32, base_offset: i64) -> Vec<u8> {
    let mut answer = vec![0; 4];
    answer.extend(correlation.to_be_bytes());
    answer.extend(1i32.to_be_bytes());
    put_string(&mut answer, TOPIC);
    answer.extend(1i32.to_be_bytes());
    answer.extend(partition.to_be_bytes());
    answer.extend(0i16.to_be_bytes());
    answer.extend(base_offset.to_be_bytes());
    answer.extend((-1i64).to_be_bytes());
    answer.extend(0i64.to_be_bytes());
    answer.extend(0i32.to_be_bytes());
    let total = answer.len();
    set_length(&mut answer, total);
    answer
}

/// A good answer to a Fetch of one partition, up to its records: what a limit sends.
pub fn fetch_answer(correlation: i32, partition: i32, end: i64, bytes: usize) -> Vec<u8> {
    let mut answer = vec![0; 4];
    answer.extend(correlation.to_be_bytes());
    answer.extend(0i32.to_be_bytes()); // throttle time
    answer.extend(0i16.to_be_bytes());
    answer.extend(0i32.to_be_bytes()); // session
    answer.extend(1i32.to_be_bytes());
    put_string(&mut answer, TOPIC);
    answer.extend(1i32.to_be_bytes());
    answer.extend(partition.to_be_bytes());
    answer.extend(0i16.to_be_bytes());
    answer.extend(end.to_be_bytes()); // high watermark
    answer.extend(end.to_be_bytes()); // last stable offset
    answer.extend(0i64.to_be_bytes()); // log start
    answer.extend((-1i32).to_be_bytes()); // no aborted transactions
    answer.extend((-1i32).to_be_bytes()); // no preferred replica
    answer.extend((bytes as i32).to_be_bytes());
    assert_eq!(answer.len(), FETCHED_AT);
    set_length(&mut answer, FETCHED_AT + bytes);
    answer
}

/// The four bytes at `at`, as a number.
pub fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(part(bytes, at))
}

/// The eight bytes at `at`, as a number.
pub fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(part(bytes, at))
}

/// The two bytes at `at`, as a number.
pub fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(part(bytes, at))
}

/// Length (zero so far), API key, version, correlation id (zero), client id.
fn head((api, version): (i16, i16)) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend(api.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(0i32.to_be_bytes());
    put_string(&mut frame, CLIENT);
    frame
}

fn put_string(into: &mut Vec<u8>, text: &str) {
    into.extend((text.len() as i16).to_be_bytes());
    into.extend(text.as_bytes());
}

/// What is left to read of an answer.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16_at(self.take(2)?, 0))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32_at(self.take(4)?, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kafka_protocol::messages::{
        FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader,
    };
    use kafka_protocol::protocol::{Decodable, Message};

    fn decode<M: Message + Decodable>(frame: &[u8], version: i16) -> (RequestHeader, M) {
        assert_eq!(i32_at(frame, 0) as usize, frame.len() - 4);
        let mut bytes = Bytes::copy_from_slice(&frame[4..]);
        let header = RequestHeader::decode(&mut bytes, 1).expect("a header");
        let message = M::decode(&mut bytes, version).expect("a message");
        assert!(bytes.is_empty());
        (header, message)
    }

    #[test]
    fn a_produce_is_what_kafka_reads() {
        let mut frame = produce_head(-1, 1);
        put_produce_partition(&mut frame, 7, 5);
        assert_eq!(frame.len(), SET_AT);
        frame.extend(b"bytes");
        let total = frame.len();
        set_length(&mut frame, total);
        let (header, message) = decode::<ProduceRequest>(&frame, PRODUCE.1);
        assert_eq!(
            (header.request_api_key, header.request_api_version),
            PRODUCE
        );
        assert_eq!(message.acks, -1);
        let partition = &message.topic_data[0].partition_data[0];
        assert_eq!(partition.index, 7);
        assert_eq!(i32_at(&frame, PRODUCE_PARTITION_AT), 7);
        assert_eq!(partition.records.as_deref(), Some(&b"bytes"[..]));
    }

    #[test]
    fn a_fetch_is_what_kafka_reads() {
        let fetch = Fetch {
            max_wait_ms: 500,
            max_bytes: 9,
            partition_bytes: 8,
            session: 3,
            epoch: 4,
        };
        let mut frame = Vec::new();
        put_fetch(&mut frame, 5, fetch, [(6, 1234)].into_iter());
        assert_eq!(i32_at(&frame, FETCH_PARTITION_AT), 6);
        assert_eq!(i64_at(&frame, FETCH_OFFSET_AT), 1234);
        assert_eq!(i32_at(&frame, FETCH_BYTES_AT), 8);
        let (header, message) = decode::<FetchRequest>(&frame, FETCH.1);
        assert_eq!(header.correlation_id, 5);
        assert_eq!((message.session_id, message.session_epoch), (3, 4));
        assert_eq!(message.topics[0].topic.as_str(), TOPIC);
        assert_eq!(message.topics[0].partitions[0].fetch_offset, 1234);
        frame.clear();
        put_fetch(&mut frame, 5, fetch, [].into_iter());
        let (_, message) = decode::<FetchRequest>(&frame, FETCH.1);
        assert!(message.topics.is_empty());
    }

    #[test]
    fn the_answers_of_a_limit_are_kafkas() {
        let answer = produce_answer(11, 2, 77);
        assert_eq!(produced(&answer[4..], 11), Some(0));
        assert_eq!(produced(&answer[4..], 12), None, "somebody else's answer");
        assert_eq!(
            produced(&answer[4..answer.len() - 1], 11),
            None,
            "cut short"
        );
        let mut bytes = Bytes::copy_from_slice(&answer[4..]);
        ResponseHeader::decode(&mut bytes, 0).expect("a header");
        let message = ProduceResponse::decode(&mut bytes, PRODUCE.1).expect("a message");
        assert_eq!(message.responses[0].partition_responses[0].base_offset, 77);

        let mut answer = fetch_answer(11, 2, 77, 3);
        answer.extend(b"abc");
        let mut bytes = Bytes::copy_from_slice(&answer[4..]);
        ResponseHeader::decode(&mut bytes, 0).expect("a header");
        let message = FetchResponse::decode(&mut bytes, FETCH.1).expect("a message");
        let partition = &message.responses[0].partitions[0];
        assert_eq!(
            (partition.partition_index, partition.high_watermark),
            (2, 77)
        );
        assert_eq!(partition.records.as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn an_error_of_any_partition_is_seen() {
        let mut answer = produce_answer(1, 0, 0);
        let error_at = answer.len() - 4 - 24 - 2;
        answer[error_at..error_at + 2].copy_from_slice(&6i16.to_be_bytes());
        assert_eq!(produced(&answer[4..], 1), Some(6));
    }
}
