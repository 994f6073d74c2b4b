//! The shapes of the goals, and the one that shows that a stall is seen.

use super::{ONE_KIBIBYTE, Plot, Scenario, open};
use crate::contest::{Bare, Case, Stall, Work};
use crate::limits::Kind;
use crate::load::{Load, Pace, Producers, Readers, Set, Until, Way};

/// Bytes of a log that is read again and again: more than a processor caches, and well within memory.
const HOT_BYTES: u64 = 256 << 20;
/// Bytes that readers get in a run.
const READ_BYTES: u64 = 4 << 30;
/// Partitions that the shapes produce to.
const PARTITIONS: i32 = 4;
/// Partitions of a broker whose start and memory are looked at.
pub const MANY: i32 = 4_000;

/// The rows of the table of goals.
pub fn scenario() -> Scenario {
    let cases = vec![
        one("one-spinning", "both sides spin", Some(100)),
        one("one-sleeping", "both sides sleep", None),
        // Where the rest of that time goes: the same beside a server that appends, too.
        beside_append(one("one-spinning-append", "both sides spin", Some(100))),
        beside_append(one("one-sleeping-append", "both sides sleep", None)),
        small("64x1k", 64, 1),
        small("64x1k-5", 64, 5),
        sets("16x16k", 16, 16 << 10, 2 << 30),
        sets("16x64k", 16, 64 << 10, 3 << 30),
        sets("4x0.9m", 4, 900 << 10, 3 << 30),
        hot("fetch-16x256k", 16, 256 << 10),
        hot("fetch-16x64k", 16, 64 << 10),
        rate("open-5k", 5_000.0, 4.0),
        rate("open-20k", 20_000.0, 3.0),
        starts(MANY).peer_rounds(3),
    ];
    Scenario {
        name: "goals",
        title: "The shapes of the goals",
        cases,
        plot: Plot::Latency,
    }
}

/// A stall of 200 ms: of the 5,000 requests of a second, those that fall into it wait for what is left
/// of it, whether they were sent or not.
pub fn stall() -> Scenario {
    let mut case = rate("open-5k-stall", 5_000.0, 4.0);
    case.title.push_str(", the server stopped for 200 ms");
    if let Some(load) = case.load_mut() {
        load.slice_ms = 100;
    }
    case.stall = Some(Stall { at_s: 2.0, ms: 200 });
    Scenario {
        name: "stall",
        title: "A stall shows in the open loop's percentiles",
        cases: vec![case.peer_rounds(1)],
        plot: Plot::OverTime,
    }
}

fn one(name: &str, how: &str, spin_us: Option<u64>) -> Case {
    let mut load = Load::producing(1, Producers::closed(1, ONE_KIBIBYTE));
    load.spin_us = spin_us.map_or(Some(0), |_| None);
    let spin_us = spin_us.unwrap_or(0);
    let title = format!("1 connection, 1 KiB, closed loop, {how}");
    let mut case = Case::new(name, &title, load).property("shard.spin.us", &spin_us.to_string());
    case.limit = Some(Bare {
        kind: Kind::Echo,
        spin_us,
    });
    case
}

/// The limit checks and appends what comes, and does not only answer it.
fn beside_append(mut case: Case) -> Case {
    if let Some(limit) = &mut case.limit {
        limit.kind = Kind::Append;
    }
    case.title.push_str(", beside a limit that appends");
    case.peer_rounds(0)
}

/// Requests of 1 KiB in a closed loop.
pub fn small(name: &str, connections: usize, in_flight: usize) -> Case {
    let producers = Producers {
        in_flight,
        ..Producers::closed(connections, ONE_KIBIBYTE)
    };
    let flight = match in_flight {
        1 => String::new(),
        _ => format!(", {in_flight} in flight"),
    };
    let title = format!("{connections} connections, 1 KiB, closed loop{flight}");
    Case::new(name, &title, Load::producing(PARTITIONS, producers)).limit(Kind::Append)
}

/// Large sets: bounded by bytes, so that the disk does not decide.
pub fn sets(name: &str, connections: usize, set_bytes: usize, bytes: u64) -> Case {
    let producers = Producers::closed(connections, Set::Bytes(set_bytes));
    let mut load = Load::producing(PARTITIONS, producers);
    load.warm_up = Until {
        seconds: 1.0,
        bytes: Some(bytes / 4),
    };
    load.measure = Until {
        seconds: 3.0,
        bytes: Some(bytes),
    };
    let kibibytes = set_bytes >> 10;
    let title = format!("{connections} connections, sets of {kibibytes} KiB, closed loop");
    Case::new(name, &title, load).limit(Kind::Append)
}

/// A hot log, read around and around.
pub fn hot(name: &str, connections: usize, fetch_bytes: usize) -> Case {
    let readers = Readers {
        connections,
        fetch_bytes,
        way: Way::Around,
        pace: Pace::Closed,
        after_s: 0.0,
    };
    let mut load = Load::reading(1, readers);
    load.warm_up = Until {
        seconds: 0.3,
        bytes: Some(READ_BYTES / 4),
    };
    load.measure = Until {
        seconds: 1.0,
        bytes: Some(READ_BYTES),
    };
    let kibibytes = fetch_bytes >> 10;
    let title = format!("hot fetch, {connections} consumers, {kibibytes} KiB");
    Case::new(name, &title, load)
        .limit(Kind::Sendfile)
        .fill(fetch_bytes.min(1 << 20), HOT_BYTES)
}

fn rate(name: &str, per_s: f64, seconds: f64) -> Case {
    let producers = Producers::closed(16, ONE_KIBIBYTE);
    let mut load = open(Load::producing(PARTITIONS, producers), per_s);
    load.measure.seconds = seconds;
    let title = format!("{per_s} requests of 1 KiB a second, open loop, 16 connections");
    Case::new(name, &title, load).limit(Kind::Append)
}

/// Start, memory and start after kill -9.
pub fn starts(partitions: i32) -> Case {
    let name = format!("start-{partitions}");
    let title = format!(
        "{partitions} partitions of a record: memory, start to the first record acknowledged"
    );
    let mut case = Case::new(
        &name,
        &title,
        Load::producing(1, Producers::closed(1, ONE_KIBIBYTE)),
    );
    case.work = Work::Starts { partitions };
    case
}
