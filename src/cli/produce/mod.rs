//! `millstream produce`: records from lines of a file or of standard input.
//!
//! Lines are sent when a batch is full or when the next line has not come yet: a pipe that trickles is
//! sent at once, a file in large batches.

mod input;
mod partitioner;
mod send;

use super::client::{Client, Connect};
use super::failure::Failure;
use super::output::Out;
use super::{key_value, text};
use crate::batch::Codec;
use crate::sys::{clock, random_bytes};
use clap::{Args, ValueEnum};
use input::{Lines, Next, Syntax};
use partitioner::{Chooser, Partitioner};
use send::{Acks, Rules, Sender};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, stdin};
use std::path::PathBuf;

/// The lines of an input that comes in these parts.
pub(super) fn lines_of(
    parts: Vec<Vec<u8>>,
    delimiter: Option<&[u8]>,
) -> Result<Vec<Vec<u8>>, String> {
    /// Gives its parts one read at a time, or what there is room for.
    struct Parts(VecDeque<Vec<u8>>);

    impl Read for Parts {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let Some(mut part) = self.0.pop_front() else {
                return Ok(0);
            };
            let count = part.len().min(into.len());
            let rest = part.split_off(count);
            into[..count].copy_from_slice(&part);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
            Ok(count)
        }
    }

    let parts = parts.into_iter().filter(|part| !part.is_empty());
    let parts = Parts(parts.collect());
    let mut lines = Lines::new(Box::new(parts), delimiter.map(<[u8]>::to_vec));
    let mut found = Vec::new();
    loop {
        match lines.next() {
            Next::Line(line) => found.push(line),
            Next::Wait => lines.fill().map_err(|failure| failure.to_string())?,
            Next::End => return Ok(found),
        }
    }
}

/// What a line is: a JSON object, or headers, a key up to a colon and a value.
pub(super) fn record_of(line: &[u8], json: bool) -> Result<(), String> {
    let syntax = Syntax {
        key_separator: Some(b":".to_vec()),
        headers: true,
        null: Some(b"NULL".to_vec()),
        json,
    };
    syntax.record(line).map(|_| ())
}

/// Sends lines as records.
#[derive(Args)]
pub(super) struct Produce {
    #[command(flatten)]
    connect: Connect,

    /// The topic.
    topic: String,

    /// The file to read; standard input if not given.
    file: Option<PathBuf>,

    /// What a line is: text, or a JSON object as `consume --json` prints it.
    #[arg(long, value_enum, default_value = "text")]
    input: Input,

    /// What ends a line: \n \t \0 \xNN and the like are understood.
    #[arg(short, long, default_value = "\\n", value_name = "TEXT", value_parser = text::separator)]
    delimiter: Bytes,

    /// The whole input is one record.
    #[arg(long, conflicts_with = "delimiter")]
    whole: bool,

    /// What separates key and value; a line without it has no key.
    #[arg(short = 'K', long, value_name = "TEXT", value_parser = text::separator)]
    key_separator: Option<Bytes>,

    /// The key of all records.
    #[arg(short, long, value_name = "KEY", conflicts_with = "key_separator")]
    key: Option<String>,

    /// Each line begins with headers: name:value,name:value and a tab.
    #[arg(long)]
    headers: bool,

    /// A header for all records; may stand several times.
    #[arg(short = 'H', long = "header", value_name = "name=value", value_parser = key_value)]
    header: Vec<(String, String)>,

    /// A key or value that is this text is null; a record without a value deletes its key from a
    /// compacted topic.
    #[arg(long, value_name = "TEXT", value_parser = text::unescape)]
    null: Option<Bytes>,

    /// How batches are compressed.
    #[arg(short = 'z', long, value_enum, default_value = "none")]
    codec: CodecName,

    /// Who must have a record before it counts: all replicas in sync, the leader (1), nobody (0).
    #[arg(long, value_enum, default_value = "all")]
    acks: AcksName,

    /// The partition of all records, whatever their keys.
    #[arg(short, long, value_name = "NUMBER", conflicts_with = "partitioner")]
    partition: Option<i32>,

    /// How a record's partition is chosen.
    #[arg(long, value_enum, default_value = "murmur2")]
    partitioner: Partitioner,

    /// Bytes of a batch before it is compressed.
    #[arg(long, default_value = "524288", value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    batch_bytes: u32,

    /// A record sent again after a lost connection may then be there twice. Without --acks all this is
    /// so anyhow.
    #[arg(long)]
    no_idempotence: bool,

    /// Do not say at the end what was written.
    #[arg(short, long)]
    quiet: bool,
}

/// What clap makes of text with escapes; an alias, or it would look for several values.
type Bytes = std::vec::Vec<u8>;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Input {
    Text,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum CodecName {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AcksName {
    #[value(name = "0")]
    Nobody,
    #[value(name = "1")]
    Leader,
    #[value(name = "all", alias = "-1")]
    All,
}

impl Produce {
    pub(super) fn run(self) -> Result<(), Failure> {
        let source: Box<dyn Read> = match &self.file {
            None => Box::new(stdin().lock()),
            Some(path) => Box::new(
                File::open(path)
                    .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?,
            ),
        };
        let mut client = Client::new(&self.connect);
        let topic = client.topic(&self.topic, true)?;
        if let Some(partition) = self.partition {
            topic.partition(partition)?;
        }
        let partitions = topic.partitions.len() as u32;
        let seed = u64::from_le_bytes(random_bytes());
        let mut chooser = Chooser::new(self.partitioner, partitions, seed);
        let mut sender = Sender::new(client, topic, self.rules())?;
        let mut lines = Lines::new(source, (!self.whole).then(|| self.delimiter.clone()));
        let result = self.pump(&mut lines, &mut sender, &mut chooser);
        if result.is_ok() || !sender.written.is_empty() {
            self.conclude(&sender)?;
        }
        result
    }

    /// Sends line by line until the end.
    fn pump(
        &self,
        lines: &mut Lines,
        sender: &mut Sender,
        chooser: &mut Chooser,
    ) -> Result<(), Failure> {
        let syntax = self.syntax();
        let mut number: u64 = 0;
        loop {
            let line = match lines.next() {
                Next::Line(line) => line,
                Next::Wait | Next::End if sender.has_open() => {
                    sender.flush()?;
                    chooser.next_batch();
                    continue;
                }
                Next::Wait => {
                    lines.fill()?;
                    continue;
                }
                Next::End => return Ok(()),
            };
            number += 1;
            let in_line = |why: String| Failure::new(format!("line {number}: {why}"));
            let mut record = match syntax.record(&line) {
                Ok(record) => record,
                Err(why) => {
                    // What came before is not held back by it.
                    sender.flush()?;
                    return Err(in_line(why));
                }
            };
            if let Some(key) = &self.key {
                record.key = Some(key.clone().into_bytes());
            }
            let constant = self.header.iter();
            record.headers.extend(constant.map(|(name, value)| {
                (name.clone().into_bytes(), Some(value.clone().into_bytes()))
            }));
            let partition = match self.partition.or(record.partition) {
                Some(partition) => {
                    sender.topic.partition(partition)?;
                    partition
                }
                None => chooser.choose(record.key.as_deref()),
            };
            if sender.push(partition, &record, clock().wall)? {
                chooser.next_batch();
            }
        }
    }

    /// Says what was written, also if not all could be.
    fn conclude(&self, sender: &Sender) -> Result<(), Failure> {
        let records: u64 = sender.written.values().map(|it| it.records).sum();
        if self.connect.json {
            let partitions: Vec<Value> = sender
                .written
                .iter()
                .map(|(partition, it)| {
                    json!({
                        "partition": partition,
                        "records": it.records,
                        "first_offset": it.first.map(|offset| offset.0),
                        "last_offset": it.last.map(|offset| offset.0),
                    })
                })
                .collect();
            let mut out = Out::new(true);
            out.document(&json!({
                "topic": self.topic,
                "records": records,
                "partitions": partitions,
            }))?;
            return out.flush();
        }
        if !self.quiet {
            let plural = if records == 1 { "record" } else { "records" };
            let partitions = match sender.written.len() {
                1 => "1 partition".to_owned(),
                count => format!("{count} partitions"),
            };
            eprintln!(
                "{records} {plural} written to {partitions} of '{}'",
                self.topic
            );
        }
        Ok(())
    }

    fn rules(&self) -> Rules {
        Rules {
            acks: match self.acks {
                AcksName::Nobody => Acks::Nobody,
                AcksName::Leader => Acks::Leader,
                AcksName::All => Acks::All,
            },
            codec: match self.codec {
                CodecName::None => Codec::None,
                CodecName::Gzip => Codec::Gzip,
                CodecName::Snappy => Codec::Snappy,
                CodecName::Lz4 => Codec::Lz4,
                CodecName::Zstd => Codec::Zstd,
            },
            batch_bytes: self.batch_bytes as usize,
            idempotent: self.acks == AcksName::All && !self.no_idempotence,
        }
    }

    fn syntax(&self) -> Syntax {
        Syntax {
            key_separator: self.key_separator.clone(),
            headers: self.headers,
            null: self.null.clone(),
            json: self.input == Input::Json,
        }
    }
}
