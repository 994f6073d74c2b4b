//! The sending half of a connection: a queue of replies, one operation in flight.
//!
//! - Parts in memory leave together, as one vectored send of at most `IOVECS_MAX` parts.
//! - A file range of `SENDFILE_BYTES_MIN` or more goes by sendfile. Where that says it is not in the
//!   page cache, all the rest of the range is read (off the shard, at most `COLD_READ_BYTES_MAX` at a
//!   time) and sent, or goes through a pipe in such steps ([`ColdMode`]): sendfile is not tried again
//!   within it, because the pages that the kernel reads ahead would look present while sendfile still
//!   had to wait for them.
//! - A smaller range is read into pool memory and leaves with its neighbours.
//! - MSG_MORE on whatever something follows, also the next reply; except where the next reply has to
//!   be read first: a finished reply does not wait for the disk.
//! - Short sends go on where they stopped, once the socket has room.
//!
//! Reading or splicing what is cold: measured in one run, neither was faster beyond the spread (1 MiB by 16
//! consumers: splice 1.05 of read's fetches, 0.39 to 2.65, for 0.93 of its processor time, 0.83 to 1.11), and
//! reading needs no pipes. So it is the default.
//!
//! Invariants: `ready` items at the front are in memory and count `ready_bytes`; no item is empty.

use super::disconnect::Disconnect;
use super::pool::Pool;
use super::replies::{Part, Reply};
use crate::io::{FileRange, Interest, Operation, Patience, Pipe, Socket, Task};
use crate::limits::{
    COLD_READ_BYTES_MAX, GATHER_BYTES_MAX, IOVECS_MAX, PIECE_BYTES, SENDFILE_BYTES_MIN,
};
use crate::metrics::{Meter, Requests};
use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::io;

/// How a range that is not in the page cache leaves: `fetch.cold.mode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ColdMode {
    /// Read into memory, then sent.
    #[default]
    Read,
    /// Moved into a pipe, then from there into the socket: not copied, but more system calls.
    Splice,
}

/// The replies that are to leave, and how far they are.
#[derive(Default)]
pub(super) struct Sender {
    cold_mode: ColdMode,
    queue: VecDeque<Item>,
    ready: usize,
    ready_bytes: usize,
    unsent_bytes: usize,
    replies: usize,
    blocked: bool,
    flight: Flight,
}

struct Item {
    what: What,
    /// The reply that ends with it.
    ends: Option<Meter>,
}

enum What {
    Bytes(Bytes),
    File {
        range: FileRange,
        way: Way,
    },
    /// What was taken from a file; the pipe is away while it is drained.
    Pipe {
        pipe: Option<Pipe>,
        left: usize,
    },
}

/// How a file range leaves. Decided by its whole length: what a short sendfile leaves of a large range
/// is sent by the next one, however small.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By sendfile.
    SendFile,
    /// Read into memory, it being small.
    Gather,
    /// Read into memory, off the shard: sendfile found it cold.
    Cold,
    /// Through a pipe: likewise.
    Splice,
}

/// The operation in flight.
#[derive(Default, PartialEq, Eq, Debug)]
enum Flight {
    #[default]
    None,
    Polling,
    Sending {
        bytes: usize,
    },
    SendingFile,
    Reading {
        at: usize,
        wanted: usize,
        is_large: bool,
    },
    Filling,
    Draining,
}

impl Sender {
    /// Nothing to send.
    pub(super) fn new(cold_mode: ColdMode) -> Sender {
        Sender {
            cold_mode,
            ..Sender::default()
        }
    }

    /// Queues a reply; one without bytes leaves no trace.
    pub(super) fn push(&mut self, reply: Reply, meter: Meter) {
        let before = self.queue.len();
        for part in reply.parts.into_iter().filter(|part| !part.is_empty()) {
            let what = match part {
                Part::Bytes(bytes) => {
                    self.unsent_bytes += bytes.len();
                    What::Bytes(bytes)
                }
                Part::File(range) => {
                    let way = match range.length < SENDFILE_BYTES_MIN as u64 {
                        true => Way::Gather,
                        false => Way::SendFile,
                    };
                    What::File { range, way }
                }
            };
            self.queue.push_back(Item { what, ends: None });
        }
        if self.queue.len() > before {
            let last = self.queue.back_mut().expect("just pushed");
            last.ends = Some(meter);
            self.replies += 1;
        }
    }

    /// What to do next, if nothing is in flight and something is to be sent.
    pub(super) fn next_operation<T: Task>(
        &mut self,
        socket: &Socket,
        pool: &mut Pool,
    ) -> Option<Operation<T>> {
        if self.flight != Flight::None || self.queue.is_empty() {
            return None;
        }
        let socket = socket.clone();
        if self.blocked {
            self.blocked = false;
            self.flight = Flight::Polling;
            let interest = Interest::Writable;
            return Some(Operation::Poll { socket, interest });
        }
        if let Some(front) = self.queue.front_mut()
            && let What::Pipe { pipe, left } = &mut front.what
        {
            self.flight = Flight::Draining;
            return Some(Operation::Drain {
                socket,
                pipe: pipe.take().expect("it is not being drained"),
                bytes: *left,
                more: self.queue.len() > 1,
            });
        }
        self.gather();
        let mut count = self.ready;
        let mut more = count < self.queue.len();
        if let Some(Item {
            what: What::File { range, way },
            ..
        }) = self.queue.get(count)
        {
            let is_small = *way == Way::Gather;
            if count == 0 && *way == Way::SendFile {
                self.flight = Flight::SendingFile;
                let range = range.clone();
                let more = self.queue.len() > 1;
                return Some(Operation::SendFile {
                    socket,
                    range,
                    more,
                });
            }
            if count == 0 && *way == Way::Splice {
                self.flight = Flight::Filling;
                let mut range = range.clone();
                range.length = range.length.min(COLD_READ_BYTES_MAX as u64);
                return Some(Operation::Fill { range });
            }
            let finished = self.finished_replies_end();
            if count == 0 || (is_small && finished == 0 && self.may_gather()) {
                return Some(self.read(count, pool));
            }
            if is_small && finished > 0 {
                count = finished;
                more = false;
            }
        }
        let parts: SmallVec<[Bytes; 2]> = self.queue.iter().take(count).map(Item::bytes).collect();
        let bytes = parts.iter().map(Bytes::len).sum();
        self.flight = Flight::Sending { bytes };
        Some(Operation::Send {
            socket,
            parts,
            more,
        })
    }

    /// The socket has room.
    pub(super) fn writable(&mut self) {
        assert_eq!(self.flight, Flight::Polling);
        self.flight = Flight::None;
    }

    /// A send has ended.
    pub(super) fn sent(
        &mut self,
        result: io::Result<usize>,
        metrics: &mut Requests,
        now_us: u64,
    ) -> Result<usize, Disconnect> {
        let Flight::Sending { bytes } = std::mem::take(&mut self.flight) else {
            panic!("a send ended that was not begun");
        };
        if self.queue.is_empty() {
            return Ok(0);
        }
        let count = self.unless_blocked(result, metrics, Disconnect::Broken)?;
        assert!(count <= bytes, "more sent than given");
        metrics.counters.bytes_sent += count as u64;
        let mut left = count;
        while left > 0 {
            let front = self.queue.front_mut().expect("no more sent than queued");
            let What::Bytes(bytes) = &mut front.what else {
                panic!("a send of a file range");
            };
            let taken = left.min(bytes.len());
            left -= taken;
            bytes.advance(taken);
            let is_done = bytes.is_empty();
            self.ready_bytes -= taken;
            self.unsent_bytes -= taken;
            if is_done {
                self.ready -= 1;
                self.pop_front(metrics, now_us);
            }
        }
        self.blocked |= count < bytes;
        Ok(count)
    }

    /// A sendfile has ended.
    pub(super) fn sent_file(
        &mut self,
        result: io::Result<Option<usize>>,
        metrics: &mut Requests,
        now_us: u64,
    ) -> Result<usize, Disconnect> {
        assert_eq!(self.flight, Flight::SendingFile);
        self.flight = Flight::None;
        let Some(front) = self.queue.front_mut() else {
            return Ok(0);
        };
        let What::File { way, .. } = &mut front.what else {
            panic!("a sendfile of bytes");
        };
        let result = match result {
            Ok(None) => {
                *way = match self.cold_mode {
                    ColdMode::Read => Way::Cold,
                    ColdMode::Splice => Way::Splice,
                };
                metrics.counters.cold_ranges += 1;
                return Ok(0);
            }
            Ok(Some(0)) => return Err(Disconnect::File(cut_short())),
            Ok(Some(count)) => Ok(count),
            Err(error) => Err(error),
        };
        let count = self.unless_blocked(result, metrics, broken_or_file)?;
        metrics.counters.bytes_sent_by_sendfile += count as u64;
        let left = self.advance_file(0, count);
        if left == 0 {
            self.pop_front(metrics, now_us);
        }
        self.blocked |= left > 0;
        Ok(count)
    }

    /// A read has ended.
    pub(super) fn read_ended(
        &mut self,
        mut buffer: BytesMut,
        result: io::Result<usize>,
        pool: &mut Pool,
        metrics: &mut Requests,
    ) -> Result<(), Disconnect> {
        let Flight::Reading {
            at,
            wanted,
            is_large,
        } = std::mem::take(&mut self.flight)
        else {
            panic!("a read ended that was not begun");
        };
        let bytes = buffer.split().freeze();
        pool.give_back_read(buffer, is_large);
        if self.queue.is_empty() {
            return Ok(());
        }
        let count = match result {
            Ok(0) => return Err(Disconnect::File(cut_short())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(Disconnect::File(error)),
        };
        assert!(count == bytes.len() && count <= wanted, "a read of {count}");
        metrics.counters.bytes_read += count as u64;
        self.unsent_bytes += count;
        let what = What::Bytes(bytes);
        if self.advance_file(at, count) == 0 {
            self.queue[at].what = what;
        } else {
            self.queue.insert(at, Item { what, ends: None });
        }
        Ok(())
    }

    /// A pipe has been filled from the file at the front, or there was none.
    pub(super) fn filled(
        &mut self,
        result: io::Result<Option<(Pipe, usize)>>,
        metrics: &mut Requests,
    ) -> Result<(), Disconnect> {
        assert_eq!(self.flight, Flight::Filling);
        self.flight = Flight::None;
        let Some(front) = self.queue.front_mut() else {
            return Ok(());
        };
        let What::File { way, .. } = &mut front.what else {
            panic!("a pipe is filled from a file");
        };
        let (pipe, left) = match result {
            Ok(None) => {
                *way = Way::Cold;
                return Ok(());
            }
            Ok(Some((_, 0))) => return Err(Disconnect::File(cut_short())),
            Ok(Some(filled)) => filled,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(Disconnect::File(error)),
        };
        metrics.counters.bytes_spliced += left as u64;
        let pipe = Some(pipe);
        let what = What::Pipe { pipe, left };
        if self.advance_file(0, left) == 0 {
            self.queue[0].what = what;
        } else {
            let ends = None;
            self.queue.push_front(Item { what, ends });
        }
        Ok(())
    }

    /// The pipe at the front has been drained, perhaps not of everything.
    pub(super) fn drained(
        &mut self,
        drained: Option<Pipe>,
        result: io::Result<usize>,
        metrics: &mut Requests,
        now_us: u64,
    ) -> Result<usize, Disconnect> {
        assert_eq!(self.flight, Flight::Draining);
        self.flight = Flight::None;
        if self.queue.is_empty() {
            return Ok(0);
        }
        let count = self.unless_blocked(result, metrics, Disconnect::Broken)?;
        let front = self.queue.front_mut().expect("just seen");
        let What::Pipe { pipe, left } = &mut front.what else {
            panic!("what was drained is no pipe");
        };
        assert!(count <= *left, "more than was in the pipe");
        *left -= count;
        if *left == 0 {
            self.pop_front(metrics, now_us);
        } else {
            *pipe = drained;
            self.blocked = true;
        }
        Ok(count)
    }

    /// Forgets what is queued; what is in flight still has to end.
    pub(super) fn clear(&mut self) {
        *self = Sender {
            cold_mode: self.cold_mode,
            flight: std::mem::take(&mut self.flight),
            ..Sender::default()
        };
    }

    /// Whether an operation is in flight.
    pub(super) fn in_flight(&self) -> bool {
        self.flight != Flight::None
    }

    /// Replies that have not left as a whole.
    pub(super) fn replies(&self) -> usize {
        self.replies
    }

    /// Bytes in memory that have not left.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// Counts the items in memory at the front, as far as one send may take them.
    fn gather(&mut self) {
        while self.may_gather()
            && let Some(Item {
                what: What::Bytes(bytes),
                ..
            }) = self.queue.get(self.ready)
        {
            self.ready_bytes += bytes.len();
            self.ready += 1;
        }
    }

    fn may_gather(&self) -> bool {
        self.ready < IOVECS_MAX && self.ready_bytes < GATHER_BYTES_MAX
    }

    /// How many of the ready items belong to replies that are ready as a whole.
    fn finished_replies_end(&self) -> usize {
        let ready = self.queue.iter().take(self.ready);
        ready
            .enumerate()
            .filter(|(_, item)| item.ends.is_some())
            .last()
            .map_or(0, |(at, _)| at + 1)
    }

    fn read<T: Task>(&mut self, at: usize, pool: &mut Pool) -> Operation<T> {
        let What::File { range, way } = &self.queue[at].what else {
            panic!("a read of bytes");
        };
        let wanted = range.length.min(COLD_READ_BYTES_MAX as u64) as usize;
        let buffer = pool.lend_for_read(wanted);
        let wanted = wanted.min(buffer.capacity());
        self.flight = Flight::Reading {
            at,
            wanted,
            is_large: buffer.capacity() > PIECE_BYTES,
        };
        Operation::Read {
            file: range.file.clone(),
            position: range.position,
            length: wanted,
            buffer,
            patience: match way {
                Way::Cold => Patience::Cold,
                Way::SendFile | Way::Gather | Way::Splice => Patience::Hot,
            },
        }
    }

    /// The count; 0 and a poll to come if the socket had no room.
    fn unless_blocked(
        &mut self,
        result: io::Result<usize>,
        metrics: &mut Requests,
        blame: fn(io::Error) -> Disconnect,
    ) -> Result<usize, Disconnect> {
        match result {
            Ok(count) => Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                metrics.counters.sends_blocked += 1;
                self.blocked = true;
                Ok(0)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(blame(error)),
        }
    }

    /// Moves a file range on by `count` bytes; the bytes left of it.
    fn advance_file(&mut self, at: usize, count: usize) -> u64 {
        let What::File { range, .. } = &mut self.queue[at].what else {
            panic!("not a file range");
        };
        assert!(count as u64 <= range.length, "more than was asked for");
        range.position += count as u64;
        range.length -= count as u64;
        range.length
    }

    fn pop_front(&mut self, metrics: &mut Requests, now_us: u64) {
        let item = self.queue.pop_front().expect("just seen");
        if let Some(meter) = item.ends {
            self.replies -= 1;
            metrics.sent(meter, now_us);
        }
    }
}

impl Item {
    fn bytes(&self) -> Bytes {
        match &self.what {
            What::Bytes(bytes) => bytes.clone(),
            What::File { .. } | What::Pipe { .. } => panic!("a file among the ready items"),
        }
    }
}

fn cut_short() -> io::Error {
    let why = "the file ends before the range that was to be sent";
    io::Error::new(io::ErrorKind::UnexpectedEof, why)
}

/// Whose fault a failed sendfile is: what sockets do not say, the file said.
fn broken_or_file(error: io::Error) -> Disconnect {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::BrokenPipe
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::NotConnected
        | Kind::TimedOut
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown => Disconnect::Broken(error),
        _ => Disconnect::File(error),
    }
}
