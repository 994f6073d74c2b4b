//! The kernel itself, what it keeps in memory and when it writes that back, and the process's limits.

use super::finding::{Asked, Finding, Unknown};
use super::parse::{chosen, cores, meminfo, number, size, status};

/// The first Linux with everything that a shard's ring needs (`IORING_SETUP_DEFER_TASKRUN`).
const RELEASE_MIN: (u32, u32) = (6, 1);
/// From here on rings no longer count as locked memory.
const RELEASE_UNLOCKED: (u32, u32) = (5, 12);
/// Dirty pages from which write-back begins, bytes: what a disk of 0.5 to 2 GB/s takes in seconds.
const BACKGROUND_BYTES_MAX: u64 = 2 << 30;
/// Kafka's advice for the open files of a broker.
const FILES_MIN: u64 = 100_000;

/// Settings for which any value between two bounds is fine, and the one to set otherwise.
struct Range {
    path: &'static str,
    least: i64,
    most: i64,
    set: i64,
    say: &'static str,
}

fn within(asked: &Asked, range: Range) -> Result<Vec<Finding>, Unknown> {
    let now = number(asked.machine, range.path)?;
    let wanted = match range.least == range.most {
        true => range.least.to_string(),
        false => format!("{} to {}", range.least, range.most),
    };
    Ok(vec![match (range.least..=range.most).contains(&now) {
        true => Finding::ok(now, wanted),
        false => Finding::advice(now, wanted, range.say).change(range.path, range.set),
    }])
}

fn release(asked: &Asked) -> Result<(String, (u32, u32)), Unknown> {
    let text = asked.machine.read("/proc/sys/kernel/osrelease")?;
    let mut numbers = text.split(|symbol: char| !symbol.is_ascii_digit());
    let mut next = || numbers.next()?.parse().ok();
    match (next(), next()) {
        (Some(major), Some(minor)) => Ok((text, (major, minor))),
        _ => Err(Unknown("the kernel's release is no number".into())),
    }
}

pub(super) fn kernel_release(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    let (text, number) = release(asked)?;
    let wanted = format!("{}.{} or later", RELEASE_MIN.0, RELEASE_MIN.1);
    Ok(vec![match number >= RELEASE_MIN {
        true => Finding::ok(text, wanted),
        false => Finding::advice(
            text,
            wanted,
            "Millstream does not start on this kernel: boot a newer one.",
        ),
    }])
}

pub(super) fn io_uring(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    const PATH: &str = "/proc/sys/kernel/io_uring_disabled";
    let disabled = match number(asked.machine, PATH) {
        Ok(disabled) => disabled,
        // The sysctl came with Linux 6.6; before, only seccomp could forbid io_uring.
        Err(_) if release(asked)?.1 < (6, 6) => 0,
        Err(unknown) => return Err(unknown),
    };
    if disabled != 0 {
        let say = "io_uring is forbidden (1: to all but its group and privileged processes, 2: to all), and the broker cannot start: allow it.";
        return Ok(vec![Finding::advice(disabled, 0, say).change(PATH, 0)]);
    }
    if status(asked.machine, "Seccomp")? != "0" {
        return Err(Unknown(
            "a seccomp filter is in force, as in most containers, and cannot be asked whether it allows io_uring: `millstream serve` says so at its start".into(),
        ));
    }
    Ok(vec![Finding::ok(0, 0)])
}

const BACKGROUND_BYTES: &str = "/proc/sys/vm/dirty_background_bytes";
const DIRTY_BYTES: &str = "/proc/sys/vm/dirty_bytes";

/// A threshold in bytes, with the words for where it comes from: the bytes if set, else the ratio of
/// the memory that is available.
fn threshold(asked: &Asked, bytes: &str, ratio: &str) -> Result<(u64, String), Unknown> {
    let fixed = number(asked.machine, bytes)?;
    if fixed > 0 {
        let fixed = fixed.unsigned_abs();
        return Ok((fixed, size(fixed)));
    }
    let percent = number(asked.machine, ratio)?.clamp(0, 100).unsigned_abs();
    let share = meminfo(asked.machine, "MemAvailable")? / 100 * percent;
    Ok((share, format!("{percent} % ({})", size(share))))
}

fn background(asked: &Asked) -> Result<(u64, String), Unknown> {
    threshold(
        asked,
        BACKGROUND_BYTES,
        "/proc/sys/vm/dirty_background_ratio",
    )
}

pub(super) fn dirty_background(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    let (bytes, now) = background(asked)?;
    let wanted = format!("at most {}", size(BACKGROUND_BYTES_MAX));
    Ok(vec![match bytes <= BACKGROUND_BYTES_MAX {
        true => Finding::ok(now, wanted),
        false => Finding::advice(
            now,
            wanted,
            "Begin to write back earlier, so that the disk works steadily and a flush or a throttled append waits for less.",
        )
        .change(BACKGROUND_BYTES, 1 << 30),
    }])
}

pub(super) fn dirty_limit(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    let (background, _) = background(asked)?;
    let (bytes, now) = threshold(asked, DIRTY_BYTES, "/proc/sys/vm/dirty_ratio")?;
    let least = background.min(BACKGROUND_BYTES_MAX).saturating_mul(2);
    let wanted = format!("at least {}, twice the background's", size(least));
    // A percent of the share was rounded away.
    let is_enough = bytes.saturating_add(least / 50) >= least;
    Ok(vec![match is_enough {
        true => Finding::ok(now, wanted),
        false => Finding::advice(
            now,
            wanted,
            "Writers are throttled from midway between the background threshold and this one on: leave a burst room between them.",
        )
        .change("/proc/sys/vm/dirty_ratio", 40),
    }])
}

pub(super) fn dirty_expire(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    within(
        asked,
        Range {
            path: "/proc/sys/vm/dirty_expire_centisecs",
            least: 500,
            most: 3000,
            set: 3000,
            say: "Written records that nobody flushes are safe from a power loss after about this time: keep the kernel's default of 30 s or less, though not so little that pages are written back half filled.",
        },
    )
}

pub(super) fn dirty_writeback(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    within(
        asked,
        Range {
            path: "/proc/sys/vm/dirty_writeback_centisecs",
            least: 100,
            most: 1000,
            set: 500,
            say: "The flusher should wake every few seconds; 0 turns it off, and old pages then stay in memory until there are too many.",
        },
    )
}

pub(super) fn swappiness(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    const PATH: &str = "/proc/sys/vm/swappiness";
    let now = number(asked.machine, PATH)?;
    if meminfo(asked.machine, "SwapTotal")? == 0 {
        return Ok(vec![Finding::ok(format!("{now}, no swap"), "0 to 10")]);
    }
    within(
        asked,
        Range {
            path: PATH,
            least: 0,
            most: 10,
            set: 1,
            say: "The page cache is large by design and must not push the broker's own memory out to swap.",
        },
    )
}

/// A file with a choice in brackets.
fn choice(
    asked: &Asked,
    path: &str,
    fine: &[&str],
    set: &str,
    say: &str,
) -> Result<Vec<Finding>, Unknown> {
    let text = asked.machine.read(path)?;
    let now = chosen(&text);
    let wanted = fine.join(" or ");
    Ok(vec![match fine.contains(&now) {
        true => Finding::ok(now, wanted),
        false => Finding::advice(now, wanted, say).change(path, set),
    }])
}

pub(super) fn huge_pages(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    choice(
        asked,
        "/sys/kernel/mm/transparent_hugepage/enabled",
        &["madvise", "never"],
        "madvise",
        "The broker asks for no huge pages and gains nothing from them: leave them to programs that ask.",
    )
}

pub(super) fn huge_page_defrag(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    choice(
        asked,
        "/sys/kernel/mm/transparent_hugepage/defrag",
        &["madvise", "defer", "defer+madvise", "never"],
        "madvise",
        "A page fault must not compact memory on a shard's thread.",
    )
}

/// How many NUMA nodes there are.
fn nodes(asked: &Asked) -> Result<usize, Unknown> {
    const PATH: &str = "/sys/devices/system/node/online";
    let text = asked.machine.read(PATH)?;
    cores(&text)
        .map(|nodes| nodes.len())
        .ok_or_else(|| Unknown(format!("{PATH} is no list of nodes")))
}

/// A sysctl that must be 0 where there are several nodes and does nothing where there is one.
fn zero_on_numa(asked: &Asked, path: &str, say: &str) -> Result<Vec<Finding>, Unknown> {
    let nodes = nodes(asked)?;
    if nodes <= 1 {
        return Ok(vec![Finding::ok("1 node", "0 on several nodes")]);
    }
    let now = number(asked.machine, path)?;
    let value = format!("{now} on {nodes} nodes");
    Ok(vec![match now == 0 {
        true => Finding::ok(value, 0),
        false => Finding::advice(value, 0, say).change(path, 0),
    }])
}

pub(super) fn numa_balancing(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    zero_on_numa(
        asked,
        "/proc/sys/kernel/numa_balancing",
        "Shards are pinned and their memory is their own node's already: the kernel's search for misplaced pages only costs faults.",
    )
}

pub(super) fn zone_reclaim(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    zero_on_numa(
        asked,
        "/proc/sys/vm/zone_reclaim_mode",
        "Let the page cache use every node's memory instead of dropping pages of the own one.",
    )
}

/// A line of /proc/self/limits: the soft and the hard limit, `None` if unlimited.
fn limits(asked: &Asked, name: &str) -> Result<[Option<u64>; 2], Unknown> {
    let text = asked.machine.read("/proc/self/limits")?;
    let parsed = text.lines().find_map(|line| {
        let mut words = line.strip_prefix(name)?.split_whitespace();
        let mut limit = || match words.next()? {
            "unlimited" => Some(None),
            number => number.parse().ok().map(Some),
        };
        Some([limit()?, limit()?])
    });
    parsed.ok_or_else(|| Unknown(format!("/proc/self/limits does not say {name}")))
}

fn limit(bytes: Option<u64>) -> String {
    bytes.map_or("unlimited".into(), |bytes| bytes.to_string())
}

pub(super) fn open_files(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    let [_, hard] = limits(asked, "Max open files")?;
    let wanted = format!("{FILES_MIN} or more");
    Ok(vec![match hard.is_none_or(|hard| hard >= FILES_MIN) {
        true => Finding::ok(limit(hard), wanted),
        false => Finding::advice(
            limit(hard),
            wanted,
            "The broker raises its soft limit to this hard one and cannot go beyond: raise it where the broker is started.",
        )
        .by_hand(format!("LimitNOFILE={FILES_MIN} in the systemd unit, or ulimit -Hn {FILES_MIN}")),
    }])
}

pub(super) fn locked_memory(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    let [soft, _] = limits(asked, "Max locked memory")?;
    let (_, number) = release(asked)?;
    let wanted = "any, from Linux 5.12 on";
    Ok(vec![match number >= RELEASE_UNLOCKED || soft.is_none() {
        true => Finding::ok(limit(soft), wanted),
        false => Finding::advice(
            limit(soft),
            wanted,
            "On this kernel the rings count as locked memory.",
        )
        .by_hand("LimitMEMLOCK=infinity in the systemd unit, or ulimit -l unlimited"),
    }])
}
