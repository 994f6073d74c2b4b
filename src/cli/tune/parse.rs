//! The kernel's small formats: numbers, lists and masks of cores, choices in brackets. Whatever does
//! not fit is `None` or an [`Unknown`], never a panic.

use super::finding::Unknown;
use super::machine::Machine;
use std::collections::BTreeSet;

/// Lists that name higher cores are not believed: Linux has at most 8192 (`CONFIG_NR_CPUS`).
const CORES_MAX: usize = 8192;

/// The number in a file.
pub(super) fn number(machine: &dyn Machine, path: &str) -> Result<i64, Unknown> {
    let text = machine.read(path)?;
    text.parse()
        .map_err(|_| Unknown(format!("{path} holds {:?}, not a number", short(&text))))
}

/// The three numbers of `tcp_rmem` and `tcp_wmem`.
pub(super) fn triple(machine: &dyn Machine, path: &str) -> Result<[i64; 3], Unknown> {
    let text = machine.read(path)?;
    let numbers: Option<Vec<i64>> = text.split_whitespace().map(|it| it.parse().ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| Unknown(format!("{path} holds {:?}, not 3 numbers", short(&text))))
}

/// A line `name: value unit` of /proc/meminfo in bytes.
pub(super) fn meminfo(machine: &dyn Machine, name: &str) -> Result<u64, Unknown> {
    let text = machine.read("/proc/meminfo")?;
    let kib = text.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?;
        value.split_whitespace().next()?.parse::<u64>().ok()
    });
    kib.map(|kib| kib.saturating_mul(1024))
        .ok_or_else(|| Unknown(format!("/proc/meminfo does not say {name}")))
}

/// A line `name: value` of /proc/self/status.
pub(super) fn status(machine: &dyn Machine, name: &str) -> Result<String, Unknown> {
    let text = machine.read("/proc/self/status")?;
    text.lines()
        .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
        .map(str::to_owned)
        .ok_or_else(|| Unknown(format!("/proc/self/status does not say {name}")))
}

/// The choice in brackets, as in `always [madvise] never`; a text without any is its own.
pub(super) fn chosen(text: &str) -> &str {
    text.split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or(text, |(chosen, _)| chosen)
}

/// `0-3,8` as a set; an empty text, or `(null)`, is the empty set.
pub(super) fn cores(text: &str) -> Option<BTreeSet<usize>> {
    let mut found = BTreeSet::new();
    if text.is_empty() || text == "(null)" {
        return Some(found);
    }
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= CORES_MAX {
            return None;
        }
        found.extend(first..=last);
    }
    Some(found)
}

/// A set as `0-3,8`; a dash if it is empty.
pub(super) fn core_list(cores: &BTreeSet<usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for core in cores {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *core => *last = *core,
            _ => runs.push((*core, *core)),
        }
    }
    let runs: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    match runs.is_empty() {
        true => "-".into(),
        false => runs.join(","),
    }
}

/// A set as the mask of `rps_cpus`: hexadecimal words of 32 cores, the highest first.
pub(super) fn core_mask(cores: &BTreeSet<usize>) -> String {
    let words = cores.last().map_or(1, |last| last / 32 + 1);
    let mut mask = vec![0_u32; words];
    for core in cores {
        mask[core / 32] |= 1 << (core % 32);
    }
    let mut text = format!("{:x}", mask[words - 1]);
    for word in mask[..words - 1].iter().rev() {
        text.push_str(&format!(",{word:08x}"));
    }
    text
}

/// Whether a mask names any core.
pub(super) fn is_empty_mask(mask: &str) -> bool {
    mask.chars().all(|symbol| matches!(symbol, '0' | ','))
}

/// Bytes for people.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64;
    let mut unit = "bytes";
    for larger in UNITS {
        if amount < 1024.0 {
            break;
        }
        (amount, unit) = (amount / 1024.0, larger);
    }
    match amount < 10.0 && unit != "bytes" {
        true => format!("{amount:.1} {unit}"),
        false => format!("{amount:.0} {unit}"),
    }
}

/// As much of a text as an error should show.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_masks_of_cores_are_the_kernels() {
        let set = cores("0-2,33").unwrap();
        assert_eq!(core_list(&set), "0-2,33");
        assert_eq!(core_mask(&set), "2,00000007");
        assert_eq!(core_list(&cores("").unwrap()), "-");
        assert_eq!(core_mask(&cores("(null)").unwrap()), "0");
        for garbage in ["x", "3-1", "0-99999999999", "1,", "-"] {
            assert_eq!(cores(garbage), None, "{garbage}");
        }
        assert!(is_empty_mask("0000,00000000") && !is_empty_mask("2,00000000"));
    }

    #[test]
    fn a_choice_stands_in_brackets() {
        assert_eq!(chosen("always [madvise] never"), "madvise");
        assert_eq!(chosen("none"), "none");
        assert_eq!(chosen("]["), "][");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(512), "512 bytes");
        assert_eq!(size(6 << 20), "6.0 MiB");
        assert_eq!(size(40 << 30), "40 GiB");
    }
}
