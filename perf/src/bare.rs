//! The bare loops: the least that a broker of record sets must do, and nothing else.

use crate::contest::{Contender, Shape};
use crate::poll::{Connection, Next, Server, serve, unless_it_waits};
use core_affinity::CoreId;
use crc_fast::CrcAlgorithm;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bytes of a frame's header behind its length: what a Kafka header and envelope come to.
const HEADER_BYTES: usize = 60;

/// Receive, CRC, append, acknowledge.
pub struct Produce {
    name: String,
    shape: Shape,
    path: PathBuf,
    core: CoreId,
    server: Option<Server>,
}

impl Produce {
    /// Appends to a file in `directory`; the server runs on `core`.
    pub fn new(directory: &Path, core: CoreId, shape: Shape) -> Produce {
        Produce {
            name: format!("bare produce {}K", shape.set_bytes >> 10),
            shape,
            path: directory.join(format!("perf-produce-{}", std::process::id())),
            core,
            server: None,
        }
    }
}

impl Contender for Produce {
    fn name(&self) -> &str {
        &self.name
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn start(&mut self, _bytes: u64, connections: usize) -> Result<SocketAddr> {
        let file = Arc::new(create(&self.path)?);
        let end = Arc::new(AtomicU64::new(0));
        let frame_bytes = SET_AT + self.shape.set_bytes;
        let connect = move || {
            Ok(Producing {
                file: file.clone(),
                end: end.clone(),
                frame: vec![0; frame_bytes],
                received: 0,
            })
        };
        let (address, server) = serve(self.core, connections, connect)?;
        self.server = Some(server);
        Ok(address)
    }

    fn requests(&self) -> Vec<Vec<u8>> {
        let set_bytes = self.shape.set_bytes;
        let mut frame = ((HEADER_BYTES + set_bytes) as u32).to_be_bytes().to_vec();
        frame.extend([0; HEADER_BYTES]);
        frame.extend((0..set_bytes).map(|at| (at * 31 + at / 251) as u8));
        let crc = crc(&frame[SET_AT..]);
        frame[CRC_AT..SET_AT].copy_from_slice(&crc.to_be_bytes());
        vec![frame]
    }

    fn accepts(&self, _start: &[u8], length: usize) -> bool {
        length == HEADER_BYTES
    }

    fn finish(&mut self) -> Result<Duration> {
        let used = join(self.server.take());
        std::fs::remove_file(&self.path)?;
        used
    }
}

/// Where the record set of a frame begins.
const SET_AT: usize = 4 + HEADER_BYTES;
/// Where its CRC stands: the header's last four bytes.
const CRC_AT: usize = SET_AT - 4;

struct Producing {
    file: Arc<File>,
    end: Arc<AtomicU64>,
    frame: Vec<u8>,
    received: usize,
}

impl Connection for Producing {
    fn go_on(&mut self, mut stream: &TcpStream) -> Result<Next> {
        loop {
            match unless_it_waits(stream.read(&mut self.frame[self.received..]))? {
                None => return Ok(Next::Readable),
                Some(0) => return Ok(Next::Closed),
                Some(count) => self.received += count,
            }
            if self.received == self.frame.len() {
                self.received = 0;
                let set = &self.frame[SET_AT..];
                if crc(set).to_be_bytes() != self.frame[CRC_AT..SET_AT] {
                    return Err(ErrorKind::InvalidData.into());
                }
                let position = self.end.fetch_add(set.len() as u64, Ordering::Relaxed);
                self.file.write_all_at(set, position)?;
                let mut answer = [0; 4 + HEADER_BYTES];
                answer[..4].copy_from_slice(&(HEADER_BYTES as u32).to_be_bytes());
                stream.write_all(&answer)?;
                return Ok(Next::Readable);
            }
        }
    }
}

/// CRC-32C.
pub fn crc(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Header and sendfile.
pub struct Fetch {
    name: String,
    shape: Shape,
    path: PathBuf,
    core: CoreId,
    server: Option<Server>,
}

impl Fetch {
    /// Serves a file in `directory`; the server runs on `core`.
    pub fn new(directory: &Path, core: CoreId, shape: Shape) -> Fetch {
        Fetch {
            name: format!("bare fetch {}K", shape.set_bytes >> 10),
            shape,
            path: directory.join(format!("perf-fetch-{}", std::process::id())),
            core,
            server: None,
        }
    }
}

impl Contender for Fetch {
    fn name(&self) -> &str {
        &self.name
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn start(&mut self, _bytes: u64, connections: usize) -> Result<SocketAddr> {
        let file = Arc::new(create(&self.path)?);
        let shape = self.shape;
        let set = vec![7u8; shape.set_bytes];
        for at in 0..shape.fetched_sets() {
            file.write_all_at(&set, at * shape.set_bytes as u64)?;
        }
        let turn = Arc::new(AtomicU64::new(0));
        let connect = move || {
            Ok(Fetching {
                file: file.clone(),
                turn: turn.clone(),
                shape,
                sending: None,
            })
        };
        let (address, server) = serve(self.core, connections, connect)?;
        self.server = Some(server);
        Ok(address)
    }

    fn requests(&self) -> Vec<Vec<u8>> {
        let mut frame = (HEADER_BYTES as u32).to_be_bytes().to_vec();
        frame.extend([0; HEADER_BYTES]);
        vec![frame]
    }

    fn accepts(&self, start: &[u8], length: usize) -> bool {
        length == HEADER_BYTES + self.shape.set_bytes
            && start[HEADER_BYTES..].iter().all(|it| *it == 7)
    }

    fn finish(&mut self) -> Result<Duration> {
        let used = join(self.server.take());
        std::fs::remove_file(&self.path)?;
        used
    }
}

struct Fetching {
    file: Arc<File>,
    turn: Arc<AtomicU64>,
    shape: Shape,
    /// Where in the file the answer goes on, and how much of it is left.
    sending: Option<(u64, usize)>,
}

impl Connection for Fetching {
    fn go_on(&mut self, mut stream: &TcpStream) -> Result<Next> {
        if self.sending.is_none() {
            let mut request = [0; 4 + HEADER_BYTES];
            match unless_it_waits(stream.read(&mut request))? {
                None => return Ok(Next::Readable),
                Some(0) => return Ok(Next::Closed),
                // A request this small comes whole over loopback.
                Some(count) if count < request.len() => return Err(ErrorKind::InvalidData.into()),
                Some(_) => {}
            }
            let mut header = [0; 4 + HEADER_BYTES];
            let set_bytes = self.shape.set_bytes;
            header[..4].copy_from_slice(&((HEADER_BYTES + set_bytes) as u32).to_be_bytes());
            send_more(stream, &header)?;
            let set = self.turn.fetch_add(1, Ordering::Relaxed) % self.shape.fetched_sets();
            self.sending = Some((set * set_bytes as u64, set_bytes));
        }
        while let Some((position, left)) = self.sending {
            match unless_it_waits(send_file(stream, &self.file, position, left))? {
                None => return Ok(Next::Writable),
                Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Some(count) => {
                    let rest = (position + count as u64, left - count);
                    self.sending = (rest.1 > 0).then_some(rest);
                }
            }
        }
        Ok(Next::Readable)
    }
}

/// send(2) with MSG_MORE of what always fits.
fn send_more(stream: &TcpStream, bytes: &[u8]) -> Result<()> {
    // SAFETY: pointer and length are those of `bytes`.
    let sent = unsafe {
        libc::send(
            stream.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_MORE | libc::MSG_NOSIGNAL,
        )
    };
    if sent == bytes.len() as isize {
        Ok(())
    } else {
        Err(Error::last_os_error())
    }
}

fn send_file(stream: &TcpStream, file: &File, position: u64, count: usize) -> Result<usize> {
    let mut offset = position as libc::off_t;
    // SAFETY: `offset` outlives the call.
    let sent = unsafe { libc::sendfile(stream.as_raw_fd(), file.as_raw_fd(), &mut offset, count) };
    usize::try_from(sent).map_err(|_| Error::last_os_error())
}

fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    options.open(path)
}

fn join(server: Option<Server>) -> Result<Duration> {
    let server = server.expect("finished once, after it was started");
    server.join().expect("a server panics only by mistake")
}
