//! Writes Kafka's primitive types, and leaves holes for record sets that are not in memory.
//!
//! A fetch reply is `[bytes][file range][bytes][file range]...`: the writer makes the bytes, writes
//! the length of each record set before the place where it belongs, and notes the place as a
//! [`Hole`]. Whoever sends the reply sends the file range there.

use super::error::{EncodeError, Obstacle};
use super::{ApiKey, ErrorCode};
use crate::types::{Few, Uuid};
use bytes::{BufMut, BytesMut};

/// A place in the encoded bytes where bytes from elsewhere are to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The position in the encoded bytes (which do not contain any hole's bytes).
    pub at: usize,
    /// Bytes to be sent there; never 0.
    pub length: usize,
}

/// The first error that a response tells, for the broker's own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whose response it is.
    pub api: ApiKey,
    /// Its code.
    pub code: ErrorCode,
    /// The texts beside it in the response, where there are any: in Kafka's messages the one before a
    /// code names what it is about, and the one behind it says why.
    pub texts: Vec<String>,
}

impl Refusal {
    /// The texts as they go behind a sentence.
    pub fn details(&self) -> String {
        let texts = self.texts.iter().filter(|text| !text.is_empty());
        // Many an answer repeats the code's own words.
        let texts = texts.filter(|text| **text != self.code.message());
        let quoted: Vec<String> = texts.map(|text| format!("{text:?}")).collect();
        match quoted.is_empty() {
            true => String::new(),
            false => format!(" ({})", quoted.join(": ")),
        }
    }
}

/// Bytes under construction.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: BytesMut,
    holes: Few<Hole>,
    /// Where the last string lies: start and length.
    last_text: Option<(usize, usize)>,
    /// The first error that was written.
    refusal: Option<(ErrorCode, Vec<String>)>,
    /// The string behind it is still to come.
    wants_reason: bool,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// A writer that appends to `bytes`; holes count from their start.
    pub fn appending(bytes: BytesMut) -> Writer {
        Writer {
            bytes,
            ..Writer::default()
        }
    }

    /// Takes the first error that was written, if there was any.
    pub(super) fn take_refusal(&mut self, api: ApiKey) -> Option<Box<Refusal>> {
        let (code, texts) = self.refusal.take()?;
        Some(Box::new(Refusal { api, code, texts }))
    }

    /// The bytes, and the holes in ascending order.
    pub fn finish(self) -> (BytesMut, Few<Hole>) {
        (self.bytes, self.holes)
    }

    /// Bytes written so far, without holes.
    pub fn position(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that will be sent: those written and those of the holes.
    pub fn total(&self) -> usize {
        self.bytes.len() + self.holes.iter().map(|hole| hole.length).sum::<usize>()
    }

    /// A `bool`.
    pub fn boolean(&mut self, value: bool) {
        self.bytes.put_u8(u8::from(value));
    }

    /// An `int8`.
    pub fn int8(&mut self, value: i8) {
        self.bytes.put_i8(value);
    }

    /// An `int16`.
    pub fn int16(&mut self, value: i16) {
        self.bytes.put_i16(value);
    }

    /// An error code.
    pub fn error_code(&mut self, code: ErrorCode) {
        self.int16(code.0);
        if code != ErrorCode::NONE && self.refusal.is_none() {
            let name = self
                .last_text
                .map(|(start, length)| &self.bytes[start..start + length]);
            self.refusal = Some((code, name.map(text_of).into_iter().collect()));
            self.wants_reason = true;
        }
    }

    /// A `uint16`.
    pub fn uint16(&mut self, value: u16) {
        self.bytes.put_u16(value);
    }

    /// An `int32`.
    pub fn int32(&mut self, value: i32) {
        self.bytes.put_i32(value);
    }

    /// An `int64`.
    pub fn int64(&mut self, value: i64) {
        self.bytes.put_i64(value);
    }

    /// A `float64`.
    pub fn float64(&mut self, value: f64) {
        self.bytes.put_f64(value);
    }

    /// A `uuid`.
    pub fn uuid(&mut self, value: Uuid) {
        self.bytes.put_slice(&value.0);
    }

    /// An unsigned varint. Most take one byte.
    #[inline]
    pub fn uvarint(&mut self, value: u32) {
        match value {
            0..0x80 => self.bytes.put_u8(value as u8),
            _ => self.long_uvarint(value),
        }
    }

    #[inline(never)]
    fn long_uvarint(&mut self, value: u32) {
        let (bytes, count) = uvarint_bytes(value);
        self.bytes.put_slice(&bytes[..count]);
    }

    /// Bytes as they are.
    pub fn octets(&mut self, bytes: &[u8]) {
        self.bytes.put_slice(bytes);
    }

    /// A nullable string with its length.
    ///
    /// # Errors
    /// When it is longer than 32,767 bytes.
    pub fn string(&mut self, text: Option<&str>, flexible: bool) -> Result<(), EncodeError> {
        let length = text.map(str::len);
        if length > Some(i16::MAX as usize) {
            return Err(too_long(length));
        }
        match length {
            _ if flexible => self.uvarint(length.map_or(0, |length| length as u32 + 1)),
            Some(length) => self.int16(length as i16),
            None => self.int16(-1),
        }
        let text = text.unwrap_or_default().as_bytes();
        self.last_text = Some((self.bytes.len(), text.len()));
        self.bytes.put_slice(text);
        if std::mem::take(&mut self.wants_reason)
            && let Some((_, texts)) = &mut self.refusal
        {
            texts.push(text_of(text));
        }
        Ok(())
    }

    /// The length of bytes, records or an array.
    ///
    /// # Errors
    /// When it is more than an int32 holds.
    pub fn long_length(
        &mut self,
        length: Option<usize>,
        flexible: bool,
    ) -> Result<(), EncodeError> {
        if length > Some(i32::MAX as usize) {
            return Err(too_long(length));
        }
        match length {
            _ if flexible => self.uvarint(length.map_or(0, |length| length as u32 + 1)),
            Some(length) => self.int32(length as i32),
            None => self.int32(-1),
        }
        Ok(())
    }

    /// Leaves room for `length` bytes from elsewhere.
    pub fn hole(&mut self, length: usize) {
        if length > 0 {
            let at = self.bytes.len();
            self.holes.push(Hole { at, length });
        }
    }

    /// Writes a tagged field: its tag, then its size, then what `content` writes.
    pub(crate) fn tagged(
        &mut self,
        tag: u32,
        content: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.uvarint(tag);
        let start = self.bytes.len();
        let holes = self.holes.len();
        content(self)?;
        assert_eq!(holes, self.holes.len(), "no record set is a tagged field");
        // The size comes first but is known last: move the content up by the size's own bytes.
        let size = self.bytes.len() - start;
        let (prefix, count) = uvarint_bytes(u32::try_from(size).map_err(|_| too_long(Some(size)))?);
        self.bytes.put_bytes(0, count);
        self.bytes.copy_within(start..start + size, start + count);
        self.bytes[start..start + count].copy_from_slice(&prefix[..count]);
        // What was in it has moved.
        self.last_text = None;
        Ok(())
    }

    /// Overwrites an `int32` written before.
    ///
    /// Panics if there are no four bytes at `at`.
    pub(crate) fn patch_int32(&mut self, at: usize, value: i32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
}

/// A text for the log; what a peer called itself or asked for may be long.
fn text_of(text: &[u8]) -> String {
    const BYTES_MAX: usize = 200;
    String::from_utf8_lossy(&text[..text.len().min(BYTES_MAX)]).into_owned()
}

fn too_long(length: Option<usize>) -> EncodeError {
    EncodeError::new(Obstacle::TooLong(length.unwrap_or_default()))
}

/// An unsigned varint and how many bytes it takes.
fn uvarint_bytes(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut count = 0;
    while value >= 0x80 {
        bytes[count] = value as u8 | 0x80;
        value >>= 7;
        count += 1;
    }
    bytes[count] = value as u8;
    (bytes, count + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Reader;

    #[test]
    fn varints_survive_and_take_as_few_bytes_as_they_can() {
        for shift in 0..32 {
            for value in [1u32 << shift, (1u32 << shift).wrapping_sub(1), u32::MAX] {
                let mut writer = Writer::new();
                writer.uvarint(value);
                let (bytes, _) = writer.finish();
                let bits = 32 - value.leading_zeros() as usize;
                assert_eq!(bytes.len(), bits.div_ceil(7).max(1));
                assert_eq!(Reader::new([&bytes[..]]).uvarint(), Ok(value));
            }
        }
    }

    #[test]
    fn a_tagged_field_carries_its_size_whatever_the_size() {
        for size in [0, 1, 127, 128, 20_000] {
            let mut writer = Writer::new();
            let content = vec![7; size];
            writer
                .tagged(5, |writer| {
                    writer.octets(&content);
                    Ok(())
                })
                .unwrap();
            let (bytes, _) = writer.finish();
            let mut reader = Reader::new([&bytes[..]]);
            assert_eq!(reader.uvarint(), Ok(5));
            assert_eq!(reader.uvarint(), Ok(size as u32));
            assert_eq!(&reader.octets(size).unwrap()[..], &content[..]);
            assert_eq!(reader.remaining(), 0);
        }
    }

    #[test]
    fn the_first_error_is_noted_with_the_texts_on_both_sides() {
        let mut writer = Writer::new();
        writer.string(Some("fine"), true).unwrap();
        writer.error_code(ErrorCode::NONE);
        writer.string(None, true).unwrap();
        writer.string(Some("a topic"), true).unwrap();
        writer.error_code(ErrorCode::INVALID_CONFIG);
        writer.int32(7);
        writer
            .string(Some("retention.ms is no number"), false)
            .unwrap();
        writer.error_code(ErrorCode::INVALID_REQUEST);
        let refusal = writer.take_refusal(ApiKey::CREATE_TOPICS).unwrap();
        assert_eq!(refusal.code, ErrorCode::INVALID_CONFIG);
        assert_eq!(refusal.texts, ["a topic", "retention.ms is no number"]);
        let details = refusal.details();
        assert_eq!(details, " (\"a topic\": \"retention.ms is no number\")");
    }

    #[test]
    fn without_an_error_nothing_is_noted_and_long_texts_are_cut() {
        let mut writer = Writer::new();
        writer.error_code(ErrorCode::NONE);
        writer.string(Some(&"x".repeat(30_000)), true).unwrap();
        assert_eq!(writer.take_refusal(ApiKey::FETCH), None);
        writer.error_code(ErrorCode::INVALID_REQUEST);
        let refusal = writer.take_refusal(ApiKey::FETCH).unwrap();
        assert_eq!(refusal.texts, ["x".repeat(200)]);
    }
}
