//! Which cores this process may use, and a thread's place on one of them.

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// The cores that the affinity mask allows, ascending. taskset, systemd's `AllowedCPUs=` and a
/// cgroup's cpuset all show in that mask.
pub fn allowed_cores() -> Vec<usize> {
    match sched_getaffinity(Pid::from_raw(0)) {
        Ok(set) => (0..CpuSet::count())
            .filter(|core| set.is_set(*core).unwrap_or(false))
            .collect(),
        // EINVAL: more cores than the mask has bits. Then there are at least that many.
        Err(_) => (0..CpuSet::count()).collect(),
    }
}

/// How many threads are worth running at once: the allowed cores, or fewer where a cgroup's CPU
/// quota grants less time than they have.
pub fn worthwhile_threads() -> usize {
    let allowed = allowed_cores().len().max(1);
    match std::thread::available_parallelism() {
        Ok(granted) => allowed.min(granted.get()),
        // The quota could not be read: the mask alone counts.
        Err(_) => allowed,
    }
}

/// Pins the calling thread to one core. `false` if the system refuses, for instance because the core
/// was taken from the process meanwhile: the thread then runs unpinned, which is slower, not wrong.
pub fn pin(core: usize) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: core })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_where_it_is_pinned() {
        let allowed = allowed_cores();
        assert!(!allowed.is_empty() && worthwhile_threads() <= allowed.len());
        for core in allowed {
            std::thread::spawn(move || {
                assert!(pin(core));
                assert_eq!(allowed_cores(), [core]);
                assert_eq!(nix::sched::sched_getcpu().unwrap(), core);
            })
            .join()
            .unwrap();
        }
    }
}
