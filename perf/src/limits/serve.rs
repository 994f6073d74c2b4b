//! A server without a broker: one thread, epoll, non-blocking sockets.
//!
//! What it takes from what was measured on this kind of machine: received bytes go into a small pool of
//! buffers, last in first out, so that they stay in the cache; what came in together is appended with
//! one vectored write per file; files are allocated ahead; answers on one connection leave together; the
//! header before a sendfile says MSG_MORE.

use super::Kind;
use crate::batch::{self, HEADER_BYTES};
use crate::clock;
use crate::wire;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fs::{FallocateFlags, fallocate, sendfile};
use rustix::net::{SendFlags, send};
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, IoSlice, Read, Result};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

/// The smallest buffer that a frame is received into.
const BUFFER_BYTES_MIN: usize = 64 << 10;
/// The longest frame.
const FRAME_BYTES_MAX: usize = 64 << 20;
/// Bytes that wait to be appended before they are, whatever else may have come.
const APPEND_BYTES_MAX: usize = 256 << 10;
/// Slices of a vectored write.
const SLICES_MAX: usize = 64;
/// A file is allocated ahead in steps of this, and all files together in steps of that.
const AHEAD_BYTES_MAX: u64 = 128 << 20;
const AHEAD_OF_ALL_BYTES: u64 = 8 << 30;
const EVENTS_MAX: usize = 512;

/// What a server is to do.
pub struct Served {
    /// With each request.
    pub kind: Kind,
    /// Where its files are.
    pub directory: PathBuf,
    /// Files that it appends to.
    pub partitions: usize,
    /// The log that it serves: bytes of a batch and how many there are.
    pub log: Option<(usize, u64)>,
    /// How long it looks for work before it sleeps, us.
    pub spin_us: u64,
}

/// Serves until the process is ended. `ready` is told the port.
pub fn serve(served: &Served, ready: impl FnOnce(u16)) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &listener,
        epoll::EventData::new_u64(u64::MAX),
        epoll::EventFlags::IN,
    )?;
    let mut server = Server {
        kind: served.kind,
        files: Vec::new(),
        log: None,
        connections: Vec::new(),
        pool: Vec::new(),
        waiting: Vec::new(),
        waiting_bytes: 0,
        answered: Vec::new(),
    };
    match served.kind {
        Kind::Echo => {}
        Kind::Append => {
            let share = AHEAD_OF_ALL_BYTES / served.partitions.max(1) as u64;
            for partition in 0..served.partitions {
                let file = create(&served.directory, &format!("limit-{partition}"))?;
                server.files.push(Appended {
                    file,
                    end: 0,
                    allocated: 0,
                    step: share.min(AHEAD_BYTES_MAX),
                });
            }
        }
        Kind::Sendfile => {
            let (bytes, count) = served.log.ok_or_else(|| Error::other("no log to serve"))?;
            server.log = Some(write_log(&served.directory, bytes, count)?);
        }
    }
    ready(listener.local_addr()?.port());
    let mut events = Vec::with_capacity(EVENTS_MAX);
    loop {
        wait(&epoll, &mut events, served.spin_us)?;
        for event in events.drain(..) {
            match event.data.u64() {
                u64::MAX => server.accept(&listener, &epoll)?,
                at => server.ready(at as usize, event.flags, &epoll)?,
            }
        }
        server.append()?;
        server.answer()?;
    }
}

/// At least one event: at once, after looking for a while, or after a sleep.
fn wait(epoll: &rustix::fd::OwnedFd, events: &mut Vec<epoll::Event>, spin_us: u64) -> Result<()> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    if spin_us > 0 {
        let began_ns = clock::now_ns();
        loop {
            if epoll::wait(epoll, spare_capacity(events), Some(&now))? > 0 {
                return Ok(());
            }
            if clock::now_ns() - began_ns >= spin_us * 1_000 {
                break;
            }
        }
    }
    match epoll::wait(epoll, spare_capacity(events), None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

struct Server {
    kind: Kind,
    files: Vec<Appended>,
    log: Option<Log>,
    connections: Vec<Option<Connection>>,
    pool: Vec<Vec<u8>>,
    /// Record sets to be appended: partition, and the buffer, start and end.
    waiting: Vec<Set>,
    waiting_bytes: usize,
    /// Connections with answers to be sent.
    answered: Vec<usize>,
}

struct Appended {
    file: File,
    end: u64,
    allocated: u64,
    /// Bytes that are allocated at once.
    step: u64,
}

struct Log {
    file: File,
    batch_bytes: u64,
    batches: u64,
}

struct Set {
    partition: usize,
    connection: usize,
    start: usize,
    end: usize,
}

struct Connection {
    stream: TcpStream,
    /// What is received into while a frame is under way.
    buffer: Vec<u8>,
    received: usize,
    /// Of that, what is answered or waits to be.
    taken: usize,
    answers: Vec<u8>,
    /// Where in the log the answer goes on, and how much of it is left.
    sending: Option<(u64, usize)>,
    is_answered: bool,
}

impl Server {
    fn accept(&mut self, listener: &TcpListener, epoll: &rustix::fd::OwnedFd) -> Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let at = self.connections.iter().position(Option::is_none);
            let at = at.unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            epoll::add(
                epoll,
                &stream,
                epoll::EventData::new_u64(at as u64),
                epoll::EventFlags::IN,
            )?;
            self.connections[at] = Some(Connection {
                stream,
                buffer: Vec::new(),
                received: 0,
                taken: 0,
                answers: Vec::new(),
                sending: None,
                is_answered: false,
            });
        }
    }

    fn ready(
        &mut self,
        at: usize,
        flags: epoll::EventFlags,
        epoll: &rustix::fd::OwnedFd,
    ) -> Result<()> {
        if flags.contains(epoll::EventFlags::OUT) {
            self.go_on_sending(at, epoll, true)?;
            return Ok(());
        }
        if !self.receive(at)? {
            // A client went: what of its sets still waits is appended first.
            self.append()?;
            let gone = self.connections[at].take().expect("it was there");
            self.answered.retain(|it| *it != at);
            if !gone.buffer.is_empty() {
                self.pool.push(gone.buffer);
            }
            return Ok(());
        }
        if self.kind == Kind::Sendfile {
            self.go_on_sending(at, epoll, false)?;
        }
        if self.waiting_bytes >= APPEND_BYTES_MAX {
            self.append()?;
            self.answer()?;
        }
        Ok(())
    }

    /// Takes what came; `false` if the client went.
    fn receive(&mut self, at: usize) -> Result<bool> {
        let connection = self.connections[at].as_mut().expect("an open connection");
        if connection.buffer.is_empty() {
            connection.buffer = self.pool.pop().unwrap_or_else(|| vec![0; BUFFER_BYTES_MIN]);
        }
        // One frame after the other: a connection is read until its frame is whole or nothing more is there,
        // so that few buffers are under way and stay in the cache.
        loop {
            connection.make_room()?;
            let room = connection.buffer.len() - connection.received;
            let into = &mut connection.buffer[connection.received..];
            let count = match (&connection.stream).read(into) {
                Ok(0) => return Ok(false),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error),
            };
            connection.received += count;
            if count < room || connection.has_frame() {
                break;
            }
        }
        while let Some(prefix) =
            connection.buffer[..connection.received].get(connection.taken..connection.taken + 4)
        {
            let start = connection.taken;
            let end = start + 4 + wire::i32_at(prefix, 0) as u32 as usize;
            if end > connection.received {
                break;
            }
            connection.taken = end;
            let api = wire::i16_at(&connection.buffer, start + wire::API_KEY_AT);
            match (self.kind, api == wire::PRODUCE.0) {
                (Kind::Sendfile, false) => {
                    let log = self.log.as_ref().expect("a log is served");
                    connection.fetch(start, log);
                }
                (Kind::Echo | Kind::Append, true) => {
                    let set = Set {
                        partition: connection.partition(start) % self.files.len().max(1),
                        connection: at,
                        start: start + wire::SET_AT,
                        end,
                    };
                    if self.kind == Kind::Append {
                        let bytes = &connection.buffer[set.start..set.end];
                        if !batch::is_intact(bytes) {
                            return Err(Error::other("a record set with a wrong CRC"));
                        }
                        self.waiting_bytes += bytes.len();
                        self.waiting.push(set);
                    }
                    connection.accept(start);
                }
                _ => return Err(Error::other("a request that no limit answers")),
            }
            if !connection.is_answered {
                connection.is_answered = true;
                self.answered.push(at);
            }
        }
        Ok(true)
    }

    /// What waits, with as few calls as there are files.
    fn append(&mut self) -> Result<()> {
        self.waiting_bytes = 0;
        // Stable: a connection's sets stay in their order.
        self.waiting.sort_by_key(|set| set.partition);
        let mut rest = &self.waiting[..];
        while let Some(first) = rest.first() {
            let same = rest.iter().take(SLICES_MAX);
            let count = same
                .take_while(|set| set.partition == first.partition)
                .count();
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            for (slice, set) in slices.iter_mut().zip(&rest[..count]) {
                let connection = self.connections[set.connection].as_ref();
                let buffer = &connection.expect("it has sets").buffer;
                *slice = IoSlice::new(&buffer[set.start..set.end]);
            }
            self.files[first.partition].append(&mut slices[..count])?;
            rest = &rest[count..];
        }
        self.waiting.clear();
        Ok(())
    }

    /// Answers leave, and buffers whose frames are done are free again.
    fn answer(&mut self) -> Result<()> {
        for at in self.answered.drain(..) {
            let Some(connection) = &mut self.connections[at] else {
                continue;
            };
            connection.is_answered = false;
            if !connection.answers.is_empty() {
                let sent = send(&connection.stream, &connection.answers, SendFlags::NOSIGNAL);
                match sent {
                    Ok(count) if count == connection.answers.len() => {}
                    Ok(_) => return Err(Error::other("a client that takes no answers")),
                    Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => {}
                    Err(error) => return Err(error.into()),
                }
                connection.answers.clear();
            }
            connection
                .buffer
                .copy_within(connection.taken..connection.received, 0);
            connection.received -= connection.taken;
            connection.taken = 0;
            if connection.received == 0 {
                self.pool.push(std::mem::take(&mut connection.buffer));
            }
        }
        Ok(())
    }

    fn go_on_sending(
        &mut self,
        at: usize,
        epoll: &rustix::fd::OwnedFd,
        was_full: bool,
    ) -> Result<()> {
        let connection = self.connections[at].as_mut().expect("an open connection");
        let log = self.log.as_ref().expect("a log is served");
        let is_full = !connection.send_file(log)?;
        if is_full != was_full {
            let mut flags = epoll::EventFlags::IN;
            flags.set(epoll::EventFlags::OUT, is_full);
            let data = epoll::EventData::new_u64(at as u64);
            epoll::modify(epoll, &connection.stream, data, flags)?;
        }
        Ok(())
    }
}

impl Connection {
    /// The frame at the start of the buffer is whole.
    fn has_frame(&self) -> bool {
        self.received >= 4 && 4 + wire::i32_at(&self.buffer, 0) as u32 as usize <= self.received
    }

    /// The frame that has begun, which is at the start of the buffer, will fit into it.
    fn make_room(&mut self) -> Result<()> {
        assert_eq!(self.taken, 0, "what was answered is gone from the buffer");
        if self.received >= 4 {
            let frame = 4 + wire::i32_at(&self.buffer, 0) as u32 as usize;
            if frame > FRAME_BYTES_MAX {
                return Err(Error::other("a frame too long"));
            }
            if frame > self.buffer.len() {
                self.buffer.resize(frame, 0);
            }
        }
        Ok(())
    }

    fn partition(&self, start: usize) -> usize {
        wire::i32_at(&self.buffer, start + wire::PRODUCE_PARTITION_AT).max(0) as usize
    }

    /// Answers the Produce that begins at `start`.
    fn accept(&mut self, start: usize) {
        let correlation = wire::i32_at(&self.buffer, start + wire::CORRELATION_AT);
        let partition = self.partition(start) as i32;
        let answer_at = self.answers.len();
        self.answers.extend(PRODUCE_ANSWER.with(Clone::clone));
        let answer = &mut self.answers[answer_at..];
        answer[4..8].copy_from_slice(&correlation.to_be_bytes());
        let partition_at = 4 + 4 + 4 + 2 + wire::TOPIC.len() + 4;
        answer[partition_at..partition_at + 4].copy_from_slice(&partition.to_be_bytes());
    }

    /// Begins to answer the Fetch that begins at `start`.
    fn fetch(&mut self, start: usize, log: &Log) {
        let correlation = wire::i32_at(&self.buffer, start + wire::CORRELATION_AT);
        let partition = wire::i32_at(&self.buffer, start + wire::FETCH_PARTITION_AT);
        let offset = wire::i64_at(&self.buffer, start + wire::FETCH_OFFSET_AT);
        let most = wire::i32_at(&self.buffer, start + wire::FETCH_BYTES_AT).max(0) as u64;
        let position = (offset.max(0) as u64).min(log.batches) * log.batch_bytes;
        let bytes = most.min(log.batches * log.batch_bytes - position) as usize;
        self.answers = wire::fetch_answer(correlation, partition, log.batches as i64, bytes);
        self.sending = Some((position, bytes));
    }

    /// Sends header and slice; `false` if the socket is full.
    fn send_file(&mut self, log: &Log) -> Result<bool> {
        if !self.answers.is_empty() {
            let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
            let sent = match send(&self.stream, &self.answers, flags) {
                Ok(sent) => sent,
                Err(rustix::io::Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            if sent < self.answers.len() {
                return Err(Error::other("a socket with no room for a header"));
            }
            self.answers.clear();
        }
        while let Some((position, left)) = self.sending {
            if left == 0 {
                self.sending = None;
                break;
            }
            let mut offset = position;
            match sendfile(&self.stream, &log.file, Some(&mut offset), left) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.sending = Some((position + count as u64, left - count)),
                Err(rustix::io::Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

impl Appended {
    fn append(&mut self, mut slices: &mut [IoSlice]) -> Result<()> {
        let total: usize = slices.iter().map(|it| it.len()).sum();
        if self.end + total as u64 > self.allocated {
            let step = self.step.max(total as u64);
            fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.allocated, step)?;
            self.allocated += step;
        }
        while !slices.is_empty() {
            let count = rustix::io::pwritev(&self.file, slices, self.end)?;
            if count == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            self.end += count as u64;
            IoSlice::advance_slices(&mut slices, count);
        }
        Ok(())
    }
}

thread_local! {
    static PRODUCE_ANSWER: Vec<u8> = wire::produce_answer(0, 0, 0);
}

/// A log of batches of one record, as a broker would keep it.
fn write_log(directory: &Path, batch_bytes: usize, batches: u64) -> Result<Log> {
    assert!(batch_bytes > HEADER_BYTES, "a batch with a record");
    let file = create(directory, "limit-log")?;
    let mut batch =
        batch::RecordSet::of_size(batch_bytes, |count| vec![7; count], batch::Codec::None).bytes;
    // Written in pieces as large as can be: a file of small pieces is served more slowly.
    let per_write = ((1 << 20) / batch_bytes).clamp(1, batches.max(1) as usize);
    let mut piece = Vec::new();
    for at in 0..batches {
        batch[..8].copy_from_slice(&at.to_be_bytes());
        piece.extend(&batch);
        if piece.len() >= per_write * batch_bytes || at + 1 == batches {
            let position = (at + 1) * batch_bytes as u64 - piece.len() as u64;
            std::os::unix::fs::FileExt::write_all_at(&file, &piece, position)?;
            piece.clear();
        }
    }
    Ok(Log {
        file,
        batch_bytes: batch_bytes as u64,
        batches,
    })
}

/// A file without a name: it goes with the process.
fn create(directory: &Path, name: &str) -> Result<File> {
    let path = directory.join(name);
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
