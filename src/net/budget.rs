//! How many bytes of requests a shard may hold at once. The whole length of a frame is taken before
//! its body is read, so frames that are read by halves cannot starve each other.
//!
//! Who finds no room waits in one line, served in order: nobody overtakes, so a large frame is not
//! starved by small ones. A frame larger than the whole budget takes all of it, that is, it is
//! admitted alone.
//!
//! Invariants:
//! - `free <= capacity`; what is not free is the sum of the [`Reservation`]s, each given back exactly
//!   once.
//! - A connection waits at most once.

use std::collections::VecDeque;

/// The bytes that one shard may hold in requests.
pub struct Budget {
    capacity: usize,
    free: usize,
    waiting: VecDeque<(u64, usize)>,
}

/// Bytes taken from a [`Budget`], to be given back with [`Budget::release`].
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct Reservation(usize);

impl Budget {
    /// A budget of `capacity` bytes, `queued.max.request.bytes`.
    pub fn new(capacity: usize) -> Budget {
        assert!(capacity > 0);
        Budget {
            capacity,
            free: capacity,
            waiting: VecDeque::new(),
        }
    }

    /// The connection to be told `handle_admitted`, because its frame may go on: the first in line, if
    /// there is room for it. It stays the first in line until it is told.
    pub fn next_admitted(&self) -> Option<u64> {
        let (who, bytes) = *self.waiting.front()?;
        (bytes <= self.free).then_some(who)
    }

    /// Bytes in all.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes that nobody holds.
    pub fn free(&self) -> usize {
        self.free
    }

    /// Connections in line.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes `bytes` for connection `who`, or puts it in line.
    pub(super) fn reserve(&mut self, who: u64, bytes: usize) -> Option<Reservation> {
        let bytes = bytes.min(self.capacity);
        let first = self.waiting.front().map(|(first, _)| *first);
        if bytes > self.free || first.is_some_and(|first| first != who) {
            if !self.waiting.iter().any(|(waits, _)| *waits == who) {
                self.waiting.push_back((who, bytes));
            }
            return None;
        }
        if first.is_some() {
            self.waiting.pop_front();
        }
        self.free -= bytes;
        Some(Reservation(bytes))
    }

    /// Gives bytes back.
    pub fn release(&mut self, reservation: Reservation) {
        self.free += reservation.0;
        assert!(self.free <= self.capacity, "more given back than taken");
    }

    /// Takes connection `who` out of the line.
    pub(super) fn cancel(&mut self, who: u64) {
        self.waiting.retain(|(waits, _)| *waits != who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_served_in_order() {
        let mut budget = Budget::new(100);
        let first = budget.reserve(1, 80).unwrap();
        assert_eq!(budget.reserve(2, 50), None);
        assert_eq!(budget.reserve(3, 10), None, "nobody overtakes");
        assert_eq!(budget.next_admitted(), None);
        budget.release(first);
        assert_eq!(budget.next_admitted(), Some(2));
        let second = budget.reserve(2, 50).unwrap();
        assert_eq!(budget.next_admitted(), Some(3));
        let third = budget.reserve(3, 10).unwrap();
        assert_eq!((budget.next_admitted(), budget.free()), (None, 40));
        budget.release(third);
        budget.release(second);
        assert_eq!((budget.free(), budget.waiting()), (100, 0));
    }

    #[test]
    fn a_frame_larger_than_the_budget_is_admitted_alone() {
        let mut budget = Budget::new(100);
        let small = budget.reserve(1, 1).unwrap();
        assert_eq!(budget.reserve(2, 1000), None);
        budget.release(small);
        let large = budget.reserve(2, 1000).unwrap();
        assert_eq!(budget.free(), 0);
        assert_eq!(budget.reserve(3, 1), None);
        budget.release(large);
        assert_eq!(budget.free(), 100);
    }

    #[test]
    fn who_leaves_the_line_lets_the_next_one_pass() {
        let mut budget = Budget::new(100);
        let held = budget.reserve(1, 60).unwrap();
        assert_eq!(budget.reserve(2, 90), None);
        assert_eq!(budget.reserve(2, 90), None, "in line only once");
        assert_eq!(budget.reserve(3, 30), None);
        budget.cancel(2);
        assert_eq!(budget.next_admitted(), Some(3));
        let taken = budget.reserve(3, 30).unwrap();
        budget.release(taken);
        budget.release(held);
        assert_eq!((budget.free(), budget.waiting()), (100, 0));
    }
}
