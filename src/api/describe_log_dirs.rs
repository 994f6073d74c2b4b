//! DescribeLogDirs: what lies in the log directories, asked of every shard, and what room is left
//! there. Partitions that are not here are passed over, as in Kafka.

use super::{Context, Head, Pending, Progress};
use crate::io::{Pieces, Space};
use crate::shard::{Ask, InspectAsk, Inspected, LogSize};
use crate::types::ShardId;
use crate::wire::{
    DecodeError, DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic, ErrorCode,
};
use std::collections::{BTreeMap, BTreeSet};

/// A request that waits for every shard.
pub struct DescribeLogDirs {
    head: Head,
    /// Nothing for all.
    wanted: Option<BTreeSet<(String, i32)>>,
    sizes: Vec<LogSize>,
    space: Vec<Option<Space>>,
    missing: usize,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: DescribeLogDirsRequest<'_> = head.decode(&frame)?;
    let wanted = request.topics.as_ref().map(|topics| {
        let partitions = topics.iter().flat_map(|topic| {
            let indexes = topic.partitions.iter();
            indexes.map(|index| (topic.topic.to_string(), *index))
        });
        partitions.collect()
    });
    let asks = &mut context.asks.asks;
    asks.push((Context::CONTROLLER, Ask::Inspect(InspectAsk::Space)));
    for shard in 0..context.shards {
        asks.push((ShardId(shard), Ask::Inspect(InspectAsk::Sizes)));
    }
    Ok(Progress::Wait(Pending::DescribeLogDirs(DescribeLogDirs {
        head: *head,
        wanted,
        sizes: Vec::new(),
        space: Vec::new(),
        missing: usize::from(context.shards) + 1,
    })))
}

impl DescribeLogDirs {
    /// Takes the answer of one shard.
    pub(super) fn answered(mut self, context: &Context<'_>, answer: Inspected) -> Progress {
        match answer {
            Inspected::Sizes(sizes) => self.sizes.extend(sizes),
            Inspected::Space(space) => self.space = space,
            answer => unreachable!("nobody asked for {answer:?}"),
        }
        self.missing -= 1;
        if self.missing > 0 {
            return Progress::Wait(Pending::DescribeLogDirs(self));
        }
        let mut by_dir: Vec<BTreeMap<&str, Vec<DescribeLogDirsPartition>>> =
            vec![BTreeMap::new(); context.config.log_dirs.len()];
        for size in &self.sizes {
            let index = size.partition.index.0;
            let is_wanted = self
                .wanted
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&(size.topic.to_string(), index)));
            if is_wanted {
                by_dir[size.log_dir].entry(&size.topic).or_default().push(
                    DescribeLogDirsPartition {
                        partition_index: index,
                        partition_size: size.bytes as i64,
                        ..Default::default()
                    },
                );
            }
        }
        let directories = context.config.log_dirs.iter().zip(by_dir).zip(&self.space);
        let results = directories.map(|((path, topics), space)| {
            let log_dir = super::absolute(path).display().to_string().into();
            let Some(space) = space else {
                return DescribeLogDirsResult {
                    error_code: ErrorCode::KAFKA_STORAGE_ERROR,
                    log_dir,
                    ..Default::default()
                };
            };
            DescribeLogDirsResult {
                log_dir,
                topics: topics.into_iter().map(topic).collect(),
                total_bytes: i64::try_from(space.total).unwrap_or(i64::MAX),
                usable_bytes: i64::try_from(space.usable).unwrap_or(i64::MAX),
                ..Default::default()
            }
        });
        let response = DescribeLogDirsResponse {
            results: results.collect(),
            ..Default::default()
        };
        self.head.reply(&response)
    }
}

fn topic(
    (name, mut partitions): (&str, Vec<DescribeLogDirsPartition>),
) -> DescribeLogDirsTopic<'static> {
    partitions.sort_by_key(|partition| partition.partition_index);
    DescribeLogDirsTopic {
        name: name.to_string().into(),
        partitions,
    }
}
