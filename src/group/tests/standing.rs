//! How far groups have come, page by page.

use super::calls::{commit, committing};
use super::consumer::joins;
use super::*;
use crate::group::standing::{Owner, Standing, Told};
use crate::types::PartitionIndex;
use crate::wire::{ConsumerProtocolAssignment, ConsumerProtocolTopic};

impl Bench {
    /// Everything, in pages of that much room: each page's groups, and all of them put together as
    /// (group, topic, partition, offset).
    fn standings(&self, room: usize) -> (usize, Vec<Standing>) {
        let mut pages = 0;
        let mut told: Option<Told> = None;
        let mut all: Vec<Standing> = Vec::new();
        loop {
            pages += 1;
            let mut left = room;
            let (page, next) = self
                .coordinator
                .standings(&self.image, told.as_ref(), &mut left);
            let took: usize = page.iter().map(|it| 1 + it.offsets.len()).sum();
            // A group is told with one offset at least.
            assert!(took <= room + 1, "{took} on a page of {room}");
            for standing in page {
                match all.last_mut() {
                    Some(last) if last.group == standing.group => {
                        last.offsets.extend(standing.offsets);
                    }
                    _ => all.push(standing),
                }
            }
            told = next;
            if told.is_none() {
                return (pages, all);
            }
        }
    }
}

fn lines(standings: &[Standing]) -> Vec<String> {
    let offsets = standings.iter().flat_map(|standing| {
        let offsets = standing.offsets.iter();
        offsets.map(|it| {
            format!(
                "{} {}-{} {}",
                standing.group, it.topic, it.partition, it.offset
            )
        })
    });
    offsets.collect()
}

#[test]
fn everything_committed_is_told_whatever_the_room() {
    let mut bench = Bench::new();
    let mut expected = Vec::new();
    for group in ["a", "b", "empty", "g"] {
        let offsets: &[(&str, i32, i64)] = match group {
            "empty" => &[("t", 0, 1)],
            _ => &[("t", 0, 5), ("t", 1, 6), ("t", 7, 2), ("u", 0, 3)],
        };
        let commit = Commit {
            group: group.to_string(),
            ..committing("", -1, offsets)
        };
        bench.call(Call::Commit(commit));
        if group == "empty" {
            let delete = DeleteOffsets {
                group: group.to_string(),
                topics: vec![("t".to_string(), vec![PartitionIndex(0)])],
            };
            bench.call(Call::DeleteOffsets(delete));
            continue;
        }
        let told = offsets
            .iter()
            .map(|(topic, index, offset)| format!("{group} {topic}-{index} {offset}"));
        expected.extend(told);
    }
    let (pages, whole) = bench.standings(1000);
    assert_eq!(pages, 1);
    assert_eq!(lines(&whole), expected);
    let groups: Vec<&str> = whole.iter().map(|it| &*it.group).collect();
    assert_eq!(groups, ["a", "b", "empty", "g"]);
    assert_eq!((whole[0].kind, whole[0].state), ("classic", "Empty"));
    assert_eq!(whole[0].members, 0);
    assert_eq!(whole[0].offsets[0].committed, bench.now().wall);
    for room in 1..=16 {
        let (pages, told) = bench.standings(room);
        assert_eq!(told, whole, "with room for {room}");
        assert_eq!(pages > 1, room < 16, "with room for {room}");
    }
}

#[test]
fn a_group_that_goes_between_two_pages_is_passed_over() {
    let mut bench = Bench::new();
    for group in ["a", "b", "c"] {
        let commit = Commit {
            group: group.to_string(),
            ..committing("", -1, &[("t", 0, 5), ("t", 1, 6)])
        };
        bench.call(Call::Commit(commit));
    }
    // In the middle of "b".
    let (page, told) = bench.coordinator.standings(&bench.image, None, &mut 5);
    assert_eq!(lines(&page), ["a t-0 5", "a t-1 6", "b t-0 5"]);
    bench.call(Call::Delete(Delete {
        group: "b".to_string(),
    }));
    let told = told.expect("there is more");
    let (page, told) = bench
        .coordinator
        .standings(&bench.image, Some(&told), &mut 5);
    assert_eq!(lines(&page), ["c t-0 5", "c t-1 6"]);
    assert_eq!(told, None);
}

#[test]
fn the_members_of_a_classic_group_own_what_their_leader_has_given_them() {
    let mut bench = Bench::new();
    let ticket = bench.send(join("").into());
    bench.pass_ms(GATHER_MS);
    let joined = bench.joined(ticket);
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: vec![ConsumerProtocolTopic {
            topic: "t".into(),
            partitions: vec![0, 2],
        }],
        user_data: None,
    };
    let assignment = assignment.to_bytes(0).expect("a version of it").freeze();
    let ticket = bench.send(Call::Sync(Sync {
        group: "g".to_string(),
        member: joined.member.to_string(),
        instance: None,
        generation: joined.generation,
        protocol_type: None,
        protocol_name: None,
        assignments: vec![(joined.member.to_string(), assignment)],
    }));
    assert_eq!(bench.synced(ticket).error, ErrorCode::NONE);
    bench.call(commit(
        &joined.member,
        joined.generation,
        &[("t", 0, 5), ("t", 1, 6), ("u", 0, 7)],
    ));
    let (_, told) = bench.standings(1000);
    assert_eq!((told[0].state, told[0].members), ("Stable", 1));
    let owners: Vec<Option<&Owner>> = told[0].offsets.iter().map(|it| it.owner.as_ref()).collect();
    let owner = Owner {
        member: joined.member.clone(),
        client_id: "client".into(),
        client_host: "/10.0.0.1".into(),
    };
    assert_eq!(owners, [Some(&owner), None, None]);
}

#[test]
fn an_assignment_that_cannot_be_read_is_nobodys() {
    let mut bench = Bench::new();
    // Their assignments are their ids.
    let members = bench.stable_group(2);
    bench.call(commit(&members[0], 1, &[("t", 0, 5)]));
    let (_, told) = bench.standings(1000);
    assert_eq!(told[0].members, 2);
    assert_eq!(told[0].offsets[0].owner, None);
}

#[test]
fn the_members_of_a_consumer_group_own_what_the_broker_has_given_them() {
    let mut bench = Bench::new();
    bench.add_topic("t", 1);
    let joined = bench.beats(joins("a", &["t"]));
    bench.call(commit("a", joined.epoch, &[("t", 0, 5), ("gone", 0, 5)]));
    let (_, told) = bench.standings(1000);
    assert_eq!((told[0].kind, told[0].members), ("consumer", 1));
    let owners: Vec<Option<&str>> = told[0]
        .offsets
        .iter()
        .map(|it| it.owner.as_ref().map(|owner| &*owner.member))
        .collect();
    assert_eq!(owners, [None, Some("a")], "of gone, and of t");
}
