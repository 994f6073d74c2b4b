//! How cost grows: what a request costs with more partitions, connections, shards and segments.

use super::{ONE_KIBIBYTE, Plot, Scenario, goals, open};
use crate::contest::Case;
use crate::load::{Load, Pace, Producers, Readers, Spread, Until, Way};

/// Enough for one connection, far from too much for any number of them.
const REQUESTS_PER_S: f64 = 10_000.0;
const SEGMENTS: u64 = 10_000;
const SEGMENT_BATCH_BYTES: usize = 4 << 10;

/// CPU of a 1 KiB request with 1, 100 and 10,000 partitions.
pub fn partitions() -> Scenario {
    let cases = [1, 100, 10_000]
        .into_iter()
        .map(|partitions| {
            let mut case = goals::small(&format!("partitions-{partitions}"), 64, 1);
            case.title.push_str(&format!(", {partitions} partitions"));
            if let Some(load) = case.load_mut() {
                load.partitions = partitions;
            }
            case.without_peer()
        })
        .collect();
    Scenario {
        name: "partitions",
        title: "What a request costs by partitions",
        cases,
        plot: Plot::Latency,
    }
}

/// CPU of a 1 KiB request by connections: the same requests a second, and no spinning, which would be
/// counted too.
pub fn connections() -> Scenario {
    let cases = [1, 10, 100, 1_000, 5_000]
        .into_iter()
        .map(|connections| {
            let producers = Producers::closed(connections, ONE_KIBIBYTE);
            let load = open(Load::producing(4, producers), REQUESTS_PER_S);
            let title =
                format!("{REQUESTS_PER_S} requests a second over {connections} connections");
            Case::new(&format!("connections-{connections}"), &title, load)
                .property("shard.spin.us", "0")
                .without_peer()
        })
        .collect();
    Scenario {
        name: "connections",
        title: "What a request costs by connections",
        cases,
        plot: Plot::Latency,
    }
}

/// A request whose partition is another shard's against one whose partition is its connection's own.
/// Connections and partitions are dealt out in turn between two shards, so that one of the two cases is
/// all local and the other all across; which is which, their cost says.
pub fn shards() -> Scenario {
    let case = |name: &str, shift| {
        let producers = Producers {
            spread: Spread::Fixed(shift),
            ..Producers::closed(64, ONE_KIBIBYTE)
        };
        let title = format!("two shards on one core, connection n to partition n + {shift}");
        Case::new(name, &title, Load::producing(2, producers))
            .property("num.shards", "2")
            .without_peer()
    };
    Scenario {
        name: "shards",
        title: "A request across shards against a local one",
        cases: vec![case("shards-even", 0), case("shards-odd", 1)],
        plot: Plot::Latency,
    }
}

/// A fetch at offset 0 and at the end of a log of 10,000 segments.
pub fn segments() -> Scenario {
    let case = |name: &str, offset: i64| {
        let readers = Readers {
            connections: 4,
            fetch_bytes: SEGMENT_BATCH_BYTES,
            way: Way::At(offset),
            pace: Pace::Closed,
            after_s: 0.0,
        };
        let mut load = Load::reading(1, readers);
        load.measure = Until {
            seconds: 1.5,
            bytes: None,
        };
        let title = format!("fetch at offset {offset} of a log of {SEGMENTS} segments");
        let mut case = Case::new(name, &title, load)
            .fill(SEGMENT_BATCH_BYTES, SEGMENT_BATCH_BYTES as u64 * SEGMENTS)
            // Each batch is older than that when the next comes.
            .topic("segment.ms", "1")
            .property("shard.spin.us", "0")
            .without_peer();
        if let Some(fill) = &mut case.fill {
            fill.spacing_ms = 10;
        }
        // Closed segments are synced in the background, and the processor time is the whole process's.
        case.is_settled = true;
        case
    };
    Scenario {
        name: "segments",
        title: "A fetch at the start and at the end of a log of many segments",
        cases: vec![
            case("segments-first", 0),
            case("segments-last", SEGMENTS as i64 - 1),
        ],
        plot: Plot::Latency,
    }
}
