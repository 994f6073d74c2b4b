//! Shards, their cores, and who else uses these.

use super::finding::{Asked, Finding, Unknown};
use super::network::{cards, interrupts};
use super::parse::{core_list, cores, status};
use crate::config::AppendMode;
use std::collections::BTreeSet;

/// The cores that the broker may use if it is started as this command was.
pub(super) fn allowed(asked: &Asked) -> Result<BTreeSet<usize>, Unknown> {
    let text = status(asked.machine, "Cpus_allowed_list")?;
    match cores(&text) {
        Some(cores) if !cores.is_empty() => Ok(cores),
        _ => Err(Unknown("/proc/self/status names no cores".into())),
    }
}

/// The cores to which shards are pinned: as `serve` deals them, the lowest first.
fn shards_cores(asked: &Asked) -> Result<BTreeSet<usize>, Unknown> {
    let shards = usize::from(asked.config.shards);
    Ok(allowed(asked)?.into_iter().take(shards).collect())
}

pub(super) fn shards(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    let allowed = allowed(asked)?.len();
    let shards = usize::from(asked.config.shards);
    let now = format!("{shards} on {allowed} cores");
    let wanted = format!("at most {allowed}");
    Ok(vec![match shards <= allowed {
        true => Finding::ok(now, wanted),
        false => Finding::advice(
            now,
            wanted,
            "Shards that share a core take turns on it and never spin: leave num.shards out, or give the broker more cores.",
        )
        .by_hand(format!("num.shards={allowed} in server.properties")),
    }])
}

pub(super) fn append_mode(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    let now = match asked.config.append_mode {
        AppendMode::Auto => return Ok(vec![Finding::ok("auto", "auto")]),
        AppendMode::Uring => "uring",
        AppendMode::Inline => "inline",
    };
    let say = "auto knows the file system and watches the disk: a fixed mode is for measuring.";
    Ok(vec![
        Finding::advice(now, "auto", say).by_hand("log.append.mode=auto in server.properties"),
    ])
}

pub(super) fn governor(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    let mut slow = Vec::new();
    let mut found = BTreeSet::new();
    for core in allowed(asked)? {
        let path = format!("/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor");
        let Ok(governor) = asked.machine.read(&path) else {
            continue;
        };
        if governor != "performance" {
            slow.push(path);
        }
        found.insert(governor);
    }
    if found.is_empty() {
        return Err(Unknown(
            "no core has a governor: the hypervisor or the firmware sets the frequency".into(),
        ));
    }
    let now: Vec<String> = found.into_iter().collect();
    let finding = match slow.is_empty() {
        true => Finding::ok(now.join(", "), "performance"),
        false => Finding::advice(
            now.join(", "),
            "performance",
            "Short bursts of work end before another governor has raised the frequency.",
        ),
    };
    let changed = slow
        .into_iter()
        .fold(finding, |finding, path| finding.change(path, "performance"));
    Ok(vec![changed])
}

pub(super) fn isolated(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    let listed = |path: &str| {
        let text = asked.machine.read(path)?;
        cores(&text).ok_or_else(|| Unknown(format!("{path} is no list of cores")))
    };
    let isolated = listed("/sys/devices/system/cpu/isolated")?;
    // Absent where the kernel was built without it.
    let tickless = listed("/sys/devices/system/cpu/nohz_full").unwrap_or_default();
    let now = format!(
        "isolated {}, nohz_full {}",
        core_list(&isolated),
        core_list(&tickless)
    );
    let shards = shards_cores(asked)?;
    if isolated.is_empty() {
        return Ok(vec![Finding::ok(now, "none, or all shards' cores")]);
    }
    let wanted = format!("shards on {}", core_list(&isolated));
    Ok(vec![match shards.is_subset(&isolated) {
        true => Finding::ok(now, wanted),
        false => Finding::advice(
            format!("{now}, shards on {}", core_list(&shards)),
            wanted,
            "Isolated cores are not used unless a process asks for them: start the broker on them, or give them back.",
        )
        .by_hand(format!("taskset -c {} millstream serve ...", core_list(&isolated))),
    }])
}

pub(super) fn balancing(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    let processes = asked.machine.list("/proc");
    let is_process = |name: &&String| name.bytes().all(|byte| byte.is_ascii_digit());
    let mut numbers = processes.iter().filter(is_process);
    if processes.is_empty() {
        return Err(Unknown("/proc cannot be listed".into()));
    }
    let runs = numbers.any(|number| {
        let name = asked.machine.read(&format!("/proc/{number}/comm"));
        name.is_ok_and(|name| name == "irqbalance")
    });
    Ok(vec![match runs {
        false => Finding::ok("not running", "not running"),
        true => Finding::advice(
            "running",
            "not running, or kept off the shards' cores",
            "irqbalance moves interrupts under pinned shards: spread them once by hand and stop it, or ban the shards' cores.",
        )
        .by_hand("systemctl disable --now irqbalance")
        .by_hand(format!(
            "or IRQBALANCE_BANNED_CPULIST={} in its environment",
            core_list(&shards_cores(asked)?)
        )),
    }])
}

pub(super) fn affinity(asked: &Asked) -> Result<Vec<Finding>, Unknown> {
    let allowed = allowed(asked)?;
    let shards = shards_cores(asked)?;
    let free: BTreeSet<usize> = allowed.difference(&shards).copied().collect();
    let judge = |card: &String| -> Result<Finding, Unknown> {
        let interrupts = interrupts(asked, card)?;
        let on: BTreeSet<usize> = interrupts
            .iter()
            .flat_map(|(_, cores)| cores.clone())
            .collect();
        let now = format!("{} interrupts on {}", interrupts.len(), core_list(&on));
        if interrupts.len() > 1 && on.len() == 1 && allowed.len() > 1 {
            let spread = interrupts.iter().zip(allowed.iter().cycle());
            let finding = Finding::advice(
                now,
                format!("spread over {}", core_list(&allowed)),
                "One core serves the whole card: give each queue's interrupt a core of its own, that of the shard whose connections it brings or one without a shard.",
            );
            return Ok(spread.fold(finding, |finding, ((number, _), core)| {
                finding.by_hand(format!(
                    "echo {core} > /proc/irq/{number}/smp_affinity_list"
                ))
            }));
        }
        if !free.is_empty() && !on.is_disjoint(&shards) {
            let wanted = format!("on {}, where no shard is", core_list(&free));
            let finding = Finding::advice(
                now,
                wanted,
                "Interrupts take time from the shards on their cores, and there are cores without one.",
            );
            let moved = interrupts.iter().filter(|(_, on)| !on.is_disjoint(&shards));
            return Ok(moved.zip(free.iter().cycle()).fold(
                finding,
                |finding, ((number, _), core)| {
                    finding.by_hand(format!(
                        "echo {core} > /proc/irq/{number}/smp_affinity_list"
                    ))
                },
            ));
        }
        Ok(Finding::ok(now, "spread, off the shards if cores are free"))
    };
    let found = cards(asked)?
        .iter()
        .map(|card| {
            let finding = judge(card).unwrap_or_else(Finding::from);
            finding.of(card)
        })
        .collect();
    Ok(found)
}
