//! Requests as clients send them, length in front.

use millstream::batch::Builder;
use millstream::types::{LeaderEpoch, Offset, Timestamp, Uuid};
use millstream::wire::{
    Body, CreateTopic, CreateTopicConfig, CreateTopicsRequest, CreateTopicsResponse, ErrorCode,
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, ProducePartition, ProduceRequest,
    ProduceResponse, ProduceTopic, Reader, Records, decode_response_header, encode_request,
};

/// Newest versions that every client of today speaks: by name, and not with topic ids.
const PRODUCE: i16 = 9;
const FETCH: i16 = 12;
const CREATE_TOPICS: i16 = 7;

/// A batch of so many records, each with a value of so many bytes.
pub fn batch(records: usize, value_bytes: usize) -> Vec<u8> {
    batch_at(Timestamp(1_700_000_001_000), records, value_bytes)
}

/// The same, of that time.
pub fn batch_at(timestamp: Timestamp, records: usize, value_bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new(Offset(0), LeaderEpoch::UNKNOWN);
    let value: Vec<u8> = (0..value_bytes)
        .map(|at| (at * 31 + at / 251) as u8)
        .collect();
    for _ in 0..records {
        builder.push(timestamp, None, Some(&value), &[]);
    }
    builder.finish()
}

/// A Produce request, acks=all.
pub fn produce(topic: &str, partition: i32, batch: &[u8]) -> Vec<u8> {
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![ProduceTopic {
            name: topic.into(),
            partition_data: vec![ProducePartition {
                index: partition,
                records: Records::Bytes(batch.to_vec().into()),
            }]
            .into(),
            ..Default::default()
        }]
        .into(),
        ..Default::default()
    };
    frame(PRODUCE, &request)
}

/// A Fetch request outside of a session.
pub fn fetch(topic: &str, partition: i32, offset: i64, bytes_max: i32) -> Vec<u8> {
    let request = FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: i32::MAX,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: topic.into(),
            partitions: vec![FetchPartition {
                partition,
                fetch_offset: offset,
                partition_max_bytes: bytes_max,
                ..Default::default()
            }]
            .into(),
            ..Default::default()
        }]
        .into(),
        ..Default::default()
    };
    frame(FETCH, &request)
}

/// A CreateTopics request for one topic, with that configuration.
pub fn create_topic(topic: &str, partitions: i32, config: &[(&str, &str)]) -> Vec<u8> {
    let configs = config.iter().map(|(name, value)| CreateTopicConfig {
        name: (*name).into(),
        value: Some((*value).into()),
    });
    let request = CreateTopicsRequest {
        topics: vec![CreateTopic {
            name: topic.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    frame(CREATE_TOPICS, &request)
}

/// The id of the topic that was made.
///
/// Panics if it was not.
pub fn created(answer: &[u8]) -> Uuid {
    let response: CreateTopicsResponse<'_> = decoded(CREATE_TOPICS, answer);
    assert_eq!(
        response.topics[0].error_code,
        ErrorCode::NONE,
        "{response:?}"
    );
    response.topics[0].topic_id
}

/// Panics unless the set was appended.
pub fn assert_produced(answer: &[u8]) {
    let response: ProduceResponse<'_> = decoded(PRODUCE, answer);
    let partition = &response.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, ErrorCode::NONE, "{response:?}");
}

/// Panics unless there were records.
pub fn assert_fetched(answer: &[u8]) {
    let response: FetchResponse<'_> = decoded(FETCH, answer);
    let partition = &response.responses[0].partitions[0];
    assert_eq!(partition.error_code, ErrorCode::NONE, "{response:?}");
    assert!(!partition.records.is_empty(), "{response:?}");
}

fn frame<'a, B: Body<'a>>(version: i16, body: &B) -> Vec<u8> {
    let frame = encode_request(version, 7, Some("bench"), body);
    frame.expect("a request of ours").bytes.to_vec()
}

fn decoded<'a, B: Body<'a>>(version: i16, answer: &'a [u8]) -> B {
    let mut reader = Reader::new([&answer[4..]]);
    decode_response_header(&mut reader, B::KEY, version).expect("a header");
    B::decode(&mut reader, version).expect("an answer")
}
