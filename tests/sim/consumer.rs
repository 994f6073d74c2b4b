//! A consumer: reads partitions from their start on, with long polls, jumping back now and then. What
//! it is answered must be whole batches from the offset asked for on, contiguous, committed, in time.

use crate::conversation::{Answer, Conversation, News};
use crate::history::{History, Partition, Phase};
use crate::network::Told;
use crate::random::Random;
use crate::records;
use crate::world::{Actor, Stage};
use millstream::wire::{
    ErrorCode, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopic,
    Records,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

const TICK: u64 = 0;
const RECONNECT: u64 = 1;
/// How much later than due an answer may come: the network, pauses and the disk take their time.
const SLACK_US: u64 = 2_500_000;

/// How a consumer goes about it.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// Version of Fetch.
    pub version: i16,
    /// How long the broker may wait for data.
    pub max_wait_ms: i32,
    /// How much data ends the wait.
    pub min_bytes: i32,
    /// Bytes of an answer.
    pub max_bytes: i32,
    /// Bytes of a partition in an answer.
    pub partition_max_bytes: i32,
    /// Fetches before which it jumps back, percent.
    pub jump_percent: u64,
    /// Reads all there is and stops.
    pub auditor: bool,
}

impl ConsumerOptions {
    /// Those of a seed.
    pub fn draw(random: &mut Random) -> ConsumerOptions {
        // A wait for more than one byte is only met exactly where the answer has room for it.
        let min_bytes = *random.pick(&[0, 1, 1, 1, 1, 2_000]);
        let least = if min_bytes > 1 { 1 << 20 } else { 1 };
        ConsumerOptions {
            version: random.between(4, 18) as i16,
            max_wait_ms: *random.pick(&[0, 50, 500, 8_000, 8_000, 8_000]),
            min_bytes,
            max_bytes: random.magnitude(least, 4 << 20) as i32,
            partition_max_bytes: random.magnitude(least, 1 << 20) as i32,
            jump_percent: *random.pick(&[0, 2, 10]),
            auditor: false,
        }
    }

    /// One who waits as long as nobody wakes it.
    pub fn waiting(self) -> ConsumerOptions {
        ConsumerOptions {
            max_wait_ms: 8_000,
            min_bytes: 1,
            jump_percent: 0,
            ..self
        }
    }

    /// Those of the auditor.
    pub fn auditor(version: i16) -> ConsumerOptions {
        ConsumerOptions {
            version,
            max_wait_ms: 0,
            min_bytes: 1,
            max_bytes: 1 << 20,
            partition_max_bytes: 1 << 20,
            jump_percent: 0,
            auditor: true,
        }
    }
}

/// What an answer had.
#[derive(Clone, Copy, Default)]
struct Taken {
    bytes: usize,
    /// Whole ones.
    batches: usize,
    /// Some records end before the high watermark.
    is_short: bool,
}

/// See the module.
pub struct Consumer {
    client: u32,
    options: ConsumerOptions,
    history: Rc<RefCell<History>>,
    conversation: Conversation<Vec<Ask>>,
    positions: BTreeMap<Partition, Position>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Position {
    next: i64,
    life: u32,
    /// Whether the end was read, by an answer without records.
    at_end: bool,
}

/// What was asked of one partition.
#[derive(Clone, Copy, Debug)]
struct Ask {
    partition: Partition,
    offset: i64,
    /// The end that the answer must at least tell, and the life that it is of.
    floor: i64,
    life: u32,
}

impl Consumer {
    /// A consumer of all partitions.
    pub fn new(client: u32, options: ConsumerOptions, history: Rc<RefCell<History>>) -> Consumer {
        Consumer {
            client,
            options,
            conversation: Conversation::new(format!("consumer-{client}")),
            history,
            positions: BTreeMap::new(),
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
        let ready = {
            let history = self.history.borrow();
            let known = history.topics.iter().all(|topic| topic.id.is_some());
            known && !history.topics.is_empty()
        };
        if ready && (!self.options.auditor || phase == Phase::Auditing) {
            self.conversation.open(stage);
            self.fetch(stage);
        }
        self.report(phase);
        let wait_us = stage.random.between(10_000, 100_000);
        stage.after(wait_us, TICK);
    }

    /// Whether it has done what the phase asks of it.
    fn report(&self, phase: Phase) {
        let mut history = self.history.borrow_mut();
        let lives = history.lives;
        let done = match (self.options.auditor, phase) {
            (true, Phase::Auditing) => {
                !self.positions.is_empty()
                    && self
                        .positions
                        .values()
                        .all(|at| at.at_end && at.life == lives)
            }
            (true, _) => true,
            (false, Phase::Running) => false,
            (false, _) => self
                .positions
                .iter()
                .all(|(partition, at)| at.next >= history.end(*partition)),
        };
        let first = done && history.done.insert(self.client);
        if first && self.options.auditor && phase == Phase::Auditing {
            for (partition, at) in &self.positions {
                history.audited(*partition, at.next);
            }
        }
    }

    fn fetch(&mut self, stage: &mut Stage<'_>) {
        if !self.conversation.is_open() || self.conversation.unanswered() > 0 {
            return;
        }
        let history = self.history.borrow();
        let mut asks = Vec::new();
        let partitions = history.partitions();
        for partition in partitions {
            let life = history.lives;
            let position = self.positions.entry(partition).or_default();
            if position.life < life {
                // What it read may be gone: it reads all of it again.
                *position = Position {
                    life,
                    ..Position::default()
                };
            }
            let mut offset = position.next;
            if stage.random.percent(self.options.jump_percent) {
                offset = stage.random.below(position.next as u64 + 1) as i64;
            }
            asks.push(Ask {
                partition,
                offset,
                floor: history.end(partition),
                life,
            });
        }
        let mut topics: Vec<(usize, Vec<FetchPartition>)> = Vec::new();
        for ask in &asks {
            if topics
                .last()
                .is_none_or(|(topic, _)| *topic != ask.partition.topic)
            {
                topics.push((ask.partition.topic, Vec::new()));
            }
            let (_, partitions) = topics.last_mut().expect("just pushed");
            partitions.push(FetchPartition {
                partition: ask.partition.index,
                fetch_offset: ask.offset,
                partition_max_bytes: self.options.partition_max_bytes,
                ..Default::default()
            });
        }
        let request = FetchRequest {
            max_wait_ms: self.options.max_wait_ms,
            min_bytes: self.options.min_bytes,
            max_bytes: self.options.max_bytes,
            topics: topics
                .into_iter()
                .map(|(topic, partitions)| FetchTopic {
                    topic: history.topics[topic].name.as_str().into(),
                    topic_id: history.topics[topic].id.expect("known before consuming"),
                    partitions: partitions.into(),
                })
                .collect(),
            ..Default::default()
        };
        let wait_us = self.options.max_wait_ms as u64 * 1000;
        self.conversation
            .ask(stage, self.options.version, &request, wait_us, asks);
    }

    /// Checks an answer; how many bytes of records it had.
    fn answered(&mut self, answer: &Answer<Vec<Ask>>, slow: bool, stage: &mut Stage<'_>) -> usize {
        let asks = &answer.asked.what;
        let body: FetchResponse<'_> = answer.body();
        assert!(body.error_code.is_none(), "{:?}", body.error_code);
        let results = self.in_order(&body, answer.asked.version);
        assert_eq!(
            results
                .iter()
                .map(|(partition, _)| *partition)
                .collect::<Vec<_>>(),
            asks.iter().map(|ask| ask.partition).collect::<Vec<_>>(),
            "partitions answered and asked for, in order"
        );
        let mut failed = false;
        let mut taken = Taken::default();
        for (ask, (_, result)) in asks.iter().zip(&results) {
            if result.error_code.is_none() {
                let set = match &result.records {
                    Records::Null => panic!("{:?}: records null; librdkafka fails", ask.partition),
                    Records::Range { start, length } => &answer.frame[*start..start + length],
                    other => panic!("read as {other:?}"),
                };
                self.took(ask, result, set, &mut taken);
            } else {
                self.refused(ask, result.error_code, answer.asked.sent_us);
                failed = true;
            }
        }
        if taken.batches == 0 && !failed {
            for (ask, (_, result)) in asks.iter().zip(&results) {
                assert!(
                    result.high_watermark <= ask.offset,
                    "{:?}: nothing from {} on, but committed up to {}",
                    ask.partition,
                    ask.offset,
                    result.high_watermark
                );
            }
        }
        if !failed {
            self.check_time(answer, asks, taken, slow);
        } else if self.conversation.is_open() {
            self.conversation.close(false, stage);
            let wait_us = stage.random.magnitude(1_000, 100_000);
            stage.after(wait_us, RECONNECT);
        }
        taken.bytes
    }

    fn in_order<'a>(
        &self,
        body: &'a FetchResponse<'_>,
        version: i16,
    ) -> Vec<(Partition, &'a FetchPartitionResponse<'a>)> {
        let history = self.history.borrow();
        let mut results = Vec::new();
        for topic in &body.responses {
            let index = history.topics.iter().position(|known| {
                if version >= 13 {
                    known.id == Some(topic.topic_id)
                } else {
                    known.name == topic.topic
                }
            });
            let index = index.unwrap_or_else(|| panic!("an answer for another topic: {topic:?}"));
            for result in &topic.partitions {
                let partition = Partition {
                    topic: index,
                    index: result.partition_index,
                };
                results.push((partition, result));
            }
        }
        results
    }

    /// Takes the records of a partition.
    fn took(
        &mut self,
        ask: &Ask,
        result: &FetchPartitionResponse<'_>,
        set: &[u8],
        taken: &mut Taken,
    ) {
        let Ask {
            partition, offset, ..
        } = *ask;
        let end = result.high_watermark;
        let mut history = self.history.borrow_mut();
        history.told_end(partition, end, ask.floor, ask.life);
        assert!(
            result.log_start_offset <= 0,
            "{partition:?} starts at {}",
            result.log_start_offset
        );
        let batches = records::read(set);
        assert!(
            taken.batches > 0 || set.is_empty() || !batches.is_empty(),
            "{partition:?}: {} bytes, and not one whole batch among them",
            set.len()
        );
        let mut next = offset;
        for batch in &batches {
            let (base, last) = (batch.header.base_offset.0, batch.header.last_offset().0);
            assert!(
                base == next || (next == offset && base <= offset && offset <= last),
                "{partition:?}: batch {base}..={last} where {next} was to come (asked for {offset})"
            );
            assert!(
                last < end,
                "{partition:?}: batch {base}..={last} beyond what is committed, {end}"
            );
            for record in &batch.records {
                history.read(ask.life, partition, *record);
            }
            next = last + 1;
        }
        let position = self
            .positions
            .get_mut(&partition)
            .expect("it was asked for");
        if ask.life == history.lives {
            position.next = position.next.max(next);
            position.at_end = set.is_empty() && offset == position.next && end == offset;
        }
        taken.bytes += set.len();
        taken.batches += batches.len();
        taken.is_short |= !batches.is_empty() && next < end;
    }

    fn refused(&mut self, ask: &Ask, code: ErrorCode, asked_us: u64) {
        assert!(
            self.history.borrow().may_fail(asked_us),
            "consumer-{}: {ask:?}: {code:?} for no reason",
            self.client
        );
    }

    /// An answer comes when there is enough, or when the wait is over, and not otherwise. What stops short
    /// of the high watermark is enough: it is the end of a closed segment, where no more will come.
    fn check_time(&self, answer: &Answer<Vec<Ask>>, asks: &[Ask], taken: Taken, slow: bool) {
        let Taken {
            bytes, is_short, ..
        } = taken;
        let mut history = self.history.borrow_mut();
        let asked_us = answer.asked.sent_us;
        let max_wait_us = self.options.max_wait_ms as u64 * 1000;
        let waited_us = answer.begun_us - asked_us;
        let early = asked_us <= history.stopped_us || history.may_fail(asked_us);
        if bytes < self.options.min_bytes as usize && !is_short && !early {
            assert!(
                waited_us >= max_wait_us,
                "consumer-{}: {bytes} bytes of {} after {} ms of {}",
                self.client,
                self.options.min_bytes,
                waited_us / 1000,
                self.options.max_wait_ms
            );
        }
        if slow || history.may_fail(asked_us) {
            return;
        }
        assert!(
            waited_us <= max_wait_us + SLACK_US,
            "consumer-{}: answered after {} ms of {}",
            self.client,
            waited_us / 1000,
            self.options.max_wait_ms
        );
        if waited_us > SLACK_US && self.options.min_bytes <= 1 {
            let since = asks
                .iter()
                .filter(|ask| ask.life == history.lives)
                .filter_map(|ask| history.available_since(ask.partition, ask.offset))
                .min();
            if let Some(since) = since {
                let due_us = since.max(asked_us) + SLACK_US;
                assert!(
                    answer.begun_us <= due_us,
                    "consumer-{}: nobody woke it: asked at {asked_us}, data from {since} on, \
                     answered at {}",
                    self.client,
                    answer.begun_us
                );
            }
        }
        if bytes > 0 && waited_us > 20_000 {
            history.counts.woken += 1;
        }
    }
}

impl Actor for Consumer {
    fn told(&mut self, told: Told, stage: &mut Stage<'_>) {
        let slow = self.conversation.is_slow(stage);
        let mut answers = Vec::new();
        let news = self
            .conversation
            .told(told, stage, &self.history.borrow(), &mut answers);
        let mut empty = false;
        for answer in answers {
            empty = self.answered(&answer, slow, stage) == 0;
        }
        match news {
            // One that does not let the broker wait waits itself, or it would do nothing else.
            News::None if empty && self.options.max_wait_ms < 50 => {}
            News::None | News::Connected if self.history.borrow().phase < Phase::Closing => {
                self.fetch(stage);
            }
            News::Over => {
                let wait_us = stage.random.magnitude(1_000, 200_000);
                stage.after(wait_us, RECONNECT);
            }
            _ => {}
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
