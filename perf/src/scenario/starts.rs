//! (h) Start and kill -9 to the first acknowledged record, by partitions.

use super::{Plot, Scenario, goals};

/// With 1, 1,000 and 10,000 partitions. Apache Kafka takes minutes over the last.
pub fn scenario() -> Scenario {
    let named = |partitions| {
        let mut case = goals::starts(partitions);
        case.name = format!("h-{partitions}");
        case
    };
    Scenario {
        name: "h",
        title: "Start and kill -9 to the first acknowledged record",
        cases: vec![
            named(1).peer_rounds(2),
            named(1_000).peer_rounds(1),
            named(10_000).without_peer(),
        ],
        plot: Plot::Latency,
    }
}
