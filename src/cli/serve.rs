//! `millstream serve [server.properties] [--override key=value]...`, as `kafka-server-start.sh` takes
//! them. What happens while serving is logged to stderr, one line per event.

use super::failure::Failure;
use super::{key_value, machine};
use crate::config::{self, BrokerConfig, Note};
use clap::Args;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Starts a broker. Without a file it listens on 127.0.0.1:9092 and keeps its data in ./data.
#[derive(Args)]
#[command(after_long_help = config::help(), after_help = "--help lists every property too.")]
pub(super) struct Serve {
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
    pub(super) fn run(self) -> Result<(), Failure> {
        log_to_stderr(self.log)?;
        let config = configuration(self.file.as_deref(), &self.overrides)?;
        crate::server::serve(config).map_err(|error| Failure::new(error.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn serve(arguments: &[&str]) -> Result<Serve, clap::Error> {
        let cli = Cli::try_parse_from([&["millstream", "serve"], arguments].concat())?;
        match cli.command {
            Command::Serve(serve) => Ok(*serve),
            _ => panic!("serve is serve"),
        }
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
