//! Millstream: the release binary with one shard, started with a data directory of ours.

use super::{Process, Running};
use core_affinity::CoreId;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which build, with what settings.
#[derive(Clone, Debug)]
pub struct Millstream {
    /// The binary.
    pub binary: PathBuf,
    /// `key=value`, after those that the suite sets itself.
    pub overrides: Vec<String>,
}

/// Starts it on `core` with its data in `directory`/data, and waits until it is ready.
pub fn millstream(
    which: &Millstream,
    properties: &[(String, String)],
    core: CoreId,
    directory: &Path,
) -> Result<Running> {
    let mut process = begin(which, properties, core, directory, 0)?;
    let said = process.wait_until_it_says("the broker is ready")?;
    let address = said.split("listening on ").nth(1);
    let address = address.and_then(|rest| rest.split_whitespace().next());
    let address = address.and_then(|it| it.parse().ok());
    Ok(Running {
        address: address.ok_or_else(|| Error::other(format!("no address in: {said}")))?,
        process: Some(process),
    })
}

/// Starts it on a port and waits for nothing. The data may be there already.
pub fn begin(
    which: &Millstream,
    properties: &[(String, String)],
    core: CoreId,
    directory: &Path,
    port: u16,
) -> Result<Process> {
    let mut command = Command::new(&which.binary);
    command.arg("serve");
    let data = format!("log.dirs={}", directory.join("data").display());
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{port}");
    let fixed = [
        &listeners,
        "num.shards=1",
        &data,
        "millstream.metrics.listener=",
    ];
    for property in fixed {
        command.args(["--override", property]);
    }
    for (key, value) in properties {
        command.args(["--override", &format!("{key}={value}")]);
    }
    for property in &which.overrides {
        command.args(["--override", property]);
    }
    Process::start(command, Some(core), &directory.join("broker.log"))
}
