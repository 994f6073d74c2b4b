//! How far groups have come: everything that is committed, and who consumes it now. A query that
//! changes nothing, answered in pages of bounded length, so that whoever watches the broker holds up
//! nobody who works with it.

use super::admin::listed;
use super::classic;
use super::consumer::Consumer;
use super::coordinator::Coordinator;
use super::kind::{Group, Kind};
use crate::metadata::Image;
use crate::types::{Offset, PartitionIndex, Timestamp};
use crate::wire::ConsumerProtocolAssignment;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// A group, and what it has committed, or a part of that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The group's id.
    pub group: Arc<str>,
    /// Kafka's name of the type, `classic` ...
    pub kind: &'static str,
    /// Kafka's name of the state.
    pub state: &'static str,
    /// How many members it has.
    pub members: usize,
    /// What it has committed, by topic and partition.
    pub offsets: Vec<StandingOffset>,
}

/// What a group has committed for one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StandingOffset {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: PartitionIndex,
    /// The offset of the next record to be consumed.
    pub offset: Offset,
    /// When it was committed.
    pub committed: Timestamp,
    /// Who consumes the partition now, if anybody does.
    pub owner: Option<Owner>,
}

/// The member that consumes a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// Its id.
    pub member: Arc<str>,
    /// The client id that it has said.
    pub client_id: Arc<str>,
    /// Where it comes from, as Kafka writes it: `/127.0.0.1`.
    pub client_host: Arc<str>,
}

/// Up to where a coordinator's groups are told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The last group, by id.
    pub group: Arc<str>,
    /// The last offset of it that is told; none: the whole group is.
    pub offset: Option<(Arc<str>, PartitionIndex)>,
}

/// Where the next page begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bookmark {
    /// The partition of `__consumer_offsets`.
    pub coordinator: PartitionIndex,
    /// Up to where its groups are told; none: nothing is.
    pub told: Option<Told>,
}

/// Some of a shard's groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StandingPage {
    /// When this was so.
    pub at: Timestamp,
    /// The groups. One that goes on from the page before is told of again, with what follows.
    pub standings: Vec<Standing>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<Bookmark>,
}

impl Coordinator {
    /// Tells of the groups behind what is told already, by id, until there is no room left: each group
    /// takes one, and so does each offset; the first of a group is told in any case. Returns up to where it
    /// told if something is left.
    ///
    /// # Panics
    /// Without any room: then nothing would be told, for ever.
    pub fn standings(
        &self,
        image: &Image,
        told: Option<&Told>,
        room: &mut usize,
    ) -> (Vec<Standing>, Option<Told>) {
        assert!(*room > 0, "a page has room");
        let mut standings = Vec::new();
        let mut last: Option<Told> = None;
        let from = match told {
            None => Bound::Unbounded,
            Some(Told {
                group,
                offset: None,
            }) => Bound::Excluded(&**group),
            Some(Told { group, .. }) => Bound::Included(&**group),
        };
        let range = (from, Bound::Unbounded);
        for number in self.by_id.range::<str, _>(range).map(|(_, number)| number) {
            if *room == 0 {
                return (standings, last);
            }
            *room -= 1;
            let group = &self.groups[number];
            let begun = told.filter(|told| told.group == group.id);
            let begun = begun.and_then(|told| told.offset.as_ref());
            let (standing, stopped) = standing(group, image, begun, room);
            standings.push(standing);
            let stopped_at = Told {
                group: group.id.clone(),
                offset: stopped,
            };
            if stopped_at.offset.is_some() {
                return (standings, Some(stopped_at));
            }
            last = Some(stopped_at);
        }
        (standings, None)
    }
}

/// Tells of one group, and of its first offset at least. Returns the last offset told if others are left.
fn standing(
    group: &Group,
    image: &Image,
    begun: Option<&(Arc<str>, PartitionIndex)>,
    room: &mut usize,
) -> (Standing, Option<(Arc<str>, PartitionIndex)>) {
    let listed = listed(group);
    let mut standing = Standing {
        group: listed.group,
        kind: listed.kind,
        state: listed.state,
        members: match &group.kind {
            Kind::Classic(classic) => classic.roster().len(),
            Kind::Consumer(consumer) => consumer.members().len(),
        },
        offsets: Vec::new(),
    };
    let owners = Owners::of(&group.kind, image);
    for (topic, partition, committed) in group.offsets.behind(begun) {
        if *room == 0
            && let Some(last) = standing.offsets.last()
        {
            let stopped = (last.topic.clone(), last.partition);
            return (standing, Some(stopped));
        }
        *room = room.saturating_sub(1);
        standing.offsets.push(StandingOffset {
            topic: topic.clone(),
            partition,
            offset: committed.offset,
            committed: committed.committed,
            owner: owners.find(topic, partition),
        });
    }
    (standing, None)
}

/// Who consumes which partition of a group.
enum Owners<'a> {
    /// As the members' assignments say, by topic and partition.
    Classic(BTreeMap<String, BTreeMap<i32, &'a classic::Member>>),
    Consumer(&'a Consumer, &'a Image),
}

impl<'a> Owners<'a> {
    fn of(kind: &'a Kind, image: &'a Image) -> Owners<'a> {
        let classic = match kind {
            Kind::Consumer(consumer) => return Owners::Consumer(consumer, image),
            Kind::Classic(classic) => classic,
        };
        let mut owners: BTreeMap<String, BTreeMap<i32, &classic::Member>> = BTreeMap::new();
        if classic.is_of_consumers() {
            for (_, member) in classic.roster().iter() {
                // Who has nothing yet has no bytes, and what a leader has written need not be readable.
                let Ok((read, _)) = ConsumerProtocolAssignment::from_bytes(&member.assignment)
                else {
                    continue;
                };
                for topic in read.assigned_partitions {
                    let partitions = topic.partitions.into_iter();
                    let owned = owners.entry(topic.topic.into_owned()).or_default();
                    owned.extend(partitions.map(|index| (index, member)));
                }
            }
        }
        Owners::Classic(owners)
    }

    fn find(&self, topic: &str, partition: PartitionIndex) -> Option<Owner> {
        match self {
            Owners::Classic(owners) => {
                let member = owners.get(topic)?.get(&partition.0)?;
                Some(Owner {
                    member: member.id.clone(),
                    client_id: member.client_id.clone(),
                    client_host: member.client_host.clone(),
                })
            }
            Owners::Consumer(consumer, image) => {
                let id = image.topic(topic)?.id;
                let (member, found) = consumer.owner(id, partition)?;
                Some(Owner {
                    member: member.clone(),
                    client_id: found.profile.client_id.clone(),
                    client_host: found.profile.client_host.clone(),
                })
            }
        }
    }
}
