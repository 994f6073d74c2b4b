//! An image as the records that make it, in Kafka's order.

use super::image::{Broker, Controller, Endpoint, Image, METADATA_VERSION, Partition, Topic};
use super::versions::{CONTROLLED_SHUTDOWN, DIRECTORIES, ELR};
use crate::types::{NodeId, PartitionIndex};
use crate::wire::{
    AccessControlEntryRecord, ClientQuotaRecord, ClientQuotaRecordEntity, ConfigRecord,
    DelegationTokenRecord, FeatureLevelRecord, MetadataRecord, PartitionRecord, ProducerIdsRecord,
    RegisterBrokerRecord, RegisterControllerRecord, RegisteredEndpoint, RegisteredFeature,
    TopicRecord, UserScramCredentialRecord,
};

/// The records from which [`Image::replay`] makes this image again. An open transaction is left out.
pub fn snapshot_records(image: &Image) -> Vec<MetadataRecord<'static>> {
    let mut records: Vec<MetadataRecord<'static>> = Vec::new();
    let version = image.metadata_version();
    let feature = |(name, level): (&String, &i16)| FeatureLevelRecord {
        name: name.clone().into(),
        feature_level: *level,
    };
    // metadata.version first: it says how the rest is written.
    let (first, others): (Vec<_>, Vec<_>) = image
        .features()
        .iter()
        .partition(|(name, _)| *name == METADATA_VERSION);
    let features = first.into_iter().chain(others).map(feature);
    records.extend(features.map(MetadataRecord::FeatureLevel));
    records.extend(
        image
            .brokers()
            .map(|broker| register_broker(broker, version)),
    );
    records.extend(
        image
            .controllers()
            .map(|controller| register_controller(controller)),
    );
    for topic in image.topics() {
        records.push(MetadataRecord::Topic(TopicRecord {
            name: topic.name.to_string().into(),
            topic_id: topic.id,
        }));
        for (index, partition) in &topic.partitions {
            records.push(partition_record(topic, *index, partition, version));
        }
    }
    for (resource, config) in image.configs() {
        for (key, value) in config.iter() {
            records.push(MetadataRecord::Config(ConfigRecord {
                resource_type: resource.kind,
                resource_name: resource.name.clone().into(),
                name: key.clone().into(),
                value: Some(value.clone().into()),
            }));
        }
    }
    for (entity, quotas) in image.quotas() {
        for (key, value) in quotas {
            let part = |(kind, name): &(String, Option<String>)| ClientQuotaRecordEntity {
                entity_type: kind.clone().into(),
                entity_name: name.clone().map(Into::into),
            };
            records.push(MetadataRecord::ClientQuota(ClientQuotaRecord {
                entity: entity.iter().map(part).collect(),
                key: key.clone().into(),
                value: *value,
                remove: false,
            }));
        }
    }
    if image.producer_ids().next > 0 {
        records.push(MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: -1,
            broker_epoch: -1,
            next_producer_id: image.producer_ids().next,
        }));
    }
    for (id, acl) in image.acls() {
        records.push(MetadataRecord::AccessControlEntry(
            AccessControlEntryRecord {
                id: *id,
                resource_type: acl.resource_type,
                resource_name: acl.resource_name.clone().into(),
                pattern_type: acl.pattern_type,
                principal: acl.principal.clone().into(),
                host: acl.host.clone().into(),
                operation: acl.operation,
                permission_type: acl.permission,
            },
        ));
    }
    for ((mechanism, user), scram) in image.scram() {
        records.push(MetadataRecord::UserScramCredential(
            UserScramCredentialRecord {
                name: user.clone().into(),
                mechanism: *mechanism,
                salt: scram.salt.clone().into(),
                stored_key: scram.stored_key.clone().into(),
                server_key: scram.server_key.clone().into(),
                iterations: scram.iterations,
            },
        ));
    }
    for (id, token) in image.tokens() {
        records.push(MetadataRecord::DelegationToken(DelegationTokenRecord {
            owner: token.owner.clone().into(),
            requester: token.requester.clone().into(),
            renewers: token.renewers.iter().cloned().map(Into::into).collect(),
            issue_timestamp: token.issued,
            max_timestamp: token.expires_max,
            expiration_timestamp: token.expires,
            token_id: id.clone().into(),
        }));
    }
    records
}

/// A registration as its record.
pub(super) fn register_broker(broker: &Broker, version: i16) -> MetadataRecord<'static> {
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: broker.id.0,
        is_migrating_zk_broker: false,
        incarnation_id: broker.incarnation,
        broker_epoch: broker.epoch,
        end_points: endpoints(&broker.endpoints),
        features: features(&broker.features),
        rack: broker.rack.clone().map(Into::into),
        fenced: broker.fenced,
        in_controlled_shutdown: broker.in_controlled_shutdown && version >= CONTROLLED_SHUTDOWN,
        log_dirs: if version >= DIRECTORIES {
            broker.log_dirs.clone()
        } else {
            Vec::new()
        },
    })
}

/// A controller's registration as its record.
pub(super) fn register_controller(controller: &Controller) -> MetadataRecord<'static> {
    MetadataRecord::RegisterController(RegisterControllerRecord {
        controller_id: controller.id.0,
        incarnation_id: controller.incarnation,
        zk_migration_ready: controller.zk_migration_ready,
        end_points: endpoints(&controller.endpoints),
        features: features(&controller.features),
    })
}

fn partition_record(
    topic: &Topic,
    index: PartitionIndex,
    partition: &Partition,
    version: i16,
) -> MetadataRecord<'static> {
    let some = |nodes: &[NodeId]| (version >= ELR && !nodes.is_empty()).then(|| ids(nodes));
    MetadataRecord::Partition(PartitionRecord {
        partition_id: index.0,
        topic_id: topic.id,
        replicas: ids(&partition.replicas),
        isr: ids(&partition.isr),
        removing_replicas: ids(&partition.removing),
        adding_replicas: ids(&partition.adding),
        leader: partition.leader.0,
        leader_recovery_state: i8::from(partition.recovering),
        leader_epoch: partition.leader_epoch.0,
        partition_epoch: partition.partition_epoch,
        directories: if version >= DIRECTORIES {
            partition.directories.clone()
        } else {
            Vec::new()
        },
        eligible_leader_replicas: some(&partition.elr),
        last_known_elr: some(&partition.last_known_elr),
    })
}

fn ids(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

fn endpoints(of: &[Endpoint]) -> Vec<RegisteredEndpoint<'static>> {
    of.iter()
        .map(|endpoint| RegisteredEndpoint {
            name: endpoint.name.clone().into(),
            host: endpoint.host.clone().into(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        })
        .collect()
}

fn features(of: &[(String, i16, i16)]) -> Vec<RegisteredFeature<'static>> {
    of.iter()
        .map(|(name, min, max)| RegisteredFeature {
            name: name.clone().into(),
            min_supported_version: *min,
            max_supported_version: *max,
        })
        .collect()
}
