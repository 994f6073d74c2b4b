//! A new image takes force on a shard: partitions are made, changed and deleted.
//!
//! The image is shown to clients only when the partitions that this shard owns in it are ready, so
//! whoever reads of a topic can use it.

use super::admin::Change;
use super::{Answer, Life, Outbox, Partition, ReturnTo, Shard, Waiting};
use crate::config::{BrokerConfig, TopicConfig};
use crate::limits;
use crate::log::{Log, LogConfig};
use crate::metadata::{Image, Resource, Topic};
use crate::metrics::Traffic;
use crate::store::{Store, Task, TaskOutcome};
use crate::types::{LeaderEpoch, Now, Offset, PartitionId, PartitionIndex, Uuid};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

/// The log directories of this broker, in the order of `log.dirs`.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Path and id of each.
    pub log_dirs: Vec<(PathBuf, Uuid)>,
}

impl Placement {
    /// The index of a log directory by its id; nothing for the ids that name none.
    pub fn find(&self, id: Uuid) -> Option<usize> {
        self.log_dirs.iter().position(|(_, known)| *known == id)
    }

    /// The same; the first one for the ids that name none.
    pub fn index_of(&self, id: Uuid) -> usize {
        self.find(id).unwrap_or(0)
    }

    /// `<log dir>/<topic>-<partition>`.
    pub fn partition_directory(
        &self,
        log_dir: usize,
        topic: &str,
        index: PartitionIndex,
    ) -> PathBuf {
        self.log_dirs[log_dir].0.join(format!("{topic}-{index}"))
    }
}

/// A change on its way into force.
pub(super) struct Install {
    from: ReturnTo,
    change: Arc<Change>,
    missing: usize,
}

/// A partition being made.
pub(super) struct Creation {
    install: u64,
    id: PartitionId,
    topic: Arc<str>,
    epoch: LeaderEpoch,
    log_dir: usize,
    directory: PathBuf,
}

/// A partition as the start found it on disk.
pub struct FoundPartition {
    /// Which.
    pub id: PartitionId,
    /// Its topic's name.
    pub topic: Arc<str>,
    /// The log directory's index.
    pub log_dir: usize,
    /// Where.
    pub directory: PathBuf,
    /// The loaded log.
    pub log: Log,
    /// The active segment's file.
    pub active: crate::io::File,
    /// Everything before is durable.
    pub recovery_point: Offset,
}

impl Shard {
    /// Takes over a partition that the start has loaded.
    pub fn adopt(&mut self, found: FoundPartition) {
        let epoch = leader_epoch(&self.image, found.id);
        let slot = self.free_slot();
        let config = self.topic_config(&self.image.clone(), &found.topic);
        let log_config = self.log_configs.share(found.log.config().clone());
        let mut store = Store::new(
            slot,
            found.directory,
            found.log,
            found.active,
            found.recovery_point,
        );
        store.configure(log_config);
        let partition = Partition {
            id: found.id,
            topic: found.topic,
            log_dir: found.log_dir,
            config,
            epoch,
            store,
            acks: VecDeque::new(),
            converting: VecDeque::new(),
            watchers: Vec::new(),
            awaiting_segment: Vec::new(),
            awaiting_headers: BTreeMap::new(),
            flush_due_us: None,
            is_to_drive: false,
            traffic: Traffic::default(),
            groups: None,
            life: Life::Serving,
        };
        self.slots[slot as usize] = Some(partition);
        self.partitions.insert(found.id, slot);
        self.coordinate(slot);
    }

    /// A topic's settings in this image, in the copy that all who have the same share.
    pub(super) fn topic_config(&mut self, image: &Image, topic: &str) -> Arc<TopicConfig> {
        let config = topic_config(&self.config, image, topic);
        self.topic_configs.share(config)
    }

    /// Puts its topic's settings into force for a partition.
    pub(super) fn configure(&mut self, slot: u32, config: &Arc<TopicConfig>) {
        let id = self.slot(slot).id;
        let log_config = log_config(&self.config, config, id);
        let log_config = self.log_configs.share(log_config);
        let partition = self.slot(slot);
        partition.store.configure(log_config);
        partition.config = config.clone();
    }

    pub(super) fn install(&mut self, from: ReturnTo, change: Arc<Change>, out: &mut Outbox) {
        self.take_settings(&change.image);
        self.tickets += 1;
        let install = self.tickets;
        let mut missing = 0;
        for id in &change.touched {
            match change.image.topic_by_id(*id) {
                Some(topic) => missing += self.install_topic(install, topic, &change.image, out),
                None => {
                    missing += self.remove_topic(install, *id, out);
                    if let Some(gone) = self.image.topic_by_id(*id).cloned() {
                        missing += usize::from(self.forget_log_starts(install, &gone.name));
                    }
                }
            }
        }
        self.installs.insert(
            install,
            Install {
                from,
                change,
                missing,
            },
        );
        if missing == 0 {
            self.in_force(install, out);
        }
    }

    /// Applies settings and epochs to the partitions that are there, makes those that are not;
    /// returns how many are being made.
    fn install_topic(
        &mut self,
        install: u64,
        topic: &Arc<Topic>,
        image: &Image,
        out: &mut Outbox,
    ) -> usize {
        let config = self.topic_config(image, &topic.name);
        let mut missing = 0;
        let mut crowds = self.partitions_by_log_dir();
        for (index, assigned) in &topic.partitions {
            let id = PartitionId {
                topic: topic.id,
                index: *index,
            };
            if self.owner(id) != self.id {
                continue;
            }
            if let Some(slot) = self.partitions.get(id) {
                self.configure(slot, &config);
                self.slot(slot).epoch = assigned.leader_epoch;
                continue;
            }
            // With several log directories the metadata leaves it to us where a new partition goes:
            // where the fewest are, as in Kafka. The start finds it by looking.
            let assigned_to = assigned.directories.first().copied().unwrap_or_default();
            let emptiest = || {
                (0..crowds.len())
                    .filter(|log_dir| !self.failed_dirs.contains(log_dir))
                    .min_by_key(|log_dir| crowds[*log_dir])
            };
            let log_dir = self
                .placement
                .find(assigned_to)
                .or_else(emptiest)
                .unwrap_or(0);
            crowds[log_dir] += 1;
            let directory = self
                .placement
                .partition_directory(log_dir, &topic.name, id.index);
            let task = Task::CreatePartition {
                directory: directory.clone(),
                topic: topic.id,
            };
            let creation = Creation {
                install,
                id,
                topic: topic.name.clone(),
                epoch: assigned.leader_epoch,
                log_dir,
                directory,
            };
            self.submit_task(Waiting::Created(creation), task, out);
            missing += 1;
        }
        missing
    }

    /// How many partitions of this shard lie in each log directory, or are being made there.
    fn partitions_by_log_dir(&self) -> Vec<usize> {
        let mut counts = vec![0; self.placement.log_dirs.len()];
        for partition in self.slots.iter().flatten() {
            counts[partition.log_dir] += 1;
        }
        for waiting in self.waiting.values() {
            if let Waiting::Created(creation) = waiting {
                counts[creation.log_dir] += 1;
            }
        }
        counts
    }

    pub(super) fn created(
        &mut self,
        now: Now,
        creation: Creation,
        outcome: TaskOutcome,
        out: &mut Outbox,
    ) {
        let TaskOutcome::Opened(file) = outcome else {
            unreachable!("a creation opens")
        };
        let install = creation.install;
        match file {
            Ok(active) => {
                let change = self.installs[&install].change.clone();
                let config = self.topic_config(&change.image, &creation.topic);
                let log = Log::empty(
                    log_config(&self.config, &config, creation.id),
                    Offset(0),
                    now.wall,
                );
                self.adopt(FoundPartition {
                    id: creation.id,
                    topic: creation.topic,
                    log_dir: creation.log_dir,
                    directory: creation.directory,
                    log,
                    active,
                    recovery_point: Offset(0),
                });
                let (_, partition) = self.find(creation.id).expect("just adopted");
                partition.config = config;
                partition.epoch = creation.epoch;
                partition.store.lead(creation.epoch, &mut out.operations);
            }
            // The topic exists by its metadata; its partition answers NOT_LEADER_OR_FOLLOWER until
            // the next start makes it.
            Err(error) => {
                let directory = creation.directory.display();
                tracing::error!(%directory, "cannot make the partition: {error}");
            }
        }
        self.one_less(install, out);
    }

    /// Whether a change that is not in force yet takes the topic away.
    pub(super) fn is_being_deleted(&self, topic: Uuid) -> bool {
        let mut changes = self.installs.values().map(|install| &install.change);
        changes.any(|change| change.image.topic_by_id(topic).is_none())
    }

    pub(super) fn one_less(&mut self, install: u64, out: &mut Outbox) {
        let open = self
            .installs
            .get_mut(&install)
            .expect("it waits for this one");
        open.missing -= 1;
        if open.missing == 0 {
            self.in_force(install, out);
        }
    }

    fn in_force(&mut self, install: u64, out: &mut Outbox) {
        let done = self.installs.remove(&install).expect("installs end once");
        let before = std::mem::replace(&mut self.image, done.change.image.clone());
        self.image_offset = done.change.offset;
        for id in &done.change.touched {
            self.topic_news.has_any = true;
            match (before.topic_by_id(*id), self.image.topic_by_id(*id)) {
                (Some(gone), None) => {
                    self.forget_durable(&gone.name);
                    self.topic_news.gone.push(gone.name.to_string());
                }
                (None, Some(_)) => self.topic_news.has_created = true,
                _ => {}
            }
        }
        out.answer(done.from, Answer::Installed);
    }

    /// Takes the partitions of a topic out of service; returns how many directories are on their way
    /// out of the way. The deletion is answered when they are: a topic of the same name may come next.
    fn remove_topic(&mut self, install: u64, topic: Uuid, out: &mut Outbox) -> usize {
        let gone = self.partitions.remove(topic);
        for slot in &gone {
            self.slot(*slot).life = Life::Dying { install };
            self.wake_watchers(*slot, out);
            self.give_groups_up(*slot, out);
            self.bury_when_quiet(*slot, out);
        }
        gone.len()
    }

    /// Sets the directory of a dying partition aside once nothing of it is in flight.
    pub(super) fn bury_when_quiet(&mut self, slot: u32, out: &mut Outbox) {
        let partition = self.slot(slot);
        let Life::Dying { install } = partition.life else {
            return;
        };
        if !partition.is_quiet() {
            return;
        }
        let partition = self.slots[slot as usize].take().expect("just seen");
        self.metrics.forget(partition.traffic);
        self.free_slots.push(slot);
        let directory = partition.store.directory().to_owned();
        let name = deleted_name(&partition.topic, partition.id, self.tickets);
        let renamed = directory.with_file_name(name);
        let waiting = Waiting::SetAside {
            install,
            renamed: renamed.clone(),
        };
        self.submit_task(waiting, Task::SetAside { directory, renamed }, out);
    }

    pub(super) fn set_aside(
        &mut self,
        install: u64,
        renamed: PathBuf,
        outcome: TaskOutcome,
        out: &mut Outbox,
    ) {
        match outcome {
            TaskOutcome::Finished(Ok(())) => {
                self.submit_task(Waiting::Removed, Task::Remove { directory: renamed }, out);
            }
            // The next start finds it without a topic and sets it aside.
            TaskOutcome::Finished(Err(error)) => {
                tracing::error!("{}: a deleted partition stays: {error}", renamed.display());
            }
            outcome => unreachable!("a renaming does not end with {outcome:?}"),
        }
        self.one_less(install, out);
    }

    pub(super) fn removed(&mut self, outcome: TaskOutcome) {
        if let TaskOutcome::Finished(Err(error)) = outcome {
            tracing::warn!("a deleted partition's files stay until the next start: {error}");
        }
    }

    fn free_slot(&mut self) -> u32 {
        self.free_slots.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        })
    }
}

/// A topic's settings: the broker's defaults with the topic's own on top. What the log holds was
/// validated before it was written there, so a fault here is a setting that this release does not
/// know: the default stands, said once.
fn topic_config(broker: &BrokerConfig, image: &Image, topic: &str) -> TopicConfig {
    let none = BTreeMap::new();
    let overrides = image
        .config(&Resource::topic(topic))
        .map_or(&none, |set| &**set);
    TopicConfig::resolve(broker, overrides).unwrap_or_else(|error| {
        tracing::warn!(topic, "{error}; the broker's defaults apply");
        TopicConfig::resolve(broker, &none).expect("defaults are valid")
    })
}

/// What a log is told of its topic's settings.
pub fn log_config(broker: &BrokerConfig, topic: &TopicConfig, id: PartitionId) -> LogConfig {
    let segment_ms = match topic.cleanup_policy.compact {
        true => topic.segment_ms.min(topic.compaction_lag_ms_max),
        false => topic.segment_ms,
    };
    let jitter_seed = match topic.segment_jitter_ms {
        // Nothing is drawn: what a log is told is what the others are told.
        0 => 0,
        _ => u64::from(id.index.0.unsigned_abs()) ^ u64::from(id.topic.0[15]) << 32,
    };
    LogConfig {
        segment_bytes: topic.segment_bytes.into(),
        segment_ms,
        segment_jitter_ms: topic.segment_jitter_ms,
        jitter_seed,
        index_interval_bytes: topic.index_interval_bytes.into(),
        index_bytes_max: topic.segment_index_bytes as usize,
        compact: topic.cleanup_policy.compact,
        producer_expiration_ms: broker.producer_id_expiration_ms,
        flush_messages: topic.flush_messages,
        recent_batches: limits::RECENT_BATCHES,
        index_cache_bytes: limits::INDEX_CACHE_BYTES,
    }
}

fn leader_epoch(image: &Image, id: PartitionId) -> LeaderEpoch {
    image
        .partition(id.topic, id.index)
        .map_or(LeaderEpoch(0), |(_, partition)| partition.leader_epoch)
}

/// `<topic>-<partition>.<32 hex>-delete`, cut to what a file name may have, as Kafka does. The hex
/// digits differ from those of any other deletion: the topic's id, and a count within this run.
fn deleted_name(topic: &str, id: PartitionId, count: u64) -> String {
    let unique = u128::from_be_bytes(id.topic.0) ^ u128::from(count);
    let suffix = format!(".{unique:032x}-delete");
    let mut name = format!("{topic}-{}", id.index);
    name.truncate(limits::FILE_NAME_BYTES_MAX - suffix.len());
    name + &suffix
}
