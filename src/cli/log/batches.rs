//! The batches of a `.log` file, one in memory at a time.

use crate::batch::{Codec, Fault, HEADER_BYTES, Header, Record, decompress, records, verify};
use crate::limits::INFLATED_BYTES_MAX;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Bytes read at once.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Reads a file batch by batch.
pub(super) struct Batches {
    file: BufReader<File>,
    length: u64,
    position: u64,
}

/// A batch as it lies in the file.
pub(super) struct Batch {
    /// Where it starts.
    pub(super) position: u64,
    pub(super) header: Header,
    /// All of it, header included.
    pub(super) bytes: Vec<u8>,
}

/// What comes next in a file.
pub(super) enum Next {
    Batch(Batch),
    /// Bytes at this position that are no whole batch, and whether all of them are zero.
    Rest {
        position: u64,
        bytes: u64,
        zero: bool,
        /// Whether it looks like the beginning of a batch.
        cut: bool,
    },
    End,
}

impl Batches {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> io::Result<Batches> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Batches {
            file: BufReader::with_capacity(BUFFER_BYTES, file),
            length,
            position: 0,
        })
    }

    /// The next batch, or what lies there instead. Nothing comes behind that.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        let left = self.length - self.position;
        if left == 0 {
            return Ok(Next::End);
        }
        let mut bytes = vec![0; HEADER_BYTES.min(left as usize)];
        self.file.read_exact(&mut bytes)?;
        let header = Header::read(&bytes).filter(Header::is_plausible);
        let Some(header) = header.filter(|header| header.size() as u64 <= left) else {
            return self.rest(&bytes, header.is_some());
        };
        // No more than the file has.
        bytes.resize(header.size(), 0);
        self.file.read_exact(&mut bytes[HEADER_BYTES..])?;
        let position = self.position;
        self.position += bytes.len() as u64;
        Ok(Next::Batch(Batch {
            position,
            header,
            bytes,
        }))
    }

    fn rest(&mut self, start: &[u8], cut: bool) -> io::Result<Next> {
        let mut zero = start.iter().all(|byte| *byte == 0);
        let mut chunk = vec![0; BUFFER_BYTES];
        loop {
            match self.file.read(&mut chunk)? {
                0 => break,
                count => zero &= chunk[..count].iter().all(|byte| *byte == 0),
            }
        }
        let position = self.position;
        self.position = self.length;
        Ok(Next::Rest {
            position,
            bytes: self.length - position,
            zero,
            cut,
        })
    }
}

impl Batch {
    /// Whether the CRC is right.
    pub(super) fn check(&self) -> Result<(), Fault> {
        verify(&self.bytes).map(|_| ())
    }

    /// Gives every record to `take`; returns how many there were.
    pub(super) fn records(&self, mut take: impl FnMut(&Record<'_>)) -> Result<i32, Fault> {
        let packed = &self.bytes[HEADER_BYTES..];
        let codec = self.header.codec();
        let codec = codec.ok_or(Fault::UnknownCodec(self.header.codec_id()))?;
        let inflated;
        let bytes = match codec {
            Codec::None => packed,
            codec => {
                inflated = decompress(codec, packed, INFLATED_BYTES_MAX)?;
                &inflated
            }
        };
        let mut count = 0;
        for record in records(bytes) {
            take(&record?);
            count += 1;
        }
        Ok(count)
    }
}
