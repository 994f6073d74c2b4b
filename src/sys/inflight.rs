//! What is on the ring: the owner of every descriptor, buffer and vector the kernel may still touch.

use super::lookout::Watched;
use super::waker::Waker;
use crate::io::{File, FileRange, Pieces, Pipe, Socket, Token};
use bytes::BytesMut;

/// One operation on the ring.
pub(super) enum InFlight {
    /// Waits until the listener has a connection.
    Accept { token: Token, listener: Socket },
    /// Waits for a socket.
    Poll(Watched),
    /// WRITEV of `vectors`, which point into `pieces`.
    Append {
        token: Token,
        file: File,
        position: u64,
        pieces: Pieces,
        vectors: Vec<libc::iovec>,
        /// When it was submitted first.
        began_ns: u64,
    },
    /// READ into the spare capacity of `buffer`, after `already` bytes were read directly.
    Read {
        token: Token,
        file: File,
        position: u64,
        length: usize,
        buffer: BytesMut,
        already: usize,
    },
    /// SPLICE of a range into an empty pipe.
    Fill {
        token: Token,
        range: FileRange,
        pipe: Pipe,
    },
    /// Waits for the kernel's own eventfd.
    Bell,
    /// A message to another kernel's ring.
    Message { to: Waker },
    /// The cancellation of all others.
    Cancel,
}
