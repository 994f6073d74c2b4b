//! Whether a data directory can be served by this node alone. A directory of Apache Kafka is one like
//! ours, unless other nodes have a part in its cluster: then serving it here would split the cluster.

use super::files::MetaProperties;
use super::image::METADATA_VERSION;
use super::log::{BOOTSTRAP_FILE, State};
use super::versions::{CONTROLLED_SHUTDOWN, FEATURES, KRAFT_VERSION, LATEST};
use crate::limits::METADATA_BATCH_RECORDS_MAX;
use crate::types::{NodeId, Uuid};
use crate::wire::MetadataRecord;
use std::fmt;

/// Why a data directory is not served. The text says what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// `meta.properties` belongs to another node.
    Node {
        /// The node that the directory belongs to.
        directory: NodeId,
        /// `node.id`.
        configured: NodeId,
    },
    /// Two log directories belong to two clusters.
    Clusters(String, String),
    /// The quorum has voters besides us, or does not have us.
    Voters(Vec<NodeId>),
    /// We are the voter, but from another metadata directory.
    VoterDirectory {
        /// The directory that the log names.
        expected: Uuid,
        /// The one at hand.
        found: Uuid,
    },
    /// Another broker is registered.
    Broker(NodeId),
    /// A partition has replicas elsewhere.
    Replicas {
        /// Topic and partition.
        partition: String,
        /// Where its replicas are.
        replicas: Vec<NodeId>,
    },
    /// The log does not say its metadata.version, or it is one that we do not know.
    MetadataVersion(i16),
    /// A feature that we do not know, or at a level that we do not.
    Feature {
        /// The feature.
        name: String,
        /// Its level.
        level: i16,
    },
    /// `bootstrap.checkpoint` holds what no new cluster begins with.
    Bootstrap(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Node {
                directory,
                configured,
            } => write!(
                f,
                "the data directory belongs to node {directory}: set node.id={directory} instead of \
                 {configured}, or use another directory"
            ),
            Refused::Clusters(one, other) => write!(
                f,
                "the log directories belong to two clusters, {one} and {other}: take those of one \
                 cluster"
            ),
            Refused::Voters(voters) => write!(
                f,
                "the metadata quorum has the voters {}: only a directory whose sole voter is this \
                 node can be served; remove the others first (kafka-metadata-quorum remove-controller)",
                list(voters)
            ),
            Refused::VoterDirectory { expected, found } => write!(
                f,
                "the metadata quorum knows this node with directory {expected}, this is {found}: \
                 restore meta.properties"
            ),
            Refused::Broker(broker) => write!(
                f,
                "broker {broker} is registered in this cluster: move its partitions here, then \
                 remove it (kafka-cluster unregister --id {broker})"
            ),
            Refused::Replicas {
                partition,
                replicas,
            } => write!(
                f,
                "partition {partition} is on the brokers {}: reassign it to this node alone first \
                 (kafka-reassign-partitions)",
                list(replicas)
            ),
            Refused::MetadataVersion(0) => write!(
                f,
                "the metadata log does not say its metadata.version: start it once with Apache \
                 Kafka 4"
            ),
            Refused::MetadataVersion(level) => write!(
                f,
                "metadata.version is at level {level}, this release knows {CONTROLLED_SHUTDOWN} to \
                 {LATEST}: change it with Apache Kafka (kafka-features)"
            ),
            Refused::Bootstrap(what) => write!(
                f,
                "{BOOTSTRAP_FILE} holds {what}: format the directory anew (kafka-storage format)"
            ),
            Refused::Feature { name, level } => write!(
                f,
                "the feature {name} is finalized at level {level}, which this release does not know: \
                 lower it with Apache Kafka (kafka-features downgrade)"
            ),
        }
    }
}

impl std::error::Error for Refused {}

/// Checks the `meta.properties` of all log directories against each other and `node.id`.
///
/// # Errors
/// [`Refused::Node`] and [`Refused::Clusters`].
pub fn check_directories(
    directories: &[MetaProperties],
    configured: NodeId,
) -> Result<(), Refused> {
    for meta in directories {
        if meta.node_id != configured {
            return Err(Refused::Node {
                directory: meta.node_id,
                configured,
            });
        }
        if meta.cluster_id != directories[0].cluster_id {
            return Err(Refused::Clusters(
                directories[0].cluster_id.clone(),
                meta.cluster_id.clone(),
            ));
        }
    }
    Ok(())
}

/// Checks the records that a new log is to begin with: features, settings and credentials are what
/// Kafka's own tools write. Nothing else could be, in a log that has no topics and no brokers yet.
///
/// # Errors
/// [`Refused::Bootstrap`].
pub fn check_bootstrap(records: &[MetadataRecord<'_>]) -> Result<(), Refused> {
    // With the transaction around them they are one batch.
    if records.len() > METADATA_BATCH_RECORDS_MAX / 2 {
        return Err(Refused::Bootstrap(format!("{} records", records.len())));
    }
    let other = records.iter().find(|record| {
        !matches!(
            record,
            MetadataRecord::FeatureLevel(_)
                | MetadataRecord::Config(_)
                | MetadataRecord::UserScramCredential(_)
                | MetadataRecord::ZkMigrationState(_)
                | MetadataRecord::NoOp(_)
        )
    });
    match other {
        Some(other) => Err(Refused::Bootstrap(format!(
            "a record of type {}",
            other.record_type()
        ))),
        None => Ok(()),
    }
}

/// Checks what the metadata log leads to. `directory` is the id of the directory that holds it;
/// `voters` are those of the configuration or of `quorum-state`, asked if the log names none; if
/// neither does, the voter is us. Not for a log that is still empty.
///
/// # Errors
/// The first obstacle.
pub fn check_state(
    state: &State,
    node: NodeId,
    directory: Option<Uuid>,
    voters: Option<&[NodeId]>,
) -> Result<(), Refused> {
    if let Some(known) = &state.quorum.voters {
        let ids: Vec<NodeId> = known.iter().map(|voter| voter.id).collect();
        if ids != [node] {
            return Err(Refused::Voters(ids));
        }
        if let Some(found) = directory
            && found != known[0].directory
        {
            return Err(Refused::VoterDirectory {
                expected: known[0].directory,
                found,
            });
        }
    } else if let Some(voters) = voters
        && voters != [node]
    {
        return Err(Refused::Voters(voters.to_vec()));
    }
    let image = &state.image;
    match image.metadata_version() {
        CONTROLLED_SHUTDOWN..=LATEST => {}
        other => return Err(Refused::MetadataVersion(other)),
    }
    for (name, level) in image.features() {
        let known = FEATURES
            .iter()
            .any(|(known, min, max, _)| known == name && (*min..=*max).contains(level));
        if !known && name != METADATA_VERSION {
            return Err(Refused::Feature {
                name: name.clone(),
                level: *level,
            });
        }
    }
    if !(0..=1).contains(&state.quorum.kraft_version) {
        return Err(Refused::Feature {
            name: KRAFT_VERSION.to_string(),
            level: state.quorum.kraft_version,
        });
    }
    if let Some(other) = image.brokers().find(|broker| broker.id != node) {
        return Err(Refused::Broker(other.id));
    }
    for (topic, index, partition) in image.partitions() {
        if partition.replicas != [node] {
            return Err(Refused::Replicas {
                partition: format!("{}-{index}", topic.name),
                replicas: partition.replicas.clone(),
            });
        }
    }
    Ok(())
}

fn list(nodes: &[NodeId]) -> String {
    let texts: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
    texts.join(", ")
}
