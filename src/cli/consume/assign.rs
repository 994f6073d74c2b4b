//! Who consumes what in a classic group that this client leads: Kafka's `range` and `roundrobin`, which
//! the consumers of all languages have.

use crate::cli::client::Parts;
use std::collections::{BTreeMap, BTreeSet};

/// The assignors that we speak, the preferred one first.
pub(super) const ASSIGNORS: [&str; 2] = [RANGE, ROUND_ROBIN];
const RANGE: &str = "range";
const ROUND_ROBIN: &str = "roundrobin";

/// The topics that each member wants.
pub(super) type Wanted = BTreeMap<String, BTreeSet<String>>;
/// How many partitions each topic has.
pub(super) type Counts = BTreeMap<String, i32>;

/// What each member gets; none if the assignor is not ours. Members without anything are among them.
pub(super) fn assign(
    assignor: &str,
    wanted: &Wanted,
    counts: &Counts,
) -> Option<BTreeMap<String, Parts>> {
    let mut given: BTreeMap<String, Parts> = wanted
        .keys()
        .map(|member| (member.clone(), Parts::new()))
        .collect();
    match assignor {
        RANGE => range(wanted, counts, &mut given),
        ROUND_ROBIN => round_robin(wanted, counts, &mut given),
        _ => return None,
    }
    Some(given)
}

/// Of each topic, members in the order of their ids get stretches, the first ones one more where it
/// does not come out even.
fn range(wanted: &Wanted, counts: &Counts, given: &mut BTreeMap<String, Parts>) {
    for (topic, count) in counts {
        let members: Vec<&String> = wanted
            .iter()
            .filter(|(_, topics)| topics.contains(topic))
            .map(|(member, _)| member)
            .collect();
        let count = usize::try_from(*count).unwrap_or(0);
        let mut partitions = 0..count as i32;
        for (at, member) in members.iter().enumerate() {
            let share = count / members.len() + usize::from(at < count % members.len());
            let stretch: Vec<i32> = partitions.by_ref().take(share).collect();
            if !stretch.is_empty() {
                give(given, member, topic, stretch);
            }
        }
    }
}

/// All partitions of all topics go around, each to the next member that wants its topic.
fn round_robin(wanted: &Wanted, counts: &Counts, given: &mut BTreeMap<String, Parts>) {
    let members: Vec<(&String, &BTreeSet<String>)> = wanted.iter().collect();
    let mut next = 0;
    for (topic, count) in counts {
        for index in 0..*count {
            let around = (0..members.len()).map(|step| (next + step) % members.len());
            let mut takers = around.filter(|at| members[*at].1.contains(topic));
            if let Some(at) = takers.next() {
                give(given, members[at].0, topic, vec![index]);
                next = (at + 1) % members.len();
            }
        }
    }
}

fn give(given: &mut BTreeMap<String, Parts>, member: &str, topic: &str, partitions: Vec<i32>) {
    let parts = given.entry(member.to_owned()).or_default();
    parts
        .entry(topic.to_owned())
        .or_default()
        .extend(partitions);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::Part;

    fn wanted(members: &[(&str, &[&str])]) -> Wanted {
        let members = members.iter().map(|(member, topics)| {
            let topics = topics.iter().map(|topic| (*topic).to_owned());
            ((*member).to_owned(), topics.collect())
        });
        members.collect()
    }

    fn counts(topics: &[(&str, i32)]) -> Counts {
        let topics = topics.iter();
        topics
            .map(|(topic, count)| ((*topic).to_owned(), *count))
            .collect()
    }

    fn of(given: &BTreeMap<String, Parts>, member: &str, topic: &str) -> Vec<i32> {
        given[member].get(topic).cloned().unwrap_or_default()
    }

    #[test]
    fn range_gives_stretches_and_the_first_members_the_rest() {
        let wanted = wanted(&[("a", &["t", "u"]), ("b", &["t"]), ("c", &["t", "u"])]);
        let counts = counts(&[("t", 7), ("u", 2)]);
        let given = assign("range", &wanted, &counts).unwrap();
        assert_eq!(of(&given, "a", "t"), [0, 1, 2]);
        assert_eq!(of(&given, "b", "t"), [3, 4]);
        assert_eq!(of(&given, "c", "t"), [5, 6]);
        assert_eq!(of(&given, "a", "u"), [0]);
        assert_eq!(of(&given, "c", "u"), [1]);
    }

    #[test]
    fn round_robin_deals_to_whoever_wants_the_topic() {
        let wanted = wanted(&[("a", &["t"]), ("b", &["t", "u"])]);
        let counts = counts(&[("t", 3), ("u", 2)]);
        let given = assign("roundrobin", &wanted, &counts).unwrap();
        assert_eq!(of(&given, "a", "t"), [0, 2]);
        assert_eq!(of(&given, "b", "t"), [1]);
        assert_eq!(of(&given, "b", "u"), [0, 1]);
    }

    #[test]
    fn every_partition_that_is_wanted_has_one_owner() {
        for assignor in ASSIGNORS {
            for members in 1..6 {
                for count in 0..9 {
                    let names: Vec<String> = (0..members).map(|at| format!("m{at}")).collect();
                    let mut all: Wanted = Wanted::new();
                    for (at, name) in names.iter().enumerate() {
                        let topics: &[&str] = if at % 2 == 0 { &["t", "u"] } else { &["t"] };
                        let topics = topics.iter().map(|topic| (*topic).to_owned());
                        all.insert(name.clone(), topics.collect());
                    }
                    let counts = counts(&[("t", count), ("u", count), ("v", count)]);
                    let given = assign(assignor, &all, &counts).unwrap();
                    assert_eq!(given.len(), members, "everybody is told");
                    let mut owned: Vec<Part> = Vec::new();
                    for (member, parts) in &given {
                        for (topic, indexes) in parts {
                            assert!(all[member].contains(topic), "{member} wants no {topic}");
                            owned.extend(indexes.iter().map(|index| (topic.clone(), *index)));
                        }
                    }
                    owned.sort();
                    let expected: Vec<Part> = ["t", "u"]
                        .iter()
                        .flat_map(|topic| (0..count).map(|index| ((*topic).to_owned(), index)))
                        .collect();
                    assert_eq!(owned, expected, "{assignor} {members} {count}");
                }
            }
        }
    }

    #[test]
    fn other_assignors_are_not_ours() {
        assert_eq!(assign("sticky", &Wanted::new(), &Counts::new()), None);
    }
}
