//! Reading partitions from their leaders: one fetch per leader at a time, without sessions.

use super::format::Consumed;
use crate::batch::{Header, decompress, records, scan, verify};
use crate::cli::client::{At, Client, Deadline, NEWEST, To, TopicState, is_stale};
use crate::cli::failure::Failure;
use crate::limits::INFLATED_BYTES_MAX;
use crate::types::{Few, NodeId, Offset, ProducerId, Timestamp};
use crate::wire::{
    ControlRecord, ErrorCode, FetchAbortedTransaction, FetchPartition, FetchPartitionResponse,
    FetchRequest, FetchResponse, FetchTopic, Records,
};
use std::collections::{BTreeMap, BTreeSet};

/// The newest version of Fetch that names topics.
const FETCH_BY_NAME: i16 = 12;
/// How long a leader without news may hold an answer back.
const WAIT_MS: i32 = 500;
/// Bytes of one answer.
const BYTES_MAX: i32 = 50 * 1024 * 1024;
/// The same of one partition.
const PARTITION_BYTES_MAX: i32 = 1024 * 1024;

/// Where a partition is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) next: Offset,
    /// Where to stop.
    pub(super) end: Option<Offset>,
    /// Whether anything was read of it.
    pub(super) has_moved: bool,
}

/// Reads some partitions of a topic.
pub(super) struct Fetcher {
    pub(super) client: Client,
    pub(super) topic: TopicState,
    pub(super) places: BTreeMap<i32, Place>,
    /// Whether records of open and aborted transactions are passed over.
    pub(super) committed: bool,
}

/// What a reader of records says to go on or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Go {
    On,
    Stop,
}

impl Fetcher {
    /// Whether every partition has reached its end.
    pub(super) fn is_done(&self) -> bool {
        self.places.values().all(Place::is_done)
    }

    /// Fetches once from every leader and gives each record to `take`, in the order of each partition.
    pub(super) fn round(
        &mut self,
        take: &mut dyn FnMut(&Consumed<'_>) -> Result<Go, Failure>,
    ) -> Result<Go, Failure> {
        let deadline = Deadline::after(self.client.timeout());
        loop {
            match self.fetch(take) {
                Ok(Some(go)) => return Ok(go),
                Ok(None) if deadline.left().is_some() => {}
                Ok(None) => {
                    return Err(Failure::refused(
                        &format!("'{}'", self.topic.name),
                        ErrorCode::NOT_LEADER_OR_FOLLOWER,
                        None,
                    ));
                }
                Err(failure) if failure.is_connection() && deadline.left().is_some() => {}
                Err(failure) => return Err(failure),
            }
            match self.client.topic_again(&self.topic.name) {
                Ok(topic) => self.topic = topic,
                Err(failure) if failure.is_connection() && deadline.left().is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// None if a leader has moved and nothing was read.
    fn fetch(
        &mut self,
        take: &mut dyn FnMut(&Consumed<'_>) -> Result<Go, Failure>,
    ) -> Result<Option<Go>, Failure> {
        let mut by_leader: BTreeMap<NodeId, Few<FetchPartition>> = BTreeMap::new();
        for (&index, place) in self.places.iter().filter(|(_, place)| !place.is_done()) {
            let leader = self.topic.partition(index)?.leader(&self.topic.name)?;
            by_leader.entry(leader).or_default().push(FetchPartition {
                partition: index,
                fetch_offset: place.next.0,
                partition_max_bytes: PARTITION_BYTES_MAX,
                ..Default::default()
            });
        }
        let cap = match self.topic.id.is_zero() {
            true => FETCH_BY_NAME,
            false => NEWEST,
        };
        let mut sent = Vec::new();
        for (leader, partitions) in by_leader {
            let request = FetchRequest {
                replica_id: -1,
                max_wait_ms: WAIT_MS,
                min_bytes: 1,
                max_bytes: BYTES_MAX,
                isolation_level: i8::from(self.committed),
                topics: Few::from_iter([FetchTopic {
                    topic: self.topic.name.clone().into(),
                    topic_id: self.topic.id,
                    partitions,
                }]),
                ..Default::default()
            };
            sent.push(self.client.send(To::Node(leader), &request, cap)?);
        }
        let mut stale = false;
        for sent in sent {
            let reply = self.client.receive(sent)?;
            let response: FetchResponse = reply.body()?;
            let subject = format!("'{}'", self.topic.name);
            if is_stale(response.error_code) || is_moved(response.error_code) {
                stale = true;
                continue;
            }
            if !response.error_code.is_none() {
                return Err(Failure::refused(&subject, response.error_code, None));
            }
            for answer in response
                .responses
                .iter()
                .flat_map(|topic| &topic.partitions)
            {
                match answer.error_code {
                    ErrorCode::NONE => {
                        if self.partition(answer, reply.frame(), take)? == Go::Stop {
                            return Ok(Some(Go::Stop));
                        }
                    }
                    code if is_stale(code) || is_moved(code) => stale = true,
                    ErrorCode::OFFSET_OUT_OF_RANGE => {
                        return Err(self.out_of_range(answer.partition_index));
                    }
                    code => {
                        let subject = format!("{subject} partition {}", answer.partition_index);
                        return Err(Failure::refused(&subject, code, None));
                    }
                }
            }
        }
        Ok((!stale).then_some(Go::On))
    }

    /// The records of one partition.
    fn partition(
        &mut self,
        answer: &FetchPartitionResponse<'_>,
        frame: &[u8],
        take: &mut dyn FnMut(&Consumed<'_>) -> Result<Go, Failure>,
    ) -> Result<Go, Failure> {
        let index = answer.partition_index;
        let bytes = match &answer.records {
            Records::Range { start, length } => frame.get(*start..start + length),
            Records::Bytes(bytes) => Some(&bytes[..]),
            Records::Null | Records::Hole(_) => Some(&[][..]),
        };
        let bytes = bytes.expect("the range was read from this frame");
        let Some(place) = self.places.get_mut(&index) else {
            return Err(Failure::new("the broker answers for what it was not asked"));
        };
        let mut aborted = Aborted::new(answer.aborted_transactions.as_deref());
        let before = place.next;
        let mut batches = scan(bytes);
        for (position, header) in &mut batches {
            let batch = &bytes[position..position + header.size()];
            let damaged = |what: String| {
                Failure::new(format!(
                    "'{}' partition {index}: the batch at offset {} is damaged: {what}",
                    self.topic.name, header.base_offset
                ))
                .advise(format!(
                    "--from {} reads on behind it",
                    header.next_offset()
                ))
            };
            verify(batch).map_err(|fault| damaged(fault.to_string()))?;
            if self.committed && aborted.covers(&header, batch) || header.is_control() {
                place.move_to(header.next_offset());
                continue;
            }
            let codec = header
                .codec()
                .ok_or_else(|| damaged(format!("codec {} is unknown", header.codec_id())))?;
            let inflated = decompress(
                codec,
                &batch[crate::batch::HEADER_BYTES..],
                INFLATED_BYTES_MAX,
            )
            .map_err(|fault| damaged(fault.to_string()))?;
            for record in records(&inflated) {
                let record = record.map_err(|fault| damaged(fault.to_string()))?;
                let offset = header.base_offset.plus(i64::from(record.offset_delta));
                // A batch comes whole, even if only its end was asked for.
                if offset < place.next || place.end.is_some_and(|end| offset >= end) {
                    continue;
                }
                let timestamp = match header.is_log_append_time() {
                    true => header.max_timestamp,
                    false => {
                        Timestamp(header.base_timestamp.0.wrapping_add(record.timestamp_delta))
                    }
                };
                let go = take(&Consumed {
                    topic: &self.topic.name,
                    partition: index,
                    offset,
                    timestamp,
                    append_time: header.is_log_append_time(),
                    key: record.key,
                    value: record.value,
                    headers: record.headers,
                })?;
                place.move_to(offset.plus(1));
                if go == Go::Stop {
                    return Ok(Go::Stop);
                }
            }
            place.move_to(header.next_offset());
        }
        // An end that was taken away meanwhile is reached as well.
        if place.next == before && place.next.0 >= answer.high_watermark && batches.position() == 0
        {
            place.end = place.end.map(|end| end.min(place.next));
        }
        Ok(Go::On)
    }

    fn out_of_range(&mut self, index: i32) -> Failure {
        let subject = format!("'{}' partition {index}", self.topic.name);
        let place = self.places[&index].next;
        let mut bound = |at: At| {
            let wanted = BTreeMap::from([(index, at)]);
            let found = self.client.offsets(&mut self.topic, &wanted, false).ok()?;
            found[&index].offset
        };
        match (bound(At::Earliest), bound(At::Latest)) {
            (Some(start), Some(end)) => Failure::new(format!(
                "{subject} has no offset {place}: it begins at {start} and ends before {end}"
            ))
            .advise("--from beginning and --from end are always there"),
            _ => Failure::refused(&subject, ErrorCode::OFFSET_OUT_OF_RANGE, None),
        }
    }
}

impl Place {
    fn move_to(&mut self, next: Offset) {
        if next > self.next {
            self.next = next;
            self.has_moved = true;
        }
    }

    fn is_done(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }
}

/// Codes of a topic that may have been deleted and made again.
fn is_moved(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::INCONSISTENT_TOPIC_ID
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    )
}

/// Which batches of an answer belong to aborted transactions (KIP-98): a producer's from the first
/// offset on that the broker names, to its marker.
struct Aborted<'a> {
    /// By first offset, the next one first.
    to_come: Vec<&'a FetchAbortedTransaction>,
    open: BTreeSet<ProducerId>,
}

impl<'a> Aborted<'a> {
    fn new(transactions: Option<&'a [FetchAbortedTransaction]>) -> Aborted<'a> {
        let mut to_come: Vec<_> = transactions.unwrap_or_default().iter().collect();
        to_come.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        Aborted {
            to_come,
            open: BTreeSet::new(),
        }
    }

    /// Whether this batch, the next one, is to be passed over.
    fn covers(&mut self, header: &Header, batch: &[u8]) -> bool {
        while let Some(transaction) = self.to_come.last()
            && transaction.first_offset <= header.last_offset().0
        {
            self.open.insert(ProducerId(transaction.producer_id));
            self.to_come.pop();
        }
        if header.is_control() {
            if is_abort(batch) {
                self.open.remove(&header.producer_id);
            }
            return true;
        }
        header.is_transactional() && self.open.contains(&header.producer_id)
    }
}

/// Whether a control batch aborts a transaction.
fn is_abort(batch: &[u8]) -> bool {
    let record = records(&batch[crate::batch::HEADER_BYTES..]).next();
    let key = record.and_then(Result::ok).and_then(|record| record.key);
    key.is_some_and(|key| ControlRecord::decode_key(key) == Ok(crate::wire::control_type::ABORT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Builder;
    use crate::types::{LeaderEpoch, ProducerEpoch};

    fn batch(base: i64, producer: i64, control: Option<i16>) -> Vec<u8> {
        let mut batch = Builder::new(Offset(base), LeaderEpoch(0)).transactional();
        batch = batch.producer(ProducerId(producer), ProducerEpoch(0), 0);
        match control {
            Some(kind) => {
                batch = batch.control();
                batch.push_control(Timestamp(0), kind, &[0; 6]);
            }
            None => batch.push(Timestamp(0), None, Some(b"v"), &[]),
        }
        batch.finish()
    }

    #[test]
    fn an_aborted_transaction_is_passed_over_up_to_its_marker() {
        let aborted = [
            FetchAbortedTransaction {
                producer_id: 1,
                first_offset: 0,
            },
            FetchAbortedTransaction {
                producer_id: 2,
                first_offset: 4,
            },
        ];
        let mut aborted = Aborted::new(Some(&aborted));
        let mut covered = |base, producer, control| {
            let bytes = batch(base, producer, control);
            let header = Header::read(&bytes).unwrap();
            aborted.covers(&header, &bytes)
        };
        assert!(covered(0, 1, None));
        assert!(!covered(1, 2, None), "its aborted transaction begins later");
        assert!(covered(2, 1, Some(0)), "the marker");
        assert!(!covered(3, 1, None), "behind its marker");
        assert!(covered(4, 2, None));
        assert!(covered(5, 1, Some(1)), "another's commit");
        assert!(covered(6, 2, None), "which does not end it");
    }
}
