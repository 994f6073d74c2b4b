//! What a process has used: processor time, memory, context switches.

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde::Serialize;
use std::io::{Error, Result};

/// Counts of a process since it began, and its memory just now.
#[derive(Clone, Copy, Default, Debug, Serialize)]
pub struct Usage {
    /// Processor time of all of its threads, io_uring's workers included (they are its threads), s.
    pub cpu_s: f64,
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// Of that, what is not files: heap and stacks.
    pub anonymous_bytes: u64,
    /// Context switches of its threads that live (it had to wait, or was made to), where they are counted:
    /// that takes a file for each.
    pub switches: u64,
}

impl Usage {
    /// Of the process `pid`.
    pub fn of(pid: u32) -> Result<Usage> {
        let pid_t = Pid::from_raw(pid as i32);
        let clock = ClockId::pid_cpu_clock_id(pid_t)?;
        let time = clock_gettime(clock)?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(Usage {
            cpu_s: time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9,
            resident_bytes: number(&status, "VmRSS:") << 10,
            anonymous_bytes: number(&status, "RssAnon:") << 10,
            switches: 0,
        })
    }

    /// What was used since `before`; memory as it is now.
    pub fn since(self, before: Usage) -> Usage {
        Usage {
            cpu_s: self.cpu_s - before.cpu_s,
            switches: self.switches.saturating_sub(before.switches),
            ..self
        }
    }
}

/// Context switches of all threads of a process.
pub struct Switches(pub u64);

impl Switches {
    /// Of the process `pid`.
    pub fn of(pid: u32) -> Result<Switches> {
        let mut switches = 0;
        for status in statuses(pid)? {
            switches += number(&status, "voluntary_ctxt_switches:");
            switches += number(&status, "nonvoluntary_ctxt_switches:");
        }
        Ok(Switches(switches))
    }
}

/// Whether a thread of the process `pid` sleeps and nothing but the disk can wake it.
pub fn waits_for_disk(pid: u32) -> Result<bool> {
    let waits = |status: &String| status.lines().any(|line| line.starts_with("State:\tD"));
    Ok(statuses(pid)?.iter().any(waits))
}

/// What proc_pid_status(5) says of each thread of the process `pid`.
fn statuses(pid: u32) -> Result<Vec<String>> {
    let mut statuses = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile.
        statuses.extend(std::fs::read_to_string(entry?.path().join("status")));
    }
    Ok(statuses)
}

/// Time that the host kept from the processors of this machine since it started, all of them together, s.
pub fn stolen_s() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/stat")?;
    stolen_ticks(&text)
        .map(|ticks| ticks as f64 / 100.0)
        .ok_or_else(|| Error::other("/proc/stat does not tell what was stolen"))
}

/// `steal` of all processors, in ticks of 10 ms; proc_stat(5).
fn stolen_ticks(stat: &str) -> Option<u64> {
    // cpu user nice system idle iowait irq softirq steal ...
    let all = stat.lines().find(|line| line.starts_with("cpu "))?;
    all.split_whitespace().nth(8)?.parse().ok()
}

fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|it| it.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_this_process_shows() {
        let before = Usage::of(std::process::id()).expect("our own");
        let began = std::time::Instant::now();
        let mut sum = 0u64;
        while began.elapsed().as_millis() < 50 {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
        let used = Usage::of(std::process::id())
            .expect("our own")
            .since(before);
        assert!(used.cpu_s > 0.005, "{used:?} {sum}");
        assert!(used.resident_bytes > 1 << 20 && used.anonymous_bytes > 0);
    }

    #[test]
    fn what_was_stolen_is_read_of_all_processors() {
        let stat = "cpu  1 2 3 4 5 6 7 712 9 10\ncpu0 1 2 3 4 5 6 7 300 9 10\nintr 5\n";
        assert_eq!(stolen_ticks(stat), Some(712));
        assert_eq!(stolen_ticks("cpu  1 2 3\n"), None);
        assert!(stolen_s().expect("every Linux tells") >= 0.0);
    }

    #[test]
    fn this_process_does_not_wait_for_the_disk() {
        assert!(!waits_for_disk(std::process::id()).expect("our own"));
    }

    #[test]
    fn numbers_are_read_by_their_whole_name() {
        let status =
            "VmRSS:\t  12 kB\nvoluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(number(status, "voluntary_ctxt_switches:"), 3);
        assert_eq!(number(status, "nonvoluntary_ctxt_switches:"), 4);
        assert_eq!(number(status, "Missing:"), 0);
    }
}
