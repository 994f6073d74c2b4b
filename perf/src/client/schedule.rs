//! When requests are meant to be sent, whatever the broker does: the open loop.
//!
//! Arrivals depend on nothing but the rate and a seed, so a broker that stalls does not make its own
//! load lighter: what was due during the stall counts with all the time it waited.

use crate::clock::SECOND_NS;
use crate::corpus::Random;
use serde::Serialize;

/// How arrivals are spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// At equal distances.
    Constant,
    /// Independent of each other: exponential distances.
    Poisson,
}

/// The times at which requests are due.
pub struct Schedule {
    arrivals: Arrivals,
    start_ns: u64,
    per_s: f64,
    random: Random,
    /// Arrivals so far.
    count: u64,
    /// Of the next one, since the start, ns.
    next: f64,
}

impl Schedule {
    /// So many a second from `start_ns` on.
    pub fn new(arrivals: Arrivals, per_s: f64, start_ns: u64, seed: u64) -> Schedule {
        assert!(per_s > 0.0, "a rate is positive");
        let mut schedule = Schedule {
            arrivals,
            start_ns,
            per_s,
            random: Random::new(seed),
            count: 0,
            next: 0.0,
        };
        if arrivals == Arrivals::Poisson {
            schedule.next = schedule.distance();
        }
        schedule
    }

    /// When the next request is due, ns.
    pub fn next_ns(&self) -> u64 {
        self.start_ns + self.next as u64
    }

    /// The next time, if it is due.
    pub fn take(&mut self, now_ns: u64) -> Option<u64> {
        let due = self.next_ns();
        if due > now_ns {
            return None;
        }
        self.count += 1;
        self.next = match self.arrivals {
            // By multiplication: adding up a rounded distance would drift.
            Arrivals::Constant => self.count as f64 * (SECOND_NS as f64 / self.per_s),
            Arrivals::Poisson => self.next + self.distance(),
        };
        Some(due)
    }

    fn distance(&mut self) -> f64 {
        -self.random.fraction().ln() * SECOND_NS as f64 / self.per_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(arrivals: Arrivals, per_s: f64, seconds: u64) -> Vec<u64> {
        let mut schedule = Schedule::new(arrivals, per_s, 1_000, 7);
        std::iter::from_fn(|| schedule.take(1_000 + seconds * SECOND_NS - 1)).collect()
    }

    #[test]
    fn constant_arrivals_keep_rate_and_distance_for_hours() {
        let due = within(Arrivals::Constant, 3.0, 7_200);
        assert_eq!(due.len(), 3 * 7_200);
        assert_eq!(due[0], 1_000);
        assert_eq!(due[3 * 7_000], 1_000 + 7_000 * SECOND_NS);
        let distances = due.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(
            distances
                .into_iter()
                .all(|it| it.abs_diff(333_333_333) <= 1)
        );
    }

    #[test]
    fn poisson_arrivals_keep_the_rate_and_vary() {
        let due = within(Arrivals::Poisson, 1_000.0, 100);
        assert!(due.len().abs_diff(100_000) < 1_500, "{}", due.len());
        let short = due.windows(2).filter(|pair| pair[1] - pair[0] < 100_000);
        // 1 - exp(-0.1) of the distances are below a tenth of the mean.
        assert!((short.count() as f64 / due.len() as f64 - 0.095).abs() < 0.01);
        assert_eq!(due, within(Arrivals::Poisson, 1_000.0, 100));
    }

    #[test]
    fn a_pause_of_the_caller_loses_no_arrival() {
        let mut schedule = Schedule::new(Arrivals::Constant, 1_000.0, 0, 1);
        assert_eq!(schedule.take(0), Some(0));
        assert_eq!(schedule.take(0), None);
        let late: Vec<u64> = std::iter::from_fn(|| schedule.take(SECOND_NS)).collect();
        assert_eq!(late.len(), 1_000);
        assert_eq!(late[0], 1_000_000, "it counts from when it was due");
    }
}
