//! ConsumerGroupDescribe: a group in each of its states, version by version.

use crate::broker;
use crate::client::{Client, versions};
use crate::consumers::{Consumer, all_of, settle};
use crate::members::{Member, find};
use millstream::wire::{
    ApiKey, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedConsumerGroup,
    ErrorCode,
};

const NEWEST: i16 = 1;

fn describe(
    client: &mut Client,
    version: i16,
    groups: &[&str],
) -> Vec<DescribedConsumerGroup<'static>> {
    let request = ConsumerGroupDescribeRequest {
        group_ids: groups
            .iter()
            .map(|group| group.to_string().into())
            .collect(),
        include_authorized_operations: true,
    };
    let response: ConsumerGroupDescribeResponse = client.call(version, &request);
    let told: Vec<&str> = response.groups.iter().map(|it| &*it.group_id).collect();
    assert_eq!(told, groups);
    response.groups
}

#[test]
fn every_version_describes_a_group_and_its_members() {
    let broker = broker::of_groups();
    let topic = broker.topic("describe-consumer", 3);
    let mut a = Consumer {
        instance: Some("one"),
        ..Consumer::of(broker, "describe-consumer", "a", &["describe-consumer"])
    };
    let mut b = Consumer {
        regex: Some("describe-consume.".into()),
        ..Consumer::of(broker, "describe-consumer", "b", &[])
    };
    settle(&mut [&mut a, &mut b], &all_of(&[(&topic, 3)]));
    for version in versions(ApiKey::CONSUMER_GROUP_DESCRIBE) {
        let group = describe(&mut a.client, version, &["describe-consumer"]).remove(0);
        assert_eq!(group.error_code, ErrorCode::NONE);
        assert_eq!(&*group.group_state, "Stable");
        assert_eq!(
            (group.group_epoch, group.assignment_epoch),
            (a.epoch, a.epoch)
        );
        assert_eq!(&*group.assignor_name, "uniform");
        // READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS
        assert_eq!(
            group.authorized_operations,
            1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11
        );
        assert_eq!(group.members.len(), 2);
        for (told, member) in group.members.iter().zip([&a, &b]) {
            assert_eq!(*told.member_id, member.id);
            assert_eq!(told.instance_id.as_deref(), member.instance);
            assert_eq!(told.member_epoch, member.epoch);
            assert_eq!(&*told.client_id, "tests");
            assert_eq!(&*told.client_host, "/127.0.0.1");
            assert_eq!(told.subscribed_topic_names, member.topics);
            let regex = told.subscribed_topic_regex.as_deref().unwrap_or_default();
            assert_eq!(regex, member.regex.as_deref().unwrap_or_default());
            assert_eq!(told.member_type, if version >= 1 { 1 } else { -1 });
            for assignment in [&told.assignment, &told.target_assignment] {
                let topics = &assignment.topic_partitions;
                assert_eq!(topics.len(), 1);
                assert_eq!(&*topics[0].topic_name, "describe-consumer");
                let indexes = topics[0].partitions.iter();
                let owned: Vec<_> = indexes.map(|index| (topics[0].topic_id, *index)).collect();
                assert!(member.owned.iter().eq(&owned));
            }
        }
    }
}

#[test]
fn states_are_told_as_a_group_goes_through_them() {
    let broker = broker::of_groups();
    let topic = broker.topic("describe-consumer-states", 2);
    let group = "describe-consumer-states";
    let mut client = broker.client();
    let mut state = || {
        describe(&mut client, NEWEST, &[group])
            .remove(0)
            .group_state
            .into_owned()
    };
    let mut a = Consumer::of(broker, group, "a", &["describe-consumer-states"]);
    let mut b = Consumer::of(broker, group, "b", &["describe-consumer-states"]);
    a.beat();
    assert_eq!(state(), "Stable");
    b.beat();
    // The first has yet to give something up.
    assert_eq!(state(), "Reconciling");
    settle(&mut [&mut a, &mut b], &all_of(&[(&topic, 2)]));
    assert_eq!(state(), "Stable");
    a.leave();
    assert_eq!(state(), "Assigning");
    b.leave();
    assert_eq!(state(), "Empty");
}

#[test]
fn what_is_no_consumer_group_is_not_found() {
    let broker = broker::of_groups();
    let mut classic = Member::of(broker, "describe-consumer-classic");
    classic.settle(b"all");
    let mut client = broker.client();
    assert_eq!(find(&mut client, "any"), ErrorCode::NONE);
    for version in versions(ApiKey::CONSUMER_GROUP_DESCRIBE) {
        for group in describe(
            &mut client,
            version,
            &["describe-consumer-classic", "describe-consumer-unknown"],
        ) {
            assert_eq!(group.error_code, ErrorCode::GROUP_ID_NOT_FOUND);
            assert!(group.error_message.is_some());
            assert_eq!(group.authorized_operations, i32::MIN);
            assert!(group.members.is_empty());
        }
    }
    let none = describe(&mut client, NEWEST, &[""]).remove(0);
    assert_eq!(none.error_code, ErrorCode::INVALID_GROUP_ID);
}
