//! `groups delete`: whole groups, or what they have committed of some topics.

use super::scope::{self, Scope};
use super::{Chosen, conclude, parts_text};
use crate::cli::client::{Client, Committer, Connect, Part, Parts, unknown_group};
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::wire::ErrorCode;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Deletes groups without members; with --topic only what they have committed of topics that nobody of
/// them consumes.
#[derive(Args)]
pub(super) struct Delete {
    #[command(flatten)]
    chosen: Chosen,

    /// Delete the offsets of this topic, or of some of its partitions, and not the group: orders,
    /// orders:0,1,2. May stand several times.
    #[arg(long = "topic", value_name = "TOPIC[:0,1]", value_parser = scope::parse)]
    topics: Vec<Scope>,

    /// A group that does not exist is no error.
    #[arg(long)]
    if_exists: bool,
}

impl Delete {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let mut client = Client::new(connect);
        let mut out = Out::new(connect.json);
        let mut done: Vec<Value> = Vec::new();
        let mut failures = Vec::new();
        for id in self.chosen.ids(&mut client)? {
            let deleted = match self.topics.is_empty() {
                true => self.group(&mut client, &id)?,
                false => self.offsets(&mut client, &id, &mut failures)?,
            };
            let (what, document) = match deleted {
                Deleted::Group => (
                    format!("deleted '{id}'"),
                    json!({ "group": id, "deleted": true }),
                ),
                Deleted::Offsets(parts) => (
                    format!("deleted the offsets of '{id}': {}", parts_text(&parts)),
                    json!({ "group": id, "deleted": false, "offsets": parts }),
                ),
                Deleted::Nothing => (
                    format!("there is no '{id}'"),
                    json!({ "group": id, "deleted": false }),
                ),
                Deleted::Refused(failure) => {
                    failures.push(failure);
                    continue;
                }
            };
            match out.json {
                true => done.push(document),
                false => out.line(what)?,
            }
        }
        conclude(out, || json!({ "groups": done }), failures)
    }

    fn group(&self, client: &mut Client, id: &str) -> Result<Deleted, Failure> {
        Ok(match client.delete_group(id)? {
            ErrorCode::NONE => Deleted::Group,
            ErrorCode::GROUP_ID_NOT_FOUND => self.missing(id),
            code => refused(id, code),
        })
    }

    fn missing(&self, id: &str) -> Deleted {
        match self.if_exists {
            true => Deleted::Nothing,
            false => Deleted::Refused(unknown_group(id)),
        }
    }

    /// Partitions that are refused are among the failures.
    fn offsets(
        &self,
        client: &mut Client,
        id: &str,
        failures: &mut Vec<Failure>,
    ) -> Result<Deleted, Failure> {
        let committed = match client.committed(id, Committer::OUTSIDE, None)? {
            Ok(committed) => committed.into_keys().collect::<Vec<Part>>(),
            Err(code) => return Ok(refused(id, code)),
        };
        let parts = chosen(&self.topics, &committed);
        if parts.is_empty() {
            return Ok(match client.describe_group(id)? {
                None => self.missing(id),
                Some(_) => Deleted::Refused(Failure::new(format!(
                    "group '{id}' has committed nothing of these topics"
                ))),
            });
        }
        let went = match client.delete_offsets(id, &parts)? {
            Ok(went) => went,
            Err(ErrorCode::GROUP_ID_NOT_FOUND) => return Ok(self.missing(id)),
            Err(code) => return Ok(refused(id, code)),
        };
        let mut deleted = Parts::new();
        let mut last = None;
        for ((topic, index), code) in went {
            match code {
                ErrorCode::NONE => deleted.entry(topic).or_default().push(index),
                code => {
                    let subject = format!("'{topic}' partition {index} of group '{id}'");
                    failures.extend(last.replace(Failure::refused(&subject, code, None)));
                }
            }
        }
        Ok(match (deleted.is_empty(), last) {
            (true, Some(failure)) => Deleted::Refused(failure),
            (_, last) => {
                failures.extend(last);
                Deleted::Offsets(deleted)
            }
        })
    }
}

/// What became of a group.
enum Deleted {
    Group,
    Offsets(Parts),
    /// It was not there.
    Nothing,
    Refused(Failure),
}

fn refused(id: &str, code: ErrorCode) -> Deleted {
    Deleted::Refused(Failure::refused(&format!("group '{id}'"), code, None))
}

/// Of what is committed, what is named.
fn chosen(scopes: &[Scope], committed: &[Part]) -> Parts {
    let mut parts: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (topic, index) in committed {
        let is_named = scopes.iter().any(|scope| {
            let of = scope.partitions.as_ref();
            scope.topic == *topic && of.is_none_or(|indexes| indexes.contains(index))
        });
        if is_named {
            parts.entry(topic.clone()).or_default().push(*index);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_and_named_is_deleted() {
        let committed: Vec<Part> = [("t", 0), ("t", 1), ("t", 2), ("u", 0), ("v", 0)]
            .map(|(topic, index)| (topic.to_owned(), index))
            .into();
        let scopes = ["t:0,2,9", "u"].map(|text| scope::parse(text).unwrap());
        let expected = Parts::from([("t".to_owned(), vec![0, 2]), ("u".to_owned(), vec![0])]);
        assert_eq!(chosen(&scopes, &committed), expected);
    }
}
