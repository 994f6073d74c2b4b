//! Ten thousand partitions: metadata, sessions and restarts as of any other number.

use crate::broker::{Broker, Directory};
use crate::client::{Client, FETCH, fetch_request, fetch_topic, fetched};
use crate::records::{batch, values};
use millstream::wire::{
    ApiKey, DeleteTopic, DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, FetchResponse,
    MetadataRequest, MetadataResponse,
};

const TOPICS: usize = 10;
const PARTITIONS: i32 = 1000;

fn all_topics(client: &mut Client, version: i16) -> Vec<(String, usize)> {
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    let response: MetadataResponse = client.call(version, &request);
    let topics = response.topics.iter();
    topics
        .map(|topic| {
            let name = topic.name.as_deref().expect("a name");
            (name.to_owned(), topic.partitions.len())
        })
        .collect()
}

#[test]
fn ten_thousand_partitions_are_told_fetched_and_there_after_a_kill() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let topics: Vec<_> = (0..TOPICS)
        .map(|at| broker.topic(&format!("wide-{at}"), PARTITIONS))
        .collect();
    let mut client = broker.client();
    let expected: Vec<_> = topics
        .iter()
        .map(|topic| (topic.name.clone(), PARTITIONS as usize))
        .collect();
    for version in [1, 8, 12, 12, 13] {
        assert_eq!(all_topics(&mut client, version), expected);
    }

    let wanted: Vec<(i32, i64)> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
    let mut request = fetch_request(&topics[0], &[]);
    request.topics = topics
        .iter()
        .map(|topic| fetch_topic(topic, &wanted))
        .collect();
    let mut ask = |id: i32, epoch: i32| {
        request.session_id = id;
        request.session_epoch = epoch;
        if epoch > 0 {
            request.topics.clear();
        }
        client.send(FETCH, &request);
        let (response, frame) = client.receive::<FetchResponse>(FETCH);
        assert_eq!(response.error_code, ErrorCode::NONE);
        (response.session_id, fetched(response, frame))
    };
    let (session, all) = ask(0, 0);
    assert_eq!(all.len(), TOPICS * PARTITIONS as usize);
    assert!(ask(session, 1).1.is_empty(), "nothing has changed");
    broker.client().append(&topics[7], 777, batch(&["news"]));
    let (_, news) = ask(session, 2);
    assert_eq!(news.len(), 1);
    assert_eq!(news[0].response.partition_index, 777);
    assert_eq!(values(news[0].records), ["news"]);

    broker.kill();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let mut client = broker.client();
    assert_eq!(all_topics(&mut client, 12), expected);
    assert_eq!(values(client.fetch(&topics[7], 777, 0).records), ["news"]);
    broker.stop();
}

#[test]
fn what_is_told_of_all_topics_is_never_older_than_the_answer_to_a_change() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=3"]);
    // On several shards: each keeps answers of its own.
    let mut clients: Vec<Client> = (0..6).map(|_| broker.client()).collect();
    let mut changer = broker.client();
    for round in 0..5 {
        let topic = broker.topic(&format!("t{round}"), 1 + round);
        for client in &mut clients {
            for version in crate::client::versions(ApiKey::METADATA).skip(1) {
                let told = all_topics(client, version);
                assert_eq!(told, [(topic.name.clone(), 1 + round as usize)]);
                assert_eq!(all_topics(client, version), told);
            }
        }
        let request = DeleteTopicsRequest {
            topics: vec![DeleteTopic {
                name: Some(topic.name.clone().into()),
                topic_id: millstream::types::Uuid::ZERO,
            }],
            ..Default::default()
        };
        let response: DeleteTopicsResponse = changer.call(6, &request);
        assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
        for client in &mut clients {
            assert_eq!(all_topics(client, 12), []);
        }
    }
    broker.stop();
}
