//! The report: `report.md` beside its raw data and plots, written anew after each case, so that a run
//! that is interrupted leaves what it has.

use super::goals::Verdict;
use super::machine::Machine;
use super::results::Results;
use super::table::{self, Table};
use super::{files, plots};
use crate::contest::{CaseResult, Contest};
use crate::scenario::{Plot, Scenario};
use std::fmt::Write as _;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

/// A report that grows.
pub struct Report {
    directory: PathBuf,
    machine: Machine,
    rounds: usize,
    systems: Vec<String>,
    /// By scenario: what it is and its plots.
    sections: Vec<Section>,
    results: Results,
}

struct Section {
    title: String,
    cases: Vec<String>,
    /// File and what it shows.
    plots: Vec<(String, String)>,
}

impl Report {
    /// One without results, in a new directory below `parent`.
    pub fn new(
        parent: &Path,
        name: Option<&str>,
        machine: Machine,
        contest: &Contest,
    ) -> Result<Report> {
        let slug = machine.slug(name);
        let taken = (1..).map(|count| match count {
            1 => parent.join(&slug),
            _ => parent.join(format!("{slug}-{count}")),
        });
        let directory = taken
            .into_iter()
            .find(|it| !it.exists())
            .unwrap_or_else(|| parent.join(&slug));
        std::fs::create_dir_all(directory.join("raw"))?;
        std::fs::create_dir_all(directory.join("plots"))?;
        let text = serde_json::to_string_pretty(&machine).map_err(Error::other)?;
        std::fs::write(directory.join("machine.json"), text + "\n")?;
        Ok(Report {
            directory,
            machine,
            rounds: contest.rounds,
            systems: contest
                .systems
                .iter()
                .map(|it| it.name().to_owned())
                .collect(),
            sections: Vec::new(),
            results: Results::default(),
        })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A scenario's cases come next.
    pub fn begin(&mut self, scenario: &Scenario) {
        self.sections.push(Section {
            title: format!("{}: {}", scenario.name, scenario.title),
            cases: Vec::new(),
            plots: Vec::new(),
        });
    }

    /// Keeps a case: raw data and plots are written now, and its histograms are let go.
    pub fn add(&mut self, scenario: &Scenario, result: CaseResult) -> Result<()> {
        let name = result.case.name.clone();
        files::write(&self.directory.join("raw"), &result)?;
        let mut drawn = Vec::new();
        let has_load = result
            .systems
            .iter()
            .flat_map(|it| &it.runs)
            .any(|it| it.outcome.is_some());
        if has_load && (scenario.name == "goals" || result.case.is_open()) {
            plots::latency(
                &self.plot(&mut drawn, &name, "latency", "latency by percentile"),
                &result,
            )?;
        }
        if has_load && scenario.plot == Plot::OverTime {
            plots::over_time(
                &self.plot(&mut drawn, &name, "time", "what happened when"),
                &result,
            )?;
        }
        let section = self.sections.last_mut().expect("a scenario has begun");
        section.cases.push(name.clone());
        section.plots.extend(drawn);
        self.results.add(result);
        self.write()
    }

    /// A scenario's cases are all there.
    pub fn end(&mut self, scenario: &Scenario) -> Result<()> {
        if let Plot::BySize(prefixes) = scenario.plot {
            for prefix in prefixes {
                let names = self.sections.last().into_iter().flat_map(|it| &it.cases);
                let results: Vec<&CaseResult> = names
                    .filter(|it| it.starts_with(prefix))
                    .filter_map(|it| self.results.get(it))
                    .collect();
                if results.len() < 2 {
                    continue;
                }
                let mut drawn = Vec::new();
                let path = self.plot(&mut drawn, prefix.trim_end_matches('x'), "size", "by size");
                plots::by_size(&path, &format!("{}: {prefix}", scenario.title), &results)?;
                let section = self.sections.last_mut().expect("a scenario has begun");
                section.plots.extend(drawn);
            }
        }
        self.write()
    }

    /// What was measured so far.
    pub fn results(&self) -> &Results {
        &self.results
    }

    fn plot(
        &self,
        drawn: &mut Vec<(String, String)>,
        name: &str,
        kind: &str,
        what: &str,
    ) -> PathBuf {
        let file = format!("plots/{name}-{kind}.svg");
        drawn.push((file.clone(), format!("{name}, {what}")));
        self.directory.join(file)
    }

    fn write(&self) -> Result<()> {
        let mut text = String::from("# Millstream beside the machine's limit and Apache Kafka\n\n");
        self.write_machine(&mut text);
        text.push_str(HOW);
        let verdicts = self.results.verdicts();
        if !verdicts.is_empty() {
            let met = verdicts.iter().filter(|it| it.is_met).count();
            let _ = write!(
                text,
                "## Goals: {met} of {} met\n\n{}\n",
                verdicts.len(),
                goals(&verdicts)
            );
        }
        let failures = self.results.failures();
        if !failures.is_empty() {
            text.push_str("## What failed\n\n");
            failures.iter().for_each(|it| {
                let _ = writeln!(text, "- {it}");
            });
            text.push('\n');
        }
        for section in &self.sections {
            let _ = write!(text, "## {}\n\n", section.title);
            for name in &section.cases {
                let Some(result) = self.results.get(name) else {
                    continue;
                };
                let _ = write!(
                    text,
                    "### {name}\n\n{}\n\n{}\n",
                    result.case.title,
                    table::case(result)
                );
            }
            for (file, what) in &section.plots {
                let _ = write!(text, "![{what}]({file})\n\n");
            }
        }
        std::fs::write(self.directory.join("report.md"), text)
    }

    fn write_machine(&self, text: &mut String) {
        let machine = &self.machine;
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "- {name}: {value}");
        };
        line("date", &machine.date);
        let kind = if machine.is_virtual { ", virtual" } else { "" };
        line("processor", &format!("{}{kind}", machine.processor));
        line("memory", &machine.memory);
        line("kernel", &machine.kernel);
        line("directory under test", &machine.file_system);
        line("cores", &machine.cores);
        line("commit", &machine.commit);
        line(
            "systems",
            &format!("{}; {} rounds", self.systems.join(", "), self.rounds),
        );
        line(
            "again",
            &format!("`cargo run --release -p perf -- {}`", machine.command),
        );
        if let Some(kafka) = &machine.kafka {
            line("Apache Kafka", kafka);
        }
        for (path, value) in &machine.settings {
            line(&format!("`{path}`"), value);
        }
        text.push('\n');
    }
}

const HOW: &str = "\
Numbers are medians over the rounds, the least and the most in brackets. In each round every system runs
once, in an order that turns; before each run as much memory as it may touch is written and unlinked.
Limits and Millstream (one shard) have one core, the client another; which cores Apache Kafka may use
stands above. It runs on from case to case, so that its code is compiled, and is stopped in between. A
limit is a bare server under the same client: echo receives and answers; append also takes the CRC and
appends with one vectored write per round of events; sendfile sends a header and a slice of a file.
Latency counts from when a request was meant to be sent. CPU is that of the server's process with all of
its threads. A client with (!) was busy nearly all of the time: it, and not the server, may have been
measured. A client sleeps when it has nothing to do, and the arrivals of an open loop are a Poisson
process, unless a case says otherwise.

";

/// The table of goals.
pub fn goals(verdicts: &[Verdict]) -> String {
    let mut table = Table::new(&["case", "goal", "measured", "verdict"]);
    for it in verdicts {
        table.row(vec![
            it.case.to_owned(),
            it.goal.clone(),
            table::with_spread(Some(it.measured)),
            if it.is_met { "met" } else { "NOT MET" }.to_owned(),
        ]);
    }
    table.markdown()
}
