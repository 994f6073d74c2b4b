//! What is counted while a load runs: histograms and sums by slice of time (a second, as a rule), merged
//! over threads at the end.
//!
//! Latency is counted from the time a request was *meant* to be sent, service time from when it was
//! sent. A request belongs to the slice in which it was meant to be sent; bytes and requests belong to
//! the slice in which they were done.

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

/// Sums of one slice.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize)]
pub struct Slice {
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

impl Slice {
    /// Adds another's sums.
    pub fn add(&mut self, other: &Slice) {
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
    slice_ns: u64,
    /// By slice since the measuring began.
    pub slices: Vec<Slice>,
    /// By slice, then as in [`Measure::ALL`].
    histograms: Vec<[Option<Histogram<u64>>; 5]>,
    /// Requests that got no answer before the load gave up.
    pub unanswered: u64,
}

impl Figures {
    /// Slices of so many ns; nothing is counted before [`Figures::begin`].
    pub fn new(slice_ns: u64) -> Figures {
        Figures {
            start_ns: u64::MAX,
            end_ns: u64::MAX,
            slice_ns,
            slices: Vec::new(),
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
        if let Some(slice) = self.slice_of(meant_ns) {
            let histogram = self.histograms[slice][measure as usize].get_or_insert_with(empty);
            histogram.saturating_record_n(took_ns.max(1), times);
        }
    }

    /// The sums of the slice in which `at_ns` lies, if it counts.
    pub fn at(&mut self, at_ns: u64) -> Option<&mut Slice> {
        let slice = self.slice_of(at_ns)?;
        Some(&mut self.slices[slice])
    }

    /// How long a slice is, s.
    pub fn slice_s(&self) -> f64 {
        self.slice_ns as f64 / SECOND_NS as f64
    }

    /// Adds another thread's figures of the same load.
    pub fn merge(&mut self, other: &Figures) {
        self.start_ns = self.start_ns.min(other.start_ns);
        self.unanswered += other.unanswered;
        self.grow(other.slices.len());
        for (into, from) in self.slices.iter_mut().zip(&other.slices) {
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

    /// All slices of a measure in one histogram, ns; `None` if nothing was counted.
    pub fn total(&self, measure: Measure) -> Option<Histogram<u64>> {
        let mut total: Option<Histogram<u64>> = None;
        for (_, histogram) in self.by_slice(measure) {
            let total = total.get_or_insert_with(empty);
            total.add(histogram).expect("the bounds are the same");
        }
        total
    }

    /// The histograms of a measure, with the number of their slice.
    pub fn by_slice(&self, measure: Measure) -> impl Iterator<Item = (usize, &Histogram<u64>)> {
        let histograms = self.histograms.iter().enumerate();
        histograms.filter_map(move |(slice, all)| Some((slice, all[measure as usize].as_ref()?)))
    }

    /// The sums of all slices.
    pub fn sums(&self) -> Slice {
        let mut sums = Slice::default();
        self.slices.iter().for_each(|it| sums.add(it));
        sums
    }

    fn slice_of(&mut self, at_ns: u64) -> Option<usize> {
        if at_ns < self.start_ns || at_ns >= self.end_ns {
            return None;
        }
        let slice = ((at_ns - self.start_ns) / self.slice_ns) as usize;
        self.grow(slice + 1);
        Some(slice)
    }

    fn grow(&mut self, slices: usize) {
        if self.slices.len() < slices {
            self.slices.resize(slices, Slice::default());
            self.histograms.resize_with(slices, Default::default);
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
        let mut figures = Figures::new(SECOND_NS);
        figures.time(Measure::Produce, 5, 1, 1);
        figures.begin(SECOND_NS);
        figures.time(Measure::Produce, SECOND_NS - 1, 1, 1);
        figures.time(Measure::Produce, SECOND_NS, 1_000, 1);
        figures.time(Measure::Produce, 3 * SECOND_NS, 3_000, 2);
        figures.end(4 * SECOND_NS);
        figures.time(Measure::Produce, 4 * SECOND_NS, 1, 1);
        assert!(figures.at(4 * SECOND_NS).is_none());
        figures.at(2 * SECOND_NS).expect("it counts").produced += 4;
        let mut other = Figures::new(SECOND_NS);
        other.begin(SECOND_NS);
        other.time(Measure::Produce, SECOND_NS, 9_000, 1);
        other.at(SECOND_NS).expect("it counts").produced += 1;
        figures.merge(&other);
        let total = figures.total(Measure::Produce).expect("counted");
        assert_eq!(total.len(), 4);
        assert!(total.max().abs_diff(9_000) < 16);
        assert_eq!(figures.sums().produced, 5);
        let by_slice: Vec<_> = figures.by_slice(Measure::Produce).collect();
        assert_eq!(by_slice.len(), 2);
        assert_eq!((by_slice[0].0, by_slice[0].1.len()), (0, 2));
        assert!(figures.total(Measure::Fetch).is_none());
    }
}
