//! What a load consists of.

use crate::batch::Codec;
use crate::client::Arrivals;
use crate::corpus::Corpus;
use serde::Serialize;

/// Everything that one run does to a broker.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// Partitions of the topic.
    pub partitions: i32,
    /// Who writes, if anybody.
    pub producers: Option<Producers>,
    /// Connections of consumers that wait for what is produced; partitions are dealt out among them.
    pub tails: usize,
    /// Every tail consumer reads all partitions instead.
    pub is_fanned_out: bool,
    /// Who reads what is there already, if anybody.
    pub readers: Option<Readers>,
    /// What comes before the measuring.
    pub warm_up: Until,
    /// The measuring.
    pub measure: Until,
    /// How long a client's thread looks for work before it sleeps, us; `None` for ever.
    pub spin_us: Option<u64>,
    /// SO_RCVLOWAT of a connection on which a large response is under way, at most, bytes.
    pub low_water_bytes: usize,
    /// Client threads, one per core from the client's core on.
    pub threads: usize,
    /// Sums and times are kept by slices of so many ms.
    pub slice_ms: u64,
    /// Batches that come back are kept whole and their CRC is taken.
    pub verify: bool,
}

/// A part of a run ends with the first of these.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Until {
    /// Seconds.
    pub seconds: f64,
    /// Bytes of record sets moved, in either direction.
    pub bytes: Option<u64>,
}

/// Writing connections.
#[derive(Clone, Debug, Serialize)]
pub struct Producers {
    /// How many.
    pub connections: usize,
    /// Requests that a connection may have under way.
    pub in_flight: usize,
    /// 0, 1, or -1 for all.
    pub acks: i16,
    /// What is in a request.
    pub set: Set,
    /// Compression.
    pub codec: Codec,
    /// What values consist of.
    pub corpus: Corpus,
    /// Which partition a request goes to.
    pub spread: Spread,
    /// When requests are sent.
    pub pace: Pace,
    /// Whether sets carry the time at which they were meant to be sent.
    pub is_stamped: bool,
}

/// The record set of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Set {
    /// One record, in a batch of exactly so many bytes.
    Bytes(usize),
    /// So many records with values of so many bytes.
    Records {
        /// Records of a request.
        count: usize,
        /// Bytes of a value.
        value_bytes: usize,
    },
}

/// Which partition a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// One after the other, each connection from its own on.
    InTurn,
    /// The connection's number and this come to the partition, for all of its requests.
    Fixed(usize),
    /// Each record has one of so many keys and goes where Kafka's murmur2 of it says; a request has a
    /// batch for each partition that its records come to.
    Keys(u64),
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Each when an answer has made room for it.
    Closed,
    /// When they are due, over all connections in turn.
    Open {
        /// Requests a second, all connections together.
        per_s: f64,
        /// How they are spread.
        arrivals: Arrivals,
    },
}

/// Connections that read what is there.
#[derive(Clone, Debug, Serialize)]
pub struct Readers {
    /// How many.
    pub connections: usize,
    /// Most bytes of a fetch.
    pub fetch_bytes: usize,
    /// What each of them reads.
    pub way: Way,
    /// When fetches are sent.
    pub pace: Pace,
    /// When they begin, s after the measuring began; 0 from the very start.
    pub after_s: f64,
}

/// What a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// One partition again and again: from its own part of it on, to the end, and from the start.
    Around,
    /// One partition, always so many sets from this offset on.
    At(i64),
    /// Its share of the partitions once, from the start until it meets their end.
    Drain,
}

impl Load {
    /// A load of this shape and nothing beside it.
    pub fn producing(partitions: i32, producers: Producers) -> Load {
        Load {
            partitions,
            producers: Some(producers),
            tails: 0,
            is_fanned_out: false,
            readers: None,
            warm_up: Until {
                seconds: 0.4,
                bytes: None,
            },
            measure: Until {
                seconds: 1.5,
                bytes: None,
            },
            spin_us: Some(0),
            low_water_bytes: 256 << 10,
            threads: 1,
            slice_ms: 1_000,
            verify: false,
        }
    }

    /// How many tail consumers get each record.
    pub fn copies(&self) -> u64 {
        match self.is_fanned_out {
            true => self.tails as u64,
            false => 1,
        }
    }

    /// Hot or cold reading.
    pub fn reading(partitions: i32, readers: Readers) -> Load {
        Load {
            producers: None,
            readers: Some(readers),
            ..Load::producing(partitions, Producers::closed(0, Set::Bytes(1 << 10)))
        }
    }
}

impl Producers {
    /// Closed loop, one request in flight, acks=1, random bytes, partitions in turn.
    pub fn closed(connections: usize, set: Set) -> Producers {
        Producers {
            connections,
            in_flight: 1,
            acks: 1,
            set,
            codec: Codec::None,
            corpus: Corpus::Random,
            spread: Spread::InTurn,
            pace: Pace::Closed,
            is_stamped: false,
        }
    }
}

impl Set {
    /// About how many bytes it comes to, uncompressed.
    pub fn bytes(self) -> usize {
        match self {
            Set::Bytes(bytes) => bytes,
            Set::Records { count, value_bytes } => 61 + count * (value_bytes + 10),
        }
    }
}
