//! OffsetCommit: what is taken, and from whom.

use crate::broker;
use crate::client::versions;
use crate::members::{
    COMMIT, Member, commit, commit_request, fetch, nowhere, offsets, the_error, told, topic_of,
};
use millstream::types::Uuid;
use millstream::wire::{
    ApiKey, ErrorCode, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic,
};

/// The version in which topics go by id.
const BY_ID: i16 = 10;

#[test]
fn every_version_commits_offset_epoch_and_metadata() {
    let (topic, mut client) = topic_of("commit-versions", 3);
    for version in versions(ApiKey::OFFSET_COMMIT) {
        let group = format!("commit-v{version}");
        let mut request = commit_request(&group, &topic, &[(2, 20), (0, 7)]);
        let first = &mut request.topics[0].partitions[0];
        first.committed_metadata = Some("a note, é".into());
        first.committed_leader_epoch = 5;
        let response: OffsetCommitResponse = client.call(version, &request);
        assert_eq!(the_error(&response), ErrorCode::NONE);
        let answered = &response.topics[0];
        let by_id = version >= BY_ID;
        let name = if by_id { "" } else { &topic.name };
        assert_eq!(&*answered.name, name);
        let id = if by_id { topic.id } else { Uuid::ZERO };
        assert_eq!(answered.topic_id, id);
        let order = answered.partitions.iter().map(|it| it.partition_index);
        let order: Vec<_> = order.collect();
        assert_eq!(order, [2, 0]);

        let fetched = fetch(&mut client, &group, &topic, &[0, 1, 2]);
        // Versions below 6 have no room for it.
        let epoch = if version >= 6 { 5 } else { -1 };
        assert_eq!(
            told(&fetched),
            [
                (0, 7, -1, Some("")),
                (1, -1, -1, Some("")),
                (2, 20, epoch, Some("a note, é")),
            ]
        );
    }
}

#[test]
fn partitions_that_do_not_exist_are_refused_one_by_one() {
    let (topic, mut client) = topic_of("commit-unknown", 2);
    for version in versions(ApiKey::OFFSET_COMMIT) {
        let group = format!("commit-unknown-v{version}");
        let mut request = commit_request(&group, &nowhere(), &[(0, 1), (1, 1)]);
        let known = commit_request(&group, &topic, &[(2, 3), (1, 4), (-1, 5), (0, 6)]);
        request.topics.extend(known.topics);
        let response: OffsetCommitResponse = client.call(version, &request);
        let results: Vec<Vec<_>> = response
            .topics
            .iter()
            .map(|topic| {
                let partitions = topic.partitions.iter();
                partitions
                    .map(|it| (it.partition_index, it.error_code))
                    .collect()
            })
            .collect();
        let unknown = match version {
            BY_ID.. => ErrorCode::UNKNOWN_TOPIC_ID,
            _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        };
        let missing = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let none = ErrorCode::NONE;
        assert_eq!(
            results,
            [
                vec![(0, unknown), (1, unknown)],
                vec![(2, missing), (1, none), (-1, missing), (0, none)],
            ]
        );
        assert_eq!(offsets(&mut client, &group, &topic, &[0, 1]), [6, 4]);

        // Where nothing can be committed, nobody is asked: the group is not even looked at.
        let mut request = commit_request(&group, &nowhere(), &[(0, 1)]);
        request.generation_id_or_member_epoch = 77;
        let response: OffsetCommitResponse = client.call(version, &request);
        assert_eq!(the_error(&response), unknown);
        request.topics.clear();
        let response: OffsetCommitResponse = client.call(version, &request);
        assert!(response.topics.is_empty());
    }
}

#[test]
fn a_note_that_is_too_long_is_refused_and_the_rest_committed() {
    let (topic, mut client) = topic_of("commit-metadata", 2);
    let mut request = commit_request("commit-metadata", &topic, &[(0, 1), (1, 2)]);
    let partitions = &mut request.topics[0].partitions;
    partitions[0].committed_metadata = Some("n".repeat(4097).into());
    partitions[1].committed_metadata = Some("n".repeat(4096).into());
    let response: OffsetCommitResponse = client.call(COMMIT, &request);
    let errors = response.topics[0].partitions.iter().map(|it| it.error_code);
    let errors: Vec<_> = errors.collect();
    assert_eq!(
        errors,
        [ErrorCode::OFFSET_METADATA_TOO_LARGE, ErrorCode::NONE]
    );
    assert_eq!(
        offsets(&mut client, "commit-metadata", &topic, &[0, 1]),
        [-1, 2]
    );
}

#[test]
fn a_member_commits_in_its_generation_alone() {
    let (topic, mut outside) = topic_of("commit-member", 1);
    let broker = broker::of_groups();
    let mut member = Member::of(broker, "commit-member");
    member.settle(b"all");
    assert_eq!(member.commit(&topic, &[(0, 1)]), ErrorCode::NONE);
    for version in versions(ApiKey::OFFSET_COMMIT) {
        let mut refused = |generation: i32, id: &str, instance: Option<&'static str>| {
            let request = OffsetCommitRequest {
                generation_id_or_member_epoch: generation,
                member_id: id.to_owned().into(),
                group_instance_id: instance.map(Into::into),
                ..commit_request("commit-member", &topic, &[(0, 9)])
            };
            let response: OffsetCommitResponse = outside.call(version, &request);
            the_error(&response)
        };
        let id = member.id.clone();
        assert_eq!(refused(0, &id, None), ErrorCode::ILLEGAL_GENERATION);
        assert_eq!(refused(2, &id, None), ErrorCode::ILLEGAL_GENERATION);
        assert_eq!(refused(1, "nobody", None), ErrorCode::UNKNOWN_MEMBER_ID);
        // From outside, as long as there are members.
        assert_eq!(refused(-1, "", None), ErrorCode::UNKNOWN_MEMBER_ID);
        if version >= 7 {
            let unknown = refused(1, &id, Some("nobody"));
            assert_eq!(unknown, ErrorCode::UNKNOWN_MEMBER_ID);
        }
    }
    assert_eq!(offsets(&mut outside, "commit-member", &topic, &[0]), [1]);

    // While the others gather, what was read can still be committed.
    let mut second = Member::of(broker, "commit-member");
    second.get_id();
    second.send_join();
    member.heartbeat_until_news();
    assert_eq!(member.commit(&topic, &[(0, 2)]), ErrorCode::NONE);
    member.join();
    second.joined();
    let rebalancing = member.commit(&topic, &[(0, 3)]);
    assert_eq!(rebalancing, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(offsets(&mut outside, "commit-member", &topic, &[0]), [2]);
    // And who is outside may when all have left.
    assert_eq!(member.leave(), ErrorCode::NONE);
    assert_eq!(second.leave(), ErrorCode::NONE);
    commit(&mut outside, "commit-member", &topic, &[(0, 4)]);
    assert_eq!(offsets(&mut outside, "commit-member", &topic, &[0]), [4]);
}

#[test]
fn a_member_of_no_group_is_told_so_by_version() {
    let (topic, mut client) = topic_of("commit-no-group", 1);
    for version in versions(ApiKey::OFFSET_COMMIT) {
        let request = OffsetCommitRequest {
            generation_id_or_member_epoch: 1,
            member_id: "somebody".into(),
            ..commit_request("commit-no-such-group", &topic, &[(0, 1)])
        };
        let response: OffsetCommitResponse = client.call(version, &request);
        let expected = match version {
            9.. => ErrorCode::GROUP_ID_NOT_FOUND,
            _ => ErrorCode::ILLEGAL_GENERATION,
        };
        assert_eq!(the_error(&response), expected);
    }
}

#[test]
fn a_group_without_a_name_keeps_offsets_too() {
    let (topic, mut client) = topic_of("commit-nameless", 1);
    commit(&mut client, "", &topic, &[(0, 3)]);
    assert_eq!(offsets(&mut client, "", &topic, &[0]), [3]);
}

#[test]
fn a_topic_that_is_named_twice_is_answered_twice() {
    let (topic, mut client) = topic_of("commit-twice", 1);
    let mut request = commit_request("commit-twice", &topic, &[(0, 1), (7, 1)]);
    let again: Vec<OffsetCommitTopic> =
        commit_request("commit-twice", &topic, &[(7, 2), (0, 2)]).topics;
    request.topics.extend(again);
    let response: OffsetCommitResponse = client.call(COMMIT, &request);
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let results: Vec<_> = partitions
        .map(|it| (it.partition_index, it.error_code.is_none()))
        .collect();
    assert_eq!(results, [(0, true), (7, false), (7, false), (0, true)]);
    assert_eq!(offsets(&mut client, "commit-twice", &topic, &[0]), [2]);
}
