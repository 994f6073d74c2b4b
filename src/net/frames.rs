//! Bytes as they arrive, and the frames cut from them: a length of four bytes, big-endian, then the
//! request.
//!
//! Large receives stay where the socket put them: ranges of pool pieces, merged where one continues
//! the other. Of a small receive, what does not complete a frame is copied to memory of the
//! connection's own. So a peer that drips one byte at a time pins neither a piece nor a handle per
//! byte; what a connection holds is at most about twice what it copied, plus pieces of which it uses
//! an eighth or more.

use crate::io::Pieces;
use crate::limits::{PIECE_BYTES, RECEIVE_COPY_BYTES_MAX, UNADMITTED_BYTES_MAX};
use bytes::BytesMut;

/// Bytes of the length in front of every frame.
pub(super) const LENGTH_BYTES: usize = 4;

/// A length that no request has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLength(pub(super) i32);

/// What has arrived and is not yet cut. It begins at a frame's length or, once that frame is
/// admitted, at its first byte.
#[derive(Default)]
pub(super) struct Frames {
    received: Pieces,
    /// Where the part ends that is memory of our own and may grow; 0 for none.
    own_end: usize,
    /// The length of the admitted frame.
    admitted: Option<usize>,
}

impl Frames {
    /// Adds a range of a pool piece.
    pub(super) fn push(&mut self, part: BytesMut) {
        let Some(mut last) = self.received.pop_last() else {
            self.received.push(part);
            return;
        };
        let apart = last.try_unsplit(part).err();
        self.received.push(last);
        if let Some(part) = apart {
            self.received.push(part);
        }
    }

    /// Whether nothing is there that has not been cut.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// The length of the next frame, once enough of it has come to admit it: all of it, or so much
    /// that the peer means it. `None`: receive more.
    ///
    /// An announced length alone takes nothing from the budget, or a thousand idle peers that each
    /// announce 100 MB would take all of it.
    pub(super) fn next_length(&self, max: usize) -> Result<Option<usize>, BadLength> {
        assert!(self.admitted.is_none(), "one frame is admitted at a time");
        if self.received.len() < LENGTH_BYTES {
            return Ok(None);
        }
        let mut prefix = [0; LENGTH_BYTES];
        self.received.copy_at(0, &mut prefix);
        let announced = i32::from_be_bytes(prefix);
        match usize::try_from(announced) {
            Ok(length) if (1..=max).contains(&length) => {
                let come = self.received.len() - LENGTH_BYTES;
                Ok((come >= length.min(UNADMITTED_BYTES_MAX)).then_some(length))
            }
            _ => Err(BadLength(announced)),
        }
    }

    /// Admits the frame whose length [`next_length`](Frames::next_length) told.
    pub(super) fn admit(&mut self, length: usize) {
        assert!(self.admitted.is_none(), "one frame is admitted at a time");
        self.received.advance(LENGTH_BYTES);
        self.admitted = Some(length);
        self.note_empty();
    }

    /// Cuts the admitted frame off, if all of it is there.
    pub(super) fn take_complete(&mut self) -> Option<Pieces> {
        let length = self.admitted?;
        if self.received.len() < length {
            return None;
        }
        self.admitted = None;
        let frame = self.received.split_to(length);
        self.note_empty();
        Some(frame)
    }

    /// Bytes of the admitted frame that are still to come; 0 if none is admitted.
    pub(super) fn missing(&self) -> usize {
        self.admitted.map_or(0, |length| {
            length.saturating_sub(self.received.len()).max(1)
        })
    }

    /// To be called after a receive of `count` bytes, when all complete frames are cut: copies what
    /// is left of them if they were few.
    pub(super) fn settle(&mut self, count: usize) {
        let fresh = count.min(self.received.len());
        if fresh == 0 || fresh >= RECEIVE_COPY_BYTES_MAX {
            return;
        }
        let mut parts = Vec::new();
        let mut left = fresh;
        while left > 0 {
            let part = self.received.pop_last().expect("no more than there is");
            if part.len() > left {
                // It continues what lay there before: it pins nothing new.
                self.received.push(part);
                break;
            }
            left -= part.len();
            parts.push(part);
        }
        if left > 0 {
            let rest = parts.into_iter().rev();
            rest.for_each(|part| self.received.push(part));
            return;
        }
        let mut own = BytesMut::new();
        match self.received.pop_last() {
            Some(last) if end_of(&last) == self.own_end && last.len() + fresh <= PIECE_BYTES => {
                own = last;
            }
            Some(last) => self.received.push(last),
            None => {}
        }
        own.reserve(fresh);
        for part in parts.iter().rev() {
            own.extend_from_slice(part);
        }
        self.own_end = end_of(&own);
        self.received.push(own);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Frames::default();
    }

    fn note_empty(&mut self) {
        if self.received.is_empty() {
            self.own_end = 0;
        }
    }
}

/// The address after the last byte: what tells our own part from a range of a piece.
fn end_of(part: &BytesMut) -> usize {
    part.as_ptr_range().end.addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 100 * 1024 * 1024;

    fn announced(length: i32) -> BytesMut {
        BytesMut::from(&length.to_be_bytes()[..])
    }

    #[test]
    fn lengths_that_no_request_has_are_refused() {
        for length in [0, -1, i32::MIN, i32::MAX, MAX as i32 + 1] {
            let mut frames = Frames::default();
            frames.push(announced(length));
            assert_eq!(frames.next_length(MAX), Err(BadLength(length)));
        }
        // The first bytes of a TLS hello and of an HTTP request.
        for bytes in [b"\x16\x03\x01\x02", b"GET "] {
            let mut frames = Frames::default();
            frames.push(BytesMut::from(&bytes[..]));
            assert!(frames.next_length(MAX).is_err());
        }
    }

    #[test]
    fn an_announced_length_takes_no_budget_until_it_is_meant() {
        let mut frames = Frames::default();
        frames.push(announced(MAX as i32));
        assert_eq!(frames.next_length(MAX), Ok(None));
        frames.push(BytesMut::zeroed(UNADMITTED_BYTES_MAX - 1));
        assert_eq!(frames.next_length(MAX), Ok(None));
        frames.push(BytesMut::zeroed(1));
        assert_eq!(frames.next_length(MAX), Ok(Some(MAX)));
    }

    #[test]
    fn a_dripping_peer_pins_neither_pieces_nor_handles() {
        let mut frames = Frames::default();
        let total = 3 * PIECE_BYTES;
        let mut bytes = announced(total as i32);
        bytes.extend((0..total).map(|at| at as u8));
        let mut piece = BytesMut::new();
        for (at, byte) in bytes.iter().enumerate() {
            // Every byte comes at the end of a piece of its own.
            piece = BytesMut::zeroed(PIECE_BYTES);
            let rest = piece.split_off(PIECE_BYTES - 1);
            frames.push(rest);
            let last = frames.received.len() - 1;
            frames.received.patch_at(last, &[*byte]);
            if frames.admitted.is_none()
                && let Some(length) = frames.next_length(MAX).unwrap()
            {
                frames.admit(length);
            }
            if at + 1 < bytes.len() {
                assert!(frames.take_complete().is_none());
                frames.settle(1);
                piece.clear();
                assert!(piece.try_reclaim(PIECE_BYTES), "the piece is pinned");
                assert!(frames.received.chunk_count() <= 1 + at / (PIECE_BYTES - 4));
                let own = frames.received.pop_last().unwrap();
                assert!(own.capacity() <= 64 + 2 * own.len());
                frames.received.push(own);
            }
        }
        drop(piece);
        let frame = frames.take_complete().unwrap();
        assert_eq!(frame.to_vec(), bytes[4..]);
        assert!(frames.received.is_empty());
    }

    #[test]
    fn what_continues_in_the_same_piece_is_one_part() {
        let mut piece = BytesMut::zeroed(PIECE_BYTES);
        let mut frames = Frames::default();
        let length = PIECE_BYTES - 4;
        piece[..4].copy_from_slice(&(length as i32).to_be_bytes());
        for count in [20_000, 1, 30_000, PIECE_BYTES - 50_001] {
            let part = piece.split_to(count);
            frames.push(part);
            if frames.admitted.is_none()
                && let Some(length) = frames.next_length(MAX).unwrap()
            {
                frames.admit(length);
            }
            frames.settle(count);
        }
        let frame = frames.take_complete().unwrap();
        assert_eq!((frame.len(), frame.chunk_count()), (length, 1));
    }
}
