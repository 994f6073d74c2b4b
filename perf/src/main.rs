//! The first figures: what one core can do, without a broker and with one.
//!
//! ```text
//! perf [smoke] [--rounds 5] [--mib 1024] [--connections 4] [--dir DIR] [--only WORD]
//!      [--broker BINARY] [--override KEY=VALUE]... [--partitions 4]
//! ```
//!
//! Bare loops, each one thread on one core, serve closed-loop clients on another:
//!
//! - `bare produce`: receives a frame with a record set, takes its CRC-32C, appends it with one
//!   pwrite, acknowledges.
//! - `bare fetch`: answers a small frame with a header (MSG_MORE) and a slice of a file by sendfile.
//!
//! Beside each stands the broker (`--broker`, else `$MILLSTREAM`, else the release binary of this
//! repository) with one shard on the same core, under the same load as Produce (acks=1) and Fetch
//! requests: a process with a data directory of its own for each run.
//!
//! The clients know nothing of either but "send this frame, read one length-prefixed answer": a new
//! contender implements [`contest::Contender`].
//!
//! All contenders run in turn, round by round. Memory that idles goes back to the host and is slow
//! when it is touched again, so before each run as much as the run will write is written and
//! unlinked. Figures are medians, with the spread beside them; only their ratios mean something on a
//! machine that does other work.
//!
//! `perf smoke` times nothing: every contender serves a few sets, and what was produced to the broker
//! comes back the same, byte by byte. It takes a few seconds.

mod bare;
mod broker;
mod client;
mod contest;
mod poll;
mod smoke;

use contest::{Contender, Plan, Shape};
use std::path::{Path, PathBuf};

/// What the command line says.
struct Options {
    is_smoke: bool,
    rounds: usize,
    bytes: u64,
    connections: usize,
    directory: PathBuf,
    only: String,
    broker: PathBuf,
    overrides: Vec<String>,
    partitions: usize,
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
    if cores.len() < 2 && !options.is_smoke {
        eprintln!("perf: one core for the server and one for the clients are needed");
        std::process::exit(1);
    }
    let (Some(server_core), Some(client_core)) = (cores.first(), cores.get(1).or(cores.first()))
    else {
        eprintln!("perf: the cores of this process are not known");
        std::process::exit(1);
    };
    let settings = broker::Settings {
        binary: options.broker,
        directory: options.directory.clone(),
        core: *server_core,
        overrides: options.overrides,
        partitions: options.partitions,
    };
    let large = Shape { set_bytes: 1 << 20 };
    let small = Shape {
        set_bytes: 256 << 10,
    };
    let directory = &options.directory;
    let mut contenders: Vec<Box<dyn Contender>> = vec![
        Box::new(bare::Produce::new(directory, *server_core, large)),
        Box::new(broker::Contestant::produce(settings.clone(), large)),
        Box::new(bare::Fetch::new(directory, *server_core, large)),
        Box::new(broker::Contestant::fetch(settings.clone(), large)),
        Box::new(bare::Fetch::new(directory, *server_core, small)),
        Box::new(broker::Contestant::fetch(settings.clone(), small)),
    ];
    contenders.retain(|it| it.name().contains(&options.only));
    let done = if options.is_smoke {
        let shapes = [large, small];
        smoke::run(&mut contenders, *client_core).and_then(|()| {
            shapes
                .iter()
                .try_for_each(|it| smoke::compare(&settings, *it))
        })
    } else {
        let plan = Plan {
            rounds: options.rounds,
            bytes: options.bytes,
            connections: options.connections,
            directory: options.directory,
            client_core: *client_core,
        };
        contest::run(&plan, &mut contenders)
    };
    // Brokers end with their contenders, which exit would not drop.
    drop(contenders);
    if let Err(error) = done {
        eprintln!("perf: {error}");
        std::process::exit(1);
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        is_smoke: false,
        rounds: 5,
        bytes: 1 << 30,
        connections: 4,
        directory: std::env::temp_dir(),
        only: String::new(),
        broker: default_broker(),
        overrides: Vec::new(),
        partitions: 4,
    };
    while let Some(name) = arguments.next() {
        if name == "smoke" {
            options.is_smoke = true;
            continue;
        }
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
            "--only" => options.only = value,
            "--broker" => options.broker = value.into(),
            "--override" => options.overrides.push(value),
            "--partitions" => options.partitions = number()? as usize,
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}

fn default_broker() -> PathBuf {
    match std::env::var_os("MILLSTREAM") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/millstream"),
    }
}
