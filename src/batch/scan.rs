//! Hopping from header to header through bytes of a log file: look-ups and recovery. The records are
//! not looked at.

use super::header::Header;

/// The batches that lie whole in `bytes`, which begin with a batch.
pub fn scan(bytes: &[u8]) -> Scan<'_> {
    Scan { bytes, position: 0 }
}

/// Iterates over (position, header). Ends at the first batch that is cut off or not plausible
/// ([`Header::is_plausible`]); [`Scan::position`] and [`Scan::rest`] then tell where and what.
#[derive(Clone)]
pub struct Scan<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// Why a [`Scan`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// All bytes were whole batches.
    Nothing,
    /// Fewer bytes than a header.
    PartOfHeader,
    /// A plausible header whose batch goes on beyond the bytes.
    PartOfBatch(Header),
    /// No batch begins here.
    Implausible(Header),
}

impl<'a> Scan<'a> {
    /// Where the next batch would begin: behind the last whole one.
    pub fn position(&self) -> usize {
        self.position
    }

    /// What lies at [`Scan::position`]: meaningful once the iteration has ended.
    pub fn rest(&self) -> Rest {
        let left = &self.bytes[self.position..];
        match Header::read(left) {
            None if left.is_empty() => Rest::Nothing,
            None => Rest::PartOfHeader,
            Some(header) if header.is_plausible() => Rest::PartOfBatch(header),
            Some(header) => Rest::Implausible(header),
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = (usize, Header);

    fn next(&mut self) -> Option<(usize, Header)> {
        let left = &self.bytes[self.position..];
        let header = Header::read(left)?;
        if !header.is_plausible() || header.size() > left.len() {
            return None;
        }
        let position = self.position;
        self.position += header.size();
        Some((position, header))
    }
}
