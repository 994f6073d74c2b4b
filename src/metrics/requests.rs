//! The side of the connections: what they have moved, and how long requests took.

use super::histogram::Histogram;
use super::report::{ApiReport, Row};
use crate::limits::{API_KEYS, API_VERSIONS};
use crate::types::{Now, TopicId};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

/// What the connections of a shard have done since its start.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Connections that came in.
    pub connections_opened: u64,
    /// Connections that are gone.
    pub connections_closed: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Receives that brought something.
    pub receives: u64,
    /// Requests received.
    pub frames: u64,
    /// Replies handed to a sender, empty ones not counted.
    pub replies: u64,
    /// Bytes sent from memory.
    pub bytes_sent: u64,
    /// Bytes sent from files by the kernel.
    pub bytes_sent_by_sendfile: u64,
    /// Bytes of files sent through a pipe.
    pub bytes_spliced: u64,
    /// Bytes of files read into memory in order to be sent.
    pub bytes_read: u64,
    /// Sends and sendfiles that found no room.
    pub sends_blocked: u64,
    /// File ranges that were not in the page cache.
    pub cold_ranges: u64,
    /// Frames that had to wait for the byte budget.
    pub frames_parked: u64,
    /// Microseconds that the event loop has worked.
    pub worked_us: u64,
}

/// The kinds of requests that are told apart in every stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Produce.
    Produce,
    /// Fetch.
    Fetch,
    /// Everything else.
    Other,
}

/// Kafka's keys of the two.
const PRODUCE: u8 = 0;
const FETCH: u8 = 1;

impl Class {
    const ALL: [Class; 3] = [Class::Produce, Class::Fetch, Class::Other];

    fn of(api: u8) -> Class {
        match api {
            PRODUCE => Class::Produce,
            FETCH => Class::Fetch,
            _ => Class::Other,
        }
    }

    /// Its name, as a label.
    pub fn name(self) -> &'static str {
        match self {
            Class::Produce => "produce",
            Class::Fetch => "fetch",
            Class::Other => "other",
        }
    }
}

/// What is remembered of a request until its answer has left: one word, since it is moved a dozen times
/// on the way of a request (as three fields it was 0.3 % of a 1 KiB produce).
///
/// From the top: the API's key plus one, so that no meter is 0; the microseconds until its answer, once it
/// is answered; the moment at which it came, in microseconds of the monotonic clock. Moments are counted
/// round, so a request that takes longer than half an hour shows as one that took what is left over; and
/// how long the send of an answer took is not told where the answer took longer than a minute.
#[derive(Clone, Copy, Debug)]
pub struct Meter(NonZeroU64);

const CAME_BITS: u32 = 31;
const CAME_MASK: u64 = (1 << CAME_BITS) - 1;
const AFTER_BITS: u32 = 26;
const AFTER_MASK: u64 = (1 << AFTER_BITS) - 1;
const API_SHIFT: u32 = CAME_BITS + AFTER_BITS;
/// The key of a request that is not measured, which is no API's.
const NOT_MEASURED: u8 = (1 << (u64::BITS - API_SHIFT)) - 2;

const _: () = assert!(API_KEYS <= NOT_MEASURED as usize);

impl Default for Meter {
    /// Of a request that is not measured.
    fn default() -> Meter {
        Meter::new(NOT_MEASURED, 0)
    }
}

impl Meter {
    #[inline]
    fn new(api: u8, came_us: u64) -> Meter {
        let bits = (u64::from(api) + 1) << API_SHIFT | came_us & CAME_MASK;
        Meter(NonZeroU64::new(bits).expect("its top is not 0"))
    }

    #[inline]
    fn api(self) -> u8 {
        (self.0.get() >> API_SHIFT) as u8 - 1
    }

    /// Microseconds since it came.
    #[inline]
    fn since_us(self, now_us: u64) -> u64 {
        now_us.wrapping_sub(self.0.get()) & CAME_MASK
    }

    /// Its answer is there. Said once.
    #[inline]
    pub fn answered(&mut self, now: Now) {
        self.0 |= self.since_us(now.monotonic_us).min(AFTER_MASK) << CAME_BITS;
    }

    /// Microseconds from its coming to its answer, if they can be told.
    #[inline]
    fn answered_after_us(self) -> Option<u64> {
        let after_us = self.0.get() >> CAME_BITS & AFTER_MASK;
        (after_us < AFTER_MASK).then_some(after_us)
    }
}

/// One API.
struct Api {
    versions: [u64; API_VERSIONS],
    errors: BTreeMap<i16, u64>,
    total: Histogram,
}

impl Api {
    #[cold]
    #[inline(never)]
    fn new() -> Box<Api> {
        Box::new(Api {
            versions: [0; API_VERSIONS],
            errors: BTreeMap::new(),
            total: Histogram::default(),
        })
    }
}

/// One shard's figures of connections and requests.
pub struct Requests {
    /// What connections have moved.
    pub counters: Counters,
    apis: Vec<Option<Box<Api>>>,
    queue: [Histogram; 3],
    send: [Histogram; 3],
    throttle: [Histogram; 3],
    fetch_wait: Histogram,
    bytes_out: BTreeMap<TopicId, u64>,
    /// Of topics that have been deleted.
    bytes_out_gone: u64,
}

impl Default for Requests {
    fn default() -> Requests {
        Requests {
            counters: Counters::default(),
            apis: (0..API_KEYS).map(|_| None).collect(),
            queue: Default::default(),
            send: Default::default(),
            throttle: Default::default(),
            fetch_wait: Histogram::default(),
            bytes_out: BTreeMap::new(),
            bytes_out_gone: 0,
        }
    }
}

impl Requests {
    /// A request's handler begins; its bytes were there at `came_us`.
    ///
    /// Not inlined: where it is called many values are in registers, and spilling them costs more than the call.
    #[inline(never)]
    pub fn begun(&mut self, api: i16, version: i16, came_us: u64, now: Now) -> Meter {
        let Some(slot) = self.apis.get_mut(usize::from(api as u16)) else {
            return Meter::default();
        };
        let version = usize::from(version as u16).min(API_VERSIONS - 1);
        slot.get_or_insert_with(Api::new).versions[version] += 1;
        let api = api as u8;
        self.queue[Class::of(api) as usize].record(now.monotonic_us - came_us);
        Meter::new(api, came_us)
    }

    /// The last byte of an answer is in the socket, or there is none to send.
    pub fn sent(&mut self, meter: Meter, now_us: u64) {
        let Some(Some(api)) = self.apis.get_mut(usize::from(meter.api())) else {
            return;
        };
        let total_us = meter.since_us(now_us);
        api.total.record(total_us);
        if let Some(after_us) = meter.answered_after_us() {
            let send_us = total_us.saturating_sub(after_us);
            self.send[Class::of(meter.api()) as usize].record(send_us);
        }
    }

    /// An answer that tells this error, by Kafka's code.
    pub fn refused(&mut self, api: i16, code: i16) {
        if let Some(Some(api)) = self.apis.get_mut(usize::from(api as u16)) {
            *api.errors.entry(code).or_default() += 1;
        }
    }

    /// The client of a request is held back.
    pub fn held_back(&mut self, meter: Meter, us: u64) {
        self.throttle[Class::of(meter.api()) as usize].record(us);
    }

    /// A fetch is answered.
    pub fn fetched(&mut self, began_us: u64, now: Now) {
        self.fetch_wait.record(now.monotonic_us - began_us);
    }

    /// Records of a topic are on their way to a client.
    pub fn bytes_out(&mut self, topic: TopicId, bytes: u64) {
        *self.bytes_out.entry(topic).or_default() += bytes;
    }

    /// Every stage, for a report.
    pub fn rows(&self) -> Vec<Row> {
        let classes = [
            ("queue", &self.queue),
            ("send", &self.send),
            ("throttle", &self.throttle),
        ];
        let fetch_wait = ("fetch_wait", Class::Fetch.name(), &self.fetch_wait);
        let by_class = classes.into_iter().flat_map(|(stage, table)| {
            let of = Class::ALL.into_iter().zip(table);
            of.map(move |(class, histogram)| (stage, class.name(), histogram))
        });
        by_class
            .chain([fetch_wait])
            .map(|(stage, class, histogram)| Row::of_us(stage, class, histogram))
            .collect()
    }

    /// Every API that was asked for.
    pub fn apis(&self) -> Vec<ApiReport> {
        let apis = self.apis.iter().enumerate();
        apis.filter_map(|(key, api)| {
            let api = api.as_ref()?;
            let versions = api.versions.iter().enumerate();
            let errors = api.errors.iter();
            Some(ApiReport {
                key: key as i16,
                versions: versions
                    .filter(|(_, count)| **count > 0)
                    .map(|(version, count)| (version as i16, *count))
                    .collect(),
                errors: errors.map(|(code, count)| (*code, *count)).collect(),
                total_us: api.total.snapshot(),
            })
        })
        .collect()
    }

    /// Bytes of records sent of each topic that has a name, and of all that are gone.
    pub fn bytes_out_by_topic(
        &mut self,
        name: impl Fn(TopicId) -> Option<Arc<str>>,
    ) -> (Vec<(Arc<str>, u64)>, u64) {
        let mut named = Vec::with_capacity(self.bytes_out.len());
        self.bytes_out.retain(|topic, bytes| match name(*topic) {
            Some(name) => {
                named.push((name, *bytes));
                true
            }
            None => {
                self.bytes_out_gone += *bytes;
                false
            }
        });
        (named, self.bytes_out_gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Timestamp, Uuid};

    fn at(monotonic_us: u64) -> Now {
        Now {
            monotonic_us,
            wall: Timestamp(0),
        }
    }

    fn row(requests: &Requests, stage: &str, class: &str) -> (u64, u64) {
        let rows = requests.rows();
        let mut found = rows
            .iter()
            .filter(|row| (row.stage, row.class) == (stage, class));
        let values = &found.next().expect("a row of that name").values;
        (values.count(), values.value_at(1.0))
    }

    #[test]
    fn a_request_shows_in_its_api_and_in_the_stages_of_its_class() {
        let mut requests = Requests::default();
        let mut meter = requests.begun(0, 13, 100, at(120));
        meter.answered(at(150));
        requests.sent(meter, 160);
        assert_eq!(row(&requests, "queue", "produce"), (1, 20));
        assert_eq!(row(&requests, "send", "produce"), (1, 10));
        assert_eq!(row(&requests, "queue", "fetch"), (0, 0));
        let apis = requests.apis();
        assert_eq!((apis.len(), apis[0].key), (1, 0));
        assert_eq!(apis[0].versions, [(13, 1)]);
        assert_eq!((apis[0].total_us.count(), apis[0].total_us.sum()), (1, 60));
    }

    #[test]
    fn moments_are_counted_round() {
        let mut requests = Requests::default();
        let came_us = (7 << CAME_BITS) - 5;
        let mut meter = requests.begun(1, 13, came_us, at(came_us + 1));
        meter.answered(at(came_us + 20));
        requests.sent(meter, came_us + 50);
        assert_eq!(row(&requests, "send", "fetch"), (1, 30));
        assert_eq!(requests.apis()[0].total_us.sum(), 50);
    }

    #[test]
    fn an_answer_that_took_minutes_tells_its_total_and_not_its_send() {
        let mut requests = Requests::default();
        let mut meter = requests.begun(11, 9, 100, at(100));
        meter.answered(at(100 + 300_000_000));
        requests.sent(meter, 300_000_110);
        assert_eq!(row(&requests, "send", "other"), (0, 0));
        assert_eq!(requests.apis()[0].total_us.sum(), 300_000_010);
    }

    #[test]
    fn what_no_api_has_is_not_measured_and_harms_nothing() {
        let mut requests = Requests::default();
        for key in [-1, API_KEYS as i16, i16::MIN, i16::MAX] {
            let meter = requests.begun(key, -1, 0, at(5));
            requests.sent(meter, 9);
            requests.refused(key, 35);
        }
        requests.sent(Meter::default(), 9);
        requests.refused(18, 35);
        assert!(requests.apis().is_empty());
        requests.begun(18, i16::MAX, 0, at(5));
        requests.refused(18, 35);
        assert_eq!(requests.apis()[0].versions, [(API_VERSIONS as i16 - 1, 1)]);
        assert_eq!(requests.apis()[0].errors, [(35, 1)]);
    }

    #[test]
    fn what_a_deleted_topic_has_sent_stays_in_the_sum() {
        let mut requests = Requests::default();
        let [kept, gone] = [1, 2].map(|id| Uuid([id; 16]));
        requests.bytes_out(kept, 10);
        requests.bytes_out(gone, 5);
        requests.bytes_out(kept, 1);
        let name = |id| (id == kept).then(|| Arc::from("kept"));
        for _ in 0..2 {
            let (named, gone) = requests.bytes_out_by_topic(name);
            assert_eq!((named, gone), (vec![(Arc::from("kept"), 11)], 5));
        }
    }
}
