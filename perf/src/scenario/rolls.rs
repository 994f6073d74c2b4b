//! (f) Segments that fill and are rolled under load, beside the same load in one segment.

use super::{Plot, Scenario, open};
use crate::contest::Case;
use crate::load::{Load, Producers, Set};

const PARTITIONS: i32 = 4;
const SET_BYTES: usize = 16 << 10;
const SETS_PER_S: f64 = 5_000.0;

/// 82 MB/s into segments of 16 MiB: five rolls a second.
pub fn scenario() -> Scenario {
    let case = |name: &str, segment_bytes: u64| {
        let producers = Producers {
            is_stamped: true,
            ..Producers::closed(16, Set::Bytes(SET_BYTES))
        };
        let mut load = open(Load::producing(PARTITIONS, producers), SETS_PER_S);
        load.tails = 1;
        load.measure.seconds = 5.0;
        load.slice_ms = 100;
        let title = format!(
            "{SETS_PER_S} sets of 16 KiB a second into segments of {} MiB",
            segment_bytes >> 20
        );
        Case::new(name, &title, load).topic("segment.bytes", &segment_bytes.to_string())
    };
    Scenario {
        name: "f",
        title: "Segment rolls under load",
        cases: vec![case("f-rolls", 16 << 20), case("f-none", 1 << 30)],
        plot: Plot::OverTime,
    }
}
