//! `millstream groups`: who consumes what, how far they have come, and where they begin again. It speaks
//! Kafka's protocol to any broker, for classic groups and those that the broker assigns (KIP-848).

mod csv;
mod delete;
mod describe;
mod list;
mod positions;
mod reset;
mod scope;
mod watched;

use super::client::{Client, Connect, Parts};
use super::failure::Failure;
use super::output::{Out, list as numbers};
use clap::{Args, Subcommand};
use serde_json::Value;

/// Lists and describes groups, moves and deletes what they have committed.
#[derive(Args)]
pub(super) struct Groups {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::List),
    Describe(describe::Describe),
    Members(describe::Members),
    Reset(Box<reset::Reset>),
    Delete(delete::Delete),
}

impl Groups {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::List(list) => list.run(&self.connect),
            Command::Describe(describe) => describe.run(&self.connect),
            Command::Members(members) => members.run(&self.connect),
            Command::Reset(reset) => reset.run(&self.connect),
            Command::Delete(delete) => delete.run(&self.connect),
        }
    }
}

/// Which groups a command is about.
#[derive(Args)]
struct Chosen {
    /// The groups.
    #[arg(value_name = "GROUP", required_unless_present = "all_groups")]
    groups: Vec<String>,

    /// All groups of consumers.
    #[arg(long, conflicts_with = "groups")]
    all_groups: bool,
}

impl Chosen {
    /// Their ids.
    fn ids(&self, client: &mut Client) -> Result<Vec<String>, Failure> {
        if !self.all_groups {
            return Ok(self.groups.clone());
        }
        let mut listed = client.list_groups(&[], &[])?;
        listed.retain(|group| group.is_of_consumers());
        Ok(listed.into_iter().map(|group| group.id).collect())
    }
}

/// Partitions of topics as Kafka's tool writes them: `orders:0,1;payments:2`; a dash if there are none.
fn parts_text(parts: &Parts) -> String {
    let topics = parts.iter().filter(|(_, indexes)| !indexes.is_empty());
    let topics: Vec<String> = topics
        .map(|(topic, indexes)| format!("{topic}:{}", numbers(indexes)))
        .collect();
    match topics.is_empty() {
        true => "-".to_owned(),
        false => topics.join(";"),
    }
}

/// How many partitions.
fn parts_count(parts: &Parts) -> usize {
    parts.values().map(Vec::len).sum()
}

/// Text, or a dash where there is none.
fn or_dash(text: &str) -> String {
    match text.is_empty() {
        true => "-".to_owned(),
        false => text.to_owned(),
    }
}

/// Shows what was done, then what was not: all failures but the last on stderr here.
fn conclude(
    mut out: Out,
    document: impl FnOnce() -> Value,
    mut failures: Vec<Failure>,
) -> Result<(), Failure> {
    if out.json {
        out.document(&document())?;
    }
    out.flush()?;
    let Some(last) = failures.pop() else {
        return Ok(());
    };
    for failure in failures {
        failure.report();
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_stand_behind_their_topics() {
        let parts = Parts::from([
            ("a".to_owned(), vec![0, 1]),
            ("b".to_owned(), vec![2]),
            ("c".to_owned(), vec![]),
        ]);
        assert_eq!(parts_text(&parts), "a:0,1;b:2");
        assert_eq!(parts_count(&parts), 3);
        assert_eq!(parts_text(&Parts::new()), "-");
    }
}
