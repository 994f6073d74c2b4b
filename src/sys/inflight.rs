//! What is on the ring: the owner of every descriptor, buffer and vector the kernel may still touch.

use super::lookout::Watched;
use super::waker::Waker;
use crate::io::{File, FileRange, Pieces, Pipe, Socket, Token};
use bytes::BytesMut;

/// One operation on the ring.
pub(super) enum InFlight {
    /// Waits until the listener has a connection.
    Accept { token: Token, listener: Socket },
    /// Waits for a socket.
    Poll(Watched),
    /// WRITEV of `vectors`, which point into `pieces`.
    Append {
        token: Token,
        file: File,
        position: u64,
        pieces: Pieces,
        vectors: Vec<libc::iovec>,
        /// When it was submitted first.
        began_ns: u64,
    },
    /// READ into the spare capacity of `buffer`, after `already` bytes were read directly.
    Read {
        token: Token,
        file: File,
        position: u64,
        length: usize,
        buffer: BytesMut,
        already: usize,
    },
    /// SPLICE of a range into an empty pipe.
    Fill {
        token: Token,
        range: FileRange,
        pipe: Pipe,
    },
    /// Waits for the kernel's own eventfd.
    Bell,
    /// A message to another kernel's ring.
    Message { to: Waker },
    /// The cancellation of all others.
    Cancel,
}

/// Operations by number. A number is a place and the generation of its tenant, so that a completion
/// that comes twice, or for another tenant, is caught.
#[derive(Default)]
pub(super) struct Slab {
    places: Vec<Place>,
    free: Vec<u32>,
}

struct Place {
    generation: u32,
    tenant: Option<InFlight>,
}

impl Slab {
    /// Takes an operation in, and numbers it.
    pub fn insert(&mut self, tenant: InFlight) -> u64 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                generation: 0,
                tenant: None,
            });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[at as usize];
        debug_assert!(place.tenant.is_none());
        place.tenant = Some(tenant);
        u64::from(place.generation) << 32 | u64::from(at)
    }

    /// Gives the operation of that number back.
    ///
    /// Panics if there is none: the kernel completes each exactly once.
    pub fn remove(&mut self, number: u64) -> InFlight {
        let at = number as u32;
        let place = &mut self.places[at as usize];
        assert_eq!(
            u64::from(place.generation),
            number >> 32,
            "completion of an operation that is not in flight"
        );
        let tenant = place.tenant.take().expect("the generation matches");
        place.generation = place.generation.wrapping_add(1);
        self.free.push(at);
        tenant
    }

    /// How many are in flight.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_good_for_one_completion() {
        let mut slab = Slab::default();
        let first = slab.insert(InFlight::Bell);
        let second = slab.insert(InFlight::Bell);
        slab.remove(first);
        let third = slab.insert(InFlight::Bell);
        assert!(first != third && second != third && first as u32 == third as u32);
        assert_eq!(slab.len(), 2);
        let twice = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| slab.remove(first)));
        assert!(twice.is_err());
    }
}
