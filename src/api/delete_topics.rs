//! DeleteTopics, by name or (version 6) by id.

use super::{Context, Head, Pending, Progress};
use crate::io::Pieces;
use crate::shard::{AdminAnswer, AdminAsk, Ask, TopicName};
use crate::wire::{
    DecodeError, DeleteTopicResult, DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode,
};

/// A request that waits for its topics to be gone.
pub struct DeleteTopics {
    head: Head,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DeleteTopicsRequest<'_> = head.decode(&frame)?;
    let topics: Vec<TopicName> = match head.version {
        6.. => request
            .topics
            .iter()
            .map(|topic| match &topic.name {
                Some(name) => TopicName::Name(name.to_string()),
                None => TopicName::Id(topic.topic_id),
            })
            .collect(),
        _ => request
            .topic_names
            .iter()
            .map(|name| TopicName::Name(name.to_string()))
            .collect(),
    };
    if !context.config.delete_topic_enable {
        let refused = topics.iter().map(|topic| {
            let (name, topic_id) = topic.parts();
            DeleteTopicResult {
                name: name.map(Into::into),
                topic_id,
                error_code: match head.version {
                    3.. => ErrorCode::TOPIC_DELETION_DISABLED,
                    _ => ErrorCode::INVALID_REQUEST,
                },
                error_message: Some("Topic deletion is disabled.".into()),
            }
        });
        let response = DeleteTopicsResponse {
            responses: refused.collect(),
            ..Default::default()
        };
        return Ok(head.reply(&response));
    }
    context.asks.asks.push((
        Context::CONTROLLER,
        Ask::Admin(AdminAsk::DeleteTopics { topics }),
    ));
    Ok(Progress::Wait(Pending::DeleteTopics(DeleteTopics {
        head: *head,
    })))
}

impl DeleteTopics {
    /// The topics are gone, or never were.
    pub(super) fn answered(self, answer: AdminAnswer) -> Progress {
        let AdminAnswer::Deleted(deleted) = answer else {
            unreachable!("a deletion is answered by its results")
        };
        let responses = deleted.iter().map(|topic| match &topic.result {
            Ok((id, name)) => DeleteTopicResult {
                name: Some(name.as_str().into()),
                topic_id: *id,
                ..Default::default()
            },
            Err(refusal) => {
                let (name, topic_id) = topic.asked.parts();
                DeleteTopicResult {
                    name: name.map(Into::into),
                    topic_id,
                    error_code: refusal.code,
                    error_message: Some(refusal.message.as_str().into()),
                }
            }
        });
        let response = DeleteTopicsResponse {
            responses: responses.collect(),
            ..Default::default()
        };
        self.head.reply(&response)
    }
}
