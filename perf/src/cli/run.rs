//! `perf run`.

use super::{Place, resolve, root};
use crate::contest::{Case, Contest, System};
use crate::report::{self, Machine, Report};
use crate::scenario::{self, Scenario};
use crate::smoke;
use crate::system::{Kafka, Millstream};
use clap::Args;
use core_affinity::CoreId;
use std::io::{Error, Result};
use std::path::PathBuf;

/// How often each system runs.
const ROUNDS: usize = 5;
/// What `--quick` comes to.
const QUICK_ROUNDS: usize = 2;
const QUICK_SHARE: f64 = 0.4;

#[derive(Args)]
pub struct Arguments {
    /// Scenarios or cases (--list names them), `all`, or `smoke`
    #[arg(required_unless_present = "list")]
    names: Vec<String>,
    /// Lists what there is
    #[arg(long)]
    list: bool,
    /// Runs of each system under each case [default: 5, with --quick 2]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds that each run is measured, instead of what its case says
    #[arg(long)]
    seconds: Option<f64>,
    /// Fewer rounds and shorter runs: to see that everything works
    #[arg(long)]
    quick: bool,
    /// Who takes part
    #[arg(long, value_delimiter = ',', default_value = "limit,millstream,kafka")]
    systems: Vec<String>,
    /// Another broker, by its address
    #[arg(long)]
    peer: Option<String>,
    /// Millstream's binary [default: the release build of this repository]
    #[arg(long, env = "MILLSTREAM")]
    broker: Option<PathBuf>,
    /// A second build, measured in the same rounds as `millstream-b`
    #[arg(long)]
    broker_b: Option<PathBuf>,
    /// A property of Millstream, key=value
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// A property of the second Millstream (the same build, unless --broker-b names one)
    #[arg(long = "override-b", value_name = "KEY=VALUE")]
    overrides_b: Vec<String>,
    /// Apache Kafka has the server's core and no other
    #[arg(long)]
    pin_kafka: bool,
    /// Client threads, one for each core from the client's on
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How long the client looks for work before it sleeps, us, or `ever`; instead of what a case says
    #[arg(long, value_parser = spin)]
    client_spin_us: Option<Spin>,
    /// Keeps raw data, plots and a report in a new directory below this one
    #[arg(long, num_args = 0..=1, default_missing_value = "perf/runs")]
    keep: Option<PathBuf>,
    /// What the machine is called in that directory's name
    #[arg(long)]
    machine: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// A time to spin for, us; `None` for ever.
#[derive(Clone, Copy)]
pub struct Spin(pub Option<u64>);

/// Reads one.
pub fn spin(text: &str) -> std::result::Result<Spin, String> {
    match text {
        "ever" => Ok(Spin(None)),
        _ => text
            .parse()
            .map(|us| Spin(Some(us)))
            .map_err(|_| "a number of us, or `ever`".to_owned()),
    }
}

/// Runs what was named.
pub fn run(arguments: &Arguments) -> Result<()> {
    let scenarios = scenario::all();
    if arguments.list {
        for it in &scenarios {
            println!("{:<12} {}", it.name, it.title);
            it.cases
                .iter()
                .for_each(|case| println!("  {:<20} {}", case.name, case.title));
        }
        return Ok(());
    }
    let setup = arguments.place.setup()?;
    if arguments.names == ["smoke"] {
        return smoke::run(setup, &arguments.first_millstream());
    }
    if setup.client_cores.first() == Some(&setup.server_core) {
        return Err(Error::other(
            "one core for the server and one for the client are needed",
        ));
    }
    let chosen = choose(scenarios, arguments)?;
    let systems = systems(arguments, setup.server_core)?;
    let usual = if arguments.quick {
        QUICK_ROUNDS
    } else {
        ROUNDS
    };
    let rounds = arguments.rounds.unwrap_or(usual);
    let mut contest = Contest {
        setup,
        systems,
        rounds,
    };
    let mut report = match &arguments.keep {
        Some(parent) => {
            let kafka = contest.systems.iter().find_map(System::as_kafka);
            let machine = Machine::this(&contest.setup, kafka);
            let name = arguments.machine.as_deref();
            Some(Report::new(parent, name, machine, &contest)?)
        }
        None => None,
    };
    let mut kept = crate::report::Results::default();
    for scenario in &chosen {
        if let Some(report) = &mut report {
            report.begin(scenario);
        }
        for case in &scenario.cases {
            let result = contest.run(case);
            println!(
                "\n{}: {}\n\n{}",
                case.name,
                case.title,
                report::case(&result)
            );
            match &mut report {
                Some(report) => report.add(scenario, result)?,
                None => kept.add(result),
            }
        }
        if let Some(report) = &mut report {
            report.end(scenario)?;
        }
    }
    let (verdicts, failures) = match &report {
        Some(report) => {
            println!("kept in {}", report.directory().display());
            (report.results().verdicts(), report.results().failures())
        }
        None => (kept.verdicts(), kept.failures()),
    };
    if !verdicts.is_empty() {
        println!("\n{}", report::goals(&verdicts));
    }
    match failures.len() {
        0 => Ok(()),
        count => Err(Error::other(format!(
            "{count} runs failed, the first: {}",
            failures[0]
        ))),
    }
}

/// The cases that were named, in their scenarios, as long and as wide as was said.
fn choose(scenarios: Vec<Scenario>, arguments: &Arguments) -> Result<Vec<Scenario>> {
    let is_named = |name: &str| arguments.names.iter().any(|it| it == name);
    for name in &arguments.names {
        let mut known = scenarios.iter().flat_map(|it| {
            std::iter::once(it.name).chain(it.cases.iter().map(|case| case.name.as_str()))
        });
        if name != "all" && !known.any(|it| it == name) {
            return Err(Error::other(format!(
                "no scenario or case {name}: see run --list"
            )));
        }
    }
    let mut chosen = scenarios;
    for scenario in &mut chosen {
        let is_whole = is_named("all") || is_named(scenario.name);
        scenario
            .cases
            .retain(|case| is_whole || is_named(&case.name));
        scenario
            .cases
            .iter_mut()
            .for_each(|case| adapt(case, arguments));
    }
    chosen.retain(|it| !it.cases.is_empty());
    Ok(chosen)
}

fn adapt(case: &mut Case, arguments: &Arguments) {
    let Some(load) = case.load_mut() else {
        return;
    };
    if let Some(seconds) = arguments.seconds {
        load.measure.seconds = seconds;
    } else if arguments.quick {
        load.measure.seconds *= QUICK_SHARE;
        load.measure.bytes = load.measure.bytes.map(|it| it / 4);
    }
    // What happens in the middle of a case happens in the middle of a shorter one.
    let seconds = load.measure.seconds;
    if let Some(readers) = &mut load.readers {
        readers.after_s = readers.after_s.min(seconds / 3.0);
    }
    load.threads = arguments.threads;
    if let Some(spin) = arguments.client_spin_us {
        load.spin_us = spin.0;
    }
    if let Some(stall) = &mut case.stall {
        stall.at_s = stall.at_s.min(seconds / 2.0);
    }
}

impl Arguments {
    fn first_millstream(&self) -> Millstream {
        let binary = self.broker.clone();
        Millstream {
            binary: binary.unwrap_or_else(|| root().join("target/release/millstream")),
            overrides: self.overrides.clone(),
        }
    }
}

fn systems(arguments: &Arguments, server_core: CoreId) -> Result<Vec<System>> {
    let first = arguments.first_millstream();
    let mut systems = Vec::new();
    for name in &arguments.systems {
        systems.push(match name.as_str() {
            "limit" => System::Limit,
            "millstream" => System::Millstream(name.clone(), first.clone()),
            "kafka" => {
                let core = arguments.pin_kafka.then_some(server_core);
                System::Kafka(Box::new(Kafka::fetch(&root(), core)?), None)
            }
            other => {
                let why = format!("no system {other}: limit, millstream, kafka");
                return Err(Error::other(why));
            }
        });
    }
    if arguments.broker_b.is_some() || !arguments.overrides_b.is_empty() {
        let which = Millstream {
            binary: arguments.broker_b.clone().unwrap_or(first.binary),
            overrides: arguments.overrides_b.clone(),
        };
        systems.push(System::Millstream("millstream-b".to_owned(), which));
    }
    if let Some(peer) = &arguments.peer {
        systems.push(System::Peer(resolve(peer)?));
    }
    Ok(systems)
}
