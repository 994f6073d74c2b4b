//! A member of a group that the broker assigns (KIP-848): one heartbeat says and hears everything.

use super::member::{REBALANCE_MS, Tended};
use crate::cli::client::{Client, Committer, NEWEST, Reply};
use crate::cli::failure::Failure;
use crate::sys::{monotonic_us, random_bytes};
use crate::types::{TopicId, Uuid};
use crate::wire::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ConsumerGroupTopicPartitions,
    ErrorCode,
};
use std::collections::BTreeSet;

/// The epoch by which a member joins.
const JOINS: i32 = 0;
/// The epoch by which it leaves.
const LEAVES: i32 = -1;

/// A membership.
pub(super) struct Consumer {
    group: String,
    topic: String,
    topic_id: TopicId,
    /// Ours from the beginning (KIP-1082).
    member: String,
    epoch: i32,
    /// What it has, of our topic.
    owned: BTreeSet<i32>,
    /// Whether the broker has to hear of that.
    says_owned: bool,
    next_beat_us: u64,
}

/// How a first heartbeat went.
pub(super) enum Joined {
    /// It is a member.
    Yes(Consumer, Tended),
    /// The broker, or the group, is of the classic protocol alone; why.
    ClassicOnly(Failure),
}

impl Consumer {
    /// Joins a group.
    pub(super) fn join(
        client: &mut Client,
        group: &str,
        topic: &str,
        topic_id: TopicId,
    ) -> Result<Joined, Failure> {
        let mut member = Consumer {
            group: group.to_owned(),
            topic: topic.to_owned(),
            topic_id,
            member: Uuid::from_random(random_bytes()).to_string(),
            epoch: JOINS,
            owned: BTreeSet::new(),
            says_owned: false,
            next_beat_us: 0,
        };
        let reply = member.beat(client)?;
        let response: ConsumerGroupHeartbeatResponse = reply.body()?;
        Ok(match response.error_code {
            ErrorCode::UNSUPPORTED_VERSION
            | ErrorCode::GROUP_ID_NOT_FOUND
            | ErrorCode::INCONSISTENT_GROUP_PROTOCOL => {
                Joined::ClassicOnly(member.refused(&response))
            }
            _ => {
                let tended = member.take(&response)?;
                Joined::Yes(member, tended)
            }
        })
    }

    /// Who commits.
    pub(super) fn committer(&self) -> Committer<'_> {
        Committer {
            member: &self.member,
            epoch: self.epoch,
            has_epoch: true,
        }
    }

    /// Says that it is alive if it is time, or what it has if that is news.
    pub(super) fn tend(&mut self, client: &mut Client) -> Result<Tended, Failure> {
        if !self.says_owned && monotonic_us() < self.next_beat_us {
            return Ok(Tended::Same);
        }
        let reply = self.beat(client)?;
        let response: ConsumerGroupHeartbeatResponse = reply.body()?;
        self.take(&response)
    }

    /// It has these partitions now, and no others.
    pub(super) fn has(&mut self, owned: &BTreeSet<i32>) {
        if self.owned != *owned {
            self.owned.clone_from(owned);
            self.says_owned = true;
        }
    }

    fn beat(&mut self, client: &mut Client) -> Result<Reply, Failure> {
        let joins = self.epoch == JOINS;
        let owned = || match self.owned.is_empty() {
            true => Vec::new(),
            false => vec![ConsumerGroupTopicPartitions {
                topic_id: self.topic_id,
                partitions: self.owned.iter().copied().collect(),
            }],
        };
        let request = |_| ConsumerGroupHeartbeatRequest {
            group_id: self.group.as_str().into(),
            member_id: self.member.as_str().into(),
            member_epoch: self.epoch,
            rebalance_timeout_ms: if joins { REBALANCE_MS } else { -1 },
            subscribed_topic_names: joins.then(|| vec![self.topic.as_str().into()]),
            topic_partitions: (joins || self.says_owned).then(owned),
            ..Default::default()
        };
        client.ask_coordinator(&self.group, NEWEST, request, code)
    }

    fn take(&mut self, response: &ConsumerGroupHeartbeatResponse<'_>) -> Result<Tended, Failure> {
        match response.error_code {
            ErrorCode::NONE => {}
            // It joins again, under the same id.
            ErrorCode::FENCED_MEMBER_EPOCH | ErrorCode::UNKNOWN_MEMBER_ID => {
                self.epoch = JOINS;
                self.says_owned = false;
                self.next_beat_us = 0;
                return Ok(Tended::Has(BTreeSet::new()));
            }
            _ => return Err(self.refused(response)),
        }
        self.epoch = response.member_epoch;
        self.says_owned = false;
        let interval_ms = u64::try_from(response.heartbeat_interval_ms).unwrap_or(0);
        self.next_beat_us = monotonic_us() + interval_ms * 1000;
        let Some(assignment) = &response.assignment else {
            return Ok(Tended::Same);
        };
        let topics = assignment.topic_partitions.iter();
        let ours = topics.filter(|topic| topic.topic_id == self.topic_id);
        let partitions = ours.flat_map(|topic| topic.partitions.iter().copied());
        Ok(Tended::Has(partitions.collect()))
    }

    fn refused(&self, response: &ConsumerGroupHeartbeatResponse<'_>) -> Failure {
        let message = response.error_message.as_deref();
        let subject = format!("group '{}'", self.group);
        Failure::refused(&subject, response.error_code, message)
    }

    /// Leaves.
    pub(super) fn leave(&mut self, client: &mut Client) -> Result<(), Failure> {
        if self.epoch == JOINS {
            return Ok(());
        }
        self.epoch = LEAVES;
        self.says_owned = false;
        self.beat(client)?;
        self.epoch = JOINS;
        Ok(())
    }
}

fn code(reply: &Reply) -> Result<ErrorCode, Failure> {
    let response: ConsumerGroupHeartbeatResponse = reply.body()?;
    Ok(response.error_code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ConsumerGroupAssignment;

    fn member() -> Consumer {
        Consumer {
            group: "g".into(),
            topic: "t".into(),
            topic_id: Uuid([1; 16]),
            member: "m".into(),
            epoch: 4,
            owned: BTreeSet::from([0]),
            says_owned: true,
            next_beat_us: 0,
        }
    }

    fn partitions(topic: u8, partitions: &[i32]) -> ConsumerGroupTopicPartitions {
        ConsumerGroupTopicPartitions {
            topic_id: Uuid([topic; 16]),
            partitions: partitions.to_vec(),
        }
    }

    #[test]
    fn an_answer_tells_epoch_and_partitions() {
        let mut member = member();
        let response = ConsumerGroupHeartbeatResponse {
            member_epoch: 5,
            heartbeat_interval_ms: 1_000,
            assignment: Some(ConsumerGroupAssignment {
                topic_partitions: vec![partitions(2, &[7]), partitions(1, &[2, 0])],
            }),
            ..Default::default()
        };
        let tended = member.take(&response).unwrap();
        assert_eq!(tended, Tended::Has(BTreeSet::from([0, 2])));
        assert_eq!((member.epoch, member.says_owned), (5, false));
        assert!(member.next_beat_us > 0);
        let response = ConsumerGroupHeartbeatResponse {
            member_epoch: 6,
            ..Default::default()
        };
        assert_eq!(member.take(&response).unwrap(), Tended::Same);
        assert_eq!(member.epoch, 6);
    }

    #[test]
    fn who_is_fenced_has_nothing_and_joins_again() {
        for code in [ErrorCode::FENCED_MEMBER_EPOCH, ErrorCode::UNKNOWN_MEMBER_ID] {
            let mut member = member();
            let response = ConsumerGroupHeartbeatResponse {
                error_code: code,
                ..Default::default()
            };
            let tended = member.take(&response).unwrap();
            assert_eq!(tended, Tended::Has(BTreeSet::new()));
            assert_eq!((member.epoch, member.member.as_str()), (JOINS, "m"));
        }
        let mut member = member();
        let response = ConsumerGroupHeartbeatResponse {
            error_code: ErrorCode::GROUP_MAX_SIZE_REACHED,
            error_message: Some("full".into()),
            ..Default::default()
        };
        let why = member.take(&response).unwrap_err().to_string();
        assert_eq!(why, "group 'g': GROUP_MAX_SIZE_REACHED: full");
    }
}
