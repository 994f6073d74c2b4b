//! A client that blocks, and sends exactly what a test tells it to.

use crate::broker::Topic;
use millstream::wire::{
    ApiKey, Body, ErrorCode, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse,
    FetchTopic, ProducePartition, ProducePartitionResponse, ProduceRequest, ProduceResponse,
    ProduceTopic, Reader, Records, decode_response_header, encode_request,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long a reply may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The newest versions of the two hot APIs.
pub const PRODUCE: i16 = 13;
pub const FETCH: i16 = 18;

/// A connection.
pub struct Client {
    pub stream: TcpStream,
    correlation_id: i32,
    /// What it calls itself.
    name: String,
}

/// What a fetch brought for one partition.
#[derive(Debug)]
pub struct Fetched {
    pub response: FetchPartitionResponse<'static>,
    pub records: &'static [u8],
}

impl Client {
    pub fn connect(port: u16) -> Client {
        Client::connect_as(port, "tests")
    }

    pub fn connect_as(port: u16, name: &str) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        stream.set_nodelay(true).expect("a socket option");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket option");
        Client {
            stream,
            correlation_id: 0,
            name: name.into(),
        }
    }

    /// Sends a request and waits for its response, which must have no bytes left.
    pub fn call<'a, R: Body<'static>>(&mut self, version: i16, request: &impl Body<'a>) -> R {
        self.send(version, request);
        self.receive(version).0
    }

    /// Sends a request; its correlation id is one more than that of the one before.
    pub fn send<'a>(&mut self, version: i16, request: &impl Body<'a>) {
        self.correlation_id += 1;
        let frame = encode_request(version, self.correlation_id, Some(&self.name), request)
            .expect("the version has what the request holds");
        assert!(frame.holes.is_empty(), "a request has all of its bytes");
        self.stream
            .write_all(&frame.bytes)
            .expect("the broker reads");
    }

    /// The response to the last request, and its frame. The bytes are leaked, so that responses can
    /// be passed around; a test ends soon.
    pub fn receive<R: Body<'static>>(&mut self, version: i16) -> (R, &'static [u8]) {
        let frame = self
            .frame()
            .expect("a response and not the end of the connection");
        self.decode(version, self.correlation_id, frame)
    }

    /// The response to an earlier request: `back` requests before the last one.
    pub fn receive_earlier<R: Body<'static>>(&mut self, version: i16, back: i32) -> R {
        self.receive_earlier_frame(version, back).0
    }

    /// The same with its frame.
    pub fn receive_earlier_frame<R: Body<'static>>(
        &mut self,
        version: i16,
        back: i32,
    ) -> (R, &'static [u8]) {
        let frame = self
            .frame()
            .expect("a response and not the end of the connection");
        self.decode(version, self.correlation_id - back, frame)
    }

    fn decode<R: Body<'static>>(
        &self,
        version: i16,
        correlation_id: i32,
        frame: Vec<u8>,
    ) -> (R, &'static [u8]) {
        let frame: &'static [u8] = frame.leak();
        let mut reader = Reader::new([frame]);
        let answered = decode_response_header(&mut reader, R::KEY, version).expect("a header");
        assert_eq!(answered, correlation_id, "responses come in order");
        let body = R::decode(&mut reader, version)
            .unwrap_or_else(|error| panic!("{} v{version}: {error}", R::NAME));
        assert_eq!(
            reader.remaining(),
            0,
            "{} v{version} has bytes left",
            R::NAME
        );
        (body, frame)
    }

    /// The next frame without its size; `None` if the broker closes the connection instead.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        let mut size = [0; 4];
        match self.stream.read_exact(&mut size) {
            Ok(()) => {}
            Err(error) if is_end(&error) => return None,
            Err(error) => panic!("no response: {error}"),
        }
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut frame).expect("a whole frame");
        Some(frame)
    }

    /// Sends the header of a request of that key and version, and these bytes for its body.
    pub fn send_raw(&mut self, key: ApiKey, version: i16, body: &[u8]) {
        self.correlation_id += 1;
        let mut frame = Vec::new();
        frame.extend(key.0.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(self.correlation_id.to_be_bytes());
        frame.extend(5i16.to_be_bytes());
        frame.extend(b"tests");
        if key.request_header_version(version) >= 2 {
            frame.push(0);
        }
        frame.extend(body);
        let size = frame.len() as u32;
        self.stream
            .write_all(&size.to_be_bytes())
            .expect("the broker reads");
        self.stream.write_all(&frame).expect("the broker reads");
    }

    /// That the broker closes the connection without another byte.
    pub fn expect_end(&mut self) {
        assert_eq!(self.frame(), None, "the connection should have been closed");
    }

    // -- one partition

    /// Appends a record set with acks=all.
    pub fn produce(
        &mut self,
        topic: &Topic,
        partition: i32,
        records: Vec<u8>,
    ) -> ProducePartitionResponse<'static> {
        self.produce_as(PRODUCE, topic, partition, records)
    }

    /// The same with another version.
    pub fn produce_as(
        &mut self,
        version: i16,
        topic: &Topic,
        partition: i32,
        records: Vec<u8>,
    ) -> ProducePartitionResponse<'static> {
        let request = produce_request(-1, topic, vec![(partition, records)]);
        let mut response: ProduceResponse = self.call(version, &request);
        assert_eq!(response.responses.len(), 1);
        let mut topic = response.responses.remove(0);
        assert_eq!(topic.partition_responses.len(), 1);
        topic.partition_responses.remove(0)
    }

    /// Appends what must be taken; returns the first offset.
    pub fn append(&mut self, topic: &Topic, partition: i32, records: Vec<u8>) -> i64 {
        let response = self.produce(topic, partition, records);
        assert_eq!(
            response.error_code,
            ErrorCode::NONE,
            "{:?}",
            response.error_message
        );
        response.base_offset
    }

    /// What is there from that offset on, at once.
    pub fn fetch(&mut self, topic: &Topic, partition: i32, offset: i64) -> Fetched {
        let request = fetch_request(topic, &[(partition, offset)]);
        let mut all = self.fetch_all(FETCH, &request);
        assert_eq!(all.len(), 1, "one partition was asked for");
        all.remove(0)
    }

    /// All partitions of a response, in its order.
    pub fn fetch_all(&mut self, version: i16, request: &FetchRequest<'static>) -> Vec<Fetched> {
        self.send(version, request);
        let (response, frame) = self.receive::<FetchResponse>(version);
        assert_eq!(response.error_code, ErrorCode::NONE);
        fetched(response, frame)
    }
}

/// The partitions of a response with their bytes.
pub fn fetched(response: FetchResponse<'static>, frame: &'static [u8]) -> Vec<Fetched> {
    let partitions = response
        .responses
        .into_iter()
        .flat_map(|topic| topic.partitions);
    partitions
        .map(|response| {
            let records = match &response.records {
                Records::Range { start, length } => &frame[*start..start + length],
                // librdkafka fails on null.
                other => panic!("a fetch response has record sets, not {other:?}"),
            };
            Fetched { response, records }
        })
        .collect()
}

/// A produce request for partitions of one topic.
pub fn produce_request(
    acks: i16,
    topic: &Topic,
    sets: Vec<(i32, Vec<u8>)>,
) -> ProduceRequest<'static> {
    ProduceRequest {
        acks,
        timeout_ms: 30_000,
        topic_data: vec![produce_topic(topic, sets)].into(),
        ..Default::default()
    }
}

pub fn produce_topic(topic: &Topic, sets: Vec<(i32, Vec<u8>)>) -> ProduceTopic<'static> {
    ProduceTopic {
        name: topic.name.clone().into(),
        topic_id: topic.id,
        partition_data: sets
            .into_iter()
            .map(|(index, records)| ProducePartition {
                index,
                records: Records::Bytes(records.into()),
            })
            .collect(),
    }
}

/// A fetch without a session that does not wait, of (partition, offset)s of one topic.
pub fn fetch_request(topic: &Topic, partitions: &[(i32, i64)]) -> FetchRequest<'static> {
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![fetch_topic(topic, partitions)].into(),
        ..Default::default()
    }
}

pub fn fetch_topic(topic: &Topic, partitions: &[(i32, i64)]) -> FetchTopic<'static> {
    FetchTopic {
        topic: topic.name.clone().into(),
        topic_id: topic.id,
        partitions: partitions
            .iter()
            .map(|(partition, fetch_offset)| FetchPartition {
                partition: *partition,
                fetch_offset: *fetch_offset,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            })
            .collect(),
    }
}

fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
    matches!(error.kind(), ConnectionReset | UnexpectedEof)
}

/// The versions of an API that are served.
pub fn versions(key: ApiKey) -> std::ops::RangeInclusive<i16> {
    let api = millstream::api::APIS.iter().find(|api| api.key == key);
    let api = api.expect("it is served");
    api.parsed_from..=api.advertised.1
}
