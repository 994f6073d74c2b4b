//! How a record is printed: a template in kcat's letters, chosen columns, or a JSON object.

use crate::cli::text::base64;
use crate::cli::time;
use crate::types::{Offset, Timestamp};
use clap::ValueEnum;
use serde_json::{Map, Value, json};

/// A record as consumers see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consumed<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: Offset,
    pub(super) timestamp: Timestamp,
    /// Whether the timestamp is the broker's.
    pub(super) append_time: bool,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: crate::batch::Headers<'a>,
}

/// What can stand before a record's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Column {
    Partition,
    Offset,
    Timestamp,
    Headers,
    Key,
}

/// How records are printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    null: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Topic,
    Partition,
    Offset,
    TimestampMs,
    Time,
    Key,
    KeyBytes,
    Value,
    ValueBytes,
    /// The headers, with this between name and value.
    Headers(u8),
}

impl Template {
    /// From a text: `%t` topic, `%p` partition, `%o` offset, `%T` timestamp in ms, `%i` the same as
    /// date and time, `%k` key, `%K` its bytes, `%s` value, `%S` its bytes (-1 for null), `%h` headers,
    /// `%%` a percent sign.
    pub(super) fn parse(text: &[u8]) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut bytes = text.iter();
        while let Some(byte) = bytes.next() {
            if *byte != b'%' {
                plain.push(*byte);
                continue;
            }
            let piece = match bytes.next() {
                Some(b'%') => {
                    plain.push(b'%');
                    continue;
                }
                Some(b't') => Piece::Topic,
                Some(b'p') => Piece::Partition,
                Some(b'o') => Piece::Offset,
                Some(b'T') => Piece::TimestampMs,
                Some(b'i') => Piece::Time,
                Some(b'k') => Piece::Key,
                Some(b'K') => Piece::KeyBytes,
                Some(b's') => Piece::Value,
                Some(b'S') => Piece::ValueBytes,
                Some(b'h') => Piece::Headers(b'='),
                Some(other) => {
                    let letter = char::from(*other);
                    return Err(format!(
                        "%{letter} is none of %t %p %o %T %i %k %K %s %S %h %%"
                    ));
                }
                None => return Err("a % at the end; write %%".into()),
            };
            if !plain.is_empty() {
                pieces.push(Piece::Bytes(std::mem::take(&mut plain)));
            }
            pieces.push(piece);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Bytes(plain));
        }
        let null = Vec::new();
        Ok(Template { pieces, null })
    }

    /// These columns, then the value; lines that `produce` reads again if only headers and key are
    /// chosen.
    pub(super) fn columns(columns: &[Column], separator: &[u8]) -> Template {
        let mut pieces = Vec::new();
        let between = |pieces: &mut Vec<Piece>, bytes: &[u8]| {
            pieces.push(Piece::Bytes(bytes.to_vec()));
        };
        for column in Column::value_variants() {
            if !columns.contains(column) {
                continue;
            }
            pieces.push(match column {
                Column::Partition => Piece::Partition,
                Column::Offset => Piece::Offset,
                Column::Timestamp => Piece::Time,
                Column::Headers => Piece::Headers(b':'),
                Column::Key => Piece::Key,
            });
            match column {
                Column::Key => between(&mut pieces, separator),
                _ => between(&mut pieces, b"\t"),
            }
        }
        pieces.push(Piece::Value);
        between(&mut pieces, b"\n");
        let null = Vec::new();
        Template { pieces, null }
    }

    /// Prints that text for null.
    pub(super) fn null(mut self, text: &[u8]) -> Template {
        self.null = text.to_vec();
        self
    }

    /// Appends a record.
    pub(super) fn write(&self, into: &mut Vec<u8>, record: &Consumed<'_>) {
        let length = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => into.extend_from_slice(bytes),
                Piece::Topic => into.extend_from_slice(record.topic.as_bytes()),
                Piece::Partition => number(into, i64::from(record.partition)),
                Piece::Offset => number(into, record.offset.0),
                Piece::TimestampMs => number(into, record.timestamp.0),
                Piece::Time => into.extend_from_slice(time::format(record.timestamp).as_bytes()),
                Piece::Key => self.nullable(into, record.key),
                Piece::KeyBytes => number(into, length(record.key)),
                Piece::Value => self.nullable(into, record.value),
                Piece::ValueBytes => number(into, length(record.value)),
                Piece::Headers(sign) => {
                    for (at, (name, value)) in record.headers.enumerate() {
                        if at > 0 {
                            into.push(b',');
                        }
                        into.extend_from_slice(name);
                        into.push(*sign);
                        self.nullable(into, value);
                    }
                }
            }
        }
    }

    fn nullable(&self, into: &mut Vec<u8>, bytes: Option<&[u8]>) {
        into.extend_from_slice(bytes.unwrap_or(&self.null));
    }
}

/// A record as an object, which `produce --input json` reads again. What is not UTF-8 is base64 under
/// a name of its own.
pub(super) fn json(record: &Consumed<'_>) -> Value {
    let mut object = Map::new();
    object.insert("topic".into(), record.topic.into());
    object.insert("partition".into(), record.partition.into());
    object.insert("offset".into(), record.offset.0.into());
    object.insert("timestamp".into(), record.timestamp.0.into());
    let whose = if record.append_time {
        "append"
    } else {
        "create"
    };
    object.insert("timestamp_type".into(), whose.into());
    field(&mut object, "key", record.key);
    field(&mut object, "value", record.value);
    let headers = record.headers.map(|(name, value)| {
        let mut header = Map::new();
        field(&mut header, "key", Some(name));
        field(&mut header, "value", value);
        Value::Object(header)
    });
    object.insert("headers".into(), headers.collect());
    Value::Object(object)
}

/// Text under its name, other bytes as base64 under `name_base64`.
fn field(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => object.insert(name.into(), Value::Null),
        Some((_, Ok(text))) => object.insert(name.into(), text.into()),
        Some((bytes, Err(_))) => object.insert(format!("{name}_base64"), json!(base64(bytes))),
    };
}

fn number(into: &mut Vec<u8>, number: i64) {
    into.extend_from_slice(number.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Builder, HEADER_BYTES, records};
    use crate::types::LeaderEpoch;

    /// What `write` makes of a record with two headers.
    fn written(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        write: impl Fn(&Consumed<'_>) -> String,
    ) -> String {
        let mut batch = Builder::new(Offset(0), LeaderEpoch(0));
        let headers: [(&[u8], Option<&[u8]>); 2] = [(b"a", Some(b"1")), (b"b", None)];
        batch.push(Timestamp(0), key, value, &headers);
        let bytes = batch.finish();
        let record = records(&bytes[HEADER_BYTES..]).next().unwrap().unwrap();
        write(&Consumed {
            topic: "orders",
            partition: 3,
            offset: Offset(17),
            timestamp: Timestamp(1_800_000_000_000),
            append_time: false,
            key: record.key,
            value: record.value,
            headers: record.headers,
        })
    }

    fn text(template: Template) -> impl Fn(&Consumed<'_>) -> String {
        move |record| {
            let mut bytes = Vec::new();
            template.write(&mut bytes, record);
            String::from_utf8(bytes).unwrap()
        }
    }

    #[test]
    fn a_template_has_kcats_letters() {
        let template = Template::parse(b"%t/%p@%o %T %i [%k]%K [%s]%S {%h} 100%%").unwrap();
        assert_eq!(
            written(Some(b"k"), None, text(template.null(b"NULL"))),
            "orders/3@17 1800000000000 2027-01-15T08:00:00.000Z [k]1 [NULL]-1 {a=1,b=NULL} 100%"
        );
        assert!(Template::parse(b"%x").is_err());
        assert!(Template::parse(b"%").is_err());
    }

    #[test]
    fn columns_stand_before_the_value_in_an_order_of_their_own() {
        let all = [
            Column::Key,
            Column::Headers,
            Column::Offset,
            Column::Partition,
        ];
        let template = Template::columns(&all, b":");
        assert_eq!(
            written(Some(b"k"), Some(b"v"), text(template)),
            "3\t17\ta:1,b:\tk:v\n"
        );
        let template = Template::columns(&[], b":");
        assert_eq!(written(Some(b"k"), Some(b"v"), text(template)), "v\n");
    }

    #[test]
    fn json_keeps_what_is_not_text_as_base64() {
        assert_eq!(
            written(None, Some(&[0xff]), |record| json(record).to_string()),
            r#"{"topic":"orders","partition":3,"offset":17,"timestamp":1800000000000,"timestamp_type":"create","key":null,"value_base64":"/w==","headers":[{"key":"a","value":"1"},{"key":"b","value":null}]}"#
        );
    }
}
