//! Records from lines: plain ones with a key and headers in front, or JSON objects.

use crate::cli::failure::Failure;
use crate::cli::text::from_base64;
use serde_json::{Map, Value};
use std::io::{ErrorKind, Read};

/// Bytes asked for at once.
const READ_BYTES: usize = 1024 * 1024;
/// The longest line: far beyond what a broker takes.
const LINE_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// A source of lines that says when it would have to wait for more.
pub(super) struct Lines {
    source: Box<dyn Read>,
    /// What ends a line; none if the whole input is one.
    delimiter: Option<Vec<u8>>,
    buffer: Vec<u8>,
    /// Where the next line starts in the buffer.
    start: usize,
    /// Up to where there is no delimiter.
    searched: usize,
    ended: bool,
}

/// What there is to be had without waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line, without what ended it.
    Line(Vec<u8>),
    /// [`Lines::fill`] may block.
    Wait,
    /// That was all.
    End,
}

impl Lines {
    pub(super) fn new(source: Box<dyn Read>, delimiter: Option<Vec<u8>>) -> Lines {
        Lines {
            source,
            delimiter,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            ended: false,
        }
    }

    /// The next line, if it is here.
    pub(super) fn next(&mut self) -> Next {
        if let Some(delimiter) = &self.delimiter {
            let from = self.searched.max(self.start);
            if let Some(at) = find(&self.buffer[from..], delimiter) {
                let line = self.buffer[self.start..from + at].to_vec();
                self.start = from + at + delimiter.len();
                self.searched = self.start;
                return Next::Line(line);
            }
            // A delimiter may lie across two reads.
            self.searched = self.buffer.len().saturating_sub(delimiter.len() - 1);
        }
        if !self.ended {
            return Next::Wait;
        }
        if self.start == self.buffer.len() {
            return Next::End;
        }
        let line = self.buffer.split_off(self.start);
        self.buffer.clear();
        self.start = 0;
        self.searched = 0;
        Next::Line(line)
    }

    /// Waits for more.
    pub(super) fn fill(&mut self) -> Result<(), Failure> {
        self.buffer.drain(..self.start);
        self.searched = self.searched.saturating_sub(self.start);
        self.start = 0;
        let length = self.buffer.len();
        if length > LINE_BYTES_MAX {
            return Err(Failure::new("a line of more than 1 GiB").advise("see --delimiter"));
        }
        self.buffer.resize(length + READ_BYTES, 0);
        let read = loop {
            match self.source.read(&mut self.buffer[length..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let count = read.map_err(|error| Failure::new(format!("the input: {error}")))?;
        self.buffer.truncate(length + count);
        self.ended = count == 0;
        Ok(())
    }
}

/// Names and values, in the order of the line.
type Headers = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A record to be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct NewRecord {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Headers,
    /// ms; now if none.
    pub(super) timestamp: Option<i64>,
    pub(super) partition: Option<i32>,
}

/// How a line becomes a record.
pub(super) struct Syntax {
    /// Ends the key; without it there are none.
    pub(super) key_separator: Option<Vec<u8>>,
    /// Whether a line begins with headers, `name:value,name:value` and a tab.
    pub(super) headers: bool,
    /// A key, value or header value that is this is null.
    pub(super) null: Option<Vec<u8>>,
    /// Whether a line is a JSON object instead.
    pub(super) json: bool,
}

impl Syntax {
    /// The record that a line is.
    pub(super) fn record(&self, line: &[u8]) -> Result<NewRecord, String> {
        match self.json {
            true => from_json(line),
            false => self.plain(line),
        }
    }

    fn plain(&self, mut line: &[u8]) -> Result<NewRecord, String> {
        let mut record = NewRecord::default();
        if self.headers {
            let at = find(line, b"\t").ok_or("no tab behind the headers")?;
            record.headers = self.header_list(&line[..at])?;
            line = &line[at + 1..];
        }
        if let Some(separator) = &self.key_separator
            && let Some(at) = find(line, separator)
        {
            record.key = self.nullable(&line[..at]);
            line = &line[at + separator.len()..];
        }
        record.value = self.nullable(line);
        Ok(record)
    }

    fn header_list(&self, list: &[u8]) -> Result<Headers, String> {
        if list.is_empty() {
            return Ok(Vec::new());
        }
        list.split(|byte| *byte == b',')
            .map(|header| {
                let at = find(header, b":").ok_or_else(|| {
                    format!(
                        "header \"{}\" has no colon",
                        String::from_utf8_lossy(header)
                    )
                })?;
                Ok((header[..at].to_vec(), self.nullable(&header[at + 1..])))
            })
            .collect()
    }

    fn nullable(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        (self.null.as_deref() != Some(bytes)).then(|| bytes.to_vec())
    }
}

/// A record as `consume --json` prints it.
fn from_json(line: &[u8]) -> Result<NewRecord, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let Value::Object(members) = value else {
        return Err("not a JSON object".into());
    };
    let mut record = NewRecord {
        key: field(&members, "key", "key_base64")?,
        value: field(&members, "value", "value_base64")?,
        timestamp: integer(&members, "timestamp")?,
        ..NewRecord::default()
    };
    record.partition = match integer(&members, "partition")? {
        Some(partition) => {
            let partition = i32::try_from(partition).map_err(|_| "no such partition")?;
            Some(partition)
        }
        None => None,
    };
    match members.get("headers") {
        None | Some(Value::Null) => {}
        Some(Value::Array(headers)) => {
            for header in headers {
                let header = header.as_object().ok_or("a header is not an object")?;
                let name = field(header, "key", "key_base64")?.ok_or("a header without a key")?;
                record
                    .headers
                    .push((name, field(header, "value", "value_base64")?));
            }
        }
        Some(Value::Object(headers)) => {
            for name in headers.keys() {
                let value = field(headers, name, "")?;
                record.headers.push((name.clone().into_bytes(), value));
            }
        }
        Some(_) => return Err("\"headers\" is neither an array nor an object".into()),
    }
    Ok(record)
}

/// Text as it is, what is not text as JSON, bytes from base64.
fn field(
    members: &Map<String, Value>,
    name: &str,
    name_base64: &str,
) -> Result<Option<Vec<u8>>, String> {
    if let Some(Value::String(text)) = members.get(name_base64) {
        let bytes = from_base64(text).ok_or_else(|| format!("\"{name_base64}\" is not base64"))?;
        return Ok(Some(bytes));
    }
    Ok(match members.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone().into_bytes()),
        Some(other) => Some(other.to_string().into_bytes()),
    })
}

fn integer(members: &Map<String, Value>, name: &str) -> Result<Option<i64>, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("\"{name}\" is not a whole number")),
        },
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    match what {
        [byte] => bytes.iter().position(|it| it == byte),
        _ => bytes.windows(what.len()).position(|window| window == what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syntax() -> Syntax {
        Syntax {
            key_separator: Some(b":".to_vec()),
            headers: false,
            null: Some(b"NULL".to_vec()),
            json: false,
        }
    }

    fn bytes(text: &str) -> Option<Vec<u8>> {
        Some(text.as_bytes().to_vec())
    }

    /// Gives its parts one read at a time.
    struct Parts(Vec<&'static [u8]>);

    impl Read for Parts {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let part = self.0.remove(0);
            into[..part.len()].copy_from_slice(part);
            Ok(part.len())
        }
    }

    #[test]
    fn lines_come_as_they_are_complete_and_a_last_one_needs_no_end() {
        let parts = Parts(vec![b"a\r\nb\r", b"\n\r\nlas", b"t"]);
        let mut lines = Lines::new(Box::new(parts), Some(b"\r\n".to_vec()));
        let mut seen = Vec::new();
        let mut waits = 0;
        loop {
            match lines.next() {
                Next::Line(line) => seen.push(String::from_utf8(line).unwrap()),
                Next::Wait => {
                    waits += 1;
                    lines.fill().unwrap();
                }
                Next::End => break,
            }
        }
        assert_eq!(seen, ["a", "b", "", "last"]);
        assert_eq!(waits, 4, "one per read, and the one that finds the end");
    }

    #[test]
    fn without_a_delimiter_everything_is_one_line() {
        let mut lines = Lines::new(Box::new(Parts(vec![b"a\n", b"b"])), None);
        for _ in 0..3 {
            assert_eq!(lines.next(), Next::Wait);
            lines.fill().unwrap();
        }
        assert_eq!(lines.next(), Next::Line(b"a\nb".to_vec()));
        assert_eq!(lines.next(), Next::End);
    }

    #[test]
    fn the_key_ends_at_the_first_separator() {
        let record = syntax().record(b"k:v:w").unwrap();
        assert_eq!((record.key, record.value), (bytes("k"), bytes("v:w")));
        let record = syntax().record(b"only").unwrap();
        assert_eq!((record.key, record.value), (None, bytes("only")));
        let record = syntax().record(b"k:NULL").unwrap();
        assert_eq!((record.key, record.value), (bytes("k"), None));
    }

    #[test]
    fn headers_stand_before_a_tab() {
        let syntax = Syntax {
            headers: true,
            ..syntax()
        };
        let record = syntax.record(b"a:1,b:NULL,a:2\tk:v").unwrap();
        let headers = [("a", bytes("1")), ("b", None), ("a", bytes("2"))];
        let headers = headers.map(|(name, value)| (name.as_bytes().to_vec(), value));
        assert_eq!(record.headers, headers);
        assert_eq!((record.key, record.value), (bytes("k"), bytes("v")));
        assert!(syntax.record(b"\tv").unwrap().headers.is_empty());
        assert!(syntax.record(b"no tab").is_err());
        assert!(syntax.record(b"nocolon\tv").is_err());
    }

    #[test]
    fn json_is_what_consume_prints() {
        let syntax = Syntax {
            json: true,
            ..syntax()
        };
        let line = br#"{"key":"k","value_base64":"/w==","partition":3,"timestamp":5,
            "headers":[{"key":"h","value":null}],"offset":9}"#;
        let record = syntax.record(line).unwrap();
        assert_eq!(record.key, bytes("k"));
        assert_eq!(record.value, Some(vec![0xff]));
        assert_eq!((record.partition, record.timestamp), (Some(3), Some(5)));
        assert_eq!(record.headers, [(b"h".to_vec(), None)]);

        let record = syntax
            .record(br#"{"value":{"a":1},"headers":{"h":"x"}}"#)
            .unwrap();
        assert_eq!(record.key, None);
        assert_eq!(record.value, bytes(r#"{"a":1}"#));
        assert_eq!(record.headers, [(b"h".to_vec(), bytes("x"))]);

        for bad in [
            "[]",
            "{",
            r#"{"timestamp":"x"}"#,
            r#"{"key_base64":"?"}"#,
            r#"{"headers":1}"#,
        ] {
            assert!(syntax.record(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
