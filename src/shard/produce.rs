//! Produce, on the shard that owns the partitions: check, append, answer when committed.

use super::mail::{ProduceAsk, ProducePart, Produced};
use super::{Outbox, Parts, ReturnTo, Shard};
use crate::batch::{self, Fault, Rules, TimestampType};
use crate::config;
use crate::log::Refused;
use crate::mutation::{Mutation, planted};
use crate::store::{Admitted, Rejected};
use crate::types::{Now, Offset, Timestamp};
use crate::wire::ErrorCode;

/// A produce that waits for its batch to be committed.
pub(super) struct PendingAck {
    last: Offset,
    gather: u64,
    index: u32,
    produced: Produced,
}

impl Shard {
    pub(super) fn produce(&mut self, now: Now, from: ReturnTo, ask: ProduceAsk, out: &mut Outbox) {
        let gather = self.open_gather(
            from,
            ask.parts.len(),
            Parts::Produce(Vec::with_capacity(ask.parts.len())),
        );
        for part in ask.parts {
            let index = part.index;
            let answer = match self.append(now, part, ask.version, ask.transactional, out) {
                Ok((slot, admitted)) => {
                    let partition = self.slot(slot);
                    let log = partition.store.log();
                    let produced = Produced {
                        error: ErrorCode::NONE,
                        base: admitted.base,
                        append_time: admitted.append_time,
                        log_start: log.log_start(),
                        record_errors: Vec::new(),
                        message: None,
                    };
                    let committed = admitted.last < log.high_watermark()
                        || planted(Mutation::AcknowledgedBeforeWritten);
                    if !committed {
                        let ack = PendingAck {
                            last: admitted.last,
                            gather,
                            index,
                            produced,
                        };
                        // Only the duplicate of a batch still in flight arrives out of order.
                        let at = partition
                            .acks
                            .partition_point(|before| before.last <= ack.last);
                        partition.acks.insert(at, ack);
                        continue;
                    }
                    produced
                }
                Err(produced) => produced,
            };
            self.produced(gather, index, answer, out);
        }
    }

    fn append(
        &mut self,
        now: Now,
        part: ProducePart,
        version: i16,
        transactional: bool,
        out: &mut Outbox,
    ) -> Result<(u32, Admitted), Produced> {
        let validate_compressed = self.config.validate_records;
        let (slot, partition) = self.serving(part.partition).map_err(Produced::refused)?;
        let config = &partition.config;
        let rules = Rules {
            max_message_bytes: config.max_message_bytes as usize,
            compacted: config.cleanup_policy.compact,
            timestamp_type: match config.timestamp_type {
                config::TimestampType::CreateTime => TimestampType::CreateTime,
                config::TimestampType::LogAppendTime => TimestampType::LogAppendTime,
            },
            timestamp_before_max_ms: config.timestamp_before_max_ms,
            timestamp_after_max_ms: config.timestamp_after_max_ms,
            now: now.wall,
            produce_version: version,
            validate_compressed: validate_compressed || config.cleanup_policy.compact,
        };
        let mut records = part.records;
        let length = records.len();
        let checked =
            batch::check(records.chunks(), length, &rules).map_err(|fault| refuse_fault(&fault))?;
        if checked.header.is_transactional() {
            // Transactions need a coordinator; FindCoordinator says that there is none.
            let error = match transactional {
                true => ErrorCode::INVALID_TXN_STATE,
                false => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            };
            return Err(Produced::refused(error));
        }
        if length > checked.size {
            records = records.split_to(checked.size);
        }
        let epoch = partition.epoch;
        match partition
            .store
            .append(&checked, records, epoch, now, &mut out.operations)
        {
            Ok(admitted) => Ok((slot, admitted)),
            Err(Rejected::Offline) => Err(Produced::refused(ErrorCode::KAFKA_STORAGE_ERROR)),
            Err(Rejected::Refused(Refused::Duplicate {
                base_offset,
                last_offset,
                append_time,
                ..
            })) => {
                let append_time = match rules.timestamp_type {
                    TimestampType::CreateTime => Timestamp::NONE,
                    TimestampType::LogAppendTime => append_time,
                };
                Ok((
                    slot,
                    Admitted {
                        base: base_offset,
                        last: last_offset,
                        append_time,
                    },
                ))
            }
            Err(Rejected::Refused(refused)) => Err(refuse(&refused)),
        }
    }

    /// Answers what the high watermark has passed.
    pub(super) fn acknowledge(&mut self, slot: u32, out: &mut Outbox) {
        loop {
            let partition = self.slot(slot);
            let high_watermark = partition.store.log().high_watermark();
            match partition.acks.front() {
                Some(ack) if ack.last < high_watermark => {}
                _ => return,
            }
            let ack = partition.acks.pop_front().expect("just seen");
            self.produced(ack.gather, ack.index, ack.produced, out);
        }
    }

    /// Answers all that wait: their batches are not in the log.
    pub(super) fn appends_failed(&mut self, slot: u32, out: &mut Outbox) {
        for ack in std::mem::take(&mut self.slot(slot).acks) {
            let failed = Produced::refused(ErrorCode::KAFKA_STORAGE_ERROR);
            self.produced(ack.gather, ack.index, failed, out);
        }
    }

    fn produced(&mut self, gather: u64, index: u32, produced: Produced, out: &mut Outbox) {
        self.gather(gather, out, |parts| match parts {
            Parts::Produce(parts) => parts.push((index, produced)),
            _ => unreachable!("a produce gathers produces"),
        });
    }
}

/// The table from what is wrong with a batch to Kafka's code for it.
fn refuse_fault(fault: &Fault) -> Produced {
    let error = match fault {
        Fault::Length(_) | Fault::UnknownMagic(_) | Fault::Size(_) | Fault::Crc { .. } => {
            ErrorCode::CORRUPT_MESSAGE
        }
        Fault::ZstdTooEarly { .. } => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        Fault::TooLarge { .. } | Fault::TooLargeInflated { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        Fault::UnknownCodec(_) | Fault::OffsetDelta { .. } | Fault::Undecodable(_) => {
            ErrorCode::UNKNOWN_SERVER_ERROR
        }
        Fault::Records {
            timestamp: true, ..
        } => ErrorCode::INVALID_TIMESTAMP,
        Fault::NoBatch
        | Fault::OldMagic(_)
        | Fault::TwoBatches
        | Fault::BaseOffset(_)
        | Fault::Count { .. }
        | Fault::Control
        | Fault::NoSequence
        | Fault::Records { .. }
        | Fault::BytesRemain
        | Fault::RecordsMissing
        | Fault::RecordLength
        | Fault::Varint
        | Fault::RecordHeaders => ErrorCode::INVALID_RECORD,
    };
    let mut produced = Produced::refused(error);
    produced.message = Some(fault.to_string());
    if let Fault::Records { first, .. } = fault {
        produced.record_errors = first
            .iter()
            .map(|record| (record.index, record.to_string()))
            .collect();
    }
    produced
}

/// The same for what the log refuses. A duplicate is not an error.
fn refuse(refused: &Refused) -> Produced {
    match refused {
        Refused::OutOfOrderSequence { .. } => {
            Produced::refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
        }
        Refused::StaleEpoch { .. } => Produced::refused(ErrorCode::INVALID_PRODUCER_EPOCH),
        Refused::SegmentTooSmall => Produced::refused(ErrorCode::RECORD_LIST_TOO_LARGE),
        Refused::Duplicate { .. } => unreachable!("a duplicate is answered like the original"),
    }
}
