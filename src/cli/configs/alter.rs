//! `configs alter`: single properties, by IncrementalAlterConfigs (KIP-339).

use super::Kind;
use crate::cli::client::{Client, Connect};
use crate::cli::failure::Failure;
use crate::cli::key_value;
use crate::cli::output::Out;
use crate::wire::{
    IncrementalAlterConfigsProperty, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResource, IncrementalAlterConfigsResponse,
};
use clap::Args;
use serde_json::json;

/// Kafka's numbers of the operations.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Changes properties; those that are not named stay as they are.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(super) struct Alter {
    /// What to change.
    kind: Kind,

    /// Its name, a broker's id, or `default` for all brokers.
    #[arg(required = true)]
    name: Vec<String>,

    /// Set a property; may stand several times, as the others.
    #[arg(short, long, value_name = "key=value", group = "change", value_parser = key_value)]
    set: Vec<(String, String)>,

    /// Let a property have its default again.
    #[arg(short, long, value_name = "KEY", group = "change")]
    delete: Vec<String>,

    /// Add to a property that is a list.
    #[arg(long, value_name = "key=value", group = "change", value_parser = key_value)]
    append: Vec<(String, String)>,

    /// Take away from a property that is a list.
    #[arg(long, value_name = "key=value", group = "change", value_parser = key_value)]
    subtract: Vec<(String, String)>,

    /// Only check whether it could be done.
    #[arg(long)]
    validate_only: bool,
}

impl Alter {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let mut client = Client::new(connect);
        let mut out = Out::new(connect.json);
        let mut done = Vec::new();
        for name in &self.name {
            let request = IncrementalAlterConfigsRequest {
                resources: vec![IncrementalAlterConfigsResource {
                    resource_type: self.kind.wire(),
                    resource_name: self.kind.wire_name(name).into(),
                    configs: self.changes(),
                }],
                validate_only: self.validate_only,
            };
            let to = self.kind.home(name)?;
            let reply = client.call(to, &request)?;
            let response: IncrementalAlterConfigsResponse = reply.body()?;
            let subject = self.kind.called(name);
            for result in &response.responses {
                if !result.error_code.is_none() {
                    // What was done before it is said first.
                    out.flush()?;
                    let message = result.error_message.as_deref();
                    return Err(Failure::refused(&subject, result.error_code, message));
                }
            }
            match (out.json, self.validate_only) {
                (true, _) => done.push(json!({ "name": name, "altered": !self.validate_only })),
                (false, true) => out.line(format!("{subject} could be altered"))?,
                (false, false) => out.line(format!("altered {subject}"))?,
            }
        }
        if out.json {
            out.document(&json!({ "configs": done }))?;
        }
        out.flush()
    }

    fn changes(&self) -> Vec<IncrementalAlterConfigsProperty<'_>> {
        let with = |operation: i8| {
            move |(name, value): &'_ (String, String)| {
                (name.clone(), operation, Some(value.clone()))
            }
        };
        let set = self.set.iter().map(with(SET));
        let delete = self.delete.iter().map(|name| (name.clone(), DELETE, None));
        let append = self.append.iter().map(with(APPEND));
        let subtract = self.subtract.iter().map(with(SUBTRACT));
        set.chain(delete)
            .chain(append)
            .chain(subtract)
            .map(|(name, operation, value)| IncrementalAlterConfigsProperty {
                name: name.into(),
                config_operation: operation,
                value: value.map(Into::into),
            })
            .collect()
    }
}
