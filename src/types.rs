//! The vocabulary: every id and quantity of Kafka's model as a type of its own, so that an offset is
//! never taken for an epoch. Plain data, no behaviour beyond naming.

use std::fmt;

/// A record's position in its partition, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// What Kafka writes where no offset is known.
    pub const UNKNOWN: Offset = Offset(-1);

    /// No log goes on beyond this one: bytes that say otherwise are damaged. What is left above it is
    /// room to count in.
    pub const MAX: Offset = Offset(i64::MAX - (1 << 32));

    /// The offset `records` further on. Damaged bytes may say any number, so it stops at the ends of an
    /// i64.
    pub const fn plus(self, records: i64) -> Offset {
        Offset(self.0.saturating_add(records))
    }
}

/// A term of leadership of a partition (KIP-101). -1 means unknown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderEpoch(pub i32);

impl LeaderEpoch {
    /// The epoch that clients send and receive when they know none.
    pub const UNKNOWN: LeaderEpoch = LeaderEpoch(-1);
}

/// A broker or controller, `node.id`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub i32);

/// The index of a partition within its topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionIndex(pub i32);

/// The id of an idempotent or transactional producer (KIP-98). -1 means none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub i64);

impl ProducerId {
    /// A producer without idempotence.
    pub const NONE: ProducerId = ProducerId(-1);
}

/// The epoch of a producer id: a higher one fences the lower ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerEpoch(pub i16);

/// One of the broker's shards: a thread, a ring, a set of partitions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// Milliseconds since the Unix epoch, as records carry them. -1 means none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// What Kafka writes where no timestamp is known.
    pub const NONE: Timestamp = Timestamp(-1);
}

macro_rules! show_as_number {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}
show_as_number!(
    Offset,
    LeaderEpoch,
    NodeId,
    PartitionIndex,
    ProducerId,
    ProducerEpoch,
    ShardId,
    Timestamp
);

/// A 128-bit id as Kafka makes them: topics, directories, clusters, incarnations. Its text form is
/// URL-safe base64 without padding, 22 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

/// The id of a topic (KIP-516), which a topic recreated under the same name does not inherit.
pub type TopicId = Uuid;

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Uuid {
    /// All bits zero: "no id" in the protocol.
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// The id of `__cluster_metadata` (KIP-595).
    pub const METADATA_TOPIC: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// Whether this is the "no id" of the protocol.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Makes a random (version 4) id from 16 random bytes, never one whose text starts with a dash
    /// (Kafka's `Uuid.randomUuid` avoids those: tools take them for options).
    pub fn from_random(mut random: [u8; 16]) -> Uuid {
        random[6] = random[6] & 0x0f | 0x40;
        random[8] = random[8] & 0x3f | 0x80;
        if random[0] >> 2 == 62 {
            random[0] &= 0x7f;
        }
        Uuid(random)
    }

    /// Reads the 22-character text form; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Uuid> {
        let text = text.trim_end_matches('=').as_bytes();
        if text.len() != 22 {
            return None;
        }
        let mut bits: u32 = 0;
        let mut count = 0;
        let mut out = [0u8; 16];
        let mut at = 0;
        for symbol in text {
            let value = BASE64URL.iter().position(|s| s == symbol)? as u32;
            bits = bits << 6 | value;
            count += 6;
            if count >= 8 && at < 16 {
                count -= 8;
                out[at] = (bits >> count) as u8;
                at += 1;
            }
        }
        Some(Uuid(out))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(22);
        let value = u128::from_be_bytes(self.0);
        for at in 0..21 {
            text.push(BASE64URL[(value >> (122 - at * 6)) as usize & 63] as char);
        }
        text.push(BASE64URL[(value << 4) as usize & 63] as char);
        f.write_str(&text)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

/// Has memory brought into the processor's caches while whoever asks goes on: where it begins, and how many
/// bytes. A hint, which reads nothing, so any address will do.
pub type Prefetch = fn(*const (), usize);

/// A partition by its topic's id: the key of everything a shard owns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartitionId {
    /// The topic.
    pub topic: TopicId,
    /// The partition within it.
    pub index: PartitionIndex,
}

/// Both clocks at one moment. Whoever decides by time is handed one; nobody but `sys` and the
/// simulation makes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Microseconds on a clock that never goes back, from an arbitrary start: timers, latencies.
    pub monotonic_us: u64,
    /// The calendar's time: record timestamps, retention.
    pub wall: Timestamp,
}

/// Who waits for an answer: a ticket on a shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ReturnTo {
    /// The asking shard.
    pub shard: ShardId,
    /// Its ticket.
    pub ticket: u64,
}

/// A list that mostly has one element, which then needs no memory of its own: most requests are about
/// one partition.
pub type Few<T> = smallvec::SmallVec<[T; 1]>;

/// What is under way, by numbers that are given one after the other to what comes and goes. A number is a place
/// and how often that was given before, so one that is no longer good finds nothing.
pub struct Places<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

struct Place<T> {
    generation: u32,
    tenant: Option<T>,
}

impl<T> Default for Places<T> {
    fn default() -> Places<T> {
        Places {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Places<T> {
    /// A number that is good until [`Places::close`], with nothing under it.
    pub fn open(&mut self) -> u64 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                generation: 0,
                tenant: None,
            });
            (self.places.len() - 1) as u32
        });
        u64::from(self.places[at as usize].generation) << 32 | u64::from(at)
    }

    /// Puts something under a number that is good and has nothing.
    pub fn put(&mut self, number: u64, tenant: T) {
        let place = self.place(number).expect("the number is good");
        debug_assert!(place.tenant.is_none());
        place.tenant = Some(tenant);
    }

    /// Takes out what is under a number, which stays good.
    pub fn take(&mut self, number: u64) -> Option<T> {
        self.place(number)?.tenant.take()
    }

    /// What is under a number.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.place(number)?.tenant.as_mut()
    }

    /// Gives a good number back.
    pub fn close(&mut self, number: u64) {
        let place = self.place(number).expect("the number is good");
        place.tenant = None;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(number as u32);
    }

    /// A number for this.
    pub fn insert(&mut self, tenant: T) -> u64 {
        let number = self.open();
        self.places[number as u32 as usize].tenant = Some(tenant);
        number
    }

    /// Takes out what is under a number and gives the number back.
    pub fn remove(&mut self, number: u64) -> Option<T> {
        let tenant = self.take(number)?;
        self.close(number);
        Some(tenant)
    }

    /// How many numbers are good.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is there, and under which number.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.places.iter().zip(0..).filter_map(|(place, at)| {
            let tenant = place.tenant.as_ref()?;
            Some((u64::from(place.generation) << 32 | at, tenant))
        })
    }

    fn place(&mut self, number: u64) -> Option<&mut Place<T>> {
        let place = self.places.get_mut(number as u32 as usize)?;
        (u64::from(place.generation) == number >> 32).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_given_back_finds_nothing() {
        let mut places = Places::default();
        let (first, second) = (places.insert('a'), places.insert('b'));
        assert_eq!(places.remove(first), Some('a'));
        let third = places.open();
        assert!(first != third && first as u32 == third as u32);
        assert_eq!(places.take(third), None);
        places.put(third, 'c');
        assert_eq!(places.remove(first), None);
        assert_eq!(places.get_mut(first), None);
        let there: Vec<_> = places.iter().collect();
        assert_eq!(there, [(third, &'c'), (second, &'b')]);
        assert_eq!((places.take(third), places.len()), (Some('c'), 2));
        places.close(third);
        assert_eq!((places.take(third), places.len()), (None, 1));
        let twice = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| places.close(third)));
        assert!(twice.is_err());
    }

    #[test]
    fn a_uuid_survives_its_text_form() {
        for seed in 0..=255u8 {
            let id = Uuid(std::array::from_fn(|at| {
                seed.wrapping_mul(31).wrapping_add(at as u8 * 17)
            }));
            assert_eq!(Uuid::parse(&id.to_string()), Some(id));
        }
        assert_eq!(Uuid::METADATA_TOPIC.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(Uuid::parse("short"), None);
        assert_eq!(Uuid::parse("AAAAAAAAAAAAAAAAAAAA!Q"), None);
    }

    #[test]
    fn a_random_uuid_never_starts_with_a_dash() {
        for first in 0..=255u8 {
            assert!(!Uuid::from_random([first; 16]).to_string().starts_with('-'));
        }
    }
}
