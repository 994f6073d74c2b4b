//! The cluster's metadata, as KRaft keeps it (KIP-500, KIP-631): records in `__cluster_metadata-0`,
//! the image that they lead to, and the decisions that append to them.
//!
//! ```text
//! log bytes, snapshots -> State::replay_log -> State { image, quorum, position }
//! request + image      -> create_topics, delete_topics, start, stop ... -> records + answer
//! records              -> State::batch_of -> bytes to append and sync -> State::replay_appended
//! ```
//!
//! Invariants:
//! - The image changes by [`Image::replay`] alone; live traffic, recovery and snapshots share it.
//! - Deciding changes nothing. A decision holds for the image that it was made on: its records are
//!   appended before the next one is made.
//! - We write Kafka's records, in the versions of the log's own metadata.version, and nothing else: a
//!   log that we have written is one that Apache Kafka starts on.
//! - Everything that the log has said is kept, understood by the broker or not, and is in a snapshot.

mod brokers;
mod configs;
mod coordination;
mod features;
mod files;
mod image;
mod json;
mod lifecycle;
mod log;
mod quotas;
mod replay;
mod snapshot;
mod takeover;
mod topics;
pub mod versions;

pub use brokers::unregister_broker;
pub use configs::{
    ConfigChange, ConfigEdit, ConfigRules, ConfigStep, SettingsCheck, alter_configs,
};
pub use coordination::coordinating_partition;
pub use features::{FeatureUpdate, UpgradeType, update_features};
pub use files::{CleanShutdown, FileFault, MetaProperties, QuorumState};
pub use image::{
    Acl, Broker, Controller, DelegationToken, ELR_VERSION, Endpoint, GROUP_VERSION, Image,
    LogPosition, METADATA_VERSION, NO_LEADER, Partition, ProducerIds, QuotaEntity, Resource, Scram,
    Topic, UNASSIGNED_DIRECTORY,
};
pub use lifecycle::{
    Identity, PRODUCER_ID_BLOCK, abort_transaction, allocate_producer_ids, assign_directories,
    bootstrap, bootstrap_features, start, stop,
};
pub use log::{
    BOOTSTRAP_FILE, DIRECTORY, LogFault, Quorum, State, VoterNode, encode_batch,
    encode_control_batch, leader_change, parse_snapshot_name, read_bootstrap, snapshot_name,
    write_bootstrap,
};
pub use quotas::{
    CLIENT_ID, CONSUMER_BYTE_RATE, IP, PRODUCER_BYTE_RATE, QuotaChange, QuotaMatch, QuotaOwner,
    QuotasOf, REQUEST_PERCENTAGE, USER, alter_client_quotas, client_quota, describe_client_quotas,
};
pub use replay::ReplayError;
pub use snapshot::snapshot_records;
pub use takeover::{Refused, check_bootstrap, check_directories, check_state};
pub use topics::{
    ConfigCheck, CreatedTopic, Decision, METADATA_TOPIC_NAME, MorePartitions, NewTopic,
    OFFSETS_TOPIC_NAME, Refusal, TOPIC_NAME_BYTES_MAX, TopicDefaults, check_assignment,
    check_topic_name, create_topics, delete_topics, grow_topics, topic_id,
};

#[cfg(test)]
mod tests;
