//! A broker and what a client sends it: requests that mean something, bodies and headers that are
//! noise, bytes that are no frame. It must not panic; every answer must be one to a request, in their
//! order, and decode to its last byte; and it must stop in order and start again on what it has
//! written.

use super::generate::{self, Random};
use super::input::Input;
use super::machine::Machine;
use super::make;
use super::subjects::{SUBJECTS, Subject};
use millstream::api::APIS;
use millstream::types::Uuid;
use millstream::wire::{
    ApiKey, CreateTopic, CreateTopicsRequest, CreateTopicsResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, Form, Message, Reader, RequestHeader, Writer, decode_response_header,
    encode_request,
};
use std::collections::VecDeque;

/// Settings that let a client do more.
const SETTINGS: &[(&str, &str)] = &[
    ("num.partitions", "2"),
    ("offsets.topic.num.partitions", "2"),
    // Members may ask for any session.
    ("group.min.session.timeout.ms", "1"),
    ("group.max.session.timeout.ms", "2147483647"),
];
/// Requests of one input.
const REQUESTS_MAX: usize = 24;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.byte();
    let validate = match options & 1 {
        0 => "batch",
        _ => "records",
    };
    let mut settings = SETTINGS.to_vec();
    settings.push(("millstream.produce.validation", validate));
    let machine = Machine::boot(&Default::default(), &settings).expect("an empty disk");
    let mut client = Client {
        machine,
        ids: Vec::new(),
        owed: VecDeque::new(),
        correlation_id: 0,
        sure: true,
    };
    client.machine.connect();
    client.make_topic();
    client.find_coordinator();
    for _ in 0..REQUESTS_MAX {
        if input.is_empty() {
            break;
        }
        client.act(&mut input);
    }
    client.machine.end();
    client.machine.wait();
    client.hear();
    let files = match options & 2 {
        0 => client.machine.stop(),
        _ => client.machine.kill(),
    };
    if options & 4 == 0 {
        let again = Machine::boot(&files, &settings);
        again.expect("it starts on what it has written").stop();
    }
}

struct Client {
    machine: Machine,
    /// Topic ids that the broker has told.
    ids: Vec<Uuid>,
    /// Requests without an answer.
    owed: VecDeque<(ApiKey, i16, i32)>,
    correlation_id: i32,
    /// What was sent is known to be these requests and nothing else.
    sure: bool,
}

impl Client {
    /// A topic `t` of two partitions.
    fn make_topic(&mut self) {
        let request = CreateTopicsRequest {
            topics: vec![CreateTopic {
                name: "t".into(),
                num_partitions: 2,
                replication_factor: 1,
                ..Default::default()
            }],
            timeout_ms: 1000,
            ..Default::default()
        };
        let frame = encode_request(7, 0, Some("me"), &request).expect("it fits");
        self.machine.send(&frame.bytes);
        let reply = self.machine.receive();
        let mut reader = Reader::new([&reply[4..]]);
        decode_response_header(&mut reader, ApiKey::CREATE_TOPICS, 7).expect("an answer");
        let answer = CreateTopicsResponse::decode(&mut reader, 7).expect("an answer");
        assert_eq!(answer.topics[0].error_code.0, 0);
        self.ids.push(answer.topics[0].topic_id);
    }

    /// Has the topic of groups made.
    fn find_coordinator(&mut self) {
        let frame = encode_request(0, 0, Some("me"), &FindCoordinatorRequest::default());
        self.machine.send(&frame.expect("it fits").bytes);
        let reply = self.machine.receive();
        let mut reader = Reader::new([&reply[4..]]);
        decode_response_header(&mut reader, ApiKey::FIND_COORDINATOR, 0).expect("an answer");
        let answer = FindCoordinatorResponse::decode(&mut reader, 0).expect("an answer");
        assert_eq!(answer.error_code.0, 0);
    }

    fn act(&mut self, input: &mut Input<'_>) {
        match input.byte() {
            0..=199 => self.request(input, true),
            200..=219 => self.request(input, false),
            220..=229 => {
                // A frame of noise.
                let count = usize::from(input.byte());
                let body = input.take(count);
                self.sure = false;
                self.machine.send(&(body.len() as i32).to_be_bytes());
                self.machine.send(body);
            }
            230..=239 => {
                self.sure = false;
                let count = usize::from(input.byte());
                self.machine.send(input.take(count));
            }
            240..=247 => self.machine.wait(),
            _ => {
                self.hear();
                self.machine.end();
                self.machine.connect();
                self.owed.clear();
                self.sure = true;
            }
        }
        if self.owed.len() > 8 {
            self.machine.wait();
        }
        self.hear();
    }

    /// Sends a request: made from its table, or a header and noise.
    fn request(&mut self, input: &mut Input<'_>, sound: bool) {
        let api = &APIS[input.below(APIS.len())];
        let versions = (api.advertised.1 - api.parsed_from + 1) as usize;
        let version = api.parsed_from + input.below(versions) as i16;
        self.correlation_id += 1;
        let mut writer = Writer::new();
        let header = RequestHeader {
            api_key: api.key,
            api_version: version,
            correlation_id: self.correlation_id,
            client_id: input.seldom().then(|| make::text(input).into()),
        };
        header.encode(&mut writer).expect("short enough");
        if sound {
            let subject = subject(api.key, "Request");
            let body = make::message(subject.kind, subject.form(version), &self.ids, input);
            writer.octets(&body);
        } else {
            let count = usize::from(input.byte());
            writer.octets(input.take(count));
        }
        let frame = writer.finish().0;
        self.owed.push_back((api.key, version, self.correlation_id));
        self.machine.send(&(frame.len() as i32).to_be_bytes());
        self.machine.send(&frame);
    }

    /// Looks at what was answered.
    fn hear(&mut self) {
        let bytes = self.machine.receive();
        let mut rest = &bytes[..];
        while let Some((size, after)) = rest.split_first_chunk::<4>() {
            let size = usize::try_from(i32::from_be_bytes(*size)).expect("a size");
            let (frame, after) = after.split_at_checked(size).expect("a whole answer");
            rest = after;
            if self.sure {
                self.answer(frame);
            }
        }
        assert!(rest.is_empty(), "a part of an answer");
        if self.machine.is_closed() {
            self.machine.connect();
            self.owed.clear();
            self.sure = true;
        }
    }

    fn answer(&mut self, frame: &[u8]) {
        let correlation_id = frame.first_chunk::<4>().map(|it| i32::from_be_bytes(*it));
        let correlation_id = correlation_id.expect("a correlation id");
        loop {
            let owed = self.owed.pop_front();
            let (key, version, asked) = owed.expect("an answer to nothing");
            if asked != correlation_id {
                // Only a produce may want no answer.
                assert_eq!(key, ApiKey::PRODUCE, "no answer");
                continue;
            }
            let mut reader = Reader::new([frame]);
            decode_response_header(&mut reader, key, version).expect("a header");
            let body = &frame[reader.position()..];
            let subject = subject(key, "Response");
            let read = (subject.again)(&[body], version);
            let (_, left) = read.unwrap_or_else(|error| panic!("{key} v{version}: {error}"));
            assert_eq!(left, 0, "{key} v{version}");
            return;
        }
    }
}

/// The request or the response of an API.
fn subject(key: ApiKey, which: &str) -> &'static Subject {
    let is_it = |subject: &&Subject| {
        let name = subject.name.strip_suffix(which);
        name == Some(key.name())
    };
    SUBJECTS
        .iter()
        .find(is_it)
        .expect("its messages are listed")
}

/// Each request in each version, made of its pools and of randomness; and all of them in a row.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (at, api) in APIS.iter().enumerate() {
        let versions = api.advertised.1 - api.parsed_from + 1;
        for version in 0..versions {
            let mut random = Random::new(at as u64 * 32 + version as u64);
            let mut seed = vec![random.next() as u8 & 7];
            for _ in 0..3 {
                seed.extend([100, at as u8, version as u8]);
                seed.extend((0..40).map(|_| random.next() as u8));
            }
            seeds.push(seed);
            // A random message as the body.
            let subject = subject(api.key, "Request");
            let form = Form {
                ..subject.form(api.parsed_from + version)
            };
            let body = generate::message(subject.kind, form, &mut random);
            let mut seed = vec![
                0,
                200,
                at as u8,
                version as u8,
                0,
                body.len().min(255) as u8,
            ];
            seed.extend(body);
            seeds.push(seed);
        }
    }
    seeds
}
