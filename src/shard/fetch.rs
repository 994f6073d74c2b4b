//! Fetch, on the shard that owns the partitions: find the bytes, tell who waits for more.
//!
//! What an ask finds in memory is answered at once; a part that needs headers or an index from the
//! disk becomes a [`LookUp`] and the answer waits for it.

use super::mail::{Mail, ReadPart, ReadResult};
use super::{Outbox, Partition, Parts, ReturnTo, Shard, Waiting};
use crate::limits::SPARE_HEADER_BUFFERS_MAX;
use crate::log::{Isolation, Sifted};
use crate::mutation::{Mutation, planted};
use crate::store::{Found, SCAN_BYTES, Scan, Slice, Task, TaskOutcome, Want};
use crate::types::{Few, LeaderEpoch, Offset, PartitionId};
use crate::wire::ErrorCode;
use bytes::BytesMut;

/// A part of a fetch that waits for the disk.
pub(super) struct LookUp {
    to: To,
    want: Want,
    stage: Stage,
    /// Batches without records, passed over on the way here.
    emptied: Option<Slice>,
}

/// Who is told what was found.
#[derive(Clone, Copy)]
pub(super) enum To {
    /// A fetch.
    Part {
        /// The answer in the making.
        gather: u64,
        /// The part's place in the request.
        index: u32,
    },
    /// The coordinator of that partition, which loads its groups.
    Groups(PartitionId),
    /// A question for the time of a record.
    Time {
        /// The answer in the making.
        gather: u64,
        /// The part's place in the question.
        index: u32,
    },
}

impl LookUp {
    pub(super) fn new(to: To, want: Want) -> LookUp {
        LookUp {
            to,
            want,
            stage: Stage::New,
            emptied: None,
        }
    }
}

/// A slice of a compacted segment that is looked through for batches without records.
pub(super) struct Sifting {
    id: PartitionId,
    lookup: LookUp,
    slice: Slice,
}

/// What it waits for.
#[derive(Clone, Copy)]
enum Stage {
    /// Nothing yet.
    New,
    /// Headers.
    Scan(Scan),
    /// The segment to be opened.
    Segment(Offset),
}

/// A long poll: told once when its partitions here have `bytes` more; positive until then.
pub(super) struct Watch {
    bytes: i64,
    slots: Few<u32>,
}

impl Shard {
    pub(super) fn read(
        &mut self,
        from: ReturnTo,
        parts: Few<ReadPart>,
        isolation: Isolation,
        out: &mut Outbox,
    ) {
        let results = Parts::Read(Few::with_capacity(parts.len()));
        let gather = self.open_gather(from, parts.len(), results);
        for part in parts {
            let want = Want {
                offset: part.offset,
                bytes_max: part.bytes_max,
                isolation,
            };
            let index = part.index;
            let lookup = LookUp::new(To::Part { gather, index }, want);
            match self.check_leader(part.partition, part.epoch) {
                Err(error) => self.read_done(&lookup, ReadResult::refused(error), out),
                Ok(slot) => {
                    self.slot(slot).traffic.fetches += 1;
                    self.look_up(slot, lookup, out);
                }
            }
        }
    }

    /// The partition's slot, if the client's leader epoch is ours (KIP-320).
    pub(super) fn check_leader(
        &mut self,
        id: PartitionId,
        epoch: LeaderEpoch,
    ) -> Result<u32, ErrorCode> {
        let (slot, partition) = self.serving(id)?;
        match epoch {
            LeaderEpoch::UNKNOWN => Ok(slot),
            epoch if epoch == partition.epoch => Ok(slot),
            epoch if epoch < partition.epoch => Err(ErrorCode::FENCED_LEADER_EPOCH),
            _ => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
        }
    }

    pub(super) fn look_up(&mut self, slot: u32, lookup: LookUp, out: &mut Outbox) {
        let found = self
            .slot(slot)
            .store
            .find(&lookup.want, &mut out.operations);
        self.go_on(slot, lookup, found, out);
    }

    fn go_on(&mut self, slot: u32, mut lookup: LookUp, found: Found, out: &mut Outbox) {
        let partition = self.slot(slot);
        let result = match found {
            Found::Slice(slice) if partition.store.log().may_hold_emptied(slice.segment) => {
                let task = Task::Sift(slice.range.clone());
                let sifting = Sifting {
                    id: partition.id,
                    lookup,
                    slice,
                };
                return self.submit_task(Waiting::Sifted(sifting), task, out);
            }
            Found::Slice(slice) => read(partition, &lookup.want, slice),
            // Nothing follows them: with these a client gets to the end of the log.
            Found::End => match lookup.emptied.take() {
                Some(slice) => read(partition, &lookup.want, slice),
                None => read_state(partition, ErrorCode::NONE),
            },
            // As Kafka, which tells nothing of a partition with an error.
            Found::OutOfRange => ReadResult::refused(ErrorCode::OFFSET_OUT_OF_RANGE),
            Found::Corrupt => {
                let directory = partition.store.directory().display();
                let offset = lookup.want.offset.0;
                tracing::error!(%directory, offset, "there is no batch where one should be");
                partition.traffic.fetches_failed += 1;
                read_state(partition, ErrorCode::CORRUPT_MESSAGE)
            }
            Found::ReadHeaders(scan) => {
                let spare = self.header_buffers.pop();
                let buffer = spare.unwrap_or_else(|| BytesMut::with_capacity(SCAN_BYTES));
                let partition = self.slot(slot);
                let store = &mut partition.store;
                match store.read_headers(&scan, buffer, &mut out.operations) {
                    Ok(operation) => {
                        lookup.stage = Stage::Scan(scan);
                        partition.awaiting_headers.insert(operation, lookup);
                    }
                    Err(buffer) => {
                        self.header_buffers.push(buffer);
                        self.look_up(slot, lookup, out);
                    }
                }
                return;
            }
            Found::Opening(segment) => {
                lookup.stage = Stage::Segment(segment);
                partition.awaiting_segment.push(lookup);
                return;
            }
        };
        self.read_done(&lookup, result, out);
    }

    pub(super) fn sifted(&mut self, sifting: Sifting, outcome: TaskOutcome, out: &mut Outbox) {
        let TaskOutcome::Sifted(sifted) = outcome else {
            unreachable!("a slice was to be sifted")
        };
        let Sifting {
            id,
            mut lookup,
            mut slice,
        } = sifting;
        let (slot, partition) = match self.serving(id) {
            Ok(serving) => serving,
            Err(error) => return self.read_done(&lookup, ReadResult::refused(error), out),
        };
        if is_deleted(partition, &lookup) || slice.generation != partition.store.generation() {
            return self.look_up(slot, lookup, out);
        }
        match sifted {
            Ok(Sifted::Batches {
                position,
                length,
                first_batch,
            }) => {
                slice.range.position = position;
                slice.range.length = length;
                slice.first_batch = first_batch;
                let result = read(partition, &lookup.want, slice);
                self.read_done(&lookup, result, out);
            }
            Ok(Sifted::Emptied { next }) => {
                lookup.want.offset = next;
                slice.range.length = slice.range.length.min(slice.first_batch);
                lookup.emptied.get_or_insert(slice);
                self.look_up(slot, lookup, out);
            }
            Err(error) => self.storage_failed(slot, &lookup, &error.to_string(), out),
        }
    }

    pub(super) fn headers_read(
        &mut self,
        slot: u32,
        operation: u32,
        bytes: Result<BytesMut, String>,
        out: &mut Outbox,
    ) {
        let partition = self.slot(slot);
        let lookup = partition
            .awaiting_headers
            .remove(&operation)
            .expect("headers are asked for");
        let Stage::Scan(scan) = lookup.stage else {
            unreachable!("it waits for headers")
        };
        if is_deleted(partition, &lookup) {
            return self.look_up(slot, lookup, out);
        }
        match bytes {
            Ok(mut bytes) => {
                let store = &mut partition.store;
                let found = store.scanned(&scan, &bytes, &lookup.want, &mut out.operations);
                if self.header_buffers.len() < SPARE_HEADER_BUFFERS_MAX {
                    bytes.clear();
                    self.header_buffers.push(bytes);
                }
                self.go_on(slot, lookup, found, out);
            }
            Err(why) => self.storage_failed(slot, &lookup, &why, out),
        }
    }

    pub(super) fn segment_opened(
        &mut self,
        slot: u32,
        base: Offset,
        failed: Option<String>,
        out: &mut Outbox,
    ) {
        let waiting = std::mem::take(&mut self.slot(slot).awaiting_segment);
        let (ready, waiting): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|lookup| matches!(lookup.stage, Stage::Segment(segment) if segment == base));
        self.slot(slot).awaiting_segment = waiting;
        for lookup in ready {
            let is_deleted = is_deleted(self.slot(slot), &lookup);
            match &failed {
                Some(why) if !is_deleted => self.storage_failed(slot, &lookup, why, out),
                _ => self.look_up(slot, lookup, out),
            }
        }
    }

    fn storage_failed(&mut self, slot: u32, lookup: &LookUp, why: &str, out: &mut Outbox) {
        let partition = self.slot(slot);
        tracing::error!(directory = %partition.store.directory().display(), "reading: {why}");
        partition.traffic.fetches_failed += 1;
        let failed = read_state(partition, ErrorCode::KAFKA_STORAGE_ERROR);
        self.read_done(lookup, failed, out);
    }

    fn read_done(&mut self, lookup: &LookUp, result: ReadResult, out: &mut Outbox) {
        match lookup.to {
            To::Part { gather, index } => self.gather(gather, out, |parts| match parts {
                Parts::Read(parts) => parts.push((index, result)),
                _ => unreachable!("a read gathers reads"),
            }),
            To::Groups(id) => self.group_stretch_found(id, result, out),
            To::Time { gather, index } => {
                self.time_place_found((gather, index), lookup.want.offset, result, out);
            }
        }
    }

    // -- long polls

    /// Registers a long poll; if something has moved since it looked, it is told at once.
    pub(super) fn watch(
        &mut self,
        from: ReturnTo,
        seen: Few<(PartitionId, Offset)>,
        bytes: u64,
        out: &mut Outbox,
    ) {
        self.unwatch(from);
        let mut slots = Few::with_capacity(seen.len());
        let mut moved = false;
        for (id, seen) in seen {
            match self.find(id) {
                Some((slot, partition)) => {
                    moved |= partition.store.log().high_watermark() != seen;
                    slots.push(slot);
                }
                None => moved = true,
            }
        }
        if moved && !planted(Mutation::LostWakeUp) {
            out.mail.push_back((
                from.shard,
                Mail::Moved {
                    ticket: from.ticket,
                },
            ));
            return;
        }
        for slot in &slots {
            self.slot(*slot).watchers.push(from);
        }
        self.watches.insert(
            from,
            Watch {
                bytes: bytes as i64,
                slots,
            },
        );
    }

    pub(super) fn unwatch(&mut self, from: ReturnTo) {
        let Some(watch) = self.watches.remove(&from) else {
            return;
        };
        for slot in watch.slots {
            if let Some(Some(partition)) = self.slots.get_mut(slot as usize) {
                partition.watchers.retain(|watcher| *watcher != from);
            }
        }
    }

    /// Tells the long polls that have waited for these bytes.
    pub(super) fn moved(&mut self, slot: u32, bytes: u64, out: &mut Outbox) {
        let mut satisfied = Vec::new();
        for watcher in &self.slots[slot as usize]
            .as_ref()
            .expect("a slot in use")
            .watchers
        {
            let watch = self
                .watches
                .get_mut(watcher)
                .expect("watchers have watches");
            // Who names a partition twice stands here twice.
            if watch.bytes > 0 {
                watch.bytes -= bytes as i64;
                if watch.bytes <= 0 {
                    satisfied.push(*watcher);
                }
            }
        }
        for watcher in satisfied {
            self.unwatch(watcher);
            out.mail.push_back((
                watcher.shard,
                Mail::Moved {
                    ticket: watcher.ticket,
                },
            ));
        }
    }

    /// Wakes every long poll on a partition that goes away.
    pub(super) fn wake_watchers(&mut self, slot: u32, out: &mut Outbox) {
        self.moved(slot, i64::MAX as u64, out);
    }
}

/// Whether what is looked for was deleted meanwhile, perhaps with its segment.
fn is_deleted(partition: &Partition, lookup: &LookUp) -> bool {
    lookup.want.offset < partition.store.log().log_start()
}

fn read(partition: &Partition, want: &Want, slice: Slice) -> ReadResult {
    let log = partition.store.log();
    let end = slice.range.position + slice.range.length;
    ReadResult {
        is_sealed: log.is_settled(slice.segment, want.isolation),
        aborted: match want.isolation {
            Isolation::ReadCommitted => log.aborted_in(want.offset, slice.segment, end),
            Isolation::ReadUncommitted | Isolation::Replica => Vec::new(),
        },
        range: Some(slice.range),
        first_batch: slice.first_batch,
        ..read_state(partition, ErrorCode::NONE)
    }
}

fn read_state(partition: &Partition, error: ErrorCode) -> ReadResult {
    let log = partition.store.log();
    ReadResult {
        error,
        high_watermark: log.high_watermark(),
        last_stable: log.last_stable(),
        log_start: log.log_start(),
        range: None,
        first_batch: 0,
        is_sealed: false,
        aborted: Vec::new(),
    }
}
