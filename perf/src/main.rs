//! Millstream's measurements: the machine's limit, Millstream (or two builds of it) and Apache Kafka, in
//! turn in one run.
//!
//! ```text
//! cargo run --release -p perf -- run --list
//! cargo run --release -p perf -- run 64x1k 16x16k --systems limit,millstream
//! cargo run --release -p perf -- run goals --broker BEFORE --broker-b AFTER --systems millstream
//! ```

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
