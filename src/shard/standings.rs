//! How far groups have come, and since when what they have not consumed is there: what the console asks,
//! in portions that hold up nobody. Records are read off the shard.

use super::fetch::{LookUp, To};
use super::inspect::{Inspected, TimePart};
use super::mail::{Answer, ReadResult};
use super::{Outbox, Parts, ReturnTo, Shard, Waiting};
use crate::group::{Bookmark, StandingPage};
use crate::limits::GROUP_STANDINGS_PER_PAGE;
use crate::log::Isolation;
use crate::metadata::OFFSETS_TOPIC_NAME;
use crate::store::{Task, TaskOutcome, Want};
use crate::types::{Now, Offset, PartitionIndex, Timestamp};

impl Shard {
    /// The groups that are coordinated here, from that place on. Those that are still being loaded are
    /// left out.
    pub fn group_standings(&self, now: Now, from: Option<Bookmark>) -> StandingPage {
        let mut page = StandingPage {
            at: now.wall,
            standings: Vec::new(),
            next: None,
        };
        let Some(topic) = self.image.topic(OFFSETS_TOPIC_NAME) else {
            return page;
        };
        let (first, mut told) = match from {
            Some(Bookmark { coordinator, told }) => (coordinator, told),
            None => (PartitionIndex(0), None),
        };
        let mut room = GROUP_STANDINGS_PER_PAGE;
        for (index, slot) in self.partitions.of_topic(topic.id, first) {
            let told = told.take().filter(|_| index == first);
            let partition = self.slots[slot as usize].as_ref();
            let groups = partition.and_then(|it| it.groups.as_ref());
            let Some(groups) = groups.filter(|groups| groups.loading.is_none()) else {
                continue;
            };
            let mut stopped = None;
            if room > 0 {
                let coordinator = &groups.coordinator;
                let (standings, left) =
                    coordinator.standings(&self.image, told.as_ref(), &mut room);
                page.standings.extend(standings);
                if left.is_none() {
                    continue;
                }
                stopped = left;
            }
            page.next = Some(Bookmark {
                coordinator: index,
                told: stopped,
            });
            break;
        }
        page
    }

    /// Answers when the records at these places were written.
    pub(super) fn times(&mut self, from: ReturnTo, parts: Vec<TimePart>, out: &mut Outbox) {
        // Logs that are being closed are not read any more.
        if parts.is_empty() || self.gives_groups_up {
            return out.answer(from, Answer::Inspected(Inspected::Times(Vec::new())));
        }
        let told = Parts::Times(Vec::with_capacity(parts.len()));
        let gather = self.open_gather(from, parts.len(), told);
        for part in parts {
            let Ok((slot, _)) = self.serving(part.partition) else {
                self.time_told(gather, part.index, None, out);
                continue;
            };
            let want = Want {
                offset: part.offset,
                // The first batch comes whole, and there is no need of more.
                bytes_max: 1,
                isolation: Isolation::ReadUncommitted,
            };
            let index = part.index;
            self.look_up(slot, LookUp::new(To::Time { gather, index }, want), out);
        }
    }

    /// Here is where the record lies.
    pub(super) fn time_place_found(
        &mut self,
        (gather, index): (u64, u32),
        offset: Offset,
        result: ReadResult,
        out: &mut Outbox,
    ) {
        match result.range {
            Some(range) => {
                let task = Task::TellTime { range, offset };
                self.submit_task(Waiting::Time { gather, index }, task, out);
            }
            None => self.time_told(gather, index, None, out),
        }
    }

    /// It is read.
    pub(super) fn time_read(
        &mut self,
        gather: u64,
        index: u32,
        outcome: TaskOutcome,
        out: &mut Outbox,
    ) {
        let TaskOutcome::Time(read) = outcome else {
            unreachable!("a time was to be read")
        };
        // A segment may go while it is read, and a disk that fails says so to whoever needs it.
        let time = read.unwrap_or_else(|error| {
            tracing::debug!("the time of a record: {error}");
            None
        });
        self.time_told(gather, index, time, out);
    }

    fn time_told(&mut self, gather: u64, index: u32, time: Option<Timestamp>, out: &mut Outbox) {
        let time = time.filter(|time| time.0 >= 0);
        self.gather(gather, out, |parts| match parts {
            Parts::Times(parts) => parts.push((index, time)),
            _ => unreachable!("times are gathered"),
        });
    }
}
