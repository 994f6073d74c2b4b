//! Time: one monotonic clock in nanoseconds for everything that is measured. All processes of a
//! machine share it, so a stamp in a record means the same to whoever reads it.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// CLOCK_MONOTONIC, ns.
pub fn now_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// Time since 1970, ms: what goes into a record's timestamp.
pub fn wall_ms() -> i64 {
    (nanoseconds(clock_gettime(ClockId::Realtime)) / 1_000_000) as i64
}

/// Processor time of the calling thread.
pub fn thread_time() -> Duration {
    Duration::from_nanos(nanoseconds(clock_gettime(ClockId::ThreadCPUTime)))
}

fn nanoseconds(time: Timespec) -> u64 {
    time.tv_sec as u64 * SECOND_NS + time.tv_nsec as u64
}
