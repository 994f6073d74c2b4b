//! Tables, for terminals and Markdown alike.

use super::files::together;
use crate::client::Measure;
use crate::contest::{CaseResult, Quantity, Spread, spread};

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

/// Columns: heading, quantity. Those that no system has are left out.
const COLUMNS: [(&str, Quantity); 21] = [
    ("req/s", Quantity::RequestsPerS),
    ("GB/s", Quantity::GigabytesPerS),
    ("CPU us/req", Quantity::CpuUsPerRequest),
    ("CPU s/GB", Quantity::CpuSPerGigabyte),
    ("p50 us", Quantity::P50Us),
    ("p99 us", Quantity::P99Us),
    ("p99.9 us", Quantity::P999Us),
    ("max us", Quantity::MaxUs),
    ("service p99.9 us", Quantity::ServiceP999Us),
    ("end to end p50 us", Quantity::EndToEndP50Us),
    ("end to end p99 us", Quantity::EndToEndP99Us),
    ("end to end p99.9 us", Quantity::EndToEndP999Us),
    ("drained GB", Quantity::DrainedGigabytes),
    ("clean start s", Quantity::CleanStartS),
    ("start after kill s", Quantity::KilledStartS),
    ("switches/req", Quantity::SwitchesPerRequest),
    ("RSS MB", Quantity::ResidentMb),
    ("client busy", Quantity::ClientBusy),
    ("stolen ms/s", Quantity::StolenMsPerS),
    ("unanswered", Quantity::Unanswered),
    ("not tailed", Quantity::NotTailed),
];
/// Columns whose spread is that of another or says nothing.
const IN_PASSING: [Quantity; 6] = [
    Quantity::GigabytesPerS,
    Quantity::MaxUs,
    Quantity::SwitchesPerRequest,
    Quantity::ResidentMb,
    Quantity::ClientBusy,
    Quantity::ServiceP999Us,
];
/// Columns that are shown only where they are not all zero.
const TROUBLES: [Quantity; 3] = [
    Quantity::StolenMsPerS,
    Quantity::Unanswered,
    Quantity::NotTailed,
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
    let names: Vec<&str> = result.systems.iter().map(|it| it.system.as_str()).collect();
    let columns: Vec<(&str, Quantity)> = COLUMNS
        .into_iter()
        .filter(|(_, quantity)| {
            let mut spreads = names.iter().filter_map(|it| result.spread(it, *quantity));
            spreads.any(|it| it.most > 0.0 || !TROUBLES.contains(quantity))
        })
        .collect();
    let headings = std::iter::once("system").chain(columns.iter().map(|it| it.0));
    let mut table = Table::new(&headings.collect::<Vec<_>>());
    for name in &names {
        let mut row = vec![(*name).to_owned()];
        for (_, quantity) in &columns {
            let spread = result.spread(name, *quantity);
            let is_bound = *quantity == Quantity::ClientBusy
                && spread.is_some_and(|it| it.median > CLIENT_BUSY_MAX);
            let mark = if is_bound { " (!)" } else { "" };
            let cell = match spread {
                Some(it) if IN_PASSING.contains(quantity) => number(it.median),
                _ => with_spread(spread),
            };
            row.push(cell + mark);
        }
        table.row(row);
    }
    let mut text = table.markdown();
    let ratios = ratios(result, &names);
    if !ratios.rows.is_empty() {
        text.push('\n');
        text.push_str(&ratios.markdown());
    }
    text.push_str(&differences(result));
    text
}

/// Rounds that it takes to say that one build differs from another.
const ROUNDS_MIN: usize = 5;

/// What is different about the second build, if there is one: what it has more of, or less, in every
/// single round. By chance alone five rounds agree one time in sixteen.
fn differences(result: &CaseResult) -> String {
    let mut text = String::new();
    for (name, quantity) in RATIOS {
        let ratios = result.ratios("millstream-b", "millstream", quantity);
        if ratios.len() < ROUNDS_MIN {
            continue;
        }
        let word = match () {
            () if ratios.iter().all(|it| *it > 1.0) => "more",
            () if ratios.iter().all(|it| *it < 1.0) => "less",
            () => continue,
        };
        let median = spread(ratios).map_or(1.0, |it| it.median);
        let percent = number((median - 1.0).abs() * 100.0);
        text.push_str(&format!(
            "\nmillstream-b has {percent} % {word} {name} than millstream, in every round\n"
        ));
    }
    text
}

/// More percentiles than fit into a table: a line for each measure of each system.
pub fn percentiles(result: &CaseResult) -> Vec<String> {
    const QUANTILES: [(&str, f64); 8] = [
        ("p50", 0.5),
        ("p75", 0.75),
        ("p90", 0.9),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("p99.99", 0.9999),
        ("p99.999", 0.99999),
        ("max", 1.0),
    ];
    let systems = result.systems.iter();
    let all = systems.flat_map(|runs| Measure::ALL.map(|measure| (runs, measure)));
    all.filter_map(|(runs, measure)| {
        let histogram = together(runs, measure)?;
        let values = QUANTILES.map(|(name, quantile)| {
            let us = histogram.value_at_quantile(quantile) as f64 / 1e3;
            format!("{name} {}", number(us))
        });
        Some(format!(
            "{:<16} us: {}  ({} counted)",
            measure.name(),
            values.join("  "),
            histogram.len()
        ))
    })
    .collect()
}

/// Each system by each of those before it, round by round.
fn ratios(result: &CaseResult, names: &[&str]) -> Table {
    let headings = std::iter::once("round by round").chain(RATIOS.iter().map(|it| it.0));
    let mut table = Table::new(&headings.collect::<Vec<_>>());
    for (at, base) in names.iter().enumerate() {
        for system in &names[at + 1..] {
            let cells = RATIOS
                .iter()
                .map(|(_, quantity)| result.ratio(system, base, *quantity));
            if cells.clone().any(|it| it.is_some()) {
                let mut row = vec![format!("{system} / {base}")];
                row.extend(cells.map(with_spread));
                table.row(row);
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::{Measured, Runs};
    use crate::scenario;
    use std::collections::BTreeMap;

    /// A system, and the numbers of its rounds.
    type Rounds<'a> = (&'a str, &'a [&'a [(Quantity, f64)]]);

    fn result(of: &[Rounds]) -> CaseResult {
        let case = scenario::all().remove(0).cases.remove(0);
        let systems = of.iter().map(|(system, rounds)| Runs {
            system: (*system).to_owned(),
            runs: rounds
                .iter()
                .enumerate()
                .map(|(round, numbers)| Measured {
                    round,
                    numbers: BTreeMap::from_iter(numbers.iter().copied()),
                    outcome: None,
                    usage: Vec::new(),
                })
                .collect(),
        });
        CaseResult {
            case,
            systems: systems.collect(),
            failures: Vec::new(),
        }
    }

    #[test]
    fn a_table_is_markdown_and_lines_up() {
        let mut table = Table::new(&["a", "longer"]);
        table.row(vec!["first".to_owned(), "1".to_owned()]);
        assert_eq!(
            table.markdown(),
            "| a     | longer |\n| ----- | -----: |\n| first |      1 |\n"
        );
    }

    #[test]
    fn numbers_have_three_digits_that_matter() {
        assert_eq!(
            [0.0, 0.1234, 1.234, 12.34, 123.4, 12_345.0].map(number),
            ["0", "0.123", "1.23", "12.3", "123", "12345"]
        );
    }

    #[test]
    fn a_case_shows_medians_with_their_spread_and_ratios_of_rounds() {
        use Quantity::{ClientBusy, RequestsPerS, Unanswered};
        let result = result(&[
            (
                "limit",
                &[
                    &[(RequestsPerS, 100.0), (ClientBusy, 0.99)],
                    &[(RequestsPerS, 200.0), (ClientBusy, 0.99)],
                ],
            ),
            (
                "millstream",
                &[
                    &[(RequestsPerS, 50.0), (Unanswered, 0.0)],
                    &[(RequestsPerS, 300.0)],
                ],
            ),
        ]);
        let text = case(&result);
        assert!(text.contains("150 [100-200]"), "{text}");
        assert!(text.contains("0.990 (!)"), "the client was busy: {text}");
        assert!(!text.contains("unanswered"), "nothing was: {text}");
        let ratio = text
            .lines()
            .find(|it| it.starts_with("| millstream / limit"));
        assert!(
            ratio.is_some_and(|it| it.contains("1.00 [0.500-1.50]")),
            "{text}"
        );
    }

    #[test]
    fn a_build_differs_if_every_round_says_so() {
        use Quantity::{CpuUsPerRequest, P50Us};
        let rounds = |values: [(f64, f64); 5]| {
            values.map(|(cpu, p50)| [(CpuUsPerRequest, cpu), (P50Us, p50)])
        };
        let before = rounds([
            (10.0, 50.0),
            (11.0, 55.0),
            (9.0, 50.0),
            (10.0, 60.0),
            (12.0, 50.0),
        ]);
        let after = rounds([
            (20.0, 60.0),
            (21.0, 50.0),
            (19.5, 70.0),
            (20.0, 55.0),
            (22.0, 60.0),
        ]);
        let before: Vec<&[(Quantity, f64)]> = before.iter().map(|it| &it[..]).collect();
        let after: Vec<&[(Quantity, f64)]> = after.iter().map(|it| &it[..]).collect();
        let five = result(&[("millstream", &before), ("millstream-b", &after)]);
        assert_eq!(
            differences(&five).trim(),
            "millstream-b has 100 % more CPU/req than millstream, in every round"
        );
        let four = result(&[("millstream", &before[..4]), ("millstream-b", &after)]);
        assert_eq!(differences(&four), "", "too few rounds");
    }

    #[test]
    fn trouble_is_shown() {
        let result = result(&[("kafka", &[&[(Quantity::Unanswered, 3.0)]])]);
        assert!(case(&result).contains("unanswered"));
    }
}
