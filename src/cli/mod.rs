//! The command line: `millstream serve [server.properties] [--override key=value]...`, as
//! `kafka-server-start.sh` takes them.
//!
//! What goes wrong is one line on stderr that says what to do, with exit code 1; a command line that
//! makes no sense exits with 2. What happens while serving is logged to stderr, one line per event.

mod machine;

use crate::config::{self, BrokerConfig, Note};
use clap::{Args, Parser, Subcommand};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let Command::Serve(serve) = command;
    match serve.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("millstream: {reason}");
            ExitCode::FAILURE
        }
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
    Serve(Serve),
}

/// Starts a broker. Without a file it listens on 127.0.0.1:9092 and keeps its data in ./data.
#[derive(Args)]
#[command(after_long_help = config::help(), after_help = "--help lists every property too.")]
struct Serve {
    /// A Kafka server.properties.
    #[arg(value_name = "server.properties")]
    file: Option<PathBuf>,

    /// A property that goes before the file's; may stand several times.
    #[arg(long = "override", value_name = "key=value", value_parser = key_value)]
    overrides: Vec<(String, String)>,

    /// What is logged: a level (error, warn, info, debug, trace), or levels by module such as
    /// info,millstream::net=debug. RUST_LOG says the same.
    #[arg(long, value_name = "LEVELS", value_parser = levels)]
    log: Option<Targets>,
}

impl Serve {
    fn run(self) -> Result<(), String> {
        log_to_stderr(self.log)?;
        let config = configuration(self.file.as_deref(), &self.overrides)?;
        crate::server::serve(config).map_err(|error| error.to_string())
    }
}

/// Reads the file and says what there is to say about it.
fn configuration(
    file: Option<&Path>,
    overrides: &[(String, String)],
) -> Result<BrokerConfig, String> {
    let machine = machine::this();
    let loaded = match file {
        None => config::load(None, overrides, &machine),
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
            config::load(Some((&name, &text)), overrides, &machine)
        }
    };
    let loaded = loaded.map_err(|error| error.to_string())?;
    for note in &loaded.notes {
        match note {
            Note::Warn(text) => tracing::warn!("{text}"),
            Note::Info(text) => tracing::info!("{text}"),
        }
    }
    Ok(loaded.config)
}

fn log_to_stderr(levels_asked: Option<Targets>) -> Result<(), String> {
    let levels = match (levels_asked, std::env::var("RUST_LOG")) {
        (Some(asked), _) => asked,
        (None, Ok(text)) => levels(&text).map_err(|error| format!("RUST_LOG: {error}"))?,
        (None, Err(_)) => Targets::new().with_default(tracing::Level::INFO),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry()
        .with(lines)
        .with(levels)
        .init();
    Ok(())
}

fn levels(text: &str) -> Result<Targets, String> {
    text.parse().map_err(|error| format!("{error}"))
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

    fn serve(arguments: &[&str]) -> Result<Serve, clap::Error> {
        let cli = Cli::try_parse_from([&["millstream", "serve"], arguments].concat())?;
        let Command::Serve(serve) = cli.command;
        Ok(serve)
    }

    #[test]
    fn overrides_stand_after_the_file_as_kafkas_script_takes_them() {
        let parsed = serve(&[
            "server.properties",
            "--override",
            "node.id=3",
            "--override",
            "listeners=PLAINTEXT://:9094",
        ])
        .ok()
        .unwrap();
        assert_eq!(parsed.file, Some(PathBuf::from("server.properties")));
        assert_eq!(
            parsed.overrides,
            [
                ("node.id".to_owned(), "3".to_owned()),
                ("listeners".to_owned(), "PLAINTEXT://:9094".to_owned())
            ]
        );
    }

    #[test]
    fn an_override_without_a_value_is_a_usage_error() {
        assert_eq!(
            serve(&["--override", "node.id"]).err().unwrap().exit_code(),
            2
        );
        assert_eq!(serve(&["--override", "=3"]).err().unwrap().exit_code(), 2);
        assert_eq!(
            serve(&["--log", "millstream=nonsense"])
                .err()
                .unwrap()
                .exit_code(),
            2
        );
    }

    #[test]
    fn the_long_help_lists_the_properties() {
        let help = serve(&["--help"]).err().unwrap().to_string();
        for name in [
            "log.segment.bytes",
            "num.shards",
            "socket.request.max.bytes",
        ] {
            assert!(help.contains(name), "{name} is missing");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = configuration(Some(Path::new("/nonexistent/server.properties")), &[]);
        let error = error.unwrap_err();
        assert!(
            error.starts_with("/nonexistent/server.properties: No such file"),
            "{error}"
        );
    }
}
