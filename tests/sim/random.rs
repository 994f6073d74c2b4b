//! The one source of chance: splitmix64, so that a seed means the same run on every machine and in
//! every release. Each part of the world forks its own stream, so that one more draw in the network
//! does not change what the disk does.

/// A stream of random numbers.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A stream of its own, named by `label`.
    pub fn fork(&self, label: &str) -> Random {
        let mut state = self.0 ^ 0x6a09_e667_f3bc_c908;
        for byte in label.bytes() {
            state = mix(state
                .wrapping_add(u64::from(byte))
                .wrapping_mul(0x0100_0000_01b3));
        }
        Random(mix(state))
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True once in `n` times; never for 0.
    pub fn one_in(&mut self, n: u64) -> bool {
        n != 0 && self.below(n) == 0
    }

    /// True `percent` times in 100.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// From `low` to `high`, every order of magnitude alike.
    pub fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        let low_bits = 64 - low.max(1).leading_zeros() as u64;
        let high_bits = 64 - high.max(1).leading_zeros() as u64;
        let bits = self.between(low_bits, high_bits);
        let top = 1u64.checked_shl(bits as u32).unwrap_or(u64::MAX);
        self.between(top / 2, top - 1).clamp(low, high)
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// In any order.
    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for at in (1..of.len()).rev() {
            of.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn draws_stay_within_their_bounds() {
    let mut random = Random::new(7);
    for _ in 0..10_000 {
        assert!(random.below(3) < 3);
        assert!((5..=9).contains(&random.between(5, 9)));
        assert!((20..=70_000).contains(&random.magnitude(20, 70_000)));
    }
    assert_ne!(
        Random::new(7).fork("a").next(),
        Random::new(7).fork("b").next()
    );
}
