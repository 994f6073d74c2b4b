//! AlterClientQuotas: quotas are kept, and bind: who uses more is told for how long he is held back,
//! and his connection is not read meanwhile.

use crate::broker::{self, Broker, Directory, Topic, shard_of};
use crate::client::{Client, FETCH, PRODUCE, fetch_request, fetched, produce_request, versions};
use crate::describe_client_quotas::{NAME, found};
use crate::records::large;
use millstream::wire::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterQuota, AlterQuotaEntry, ApiKey,
    DescribeClusterRequest, DescribeClusterResponse, ErrorCode, FetchResponse, MetadataRequest,
    MetadataResponse, ProduceResponse, QuotaEntityPart,
};
use std::time::{Duration, Instant};

const NEWEST: i16 = 1;

type Entity<'a> = [(&'a str, Option<&'a str>)];

pub fn set(key: &str, value: f64) -> AlterQuota<'static> {
    AlterQuota {
        key: key.to_string().into(),
        value,
        remove: false,
    }
}

pub fn remove(key: &str) -> AlterQuota<'static> {
    AlterQuota {
        remove: true,
        ..set(key, 0.0)
    }
}

fn request(entity: &Entity<'_>, ops: &[AlterQuota<'static>]) -> AlterClientQuotasRequest<'static> {
    AlterClientQuotasRequest {
        entries: vec![AlterQuotaEntry {
            entity: entity
                .iter()
                .map(|(kind, name)| QuotaEntityPart {
                    entity_type: kind.to_string().into(),
                    entity_name: name.map(|name| name.to_string().into()),
                })
                .collect(),
            ops: ops.to_vec(),
        }],
        validate_only: false,
    }
}

/// Changes what must be accepted.
pub fn alter(client: &mut Client, version: i16, entity: &Entity<'_>, ops: &[AlterQuota<'static>]) {
    let response: AlterClientQuotasResponse = client.call(version, &request(entity, ops));
    let entry = &response.entries[0];
    assert_eq!(
        entry.error_code,
        ErrorCode::NONE,
        "{:?}",
        entry.error_message
    );
    assert_eq!(entry.entity.len(), entity.len());
}

#[test]
fn every_version_sets_and_removes_and_a_kill_forgets_nothing() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client();
    let filter = [("user", NAME, Some("u"))];
    for version in versions(ApiKey::ALTER_CLIENT_QUOTAS) {
        let entity = [("user", Some("u"))];
        let rate = 1000.0 + f64::from(version);
        alter(
            &mut client,
            version,
            &entity,
            &[set("producer_byte_rate", rate)],
        );
        assert_eq!(
            found(&mut broker.client(), &filter),
            [(
                "user=u".to_string(),
                vec![("producer_byte_rate".to_string(), rate)]
            )]
        );
        alter(
            &mut client,
            version,
            &entity,
            &[remove("producer_byte_rate")],
        );
        assert!(found(&mut broker.client(), &filter).is_empty());
    }
    alter(
        &mut client,
        NEWEST,
        &[("user", Some("u"))],
        &[
            set("consumer_byte_rate", 5.0),
            set("request_percentage", 0.25),
        ],
    );
    broker.kill();
    let broker = Broker::start(&directory, &[]);
    let kept = found(&mut broker.client(), &filter);
    assert_eq!(kept[0].1.len(), 2);
    assert_eq!(kept[0].1[1], ("request_percentage".to_string(), 0.25));
}

#[test]
fn what_cannot_be_is_refused_and_validate_only_sets_nothing() {
    let mut client = broker::shared().client();
    let one = [("client-id", Some("refused"))];
    for (entity, op, expected) in [
        (
            &one[..],
            set("speed", 1.0),
            "Invalid configuration key speed",
        ),
        (
            &one,
            set("producer_byte_rate", 0.0),
            "must be greater than 0",
        ),
        (
            &[],
            set("producer_byte_rate", 1.0),
            "empty client quota entity",
        ),
        (
            &[("group", None)],
            set("producer_byte_rate", 1.0),
            "Unhandled",
        ),
        (
            &[("ip", Some("nowhere"))],
            set("connection_creation_rate", 1.0),
            "not a valid IP",
        ),
    ] {
        let response: AlterClientQuotasResponse = client.call(NEWEST, &request(entity, &[op]));
        let entry = &response.entries[0];
        assert_eq!(entry.error_code, ErrorCode::INVALID_REQUEST);
        let why = entry.error_message.as_deref().unwrap();
        assert!(why.contains(expected), "{why}");
    }
    let dry = AlterClientQuotasRequest {
        validate_only: true,
        ..request(&one, &[set("producer_byte_rate", 1.0)])
    };
    let response: AlterClientQuotasResponse = client.call(NEWEST, &dry);
    assert_eq!(response.entries[0].error_code, ErrorCode::NONE);
    assert!(found(&mut client, &[("client-id", NAME, Some("refused"))]).is_empty());
}

/// A broker of several shards, a topic, and a quota for that client id.
fn limited(directory: &Directory, id: &str, quota: AlterQuota<'static>) -> (Broker, Topic) {
    let overrides = ["num.shards=3", "quota.window.num=2"];
    let broker = Broker::start(directory, &overrides);
    let topic = broker.topic("t", 6);
    alter(
        &mut broker.client(),
        NEWEST,
        &[("client-id", Some(id))],
        &[quota],
    );
    (broker, topic)
}

fn produce(client: &mut Client, topic: &Topic, partition: i32, bytes: usize) -> i32 {
    let request = produce_request(-1, topic, vec![(partition, large(bytes))]);
    let response: ProduceResponse = client.call(PRODUCE, &request);
    let it = &response.responses[0].partition_responses[0];
    assert_eq!(it.error_code, ErrorCode::NONE);
    response.throttle_time_ms
}

#[test]
fn a_producer_over_its_quota_is_answered_at_once_and_then_not_read_for_the_time_it_was_told() {
    let directory = Directory::new();
    // Two samples: what is beyond one second of 100,000 bytes has to be waited for.
    let quota = set("producer_byte_rate", 100_000.0);
    let (broker, topic) = limited(&directory, "slow", quota);
    let mut client = broker.client_named("slow");
    assert_eq!(
        produce(&mut client, &topic, 0, 50_000),
        0,
        "below the quota"
    );
    let began = Instant::now();
    let told = produce(&mut client, &topic, 0, 150_000);
    let answered = began.elapsed();
    // 200,000 bytes in one to two seconds where 100,000 a second are allowed.
    assert!((300..=1100).contains(&told), "{told} ms");
    assert!(
        answered < Duration::from_millis(told as u64),
        "{answered:?}"
    );
    produce(&mut client, &topic, 0, 10);
    let waited = began.elapsed();
    let told = Duration::from_millis(told as u64);
    assert!(
        waited + Duration::from_millis(2) >= told,
        "{waited:?} of {told:?}"
    );

    // Others are not held back.
    let mut other = broker.client_named("other");
    for _ in 0..5 {
        assert_eq!(produce(&mut other, &topic, 1, 200_000), 0);
    }
}

#[test]
fn a_quota_counts_all_connections_of_its_client_on_all_shards() {
    let directory = Directory::new();
    let quota = set("producer_byte_rate", 300_000.0);
    let (broker, topic) = limited(&directory, "many", quota);
    let owners: std::collections::BTreeSet<u16> =
        (0..6).map(|index| shard_of(&topic, index, 3)).collect();
    assert_eq!(owners.len(), 3);
    let mut clients: Vec<Client> = (0..6).map(|_| broker.client_named("many")).collect();
    let mut told = Vec::new();
    for (at, client) in clients.iter_mut().enumerate() {
        told.push(produce(client, &topic, at as i32, 100_000));
    }
    // The first three are the quota of a second; from then on every connection is held back, and
    // longer and longer, whichever shard it is on.
    assert_eq!(told[..2], [0, 0], "{told:?}");
    assert!(told[4] > 0 && told[5] > told[4], "{told:?}");
}

#[test]
fn a_consumer_over_its_quota_gets_an_empty_answer_and_the_records_later() {
    let directory = Directory::new();
    let quota = set("consumer_byte_rate", 100_000.0);
    let (broker, topic) = limited(&directory, "reader", quota);
    let mut writer = broker.client();
    for _ in 0..8 {
        writer.append(&topic, 0, large(90_000));
    }
    let mut client = broker.client_named("reader");
    let mut offset = 0;
    let mut empty = 0;
    let began = Instant::now();
    while offset < 8 {
        client.send(FETCH, &fetch_request(&topic, &[(0, offset)]));
        let (response, frame) = client.receive::<FetchResponse>(FETCH);
        assert_eq!(response.error_code, ErrorCode::NONE);
        if response.throttle_time_ms > 0 {
            assert!(
                response.responses.is_empty(),
                "a throttled fetch brings nothing"
            );
            empty += 1;
            continue;
        }
        let bytes = fetched(response, frame)[0].records.len();
        assert!(bytes <= 100_000, "no more at once than a second's worth");
        offset += (bytes / 90_000) as i64;
    }
    assert!(
        empty > 0,
        "720,000 bytes at 100,000 a second cannot all be free"
    );
    let took = began.elapsed();
    assert!(took > Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_fetch_session_goes_on_after_a_fetch_that_was_held_back() {
    let directory = Directory::new();
    let quota = set("consumer_byte_rate", 100_000.0);
    let (broker, topic) = limited(&directory, "session", quota);
    let mut writer = broker.client();
    for _ in 0..3 {
        writer.append(&topic, 0, large(90_000));
    }
    let mut client = broker.client_named("session");
    let mut fetch = |offset: Option<i64>, session_id, session_epoch| {
        let partitions: Vec<_> = offset.map(|offset| (0, offset)).into_iter().collect();
        let mut request = fetch_request(&topic, &partitions);
        request.topics.retain(|topic| !topic.partitions.is_empty());
        // One batch: with the start of the next one it would be just beyond the quota.
        for topic in &mut request.topics {
            topic.partitions[0].partition_max_bytes = 91_000;
        }
        request.session_id = session_id;
        request.session_epoch = session_epoch;
        client.send(FETCH, &request);
        let (response, frame) = client.receive::<FetchResponse>(FETCH);
        assert_eq!(response.error_code, ErrorCode::NONE);
        let (id, held_ms) = (response.session_id, response.throttle_time_ms);
        let bytes: usize = fetched(response, frame)
            .iter()
            .map(|it| it.records.len())
            .sum();
        (id, held_ms, bytes)
    };
    let (id, held_ms, bytes) = fetch(Some(0), 0, 0);
    assert!(id > 0 && held_ms == 0 && bytes > 90_000);
    let (same, held_ms, bytes) = fetch(Some(1), id, 1);
    assert!(same == id && held_ms > 0 && bytes == 0, "{held_ms} {bytes}");
    // The session knows what is wanted, and that it was not told of it.
    let mut later = (2..6).map(|epoch| fetch(None, id, epoch));
    let (_, _, bytes) = later
        .find(|(_, held_ms, _)| *held_ms == 0)
        .expect("its time comes");
    assert!(bytes > 90_000, "{bytes}");
}

#[test]
fn request_percentage_holds_back_for_at_most_a_window() {
    let directory = Directory::new();
    let quota = set("request_percentage", 0.01);
    let (broker, topic) = limited(&directory, "busy", quota);
    let mut client = broker.client_named("busy");
    let told: Vec<i32> = (0..3)
        .map(|_| produce(&mut client, &topic, 0, 100_000))
        .collect();
    assert!(told.iter().any(|ms| *ms > 0), "{told:?}");
    assert!(told.iter().all(|ms| *ms <= 1000), "{told:?}");
}

#[test]
fn request_percentage_counts_every_kind_of_request_and_says_so_in_each_answer() {
    let directory = Directory::new();
    let quota = set("request_percentage", 0.01);
    let (broker, _) = limited(&directory, "asker", quota);
    let mut client = broker.client_named("asker");
    let began = Instant::now();
    let mut told_ms = 0;
    for _ in 0..8 {
        let request = MetadataRequest {
            topics: None,
            ..Default::default()
        };
        let metadata: MetadataResponse = client.call(12, &request);
        assert_eq!(metadata.topics.len(), 1, "the answer is the whole one");
        let cluster: DescribeClusterResponse = client.call(0, &DescribeClusterRequest::default());
        assert_eq!(cluster.brokers.len(), 1);
        for ms in [metadata.throttle_time_ms, cluster.throttle_time_ms] {
            assert!((0..=1000).contains(&ms), "a window at most, not {ms}");
            told_ms += ms;
        }
    }
    assert!(told_ms > 0);
    // The last answer's time has not been waited for.
    let waited = began.elapsed() + Duration::from_secs(1);
    assert!(
        waited >= Duration::from_millis(told_ms as u64),
        "{waited:?} {told_ms}"
    );
    let mut other = broker.client_named("another");
    let free: DescribeClusterResponse = other.call(0, &DescribeClusterRequest::default());
    assert_eq!(free.throttle_time_ms, 0);
}

#[test]
fn a_quota_taken_away_no_longer_binds() {
    let directory = Directory::new();
    let quota = set("producer_byte_rate", 10_000.0);
    let (broker, topic) = limited(&directory, "freed", quota);
    let mut client = broker.client_named("freed");
    assert!(produce(&mut client, &topic, 0, 30_000) > 0);
    let entity = [("client-id", Some("freed"))];
    alter(
        &mut broker.client(),
        NEWEST,
        &entity,
        &[remove("producer_byte_rate")],
    );
    let mut fresh = broker.client_named("freed");
    for _ in 0..3 {
        assert_eq!(produce(&mut fresh, &topic, 0, 300_000), 0);
    }
}
