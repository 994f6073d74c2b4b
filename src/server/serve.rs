//! The broker on real threads: one pinned thread and one ring per shard, a few threads for tasks,
//! one for signals.

use super::boot::{self, Listening, StartError};
use super::progress::Progress;
use super::watch;
use super::worker::{Event, Worker};
use crate::api::Endpoint;
use crate::config::{self, BrokerConfig, Listener};
use crate::console;
use crate::io::{Completion, Outcome, Socket};
use crate::limits;
use crate::shard::Outbox;
use crate::store::{Task, TaskOutcome};
use crate::sys::{self, Files, Kernel, KernelConfig, KernelError, TaskThreads, Waker};
use crate::types::{Now, ShardId};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// Threads of each kind for what blocks. Renames, syncs and scans wait for the disk, not for a core.
const TASK_THREADS: usize = 4;

type Inbox = Receiver<(ShardId, Event)>;
type Doors = Vec<Sender<(ShardId, Event)>>;

/// Runs a broker until SIGTERM or SIGINT has stopped it cleanly.
///
/// # Errors
/// Everything that keeps it from starting, each in one line that says what to do; and a failed disk
/// without which it cannot go on.
pub fn serve(config: BrokerConfig) -> Result<(), StartError> {
    sys::signals::block().map_err(|error| StartError(format!("signals: {error}")))?;
    raise_descriptors();
    let listeners = open_listeners(&config)?;
    let config = Arc::new(config);
    let files = Arc::new(Files);
    let seed = u64::from_ne_bytes(sys::random_bytes());
    let tasks = TaskThreads::start(TASK_THREADS, files.clone())
        .map_err(|error| StartError(format!("cannot start threads: {error}")))?;
    // A kernel that cannot be had is said before the data directory is touched: a start that fails
    // later has eaten the marker of the last clean stop.
    let _: Kernel<Task> = Kernel::new(kernel_config(&config, true), &tasks)
        .map_err(|error| StartError(error.to_string()))?;
    let progress = Progress::default();
    let workers = progress.tell_during(|| {
        let now = sys::clock();
        boot::boot(
            &config,
            &*files,
            usize::MAX,
            listeners,
            seed,
            now,
            &progress,
        )
    })?;
    run(&config, workers, &tasks)
}

/// What a shard's thread needs to start.
struct Start {
    core: usize,
    kernel: KernelConfig,
    doors: Doors,
    inbox: Inbox,
    ready: Sender<(ShardId, Result<Waker, KernelError>)>,
    go: Receiver<Arc<Vec<Waker>>>,
}

fn run(
    config: &BrokerConfig,
    workers: Vec<Worker>,
    tasks: &TaskThreads<Task>,
) -> Result<(), StartError> {
    let cores = sys::cpu::allowed_cores();
    let shards = workers.len();
    let cluster_id = workers[0].cluster_id();
    let watched = |doors, wakers| watch::watched(config, cluster_id, doors, wakers);
    let crowded = shards > cores.len();
    let (doors, inboxes): (Doors, Vec<Inbox>) = workers.iter().map(|_| unbounded()).unzip();
    let (ready, readiness) = bounded(shards);
    let (go, wait) = bounded(shards);
    std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(shards);
        for (worker, inbox) in workers.into_iter().zip(inboxes) {
            let shard = worker.shard();
            let start = Start {
                core: cores[shard.0 as usize % cores.len()],
                kernel: kernel_config(config, crowded),
                doors: doors.clone(),
                inbox,
                ready: ready.clone(),
                go: wait.clone(),
            };
            let spawned = std::thread::Builder::new()
                .name(format!("shard-{shard}"))
                .spawn_scoped(scope, move || start.run(worker, tasks));
            match spawned {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    drop(go);
                    return Err(StartError(format!("cannot start a thread: {error}")));
                }
            }
        }
        // The shards that are up wait for `go` and end when it is dropped without a word.
        let wakers = collect_wakers(shards, &readiness);
        let started = wakers.and_then(|wakers| {
            listen_for_signals(doors[0].clone(), wakers[0].clone())?;
            Ok(wakers)
        });
        match started {
            Ok(wakers) => {
                if let Some(address) = &config.metrics_listener {
                    console::start(address, watched(doors.clone(), wakers.clone()));
                }
                (0..shards).for_each(|_| go.send(wakers.clone()).expect("shards wait for it"));
                tracing::info!(shards, "the broker is ready");
            }
            Err(error) => {
                drop(go);
                return Err(error);
            }
        }
        let ends = threads.into_iter().map(|thread| thread.join());
        let failures = ends.map(|end| end.expect("a panic ends the process"));
        match failures.collect::<Vec<_>>().into_iter().flatten().next() {
            Some(why) => Err(StartError(format!("stopped: {why}"))),
            None => Ok(()),
        }
    })
}

fn collect_wakers(
    shards: usize,
    readiness: &Receiver<(ShardId, Result<Waker, KernelError>)>,
) -> Result<Arc<Vec<Waker>>, StartError> {
    let mut wakers = vec![None; shards];
    for _ in 0..shards {
        let (shard, waker) = readiness.recv().expect("each shard reports");
        wakers[shard.0 as usize] = Some(waker.map_err(|error| StartError(error.to_string()))?);
    }
    Ok(Arc::new(
        wakers
            .into_iter()
            .map(|waker| waker.expect("each reported"))
            .collect(),
    ))
}

impl Start {
    /// Runs the shard until it has stopped; says why, if that was by itself.
    fn run(self, mut worker: Worker, tasks: &TaskThreads<Task>) -> Option<String> {
        sys::cpu::pin(self.core);
        worker.measure_with(sys::monotonic_ns);
        worker.prefetch_with(sys::prefetch);
        let shard = worker.shard();
        let kernel = match Kernel::new(self.kernel, tasks) {
            Ok(kernel) => kernel,
            Err(error) => {
                let _ = self.ready.send((shard, Err(error)));
                return None;
            }
        };
        self.ready
            .send((shard, Ok(kernel.waker())))
            .expect("the main thread collects");
        let Ok(wakers) = self.go.recv() else {
            return None;
        };
        let mut completions = Vec::new();
        let mut began = sys::clock();
        let mut turn = Turn {
            worker,
            kernel,
            now: began,
            out: Outbox::default(),
            done: Vec::new(),
            taken: 0,
            received_bytes: limits::TOGETHER_BYTES,
            shard,
            doors: self.doors,
            wakers,
        };
        turn.worker.start(began, &mut turn.out);
        loop {
            turn.end_round();
            if turn.worker.is_stopped() {
                return turn.worker.failure().map(str::to_owned);
            }
            let deadline = turn.worker.poll_timeout();
            turn.worker.worked(sys::monotonic_us() - began.monotonic_us);
            let mut has_mail = || !self.inbox.is_empty();
            turn.kernel.poll(deadline, &mut has_mail, &mut completions);
            began = sys::clock();
            turn.now = began;
            turn.worker.begin_round(began);
            let mut events = completions.drain(..);
            loop {
                for completion in events.by_ref().take(limits::EVENTS_BETWEEN_MAIL) {
                    turn.take(Event::Completion(completion));
                }
                for (_, event) in self.inbox.try_iter().take(limits::MAIL_AT_ONCE) {
                    turn.take(event);
                }
                if events.len() == 0 {
                    break;
                }
            }
            if deadline.is_some_and(|at| at <= began.monotonic_us) {
                turn.take(Event::Timeout);
            }
            turn.perform_taken();
        }
    }
}

/// A shard's worker and its kernel, between two polls.
///
/// What a few events ask for is submitted before the next events are looked at, and what that brings at
/// once is dealt with, too: so requests are parsed and checked while their bytes are in the cache, and
/// where many come at once only few of their buffers are under way. Appends wait for the end of the round,
/// or until they are worth a write of their own.
///
/// A few and not one: presumably the kernel's code and the broker's displace each other in the instruction
/// cache (nothing here counts its misses; the broker's own part ran at one instruction a cycle). Sixteen together ([`limits::TOGETHER_EVENTS_MAX`]) against one by one, in turn: fetches of 64 KiB
/// hot by 16 consumers 0.83 of the processor time (0.63 to 0.99, 15 rounds) and 1.23 times as many, of 256 KiB
/// 0.94 (0.80 to 1.11), produces of 1 KiB by 64 connections 0.945 (the median of 60). Large sets gain nothing,
/// and want their buffers to be few: how many are together depends on what they bring
/// ([`limits::TOGETHER_BYTES`]).
struct Turn {
    worker: Worker,
    kernel: Kernel<Task>,
    /// As of the last operation that was done at once.
    now: Now,
    out: Outbox,
    /// What was done at once, on its way to the worker.
    done: Vec<Completion<TaskOutcome>>,
    /// Events whose operations have not been submitted.
    taken: usize,
    /// What a receive brings of late, smoothed: an eighth of the newest.
    received_bytes: usize,
    shard: ShardId,
    doors: Doors,
    wakers: Arc<Vec<Waker>>,
}

impl Turn {
    /// Takes an event. With enough of them does all that they lead to and that need not wait.
    fn take(&mut self, event: Event) {
        self.worker.handle(self.now, event, &mut self.out);
        self.taken += 1;
        let enough = limits::TOGETHER_BYTES / self.received_bytes.max(1);
        if self.taken >= enough.min(limits::TOGETHER_EVENTS_MAX) {
            self.perform_taken();
        }
    }

    /// Does what events lead to that were taken before.
    fn perform_taken(&mut self) {
        self.taken = 0;
        self.perform();
        if self.worker.is_worth_a_write() {
            self.drive();
        }
    }

    /// Begins the appends that have gathered, and does all that they lead to.
    fn drive(&mut self) {
        self.worker.drive(self.now, &mut self.out);
        self.perform();
    }

    fn end_round(&mut self) {
        self.now = sys::clock();
        self.worker.end_round(self.now, &mut self.out);
        self.perform();
        while self.worker.wants_drive() {
            self.drive();
        }
    }

    fn perform(&mut self) {
        for _ in 0..limits::STEPS_AT_ONCE_MAX {
            self.submit();
            self.kernel.take_done(&mut self.done);
            if self.done.is_empty() {
                return;
            }
            self.now.monotonic_us = sys::monotonic_us();
            for completion in self.done.drain(..) {
                if let Outcome::Received {
                    result: Ok(count), ..
                } = &completion.outcome
                {
                    self.received_bytes = (self.received_bytes * 7 + count) / 8;
                }
                let event = Event::Completion(completion);
                self.worker.handle(self.now, event, &mut self.out);
            }
        }
        // There is always more: it comes with the next poll, among the others.
        self.submit();
    }

    fn submit(&mut self) {
        self.worker.send_answers(self.now, &mut self.out);
        for (to, mail) in self.out.mail.drain(..) {
            // Only a shard that has ended after a clean stop no longer takes mail.
            let event = Event::Mail(self.shard, mail);
            let _ = self.doors[to.0 as usize].send((self.shard, event));
            self.kernel.wake(&self.wakers[to.0 as usize]);
        }
        for (token, operation) in self.out.operations.drain(..) {
            self.kernel.submit(token, operation);
        }
    }
}

/// Kafka's default of `socket.send.buffer.bytes` and `socket.receive.buffer.bytes`, which its sample
/// server.properties repeats: nobody who has it chose it.
const KAFKAS_SOCKET_BUFFER_BYTES: u32 = 102_400;

/// A buffer size that somebody chose. Otherwise the kernel tunes it: fixed at Kafka's 100 KiB, a
/// record set of 1 MiB came in 6.7 receives instead of 2.9 and cost 1.4 times the processor time.
pub(crate) fn chosen_buffer_bytes(bytes: Option<u32>) -> Option<u32> {
    bytes.filter(|bytes| *bytes != KAFKAS_SOCKET_BUFFER_BYTES)
}

fn kernel_config(config: &BrokerConfig, crowded: bool) -> KernelConfig {
    KernelConfig {
        append_mode: match config.append_mode {
            config::AppendMode::Auto => sys::AppendMode::Auto,
            config::AppendMode::Uring => sys::AppendMode::Uring,
            config::AppendMode::Inline => sys::AppendMode::Inline,
        },
        // A shard that spins on a core it shares keeps the other one from working.
        spin_us: if crowded { 0 } else { config.shard_spin_us },
        send_buffer_bytes: chosen_buffer_bytes(config.socket_send_buffer_bytes),
        receive_buffer_bytes: chosen_buffer_bytes(config.socket_receive_buffer_bytes),
        ..KernelConfig::default()
    }
}

/// The first signal stops cleanly; the second one ends the process as it stands.
fn listen_for_signals(door: Sender<(ShardId, Event)>, waker: Waker) -> Result<(), StartError> {
    let mut asked = false;
    let stop = move |signal: &'static str| {
        if std::mem::replace(&mut asked, true) {
            tracing::warn!("{signal} again: ending without a clean stop");
            std::process::exit(1);
        }
        tracing::info!("{signal}: stopping");
        let _ = door.send((ShardId(0), Event::Stop));
        waker.wake();
    };
    sys::signals::on_stop(stop).map_err(|error| StartError(format!("signals: {error}")))
}

fn raise_descriptors() {
    match sys::rlimit::raise_descriptors() {
        Ok(limit) => tracing::info!(
            "up to {} open files: connections, and segments in use",
            limit.now
        ),
        Err(error) => tracing::warn!("the limit of open files stays as it is: {error}"),
    }
}

fn open_listeners(config: &BrokerConfig) -> Result<Vec<Listening>, StartError> {
    let mut open = Vec::with_capacity(config.listeners.len());
    for (listener, advertised) in config.listeners.iter().zip(&config.advertised_listeners) {
        let address = resolve(listener)?;
        let socket = listen(address, config.socket_listen_backlog)
            .map_err(|error| listen_error(address, &error))?;
        let bound = sys::local_address(&socket)
            .map_err(|error| StartError(format!("{address}: {error}")))?;
        tracing::info!("listening on {bound}");
        open.push(Listening {
            socket,
            advertised: Endpoint {
                host: advertised.host.clone(),
                port: if advertised.port == 0 {
                    bound.port()
                } else {
                    advertised.port
                },
            },
        });
    }
    Ok(open)
}

/// Listens. The kernel takes some milliseconds to end a process that was killed, and its sockets are
/// the last to go: a port in use is asked for a few times.
fn listen(address: SocketAddr, backlog: u32) -> std::io::Result<Socket> {
    for _ in 0..LISTEN_AGAIN {
        match sys::listen(address, backlog) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => std::thread::sleep(LISTEN_PAUSE),
            result => return result,
        }
    }
    sys::listen(address, backlog)
}

const LISTEN_AGAIN: u32 = 20;
const LISTEN_PAUSE: Duration = Duration::from_millis(20);

/// The address that a listener binds; no host stands for every address.
fn resolve(listener: &Listener) -> Result<SocketAddr, StartError> {
    let (host, port) = (listener.host.as_str(), listener.port);
    if host.is_empty() {
        return Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    }
    let failed = |why: String| StartError(format!("listeners={listener}: {why}"));
    let mut found = (host, port)
        .to_socket_addrs()
        .map_err(|error| failed(error.to_string()))?;
    found
        .next()
        .ok_or_else(|| failed("the name has no address".into()))
}

fn listen_error(address: SocketAddr, error: &std::io::Error) -> StartError {
    let port = address.port();
    StartError(match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} is in use: stop what listens there (ss -ltnp 'sport = :{port}' names it) or \
             choose another with --override listeners=PLAINTEXT://{}:PORT",
            address.ip()
        ),
        ErrorKind::PermissionDenied => format!(
            "listening on port {port} is not permitted: choose one above 1023 or grant CAP_NET_BIND_SERVICE"
        ),
        ErrorKind::AddrNotAvailable => format!(
            "{} is not an address of this machine: set listeners to one that is (ip addr shows them)",
            address.ip()
        ),
        _ => format!("cannot listen on {address}: {error}"),
    })
}
