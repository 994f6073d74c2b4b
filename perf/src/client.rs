//! A closed-loop client: one request in flight, whatever it means.

use core_affinity::CoreId;
use std::io::{Error, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Instant;

/// Bytes of an answer that are looked at, so that an error is not taken for a fast answer.
const CHECKED_BYTES: usize = 128;

/// Sends `times` of the requests in turn, from the one at `first` on, each after the answer to the one
/// before; how long each took, us. An answer that `accepts`, given its first bytes and its length,
/// does not like ends it.
pub fn ask(
    address: SocketAddr,
    core: CoreId,
    requests: &[Vec<u8>],
    first: usize,
    times: usize,
    accepts: &dyn Fn(&[u8], usize) -> bool,
) -> Result<Vec<u64>> {
    core_affinity::set_for_current(core);
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut latencies_us = Vec::with_capacity(times);
    let mut answer = vec![0; 256 * 1024];
    for request in requests.iter().cycle().skip(first).take(times) {
        let began = Instant::now();
        stream.write_all(request)?;
        let mut prefix = [0; 4];
        stream.read_exact(&mut prefix)?;
        let length = u32::from_be_bytes(prefix) as usize;
        let mut left = length;
        while left > 0 {
            let most = left.min(answer.len());
            sleep_until(&stream, most)?;
            match receive(&stream, &mut answer[..most])? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count
                    if left == length && !accepts(&answer[..count.min(CHECKED_BYTES)], length) =>
                {
                    return Err(Error::other("an answer that is none"));
                }
                count => left -= count,
            }
        }
        low_water(&stream, 1)?;
        latencies_us.push(began.elapsed().as_micros() as u64);
    }
    Ok(latencies_us)
}

/// Waits until `bytes` have come, the stream has ended or the receive buffer is full: a wake per
/// segment would measure the sleeping client instead of the server. By poll(2), because a read that
/// blocks half-way is not woken before the whole mark has come once more, which may be never.
fn sleep_until(stream: &TcpStream, bytes: usize) -> Result<()> {
    low_water(stream, bytes)?;
    let mut wait = libc::pollfd {
        fd: stream.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd, which outlives the call.
    match unsafe { libc::poll(&mut wait, 1, -1) } {
        1 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}

/// recv(2) of what is there.
fn receive(stream: &TcpStream, into: &mut [u8]) -> Result<usize> {
    // SAFETY: pointer and length are those of `into`.
    let count = unsafe {
        libc::recv(
            stream.as_raw_fd(),
            into.as_mut_ptr().cast(),
            into.len(),
            libc::MSG_DONTWAIT,
        )
    };
    usize::try_from(count).map_err(|_| Error::last_os_error())
}

/// SO_RCVLOWAT.
fn low_water(stream: &TcpStream, bytes: usize) -> Result<()> {
    let bytes = bytes as libc::c_int;
    // SAFETY: pointer and length are those of `bytes`.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const bytes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}
