//! The simulation: the whole broker, several shards with their mail and off-shard jobs, on a machine
//! in memory, from one seed (DESIGN.md 2 and 10).
//!
//! # The fault model
//!
//! **Time.** One virtual clock. Every operation takes effect at a time drawn from the seed, and its
//! completion arrives at a later one; operations in flight take effect in any order. Mail between two
//! shards arrives in order, after a drawn delay. A shard may be off its core for a while, during
//! which everything meant for it waits.
//!
//! **Disk.** Writes and reads may be short. A write or a sync may fail with EIO, once per run; a
//! failed sync has written some sectors and forgotten the others, which stay visible to reads, and a
//! later sync that succeeds does not bring them back. For a while there may be no room: writes that
//! grow a file are short or fail with ENOSPC, files cannot be made. What is in the page cache may
//! turn out not to be. An unlinked file stays readable through its handles.
//!
//! **Crash of the process (kill -9).** What was written stays written, synced or not. Of the
//! operations in flight some have happened, some not, appends and tasks also in part.
//!
//! **Loss of power.** As above, and the page cache is gone. Of the sectors (512 bytes) written since
//! a file's last sync any subset is kept, the others hold what was durable before, or zeros; a file's
//! length is anywhere between the durable one and the written one. A cut that was not synced may be
//! undone, together with what was written after it. Of the changes of a directory's names since its
//! last sync the first few are kept; a rename is whole or not at all. So a file whose directory was
//! not synced may be gone, although the file was.
//!
//! **Network.** Bytes arrive in order, delayed, cut into segments of any size. A window bounds what
//! is under way: sends are short or would block. A connection may be reset at any moment, each end
//! learning of it in its own time, with or without the bytes under way. Clients may read slowly, close
//! one half, close, break off. Readiness may be a false alarm; an accept may fail with EMFILE. What
//! was sent with MSG_MORE stays at home for 200 ms if nothing follows. When the broker's process is
//! gone its clients see a reset, before or after the last bytes that it sent.
//!
//! **Not modelled.** Bits that rot in place, sectors written to the wrong place, two tasks of which
//! the single calls interleave (a task takes effect at one moment, or is cut short by a crash), a
//! calendar that jumps.

#![cfg(feature = "mutations")]

mod broker;
mod committer;
mod compaction;
mod consumer;
mod conversation;
mod disk;
mod failed_sync;
mod history;
mod network;
mod pipes;
mod prober;
mod producer;
mod random;
mod records;
mod runs;
mod scenario;
mod toy;
mod trace;
mod weather;
mod world;

use std::cell::{Cell, RefCell};

thread_local! {
    static QUIET: Cell<u32> = const { Cell::new(0) };
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// While it lives, panics of this thread are noted, not printed: they are what a run may end with.
pub struct Quiet;

impl Default for Quiet {
    fn default() -> Quiet {
        Quiet::new()
    }
}

impl Quiet {
    /// From now on.
    pub fn new() -> Quiet {
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(|| {
            let loud = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if QUIET.get() == 0 {
                    loud(info);
                } else {
                    let place = info.location().map(|it| it.to_string()).unwrap_or_default();
                    let said = info.payload_as_str().unwrap_or("a panic without words");
                    LAST_PANIC.set(format!("{place}: {said}"));
                }
            }));
        });
        QUIET.set(QUIET.get() + 1);
        Quiet
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(QUIET.get() - 1);
    }
}

/// Where and with what words this thread panicked last while it was quiet.
pub fn last_panic() -> String {
    LAST_PANIC.with_borrow(String::clone)
}
