//! OffsetDelete: offsets of topics that nobody reads go, others stay.

use crate::broker::{self, Broker, Topic};
use crate::client::Client;
use crate::members::{Member, commit, find, nowhere, offsets, subscription};
use millstream::wire::{
    ErrorCode, OffsetDeletePartition, OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteTopic,
};

/// The partitions of each topic with their errors, or the error of the whole.
type Deleted = Result<Vec<Vec<(i32, ErrorCode)>>, ErrorCode>;

fn delete(client: &mut Client, group: &str, topics: &[(&Topic, &[i32])]) -> Deleted {
    let topics = topics.iter().map(|(topic, partitions)| OffsetDeleteTopic {
        name: topic.name.clone().into(),
        partitions: partitions
            .iter()
            .map(|index| OffsetDeletePartition {
                partition_index: *index,
            })
            .collect(),
    });
    let request = OffsetDeleteRequest {
        group_id: group.to_owned().into(),
        topics: topics.collect(),
    };
    let response: OffsetDeleteResponse = client.call(0, &request);
    if response.error_code != ErrorCode::NONE {
        assert!(response.topics.is_empty());
        return Err(response.error_code);
    }
    let topics = response.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter();
        let partitions = partitions.map(|it| (it.partition_index, it.error_code));
        partitions.collect()
    });
    Ok(topics.collect())
}

fn client_of(broker: &Broker) -> Client {
    let mut client = broker.client();
    assert_eq!(find(&mut client, "any"), ErrorCode::NONE);
    client
}

#[test]
fn offsets_of_an_empty_group_are_deleted() {
    let broker = broker::of_groups();
    let mut client = client_of(broker);
    let topic = broker.topic("offset-delete", 3);
    commit(
        &mut client,
        "offset-delete",
        &topic,
        &[(0, 1), (1, 2), (2, 3)],
    );
    let missing = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let none = ErrorCode::NONE;
    let asked: [(&Topic, &[i32]); 2] = [(&nowhere(), &[0, 1]), (&topic, &[2, 9, 0])];
    assert_eq!(
        delete(&mut client, "offset-delete", &asked),
        Ok(vec![
            vec![(0, missing), (1, missing)],
            vec![(2, none), (9, missing), (0, none)],
        ])
    );
    let left = offsets(&mut client, "offset-delete", &topic, &[0, 1, 2]);
    assert_eq!(left, [-1, 2, -1]);
    // What is not there cannot be deleted, which is no error.
    let again = delete(&mut client, "offset-delete", &[(&topic, &[2])]);
    assert_eq!(again, Ok(vec![vec![(2, none)]]));
    assert_eq!(delete(&mut client, "offset-delete", &[]), Ok(Vec::new()));
}

#[test]
fn a_group_that_is_not_there_is_an_error_of_the_whole() {
    let broker = broker::of_groups();
    let mut client = client_of(broker);
    let topic = broker.topic("offset-delete-no-group", 1);
    for asked in [&topic, &nowhere()] {
        let error = delete(&mut client, "offset-delete-unknown", &[(asked, &[0])]);
        assert_eq!(error, Err(ErrorCode::GROUP_ID_NOT_FOUND));
        let error = delete(&mut client, "", &[(asked, &[0])]);
        assert_eq!(error, Err(ErrorCode::INVALID_GROUP_ID));
    }
}

#[test]
fn offsets_of_topics_that_are_read_stay() {
    let broker = broker::of_groups();
    let read = broker.topic("offset-delete-read", 1);
    let unread = broker.topic("offset-delete-unread", 1);
    let mut member = Member::of(broker, "offset-delete-members");
    member.metadata = subscription(&[&read.name]);
    member.settle(b"all");
    for topic in [&read, &unread] {
        assert_eq!(member.commit(topic, &[(0, 7)]), ErrorCode::NONE);
    }
    let mut client = client_of(broker);
    let asked: [(&Topic, &[i32]); 2] = [(&read, &[0]), (&unread, &[0])];
    let kept = vec![(0, ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC)];
    let gone = vec![(0, ErrorCode::NONE)];
    let deleted = delete(&mut client, "offset-delete-members", &asked);
    assert_eq!(deleted, Ok(vec![kept, gone.clone()]));
    let group = "offset-delete-members";
    assert_eq!(offsets(&mut client, group, &read, &[0]), [7]);
    assert_eq!(offsets(&mut client, group, &unread, &[0]), [-1]);

    assert_eq!(member.leave(), ErrorCode::NONE);
    let deleted = delete(&mut client, group, &[(&read, &[0])]);
    assert_eq!(deleted, Ok(vec![gone]));
    assert_eq!(offsets(&mut client, group, &read, &[0]), [-1]);
}

#[test]
fn a_group_with_members_of_another_kind_keeps_everything() {
    let broker = broker::of_groups();
    let topic = broker.topic("offset-delete-connect", 1);
    let mut member = Member::of(broker, "offset-delete-connect");
    let mut join = member.join_request();
    join.protocol_type = "connect".into();
    let response: millstream::wire::JoinGroupResponse = member.client.call(2, &join);
    assert_eq!(response.error_code, ErrorCode::NONE);
    let error = delete(
        &mut member.client,
        "offset-delete-connect",
        &[(&topic, &[0])],
    );
    assert_eq!(error, Err(ErrorCode::NON_EMPTY_GROUP));
}
