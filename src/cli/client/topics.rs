//! Topics as metadata shows them, and their leaders.

use super::{Client, Deadline, To};
use crate::cli::failure::Failure;
use crate::types::{LeaderEpoch, NodeId, TopicId};
use crate::wire::{ErrorCode, MetadataRequest, MetadataResponse, MetadataTopic};
use std::thread::sleep;
use std::time::Duration;

/// Between two looks at metadata that is not complete yet.
const PAUSE: Duration = Duration::from_millis(100);

/// A topic.
#[derive(Clone, Debug)]
pub(in crate::cli) struct TopicState {
    pub(in crate::cli) name: String,
    /// Zero before Kafka 2.8.
    pub(in crate::cli) id: TopicId,
    pub(in crate::cli) internal: bool,
    /// Ascending.
    pub(in crate::cli) partitions: Vec<PartitionState>,
    pub(in crate::cli) error: ErrorCode,
}

/// A partition.
#[derive(Clone, Debug)]
pub(in crate::cli) struct PartitionState {
    pub(in crate::cli) index: i32,
    pub(in crate::cli) leader: Option<NodeId>,
    pub(in crate::cli) leader_epoch: LeaderEpoch,
    pub(in crate::cli) replicas: Vec<i32>,
    pub(in crate::cli) in_sync: Vec<i32>,
    pub(in crate::cli) offline: Vec<i32>,
}

impl TopicState {
    /// The partition of this index.
    pub(in crate::cli) fn partition(&self, index: i32) -> Result<&PartitionState, Failure> {
        let found = self.partitions.iter().find(|it| it.index == index);
        found.ok_or_else(|| {
            Failure::new(format!("'{}' has no partition {index}", self.name))
                .advise(format!("it has {}, counted from 0", self.partitions.len()))
        })
    }
}

impl PartitionState {
    /// Where to send what only the leader can answer.
    pub(in crate::cli) fn leader(&self, topic: &str) -> Result<NodeId, Failure> {
        self.leader.ok_or_else(|| {
            let subject = format!("'{topic}' partition {}", self.index);
            Failure::refused(&subject, ErrorCode::LEADER_NOT_AVAILABLE, None)
        })
    }
}

impl Client {
    /// The topics of these names, or all of them; sorted by name. One that does not exist may be
    /// created by being asked for, if the broker allows it.
    pub(in crate::cli) fn topics(
        &mut self,
        names: Option<&[&str]>,
        create: bool,
    ) -> Result<Vec<TopicState>, Failure> {
        let topic = |name: &&str| MetadataTopic {
            name: Some((*name).to_owned().into()),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: names.map(|names| names.iter().map(topic).collect()),
            allow_auto_topic_creation: create,
            ..Default::default()
        };
        let reply = self.call(To::Any, &request)?;
        let response: MetadataResponse = reply.body()?;
        self.learn(&response);
        let mut topics: Vec<TopicState> = response.topics.iter().map(state).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// One topic that is there and whose partitions have leaders; waits for both if it may be created.
    pub(in crate::cli) fn topic(
        &mut self,
        name: &str,
        create: bool,
    ) -> Result<TopicState, Failure> {
        let deadline = Deadline::after(self.timeout());
        loop {
            let mut topics = self.topics(Some(&[name]), create)?;
            let topic = topics.pop().filter(|topic| topic.name == name);
            let topic = topic
                .ok_or_else(|| Failure::new(format!("the broker says nothing of '{name}'")))?;
            let pending = topic.error == ErrorCode::LEADER_NOT_AVAILABLE
                || create && topic.error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                || topic.error.is_none() && topic.partitions.iter().any(|it| it.leader.is_none());
            if pending && deadline.left().is_some_and(|left| left > PAUSE) && create {
                sleep(PAUSE);
                continue;
            }
            return match topic.error {
                ErrorCode::NONE => Ok(topic),
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => Err(unknown(name)),
                code => Err(Failure::refused(&format!("topic '{name}'"), code, None)),
            };
        }
    }

    /// The leader of a partition may have moved: waits a moment and looks again.
    pub(in crate::cli) fn topic_again(&mut self, name: &str) -> Result<TopicState, Failure> {
        sleep(PAUSE);
        self.topic(name, false)
    }
}

/// There is no such topic.
pub(in crate::cli) fn unknown(name: &str) -> Failure {
    Failure::new(format!("there is no topic '{name}'"))
        .advise("`millstream topics list` shows what there is")
}

fn state(topic: &crate::wire::MetadataTopicResponse<'_>) -> TopicState {
    let mut partitions: Vec<PartitionState> = topic
        .partitions
        .iter()
        .map(|partition| PartitionState {
            index: partition.partition_index,
            leader: (partition.leader_id >= 0).then_some(NodeId(partition.leader_id)),
            leader_epoch: LeaderEpoch(partition.leader_epoch),
            replicas: partition.replica_nodes.clone(),
            in_sync: partition.isr_nodes.clone(),
            offline: partition.offline_replicas.clone(),
        })
        .collect();
    partitions.sort_by_key(|partition| partition.index);
    TopicState {
        name: topic.name.as_deref().unwrap_or_default().to_owned(),
        id: topic.topic_id,
        internal: topic.is_internal,
        partitions,
        error: topic.error_code,
    }
}
