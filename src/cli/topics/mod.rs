//! `millstream topics`: what there is, and how it changes.

mod alter;
mod change;
mod offsets;
mod show;

use super::client::Connect;
use super::failure::Failure;
use clap::{Args, Subcommand};

/// Lists, creates, describes, alters and deletes topics, and tells their offsets.
#[derive(Args)]
pub(super) struct Topics {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(show::List),
    Describe(show::Describe),
    Create(change::Create),
    Alter(alter::Alter),
    Delete(change::Delete),
    DeleteRecords(alter::DeleteRecords),
    Offsets(offsets::Offsets),
}

impl Topics {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::List(list) => list.run(&self.connect),
            Command::Describe(describe) => describe.run(&self.connect),
            Command::Create(create) => create.run(&self.connect),
            Command::Alter(alter) => alter.run(&self.connect),
            Command::Delete(delete) => delete.run(&self.connect),
            Command::DeleteRecords(delete) => delete.run(&self.connect),
            Command::Offsets(offsets) => offsets.run(&self.connect),
        }
    }
}
