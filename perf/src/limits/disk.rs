//! What the file system under test takes: appends and fdatasyncs by size.

use crate::clock;
use hdrhistogram::Histogram;
use rustix::fs::{FallocateFlags, fallocate, fdatasync};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::Result;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes appended for each size.
const APPENDED_BYTES: u64 = 512 << 20;
const APPEND_SIZES: [usize; 6] = [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
const SYNC_SIZES: [usize; 4] = [4 << 10, 64 << 10, 1 << 20, 16 << 20];
const SYNCS: usize = 50;

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Disk {
    /// `append` or `fdatasync`.
    pub what: &'static str,
    /// Bytes of each call, or appended before it.
    pub bytes: usize,
    /// Of all calls together, GB/s.
    pub gigabytes_per_s: f64,
    /// Of a call, us.
    pub p50_us: f64,
    /// Of a call, us.
    pub p99_us: f64,
    /// Of a call, us.
    pub max_us: f64,
}

/// Measures in `directory`. The file is allocated ahead, as a broker's is.
pub fn disk(directory: &Path) -> Result<Vec<Disk>> {
    let path = directory.join(format!("perf-disk-{}", std::process::id()));
    let result = measure(&path);
    std::fs::remove_file(&path)?;
    result
}

fn measure(path: &Path) -> Result<Vec<Disk>> {
    let mut lines = Vec::new();
    for bytes in APPEND_SIZES {
        let piece = vec![1; bytes];
        let file = fresh(path, APPENDED_BYTES)?;
        let mut times = times();
        let began_ns = clock::now_ns();
        for at in 0..APPENDED_BYTES / bytes as u64 {
            let before_ns = clock::now_ns();
            file.write_all_at(&piece, at * bytes as u64)?;
            times.saturating_record(clock::now_ns() - before_ns);
        }
        lines.push(line("append", bytes, APPENDED_BYTES, began_ns, &times));
    }
    for bytes in SYNC_SIZES {
        let piece = vec![1; bytes];
        let total = (bytes * SYNCS) as u64;
        let file = fresh(path, total)?;
        let mut times = times();
        let began_ns = clock::now_ns();
        for at in 0..SYNCS as u64 {
            file.write_all_at(&piece, at * bytes as u64)?;
            let before_ns = clock::now_ns();
            fdatasync(&file)?;
            times.saturating_record(clock::now_ns() - before_ns);
        }
        lines.push(line("fdatasync", bytes, total, began_ns, &times));
    }
    Ok(lines)
}

/// An empty file with room for so many bytes, in memory that was used a moment ago.
fn fresh(path: &Path, bytes: u64) -> Result<File> {
    crate::warm::memory(path.parent().unwrap_or(Path::new(".")), bytes)?;
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).open(path)?;
    fallocate(&file, FallocateFlags::KEEP_SIZE, 0, bytes)?;
    Ok(file)
}

fn times() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60 * clock::SECOND_NS, 3)
        .expect("bounds that a histogram can have")
}

fn line(
    what: &'static str,
    bytes: usize,
    total: u64,
    began_ns: u64,
    times: &Histogram<u64>,
) -> Disk {
    let us = |ns: u64| ns as f64 / 1e3;
    Disk {
        what,
        bytes,
        gigabytes_per_s: total as f64 / (clock::now_ns() - began_ns) as f64,
        p50_us: us(times.value_at_quantile(0.5)),
        p99_us: us(times.value_at_quantile(0.99)),
        max_us: us(times.max()),
    }
}
