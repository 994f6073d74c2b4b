//! (j) Requests of 1 KiB by connections and requests in flight.

use super::{Plot, Scenario, goals};

/// 1 to 5,000 connections, 1 and 5 in flight.
pub fn scenario() -> Scenario {
    let mut cases = Vec::new();
    for connections in [1, 8, 64, 512, 5_000] {
        for in_flight in [1, 5] {
            let name = format!("j-{connections}x{in_flight}");
            let mut case = goals::small(&name, connections, in_flight).peer_rounds(2);
            if let Some(load) = case.load_mut() {
                load.measure.seconds = 1.0;
            }
            cases.push(case);
        }
    }
    Scenario {
        name: "j",
        title: "Requests of 1 KiB by connections and requests in flight",
        cases,
        plot: Plot::Latency,
    }
}
