//! Millstream's measurements: what the machine can do, Millstream (or two builds of it) and Apache Kafka,
//! in turn in one run, under one client.
//!
//! ```text
//! cargo build --release                                    the broker that is measured
//! cargo run --release -p perf -- run --list                scenarios and their cases, by name
//! cargo run --release -p perf -- run all --keep            everything, kept in perf/runs/<date>-<machine>/
//! cargo run --release -p perf -- run 64x1k 16x16k          some cases
//! cargo run --release -p perf -- run a l --quick           whole scenarios, short
//! cargo run --release -p perf -- run smoke                 nothing timed: that it is right
//! cargo run --release -p perf -- run goals --systems limit,millstream
//! cargo run --release -p perf -- run 64x1k --systems millstream --broker BEFORE --broker-b AFTER
//! cargo run --release -p perf -- run l --systems millstream --override-b log.append.mode=uring
//! cargo run --release -p perf -- load HOST:PORT ...        the load generator by itself, for any broker
//! cargo run --release -p perf -- limits                    no broker at all: the bare servers, the disk
//! cargo run --release -p perf -- peers                     Apache Kafka, started for whatever else
//! ```
//!
//! # What a figure is
//!
//! A *case* is a load and what the systems under it are like ([`scenario`]). In each round every system
//! runs it once, in an order that turns; figures are medians over the rounds with the least and the most
//! beside them, and what is compared (`millstream / limit`) is compared round by round. Before a run as
//! much memory as it may touch is written and unlinked ([`warm`]): without that one measures how a
//! hypervisor gives memory. Large sets are bounded by bytes, not by time, so that the disk does not decide.
//!
//! The *client* ([`client`]) is one pinned thread (`--threads` for more) over epoll and non-blocking
//! sockets; requests are made before the clock starts. Open loops count from when a request was meant to
//! be sent, and what was due while a server stood still is sent and counted: no coordinated omission. The
//! service time, from when it was sent, is the second histogram. A client that was busy nearly all of the
//! time is marked `(!)`: it may be what was measured.
//!
//! A *limit* ([`limits`]) is a bare server of one thread under the same client: it speaks just enough of
//! Produce and Fetch and does the least that a broker must. It runs on the core on which Millstream runs,
//! as a process of its own, and what it uses is counted the same way: the clock of the process, which has
//! io_uring's workers in it.
//!
//! *Apache Kafka* 4.2 comes from Maven Central through `tests/clients/setup.sh`, pinned by hashes, and is
//! started as its own scripts would start it (1 GiB of heap, G1). It stays from case to case, so that its
//! code is compiled, and is stopped (SIGSTOP) while others run. It may use all cores; `--pin-kafka` gives
//! it the server's. Other brokers are measured by address: `--peer HOST:PORT`.
//!
//! # What is kept
//!
//! `--keep` makes `perf/runs/<date>-<machine>/`: `report.md` with the machine, the goals and every case;
//! `plots/` (latency by percentile, throughput and processor time by size, time series with what happened
//! marked); `raw/` with a JSON and HdrHistogram logs (`.hlog`, `.hgrm`) for each case. It is written anew
//! after each case, so a run that is interrupted leaves what it has.
//!
//! # What it needs
//!
//! Two cores, one for servers and one for the client (`--server-core`, `--client-core`); a few GiB of
//! memory and disk in the directory under test (`--dir`); Java 17 for Apache Kafka (`--systems
//! limit,millstream` does without). Nothing else should run.

mod admin;
mod batch;
mod cli;
mod client;
mod clock;
mod contest;
mod corpus;
mod leftovers;
mod limits;
mod load;
mod report;
mod scenario;
mod smoke;
mod sys;
mod system;
mod warm;
mod wire;

fn main() -> std::process::ExitCode {
    match cli::main() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("perf: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
