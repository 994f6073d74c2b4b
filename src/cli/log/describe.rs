//! Batches and records in words and in JSON.

use super::batches::Batch;
use crate::batch::{Header, Record};
use crate::cli::text::base64;
use crate::cli::time;
use crate::types::Timestamp;
use crate::wire::{ControlRecord, MetadataRecord, Reader, control_type};
use serde_json::{Map, Value, json};

/// A batch on one line.
pub(super) fn batch_line(batch: &Batch) -> String {
    let header = &batch.header;
    let mut line = format!(
        "batch {}-{} at {} bytes {} records {} epoch {} codec {} time {}",
        header.base_offset,
        header.last_offset(),
        batch.position,
        batch.bytes.len(),
        header.record_count,
        header.leader_epoch,
        codec_name(header),
        time::format(header.max_timestamp),
    );
    if header.is_log_append_time() {
        line.push_str(" append-time");
    }
    if header.has_producer() {
        line.push_str(&format!(
            " producer {} epoch {} sequence {}-{}",
            header.producer_id,
            header.producer_epoch,
            header.base_sequence,
            header.last_sequence()
        ));
    }
    if header.is_transactional() {
        line.push_str(" transactional");
    }
    if header.is_control() {
        line.push_str(" control");
    }
    if let Some(horizon) = header.delete_horizon() {
        line.push_str(&format!(" tombstones go at {}", time::format(horizon)));
    }
    match batch.check() {
        Ok(()) => line.push_str(" crc ok"),
        Err(fault) => line.push_str(&format!(" BAD: {fault}")),
    }
    line
}

/// The same for programs.
pub(super) fn batch_json(batch: &Batch) -> Value {
    let header = &batch.header;
    json!({
        "type": "batch",
        "position": batch.position,
        "bytes": batch.bytes.len(),
        "base_offset": header.base_offset.0,
        "last_offset": header.last_offset().0,
        "records": header.record_count,
        "leader_epoch": header.leader_epoch.0,
        "codec": codec_name(header),
        "base_timestamp": header.base_timestamp.0,
        "max_timestamp": header.max_timestamp.0,
        "timestamp_type": if header.is_log_append_time() { "append" } else { "create" },
        "producer_id": header.producer_id.0,
        "producer_epoch": header.producer_epoch.0,
        "base_sequence": header.base_sequence,
        "transactional": header.is_transactional(),
        "control": header.is_control(),
        "delete_horizon": header.delete_horizon().map(|it| it.0),
        "crc": format!("{:08x}", header.crc),
        "fault": batch.check().err().map(|fault| fault.to_string()),
    })
}

/// A record on one line, indented under its batch.
pub(super) fn record_line(header: &Header, record: &Record<'_>, metadata: bool) -> String {
    let mut line = format!(
        "  {} {} key {}",
        header.base_offset.plus(i64::from(record.offset_delta)),
        time::format(timestamp(header, record)),
        quoted(record.key),
    );
    match decoded(header, record, metadata) {
        Some(decoded) => line.push_str(&format!(" {decoded}")),
        None => line.push_str(&format!(" value {}", quoted(record.value))),
    }
    for (name, value) in record.headers {
        line.push_str(&format!(" header {}={}", quoted(Some(name)), quoted(value)));
    }
    line
}

/// The same for programs.
pub(super) fn record_json(header: &Header, record: &Record<'_>, metadata: bool) -> Value {
    let mut object = Map::new();
    let offset = header.base_offset.plus(i64::from(record.offset_delta));
    object.insert("type".into(), "record".into());
    object.insert("offset".into(), offset.0.into());
    object.insert("timestamp".into(), timestamp(header, record).0.into());
    field(&mut object, "key", record.key);
    match decoded(header, record, metadata) {
        Some(decoded) => {
            object.insert("decoded".into(), decoded.into());
        }
        None => field(&mut object, "value", record.value),
    }
    let headers = record.headers.map(|(name, value)| {
        let mut object = Map::new();
        field(&mut object, "key", Some(name));
        field(&mut object, "value", value);
        Value::Object(object)
    });
    object.insert("headers".into(), headers.collect());
    Value::Object(object)
}

/// What a control record, or a record of the metadata log, says.
fn decoded(header: &Header, record: &Record<'_>, metadata: bool) -> Option<String> {
    let value = record.value.unwrap_or_default();
    if header.is_control() {
        return Some(control(record.key.unwrap_or_default(), value));
    }
    metadata.then(|| match MetadataRecord::decode(&mut Reader::new([value])) {
        Ok((record, version)) => format!("v{version} {record:?}"),
        Err(error) => format!("UNREADABLE: {error}"),
    })
}

fn control(key: &[u8], value: &[u8]) -> String {
    let unreadable = |error| format!("UNREADABLE: {error}");
    let kind = match ControlRecord::decode_key(key) {
        Ok(kind) => kind,
        Err(error) => return unreadable(error),
    };
    let coordinator_epoch = value
        .get(2..6)
        .map(|bytes| i32::from_be_bytes(bytes.try_into().expect("4 bytes")));
    match (kind, coordinator_epoch) {
        (control_type::ABORT, Some(epoch)) => format!("abort, coordinator epoch {epoch}"),
        (control_type::COMMIT, Some(epoch)) => format!("commit, coordinator epoch {epoch}"),
        _ => match ControlRecord::decode(kind, &mut Reader::new([value])) {
            Ok(record) => format!("{record:?}"),
            Err(error) => unreadable(error),
        },
    }
}

fn codec_name(header: &Header) -> &'static str {
    header.codec().map_or("unknown", |codec| codec.name())
}

fn timestamp(header: &Header, record: &Record<'_>) -> Timestamp {
    match header.is_log_append_time() {
        true => header.max_timestamp,
        false => Timestamp(header.base_timestamp.0.wrapping_add(record.timestamp_delta)),
    }
}

/// Text in quotes, what is not text in hexadecimal digits.
fn quoted(bytes: Option<&[u8]>) -> String {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => "null".to_owned(),
        Some((_, Ok(text))) => format!("{text:?}"),
        Some((bytes, Err(_))) => bytes
            .iter()
            .fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}")),
    }
}

/// Text under its name, other bytes as base64 under `name_base64`.
fn field(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => object.insert(name.into(), Value::Null),
        Some((_, Ok(text))) => object.insert(name.into(), text.into()),
        Some((bytes, Err(_))) => object.insert(format!("{name}_base64"), base64(bytes).into()),
    };
}
