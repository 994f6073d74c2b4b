//! What is measured: each a process on its core, or somebody else's broker, that answers Produce and
//! Fetch at an address.

mod kafka;
mod limit;
mod millstream;
mod process;
mod usage;

pub use kafka::{KAFKA_SETTINGS, Kafka};
pub use limit::limit;
pub use millstream::{Millstream, millstream};
pub use process::{Process, on_core};
pub use usage::{Switches, Usage};

use std::net::SocketAddr;

/// A running system.
pub struct Running {
    /// Where it answers.
    pub address: SocketAddr,
    /// Its process, if it is ours.
    pub process: Option<Process>,
}
