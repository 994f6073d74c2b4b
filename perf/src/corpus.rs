//! What records say: bytes that compress about as events of real systems do, and bytes that do not.
//!
//! Both come from a seed, so that every run and every system gets the same bytes.

use serde::Serialize;

/// Which bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Corpus {
    /// Lines of JSON with repeated names and varied values: zstd makes about a fifth of them.
    Compressible,
    /// Random bytes.
    Random,
}

/// An endless source of such bytes.
pub struct Source {
    corpus: Corpus,
    random: Random,
    /// Of the last line what the next value begins with.
    rest: Vec<u8>,
}

impl Source {
    /// The same bytes for the same seed.
    pub fn new(corpus: Corpus, seed: u64) -> Source {
        Source {
            corpus,
            random: Random::new(seed),
            rest: Vec::new(),
        }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        while self.rest.len() < count {
            match self.corpus {
                Corpus::Random => self.rest.extend(self.random.next().to_le_bytes()),
                Corpus::Compressible => self.line(),
            }
        }
        let later = self.rest.split_off(count);
        std::mem::replace(&mut self.rest, later)
    }

    fn line(&mut self) {
        const ACTIONS: [&str; 6] = ["view", "search", "cart", "checkout", "return", "login"];
        const REGIONS: [&str; 4] = ["eu-central", "eu-west", "us-east", "ap-south"];
        let mut pick = |count: u64| self.random.next() % count;
        let line = format!(
            "{{\"event_id\":\"{:016x}\",\"action\":\"{}\",\"region\":\"{}\",\"user\":{},\"item\":{},\
             \"price\":{}.{:02},\"quantity\":{},\"session\":\"{:08x}\",\"mobile\":{}}}\n",
            pick(u64::MAX),
            ACTIONS[pick(6) as usize],
            REGIONS[pick(4) as usize],
            pick(1_000_000),
            pick(50_000),
            pick(500),
            pick(100),
            1 + pick(9),
            pick(1 << 32),
            pick(2) == 0,
        );
        self.rest.extend(line.into_bytes());
    }
}

/// xorshift64*: enough for bytes that no codec shrinks and for arrival times.
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Random {
        // Zero would stay zero.
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Between 0, left out, and 1.
    pub fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_corpus_compresses_and_the_other_does_not_and_both_are_the_same_again() {
        for (corpus, least, most) in [
            (Corpus::Compressible, 0.1, 0.35),
            (Corpus::Random, 0.99, 1.01),
        ] {
            let mut source = Source::new(corpus, 1);
            let bytes: Vec<u8> = (0..100).flat_map(|at| source.take(1_000 + at)).collect();
            let smaller = zstd::encode_all(&bytes[..], 3).expect("into memory").len();
            let share = smaller as f64 / bytes.len() as f64;
            assert!(share > least && share < most, "{corpus:?}: {share}");
            assert_eq!(Source::new(corpus, 1).take(1_000), bytes[..1_000]);
            assert_ne!(Source::new(corpus, 2).take(1_000), bytes[..1_000]);
        }
    }

    #[test]
    fn fractions_are_above_zero_and_at_most_one() {
        let mut random = Random::new(5);
        let all: Vec<f64> = (0..10_000).map(|_| random.fraction()).collect();
        assert!(all.iter().all(|it| *it > 0.0 && *it <= 1.0));
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }
}
