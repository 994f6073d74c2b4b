//! A case: a load, and what the systems under it are like.

use crate::limits::Kind;
use crate::load::{Load, Pace, Way};
use serde::Serialize;

/// A closed loop without a bound in bytes is taken to move no more than this, bytes/s.
const CLOSED_BYTES_PER_S: f64 = 1e9;
/// Requests a second that no broker exceeds here.
const CLOSED_REQUESTS_PER_S: f64 = 4e5;
/// More memory than this is not warmed.
const WARMED_BYTES_MAX: u64 = 6 << 30;

/// What is done to each system.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// Its name, unique.
    pub name: String,
    /// What it is, in a line.
    pub title: String,
    /// What is done.
    pub work: Work,
    /// The bare server that does the same work, if there is one.
    pub limit: Option<Bare>,
    /// What brokers are configured with.
    pub properties: Vec<(String, String)>,
    /// What the topic is configured with.
    pub topic: Vec<(String, String)>,
    /// Records that are there before.
    pub fill: Option<Fill>,
    /// Partitions that are there and do nothing.
    pub idle_partitions: i32,
    /// What the broker still does for the records that are there, after it has taken them, is over when the load
    /// begins.
    pub is_settled: bool,
    /// The log is not in the page cache when the load begins.
    pub is_cold: bool,
    /// The server is stopped for a while in the middle of the measuring.
    pub stall: Option<Stall>,
    /// Apache Kafka runs in this case, in at most so many rounds.
    pub peer_rounds: usize,
}

/// What is done.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A load on a running broker.
    Load(Load),
    /// A load at this share of what the same load reaches in a closed loop on the same system.
    ShareOfMost {
        /// Of the closed loop's rate.
        share: f64,
        /// The load.
        load: Load,
    },
    /// Partitions are made, then: clean stop and start, memory, kill -9 and start.
    Starts {
        /// How many.
        partitions: i32,
    },
}

/// A bare server.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bare {
    /// What it does.
    pub kind: Kind,
    /// How long it looks for work before it sleeps, us.
    pub spin_us: u64,
}

/// A pause that is done to the server (SIGSTOP, SIGCONT): what an open loop must see.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Stall {
    /// When, s after the measuring began.
    pub at_s: f64,
    /// How long, ms.
    pub ms: u64,
}

/// Records that are there before the load begins.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Fill {
    /// Bytes of each batch, of one record.
    pub batch_bytes: usize,
    /// Batches of each partition.
    pub batches: u64,
    /// Between the timestamps of one and the next, ms.
    pub spacing_ms: i64,
}

impl Case {
    /// A load, with nothing else said.
    pub fn new(name: &str, title: &str, load: Load) -> Case {
        Case {
            name: name.to_owned(),
            title: title.to_owned(),
            work: Work::Load(load),
            limit: None,
            properties: Vec::new(),
            topic: Vec::new(),
            fill: None,
            idle_partitions: 0,
            is_settled: false,
            is_cold: false,
            stall: None,
            peer_rounds: usize::MAX,
        }
    }

    /// With a bare server that sleeps when it finds no work.
    pub fn limit(mut self, kind: Kind) -> Case {
        self.limit = Some(Bare { kind, spin_us: 0 });
        self
    }

    /// With a property of the brokers.
    pub fn property(mut self, key: &str, value: &str) -> Case {
        self.properties.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With a property of the topic.
    pub fn topic(mut self, key: &str, value: &str) -> Case {
        self.topic.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With records that are there before.
    pub fn fill(mut self, batch_bytes: usize, bytes: u64) -> Case {
        let batches = bytes / batch_bytes as u64;
        self.fill = Some(Fill {
            batch_bytes,
            batches,
            spacing_ms: 0,
        });
        self
    }

    /// With Apache Kafka in so many rounds at most.
    pub fn peer_rounds(mut self, rounds: usize) -> Case {
        self.peer_rounds = rounds;
        self
    }

    /// Not on Apache Kafka.
    pub fn without_peer(self) -> Case {
        self.peer_rounds(0)
    }

    /// The load, if it is one.
    pub fn load(&self) -> Option<&Load> {
        match &self.work {
            Work::Load(load) | Work::ShareOfMost { load, .. } => Some(load),
            Work::Starts { .. } => None,
        }
    }

    /// The same.
    pub fn load_mut(&mut self) -> Option<&mut Load> {
        match &mut self.work {
            Work::Load(load) | Work::ShareOfMost { load, .. } => Some(load),
            Work::Starts { .. } => None,
        }
    }

    /// Bytes that a run may touch: what is warmed before it.
    pub fn footprint_bytes(&self) -> u64 {
        let Some(load) = self.load() else {
            return 256 << 20;
        };
        let filled = self.fill.map_or(0, |it| {
            it.batch_bytes as u64 * it.batches * load.partitions as u64
        });
        let produced = load.producers.as_ref().map_or(0, |producers| {
            let set_bytes = producers.set.bytes() as f64;
            let (per_s, bytes) = match producers.pace {
                Pace::Open { per_s, .. } => (per_s * set_bytes, None),
                Pace::Closed => {
                    let most = (CLOSED_REQUESTS_PER_S * set_bytes).min(CLOSED_BYTES_PER_S);
                    (most, load.measure.bytes)
                }
            };
            let timed = per_s * (load.warm_up.seconds + load.measure.seconds);
            let bounded = bytes.map(|it| (it + load.warm_up.bytes.unwrap_or(it)) as f64 * 1.1);
            bounded.unwrap_or(timed) as u64
        });
        (filled + produced + (64 << 20)).min(WARMED_BYTES_MAX)
    }

    /// Whether requests are sent when they are due.
    pub fn is_open(&self) -> bool {
        let is_open = |pace| matches!(pace, Pace::Open { .. });
        let producers = self.load().and_then(|it| it.producers.as_ref());
        matches!(self.work, Work::ShareOfMost { .. })
            || producers.is_some_and(|it| is_open(it.pace))
    }

    /// Bytes that a request moves.
    pub fn request_bytes(&self) -> Option<usize> {
        let load = self.load()?;
        match (&load.readers, &load.producers) {
            (Some(readers), _) => Some(readers.fetch_bytes),
            (None, Some(producers)) => Some(producers.set.bytes()),
            (None, None) => None,
        }
    }

    /// Whether what is fetched is counted, not what is produced.
    pub fn is_reading(&self) -> bool {
        let load = self.load();
        load.is_some_and(|load| match &load.readers {
            Some(readers) => load.producers.is_none() || readers.way != Way::Drain,
            None => false,
        })
    }
}
