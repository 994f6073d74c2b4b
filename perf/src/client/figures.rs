//! What is counted while a load runs: histograms and sums by second, merged over threads at the end.
//!
//! Latency is counted from the time a request was *meant* to be sent, service time from when it was
//! sent. A request belongs to the second in which it was meant to be sent; bytes and requests belong to
//! the second in which they were done.

use crate::clock::SECOND_NS;
use hdrhistogram::Histogram;
use serde::Serialize;

/// Three digits: an error of at most 0.1 %.
const DIGITS: u8 = 3;
/// Longer times count as this one, ns.
const LONGEST_NS: u64 = 120 * SECOND_NS;

/// What a histogram is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Produce, from when it was meant to be sent to its answer.
    Produce,
    /// Produce, from when it was sent.
    ProduceService,
    /// Fetch of records that are there, from when it was meant to be sent to its last byte.
    Fetch,
    /// The same from when it was sent.
    FetchService,
    /// From when a record was meant to be sent until a tail consumer had it.
    EndToEnd,
}

impl Measure {
    /// All of them.
    pub const ALL: [Measure; 5] = [
        Measure::Produce,
        Measure::ProduceService,
        Measure::Fetch,
        Measure::FetchService,
        Measure::EndToEnd,
    ];

    /// Its name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Produce => "produce",
            Measure::ProduceService => "produce-service",
            Measure::Fetch => "fetch",
            Measure::FetchService => "fetch-service",
            Measure::EndToEnd => "end-to-end",
        }
    }
}

/// Sums of one second.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize)]
pub struct Second {
    /// Produce requests answered (with acks=0: handed to the kernel).
    pub produced: u64,
    /// Records in them.
    pub produced_records: u64,
    /// Bytes of record sets in them.
    pub produced_bytes: u64,
    /// Fetch responses of tail consumers.
    pub tail_fetches: u64,
    /// Bytes of them.
    pub tail_bytes: u64,
    /// Fetch responses of the other consumers.
    pub fetches: u64,
    /// Bytes of them.
    pub fetched_bytes: u64,
}

impl Second {
    /// Adds another's sums.
    pub fn add(&mut self, other: &Second) {
        self.produced += other.produced;
        self.produced_records += other.produced_records;
        self.produced_bytes += other.produced_bytes;
        self.tail_fetches += other.tail_fetches;
        self.tail_bytes += other.tail_bytes;
        self.fetches += other.fetches;
        self.fetched_bytes += other.fetched_bytes;
    }
}

/// Counts of one thread, or of all together.
pub struct Figures {
    start_ns: u64,
    end_ns: u64,
    /// By second since the measuring began.
    pub seconds: Vec<Second>,
    /// By second, then as in [`Measure::ALL`].
    histograms: Vec<[Option<Histogram<u64>>; 5]>,
    /// Requests that got no answer before the load gave up.
    pub unanswered: u64,
}

impl Figures {
    /// Nothing is counted before [`Figures::begin`].
    pub fn new() -> Figures {
        Figures {
            start_ns: u64::MAX,
            end_ns: u64::MAX,
            seconds: Vec::new(),
            histograms: Vec::new(),
            unanswered: 0,
        }
    }

    /// The warm-up is over.
    pub fn begin(&mut self, at_ns: u64) {
        self.start_ns = at_ns;
    }

    /// Whatever is done or meant to be sent from here on does not count.
    pub fn end(&mut self, at_ns: u64) {
        self.end_ns = at_ns;
    }

    /// Counts one time, `times` over, of something meant for `meant_ns`.
    pub fn time(&mut self, measure: Measure, meant_ns: u64, took_ns: u64, times: u64) {
        if let Some(second) = self.second_of(meant_ns) {
            let histogram = self.histograms[second][measure as usize].get_or_insert_with(empty);
            histogram.saturating_record_n(took_ns.max(1), times);
        }
    }

    /// The sums of the second in which `at_ns` lies, if it counts.
    pub fn at(&mut self, at_ns: u64) -> Option<&mut Second> {
        let second = self.second_of(at_ns)?;
        Some(&mut self.seconds[second])
    }

    /// Adds another thread's figures of the same load.
    pub fn merge(&mut self, other: &Figures) {
        self.start_ns = self.start_ns.min(other.start_ns);
        self.unanswered += other.unanswered;
        self.grow(other.seconds.len());
        for (into, from) in self.seconds.iter_mut().zip(&other.seconds) {
            into.add(from);
        }
        for (into, from) in self.histograms.iter_mut().zip(&other.histograms) {
            for (into, from) in into.iter_mut().zip(from) {
                if let Some(from) = from {
                    let into = into.get_or_insert_with(empty);
                    into.add(from).expect("the bounds are the same");
                }
            }
        }
    }

    /// All seconds of a measure in one histogram, ns; `None` if nothing was counted.
    pub fn total(&self, measure: Measure) -> Option<Histogram<u64>> {
        let mut total: Option<Histogram<u64>> = None;
        for (_, histogram) in self.by_second(measure) {
            let total = total.get_or_insert_with(empty);
            total.add(histogram).expect("the bounds are the same");
        }
        total
    }

    /// The histograms of a measure, with their second.
    pub fn by_second(&self, measure: Measure) -> impl Iterator<Item = (usize, &Histogram<u64>)> {
        let histograms = self.histograms.iter().enumerate();
        histograms.filter_map(move |(second, all)| Some((second, all[measure as usize].as_ref()?)))
    }

    /// The sums of all seconds.
    pub fn sums(&self) -> Second {
        let mut sums = Second::default();
        self.seconds.iter().for_each(|it| sums.add(it));
        sums
    }

    fn second_of(&mut self, at_ns: u64) -> Option<usize> {
        if at_ns < self.start_ns || at_ns >= self.end_ns {
            return None;
        }
        let second = ((at_ns - self.start_ns) / SECOND_NS) as usize;
        self.grow(second + 1);
        Some(second)
    }

    fn grow(&mut self, seconds: usize) {
        if self.seconds.len() < seconds {
            self.seconds.resize(seconds, Second::default());
            self.histograms.resize_with(seconds, Default::default);
        }
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("bounds that a histogram can have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_meant_for_the_measured_time_counts_and_threads_add_up() {
        let mut figures = Figures::new();
        figures.time(Measure::Produce, 5, 1, 1);
        figures.begin(SECOND_NS);
        figures.time(Measure::Produce, SECOND_NS - 1, 1, 1);
        figures.time(Measure::Produce, SECOND_NS, 1_000, 1);
        figures.time(Measure::Produce, 3 * SECOND_NS, 3_000, 2);
        figures.end(4 * SECOND_NS);
        figures.time(Measure::Produce, 4 * SECOND_NS, 1, 1);
        assert!(figures.at(4 * SECOND_NS).is_none());
        figures.at(2 * SECOND_NS).expect("it counts").produced += 4;
        let mut other = Figures::new();
        other.begin(SECOND_NS);
        other.time(Measure::Produce, SECOND_NS, 9_000, 1);
        other.at(SECOND_NS).expect("it counts").produced += 1;
        figures.merge(&other);
        let total = figures.total(Measure::Produce).expect("counted");
        assert_eq!(total.len(), 4);
        assert!(total.max().abs_diff(9_000) < 16);
        assert_eq!(figures.sums().produced, 5);
        let by_second: Vec<_> = figures.by_second(Measure::Produce).collect();
        assert_eq!(by_second.len(), 2);
        assert_eq!((by_second[0].0, by_second[0].1.len()), (0, 2));
        assert!(figures.total(Measure::Fetch).is_none());
    }
}
