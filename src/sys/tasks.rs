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
    jobs: Sender<Job<T>>,
    threads: Vec<JoinHandle<()>>,
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
    /// Starts `count` threads (at least one) that run tasks on `disk`.
    pub fn start(count: usize, disk: Arc<dyn Disk>) -> Result<TaskThreads<T>> {
        let (jobs, queue) = unbounded();
        let mut all = TaskThreads {
            jobs,
            threads: Vec::new(),
        };
        for number in 0..count.max(1) {
            let queue = queue.clone();
            let disk = disk.clone();
            let thread = std::thread::Builder::new()
                .name(format!("task-{number}"))
                .spawn(move || work(&queue, &*disk))?;
            all.threads.push(thread);
        }
        Ok(all)
    }

    pub(super) fn jobs(&self) -> Sender<Job<T>> {
        self.jobs.clone()
    }
}

impl<T: Task> Drop for TaskThreads<T> {
    fn drop(&mut self) {
        for _ in &self.threads {
            // Fails only if all threads are gone already.
            let _ = self.jobs.send(Job::Stop);
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
