//! Produce: record sets go to the shards that own their partitions; the answer leaves when all of
//! them are done. Internal topics are the broker's to write to.

use super::{Context, Head, Pending, Progress, by_owner, internal_topics, partition_of, throttle};
use crate::batch;
use crate::io::Pieces;
use crate::metadata::Topic;
use crate::net::Pool;
use crate::shard::{Ask, ProduceAsk, ProducePart, Produced, WhyRefused};
use crate::types::{Few, PartitionId, Uuid};
use crate::wire::{
    DecodeError, ErrorCode, ProducePartitionResponse, ProduceRecordError, ProduceRequest,
    ProduceResponse, ProduceTopicResponse, Records,
};
use std::sync::Arc;

/// A produce request that waits for its partitions.
pub struct Produce {
    head: Head,
    acks: i16,
    topics: Few<Asked>,
    /// In the order of the request.
    partitions: Few<Partition>,
    missing: usize,
    /// Bytes of the request, as its client's quota counts them.
    bytes: u64,
    /// They have been counted, or need not be.
    is_charged: bool,
}

/// A topic as it was asked for.
struct Asked {
    topic: Name,
    id: Uuid,
    /// How many of its partitions.
    partitions: usize,
}

/// A partition as it was asked for, and what became of its record set.
struct Partition {
    index: i32,
    produced: Option<Produced>,
}

/// The name of a topic.
enum Name {
    Of(Arc<Topic>),
    Unknown(String),
}

impl Name {
    fn text(&self) -> &str {
        match self {
            Name::Of(topic) => &topic.name,
            Name::Unknown(name) => name,
        }
    }
}

/// One record set of the request, before it is cut from the frame.
struct RecordSet {
    start: usize,
    length: usize,
    place: u32,
    partition: PartitionId,
}

/// Whether a record set begins with a batch of a transaction. Few do: the bit that says so is looked at first.
fn is_transactional(frame: &Pieces, records: &Records<'_>) -> bool {
    let Records::Range { start, length } = records else {
        return false;
    };
    if *length <= batch::ATTRIBUTES_AT
        || !batch::may_be_transactional(frame.byte_at(start + batch::ATTRIBUTES_AT))
    {
        return false;
    }
    let mut head = [0; batch::HEADER_BYTES];
    let head = &mut head[..batch::HEADER_BYTES.min(*length)];
    frame.copy_at(*start, head);
    batch::is_transactional(head, *length)
}

/// Whether clients may not write to the topic. Kafka lets those that go by its tools' own name.
fn is_closed(context: &Context<'_>, topic: &Topic) -> bool {
    internal_topics::is_internal(&topic.name)
        && context.session.client_id.as_deref() != Some("__admin_client")
}

pub(super) fn begin(
    context: &mut Context<'_>,
    head: &Head,
    frame: Pieces,
) -> Result<Progress, DecodeError> {
    let request: ProduceRequest<'_> = head.decode(&frame)?;
    let acks = request.acks;
    let mut topics = Few::with_capacity(request.topic_data.len());
    let mut sets = Few::new();
    let mut partitions = Few::new();
    let has_id = request.transactional_id.is_some();
    let mut lacks_id = false;
    for asked in &request.topic_data {
        let topic = match head.version {
            13.. => context
                .image
                .topic_by_id(asked.topic_id)
                .ok_or(ErrorCode::UNKNOWN_TOPIC_ID),
            _ => context
                .image
                .topic(&asked.name)
                .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        };
        let is_closed = topic.is_ok_and(|topic| is_closed(context, topic));
        for data in &asked.partition_data {
            let target = match topic {
                _ if !(-1..=1).contains(&acks) => Err(ErrorCode::INVALID_REQUIRED_ACKS),
                Err(error) => Err(error),
                Ok(topic) => partition_of(topic, data.index),
            };
            let target = match is_closed {
                true => target.and(Err(ErrorCode::INVALID_TOPIC_EXCEPTION)),
                false => target,
            };
            let refused = match (target, &data.records) {
                (Err(error), _) => Some(Produced::refused(error)),
                (Ok(partition), Records::Range { start, length }) => {
                    sets.push(RecordSet {
                        start: *start,
                        length: *length,
                        place: partitions.len() as u32,
                        partition,
                    });
                    None
                }
                // No record set at all: Kafka calls it an invalid record.
                (Ok(_), _) => Some(Produced::refused(ErrorCode::INVALID_RECORD)),
            };
            lacks_id |= !has_id && is_transactional(&frame, &data.records);
            partitions.push(Partition {
                index: data.index,
                produced: refused,
            });
        }
        topics.push(Asked {
            topic: match topic {
                Ok(topic) => Name::Of(topic.clone()),
                Err(_) => Name::Unknown(asked.name.to_string()),
            },
            id: asked.topic_id,
            partitions: asked.partition_data.len(),
        });
    }
    drop(request);
    if lacks_id {
        // Kafka looks at this before all else, and refuses the request as a whole.
        let error = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        for partition in &mut partitions {
            partition.produced = Some(Produced {
                why: Some(Box::new(WhyRefused {
                    message: error.message().to_owned(),
                    ..Default::default()
                })),
                ..Produced::refused(error)
            });
        }
        sets.clear();
    }
    let produce = context.spare_produces.place(Produce {
        head: *head,
        acks,
        topics,
        partitions,
        missing: sets.len(),
        bytes: frame.len() as u64,
        is_charged: false,
    });
    let parts = cut(frame, sets);
    for (owner, parts) in by_owner(context, parts) {
        let ask = ProduceAsk {
            parts,
            version: head.version,
        };
        context.asks.asks.push((owner, Ask::Produce(ask)));
    }
    Ok(produce.progress(context))
}

impl Produce {
    /// Takes the answer of one shard.
    pub(super) fn answered(
        mut self: Box<Self>,
        context: &mut Context<'_>,
        parts: Few<(u32, Produced)>,
    ) -> Progress {
        self.missing -= parts.len();
        for (place, produced) in parts {
            self.partitions[place as usize].produced = Some(produced);
        }
        self.progress(context)
    }

    /// Its bytes are counted.
    pub(super) fn charged(self: Box<Self>, context: &mut Context<'_>, held_ms: i32) -> Progress {
        context.session.hold(context.now, held_ms);
        self.finish(context, held_ms)
    }

    fn progress(mut self: Box<Self>, context: &mut Context<'_>) -> Progress {
        if self.missing > 0 {
            return Progress::Wait(Pending::Produce(self));
        }
        if !self.is_charged {
            self.is_charged = true;
            if throttle::produced(context, self.bytes, self.acks != 0) {
                return Progress::Wait(Pending::Produce(self));
            }
        }
        self.finish(context, 0)
    }

    fn finish(mut self: Box<Self>, context: &mut Context<'_>, throttle_time_ms: i32) -> Progress {
        let progress = self.answer(context.pool, throttle_time_ms);
        // They hold topics, and memory if they are many.
        self.topics = Few::new();
        self.partitions = Few::new();
        context.spare_produces.take_back(self);
        progress
    }

    fn answer(&self, pool: &mut Pool, throttle_time_ms: i32) -> Progress {
        let mut results = self.partitions.iter().map(|partition| {
            let produced = partition.produced.as_ref();
            (partition.index, produced.expect("none is missing"))
        });
        if self.acks == 0 {
            // Nobody reads an answer. As Kafka does, a failure is told by closing the connection.
            let mut errors = results.map(|(_, produced)| produced.error);
            return match errors.find(|error| *error != ErrorCode::NONE) {
                None => Progress::NoReply,
                Some(error) => {
                    Progress::Disconnect(format!("a produce with acks=0 failed: {}", error.name()))
                }
            };
        }
        let responses = self.topics.iter().map(|topic| ProduceTopicResponse {
            name: topic.topic.text().into(),
            topic_id: topic.id,
            partition_responses: results
                .by_ref()
                .take(topic.partitions)
                .map(|(index, produced)| response(index, produced))
                .collect(),
        });
        let response = ProduceResponse {
            responses: responses.collect(),
            throttle_time_ms,
            ..Default::default()
        };
        self.head.reply_from(pool, &response)
    }
}

fn response(index: i32, produced: &Produced) -> ProducePartitionResponse<'_> {
    let why = produced.why.as_deref();
    let records = why.into_iter().flat_map(|why| &why.records);
    ProducePartitionResponse {
        index,
        error_code: produced.error,
        base_offset: produced.base.0,
        log_append_time_ms: produced.append_time.0,
        log_start_offset: produced.log_start.0,
        record_errors: records
            .map(|(index, message)| ProduceRecordError {
                batch_index: *index,
                batch_index_error_message: Some(message.as_str().into()),
            })
            .collect(),
        error_message: why.map(|why| why.message.as_str().into()),
        ..Default::default()
    }
}

/// Cuts the record sets out of the frame; they lie in it in ascending order.
fn cut(
    mut frame: Pieces,
    sets: Few<RecordSet>,
) -> impl Iterator<Item = (PartitionId, ProducePart)> {
    let mut at = 0;
    sets.into_iter().map(move |set| {
        frame.advance(set.start - at);
        let records = frame.split_to(set.length);
        at = set.start + set.length;
        let part = ProducePart {
            index: set.place,
            partition: set.partition,
            records,
        };
        (set.partition, part)
    })
}
