//! Produce, on the shard that owns the partitions: check, append, answer when committed.

use super::mail::{ProduceAsk, ProducePart, Produced, WhyRefused};
use super::{Outbox, Partition, Parts, ReturnTo, Shard, Waiting};
use crate::batch::{self, Checked, Codec, Fault, Look, Rules, Target, TimestampType};
use crate::config::{self, Compression, TopicConfig};
use crate::io::Pieces;
use crate::log::Refused;
use crate::mutation::{Mutation, planted};
use crate::store::{Admitted, Conversion, Rejected, Task, TaskOutcome};
use crate::types::{Few, Now, Offset, Timestamp};
use crate::wire::ErrorCode;

/// A produce that waits for its batch to be committed.
pub(super) struct PendingAck {
    last: Offset,
    /// When it went to the store.
    since_us: u64,
    place: Place,
    produced: Produced,
}

/// Where the answer for one record set belongs.
#[derive(Clone, Copy)]
struct Place {
    gather: u64,
    index: u32,
}

/// A batch on its way to the store. A partition's batches get there in the order in which they came,
/// so those behind one that is being converted wait for it.
pub(super) struct Converting {
    number: u64,
    place: Place,
    /// `None` while it is being converted.
    ready: Option<Result<(Checked, Pieces), Fault>>,
}

impl Shard {
    pub(super) fn produce(&mut self, now: Now, from: ReturnTo, ask: ProduceAsk, out: &mut Outbox) {
        let gather = self.open_gather(
            from,
            ask.parts.len(),
            Parts::Produce(Few::with_capacity(ask.parts.len())),
        );
        for part in ask.parts {
            let index = part.index;
            let place = Place { gather, index };
            if let Err(refused) = self.take(now, place, part, ask.version, out) {
                self.produced(place, refused, out);
            }
        }
    }

    /// Checks a record set and sends it on its way into the log.
    fn take(
        &mut self,
        now: Now,
        place: Place,
        part: ProducePart,
        version: i16,
        out: &mut Outbox,
    ) -> Result<(), Produced> {
        let validate_all = self.config.validate_records;
        let timing = self.metrics.check_begins();
        let (slot, partition) = self.serving(part.partition).map_err(Produced::refused)?;
        let config = &partition.config;
        let target = target(config);
        let inside = validate_all || config.cleanup_policy.compact;
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
            compressed: match inside || target.is_some() {
                true => Look::Later,
                false => Look::Header,
            },
        };
        let mut records = part.records;
        let length = records.len();
        partition.traffic.produces += 1;
        let checked = batch::check(records.chunks(), length, &rules)
            .map_err(|fault| refuse_in(partition, &fault, length))?;
        self.metrics.checked(timing);
        if checked.header.is_transactional() {
            // Transactions need a coordinator; FindCoordinator says that there is none.
            return Err(Produced::refused(ErrorCode::INVALID_TXN_STATE));
        }
        if length > checked.size {
            records = records.split_to(checked.size);
        }
        let codec = checked.header.codec().expect("a checked batch has one");
        // As Kafka, which looks at every batch of a topic with a codec of its own.
        let looks = (inside || target.is_some()) && codec != Codec::None;
        let converts = looks || target.is_some_and(|target| target.codec != codec);
        if converts {
            let conversion = Conversion {
                pieces: records,
                checked,
                rules,
                target,
            };
            self.convert(slot, place, conversion, out);
        } else if self.slot(slot).converting.is_empty() {
            self.append(now, slot, place, checked, records, out);
        } else {
            self.slot(slot).converting.push_back(Converting {
                number: 0,
                place,
                ready: Some(Ok((checked, records))),
            });
        }
        Ok(())
    }

    fn convert(&mut self, slot: u32, place: Place, conversion: Conversion, out: &mut Outbox) {
        let number = self.tickets;
        self.slot(slot).converting.push_back(Converting {
            number,
            place,
            ready: None,
        });
        let waiting = Waiting::Converted { slot, number };
        self.submit_task(waiting, Task::Convert(Box::new(conversion)), out);
    }

    /// A conversion has ended: it and what waited behind it go on.
    pub(super) fn converted(
        &mut self,
        now: Now,
        slot: u32,
        number: u64,
        outcome: TaskOutcome,
        out: &mut Outbox,
    ) {
        let TaskOutcome::Converted(result) = outcome else {
            unreachable!("a conversion converts")
        };
        let converting = &mut self.slot(slot).converting;
        let ended = converting
            .iter_mut()
            .find(|it| it.number == number && it.ready.is_none());
        ended.expect("it waits for its end").ready = Some(*result);
        loop {
            let converting = &mut self.slot(slot).converting;
            if converting.front().is_none_or(|first| first.ready.is_none()) {
                return;
            }
            let first = converting.pop_front().expect("just seen");
            match first.ready.expect("just seen") {
                Ok((checked, pieces)) => self.append(now, slot, first.place, checked, pieces, out),
                Err(fault) => {
                    let refused = refuse_in(self.slot(slot), &fault, 0);
                    self.produced(first.place, refused, out);
                }
            }
        }
    }

    /// Hands a batch to the store; answered when it is committed.
    fn append(
        &mut self,
        now: Now,
        slot: u32,
        place: Place,
        checked: Checked,
        pieces: Pieces,
        out: &mut Outbox,
    ) {
        let partition = self.slot(slot);
        let bytes = pieces.len() as u64;
        let appended = partition
            .store
            .append(&checked, pieces, partition.epoch, now);
        self.note_drive(slot);
        self.gathered_bytes += if appended.is_ok() { bytes } else { 0 };
        let partition = self.slot(slot);
        let admitted = match appended {
            Ok(admitted) => {
                let records = admitted.last.0 - admitted.base.0 + 1;
                partition.traffic.messages_in += records as u64;
                partition.traffic.bytes_in += bytes;
                admitted
            }
            Err(Rejected::Refused(Refused::Duplicate {
                base_offset,
                last_offset,
                append_time,
                ..
            })) => Admitted {
                base: base_offset,
                last: last_offset,
                append_time: match checked.timestamp_type {
                    TimestampType::CreateTime => Timestamp::NONE,
                    TimestampType::LogAppendTime => append_time,
                },
            },
            Err(Rejected::Offline) => {
                let failed = Produced::refused(ErrorCode::KAFKA_STORAGE_ERROR);
                return self.produced(place, failed, out);
            }
            Err(Rejected::Refused(refused)) => {
                partition.traffic.produces_failed += 1;
                return self.produced(place, refuse(&refused), out);
            }
        };
        let log = partition.store.log();
        let produced = Produced {
            error: ErrorCode::NONE,
            base: admitted.base,
            append_time: admitted.append_time,
            log_start: log.log_start(),
            why: None,
        };
        let committed =
            admitted.last < log.high_watermark() || planted(Mutation::AcknowledgedBeforeWritten);
        if committed {
            return self.produced(place, produced, out);
        }
        let ack = PendingAck {
            last: admitted.last,
            since_us: now.monotonic_us,
            place,
            produced,
        };
        // Only the duplicate of a batch still in flight arrives out of order.
        let at = partition
            .acks
            .partition_point(|before| before.last <= ack.last);
        partition.acks.insert(at, ack);
    }

    /// Answers what the high watermark has passed.
    pub(super) fn acknowledge(&mut self, now: Now, slot: u32, out: &mut Outbox) {
        self.group_steps_committed(slot, out);
        loop {
            let partition = self.slot(slot);
            let high_watermark = partition.store.log().high_watermark();
            match partition.acks.front() {
                Some(ack) if ack.last < high_watermark => {}
                _ => return,
            }
            let ack = partition.acks.pop_front().expect("just seen");
            self.metrics.acknowledged(ack.since_us, now.monotonic_us);
            self.produced(ack.place, ack.produced, out);
        }
    }

    /// Answers all that wait: their batches are not in the log.
    pub(super) fn appends_failed(&mut self, slot: u32, out: &mut Outbox) {
        for ack in std::mem::take(&mut self.slot(slot).acks) {
            let failed = Produced::refused(ErrorCode::KAFKA_STORAGE_ERROR);
            self.produced(ack.place, failed, out);
        }
        self.group_appends_failed(slot, out);
    }

    fn produced(&mut self, place: Place, produced: Produced, out: &mut Outbox) {
        self.gather(place.gather, out, |parts| match parts {
            Parts::Produce(parts) => parts.push((place.index, produced)),
            _ => unreachable!("a produce gathers produces"),
        });
    }
}

/// The codec that a topic wants for its batches, if it wants one.
fn target(config: &TopicConfig) -> Option<Target> {
    let target = |codec, level| Some(Target { codec, level });
    match config.compression {
        Compression::Producer => None,
        Compression::Uncompressed => Some(Target::new(Codec::None)),
        Compression::Gzip => target(Codec::Gzip, config.gzip_level),
        Compression::Snappy => Some(Target::new(Codec::Snappy)),
        Compression::Lz4 => target(Codec::Lz4, config.lz4_level),
        Compression::Zstd => target(Codec::Zstd, config.zstd_level),
    }
}

/// Refuses a record set of so many bytes, and counts it as Kafka does.
fn refuse_in(partition: &mut Partition, fault: &Fault, bytes: usize) -> Produced {
    let refused = refuse_fault(fault);
    match refused.error {
        ErrorCode::MESSAGE_TOO_LARGE => partition.traffic.bytes_rejected += bytes as u64,
        // Nor does Kafka call this a failed request.
        ErrorCode::CORRUPT_MESSAGE => {}
        _ => partition.traffic.produces_failed += 1,
    }
    refused
}

/// The table from what is wrong with a batch to Kafka's code for it.
fn refuse_fault(fault: &Fault) -> Produced {
    let error = match fault {
        Fault::Length(_) | Fault::UnknownMagic(_) | Fault::Size(_) | Fault::Crc { .. } => {
            ErrorCode::CORRUPT_MESSAGE
        }
        Fault::ZstdTooEarly { .. } => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        Fault::TooLarge { .. } | Fault::TooLargeInflated { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        Fault::UnknownCodec(_)
        | Fault::OffsetDelta { .. }
        | Fault::Undecodable(_)
        | Fault::LinkedBlocks => ErrorCode::UNKNOWN_SERVER_ERROR,
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
    let records = match fault {
        Fault::Records { first, .. } => &first[..],
        _ => &[],
    };
    produced.why = Some(Box::new(WhyRefused {
        records: records
            .iter()
            .map(|record| (record.index, record.to_string()))
            .collect(),
        message: fault.to_string(),
    }));
    produced
}

/// The same for what the log refuses. A duplicate is not an error.
fn refuse(refused: &Refused) -> Produced {
    match refused {
        Refused::OutOfOrderSequence { .. } => {
            Produced::refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
        }
        Refused::StaleEpoch { .. } => Produced::refused(ErrorCode::INVALID_PRODUCER_EPOCH),
        Refused::BesideTransaction => Produced::refused(ErrorCode::INVALID_TXN_STATE),
        Refused::SegmentTooSmall => Produced::refused(ErrorCode::RECORD_LIST_TOO_LARGE),
        Refused::Duplicate { .. } => unreachable!("a duplicate is answered like the original"),
    }
}
