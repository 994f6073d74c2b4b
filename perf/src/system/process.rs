//! A server's process: started on its core, ended when dropped, its directory with it.

use super::Usage;
use crate::leftovers;
use core_affinity::CoreId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(180);
/// How much of what a server said is told when it has ended.
const LAST_LINES: usize = 20;
/// How long it may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// A running server of ours.
pub struct Process {
    child: Child,
    said: PathBuf,
}

impl Process {
    /// Starts `command` on `core`, or wherever it likes; what it says goes to the file `said`.
    pub fn start(mut command: Command, core: Option<CoreId>, said: &Path) -> Result<Process> {
        let file = File::options().create(true).append(true).open(said)?;
        file.set_len(0)?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = on_core(core, move || {
            command.spawn().map_err(|error| {
                let program = command.get_program().to_string_lossy().into_owned();
                Error::new(error.kind(), format!("{program}: {error}"))
            })
        })?;
        leftovers::add_process(child.id());
        Ok(Process {
            child,
            said: said.to_owned(),
        })
    }

    /// Waits until what it said has such a text; all that it said.
    pub fn wait_until_it_says(&mut self, text: &str) -> Result<String> {
        let began = Instant::now();
        while began.elapsed() < READY_WITHIN {
            let said = std::fs::read_to_string(&self.said)?;
            if said.contains(text) {
                return Ok(said);
            }
            self.check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(Error::new(ErrorKind::TimedOut, "it did not get ready"))
    }

    /// An error with what it said last, if it has ended.
    pub fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        let said = std::fs::read_to_string(&self.said)?;
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        Err(Error::other(format!("it ended, {status}: {last}")))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has used.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.id())
    }

    /// SIGSTOP: it holds its memory and takes no processor.
    pub fn pause(&self) -> Result<()> {
        Ok(kill(self.pid(), Signal::SIGSTOP)?)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<()> {
        Ok(kill(self.pid(), Signal::SIGCONT)?)
    }

    /// SIGTERM, and waits for its end.
    pub fn stop(mut self) -> Result<()> {
        kill(self.pid(), Signal::SIGTERM)?;
        let began = Instant::now();
        while began.elapsed() < STOP_WITHIN {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(Error::new(
            ErrorKind::TimedOut,
            "it does not stop on SIGTERM",
        ))
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        leftovers::remove_process(self.child.id());
    }
}

/// Pauses a process for `pause`, in `after_s` seconds, and returns at once.
pub fn stall(pid: u32, after_s: f64, pause: Duration) {
    let pid = Pid::from_raw(pid as i32);
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs_f64(after_s));
        // If it has ended meanwhile there is nothing to pause.
        if kill(pid, Signal::SIGSTOP).is_ok() {
            std::thread::sleep(pause);
            let _ = kill(pid, Signal::SIGCONT);
        }
    });
}

/// Runs `start` on a thread of that core: what it starts inherits the core.
fn on_core<T: Send>(core: Option<CoreId>, start: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            if let Some(core) = core {
                core_affinity::set_for_current(core);
            }
            start()
        });
        thread.join().expect("it panics only by mistake")
    })
}
