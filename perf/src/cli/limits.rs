//! `perf limits`: what the machine can do with no broker.

use super::Place;
use crate::contest::{Contest, System};
use crate::limits;
use crate::report::{self, Table, number};
use crate::scenario;
use clap::Args;
use std::io::{Error, Result};

#[derive(Args)]
pub struct Arguments {
    /// Runs of each
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds that each run is measured, instead of what its case says
    #[arg(long)]
    seconds: Option<f64>,
    #[command(flatten)]
    place: Place,
}

/// The shapes of the goals on the bare servers, then the file system by itself.
pub fn limits(arguments: Arguments) -> Result<()> {
    let setup = arguments.place.setup()?;
    let directory = setup.directory.clone();
    let mut contest = Contest {
        setup,
        systems: vec![System::Limit],
        rounds: arguments.rounds,
    };
    let mut failed = Vec::new();
    let goals = scenario::all().remove(0);
    for mut case in goals.cases.into_iter().filter(|it| it.limit.is_some()) {
        if let (Some(seconds), Some(load)) = (arguments.seconds, case.load_mut()) {
            load.measure.seconds = seconds;
        }
        let result = contest.run(&case);
        println!(
            "\n{}: {}\n\n{}",
            case.name,
            case.title,
            report::case(&result)
        );
        failed.extend(result.failures);
    }
    let mut table = Table::new(&["call", "bytes", "GB/s", "p50 us", "p99 us", "max us"]);
    for it in limits::disk(&directory)? {
        table.row(vec![
            it.what.to_owned(),
            it.bytes.to_string(),
            number(it.gigabytes_per_s),
            number(it.p50_us),
            number(it.p99_us),
            number(it.max_us),
        ]);
    }
    println!("\nin {}:\n\n{}", directory.display(), table.markdown());
    match failed.into_iter().next() {
        None => Ok(()),
        Some(first) => Err(Error::other(first)),
    }
}
