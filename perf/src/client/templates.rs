//! Produce requests, whole, made before the clock starts. What changes from one to the next (correlation
//! id, partition, stamp) is patched into a copy of their first bytes; the rest is shared.

use crate::batch::{Codec, Record, RecordSet};
use crate::client::Outgoing;
use crate::clock;
use crate::corpus::{Random, Source};
use crate::load::{Producers, Set, Spread};
use crate::wire;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A frame of up to this many bytes is copied whole, so that several leave with one call.
const COPIED_BYTES_MAX: usize = 16 << 10;
/// Different requests that are made, as long as they come to no more than this.
const DIFFERENT_BYTES: usize = 1 << 20;
const DIFFERENT_MAX: usize = 64;
const KEY_BYTES: usize = 16;

/// One Produce request.
pub struct Template {
    head: Vec<u8>,
    tail: Arc<[u8]>,
    /// Whether it has one partition, which is patched.
    is_for_any: bool,
    /// Where its record sets begin.
    sets: Vec<(usize, RecordSet)>,
    /// Records in it.
    pub records: u64,
    /// Bytes of its record sets.
    pub bytes: u64,
}

/// The requests of a load.
pub struct Templates {
    all: Vec<Template>,
    is_stamped: bool,
    /// Where a stamp is found in a batch.
    pub stamp_at: Option<usize>,
}

impl Templates {
    /// Makes them.
    pub fn new(producers: &Producers, partitions: i32) -> Templates {
        let count = (DIFFERENT_BYTES / producers.set.bytes()).clamp(2, DIFFERENT_MAX);
        let mut maker = Maker {
            source: Source::new(producers.corpus, 1),
            random: Random::new(2),
        };
        let all: Vec<Template> = (0..count)
            .map(|_| match producers.spread {
                Spread::InTurn | Spread::Fixed(_) => maker.single(producers),
                Spread::Keys(keys) => maker.keyed(producers, partitions, keys),
            })
            .collect();
        Templates {
            is_stamped: producers.is_stamped,
            stamp_at: all[0].sets[0].1.stamp_at(),
            all,
        }
    }

    /// The request number `turn`.
    pub fn get(&self, turn: usize) -> &Template {
        &self.all[turn % self.all.len()]
    }

    /// Puts a request where it is sent from.
    pub fn put(&self, turn: usize, to: Addressed, outgoing: &mut Outgoing) {
        let template = self.get(turn);
        let own = outgoing.own();
        let start = own.len();
        own.extend(&template.head);
        let frame = &mut own[start..];
        let mut patch = |at: usize, number: i32| {
            frame[at..at + 4].copy_from_slice(&number.to_be_bytes());
        };
        patch(wire::CORRELATION_AT, to.correlation);
        if template.is_for_any {
            patch(wire::PRODUCE_PARTITION_AT, to.partition);
        }
        if self.is_stamped {
            let wall_ms = clock::wall_ms();
            for (at, set) in &template.sets {
                let prefix = &mut frame[*at..at + set.stamped_bytes()];
                set.stamp(prefix, to.meant_ns, wall_ms);
            }
        }
        outgoing.share(&template.tail, 0);
    }
}

/// What is patched into a request.
#[derive(Clone, Copy)]
pub struct Addressed {
    /// Its correlation id.
    pub correlation: i32,
    /// Where it goes, unless its keys say so.
    pub partition: i32,
    /// When it was meant to be sent.
    pub meant_ns: u64,
}

struct Maker {
    source: Source,
    random: Random,
}

impl Maker {
    fn single(&mut self, producers: &Producers) -> Template {
        let set = self.set(producers.set, producers.codec);
        let mut head = wire::produce_head(producers.acks, 1);
        wire::put_produce_partition(&mut head, 0, set.bytes.len());
        assert_eq!(head.len(), wire::SET_AT);
        let total = head.len() + set.bytes.len();
        let copied = match total <= COPIED_BYTES_MAX {
            true => set.bytes.len(),
            false => set.stamped_bytes(),
        };
        head.extend(&set.bytes[..copied]);
        wire::set_length(&mut head, total);
        Template {
            head,
            tail: set.bytes[copied..].into(),
            is_for_any: true,
            records: set.records.into(),
            bytes: set.bytes.len() as u64,
            sets: vec![(wire::SET_AT, set)],
        }
    }

    /// One set of this shape.
    fn set(&mut self, set: Set, codec: Codec) -> RecordSet {
        match set {
            Set::Bytes(bytes) => RecordSet::of_size(bytes, |count| self.source.take(count), codec),
            Set::Records { count, value_bytes } => {
                let values: Vec<_> = (0..count).map(|_| self.source.take(value_bytes)).collect();
                let records = values.iter().map(|value| Record { key: None, value });
                RecordSet::new(records, codec)
            }
        }
    }

    fn keyed(&mut self, producers: &Producers, partitions: i32, keys: u64) -> Template {
        let Set::Records { count, value_bytes } = producers.set else {
            panic!("a record with a key has a size of its own");
        };
        let mut by_partition: BTreeMap<i32, Vec<(String, Vec<u8>)>> = BTreeMap::new();
        for _ in 0..count {
            let key = format!("{:0width$}", self.random.next() % keys, width = KEY_BYTES);
            let hash = murmur2(key.as_bytes()) & 0x7fff_ffff;
            let value = self.source.take(value_bytes);
            let records = by_partition.entry(hash as i32 % partitions).or_default();
            records.push((key, value));
        }
        let mut head = wire::produce_head(producers.acks, by_partition.len());
        let mut sets = Vec::new();
        for (partition, records) in by_partition {
            let records = records.iter().map(|(key, value)| Record {
                key: Some(key.as_bytes()),
                value,
            });
            let set = RecordSet::new(records, producers.codec);
            wire::put_produce_partition(&mut head, partition, set.bytes.len());
            sets.push((head.len(), set));
            head.extend(&sets.last().expect("just put there").1.bytes);
        }
        let total = head.len();
        wire::set_length(&mut head, total);
        Template {
            head,
            tail: Arc::new([]),
            is_for_any: false,
            records: count as u64,
            bytes: sets.iter().map(|(_, set)| set.bytes.len() as u64).sum(),
            sets,
        }
    }
}

/// The hash by which Java's producer chooses a partition.
pub fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let mut word = u32::from_le_bytes(word.try_into().expect("four bytes")).wrapping_mul(M);
        word ^= word >> 24;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let rest = rest
            .iter()
            .rev()
            .fold(0, |all, byte| all << 8 | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{self, Header};
    use crate::corpus::Corpus;
    use bytes::Bytes;
    use kafka_protocol::messages::{ProduceRequest, RequestHeader};
    use kafka_protocol::protocol::Decodable;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    /// What is sent for the requests 0 to `count`.
    fn sent(
        producers: &Producers,
        partitions: i32,
        count: usize,
    ) -> Vec<(RequestHeader, ProduceRequest)> {
        let templates = Templates::new(producers, partitions);
        let mut outgoing = Outgoing::default();
        for turn in 0..count {
            let to = Addressed {
                correlation: turn as i32,
                partition: turn as i32 % partitions,
                meant_ns: 1_000 + turn as u64,
            };
            templates.put(turn, to, &mut outgoing);
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (mut peer, _) = listener.accept().expect("accepts");
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            peer.read_to_end(&mut got).map(|_| got)
        });
        assert!(outgoing.flush(&stream).expect("sends"));
        drop(stream);
        let got = reader.join().expect("no panic").expect("reads");
        let mut rest = &got[..];
        let mut requests = Vec::new();
        while let Some((prefix, more)) = rest.split_at_checked(4) {
            let (frame, more) = more.split_at(wire::i32_at(prefix, 0) as usize);
            let mut bytes = Bytes::copy_from_slice(frame);
            let header = RequestHeader::decode(&mut bytes, 1).expect("a header");
            let request = ProduceRequest::decode(&mut bytes, wire::PRODUCE.1).expect("a request");
            assert!(bytes.is_empty(), "the frame is as long as it says");
            requests.push((header, request));
            rest = more;
        }
        assert_eq!(requests.len(), count);
        requests
    }

    fn set_of(request: &ProduceRequest, partition: usize) -> Bytes {
        let data = &request.topic_data[0].partition_data[partition];
        data.records.clone().expect("a record set")
    }

    #[test]
    fn small_and_large_requests_are_whole_and_go_where_they_should() {
        for set in [
            Set::Records {
                count: 3,
                value_bytes: 100,
            },
            Set::Bytes(1 << 10),
            Set::Bytes(300 << 10),
        ] {
            let producers = Producers {
                is_stamped: true,
                acks: -1,
                ..Producers::closed(1, set)
            };
            let stamp_at = Templates::new(&producers, 5)
                .stamp_at
                .expect("sets are stamped");
            for (turn, (header, request)) in sent(&producers, 5, 70).iter().enumerate() {
                assert_eq!(header.correlation_id, turn as i32);
                assert_eq!(request.acks, -1);
                assert_eq!(
                    request.topic_data[0].partition_data[0].index,
                    turn as i32 % 5
                );
                let bytes = set_of(request, 0);
                assert!(batch::is_intact(&bytes), "request {turn}");
                assert_eq!(wire::i64_at(&bytes, stamp_at), 1_000 + turn as i64);
                if let Set::Bytes(size) = set {
                    assert_eq!(bytes.len(), size);
                }
            }
        }
    }

    #[test]
    fn records_with_keys_are_where_their_keys_say() {
        let set = Set::Records {
            count: 50,
            value_bytes: 100,
        };
        let producers = Producers {
            spread: Spread::Keys(1_000),
            is_stamped: true,
            corpus: Corpus::Compressible,
            ..Producers::closed(1, set)
        };
        for (_, request) in sent(&producers, 8, 10) {
            let mut records = 0;
            for (at, partition) in request.topic_data[0].partition_data.iter().enumerate() {
                let mut bytes = set_of(&request, at);
                assert!(batch::is_intact(&bytes));
                records += Header::read(&bytes).expect("a header").records;
                let read = kafka_protocol::records::RecordBatchDecoder::decode(&mut bytes);
                for record in read.expect("a batch").records {
                    let key = record.key.expect("a key");
                    let hash = murmur2(&key) & 0x7fff_ffff;
                    assert_eq!(hash as i32 % 8, partition.index);
                }
            }
            assert_eq!(records, 50);
        }
    }

    #[test]
    fn the_hash_is_that_of_javas_producer() {
        // From Kafka's UtilsTest.testMurmur2.
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }
}
