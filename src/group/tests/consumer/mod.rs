//! Tests of consumer groups (KIP-848): a bench with topics, and clients that do what clients do.

mod commits;
mod joining;
mod leaving;
mod loading;
mod migrating;
mod mixed;
mod model;
mod reconciling;
mod regexes;
mod topics;

use super::*;
use crate::group::partitions::Partitions;
use crate::types::{PartitionIndex, TopicId, Uuid};
use crate::wire::{
    ConfigRecord, MetadataRecord, PartitionRecord, RegisterBrokerRecord, RemoveTopicRecord,
    TopicRecord,
};

const INTERVAL_MS: i32 = 5_000;
const CONSUMER_SESSION_MS: u64 = 45_000;

/// The id that a topic has in these tests; another one when it is made again.
fn topic_id(name: &str, incarnation: u8) -> TopicId {
    let mut id = [incarnation; 16];
    for (at, byte) in name.bytes().take(15).enumerate() {
        id[at + 1] = byte;
    }
    Uuid(id)
}

impl Bench {
    fn replay_metadata(&mut self, record: MetadataRecord<'_>) {
        self.image.replay(&record).expect("a record that fits");
        self.image_offset += 1;
    }

    /// A new topic. The coordinator hears of it.
    pub(in crate::group::tests) fn add_topic(&mut self, name: &str, partitions: i32) -> TopicId {
        let mut incarnation = 1;
        while self.made.contains(&topic_id(name, incarnation)) {
            incarnation += 1;
        }
        let id = topic_id(name, incarnation);
        self.made.push(id);
        self.replay_metadata(MetadataRecord::Topic(TopicRecord {
            name: name.to_string().into(),
            topic_id: id,
        }));
        self.add_partitions(id, 0..partitions);
        self.tell(true);
        id
    }

    fn add_partitions(&mut self, topic_id: TopicId, partitions: std::ops::Range<i32>) {
        for partition_id in partitions {
            self.replay_metadata(MetadataRecord::Partition(PartitionRecord {
                partition_id,
                topic_id,
                replicas: vec![1],
                isr: vec![1],
                leader: 1,
                leader_epoch: 0,
                partition_epoch: 0,
                ..Default::default()
            }));
        }
    }

    fn topic(&self, name: &str) -> TopicId {
        self.image.topic(name).expect("the topic").id
    }

    /// A topic gets partitions.
    fn grow_topic(&mut self, name: &str, partitions: i32) {
        let topic = self.image.topic(name).expect("the topic");
        let (id, count) = (topic.id, topic.partitions.len() as i32);
        self.add_partitions(id, count..partitions);
        self.tell(false);
    }

    fn remove_topic(&mut self, name: &str) {
        let topic_id = self.topic(name);
        self.replay_metadata(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id }));
        let gone = [name.to_string()];
        let step = self.act(|coordinator, context| coordinator.topics_deleted(context, &gone));
        self.take(step);
    }

    fn tell(&mut self, created: bool) {
        let step = self.act(|coordinator, context| {
            coordinator.topics_changed(context, created);
            Step::default()
        });
        self.take(step);
    }

    /// Sets one of a group's own settings.
    fn configure_group(&mut self, group: &str, key: &str, value: &str) {
        self.replay_metadata(MetadataRecord::Config(ConfigRecord {
            resource_type: 32,
            resource_name: group.to_string().into(),
            name: key.to_string().into(),
            value: Some(value.to_string().into()),
        }));
    }

    fn add_broker(&mut self, id: i32, rack: &str) {
        self.replay_metadata(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: id,
            rack: Some(rack.to_string().into()),
            ..Default::default()
        }));
    }

    fn beat(&mut self, beat: ConsumerHeartbeat) -> ConsumerBeat {
        match self.call(Call::ConsumerHeartbeat(beat)) {
            Reply::ConsumerBeat(beat) => beat,
            other => panic!("{other:?}"),
        }
    }

    /// A heartbeat that is answered without an error.
    pub(in crate::group::tests) fn beats(&mut self, beat: ConsumerHeartbeat) -> ConsumerBeat {
        let reply = self.beat(beat.clone());
        assert_eq!(reply.error, ErrorCode::NONE, "{beat:?} {reply:?}");
        reply
    }

    fn describe_consumer(&mut self, group: &str) -> ConsumerDescribed {
        let describe = ConsumerDescribe {
            group: group.to_string(),
        };
        match self.call(Call::ConsumerDescribe(describe)) {
            Reply::ConsumerDescribed(described) => described,
            other => panic!("{other:?}"),
        }
    }

    /// The types of the records that were written behind that place in the log, with `-` before those of
    /// tombstones.
    fn types_since(&self, at: usize) -> Vec<i16> {
        let records = self.log[at..].iter();
        records
            .map(|record| {
                let kind = i16::from_be_bytes([record.key[0], record.key[1]]);
                match record.value {
                    Some(_) => kind,
                    None => -kind,
                }
            })
            .collect()
    }

    /// Nothing was written behind that place in the log.
    fn nothing_since(&self, at: usize) {
        assert!(self.log.len() == at, "{:?}", self.types_since(at));
    }

    /// Partitions of a topic.
    fn of(&self, topic: &str, partitions: &[i32]) -> Partitions {
        let partitions = partitions.iter().copied().map(PartitionIndex);
        Partitions::of([(self.topic(topic), partitions.collect())])
    }
}

/// A heartbeat to the group "g" that says nothing but who it is of.
fn beat(member: &str, epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group: "g".to_string(),
        member: member.to_string(),
        epoch,
        instance: None,
        rack: None,
        rebalance_timeout_ms: None,
        topics: None,
        regex: None,
        assignor: None,
        owned: None,
        client_id: "client".to_string(),
        client_host: "/10.0.0.1".to_string(),
        makes_its_id: true,
    }
}

/// A heartbeat by which a member joins.
pub(in crate::group::tests) fn joins(member: &str, topics: &[&str]) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        rebalance_timeout_ms: Some(REBALANCE_MS),
        topics: Some(topics.iter().map(|topic| topic.to_string()).collect()),
        owned: Some(Partitions::new()),
        ..beat(member, 0)
    }
}

/// A heartbeat of a member that says what it owns.
fn owns(member: &str, epoch: i32, owned: &Partitions) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        owned: Some(owned.clone()),
        ..beat(member, epoch)
    }
}

/// A consumer that does what it is told at once.
#[derive(Clone, Debug)]
struct Client {
    id: String,
    topics: Vec<String>,
    epoch: i32,
    owned: Partitions,
}

impl Client {
    fn new(id: &str, topics: &[&str]) -> Client {
        Client {
            id: id.to_string(),
            topics: topics.iter().map(|topic| topic.to_string()).collect(),
            epoch: 0,
            owned: Partitions::new(),
        }
    }

    /// A heartbeat. Returns whether anything changed.
    fn beat(&mut self, bench: &mut Bench) -> bool {
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let call = match self.epoch {
            0 => joins(&self.id, &topics),
            epoch => owns(&self.id, epoch, &self.owned),
        };
        let reply = bench.beats(call);
        let before = (self.epoch, self.owned.clone());
        self.epoch = reply.epoch;
        if let Some(assignment) = reply.assignment {
            self.owned = assignment;
        }
        before != (self.epoch, self.owned.clone())
    }
}

/// Heartbeats of all until none changes anything.
fn converge(bench: &mut Bench, clients: &mut [Client]) {
    for _ in 0..50 {
        let mut changed = false;
        for client in clients.iter_mut() {
            changed |= client.beat(bench);
        }
        if !changed {
            assert_eq!(bench.state("g"), "Stable");
            return;
        }
    }
    panic!("it comes to no end: {clients:?}");
}
