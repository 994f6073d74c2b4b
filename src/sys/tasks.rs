//! The threads that run what may block: unlink, fsync, scans, compaction.
//!
//! A task's result goes into the submitting kernel's queue, and its waker is told. The queues have no
//! bound of their own: a shard has one task in flight per thing it waits for.

use super::waker::Waker;
use crate::io::{Disk, Task, Token};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::io::Result;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A few named threads that run tasks for all kernels. Dropping it finishes what was submitted and
/// joins them; what is submitted later never completes.
pub struct TaskThreads<T: Task> {
    queues: Queues<T>,
    threads: Vec<JoinHandle<()>>,
}

/// Where kernels put tasks: those that somebody waits for have threads of their own, because a sync
/// of a whole segment takes as long as the disk needs.
pub(super) struct Queues<T: Task> {
    awaited: Sender<Job<T>>,
    other: Sender<Job<T>>,
}

impl<T: Task> Queues<T> {
    /// Puts a job into the queue of its kind. Fails only when the threads are gone, that is, when the
    /// process ends; nobody waits for it then.
    pub(super) fn send(&self, job: Job<T>) {
        let queue = match &job {
            Job::Run { task, .. } if task.is_awaited() => &self.awaited,
            _ => &self.other,
        };
        let _ = queue.send(job);
    }
}

impl<T: Task> Clone for Queues<T> {
    fn clone(&self) -> Queues<T> {
        Queues {
            awaited: self.awaited.clone(),
            other: self.other.clone(),
        }
    }
}

/// Where a kernel's results go.
pub(super) type Results<T> = Sender<(Token, <T as Task>::Outcome)>;

/// A task and its way home.
pub(super) enum Job<T: Task> {
    Run {
        token: Token,
        task: T,
        results: Results<T>,
        waker: Waker,
    },
    Stop,
}

impl<T: Task> TaskThreads<T> {
    /// Starts `count` threads (at least one) of each kind that run tasks on `disk`.
    pub fn start(count: usize, disk: Arc<dyn Disk>) -> Result<TaskThreads<T>> {
        let (awaited, awaited_queue) = unbounded();
        let (other, other_queue) = unbounded();
        let mut all = TaskThreads {
            queues: Queues { awaited, other },
            threads: Vec::new(),
        };
        for (kind, queue) in [("task", awaited_queue), ("bulk", other_queue)] {
            for number in 0..count.max(1) {
                let queue = queue.clone();
                let disk = disk.clone();
                let thread = std::thread::Builder::new()
                    .name(format!("{kind}-{number}"))
                    .spawn(move || work(&queue, &*disk))?;
                all.threads.push(thread);
            }
        }
        Ok(all)
    }

    pub(super) fn queues(&self) -> Queues<T> {
        self.queues.clone()
    }
}

impl<T: Task> Drop for TaskThreads<T> {
    fn drop(&mut self) {
        for _ in &self.threads {
            // One for each thread of each kind, and some that nobody takes. Fails only if all threads
            // are gone already.
            let _ = self.queues.awaited.send(Job::Stop);
            let _ = self.queues.other.send(Job::Stop);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work<T: Task>(queue: &Receiver<Job<T>>, disk: &dyn Disk) {
    while let Ok(job) = queue.recv() {
        match job {
            Job::Run {
                token,
                task,
                results,
                waker,
            } => {
                // A lost completion would leave its shard waiting for ever.
                let outcome = match catch_unwind(AssertUnwindSafe(|| task.run(disk))) {
                    Ok(outcome) => outcome,
                    Err(_) => std::process::abort(),
                };
                // A kernel that is gone no longer waits.
                if results.send((token, outcome)).is_ok() {
                    waker.wake();
                }
            }
            Job::Stop => return,
        }
    }
}
