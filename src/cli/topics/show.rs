//! `topics list` and `topics describe`.

use crate::cli::client::{Client, Connect, To, TopicState, unknown};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table, list};
use crate::wire::{
    ApiKey, DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, ErrorCode,
};
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// DescribeConfigs' number for topics.
const TOPIC: i8 = 2;
/// A value that was set on the topic itself.
const SET_ON_TOPIC: i8 = 1;

/// Lists the topics.
#[derive(Args)]
pub(super) struct List {
    /// Leave out the topics in which Kafka keeps its own state.
    #[arg(long)]
    exclude_internal: bool,
}

impl List {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let mut topics = Client::new(connect).topics(None, false)?;
        topics.retain(|topic| !(self.exclude_internal && topic.internal));
        let mut out = Out::new(connect.json);
        if out.json {
            let topics: Vec<Value> = topics
                .iter()
                .map(|topic| {
                    json!({
                        "name": topic.name,
                        "id": topic.id.to_string(),
                        "internal": topic.internal,
                        "partitions": topic.partitions.len(),
                        "replication_factor": replication_factor(topic),
                    })
                })
                .collect();
            out.document(&json!({ "topics": topics }))?;
            return out.flush();
        }
        let mut table = Table::new(&["TOPIC", ">PARTITIONS", ">REPLICAS", "ID"]);
        for topic in &topics {
            table.row([
                topic.name.clone(),
                topic.partitions.len().to_string(),
                replication_factor(topic).to_string(),
                topic.id.to_string(),
            ]);
        }
        out.table(&table)?;
        out.flush()
    }
}

/// Shows topics with their partitions and what was configured on them.
#[derive(Args)]
pub(super) struct Describe {
    /// The topics; all of them if none is named.
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,

    /// Only partitions of which a replica is not in sync.
    #[arg(long)]
    under_replicated: bool,

    /// Only partitions without a leader.
    #[arg(long)]
    unavailable: bool,
}

impl Describe {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let mut client = Client::new(connect);
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let mut topics = client.topics((!names.is_empty()).then_some(&names[..]), false)?;
        for topic in &topics {
            match topic.error {
                ErrorCode::NONE | ErrorCode::LEADER_NOT_AVAILABLE => {}
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => return Err(unknown(&topic.name)),
                code => {
                    let subject = format!("topic '{}'", topic.name);
                    return Err(Failure::refused(&subject, code, None));
                }
            }
        }
        if self.under_replicated || self.unavailable {
            for topic in &mut topics {
                topic.partitions.retain(|partition| {
                    self.under_replicated && partition.in_sync.len() < partition.replicas.len()
                        || self.unavailable && partition.leader.is_none()
                });
            }
            topics.retain(|topic| !topic.partitions.is_empty());
        }
        let configs = overrides(&mut client, &topics)?;
        let mut out = Out::new(connect.json);
        if out.json {
            let topics: Vec<Value> = topics
                .iter()
                .map(|topic| describe_json(topic, configs.get(&topic.name)))
                .collect();
            out.document(&json!({ "topics": topics }))?;
            return out.flush();
        }
        for (at, topic) in topics.iter().enumerate() {
            if at > 0 {
                out.line("")?;
            }
            describe_text(&mut out, topic, configs.get(&topic.name))?;
        }
        out.flush()
    }
}

type Configs = BTreeMap<String, String>;

fn describe_json(topic: &TopicState, configs: Option<&Configs>) -> Value {
    let partitions: Vec<Value> = topic
        .partitions
        .iter()
        .map(|partition| {
            json!({
                "partition": partition.index,
                "leader": partition.leader.map(|leader| leader.0),
                "leader_epoch": partition.leader_epoch.0,
                "replicas": partition.replicas,
                "in_sync": partition.in_sync,
                "offline": partition.offline,
            })
        })
        .collect();
    let configs: Map<String, Value> = configs
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    json!({
        "name": topic.name,
        "id": topic.id.to_string(),
        "internal": topic.internal,
        "partitions": partitions,
        "configs": configs,
    })
}

fn describe_text(
    out: &mut Out,
    topic: &TopicState,
    configs: Option<&Configs>,
) -> Result<(), Failure> {
    let mut heading = format!("{}  id {}", topic.name, topic.id);
    if topic.internal {
        heading.push_str("  internal");
    }
    out.line(heading)?;
    for (name, value) in configs.into_iter().flatten() {
        out.line(format!("  {name}={value}"))?;
    }
    let mut table = Table::new(&[
        ">PARTITION",
        ">LEADER",
        ">EPOCH",
        "REPLICAS",
        "IN-SYNC",
        "OFFLINE",
    ]);
    for partition in &topic.partitions {
        table.row([
            partition.index.to_string(),
            partition
                .leader
                .map_or("none".to_owned(), |leader| leader.to_string()),
            partition.leader_epoch.to_string(),
            list(&partition.replicas),
            list(&partition.in_sync),
            list(&partition.offline),
        ]);
    }
    out.table(&table)
}

/// What was set on each topic itself. Empty where the broker does not tell configurations.
fn overrides(
    client: &mut Client,
    topics: &[TopicState],
) -> Result<BTreeMap<String, Configs>, Failure> {
    if topics.is_empty() || !client.serves(To::Any, ApiKey::DESCRIBE_CONFIGS)? {
        return Ok(BTreeMap::new());
    }
    let resource = |topic: &TopicState| DescribeConfigsResource {
        resource_type: TOPIC,
        resource_name: topic.name.clone().into(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: topics.iter().map(resource).collect(),
        ..Default::default()
    };
    let reply = client.call(To::Any, &request)?;
    let response: DescribeConfigsResponse = reply.body()?;
    let configs = response.results.iter().map(|result| {
        let set = result
            .configs
            .iter()
            .filter(|property| property.config_source == SET_ON_TOPIC)
            .map(|property| {
                let value = property.value.as_deref().unwrap_or("(hidden)");
                (property.name.to_string(), value.to_owned())
            });
        (result.resource_name.to_string(), set.collect())
    });
    Ok(configs.collect())
}

fn replication_factor(topic: &TopicState) -> usize {
    let replicas = topic.partitions.iter().map(|it| it.replicas.len());
    replicas.max().unwrap_or(0)
}
