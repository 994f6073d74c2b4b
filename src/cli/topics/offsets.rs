//! `topics offsets`: where the logs begin and end, or where a time lies in them.

use crate::cli::client::{At, Client, Connect, OffsetAt};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table};
use crate::cli::time;
use crate::sys::clock;
use crate::types::Timestamp;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Tells where the partitions begin and end, or the offset of a time.
#[derive(Args)]
pub(super) struct Offsets {
    /// The topics.
    #[arg(value_name = "TOPIC", required = true)]
    topics: Vec<String>,

    /// Only these partitions.
    #[arg(short, long, value_name = "NUMBER", value_delimiter = ',')]
    partition: Vec<i32>,

    /// The first record that is not older: 2026-11-22T10:00:00Z, @1800000000000 (ms since 1970), or
    /// -2h for two hours ago; max-timestamp for the newest record.
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true)]
    at: Option<At>,
}

impl Offsets {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let mut client = Client::new(connect);
        let mut rows = Vec::new();
        for name in &self.topics {
            let mut topic = client.topic(name, false)?;
            let partitions: Vec<i32> = match self.partition.is_empty() {
                true => topic.partitions.iter().map(|it| it.index).collect(),
                false => self.partition.clone(),
            };
            let mut ask = |at: At| {
                let wanted: BTreeMap<i32, At> = partitions.iter().map(|it| (*it, at)).collect();
                client.offsets(&mut topic, &wanted, false)
            };
            match self.at {
                Some(at) => {
                    let found = ask(at)?;
                    rows.extend(found.into_iter().map(|(index, it)| (name, index, it, None)));
                }
                None => {
                    let ends = ask(At::Latest)?;
                    let starts = ask(At::Earliest)?;
                    let both = starts
                        .into_iter()
                        .map(|(index, start)| (name, index, start, Some(ends[&index])));
                    rows.extend(both);
                }
            }
        }
        let mut out = Out::new(connect.json);
        match out.json {
            true => {
                let rows: Vec<Value> = rows.iter().map(json_row).collect();
                out.document(&json!({ "offsets": rows }))?;
            }
            false => out.table(&table(&rows, self.at.is_some()))?,
        }
        out.flush()
    }
}

/// Topic, partition, the offset asked for or the start, and the end unless a time was asked for.
type Row<'a> = (&'a String, i32, OffsetAt, Option<OffsetAt>);

fn table(rows: &[Row<'_>], at: bool) -> Table {
    let number = |it: &OffsetAt| {
        it.offset
            .map_or("none".to_owned(), |offset| offset.to_string())
    };
    let mut table = match at {
        true => Table::new(&["TOPIC", ">PARTITION", ">OFFSET", "TIMESTAMP"]),
        false => Table::new(&["TOPIC", ">PARTITION", ">START", ">END", ">OFFSETS"]),
    };
    for (topic, index, first, end) in rows {
        let (topic, index) = ((*topic).clone(), index.to_string());
        match end {
            None => {
                let timestamp = first.timestamp.unwrap_or(Timestamp::NONE);
                table.row([topic, index, number(first), time::format(timestamp)]);
            }
            Some(end) => {
                let count = match (first.offset, end.offset) {
                    (Some(start), Some(end)) => (end.0 - start.0).to_string(),
                    _ => "-".to_owned(),
                };
                table.row([topic, index, number(first), number(end), count]);
            }
        }
    }
    table
}

fn json_row((topic, index, first, end): &Row<'_>) -> Value {
    let offset = |it: &OffsetAt| it.offset.map(|offset| offset.0);
    match end {
        None => json!({
            "topic": topic,
            "partition": index,
            "offset": offset(first),
            "timestamp": first.timestamp.map(|timestamp| timestamp.0),
        }),
        Some(end) => json!({
            "topic": topic,
            "partition": index,
            "start": offset(first),
            "end": offset(end),
        }),
    }
}

fn moment(text: &str) -> Result<At, String> {
    match text {
        "max-timestamp" => return Ok(At::MaxTimestamp),
        "earliest" => return Ok(At::Earliest),
        "latest" => return Ok(At::Latest),
        _ => {}
    }
    time::parse(text, clock().wall)
        .map(At::Time)
        .ok_or_else(|| "not a time such as 2026-11-22T10:00:00Z, @1800000000000 or -2h".into())
}
