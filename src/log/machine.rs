//! The log's state and what moves it. `next_offset` and the tail that runs ahead are tentative; all
//! else says what is complete.

use super::aborted::Aborted;
use super::epochs::Epochs;
use super::index::{Indexes, OffsetIndex};
use super::producers::{Objection, Producer, ProducerState, Producers};
use super::proven::Proven;
use super::recent::{IndexCache, Place, Recent};
use super::segment::{Segment, Tail};
use crate::batch::Header;
use crate::mutation::{Mutation, planted};
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What a log needs to know of its topic's and its broker's configuration.
#[derive(Clone, PartialEq, Debug)]
pub struct LogConfig {
    /// `segment.bytes`: a segment does not grow beyond it.
    pub segment_bytes: u64,
    /// `segment.ms`; for a compacted topic the lesser of it and `max.compaction.lag.ms`.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: segments roll earlier by a random time below it.
    pub segment_jitter_ms: i64,
    /// Any number, different for each log: what that random time is drawn from.
    pub jitter_seed: u64,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// `segment.index.bytes`: the largest index.
    pub index_bytes_max: usize,
    /// `cleanup.policy` contains `compact`.
    pub compact: bool,
    /// `producer.id.expiration.ms`.
    pub producer_expiration_ms: i64,
    /// `flush.messages`: with so many records that are not durable, the high watermark waits until
    /// they are. `i64::MAX` for never.
    pub flush_messages: i64,
    /// Batches whose places are remembered for readers at the tail.
    pub recent_batches: usize,
    /// Bytes of sealed segments' indexes that are kept in memory.
    pub index_cache_bytes: usize,
}

/// The end of the high watermark's reach, and where that is in the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    pub(super) offset: Offset,
    pub(super) segment: Offset,
    /// At or before the first batch that is not covered.
    pub(super) position: u64,
}

/// The segment that is written to.
#[derive(Clone, Debug)]
pub(super) struct Active {
    pub(super) tail: Tail,
    pub(super) indexes: Indexes,
    pub(super) proven: Proven,
    pub(super) modified: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct StagedBatch {
    /// As it will stand in the file, but for the CRC.
    header: Header,
    size: u32,
    segment: Offset,
    position: u64,
    now: Timestamp,
}

/// One partition's log. See the module's page for the order of calls.
#[derive(Clone, Debug)]
pub struct Log {
    /// The same for many logs, mostly: one copy stays in the processor's caches, a copy each does not.
    pub(super) config: Arc<LogConfig>,
    pub(super) sealed: VecDeque<Segment>,
    pub(super) active: Active,
    pub(super) log_start: Offset,
    pub(super) high: Mark,
    pub(super) log_end: Offset,
    /// Everything before is durable.
    flushed: Offset,
    sole_replica: bool,
    /// Segments below have been compacted.
    pub(super) cleaned: Offset,
    /// Segments below may hold batches without records.
    pub(super) emptied_below: Offset,
    pub(super) epochs: Epochs,
    pub(super) producers: Producers,
    /// The transactions that were aborted, by their markers: 32 bytes each, while their batches and the
    /// marker take hundreds.
    pub(super) aborted: VecDeque<Aborted>,
    /// Where those transactions begin that were open when the log was loaded.
    pub(super) open: BTreeMap<Offset, Mark>,
    pub(super) recent: Recent,
    pub(super) indexes: IndexCache,
    staged: VecDeque<StagedBatch>,
    ahead: Tail,
    /// Producers with staged batches, as they will be, and how many batches those are.
    producers_ahead: BTreeMap<ProducerId, (Producer, usize)>,
    /// A refused batch was due to roll: the next one does.
    roll_due: bool,
}

/// Where a batch is to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Staged {
    /// The first record's offset, to be put into the header.
    pub base_offset: Offset,
    /// The last record's offset.
    pub last_offset: Offset,
    /// The base of the segment it goes to.
    pub segment: Offset,
    /// Where in that segment.
    pub position: u64,
    /// Bytes.
    pub size: u32,
    /// The segment does not exist yet: [`Log::roll`] to it when everything staged before is complete.
    pub roll_first: bool,
}

/// Why a batch is not appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// It is there already: the producer gets the same answer again (KIP-98), once `completed`.
    Duplicate {
        /// The first record's offset.
        base_offset: Offset,
        /// The last record's offset.
        last_offset: Offset,
        /// The largest timestamp of the batch that is there.
        append_time: Timestamp,
        /// Whether it is on the file; else it is staged, and done when [`Log::log_end`] has passed
        /// `last_offset`.
        completed: bool,
    },
    /// OUT_OF_ORDER_SEQUENCE_NUMBER (45).
    OutOfOrderSequence {
        /// The last sequence number that the log has, or -1.
        last_sequence: i32,
    },
    /// INVALID_PRODUCER_EPOCH (47).
    StaleEpoch {
        /// The producer's epoch.
        current: ProducerEpoch,
    },
    /// Its producer has a transaction open, of which it is no part: INVALID_TXN_STATE (48).
    BesideTransaction,
    /// Larger than `segment.bytes`: RECORD_LIST_TOO_LARGE (18).
    SegmentTooSmall,
}

/// What [`Log::complete`] has moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completed {
    /// The first offset that is new.
    pub from: Offset,
    /// The log's end now.
    pub log_end: Offset,
    /// The high watermark now.
    pub high_watermark: Offset,
    /// Bytes that are new.
    pub bytes: u64,
    /// `leader-epoch-checkpoint` is to be written anew.
    pub epochs_changed: bool,
}

/// The derived files of a segment that is complete (at a roll) or at rest (at a clean stop).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// The segment.
    pub base: Offset,
    /// Bytes of its `.log`, to which the file is to be trimmed.
    pub size: u64,
    /// Its `.index`.
    pub index: Bytes,
    /// Its `.timeindex`.
    pub timeindex: Bytes,
    /// Its `.txnindex`, if a transaction was aborted in it.
    pub txnindex: Option<Bytes>,
    /// The producer snapshot and the offset that names it; none if nothing came since the last one.
    pub snapshot: Option<(Offset, Vec<u8>)>,
}

impl Log {
    /// A log without records, its first segment at `base`.
    pub fn empty(config: impl Into<Arc<LogConfig>>, base: Offset, created: Timestamp) -> Log {
        let config = config.into();
        let tail = Tail::new(&config, base, created);
        let active = Active {
            tail,
            indexes: Indexes::default(),
            proven: Proven::default(),
            modified: created,
        };
        let producers = Producers::none(base);
        Log::assemble(
            config,
            VecDeque::new(),
            active,
            base,
            base,
            Epochs::default(),
            (producers, VecDeque::new()),
        )
    }

    /// A log from its parts, nothing staged, the high watermark at its end.
    pub(super) fn assemble(
        config: Arc<LogConfig>,
        sealed: VecDeque<Segment>,
        active: Active,
        log_start: Offset,
        log_end: Offset,
        epochs: Epochs,
        (producers, aborted): (Producers, VecDeque<Aborted>),
    ) -> Log {
        let mut log = Log {
            recent: Recent::new(config.recent_batches),
            indexes: IndexCache::new(config.index_cache_bytes),
            ahead: active.tail,
            high: Mark {
                offset: log_end,
                segment: active.tail.base,
                position: active.tail.size,
            },
            config,
            sealed,
            active,
            log_start,
            log_end,
            flushed: log_end,
            sole_replica: true,
            cleaned: Offset(0),
            emptied_below: Offset(0),
            epochs,
            producers,
            aborted,
            open: BTreeMap::new(),
            staged: VecDeque::new(),
            producers_ahead: BTreeMap::new(),
            roll_due: false,
        };
        log.settle(log_start, log.high, log_end);
        log
    }

    /// The first offset that readers may have.
    pub fn log_start(&self) -> Offset {
        self.log_start
    }

    /// The offset behind the last record that every in-sync replica has.
    pub fn high_watermark(&self) -> Offset {
        self.high.offset
    }

    /// The offset below which every transaction is decided, at most the high watermark.
    pub fn last_stable(&self) -> Offset {
        match self.producers.first_open() {
            Some(open) => open.clamp(self.log_start, self.high.offset),
            None => self.high.offset,
        }
    }

    /// The offset behind the last complete record.
    pub fn log_end(&self) -> Offset {
        self.log_end
    }

    /// The offset that the next staged batch gets.
    pub fn next_offset(&self) -> Offset {
        match self.staged.back() {
            Some(last) => last.header.next_offset(),
            None => self.log_end,
        }
    }

    /// Batches that are staged and not complete.
    pub fn staged(&self) -> usize {
        self.staged.len()
    }

    /// The configuration in force.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Puts another configuration into force, for what is staged from now on.
    pub fn set_config(&mut self, config: impl Into<Arc<LogConfig>>) {
        self.config = config.into();
    }

    /// All segments, ascending, the active one last.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Segment> + '_ {
        let active = self.active.tail.segment(self.active.modified);
        self.sealed.iter().copied().chain([active])
    }

    /// The segment that is written to.
    pub fn active_segment(&self) -> Segment {
        self.active.tail.segment(self.active.modified)
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        self.segments().map(|segment| segment.size).sum()
    }

    /// The leader epochs.
    pub fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// How many producers are known.
    pub fn producers(&self) -> usize {
        self.producers.len()
    }

    /// The producers that are known, by id, as of the log's end.
    pub fn producer_states(&self) -> Vec<ProducerState> {
        self.producers.states()
    }

    /// Decides about a batch that passed its checks and gives it its place. Kafka's order: size,
    /// roll, then sequence. `max_timestamp` is what the header will say.
    pub fn stage(
        &mut self,
        batch: &Header,
        size: u32,
        max_timestamp: Timestamp,
        epoch: LeaderEpoch,
        now: Timestamp,
    ) -> Result<Staged, Refused> {
        if u64::from(size) > self.config.segment_bytes {
            return Err(Refused::SegmentTooSmall);
        }
        let header = Header {
            base_offset: self.next_offset(),
            max_timestamp,
            leader_epoch: epoch,
            ..*batch
        };
        let last_offset = header.last_offset();
        let roll_first = self.ahead.size > 0
            && (self.roll_due
                || self
                    .ahead
                    .must_roll(&self.config, size, last_offset, max_timestamp, now));
        if let Err(objection) = self.judge(&header) {
            self.roll_due = roll_first;
            return Err(objection);
        }
        self.roll_due = false;
        if roll_first {
            self.ahead = Tail::new(&self.config, header.base_offset, now);
        }
        let added = self
            .ahead
            .add(&self.config, size, last_offset, max_timestamp);
        if header.has_producer() {
            self.producer_ahead(&header, now);
        }
        self.staged.push_back(StagedBatch {
            header,
            size,
            segment: self.ahead.base,
            position: added.position,
            now,
        });
        if planted(Mutation::HighWatermarkEarly) {
            self.high.offset = self.next_offset();
        }
        Ok(Staged {
            base_offset: header.base_offset,
            last_offset,
            segment: self.ahead.base,
            position: added.position,
            size,
            roll_first,
        })
    }

    fn judge(&self, header: &Header) -> Result<(), Refused> {
        if !header.has_producer() {
            return Ok(());
        }
        let id = header.producer_id;
        let known = match self.producers_ahead.get(&id) {
            Some((producer, _)) => Some(producer),
            None => self.producers.get(id),
        };
        Producer::judge(known, header).map_err(|objection| match objection {
            Objection::Duplicate(batch) => Refused::Duplicate {
                base_offset: batch.first,
                last_offset: batch.last,
                append_time: batch.timestamp,
                completed: batch.last < self.log_end,
            },
            Objection::StaleEpoch(current) => Refused::StaleEpoch { current },
            Objection::OutOfOrder { last_sequence } => {
                Refused::OutOfOrderSequence { last_sequence }
            }
            Objection::BesideTransaction => Refused::BesideTransaction,
        })
    }

    fn producer_ahead(&mut self, header: &Header, now: Timestamp) {
        let id = header.producer_id;
        let ahead = self.producers_ahead.get(&id);
        let known = ahead.map(|(producer, _)| producer);
        let next = Producer::after(
            known.or_else(|| self.producers.get(id)),
            header,
            header.base_offset,
            header.max_timestamp,
            now,
        );
        let staged = ahead.map_or(0, |(_, staged)| *staged);
        self.producers_ahead.insert(id, (next, staged + 1));
    }

    /// The oldest `count` staged batches are on the file.
    pub fn complete(&mut self, count: usize) -> Completed {
        assert!(count <= self.staged.len(), "{count} were not staged");
        let from = self.log_end;
        let mut bytes = 0;
        let mut epochs_changed = false;
        let mut log_end = self.log_end;
        for batch in self.staged.drain(..count) {
            let StagedBatch { header, size, .. } = batch;
            let tail = &mut self.active.tail;
            assert!(
                (tail.base, tail.size) == (batch.segment, batch.position),
                "a batch for {} at {} is complete, the log is at {} {}",
                batch.segment,
                batch.position,
                tail.base,
                tail.size
            );
            let last = header.last_offset();
            let added = tail.add(&self.config, size, last, header.max_timestamp);
            if added.offset.is_some() {
                let index = OffsetIndex::new(tail.base, &self.active.indexes.offsets);
                self.active.proven.append(index, header.base_offset);
            }
            self.active.indexes.add(tail.base, &added);
            self.active.modified = batch.now;
            self.recent.push(Place {
                base: header.base_offset,
                last,
                segment: batch.segment,
                position: batch.position,
                size,
            });
            if header.leader_epoch.0 >= 0 && self.epochs.latest() != Some(header.leader_epoch) {
                epochs_changed |= self.epochs.assign(header.leader_epoch, header.base_offset);
            }
            self.producers.replay(&header, None, batch.now);
            if header.has_producer() {
                let id = header.producer_id;
                let (_, staged) = self.producers_ahead.get_mut(&id).expect("it was staged");
                *staged -= 1;
                if *staged == 0 {
                    self.producers_ahead.remove(&id);
                }
            }
            bytes += u64::from(size);
            log_end = header.next_offset();
        }
        if self.staged.is_empty() {
            self.meet();
        }
        let high = match self.sole_replica && !self.awaits_flush(log_end) {
            true => Mark {
                offset: log_end,
                segment: self.active.tail.base,
                position: self.active.tail.size,
            },
            false => self.high,
        };
        self.settle(self.log_start, high, log_end);
        Completed {
            from,
            log_end,
            high_watermark: self.high.offset,
            bytes,
            epochs_changed,
        }
    }

    /// Whether a log that ends there has so many records that are not durable that those behind the
    /// high watermark have to be made so first. Kafka flushes within the append that crosses
    /// `flush.messages`; here that append waits for the flush, and whatever comes meanwhile waits for
    /// the same one or the next.
    fn awaits_flush(&self, log_end: Offset) -> bool {
        log_end.0 - self.flushed.0 >= self.config.flush_messages
            && !planted(Mutation::FlushNotAwaited)
    }

    /// The offset up to which to flush, if the high watermark waits for that.
    pub fn wants_flush(&self) -> Option<Offset> {
        self.awaits_flush(self.log_end).then_some(self.log_end)
    }

    /// Everything before is durable.
    pub fn flushed(&self) -> Offset {
        self.flushed
    }

    /// Everything before `offset` is durable, or, from a start, nothing from there on is known to be.
    /// The high watermark may move.
    pub fn set_flushed(&mut self, offset: Offset) {
        self.flushed = offset;
        if self.sole_replica {
            let committed = match self.awaits_flush(self.log_end) {
                true => offset,
                false => self.log_end,
            };
            self.set_high_watermark(committed);
        }
    }

    /// The append failed and the file is cut back: all staged batches are forgotten.
    pub fn abandon(&mut self) {
        self.staged.clear();
        self.producers_ahead.clear();
        self.ahead = self.active.tail;
        if self.high.offset > self.log_end {
            self.high.offset = self.log_end;
        }
    }

    /// Seals the active segment and opens the next, at the log's end. What is staged must be meant
    /// for the new one.
    pub fn roll(&mut self, new_base: Offset, now: Timestamp) -> Sealed {
        assert!(
            new_base == self.log_end,
            "a roll to {new_base} at {}",
            self.log_end
        );
        assert!(self.active.tail.size > 0, "an empty segment does not roll");
        let sealed = self.seal();
        let next = Active {
            tail: Tail::new(&self.config, new_base, now),
            indexes: Indexes::default(),
            proven: Proven::default(),
            modified: now,
        };
        let old = std::mem::replace(&mut self.active, next);
        self.sealed.push_back(old.tail.segment(now));
        self.indexes
            .put_with(old.tail.base, sealed.index.clone(), old.proven);
        match self.staged.front() {
            Some(first) => assert!(
                (first.segment, first.position) == (new_base, 0),
                "a roll to {new_base}, but the next batch goes to {} at {}",
                first.segment,
                first.position
            ),
            None => self.ahead = self.active.tail,
        }
        if self.high.offset == self.log_end {
            self.high.segment = new_base;
            self.high.position = 0;
        }
        sealed
    }

    /// The derived files of the active segment, for a clean stop.
    pub fn close_files(&mut self) -> Sealed {
        assert!(
            self.staged.is_empty(),
            "a log with staged batches is not at rest"
        );
        let indexes = self.active.indexes.clone();
        let sealed = self.seal();
        // The log may go on: the index stays, the entry forced upon the time index too.
        self.active.indexes = Indexes {
            times: sealed.timeindex.to_vec(),
            ..indexes
        };
        self.ahead = self.active.tail;
        sealed
    }

    fn seal(&mut self) -> Sealed {
        let Active { tail, indexes, .. } = &mut self.active;
        if let Some(entry) = tail.time_entry() {
            indexes.add_time(tail.base, entry);
        }
        let first = self.aborted.partition_point(|it| it.marker < tail.base);
        let aborted = self.aborted.range(first..);
        let txnindex: Vec<u8> = aborted.flat_map(|entry| entry.encode()).collect();
        Sealed {
            base: tail.base,
            size: tail.size,
            index: std::mem::take(&mut indexes.offsets).into(),
            timeindex: std::mem::take(&mut indexes.times).into(),
            txnindex: (!txnindex.is_empty()).then(|| txnindex.into()),
            snapshot: self.producers.take_snapshot(),
        }
    }

    /// This broker leads with this epoch from the log's end on. Says whether
    /// `leader-epoch-checkpoint` is to be written anew.
    pub fn lead(&mut self, epoch: LeaderEpoch) -> bool {
        assert!(self.staged.is_empty(), "a term begins between appends");
        self.epochs.assign(epoch, self.log_end)
    }

    /// Whether this is the only replica: then the high watermark follows the log's end by itself.
    pub fn set_sole_replica(&mut self, sole: bool) {
        self.sole_replica = sole;
        if sole {
            self.set_high_watermark(self.log_end);
        }
    }

    /// Every in-sync replica has what is below `offset`; bounded to the log. The watermark does not
    /// go back. Returns it.
    pub fn set_high_watermark(&mut self, offset: Offset) -> Offset {
        let offset = offset.min(self.log_end);
        if offset > self.high.offset {
            let mark = self.mark(offset);
            self.settle(self.log_start, mark, self.log_end);
        }
        self.high.offset
    }

    /// Records below `offset` are deleted (DeleteRecords, retention). `Err` above the high watermark:
    /// OFFSET_OUT_OF_RANGE. Says whether the log's start moved; `leader-epoch-checkpoint` then may
    /// have changed as well.
    pub fn advance_log_start(&mut self, offset: Offset) -> Result<bool, Offset> {
        if offset > self.high.offset {
            return Err(self.high.offset);
        }
        if offset <= self.log_start {
            return Ok(false);
        }
        self.settle(offset, self.high, self.log_end);
        self.epochs.cut_before(offset);
        Ok(true)
    }

    /// Takes the oldest segment out of the log, its records with it, so that its files can be
    /// deleted. `None` for the active one, and while it holds records above the high watermark.
    pub fn remove_oldest(&mut self) -> Option<Segment> {
        self.sealed.front()?;
        let end = self
            .sealed
            .get(1)
            .map_or(self.active.tail.base, |next| next.base);
        if end > self.high.offset {
            return None;
        }
        let removed = self.sealed.pop_front()?;
        self.indexes.remove(removed.base);
        let first = self.aborted.partition_point(|it| it.marker < end);
        self.aborted.drain(..first);
        if end > self.log_start {
            self.settle(end, self.high, self.log_end);
            self.epochs.cut_before(end);
        }
        Some(removed)
    }

    /// Forgets producers not heard of for `producer.id.expiration.ms`. Returns how many.
    pub fn expire_producers(&mut self, now: Timestamp) -> usize {
        self.producers
            .expire(now, self.config.producer_expiration_ms)
    }

    /// Where `offset` lies, or a position before it.
    pub(super) fn mark(&self, offset: Offset) -> Mark {
        if offset == self.log_end {
            return Mark {
                offset,
                segment: self.active.tail.base,
                position: self.active.tail.size,
            };
        }
        if let Some(mark) = self.open.get(&offset) {
            return *mark;
        }
        if let Some(place) = self.recent.find(offset) {
            return Mark {
                offset,
                segment: place.segment,
                position: place.position,
            };
        }
        let segment = self.segment_of(offset).base;
        Mark {
            offset,
            segment,
            position: self.known_index(segment).floor(offset).0,
        }
    }

    /// A segment's offset index; empty if it is a sealed one whose index is not in memory.
    pub(super) fn known_index(&self, segment: Offset) -> OffsetIndex<'_> {
        let bytes: &[u8] = match segment == self.active.tail.base {
            true => &self.active.indexes.offsets,
            false => self.indexes.peek(segment).map_or(&[], |index| index),
        };
        OffsetIndex::new(segment, bytes)
    }

    /// The last segment whose base is at or below `offset`, else the first.
    pub(super) fn segment_of(&self, offset: Offset) -> Segment {
        if offset >= self.active.tail.base {
            return self.active_segment();
        }
        let after = self
            .sealed
            .partition_point(|segment| segment.base <= offset);
        let at = after.saturating_sub(1);
        self.sealed
            .get(at)
            .copied()
            .unwrap_or_else(|| self.active_segment())
    }

    /// Nothing is staged: what ran ahead must be where the completed has come to.
    fn meet(&mut self) {
        let (ahead, tail) = (&self.ahead, &self.active.tail);
        assert!(
            (ahead.base, ahead.size) == (tail.base, tail.size) && self.producers_ahead.is_empty(),
            "staged to {} {}, completed to {} {}",
            ahead.base,
            ahead.size,
            tail.base,
            tail.size
        );
        self.ahead = self.active.tail;
    }

    /// The only place where the log's marks move.
    fn settle(&mut self, log_start: Offset, high: Mark, log_end: Offset) {
        (self.log_start, self.high, self.log_end) = (log_start, high, log_end);
        let last_stable = self.last_stable();
        let early = planted(Mutation::HighWatermarkEarly);
        assert!(
            log_start <= last_stable
                && last_stable <= high.offset
                && (high.offset <= log_end || early),
            "log start {log_start}, last stable {last_stable}, high watermark {}, log end {log_end}",
            high.offset
        );
    }
}
