//! What commands print: aligned columns for people, JSON for programs. Everything goes through one
//! buffer, so that a pipe closed early ends the command quietly.

use super::failure::Failure;
use serde_json::Value;
use std::io::{BufWriter, Write, stdout};

/// Bytes gathered before a write.
const BUFFER_BYTES: usize = 64 * 1024;

/// Where a command's results go.
pub(super) struct Out {
    writer: BufWriter<Box<dyn Write>>,
    /// Whether a program reads them.
    pub(super) json: bool,
}

impl Out {
    /// Standard output.
    pub(super) fn new(json: bool) -> Out {
        Out::to(Box::new(stdout()), json)
    }

    /// Somewhere else.
    pub(super) fn to(writer: Box<dyn Write>, json: bool) -> Out {
        Out {
            writer: BufWriter::with_capacity(BUFFER_BYTES, writer),
            json,
        }
    }

    /// A line for people.
    pub(super) fn line(&mut self, line: impl AsRef<str>) -> Result<(), Failure> {
        writeln!(self.writer, "{}", line.as_ref())?;
        Ok(())
    }

    /// A table for people.
    pub(super) fn table(&mut self, table: &Table) -> Result<(), Failure> {
        self.writer.write_all(table.text().as_bytes())?;
        Ok(())
    }

    /// A document for programs, over several lines.
    pub(super) fn document(&mut self, value: &Value) -> Result<(), Failure> {
        writeln!(self.writer, "{value:#}")?;
        Ok(())
    }

    /// One of many objects, on a line of its own.
    pub(super) fn object(&mut self, value: &Value) -> Result<(), Failure> {
        writeln!(self.writer, "{value}")?;
        Ok(())
    }

    /// Bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(bytes)?;
        Ok(())
    }

    /// Shows what was written so far.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush()?;
        Ok(())
    }
}

/// Rows under titles. Numbers stand at the right of their column, words at the left.
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

impl Table {
    /// A table with these titles; one that begins with `>` has numbers under it.
    pub(super) fn new(titles: &[&'static str]) -> Table {
        Table {
            columns: titles
                .iter()
                .map(|title| match title.strip_prefix('>') {
                    Some(title) => (title, Align::Right),
                    None => (*title, Align::Left),
                })
                .collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let row: Vec<String> = cells.into_iter().collect();
        assert_eq!(row.len(), self.columns.len(), "a cell per column");
        self.rows.push(row);
    }

    /// Titles and rows, two spaces between columns, none at the ends of lines.
    pub(super) fn text(&self) -> String {
        let titles: Vec<String> = self
            .columns
            .iter()
            .map(|(title, _)| (*title).to_owned())
            .collect();
        let lines: Vec<&Vec<String>> = [&titles].into_iter().chain(&self.rows).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| lines.iter().map(|row| width(&row[at])).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in lines {
            let mut line = String::new();
            for (at, cell) in row.iter().enumerate() {
                if at > 0 {
                    line.push_str("  ");
                }
                let space = " ".repeat(widths[at] - width(cell));
                match self.columns[at].1 {
                    Align::Left => line.extend([cell.as_str(), &space]),
                    Align::Right => line.extend([space.as_str(), cell]),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

/// Numbers separated by commas; a dash if there are none.
pub(super) fn list<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "-".to_owned();
    }
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(",")
}

/// The number, or a dash where Kafka writes a negative one for "none".
pub(super) fn known(number: i64) -> String {
    match number {
        0.. => number.to_string(),
        _ => "-".to_owned(),
    }
}

/// The number, or null where Kafka writes a negative one for "none".
pub(super) fn known_json(number: i64) -> Value {
    match number {
        0.. => number.into(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["TOPIC", ">PARTITIONS", "NOTE"]);
        table.row(["orders".into(), "12".into(), String::new()]);
        table.row(["é".into(), "3".into(), "new".into()]);
        assert_eq!(
            table.text(),
            "TOPIC   PARTITIONS  NOTE\norders          12\né                3  new\n"
        );
    }

    #[test]
    fn what_is_not_known_is_a_dash_or_null() {
        assert_eq!(known(-1), "-");
        assert_eq!(known_json(-1), Value::Null);
        assert_eq!(list::<i32>(&[]), "-");
        assert_eq!(list(&[1, 2]), "1,2");
    }
}
