//! Tests of the room: a coordinator with a clock that the test moves, and a log that a second
//! coordinator follows record by record.

mod admin;
mod bounds;
mod calls;
mod consumer;
mod expiry;
mod joining;
mod leaving;
mod loading;
mod model;
mod offsets;
mod sessions;
mod standing;
mod static_members;
mod syncing;

use super::call::*;
use super::classic::{Classic, State};
use super::config::GroupConfig;
use super::consumer::{Consumer, ConsumerEntry};
use super::coordinator::{Context, Coordinator, Record, Step};
use super::kind::Kind;
use super::records::StoredGroup;
use crate::metadata::Image;
use crate::types::{Now, Offset, ReturnTo, ShardId, Timestamp, TopicId};
use crate::wire::{ErrorCode, GroupRecord};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The calendar at the start of every test, ms.
const EPOCH_MS: i64 = 1_700_000_000_000;
const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 60_000;
/// How long a new group gathers members that all come at once.
const GATHER_MS: u64 = 6_000;

/// A coordinator under test.
struct Bench {
    coordinator: Coordinator,
    config: Arc<GroupConfig>,
    /// What was written, and a coordinator that has read it.
    log: Vec<Record>,
    follower: Coordinator,
    image: Image,
    image_offset: i64,
    /// The ids of all topics that there ever were.
    made: Vec<TopicId>,
    now_us: u64,
    seed: u64,
    tickets: u64,
    /// Calls without an answer, by ticket.
    waiting: BTreeMap<u64, Call>,
    /// Answers not looked at yet.
    replies: BTreeMap<u64, Reply>,
}

/// A call under way.
type Ticket = u64;

impl Bench {
    fn new() -> Bench {
        Bench::with(GroupConfig::default())
    }

    fn with(config: GroupConfig) -> Bench {
        let config = Arc::new(config);
        let mut bench = Bench {
            coordinator: Coordinator::new(config.clone()),
            follower: Coordinator::new(config.clone()),
            config,
            log: Vec::new(),
            image: Image::new(),
            image_offset: 0,
            made: Vec::new(),
            now_us: 1_000_000,
            seed: 1,
            tickets: 0,
            waiting: BTreeMap::new(),
            replies: BTreeMap::new(),
        };
        let step = bench.act(|coordinator, context| coordinator.loaded(context));
        bench.take(step);
        bench
    }

    fn now(&self) -> Now {
        Now {
            monotonic_us: self.now_us,
            wall: Timestamp(EPOCH_MS + (self.now_us / 1000) as i64),
        }
    }

    fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Something happens to the coordinator.
    fn act(&mut self, act: impl FnOnce(&mut Coordinator, &mut Context<'_>) -> Step) -> Step {
        let now = self.now();
        let random = (u128::from(self.draw()) << 64 | u128::from(self.draw())).to_be_bytes();
        let mut context = Context {
            now,
            image: &self.image,
            image_offset: Offset(self.image_offset),
            random: &mut || random,
        };
        act(&mut self.coordinator, &mut context)
    }

    /// Sends a call. Its answer, or that there is none, is asked for by ticket.
    fn send(&mut self, call: Call) -> Ticket {
        let step = self.begin(call);
        self.take(step);
        self.tickets
    }

    /// Sends a call whose step the test takes itself.
    fn begin(&mut self, call: Call) -> Step {
        self.tickets += 1;
        self.waiting.insert(self.tickets, call.clone());
        let caller = caller(self.tickets);
        self.act(|coordinator, context| coordinator.handle(context, caller, call))
    }

    /// The step's batch is committed.
    fn take(&mut self, step: Step) {
        let batch: usize = step.records.iter().map(|record| record.key.len()).sum();
        assert!(batch <= self.config.batch_bytes_max);
        for record in step.records {
            let replayed =
                self.follower
                    .replay(&record.key, record.value.as_deref(), Timestamp::NONE);
            replayed.expect("what is written can be read");
            self.log.push(record);
        }
        self.answer(step.replies);
        self.check_follower();
    }

    fn answer(&mut self, replies: Vec<(ReturnTo, Reply)>) {
        for (to, reply) in replies {
            let call = self.waiting.remove(&to.ticket);
            let call = call.unwrap_or_else(|| panic!("a second answer: {to:?} {reply:?}"));
            assert!(answers(&call, &reply), "{call:?} answered by {reply:?}");
            self.replies.insert(to.ticket, reply);
        }
    }

    /// Time passes, and everything that is due happens when it is.
    fn pass_ms(&mut self, ms: u64) {
        let until_us = self.now_us + ms * 1000;
        while let Some(due_us) = self
            .coordinator
            .poll_timeout()
            .filter(|due| *due <= until_us)
        {
            self.now_us = self.now_us.max(due_us);
            self.due();
        }
        self.now_us = until_us;
    }

    fn due(&mut self) {
        let step = self.act(|coordinator, context| coordinator.handle_timeout(context));
        let next_us = self.coordinator.poll_timeout();
        assert!(
            next_us.is_none_or(|next_us| next_us > self.now_us),
            "{next_us:?} is due at {} again",
            self.now_us
        );
        self.take(step);
    }

    /// The answer to a call, which must be there.
    fn reply(&mut self, ticket: Ticket) -> Reply {
        let reply = self.replies.remove(&ticket);
        reply.unwrap_or_else(|| panic!("no answer to {:?}", self.waiting.get(&ticket)))
    }

    fn call(&mut self, call: Call) -> Reply {
        let ticket = self.send(call);
        self.reply(ticket)
    }

    fn is_waiting(&self, ticket: Ticket) -> bool {
        self.waiting.contains_key(&ticket)
    }

    fn joined(&mut self, ticket: Ticket) -> Joined {
        match self.reply(ticket) {
            Reply::Joined(joined) => joined,
            other => panic!("{other:?}"),
        }
    }

    fn synced(&mut self, ticket: Ticket) -> Synced {
        match self.reply(ticket) {
            Reply::Synced(synced) => synced,
            other => panic!("{other:?}"),
        }
    }

    fn classic(&self, group: &str) -> &Classic {
        let group = self.coordinator.get(group).expect("the group is there");
        match &group.kind {
            Kind::Classic(classic) => classic,
            Kind::Consumer(_) => panic!("a consumer group"),
        }
    }

    fn consumer(&self, group: &str) -> &Consumer {
        let group = self.coordinator.get(group).expect("the group is there");
        match &group.kind {
            Kind::Consumer(consumer) => consumer,
            Kind::Classic(_) => panic!("a classic group"),
        }
    }

    fn state(&self, group: &str) -> &'static str {
        match self.coordinator.get(group).map(|group| &group.kind) {
            Some(Kind::Classic(classic)) => classic.state().name(),
            Some(Kind::Consumer(consumer)) => consumer.state(),
            None => "Dead",
        }
    }

    fn heartbeat(&mut self, member: &str, generation: i32) -> ErrorCode {
        match self.call(heartbeat(member, generation)) {
            Reply::Heartbeat(error) => error,
            other => panic!("{other:?}"),
        }
    }

    /// Another record in the log, which the coordinator loads.
    fn load(&mut self, record: &GroupRecord<'_>) {
        let (key, value) = record.encode().expect("a record");
        let record = Record {
            key: key.into(),
            value: value.map(Into::into),
        };
        let (key, value) = (&record.key, record.value.as_deref());
        let replayed = self.follower.replay(key, value, Timestamp::NONE);
        replayed.expect("a record that can be read");
        self.log.push(record);
        self.reload();
    }

    /// A coordinator that loads the log anew, at the same time of day.
    fn reload(&mut self) {
        let mut coordinator = Coordinator::new(self.config.clone());
        for record in &self.log {
            let replayed =
                coordinator.replay(&record.key, record.value.as_deref(), Timestamp::NONE);
            replayed.expect("the log can be read");
        }
        self.coordinator = coordinator;
        let step = self.act(|coordinator, context| coordinator.loaded(context));
        self.take(step);
    }

    /// Whoever has read the log knows all offsets, and every group that is stable or empty.
    fn check_follower(&self) {
        let (live, read) = (&self.coordinator, &self.follower);
        for group in live.by_id.keys().chain(read.by_id.keys()) {
            assert_eq!(committed(live, group), committed(read, group));
            let expected = remembered(live, group);
            if expected.is_ok() {
                assert_eq!(remembered(read, group), expected);
            }
        }
    }

    /// Members of a new group, all joined and synced: their ids, the leader's first.
    fn stable_group(&mut self, members: usize) -> Vec<String> {
        let tickets: Vec<Ticket> = (0..members).map(|_| self.send(join("").into())).collect();
        self.pass_ms(GATHER_MS);
        let joined: Vec<Joined> = tickets.iter().map(|at| self.joined(*at)).collect();
        assert!(
            joined.iter().all(|joined| joined.error.is_none()),
            "{joined:?}"
        );
        self.sync_all(&joined)
    }

    /// Syncs all of these, the leader last: returns their ids, the leader's first.
    fn sync_all(&mut self, joined: &[Joined]) -> Vec<String> {
        let generation = joined[0].generation;
        let leader = joined[0].leader.to_string();
        let mut members: Vec<String> = joined
            .iter()
            .map(|joined| joined.member.to_string())
            .filter(|member| *member != leader)
            .collect();
        let followers: Vec<Ticket> = members
            .iter()
            .map(|member| self.send(sync(member, generation, &[])))
            .collect();
        members.insert(0, leader);
        let assigned: Vec<(&str, &str)> = members
            .iter()
            .map(|member| (member.as_str(), member.as_str()))
            .collect();
        let ticket = self.send(sync(&members[0], generation, &assigned));
        for (member, ticket) in members.iter().zip([ticket].into_iter().chain(followers)) {
            let synced = self.synced(ticket);
            assert_eq!(synced.error, ErrorCode::NONE);
            assert_eq!(synced.assignment, member.as_bytes());
        }
        assert_eq!(self.state("g"), "Stable");
        members
    }
}

fn caller(ticket: Ticket) -> ReturnTo {
    ReturnTo {
        shard: ShardId(0),
        ticket,
    }
}

/// Whether a reply is of the call's kind.
fn answers(call: &Call, reply: &Reply) -> bool {
    matches!(
        (call, reply),
        (Call::Join(_), Reply::Joined(_))
            | (Call::Sync(_), Reply::Synced(_))
            | (Call::Heartbeat(_), Reply::Heartbeat(_))
            | (Call::Leave(_), Reply::Left(_))
            | (Call::Commit(_), Reply::Committed(_))
            | (Call::Fetch(_), Reply::OffsetsFetched(_))
            | (Call::DeleteOffsets(_), Reply::OffsetsDeleted(_))
            | (Call::Describe(_), Reply::Described(_))
            | (Call::Delete(_), Reply::Deleted(_))
            | (Call::ConsumerHeartbeat(_), Reply::ConsumerBeat(_))
            | (Call::ConsumerDescribe(_), Reply::ConsumerDescribed(_))
    )
}

/// What the log tells of a group.
#[derive(PartialEq, Eq, Debug)]
enum Remembered {
    Classic(StoredGroup),
    Consumer(Vec<ConsumerEntry>),
}

/// What a coordinator has to remember of a group that is stable or empty; none where it need not: a
/// group that never had members. An error for a group on its way.
fn remembered(coordinator: &Coordinator, group: &str) -> Result<Option<Remembered>, ()> {
    let Some(group) = coordinator.get(group) else {
        return Ok(None);
    };
    let classic = match &group.kind {
        Kind::Classic(classic) => classic,
        Kind::Consumer(consumer) => return Ok(Some(Remembered::Consumer(consumer.entries()))),
    };
    match classic.state() {
        State::Preparing { .. } | State::Completing { .. } => Err(()),
        State::Empty | State::Stable { .. } => {
            let had_members = classic.protocol_type().is_some() || classic.generation() > 0;
            Ok(had_members.then(|| Remembered::Classic(classic.store())))
        }
    }
}

/// What is committed for a group.
fn committed(coordinator: &Coordinator, group: &str) -> Vec<String> {
    let group = coordinator.get(group).into_iter();
    let topics = group.flat_map(|group| group.offsets.topics());
    let offsets = topics.flat_map(|(topic, partitions)| {
        partitions.map(move |(index, committed)| format!("{topic}-{index} {committed:?}"))
    });
    offsets.collect()
}

/// Runs a model with that seed, which is told if it fails.
fn told_if_it_fails<T>(seed: u64, run: impl Fn(u64) -> T + std::panic::RefUnwindSafe) -> T {
    std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|panic| {
        eprintln!("seed {seed}");
        std::panic::resume_unwind(panic)
    })
}

// -- calls to the group "g"

fn protocol(name: &str, metadata: &[u8]) -> Protocol {
    Protocol {
        name: name.to_string(),
        metadata: Bytes::copy_from_slice(metadata),
    }
}

/// A subscription of consumers, version 0.
fn subscription(topics: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.len() as i16).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1i32).to_be_bytes());
    bytes
}

/// A join as version 3 has it: no id is needed, the member is new where it names none.
fn join(member: &str) -> Join {
    Join {
        group: "g".to_string(),
        member: member.to_string(),
        instance: None,
        client_id: "client".to_string(),
        client_host: "/10.0.0.1".to_string(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: "consumer".to_string(),
        protocols: vec![protocol("range", &subscription(&["t"]))],
        reason: None,
        requires_member_id: false,
        supports_skipping_assignment: false,
    }
}

/// A join of a static member.
fn join_static(member: &str, instance: &str) -> Join {
    Join {
        instance: Some(instance.to_string()),
        ..join(member)
    }
}

impl From<Join> for Call {
    fn from(join: Join) -> Call {
        Call::Join(join)
    }
}

fn sync(member: &str, generation: i32, assignments: &[(&str, &str)]) -> Call {
    let assignments = assignments.iter().map(|(member, assignment)| {
        let bytes = Bytes::copy_from_slice(assignment.as_bytes());
        (member.to_string(), bytes)
    });
    Call::Sync(Sync {
        group: "g".to_string(),
        member: member.to_string(),
        instance: None,
        generation,
        protocol_type: None,
        protocol_name: None,
        assignments: assignments.collect(),
    })
}

fn heartbeat(member: &str, generation: i32) -> Call {
    Call::Heartbeat(Heartbeat {
        group: "g".to_string(),
        member: member.to_string(),
        instance: None,
        generation,
    })
}

fn leave(members: &[(&str, Option<&str>)]) -> Call {
    let members = members.iter().map(|(member, instance)| Leaving {
        member: member.to_string(),
        instance: instance.map(str::to_string),
        reason: None,
    });
    Call::Leave(Leave {
        group: "g".to_string(),
        members: members.collect(),
    })
}
