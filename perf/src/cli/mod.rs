//! The command line.

mod limits;
mod load;
mod peers;
mod run;

use crate::contest::Setup;
use crate::leftovers;
use crate::limits::{Kind, Served};
use clap::{Args, Parser, Subcommand};
use core_affinity::CoreId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Error, Result};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// Measures Millstream beside the machine's limit and Apache Kafka.
#[derive(Parser)]
#[command(name = "perf", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Scenarios or single cases: limit, Millstream and peer in turn, round by round
    Run(Box<run::Arguments>),
    /// Producers and consumers against any broker: one load, once
    Load(Box<load::Arguments>),
    /// What the machine does in the same shapes with no broker
    Limits(limits::Arguments),
    /// Gets Apache Kafka, starts it and stops it when standard input ends
    Peers(peers::Arguments),
    #[command(hide = true)]
    ServeLimit(ServeArguments),
}

/// Where everything runs.
#[derive(Args, Clone)]
struct Place {
    /// The directory under test
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// The core of Millstream and of the limits [default: the first that this process may use]
    #[arg(long)]
    server_core: Option<usize>,
    /// The first core of the client [default: the second]
    #[arg(long)]
    client_core: Option<usize>,
    /// A progress line each second
    #[arg(long)]
    progress: bool,
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
    let command = Cli::parse().command;
    // A bare server leaves nothing: its files have no names.
    if !matches!(command, Command::ServeLimit(_)) {
        leftovers::watch()?;
    }
    match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Load(arguments) => load::load(*arguments),
        Command::Limits(arguments) => limits::limits(arguments),
        Command::Peers(arguments) => peers::peers(&arguments),
        Command::ServeLimit(arguments) => {
            let served = Served {
                kind: arguments.kind,
                directory: arguments.dir,
                partitions: arguments.partitions,
                log: arguments.batch_bytes.zip(arguments.batches),
                spin_us: arguments.spin_us,
            };
            crate::limits::serve(&served, |port| println!("ready on port {port}"))
        }
    }
}

impl Place {
    /// Cores found, and as many open files as may be.
    fn setup(&self) -> Result<Setup> {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let named = |id: Option<usize>, otherwise: usize| -> Result<CoreId> {
            match id {
                Some(id) => cores.iter().find(|it| it.id == id).copied(),
                None => cores.get(otherwise).or(cores.first()).copied(),
            }
            .ok_or_else(|| Error::other("this process may not use that core"))
        };
        let server_core = named(self.server_core, 0)?;
        let first = named(self.client_core, 1)?;
        let others = cores
            .iter()
            .filter(|it| it.id > first.id && it.id != server_core.id);
        let client_cores: Vec<CoreId> = std::iter::once(first).chain(others.copied()).collect();
        // So that neither this thread nor those it starts disturb the server.
        core_affinity::set_for_current(first);
        let maximum = getrlimit(Resource::Nofile).maximum;
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(Resource::Nofile, raised)?;
        Ok(Setup {
            directory: self.dir.clone(),
            cores: cores.len(),
            server_core,
            client_cores,
            is_talkative: self.progress,
            is_warmed: true,
        })
    }
}

fn resolve(address: &str) -> Result<SocketAddr> {
    let mut found = address.to_socket_addrs()?;
    found
        .next()
        .ok_or_else(|| Error::other(format!("{address}: no address")))
}

/// The root of this repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }
}
