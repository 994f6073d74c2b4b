//! Random bits from a seed, for ids: SplitMix64 (Steele, Lea, Flood 2014). The start draws the seed
//! from the system, the simulation from its own seed; nothing secret depends on it.

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of that seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 bits more.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 128 bits more.
    pub fn bytes(&mut self) -> [u8; 16] {
        let high = u128::from(self.draw()) << 64;
        (high | u128::from(self.draw())).to_be_bytes()
    }
}
