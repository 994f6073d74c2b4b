//! `cluster log-dirs`: what lies in each broker's log directories.

use crate::cli::client::{Client, Connect, To};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table, known, known_json};
use crate::types::NodeId;
use crate::wire::{
    DescribableLogDirTopic, DescribeLogDirsRequest, DescribeLogDirsResponse, ErrorCode,
};
use clap::Args;
use serde_json::{Value, json};

/// Shows the log directories of the brokers, with the sizes of the partitions in them.
#[derive(Args)]
pub(super) struct LogDirs {
    /// Only these brokers.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    broker: Vec<i32>,

    /// Only these topics.
    #[arg(short, long, value_name = "TOPIC", value_delimiter = ',')]
    topic: Vec<String>,

    /// Every partition, not only the sums.
    #[arg(short, long)]
    partitions: bool,
}

impl LogDirs {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let mut client = Client::new(connect);
        let brokers: Vec<NodeId> = match self.broker.is_empty() {
            true => client.brokers()?,
            false => self.broker.iter().map(|id| NodeId(*id)).collect(),
        };
        let topics = match self.topic.is_empty() {
            true => None,
            false => {
                let names: Vec<&str> = self.topic.iter().map(String::as_str).collect();
                let mut asked = Vec::new();
                for name in names {
                    let topic = client.topic(name, false)?;
                    asked.push(DescribableLogDirTopic {
                        partitions: topic.partitions.iter().map(|it| it.index).collect(),
                        topic: topic.name.into(),
                    });
                }
                Some(asked)
            }
        };
        let request = DescribeLogDirsRequest { topics };
        let mut directories = Table::new(&[
            ">BROKER",
            "DIRECTORY",
            "STATE",
            ">PARTITIONS",
            ">BYTES",
            ">DISK BYTES",
            ">FREE BYTES",
        ]);
        let mut partitions = Table::new(&[
            ">BROKER",
            "DIRECTORY",
            "TOPIC",
            ">PARTITION",
            ">BYTES",
            ">LAG",
        ]);
        let mut documents: Vec<Value> = Vec::new();
        for broker in brokers {
            let reply = client.call(To::Node(broker), &request)?;
            let response: DescribeLogDirsResponse = reply.body()?;
            if !response.error_code.is_none() {
                let subject = format!("broker {broker}");
                return Err(Failure::refused(&subject, response.error_code, None));
            }
            for directory in &response.results {
                let mut held: Vec<_> = directory
                    .topics
                    .iter()
                    .flat_map(|topic| topic.partitions.iter().map(|it| (&topic.name, it)))
                    .collect();
                held.sort_by_key(|(name, it)| (name.to_string(), it.partition_index));
                let bytes: i64 = held.iter().map(|(_, it)| it.partition_size).sum();
                let state = match directory.error_code {
                    ErrorCode::NONE if directory.is_cordoned => "cordoned",
                    ErrorCode::NONE => "ok",
                    ErrorCode::KAFKA_STORAGE_ERROR => "offline",
                    code => code.name(),
                };
                directories.row([
                    broker.to_string(),
                    directory.log_dir.to_string(),
                    state.to_owned(),
                    held.len().to_string(),
                    bytes.to_string(),
                    known(directory.total_bytes),
                    known(directory.usable_bytes),
                ]);
                for (name, it) in &held {
                    let future = if it.is_future_key { " (future)" } else { "" };
                    partitions.row([
                        broker.to_string(),
                        directory.log_dir.to_string(),
                        name.to_string(),
                        format!("{}{future}", it.partition_index),
                        it.partition_size.to_string(),
                        it.offset_lag.to_string(),
                    ]);
                }
                let held = held.iter().map(|(name, it)| {
                    json!({
                        "topic": name,
                        "partition": it.partition_index,
                        "bytes": it.partition_size,
                        "offset_lag": it.offset_lag,
                        "future": it.is_future_key,
                    })
                });
                documents.push(json!({
                    "broker": broker.0,
                    "directory": directory.log_dir,
                    "state": state,
                    "bytes": bytes,
                    "total_bytes": known_json(directory.total_bytes),
                    "usable_bytes": known_json(directory.usable_bytes),
                    "partitions": held.collect::<Vec<Value>>(),
                }));
            }
        }
        let mut out = Out::new(connect.json);
        match (out.json, self.partitions) {
            (true, _) => out.document(&json!({ "log_dirs": documents }))?,
            (false, true) => out.table(&partitions)?,
            (false, false) => out.table(&directories)?,
        }
        out.flush()
    }
}
