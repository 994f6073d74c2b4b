//! Whether the machine has so many dirty pages that writers will soon be made to wait: sampled by a thread
//! off the shards, because reading /proc/meminfo costs tens of microseconds.
//!
//! Above its background threshold the system writes back; from midway between that and its hard threshold on
//! it makes writers wait (balance_dirty_pages() in mm/page-writeback.c). A broker that writes all the time, to
//! a disk that keeps up, stands a little above the background threshold and never waits. So pressure begins
//! halfway from there to where waiting begins.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Pause between two samples. The second half of the way takes longer than this, unless the thresholds are set
/// very low; then waiting itself is noticed.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
/// The thresholds hardly ever change: they are read once a second.
const SAMPLES_PER_READING: usize = 20;

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
                    let thresholds = Thresholds::read();
                    for _ in 0..SAMPLES_PER_READING {
                        let pressure = thresholds.and_then(sample).unwrap_or(false);
                        PRESSURE.store(pressure, Ordering::Relaxed);
                        std::thread::sleep(SAMPLE_EVERY);
                    }
                }
            });
        if let Err(error) = started {
            tracing::warn!("dirty pages are not watched: {error}");
        }
    });
}

/// Whether Dirty + Writeback stood so high at the last sample.
pub(super) fn pressure() -> bool {
    PRESSURE.load(Ordering::Relaxed)
}

fn sample(thresholds: Thresholds) -> Option<bool> {
    judge(&std::fs::read_to_string("/proc/meminfo").ok()?, thresholds)
}

/// The system's thresholds of dirty pages.
#[derive(Clone, Copy)]
struct Thresholds {
    background: Threshold,
    hard: Threshold,
}

impl Thresholds {
    fn read() -> Option<Thresholds> {
        let setting = |name| -> Option<u64> {
            let path = format!("/proc/sys/vm/{name}");
            std::fs::read_to_string(path).ok()?.trim().parse().ok()
        };
        let threshold = |bytes, ratio_percent| {
            Some(Threshold {
                bytes: setting(bytes)?,
                ratio_percent: setting(ratio_percent)?,
            })
        };
        Some(Thresholds {
            background: threshold("dirty_background_bytes", "dirty_background_ratio")?,
            hard: threshold("dirty_bytes", "dirty_ratio")?,
        })
    }
}

/// One of them: `bytes` if set, else a share of the available memory.
#[derive(Clone, Copy)]
struct Threshold {
    bytes: u64,
    ratio_percent: u64,
}

impl Threshold {
    fn kib(self, available_kib: u64) -> u64 {
        match self.bytes {
            0 => available_kib * self.ratio_percent / 100,
            bytes => bytes / 1024,
        }
    }
}

fn judge(meminfo: &str, thresholds: Thresholds) -> Option<bool> {
    let kib = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':')
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    };
    let waiting = kib("Dirty")? + kib("Writeback")?;
    let available = kib("MemAvailable")?;
    let hard = thresholds.hard.kib(available);
    let background = match thresholds.background.kib(available) {
        below if below < hard => below,
        // As the system does.
        _ => hard / 2,
    };
    Some(waiting > background + (hard - background) / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:  24684092 kB\nMemAvailable:   1000000 kB\nDirty:  60000 kB\nWriteback:  50000 kB\nWritebackTmp:  0 kB\n";

    const fn bytes(kib: u64) -> Threshold {
        let bytes = kib * 1024;
        Threshold {
            bytes,
            ratio_percent: 0,
        }
    }

    const fn ratio(ratio_percent: u64) -> Threshold {
        Threshold {
            bytes: 0,
            ratio_percent,
        }
    }

    #[test]
    fn pressure_begins_halfway_from_the_background_threshold_to_where_writers_wait() {
        // 110,000 KiB wait, of 1,000,000 there are.
        for (background, hard, expected) in [
            (ratio(10), ratio(13), true),
            (ratio(10), ratio(14), false),
            (ratio(10), ratio(20), false),
            (ratio(8), ratio(16), true),
            (bytes(100_000), bytes(139_000), true),
            (bytes(100_000), bytes(141_000), false),
            (bytes(100_000), ratio(14), false),
            (bytes(100_000), ratio(13), true),
            // As good as half of it.
            (ratio(20), ratio(20), false),
            (ratio(20), ratio(17), true),
        ] {
            let thresholds = Thresholds { background, hard };
            assert_eq!(judge(MEMINFO, thresholds), Some(expected));
            assert_eq!(judge("nothing", thresholds), None);
        }
    }

    #[test]
    fn this_machine_can_be_sampled() {
        assert!(Thresholds::read().and_then(sample).is_some());
    }
}
