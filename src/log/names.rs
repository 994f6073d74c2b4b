//! The names of a partition's files, and what a start has to tidy up by name alone.
//!
//! A file is `<base offset, 20 digits>.<kind>`; compaction and deletion append `.cleaned`, `.swap` or
//! `.deleted`. Compaction writes `.cleaned`, fsyncs, renames to `.swap` (from the highest base down),
//! deletes the old segments and takes the suffix off: after a stop at any point between, the swap is
//! either undone or finished.

use crate::types::Offset;
use std::collections::{BTreeMap, BTreeSet};

/// What a file of a segment is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FileKind {
    /// `.log`: the batches.
    Log,
    /// `.index`: offsets to positions.
    Index,
    /// `.timeindex`: timestamps to offsets.
    TimeIndex,
    /// `.txnindex`: aborted transactions.
    TxnIndex,
    /// `.snapshot`: producer state at that offset.
    Snapshot,
}

/// What is under way with a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// In use.
    Live,
    /// Written by a compaction that is not complete.
    Cleaned,
    /// Complete, and about to replace what it covers.
    Swap,
    /// To be unlinked.
    Deleted,
}

const KINDS: [(FileKind, &str); 5] = [
    (FileKind::Log, ".log"),
    (FileKind::Index, ".index"),
    (FileKind::TimeIndex, ".timeindex"),
    (FileKind::TxnIndex, ".txnindex"),
    (FileKind::Snapshot, ".snapshot"),
];

const STAGES: [(Stage, &str); 3] = [
    (Stage::Cleaned, ".cleaned"),
    (Stage::Swap, ".swap"),
    (Stage::Deleted, ".deleted"),
];

/// The name of a live file.
pub fn file_name(base: Offset, kind: FileKind) -> String {
    let suffix = KINDS.iter().find(|(of, _)| *of == kind).expect("a kind").1;
    format!("{:020}{suffix}", base.0)
}

/// The name of a file at some stage.
pub fn staged_file_name(base: Offset, kind: FileKind, stage: Stage) -> String {
    let suffix = STAGES.iter().find(|(of, _)| *of == stage);
    file_name(base, kind) + suffix.map_or("", |(_, suffix)| suffix)
}

/// What a name says; `None` if it is not one of a segment's files.
pub fn parse_file_name(name: &str) -> Option<(Offset, FileKind, Stage)> {
    let (name, stage) = STAGES
        .iter()
        .find_map(|(stage, suffix)| Some((name.strip_suffix(suffix)?, *stage)))
        .unwrap_or((name, Stage::Live));
    let (digits, kind) = KINDS
        .iter()
        .find_map(|(kind, suffix)| Some((name.strip_suffix(suffix)?, *kind)))?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let base = Offset(plain.then(|| digits.parse().ok()).flatten()?);
    (base <= Offset::MAX).then_some((base, kind, stage))
}

/// What a start does to a partition's directory before it opens segments, in this order: unlink,
/// then rename.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TidyPlan {
    /// Files to unlink.
    pub unlink: Vec<String>,
    /// Files to rename, from and to.
    pub rename: Vec<(String, String)>,
}

/// The bases of the `.log.swap` files among `names` that a start would finish: what
/// [`plan_tidy`] wants the next offsets of.
pub fn swaps_to_finish(names: &[String]) -> Vec<Offset> {
    let files = parse_all(names);
    let undone_from = lowest_cleaned(&files);
    files
        .iter()
        .filter(|(_, base, kind, stage)| {
            (*kind, *stage) == (FileKind::Log, Stage::Swap) && undone_from.is_none_or(|b| *base < b)
        })
        .map(|(_, base, _, _)| *base)
        .collect()
}

/// Decides about the leftovers of a compaction, of deletions, and about indexes without a log.
/// `swap_ends` holds for each base of [`swaps_to_finish`] the offset behind its last record.
pub fn plan_tidy(names: &[String], swap_ends: &BTreeMap<Offset, Offset>) -> TidyPlan {
    let files = parse_all(names);
    let undone_from = lowest_cleaned(&files);
    let covered = match (
        swap_ends.keys().next(),
        swap_ends.values().max().filter(|_| !swap_ends.is_empty()),
    ) {
        (Some(&from), Some(&to)) => from..to,
        _ => Offset(0)..Offset(0),
    };
    let mut plan = TidyPlan::default();
    let mut live = Vec::new();
    let mut logs = BTreeSet::new();
    for (name, base, kind, stage) in files {
        let unlink = match stage {
            Stage::Deleted | Stage::Cleaned => true,
            Stage::Swap => undone_from.is_some_and(|from| base >= from),
            Stage::Live => {
                if !covered.contains(&base) {
                    if kind == FileKind::Log {
                        logs.insert(base);
                    }
                    live.push((name.clone(), base, kind));
                    continue;
                }
                true
            }
        };
        if unlink {
            plan.unlink.push(name);
        } else {
            if kind == FileKind::Log {
                logs.insert(base);
            }
            plan.rename.push((name, file_name(base, kind)));
        }
    }
    for (name, base, kind) in live {
        let derived = matches!(
            kind,
            FileKind::Index | FileKind::TimeIndex | FileKind::TxnIndex
        );
        if derived && !logs.contains(&base) {
            plan.unlink.push(name);
        }
    }
    plan
}

fn parse_all(names: &[String]) -> Vec<(String, Offset, FileKind, Stage)> {
    let mut files: Vec<_> = names
        .iter()
        .filter_map(|name| {
            let (base, kind, stage) = parse_file_name(name)?;
            Some((name.clone(), base, kind, stage))
        })
        .collect();
    files.sort();
    files
}

fn lowest_cleaned(files: &[(String, Offset, FileKind, Stage)]) -> Option<Offset> {
    let cleaned = files.iter().filter(|(_, _, _, s)| *s == Stage::Cleaned);
    cleaned.map(|(_, base, _, _)| *base).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(bases_and_suffixes: &[(i64, &str)]) -> Vec<String> {
        bases_and_suffixes
            .iter()
            .map(|(base, suffix)| format!("{base:020}{suffix}"))
            .collect()
    }

    #[test]
    fn names_have_twenty_digits() {
        assert_eq!(
            file_name(Offset(368769), FileKind::Log),
            "00000000000000368769.log"
        );
        for (kind, _) in KINDS {
            let name = file_name(Offset(7), kind);
            assert_eq!(parse_file_name(&name), Some((Offset(7), kind, Stage::Live)));
        }
        assert_eq!(
            parse_file_name("00000000000000000007.index.swap"),
            Some((Offset(7), FileKind::Index, Stage::Swap))
        );
        for other in [
            "partition.metadata",
            "leader-epoch-checkpoint",
            "7.log",
            "0000000000000000000x.log",
            "99999999999999999999.log",
            "00000000000000000007.log.tmp",
        ] {
            assert_eq!(parse_file_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_complete_swap_is_finished() {
        let names = names(&[
            (0, ".log.swap"),
            (0, ".index.swap"),
            (0, ".log"),
            (0, ".snapshot"),
            (10, ".log"),
            (10, ".index"),
            (10, ".snapshot"),
            (20, ".log"),
            (20, ".index"),
        ]);
        assert_eq!(swaps_to_finish(&names), [Offset(0)]);
        let plan = plan_tidy(&names, &BTreeMap::from([(Offset(0), Offset(20))]));
        let unlinked: Vec<&str> = plan.unlink.iter().map(String::as_str).collect();
        assert_eq!(
            unlinked,
            [
                "00000000000000000000.log",
                "00000000000000000000.snapshot",
                "00000000000000000010.index",
                "00000000000000000010.log",
                "00000000000000000010.snapshot"
            ]
        );
        assert_eq!(plan.rename.len(), 2);
        assert_eq!(plan.rename[1].0, "00000000000000000000.log.swap");
        assert_eq!(plan.rename[1].1, "00000000000000000000.log");
    }

    #[test]
    fn a_swap_beside_unfinished_files_is_undone() {
        let names = names(&[(10, ".log.cleaned"), (10, ".log.swap"), (10, ".log")]);
        assert!(swaps_to_finish(&names).is_empty());
        let plan = plan_tidy(&names, &BTreeMap::new());
        assert_eq!(plan.unlink.len(), 2);
        assert!(plan.rename.is_empty());
    }

    #[test]
    fn an_index_without_a_log_goes_and_a_snapshot_stays() {
        let names = names(&[
            (0, ".log"),
            (0, ".index"),
            (5, ".index"),
            (5, ".snapshot"),
            (9, ".log.deleted"),
        ]);
        let plan = plan_tidy(&names, &BTreeMap::new());
        assert_eq!(
            plan.unlink,
            [
                "00000000000000000009.log.deleted",
                "00000000000000000005.index"
            ]
        );
        assert!(plan.rename.is_empty());
    }
}
