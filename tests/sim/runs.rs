//! Seeds: what is run, how many of them, and what a failing one says.
//!
//! - `SIM_SEEDS=1000`: how many seeds the broker must pass, from 0 on (200 if unset).
//! - `SIM_FRESH=100`: so many more, never seen before (20 if unset).
//! - `SIM_SEED=7`: only this one, with everything that happens printed.
//! - `SIM_MUTATION=LostWakeUp`: with that bug planted.

use crate::broker::boot;
use crate::scenario::{Plan, Summary, play};
use crate::trace::Trace;
use crate::{Quiet, last_panic};
use millstream::mutation::{Mutation, plant};
use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const SEEDS: u64 = 200;
const FRESH: u64 = 20;
/// Seeds within which each planted bug must be caught.
const MUTATION_SEEDS: u64 = 200;

const MUTATIONS: [Mutation; 10] = [
    Mutation::ShortWriteNotResumed,
    Mutation::AcknowledgedBeforeWritten,
    Mutation::HighWatermarkEarly,
    Mutation::WrongOffsetPatched,
    Mutation::FlushNotAwaited,
    Mutation::LostWakeUp,
    Mutation::RepliesSwapped,
    Mutation::StaleIndex,
    Mutation::CommittedBeforeWritten,
    Mutation::NewestCompactedAway,
];

/// How a run failed.
struct Failure {
    seed: u64,
    said: String,
    tail: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}\nseed {}: {}\nreplay: SIM_SEED={} cargo test --features mutations --test sim \
             the_broker_keeps_its_promises -- --nocapture",
            self.tail, self.seed, self.said, self.seed
        )
    }
}

/// Runs one seed with that bug planted.
fn run(seed: u64, mutation: Option<Mutation>, loud: bool) -> Result<Summary, Box<Failure>> {
    let trace = Rc::new(RefCell::new(Trace::new(loud)));
    let quiet = Quiet::new();
    plant(mutation);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let plan = Plan::draw(seed);
        play(&plan, boot(&plan), &trace)
    }));
    plant(None);
    drop(quiet);
    result.map_err(|_| {
        let tail = trace.try_borrow().map(|trace| trace.tail());
        Box::new(Failure {
            seed,
            said: last_panic(),
            tail: tail.unwrap_or_default(),
        })
    })
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

fn mutation_of_the_environment() -> Option<Mutation> {
    let name = std::env::var("SIM_MUTATION").ok()?;
    let found = MUTATIONS.iter().find(|it| format!("{it:?}") == name);
    Some(*found.unwrap_or_else(|| panic!("SIM_MUTATION={name}")))
}

/// Runs `count` seeds on as many threads as there are cores; calls `ended` for each. Stops early when
/// that says so.
fn run_all(
    seeds: impl Fn(u64) -> u64 + Sync,
    count: u64,
    mutation: Option<Mutation>,
    ended: impl Fn(Result<Summary, Box<Failure>>) -> bool + Sync,
) {
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    if !ended(run(seeds(at), mutation, false)) {
                        next.store(count, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

#[test]
fn the_broker_keeps_its_promises() {
    if let Some(seed) = number("SIM_SEED") {
        println!("{:#?}", Plan::draw(seed));
        match run(seed, mutation_of_the_environment(), true) {
            Ok(summary) => println!("{summary:?}"),
            Err(failure) => panic!("seed {seed}: {}", failure.said),
        }
        return;
    }
    let mutation = mutation_of_the_environment();
    let fresh = std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
        % 1_000_000_000;
    let count = number("SIM_SEEDS").unwrap_or(SEEDS);
    let more = number("SIM_FRESH").unwrap_or(FRESH);
    println!("seeds 0..{count} and {fresh}..{}", fresh + more);
    let total = Mutex::new((0u64, 0u64, 0u64, 0u64, 0u64, 0u64, 0u64));
    let failures = Mutex::new(Vec::new());
    let seed_of = |at| if at < count { at } else { fresh + at - count };
    run_all(seed_of, count + more, mutation, |result| match result {
        Ok(summary) => {
            let mut total = total.lock().expect("nobody panics with it");
            total.0 += summary.events;
            total.1 += summary.counts.acknowledged;
            total.2 += summary.counts.read;
            total.3 += summary.counts.lost;
            total.4 += summary.counts.woken;
            total.5 += summary.counts.committed;
            total.6 += summary.counts.compacted;
            true
        }
        Err(failure) => {
            let mut failures = failures.lock().expect("nobody panics with it");
            println!("seed {}: {}", failure.seed, failure.said);
            failures.push(failure);
            failures.len() < 20
        }
    });
    let (events, acknowledged, read, lost, woken, committed, compacted) =
        *total.lock().expect("all threads ended");
    println!(
        "{events} events, {acknowledged} records acknowledged, {read} read, {lost} lost with the \
         power, {woken} long polls woken, {committed} offsets committed, {compacted} logs of them compacted"
    );
    let failures = failures.into_inner().expect("all threads ended");
    if let Some(failure) = failures.first() {
        panic!("{} seeds failed; the first:\n{failure}", failures.len());
    }
    let tested = acknowledged > 0 && woken > 0 && committed > 0 && compacted > 0;
    assert!(tested, "nothing was tested");
}

#[test]
fn each_planted_bug_is_caught() {
    let mut missed = Vec::new();
    for mutation in MUTATIONS {
        let caught = Mutex::new(None);
        run_all(
            |at| at,
            MUTATION_SEEDS,
            Some(mutation),
            |result| match result {
                Ok(_) => true,
                Err(failure) => {
                    caught
                        .lock()
                        .expect("nobody panics with it")
                        .get_or_insert(failure);
                    false
                }
            },
        );
        match caught.into_inner().expect("all threads ended") {
            Some(failure) => println!("{mutation:?}: seed {}: {}", failure.seed, failure.said),
            None => missed.push(mutation),
        }
    }
    assert!(
        missed.is_empty(),
        "not caught within {MUTATION_SEEDS} seeds: {missed:?}"
    );
}

#[test]
fn a_seed_is_the_same_in_two_processes() {
    const CHILD: &str = "SIM_HASHES";
    let hashes = || -> String {
        let hash = |seed| match run(seed, None, false) {
            Ok(summary) => format!("{seed}:{:016x}", summary.hash),
            Err(failure) => panic!("{failure}"),
        };
        (0..8).map(hash).collect::<Vec<_>>().join(" ")
    };
    if std::env::var_os(CHILD).is_some() {
        println!("hashes={}", hashes());
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().expect("this test runs"))
        .args([
            "--exact",
            "--nocapture",
            "runs::a_seed_is_the_same_in_two_processes",
        ])
        .env(CHILD, "1")
        .output()
        .expect("this test can run again");
    let said = String::from_utf8_lossy(&child.stdout);
    let line = said.lines().find_map(|line| line.split_once("hashes="));
    let (_, theirs) = line.unwrap_or_else(|| panic!("the child said: {said}"));
    assert_eq!(theirs.trim(), hashes());
}
