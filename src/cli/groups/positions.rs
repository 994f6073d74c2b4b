//! Where a group is in each partition: what it has committed, where the log ends, how far that is apart
//! in records and in time, and who consumes it.

use super::watched::Watched;
use crate::cli::client::{At, Client, Committer, Group, GroupMember, Part, Parts};
use crate::cli::failure::Failure;
use crate::sys::clock;
use crate::types::{LeaderEpoch, Offset, Timestamp};
use crate::wire::ErrorCode;
use std::collections::BTreeMap;

/// One partition of a group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Position {
    pub(super) offset: Option<Offset>,
    /// The leader epoch that was committed with it.
    pub(super) epoch: Option<LeaderEpoch>,
    /// What the client has left with it.
    pub(super) metadata: String,
    /// Where the log ends; unknown if the partition is gone or has no leader.
    pub(super) end: Option<Offset>,
    /// How long the oldest record that is not consumed has been there, ms; 0 if there is none.
    pub(super) behind_ms: Option<i64>,
    /// When it was committed, where the broker tells.
    pub(super) committed: Option<Timestamp>,
    /// The member that consumes it: its id, host and client id.
    pub(super) owner: Option<[String; 3]>,
}

impl Position {
    /// Records that are not consumed.
    pub(super) fn lag(&self) -> Option<i64> {
        Some((self.end?.0 - self.offset?.0).max(0))
    }
}

/// Looks up where a group is in everything that it has committed or been given.
pub(super) fn of(
    client: &mut Client,
    group: &Group,
    watched: &mut Watched,
) -> Result<BTreeMap<Part, Position>, Failure> {
    let mut positions: BTreeMap<Part, Position> = BTreeMap::new();
    let committed = client.committed(&group.id, Committer::OUTSIDE, None)?;
    let committed = committed.map_err(|code| {
        Failure::refused(&format!("the offsets of group '{}'", group.id), code, None)
    })?;
    for (part, it) in committed {
        let position = positions.entry(part).or_default();
        position.offset = Some(it.offset);
        position.epoch = (it.epoch.0 >= 0).then_some(it.epoch);
        position.metadata = it.metadata;
    }
    for member in &group.members {
        for (topic, indexes) in &member.assigned {
            for index in indexes {
                let position = positions.entry((topic.clone(), *index)).or_default();
                position.owner = Some(owner(member));
            }
        }
    }
    add_ends(client, &mut positions)?;
    for (part, told) in watched.of(client, group) {
        if let Some(position) = positions.get_mut(&part)
            && position.offset == Some(told.offset)
        {
            position.committed = told.committed;
            position.behind_ms = told.behind_ms;
        }
    }
    add_times(client, &mut positions)?;
    Ok(positions)
}

fn owner(member: &GroupMember) -> [String; 3] {
    let GroupMember {
        id,
        host,
        client_id,
        ..
    } = member;
    [id.clone(), host.clone(), client_id.clone()]
}

/// Asks where the logs end, as far as there are logs.
fn add_ends(client: &mut Client, positions: &mut BTreeMap<Part, Position>) -> Result<(), Failure> {
    for (name, indexes) in parts(positions.keys()) {
        let mut topics = client.topics(Some(&[&name]), false)?;
        let Some(mut topic) = topics.pop().filter(|topic| topic.error.is_none()) else {
            continue;
        };
        let has_leader = |index: &i32| {
            let partition = topic.partition(*index);
            partition.is_ok_and(|partition| partition.leader.is_some())
        };
        let wanted: BTreeMap<i32, At> = indexes
            .iter()
            .filter(|index| has_leader(index))
            .map(|index| (*index, At::Latest))
            .collect();
        for (index, end) in client.offsets(&mut topic, &wanted, false)? {
            if let Some(position) = positions.get_mut(&(name.clone(), index)) {
                position.end = end.offset;
            }
        }
    }
    Ok(())
}

/// Asks the logs for the times that are not known yet.
fn add_times(client: &mut Client, positions: &mut BTreeMap<Part, Position>) -> Result<(), Failure> {
    let mut wanted: BTreeMap<String, BTreeMap<i32, Offset>> = BTreeMap::new();
    for ((topic, index), position) in positions.iter_mut() {
        match (position.lag(), position.offset) {
            (Some(0), _) => position.behind_ms = Some(0),
            (Some(_), Some(offset)) if position.behind_ms.is_none() => {
                let of_topic = wanted.entry(topic.clone()).or_default();
                of_topic.insert(*index, offset);
            }
            _ => {}
        }
    }
    let now = clock().wall;
    for (name, offsets) in wanted {
        let mut topics = client.topics(Some(&[&name]), false)?;
        let Some(topic) = topics.pop().filter(|it| it.error == ErrorCode::NONE) else {
            continue;
        };
        for (index, written) in client.times(&topic, &offsets)? {
            if let Some(position) = positions.get_mut(&(name.clone(), index)) {
                position.behind_ms = Some((now.0 - written.0).max(0));
            }
        }
    }
    Ok(())
}

/// Partitions by their topics.
pub(super) fn parts<'a>(of: impl IntoIterator<Item = &'a Part>) -> Parts {
    let mut parts = Parts::new();
    for (topic, index) in of {
        parts.entry(topic.clone()).or_default().push(*index);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_known_where_both_ends_are_and_never_negative() {
        let lag = |offset: Option<i64>, end: Option<i64>| {
            let position = Position {
                offset: offset.map(Offset),
                end: end.map(Offset),
                ..Position::default()
            };
            position.lag()
        };
        assert_eq!(lag(Some(3), Some(10)), Some(7));
        assert_eq!(lag(Some(12), Some(10)), Some(0), "the log was made anew");
        assert_eq!(lag(None, Some(10)), None);
        assert_eq!(lag(Some(3), None), None);
    }
}
