//! One connection to a broker: frames out, frames in, and what the broker said it can do.

use crate::cli::failure::Failure;
use crate::sys::monotonic_us;
use crate::wire::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, Body, ErrorCode, Reader,
    decode_response_header, encode_request,
};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a connection may take to be made: brokers nearby take milliseconds, and a list of brokers
/// should be gone through while somebody waits.
const CONNECT_MS_MAX: u64 = 5_000;

/// The newest ApiVersions of every broker since Kafka 2.4; older ones answer what they have.
const API_VERSIONS: i16 = 3;

/// A moment at which to give up.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Deadline {
    until_us: u64,
}

impl Deadline {
    /// That long from here.
    pub(in crate::cli) fn after(time: Duration) -> Deadline {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Deadline {
            until_us: monotonic_us().saturating_add(us),
        }
    }

    /// What is left, nothing if the time is over.
    pub(in crate::cli) fn left(self) -> Option<Duration> {
        let us = self.until_us.saturating_sub(monotonic_us());
        (us > 0).then(|| Duration::from_micros(us))
    }
}

/// A connection that knows the broker's APIs.
pub(super) struct Connection {
    stream: TcpStream,
    address: String,
    client_id: String,
    timeout: Duration,
    correlation_id: i32,
    /// The versions of each API, lowest and highest.
    apis: BTreeMap<i16, (i16, i16)>,
}

/// An answer: the frame, for its body borrows from it.
pub(in crate::cli) struct Reply {
    frame: Vec<u8>,
    key: ApiKey,
    version: i16,
}

impl Reply {
    /// What the answer says.
    pub(in crate::cli) fn body<'a, R: Body<'a>>(&'a self) -> Result<R, Failure> {
        assert_eq!(R::KEY, self.key, "the answer to another request");
        let mut reader = Reader::new([&self.frame[..]]);
        decode_response_header(&mut reader, R::KEY, self.version)?;
        Ok(R::decode(&mut reader, self.version)?)
    }

    /// The frame without its size, into which [`crate::wire::Records::Range`] points.
    pub(in crate::cli) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// The version that was agreed on.
    pub(in crate::cli) fn version(&self) -> i16 {
        self.version
    }
}

impl Connection {
    /// Connects, and asks what the broker can do.
    pub(super) fn open(
        address: &str,
        client_id: &str,
        timeout: Duration,
    ) -> Result<Connection, Failure> {
        let mut connection = Connection {
            stream: dial(address, timeout)?,
            address: address.to_owned(),
            client_id: client_id.to_owned(),
            timeout,
            correlation_id: 0,
            apis: BTreeMap::new(),
        };
        connection.negotiate()?;
        Ok(connection)
    }

    /// The versions of an API that the broker serves.
    pub(super) fn apis(&self) -> &BTreeMap<i16, (i16, i16)> {
        &self.apis
    }

    /// Sends a request in the highest version that both sides have, up to `cap`, and says which.
    pub(super) fn send<'a, Q: Body<'a>>(&mut self, request: &Q, cap: i16) -> Result<i16, Failure> {
        let version = self.version::<Q>(cap)?;
        self.send_as(version, request)?;
        Ok(version)
    }

    /// Waits for the answer to the request sent last.
    pub(super) fn receive(&mut self, key: ApiKey, version: i16) -> Result<Reply, Failure> {
        let deadline = Deadline::after(self.timeout);
        let mut size = [0; 4];
        self.fill(&mut size, deadline, key)?;
        let size = i32::from_be_bytes(size);
        let Ok(size) = usize::try_from(size) else {
            return Err(self.nonsense());
        };
        // Grows as bytes come, whatever size is claimed.
        let mut frame = Vec::new();
        while frame.len() < size {
            let start = frame.len();
            frame.resize(size.min(start + start.max(64 * 1024)), 0);
            self.fill(&mut frame[start..], deadline, key)?;
        }
        let mut reader = Reader::new([&frame[..]]);
        let answered =
            decode_response_header(&mut reader, key, version).map_err(|_| self.nonsense())?;
        if answered != self.correlation_id {
            return Err(self.nonsense());
        }
        Ok(Reply {
            frame,
            key,
            version,
        })
    }

    fn version<'a, Q: Body<'a>>(&self, cap: i16) -> Result<i16, Failure> {
        let (name, address) = (Q::KEY.name(), &self.address);
        let Some(&(first, last)) = self.apis.get(&Q::KEY.0) else {
            return Err(Failure::new(format!("{address} does not serve {name}"))
                .advise("`millstream cluster api-versions` lists what it serves"));
        };
        let version = last.min(Q::VERSIONS.last).min(cap);
        if version < first || version < Q::VERSIONS.first {
            return Err(Failure::new(format!(
                "{address} serves {name} in versions {first} to {last}, this client has {} to {}",
                Q::VERSIONS.first,
                Q::VERSIONS.last.min(cap)
            ))
            .advise("use a millstream of the broker's age"));
        }
        Ok(version)
    }

    fn send_as<'a, Q: Body<'a>>(&mut self, version: i16, request: &Q) -> Result<(), Failure> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame = encode_request(version, self.correlation_id, Some(&self.client_id), request)?;
        assert!(frame.holes.is_empty(), "a request has all of its bytes");
        self.stream
            .set_write_timeout(Some(self.timeout))
            .and_then(|()| self.stream.write_all(&frame.bytes))
            .map_err(|error| self.lost(&error, Q::KEY))
    }

    /// Learns the broker's APIs. A broker that does not know our version of the question answers in
    /// v0, with an error (KIP-511).
    fn negotiate(&mut self) -> Result<(), Failure> {
        let request = ApiVersionsRequest {
            client_software_name: "millstream".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
        };
        self.send_as(API_VERSIONS, &request)?;
        let reply = self.receive(ApiKey::API_VERSIONS, API_VERSIONS)?;
        // The error code is the first field of every version.
        let unsupported =
            reply.frame().get(4..6) == Some(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes()[..]);
        let reply = if unsupported {
            self.send_as(0, &request)?;
            self.receive(ApiKey::API_VERSIONS, 0)?
        } else {
            reply
        };
        let response: ApiVersionsResponse = reply.body().map_err(|_| self.nonsense())?;
        if !response.error_code.is_none() {
            let subject = format!("{} was asked what it serves", self.address);
            return Err(Failure::refused(&subject, response.error_code, None));
        }
        self.apis = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        Ok(())
    }

    fn fill(&mut self, into: &mut [u8], deadline: Deadline, key: ApiKey) -> Result<(), Failure> {
        let mut at = 0;
        while at < into.len() {
            let Some(left) = deadline.left() else {
                return Err(Failure::connection(format!(
                    "{} has not answered {key} within {} s",
                    self.address,
                    self.timeout.as_secs_f64()
                ))
                .advise("see whether it is alive, or give it longer with --timeout"));
            };
            let read = self
                .stream
                .set_read_timeout(Some(left))
                .and_then(|()| self.stream.read(&mut into[at..]));
            match read {
                Ok(0) => return Err(self.ended(key)),
                Ok(count) => at += count,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(self.lost(&error, key)),
            }
        }
        Ok(())
    }

    fn ended(&self, key: ApiKey) -> Failure {
        let failure =
            Failure::connection(format!("{} closed the connection at {key}", self.address));
        match self.apis.is_empty() {
            true => failure.advise("its log says why; only PLAINTEXT listeners can be spoken to"),
            false => failure.advise("its log says why"),
        }
    }

    fn lost(&self, error: &std::io::Error, key: ApiKey) -> Failure {
        if matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
        ) {
            return self.ended(key);
        }
        Failure::connection(format!("{} at {key}: {error}", self.address))
    }

    fn nonsense(&self) -> Failure {
        Failure::connection(format!("{} does not answer as a broker does", self.address))
            .advise("is it the port of a PLAINTEXT listener?")
    }
}

/// Connects to the first address of a name that can be reached.
fn dial(address: &str, timeout: Duration) -> Result<TcpStream, Failure> {
    let found = address.to_socket_addrs().map_err(|error| {
        Failure::connection(format!("{address} is not a host and port: {error}"))
    })?;
    let patience = timeout.min(Duration::from_millis(CONNECT_MS_MAX));
    let mut refused = None;
    for target in found {
        match TcpStream::connect_timeout(&target, patience) {
            Ok(stream) => {
                // Each request is one write, to be sent at once; without it they are only slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => refused = Some(error),
        }
    }
    let why = refused.map_or("it has no address".to_owned(), |error| match error.kind() {
        ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            format!("no connection within {} s", patience.as_secs_f64())
        }
        _ => error.to_string(),
    });
    Err(Failure::connection(format!("{address}: {why}")))
}
