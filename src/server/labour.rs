//! How long requests take: the time that the event loop has measured, shared out among the requests of
//! that time by what each was expected to take ([`expected_ns`]).

use crate::api::expected_ns;

/// Work that is looked at together, microseconds.
const WINDOW_US: u64 = 100_000;

/// Work besides requests (recovery of segments, thousands of partitions being made) is not charged to
/// those who ask at the time: beyond these multiples nothing is believed.
const SLOWNESS: std::ops::RangeInclusive<f64> = 1.0 / 16.0..=16.0;

/// The work of one shard.
pub(super) struct Labour {
    worked_us: u64,
    expected_ns: f64,
    slowness: f64,
}

impl Default for Labour {
    fn default() -> Labour {
        Labour {
            worked_us: 0,
            expected_ns: 0.0,
            slowness: 1.0,
        }
    }
}

impl Labour {
    /// A request of so many bytes is begun.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.expected_ns += expected_ns(bytes);
    }

    /// It is answered with so many.
    pub(super) fn answered(&mut self, bytes: u64) {
        self.expected_ns += expected_ns(bytes) - expected_ns(0);
    }

    /// The shard has worked for so long since this was last told.
    pub(super) fn worked(&mut self, us: u64) {
        self.worked_us += us;
        if self.worked_us < WINDOW_US {
            return;
        }
        if self.expected_ns > 0.0 {
            let now = self.worked_us as f64 * 1000.0 / self.expected_ns;
            let now = now.clamp(*SLOWNESS.start(), *SLOWNESS.end());
            self.slowness += (now - self.slowness) / 4.0;
        }
        (self.worked_us, self.expected_ns) = (0, 0.0);
    }

    /// How long requests take, as a multiple of what is expected.
    pub(super) fn slowness(&self) -> f64 {
        self.slowness
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_requests_are_charged_adds_up_to_what_was_measured() {
        let mut labour = Labour::default();
        let mut charged_ns = 0.0;
        let mut worked_us = 0;
        for round in 0..1_000_000_u64 {
            let bytes = round % 7 * 10_000;
            labour.expect(bytes);
            charged_ns += expected_ns(bytes) * labour.slowness();
            labour.worked(9);
            worked_us += 9;
        }
        let charged_us = charged_ns / 1000.0;
        let ratio = charged_us / worked_us as f64;
        // All but the first windows, in which nothing had been measured yet.
        assert!((0.95..1.3).contains(&ratio), "{ratio}");
        assert!((labour.slowness() * 50_000.0 - 9_000.0).abs() < 200.0);
    }

    #[test]
    fn a_shard_that_waits_learns_nothing() {
        let mut labour = Labour::default();
        labour.worked(10 * WINDOW_US);
        assert_eq!(labour.slowness(), 1.0);
    }
}
