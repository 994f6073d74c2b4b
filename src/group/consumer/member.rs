//! A member of a consumer group: what it wants, which only it changes, and what it has, which follows
//! from what it is to have and what it has given up.

use crate::group::call::Protocol;
use crate::group::partitions::Partitions;
use crate::group::timers::MemberNumber;
use crate::wire::ConsumerProtocolSubscription;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The epoch by which a member joins.
pub(in crate::group) const JOINS: i32 = 0;
/// The epoch by which a member leaves.
pub(in crate::group) const LEAVES: i32 = -1;
/// The epoch by which a static member leaves for a while, and that of one that has.
pub(in crate::group) const LEAVES_FOR_A_WHILE: i32 = -2;

/// A member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) struct Member {
    /// What timers call it.
    pub(in crate::group) number: MemberNumber,
    pub(in crate::group) profile: Arc<Profile>,
    pub(in crate::group) current: Current,
}

/// What a member has said of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) struct Profile {
    /// `group.instance.id` of a static member.
    pub(in crate::group) instance: Option<Arc<str>>,
    pub(in crate::group) rack: Option<Arc<str>>,
    pub(in crate::group) client_id: Arc<str>,
    pub(in crate::group) client_host: Arc<str>,
    /// The topics that it wants by name.
    pub(in crate::group) topics: BTreeSet<Arc<str>>,
    /// The topics that it wants by a regular expression, which is not empty.
    pub(in crate::group) regex: Option<Arc<str>>,
    /// How long it may take to give up partitions; -1 if it did not say.
    pub(in crate::group) rebalance_timeout_ms: i32,
    /// The assignor that it votes for.
    pub(in crate::group) assignor: Option<Arc<str>>,
    /// What one that speaks the classic protocol has said.
    pub(in crate::group) classic: Option<ClassicProfile>,
}

impl Default for Profile {
    /// Of a member that has said nothing yet.
    fn default() -> Profile {
        Profile {
            instance: None,
            rack: None,
            client_id: "".into(),
            client_host: "".into(),
            topics: BTreeSet::new(),
            regex: None,
            rebalance_timeout_ms: -1,
            assignor: None,
            classic: None,
        }
    }
}

/// What a member that speaks the classic protocol has said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) struct ClassicProfile {
    pub(in crate::group) session_timeout_ms: i32,
    /// What it supports, the preferred one first, each name once.
    pub(in crate::group) protocols: Vec<Protocol>,
}

impl ClassicProfile {
    /// Whether it supports a protocol of that name.
    pub(in crate::group) fn supports(&self, name: &str) -> bool {
        self.protocols.iter().any(|protocol| protocol.name == name)
    }

    /// The protocol that it is told of, its first one. In a consumer group the broker assigns, so the
    /// name decides nothing.
    pub(in crate::group) fn protocol_name(&self) -> &str {
        self.protocols
            .first()
            .map_or("", |protocol| protocol.name.as_str())
    }

    /// The version in which it expects its assignment: that of its first protocol's subscription.
    pub(in crate::group) fn version(&self) -> i16 {
        let first = self.protocols.first();
        let read = first
            .and_then(|protocol| ConsumerProtocolSubscription::from_bytes(&protocol.metadata).ok());
        read.map_or(0, |(_, version)| version)
    }
}

/// What a member has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) struct Current {
    /// The epoch of the assignment that it has or is on its way to; [`LEAVES_FOR_A_WHILE`] of a static
    /// member that is away.
    pub(in crate::group) epoch: i32,
    /// The epoch before: a member that has not heard of the new one still says this one.
    pub(in crate::group) previous_epoch: i32,
    pub(in crate::group) state: State,
    /// The partitions that it may use.
    pub(in crate::group) assigned: Partitions,
    /// The partitions that it has yet to give up. They are nobody else's until it has.
    pub(in crate::group) revoking: Partitions,
}

impl Current {
    /// Of a member that has just come.
    pub(in crate::group) fn new() -> Current {
        Current {
            epoch: 0,
            previous_epoch: -1,
            state: State::Stable,
            assigned: Partitions::new(),
            revoking: Partitions::new(),
        }
    }

    /// Whether the member has all that it is to have in that epoch.
    pub(in crate::group) fn is_at(&self, epoch: i32) -> bool {
        self.state == State::Stable && self.epoch == epoch
    }

    /// Everything that is nobody else's because of this member.
    pub(in crate::group) fn owned(&self) -> Partitions {
        self.assigned.or(&self.revoking)
    }
}

/// How far a member is on its way to its target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::group) enum State {
    /// It has all that it is to have.
    Stable,
    /// It has yet to give up partitions.
    Unrevoked,
    /// Others have yet to give up partitions that it is to have.
    Unreleased,
    /// A state of a Kafka newer than this.
    Unknown,
}

impl State {
    /// As Kafka writes it.
    pub(in crate::group) fn code(self) -> i8 {
        match self {
            State::Stable => 0,
            State::Unrevoked => 1,
            State::Unreleased => 2,
            State::Unknown => 127,
        }
    }

    /// As Kafka reads it.
    pub(in crate::group) fn from_code(code: i8) -> State {
        match code {
            0 => State::Stable,
            1 => State::Unrevoked,
            2 => State::Unreleased,
            _ => State::Unknown,
        }
    }
}
