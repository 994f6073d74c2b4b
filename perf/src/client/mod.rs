//! The load generator: a few pinned threads, each with its own epoll and many non-blocking connections,
//! which send requests made beforehand and look at no more of an answer than they must.
//!
//! - Open loop: requests are due by a [`schedule`]; one that finds its connection full waits, and its
//!   wait counts. What was due before the end is sent and counted even when the end has passed.
//! - Closed loop: an answer makes room for the next request.
//! - A thread that finds no work spins for as long as it was told to, then sleeps. The time it spends
//!   looking for work is its idle time: a client that has none of it is what was measured.

mod connection;
mod engine;
mod fetched;
mod figures;
mod outgoing;
mod schedule;
mod templates;

pub use engine::{Mark, Outcome, Probe, run};
pub use figures::{Figures, Measure, Slice};
pub use schedule::Arrivals;

use fetched::{Event, Reader};
use outgoing::Outgoing;
use schedule::Schedule;
use templates::{Addressed, Templates};
