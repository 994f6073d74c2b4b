//! What becomes of each batch, and of each record in it (Kafka's `Cleaner`): first the dirty part is noted
//! in the map, then everything from the log's first segment on is judged by it.

use super::offset_map::OffsetMap;
use super::plan::CompactionPlan;
use super::transactions::{Behind, Transactions};
use crate::batch::{self, Codec, Fault, HEADER_BYTES, Header, Record};
use crate::limits::INFLATED_BYTES_MAX;
use crate::log::aborted::Aborted;
use crate::log::producers::{LastRecord, Marker};
use crate::mutation::{Mutation, planted};
use crate::types::{Offset, ProducerId, Timestamp};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a pass of compaction knows.
#[derive(Debug)]
pub struct Cleaner {
    map: OffsetMap,
    first_dirty: Offset,
    /// Of the dirty part, while it is noted.
    noting: Transactions,
    /// Of the whole, while it is cleaned.
    transactions: Transactions,
    producers: BTreeMap<ProducerId, LastRecord>,
    /// Where the part that may be compacted ends.
    upper: Offset,
    now: Timestamp,
    delete_retention_ms: i64,
}

/// What becomes of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It stays as it is.
    Kept,
    /// These bytes take its place.
    Rewritten(Vec<u8>),
    /// It goes.
    Dropped,
}

impl Cleaner {
    /// Of a log for which this is planned.
    pub fn new(plan: &CompactionPlan, map: OffsetMap) -> Cleaner {
        let start = plan.sources.first().map_or(plan.upper, |first| first.base);
        Cleaner {
            map,
            first_dirty: plan.first_dirty,
            noting: Transactions::new(&plan.aborted, plan.first_dirty),
            transactions: Transactions::new(&plan.aborted, start),
            producers: plan.producers.iter().copied().collect(),
            upper: plan.upper,
            now: plan.now,
            delete_retention_ms: plan.delete_retention_ms,
        }
    }

    /// Notes the keys of a batch of the dirty part. `false` if the map is full: what follows is for the
    /// next pass.
    ///
    /// # Errors
    /// Its records cannot be read.
    pub fn note(&mut self, header: &Header, batch: &[u8]) -> Result<bool, Fault> {
        if header.is_control() {
            let records = inflate(header, batch)?;
            self.noting.control(header, Marker::parse(&records));
        } else if !self.noting.data(header) {
            let records = inflate(header, batch)?;
            for record in whole(header, &records) {
                let record = record?;
                let offset = header.offset_of(&record);
                let Some(key) = record.key.filter(|_| offset >= self.first_dirty) else {
                    continue;
                };
                if !self.map.put(key, offset) {
                    return Ok(false);
                }
            }
        }
        if header.last_offset() >= self.first_dirty {
            self.map.reach(header.last_offset());
        }
        Ok(true)
    }

    /// A segment of the dirty part is noted as a whole, and `next` begins the one behind it: there may be
    /// a gap before.
    pub fn noted_up_to(&mut self, next: Offset) {
        self.map.reach(next.plus(-1));
    }

    /// The offset behind what is noted, at which the log is dirty after this pass.
    pub fn end(&self) -> Offset {
        self.map
            .latest()
            .map_or(self.first_dirty, |latest| latest.plus(1))
    }

    /// How many keys are noted.
    pub fn keys(&self) -> usize {
        self.map.len()
    }

    /// What becomes of a batch; the batches of the log come in their order, from its first segment on.
    /// With it the aborted transaction that the segment's index goes on to name.
    ///
    /// # Errors
    /// Its records cannot be read.
    pub fn clean(
        &mut self,
        header: &Header,
        batch: &[u8],
    ) -> Result<(Fate, Option<Aborted>), Fault> {
        let is_control = header.is_control();
        let mut records = Cow::Borrowed(&[][..]);
        let mut named = None;
        // What stands for nothing any more: an aborted batch, a marker without batches before it.
        let stands_for_nothing = if is_control {
            records = inflate(header, batch)?;
            match self.transactions.control(header, Marker::parse(&records)) {
                Behind::Batches(aborted) => {
                    named = aborted;
                    false
                }
                Behind::Nothing => true,
                Behind::Other => false,
            }
        } else {
            self.transactions.data(header)
        };
        let goes = match is_control {
            true => stands_for_nothing && self.is_due(header),
            false => stands_for_nothing,
        };
        let keeps_header = self.is_last_of_producer(header) || header.next_offset() == self.upper;
        if goes {
            let fate = match keeps_header {
                true => Fate::Rewritten(batch::emptied(header)),
                false => Fate::Dropped,
            };
            return Ok((fate, named));
        }
        if !is_control {
            records = inflate(header, batch)?;
        }
        let mut kept = Vec::new();
        let mut keeps_all = true;
        for record in whole(header, &records) {
            let record = record?;
            match is_control || self.keeps(header, &record) {
                true => kept.push(record),
                false => keeps_all = false,
            }
        }
        if kept.is_empty() {
            let fate = match keeps_header {
                true => Fate::Rewritten(batch::emptied(header)),
                false => Fate::Dropped,
            };
            return Ok((fate, named));
        }
        let has_tombstones = kept.iter().any(|record| record.value.is_none());
        let waits_to_go = has_tombstones || is_control && stands_for_nothing;
        let horizon = header.delete_horizon();
        if keeps_all && (horizon.is_some() || !waits_to_go) {
            return Ok((Fate::Kept, named));
        }
        let horizon = horizon.or_else(|| waits_to_go.then(|| self.horizon()));
        Ok((Fate::Rewritten(batch::thin(header, &kept, horizon)), named))
    }

    fn keeps(&self, header: &Header, record: &Record<'_>) -> bool {
        let offset = header.offset_of(record);
        if self.map.latest().is_none_or(|latest| offset > latest) {
            return true;
        }
        // A record without a key has no place in a compacted log; it is from before it was one.
        let Some(key) = record.key else {
            return false;
        };
        let is_newest =
            self.map
                .get(key)
                .is_none_or(|newest| match planted(Mutation::NewestCompactedAway) {
                    true => offset < newest,
                    false => offset >= newest,
                });
        is_newest && (record.value.is_some() || !self.is_due(header))
    }

    /// Whether tombstones in this batch, or the marker that it is, have waited long enough.
    fn is_due(&self, header: &Header) -> bool {
        header
            .delete_horizon()
            .is_some_and(|horizon| horizon <= self.now)
    }

    fn horizon(&self) -> Timestamp {
        Timestamp(self.now.0.saturating_add(self.delete_retention_ms))
    }

    /// Whether its producer's sequence number, or at least its epoch, is to be had nowhere else.
    fn is_last_of_producer(&self, header: &Header) -> bool {
        if !header.has_producer() {
            return false;
        }
        match self.producers.get(&header.producer_id) {
            Some(LastRecord {
                data: Some(last), ..
            }) => header.last_offset() == *last,
            Some(LastRecord { data: None, epoch }) => {
                header.is_control() && header.producer_epoch == *epoch
            }
            None => false,
        }
    }
}

/// The bytes of a batch's records.
fn inflate<'a>(header: &Header, batch: &'a [u8]) -> Result<Cow<'a, [u8]>, Fault> {
    let body = &batch[HEADER_BYTES..];
    match header
        .codec()
        .ok_or(Fault::UnknownCodec(header.codec_id()))?
    {
        _ if header.record_count == 0 => Ok(Cow::Borrowed(&[])),
        Codec::None if body.len() > INFLATED_BYTES_MAX => Err(Fault::TooLargeInflated {
            max: INFLATED_BYTES_MAX,
        }),
        Codec::None => Ok(Cow::Borrowed(body)),
        codec => batch::decompress(codec, body, INFLATED_BYTES_MAX).map(Cow::Owned),
    }
}

/// The records: as many as the header says, each at an offset of the batch, and nothing behind them.
fn whole<'a>(
    header: &Header,
    bytes: &'a [u8],
) -> impl Iterator<Item = Result<Record<'a>, Fault>> + use<'a> {
    let last = header.last_offset_delta;
    let mut left = header.record_count;
    let mut records = batch::records(bytes);
    std::iter::from_fn(move || match (records.next(), left) {
        (Some(_), ..=0) => {
            records = batch::records(&[]);
            Some(Err(Fault::BytesRemain))
        }
        (Some(Ok(record)), _) if !(0..=last).contains(&record.offset_delta) => {
            Some(Err(Fault::OffsetDelta {
                expected: last,
                found: record.offset_delta,
            }))
        }
        (Some(record), _) => {
            left -= 1;
            Some(record)
        }
        (None, 1..) => {
            left = 0;
            Some(Err(Fault::RecordsMissing))
        }
        (None, _) => None,
    })
}
