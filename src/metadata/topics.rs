//! The controller's decisions about topics: requests in, records out. Nothing changes here; whoever
//! appends the records replays them.
//!
//! Checks and their order are those of Apache Kafka 4.2's ReplicationControlManager, so that a request
//! with several faults gets the same error.

use super::image::{Image, NO_LEADER, Resource};
use crate::limits;
use crate::types::{NodeId, PartitionIndex, TopicId, Uuid};
use crate::wire::{
    ClearElrRecord, ConfigRecord, ErrorCode, MetadataRecord, PartitionRecord, RemoveTopicRecord,
    TopicRecord,
};
use std::collections::{BTreeMap, BTreeSet};

/// The longest name of a topic; with "-", the partition and ".<32 hex>-delete" it still fits into 255
/// bytes.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// The topic that holds the metadata log; not made by anyone.
pub const METADATA_TOPIC_NAME: &str = "__cluster_metadata";

/// The topic that holds the groups and what they have committed.
pub const OFFSETS_TOPIC_NAME: &str = "__consumer_offsets";

/// Records that belong into one batch, and what the request made of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision<T> {
    /// To be appended and replayed together; empty if nothing changes.
    pub records: Vec<MetadataRecord<'static>>,
    /// What to answer once they are.
    pub outcome: T,
}

/// Why a request, or one item of it, was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Kafka's code.
    pub code: ErrorCode,
    /// One line for the person behind the client.
    pub message: String,
}

/// What a refusal says at most.
const MESSAGE_BYTES_MAX: usize = 4096;

impl Refusal {
    /// A refusal with this code and these words.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        let mut message = message.into();
        // It may quote what the client sent, which old versions cannot take back: their strings end at
        // 32,767 bytes.
        if message.len() > MESSAGE_BYTES_MAX {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
            message.push('…');
        }
        Refusal { code, message }
    }
}

/// A topic that somebody wants.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions, -1 for the default.
    pub partitions: i32,
    /// How many replicas, -1 for the default.
    pub replication_factor: i16,
    /// Which brokers hold which partition, instead of the two above.
    pub assignments: Vec<(PartitionIndex, Vec<NodeId>)>,
    /// Settings; a null value leaves the default.
    pub configs: Vec<(String, Option<String>)>,
}

/// A topic that was made, or would have been.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedTopic {
    /// Its id, zero if it was only validated.
    pub id: TopicId,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas.
    pub replication_factor: i16,
    /// What was set for it.
    pub configs: BTreeMap<String, String>,
}

/// The broker's defaults for new topics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TopicDefaults {
    /// `num.partitions`.
    pub partitions: i32,
    /// `default.replication.factor`.
    pub replication_factor: i16,
}

/// Judges all settings of a topic together; an error says what is wrong.
pub type ConfigCheck<'a> = dyn Fn(&BTreeMap<String, String>) -> Result<(), String> + 'a;

/// Decides about new topics, one answer per topic, in the request's order. `check_config` judges all
/// settings of a topic together; `random` gives the bits of a topic's id.
pub fn create_topics(
    image: &Image,
    topics: &[NewTopic],
    validate_only: bool,
    defaults: TopicDefaults,
    check_config: &ConfigCheck<'_>,
    random: &mut dyn FnMut() -> [u8; 16],
) -> Decision<Vec<(String, Result<CreatedTopic, Refusal>)>> {
    let mut records = Vec::new();
    let mut outcome = Vec::with_capacity(topics.len());
    let mut times = BTreeMap::new();
    for topic in topics {
        *times.entry(topic.name.as_str()).or_insert(0) += 1;
    }
    let mut taken: BTreeMap<String, String> = image
        .topics()
        .filter(|topic| has_collision_character(&topic.name))
        .map(|topic| (without_collisions(&topic.name), topic.name.to_string()))
        .collect();
    let mut answered = BTreeSet::new();
    for topic in topics {
        if !answered.insert(topic.name.as_str()) {
            continue; // the answer has one entry per name
        }
        let mut one = || {
            if times[topic.name.as_str()] > 1 {
                return Err(Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    "Duplicate topic name.",
                ));
            }
            let assignment = check_new_topic(image, topic, defaults, &taken)?;
            let configs: BTreeMap<String, String> = topic
                .configs
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
                .collect();
            check_config(&configs).map_err(|why| Refusal::new(ErrorCode::INVALID_CONFIG, why))?;
            if has_collision_character(&topic.name) {
                taken.insert(without_collisions(&topic.name), topic.name.to_string());
            }
            let created = CreatedTopic {
                id: if validate_only {
                    Uuid::ZERO
                } else {
                    new_id(image, random)
                },
                partitions: assignment.len() as i32,
                replication_factor: assignment[0].len() as i16,
                configs,
            };
            let of_topic = topic_records(image, &topic.name, &created, &assignment);
            if records.len() + of_topic.len() > limits::METADATA_BATCH_RECORDS_MAX {
                return Err(Refusal::new(
                    ErrorCode::POLICY_VIOLATION,
                    "Unable to perform excessively large batch operation.",
                ));
            }
            if !validate_only {
                records.extend(of_topic);
            }
            Ok(created)
        };
        let answer = one();
        outcome.push((topic.name.clone(), answer));
    }
    Decision { records, outcome }
}

/// Decides to delete topics by id; each answer names the topic.
pub fn delete_topics(
    image: &Image,
    ids: &[TopicId],
) -> Decision<Vec<(TopicId, Result<String, Refusal>)>> {
    let mut records = Vec::new();
    let mut outcome = Vec::with_capacity(ids.len());
    let mut seen = BTreeSet::new();
    for &id in ids {
        if !seen.insert(id) {
            continue;
        }
        let answer = match image.topic_by_id(id) {
            None => Err(Refusal::new(
                ErrorCode::UNKNOWN_TOPIC_ID,
                "This server does not host this topic ID.",
            )),
            Some(topic) => {
                records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord {
                    topic_id: id,
                }));
                Ok(topic.name.to_string())
            }
        };
        outcome.push((id, answer));
    }
    Decision { records, outcome }
}

/// The id of the topic of this name, for requests by name.
///
/// # Errors
/// UNKNOWN_TOPIC_OR_PARTITION.
pub fn topic_id(image: &Image, name: &str) -> Result<TopicId, Refusal> {
    image
        .topic(name)
        .map(|topic| topic.id)
        .ok_or_else(unknown_topic)
}

fn unknown_topic() -> Refusal {
    Refusal::new(
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        "This server does not host this topic-partition.",
    )
}

/// A topic that somebody wants to have more partitions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MorePartitions {
    /// Its name.
    pub name: String,
    /// How many it is to have in all.
    pub count: i32,
    /// Which brokers hold each of the new ones; the cluster chooses if there is nothing.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

/// Decides about more partitions, one answer per name.
pub fn grow_topics(
    image: &Image,
    topics: &[MorePartitions],
    validate_only: bool,
) -> Decision<Vec<(String, Result<(), Refusal>)>> {
    let mut by_name: BTreeMap<&str, Vec<&MorePartitions>> = BTreeMap::new();
    for topic in topics {
        by_name.entry(&topic.name).or_default().push(topic);
    }
    let mut records = Vec::new();
    let outcome = by_name.into_iter().map(|(name, wanted)| {
        let mut one = || {
            let [topic] = wanted[..] else {
                let why = "Duplicate topic name.";
                return Err(Refusal::new(ErrorCode::INVALID_REQUEST, why));
            };
            let new = create_partitions(image, topic)?;
            if records.len() + new.len() > limits::METADATA_BATCH_RECORDS_MAX {
                return Err(Refusal::new(
                    ErrorCode::POLICY_VIOLATION,
                    "Unable to perform excessively large batch operation.",
                ));
            }
            records.extend(new);
            Ok(())
        };
        (name.to_string(), one())
    });
    let outcome = outcome.collect();
    if validate_only {
        records.clear();
    }
    Decision { records, outcome }
}

/// UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT,
/// INVALID_REPLICATION_FACTOR, in Kafka's order.
fn create_partitions(
    image: &Image,
    wanted: &MorePartitions,
) -> Result<Vec<MetadataRecord<'static>>, Refusal> {
    let MorePartitions {
        name,
        count,
        assignments,
    } = wanted;
    let count = *count;
    let topic = image.topic(name).ok_or_else(unknown_topic)?;
    let present = topic.partitions.len() as i32;
    if count == present {
        return Err(Refusal::new(
            ErrorCode::INVALID_PARTITIONS,
            format!("Topic already has {present} partition(s)."),
        ));
    }
    if count < present {
        return Err(Refusal::new(
            ErrorCode::INVALID_PARTITIONS,
            format!(
                "The topic {name} currently has {present} partition(s); {count} would not be an \
                 increase."
            ),
        ));
    }
    let more = (count - present) as usize;
    if let Some(assignments) = assignments
        && assignments.len() != more
    {
        return Err(Refusal::new(
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            format!(
                "Attempted to add {more} additional partition(s), but only {} assignment(s) were \
                 specified.",
                assignments.len()
            ),
        ));
    }
    check_partition_count(more)?;
    let replicas = topic
        .partitions
        .values()
        .next()
        .map_or(1, |partition| partition.replicas.len());
    let placed = match assignments {
        None => place(image, more, replicas)?,
        Some(assignments) => {
            for (at, assignment) in assignments.iter().enumerate() {
                check_assignment(image, present + at as i32, assignment, Some(replicas))?;
            }
            assignments.clone()
        }
    };
    Ok(placed
        .iter()
        .enumerate()
        .map(|(at, replicas)| partition_record(image, topic.id, present + at as i32, replicas))
        .collect())
}

/// Whether Kafka allows this name for a topic.
///
/// # Errors
/// What is wrong with it, in Kafka's words.
pub fn check_topic_name(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let why = match name {
        "" => "the empty string is not allowed".to_string(),
        "." => "'.' is not allowed".to_string(),
        ".." => "'..' is not allowed".to_string(),
        _ if name.len() > TOPIC_NAME_BYTES_MAX => format!(
            "the length of '{name}' is longer than the max allowed length {TOPIC_NAME_BYTES_MAX}"
        ),
        _ if !name.bytes().all(legal) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and \
             '-'"
        ),
        _ => return Ok(()),
    };
    Err(format!("Topic name is invalid: {why}"))
}

/// The assignment of a topic that may be made.
fn check_new_topic(
    image: &Image,
    topic: &NewTopic,
    defaults: TopicDefaults,
    taken: &BTreeMap<String, String>,
) -> Result<Vec<Vec<NodeId>>, Refusal> {
    let name = &topic.name;
    if name == METADATA_TOPIC_NAME {
        return Err(Refusal::new(
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            "The metadata log is not a topic for clients.",
        ));
    }
    check_topic_name(name).map_err(|why| Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, why))?;
    if image.topic(name).is_some() {
        return Err(Refusal::new(
            ErrorCode::TOPIC_ALREADY_EXISTS,
            format!("Topic '{name}' already exists."),
        ));
    }
    if has_collision_character(name)
        && let Some(other) = taken.get(&without_collisions(name))
    {
        return Err(Refusal::new(
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            format!("Topic '{name}' collides with existing topic: {other}"),
        ));
    }
    if !topic.assignments.is_empty() {
        return check_assignments(image, topic);
    }
    if topic.replication_factor < -1 || topic.replication_factor == 0 {
        return Err(Refusal::new(
            ErrorCode::INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ));
    }
    if topic.partitions < -1 || topic.partitions == 0 {
        return Err(Refusal::new(
            ErrorCode::INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.",
        ));
    }
    let or_default = |asked: i32, default: i32| if asked == -1 { default } else { asked };
    let partitions = or_default(topic.partitions, defaults.partitions);
    let replicas = or_default(
        i32::from(topic.replication_factor),
        i32::from(defaults.replication_factor),
    );
    check_partition_count(partitions.max(1) as usize)?;
    place(image, partitions.max(1) as usize, replicas.max(1) as usize)
}

fn check_assignments(image: &Image, topic: &NewTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
    if topic.replication_factor != -1 {
        return Err(Refusal::new(
            ErrorCode::INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        ));
    }
    if topic.partitions != -1 {
        return Err(Refusal::new(
            ErrorCode::INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        ));
    }
    let mut placed = BTreeMap::new();
    let mut replicas = None;
    for (index, assignment) in &topic.assignments {
        if placed.contains_key(&index.0) {
            return Err(Refusal::new(
                ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                format!("Found multiple manual partition assignments for partition {index}"),
            ));
        }
        check_assignment(image, index.0, assignment, replicas)?;
        replicas = Some(assignment.len());
        placed.insert(index.0, assignment.clone());
    }
    if placed.keys().copied().ne(0..placed.len() as i32) {
        return Err(Refusal::new(
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "partitions should be a consecutive 0-based integer sequence",
        ));
    }
    check_partition_count(placed.len())?;
    Ok(placed.into_values().collect())
}

/// Judges the brokers that a request wants a partition on; `replicas` is how many those before had.
///
/// # Errors
/// INVALID_REPLICA_ASSIGNMENT.
pub fn check_assignment(
    image: &Image,
    index: i32,
    assignment: &[NodeId],
    replicas: Option<usize>,
) -> Result<(), Refusal> {
    let refuse = |why: String| Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, why));
    if assignment.is_empty() {
        return refuse("The manual partition assignment includes an empty replica list.".into());
    }
    let mut seen = BTreeSet::new();
    for broker in assignment {
        if image.broker(*broker).is_none() {
            return refuse(format!(
                "The manual partition assignment includes broker {broker}, but no such broker is \
                 registered."
            ));
        }
        if !seen.insert(broker) {
            return refuse(format!(
                "The manual partition assignment includes the broker {broker} more than once."
            ));
        }
    }
    if let Some(replicas) = replicas
        && replicas != assignment.len()
    {
        return refuse(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is \
             not consistent with previous partitions, which have {replicas} replica(s).",
            assignment.len()
        ));
    }
    if !assignment.iter().any(|broker| is_active(image, *broker)) {
        return refuse(format!(
            "All brokers specified in the manual partition assignment for partition {index} are \
             fenced or in controlled shutdown."
        ));
    }
    Ok(())
}

/// Kafka refuses to place more than 10,000 partitions by one request (KAFKA-17870), which also bounds
/// the batch.
fn check_partition_count(more: usize) -> Result<(), Refusal> {
    if more > limits::PARTITIONS_PER_REQUEST_MAX {
        return Err(Refusal::new(
            ErrorCode::POLICY_VIOLATION,
            format!(
                "Excessively large number of partitions per request: {more}, at most {} are allowed.",
                limits::PARTITIONS_PER_REQUEST_MAX
            ),
        ));
    }
    Ok(())
}

/// Spreads partitions over the brokers in turn, unfenced ones first.
fn place(image: &Image, partitions: usize, replicas: usize) -> Result<Vec<Vec<NodeId>>, Refusal> {
    let refuse = |why: String| {
        Err(Refusal::new(
            ErrorCode::INVALID_REPLICATION_FACTOR,
            format!("Unable to replicate the partition {replicas} time(s): {why}"),
        ))
    };
    let mut brokers: Vec<_> = image.brokers().collect();
    if brokers.is_empty() || brokers.iter().all(|broker| broker.fenced) {
        return refuse("All brokers are currently fenced.".into());
    }
    if replicas > brokers.len() {
        return refuse(format!(
            "The target replication factor of {replicas} cannot be reached because only {} \
             broker(s) are registered.",
            brokers.len()
        ));
    }
    brokers.sort_by_key(|broker| (!broker.is_active(), broker.id));
    let active = brokers.iter().filter(|broker| broker.is_active()).count();
    Ok((0..partitions)
        .map(|partition| {
            // The preferred leader goes round the active brokers, the others follow it.
            let first = partition % active.max(1);
            let mut replica_ids: Vec<NodeId> = (0..brokers.len())
                .map(|at| brokers[(first + at) % brokers.len()])
                .filter(|broker| broker.is_active())
                .map(|broker| broker.id)
                .collect();
            replica_ids.extend(brokers[active..].iter().map(|broker| broker.id));
            replica_ids.truncate(replicas);
            replica_ids
        })
        .collect())
}

fn is_active(image: &Image, broker: NodeId) -> bool {
    image
        .broker(broker)
        .is_some_and(|broker| broker.is_active())
}

fn topic_records(
    image: &Image,
    name: &str,
    topic: &CreatedTopic,
    assignment: &[Vec<NodeId>],
) -> Vec<MetadataRecord<'static>> {
    let mut records = Vec::with_capacity(1 + topic.configs.len() + assignment.len());
    records.push(MetadataRecord::Topic(TopicRecord {
        name: name.to_string().into(),
        topic_id: topic.id,
    }));
    for (key, value) in &topic.configs {
        records.push(MetadataRecord::Config(ConfigRecord {
            resource_type: Resource::TOPIC,
            resource_name: name.to_string().into(),
            name: key.clone().into(),
            value: Some(value.clone().into()),
        }));
    }
    if image.keeps_elr() && topic.configs.contains_key("min.insync.replicas") {
        records.push(MetadataRecord::ClearElr(ClearElrRecord {
            topic_name: name.to_string().into(),
        }));
    }
    for (index, replicas) in assignment.iter().enumerate() {
        records.push(partition_record(image, topic.id, index as i32, replicas));
    }
    records
}

fn partition_record(
    image: &Image,
    topic_id: TopicId,
    index: i32,
    replicas: &[NodeId],
) -> MetadataRecord<'static> {
    let isr: Vec<i32> = replicas
        .iter()
        .filter(|replica| is_active(image, **replica))
        .map(|replica| replica.0)
        .collect();
    let directories = if image.metadata_version() >= super::versions::DIRECTORIES {
        replicas
            .iter()
            .map(|replica| super::versions::directory_of(image, *replica))
            .collect()
    } else {
        Vec::new()
    };
    MetadataRecord::Partition(PartitionRecord {
        partition_id: index,
        topic_id,
        replicas: replicas.iter().map(|replica| replica.0).collect(),
        leader: isr.first().copied().unwrap_or(NO_LEADER.0),
        isr,
        leader_epoch: 0,
        partition_epoch: 0,
        directories,
        ..Default::default()
    })
}

fn new_id(image: &Image, random: &mut dyn FnMut() -> [u8; 16]) -> TopicId {
    loop {
        let id = Uuid::from_random(random());
        if image.topic_by_id(id).is_none() {
            return id;
        }
    }
}

/// Kafka's metric names replace "." by "_", so "a.b" and "a_b" exclude each other.
fn has_collision_character(name: &str) -> bool {
    name.contains(['.', '_'])
}

fn without_collisions(name: &str) -> String {
    name.replace('.', "_")
}
