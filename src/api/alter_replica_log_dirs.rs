//! AlterReplicaLogDirs. A partition that lies in the directory already is done with; moving one to
//! another directory of this broker is not served yet and answered UNSUPPORTED_VERSION, which the
//! clients show as it is (REPLICA_NOT_AVAILABLE would make `kafka-reassign-partitions.sh` wait for a
//! move that never begins, and KAFKA_STORAGE_ERROR would send people looking for a broken disk).

use super::{Context, Head, Pending, Progress};
use crate::io::Pieces;
use crate::limits;
use crate::shard::{Ask, InspectAsk, Inspected, LogSize};
use crate::types::ShardId;
use crate::wire::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse, DecodeError, ErrorCode,
};
use std::collections::BTreeMap;

/// `.<32 hex>-future`, by which Kafka tells the directory of a replica that is moving in.
const FUTURE_SUFFIX_BYTES: usize = ".-future".len() + 32;

/// A request that waits for every shard to say what lies where.
pub struct AlterReplicaLogDirs {
    head: Head,
    /// Path, topic, partition.
    moves: Vec<(String, String, i32)>,
    sizes: Vec<LogSize>,
    missing: u16,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: AlterReplicaLogDirsRequest<'_> = head.decode(&frame)?;
    let mut moves = Vec::new();
    for dir in &request.dirs {
        for topic in &dir.topics {
            for index in &topic.partitions {
                moves.push((dir.path.to_string(), topic.name.to_string(), *index));
            }
        }
    }
    for shard in 0..context.shards {
        let ask = Ask::Inspect(InspectAsk::Sizes);
        context.asks.asks.push((ShardId(shard), ask));
    }
    let waiting = AlterReplicaLogDirs {
        head: *head,
        moves,
        sizes: Vec::new(),
        missing: context.shards,
    };
    Ok(Progress::Wait(Pending::AlterReplicaLogDirs(waiting)))
}

impl AlterReplicaLogDirs {
    /// Takes the answer of one shard.
    pub(super) fn answered(mut self, context: &Context<'_>, answer: Inspected) -> Progress {
        let Inspected::Sizes(sizes) = answer else {
            unreachable!("sizes were asked for")
        };
        self.sizes.extend(sizes);
        self.missing -= 1;
        if self.missing > 0 {
            return Progress::Wait(Pending::AlterReplicaLogDirs(self));
        }
        let mut topics: BTreeMap<&str, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
        for (path, topic, index) in &self.moves {
            let result = AlterReplicaLogDirPartitionResult {
                partition_index: *index,
                error_code: self.verdict(context, path, topic, *index),
            };
            topics.entry(topic).or_default().push(result);
        }
        let results = topics
            .into_iter()
            .map(|(name, partitions)| AlterReplicaLogDirTopicResult {
                topic_name: name.into(),
                partitions,
            });
        let response = AlterReplicaLogDirsResponse {
            results: results.collect(),
            ..Default::default()
        };
        self.head.reply(&response)
    }

    /// In Kafka's order.
    fn verdict(&self, context: &Context<'_>, path: &str, topic: &str, index: i32) -> ErrorCode {
        let name_bytes = format!("{topic}-{index}").len() + FUTURE_SUFFIX_BYTES;
        if name_bytes > limits::FILE_NAME_BYTES_MAX {
            return ErrorCode::INVALID_TOPIC_EXCEPTION;
        }
        let mut log_dirs = context.config.log_dirs.iter();
        let Some(target) = log_dirs.position(|dir| super::absolute(dir).as_os_str() == path) else {
            return ErrorCode::LOG_DIR_NOT_FOUND;
        };
        let is_it = |size: &&LogSize| &*size.topic == topic && size.partition.index.0 == index;
        match self.sizes.iter().find(is_it) {
            None => match context.image.topic(topic) {
                Some(known) if super::partition_of(known, index).is_ok() => {
                    ErrorCode::REPLICA_NOT_AVAILABLE
                }
                _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            },
            Some(size) if size.log_dir == target => ErrorCode::NONE,
            Some(_) => {
                tracing::warn!(
                    "{topic}-{index} stays where it is: moving partitions between log directories \
                     is not served yet"
                );
                ErrorCode::UNSUPPORTED_VERSION
            }
        }
    }
}
