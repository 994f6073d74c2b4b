//! OffsetCommit, OffsetFetch and OffsetDelete.

use super::call::{
    Call, Commit, CommitPartition, Committed, CommittedTopic, DeleteOffsets, FetchOffsets,
    FetchTopic, FetchedOffset, FetchedTopic, OffsetsDeleted, OffsetsFetched, Reply,
};
use super::coordinator::{Coordinator, Record};
use super::kind::Kind;
use super::offsets::{self, Offsets};
use super::records;
use super::turn::Draft;
use crate::types::{LeaderEpoch, Now, Offset, PartitionIndex, ReturnTo, Timestamp, TopicId};
use crate::wire::ErrorCode;

impl Coordinator {
    /// OffsetCommit. All of it is committed, but for metadata that is too long, or nothing.
    pub(in crate::group) fn commit(
        &mut self,
        now: Now,
        commit: Commit,
        draft: &mut Draft,
    ) -> Committed {
        if let Err(error) = self.check_commit(now, &commit, draft) {
            return Committed::refused(error, &commit.topics);
        }
        let metadata_max = usize::try_from(self.config.offset_metadata_max).unwrap_or(0);
        let expires = match commit.retention_ms {
            Some(retention_ms) => Timestamp(now.wall.0.saturating_add(retention_ms)),
            None => Timestamp::NONE,
        };
        let mut written: Vec<Record> = Vec::new();
        let mut can_be_written = true;
        let mut topics = Vec::with_capacity(commit.topics.len());
        for topic in commit.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                if is_longer(partition.metadata.as_deref(), metadata_max) {
                    partitions.push((partition.index, ErrorCode::OFFSET_METADATA_TOO_LARGE));
                    continue;
                }
                let committed = committed(partition, topic.id, now.wall, expires);
                let index = partition.index;
                let record = records::offset(&commit.group, &topic.name, index, &committed);
                can_be_written &= record.is_some();
                written.extend(record);
                partitions.push((index, ErrorCode::NONE));
            }
            topics.push(CommittedTopic {
                name: topic.name,
                id: topic.id,
                partitions,
            });
        }
        let mut committed = Committed { topics };
        if !can_be_written || !draft.push_all(written) {
            // Kafka 4's coordinator says UNKNOWN_SERVER_ERROR here; before, it used the code that was
            // made for it, which every client knows.
            committed.fail(ErrorCode::INVALID_COMMIT_OFFSET_SIZE);
        }
        committed
    }

    fn check_commit(
        &mut self,
        now: Now,
        commit: &Commit,
        draft: &mut Draft,
    ) -> Result<(), ErrorCode> {
        match self.find(&commit.group) {
            Some(number) => match &self.groups[&number].kind {
                Kind::Consumer(consumer) => consumer.check_commit(commit),
                Kind::Classic(_) => self.turn(number, now, draft, |classic, turn| {
                    classic.check_commit(commit, turn)
                }),
            },
            // The commit makes a group that only keeps offsets.
            None if commit.generation < 0 => Ok(()),
            None if commit.knows_member_epochs => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            None => Err(ErrorCode::ILLEGAL_GENERATION),
        }
    }

    /// OffsetFetch. Of a group that does not exist, nothing is committed.
    pub(in crate::group) fn fetch(&self, fetch: FetchOffsets) -> OffsetsFetched {
        let group = self.get(&fetch.group);
        if let Some(Kind::Consumer(consumer)) = group.map(|group| &group.kind)
            && let Err(error) = consumer.check_fetch(&fetch)
        {
            return OffsetsFetched {
                error,
                topics: Vec::new(),
            };
        }
        let offsets = group.map(|group| &group.offsets);
        let topics = match fetch.topics {
            Some(topics) => topics
                .into_iter()
                .map(|topic| fetch_named(offsets, topic))
                .collect(),
            None => offsets.map(fetch_all).unwrap_or_default(),
        };
        OffsetsFetched {
            error: ErrorCode::NONE,
            topics,
        }
    }

    /// OffsetDelete. More than a batch holds is deleted in several turns, and answered in the last.
    pub(in crate::group) fn delete_offsets(
        &mut self,
        now: Now,
        caller: ReturnTo,
        delete: DeleteOffsets,
        draft: &mut Draft,
    ) {
        let refused = |error| {
            Reply::OffsetsDeleted(OffsetsDeleted {
                error,
                topics: Vec::new(),
            })
        };
        let Some(group) = self.get(&delete.group) else {
            return draft.reply(caller, refused(ErrorCode::GROUP_ID_NOT_FOUND));
        };
        if let Err(error) = group.kind.check_delete_offsets() {
            return draft.reply(caller, refused(error));
        }
        let mut topics = Vec::with_capacity(delete.topics.len());
        for (topic, partitions) in &delete.topics {
            if group.kind.may_read(topic) {
                let error = ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC;
                let partitions = partitions.iter().map(|index| (*index, error));
                topics.push((topic.clone(), partitions.collect()));
                continue;
            }
            for index in partitions {
                if group.offsets.get(topic, *index).is_none() {
                    continue;
                }
                let record = records::no_offset(&delete.group, topic, *index);
                if !record.is_some_and(|record| draft.push(record)) {
                    if !draft.has_records() {
                        return draft.reply(caller, refused(ErrorCode::UNKNOWN_SERVER_ERROR));
                    }
                    return self.chores.defer(now, caller, Call::DeleteOffsets(delete));
                }
            }
            let partitions = partitions.iter().map(|index| (*index, ErrorCode::NONE));
            topics.push((topic.clone(), partitions.collect()));
        }
        let deleted = OffsetsDeleted {
            error: ErrorCode::NONE,
            topics,
        };
        draft.reply(caller, Reply::OffsetsDeleted(deleted));
    }
}

/// Whether the string has more than so many UTF-16 units, as Java counts.
fn is_longer(text: Option<&str>, units_max: usize) -> bool {
    let text = text.unwrap_or_default();
    text.len() > units_max && text.encode_utf16().count() > units_max
}

fn committed(
    partition: &CommitPartition,
    topic_id: TopicId,
    now: Timestamp,
    expires: Timestamp,
) -> offsets::Committed {
    offsets::Committed {
        offset: partition.offset,
        leader_epoch: partition.leader_epoch,
        metadata: partition.metadata.as_deref().unwrap_or_default().into(),
        committed: now,
        expires,
        topic_id,
    }
}

fn fetch_named(offsets: Option<&Offsets>, topic: FetchTopic) -> FetchedTopic {
    let partitions = topic.partitions.iter().map(|index| {
        let known = offsets.and_then(|offsets| offsets.get(&topic.name, *index));
        let known = known.filter(|known| {
            known.topic_id.is_zero() || topic.id.is_zero() || known.topic_id == topic.id
        });
        fetched(*index, known)
    });
    FetchedTopic {
        partitions: partitions.collect(),
        name: topic.name.as_str().into(),
        id: topic.id,
    }
}

fn fetch_all(offsets: &Offsets) -> Vec<FetchedTopic> {
    let topics = offsets.topics().map(|(name, partitions)| FetchedTopic {
        name: name.clone(),
        id: TopicId::ZERO,
        partitions: partitions
            .map(|(index, known)| fetched(index, Some(known)))
            .collect(),
    });
    topics.collect()
}

fn fetched(index: PartitionIndex, known: Option<&offsets::Committed>) -> FetchedOffset {
    FetchedOffset {
        index,
        offset: known.map_or(Offset::UNKNOWN, |known| known.offset),
        leader_epoch: known.map_or(LeaderEpoch::UNKNOWN, |known| known.leader_epoch),
        metadata: known.map_or_else(String::new, |known| known.metadata.to_string()),
        error: ErrorCode::NONE,
    }
}
