//! Quotas as arithmetic: how fast somebody is, and for how long to hold him back (KIP-13, KIP-219).
//!
//! It is Apache Kafka's arithmetic, sample for sample. What is used is summed in samples of
//! `quota.window.size.seconds`, of which the last `quota.window.num` count. The rate is their sum over
//! the time since the oldest of them began, but at least over all windows before the newest one; where
//! it lies above the quota, the client is held back for as long as it takes until the rate, with
//! nothing added, is back at the quota.
//!
//! A broker has one [`Ledger`], so a quota binds all connections of its owner together.

use std::collections::BTreeMap;

/// How long is looked back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Samples that count, the newest one included: `quota.window.num`.
    pub samples: u32,
    /// Length of each: `quota.window.size.seconds` in ms.
    pub sample_ms: u64,
}

/// A stretch of time in which something was used.
#[derive(Clone, Copy, Debug)]
struct Sample {
    began_ms: u64,
    used_ms: u64,
    sum: f64,
}

impl Sample {
    fn new(now_ms: u64) -> Sample {
        Sample {
            began_ms: now_ms,
            used_ms: now_ms,
            sum: 0.0,
        }
    }
}

/// How much somebody uses per second.
#[derive(Clone, Debug)]
struct Rate {
    /// A ring of one more than count: the oldest may reach into the window.
    samples: Vec<Sample>,
    newest: usize,
}

impl Rate {
    fn new(now_ms: u64) -> Rate {
        Rate {
            samples: vec![Sample::new(now_ms)],
            newest: 0,
        }
    }

    fn record(&mut self, window: Window, amount: f64, now_ms: u64) {
        if now_ms.saturating_sub(self.samples[self.newest].began_ms) >= window.sample_ms {
            self.newest = (self.newest + 1) % (window.samples as usize + 1);
            match self.samples.get_mut(self.newest) {
                Some(oldest) => *oldest = Sample::new(now_ms),
                None => self.samples.push(Sample::new(now_ms)),
            }
        }
        let sample = &mut self.samples[self.newest];
        sample.sum += amount;
        sample.used_ms = now_ms;
    }

    /// Per second, and the milliseconds over which that is.
    fn measure(&mut self, window: Window, now_ms: u64) -> (f64, u64) {
        let counts_ms = u64::from(window.samples) * window.sample_ms;
        for sample in &mut self.samples {
            if now_ms.saturating_sub(sample.used_ms) >= counts_ms {
                *sample = Sample::new(now_ms);
            }
        }
        let began = self.samples.iter().map(|sample| sample.began_ms).min();
        let mut elapsed_ms = now_ms.saturating_sub(began.unwrap_or(now_ms));
        let whole = elapsed_ms / window.sample_ms;
        let at_least = u64::from(window.samples) - 1;
        elapsed_ms += at_least.saturating_sub(whole) * window.sample_ms;
        let over_ms = elapsed_ms.max(1);
        let sum: f64 = self.samples.iter().map(|sample| sample.sum).sum();
        (sum * 1000.0 / over_ms as f64, over_ms)
    }

    /// Whether nothing of it counts any more, so that it may as well be forgotten.
    fn is_idle(&self, window: Window, now_ms: u64) -> bool {
        let counts_ms = u64::from(window.samples) * window.sample_ms;
        let mut samples = self.samples.iter();
        samples.all(|sample| now_ms.saturating_sub(sample.used_ms) >= counts_ms)
    }
}

/// Rates below this number are not looked through for idle ones.
const SWEEP_FROM: usize = 1024;

/// What owners of quotas have used; `K` says whose and of what.
#[derive(Clone, Debug)]
pub struct Ledger<K> {
    window: Window,
    rates: BTreeMap<K, Rate>,
    sweep_at: usize,
}

impl<K: Ord> Ledger<K> {
    /// Nothing was used.
    pub fn new(window: Window) -> Ledger<K> {
        assert!(window.samples >= 1 && window.sample_ms >= 1);
        Ledger {
            window,
            rates: BTreeMap::new(),
            sweep_at: SWEEP_FROM,
        }
    }

    /// Notes what was used, and says for how many milliseconds its owner is to be held back so as not
    /// to use more than `bound` per second.
    pub fn charge(&mut self, owner: K, amount: f64, bound: f64, now_ms: u64) -> u64 {
        self.sweep(now_ms);
        let window = self.window;
        let rate = self.rates.entry(owner).or_insert_with(|| Rate::new(now_ms));
        rate.record(window, amount, now_ms);
        let (used, over_ms) = rate.measure(window, now_ms);
        if used <= bound {
            return 0;
        }
        ((used - bound) / bound * over_ms as f64).round() as u64
    }

    /// Takes back what was noted and then not used.
    pub fn take_back(&mut self, owner: &K, amount: f64, now_ms: u64) {
        if let Some(rate) = self.rates.get_mut(owner) {
            rate.record(self.window, -amount, now_ms);
        }
    }

    /// Forgets who has not used anything that counts, so that clients which keep changing their names
    /// do not fill the memory.
    fn sweep(&mut self, now_ms: u64) {
        if self.rates.len() < self.sweep_at {
            return;
        }
        let window = self.window;
        self.rates.retain(|_, rate| !rate.is_idle(window, now_ms));
        self.sweep_at = (self.rates.len() * 2).max(SWEEP_FROM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KAFKAS: Window = Window {
        samples: 11,
        sample_ms: 1000,
    };

    #[test]
    fn the_first_burst_is_spread_over_ten_windows_as_in_kafka() {
        let mut ledger = Ledger::new(KAFKAS);
        // 10 windows of 100 per second are 1000: that much is free.
        assert_eq!(ledger.charge("a", 1000.0, 100.0, 5000), 0);
        // As much again is 200 per second over 10 s: 10 s until it is 100.
        assert_eq!(ledger.charge("a", 1000.0, 100.0, 5000), 10_000);
        assert_eq!(ledger.charge("b", 1000.0, 100.0, 5000), 0, "another owner");
    }

    #[test]
    fn kafkas_own_example_comes_out_as_there() {
        // ClientQuotaManagerTest.testQuotaViolation: 10 records of 400 in half a second each are below
        // 500 per second; 2300 more and half a second later it is 21000 / (10.5 s * 500) over.
        let mut ledger = Ledger::new(KAFKAS);
        let mut now_ms = 0;
        for _ in 0..10 {
            assert_eq!(ledger.charge("a", 400.0, 500.0, now_ms), 0);
            now_ms += 1000;
        }
        now_ms += 500;
        // (4000 + 2300) / 10.5 s = 600 per second: (600 - 500) / 500 * 10.5 s = 2100 ms.
        assert_eq!(ledger.charge("a", 2300.0, 500.0, now_ms), 2100);
    }

    #[test]
    fn what_lies_behind_the_windows_no_longer_counts() {
        let mut ledger = Ledger::new(KAFKAS);
        assert!(ledger.charge("a", 5000.0, 100.0, 0) > 0);
        assert_eq!(ledger.charge("a", 1.0, 100.0, 11_000), 0);
    }

    #[test]
    fn what_was_taken_back_is_as_if_it_had_not_been() {
        let mut ledger = Ledger::new(KAFKAS);
        assert_eq!(ledger.charge("a", 900.0, 100.0, 0), 0);
        let held_ms = ledger.charge("a", 600.0, 100.0, 10);
        assert!(held_ms > 0);
        ledger.take_back(&"a", 600.0, 10);
        assert_eq!(ledger.charge("a", 50.0, 100.0, 20), 0);
    }

    #[test]
    fn held_back_as_told_an_owner_comes_out_at_the_quota() {
        let mut ledger = Ledger::new(KAFKAS);
        let (mut now_ms, mut used) = (0, 0.0);
        while now_ms < 300_000 {
            now_ms += ledger.charge("a", 70_000.0, 100_000.0, now_ms) + 1;
            used += 70_000.0;
        }
        let rate = used / (now_ms as f64 / 1000.0);
        // The free first burst is 10 s of 300.
        assert!((95_000.0..106_000.0).contains(&rate), "{rate}");
    }

    #[test]
    fn names_that_come_and_go_do_not_pile_up() {
        let mut ledger = Ledger::new(KAFKAS);
        for at in 0..100_000_u64 {
            ledger.charge(at, 1.0, 100.0, at * 100);
        }
        assert!(
            ledger.rates.len() < 2 * SWEEP_FROM,
            "{}",
            ledger.rates.len()
        );
    }
}
