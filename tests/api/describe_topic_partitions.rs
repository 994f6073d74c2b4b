//! DescribeTopicPartitions: pages of partitions, by topic name and index.

use crate::broker::{self, Broker, Directory};
use crate::client::Client;
use millstream::wire::{
    DescribeTopicPartitionsCursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsTopic, ErrorCode,
};

fn request(names: &[&str], limit: i32) -> DescribeTopicPartitionsRequest<'static> {
    DescribeTopicPartitionsRequest {
        topics: names
            .iter()
            .map(|name| DescribeTopicPartitionsTopic {
                name: name.to_string().into(),
            })
            .collect(),
        response_partition_limit: limit,
        cursor: None,
    }
}

fn at(topic: &str, partition: i32) -> Option<DescribeTopicPartitionsCursor<'static>> {
    Some(DescribeTopicPartitionsCursor {
        topic_name: topic.to_string().into(),
        partition_index: partition,
    })
}

fn describe(
    client: &mut Client,
    request: &DescribeTopicPartitionsRequest<'static>,
) -> DescribeTopicPartitionsResponse<'static> {
    client.call(0, request)
}

/// All pages: each as the (topic, partition)s on it.
fn pages(
    client: &mut Client,
    mut request: DescribeTopicPartitionsRequest<'static>,
) -> Vec<Vec<(String, i32)>> {
    let mut pages = Vec::new();
    loop {
        let response = describe(client, &request);
        let mut page = Vec::new();
        for topic in &response.topics {
            assert_eq!(topic.error_code, ErrorCode::NONE);
            let name = topic.name.as_deref().expect("a name");
            page.extend(
                topic
                    .partitions
                    .iter()
                    .map(|it| (name.to_string(), it.partition_index)),
            );
        }
        pages.push(page);
        match response.next_cursor {
            None => return pages,
            Some(next) => request.cursor = at(&next.topic_name, next.partition_index),
        }
    }
}

#[test]
fn a_topic_is_described_with_leader_replicas_and_id() {
    let broker = broker::shared();
    let made = broker.topic("pages-one", 2);
    let response = describe(&mut broker.client(), &request(&["pages-one"], 2000));
    assert_eq!(response.next_cursor, None);
    assert_eq!(response.topics.len(), 1);
    let topic = &response.topics[0];
    assert_eq!(topic.error_code, ErrorCode::NONE);
    assert_eq!(topic.topic_id, made.id);
    assert!(!topic.is_internal);
    assert_ne!(topic.topic_authorized_operations, i32::MIN);
    assert_eq!(topic.partitions.len(), 2);
    for (index, partition) in topic.partitions.iter().enumerate() {
        assert_eq!(partition.error_code, ErrorCode::NONE);
        assert_eq!(partition.partition_index, index as i32);
        assert_eq!((partition.leader_id, partition.leader_epoch), (1, 0));
        assert_eq!(partition.replica_nodes, [1]);
        assert_eq!(partition.isr_nodes, [1]);
        assert_eq!(partition.eligible_leader_replicas.as_deref(), Some(&[][..]));
        assert_eq!(partition.last_known_elr.as_deref(), Some(&[][..]));
        assert!(partition.offline_replicas.is_empty());
    }
}

#[test]
fn pages_hold_each_partition_once_in_order_whatever_their_size() {
    let broker = broker::shared();
    let topics = [("pages-b", 3), ("pages-a", 4), ("pages-c", 1)];
    for (name, partitions) in topics {
        broker.topic(name, partitions);
    }
    let mut expected = Vec::new();
    for (name, partitions) in [("pages-a", 4), ("pages-b", 3), ("pages-c", 1)] {
        expected.extend((0..partitions).map(|index| (name.to_string(), index)));
    }
    let mut client = broker.client();
    // Asked for out of order, and one of them twice.
    let names = ["pages-c", "pages-a", "pages-b", "pages-a"];
    for limit in 1..=9 {
        let pages = pages(&mut client, request(&names, limit));
        assert_eq!(pages.len(), expected.len().div_ceil(limit as usize));
        for page in &pages {
            assert!(page.len() <= limit as usize);
        }
        assert_eq!(pages.concat(), expected, "pages of {limit}");
    }
    for limit in [0, -1, i32::MIN] {
        let first = describe(&mut client, &request(&names, limit));
        assert_eq!(first.topics[0].partitions.len(), 1, "a limit of {limit}");
    }
}

#[test]
fn no_names_ask_for_all_topics() {
    let directory = Directory::new();
    let broker = Broker::start(
        &directory,
        &["num.shards=1", "max.request.partition.size.limit=3"],
    );
    for (name, partitions) in [("x", 2), ("a", 2), ("m", 3)] {
        broker.topic(name, partitions);
    }
    let mut client = broker.client();
    let pages = pages(&mut client, request(&[], 2000));
    let sizes: Vec<_> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 3, 1], "the broker's own bound counts");
    let names: Vec<_> = pages.concat().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "a", "m", "m", "m", "x", "x"]);
    // A cursor at a topic that has gone meanwhile goes on with the next one.
    let mut from = request(&[], 2000);
    from.cursor = at("b", 7);
    let response = describe(&mut client, &from);
    assert_eq!(response.topics[0].name.as_deref(), Some("m"));
    assert_eq!(response.topics[0].partitions[0].partition_index, 0);
    broker.stop();
}

#[test]
fn a_topic_that_is_not_there_is_named_with_its_error() {
    let broker = broker::shared();
    broker.topic("pages-there", 1);
    let names = ["pages-there", "pages-missing", "pages wrong"];
    let response = describe(&mut broker.client(), &request(&names, 2000));
    let codes: Vec<_> = response
        .topics
        .iter()
        .map(|it| (it.name.as_deref().unwrap_or_default(), it.error_code))
        .collect();
    let expected = [
        ("pages wrong", ErrorCode::INVALID_TOPIC_EXCEPTION),
        ("pages-missing", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ("pages-there", ErrorCode::NONE),
    ];
    assert_eq!(codes, expected);
}

#[test]
fn a_cursor_that_makes_no_sense_is_refused() {
    let broker = broker::shared();
    broker.topic("pages-cursor", 1);
    let mut client = broker.client();
    for cursor in [at("pages-other", 0), at("pages-cursor", -1)] {
        let mut wrong = request(&["pages-cursor"], 2000);
        wrong.cursor = cursor;
        let response = describe(&mut client, &wrong);
        assert_eq!(response.topics.len(), 1);
        assert_eq!(response.topics[0].error_code, ErrorCode::INVALID_REQUEST);
    }
    // Beyond the last partition there is nothing, and nothing after it.
    let mut beyond = request(&["pages-cursor"], 2000);
    beyond.cursor = at("pages-cursor", i32::MAX);
    let response = describe(&mut client, &beyond);
    assert!(response.topics[0].partitions.is_empty());
    assert_eq!(response.next_cursor, None);
}
