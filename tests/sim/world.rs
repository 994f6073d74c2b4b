//! The simulated machine: a clock, one queue of what will happen, the shards of a broker, and the
//! actors that use it.
//!
//! Nothing happens but through the queue, which is ordered by time and, within a microsecond, by the
//! order of scheduling. So a seed decides everything: what differs between two runs of a seed is a
//! bug of the broker (a clock, an address, a randomly seeded map) or of this file.

use crate::disk::{Crash, SimDisk};
use crate::network::{Happening, Link, Network, Told};
use crate::pipes::Pipes;
use crate::random::Random;
use crate::trace::{Trace, digest, digest_parts};
use crate::weather::Weather;
use millstream::io::{
    Completion, Disk, FileRange, Operation, Outcome, Patience, Pipe, Socket, Task, Token,
};
use millstream::limits::{COLD_READ_BYTES_MAX, IOVECS_MAX};
use millstream::types::{Now, ShardId, Timestamp};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fmt::{self, Debug};
use std::rc::Rc;
use std::sync::Arc;

/// The calendar at the start of each run, milliseconds.
const EPOCH_MS: i64 = 1_750_000_000_000;
/// Characters of a task or a message that are shown.
const ABRIDGED_CHARS: usize = 200;
/// Events within one microsecond from which on the broker is taken to be spinning.
const SPINNING_EVENTS: u64 = 50_000;

/// One shard of a broker.
pub trait Node: Sized {
    /// What it runs off the shard.
    type Task: Task;
    /// What it sends to other shards.
    type Mail: Debug;

    /// Called once.
    fn start(&mut self, now: Now, out: &mut Outbox<Self>);
    /// Something happened.
    fn handle(&mut self, now: Now, event: Event<Self>, out: &mut Outbox<Self>);
    /// When it wants a `Timeout`, on the monotonic clock.
    fn poll_timeout(&self) -> Option<u64>;
    /// Whether a `Stop` is done with.
    fn is_stopped(&self) -> bool;
}

/// What a shard wants done.
pub struct Outbox<N: Node> {
    /// Operations, in the order of submission.
    pub operations: Vec<(Token, Operation<N::Task>)>,
    /// Mail to other shards.
    pub mail: Vec<(ShardId, N::Mail)>,
}

impl<N: Node> Default for Outbox<N> {
    fn default() -> Self {
        Outbox {
            operations: Vec::new(),
            mail: Vec::new(),
        }
    }
}

/// What a shard hears.
pub enum Event<N: Node> {
    /// An operation is done.
    Completion(Completion<<N::Task as Task>::Outcome>),
    /// From another shard.
    Mail(ShardId, N::Mail),
    /// The time it asked for has come.
    Timeout,
    /// It shall stop in order.
    Stop,
}

/// Makes the shards of a broker from what is on the disk. Arguments: disk, listeners, seed, now.
pub type Boot<N> = Box<dyn FnMut(&Arc<SimDisk>, Vec<Socket>, u64, Now) -> Result<Vec<N>, String>>;

/// Who uses the broker: a client.
pub trait Actor {
    /// The network has something for it.
    fn told(&mut self, told: Told, stage: &mut Stage<'_>);
    /// A time it asked for has come; `name` is its own.
    fn timer(&mut self, name: u64, stage: &mut Stage<'_>);
}

/// What an actor can do.
pub struct Stage<'a> {
    /// The clock.
    pub now_us: u64,
    /// Chance.
    pub random: &'a mut Random,
    /// Its connections.
    pub network: &'a mut Network,
    actor: usize,
    trace: &'a Rc<RefCell<Trace>>,
    timers: Vec<(u64, u64)>,
}

impl Stage<'_> {
    /// The calendar, milliseconds.
    pub fn wall_ms(&self) -> i64 {
        wall_ms(self.now_us)
    }

    /// Opens a connection to the broker.
    pub fn connect(&mut self) -> Link {
        self.network.connect(self.actor, self.now_us)
    }

    /// Sends bytes on a connection; on one that is over they vanish.
    pub fn send(&mut self, link: Link, bytes: &[u8]) {
        self.note(format_args!(
            "{link:?} sends {} #{:x}",
            bytes.len(),
            digest(bytes)
        ));
        self.network.client_send(link, bytes, self.now_us);
    }

    /// Asks for a call of `timer(name)` after so many microseconds.
    pub fn after(&mut self, us: u64, name: u64) {
        self.timers.push((self.now_us + us, name));
    }

    /// Writes into the trace.
    pub fn note(&self, event: fmt::Arguments<'_>) {
        self.trace
            .borrow_mut()
            .note(self.now_us, format_args!("actor {}: {event}", self.actor));
    }
}

enum Due<N: Node> {
    /// An operation takes effect.
    Perform(u64),
    /// A shard hears something, if it is still of this generation.
    Deliver(u64, ShardId, Event<N>),
    /// A shard asked to be called now.
    Timer(u64, ShardId),
    /// A shard's pause is over.
    Resume(u64, ShardId),
    Network(Happening),
    ActorTimer(usize, u64),
}

struct Scheduled<N: Node> {
    at_us: u64,
    sequence: u64,
    due: Due<N>,
}

impl<N: Node> PartialEq for Scheduled<N> {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}
impl<N: Node> Eq for Scheduled<N> {}
impl<N: Node> PartialOrd for Scheduled<N> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<N: Node> Ord for Scheduled<N> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_us, self.sequence).cmp(&(other.at_us, other.sequence))
    }
}

struct Shard<N: Node> {
    node: N,
    paused: bool,
    /// What came while it was paused.
    held: VecDeque<Event<N>>,
    timer_us: Option<u64>,
}

struct InFlight<T: Task> {
    shard: ShardId,
    token: Token,
    operation: Operation<T>,
}

/// Everything.
pub struct World<N: Node> {
    now_us: u64,
    events_now: u64,
    queue: BinaryHeap<Reverse<Scheduled<N>>>,
    sequence: u64,
    random: Random,
    weather: Weather,
    trace: Rc<RefCell<Trace>>,
    /// The disk.
    pub disk: Arc<SimDisk>,
    /// The network.
    pub network: Network,
    pipes: Pipes,
    boot: Boot<N>,
    generation: u64,
    shards: Vec<Shard<N>>,
    in_flight: BTreeMap<u64, InFlight<N::Task>>,
    operations_made: u64,
    /// Accepts and polls by socket.
    waiting: BTreeMap<i32, Vec<u64>>,
    /// The latest delivery on each route of mail, microseconds.
    routes: BTreeMap<(ShardId, ShardId), u64>,
    actors: Vec<Option<Box<dyn Actor>>>,
}

impl<N: Node> World<N> {
    /// A machine with an empty disk, where nothing runs.
    pub fn new(seed: u64, weather: Weather, trace: Rc<RefCell<Trace>>, boot: Boot<N>) -> World<N> {
        let random = Random::new(seed);
        let disk = Arc::new(SimDisk::new(random.fork("disk")));
        let network = Network::new(weather.network.clone(), random.fork("network"));
        let mut world = World {
            now_us: 1_000_000,
            events_now: 0,
            queue: BinaryHeap::new(),
            sequence: 0,
            random: random.fork("world"),
            weather: weather.clone(),
            trace,
            disk,
            network,
            pipes: Pipes::default(),
            boot,
            generation: 0,
            shards: Vec::new(),
            in_flight: BTreeMap::new(),
            operations_made: 0,
            waiting: BTreeMap::new(),
            routes: BTreeMap::new(),
            actors: Vec::new(),
        };
        world.set_weather(weather);
        world
    }

    /// The clock, microseconds.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Changes delays and faults.
    pub fn set_weather(&mut self, weather: Weather) {
        self.disk.set_weather(weather.disk.clone());
        self.network.set_weather(weather.network.clone());
        self.weather = weather;
    }

    /// Adds an actor; its timer 0 comes at `first_us`.
    pub fn add_actor(&mut self, actor: Box<dyn Actor>, first_us: u64) {
        self.actors.push(Some(actor));
        let id = self.actors.len() - 1;
        self.schedule(first_us, Due::ActorTimer(id, 0));
    }

    /// Whether a broker runs.
    pub fn is_up(&self) -> bool {
        !self.shards.is_empty()
    }

    /// Starts the broker from the disk. With `dies_after`, the machine dies at that call of the disk.
    pub fn boot(&mut self, dies_after: Option<u64>) -> Result<(), String> {
        assert!(!self.is_up(), "one broker at a time");
        self.generation += 1;
        self.set_disk_clock();
        let listener = self.network.listen();
        let seed = self.random.next();
        let now = self.now();
        if let Some(calls) = dies_after {
            self.disk.die_after(calls);
        }
        let result = (self.boot)(&self.disk, vec![listener], seed, now);
        self.network.close_dropped(self.now_us);
        let said = match &result {
            Ok(nodes) => format!("{} shards", nodes.len()),
            Err(error) => error.clone(),
        };
        self.note(format_args!("boot: {said}"));
        let nodes = result?;
        assert!(!nodes.is_empty(), "a broker of no shards");
        for node in nodes {
            self.shards.push(Shard {
                node,
                paused: false,
                held: VecDeque::new(),
                timer_us: None,
            });
        }
        for shard in 0..self.shards.len() {
            let mut out = Outbox::default();
            self.shards[shard].node.start(now, &mut out);
            self.after_call(ShardId(shard as u16), out);
        }
        Ok(())
    }

    /// Ends the broker unasked, in the middle of whatever it is doing.
    pub fn crash(&mut self, how: Crash) {
        self.note(format_args!("crash: {how:?}"));
        self.set_disk_clock();
        if !self.disk.is_dead() {
            self.perform_some();
        }
        self.forget_broker();
        self.disk.crash(how);
        self.network.crash(self.now_us);
    }

    /// Asks the broker to stop in order: its first shard is told.
    pub fn ask_to_stop(&mut self) {
        self.note(format_args!("stop"));
        let due = Due::Deliver(self.generation, ShardId(0), Event::Stop);
        self.schedule(self.now_us, due);
    }

    /// Whether every shard is done with its stop.
    pub fn is_stopped(&self) -> bool {
        self.shards.iter().all(|shard| shard.node.is_stopped())
    }

    /// The process of a stopped broker ends.
    pub fn end_process(&mut self) {
        assert!(self.is_stopped(), "the process ends by itself");
        self.note(format_args!("process ended"));
        self.forget_broker();
        self.network.close_dropped(self.now_us);
        self.disk.crash(Crash::Kill);
        self.network.crash(self.now_us);
    }

    /// Lets the clock run until `until_us`.
    pub fn run_until(&mut self, until_us: u64) {
        self.run_while(until_us, |_| true);
    }

    /// Lets the clock run while `goes_on`, at most until `until_us`. Whether it ended before that.
    pub fn run_while(&mut self, until_us: u64, goes_on: impl Fn(&Self) -> bool) -> bool {
        while goes_on(self) {
            match self.queue.peek() {
                Some(Reverse(next)) if next.at_us <= until_us => self.step(),
                _ => {
                    self.now_us = self.now_us.max(until_us);
                    return false;
                }
            }
        }
        true
    }

    fn step(&mut self) {
        let Reverse(next) = self.queue.pop().expect("just seen");
        if next.at_us > self.now_us {
            self.now_us = next.at_us;
            self.events_now = 0;
        }
        self.events_now += 1;
        assert!(
            self.events_now < SPINNING_EVENTS,
            "the broker spins: {SPINNING_EVENTS} events and the clock stands still"
        );
        match next.due {
            Due::Perform(id) => self.perform(id),
            Due::Deliver(generation, shard, event) if generation == self.generation => {
                self.deliver(shard, event);
            }
            Due::Timer(generation, shard) if generation == self.generation => self.timer(shard),
            Due::Resume(generation, shard) if generation == self.generation => self.resume(shard),
            Due::Deliver(..) | Due::Timer(..) | Due::Resume(..) => {}
            Due::Network(happening) => {
                self.network.happen(happening, self.now_us);
                self.after_network();
            }
            Due::ActorTimer(actor, name) => self.act(actor, |actor, stage| {
                actor.timer(name, stage);
            }),
        }
    }

    // -- shards

    fn deliver(&mut self, shard: ShardId, event: Event<N>) {
        let at = usize::from(shard.0);
        if !self.shards[at].paused && self.random.one_in(self.weather.pause_one_in) {
            let until_us = self.now_us + self.weather.pause.draw(&mut self.random);
            self.shards[at].paused = true;
            self.schedule(until_us, Due::Resume(self.generation, shard));
        }
        if self.shards[at].paused {
            self.shards[at].held.push_back(event);
        } else {
            self.hear(shard, event);
        }
    }

    /// A shard is back on its core, and hears what it missed, in order.
    fn resume(&mut self, shard: ShardId) {
        let at = usize::from(shard.0);
        while let Some(event) = self.shards[at].held.pop_front() {
            self.hear(shard, event);
        }
        self.shards[at].paused = false;
        self.shards[at].timer_us = None;
        self.arm(shard);
    }

    fn hear(&mut self, shard: ShardId, event: Event<N>) {
        self.trace
            .borrow_mut()
            .note(self.now_us, format_args!("{} <- {}", shard.0, Show(&event)));
        self.handle(shard, event);
    }

    fn timer(&mut self, shard: ShardId) {
        let at = usize::from(shard.0);
        if self.shards[at].paused {
            return;
        }
        if self.shards[at]
            .timer_us
            .is_some_and(|due| due <= self.now_us)
        {
            self.shards[at].timer_us = None;
        }
        match self.shards[at].node.poll_timeout() {
            Some(due) if due <= self.now_us => {
                self.note(format_args!("{} <- timeout", shard.0));
                self.handle(shard, Event::Timeout);
            }
            _ => self.arm(shard),
        }
    }

    fn handle(&mut self, shard: ShardId, event: Event<N>) {
        let mut out = Outbox::default();
        let now = self.now();
        self.shards[usize::from(shard.0)]
            .node
            .handle(now, event, &mut out);
        self.after_call(shard, out);
    }

    fn after_call(&mut self, shard: ShardId, out: Outbox<N>) {
        for (token, operation) in out.operations {
            self.submit(shard, token, operation);
        }
        for (to, mail) in out.mail {
            assert!(
                usize::from(to.0) < self.shards.len(),
                "mail to nobody: {to:?}"
            );
            self.trace.borrow_mut().note(
                self.now_us,
                format_args!("{} -> {} {mail:?}", shard.0, to.0),
            );
            let wish = self.now_us + self.weather.mail.draw(&mut self.random);
            let last = self.routes.entry((shard, to)).or_insert(0);
            *last = wish.max(*last);
            let at_us = *last;
            self.schedule(
                at_us,
                Due::Deliver(self.generation, to, Event::Mail(shard, mail)),
            );
        }
        self.network.close_dropped(self.now_us);
        self.after_network();
        self.arm(shard);
    }

    /// Sees to it that a shard's next timeout is in the queue.
    fn arm(&mut self, shard: ShardId) {
        let at = usize::from(shard.0);
        let Some(due) = self.shards[at].node.poll_timeout() else {
            return;
        };
        let due = due.max(self.now_us);
        if self.shards[at].timer_us.is_none_or(|armed| armed > due) {
            self.shards[at].timer_us = Some(due);
            self.schedule(due, Due::Timer(self.generation, shard));
        }
    }

    // -- operations

    fn submit(&mut self, shard: ShardId, token: Token, operation: Operation<N::Task>) {
        self.trace.borrow_mut().note(
            self.now_us,
            format_args!("{} {token:?} {}", shard.0, Show(&operation)),
        );
        self.check_contract(&operation);
        self.operations_made += 1;
        let id = self.operations_made;
        let disk = &self.weather.disk;
        let random = &mut self.random;
        let delay = match &operation {
            Operation::Accept { .. } | Operation::Poll { .. } => None,
            Operation::Receive { .. } | Operation::Send { .. } | Operation::Shutdown { .. } => {
                Some(random.below(3))
            }
            Operation::SendFile { .. } | Operation::Drain { .. } => Some(random.below(5)),
            Operation::Fill { .. } => Some(disk.read.draw(random)),
            Operation::Append { .. } => Some(disk.append.draw(random)),
            Operation::Read { patience, .. } => Some(match patience {
                Patience::Hot if random.percent(80) => random.below(5),
                _ => disk.read.draw(random),
            }),
            Operation::Task(_) => Some(disk.task.draw(random)),
        };
        let socket = match &operation {
            Operation::Accept { listener: socket } | Operation::Poll { socket, .. } => {
                Some(socket.number())
            }
            _ => None,
        };
        self.in_flight.insert(
            id,
            InFlight {
                shard,
                token,
                operation,
            },
        );
        match (delay, socket) {
            (Some(delay), _) => self.schedule(self.now_us + delay, Due::Perform(id)),
            (None, Some(socket)) => {
                self.waiting.entry(socket).or_default().push(id);
                if self.network.false_alarm() {
                    self.schedule(self.now_us + 5, Due::Perform(id));
                } else {
                    self.wake(socket);
                }
            }
            (None, None) => unreachable!("accepts and polls have a socket"),
        }
    }

    /// What `io` demands of whoever submits operations.
    fn check_contract(&self, operation: &Operation<N::Task>) {
        let same = |other: &Operation<N::Task>| match (operation, other) {
            (Operation::Append { file, .. }, Operation::Append { file: other, .. }) => {
                file.number() == other.number()
            }
            (
                Operation::Send { socket, .. }
                | Operation::SendFile { socket, .. }
                | Operation::Drain { socket, .. },
                Operation::Send { socket: other, .. }
                | Operation::SendFile { socket: other, .. }
                | Operation::Drain { socket: other, .. },
            )
            | (Operation::Receive { socket, .. }, Operation::Receive { socket: other, .. }) => {
                socket.number() == other.number()
            }
            _ => false,
        };
        let before = self
            .in_flight
            .values()
            .find(|before| same(&before.operation));
        assert!(
            before.is_none(),
            "submitted while its like is in flight: {}",
            Show(operation)
        );
        match operation {
            Operation::Append { pieces, .. } => {
                assert!(!pieces.is_empty(), "an append of nothing");
                assert!(pieces.chunk_count() <= IOVECS_MAX, "{pieces:?}");
            }
            Operation::Send { parts, .. } => {
                assert!(
                    parts.iter().any(|part| !part.is_empty()),
                    "a send of nothing"
                );
                assert!(parts.len() <= IOVECS_MAX, "a send of {} parts", parts.len());
            }
            Operation::SendFile { range, .. } => assert!(range.length > 0, "{range:?}"),
            Operation::Fill { range } => {
                let length = range.length;
                assert!(
                    length > 0 && length <= COLD_READ_BYTES_MAX as u64,
                    "{range:?}"
                );
            }
            Operation::Drain { bytes, .. } => assert!(*bytes > 0, "a drain of nothing"),
            Operation::Read { length, buffer, .. } => {
                assert!(*length > 0, "a read of nothing");
                let spare = buffer.capacity() - buffer.len();
                assert!(*length <= spare, "a read of {length} into room for {spare}");
            }
            _ => {}
        }
    }

    /// An operation takes effect, and its completion goes on its way.
    fn perform(&mut self, id: u64) {
        let Some(InFlight {
            shard,
            token,
            operation,
        }) = self.in_flight.remove(&id)
        else {
            return;
        };
        self.set_disk_clock();
        let now_us = self.now_us;
        let mut delay = self.random.below(4);
        let outcome = match operation {
            Operation::Accept { listener } => {
                self.unwait(listener.number(), id);
                match self.network.accept(listener.number()) {
                    Some(result) => Outcome::Accepted(result),
                    None => {
                        // Whoever knocked is gone: it goes on waiting.
                        self.waiting.entry(listener.number()).or_default().push(id);
                        let operation = Operation::Accept { listener };
                        let waits = InFlight {
                            shard,
                            token,
                            operation,
                        };
                        self.in_flight.insert(id, waits);
                        return;
                    }
                }
            }
            Operation::Poll { socket, interest } => {
                self.unwait(socket.number(), id);
                Outcome::Ready(interest)
            }
            Operation::Receive {
                socket,
                mut buffers,
            } => {
                let result = self.network.receive(socket.number(), &mut buffers, now_us);
                Outcome::Received { buffers, result }
            }
            Operation::Send {
                socket,
                parts,
                more,
            } => Outcome::Sent(self.network.send(socket.number(), &parts, more, now_us)),
            Operation::SendFile {
                socket,
                range,
                more,
            } => Outcome::SentFile(self.send_file(&socket, &range, more)),
            Operation::Fill { range } => Outcome::Filled(self.fill(&range)),
            Operation::Drain {
                socket,
                pipe,
                bytes,
                more,
            } => {
                let result = self.drain(&socket, &pipe, more);
                let is_empty = matches!(result, Ok(count) if count == bytes);
                let pipe = (!is_empty).then_some(pipe);
                Outcome::Drained { pipe, result }
            }
            Operation::Shutdown { socket } => {
                self.network.shutdown(socket.number(), now_us);
                Outcome::ShutDown
            }
            Operation::Append {
                file,
                position,
                pieces,
            } => {
                delay = self.weather.disk.append.draw(&mut self.random);
                let result = self.disk.append(&file, position, &pieces);
                Outcome::Appended {
                    pieces,
                    result,
                    took_ns: delay * 1_000,
                }
            }
            Operation::Read {
                file,
                position,
                length,
                mut buffer,
                ..
            } => {
                let mut into = vec![0; length];
                let result = self.disk.read_at(&file, position, &mut into);
                if let Ok(count) = result {
                    buffer.extend_from_slice(&into[..count]);
                }
                Outcome::Read { buffer, result }
            }
            Operation::Task(task) => {
                delay = self.weather.disk.task.draw(&mut self.random);
                Outcome::Done(task.run(&*self.disk))
            }
        };
        let completion = Event::Completion(Completion { token, outcome });
        self.schedule(
            now_us + delay,
            Due::Deliver(self.generation, shard, completion),
        );
        self.network.close_dropped(now_us);
        self.after_network();
    }

    fn send_file(
        &mut self,
        socket: &Socket,
        range: &FileRange,
        more: bool,
    ) -> std::io::Result<Option<usize>> {
        let room = self.network.send_room(socket.number())?;
        match self.disk.cached(range, room)? {
            None => Ok(None),
            Some(bytes) if bytes.is_empty() => Ok(Some(0)),
            Some(bytes) => {
                let sent = self.network.sent(socket.number(), bytes, more, self.now_us);
                Ok(Some(sent))
            }
        }
    }

    /// A pipe with some of the range, unless there is none to be had.
    fn fill(&mut self, range: &FileRange) -> std::io::Result<Option<(Pipe, usize)>> {
        if self.random.one_in(8) {
            return Ok(None);
        }
        let mut bytes = vec![0; range.length as usize];
        let count = self.disk.read_at(&range.file, range.position, &mut bytes)?;
        bytes.truncate(count);
        Ok(Some((self.pipes.fill(bytes), count)))
    }

    fn drain(&mut self, socket: &Socket, pipe: &Pipe, more: bool) -> std::io::Result<usize> {
        let room = self.network.send_room(socket.number())?;
        let content = self.pipes.content(pipe);
        let bytes = content.drain(..room.min(content.len())).collect();
        Ok(self.network.sent(socket.number(), bytes, more, self.now_us))
    }

    /// The broker dies: of what was in flight some had its effect, some not, some in part.
    fn perform_some(&mut self) {
        let mut left: Vec<_> = std::mem::take(&mut self.in_flight).into_values().collect();
        self.random.shuffle(&mut left);
        for operation in left {
            if self.random.one_in(3) || self.disk.is_dead() {
                continue;
            }
            match operation.operation {
                Operation::Append {
                    file,
                    position,
                    pieces,
                } => {
                    let most = if self.random.one_in(2) {
                        pieces.len()
                    } else {
                        self.random.below(pieces.len() as u64) as usize
                    };
                    self.disk.append_part(&file, position, &pieces, most);
                }
                Operation::Task(task) => {
                    if self.random.one_in(2) {
                        self.disk.die_after(self.random.between(1, 12));
                    }
                    task.run(&*self.disk);
                }
                _ => {}
            }
        }
    }

    fn forget_broker(&mut self) {
        self.generation += 1;
        self.shards.clear();
        self.in_flight.clear();
        self.waiting.clear();
        self.routes.clear();
        let left: VecDeque<_> = std::mem::take(&mut self.queue)
            .into_iter()
            .filter(|next| {
                !matches!(
                    next.0.due,
                    Due::Perform(_) | Due::Deliver(..) | Due::Timer(..) | Due::Resume(..)
                )
            })
            .collect();
        self.queue = left.into_iter().collect();
    }

    // -- network

    /// Takes what the network has for the queue, the shards and the actors.
    fn after_network(&mut self) {
        loop {
            for (at_us, happening) in std::mem::take(&mut self.network.schedule) {
                self.schedule(at_us, Due::Network(happening));
            }
            let touched = std::mem::take(&mut self.network.touched);
            for socket in &touched {
                self.wake(*socket);
            }
            let told = std::mem::take(&mut self.network.told);
            if told.is_empty() && touched.is_empty() {
                return;
            }
            for (actor, told) in told {
                if self.trace.borrow().loud {
                    self.note(format_args!("actor {actor} is told {}", ShowTold(&told)));
                }
                self.act(actor, |actor, stage| actor.told(told, stage));
            }
        }
    }

    /// Completes the accepts and polls of a socket that is ready for them.
    fn wake(&mut self, socket: i32) {
        let Some(waiting) = self.waiting.get(&socket) else {
            return;
        };
        for id in waiting.clone() {
            let ready = match &self.in_flight[&id].operation {
                Operation::Accept { .. } => self.network.has_backlog(socket),
                Operation::Poll { interest, .. } => self.network.is_ready(socket, *interest),
                _ => unreachable!("only accepts and polls wait"),
            };
            if ready {
                self.unwait(socket, id);
                let at_us = self.now_us + self.random.below(10);
                self.schedule(at_us, Due::Perform(id));
            }
        }
    }

    fn unwait(&mut self, socket: i32, id: u64) {
        if let Some(waiting) = self.waiting.get_mut(&socket) {
            waiting.retain(|other| *other != id);
            if waiting.is_empty() {
                self.waiting.remove(&socket);
            }
        }
    }

    // -- actors

    fn act(&mut self, id: usize, with: impl FnOnce(&mut dyn Actor, &mut Stage<'_>)) {
        let mut actor = self.actors[id]
            .take()
            .expect("actors do not call each other");
        let mut stage = Stage {
            now_us: self.now_us,
            random: &mut self.random,
            network: &mut self.network,
            actor: id,
            trace: &self.trace,
            timers: Vec::new(),
        };
        with(&mut *actor, &mut stage);
        let timers = stage.timers;
        self.actors[id] = Some(actor);
        for (at_us, name) in timers {
            self.schedule(at_us, Due::ActorTimer(id, name));
        }
        for (at_us, happening) in std::mem::take(&mut self.network.schedule) {
            self.schedule(at_us, Due::Network(happening));
        }
    }

    // -- bookkeeping

    fn now(&self) -> Now {
        Now {
            monotonic_us: self.now_us,
            wall: Timestamp(wall_ms(self.now_us)),
        }
    }

    fn set_disk_clock(&self) {
        self.disk.set_now(self.now_us, wall_ms(self.now_us));
    }

    fn schedule(&mut self, at_us: u64, due: Due<N>) {
        self.sequence += 1;
        self.queue.push(Reverse(Scheduled {
            at_us: at_us.max(self.now_us),
            sequence: self.sequence,
            due,
        }));
    }

    fn note(&self, event: fmt::Arguments<'_>) {
        self.trace.borrow_mut().note(self.now_us, event);
    }
}

fn wall_ms(now_us: u64) -> i64 {
    EPOCH_MS + (now_us / 1000) as i64
}

/// The canonical text of what passes between the broker and the world: bytes as their digest.
struct Show<'a, T>(&'a T);

impl<T: Task> fmt::Display for Show<'_, Operation<T>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Operation::Accept { listener } => write!(f, "accept on {listener:?}"),
            Operation::Poll { socket, interest } => write!(f, "poll {socket:?} {interest:?}"),
            Operation::Receive { socket, buffers } => {
                let room: usize = buffers.iter().map(|b| b.capacity() - b.len()).sum();
                write!(f, "receive {socket:?} room {room}")
            }
            Operation::Send {
                socket,
                parts,
                more,
            } => {
                let length: usize = parts.iter().map(|part| part.len()).sum();
                let digest = digest_parts(parts.iter().map(|part| &part[..]));
                write!(f, "send {socket:?} {length} #{digest:x}")?;
                f.write_str(if *more { " more" } else { "" })
            }
            Operation::SendFile {
                socket,
                range,
                more,
            } => {
                let (at, length) = (range.position, range.length);
                write!(f, "sendfile {socket:?} {:?} {at}+{length}", range.file)?;
                f.write_str(if *more { " more" } else { "" })
            }
            Operation::Fill { range } => {
                let (at, length) = (range.position, range.length);
                write!(f, "fill a pipe from {:?} {at}+{length}", range.file)
            }
            Operation::Drain {
                socket,
                pipe,
                bytes,
                more,
            } => {
                write!(f, "drain {pipe:?} into {socket:?} {bytes}")?;
                f.write_str(if *more { " more" } else { "" })
            }
            Operation::Shutdown { socket } => write!(f, "shutdown {socket:?}"),
            Operation::Append {
                file,
                position,
                pieces,
            } => {
                let digest = digest_parts(pieces.chunks());
                write!(f, "append {file:?} {position}+{} #{digest:x}", pieces.len())
            }
            Operation::Read {
                file,
                position,
                length,
                patience,
                ..
            } => write!(f, "read {file:?} {position}+{length} {patience:?}"),
            Operation::Task(task) => abridged(f, task),
        }
    }
}

impl<N: Node> fmt::Display for Show<'_, Event<N>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Completion(Completion { token, outcome }) => {
                write!(f, "{token:?} ")?;
                match outcome {
                    Outcome::Received { result, .. } => write!(f, "received {}", Count(result)),
                    Outcome::Sent(result) => write!(f, "sent {}", Count(result)),
                    Outcome::SentFile(Ok(None)) => write!(f, "sent nothing: cold"),
                    Outcome::SentFile(Ok(Some(count))) => write!(f, "sent {count} of a file"),
                    Outcome::SentFile(Err(error)) => {
                        write!(f, "sent of a file: {:?}", error.kind())
                    }
                    Outcome::Appended { result, .. } => write!(f, "appended {}", Count(result)),
                    Outcome::Read { buffer, result } => {
                        write!(f, "read {} #{:x}", Count(result), digest(buffer))
                    }
                    Outcome::Accepted(Ok((socket, _))) => write!(f, "accepted {socket:?}"),
                    Outcome::Accepted(Err(error)) => write!(f, "accepted {:?}", error.kind()),
                    Outcome::Ready(interest) => write!(f, "ready {interest:?}"),
                    Outcome::Filled(Ok(None)) => write!(f, "no pipe"),
                    Outcome::Filled(Ok(Some((pipe, count)))) => {
                        write!(f, "filled {pipe:?} {count}")
                    }
                    Outcome::Filled(Err(error)) => write!(f, "filled: {:?}", error.kind()),
                    Outcome::Drained { result, .. } => write!(f, "drained {}", Count(result)),
                    Outcome::ShutDown => write!(f, "shut down"),
                    Outcome::Done(outcome) => abridged(f, outcome),
                }
            }
            Event::Mail(from, mail) => write!(f, "from {} {}", from.0, Abridged(mail)),
            Event::Timeout => write!(f, "timeout"),
            Event::Stop => write!(f, "stop"),
        }
    }
}

/// The beginning of what may be long, and a digest of all of it.
struct Abridged<'a, T>(&'a T);

impl<T: Debug> fmt::Display for Abridged<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        abridged(f, self.0)
    }
}

fn abridged(f: &mut fmt::Formatter<'_>, of: &impl Debug) -> fmt::Result {
    let text = format!("{of:?}");
    match text.char_indices().nth(ABRIDGED_CHARS) {
        None => f.write_str(&text),
        Some((cut, _)) => write!(f, "{}... #{:x}", &text[..cut], digest(text.as_bytes())),
    }
}

struct Count<'a>(&'a std::io::Result<usize>);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(count) => write!(f, "{count}"),
            Err(error) => write!(f, "{:?}", error.kind()),
        }
    }
}

struct ShowTold<'a>(&'a Told);

impl fmt::Display for ShowTold<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Told::Received(link, bytes) => write!(f, "{link:?} received {}", bytes.len()),
            other => write!(f, "{other:?}"),
        }
    }
}
