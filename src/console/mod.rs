//! Who watches the broker: `GET /metrics` for Prometheus, `GET /stats` for `millstream stats`, `GET
//! /groups` for `millstream groups`. It only reads.
//!
//! Threads of its own, off the shards, answer HTTP/1.1: one accepts, each connection has one for the
//! moment that its answer takes. That is what two paths without state need; an HTTP framework with its
//! runtime would have brought sixty crates and a scheduler into a process whose threads are counted.
//!
//! A question goes to the shards through [`Watched::ask`], which the server provides, and what they say
//! is kept: a shard that does not answer in time is told of as it was, so that no counter goes back, and
//! marked as silent.
//!
//! - `http`: requests in, answers out
//! - `groups`: how far groups are behind
//! - `prometheus`: reports as text in Prometheus' format, under Kafka's names
//! - [`stats`]: reports as JSON, and back again in the command line
//! - `window`: what came within the last minute, which quantiles are of
//!
//! Beyond what the design lets it know it knows `group`: pages of how far groups have come are that room's.
//!
//! Where the port is in use the broker serves without it, says so, and tries again.

mod groups;
mod http;
mod prometheus;
pub mod stats;
mod window;

use crate::config::Address;
use crate::group::{Bookmark, StandingPage};
use crate::metrics::Report;
use crate::types::{Offset, PartitionId, ShardId, Timestamp};
use std::fmt;
use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long after a port was found in use it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// How a shard is asked how far groups have come.
pub type AskStandings = dyn Fn(ShardId, Option<Bookmark>) -> Option<StandingPage> + Send + Sync;

/// How a shard is asked when records were written. The answers come in the order of the places; nothing
/// where there is no record, or it cannot be read.
pub type AskTimes =
    dyn Fn(ShardId, &[(PartitionId, Offset)]) -> Option<Vec<Option<Timestamp>>> + Send + Sync;

/// Who is watched.
#[derive(Clone)]
pub struct Watched {
    /// `node.id`.
    pub node: i32,
    /// The cluster's id.
    pub cluster_id: Arc<str>,
    /// The names of the listeners, by their index.
    pub listeners: Vec<String>,
    /// Microseconds of the monotonic clock.
    pub clock: fn() -> u64,
    /// Kafka's name of an API.
    pub api_name: fn(i16) -> &'static str,
    /// Kafka's name of an error code.
    pub error_name: fn(i16) -> &'static str,
    /// Asks every shard: what it says, in their order, or nothing if it says nothing in time.
    pub ask: Arc<dyn Fn() -> Vec<Option<Report>> + Send + Sync>,
    /// Asks a shard how far the groups have come that it coordinates, from some place on; nothing if it
    /// does not answer in time.
    pub standings: Arc<AskStandings>,
    /// Asks a shard when the records at these places were written; nothing if it does not answer in time.
    pub times: Arc<AskTimes>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({} of {})", self.node, self.cluster_id)
    }
}

/// What a shard has said last.
#[derive(Clone, Debug)]
struct Said {
    report: Report,
    /// Whether it was said just now.
    answers: bool,
}

struct Console {
    watched: Watched,
    memory: Mutex<Memory>,
    /// Held while groups are gathered, which is done once at a time.
    times: Mutex<groups::Times>,
}

#[derive(Default)]
struct Memory {
    said: Vec<Option<Said>>,
    window: window::Window,
}

/// Begins to answer there. A port in use is tried again until it is free.
pub fn start(address: &Address, watched: Watched) {
    let console = Arc::new(Console {
        watched,
        memory: Mutex::default(),
        times: Mutex::default(),
    });
    match listen(address) {
        Ok(listener) => answer_there(listener, console),
        Err(error) => {
            tracing::warn!(
                "no metrics at {address}: {error}; the broker serves without them and tries again \
                 (millstream.metrics.listener says where; empty turns them off)"
            );
            let address = address.clone();
            run("metrics", move || {
                let listener = loop {
                    std::thread::sleep(AGAIN);
                    if let Ok(listener) = listen(&address) {
                        break listener;
                    }
                };
                answer_there(listener, console);
            });
        }
    }
}

fn listen(address: &Address) -> io::Result<TcpListener> {
    let host = match address.host.as_str() {
        "" => "0.0.0.0",
        host => host,
    };
    let mut found = (host, address.port).to_socket_addrs()?;
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    TcpListener::bind(found.next().ok_or_else(none)?)
}

fn answer_there(listener: TcpListener, console: Arc<Console>) {
    if let Ok(bound) = listener.local_addr() {
        tracing::info!("metrics at http://{bound}/metrics");
    }
    let clock = console.watched.clock;
    let answer = move |path: &str| console.answer(path);
    run("metrics", move || {
        http::serve(&listener, clock, Arc::new(answer));
    });
}

fn run(name: &str, work: impl FnOnce() + Send + 'static) {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(work);
    if let Err(error) = spawned {
        tracing::warn!("no metrics: {error}");
    }
}

impl Console {
    fn answer(&self, path: &str) -> Option<http::Answer> {
        match path {
            "/metrics" => {
                let (said, recent) = self.look();
                let lags = self.lags(&said);
                Some(http::Answer {
                    kind: "text/plain; version=0.0.4; charset=utf-8",
                    body: prometheus::text(&self.watched, &said, &recent, &lags),
                })
            }
            "/stats" => {
                let (said, _) = self.look();
                Some(http::Answer {
                    kind: "application/json",
                    body: stats::document(&self.watched, &said).to_string(),
                })
            }
            "/groups" => {
                let (said, _) = self.look();
                Some(http::Answer {
                    kind: "application/json",
                    body: self.lags(&said).document(&self.watched).to_string(),
                })
            }
            "/" => Some(http::Answer {
                kind: "text/plain; charset=utf-8",
                body: format!(
                    "Millstream {}, node {} of cluster {}\n\
                     /metrics  for Prometheus\n\
                     /groups   how far groups are behind\n\
                     /stats    for millstream stats\n",
                    env!("CARGO_PKG_VERSION"),
                    self.watched.node,
                    self.watched.cluster_id
                ),
            }),
            _ => None,
        }
    }

    fn lags(&self, said: &[Said]) -> groups::Lags {
        let mut times = self.times.lock().expect("nobody panics with it");
        groups::gather(&self.watched, said, &mut times)
    }

    /// Asks the shards, and remembers.
    fn look(&self) -> (Vec<Said>, window::Recent) {
        let heard = (self.watched.ask)();
        let mut memory = self.memory.lock().expect("nobody panics with it");
        memory.said.resize(heard.len(), None);
        for (said, report) in memory.said.iter_mut().zip(heard) {
            match report {
                Some(report) => {
                    *said = Some(Said {
                        report,
                        answers: true,
                    });
                }
                None => {
                    if let Some(said) = said {
                        said.answers = false;
                    }
                }
            }
        }
        let said: Vec<Said> = memory.said.iter().flatten().cloned().collect();
        let recent = memory.window.look(said.iter().map(|it| &it.report));
        (said, recent)
    }
}

#[cfg(test)]
mod tests;
