//! What is measured, by name.

mod backlog;
mod codecs;
mod fetches;
mod goals;
mod growth;
mod records;
mod requests;
mod rolls;
mod sets;
mod starts;

use crate::client::Arrivals;
use crate::contest::Case;
use crate::load::{Load, Pace, Set};

/// Cases that belong together.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows, in a line.
    pub title: &'static str,
    /// Its cases.
    pub cases: Vec<Case>,
    /// How its cases are drawn.
    pub plot: Plot,
}

/// What a scenario is drawn as, besides the latency of each of its open-loop cases.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Plot {
    /// Nothing more.
    Latency,
    /// Throughput and processor time by bytes of a request, for the cases named so.
    BySize(&'static [&'static str]),
    /// What happened when.
    OverTime,
}

/// All of them, in the report's order.
pub fn all() -> Vec<Scenario> {
    vec![
        goals::scenario(),
        goals::stall(),
        records::hundred_partitions(),
        records::flushed(),
        records::keyed(),
        records::small(),
        backlog::scenario(),
        rolls::scenario(),
        records::beside_idle(),
        starts::scenario(),
        codecs::scenario(),
        requests::scenario(),
        fetches::hot(),
        fetches::cold(),
        fetches::fanned_out(),
        sets::scenario(),
        growth::partitions(),
        growth::connections(),
        growth::shards(),
        growth::segments(),
    ]
}

/// The one record of a small request.
const ONE_KIBIBYTE: Set = Set::Records {
    count: 1,
    value_bytes: 1 << 10,
};

/// So many requests a second, whenever they come. The client sleeps until one is due: on a machine with
/// few cores one that spins takes a core from a broker that may use all of them.
fn open(mut load: Load, per_s: f64) -> Load {
    // What waits from before is counted when it is due before, but is in the way of what comes after.
    load.warm_up.seconds = 1.0;
    if let Some(producers) = &mut load.producers {
        producers.in_flight = 5;
        producers.pace = Pace::Open {
            per_s,
            arrivals: Arrivals::Poisson,
        };
    }
    load
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_is_one_thing_and_every_case_can_be_had() {
        let mut names = BTreeSet::from(["all".to_owned(), "smoke".to_owned()]);
        for scenario in all() {
            assert!(names.insert(scenario.name.to_owned()), "{}", scenario.name);
            assert!(!scenario.cases.is_empty(), "{}", scenario.name);
            for case in scenario.cases {
                assert!(names.insert(case.name.clone()), "{}", case.name);
                assert!(case.footprint_bytes() > 0);
            }
        }
        // The letters of the plan, each by name.
        for letter in 'a'..='l' {
            let prefix = format!("{letter}-");
            assert!(names.iter().any(|it| it.starts_with(&prefix)), "{letter}");
        }
    }

    #[test]
    fn what_is_plotted_by_size_is_there() {
        for scenario in all() {
            if let Plot::BySize(prefixes) = scenario.plot {
                for prefix in prefixes {
                    let cases = scenario.cases.iter();
                    let count = cases.filter(|it| it.name.starts_with(prefix)).count();
                    assert!(count > 2, "{prefix}: {count}");
                }
            }
        }
    }
}
