//! Memory of requests that are answered, for those to come: what waits is moved from place to place as a
//! pointer, and in a steady state nothing is allocated for it.

use crate::limits::SPARE_REQUESTS_MAX;

/// Places for requests of one kind.
#[allow(clippy::vec_box)] // the boxes are what is kept
pub struct Spares<T>(Vec<Box<T>>);

impl<T> Default for Spares<T> {
    fn default() -> Spares<T> {
        Spares(Vec::new())
    }
}

impl<T> Spares<T> {
    /// Puts a request into a place that is free, or into a new one.
    pub(super) fn place(&mut self, request: T) -> Box<T> {
        match self.0.pop() {
            Some(mut spare) => {
                *spare = request;
                spare
            }
            None => Box::new(request),
        }
    }

    /// Takes a place back. What holds memory or files in it has been dropped.
    pub(super) fn take_back(&mut self, place: Box<T>) {
        if self.0.len() < SPARE_REQUESTS_MAX {
            self.0.push(place);
        }
    }
}
