//! Signals as calls: SIGTERM and SIGINT ask to stop, SIGHUP and SIGPIPE mean nothing to a broker.

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use std::io::Result;

/// Blocks SIGTERM and SIGINT for this thread and all it starts from here on, and ignores SIGHUP (a
/// closed terminal) and SIGPIPE (a closed peer, which the send tells anyway). Call it first in
/// `main`, before any other thread exists.
pub fn block() -> Result<()> {
    // SAFETY: SIG_IGN runs no code of ours.
    unsafe {
        signal(Signal::SIGHUP, SigHandler::SigIgn)?;
        signal(Signal::SIGPIPE, SigHandler::SigIgn)?;
    }
    stop_signals().thread_block()?;
    Ok(())
}

/// Starts the thread `signals`, which calls `stop` with the signal's name for each SIGTERM and
/// SIGINT, so that a second one can mean "at once". After [`block`].
pub fn on_stop(mut stop: impl FnMut(&'static str) + Send + 'static) -> Result<()> {
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let signals = stop_signals();
            // Inherited from `block`, said again so that this thread alone is enough.
            if signals.thread_block().is_err() {
                return;
            }
            loop {
                match signals.wait() {
                    Ok(signal) => stop(signal.as_str()),
                    Err(nix::errno::Errno::EINTR) => continue,
                    // EINVAL: not a valid set, which it is.
                    Err(error) => unreachable!("sigwait: {error}"),
                }
            }
        })?;
    Ok(())
}

fn stop_signals() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals
}
