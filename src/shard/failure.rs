//! What a failed disk takes with it.
//!
//! After EIO or a failed fsync nobody knows which pages of a file are on disk: an fsync that succeeds
//! later proves nothing. So the whole log directory goes out of service, as in Kafka: its partitions
//! answer KAFKA_STORAGE_ERROR, neither checkpoints nor the clean-shutdown marker are written into it,
//! and the next start recovers what is really there. Without a log directory left, or without the
//! metadata log, the broker stops and its process ends with an error, so that whoever watches over it
//! notices.

use super::mail::Mail;
use super::{Outbox, Shard};
use crate::types::ShardId;
use std::sync::Arc;

impl Shard {
    /// Why the broker cannot go on, once that is so. Known to shard 0.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The broker cannot go on.
    pub(super) fn fail(&mut self, why: String) {
        if self.failure.is_none() {
            tracing::error!("the broker stops: {why}");
            self.failure = Some(why);
        }
    }

    /// A partition's storage has failed; where the disk is at fault, everyone is told.
    pub(super) fn partition_failed(&mut self, slot: u32, why: &str, disk: bool, out: &mut Outbox) {
        let log_dir = self.slot(slot).log_dir;
        self.appends_failed(slot, out);
        self.wake_watchers(slot, out);
        self.give_compaction_up(slot, out);
        if disk && !self.failed_dirs.contains(&log_dir) {
            self.tell_of_log_dir(log_dir, why, out);
        }
    }

    /// The disk under the metadata log has failed; partitions may lie there, too.
    pub(super) fn metadata_disk_failed(&mut self, why: &str, out: &mut Outbox) {
        let mut log_dirs = self.placement.log_dirs.iter();
        let metadata_dir = &self.config.metadata_log_dir;
        if let Some(log_dir) = log_dirs.position(|(path, _)| path == metadata_dir) {
            self.tell_of_log_dir(log_dir, why, out);
            // Here at once: the stop may be about to write its marker.
            self.log_dir_failed(log_dir, why, out);
        }
    }

    fn tell_of_log_dir(&self, log_dir: usize, why: &str, out: &mut Outbox) {
        let why: Arc<str> = why.into();
        let mail = || Mail::LogDirFailed {
            log_dir,
            why: why.clone(),
        };
        self.tell_all(mail, out);
    }

    pub(super) fn log_dir_failed(&mut self, log_dir: usize, why: &str, out: &mut Outbox) {
        if !self.failed_dirs.insert(log_dir) {
            return;
        }
        for slot in 0..self.slots.len() as u32 {
            let Some(partition) = &mut self.slots[slot as usize] else {
                continue;
            };
            if partition.log_dir == log_dir && !partition.store.is_offline() {
                partition.store.take_offline();
                self.appends_failed(slot, out);
                self.wake_watchers(slot, out);
            }
        }
        if self.id != ShardId(0) {
            return;
        }
        let path = self.placement.log_dirs[log_dir].0.display().to_string();
        tracing::error!("log directory {path} is offline until the next start: {why}");
        if self.placement.log_dirs[log_dir].0 == self.config.metadata_log_dir {
            self.fail(format!(
                "{path}, where the metadata log is, has failed: {why}"
            ));
        } else if self.failed_dirs.len() == self.placement.log_dirs.len() {
            self.fail(format!(
                "all log directories have failed, the last one is {path}: {why}"
            ));
        }
    }
}
