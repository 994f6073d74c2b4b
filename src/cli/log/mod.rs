//! `millstream log`: looks at the files of a stopped (or running) broker without it.
//!
//! Nothing is written, nothing is locked: a log that is being appended to may end in half a batch at
//! the moment it is read.

mod batches;
mod describe;
mod dump;
mod places;
mod verify;

use super::failure::Failure;
use clap::{Args, Subcommand};
use std::io::{Write, stdout};

/// Shows and checks log directories, partitions and single files, offline.
#[derive(Args)]
pub(super) struct LogFiles {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Dump(dump::Dump),
    Verify(verify::Verify),
}

impl LogFiles {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.print(Box::new(stdout()))
    }

    /// Runs the command and prints to `writer`.
    pub(super) fn print(self, writer: Box<dyn Write>) -> Result<(), Failure> {
        match self.command {
            Command::Dump(dump) => dump.print(writer),
            Command::Verify(verify) => verify.print(writer),
        }
    }
}
