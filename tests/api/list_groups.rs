//! ListGroups: the groups of all shards, of some states and types.

use crate::broker::{Broker, Directory};
use crate::client::{Client, versions};
use crate::members::{HASTY, Member, commit};
use millstream::wire::{ApiKey, ErrorCode, ListGroupsRequest, ListGroupsResponse};

fn list(
    client: &mut Client,
    version: i16,
    states: &[&'static str],
    types: &[&'static str],
) -> Vec<(String, String)> {
    let request = ListGroupsRequest {
        states_filter: states.iter().map(|it| (*it).into()).collect(),
        types_filter: types.iter().map(|it| (*it).into()).collect(),
    };
    let response: ListGroupsResponse = client.call(version, &request);
    assert_eq!(response.error_code, ErrorCode::NONE);
    let groups = response.groups.iter().map(|group| {
        assert_eq!(
            &*group.group_type,
            if version >= 5 { "classic" } else { "" }
        );
        assert_eq!(group.group_state.is_empty(), version < 4);
        (group.group_id.to_string(), group.protocol_type.to_string())
    });
    groups.collect()
}

#[test]
fn groups_are_listed_by_name_state_and_type() {
    let directory = Directory::new();
    let settings = [
        &["num.shards=3", "offsets.topic.num.partitions=9"][..],
        &HASTY,
    ]
    .concat();
    let broker = Broker::start(&directory, &settings);
    let mut client = broker.client();
    for version in versions(ApiKey::LIST_GROUPS) {
        let none = list(&mut client, version, &[], &[]);
        assert!(none.is_empty(), "without the topic there are no groups");
    }
    let topic = broker.topic("t", 1);
    let mut stable = Member::of(&broker, "stable");
    stable.settle(b"all");
    let mut completing = Member::of(&broker, "completing");
    completing.join();
    for at in 0..8 {
        commit(&mut client, &format!("kept-{at}"), &topic, &[(0, at)]);
    }
    let kept = (0..8).map(|at| (format!("kept-{at}"), String::new()));
    let kept: Vec<_> = kept.collect();
    let one = |name: &str| vec![(name.to_owned(), "consumer".to_owned())];
    let all = [one("completing"), kept.clone(), one("stable")].concat();
    for version in versions(ApiKey::LIST_GROUPS) {
        assert_eq!(list(&mut client, version, &[], &[]), all);
        if version >= 4 {
            assert_eq!(list(&mut client, version, &["Stable"], &[]), one("stable"));
            // Letters' case does not matter (KIP-518, KIP-1099).
            let two = list(&mut client, version, &["completingrebalance", "EMPTY"], &[]);
            assert_eq!(two, [one("completing"), kept.clone()].concat());
            assert!(list(&mut client, version, &["Dead"], &[]).is_empty());
            assert!(list(&mut client, version, &["no such state"], &[]).is_empty());
        }
        if version >= 5 {
            assert_eq!(list(&mut client, version, &[], &["Classic"]), all);
            assert!(list(&mut client, version, &[], &["consumer", "share"]).is_empty());
            let stable = list(&mut client, version, &["Stable"], &["share", "classic"]);
            assert_eq!(stable, one("stable"));
        }
    }
    broker.stop();
}
