//! Runs contenders in turn and reports medians.

use crate::client;
use core_affinity::CoreId;
use std::fs::File;
use std::io::{Result, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of one record set.
pub const SET_BYTES: usize = 1 << 20;

/// Something that answers length-prefixed frames with length-prefixed frames.
pub trait Contender {
    /// For the report.
    fn name(&self) -> &str;
    /// Starts a server that will be asked for `bytes` in all, by so many connections.
    fn start(&mut self, bytes: u64, connections: usize) -> Result<SocketAddr>;
    /// The request that moves one record set, its length prefix included.
    fn request(&self) -> Vec<u8>;
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
        "{} runs of {} MiB in sets of {} KiB, {} closed-loop connections; medians",
        plan.rounds,
        plan.bytes >> 20,
        SET_BYTES >> 10,
        plan.connections
    );
    for (contender, figures) in contenders.iter().zip(&mut figures) {
        figures.sort_by(|a, b| a.gigabytes_per_s.total_cmp(&b.gigabytes_per_s));
        let median = &figures[figures.len() / 2];
        println!(
            "{:<16} {:.2} GB/s ({:.2}-{:.2})  server {:.3} s/GB  p50 {} us  p99 {} us",
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
    let address = contender.start(plan.bytes, plan.connections)?;
    let request = contender.request();
    let sets = (plan.bytes as usize).div_ceil(SET_BYTES);
    let sets_each = sets.div_ceil(plan.connections);
    let began = Instant::now();
    let clients: Vec<_> = (0..plan.connections)
        .map(|_| {
            let request = request.clone();
            let core = plan.client_core;
            std::thread::spawn(move || client::ask(address, core, &request, sets_each))
        })
        .collect();
    let mut latencies_us = Vec::new();
    for client in clients {
        latencies_us.extend(client.join().expect("a client panics only by mistake")?);
    }
    let took = began.elapsed().as_secs_f64();
    let used = contender.finish()?.as_secs_f64();
    latencies_us.sort_unstable();
    let gigabytes = (sets_each * plan.connections * SET_BYTES) as f64 / 1e9;
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
    let set = vec![1u8; SET_BYTES];
    for _ in 0..bytes.div_ceil(SET_BYTES as u64) {
        file.write_all(&set)?;
    }
    std::fs::remove_file(&path)
}
