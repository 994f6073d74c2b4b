//! Members of consumer groups (KIP-848), as the tests drive them: one heartbeat at a time.

use crate::broker::{Broker, Topic};
use crate::client::Client;
use crate::members::{commit_request, find, the_error, until};
use millstream::types::Uuid;
use millstream::wire::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ConsumerGroupTopicPartitions,
    ErrorCode, OffsetCommitRequest, OffsetCommitResponse,
};
use std::collections::BTreeSet;

/// The newest version.
pub const BEAT: i16 = 1;

/// A partition of a topic.
pub type Owned = BTreeSet<(Uuid, i32)>;

/// A member of a consumer group, or one that wants to be.
pub struct Consumer {
    pub client: Client,
    pub group: String,
    pub id: String,
    pub instance: Option<&'static str>,
    /// Its epoch; 0 before it has joined.
    pub epoch: i32,
    /// What it has been given.
    pub owned: Owned,
    pub topics: Vec<String>,
    pub regex: Option<String>,
    pub assignor: Option<&'static str>,
}

impl Consumer {
    /// One that wants these topics.
    pub fn of(broker: &Broker, group: &str, id: &str, topics: &[&str]) -> Consumer {
        let mut client = broker.client();
        assert_eq!(find(&mut client, group), ErrorCode::NONE);
        Consumer {
            client,
            group: group.into(),
            id: id.into(),
            instance: None,
            epoch: 0,
            owned: Owned::new(),
            topics: topics.iter().map(|topic| (*topic).into()).collect(),
            regex: None,
            assignor: None,
        }
    }

    /// All that a member can say, as one that joins does.
    pub fn request(&self) -> ConsumerGroupHeartbeatRequest<'static> {
        let topics = self.topics.iter();
        ConsumerGroupHeartbeatRequest {
            group_id: self.group.clone().into(),
            member_id: self.id.clone().into(),
            member_epoch: self.epoch,
            instance_id: self.instance.map(Into::into),
            rack_id: None,
            rebalance_timeout_ms: 30_000,
            subscribed_topic_names: Some(topics.map(|name| name.clone().into()).collect()),
            subscribed_topic_regex: self.regex.clone().map(Into::into),
            server_assignor: self.assignor.map(Into::into),
            topic_partitions: Some(listed(&self.owned)),
        }
    }

    /// A heartbeat; the answer as it comes.
    pub fn ask(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest<'static>,
    ) -> ConsumerGroupHeartbeatResponse<'static> {
        self.client.call(BEAT, request)
    }

    /// A heartbeat that is taken; does what it is told. Returns whether anything is new.
    pub fn beat(&mut self) -> bool {
        let request = self.request();
        let response = self.ask(&request);
        assert_eq!(response.error_code, ErrorCode::NONE, "{response:?}");
        let before = (self.epoch, self.owned.clone());
        self.epoch = response.member_epoch;
        if let Some(assignment) = response.assignment {
            let topics = assignment.topic_partitions.into_iter();
            self.owned = topics
                .flat_map(|topic| {
                    let partitions = topic.partitions.into_iter();
                    partitions.map(move |index| (topic.topic_id, index))
                })
                .collect();
        }
        before != (self.epoch, self.owned.clone())
    }

    /// A heartbeat with that epoch and nothing else; its error.
    pub fn bare(&mut self, epoch: i32) -> ErrorCode {
        let request = ConsumerGroupHeartbeatRequest {
            group_id: self.group.clone().into(),
            member_id: self.id.clone().into(),
            instance_id: self.instance.map(Into::into),
            member_epoch: epoch,
            ..Default::default()
        };
        self.ask(&request).error_code
    }

    /// Leaves for good.
    pub fn leave(&mut self) {
        assert_eq!(self.bare(-1), ErrorCode::NONE);
        self.owned.clear();
        self.epoch = 0;
    }

    /// Commits as a member in that epoch.
    pub fn commit(
        &mut self,
        version: i16,
        epoch: i32,
        topic: &Topic,
        offsets: &[(i32, i64)],
    ) -> ErrorCode {
        let request = OffsetCommitRequest {
            generation_id_or_member_epoch: epoch,
            member_id: self.id.clone().into(),
            group_instance_id: self.instance.map(Into::into),
            ..commit_request(&self.group, topic, offsets)
        };
        let response: OffsetCommitResponse = self.client.call(version, &request);
        the_error(&response)
    }
}

fn listed(owned: &Owned) -> Vec<ConsumerGroupTopicPartitions> {
    let mut topics: Vec<ConsumerGroupTopicPartitions> = Vec::new();
    for (topic_id, index) in owned {
        match topics.last_mut().filter(|last| last.topic_id == *topic_id) {
            Some(last) => last.partitions.push(*index),
            None => topics.push(ConsumerGroupTopicPartitions {
                topic_id: *topic_id,
                partitions: vec![*index],
            }),
        }
    }
    topics
}

/// The partitions of topics, by their numbers.
pub fn all_of(topics: &[(&Topic, i32)]) -> Owned {
    let topics = topics.iter();
    topics
        .flat_map(|(topic, count)| (0..*count).map(|index| (topic.id, index)))
        .collect()
}

/// Heartbeats of all of them in turn, until together they own what is expected, each once, and in one
/// epoch. At no time do two own the same.
pub fn settle(consumers: &mut [&mut Consumer], expected: &Owned) {
    let step = || {
        let mut is_quiet = true;
        for at in 0..consumers.len() {
            is_quiet &= !consumers[at].beat();
            let mut seen = Owned::new();
            let owned = consumers.iter().flat_map(|consumer| &consumer.owned);
            owned.for_each(|it| assert!(seen.insert(*it), "two own {it:?}"));
        }
        let owned = consumers.iter().flat_map(|consumer| &consumer.owned);
        let epochs: BTreeSet<i32> = consumers.iter().map(|consumer| consumer.epoch).collect();
        (is_quiet && epochs.len() == 1, owned.copied().collect())
    };
    until(step, |(is_settled, owned): &(bool, Owned)| {
        *is_settled && owned == expected
    });
}
