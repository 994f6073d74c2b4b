//! A request that waits for answers.

use super::{
    Admission, Context, Progress, alter_client_quotas, alter_configs, alter_replica_log_dirs,
    create_partitions, create_topics, delete_records, delete_topics, describe_log_dirs,
    describe_producers, describe_quorum, fetch, find_coordinator, group_calls, init_producer_id,
    list_groups, list_offsets, metadata, offset_for_leader_epoch, produce, unregister_broker,
    update_features,
};
use crate::shard::Answer;

/// What a waiting request hears.
pub enum Event {
    /// An answer to one of its asks.
    Answer(Answer),
    /// A partition that it watches has more to read.
    Moved,
    /// Its deadline has passed.
    Timeout,
}

/// A request that waits, by its API.
pub enum Pending {
    /// For its time to be counted before it begins.
    Admission(Admission),
    /// For record sets to be committed.
    Produce(Box<produce::Produce>),
    /// For bytes to read, or its deadline.
    Fetch(Box<fetch::Fetch>),
    /// For offsets.
    ListOffsets(list_offsets::ListOffsets),
    /// For topics to be made on the way.
    Metadata(metadata::AutoCreate),
    /// For topics to be made.
    CreateTopics(create_topics::CreateTopics),
    /// For settings to be in force.
    AlterConfigs(alter_configs::AlterConfigs),
    /// For partitions to be made.
    CreatePartitions(create_partitions::CreatePartitions),
    /// For topics to be deleted.
    DeleteTopics(delete_topics::DeleteTopics),
    /// For logs to begin further on.
    DeleteRecords(delete_records::DeleteRecords),
    /// For the sizes of all logs.
    DescribeLogDirs(describe_log_dirs::DescribeLogDirs),
    /// For the state of producers.
    DescribeProducers(describe_producers::DescribeProducers),
    /// For the ends of epochs.
    OffsetForLeaderEpoch(offset_for_leader_epoch::OffsetForLeaderEpoch),
    /// For every shard to say what lies where.
    AlterReplicaLogDirs(alter_replica_log_dirs::AlterReplicaLogDirs),
    /// For how the quorum stands.
    DescribeQuorum(describe_quorum::DescribeQuorum),
    /// For other levels of features.
    UpdateFeatures(update_features::UpdateFeatures),
    /// For a broker to be forgotten.
    UnregisterBroker(unregister_broker::UnregisterBroker),
    /// For quotas to be changed.
    AlterClientQuotas(alter_client_quotas::AlterClientQuotas),
    /// For a producer id.
    InitProducerId(init_producer_id::InitProducerId),
    /// For the topic of groups to be made.
    FindCoordinator(find_coordinator::FindCoordinator),
    /// For the coordinators of groups.
    Groups(Box<group_calls::GroupCalls>),
    /// For the groups of all shards.
    ListGroups(list_groups::ListGroups),
}

impl Pending {
    /// When it wants to hear [`Event::Timeout`], microseconds on the monotonic clock.
    pub fn deadline_us(&self) -> Option<u64> {
        match self {
            Pending::Fetch(fetch) => fetch.deadline_us(),
            _ => None,
        }
    }

    /// Takes what it waited for.
    pub fn handle(self, context: &mut Context<'_>, event: Event) -> Progress {
        match (self, event) {
            (Pending::Admission(it), Event::Answer(Answer::Charged { held_ms })) => {
                it.charged(context, held_ms)
            }
            (Pending::Produce(it), Event::Answer(Answer::Produce(parts))) => {
                it.answered(context, parts)
            }
            (Pending::Produce(it), Event::Answer(Answer::Charged { held_ms })) => {
                it.charged(context, held_ms)
            }
            (Pending::Fetch(it), event) => it.handle(context, event),
            (Pending::ListOffsets(it), Event::Answer(Answer::Offsets(parts))) => it.answered(parts),
            (Pending::Metadata(it), Event::Answer(Answer::Admin(answer))) => {
                it.answered(context, answer)
            }
            (Pending::CreateTopics(it), Event::Answer(Answer::Admin(answer))) => {
                it.answered(context, answer)
            }
            (Pending::AlterConfigs(it), Event::Answer(Answer::Admin(answer))) => {
                it.answered(answer)
            }
            (Pending::CreatePartitions(it), Event::Answer(Answer::Admin(answer))) => {
                it.answered(answer)
            }
            (Pending::DeleteTopics(it), Event::Answer(Answer::Admin(answer))) => {
                it.answered(answer)
            }
            (Pending::InitProducerId(it), Event::Answer(Answer::Admin(answer))) => {
                it.answered(answer)
            }
            (Pending::DeleteRecords(it), Event::Answer(Answer::RecordsDeleted(parts))) => {
                it.answered(parts)
            }
            (Pending::DescribeLogDirs(it), Event::Answer(Answer::Inspected(answer))) => {
                it.answered(context, answer)
            }
            (Pending::DescribeProducers(it), Event::Answer(Answer::Inspected(answer))) => {
                it.answered(answer)
            }
            (Pending::OffsetForLeaderEpoch(it), Event::Answer(Answer::Inspected(answer))) => {
                it.answered(answer)
            }
            (Pending::AlterReplicaLogDirs(it), Event::Answer(Answer::Inspected(answer))) => {
                it.answered(context, answer)
            }
            (Pending::DescribeQuorum(it), Event::Answer(Answer::Inspected(answer))) => {
                it.answered(context.now, answer)
            }
            (Pending::UpdateFeatures(it), Event::Answer(Answer::Admin(answer))) => {
                it.answered(answer)
            }
            (Pending::UnregisterBroker(it), Event::Answer(Answer::Admin(answer))) => {
                it.answered(answer)
            }
            (Pending::AlterClientQuotas(it), Event::Answer(Answer::Admin(answer))) => {
                it.answered(answer)
            }
            (Pending::FindCoordinator(it), Event::Answer(Answer::Admin(answer))) => {
                it.answered(context, answer)
            }
            (Pending::Groups(it), Event::Answer(Answer::Group(reply))) => {
                it.answered(context, *reply)
            }
            (Pending::ListGroups(it), Event::Answer(Answer::Inspected(answer))) => {
                it.answered(answer)
            }
            (_, Event::Answer(answer)) => unreachable!("nobody asked for {answer:?}"),
            (waiting, Event::Moved | Event::Timeout) => Progress::Wait(waiting),
        }
    }

    /// Whether it, or the shards that it asked, hold pieces of its frame.
    pub fn lends_pieces(&self) -> bool {
        matches!(self, Pending::Produce(_) | Pending::Admission(_))
    }

    /// The connection is gone: what the request began is ended.
    pub fn abandon(self, context: &mut Context<'_>) {
        if let Pending::Fetch(mut fetch) = self {
            fetch.abandon(context);
        }
    }
}
