//! The broker as a whole: start, the shards' event loops, mail between them, stop.
//!
//! [`boot`] reads the log directories and makes one [`Worker`] per shard; a worker is a synchronous
//! machine (events in, operations and mail out). [`serve`] runs each worker on a pinned thread of its
//! own with a ring of its own; the simulation runs all of them on one thread in virtual time.

mod boot;
mod complaints;
mod labour;
mod progress;
mod serve;
mod watch;
mod worker;

pub use boot::{Listening, StartError, boot};
pub use progress::Progress;
pub(crate) use serve::chosen_buffer_bytes;
pub use serve::serve;
pub use worker::{Event, Worker};
