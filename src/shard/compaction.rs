//! Compaction: which log comes next, and how fast it goes. The rules are the log's, the files' work is the
//! store's; one log of a shard is compacted at a time, the dirtiest first. What the broker may take for it
//! (memory, bytes in a second) is shared out among the shards.
//!
//! A partition whose groups are being loaded swaps no segments meanwhile: what the loader has read so far
//! and what it reads next must be of one log. A tombstone that goes between the two would leave it with
//! what the tombstone had deleted.

use super::{Life, Mail, Outbox, Partition, Shard};
use crate::config::TopicConfig;
use crate::limits::{
    COMPACTION_BUFFER_BYTES_MIN, COMPACTION_RETRY_US, COMPACTION_STEP_BYTES_MAX,
    COMPACTION_STEP_BYTES_MIN,
};
use crate::log::CompactionRules;
use crate::store::CompactionMeans;
use crate::types::{Now, Offset, PartitionId, ShardId};

/// The pass that is under way on a shard, and when to go on with it, or to look for the next.
#[derive(Default)]
pub(super) struct Turn {
    of: Option<PartitionId>,
    due_us: u64,
    /// When its last step began.
    begun_us: u64,
}

/// A step is in flight: its end says when the next is due.
const AWAITED_US: u64 = u64::MAX;

impl Shard {
    /// When compaction wants to hear that time has passed.
    pub(super) fn compaction_due_us(&self) -> Option<u64> {
        let is_on = self.config.cleaner.is_enabled && !self.is_stopping();
        Some(self.compaction.due_us).filter(|due_us| is_on && *due_us != AWAITED_US)
    }

    /// Does what is due of compaction.
    pub(super) fn compact(&mut self, now: Now, out: &mut Outbox) {
        match self.compaction.of {
            Some(id) => self.go_on_compacting(now, id, out),
            None => self.begin_compaction(now, out),
        }
    }

    /// What compaction may take is another: a pause that was reckoned by it is over.
    pub(super) fn hurry_compaction(&mut self) {
        if self.compaction.due_us != AWAITED_US {
            self.compaction.due_us = 0;
        }
    }

    fn begin_compaction(&mut self, now: Now, out: &mut Outbox) {
        self.compaction.due_us = now.monotonic_us.saturating_add(self.cleaner_backoff_us());
        let dirty = self.partitions.slots().filter_map(|slot| {
            let partition = self.slots[slot as usize].as_ref()?;
            if !may_be_compacted(partition) || is_loading(partition) {
                return None;
            }
            let rules = rules(&partition.config);
            Some((
                partition.store.compaction_due(&rules, now)?,
                partition.id,
                slot,
            ))
        });
        let Some((_, id, slot)) = dirty.max_by(|a, b| a.0.total_cmp(&b.0)) else {
            return;
        };
        let cleaner = &self.config.cleaner;
        let means = CompactionMeans {
            map_bytes_max: cleaner.dedupe_bytes / u64::from(self.shards),
            map_load: cleaner.load_factor,
            // One half to read into, one to write from.
            buffer_bytes: (cleaner.io_buffer_bytes as usize / usize::from(self.shards) / 2)
                .max(COMPACTION_BUFFER_BYTES_MIN),
            // Four steps a second at least.
            step_bytes: ((self.cleaner_bytes_per_second() / 4.0) as u64)
                .clamp(COMPACTION_STEP_BYTES_MIN, COMPACTION_STEP_BYTES_MAX),
            seed: self.random.draw(),
        };
        self.compaction = Turn {
            of: Some(id),
            due_us: AWAITED_US,
            begun_us: now.monotonic_us,
        };
        let partition = self.slot(slot);
        let rules = rules(&partition.config);
        let store = &mut partition.store;
        store.begin_compaction(&rules, &means, now, &mut out.operations);
    }

    fn go_on_compacting(&mut self, now: Now, id: PartitionId, out: &mut Outbox) {
        let Some((slot, partition)) = self.find(id) else {
            // The topic is gone, and its files with it.
            return self.compaction = Turn::default();
        };
        let may_swap = !is_loading(partition);
        if !may_be_compacted(partition) {
            return self.give_compaction_up(slot, out);
        }
        let goes_on = partition
            .store
            .go_on_compacting(may_swap, &mut out.operations);
        match goes_on {
            true => {
                self.compaction.begun_us = now.monotonic_us;
                self.compaction.due_us = AWAITED_US;
            }
            false => {
                self.compaction.due_us = now.monotonic_us.saturating_add(COMPACTION_RETRY_US);
            }
        }
    }

    /// A step has ended: the next follows when what this one has moved is within the rate.
    pub(super) fn compaction_stepped(&mut self, slot: u32, bytes: u64, out: &mut Outbox) {
        if !may_be_compacted(self.slot(slot)) || self.is_stopping() {
            return self.give_compaction_up(slot, out);
        }
        let seconds = bytes as f64 / self.cleaner_bytes_per_second().max(1.0);
        let pause_us = (seconds * 1e6) as u64;
        let turn = &mut self.compaction;
        turn.due_us = turn.begun_us.saturating_add(pause_us).min(AWAITED_US - 1);
    }

    /// A pass is over. Where it came to its end the next log is looked for at once.
    pub(super) fn compaction_ended(
        &mut self,
        now: Now,
        slot: u32,
        cleaned: Option<Offset>,
        out: &mut Outbox,
    ) {
        let pause_us = match cleaned {
            Some(_) => 0,
            None => self.cleaner_backoff_us(),
        };
        let partition = self.slot(slot);
        let id = partition.id;
        if let Some(cleaned) = cleaned {
            let mail = Mail::Cleaned {
                log_dir: partition.log_dir,
                topic: partition.topic.clone(),
                partition: partition.id,
                cleaned,
            };
            out.mail.push_back((ShardId(0), mail));
        }
        if self.compaction.of == Some(id) {
            self.compaction = Turn {
                due_us: now.monotonic_us.saturating_add(pause_us),
                ..Turn::default()
            };
        }
    }

    /// Whatever is under way on this partition comes to nothing.
    pub(super) fn give_compaction_up(&mut self, slot: u32, out: &mut Outbox) {
        let partition = self.slot(slot);
        partition.store.give_compaction_up(&mut out.operations);
        let id = partition.id;
        if self.compaction.of == Some(id) {
            self.compaction = Turn::default();
        }
    }

    /// This shard's share.
    fn cleaner_bytes_per_second(&self) -> f64 {
        self.config.cleaner.io_bytes_per_second / f64::from(self.shards)
    }

    fn cleaner_backoff_us(&self) -> u64 {
        self.config.cleaner.backoff_ms.max(1).saturating_mul(1000)
    }
}

fn may_be_compacted(partition: &Partition) -> bool {
    partition.life == Life::Serving
        && partition.config.cleanup_policy.compact
        && !partition.store.is_offline()
}

fn is_loading(partition: &Partition) -> bool {
    let groups = partition.groups.as_ref();
    groups.is_some_and(|groups| groups.loading.is_some())
}

fn rules(config: &TopicConfig) -> CompactionRules {
    CompactionRules {
        dirty_ratio_min: config.cleanable_dirty_ratio_min,
        lag_ms_min: config.compaction_lag_ms_min,
        lag_ms_max: config.compaction_lag_ms_max,
        delete_retention_ms: config.delete_retention_ms,
    }
}
