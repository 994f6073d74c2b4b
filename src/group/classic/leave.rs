//! LeaveGroup, of several members at once: by their ids, or static ones by their instance ids.

use super::{Classic, State};
use crate::group::call::{Leave, Leaving, Left, LeftMember};
use crate::group::timers::{MemberNumber, Timer};
use crate::group::turn::Turn;
use crate::wire::ErrorCode;

impl Classic {
    /// LeaveGroup.
    pub(in crate::group) fn leave(&mut self, leave: Leave, turn: &mut Turn<'_>) -> Left {
        let mut somebody_left = false;
        let mut members = Vec::with_capacity(leave.members.len());
        for leaving in leave.members {
            let error = match self.who_leaves(&leaving) {
                Ok(number) => {
                    turn.cancel(Timer::Session(number));
                    self.roster.remove_pending(number);
                    self.dismiss(number, turn);
                    somebody_left = true;
                    ErrorCode::NONE
                }
                Err(error) => error,
            };
            members.push(LeftMember {
                member: leaving.member,
                instance: leaving.instance,
                error,
            });
        }
        if somebody_left {
            match self.state {
                State::Empty => {}
                State::Preparing { .. } | State::Completing { .. } | State::Stable { .. } => {
                    self.rebalance(turn);
                }
            }
        }
        Left {
            error: ErrorCode::NONE,
            members,
        }
    }

    fn who_leaves(&self, leaving: &Leaving) -> Result<MemberNumber, ErrorCode> {
        if leaving.member.is_empty() {
            // An administrator removes a static member without knowing its id.
            let instance = leaving.instance.as_deref();
            let found = instance.and_then(|instance| self.roster.find_static(instance));
            return found.ok_or(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        match self.roster.find_pending(&leaving.member) {
            Some(number) => Ok(number),
            None => self.member(&leaving.member, leaving.instance.as_deref()),
        }
    }
}
