//! Connections: what one client does, or fails to do, is not another one's concern.

use crate::broker::{self, Broker, Directory};
use crate::client::{Client, FETCH, PRODUCE, fetch_request, produce_request};
use crate::records::{batch, large, values};
use millstream::wire::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode, FetchResponse, ProduceResponse,
};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread::sleep;
use std::time::{Duration, Instant};

fn answers(client: &mut Client) {
    let response: ApiVersionsResponse = client.call(0, &ApiVersionsRequest::default());
    assert_eq!(response.error_code, ErrorCode::NONE);
}

#[test]
fn lengths_that_no_request_has_end_the_connection() {
    let broker = broker::shared();
    // Zero, negative, above socket.request.max.bytes, and two other protocols.
    let lengths = [0, -1, i32::MIN, 104_857_601, i32::MAX].map(i32::to_be_bytes);
    for start in lengths.iter().chain([b"GET ", &[0x16, 3, 1, 2]]) {
        let mut client = broker.client();
        client.stream.write_all(start).expect("the broker reads");
        client.expect_end();
    }
}

#[test]
fn a_request_that_is_no_request_ends_the_connection() {
    let broker = broker::shared();
    for body in [&b"\0"[..], b"\0\x12", b"\0\x12\0\0\0\0\0\x01\x7f\xff"] {
        let mut client = broker.client();
        let size = (body.len() as u32).to_be_bytes();
        client.stream.write_all(&size).expect("the broker reads");
        client.stream.write_all(body).expect("the broker reads");
        client.expect_end();
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let broker = broker::shared();
    let mut client = broker.client();
    let request = ApiVersionsRequest {
        client_software_name: "slow".into(),
        client_software_version: "1".into(),
    };
    let frame = millstream::wire::encode_request(3, 1, Some("tests"), &request).expect("it fits");
    for byte in &frame.bytes {
        client.stream.write_all(&[*byte]).expect("the broker reads");
        sleep(Duration::from_millis(1));
    }
    let answer = client.frame().expect("an answer");
    assert_eq!(&answer[..4], &1i32.to_be_bytes());
}

#[test]
fn several_requests_may_come_in_one_piece() {
    let broker = broker::shared();
    let mut client = broker.client();
    let mut bytes = Vec::new();
    for correlation_id in 1..=50 {
        let request = ApiVersionsRequest::default();
        let frame = millstream::wire::encode_request(0, correlation_id, None, &request);
        bytes.extend_from_slice(&frame.expect("it fits").bytes);
    }
    client.stream.write_all(&bytes).expect("the broker reads");
    for correlation_id in 1..=50i32 {
        let answer = client.frame().expect("an answer");
        assert_eq!(&answer[..4], &correlation_id.to_be_bytes());
    }
}

#[test]
fn a_client_that_has_said_all_still_gets_its_answers() {
    let broker = broker::shared();
    let topic = broker.topic("half-closed", 1);
    let mut client = broker.client();
    for _ in 0..10 {
        client.send(
            PRODUCE,
            &produce_request(-1, &topic, vec![(0, batch(&["a"]))]),
        );
    }
    client.stream.shutdown(Shutdown::Write).expect("it is open");
    for at in 0..10 {
        let response: ProduceResponse = client.receive_earlier(PRODUCE, 9 - at);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.base_offset, i64::from(at));
    }
    client.expect_end();
}

#[test]
fn clients_that_leave_in_the_middle_of_a_request_leave_nothing_behind() {
    let broker = broker::shared();
    let topic = broker.topic("left", 1);
    let frame = millstream::wire::encode_request(
        PRODUCE,
        1,
        Some("tests"),
        &produce_request(-1, &topic, vec![(0, large(200_000))]),
    );
    let bytes = frame.expect("it fits").bytes;
    for cut in [1, 4, 5, 30, 100, 70_000, bytes.len() - 1] {
        let mut client = broker.client();
        client
            .stream
            .write_all(&bytes[..cut])
            .expect("the broker reads");
    }
    let mut client = broker.client();
    assert_eq!(client.append(&topic, 0, batch(&["first"])), 0);
}

#[test]
fn a_client_that_does_not_read_does_not_hold_up_others() {
    let broker = broker::shared();
    let topic = broker.topic("slow-reader", 1);
    let mut producer = broker.client();
    for _ in 0..8 {
        producer.append(&topic, 0, large(900_000));
    }
    let mut request = fetch_request(&topic, &[(0, 0)]);
    request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
    // Each asks for 100 answers of 7 MB and reads none: far more than any buffer holds.
    let mut slow: Vec<Client> = (0..4).map(|_| broker.client()).collect();
    for client in &mut slow {
        for _ in 0..100 {
            client.send(FETCH, &request);
        }
    }
    let start = Instant::now();
    for at in 0..100 {
        producer.append(&topic, 0, batch(&["still here"]));
        assert_eq!(
            values(producer.fetch(&topic, 0, 8 + at).records),
            ["still here"]
        );
    }
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    // One of them reads on, and gets what it asked for, whole.
    for at in 0..3 {
        let response: FetchResponse = slow[0].receive_earlier(FETCH, 99 - at);
        let partition = &response.responses[0].partitions[0];
        assert!(partition.records.len() > 7_000_000);
    }
}

#[test]
fn an_answer_of_many_megabytes_arrives_whole() {
    let broker = broker::shared();
    let topic = broker.topic("large-answer", 4);
    let mut client = broker.client();
    let sent: Vec<Vec<u8>> = (0..4).map(|at| large(1_000_000 + at)).collect();
    for (partition, set) in sent.iter().enumerate() {
        client.append(&topic, partition as i32, set.clone());
    }
    let wanted: Vec<(i32, i64)> = (0..4).map(|partition| (partition, 0)).collect();
    for fetched in client.fetch_all(FETCH, &fetch_request(&topic, &wanted)) {
        let sent = &sent[fetched.response.partition_index as usize];
        assert_eq!(fetched.records[61..], sent[61..]);
    }
}

#[test]
fn the_bounds_of_connections_are_kept() {
    let directory = Directory::new();
    let settings = [
        "num.shards=2",
        "max.connections=6",
        "socket.request.max.bytes=1000",
        "connections.max.idle.ms=1500",
    ];
    let broker = Broker::start(&directory, &settings);
    let mut clients: Vec<Client> = (0..6).map(|_| broker.client()).collect();
    clients.iter_mut().for_each(answers);
    let mut seventh = broker.client();
    seventh.expect_end();
    // One leaves, one may come.
    clients.pop();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut next = broker.client();
        next.send(0, &ApiVersionsRequest::default());
        if next.frame().is_some() {
            break;
        }
        assert!(Instant::now() < deadline, "a place should be free");
        sleep(Duration::from_millis(20));
    }
    // A request that is too large.
    let mut talkative = clients.pop().expect("there are five");
    talkative.send_raw(ApiKey::METADATA, 12, &[0; 1000]);
    talkative.expect_end();
    // One that says nothing.
    let mut silent = clients.pop().expect("there are four");
    let start = Instant::now();
    answers(&mut silent);
    let mut byte = [0];
    assert_eq!(silent.stream.read(&mut byte).expect("an end"), 0);
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(1400), "{waited:?}");
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    drop(clients);
    broker.stop();
}

#[test]
fn a_long_poll_is_not_idleness() {
    let directory = Directory::new();
    let settings = ["num.shards=1", "connections.max.idle.ms=300"];
    let broker = Broker::start(&directory, &settings);
    let topic = broker.topic("t", 1);
    let mut client = broker.client();
    let mut request = fetch_request(&topic, &[(0, 0)]);
    request.max_wait_ms = 1200;
    let start = Instant::now();
    assert_eq!(client.fetch_all(FETCH, &request).len(), 1);
    assert!(start.elapsed() >= Duration::from_millis(1200));
    broker.stop();
}

#[test]
fn hundreds_of_connections_are_served_beside_each_other() {
    let broker = broker::shared();
    let topic = broker.topic("many-connections", 4);
    let mut clients: Vec<Client> = (0..300).map(|_| broker.client()).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        let set = batch(&["one of many"]);
        client.send(
            PRODUCE,
            &produce_request(-1, &topic, vec![(at as i32 % 4, set)]),
        );
    }
    let mut offsets = [const { Vec::new() }; 4];
    for (at, client) in clients.iter_mut().enumerate() {
        let (response, _) = client.receive::<ProduceResponse>(PRODUCE);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, ErrorCode::NONE);
        offsets[at % 4].push(partition.base_offset);
    }
    for mut offsets in offsets {
        offsets.sort();
        assert_eq!(offsets, Vec::from_iter(0..75));
    }
}
