//! What the clients know, and what must hold of it (failure-classes, "history checks"):
//!
//! - every acknowledged record is read back exactly where it was acknowledged;
//! - no offset holds two values over time, crash or not;
//! - what was acknowledged, read, or below a high watermark that somebody was told survives kill -9;
//!   after a power loss only a tail of each partition may be gone, nothing within it, and nothing
//!   that was there when the broker last stopped in order, or was acknowledged after a flush;
//! - no record stands twice, and those of one producer stand in their order; an idempotent producer
//!   leaves no gap;
//! - no producer id is handed out twice, ever;
//! - offsets are contiguous.
//!
//! A broken promise is a panic: the run ends there.

use crate::records::Found;
use millstream::types::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A partition of one of the simulation's topics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    /// Which topic, of those in [`History::topics`].
    pub topic: usize,
    /// Which partition of it.
    pub index: i32,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}-{}", self.topic, self.index)
    }
}

/// A record: its producer, and its number among that producer's for that partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId {
    /// Which producer.
    pub producer: u32,
    /// Counts from 0 per partition.
    pub number: u64,
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}#{}", self.producer, self.number)
    }
}

/// What the clients are to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Produce and consume.
    Running,
    /// Get rid of what is produced, consume to the end.
    Finishing,
    /// The auditor reads everything.
    Auditing,
    /// Close all connections.
    Closing,
}

/// A topic that was created.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id, from the first Metadata on.
    pub id: Option<Uuid>,
    /// How many partitions.
    pub partitions: i32,
    /// What is acknowledged was flushed before (`flush.messages=1`).
    pub is_flushed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    id: RecordId,
    timestamp: i64,
    acknowledged_us: Option<u64>,
    /// The first life (see [`History::lives`]) in which somebody saw it there.
    first_seen_in: u32,
    /// And the last.
    seen_in: u32,
}

#[derive(Default)]
struct Log {
    slots: BTreeMap<i64, Slot>,
    places: BTreeMap<RecordId, i64>,
    /// Records that may be missing: their producer gave them up, or a power loss took them.
    excused: BTreeSet<RecordId>,
    /// A lower bound of the log's end, and the life that it is of.
    end: (i64, u32),
    /// By the life in which the broker made it durable: what stood before that offset then survives
    /// even a power loss.
    durable_to: BTreeMap<u32, i64>,
}

impl Log {
    fn is_durable_to(&mut self, offset: i64, life: u32) {
        let to = self.durable_to.entry(life).or_default();
        *to = (*to).max(offset);
    }

    /// Whether it was there when the broker made that offset durable. One that nobody has seen since an
    /// earlier life may have been lost with that, and be replaced.
    fn is_durable(&self, offset: i64, slot: &Slot) -> bool {
        let mut claims = self.durable_to.range(..=slot.seen_in);
        claims.any(|(_, to)| offset < *to)
    }
}

/// All of it.
pub struct History {
    /// What the clients are to do.
    pub phase: Phase,
    /// The topics, once they exist.
    pub topics: Vec<Topic>,
    /// Power losses so far: a record seen in an older life may be gone.
    pub lives: u32,
    /// Whether the disk has failed the broker, so that it may answer with errors and close
    /// connections.
    pub disk_failed: bool,
    /// When the broker last stopped, the end of time while it is about to: what was begun before may end
    /// early.
    pub stopped_us: u64,
    /// When a broker that the disk had failed last ended: what it was asked before may have failed,
    /// and the answer may still be on its way.
    pub failed_us: u64,
    /// Clients that have done what the phase asks of them.
    pub done: BTreeSet<u32>,
    /// Records acknowledged, read, lost in power losses.
    pub counts: Counts,
    logs: BTreeMap<Partition, Log>,
    producer_ids: BTreeSet<i64>,
    idempotent: BTreeSet<u32>,
}

/// What a run amounted to.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    /// Records acknowledged.
    pub acknowledged: u64,
    /// Records read, each reading counted.
    pub read: u64,
    /// Acknowledged records that a power loss took.
    pub lost: u64,
    /// Answers to fetches that waited for data.
    pub woken: u64,
    /// Offsets of groups whose commit was acknowledged.
    pub committed: u64,
    /// Logs that were compacted, as of the last stop.
    pub compacted: u64,
}

impl History {
    /// Nothing is known.
    pub fn new() -> History {
        History {
            phase: Phase::Running,
            topics: Vec::new(),
            lives: 0,
            disk_failed: false,
            stopped_us: 0,
            failed_us: 0,
            done: BTreeSet::new(),
            counts: Counts::default(),
            logs: BTreeMap::new(),
            producer_ids: BTreeSet::new(),
            idempotent: BTreeSet::new(),
        }
    }

    /// Whether what was asked then may fail.
    pub fn may_fail(&self, asked_us: u64) -> bool {
        self.disk_failed || asked_us <= self.failed_us
    }

    /// All partitions there are.
    pub fn partitions(&self) -> Vec<Partition> {
        let topics = self.topics.iter().enumerate();
        topics
            .flat_map(|(topic, known)| {
                (0..known.partitions).map(move |index| Partition { topic, index })
            })
            .collect()
    }

    /// A producer got its id.
    pub fn producer_id(&mut self, producer: u32, id: i64) {
        assert!(id >= 0, "producer id {id}");
        let new = self.producer_ids.insert(id);
        assert!(new, "producer id {id} is handed out a second time");
        self.idempotent.insert(producer);
    }

    /// The broker says that it has the record, and where.
    pub fn acknowledged(
        &mut self,
        now_us: u64,
        asked_in: u32,
        partition: Partition,
        record: Found,
    ) {
        self.counts.acknowledged += 1;
        self.place(asked_in, partition, record);
        let is_flushed = self
            .topics
            .get(partition.topic)
            .is_some_and(|topic| topic.is_flushed);
        let log = self.log(partition);
        if is_flushed {
            log.is_durable_to(record.offset + 1, asked_in);
        }
        if let Some(slot) = log.slots.get_mut(&record.offset)
            && slot.id == record.id
        {
            slot.acknowledged_us.get_or_insert(now_us);
        }
    }

    /// Somebody read the record there.
    pub fn read(&mut self, asked_in: u32, partition: Partition, record: Found) {
        self.counts.read += 1;
        self.place(asked_in, partition, record);
    }

    /// Its producer does not know what became of it and does not ask again.
    pub fn given_up(&mut self, partition: Partition, id: RecordId) {
        self.log(partition).excused.insert(id);
    }

    fn place(&mut self, asked_in: u32, partition: Partition, record: Found) {
        let Found {
            offset,
            id,
            timestamp,
        } = record;
        assert!(offset >= 0, "{partition:?} {id:?} at offset {offset}");
        let life = self.lives;
        let log = self.log(partition);
        if asked_in < life {
            // The last words of a broker that lost its power meanwhile: true then, no promise now.
            if !log.slots.contains_key(&offset) && !log.places.contains_key(&id) {
                let slot = Slot {
                    id,
                    timestamp,
                    acknowledged_us: None,
                    first_seen_in: asked_in,
                    seen_in: asked_in,
                };
                log.slots.insert(offset, slot);
                log.places.insert(id, offset);
            }
            return;
        }
        if let Some(slot) = log.slots.get(&offset)
            && slot.id != id
        {
            assert!(
                slot.seen_in < life,
                "{partition:?} offset {offset} holds two values: {:?} and {id:?}",
                slot.id
            );
            self.lose(partition, offset);
        }
        let log = self.log(partition);
        if let Some(other) = log.places.get(&id).copied()
            && other != offset
        {
            assert!(
                log.slots[&other].seen_in < life,
                "{partition:?} {id:?} stands twice: at {other} and at {offset}"
            );
            self.lose(partition, other);
        }
        let log = self.log(partition);
        let slot = log.slots.entry(offset).or_insert(Slot {
            id,
            timestamp,
            acknowledged_us: None,
            first_seen_in: life,
            seen_in: life,
        });
        assert_eq!(slot.timestamp, timestamp, "{partition:?} {id:?}: timestamp");
        slot.seen_in = life;
        log.places.insert(id, offset);
        if log.end.1 < life {
            log.end = (0, life);
        }
        log.end.0 = log.end.0.max(offset + 1);
    }

    /// A power loss took what stood from `offset` on.
    fn lose(&mut self, partition: Partition, offset: i64) {
        let life = self.lives;
        let log = self.log(partition);
        let mut lost = 0;
        for (at, slot) in log.slots.split_off(&offset) {
            if slot.first_seen_in == life {
                // It came after the loss.
                log.slots.insert(at, slot);
                continue;
            }
            assert!(
                slot.seen_in < life,
                "{partition:?} {:?} is still at {at}, behind a loss at {offset}",
                slot.id
            );
            assert!(
                !log.is_durable(at, &slot),
                "{partition:?} {:?} at {at} is gone, though the broker had made it durable",
                slot.id
            );
            lost += u64::from(slot.acknowledged_us.is_some());
            log.places.remove(&slot.id);
            log.excused.insert(slot.id);
        }
        self.counts.lost += lost;
    }

    /// The broker has stopped in order: what it had is durable.
    pub fn stopped(&mut self) {
        for log in self.logs.values_mut() {
            if log.end.1 == self.lives {
                log.is_durable_to(log.end.0, self.lives);
            }
        }
    }

    /// What somebody who asks now must at least be told as the end of the log.
    pub fn end(&self, partition: Partition) -> i64 {
        match self.logs.get(&partition) {
            Some(log) if log.end.1 == self.lives => log.end.0,
            _ => 0,
        }
    }

    /// Somebody was told that the log ends there (or is committed up to there), having asked in life
    /// `asked_in` when at least `floor` was known.
    pub fn told_end(&mut self, partition: Partition, end: i64, floor: i64, asked_in: u32) {
        if asked_in != self.lives {
            return;
        }
        assert!(
            end >= floor,
            "{partition:?} ends at {end}, though it had reached {floor}"
        );
        let life = self.lives;
        let log = self.log(partition);
        if log.end.1 < life {
            log.end = (0, life);
        }
        log.end.0 = log.end.0.max(end);
    }

    /// When the first record from `offset` on was acknowledged, as its producer saw it.
    pub fn available_since(&self, partition: Partition, offset: i64) -> Option<u64> {
        let log = self.logs.get(&partition)?;
        let slots = log.slots.range(offset..).map(|(_, slot)| slot);
        let there = slots.filter(|slot| slot.seen_in == self.lives);
        there.filter_map(|slot| slot.acknowledged_us).min()
    }

    /// The broker says that `answer` is the first offset with a timestamp of at least `time`; `end`
    /// is the log's end as known before it was asked.
    pub fn told_by_time(&self, partition: Partition, time: i64, answer: Option<i64>, end: i64) {
        let Some(log) = self.logs.get(&partition) else {
            return;
        };
        let before = answer.unwrap_or(end).min(end);
        let missed = log
            .slots
            .range(..before)
            .find(|(_, slot)| slot.timestamp >= time && slot.seen_in == self.lives);
        assert!(
            missed.is_none(),
            "{partition:?} asked for time {time}: answer {answer:?}, but before it is {missed:?}"
        );
        if let Some(slot) = answer.and_then(|answer| log.slots.get(&answer))
            && slot.seen_in == self.lives
        {
            assert!(
                slot.timestamp >= time,
                "{partition:?} asked for time {time}: answer {answer:?} is earlier: {slot:?}"
            );
        }
    }

    /// The log was read whole, and ends at `end`.
    pub fn audited(&mut self, partition: Partition, end: i64) {
        let life = self.lives;
        let log = self.log(partition);
        if let Some((at, slot)) = log.slots.range(end..).next() {
            let (at, slot) = (*at, *slot);
            assert!(
                slot.seen_in < life,
                "{partition:?} ends at {end}, but {:?} was at {at}",
                slot.id
            );
            self.lose(partition, at);
        }
        let idempotent = self.idempotent.clone();
        let log = self.log(partition);
        let mut next: BTreeMap<u32, u64> = BTreeMap::new();
        for (expected, (offset, slot)) in (0..).zip(&log.slots) {
            assert_eq!(*offset, expected, "{partition:?} has a gap");
            assert_eq!(slot.seen_in, life, "{partition:?} {offset} was not read");
            if log.excused.contains(&slot.id) {
                // Given up, and appended at some time nevertheless.
                continue;
            }
            let RecordId { producer, number } = slot.id;
            let wanted = next.get(&producer).copied().unwrap_or(0);
            assert!(
                number >= wanted,
                "{partition:?} {:?} stands at {offset}, behind its successor",
                slot.id
            );
            if idempotent.contains(&producer) {
                for number in wanted..number {
                    let missing = RecordId { producer, number };
                    assert!(
                        log.excused.contains(&missing),
                        "{partition:?} {missing:?} is missing before {:?} at {offset}",
                        slot.id
                    );
                }
            }
            next.insert(producer, number + 1);
        }
    }

    fn log(&mut self, partition: Partition) -> &mut Log {
        self.logs.entry(partition).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quiet;

    const P: Partition = Partition { topic: 0, index: 0 };

    fn id(number: u64) -> RecordId {
        RecordId {
            producer: 1,
            number,
        }
    }

    fn found(offset: i64, number: u64) -> Found {
        Found {
            offset,
            id: id(number),
            timestamp: 100,
        }
    }

    /// A history of three acknowledged records.
    fn three() -> History {
        let mut history = History::new();
        history.producer_id(1, 1000);
        for number in 0..3 {
            history.acknowledged(number, 0, P, found(number as i64, number));
        }
        history
    }

    fn fails(what: impl FnOnce(&mut History) + std::panic::UnwindSafe) -> bool {
        let _quiet = Quiet::new();
        std::panic::catch_unwind(move || what(&mut three())).is_err()
    }

    #[test]
    fn an_honest_history_passes() {
        let mut history = three();
        history.read(history.lives, P, found(0, 0));
        assert_eq!(history.end(P), 3);
        history.told_end(P, 3, 3, 0);
        history.told_by_time(P, 100, Some(0), 3);
        history.told_by_time(P, 101, None, 3);
        history.audited(P, 3);
    }

    #[test]
    fn each_broken_promise_is_seen() {
        assert!(fails(|h| h.read(h.lives, P, found(1, 7))), "two values");
        assert!(fails(|h| h.read(h.lives, P, found(3, 1))), "twice");
        assert!(fails(|h| h.audited(P, 2)), "lost");
        assert!(fails(|h| h.told_end(P, 2, h.end(P), 0)), "end goes back");
        assert!(fails(|h| h.producer_id(2, 1000)), "same id");
        assert!(fails(|h| h.told_by_time(P, 100, Some(1), 3)), "time skips");
        assert!(
            fails(|h| {
                h.acknowledged(9, h.lives, P, found(3, 4));
                h.audited(P, 4);
            }),
            "gap of an idempotent producer"
        );
        assert!(
            fails(|h| {
                h.acknowledged(9, h.lives, P, found(4, 3));
                h.audited(P, 5);
            }),
            "gap of offsets"
        );
    }

    #[test]
    fn a_power_loss_may_take_a_tail_and_nothing_else() {
        let mut history = three();
        history.lives = 1;
        history.read(history.lives, P, found(0, 0));
        history.acknowledged(9, history.lives, P, found(1, 5));
        assert_eq!(history.counts.lost, 2);
        assert!(
            fails(|h| {
                h.lives = 1;
                h.read(h.lives, P, found(2, 2));
                h.read(h.lives, P, found(1, 5));
            }),
            "the middle"
        );
        assert!(
            fails(|h| {
                h.stopped();
                h.lives = 1;
                h.read(h.lives, P, found(0, 5));
            }),
            "what a stop made durable"
        );
        let mut history = three();
        history.lives = 1;
        history.told_end(P, 2, 0, 1);
        history.stopped();
        history.read(history.lives, P, found(1, 5));
        assert_eq!(
            history.counts.lost, 2,
            "lost before the stop, and replaced with nobody looking"
        );
    }
}
