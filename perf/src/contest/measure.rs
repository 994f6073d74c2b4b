//! One system under one case, once.

use super::case::{Case, Fill, Stall, Work};
use super::numbers::{Numbers, Quantity};
use super::starts;
use crate::admin::Admin;
use crate::batch::{Codec, RecordSet};
use crate::client::{self, Arrivals, Mark, Measure as Timed, Outcome, Probe};
use crate::leftovers::Directory;
use crate::limits::{Kind, Served};
use crate::load::{Load, Pace, Producers, Set, Until};
use crate::system::{self, Kafka, Millstream, Running, Switches, Usage};
use crate::wire::{self, TOPIC};
use crate::{clock, warm};
use core_affinity::CoreId;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The topic of partitions that do nothing.
const IDLE_TOPIC: &str = "perf-idle";
/// How long records that nobody acknowledges may take until they are there.
const UNACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);
/// How long the most that a load reaches is measured, before it runs at a share of that.
const SHARE_SECONDS: f64 = 2.0;
/// How long a virtual machine compiles before it is measured for the first time.
const COMPILE_SECONDS: f64 = 8.0;
/// A broker rests that has used less than this share of a core, and has not waited for the disk, in each
/// look for so long.
const RESTS_BELOW: f64 = 0.005;
const RESTED: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Ten thousand segments on a slow disk take minutes.
const SETTLED_WITHIN: Duration = Duration::from_secs(900);

/// Where and with what everything runs.
pub struct Setup {
    /// The directory under test.
    pub directory: PathBuf,
    /// How many cores this process was given.
    pub cores: usize,
    /// The core of limits and Millstream.
    pub server_core: CoreId,
    /// The cores of the client.
    pub client_cores: Vec<CoreId>,
    /// Progress lines.
    pub is_talkative: bool,
    /// Memory is warmed before each run; without that nothing can be timed.
    pub is_warmed: bool,
}

/// What is compared.
pub enum System {
    /// The bare server that a case names.
    Limit,
    /// A build of Millstream, under a name.
    Millstream(String, Millstream),
    /// Apache Kafka; kept from run to run, so that its code is compiled, and paused in between.
    Kafka(Box<Kafka>, Option<(Running, Directory)>),
    /// Somebody's broker.
    Peer(SocketAddr),
}

/// What a run came to.
pub struct Measured {
    /// In which round, from 0 on.
    pub round: usize,
    /// In numbers.
    pub numbers: Numbers,
    /// What the client saw, unless no load ran.
    pub outcome: Option<Outcome>,
    /// What the server had used at each second of the measuring.
    pub usage: Vec<Usage>,
}

impl System {
    /// Its name in tables.
    pub fn name(&self) -> &str {
        match self {
            System::Limit => "limit",
            System::Millstream(name, _) => name,
            System::Kafka(..) => "kafka",
            System::Peer(_) => "peer",
        }
    }

    /// Whether it is somebody else's broker, which runs in fewer rounds where a case says so.
    pub fn is_peer(&self) -> bool {
        matches!(self, System::Kafka(..) | System::Peer(_))
    }

    /// Apache Kafka, if it is that.
    pub fn as_kafka(&self) -> Option<&Kafka> {
        match self {
            System::Kafka(kafka, _) => Some(kafka),
            _ => None,
        }
    }

    /// Whether it can run this case.
    pub fn takes(&self, case: &Case) -> bool {
        match self {
            System::Limit => case.limit.is_some(),
            System::Millstream(..) => true,
            System::Kafka(..) => case.peer_rounds > 0,
            // Its process and its files are not ours.
            System::Peer(_) => !case.is_cold && !matches!(case.work, Work::Starts { .. }),
        }
    }
}

/// Runs `case` on `system` once.
///
/// # Errors
/// Whatever fails, with the name of the case and the system.
pub fn measure(setup: &Setup, case: &Case, system: &mut System) -> Result<Measured> {
    let name = system.name().to_owned();
    attempt(setup, case, system)
        .map_err(|error| Error::new(error.kind(), format!("{} on {name}: {error}", case.name)))
}

fn attempt(setup: &Setup, case: &Case, system: &mut System) -> Result<Measured> {
    let directory = fresh_directory(&setup.directory)?;
    if setup.is_warmed {
        warm::memory(directory.path(), case.footprint_bytes())?;
    }
    match &case.work {
        Work::Load(load) | Work::ShareOfMost { load, .. } => {
            on(setup, case, load, system, directory.path())
        }
        Work::Starts { partitions } => {
            let numbers = starts::measure(setup, *partitions, system, directory.path())?;
            Ok(Measured {
                round: 0,
                numbers,
                outcome: None,
                usage: Vec::new(),
            })
        }
    }
}

fn on(
    setup: &Setup,
    case: &Case,
    load: &Load,
    system: &mut System,
    directory: &Path,
) -> Result<Measured> {
    match system {
        System::Limit => {
            let bare = case.limit.expect("asked before");
            let log = case.fill.map(|it| (it.batch_bytes, it.batches));
            let served = Served {
                kind: bare.kind,
                directory: directory.to_owned(),
                partitions: load.partitions as usize,
                log: log.filter(|_| bare.kind == Kind::Sendfile),
                spin_us: bare.spin_us,
            };
            let running = system::limit(&served, setup.server_core, directory)?;
            // It has no topics, and its log is one file.
            let batches = case.fill.map_or(0, |it| it.batches as i64);
            let ends = vec![batches; load.partitions as usize];
            under_load(setup, case, load, running.address, running.id(), &ends)
        }
        System::Millstream(_, which) => {
            let core = setup.server_core;
            let running = system::millstream(which, &case.properties, core, directory)?;
            on_broker(setup, case, load, &running, Some(&directory.join("data")))
        }
        System::Kafka(kafka, kept) => {
            let (running, kept_in) = match kept.take() {
                Some(kept) => kept,
                None => {
                    let kept_in = fresh_directory(&setup.directory)?;
                    let running = kafka.start(kept_in.path())?;
                    compile(setup, &running)?;
                    (running, kept_in)
                }
            };
            let process = running.process.as_ref().expect("it is ours");
            process.resume()?;
            let data = kept_in.path().join("data");
            let result = on_broker(setup, case, load, &running, Some(&data));
            let cleared = clear(&running, case);
            process.pause()?;
            *kept = Some((running, kept_in));
            let measured = result?;
            cleared.map(|()| measured)
        }
        System::Peer(address) => {
            let running = Running {
                address: *address,
                process: None,
            };
            let measured = on_broker(setup, case, load, &running, None)?;
            clear(&running, case).map(|()| measured)
        }
    }
}

/// Has a broker that is compiled while it runs do what it will be measured at, for a while.
fn compile(setup: &Setup, running: &Running) -> Result<()> {
    let set = Set::Records {
        count: 1,
        value_bytes: 1 << 10,
    };
    let mut load = Load::producing(
        4,
        Producers {
            is_stamped: true,
            ..Producers::closed(16, set)
        },
    );
    load.tails = 2;
    load.measure.seconds = COMPILE_SECONDS;
    let mut admin = Admin::connect(running.address)?;
    admin.create(TOPIC, load.partitions, &[])?;
    let ends = vec![0; load.partitions as usize];
    client::run(
        &load,
        running.address,
        &setup.client_cores,
        None,
        &ends,
        false,
    )?;
    admin.delete(TOPIC)
}

/// Removes what a run left on a broker that goes on.
fn clear(running: &Running, case: &Case) -> Result<()> {
    let mut admin = Admin::connect(running.address)?;
    admin.delete(TOPIC)?;
    match case.idle_partitions {
        0 => Ok(()),
        _ => admin.delete(IDLE_TOPIC),
    }
}

fn on_broker(
    setup: &Setup,
    case: &Case,
    load: &Load,
    running: &Running,
    data: Option<&Path>,
) -> Result<Measured> {
    let mut admin = Admin::connect(running.address)?;
    if case.idle_partitions > 0 {
        admin.create(IDLE_TOPIC, case.idle_partitions, &[])?;
    }
    let config = case.topic.iter().map(|it| (it.0.as_str(), it.1.as_str()));
    // What a run leaves behind is gone before the next.
    let config: Vec<_> = config.chain([("file.delete.delay.ms", "100")]).collect();
    admin.create(TOPIC, load.partitions, &config)?;
    if let Some(it) = case.fill {
        fill(&mut admin, it, load.partitions)?;
    }
    if let (true, Some(pid)) = (case.is_settled, running.id()) {
        settle(pid)?;
    }
    let mut load = load.clone();
    if let Work::ShareOfMost { share, .. } = case.work {
        load = at_share(setup, &load, running, share)?;
    }
    if case.is_cold {
        let data = data.ok_or_else(|| Error::other("the files of this broker are not ours"))?;
        warm::drop_page_cache(data)?;
    }
    let before = admin.ends(load.partitions)?;
    let mut measured = under_load(setup, case, &load, running.address, running.id(), &before)?;
    let before: i64 = before.iter().sum();
    let outcome = measured.outcome.as_ref().expect("a load ran");
    let expected = before + outcome.produced_records as i64;
    let is_answered = load.producers.as_ref().is_none_or(|it| it.acks != 0);
    let began = Instant::now();
    loop {
        let there: i64 = admin.ends(load.partitions)?.iter().sum();
        if there == expected || outcome.figures.unanswered > 0 {
            break;
        }
        if is_answered || began.elapsed() > UNACKNOWLEDGED_WITHIN {
            let why = format!("{expected} records should be there, {there} are");
            return Err(Error::other(why));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    tailed(&load, &mut measured);
    Ok(measured)
}

/// Runs a load on a broker that is there, with the topic that is there.
///
/// # Errors
/// Whatever the broker refuses.
pub fn on_address(
    setup: &Setup,
    case: &Case,
    address: SocketAddr,
    pid: Option<u32>,
) -> Result<Measured> {
    let load = case.load().ok_or_else(|| Error::other("not a load"))?;
    let ends = Admin::connect(address)?.ends(load.partitions)?;
    let mut measured = under_load(setup, case, load, address, pid, &ends)?;
    tailed(load, &mut measured);
    Ok(measured)
}

/// Counts the records that tail consumers did not get.
fn tailed(load: &Load, measured: &mut Measured) {
    if let Some(outcome) = measured.outcome.as_ref().filter(|_| load.tails > 0) {
        let expected = outcome.produced_records * load.copies();
        let missing = expected.saturating_sub(outcome.tail_records);
        measured.numbers.insert(Quantity::NotTailed, missing as f64);
    }
}

/// Fills every partition with batches of one record.
fn fill(admin: &mut Admin, fill: Fill, partitions: i32) -> Result<()> {
    let set = RecordSet::of_size(fill.batch_bytes, |count| vec![7; count], Codec::None);
    // A broker takes one batch of a partition per request: several requests leave together, so that they
    // are appended together.
    let at_once = ((1 << 20) / fill.batch_bytes).max(1) as u64;
    let first_ms = clock::wall_ms() - fill.batches as i64 * fill.spacing_ms;
    for partition in 0..partitions {
        let mut request = wire::produce_head(1, 1);
        wire::put_produce_partition(&mut request, partition, set.bytes.len());
        assert_eq!(request.len(), wire::SET_AT);
        request.extend(&set.bytes);
        let total = request.len();
        wire::set_length(&mut request, total);
        let mut batch = 0;
        while batch < fill.batches {
            let count = (fill.batches - batch).min(at_once);
            let mut requests = Vec::new();
            for at in batch..batch + count {
                let prefix = &mut request[wire::SET_AT..wire::SET_AT + set.stamped_bytes()];
                set.stamp(prefix, 0, first_ms + at as i64 * fill.spacing_ms);
                requests.extend(&request);
            }
            for answer in admin.exchange(&requests, count as usize)? {
                match wire::produced(&answer, 0) {
                    Some(0) => {}
                    error => return Err(Error::other(format!("filling the log: {error:?}"))),
                }
            }
            batch += count;
        }
    }
    Ok(())
}

/// Waits until a broker no longer works on what it was given before: closed segments that are synced.
fn settle(pid: u32) -> Result<()> {
    let began = Instant::now();
    let mut rested = Duration::ZERO;
    let mut before = Usage::of(pid)?;
    while rested < RESTED {
        if began.elapsed() > SETTLED_WITHIN {
            return Err(Error::other("the broker does not come to rest"));
        }
        std::thread::sleep(LOOK_EVERY);
        let now = Usage::of(pid)?;
        let share = now.since(before).cpu_s / LOOK_EVERY.as_secs_f64();
        rested = match share < RESTS_BELOW && !system::waits_for_disk(pid)? {
            true => rested + LOOK_EVERY,
            false => Duration::ZERO,
        };
        before = now;
    }
    Ok(())
}

/// The same load, open, at this share of what it reaches closed.
fn at_share(setup: &Setup, load: &Load, running: &Running, share: f64) -> Result<Load> {
    let mut closed = Load {
        readers: None,
        ..load.clone()
    };
    closed.measure = Until {
        seconds: SHARE_SECONDS,
        bytes: None,
    };
    let producers = closed.producers.as_mut();
    producers
        .ok_or_else(|| Error::other("a share of no load"))?
        .pace = Pace::Closed;
    let ends = Admin::connect(running.address)?.ends(load.partitions)?;
    let outcome = client::run(
        &closed,
        running.address,
        &setup.client_cores,
        None,
        &ends,
        false,
    )?;
    let per_s = outcome.figures.sums().produced as f64 / outcome.seconds * share;
    let mut open = load.clone();
    if let Some(producers) = &mut open.producers {
        producers.pace = Pace::Open {
            per_s,
            arrivals: Arrivals::Poisson,
        };
    }
    Ok(open)
}

fn under_load(
    setup: &Setup,
    case: &Case,
    load: &Load,
    address: SocketAddr,
    pid: Option<u32>,
    ends: &[i64],
) -> Result<Measured> {
    let mut watch = Watch {
        pid,
        stall: case.stall,
        seen: Vec::new(),
        stolen_s: 0.0,
        failed: None,
    };
    let probe: Option<&mut dyn Probe> = Some(&mut watch);
    let cores = &setup.client_cores;
    let mut outcome = client::run(load, address, cores, probe, ends, setup.is_talkative)?;
    if let Some(Stall { at_s, ms }) = case.stall {
        let what = format!("the server is stopped for {ms} ms");
        outcome.events.push((at_s, what));
    }
    if let Some(error) = watch.failed {
        return Err(error);
    }
    Ok(Measured {
        round: 0,
        numbers: numbers(case, &outcome, &watch.seen, watch.stolen_s),
        outcome: Some(outcome),
        usage: watch.seen,
    })
}

/// Looks at the server's process.
struct Watch {
    pid: Option<u32>,
    stall: Option<Stall>,
    seen: Vec<Usage>,
    /// What the host took: at first as of the beginning, then what it was in between.
    stolen_s: f64,
    failed: Option<Error>,
}

impl Probe for Watch {
    fn look(&mut self, mark: Mark) {
        if mark != Mark::Second {
            match system::stolen_s() {
                Ok(stolen_s) => self.stolen_s = stolen_s - self.stolen_s,
                Err(error) => self.failed = Some(error),
            }
        }
        let Some(pid) = self.pid else {
            return;
        };
        // Reading many threads' files takes a while; it lies outside of what is measured.
        let result = match mark {
            Mark::Begin => Switches::of(pid).and_then(|Switches(switches)| {
                let usage = Usage::of(pid)?;
                Ok(Usage { switches, ..usage })
            }),
            Mark::Second => Usage::of(pid),
            Mark::End => Usage::of(pid).and_then(|usage| {
                let Switches(switches) = Switches::of(pid)?;
                Ok(Usage { switches, ..usage })
            }),
        };
        if let (Mark::Begin, Some(stall)) = (mark, self.stall) {
            system::stall(pid, stall.at_s, Duration::from_millis(stall.ms));
        }
        match result {
            Ok(usage) => self.seen.push(usage),
            Err(error) => self.failed = Some(error),
        }
    }
}

fn numbers(case: &Case, outcome: &Outcome, seen: &[Usage], stolen_s: f64) -> Numbers {
    let mut numbers = Numbers::new();
    let sums = outcome.figures.sums();
    let (requests, bytes, timed, service) = match case.is_reading() {
        true => (
            sums.fetches,
            sums.fetched_bytes,
            Timed::Fetch,
            Timed::FetchService,
        ),
        false => (
            sums.produced,
            sums.produced_bytes,
            Timed::Produce,
            Timed::ProduceService,
        ),
    };
    let (requests, gigabytes, seconds) = (requests as f64, bytes as f64 / 1e9, outcome.seconds);
    numbers.insert(Quantity::RequestsPerS, requests / seconds);
    numbers.insert(Quantity::GigabytesPerS, gigabytes / seconds);
    if !case.is_reading() {
        numbers.insert(
            Quantity::RecordsPerS,
            sums.produced_records as f64 / seconds,
        );
    }
    if sums.fetches > 0 && !case.is_reading() {
        let drained = sums.fetched_bytes as f64 / 1e9;
        numbers.insert(Quantity::DrainedGigabytes, drained);
    }
    let mut quantiles = |timed, quantities: &[(Quantity, f64)]| {
        if let Some(histogram) = outcome.figures.total(timed) {
            for (quantity, quantile) in quantities {
                let us = histogram.value_at_quantile(*quantile) as f64 / 1e3;
                numbers.insert(*quantity, us);
            }
        }
    };
    quantiles(
        timed,
        &[
            (Quantity::P50Us, 0.5),
            (Quantity::P90Us, 0.9),
            (Quantity::P99Us, 0.99),
            (Quantity::P999Us, 0.999),
            (Quantity::P9999Us, 0.9999),
            (Quantity::MaxUs, 1.0),
        ],
    );
    quantiles(
        service,
        &[
            (Quantity::ServiceP50Us, 0.5),
            (Quantity::ServiceP99Us, 0.99),
            (Quantity::ServiceP999Us, 0.999),
        ],
    );
    quantiles(
        Timed::EndToEnd,
        &[
            (Quantity::EndToEndP50Us, 0.5),
            (Quantity::EndToEndP99Us, 0.99),
            (Quantity::EndToEndP999Us, 0.999),
        ],
    );
    if let [first, .., last] = seen {
        let used = last.since(*first);
        numbers.insert(Quantity::ServerCores, used.cpu_s / seconds);
        numbers.insert(Quantity::CpuUsPerRequest, used.cpu_s * 1e6 / requests);
        numbers.insert(Quantity::CpuSPerGigabyte, used.cpu_s / gigabytes);
        numbers.insert(
            Quantity::SwitchesPerRequest,
            used.switches as f64 / requests,
        );
        numbers.insert(Quantity::ResidentMb, used.resident_bytes as f64 / 1e6);
        numbers.insert(Quantity::AnonymousMb, used.anonymous_bytes as f64 / 1e6);
    }
    numbers.insert(Quantity::ClientBusy, outcome.client_busy);
    numbers.insert(Quantity::StolenMsPerS, stolen_s * 1e3 / seconds);
    numbers.insert(Quantity::Unanswered, outcome.figures.unanswered as f64);
    numbers.retain(|_, number| number.is_finite());
    numbers
}

/// A new directory below `parent`.
pub fn fresh_directory(parent: &Path) -> Result<Directory> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Relaxed);
    let name = format!("millstream-perf-{}-{count}", std::process::id());
    Directory::new(parent.join(name))
}
