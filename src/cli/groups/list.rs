//! `groups list`.

use super::or_dash;
use crate::cli::client::{Client, Connect};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table};
use clap::Args;
use serde_json::{Value, json};

/// Lists the groups of all brokers.
#[derive(Args)]
pub(super) struct List {
    /// Only groups in one of these states: Stable, Empty, PreparingRebalance, CompletingRebalance,
    /// Assigning, Reconciling, Dead.
    #[arg(long, value_name = "STATE,...", value_delimiter = ',')]
    state: Vec<String>,

    /// Only groups of one of these types: classic, consumer.
    #[arg(long = "type", value_name = "TYPE,...", value_delimiter = ',')]
    kind: Vec<String>,
}

impl List {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let groups = Client::new(connect).list_groups(&self.state, &self.kind)?;
        let mut out = Out::new(connect.json);
        if out.json {
            let groups: Vec<Value> = groups
                .iter()
                .map(|group| {
                    json!({
                        "group": group.id,
                        "type": known(group.kind.to_ascii_lowercase()),
                        "state": known(group.state.clone()),
                        "protocol_type": group.protocol_type,
                        "coordinator": group.coordinator.0,
                    })
                })
                .collect();
            out.document(&json!({ "groups": groups }))?;
            return out.flush();
        }
        let mut table = Table::new(&["GROUP", "TYPE", "STATE", "PROTOCOL", ">COORDINATOR"]);
        for group in &groups {
            table.row([
                group.id.clone(),
                or_dash(&group.kind.to_ascii_lowercase()),
                or_dash(&group.state),
                or_dash(&group.protocol_type),
                group.coordinator.to_string(),
            ]);
        }
        out.table(&table)?;
        out.flush()
    }
}

/// What a broker has said, or null if it is too old to say it.
fn known(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
