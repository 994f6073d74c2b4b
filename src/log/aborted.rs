//! `.txnindex`: the aborted transactions whose marker lies in a segment, for readers that want only
//! committed records.
//!
//! ```text
//!  0  i16 version 0
//!  2  i64 producer id
//! 10  i64 first offset of the transaction
//! 18  i64 offset of its marker
//! 26  i64 last stable offset once it was decided    -> 34
//! ```

use crate::types::{Offset, ProducerId};

/// Bytes of one entry of a `.txnindex` file.
pub const ABORTED_ENTRY_BYTES: usize = 34;

/// An aborted transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aborted {
    /// Whose it was.
    pub producer: ProducerId,
    /// The offset of its first record.
    pub first: Offset,
    /// The offset of the marker that aborted it.
    pub marker: Offset,
    /// The last stable offset after that: where a reader may stop looking for more.
    pub last_stable: Offset,
}

impl Aborted {
    /// The entry as the file holds it.
    pub fn encode(&self) -> [u8; ABORTED_ENTRY_BYTES] {
        let mut bytes = [0; ABORTED_ENTRY_BYTES];
        bytes[2..10].copy_from_slice(&self.producer.0.to_be_bytes());
        bytes[10..18].copy_from_slice(&self.first.0.to_be_bytes());
        bytes[18..26].copy_from_slice(&self.marker.0.to_be_bytes());
        bytes[26..34].copy_from_slice(&self.last_stable.0.to_be_bytes());
        bytes
    }
}

/// Reads a whole `.txnindex` file of the segment at `base`; `None` if it is not one: an incomplete
/// entry, another version, an offset before the segment, or markers that do not ascend.
pub fn parse_aborted(base: Offset, bytes: &[u8]) -> Option<Vec<Aborted>> {
    if !bytes.len().is_multiple_of(ABORTED_ENTRY_BYTES) {
        return None;
    }
    let mut entries: Vec<Aborted> = Vec::with_capacity(bytes.len() / ABORTED_ENTRY_BYTES);
    for entry in bytes.chunks_exact(ABORTED_ENTRY_BYTES) {
        let long = |at: usize| i64::from_be_bytes(entry[at..at + 8].try_into().expect("8 bytes"));
        let read = Aborted {
            producer: ProducerId(long(2)),
            first: Offset(long(10)),
            marker: Offset(long(18)),
            last_stable: Offset(long(26)),
        };
        let ascends = entries.last().is_none_or(|last| last.marker < read.marker);
        if entry[..2] != [0, 0] || read.marker < base || !ascends {
            return None;
        }
        entries.push(read);
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_kafkas_bytes_and_is_read_back() {
        let entry = Aborted {
            producer: ProducerId(2),
            first: Offset(5),
            marker: Offset(7),
            last_stable: Offset(6),
        };
        let mut expected = [0u8; 34];
        expected[9] = 2;
        expected[17] = 5;
        expected[25] = 7;
        expected[33] = 6;
        assert_eq!(entry.encode(), expected);
        assert_eq!(parse_aborted(Offset(3), &expected), Some(vec![entry]));
    }

    #[test]
    fn a_file_that_is_not_whole_or_not_in_order_is_refused() {
        let entry = Aborted {
            producer: ProducerId(2),
            first: Offset(5),
            marker: Offset(7),
            last_stable: Offset(6),
        };
        let bytes = entry.encode();
        assert_eq!(parse_aborted(Offset(0), &bytes[..33]), None);
        assert_eq!(parse_aborted(Offset(8), &bytes), None);
        assert_eq!(parse_aborted(Offset(0), &[bytes, bytes].concat()), None);
        assert_eq!(parse_aborted(Offset(0), &[]), Some(vec![]));
    }
}
