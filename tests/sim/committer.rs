//! A committer: commits offsets in a group that nobody else commits in, from outside or as its only
//! member, and looks what is there. What it finds must be the last offset that was acknowledged, or one
//! whose fate it was never told; after a loss of power also one from before.

use crate::conversation::{Answer, Conversation, News};
use crate::history::{History, Partition, Phase};
use crate::network::Told;
use crate::random::Random;
use crate::world::{Actor, Stage};
use millstream::wire::{
    ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest,
    HeartbeatResponse, IncrementalAlterConfigsProperty, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResource, IncrementalAlterConfigsResponse, JoinGroupProtocol,
    JoinGroupRequest, JoinGroupResponse, OffsetCommitPartition, OffsetCommitRequest,
    OffsetCommitResponse, OffsetCommitTopic, OffsetFetchGroup, OffsetFetchRequest,
    OffsetFetchResponse, OffsetFetchTopic, SyncGroupAssignment, SyncGroupRequest,
    SyncGroupResponse,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

const TICK: u64 = 0;
const RECONNECT: u64 = 1;
/// What the member gives itself to do.
const ASSIGNMENT: &[u8] = b"everything";

/// See the module.
pub struct Committer {
    client: u32,
    /// Whether it commits as a member.
    is_member: bool,
    /// What it gives the topic of the offsets first, so that its segments roll and are compacted.
    settings: Vec<(&'static str, String)>,
    session_timeout_ms: i32,
    history: Rc<RefCell<History>>,
    conversation: Conversation<What>,
    found: bool,
    member: Member,
    /// The next offset, so that none is committed twice.
    next: i64,
    known: BTreeMap<Partition, Known>,
    /// In this phase everything was found as it should be.
    checked_in: Option<Phase>,
}

/// What it knows of its membership.
#[derive(Default)]
struct Member {
    id: String,
    generation: i32,
    is_synced: bool,
}

/// What may be committed for a partition.
#[derive(Default)]
struct Known {
    /// Acknowledged last, or found last where anything may have been: -1 for nothing.
    last: Option<i64>,
    /// The life in which that was.
    life: u32,
    /// Offsets that may or may not have been committed, or still be on their way.
    open: BTreeSet<i64>,
    /// Every offset that was ever tried.
    tried: BTreeSet<i64>,
}

enum What {
    Find,
    Set,
    Join,
    Sync,
    Heartbeat,
    /// The offsets, and the life in which they were committed.
    Commit(Vec<(Partition, i64)>, u32),
    /// The partitions, and the life in which was asked.
    Fetch(Vec<Partition>, u32),
}

impl Committer {
    /// One who commits for partitions of all topics.
    pub fn new(
        client: u32,
        random: &mut Random,
        settings: Vec<(&'static str, String)>,
        history: Rc<RefCell<History>>,
    ) -> Committer {
        Committer {
            client,
            is_member: random.one_in(2),
            settings,
            session_timeout_ms: random.magnitude(6_000, 60_000) as i32,
            history,
            conversation: Conversation::new(format!("committer-{client}")),
            found: false,
            member: Member::default(),
            next: 0,
            known: BTreeMap::new(),
            checked_in: None,
        }
    }

    fn group(&self) -> String {
        format!("group-{}", self.client)
    }

    fn tick(&mut self, stage: &mut Stage<'_>) {
        let phase = self.history.borrow().phase;
        if phase == Phase::Closing {
            self.conversation.close(false, stage);
            self.history.borrow_mut().done.insert(self.client);
            return;
        }
        self.conversation.check_patience(stage);
        self.conversation.open(stage);
        self.go_on(stage);
        if phase > Phase::Running && self.checked_in == Some(phase) {
            self.history.borrow_mut().done.insert(self.client);
        }
        let wait_us = stage.random.between(5_000, 200_000);
        stage.after(wait_us, TICK);
    }

    fn go_on(&mut self, stage: &mut Stage<'_>) {
        if !self.conversation.is_open() || self.conversation.unanswered() > 0 {
            return;
        }
        let (ready, phase) = {
            let history = self.history.borrow();
            let known = history.topics.iter().all(|topic| topic.id.is_some());
            (known && !history.topics.is_empty(), history.phase)
        };
        if !ready {
            return;
        }
        if !self.found {
            return self.find(stage);
        }
        if !self.settings.is_empty() {
            return self.set(stage);
        }
        if self.is_member && !self.member.is_synced {
            return match self.member.generation > 0 {
                true => self.sync(stage),
                false => self.join(stage),
            };
        }
        match stage.random.below(10) {
            // Nobody else needs these offsets: in the end they are only looked at.
            0..6 if phase == Phase::Running => self.commit(stage),
            6 if self.is_member => self.heartbeat(stage),
            _ => self.fetch(stage),
        }
    }

    fn find(&mut self, stage: &mut Stage<'_>) {
        let request = FindCoordinatorRequest {
            coordinator_keys: vec![self.group().into()],
            ..Default::default()
        };
        let version = stage.random.between(4, 6) as i16;
        self.conversation
            .ask(stage, version, &request, 0, What::Find);
    }

    fn set(&mut self, stage: &mut Stage<'_>) {
        let settings = self.settings.iter();
        let request = IncrementalAlterConfigsRequest {
            resources: vec![IncrementalAlterConfigsResource {
                resource_type: 2,
                resource_name: "__consumer_offsets".into(),
                configs: settings
                    .map(|(name, value)| IncrementalAlterConfigsProperty {
                        name: (*name).into(),
                        config_operation: 0,
                        value: Some(value.clone().into()),
                    })
                    .collect(),
            }],
            validate_only: false,
        };
        self.conversation.ask(stage, 1, &request, 0, What::Set);
    }

    fn join(&mut self, stage: &mut Stage<'_>) {
        let request = JoinGroupRequest {
            group_id: self.group().into(),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: 10_000,
            member_id: self.member.id.clone().into(),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupProtocol {
                name: "range".into(),
                metadata: b"opaque".into(),
            }],
            ..Default::default()
        };
        // The group waits for more members first, and for those that an earlier join has made.
        let wait_us = 60_000_000;
        let version = stage.random.between(1, 9) as i16;
        self.conversation
            .ask(stage, version, &request, wait_us, What::Join);
    }

    fn sync(&mut self, stage: &mut Stage<'_>) {
        let request = SyncGroupRequest {
            group_id: self.group().into(),
            generation_id: self.member.generation,
            member_id: self.member.id.clone().into(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: vec![SyncGroupAssignment {
                member_id: self.member.id.clone().into(),
                assignment: ASSIGNMENT.into(),
            }],
            ..Default::default()
        };
        let version = stage.random.between(0, 5) as i16;
        self.conversation
            .ask(stage, version, &request, 10_000_000, What::Sync);
    }

    fn heartbeat(&mut self, stage: &mut Stage<'_>) {
        let request = HeartbeatRequest {
            group_id: self.group().into(),
            generation_id: self.member.generation,
            member_id: self.member.id.clone().into(),
            ..Default::default()
        };
        let version = stage.random.between(0, 4) as i16;
        self.conversation
            .ask(stage, version, &request, 0, What::Heartbeat);
    }

    fn commit(&mut self, stage: &mut Stage<'_>) {
        let mut partitions = self.history.borrow().partitions();
        stage.random.shuffle(&mut partitions);
        partitions.truncate(stage.random.between(1, 3) as usize);
        partitions.sort();
        let version = stage.random.between(2, 10) as i16;
        let mut topics: Vec<OffsetCommitTopic<'_>> = Vec::new();
        let mut commits = Vec::new();
        let history = self.history.borrow();
        for partition in partitions {
            let known = &history.topics[partition.topic];
            let topic_id = known.id.expect("known before committing");
            if topics.last().is_none_or(|it| it.topic_id != topic_id) {
                topics.push(OffsetCommitTopic {
                    name: known.name.clone().into(),
                    topic_id,
                    ..Default::default()
                });
            }
            let offset = self.next;
            self.next += 1;
            let topic = topics.last_mut().expect("just pushed");
            topic.partitions.push(OffsetCommitPartition {
                partition_index: partition.index,
                committed_offset: offset,
                committed_metadata: Some(format!("as {offset}").into()),
                ..Default::default()
            });
            let known = self.known.entry(partition).or_default();
            known.open.insert(offset);
            known.tried.insert(offset);
            commits.push((partition, offset));
        }
        let life = history.lives;
        drop(history);
        let request = OffsetCommitRequest {
            group_id: self.group().into(),
            generation_id_or_member_epoch: match self.is_member {
                true => self.member.generation,
                false => -1,
            },
            member_id: self.member.id.clone().into(),
            topics,
            ..Default::default()
        };
        self.conversation
            .ask(stage, version, &request, 0, What::Commit(commits, life));
    }

    fn fetch(&mut self, stage: &mut Stage<'_>) {
        let history = self.history.borrow();
        let partitions = history.partitions();
        let topics = history.topics.iter().map(|topic| OffsetFetchTopic {
            name: topic.name.clone().into(),
            topic_id: topic.id.expect("known before committing"),
            partition_indexes: (0..topic.partitions).collect(),
        });
        let request = OffsetFetchRequest {
            groups: vec![OffsetFetchGroup {
                group_id: self.group().into(),
                topics: Some(topics.collect()),
                ..Default::default()
            }],
            ..Default::default()
        };
        let life = history.lives;
        drop(history);
        let version = stage.random.between(8, 10) as i16;
        let what = What::Fetch(partitions, life);
        self.conversation.ask(stage, version, &request, 0, what);
    }

    fn answered(&mut self, answer: &Answer<What>) {
        match &answer.asked.what {
            What::Find => {
                let body: FindCoordinatorResponse<'_> = answer.body();
                let found = &body.coordinators[0];
                assert_eq!(*found.key, *self.group());
                self.found = self.judge(found.error_code, &[]);
            }
            What::Set => {
                let body: IncrementalAlterConfigsResponse<'_> = answer.body();
                let error = body.responses[0].error_code;
                match error {
                    ErrorCode::NONE => self.settings.clear(),
                    // The topic is not there yet.
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {}
                    _ => assert!(
                        self.history.borrow().may_fail(answer.asked.sent_us),
                        "{body:?}"
                    ),
                }
            }
            What::Join => {
                let body: JoinGroupResponse<'_> = answer.body();
                let news = [
                    ErrorCode::MEMBER_ID_REQUIRED,
                    ErrorCode::UNKNOWN_MEMBER_ID,
                    ErrorCode::REBALANCE_IN_PROGRESS,
                ];
                match self.judge(body.error_code, &news) {
                    true => {
                        assert!(body.generation_id > 0, "{body:?}");
                        self.member.id = body.member_id.to_string();
                        self.member.generation = body.generation_id;
                    }
                    false if body.error_code == ErrorCode::MEMBER_ID_REQUIRED => {
                        self.member.id = body.member_id.to_string();
                    }
                    false if body.error_code == ErrorCode::UNKNOWN_MEMBER_ID => {
                        self.member = Member::default();
                    }
                    false => {}
                }
            }
            What::Sync => {
                let body: SyncGroupResponse<'_> = answer.body();
                if self.judge(body.error_code, &NEWS) {
                    // Where a join whose answer was lost has made another member, that one may lead
                    // and never assigns.
                    let own = *body.assignment == *ASSIGNMENT || body.assignment.is_empty();
                    assert!(own, "{body:?}");
                    self.member.is_synced = true;
                }
            }
            What::Heartbeat => {
                let body: HeartbeatResponse = answer.body();
                self.judge(body.error_code, &NEWS);
            }
            What::Commit(commits, life) => {
                let body: OffsetCommitResponse<'_> = answer.body();
                let results = body.topics.iter().flat_map(|topic| &topic.partitions);
                let results: Vec<_> = results
                    .map(|it| (it.partition_index, it.error_code))
                    .collect();
                assert_eq!(results.len(), commits.len(), "{body:?}");
                // The last words of a broker that lost its power meanwhile are no promise.
                let counts = *life == self.history.borrow().lives;
                for ((index, error), (partition, offset)) in results.into_iter().zip(commits) {
                    assert_eq!(index, partition.index);
                    if !self.judge(error, &NEWS) || !counts {
                        continue;
                    }
                    let known = self.known.get_mut(partition).expect("it was tried");
                    known.open.remove(offset);
                    known.last = Some(*offset);
                    known.life = *life;
                    self.history.borrow_mut().counts.committed += 1;
                }
            }
            What::Fetch(partitions, life) => {
                let body: OffsetFetchResponse<'_> = answer.body();
                let group = &body.groups[0];
                if !self.judge(group.error_code, &[]) || *life != self.history.borrow().lives {
                    return;
                }
                let results = group.topics.iter().flat_map(|topic| &topic.partitions);
                let results: Vec<_> = results.collect();
                assert_eq!(results.len(), partitions.len(), "{body:?}");
                for (result, partition) in results.into_iter().zip(partitions) {
                    assert_eq!(result.partition_index, partition.index);
                    assert!(result.error_code.is_none(), "{result:?}");
                    let offset = result.committed_offset;
                    let known = self.known.entry(*partition).or_default();
                    known.found(offset, *life, *partition);
                    let metadata = match offset {
                        -1 => String::new(),
                        offset => format!("as {offset}"),
                    };
                    assert_eq!(result.metadata.as_deref(), Some(&*metadata));
                }
                self.checked_in = Some(self.history.borrow().phase);
            }
        }
    }

    /// Whether it went well. An error must be one that clients are used to.
    fn judge(&mut self, error: ErrorCode, news: &[ErrorCode]) -> bool {
        if error.is_none() {
            return true;
        }
        let elsewhere = [
            ErrorCode::NOT_COORDINATOR,
            ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ];
        if elsewhere.contains(&error) {
            self.found = false;
        } else if news.contains(&error) {
            // A lone member whose session has ended, or that is to join again.
            self.member.generation = 0;
            self.member.is_synced = false;
            if error == ErrorCode::UNKNOWN_MEMBER_ID {
                self.member.id.clear();
            }
        } else {
            assert_eq!(error, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        }
        false
    }
}

/// What a member may hear.
const NEWS: [ErrorCode; 4] = [
    ErrorCode::UNKNOWN_MEMBER_ID,
    ErrorCode::ILLEGAL_GENERATION,
    ErrorCode::REBALANCE_IN_PROGRESS,
    ErrorCode::GROUP_ID_NOT_FOUND,
];

impl Known {
    /// That is what is committed now.
    fn found(&mut self, offset: i64, life: u32, partition: Partition) {
        let last = self.last.unwrap_or(-1);
        if self.life < life {
            // The power was lost: what was acknowledged before may be gone, but never was something
            // there that nobody had tried.
            assert!(
                offset == -1 || self.tried.contains(&offset),
                "{partition:?}: {offset} was never committed"
            );
            self.life = life;
        } else {
            assert!(
                offset == last || self.open.contains(&offset),
                "{partition:?}: {offset} is committed, though {last} was acknowledged"
            );
        }
        // What is open may still come.
        self.last = Some(offset);
    }
}

impl Actor for Committer {
    fn told(&mut self, told: Told, stage: &mut Stage<'_>) {
        let mut answers = Vec::new();
        let news = self
            .conversation
            .told(told, stage, &self.history.borrow(), &mut answers);
        for answer in answers {
            self.answered(&answer);
        }
        match news {
            News::Over => stage.after(50_000, RECONNECT),
            News::Connected => self.go_on(stage),
            News::None => {}
        }
    }

    fn timer(&mut self, name: u64, stage: &mut Stage<'_>) {
        let phase = self.history.borrow().phase;
        match name {
            TICK => self.tick(stage),
            _ if phase < Phase::Closing => self.conversation.open(stage),
            _ => {}
        }
    }
}
