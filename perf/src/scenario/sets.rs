//! (l) Produce by the size of record sets.

use super::{Plot, Scenario, goals};

/// 16 KiB to 1 MiB, 16 connections.
pub fn scenario() -> Scenario {
    let cases = [16, 64, 256, 1024]
        .into_iter()
        .map(|kibibytes| {
            let name = format!("l-16x{kibibytes}k");
            goals::sets(&name, 16, kibibytes << 10, 2 << 30)
        })
        .collect();
    Scenario {
        name: "l",
        title: "Produce by the size of record sets",
        cases,
        plot: Plot::BySize(&["l-16x"]),
    }
}
