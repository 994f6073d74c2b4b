//! `perf load`: the load generator by itself, against any broker.

use super::run::{Spin, spin};
use super::{Place, resolve};
use crate::admin::Admin;
use crate::batch::Codec;
use crate::client::Arrivals;
use crate::contest::{Case, CaseResult, Runs, Work, on_address};
use crate::corpus::Corpus;
use crate::load::{Load, Pace, Producers, Readers, Set, Spread, Until, Way};
use crate::report;
use crate::wire::TOPIC;
use clap::{Args, ValueEnum};
use std::io::{Error, Result};
use std::path::PathBuf;

#[derive(Args)]
pub struct Arguments {
    /// The broker that leads all partitions of the topic `perf`, which is made if it is not there
    broker: String,
    /// Producers' connections
    #[arg(long, short = 'c', default_value_t = 1)]
    connections: usize,
    /// Requests that each of them may have under way
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// Partitions of the topic
    #[arg(long, short = 'p', default_value_t = 1)]
    partitions: i32,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Records of a request
    #[arg(long, default_value_t = 1)]
    records: usize,
    /// One record in a set of exactly so many bytes instead
    #[arg(long, conflicts_with_all = ["records", "record_bytes", "keys"])]
    set_bytes: Option<usize>,
    /// Records have one of so many keys, which say their partitions
    #[arg(long)]
    keys: Option<u64>,
    /// Which acknowledgement producers wait for
    #[arg(long, value_enum, default_value = "1")]
    acks: Acks,
    /// Compression
    #[arg(long, value_enum, default_value = "none")]
    codec: Codec,
    /// What values consist of
    #[arg(long, value_enum, default_value = "random")]
    corpus: Corpus,
    /// Requests a second, all producers together: the open loop. Without it, an answer makes room for
    /// the next request: the closed loop
    #[arg(long)]
    rate: Option<f64>,
    /// How the requests of an open loop are spread
    #[arg(long, value_enum, default_value = "poisson")]
    arrivals: Arrivals,
    /// Consumers that wait for what is produced
    #[arg(long, default_value_t = 0)]
    tails: usize,
    /// Each of them reads all partitions
    #[arg(long)]
    fan_out: bool,
    /// Consumers of what is there already
    #[arg(long, default_value_t = 0)]
    backlogs: usize,
    /// They read it around and around, not once
    #[arg(long)]
    around: bool,
    /// Most bytes of their fetches
    #[arg(long, default_value_t = 1 << 20)]
    fetch_bytes: usize,
    /// Seconds after which they begin
    #[arg(long, default_value_t = 0.0)]
    backlog_after: f64,
    /// Seconds before the measuring
    #[arg(long, default_value_t = 2.0)]
    warm_up: f64,
    /// Seconds of measuring
    #[arg(long, short = 's', default_value_t = 10.0)]
    seconds: f64,
    /// Bytes after which the measuring ends before its time
    #[arg(long)]
    bytes: Option<u64>,
    /// How long a client's thread looks for work before it sleeps, us, or `ever`
    #[arg(long, value_parser = spin, default_value = "0")]
    spin_us: Spin,
    /// A sleeping consumer is woken when so many bytes of a response are there (SO_RCVLOWAT)
    #[arg(long, default_value_t = 256 << 10)]
    low_water: usize,
    /// Client threads, one for each core from the client's on
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Takes the CRC of every batch that comes back
    #[arg(long)]
    verify: bool,
    /// The broker's process, if it is on this machine: what it uses is shown
    #[arg(long)]
    pid: Option<u32>,
    /// Deletes the topic afterwards
    #[arg(long)]
    delete: bool,
    /// Writes histograms and all numbers into this directory
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, ValueEnum)]
enum Acks {
    #[value(name = "0")]
    None,
    #[value(name = "1")]
    Leader,
    #[value(name = "all", alias = "-1")]
    All,
}

/// Runs the load once and shows what came of it.
pub fn load(arguments: Arguments) -> Result<()> {
    let mut setup = arguments.place.setup()?;
    setup.is_talkative = true;
    let address = resolve(&arguments.broker)?;
    let load = arguments.load()?;
    let mut admin = Admin::connect(address)?;
    match admin.partitions(TOPIC)? {
        0 => admin.create(TOPIC, load.partitions, &[])?,
        there if there >= load.partitions => admin.wait_until_led(TOPIC, there)?,
        there => {
            return Err(Error::other(format!(
                "the topic {TOPIC} has {there} partitions"
            )));
        }
    }
    let mut case = Case::new("load", &arguments.broker, load.clone());
    case.work = Work::Load(load);
    let measured = on_address(&setup, &case, address, arguments.pid)?;
    if arguments.delete {
        admin.delete(TOPIC)?;
    }
    let runs = Runs {
        system: "broker".to_owned(),
        runs: vec![measured],
    };
    let result = CaseResult {
        case,
        systems: vec![runs],
        failures: Vec::new(),
    };
    println!("{}", report::case(&result));
    for line in report::percentiles(&result) {
        println!("{line}");
    }
    if let Some(directory) = &arguments.out {
        report::write_raw(directory, &result)?;
        println!("written to {}", directory.display());
    }
    Ok(())
}

impl Arguments {
    fn load(&self) -> Result<Load> {
        let set = match self.set_bytes {
            Some(bytes) => Set::Bytes(bytes),
            None => Set::Records {
                count: self.records,
                value_bytes: self.record_bytes,
            },
        };
        let pace = match self.rate {
            None => Pace::Closed,
            Some(per_s) if per_s > 0.0 => Pace::Open {
                per_s,
                arrivals: self.arrivals,
            },
            Some(_) => return Err(Error::other("a rate is positive")),
        };
        if matches!(set, Set::Bytes(_)) && self.codec != Codec::None {
            return Err(Error::other(
                "a compressed set has the size it has: say --records",
            ));
        }
        let producers = (self.connections > 0).then(|| Producers {
            connections: self.connections,
            in_flight: self.in_flight.max(1),
            acks: match self.acks {
                Acks::None => 0,
                Acks::Leader => 1,
                Acks::All => -1,
            },
            set,
            codec: self.codec,
            corpus: self.corpus,
            spread: self.keys.map_or(Spread::InTurn, Spread::Keys),
            pace,
            is_stamped: self.tails > 0,
        });
        let readers = (self.backlogs > 0).then_some(Readers {
            connections: self.backlogs,
            fetch_bytes: self.fetch_bytes,
            way: if self.around { Way::Around } else { Way::Drain },
            pace: Pace::Closed,
            after_s: self.backlog_after,
        });
        Ok(Load {
            partitions: self.partitions,
            producers,
            tails: self.tails,
            is_fanned_out: self.fan_out,
            readers,
            warm_up: Until {
                seconds: self.warm_up,
                bytes: None,
            },
            measure: Until {
                seconds: self.seconds,
                bytes: self.bytes,
            },
            spin_us: self.spin_us.0,
            low_water_bytes: self.low_water,
            threads: self.threads,
            slice_ms: 1_000,
            verify: self.verify,
        })
    }
}
