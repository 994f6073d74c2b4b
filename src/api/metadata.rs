//! Metadata: brokers, topics, partitions and their leaders.
//!
//! A topic that is asked for by name and does not exist is made on the way where the broker's
//! `auto.create.topics.enable` and the request both allow it (KIP-204 keeps the default on). Kafka
//! answers such a request with an error and the client comes again; here the answer waits for the
//! topic, so the first one is already usable.

use super::metadata_cache::Key;
use super::{Context, Head, Pending, Progress, internal_topics};
use crate::io::Pieces;
use crate::metadata::{self, NO_LEADER, Topic};
use crate::net::Reply;
use crate::shard::{AdminAnswer, AdminAsk, Ask};
use crate::types::{NodeId, Uuid};
use crate::wire::{
    DecodeError, ErrorCode, MetadataBroker, MetadataPartitionResponse, MetadataRequest,
    MetadataResponse, MetadataTopicResponse,
};
use std::collections::{BTreeMap, BTreeSet};

/// The operations that a client may do where there is no authorizer: all of them. Bits are
/// `AclOperation` codes (KIP-430).
pub(super) const TOPIC_OPERATIONS: i32 = operations(&[3, 4, 5, 6, 7, 8, 10, 11]);
const CLUSTER_OPERATIONS: i32 = operations(&[5, 7, 8, 9, 10, 11, 12]);

/// A request that waits for topics to be made.
pub struct AutoCreate {
    head: Head,
    asked: Asked,
}

/// What was asked, kept while topics are made.
struct Asked {
    topics: Option<Vec<(Uuid, Option<String>)>>,
    with_cluster_operations: bool,
    with_topic_operations: bool,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: MetadataRequest<'_> = head.decode(&frame)?;
    let topics = request.topics.as_ref().map(|topics| {
        let asked = topics.iter().map(|topic| {
            // Java's client leaves the name empty, not null, when it asks by id.
            let name = topic.name.as_deref().filter(|_| topic.topic_id.is_zero());
            (topic.topic_id, name.map(String::from))
        });
        asked.collect::<Vec<_>>()
    });
    let asked = Asked {
        // Version 0 has no null: an empty list asks for all.
        topics: topics.filter(|topics| head.version > 0 || !topics.is_empty()),
        with_cluster_operations: request.include_cluster_authorized_operations,
        with_topic_operations: request.include_topic_authorized_operations,
    };
    if context.config.auto_create_topics && request.allow_auto_topic_creation {
        let missing = missing_topics(context, &asked);
        if !missing.is_empty() {
            let missing = missing.into_iter();
            let made = missing.map(|name| internal_topics::made_on_the_way(context, name));
            let ask = AdminAsk::CreateTopics {
                topics: made.collect(),
                validate_only: false,
            };
            context
                .asks
                .asks
                .push((Context::CONTROLLER, Ask::Admin(ask)));
            return Ok(Progress::Wait(Pending::Metadata(AutoCreate {
                head: *head,
                asked,
            })));
        }
    }
    Ok(answer(context, head, &asked, &BTreeMap::new()))
}

/// Names without a topic that may become one.
fn missing_topics(context: &Context<'_>, asked: &Asked) -> BTreeSet<String> {
    let names = asked
        .topics
        .iter()
        .flatten()
        .filter_map(|(_, name)| name.as_ref());
    names
        .filter(|name| context.image.topic(name).is_none())
        .filter(|name| metadata::check_topic_name(name).is_ok())
        .filter(|name| internal_topics::may_be_made(name))
        .cloned()
        .collect()
}

impl AutoCreate {
    /// The topics are made, or could not be.
    pub(super) fn answered(self, context: &mut Context<'_>, answer: AdminAnswer) -> Progress {
        let AdminAnswer::Created(created) = answer else {
            unreachable!("a creation is answered by its results")
        };
        let errors = created
            .into_iter()
            .filter_map(|(name, result)| Some((name, result.err()?.code)))
            .filter(|(_, error)| *error != ErrorCode::TOPIC_ALREADY_EXISTS)
            .collect();
        self::answer(context, &self.head, &self.asked, &errors)
    }
}

fn answer(
    context: &mut Context<'_>,
    head: &Head,
    asked: &Asked,
    failed: &BTreeMap<String, ErrorCode>,
) -> Progress {
    let topic_operations = if asked.with_topic_operations {
        TOPIC_OPERATIONS
    } else {
        i32::MIN
    };
    let cluster_operations = match asked.with_cluster_operations {
        true => CLUSTER_OPERATIONS,
        false => i32::MIN,
    };
    let key = Key {
        version: head.version,
        listener: context.session.listener,
        topic_operations,
        cluster_operations,
    };
    // Who is told to wait gets an answer of his own.
    let wants_all = asked.topics.is_none() && head.throttle_time_ms == 0;
    if wants_all && let Some(reply) = context.metadata_cache.find(context.image, key, head) {
        return Progress::Reply(reply);
    }
    let topics = match &asked.topics {
        None => context
            .image
            .topics()
            .map(|topic| topic_response(topic, topic_operations))
            .collect(),
        Some(topics) => topics
            .iter()
            .map(|(id, name)| match name {
                Some(name) => match context.image.topic(name) {
                    Some(topic) => topic_response(topic, topic_operations),
                    None => not_found(*id, Some(name), name_error(name, failed)),
                },
                None => match context.image.topic_by_id(*id) {
                    Some(topic) => topic_response(topic, topic_operations),
                    None if head.version >= 12 => not_found(*id, None, ErrorCode::UNKNOWN_TOPIC_ID),
                    // Ids are for version 12 on: before, an answer cannot do without a name.
                    None => not_found(*id, Some(""), ErrorCode::INVALID_REQUEST),
                },
            })
            .collect(),
    };
    let own = &context.identity.advertised[context.session.listener];
    let response = MetadataResponse {
        brokers: vec![MetadataBroker {
            node_id: context.identity.node.0,
            host: own.host.as_str().into(),
            port: i32::from(own.port),
            rack: context.config.rack.as_deref().map(Into::into),
        }],
        cluster_id: Some(context.identity.cluster_id.as_ref().into()),
        controller_id: context.identity.node.0,
        topics,
        cluster_authorized_operations: cluster_operations,
        ..Default::default()
    };
    let frame = match head.encode(&response) {
        Ok(frame) => frame,
        Err(why) => return Progress::Disconnect(why),
    };
    let refusal = frame.refusal;
    let bytes = frame.bytes.freeze();
    if wants_all {
        context
            .metadata_cache
            .keep(context.image, key, bytes.clone());
    }
    Progress::Reply(Reply {
        refusal,
        ..Reply::from(bytes)
    })
}

fn topic_response(topic: &Topic, operations: i32) -> MetadataTopicResponse<'_> {
    let partitions = topic
        .partitions
        .iter()
        .map(|(index, partition)| MetadataPartitionResponse {
            error_code: match partition.leader {
                NO_LEADER => ErrorCode::LEADER_NOT_AVAILABLE,
                _ => ErrorCode::NONE,
            },
            partition_index: index.0,
            leader_id: partition.leader.0,
            leader_epoch: partition.leader_epoch.0,
            replica_nodes: ids(&partition.replicas),
            isr_nodes: ids(&partition.isr),
            offline_replicas: Vec::new(),
        });
    MetadataTopicResponse {
        error_code: ErrorCode::NONE,
        name: Some(topic.name.as_ref().into()),
        topic_id: topic.id,
        is_internal: internal_topics::is_internal(&topic.name),
        partitions: partitions.collect(),
        topic_authorized_operations: operations,
    }
}

fn not_found<'a>(id: Uuid, name: Option<&'a str>, error: ErrorCode) -> MetadataTopicResponse<'a> {
    MetadataTopicResponse {
        error_code: error,
        name: name.map(Into::into),
        topic_id: id,
        is_internal: name.is_some_and(internal_topics::is_internal),
        ..Default::default()
    }
}

fn name_error(name: &str, failed: &BTreeMap<String, ErrorCode>) -> ErrorCode {
    match failed.get(name) {
        Some(error) => *error,
        None if metadata::check_topic_name(name).is_ok() => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        None => ErrorCode::INVALID_TOPIC_EXCEPTION,
    }
}

pub(super) fn ids(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

/// Kafka's codes of operations as the bits of a field.
pub(super) const fn operations(codes: &[u32]) -> i32 {
    let mut all = 0;
    let mut at = 0;
    while at < codes.len() {
        all |= 1 << codes[at];
        at += 1;
    }
    all
}
