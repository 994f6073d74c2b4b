//! Performs operations: the ring, files, sockets, clocks, processors, signals. All unsafe code and
//! all system calls live here.
//!
//! A [`Kernel`] belongs to one shard's thread and performs its [`crate::io::Operation`]s:
//!
//! | operation | how | why (measured) |
//! |---|---|---|
//! | `Accept`, `Poll` | POLL_ADD on the ring | one wait for everything a shard waits for |
//! | `Poll` by a shard that looks around | poll(2) without waiting: [`lookout`] | few connections have nothing to share a round on the ring with |
//! | `Receive`, `Send`, `SendFile`, `Shutdown` | direct system call | the buffer footprint decides, not the call |
//! | `Append` | one WRITEV on the ring, or one pwritev: [`append`] | ext4 punts ring writes to a worker, XFS does not |
//! | `Read` | preadv2(RWF_NOWAIT) if expected hot, READ with IOSQE_ASYNC else | 2 us instead of milliseconds on the shard |
//! | `Task` | a named thread: [`TaskThreads`] | unlink, fsync and the like take tens of milliseconds |
//!
//! What is done by a direct call has its completion in [`Kernel::take_done`], or else at the next
//! [`Kernel::poll`], which then does not sleep.
//!
//! Invariants:
//! - Descriptors, buffers and vectors of an operation on the ring live in the kernel's slab until its
//!   completion was reaped, whatever the submitter does meanwhile.
//! - Nothing that may block runs on the kernel's thread, but the sleep in `poll` itself.
#![allow(unsafe_code)]

pub mod append;
mod clock;
pub mod cpu;
mod crowd;
mod error;
mod files;
mod inflight;
mod kernel;
mod lookout;
mod pipes;
mod prefetch;
mod pressure;
mod random;
mod residency;
mod retry;
pub mod rlimit;
pub mod signals;
mod socket;
mod tasks;
mod waker;

pub use append::AppendMode;
pub use clock::{clock, monotonic_ns, monotonic_us};
pub use error::KernelError;
pub use files::Files;
pub use kernel::{Kernel, KernelConfig};
pub use prefetch::prefetch;
pub use random::random_bytes;
pub use socket::{connect, listen, local_address};
pub use tasks::TaskThreads;
pub use waker::Waker;

#[cfg(test)]
mod tests;
