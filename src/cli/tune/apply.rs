//! `tune --apply`: the writes that the findings ask for, to files of the kernel's that are there, in
//! force until the machine is started again. Nothing under /etc is touched.

use super::finding::{Change, Finding, Unknown};
use super::machine::{Here, Machine};
use super::parse::{chosen, status};
use crate::cli::failure::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

/// A write and what became of it.
pub(super) struct Applied {
    pub(super) change: Change,
    pub(super) old: String,
    /// What the file says afterwards, or why it could not be written.
    pub(super) new: Result<String, String>,
}

/// Refuses anybody but root, before anything is written.
pub(super) fn demand_root(machine: &Here) -> Result<(), Failure> {
    let ids = status(machine, "Uid").map_err(|Unknown(why)| Failure::new(why))?;
    // Real, effective, saved, file system's (proc_pid_status(5)).
    match ids.split_whitespace().nth(1) {
        Some("0") => Ok(()),
        _ => Err(
            Failure::new("--apply changes settings of the kernel, which takes root")
                .advise("run it by sudo, or enter the commands that it shows without --apply"),
        ),
    }
}

/// Writes what the findings ask for, each file once.
pub(super) fn apply<'a>(
    machine: &Here,
    findings: impl Iterator<Item = &'a Finding>,
) -> Vec<Applied> {
    let mut written = BTreeSet::new();
    let changes = findings.flat_map(|finding| &finding.changes);
    changes
        .filter(|change| written.insert(change.path.clone()))
        .map(|change| {
            let read = || machine.read(&change.path).map_err(|Unknown(why)| why);
            let old = read().unwrap_or_default();
            let new = match machine.write(&change.path, &change.value) {
                Ok(()) => read().map(|new| chosen(&new).to_owned()),
                // The file is there: what is not is what it was to name.
                Err(error) if error.kind() == ErrorKind::NotFound && !old.is_empty() => {
                    Err(format!("this kernel has no {}", change.value))
                }
                Err(error) => Err(error.to_string()),
            };
            Applied {
                change: change.clone(),
                old: chosen(&old).to_owned(),
                new,
            }
        })
        .collect()
}

/// What would repeat the writes at each start of the machine, by file.
pub(super) fn lasting(applied: &[Applied]) -> BTreeMap<&'static str, Vec<String>> {
    let mut files: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for done in applied.iter().filter(|done| done.new.is_ok()) {
        let (file, line) = done.change.lasting();
        files.entry(file).or_default().push(line);
    }
    files
}
