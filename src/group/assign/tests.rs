//! Assignors: what must hold for all, drawn from a seed, and how they share.

use super::*;
use crate::types::{PartitionIndex, Uuid};

fn topic(at: usize) -> TopicId {
    Uuid((at as u128 + 1).to_be_bytes())
}

struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A group whose target changes as members come and go.
#[derive(Clone)]
struct World {
    topics: BTreeMap<TopicId, i32>,
    members: BTreeMap<String, (Arc<BTreeSet<TopicId>>, Partitions)>,
}

impl World {
    fn new(counts: &[i32]) -> World {
        let topics = counts.iter().enumerate();
        World {
            topics: topics.map(|(at, count)| (topic(at), *count)).collect(),
            members: BTreeMap::new(),
        }
    }

    fn all(&self) -> Arc<BTreeSet<TopicId>> {
        Arc::new(self.topics.keys().copied().collect())
    }

    fn join(&mut self, id: &str, topics: Arc<BTreeSet<TopicId>>) {
        let held = Partitions::new();
        self.members.insert(id.to_string(), (topics, held));
    }

    /// Assigns anew. Returns how many partitions that somebody held and still holds a place for have
    /// moved to another member or to nobody.
    fn assign(&mut self, assignor: Assignor) -> usize {
        let subscribers: Vec<Subscriber<'_>> = self
            .members
            .iter()
            .map(|(id, (topics, held))| Subscriber {
                id,
                instance: None,
                topics: topics.clone(),
                held: held.clone(),
            })
            .collect();
        let assigned = assignor.assign(&self.topics, &subscribers);
        let mut moved = 0;
        for ((_, held), now) in self.members.values_mut().zip(assigned) {
            moved += held.without(&now).len();
            *held = now;
        }
        moved
    }

    fn loads(&self) -> Vec<usize> {
        let held = self.members.values();
        held.map(|(_, held)| held.len()).collect()
    }

    fn spread(&self) -> usize {
        let loads = self.loads();
        let (most, least) = (loads.iter().max(), loads.iter().min());
        most.unwrap_or(&0) - least.unwrap_or(&0)
    }

    /// What the loads add up to when they are squared: the smaller, the more even.
    fn unevenness(&self) -> usize {
        self.loads().iter().map(|load| load * load).sum()
    }
}

#[test]
fn members_that_want_the_same_have_the_same_within_one() {
    let mut draw = Draw(1);
    for _ in 0..200 {
        let counts: Vec<i32> = (0..draw.below(5)).map(|_| draw.below(9) as i32).collect();
        let mut world = World::new(&counts);
        for at in 0..draw.below(7) + 1 {
            world.join(&format!("m{at}"), world.all());
        }
        world.assign(Assignor::Uniform);
        assert!(world.spread() <= 1, "{:?}", world.loads());
        assert_eq!(world.assign(Assignor::Uniform), 0, "nothing moves again");
    }
}

#[test]
fn only_what_must_move_does_when_one_joins_or_leaves() {
    let mut draw = Draw(2);
    for _ in 0..100 {
        let counts: Vec<i32> = (0..draw.below(4) + 1)
            .map(|_| draw.below(30) as i32)
            .collect();
        let partitions: usize = counts.iter().map(|count| *count as usize).sum();
        let mut world = World::new(&counts);
        for at in 0..20 {
            let (members, before) = (world.members.len(), world.loads());
            if members > 1 && draw.below(3) == 0 {
                let id = world
                    .members
                    .keys()
                    .nth(draw.below(members as u64) as usize);
                let id = id.expect("a member").clone();
                world.members.remove(&id);
                assert_eq!(world.assign(Assignor::Uniform), 0, "one left");
            } else {
                world.join(&format!("m{at}"), world.all());
                let moved = world.assign(Assignor::Uniform);
                // The new one is filled up to the even share, and nobody has more than one above it.
                let share = partitions / (members + 1);
                let above = before.iter().map(|load| load.saturating_sub(share + 1));
                let least = if members == 0 { 0 } else { share };
                assert_eq!(moved, least.max(above.sum()), "{before:?}");
            }
            assert!(world.spread() <= 1);
        }
    }
}

#[test]
fn topics_that_come_grow_and_go_move_nothing_else() {
    let mut world = World::new(&[8, 8]);
    for id in ["a", "b", "c", "d"] {
        world.join(id, world.all());
    }
    world.assign(Assignor::Uniform);
    world.topics.insert(topic(0), 12);
    assert_eq!(world.assign(Assignor::Uniform), 0);
    assert_eq!(world.loads(), [5, 5, 5, 5]);
    world.topics.insert(topic(2), 4);
    let all = world.all();
    for (topics, _) in world.members.values_mut() {
        *topics = all.clone();
    }
    assert_eq!(world.assign(Assignor::Uniform), 0);
    assert_eq!(world.loads(), [6, 6, 6, 6]);
    world.topics.remove(&topic(1));
    let all = world.all();
    for (topics, _) in world.members.values_mut() {
        *topics = all.clone();
    }
    assert_eq!(world.assign(Assignor::Uniform), 8, "those of the topic");
    assert_eq!(world.loads(), [4, 4, 4, 4]);
}

#[test]
fn each_topic_is_spread_over_the_members() {
    let mut world = World::new(&[6, 6, 6]);
    for id in ["a", "b", "c"] {
        world.join(id, world.all());
    }
    world.assign(Assignor::Uniform);
    for (_, held) in world.members.values() {
        for at in 0..3 {
            assert_eq!(held.of_topic(topic(at)).len(), 2);
        }
    }
    world.join("d", world.all());
    world.assign(Assignor::Uniform);
    for (_, held) in world.members.values() {
        for at in 0..3 {
            assert!(
                (1..=2).contains(&held.of_topic(topic(at)).len()),
                "{held:?}"
            );
        }
    }
}

/// The least unevenness there is, by trying everything.
fn evenest(world: &World) -> usize {
    let members: Vec<&Arc<BTreeSet<TopicId>>> =
        world.members.values().map(|(topics, _)| topics).collect();
    let partitions: Vec<TopicId> = world
        .topics
        .iter()
        .flat_map(|(topic, count)| (0..*count).map(|_| *topic))
        .filter(|topic| members.iter().any(|topics| topics.contains(topic)))
        .collect();
    let mut loads = vec![0; members.len()];
    fn search(
        left: &[TopicId],
        members: &[&Arc<BTreeSet<TopicId>>],
        loads: &mut Vec<usize>,
    ) -> usize {
        let Some((topic, left)) = left.split_first() else {
            return loads.iter().map(|load| load * load).sum();
        };
        let mut best = usize::MAX;
        for at in 0..members.len() {
            if members[at].contains(topic) {
                loads[at] += 1;
                best = best.min(search(left, members, loads));
                loads[at] -= 1;
            }
        }
        best
    }
    search(&partitions, &members, &mut loads)
}

#[test]
fn members_that_want_different_topics_share_as_evenly_as_they_can() {
    let mut draw = Draw(3);
    for _ in 0..300 {
        let counts: Vec<i32> = (0..draw.below(4) + 1)
            .map(|_| draw.below(4) as i32)
            .collect();
        let mut world = World::new(&counts);
        for round in 0..3 {
            for at in 0..draw.below(3) + 1 {
                let wanted = world.topics.keys().filter(|_| draw.below(2) == 0);
                let wanted = Arc::new(wanted.copied().collect());
                world.join(&format!("m{round}{at}"), wanted);
            }
            if world.members.len() > 4 {
                let first = world.members.keys().next().cloned();
                world.members.remove(&first.expect("a member"));
            }
            world.assign(Assignor::Uniform);
            let wanted: i32 = world.topics.values().sum();
            if world.members.len() <= 4 && wanted <= 8 {
                assert_eq!(world.unevenness(), evenest(&world), "{:?}", world.loads());
            }
            assert_eq!(world.assign(Assignor::Uniform), 0, "nothing moves again");
        }
    }
}

#[test]
fn what_a_chain_of_members_can_even_out_it_does() {
    // a wants topic 0, b both, c topic 1; c came last and can get from b only, what a gives b.
    let mut world = World::new(&[4, 4]);
    let wants = |topics: &[usize]| Arc::new(topics.iter().map(|at| topic(*at)).collect());
    world.join("a", wants(&[0]));
    world.join("b", wants(&[0, 1]));
    world.assign(Assignor::Uniform);
    assert_eq!(world.loads(), [4, 4]);
    world.join("c", wants(&[1]));
    world.assign(Assignor::Uniform);
    assert_eq!(world.unevenness(), evenest(&world));
}

#[test]
fn what_two_are_said_to_hold_one_has() {
    let mut world = World::new(&[3]);
    for id in ["a", "b"] {
        world.join(id, world.all());
        let held = (0..5).map(PartitionIndex).collect();
        let held = Partitions::of([(topic(0), held), (topic(9), vec![PartitionIndex(0)])]);
        world.members.get_mut(id).expect("a member").1 = held;
    }
    world.assign(Assignor::Uniform);
    assert_eq!(world.loads().iter().sum::<usize>(), 3);
    assert_eq!(world.spread(), 1);
}

#[test]
fn ranges_are_cut_alike_in_all_topics() {
    let mut world = World::new(&[5, 5, 2]);
    for id in ["a", "b", "c"] {
        world.join(id, world.all());
    }
    world.assign(Assignor::Range);
    let part = |id: &str, at: usize| -> Vec<i32> {
        let held = &world.members[id].1;
        held.of_topic(topic(at))
            .iter()
            .map(|index| index.0)
            .collect()
    };
    for at in [0, 1] {
        assert_eq!(part("a", at), [0, 1]);
        assert_eq!(part("b", at), [2, 3]);
        assert_eq!(part("c", at), [4]);
    }
    assert_eq!(
        (part("a", 2), part("b", 2), part("c", 2)),
        (vec![0], vec![1], vec![])
    );
}

#[test]
fn static_members_come_first_in_ranges_by_their_instance_ids() {
    let topics = BTreeMap::from([(topic(0), 4)]);
    let wanted = Arc::new(BTreeSet::from([topic(0)]));
    let member = |id, instance| Subscriber {
        id,
        instance,
        topics: wanted.clone(),
        held: Partitions::new(),
    };
    let members = [
        member("a", None),
        member("b", Some("2")),
        member("c", Some("1")),
        member("d", None),
    ];
    let assigned = Assignor::Range.assign(&topics, &members);
    let first: Vec<i32> = assigned
        .iter()
        .map(|partitions| partitions.iter().next().expect("one").1.0)
        .collect();
    assert_eq!(first, [2, 1, 0, 3]);
}

#[test]
fn ranges_are_of_the_members_that_want_the_topic() {
    let mut draw = Draw(4);
    for _ in 0..100 {
        let counts: Vec<i32> = (0..draw.below(5)).map(|_| draw.below(9) as i32).collect();
        let mut world = World::new(&counts);
        for at in 0..draw.below(6) {
            let wanted = world.topics.keys().filter(|_| draw.below(2) == 0);
            let wanted = Arc::new(wanted.copied().collect());
            world.join(&format!("m{at}"), wanted);
        }
        world.assign(Assignor::Range);
        for topic in world.topics.keys() {
            let wanting = world
                .members
                .values()
                .filter(|(topics, _)| topics.contains(topic));
            let loads: Vec<usize> = wanting
                .map(|(_, held)| held.of_topic(*topic).len())
                .collect();
            let (most, least) = (loads.iter().max(), loads.iter().min());
            assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 1);
        }
    }
}

#[test]
fn nobody_and_nothing_are_assigned() {
    let topics = BTreeMap::from([(topic(0), 4)]);
    for assignor in Assignor::ALL {
        assert_eq!(assignor.assign(&topics, &[]), []);
        let mut world = World::new(&[]);
        world.join("a", Arc::default());
        assert_eq!(world.assign(assignor), 0);
    }
}

/// What it costs, `benches/group.rs` tells.
#[test]
fn a_hundred_members_share_ten_thousand_partitions_and_do_so_when_some_want_less() {
    let mut world = World::new(&[100; 100]);
    for at in 0..100 {
        world.join(&format!("m{at:03}"), world.all());
    }
    world.assign(Assignor::Uniform);
    assert_eq!(world.spread(), 0);
    world.join("new", world.all());
    assert_eq!(world.assign(Assignor::Uniform), 99);
    let some: BTreeSet<TopicId> = (0..50).map(topic).collect();
    for (at, (topics, _)) in world.members.values_mut().enumerate() {
        if at % 3 == 0 {
            *topics = Arc::new(some.clone());
        }
    }
    world.assign(Assignor::Uniform);
    assert!(world.spread() <= 1, "{:?}", world.loads());
}
