//! Whether the machine has more dirty pages than it writes back: sampled by a thread off the shards,
//! because reading /proc/meminfo costs tens of microseconds.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Pause between two samples. Writers are throttled only from midway between the background and the
/// hard threshold on, which takes a fast disk longer than this to reach.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

static PRESSURE: AtomicBool = AtomicBool::new(false);
static SAMPLER: OnceLock<()> = OnceLock::new();

/// Starts the thread `dirty-pages`, once per process. Where it cannot start, there is never pressure,
/// and the latency of appends alone decides.
pub(super) fn start_sampling() {
    SAMPLER.get_or_init(|| {
        let started = std::thread::Builder::new()
            .name("dirty-pages".into())
            .spawn(|| {
                loop {
                    PRESSURE.store(sample().unwrap_or(false), Ordering::Relaxed);
                    std::thread::sleep(SAMPLE_EVERY);
                }
            });
        if let Err(error) = started {
            tracing::warn!("dirty pages are not watched: {error}");
        }
    });
}

/// Whether Dirty + Writeback stood above the kernel's background threshold at the last sample.
pub(super) fn pressure() -> bool {
    PRESSURE.load(Ordering::Relaxed)
}

fn sample() -> Option<bool> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let setting = |name| -> Option<u64> {
        let path = format!("/proc/sys/vm/{name}");
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    let background = Background {
        bytes: setting("dirty_background_bytes")?,
        ratio_percent: setting("dirty_background_ratio")?,
    };
    judge(&meminfo, background)
}

/// When the kernel begins to write back: `bytes` if set, else a share of the available memory.
#[derive(Clone, Copy)]
struct Background {
    bytes: u64,
    ratio_percent: u64,
}

fn judge(meminfo: &str, background: Background) -> Option<bool> {
    let kib = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':')
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    };
    let waiting = kib("Dirty")? + kib("Writeback")?;
    let threshold = match background.bytes {
        0 => kib("MemAvailable")? * background.ratio_percent / 100,
        bytes => bytes / 1024,
    };
    Some(waiting > threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:  24684092 kB\nMemAvailable:   1000000 kB\nDirty:  60000 kB\nWriteback:  50000 kB\nWritebackTmp:  0 kB\n";

    #[test]
    fn pressure_begins_at_the_background_threshold() {
        let judged = |bytes, ratio_percent| {
            let background = Background {
                bytes,
                ratio_percent,
            };
            judge(MEMINFO, background)
        };
        assert_eq!(judged(0, 10), Some(true));
        assert_eq!(judged(0, 11), Some(false));
        assert_eq!(judged(100_000 * 1024, 0), Some(true));
        assert_eq!(judged(200_000 * 1024, 0), Some(false));
        assert_eq!(
            judge(
                "nothing",
                Background {
                    bytes: 0,
                    ratio_percent: 10
                }
            ),
            None
        );
    }

    #[test]
    fn this_machine_can_be_sampled() {
        assert!(sample().is_some());
    }
}
