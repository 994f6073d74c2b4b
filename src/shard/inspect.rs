//! Questions about partitions that change nothing: how large they are, where an epoch ended, who
//! produces. Shard 0 is also asked what room the log directories have.

use super::{Answer, Outbox, ReturnTo, Shard, Waiting};
use crate::group::{ListFilter, ListedGroup};
use crate::io::Space;
use crate::log::ProducerState;
use crate::metadata::VoterNode;
use crate::store::{Task, TaskOutcome};
use crate::types::{LeaderEpoch, NodeId, Offset, PartitionId, Timestamp};
use crate::wire::ErrorCode;
use std::sync::Arc;

/// A question.
#[derive(Debug)]
pub enum InspectAsk {
    /// Every partition of the shard. -> `Sizes`.
    Sizes,
    /// The room that each log directory has (shard 0). -> `Space`.
    Space,
    /// The metadata log's quorum (shard 0). -> `Quorum`.
    Quorum,
    /// Where epochs end. -> `EpochEnds`.
    EpochEnds(Vec<EpochPart>),
    /// The producers of partitions, each with its place in the request. -> `Producers`.
    Producers(Vec<(u32, PartitionId)>),
    /// The groups that are coordinated on the shard. -> `Groups`.
    Groups(ListFilter),
    /// When records were written. -> `Times`.
    Times(Vec<TimePart>),
}

/// The answer to the [`InspectAsk`] that names it.
#[derive(Debug)]
pub enum Inspected {
    /// In no particular order.
    Sizes(Vec<LogSize>),
    /// In the order of `log.dirs`; nothing where the directory is offline.
    Space(Vec<Option<Space>>),
    /// How the quorum stands.
    Quorum(QuorumState),
    /// By the parts' index: the epoch and the offset behind its last record, both -1 if unknown.
    EpochEnds(Vec<(u32, EpochEnd)>),
    /// By the parts' index.
    Producers(Vec<(u32, Result<Vec<ProducerState>, ErrorCode>)>),
    /// In no particular order; COORDINATOR_LOAD_IN_PROGRESS while some are being loaded.
    Groups(Result<Vec<ListedGroup>, ErrorCode>),
    /// By the parts' index: the time of the first record at or behind the place; nothing where there is none,
    /// or it cannot be read.
    Times(Vec<(u32, Option<Timestamp>)>),
}

/// An epoch, and the offset behind its last record.
pub type EpochEnd = Result<(LeaderEpoch, Offset), ErrorCode>;

/// The metadata log's quorum, whose leader is this broker.
#[derive(Clone, PartialEq, Debug)]
pub struct QuorumState {
    /// This node.
    pub leader: NodeId,
    /// The epoch that this start has opened.
    pub epoch: LeaderEpoch,
    /// The end of the log; a lone voter commits what it has.
    pub log_end: Offset,
    /// The voters; a directory of zeros and the addresses of registration where kraft.version is 0.
    pub voters: Vec<VoterNode>,
}

/// The size of a partition's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSize {
    /// Its log directory's index.
    pub log_dir: usize,
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: PartitionId,
    /// Bytes of its segments.
    pub bytes: u64,
}

/// One partition of an OffsetForLeaderEpoch request.
#[derive(Clone, Copy, Debug)]
pub struct EpochPart {
    /// Its place in the request.
    pub index: u32,
    /// The partition.
    pub partition: PartitionId,
    /// The leader epoch the client knows, or unknown.
    pub current: LeaderEpoch,
    /// The epoch whose end is wanted.
    pub wanted: LeaderEpoch,
}

/// A record whose time is wanted.
#[derive(Clone, Copy, Debug)]
pub struct TimePart {
    /// Its place in the question.
    pub index: u32,
    /// The partition.
    pub partition: PartitionId,
    /// The offset.
    pub offset: Offset,
}

impl Shard {
    pub(super) fn inspect(&mut self, from: ReturnTo, ask: InspectAsk, out: &mut Outbox) {
        let answer = match ask {
            InspectAsk::Sizes => Inspected::Sizes(self.sizes()),
            InspectAsk::Space => {
                let directories = self.placement.log_dirs.iter();
                let directories = directories.map(|(path, _)| path.clone()).collect();
                let task = Task::MeasureSpace { directories };
                return self.submit_task(Waiting::Space(from), task, out);
            }
            InspectAsk::Times(parts) => return self.times(from, parts, out),
            InspectAsk::Quorum => Inspected::Quorum(self.quorum()),
            InspectAsk::Groups(filter) => Inspected::Groups(self.list_groups(&filter)),
            InspectAsk::EpochEnds(parts) => {
                let ends = parts.iter().map(|part| (part.index, self.epoch_end(part)));
                Inspected::EpochEnds(ends.collect())
            }
            InspectAsk::Producers(parts) => {
                let producers = parts.iter().map(|(index, id)| {
                    let slot = self.check_leader(*id, LeaderEpoch::UNKNOWN);
                    let states = slot.map(|slot| self.slot(slot).store.log().producer_states());
                    (*index, states)
                });
                Inspected::Producers(producers.collect())
            }
        };
        out.answer(from, Answer::Inspected(answer));
    }

    fn sizes(&self) -> Vec<LogSize> {
        let slots = self.partitions.slots();
        let partitions = slots.filter_map(|slot| self.slots[slot as usize].as_ref());
        partitions
            .map(|partition| LogSize {
                log_dir: partition.log_dir,
                topic: partition.topic.clone(),
                partition: partition.id,
                bytes: partition.store.log().size(),
            })
            .collect()
    }

    fn epoch_end(&mut self, part: &EpochPart) -> EpochEnd {
        let slot = self.check_leader(part.partition, part.current)?;
        let log = self.slot(slot).store.log();
        Ok(log.epochs().end_offset_for(part.wanted, log.log_end()))
    }

    pub(super) fn space_measured(
        &mut self,
        from: ReturnTo,
        outcome: TaskOutcome,
        out: &mut Outbox,
    ) {
        let TaskOutcome::Space(measured) = outcome else {
            unreachable!("space is measured")
        };
        let directories = self.placement.log_dirs.iter().zip(measured);
        let space = directories
            .enumerate()
            .map(|(log_dir, ((path, _), space))| {
                space
                    .inspect_err(|error| tracing::error!("{}: {error}", path.display()))
                    .ok()
                    .filter(|_| !self.failed_dirs.contains(&log_dir))
            });
        out.answer(from, Answer::Inspected(Inspected::Space(space.collect())));
    }
}
