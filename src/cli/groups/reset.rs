//! `groups reset`: where groups begin again, in all forms of `kafka-consumer-groups.sh --reset-offsets`.

use super::csv::{self, Plan};
use super::scope::{self, Scope};
use super::{Chosen, conclude, positions};
use crate::cli::client::{At, Client, Committer, Connect, Part, Parts, TopicState};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table};
use crate::cli::time;
use crate::sys::clock;
use crate::types::{Offset, Timestamp};
use crate::wire::ErrorCode;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Moves what groups without members have committed. Shows what would be done, unless --execute is
/// given.
#[derive(Args)]
#[command(group(ArgGroup::new("to").required(true).args([
    "to_earliest", "to_latest", "to_current", "to_offset", "shift_by", "to_datetime", "by_duration",
    "from_file",
])))]
pub(super) struct Reset {
    #[command(flatten)]
    chosen: Chosen,

    /// A topic, or some of its partitions: orders, orders:0,1,2. May stand several times.
    #[arg(long = "topic", value_name = "TOPIC[:0,1]", value_parser = scope::parse, conflicts_with = "all_topics", required_unless_present_any = ["all_topics", "from_file"])]
    topics: Vec<Scope>,

    /// All topics that a group has committed offsets of.
    #[arg(long)]
    all_topics: bool,

    /// To where the logs begin.
    #[arg(long)]
    to_earliest: bool,

    /// To where the logs end.
    #[arg(long)]
    to_latest: bool,

    /// To what is committed; where nothing is, to where the log ends.
    #[arg(long)]
    to_current: bool,

    /// To this offset, or the end of the log that is next to it.
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    to_offset: Option<i64>,

    /// By so many records on, or back, from what is committed.
    #[arg(long, value_name = "[-]NUMBER", allow_hyphen_values = true)]
    shift_by: Option<i64>,

    /// To the first record that is not older: 2026-11-22T10:00:00.000, UTC unless it ends with an offset
    /// such as +01:00; or @1800000000000 (ms since 1970).
    #[arg(long, value_name = "TIME", value_parser = datetime)]
    to_datetime: Option<Timestamp>,

    /// To the first record that is not older than so long: P1DT2H30M, or 1d2h30m.
    #[arg(long, value_name = "DURATION", value_parser = duration_ms)]
    by_duration: Option<i64>,

    /// To what a file says in lines of topic,partition,offset, or group,topic,partition,offset: what
    /// --export writes.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topics", "all_topics"])]
    from_file: Option<PathBuf>,

    /// Only show what would be done: what happens without --execute.
    #[arg(long, conflicts_with = "execute")]
    dry_run: bool,

    /// Do it.
    #[arg(long)]
    execute: bool,

    /// Print lines that --from-file reads.
    #[arg(long)]
    export: bool,
}

/// Where to.
#[derive(Clone, PartialEq, Eq, Debug)]
enum To {
    Earliest,
    Latest,
    Current,
    Offset(Offset),
    Shift(i64),
    Time(Timestamp),
    Planned(BTreeMap<Part, Offset>),
}

/// What is done to a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Move {
    from: Option<Offset>,
    to: Offset,
}

/// By group.
type Moves = BTreeMap<String, BTreeMap<Part, Move>>;

impl Reset {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let plan = self.from_file.as_deref().map(read).transpose()?;
        let mut client = Client::new(connect);
        let ids = self.chosen.ids(&mut client)?;
        let is_of_several = ids.len() > 1 || self.chosen.all_groups;
        if is_of_several && matches!(plan, Some(Plan::OfOne(_))) {
            return Err(Failure::new("the file does not say of which groups it is")
                .advise("write group,topic,partition,offset, as --export does for several"));
        }
        let named = scope::resolve(&mut client, &self.topics)?;
        let mut moves = Moves::new();
        let mut failures = Vec::new();
        for id in &ids {
            match self.prepare(&mut client, id, &named, plan.as_ref()) {
                Ok(prepared) => {
                    moves.insert(id.clone(), prepared);
                }
                Err(failure) if failure.is_connection() => return Err(failure),
                Err(failure) => failures.push(failure),
            }
        }
        if self.execute {
            for (id, moves) in &mut moves {
                failures.extend(execute(&mut client, id, moves)?);
            }
        }
        let out = Out::new(connect.json);
        self.show(out, &moves, is_of_several, failures)
    }

    /// What is to be done to one group.
    fn prepare(
        &self,
        client: &mut Client,
        id: &str,
        named: &Parts,
        plan: Option<&Plan>,
    ) -> Result<BTreeMap<Part, Move>, Failure> {
        let state = client.describe_group(id)?.map(|group| group.state);
        // Of a group that is not there nobody consumes either: offsets make it.
        if let Some(state) = state
            && !matches!(state.as_str(), "Empty" | "Dead")
        {
            return Err(Failure::new(format!(
                "the offsets of group '{id}' can be reset while nobody consumes: it is {state}"
            ))
            .advise(format!(
                "stop its consumers: `millstream groups members {id}` shows them"
            )));
        }
        let committed = client.committed(id, Committer::OUTSIDE, None)?;
        let committed = committed.map_err(|code| {
            Failure::refused(&format!("the offsets of group '{id}'"), code, None)
        })?;
        let committed: BTreeMap<Part, Offset> = committed
            .into_iter()
            .map(|(part, it)| (part, it.offset))
            .collect();
        let to = match plan {
            Some(plan) => To::Planned(of_group(plan, id)?),
            None => self.to(),
        };
        let parts = match &to {
            To::Planned(planned) => positions::parts(planned.keys()),
            _ if self.all_topics => positions::parts(committed.keys()),
            _ => named.clone(),
        };
        let mut moves = BTreeMap::new();
        for (name, indexes) in parts {
            let mut topic = match client.topic(&name, false) {
                Ok(topic) => topic,
                // It is gone, and nobody has named it.
                Err(_) if self.all_topics && is_gone(client, &name)? => continue,
                Err(failure) => return Err(failure),
            };
            for index in &indexes {
                topic.partition(*index)?;
            }
            let found = targets(client, &mut topic, &indexes, &to, &committed)?;
            for (index, to) in found {
                let part = (name.clone(), index);
                let from = committed.get(&part).copied();
                moves.insert(part, Move { from, to });
            }
        }
        Ok(moves)
    }

    /// Where to, but for a plan.
    fn to(&self) -> To {
        if self.to_earliest {
            To::Earliest
        } else if self.to_latest {
            To::Latest
        } else if let Some(offset) = self.to_offset {
            To::Offset(Offset(offset))
        } else if let Some(count) = self.shift_by {
            To::Shift(count)
        } else if let Some(time) = self.to_datetime {
            To::Time(time)
        } else if let Some(ms) = self.by_duration {
            To::Time(Timestamp(clock().wall.0.saturating_sub(ms).max(0)))
        } else {
            To::Current
        }
    }

    fn show(
        &self,
        mut out: Out,
        moves: &Moves,
        is_of_several: bool,
        failures: Vec<Failure>,
    ) -> Result<(), Failure> {
        let all = || {
            let groups = moves.iter();
            groups.flat_map(|(id, moves)| moves.iter().map(move |it| (id, it)))
        };
        if !out.json && self.export {
            for (id, (part, it)) in all() {
                let group = is_of_several.then_some(id.as_str());
                out.line(csv::line(group, part, it.to))?;
            }
        } else if !out.json && !moves.is_empty() {
            let mut table = Table::new(&[
                "GROUP",
                "TOPIC",
                ">PARTITION",
                ">CURRENT-OFFSET",
                ">NEW-OFFSET",
            ]);
            for (id, ((topic, index), it)) in all() {
                table.row([
                    id.clone(),
                    topic.clone(),
                    index.to_string(),
                    it.from.map_or("-".to_owned(), |offset| offset.to_string()),
                    it.to.to_string(),
                ]);
            }
            out.table(&table)?;
            if self.dry_run || !self.execute {
                out.line("nothing has changed: --execute does it")?;
            }
        }
        let document = || {
            let groups: Vec<Value> = moves
                .iter()
                .map(|(id, moves)| {
                    let offsets: Vec<Value> = moves
                        .iter()
                        .map(|((topic, index), it)| {
                            json!({
                                "topic": topic,
                                "partition": index,
                                "current": it.from.map(|offset| offset.0),
                                "new": it.to.0,
                            })
                        })
                        .collect();
                    json!({ "group": id, "offsets": offsets })
                })
                .collect();
            json!({ "executed": self.execute, "groups": groups })
        };
        conclude(out, document, failures)
    }
}

/// The plan's part for a group.
fn of_group(plan: &Plan, id: &str) -> Result<BTreeMap<Part, Offset>, Failure> {
    match plan {
        Plan::OfOne(offsets) => Ok(offsets.clone()),
        Plan::OfSeveral(groups) => groups
            .get(id)
            .cloned()
            .ok_or_else(|| Failure::new(format!("the file says nothing of group '{id}'"))),
    }
}

fn read(path: &Path) -> Result<Plan, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("{shown} cannot be read: {error}")))?;
    csv::parse(&text).map_err(|why| Failure::new(format!("{shown}, {why}")))
}

/// Whether a topic is not there any more.
fn is_gone(client: &mut Client, name: &str) -> Result<bool, Failure> {
    let topics = client.topics(Some(&[name]), false)?;
    let code = topics.first().map(|topic| topic.error);
    Ok(code == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
}

/// The offsets to go to, within the logs.
fn targets(
    client: &mut Client,
    topic: &mut TopicState,
    indexes: &[i32],
    to: &To,
    committed: &BTreeMap<Part, Offset>,
) -> Result<BTreeMap<i32, Offset>, Failure> {
    let mut ask = |at: At| {
        let wanted: BTreeMap<i32, At> = indexes.iter().map(|index| (*index, at)).collect();
        client.offsets(topic, &wanted, false)
    };
    let latest = ask(At::Latest)?;
    let earliest = ask(At::Earliest)?;
    let at_time = match to {
        To::Time(time) => ask(At::Time(*time))?,
        _ => BTreeMap::new(),
    };
    let mut targets = BTreeMap::new();
    for index in indexes {
        let part = (topic.name.clone(), *index);
        let bound = |found: &BTreeMap<i32, crate::cli::client::OffsetAt>| {
            let found = found.get(index).and_then(|it| it.offset);
            found.ok_or_else(|| {
                let (name, index) = &part;
                Failure::new(format!(
                    "the broker does not say where '{name}' partition {index} is"
                ))
            })
        };
        let (first, end) = (bound(&earliest)?, bound(&latest)?);
        let current = committed.get(&part).copied();
        let wanted = match to {
            To::Earliest => first,
            To::Latest => end,
            To::Current => current.unwrap_or(end),
            To::Offset(offset) => *offset,
            To::Shift(count) => {
                let current = current.ok_or_else(|| {
                    let (name, index) = &part;
                    Failure::new(format!(
                        "'{name}' partition {index} has no committed offset to shift"
                    ))
                    .advise("name the partitions that have one: --topic topic:0,1")
                })?;
                current.plus(*count)
            }
            // Nothing is that new: what comes next will be.
            To::Time(_) => at_time.get(index).and_then(|it| it.offset).unwrap_or(end),
            To::Planned(planned) => planned[&part],
        };
        targets.insert(*index, within(&part, wanted, first, end));
    }
    Ok(targets)
}

/// The offset, or the end of the log that is next to it; then it says so.
fn within((topic, index): &Part, wanted: Offset, first: Offset, end: Offset) -> Offset {
    let taken = wanted.clamp(first, end.max(first));
    if taken != wanted {
        let why = match wanted < first {
            true => "begins at",
            false => "ends before",
        };
        eprintln!(
            "millstream: '{topic}' partition {index} {why} {taken}, which is taken for {wanted}"
        );
    }
    taken
}

/// Commits. What was refused is not among the moves any more.
fn execute(
    client: &mut Client,
    id: &str,
    moves: &mut BTreeMap<Part, Move>,
) -> Result<Vec<Failure>, Failure> {
    if moves.is_empty() {
        return Ok(Vec::new());
    }
    let offsets: BTreeMap<Part, Offset> = moves
        .iter()
        .map(|(part, it)| (part.clone(), it.to))
        .collect();
    let went = client.commit(id, Committer::OUTSIDE, &offsets)?;
    let mut failures = Vec::new();
    moves.retain(|part, _| {
        let code = went.get(part).copied();
        let code = code.unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR);
        if !code.is_none() {
            let (topic, index) = part;
            let subject = format!("'{topic}' partition {index} of group '{id}'");
            failures.push(Failure::refused(&subject, code, None));
        }
        code.is_none()
    });
    Ok(failures)
}

fn datetime(text: &str) -> Result<Timestamp, String> {
    time::parse(text, clock().wall)
        .ok_or_else(|| "not a time such as 2026-11-22T10:00:00.000 or @1800000000000".into())
}

/// A duration in ISO 8601, days to seconds, or as [`time::duration_ms`] reads it.
fn duration_ms(text: &str) -> Result<i64, String> {
    let read = match text.strip_prefix(['P', 'p']) {
        Some(iso) => iso_ms(iso),
        None => time::duration_ms(text),
    };
    read.ok_or_else(|| "not a duration such as P1DT2H30M or 1d2h30m".into())
}

/// What stands behind the P: `1DT2H30M1.5S`.
fn iso_ms(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let (days, clock) = match upper.split_once('T') {
        // With a T something follows it.
        Some((_, "")) => return None,
        Some((days, clock)) => (days, clock),
        None => (upper.as_str(), ""),
    };
    let mut sum: i64 = 0;
    let mut found = false;
    for (mut rest, mut units) in [
        (days, &[('D', 86_400_000)][..]),
        (clock, &[('H', 3_600_000), ('M', 60_000), ('S', 1_000)][..]),
    ] {
        while !rest.is_empty() {
            let end = rest.find(|symbol: char| symbol.is_ascii_alphabetic())?;
            let unit = rest[end..].chars().next()?;
            // Each unit once, the larger ones first.
            let at = units.iter().position(|(name, _)| *name == unit)?;
            let ms = scaled(&rest[..end], units[at].1, unit == 'S')?;
            sum = sum.checked_add(ms)?;
            units = &units[at + 1..];
            rest = &rest[end + 1..];
            found = true;
        }
    }
    found.then_some(sum)
}

/// A number of a unit in ms, perhaps with a fraction.
fn scaled(number: &str, unit_ms: i64, may_have_fraction: bool) -> Option<i64> {
    let plain = |text: &str| {
        let is_plain = !text.is_empty() && text.bytes().all(|symbol| symbol.is_ascii_digit());
        is_plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    match number.split_once('.') {
        None => plain(number)?.checked_mul(unit_ms),
        Some((whole, fraction)) if may_have_fraction => {
            plain(fraction)?;
            let thousandths: String = fraction.chars().chain("00".chars()).take(3).collect();
            let whole = plain(whole)?.checked_mul(unit_ms)?;
            whole.checked_add(plain(&thousandths)?)
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_iso_8601_and_in_ours() {
        for (text, ms) in [
            ("P1D", 86_400_000),
            ("PT1H", 3_600_000),
            ("P1DT2H30M1.5S", 86_400_000 + 9_000_000 + 1_500),
            ("PT0S", 0),
            ("pt0.25s", 250),
            ("1h30m", 5_400_000),
        ] {
            assert_eq!(duration_ms(text), Ok(ms), "{text}");
        }
        for bad in [
            "",
            "P",
            "PT",
            "P1H",
            "PT1D",
            "P1",
            "PT1M1H",
            "PT1.5H",
            "P-1D",
            "PT1S1S",
            "PT.5S",
            "P99999999999999D",
            "x",
        ] {
            assert!(duration_ms(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_offset_stays_within_the_log() {
        let part = ("t".to_owned(), 0);
        let within = |wanted| within(&part, Offset(wanted), Offset(3), Offset(9)).0;
        assert_eq!([2, 3, 6, 9, 10].map(within), [3, 3, 6, 9, 9]);
    }

    #[test]
    fn a_plan_of_several_groups_names_the_one_that_is_reset() {
        let offsets = BTreeMap::from([(("t".to_owned(), 0), Offset(5))]);
        let one = Plan::OfOne(offsets.clone());
        assert_eq!(of_group(&one, "any").unwrap(), offsets);
        let several = Plan::OfSeveral(BTreeMap::from([("g".to_owned(), offsets.clone())]));
        assert_eq!(of_group(&several, "g").unwrap(), offsets);
        let why = of_group(&several, "h").unwrap_err().to_string();
        assert_eq!(why, "the file says nothing of group 'h'");
    }
}
