//! DeleteRecords, and what becomes of the segments before a log's start.
//!
//! The start moves in memory at once, which is what the client is told; `checkpoints` writes it down
//! within `log.flush.start.offset.checkpoint.interval.ms`, as in Kafka: a crash before may bring
//! the records back. Segments that lie before the start as a whole go at the next check, every
//! `log.retention.check.interval.ms`.

use super::{Answer, Mail, Outbox, Partition, ReturnTo, Shard, Waiting};
use crate::store::{Task, TaskOutcome};
use crate::types::{Now, Offset, PartitionId, ShardId};
use crate::wire::ErrorCode;

/// Kafka's name for the high watermark in the place of an offset.
const HIGH_WATERMARK: i64 = -1;

/// One partition of a DeleteRecords request.
#[derive(Clone, Copy, Debug)]
pub struct DeletePart {
    /// Its place in the request.
    pub index: u32,
    /// The partition.
    pub partition: PartitionId,
    /// The first offset that stays, or -1: the high watermark.
    pub offset: i64,
}

impl Shard {
    pub(super) fn delete_records(
        &mut self,
        from: ReturnTo,
        parts: Vec<DeletePart>,
        out: &mut Outbox,
    ) {
        let mut results = Vec::with_capacity(parts.len());
        for part in parts {
            results.push((part.index, self.delete_before(&part, out)));
        }
        out.answer(from, Answer::RecordsDeleted(results));
    }

    /// The log's start afterwards.
    fn delete_before(&mut self, part: &DeletePart, out: &mut Outbox) -> Result<Offset, ErrorCode> {
        let (_, partition) = self
            .find(part.partition)
            .ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
        if partition.store.is_offline() {
            return Err(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        let policy = &partition.config.cleanup_policy;
        if policy.compact && !policy.delete {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let offset = match part.offset {
            HIGH_WATERMARK => partition.store.log().high_watermark(),
            offset => Offset(offset),
        };
        if offset < Offset(0) {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let moved = partition
            .store
            .delete_records(offset, &mut out.operations)
            .map_err(|_| ErrorCode::OFFSET_OUT_OF_RANGE)?;
        if moved {
            out.mail.push_back((ShardId(0), log_start(partition)));
        }
        Ok(partition.store.log().log_start())
    }

    /// Removes the segments before the start of each log.
    pub(super) fn remove_before_starts(&mut self, now: Now, out: &mut Outbox) {
        let interval_us = self.config.retention_check_ms.saturating_mul(1000);
        self.remove_us = now.monotonic_us.saturating_add(interval_us);
        let slots: Vec<u32> = self.partitions.slots().collect();
        for slot in slots {
            let partition = self.slot(slot);
            let segments = partition.store.remove_before_start();
            if segments.is_empty() {
                continue;
            }
            let directory = partition.store.directory().to_owned();
            let id = partition.id;
            let task = Task::RemoveSegments {
                directory,
                segments,
            };
            self.submit_task(Waiting::SegmentsRemoved(id), task, out);
        }
    }

    /// Only now may the checkpoint forget the start: with the segments still there, it is what keeps
    /// their records deleted.
    pub(super) fn segments_removed(
        &mut self,
        id: PartitionId,
        outcome: TaskOutcome,
        out: &mut Outbox,
    ) {
        match (outcome, self.find(id)) {
            (TaskOutcome::Finished(Ok(())), Some((_, partition))) => {
                out.mail.push_back((ShardId(0), log_start(partition)));
            }
            // The topic went meanwhile, and its directory with it.
            (_, None) => {}
            (TaskOutcome::Finished(Err(error)), Some((_, partition))) => {
                let directory = partition.store.directory().display();
                tracing::warn!(%directory, "segments before the log's start stay: {error}");
            }
            (outcome, _) => unreachable!("a removal does not end with {outcome:?}"),
        }
    }
}

/// Tells shard 0 where a log begins.
fn log_start(partition: &Partition) -> Mail {
    let log = partition.store.log();
    Mail::LogStart {
        log_dir: partition.log_dir,
        topic: partition.topic.clone(),
        partition: partition.id,
        log_start: log.log_start(),
        first_segment: log.segments().next().expect("a log has a segment").base,
    }
}
