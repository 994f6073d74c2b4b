//! DeleteRecords: the log begins further on, for everybody, also after a restart.

use crate::broker::{self, Broker, Directory, Topic};
use crate::client::{Client, FETCH, fetch_request, fetched, versions};
use crate::records::{batch, large, values};
use millstream::wire::{
    ApiKey, DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopic, DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, FetchResponse,
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

const NEWEST: i16 = 2;
const HIGH_WATERMARK: i64 = -1;

fn request(topic: &str, partitions: &[(i32, i64)]) -> DeleteRecordsRequest<'static> {
    DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: topic.to_string().into(),
            partitions: partitions
                .iter()
                .map(|(partition_index, offset)| DeleteRecordsPartition {
                    partition_index: *partition_index,
                    offset: *offset,
                })
                .collect(),
        }],
        timeout_ms: 30_000,
    }
}

/// The error and the log's start for one partition.
fn delete_in(
    client: &mut Client,
    version: i16,
    topic: &str,
    partition: i32,
    offset: i64,
) -> (ErrorCode, i64) {
    let response: DeleteRecordsResponse =
        client.call(version, &request(topic, &[(partition, offset)]));
    assert_eq!(response.topics[0].name, topic);
    let it = &response.topics[0].partitions[0];
    assert_eq!(it.partition_index, partition);
    (it.error_code, it.low_watermark)
}

fn delete(client: &mut Client, topic: &Topic, offset: i64) -> (ErrorCode, i64) {
    delete_in(client, NEWEST, &topic.name, 0, offset)
}

fn earliest(client: &mut Client, topic: &Topic) -> (i64, i32) {
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: topic.name.clone().into(),
            partitions: vec![ListOffsetsPartition {
                timestamp: -2,
                ..Default::default()
            }],
        }],
        ..Default::default()
    };
    let response: ListOffsetsResponse = client.call(11, &request);
    let it = &response.topics[0].partitions[0];
    assert_eq!(it.error_code, ErrorCode::NONE);
    (it.offset, it.leader_epoch)
}

/// Waits until a checkpoint has that content.
fn wait_for(path: &Path, content: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let now = std::fs::read_to_string(path).unwrap_or_default();
        if now == content {
            return;
        }
        assert!(Instant::now() < deadline, "{}: {now:?}", path.display());
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_version_moves_the_start_for_fetches_and_look_ups() {
    let broker = broker::shared();
    let topic = broker.topic("delete-records", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a", "b", "c"]));
    client.append(&topic, 0, batch(&["d", "e", "f"]));
    for (version, offset) in versions(ApiKey::DELETE_RECORDS).zip(1..) {
        let answer = delete_in(&mut client, version, &topic.name, 0, offset);
        assert_eq!(answer, (ErrorCode::NONE, offset), "version {version}");
        assert_eq!(earliest(&mut client, &topic), (offset, 0));
        let gone = client.fetch(&topic, 0, offset - 1).response;
        assert_eq!(gone.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
        let there = client.fetch(&topic, 0, offset);
        assert_eq!(there.response.error_code, ErrorCode::NONE);
        assert_eq!(there.response.log_start_offset, offset);
    }
}

#[test]
fn minus_one_deletes_up_to_the_high_watermark_and_offsets_go_on() {
    let broker = broker::shared();
    let topic = broker.topic("delete-records-all", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a", "b", "c"]));
    assert_eq!(
        delete(&mut client, &topic, HIGH_WATERMARK),
        (ErrorCode::NONE, 3)
    );
    assert_eq!(earliest(&mut client, &topic).0, 3);
    assert_eq!(client.append(&topic, 0, batch(&["d"])), 3);
    assert_eq!(values(client.fetch(&topic, 0, 3).records), ["d"]);
}

#[test]
fn a_start_never_goes_back_and_what_lies_before_it_is_answered_as_done() {
    let broker = broker::shared();
    let topic = broker.topic("delete-records-back", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a", "b", "c"]));
    assert_eq!(delete(&mut client, &topic, 2), (ErrorCode::NONE, 2));
    assert_eq!(delete(&mut client, &topic, 2), (ErrorCode::NONE, 2));
    assert_eq!(delete(&mut client, &topic, 0), (ErrorCode::NONE, 2));
}

#[test]
fn what_cannot_be_deleted_is_refused_partition_by_partition() {
    let broker = broker::shared();
    let topic = broker.topic("delete-records-refused", 2);
    let compacted = [("cleanup.policy", "compact")];
    let compacted = broker.topic_with("delete-records-compacted", 1, &compacted);
    let both = [("cleanup.policy", "compact,delete")];
    let both = broker.topic_with("delete-records-both", 1, &both);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a"]));
    let out_of_range = (ErrorCode::OFFSET_OUT_OF_RANGE, -1);
    assert_eq!(delete(&mut client, &topic, 2), out_of_range);
    assert_eq!(delete(&mut client, &topic, -2), out_of_range);
    assert_eq!(
        delete(&mut client, &compacted, 0),
        (ErrorCode::POLICY_VIOLATION, -1)
    );
    assert_eq!(delete(&mut client, &both, 0), (ErrorCode::NONE, 0));
    let unknown = (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1);
    assert_eq!(
        delete_in(&mut client, NEWEST, "delete-records-none", 0, 0),
        unknown
    );
    assert_eq!(delete_in(&mut client, NEWEST, &topic.name, 2, 0), unknown);
    // One that is refused does not keep the others from it.
    let several = request(&topic.name, &[(0, 1), (1, 1), (7, 0)]);
    let response: DeleteRecordsResponse = client.call(NEWEST, &several);
    let errors = response.topics[0].partitions.iter();
    let errors: Vec<_> = errors
        .map(|it| (it.partition_index, it.error_code))
        .collect();
    assert_eq!(
        errors,
        [
            (0, ErrorCode::NONE),
            (1, ErrorCode::OFFSET_OUT_OF_RANGE),
            (7, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        ]
    );
}

#[test]
fn a_start_survives_a_clean_stop_and_once_it_is_written_down_a_kill() {
    let directory = Directory::new();
    let overrides = ["log.flush.start.offset.checkpoint.interval.ms=1"];
    let broker = Broker::start(&directory, &overrides);
    let topic = broker.topic("t", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a", "b", "c", "d"]));
    assert_eq!(delete(&mut client, &topic, 2), (ErrorCode::NONE, 2));
    let checkpoint = directory.data().join("log-start-offset-checkpoint");
    wait_for(&checkpoint, "0\n1\nt 0 2\n");
    broker.kill();

    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    assert_eq!(earliest(&mut client, &topic), (2, 0));
    assert_eq!(delete(&mut client, &topic, 3), (ErrorCode::NONE, 3));
    broker.stop();
    wait_for(&checkpoint, "0\n1\nt 0 3\n");

    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    assert_eq!(earliest(&mut client, &topic), (3, 0));
    let gone = client.fetch(&topic, 0, 2).response;
    assert_eq!(gone.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(client.append(&topic, 0, batch(&["e"])), 4);
}

#[test]
fn a_topic_made_again_does_not_begin_where_the_deleted_one_did() {
    let directory = Directory::new();
    let overrides = ["log.flush.start.offset.checkpoint.interval.ms=1"];
    let broker = Broker::start(&directory, &overrides);
    let topic = broker.topic("t", 1);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["a", "b", "c", "d"]));
    assert_eq!(delete(&mut client, &topic, 3), (ErrorCode::NONE, 3));
    let checkpoint = directory.data().join("log-start-offset-checkpoint");
    wait_for(&checkpoint, "0\n1\nt 0 3\n");
    let request = DeleteTopicsRequest {
        topic_names: vec!["t".into()],
        timeout_ms: 30_000,
        ..Default::default()
    };
    let response: DeleteTopicsResponse = client.call(5, &request);
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    // Before the deletion was answered, not some time later.
    let text = std::fs::read_to_string(&checkpoint).unwrap();
    assert_eq!(text, "0\n0\n");
    let topic = broker.topic("t", 1);
    client.append(&topic, 0, batch(&["again"]));
    broker.kill();
    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    assert_eq!(earliest(&mut client, &topic).0, 0);
    assert_eq!(values(client.fetch(&topic, 0, 0).records), ["again"]);
}

#[test]
fn segments_before_the_start_go_and_a_fetch_under_way_is_sent_all_the_same() {
    let directory = Directory::new();
    let overrides = [
        "log.retention.check.interval.ms=20",
        "log.flush.start.offset.checkpoint.interval.ms=1",
    ];
    let broker = Broker::start(&directory, &overrides);
    let settings = [("segment.bytes", "1048576")];
    let topic = broker.topic_with("t", 1, &settings);
    let mut client = broker.client();
    // Three to a segment, so that the fourth segment is written to.
    for _ in 0..10 {
        client.append(&topic, 0, large(300_000));
    }
    // Its answer is more than what sockets hold: the rest is read from files that are gone.
    let mut reader = broker.client();
    let mut ask = fetch_request(&topic, &[(0, 0)]);
    ask.topics[0].partitions[0].partition_max_bytes = 50 << 20;
    for _ in 0..10 {
        reader.send(FETCH, &ask);
    }
    let (first, frame) = reader.receive_earlier_frame::<FetchResponse>(FETCH, 9);
    let first = fetched(first, frame);
    let sizes: Vec<usize> = first.iter().map(|it| it.records.len()).collect();

    assert_eq!(delete(&mut client, &topic, 7), (ErrorCode::NONE, 7));
    let partition = broker.partition(&topic, 0);
    let logs = || {
        let entries = std::fs::read_dir(&partition).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("00000000"))
            .collect();
        names.sort();
        names
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while logs()
        .iter()
        .any(|name| name.starts_with("00000000000000000003"))
    {
        assert!(Instant::now() < deadline, "{:?}", logs());
        sleep(Duration::from_millis(5));
    }
    // The segment with the start stays, with what belongs to it, and the one that is written to.
    let stay = ["00000000000000000006", "00000000000000000009"];
    assert!(
        logs()
            .iter()
            .all(|name| stay.iter().any(|base| name.starts_with(base))),
        "{:?}",
        logs()
    );
    let checkpoint = directory.data().join("log-start-offset-checkpoint");
    wait_for(&checkpoint, "0\n1\nt 0 7\n");
    for back in (0..9).rev() {
        let (response, frame) = reader.receive_earlier_frame::<FetchResponse>(FETCH, back);
        let again: Vec<usize> = fetched(response, frame)
            .iter()
            .map(|it| it.records.len())
            .collect();
        assert_eq!(again, sizes);
    }
    // What stays is there, also after a kill.
    assert_eq!(client.append(&topic, 0, batch(&["z"])), 10);
    broker.kill();
    let broker = Broker::start(&directory, &overrides);
    let mut client = broker.client();
    assert_eq!(earliest(&mut client, &topic).0, 7);
    assert!(client.fetch(&topic, 0, 7).records.len() > 600_000);
    assert_eq!(values(client.fetch(&topic, 0, 10).records), ["z"]);
    // At a segment's base the checkpoint has nothing to say any more.
    assert_eq!(delete(&mut client, &topic, 9), (ErrorCode::NONE, 9));
    wait_for(&checkpoint, "0\n0\n");
    broker.stop();
    let broker = Broker::start(&directory, &[]);
    assert_eq!(earliest(&mut broker.client(), &topic).0, 9);
}
