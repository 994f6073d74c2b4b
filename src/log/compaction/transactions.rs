//! What compaction has to know of transactions (Kafka's `CleanedTransactionMetadata`): which batches were
//! aborted, and whether anything of a transaction is left before its marker. It reads a log from its
//! start, batch by batch.

use crate::batch::Header;
use crate::log::aborted::Aborted;
use crate::log::producers::Marker;
use crate::types::{Offset, ProducerId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// See the module.
#[derive(Debug)]
pub(super) struct Transactions {
    /// Aborted transactions that begin further on, by their first offset.
    coming: VecDeque<Aborted>,
    /// Those that have begun and whose marker has not been met.
    aborted: BTreeMap<ProducerId, Ongoing>,
    /// Who has batches in a transaction that was not aborted, and whose marker has not been met.
    committed: BTreeSet<ProducerId>,
}

#[derive(Clone, Copy, Debug)]
struct Ongoing {
    aborted: Aborted,
    /// Whether a batch of it was met.
    has_batches: bool,
}

/// What a marker is still for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Behind {
    /// Batches of its transaction stand before it. If it was aborted, the index of aborted transactions
    /// goes on saying so.
    Batches(Option<Aborted>),
    /// Nothing: it may go.
    Nothing,
    /// It ends no transaction; it stays.
    Other,
}

impl Transactions {
    /// Of a log that is read from `start` on, with these aborted transactions.
    pub(super) fn new(aborted: &[Aborted], start: Offset) -> Transactions {
        let mut coming: Vec<Aborted> = aborted
            .iter()
            .filter(|aborted| aborted.marker >= start)
            .copied()
            .collect();
        coming.sort_by_key(|aborted| aborted.first);
        Transactions {
            coming: coming.into(),
            aborted: BTreeMap::new(),
            committed: BTreeSet::new(),
        }
    }

    /// Takes in a batch of records. Whether it was aborted.
    pub(super) fn data(&mut self, batch: &Header) -> bool {
        self.begin_up_to(batch.last_offset());
        if !batch.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&batch.producer_id) {
            Some(ongoing) => {
                ongoing.has_batches = true;
                true
            }
            None => {
                self.committed.insert(batch.producer_id);
                false
            }
        }
    }

    /// Takes in a control batch with this marker, if it is one.
    pub(super) fn control(&mut self, batch: &Header, marker: Option<Marker>) -> Behind {
        self.begin_up_to(batch.last_offset());
        let id = batch.producer_id;
        match marker {
            // Emptied already: it stood for its producer's epoch.
            None if batch.record_count == 0 => Behind::Nothing,
            None => Behind::Other,
            Some(marker) if marker.commit => match self.committed.remove(&id) {
                true => Behind::Batches(None),
                false => Behind::Nothing,
            },
            Some(_) => match self.aborted.remove(&id) {
                Some(ongoing) if ongoing.has_batches => Behind::Batches(Some(ongoing.aborted)),
                _ => Behind::Nothing,
            },
        }
    }

    fn begin_up_to(&mut self, offset: Offset) {
        while let Some(aborted) = self.coming.pop_front_if(|next| next.first <= offset) {
            self.aborted.entry(aborted.producer).or_insert(Ongoing {
                aborted,
                has_batches: false,
            });
        }
    }
}
