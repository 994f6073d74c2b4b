//! The uniform assignor: as even as the subscriptions allow, and then as sticky as it can be.
//!
//! 1. Everybody keeps what it had and still wants.
//! 2. What nobody has goes to whoever of those that want it has least, the topics that fewest want
//!    first.
//! 3. While somebody has at least two more than somebody else to whom it could hand one on, directly or
//!    along a chain of members (A gives B one of a topic that both want, B gives C one that A does not
//!    want), it does. When nobody can any more, the sum of the squares of all loads is the least there
//!    is: a chain that makes it smaller exists as long as it is not.
//!
//! If all want the same topics, chains have one link, and the loads differ by one at most. Only what
//! is above the even share is taken from anybody: no more moves than must.

use super::Subscriber;
use crate::group::partitions::Partitions;
use crate::limits::ASSIGN_STEPS_MAX;
use crate::types::{PartitionIndex, TopicId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

/// Gives out all partitions that anybody wants.
pub(super) fn assign(
    topics: &BTreeMap<TopicId, i32>,
    members: &[Subscriber<'_>],
) -> Vec<Partitions> {
    let mut table = Table::new(topics, members);
    table.keep(members);
    table.deal();
    table.level(ASSIGN_STEPS_MAX);
    table.finish()
}

/// What a member has of a topic: what it had before, and what it did not.
#[derive(Clone, Default)]
struct Hand {
    kept: Vec<PartitionIndex>,
    new: Vec<PartitionIndex>,
}

impl Hand {
    fn len(&self) -> usize {
        self.kept.len() + self.new.len()
    }
}

/// Members and topics by their numbers, in the order of `members` and of the ids.
struct Table {
    ids: Vec<TopicId>,
    /// By topic: how many partitions it has.
    counts: Vec<i32>,
    /// By topic: who wants it.
    subscribers: Vec<Vec<usize>>,
    /// By topic: what nobody has.
    free: Vec<Vec<PartitionIndex>>,
    /// By member: what it has of each topic.
    hands: Vec<BTreeMap<usize, Hand>>,
    /// By member: how many partitions that is.
    loads: Vec<usize>,
}

impl Table {
    fn new(topics: &BTreeMap<TopicId, i32>, members: &[Subscriber<'_>]) -> Table {
        let subscribers = topics.keys().map(|topic| {
            let wants = |at: &usize| members[*at].topics.contains(topic);
            (0..members.len()).filter(wants).collect()
        });
        Table {
            ids: topics.keys().copied().collect(),
            counts: topics.values().copied().collect(),
            subscribers: subscribers.collect(),
            free: vec![Vec::new(); topics.len()],
            hands: vec![BTreeMap::new(); members.len()],
            loads: vec![0; members.len()],
        }
    }

    /// Everybody keeps what it had and still wants; the rest is free.
    fn keep(&mut self, members: &[Subscriber<'_>]) {
        for topic in 0..self.ids.len() {
            let mut left: BTreeSet<PartitionIndex> =
                (0..self.counts[topic]).map(PartitionIndex).collect();
            for at in self.subscribers[topic].clone() {
                let held = members[at].held.of_topic(self.ids[topic]).iter();
                let kept: Vec<PartitionIndex> =
                    held.copied().filter(|index| left.remove(index)).collect();
                if !kept.is_empty() {
                    self.loads[at] += kept.len();
                    self.hands[at].entry(topic).or_default().kept = kept;
                }
            }
            self.free[topic] = left.into_iter().collect();
        }
    }

    /// What is free goes to whoever has least.
    fn deal(&mut self) {
        let mut order: Vec<usize> = (0..self.ids.len()).collect();
        order.sort_by_key(|topic| self.subscribers[*topic].len());
        for topic in order {
            let subscribers = self.subscribers[topic].iter();
            let mut least: BinaryHeap<Reverse<(usize, usize)>> = subscribers
                .map(|at| Reverse((self.loads[*at], *at)))
                .collect();
            for index in std::mem::take(&mut self.free[topic]) {
                let Some(Reverse((_, at))) = least.pop() else {
                    break;
                };
                self.hands[at].entry(topic).or_default().new.push(index);
                self.loads[at] += 1;
                least.push(Reverse((self.loads[at], at)));
            }
        }
    }

    /// Hands partitions on until nobody has two more than anybody that it can hand one to, or for so
    /// many steps.
    fn level(&mut self, mut steps: usize) {
        // Whose loads may still fall, the largest last, and all loads.
        let mut heavy: BTreeSet<(usize, usize)> = self.by_load().collect();
        let mut all = heavy.clone();
        while let Some((load, from)) = heavy.last().copied() {
            let least = all.first().map_or(0, |(load, _)| *load);
            if load < least + 2 {
                return;
            }
            match self.search(from, least, &mut steps) {
                Found::Chain(chain) => {
                    let to = chain.last().map_or(from, |link| link.to);
                    for at in [from, to] {
                        heavy.remove(&(self.loads[at], at));
                        all.remove(&(self.loads[at], at));
                    }
                    self.hand_on(from, &chain);
                    for at in [from, to] {
                        heavy.insert((self.loads[at], at));
                        all.insert((self.loads[at], at));
                    }
                }
                // Whom it reaches, reaches no further than it does; and nobody who is left has more
                // than it has. So none of them will be relieved either.
                Found::Nothing(reached) => {
                    for at in reached {
                        heavy.remove(&(self.loads[at], at));
                    }
                }
            }
            if steps == 0 {
                return;
            }
        }
    }

    fn by_load(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.loads.iter().enumerate().map(|(at, load)| (*load, at))
    }

    /// The way to whoever has least of those that a partition could be handed on to, the nearest of
    /// them; nobody has less than `least`.
    fn search(&self, from: usize, least: usize, steps: &mut usize) -> Found {
        let mut came_by: BTreeMap<usize, Link> = BTreeMap::new();
        let mut seen = vec![false; self.ids.len()];
        let mut reached = vec![from];
        let mut queue = VecDeque::from([from]);
        let mut best: Option<usize> = None;
        'search: while let Some(at) = queue.pop_front() {
            let mut topics: Vec<(Reverse<usize>, usize)> = self.hands[at]
                .iter()
                .filter(|(topic, hand)| !seen[**topic] && hand.len() > 0)
                .map(|(topic, hand)| (Reverse(hand.len()), *topic))
                .collect();
            topics.sort_unstable();
            for (_, topic) in topics {
                seen[topic] = true;
                for to in self.subscribers[topic].iter().copied() {
                    if *steps == 0 {
                        break 'search;
                    }
                    *steps -= 1;
                    if to == from || came_by.contains_key(&to) {
                        continue;
                    }
                    came_by.insert(
                        to,
                        Link {
                            giver: at,
                            topic,
                            to,
                        },
                    );
                    reached.push(to);
                    queue.push_back(to);
                    let is_better = best.is_none_or(|best| self.loads[to] < self.loads[best]);
                    if is_better && self.loads[to] + 2 <= self.loads[from] {
                        best = Some(to);
                        if self.loads[to] == least {
                            break 'search;
                        }
                    }
                }
            }
        }
        let Some(mut to) = best else {
            return Found::Nothing(reached);
        };
        let mut chain = Vec::new();
        while to != from {
            let link = came_by[&to];
            chain.push(link);
            to = link.giver;
        }
        chain.reverse();
        Found::Chain(chain)
    }

    /// Everybody in the chain hands one on.
    fn hand_on(&mut self, from: usize, chain: &[Link]) {
        for link in chain {
            let topic = self.topic_to_hand_on(link);
            let hand = self.hands[link.giver].entry(topic).or_default();
            let index = hand.new.pop().or_else(|| hand.kept.pop());
            let index = index.expect("who hands on has one");
            let hand = self.hands[link.to].entry(topic).or_default();
            hand.new.push(index);
        }
        self.loads[from] -= 1;
        if let Some(last) = chain.last() {
            self.loads[last.to] += 1;
        }
    }

    /// Of which topic it is best that one goes: rather one of which a partition moves anyway; then that
    /// of which the giver has most more than the other.
    fn topic_to_hand_on(&self, link: &Link) -> usize {
        let has = |at: usize, topic: usize| self.hands[at].get(&topic).map_or(0, Hand::len);
        let hands = self.hands[link.giver].iter();
        let common = hands.filter(|(topic, hand)| {
            hand.len() > 0 && self.subscribers[**topic].binary_search(&link.to).is_ok()
        });
        let best = common.max_by_key(|(topic, hand)| {
            let more = hand.len() as isize - has(link.to, **topic) as isize;
            (!hand.new.is_empty(), more, Reverse(**topic))
        });
        best.map_or(link.topic, |(topic, _)| *topic)
    }

    fn finish(self) -> Vec<Partitions> {
        let ids = self.ids;
        let hands = self.hands.into_iter();
        hands
            .map(|hands| {
                Partitions::of(hands.into_iter().map(|(topic, mut hand)| {
                    hand.kept.append(&mut hand.new);
                    (ids[topic], hand.kept)
                }))
            })
            .collect()
    }
}

/// A partition of this topic is to go from one member to another.
#[derive(Clone, Copy)]
struct Link {
    giver: usize,
    topic: usize,
    to: usize,
}

enum Found {
    /// The links of the chain, in their order.
    Chain(Vec<Link>),
    /// Everybody who was reached.
    Nothing(Vec<usize>),
}
