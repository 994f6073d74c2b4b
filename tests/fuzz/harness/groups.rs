//! The coordinator of groups: records of `__consumer_offsets` that are noise or mean something, in any
//! order, then calls of members that come, go and say anything, and time that passes. Every caller is
//! answered once, a step fits into a batch, and who reads the log that comes of it knows what was
//! committed.

use super::input::Input;
use super::make::{self, NOW_MS};
use super::subjects::{GROUP_RECORDS, SUBJECTS};
use bytes::Bytes;
use millstream::batch::Builder;
use millstream::group::{
    Call, Commit, CommitPartition, CommitTopic, ConsumerDescribe, ConsumerHeartbeat, Context,
    Coordinator, Delete, DeleteOffsets, Describe, FetchOffsets, GroupConfig, Heartbeat, Join,
    Leave, Leaving, ListFilter, OffsetsFetched, Partitions, Protocol, Record, Reply, Step, Sync,
};
use millstream::metadata::Image;
use millstream::types::{
    LeaderEpoch, Now, Offset, PartitionIndex, ReturnTo, ShardId, Timestamp, Uuid,
};
use millstream::wire::{
    ConsumerProtocolSubscription, GroupLogRecord, GroupRecord, MetadataRecord, PartitionRecord,
    TopicRecord, Writer,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The topics that there are.
const IDS: [Uuid; 3] = [Uuid([1; 16]), Uuid([2; 16]), Uuid([3; 16])];
const TOPICS: [&str; 4] = ["t", "u", "t-more", "absent"];
const GROUPS: [&str; 4] = ["g", "h", "", "i"];
const MEMBERS: [&str; 5] = ["a", "b", "c", "", "d"];
const INSTANCES: [&str; 2] = ["one", "two"];
const PROTOCOLS: [&str; 3] = ["range", "sticky", "roundrobin"];
const EXPRESSIONS: [&str; 6] = ["t.*", "", "u|t", "(", "[a-z]+", ".*"];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut bench = Bench::new(&mut input);
    for _ in 0..input.below(24) {
        let (key, value) = record(&mut input);
        bench.replay(&key, value.as_deref());
    }
    bench.step(|coordinator, context| coordinator.loaded(context));
    while !input.is_empty() {
        match input.byte() {
            0..=31 => bench.pass(&mut input),
            32..=39 => {
                let gone = [TOPICS[input.below(TOPICS.len())].to_owned()];
                bench.step(|coordinator, context| coordinator.topics_deleted(context, &gone));
            }
            _ => {
                let call = call(&mut input, bench.newest);
                bench.call(call);
            }
        }
    }
    bench.finish();
}

/// A coordinator, and who waits for it.
struct Bench {
    config: Arc<GroupConfig>,
    coordinator: Coordinator,
    image: Image,
    now_us: u64,
    tickets: u64,
    waiting: BTreeSet<u64>,
    /// All that is in the log.
    log: Vec<Record>,
    /// The generation or epoch that somebody was told of last.
    newest: i32,
}

impl Bench {
    fn new(input: &mut Input<'_>) -> Bench {
        let config = Arc::new(GroupConfig {
            session_timeout_ms_min: 1,
            initial_rebalance_delay_ms: i32::from(input.byte()) * 10,
            size_max: 1 + i32::from(input.byte()),
            offsets_retention_ms: 60_000,
            offsets_retention_check_interval_ms: 10_000,
            batch_bytes_max: 1_000 + usize::from(input.short()),
            consumer_size_max: 1 + i32::from(input.byte()),
            ..GroupConfig::default()
        });
        Bench {
            coordinator: Coordinator::new(config.clone()),
            config,
            image: image(),
            now_us: 1_000_000,
            tickets: 0,
            waiting: BTreeSet::new(),
            log: Vec::new(),
            newest: 0,
        }
    }

    /// A record of a log that somebody else wrote.
    fn replay(&mut self, key: &[u8], value: Option<&[u8]>) {
        let taken = self.coordinator.replay(key, value, Timestamp(NOW_MS));
        match taken {
            Ok(()) => self.log.push(Record {
                key: key.to_vec(),
                value: value.map(<[u8]>::to_vec),
            }),
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    }

    fn step(&mut self, act: impl FnOnce(&mut Coordinator, &mut Context<'_>) -> Step) {
        let ticket = self.tickets;
        let mut context = Context {
            now: Now {
                monotonic_us: self.now_us,
                wall: Timestamp(NOW_MS + self.now_us as i64 / 1000),
            },
            image: &self.image,
            image_offset: Offset(9),
            random: &mut || u128::from(ticket).wrapping_mul(0x9e37_79b9).to_be_bytes(),
        };
        let step = act(&mut self.coordinator, &mut context);
        if !step.records.is_empty() {
            let mut batch = Builder::new(Offset(0), LeaderEpoch(0));
            for record in &step.records {
                batch.push(
                    Timestamp(NOW_MS),
                    Some(&record.key),
                    record.value.as_deref(),
                    &[],
                );
                let read = GroupRecord::decode(&record.key, record.value.as_deref());
                assert!(
                    matches!(read, Ok(GroupLogRecord::Known(_))),
                    "our own record"
                );
            }
            assert!(batch.finish().len() <= self.config.batch_bytes_max);
        }
        self.log.extend(step.records);
        self.take(step.replies);
    }

    fn take(&mut self, replies: Vec<(ReturnTo, Reply)>) {
        for (to, reply) in replies {
            assert!(
                self.waiting.remove(&to.ticket),
                "nobody waits for {reply:?}"
            );
            match reply {
                Reply::Joined(joined) => self.newest = self.newest.max(joined.generation),
                Reply::ConsumerBeat(beat) => self.newest = self.newest.max(beat.epoch),
                _ => {}
            }
        }
    }

    fn call(&mut self, call: Call) {
        self.tickets += 1;
        self.waiting.insert(self.tickets);
        let caller = ReturnTo {
            shard: ShardId(0),
            ticket: self.tickets,
        };
        self.step(|coordinator, context| coordinator.handle(context, caller, call));
    }

    /// Time passes; what becomes due is done.
    fn pass(&mut self, input: &mut Input<'_>) {
        let ms = match input.byte() {
            short @ 0..=127 => u64::from(short),
            _ => u64::from(input.short()) * 10,
        };
        self.now_us += ms * 1000;
        for _ in 0..50 {
            let due = self.coordinator.poll_timeout();
            if due.is_none_or(|due_us| due_us > self.now_us) {
                break;
            }
            self.step(|coordinator, context| coordinator.handle_timeout(context));
        }
    }

    /// Who reads the log knows the same offsets of the same groups, and everybody is answered.
    fn finish(mut self) {
        let offsets = self.offsets();
        let mut reader = Bench {
            coordinator: Coordinator::new(self.config.clone()),
            config: self.config.clone(),
            image: image(),
            now_us: self.now_us,
            tickets: self.tickets,
            waiting: BTreeSet::new(),
            log: Vec::new(),
            newest: 0,
        };
        for record in std::mem::take(&mut self.log) {
            let taken =
                reader
                    .coordinator
                    .replay(&record.key, record.value.as_deref(), Timestamp(NOW_MS));
            if let Err(fault) = taken {
                let read = GroupRecord::decode(&record.key, record.value.as_deref());
                panic!("what was taken in, or written, is not taken in: {fault}: {read:?}");
            }
        }
        assert_eq!(reader.offsets(), offsets);
        let replies = self.coordinator.unload();
        self.take(replies);
        assert!(self.waiting.is_empty(), "everybody is answered");
        assert!(self.coordinator.list(&ListFilter::default()).is_empty());
    }

    /// All offsets of all groups.
    fn offsets(&mut self) -> BTreeMap<String, OffsetsFetched> {
        let listed = self.coordinator.list(&ListFilter::default());
        let mut offsets = BTreeMap::new();
        for group in listed {
            let fetch = FetchOffsets {
                group: group.group.to_string(),
                member: None,
                member_epoch: -1,
                topics: None,
                require_stable: false,
            };
            let mut context = Context {
                now: Now {
                    monotonic_us: self.now_us,
                    wall: Timestamp(NOW_MS),
                },
                image: &self.image,
                image_offset: Offset(9),
                random: &mut || [0; 16],
            };
            let caller = ReturnTo {
                shard: ShardId(0),
                ticket: 0,
            };
            let call = Call::Fetch(fetch);
            let mut step = self.coordinator.handle(&mut context, caller, call);
            let Some((_, Reply::OffsetsFetched(fetched))) = step.replies.pop() else {
                panic!("offsets are told at once")
            };
            // A group without offsets may be one of members that were never written.
            if !fetched.topics.is_empty() {
                offsets.insert(group.group.to_string(), fetched);
            }
        }
        offsets
    }
}

fn image() -> Image {
    let mut image = Image::new();
    for (topic_id, name) in IDS.into_iter().zip(TOPICS) {
        let name = name.into();
        let topic = MetadataRecord::Topic(TopicRecord { name, topic_id });
        image.replay(&topic).expect("a topic");
        for partition_id in 0..4 {
            let partition = MetadataRecord::Partition(PartitionRecord {
                partition_id,
                topic_id,
                replicas: vec![1],
                isr: vec![1],
                leader: 1,
                leader_epoch: 0,
                partition_epoch: 0,
                ..Default::default()
            });
            image.replay(&partition).expect("a partition");
        }
    }
    image
}

/// A record of any type, or noise.
fn record(input: &mut Input<'_>) -> (Vec<u8>, Option<Vec<u8>>) {
    if input.byte() > 239 {
        let key = usize::from(input.byte() % 32);
        let value = usize::from(input.byte());
        let key = input.take(key).to_vec();
        return (key, input.seldom().then(|| input.take(value).to_vec()));
    }
    let (kind, key, value) = *input.pick(GROUP_RECORDS);
    let mut bytes = prefixed(kind, &key_body(kind, key, input));
    if input.byte() > 250 {
        bytes.truncate(input.below(bytes.len()));
    }
    if input.seldom() {
        return (bytes, None);
    }
    let subject = SUBJECTS.iter().find(|it| it.name == value);
    let subject = subject.expect("it is listed");
    let versions = usize::from(subject.versions.last.unsigned_abs()) + 1;
    let version = input.below(versions) as i16;
    let body = make::message(subject.kind, subject.form(version), &IDS, input);
    (bytes, Some(prefixed(version, &body)))
}

/// Keys name groups, topics and members that calls name, too.
fn key_body(kind: i16, name: &str, input: &mut Input<'_>) -> Vec<u8> {
    let mut writer = Writer::new();
    let mut put = |text: &&str| writer.string(Some(text), false).expect("short enough");
    put(input.pick(&GROUPS));
    match kind {
        0 | 1 => put(input.pick(&TOPICS)),
        5 | 7 | 8 => put(input.pick(&MEMBERS)),
        16 => put(input.pick(&EXPRESSIONS)),
        _ => {}
    }
    if name == "OffsetCommitKey" {
        writer.int32(i32::from(input.byte() % 5));
    }
    writer.finish().0.to_vec()
}

fn prefixed(prefix: i16, body: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.int16(prefix);
    writer.octets(body);
    writer.finish().0.to_vec()
}

// -- calls

fn owned(choices: &[&str], input: &mut Input<'_>) -> String {
    (*input.pick(choices)).to_owned()
}

fn seldom(choices: &[&str], input: &mut Input<'_>) -> Option<String> {
    input.seldom().then(|| owned(choices, input))
}

/// A generation or epoch: most often one that somebody has.
fn epoch(newest: i32, input: &mut Input<'_>) -> i32 {
    match input.byte() {
        0..=127 => newest,
        128..=159 => 0,
        160..=191 => -1,
        192..=207 => -2,
        208..=239 => newest - 1,
        _ => input.number() as i32,
    }
}

fn partitions(input: &mut Input<'_>) -> Partitions {
    let topics = (0..input.below(3)).map(|_| {
        let topic = match input.byte() {
            255 => Uuid([9; 16]),
            at => IDS[usize::from(at) % IDS.len()],
        };
        let indexes = (0..input.below(4)).map(|_| PartitionIndex(i32::from(input.byte() % 5)));
        (topic, indexes.collect())
    });
    let topics: Vec<(Uuid, Vec<PartitionIndex>)> = topics.collect();
    Partitions::of(topics)
}

fn subscription(input: &mut Input<'_>) -> Bytes {
    if input.byte() > 239 {
        let count = usize::from(input.byte() % 40);
        return Bytes::copy_from_slice(input.take(count));
    }
    let topics = (0..=input.below(2)).map(|_| (*input.pick(&TOPICS)).into());
    let subscription = ConsumerProtocolSubscription {
        topics: topics.collect(),
        ..Default::default()
    };
    let version = input.below(4) as i16;
    subscription
        .to_bytes(version)
        .expect("it is short")
        .freeze()
}

fn call(input: &mut Input<'_>, newest: i32) -> Call {
    let group = owned(&GROUPS, input);
    match input.below(16) {
        0..=2 => {
            let protocols = (0..=input.below(2)).map(|_| Protocol {
                name: owned(&PROTOCOLS, input),
                metadata: subscription(input),
            });
            let protocols = protocols.collect();
            Call::Join(Join {
                group,
                member: owned(&MEMBERS, input),
                instance: seldom(&INSTANCES, input),
                client_id: "client".into(),
                client_host: "/127.0.0.1".into(),
                session_timeout_ms: 1 + i32::from(input.short()),
                rebalance_timeout_ms: i32::from(input.short()),
                protocol_type: if input.seldom() {
                    "connect"
                } else {
                    "consumer"
                }
                .into(),
                protocols,
                reason: None,
                requires_member_id: input.seldom(),
                supports_skipping_assignment: input.seldom(),
            })
        }
        3 => {
            let assignments = (0..input.below(4)).map(|_| {
                let member = owned(&MEMBERS, input);
                let count = usize::from(input.byte() % 16);
                (member, Bytes::copy_from_slice(input.take(count)))
            });
            let assignments = assignments.collect();
            Call::Sync(Sync {
                group,
                member: owned(&MEMBERS, input),
                instance: seldom(&INSTANCES, input),
                generation: epoch(newest, input),
                protocol_type: None,
                protocol_name: seldom(&PROTOCOLS, input),
                assignments,
            })
        }
        4 => Call::Heartbeat(Heartbeat {
            group,
            member: owned(&MEMBERS, input),
            instance: seldom(&INSTANCES, input),
            generation: epoch(newest, input),
        }),
        5 => Call::Leave(Leave {
            group,
            members: vec![Leaving {
                member: owned(&MEMBERS, input),
                instance: seldom(&INSTANCES, input),
                reason: None,
            }],
        }),
        6..=8 => Call::Commit(commit(group, newest, input)),
        9 => Call::DeleteOffsets(DeleteOffsets {
            group,
            topics: vec![(
                owned(&TOPICS, input),
                vec![PartitionIndex(0), PartitionIndex(1)],
            )],
        }),
        10 => Call::Describe(Describe {
            group,
            knows_group_id_not_found: input.seldom(),
        }),
        11 if input.seldom() => Call::Delete(Delete { group }),
        11 => Call::ConsumerDescribe(ConsumerDescribe { group }),
        _ => Call::ConsumerHeartbeat(consumer_heartbeat(group, newest, input)),
    }
}

fn commit(group: String, newest: i32, input: &mut Input<'_>) -> Commit {
    let is_member = input.seldom();
    let partitions = (0..=input.below(3)).map(|_| CommitPartition {
        index: PartitionIndex(i32::from(input.byte() % 5)),
        offset: Offset(input.number()),
        leader_epoch: LeaderEpoch(i32::from(input.byte() % 3) - 1),
        metadata: input.seldom().then(|| make::text(input)),
    });
    let partitions = partitions.collect();
    let member = match is_member {
        true => owned(&MEMBERS, input),
        false => String::new(),
    };
    Commit {
        group,
        member,
        instance: None,
        generation: if is_member { epoch(newest, input) } else { -1 },
        retention_ms: input.seldom().then(|| i64::from(input.short())),
        knows_member_epochs: !input.seldom(),
        topics: vec![CommitTopic {
            name: owned(&TOPICS, input),
            id: if input.seldom() { IDS[0] } else { Uuid::ZERO },
            partitions,
        }],
    }
}

fn consumer_heartbeat(group: String, newest: i32, input: &mut Input<'_>) -> ConsumerHeartbeat {
    let joins = input.byte() < 96;
    let topics = (0..input.below(3)).map(|_| owned(&TOPICS, input));
    let topics: Vec<String> = topics.collect();
    ConsumerHeartbeat {
        group,
        member: owned(&MEMBERS, input),
        epoch: if joins { 0 } else { epoch(newest, input) },
        instance: seldom(&INSTANCES, input),
        rack: None,
        rebalance_timeout_ms: (joins || input.seldom()).then(|| i32::from(input.short())),
        topics: (joins || input.seldom()).then_some(topics),
        regex: seldom(&EXPRESSIONS, input),
        assignor: seldom(&["uniform", "range", "other"], input),
        owned: match joins {
            true => Some(Partitions::new()),
            false => input.seldom().then(|| partitions(input)),
        },
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        makes_its_id: input.seldom(),
    }
}

/// Any bytes: they are calls and records of every kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut random = super::generate::Random::new(5);
    let lengths = [40, 120, 400, 1200];
    (0..80)
        .map(|at| (0..lengths[at % 4]).map(|_| random.next() as u8).collect())
        .collect()
}
