//! The recovery-point checkpoint: how far each log is on disk, so that a start after a crash reads
//! only what lies beyond (Kafka's `recovery-point-offset-checkpoint`, one per log directory).
//!
//! How far each log is compacted is kept likewise, in `cleaner-offset-checkpoint`, written as soon as a pass
//! has ended: an entry that is too low has the log compacted once more.
//!
//! The starts of logs out of which records were deleted are kept likewise, in
//! `log-start-offset-checkpoint`, at most once per `log.flush.start.offset.checkpoint.interval.ms`.
//!
//! Shards tell shard 0 when a segment has been synced; shard 0 writes the file at most once per
//! `log.flush.offset.checkpoint.interval.ms`. An entry that is too low costs time at the next start,
//! one that is too high would lose data: only offsets whose fsync has returned get here. A log's start
//! that is too high would lose data too, so a topic's deletion is not answered before its starts are
//! out of the file: one of the same name may come next.

use super::{LOG_STARTS, Mail, Outbox, Shard, Waiting};
use crate::log;
use crate::store::{Task, TaskOutcome};
use crate::types::{Now, Offset, PartitionId, ShardId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The name of the file.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// The file of how far logs are compacted.
pub const CLEANED: &str = "cleaner-offset-checkpoint";

/// An offset per topic and partition, as in the files.
pub type Known = BTreeMap<(Arc<str>, i32), Offset>;

/// What shard 0 knows of all logs.
#[derive(Default)]
pub struct Checkpoints {
    /// Per log directory.
    recovery_points: Vec<Known>,
    /// Directories whose file is behind.
    changed: Vec<bool>,
    /// Per log directory: where logs begin, but for those that begin with their first segment.
    log_starts: Vec<Known>,
    /// Directories whose file is behind.
    starts_changed: Vec<bool>,
    /// Per log directory: how far logs are compacted, of those that are.
    cleaned: Vec<Known>,
    /// Directories whose file is behind.
    cleaned_changed: Vec<bool>,
    /// Installs that wait for the next write, because they have taken log starts out.
    forgetting: Vec<u64>,
    /// Installs that wait for the write under way.
    written_for: Vec<u64>,
    due_us: Option<u64>,
    writing: bool,
    /// The clean stop writes the files from here on.
    stopped: bool,
}

impl Checkpoints {
    /// Takes over what was found at the start.
    pub fn new(
        recovery_points: Vec<Known>,
        log_starts: Vec<Known>,
        cleaned: Vec<Known>,
    ) -> Checkpoints {
        let unchanged = vec![false; recovery_points.len()];
        Checkpoints {
            recovery_points,
            changed: unchanged.clone(),
            log_starts,
            starts_changed: unchanged.clone(),
            cleaned,
            cleaned_changed: unchanged,
            ..Checkpoints::default()
        }
    }

    /// Something is to be written, then at the latest.
    fn is_due(&mut self, at_us: u64) {
        self.due_us = Some(self.due_us.map_or(at_us, |due| due.min(at_us)));
    }

    /// When the files are to be written.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        self.due_us.filter(|_| !self.writing && !self.stopped)
    }

    /// The clean stop writes the files itself, from what the shards report.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }
}

impl Shard {
    /// A log of this shard is durable up to there.
    pub(super) fn durable(&mut self, slot: u32, recovery_point: Offset, out: &mut Outbox) {
        let partition = self.slot(slot);
        let mail = Mail::Durable {
            log_dir: partition.log_dir,
            topic: partition.topic.clone(),
            partition: partition.id,
            recovery_point,
        };
        out.mail.push_back((ShardId(0), mail));
    }

    pub(super) fn note_durable(
        &mut self,
        now: Now,
        log_dir: usize,
        topic: Arc<str>,
        partition: PartitionId,
        recovery_point: Offset,
    ) {
        // A log that was deleted meanwhile: one of the same name may be there already.
        if self.image.topic_by_id(partition.topic).is_none() {
            return;
        }
        let interval_us = u64::from(self.config.recovery_point_checkpoint_ms) * 1000;
        let checkpoints = &mut self.checkpoints;
        let points = &mut checkpoints.recovery_points[log_dir];
        points.insert((topic, partition.index.0), recovery_point);
        checkpoints.changed[log_dir] = true;
        checkpoints.is_due(now.monotonic_us + interval_us);
    }

    /// A log begins there now; nothing where it begins with its first segment.
    pub(super) fn note_log_start(
        &mut self,
        now: Now,
        log_dir: usize,
        topic: Arc<str>,
        partition: PartitionId,
        log_start: Option<Offset>,
    ) {
        // As above; the deletion may be on its way into force.
        let id = partition.topic;
        if self.image.topic_by_id(id).is_none() || self.is_being_deleted(id) {
            return;
        }
        let interval_us = u64::from(self.config.log_start_checkpoint_ms) * 1000;
        let checkpoints = &mut self.checkpoints;
        let starts = &mut checkpoints.log_starts[log_dir];
        let key = (topic, partition.index.0);
        let before = match log_start {
            Some(offset) => starts.insert(key, offset),
            None => starts.remove(&key),
        };
        if before != log_start {
            checkpoints.starts_changed[log_dir] = true;
            checkpoints.is_due(now.monotonic_us + interval_us);
        }
    }

    /// A log is compacted up to there: written at once, as in Kafka.
    pub(super) fn note_cleaned(
        &mut self,
        now: Now,
        log_dir: usize,
        topic: Arc<str>,
        partition: PartitionId,
        cleaned: Offset,
    ) {
        // As above.
        if self.image.topic_by_id(partition.topic).is_none() {
            return;
        }
        let checkpoints = &mut self.checkpoints;
        checkpoints.cleaned[log_dir].insert((topic, partition.index.0), cleaned);
        checkpoints.cleaned_changed[log_dir] = true;
        checkpoints.is_due(now.monotonic_us);
    }

    /// A topic is being deleted: its logs' starts go out of the file now. Says whether the install has
    /// to wait for that.
    pub(super) fn forget_log_starts(&mut self, install: u64, topic: &str) -> bool {
        let checkpoints = &mut self.checkpoints;
        let mut known = false;
        let directories = checkpoints.log_starts.iter_mut();
        for (starts, changed) in directories.zip(&mut checkpoints.starts_changed) {
            let before = starts.len();
            starts.retain(|(name, _), _| **name != *topic);
            *changed |= starts.len() < before;
            known |= starts.len() < before;
        }
        if known {
            checkpoints.forgetting.push(install);
            checkpoints.due_us = Some(0);
        }
        known
    }

    /// A deleted topic's logs are no longer spoken of, at once: one of the same name starts anew, and
    /// what is not durable of it must not be taken for durable.
    pub(super) fn forget_durable(&mut self, topic: &str) {
        let checkpoints = &mut self.checkpoints;
        let points = checkpoints.recovery_points.iter_mut();
        let points = points.zip(&mut checkpoints.changed);
        let cleaned = checkpoints.cleaned.iter_mut();
        for (known, changed) in points.chain(cleaned.zip(&mut checkpoints.cleaned_changed)) {
            let before = known.len();
            known.retain(|(name, _), _| **name != *topic);
            if known.len() < before {
                *changed = true;
                checkpoints.due_us = Some(0);
            }
        }
    }

    pub(super) fn write_checkpoints(&mut self, now: Now, out: &mut Outbox) {
        let checkpoints = &mut self.checkpoints;
        if checkpoints.writing
            || checkpoints.stopped
            || checkpoints.due_us.is_none_or(|due| now.monotonic_us < due)
        {
            return;
        }
        checkpoints.due_us = None;
        checkpoints.writing = true;
        let mut files = Vec::new();
        let kinds = [
            (
                RECOVERY_POINTS,
                &checkpoints.recovery_points,
                &mut checkpoints.changed,
            ),
            (
                LOG_STARTS,
                &checkpoints.log_starts,
                &mut checkpoints.starts_changed,
            ),
            (
                CLEANED,
                &checkpoints.cleaned,
                &mut checkpoints.cleaned_changed,
            ),
        ];
        for (name, known, changed) in kinds {
            for (log_dir, changed) in changed.iter_mut().enumerate() {
                if std::mem::take(changed) && !self.failed_dirs.contains(&log_dir) {
                    let path = self.placement.log_dirs[log_dir].0.join(name);
                    files.push((path, text(&known[log_dir]).into_bytes()));
                }
            }
        }
        checkpoints.written_for = std::mem::take(&mut checkpoints.forgetting);
        let task = Task::Replace {
            files,
            unlink: Vec::new(),
        };
        self.submit_task(Waiting::Checkpoint, task, out);
    }

    pub(super) fn checkpoint_written(&mut self, outcome: TaskOutcome, out: &mut Outbox) {
        self.checkpoints.writing = false;
        if let TaskOutcome::Finished(Err(error)) = outcome {
            tracing::warn!(
                "{RECOVERY_POINTS}, {LOG_STARTS}, {CLEANED}: {error}; the next start may take longer, \
                 deleted records may come back, logs are compacted once more"
            );
        }
        for install in std::mem::take(&mut self.checkpoints.written_for) {
            self.one_less(install, out);
        }
    }
}

/// A checkpoint's text.
fn text(known: &Known) -> String {
    let offsets = known.iter();
    let offsets = offsets.map(|((topic, index), at)| ((topic.to_string(), *index), *at));
    log::offsets_text(&offsets.collect())
}
