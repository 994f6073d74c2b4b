//! The coordinator's side of consumer groups: which group a call is for, what is written of it, which
//! timers run, and who is answered.
//!
//! A call first plans what it changes; then the records are written and taken in, or, if they do not
//! fit into a batch, nothing has happened; then come timers and answers.

use super::classic::ClassicError;
use super::due::Due;
use super::heartbeat::{Outcome, View, is_revoking};
use super::member::{JOINS, LEAVES, LEAVES_FOR_A_WHILE};
use super::plan::Plan;
use super::{Consumer, ConsumerEntry, Refusal, migrate};
use crate::group::assign::Assignor;
use crate::group::call::{
    Commit, ConsumerBeat, ConsumerDescribe, ConsumerDescribed, ConsumerHeartbeat, FetchOffsets,
    Heartbeat, Join, Joined, Leave, Left, LeftMember, Reply, Sync, Synced,
};
use crate::group::classic::{CONSUMER, Classic, NewMember, Waiting};
use crate::group::config::GroupConfig;
use crate::group::coordinator::{Context, Coordinator, Record};
use crate::group::kind::Kind;
use crate::group::records;
use crate::group::timers::{GroupNumber, MemberNumber, Timer};
use crate::group::turn::Draft;
use crate::limits::{GROUP_TURN_PAUSE_US, REMOVAL_RETRY_MS};
use crate::metadata::{Image, Resource};
use crate::types::{Now, ReturnTo, Uuid};
use crate::wire::ErrorCode;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A group that a heartbeat is for.
enum Start {
    /// One that is here.
    Here(GroupNumber),
    /// One that is new, or takes the place of a classic group that is written to be over.
    New(Box<Consumer>, Vec<ConsumerEntry>, Vec<Record>),
}

impl Coordinator {
    // -- ConsumerGroupHeartbeat

    pub(in crate::group) fn consumer_heartbeat(
        &mut self,
        context: &mut Context<'_>,
        caller: ReturnTo,
        beat: ConsumerHeartbeat,
        draft: &mut Draft,
    ) {
        let done = check(&beat, &self.config).and_then(|()| match beat.epoch {
            LEAVES | LEAVES_FOR_A_WHILE => self.consumer_leave(context, &beat, draft),
            _ => self.consumer_beat(context, &beat, draft),
        });
        let reply = done
            .unwrap_or_else(|refusal| ConsumerBeat::refused(refusal.code, Some(refusal.message)));
        draft.reply(caller, Reply::ConsumerBeat(reply));
    }

    fn consumer_beat(
        &mut self,
        context: &mut Context<'_>,
        beat: &ConsumerHeartbeat,
        draft: &mut Draft,
    ) -> Result<ConsumerBeat, Refusal> {
        let start = self.start(context, beat)?;
        let id: Arc<str> = match beat.member.is_empty() {
            true => Uuid::from_random((context.random)()).to_string().into(),
            false => beat.member.as_str().into(),
        };
        let mut view = View::new(context, &self.config, &mut self.hashes);
        let (group, begun, mut written) = match &start {
            Start::Here(number) => (consumer(&self.groups[number].kind)?, &[][..], Vec::new()),
            Start::New(group, begun, prefix) => (&**group, &begun[..], prefix.clone()),
        };
        let outcome = group.beat(Plan::of(group), beat, &id, &mut view)?;
        for entries in [begun, &outcome.entries[..]] {
            written.extend(encoded(&beat.group, entries)?);
        }
        // Nothing keeps the group from changing any more but the room in the batch.
        let migrates = matches!(start, Start::New(..));
        if !draft.push_all(written) {
            return Err(does_not_fit());
        }
        if migrates {
            self.send_back(&beat.group, draft);
        }
        self.settle(draft);
        let number = self.consumer_number(&beat.group)?;
        if migrates {
            self.start_classic_sessions(context.now, number);
        }
        let session_ms = self.session_ms(context.image, &beat.group);
        self.follow(context, number, &id, session_ms, &outcome);
        let interval_ms = group_ms(
            context.image,
            &beat.group,
            "consumer.heartbeat.interval.ms",
            self.config.consumer_heartbeat_interval_ms,
        );
        Ok(outcome.reply(beat, &id, interval_ms))
    }

    /// The group that a heartbeat is for.
    fn start(&mut self, context: &Context<'_>, beat: &ConsumerHeartbeat) -> Result<Start, Refusal> {
        let joins = beat.epoch == JOINS;
        let Some(number) = self.find(&beat.group) else {
            return match joins {
                true => Ok(Start::New(Box::default(), Vec::new(), Vec::new())),
                false => Err(no_such_group(&beat.group)),
            };
        };
        let group = &self.groups[&number];
        let classic = match &group.kind {
            Kind::Consumer(_) => return Ok(Start::Here(number)),
            Kind::Classic(_) if !joins => return Err(no_such_group(&beat.group)),
            Kind::Classic(classic) => classic,
        };
        let over = group.end().ok_or_else(does_not_fit)?;
        if classic.is_empty() {
            return Ok(Start::New(Box::default(), Vec::new(), over));
        }
        let mut view = View::new(context, &self.config, &mut self.hashes);
        let consumer = migrate::upgrade(classic, &mut view)?;
        let begun = consumer.entries();
        Ok(Start::New(Box::new(consumer), begun, over))
    }

    fn consumer_leave(
        &mut self,
        context: &mut Context<'_>,
        beat: &ConsumerHeartbeat,
        draft: &mut Draft,
    ) -> Result<ConsumerBeat, Refusal> {
        let number = self.consumer_number(&beat.group)?;
        let group = consumer(&self.groups[&number].kind)?;
        let id = group.leaver(beat)?;
        if beat.epoch == LEAVES_FOR_A_WHILE {
            let written = encoded(&beat.group, &group.go_away(&id)?)?;
            if !draft.push_all(written) {
                return Err(does_not_fit());
            }
            self.settle(draft);
        } else {
            let gone = BTreeSet::from([id.clone()]);
            self.remove_members(context, number, &gone, draft)?;
        }
        Ok(ConsumerBeat {
            member: Some(id),
            epoch: beat.epoch,
            ..ConsumerBeat::refused(ErrorCode::NONE, None)
        })
    }

    /// The timers of a member whose call has come to this, and what the group is to remember.
    fn follow(
        &mut self,
        context: &Context<'_>,
        number: GroupNumber,
        id: &Arc<str>,
        session_ms: i32,
        outcome: &Outcome,
    ) {
        let Some(Kind::Consumer(group)) = self.groups.get_mut(&number).map(|g| &mut g.kind) else {
            return;
        };
        if outcome.seen_topics.is_some() {
            group.seen_topics = outcome.seen_topics;
        }
        let looks_up = outcome.lookup.is_some();
        if looks_up {
            group.lookup = outcome.lookup.clone();
        }
        let Some(member) = group.number(id) else {
            return;
        };
        let now = context.now;
        if looks_up {
            self.timers.set(number, Timer::Lookup, now.monotonic_us);
        }
        self.run_timer(now, number, Timer::Session(member), session_ms);
        let Some(rebalance_timeout_ms) = outcome.rebalance_timeout_ms else {
            return;
        };
        // It may have spoken the classic protocol until now.
        self.timers.cancel(number, Timer::Rejoin(member));
        self.timers.cancel(number, Timer::Resync(member));
        if outcome.before == outcome.after {
            return;
        }
        let timer = Timer::Revocation(member);
        match is_revoking(&outcome.after) {
            true => self.run_timer(now, number, timer, rebalance_timeout_ms),
            false => self.timers.cancel(number, timer),
        }
    }

    // -- removing members

    /// Removes members; if the others all speak the classic protocol, the group becomes a classic one.
    fn remove_members(
        &mut self,
        context: &mut Context<'_>,
        number: GroupNumber,
        gone: &BTreeSet<Arc<str>>,
        draft: &mut Draft,
    ) -> Result<(), Refusal> {
        let group = consumer(&self.groups[&number].kind)?;
        if group.downgrades_without(gone, &self.config) {
            let classic = group.downgrade(gone, context.now.wall, context.image, &mut self.numbers);
            let written = encoded(&self.groups[&number].id, &group.end())?;
            match self.become_classic(context, number, classic, written, true, draft) {
                Ok(()) => return Ok(()),
                // It is tried again in a batch of its own. What does not fit into one stays as it is.
                Err(refusal) if draft.has_records() => return Err(refusal),
                Err(_) => {}
            }
        }
        let mut view = View::new(context, &self.config, &mut self.hashes);
        let group = &self.groups[&number];
        let entries = consumer(&group.kind)?.remove(gone, &mut view)?;
        let written = encoded(&group.id, &entries)?;
        if !draft.push_all(written) {
            return Err(does_not_fit());
        }
        self.settle(draft);
        Ok(())
    }

    /// Puts a classic group in the place of a consumer group that `written` takes back.
    fn become_classic(
        &mut self,
        context: &mut Context<'_>,
        number: GroupNumber,
        classic: Classic,
        mut written: Vec<Record>,
        rebalances: bool,
        draft: &mut Draft,
    ) -> Result<(), Refusal> {
        let id = self.groups[&number].id.clone();
        written.push(records::group(&id, &classic.store()).ok_or_else(does_not_fit)?);
        if !draft.push_all(written) {
            return Err(does_not_fit());
        }
        self.settle(draft);
        let number = self.find_or_make(&id);
        self.group_mut(number).kind = Kind::Classic(Box::new(classic));
        self.turn(number, context.now, draft, |classic, turn| {
            classic.start_all_sessions(turn);
            if rebalances {
                classic.prepare_rebalance(turn);
            }
        });
        Ok(())
    }

    /// One of a consumer group's timers is due.
    pub(in crate::group) fn consumer_due(
        &mut self,
        context: &mut Context<'_>,
        number: GroupNumber,
        timer: Timer,
        draft: &mut Draft,
    ) {
        let Ok(group) = consumer(&self.groups[&number].kind) else {
            return;
        };
        match group.due(timer) {
            Due::Nothing => {}
            Due::Removal(id) => {
                let gone = BTreeSet::from([id]);
                if self.remove_members(context, number, &gone, draft).is_err() {
                    self.run_timer(context.now, number, timer, REMOVAL_RETRY_MS);
                }
            }
            Due::Lookup => self.go_on_with_lookup(context, number, draft),
        }
    }

    fn go_on_with_lookup(
        &mut self,
        context: &mut Context<'_>,
        number: GroupNumber,
        draft: &mut Draft,
    ) {
        let Some(Kind::Consumer(group)) = self.groups.get_mut(&number).map(|g| &mut g.kind) else {
            return;
        };
        let Some(found) = group.continue_lookup(context.image) else {
            let resume_us = context.now.monotonic_us + GROUP_TURN_PAUSE_US;
            return self.timers.set(number, Timer::Lookup, resume_us);
        };
        let group = &self.groups[&number];
        let resolved = consumer(&group.kind)
            .and_then(|consumer| consumer.resolve(found, context.image, &mut self.hashes))
            .and_then(|entries| encoded(&group.id, &entries));
        let is_written = resolved.is_ok_and(|written| draft.push_all(written));
        self.settle(draft);
        if !is_written
            && let Some(Kind::Consumer(group)) = self.groups.get_mut(&number).map(|g| &mut g.kind)
        {
            group.failed_lookup = Some(context.now.wall);
        }
    }

    // -- members that speak the classic protocol

    /// JoinGroup to a consumer group that has members.
    pub(in crate::group) fn join_consumer(
        &mut self,
        context: &mut Context<'_>,
        caller: ReturnTo,
        join: Join,
        number: GroupNumber,
        draft: &mut Draft,
    ) {
        let joined = self
            .try_join_consumer(context, &join, number, draft)
            .unwrap_or_else(|refusal| Joined::refused(refusal.code, &join.member));
        draft.reply(caller, Reply::Joined(joined));
    }

    fn try_join_consumer(
        &mut self,
        context: &mut Context<'_>,
        join: &Join,
        number: GroupNumber,
        draft: &mut Draft,
    ) -> Result<Joined, Refusal> {
        let is_known = !join.member.is_empty();
        let id: Arc<str> = match is_known {
            true => join.member.as_str().into(),
            false => NewMember::new(join, (context.random)()).into_id(),
        };
        let mut view = View::new(context, &self.config, &mut self.hashes);
        let group = &self.groups[&number];
        let consumer = consumer(&group.kind)?;
        consumer.check_classic_join(join, &id, &view)?;
        if join.requires_member_id && !is_known && join.instance.is_none() {
            return Ok(Joined::refused(ErrorCode::MEMBER_ID_REQUIRED, &id));
        }
        let taken = consumer.join_classic(join, &id, is_known, &mut view)?;
        let joined = Joined {
            error: ErrorCode::NONE,
            generation: taken.after.epoch,
            protocol_type: Some(CONSUMER.into()),
            protocol_name: Some(taken.protocol_name.as_str().into()),
            member: id.clone(),
            ..Joined::refused(ErrorCode::NONE, "")
        };
        if taken.is_last_to_change {
            let (plan, rebalances) = (taken.plan, taken.topics_changed);
            let nobody = BTreeSet::new();
            let classic =
                plan.group()
                    .downgrade(&nobody, context.now.wall, context.image, &mut self.numbers);
            let end = plan.group().end();
            let mut written = encoded(&group.id, &plan.finish())?;
            written.extend(encoded(&group.id, &end)?);
            self.become_classic(context, number, classic, written, rebalances, draft)?;
            return Ok(joined);
        }
        let outcome = taken.outcome();
        let written = encoded(&group.id, &outcome.entries)?;
        if !draft.push_all(written) {
            return Err(does_not_fit());
        }
        self.settle(draft);
        self.follow(context, number, &id, join.session_timeout_ms, &outcome);
        if let Some(member) = self.member_number(number, &id) {
            let now = context.now;
            self.timers.cancel(number, Timer::Rejoin(member));
            self.timers.cancel(number, Timer::Revocation(member));
            let timer = Timer::Resync(member);
            self.run_timer(now, number, timer, join.rebalance_timeout_ms);
        }
        Ok(joined)
    }

    /// SyncGroup to a consumer group.
    pub(in crate::group) fn sync_consumer(
        &mut self,
        context: &Context<'_>,
        sync: &Sync,
        number: GroupNumber,
    ) -> Synced {
        let Ok(group) = consumer(&self.groups[&number].kind) else {
            return Synced::refused(ErrorCode::UNKNOWN_MEMBER_ID);
        };
        match group.sync_classic(sync, context.image) {
            Ok(assignment) => {
                if let Some(member) = group.number(&sync.member) {
                    self.timers.cancel(number, Timer::Resync(member));
                }
                self.start_classic_session(context.now, number, &sync.member);
                Synced {
                    error: ErrorCode::NONE,
                    protocol_type: sync.protocol_type.as_deref().map(Into::into),
                    protocol_name: sync.protocol_name.as_deref().map(Into::into),
                    assignment,
                }
            }
            Err(error) => {
                Synced::refused(self.classic_error(context.now, number, &sync.member, error))
            }
        }
    }

    /// Heartbeat to a consumer group.
    pub(in crate::group) fn beat_consumer(
        &mut self,
        now: Now,
        heartbeat: &Heartbeat,
        number: GroupNumber,
    ) -> ErrorCode {
        let Ok(group) = consumer(&self.groups[&number].kind) else {
            return ErrorCode::UNKNOWN_MEMBER_ID;
        };
        let beaten = group.beat_classic(heartbeat);
        if !matches!(beaten, Err(ClassicError::Refused(_))) {
            self.start_classic_session(now, number, &heartbeat.member);
        }
        match beaten {
            Ok(()) => ErrorCode::NONE,
            Err(error) => self.classic_error(now, number, &heartbeat.member, error),
        }
    }

    /// LeaveGroup from a consumer group, of members of either protocol.
    pub(in crate::group) fn leave_consumer(
        &mut self,
        context: &mut Context<'_>,
        leave: Leave,
        number: GroupNumber,
        draft: &mut Draft,
    ) -> Left {
        let mut gone = BTreeSet::new();
        let mut members = Vec::with_capacity(leave.members.len());
        if let Ok(group) = consumer(&self.groups[&number].kind) {
            for leaving in leave.members {
                let error = match group.classic_leaver(&leaving) {
                    Ok(id) => {
                        gone.insert(id);
                        ErrorCode::NONE
                    }
                    Err(refusal) => refusal.code,
                };
                members.push(LeftMember {
                    member: leaving.member,
                    instance: leaving.instance,
                    error,
                });
            }
        }
        let removed = match gone.is_empty() {
            true => Ok(()),
            false => self.remove_members(context, number, &gone, draft),
        };
        match removed {
            Ok(()) => Left {
                error: ErrorCode::NONE,
                members,
            },
            Err(refusal) => Left {
                error: refusal.code,
                members: Vec::new(),
            },
        }
    }

    /// What a member is told; one that is to join again has its rebalance timeout for it.
    fn classic_error(
        &mut self,
        now: Now,
        number: GroupNumber,
        id: &str,
        error: ClassicError,
    ) -> ErrorCode {
        let error = match error {
            ClassicError::Refused(error) => return error,
            ClassicError::JoinAgain => ErrorCode::REBALANCE_IN_PROGRESS,
        };
        let group = consumer(&self.groups[&number].kind);
        if let Some(member) = group.ok().and_then(|group| group.members.get(id)) {
            let timer = Timer::Rejoin(member.number);
            let timeout_ms = member.profile.rebalance_timeout_ms;
            if !self.timers.is_set(number, timer) {
                self.run_timer(now, number, timer, timeout_ms);
            }
        }
        error
    }

    fn start_classic_session(&mut self, now: Now, number: GroupNumber, id: &str) {
        let group = consumer(&self.groups[&number].kind).ok();
        let session_ms = group.and_then(|group| group.classic_session_ms(id));
        let member = self.member_number(number, id);
        if let Some((member, session_ms)) = member.zip(session_ms) {
            self.run_timer(now, number, Timer::Session(member), session_ms);
        }
    }

    /// Of a group that was classic until now.
    fn start_classic_sessions(&mut self, now: Now, number: GroupNumber) {
        let group = consumer(&self.groups[&number].kind).ok();
        let ids = group.map(|group| group.members.keys().cloned().collect());
        let ids: Vec<Arc<str>> = ids.unwrap_or_default();
        for id in ids {
            self.start_classic_session(now, number, &id);
        }
    }

    /// Whoever waits in a classic group that is about to be none is to join again.
    fn send_back(&mut self, group: &str, draft: &mut Draft) {
        let number = self.find(group);
        let Some(Kind::Classic(classic)) = number
            .and_then(|number| self.groups.get_mut(&number))
            .map(|group| &mut group.kind)
        else {
            return;
        };
        let error = ErrorCode::REBALANCE_IN_PROGRESS;
        for waiting in classic.take_waiting() {
            match waiting {
                Waiting::Join(caller, member) => {
                    draft.reply(caller, Reply::Joined(Joined::refused(error, &member)));
                }
                Waiting::Sync(caller) => {
                    draft.reply(caller, Reply::Synced(Synced::refused(error)));
                }
            }
        }
    }

    // -- the rest

    /// The group is loaded: members have their sessions from now on, and the time to give up what they
    /// are to give up.
    pub(in crate::group) fn consumer_loaded(&mut self, context: &Context<'_>, number: GroupNumber) {
        let group = &self.groups[&number];
        let session_ms = self.session_ms(context.image, &group.id);
        let Ok(consumer) = consumer(&group.kind) else {
            return;
        };
        let mut timers = Vec::new();
        for member in consumer.members.values() {
            timers.push((Timer::Session(member.number), session_ms));
            if is_revoking(&member.current) {
                let timeout_ms = member.profile.rebalance_timeout_ms;
                timers.push((Timer::Revocation(member.number), timeout_ms));
            }
        }
        for (timer, delay_ms) in timers {
            self.run_timer(context.now, number, timer, delay_ms);
        }
    }

    /// ConsumerGroupDescribe.
    pub(in crate::group) fn describe_consumer(
        &self,
        image: &Image,
        describe: &ConsumerDescribe,
    ) -> ConsumerDescribed {
        let kind = self.get(&describe.group).map(|group| &group.kind);
        match kind {
            Some(Kind::Consumer(group)) => group.describe(image, &self.config),
            Some(Kind::Classic(_)) | None => {
                let why = match kind {
                    Some(_) => format!("Group {} is not a consumer group.", describe.group),
                    None => format!("Group {} not found.", describe.group),
                };
                ConsumerDescribed::refused(ErrorCode::GROUP_ID_NOT_FOUND, Some(why))
            }
        }
    }

    fn consumer_number(&self, group: &str) -> Result<GroupNumber, Refusal> {
        let number = self.find(group);
        let number = number.filter(|number| consumer(&self.groups[number].kind).is_ok());
        number.ok_or_else(|| no_such_group(group))
    }

    fn member_number(&self, number: GroupNumber, id: &str) -> Option<MemberNumber> {
        consumer(&self.groups.get(&number)?.kind).ok()?.number(id)
    }

    fn run_timer(&mut self, now: Now, group: GroupNumber, timer: Timer, delay_ms: i32) {
        let delay_us = u64::try_from(delay_ms).unwrap_or(0) * 1000;
        let due_us = now.monotonic_us.saturating_add(delay_us);
        self.timers.set(group, timer, due_us);
    }

    fn session_ms(&self, image: &Image, group: &str) -> i32 {
        group_ms(
            image,
            group,
            "consumer.session.timeout.ms",
            self.config.consumer_session_timeout_ms,
        )
    }
}

impl Consumer {
    /// Whether these offsets may be committed.
    ///
    /// # Errors
    /// What the client is told.
    pub(in crate::group) fn check_commit(&self, commit: &Commit) -> Result<(), ErrorCode> {
        if commit.generation < 0 && self.is_empty() {
            return Ok(());
        }
        let member = self.members.get(&*commit.member);
        let member = member.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        let is_classic = member.profile.classic.is_some();
        if !is_classic && !commit.knows_member_epochs {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        check_epoch(commit.generation, member.current.epoch, is_classic)
    }

    /// Whether offsets may be told to who asks.
    ///
    /// # Errors
    /// What the client is told.
    pub(in crate::group) fn check_fetch(&self, fetch: &FetchOffsets) -> Result<(), ErrorCode> {
        let Some(member) = &fetch.member else {
            return match fetch.member_epoch < 0 {
                true => Ok(()),
                false => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            };
        };
        let member = self.members.get(&**member);
        let member = member.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        let is_classic = member.profile.classic.is_some();
        check_epoch(fetch.member_epoch, member.current.epoch, is_classic)
    }
}

fn check_epoch(said: i32, is: i32, is_classic: bool) -> Result<(), ErrorCode> {
    match (said == is, is_classic) {
        (true, _) => Ok(()),
        (false, true) => Err(ErrorCode::ILLEGAL_GENERATION),
        (false, false) => Err(ErrorCode::STALE_MEMBER_EPOCH),
    }
}

/// What can be wrong with a heartbeat whatever the group.
fn check(beat: &ConsumerHeartbeat, config: &GroupConfig) -> Result<(), Refusal> {
    let invalid = |why: &str| Err(Refusal::new(ErrorCode::INVALID_REQUEST, why));
    let is_blank = |text: &str| text.trim().is_empty();
    let is_blank_if_said = |text: &Option<String>| text.as_deref().is_some_and(is_blank);
    let needs_id = beat.makes_its_id || beat.epoch > 0 || beat.epoch == LEAVES;
    if needs_id && is_blank(&beat.member) {
        return invalid("The member's id is empty.");
    }
    if is_blank(&beat.group) {
        return invalid("The group's id is empty.");
    }
    if is_blank_if_said(&beat.instance) {
        return invalid("The instance id is empty.");
    }
    if is_blank_if_said(&beat.rack) {
        return invalid("The rack is empty.");
    }
    if beat.epoch == JOINS {
        if beat.rebalance_timeout_ms.is_none() {
            return invalid("Who joins says how long it may take to give up partitions.");
        }
        if beat.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
            return invalid("Who joins says that it owns no partitions.");
        }
        if beat.topics.is_none() && beat.regex.is_none() {
            return invalid("Who joins says what it wants, by names or by a regular expression.");
        }
    } else if beat.epoch == LEAVES_FOR_A_WHILE && beat.instance.is_none() {
        return invalid("Only a static member leaves for a while.");
    } else if beat.epoch < LEAVES_FOR_A_WHILE {
        return invalid("There is no such member epoch.");
    }
    let Some(name) = &beat.assignor else {
        return Ok(());
    };
    let known = config.consumer_assignors.iter();
    let names: Vec<&str> = known.map(|assignor| assignor.name()).collect();
    match Assignor::parse(name).is_some_and(|it| config.consumer_assignors.contains(&it)) {
        true => Ok(()),
        false => {
            let why = format!(
                "There is no assignor {name} here, but {}.",
                names.join(", ")
            );
            Err(Refusal::new(ErrorCode::UNSUPPORTED_ASSIGNOR, why))
        }
    }
}

fn consumer(kind: &Kind) -> Result<&Consumer, Refusal> {
    match kind {
        Kind::Consumer(consumer) => Ok(consumer),
        Kind::Classic(_) => Err(Refusal::new(
            ErrorCode::GROUP_ID_NOT_FOUND,
            "The group is not a consumer group.",
        )),
    }
}

fn no_such_group(group: &str) -> Refusal {
    let why = format!("There is no consumer group {group}.");
    Refusal::new(ErrorCode::GROUP_ID_NOT_FOUND, why)
}

/// Kafka's code for what the log does not take.
fn does_not_fit() -> Refusal {
    let why = "What is to be written does not fit into a batch.";
    Refusal::new(ErrorCode::UNKNOWN_SERVER_ERROR, why)
}

fn encoded(group: &str, entries: &[ConsumerEntry]) -> Result<Vec<Record>, Refusal> {
    records::consumer(group, entries).ok_or_else(does_not_fit)
}

/// A setting of the group in ms, or else the broker's.
fn group_ms(image: &Image, group: &str, key: &str, otherwise: i32) -> i32 {
    let resource = Resource {
        kind: Resource::GROUP,
        name: group.to_string(),
    };
    let set = image.config_value(&resource, key);
    let set = set.and_then(|value| value.trim().parse().ok());
    set.filter(|ms| *ms > 0).unwrap_or(otherwise)
}
