//! Decisions and payloads from the bytes of a fuzzer. What is at its end goes on with zeros, so every
//! loop that asks it whether to go on ends.

/// The unread part of an input.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// The next two bytes.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// The next eight bytes.
    pub fn long(&mut self) -> i64 {
        i64::from_be_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        match bound {
            0..=256 => usize::from(self.byte()) % bound.max(1),
            _ => usize::from(self.short()) % bound,
        }
    }

    /// True for a quarter of all bytes, not for 0.
    pub fn seldom(&mut self) -> bool {
        self.byte() % 4 == 3
    }

    /// One of `choices`.
    pub fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    /// Up to `count` bytes, as many as there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A number that code is likely to get wrong, or a small one, or any.
    pub fn number(&mut self) -> i64 {
        match self.byte() {
            small @ 0..=127 => i64::from(small),
            at @ 128..=191 => INTERESTING[usize::from(at) % INTERESTING.len()],
            192..=223 => i64::from(self.short()),
            _ => self.long(),
        }
    }

    /// The bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

const INTERESTING: [i64; 16] = [
    -1,
    -2,
    i64::MIN,
    i64::MAX,
    i32::MIN as i64,
    i32::MAX as i64,
    i32::MAX as i64 + 1,
    i16::MAX as i64,
    i16::MIN as i64,
    i64::MAX - 1,
    i64::MAX - (1 << 32),
    1 << 31,
    1 << 40,
    1_700_000_000_000,
    128,
    1 << 20,
];

/// `bytes` in chunks whose lengths come from `cuts`, empty ones among them.
pub fn cut(bytes: &[u8], mut cuts: u64) -> Vec<&[u8]> {
    let mut chunks = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        // splitmix64: the cuts of a long input do not repeat.
        cuts = cuts.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = (cuts ^ (cuts >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn ^= drawn >> 27;
        let most = [1, 2, 7, 24, 600][drawn as usize % 5];
        let (chunk, after) = rest.split_at((drawn >> 16) as usize % (most + 1).min(rest.len() + 1));
        chunks.push(chunk);
        rest = after;
    }
    chunks
}
