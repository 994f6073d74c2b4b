//! Operations and their completions.

use super::{File, Pieces, Pipe, Socket, Task};
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::io::Result;
use std::net::SocketAddr;

/// Whose operation it is: the completion goes back there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Token {
    /// A listening socket, by its index.
    Listener(u32),
    /// A connection, by its id.
    Connection(u64),
    /// A partition's store.
    Partition {
        /// Its slot on the shard.
        slot: u32,
        /// Which of its operations, counted by the store.
        operation: u32,
    },
    /// Anything else that a shard waits for, by a number of its own.
    Ticket(u64),
}

/// What to wait for on a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Bytes to receive, the peer's end of stream, or an error.
    Readable,
    /// Room to send, or an error.
    Writable,
}

/// Whether a read may go to the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Patience {
    /// Expected in the page cache: tried at once, and read off the shard only if it is not there.
    Hot,
    /// Expected on the disk: goes there without a try.
    Cold,
}

/// A stretch of a file. Holds the file open, so that a deleted segment stays readable for a fetch in
/// flight.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file.
    pub file: File,
    /// First byte.
    pub position: u64,
    /// Count of bytes.
    pub length: u64,
}

/// What the broker asks of the kernel.
#[derive(Debug)]
pub enum Operation<T: Task> {
    /// Accepts one connection: waits for it, accepts, makes it non-blocking with TCP_NODELAY.
    /// -> `Accepted`.
    Accept {
        /// The listening socket.
        listener: Socket,
    },
    /// Waits until the socket is ready. -> `Ready`. A shut down socket is ready at once.
    Poll {
        /// The socket.
        socket: Socket,
        /// What for.
        interest: Interest,
    },
    /// recvmsg(2) without waiting, into the spare capacity of `buffers`, in their order (each
    /// buffer's length grows by what it got; capacity is never increased). -> `Received`.
    Receive {
        /// The socket.
        socket: Socket,
        /// Buffers with spare capacity.
        buffers: Vec<BytesMut>,
    },
    /// sendmsg(2) without waiting. -> `Sent`.
    Send {
        /// The socket.
        socket: Socket,
        /// Sent in order; at most `limits::IOVECS_MAX`.
        parts: SmallVec<[Bytes; 2]>,
        /// MSG_MORE: more follows at once, so do not send a small segment for this.
        more: bool,
    },
    /// sendfile(2) without waiting, if the range is in the page cache. -> `SentFile`.
    SendFile {
        /// The socket.
        socket: Socket,
        /// What to send.
        range: FileRange,
        /// As for `Send`.
        more: bool,
    },
    /// splice(2) of the beginning of a range into an empty pipe, off the shard: what is not in the
    /// page cache is waited for there. -> `Filled`.
    Fill {
        /// What to take; at most `limits::COLD_READ_BYTES_MAX` of it are.
        range: FileRange,
    },
    /// splice(2) of a pipe into a socket without waiting. -> `Drained`.
    Drain {
        /// The socket.
        socket: Socket,
        /// From where.
        pipe: Pipe,
        /// How many bytes are in it.
        bytes: usize,
        /// As for `Send`.
        more: bool,
    },
    /// shutdown(2) both ways. Completes polls on the socket; the descriptor closes when its last
    /// holder drops it. Fails silently when the peer was faster. -> `ShutDown`.
    Shutdown {
        /// The socket.
        socket: Socket,
    },
    /// One vectored write. -> `Appended`. At most one per file is in flight.
    Append {
        /// The file.
        file: File,
        /// Where the first byte goes.
        position: u64,
        /// Written in order; at most `limits::IOVECS_MAX` parts.
        pieces: Pieces,
    },
    /// Reads into `buffer`'s spare capacity, at most `length` bytes of it. -> `Read`.
    Read {
        /// The file.
        file: File,
        /// First byte.
        position: u64,
        /// Count of bytes wanted.
        length: usize,
        /// Where to; must have `length` bytes of spare capacity.
        buffer: BytesMut,
        /// Whether it is expected in the page cache.
        patience: Patience,
    },
    /// Runs off the shard. -> `Done`.
    Task(T),
}

/// How an operation ended.
#[derive(Debug)]
pub enum Outcome<O> {
    /// A new connection and its peer; `EMFILE` and the like are worth another try later.
    Accepted(Result<(Socket, SocketAddr)>),
    /// The socket is ready for that interest, or has failed: the next receive or send tells.
    Ready(Interest),
    /// The buffers, with `Ok(count)` new bytes in them; 0 is the peer's end of stream.
    Received {
        /// As given, in the same order.
        buffers: Vec<BytesMut>,
        /// Bytes received.
        result: Result<usize>,
    },
    /// Bytes sent, perhaps fewer than given.
    Sent(Result<usize>),
    /// Bytes sent of the range, perhaps fewer than asked; `Ok(None)` means the range is not in the
    /// page cache and nothing was sent: read it and send it.
    SentFile(Result<Option<usize>>),
    /// A pipe and how many bytes are in it, 0 at the end of the file; `Ok(None)` means that there is
    /// no pipe to be had and nothing was moved: read it and send it.
    Filled(Result<Option<(Pipe, usize)>>),
    /// Bytes sent of the pipe, perhaps fewer than there are.
    Drained {
        /// The pipe, unless it is empty now.
        pipe: Option<Pipe>,
        /// Bytes sent.
        result: Result<usize>,
    },
    /// The socket is shut down.
    ShutDown,
    /// What was to be appended, and how many of its bytes were.
    Appended {
        /// As given.
        pieces: Pieces,
        /// Bytes written, perhaps fewer than given.
        result: Result<usize>,
        /// How long the write took, queues of the kernel included: a figure, decides nothing.
        took_ns: u64,
    },
    /// The buffer, with `Ok(count)` new bytes in it; 0 is the end of the file.
    Read {
        /// As given.
        buffer: BytesMut,
        /// Bytes read.
        result: Result<usize>,
    },
    /// What the task says.
    Done(O),
}

/// An operation's end.
#[derive(Debug)]
pub struct Completion<O> {
    /// As submitted.
    pub token: Token,
    /// What happened.
    pub outcome: Outcome<O>,
}
