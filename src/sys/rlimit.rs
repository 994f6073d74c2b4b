//! The process's limits that matter to a broker.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::Result;

/// How many descriptors may be open: sockets and segment files together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptors {
    /// The limit at start.
    pub before: u64,
    /// The limit now in force.
    pub now: u64,
    /// What it may be raised to without privilege.
    pub hard: u64,
}

/// Raises RLIMIT_NOFILE to its hard limit. Where that is refused (the hard limit lies above the
/// kernel's `fs.nr_open`) the limit stays as it was, and `now` says so.
pub fn raise_descriptors() -> Result<Descriptors> {
    let (before, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let now = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        // EPERM: above fs.nr_open. EINVAL: soft above hard, impossible here.
        Err(_) => before,
    };
    Ok(Descriptors { before, now, hard })
}

/// RLIMIT_MEMLOCK in bytes; `None` if unlimited or unreadable.
pub fn locked_memory_bytes() -> Option<u64> {
    let (soft, _) = getrlimit(Resource::RLIMIT_MEMLOCK).ok()?;
    (soft != libc::RLIM_INFINITY).then_some(soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_rise_to_the_hard_limit() {
        let raised = raise_descriptors().unwrap();
        assert!(raised.now >= raised.before && raised.now <= raised.hard);
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, raised.now);
    }
}
