//! Nothing stays behind when a run is interrupted: servers that run and directories that are there are
//! known, and SIGINT and SIGTERM end the ones and remove the others.

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

static KNOWN: Mutex<Known> = Mutex::new(Known {
    processes: Vec::new(),
    directories: Vec::new(),
});

struct Known {
    processes: Vec<u32>,
    directories: Vec<PathBuf>,
}

fn known() -> MutexGuard<'static, Known> {
    // What a thread that panicked left there is right all the same.
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches for the signals from now on. Before any other thread is started: they all leave the signals
/// to this one, and processes that are started get their signals unblocked by the standard library.
pub fn watch() -> std::io::Result<()> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block()?;
    std::thread::spawn(move || {
        if let Ok(signal) = signals.wait() {
            clear();
            std::process::exit(128 + signal as i32);
        }
    });
    Ok(())
}

fn clear() {
    let known = known();
    for process in &known.processes {
        // One that has just ended is none the worse for it.
        let _ = kill(Pid::from_raw(*process as i32), Signal::SIGKILL);
    }
    for directory in &known.directories {
        let _ = std::fs::remove_dir_all(directory);
    }
}

/// This server runs.
pub fn add_process(id: u32) {
    known().processes.push(id);
}

/// It has ended.
pub fn remove_process(id: u32) {
    known().processes.retain(|it| *it != id);
}

/// A directory that goes when it is dropped.
pub struct Directory(PathBuf);

impl Directory {
    /// Makes it.
    pub fn new(path: PathBuf) -> std::io::Result<Directory> {
        std::fs::create_dir_all(&path)?;
        known().directories.push(path.clone());
        Ok(Directory(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        known().directories.retain(|it| *it != self.0);
    }
}
