//! AlterReplicaLogDirs (34): moves replicas between the log directories of a broker (KIP-113).

use super::message::*;
use super::{ErrorCode, Str};

message! {
    /// Asks for moves.
    AlterReplicaLogDirsRequest<'a> key 34 versions [1-2] flexible [2+] {
        /// The directories to move to.
        dirs:  Vec<AlterReplicaLogDir<'a>>  [0+];
    }

    /// A directory.
    struct AlterReplicaLogDir<'a> {
        /// Its absolute path.
        path:    Str<'a>                           [0+];
        /// The topics to move there.
        topics:  Vec<AlterReplicaLogDirTopic<'a>>  [0+];
    }

    /// A topic.
    struct AlterReplicaLogDirTopic<'a> {
        /// The name.
        name:        Str<'a>   [0+];
        /// Its partitions.
        partitions:  Vec<i32>  [0+];
    }
}

message! {
    /// Which moves have begun.
    AlterReplicaLogDirsResponse<'a> key 34 versions [1-2] flexible [2+] {
        /// How long the quota holds the client back.
        throttle_time_ms:  i32                                      [0+];
        /// The topics.
        results:           Vec<AlterReplicaLogDirTopicResult<'a>>  [0+];
    }

    /// A topic.
    struct AlterReplicaLogDirTopicResult<'a> {
        /// The name.
        topic_name:  Str<'a>                                  [0+];
        /// Its partitions.
        partitions:  Vec<AlterReplicaLogDirPartitionResult>  [0+];
    }

    /// A partition.
    struct AlterReplicaLogDirPartitionResult {
        /// The partition.
        partition_index:  i32        [0+];
        /// Error of this partition.
        error_code:       ErrorCode  [0+];
    }
}
