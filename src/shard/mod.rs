//! A shard: owns partitions, answers what other shards and its own connections ask of them.
//!
//! One file per verb (`produce fetch offsets install stop`), each an `impl Shard`; what can be
//! decided without the machine sits below, in `log`, `batch`, `metadata`. Shard 0 also holds the
//! [`Controller`]: the metadata log and every change of it.
//!
//! The shard never waits. An ask whose answer needs the disk leaves a [`Gather`], which collects the
//! parts of the answer as completions bring them.

mod admin;
mod checkpoints;
mod compaction;
mod controller;
mod delete_records;
mod failure;
mod fetch;
mod flush;
mod group_load;
mod groups;
mod inspect;
mod install;
mod mail;
mod offsets;
mod produce;
mod quotas;
mod random;
mod report;
mod roster;
mod settings;
mod standings;
mod stop;

pub use admin::{AdminAnswer, AdminAsk, Alteration, Change, TopicDeleted, TopicName};
pub use checkpoints::{CLEANED, Checkpoints, Known, RECOVERY_POINTS};
pub use controller::{Controller, ControllerSeed};
pub use delete_records::DeletePart;
pub use inspect::{EpochEnd, EpochPart, InspectAsk, Inspected, LogSize, QuorumState, TimePart};
pub use install::{FoundPartition, Placement, log_config};
pub use mail::{
    Answer, Ask, ClosedLog, Mail, OffsetPart, OffsetResult, ProduceAsk, ProducePart, Produced,
    ReadPart, ReadResult, StopStep, WhyRefused,
};
pub use quotas::{Debit, Resource};
pub use random::Random;
pub use settings::effective;
pub use stop::{LOCK, LOG_STARTS};
// The address of whoever waits is vocabulary: the pure rooms carry it, too.
pub use crate::types::ReturnTo;

use crate::config::{BrokerConfig, TopicConfig};
use crate::io::{Completion, Outcome, Token};
use crate::limits;
use crate::log::LogConfig;
use crate::metadata::{Image, QuotaOwner};
use crate::metrics::{Logs, Traffic};
use crate::quota::{Ledger, Window};
use crate::store::{self, Store, Submissions, Task, TaskOutcome};
use crate::types::{
    Few, LeaderEpoch, Now, Offset, PartitionId, Places, Prefetch, ShardId, Timestamp,
};
use crate::wire::ErrorCode;
use bytes::BytesMut;
use roster::Roster;
use settings::Common;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

/// What a shard puts out: operations for the kernel, mail for shards (its own too).
#[derive(Debug, Default)]
pub struct Outbox {
    /// For the kernel.
    pub operations: Submissions,
    /// For shards, in order.
    pub mail: VecDeque<(ShardId, Mail)>,
}

/// One partition on its owner.
pub(crate) struct Partition {
    id: PartitionId,
    topic: Arc<str>,
    log_dir: usize,
    config: Arc<TopicConfig>,
    epoch: LeaderEpoch,
    store: Store,
    /// Produces that wait for the high watermark, by the last offset of their batch.
    acks: VecDeque<produce::PendingAck>,
    /// Batches on their way to the store, in order, while one of them is being converted.
    converting: VecDeque<produce::Converting>,
    /// Long polls to be told when there is more.
    watchers: Vec<ReturnTo>,
    /// Look-ups that wait for a segment to be opened.
    awaiting_segment: Vec<fetch::LookUp>,
    /// Look-ups that wait for headers, by the store's operation.
    awaiting_headers: BTreeMap<u32, fetch::LookUp>,
    /// When `flush.ms` will have passed since the first record that is not durable came.
    flush_due_us: Option<u64>,
    /// It stands among those that are driven at the end of the round.
    is_to_drive: bool,
    /// What it has taken and given since the start.
    traffic: Traffic,
    /// If it is one of `__consumer_offsets`.
    groups: Option<Box<groups::Groups>>,
    life: Life,
}

/// Where a partition is in its life on this shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Serving,
    /// Its log is being closed for a clean stop.
    Closing,
    Closed,
    /// Deleted; its directory goes when nothing of it is in flight, and that install waits for it.
    Dying {
        install: u64,
    },
}

impl Partition {
    /// Whether nothing of it is queued or in flight.
    fn is_quiet(&self) -> bool {
        self.store.is_quiet() && self.converting.is_empty()
    }
}

/// What a ticket of the shard waits for.
enum Waiting {
    Offset(offsets::TimeLookUp),
    Sifted(fetch::Sifting),
    GroupBatches(PartitionId),
    Time { gather: u64, index: u32 },
    Converted { slot: u32, number: u64 },
    Created(install::Creation),
    SetAside { install: u64, renamed: PathBuf },
    Removed,
    SegmentsRemoved(PartitionId),
    Space(ReturnTo),
    MetadataSync,
    Checkpoint,
    Farewell,
}

/// A shard's partitions and what waits for them.
pub struct Shard {
    id: ShardId,
    shards: u16,
    config: Arc<BrokerConfig>,
    image: Arc<Image>,
    /// The offset of the last metadata record in it.
    image_offset: Offset,
    partitions: Roster,
    slots: Vec<Option<Partition>>,
    free_slots: Vec<u32>,
    placement: Placement,
    controller: Option<Controller>,
    checkpoints: Checkpoints,
    waiting: BTreeMap<u64, Waiting>,
    tickets: u64,
    gathers: Places<Gather>,
    watches: BTreeMap<ReturnTo, fetch::Watch>,
    installs: BTreeMap<u64, install::Install>,
    /// When producers that have not been heard of are forgotten next.
    expire_us: u64,
    /// When segments before the start of their log are removed next.
    remove_us: u64,
    /// What is being compacted, and when to go on.
    compaction: compaction::Turn,
    /// Partitions whose store has something to begin at the end of the round.
    to_drive: Vec<u32>,
    /// Bytes that were given to stores since that was last begun.
    gathered_bytes: u64,
    /// Partitions by when `flush.ms` has them flushed.
    flushes: BTreeSet<(u64, u32)>,
    /// What the owners of quotas have used (shard 0).
    ledger: Ledger<(Resource, QuotaOwner)>,
    stopping: stop::Stopping,
    stop_reports: stop::StopReports,
    /// What its partitions' topics have set.
    topic_configs: Common<TopicConfig>,
    /// What its partitions' logs are told of that.
    log_configs: Common<LogConfig>,
    /// Log directories whose disk has failed, by index.
    failed_dirs: BTreeSet<usize>,
    /// Why the broker cannot go on (shard 0).
    failure: Option<String>,
    metrics: Logs,
    prefetch: Prefetch,
    /// For the headers of batches, empty.
    header_buffers: Vec<BytesMut>,
    /// For ids.
    random: Random,
    /// Partitions whose groups are being loaded and can go on.
    group_loads: Vec<PartitionId>,
    /// What no coordinator has heard of yet.
    topic_news: groups::TopicNews,
    /// Partitions by when their coordinator has something to do.
    group_timers: BTreeSet<(u64, u32)>,
    /// The broker stops: groups look for another coordinator.
    gives_groups_up: bool,
}

/// An answer in the making.
struct Gather {
    to: ReturnTo,
    missing: usize,
    parts: Parts,
}

enum Parts {
    Produce(Few<(u32, Produced)>),
    Read(Few<(u32, ReadResult)>),
    Offsets(Few<(u32, OffsetResult)>),
    Times(Vec<(u32, Option<Timestamp>)>),
}

impl Shard {
    /// A shard with the partitions that the start found for it; the image comes with the offset of the
    /// last record in it, `seed` is all its randomness.
    pub fn new(
        id: ShardId,
        config: Arc<BrokerConfig>,
        (image, image_offset): (Arc<Image>, Offset),
        placement: Placement,
        controller: Option<Controller>,
        checkpoints: Checkpoints,
        seed: u64,
    ) -> Shard {
        let window = Window {
            samples: config.quota_samples,
            sample_ms: config.quota_window_ms,
        };
        Shard {
            id,
            shards: config.shards,
            partitions: Roster::new(config.shards),
            config,
            image,
            image_offset,
            slots: Vec::new(),
            free_slots: Vec::new(),
            placement,
            controller,
            checkpoints,
            waiting: BTreeMap::new(),
            tickets: 0,
            gathers: Places::default(),
            watches: BTreeMap::new(),
            installs: BTreeMap::new(),
            expire_us: 0,
            remove_us: 0,
            compaction: compaction::Turn::default(),
            to_drive: Vec::new(),
            gathered_bytes: 0,
            flushes: BTreeSet::new(),
            ledger: Ledger::new(window),
            stopping: stop::Stopping::No,
            stop_reports: stop::StopReports::default(),
            topic_configs: Common::new(),
            log_configs: Common::new(),
            failed_dirs: BTreeSet::new(),
            failure: None,
            metrics: Logs::default(),
            prefetch: |_, _| {},
            header_buffers: Vec::new(),
            random: Random::new(seed),
            group_loads: Vec::new(),
            topic_news: groups::TopicNews::default(),
            group_timers: BTreeSet::new(),
            gives_groups_up: false,
        }
    }

    /// Has what is about to be needed brought into the processor's caches by that.
    pub fn prefetch_with(&mut self, prefetch: Prefetch) {
        self.prefetch = prefetch;
    }

    /// This shard's id.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// The broker's configuration, dynamic settings included.
    pub fn config(&self) -> &Arc<BrokerConfig> {
        &self.config
    }

    /// The cluster as this shard knows it.
    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// The shard that owns a partition.
    pub fn owner(&self, partition: PartitionId) -> ShardId {
        owner_of(partition, self.shards)
    }

    /// When it wants [`Shard::handle_timeout`], microseconds on the monotonic clock.
    pub fn poll_timeout(&self) -> Option<u64> {
        [
            self.checkpoints.poll_timeout(),
            Some(self.expire_us),
            Some(self.remove_us),
            self.compaction_due_us(),
            self.flushes.first().map(|(due_us, _)| *due_us),
            self.group_timers.first().map(|(due_us, _)| *due_us),
            (!self.group_loads.is_empty()).then_some(0),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what has become due.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Outbox) {
        self.write_checkpoints(now, out);
        if now.monotonic_us >= self.expire_us {
            let interval_us = self.config.producer_id_expiration_check_ms * 1000;
            self.expire_us = now.monotonic_us + interval_us;
            for partition in self.slots.iter_mut().flatten() {
                partition.store.expire_producers(now);
            }
        }
        self.flush_what_is_due(now, out);
        self.do_what_is_due_of_groups(now, out);
        if now.monotonic_us >= self.remove_us {
            self.remove_before_starts(now, out);
        }
        if self
            .compaction_due_us()
            .is_some_and(|due_us| now.monotonic_us >= due_us)
        {
            self.compact(now, out);
        }
    }

    /// Takes one message.
    pub fn handle_mail(&mut self, now: Now, mail: Mail, out: &mut Outbox) {
        match mail {
            Mail::Ask { from, ask } => match ask {
                Ask::Produce(ask) => self.produce(now, from, ask, out),
                Ask::Read { parts, isolation } => self.read(from, parts, isolation, out),
                Ask::Offsets { parts, isolation } => self.offsets(from, parts, isolation, out),
                Ask::DeleteRecords(parts) => self.delete_records(from, parts, out),
                Ask::Group { partition, call } => {
                    self.group_call(now, from, partition, *call, out);
                }
                Ask::Charge(debits) => self.charge(now, from, &debits, out),
                Ask::Inspect(ask) => self.inspect(from, ask, out),
                Ask::Admin(ask) => self.admin(now, from, ask, out),
                Ask::Install(change) => self.install(from, change, out),
            },
            Mail::Watch { from, seen, bytes } => self.watch(from, seen, bytes, out),
            Mail::Unwatch { from } => self.unwatch(from),
            Mail::LogDirFailed { log_dir, why } => self.log_dir_failed(log_dir, &why, out),
            Mail::Stop(step) => self.stop_step(now, step, out),
            Mail::Durable {
                log_dir,
                topic,
                partition,
                recovery_point,
            } => {
                self.note_durable(now, log_dir, topic, partition, recovery_point);
            }
            Mail::Cleaned {
                log_dir,
                topic,
                partition,
                cleaned,
            } => {
                self.note_cleaned(now, log_dir, topic, partition, cleaned);
            }
            Mail::LogStart {
                log_dir,
                topic,
                partition,
                log_start,
                first_segment,
            } => {
                let kept = (log_start > first_segment).then_some(log_start);
                self.note_log_start(now, log_dir, topic, partition, kept);
            }
            Mail::Answer {
                answer: Answer::Installed,
                ..
            } => self.installed(now, out),
            Mail::Answer { .. }
            | Mail::Moved { .. }
            | Mail::Connection { .. }
            | Mail::Left { .. } => unreachable!("connections are the worker's"),
        }
    }

    /// A round of events has been dealt with: what they brought together is begun together.
    pub fn end_round(&mut self, now: Now, out: &mut Outbox) {
        self.go_on_loading_groups(now, out);
        self.tell_groups_of_topics(now, out);
        self.drive(now, out);
    }

    /// Whether [`Shard::drive`] would find something to do.
    pub fn wants_drive(&self) -> bool {
        !self.to_drive.is_empty()
    }

    /// Whether what waits to be appended should not wait for more: gathering saves calls while a call
    /// costs more than its bytes, and beyond that only takes buffers out of the cache.
    pub fn is_worth_a_write(&self) -> bool {
        self.gathered_bytes >= limits::GATHERED_BYTES_MAX
    }

    /// Begins the appends that have gathered.
    pub fn drive(&mut self, now: Now, out: &mut Outbox) {
        self.gathered_bytes = 0;
        for slot in self.to_drive.drain(..) {
            // It may have been closed meanwhile.
            if let Some(Some(partition)) = self.slots.get_mut(slot as usize) {
                partition.is_to_drive = false;
                partition.store.drive(now, &mut out.operations);
            }
        }
    }

    fn note_drive(&mut self, slot: u32) {
        let partition = self.slot(slot);
        if !partition.is_to_drive && partition.store.wants_drive() {
            partition.is_to_drive = true;
            self.to_drive.push(slot);
        }
    }

    /// Takes the end of one of its operations.
    pub fn handle_completion(
        &mut self,
        now: Now,
        completion: Completion<TaskOutcome>,
        out: &mut Outbox,
    ) {
        match completion.token {
            Token::Partition {
                slot: controller::SLOT,
                operation,
            } => {
                self.handle_metadata_store(now, operation, completion.outcome, out);
            }
            Token::Partition { slot, operation } => {
                if let Outcome::Appended { took_ns, .. } = &completion.outcome {
                    self.metrics.appended(*took_ns);
                }
                let partition = self.slots[slot as usize]
                    .as_mut()
                    .expect("slots outlive operations");
                let event =
                    partition
                        .store
                        .handle(operation, completion.outcome, &mut out.operations);
                self.note_drive(slot);
                self.mind_flush(slot, now);
                if let Some(event) = event {
                    self.handle_store_event(now, slot, event, out);
                }
                self.slot_is_quiet(slot, out);
            }
            Token::Ticket(ticket) => {
                let waiting = self
                    .waiting
                    .remove(&ticket)
                    .expect("tickets are answered once");
                let Outcome::Done(outcome) = completion.outcome else {
                    unreachable!("tickets of a shard are tasks");
                };
                match waiting {
                    Waiting::Offset(lookup) => self.offset_found(lookup, outcome, out),
                    Waiting::Sifted(sifting) => self.sifted(sifting, outcome, out),
                    Waiting::GroupBatches(id) => self.group_batches_read(id, outcome),
                    Waiting::Time { gather, index } => {
                        self.time_read(gather, index, outcome, out);
                    }
                    Waiting::Converted { slot, number } => {
                        self.converted(now, slot, number, outcome, out);
                        self.slot_is_quiet(slot, out);
                    }
                    Waiting::Created(creation) => self.created(now, creation, outcome, out),
                    Waiting::SetAside { install, renamed } => {
                        self.set_aside(install, renamed, outcome, out);
                    }
                    Waiting::Removed => self.removed(outcome),
                    Waiting::SegmentsRemoved(id) => self.segments_removed(id, outcome, out),
                    Waiting::Space(from) => self.space_measured(from, outcome, out),
                    Waiting::MetadataSync => self.metadata_synced(now, outcome, out),
                    Waiting::Checkpoint => self.checkpoint_written(outcome, out),
                    Waiting::Farewell => self.farewell_said(outcome, out),
                }
                self.report_closed(out);
            }
            token => unreachable!("{token:?} is not a shard's"),
        }
    }

    fn handle_store_event(&mut self, now: Now, slot: u32, event: store::Event, out: &mut Outbox) {
        match event {
            store::Event::Moved { bytes } => {
                self.acknowledge(now, slot, out);
                self.moved(slot, bytes, out);
            }
            store::Event::AppendsFailed => self.appends_failed(slot, out),
            store::Event::Offline { why, disk } => self.partition_failed(slot, &why, disk, out),
            store::Event::Segment { base, failed } => {
                self.segment_opened(slot, base, failed, out);
            }
            store::Event::Headers { operation, bytes } => {
                self.headers_read(slot, operation, bytes, out);
            }
            store::Event::CompactionStepped { bytes } => {
                self.compaction_stepped(slot, bytes, out);
            }
            store::Event::CompactionEnded { cleaned } => {
                self.compaction_ended(now, slot, cleaned, out);
            }
            store::Event::Durable { to, bytes } => {
                self.durable(slot, to, out);
                if bytes > 0 {
                    self.acknowledge(now, slot, out);
                    self.moved(slot, bytes, out);
                }
            }
        }
    }

    // -- partitions

    fn find(&mut self, id: PartitionId) -> Option<(u32, &mut Partition)> {
        let slot = self.partitions.get(id)?;
        let prefetch = self.prefetch;
        let partition = self.slot(slot);
        // Among ten thousand it is in no cache, and missed line after line: all are sent for at once.
        prefetch((&raw const *partition).cast(), size_of::<Partition>());
        Some((slot, partition))
    }

    /// The partition, if this shard has it and its storage has not failed.
    fn serving(&mut self, id: PartitionId) -> Result<(u32, &mut Partition), ErrorCode> {
        let (slot, partition) = self.find(id).ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
        match partition.store.is_offline() {
            true => Err(ErrorCode::KAFKA_STORAGE_ERROR),
            false => Ok((slot, partition)),
        }
    }

    fn slot(&mut self, slot: u32) -> &mut Partition {
        self.slots[slot as usize]
            .as_mut()
            .expect("slots in use are filled")
    }

    // -- tickets and gathers

    fn submit_task(&mut self, waiting: Waiting, task: Task, out: &mut Outbox) {
        self.tickets += 1;
        self.waiting.insert(self.tickets, waiting);
        out.operations.push((
            Token::Ticket(self.tickets),
            crate::io::Operation::Task(task),
        ));
    }

    fn open_gather(&mut self, to: ReturnTo, missing: usize, parts: Parts) -> u64 {
        self.gathers.insert(Gather { to, missing, parts })
    }

    /// Adds one part, by `add`, and sends the answer when it was the last.
    fn gather(&mut self, gather: u64, out: &mut Outbox, add: impl FnOnce(&mut Parts)) {
        let open = self
            .gathers
            .get_mut(gather)
            .expect("gathers stay until their last part");
        add(&mut open.parts);
        open.missing -= 1;
        if open.missing == 0 {
            let done = self.gathers.remove(gather).expect("just seen");
            out.answer(done.to, done.parts.into());
        }
    }
}

impl From<Parts> for Answer {
    fn from(parts: Parts) -> Answer {
        match parts {
            Parts::Produce(parts) => Answer::Produce(parts),
            Parts::Read(parts) => Answer::Read(parts),
            Parts::Offsets(parts) => Answer::Offsets(parts),
            Parts::Times(parts) => Answer::Inspected(Inspected::Times(parts)),
        }
    }
}

impl Outbox {
    /// Sends an answer to whoever asked.
    pub fn answer(&mut self, to: ReturnTo, answer: Answer) {
        self.mail.push_back((
            to.shard,
            Mail::Answer {
                ticket: to.ticket,
                answer,
            },
        ));
    }
}

/// The shard that owns a partition: `(hash(topic id) + partition) % shards` (DESIGN.md 4). The topic
/// id is random, so a few of its bits are hash enough; consecutive partitions lie on different
/// shards.
pub fn owner_of(partition: PartitionId, shards: u16) -> ShardId {
    let id = partition.topic.0;
    let hash = u32::from_be_bytes([id[12], id[13], id[14], id[15]]);
    let sum = u64::from(hash) + partition.index.0.unsigned_abs() as u64;
    ShardId((sum % u64::from(shards)) as u16)
}
