//! OffsetFetch: what is found of what was committed, version by version.

use crate::broker::{self, Broker, Directory};
use crate::client::versions;
use crate::members::{
    FETCH_OFFSETS, ask, commit, commit_request, fetch_request, fetch_topic, find, nowhere, offsets,
    told, topic_of, until,
};
use millstream::types::Uuid;
use millstream::wire::{
    ApiKey, DeleteTopic, DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode,
    OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
};

/// The version in which topics go by id.
const BY_ID: i16 = 10;

#[test]
fn every_version_tells_each_partition_asked_for() {
    let (topic, mut client) = topic_of("fetch-versions", 2);
    let mut request = commit_request("fetch-versions", &topic, &[(0, 11), (1, 22)]);
    request.topics[0].partitions[1].committed_metadata = Some("note".into());
    request.topics[0].partitions[1].committed_leader_epoch = 4;
    let response: OffsetCommitResponse = client.call(9, &request);
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NONE);
    for version in versions(ApiKey::OFFSET_FETCH) {
        // A partition that does not exist has no offset, which is no error.
        let topics = vec![fetch_topic(&topic, &[1, 5, 0])];
        let (error, topics) = ask(&mut client, version, "fetch-versions", Some(topics));
        assert_eq!(error, ErrorCode::NONE);
        let [answered] = &topics[..] else {
            panic!("one topic: {topics:?}")
        };
        let by_id = version >= BY_ID;
        assert_eq!(
            *answered.name,
            if by_id { "" } else { &topic.name }.to_owned()
        );
        assert_eq!(answered.topic_id, if by_id { topic.id } else { Uuid::ZERO });
        let epoch = if version >= 5 { 4 } else { -1 };
        assert_eq!(
            told(&answered.partitions),
            [
                (1, 22, epoch, Some("note")),
                (5, -1, -1, Some("")),
                (0, 11, -1, Some("")),
            ]
        );
    }
}

#[test]
fn a_group_that_nobody_knows_has_committed_nothing() {
    let (topic, mut client) = topic_of("fetch-unknown-group", 1);
    for version in versions(ApiKey::OFFSET_FETCH) {
        let topics = Some(vec![fetch_topic(&topic, &[0])]);
        let (error, topics) = ask(&mut client, version, "fetch-no-such-group", topics);
        assert_eq!(error, ErrorCode::NONE);
        let partition = &topics[0].partitions[0];
        assert_eq!(
            (partition.error_code, partition.committed_offset),
            (ErrorCode::NONE, -1)
        );
        if version >= 2 {
            let (error, topics) = ask(&mut client, version, "fetch-no-such-group", None);
            assert_eq!((error, topics.len()), (ErrorCode::NONE, 0));
        }
    }
}

#[test]
fn no_list_of_topics_asks_for_all_of_them_and_an_empty_one_for_none() {
    let (first, mut client) = topic_of("fetch-all-a", 2);
    let (second, _) = topic_of("fetch-all-b", 1);
    commit(&mut client, "fetch-all", &second, &[(0, 3)]);
    commit(&mut client, "fetch-all", &first, &[(1, 2), (0, 1)]);
    for version in 2..=BY_ID {
        let (error, topics) = ask(&mut client, version, "fetch-all", None);
        assert_eq!(error, ErrorCode::NONE);
        let told: Vec<_> = topics
            .iter()
            .map(|topic| {
                let partitions = topic.partitions.iter();
                let partitions = partitions.map(|it| (it.partition_index, it.committed_offset));
                (topic.topic_id, &*topic.name, partitions.collect::<Vec<_>>())
            })
            .collect();
        let expected = match version {
            BY_ID => [
                (first.id, "", vec![(0, 1), (1, 2)]),
                (second.id, "", vec![(0, 3)]),
            ],
            _ => [
                (Uuid::ZERO, "fetch-all-a", vec![(0, 1), (1, 2)]),
                (Uuid::ZERO, "fetch-all-b", vec![(0, 3)]),
            ],
        };
        assert_eq!(told, expected);
        let (error, topics) = ask(&mut client, version, "fetch-all", Some(Vec::new()));
        assert_eq!((error, topics.len()), (ErrorCode::NONE, 0));
    }
}

#[test]
fn several_groups_are_answered_in_the_order_of_the_request() {
    let (topic, mut client) = topic_of("fetch-groups", 1);
    let groups: Vec<String> = (0..20).map(|at| format!("fetch-groups-{at}")).collect();
    for (at, group) in groups.iter().enumerate() {
        commit(&mut client, group, &topic, &[(0, at as i64)]);
    }
    for version in 8..=BY_ID {
        let asked = groups.iter().rev().chain(&groups[..2]);
        let request = OffsetFetchRequest {
            groups: asked
                .clone()
                .map(|group| fetch_request(group, &topic, &[0]).groups.remove(0))
                .collect(),
            require_stable: true,
            ..Default::default()
        };
        let response: OffsetFetchResponse = client.call(version, &request);
        let told: Vec<_> = response
            .groups
            .iter()
            .map(|it| {
                let offset = it.topics[0].partitions[0].committed_offset;
                (it.group_id.to_string(), format!("fetch-groups-{offset}"))
            })
            .collect();
        let expected: Vec<_> = asked.map(|it| (it.clone(), it.clone())).collect();
        assert_eq!(told, expected);
        // And none at all is no request for all.
        let response: OffsetFetchResponse = client.call(version, &OffsetFetchRequest::default());
        assert!(response.groups.is_empty());
    }
}

#[test]
fn a_topic_of_an_id_that_nobody_has_is_told_behind_the_others() {
    let (topic, mut client) = topic_of("fetch-unknown-id", 1);
    commit(&mut client, "fetch-unknown-id", &topic, &[(0, 1)]);
    let topics = vec![fetch_topic(&nowhere(), &[0, 3]), fetch_topic(&topic, &[0])];
    let (error, topics) = ask(&mut client, BY_ID, "fetch-unknown-id", Some(topics));
    assert_eq!(error, ErrorCode::NONE);
    assert_eq!(topics[0].topic_id, topic.id);
    assert_eq!(topics[0].partitions[0].committed_offset, 1);
    assert_eq!(topics[1].topic_id, nowhere().id);
    let unknown = topics[1].partitions.iter();
    let unknown: Vec<_> = unknown
        .map(|it| (it.partition_index, it.error_code, it.committed_offset))
        .collect();
    let error = ErrorCode::UNKNOWN_TOPIC_ID;
    assert_eq!(unknown, [(0, error, -1), (3, error, -1)]);
}

/// As long as nobody has looked for a coordinator, there is none.
#[test]
fn each_version_has_its_own_place_for_an_error_of_the_group() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let topic = broker.topic("t", 2);
    let mut client = broker.client();
    for version in versions(ApiKey::OFFSET_FETCH) {
        let asked = Some(vec![fetch_topic(&topic, &[1, 0])]);
        let (error, topics) = ask(&mut client, version, "g", asked);
        if version >= 2 {
            assert_eq!(error, ErrorCode::NOT_COORDINATOR);
            assert!(topics.is_empty());
            continue;
        }
        assert_eq!(*topics[0].name, *topic.name);
        let partitions = topics[0].partitions.iter();
        let partitions: Vec<_> = partitions
            .map(|it| (it.partition_index, it.error_code, it.committed_offset))
            .collect();
        let error = ErrorCode::NOT_COORDINATOR;
        assert_eq!(partitions, [(1, error, -1), (0, error, -1)]);
    }
    assert_eq!(find(&mut client, "g"), ErrorCode::NONE);
    let (error, _) = ask(&mut client, FETCH_OFFSETS, "g", None);
    assert_eq!(error, ErrorCode::NONE);
    broker.stop();
}

#[test]
fn what_was_committed_for_a_topic_goes_with_it() {
    let (topic, mut client) = topic_of("fetch-deleted", 3);
    let (other, _) = topic_of("fetch-kept", 1);
    for group in ["fetch-deleted-a", "fetch-deleted-b"] {
        commit(&mut client, group, &topic, &[(0, 1), (2, 3)]);
        commit(&mut client, group, &other, &[(0, 5)]);
    }
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopic {
            name: Some(topic.name.clone().into()),
            ..Default::default()
        }],
        timeout_ms: 30_000,
        ..Default::default()
    };
    let response: DeleteTopicsResponse = client.call(6, &request);
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    for group in ["fetch-deleted-a", "fetch-deleted-b"] {
        let gone = || offsets(&mut client, group, &topic, &[0, 1, 2]);
        until(gone, |offsets| offsets[..] == [-1, -1, -1]);
        assert_eq!(offsets(&mut client, group, &other, &[0]), [5]);
    }
    // A topic of the same name begins without.
    let again = broker::of_groups().topic(&topic.name, 3);
    assert_eq!(
        offsets(&mut client, "fetch-deleted-a", &again, &[0, 2]),
        [-1, -1]
    );
    let (_, topics) = ask(&mut client, FETCH_OFFSETS, "fetch-deleted-a", None);
    assert_eq!(topics.len(), 1);
}
