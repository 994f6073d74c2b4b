//! What is measured: each a process on its core, or somebody else's broker, that answers Produce and
//! Fetch at an address.

mod kafka;
mod limit;
mod millstream;
mod process;
mod usage;

pub use kafka::{KAFKA_SETTINGS, Kafka, free_port};
pub use limit::limit;
pub use millstream::{Millstream, begin, millstream};
pub use process::{Process, stall};
pub use usage::{Switches, Usage, stolen_s, waits_for_disk};

use std::net::SocketAddr;

/// A running system.
pub struct Running {
    /// Where it answers.
    pub address: SocketAddr,
    /// Its process, if it is ours.
    pub process: Option<Process>,
}

impl Running {
    /// Its process's id, if it is ours.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }
}
