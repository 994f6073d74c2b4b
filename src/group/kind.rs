//! A group and its kind, and what is asked of either kind alike.

use super::classic::{Classic, State};
use super::consumer::Consumer;
use super::coordinator::Record;
use super::offsets::Offsets;
use super::records;
use crate::types::Timestamp;
use crate::wire::ErrorCode;
use std::sync::Arc;

/// A group and what it has committed, which outlives a change of its kind.
#[derive(Debug)]
pub(in crate::group) struct Group {
    pub(in crate::group) id: Arc<str>,
    pub(in crate::group) kind: Kind,
    pub(in crate::group) offsets: Offsets,
}

/// By which protocol the group's members, if it has any, are coordinated.
#[derive(Debug)]
pub(in crate::group) enum Kind {
    /// Their leader assigns. A group that only keeps offsets is of this kind, too.
    Classic(Box<Classic>),
    /// The broker assigns (KIP-848).
    Consumer(Box<Consumer>),
}

impl Kind {
    /// One that only keeps offsets.
    pub(in crate::group) fn keeping_offsets() -> Kind {
        Kind::Classic(Box::new(Classic::new(Timestamp::NONE)))
    }

    /// Whether there are no members.
    pub(in crate::group) fn is_empty(&self) -> bool {
        match self {
            Kind::Classic(classic) => classic.is_empty(),
            Kind::Consumer(consumer) => consumer.is_empty(),
        }
    }

    /// Whether there are no members, nor ids given out to join with.
    pub(in crate::group) fn is_deserted(&self) -> bool {
        match self {
            Kind::Classic(classic) => classic.is_empty() && classic.roster().pending_len() == 0,
            Kind::Consumer(consumer) => consumer.is_empty(),
        }
    }

    /// Whether the topic is read, or may be.
    pub(in crate::group) fn may_read(&self, topic: &str) -> bool {
        match self {
            Kind::Classic(classic) => classic.may_read(topic),
            Kind::Consumer(consumer) => consumer.reads(topic),
        }
    }

    /// Since when an offset that was committed then is kept for nobody, so that it may expire (KIP-211);
    /// none while it may not.
    pub(in crate::group) fn kept_for_nobody_since(
        &self,
        committed: Timestamp,
    ) -> Option<Timestamp> {
        let Kind::Classic(classic) = self else {
            return Some(committed);
        };
        match (classic.protocol_type(), classic.state()) {
            (None, _) => Some(committed),
            (Some(_), State::Empty) if classic.since() == Timestamp::NONE => Some(committed),
            (Some(_), State::Empty) => Some(classic.since()),
            (Some(_), State::Stable { .. }) if classic.subscribed().is_some() => Some(committed),
            (Some(_), _) => None,
        }
    }

    /// Whether offsets of topics that it does not read may be deleted.
    ///
    /// # Errors
    /// When members may read anything.
    pub(in crate::group) fn check_delete_offsets(&self) -> Result<(), ErrorCode> {
        match self {
            Kind::Classic(classic) => classic.check_delete_offsets(),
            Kind::Consumer(_) => Ok(()),
        }
    }

    /// Whether the group may be deleted.
    ///
    /// # Errors
    /// When it has, or is about to have, members.
    pub(in crate::group) fn check_delete(&self) -> Result<(), ErrorCode> {
        match self {
            Kind::Classic(classic) => classic.check_delete(),
            Kind::Consumer(consumer) if consumer.is_empty() => Ok(()),
            Kind::Consumer(_) => Err(ErrorCode::NON_EMPTY_GROUP),
        }
    }
}

impl Group {
    /// The records that say that the group is gone, which its offsets outlive; unless something in
    /// them is too long for its format.
    pub(in crate::group) fn end(&self) -> Option<Vec<Record>> {
        match &self.kind {
            Kind::Classic(_) => Some(vec![records::no_group(&self.id)?]),
            Kind::Consumer(consumer) => records::consumer(&self.id, &consumer.end()),
        }
    }
}
