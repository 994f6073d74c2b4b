//! Groups: who coordinates them, what they are, what they have committed. What goes to a coordinator is
//! asked again, for as long as the command may take, while it moves or loads its groups.

use super::{Client, Deadline, NEWEST, Reply, To};
use crate::cli::failure::Failure;
use crate::types::{LeaderEpoch, NodeId, Offset};
use crate::wire::{
    ApiKey, Body, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, DeleteGroupsRequest,
    DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribedConsumerAssignment, DescribedConsumerMember, DescribedGroupMember, ErrorCode,
    FindCoordinatorRequest, FindCoordinatorResponse, ListGroupsRequest, ListGroupsResponse,
    OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic,
    OffsetDeletePartition, OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteTopic,
    OffsetFetchGroup, OffsetFetchRequest, OffsetFetchResponse, OffsetFetchTopic,
};
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

/// Between two questions for a coordinator that is not ready.
const PAUSE: Duration = Duration::from_millis(100);
/// The newest versions of OffsetCommit and OffsetFetch that name topics.
const OFFSETS_BY_NAME: i16 = 9;
/// FindCoordinator's number for groups.
const GROUP: i8 = 0;
/// The protocol type of groups of consumers.
const CONSUMER: &str = "consumer";

/// Partitions by topic.
pub(in crate::cli) type Parts = BTreeMap<String, Vec<i32>>;
/// A partition by its topic's name.
pub(in crate::cli) type Part = (String, i32);

/// A group in a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::cli) struct ListedGroup {
    pub(in crate::cli) id: String,
    /// `consumer`, `connect` ...; empty for who only keeps offsets.
    pub(in crate::cli) protocol_type: String,
    /// Empty where the broker is older than Kafka 2.6.
    pub(in crate::cli) state: String,
    /// `classic`, `consumer` ...; empty where the broker is older than Kafka 3.8.
    pub(in crate::cli) kind: String,
    pub(in crate::cli) coordinator: NodeId,
}

impl ListedGroup {
    /// Whether it is a group of consumers, or only keeps offsets.
    pub(in crate::cli) fn is_of_consumers(&self) -> bool {
        matches!(self.protocol_type.as_str(), CONSUMER | "")
            && matches!(
                self.kind.to_ascii_lowercase().as_str(),
                "classic" | CONSUMER | ""
            )
    }
}

/// By which protocol a group is coordinated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum GroupKind {
    /// Its leader assigns.
    Classic,
    /// The broker assigns (KIP-848).
    Consumer,
}

impl GroupKind {
    /// Kafka's name.
    pub(in crate::cli) fn name(self) -> &'static str {
        match self {
            GroupKind::Classic => "classic",
            GroupKind::Consumer => CONSUMER,
        }
    }
}

/// A group with its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::cli) struct Group {
    pub(in crate::cli) id: String,
    pub(in crate::cli) kind: GroupKind,
    /// Kafka's name.
    pub(in crate::cli) state: String,
    pub(in crate::cli) protocol_type: String,
    /// Empty if none is chosen.
    pub(in crate::cli) assignor: String,
    /// The group's epoch and that of its assignment, where the broker assigns.
    pub(in crate::cli) epochs: Option<(i32, i32)>,
    pub(in crate::cli) coordinator: NodeId,
    pub(in crate::cli) members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::cli) struct GroupMember {
    pub(in crate::cli) id: String,
    /// Its `group.instance.id`.
    pub(in crate::cli) instance: Option<String>,
    pub(in crate::cli) rack: Option<String>,
    pub(in crate::cli) client_id: String,
    pub(in crate::cli) host: String,
    /// Where the broker assigns.
    pub(in crate::cli) epoch: Option<i32>,
    /// Whether it speaks the classic protocol in a group that the broker assigns; unknown before
    /// Kafka 4.0.
    pub(in crate::cli) is_classic: Option<bool>,
    /// The topics that it wants, by name.
    pub(in crate::cli) topics: Vec<String>,
    /// What it wants by a regular expression.
    pub(in crate::cli) regex: Option<String>,
    pub(in crate::cli) assigned: Parts,
    /// What it is to have, where the broker assigns.
    pub(in crate::cli) target: Option<Parts>,
}

/// What a group has committed for a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::cli) struct CommittedOffset {
    pub(in crate::cli) offset: Offset,
    pub(in crate::cli) epoch: LeaderEpoch,
    pub(in crate::cli) metadata: String,
}

/// Who commits, or asks for what is committed.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Committer<'a> {
    /// The member, empty from outside of the group.
    pub(in crate::cli) member: &'a str,
    /// Its generation or epoch, -1 from outside of the group.
    pub(in crate::cli) epoch: i32,
    /// Whether it is a member of a group that the broker assigns.
    pub(in crate::cli) has_epoch: bool,
}

impl Committer<'_> {
    /// No member.
    pub(in crate::cli) const OUTSIDE: Committer<'static> = Committer {
        member: "",
        epoch: -1,
        has_epoch: false,
    };
}

/// Codes that another coordinator, or the same one later, does not answer.
fn is_moving(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
    )
}

/// There is no such group.
pub(in crate::cli) fn unknown_group(id: &str) -> Failure {
    Failure::new(format!("there is no group '{id}'"))
        .advise("`millstream groups list` shows what there is")
}

impl Client {
    /// The broker that coordinates a group.
    pub(in crate::cli) fn coordinator(&mut self, group: &str) -> Result<NodeId, Failure> {
        if let Some(node) = self.coordinators.get(group) {
            return Ok(*node);
        }
        let deadline = Deadline::after(self.timeout());
        loop {
            let code = match self.find_coordinator(group)? {
                Ok(node) => {
                    self.coordinators.insert(group.to_owned(), node);
                    return Ok(node);
                }
                Err(code) => code,
            };
            let may_wait = deadline.left().is_some_and(|left| left > PAUSE);
            if !(is_moving(code) && may_wait) {
                let subject = format!("the coordinator of group '{group}'");
                return Err(Failure::refused(&subject, code, None));
            }
            sleep(PAUSE);
        }
    }

    fn find_coordinator(&mut self, group: &str) -> Result<Result<NodeId, ErrorCode>, Failure> {
        let mut request = FindCoordinatorRequest {
            key_type: GROUP,
            ..Default::default()
        };
        match self.newest(To::Any, &request)? {
            // From version 4 on several at a time.
            4.. => request.coordinator_keys = vec![group.into()],
            _ => request.key = group.into(),
        }
        let reply = self.call(To::Any, &request)?;
        let response: FindCoordinatorResponse = reply.body()?;
        let found = match response.coordinators.first() {
            Some(found) => (found.error_code, found.node_id),
            None => (response.error_code, response.node_id),
        };
        Ok(match found {
            (ErrorCode::NONE, node) => Ok(NodeId(node)),
            (code, _) => Err(code),
        })
    }

    /// Asks a group's coordinator what `make` makes for a version up to `cap`; again, if it is another
    /// broker now or not ready, by the error that `code` finds in the answer.
    pub(in crate::cli) fn ask_coordinator<'a, Q: Body<'a>>(
        &mut self,
        group: &str,
        cap: i16,
        make: impl Fn(i16) -> Q,
        code: impl Fn(&Reply) -> Result<ErrorCode, Failure>,
    ) -> Result<Reply, Failure> {
        let deadline = Deadline::after(self.timeout());
        loop {
            let asked = self.coordinator(group).and_then(|node| {
                let version = self.newest(To::Node(node), &Q::default())?.min(cap);
                let sent = self.send(To::Node(node), &make(version), cap)?;
                self.receive(sent)
            });
            let may_wait = deadline.left().is_some_and(|left| left > PAUSE);
            match asked {
                Ok(reply) if may_wait && is_moving(code(&reply)?) => {}
                Ok(reply) => return Ok(reply),
                Err(failure) if may_wait && failure.is_connection() => {}
                Err(failure) => return Err(failure),
            }
            self.coordinators.remove(group);
            sleep(PAUSE);
        }
    }

    /// Whether a group's coordinator serves an API.
    pub(in crate::cli) fn coordinator_serves(
        &mut self,
        group: &str,
        key: ApiKey,
    ) -> Result<bool, Failure> {
        let node = self.coordinator(group)?;
        self.serves(To::Node(node), key)
    }

    /// The groups of all brokers, by id; only those of these states and types, if any are given.
    pub(in crate::cli) fn list_groups(
        &mut self,
        states: &[String],
        types: &[String],
    ) -> Result<Vec<ListedGroup>, Failure> {
        let deadline = Deadline::after(self.timeout());
        let mut listed = Vec::new();
        for coordinator in self.brokers()? {
            let request = ListGroupsRequest {
                states_filter: states.iter().map(Into::into).collect(),
                types_filter: types.iter().map(Into::into).collect(),
            };
            let reply = loop {
                let reply = self.call(To::Node(coordinator), &request)?;
                let response: ListGroupsResponse = reply.body()?;
                let code = response.error_code;
                let may_wait = deadline.left().is_some_and(|left| left > PAUSE);
                match code {
                    ErrorCode::NONE => break reply,
                    code if is_moving(code) && may_wait => sleep(PAUSE),
                    code => {
                        let subject = format!("broker {coordinator} was asked for its groups");
                        return Err(Failure::refused(&subject, code, None));
                    }
                }
            };
            let response: ListGroupsResponse = reply.body()?;
            listed.extend(response.groups.iter().map(|group| ListedGroup {
                id: group.group_id.to_string(),
                protocol_type: group.protocol_type.to_string(),
                state: group.group_state.to_string(),
                kind: group.group_type.to_string(),
                coordinator,
            }));
        }
        listed.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(listed)
    }

    /// A group of either protocol; none if there is none of that name.
    pub(in crate::cli) fn describe_group(&mut self, id: &str) -> Result<Option<Group>, Failure> {
        if self.coordinator_serves(id, ApiKey::CONSUMER_GROUP_DESCRIBE)?
            && let Some(group) = self.describe_consumer_group(id)?
        {
            return Ok(Some(group));
        }
        self.describe_classic_group(id)
    }

    fn describe_consumer_group(&mut self, id: &str) -> Result<Option<Group>, Failure> {
        let request = |_| ConsumerGroupDescribeRequest {
            group_ids: vec![id.into()],
            ..Default::default()
        };
        let code = |reply: &Reply| {
            let response: ConsumerGroupDescribeResponse = reply.body()?;
            let first = response.groups.first();
            Ok(first.map_or(ErrorCode::NONE, |group| group.error_code))
        };
        let reply = self.ask_coordinator(id, NEWEST, request, code)?;
        let response: ConsumerGroupDescribeResponse = reply.body()?;
        let group = response.groups.first().ok_or_else(|| left_out(id))?;
        match group.error_code {
            ErrorCode::NONE => {}
            // It is none, or of the classic protocol; or the cluster has not been told to serve any.
            ErrorCode::GROUP_ID_NOT_FOUND | ErrorCode::UNSUPPORTED_VERSION => return Ok(None),
            code => return Err(refused(id, code, group.error_message.as_deref())),
        }
        Ok(Some(Group {
            id: id.to_owned(),
            kind: GroupKind::Consumer,
            state: group.group_state.to_string(),
            protocol_type: CONSUMER.to_owned(),
            assignor: group.assignor_name.to_string(),
            epochs: Some((group.group_epoch, group.assignment_epoch)),
            coordinator: self.coordinator(id)?,
            members: group.members.iter().map(consumer_member).collect(),
        }))
    }

    fn describe_classic_group(&mut self, id: &str) -> Result<Option<Group>, Failure> {
        let request = |_| DescribeGroupsRequest {
            groups: vec![id.into()],
            ..Default::default()
        };
        let code = |reply: &Reply| {
            let response: DescribeGroupsResponse = reply.body()?;
            let first = response.groups.first();
            Ok(first.map_or(ErrorCode::NONE, |group| group.error_code))
        };
        let reply = self.ask_coordinator(id, NEWEST, request, code)?;
        let response: DescribeGroupsResponse = reply.body()?;
        let group = response.groups.first().ok_or_else(|| left_out(id))?;
        match group.error_code {
            ErrorCode::NONE => {}
            ErrorCode::GROUP_ID_NOT_FOUND => return Ok(None),
            code => return Err(refused(id, code, group.error_message.as_deref())),
        }
        // Before version 6 there is no error for it.
        if group.group_state == "Dead" {
            return Ok(None);
        }
        Ok(Some(Group {
            id: id.to_owned(),
            kind: GroupKind::Classic,
            state: group.group_state.to_string(),
            protocol_type: group.protocol_type.to_string(),
            assignor: group.protocol_data.to_string(),
            epochs: None,
            coordinator: self.coordinator(id)?,
            members: group.members.iter().map(classic_member).collect(),
        }))
    }

    /// What a group has committed: for these partitions, or for all.
    ///
    /// The error is the group's own, where it may be otherwise for another asker.
    pub(in crate::cli) fn committed(
        &mut self,
        group: &str,
        who: Committer<'_>,
        parts: Option<&Parts>,
    ) -> Result<Result<BTreeMap<Part, CommittedOffset>, ErrorCode>, Failure> {
        let topics = || {
            let topics = parts?.iter().map(|(name, partitions)| OffsetFetchTopic {
                name: name.into(),
                partition_indexes: partitions.clone(),
                ..Default::default()
            });
            Some(topics.collect::<Vec<_>>())
        };
        let request = |version| match version {
            8.. => OffsetFetchRequest {
                groups: vec![OffsetFetchGroup {
                    group_id: group.into(),
                    member_id: who.has_epoch.then(|| who.member.into()),
                    member_epoch: if who.has_epoch { who.epoch } else { -1 },
                    topics: topics(),
                }],
                ..Default::default()
            },
            _ => OffsetFetchRequest {
                group_id: group.into(),
                topics: topics(),
                ..Default::default()
            },
        };
        let code = |reply: &Reply| {
            let response: OffsetFetchResponse = reply.body()?;
            Ok(match response.groups.first() {
                Some(group) => group.error_code,
                None => response.error_code,
            })
        };
        let reply = self.ask_coordinator(group, OFFSETS_BY_NAME, request, code)?;
        match code(&reply)? {
            ErrorCode::NONE => {}
            // Old brokers and new ones say the same with different codes.
            ErrorCode::GROUP_ID_NOT_FOUND => return Ok(Ok(BTreeMap::new())),
            code => return Ok(Err(code)),
        }
        let response: OffsetFetchResponse = reply.body()?;
        let topics = match response.groups.first() {
            Some(group) => &group.topics,
            None => &response.topics,
        };
        let mut committed = BTreeMap::new();
        for topic in topics {
            for it in &topic.partitions {
                let part = (topic.name.to_string(), it.partition_index);
                if !it.error_code.is_none() {
                    let subject = format!("'{}' partition {} of group '{group}'", part.0, part.1);
                    return Err(Failure::refused(&subject, it.error_code, None));
                }
                if it.committed_offset >= 0 {
                    let offset = CommittedOffset {
                        offset: Offset(it.committed_offset),
                        epoch: LeaderEpoch(it.committed_leader_epoch),
                        metadata: it.metadata.as_deref().unwrap_or_default().to_owned(),
                    };
                    committed.insert(part, offset);
                }
            }
        }
        Ok(Ok(committed))
    }

    /// Commits. Tells how it went for each partition.
    pub(in crate::cli) fn commit(
        &mut self,
        group: &str,
        who: Committer<'_>,
        offsets: &BTreeMap<Part, Offset>,
    ) -> Result<BTreeMap<Part, ErrorCode>, Failure> {
        let mut topics: BTreeMap<&str, Vec<OffsetCommitPartition<'_>>> = BTreeMap::new();
        for ((topic, index), offset) in offsets {
            topics
                .entry(topic)
                .or_default()
                .push(OffsetCommitPartition {
                    partition_index: *index,
                    committed_offset: offset.0,
                    committed_metadata: Some("".into()),
                    ..Default::default()
                });
        }
        let request = |_| OffsetCommitRequest {
            group_id: group.into(),
            generation_id_or_member_epoch: who.epoch,
            member_id: who.member.into(),
            topics: topics
                .iter()
                .map(|(name, partitions)| OffsetCommitTopic {
                    name: (*name).into(),
                    partitions: partitions.clone(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        // Each partition has the error of a coordinator that is not there.
        let code = |reply: &Reply| {
            let response: OffsetCommitResponse = reply.body()?;
            let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            let moving = partitions.find(|partition| is_moving(partition.error_code));
            Ok(moving.map_or(ErrorCode::NONE, |partition| partition.error_code))
        };
        let reply = self.ask_coordinator(group, OFFSETS_BY_NAME, request, code)?;
        let response: OffsetCommitResponse = reply.body()?;
        let mut went = BTreeMap::new();
        for topic in &response.topics {
            for it in &topic.partitions {
                let part = (topic.name.to_string(), it.partition_index);
                went.insert(part, it.error_code);
            }
        }
        Ok(went)
    }

    /// Deletes a group.
    pub(in crate::cli) fn delete_group(&mut self, id: &str) -> Result<ErrorCode, Failure> {
        let request = |_| DeleteGroupsRequest {
            groups_names: vec![id.into()],
        };
        let code = |reply: &Reply| {
            let response: DeleteGroupsResponse = reply.body()?;
            let first = response.results.first();
            Ok(first.map_or(ErrorCode::UNKNOWN_SERVER_ERROR, |it| it.error_code))
        };
        let reply = self.ask_coordinator(id, NEWEST, request, code)?;
        code(&reply)
    }

    /// Deletes what a group has committed for these partitions. Tells how it went for each.
    pub(in crate::cli) fn delete_offsets(
        &mut self,
        group: &str,
        parts: &Parts,
    ) -> Result<Result<BTreeMap<Part, ErrorCode>, ErrorCode>, Failure> {
        let request = |_| OffsetDeleteRequest {
            group_id: group.into(),
            topics: parts
                .iter()
                .map(|(name, partitions)| OffsetDeleteTopic {
                    name: name.into(),
                    partitions: partitions
                        .iter()
                        .map(|index| OffsetDeletePartition {
                            partition_index: *index,
                        })
                        .collect(),
                })
                .collect(),
        };
        let code = |reply: &Reply| {
            let response: OffsetDeleteResponse = reply.body()?;
            Ok(response.error_code)
        };
        let reply = self.ask_coordinator(group, NEWEST, request, code)?;
        let response: OffsetDeleteResponse = reply.body()?;
        if !response.error_code.is_none() {
            return Ok(Err(response.error_code));
        }
        let mut went = BTreeMap::new();
        for topic in &response.topics {
            for it in &topic.partitions {
                let part = (topic.name.to_string(), it.partition_index);
                went.insert(part, it.error_code);
            }
        }
        Ok(Ok(went))
    }
}

fn left_out(group: &str) -> Failure {
    Failure::new(format!("the broker left group '{group}' out of its answer"))
}

fn refused(group: &str, code: ErrorCode, message: Option<&str>) -> Failure {
    Failure::refused(&format!("group '{group}'"), code, message)
}

fn consumer_member(member: &DescribedConsumerMember<'_>) -> GroupMember {
    let parts = |assignment: &DescribedConsumerAssignment<'_>| {
        let topics = assignment.topic_partitions.iter();
        let mut parts: Parts = topics
            .map(|topic| (topic.topic_name.to_string(), topic.partitions.clone()))
            .collect();
        parts
            .values_mut()
            .for_each(|indexes| indexes.sort_unstable());
        parts
    };
    let regex = member.subscribed_topic_regex.as_deref();
    GroupMember {
        id: member.member_id.to_string(),
        instance: member.instance_id.as_deref().map(Into::into),
        rack: member.rack_id.as_deref().map(Into::into),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        epoch: Some(member.member_epoch),
        is_classic: match member.member_type {
            0 => Some(true),
            1 => Some(false),
            _ => None,
        },
        topics: member
            .subscribed_topic_names
            .iter()
            .map(|name| name.to_string())
            .collect(),
        regex: regex.filter(|regex| !regex.is_empty()).map(Into::into),
        assigned: parts(&member.assignment),
        target: Some(parts(&member.target_assignment)),
    }
}

/// What a classic member's bytes say, if they are a consumer's.
fn classic_member(member: &DescribedGroupMember<'_>) -> GroupMember {
    let mut assigned = Parts::new();
    if let Ok((read, _)) = ConsumerProtocolAssignment::from_bytes(&member.member_assignment) {
        for topic in read.assigned_partitions {
            let partitions = assigned.entry(topic.topic.into_owned()).or_default();
            partitions.extend(topic.partitions);
            partitions.sort_unstable();
        }
    }
    let wanted = ConsumerProtocolSubscription::from_bytes(&member.member_metadata);
    let topics = wanted.map_or_else(|_| Vec::new(), |(wanted, _)| wanted.topics);
    GroupMember {
        id: member.member_id.to_string(),
        instance: member.group_instance_id.as_deref().map(Into::into),
        rack: None,
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        epoch: None,
        is_classic: Some(true),
        topics: topics.into_iter().map(|name| name.into_owned()).collect(),
        regex: None,
        assigned,
        target: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ConsumerProtocolTopic;

    #[test]
    fn a_classic_members_bytes_say_what_it_wants_and_has() {
        let assignment = ConsumerProtocolAssignment {
            assigned_partitions: vec![ConsumerProtocolTopic {
                topic: "t".into(),
                partitions: vec![2, 0],
            }],
            user_data: None,
        };
        let subscription = ConsumerProtocolSubscription {
            topics: vec!["t".into(), "u".into()],
            ..Default::default()
        };
        let metadata = subscription.to_bytes(1).unwrap();
        let assignment = assignment.to_bytes(1).unwrap();
        let member = classic_member(&DescribedGroupMember {
            member_id: "m".into(),
            member_metadata: (&metadata[..]).into(),
            member_assignment: (&assignment[..]).into(),
            ..Default::default()
        });
        assert_eq!(member.topics, ["t", "u"]);
        assert_eq!(member.assigned, Parts::from([("t".into(), vec![0, 2])]));
        // Connect's workers say something else.
        let other = classic_member(&DescribedGroupMember {
            member_metadata: (&[9u8, 9][..]).into(),
            ..Default::default()
        });
        assert_eq!((other.topics.len(), other.assigned.len()), (0, 0));
    }

    #[test]
    fn groups_of_others_are_not_groups_of_consumers() {
        let listed = |protocol_type: &str, kind: &str| ListedGroup {
            id: "g".into(),
            protocol_type: protocol_type.into(),
            state: "Stable".into(),
            kind: kind.into(),
            coordinator: NodeId(1),
        };
        for (protocol_type, kind, expected) in [
            ("consumer", "Classic", true),
            ("consumer", "consumer", true),
            ("", "classic", true),
            ("consumer", "", true),
            ("connect", "classic", false),
            ("share", "share", false),
            ("", "share", false),
        ] {
            let is = listed(protocol_type, kind).is_of_consumers();
            assert_eq!(is, expected, "{protocol_type} {kind}");
        }
    }
}
