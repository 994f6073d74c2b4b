//! `cluster quorum`: who votes on the metadata log, who follows it, and how far each has come.

use crate::cli::client::{Client, Connect, To};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table, known_json};
use crate::cli::time;
use crate::metadata::METADATA_TOPIC_NAME;
use crate::types::Timestamp;
use crate::wire::{
    DescribeQuorumPartition, DescribeQuorumRequest, DescribeQuorumResponse, DescribeQuorumTopic,
    QuorumReplica,
};
use serde_json::{Value, json};

/// Shows the quorum.
pub(super) fn run(connect: &Connect) -> Result<(), Failure> {
    let request = DescribeQuorumRequest {
        topics: vec![DescribeQuorumTopic {
            topic_name: METADATA_TOPIC_NAME.into(),
            partitions: vec![DescribeQuorumPartition { partition_index: 0 }],
        }],
    };
    let reply = Client::new(connect).call(To::Any, &request)?;
    let response: DescribeQuorumResponse = reply.body()?;
    let refused = |code, message: Option<&str>| Failure::refused("the quorum", code, message);
    if !response.error_code.is_none() {
        let message = response.error_message.as_deref();
        return Err(refused(response.error_code, message));
    }
    let partition = response.topics.first().and_then(|it| it.partitions.first());
    let partition =
        partition.ok_or_else(|| Failure::new("the broker says nothing of the metadata log"))?;
    if !partition.error_code.is_none() {
        let message = partition.error_message.as_deref();
        return Err(refused(partition.error_code, message));
    }
    let address = |id: i32| {
        let node = response.nodes.iter().find(|node| node.node_id == id)?;
        let listener = node.listeners.first()?;
        Some(format!("{}:{}", listener.host, listener.port))
    };
    let end = |replicas: &[QuorumReplica]| replicas.iter().map(|it| it.log_end_offset).max();
    let log_end = end(&partition.current_voters).max(end(&partition.observers));
    let lag = |it: &QuorumReplica| match it.log_end_offset {
        0.. => log_end.map(|end| end - it.log_end_offset),
        _ => None,
    };
    let mut out = Out::new(connect.json);
    if out.json {
        let document = |it: &QuorumReplica| {
            json!({
                "node": it.replica_id,
                "directory": it.replica_directory_id.to_string(),
                "address": address(it.replica_id),
                "log_end_offset": known_json(it.log_end_offset),
                "lag": lag(it),
                "last_fetch_timestamp": known_json(it.last_fetch_timestamp),
                "last_caught_up_timestamp": known_json(it.last_caught_up_timestamp),
            })
        };
        let voters: Vec<Value> = partition.current_voters.iter().map(document).collect();
        let observers: Vec<Value> = partition.observers.iter().map(document).collect();
        out.document(&json!({
            "leader": partition.leader_id,
            "leader_epoch": partition.leader_epoch,
            "high_watermark": partition.high_watermark,
            "voters": voters,
            "observers": observers,
        }))?;
        return out.flush();
    }
    out.line(format!(
        "leader {}  epoch {}  high watermark {}",
        partition.leader_id, partition.leader_epoch, partition.high_watermark
    ))?;
    let mut table = Table::new(&[
        ">NODE",
        "ROLE",
        ">LOG END",
        ">LAG",
        "CAUGHT UP AT",
        "ADDRESS",
        "DIRECTORY",
    ]);
    let voters = partition.current_voters.iter().map(|it| (it, "voter"));
    let observers = partition.observers.iter().map(|it| (it, "observer"));
    for (it, role) in voters.chain(observers) {
        let role = match it.replica_id == partition.leader_id {
            true => "leader",
            false => role,
        };
        table.row([
            it.replica_id.to_string(),
            role.to_owned(),
            it.log_end_offset.to_string(),
            lag(it).map_or("-".to_owned(), |lag| lag.to_string()),
            time::format(Timestamp(it.last_caught_up_timestamp)),
            address(it.replica_id).unwrap_or_else(|| "-".to_owned()),
            it.replica_directory_id.to_string(),
        ]);
    }
    out.table(&table)?;
    out.flush()
}
