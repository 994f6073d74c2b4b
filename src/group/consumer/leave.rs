//! Members that leave, and that are removed.

use super::heartbeat::View;
use super::member::{Current, LEAVES_FOR_A_WHILE};
use super::plan::Plan;
use super::{Consumer, ConsumerEntry, Refusal};
use crate::group::call::{ConsumerHeartbeat, Leaving};
use crate::group::partitions::Partitions;
use crate::wire::ErrorCode;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Consumer {
    /// Who leaves by a heartbeat.
    pub(super) fn leaver(&self, beat: &ConsumerHeartbeat) -> Result<Arc<str>, Refusal> {
        self.speaker(&beat.member, beat.instance.as_deref())?;
        Ok(beat.member.as_str().into())
    }

    /// Who leaves by LeaveGroup. An administrator removes a static member without knowing its id.
    pub(super) fn classic_leaver(&self, leaving: &Leaving) -> Result<Arc<str>, Refusal> {
        let Some(instance) = &leaving.instance else {
            self.member(&leaving.member)?;
            return Ok(leaving.member.as_str().into());
        };
        let Some((holder, _)) = self.static_member(instance) else {
            let why = format!("There is no static member {instance} in the group.");
            return Err(Refusal::new(ErrorCode::UNKNOWN_MEMBER_ID, why));
        };
        if !leaving.member.is_empty() {
            self.speaker(&leaving.member, Some(instance))?;
        }
        Ok(holder.clone())
    }

    /// What is to be written when a static member goes for a while: it keeps what it has, until it comes
    /// back under another id or its session is over.
    pub(super) fn go_away(&self, id: &Arc<str>) -> Result<Vec<ConsumerEntry>, Refusal> {
        let current = Current {
            epoch: LEAVES_FOR_A_WHILE,
            revoking: Partitions::new(),
            ..self.member(id)?.current.clone()
        };
        Ok(vec![ConsumerEntry::Current(id.clone(), Some(current))])
    }

    /// What is to be written when these members are removed.
    pub(super) fn remove(
        &self,
        ids: &BTreeSet<Arc<str>>,
        view: &mut View<'_>,
    ) -> Result<Vec<ConsumerEntry>, Refusal> {
        let mut plan = Plan::of(self);
        let mut regexes = BTreeSet::new();
        for id in ids {
            regexes.extend(self.member(id)?.profile.regex.clone());
            plan.remove(id);
        }
        for regex in regexes {
            if plan.group().regex_members(&regex) == 0 {
                plan.write(ConsumerEntry::Regex(regex, None));
            }
        }
        let hash = plan.group().hash(view.hashes, view.image);
        plan.raise_epoch(hash)?;
        Ok(plan.finish())
    }
}
