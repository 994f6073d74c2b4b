//! The wire room by the clock: the messages that a broker reads and writes most. `cargo bench --bench wire`.

#[path = "machine/requests.rs"]
#[allow(dead_code)] // not every request is looked at here
mod requests;

use divan::{Bencher, black_box};
use millstream::wire::{FetchRequest, Message, ProduceRequest, Reader, RequestHeader};

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 64])]
fn produce_request(bencher: Bencher<'_, '_>, records: usize) {
    let frame = requests::produce("orders", 3, &requests::batch(records, 1_000));
    bencher.bench(|| {
        let mut reader = Reader::new([black_box(&frame[4..])]);
        let header = RequestHeader::decode(&mut reader).expect("ours");
        let request = ProduceRequest::decode(&mut reader, header.api_version).expect("ours");
        assert_eq!(request.topic_data.len(), 1);
        request.acks
    });
}

#[divan::bench]
fn fetch_request(bencher: Bencher<'_, '_>) {
    let frame = requests::fetch("orders", 3, 1_000_000, 1 << 20);
    bencher.bench(|| {
        let mut reader = Reader::new([black_box(&frame[4..])]);
        let header = RequestHeader::decode(&mut reader).expect("ours");
        let request = FetchRequest::decode(&mut reader, header.api_version).expect("ours");
        assert_eq!(request.topics.len(), 1);
        request.max_wait_ms
    });
}
