//! What a broker knows of itself and of a connection.

use super::fetch_session::FetchSession;
use crate::types::{NodeId, Now};
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

/// Who this broker is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its `node.id`.
    pub node: NodeId,
    /// The cluster's id, as in `meta.properties`.
    pub cluster_id: Arc<str>,
    /// What clients connect to, one per listener.
    pub advertised: Vec<Endpoint>,
}

/// A host and a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    /// The listener that it came in by, as an index into [`Identity::advertised`].
    pub listener: usize,
    /// Where the client is.
    pub peer: IpAddr,
    /// What the client calls itself.
    pub client_id: Option<Arc<str>>,
    /// A number for the next fetch session, drawn from the broker's randomness.
    pub fetch_session_id: i32,
    /// The incremental fetch session, if the client has opened one (KIP-227). It ends with the
    /// connection: a client that comes back is told that its session is unknown and opens another.
    pub fetch_session: Option<FetchSession>,
    /// Until when the client is held back for its quota, microseconds on the monotonic clock: not yet
    /// told to the connection.
    pub held_until_us: Option<u64>,
}

impl Session {
    /// A connection that has just come in by that listener. `fetch_session_id` is drawn from the
    /// broker's randomness.
    pub fn new(listener: usize, peer: IpAddr, fetch_session_id: i32) -> Session {
        Session {
            listener,
            peer,
            client_id: None,
            fetch_session_id,
            fetch_session: None,
            held_until_us: None,
        }
    }

    /// What the client calls itself; empty if it does not.
    pub(super) fn client_id_or_empty(&self) -> &str {
        self.client_id.as_deref().unwrap_or_default()
    }

    /// The client's address as Kafka tells it to whoever describes groups: Java's way of writing one,
    /// behind the slash that separates it from a name, which is not looked up.
    pub(super) fn client_host(&self) -> String {
        let mut host = String::from("/");
        let written = match self.peer.to_canonical() {
            IpAddr::V4(address) => write!(host, "{address}"),
            IpAddr::V6(address) => {
                let [first, rest @ ..] = address.segments();
                let rest = rest.iter();
                write!(host, "{first:x}")
                    .and_then(|()| rest.into_iter().try_for_each(|it| write!(host, ":{it:x}")))
            }
        };
        written.expect("strings take everything");
        host
    }

    /// Holds the client back once it has its answer (KIP-219).
    pub(super) fn hold(&mut self, now: Now, held_ms: i32) {
        if held_ms > 0 {
            let until_us = now.monotonic_us + held_ms as u64 * 1000;
            self.held_until_us = self.held_until_us.max(Some(until_us));
        }
    }

    /// An id for a fetch session: positive, and another one each time.
    pub fn next_fetch_session_id(&mut self) -> i32 {
        self.fetch_session_id = self
            .fetch_session_id
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (self.fetch_session_id & i32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_host_is_written_as_java_does() {
        for (address, host) in [
            ("127.0.0.1", "/127.0.0.1"),
            ("::1", "/0:0:0:0:0:0:0:1"),
            ("2001:db8::a00:1", "/2001:db8:0:0:0:0:a00:1"),
            // Java takes these for what they stand for.
            ("::ffff:192.0.2.7", "/192.0.2.7"),
        ] {
            let session = Session::new(0, address.parse().expect("an address"), 0);
            assert_eq!(session.client_host(), host);
        }
    }
}
