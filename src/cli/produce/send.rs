//! Batches on their way: one per partition and request, one request per leader at a time, sent again
//! with the same sequence numbers until it is known what became of them.

use super::input::NewRecord;
use crate::batch::{Builder, Codec};
use crate::cli::client::{Client, Deadline, NEWEST, Sent, To, TopicState, is_stale};
use crate::cli::failure::Failure;
use crate::types::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::wire::{
    ApiKey, ErrorCode, InitProducerIdRequest, InitProducerIdResponse, ProducePartition,
    ProduceRequest, ProduceResponse, ProduceTopic, Records,
};
use std::collections::BTreeMap;

/// The newest version of Produce that names topics.
const PRODUCE_BY_NAME: i16 = 12;

/// Who must have a batch before it counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Acks {
    Nobody,
    Leader,
    All,
}

impl Acks {
    fn wire(self) -> i16 {
        match self {
            Acks::Nobody => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// How batches are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) acks: Acks,
    pub(super) codec: Codec,
    /// Bytes of a batch, before compression, at which the next is begun.
    pub(super) batch_bytes: usize,
    pub(super) idempotent: bool,
}

/// What became of a partition's records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Written {
    pub(super) records: u64,
    /// Not known without acks.
    pub(super) first: Option<Offset>,
    pub(super) last: Option<Offset>,
}

/// Sends records to a topic.
pub(super) struct Sender {
    client: Client,
    pub(super) topic: TopicState,
    rules: Rules,
    producer: Option<(ProducerId, ProducerEpoch)>,
    /// The next sequence number of each partition.
    sequences: BTreeMap<i32, i32>,
    /// Batches in the making.
    open: BTreeMap<i32, Builder>,
    pub(super) written: BTreeMap<i32, Written>,
}

/// A batch that is complete.
struct Batch {
    bytes: Vec<u8>,
    records: i32,
}

impl Sender {
    pub(super) fn new(
        mut client: Client,
        topic: TopicState,
        rules: Rules,
    ) -> Result<Sender, Failure> {
        let producer = match rules.idempotent && client.serves(To::Any, ApiKey::INIT_PRODUCER_ID)? {
            true => Some(producer_id(&mut client)?),
            false => None,
        };
        Ok(Sender {
            client,
            topic,
            rules,
            producer,
            sequences: BTreeMap::new(),
            open: BTreeMap::new(),
            written: BTreeMap::new(),
        })
    }

    /// Takes a record. Says whether that completed a batch, which was then sent with all others.
    pub(super) fn push(
        &mut self,
        partition: i32,
        record: &NewRecord,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        let headers: Vec<(&[u8], Option<&[u8]>)> = record
            .headers
            .iter()
            .map(|(name, value)| (&name[..], value.as_deref()))
            .collect();
        let field = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let in_headers: usize = headers
            .iter()
            .map(|(n, v)| n.len() + v.map_or(0, <[u8]>::len))
            .sum();
        let bytes = field(&record.key) + field(&record.value) + in_headers;
        let full = self
            .open
            .get(&partition)
            .is_some_and(|batch| batch.size() + bytes > self.rules.batch_bytes);
        if full {
            self.flush()?;
        }
        let sequences = &self.sequences;
        let (rules, producer) = (&self.rules, self.producer);
        let batch = self.open.entry(partition).or_insert_with(|| {
            let batch = Builder::new(Offset(0), LeaderEpoch::UNKNOWN).codec(rules.codec);
            match producer {
                Some((id, epoch)) => {
                    let sequence = sequences.get(&partition).copied().unwrap_or(0);
                    batch.producer(id, epoch, sequence)
                }
                None => batch,
            }
        });
        let timestamp = record.timestamp.map_or(now, Timestamp);
        batch.push(
            timestamp,
            record.key.as_deref(),
            record.value.as_deref(),
            &headers,
        );
        Ok(full)
    }

    /// Whether there is something to send.
    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Sends all batches and waits until their fate is known.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let mut batches = BTreeMap::new();
        for (partition, builder) in std::mem::take(&mut self.open) {
            let records = builder.len() as i32;
            let bytes = builder.finish();
            batches.insert(partition, Batch { bytes, records });
        }
        let deadline = Deadline::after(self.client.timeout());
        loop {
            let failure = match self.round(&mut batches) {
                Ok(None) => return Ok(()),
                Ok(Some(failure)) => failure,
                Err(failure) if failure.is_connection() => failure,
                Err(failure) => return Err(failure),
            };
            if deadline.left().is_none() {
                return Err(failure);
            }
            match self.client.topic_again(&self.topic.name) {
                Ok(topic) => self.topic = topic,
                Err(failure) if failure.is_connection() && deadline.left().is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// One request to each leader. What was written leaves `batches`; what may yet be written stays,
    /// and the failure that kept it is returned.
    fn round(&mut self, batches: &mut BTreeMap<i32, Batch>) -> Result<Option<Failure>, Failure> {
        let mut by_leader: BTreeMap<NodeId, Vec<i32>> = BTreeMap::new();
        for &partition in batches.keys() {
            let leader = self.topic.partition(partition)?.leader(&self.topic.name)?;
            by_leader.entry(leader).or_default().push(partition);
        }
        let mut sent = Vec::new();
        for (leader, partitions) in &by_leader {
            sent.push(self.send(*leader, partitions, batches)?);
        }
        if self.rules.acks == Acks::Nobody {
            for (partition, batch) in std::mem::take(batches) {
                self.note(partition, &batch, None);
            }
            return Ok(None);
        }
        let mut kept = None;
        for sent in sent {
            let reply = self.client.receive(sent)?;
            let response: ProduceResponse = reply.body()?;
            for answer in response
                .responses
                .iter()
                .flat_map(|it| &it.partition_responses)
            {
                let Some(batch) = batches.remove(&answer.index) else {
                    return Err(Failure::new("the broker answers for what it was not sent"));
                };
                let subject = format!("'{}' partition {}", self.topic.name, answer.index);
                let message = answer.record_errors.first();
                let message = message.and_then(|it| it.batch_index_error_message.as_deref());
                let message = message.or(answer.error_message.as_deref());
                match answer.error_code {
                    ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => {
                        let base = (answer.base_offset >= 0).then_some(Offset(answer.base_offset));
                        self.note(answer.index, &batch, base);
                    }
                    code if is_retriable(code) => {
                        kept = Some(Failure::refused(&subject, code, message));
                        batches.insert(answer.index, batch);
                    }
                    code => return Err(Failure::refused(&subject, code, message)),
                }
            }
        }
        if kept.is_none() && !batches.is_empty() {
            return Err(Failure::new("the broker left partitions out of its answer"));
        }
        Ok(kept)
    }

    fn send(
        &mut self,
        leader: NodeId,
        partitions: &[i32],
        batches: &BTreeMap<i32, Batch>,
    ) -> Result<Sent, Failure> {
        let request = ProduceRequest {
            transactional_id: None,
            acks: self.rules.acks.wire(),
            timeout_ms: self.client.timeout_ms(),
            topic_data: vec![ProduceTopic {
                name: self.topic.name.clone().into(),
                topic_id: self.topic.id,
                partition_data: partitions
                    .iter()
                    .map(|index| ProducePartition {
                        index: *index,
                        records: Records::from(&batches[index].bytes[..]),
                    })
                    .collect(),
            }]
            .into(),
        };
        let cap = match self.topic.id.is_zero() {
            true => PRODUCE_BY_NAME,
            false => NEWEST,
        };
        self.client.send(To::Node(leader), &request, cap)
    }

    /// Takes note of a batch that was written.
    fn note(&mut self, partition: i32, batch: &Batch, base: Option<Offset>) {
        let sequence = self.sequences.entry(partition).or_insert(0);
        *sequence = sequence.wrapping_add(batch.records) & i32::MAX;
        let written = self.written.entry(partition).or_default();
        written.records += batch.records.unsigned_abs() as u64;
        if let Some(base) = base {
            written.first = written.first.or(Some(base));
            written.last = Some(base.plus(i64::from(batch.records) - 1));
        }
    }
}

fn is_retriable(code: ErrorCode) -> bool {
    is_stale(code)
        || matches!(
            code,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                | ErrorCode::UNKNOWN_TOPIC_ID
                | ErrorCode::NETWORK_EXCEPTION
                | ErrorCode::REQUEST_TIMED_OUT
                | ErrorCode::NOT_ENOUGH_REPLICAS
                | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
                | ErrorCode::KAFKA_STORAGE_ERROR
        )
}

fn producer_id(client: &mut Client) -> Result<(ProducerId, ProducerEpoch), Failure> {
    let deadline = Deadline::after(client.timeout());
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        ..Default::default()
    };
    loop {
        let reply = client.call(To::Any, &request)?;
        let response: InitProducerIdResponse = reply.body()?;
        return match response.error_code {
            ErrorCode::NONE => Ok((
                ProducerId(response.producer_id),
                ProducerEpoch(response.producer_epoch),
            )),
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::COORDINATOR_NOT_AVAILABLE
                if deadline.left().is_some() =>
            {
                std::thread::sleep(std::time::Duration::from_millis(100));
                continue;
            }
            code => Err(Failure::refused("a producer id", code, None)
                .advise("--no-idempotence does without")),
        };
    }
}
