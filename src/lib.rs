//! Millstream: a log broker for Linux that speaks Kafka's wire protocol and keeps Kafka's files on
//! disk. One pinned thread per core owns its partitions and its io_uring; nothing is shared.
//!
//! This page is the architecture. Modules stand in the order in which a record meets them; each may
//! import only what stands in the table of `tests/tidy.rs`.
//!
//! ```text
//! produce   socket -> net: frame in pool pieces -> wire: envelope; record sets stay ranges
//!           -> api/produce -> (mail to the owning shard) -> log: CRC, header, sequence; offsets in place
//!           -> store: one vectored append in flight per partition -> completion -> log end moves
//!           -> waiters -> reply slot -> socket
//!
//! fetch     socket -> net -> wire -> api/fetch -> (mail) -> log: offset -> segment, position
//!           -> reply = [header bytes, file range, bytes, file range ...] -> sendfile
//! ```
//!
//! # The kernel as plain data
//!
//! Nothing between `sys` and the client blocks, locks or reads a clock. Whatever waits is an
//! [`io::Operation`] that goes out and an [`io::Completion`] that comes back; `sys` performs
//! operations for real and `tests/sim` performs the same ones in memory, so that one seed replays a
//! broker of several shards, crash included.

// -- vocabulary
pub mod config;
pub mod limits;
pub mod metrics;
pub mod mutation;
pub mod types;
// -- the kernel, fenced
pub mod io;
pub mod sys;
// -- pure: bytes and decisions
pub mod batch;
pub mod group;
pub mod log;
pub mod metadata;
pub mod quota;
pub mod wire;
// -- the machine
pub mod api;
pub mod cli;
pub mod console;
pub mod net;
pub mod server;
pub mod shard;
pub mod store;
