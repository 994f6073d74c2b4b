//! The cluster as its metadata log tells it: what every shard and every API looks things up in.
//!
//! An image is immutable for its readers: the owner of the log replays records into its own copy and
//! hands out clones. A clone shares everything (each map and each topic is behind an [`Arc`]), and a
//! replay copies only the map it changes. All maps are ordered, so that two replays of one log look
//! alike in every walk over them.

use super::versions::KRAFT_VERSION;
use crate::types::{LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId, Uuid};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The name of the feature whose level is the version of the metadata records themselves.
pub const METADATA_VERSION: &str = "metadata.version";
/// The name of the feature that keeps eligible leader replicas (KIP-966).
pub const ELR_VERSION: &str = "eligible.leader.replicas.version";
/// The feature that lets consumers use the protocol of KIP-848.
pub const GROUP_VERSION: &str = "group.version";
/// A directory of a replica that no broker has named yet.
pub const UNASSIGNED_DIRECTORY: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
/// The leader of a partition that has none.
pub const NO_LEADER: NodeId = NodeId(-1);

/// Everything that the metadata log has said.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Image {
    pub(super) topics: Arc<Topics>,
    pub(super) configs: Arc<BTreeMap<Resource, Arc<BTreeMap<String, String>>>>,
    pub(super) features: Arc<BTreeMap<String, i16>>,
    /// The level of kraft.version, which control records of the quorum tell.
    pub(super) kraft_version: i16,
    /// Grows with every change of `features`, also over restarts: at each start it is at least the
    /// offset of the broker's registration, and every change is a record that takes an offset.
    pub(super) features_epoch: i64,
    pub(super) brokers: Arc<BTreeMap<NodeId, Arc<Broker>>>,
    pub(super) controllers: Arc<BTreeMap<NodeId, Arc<Controller>>>,
    pub(super) producer_ids: ProducerIds,
    pub(super) scram: Arc<BTreeMap<(i8, String), Scram>>,
    pub(super) acls: Arc<BTreeMap<Uuid, Acl>>,
    pub(super) quotas: Arc<BTreeMap<QuotaEntity, BTreeMap<String, f64>>>,
    pub(super) tokens: Arc<BTreeMap<String, DelegationToken>>,
    /// The image with the records of an open metadata transaction (KIP-868) on top: it replaces this
    /// one when the transaction ends and is dropped when it is aborted.
    pub(super) pending: Option<Box<Image>>,
}

/// The topics, by id and by name.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Topics {
    pub(super) by_id: BTreeMap<TopicId, Arc<Topic>>,
    pub(super) by_name: BTreeMap<String, TopicId>,
}

/// A topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    /// Its id, which a topic created later under the same name does not have.
    pub id: TopicId,
    /// Its name.
    pub name: Arc<str>,
    /// Its partitions, by index; without gaps once the batch that made the topic is replayed.
    pub partitions: BTreeMap<PartitionIndex, Partition>,
}

/// A partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    /// The brokers that hold it, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// The log directory of each replica, parallel to `replicas`; empty below metadata.version 17.
    pub directories: Vec<Uuid>,
    /// The replicas in sync.
    pub isr: Vec<NodeId>,
    /// The replicas that a reassignment takes away.
    pub removing: Vec<NodeId>,
    /// The replicas that a reassignment adds.
    pub adding: Vec<NodeId>,
    /// The leader, [`NO_LEADER`] if there is none.
    pub leader: NodeId,
    /// Whether the leader was elected without being in sync and has not yet recovered.
    pub recovering: bool,
    /// Counts the leaders.
    pub leader_epoch: LeaderEpoch,
    /// Counts the changes.
    pub partition_epoch: i32,
    /// Replicas out of sync that hold everything up to the high watermark (KIP-966).
    pub elr: Vec<NodeId>,
    /// Who led last, where nobody is known to hold everything.
    pub last_known_elr: Vec<NodeId>,
}

/// What a configuration belongs to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Resource {
    /// Kafka's type: 2 topic, 4 broker, 16 client metrics, 32 group.
    pub kind: i8,
    /// The topic, the broker's id as text (`""`: all brokers), and so on.
    pub name: String,
}

impl Resource {
    /// Kafka's type of a topic's configuration.
    pub const TOPIC: i8 = 2;
    /// Kafka's type of a broker's configuration.
    pub const BROKER: i8 = 4;

    /// Kafka's type of a broker's loggers, which are not kept in the metadata.
    pub const BROKER_LOGGER: i8 = 8;
    /// Kafka's type of a client metrics subscription.
    pub const CLIENT_METRICS: i8 = 16;
    /// Kafka's type of a group's configuration.
    pub const GROUP: i8 = 32;

    /// A topic's configuration.
    pub fn topic(name: &str) -> Resource {
        Resource {
            kind: Resource::TOPIC,
            name: name.to_string(),
        }
    }

    /// A broker's configuration.
    pub fn broker(id: NodeId) -> Resource {
        Resource {
            kind: Resource::BROKER,
            name: id.to_string(),
        }
    }

    /// What all brokers have as default.
    pub fn cluster() -> Resource {
        Resource {
            kind: Resource::BROKER,
            name: String::new(),
        }
    }
}

/// A broker's registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broker {
    /// The broker.
    pub id: NodeId,
    /// The id of this run of its process.
    pub incarnation: Uuid,
    /// The offset of its registration: a later registration has a higher one.
    pub epoch: i64,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// The features that it supports: name, lowest and highest level.
    pub features: Vec<(String, i16, i16)>,
    /// Its rack.
    pub rack: Option<String>,
    /// Whether it may not lead.
    pub fenced: bool,
    /// Whether it is on its way down.
    pub in_controlled_shutdown: bool,
    /// Its log directories.
    pub log_dirs: Vec<Uuid>,
}

impl Broker {
    /// Whether it may lead partitions and be in sync.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }
}

/// Where a node listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// The listener's name.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// A controller's registration (KIP-919).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Controller {
    /// The controller.
    pub id: NodeId,
    /// The id of this run of its process.
    pub incarnation: Uuid,
    /// Whether it can take over from ZooKeeper.
    pub zk_migration_ready: bool,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// The features that it supports: name, lowest and highest level.
    pub features: Vec<(String, i16, i16)>,
}

/// The blocks of producer ids given out so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerIds {
    /// The broker that got the last block.
    pub broker: NodeId,
    /// That broker's epoch.
    pub broker_epoch: i64,
    /// The first id of the next block.
    pub next: i64,
}

impl Default for ProducerIds {
    fn default() -> ProducerIds {
        ProducerIds {
            broker: NodeId(-1),
            broker_epoch: -1,
            next: 0,
        }
    }
}

/// A SCRAM credential (RFC 5802).
#[derive(Clone, PartialEq, Eq)]
pub struct Scram {
    /// The salt.
    pub salt: Vec<u8>,
    /// H(ClientKey).
    pub stored_key: Vec<u8>,
    /// The server's key.
    pub server_key: Vec<u8>,
    /// How often it was hashed.
    pub iterations: i32,
}

impl std::fmt::Debug for Scram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scram({} iterations, keys not shown)", self.iterations)
    }
}

/// An access control entry; the numbers are those of Kafka's protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acl {
    /// Kind of resource.
    pub resource_type: i8,
    /// Its name, prefix or `*`.
    pub resource_name: String,
    /// How the name is meant.
    pub pattern_type: i8,
    /// `User:name`.
    pub principal: String,
    /// Client address or `*`.
    pub host: String,
    /// What it is about to do.
    pub operation: i8,
    /// Allowed or denied.
    pub permission: i8,
}

/// Whom a quota binds: pairs of kind (`user`, `client-id`, `ip`) and name (`None`: the default).
pub type QuotaEntity = Vec<(String, Option<String>)>;

/// A delegation token (KIP-48).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DelegationToken {
    /// The principal that it stands for.
    pub owner: String,
    /// Who asked for it.
    pub requester: String,
    /// Who may renew it.
    pub renewers: Vec<String>,
    /// When it was made, ms.
    pub issued: i64,
    /// When it expires, ms.
    pub expires: i64,
    /// The latest that it may be renewed to, ms.
    pub expires_max: i64,
}

impl Image {
    /// A cluster without anything.
    pub fn new() -> Image {
        Image::default()
    }

    /// The topic of this name.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.by_id.get(self.topics.by_name.get(name)?)
    }

    /// The topic with this id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics.by_id.get(&id)
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics
            .by_name
            .values()
            .filter_map(|id| self.topics.by_id.get(id))
    }

    /// The topics behind that name, by name.
    pub fn topics_after(&self, name: &str) -> impl Iterator<Item = &Arc<Topic>> {
        let behind = (Bound::Excluded(name), Bound::Unbounded);
        let ids = self.topics.by_name.range::<str, _>(behind);
        ids.filter_map(|(_, id)| self.topics.by_id.get(id))
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.by_id.len()
    }

    /// What was set for this resource; what was not has its default.
    pub fn config(&self, resource: &Resource) -> Option<&Arc<BTreeMap<String, String>>> {
        self.configs.get(resource)
    }

    /// What was set for all brokers.
    pub fn cluster_config(&self) -> &BTreeMap<String, String> {
        static NOTHING: BTreeMap<String, String> = BTreeMap::new();
        self.config(&Resource::cluster())
            .map_or(&NOTHING, |set| &**set)
    }

    /// One value that was set for this resource.
    pub fn config_value(&self, resource: &Resource, key: &str) -> Option<&str> {
        self.configs.get(resource)?.get(key).map(String::as_str)
    }

    /// All resources with something set.
    pub fn configs(&self) -> impl Iterator<Item = (&Resource, &Arc<BTreeMap<String, String>>)> {
        self.configs.iter()
    }

    /// The finalized features that are records of the log, and their levels, none of them 0.
    pub fn features(&self) -> &BTreeMap<String, i16> {
        &self.features
    }

    /// All finalized features and their levels, as clients are told.
    pub fn finalized_features(&self) -> impl Iterator<Item = (&str, i16)> {
        let records = self.features.iter();
        let quorum = (self.kraft_version > 0).then_some((KRAFT_VERSION, self.kraft_version));
        records
            .map(|(name, level)| (name.as_str(), *level))
            .chain(quorum)
    }

    /// A number that is larger after every change of the features, by which clients tell which of two
    /// answers is the newer one.
    pub fn features_epoch(&self) -> i64 {
        self.features_epoch
    }

    /// The level of a feature, 0 if it is not finalized.
    pub fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// The level of metadata.version, 0 before the log has said.
    pub fn metadata_version(&self) -> i16 {
        self.feature(METADATA_VERSION)
    }

    /// Whether eligible leader replicas are kept.
    pub fn keeps_elr(&self) -> bool {
        self.feature(ELR_VERSION) > 0 && self.metadata_version() >= super::versions::ELR
    }

    /// A broker's registration.
    pub fn broker(&self, id: NodeId) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// All registered brokers.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.brokers.values()
    }

    /// All registered controllers.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<Controller>> {
        self.controllers.values()
    }

    /// The producer ids given out so far.
    pub fn producer_ids(&self) -> ProducerIds {
        self.producer_ids
    }

    /// SCRAM credentials by mechanism (1 SHA-256, 2 SHA-512) and user.
    pub fn scram(&self) -> &BTreeMap<(i8, String), Scram> {
        &self.scram
    }

    /// Access control entries by id.
    pub fn acls(&self) -> &BTreeMap<Uuid, Acl> {
        &self.acls
    }

    /// Client quotas by entity.
    pub fn quotas(&self) -> &BTreeMap<QuotaEntity, BTreeMap<String, f64>> {
        &self.quotas
    }

    /// Delegation tokens by id.
    pub fn tokens(&self) -> &BTreeMap<String, DelegationToken> {
        &self.tokens
    }

    /// Whether a metadata transaction has begun and not ended. Nothing of it shows here.
    pub fn in_transaction(&self) -> bool {
        self.pending.is_some()
    }

    /// A partition, with its topic.
    pub fn partition(
        &self,
        topic: TopicId,
        index: PartitionIndex,
    ) -> Option<(&Arc<Topic>, &Partition)> {
        let topic = self.topics.by_id.get(&topic)?;
        Some((topic, topic.partitions.get(&index)?))
    }

    /// All partitions, by topic name and index.
    pub fn partitions(&self) -> impl Iterator<Item = (&Arc<Topic>, PartitionIndex, &Partition)> {
        self.topics().flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(move |(index, partition)| (topic, *index, partition))
        })
    }
}

/// Where in the metadata log an image stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LogPosition {
    /// The offset after the last record.
    pub end: Offset,
    /// The epoch of the last batch, 0 if there is none.
    pub epoch: LeaderEpoch,
}
