//! Which partition a record goes to, as the clients decide it: whoever shares a topic with a program
//! in another language wants the same key in the same partition.

use clap::ValueEnum;

/// How a partition is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Partitioner {
    /// As Java's producer: murmur2 of the key; without a key, one partition per batch.
    Murmur2,
    /// As librdkafka's default, consistent_random: CRC-32 of the key; without a key, at random.
    Crc32,
    /// As kafka-go's Hash and sarama's default: FNV-1a of the key; without a key, in turn.
    Fnv1a,
    /// In turn, whatever the key.
    RoundRobin,
    /// One partition per batch, whatever the key.
    Sticky,
}

/// Chooses among a topic's partitions.
pub(super) struct Chooser {
    partitioner: Partitioner,
    partitions: u32,
    /// Records that went in turn.
    turn: u32,
    /// Where records of the current batch go that go by the batch.
    sticky: u32,
    random: u64,
}

impl Chooser {
    /// For a topic of that many partitions. `seed` decides what is left to chance.
    pub(super) fn new(partitioner: Partitioner, partitions: u32, seed: u64) -> Chooser {
        assert!(partitions > 0, "a topic has partitions");
        let mut chooser = Chooser {
            partitioner,
            partitions,
            turn: 0,
            sticky: 0,
            random: seed | 1,
        };
        chooser.next_batch();
        chooser
    }

    /// The partition of a record with this key.
    pub(super) fn choose(&mut self, key: Option<&[u8]>) -> i32 {
        let partition = match (self.partitioner, key) {
            (Partitioner::Murmur2, Some(key)) => (murmur2(key) & 0x7fff_ffff) % self.partitions,
            (Partitioner::Crc32, Some(key)) if !key.is_empty() => crc32(key) % self.partitions,
            (Partitioner::Crc32, _) => self.any(),
            (Partitioner::Fnv1a, Some(key)) => {
                // Signed, as in Go: the remainder of a negative hash is negative, then its sign goes.
                (fnv1a(key) as i32 % self.partitions as i32).unsigned_abs()
            }
            (Partitioner::Fnv1a | Partitioner::RoundRobin, _) => {
                let turn = self.turn;
                self.turn = (turn + 1) % self.partitions;
                turn
            }
            (Partitioner::Murmur2 | Partitioner::Sticky, _) => self.sticky,
        };
        partition as i32
    }

    /// A batch is complete: records that go by the batch go to another partition from here on.
    pub(super) fn next_batch(&mut self) {
        if self.partitions < 2 {
            return;
        }
        // Any but the present one.
        let step = 1 + self.random() % u64::from(self.partitions - 1);
        self.sticky = ((u64::from(self.sticky) + step) % u64::from(self.partitions)) as u32;
    }

    fn any(&mut self) -> u32 {
        (self.random() % u64::from(self.partitions)) as u32
    }

    /// xorshift64*.
    fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}

/// Murmur2 with the seed that Kafka gives it.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    let mix = |word: u32| {
        let word = word.wrapping_mul(FACTOR);
        (word ^ word >> 24).wrapping_mul(FACTOR)
    };
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_mul(FACTOR) ^ mix(u32::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut word = [0; 4];
        word[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u32::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(FACTOR);
    hash ^ hash >> 15
}

/// CRC-32 as zlib has it.
fn crc32(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

/// FNV-1a of 32 bits.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_gives_what_kafkas_own_test_says() {
        // org.apache.kafka.common.utils.UtilsTest.testMurmur2
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn crc32_and_fnv1a_give_their_published_values() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        // The test suite of Fowler, Noll and Vo.
        assert_eq!(fnv1a(b""), 0x811c_9dc5);
        assert_eq!(fnv1a(b"a"), 0xe40c_292c);
        assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
    }

    fn chosen(partitioner: Partitioner, partitions: u32, keys: &[&str]) -> Vec<i32> {
        let mut chooser = Chooser::new(partitioner, partitions, 7);
        keys.iter()
            .map(|key| chooser.choose(Some(key.as_bytes())))
            .collect()
    }

    #[test]
    fn keys_go_where_the_clients_send_them() {
        // The same from kafka-clients 4.2.0, kafka-go 0.4.50 (Hash, CRC32Balancer, Murmur2Balancer) and
        // librdkafka 2.0.2 by kcat (consistent_random, murmur2_random, fnv1a_random).
        let keys: Vec<String> = (0..12).map(|number| format!("key-{number}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert_eq!(
            chosen(Partitioner::Murmur2, 7, &keys),
            [0, 5, 4, 4, 5, 4, 5, 3, 4, 2, 3, 3]
        );
        assert_eq!(
            chosen(Partitioner::Crc32, 7, &keys),
            [6, 0, 3, 5, 1, 4, 3, 0, 3, 3, 5, 3]
        );
        assert_eq!(
            chosen(Partitioner::Fnv1a, 7, &keys),
            [6, 1, 3, 5, 5, 0, 2, 4, 4, 6, 4, 6]
        );
    }

    #[test]
    fn without_a_key_each_does_as_its_client() {
        let mut chooser = Chooser::new(Partitioner::Fnv1a, 3, 7);
        let turns: Vec<i32> = (0..4).map(|_| chooser.choose(None)).collect();
        assert_eq!(turns, [0, 1, 2, 0]);

        let mut chooser = Chooser::new(Partitioner::Murmur2, 3, 7);
        let first = chooser.choose(None);
        assert_eq!(chooser.choose(None), first, "one partition per batch");
        for _ in 0..10 {
            let before = chooser.choose(None);
            chooser.next_batch();
            assert_ne!(chooser.choose(None), before, "another for the next");
        }

        let mut chooser = Chooser::new(Partitioner::Crc32, 3, 7);
        let mut seen = [0; 3];
        for turn in 0..300 {
            let key: Option<&[u8]> = (turn % 2 == 0).then_some(b"");
            seen[chooser.choose(key) as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
    }

    #[test]
    fn the_key_does_not_matter_to_those_that_ignore_it() {
        assert_eq!(
            chosen(Partitioner::RoundRobin, 2, &["a", "a", "a"]),
            [0, 1, 0]
        );
        let sticky = chosen(Partitioner::Sticky, 5, &["a", "b", "c"]);
        assert!(sticky.iter().all(|partition| *partition == sticky[0]));
        assert_eq!(chosen(Partitioner::Sticky, 1, &["a"]), [0]);
    }
}
