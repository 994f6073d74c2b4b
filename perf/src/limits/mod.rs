//! What the machine can do in the same shape without a broker.
//!
//! [`serve()`] is a server of one thread that speaks just enough of Produce and Fetch to be driven by the
//! very client that drives the brokers, and does the least that one of its [`Kind`] must do.

mod disk;
mod serve;

pub use disk::disk;
pub use serve::{Served, serve};

use serde::Serialize;

/// What a bare server does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Receives a Produce and answers it.
    Echo,
    /// Receives it, takes the CRC of its record set, appends it with what else came in, answers.
    Append,
    /// Answers a Fetch with a header (MSG_MORE) and a slice of a file (sendfile).
    Sendfile,
}
