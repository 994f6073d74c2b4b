//! Groups: who consumes what, and how far they have come.

mod call;
mod config;
mod coordinator;

pub use call::*;
pub use config::GroupConfig;
pub use coordinator::{Context, Coordinator, Fault, Record, Step};
