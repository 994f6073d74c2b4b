//! `topics create` and `topics delete`.

use crate::cli::client::{Client, Connect, To};
use crate::cli::failure::Failure;
use crate::cli::key_value;
use crate::cli::output::{Out, known, known_json};
use crate::wire::{
    CreateTopic, CreateTopicAssignment, CreateTopicConfig, CreateTopicsRequest,
    CreateTopicsResponse, DeleteTopic, DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode,
};
use clap::Args;
use serde_json::{Value, json};

/// Creates topics.
#[derive(Args)]
pub(super) struct Create {
    /// The topics.
    #[arg(value_name = "TOPIC", required = true)]
    topics: Vec<String>,

    /// How many partitions; the broker's num.partitions if not given.
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,

    /// How many replicas of each; the broker's default.replication.factor if not given.
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,

    /// The brokers of each partition, as Kafka writes it: 1:2,2:1 is two partitions of two replicas.
    #[arg(long, value_name = "1:2,2:1", conflicts_with_all = ["partitions", "replication_factor"], value_parser = assignment)]
    replica_assignment: Option<Assignment>,

    /// A property of the topic; may stand several times.
    #[arg(short, long = "config", value_name = "key=value", value_parser = key_value)]
    configs: Vec<(String, String)>,

    /// Only check whether they could be created.
    #[arg(long)]
    validate_only: bool,

    /// A topic that exists is no error.
    #[arg(long)]
    if_not_exists: bool,
}

/// The brokers of each partition.
#[derive(Clone, Debug)]
struct Assignment(Vec<Vec<i32>>);

impl Create {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let mut client = Client::new(connect);
        let request = CreateTopicsRequest {
            topics: self.topics.iter().map(|name| self.topic(name)).collect(),
            timeout_ms: client.timeout_ms(),
            validate_only: self.validate_only,
        };
        let reply = client.call(To::Controller, &request)?;
        let response: CreateTopicsResponse = reply.body()?;
        let mut out = Out::new(connect.json);
        let mut failures = Vec::new();
        let mut done = Vec::new();
        for result in &response.topics {
            let existed = result.error_code == ErrorCode::TOPIC_ALREADY_EXISTS;
            let fine = result.error_code.is_none() || existed && self.if_not_exists;
            if !fine {
                let message = result.error_message.as_deref();
                let subject = format!("topic '{}'", result.name);
                failures.push(Failure::refused(&subject, result.error_code, message));
                continue;
            }
            if out.json {
                done.push(json!({
                    "name": result.name,
                    "id": (!result.topic_id.is_zero()).then(|| result.topic_id.to_string()),
                    "created": !existed && !self.validate_only,
                    "partitions": known_json(result.num_partitions.into()),
                    "replication_factor": known_json(result.replication_factor.into()),
                }));
                continue;
            }
            out.line(match (existed, self.validate_only) {
                (true, _) => format!("'{}' exists", result.name),
                (false, true) => format!("'{}' could be created", result.name),
                (false, false) => format!(
                    "created '{}': partitions {}, replicas {}, id {}",
                    result.name,
                    known(result.num_partitions.into()),
                    known(result.replication_factor.into()),
                    result.topic_id,
                ),
            })?;
        }
        conclude(out, done, failures)
    }

    fn topic<'a>(&'a self, name: &'a str) -> CreateTopic<'a> {
        CreateTopic {
            name: name.into(),
            num_partitions: self.partitions.unwrap_or(-1),
            replication_factor: self.replication_factor.unwrap_or(-1),
            assignments: self.assignments(),
            configs: self
                .configs
                .iter()
                .map(|(name, value)| CreateTopicConfig {
                    name: name.into(),
                    value: Some(value.into()),
                })
                .collect(),
        }
    }

    fn assignments(&self) -> Vec<CreateTopicAssignment> {
        let partitions = self.replica_assignment.iter().flat_map(|it| &it.0);
        partitions
            .zip(0..)
            .map(|(brokers, index)| CreateTopicAssignment {
                partition_index: index,
                broker_ids: brokers.clone(),
            })
            .collect()
    }
}

/// Deletes topics with all that is in them.
#[derive(Args)]
pub(super) struct Delete {
    /// The topics.
    #[arg(value_name = "TOPIC", required = true)]
    topics: Vec<String>,

    /// A topic that does not exist is no error.
    #[arg(long)]
    if_exists: bool,
}

impl Delete {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let mut client = Client::new(connect);
        let request = DeleteTopicsRequest {
            // From version 6 on the one, before it the other.
            topics: Vec::new(),
            topic_names: self.topics.iter().map(Into::into).collect(),
            timeout_ms: client.timeout_ms(),
        };
        let by_id = client.newest(To::Controller, &request)? >= 6;
        let request = match by_id {
            true => DeleteTopicsRequest {
                topics: self
                    .topics
                    .iter()
                    .map(|name| DeleteTopic {
                        name: Some(name.into()),
                        ..Default::default()
                    })
                    .collect(),
                ..request
            },
            false => request,
        };
        let reply = client.call(To::Controller, &request)?;
        let response: DeleteTopicsResponse = reply.body()?;
        let mut out = Out::new(connect.json);
        let mut failures = Vec::new();
        let mut done = Vec::new();
        for result in &response.responses {
            let name = result.name.as_deref().unwrap_or_default();
            let missing = result.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            let fine = result.error_code.is_none() || missing && self.if_exists;
            if !fine {
                let message = result.error_message.as_deref();
                let subject = format!("topic '{name}'");
                failures.push(Failure::refused(&subject, result.error_code, message));
            } else if out.json {
                done.push(json!({ "name": name, "deleted": !missing }));
            } else if missing {
                out.line(format!("there is no '{name}'"))?;
            } else {
                out.line(format!("deleted '{name}'"))?;
            }
        }
        conclude(out, done, failures)
    }
}

/// Shows what was done, then what was not: all failures but the last on stderr here.
pub(super) fn conclude(
    mut out: Out,
    done: Vec<Value>,
    mut failures: Vec<Failure>,
) -> Result<(), Failure> {
    if out.json {
        out.document(&json!({ "topics": done }))?;
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

fn assignment(text: &str) -> Result<Assignment, String> {
    let partition = |brokers: &str| {
        brokers
            .split(':')
            .map(|broker| broker.parse::<i32>().ok().filter(|id| *id >= 0))
            .collect::<Option<Vec<i32>>>()
    };
    let partitions: Option<Vec<Vec<i32>>> = text.split(',').map(partition).collect();
    partitions
        .map(Assignment)
        .ok_or_else(|| "not of the form 1:2,2:1".into())
}
