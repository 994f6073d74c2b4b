//! Walking over a log file, batch by batch, with bounded memory: whatever lengths a damaged file
//! claims, no more than a chunk is held, and nothing beyond the file's end is asked for.

use crate::batch::{CRC_START, Crc, HEADER_BYTES, Header};
use crate::types::Offset;
use std::io;

/// Bytes read at once where all of them are looked at.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Bytes read at once where only headers are.
const HEADER_CHUNK_BYTES: usize = 32 * 1024;
/// The largest control record that is looked into: transaction markers have 17 bytes.
const CONTROL_BYTES_MAX: usize = 4096;

/// A file that may be read in a task off the shards, where blocking is allowed.
pub trait Source {
    /// Its length in bytes.
    fn length(&self) -> u64;
    /// pread(2): reads at `position`, perhaps less than asked for; 0 at the end.
    fn read_at(&self, position: u64, into: &mut [u8]) -> io::Result<usize>;
}

/// The offset behind the last whole batch of a segment's file; its base if there is none. For
/// `.swap` files, whose names say only where they begin.
pub fn next_offset(base: Offset, log: &dyn Source) -> io::Result<Offset> {
    let mut walk = Walk::headers(log, log.length());
    let mut position = 0;
    let mut next = base;
    while let Some(header) = walk.header(position)? {
        position += header.size() as u64;
        next = header.next_offset();
    }
    Ok(next)
}

/// What a stretch of a compacted segment has for a reader. Kafka's cleaner keeps the header of a
/// producer's last batch when its records are gone, and there are clients that stall or crash at a batch
/// without records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sifted {
    /// Batches with records, none without between them.
    Batches {
        /// Where the first of them begins.
        position: u64,
        /// Bytes of all of them; the last may be cut off, the first is not.
        length: u64,
        /// Bytes of the first.
        first_batch: u64,
    },
    /// Only batches without records.
    Emptied {
        /// The offset behind them.
        next: Offset,
    },
}

/// Looks through the `length` bytes from `position` on, where a batch begins.
pub fn sift(log: &dyn Source, position: u64, length: u64) -> io::Result<Sifted> {
    let mut walk = Walk::headers(log, log.length());
    let mut end = position + length;
    let mut first = None;
    let mut emptied = None;
    let mut at = position;
    while at < end {
        // What makes no sense is left to whoever reads it.
        let Some(header) = walk.header(at)? else {
            break;
        };
        match (header.record_count, first) {
            (..=0, None) => emptied = Some(header.next_offset()),
            (..=0, Some(_)) => end = at,
            (_, None) => first = Some((at, header.size() as u64)),
            (_, Some(_)) => {}
        }
        at += header.size() as u64;
    }
    Ok(match (first, emptied) {
        (Some((position, first_batch)), _) => Sifted::Batches {
            position,
            length: (end - position).max(first_batch),
            first_batch,
        },
        (None, Some(next)) => Sifted::Emptied { next },
        (None, None) => Sifted::Batches {
            position,
            length,
            first_batch: length,
        },
    })
}

/// A window that moves over a file.
pub(crate) struct Walk<'a> {
    source: &'a dyn Source,
    end: u64,
    chunk: Vec<u8>,
    chunk_bytes: usize,
    at: u64,
}

impl<'a> Walk<'a> {
    /// To hop from header to header.
    pub(crate) fn headers(source: &'a dyn Source, end: u64) -> Walk<'a> {
        Walk::in_chunks(source, end, HEADER_CHUNK_BYTES)
    }

    /// To read everything.
    pub(crate) fn whole(source: &'a dyn Source, end: u64) -> Walk<'a> {
        Walk::in_chunks(source, end, CHUNK_BYTES)
    }

    /// To read so many bytes at once.
    pub(crate) fn in_chunks(source: &'a dyn Source, end: u64, chunk_bytes: usize) -> Walk<'a> {
        Walk {
            source,
            end,
            chunk: Vec::new(),
            chunk_bytes,
            at: 0,
        }
    }

    /// The header of the batch at `position`; `None` if no batch begins there that lies whole before
    /// the end.
    pub(crate) fn header(&mut self, position: u64) -> io::Result<Option<Header>> {
        let left = self.end.saturating_sub(position);
        if left < HEADER_BYTES as u64 {
            return Ok(None);
        }
        let header = Header::read(self.window(position, HEADER_BYTES)?).expect("61 bytes");
        Ok((header.is_plausible() && header.size() as u64 <= left).then_some(header))
    }

    /// Whether the bytes of the batch at `position` are those its CRC was made of.
    pub(crate) fn crc_holds(&mut self, position: u64, header: &Header) -> io::Result<bool> {
        let mut crc = Crc::new();
        let mut at = position + CRC_START as u64;
        let end = position + header.size() as u64;
        while at < end {
            let count = (end - at).min(self.chunk_bytes as u64) as usize;
            let rest = match self.held(at) {
                // What the window still has, before it moves.
                held if held > 0 => held.min(count),
                _ => count,
            };
            crc.update(self.window(at, rest)?);
            at += rest as u64;
        }
        Ok(crc.value() == header.crc)
    }

    /// The records of a small control batch; empty if it is not small.
    pub(crate) fn control_body(&mut self, position: u64, header: &Header) -> io::Result<&[u8]> {
        let count = header.size() - HEADER_BYTES;
        match count {
            0..CONTROL_BYTES_MAX => self.window(position + HEADER_BYTES as u64, count),
            _ => Ok(&[]),
        }
    }

    /// The bytes from `position` on; the file must have as many.
    pub(crate) fn window(&mut self, position: u64, count: usize) -> io::Result<&[u8]> {
        if self.held(position) < count {
            let want = (self.end - position).min(self.chunk_bytes.max(count) as u64) as usize;
            self.chunk.resize(want, 0);
            self.at = position;
            if let Err(error) = read_exact_at(self.source, position, &mut self.chunk) {
                self.chunk.clear();
                return Err(error);
            }
        }
        let from = (position - self.at) as usize;
        Ok(&self.chunk[from..from + count])
    }

    /// How many bytes from `position` on are in the window.
    fn held(&self, position: u64) -> usize {
        match position.checked_sub(self.at) {
            Some(from) if from < self.chunk.len() as u64 => self.chunk.len() - from as usize,
            _ => 0,
        }
    }
}

/// The header of the first batch, if a whole one begins the file.
pub(crate) fn first_header(log: &dyn Source) -> io::Result<Option<Header>> {
    if log.length() < HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; HEADER_BYTES];
    read_exact_at(log, 0, &mut bytes)?;
    let header = Header::decode(&bytes);
    Ok((header.is_plausible() && header.size() as u64 <= log.length()).then_some(header))
}

/// Fills `into`; a file that ends earlier has shrunk under our eyes, which is an error.
pub(crate) fn read_exact_at(
    source: &dyn Source,
    mut position: u64,
    mut into: &mut [u8],
) -> io::Result<()> {
    while !into.is_empty() {
        let count = source.read_at(position, into)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        position += count as u64;
        into = &mut into[count..];
    }
    Ok(())
}

/// The whole of a small file.
pub(crate) fn read_all(source: &dyn Source) -> io::Result<Vec<u8>> {
    let length = usize::try_from(source.length()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    read_exact_at(source, 0, &mut bytes)?;
    Ok(bytes)
}
