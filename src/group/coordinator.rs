//! The coordinator of one partition of `__consumer_offsets`: its groups, and who of them is asked.

use super::call::{Call, Join, Joined, Left, LeftMember, ListFilter, ListedGroup, Reply, Synced};
use super::chores::Chores;
use super::classic::{Classic, NewMember, Waiting, distinct};
use super::config::GroupConfig;
use super::consumer::{ConsumerEntry, TopicHashes};
use super::kind::{Group, Kind};
use super::offsets::Offsets;
use super::records::{self, Entry};
use super::timers::{GroupNumber, Numbers, Timer, Timers};
use super::turn::{Draft, Turn};
use crate::limits::{GROUP_TIMERS_PER_TURN, GROUP_TURN_PAUSE_US};
use crate::metadata::Image;
use crate::types::{Now, Offset, ReturnTo, Timestamp};
use crate::wire::ErrorCode;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What a coordinator may look at.
pub struct Context<'a> {
    /// Both clocks.
    pub now: Now,
    /// The cluster.
    pub image: &'a Image,
    /// The offset of the last metadata record that the image has taken in.
    pub image_offset: Offset,
    /// 16 random bytes at each call, for members' ids.
    pub random: &'a mut dyn FnMut() -> [u8; 16],
}

/// What came of a call or of time.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Step {
    /// To be appended as one batch.
    pub records: Vec<Record>,
    /// To be sent when the batch, and those of earlier steps, are committed.
    pub replies: Vec<(ReturnTo, Reply)>,
}

/// A record of `__consumer_offsets`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// What it is about.
    pub key: Vec<u8>,
    /// What is so from now on; none: nothing is any more.
    pub value: Option<Vec<u8>>,
}

/// Why a record of the log is not taken in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It cannot be read, or contradicts itself.
    Malformed(String),
    /// It is of a type that is not served here, by the name of Kafka's schema. Kafka passes over types
    /// that it does not know.
    NotServed(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Malformed(why) => write!(f, "a damaged record: {why}"),
            Fault::NotServed(name) => write!(f, "a record of a type not served: {name}"),
        }
    }
}

impl std::error::Error for Fault {}

/// All groups of one partition of `__consumer_offsets`. The log is loaded before anything is asked.
#[derive(Debug)]
pub struct Coordinator {
    pub(in crate::group) config: Arc<GroupConfig>,
    pub(in crate::group) groups: BTreeMap<GroupNumber, Group>,
    pub(in crate::group) by_id: BTreeMap<Arc<str>, GroupNumber>,
    pub(in crate::group) timers: Timers,
    pub(in crate::group) numbers: Numbers,
    pub(in crate::group) chores: Chores,
    pub(in crate::group) hashes: TopicHashes,
    /// Others have their turns until then, µs on the monotonic clock.
    rest_until_us: u64,
}

impl Coordinator {
    /// Without groups, ready to load the log.
    pub fn new(config: Arc<GroupConfig>) -> Coordinator {
        Coordinator {
            config,
            groups: BTreeMap::new(),
            by_id: BTreeMap::new(),
            timers: Timers::default(),
            numbers: Numbers::default(),
            chores: Chores::default(),
            hashes: TopicHashes::default(),
            rest_until_us: 0,
        }
    }

    /// Takes over other settings. What waits already waits as it did.
    pub fn configure(&mut self, config: Arc<GroupConfig>) {
        self.config = config;
    }

    /// Takes in one record of the log, while loading. Its time is in its value, where Kafka keeps it.
    ///
    /// # Errors
    /// When the record cannot be read, or is not served; the coordinator is then as before.
    pub fn replay(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        _timestamp: Timestamp,
    ) -> Result<(), Fault> {
        let entry = records::decode(key, value)?;
        if let Entry::Consumer { group, entry } = &entry {
            self.check_entry(group, entry)?;
        }
        self.take_in(entry);
        Ok(())
    }

    /// Whether a record of a consumer group fits what is known.
    fn check_entry(&self, group: &str, entry: &ConsumerEntry) -> Result<(), Fault> {
        let damaged = |why: String| Err(Fault::Malformed(why));
        match self.get(group).map(|group| &group.kind) {
            Some(Kind::Classic(classic)) if !classic.only_keeps_offsets() => match entry {
                entry if entry.is_tombstone() => Ok(()),
                _ => damaged(format!(
                    "{group} is a consumer group, and a classic group, too"
                )),
            },
            Some(Kind::Consumer(consumer)) => match entry {
                ConsumerEntry::Current(id, Some(current)) if consumer.contradicts(id, current) => {
                    damaged(format!("{id} of {group} has what another member has"))
                }
                _ => Ok(()),
            },
            Some(Kind::Classic(_)) | None => Ok(()),
        }
    }

    /// Takes in what a record says of a consumer group.
    fn take_in_consumer(&mut self, group: &str, entry: ConsumerEntry) {
        if entry == ConsumerEntry::Epoch(None) {
            if let Some(number) = self.find(group)
                && matches!(self.groups[&number].kind, Kind::Consumer(_))
            {
                self.end_group(number);
            }
            return;
        }
        if entry.is_tombstone()
            && !matches!(
                self.get(group).map(|group| &group.kind),
                Some(Kind::Consumer(_))
            )
        {
            return;
        }
        let number = self.find_or_make(group);
        let Some(group) = self.groups.get_mut(&number) else {
            return;
        };
        if let Kind::Classic(_) = group.kind {
            group.kind = Kind::Consumer(Box::default());
        }
        let Kind::Consumer(consumer) = &mut group.kind else {
            return;
        };
        if let Some(member) = consumer.apply(entry, &mut self.numbers) {
            for timer in Timer::of_member(member) {
                self.timers.cancel(number, timer);
            }
        }
    }

    /// The group is gone, but for its offsets, if it has any.
    fn end_group(&mut self, number: GroupNumber) {
        self.timers.cancel_group(number);
        let group = self.group_mut(number);
        if group.offsets.is_empty() {
            let id = group.id.clone();
            self.groups.remove(&number);
            self.by_id.remove(&id);
        } else {
            group.kind = Kind::keeping_offsets();
        }
    }

    fn take_in(&mut self, entry: Entry) {
        match entry {
            Entry::Offset {
                group,
                topic,
                partition,
                committed: Some(committed),
            } => {
                // Whose group the log does not know only keeps offsets.
                let number = self.find_or_make(&group);
                let stamp = self.numbers.next();
                let offsets = &mut self.group_mut(number).offsets;
                offsets.set(&topic, partition, committed, stamp);
            }
            Entry::Offset {
                group,
                topic,
                partition,
                committed: None,
            } => {
                if let Some(number) = self.find(&group) {
                    self.group_mut(number).offsets.remove(&topic, partition);
                }
            }
            Entry::Group {
                group,
                stored: None,
            } => {
                if let Some(number) = self.find(&group)
                    && matches!(self.groups[&number].kind, Kind::Classic(_))
                {
                    self.end_group(number);
                }
            }
            Entry::Consumer { group, entry } => self.take_in_consumer(&group, entry),
            Entry::Group {
                group,
                stored: Some(stored),
            } => {
                let classic = Classic::restore(stored, &mut self.numbers);
                let number = self.find_or_make(&group);
                self.timers.cancel_group(number);
                self.group_mut(number).kind = Kind::Classic(Box::new(classic));
            }
        }
    }

    /// The log is loaded: members have their sessions from now on. What it returns is appended like any
    /// other step.
    pub fn loaded(&mut self, context: &mut Context<'_>) -> Step {
        let now = context.now;
        let mut draft = Draft::new(&self.config);
        let numbers: Vec<GroupNumber> = self.groups.keys().copied().collect();
        for number in numbers {
            match self.groups[&number].kind {
                Kind::Classic(_) => {
                    self.turn(number, now, &mut draft, |classic, turn| {
                        classic.loaded(turn)
                    });
                }
                Kind::Consumer(_) => self.consumer_loaded(context, number),
            }
        }
        self.chores.begin(now, &self.config);
        self.finish(draft)
    }

    /// Answers a call, now or later.
    pub fn handle(&mut self, context: &mut Context<'_>, caller: ReturnTo, call: Call) -> Step {
        let mut draft = Draft::new(&self.config);
        self.dispatch(context, caller, call, &mut draft);
        self.finish(draft)
    }

    pub(in crate::group) fn dispatch(
        &mut self,
        context: &mut Context<'_>,
        caller: ReturnTo,
        call: Call,
        draft: &mut Draft,
    ) {
        let now = context.now;
        let may_be_without_id = matches!(
            call,
            Call::Commit(_)
                | Call::Fetch(_)
                | Call::Describe(_)
                | Call::Delete(_)
                | Call::ConsumerHeartbeat(_)
        );
        if call.group().is_empty() && !may_be_without_id {
            return draft.reply(caller, call.refuse(ErrorCode::INVALID_GROUP_ID));
        }
        match call {
            Call::Join(join) => self.join(context, caller, join, draft),
            Call::Sync(sync) => match self.addressed(&sync.group) {
                Addressed::Classic(number) => self.turn(number, now, draft, |classic, turn| {
                    classic.sync(caller, &sync, turn);
                }),
                Addressed::Consumer(number) => {
                    let synced = self.sync_consumer(context, &sync, number);
                    draft.reply(caller, Reply::Synced(synced));
                }
                Addressed::Nobody => {
                    let refused = Synced::refused(ErrorCode::UNKNOWN_MEMBER_ID);
                    draft.reply(caller, Reply::Synced(refused));
                }
            },
            Call::Heartbeat(heartbeat) => {
                let error = match self.addressed(&heartbeat.group) {
                    Addressed::Classic(number) => self.turn(number, now, draft, |classic, turn| {
                        classic.heartbeat(&heartbeat, turn)
                    }),
                    Addressed::Consumer(number) => self.beat_consumer(now, &heartbeat, number),
                    Addressed::Nobody => ErrorCode::UNKNOWN_MEMBER_ID,
                };
                draft.reply(caller, Reply::Heartbeat(error));
            }
            Call::Leave(leave) => {
                let left = match self.addressed(&leave.group) {
                    Addressed::Classic(number) => self.turn(number, now, draft, |classic, turn| {
                        classic.leave(leave, turn)
                    }),
                    Addressed::Consumer(number) => {
                        self.leave_consumer(context, leave, number, draft)
                    }
                    Addressed::Nobody => {
                        let members = leave.members.into_iter().map(|leaving| LeftMember {
                            member: leaving.member,
                            instance: leaving.instance,
                            error: ErrorCode::UNKNOWN_MEMBER_ID,
                        });
                        Left {
                            error: ErrorCode::NONE,
                            members: members.collect(),
                        }
                    }
                };
                draft.reply(caller, Reply::Left(left));
            }
            Call::Commit(commit) => {
                let committed = self.commit(now, commit, draft);
                draft.reply(caller, Reply::Committed(committed));
            }
            Call::Fetch(fetch) => {
                let fetched = self.fetch(fetch);
                draft.reply(caller, Reply::OffsetsFetched(fetched));
            }
            Call::DeleteOffsets(delete) => self.delete_offsets(now, caller, delete, draft),
            Call::Describe(describe) => {
                let described = self.describe(&describe);
                draft.reply(caller, Reply::Described(described));
            }
            Call::Delete(delete) => self.delete(now, caller, delete, draft),
            Call::ConsumerHeartbeat(beat) => self.consumer_heartbeat(context, caller, beat, draft),
            Call::ConsumerDescribe(describe) => {
                let described = self.describe_consumer(context.image, &describe);
                draft.reply(caller, Reply::ConsumerDescribed(described));
            }
        }
    }

    /// Who handles calls of the classic protocol to that group.
    fn addressed(&self, group: &str) -> Addressed {
        let Some(number) = self.find(group) else {
            return Addressed::Nobody;
        };
        match self.groups[&number].kind {
            Kind::Classic(_) => Addressed::Classic(number),
            Kind::Consumer(_) => Addressed::Consumer(number),
        }
    }

    fn join(&mut self, context: &mut Context<'_>, caller: ReturnTo, join: Join, draft: &mut Draft) {
        let join = Join {
            protocols: distinct(join.protocols),
            ..join
        };
        let refuse = |error, draft: &mut Draft| {
            let refused = Joined::refused(error, &join.member);
            draft.reply(caller, Reply::Joined(refused));
        };
        let allowed = self.config.session_timeout_ms_min..=self.config.session_timeout_ms_max;
        if !allowed.contains(&join.session_timeout_ms) {
            return refuse(ErrorCode::INVALID_SESSION_TIMEOUT, draft);
        }
        let addressed = match self.addressed(&join.group) {
            // One without members becomes a classic group.
            Addressed::Consumer(number) if self.groups[&number].kind.is_empty() => {
                Addressed::Nobody
            }
            addressed => addressed,
        };
        let number = match addressed {
            Addressed::Classic(number) => number,
            Addressed::Consumer(number) => {
                return self.join_consumer(context, caller, join, number, draft);
            }
            Addressed::Nobody if !join.member.is_empty() => {
                return refuse(ErrorCode::UNKNOWN_MEMBER_ID, draft);
            }
            Addressed::Nobody => match self.found(context.now, &join, draft) {
                Ok(number) => number,
                Err(error) => return refuse(error, draft),
            },
        };
        let new_member = match join.member.is_empty() {
            true => Some(NewMember::new(&join, (context.random)())),
            false => None,
        };
        self.turn(
            number,
            context.now,
            draft,
            |classic, turn| match new_member {
                Some(id) => classic.join_new(caller, join, id, turn),
                None => classic.join_known(caller, join, turn),
            },
        );
    }

    /// Makes the group that a first member joins, in the place of a consumer group without members if
    /// there is one. Its record says that it is there: a client to which an
    /// id was given counts on it.
    fn found(
        &mut self,
        now: Now,
        join: &Join,
        draft: &mut Draft,
    ) -> Result<GroupNumber, ErrorCode> {
        let classic = Classic::new(now.wall);
        if !classic.supports(&join.protocol_type, &join.protocols) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        let too_long = ErrorCode::UNKNOWN_SERVER_ERROR;
        let mut written = match self.get(&join.group) {
            Some(group) => group.end().ok_or(too_long)?,
            None => Vec::new(),
        };
        written.push(records::group(&join.group, &classic.store()).ok_or(too_long)?);
        if !draft.push_all(written) {
            return Err(too_long);
        }
        self.settle(draft);
        let number = self.find_or_make(&join.group);
        self.group_mut(number).kind = Kind::Classic(Box::new(classic));
        Ok(number)
    }

    /// When `handle_timeout` wants to be called, in µs on the monotonic clock.
    pub fn poll_timeout(&self) -> Option<u64> {
        let timers = self.timers.next_us().into_iter();
        let next_us = timers.chain(self.chores.next_us()).min()?;
        Some(next_us.max(self.rest_until_us))
    }

    /// Does what is due, or a part of it: then there is more to do soon.
    pub fn handle_timeout(&mut self, context: &mut Context<'_>) -> Step {
        let now = context.now;
        let mut draft = Draft::new(&self.config);
        if now.monotonic_us < self.rest_until_us {
            return draft.finish();
        }
        let mut handled = 0;
        while handled < GROUP_TIMERS_PER_TURN && !draft.is_well_filled() {
            let Some((number, timer)) = self.timers.pop(now.monotonic_us) else {
                break;
            };
            handled += 1;
            match self.groups.get(&number).map(|group| &group.kind) {
                Some(Kind::Classic(_)) => {
                    self.turn(number, now, &mut draft, |classic, turn| {
                        classic.due(timer, turn)
                    });
                }
                Some(Kind::Consumer(_)) => {
                    self.consumer_due(context, number, timer, &mut draft);
                }
                None => {}
            }
        }
        if !draft.is_well_filled() {
            self.do_chores(context, &mut draft);
        }
        let step = self.finish(draft);
        let more = self.poll_timeout();
        if more.is_some_and(|due_us| due_us <= now.monotonic_us) {
            self.rest_until_us = now.monotonic_us + GROUP_TURN_PAUSE_US;
        }
        step
    }

    /// These topics, by name, are gone, and what was committed for them goes: what does not fit into
    /// this step, in later ones.
    pub fn topics_deleted(&mut self, context: &mut Context<'_>, topics: &[String]) -> Step {
        let mut draft = Draft::new(&self.config);
        self.hashes.change(None);
        self.doom(topics);
        self.forget_doomed(context.now, &mut draft);
        self.finish(draft)
    }

    /// Topics have come, or have got partitions or replicas; with `created`, new ones are among them.
    /// Consumer groups look at it in their members' next heartbeats.
    pub fn topics_changed(&mut self, context: &Context<'_>, created: bool) {
        let offset = created.then_some(context.image_offset.0);
        self.hashes.change(offset);
    }

    /// Gives the partition up: everyone who waits is answered, and nothing is left.
    pub fn unload(&mut self) -> Vec<(ReturnTo, Reply)> {
        let error = ErrorCode::NOT_COORDINATOR;
        let mut replies = Vec::new();
        for group in self.groups.values_mut() {
            let Kind::Classic(classic) = &mut group.kind else {
                continue;
            };
            let answers = classic.take_waiting().into_iter();
            replies.extend(answers.map(|waiting| match waiting {
                Waiting::Join(caller, member) => {
                    (caller, Reply::Joined(Joined::refused(error, &member)))
                }
                Waiting::Sync(caller) => (caller, Reply::Synced(Synced::refused(error))),
            }));
        }
        replies.extend(self.chores.take_deferred(error));
        *self = Coordinator::new(self.config.clone());
        replies
    }

    /// The groups, by id.
    pub fn list(&self, filter: &ListFilter) -> Vec<ListedGroup> {
        self.listed(filter)
    }

    // -- for all verbs

    pub(in crate::group) fn find(&self, id: &str) -> Option<GroupNumber> {
        self.by_id.get(id).copied()
    }

    pub(in crate::group) fn get(&self, id: &str) -> Option<&Group> {
        self.groups.get(&self.find(id)?)
    }

    pub(in crate::group) fn group_mut(&mut self, number: GroupNumber) -> &mut Group {
        let group = self.groups.get_mut(&number);
        group.expect("a number from by_id")
    }

    pub(in crate::group) fn find_or_make(&mut self, id: &str) -> GroupNumber {
        if let Some(number) = self.find(id) {
            return number;
        }
        let number = self.numbers.group();
        let id: Arc<str> = id.into();
        self.by_id.insert(id.clone(), number);
        let group = Group {
            id,
            kind: Kind::keeping_offsets(),
            offsets: Offsets::default(),
        };
        self.groups.insert(number, group);
        number
    }

    /// The classic group of that number has its turn.
    pub(in crate::group) fn turn<R>(
        &mut self,
        number: GroupNumber,
        now: Now,
        draft: &mut Draft,
        act: impl FnOnce(&mut Classic, &mut Turn<'_>) -> R,
    ) -> R {
        let group = self.groups.get_mut(&number).expect("a group that is here");
        let mut turn = Turn {
            config: &self.config,
            now,
            id: &group.id,
            group: number,
            timers: &mut self.timers,
            numbers: &mut self.numbers,
            draft,
        };
        match &mut group.kind {
            Kind::Classic(classic) => act(classic, &mut turn),
            Kind::Consumer(_) => unreachable!("a turn of a classic group"),
        }
    }

    /// What was written since the last time takes effect as it will when it is loaded. A classic group is
    /// already what its record tells, and more, which debug builds hold when it is written.
    pub(in crate::group) fn settle(&mut self, draft: &mut Draft) {
        let written = draft.settle().iter();
        for record in written.filter(|record| !records::tells_group(record)) {
            let entry = records::decode(&record.key, record.value.as_deref());
            self.take_in(entry.expect("what was written can be read"));
        }
    }

    fn finish(&mut self, mut draft: Draft) -> Step {
        self.settle(&mut draft);
        draft.finish()
    }
}

/// Who handles a call of the classic protocol.
enum Addressed {
    /// A classic group.
    Classic(GroupNumber),
    /// A consumer group.
    Consumer(GroupNumber),
    /// There is no such group.
    Nobody,
}
