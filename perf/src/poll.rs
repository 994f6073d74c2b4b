//! One thread, a few non-blocking connections: the skeleton of both bare loops.

use core_affinity::CoreId;
use std::io::{ErrorKind, Result};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread::JoinHandle;
use std::time::Duration;

/// What to wait for next on a connection.
pub enum Next {
    /// More to receive.
    Readable,
    /// Room to send.
    Writable,
    /// Nothing: the peer is done.
    Closed,
}

/// A connection's state; called when its socket is ready.
pub trait Connection: Send + 'static {
    /// Does all that can be done without waiting.
    fn go_on(&mut self, stream: &TcpStream) -> Result<Next>;
}

/// A server's thread; joining it gives the processor time it used.
pub type Server = JoinHandle<Result<Duration>>;

/// Serves `connections` connections, then ends.
pub fn serve<C: Connection>(
    core: CoreId,
    connections: usize,
    mut connect: impl FnMut() -> Result<C> + Send + 'static,
) -> Result<(SocketAddr, Server)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = std::thread::spawn(move || {
        core_affinity::set_for_current(core);
        let before = thread_time();
        let mut all = Vec::new();
        for _ in 0..connections {
            let (stream, _) = listener.accept()?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            all.push((stream, connect()?));
        }
        let mut waits: Vec<_> = all
            .iter()
            .map(|(stream, _)| libc::pollfd {
                fd: stream.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            })
            .collect();
        let mut open = connections;
        while open > 0 {
            // SAFETY: pointer and length are those of `waits`.
            unsafe { libc::poll(waits.as_mut_ptr(), waits.len() as libc::nfds_t, -1) };
            for (wait, (stream, connection)) in waits.iter_mut().zip(&mut all) {
                if wait.fd < 0 || wait.revents == 0 {
                    continue;
                }
                match connection.go_on(stream)? {
                    Next::Readable => wait.events = libc::POLLIN,
                    Next::Writable => wait.events = libc::POLLOUT,
                    Next::Closed => {
                        wait.fd = -1;
                        open -= 1;
                    }
                }
            }
        }
        Ok(thread_time() - before)
    });
    Ok((address, server))
}

/// `None` where the call would wait.
pub fn unless_it_waits(result: Result<usize>) -> Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Processor time of the calling thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec that the call fills.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "every Linux has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
