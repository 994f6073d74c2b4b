//! `topics alter` and `topics delete-records`.

use super::change::conclude;
use crate::cli::client::{At, Client, Connect, To, is_stale};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table};
use crate::types::{NodeId, Offset};
use crate::wire::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Gives topics more partitions. Keys go elsewhere from then on.
#[derive(Args)]
pub(super) struct Alter {
    /// The topics.
    #[arg(value_name = "TOPIC", required = true)]
    topics: Vec<String>,

    /// How many partitions each shall have in all.
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: i32,

    /// Only check whether it could be done.
    #[arg(long)]
    validate_only: bool,
}

impl Alter {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let mut client = Client::new(connect);
        let request = CreatePartitionsRequest {
            topics: self
                .topics
                .iter()
                .map(|name| CreatePartitionsTopic {
                    name: name.into(),
                    count: self.partitions,
                    assignments: None,
                })
                .collect(),
            timeout_ms: client.timeout_ms(),
            validate_only: self.validate_only,
        };
        let reply = client.call(To::Controller, &request)?;
        let response: CreatePartitionsResponse = reply.body()?;
        let mut out = Out::new(connect.json);
        let mut failures = Vec::new();
        let mut done = Vec::new();
        for result in &response.results {
            if !result.error_code.is_none() {
                let message = result.error_message.as_deref();
                let subject = format!("topic '{}'", result.name);
                failures.push(Failure::refused(&subject, result.error_code, message));
            } else if out.json {
                done.push(json!({
                    "name": result.name,
                    "partitions": self.partitions,
                    "altered": !self.validate_only,
                }));
            } else {
                let verb = if self.validate_only {
                    "could have"
                } else {
                    "has"
                };
                out.line(format!(
                    "'{}' {verb} {} partitions",
                    result.name, self.partitions
                ))?;
            }
        }
        conclude(out, done, failures)
    }
}

/// Deletes the records before an offset: the log of each partition begins there from then on.
#[derive(Args)]
pub(super) struct DeleteRecords {
    /// The topic.
    topic: String,

    /// The first offset to keep, or `end` to keep none.
    #[arg(long, value_name = "OFFSET", value_parser = before)]
    before: Before,

    /// Only these partitions.
    #[arg(short, long, value_name = "NUMBER", value_delimiter = ',')]
    partition: Vec<i32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Before {
    Offset(Offset),
    End,
}

impl DeleteRecords {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let mut client = Client::new(connect);
        let mut topic = client.topic(&self.topic, false)?;
        let mut left: Vec<i32> = match self.partition.is_empty() {
            true => topic.partitions.iter().map(|it| it.index).collect(),
            false => self.partition.clone(),
        };
        let offset = match self.before {
            Before::Offset(offset) => offset.0,
            // The high watermark, whatever it is when the request arrives.
            Before::End => -1,
        };
        let mut starts = BTreeMap::new();
        let mut attempts = 0;
        while !left.is_empty() {
            let mut by_leader: BTreeMap<NodeId, Vec<i32>> = BTreeMap::new();
            for index in &left {
                let leader = topic.partition(*index)?.leader(&topic.name)?;
                by_leader.entry(leader).or_default().push(*index);
            }
            for (leader, partitions) in by_leader {
                let request = DeleteRecordsRequest {
                    topics: vec![DeleteRecordsTopic {
                        name: self.topic.as_str().into(),
                        partitions: partitions
                            .iter()
                            .map(|index| DeleteRecordsPartition {
                                partition_index: *index,
                                offset,
                            })
                            .collect(),
                    }],
                    timeout_ms: client.timeout_ms(),
                };
                let reply = client.call(To::Node(leader), &request)?;
                let response: DeleteRecordsResponse = reply.body()?;
                for answer in response.topics.iter().flat_map(|topic| &topic.partitions) {
                    let index = answer.partition_index;
                    if answer.error_code.is_none() {
                        starts.insert(index, answer.low_watermark);
                        left.retain(|it| *it != index);
                    } else if !is_stale(answer.error_code) || attempts == ATTEMPTS_MAX {
                        let subject = format!("'{}' partition {index}", self.topic);
                        return Err(Failure::refused(&subject, answer.error_code, None));
                    }
                }
            }
            attempts += 1;
            if !left.is_empty() {
                if attempts > ATTEMPTS_MAX {
                    return Err(Failure::new("the broker left partitions out of its answer"));
                }
                topic = client.topic_again(&self.topic)?;
            }
        }
        let ends = {
            let wanted = starts.keys().map(|index| (*index, At::Latest)).collect();
            client.offsets(&mut topic, &wanted, false)?
        };
        let end = |index: &i32| ends[index].offset.map_or(-1, |offset| offset.0);
        let mut out = Out::new(connect.json);
        if out.json {
            let partitions: Vec<Value> = starts
                .iter()
                .map(|(index, start)| json!({ "partition": index, "start": start, "end": end(index) }))
                .collect();
            out.document(&json!({ "topic": self.topic, "partitions": partitions }))?;
            return out.flush();
        }
        let mut table = Table::new(&["TOPIC", ">PARTITION", ">START", ">END"]);
        for (index, start) in &starts {
            table.row([
                self.topic.clone(),
                index.to_string(),
                start.to_string(),
                end(index).to_string(),
            ]);
        }
        out.table(&table)?;
        out.flush()
    }
}

/// How often leaders that have moved are looked for, 100 ms apart.
const ATTEMPTS_MAX: u32 = 50;

fn before(text: &str) -> Result<Before, String> {
    match text {
        "end" | "latest" => Ok(Before::End),
        _ => text
            .parse()
            .ok()
            .filter(|offset: &i64| *offset >= 0)
            .map(|offset| Before::Offset(Offset(offset)))
            .ok_or_else(|| "neither an offset nor end".into()),
    }
}
