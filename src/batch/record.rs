//! The records within a batch, from decompressed bytes in one run. They borrow.

use super::fault::Fault;
use super::reader::Reader;

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Unused so far; kept as sent.
    pub attributes: i8,
    /// ms, to add to the batch's base timestamp.
    pub timestamp_delta: i64,
    /// To add to the batch's base offset.
    pub offset_delta: i32,
    /// The key, or null.
    pub key: Option<&'a [u8]>,
    /// The value, or null: a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in the order of the producer.
    pub headers: Headers<'a>,
}

/// A record's headers: an iterator over key (UTF-8 by convention, unchecked) and value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl Headers<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.count == 0 {
            return None;
        }
        self.count -= 1;
        // Parsed once already, when the record was.
        let key = field(&mut self.bytes).ok().flatten()?;
        let value = field(&mut self.bytes).ok()?;
        Some((key, value))
    }
}

/// The records in `bytes`, up to their end or the first fault, which is the last item.
pub fn records(bytes: &[u8]) -> Records<'_> {
    Records { bytes }
}

/// See [`records`].
#[derive(Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let record = record(&mut self.bytes);
        if record.is_err() {
            self.bytes = &[];
        }
        Some(record)
    }
}

fn record<'a>(bytes: &mut &'a [u8]) -> Result<Record<'a>, Fault> {
    let length = number(bytes)?;
    let length = usize::try_from(length).map_err(|_| Fault::RecordLength)?;
    let (mut body, rest) = bytes
        .split_at_checked(length)
        .ok_or(Fault::RecordsMissing)?;
    *bytes = rest;
    let body = &mut body;
    let (attributes, after) = body.split_first().ok_or(Fault::RecordLength)?;
    *body = after;
    let timestamp_delta = long(body)?;
    let offset_delta = number(body)?;
    let key = field(body)?;
    let value = field(body)?;
    let count = usize::try_from(number(body)?).map_err(|_| Fault::RecordHeaders)?;
    if count > body.len() {
        return Err(Fault::RecordHeaders);
    }
    let headers = Headers { bytes: body, count };
    for _ in 0..count {
        field(body)?.ok_or(Fault::RecordHeaders)?;
        field(body)?;
    }
    if !body.is_empty() {
        return Err(Fault::RecordLength);
    }
    Ok(Record {
        attributes: *attributes as i8,
        timestamp_delta,
        offset_delta,
        key,
        value,
        headers,
    })
}

/// A length and that many bytes; null if the length is negative.
fn field<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Fault> {
    let Ok(length) = usize::try_from(number(bytes)?) else {
        return Ok(None);
    };
    let (field, rest) = bytes.split_at_checked(length).ok_or(Fault::RecordLength)?;
    *bytes = rest;
    Ok(Some(field))
}

fn number(bytes: &mut &[u8]) -> Result<i32, Fault> {
    let mut reader = Reader::new([*bytes].into_iter(), bytes.len());
    let number = reader.varint()?;
    *bytes = &bytes[bytes.len() - reader.left()..];
    Ok(number)
}

fn long(bytes: &mut &[u8]) -> Result<i64, Fault> {
    let mut reader = Reader::new([*bytes].into_iter(), bytes.len());
    let long = reader.varlong()?;
    *bytes = &bytes[bytes.len() - reader.left()..];
    Ok(long)
}
