//! The newest offset of each key, in memory that does not grow: an open table of 128-bit hashes, no key is
//! kept (Kafka's `SkimpyOffsetMap`). Two keys of one hash would count as one and the older be lost; with
//! 2^32 keys the odds are 2^-65. The hash is seeded, so that nobody can look for such keys.

use crate::types::Offset;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

/// Hash, hash, offset + 1; all zero where nothing is.
type Slot = [u64; 3];

/// Bytes of one key in the map.
const SLOT_BYTES: u64 = size_of::<Slot>() as u64;

/// See the module.
pub struct OffsetMap {
    slots: Vec<Slot>,
    used: usize,
    /// Keys that it takes.
    capacity: usize,
    seed: u64,
    /// The last offset that was noted.
    latest: Option<Offset>,
}

impl OffsetMap {
    /// A map of at most `bytes_max`, filled to the share `load` at most, and no larger than `keys_max`
    /// keys want it. `seed` may be any number.
    pub fn new(bytes_max: u64, load: f64, keys_max: u64, seed: u64) -> OffsetMap {
        let load = load.clamp(0.01, 1.0);
        let wanted = (keys_max as f64 / load).ceil() as u64;
        let slots = (bytes_max / SLOT_BYTES)
            .min(wanted.saturating_add(1))
            .max(2) as usize;
        OffsetMap {
            // Zeros: memory that no key comes to is never touched.
            slots: vec![[0; 3]; slots],
            used: 0,
            capacity: ((slots as f64 * load) as usize).clamp(1, slots - 1),
            seed,
            latest: None,
        }
    }

    /// Notes a record. `false` if its key is new and there is no room for it.
    pub fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let hash = hash(self.seed, key);
        let at = self.place(hash);
        let slot = &mut self.slots[at];
        if slot[2] == 0 {
            if self.used == self.capacity {
                return false;
            }
            self.used += 1;
            [slot[0], slot[1]] = hash;
        }
        slot[2] = slot[2].max(offset.0 as u64 + 1);
        self.reach(offset);
        true
    }

    /// The newest offset of a key.
    pub fn get(&self, key: &[u8]) -> Option<Offset> {
        let noted = self.slots[self.place(hash(self.seed, key))][2];
        (noted > 0).then(|| Offset((noted - 1) as i64))
    }

    /// Everything up to this offset has been noted.
    pub fn reach(&mut self, offset: Offset) {
        self.latest = self.latest.max(Some(offset));
    }

    /// The last offset that was noted.
    pub fn latest(&self) -> Option<Offset> {
        self.latest
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// The slot of the key with this hash, or the free one where it would go.
    fn place(&self, hash: [u64; 2]) -> usize {
        let count = self.slots.len();
        let mut at = ((u128::from(hash[0]) * count as u128) >> 64) as usize;
        loop {
            let slot = &self.slots[at];
            // There is always a free one: the capacity is below the count.
            if slot[2] == 0 || [slot[0], slot[1]] == hash {
                return at;
            }
            at = if at + 1 == count { 0 } else { at + 1 };
        }
    }
}

impl std::fmt::Debug for OffsetMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OffsetMap({} of {} keys)", self.used, self.capacity)
    }
}

/// Two halves of SipHash under a seed that nobody outside knows.
fn hash(seed: u64, key: &[u8]) -> [u64; 2] {
    [0, 1].map(|half| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(seed);
        hasher.write_u64(half);
        hasher.write(key);
        hasher.finish()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_says_what_a_map_of_the_keys_would() {
        let mut map = OffsetMap::new(1 << 20, 0.9, 1_000, 7);
        let mut model = BTreeMap::new();
        for at in 0..5_000_i64 {
            let key = (at * at % 997).to_be_bytes();
            assert!(map.put(&key, Offset(at)));
            model.insert(key, Offset(at));
        }
        assert_eq!(map.len(), model.len());
        assert_eq!(map.latest(), Some(Offset(4_999)));
        for (key, offset) in &model {
            assert_eq!(map.get(key), Some(*offset));
        }
        assert_eq!(map.get(b"never put"), None);
        assert_eq!(map.get(b""), None);
        assert!(map.put(b"", Offset(0)));
        assert_eq!(map.get(b""), Some(Offset(0)));
    }

    #[test]
    fn it_takes_as_many_keys_as_its_memory_and_its_load_allow() {
        for (bytes, load, keys, taken) in [
            (240, 0.5, u64::MAX, 5),
            (240, 1.0, u64::MAX, 9),
            (240, 0.0, u64::MAX, 1),
            (0, 0.9, u64::MAX, 1),
            (1 << 20, 0.9, 10, 11),
            (1 << 20, 0.9, 0, 1),
        ] {
            let mut map = OffsetMap::new(bytes, load, keys, 1);
            let mut count = 0;
            while map.put(&[count], Offset(count.into())) {
                count += 1;
            }
            assert_eq!(count, taken, "{bytes} {load} {keys}");
            // What it knows it goes on taking.
            assert!(map.put(&[0], Offset(99)));
            assert_eq!(map.get(&[0]), Some(Offset(99)));
            assert_eq!(map.get(&[count]), None);
        }
    }
}
