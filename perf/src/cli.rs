//! The command line.

use crate::batch::Codec;
use crate::client::{self, Arrivals};
use crate::contest::{Contest, Setup, System};
use crate::corpus::Corpus;
use crate::limits::{self, Kind, Served};
use crate::load::{Load, Pace, Producers, Readers, Set, Spread, Until, Way};
use crate::system::{Kafka, Millstream};
use crate::{admin::Admin, report, scenario, wire};
use clap::{Args, Parser, Subcommand};
use core_affinity::CoreId;
use std::io::{Error, Result};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// Measures Millstream beside the machine's limit and Apache Kafka.
#[derive(Parser)]
#[command(name = "perf", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Scenarios or single cases: limit, Millstream and peer in turn, round by round
    Run(RunArguments),
    #[command(hide = true)]
    ServeLimit(ServeArguments),
}

#[derive(Args)]
struct Place {
    /// The directory under test
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// The core of Millstream and of the limits
    #[arg(long)]
    server_core: Option<usize>,
    /// The first core of the client
    #[arg(long)]
    client_core: Option<usize>,
}

#[derive(Args)]
struct RunArguments {
    /// Scenarios or cases (--list names them), `all`, or `smoke`
    #[arg(required_unless_present = "list")]
    names: Vec<String>,
    /// Lists what there is
    #[arg(long)]
    list: bool,
    /// Runs of each system under each case
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each run is measured, instead of what its case says
    #[arg(long)]
    seconds: Option<f64>,
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
    /// A progress line each second
    #[arg(long)]
    progress: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
struct ServeArguments {
    kind: Kind,
    #[arg(long)]
    dir: PathBuf,
    #[arg(long, default_value_t = 1)]
    partitions: usize,
    #[arg(long, default_value_t = 0)]
    spin_us: u64,
    #[arg(long, requires = "batches")]
    batch_bytes: Option<usize>,
    #[arg(long)]
    batches: Option<u64>,
}

/// Does what the command line says.
///
/// # Errors
/// One line that says what went wrong.
pub fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Run(arguments) => run(arguments),
        Command::ServeLimit(arguments) => {
            let served = Served {
                kind: arguments.kind,
                directory: arguments.dir,
                partitions: arguments.partitions,
                log: arguments.batch_bytes.zip(arguments.batches),
                spin_us: arguments.spin_us,
            };
            limits::serve(&served, |port| println!("ready on port {port}"))
        }
    }
}

fn run(arguments: RunArguments) -> Result<()> {
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
    let mut cases = Vec::new();
    for name in &arguments.names {
        let before = cases.len();
        for it in &scenarios {
            let is_whole = name == "all" || name == it.name;
            cases.extend(
                it.cases
                    .iter()
                    .filter(|case| is_whole || case.name == *name)
                    .cloned(),
            );
        }
        if cases.len() == before {
            return Err(Error::other(format!(
                "no scenario or case {name}: see --list"
            )));
        }
    }
    if let Some(seconds) = arguments.seconds {
        let loads = cases.iter_mut().filter_map(|it| it.load_mut());
        loads.for_each(|it| it.measure.seconds = seconds);
    }
    let setup = setup(&arguments.place, arguments.progress)?;
    let systems = systems(&arguments)?;
    let mut contest = Contest {
        setup,
        systems,
        rounds: arguments.rounds,
    };
    for case in &cases {
        let result = contest.run(case)?;
        println!(
            "\n{}: {}\n\n{}",
            case.name,
            case.title,
            report::case(&result)
        );
    }
    Ok(())
}

fn systems(arguments: &RunArguments) -> Result<Vec<System>> {
    let root = root();
    let binary = arguments
        .broker
        .clone()
        .unwrap_or_else(|| root.join("target/release/millstream"));
    let mut systems = Vec::new();
    for name in &arguments.systems {
        match name.as_str() {
            "limit" => systems.push(System::Limit),
            "millstream" => {
                let overrides = arguments.overrides.clone();
                let which = Millstream {
                    binary: binary.clone(),
                    overrides,
                };
                systems.push(System::Millstream(name.clone(), which));
            }
            "kafka" => systems.push(System::Kafka(Box::new(Kafka::fetch(&root)?), None)),
            other => {
                return Err(Error::other(format!(
                    "no system {other}: limit, millstream, kafka"
                )));
            }
        }
    }
    if arguments.broker_b.is_some() || !arguments.overrides_b.is_empty() {
        let which = Millstream {
            binary: arguments.broker_b.clone().unwrap_or(binary),
            overrides: arguments.overrides_b.clone(),
        };
        systems.push(System::Millstream("millstream-b".to_owned(), which));
    }
    if let Some(peer) = &arguments.peer {
        systems.push(System::Peer(resolve(peer)?));
    }
    Ok(systems)
}

fn setup(place: &Place, is_talkative: bool) -> Result<Setup> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let named = |id: Option<usize>, otherwise: usize| -> Result<CoreId> {
        match id {
            Some(id) => cores.iter().find(|it| it.id == id).copied(),
            None => cores.get(otherwise).or(cores.first()).copied(),
        }
        .ok_or_else(|| Error::other("this process may not use that core"))
    };
    let server_core = named(place.server_core, 0)?;
    let first = named(place.client_core, 1)?;
    let others = cores
        .iter()
        .filter(|it| it.id > first.id && it.id != server_core.id);
    let client_cores = std::iter::once(first).chain(others.copied()).collect();
    // So that neither this thread nor those it starts disturb the server.
    core_affinity::set_for_current(first);
    let (most, wanted) = (
        rustix::process::Resource::Nofile,
        rustix::process::getrlimit(rustix::process::Resource::Nofile),
    );
    let raised = rustix::process::Rlimit {
        current: wanted.maximum,
        maximum: wanted.maximum,
    };
    rustix::process::setrlimit(most, raised)?;
    Ok(Setup {
        directory: place.dir.clone(),
        server_core,
        client_cores,
        is_talkative,
    })
}

fn resolve(address: &str) -> Result<SocketAddr> {
    let mut found = address.to_socket_addrs()?;
    found
        .next()
        .ok_or_else(|| Error::other(format!("{address}: no address")))
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
