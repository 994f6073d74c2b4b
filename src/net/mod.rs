//! A connection as a synchronous machine: completions in, operations and frames out. No clock, no
//! I/O: `sys` or the simulation performs what is asked for.
//!
//! ```text
//! Received ─> Chain (pool pieces) ─> Budget ─> Frame ─> api ─> Reply ─> Slots (order) ─> Sender ─> Send
//!                                                                                   └────> SendFile, Read, Fill
//! ```
//!
//! # How an event loop drives it
//!
//! The loop keeps a map from connection id to [`Connection`], one [`Pool`], one [`Budget`] and one set
//! of figures ([`crate::metrics::Requests`]) per shard, and lends them for a call as a [`Turn`].
//!
//! 1. `Connection::new(..)`, then `start(turn)`.
//! 2. Each completion with `Token::Connection(id)`: `handle(outcome, turn)`.
//! 3. Each [`Frame`] in `turn.frames` is answered, now or later, by exactly one of `reply` (an empty one
//!    for acks=0) or `refuse` with its slot. Replies leave with the next `proceed(turn)`, which comes
//!    when all those of a moment are there. Both may yield further frames: go on until there are none.
//!    A request that waits takes its bytes of the budget over with `begun`.
//! 4. After every round: while [`Budget::next_admitted`] names a connection, `handle_admitted(turn)`
//!    of it. It names only connections that live: a dying one takes itself off the queue.
//! 5. Timers: `handle_timeout(turn)` once `poll_timeout()` has passed; it is safe to call early.
//! 6. When `is_finished()` nothing of the connection is in flight any more: drop it. Its socket
//!    closes with its last holder. `disconnect()` says why, for the log.
//!
//! # Invariants
//!
//! - At most one receiving and one sending operation of a connection is in flight, so completions
//!   need no number of their own.
//! - Replies leave in the order of their requests.
//! - What a connection holds is bounded: one admitted frame (its whole length is taken from the
//!   budget), less than [`limits::UNADMITTED_BYTES_MAX`](crate::limits::UNADMITTED_BYTES_MAX) plus one
//!   piece of bytes not yet admitted, and `PIPELINED_REQUESTS_MAX` requests and replies.
//! - When it is finished, the budget has everything back, and so has the pool.

mod budget;
mod connection;
mod disconnect;
mod frames;
mod pool;
mod replies;
mod sender;

pub use budget::{Budget, Reservation};
pub use connection::{Connection, ConnectionSettings, Frame, Turn};
pub use disconnect::Disconnect;
pub use pool::Pool;
pub use replies::{Part, Parts, Reply, SlotId};
pub use sender::ColdMode;
