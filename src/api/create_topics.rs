//! CreateTopics: handed to the shard that owns the metadata log, answered when every shard knows the
//! new topics.

use super::{Context, Head, Pending, Progress};
use crate::config;
use crate::io::Pieces;
use crate::metadata::{CreatedTopic, NewTopic, Refusal};
use crate::shard::{AdminAnswer, AdminAsk, Ask};
use crate::types::{NodeId, PartitionIndex};
use crate::wire::{
    CreateTopicResult, CreateTopicResultConfig, CreateTopicsRequest, CreateTopicsResponse,
    DecodeError,
};

/// A request that waits for its topics.
pub struct CreateTopics {
    head: Head,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: CreateTopicsRequest<'_> = head.decode(&frame)?;
    let topics = request.topics.iter().map(|topic| NewTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic
            .assignments
            .iter()
            .map(|assigned| {
                let brokers = assigned.broker_ids.iter().copied().map(NodeId).collect();
                (PartitionIndex(assigned.partition_index), brokers)
            })
            .collect(),
        configs: topic
            .configs
            .iter()
            .map(|config| {
                (
                    config.name.to_string(),
                    config.value.as_deref().map(String::from),
                )
            })
            .collect(),
    });
    let ask = AdminAsk::CreateTopics {
        topics: topics.collect(),
        validate_only: request.validate_only,
    };
    context
        .asks
        .asks
        .push((Context::CONTROLLER, Ask::Admin(ask)));
    Ok(Progress::Wait(Pending::CreateTopics(CreateTopics {
        head: *head,
    })))
}

impl CreateTopics {
    /// The topics are made, or refused.
    pub(super) fn answered(self, context: &Context<'_>, answer: AdminAnswer) -> Progress {
        let AdminAnswer::Created(created) = answer else {
            unreachable!("a creation is answered by its results")
        };
        let topics = created
            .iter()
            .map(|(name, result)| topic_result(context, name, result));
        let response = CreateTopicsResponse {
            topics: topics.collect(),
            ..Default::default()
        };
        self.head.reply(&response)
    }
}

fn topic_result<'a>(
    context: &Context<'_>,
    name: &'a str,
    result: &'a Result<CreatedTopic, Refusal>,
) -> CreateTopicResult<'a> {
    match result {
        Err(refusal) => CreateTopicResult {
            name: name.into(),
            error_code: refusal.code,
            error_message: Some(refusal.message.as_str().into()),
            configs: None,
            ..Default::default()
        },
        Ok(topic) => {
            let configs = config::describe_topic(&topic.configs, context.config);
            let configs = configs.into_iter().map(|config| CreateTopicResultConfig {
                name: config.name.into(),
                value: config.value.map(Into::into),
                read_only: config.is_read_only,
                config_source: config.source as i8,
                is_sensitive: config.is_sensitive,
            });
            CreateTopicResult {
                name: name.into(),
                topic_id: topic.id,
                num_partitions: topic.partitions,
                replication_factor: topic.replication_factor,
                configs: Some(configs.collect()),
                ..Default::default()
            }
        }
    }
}
