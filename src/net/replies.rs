//! Replies, and the order they leave in: that of their requests, whenever they are ready.
//!
//! Every request gets a slot when its frame is handed out. The slot at the front leaves first; what is
//! ready behind it waits.

use super::budget::{Budget, Reservation};
use crate::io::FileRange;
use crate::metrics::Meter;
use crate::mutation::{Mutation, planted};
use crate::types::Now;
use crate::wire::Refusal;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// The place of a reply among those of its connection, counted from 0 as requests come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlotId(pub u64);

/// A stretch of a reply.
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes of a file, sent from the page cache where they are many.
    File(FileRange),
}

impl Part {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::File(range) => range.length,
        }
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Most replies have one, or a head, a stretch of a file and an end.
pub type Parts = SmallVec<[Part; 3]>;

/// A reply as it goes to the socket, its four bytes of length included.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// Sent one after the other.
    pub parts: Parts,
    /// The first error that it tells, for the log.
    pub refusal: Option<Box<Refusal>>,
}

impl From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Reply {
        Reply::from(Parts::from_iter([Part::Bytes(bytes)]))
    }
}

impl From<Parts> for Reply {
    fn from(parts: Parts) -> Reply {
        Reply {
            parts,
            ..Reply::default()
        }
    }
}

impl Reply {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.parts.iter().map(Part::len).sum()
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

struct Slot {
    /// The bytes of its request; `None` once it is answered, or somebody else answers for them.
    reservation: Option<Reservation>,
    /// What is measured of its request: it stays here, so that nobody has to carry it.
    meter: Meter,
    /// `None` until it is answered; an empty reply for a request that wants none.
    reply: Option<Reply>,
}

/// The slots of one connection whose replies have not gone to the sender.
#[derive(Default)]
pub(super) struct Slots {
    first: u64,
    slots: VecDeque<Slot>,
    waiting: usize,
}

impl Slots {
    /// A slot for a new request that holds `reservation`.
    pub(super) fn open(&mut self, reservation: Reservation) -> SlotId {
        self.slots.push_back(Slot {
            reservation: Some(reservation),
            meter: Meter::default(),
            reply: None,
        });
        self.waiting += 1;
        SlotId(self.first + self.slots.len() as u64 - 1)
    }

    /// Fills a slot and gives the bytes of its request back. Returns what is measured of the request.
    ///
    /// Panics if it is filled already, or was never opened: each request is answered once.
    pub(super) fn fill(
        &mut self,
        id: SlotId,
        reply: Reply,
        now: Now,
        budget: &mut Budget,
    ) -> Meter {
        let slot = self.slot(id);
        assert!(slot.reply.is_none(), "{id:?} is answered twice");
        slot.reply = Some(reply);
        slot.meter.answered(now);
        let meter = slot.meter;
        if let Some(reservation) = slot.reservation.take() {
            budget.release(reservation);
        }
        self.waiting -= 1;
        meter
    }

    /// A request's handler has begun. Hands over its bytes if it waits.
    pub(super) fn begun(&mut self, id: SlotId, meter: Meter, waits: bool) -> Option<Reservation> {
        let slot = self.slot(id);
        slot.meter = meter;
        match waits {
            true => slot.reservation.take(),
            false => None,
        }
    }

    /// What is measured of a request whose reply has not left.
    pub(super) fn meter(&mut self, id: SlotId) -> Meter {
        self.slot(id).meter
    }

    fn slot(&mut self, id: SlotId) -> &mut Slot {
        let at = id.0.checked_sub(self.first);
        at.and_then(|at| self.slots.get_mut(usize::try_from(at).ok()?))
            .unwrap_or_else(|| panic!("{id:?} is not open"))
    }

    /// Whether the next reply in order is there.
    pub(super) fn is_next_ready(&self) -> bool {
        let first = self.slots.front();
        first.is_some_and(|slot| slot.reply.is_some())
    }

    /// The next reply in order, if it is ready, and what is measured of its request.
    pub(super) fn next(&mut self) -> Option<(Reply, Meter)> {
        if planted(Mutation::RepliesSwapped)
            && self.slots.len() > 1
            && self.slots.iter().take(2).all(|slot| slot.reply.is_some())
        {
            self.slots.swap(0, 1);
        }
        self.slots.front()?.reply.as_ref()?;
        self.first += 1;
        let slot = self.slots.pop_front()?;
        Some((slot.reply?, slot.meter))
    }

    /// Forgets `from` and all slots behind it.
    pub(super) fn truncate(&mut self, from: SlotId, budget: &mut Budget) {
        let keep = from.0.saturating_sub(self.first) as usize;
        for slot in self.slots.drain(keep.min(self.slots.len())..) {
            if slot.reply.is_none() {
                self.waiting -= 1;
            }
            if let Some(reservation) = slot.reservation {
                budget.release(reservation);
            }
        }
    }

    /// Forgets all slots.
    pub(super) fn clear(&mut self, budget: &mut Budget) {
        self.truncate(SlotId(self.first), budget);
    }

    /// Requests and replies in slots.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Requests that the broker has not answered.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}
