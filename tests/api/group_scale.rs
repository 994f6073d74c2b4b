//! Two thousand groups with ten thousand committed partitions: what they hold in memory, and how soon they
//! are there again. The figures are told with `--nocapture`; what is checked is what is remembered.

use crate::broker::{Broker, Directory};
use crate::client::Client;
use crate::members::{HASTY, all_loaded, ask, commit_request, find, the_error};
use millstream::wire::{
    ErrorCode, ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse,
};
use std::time::Instant;

const GROUPS: usize = 2_000;
const PARTITIONS: i32 = 5;
/// Commits of each group.
const TIMES: i64 = 3;
/// Requests in flight.
const AT_ONCE: usize = 100;

fn name(at: usize) -> String {
    format!("consumers-of-something-{at:04}")
}

fn list(client: &mut Client) -> Vec<String> {
    let response: ListGroupsResponse = client.call(5, &ListGroupsRequest::default());
    assert_eq!(response.error_code, ErrorCode::NONE);
    response
        .groups
        .iter()
        .map(|group| group.group_id.to_string())
        .collect()
}

#[test]
fn thousands_of_groups_and_their_offsets_are_there_after_a_kill() {
    let directory = Directory::new();
    let settings = [&["num.shards=2"][..], &HASTY].concat();
    let broker = Broker::start(&directory, &settings);
    let topic = broker.topic("t", PARTITIONS);
    let mut client = broker.client();
    assert_eq!(find(&mut client, "any"), ErrorCode::NONE);
    let before = broker.resident_bytes();
    let request = |at: usize, time: i64| -> OffsetCommitRequest<'static> {
        let offset = |index: i32| at as i64 * 100 + time * 10 + i64::from(index);
        let offsets: Vec<(i32, i64)> = (0..PARTITIONS)
            .map(|index| (index, offset(index)))
            .collect();
        commit_request(&name(at), &topic, &offsets)
    };
    for time in 0..TIMES {
        let all: Vec<usize> = (0..GROUPS).collect();
        for some in all.chunks(AT_ONCE) {
            some.iter()
                .for_each(|at| client.send(9, &request(*at, time)));
            for back in (0..some.len() as i32).rev() {
                let response: OffsetCommitResponse = client.receive_earlier(9, back);
                assert_eq!(the_error(&response), ErrorCode::NONE);
            }
        }
    }
    let grown = broker.resident_bytes().saturating_sub(before);
    println!(
        "{GROUPS} groups, {} offsets: {} KiB more",
        GROUPS * 5,
        grown >> 10
    );
    broker.kill();

    let began = Instant::now();
    let broker = Broker::start(&directory, &settings);
    all_loaded(&broker);
    println!("all loaded {:?} after the start", began.elapsed());
    let mut client = broker.client();
    let expected: Vec<String> = (0..GROUPS).map(name).collect();
    assert_eq!(list(&mut client), expected);
    for at in (0..GROUPS).step_by(7) {
        let (error, topics) = ask(&mut client, 9, &name(at), None);
        assert_eq!(error, ErrorCode::NONE);
        let told: Vec<(i32, i64)> = topics[0]
            .partitions
            .iter()
            .map(|it| (it.partition_index, it.committed_offset))
            .collect();
        let committed = &request(at, TIMES - 1).topics[0].partitions;
        let committed = committed
            .iter()
            .map(|it| (it.partition_index, it.committed_offset));
        assert_eq!(told, committed.collect::<Vec<_>>());
    }
    broker.stop();
}
