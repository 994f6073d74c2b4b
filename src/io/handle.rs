//! Handles of files and sockets, counted: the last holder closes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Closes what a handle stands for. `sys` hands file descriptors of files to a thread off the shards
/// (the last close of an unlinked segment frees its pages for tens of milliseconds) and closes
/// sockets at once; the simulation takes note.
pub trait Closer: Send + Sync {
    /// Closes `number`. Called once per handle, when its last holder has dropped it.
    fn close(&self, number: i32);
}

struct Handle {
    number: i32,
    note: AtomicU8,
    closer: Arc<dyn Closer>,
}

impl Handle {
    fn new(number: i32, closer: Arc<dyn Closer>) -> Handle {
        Handle {
            number,
            note: AtomicU8::new(0),
            closer,
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.closer.close(self.number);
    }
}

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Arc<Handle>);

        impl $name {
            /// Wraps what the kernel opened; `closer` is told when the last clone is gone.
            pub fn new(number: i32, closer: Arc<dyn Closer>) -> Self {
                $name(Arc::new(Handle::new(number, closer)))
            }

            /// The kernel's number for it: a file descriptor, or the simulation's.
            pub fn number(&self) -> i32 {
                self.0.number
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.number)
            }
        }
    };
}

handle! {
    /// An open file.
    File
}
impl File {
    /// What the kernel's side has noted of this file; 0 if nothing.
    pub fn note(&self) -> u8 {
        self.0.note.load(Ordering::Relaxed)
    }

    /// Notes something that is true of the file for as long as it is open.
    pub fn set_note(&self, note: u8) {
        self.0.note.store(note, Ordering::Relaxed);
    }
}

handle! {
    /// A connected or listening socket.
    Socket
}

/// A pipe, both ends of it: where bytes of a file wait for room in a socket without being copied.
/// One holder; dropped with what is in it.
pub struct Pipe {
    read: Handle,
    write: Handle,
}

impl Pipe {
    /// Wraps the two ends that the kernel opened; `closer` is told of each.
    pub fn new(read: i32, write: i32, closer: Arc<dyn Closer>) -> Pipe {
        Pipe {
            read: Handle::new(read, closer.clone()),
            write: Handle::new(write, closer),
        }
    }

    /// The kernel's number for the end that bytes leave by.
    pub fn read_end(&self) -> i32 {
        self.read.number
    }

    /// The kernel's number for the end that bytes enter by.
    pub fn write_end(&self) -> i32 {
        self.write.number
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pipe({})", self.read.number)
    }
}
