//! OffsetFetch: what groups have committed; of one group, or (version 8 on, KIP-709) of several. A
//! partition without an offset is answered with -1 and without an error, whether it exists or not.

use super::{Context, Head, Progress, group_calls};
use crate::group::{Call, FetchOffsets, FetchTopic, FetchedOffset, OffsetsFetched, Reply};
use crate::io::Pieces;
use crate::types::{Few, Offset, PartitionIndex, TopicId};
use crate::wire::{
    DecodeError, ErrorCode, OffsetFetchGroup, OffsetFetchGroupResponse,
    OffsetFetchPartitionResponse, OffsetFetchRequest, OffsetFetchResponse, OffsetFetchTopic,
    OffsetFetchTopicResponse,
};

/// A group of the request.
struct Asked {
    group: String,
    /// Topics of ids that nobody has: the coordinator does not hear of them.
    unknown: Vec<(TopicId, Vec<i32>)>,
    /// What was asked of the coordinator; kept for version 1 alone, which has to be told an error of the
    /// group at each partition.
    partitions: Vec<FetchTopic>,
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: OffsetFetchRequest<'_> = head.decode(&frame)?;
    let require_stable = request.require_stable;
    let groups = match head.version {
        8.. => request.groups,
        _ => vec![OffsetFetchGroup {
            group_id: request.group_id,
            topics: request.topics,
            ..Default::default()
        }],
    };
    let mut all = Vec::with_capacity(groups.len());
    let mut calls = Vec::with_capacity(groups.len());
    for group in groups {
        let id = group.group_id.into_owned();
        let mut unknown = Vec::new();
        let topics = group.topics.map(|topics| {
            let known = topics.into_iter().filter_map(|topic| {
                let found = fetch_topic(context, head.version, topic);
                found.map_err(|topic| unknown.push(topic)).ok()
            });
            known.collect::<Vec<_>>()
        });
        let is_without_group_error = head.version < 2;
        all.push(Asked {
            group: id.clone(),
            unknown,
            partitions: match &topics {
                Some(topics) if is_without_group_error => topics.clone(),
                _ => Vec::new(),
            },
        });
        calls.push(Call::Fetch(FetchOffsets {
            group: id,
            member: group.member_id.map(Into::into),
            member_epoch: group.member_epoch,
            topics,
            require_stable,
        }));
    }
    let respond = move |context: &Context<'_>, head: &Head, replies: Few<Reply>| {
        let fetched = replies.into_iter().map(|reply| match reply {
            Reply::OffsetsFetched(fetched) => fetched,
            reply => unreachable!("a fetch of offsets is not answered by {reply:?}"),
        });
        let fetched: Vec<OffsetsFetched> = fetched.collect();
        head.reply(&response(context, head.version, &all, &fetched))
    };
    Ok(group_calls::make_all(context, head, calls, respond))
}

/// The topic as the coordinator is asked for it, or what to say of an id that nobody has.
fn fetch_topic(
    context: &Context<'_>,
    version: i16,
    topic: OffsetFetchTopic<'_>,
) -> Result<FetchTopic, (TopicId, Vec<i32>)> {
    let name = match version {
        10.. => match context.image.topic_by_id(topic.topic_id) {
            Some(known) => known.name.to_string(),
            None => return Err((topic.topic_id, topic.partition_indexes)),
        },
        _ => topic.name.into_owned(),
    };
    let indexes = topic.partition_indexes.into_iter();
    Ok(FetchTopic {
        name,
        id: topic.topic_id,
        partitions: indexes.map(PartitionIndex).collect(),
    })
}

fn response<'a>(
    context: &Context<'_>,
    version: i16,
    all: &'a [Asked],
    fetched: &'a [OffsetsFetched],
) -> OffsetFetchResponse<'a> {
    let groups = all.iter().zip(fetched);
    let mut groups = groups.map(|(asked, fetched)| match (version, fetched.error) {
        (..2, error) if error != ErrorCode::NONE => OffsetFetchGroupResponse {
            topics: asked
                .partitions
                .iter()
                .map(|it| failed(it, error))
                .collect(),
            ..Default::default()
        },
        (_, error) => OffsetFetchGroupResponse {
            group_id: asked.group.as_str().into(),
            topics: match error {
                ErrorCode::NONE => topics(context, version, asked, fetched),
                _ => Vec::new(),
            },
            error_code: error,
        },
    });
    if version >= 8 {
        return OffsetFetchResponse {
            groups: groups.collect(),
            ..Default::default()
        };
    }
    let group = groups.next().expect("one group was asked for");
    OffsetFetchResponse {
        topics: group.topics,
        error_code: group.error_code,
        ..Default::default()
    }
}

/// A topic of a group with an error, for version 1.
fn failed(topic: &FetchTopic, error: ErrorCode) -> OffsetFetchTopicResponse<'_> {
    let partitions = topic
        .partitions
        .iter()
        .map(|index| no_offset(index.0, error));
    OffsetFetchTopicResponse {
        name: topic.name.as_str().into(),
        topic_id: topic.id,
        partitions: partitions.collect(),
    }
}

fn no_offset(partition_index: i32, error_code: ErrorCode) -> OffsetFetchPartitionResponse<'static> {
    OffsetFetchPartitionResponse {
        partition_index,
        committed_offset: Offset::UNKNOWN.0,
        error_code,
        ..Default::default()
    }
}

/// The group's topics; those of ids that nobody has stand last, as in Kafka.
fn topics<'a>(
    context: &Context<'_>,
    version: i16,
    asked: &'a Asked,
    fetched: &'a OffsetsFetched,
) -> Vec<OffsetFetchTopicResponse<'a>> {
    let known = fetched.topics.iter().filter_map(|topic| {
        // Where everything is asked for, a topic is found by its name; one that has no id any more
        // cannot be told.
        let topic_id = match topic.id.is_zero() {
            true if version >= 10 => context.image.topic(&topic.name)?.id,
            _ => topic.id,
        };
        Some(OffsetFetchTopicResponse {
            name: topic.name.as_ref().into(),
            topic_id,
            partitions: topic.partitions.iter().map(partition).collect(),
        })
    });
    let unknown = asked.unknown.iter().map(|(id, indexes)| {
        let partitions = indexes.iter();
        let partitions = partitions.map(|index| no_offset(*index, ErrorCode::UNKNOWN_TOPIC_ID));
        OffsetFetchTopicResponse {
            topic_id: *id,
            partitions: partitions.collect(),
            ..Default::default()
        }
    });
    known.chain(unknown).collect()
}

fn partition(fetched: &FetchedOffset) -> OffsetFetchPartitionResponse<'_> {
    OffsetFetchPartitionResponse {
        partition_index: fetched.index.0,
        committed_offset: fetched.offset.0,
        committed_leader_epoch: fetched.leader_epoch.0,
        metadata: Some(fetched.metadata.as_str().into()),
        error_code: fetched.error,
    }
}
