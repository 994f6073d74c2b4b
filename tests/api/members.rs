//! What the tests of groups share: a client that is, or wants to be, a member of a classic group, and the
//! committing and fetching of offsets.

use crate::broker::{self, Broker, Topic};
use crate::client::Client;
use millstream::types::Uuid;
use millstream::wire::{
    ConsumerProtocolSubscription, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse,
    HeartbeatRequest, HeartbeatResponse, JoinGroupProtocol, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupMember, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse,
    OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic,
    OffsetFetchGroup, OffsetFetchPartitionResponse, OffsetFetchRequest, OffsetFetchResponse,
    OffsetFetchTopic, OffsetFetchTopicResponse, SyncGroupAssignment, SyncGroupRequest,
    SyncGroupResponse,
};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The newest versions.
pub const JOIN: i16 = 9;
pub const SYNC: i16 = 5;
pub const HEARTBEAT: i16 = 4;
pub const LEAVE: i16 = 5;
pub const FIND: i16 = 6;
pub const LIST: i16 = 5;
/// The newest versions by name; one more goes by id.
pub const COMMIT: i16 = 9;
pub const FETCH_OFFSETS: i16 = 9;

/// The protocol that members speak unless a test says otherwise.
pub const PROTOCOL: &str = "range";

/// The settings of brokers for groups: the first member of a group does not wait for more, and sessions
/// may be short.
pub const HASTY: [&str; 4] = [
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1",
    "group.consumer.min.session.timeout.ms=1",
    "group.consumer.min.heartbeat.interval.ms=1",
];

/// How long something that comes with time may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of a group.
pub struct Member {
    pub client: Client,
    pub group: String,
    /// The member's id, empty before it has joined.
    pub id: String,
    pub instance: Option<&'static str>,
    /// The generation that it has joined.
    pub generation: i32,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    /// What it says of itself.
    pub metadata: Vec<u8>,
}

impl Member {
    /// A client that has found its coordinator.
    pub fn of(broker: &Broker, group: &str) -> Member {
        let mut client = broker.client();
        assert_eq!(find(&mut client, group), ErrorCode::NONE);
        Member {
            client,
            group: group.into(),
            id: String::new(),
            instance: None,
            generation: -1,
            session_timeout_ms: 30_000,
            rebalance_timeout_ms: 30_000,
            metadata: subscription(&["t"]),
        }
    }

    /// A static one.
    pub fn of_instance(broker: &Broker, group: &str, instance: &'static str) -> Member {
        Member {
            instance: Some(instance),
            ..Member::of(broker, group)
        }
    }

    pub fn join_request(&self) -> JoinGroupRequest<'static> {
        JoinGroupRequest {
            group_id: self.group.clone().into(),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            member_id: self.id.clone().into(),
            group_instance_id: self.instance.map(Into::into),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupProtocol {
                name: PROTOCOL.into(),
                metadata: self.metadata.clone().into(),
            }],
            ..Default::default()
        }
    }

    /// Sends a join whose answer is still to come.
    pub fn send_join(&mut self) {
        let request = self.join_request();
        self.client.send(JOIN, &request);
    }

    /// The answer to it: a membership.
    pub fn joined(&mut self) -> JoinGroupResponse<'static> {
        let (response, _) = self.client.receive::<JoinGroupResponse>(JOIN);
        assert_eq!(response.error_code, ErrorCode::NONE);
        self.id = response.member_id.to_string();
        self.generation = response.generation_id;
        response
    }

    /// Gets the id that a dynamic member is to join with.
    pub fn get_id(&mut self) {
        let request = self.join_request();
        let response: JoinGroupResponse = self.client.call(JOIN, &request);
        assert_eq!(response.error_code, ErrorCode::MEMBER_ID_REQUIRED);
        self.id = response.member_id.to_string();
    }

    /// Joins, with an id or without one.
    pub fn join(&mut self) -> JoinGroupResponse<'static> {
        if self.id.is_empty() && self.instance.is_none() {
            self.get_id();
        }
        self.send_join();
        self.joined()
    }

    pub fn sync_request(&self, assignments: &[(&str, &[u8])]) -> SyncGroupRequest<'static> {
        let assignments = assignments.iter();
        let assignments = assignments.map(|(member, assignment)| SyncGroupAssignment {
            member_id: member.to_string().into(),
            assignment: assignment.to_vec().into(),
        });
        SyncGroupRequest {
            group_id: self.group.clone().into(),
            generation_id: self.generation,
            member_id: self.id.clone().into(),
            group_instance_id: self.instance.map(Into::into),
            protocol_type: Some("consumer".into()),
            protocol_name: Some(PROTOCOL.into()),
            assignments: assignments.collect(),
        }
    }

    pub fn send_sync(&mut self, assignments: &[(&str, &[u8])]) {
        let request = self.sync_request(assignments);
        self.client.send(SYNC, &request);
    }

    /// The assignment that answers a sync.
    pub fn synced(&mut self) -> Vec<u8> {
        let (response, _) = self.client.receive::<SyncGroupResponse>(SYNC);
        assert_eq!(response.error_code, ErrorCode::NONE);
        assert_eq!(response.protocol_name.as_deref(), Some(PROTOCOL));
        response.assignment.into_owned()
    }

    /// Joins an empty group, and gives itself this to do.
    pub fn settle(&mut self, assignment: &[u8]) {
        let joined = self.join();
        assert_eq!(joined.leader, joined.member_id, "nobody else is there");
        let own = self.id.clone();
        self.send_sync(&[(&own, assignment)]);
        assert_eq!(self.synced(), assignment);
    }

    pub fn heartbeat_request(&self) -> HeartbeatRequest<'static> {
        HeartbeatRequest {
            group_id: self.group.clone().into(),
            generation_id: self.generation,
            member_id: self.id.clone().into(),
            group_instance_id: self.instance.map(Into::into),
        }
    }

    pub fn heartbeat(&mut self) -> ErrorCode {
        let request = self.heartbeat_request();
        let response: HeartbeatResponse = self.client.call(HEARTBEAT, &request);
        response.error_code
    }

    /// Sends heartbeats until one is answered otherwise than with success.
    pub fn heartbeat_until_news(&mut self) -> ErrorCode {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.heartbeat() {
                ErrorCode::NONE => assert!(Instant::now() < deadline, "no news"),
                news => return news,
            }
            sleep(Duration::from_millis(10));
        }
    }

    pub fn leave(&mut self) -> ErrorCode {
        let request = LeaveGroupRequest {
            group_id: self.group.clone().into(),
            members: vec![LeaveGroupMember {
                member_id: self.id.clone().into(),
                group_instance_id: self.instance.map(Into::into),
                reason: Some("the test is over".into()),
            }],
            ..Default::default()
        };
        let response: LeaveGroupResponse = self.client.call(LEAVE, &request);
        assert_eq!(response.error_code, ErrorCode::NONE);
        response.members[0].error_code
    }

    /// Commits as a member of its generation.
    pub fn commit(&mut self, topic: &Topic, offsets: &[(i32, i64)]) -> ErrorCode {
        let request = OffsetCommitRequest {
            generation_id_or_member_epoch: self.generation,
            member_id: self.id.clone().into(),
            group_instance_id: self.instance.map(Into::into),
            ..commit_request(&self.group, topic, offsets)
        };
        let response: OffsetCommitResponse = self.client.call(COMMIT, &request);
        the_error(&response)
    }
}

/// A second member joins a stable group, whose leader the first is: both are in the next generation. Returns
/// what the leader is told.
pub fn join_beside(first: &mut Member, second: &mut Member) -> JoinGroupResponse<'static> {
    if second.instance.is_none() {
        second.get_id();
    }
    second.send_join();
    let news = first.heartbeat_until_news();
    assert_eq!(news, ErrorCode::REBALANCE_IN_PROGRESS);
    let leading = first.join();
    second.joined();
    assert_eq!(first.generation, second.generation);
    leading
}

/// The first, which leads, gives each its part.
pub fn share(first: &mut Member, of_first: &[u8], second: &mut Member, of_second: &[u8]) {
    // Whoever comes before the leader's assignment waits for it.
    second.send_sync(&[]);
    let (own, other) = (first.id.clone(), second.id.clone());
    first.send_sync(&[(&own, of_first), (&other, of_second)]);
    assert_eq!(first.synced(), of_first);
    assert_eq!(second.synced(), of_second);
}

/// A topic of the tests' shared broker of groups, and a client that may ask there.
pub fn topic_of(name: &str, partitions: i32) -> (Topic, Client) {
    let broker = broker::of_groups();
    let mut client = broker.client();
    assert_eq!(find(&mut client, name), ErrorCode::NONE);
    (broker.topic(name, partitions), client)
}

/// Asks for the coordinator of a group.
pub fn find(client: &mut Client, group: &str) -> ErrorCode {
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![group.to_owned().into()],
        ..Default::default()
    };
    let response: FindCoordinatorResponse = client.call(FIND, &request);
    response.coordinators[0].error_code
}

/// What a consumer of these topics says of itself.
pub fn subscription(topics: &[&str]) -> Vec<u8> {
    let subscription = ConsumerProtocolSubscription {
        topics: topics
            .iter()
            .map(|topic| topic.to_string().into())
            .collect(),
        ..Default::default()
    };
    subscription
        .to_bytes(3)
        .expect("the version is known")
        .to_vec()
}

/// A commit from outside of the group of (partition, offset)s of one topic.
pub fn commit_request(
    group: &str,
    topic: &Topic,
    offsets: &[(i32, i64)],
) -> OffsetCommitRequest<'static> {
    let partitions = offsets.iter();
    let partitions = partitions.map(|(index, offset)| OffsetCommitPartition {
        partition_index: *index,
        committed_offset: *offset,
        ..Default::default()
    });
    OffsetCommitRequest {
        group_id: group.to_owned().into(),
        topics: vec![OffsetCommitTopic {
            name: topic.name.clone().into(),
            topic_id: topic.id,
            partitions: partitions.collect(),
        }],
        ..Default::default()
    }
}

/// Commits from outside of the group what must be taken.
pub fn commit(client: &mut Client, group: &str, topic: &Topic, offsets: &[(i32, i64)]) {
    let request = commit_request(group, topic, offsets);
    let response: OffsetCommitResponse = client.call(COMMIT, &request);
    assert_eq!(the_error(&response), ErrorCode::NONE);
}

/// The error that all partitions have in common.
pub fn the_error(response: &OffsetCommitResponse<'_>) -> ErrorCode {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let mut errors: Vec<ErrorCode> = partitions.map(|it| it.error_code).collect();
    errors.dedup();
    assert_eq!(errors.len(), 1, "{response:?}");
    errors[0]
}

/// A request for one group's offsets of partitions of one topic, in the form of versions 8 and later.
pub fn fetch_request(
    group: &str,
    topic: &Topic,
    partitions: &[i32],
) -> OffsetFetchRequest<'static> {
    let topics = Some(vec![fetch_topic(topic, partitions)]);
    fetch_in(FETCH_OFFSETS, group, topics)
}

pub fn fetch_topic(topic: &Topic, partitions: &[i32]) -> OffsetFetchTopic<'static> {
    OffsetFetchTopic {
        name: topic.name.clone().into(),
        topic_id: topic.id,
        partition_indexes: partitions.to_vec(),
    }
}

/// Asks for one group's offsets in the version's way; returns its error and its topics.
pub fn ask(
    client: &mut Client,
    version: i16,
    group: &str,
    topics: Option<Vec<OffsetFetchTopic<'static>>>,
) -> (ErrorCode, Vec<OffsetFetchTopicResponse<'static>>) {
    let request = fetch_in(version, group, topics);
    let mut response: OffsetFetchResponse = client.call(version, &request);
    match version {
        8.. => {
            let answered = response.groups.remove(0);
            assert_eq!(*answered.group_id, *group);
            assert!(response.groups.is_empty());
            (answered.error_code, answered.topics)
        }
        _ => (response.error_code, response.topics),
    }
}

fn fetch_in(
    version: i16,
    group: &str,
    topics: Option<Vec<OffsetFetchTopic<'static>>>,
) -> OffsetFetchRequest<'static> {
    let group_id = group.to_owned();
    match version {
        8.. => OffsetFetchRequest {
            groups: vec![OffsetFetchGroup {
                group_id: group_id.into(),
                topics,
                ..Default::default()
            }],
            ..Default::default()
        },
        _ => OffsetFetchRequest {
            group_id: group_id.into(),
            topics,
            ..Default::default()
        },
    }
}

/// A partition's offset without an error: index, offset, leader epoch, metadata.
pub type Told<'a> = (i32, i64, i32, Option<&'a str>);

/// All of them.
pub fn told<'a>(partitions: &'a [OffsetFetchPartitionResponse<'_>]) -> Vec<Told<'a>> {
    let tell = |it: &'a OffsetFetchPartitionResponse<'_>| {
        assert_eq!(it.error_code, ErrorCode::NONE);
        let metadata = it.metadata.as_deref();
        let (offset, epoch) = (it.committed_offset, it.committed_leader_epoch);
        (it.partition_index, offset, epoch, metadata)
    };
    partitions.iter().map(tell).collect()
}

/// What is committed for partitions of one topic.
pub fn fetch(
    client: &mut Client,
    group: &str,
    topic: &Topic,
    partitions: &[i32],
) -> Vec<OffsetFetchPartitionResponse<'static>> {
    let topics = Some(vec![fetch_topic(topic, partitions)]);
    let (error, mut topics) = ask(client, FETCH_OFFSETS, group, topics);
    assert_eq!(error, ErrorCode::NONE);
    let fetched = topics.remove(0).partitions;
    let told: Vec<i32> = fetched.iter().map(|it| it.partition_index).collect();
    assert_eq!(told, partitions, "an entry for each, in the order asked");
    fetched
}

/// The offsets alone.
pub fn offsets(client: &mut Client, group: &str, topic: &Topic, partitions: &[i32]) -> Vec<i64> {
    let fetched = fetch(client, group, topic, partitions);
    told(&fetched)
        .into_iter()
        .map(|(_, offset, ..)| offset)
        .collect()
}

/// Waits until a broker that has just started has loaded its groups: clients try again meanwhile.
pub fn all_loaded(broker: &Broker) {
    let mut client = broker.client();
    let list = || {
        let response: ListGroupsResponse = client.call(LIST, &ListGroupsRequest::default());
        response.error_code
    };
    let error = until(list, |error| {
        *error != ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
    });
    assert_eq!(error, ErrorCode::NONE);
}

/// A topic that was never made.
pub fn nowhere() -> Topic {
    Topic {
        name: "nowhere".into(),
        id: Uuid([7; 16]),
    }
}

/// Calls until the result is wanted.
pub fn until<T: std::fmt::Debug>(mut call: impl FnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let result = call();
        if wanted(&result) {
            return result;
        }
        assert!(Instant::now() < deadline, "still {result:?}");
        sleep(Duration::from_millis(10));
    }
}
