//! Fetch: asks all owners at once, waits for enough bytes, answers in the order of the request.
//!
//! A fetch that finds too little watches the high watermarks of its partitions. Each owner tells it
//! once when its share has grown; then it asks all owners again. What goes out is decided here: at
//! most `max_bytes` over all partitions, but never less than the first batch of the first partition
//! that has any (KIP-74); a later partition whose first batch does not fit any more, or is larger than
//! what is wanted of that partition, gets nothing.

use super::fetch_session::{FINAL_EPOCH, FetchSession, INITIAL_EPOCH, Key, Wanted};
use super::{Context, Event, Head, Pending, Progress, WatchAsk, by_owner, partition_of, throttle};
use crate::io::{FileRange, Pieces};
use crate::limits;
use crate::log::Isolation;
use crate::metadata::Image;
use crate::net::{Part, Parts, Reply};
use crate::shard::{Answer, Ask, ReadPart, ReadResult};
use crate::types::{Few, LeaderEpoch, Offset, ShardId, TopicId};
use crate::wire::{
    DecodeError, ErrorCode, FetchAbortedTransaction, FetchPartitionResponse, FetchRequest,
    FetchResponse, FetchTopicResponse, Records,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A fetch that waits.
pub struct Fetch {
    head: Head,
    parts: Few<FetchPart>,
    bytes_max: u64,
    bytes_min: u64,
    isolation: Isolation,
    began_us: u64,
    deadline_us: u64,
    session_id: i32,
    incremental: bool,
    /// Owners that have not answered yet.
    missing: usize,
    watching: BTreeSet<ShardId>,
    /// The deadline has passed: the next complete round is answered, whatever it holds.
    is_late: bool,
    /// Something moved while a round was under way.
    moved: bool,
    /// What is to be sent unless the client's quota holds it back.
    charging: Option<Charging>,
    /// Bytes of each topic in an answer that may yet be held back; without a quota they count at once.
    sent: Option<Vec<(TopicId, u64)>>,
}

/// An answer whose bytes are being counted.
struct Charging {
    reply: Reply,
    /// The session as it was before it was told of the answer.
    session: Option<FetchSession>,
}

struct FetchPart {
    key: Key,
    target: Result<ReadPart, ErrorCode>,
    result: Option<ReadResult>,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: FetchRequest<'_> = head.decode(&frame)?;
    let wanted = wanted(context.image, head, &request);
    let (session_id, incremental, wanted) = match enter_session(context, head, &request, wanted) {
        Ok(entered) => entered,
        Err(error) => {
            let response = FetchResponse {
                error_code: error,
                ..Default::default()
            };
            return Ok(head.reply(&response));
        }
    };
    let isolation = match request.isolation_level {
        0 => Isolation::ReadUncommitted,
        _ => Isolation::ReadCommitted,
    };
    let bytes_max = (request.max_bytes.max(0) as u64)
        .min(context.config.fetch_bytes_max)
        .min(throttle::fetch_bytes_max(context).unwrap_or(u64::MAX));
    let parts = wanted
        .into_iter()
        .enumerate()
        .map(|(at, (key, wanted))| FetchPart {
            target: target(context, head, at as u32, &key, wanted, bytes_max),
            key,
            result: None,
        });
    let parts = parts.collect();
    let max_wait_us = request.max_wait_ms.max(0) as u64 * 1000;
    let mut fetch = context.spare_fetches.place(Fetch {
        head: *head,
        parts,
        bytes_max,
        bytes_min: request.min_bytes.max(0) as u64,
        isolation,
        began_us: context.now.monotonic_us,
        deadline_us: context.now.monotonic_us + max_wait_us,
        session_id,
        incremental,
        missing: 0,
        watching: BTreeSet::new(),
        is_late: max_wait_us == 0,
        moved: false,
        charging: None,
        sent: None,
    });
    fetch.ask(context);
    Ok(fetch.progress(context))
}

/// What the request names, in its order.
fn wanted(image: &Image, head: &Head, request: &FetchRequest<'_>) -> Few<(Key, Wanted)> {
    let mut wanted = Few::new();
    for topic in &request.topics {
        let name = name_of(image, head, &topic.topic);
        for partition in &topic.partitions {
            let key = Key {
                topic: name.clone(),
                topic_id: topic.topic_id,
                partition: partition.partition,
            };
            let want = Wanted {
                offset: partition.fetch_offset,
                bytes_max: partition.partition_max_bytes,
                epoch: partition.current_leader_epoch,
            };
            wanted.push((key, want));
        }
    }
    wanted
}

/// The name that a key has: none where topics have ids, and the image's own where it has one.
fn name_of(image: &Image, head: &Head, name: &str) -> Arc<str> {
    match head.version {
        13.. => Arc::default(),
        _ => match image.topic(name) {
            Some(topic) => topic.name.clone(),
            None => name.into(),
        },
    }
}

/// Opens, continues or closes the fetch session; returns its id, whether the answer is incremental,
/// and all that is to be fetched.
#[allow(clippy::type_complexity)]
fn enter_session(
    context: &mut Context<'_>,
    head: &Head,
    request: &FetchRequest<'_>,
    wanted: Few<(Key, Wanted)>,
) -> Result<(i32, bool, Few<(Key, Wanted)>), ErrorCode> {
    let session = &mut *context.session;
    match request.session_epoch {
        FINAL_EPOCH => {
            if session
                .fetch_session
                .as_ref()
                .is_some_and(|open| open.id() == request.session_id)
            {
                session.fetch_session = None;
            }
            Ok((0, false, wanted))
        }
        INITIAL_EPOCH => {
            if wanted.is_empty() || wanted.len() > limits::FETCH_SESSION_PARTITIONS_MAX {
                return Ok((0, false, wanted));
            }
            let open = FetchSession::open(session.next_fetch_session_id(), wanted.iter().cloned());
            let id = open.id();
            session.fetch_session = Some(open);
            Ok((id, false, wanted))
        }
        epoch => {
            let open = session
                .fetch_session
                .as_mut()
                .ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
            open.advance(request.session_id, epoch)?;
            if open.len() + wanted.len() > limits::FETCH_SESSION_PARTITIONS_MAX {
                // The client opens another one, which will be served without a session.
                session.fetch_session = None;
                return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
            }
            open.update(wanted);
            open.forget(request.forgotten_topics_data.iter().flat_map(|topic| {
                let name = name_of(context.image, head, &topic.topic);
                topic.partitions.iter().map(move |partition| Key {
                    topic: name.clone(),
                    topic_id: topic.topic_id,
                    partition: *partition,
                })
            }));
            let all = open
                .wanted()
                .map(|(key, wanted)| (key.clone(), wanted))
                .collect();
            Ok((open.id(), true, all))
        }
    }
}

fn target(
    context: &Context<'_>,
    head: &Head,
    index: u32,
    key: &Key,
    wanted: Wanted,
    bytes_max: u64,
) -> Result<ReadPart, ErrorCode> {
    let topic = match head.version {
        13.. => context
            .image
            .topic_by_id(key.topic_id)
            .ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?,
        _ => context
            .image
            .topic(&key.topic)
            .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?,
    };
    Ok(ReadPart {
        index,
        partition: partition_of(topic, key.partition)?,
        offset: Offset(wanted.offset),
        bytes_max: (wanted.bytes_max.max(0) as u64).min(bytes_max),
        epoch: LeaderEpoch(wanted.epoch),
    })
}

impl Fetch {
    /// When it has to be answered.
    pub(super) fn deadline_us(&self) -> Option<u64> {
        (!self.is_late && self.charging.is_none()).then_some(self.deadline_us)
    }

    /// Takes an answer, a movement, or the deadline.
    pub(super) fn handle(mut self: Box<Self>, context: &mut Context<'_>, event: Event) -> Progress {
        match event {
            Event::Answer(Answer::Read(parts)) => {
                self.missing -= 1;
                for (index, result) in parts {
                    self.parts[index as usize].result = Some(result);
                }
            }
            Event::Answer(Answer::Charged { held_ms }) => return self.charged(context, held_ms),
            Event::Answer(answer) => unreachable!("a fetch did not ask for {answer:?}"),
            // What is being counted is on its way.
            Event::Moved | Event::Timeout if self.charging.is_some() => {
                return Progress::Wait(Pending::Fetch(self));
            }
            // What it waited for may already be in the round that is under way; if not, that round
            // ends short and asks again.
            Event::Moved if self.missing > 0 => self.moved = true,
            Event::Moved => self.ask(context),
            Event::Timeout => {
                self.is_late = true;
                if self.missing == 0 {
                    self.ask(context);
                }
            }
        }
        self.progress(context)
    }

    /// The client is gone.
    pub(super) fn abandon(&mut self, context: &mut Context<'_>) {
        self.unwatch(context);
    }

    fn ask(&mut self, context: &mut Context<'_>) {
        self.unwatch(context);
        self.moved = false;
        let asked = self.parts.iter().filter_map(|part| {
            let part = *part.target.as_ref().ok()?;
            Some((part.partition, part))
        });
        let owners = by_owner(context, asked);
        self.missing = owners.len();
        for (owner, parts) in owners {
            context.asks.asks.push((
                owner,
                Ask::Read {
                    parts,
                    isolation: self.isolation,
                },
            ));
        }
    }

    fn progress(mut self: Box<Self>, context: &mut Context<'_>) -> Progress {
        if self.missing > 0 {
            return Progress::Wait(Pending::Fetch(self));
        }
        let has_error = self
            .parts
            .iter()
            .any(|part| part.error() != ErrorCode::NONE);
        let bytes: u64 = self.parts.iter().map(FetchPart::available).sum();
        // What lies in a closed segment goes out by itself: no more will come there.
        let sealed = self.parts.iter().any(FetchPart::is_sealed);
        let enough = sealed || bytes.min(self.bytes_max) >= self.bytes_min.min(self.bytes_max);
        if self.is_late || has_error || enough || self.parts.is_empty() {
            return self.charge(context);
        }
        if self.moved {
            self.ask(context);
            return Progress::Wait(Pending::Fetch(self));
        }
        self.watch(context, self.bytes_min - bytes);
        Progress::Wait(Pending::Fetch(self))
    }

    /// Asks to be told of `bytes` more. With several owners, at least one of them has its share of
    /// what is missing once all of it is there.
    fn watch(&mut self, context: &mut Context<'_>, bytes: u64) {
        let seen = self.parts.iter().filter_map(|part| {
            let partition = part.target.as_ref().ok()?.partition;
            Some((partition, (partition, part.result.as_ref()?.high_watermark)))
        });
        let owners = by_owner(context, seen);
        let share = bytes.div_ceil(owners.len().max(1) as u64);
        for (owner, seen) in owners {
            self.watching.insert(owner);
            context.asks.watches.push(WatchAsk {
                shard: owner,
                seen,
                bytes: share,
            });
        }
    }

    fn unwatch(&mut self, context: &mut Context<'_>) {
        // Most have never watched.
        if !self.watching.is_empty() {
            let watching = std::mem::take(&mut self.watching);
            context.asks.unwatches.extend(watching);
        }
    }

    /// Answers, or has the answer counted first if a quota binds the client.
    fn charge(mut self: Box<Self>, context: &mut Context<'_>) -> Progress {
        let session = match throttle::binds_fetches(context) {
            true => {
                self.sent = Some(Vec::new());
                context.session.fetch_session.clone()
            }
            false => None,
        };
        let reply = match self.reply(context) {
            Progress::Reply(reply) => reply,
            end => return end,
        };
        if !throttle::fetched(context, reply.len()) {
            self.leaves(context);
            // They hold files open, and memory if they are many.
            self.parts = Few::new();
            context.spare_fetches.take_back(self);
            return Progress::Reply(reply);
        }
        self.charging = Some(Charging { reply, session });
        Progress::Wait(Pending::Fetch(self))
    }

    /// The answer is counted: it leaves, or an empty one in its place. As in Kafka, a session that
    /// would have begun with it does not, and one that goes on has been told nothing.
    fn charged(mut self, context: &mut Context<'_>, held_ms: i32) -> Progress {
        let charging = self.charging.take().expect("an answer was counted");
        if held_ms == 0 {
            self.leaves(context);
            return Progress::Reply(charging.reply);
        }
        context.session.hold(context.now, held_ms);
        let open = &mut context.session.fetch_session;
        if self.incremental {
            *open = charging.session;
        } else if open.as_ref().is_some_and(|it| it.id() == self.session_id) {
            *open = None;
        }
        let response = FetchResponse {
            throttle_time_ms: held_ms,
            session_id: if self.incremental { self.session_id } else { 0 },
            ..Default::default()
        };
        self.head.reply(&response)
    }

    /// Counts the records of an answer that leaves after all.
    fn leaves(&mut self, context: &mut Context<'_>) {
        for (topic, bytes) in self.sent.take().into_iter().flatten() {
            context.metrics.bytes_out(topic, bytes);
        }
    }

    fn reply(&mut self, context: &mut Context<'_>) -> Progress {
        self.unwatch(context);
        context.metrics.fetched(self.began_us, context.now);
        let mut left = self.bytes_max;
        let mut is_first = true;
        let mut ranges: Few<FileRange> = Few::new();
        let mut topics: Few<FetchTopicResponse<'_>> = Few::new();
        for part in &self.parts {
            let state = part.state();
            let range = part.allowed(left, is_first);
            let length = range.as_ref().map_or(0, |range| range.length);
            left = left.saturating_sub(length);
            is_first &= length == 0;
            let has_records = length > 0;
            if let Ok(target) = &part.target
                && has_records
            {
                let topic = target.partition.topic;
                match &mut self.sent {
                    Some(sent) => sent.push((topic, length)),
                    None => context.metrics.bytes_out(topic, length),
                }
            }
            if let Some(session) = context.session.fetch_session.as_mut()
                && session.id() == self.session_id
            {
                let news = session.tell(
                    &part.key,
                    part.error(),
                    state.high_watermark,
                    state.log_start,
                    has_records,
                );
                if self.incremental && !news {
                    continue;
                }
            }
            ranges.extend(range);
            let response = FetchPartitionResponse {
                partition_index: part.key.partition,
                error_code: part.error(),
                high_watermark: state.high_watermark.0,
                last_stable_offset: state.last_stable.0,
                log_start_offset: state.log_start.0,
                aborted_transactions: match self.isolation {
                    Isolation::ReadCommitted => Some(part.aborted().collect()),
                    Isolation::ReadUncommitted | Isolation::Replica => None,
                },
                records: Records::Hole(length as usize),
                ..Default::default()
            };
            match topics.last_mut() {
                Some(topic)
                    if *topic.topic == *part.key.topic && topic.topic_id == part.key.topic_id =>
                {
                    topic.partitions.push(response);
                }
                _ => topics.push(FetchTopicResponse {
                    topic: part.key.topic.as_ref().into(),
                    topic_id: part.key.topic_id,
                    partitions: Few::from_iter([response]),
                }),
            }
        }
        let response = FetchResponse {
            session_id: self.session_id,
            responses: topics,
            ..Default::default()
        };
        let frame = match self.head.encode_from(context.pool, &response) {
            Ok(frame) => frame,
            Err(why) => return Progress::Disconnect(why),
        };
        let refusal = frame.refusal;
        let mut bytes = frame.bytes.freeze();
        let mut parts = Parts::with_capacity(ranges.len() * 2 + 1);
        let mut at = 0;
        let mut ranges = ranges.into_iter();
        for hole in frame.holes.iter().filter(|hole| hole.length > 0) {
            let head = bytes.split_to(hole.at - at);
            at = hole.at;
            parts.push(Part::Bytes(head));
            parts.push(Part::File(ranges.next().expect("a range fills each hole")));
        }
        if !bytes.is_empty() {
            parts.push(Part::Bytes(bytes));
        }
        Progress::Reply(Reply {
            refusal,
            ..Reply::from(parts)
        })
    }
}

impl FetchPart {
    fn error(&self) -> ErrorCode {
        match (&self.target, &self.result) {
            (Err(error), _) => *error,
            (Ok(_), Some(result)) => result.error,
            (Ok(_), None) => ErrorCode::NONE,
        }
    }

    /// Bytes that wait to be read.
    fn available(&self) -> u64 {
        self.result
            .as_ref()
            .and_then(|it| it.range.as_ref())
            .map_or(0, |range| range.length)
    }

    /// The transactions of which they may hold aborted records.
    fn aborted(&self) -> impl Iterator<Item = FetchAbortedTransaction> {
        let aborted = self.result.iter().flat_map(|result| &result.aborted);
        aborted.map(|it| FetchAbortedTransaction {
            producer_id: it.producer.0,
            first_offset: it.first.0,
        })
    }

    /// Whether they lie in a segment that is closed.
    fn is_sealed(&self) -> bool {
        self.result.as_ref().is_some_and(|it| it.is_sealed)
    }

    /// What of them may go out when `left` bytes are.
    fn allowed(&self, left: u64, is_first: bool) -> Option<FileRange> {
        let wanted = self.target.as_ref().ok()?.bytes_max;
        let result = self.result.as_ref()?;
        let range = result.range.as_ref()?;
        let whole_first = result.first_batch.min(range.length);
        let length = match is_first {
            true => range.length.min(left.max(whole_first)),
            // A batch that does not fit whole is of no use to anybody.
            false if left.min(wanted) < whole_first => 0,
            false => range.length.min(left),
        };
        (length > 0).then(|| FileRange {
            length,
            ..range.clone()
        })
    }

    fn state(&self) -> State {
        let unknown = Offset::UNKNOWN;
        self.result.as_ref().map_or(
            State {
                high_watermark: unknown,
                last_stable: unknown,
                log_start: unknown,
            },
            |it| State {
                high_watermark: it.high_watermark,
                last_stable: it.last_stable,
                log_start: it.log_start,
            },
        )
    }
}

struct State {
    high_watermark: Offset,
    last_stable: Offset,
    log_start: Offset,
}
