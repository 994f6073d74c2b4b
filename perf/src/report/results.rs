//! The results of a run's cases, without their histograms.

use super::goals::{Verdict, judge};
use crate::contest::CaseResult;
use std::collections::BTreeMap;

/// By case.
#[derive(Default)]
pub struct Results(BTreeMap<String, CaseResult>);

impl Results {
    /// Keeps a case's numbers and lets its histograms go: those of a whole run come to gigabytes.
    pub fn add(&mut self, mut result: CaseResult) {
        let runs = result.systems.iter_mut().flat_map(|it| &mut it.runs);
        runs.for_each(|run| run.outcome = None);
        self.0.insert(result.case.name.clone(), result);
    }

    /// A case that was run.
    pub fn get(&self, name: &str) -> Option<&CaseResult> {
        self.0.get(name)
    }

    /// All goals whose cases were run.
    pub fn verdicts(&self) -> Vec<Verdict> {
        judge(&self.0)
    }

    /// Runs that failed, and why.
    pub fn failures(&self) -> Vec<&str> {
        let failures = self.0.values().flat_map(|it| &it.failures);
        failures.map(String::as_str).collect()
    }
}
