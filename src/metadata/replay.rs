//! Records become the image: [`Image::replay`] is the only thing that changes one.
//!
//! A record that does not fit what came before (a partition of a topic that does not exist) means that
//! this log is not what we take it for. Kafka exits there and so must whoever gets the error: an image
//! that guesses would be written on into the log.

use super::image::{
    Acl, Broker, Controller, DelegationToken, Endpoint, Image, Partition, ProducerIds, Resource,
    Scram, Topic, UNASSIGNED_DIRECTORY,
};
use super::topics::check_topic_name;
use crate::types::{LeaderEpoch, NodeId, PartitionIndex, TopicId, Uuid};
use crate::wire::{
    BrokerRegistrationChangeRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord,
    RegisterBrokerRecord, RegisterControllerRecord, RegisteredEndpoint, RegisteredFeature,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A record that does not follow from those before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplayError(String);

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ReplayError {}

fn error(text: impl Into<String>) -> ReplayError {
    ReplayError(text.into())
}

impl Image {
    /// Takes in the next record of the log.
    ///
    /// # Errors
    /// When the record does not fit; the image is then as before.
    pub fn replay(&mut self, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::BeginTransaction(_) if self.pending.is_some() => {
                Err(error("a transaction begins within a transaction"))
            }
            MetadataRecord::BeginTransaction(_) => {
                self.pending = Some(Box::new(self.clone()));
                Ok(())
            }
            MetadataRecord::EndTransaction(_) => {
                *self = *self
                    .pending
                    .take()
                    .ok_or_else(|| error("a transaction ends that never began"))?;
                Ok(())
            }
            MetadataRecord::AbortTransaction(_) => match self.pending.take() {
                Some(_) => Ok(()),
                None => Err(error("a transaction is aborted that never began")),
            },
            record => match &mut self.pending {
                Some(pending) => pending.apply(record),
                None => self.apply(record),
            },
        }
    }

    fn apply(&mut self, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => unreachable!("replay takes these"),
            MetadataRecord::NoOp(_) | MetadataRecord::ZkMigrationState(_) => {}
            MetadataRecord::RegisterBroker(record) => self.register_broker(record),
            MetadataRecord::UnregisterBroker(record) => {
                let id = NodeId(record.broker_id);
                self.known_broker(id, record.broker_epoch)?;
                Arc::make_mut(&mut self.brokers).remove(&id);
            }
            MetadataRecord::FenceBroker(record) => {
                self.change_broker(NodeId(record.id), record.epoch, |broker| {
                    broker.fenced = true
                })?
            }
            MetadataRecord::UnfenceBroker(record) => {
                self.change_broker(NodeId(record.id), record.epoch, |broker| {
                    broker.fenced = false
                })?
            }
            MetadataRecord::BrokerRegistrationChange(record) => self.registration_change(record)?,
            MetadataRecord::RegisterController(record) => self.register_controller(record),
            MetadataRecord::Topic(record) => self.add_topic(&record.name, record.topic_id)?,
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record.topic_id)?,
            MetadataRecord::Partition(record) => self.put_partition(record)?,
            MetadataRecord::PartitionChange(record) => self.change_partition(record)?,
            MetadataRecord::ClearElr(record) => self.clear_elr(&record.topic_name)?,
            MetadataRecord::Config(record) => self.set_config(
                Resource {
                    kind: record.resource_type,
                    name: record.resource_name.to_string(),
                },
                &record.name,
                record.value.as_deref(),
            ),
            MetadataRecord::FeatureLevel(record) => {
                self.features_epoch = self.features_epoch.saturating_add(1);
                let features = Arc::make_mut(&mut self.features);
                match record.feature_level {
                    0 => features.remove(&*record.name),
                    level => features.insert(record.name.to_string(), level),
                };
            }
            MetadataRecord::ProducerIds(record) => {
                if record.next_producer_id < self.producer_ids.next {
                    return Err(error(format!(
                        "the next producer id goes back from {} to {}",
                        self.producer_ids.next, record.next_producer_id
                    )));
                }
                self.producer_ids = ProducerIds {
                    broker: NodeId(record.broker_id),
                    broker_epoch: record.broker_epoch,
                    next: record.next_producer_id,
                };
            }
            MetadataRecord::UserScramCredential(record) => {
                let credential = Scram {
                    salt: record.salt.to_vec(),
                    stored_key: record.stored_key.to_vec(),
                    server_key: record.server_key.to_vec(),
                    iterations: record.iterations,
                };
                Arc::make_mut(&mut self.scram)
                    .insert((record.mechanism, record.name.to_string()), credential);
            }
            MetadataRecord::RemoveUserScramCredential(record) => {
                Arc::make_mut(&mut self.scram).remove(&(record.mechanism, record.name.to_string()));
            }
            MetadataRecord::AccessControlEntry(record) => {
                let acl = Acl {
                    resource_type: record.resource_type,
                    resource_name: record.resource_name.to_string(),
                    pattern_type: record.pattern_type,
                    principal: record.principal.to_string(),
                    host: record.host.to_string(),
                    operation: record.operation,
                    permission: record.permission_type,
                };
                Arc::make_mut(&mut self.acls).insert(record.id, acl);
            }
            MetadataRecord::RemoveAccessControlEntry(record) => {
                if Arc::make_mut(&mut self.acls).remove(&record.id).is_none() {
                    return Err(error(format!("there is no ACL {}", record.id)));
                }
            }
            MetadataRecord::ClientQuota(record) => {
                let mut entity: Vec<_> = record
                    .entity
                    .iter()
                    .map(|part| {
                        let name = part.entity_name.as_ref().map(|name| name.to_string());
                        (part.entity_type.to_string(), name)
                    })
                    .collect();
                entity.sort();
                let quotas = Arc::make_mut(&mut self.quotas);
                if !record.remove {
                    quotas
                        .entry(entity)
                        .or_default()
                        .insert(record.key.to_string(), record.value);
                } else if let Some(of_entity) = quotas.get_mut(&entity) {
                    of_entity.remove(&*record.key);
                    if of_entity.is_empty() {
                        quotas.remove(&entity);
                    }
                }
            }
            MetadataRecord::DelegationToken(record) => {
                let token = DelegationToken {
                    owner: record.owner.to_string(),
                    requester: record.requester.to_string(),
                    renewers: record
                        .renewers
                        .iter()
                        .map(|name| name.to_string())
                        .collect(),
                    issued: record.issue_timestamp,
                    expires: record.expiration_timestamp,
                    expires_max: record.max_timestamp,
                };
                Arc::make_mut(&mut self.tokens).insert(record.token_id.to_string(), token);
            }
            MetadataRecord::RemoveDelegationToken(record) => {
                Arc::make_mut(&mut self.tokens).remove(&*record.token_id);
            }
        }
        Ok(())
    }

    fn register_broker(&mut self, record: &RegisterBrokerRecord<'_>) {
        let id = NodeId(record.broker_id);
        let broker = Broker {
            id,
            incarnation: record.incarnation_id,
            epoch: record.broker_epoch,
            endpoints: endpoints(&record.end_points),
            features: features(&record.features),
            rack: record.rack.as_ref().map(|rack| rack.to_string()),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            log_dirs: record.log_dirs.clone(),
        };
        self.features_epoch = self.features_epoch.max(broker.epoch);
        Arc::make_mut(&mut self.brokers).insert(id, Arc::new(broker));
    }

    fn register_controller(&mut self, record: &RegisterControllerRecord<'_>) {
        let id = NodeId(record.controller_id);
        let controller = Controller {
            id,
            incarnation: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            endpoints: endpoints(&record.end_points),
            features: features(&record.features),
        };
        Arc::make_mut(&mut self.controllers).insert(id, Arc::new(controller));
    }

    fn registration_change(
        &mut self,
        record: &BrokerRegistrationChangeRecord,
    ) -> Result<(), ReplayError> {
        let (id, epoch) = (NodeId(record.broker_id), record.broker_epoch);
        if !matches!(record.fenced, -1..=1) || !matches!(record.in_controlled_shutdown, 0..=1) {
            return Err(error(format!("an impossible change of broker {id}")));
        }
        self.change_broker(id, epoch, |broker| {
            match record.fenced {
                1 => broker.fenced = true,
                -1 => broker.fenced = false,
                _ => {}
            }
            if record.in_controlled_shutdown == 1 {
                broker.in_controlled_shutdown = true;
            }
            if !record.log_dirs.is_empty() {
                broker.log_dirs = record.log_dirs.clone();
            }
        })
    }

    fn known_broker(&self, id: NodeId, epoch: i64) -> Result<(), ReplayError> {
        match self.brokers.get(&id) {
            None => Err(error(format!("there is no broker {id}"))),
            Some(broker) if broker.epoch != epoch => Err(error(format!(
                "broker {id} has epoch {}, not {epoch}",
                broker.epoch
            ))),
            Some(_) => Ok(()),
        }
    }

    fn change_broker(
        &mut self,
        id: NodeId,
        epoch: i64,
        change: impl FnOnce(&mut Broker),
    ) -> Result<(), ReplayError> {
        self.known_broker(id, epoch)?;
        if let Some(broker) = Arc::make_mut(&mut self.brokers).get_mut(&id) {
            change(Arc::make_mut(broker));
        }
        Ok(())
    }

    fn add_topic(&mut self, name: &str, id: TopicId) -> Result<(), ReplayError> {
        // It becomes the name of directories.
        check_topic_name(name).map_err(error)?;
        if let Some(other) = self.topics.by_name.get(name) {
            return Err(error(format!("topic {name} exists with id {other}")));
        }
        if self.topics.by_id.contains_key(&id) {
            return Err(error(format!("two topics have the id {id}")));
        }
        let topic = Topic {
            id,
            name: name.into(),
            partitions: BTreeMap::new(),
        };
        let topics = Arc::make_mut(&mut self.topics);
        topics.by_name.insert(name.to_string(), id);
        topics.by_id.insert(id, Arc::new(topic));
        Ok(())
    }

    /// The topic's settings go with it.
    fn remove_topic(&mut self, id: TopicId) -> Result<(), ReplayError> {
        let Some(topic) = self.topics.by_id.get(&id).cloned() else {
            return Err(error(format!("there is no topic with id {id}")));
        };
        let topics = Arc::make_mut(&mut self.topics);
        topics.by_id.remove(&id);
        topics.by_name.remove(&*topic.name);
        let resource = Resource::topic(&topic.name);
        if self.configs.contains_key(&resource) {
            Arc::make_mut(&mut self.configs).remove(&resource);
        }
        Ok(())
    }

    fn change_topic<T>(
        &mut self,
        id: TopicId,
        change: impl FnOnce(&mut Topic) -> Result<T, ReplayError>,
    ) -> Result<T, ReplayError> {
        if !self.topics.by_id.contains_key(&id) {
            return Err(error(format!("there is no topic with id {id}")));
        }
        let topics = Arc::make_mut(&mut self.topics);
        let topic = topics.by_id.get_mut(&id).expect("just seen");
        change(Arc::make_mut(topic))
    }

    fn put_partition(&mut self, record: &PartitionRecord) -> Result<(), ReplayError> {
        let index = PartitionIndex(record.partition_id);
        let directories = match record.directories.len() {
            // Versions before 1 say nothing; all zeros is Kafka's name for "not yet asked".
            0 => vec![Uuid::ZERO; record.replicas.len()],
            count if count == record.replicas.len() => record.directories.clone(),
            count => {
                return Err(error(format!(
                    "partition {index} has {} replicas in {count} directories",
                    record.replicas.len()
                )));
            }
        };
        if record.leader_epoch < 0 {
            let epoch = record.leader_epoch;
            return Err(error(format!("partition {index} has leader epoch {epoch}")));
        }
        let partition = Partition {
            replicas: nodes(&record.replicas),
            directories,
            isr: nodes(&record.isr),
            removing: nodes(&record.removing_replicas),
            adding: nodes(&record.adding_replicas),
            leader: NodeId(record.leader),
            recovering: record.leader_recovery_state == 1,
            leader_epoch: LeaderEpoch(record.leader_epoch),
            partition_epoch: record.partition_epoch,
            elr: nodes(
                record
                    .eligible_leader_replicas
                    .as_deref()
                    .unwrap_or_default(),
            ),
            last_known_elr: nodes(record.last_known_elr.as_deref().unwrap_or_default()),
        };
        self.change_topic(record.topic_id, |topic| {
            topic.partitions.insert(index, partition);
            Ok(())
        })
    }

    fn change_partition(&mut self, record: &PartitionChangeRecord) -> Result<(), ReplayError> {
        let index = PartitionIndex(record.partition_id);
        self.change_topic(record.topic_id, |topic| {
            let name = &topic.name;
            let partition = topic
                .partitions
                .get_mut(&index)
                .ok_or_else(|| error(format!("there is no partition {name}-{index}")))?;
            change(partition, record)
                .map_err(|why| error(format!("partition {name}-{index}: {why}")))
        })
    }

    fn clear_elr(&mut self, name: &str) -> Result<(), ReplayError> {
        let ids: Vec<TopicId> = match name {
            "" => self.topics.by_id.keys().copied().collect(),
            name => vec![
                *self
                    .topics
                    .by_name
                    .get(name)
                    .ok_or_else(|| error(format!("there is no topic {name}")))?,
            ],
        };
        for id in ids {
            let has_any = |partition: &Partition| {
                !partition.elr.is_empty() || !partition.last_known_elr.is_empty()
            };
            let affected = self.topics.by_id[&id].partitions.values().any(has_any);
            if !affected {
                continue;
            }
            self.change_topic(id, |topic| {
                for partition in topic.partitions.values_mut().filter(|p| has_any(p)) {
                    partition.elr.clear();
                    partition.last_known_elr.clear();
                    partition.partition_epoch = partition.partition_epoch.saturating_add(1);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn set_config(&mut self, resource: Resource, key: &str, value: Option<&str>) {
        let configs = Arc::make_mut(&mut self.configs);
        let of_resource = configs.entry(resource.clone()).or_default();
        match value {
            Some(value) => {
                Arc::make_mut(of_resource).insert(key.to_string(), value.to_string());
            }
            None => {
                Arc::make_mut(of_resource).remove(key);
                if of_resource.is_empty() {
                    configs.remove(&resource);
                }
            }
        }
    }
}

/// The leader field of a change that leaves the leader alone.
const LEADER_UNCHANGED: i32 = -2;

fn change(partition: &mut Partition, record: &PartitionChangeRecord) -> Result<(), String> {
    let replicas = match &record.replicas {
        Some(replicas) => nodes(replicas),
        None => partition.replicas.clone(),
    };
    let directories = match &record.directories {
        Some(directories) if directories.len() != replicas.len() => {
            return Err(format!(
                "{} replicas in {} directories",
                replicas.len(),
                directories.len()
            ));
        }
        Some(directories) => directories.clone(),
        None => replicas
            .iter()
            .map(|replica| {
                let place = partition.replicas.iter().position(|old| old == replica);
                place.map_or(UNASSIGNED_DIRECTORY, |at| partition.directories[at])
            })
            .collect(),
    };
    partition.replicas = replicas;
    partition.directories = directories;
    let set = |field: &mut Vec<NodeId>, new: &Option<Vec<i32>>| {
        if let Some(new) = new {
            *field = nodes(new);
        }
    };
    set(&mut partition.isr, &record.isr);
    set(&mut partition.removing, &record.removing_replicas);
    set(&mut partition.adding, &record.adding_replicas);
    set(&mut partition.elr, &record.eligible_leader_replicas);
    set(&mut partition.last_known_elr, &record.last_known_elr);
    if record.leader != LEADER_UNCHANGED {
        // Counts even if it is the same leader as before.
        partition.leader = NodeId(record.leader);
        partition.leader_epoch = LeaderEpoch(partition.leader_epoch.0.saturating_add(1));
    }
    match record.leader_recovery_state {
        0 => partition.recovering = false,
        1 => partition.recovering = true,
        _ => {}
    }
    partition.partition_epoch = partition.partition_epoch.saturating_add(1);
    Ok(())
}

fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().map(|id| NodeId(*id)).collect()
}

fn endpoints(of: &[RegisteredEndpoint<'_>]) -> Vec<Endpoint> {
    of.iter()
        .map(|endpoint| Endpoint {
            name: endpoint.name.to_string(),
            host: endpoint.host.to_string(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        })
        .collect()
}

fn features(of: &[RegisteredFeature<'_>]) -> Vec<(String, i16, i16)> {
    of.iter()
        .map(|feature| {
            (
                feature.name.to_string(),
                feature.min_supported_version,
                feature.max_supported_version,
            )
        })
        .collect()
}
