//! (k) Fetches: hot, by size and consumers; cold; one producer fanned out to many.

use super::{Plot, Scenario, goals, open};
use crate::contest::Case;
use crate::load::{Load, Pace, Producers, Readers, Set, Until, Way};

const SIZES: [usize; 6] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 8 << 20];
const COLD_SIZES: [usize; 4] = [64 << 10, 256 << 10, 1 << 20, 8 << 20];
const COLD_BYTES: u64 = 1 << 30;
const COLD_PARTITIONS: i32 = 16;

/// 4 KiB to 8 MiB by 1, 4, 16, 64 consumers, from the page cache.
pub fn hot() -> Scenario {
    let mut cases = Vec::new();
    for consumers in [1, 4, 16, 64] {
        for bytes in SIZES {
            let name = format!("k-hot-{consumers}x{}k", bytes >> 10);
            // One row of it is enough to see where Apache Kafka stands.
            let rounds = if consumers == 16 { 2 } else { 0 };
            cases.push(goals::hot(&name, consumers, bytes).peer_rounds(rounds));
        }
    }
    Scenario {
        name: "k-hot",
        title: "Hot fetches by size and consumers",
        cases,
        plot: Plot::BySize(&["k-hot-1x", "k-hot-4x", "k-hot-16x", "k-hot-64x"]),
    }
}

/// A log of 1 GiB that is not in the page cache, read once.
pub fn cold() -> Scenario {
    let mut cases = Vec::new();
    for consumers in [1, 16] {
        for fetch_bytes in COLD_SIZES {
            let readers = Readers {
                connections: consumers,
                fetch_bytes,
                way: Way::Drain,
                pace: Pace::Closed,
                after_s: 0.0,
            };
            let mut load = Load::reading(COLD_PARTITIONS, readers);
            // Read once: there is nothing to warm up with.
            load.warm_up = Until {
                seconds: 0.0,
                bytes: None,
            };
            load.measure = Until {
                seconds: 30.0,
                bytes: None,
            };
            let kibibytes = fetch_bytes >> 10;
            let name = format!("k-cold-{consumers}x{kibibytes}k");
            let title = format!("cold fetch, {consumers} consumers, {kibibytes} KiB");
            let mut case = Case::new(&name, &title, load)
                .fill(64 << 10, COLD_BYTES / COLD_PARTITIONS as u64)
                .peer_rounds(if fetch_bytes == 1 << 20 { 2 } else { 0 });
            case.is_cold = true;
            cases.push(case);
        }
    }
    Scenario {
        name: "k-cold",
        title: "Cold fetches by size and consumers",
        cases,
        plot: Plot::BySize(&["k-cold-1x", "k-cold-16x"]),
    }
}

/// One producer, 16 consumers of all that it writes.
pub fn fanned_out() -> Scenario {
    let producers = Producers {
        is_stamped: true,
        ..Producers::closed(1, Set::Bytes(16 << 10))
    };
    let mut load = open(Load::producing(1, producers), 1_000.0);
    load.tails = 16;
    load.is_fanned_out = true;
    let title = "1 producer, 1,000 sets of 16 KiB a second, 16 consumers of all of them";
    Scenario {
        name: "k-fan",
        title: "One producer fanned out to 16 consumers",
        cases: vec![Case::new("k-fan-16", title, load)],
        plot: Plot::Latency,
    }
}
