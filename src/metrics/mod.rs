//! What a broker counts and how long things take in it: always on, per shard, merged when read.
//!
//! A shard's thread owns its figures and records by plain arithmetic: [`Requests`] is the side of the
//! connections, [`Logs`] that of the partitions. Readers are handed a [`Report`], which the shard puts
//! together between two rounds of its event loop; so nothing is shared, and a figure costs an addition.
//! Nothing allocates in steady state: histograms have their size from the start, an API gets its own
//! when it is first asked for.
//!
//! Times come from the moments that events carry anyway (`now`, read after the operations that were done
//! at once), so that what goes on between two such moments takes no time there; what the kernel takes
//! comes from whoever performs it, as part of the completion. Only the check of record sets is timed by a clock of
//! its own, one in [`CHECKS_PER_TIMED`](crate::limits::CHECKS_PER_TIMED), and only where the broker is
//! given one: in the simulation there is none.
//!
//! The cost, counted by callgrind over `benches/instructions` (the broker's own instructions, without the
//! kernel's), against the same broker with nothing recorded and nothing remembered of a request:
//!
//! ```text
//!             without    with     more
//! produce-1k   14,446  14,590    0.99 %
//! fetch-4k     13,897  14,023    0.91 %
//! ```
//!
//! The aim is 1 % of a produce. A write by the ring reads the clock twice more, which is not in these figures.
//!
//! The stages:
//!
//! ```text
//! queue        a socket is readable -> the request's handler begins (the rest of a round, the receive)
//! crc          one check of a record set: header, CRC, frames of records
//! append       one write of a partition, by the kernel's side
//! acknowledge  a batch goes to its partition's store -> it is committed (append, its queue, flush)
//! fetch wait   a fetch begins -> it is answered
//! send         an answer is there -> its last byte is in the socket (answers before it, the peer)
//! throttle     for how long clients over their quota are held back
//! ```

mod histogram;
mod logs;
mod report;
mod requests;

pub use histogram::{Histogram, Snapshot};
pub use logs::{Logs, Timing, Traffic};
pub use report::{ApiReport, ClusterReport, LogReport, Report, Row};
pub use requests::{Class, Counters, Meter, Requests};
