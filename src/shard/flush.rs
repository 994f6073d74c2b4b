//! `flush.ms`: what was appended is durable that much later at the latest. Nothing waits for it.
//!
//! Kafka looks for such logs each `log.flush.scheduler.interval.ms`, by default never, so that there
//! the setting of a topic alone does nothing. Here it does what it says.
//!
//! (`flush.messages` is the log's and the store's: there acknowledgements wait.)

use super::{Outbox, Shard};
use crate::types::Now;

impl Shard {
    /// Sees to it that a partition is flushed in time, if it has something to flush.
    pub(super) fn mind_flush(&mut self, slot: u32, now: Now) {
        let partition = self.slot(slot);
        let flush_ms = partition.config.flush_ms;
        let log = partition.store.log();
        if flush_ms == i64::MAX
            || partition.flush_due_us.is_some()
            || log.flushed() >= log.log_end()
            || partition.store.is_offline()
        {
            return;
        }
        let due_us = now
            .monotonic_us
            .saturating_add(flush_ms.unsigned_abs().saturating_mul(1000));
        partition.flush_due_us = Some(due_us);
        self.flushes.insert((due_us, slot));
    }

    pub(super) fn flush_what_is_due(&mut self, now: Now, out: &mut Outbox) {
        while let Some((due_us, slot)) = self.flushes.first().copied()
            && due_us <= now.monotonic_us
        {
            self.flushes.pop_first();
            // The partition may be gone, and another one in its slot; after a stop all are.
            if let Some(Some(partition)) = self.slots.get_mut(slot as usize)
                && partition.flush_due_us == Some(due_us)
            {
                partition.flush_due_us = None;
                partition.store.flush(&mut out.operations);
            }
        }
    }
}
