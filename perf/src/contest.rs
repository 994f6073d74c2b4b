//! Runs contenders in turn and reports medians.

use crate::client;
use core_affinity::CoreId;
use std::fs::File;
use std::io::{Error, Result, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the contest is about.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Bytes of one record set.
    pub set_bytes: usize,
}

impl Shape {
    /// Record sets in the log that is fetched again and again: 256 MiB, which is larger than the caches
    /// of a processor and well within memory.
    pub fn fetched_sets(self) -> u64 {
        ((256 << 20) / self.set_bytes) as u64
    }
}

/// Something that answers length-prefixed frames with length-prefixed frames.
pub trait Contender: Sync {
    /// For the report.
    fn name(&self) -> &str;
    /// What it moves.
    fn shape(&self) -> Shape;
    /// Starts a server that will be asked for `bytes` in all, by so many connections.
    fn start(&mut self, bytes: u64, connections: usize) -> Result<SocketAddr>;
    /// Requests that move one record set each, length prefix included. Each client sends them in turn.
    fn requests(&self) -> Vec<Vec<u8>>;
    /// Whether an answer of `length` bytes that starts so is a good one.
    fn accepts(&self, start: &[u8], length: usize) -> bool;
    /// Waits for the server's end, after the last connection closed: the processor time it used.
    fn finish(&mut self) -> Result<Duration>;
}

/// How the contest goes.
pub struct Plan {
    /// Runs of each contender.
    pub rounds: usize,
    /// Bytes of record sets per run.
    pub bytes: u64,
    /// Closed-loop clients.
    pub connections: usize,
    /// Where files go.
    pub directory: PathBuf,
    /// The clients' core.
    pub client_core: CoreId,
}

struct Figure {
    gigabytes_per_s: f64,
    server_s_per_gigabyte: f64,
    latency_p50_us: u64,
    latency_p99_us: u64,
}

/// Runs all contenders, round by round, and prints one line for each.
pub fn run(plan: &Plan, contenders: &mut [Box<dyn Contender>]) -> Result<()> {
    let mut figures: Vec<Vec<Figure>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..plan.rounds {
        for (contender, figures) in contenders.iter_mut().zip(&mut figures) {
            warm(&plan.directory, plan.bytes)?;
            let figure = measure(plan, contender.as_mut())?;
            eprintln!(
                "round {}: {} {:.2} GB/s",
                round + 1,
                contender.name(),
                figure.gigabytes_per_s
            );
            figures.push(figure);
        }
    }
    println!(
        "{} runs of {} MiB, {} closed-loop connections; medians",
        plan.rounds,
        plan.bytes >> 20,
        plan.connections
    );
    for (contender, figures) in contenders.iter().zip(&mut figures) {
        figures.sort_by(|a, b| a.gigabytes_per_s.total_cmp(&b.gigabytes_per_s));
        let median = &figures[figures.len() / 2];
        println!(
            "{:<20} {:.2} GB/s ({:.2}-{:.2})  server {:.3} s/GB  p50 {} us  p99 {} us",
            contender.name(),
            median.gigabytes_per_s,
            figures[0].gigabytes_per_s,
            figures[figures.len() - 1].gigabytes_per_s,
            median.server_s_per_gigabyte,
            median.latency_p50_us,
            median.latency_p99_us,
        );
    }
    Ok(())
}

fn measure(plan: &Plan, contender: &mut dyn Contender) -> Result<Figure> {
    let set_bytes = contender.shape().set_bytes;
    let address = contender.start(plan.bytes, plan.connections)?;
    let requests = contender.requests();
    let sets = (plan.bytes as usize).div_ceil(set_bytes);
    let sets_each = sets.div_ceil(plan.connections);
    let mut latencies_us = Vec::new();
    let (accepts, requests) = (
        &|start: &[u8], length| contender.accepts(start, length),
        &requests,
    );
    let began = Instant::now();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..plan.connections)
            .map(|client| {
                let first = client * requests.len() / plan.connections;
                let core = plan.client_core;
                scope.spawn(move || client::ask(address, core, requests, first, sets_each, accepts))
            })
            .collect();
        for client in clients {
            latencies_us.extend(client.join().expect("a client panics only by mistake")?);
        }
        Ok::<_, Error>(())
    })?;
    let took = began.elapsed().as_secs_f64();
    let used = contender.finish()?.as_secs_f64();
    latencies_us.sort_unstable();
    let gigabytes = (sets_each * plan.connections * set_bytes) as f64 / 1e9;
    Ok(Figure {
        gigabytes_per_s: gigabytes / took,
        server_s_per_gigabyte: used / gigabytes,
        latency_p50_us: latencies_us[latencies_us.len() / 2],
        latency_p99_us: latencies_us[latencies_us.len() * 99 / 100],
    })
}

/// Touches as much memory as a run will: writes a file of that size and unlinks it.
fn warm(directory: &Path, bytes: u64) -> Result<()> {
    let path = directory.join(format!("perf-warm-{}", std::process::id()));
    let mut file = File::create(&path)?;
    let mebibyte = vec![1u8; 1 << 20];
    for _ in 0..bytes.div_ceil(1 << 20) {
        file.write_all(&mebibyte)?;
    }
    std::fs::remove_file(&path)
}
