//! What a log knows of its idempotent and transactional producers (KIP-98): the last batches of each,
//! to recognise a retry; its epoch, to fence its past; its open transaction, which holds the last
//! stable offset back.
//!
//! ```text
//! .snapshot:  0 i16 version 1 | 2 u32 CRC-32C of 6.. | 6 i32 count | 10 entries of 46 bytes:
//!   0 i64 producer id        8 i16 epoch             10 i32 last sequence (-1: no batch)
//!  14 i64 last offset       22 i32 its batch's last offset delta
//!  26 i64 timestamp         34 i32 coordinator epoch 38 i64 first offset of the open transaction (-1)
//! ```
//!
//! Kafka writes one entry per producer, its last batch, and so forgets the four before at each start.
//! We write one for each batch that we remember, the oldest first: Kafka, which lets a later entry of
//! a producer replace an earlier one, reads what it would have written; we read them all.
//!
//! Expiry counts from when this process last heard of a producer, never from a record's timestamp:
//! those are the client's, and may lie in any year.

use crate::batch::{self, Header};
use crate::limits::PRODUCER_WINDOW_BATCHES;
use crate::log::aborted::Aborted;
use crate::types::{Offset, ProducerEpoch, ProducerId, Timestamp};
use std::collections::BTreeMap;

const SNAPSHOT_HEAD_BYTES: usize = 10;
const SNAPSHOT_ENTRY_BYTES: usize = 46;
const NO_SEQUENCE: i32 = -1;

/// A batch that a producer may send again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Remembered {
    first_sequence: i32,
    last_sequence: i32,
    pub(crate) first: Offset,
    pub(crate) last: Offset,
    pub(crate) timestamp: Timestamp,
}

/// One producer, as of some batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Producer {
    epoch: ProducerEpoch,
    /// The newest batches of this epoch, oldest first.
    window: [Option<Remembered>; PRODUCER_WINDOW_BATCHES],
    timestamp: Timestamp,
    coordinator_epoch: i32,
    open_since: Option<Offset>,
    heard: Timestamp,
}

/// A producer as DescribeProducers shows it (KIP-664).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerState {
    /// Its id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// The sequence number of its last record, or -1.
    pub last_sequence: i32,
    /// The largest timestamp of its last batch.
    pub timestamp: Timestamp,
    /// The epoch of the coordinator that wrote its last marker, or -1.
    pub coordinator_epoch: i32,
    /// The first offset of its open transaction.
    pub open_since: Option<Offset>,
}

/// What a log holds of a producer that is to be had nowhere else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LastRecord {
    /// The last offset of its last batch, if it has sent one in its epoch.
    pub(crate) data: Option<Offset>,
    /// Its epoch.
    pub(crate) epoch: ProducerEpoch,
}

/// Why a batch of an idempotent producer is not appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Objection {
    Duplicate(Remembered),
    StaleEpoch(ProducerEpoch),
    OutOfOrder {
        last_sequence: i32,
    },
    /// It does not belong to the transaction that its producer has open.
    BesideTransaction,
}

impl Producer {
    /// Whether the next batch of this producer may be appended (KIP-98, and KIP-360 for producers
    /// that are not known: those start anywhere).
    pub(crate) fn judge(known: Option<&Producer>, batch: &Header) -> Result<(), Objection> {
        let Some(known) = known else {
            return Ok(());
        };
        let last = known.newest();
        if batch.producer_epoch < known.epoch {
            return Err(Objection::StaleEpoch(known.epoch));
        }
        let expected = if batch.producer_epoch > known.epoch {
            0
        } else {
            let sent_before = known.window.iter().flatten().find(|remembered| {
                remembered.first_sequence == batch.base_sequence
                    && remembered.last_sequence == batch.last_sequence()
            });
            if let Some(remembered) = sent_before {
                return Err(Objection::Duplicate(*remembered));
            }
            last.map_or(0, |last| advance(last.last_sequence, 1))
        };
        if batch.base_sequence != expected {
            return Err(Objection::OutOfOrder {
                last_sequence: last.map_or(NO_SEQUENCE, |last| last.last_sequence),
            });
        }
        match known.open_since.is_some() && !batch.is_transactional() {
            true => Err(Objection::BesideTransaction),
            false => Ok(()),
        }
    }

    /// The producer after one more batch, which begins at `first`.
    pub(crate) fn after(
        known: Option<&Producer>,
        batch: &Header,
        first: Offset,
        timestamp: Timestamp,
        now: Timestamp,
    ) -> Producer {
        let mut producer = known
            .filter(|known| known.epoch == batch.producer_epoch)
            .copied()
            .unwrap_or_else(|| Producer {
                // A new epoch forgets the batches; a transaction stays open until its marker.
                open_since: known.and_then(|known| known.open_since),
                coordinator_epoch: known.map_or(-1, |known| known.coordinator_epoch),
                ..Producer::new(batch.producer_epoch)
            });
        producer.remember(Remembered {
            first_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            first,
            last: first.plus(batch.last_offset_delta as i64),
            timestamp,
        });
        producer.timestamp = timestamp;
        producer.heard = now;
        if batch.is_transactional() {
            producer.open_since = producer.open_since.or(Some(first));
        }
        producer
    }

    fn new(epoch: ProducerEpoch) -> Producer {
        Producer {
            epoch,
            window: [None; PRODUCER_WINDOW_BATCHES],
            timestamp: Timestamp::NONE,
            coordinator_epoch: -1,
            open_since: None,
            heard: Timestamp::NONE,
        }
    }

    fn remember(&mut self, batch: Remembered) {
        match self.window.iter_mut().find(|place| place.is_none()) {
            Some(free) => *free = Some(batch),
            None => {
                self.window.rotate_left(1);
                self.window[PRODUCER_WINDOW_BATCHES - 1] = Some(batch);
            }
        }
    }

    fn newest(&self) -> Option<&Remembered> {
        self.window.iter().flatten().last()
    }
}

/// How a transaction ended, from its marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Marker {
    pub(crate) commit: bool,
    pub(crate) coordinator_epoch: i32,
}

impl Marker {
    /// Reads the body (behind the header) of a control batch. `None` if its record is not the end of
    /// a transaction: KRaft has control records of its own.
    pub(crate) fn parse(body: &[u8]) -> Option<Marker> {
        let record = batch::records(body).next()?.ok()?;
        let kind = i16::from_be_bytes(record.key?.get(2..4)?.try_into().ok()?);
        let coordinator_epoch = i32::from_be_bytes(record.value?.get(2..6)?.try_into().ok()?);
        match kind {
            0 | 1 => Some(Marker {
                commit: kind == 1,
                coordinator_epoch,
            }),
            _ => None,
        }
    }
}

/// All producers of a log, as of [`end`](Producers::end).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Producers {
    known: BTreeMap<ProducerId, Producer>,
    /// Open transactions by their first offset.
    open: BTreeMap<Offset, ProducerId>,
    end: Offset,
    snapshot_at: Offset,
}

impl Producers {
    /// Nobody is known; the state covers everything below `end`.
    pub(crate) fn none(end: Offset) -> Producers {
        Producers {
            end,
            snapshot_at: end,
            ..Producers::default()
        }
    }

    /// Reads the snapshot named `end`; `None` if it is damaged.
    pub(crate) fn parse(end: Offset, file: &[u8], now: Timestamp) -> Option<Producers> {
        let (head, entries) = file.split_at_checked(SNAPSHOT_HEAD_BYTES)?;
        let crc = u32::from_be_bytes(head[2..6].try_into().expect("4 bytes"));
        let count = i32::from_be_bytes(head[6..10].try_into().expect("4 bytes"));
        let whole =
            i64::try_from(entries.len()).ok()? == i64::from(count) * SNAPSHOT_ENTRY_BYTES as i64;
        if head[..2] != [0, 1] || !whole || crc != batch::crc32c(&file[6..]) {
            return None;
        }
        let mut producers = Producers::none(end);
        for entry in entries.chunks_exact(SNAPSHOT_ENTRY_BYTES) {
            let long = |at: usize| i64::from_be_bytes(entry[at..at + 8].try_into().expect("8"));
            let int = |at: usize| i32::from_be_bytes(entry[at..at + 4].try_into().expect("4"));
            let id = ProducerId(long(0));
            let epoch = ProducerEpoch(i16::from_be_bytes(
                entry[8..10].try_into().expect("2 bytes"),
            ));
            let (last_sequence, last, delta) = (int(10), long(14), int(22));
            let before = producers.known.get(&id).filter(|known| {
                let newest = known.newest().map(|newest| newest.last);
                known.epoch == epoch && newest.is_some_and(|newest| newest < Offset(last))
            });
            let mut producer = before.copied().unwrap_or_else(|| Producer::new(epoch));
            producer.timestamp = Timestamp(long(26));
            producer.coordinator_epoch = int(34);
            producer.heard = now;
            if last >= 0 && last_sequence >= 0 && (0..=last).contains(&i64::from(delta)) {
                producer.remember(Remembered {
                    first_sequence: advance(last_sequence, -i64::from(delta)),
                    last_sequence,
                    first: Offset(last - i64::from(delta)),
                    last: Offset(last),
                    timestamp: producer.timestamp,
                });
            }
            if long(38) >= 0 {
                producer.open_since = Some(Offset(long(38)));
            }
            producers.set(id, producer);
        }
        Some(producers)
    }

    /// The snapshot file, named by [`end`](Producers::end).
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut file = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut count = 0i32;
        for (id, producer) in &self.known {
            let last = producer.window.iter().flatten().count().max(1);
            for at in 0..last {
                let is_newest = at + 1 == last;
                let (last_sequence, last_offset, delta) = match producer.window[at] {
                    Some(batch) => (
                        batch.last_sequence,
                        batch.last.0,
                        (batch.last.0 - batch.first.0) as i32,
                    ),
                    None => (NO_SEQUENCE, -1, 0),
                };
                let timestamp = match producer.window[at] {
                    Some(batch) if !is_newest => batch.timestamp,
                    _ => producer.timestamp,
                };
                let open_since = producer.open_since.filter(|_| is_newest);
                file.extend_from_slice(&id.0.to_be_bytes());
                file.extend_from_slice(&producer.epoch.0.to_be_bytes());
                file.extend_from_slice(&last_sequence.to_be_bytes());
                file.extend_from_slice(&last_offset.to_be_bytes());
                file.extend_from_slice(&delta.to_be_bytes());
                file.extend_from_slice(&timestamp.0.to_be_bytes());
                file.extend_from_slice(&producer.coordinator_epoch.to_be_bytes());
                file.extend_from_slice(&open_since.map_or(-1, |first| first.0).to_be_bytes());
                count += 1;
            }
        }
        file[6..10].copy_from_slice(&count.to_be_bytes());
        let crc = batch::crc32c(&file[6..]);
        file[2..6].copy_from_slice(&crc.to_be_bytes());
        file
    }

    /// The snapshot file, if anything was appended since the last one.
    pub(crate) fn take_snapshot(&mut self) -> Option<(Offset, Vec<u8>)> {
        (self.end > self.snapshot_at).then(|| {
            self.snapshot_at = self.end;
            (self.end, self.encode())
        })
    }

    /// The log ends at `end`, and everything below has been taken in (Kafka's `updateMapEndOffset`): the
    /// last batch may lie further down.
    pub(crate) fn reach(&mut self, end: Offset) {
        self.end = end;
    }

    /// The offset below which every batch is accounted for.
    pub(crate) fn end(&self) -> Offset {
        self.end
    }

    pub(crate) fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.known.get(&id)
    }

    /// How many producers are known.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Everybody, by id.
    pub(crate) fn states(&self) -> Vec<ProducerState> {
        let known = self.known.iter();
        known
            .map(|(id, producer)| ProducerState {
                id: *id,
                epoch: producer.epoch,
                last_sequence: producer
                    .newest()
                    .map_or(NO_SEQUENCE, |newest| newest.last_sequence),
                timestamp: producer.timestamp,
                coordinator_epoch: producer.coordinator_epoch,
                open_since: producer.open_since,
            })
            .collect()
    }

    /// What each has sent last.
    pub(crate) fn last_records(&self) -> Vec<(ProducerId, LastRecord)> {
        let known = self.known.iter();
        known
            .map(|(id, producer)| {
                let last = LastRecord {
                    data: producer.newest().map(|newest| newest.last),
                    epoch: producer.epoch,
                };
                (*id, last)
            })
            .collect()
    }

    /// The first offsets of the open transactions.
    pub(crate) fn open(&self) -> impl Iterator<Item = Offset> {
        self.open.keys().copied()
    }

    /// The first offset of the oldest open transaction.
    pub(crate) fn first_open(&self) -> Option<Offset> {
        self.open.keys().next().copied()
    }

    /// Takes in a batch that is in the log. A marker ends its producer's transaction; what was
    /// aborted is returned, for the transaction index.
    pub(crate) fn replay(
        &mut self,
        batch: &Header,
        marker: Option<Marker>,
        now: Timestamp,
    ) -> Option<Aborted> {
        self.end = batch.next_offset();
        if !batch.has_producer() {
            return None;
        }
        let known = self.known.get(&batch.producer_id);
        if !batch.is_control() {
            if batch.base_sequence >= 0 {
                let first = batch.base_offset;
                let time = batch.max_timestamp;
                let producer = Producer::after(known, batch, first, time, now);
                self.set(batch.producer_id, producer);
            }
            return None;
        }
        let marker = marker?;
        let mut producer = known
            .filter(|known| known.epoch == batch.producer_epoch)
            .copied()
            .unwrap_or_else(|| Producer::new(batch.producer_epoch));
        let open_since = known.and_then(|known| known.open_since);
        producer.open_since = None;
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.timestamp = batch.max_timestamp;
        producer.heard = now;
        if let Some(first) = open_since {
            self.open.remove(&first);
        }
        self.known.insert(batch.producer_id, producer);
        open_since.filter(|_| !marker.commit).map(|first| Aborted {
            producer: batch.producer_id,
            first,
            marker: batch.base_offset,
            last_stable: self.first_open().unwrap_or(self.end),
        })
    }

    /// Drops who has not been heard of for `expiration_ms` and has no transaction open.
    pub(crate) fn expire(&mut self, now: Timestamp, expiration_ms: i64) -> usize {
        let before = self.known.len();
        self.known.retain(|_, producer| {
            producer.open_since.is_some() || now.0.saturating_sub(producer.heard.0) < expiration_ms
        });
        before - self.known.len()
    }

    fn set(&mut self, id: ProducerId, producer: Producer) {
        if let Some(first) = producer.open_since {
            self.open.insert(first, id);
        }
        self.known.insert(id, producer);
    }
}

/// A sequence `by` further on; 2^31-1 is followed by 0.
fn advance(sequence: i32, by: i64) -> i32 {
    (i64::from(sequence) + by).rem_euclid(1 << 31) as i32
}
