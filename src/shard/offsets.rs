//! ListOffsets, on the shard that owns the partitions (KIP-79, KIP-734, KIP-1005).

use super::mail::{OffsetPart, OffsetResult};
use super::{Outbox, Parts, ReturnTo, Shard, Waiting};
use crate::log::{Isolation, TimeFound, TimeTarget};
use crate::store::TaskOutcome;
use crate::types::{Few, LeaderEpoch, Offset, Timestamp};
use crate::wire::ErrorCode;

/// Kafka's names for offsets, in the place of a timestamp.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// A look-up by time that runs off the shard.
pub(super) struct TimeLookUp {
    gather: u64,
    part: OffsetPart,
    isolation: Isolation,
    /// The segment that it reads.
    segment: Offset,
    /// The store's when it began.
    generation: u32,
}

impl Shard {
    pub(super) fn offsets(
        &mut self,
        from: ReturnTo,
        parts: Few<OffsetPart>,
        isolation: Isolation,
        out: &mut Outbox,
    ) {
        let results = Parts::Offsets(Few::with_capacity(parts.len()));
        let gather = self.open_gather(from, parts.len(), results);
        for part in parts {
            self.offset(gather, part, isolation, out);
        }
    }

    fn offset(&mut self, gather: u64, part: OffsetPart, isolation: Isolation, out: &mut Outbox) {
        let index = part.index;
        let slot = match self.check_leader(part.partition, part.epoch) {
            Ok(slot) => slot,
            Err(error) => {
                return self.offset_done(gather, index, OffsetResult::refused(error), out);
            }
        };
        let partition = self.slot(slot);
        let log = partition.store.log();
        let named = |offset: Offset, epoch: Option<LeaderEpoch>| OffsetResult {
            error: ErrorCode::NONE,
            offset,
            timestamp: Timestamp::NONE,
            epoch: epoch.unwrap_or(LeaderEpoch::UNKNOWN),
        };
        let result = match part.timestamp {
            LATEST => named(log.bound(isolation), Some(partition.epoch)),
            // Nothing is tiered, so the local log starts where the log starts.
            EARLIEST | EARLIEST_LOCAL => {
                named(log.log_start(), log.epochs().epoch_of(log.log_start()))
            }
            LATEST_TIERED | EARLIEST_PENDING_UPLOAD => named(Offset::UNKNOWN, None),
            timestamp => {
                let target = match timestamp {
                    MAX_TIMESTAMP => TimeTarget::Largest,
                    at => TimeTarget::AtOrAfter(Timestamp(at)),
                };
                match log.time_lookup(target, isolation) {
                    None => named(Offset::UNKNOWN, None),
                    Some(lookup) => {
                        let waiting = Waiting::Offset(TimeLookUp {
                            gather,
                            part,
                            isolation,
                            segment: lookup.segment,
                            generation: partition.store.generation(),
                        });
                        let task = partition.store.look_up_time(lookup);
                        return self.submit_task(waiting, task, out);
                    }
                }
            }
        };
        self.offset_done(gather, index, result, out);
    }

    pub(super) fn offset_found(
        &mut self,
        lookup: TimeLookUp,
        outcome: TaskOutcome,
        out: &mut Outbox,
    ) {
        let TaskOutcome::Found(found) = outcome else {
            unreachable!("a look-up finds")
        };
        if self.is_segment_another(&lookup) {
            return self.offset(lookup.gather, lookup.part, lookup.isolation, out);
        }
        let result = match found {
            Ok(Some(TimeFound {
                offset,
                timestamp,
                leader_epoch,
            })) => OffsetResult {
                error: ErrorCode::NONE,
                offset,
                timestamp,
                epoch: leader_epoch,
            },
            Ok(None) => OffsetResult::refused(ErrorCode::NONE),
            // Its records were deleted meanwhile: the answer lies further on.
            Err(_) if self.is_segment_gone(&lookup) => {
                return self.offset(lookup.gather, lookup.part, lookup.isolation, out);
            }
            Err(error) => {
                tracing::error!("look-up by time: {error}");
                OffsetResult::refused(ErrorCode::KAFKA_STORAGE_ERROR)
            }
        };
        self.offset_done(lookup.gather, lookup.part.index, result, out);
    }

    /// Whether another segment may have taken the place of the one that was read, meanwhile.
    fn is_segment_another(&mut self, lookup: &TimeLookUp) -> bool {
        self.find(lookup.part.partition)
            .is_some_and(|(_, partition)| partition.store.generation() != lookup.generation)
    }

    fn is_segment_gone(&mut self, lookup: &TimeLookUp) -> bool {
        self.find(lookup.part.partition)
            .is_some_and(|(_, partition)| {
                let first = partition.store.log().segments().next();
                first.is_some_and(|first| first.base > lookup.segment)
            })
    }

    fn offset_done(&mut self, gather: u64, index: u32, result: OffsetResult, out: &mut Outbox) {
        self.gather(gather, out, |parts| match parts {
            Parts::Offsets(parts) => parts.push((index, result)),
            _ => unreachable!("a look-up gathers offsets"),
        });
    }
}
