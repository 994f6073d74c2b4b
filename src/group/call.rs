//! What is asked of the coordinator and what it answers, as owned plain data: no versions and no bytes
//! of the protocol. Where versions of an API differ in policy, the call says which policy it wants.
//!
//! Every [`Call`] gets exactly one [`Reply`], of the variant that stands across from it:
//!
//! ```text
//! Join -> Joined        Sync -> Synced            Heartbeat -> Heartbeat      Leave -> Left
//! Commit -> Committed   Fetch -> OffsetsFetched   DeleteOffsets -> OffsetsDeleted
//! Describe -> Described Delete -> Deleted
//! ConsumerHeartbeat -> ConsumerBeat      ConsumerDescribe -> ConsumerDescribed
//! ```

use super::partitions::Partitions;
use crate::types::{LeaderEpoch, Offset, PartitionIndex, TopicId};
use crate::wire::ErrorCode;
use bytes::Bytes;
use std::sync::Arc;

/// One question about one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// JoinGroup. Answered when the rebalance has gathered its members.
    Join(Join),
    /// SyncGroup. Answered when the leader has sent the assignment.
    Sync(Sync),
    /// Heartbeat.
    Heartbeat(Heartbeat),
    /// LeaveGroup.
    Leave(Leave),
    /// OffsetCommit.
    Commit(Commit),
    /// OffsetFetch, for one of its groups.
    Fetch(FetchOffsets),
    /// OffsetDelete.
    DeleteOffsets(DeleteOffsets),
    /// DescribeGroups, for one of its groups.
    Describe(Describe),
    /// DeleteGroups, for one of its groups.
    Delete(Delete),
    /// ConsumerGroupHeartbeat.
    ConsumerHeartbeat(ConsumerHeartbeat),
    /// ConsumerGroupDescribe, for one of its groups.
    ConsumerDescribe(ConsumerDescribe),
}

/// JoinGroup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Join {
    /// The group.
    pub group: String,
    /// The member's id, empty if it has none yet.
    pub member: String,
    /// `group.instance.id` of a static member (KIP-345).
    pub instance: Option<String>,
    /// The request's client id, empty if it has none: what the new member's id begins with.
    pub client_id: String,
    /// The client's address as Kafka writes it: `/127.0.0.1`.
    pub client_host: String,
    /// How long the member may be silent, ms.
    pub session_timeout_ms: i32,
    /// How long a rebalance waits for the member, ms. Version 0 has none: its session timeout.
    pub rebalance_timeout_ms: i32,
    /// What kind of group it is, `consumer` for consumers.
    pub protocol_type: String,
    /// The protocols (assignors) that the member supports, the preferred one first.
    pub protocols: Vec<Protocol>,
    /// Why it joins, for people (KIP-800).
    pub reason: Option<String>,
    /// Whether a dynamic member without an id is given one and must join again with it (KIP-394,
    /// version 4 on).
    pub requires_member_id: bool,
    /// Whether the client understands that it leads and need not assign (KIP-814, version 9 on).
    pub supports_skipping_assignment: bool,
}

/// A protocol (assignor) that a member supports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Protocol {
    /// Its name.
    pub name: String,
    /// What the leader is to know; for consumers the subscription.
    pub metadata: Bytes,
}

/// SyncGroup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sync {
    /// The group.
    pub group: String,
    /// The member.
    pub member: String,
    /// `group.instance.id` of a static member.
    pub instance: Option<String>,
    /// The generation that it joined.
    pub generation: i32,
    /// The group's type, if the client says (version 5 on).
    pub protocol_type: Option<String>,
    /// The group's protocol, if the client says (version 5 on).
    pub protocol_name: Option<String>,
    /// From the leader: members and what they are to do.
    pub assignments: Vec<(String, Bytes)>,
}

/// Heartbeat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// The group.
    pub group: String,
    /// The member.
    pub member: String,
    /// `group.instance.id` of a static member.
    pub instance: Option<String>,
    /// The generation that it believes in.
    pub generation: i32,
}

/// LeaveGroup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leave {
    /// The group.
    pub group: String,
    /// Who leaves.
    pub members: Vec<Leaving>,
}

/// One who leaves, named by its id, or a static member by its instance id with an empty id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaving {
    /// The member's id, or empty.
    pub member: String,
    /// `group.instance.id` of a static member.
    pub instance: Option<String>,
    /// Why it leaves, for people (KIP-800).
    pub reason: Option<String>,
}

/// OffsetCommit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commit {
    /// The group. May be empty.
    pub group: String,
    /// The member, empty for who only keeps offsets here.
    pub member: String,
    /// `group.instance.id` of a static member.
    pub instance: Option<String>,
    /// The member's generation, or its epoch in a consumer group; -1 for who only keeps offsets here.
    pub generation: i32,
    /// For how long the offsets are to be kept, ms (versions 2 to 4); none: as the broker is set.
    pub retention_ms: Option<i64>,
    /// Whether a member of a group that does not exist is told GROUP_ID_NOT_FOUND (version 9 on), not
    /// ILLEGAL_GENERATION; and STALE_MEMBER_EPOCH as such.
    pub knows_member_epochs: bool,
    /// What to commit.
    pub topics: Vec<CommitTopic>,
}

/// A topic of an OffsetCommit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitTopic {
    /// Its name.
    pub name: String,
    /// Its id, zero where the client gave the name (below version 10).
    pub id: TopicId,
    /// Its partitions.
    pub partitions: Vec<CommitPartition>,
}

/// A partition of an OffsetCommit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitPartition {
    /// Which.
    pub index: PartitionIndex,
    /// The offset of the next record to be consumed.
    pub offset: Offset,
    /// The leader epoch of the last record consumed, or unknown.
    pub leader_epoch: LeaderEpoch,
    /// What the client wants to find again.
    pub metadata: Option<String>,
}

/// OffsetFetch, one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchOffsets {
    /// The group.
    pub group: String,
    /// The member of a consumer group that asks (version 9 on).
    pub member: Option<String>,
    /// Its epoch, or -1.
    pub member_epoch: i32,
    /// What is wanted; none: everything.
    pub topics: Option<Vec<FetchTopic>>,
    /// Whether offsets of open transactions make the answer UNSTABLE_OFFSET_COMMIT (KIP-447).
    pub require_stable: bool,
}

/// A topic of an OffsetFetch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchTopic {
    /// Its name.
    pub name: String,
    /// Its id, zero where the client gave the name (below version 10). Offsets that were committed for
    /// another id are not found.
    pub id: TopicId,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// OffsetDelete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteOffsets {
    /// The group.
    pub group: String,
    /// Names and partitions of topics.
    pub topics: Vec<(String, Vec<PartitionIndex>)>,
}

/// DescribeGroups, one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Describe {
    /// The group.
    pub group: String,
    /// Whether a group that does not exist is GROUP_ID_NOT_FOUND (version 6 on), not merely Dead.
    pub knows_group_id_not_found: bool,
}

/// DeleteGroups, one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delete {
    /// The group.
    pub group: String,
}

/// ConsumerGroupHeartbeat (KIP-848). What is none has not changed since the heartbeat before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerHeartbeat {
    /// The group.
    pub group: String,
    /// The member's id, empty if it is to be given one.
    pub member: String,
    /// Its epoch: 0 joins, -1 leaves, -2 leaves for a while as a static member.
    pub epoch: i32,
    /// `group.instance.id` of a static member.
    pub instance: Option<String>,
    /// Its rack.
    pub rack: Option<String>,
    /// How long it may take to give up partitions, ms.
    pub rebalance_timeout_ms: Option<i32>,
    /// The topics that it wants by name.
    pub topics: Option<Vec<String>>,
    /// The topics that it wants by a regular expression; empty: none.
    pub regex: Option<String>,
    /// The assignor that it votes for.
    pub assignor: Option<String>,
    /// The partitions that it owns.
    pub owned: Option<Partitions>,
    /// The request's client id, empty if it has none.
    pub client_id: String,
    /// The client's address as Kafka writes it: `/127.0.0.1`.
    pub client_host: String,
    /// Whether clients make their ids themselves (KIP-1082, version 1 on).
    pub makes_its_id: bool,
}

/// ConsumerGroupDescribe, one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerDescribe {
    /// The group.
    pub group: String,
}

/// The answer to a [`Call`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// To [`Call::Join`].
    Joined(Joined),
    /// To [`Call::Sync`].
    Synced(Synced),
    /// To [`Call::Heartbeat`].
    Heartbeat(ErrorCode),
    /// To [`Call::Leave`].
    Left(Left),
    /// To [`Call::Commit`].
    Committed(Committed),
    /// To [`Call::Fetch`].
    OffsetsFetched(OffsetsFetched),
    /// To [`Call::DeleteOffsets`].
    OffsetsDeleted(OffsetsDeleted),
    /// To [`Call::Describe`].
    Described(Described),
    /// To [`Call::Delete`].
    Deleted(ErrorCode),
    /// To [`Call::ConsumerHeartbeat`].
    ConsumerBeat(ConsumerBeat),
    /// To [`Call::ConsumerDescribe`].
    ConsumerDescribed(ConsumerDescribed),
}

/// The answer to a join.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Joined {
    /// `NONE` for a member of the generation. With MEMBER_ID_REQUIRED, `member` is the id to join with.
    pub error: ErrorCode,
    /// The generation, -1 with an error.
    pub generation: i32,
    /// The group's type.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol chosen.
    pub protocol_name: Option<Arc<str>>,
    /// The leader's id, empty with an error.
    pub leader: Arc<str>,
    /// Whether the leader need not assign: everybody keeps what they have.
    pub skip_assignment: bool,
    /// The member's id.
    pub member: Arc<str>,
    /// For the leader: everybody.
    pub members: Vec<JoinedMember>,
}

/// A member, as its leader is told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinedMember {
    /// Its id.
    pub member: Arc<str>,
    /// `group.instance.id` of a static member.
    pub instance: Option<Arc<str>>,
    /// What it said for the protocol chosen.
    pub metadata: Bytes,
}

/// The answer to a sync.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Synced {
    /// `NONE`, or why there is no assignment.
    pub error: ErrorCode,
    /// The group's type.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol chosen.
    pub protocol_name: Option<Arc<str>>,
    /// What the member is to do.
    pub assignment: Bytes,
}

/// The answer to a leave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// An error of the whole call. Below version 3, where members have no errors of their own, that of
    /// the only member is the handler's to move here.
    pub error: ErrorCode,
    /// By member, in the call's order.
    pub members: Vec<LeftMember>,
}

/// How leaving went for one member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftMember {
    /// The member's id as the call had it.
    pub member: String,
    /// Its instance id as the call had it.
    pub instance: Option<String>,
    /// `NONE` if it is gone.
    pub error: ErrorCode,
}

/// The answer to a commit: every topic and partition of the call, in its order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// By topic.
    pub topics: Vec<CommittedTopic>,
}

/// How committing went for one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommittedTopic {
    /// Its name.
    pub name: String,
    /// Its id as the call had it.
    pub id: TopicId,
    /// `NONE` where the offset is in the log.
    pub partitions: Vec<(PartitionIndex, ErrorCode)>,
}

/// The answer to a fetch of offsets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetsFetched {
    /// An error of the whole group; there are no topics then.
    pub error: ErrorCode,
    /// What was asked for, in its order; or everything, by name.
    pub topics: Vec<FetchedTopic>,
}

/// One topic's offsets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedTopic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id as the call had it; zero where everything was asked for.
    pub id: TopicId,
    /// Its partitions.
    pub partitions: Vec<FetchedOffset>,
}

/// One partition's offset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedOffset {
    /// Which.
    pub index: PartitionIndex,
    /// What was committed, or unknown: that is no error.
    pub offset: Offset,
    /// The leader epoch committed with it, or unknown.
    pub leader_epoch: LeaderEpoch,
    /// The string committed with it.
    pub metadata: String,
    /// `NONE`, or why it may not be told.
    pub error: ErrorCode,
}

/// The answer to a deletion of offsets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetsDeleted {
    /// An error of the whole call; there are no topics then.
    pub error: ErrorCode,
    /// By topic and partition, in the call's order: `NONE` where no offset is left, whether there was
    /// one or not.
    pub topics: Vec<(String, Vec<(PartitionIndex, ErrorCode)>)>,
}

/// A group as DescribeGroups tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// `NONE`, or why nothing else is said.
    pub error: ErrorCode,
    /// What is wrong, for people.
    pub message: Option<String>,
    /// Kafka's name of the state; empty where there is an error but for GROUP_ID_NOT_FOUND.
    pub state: &'static str,
    /// The group's type, empty for groups that only keep offsets.
    pub protocol_type: Arc<str>,
    /// The protocol chosen, if the group is stable; else empty.
    pub protocol: Arc<str>,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member as DescribeGroups tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedMember {
    /// Its id.
    pub member: Arc<str>,
    /// `group.instance.id` of a static member.
    pub instance: Option<Arc<str>>,
    /// The client id that it joined with.
    pub client_id: Arc<str>,
    /// Where it joined from.
    pub client_host: Arc<str>,
    /// What it said for the protocol chosen, if the group is stable.
    pub metadata: Bytes,
    /// What it does.
    pub assignment: Bytes,
}

/// The answer to a heartbeat of a consumer group's member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerBeat {
    /// `NONE`, or why nothing else is said.
    pub error: ErrorCode,
    /// What is wrong, for people.
    pub message: Option<String>,
    /// The member's id.
    pub member: Option<Arc<str>>,
    /// Its epoch from now on.
    pub epoch: i32,
    /// When its next heartbeat is due, ms; 0 for who leaves.
    pub interval_ms: i32,
    /// The partitions that it may use from now on; none: those that it has been told of.
    pub assignment: Option<Partitions>,
}

/// A consumer group as ConsumerGroupDescribe tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerDescribed {
    /// `NONE`, or why nothing else is said.
    pub error: ErrorCode,
    /// What is wrong, for people.
    pub message: Option<String>,
    /// Kafka's name of the state, empty where there is an error.
    pub state: &'static str,
    /// The group's epoch.
    pub epoch: i32,
    /// The group's epoch for which partitions were last assigned.
    pub assignment_epoch: i32,
    /// The assignor that would be used now.
    pub assignor: &'static str,
    /// Its members.
    pub members: Vec<ConsumerDescribedMember>,
}

/// A member as ConsumerGroupDescribe tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerDescribedMember {
    /// Its id.
    pub member: Arc<str>,
    /// `group.instance.id` of a static member.
    pub instance: Option<Arc<str>>,
    /// Its rack.
    pub rack: Option<Arc<str>>,
    /// Its epoch.
    pub epoch: i32,
    /// The client id that it has said last.
    pub client_id: Arc<str>,
    /// Where it comes from.
    pub client_host: Arc<str>,
    /// The topics that it wants by name.
    pub topics: Vec<Arc<str>>,
    /// The topics that it wants by a regular expression, empty if it names none.
    pub regex: Arc<str>,
    /// What it may use.
    pub assigned: Vec<DescribedTopic>,
    /// What it is to have.
    pub target: Vec<DescribedTopic>,
    /// Whether it speaks the classic protocol.
    pub is_classic: bool,
}

/// Partitions of a topic that exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribedTopic {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// The partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// Which groups a listing is to have. Letters' case does not matter.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ListFilter {
    /// States by Kafka's names; none given: all.
    pub states: Vec<String>,
    /// Types by Kafka's names (`classic`, `consumer` ..., KIP-848); none given: all.
    pub types: Vec<String>,
}

/// A group as ListGroups tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedGroup {
    /// Its id.
    pub group: Arc<str>,
    /// The group's type in the classic sense, `consumer` for consumers, empty for groups that only keep
    /// offsets.
    pub protocol_type: Arc<str>,
    /// Kafka's name of the state.
    pub state: &'static str,
    /// Kafka's name of the type, `classic` ...
    pub kind: &'static str,
}

impl Call {
    /// The group that it is about.
    pub fn group(&self) -> &str {
        match self {
            Call::Join(call) => &call.group,
            Call::Sync(call) => &call.group,
            Call::Heartbeat(call) => &call.group,
            Call::Leave(call) => &call.group,
            Call::Commit(call) => &call.group,
            Call::Fetch(call) => &call.group,
            Call::DeleteOffsets(call) => &call.group,
            Call::Describe(call) => &call.group,
            Call::Delete(call) => &call.group,
            Call::ConsumerHeartbeat(call) => &call.group,
            Call::ConsumerDescribe(call) => &call.group,
        }
    }

    /// The reply that says `error` to all of it. A heartbeat to a coordinator that is still loading is
    /// answered without an error, as Kafka does: members of a group that is being loaded are not to
    /// rejoin it.
    pub fn refuse(&self, error: ErrorCode) -> Reply {
        match self {
            Call::Join(call) => Reply::Joined(Joined::refused(error, &call.member)),
            Call::Sync(_) => Reply::Synced(Synced::refused(error)),
            Call::Heartbeat(_) if error == ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {
                Reply::Heartbeat(ErrorCode::NONE)
            }
            Call::Heartbeat(_) => Reply::Heartbeat(error),
            Call::Leave(_) => Reply::Left(Left {
                error,
                members: Vec::new(),
            }),
            Call::Commit(call) => Reply::Committed(Committed::refused(error, &call.topics)),
            Call::Fetch(_) => Reply::OffsetsFetched(OffsetsFetched {
                error,
                topics: Vec::new(),
            }),
            Call::DeleteOffsets(_) => Reply::OffsetsDeleted(OffsetsDeleted {
                error,
                topics: Vec::new(),
            }),
            Call::Describe(_) => Reply::Described(Described::refused(error)),
            Call::Delete(_) => Reply::Deleted(error),
            Call::ConsumerHeartbeat(_) => Reply::ConsumerBeat(ConsumerBeat::refused(error, None)),
            Call::ConsumerDescribe(_) => {
                Reply::ConsumerDescribed(ConsumerDescribed::refused(error, None))
            }
        }
    }
}

impl Reply {
    /// The same reply, saying that it failed with `error`: what becomes of one that waited for its batch
    /// when the append fails.
    pub fn fail(self, error: ErrorCode) -> Reply {
        match self {
            Reply::Joined(reply) => Reply::Joined(Joined::refused(error, &reply.member)),
            Reply::Synced(_) => Reply::Synced(Synced::refused(error)),
            Reply::Heartbeat(_) => Reply::Heartbeat(error),
            Reply::Left(_) => Reply::Left(Left {
                error,
                members: Vec::new(),
            }),
            Reply::Committed(mut reply) => {
                reply.fail(error);
                Reply::Committed(reply)
            }
            Reply::OffsetsFetched(_) => Reply::OffsetsFetched(OffsetsFetched {
                error,
                topics: Vec::new(),
            }),
            Reply::OffsetsDeleted(_) => Reply::OffsetsDeleted(OffsetsDeleted {
                error,
                topics: Vec::new(),
            }),
            Reply::Described(_) => Reply::Described(Described::refused(error)),
            Reply::Deleted(_) => Reply::Deleted(error),
            Reply::ConsumerBeat(_) => Reply::ConsumerBeat(ConsumerBeat::refused(error, None)),
            Reply::ConsumerDescribed(_) => {
                Reply::ConsumerDescribed(ConsumerDescribed::refused(error, None))
            }
        }
    }
}

impl Joined {
    /// Not a member of a generation.
    pub fn refused(error: ErrorCode, member: &str) -> Joined {
        Joined {
            error,
            generation: -1,
            protocol_type: None,
            protocol_name: None,
            leader: "".into(),
            skip_assignment: false,
            member: member.into(),
            members: Vec::new(),
        }
    }
}

impl Synced {
    /// No assignment.
    pub fn refused(error: ErrorCode) -> Synced {
        Synced {
            error,
            protocol_type: None,
            protocol_name: None,
            assignment: Bytes::new(),
        }
    }
}

impl Committed {
    /// The same error for every partition.
    pub fn refused(error: ErrorCode, topics: &[CommitTopic]) -> Committed {
        let topics = topics.iter().map(|topic| CommittedTopic {
            name: topic.name.clone(),
            id: topic.id,
            partitions: topic
                .partitions
                .iter()
                .map(|partition| (partition.index, error))
                .collect(),
        });
        Committed {
            topics: topics.collect(),
        }
    }

    /// Nothing of it is committed, for the same reason.
    pub(in crate::group) fn fail(&mut self, error: ErrorCode) {
        let partitions = self
            .topics
            .iter_mut()
            .flat_map(|topic| &mut topic.partitions);
        partitions.for_each(|(_, code)| *code = error);
    }
}

impl Described {
    /// Nothing but an error.
    pub fn refused(error: ErrorCode) -> Described {
        Described {
            error,
            message: None,
            state: "",
            protocol_type: "".into(),
            protocol: "".into(),
            members: Vec::new(),
        }
    }
}

impl ConsumerBeat {
    /// Nothing but an error.
    pub fn refused(error: ErrorCode, message: Option<String>) -> ConsumerBeat {
        ConsumerBeat {
            error,
            message,
            member: None,
            epoch: 0,
            interval_ms: 0,
            assignment: None,
        }
    }
}

impl ConsumerDescribed {
    /// Nothing but an error.
    pub fn refused(error: ErrorCode, message: Option<String>) -> ConsumerDescribed {
        ConsumerDescribed {
            error,
            message,
            state: "",
            epoch: 0,
            assignment_epoch: 0,
            assignor: "",
            members: Vec::new(),
        }
    }
}
