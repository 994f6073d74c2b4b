//! The metadata log's owner, on shard 0: one voter that is always the leader.
//!
//! Changes are made one at a time, in the order in which they were asked for: decided against the
//! image, appended, synced (Kafka's quorum syncs every append), replayed, handed to every shard; the
//! answer leaves when the last shard has it, so whoever was answered can read what it wrote on any
//! connection. A change that could not be made durable is answered KAFKA_STORAGE_ERROR, and so is
//! every later one: what the disk holds is not known any more until the next start has read it.

use super::admin::{AdminAnswer, AdminAsk, Alteration, Change, TopicDeleted, TopicName};
use super::mail::{Answer, Ask, Mail};
use super::random::Random;
use super::settings;
use super::{Outbox, QuorumState, ReturnTo, Shard, Waiting};
use crate::batch::{self, Rules, TimestampType};
use crate::config::{self, BrokerConfig};
use crate::io::{Outcome, Pieces};
use crate::metadata::{self, Image, Refusal, Resource, State, TopicDefaults, VoterNode};
use crate::store::{Event, Store, Task, TaskOutcome};
use crate::types::{LeaderEpoch, NodeId, Now, Offset, ProducerId, ShardId, TopicId, Uuid};
use crate::wire::{ErrorCode, MetadataRecord};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// A metadata record that borrows nothing.
type Record = MetadataRecord<'static>;

/// The slot of the metadata log's store among the shard's tokens.
pub(super) const SLOT: u32 = u32::MAX;

/// What the start knows of the metadata log.
pub struct ControllerSeed {
    /// This node.
    pub node: NodeId,
    /// The epoch that this start has opened.
    pub epoch: LeaderEpoch,
    /// The log, with [`Controller::TOKEN_SLOT`] as its slot.
    pub store: Store,
    /// What the log leads to.
    pub state: State,
    /// For the ids of topics.
    pub seed: u64,
}

/// The metadata log's owner.
pub struct Controller {
    node: NodeId,
    epoch: LeaderEpoch,
    store: Store,
    state: State,
    random: Random,
    queue: VecDeque<(ReturnTo, AdminAsk)>,
    current: Option<Current>,
    /// Producer ids that the log has given to this broker and nobody has yet.
    producer_ids: Range<i64>,
    failed: bool,
}

/// The change under way.
struct Current {
    next: Arc<Change>,
    records: Vec<Record>,
    then: Then,
    stage: Stage,
}

/// What is to be done when it is in force.
enum Then {
    Answer(ReturnTo, AdminAnswer),
    GiveProducerId(ReturnTo, Range<ProducerId>),
    /// The batches of the clean stop that are still to be written.
    Leave(VecDeque<Vec<Record>>),
}

enum Stage {
    Appending,
    Syncing,
    Installing { missing: u16 },
}

impl Controller {
    /// The slot that the metadata log's store is made with.
    pub const TOKEN_SLOT: u32 = SLOT;

    /// Takes over from the start.
    pub fn new(seed: ControllerSeed) -> Controller {
        Controller {
            node: seed.node,
            epoch: seed.epoch,
            store: seed.store,
            state: seed.state,
            random: Random::new(seed.seed),
            queue: VecDeque::new(),
            current: None,
            producer_ids: 0..0,
            failed: false,
        }
    }

    /// Whether no change is under way or waits.
    pub(super) fn is_idle(&self) -> bool {
        self.current.is_none() && self.queue.is_empty()
    }

    /// The epoch of this broker's registration.
    pub(super) fn broker_epoch(&self) -> i64 {
        self.state
            .image
            .broker(self.node)
            .map_or(-1, |broker| broker.epoch)
    }

    /// Decides what an ask changes: records, and what follows them.
    fn decide(
        &mut self,
        config: &BrokerConfig,
        from: ReturnTo,
        ask: AdminAsk,
    ) -> (Vec<Record>, Then) {
        match ask {
            AdminAsk::CreateTopics {
                topics,
                validate_only,
            } => {
                let defaults = TopicDefaults {
                    partitions: config.partitions_default,
                    replication_factor: config.replication_factor_default,
                };
                let random = &mut self.random;
                let decision = metadata::create_topics(
                    &self.state.image,
                    &topics,
                    validate_only,
                    defaults,
                    &|settings| config::validate_topic(config, settings),
                    &mut || random.bytes(),
                );
                let answer = AdminAnswer::Created(decision.outcome);
                (decision.records, Then::Answer(from, answer))
            }
            AdminAsk::CreatePartitions {
                topics,
                validate_only,
            } => {
                let decision = metadata::grow_topics(&self.state.image, &topics, validate_only);
                let answer = AdminAnswer::Grown(decision.outcome);
                (decision.records, Then::Answer(from, answer))
            }
            AdminAsk::DeleteTopics { topics } => {
                let (records, deleted) = self.delete(topics);
                (records, Then::Answer(from, AdminAnswer::Deleted(deleted)))
            }
            AdminAsk::Alter(alteration) => {
                let (records, results) = self.alter(alteration);
                (records, Then::Answer(from, AdminAnswer::Altered(results)))
            }
            AdminAsk::AlterConfigs {
                changes,
                validate_only,
            } => {
                let image = &self.state.image;
                let decision = settings::alter(image, config, &changes, validate_only);
                let answer = AdminAnswer::Configured(decision.outcome);
                (decision.records, Then::Answer(from, answer))
            }
            AdminAsk::ProducerId => {
                match metadata::allocate_producer_ids(&self.state.image, self.node) {
                    Some((records, block)) => (records, Then::GiveProducerId(from, block)),
                    None => {
                        let none = Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
                        (
                            Vec::new(),
                            Then::Answer(from, AdminAnswer::ProducerId(none)),
                        )
                    }
                }
            }
        }
    }

    fn alter(&self, alteration: Alteration) -> (Vec<Record>, Vec<Result<(), Refusal>>) {
        let decision = match alteration {
            Alteration::Features {
                updates,
                validate_only,
            } => metadata::update_features(&self.state, self.node, &updates, validate_only),
            Alteration::Quotas {
                changes,
                validate_only,
            } => {
                let image = &self.state.image;
                let decision = metadata::alter_client_quotas(image, &changes, validate_only);
                return (decision.records, decision.outcome);
            }
            Alteration::Unregister(broker) => {
                metadata::unregister_broker(&self.state.image, self.node, broker)
            }
        };
        (decision.records, vec![decision.outcome])
    }

    fn delete(&self, topics: Vec<TopicName>) -> (Vec<Record>, Vec<TopicDeleted>) {
        let named: Vec<(TopicName, Result<TopicId, Refusal>)> = topics
            .into_iter()
            .map(|topic| {
                let id = match &topic {
                    TopicName::Name(name) => metadata::topic_id(&self.state.image, name),
                    TopicName::Id(id) => Ok(*id),
                };
                (topic, id)
            })
            .collect();
        let ids: Vec<TopicId> = named.iter().filter_map(|(_, id)| id.clone().ok()).collect();
        let decision = metadata::delete_topics(&self.state.image, &ids);
        let deleted: BTreeMap<_, _> = decision.outcome.into_iter().collect();
        let answers = named.into_iter().map(|(asked, id)| {
            let result = id.and_then(|id| deleted[&id].clone().map(|name| (id, name)));
            TopicDeleted { asked, result }
        });
        (decision.records, answers.collect())
    }
}

impl Shard {
    /// How the metadata log's quorum stands.
    pub(super) fn quorum(&self) -> QuorumState {
        let controller = self.controller.as_ref().expect("shard 0 is asked");
        let state = &controller.state;
        let registered = || {
            let controllers = state.image.controllers().map(|node| VoterNode {
                id: node.id,
                directory: Uuid::ZERO,
                endpoints: node
                    .endpoints
                    .iter()
                    .map(|it| (it.name.clone(), it.host.clone(), it.port))
                    .collect(),
            });
            controllers.collect()
        };
        QuorumState {
            leader: controller.node,
            epoch: controller.epoch,
            log_end: controller.store.log().log_end(),
            voters: state.quorum.voters.clone().unwrap_or_else(registered),
        }
    }

    pub(super) fn admin(&mut self, now: Now, from: ReturnTo, ask: AdminAsk, out: &mut Outbox) {
        if self.is_closing() {
            return out.answer(from, Answer::Admin(storage_failed(&ask)));
        }
        let controller = self.controller.as_mut().expect("shard 0 is asked");
        controller.queue.push_back((from, ask));
        self.next_change(now, out);
    }

    fn controller(&mut self) -> &mut Controller {
        self.controller
            .as_mut()
            .expect("shard 0 owns the metadata log")
    }

    /// Takes up the next change if none is under way.
    fn next_change(&mut self, now: Now, out: &mut Outbox) {
        loop {
            let config = self.config.clone();
            let controller = self.controller();
            if controller.current.is_some() {
                return;
            }
            let Some((from, ask)) = controller.queue.pop_front() else {
                return self.close_when_idle(out);
            };
            if matches!(ask, AdminAsk::ProducerId)
                && let Some(id) = controller.producer_ids.next()
            {
                out.answer(
                    from,
                    Answer::Admin(AdminAnswer::ProducerId(Ok(ProducerId(id)))),
                );
                continue;
            }
            if controller.failed {
                out.answer(from, Answer::Admin(storage_failed(&ask)));
                continue;
            }
            let (records, then) = controller.decide(&config, from, ask);
            if records.is_empty() {
                let Then::Answer(from, answer) = then else {
                    unreachable!("only answers come without a change")
                };
                out.answer(from, Answer::Admin(answer));
                continue;
            }
            self.change(now, records, then, out);
        }
    }

    /// Appends records; what follows happens when they are durable and in force.
    fn change(&mut self, now: Now, records: Vec<Record>, then: Then, out: &mut Outbox) {
        let controller = self.controller();
        let before = &controller.state.image;
        let mut touched: Vec<TopicId> = records
            .iter()
            .filter_map(|record| touched_topic(before, record))
            .collect();
        let mut image = before.clone();
        for record in &records {
            image
                .replay(record)
                .expect("what was decided on this image applies to it");
            touched.extend(touched_topic(&image, record));
        }
        touched.sort();
        touched.dedup();
        let (epoch, version) = (controller.epoch, before.metadata_version());
        let bytes = metadata::encode_batch(&records, Offset(0), epoch, now.wall, version);
        let pieces = Pieces::from(&bytes[..]);
        // What is written is checked like anything else: a broken metadata log would be fatal.
        let checked = batch::check(pieces.chunks(), pieces.len(), &OWN_BATCH)
            .expect("a batch of our own is sound");
        let log_end = controller.store.log().log_end();
        let next = Arc::new(Change {
            image: Arc::new(image),
            offset: Offset(log_end.0 + records.len() as i64 - 1),
            touched,
        });
        controller.current = Some(Current {
            next,
            records,
            then,
            stage: Stage::Appending,
        });
        let appended = controller.store.append(&checked, pieces, epoch, now);
        controller.store.drive(now, &mut out.operations);
        if appended.is_err() {
            self.change_failed(now, out);
        }
    }

    pub(super) fn handle_metadata_store(
        &mut self,
        now: Now,
        operation: u32,
        outcome: Outcome<TaskOutcome>,
        out: &mut Outbox,
    ) {
        let controller = self.controller();
        let event = controller
            .store
            .handle(operation, outcome, &mut out.operations);
        controller.store.drive(now, &mut out.operations);
        match event {
            Some(Event::Moved { .. }) => {
                let file = controller.store.active_file();
                let current = controller.current.as_mut().expect("a change was appended");
                current.stage = Stage::Syncing;
                self.submit_task(Waiting::MetadataSync, Task::Sync { file }, out);
            }
            Some(Event::AppendsFailed) => self.change_failed(now, out),
            Some(Event::Offline { why, .. }) => self.metadata_failed(now, &why, out),
            _ => {}
        }
    }

    pub(super) fn metadata_synced(&mut self, now: Now, outcome: TaskOutcome, out: &mut Outbox) {
        if let TaskOutcome::Finished(Err(error)) = outcome {
            return self.metadata_failed(now, &format!("a sync: {error}"), out);
        }
        let (shards, own) = (self.shards, self.id);
        let controller = self.controller();
        let current = controller.current.as_mut().expect("a change was synced");
        controller
            .state
            .replay_appended(&current.records, controller.epoch, now.wall)
            .expect("it has been replayed on a copy of this state");
        assert_eq!(
            controller.state.position.end,
            controller.store.log().log_end()
        );
        if let Then::Leave(left) = &mut current.then {
            // The shards have closed their logs: nobody is told any more.
            let left = std::mem::take(left);
            controller.current = None;
            return self.leave(now, left, out);
        }
        current.stage = Stage::Installing { missing: shards };
        for shard in 0..shards {
            let ask = Ask::Install(current.next.clone());
            let from = ReturnTo {
                shard: own,
                ticket: 0,
            };
            out.mail
                .push_back((ShardId(shard), Mail::Ask { from, ask }));
        }
    }

    /// One shard has the new image.
    pub(super) fn installed(&mut self, now: Now, out: &mut Outbox) {
        let controller = self.controller();
        let current = controller
            .current
            .as_mut()
            .expect("a change is being installed");
        let Stage::Installing { missing } = &mut current.stage else {
            unreachable!("shards answer what they were sent")
        };
        *missing -= 1;
        if *missing > 0 {
            return;
        }
        let done = controller.current.take().expect("just seen");
        match done.then {
            Then::Answer(to, answer) => out.answer(to, Answer::Admin(answer)),
            Then::GiveProducerId(to, block) => {
                controller.producer_ids = block.start.0..block.end.0;
                let id = controller.producer_ids.next().expect("a block has ids");
                out.answer(
                    to,
                    Answer::Admin(AdminAnswer::ProducerId(Ok(ProducerId(id)))),
                );
            }
            Then::Leave(_) => unreachable!("nobody is told of it"),
        }
        self.next_change(now, out);
    }

    /// Nothing can be changed any more: the broker stops.
    fn metadata_failed(&mut self, now: Now, why: &str, out: &mut Outbox) {
        self.controller().failed = true;
        self.fail(format!("the metadata log has failed: {why}"));
        self.metadata_disk_failed(why, out);
        self.change_failed(now, out);
    }

    fn change_failed(&mut self, now: Now, out: &mut Outbox) {
        let Some(failed) = self.controller().current.take() else {
            return;
        };
        let error = ErrorCode::KAFKA_STORAGE_ERROR;
        match failed.then {
            Then::GiveProducerId(to, _) => {
                out.answer(to, Answer::Admin(AdminAnswer::ProducerId(Err(error))));
            }
            Then::Answer(to, answer) => out.answer(to, Answer::Admin(all_failed(answer))),
            Then::Leave(_) => return self.metadata_closed(out),
        }
        self.next_change(now, out);
    }

    /// The last change: this broker leaves the cluster, so that whoever starts next on this
    /// directory does not wait for its session to end.
    pub(super) fn leave_cluster(&mut self, now: Now, out: &mut Outbox) {
        let controller = self.controller();
        let batches = metadata::stop(&controller.state.image, controller.node);
        self.leave(now, batches.into(), out);
    }

    fn leave(&mut self, now: Now, mut left: VecDeque<Vec<Record>>, out: &mut Outbox) {
        match left.pop_front() {
            Some(records) if !self.controller().failed => {
                self.change(now, records, Then::Leave(left), out);
            }
            _ => self.metadata_closed(out),
        }
    }
}

const OWN_BATCH: Rules = Rules {
    max_message_bytes: i32::MAX as usize,
    compacted: false,
    timestamp_type: TimestampType::CreateTime,
    timestamp_before_max_ms: i64::MAX,
    timestamp_after_max_ms: i64::MAX,
    now: crate::types::Timestamp(0),
    produce_version: 13,
    compressed: batch::Look::Header,
};

fn storage_failure() -> Refusal {
    Refusal {
        code: ErrorCode::KAFKA_STORAGE_ERROR,
        message: "the metadata log cannot be written; the broker's log says why".into(),
    }
}

fn storage_failed(ask: &AdminAsk) -> AdminAnswer {
    match ask {
        AdminAsk::CreateTopics { topics, .. } => AdminAnswer::Created(
            topics
                .iter()
                .map(|topic| (topic.name.clone(), Err(storage_failure())))
                .collect(),
        ),
        AdminAsk::CreatePartitions { topics, .. } => AdminAnswer::Grown(
            topics
                .iter()
                .map(|topic| (topic.name.clone(), Err(storage_failure())))
                .collect(),
        ),
        AdminAsk::DeleteTopics { topics } => AdminAnswer::Deleted(
            topics
                .iter()
                .map(|asked| TopicDeleted {
                    asked: asked.clone(),
                    result: Err(storage_failure()),
                })
                .collect(),
        ),
        AdminAsk::Alter(alteration) => {
            AdminAnswer::Altered(vec![Err(storage_failure()); alteration.items()])
        }
        AdminAsk::AlterConfigs { changes, .. } => AdminAnswer::Configured(
            changes
                .iter()
                .map(|change| (change.resource.clone(), Err(storage_failure())))
                .collect(),
        ),
        AdminAsk::ProducerId => AdminAnswer::ProducerId(Err(ErrorCode::KAFKA_STORAGE_ERROR)),
    }
}

/// The answer, had its change been durable, as it is now that it is not.
fn all_failed(answer: AdminAnswer) -> AdminAnswer {
    match answer {
        AdminAnswer::Created(topics) => AdminAnswer::Created(
            topics
                .into_iter()
                .map(|(name, result)| (name, result.and_then(|_| Err(storage_failure()))))
                .collect(),
        ),
        AdminAnswer::Grown(topics) => AdminAnswer::Grown(
            topics
                .into_iter()
                .map(|(name, result)| (name, result.and_then(|()| Err(storage_failure()))))
                .collect(),
        ),
        AdminAnswer::Deleted(topics) => AdminAnswer::Deleted(
            topics
                .into_iter()
                .map(|topic| TopicDeleted {
                    result: topic.result.and_then(|_| Err(storage_failure())),
                    ..topic
                })
                .collect(),
        ),
        AdminAnswer::Altered(results) => AdminAnswer::Altered(
            results
                .into_iter()
                .map(|result| result.and_then(|()| Err(storage_failure())))
                .collect(),
        ),
        AdminAnswer::Configured(resources) => AdminAnswer::Configured(
            resources
                .into_iter()
                .map(|(resource, result)| (resource, result.and_then(|()| Err(storage_failure()))))
                .collect(),
        ),
        AdminAnswer::ProducerId(_) => AdminAnswer::ProducerId(Err(ErrorCode::KAFKA_STORAGE_ERROR)),
    }
}

/// The topic that a record is about, by the image before or after it.
fn touched_topic(image: &Image, record: &Record) -> Option<TopicId> {
    match record {
        MetadataRecord::Topic(it) => Some(it.topic_id),
        MetadataRecord::Partition(it) => Some(it.topic_id),
        MetadataRecord::PartitionChange(it) => Some(it.topic_id),
        MetadataRecord::RemoveTopic(it) => Some(it.topic_id),
        MetadataRecord::Config(it) if it.resource_type == Resource::TOPIC => {
            image.topic(&it.resource_name).map(|topic| topic.id)
        }
        _ => None,
    }
}
