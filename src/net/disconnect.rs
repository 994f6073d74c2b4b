//! Why a connection ends, in words for the log.

use std::fmt;
use std::io;

/// Why a connection ends.
#[derive(Debug)]
pub enum Disconnect {
    /// The peer closed it, and what it had asked is answered.
    PeerClosed,
    /// The peer or the network broke it.
    Broken(io::Error),
    /// A frame's length is zero, negative or above `socket.request.max.bytes`.
    FrameLength {
        /// As sent.
        length: i32,
        /// The bound.
        max: usize,
    },
    /// What the peer sent cannot be answered (unknown API, bytes that are no request, failed
    /// authentication): the reason, for the log.
    Refused(String),
    /// Nothing was heard of it for `connections.max.idle.ms`.
    Idle,
    /// It took none of its replies for `connections.max.idle.ms`.
    Stalled,
    /// It sends a large request so slowly that others wait for the memory.
    TooSlow,
    /// The broker stops, and what was asked is answered.
    Drained,
    /// A file could not be read after the head of its reply had left.
    File(io::Error),
}

impl Disconnect {
    /// Whether it is an ordinary end, not worth more than a debug line.
    pub fn is_ordinary(&self) -> bool {
        match self {
            Disconnect::PeerClosed | Disconnect::Idle | Disconnect::Drained => true,
            Disconnect::Broken(_) => true,
            Disconnect::FrameLength { .. } | Disconnect::Refused(_) => false,
            Disconnect::Stalled | Disconnect::TooSlow | Disconnect::File(_) => false,
        }
    }
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disconnect::PeerClosed => write!(f, "closed by the client"),
            Disconnect::Broken(error) => write!(f, "the connection broke: {error}"),
            Disconnect::FrameLength { length, max } => write!(
                f,
                "the client announced a request of {length} bytes; 1 to {max} \
                 (socket.request.max.bytes) are accepted: is it a Kafka client, without TLS?"
            ),
            Disconnect::Refused(why) => write!(f, "refused: {why}"),
            Disconnect::Idle => write!(f, "idle for connections.max.idle.ms"),
            Disconnect::Stalled => {
                write!(f, "the client took no reply for connections.max.idle.ms")
            }
            Disconnect::TooSlow => write!(
                f,
                "the client sends its request too slowly while others wait for the memory"
            ),
            Disconnect::Drained => write!(f, "the broker stops"),
            Disconnect::File(error) => write!(f, "a log file could not be read: {error}"),
        }
    }
}
