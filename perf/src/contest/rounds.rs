//! Rounds: every system once per case and round, in an order that turns, so that no system always
//! follows the same one.

use super::case::Case;
use super::measure::{Measured, Setup, System, measure};
use super::numbers::{Quantity, Spread, spread};
use std::io::Result;

/// The runs of one system under one case, round by round.
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
    /// Runs a case on all systems that can.
    pub fn run(&mut self, case: &Case) -> Result<CaseResult> {
        let mut results: Vec<Runs> = self
            .systems
            .iter()
            .map(|it| Runs {
                system: it.name().to_owned(),
                runs: Vec::new(),
            })
            .collect();
        let count = self.systems.len();
        for round in 0..self.rounds {
            for turn in 0..count {
                let at = (turn + round) % count;
                let system = &mut self.systems[at];
                let is_peer = matches!(system, System::Kafka(..) | System::Peer(_));
                if !system.takes(case) || is_peer && round >= case.peer_rounds {
                    continue;
                }
                let measured = measure(&self.setup, case, system)?;
                let number =
                    |quantity| measured.numbers.get(&quantity).copied().unwrap_or(f64::NAN);
                eprintln!(
                    "{} round {}: {:<14} {:9.0} req/s {:7.3} GB/s {:7.2} us/req  p50 {:.0} p99 {:.0} p99.9 {:.0} us  client {:.0} %",
                    case.name,
                    round + 1,
                    system.name(),
                    number(Quantity::RequestsPerS),
                    number(Quantity::GigabytesPerS),
                    number(Quantity::CpuUsPerRequest),
                    number(Quantity::P50Us),
                    number(Quantity::P99Us),
                    number(Quantity::P999Us),
                    number(Quantity::ClientBusy) * 100.0,
                );
                results[at].runs.push(measured);
            }
        }
        results.retain(|it| !it.runs.is_empty());
        Ok(CaseResult {
            case: case.clone(),
            systems: results,
        })
    }
}

impl CaseResult {
    /// A quantity of a system, over its rounds.
    pub fn spread(&self, system: &str, quantity: Quantity) -> Option<Spread> {
        spread(self.values(system, quantity))
    }

    /// How much more of a quantity `system` has than `base`, round by round.
    pub fn ratio(&self, system: &str, base: &str, quantity: Quantity) -> Option<Spread> {
        let pairs = self
            .values(system, quantity)
            .into_iter()
            .zip(self.values(base, quantity));
        spread(
            pairs
                .map(|(value, base)| value / base)
                .filter(|it| it.is_finite())
                .collect(),
        )
    }

    fn values(&self, system: &str, quantity: Quantity) -> Vec<f64> {
        let runs = self.systems.iter().find(|it| it.system == system);
        let runs = runs.into_iter().flat_map(|it| &it.runs);
        runs.filter_map(|run| run.numbers.get(&quantity).copied())
            .collect()
    }
}
