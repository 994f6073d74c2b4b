//! (e) Consumers of old records, which lie on the disk and not in memory, beside producers and tail
//! consumers: do those in the present suffer from those in the past?

use super::{ONE_KIBIBYTE, Plot, Scenario};
use crate::contest::{Case, Work};
use crate::load::{Load, Pace, Producers, Readers, Way};

const PARTITIONS: i32 = 16;
const BACKLOG_BYTES: u64 = 2 << 30;
const BATCH_BYTES: usize = 64 << 10;

/// The only case: a load at 80 % of what the system reaches, and after three seconds the backlog.
pub fn scenario() -> Scenario {
    let producers = Producers {
        acks: -1,
        is_stamped: true,
        in_flight: 5,
        ..Producers::closed(16, ONE_KIBIBYTE)
    };
    let mut load = Load::producing(PARTITIONS, producers);
    load.tails = 4;
    load.measure.seconds = 10.0;
    load.slice_ms = 100;
    load.readers = Some(Readers {
        connections: 4,
        fetch_bytes: 1 << 20,
        way: Way::Drain,
        pace: Pace::Closed,
        after_s: 3.0,
    });
    let title = "2 GiB of cold backlog drained from the third second on, at 80 % load";
    let mut case = Case::new("e-backlog", title, load.clone())
        .fill(BATCH_BYTES, BACKLOG_BYTES / PARTITIONS as u64)
        .peer_rounds(3);
    case.is_cold = true;
    case.work = Work::ShareOfMost { share: 0.8, load };
    Scenario {
        name: "e",
        title: "A cold backlog drained while producers and tail consumers run at 80 % load",
        cases: vec![case],
        plot: Plot::OverTime,
    }
}
