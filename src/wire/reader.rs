//! Reads Kafka's primitive types from bytes in several chunks.
//!
//! A frame arrives as a chain of receive pieces, and a value may straddle two of them. What lies in
//! one chunk is borrowed, what straddles is copied. The reader counts its position from the first
//! byte it was given, so that a record set can stay a range of the frame instead of being read.
//!
//! Nothing here trusts a length: every one is compared with the bytes that are left before anything
//! is allocated for it.

use super::error::{DecodeError, Problem};
use super::{Octets, Str};
use crate::types::Uuid;
use std::borrow::Cow;

/// The unread part of a frame.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    current: &'a [u8],
    /// The chunks behind `current`, last first.
    rest: Vec<&'a [u8]>,
    position: usize,
    remaining: usize,
    elements_left: usize,
}

impl<'a> Reader<'a> {
    /// A reader of the bytes of `chunks`, in order. With one chunk it allocates nothing.
    pub fn new(chunks: impl IntoIterator<Item = &'a [u8]>) -> Reader<'a> {
        let mut chunks = chunks.into_iter();
        let current = chunks.next().unwrap_or_default();
        let mut rest: Vec<&[u8]> = chunks.collect();
        let remaining = current.len() + rest.iter().map(|chunk| chunk.len()).sum::<usize>();
        rest.reverse();
        Reader {
            current,
            rest,
            position: 0,
            remaining,
            elements_left: usize::MAX,
        }
    }

    /// Refuses more than that many elements in all arrays that are read from here on: a few bytes of a
    /// frame become some hundred in memory.
    pub fn limit_elements(&mut self, most: usize) {
        self.elements_left = most;
    }

    /// Takes note of an array's elements.
    ///
    /// # Errors
    /// When they are more than are allowed.
    pub(crate) fn count_elements(&mut self, count: usize) -> Result<(), DecodeError> {
        match self.elements_left.checked_sub(count) {
            Some(left) => {
                self.elements_left = left;
                Ok(())
            }
            None => Err(self.error(Problem::Elements(count))),
        }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes left. After a request this is what follows its last field; Kafka ignores such bytes.
    pub fn remaining(&self) -> usize {
        self.remaining
    }

    /// A `bool`: one byte, anything but 0 is true.
    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        Ok(self.array::<1>()?[0] != 0)
    }

    /// An `int8`.
    pub fn int8(&mut self) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// An `int16`.
    pub fn int16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// A `uint16`.
    pub fn uint16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// An `int32`.
    pub fn int32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// An `int64`.
    pub fn int64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A `float64`.
    pub fn float64(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    /// A `uuid`.
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        Ok(Uuid(self.array()?))
    }

    /// An unsigned varint of at most 32 bits. Most are the length of a name or a count: one byte.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        match self.current.split_first() {
            Some((byte, after)) if *byte < 0x80 => {
                self.current = after;
                self.position += 1;
                self.remaining -= 1;
                Ok(u32::from(*byte))
            }
            _ => self.long_uvarint(),
        }
    }

    #[inline(never)]
    fn long_uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array::<1>()?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error(Problem::Varint))
    }

    /// The length of a string: int16, or uvarint of length + 1. `None` is null.
    pub fn string_length(&mut self, flexible: bool) -> Result<Option<usize>, DecodeError> {
        let length = if flexible {
            i64::from(self.uvarint()?) - 1
        } else {
            i64::from(self.int16()?)
        };
        self.checked_length(length, i64::from(i16::MAX))
    }

    /// The length of bytes, records or an array: int32, or uvarint of length + 1. `None` is null.
    pub fn long_length(&mut self, flexible: bool) -> Result<Option<usize>, DecodeError> {
        let length = if flexible {
            i64::from(self.uvarint()?) - 1
        } else {
            i64::from(self.int32()?)
        };
        self.checked_length(length, i64::from(i32::MAX))
    }

    /// A nullable string.
    pub fn string(&mut self, flexible: bool) -> Result<Option<Str<'a>>, DecodeError> {
        let Some(length) = self.string_length(flexible)? else {
            return Ok(None);
        };
        match self.octets(length)? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).ok(),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).ok(),
        }
        .map(Some)
        .ok_or_else(|| self.error(Problem::Utf8))
    }

    /// The next `length` bytes: borrowed if they lie in one chunk.
    #[inline]
    pub fn octets(&mut self, length: usize) -> Result<Octets<'a>, DecodeError> {
        if let Some((bytes, after)) = self.current.split_at_checked(length) {
            self.current = after;
            self.position += length;
            self.remaining -= length;
            return Ok(Cow::Borrowed(bytes));
        }
        self.distant_octets(length)
    }

    /// They do not lie in the current chunk, or not all of them.
    #[inline(never)]
    fn distant_octets(&mut self, length: usize) -> Result<Octets<'a>, DecodeError> {
        self.need(length)?;
        self.next_chunk();
        if length <= self.current.len() {
            return self.octets(length);
        }
        let mut bytes = vec![0; length];
        self.copy(&mut bytes);
        Ok(Cow::Owned(bytes))
    }

    /// Passes over `count` bytes.
    pub fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        self.need(count)?;
        let mut left = count;
        while left > 0 {
            self.next_chunk();
            let step = left.min(self.current.len());
            self.current = &self.current[step..];
            left -= step;
        }
        self.position += count;
        self.remaining -= count;
        Ok(())
    }

    /// Errs unless `count` bytes are left.
    pub fn need(&self, count: usize) -> Result<(), DecodeError> {
        if count <= self.remaining {
            return Ok(());
        }
        Err(self.error(Problem::Truncated {
            needed: count,
            left: self.remaining,
        }))
    }

    /// An error at the present position.
    pub fn error(&self, problem: Problem) -> DecodeError {
        DecodeError {
            message: "",
            structure: "",
            field: "",
            position: self.position,
            problem,
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        if let Some((bytes, after)) = self.current.split_first_chunk::<N>() {
            self.current = after;
            self.position += N;
            self.remaining -= N;
            return Ok(*bytes);
        }
        self.need(N)?;
        let mut bytes = [0; N];
        self.copy(&mut bytes);
        Ok(bytes)
    }

    /// Fills `into`, whose length has been checked.
    fn copy(&mut self, into: &mut [u8]) {
        let mut at = 0;
        while at < into.len() {
            self.next_chunk();
            let step = (into.len() - at).min(self.current.len());
            let (bytes, after) = self.current.split_at(step);
            into[at..at + step].copy_from_slice(bytes);
            self.current = after;
            at += step;
        }
        self.position += into.len();
        self.remaining -= into.len();
    }

    /// Moves on to the next chunk that has bytes, if the current one has none.
    fn next_chunk(&mut self) {
        while self.current.is_empty() {
            match self.rest.pop() {
                Some(chunk) => self.current = chunk,
                None => return,
            }
        }
    }

    fn checked_length(&self, length: i64, most: i64) -> Result<Option<usize>, DecodeError> {
        match length {
            -1 => Ok(None),
            0.. if length <= most => Ok(Some(length as usize)),
            _ => Err(self.error(Problem::Length(length))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_of_more_than_32_bits_is_refused() {
        let read = |bytes: &[u8]| Reader::new([bytes]).uvarint();
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(u32::MAX));
        assert_eq!(read(&[0xac, 0x02]), Ok(300));
        for bytes in [[0xff; 6].as_slice(), &[0x80, 0x80, 0x80, 0x80, 0x10]] {
            assert_eq!(read(bytes).unwrap_err().problem, Problem::Varint);
        }
    }

    #[test]
    fn what_lies_in_one_chunk_is_borrowed_and_what_straddles_is_copied() {
        let mut reader = Reader::new([b"abc".as_slice(), b"", b"defg"]);
        assert!(matches!(reader.octets(3), Ok(Cow::Borrowed(b"abc"))));
        assert!(matches!(reader.octets(2), Ok(Cow::Borrowed(b"de"))));
        let mut reader = Reader::new([b"abc".as_slice(), b"", b"defg"]);
        reader.skip(1).unwrap();
        assert_eq!(reader.octets(4), Ok(Cow::Owned(b"bcde".to_vec())));
        assert_eq!((reader.position(), reader.remaining()), (5, 2));
        assert!(reader.octets(3).is_err());
    }
}
