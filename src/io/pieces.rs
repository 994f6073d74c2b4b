//! A chain of receive pieces: the bytes of a frame, or a record set cut from it.
//!
//! Each part is the unique holder of its bytes ([`BytesMut`] split off once, never cloned), so what
//! the broker has to patch in a record set (base offset, leader epoch) it patches in place, and what
//! it appends it appends from where the socket put it.

use bytes::{Buf, BytesMut};
use std::collections::VecDeque;
use std::io::IoSlice;

/// Bytes in parts, in order. Most have one part, which needs no memory of its own; the others stand
/// elsewhere, because this is moved through every stage of a produce.
///
/// Invariant: without a first part there are no others, and no part is empty.
#[derive(Default)]
pub struct Pieces {
    first: Option<BytesMut>,
    #[allow(clippy::box_collection)] // a word instead of four
    rest: Option<Box<VecDeque<BytesMut>>>,
    length: usize,
}

const _: () = assert!(size_of::<Pieces>() == 48);

impl Pieces {
    /// No bytes.
    pub fn new() -> Pieces {
        Pieces::default()
    }

    /// How many bytes in all.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds a part at the end; an empty one vanishes.
    pub fn push(&mut self, part: BytesMut) {
        if part.is_empty() {
            return;
        }
        self.length += part.len();
        match self.first {
            None => self.first = Some(part),
            Some(_) => self.rest.get_or_insert_default().push_back(part),
        }
    }

    /// Adds all parts of `other` at the end.
    pub fn append(&mut self, other: Pieces) {
        other.first.into_iter().for_each(|part| self.push(part));
        if let Some(rest) = other.rest {
            rest.into_iter().for_each(|part| self.push(part));
        }
    }

    /// The parts, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.parts().map(|part| &part[..])
    }

    fn parts(&self) -> impl Iterator<Item = &BytesMut> + Clone {
        self.first
            .iter()
            .chain(self.rest.iter().flat_map(|rest| rest.iter()))
    }

    /// How many parts.
    pub fn chunk_count(&self) -> usize {
        let rest = self.rest.as_ref().map_or(0, |rest| rest.len());
        usize::from(self.first.is_some()) + rest
    }

    /// The last part, for a receiver that goes on filling it; `push` what remains of it back.
    pub fn pop_last(&mut self) -> Option<BytesMut> {
        let rest = self.rest.as_mut().and_then(|rest| rest.pop_back());
        let part = rest.or_else(|| self.first.take())?;
        self.length -= part.len();
        Some(part)
    }

    /// Cuts off the first `count` bytes and returns them.
    ///
    /// Panics if there are fewer.
    pub fn split_to(&mut self, count: usize) -> Pieces {
        assert!(
            count <= self.length,
            "split_to({count}) of {} bytes",
            self.length
        );
        let mut front = Pieces::new();
        while front.length < count {
            let wanted = count - front.length;
            let part = self.first.as_mut().expect("length counts the parts");
            if part.len() <= wanted {
                front.push(self.pop_first());
            } else {
                front.push(part.split_to(wanted));
            }
        }
        self.length -= count;
        front
    }

    /// Cuts off what lies behind the first `count` parts and returns it.
    pub fn split_off_parts(&mut self, count: usize) -> Pieces {
        let mut behind = Pieces::new();
        if count == 0 {
            std::mem::swap(self, &mut behind);
        } else if let Some(rest) = &mut self.rest
            && count <= rest.len()
        {
            let rest = rest.split_off(count - 1);
            rest.into_iter().for_each(|part| behind.push(part));
            self.length -= behind.length;
        }
        behind
    }

    /// Takes the first part out, which is there; `length` still counts it.
    fn pop_first(&mut self) -> BytesMut {
        let next = self.rest.as_mut().and_then(|rest| rest.pop_front());
        std::mem::replace(&mut self.first, next).expect("a first part")
    }

    /// Drops the first `count` bytes.
    ///
    /// Panics if there are fewer.
    pub fn advance(&mut self, count: usize) {
        assert!(
            count <= self.length,
            "advance({count}) of {} bytes",
            self.length
        );
        let mut left = count;
        while left > 0 {
            let part = self.first.as_mut().expect("length counts the parts");
            if part.len() <= left {
                left -= part.len();
                self.pop_first();
            } else {
                part.advance(left);
                left = 0;
            }
        }
        self.length -= count;
    }

    /// Copies `into.len()` bytes from `position` on.
    ///
    /// Panics if they are not all there.
    pub fn copy_at(&self, position: usize, into: &mut [u8]) {
        assert!(position + into.len() <= self.length, "copy_at past the end");
        let mut at = 0;
        let mut skip = position;
        for part in self.parts() {
            if skip >= part.len() {
                skip -= part.len();
                continue;
            }
            let count = (part.len() - skip).min(into.len() - at);
            into[at..at + count].copy_from_slice(&part[skip..skip + count]);
            at += count;
            skip = 0;
            if at == into.len() {
                return;
            }
        }
    }

    /// The byte at `position`.
    ///
    /// Panics if it is not there.
    pub fn byte_at(&self, position: usize) -> u8 {
        match self.first.as_ref().and_then(|first| first.get(position)) {
            Some(byte) => *byte,
            None => {
                let mut byte = [0];
                self.copy_at(position, &mut byte);
                byte[0]
            }
        }
    }

    /// Overwrites the bytes from `position` on.
    ///
    /// Panics if they are not all there.
    pub fn patch_at(&mut self, position: usize, bytes: &[u8]) {
        assert!(
            position + bytes.len() <= self.length,
            "patch_at past the end"
        );
        let mut at = 0;
        let mut skip = position;
        let rest = self.rest.iter_mut().flat_map(|rest| rest.iter_mut());
        for part in self.first.iter_mut().chain(rest) {
            if skip >= part.len() {
                skip -= part.len();
                continue;
            }
            let count = (part.len() - skip).min(bytes.len() - at);
            part[skip..skip + count].copy_from_slice(&bytes[at..at + count]);
            at += count;
            skip = 0;
            if at == bytes.len() {
                return;
            }
        }
    }

    /// All bytes in one run: copies, for what is small or rare.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length);
        self.chunks().for_each(|part| bytes.extend_from_slice(part));
        bytes
    }

    /// The parts as the kernel takes them, at most `most` of them.
    pub fn io_slices(&self, most: usize) -> Vec<IoSlice<'_>> {
        self.parts()
            .take(most)
            .map(|part| IoSlice::new(part))
            .collect()
    }
}

impl From<&[u8]> for Pieces {
    fn from(bytes: &[u8]) -> Pieces {
        let mut pieces = Pieces::new();
        pieces.push(BytesMut::from(bytes));
        pieces
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pieces({} bytes in {})", self.length, self.chunk_count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(parts: &[&str]) -> Pieces {
        let mut pieces = Pieces::new();
        parts
            .iter()
            .for_each(|part| pieces.push(BytesMut::from(*part)));
        pieces
    }

    #[test]
    fn splitting_cuts_within_and_between_parts() {
        for count in 0..=9 {
            let mut rest = pieces(&["abc", "", "defg", "hi"]);
            let front = rest.split_to(count);
            assert_eq!(front.to_vec(), b"abcdefghi"[..count]);
            assert_eq!(rest.to_vec(), b"abcdefghi"[count..]);
            assert_eq!(front.len() + rest.len(), 9);
        }
    }

    #[test]
    fn parts_are_split_off_in_order() {
        for count in 0..=4 {
            let mut front = pieces(&["abc", "defg", "hi"]);
            let behind = front.split_off_parts(count);
            let at = [0, 3, 7, 9, 9][count];
            assert_eq!(front.to_vec(), b"abcdefghi"[..at]);
            assert_eq!(behind.to_vec(), b"abcdefghi"[at..]);
            assert_eq!((front.len(), behind.len()), (at, 9 - at));
            let mut again = front;
            again.append(behind);
            assert_eq!(again.to_vec(), b"abcdefghi");
            assert_eq!((again.len(), again.chunk_count()), (9, 3));
        }
    }

    #[test]
    fn patches_and_copies_cross_parts() {
        let mut all = pieces(&["abc", "defg", "hi"]);
        all.patch_at(2, b"XYZ123");
        assert_eq!(all.to_vec(), b"abXYZ123i");
        let mut into = [0; 4];
        all.copy_at(5, &mut into);
        assert_eq!(&into, b"123i");
        all.advance(4);
        assert_eq!(all.to_vec(), b"Z123i");
    }
}
