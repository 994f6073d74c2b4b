//! The first figures: what one core can do, without a broker.
//!
//! ```text
//! cargo run --release --manifest-path perf/Cargo.toml -- [--rounds 5] [--mib 1024] [--connections 4] [--dir DIR]
//! ```
//!
//! Two bare loops, each one thread on one core, serve closed-loop clients on another:
//!
//! - `bare produce`: receives a frame of 1 MiB, takes its CRC-32C, appends it with one pwrite,
//!   acknowledges.
//! - `bare fetch`: answers a small frame with a header (MSG_MORE) and 1 MiB of a file by sendfile.
//!
//! The clients know nothing of either but "send this frame, read one length-prefixed answer", so the
//! same clients drive a broker with Produce and Fetch requests: whoever adds one implements
//! [`contest::Contender`].
//!
//! All contenders run in turn, round by round, in one process. Memory that idles goes back to the
//! host and is slow when it is touched again, so before each run as much as the run will write is
//! written and unlinked. Figures are medians, with the spread beside them.

mod bare;
mod client;
mod contest;
mod poll;

use contest::Contender;
use std::path::PathBuf;

/// What the command line says.
struct Options {
    rounds: usize,
    bytes: u64,
    connections: usize,
    directory: PathBuf,
}

fn main() {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("perf: {why}");
            std::process::exit(2);
        }
    };
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if cores.len() < 2 {
        eprintln!("perf: one core for the server and one for the clients are needed");
        std::process::exit(1);
    }
    let mut contenders: Vec<Box<dyn Contender>> = vec![
        Box::new(bare::Produce::new(&options.directory, cores[0])),
        Box::new(bare::Fetch::new(&options.directory, cores[0])),
    ];
    let plan = contest::Plan {
        rounds: options.rounds,
        bytes: options.bytes,
        connections: options.connections,
        directory: options.directory,
        client_core: cores[1],
    };
    if let Err(error) = contest::run(&plan, &mut contenders) {
        eprintln!("perf: {error}");
        std::process::exit(1);
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        rounds: 5,
        bytes: 1 << 30,
        connections: 4,
        directory: std::env::temp_dir(),
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} wants a value"))?;
        let number = || -> Result<u64, String> {
            match value.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{name} wants a positive number, not {value:?}")),
            }
        };
        match name.as_str() {
            "--rounds" => options.rounds = number()? as usize,
            "--mib" => options.bytes = number()? << 20,
            "--connections" => options.connections = number()? as usize,
            "--dir" => options.directory = value.into(),
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}
