//! Pipes between files and sockets: made when first needed, kept while they are empty, bounded.
//!
//! A pipe takes as much of a file at once as its buffers hold, [`COLD_READ_BYTES_MAX`] where the
//! system grants that (`fs.pipe-max-size`, `fs.pipe-user-pages-soft`, pipe(7)), else less: a splice is
//! short then.

use super::files::close_descriptor;
use super::retry::retry;
use crate::io::{Closer, Pipe};
use crate::limits::{COLD_BUFFERS_MAX, COLD_READ_BYTES_MAX};
use std::io::{Error, Result};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One kernel's pipes.
pub(super) struct Pipes {
    spare: Vec<Pipe>,
    ends: Arc<Ends>,
}

/// Counts ends that are open, and closes them.
#[derive(Default)]
struct Ends(AtomicUsize);

impl Closer for Ends {
    fn close(&self, number: i32) {
        close_descriptor(number);
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pipes {
    pub(super) fn new() -> Pipes {
        Pipes {
            spare: Vec::new(),
            ends: Arc::default(),
        }
    }

    /// An empty pipe; none if there are too many, or no descriptors left.
    pub(super) fn take(&mut self) -> Option<Pipe> {
        if let Some(pipe) = self.spare.pop() {
            return Some(pipe);
        }
        if self.ends.0.load(Ordering::Relaxed) >= 2 * COLD_BUFFERS_MAX {
            return None;
        }
        let mut ends = [0; 2];
        // SAFETY: pipe2 writes two numbers.
        if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
            // EMFILE, ENFILE: no descriptors. ENOMEM: no memory. Whoever asks reads instead.
            tracing::debug!("no pipe: {}", Error::last_os_error());
            return None;
        }
        // SAFETY: a plain call on a descriptor just opened. EPERM, EBUSY: it stays as it is.
        unsafe { libc::fcntl(ends[1], libc::F_SETPIPE_SZ, COLD_READ_BYTES_MAX as i32) };
        self.ends.0.fetch_add(2, Ordering::Relaxed);
        Some(Pipe::new(ends[0], ends[1], self.ends.clone()))
    }

    /// Takes back a pipe that is empty.
    pub(super) fn give_back(&mut self, pipe: Pipe) {
        self.spare.push(pipe);
    }
}

/// splice(2) of what is in the pipe into a socket, without waiting.
pub(super) fn drain(pipe: &Pipe, socket: RawFd, bytes: usize, more: bool) -> Result<usize> {
    let flags = libc::SPLICE_F_NONBLOCK | if more { libc::SPLICE_F_MORE } else { 0 };
    let nowhere = std::ptr::null_mut();
    // SAFETY: pipes and sockets have no offsets; both descriptors are held open by the operation.
    retry(|| unsafe { libc::splice(pipe.read_end(), nowhere, socket, nowhere, bytes, flags) })
}
