//! What a process has used: processor time, memory, context switches.

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde::Serialize;
use std::io::Result;

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
        for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end meanwhile.
            if let Ok(status) = std::fs::read_to_string(entry?.path().join("status")) {
                switches += number(&status, "voluntary_ctxt_switches:");
                switches += number(&status, "nonvoluntary_ctxt_switches:");
            }
        }
        Ok(Switches(switches))
    }
}

/// Time that the host kept from the processors of this machine since it started, all of them together, s;
/// `steal` of proc_stat(5), counted in ticks of 10 ms.
pub fn stolen_s() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/stat")?;
    // cpu user nice system idle iowait irq softirq steal ...
    let all = text.lines().next().unwrap_or_default();
    let ticks = all.split_whitespace().nth(8);
    let ticks: f64 = ticks.and_then(|it| it.parse().ok()).unwrap_or(0.0);
    Ok(ticks / 100.0)
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
    fn numbers_are_read_by_their_whole_name() {
        let status =
            "VmRSS:\t  12 kB\nvoluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(number(status, "voluntary_ctxt_switches:"), 3);
        assert_eq!(number(status, "nonvoluntary_ctxt_switches:"), 4);
        assert_eq!(number(status, "Missing:"), 0);
    }
}
