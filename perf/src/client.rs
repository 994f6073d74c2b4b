//! A closed-loop client: one request in flight, whatever it means.

use core_affinity::CoreId;
use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Instant;

/// Sends `request` `times` times, each after the answer to the one before; how long each took, us.
pub fn ask(address: SocketAddr, core: CoreId, request: &[u8], times: usize) -> Result<Vec<u64>> {
    core_affinity::set_for_current(core);
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut latencies_us = Vec::with_capacity(times);
    let mut answer = vec![0; 256 * 1024];
    for _ in 0..times {
        let began = Instant::now();
        stream.write_all(request)?;
        let mut prefix = [0; 4];
        stream.read_exact(&mut prefix)?;
        let mut left = u32::from_be_bytes(prefix) as usize;
        while left > 0 {
            let most = left.min(answer.len());
            sleep_until(&stream, most)?;
            match stream.read(&mut answer[..most])? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => left -= count,
            }
        }
        low_water(&stream, 1)?;
        latencies_us.push(began.elapsed().as_micros() as u64);
    }
    Ok(latencies_us)
}

/// Waits until `bytes` have come or the stream has ended: a wake per segment would measure the
/// sleeping client instead of the server. By poll(2), because a read that blocks half-way waits for
/// the whole mark once more.
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
        _ => Err(std::io::Error::last_os_error()),
    }
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
        _ => Err(std::io::Error::last_os_error()),
    }
}
