//! What a metadata.version allows: which version each record is written in, and which features we
//! know. Records are written for the log's own metadata.version, so that the Kafka that wrote the log
//! can read on.

use super::image::{ELR_VERSION, GROUP_VERSION, Image, METADATA_VERSION, UNASSIGNED_DIRECTORY};
use crate::types::{NodeId, Uuid};
use crate::wire::MetadataRecord;

/// 3.3-IV3: a broker says that it is in controlled shutdown. The oldest that Kafka 4 still reads.
pub const CONTROLLED_SHUTDOWN: i16 = 7;
/// 3.4-IV0: a registration says whether it migrates from ZooKeeper.
pub const MIGRATION: i16 = 8;
/// 3.6-IV1: several batches can be made to count together.
pub const TRANSACTIONS: i16 = 13;
/// 3.7-IV0: controllers register.
pub const CONTROLLER_REGISTRATION: i16 = 15;
/// 3.7-IV2: each replica has a log directory.
pub const DIRECTORIES: i16 = 17;
/// 4.0-IV1: partitions have eligible leader replicas.
pub const ELR: i16 = 23;
/// 4.2-IV1: what we write into a new log.
pub const LATEST: i16 = 29;

/// The feature that counts the forms of the quorum; its level is not a record but a control record.
pub const KRAFT_VERSION: &str = "kraft.version";

/// The features that we know, the lowest and highest level that we can work with, and the level in a
/// new cluster. These are Kafka 4.2's: any other would keep Kafka from starting on our log.
pub const FEATURES: &[(&str, i16, i16, i16)] = &[
    (METADATA_VERSION, CONTROLLED_SHUTDOWN, LATEST, LATEST),
    (ELR_VERSION, 0, 1, 1),
    (GROUP_VERSION, 0, 1, 1),
    ("share.version", 0, 1, 1),
    ("streams.version", 0, 1, 1),
    ("transaction.version", 0, 2, 2),
    (KRAFT_VERSION, 0, 1, 1),
];

/// The version in which to write a record at this metadata.version: the lowest that has all its
/// fields, for those that have several.
pub fn record_version(record: &MetadataRecord<'_>, metadata_version: i16) -> i16 {
    match record {
        MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => match metadata_version
        {
            ELR.. => 2,
            DIRECTORIES.. => 1,
            _ => 0,
        },
        MetadataRecord::RegisterBroker(_) => match metadata_version {
            DIRECTORIES.. => 3,
            MIGRATION.. => 2,
            CONTROLLED_SHUTDOWN.. => 1,
            _ => 0,
        },
        MetadataRecord::BrokerRegistrationChange(change) => {
            if !change.log_dirs.is_empty() {
                2
            } else if change.in_controlled_shutdown != 0 {
                1
            } else {
                0
            }
        }
        _ => 0,
    }
}

/// The directory in which a broker puts a new replica: its only one, or one that it has yet to name.
pub(super) fn directory_of(image: &Image, broker: NodeId) -> Uuid {
    match image.broker(broker).map(|broker| &broker.log_dirs[..]) {
        Some([only]) => *only,
        _ => UNASSIGNED_DIRECTORY,
    }
}
