//! DescribeTopicPartitions: all topics, or some, by name, in pages of a bounded number of partitions.
//!
//! A page ends within a topic where the bound is reached; the cursor that is answered names the next
//! partition, and a topic that the cursor has passed does not come again. Both the request and
//! `max.request.partition.size.limit` bound a page, and the smaller counts.

use super::internal_topics::is_internal;
use super::metadata::{TOPIC_OPERATIONS, ids};
use super::{Context, Head, Progress};
use crate::io::Pieces;
use crate::metadata::{self, NO_LEADER, Topic};
use crate::types::PartitionIndex;
use crate::wire::{
    DecodeError, DescribeTopicPartitionsCursor, DescribeTopicPartitionsNextCursor,
    DescribeTopicPartitionsPartition, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse, DescribeTopicPartitionsTopicResponse, ErrorCode,
};
use std::collections::BTreeSet;

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DescribeTopicPartitionsRequest<'_> = head.decode(&frame)?;
    let asked: BTreeSet<&str> = request.topics.iter().map(|topic| &*topic.name).collect();
    if !is_sound(&asked, request.cursor.as_ref()) {
        return Ok(refuse(head, &asked));
    }
    let (first_topic, first_partition) = match &request.cursor {
        Some(cursor) => (&*cursor.topic_name, cursor.partition_index),
        None => ("", 0),
    };
    let all = context
        .image
        .topics()
        .filter(|_| asked.is_empty())
        .map(|topic| &*topic.name);
    let names = all.chain(asked.iter().copied());
    let mut page = Page {
        left: request
            .response_partition_limit
            .min(context.config.partitions_per_page_max)
            .max(1) as usize,
        topics: Vec::new(),
        next: None,
    };
    for name in names.skip_while(|name| *name < first_topic) {
        let first = match name == first_topic {
            true => first_partition,
            false => 0,
        };
        if page.left == 0 {
            page.next = Some((name, 0));
        } else {
            match context.image.topic(name) {
                Some(topic) => page.add(topic, first),
                None => page.topics.push(not_found(name)),
            }
        }
        if page.next.is_some() {
            break;
        }
    }
    let response = DescribeTopicPartitionsResponse {
        topics: page.topics,
        next_cursor: page
            .next
            .map(|(topic, index)| DescribeTopicPartitionsNextCursor {
                topic_name: topic.into(),
                partition_index: index,
            }),
        ..Default::default()
    };
    Ok(head.reply(&response))
}

/// Kafka wants the cursor's topic among those asked for.
fn is_sound(asked: &BTreeSet<&str>, cursor: Option<&DescribeTopicPartitionsCursor<'_>>) -> bool {
    cursor.is_none_or(|cursor| {
        cursor.partition_index >= 0 && (asked.is_empty() || asked.contains(&*cursor.topic_name))
    })
}

/// There is no error of the whole request: each topic has it.
fn refuse(head: &Head, asked: &BTreeSet<&str>) -> Progress {
    let topics = asked
        .iter()
        .map(|name| DescribeTopicPartitionsTopicResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            name: Some((*name).into()),
            ..Default::default()
        });
    head.reply(&DescribeTopicPartitionsResponse {
        topics: topics.collect(),
        ..Default::default()
    })
}

/// A page in the making.
struct Page<'a> {
    /// Partitions that it still may hold.
    left: usize,
    topics: Vec<DescribeTopicPartitionsTopicResponse<'a>>,
    next: Option<(&'a str, i32)>,
}

impl<'a> Page<'a> {
    fn add(&mut self, topic: &'a Topic, first: i32) {
        let mut from_there = topic.partitions.range(PartitionIndex(first)..);
        let partitions: Vec<_> = from_there
            .by_ref()
            .take(self.left)
            .map(|(index, partition)| DescribeTopicPartitionsPartition {
                error_code: ErrorCode::NONE,
                partition_index: index.0,
                leader_id: partition.leader.0,
                leader_epoch: partition.leader_epoch.0,
                replica_nodes: ids(&partition.replicas),
                isr_nodes: ids(&partition.isr),
                eligible_leader_replicas: Some(ids(&partition.elr)),
                last_known_elr: Some(ids(&partition.last_known_elr)),
                offline_replicas: match partition.leader {
                    NO_LEADER => ids(&partition.replicas),
                    _ => Vec::new(),
                },
            })
            .collect();
        self.left -= partitions.len();
        self.next = from_there.next().map(|(index, _)| (&*topic.name, index.0));
        self.topics.push(DescribeTopicPartitionsTopicResponse {
            error_code: ErrorCode::NONE,
            name: Some(topic.name.as_ref().into()),
            topic_id: topic.id,
            is_internal: is_internal(&topic.name),
            partitions,
            topic_authorized_operations: TOPIC_OPERATIONS,
        });
    }
}

fn not_found(name: &str) -> DescribeTopicPartitionsTopicResponse<'_> {
    DescribeTopicPartitionsTopicResponse {
        error_code: match metadata::check_topic_name(name) {
            Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Err(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
        },
        name: Some(name.into()),
        is_internal: is_internal(name),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..Default::default()
    }
}
