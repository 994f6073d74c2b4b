//! One turn: a call, or what is due, in one group. It carries what the group may use, and gathers what
//! comes of it.

use super::call::Reply;
use super::config::GroupConfig;
use super::coordinator::{Record, Step};
use super::timers::{GroupNumber, MemberNumber, Numbers, Timer, Timers};
use crate::batch::HEADER_BYTES;
use crate::limits::GROUP_RECORD_OVERHEAD_BYTES;
use crate::types::{Now, ReturnTo};
use std::sync::Arc;

/// A [`Step`] in the making. Its records never outgrow a batch.
pub(in crate::group) struct Draft {
    step: Step,
    /// How many of the records are taken in.
    settled: usize,
    bytes: usize,
    bytes_max: usize,
}

impl Draft {
    /// Nothing yet.
    pub(in crate::group) fn new(config: &GroupConfig) -> Draft {
        Draft {
            step: Step::default(),
            settled: 0,
            bytes: HEADER_BYTES,
            bytes_max: config.batch_bytes_max,
        }
    }

    /// Adds these records if all of them fit.
    pub(in crate::group) fn push_all(&mut self, records: Vec<Record>) -> bool {
        let bytes: usize = records.iter().map(size).sum();
        let fit = self.bytes + bytes <= self.bytes_max;
        if fit {
            self.bytes += bytes;
            self.step.records.extend(records);
        }
        fit
    }

    /// Adds a record if it fits.
    pub(in crate::group) fn push(&mut self, record: Record) -> bool {
        self.push_all(vec![record])
    }

    /// Whether a record would fit into a batch of its own.
    pub(in crate::group) fn could_hold(&self, record: &Record) -> bool {
        HEADER_BYTES + size(record) <= self.bytes_max
    }

    /// The records that are not taken in yet, which they are from now on.
    pub(in crate::group) fn settle(&mut self) -> &[Record] {
        let from = std::mem::replace(&mut self.settled, self.step.records.len());
        &self.step.records[from..]
    }

    /// Whether these records would fit into a batch of their own.
    pub(in crate::group) fn could_hold_all(&self, records: &[Record]) -> bool {
        HEADER_BYTES + records.iter().map(size).sum::<usize>() <= self.bytes_max
    }

    /// Whether there are any records.
    pub(in crate::group) fn has_records(&self) -> bool {
        !self.step.records.is_empty()
    }

    /// Whether there are records enough to be sent on their way.
    pub(in crate::group) fn is_well_filled(&self) -> bool {
        !self.step.records.is_empty() && self.bytes > self.bytes_max / 4
    }

    /// Answers whoever waits.
    pub(in crate::group) fn reply(&mut self, to: ReturnTo, reply: Reply) {
        self.step.replies.push((to, reply));
    }

    /// What has come of it.
    pub(in crate::group) fn finish(self) -> Step {
        self.step
    }
}

/// The bytes of a record in a batch, or a few more.
fn size(record: &Record) -> usize {
    record.key.len() + record.value.as_ref().map_or(0, Vec::len) + GROUP_RECORD_OVERHEAD_BYTES
}

/// What a group may use in its turn.
pub(in crate::group) struct Turn<'a> {
    pub(in crate::group) config: &'a GroupConfig,
    pub(in crate::group) now: Now,
    /// The group's id.
    pub(in crate::group) id: &'a Arc<str>,
    pub(in crate::group) group: GroupNumber,
    pub(in crate::group) timers: &'a mut Timers,
    pub(in crate::group) numbers: &'a mut Numbers,
    pub(in crate::group) draft: &'a mut Draft,
}

impl Turn<'_> {
    /// Sets one of the group's timers, ms from now.
    pub(in crate::group) fn set(&mut self, timer: Timer, delay_ms: i32) {
        let delay_us = u64::try_from(delay_ms).unwrap_or(0) * 1000;
        let due_us = self.now.monotonic_us.saturating_add(delay_us);
        self.timers.set(self.group, timer, due_us);
    }

    /// Forgets one of the group's timers.
    pub(in crate::group) fn cancel(&mut self, timer: Timer) {
        self.timers.cancel(self.group, timer);
    }

    /// The member may be silent for so long from now on.
    pub(in crate::group) fn start_session(&mut self, member: MemberNumber, timeout_ms: i32) {
        self.set(Timer::Session(member), timeout_ms);
    }

    /// Answers whoever waits.
    pub(in crate::group) fn reply(&mut self, to: ReturnTo, reply: Reply) {
        self.draft.reply(to, reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Builder;
    use crate::types::{LeaderEpoch, Offset, Timestamp};

    #[test]
    fn what_fits_a_draft_fits_a_batch() {
        for (count, key, value) in [(1, 0, 0), (3, 200, 70_000), (2000, 40, 60)] {
            let records: Vec<Record> = (0..count)
                .map(|_| Record {
                    key: vec![1; key],
                    value: Some(vec![2; value]),
                })
                .collect();
            let reckoned = HEADER_BYTES + records.iter().map(size).sum::<usize>();
            let mut batch = Builder::new(Offset(0), LeaderEpoch(0));
            for (at, record) in records.iter().enumerate() {
                let timestamp = Timestamp(i64::MIN / 2 + at as i64);
                batch.push(timestamp, Some(&record.key), record.value.as_deref(), &[]);
            }
            let bytes = batch.finish().len();
            assert!(bytes <= reckoned, "{bytes} > {reckoned}");
        }
    }

    #[test]
    fn a_draft_takes_records_up_to_its_bound_and_no_further() {
        let config = GroupConfig {
            batch_bytes_max: HEADER_BYTES + 2 * (GROUP_RECORD_OVERHEAD_BYTES + 10),
            ..GroupConfig::default()
        };
        let record = |key: usize| Record {
            key: vec![0; key],
            value: None,
        };
        let mut draft = Draft::new(&config);
        assert!(!draft.is_well_filled());
        assert!(draft.push(record(10)));
        assert!(draft.is_well_filled());
        assert!(!draft.push(record(11)));
        assert!(draft.could_hold(&record(11)));
        assert!(draft.push(record(10)));
        assert!(!draft.push(record(0)));
        assert!(!draft.could_hold(&record(1000)));
        assert_eq!(draft.finish().records.len(), 2);
    }
}
