//! The classic group protocol: members join, the coordinator picks one of them to assign, and hands
//! the assignment to the others when they sync. The coordinator does not look into it.
//!
//! ```text
//!            first member joins              all joined, or time is up          leader syncs
//!   Empty ----------------------> Preparing ---------------------> Completing ---------------> Stable
//!     ^                            |  ^  ^                           |                          |
//!     +-- nobody is left ----------+  |  +-- a member comes, goes or changes; syncs are late ---+
//!                                     +------------------------------+
//! ```
//!
//! - **Preparing** holds the joins of members until everybody has come. A group that was empty waits
//!   for `group.initial.rebalance.delay.ms` first, and again while more come, at most as long as a
//!   rebalance may take. Who does not come in time is left behind, static members excepted (KIP-345).
//! - **Completing** has a new generation and holds the syncs until the leader's brings the assignment.
//! - **Stable** answers syncs at once.
//!
//! What is durable ([`StoredGroup`]) is written when the group becomes stable or empty, and when a
//! static member comes back under a new id. In between the log tells of the generation before.
//!
//! Kafka keeps the state machine half in the group and half in timers that capture variables; here a
//! state holds what only exists in it, so that it ends with it.

mod commit;
mod expire;
mod join;
mod leave;
mod rebalance;
mod roster;
mod sync;

pub(in crate::group) use expire::Waiting;
pub(in crate::group) use join::{NewMember, distinct};
pub(in crate::group) use roster::{Member, Roster};

use super::call::{Described, DescribedMember, Protocol};
use super::coordinator::Record;
use super::records::{self, Entry, StoredGroup, StoredMember};
use super::timers::{MemberNumber, Numbers};
use super::turn::Turn;
use crate::types::Timestamp;
use crate::wire::{ConsumerProtocolSubscription, ErrorCode, Message, Reader};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The protocol type of consumers.
pub(in crate::group) const CONSUMER: &str = "consumer";

/// Where a classic group stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) enum State {
    /// Without members.
    Empty,
    /// Gathering members.
    Preparing {
        /// How the group waits for its first members; none: it had members before.
        initial: Option<Initial>,
    },
    /// Everybody has joined; the leader is assigning.
    Completing {
        /// Who has not synced yet.
        unsynced: BTreeSet<MemberNumber>,
    },
    /// Everybody may know what to do.
    Stable {
        /// Who has not synced yet.
        unsynced: BTreeSet<MemberNumber>,
    },
}

/// The first rebalance of a group that was empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::group) struct Initial {
    /// The wait under way, ms.
    delay_ms: i32,
    /// What is left to wait after it, ms.
    remaining_ms: i32,
    /// Whether somebody came during it.
    more_came: bool,
}

impl State {
    /// Kafka's name.
    pub(in crate::group) fn name(&self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Preparing { .. } => "PreparingRebalance",
            State::Completing { .. } => "CompletingRebalance",
            State::Stable { .. } => "Stable",
        }
    }
}

/// A classic group. One without protocol type only keeps offsets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::group) struct Classic {
    state: State,
    /// Since when it is in that state, if that is known.
    since: Timestamp,
    protocol_type: Option<Arc<str>>,
    protocol_name: Option<Arc<str>>,
    generation: i32,
    roster: Roster,
    /// The topics that a group of consumers reads, as far as is known.
    subscribed: Option<BTreeSet<String>>,
}

impl Classic {
    /// Without members or protocol.
    pub(in crate::group) fn new(since: Timestamp) -> Classic {
        Classic {
            state: State::Empty,
            since,
            protocol_type: None,
            protocol_name: None,
            generation: 0,
            roster: Roster::default(),
            subscribed: None,
        }
    }

    /// As the log has it.
    pub(in crate::group) fn restore(stored: StoredGroup, numbers: &mut Numbers) -> Classic {
        let name = stored.protocol_name.as_deref().unwrap_or_default();
        let mut roster = Roster::default();
        for member in stored.members {
            let protocol = Protocol {
                name: name.to_string(),
                metadata: member.subscription,
            };
            let restored = Member {
                id: member.id,
                instance: member.instance,
                client_id: member.client_id,
                client_host: member.client_host,
                session_timeout_ms: member.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: vec![protocol],
                assignment: member.assignment,
                joining: None,
                syncing: None,
                is_new: false,
            };
            roster.add(numbers.member(), restored);
        }
        if let Some(leader) = &stored.leader {
            roster.set_leader(leader);
        }
        let state = match roster.is_empty() {
            true => State::Empty,
            false => State::Stable {
                unsynced: BTreeSet::new(),
            },
        };
        let mut classic = Classic {
            state,
            since: stored.since,
            protocol_type: stored.protocol_type,
            protocol_name: stored.protocol_name,
            generation: stored.generation,
            roster,
            subscribed: None,
        };
        classic.subscribed = classic.read_subscriptions();
        classic
    }

    /// A stable group that was a consumer group until now. Each member's assignment is what `assign` says
    /// of it and the protocol that is chosen.
    pub(in crate::group) fn from_members(
        generation: i32,
        since: Timestamp,
        members: Vec<Member>,
        assign: impl Fn(&Member, Option<&str>) -> Bytes,
        numbers: &mut Numbers,
    ) -> Classic {
        let mut group = Classic {
            generation,
            protocol_type: Some(CONSUMER.into()),
            ..Classic::new(since)
        };
        for member in members {
            group.roster.add(numbers.member(), member);
        }
        group.protocol_name = group.roster.select_protocol().map(Into::into);
        let protocol = group.protocol_name.as_deref();
        let given: BTreeMap<Arc<str>, Bytes> = group
            .roster
            .iter()
            .map(|(_, member)| (member.id.clone(), assign(member, protocol)))
            .collect();
        let given = given.iter().map(|(id, what)| (&**id, what)).collect();
        group.roster.assign(&given);
        group.state = State::Stable {
            unsynced: BTreeSet::new(),
        };
        group.subscribed = group.read_subscriptions();
        group
    }

    /// The protocol of the generation, or, before there is one, that of the next.
    pub(in crate::group) fn protocol_in_use(&self) -> Option<&str> {
        let chosen = self.protocol_name.as_deref();
        chosen.or_else(|| self.roster.select_protocol())
    }

    /// What the log is to say of the group. Only a stable or empty group is stored.
    pub(in crate::group) fn store(&self) -> StoredGroup {
        debug_assert!(matches!(self.state, State::Empty | State::Stable { .. }));
        let protocol = self.protocol_name.as_deref();
        let members = self.roster.iter().map(|(_, member)| StoredMember {
            id: member.id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            session_timeout_ms: member.session_timeout_ms,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: member.assignment.clone(),
        });
        StoredGroup {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            generation: self.generation,
            leader: self.roster.leader().map(|leader| leader.id.clone()),
            since: self.since,
            members: members.collect(),
        }
    }

    /// Writes the group down. Returns false if its record would outgrow a batch.
    fn write(&self, turn: &mut Turn<'_>) -> bool {
        let stored = self.store();
        let Some(record) = records::group(turn.id, &stored) else {
            return false;
        };
        if cfg!(debug_assertions) {
            check_written(&record, &stored);
        }
        turn.draft.push(record)
    }

    fn enter(&mut self, state: State, turn: &Turn<'_>) {
        debug_assert!(state != State::Empty || self.roster.is_empty());
        self.state = state;
        self.since = turn.now.wall;
    }

    // -- what it tells

    pub(in crate::group) fn state(&self) -> &State {
        &self.state
    }

    pub(in crate::group) fn since(&self) -> Timestamp {
        self.since
    }

    pub(in crate::group) fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    pub(in crate::group) fn generation(&self) -> i32 {
        self.generation
    }

    pub(in crate::group) fn roster(&self) -> &Roster {
        &self.roster
    }

    pub(in crate::group) fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    /// Whether it never had members, as far as its log tells.
    pub(in crate::group) fn only_keeps_offsets(&self) -> bool {
        self.protocol_type.is_none() && self.is_empty()
    }

    /// Whether its members are consumers.
    pub(in crate::group) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// The topics that it reads, if that is known.
    pub(in crate::group) fn subscribed(&self) -> Option<&BTreeSet<String>> {
        self.subscribed.as_ref()
    }

    /// Whether it reads the topic, or may: of consumers whose subscriptions are not known, each topic
    /// may be read.
    pub(in crate::group) fn may_read(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.is_of_consumers(),
        }
    }

    /// For DescribeGroups.
    pub(in crate::group) fn describe(&self) -> Described {
        let stable = matches!(self.state, State::Stable { .. });
        let protocol = self.protocol_name.as_ref().filter(|_| stable);
        let members = self.roster.iter().map(|(_, member)| DescribedMember {
            member: member.id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: member.metadata(protocol.map(|name| &**name)),
            assignment: member.assignment.clone(),
        });
        Described {
            error: ErrorCode::NONE,
            message: None,
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| "".into()),
            protocol: protocol.cloned().unwrap_or_else(|| "".into()),
            members: members.collect(),
        }
    }

    // -- what all verbs share

    /// Who that is, if it may speak for the group's static member (KIP-345).
    fn member(&self, id: &str, instance: Option<&str>) -> Result<MemberNumber, ErrorCode> {
        let by_id = self.roster.find(id);
        if let Some(instance) = instance {
            let holder = self.roster.find_static(instance);
            let holder = holder.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
            if by_id != Some(holder) {
                return Err(ErrorCode::FENCED_INSTANCE_ID);
            }
        }
        by_id.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)
    }

    /// The topics that the members want, from the subscriptions of the protocol chosen. None if they
    /// are not consumers, or cannot be understood.
    fn read_subscriptions(&self) -> Option<BTreeSet<String>> {
        if !self.is_of_consumers() {
            return None;
        }
        let mut topics = BTreeSet::new();
        if self.roster.is_empty() {
            return Some(topics);
        }
        let protocol = self.protocol_name.as_deref()?;
        for (_, member) in self.roster.iter() {
            topics.extend(subscribed_topics(&member.metadata(Some(protocol)))?);
        }
        Some(topics)
    }
}

/// Holds that a coordinator which reads the record has the same group.
fn check_written(record: &Record, stored: &StoredGroup) {
    let read = records::decode(&record.key, record.value.as_deref());
    let Ok(Entry::Group {
        stored: Some(read), ..
    }) = read
    else {
        panic!("what was written cannot be read: {read:?}");
    };
    assert_eq!(&read, stored, "what is read is what was written");
    let again = Classic::restore(read, &mut Numbers::default()).store();
    assert_eq!(&again, stored, "the record tells the whole group");
}

/// The topics of a subscription. All versions begin as version 0 does, and nothing more is read: some
/// clients announce a later version and leave out what it has more.
fn subscribed_topics(metadata: &Bytes) -> Option<Vec<String>> {
    let mut reader = Reader::new([&metadata[..]]);
    reader.limit_elements(crate::limits::REQUEST_ELEMENTS_MAX);
    reader.int16().ok().filter(|version| *version >= 0)?;
    let subscription = ConsumerProtocolSubscription::decode(&mut reader, 0).ok()?;
    let topics = subscription.topics.into_iter();
    Some(topics.map(|topic| topic.into_owned()).collect())
}
