//! How often which value came: the layout of HdrHistogram with two significant digits, as an array that
//! is as large as it will ever be.
//!
//! Values below 256 have a bucket each; from there on every doubling is divided into 128, so that a
//! bucket is at most 1/128 of what it holds. The crate hdrhistogram is the oracle of the tests and not
//! the implementation: recording there also keeps the least, the greatest and the total, which a reader
//! can have from the buckets, and takes 63 instructions instead of 12.
//!
//! A [`Histogram`] belongs to the thread that records; readers get a [`Snapshot`] of the buckets that
//! are not empty, which can be added, subtracted and asked for quantiles.

use crate::limits::HISTOGRAM_DIVISION_BITS;

/// Buckets of one doubling.
const DIVISION: usize = 1 << HISTOGRAM_DIVISION_BITS;
/// Buckets in all.
const BUCKETS: usize = (u64::BITS - HISTOGRAM_DIVISION_BITS + 1) as usize * DIVISION;

const _: () = assert!(bucket_of(u64::MAX) == BUCKETS - 1);
const _: () = assert!(BUCKETS <= u16::MAX as usize);

/// Counts of values, owned by whoever records. Never allocates once it is made.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    sum: u64,
}

/// The buckets of a histogram that are not empty, by their index.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    buckets: Vec<(u16, u64)>,
    sum: u64,
}

const fn bucket_of(value: u64) -> usize {
    // Most are: microseconds.
    if value < 2 * DIVISION as u64 {
        return value as usize;
    }
    let doublings = value.ilog2() - HISTOGRAM_DIVISION_BITS;
    ((doublings as usize) << HISTOGRAM_DIVISION_BITS) + (value >> doublings) as usize
}

/// The largest value of a bucket.
fn upper_bound(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let doublings = (bucket >> HISTOGRAM_DIVISION_BITS).saturating_sub(1);
    let within = bucket - (doublings << HISTOGRAM_DIVISION_BITS);
    (within << doublings) + ((1 << doublings) - 1)
}

impl Default for Histogram {
    fn default() -> Histogram {
        let counts = vec![0; BUCKETS].into_boxed_slice();
        Histogram {
            counts: counts.try_into().expect("of that length"),
            sum: 0,
        }
    }
}

impl Histogram {
    /// Counts a value.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.counts[bucket_of(value)] += 1;
        self.sum = self.sum.wrapping_add(value);
    }

    /// What has been counted so far.
    pub fn snapshot(&self) -> Snapshot {
        let counts = self.counts.iter().enumerate();
        Snapshot {
            buckets: counts
                .filter(|(_, count)| **count > 0)
                .map(|(bucket, count)| (bucket as u16, *count))
                .collect(),
            sum: self.sum,
        }
    }
}

impl Snapshot {
    /// A snapshot that was taken apart by [`Snapshot::buckets`]; nothing if it cannot have been one.
    pub fn from_buckets(buckets: Vec<(u16, u64)>, sum: u64) -> Option<Snapshot> {
        let ascends = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let known = buckets
            .last()
            .is_none_or(|(bucket, _)| usize::from(*bucket) < BUCKETS);
        (ascends && known).then_some(Snapshot { buckets, sum })
    }

    /// Index and count of every bucket that is not empty, in ascending order.
    pub fn buckets(&self) -> &[(u16, u64)] {
        &self.buckets
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// The sum of the values.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The value that the share `quantile` of all values does not exceed, to within a bucket; 0 if
    /// there are none. 1.0 is the greatest.
    pub fn value_at(&self, quantile: f64) -> u64 {
        let rank = (quantile * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return upper_bound(*bucket);
            }
        }
        self.buckets
            .last()
            .map_or(0, |(last, _)| upper_bound(*last))
    }

    /// How many values lie in buckets that end at `value` or before.
    pub fn count_up_to(&self, value: u64) -> u64 {
        let within = self.buckets.iter();
        within
            .take_while(|(bucket, _)| upper_bound(*bucket) <= value)
            .map(|(_, count)| count)
            .sum()
    }

    /// Adds what another thread has counted.
    pub fn add(&mut self, other: &Snapshot) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.buckets = combined(&self.buckets, &other.buckets, |mine, others| mine + others);
    }

    /// What has come since `earlier`, a snapshot of the same histogram.
    pub fn since(&self, earlier: &Snapshot) -> Snapshot {
        Snapshot {
            buckets: combined(&self.buckets, &earlier.buckets, u64::saturating_sub),
            sum: self.sum.saturating_sub(earlier.sum),
        }
    }
}

/// Both lists as one, counts of the same bucket put together.
fn combined(
    left: &[(u16, u64)],
    right: &[(u16, u64)],
    together: impl Fn(u64, u64) -> u64,
) -> Vec<(u16, u64)> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut buckets = Vec::with_capacity(left.len().max(right.len()));
    while let Some(bucket) = [left.peek(), right.peek()]
        .into_iter()
        .flatten()
        .map(|(bucket, _)| *bucket)
        .min()
    {
        let mine = left.next_if(|it| it.0 == bucket).map_or(0, |it| it.1);
        let others = right.next_if(|it| it.0 == bucket).map_or(0, |it| it.1);
        let count = together(mine, others);
        if count > 0 {
            buckets.push((bucket, count));
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUANTILES: [f64; 9] = [0.0, 0.1, 0.5, 0.75, 0.95, 0.99, 0.999, 0.9999, 1.0];

    /// Values of every magnitude below 2^60, the same each time.
    fn values(count: usize) -> impl Iterator<Item = u64> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        (0..count).map(move |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 4 >> (state % 60)
        })
    }

    #[test]
    fn quantiles_are_those_of_hdrhistogram_with_two_digits() {
        let mut ours = Histogram::default();
        let mut theirs = hdrhistogram::Histogram::<u64>::new_with_max(1 << 60, 2).unwrap();
        for value in values(100_000) {
            ours.record(value);
            theirs.record(value).unwrap();
        }
        let ours = ours.snapshot();
        assert_eq!(ours.count(), theirs.len());
        for quantile in QUANTILES {
            assert_eq!(
                ours.value_at(quantile),
                theirs.value_at_quantile(quantile),
                "{quantile}"
            );
        }
    }

    #[test]
    fn a_bucket_is_at_most_a_hundredth_of_its_values_wide() {
        for value in (0..63).flat_map(|bit| [1 << bit, (1 << bit) / 3 * 5]) {
            let upper = upper_bound(bucket_of(value) as u16);
            assert!(upper >= value, "{value}");
            assert!((upper - value) <= value / 100, "{value}: {upper}");
            assert_eq!(bucket_of(upper), bucket_of(value));
            assert_eq!(bucket_of(upper + 1), bucket_of(value) + 1);
        }
    }

    #[test]
    fn every_number_has_a_bucket() {
        let mut histogram = Histogram::default();
        histogram.record(u64::MAX);
        histogram.record(0);
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.buckets(), [(0, 1), (BUCKETS as u16 - 1, 1)]);
        let (least, greatest) = (snapshot.value_at(0.0), snapshot.value_at(1.0));
        assert_eq!((least, greatest), (0, u64::MAX));
    }

    #[test]
    fn shards_add_up_to_what_one_would_have_counted() {
        let (mut all, mut parts) = (Histogram::default(), vec![Histogram::default(); 3]);
        for (at, value) in values(5_000).enumerate() {
            all.record(value);
            parts[at % 3].record(value);
        }
        let mut sum = Snapshot::default();
        parts.iter().for_each(|part| sum.add(&part.snapshot()));
        assert_eq!(sum, all.snapshot());
    }

    #[test]
    fn what_came_since_an_earlier_snapshot_is_what_was_recorded_since() {
        let (mut all, mut late) = (Histogram::default(), Histogram::default());
        for value in 0..1_000 {
            all.record(value);
        }
        let earlier = all.snapshot();
        for value in 500..3_000 {
            all.record(value);
            late.record(value);
        }
        assert_eq!(all.snapshot().since(&earlier), late.snapshot());
        assert_eq!(earlier.since(&earlier), Snapshot::default());
    }

    #[test]
    fn values_up_to_a_bound_are_counted_by_whole_buckets() {
        let mut histogram = Histogram::default();
        for value in [1, 10, 200, 1000, 1001, 5000] {
            histogram.record(value);
        }
        let snapshot = histogram.snapshot();
        let counts = [0, 10, 255, 900, 1100, u64::MAX].map(|value| snapshot.count_up_to(value));
        assert_eq!(counts, [0, 2, 3, 3, 5, 6]);
    }

    #[test]
    fn nothing_recorded_has_no_quantiles() {
        assert_eq!(Snapshot::default().value_at(0.5), 0);
        assert_eq!(Histogram::default().snapshot(), Snapshot::default());
    }

    #[test]
    fn only_what_a_snapshot_may_be_is_put_together_again() {
        let mut histogram = Histogram::default();
        values(100).for_each(|value| histogram.record(value));
        let snapshot = histogram.snapshot();
        let again = Snapshot::from_buckets(snapshot.buckets().to_vec(), snapshot.sum());
        assert_eq!(again, Some(snapshot));
        assert_eq!(Snapshot::from_buckets(vec![(2, 1), (2, 1)], 4), None);
        assert_eq!(Snapshot::from_buckets(vec![(u16::MAX, 1)], 4), None);
    }
}
