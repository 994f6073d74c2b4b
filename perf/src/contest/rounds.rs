//! Rounds: every system once per case and round, in an order that turns, so that no system always
//! follows the same one.

use super::case::Case;
use super::measure::{Measured, Setup, System, measure};
use super::numbers::{Numbers, Quantity, Spread, spread};
use std::collections::BTreeMap;

/// The runs of one system under one case.
pub struct Runs {
    /// Which system.
    pub system: String,
    /// What they came to.
    pub runs: Vec<Measured>,
}

/// All systems under one case.
pub struct CaseResult {
    /// The case.
    pub case: Case,
    /// By system.
    pub systems: Vec<Runs>,
    /// Runs that failed, and why.
    pub failures: Vec<String>,
}

/// Systems, and how often they run.
pub struct Contest {
    /// Where and with what.
    pub setup: Setup,
    /// Who.
    pub systems: Vec<System>,
    /// How often.
    pub rounds: usize,
}

impl Contest {
    /// Runs a case on all systems that can. A run that fails is reported and not repeated.
    pub fn run(&mut self, case: &Case) -> CaseResult {
        let mut result = CaseResult {
            case: case.clone(),
            systems: Vec::new(),
            failures: Vec::new(),
        };
        for system in &self.systems {
            result.systems.push(Runs {
                system: system.name().to_owned(),
                runs: Vec::new(),
            });
        }
        let count = self.systems.len();
        for round in 0..self.rounds {
            for turn in 0..count {
                let at = (turn + round) % count;
                let system = &mut self.systems[at];
                if !system.takes(case) || system.is_peer() && round >= case.peer_rounds {
                    continue;
                }
                match measure(&self.setup, case, system) {
                    Ok(mut measured) => {
                        measured.round = round;
                        tell(&case.name, round, system.name(), &measured.numbers);
                        result.systems[at].runs.push(measured);
                    }
                    Err(error) => {
                        eprintln!("FAILED: round {}: {error}", round + 1);
                        result
                            .failures
                            .push(format!("round {}: {error}", round + 1));
                    }
                }
            }
        }
        result.systems.retain(|it| !it.runs.is_empty());
        result
    }
}

/// A line about a run.
fn tell(case: &str, round: usize, system: &str, numbers: &Numbers) {
    let number = |quantity| numbers.get(&quantity).copied().unwrap_or(f64::NAN);
    let line = match numbers.get(&Quantity::CleanStartS) {
        Some(clean) => format!(
            "start {clean:.3} s, after kill -9 {:.3} s, {:.0} MB",
            number(Quantity::KilledStartS),
            number(Quantity::ResidentMb),
        ),
        None => format!(
            "{:8.0} req/s {:7.3} GB/s {:8.2} us/req  p50 {:.0} p99 {:.0} p99.9 {:.0} us  client {:.0} %",
            number(Quantity::RequestsPerS),
            number(Quantity::GigabytesPerS),
            number(Quantity::CpuUsPerRequest),
            number(Quantity::P50Us),
            number(Quantity::P99Us),
            number(Quantity::P999Us),
            number(Quantity::ClientBusy) * 100.0,
        ),
    };
    eprintln!("{case} {}: {system:<12} {line}", round + 1);
}

impl CaseResult {
    /// A quantity of a system, over its rounds.
    pub fn spread(&self, system: &str, quantity: Quantity) -> Option<Spread> {
        spread(self.values(system, quantity))
    }

    /// How much more of a quantity `system` has than `base`, round by round.
    pub fn ratio(&self, system: &str, base: &str, quantity: Quantity) -> Option<Spread> {
        spread(self.ratios(system, base, quantity))
    }

    /// The same, of each round in which both ran.
    pub fn ratios(&self, system: &str, base: &str, quantity: Quantity) -> Vec<f64> {
        let base = self.by_round(base, quantity);
        let both = self.by_round(system, quantity).into_iter();
        let ratios = both.filter_map(|(round, value)| Some(value / base.get(&round)?));
        ratios.filter(|it| it.is_finite()).collect()
    }

    fn values(&self, system: &str, quantity: Quantity) -> Vec<f64> {
        self.by_round(system, quantity).into_values().collect()
    }

    fn by_round(&self, system: &str, quantity: Quantity) -> BTreeMap<usize, f64> {
        let runs = self.systems.iter().find(|it| it.system == system);
        let runs = runs.into_iter().flat_map(|it| &it.runs);
        runs.filter_map(|run| Some((run.round, *run.numbers.get(&quantity)?)))
            .collect()
    }
}
