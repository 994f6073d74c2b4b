//! Sockets: listening, and the calls that never wait.

use super::files::close_descriptor;
use super::retry::retry;
use crate::io::{Closer, Socket};
use bytes::{Bytes, BytesMut};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, getsockname, setsockopt,
    sockopt,
};
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags};
use std::io::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// Opens a listening socket. SO_REUSEADDR, so that a restart need not wait for old connections to
/// leave TIME_WAIT, but not SO_REUSEPORT: a port in use must fail (EADDRINUSE). `[::]` takes IPv4
/// connections too, unless sysctl `net.ipv6.bindv6only` says otherwise. The kernel bounds `backlog`
/// by `net.core.somaxconn`.
pub fn listen(address: SocketAddr, backlog: u32) -> Result<Socket> {
    let socket = stream_socket(address)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    let backlog = Backlog::new(backlog.clamp(1, 65_535) as i32)?;
    nix::sys::socket::listen(&socket, backlog)?;
    Ok(wrap(socket))
}

/// Begins a connection without waiting for it: ready to write when it stands or has failed.
pub fn connect(address: SocketAddr) -> Result<Socket> {
    let socket = stream_socket(address)?;
    setsockopt(&socket, sockopt::TcpNoDelay, &true)?;
    match nix::sys::socket::connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) => {}
        // Under way; so it is when a signal interrupts the call (connect(2)).
        Err(nix::errno::Errno::EINPROGRESS | nix::errno::Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(wrap(socket))
}

/// Where a socket is bound: tells the port that port 0 became.
pub fn local_address(socket: &Socket) -> Result<SocketAddr> {
    let storage: SockaddrStorage = getsockname(socket.number())?;
    if let Some(v4) = storage.as_sockaddr_in() {
        return Ok(SocketAddr::new(IpAddr::V4(v4.ip()), v4.port()));
    }
    match storage.as_sockaddr_in6() {
        Some(v6) => Ok(SocketAddr::new(IpAddr::V6(v6.ip()), v6.port())),
        None => Err(Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    }
}

fn stream_socket(address: SocketAddr) -> Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    Ok(nix::sys::socket::socket(
        family,
        SockType::Stream,
        flags,
        None,
    )?)
}

/// Sockets close at once: it takes a microsecond, and the peer should hear of it.
struct SocketCloser;

impl Closer for SocketCloser {
    fn close(&self, number: i32) {
        close_descriptor(number);
    }
}

pub(super) fn wrap(socket: OwnedFd) -> Socket {
    Socket::new(socket.into_raw_fd(), Arc::new(SocketCloser))
}

/// What accepted sockets get.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Buffers {
    pub send_bytes: Option<u32>,
    pub receive_bytes: Option<u32>,
}

/// accept4(2) of one connection, non-blocking, with TCP_NODELAY. `WouldBlock` if none waits.
pub(super) fn accept(listener: RawFd, buffers: Buffers) -> Result<(Socket, SocketAddr)> {
    loop {
        let accepted = accept_descriptor(listener);
        match accepted {
            Ok((socket, peer)) => {
                prepare(&socket, buffers);
                return Ok((wrap(socket), peer));
            }
            Err(error) => match error.raw_os_error() {
                // That connection broke while it waited (accept(2): errors of the new socket are
                // passed on and mean "try the next one").
                Some(
                    libc::ECONNABORTED
                    | libc::EPROTO
                    | libc::ENETDOWN
                    | libc::ENOPROTOOPT
                    | libc::EHOSTDOWN
                    | libc::ENONET
                    | libc::EHOSTUNREACH
                    | libc::EOPNOTSUPP
                    | libc::ENETUNREACH,
                ) => continue,
                // EAGAIN: none waits. EMFILE, ENFILE, ENOBUFS, ENOMEM: later. EINVAL: the listener
                // is shut down. All for the submitter.
                _ => return Err(error),
            },
        }
    }
}

fn accept_descriptor(listener: RawFd) -> Result<(OwnedFd, SocketAddr)> {
    // SAFETY: all-zero bytes are a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: pointer and length are those of `storage`.
    let descriptor = retry(|| unsafe {
        libc::accept4(listener, (&raw mut storage).cast(), &mut length, flags) as isize
    })?;
    // SAFETY: just opened, and owned by nobody else.
    let socket = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(descriptor as RawFd) };
    let storage = &raw const storage;
    let peer = match i32::from(
        // SAFETY: the storage is initialised.
        unsafe { (*storage).ss_family },
    ) {
        libc::AF_INET => {
            // SAFETY: the family says that it is this structure, which fits into the storage.
            let v4 = unsafe { &*storage.cast::<libc::sockaddr_in>() };
            let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            SocketAddr::new(address.into(), u16::from_be(v4.sin_port))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*storage.cast::<libc::sockaddr_in6>() };
            let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            SocketAddr::new(address.to_canonical(), u16::from_be(v6.sin6_port))
        }
        family => unreachable!("a TCP listener accepted family {family}"),
    };
    Ok((socket, peer))
}

/// A connection that is reset already refuses its options; the first receive tells of that.
fn prepare(socket: &OwnedFd, buffers: Buffers) {
    let mut results = vec![setsockopt(socket, sockopt::TcpNoDelay, &true)];
    if let Some(bytes) = buffers.send_bytes {
        results.push(setsockopt(socket, sockopt::SndBuf, &(bytes as usize)));
    }
    if let Some(bytes) = buffers.receive_bytes {
        results.push(setsockopt(socket, sockopt::RcvBuf, &(bytes as usize)));
    }
    for error in results.into_iter().filter_map(|result| result.err()) {
        tracing::debug!("option of an accepted socket: {error}");
    }
}

/// Vectors of a receive or send that fit on the stack; a call with more of them is short.
const STACK_VECTORS: usize = 64;

const NO_VECTOR: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

/// recv(2) or recvmsg(2) into the spare capacity of the buffers.
pub(super) fn receive(socket: RawFd, buffers: &mut [BytesMut]) -> Result<usize> {
    if let [buffer] = buffers {
        return receive_one(socket, buffer);
    }
    let mut vectors = [NO_VECTOR; STACK_VECTORS];
    let mut count = 0;
    for buffer in buffers.iter_mut() {
        let spare = buffer.spare_capacity_mut();
        if !spare.is_empty() && count < STACK_VECTORS {
            vectors[count] = libc::iovec {
                iov_base: spare.as_mut_ptr().cast(),
                iov_len: spare.len(),
            };
            count += 1;
        }
    }
    assert!(count > 0, "{NO_ROOM}");
    let mut message = message(&mut vectors[..count]);
    // SAFETY: the vectors point into the spare capacity of `buffers`, borrowed mutably throughout.
    let received = retry(|| unsafe { libc::recvmsg(socket, &mut message, libc::MSG_DONTWAIT) })?;
    let mut left = received;
    for buffer in buffers.iter_mut() {
        let here = left.min(buffer.capacity() - buffer.len());
        // SAFETY: the kernel has filled the spare capacities in order, `received` bytes in all.
        unsafe { buffer.set_len(buffer.len() + here) };
        left -= here;
        if left == 0 {
            break;
        }
    }
    Ok(received)
}

const NO_ROOM: &str = "a receive without room would look like the peer's end";

/// Most receives: recv(2) spares the system from reading a header and a vector, and rustix calls it
/// without making the thread one that may be cancelled meanwhile, as glibc does.
fn receive_one(socket: RawFd, buffer: &mut BytesMut) -> Result<usize> {
    assert!(buffer.capacity() > buffer.len(), "{NO_ROOM}");
    let received = retry_on_intr(|| {
        let spare = buffer.spare_capacity_mut();
        let (_, count) = rustix::net::recv(borrowed(socket), spare, RecvFlags::DONTWAIT)?;
        Ok(count)
    })?;
    // SAFETY: the kernel has filled the first `received` bytes of the spare capacity.
    unsafe { buffer.set_len(buffer.len() + received) };
    Ok(received)
}

/// send(2) or sendmsg(2) of the parts, or of the first of them.
pub(super) fn send(socket: RawFd, parts: &[Bytes], more: bool) -> Result<usize> {
    if let [part] = parts {
        let mut flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        flags.set(SendFlags::MORE, more);
        let sent = retry_on_intr(|| rustix::net::send(borrowed(socket), part, flags))?;
        return Ok(sent);
    }
    let mut vectors = [NO_VECTOR; STACK_VECTORS];
    let count = parts.len().min(STACK_VECTORS);
    for (vector, part) in vectors.iter_mut().zip(parts) {
        *vector = libc::iovec {
            iov_base: part.as_ptr().cast_mut().cast(),
            iov_len: part.len(),
        };
    }
    let more = more || count < parts.len();
    let message = message(&mut vectors[..count]);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | if more { libc::MSG_MORE } else { 0 };
    // SAFETY: the vectors point to the bytes of `parts`, which sendmsg only reads.
    retry(|| unsafe { libc::sendmsg(socket, &message, flags) })
}

/// The socket as rustix takes it.
pub(super) fn borrowed<'a>(socket: RawFd) -> BorrowedFd<'a> {
    // SAFETY: whoever asks holds a handle that keeps the descriptor open.
    unsafe { BorrowedFd::borrow_raw(socket) }
}

fn message(vectors: &mut [libc::iovec]) -> libc::msghdr {
    // SAFETY: all-zero bytes are a valid msghdr: no name, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vectors.as_mut_ptr();
    message.msg_iovlen = vectors.len() as _;
    message
}

/// sendfile(2). 0 means that the file ends before `position`.
pub(super) fn send_file(socket: RawFd, file: RawFd, position: u64, count: usize) -> Result<usize> {
    let mut offset = position as libc::off_t;
    // SAFETY: `offset` outlives the call; both descriptors are held open by the operation.
    retry(|| {
        offset = position as libc::off_t;
        // SAFETY: as above.
        unsafe { libc::sendfile(socket, file, &mut offset, count) }
    })
}

/// shutdown(2) both ways.
pub(super) fn shut_down(socket: &Socket) {
    match nix::sys::socket::shutdown(socket.number(), nix::sys::socket::Shutdown::Both) {
        Ok(()) => {}
        // The peer was faster.
        Err(nix::errno::Errno::ENOTCONN) => {}
        Err(errno) => unreachable!("shutdown of an open socket: {errno}"),
    }
}
