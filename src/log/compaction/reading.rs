//! The batches of a segment that is compacted: whole, as they were written, at offsets that the segment may
//! have. What is damaged is not compacted.

use crate::batch::{self, CRC_START, Header, crc32c};
use crate::log::recovery::Fault;
use crate::log::scan::{Source, Walk};
use crate::types::Offset;
use std::ops::{ControlFlow, Range};
use std::{fmt, io};

/// Why a segment cannot be compacted.
#[derive(Debug)]
pub enum Unreadable {
    /// It cannot be read.
    Io(io::Error),
    /// No sound batch begins where one should.
    Batch {
        /// Where in its file.
        position: u64,
        /// What is wrong there.
        fault: Fault,
    },
    /// The records of a batch cannot be read: it was stored without a look at them.
    Records {
        /// Where in its file.
        position: u64,
        /// What is wrong with them.
        fault: batch::Fault,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Io(error) => write!(f, "{error}"),
            Unreadable::Batch { position, fault } => write!(f, "at {position}: {fault}"),
            Unreadable::Records { position, fault } => write!(f, "at {position}: {fault}"),
        }
    }
}

/// Takes a batch, its header and its bytes, and says whether to go on.
pub type TakeBatch<'a> = dyn FnMut(&Header, &[u8]) -> Result<ControlFlow<()>, batch::Fault> + 'a;

/// A stretch of a segment to be read.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// The offsets that the segment may hold.
    pub offsets: Range<Offset>,
    /// Bytes of the segment.
    pub length: u64,
    /// Where a batch begins in it.
    pub position: u64,
    /// Bytes after which to stop, at the next batch.
    pub bytes_max: u64,
    /// Bytes read at once, but for a batch that is larger.
    pub chunk_bytes: usize,
}

/// Hands out batch after batch of a stretch, until `take` breaks, and returns where it stopped: behind the
/// last batch that was handed out.
///
/// # Errors
/// The segment cannot be read or is damaged, or `take` finds that a batch's records are.
pub fn each_batch(
    log: &dyn Source,
    stretch: &Stretch,
    take: &mut TakeBatch<'_>,
) -> Result<u64, Unreadable> {
    let mut walk = Walk::in_chunks(log, stretch.length, stretch.chunk_bytes);
    let mut position = stretch.position;
    let mut end = stretch.offsets.start;
    while position < stretch.length && position - stretch.position < stretch.bytes_max {
        let damaged = |fault| Unreadable::Batch { position, fault };
        let header = walk
            .header(position)
            .map_err(Unreadable::Io)?
            .ok_or(damaged(Fault::NotWhole))?;
        let last = header.last_offset();
        // No CRC covers the base offset, and an index has 31 bits for what lies behind the segment's.
        let is_near = last.0 - stretch.offsets.start.0 <= i64::from(i32::MAX);
        if header.base_offset < end || last >= stretch.offsets.end || !is_near {
            return Err(damaged(Fault::Offsets));
        }
        let bytes = walk
            .window(position, header.size())
            .map_err(Unreadable::Io)?;
        if crc32c(&bytes[CRC_START..]) != header.crc {
            return Err(damaged(Fault::Crc));
        }
        let taken = take(&header, bytes);
        let go = taken.map_err(|fault| Unreadable::Records { position, fault })?;
        position += header.size() as u64;
        end = header.next_offset();
        if go.is_break() {
            break;
        }
    }
    Ok(position)
}
