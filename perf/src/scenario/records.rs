//! Records at a rate, through producers and tail consumers: what most of those who run a broker look
//! at first.

use super::{Plot, Scenario, open};
use crate::contest::Case;
use crate::load::{Load, Pace, Producers, Set, Spread};

const PARTITIONS: i32 = 100;
/// What a producer that lingers a millisecond gathers at 10,000 records a second.
const GATHERED: usize = 10;
/// What fits into the 16 KiB that Java's producer gathers at most, by default, of 100-byte records.
const SMALL_GATHERED: usize = 140;
/// Idle partitions beside the load.
const IDLE: i32 = 10_000;

/// (a) 100 partitions, 1 KiB records, 4 producers, 4 consumers, acks=all.
pub fn hundred_partitions() -> Scenario {
    Scenario {
        name: "a",
        title: "100 partitions, 1 KiB records, 4 producers and 4 consumers, acks=all",
        cases: vec![at("a-10k", 10_000.0), at("a-50k", 50_000.0)],
        plot: Plot::Latency,
    }
}

/// (b) the same, each append synced before it is acknowledged.
pub fn flushed() -> Scenario {
    let case = |name, per_s| at(name, per_s).topic("flush.messages", "1").peer_rounds(3);
    Scenario {
        name: "b",
        title: "The same with flush.messages=1: acknowledged after its fdatasync",
        cases: vec![case("b-10k", 10_000.0), case("b-50k", 50_000.0)],
        plot: Plot::Latency,
    }
}

/// (c) records with keys: a request has a batch for each partition that its records come to.
pub fn keyed() -> Scenario {
    let case = |producers: usize, records: usize| {
        let mut case = at(&format!("c-{producers}"), 50_000.0);
        case.title = format!("50,000 records a second with keys, {producers} producers");
        if let Some(load) = case.load_mut() {
            *load = rated(producers, records, 50_000.0);
            if let Some(it) = &mut load.producers {
                it.spread = Spread::Keys(10_000);
            }
        }
        case
    };
    Scenario {
        name: "c",
        title: "Records with keys, 100 partitions: few records in each batch",
        // Fifty producers at the same rate together gather a tenth each.
        cases: vec![case(4, 50), case(50, 5)],
        plot: Plot::Latency,
    }
}

/// (d) 100-byte records as fast as they go.
pub fn small() -> Scenario {
    let case = |name: &str, acks| {
        let set = Set::Records {
            count: SMALL_GATHERED,
            value_bytes: 100,
        };
        let producers = Producers {
            acks,
            in_flight: 5,
            ..Producers::closed(8, set)
        };
        let title =
            format!("100-byte records, {SMALL_GATHERED} to a set, 8 producers, acks={acks}");
        Case::new(name, &title, bounded(Load::producing(16, producers)))
    };
    Scenario {
        name: "d",
        title: "100-byte records at the highest rate",
        cases: vec![
            case("d-acks0", 0),
            case("d-acks1", 1),
            case("d-acksall", -1),
        ],
        plot: Plot::Latency,
    }
}

/// (g) 10,000 idle partitions beside (a).
pub fn beside_idle() -> Scenario {
    let mut case = at("g-10k", 10_000.0).peer_rounds(1);
    case.idle_partitions = IDLE;
    case.title
        .push_str(&format!(", beside {IDLE} idle partitions"));
    Scenario {
        name: "g",
        title: "10,000 idle partitions beside (a)",
        cases: vec![case],
        plot: Plot::Latency,
    }
}

fn at(name: &str, per_s: f64) -> Case {
    let title =
        format!("100 partitions, 4 producers, 4 consumers, {per_s} records of 1 KiB a second");
    Case::new(name, &title, rated(4, GATHERED, per_s))
}

fn rated(producers: usize, records: usize, records_per_s: f64) -> Load {
    let set = Set::Records {
        count: records,
        value_bytes: 1 << 10,
    };
    let producers = Producers {
        acks: -1,
        is_stamped: true,
        ..Producers::closed(producers, set)
    };
    let load = open(
        Load::producing(PARTITIONS, producers),
        records_per_s / records as f64,
    );
    let mut load = Load { tails: 4, ..load };
    // The first append to a partition makes its files, which is not what is measured.
    load.warm_up.seconds = 2.0;
    load
}

/// So that a fast broker does not fill the page cache.
fn bounded(mut load: Load) -> Load {
    assert!(
        load.producers
            .as_ref()
            .is_some_and(|it| it.pace == Pace::Closed)
    );
    load.warm_up.bytes = Some(512 << 20);
    load.measure.bytes = Some(2 << 30);
    load
}
