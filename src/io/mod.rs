//! The kernel as plain data: what the broker asks for ([`Operation`]) and what it hears back
//! ([`Completion`]). `sys` performs operations on Linux, `tests/sim` performs them in memory; the
//! code between cannot tell which.
//!
//! Invariants:
//! - An operation owns its handles and buffers until its completion: nothing is closed or freed
//!   under the kernel's feet, because a [`File`] or [`Socket`] closes when its last holder drops it.
//! - Every submitted operation completes exactly once, in any order, with the token it was given.
//! - `Receive`, `Send`, `SendFile` and `Drain` never block: where they would, they complete with
//!   [`std::io::ErrorKind::WouldBlock`] and the submitter asks for [`Operation::Poll`].
//! - Sends, receives, writes and reads may be short. Whoever submitted them goes on from there.

mod disk;
mod handle;
mod operation;
mod pieces;

pub use disk::{Disk, Entry, FileInfo, OpenMode, Space, Task};
pub use handle::{Closer, File, Pipe, Socket};
pub use operation::{Completion, FileRange, Interest, Operation, Outcome, Patience, Token};
pub use pieces::Pieces;
