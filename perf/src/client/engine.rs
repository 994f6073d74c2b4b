//! Runs a load: threads, phases, and what comes of it.

use super::connection::{Common, Connection, Reading, Role};
use super::{Figures, Reader, Schedule, Templates};
use crate::clock::{self, SECOND_NS};
use crate::load::{Load, Pace, Until, Way};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::io::{Error, ErrorKind, Result};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, SystemTime};

/// What all connections of a thread receive into.
const BUFFER_BYTES: usize = 256 << 10;
const EVENTS_MAX: usize = 512;
/// How long requests that are under way at the end are waited for.
const DRAIN_NS: u64 = 10 * SECOND_NS;
/// How long tail consumers may need for what was acknowledged.
const TAIL_NS: u64 = 5 * SECOND_NS;
/// Requests without an answer (acks=0) that a connection sends before the next has its turn.
const TURN_REQUESTS_MAX: usize = 32;

/// Moments at which the broker is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// The measuring begins.
    Begin,
    /// A second of it has passed.
    Second,
    /// The measuring ends.
    End,
}

/// Looks at the broker; called by the client's first thread.
pub trait Probe: Send {
    /// At this moment.
    fn look(&mut self, mark: Mark);
}

/// What came of a load.
pub struct Outcome {
    /// Times and sums.
    pub figures: Figures,
    /// How long the measuring took, s.
    pub seconds: f64,
    /// Processor time of the client's threads during the measuring, s.
    pub client_cpu_s: f64,
    /// Share of the measuring in which the busiest of the client's threads had something to do.
    pub client_busy: f64,
    /// Records acknowledged, warm-up included.
    pub produced_records: u64,
    /// Records that tail consumers got, warm-up included.
    pub tail_records: u64,
    /// What happened, with its time since the measuring began, s.
    pub events: Vec<(f64, String)>,
    /// When the measuring began, by the clock of the day.
    pub began: SystemTime,
}

/// What the threads tell each other.
struct Shared {
    /// When the measuring began and ended, ns; 0 before.
    begin_ns: AtomicU64,
    end_ns: AtomicU64,
    /// Bytes moved, by thread.
    bytes: Vec<AtomicU64>,
    /// Acknowledged, and read by tail consumers, by thread.
    produced: Vec<AtomicU64>,
    tailed: Vec<AtomicU64>,
    /// Readers of a log's records that have not met their end.
    reading: AtomicU64,
    /// Threads whose producers and readers are done.
    drained: AtomicU64,
    /// A thread failed: the others stop.
    failed: AtomicBool,
}

/// Does to the broker at `address` what `load` says, from threads on `cores`. Consumers find the
/// partitions' `ends` where they are told.
///
/// # Errors
/// Whatever the broker refuses, and an answer that is none.
pub fn run(
    load: &Load,
    address: SocketAddr,
    cores: &[core_affinity::CoreId],
    mut probe: Option<&mut dyn Probe>,
    ends: &[i64],
    is_talkative: bool,
) -> Result<Outcome> {
    let templates = load
        .producers
        .as_ref()
        .map(|it| Templates::new(it, load.partitions));
    let mut connections = connect(load, address, templates.as_ref(), ends)?;
    let threads = load.threads.min(connections.len()).max(1);
    let counters = || (0..threads).map(|_| AtomicU64::new(0)).collect();
    let shared = Shared {
        begin_ns: AtomicU64::new(0),
        end_ns: AtomicU64::new(0),
        bytes: counters(),
        produced: counters(),
        tailed: counters(),
        reading: AtomicU64::new(load.readers.as_ref().map_or(0, |it| it.connections as u64)),
        drained: AtomicU64::new(0),
        failed: AtomicBool::new(false),
    };
    let mut parts: Vec<Vec<Connection>> = (0..threads).map(|_| Vec::new()).collect();
    for (at, connection) in connections.drain(..).enumerate() {
        parts[at % threads].push(connection);
    }
    let start_ns = clock::now_ns();
    let is_over = AtomicBool::new(false);
    let results: Vec<Result<Part>> = std::thread::scope(|scope| {
        if is_talkative {
            scope.spawn(|| report_progress(&shared, &is_over));
        }
        let mut handles = Vec::new();
        for (index, connections) in parts.into_iter().enumerate() {
            let probe = if index == 0 { probe.take() } else { None };
            let (shared, templates) = (&shared, templates.as_ref());
            let core = cores.get(index % cores.len().max(1)).copied();
            handles.push(scope.spawn(move || {
                if let Some(core) = core {
                    core_affinity::set_for_current(core);
                }
                // A timer that fires 50 us late makes every open-loop request late.
                let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
                let engine = Engine::new(load, shared, templates, index, connections, start_ns);
                let result = engine.and_then(|it| it.run(probe));
                if result.is_err() {
                    shared.failed.store(true, Relaxed);
                }
                result
            }));
        }
        let results = handles
            .into_iter()
            .map(|it| it.join().expect("a client panics only by mistake"))
            .collect();
        is_over.store(true, Relaxed);
        results
    });
    let mut parts = Vec::new();
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(part) => parts.push(part),
            Err(error) => failures.push(error),
        }
    }
    // The one that failed by itself says why.
    failures.sort_by_key(|error| error.kind() == ErrorKind::Interrupted);
    match failures.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(together(load, &shared, parts)),
    }
}

/// What a thread brings home.
struct Part {
    figures: Figures,
    cpu_s: f64,
    busy: f64,
    produced_records: u64,
    tail_records: u64,
    events: Vec<(u64, String)>,
}

fn together(load: &Load, shared: &Shared, parts: Vec<Part>) -> Outcome {
    let (begin_ns, end_ns) = (shared.begin_ns.load(Relaxed), shared.end_ns.load(Relaxed));
    let mut figures = Figures::new(load.slice_ms * 1_000_000);
    figures.begin(begin_ns);
    let mut outcome = Outcome {
        figures,
        seconds: (end_ns - begin_ns) as f64 / SECOND_NS as f64,
        client_cpu_s: 0.0,
        client_busy: 0.0,
        produced_records: 0,
        tail_records: 0,
        events: Vec::new(),
        began: SystemTime::now() - Duration::from_nanos(clock::now_ns() - begin_ns),
    };
    for part in parts {
        outcome.figures.merge(&part.figures);
        outcome.client_cpu_s += part.cpu_s;
        outcome.client_busy = outcome.client_busy.max(part.busy);
        outcome.produced_records += part.produced_records;
        outcome.tail_records += part.tail_records;
        let since = |at_ns: u64| (at_ns as f64 - begin_ns as f64) / SECOND_NS as f64;
        let events = part.events.into_iter();
        outcome
            .events
            .extend(events.map(|(at_ns, what)| (since(at_ns), what)));
    }
    outcome
}

fn report_progress(shared: &Shared, is_over: &AtomicBool) {
    let sum = |all: &[AtomicU64]| all.iter().map(|it| it.load(Relaxed)).sum::<u64>();
    let (mut bytes, mut records, mut ticks) = (0, 0, 0);
    while !is_over.load(Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
        ticks += 1;
        if ticks % 10 != 0 {
            continue;
        }
        let phase = match (shared.begin_ns.load(Relaxed), shared.end_ns.load(Relaxed)) {
            (0, _) => "warm-up".to_owned(),
            (begin_ns, 0) => {
                format!(
                    "{:7.1} s",
                    (clock::now_ns() - begin_ns) as f64 / SECOND_NS as f64
                )
            }
            _ => "draining".to_owned(),
        };
        let (bytes_now, records_now) = (sum(&shared.bytes), sum(&shared.produced));
        eprintln!(
            "{phase}  {:8.1} MB/s  {:9} records/s produced  {} tailed",
            (bytes_now - bytes) as f64 / 1e6,
            records_now - records,
            sum(&shared.tailed),
        );
        (bytes, records) = (bytes_now, records_now);
    }
}

fn connect(
    load: &Load,
    address: SocketAddr,
    templates: Option<&Templates>,
    ends: &[i64],
) -> Result<Vec<Connection>> {
    let stream = || -> Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let reader = || Reader::new(templates.and_then(|it| it.stamp_at), load.verify);
    let mut connections = Vec::new();
    let share = |of: usize, at: usize| {
        let all = ends.iter().enumerate();
        all.filter(move |(partition, _)| partition % of == at)
            .map(|(partition, end)| (partition as i32, *end))
    };
    for at in 0..load.tails {
        let partitions = match load.is_fanned_out {
            true => share(1, 0).collect(),
            false => share(load.tails.min(ends.len()), at % ends.len()).collect(),
        };
        connections.push(Connection::tail(stream()?, partitions, reader()));
    }
    if let Some(readers) = &load.readers {
        for at in 0..readers.connections {
            let partitions: Vec<(i32, i64, i64)> = match readers.way {
                Way::Drain => share(readers.connections.min(ends.len()), at % ends.len())
                    .map(|(partition, end)| (partition, 0, end))
                    .collect(),
                Way::At(offset) => {
                    let partition = at % ends.len();
                    vec![(partition as i32, offset, ends[partition])]
                }
                Way::Around => {
                    let partition = at % ends.len();
                    let end = ends[partition];
                    // Its own part of the log, and a batch that begins there.
                    let first = end * at as i64 / readers.connections as i64;
                    vec![(partition as i32, first, end)]
                }
            };
            connections.push(Connection::reader(
                stream()?,
                readers,
                &partitions,
                reader(),
            ));
        }
    }
    if let Some(producers) = &load.producers {
        for at in 0..producers.connections {
            let stream = stream()?;
            connections.push(Connection::producer(stream, at, producers, load.partitions));
        }
    }
    if connections.is_empty() {
        return Err(Error::other("a load without a connection"));
    }
    Ok(connections)
}

/// Requests of one kind that are due by the clock, and who sends them.
struct Open {
    schedule: Schedule,
    connections: Vec<usize>,
    next: usize,
}

/// A thread's own: its connections and where the run stands.
struct Engine<'a> {
    load: &'a Load,
    shared: &'a Shared,
    index: usize,
    threads: usize,
    connections: Vec<Connection>,
    common: Common<'a>,
    open: Vec<Open>,
    epoll: rustix::fd::OwnedFd,
    buffer: Vec<u8>,
    /// Which connections wait for room in their socket.
    is_waiting_for_room: Vec<bool>,
    start_ns: u64,
    /// When the measuring began and ended; 0 before.
    begin_ns: u64,
    end_ns: u64,
    next_second_ns: u64,
    bytes_at_begin: u64,
    readers_run: bool,
    is_drained: bool,
    /// Time spent without work, and what it and the processor time were when the measuring began.
    idle_ns: u64,
    idle_at_begin_ns: u64,
    cpu_at_begin: Duration,
    cpu_s: f64,
    busy: f64,
    events: Vec<(u64, String)>,
}

impl<'a> Engine<'a> {
    fn new(
        load: &'a Load,
        shared: &'a Shared,
        templates: Option<&'a Templates>,
        index: usize,
        connections: Vec<Connection>,
        start_ns: u64,
    ) -> Result<Engine<'a>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (at, connection) in connections.iter().enumerate() {
            let data = epoll::EventData::new_u64(at as u64);
            epoll::add(&epoll, &connection.stream, data, epoll::EventFlags::IN)?;
        }
        Ok(Engine {
            load,
            shared,
            index,
            threads: shared.bytes.len(),
            is_waiting_for_room: vec![false; connections.len()],
            connections,
            common: Common {
                templates,
                figures: Figures::new(load.slice_ms * 1_000_000),
                tail_records: 0,
                produced_records: 0,
                bytes: 0,
                low_water_max: load.low_water_bytes.max(1),
            },
            open: Vec::new(),
            epoll,
            buffer: vec![0; BUFFER_BYTES],
            start_ns,
            begin_ns: 0,
            end_ns: 0,
            next_second_ns: u64::MAX,
            bytes_at_begin: 0,
            readers_run: false,
            is_drained: false,
            idle_ns: 0,
            idle_at_begin_ns: 0,
            cpu_at_begin: Duration::ZERO,
            cpu_s: 0.0,
            busy: 0.0,
            events: Vec::new(),
        })
    }

    fn run(mut self, mut probe: Option<&mut dyn Probe>) -> Result<Part> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        if let Some(producers) = &self.load.producers {
            self.start(producers.pace, self.start_ns, |it| {
                matches!(it.role, Role::Producer(_))
            })?;
        }
        self.start(Pace::Closed, self.start_ns, is_tail)?;
        loop {
            if self.shared.failed.load(Relaxed) {
                return Err(Error::new(ErrorKind::Interrupted, "another client failed"));
            }
            let now_ns = clock::now_ns();
            if self.index == 0 {
                self.lead(now_ns, &mut probe);
            }
            self.follow(now_ns);
            self.start_readers(now_ns)?;
            match self.end_ns {
                0 => self.send_due(now_ns, now_ns)?,
                // What was due before the end is sent after it, and counts.
                end_ns => self.send_due(end_ns - 1, now_ns)?,
            }
            if self.end_ns != 0 && self.is_over(now_ns) {
                break;
            }
            self.wait(&mut events)?;
            for event in events.drain(..) {
                self.serve(event.data.u64() as usize, event.flags)?;
            }
            self.tell();
        }
        for connection in &self.connections {
            connection.give_up(&mut self.common.figures, clock::now_ns());
        }
        Ok(Part {
            figures: self.common.figures,
            cpu_s: self.cpu_s,
            busy: self.busy,
            produced_records: self.common.produced_records,
            tail_records: self.common.tail_records,
            events: self.events,
        })
    }

    /// The first thread says when the measuring begins and ends.
    fn lead(&mut self, now_ns: u64, probe: &mut Option<&mut dyn Probe>) {
        let shared = self.shared;
        let is_reached = |until: Until, since_ns: u64, bytes: u64| {
            now_ns.saturating_sub(since_ns) >= (until.seconds * 1e9) as u64
                || until.bytes.is_some_and(|most| bytes >= most)
        };
        let moved = shared.bytes.iter().map(|it| it.load(Relaxed)).sum::<u64>();
        let mut look = |mark| {
            if let Some(probe) = probe {
                probe.look(mark);
            }
        };
        if self.begin_ns == 0 {
            if is_reached(self.load.warm_up, self.start_ns, moved) {
                // Looking takes a while, which belongs to the warm-up.
                look(Mark::Begin);
                let begin_ns = clock::now_ns();
                self.bytes_at_begin = moved;
                self.next_second_ns = begin_ns + SECOND_NS;
                shared.begin_ns.store(begin_ns, Relaxed);
            }
        } else if self.end_ns == 0 {
            let moved = moved - self.bytes_at_begin;
            let is_all_read = self.load.producers.is_none() && shared.reading.load(Relaxed) == 0;
            if is_all_read || is_reached(self.load.measure, self.begin_ns, moved) {
                shared.end_ns.store(now_ns, Relaxed);
                look(Mark::End);
            } else if now_ns >= self.next_second_ns {
                self.next_second_ns += SECOND_NS;
                look(Mark::Second);
            }
        }
    }

    /// Every thread sees it.
    fn follow(&mut self, now_ns: u64) {
        if self.begin_ns == 0 {
            self.begin_ns = self.shared.begin_ns.load(Relaxed);
            if self.begin_ns != 0 {
                self.common.figures.begin(self.begin_ns);
                self.cpu_at_begin = clock::thread_time();
                self.idle_at_begin_ns = self.idle_ns;
            }
        } else if self.end_ns == 0 {
            self.end_ns = self.shared.end_ns.load(Relaxed);
            if self.end_ns != 0 {
                self.common.figures.end(self.end_ns);
                self.cpu_s = (clock::thread_time() - self.cpu_at_begin).as_secs_f64();
                let idle_ns = self.idle_ns - self.idle_at_begin_ns;
                let took_ns = now_ns.saturating_sub(self.begin_ns).max(1);
                self.busy = (1.0 - idle_ns as f64 / took_ns as f64).max(0.0);
            }
        }
    }

    /// Has connections of a kind send from now on.
    fn start(
        &mut self,
        pace: Pace,
        start_ns: u64,
        is_one: impl Fn(&Connection) -> bool,
    ) -> Result<()> {
        let all = self.connections.iter().enumerate();
        let which: Vec<usize> = all.filter(|it| is_one(it.1)).map(|it| it.0).collect();
        match pace {
            Pace::Closed => {
                for at in which {
                    self.refill(at)?;
                }
            }
            Pace::Open { per_s, arrivals } if !which.is_empty() => {
                // Threads send in between each other, not all at once.
                let distance_ns = SECOND_NS as f64 / per_s;
                let shift_ns = (distance_ns * self.index as f64) as u64;
                let (per_s, seed) = (per_s / self.threads as f64, 1 + self.index as u64);
                self.open.push(Open {
                    schedule: Schedule::new(arrivals, per_s, start_ns + shift_ns, seed),
                    connections: which,
                    next: 0,
                });
            }
            Pace::Open { .. } => {}
        }
        Ok(())
    }

    fn start_readers(&mut self, now_ns: u64) -> Result<()> {
        let Some(readers) = self.load.readers.as_ref().filter(|_| !self.readers_run) else {
            return Ok(());
        };
        if readers.after_s > 0.0 {
            let since_ns = now_ns.saturating_sub(self.begin_ns);
            if self.begin_ns == 0 || self.end_ns != 0 || since_ns < (readers.after_s * 1e9) as u64 {
                return Ok(());
            }
            if self.index == 0 {
                let what = format!("{} backlog consumers begin", readers.connections);
                self.events.push((now_ns, what));
            }
        }
        self.readers_run = true;
        self.start(readers.pace, now_ns, |it| !is_tail(it) && is_consumer(it))
    }

    /// Sends what was due at `due_ns`, at the latest.
    fn send_due(&mut self, due_ns: u64, now_ns: u64) -> Result<()> {
        for open in &mut self.open {
            while let Some(meant_ns) = open.schedule.take(due_ns) {
                let at = open.connections[open.next];
                open.next = (open.next + 1) % open.connections.len();
                let connection = &mut self.connections[at];
                connection.due(&mut self.common, meant_ns, now_ns);
                connection.flush()?;
                watch(&self.epoll, connection, at, &mut self.is_waiting_for_room)?;
            }
        }
        Ok(())
    }

    /// Whether everything that counts is done, or has had its time.
    fn is_over(&mut self, now_ns: u64) -> bool {
        let shared = self.shared;
        let late_ns = now_ns - self.end_ns;
        if !self.is_drained {
            let mut all = self.connections.iter();
            self.is_drained = late_ns > DRAIN_NS || all.all(|it| is_tail(it) || it.is_idle());
            if self.is_drained {
                shared.drained.fetch_add(1, Release);
            }
        }
        if self.load.tails == 0 || self.load.producers.is_none() {
            return self.is_drained;
        }
        // What all threads have acknowledged is known once all of them are done.
        if shared.drained.load(Acquire) < self.threads as u64 {
            return false;
        }
        let sum = |all: &[AtomicU64]| all.iter().map(|it| it.load(Relaxed)).sum::<u64>();
        let expected = sum(&shared.produced) * self.load.copies();
        sum(&shared.tailed) >= expected || late_ns > DRAIN_NS + TAIL_NS
    }

    /// Collects events: at once if there are any, else after spinning and sleeping.
    fn wait(&mut self, events: &mut Vec<epoll::Event>) -> Result<()> {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if epoll::wait(&self.epoll, spare_capacity(events), Some(&now))? > 0 {
            return Ok(());
        }
        let since_ns = clock::now_ns();
        let wake_ns = self.wake_ns(since_ns);
        let spin_ns = self.load.spin_us.map_or(u64::MAX, |it| it * 1_000);
        loop {
            let after_ns = clock::now_ns();
            if after_ns >= wake_ns {
                self.idle_ns += after_ns - since_ns;
                return Ok(());
            }
            if after_ns - since_ns < spin_ns {
                if epoll::wait(&self.epoll, spare_capacity(events), Some(&now))? > 0 {
                    self.idle_ns += after_ns - since_ns;
                    return Ok(());
                }
                continue;
            }
            let left_ns = wake_ns - after_ns;
            let left = Timespec {
                tv_sec: (left_ns / SECOND_NS) as i64,
                tv_nsec: (left_ns % SECOND_NS) as i64,
            };
            match epoll::wait(&self.epoll, spare_capacity(events), Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.idle_ns += clock::now_ns() - since_ns;
            return Ok(());
        }
    }

    /// When there is something to do although nothing comes from the broker.
    fn wake_ns(&self, now_ns: u64) -> u64 {
        // Other threads' doings and the end of the phases are seen within this time.
        let mut wake_ns = now_ns + SECOND_NS / 200;
        if self.end_ns == 0 {
            for open in &self.open {
                wake_ns = wake_ns.min(open.schedule.next_ns());
            }
            if self.begin_ns != 0 {
                let end_ns = self.begin_ns + (self.load.measure.seconds * 1e9) as u64;
                wake_ns = wake_ns.min(end_ns.max(now_ns));
            }
        }
        wake_ns
    }

    fn serve(&mut self, at: usize, flags: epoll::EventFlags) -> Result<()> {
        let connection = &mut self.connections[at];
        if flags.contains(epoll::EventFlags::OUT) {
            connection.flush()?;
        }
        if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
        {
            let was_done = is_done(connection);
            connection.receive(&mut self.common, &mut self.buffer, clock::now_ns)?;
            if !was_done && is_done(connection) {
                self.is_read();
            }
        }
        self.refill(at)
    }

    /// A reader met the end of what was there.
    fn is_read(&mut self) {
        if self.shared.reading.fetch_sub(1, Relaxed) == 1 {
            let what = "the backlog is drained".to_owned();
            self.events.push((clock::now_ns(), what));
        }
    }

    /// Sends what may be sent on a connection.
    fn refill(&mut self, at: usize) -> Result<()> {
        let connection = &mut self.connections[at];
        let is_closed = match &connection.role {
            _ if is_tail(connection) => true,
            Role::Producer(_) => {
                self.end_ns == 0 && is_closed_loop(self.load.producers.as_ref().map(|it| it.pace))
            }
            Role::Consumer(_) => {
                self.end_ns == 0 && is_closed_loop(self.load.readers.as_ref().map(|it| it.pace))
            }
        };
        for _ in 0..TURN_REQUESTS_MAX {
            if connection.is_full || !connection.has_room() {
                break;
            }
            if !connection.refill(&mut self.common, is_closed, clock::now_ns()) {
                break;
            }
            connection.flush()?;
        }
        watch(&self.epoll, connection, at, &mut self.is_waiting_for_room)
    }

    /// What the other threads and the progress line want to know.
    fn tell(&self) {
        let shared = self.shared;
        shared.bytes[self.index].store(self.common.bytes, Relaxed);
        shared.produced[self.index].store(self.common.produced_records, Relaxed);
        shared.tailed[self.index].store(self.common.tail_records, Relaxed);
    }
}

/// Has epoll tell when there is room in a socket that was full, and, where nothing is ever answered, in
/// any that there is more to send on.
fn watch(
    epoll: &rustix::fd::OwnedFd,
    connection: &Connection,
    at: usize,
    is_waiting: &mut [bool],
) -> Result<()> {
    let waits = connection.is_full || connection.sends_unasked();
    if waits != is_waiting[at] {
        is_waiting[at] = waits;
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, waits);
        epoll::modify(
            epoll,
            &connection.stream,
            epoll::EventData::new_u64(at as u64),
            flags,
        )?;
    }
    Ok(())
}

fn is_tail(connection: &Connection) -> bool {
    matches!(&connection.role, Role::Consumer(it) if it.reading == Reading::Tail)
}

fn is_consumer(connection: &Connection) -> bool {
    matches!(connection.role, Role::Consumer(_))
}

fn is_done(connection: &Connection) -> bool {
    matches!(&connection.role, Role::Consumer(it) if it.is_done)
}

fn is_closed_loop(pace: Option<Pace>) -> bool {
    pace == Some(Pace::Closed)
}
