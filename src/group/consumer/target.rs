//! What the members are to have, and by what the group notices that topics have changed.

use super::member::Member;
use super::plan::Plan;
use super::{Consumer, ConsumerEntry, GroupEpoch, Profile, Refusal};
use crate::group::assign::{Assignor, Subscriber};
use crate::group::config::GroupConfig;
use crate::metadata::{Image, Topic};
use crate::types::TopicId;
use crate::wire::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use twox_hash::XxHash3_64;

/// By which version of it a hash of a topic was made.
const HASH_VERSION: u8 = 0;

/// The hashes of topics as far as they were asked for, and when topics have changed.
#[derive(Default, Debug)]
pub(in crate::group) struct TopicHashes {
    /// Counts the changes.
    version: u64,
    /// The offset of the metadata record up to which there have been new topics; none: not known.
    newest: Option<i64>,
    hashes: BTreeMap<Arc<str>, i64>,
}

impl TopicHashes {
    /// Topics have changed; with `created`, new ones have come by that offset of the metadata log.
    pub(in crate::group) fn change(&mut self, created: Option<i64>) {
        self.version += 1;
        self.newest = created.or(self.newest);
        self.hashes.clear();
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// By which offset of the metadata log the newest topic has come. Until one comes that is seen
    /// coming, it may have been at any time up to the offset where the image is now.
    pub(super) fn newest(&mut self, image_offset: i64) -> i64 {
        *self.newest.get_or_insert(image_offset)
    }

    /// The hash of all of these topics that exist (KIP-1101), 0 if none does: Kafka's, so that a group
    /// that moves finds nothing changed.
    pub(super) fn of_all<'n>(
        &mut self,
        names: impl Iterator<Item = &'n Arc<str>>,
        image: &Image,
    ) -> i64 {
        let mut bytes = Vec::new();
        for name in names {
            if let Some(topic) = image.topic(name) {
                let hash = self.hashes.entry(name.clone());
                let hash = hash.or_insert_with(|| hash_topic(topic, image));
                bytes.extend(hash.to_le_bytes());
            }
        }
        match bytes.is_empty() {
            true => 0,
            false => hash(&bytes),
        }
    }
}

fn hash_topic(topic: &Topic, image: &Image) -> i64 {
    let mut bytes = vec![HASH_VERSION];
    let id = u128::from_be_bytes(topic.id.0);
    bytes.extend(((id >> 64) as u64).to_le_bytes());
    bytes.extend((id as u64).to_le_bytes());
    put_text(&mut bytes, &topic.name);
    bytes.extend((topic.partitions.len() as i32).to_le_bytes());
    for (index, partition) in &topic.partitions {
        bytes.extend(index.0.to_le_bytes());
        let brokers = partition.replicas.iter().filter_map(|id| image.broker(*id));
        let mut racks: Vec<&str> = brokers
            .filter_map(|broker| broker.rack.as_deref())
            .collect();
        racks.sort_unstable();
        for rack in racks {
            bytes.extend((rack.encode_utf16().count() as i32).to_le_bytes());
            put_text(&mut bytes, rack);
        }
    }
    hash(&bytes)
}

/// A string as hash4j, which Kafka uses, feeds it: its UTF-16 units, then how many there are.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let mut units = 0i32;
    for unit in text.encode_utf16() {
        bytes.extend(unit.to_le_bytes());
        units += 1;
    }
    bytes.extend(units.to_le_bytes());
}

fn hash(bytes: &[u8]) -> i64 {
    XxHash3_64::oneshot(bytes).cast_signed()
}

impl Consumer {
    /// The hash of the topics that it is subscribed to.
    pub(super) fn hash(&self, hashes: &mut TopicHashes, image: &Image) -> i64 {
        hashes.of_all(self.subscribed.keys(), image)
    }

    /// The topics that a member wants and that exist. A regular expression that was not looked up yet
    /// stands for none.
    pub(super) fn wanted(&self, profile: &Profile, image: &Image) -> BTreeSet<TopicId> {
        let resolved = profile
            .regex
            .as_ref()
            .and_then(|regex| self.regexes.get(regex));
        let by_regex = resolved.into_iter().flat_map(|resolved| &resolved.topics);
        let names = profile.topics.iter().chain(by_regex);
        names
            .filter_map(|name| Some(image.topic(name)?.id))
            .collect()
    }

    /// The assignor for which most members vote, the first of them in the configuration; if nobody
    /// votes, the first of all.
    pub(super) fn assignor(&self, config: &GroupConfig) -> Assignor {
        let votes = |assignor: &Assignor| {
            let members = self.members.values();
            let vote = members.filter_map(|member| member.profile.assignor.as_deref());
            vote.filter(|name| *name == assignor.name()).count()
        };
        let assignors = config.consumer_assignors.iter().copied();
        let elected = assignors.rev().max_by_key(votes);
        elected.unwrap_or(Assignor::Uniform)
    }
}

impl Plan<'_> {
    /// Raises the group's epoch.
    pub(super) fn raise_epoch(&mut self, hash: i64) -> Result<(), Refusal> {
        // Only a log that was tampered with counts that far.
        let epoch = self.group().epoch.checked_add(1).ok_or_else(|| {
            let why = "The group's epoch cannot be raised any more.";
            Refusal::new(ErrorCode::UNKNOWN_SERVER_ERROR, why)
        })?;
        self.write(ConsumerEntry::Epoch(Some(GroupEpoch { epoch, hash })));
        Ok(())
    }

    /// Computes the target for the group's epoch, and writes what is another one than before.
    pub(super) fn set_target(&mut self, image: &Image, config: &GroupConfig) {
        let group = self.group();
        let wanted = distinct_wishes(group, image);
        let members: Vec<Subscriber<'_>> = group
            .members
            .iter()
            .map(|(id, member)| Subscriber {
                id,
                instance: member.profile.instance.as_deref(),
                topics: wanted[&wish(member)].clone(),
                held: group.target.get(id).cloned().unwrap_or_default(),
            })
            .collect();
        let topics: BTreeMap<TopicId, i32> = wanted
            .values()
            .flat_map(|topics| topics.iter())
            .filter_map(|id| Some((*id, image.topic_by_id(*id)?.partitions.len() as i32)))
            .collect();
        let assigned = group.assignor(config).assign(&topics, &members);
        let mut changed = Vec::new();
        for (id, partitions) in group.members.keys().zip(assigned) {
            if group.target.get(id) != Some(&partitions) {
                changed.push(ConsumerEntry::Target(id.clone(), Some(partitions)));
            }
        }
        let epoch = group.epoch;
        for entry in changed {
            self.write(entry);
        }
        self.write(ConsumerEntry::TargetEpoch(Some(epoch)));
    }
}

/// What a member says that it wants.
type Wish<'a> = (&'a BTreeSet<Arc<str>>, Option<&'a Arc<str>>);

fn wish(member: &Member) -> Wish<'_> {
    (&member.profile.topics, member.profile.regex.as_ref())
}

/// The topics behind everything that members say: mostly all say the same.
fn distinct_wishes<'a>(
    group: &'a Consumer,
    image: &Image,
) -> BTreeMap<Wish<'a>, Arc<BTreeSet<TopicId>>> {
    let mut wanted = BTreeMap::new();
    for member in group.members.values() {
        let wanted = wanted.entry(wish(member));
        wanted.or_insert_with(|| Arc::new(group.wanted(&member.profile, image)));
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Uuid;
    use crate::wire::{MetadataRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord};

    /// Topics on brokers of which two say their racks.
    fn image() -> Image {
        let mut image = Image::new();
        let topics: [(u8, &str, i32, &[i32]); 2] =
            [(1, "t", 3, &[1, 2]), (3, "racks", 2, &[2, 3, 1])];
        for (id, name, partitions, replicas) in topics {
            let topic_id = Uuid([id; 16]);
            let name = name.into();
            let topic = MetadataRecord::Topic(TopicRecord { name, topic_id });
            image.replay(&topic).expect("a topic");
            for partition_id in 0..partitions {
                let partition = MetadataRecord::Partition(PartitionRecord {
                    partition_id,
                    topic_id,
                    replicas: replicas.to_vec(),
                    isr: replicas.to_vec(),
                    leader: replicas[0],
                    leader_epoch: 0,
                    partition_epoch: 0,
                    ..Default::default()
                });
                image.replay(&partition).expect("a partition");
            }
        }
        for (broker_id, rack) in [(2, "r-\u{20ac}"), (3, "a")] {
            let broker = MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker_id,
                rack: Some(rack.into()),
                ..Default::default()
            });
            image.replay(&broker).expect("a broker");
        }
        image
    }

    /// The numbers are those of Kafka 4.2's `Utils.computeTopicHash` and `computeGroupHash`.
    #[test]
    fn hashes_are_kafkas() {
        let image = image();
        for (name, expected) in [("t", 5616171286436656669), ("racks", -2359779480055057950)] {
            let topic = image.topic(name).expect("a topic");
            assert_eq!(hash_topic(topic, &image), expected, "{name}");
        }
        let mut hashes = TopicHashes::default();
        let mut of = |names: &[&str]| {
            let names: BTreeSet<Arc<str>> = names.iter().map(|name| (*name).into()).collect();
            hashes.of_all(names.iter(), &image)
        };
        assert_eq!(of(&["t", "absent"]), -2954538780213253833);
        assert_eq!(of(&["t", "racks"]), 7792657377506897627);
    }

    #[test]
    fn a_group_without_topics_has_no_hash() {
        let mut hashes = TopicHashes::default();
        let names = [Arc::from("gone")];
        assert_eq!(hashes.of_all(names.iter(), &Image::new()), 0);
    }

    #[test]
    fn text_is_hashed_by_its_units_and_their_number() {
        let mut bytes = Vec::new();
        put_text(&mut bytes, "a€");
        assert_eq!(bytes, [b'a', 0, 0xac, 0x20, 2, 0, 0, 0]);
    }
}
