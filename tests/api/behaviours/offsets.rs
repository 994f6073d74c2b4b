//! Behaviours 20 to 22: offsets by time, and leader epochs.

use super::left_behind::{self, plain, time_of};
use crate::broker::{self, Broker, Directory, Topic};
use crate::client::{Client, FETCH, PRODUCE, fetch_request, produce_request, versions};
use crate::records::{batch, batch_at, now_ms, placed};
use millstream::batch::Codec;
use millstream::types::Uuid;
use millstream::wire::{
    ApiKey, EpochEndOffset, ErrorCode, FetchResponse, ListOffsetsPartition,
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
    MetadataRequest, MetadataResponse, MetadataTopic, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, OffsetForLeaderPartition, OffsetForLeaderTopic, ProduceResponse,
};

const NEWEST: i16 = 11;

/// Partition 0's answer.
pub fn list(
    client: &mut Client,
    version: i16,
    topic: &Topic,
    isolation_level: i8,
    timestamp: i64,
) -> ListOffsetsPartitionResponse {
    let request = ListOffsetsRequest {
        replica_id: -1,
        isolation_level,
        topics: vec![ListOffsetsTopic {
            name: topic.name.clone().into(),
            partitions: vec![ListOffsetsPartition {
                timestamp,
                ..Default::default()
            }],
        }],
        ..Default::default()
    };
    let mut response: ListOffsetsResponse = client.call(version, &request);
    response.topics[0].partitions.remove(0)
}

/// The versions that look up by time and tell an epoch: 0, which old librdkafka asks for ends with, does
/// neither.
fn by_time() -> impl Iterator<Item = i16> {
    versions(ApiKey::LIST_OFFSETS).filter(|version| *version > 0)
}

#[test]
fn behaviour_20_a_time_finds_the_first_record_at_or_after_it_and_not_the_start_of_its_batch() {
    let broker = broker::shared();
    let base = now_ms() - 10_000;
    for codec in [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ] {
        let topic = broker.topic(&format!("behaviour-20-{}", codec.name()), 1);
        let mut client = broker.client();
        for start in [0, 100, 200] {
            let times = [base + start, base + start + 10, base + start + 20];
            client.append(&topic, 0, batch_at(codec, &times));
        }
        for version in by_time() {
            for (asked, offset, time) in [
                (base - 1000, 0, base),
                (base, 0, base),
                (base + 1, 1, base + 10),
                (base + 11, 2, base + 20),
                (base + 20, 2, base + 20),
                (base + 21, 3, base + 100),
                (base + 115, 5, base + 120),
                (base + 220, 8, base + 220),
                (0, 0, base),
                (base + 221, -1, -1),
                (i64::MAX, -1, -1),
            ] {
                let it = list(&mut client, version, &topic, 0, asked);
                assert_eq!(it.error_code, ErrorCode::NONE);
                assert_eq!((it.offset, it.timestamp), (offset, time), "{codec:?}");
            }
        }
    }
}

/// Whatever epoch a response has room for, where there is none to tell.
#[test]
fn behaviour_21_an_unknown_leader_epoch_is_minus_1_and_never_0() {
    let directory = Directory::new();
    // A batch that was converted from an older format has no epoch.
    let unknown = placed(plain(0, &["a"]), 0, -1);
    let (broker, topic) = left_behind::start(&directory, &[(0, vec![unknown])], None);
    let mut client = broker.client();
    for version in by_time() {
        for time in [time_of(0), time_of(0) + 1] {
            let it = list(&mut client, version, &topic, 0, time);
            assert_eq!(it.error_code, ErrorCode::NONE);
            assert_eq!(it.offset, if time == time_of(0) { 0 } else { -1 });
            assert_eq!(it.leader_epoch, -1);
        }
        // Versions below 4 have no room for it.
        let end = list(&mut client, version, &topic, 0, -1);
        assert_eq!(end.leader_epoch >= 0, version >= 4);
    }
    let missing = Topic {
        name: "missing".into(),
        id: Uuid([1; 16]),
    };
    let it = list(&mut client, NEWEST, &missing, 0, -1);
    assert_eq!(it.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!((it.offset, it.leader_epoch), (-1, -1));

    for version in versions(ApiKey::FETCH) {
        for (topic, offset) in [(&topic, 0), (&topic, 9), (&missing, 0)] {
            client.send(version, &fetch_request(topic, &[(0, offset)]));
            let (response, _) = client.receive::<FetchResponse>(version);
            let it = &response.responses[0].partitions[0];
            let leader = &it.current_leader;
            assert_eq!((leader.leader_id, leader.leader_epoch), (-1, -1));
            let diverging = &it.diverging_epoch;
            assert_eq!((diverging.epoch, diverging.end_offset), (-1, -1));
        }
    }
    for version in versions(ApiKey::PRODUCE) {
        for topic in [&topic, &missing] {
            let request = produce_request(-1, topic, vec![(0, batch(&["b"]))]);
            let response: ProduceResponse = client.call(version, &request);
            let leader = &response.responses[0].partition_responses[0].current_leader;
            assert_eq!((leader.leader_id, leader.leader_epoch), (-1, -1));
        }
    }
    for version in versions(ApiKey::METADATA) {
        let request = MetadataRequest {
            topics: Some(vec![MetadataTopic {
                name: Some(topic.name.clone().into()),
                ..Default::default()
            }]),
            ..Default::default()
        };
        let response: MetadataResponse = client.call(version, &request);
        let epoch = response.topics[0].partitions[0].leader_epoch;
        // Until version 7 there is no room for it. This is the second start, so it is not 0.
        assert!(if version < 7 { epoch == -1 } else { epoch > 0 });
    }
    let known = client.fetch(&topic, 0, 1);
    let header = crate::records::headers(known.records)[0];
    assert!(header.leader_epoch.0 > 0, "what was written now has one");
    assert_eq!((PRODUCE, FETCH), (13, 18), "all versions were looked at");
    broker.stop();
}

fn epoch_end(
    client: &mut Client,
    version: i16,
    topic: &str,
    (partition, current, epoch): (i32, i32, i32),
) -> EpochEndOffset {
    let request = OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![OffsetForLeaderTopic {
            topic: topic.to_string().into(),
            partitions: vec![OffsetForLeaderPartition {
                partition,
                current_leader_epoch: current,
                leader_epoch: epoch,
            }],
        }],
    };
    let mut response: OffsetForLeaderEpochResponse = client.call(version, &request);
    response.topics[0].partitions.remove(0)
}

/// A broker that does not lead the partition, or does not have it, knows nothing of its epochs; with
/// replication comes NOT_LEADER_OR_FOLLOWER for followers.
#[test]
fn behaviour_22_offset_for_leader_epoch_answers_as_leader_only_and_minus_1_for_a_future_epoch() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    let topic = broker.topic("t", 1);
    broker.client().append(&topic, 0, batch(&["a", "b"]));
    broker.stop();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    let mut client = broker.client();
    client.append(&topic, 0, batch(&["c"]));
    let header = crate::records::headers(client.fetch(&topic, 0, 2).records)[0];
    let now = header.leader_epoch.0;
    assert!(now > 0);
    for version in versions(ApiKey::OFFSET_FOR_LEADER_EPOCH) {
        let mut ask = |name: &str, place| {
            let it = epoch_end(&mut client, version, name, place);
            (it.error_code, it.leader_epoch, it.end_offset)
        };
        const NONE: ErrorCode = ErrorCode::NONE;
        assert_eq!(ask("t", (0, -1, now)), (NONE, now, 3));
        // Nothing was written in the epochs between, so the one before is told.
        for epoch in 0..now {
            assert_eq!(ask("t", (0, now, epoch)), (NONE, 0, 2));
        }
        for epoch in [now + 1, now + 100, i32::MAX, -1] {
            assert_eq!(ask("t", (0, -1, epoch)), (NONE, -1, -1), "{epoch}");
        }
        // Whoever takes somebody else, earlier or later, for the leader is not answered.
        let fenced = ErrorCode::FENCED_LEADER_EPOCH;
        assert_eq!(ask("t", (0, now - 1, 0)), (fenced, -1, -1));
        let unknown = ErrorCode::UNKNOWN_LEADER_EPOCH;
        assert_eq!(ask("t", (0, now + 1, 0)), (unknown, -1, -1));
        let missing = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert_eq!(ask("t", (1, -1, 0)), (missing, -1, -1));
        assert_eq!(ask("nowhere", (0, -1, 0)), (missing, -1, -1));
    }
    broker.stop();
}
