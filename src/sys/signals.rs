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

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::kill;
    use std::os::unix::process::CommandExt;
    use std::time::Duration;

    #[test]
    fn stop_signals_arrive_as_calls_and_a_hang_up_means_nothing() {
        // A signal to a process goes to any thread that does not block it, and the test harness has
        // such threads; so another process does this, which blocks them from its beginning.
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args([
            "--exact",
            "sys::signals::tests::child_signals_itself",
            "--ignored",
        ]);
        let block_in_child = || Ok(stop_signals().thread_block()?);
        // SAFETY: between fork and exec this only calls pthread_sigmask, which is safe there.
        unsafe { child.pre_exec(block_in_child) };
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}"
        );
    }

    #[test]
    #[ignore = "the second process of stop_signals_arrive_as_calls_and_a_hang_up_means_nothing"]
    fn child_signals_itself() {
        block().unwrap();
        let (tell, told) = crossbeam_channel::unbounded();
        on_stop(move |name| tell.send(name).unwrap()).unwrap();
        let me = nix::unistd::getpid();
        for signal in [
            Signal::SIGHUP,
            Signal::SIGPIPE,
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGTERM,
        ] {
            kill(me, signal).unwrap();
            if [Signal::SIGTERM, Signal::SIGINT].contains(&signal) {
                let name = told.recv_timeout(Duration::from_secs(10)).unwrap();
                assert_eq!(name, signal.as_str());
            }
        }
        assert!(told.is_empty());
    }
}
