//! The goals, and whether they are met.

use crate::contest::{CaseResult, Quantity, Spread};
use std::collections::BTreeMap;

/// What is judged.
const OURS: &str = "millstream";
const LIMIT: &str = "limit";
const KAFKA: &str = "kafka";

/// How a number stands to a bound.
#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// What a number is compared with.
#[derive(Clone, Copy)]
enum Than {
    /// The same quantity of another system in the same case.
    System(&'static str),
    /// The same quantity of ours in another case.
    Case(&'static str),
    /// Nothing: it is a number by itself.
    Nothing,
    /// The least of ours in several cases, this one being the greatest of them.
    Among(&'static [&'static str]),
}

struct Goal {
    case: &'static str,
    what: &'static str,
    quantity: Quantity,
    than: Than,
    bound: Bound,
}

const fn goal(
    case: &'static str,
    what: &'static str,
    quantity: Quantity,
    than: Than,
    bound: Bound,
) -> Goal {
    Goal {
        case,
        what,
        quantity,
        than,
        bound,
    }
}

use Bound::{AtLeast, AtMost};
use Quantity::{
    CleanStartS, CpuUsPerRequest, KilledStartS, P50Us, P99Us, P999Us, RequestsPerS, ResidentMb,
};
use Than::{Among, Case, Nothing, System};

const BY_PARTITIONS: &[&str] = &["partitions-1", "partitions-100", "partitions-10000"];
const BY_CONNECTIONS: &[&str] = &[
    "connections-1",
    "connections-10",
    "connections-100",
    "connections-1000",
    "connections-5000",
];
const BY_SEGMENTS: &[&str] = &["segments-first", "segments-last"];
/// What "equal" means where two medians of short runs are compared.
const EQUAL: f64 = 1.05;

#[rustfmt::skip]
const GOALS: &[Goal] = &[
    goal("one-spinning", "p50 of the echo that spins", P50Us, System(LIMIT), AtMost(1.3)),
    goal("one-sleeping", "p50 of the echo that sleeps", P50Us, System(LIMIT), AtMost(1.3)),
    goal("64x1k", "requests/s of the limit", RequestsPerS, System(LIMIT), AtLeast(0.85)),
    goal("64x1k", "CPU of the limit", CpuUsPerRequest, System(LIMIT), AtMost(1.3)),
    goal("64x1k", "p99.9 of the limit", P999Us, System(LIMIT), AtMost(2.0)),
    goal("64x1k-5", "requests/s with 1 in flight", RequestsPerS, Case("64x1k"), AtLeast(2.0)),
    goal("16x16k", "requests/s of the limit", RequestsPerS, System(LIMIT), AtLeast(0.8)),
    goal("16x16k", "CPU of the limit", CpuUsPerRequest, System(LIMIT), AtMost(1.3)),
    goal("16x64k", "requests/s of the limit", RequestsPerS, System(LIMIT), AtLeast(0.8)),
    goal("16x64k", "CPU of the limit", CpuUsPerRequest, System(LIMIT), AtMost(1.25)),
    goal("4x0.9m", "requests/s of the limit", RequestsPerS, System(LIMIT), AtLeast(0.8)),
    goal("4x0.9m", "CPU of the limit", CpuUsPerRequest, System(LIMIT), AtMost(1.25)),
    goal("fetch-16x256k", "fetches/s of the limit", RequestsPerS, System(LIMIT), AtLeast(0.9)),
    goal("fetch-16x256k", "CPU of the limit", CpuUsPerRequest, System(LIMIT), AtMost(1.15)),
    goal("fetch-16x64k", "fetches/s of the limit", RequestsPerS, System(LIMIT), AtLeast(0.9)),
    goal("open-5k", "p99 of Kafka", P99Us, System(KAFKA), AtMost(0.1)),
    goal("open-5k", "p99.9 of Kafka", P999Us, System(KAFKA), AtMost(0.1)),
    goal("open-20k", "p99 of Kafka", P99Us, System(KAFKA), AtMost(0.1)),
    goal("open-20k", "p99.9 of Kafka", P999Us, System(KAFKA), AtMost(0.1)),
    goal("start-4000", "clean start, s", CleanStartS, Nothing, AtMost(0.5)),
    goal("start-4000", "start after kill -9, s", KilledStartS, Nothing, AtMost(1.5)),
    goal("start-4000", "memory, MB", ResidentMb, Nothing, AtMost(80.0)),
    goal("partitions-10000", "CPU with 1 to 10,000 partitions, most by least", CpuUsPerRequest, Among(BY_PARTITIONS), AtMost(1.2)),
    goal("connections-5000", "CPU with 1 to 5,000 connections, most by least", CpuUsPerRequest, Among(BY_CONNECTIONS), AtMost(1.5)),
    goal("segments-last", "CPU at the first and the last of 10,000 segments, most by least", CpuUsPerRequest, Among(BY_SEGMENTS), AtMost(EQUAL)),
];

/// A goal that was judged.
pub struct Verdict {
    /// Which case.
    pub case: &'static str,
    /// What it says.
    pub goal: String,
    /// What was measured: of medians; least and most are those of the rounds, where they were compared
    /// round by round.
    pub measured: Spread,
    /// Whether it is met.
    pub is_met: bool,
}

/// Judges all goals whose cases were run.
pub fn judge(results: &BTreeMap<String, CaseResult>) -> Vec<Verdict> {
    GOALS
        .iter()
        .filter_map(|goal| goal.judge(results))
        .collect()
}

impl Goal {
    fn judge(&self, results: &BTreeMap<String, CaseResult>) -> Option<Verdict> {
        let measured = self.measured(results)?;
        let (sign, bound, is_met) = match self.bound {
            AtLeast(bound) => (">=", bound, measured.median >= bound),
            AtMost(bound) => ("<=", bound, measured.median <= bound),
        };
        let unit = match self.than {
            System(_) | Case(_) => " x",
            Nothing | Among(_) => "",
        };
        Some(Verdict {
            case: self.case,
            goal: format!("{sign} {bound}{unit} {}", self.what),
            measured,
            is_met,
        })
    }

    fn measured(&self, results: &BTreeMap<String, CaseResult>) -> Option<Spread> {
        let result = results.get(self.case)?;
        let ours = result.spread(OURS, self.quantity)?;
        let alone = |median| Spread {
            median,
            least: median,
            most: median,
        };
        match self.than {
            Nothing => Some(ours),
            System(base) => {
                let base_median = result.spread(base, self.quantity)?.median;
                let rounds = result.ratio(OURS, base, self.quantity)?;
                Some(Spread {
                    median: ours.median / base_median,
                    ..rounds
                })
            }
            Case(other) => {
                let other = results.get(other)?.spread(OURS, self.quantity)?;
                Some(alone(ours.median / other.median))
            }
            Among(cases) => {
                let medians: Option<Vec<f64>> = cases
                    .iter()
                    .map(|it| Some(results.get(*it)?.spread(OURS, self.quantity)?.median))
                    .collect();
                let medians = medians?;
                let most = medians.iter().copied().fold(f64::MIN, f64::max);
                let least = medians.iter().copied().fold(f64::MAX, f64::min);
                Some(alone(most / least))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::{Measured, Runs};
    use crate::scenario;

    fn results(of: &[(&str, &str, Quantity, &[f64])]) -> BTreeMap<String, CaseResult> {
        let mut results = BTreeMap::new();
        for (name, system, quantity, values) in of {
            let cases = scenario::all().into_iter().flat_map(|it| it.cases);
            let case = cases
                .into_iter()
                .find(|it| it.name == *name)
                .expect("a case");
            let result = results
                .entry((*name).to_owned())
                .or_insert_with(|| CaseResult {
                    case,
                    systems: Vec::new(),
                    failures: Vec::new(),
                });
            let runs = values.iter().enumerate().map(|(round, value)| Measured {
                round,
                numbers: BTreeMap::from([(*quantity, *value)]),
                outcome: None,
                usage: Vec::new(),
            });
            result.systems.push(Runs {
                system: (*system).to_owned(),
                runs: runs.collect(),
            });
        }
        results
    }

    fn verdict(results: &BTreeMap<String, CaseResult>) -> Verdict {
        let mut verdicts = judge(results);
        assert_eq!(verdicts.len(), 1);
        verdicts.remove(0)
    }

    #[test]
    fn every_goal_is_about_a_case_that_is_there() {
        let names: Vec<String> = scenario::all()
            .into_iter()
            .flat_map(|it| it.cases)
            .map(|it| it.name)
            .collect();
        for goal in GOALS {
            assert!(names.iter().any(|it| it == goal.case), "{}", goal.case);
            if let Among(cases) = goal.than {
                assert!(cases.iter().all(|it| names.iter().any(|name| name == it)));
            }
        }
    }

    #[test]
    fn a_goal_is_judged_by_medians_and_shows_the_rounds() {
        let met = results(&[
            ("16x16k", LIMIT, RequestsPerS, &[100.0, 90.0, 110.0]),
            ("16x16k", OURS, RequestsPerS, &[81.0, 50.0, 100.0]),
        ]);
        let met = verdict(&met);
        assert!(met.is_met && (met.measured.median - 0.81).abs() < 1e-9);
        assert!((met.measured.least - 50.0 / 90.0).abs() < 1e-9);
        assert!((met.measured.most - 100.0 / 110.0).abs() < 1e-9);
        assert_eq!(met.goal, ">= 0.8 x requests/s of the limit");
        let missed = results(&[
            ("16x16k", LIMIT, RequestsPerS, &[100.0]),
            ("16x16k", OURS, RequestsPerS, &[79.9]),
        ]);
        assert!(!verdict(&missed).is_met);
    }

    #[test]
    fn numbers_by_themselves_and_across_cases() {
        let alone = results(&[("start-4000", OURS, KilledStartS, &[1.4, 1.5, 1.6])]);
        assert!(verdict(&alone).is_met);
        let pair = results(&[
            ("64x1k", OURS, RequestsPerS, &[100.0]),
            ("64x1k-5", OURS, RequestsPerS, &[199.0]),
        ]);
        assert!(!verdict(&pair).is_met);
        let grows = results(&[
            ("partitions-1", OURS, CpuUsPerRequest, &[10.0]),
            ("partitions-100", OURS, CpuUsPerRequest, &[12.1]),
            ("partitions-10000", OURS, CpuUsPerRequest, &[11.0]),
        ]);
        let grows = verdict(&grows);
        assert!(!grows.is_met && (grows.measured.median - 1.21).abs() < 1e-9);
    }

    #[test]
    fn without_its_case_or_its_base_a_goal_is_not_judged() {
        assert!(judge(&BTreeMap::new()).is_empty());
        let lonely = results(&[("open-5k", OURS, P99Us, &[1.0])]);
        assert!(judge(&lonely).is_empty());
    }
}
