//! `millstream cluster`: the brokers and what they can do.

mod apis;
mod features;
mod log_dirs;
mod quorum;

use super::client::{Client, Connect};
use super::failure::Failure;
use super::output::{Out, Table};
use crate::wire::DescribeClusterResponse;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Shows the brokers, their APIs, features and log directories.
#[derive(Args)]
pub(super) struct Cluster {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the cluster's id and its brokers.
    Describe,
    ApiVersions(apis::ApiVersions),
    /// Shows which features the brokers support and which level the cluster has agreed on.
    Features,
    LogDirs(log_dirs::LogDirs),
    /// Shows who votes on the metadata log, who follows it, and how far each has come.
    Quorum,
}

impl Cluster {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Describe => describe(&self.connect),
            Command::ApiVersions(versions) => versions.run(&self.connect),
            Command::Features => features::run(&self.connect),
            Command::LogDirs(directories) => directories.run(&self.connect),
            Command::Quorum => quorum::run(&self.connect),
        }
    }
}

fn describe(connect: &Connect) -> Result<(), Failure> {
    let mut client = Client::new(connect);
    let reply = client.describe_cluster()?;
    let response: DescribeClusterResponse = reply.body()?;
    let mut out = Out::new(connect.json);
    if out.json {
        let brokers: Vec<Value> = response
            .brokers
            .iter()
            .map(|broker| {
                json!({
                    "id": broker.broker_id,
                    "host": broker.host,
                    "port": broker.port,
                    "rack": broker.rack,
                    "fenced": broker.is_fenced,
                })
            })
            .collect();
        out.document(&json!({
            "cluster_id": response.cluster_id,
            "controller": response.controller_id,
            "brokers": brokers,
        }))?;
        return out.flush();
    }
    out.line(format!("cluster {}", response.cluster_id))?;
    let mut table = Table::new(&[">BROKER", "ADDRESS", "RACK", "STATE"]);
    for broker in &response.brokers {
        let mut state = Vec::new();
        if broker.is_fenced {
            state.push("fenced");
        }
        if broker.broker_id == response.controller_id {
            state.push("controller");
        }
        table.row([
            broker.broker_id.to_string(),
            format!("{}:{}", broker.host, broker.port),
            broker.rack.as_deref().unwrap_or("-").to_owned(),
            super::output::list(&state),
        ]);
    }
    out.table(&table)?;
    out.flush()
}
