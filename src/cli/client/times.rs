//! When records were written, by fetching the batch that each lies in: what every broker can be asked.

use super::{Client, NEWEST, To, TopicState};
use crate::cli::failure::Failure;
use crate::log::{Source, time_at};
use crate::types::{Few, NodeId, Offset, Timestamp};
use crate::wire::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, Records};
use std::collections::BTreeMap;
use std::io;

/// The newest version of Fetch that names topics.
const FETCH_BY_NAME: i16 = 12;
/// Bytes of one answer.
const BYTES_MAX: i32 = 50 * 1024 * 1024;
/// The same of one partition, but for its first batch: that is all that is wanted.
const PARTITION_BYTES_MAX: i32 = 64 * 1024;

impl Client {
    /// When the first record at or behind each of these offsets was written. What cannot be told is left
    /// out: the offset is not in the log, a leader has moved.
    pub(in crate::cli) fn times(
        &mut self,
        topic: &TopicState,
        wanted: &BTreeMap<i32, Offset>,
    ) -> Result<BTreeMap<i32, Timestamp>, Failure> {
        let mut left = wanted.clone();
        let mut found = BTreeMap::new();
        // An answer has the first batch of one partition at least, and of as many as there is room for.
        loop {
            let before = left.len();
            let mut by_leader: BTreeMap<NodeId, Few<FetchPartition>> = BTreeMap::new();
            for (index, offset) in &left {
                if let Some(leader) = topic.partition(*index)?.leader {
                    by_leader.entry(leader).or_default().push(FetchPartition {
                        partition: *index,
                        fetch_offset: offset.0,
                        partition_max_bytes: PARTITION_BYTES_MAX,
                        ..Default::default()
                    });
                }
            }
            for (leader, partitions) in by_leader {
                self.times_of(topic, leader, partitions, &mut left, &mut found)?;
            }
            if left.is_empty() || left.len() == before {
                return Ok(found);
            }
        }
    }

    fn times_of(
        &mut self,
        topic: &TopicState,
        leader: NodeId,
        partitions: Few<FetchPartition>,
        left: &mut BTreeMap<i32, Offset>,
        found: &mut BTreeMap<i32, Timestamp>,
    ) -> Result<(), Failure> {
        let request = FetchRequest {
            replica_id: -1,
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: BYTES_MAX,
            topics: Few::from_iter([FetchTopic {
                topic: topic.name.clone().into(),
                topic_id: topic.id,
                partitions,
            }]),
            ..Default::default()
        };
        let cap = match topic.id.is_zero() {
            true => FETCH_BY_NAME,
            false => NEWEST,
        };
        let sent = self.send(To::Node(leader), &request, cap)?;
        let reply = self.receive(sent)?;
        let response: FetchResponse = reply.body()?;
        for answer in response.responses.iter().flat_map(|it| &it.partitions) {
            let index = answer.partition_index;
            let bytes = match &answer.records {
                Records::Range { start, length } => reply.frame().get(*start..start + length),
                Records::Bytes(bytes) => Some(&bytes[..]),
                Records::Null | Records::Hole(_) => None,
            };
            let bytes = bytes.unwrap_or_default();
            let Some(offset) = left.get(&index).copied() else {
                continue;
            };
            if !answer.error_code.is_none() {
                left.remove(&index);
            } else if !bytes.is_empty() {
                left.remove(&index);
                found.extend(time_in(bytes, offset).map(|time| (index, time)));
            }
        }
        Ok(())
    }
}

/// When the first record at or behind `offset` in these batches was written.
fn time_in(bytes: &[u8], offset: Offset) -> Option<Timestamp> {
    let places = crate::batch::scan(bytes).map(|(position, _)| position as u64);
    let times = places.map(|position| time_at(&Bytes(bytes), position, offset).ok().flatten());
    times.flatten().find(|time| time.0 >= 0)
}

/// What came, as a file.
struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, position: u64, into: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        let rest = self.0.get(start..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Builder;
    use crate::types::LeaderEpoch;

    #[test]
    fn the_time_is_that_of_the_first_record_at_or_behind_the_offset() {
        let mut bytes = Vec::new();
        for base in [0, 3, 10] {
            let mut batch = Builder::new(Offset(base), LeaderEpoch(0));
            for record in base..base + 3 {
                batch.push(Timestamp(1_000 + record), None, Some(b"v"), &[]);
            }
            bytes.extend(batch.finish());
        }
        let time = |bytes: &[u8], offset| time_in(bytes, Offset(offset)).map(|it| it.0);
        assert_eq!(time(&bytes, 1), Some(1_001));
        assert_eq!(time(&bytes, 4), Some(1_004));
        assert_eq!(time(&bytes, 7), Some(1_010), "in a gap, the next");
        assert_eq!(time(&bytes, 13), None);
        // The last batch of an answer may be cut off.
        let cut = bytes.len() - 1;
        assert_eq!(time(&bytes[..cut], 4), Some(1_004));
        assert_eq!(time(&bytes[..cut], 11), None);
        assert_eq!(time(&[], 0), None);
    }
}
