//! A producer: pipelines up to five requests, and, if it is idempotent, asks again for what a lost
//! connection left open, as real clients do. One that is not gives it up.

use crate::conversation::{Answer, Conversation, News};
use crate::history::{History, Partition, Phase, RecordId};
use crate::network::Told;
use crate::random::Random;
use crate::records::{Found, batch};
use crate::world::{Actor, Stage};
use millstream::batch::Codec;
use millstream::wire::{
    ErrorCode, InitProducerIdRequest, InitProducerIdResponse, ProducePartition, ProduceRequest,
    ProduceResponse, ProduceTopic, Records,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// Requests without an answer, as Kafka's clients bound them.
const IN_FLIGHT_MAX: usize = 5;
/// Numbers that one producer may use up.
const INCARNATIONS_MAX: u32 = 100_000;
/// Values of one batch, as clients bound it: within the broker's `max.message.bytes`, compressed or not.
const BATCH_VALUE_BYTES_MAX: usize = 1_000_000;
const TICK: u64 = 0;
const RECONNECT: u64 = 1;

/// How a producer goes about it.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// 0, 1 or -1.
    pub acks: i16,
    /// Whether it numbers its batches.
    pub idempotent: bool,
    /// Version of Produce.
    pub version: i16,
    /// Version of InitProducerId.
    pub init_version: i16,
    /// Time between batches, microseconds.
    pub pace_us: u64,
    /// Rests that long after every few batches: long enough for a reader that nobody woke to be seen.
    pub rest_us: Option<u64>,
    /// Records per batch, at most.
    pub records_max: u64,
    /// Bytes per record, at most.
    pub record_bytes_max: u64,
    /// Batches that are compressed, percent.
    pub compressed_percent: u64,
    /// Requests without an answer, at most.
    pub in_flight_max: usize,
}

impl ProducerOptions {
    /// Those of a seed.
    pub fn draw(random: &mut Random) -> ProducerOptions {
        let idempotent = random.percent(60);
        ProducerOptions {
            acks: if idempotent {
                -1
            } else {
                *random.pick(&[0, 1, -1])
            },
            idempotent,
            version: random.between(3, 13) as i16,
            init_version: random.between(0, 5) as i16,
            pace_us: random.magnitude(500, 50_000),
            rest_us: None,
            records_max: random.magnitude(1, 30),
            record_bytes_max: random.magnitude(20, 4_000),
            compressed_percent: *random.pick(&[0, 0, 10, 50]),
            in_flight_max: random.between(1, IN_FLIGHT_MAX as u64) as usize,
        }
    }
}

/// See the module.
pub struct Producer {
    client: u32,
    /// What its records say. One that is not idempotent takes another with each connection: what it
    /// sent on the last one may be appended behind what it sends on the next.
    number: u32,
    options: ProducerOptions,
    history: Rc<RefCell<History>>,
    conversation: Conversation<What>,
    identity: Option<Identity>,
    lanes: BTreeMap<Partition, Lane>,
    waits_to_reconnect: bool,
    /// Records that it may still make, and bytes.
    records_left: u64,
    bytes_left: u64,
}

/// What a request was about.
enum What {
    Identity,
    /// The batches sent, by partition and first number, and the life in which they were.
    Batches(Vec<(Partition, u64)>, u32),
}

#[derive(Clone, Copy)]
struct Identity {
    id: i64,
    epoch: i16,
    /// Power losses before it.
    life: u32,
    /// A batch of it failed with the disk. If that was its first for a partition, the broker took the
    /// second for its first, and never takes the first again.
    failed: bool,
}

#[derive(Default)]
struct Lane {
    next_number: u64,
    next_sequence: i32,
    /// Made and not acknowledged, in order; first those that were sent on this connection.
    pending: VecDeque<Batch>,
    sent: usize,
}

struct Batch {
    first: u64,
    count: usize,
    timestamp: i64,
    bytes: Vec<u8>,
}

impl Producer {
    /// A producer that will make at most so many records and bytes.
    pub fn new(
        client: u32,
        options: ProducerOptions,
        (records, bytes): (u64, u64),
        history: Rc<RefCell<History>>,
    ) -> Producer {
        Producer {
            client,
            number: client * INCARNATIONS_MAX,
            options,
            conversation: Conversation::new(format!("producer-{client}")),
            history,
            identity: None,
            lanes: BTreeMap::new(),
            waits_to_reconnect: false,
            records_left: records,
            bytes_left: bytes,
        }
    }

    fn id(&self, number: u64) -> RecordId {
        RecordId {
            producer: self.number,
            number,
        }
    }

    fn tick(&mut self, stage: &mut Stage<'_>) {
        let phase = self.history.borrow().phase;
        if phase == Phase::Closing {
            self.conversation.close(false, stage);
            self.history.borrow_mut().done.insert(self.client);
            return;
        }
        self.conversation.check_patience(stage);
        if self
            .history
            .borrow()
            .topics
            .iter()
            .all(|topic| topic.id.is_some())
            && !self.history.borrow().topics.is_empty()
        {
            if !self.waits_to_reconnect {
                self.conversation.open(stage);
            }
            if phase == Phase::Running {
                self.make(stage);
            }
            self.pump(stage);
        }
        let pending = self.lanes.values().any(|lane| !lane.pending.is_empty());
        if phase > Phase::Running && !pending {
            self.history.borrow_mut().done.insert(self.client);
        }
        let wait_us = match self.options.rest_us {
            Some(rest_us) if stage.random.one_in(3) => stage.random.between(rest_us, rest_us * 2),
            _ => stage.random.between(1, self.options.pace_us * 2),
        };
        stage.after(wait_us, TICK);
    }

    /// Makes a batch for some partitions.
    fn make(&mut self, stage: &mut Stage<'_>) {
        let ready = self.identity.is_some() || !self.options.idempotent;
        if !ready || !self.conversation.is_open() || self.bytes_left == 0 {
            return;
        }
        let partitions = self.history.borrow().partitions();
        for _ in 0..stage.random.between(1, 3) {
            let partition = *stage.random.pick(&partitions);
            let lane = self.lanes.entry(partition).or_default();
            let spent = self.records_left == 0 || self.bytes_left == 0;
            if lane.pending.len() >= IN_FLIGHT_MAX || spent {
                continue;
            }
            let count = stage
                .random
                .between(1, self.options.records_max.min(self.records_left));
            let mut drawn = 0;
            let lengths: Vec<usize> = (0..count)
                .map(|_| stage.random.magnitude(16, self.options.record_bytes_max) as usize)
                .take_while(|length| {
                    drawn += length;
                    drawn <= BATCH_VALUE_BYTES_MAX
                })
                .collect();
            let count = lengths.len() as u64;
            let bytes = lengths.iter().sum::<usize>() as u64;
            self.records_left -= count;
            self.bytes_left = self.bytes_left.saturating_sub(bytes);
            let codec = if stage.random.percent(self.options.compressed_percent) {
                // Zstd is for version 7 on (KIP-110).
                let known = if self.options.version < 7 { 3 } else { 4 };
                let codecs = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
                *stage.random.pick(&codecs[..known])
            } else {
                Codec::None
            };
            let first = RecordId {
                producer: self.number,
                number: lane.next_number,
            };
            let identity = self
                .identity
                .map(|identity| (identity.id, identity.epoch, lane.next_sequence));
            let timestamp = stage.wall_ms();
            lane.pending.push_back(Batch {
                first: first.number,
                count: lengths.len(),
                timestamp,
                bytes: batch(first, &lengths, timestamp, codec, identity),
            });
            lane.next_number += count;
            lane.next_sequence += count as i32;
        }
    }

    /// Sends what may be sent.
    fn pump(&mut self, stage: &mut Stage<'_>) {
        if !self.conversation.is_open() {
            return;
        }
        if self.options.idempotent && self.identity.is_none() {
            if self.conversation.unanswered() == 0 {
                let version = self.options.init_version;
                let request = InitProducerIdRequest {
                    transaction_timeout_ms: 60_000,
                    ..Default::default()
                };
                self.conversation
                    .ask(stage, version, &request, 0, What::Identity);
            }
            return;
        }
        while self.conversation.unanswered() < self.options.in_flight_max {
            let mut ready: Vec<Partition> = self
                .lanes
                .iter()
                .filter(|(_, lane)| lane.sent < lane.pending.len())
                .map(|(partition, _)| *partition)
                .collect();
            stage.random.shuffle(&mut ready);
            ready.truncate(stage.random.between(1, 3) as usize);
            if ready.is_empty() {
                return;
            }
            ready.sort();
            self.send(&ready, stage);
        }
    }

    /// Sends the next batch of each of these partitions in one request.
    fn send(&mut self, partitions: &[Partition], stage: &mut Stage<'_>) {
        let history = self.history.borrow();
        let mut topics: BTreeMap<usize, Vec<ProducePartition<'_>>> = BTreeMap::new();
        let mut what = Vec::new();
        for partition in partitions {
            let lane = &self.lanes[partition];
            let batch = &lane.pending[lane.sent];
            what.push((*partition, batch.first));
            topics
                .entry(partition.topic)
                .or_default()
                .push(ProducePartition {
                    index: partition.index,
                    records: Records::Bytes(batch.bytes.as_slice().into()),
                });
        }
        let request = ProduceRequest {
            transactional_id: None,
            acks: self.options.acks,
            timeout_ms: 30_000,
            topic_data: topics
                .into_iter()
                .map(|(topic, partition_data)| ProduceTopic {
                    name: history.topics[topic].name.as_str().into(),
                    topic_id: history.topics[topic].id.expect("known before producing"),
                    partition_data: partition_data.into(),
                })
                .collect(),
        };
        let version = self.options.version;
        if self.options.acks == 0 {
            self.conversation.say(stage, version, &request);
        } else {
            self.conversation.ask(
                stage,
                version,
                &request,
                0,
                What::Batches(what.clone(), history.lives),
            );
        }
        drop(request);
        drop(history);
        for (partition, _) in &what {
            let lane = self.lanes.get_mut(partition).expect("just sent from it");
            lane.sent += 1;
            if self.options.acks == 0 {
                lane.sent = 0;
                let batch = lane.pending.pop_front().expect("just sent");
                give_up(&self.history, self.number, *partition, &batch);
            }
        }
    }

    fn answered(&mut self, answer: Answer<What>, stage: &mut Stage<'_>) {
        match &answer.asked.what {
            What::Identity => {
                let body: InitProducerIdResponse = answer.body();
                if !body.error_code.is_none() {
                    self.expect_disk_failure(
                        body.error_code,
                        "InitProducerId",
                        answer.asked.sent_us,
                    );
                    self.start_over(stage);
                    return;
                }
                assert_eq!(
                    body.producer_epoch, 0,
                    "a new producer id starts at epoch 0"
                );
                let mut history = self.history.borrow_mut();
                history.producer_id(self.number, body.producer_id);
                self.identity = Some(Identity {
                    id: body.producer_id,
                    epoch: body.producer_epoch,
                    life: history.lives,
                    failed: false,
                });
            }
            What::Batches(batches, life) => {
                let body: ProduceResponse<'_> = answer.body();
                let asked = (answer.asked.version, answer.asked.sent_us);
                self.produced(batches, *life, &body, asked, stage);
            }
        }
    }

    fn produced(
        &mut self,
        batches: &[(Partition, u64)],
        life: u32,
        body: &ProduceResponse<'_>,
        (version, asked_us): (i16, u64),
        stage: &mut Stage<'_>,
    ) {
        let mut results = BTreeMap::new();
        for topic in &body.responses {
            let index = self.history.borrow().topics.iter().position(|known| {
                if version >= 13 {
                    known.id == Some(topic.topic_id)
                } else {
                    known.name == topic.name
                }
            });
            let index = index.unwrap_or_else(|| panic!("an answer for another topic: {topic:?}"));
            for result in &topic.partition_responses {
                let partition = Partition {
                    topic: index,
                    index: result.index,
                };
                let before = results.insert(partition, result);
                assert!(
                    before.is_none(),
                    "{partition:?} is answered twice: {body:?}"
                );
            }
        }
        assert_eq!(
            results.keys().copied().collect::<Vec<_>>(),
            batches
                .iter()
                .map(|(partition, _)| *partition)
                .collect::<Vec<_>>(),
            "partitions answered and asked for"
        );
        let mut failed = None;
        for (partition, first) in batches {
            let result = results[partition];
            if result.error_code.is_none() {
                self.acknowledged(*partition, *first, result.base_offset, life, stage);
            } else {
                failed = Some((*partition, result.error_code));
            }
        }
        if let Some((partition, code)) = failed {
            stage.note(format_args!("{partition:?} {code:?}"));
            let life = self.history.borrow().lives;
            let outlived = self
                .identity
                .is_some_and(|identity| identity.life < life || identity.failed);
            let forgotten = [
                ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
                ErrorCode::UNKNOWN_PRODUCER_ID,
            ];
            if outlived && forgotten.contains(&code) {
                // The broker has lost the batches that the sequence builds on.
                self.give_up_all();
                self.identity = None;
                for lane in self.lanes.values_mut() {
                    lane.next_sequence = 0;
                }
            } else {
                self.expect_disk_failure(code, &format!("{partition:?}"), asked_us);
                if let Some(identity) = &mut self.identity {
                    identity.failed = true;
                }
            }
            self.start_over(stage);
        }
    }

    fn acknowledged(
        &mut self,
        partition: Partition,
        first: u64,
        base_offset: i64,
        life: u32,
        stage: &mut Stage<'_>,
    ) {
        let lane = self.lanes.get_mut(&partition).expect("it was sent");
        let batch = lane.pending.pop_front().expect("it was sent");
        assert_eq!(
            batch.first, first,
            "{partition:?}: batches are answered in order"
        );
        lane.sent -= 1;
        for at in 0..batch.count as u64 {
            let record = Found {
                offset: base_offset + at as i64,
                id: self.id(first + at),
                timestamp: batch.timestamp,
            };
            let mut history = self.history.borrow_mut();
            history.acknowledged(stage.now_us, life, partition, record);
        }
    }

    /// An error is only right while the disk fails.
    fn expect_disk_failure(&self, code: ErrorCode, of: &str, asked_us: u64) {
        assert!(
            self.history.borrow().may_fail(asked_us),
            "producer-{}: {of}: {code:?} for no reason",
            self.client
        );
    }

    fn start_over(&mut self, stage: &mut Stage<'_>) {
        self.conversation.close(false, stage);
        self.lost(stage);
    }

    /// The connection is gone, and with it the answers to what was sent on it.
    fn lost(&mut self, stage: &mut Stage<'_>) {
        if !self.options.idempotent {
            self.give_up_all();
            self.lanes.clear();
            self.number += 1;
        }
        for lane in self.lanes.values_mut() {
            lane.sent = 0;
        }
        if !self.waits_to_reconnect {
            self.waits_to_reconnect = true;
            let wait_us = stage.random.magnitude(1_000, 300_000);
            stage.after(wait_us, RECONNECT);
        }
    }

    fn give_up_all(&mut self) {
        for (partition, lane) in &mut self.lanes {
            for batch in lane.pending.drain(..) {
                give_up(&self.history, self.number, *partition, &batch);
            }
            lane.sent = 0;
        }
    }
}

fn give_up(history: &RefCell<History>, producer: u32, partition: Partition, batch: &Batch) {
    for number in batch.first..batch.first + batch.count as u64 {
        let id = RecordId { producer, number };
        history.borrow_mut().given_up(partition, id);
    }
}

impl Actor for Producer {
    fn told(&mut self, told: Told, stage: &mut Stage<'_>) {
        let mut answers = Vec::new();
        let news = self
            .conversation
            .told(told, stage, &self.history.borrow(), &mut answers);
        for answer in answers {
            // One that fails ends the conversation; those behind it count as not received.
            if self.conversation.is_open() {
                self.answered(answer, stage);
            }
        }
        match news {
            News::None | News::Connected => self.pump(stage),
            News::Over => self.lost(stage),
        }
    }

    fn timer(&mut self, name: u64, stage: &mut Stage<'_>) {
        match name {
            TICK => self.tick(stage),
            _ => {
                self.waits_to_reconnect = false;
                if self.history.borrow().phase < Phase::Closing {
                    self.conversation.open(stage);
                }
            }
        }
    }
}
