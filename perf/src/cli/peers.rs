//! `perf peers`: Apache Kafka by itself, for whoever wants to measure it with something else.

use super::{Place, root};
use crate::contest::fresh_directory;
use crate::system::{KAFKA_SETTINGS, Kafka};
use clap::Args;
use std::io::{Error, Read, Result};

#[derive(Args)]
pub struct Arguments {
    /// Fetches it and starts nothing
    #[arg(long)]
    fetch_only: bool,
    #[command(flatten)]
    place: Place,
}

/// Starts it in a temporary directory; it ends, and the directory goes, when standard input does.
pub fn peers(arguments: &Arguments) -> Result<()> {
    let kafka = Kafka::fetch(&root(), None)?;
    if arguments.fetch_only {
        return Ok(());
    }
    let directory = fresh_directory(&arguments.place.dir)?;
    let running = kafka.start(directory.path())?;
    let process = running
        .process
        .ok_or_else(|| Error::other("it has a process"))?;
    println!(
        "Apache Kafka 4.2.0 on {}, pid {}, java {}",
        running.address,
        process.id(),
        KAFKA_SETTINGS.join(" ")
    );
    std::io::stdin().read_to_end(&mut Vec::new())?;
    process.stop()
}
