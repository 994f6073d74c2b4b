//! `millstream tune`: this machine against tuning.md, line by line.
//!
//! ```text
//! checks   the table: what is looked at, where, why, and the heading in tuning.md
//! finding  what a check is and what it finds
//! memory | processors | network | storage   the checks' decisions: pure, over a `Machine`
//! machine  where they read: /proc, /sys, ethtool
//! apply    the only writes, and only on --apply
//! ```

mod apply;
mod checks;
mod finding;
mod machine;
mod memory;
mod network;
mod parse;
mod processors;
mod storage;
#[cfg(test)]
mod tests;

use super::failure::Failure;
use super::machine::this;
use super::output::{Out, Table};
use crate::config::{self, BrokerConfig, Machine as Cores};
use apply::Applied;
use checks::CHECKS;
use clap::Args;
use finding::{Asked, Check, Finding, Status};
use machine::Here;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Checks this machine against tuning.md and says what to do; changes nothing without --apply.
#[derive(Args)]
pub(super) struct Tune {
    /// The broker's server.properties: its shards, buffers and directories are what is checked for.
    #[arg(long, value_name = "server.properties")]
    config: Option<PathBuf>,

    /// Change what is a setting of the running kernel (sysctl, /sys), until the next start of the
    /// machine; say old and new value of each, and what would make it last. Needs root.
    #[arg(long)]
    apply: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,

    /// A directory with copies of the machine's files instead of its root: for tests.
    #[arg(long, hide = true, default_value = "/", value_name = "DIRECTORY")]
    root: PathBuf,
}

/// What a check found.
type Line = (&'static Check, Finding);

impl Tune {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = configuration(self.config.as_deref())?;
        let machine = Here::new(&self.root);
        if self.apply {
            apply::demand_root(&machine)?;
        }
        let lines = lines(&Asked {
            machine: &machine,
            config: &config,
        });
        let applied = match self.apply {
            true => apply::apply(&machine, lines.iter().map(|(_, finding)| finding)),
            false => Vec::new(),
        };
        let mut out = Out::new(self.json);
        match (self.json, self.apply) {
            (true, _) => out.document(&document(&lines, &applied))?,
            (false, false) => show(&mut out, &lines)?,
            (false, true) => show_applied(&mut out, &lines, &applied)?,
        }
        out.flush()?;
        let failed = applied.iter().filter(|done| done.new.is_err()).count();
        match failed {
            0 => Ok(()),
            _ => Err(Failure::new(format!(
                "{failed} of {} settings could not be changed",
                applied.len()
            ))
            .advise(
                "in a container they belong to the machine that runs it; a module may be missing",
            )),
        }
    }
}

/// The broker's configuration, without a word about what it would warn of at its start.
fn configuration(file: Option<&Path>) -> Result<BrokerConfig, Failure> {
    let machine = Cores {
        host_name: || "localhost".into(),
        ..this()
    };
    let loaded = match file {
        None => config::load(None, &[], &machine),
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
            config::load(Some((&name, &text)), &[], &machine)
        }
    };
    let loaded = loaded.map_err(|error| Failure::new(error.to_string()))?;
    Ok(loaded.config)
}

fn lines(asked: &Asked) -> Vec<Line> {
    let lines = CHECKS.iter().flat_map(|check| {
        let findings = check.findings(asked).into_iter();
        findings.map(move |finding| (check, finding))
    });
    lines.collect()
}

fn count(lines: &[Line], status: Status) -> usize {
    lines.iter().filter(|(_, it)| it.status == status).count()
}

fn show(out: &mut Out, lines: &[Line]) -> Result<(), Failure> {
    let mut table = Table::new(&["STATUS", "CHECK", "OF", "NOW", "WANTED"]);
    for (check, finding) in lines {
        let dash = |text: &str| match text {
            "" => "-".to_owned(),
            text => text.to_owned(),
        };
        table.row([
            finding.status.name().to_owned(),
            check.id.to_owned(),
            dash(&finding.subject),
            dash(&finding.now),
            dash(&finding.wanted),
        ]);
    }
    out.table(&table)?;
    for status in [Status::Advice, Status::Unknown] {
        for line in lines.iter().filter(|(_, it)| it.status == status) {
            show_words(out, line, &line.1.commands())?;
        }
    }
    out.line("")?;
    out.line(format!(
        "{} ok, {} advice, {} unknown; tuning.md explains each. Nothing was changed{}.",
        count(lines, Status::Ok),
        count(lines, Status::Advice),
        count(lines, Status::Unknown),
        match lines.iter().any(|(_, it)| !it.changes.is_empty()) {
            true => "; --apply writes what is a sysctl or under /sys",
            false => "",
        }
    ))
}

/// What there is to say about a line, and the commands to enter.
fn show_words(out: &mut Out, (check, finding): &Line, commands: &[String]) -> Result<(), Failure> {
    let name = match finding.subject.as_str() {
        "" => check.id.to_owned(),
        subject => format!("{} of {subject}", check.id),
    };
    out.line("")?;
    out.line(format!("{} {name}: {}", finding.status.name(), finding.say))?;
    for command in commands {
        out.line(format!("    {command}"))?;
    }
    Ok(())
}

fn show_applied(out: &mut Out, lines: &[Line], applied: &[Applied]) -> Result<(), Failure> {
    let mut table = Table::new(&["SETTING", "OLD", "NEW"]);
    for done in applied {
        table.row([
            done.change.sysctl().unwrap_or(done.change.path.clone()),
            done.old.clone(),
            match &done.new {
                Ok(new) => new.clone(),
                Err(why) => format!("not written: {why}"),
            },
        ]);
    }
    match applied.is_empty() {
        true => out.line("No setting of the running kernel is to be changed.")?,
        false => out.table(&table)?,
    }
    for (file, kept) in apply::lasting(applied) {
        out.line("")?;
        out.line(format!(
            "Until the next start of the machine; to keep it, write into {file}:"
        ))?;
        for line in kept {
            out.line(format!("    {line}"))?;
        }
    }
    let left = lines.iter().filter(|(_, it)| it.is_left_to_the_reader());
    for line in left {
        show_words(out, line, &line.1.by_hand)?;
    }
    Ok(())
}

fn document(lines: &[Line], applied: &[Applied]) -> Value {
    let checks: Vec<Value> = lines
        .iter()
        .map(|(check, finding)| {
            let known = |text: &str| match text {
                "" => Value::Null,
                text => text.into(),
            };
            json!({
                "check": check.id,
                "section": check.section,
                "of": known(&finding.subject),
                "status": finding.status.name(),
                "now": known(&finding.now),
                "wanted": known(&finding.wanted),
                "reads": check.reads,
                "why": check.why,
                "say": known(&finding.say),
                "commands": finding.commands(),
                "apply_changes_it": !finding.changes.is_empty(),
            })
        })
        .collect();
    let applied: Vec<Value> = applied
        .iter()
        .map(|done| {
            json!({
                "path": done.change.path,
                "old": done.old,
                "new": done.new.as_ref().ok(),
                "error": done.new.as_ref().err(),
            })
        })
        .collect();
    json!({ "checks": checks, "applied": applied })
}
