//! The two clocks. Everybody else is handed a [`Now`].

use crate::types::{Now, Timestamp};

/// Both clocks, read one after the other.
pub fn clock() -> Now {
    let wall = read(libc::CLOCK_REALTIME);
    Now {
        monotonic_us: monotonic_us(),
        wall: Timestamp(wall.tv_sec * 1_000 + wall.tv_nsec / 1_000_000),
    }
}

/// Microseconds on CLOCK_MONOTONIC, which starts near the boot of the machine and never goes back.
pub fn monotonic_us() -> u64 {
    monotonic_ns() / 1_000
}

/// The same in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let time = read(libc::CLOCK_MONOTONIC);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec that the call fills.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(
        result, 0,
        "clock_gettime({clock}) fails only for an unknown clock"
    );
    time
}
