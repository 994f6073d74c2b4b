//! How long a broker takes from its start to the first record it acknowledges, with partitions that have
//! a record each: after a clean stop, and after kill -9; and what memory it holds with them.

use super::measure::{Setup, System};
use super::numbers::{Numbers, Quantity};
use crate::admin::Admin;
use crate::batch::{Codec, Record, RecordSet};
use crate::clock;
use crate::system::{self, Process, free_port};
use crate::wire::{self, TOPIC};
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a start may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(300);
/// What a broker that has just made its partitions may still have to do, before its memory is read.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);
/// Requests that leave together while records are made.
const AT_ONCE: usize = 100;
/// Between two attempts.
const PATIENCE: Duration = Duration::from_millis(1);

/// Starts `system` three times over the same data.
///
/// # Errors
/// Whatever fails, and a system whose process is not ours.
pub fn measure(
    setup: &Setup,
    partitions: i32,
    system: &mut System,
    directory: &Path,
) -> Result<Numbers> {
    let port = free_port()?;
    let mut numbers = Numbers::new();
    let (address, mut process) = start(setup, system, directory, port)?;
    first_acknowledged(&mut process, address, None)?;
    let mut admin = Admin::connect(address)?;
    admin.create(TOPIC, partitions, &[])?;
    let partitions: Vec<i32> = (0..partitions).collect();
    for some in partitions.chunks(AT_ONCE) {
        let requests: Vec<u8> = some.iter().flat_map(|it| request(*it)).collect();
        for answer in admin.exchange(&requests, some.len())? {
            check(&answer)?;
        }
    }
    drop(admin);
    std::thread::sleep(SETTLES_WITHIN);
    let usage = process.usage()?;
    numbers.insert(Quantity::ResidentMb, usage.resident_bytes as f64 / 1e6);
    numbers.insert(Quantity::AnonymousMb, usage.anonymous_bytes as f64 / 1e6);
    process.stop()?;

    let began_ns = clock::now_ns();
    let (address, mut process) = start(setup, system, directory, port)?;
    let answered_ns = first_acknowledged(&mut process, address, partitions.last().copied())?;
    let seconds = |since_ns| (answered_ns - since_ns) as f64 / 1e9;
    numbers.insert(Quantity::CleanStartS, seconds(began_ns));
    std::thread::sleep(SETTLES_WITHIN);
    process.kill()?;

    let began_ns = clock::now_ns();
    let (address, mut process) = start(setup, system, directory, port)?;
    let answered_ns = first_acknowledged(&mut process, address, partitions.last().copied())?;
    numbers.insert(
        Quantity::KilledStartS,
        (answered_ns - began_ns) as f64 / 1e9,
    );
    process.kill()?;
    Ok(numbers)
}

fn start(
    setup: &Setup,
    system: &System,
    directory: &Path,
    port: u16,
) -> Result<(SocketAddr, Process)> {
    match system {
        System::Millstream(_, which) => {
            let core = setup.server_core;
            let process = system::begin(which, &[], core, directory, port)?;
            Ok((([127, 0, 0, 1], port).into(), process))
        }
        System::Kafka(kafka, _) => kafka.begin(directory, ""),
        System::Limit | System::Peer(_) => Err(Error::other("its process is not ours to start")),
    }
}

/// When a record is first acknowledged by that partition; when anything is answered, if it is none.
fn first_acknowledged(
    process: &mut Process,
    address: SocketAddr,
    partition: Option<i32>,
) -> Result<u64> {
    let began = Instant::now();
    let mut last = Error::other("nothing was tried");
    while began.elapsed() < ANSWERS_WITHIN {
        let attempt = Admin::connect(address).and_then(|mut admin| match partition {
            None => admin.partitions(TOPIC).map(|_| ()),
            Some(partition) => {
                let answers = admin.exchange(&request(partition), 1)?;
                check(&answers[0])
            }
        });
        match attempt {
            Ok(()) => return Ok(clock::now_ns()),
            Err(error) => last = error,
        }
        process.check()?;
        std::thread::sleep(PATIENCE);
    }
    Err(Error::other(format!("no record was acknowledged: {last}")))
}

/// A Produce of one small record, acks=all.
fn request(partition: i32) -> Vec<u8> {
    let record = Record {
        key: None,
        value: &[1; 100],
    };
    let set = RecordSet::new([record], Codec::None);
    let mut request = wire::produce_head(-1, 1);
    wire::put_produce_partition(&mut request, partition, set.bytes.len());
    request.extend(set.bytes);
    let total = request.len();
    wire::set_length(&mut request, total);
    request
}

fn check(answer: &[u8]) -> Result<()> {
    match wire::produced(answer, 0) {
        Some(0) => Ok(()),
        error => Err(Error::other(format!("Produce: {error:?}"))),
    }
}
