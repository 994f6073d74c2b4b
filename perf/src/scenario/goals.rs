//! The shapes of the goals.

use super::Scenario;
use crate::client::Arrivals;
use crate::contest::{Bare, Case};
use crate::limits::Kind;
use crate::load::{Load, Pace, Producers, Readers, Set, Until, Way};

/// Bytes of a log that is read again and again: more than a processor caches, and well within memory.
const HOT_BYTES: u64 = 256 << 20;
/// Partitions that the shapes produce to.
const PARTITIONS: i32 = 4;
/// The one record of a small request.
pub const ONE_KIBIBYTE: Set = Set::Records {
    count: 1,
    value_bytes: 1 << 10,
};

/// All of them.
pub fn scenario() -> Scenario {
    let small = |connections| Producers::closed(connections, ONE_KIBIBYTE);
    let mut cases = vec![
        one(
            "one-spinning",
            "1 connection, 1 KiB, closed loop, both sides spin",
            Some(100),
        ),
        one(
            "one-sleeping",
            "1 connection, 1 KiB, closed loop, both sides sleep",
            None,
        ),
        Case::new(
            "64x1k",
            "64 connections, 1 KiB, closed loop",
            Load::producing(PARTITIONS, small(64)),
        )
        .limit(Kind::Append),
    ];
    let five = Producers {
        in_flight: 5,
        ..small(64)
    };
    let five = Load::producing(PARTITIONS, five);
    cases
        .push(Case::new("64x1k-5", "the same with 5 requests in flight", five).limit(Kind::Append));
    cases.push(sets("16x16k", 16, 16 << 10, 2 << 30));
    cases.push(sets("16x64k", 16, 64 << 10, 3 << 30));
    cases.push(sets("4x0.9m", 4, 900 << 10, 3 << 30));
    cases.push(hot("fetch-16x256k", 16, 256 << 10));
    cases.push(hot("fetch-16x64k", 16, 64 << 10));
    for per_s in [5_000, 20_000] {
        let pace = Pace::Open {
            per_s: per_s as f64,
            arrivals: Arrivals::Poisson,
        };
        let producers = Producers {
            in_flight: 5,
            pace,
            ..small(16)
        };
        let load = Load {
            spin_us: None,
            ..Load::producing(PARTITIONS, producers)
        };
        let name = format!("open-{}k", per_s / 1_000);
        let title = format!("{per_s} requests of 1 KiB a second, open loop, 16 connections");
        cases.push(Case::new(&name, &title, load).limit(Kind::Append));
    }
    Scenario {
        name: "goals",
        title: "The shapes of the goals",
        cases,
    }
}

fn one(name: &str, title: &str, spin_us: Option<u64>) -> Case {
    let mut load = Load::producing(1, Producers::closed(1, ONE_KIBIBYTE));
    load.spin_us = Some(spin_us.map_or(0, |_| u64::MAX / 1_000));
    let spin_us = spin_us.unwrap_or(0);
    let mut case = Case::new(name, title, load).property("shard.spin.us", &spin_us.to_string());
    case.limit = Some(Bare {
        kind: Kind::Echo,
        spin_us,
    });
    case
}

/// Large sets: bounded by bytes, so that the disk does not decide.
pub fn sets(name: &str, connections: usize, set_bytes: usize, bytes: u64) -> Case {
    let mut load = Load::producing(
        PARTITIONS,
        Producers::closed(connections, Set::Bytes(set_bytes)),
    );
    load.warm_up = Until {
        seconds: 1.0,
        bytes: Some(bytes / 4),
    };
    load.measure = Until {
        seconds: 3.0,
        bytes: Some(bytes),
    };
    let title = format!(
        "{connections} connections, sets of {} KiB, closed loop",
        set_bytes >> 10
    );
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
    let title = format!(
        "hot fetch, {connections} consumers, {} KiB",
        fetch_bytes >> 10
    );
    Case::new(name, &title, Load::reading(1, readers))
        .limit(Kind::Sendfile)
        .fill(fetch_bytes.min(1 << 20), HOT_BYTES)
}
