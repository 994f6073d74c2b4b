//! What a node that is its own quorum writes into the metadata log in the course of its life: the
//! first start, every start, every stop, and blocks of producer ids. Record for record what Apache
//! Kafka 4.2 writes as a combined node, so that the log reads alike to either.

use super::image::{Broker, Controller, Endpoint, Image, NO_LEADER, Partition, Resource};
use super::log::State;
use super::snapshot::{register_broker, register_controller};
use super::versions::{CONTROLLED_SHUTDOWN, CONTROLLER_REGISTRATION, ELR, FEATURES, KRAFT_VERSION};
use crate::limits;
use crate::types::{NodeId, PartitionIndex, ProducerId, TopicId, Uuid};
use crate::wire::{
    AbortTransactionRecord, BeginTransactionRecord, BrokerRegistrationChangeRecord, ConfigRecord,
    EndTransactionRecord, FeatureLevelRecord, MetadataRecord, PartitionChangeRecord,
    ProducerIdsRecord,
};
use std::ops::Range;

/// Producer ids in one block, as in Kafka.
pub const PRODUCER_ID_BLOCK: i64 = 1000;

/// This run of this node, as it registers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// `node.id`.
    pub node: NodeId,
    /// A new random id for every run.
    pub incarnation: Uuid,
    /// The advertised listeners of the broker.
    pub endpoints: Vec<Endpoint>,
    /// Where the controller listens, or would.
    pub controller_endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// The ids of the log directories.
    pub log_dirs: Vec<Uuid>,
}

/// The records that a new log begins with, after its control records: one batch. `from` are those of
/// `bootstrap.checkpoint`; without any the features are the newest that we know.
pub fn bootstrap<'a>(from: &[MetadataRecord<'a>]) -> Vec<MetadataRecord<'a>> {
    let mut records = vec![MetadataRecord::BeginTransaction(BeginTransactionRecord {
        name: Some("Bootstrap records".into()),
    })];
    if from.is_empty() {
        records.extend(bootstrap_features());
    } else {
        records.extend(from.iter().cloned());
    }
    let elr = records.iter().any(|record| {
        matches!(record, MetadataRecord::FeatureLevel(feature)
            if feature.name == super::image::ELR_VERSION && feature.feature_level > 0)
    });
    if elr {
        // With ELR the minimum must be known to the controller, so it is set for the whole cluster.
        records.push(MetadataRecord::Config(ConfigRecord {
            resource_type: Resource::BROKER,
            resource_name: "".into(),
            name: "min.insync.replicas".into(),
            value: Some("1".into()),
        }));
    }
    records.push(MetadataRecord::EndTransaction(EndTransactionRecord {}));
    records
}

/// Drops what a transaction has begun that nobody ends any more.
pub fn abort_transaction() -> MetadataRecord<'static> {
    MetadataRecord::AbortTransaction(AbortTransactionRecord {
        reason: Some("Controller failover".into()),
    })
}

/// The features of a new cluster, as `bootstrap.checkpoint` holds them: metadata.version first.
pub fn bootstrap_features() -> Vec<MetadataRecord<'static>> {
    FEATURES
        .iter()
        .filter(|(name, ..)| *name != KRAFT_VERSION)
        .map(|(name, _, _, level)| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: (*name).into(),
                feature_level: *level,
            })
        })
        .collect()
}

/// What a start writes, one vector per batch, to be appended in order and at once: nothing else may
/// come between, because the broker's epoch is the offset of its registration. The log must hold its
/// features already ([`bootstrap`]).
///
/// Whatever is led by us or by nobody gets us as its leader, in a new epoch, whether the last stop was
/// clean or not.
///
/// Panics if the log's metadata.version is older than [`super::check_state`] lets pass.
pub fn start(state: &State, identity: &Identity) -> Vec<Vec<MetadataRecord<'static>>> {
    let image = &state.image;
    let version = image.metadata_version();
    assert!(
        version >= CONTROLLED_SHUTDOWN,
        "a start needs a log with its features"
    );
    let mut batches = Vec::new();
    if image.in_transaction() {
        batches.push(vec![abort_transaction()]);
    }
    if version >= CONTROLLER_REGISTRATION {
        batches.push(vec![register_controller(&Controller {
            id: identity.node,
            incarnation: identity.incarnation,
            zk_migration_ready: false,
            endpoints: identity.controller_endpoints.clone(),
            features: supported_features(),
        })]);
    }
    let before: usize = batches.iter().map(Vec::len).sum();
    let broker = Broker {
        id: identity.node,
        incarnation: identity.incarnation,
        epoch: state.position.end.plus(before as i64).0,
        endpoints: identity.endpoints.clone(),
        features: supported_features(),
        rack: identity.rack.clone(),
        fenced: true,
        in_controlled_shutdown: false,
        log_dirs: identity.log_dirs.clone(),
    };
    batches.push(vec![register_broker(&broker, version)]);
    let mut changes = vec![registration_change(&broker, |change| change.fenced = -1)];
    changes.extend(
        image
            .partitions()
            .filter(|(.., partition)| {
                partition.leader == NO_LEADER || partition.leader == identity.node
            })
            .filter(|(.., partition)| partition.replicas.contains(&identity.node))
            .map(|(topic, index, partition)| {
                elect(image, topic.id, index, partition, identity.node)
            }),
    );
    put_batches(&mut batches, changes);
    batches
}

/// What a clean stop writes, one vector per batch: we leave what we lead, then are fenced. Nothing if
/// this node is not registered.
pub fn stop(image: &Image, node: NodeId) -> Vec<Vec<MetadataRecord<'static>>> {
    let Some(broker) = image.broker(node) else {
        return Vec::new();
    };
    assert!(image.metadata_version() >= CONTROLLED_SHUTDOWN);
    let mut batches = Vec::new();
    let mut changes = vec![registration_change(broker, |change| {
        change.in_controlled_shutdown = 1;
    })];
    let keeps_elr = image.keeps_elr();
    changes.extend(
        image
            .partitions()
            .filter(|(.., partition)| partition.leader == node)
            .map(|(topic, index, _)| {
                let none_but_us = || keeps_elr.then(|| vec![node.0]);
                MetadataRecord::PartitionChange(PartitionChangeRecord {
                    partition_id: index.0,
                    topic_id: topic.id,
                    leader: NO_LEADER.0,
                    // Without ELR the last replica in sync stays noted as such.
                    isr: keeps_elr.then(Vec::new),
                    eligible_leader_replicas: none_but_us(),
                    last_known_elr: none_but_us(),
                    ..Default::default()
                })
            }),
    );
    put_batches(&mut batches, changes);
    batches.push(vec![registration_change(broker, |change| {
        change.fenced = 1
    })]);
    batches
}

/// Gives this node the next block of producer ids. They are its own once the record is on disk.
///
/// # Errors
/// `None` if the node is not registered, or all ids are used up.
pub fn allocate_producer_ids(
    image: &Image,
    node: NodeId,
) -> Option<(Vec<MetadataRecord<'static>>, Range<ProducerId>)> {
    let broker = image.broker(node)?;
    let first = image.producer_ids().next.max(0);
    let next = first.checked_add(PRODUCER_ID_BLOCK)?;
    let record = MetadataRecord::ProducerIds(ProducerIdsRecord {
        broker_id: node.0,
        broker_epoch: broker.epoch,
        next_producer_id: next,
    });
    Some((vec![record], ProducerId(first)..ProducerId(next)))
}

/// The directories that replicas of ours turned out to lie in, where the log says otherwise: one
/// record per partition.
pub fn assign_directories(
    image: &Image,
    node: NodeId,
    found: &[(TopicId, PartitionIndex, Uuid)],
) -> Vec<MetadataRecord<'static>> {
    if image.metadata_version() < super::versions::DIRECTORIES {
        return Vec::new();
    }
    found
        .iter()
        .filter_map(|(topic, index, directory)| {
            let (_, partition) = image.partition(*topic, *index)?;
            let at = partition.replicas.iter().position(|id| *id == node)?;
            let mut directories = partition.directories.clone();
            if directories[at] == *directory {
                return None;
            }
            directories[at] = *directory;
            Some(MetadataRecord::PartitionChange(PartitionChangeRecord {
                partition_id: index.0,
                topic_id: *topic,
                directories: Some(directories),
                ..Default::default()
            }))
        })
        .collect()
}

/// Makes `node` the leader: from the replicas in sync, else from those eligible, else as the last one
/// known, which may have lost something and says so.
fn elect(
    image: &Image,
    topic_id: TopicId,
    index: PartitionIndex,
    partition: &Partition,
    node: NodeId,
) -> MetadataRecord<'static> {
    let whole = partition.isr.contains(&node) || partition.elr.contains(&node);
    let has_elr = image.metadata_version() >= ELR;
    let emptied = |nodes: &[NodeId]| (has_elr && !nodes.is_empty()).then(Vec::new);
    MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition_id: index.0,
        topic_id,
        leader: node.0,
        isr: (partition.isr != [node]).then(|| vec![node.0]),
        eligible_leader_replicas: emptied(&partition.elr),
        last_known_elr: emptied(&partition.last_known_elr),
        leader_recovery_state: if whole { -1 } else { 1 },
        ..Default::default()
    })
}

fn registration_change(
    broker: &Broker,
    set: impl FnOnce(&mut BrokerRegistrationChangeRecord),
) -> MetadataRecord<'static> {
    let mut change = BrokerRegistrationChangeRecord {
        broker_id: broker.id.0,
        broker_epoch: broker.epoch,
        ..Default::default()
    };
    set(&mut change);
    MetadataRecord::BrokerRegistrationChange(change)
}

/// The features that we register with. Kafka wants kraft.version among them (KAFKA-17305).
fn supported_features() -> Vec<(String, i16, i16)> {
    FEATURES
        .iter()
        .map(|(name, min, max, _)| (name.to_string(), *min, *max))
        .collect()
}

fn put_batches(
    batches: &mut Vec<Vec<MetadataRecord<'static>>>,
    mut records: Vec<MetadataRecord<'static>>,
) {
    while records.len() > limits::METADATA_BATCH_RECORDS_MAX {
        let rest = records.split_off(limits::METADATA_BATCH_RECORDS_MAX);
        batches.push(std::mem::replace(&mut records, rest));
    }
    batches.push(records);
}
