//! How far a start has come, told while it takes longer than somebody likes to wait in silence.

use crossbeam_channel::{RecvTimeoutError, bounded};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A start that takes longer says how far it is, and again each time this has passed.
const INTERVAL: Duration = Duration::from_secs(2);

/// Counts the logs that are open.
#[derive(Debug, Default)]
pub struct Progress {
    open: AtomicUsize,
    all: AtomicUsize,
}

impl Progress {
    /// So many logs are to be opened.
    pub(super) fn expect(&self, logs: usize) {
        self.all.store(logs, Ordering::Relaxed);
    }

    /// One more is open.
    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// Does the work, and tells how far it is in the meantime.
    pub(super) fn tell_during<T>(&self, work: impl FnOnce() -> T) -> T {
        let (done, is_done) = bounded::<()>(0);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while is_done.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    tracing::info!("starting: {}", self.words());
                }
            });
            let result = work();
            drop(done);
            result
        })
    }

    fn words(&self) -> String {
        let all = self.all.load(Ordering::Relaxed);
        let open = self.open.load(Ordering::Relaxed);
        match all {
            0 => "reading the metadata log and the log directories".into(),
            all => format!(
                "{open} of {all} partition logs are open ({} %)",
                open * 100 / all
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_far_the_start_is() {
        let progress = Progress::default();
        assert!(progress.words().starts_with("reading"));
        progress.expect(400);
        (0..100).for_each(|_| progress.opened());
        assert_eq!(
            progress.words(),
            "100 of 400 partition logs are open (25 %)"
        );
        assert_eq!(progress.tell_during(|| 7), 7);
    }
}
