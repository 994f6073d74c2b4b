//! Tables, for terminals and Markdown alike.

use crate::contest::{CaseResult, Quantity, Spread};

/// A client with more to do than this was what was measured.
pub const CLIENT_BUSY_MAX: f64 = 0.95;

/// Rows under headings; all but the first column are numbers.
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Without rows.
    pub fn new(headings: &[&str]) -> Table {
        let headings = headings.iter().map(|it| (*it).to_owned()).collect();
        Table {
            headings,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(
            cells.len(),
            self.headings.len(),
            "a cell under each heading"
        );
        self.rows.push(cells);
    }

    /// As Markdown, with columns that stand below each other in a terminal too.
    pub fn markdown(&self) -> String {
        let all = || std::iter::once(&self.headings).chain(&self.rows);
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|at| {
                all()
                    .map(|row| row[at].chars().count())
                    .max()
                    .unwrap_or(0)
                    .max(3)
            })
            .collect();
        let line = |cells: &[String]| {
            let cells = cells.iter().zip(&widths).enumerate();
            let cells: Vec<String> = cells
                .map(|(at, (cell, width))| {
                    let space = " ".repeat(width - cell.chars().count());
                    if at == 0 {
                        format!("{cell}{space}")
                    } else {
                        format!("{space}{cell}")
                    }
                })
                .collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&self.headings);
        let rule: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(at, width)| match at {
                0 => "-".repeat(*width),
                _ => format!("{}:", "-".repeat(width - 1)),
            })
            .collect();
        text.push_str(&line(&rule));
        self.rows.iter().for_each(|row| text.push_str(&line(row)));
        text
    }
}

/// A number with three digits that matter.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        it if it >= 100.0 || it == 0.0 => 0,
        it if it >= 10.0 => 1,
        it if it >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// Median, with the extremes behind it.
pub fn with_spread(spread: Option<Spread>) -> String {
    match spread {
        None => String::new(),
        Some(it) if it.least == it.most => number(it.median),
        Some(it) => format!(
            "{} [{}-{}]",
            number(it.median),
            number(it.least),
            number(it.most)
        ),
    }
}

/// Columns: heading, quantity.
const COLUMNS: [(&str, Quantity); 11] = [
    ("req/s", Quantity::RequestsPerS),
    ("GB/s", Quantity::GigabytesPerS),
    ("CPU us/req", Quantity::CpuUsPerRequest),
    ("CPU s/GB", Quantity::CpuSPerGigabyte),
    ("p50 us", Quantity::P50Us),
    ("p99 us", Quantity::P99Us),
    ("p99.9 us", Quantity::P999Us),
    ("max us", Quantity::MaxUs),
    ("switches/req", Quantity::SwitchesPerRequest),
    ("RSS MB", Quantity::ResidentMb),
    ("client busy", Quantity::ClientBusy),
];

/// What is compared between two systems.
const RATIOS: [(&str, Quantity); 5] = [
    ("req/s", Quantity::RequestsPerS),
    ("CPU/req", Quantity::CpuUsPerRequest),
    ("p50", Quantity::P50Us),
    ("p99", Quantity::P99Us),
    ("p99.9", Quantity::P999Us),
];

/// A case: a row for each system, then how they stand to each other.
pub fn case(result: &CaseResult) -> String {
    let mut headings = vec!["system"];
    headings.extend(COLUMNS.iter().map(|it| it.0));
    let mut table = Table::new(&headings);
    for runs in &result.systems {
        let mut row = vec![runs.system.clone()];
        for (_, quantity) in COLUMNS {
            let spread = result.spread(&runs.system, quantity);
            let is_bound = quantity == Quantity::ClientBusy
                && spread.is_some_and(|it| it.median > CLIENT_BUSY_MAX);
            let mark = if is_bound { " (!)" } else { "" };
            row.push(with_spread(spread) + mark);
        }
        table.row(row);
    }
    let mut text = table.markdown();
    let names: Vec<&str> = result.systems.iter().map(|it| it.system.as_str()).collect();
    let mut ratios = Table::new(&["ratio", "req/s", "CPU/req", "p50", "p99", "p99.9"]);
    let mut is_empty = true;
    for (at, base) in names.iter().enumerate() {
        for system in &names[at + 1..] {
            let mut row = vec![format!("{system} / {base}")];
            for (_, quantity) in RATIOS {
                row.push(with_spread(result.ratio(system, base, quantity)));
            }
            ratios.row(row);
            is_empty = false;
        }
    }
    if !is_empty {
        text.push('\n');
        text.push_str(&ratios.markdown());
    }
    text
}
