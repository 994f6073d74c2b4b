//! The recovery-point checkpoint: how far each log is on disk, so that a start after a crash reads
//! only what lies beyond (Kafka's `recovery-point-offset-checkpoint`, one per log directory).
//!
//! Shards tell shard 0 when a segment has been synced; shard 0 writes the file at most once per
//! `log.flush.offset.checkpoint.interval.ms`. An entry that is too low costs time at the next start,
//! one that is too high would lose data: only offsets whose fsync has returned get here.

use super::{Mail, Outbox, Shard, Waiting};
use crate::log;
use crate::store::{Task, TaskOutcome};
use crate::types::{Now, Offset, PartitionId, ShardId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The name of the file.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";

/// What shard 0 knows of all logs.
#[derive(Default)]
pub struct Checkpoints {
    /// Per log directory: topic and partition, as in the file.
    recovery_points: Vec<BTreeMap<(Arc<str>, i32), Offset>>,
    /// Directories whose file is behind.
    changed: Vec<bool>,
    due_us: Option<u64>,
    writing: bool,
    /// The clean stop writes the files from here on.
    stopped: bool,
}

impl Checkpoints {
    /// Takes over what was found at the start.
    pub fn new(recovery_points: Vec<BTreeMap<(Arc<str>, i32), Offset>>) -> Checkpoints {
        let changed = vec![false; recovery_points.len()];
        Checkpoints {
            recovery_points,
            changed,
            due_us: None,
            writing: false,
            stopped: false,
        }
    }

    /// When the file is to be written.
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
        // Seals may complete in another order than they began.
        if recovery_point <= partition.recovery_point {
            return;
        }
        partition.recovery_point = recovery_point;
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
        checkpoints
            .due_us
            .get_or_insert(now.monotonic_us + interval_us);
    }

    /// A deleted topic's logs are no longer spoken of, at once: one of the same name starts anew, and
    /// what is not durable of it must not be taken for durable.
    pub(super) fn forget_durable(&mut self, topic: &str) {
        let checkpoints = &mut self.checkpoints;
        let directories = checkpoints.recovery_points.iter_mut();
        for (points, changed) in directories.zip(&mut checkpoints.changed) {
            let before = points.len();
            points.retain(|(name, _), _| **name != *topic);
            if points.len() < before {
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
        for (log_dir, changed) in checkpoints.changed.iter_mut().enumerate() {
            if std::mem::take(changed) && !self.failed_dirs.contains(&log_dir) {
                let path = self.placement.log_dirs[log_dir].0.join(RECOVERY_POINTS);
                let points = checkpoints.recovery_points[log_dir].iter();
                let points = points.map(|((topic, index), at)| ((topic.to_string(), *index), *at));
                files.push((path, log::offsets_text(&points.collect()).into_bytes()));
            }
        }
        let task = Task::Replace {
            files,
            unlink: Vec::new(),
        };
        self.submit_task(Waiting::Checkpoint, task, out);
    }

    pub(super) fn checkpoint_written(&mut self, outcome: TaskOutcome) {
        self.checkpoints.writing = false;
        if let TaskOutcome::Finished(Err(error)) = outcome {
            tracing::warn!("{RECOVERY_POINTS}: {error}; the next start may take longer");
        }
    }
}
