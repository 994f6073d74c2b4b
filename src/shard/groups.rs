//! The coordinators of groups: one for each partition of `__consumer_offsets` that this shard owns.
//!
//! What a coordinator decides is appended to its partition like anything that is produced; its replies
//! leave when everything that was decided before them is committed. When an append fails, or the disk
//! does, what the coordinator believes is not what the log says any more: everyone who waits is told, and
//! it is loaded anew (`group_load`).

use super::group_load::Load;
use super::mail::Answer;
use super::{Outbox, Partition, ReturnTo, Shard};
use crate::batch::{self, Builder, Codec, Look, Rules, TimestampType};
use crate::config::{BrokerConfig, TopicConfig};
use crate::group::{
    Assignor, Call, Context, Coordinator, GroupConfig, ListFilter, ListedGroup, Migration, Reply,
    Step,
};
use crate::io::Pieces;
use crate::metadata::OFFSETS_TOPIC_NAME;
use crate::mutation::{Mutation, planted};
use crate::types::{Now, Offset, PartitionId, Timestamp};
use crate::wire::ErrorCode;
use std::collections::VecDeque;
use std::sync::Arc;

/// The groups of one partition of `__consumer_offsets`.
pub(super) struct Groups {
    pub(super) coordinator: Coordinator,
    /// How far its log has been read, until all of it is.
    pub(super) loading: Option<Load>,
    /// What leaves when batches are committed, in their order.
    pending: VecDeque<Pending>,
    /// When the coordinator wants to hear that time has passed, as `Shard::group_timers` has it.
    due_us: Option<u64>,
}

/// What has become of topics since the coordinators heard of it last.
#[derive(Default)]
pub(super) struct TopicNews {
    /// Anything.
    pub(super) has_any: bool,
    /// There are new ones.
    pub(super) has_created: bool,
    /// Those that are gone, by name.
    pub(super) gone: Vec<String>,
}

/// Replies that wait for a batch.
struct Pending {
    last: Offset,
    replies: Vec<(ReturnTo, Reply)>,
}

impl Groups {
    fn new(config: Arc<GroupConfig>) -> Groups {
        Groups {
            coordinator: Coordinator::new(config),
            loading: None,
            pending: VecDeque::new(),
            due_us: None,
        }
    }
}

impl Shard {
    /// Takes up the coordination of a partition that is there now, if it is one of groups.
    pub(super) fn coordinate(&mut self, slot: u32) {
        let partition = self.slots[slot as usize].as_mut().expect("a slot in use");
        if *partition.topic != *OFFSETS_TOPIC_NAME {
            return;
        }
        let config = group_config(&self.config, &partition.config);
        partition.groups = Some(Box::new(Groups::new(config)));
        self.load_groups(slot);
    }

    /// Answers a call to a coordinator, now or later.
    pub(super) fn group_call(
        &mut self,
        now: Now,
        from: ReturnTo,
        id: PartitionId,
        call: Call,
        out: &mut Outbox,
    ) {
        let slot = match self.coordinator_at(id) {
            Ok(slot) => slot,
            Err(error) => {
                return out.answer(from, Answer::Group(Box::new(call.refuse(error))));
            }
        };
        self.with_coordinator(now, slot, out, |coordinator, context| {
            coordinator.handle(context, from, call)
        });
    }

    /// The partition's slot, if its groups are coordinated here.
    fn coordinator_at(&mut self, id: PartitionId) -> Result<u32, ErrorCode> {
        if self.gives_groups_up {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        let (slot, partition) = self.serving(id).map_err(|_| ErrorCode::NOT_COORDINATOR)?;
        match &partition.groups {
            Some(groups) if groups.loading.is_none() => Ok(slot),
            Some(_) => Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            None => Err(ErrorCode::NOT_COORDINATOR),
        }
    }

    /// All groups of this shard that the filter lets pass.
    ///
    /// # Errors
    /// COORDINATOR_LOAD_IN_PROGRESS while some are being loaded.
    pub(super) fn list_groups(&self, filter: &ListFilter) -> Result<Vec<ListedGroup>, ErrorCode> {
        if self.gives_groups_up {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        let mut listed = Vec::new();
        for partition in self.slots.iter().flatten() {
            match &partition.groups {
                Some(groups) if groups.loading.is_some() => {
                    return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
                }
                Some(groups) => listed.extend(groups.coordinator.list(filter)),
                None => {}
            }
        }
        Ok(listed)
    }

    /// Has a coordinator decide, and does what it decides.
    pub(super) fn with_coordinator(
        &mut self,
        now: Now,
        slot: u32,
        out: &mut Outbox,
        act: impl FnOnce(&mut Coordinator, &mut Context<'_>) -> Step,
    ) {
        let partition = self.slots[slot as usize].as_mut().expect("a slot in use");
        let groups = partition.groups.as_mut().expect("it coordinates groups");
        let random = &mut self.random;
        let mut context = Context {
            now,
            image: &self.image,
            image_offset: self.image_offset,
            random: &mut || random.bytes(),
        };
        let step = act(&mut groups.coordinator, &mut context);
        self.take_group_step(now, slot, step, out);
    }

    fn take_group_step(&mut self, now: Now, slot: u32, step: Step, out: &mut Outbox) {
        let Step { records, replies } = step;
        if records.is_empty() {
            match self.groups_mut(slot).pending.back_mut() {
                Some(last) => last.replies.extend(replies),
                None => tell(replies, out),
            }
        } else {
            let codec = Codec::from_id(self.config.offsets_topic_codec);
            let codec = codec.unwrap_or(Codec::None);
            let bytes = encode(&records, now, codec);
            match self.append_group_batch(now, slot, &bytes) {
                Some(_) if planted(Mutation::CommittedBeforeWritten) => tell(replies, out),
                Some(last) => {
                    let pending = Pending { last, replies };
                    self.groups_mut(slot).pending.push_back(pending);
                }
                None => {
                    let failed = replies.into_iter();
                    let failed = failed.map(|(to, reply)| (to, reply.fail(FAILED)));
                    tell(failed, out);
                    return self.group_appends_failed(slot, out);
                }
            }
        }
        self.mind_group_timers(slot);
    }

    /// The offset of the batch's last record, if the log takes it.
    fn append_group_batch(&mut self, now: Now, slot: u32, bytes: &[u8]) -> Option<Offset> {
        let pieces = Pieces::from(bytes);
        let rules = Rules {
            now: now.wall,
            ..OWN_BATCH
        };
        // What is written is checked like anything else.
        let checked = batch::check(pieces.chunks(), pieces.len(), &rules)
            .expect("a batch of our own is sound");
        let partition = self.slot(slot);
        let epoch = partition.epoch;
        let appended = partition.store.append(&checked, pieces, epoch, now);
        self.note_drive(slot);
        match appended {
            Ok(admitted) => Some(admitted.last),
            Err(rejected) => {
                let directory = self.slot(slot).store.directory().display();
                tracing::error!(%directory, ?rejected, "the groups cannot be written");
                None
            }
        }
    }

    /// Sends what waited for batches that are committed.
    pub(super) fn group_steps_committed(&mut self, slot: u32, out: &mut Outbox) {
        let partition = self.slot(slot);
        let high_watermark = partition.store.log().high_watermark();
        let Some(groups) = &mut partition.groups else {
            return;
        };
        while let Some(first) = groups.pending.front()
            && first.last < high_watermark
        {
            let first = groups.pending.pop_front().expect("just seen");
            tell(first.replies, out);
        }
    }

    /// What the coordinator decided is not in the log: it begins again with what is.
    pub(super) fn group_appends_failed(&mut self, slot: u32, out: &mut Outbox) {
        if self.slot(slot).groups.is_some() {
            self.unload_groups(slot, FAILED, out);
            if !self.slot(slot).store.is_offline() {
                self.load_groups(slot);
            }
        }
    }

    /// Everyone who waits is answered, and nothing is known any more.
    fn unload_groups(&mut self, slot: u32, error: ErrorCode, out: &mut Outbox) {
        let groups = self.groups_mut(slot);
        let pending = std::mem::take(&mut groups.pending);
        let waiting = groups.coordinator.unload();
        let pending = pending.into_iter().flat_map(|it| it.replies);
        tell(pending.map(|(to, reply)| (to, reply.fail(error))), out);
        tell(waiting, out);
        self.mind_group_timers(slot);
    }

    /// A partition goes away, with its groups.
    pub(super) fn give_groups_up(&mut self, slot: u32, out: &mut Outbox) {
        if self.slot(slot).groups.is_some() {
            self.unload_groups(slot, FAILED, out);
            self.slot(slot).groups = None;
        }
    }

    /// The broker stops: everyone who waits for others is told to look for another coordinator, and
    /// whoever asks from now on. What waits for the disk is answered as usual.
    pub fn give_all_groups_up(&mut self, out: &mut Outbox) {
        self.gives_groups_up = true;
        for slot in 0..self.slots.len() as u32 {
            let partition = self.slots[slot as usize].as_mut();
            if let Some(groups) = partition.and_then(|it| it.groups.as_mut()) {
                tell(groups.coordinator.unload(), out);
                self.mind_group_timers(slot);
            }
        }
    }

    // -- time, settings, topics

    /// Keeps the time at which a coordinator is due where the shard looks for it.
    pub(super) fn mind_group_timers(&mut self, slot: u32) {
        let groups = self.groups_mut(slot);
        let due_us = match groups.loading {
            Some(_) => None,
            None => groups.coordinator.poll_timeout(),
        };
        let before = std::mem::replace(&mut groups.due_us, due_us);
        if before != due_us {
            if let Some(before) = before {
                self.group_timers.remove(&(before, slot));
            }
            if let Some(due_us) = due_us {
                self.group_timers.insert((due_us, slot));
            }
        }
    }

    pub(super) fn do_what_is_due_of_groups(&mut self, now: Now, out: &mut Outbox) {
        while let Some((due_us, slot)) = self.group_timers.first().copied()
            && due_us <= now.monotonic_us
        {
            self.with_coordinator(now, slot, out, |coordinator, context| {
                coordinator.handle_timeout(context)
            });
        }
    }

    /// Settings have changed.
    pub(super) fn configure_groups(&mut self) {
        for partition in self.slots.iter_mut().flatten() {
            let config = group_config(&self.config, &partition.config);
            if let Some(groups) = &mut partition.groups {
                groups.coordinator.configure(config);
            }
        }
    }

    /// Has what was committed for topics that are gone go, too, and consumer groups look at those that
    /// are otherwise than before.
    pub(super) fn tell_groups_of_topics(&mut self, now: Now, out: &mut Outbox) {
        if !self.topic_news.has_any {
            return;
        }
        let news = std::mem::take(&mut self.topic_news);
        for slot in 0..self.slots.len() as u32 {
            let serves = |partition: &Partition| {
                let groups = partition.groups.as_ref();
                groups.is_some_and(|groups| groups.loading.is_none())
            };
            if self.slots[slot as usize].as_ref().is_some_and(serves) {
                self.with_coordinator(now, slot, out, |coordinator, context| {
                    coordinator.topics_changed(context, news.has_created);
                    match news.gone.as_slice() {
                        [] => Step::default(),
                        gone => coordinator.topics_deleted(context, gone),
                    }
                });
            }
        }
    }

    pub(super) fn groups_mut(&mut self, slot: u32) -> &mut Groups {
        let groups = self.slot(slot).groups.as_mut();
        groups.expect("it coordinates groups")
    }
}

/// As in Kafka: the log of the groups cannot be written here, somebody else may coordinate them.
const FAILED: ErrorCode = ErrorCode::NOT_COORDINATOR;

fn tell(replies: impl IntoIterator<Item = (ReturnTo, Reply)>, out: &mut Outbox) {
    for (to, reply) in replies {
        out.answer(to, Answer::Group(Box::new(reply)));
    }
}

/// The records of a step as a batch.
fn encode(records: &[crate::group::Record], now: Now, codec: Codec) -> Vec<u8> {
    let mut builder = Builder::new(Offset(0), crate::types::LeaderEpoch::UNKNOWN).codec(codec);
    for record in records {
        builder.push(now.wall, Some(&record.key), record.value.as_deref(), &[]);
    }
    builder.finish()
}

/// What a batch of our own must fulfil: to be sound. Its size is the coordinator's to bound.
const OWN_BATCH: Rules = Rules {
    max_message_bytes: i32::MAX as usize,
    compacted: true,
    timestamp_type: TimestampType::CreateTime,
    timestamp_before_max_ms: i64::MAX,
    timestamp_after_max_ms: i64::MAX,
    now: Timestamp(0),
    produce_version: 13,
    compressed: Look::Header,
};

fn group_config(config: &BrokerConfig, topic: &TopicConfig) -> Arc<GroupConfig> {
    let consumer = &config.consumer_groups;
    let assignors = consumer.assignors.iter();
    let assignors = assignors.map(|name| Assignor::parse(name).expect("the table names them"));
    Arc::new(GroupConfig {
        session_timeout_ms_min: config.group_session_timeout_ms_min,
        session_timeout_ms_max: config.group_session_timeout_ms_max,
        initial_rebalance_delay_ms: config.group_initial_rebalance_delay_ms,
        size_max: config.group_size_max,
        offset_metadata_max: config.offset_metadata_bytes_max,
        offsets_retention_ms: config.offsets_retention_ms,
        offsets_retention_check_interval_ms: config.offsets_retention_check_ms,
        batch_bytes_max: topic.max_message_bytes as usize,
        consumer_session_timeout_ms: consumer.session_timeout_ms,
        consumer_heartbeat_interval_ms: consumer.heartbeat_interval_ms,
        consumer_size_max: consumer.size_max,
        consumer_assignors: assignors.collect(),
        migration: Migration::parse(&consumer.migration_policy).expect("the table names them"),
        regex_refresh_interval_ms: consumer.regex_refresh_interval_ms,
    })
}
