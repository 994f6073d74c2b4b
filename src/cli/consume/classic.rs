//! A member of a classic group: it joins, leads if it has to, and gives up everything when the group
//! rebalances.

use super::assign::{self, ASSIGNORS, Counts, Wanted};
use super::member::{REBALANCE_MS, SESSION_MS, Tended};
use crate::cli::client::{Client, Committer, NEWEST, Parts, Reply};
use crate::cli::failure::Failure;
use crate::sys::monotonic_us;
use crate::wire::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, ConsumerProtocolTopic, ErrorCode,
    HeartbeatRequest, HeartbeatResponse, JoinGroupProtocol, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupMember, LeaveGroupRequest, LeaveGroupResponse, SyncGroupAssignment, SyncGroupRequest,
    SyncGroupResponse,
};
use std::collections::{BTreeMap, BTreeSet};

/// The group's type.
const CONSUMER: &str = "consumer";
/// Between two heartbeats, microseconds: Java's default.
const INTERVAL_US: u64 = 3_000_000;
/// The version of what we write into the protocol's bytes: every consumer reads it.
const VERSION: i16 = 0;

/// A membership.
pub(super) struct Classic {
    group: String,
    topic: String,
    /// Empty before the broker has given one.
    member: String,
    generation: i32,
    is_joined: bool,
    next_beat_us: u64,
}

impl Classic {
    /// One that has not joined yet.
    pub(super) fn new(group: &str, topic: &str) -> Classic {
        Classic {
            group: group.to_owned(),
            topic: topic.to_owned(),
            member: String::new(),
            generation: -1,
            is_joined: false,
            next_beat_us: 0,
        }
    }

    /// Who commits.
    pub(super) fn committer(&self) -> Committer<'_> {
        Committer {
            member: &self.member,
            epoch: self.generation,
            has_epoch: false,
        }
    }

    /// Joins if it has to, or says that it is alive if it is time.
    pub(super) fn tend(&mut self, client: &mut Client) -> Result<Tended, Failure> {
        if !self.is_joined {
            return self.join(client);
        }
        if monotonic_us() < self.next_beat_us {
            return Ok(Tended::Same);
        }
        let request = |_| HeartbeatRequest {
            group_id: self.group.as_str().into(),
            generation_id: self.generation,
            member_id: self.member.as_str().into(),
            ..Default::default()
        };
        let code = |reply: &Reply| {
            let response: HeartbeatResponse = reply.body()?;
            Ok(response.error_code)
        };
        let reply = client.ask_coordinator(&self.group, NEWEST, request, code)?;
        self.next_beat_us = monotonic_us() + INTERVAL_US;
        match code(&reply)? {
            ErrorCode::NONE => Ok(Tended::Same),
            code if self.must_rejoin(code) => Ok(Tended::Has(BTreeSet::new())),
            code => Err(self.refused(code)),
        }
    }

    /// Whether it is out of the generation, and what it has to forget then.
    fn must_rejoin(&mut self, code: ErrorCode) -> bool {
        match code {
            ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION => {}
            ErrorCode::UNKNOWN_MEMBER_ID => {
                self.member.clear();
                self.generation = -1;
            }
            _ => return false,
        }
        self.is_joined = false;
        true
    }

    fn refused(&self, code: ErrorCode) -> Failure {
        Failure::refused(&format!("group '{}'", self.group), code, None)
    }

    /// One attempt; without success the next `tend` makes another.
    fn join(&mut self, client: &mut Client) -> Result<Tended, Failure> {
        let subscription = ConsumerProtocolSubscription {
            topics: vec![self.topic.as_str().into()],
            ..Default::default()
        };
        let metadata = subscription.to_bytes(VERSION)?;
        let request = |_| JoinGroupRequest {
            group_id: self.group.as_str().into(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            member_id: self.member.as_str().into(),
            protocol_type: CONSUMER.into(),
            protocols: ASSIGNORS
                .map(|name| JoinGroupProtocol {
                    name: name.into(),
                    metadata: (&metadata[..]).into(),
                })
                .into(),
            ..Default::default()
        };
        let code = |reply: &Reply| {
            let response: JoinGroupResponse = reply.body()?;
            Ok(response.error_code)
        };
        let reply = client.ask_coordinator(&self.group, NEWEST, request, code)?;
        let joined: JoinGroupResponse = reply.body()?;
        match joined.error_code {
            ErrorCode::NONE => {}
            ErrorCode::MEMBER_ID_REQUIRED => {
                self.member = joined.member_id.to_string();
                return Ok(Tended::Same);
            }
            code if self.must_rejoin(code) => return Ok(Tended::Same),
            code => return Err(self.refused(code)),
        }
        self.member = joined.member_id.to_string();
        self.generation = joined.generation_id;
        let assignments = match joined.leader == joined.member_id && !joined.skip_assignment {
            true => self.lead(client, &joined)?,
            false => Vec::new(),
        };
        self.sync(client, joined.protocol_name.as_deref(), assignments)
    }

    /// What everybody is to have.
    fn lead(
        &self,
        client: &mut Client,
        joined: &JoinGroupResponse<'_>,
    ) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let mut wanted = Wanted::new();
        for member in &joined.members {
            // Who cannot be understood gets nothing.
            let read = ConsumerProtocolSubscription::from_bytes(&member.metadata);
            let topics = read.map_or_else(|_| Vec::new(), |(read, _)| read.topics);
            let topics = topics.into_iter().map(|topic| topic.into_owned());
            wanted.insert(member.member_id.to_string(), topics.collect());
        }
        let names: BTreeSet<&str> = wanted.values().flatten().map(String::as_str).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let counts: Counts = client
            .topics(Some(&names), false)?
            .into_iter()
            .filter(|topic| topic.error.is_none())
            .map(|topic| (topic.name, topic.partitions.len() as i32))
            .collect();
        let assignor = joined.protocol_name.as_deref().unwrap_or_default();
        let given = assign::assign(assignor, &wanted, &counts).ok_or_else(|| {
            Failure::new(format!(
                "group '{}' assigns by '{assignor}', which this client cannot lead",
                self.group
            ))
        })?;
        let assignments = given.into_iter().map(|(member, parts)| {
            let bytes = written(&parts)?;
            Ok((member, bytes))
        });
        assignments.collect()
    }

    fn sync(
        &mut self,
        client: &mut Client,
        protocol: Option<&str>,
        assignments: Vec<(String, Vec<u8>)>,
    ) -> Result<Tended, Failure> {
        let request = |_| SyncGroupRequest {
            group_id: self.group.as_str().into(),
            generation_id: self.generation,
            member_id: self.member.as_str().into(),
            // From version 5 on both have to be said.
            protocol_type: Some(CONSUMER.into()),
            protocol_name: protocol.map(Into::into),
            assignments: assignments
                .iter()
                .map(|(member, bytes)| SyncGroupAssignment {
                    member_id: member.into(),
                    assignment: bytes.as_slice().into(),
                })
                .collect(),
            ..Default::default()
        };
        let code = |reply: &Reply| {
            let response: SyncGroupResponse = reply.body()?;
            Ok(response.error_code)
        };
        let reply = client.ask_coordinator(&self.group, NEWEST, request, code)?;
        let synced: SyncGroupResponse = reply.body()?;
        match synced.error_code {
            ErrorCode::NONE => {}
            code if self.must_rejoin(code) => return Ok(Tended::Same),
            code => return Err(self.refused(code)),
        }
        self.is_joined = true;
        self.next_beat_us = monotonic_us() + INTERVAL_US;
        Ok(Tended::Has(read(&synced.assignment, &self.topic)?))
    }

    /// Leaves, if it is in.
    pub(super) fn leave(&mut self, client: &mut Client) -> Result<(), Failure> {
        if self.member.is_empty() {
            return Ok(());
        }
        let request = |version| match version {
            3.. => LeaveGroupRequest {
                group_id: self.group.as_str().into(),
                members: vec![LeaveGroupMember {
                    member_id: self.member.as_str().into(),
                    ..Default::default()
                }],
                ..Default::default()
            },
            _ => LeaveGroupRequest {
                group_id: self.group.as_str().into(),
                member_id: self.member.as_str().into(),
                ..Default::default()
            },
        };
        let code = |reply: &Reply| {
            let response: LeaveGroupResponse = reply.body()?;
            Ok(response.error_code)
        };
        client.ask_coordinator(&self.group, NEWEST, request, code)?;
        self.is_joined = false;
        self.member.clear();
        Ok(())
    }
}

/// An assignment's bytes.
fn written(parts: &Parts) -> Result<Vec<u8>, Failure> {
    let topics = parts
        .iter()
        .map(|(topic, partitions)| ConsumerProtocolTopic {
            topic: topic.into(),
            partitions: partitions.clone(),
        });
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: topics.collect(),
        user_data: None,
    };
    Ok(assignment.to_bytes(VERSION)?.to_vec())
}

/// The partitions of our topic. A leader may write no bytes at all for who gets nothing.
fn read(bytes: &[u8], topic: &str) -> Result<BTreeSet<i32>, Failure> {
    if bytes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (read, _) = ConsumerProtocolAssignment::from_bytes(bytes)?;
    let mut ours: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for it in read.assigned_partitions {
        let partitions = ours.entry(it.topic.into_owned()).or_default();
        partitions.extend(it.partitions);
    }
    let ours = ours.remove(topic).unwrap_or_default();
    Ok(ours.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_survives_its_bytes() {
        let parts = Parts::from([("t".to_owned(), vec![2, 0]), ("u".to_owned(), vec![1])]);
        let bytes = written(&parts).unwrap();
        assert_eq!(read(&bytes, "t").unwrap(), BTreeSet::from([0, 2]));
        assert_eq!(read(&bytes, "other").unwrap(), BTreeSet::new());
        assert_eq!(read(&[], "t").unwrap(), BTreeSet::new());
        assert!(read(&[0], "t").is_err());
    }

    #[test]
    fn who_is_not_known_joins_anew_and_who_rebalances_keeps_its_id() {
        let mut member = Classic {
            member: "m".into(),
            generation: 3,
            is_joined: true,
            ..Classic::new("g", "t")
        };
        assert!(!member.must_rejoin(ErrorCode::GROUP_AUTHORIZATION_FAILED));
        assert!(member.is_joined);
        assert!(member.must_rejoin(ErrorCode::REBALANCE_IN_PROGRESS));
        assert_eq!((member.is_joined, member.member.as_str()), (false, "m"));
        assert!(member.must_rejoin(ErrorCode::UNKNOWN_MEMBER_ID));
        assert_eq!((member.member.as_str(), member.generation), ("", -1));
    }
}
