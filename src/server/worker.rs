//! One shard with its connections: the machine that an event loop drives.
//!
//! Events come in through [`Worker::handle`]; operations and mail go out through the [`Outbox`].
//! Between the two, everything that can be settled on this shard is settled: frames become requests,
//! requests ask, local asks are answered, answers become replies. The order is fixed, so a worker is
//! a function of its events.
//!
//! Asks to other shards are paid for with credit ([`limits::MAIL_CREDIT`] per shard, given back by
//! their answers), but for those that wait for other clients ([`Ask::waits_for_clients`]). What cannot
//! be paid waits here, bounded by the requests that connections may have in flight.

use super::complaints::Complaints;
use super::labour::Labour;
use crate::api::{
    self, Asks, Context, Fetch, Identity, MetadataCache, Pending, Produce, Progress, Session,
    Spares, WatchAsk,
};
use crate::config::{BrokerConfig, FetchColdMode};
use crate::group::{Bookmark, StandingPage};
use crate::io::{Completion, Operation, Outcome, Socket, Token};
use crate::limits;
use crate::metrics::{Meter, Report, Requests, Traffic};
use crate::net::{
    Budget, ColdMode, Connection, ConnectionSettings, Disconnect, Frame, Pool, Reply, Reservation,
    SlotId, Turn,
};
use crate::shard::{
    Answer, Ask, InspectAsk, Inspected, Mail, Outbox, ReturnTo, Shard, StopStep, TimePart,
};
use crate::store::TaskOutcome;
use crate::types::{Now, Places, Prefetch, ShardId, Timestamp};
use crate::wire::{ApiKey, ErrorCode, Refusal};
use crossbeam_channel::Sender;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// How long a clean stop waits for clients to take what they are owed.
const DRAIN_US_MAX: u64 = 10_000_000;

/// In place of the drain's end once that has come: what is still open is closing.
const DRAIN_IS_OVER: u64 = u64::MAX;

/// How long accepting pauses when the process has no descriptors left.
const ACCEPT_PAUSE_US: u64 = 100_000;

/// When records were written, by their place in the question; nothing where that cannot be told.
pub type Times = Vec<(u32, Option<Timestamp>)>;

/// What happens to a worker.
#[derive(Debug)]
pub enum Event {
    /// An operation of its shard ended.
    Completion(Completion<TaskOutcome>),
    /// A message from another shard.
    Mail(ShardId, Mail),
    /// The time that it named has come.
    Timeout,
    /// The broker is to stop; told to shard 0.
    Stop,
    /// Somebody watches the broker.
    Report(Sender<Report>),
    /// Somebody wants to know how far groups have come, from that place on.
    Standings(Option<Bookmark>, Sender<StandingPage>),
    /// Somebody wants to know when records were written.
    Times(Vec<TimePart>, Sender<Times>),
}

/// What a handler is given: the worker's fields one by one, because the connection is borrowed beside
/// them.
macro_rules! context_of {
    ($worker:ident, $now:ident, $live:ident, $asks:ident) => {
        Context {
            now: $now,
            image: $worker.shard.image(),
            config: $worker.shard.config(),
            identity: &$worker.identity,
            session: &mut $live.session,
            shards: $worker.shards,
            metadata_cache: &mut $worker.metadata_cache,
            spare_fetches: &mut $worker.spare_fetches,
            spare_produces: &mut $worker.spare_produces,
            slowness: $worker.labour.slowness(),
            metrics: &mut $worker.metrics,
            pool: &mut $worker.pool,
            asks: &mut $asks,
        }
    };
}

/// One shard with its connections.
pub struct Worker {
    shard: Shard,
    config: Arc<BrokerConfig>,
    identity: Arc<Identity>,
    shards: u16,
    random: u64,
    listeners: Vec<Option<Socket>>,
    accept_again_us: Option<u64>,
    /// Listeners that accept again then.
    paused: Vec<usize>,
    door: Door,
    connections: FxHashMap<u64, Live>,
    next_connection: u64,
    pool: Pool,
    budget: Budget,
    metrics: Requests,
    complaints: Complaints,
    labour: Labour,
    metadata_cache: MetadataCache,
    spare_fetches: Spares<Fetch>,
    spare_produces: Spares<Produce>,
    /// When the events of this round were there.
    came_us: u64,
    /// Requests that wait, by their tickets: a request has one from its beginning to its end.
    pending: Places<Request>,
    /// By ticket: requests whose connection ended while shards hold pieces of their frames.
    orphans: BTreeMap<u64, Lent>,
    /// By ticket: who has asked for times.
    times_asked: BTreeMap<u64, Sender<Times>>,
    /// The next of `times_asked`.
    next_ticket: u64,
    deadlines: BTreeSet<(u64, u64)>,
    timers: BTreeSet<(u64, u64)>,
    frames: Vec<Frame>,
    /// Connections with answers that have not been given to the socket.
    answered: Vec<u64>,
    remote: Vec<(ShardId, Mail)>,
    credit: Vec<usize>,
    unpaid: Vec<VecDeque<Mail>>,
    /// The stop has begun, here on shard 0.
    stop_asked: bool,
    draining: Option<u64>,
    drained: bool,
}

/// A connection and what belongs to it.
struct Live {
    connection: Connection,
    session: Session,
    /// Requests that wait; few, and most often the first of them ends.
    tickets: SmallVec<[u64; 4]>,
    timer: Option<u64>,
    /// It stands among those with answers.
    is_answered: bool,
}

/// A request that waits for answers.
struct Request {
    connection: u64,
    slot: SlotId,
    pending: Pending,
    lent: Option<Lent>,
}

/// The bytes of a request whose pieces other shards hold.
struct Lent {
    reservation: Reservation,
    /// Answers that are missing.
    answers: usize,
}

/// Who is in: kept by shard 0, which accepts.
struct Door {
    per_shard: Vec<u32>,
    per_address: BTreeMap<IpAddr, u32>,
}

impl Worker {
    /// A worker around a shard. `listeners` are given to shard 0 only; `seed` is its randomness.
    pub fn new(
        shard: Shard,
        config: Arc<BrokerConfig>,
        identity: Arc<Identity>,
        listeners: Vec<Socket>,
        seed: u64,
    ) -> Worker {
        let shards = config.shards;
        let budget_bytes = request_budget_bytes(&config);
        Worker {
            shard,
            shards,
            random: seed,
            listeners: listeners.into_iter().map(Some).collect(),
            accept_again_us: None,
            paused: Vec::new(),
            door: Door {
                per_shard: vec![0; shards.into()],
                per_address: BTreeMap::new(),
            },
            connections: FxHashMap::default(),
            next_connection: 0,
            pool: Pool::new(limits::POOL_PIECES_KEPT),
            budget: Budget::new(budget_bytes),
            metrics: Requests::default(),
            complaints: Complaints::default(),
            labour: Labour::default(),
            metadata_cache: MetadataCache::default(),
            spare_fetches: Spares::default(),
            spare_produces: Spares::default(),
            came_us: 0,
            pending: Places::default(),
            orphans: BTreeMap::new(),
            times_asked: BTreeMap::new(),
            next_ticket: 0,
            deadlines: BTreeSet::new(),
            timers: BTreeSet::new(),
            frames: Vec::new(),
            answered: Vec::new(),
            remote: Vec::new(),
            credit: vec![limits::MAIL_CREDIT; shards.into()],
            unpaid: (0..shards).map(|_| VecDeque::new()).collect(),
            stop_asked: false,
            draining: None,
            drained: false,
            config,
            identity,
        }
    }

    /// What it tells whoever watches the broker.
    fn report(&mut self, now: Now) -> Report {
        let image = self.shard.image();
        let name = |id| Some(image.topic_by_id(id)?.name.clone());
        let (bytes_out, bytes_out_gone) = self.metrics.bytes_out_by_topic(name);
        let mut connections = vec![0; self.identity.advertised.len()];
        let mut fetch_sessions = 0;
        for live in self.connections.values() {
            connections[live.session.listener] += 1;
            fetch_sessions += u64::from(live.session.fetch_session.is_some());
        }
        let waiting = |is: fn(&Pending) -> bool| {
            let pending = self.pending.iter();
            pending.filter(|(_, request)| is(&request.pending)).count() as u64
        };
        let mut rows = self.metrics.rows();
        rows.extend(self.shard.stages());
        let mut report = Report {
            shard: self.shard.id(),
            at_us: now.monotonic_us,
            counters: self.metrics.counters,
            connections,
            produces_waiting: waiting(|it| matches!(it, Pending::Produce(_))),
            fetches_waiting: waiting(|it| matches!(it, Pending::Fetch(_))),
            fetch_sessions,
            rows,
            apis: self.metrics.apis(),
            topics: BTreeMap::new(),
            gone: Traffic {
                bytes_out: bytes_out_gone,
                ..Traffic::default()
            },
            logs: Vec::new(),
            cluster: None,
        };
        for (topic, bytes) in bytes_out {
            report.topics.entry(topic).or_default().bytes_out += bytes;
        }
        self.shard.report(&mut report);
        report
    }

    /// The id of the cluster that it serves.
    pub fn cluster_id(&self) -> Arc<str> {
        self.identity.cluster_id.clone()
    }

    /// This worker's shard.
    pub fn shard(&self) -> ShardId {
        self.shard.id()
    }

    /// Begins to accept.
    pub fn start(&mut self, now: Now, out: &mut Outbox) {
        for index in 0..self.listeners.len() {
            self.accept(index, out);
        }
        self.settle(now, out);
    }

    /// When it wants [`Event::Timeout`], microseconds on the monotonic clock.
    pub fn poll_timeout(&self) -> Option<u64> {
        let first = |set: &BTreeSet<(u64, u64)>| set.first().map(|(at, _)| *at);
        [
            first(&self.deadlines),
            first(&self.timers),
            self.accept_again_us,
            self.draining.filter(|at| *at != DRAIN_IS_OVER),
            self.shard.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Why the broker stops by itself, if it does. Known to shard 0.
    pub fn failure(&self) -> Option<&str> {
        self.shard.failure()
    }

    /// Whether the clean stop is complete.
    pub fn is_stopped(&self) -> bool {
        self.shard.has_ended()
    }

    /// The event loop has worked for so long, microseconds, since it last said so.
    pub fn worked(&mut self, us: u64) {
        self.labour.worked(us);
        self.metrics.counters.worked_us += us;
    }

    /// Has what is about to be needed brought into the processor's caches by that.
    pub fn prefetch_with(&mut self, prefetch: Prefetch) {
        self.shard.prefetch_with(prefetch);
    }

    /// Has checks of record sets timed with that clock, which tells nanoseconds.
    pub fn measure_with(&mut self, clock: fn() -> u64) {
        self.shard.measure_with(clock);
    }

    /// The events that follow were there at `now`, however long each of them waits for those before it.
    pub fn begin_round(&mut self, now: Now) {
        self.came_us = now.monotonic_us;
    }

    /// Takes one event. What earlier events of the same round left in the outbox stays there.
    pub fn handle(&mut self, now: Now, event: Event, out: &mut Outbox) {
        self.keep_routed(out);
        match event {
            Event::Completion(completion) => self.handle_completion(now, completion, out),
            Event::Mail(from, mail) => self.handle_mail(now, from, mail, out),
            Event::Timeout => self.handle_timeout(now, out),
            Event::Stop => self.stop(out),
            Event::Report(to) => {
                // Who asked may have lost patience.
                let _ = to.send(self.report(now));
            }
            Event::Standings(from, to) => {
                let _ = to.send(self.shard.group_standings(now, from));
            }
            Event::Times(parts, to) => self.ask_times(parts, to, out),
        }
        self.settle(now, out);
    }

    /// What earlier events left for other shards has been routed, and paid for: once is enough.
    fn keep_routed(&mut self, out: &mut Outbox) {
        if !out.mail.is_empty() {
            self.remote.extend(out.mail.drain(..));
        }
    }

    /// Has the answers leave that events have brought: those of one connection together.
    pub fn send_answers(&mut self, now: Now, out: &mut Outbox) {
        while !self.answered.is_empty() {
            self.keep_routed(out);
            let mut answered = std::mem::take(&mut self.answered);
            for id in answered.drain(..) {
                if let Some(live) = self.connections.get_mut(&id) {
                    live.is_answered = false;
                }
                self.with_connection(now, id, out, |connection, turn| connection.proceed(turn));
            }
            answered.append(&mut self.answered);
            self.answered = answered;
            self.settle(now, out);
        }
    }

    /// A round of events has been dealt with: to be called before what is in the outbox is submitted.
    pub fn end_round(&mut self, now: Now, out: &mut Outbox) {
        self.send_answers(now, out);
        self.shard.end_round(now, out);
    }

    /// Whether [`Worker::drive`] would find something to do.
    pub fn wants_drive(&self) -> bool {
        self.shard.wants_drive()
    }

    /// Whether so much waits to be appended that waiting for the end of the round brings nothing more.
    pub fn is_worth_a_write(&self) -> bool {
        self.shard.is_worth_a_write()
    }

    /// Begins the appends that have gathered.
    pub fn drive(&mut self, now: Now, out: &mut Outbox) {
        self.shard.drive(now, out);
    }

    /// Has the shard look up times; the answer goes to `to`.
    fn ask_times(&mut self, parts: Vec<TimePart>, to: Sender<Times>, out: &mut Outbox) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.times_asked.insert(ticket, to);
        let shard = self.shard.id();
        let from = ReturnTo { shard, ticket };
        let ask = Ask::Inspect(InspectAsk::Times(parts));
        out.mail.push_back((shard, Mail::Ask { from, ask }));
    }

    /// Has all shards begin the clean stop.
    fn stop(&mut self, out: &mut Outbox) {
        self.stop_asked = true;
        for shard in 0..self.shards {
            let drain = Mail::Stop(StopStep::Drain);
            out.mail.push_back((ShardId(shard), drain));
        }
    }

    fn handle_completion(
        &mut self,
        now: Now,
        completion: Completion<TaskOutcome>,
        out: &mut Outbox,
    ) {
        match completion.token {
            Token::Listener(index) => match completion.outcome {
                Outcome::Accepted(result) => self.accepted(now, index as usize, result, out),
                // The listener was shut down for the clean stop.
                Outcome::ShutDown => {}
                outcome => unreachable!("a listener does not end with {outcome:?}"),
            },
            Token::Connection(id) => {
                self.with_connection(now, id, out, |connection, turn| {
                    connection.handle(completion.outcome, turn);
                });
            }
            Token::Partition { .. } | Token::Ticket(_) => {
                self.shard.handle_completion(now, completion, out);
            }
        }
    }

    fn handle_mail(&mut self, now: Now, from: ShardId, mail: Mail, out: &mut Outbox) {
        if let Mail::Answer { answer, .. } = &mail
            && from != self.shard.id()
            && !answer.waited_for_clients()
        {
            self.credit[from.0 as usize] += 1;
            self.send_unpaid(from);
        }
        match mail {
            Mail::Connection {
                socket,
                peer,
                listener,
            } => {
                self.welcome(now, socket, peer, listener, out);
            }
            Mail::Left { address } => self.door.left(from, address),
            Mail::Stop(StopStep::Drain) => {
                self.shard.give_all_groups_up(out);
                self.drain(now, out);
            }
            Mail::Answer {
                ticket,
                answer: Answer::Inspected(Inspected::Times(times)),
            } => {
                if let Some(to) = self.times_asked.remove(&ticket) {
                    let _ = to.send(times);
                }
            }
            Mail::Answer { ticket, answer } if !matches!(answer, Answer::Installed) => {
                self.resume(now, ticket, api::Event::Answer(answer), out);
            }
            Mail::Moved { ticket } => self.resume(now, ticket, api::Event::Moved, out),
            mail => self.shard.handle_mail(now, mail, out),
        }
    }

    fn handle_timeout(&mut self, now: Now, out: &mut Outbox) {
        while let Some((_, ticket)) = pop_due(&mut self.deadlines, now) {
            self.resume(now, ticket, api::Event::Timeout, out);
        }
        while let Some((_, id)) = pop_due(&mut self.timers, now) {
            if let Some(live) = self.connections.get_mut(&id) {
                live.timer = None;
            }
            self.with_connection(now, id, out, |connection, turn| {
                connection.handle_timeout(turn)
            });
        }
        if self
            .accept_again_us
            .is_some_and(|at| at <= now.monotonic_us)
        {
            self.accept_again_us = None;
            for index in std::mem::take(&mut self.paused) {
                self.accept(index, out);
            }
        }
        if self.draining.is_some_and(|at| at <= now.monotonic_us) {
            self.draining = Some(DRAIN_IS_OVER);
            for id in sorted(&self.connections) {
                self.with_connection(now, id, out, |connection, turn| {
                    connection.close(Disconnect::Drained, turn);
                });
            }
        }
        self.shard.handle_timeout(now, out);
    }

    /// Does all that can be done without another event; what is left in the outbox is for others.
    ///
    /// Most events leave nothing to do, and what does it has a large frame to set up: one is looked for first.
    #[inline]
    fn settle(&mut self, now: Now, out: &mut Outbox) {
        let is_settled = out.mail.is_empty()
            && self.frames.is_empty()
            && self.remote.is_empty()
            && self.budget.waiting() == 0
            && self.shard.failure().is_none()
            && self.draining.is_none();
        if !is_settled {
            self.settle_all(now, out);
        }
    }

    #[inline(never)]
    fn settle_all(&mut self, now: Now, out: &mut Outbox) {
        loop {
            if let Some((to, mail)) = out.mail.pop_front() {
                if to == self.shard.id() {
                    self.handle_mail(now, to, mail, out);
                } else {
                    self.route(to, mail);
                }
            } else if !self.frames.is_empty() {
                // What comes meanwhile stands behind them.
                let mut frames = std::mem::take(&mut self.frames);
                for frame in frames.drain(..) {
                    self.begin(now, frame, out);
                }
                frames.append(&mut self.frames);
                self.frames = frames;
            } else if let Some(id) = self.budget.next_admitted() {
                self.with_connection(now, id, out, |connection, turn| {
                    connection.handle_admitted(turn);
                });
            } else if self.shard.failure().is_some() && !self.stop_asked {
                self.stop(out);
            } else if self.draining.is_some() && !self.drained && self.connections.is_empty() {
                self.drained = true;
                // Whoever asked is gone; and who has heard that all are drained closes its logs.
                self.unpaid.iter_mut().for_each(VecDeque::clear);
                self.shard.drained(out);
            } else {
                break;
            }
        }
        if !self.remote.is_empty() {
            out.mail.extend(self.remote.drain(..));
        }
    }

    /// Mail to another shard: an ask is paid for, or waits until it can be, and what is asked of that
    /// shard behind it with it.
    fn route(&mut self, to: ShardId, mail: Mail) {
        if let Mail::Ask { ask, .. } = &mail
            && !(self.unpaid[to.0 as usize].is_empty() && self.pays(to, ask))
        {
            self.unpaid[to.0 as usize].push_back(mail);
            return;
        }
        self.remote.push((to, mail));
    }

    /// Pays for an ask, if there is credit for it.
    fn pays(&mut self, to: ShardId, ask: &Ask) -> bool {
        let cost = usize::from(!ask.waits_for_clients());
        let left = self.credit[to.0 as usize].checked_sub(cost);
        self.credit[to.0 as usize] = left.unwrap_or(0);
        left.is_some()
    }

    /// Sends what can be paid of what waits.
    fn send_unpaid(&mut self, to: ShardId) {
        while let Some(mail) = self.unpaid[to.0 as usize].pop_front() {
            if let Mail::Ask { ask, .. } = &mail
                && !self.pays(to, ask)
            {
                self.unpaid[to.0 as usize].push_front(mail);
                break;
            }
            self.remote.push((to, mail));
        }
    }

    // -- requests

    fn begin(&mut self, now: Now, frame: Frame, out: &mut Outbox) {
        let Frame {
            connection: id,
            slot,
            pieces,
            came_us,
        } = frame;
        let mut asks = Asks::default();
        let Some(live) = self.connections.get_mut(&id) else {
            return;
        };
        // What came behind a refused request is dropped with it.
        if !live.connection.awaits(slot) {
            return;
        }
        self.labour.expect(pieces.len() as u64);
        let ticket = self.pending.open();
        let mut context = context_of!(self, now, live, asks);
        let (api, progress) = api::begin(&mut context, pieces);
        let meter = match api {
            Some((key, version)) => self.metrics.begun(key.0, version, came_us, now),
            None => Meter::default(),
        };
        let waits = matches!(progress, Progress::Wait(_));
        let reservation = live.connection.begun(slot, meter, waits);
        let lent = match (&progress, reservation) {
            (Progress::Wait(pending), Some(reservation)) if pending.lends_pieces() => Some(Lent {
                reservation,
                answers: asks.asks.len(),
            }),
            (_, Some(reservation)) => {
                self.budget.release(reservation);
                None
            }
            (_, None) => None,
        };
        if let Some(until_us) = live.session.held_until_us.take() {
            live.connection.hold_back(until_us);
            self.metrics.held_back(meter, until_us - now.monotonic_us);
        }
        self.send_asks(now, ticket, &mut asks, out);
        let Progress::Wait(pending) = progress else {
            return self.go_on(now, (ticket, id, slot), lent, progress, out);
        };
        match self.answered_at_once(ticket, out) {
            // Then it need not stand among those that wait: most fetches never do.
            Some(answer) => {
                let event = api::Event::Answer(answer);
                self.tell(now, (ticket, id, slot), pending, lent, event, out);
            }
            None => self.wait((ticket, id, slot), pending, lent),
        }
    }

    /// Gives a waiting request what it waited for. One that is gone does not mind.
    fn resume(&mut self, now: Now, ticket: u64, event: api::Event, out: &mut Outbox) {
        let Some(request) = self.pending.take(ticket) else {
            return self.answered_orphan(ticket, &event);
        };
        let Request {
            connection: id,
            slot,
            pending,
            lent,
        } = request;
        if let Some(deadline) = pending.deadline_us() {
            self.deadlines.remove(&(deadline, ticket));
        }
        self.tell(now, (ticket, id, slot), pending, lent, event, out);
    }

    /// Tells a request what it waited for; it waits no longer, until it asks for more. Inlined: a call would move
    /// the request and the answer once more.
    #[inline(always)]
    fn tell(
        &mut self,
        now: Now,
        (ticket, id, slot): (u64, u64, SlotId),
        pending: Pending,
        mut lent: Option<Lent>,
        event: api::Event,
        out: &mut Outbox,
    ) {
        if let (Some(lent), api::Event::Answer(_)) = (&mut lent, &event) {
            lent.answers -= 1;
        }
        let mut asks = Asks::default();
        let live = self
            .connections
            .get_mut(&id)
            .expect("requests end with their connection");
        // What is answered at once is not in the list.
        if let Some(at) = live.tickets.iter().position(|it| *it == ticket) {
            live.tickets.remove(at);
        }
        let mut context = context_of!(self, now, live, asks);
        let progress = pending.handle(&mut context, event);
        if let Some(lent) = &mut lent {
            lent.answers += asks.asks.len();
        }
        if let Some(until_us) = live.session.held_until_us.take() {
            live.connection.hold_back(until_us);
            let meter = live.connection.meter(slot);
            self.metrics.held_back(meter, until_us - now.monotonic_us);
        }
        // Most requests wait once.
        if !asks.is_empty() {
            self.send_asks(now, ticket, &mut asks, out);
        }
        self.go_on(now, (ticket, id, slot), lent, progress, out);
    }

    /// The answer to what was asked for that request just now, if this shard had it at hand.
    fn answered_at_once(&self, ticket: u64, out: &mut Outbox) -> Option<Answer> {
        let own = self.shard.id();
        let is_answer = |(to, mail): &mut (ShardId, Mail)| match mail {
            // For the controller, by a ticket that is no request's.
            Mail::Answer {
                answer: Answer::Installed,
                ..
            } => false,
            Mail::Answer { ticket: of, .. } => *of == ticket && *to == own,
            _ => false,
        };
        match out.mail.pop_front_if(is_answer) {
            Some((_, Mail::Answer { answer, .. })) => Some(answer),
            _ => None,
        }
    }

    fn answered_orphan(&mut self, ticket: u64, event: &api::Event) {
        if let Some(lent) = self.orphans.get_mut(&ticket)
            && matches!(event, api::Event::Answer(_))
        {
            lent.answers -= 1;
            if lent.answers == 0 {
                let lent = self.orphans.remove(&ticket).expect("just seen");
                self.budget.release(lent.reservation);
            }
        }
    }

    fn go_on(
        &mut self,
        now: Now,
        (ticket, id, slot): (u64, u64, SlotId),
        lent: Option<Lent>,
        progress: Progress,
        out: &mut Outbox,
    ) {
        let lent = match progress {
            Progress::Wait(_) => lent,
            _ => {
                self.pending.close(ticket);
                if let Some(lent) = lent {
                    self.budget.release(lent.reservation);
                }
                None
            }
        };
        match progress {
            Progress::Wait(pending) => self.wait((ticket, id, slot), pending, lent),
            Progress::Reply(mut reply) => {
                self.labour.answered(reply.len());
                if let Some(refusal) = reply.refusal.take() {
                    self.refused(now, id, &refusal);
                }
                self.answer(now, id, slot, reply);
            }
            Progress::NoReply => self.answer(now, id, slot, Reply::default()),
            Progress::Disconnect(why) => {
                self.with_connection(now, id, out, |it, turn| {
                    it.refuse(slot, Disconnect::Refused(why), turn);
                });
            }
        }
    }

    /// Puts a request among those that wait.
    fn wait(
        &mut self,
        (ticket, id, slot): (u64, u64, SlotId),
        pending: Pending,
        lent: Option<Lent>,
    ) {
        if let Some(deadline) = pending.deadline_us() {
            self.deadlines.insert((deadline, ticket));
        }
        let request = Request {
            connection: id,
            slot,
            pending,
            lent,
        };
        self.pending.put(ticket, request);
        if let Some(live) = self.connections.get_mut(&id) {
            live.tickets.push(ticket);
        }
    }

    /// The answer leaves with others of its connection: [`Worker::send_answers`].
    fn answer(&mut self, now: Now, id: u64, slot: SlotId, reply: Reply) {
        let Some(live) = self.connections.get_mut(&id) else {
            return;
        };
        live.connection
            .reply(slot, reply, now, &mut self.metrics, &mut self.budget);
        if !std::mem::replace(&mut live.is_answered, true) {
            self.answered.push(id);
        }
    }

    /// A client is told that something is wrong: so is who reads the log, once.
    fn refused(&mut self, now: Now, connection: u64, refusal: &Refusal) {
        let Some(live) = self.connections.get(&connection) else {
            return;
        };
        let (api, code) = (refusal.api, refusal.code);
        self.metrics.refused(api.0, code.0);
        let client = live.session.client_id.as_deref();
        // With that refusal a newer client learns which version to ask with (KIP-511).
        let negotiates = api == ApiKey::API_VERSIONS && code == ErrorCode::UNSUPPORTED_VERSION;
        if negotiates || code.is_ordinary() || !self.complaints.is_news(now, client, api, code) {
            return;
        }
        if self.complaints.may_say(now) {
            let peer = live.connection.peer();
            tracing::warn!(
                %peer,
                client = client.unwrap_or(""),
                "{} refused: {}: {}{}",
                api.name(),
                code.name(),
                code.message(),
                refusal.details(),
            );
        }
    }

    fn send_asks(&mut self, now: Now, ticket: u64, asks: &mut Asks, out: &mut Outbox) {
        let from = ReturnTo {
            shard: self.shard.id(),
            ticket,
        };
        for to in asks.unwatches.drain(..) {
            out.mail.push_back((to, Mail::Unwatch { from }));
        }
        for (to, ask) in asks.asks.drain(..) {
            let mail = Mail::Ask { from, ask };
            // Behind nobody, it need not stand in line.
            match to == from.shard && out.mail.is_empty() {
                true => self.shard.handle_mail(now, mail, out),
                false => out.mail.push_back((to, mail)),
            }
        }
        for WatchAsk { shard, seen, bytes } in asks.watches.drain(..) {
            out.mail
                .push_back((shard, Mail::Watch { from, seen, bytes }));
        }
    }

    // -- connections

    fn accept(&mut self, index: usize, out: &mut Outbox) {
        if let Some(listener) = &self.listeners[index] {
            let operation = Operation::Accept {
                listener: listener.clone(),
            };
            out.operations
                .push((Token::Listener(index as u32), operation));
        }
    }

    fn accepted(
        &mut self,
        now: Now,
        index: usize,
        result: io::Result<(Socket, SocketAddr)>,
        out: &mut Outbox,
    ) {
        if self.draining.is_some() {
            self.listeners[index] = None;
            return;
        }
        match result {
            Ok((socket, peer)) => {
                match self.door.enter(peer.ip(), self.shard.config()) {
                    Ok(to) => {
                        let mail = Mail::Connection {
                            socket,
                            peer,
                            listener: index,
                        };
                        out.mail.push_back((to, mail));
                    }
                    // Dropping the socket closes it, which is what Kafka does.
                    Err(why) if self.complaints.may_say(now) => {
                        tracing::warn!(%peer, "connection refused: {why}");
                    }
                    Err(_) => {}
                }
                self.accept(index, out);
            }
            Err(error) => {
                tracing::warn!(
                    "accepting pauses for {} ms: {error}",
                    ACCEPT_PAUSE_US / 1000
                );
                self.paused.push(index);
                self.accept_again_us = Some(now.monotonic_us + ACCEPT_PAUSE_US);
            }
        }
    }

    fn welcome(
        &mut self,
        now: Now,
        socket: Socket,
        peer: SocketAddr,
        listener: usize,
        out: &mut Outbox,
    ) {
        let id = self.next_connection;
        self.next_connection += 1;
        let settings = ConnectionSettings {
            request_bytes_max: self.config.socket_request_bytes_max as usize,
            idle_us: self
                .config
                .connections_idle_ms_max
                .map(|ms| ms.saturating_mul(1000)),
            cold_mode: match self.config.fetch_cold_mode {
                FetchColdMode::Read => ColdMode::Read,
                FetchColdMode::Splice => ColdMode::Splice,
            },
        };
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let session = Session::new(listener, peer.ip(), (self.random >> 32) as i32);
        let connection = Connection::new(id, socket, peer, settings, now);
        let live = Live {
            connection,
            session,
            tickets: SmallVec::new(),
            timer: None,
            is_answered: false,
        };
        self.metrics.counters.connections_opened += 1;
        self.connections.insert(id, live);
        self.with_connection(now, id, out, |connection, turn| connection.start(turn));
        if self.draining.is_some() {
            self.with_connection(now, id, out, |connection, turn| {
                connection.close(Disconnect::Drained, turn);
            });
        }
    }

    /// Lends a connection what it works with, then sees to its timer and its end.
    fn with_connection(
        &mut self,
        now: Now,
        id: u64,
        out: &mut Outbox,
        act: impl FnOnce(&mut Connection, &mut Turn<'_, crate::store::Task>),
    ) {
        let Some(live) = self.connections.get_mut(&id) else {
            return;
        };
        let mut turn = Turn {
            now,
            came_us: self.came_us,
            pool: &mut self.pool,
            budget: &mut self.budget,
            metrics: &mut self.metrics,
            operations: &mut out.operations,
            frames: &mut self.frames,
        };
        act(&mut live.connection, &mut turn);
        if live.connection.is_finished() {
            self.finish(now, id, out);
            return;
        }
        // A timer that comes too early finds nothing due and is set again: only a later-than-wanted
        // one has to be moved.
        if let Some(wanted) = live.connection.poll_timeout()
            && live.timer.is_none_or(|set| wanted < set)
        {
            if let Some(set) = live.timer.replace(wanted) {
                self.timers.remove(&(set, id));
            }
            self.timers.insert((wanted, id));
        }
    }

    fn finish(&mut self, now: Now, id: u64, out: &mut Outbox) {
        let mut live = self.connections.remove(&id).expect("it has just been used");
        self.metrics.counters.connections_closed += 1;
        if let Some(timer) = live.timer {
            self.timers.remove(&(timer, id));
        }
        for ticket in std::mem::take(&mut live.tickets) {
            let request = self
                .pending
                .remove(ticket)
                .expect("its requests are pending");
            if let Some(deadline) = request.pending.deadline_us() {
                self.deadlines.remove(&(deadline, ticket));
            }
            if let Some(lent) = request.lent {
                self.orphans.insert(ticket, lent);
            }
            let mut asks = Asks::default();
            let mut context = context_of!(self, now, live, asks);
            request.pending.abandon(&mut context);
            self.send_asks(now, ticket, &mut asks, out);
        }
        let peer = live.connection.peer();
        out.mail
            .push_back((ShardId(0), Mail::Left { address: peer.ip() }));
        if let Some(why) = live.connection.disconnect() {
            let client = live.session.client_id.as_deref().unwrap_or("");
            if why.is_ordinary() {
                tracing::debug!(%peer, client, "connection ended: {why}");
            } else if self.complaints.may_say(now) {
                tracing::warn!(%peer, client, "connection ended: {why}");
            }
        }
    }

    // -- stop

    fn drain(&mut self, now: Now, out: &mut Outbox) {
        if self.draining.is_some() {
            return;
        }
        self.draining = Some(now.monotonic_us + DRAIN_US_MAX);
        self.accept_again_us = None;
        for (index, listener) in self.listeners.iter().enumerate() {
            if let Some(socket) = listener.clone() {
                let token = Token::Listener(index as u32);
                out.operations.push((token, Operation::Shutdown { socket }));
            }
        }
        // Long polls are answered with what there is.
        let waiting: Vec<u64> = self.pending.iter().map(|(ticket, _)| ticket).collect();
        for ticket in waiting {
            self.resume(now, ticket, api::Event::Timeout, out);
        }
        for id in sorted(&self.connections) {
            self.with_connection(now, id, out, |connection, turn| {
                connection.drain(Disconnect::Drained, turn);
            });
        }
    }
}

impl Door {
    /// Lets a connection in and names the shard with the fewest.
    fn enter(&mut self, address: IpAddr, config: &BrokerConfig) -> Result<ShardId, String> {
        let all: u64 = self.per_shard.iter().map(|count| u64::from(*count)).sum();
        if all >= u64::from(config.connections_max) {
            return Err(format!("max.connections={} are in", config.connections_max));
        }
        let from_here = self.per_address.get(&address).copied().unwrap_or(0);
        let most = config
            .connections_per_ip_overrides
            .get(&address)
            .copied()
            .unwrap_or(config.connections_per_ip_max);
        if from_here >= most {
            return Err(format!(
                "max.connections.per.ip={most} are in from {address}"
            ));
        }
        *self.per_address.entry(address).or_default() += 1;
        let shards = self.per_shard.iter_mut().enumerate();
        let (shard, count) = shards
            .min_by_key(|(_, count)| **count)
            .expect("a shard exists");
        *count += 1;
        Ok(ShardId(shard as u16))
    }

    fn left(&mut self, shard: ShardId, address: IpAddr) {
        self.per_shard[shard.0 as usize] -= 1;
        let from_here = self
            .per_address
            .get_mut(&address)
            .expect("it was counted in");
        *from_here -= 1;
        if *from_here == 0 {
            self.per_address.remove(&address);
        }
    }
}

/// The bytes of requests that a shard holds at once: `queued.max.request.bytes` divided among the
/// shards, and room for at least the largest request.
fn request_budget_bytes(config: &BrokerConfig) -> usize {
    let all = config
        .queued_request_bytes_max
        .unwrap_or(limits::REQUEST_BUDGET_BYTES as u64);
    let share = (all / u64::from(config.shards)) as usize;
    share.max(config.socket_request_bytes_max as usize)
}

/// The numbers of a map in the order in which they were given.
fn sorted<V>(map: &FxHashMap<u64, V>) -> Vec<u64> {
    let mut numbers: Vec<u64> = map.keys().copied().collect();
    numbers.sort_unstable();
    numbers
}

fn pop_due(set: &mut BTreeSet<(u64, u64)>, now: Now) -> Option<(u64, u64)> {
    match set.first() {
        Some((at, _)) if *at <= now.monotonic_us => set.pop_first(),
        _ => None,
    }
}
