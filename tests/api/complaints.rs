//! What a client causes is explained in the broker's log: once, with its name and address.

use crate::broker::{Broker, Directory};
use crate::records::batch;
use millstream::wire::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, ErrorCode,
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};

fn lines_with(broker: &Broker, what: &str) -> Vec<String> {
    let said = broker.said();
    said.lines()
        .filter(|line| line.contains(what))
        .map(String::from)
        .collect()
}

#[test]
fn a_refusal_is_said_once_with_client_and_address() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let topic = broker.topic_with("narrow", 1, &[("max.message.bytes", "100")]);
    let mut client = broker.client_named("the loud one");
    for _ in 0..20 {
        let produced = client.produce(&topic, 0, batch(&[&"x".repeat(500)]));
        assert_eq!(produced.error_code, ErrorCode::MESSAGE_TOO_LARGE);
    }
    let said = lines_with(&broker, "Produce refused: MESSAGE_TOO_LARGE");
    assert_eq!(said.len(), 1, "{}", broker.said());
    assert!(said[0].contains("the loud one"), "{said:?}");
    assert!(said[0].contains("peer=127.0.0.1:"), "{said:?}");
    assert!(said[0].contains("larger than"), "it is explained: {said:?}");
}

#[test]
fn a_refusal_names_what_it_is_about_and_why() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &[]);
    let mut client = broker.client_named("asks");
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: "nowhere".into(),
            partitions: vec![ListOffsetsPartition::default()],
        }],
        ..Default::default()
    };
    let response: ListOffsetsResponse = client.call(5, &request);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(response.topics[0].partitions[0].error_code, unknown);
    let said = lines_with(&broker, "ListOffsets refused: UNKNOWN_TOPIC_OR_PARTITION");
    assert_eq!(said.len(), 1, "{}", broker.said());
    assert!(said[0].contains("\"nowhere\""), "{said:?}");

    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: 4,
            resource_name: "x".into(),
            configuration_keys: None,
        }],
        ..Default::default()
    };
    let response: DescribeConfigsResponse = client.call(4, &request);
    let why = response.results[0].error_message.clone().expect("a reason");
    let said = lines_with(&broker, "DescribeConfigs refused: INVALID_REQUEST");
    assert_eq!(said.len(), 1, "{}", broker.said());
    assert!(said[0].contains(&*why), "{why}: {said:?}");
}

#[test]
fn many_kinds_of_refusal_are_a_few_lines() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    for number in 0..50 {
        let mut client = broker.client_named(&format!("client {number}"));
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic {
                name: "nowhere".into(),
                partitions: vec![ListOffsetsPartition::default()],
            }],
            ..Default::default()
        };
        let _: ListOffsetsResponse = client.call(5, &request);
    }
    let said = lines_with(&broker, "refused:").len();
    assert!((1..=20).contains(&said), "{said} lines:\n{}", broker.said());
}
