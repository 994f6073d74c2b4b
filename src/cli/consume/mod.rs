//! `millstream consume`: the records of a topic, by partition or as a member of a group.

mod assign;
mod classic;
mod consumer;
mod fetch;
mod format;
mod member;

use super::client::{At, Client, Connect, TopicState};
use super::failure::Failure;
use super::output::Out;
use super::{text, time};
use crate::sys::clock;
use crate::types::Offset;
use clap::{Args, ValueEnum};
use fetch::{Fetcher, Go, Place};
use format::{Column, Consumed, Template};
use member::Protocol;
use std::collections::BTreeMap;

/// Prints the records of a topic, partition by partition, until it is stopped.
#[derive(Args)]
pub(super) struct Consume {
    #[command(flatten)]
    connect: Connect,

    /// The topic.
    topic: String,

    /// Only these partitions.
    #[arg(
        short,
        long,
        value_name = "NUMBER",
        value_delimiter = ',',
        conflicts_with = "group"
    )]
    partition: Vec<i32>,

    /// Consume as a member of this group: what it gives us, from where it has come to; what is printed is
    /// committed. Ctrl-C leaves the group.
    #[arg(short, long, value_name = "GROUP", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    group: Option<String>,

    /// By which protocol: consumer (KIP-848, the broker assigns), classic, or auto for the former where
    /// broker and group have it.
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        requires = "group",
        hide_possible_values = true
    )]
    group_protocol: Protocol,

    /// Where to begin; a group where it has committed nothing. One of beginning, end, an offset, -N for N
    /// before the end, or the first record that is not older than 2026-11-22T10:00:00Z, @1800000000000 (ms
    /// since 1970) or -2h (two hours ago).
    #[arg(short = 'o', long, default_value = "beginning", value_name = "PLACE", value_parser = from, allow_hyphen_values = true)]
    from: From,

    /// Stop at what is the end now; of a group, at the ends of what it has given us.
    #[arg(short, long)]
    exit: bool,

    /// Stop after so many records.
    #[arg(short = 'n', long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// What to print before each value.
    #[arg(
        short,
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "COLUMN,..."
    )]
    show: Vec<Column>,

    /// What to print between key and value.
    #[arg(short = 'K', long, default_value = "\\t", value_name = "TEXT", value_parser = text::unescape)]
    key_separator: Bytes,

    /// Print each record as this says: %t topic, %p partition, %o offset, %T timestamp in ms, %i the
    /// same as date and time, %k key, %K its bytes, %s value, %S its bytes, %h headers; \n and the
    /// like are understood.
    #[arg(short, long, value_name = "TEMPLATE", conflicts_with_all = ["show", "key_separator"], value_parser = template)]
    format: Option<Template>,

    /// What to print for a key or value that is null.
    #[arg(long, default_value = "", value_name = "TEXT", value_parser = text::unescape)]
    null: Bytes,

    /// Whether records of open and aborted transactions are left out.
    #[arg(long, value_enum, default_value = "uncommitted")]
    isolation: Isolation,
}

/// What clap makes of text with escapes; an alias, or it would look for several values.
type Bytes = std::vec::Vec<u8>;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Isolation {
    Uncommitted,
    Committed,
}

/// Where to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum From {
    At(At),
    Offset(Offset),
    /// So many records before the end.
    BeforeEnd(i64),
}

impl Consume {
    pub(super) fn run(self) -> Result<(), Failure> {
        if let Some(group) = &self.group {
            return self.run_as_member(group);
        }
        let mut client = Client::new(&self.connect);
        let mut topic = client.topic(&self.topic, false)?;
        let partitions: Vec<i32> = match self.partition.is_empty() {
            true => topic.partitions.iter().map(|it| it.index).collect(),
            false => self.partition.clone(),
        };
        let places = self.places(&mut client, &mut topic, &partitions)?;
        let mut fetcher = Fetcher {
            client,
            topic,
            places,
            committed: self.is_committed(),
        };
        let mut printer = self.printer();
        while !fetcher.is_done() {
            let go = fetcher.round(&mut |record| printer.print(record));
            // What was read before a failure is shown.
            printer.flush()?;
            if go? == Go::Stop {
                break;
            }
        }
        Ok(())
    }

    fn printer(&self) -> Printer {
        let template = match &self.format {
            Some(template) => template.clone(),
            None => Template::columns(&self.show, &self.key_separator),
        };
        Printer {
            out: Out::new(self.connect.json),
            template: template.null(&self.null),
            left: self.count.unwrap_or(u64::MAX),
            line: Vec::new(),
        }
    }

    fn is_committed(&self) -> bool {
        self.isolation == Isolation::Committed
    }

    /// Where each of these partitions is read from, and to.
    fn places(
        &self,
        client: &mut Client,
        topic: &mut TopicState,
        partitions: &[i32],
    ) -> Result<BTreeMap<i32, Place>, Failure> {
        let mut ask = |at: At| {
            let wanted: BTreeMap<i32, At> = partitions.iter().map(|it| (*it, at)).collect();
            client.offsets(topic, &wanted, self.is_committed())
        };
        let ends = ask(At::Latest)?;
        let end = |index: i32| ends[&index].offset.unwrap_or(Offset(0));
        let starts = match self.from {
            From::At(At::Latest) | From::Offset(_) => BTreeMap::new(),
            From::At(at) => ask(at)?,
            From::BeforeEnd(_) => ask(At::Earliest)?,
        };
        let place = |index: i32| {
            let start = starts.get(&index).and_then(|it| it.offset);
            let next = match self.from {
                From::Offset(offset) => offset,
                // Nothing is that new: what comes next will be.
                From::At(_) => start.unwrap_or(end(index)),
                From::BeforeEnd(count) => start.unwrap_or(Offset(0)).max(end(index).plus(-count)),
            };
            let end = self.exit.then(|| end(index));
            let has_moved = false;
            let place = Place {
                next,
                end,
                has_moved,
            };
            (index, place)
        };
        Ok(partitions.iter().map(|index| place(*index)).collect())
    }
}

/// Prints records, up to so many.
struct Printer {
    out: Out,
    template: Template,
    left: u64,
    line: Vec<u8>,
}

impl Printer {
    fn print(&mut self, record: &Consumed<'_>) -> Result<Go, Failure> {
        match self.out.json {
            true => self.out.object(&format::json(record))?,
            false => {
                self.line.clear();
                self.template.write(&mut self.line, record);
                self.out.bytes(&self.line)?;
            }
        }
        self.left -= 1;
        Ok(if self.left == 0 { Go::Stop } else { Go::On })
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush()
    }
}

fn from(text: &str) -> Result<From, String> {
    match text {
        "beginning" | "earliest" => return Ok(From::At(At::Earliest)),
        "end" | "latest" => return Ok(From::At(At::Latest)),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>() {
        return Ok(match number {
            0.. => From::Offset(Offset(number)),
            _ => From::BeforeEnd(number.saturating_neg()),
        });
    }
    let time = time::parse(text, clock().wall);
    time.map(|time| From::At(At::Time(time)))
        .ok_or_else(|| "none of beginning, end, an offset, -N, a time".into())
}

fn template(text: &str) -> Result<Template, String> {
    Template::parse(&text::unescape(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Timestamp;

    #[test]
    fn a_place_is_an_end_an_offset_or_a_time() {
        assert_eq!(from("beginning"), Ok(From::At(At::Earliest)));
        assert_eq!(from("end"), Ok(From::At(At::Latest)));
        assert_eq!(from("42"), Ok(From::Offset(Offset(42))));
        assert_eq!(from("-10"), Ok(From::BeforeEnd(10)));
        assert_eq!(from("@42"), Ok(From::At(At::Time(Timestamp(42)))));
        assert_eq!(
            from("1970-01-02"),
            Ok(From::At(At::Time(Timestamp(86_400_000))))
        );
        assert!(matches!(from("-2h"), Ok(From::At(At::Time(_)))));
        assert!(from("somewhere").is_err());
    }
}
