//! ElectLeaders: with one broker there is nothing to be elected, only something to be said. What is led
//! needs no election; what is not led (its log directory has failed) has nobody else to lead it.

use super::{Context, Head, Progress};
use crate::io::Pieces;
use crate::metadata::{NO_LEADER, Partition, Topic};
use crate::types::PartitionIndex;
use crate::wire::{
    DecodeError, ElectLeadersPartitionResult, ElectLeadersRequest, ElectLeadersResponse,
    ElectLeadersTopicResult, ErrorCode,
};

/// Kafka's types of an election.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: ElectLeadersRequest<'_> = head.decode(&frame)?;
    let kind = request.election_type;
    let results = if !matches!(kind, PREFERRED | UNCLEAN) {
        let why = format!("Unknown election type {kind}");
        return Ok(head.reply(&refused(&request, head.version, &why)));
    } else if let Some(topics) = &request.topic_partitions {
        let topics = topics.iter().map(|asked| {
            let topic = context.image.topic(&asked.topic);
            let results = asked.partitions.iter().map(|index| {
                let verdict = verdict(topic.map(|it| &**it), &asked.topic, *index, kind);
                result(*index, verdict)
            });
            ElectLeadersTopicResult {
                topic: asked.topic.clone(),
                partition_result: results.collect(),
            }
        });
        topics.collect()
    } else {
        // Asked about everything, Kafka leaves out what needs no election.
        let topics = context.image.topics().map(|topic| {
            let results = topic.partitions.keys().filter_map(|index| {
                match verdict(Some(topic), &topic.name, index.0, kind) {
                    (ErrorCode::ELECTION_NOT_NEEDED, _) => None,
                    verdict => Some(result(index.0, verdict)),
                }
            });
            ElectLeadersTopicResult {
                topic: topic.name.as_ref().into(),
                partition_result: results.collect(),
            }
        });
        topics.collect()
    };
    let response = ElectLeadersResponse {
        replica_election_results: results,
        ..Default::default()
    };
    Ok(head.reply(&response))
}

/// The whole request is wrong: every partition that it names says so, too.
fn refused<'a>(
    request: &ElectLeadersRequest<'a>,
    version: i16,
    why: &str,
) -> ElectLeadersResponse<'a> {
    let verdict = || (ErrorCode::INVALID_REQUEST, why.to_string());
    let topics = request.topic_partitions.iter().flatten();
    ElectLeadersResponse {
        error_code: match version {
            0 => ErrorCode::NONE,
            _ => ErrorCode::INVALID_REQUEST,
        },
        replica_election_results: topics
            .map(|asked| ElectLeadersTopicResult {
                topic: asked.topic.clone(),
                partition_result: asked
                    .partitions
                    .iter()
                    .map(|index| result(*index, verdict()))
                    .collect(),
            })
            .collect(),
        ..Default::default()
    }
}

fn verdict(topic: Option<&Topic>, name: &str, index: i32, kind: i8) -> (ErrorCode, String) {
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let Some(topic) = topic else {
        return (unknown, format!("No such topic as {name}"));
    };
    let Some(partition) = topic.partitions.get(&PartitionIndex(index)) else {
        return (unknown, format!("No such partition as {name}-{index}"));
    };
    let error = match kind {
        PREFERRED if has_preferred_leader(partition) => ErrorCode::ELECTION_NOT_NEEDED,
        PREFERRED => ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
        _ if partition.leader != NO_LEADER => ErrorCode::ELECTION_NOT_NEEDED,
        _ => ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
    };
    (error, error.message().to_string())
}

fn has_preferred_leader(partition: &Partition) -> bool {
    partition.replicas.first() == Some(&partition.leader)
}

fn result(
    partition_id: i32,
    (error_code, message): (ErrorCode, String),
) -> ElectLeadersPartitionResult<'static> {
    ElectLeadersPartitionResult {
        partition_id,
        error_code,
        error_message: Some(message.into()),
    }
}
