//! Offsets by time: one question per leader, asked again where a leader has moved.

use super::{Client, Deadline, NEWEST, To, TopicState};
use crate::cli::failure::Failure;
use crate::types::{NodeId, Offset, Timestamp};
use crate::wire::{
    ErrorCode, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use std::collections::BTreeMap;

/// What a time asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum At {
    /// Where the log starts.
    Earliest,
    /// Where the next record goes.
    Latest,
    /// The record with the largest timestamp.
    MaxTimestamp,
    /// The first record that is not older.
    Time(Timestamp),
}

impl At {
    fn wire(self) -> i64 {
        match self {
            At::Latest => -1,
            At::Earliest => -2,
            At::MaxTimestamp => -3,
            At::Time(time) => time.0,
        }
    }
}

/// What a leader answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) struct OffsetAt {
    /// None if there is no such record.
    pub(in crate::cli) offset: Option<Offset>,
    /// Of the record found; none for the log's ends.
    pub(in crate::cli) timestamp: Option<Timestamp>,
}

/// Codes that a look at new metadata may cure.
pub(in crate::cli) fn is_stale(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::OFFSET_NOT_AVAILABLE
            | ErrorCode::REPLICA_NOT_AVAILABLE
            | ErrorCode::BROKER_NOT_AVAILABLE
    )
}

impl Client {
    /// The offsets of these partitions at these times. With `committed`, the end is where the first
    /// undecided transaction begins.
    pub(in crate::cli) fn offsets(
        &mut self,
        topic: &mut TopicState,
        wanted: &BTreeMap<i32, At>,
        committed: bool,
    ) -> Result<BTreeMap<i32, OffsetAt>, Failure> {
        let deadline = Deadline::after(self.timeout());
        let mut found = BTreeMap::new();
        loop {
            let mut by_leader: BTreeMap<NodeId, Vec<ListOffsetsPartition>> = BTreeMap::new();
            for (&index, at) in wanted
                .iter()
                .filter(|(index, _)| !found.contains_key(*index))
            {
                let leader = topic.partition(index)?.leader(&topic.name)?;
                let asked = by_leader.entry(leader).or_default();
                asked.push(ListOffsetsPartition {
                    partition_index: index,
                    timestamp: at.wire(),
                    ..Default::default()
                });
            }
            let mut stale = None;
            for (leader, partitions) in by_leader {
                let asks_for_largest = partitions.iter().any(|it| it.timestamp == -3);
                let request = ListOffsetsRequest {
                    replica_id: -1,
                    isolation_level: i8::from(committed),
                    topics: vec![ListOffsetsTopic {
                        name: topic.name.clone().into(),
                        partitions,
                    }],
                    timeout_ms: self.timeout_ms(),
                };
                let sent = self.send(To::Node(leader), &request, NEWEST)?;
                let reply = self.receive(sent)?;
                if asks_for_largest && reply.version() < 7 {
                    return Err(Failure::new(format!(
                        "broker {leader} is too old to find the largest timestamp"
                    )));
                }
                let response: ListOffsetsResponse = reply.body()?;
                for answer in response.topics.iter().flat_map(|topic| &topic.partitions) {
                    let subject = format!("'{}' partition {}", topic.name, answer.partition_index);
                    match answer.error_code {
                        ErrorCode::NONE => {
                            let answer_at = OffsetAt {
                                offset: (answer.offset >= 0).then_some(Offset(answer.offset)),
                                timestamp: (answer.timestamp >= 0)
                                    .then_some(Timestamp(answer.timestamp)),
                            };
                            found.insert(answer.partition_index, answer_at);
                        }
                        code if is_stale(code) && deadline.left().is_some() => {
                            stale = Some(subject);
                        }
                        code => return Err(Failure::refused(&subject, code, None)),
                    }
                }
            }
            match stale {
                Some(_) => *topic = self.topic_again(&topic.name)?,
                None if wanted.keys().all(|index| found.contains_key(index)) => return Ok(found),
                None => return Err(Failure::new("the broker left partitions out of its answer")),
            }
        }
    }
}
