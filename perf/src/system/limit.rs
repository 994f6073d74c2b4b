//! The bare servers as processes of their own, so that what they use is counted as a broker's is.

use super::{Process, Running};
use crate::limits::Served;
use clap::ValueEnum;
use core_affinity::CoreId;
use std::io::{Error, Result};
use std::path::Path;
use std::process::Command;

/// Starts this program once more as a bare server on `core`.
pub fn limit(served: &Served, core: CoreId, directory: &Path) -> Result<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    let kind = served.kind.to_possible_value().expect("it has a name");
    command
        .args(["serve-limit", kind.get_name(), "--dir"])
        .arg(&served.directory);
    command.args(["--partitions", &served.partitions.to_string()]);
    command.args(["--spin-us", &served.spin_us.to_string()]);
    if let Some((bytes, count)) = served.log {
        command.args([
            "--batch-bytes",
            &bytes.to_string(),
            "--batches",
            &count.to_string(),
        ]);
    }
    let mut process = Process::start(command, Some(core), &directory.join("limit.log"))?;
    let said = process.wait_until_it_says("ready on port ")?;
    let port = said
        .split("ready on port ")
        .nth(1)
        .and_then(|it| it.trim().parse().ok());
    let port: u16 = port.ok_or_else(|| Error::other("a limit without a port"))?;
    Ok(Running {
        address: ([127, 0, 0, 1], port).into(),
        process: Some(process),
    })
}
