//! Who may commit offsets of a classic group, or delete them.

use super::{Classic, State};
use crate::group::call::Commit;
use crate::group::turn::Turn;
use crate::wire::ErrorCode;

impl Classic {
    /// Whether these offsets may be committed. A commit shows that a member lives.
    ///
    /// # Errors
    /// What the client is told.
    pub(in crate::group) fn check_commit(
        &self,
        commit: &Commit,
        turn: &mut Turn<'_>,
    ) -> Result<(), ErrorCode> {
        if commit.generation < 0 && self.is_empty() {
            // Who only keeps offsets here, or an administrator.
            return Ok(());
        }
        let names_itself =
            commit.generation >= 0 || !commit.member.is_empty() || commit.instance.is_some();
        if !names_itself {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        let number = self.member(&commit.member, commit.instance.as_deref())?;
        if commit.generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        match self.state {
            // It has joined the generation, and does not know yet what it is to do in it.
            State::Completing { .. } => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            State::Preparing { .. } | State::Stable { .. } => {
                self.start_session(number, turn);
                Ok(())
            }
            State::Empty => unreachable!("a member of a group without members"),
        }
    }

    /// Whether offsets of topics that it does not read may be deleted.
    ///
    /// # Errors
    /// When members may read anything.
    pub(in crate::group) fn check_delete_offsets(&self) -> Result<(), ErrorCode> {
        match self.is_empty() || self.is_of_consumers() {
            true => Ok(()),
            false => Err(ErrorCode::NON_EMPTY_GROUP),
        }
    }

    /// Whether the group may be deleted.
    ///
    /// # Errors
    /// When it has, or is about to have, members.
    pub(in crate::group) fn check_delete(&self) -> Result<(), ErrorCode> {
        match self.is_empty() {
            true => Ok(()),
            false => Err(ErrorCode::NON_EMPTY_GROUP),
        }
    }
}
