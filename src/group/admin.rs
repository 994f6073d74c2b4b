//! DescribeGroups, ListGroups and DeleteGroups.

use super::call::{Call, Delete, Describe, Described, ListFilter, ListedGroup, Reply};
use super::classic::CONSUMER;
use super::coordinator::Coordinator;
use super::kind::{Group, Kind};
use super::records;
use super::turn::Draft;
use crate::types::{Now, ReturnTo};
use crate::wire::ErrorCode;

/// Kafka's name of the state of a group that does not exist.
const DEAD: &str = "Dead";

impl Coordinator {
    /// DescribeGroups.
    pub(in crate::group) fn describe(&self, describe: &Describe) -> Described {
        match self.get(&describe.group).map(|group| &group.kind) {
            Some(Kind::Classic(classic)) => classic.describe(),
            other => {
                let why = match other {
                    Some(_) => format!("Group {} is not a classic group.", describe.group),
                    None => format!("Group {} not found.", describe.group),
                };
                let dead = Described {
                    state: DEAD,
                    ..Described::refused(ErrorCode::NONE)
                };
                match describe.knows_group_id_not_found {
                    true => Described {
                        error: ErrorCode::GROUP_ID_NOT_FOUND,
                        message: Some(why),
                        ..dead
                    },
                    false => dead,
                }
            }
        }
    }

    /// ListGroups.
    pub(in crate::group) fn listed(&self, filter: &ListFilter) -> Vec<ListedGroup> {
        let asked_for = |asked: &[String], name: &str| {
            let is_it = |text: &String| text.trim().eq_ignore_ascii_case(name);
            asked.is_empty() || asked.iter().any(is_it)
        };
        let groups = self
            .by_id
            .values()
            .filter_map(|number| self.groups.get(number));
        groups
            .map(listed)
            .filter(|group| {
                asked_for(&filter.states, group.state) && asked_for(&filter.types, group.kind)
            })
            .collect()
    }

    /// DeleteGroups. A group with more offsets than a batch holds is deleted in several turns, and
    /// answered in the last: should somebody join or commit meanwhile, that counts.
    pub(in crate::group) fn delete(
        &mut self,
        now: Now,
        caller: ReturnTo,
        delete: Delete,
        draft: &mut Draft,
    ) {
        let Some(group) = self.get(&delete.group) else {
            return draft.reply(caller, Reply::Deleted(ErrorCode::GROUP_ID_NOT_FOUND));
        };
        if let Err(error) = group.kind.check_delete() {
            return draft.reply(caller, Reply::Deleted(error));
        }
        if self.forget_group(&delete.group, draft) {
            return draft.reply(caller, Reply::Deleted(ErrorCode::NONE));
        }
        if !draft.has_records() {
            return draft.reply(caller, Reply::Deleted(ErrorCode::UNKNOWN_SERVER_ERROR));
        }
        self.chores.defer(now, caller, Call::Delete(delete));
    }

    /// Writes the end of all of a group's offsets, then of the group itself. Returns false if only a
    /// part of it fits.
    fn forget_group(&self, id: &str, draft: &mut Draft) -> bool {
        let Some(group) = self.get(id) else {
            return true;
        };
        for (topic, partitions) in group.offsets.topics() {
            for (index, _) in partitions {
                let record = records::no_offset(id, topic, index);
                if !record.is_some_and(|record| draft.push(record)) {
                    return false;
                }
            }
        }
        group.end().is_some_and(|end| draft.push_all(end))
    }
}

/// A group for a listing.
pub(in crate::group) fn listed(group: &Group) -> ListedGroup {
    let (protocol_type, state, kind) = match &group.kind {
        Kind::Classic(classic) => {
            let protocol_type = classic.protocol_type().cloned();
            let protocol_type = protocol_type.unwrap_or_else(|| "".into());
            (protocol_type, classic.state().name(), "classic")
        }
        Kind::Consumer(consumer) => (CONSUMER.into(), consumer.state(), "consumer"),
    };
    ListedGroup {
        group: group.id.clone(),
        protocol_type,
        state,
        kind,
    }
}
