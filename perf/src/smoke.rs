//! `run smoke`: that what is measured is right, and that the measuring is. Nothing is timed.
//!
//! - What is produced comes back byte by byte, in every codec and in sizes from a record to a mebibyte.
//! - Every shape of the goals runs on its limit and on Millstream; the records in the log are as many as
//!   were acknowledged (the contest checks that in every run), tail consumers get each of them once and
//!   in order, and batches that come back have the CRC that they say.
//! - Histograms hold as many times as requests were counted.
//! - A server that stops for a while shows in the open loop's latency, with every request that was due
//!   meanwhile, and not in the service time of as many.

use crate::admin::Admin;
use crate::batch::{self, CRC_START, Codec, HEADER_BYTES, LENGTH_AT, Record, RecordSet};
use crate::client::{Arrivals, Measure};
use crate::contest::{
    Case, Contest, Measured, Quantity, Setup, Stall, System, Work, fresh_directory,
};
use crate::corpus::{Corpus, Source};
use crate::limits::Kind;
use crate::load::{Load, Pace, Producers, Readers, Set, Spread, Until, Way};
use crate::scenario;
use crate::system::{self, Millstream};
use crate::wire::{self, FETCHED_AT, Fetch, TOPIC};
use std::io::{Error, Result};

const SECONDS: f64 = 0.2;
/// Bytes of a log or a load.
const BYTES_MAX: u64 = 16 << 20;
const PARTITIONS: i32 = 4;

/// Everything.
///
/// # Errors
/// The first thing that is not as it must be.
pub fn run(setup: Setup, millstream: &Millstream) -> Result<()> {
    same_bytes(&setup, millstream)?;
    let setup = Setup {
        is_warmed: false,
        ..setup
    };
    let ours = System::Millstream("millstream".to_owned(), millstream.clone());
    let mut contest = Contest {
        setup,
        systems: vec![System::Limit, ours],
        rounds: 1,
    };
    let goals = scenario::all().remove(0);
    let cases = goals
        .cases
        .into_iter()
        .filter_map(shortened)
        .chain(kinds()?);
    for case in cases {
        let result = contest.run(&case);
        if let Some(failure) = result.failures.first() {
            return Err(Error::other(failure.clone()));
        }
        for runs in &result.systems {
            for run in &runs.runs {
                add_up(&case, run).map_err(|why| {
                    Error::other(format!("{} on {}: {why}", case.name, runs.system))
                })?;
            }
        }
        say(&case.name);
    }
    stalled(&mut contest)?;
    starts(&mut contest)
}

fn say(what: &str) {
    println!("ok  {what}");
}

/// Sets go in and the same sets come out.
fn same_bytes(setup: &Setup, millstream: &Millstream) -> Result<()> {
    let directory = fresh_directory(&setup.directory)?;
    let running = system::millstream(millstream, &[], setup.server_core, directory.path())?;
    let mut admin = Admin::connect(running.address)?;
    admin.create(TOPIC, PARTITIONS, &[])?;
    let mut sets = Vec::new();
    for codec in [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ] {
        for corpus in [Corpus::Compressible, Corpus::Random] {
            let mut source = Source::new(corpus, 7);
            let values: Vec<_> = (0..50).map(|at| source.take(at * 40)).collect();
            let records = values.iter().map(|value| Record {
                key: Some(b"key"),
                value,
            });
            sets.push(RecordSet::new(records, codec));
        }
    }
    for bytes in [80, 1 << 10, 16 << 10, 64 << 10, 1 << 20] {
        let mut source = Source::new(Corpus::Random, 8);
        sets.push(RecordSet::of_size(
            bytes,
            |count| source.take(count),
            Codec::None,
        ));
    }
    let mut ends = vec![0; PARTITIONS as usize];
    for (at, set) in sets.iter().enumerate() {
        let partition = at as i32 % PARTITIONS;
        let mut stamped = set.bytes.clone();
        set.stamp(
            &mut stamped[..set.stamped_bytes()],
            1,
            crate::clock::wall_ms(),
        );
        let mut request = wire::produce_head(-1, 1);
        wire::put_produce_partition(&mut request, partition, stamped.len());
        request.extend(&stamped);
        let total = request.len();
        wire::set_length(&mut request, total);
        let produced = wire::produced(&admin.exchange(&request, 1)?[0], 0);
        if produced != Some(0) {
            return Err(Error::other(format!("set {at} was refused: {produced:?}")));
        }
        let end = &mut ends[partition as usize];
        let fetch = Fetch {
            max_wait_ms: 500,
            max_bytes: 4 << 20,
            partition_bytes: 4 << 20,
            session: 0,
            epoch: -1,
        };
        request.clear();
        wire::put_fetch(&mut request, 0, fetch, [(partition, *end)].into_iter());
        let answer = &admin.exchange(&request, 1)?[0];
        let got = answer.get(FETCHED_AT - 4..).unwrap_or_default();
        if !is_same(got, &stamped, *end) {
            return Err(Error::other(format!(
                "set {at} of {} bytes came back as {} others",
                stamped.len(),
                got.len()
            )));
        }
        *end += i64::from(set.records);
    }
    if admin.ends(PARTITIONS)? != ends {
        return Err(Error::other("the partitions do not end where they should"));
    }
    say(&format!("{} sets came back as they went in", sets.len()));
    Ok(())
}

/// All but base offset and leader epoch, which are the broker's.
fn is_same(got: &[u8], sent: &[u8], offset: i64) -> bool {
    got.len() == sent.len()
        && got.len() >= HEADER_BYTES
        && got[..LENGTH_AT] == offset.to_be_bytes()
        && got[LENGTH_AT..LENGTH_AT + 4] == sent[LENGTH_AT..LENGTH_AT + 4]
        && got[CRC_START - 5..] == sent[CRC_START - 5..]
        && batch::is_intact(got)
}

/// A shape of the goals, short enough; `None` if it is no load.
fn shortened(mut case: Case) -> Option<Case> {
    let load = case.load_mut()?;
    load.warm_up = Until {
        seconds: SECONDS / 4.0,
        bytes: Some(BYTES_MAX / 4),
    };
    load.measure = Until {
        seconds: SECONDS,
        bytes: Some(BYTES_MAX),
    };
    load.verify = true;
    if let Some(fill) = &mut case.fill {
        fill.batches = fill.batches.min(BYTES_MAX / fill.batch_bytes as u64);
    }
    Some(case)
}

/// What the shapes of the goals do not have: keys, acks, codecs, tail consumers, backlogs.
fn kinds() -> Result<Vec<Case>> {
    let set = Set::Records {
        count: 20,
        value_bytes: 100,
    };
    let tailed = |producers: Producers| {
        let mut load = Load::producing(
            PARTITIONS,
            Producers {
                is_stamped: true,
                ..producers
            },
        );
        load.tails = 3;
        load
    };
    let closed = || Producers {
        in_flight: 3,
        ..Producers::closed(6, set)
    };
    let codec = |codec| Producers {
        codec,
        corpus: Corpus::Compressible,
        ..closed()
    };
    let open = Pace::Open {
        per_s: 2_000.0,
        arrivals: Arrivals::Constant,
    };
    let mut loads = vec![
        (
            "acks=0",
            Load::producing(
                PARTITIONS,
                Producers {
                    acks: 0,
                    ..closed()
                },
            ),
        ),
        (
            "acks=all, tail consumers",
            tailed(Producers {
                acks: -1,
                ..closed()
            }),
        ),
        (
            "keys",
            tailed(Producers {
                spread: Spread::Keys(100),
                ..closed()
            }),
        ),
        (
            "open loop",
            tailed(Producers {
                pace: open,
                ..closed()
            }),
        ),
        ("zstd", tailed(codec(Codec::Zstd))),
        ("gzip", tailed(codec(Codec::Gzip))),
    ];
    let mut fanned = tailed(closed());
    fanned.is_fanned_out = true;
    loads.push(("fanned out", fanned));
    let mut threads = tailed(closed());
    threads.threads = 2;
    loads.push(("two client threads", threads));
    let cases = loads
        .into_iter()
        .map(|(name, load)| Case::new(name, name, load));
    let mut cases: Vec<Case> = cases.filter_map(shortened).collect();
    let drain = Readers {
        connections: 3,
        fetch_bytes: 300_000,
        way: Way::Drain,
        pace: Pace::Closed,
        after_s: 0.0,
    };
    let mut load = Load::reading(PARTITIONS, drain);
    load.warm_up.seconds = 0.0;
    load.measure.seconds = 10.0;
    load.verify = true;
    let mut cold = Case::new("cold backlog", "", load).fill(64 << 10, BYTES_MAX / 8);
    cold.is_cold = true;
    cases.push(cold);
    Ok(cases)
}

/// Numbers that must agree do.
fn add_up(case: &Case, run: &Measured) -> std::result::Result<(), String> {
    let (Some(outcome), Some(load)) = (&run.outcome, case.load()) else {
        return Err("no load ran".to_owned());
    };
    let sums = outcome.figures.sums();
    let (requests, measure, may_differ) = match (&load.readers, &load.producers) {
        (Some(readers), _) => (sums.fetches, Measure::Fetch, readers.connections),
        (None, Some(it)) => (
            sums.produced,
            Measure::Produce,
            it.connections * it.in_flight,
        ),
        (None, None) => return Err("a load without anybody".to_owned()),
    };
    let total = outcome.figures.total(measure).map_or(0, |it| it.len());
    let by_slice: u64 = outcome
        .figures
        .by_slice(measure)
        .map(|(_, it)| it.len())
        .sum();
    let pace = match (&load.readers, &load.producers) {
        (Some(readers), _) => readers.pace,
        (None, producers) => producers.as_ref().map_or(Pace::Closed, |it| it.pace),
    };
    let is_answered = load.producers.as_ref().is_none_or(|it| it.acks != 0);
    let is_off = match pace {
        // What nobody answers has no times.
        _ if !is_answered => total > 0,
        // Those under way when the measuring began or ended count in one place and not in the other.
        Pace::Closed => total.abs_diff(requests) > 2 * may_differ as u64,
        // All that were due count, answered or not: six standard deviations of a Poisson process.
        Pace::Open { per_s, .. } => {
            let due = per_s * outcome.seconds;
            (total as f64 - due).abs() > 6.0 * due.sqrt() + 2.0
        }
    };
    if requests == 0 || total != by_slice || is_off {
        return Err(format!(
            "{requests} requests, {total} times, {by_slice} by slice"
        ));
    }
    for trouble in [Quantity::Unanswered, Quantity::NotTailed] {
        if run.numbers.get(&trouble).is_some_and(|it| *it > 0.0) {
            return Err(format!("{trouble:?}"));
        }
    }
    if load.tails > 0 && outcome.figures.total(Measure::EndToEnd).is_none() {
        return Err("no record's way from end to end was timed".to_owned());
    }
    if let Some(Way::Drain) = load.readers.as_ref().map(|it| it.way) {
        let fill = case.fill.expect("a backlog is filled");
        let there = fill.batch_bytes as u64 * fill.batches * load.partitions as u64;
        if sums.fetched_bytes < there {
            return Err(format!(
                "{} of {there} bytes were drained",
                sums.fetched_bytes
            ));
        }
    }
    Ok(())
}

/// What is due while the server stands still counts from when it was due.
fn stalled(contest: &mut Contest) -> Result<()> {
    const PER_S: f64 = 1_000.0;
    let pace = Pace::Open {
        per_s: PER_S,
        arrivals: Arrivals::Constant,
    };
    let set = Set::Records {
        count: 1,
        value_bytes: 100,
    };
    let producers = Producers {
        pace,
        in_flight: 2,
        ..Producers::closed(2, set)
    };
    let mut load = Load::producing(1, producers);
    load.warm_up.seconds = 0.1;
    load.measure.seconds = 1.0;
    load.spin_us = None;
    let mut case = Case::new("stall", "", load).limit(Kind::Append);
    case.stall = Some(Stall { at_s: 0.3, ms: 400 });
    let result = contest.run(&case);
    if let Some(failure) = result.failures.first() {
        return Err(Error::other(failure.clone()));
    }
    for runs in &result.systems {
        let outcome = runs.runs[0].outcome.as_ref();
        let figures = &outcome.ok_or_else(|| Error::other("no load ran"))?.figures;
        let of = |measure| {
            figures
                .total(measure)
                .ok_or_else(|| Error::other("nothing timed"))
        };
        let (latency, service) = (of(Measure::Produce)?, of(Measure::ProduceService)?);
        let ms = |ns: u64| ns / 1_000_000;
        // Of 1,000 requests 400 are due during the stall; half of those wait 200 ms or more. Only the four
        // that may be under way are served for as long.
        let waited = ms(latency.value_at_quantile(0.82));
        let (served, slowest) = (ms(service.value_at_quantile(0.82)), ms(service.max()));
        if latency.len() < PER_S as u64 - 2 || waited < 180 || served > waited / 2 || slowest < 300
        {
            return Err(Error::other(format!(
                "{}: a stall of 400 ms, and of {} requests the slowest fifth waited {waited} ms, was served for {served} ms, the slowest {slowest} ms",
                runs.system,
                latency.len()
            )));
        }
    }
    say("a stall shows in the latency of what was due, and in the service time of what was sent");
    Ok(())
}

fn starts(contest: &mut Contest) -> Result<()> {
    let mut case = scenario::all().remove(0).cases.remove(0);
    case.name = "start".to_owned();
    case.limit = None;
    case.work = Work::Starts { partitions: 5 };
    let result = contest.run(&case);
    if let Some(failure) = result.failures.first() {
        return Err(Error::other(failure.clone()));
    }
    let is_timed = |quantity| {
        result
            .spread("millstream", quantity)
            .is_some_and(|it| it.median > 0.0)
    };
    if !is_timed(Quantity::CleanStartS) || !is_timed(Quantity::KilledStartS) {
        return Err(Error::other("a start was not timed"));
    }
    say("start, clean and after kill -9");
    Ok(())
}
