//! The topics that the broker keeps for itself: which they are, what `__consumer_offsets` is made like,
//! and who coordinates a group.

use super::Context;
use crate::metadata::{self, NewTopic, OFFSETS_TOPIC_NAME, Topic};
use crate::types::PartitionId;
use crate::wire::ErrorCode;
use std::sync::Arc;

/// Whether clients are told that the topic is internal, and are kept from writing to it.
pub(super) fn is_internal(topic: &str) -> bool {
    topic.starts_with("__")
        && (matches!(
            topic,
            OFFSETS_TOPIC_NAME | "__transaction_state" | "__share_group_state"
        ) || topic == metadata::METADATA_TOPIC_NAME)
}

/// Whether the topic, which does not exist, is made for a client that asks for it by a name that is
/// allowed. The logs of transactions and of share groups come with those.
pub(super) fn may_be_made(topic: &str) -> bool {
    topic == OFFSETS_TOPIC_NAME || !is_internal(topic)
}

/// A topic that is made on the way: `__consumer_offsets` as its settings say, others by the broker's
/// defaults.
///
/// `offsets.topic.replication.factor` is met as far as brokers are up. Kafka refuses to make the topic
/// until there are as many, so that nobody's first group works on a lone broker with the default of 3.
pub(super) fn made_on_the_way(context: &Context<'_>, name: String) -> NewTopic {
    if name != OFFSETS_TOPIC_NAME {
        return NewTopic {
            name,
            partitions: -1,
            replication_factor: -1,
            ..NewTopic::default()
        };
    }
    let config = context.config;
    let live = context.image.brokers().filter(|broker| broker.is_active());
    let live = i16::try_from(live.count()).unwrap_or(i16::MAX);
    let segment_bytes = config.offsets_topic_segment_bytes.to_string();
    let configs = [
        ("cleanup.policy", "compact"),
        ("compression.type", "producer"),
        ("segment.bytes", segment_bytes.as_str()),
    ];
    NewTopic {
        name,
        partitions: config.offsets_topic_partitions,
        replication_factor: config.offsets_topic_replication_factor.min(live.max(1)),
        configs: configs
            .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
            .into(),
        ..NewTopic::default()
    }
}

/// The topic that holds the groups, and the partition where this one is coordinated.
///
/// # Errors
/// NOT_COORDINATOR, as in Kafka, while the topic does not exist: whoever looks for a coordinator makes
/// it.
pub(super) fn coordinator<'a>(
    context: &'a Context<'_>,
    group: &str,
) -> Result<(&'a Arc<Topic>, PartitionId), ErrorCode> {
    let topic = context
        .image
        .topic(OFFSETS_TOPIC_NAME)
        .filter(|topic| !topic.partitions.is_empty())
        .ok_or(ErrorCode::NOT_COORDINATOR)?;
    let partition = PartitionId {
        topic: topic.id,
        index: metadata::coordinating_partition(group, topic.partitions.len() as i32),
    };
    Ok((topic, partition))
}
