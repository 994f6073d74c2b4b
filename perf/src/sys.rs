//! System calls that no library wraps.

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SetUsize;
use std::net::TcpStream;

#[derive(Clone)]
struct LowWater;

nix::setsockopt_impl!(
    LowWater,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    usize,
    SetUsize
);

/// A sleeping reader of this socket is woken only when so many bytes are there: waking it for each
/// segment would measure how often it sleeps.
pub fn set_low_water(stream: &TcpStream, bytes: usize) -> std::io::Result<()> {
    Ok(setsockopt(stream, LowWater, &bytes)?)
}
