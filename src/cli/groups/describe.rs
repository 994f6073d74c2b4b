//! `groups describe` and `groups members`: the columns of `kafka-consumer-groups.sh --describe`, with how
//! long a group is behind besides how many records.

use super::positions::{self, Position};
use super::watched::Watched;
use super::{Chosen, conclude, or_dash, parts_count, parts_text};
use crate::cli::client::{Client, Connect, Group, GroupMember, Part, unknown_group};
use crate::cli::failure::Failure;
use crate::cli::output::{Out, Table};
use crate::cli::time;
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Shows what groups have committed and how far they are behind, their members, or their state.
#[derive(Args)]
pub(super) struct Describe {
    #[command(flatten)]
    chosen: Chosen,

    /// Show offsets, lag and owners: what is shown if nothing else is asked for.
    #[arg(long, conflicts_with_all = ["members", "state"])]
    offsets: bool,

    /// Show the members.
    #[arg(long, conflicts_with = "state")]
    members: bool,

    /// Show the states.
    #[arg(long)]
    state: bool,

    /// Show more: leader epochs and metadata with --offsets, assignments with --members, epochs with
    /// --state.
    #[arg(short, long)]
    verbose: bool,
}

/// Shows the members of groups.
#[derive(Args)]
pub(super) struct Members {
    #[command(flatten)]
    chosen: Chosen,

    /// Show what each is assigned.
    #[arg(short, long)]
    verbose: bool,
}

/// What is shown of groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum View {
    Offsets,
    Members,
    State,
}

impl Describe {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        let view = match (self.offsets, self.members, self.state) {
            (false, true, _) => View::Members,
            (false, _, true) => View::State,
            _ => View::Offsets,
        };
        show(connect, &self.chosen, view, self.verbose)
    }
}

impl Members {
    pub(super) fn run(self, connect: &Connect) -> Result<(), Failure> {
        show(connect, &self.chosen, View::Members, self.verbose)
    }
}

/// A group and, if they are shown, where it is.
type Found = (Group, BTreeMap<Part, Position>);

fn show(connect: &Connect, chosen: &Chosen, view: View, verbose: bool) -> Result<(), Failure> {
    let mut client = Client::new(connect);
    let mut watched = Watched::default();
    let mut found: Vec<Found> = Vec::new();
    let mut failures = Vec::new();
    for id in chosen.ids(&mut client)? {
        let Some(group) = client.describe_group(&id)? else {
            // Of all groups one may have gone meanwhile.
            if !chosen.all_groups {
                failures.push(unknown_group(&id));
            }
            continue;
        };
        let positions = match view {
            View::Offsets => positions::of(&mut client, &group, &mut watched)?,
            View::Members | View::State => BTreeMap::new(),
        };
        found.push((group, positions));
    }
    let mut out = Out::new(connect.json);
    if !out.json && !found.is_empty() {
        out.table(&match view {
            View::Offsets => offsets_table(&found, verbose),
            View::Members => members_table(&found, verbose),
            View::State => state_table(&found, verbose),
        })?;
    }
    let document = || {
        let groups: Vec<Value> = found.iter().map(|found| document(found, view)).collect();
        json!({ "groups": groups })
    };
    conclude(out, document, failures)
}

fn offsets_table(found: &[Found], verbose: bool) -> Table {
    let positions = || {
        let groups = found.iter();
        groups.flat_map(|(group, positions)| positions.iter().map(move |it| (group, it)))
    };
    // Only a Millstream tells.
    let has_times = positions().any(|(_, (_, it))| it.committed.is_some());
    let mut titles = vec![
        "GROUP",
        "TOPIC",
        ">PARTITION",
        ">CURRENT-OFFSET",
        ">LOG-END-OFFSET",
        ">LAG",
        ">LAG-SECONDS",
    ];
    if verbose {
        titles.extend([">LEADER-EPOCH", "METADATA"]);
    }
    if has_times {
        titles.push("LAST-COMMIT");
    }
    titles.extend(["CONSUMER-ID", "HOST", "CLIENT-ID"]);
    let mut table = Table::new(&titles);
    for (group, ((topic, index), it)) in positions() {
        let mut row = vec![
            group.id.clone(),
            topic.clone(),
            index.to_string(),
            or_none(it.offset),
            or_none(it.end),
            or_none(it.lag()),
            it.behind_ms.map_or("-".to_owned(), seconds),
        ];
        if verbose {
            row.extend([or_none(it.epoch), or_dash(&it.metadata)]);
        }
        if has_times {
            row.push(it.committed.map_or("-".to_owned(), time::format));
        }
        let owner = it.owner.clone();
        row.extend(owner.unwrap_or_else(|| std::array::from_fn(|_| "-".to_owned())));
        table.row(row);
    }
    table
}

fn members_table(found: &[Found], verbose: bool) -> Table {
    let members = || {
        let groups = found.iter();
        groups.flat_map(|(group, _)| group.members.iter().map(move |it| (group, it)))
    };
    let has_statics = members().any(|(_, it)| it.instance.is_some());
    let mut titles = vec!["GROUP", "CONSUMER-ID"];
    if has_statics {
        titles.push("GROUP-INSTANCE-ID");
    }
    titles.extend(["HOST", "CLIENT-ID", ">#PARTITIONS"]);
    if verbose {
        titles.extend([
            ">CURRENT-EPOCH",
            "CURRENT-ASSIGNMENT",
            ">TARGET-EPOCH",
            "TARGET-ASSIGNMENT",
        ]);
    }
    let mut table = Table::new(&titles);
    for (group, it) in members() {
        let mut row = vec![group.id.clone(), it.id.clone()];
        if has_statics {
            row.push(or_dash(it.instance.as_deref().unwrap_or_default()));
        }
        row.extend([
            it.host.clone(),
            or_dash(&it.client_id),
            parts_count(&it.assigned).to_string(),
        ]);
        if verbose {
            row.extend([
                or_none(it.epoch),
                parts_text(&it.assigned),
                or_none(group.epochs.map(|(_, assignment)| assignment)),
                it.target.as_ref().map_or("-".to_owned(), parts_text),
            ]);
        }
        table.row(row);
    }
    table
}

fn state_table(found: &[Found], verbose: bool) -> Table {
    let mut titles = vec![
        "GROUP",
        ">COORDINATOR",
        "TYPE",
        "ASSIGNMENT-STRATEGY",
        "STATE",
    ];
    if verbose {
        titles.extend([">GROUP-EPOCH", ">TARGET-ASSIGNMENT-EPOCH"]);
    }
    titles.push(">#MEMBERS");
    let mut table = Table::new(&titles);
    for (group, _) in found {
        let mut row = vec![
            group.id.clone(),
            group.coordinator.to_string(),
            group.kind.name().to_owned(),
            or_dash(&group.assignor),
            group.state.clone(),
        ];
        if verbose {
            row.extend([
                or_none(group.epochs.map(|(epoch, _)| epoch)),
                or_none(group.epochs.map(|(_, assignment)| assignment)),
            ]);
        }
        row.push(group.members.len().to_string());
        table.row(row);
    }
    table
}

fn document((group, positions): &Found, view: View) -> Value {
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("group", group.id.clone().into());
    put("type", group.kind.name().into());
    put("state", group.state.clone().into());
    put("protocol_type", group.protocol_type.clone().into());
    put("assignor", group.assignor.clone().into());
    put("coordinator", group.coordinator.0.into());
    put("epoch", json!(group.epochs.map(|(epoch, _)| epoch)));
    let assignment_epoch = group.epochs.map(|(_, assignment)| assignment);
    put("assignment_epoch", json!(assignment_epoch));
    match view {
        View::State => {
            put("members", group.members.len().into());
        }
        View::Members => {
            put("members", group.members.iter().map(member).collect());
        }
        View::Offsets => {
            put("members", group.members.len().into());
            put("offsets", positions.iter().map(offset).collect());
        }
    }
    Value::Object(document)
}

fn member(member: &GroupMember) -> Value {
    json!({
        "member": member.id,
        "instance": member.instance,
        "rack": member.rack,
        "client_id": member.client_id,
        "host": member.host,
        "epoch": member.epoch,
        "classic": member.is_classic,
        "topics": member.topics,
        "regex": member.regex,
        "assigned": member.assigned,
        "target": member.target,
    })
}

fn offset(((topic, index), it): (&Part, &Position)) -> Value {
    let [member, host, client_id] = match &it.owner {
        Some(owner) => owner.each_ref().map(|text| Some(text.as_str())),
        None => [None; 3],
    };
    json!({
        "topic": topic,
        "partition": index,
        "offset": it.offset.map(|offset| offset.0),
        "log_end": it.end.map(|end| end.0),
        "lag": it.lag(),
        "lag_seconds": it.behind_ms.map(|ms| ms as f64 / 1e3),
        "leader_epoch": it.epoch.map(|epoch| epoch.0),
        "metadata": it.metadata,
        "last_commit": it.committed.map(|time| time.0),
        "member": member,
        "host": host,
        "client_id": client_id,
    })
}

/// What it is, or a dash.
fn or_none<T: ToString>(it: Option<T>) -> String {
    it.map_or("-".to_owned(), |it| it.to_string())
}

/// Milliseconds as seconds: with tenths below ten, whole beyond.
fn seconds(ms: i64) -> String {
    match ms {
        0 => "0".to_owned(),
        ..10_000 => format!("{:.1}", ms as f64 / 1e3),
        _ => (ms / 1000).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::groups::GroupKind;
    use crate::types::{NodeId, Offset, Timestamp};

    fn group(members: Vec<GroupMember>) -> Group {
        Group {
            id: "g".into(),
            kind: GroupKind::Consumer,
            state: "Stable".into(),
            protocol_type: "consumer".into(),
            assignor: "uniform".into(),
            epochs: Some((4, 3)),
            coordinator: NodeId(1),
            members,
        }
    }

    fn a_member(instance: Option<&str>) -> GroupMember {
        GroupMember {
            id: "m".into(),
            instance: instance.map(Into::into),
            rack: None,
            client_id: "c".into(),
            host: "/10.0.0.1".into(),
            epoch: Some(3),
            is_classic: Some(false),
            topics: vec!["t".into()],
            regex: None,
            assigned: [("t".to_owned(), vec![0, 1])].into(),
            target: Some([("t".to_owned(), vec![0])].into()),
        }
    }

    fn position(committed: Option<Timestamp>) -> Position {
        Position {
            offset: Some(Offset(3)),
            end: Some(Offset(10)),
            behind_ms: Some(2_500),
            committed,
            owner: Some(["m".into(), "/10.0.0.1".into(), "c".into()]),
            ..Position::default()
        }
    }

    #[test]
    fn offsets_stand_in_kafkas_columns() {
        let nothing = Position {
            end: Some(Offset(10)),
            ..Position::default()
        };
        let positions = [
            (("t".to_owned(), 0), position(None)),
            (("t".to_owned(), 1), nothing),
        ];
        let found: [Found; 1] = [(group(Vec::new()), positions.into())];
        assert_eq!(
            offsets_table(&found, false).text(),
            "GROUP  TOPIC  PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG  LAG-SECONDS  CONSUMER-ID  HOST       CLIENT-ID\n\
             g      t              0               3              10    7          2.5  m            /10.0.0.1  c\n\
             g      t              1               -              10    -            -  -            -          -\n"
        );
    }

    #[test]
    fn the_time_of_the_last_commit_has_a_column_where_it_is_known() {
        let at = Some(Timestamp(1_800_000_000_000));
        let found: [Found; 1] = [(
            group(Vec::new()),
            [(("t".to_owned(), 0), position(at))].into(),
        )];
        let text = offsets_table(&found, true).text();
        assert!(
            text.contains("LEADER-EPOCH  METADATA  LAST-COMMIT  ")
                && text.contains("2027-01-15T08"),
            "{text}"
        );
    }

    #[test]
    fn members_stand_in_kafkas_columns() {
        let found: [Found; 1] = [(group(vec![a_member(None)]), BTreeMap::new())];
        assert_eq!(
            members_table(&found, false).text(),
            "GROUP  CONSUMER-ID  HOST       CLIENT-ID  #PARTITIONS\n\
             g      m            /10.0.0.1  c                    2\n"
        );
        let found: [Found; 1] = [(group(vec![a_member(Some("i"))]), BTreeMap::new())];
        assert_eq!(
            members_table(&found, true).text(),
            "GROUP  CONSUMER-ID  GROUP-INSTANCE-ID  HOST       CLIENT-ID  #PARTITIONS  CURRENT-EPOCH  CURRENT-ASSIGNMENT  TARGET-EPOCH  TARGET-ASSIGNMENT\n\
             g      m            i                  /10.0.0.1  c                    2              3  t:0,1                          3  t:0\n"
        );
    }

    #[test]
    fn states_stand_in_kafkas_columns() {
        let found: [Found; 1] = [(group(vec![a_member(None)]), BTreeMap::new())];
        assert_eq!(
            state_table(&found, true).text(),
            "GROUP  COORDINATOR  TYPE      ASSIGNMENT-STRATEGY  STATE   GROUP-EPOCH  TARGET-ASSIGNMENT-EPOCH  #MEMBERS\n\
             g                1  consumer  uniform              Stable            4                        3         1\n"
        );
    }

    #[test]
    fn seconds_have_tenths_while_they_are_few() {
        assert_eq!(seconds(0), "0");
        assert_eq!(seconds(40), "0.0");
        assert_eq!(seconds(9_940), "9.9");
        assert_eq!(seconds(61_900), "61");
    }
}
