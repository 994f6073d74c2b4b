//! The side of the partitions: what they have taken and given, and how long appends took.

use super::histogram::Histogram;
use super::report::Row;
use crate::limits::CHECKS_PER_TIMED;
use std::ops::AddAssign;

/// What was produced to a partition and fetched of it, or of all partitions of a topic. In Kafka's
/// terms: BrokerTopicMetrics.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Records appended.
    pub messages_in: u64,
    /// Bytes of record sets appended.
    pub bytes_in: u64,
    /// Bytes of records sent to clients.
    pub bytes_out: u64,
    /// Bytes of record sets that were too large.
    pub bytes_rejected: u64,
    /// Record sets produced.
    pub produces: u64,
    /// Of these, what was refused for its content, or failed.
    pub produces_failed: u64,
    /// Parts of fetches.
    pub fetches: u64,
    /// Of these, what could not be read.
    pub fetches_failed: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        self.messages_in += other.messages_in;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.bytes_rejected += other.bytes_rejected;
        self.produces += other.produces;
        self.produces_failed += other.produces_failed;
        self.fetches += other.fetches;
        self.fetches_failed += other.fetches_failed;
    }
}

/// When a check that is timed began, on the clock of [`Logs::measure_with`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Timing(Option<u64>);

/// One shard's figures of partitions.
#[derive(Default)]
pub struct Logs {
    crc: Histogram,
    append: Histogram,
    acknowledge: Histogram,
    /// Nanoseconds from an arbitrary start.
    clock: Option<fn() -> u64>,
    until_timed: u32,
    /// What partitions had done that are gone.
    gone: Traffic,
}

impl Logs {
    /// Times one in so many checks with this clock, which tells nanoseconds. What it tells goes into
    /// the figures and nowhere else.
    pub fn measure_with(&mut self, clock: fn() -> u64) {
        self.clock = Some(clock);
    }

    /// A check of a record set begins.
    #[inline]
    pub fn check_begins(&mut self) -> Timing {
        if self.until_timed > 0 {
            self.until_timed -= 1;
            return Timing(None);
        }
        self.until_timed = CHECKS_PER_TIMED - 1;
        Timing(self.clock.map(|clock| clock()))
    }

    /// It has ended well.
    #[inline]
    pub fn checked(&mut self, timing: Timing) {
        if let Some(began_ns) = timing.0
            && let Some(clock) = self.clock
        {
            self.crc.record(clock().saturating_sub(began_ns));
        }
    }

    /// The kernel has written for a partition.
    pub fn appended(&mut self, took_ns: u64) {
        self.append.record(took_ns);
    }

    /// A batch that went to its store at `since_us` is committed.
    pub fn acknowledged(&mut self, since_us: u64, now_us: u64) {
        self.acknowledge.record(now_us - since_us);
    }

    /// A partition is gone.
    pub fn forget(&mut self, traffic: Traffic) {
        self.gone += traffic;
    }

    /// What those had done that are gone.
    pub fn gone(&self) -> Traffic {
        self.gone
    }

    /// Every stage, for a report.
    pub fn rows(&self) -> Vec<Row> {
        vec![
            Row::of_ns("crc", &self.crc),
            Row::of_ns("append", &self.append),
            Row::of_us("acknowledge", "", &self.acknowledge),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn one_check_in_so_many_is_timed_and_none_without_a_clock() {
        static TICKS: AtomicU64 = AtomicU64::new(0);
        let mut logs = Logs::default();
        let check = |logs: &mut Logs, times| {
            for _ in 0..times {
                let timing = logs.check_begins();
                logs.checked(timing);
            }
            logs.rows()[0].values.count()
        };
        assert_eq!(check(&mut logs, 10 * CHECKS_PER_TIMED), 0);
        logs.measure_with(|| TICKS.fetch_add(7, Ordering::Relaxed));
        assert_eq!(check(&mut logs, 10 * CHECKS_PER_TIMED), 10);
        assert_eq!(TICKS.load(Ordering::Relaxed), 2 * 10 * 7);
        assert_eq!(logs.rows()[0].values.value_at(1.0), 7);
    }

    #[test]
    fn traffic_adds_up_field_by_field() {
        let one = Traffic {
            messages_in: 1,
            bytes_in: 2,
            bytes_out: 3,
            bytes_rejected: 4,
            produces: 5,
            produces_failed: 6,
            fetches: 7,
            fetches_failed: 8,
        };
        let mut logs = Logs::default();
        logs.forget(one);
        logs.forget(one);
        let mut twice = one;
        twice += one;
        assert_eq!(logs.gone(), twice);
        assert_eq!((twice.messages_in, twice.fetches_failed), (2, 16));
    }
}
