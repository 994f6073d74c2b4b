//! Waking a shard that sleeps in its ring.
//!
//! A sender puts its mail where the shard looks, then wakes. The shard raises `sleeping`, looks once
//! more, then sleeps. Either the sender sees the flag or the shard sees the mail: both sides order
//! their write before their read with a sequentially consistent fence.

use super::retry::retry;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering, fence};

/// Wakes one kernel from any thread. Cheap to clone; outlives the kernel harmlessly.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sleeping: AtomicBool,
    event: OwnedFd,
    /// -1 once the kernel is gone. A message that overtakes that goes to whoever has the number by
    /// then: EBADFD, or a wake without a reason at another ring of ours.
    ring: AtomicI32,
}

impl Waker {
    pub(super) fn new(ring: RawFd) -> Result<Waker> {
        // SAFETY: a plain call; the result is checked.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if event < 0 {
            return Err(Error::last_os_error());
        }
        Ok(Waker(Arc::new(Shared {
            sleeping: AtomicBool::new(false),
            // SAFETY: just opened and owned by nobody else.
            event: unsafe { OwnedFd::from_raw_fd(event) },
            ring: AtomicI32::new(ring),
        })))
    }

    /// Wakes the kernel if it sleeps: an atomic while it runs, one write (about 8 us) if it sleeps.
    /// For threads without a ring; shards use [`super::Kernel::wake`].
    pub fn wake(&self) {
        if self.claim() {
            self.ring_bell();
        }
    }

    /// Whether the kernel sleeps and this caller is the one that wakes it.
    pub(super) fn claim(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.sleeping.load(Ordering::Relaxed) && self.0.sleeping.swap(false, Ordering::AcqRel)
    }

    /// Writes the eventfd, which the kernel polls.
    pub(super) fn ring_bell(&self) {
        let one = 1u64;
        // SAFETY: eight readable bytes, as eventfd(2) asks.
        let result = retry(|| unsafe { libc::write(self.event_fd(), (&raw const one).cast(), 8) });
        match result {
            Ok(_) => {}
            // The counter is full: rung often enough.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            Err(error) => unreachable!("write to an eventfd of our own: {error}"),
        }
    }

    /// Takes back what was rung.
    pub(super) fn hush(&self) {
        let mut count = 0u64;
        // SAFETY: eight writable bytes, as eventfd(2) asks.
        let result = retry(|| unsafe { libc::read(self.event_fd(), (&raw mut count).cast(), 8) });
        match result {
            Ok(_) => {}
            // Not rung after all.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            Err(error) => unreachable!("read from an eventfd of our own: {error}"),
        }
    }

    /// By the kernel: about to sleep. It must look for mail once more after this.
    pub(super) fn lie_down(&self) {
        self.0.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// By the kernel: awake. Whether somebody woke it, or is about to.
    pub(super) fn get_up(&self) -> bool {
        !self.0.sleeping.swap(false, Ordering::AcqRel)
    }

    /// By the kernel, at its end.
    pub(super) fn retire(&self) {
        self.0.ring.store(-1, Ordering::Release);
    }

    pub(super) fn event_fd(&self) -> RawFd {
        self.0.event.as_raw_fd()
    }

    /// The ring's descriptor, or -1.
    pub(super) fn ring_fd(&self) -> RawFd {
        self.0.ring.load(Ordering::Acquire)
    }
}
