//! Reading record frames from a chain of chunks without joining them, and the varints they are made
//! of (zigzag, as in Protocol Buffers).

use super::fault::Fault;

/// A position in a chain of chunks, with a bound: `left` bytes may still be read, however much more
/// the chunks hold.
pub(super) struct Reader<'a, I> {
    chunk: &'a [u8],
    more: I,
    left: usize,
}

impl<'a, I: Iterator<Item = &'a [u8]>> Reader<'a, I> {
    /// At the start of `chunks`, to read at most `length` bytes. What the chunks lack counts as the
    /// end as well.
    pub(super) fn new(mut chunks: I, length: usize) -> Reader<'a, I> {
        Reader {
            chunk: chunks.next().unwrap_or_default(),
            more: chunks,
            left: length,
        }
    }

    /// How many bytes may still be read.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Passes over `count` bytes.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) -> Result<(), Fault> {
        match self.run(count) {
            Some(_) => Ok(()),
            None => self.skip_chunks(count),
        }
    }

    /// The same, where they do not lie in one chunk.
    #[inline(never)]
    fn skip_chunks(&mut self, count: usize) -> Result<(), Fault> {
        if count > self.left {
            return Err(Fault::RecordsMissing);
        }
        self.left -= count;
        let mut count = count;
        while count > self.chunk.len() {
            count -= self.chunk.len();
            self.chunk = self.more.next().ok_or(Fault::RecordsMissing)?;
        }
        self.chunk = &self.chunk[count..];
        Ok(())
    }

    /// The next `count` bytes, if they lie in one chunk; else nothing is read.
    #[inline]
    pub(super) fn run(&mut self, count: usize) -> Option<&'a [u8]> {
        let left = self.left.checked_sub(count)?;
        let (run, behind) = self.chunk.split_at_checked(count)?;
        (self.chunk, self.left) = (behind, left);
        Some(run)
    }

    /// Calls `take` with the next `count` bytes, in as many parts as they lie in.
    pub(super) fn each(&mut self, count: usize, mut take: impl FnMut(&[u8])) -> Result<(), Fault> {
        if count > self.left {
            return Err(Fault::RecordsMissing);
        }
        self.left -= count;
        let mut count = count;
        loop {
            let part = count.min(self.chunk.len());
            take(&self.chunk[..part]);
            self.chunk = &self.chunk[part..];
            count -= part;
            if count == 0 {
                return Ok(());
            }
            self.chunk = self.more.next().ok_or(Fault::RecordsMissing)?;
        }
    }

    /// Fills `into` with the next bytes.
    pub(super) fn copy(&mut self, into: &mut [u8]) -> Result<(), Fault> {
        let mut at = 0;
        self.each(into.len(), |part| {
            into[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        })
    }

    /// The next byte.
    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        if self.left == 0 {
            return Err(Fault::RecordsMissing);
        }
        loop {
            if let Some((first, rest)) = self.chunk.split_first() {
                self.chunk = rest;
                self.left -= 1;
                return Ok(*first);
            }
            self.chunk = self.more.next().ok_or(Fault::RecordsMissing)?;
        }
    }

    /// A zigzag number of at most 5 bytes.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<i32, Fault> {
        match self.short() {
            Some(value) => Ok((value >> 1) as i32 ^ -((value & 1) as i32)),
            None => self.long_varint(),
        }
    }

    /// Most numbers in a record are lengths and differences, which take a byte or two: one of those, if it
    /// lies in one chunk; else nothing is read.
    #[inline]
    fn short(&mut self) -> Option<u32> {
        let (value, behind) = match self.chunk {
            [first, behind @ ..] if *first < 0x80 => (u32::from(*first), behind),
            [first, second, behind @ ..] if *second < 0x80 => {
                (u32::from(first & 0x7f) | u32::from(*second) << 7, behind)
            }
            _ => return None,
        };
        self.left = self.left.checked_sub(self.chunk.len() - behind.len())?;
        self.chunk = behind;
        Some(value)
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<i32, Fault> {
        let mut value: u32 = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i32 ^ -((value & 1) as i32));
            }
        }
        Err(Fault::Varint)
    }

    /// A zigzag number of at most 10 bytes.
    #[inline]
    pub(super) fn varlong(&mut self) -> Result<i64, Fault> {
        match self.short() {
            Some(value) => Ok(i64::from(value >> 1) ^ -i64::from(value & 1)),
            None => self.long_varlong(),
        }
    }

    #[inline(never)]
    fn long_varlong(&mut self) -> Result<i64, Fault> {
        let mut value: u64 = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(Fault::Varint)
    }
}

/// Appends a zigzag varint.
pub fn put_varint(into: &mut Vec<u8>, value: i32) {
    let mut left = ((value << 1) ^ (value >> 31)) as u32;
    while left >= 0x80 {
        into.push(left as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}

/// Appends a zigzag varlong.
pub fn put_varlong(into: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left >= 0x80 {
        into.push(left as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_survive_their_bytes_in_chunks_of_one() {
        let numbers = [0, 1, -1, 63, -64, 64, 300, i32::MAX, i32::MIN];
        let longs = [0, -1, 1 << 40, i64::MAX, i64::MIN];
        let mut bytes = Vec::new();
        numbers.iter().for_each(|n| put_varint(&mut bytes, *n));
        longs.iter().for_each(|n| put_varlong(&mut bytes, *n));
        let mut reader = Reader::new(bytes.chunks(1), bytes.len());
        for number in numbers {
            assert_eq!(reader.varint(), Ok(number));
        }
        for long in longs {
            assert_eq!(reader.varlong(), Ok(long));
        }
        assert_eq!(reader.byte(), Err(Fault::RecordsMissing));
    }

    #[test]
    fn a_varint_of_six_bytes_is_a_fault() {
        let bytes = [0xff; 12];
        assert_eq!(
            Reader::new([&bytes[..]].into_iter(), 12).varint(),
            Err(Fault::Varint)
        );
        assert_eq!(
            Reader::new([&bytes[..]].into_iter(), 12).varlong(),
            Err(Fault::Varint)
        );
    }
}
