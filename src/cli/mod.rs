//! The command line: `millstream serve`, and the commands that talk to a cluster.
//!
//! ```text
//! serve                                  a broker
//! topics | configs | cluster             what a cluster has, through `client`
//! groups                                 who consumes what, and how far they have come
//! produce | consume                      records to and from lines
//! stats                                  what a broker does at the moment
//! log                                    the files themselves, offline
//! tune                                   this machine against tuning.md
//! completion                             for a shell
//! ```
//!
//! What goes wrong is one line on stderr that says what to do, with exit code 1; a command line that
//! makes no sense exits with 2. Results go to stdout, as aligned columns or as JSON.

mod client;
mod cluster;
mod completion;
mod configs;
mod consume;
mod failure;
#[doc(hidden)]
pub mod foreign;
mod groups;
mod log;
mod machine;
mod output;
mod produce;
mod serve;
mod stats;
mod text;
mod time;
mod topics;
mod tune;

use clap::{Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// A log broker for Linux that speaks Kafka's protocol and keeps Kafka's files.
#[derive(Parser)]
#[command(name = "millstream", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
    Topics(topics::Topics),
    Groups(groups::Groups),
    Cluster(cluster::Cluster),
    Produce(Box<produce::Produce>),
    Consume(Box<consume::Consume>),
    Configs(configs::Configs),
    Stats(stats::Stats),
    Log(log::LogFiles),
    Tune(tune::Tune),
    Completion(completion::Completion),
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Command::Serve(serve) => serve.run(),
            Command::Topics(topics) => topics.run(),
            Command::Groups(groups) => groups.run(),
            Command::Cluster(cluster) => cluster.run(),
            Command::Produce(produce) => produce.run(),
            Command::Consume(consume) => consume.run(),
            Command::Configs(configs) => configs.run(),
            Command::Stats(stats) => stats.run(),
            Command::Log(files) => files.run(),
            Command::Tune(tune) => tune.run(),
            Command::Completion(completion) => completion.run(),
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err("not of the form key=value".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
