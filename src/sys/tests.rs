//! What the room promises, on real sockets and files. Loopback and the temporary directory only.

use super::*;
use crate::io::{
    Completion, Disk, File, FileRange, Interest, OpenMode, Operation, Outcome, Patience, Pieces,
    Socket, Task, Token,
};
use crate::limits::{COLD_BUFFERS_MAX, COLD_READ_BYTES_MAX};
use bytes::{Bytes, BytesMut};
use smallvec::smallvec;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A directory of its own for one test, gone with it.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("millstream-sys-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[derive(Debug)]
enum Work {
    Double(u32),
    Sleep(Duration),
    Length(PathBuf),
}

impl Task for Work {
    type Outcome = u64;

    fn run(self, disk: &dyn Disk) -> u64 {
        match self {
            Work::Double(number) => u64::from(number) * 2,
            Work::Sleep(duration) => {
                std::thread::sleep(duration);
                0
            }
            Work::Length(path) => {
                let file = disk.open(&path, OpenMode::Read).unwrap();
                disk.info(&file).unwrap().length
            }
        }
    }
}

const T: Token = Token::Ticket(7);

struct Machine {
    kernel: Kernel<Work>,
    completions: Vec<Completion<u64>>,
    _tasks: TaskThreads<Work>,
}

impl Machine {
    fn new() -> Machine {
        Machine::with(KernelConfig::default())
    }

    fn with(config: KernelConfig) -> Machine {
        let tasks = TaskThreads::start(2, Arc::new(Files)).unwrap();
        Machine {
            kernel: Kernel::new(config, &tasks).unwrap(),
            completions: Vec::new(),
            _tasks: tasks,
        }
    }

    /// Polls until something completed, at most ten seconds.
    fn next(&mut self) -> Completion<u64> {
        let deadline_us = monotonic_us() + 10_000_000;
        while self.completions.is_empty() {
            assert!(monotonic_us() < deadline_us, "nothing completed");
            self.kernel
                .poll(Some(deadline_us), &mut || false, &mut self.completions);
        }
        self.completions.remove(0)
    }

    /// Submits and waits for that one completion.
    fn run(&mut self, operation: Operation<Work>) -> Outcome<u64> {
        self.kernel.submit(T, operation);
        let completion = self.next();
        assert_eq!(completion.token, T);
        completion.outcome
    }

    /// Whether nothing completes for a while.
    fn is_quiet(&mut self) -> bool {
        let deadline_us = monotonic_us() + 20_000;
        while monotonic_us() < deadline_us {
            self.kernel
                .poll(Some(deadline_us), &mut || false, &mut self.completions);
        }
        self.completions.is_empty()
    }

    /// A connection: our side, and the peer's.
    fn connection(&mut self) -> (Socket, TcpStream) {
        let listener = listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let address = local_address(&listener).unwrap();
        let peer = TcpStream::connect(address).unwrap();
        let Outcome::Accepted(accepted) = self.run(Operation::Accept { listener }) else {
            panic!("not accepted");
        };
        let (socket, from) = accepted.unwrap();
        assert_eq!(from, peer.local_addr().unwrap());
        (socket, peer)
    }

    fn receive(
        &mut self,
        socket: &Socket,
        capacities: &[usize],
    ) -> (Vec<BytesMut>, std::io::Result<usize>) {
        let buffers = capacities
            .iter()
            .map(|c| BytesMut::with_capacity(*c))
            .collect();
        let operation = Operation::Receive {
            socket: socket.clone(),
            buffers,
        };
        match self.run(operation) {
            Outcome::Received { buffers, result } => (buffers, result),
            other => panic!("{other:?}"),
        }
    }

    fn wait(&mut self, socket: &Socket, interest: Interest) {
        let operation = Operation::Poll {
            socket: socket.clone(),
            interest,
        };
        assert!(matches!(self.run(operation), Outcome::Ready(ready) if ready == interest));
    }

    fn append(&mut self, file: &File, position: u64, parts: &[&[u8]]) -> (Pieces, usize) {
        let mut pieces = Pieces::new();
        parts
            .iter()
            .for_each(|part| pieces.push(BytesMut::from(*part)));
        let operation = Operation::Append {
            file: file.clone(),
            position,
            pieces,
        };
        match self.run(operation) {
            Outcome::Appended { pieces, result, .. } => (pieces, result.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn read(&mut self, file: &File, position: u64, length: usize, patience: Patience) -> Vec<u8> {
        let operation = Operation::Read {
            file: file.clone(),
            position,
            length,
            buffer: BytesMut::with_capacity(length),
            patience,
        };
        match self.run(operation) {
            Outcome::Read { buffer, result } => {
                assert_eq!(buffer.len(), result.unwrap());
                buffer.to_vec()
            }
            other => panic!("{other:?}"),
        }
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// A file with these bytes, all of them on the disk.
fn file_of(directory: &Directory, bytes: &[u8]) -> File {
    let file = Files
        .open(&directory.path("file"), OpenMode::Create)
        .unwrap();
    let mut at = 0;
    while at < bytes.len() {
        at += Files.write_at(&file, at as u64, &bytes[at..]).unwrap();
    }
    Files.sync(&file).unwrap();
    file
}

/// Drops the file's pages; whether they are gone (not so on tmpfs).
fn make_cold(file: &File, length: usize) -> bool {
    // SAFETY: a plain call on an open descriptor.
    unsafe { libc::posix_fadvise(file.number(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    !residency::is_resident(file.number(), 0, length as u64, 4096)
}

#[test]
fn echo_goes_through_two_kernels() {
    let listener = listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
    let address = local_address(&listener).unwrap();
    let server = std::thread::spawn(move || {
        let mut machine = Machine::new();
        let Outcome::Accepted(Ok((socket, _))) = machine.run(Operation::Accept { listener }) else {
            panic!("not accepted");
        };
        loop {
            machine.wait(&socket, Interest::Readable);
            let (buffers, result) = machine.receive(&socket, &[10, 0, 100]);
            if result.unwrap() == 0 {
                return;
            }
            let parts = buffers.into_iter().map(BytesMut::freeze).collect();
            let sent = machine.run(Operation::Send {
                socket: socket.clone(),
                parts,
                more: false,
            });
            assert!(matches!(sent, Outcome::Sent(Ok(_))));
        }
    });

    let mut machine = Machine::new();
    let socket = connect(address).unwrap();
    machine.wait(&socket, Interest::Writable);
    for round in 0..50u8 {
        let question = vec![round; usize::from(round) + 1];
        let sent = machine.run(Operation::Send {
            socket: socket.clone(),
            parts: smallvec![Bytes::from(question.clone()), Bytes::new()],
            more: false,
        });
        assert!(matches!(sent, Outcome::Sent(Ok(count)) if count == question.len()));
        let mut answer = Vec::new();
        while answer.len() < question.len() {
            machine.wait(&socket, Interest::Readable);
            let (buffers, result) = machine.receive(&socket, &[7, 9, 64]);
            result.unwrap();
            buffers
                .iter()
                .for_each(|buffer| answer.extend_from_slice(buffer));
        }
        assert_eq!(answer, question);
    }
    assert!(matches!(
        machine.run(Operation::Shutdown { socket }),
        Outcome::ShutDown
    ));
    server.join().unwrap();
}

#[test]
fn a_receive_fills_the_buffers_in_their_order_behind_what_they_hold() {
    let mut machine = Machine::new();
    let (socket, mut peer) = machine.connection();
    let (_, nothing) = machine.receive(&socket, &[8]);
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock);

    peer.write_all(b"0123456789").unwrap();
    machine.wait(&socket, Interest::Readable);
    let mut first = BytesMut::with_capacity(4);
    first.extend_from_slice(b"ab");
    let room = first.capacity() - 2;
    let operation = Operation::Receive {
        socket: socket.clone(),
        buffers: vec![
            first,
            BytesMut::with_capacity(3),
            BytesMut::with_capacity(64),
        ],
    };
    let Outcome::Received { buffers, result } = machine.run(operation) else {
        panic!("not received");
    };
    assert_eq!(result.unwrap(), 10);
    assert_eq!(&buffers[0][..], &b"ab0123456789"[..2 + room]);
    assert_eq!(buffers.concat(), b"ab0123456789");

    drop(peer);
    machine.wait(&socket, Interest::Readable);
    let (_, end) = machine.receive(&socket, &[8]);
    assert_eq!(end.unwrap(), 0);
}

#[test]
fn sends_push_back_when_the_peer_reads_slowly_and_go_on_when_it_reads() {
    let mut machine = Machine::with(KernelConfig {
        send_buffer_bytes: Some(64 * 1024),
        ..KernelConfig::default()
    });
    let (socket, mut peer) = machine.connection();
    let bytes = Bytes::from(pattern(16 << 20));
    let reader_may_begin = Arc::new(AtomicBool::new(false));
    let begin = reader_may_begin.clone();
    let reader = std::thread::spawn(move || {
        while !begin.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    });
    let mut sent = 0;
    let mut blocked = 0;
    while sent < bytes.len() {
        let middle = sent + (bytes.len() - sent) / 2;
        let operation = Operation::Send {
            socket: socket.clone(),
            parts: smallvec![bytes.slice(sent..middle), bytes.slice(middle..)],
            more: false,
        };
        match machine.run(operation) {
            Outcome::Sent(Ok(count)) => sent += count,
            Outcome::Sent(Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                blocked += 1;
                reader_may_begin.store(true, Ordering::Release);
                machine.wait(&socket, Interest::Writable);
            }
            other => panic!("{other:?}"),
        }
    }
    machine.run(Operation::Shutdown { socket });
    assert!(blocked > 0);
    assert_eq!(reader.join().unwrap(), bytes);
}

#[test]
fn a_shut_down_socket_completes_its_poll_and_a_shut_down_listener_its_accept() {
    let mut machine = Machine::new();
    let (socket, _peer) = machine.connection();
    machine.kernel.submit(
        Token::Connection(1),
        Operation::Poll {
            socket: socket.clone(),
            interest: Interest::Readable,
        },
    );
    assert!(machine.is_quiet());
    machine.kernel.submit(
        Token::Connection(2),
        Operation::Shutdown {
            socket: socket.clone(),
        },
    );
    let mut tokens = [machine.next().token, machine.next().token];
    tokens.sort();
    assert_eq!(tokens, [Token::Connection(1), Token::Connection(2)]);
    machine.wait(&socket, Interest::Readable);
    machine.wait(&socket, Interest::Writable);

    let listener = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    machine.kernel.submit(
        Token::Listener(0),
        Operation::Accept {
            listener: listener.clone(),
        },
    );
    assert!(machine.is_quiet());
    machine.run(Operation::Shutdown { socket: listener });
    let accepted = machine.next();
    assert_eq!(accepted.token, Token::Listener(0));
    assert!(matches!(accepted.outcome, Outcome::Accepted(Err(_))));
}

#[test]
fn a_port_in_use_is_refused_and_both_families_listen() {
    let taken = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    let error = listen(local_address(&taken).unwrap(), 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);

    let v6: SocketAddr = "[::1]:0".parse().unwrap();
    let listener = match listen(v6, 1) {
        Ok(listener) => listener,
        Err(error) => {
            // A machine without IPv6 says one of these; anything else is a mistake.
            let errno = error.raw_os_error();
            assert!(matches!(
                errno,
                Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
            ));
            return;
        }
    };
    let peer = TcpStream::connect(local_address(&listener).unwrap()).unwrap();
    let Outcome::Accepted(Ok((_, from))) = Machine::new().run(Operation::Accept { listener })
    else {
        panic!("not accepted");
    };
    assert_eq!(from, peer.local_addr().unwrap());
}

#[test]
fn a_dropped_handle_stays_open_while_its_operation_is_in_flight() {
    let mut machine = Machine::new();
    let (socket, mut peer) = machine.connection();
    machine.kernel.submit(
        T,
        Operation::Poll {
            socket,
            interest: Interest::Readable,
        },
    );
    assert!(machine.is_quiet());
    // The submitter has no handle any more, and yet the peer's byte arrives.
    peer.write_all(b"x").unwrap();
    assert!(matches!(
        machine.next().outcome,
        Outcome::Ready(Interest::Readable)
    ));
    // The completion was the last holder: now it is closed. Unread bytes make that a reset.
    let mut byte = [0];
    assert_ne!(peer.read(&mut byte).ok(), Some(1));
}

#[test]
fn appends_in_every_mode_are_read_again() {
    for append_mode in [AppendMode::Auto, AppendMode::Uring, AppendMode::Inline] {
        let directory = Directory::new();
        let file = Files
            .open(&directory.path("log"), OpenMode::CreateNew)
            .unwrap();
        let mut machine = Machine::with(KernelConfig {
            append_mode,
            ..KernelConfig::default()
        });
        let mut expected = Vec::new();
        for round in 0..20usize {
            let (a, b) = (pattern(round * 997 + 1), pattern(100_000 * (round % 3) + 5));
            let (pieces, count) = machine.append(&file, expected.len() as u64, &[&a, &b]);
            assert_eq!(count, a.len() + b.len());
            assert_eq!(pieces.to_vec(), [&a[..], &b[..]].concat());
            expected.extend_from_slice(&a);
            expected.extend_from_slice(&b);
        }
        for patience in [Patience::Hot, Patience::Cold] {
            let mut all = Vec::new();
            loop {
                let some = machine.read(&file, all.len() as u64, 256 * 1024, patience);
                if some.is_empty() {
                    break;
                }
                all.extend_from_slice(&some);
            }
            assert!(all == expected, "{append_mode:?} {patience:?}");
        }
    }
}

#[test]
fn a_thousand_pieces_are_one_append() {
    let directory = Directory::new();
    let file = Files
        .open(&directory.path("log"), OpenMode::CreateNew)
        .unwrap();
    for append_mode in [AppendMode::Uring, AppendMode::Inline] {
        let mut machine = Machine::with(KernelConfig {
            append_mode,
            ..KernelConfig::default()
        });
        let bytes = pattern(crate::limits::IOVECS_MAX * 3);
        let parts: Vec<&[u8]> = bytes.chunks(3).collect();
        let (_, count) = machine.append(&file, 10, &parts);
        assert_eq!(count, bytes.len());
        assert_eq!(machine.read(&file, 10, bytes.len(), Patience::Hot), bytes);
    }
}

#[test]
fn a_short_append_tells_how_far_it_came_and_can_be_resumed() {
    for append_mode in [AppendMode::Uring, AppendMode::Inline] {
        let directory = Directory::new();
        let path = directory.path("log");
        let file = Files.open(&path, OpenMode::CreateNew).unwrap();
        // A limit on the size of files makes the write short. It holds for the whole process, so
        // another one does this.
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "sys::tests::child_appends_beyond_its_limit",
                "--ignored",
            ])
            .env("MILLSTREAM_CHILD_FILE", &path)
            .env(
                "MILLSTREAM_CHILD_INLINE",
                (append_mode == AppendMode::Inline).to_string(),
            )
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && said.contains("1 passed"),
            "{said}"
        );
        assert_eq!(Files.info(&file).unwrap().length, 8192);
        let mut bytes = vec![0; 8192];
        assert_eq!(Files.read_at(&file, 0, &mut bytes).unwrap(), 8192);
        assert_eq!(bytes, pattern(8192));
    }
}

#[test]
#[ignore = "the second process of a_short_append_tells_how_far_it_came_and_can_be_resumed"]
fn child_appends_beyond_its_limit() {
    use nix::sys::resource::{Resource, setrlimit};
    use nix::sys::signal::{SigHandler, Signal, signal};
    let path = PathBuf::from(std::env::var_os("MILLSTREAM_CHILD_FILE").unwrap());
    let inline = std::env::var("MILLSTREAM_CHILD_INLINE").unwrap() == "true";
    // SAFETY: SIG_IGN runs no code of ours.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn).unwrap() };
    setrlimit(Resource::RLIMIT_FSIZE, 5000, libc::RLIM_INFINITY).unwrap();
    let mut machine = Machine::with(KernelConfig {
        append_mode: if inline {
            AppendMode::Inline
        } else {
            AppendMode::Uring
        },
        ..KernelConfig::default()
    });
    let file = Files.open(&path, OpenMode::Write).unwrap();
    let bytes = pattern(8192);
    let (mut pieces, count) = machine.append(&file, 0, &[&bytes[..3000], &bytes[3000..]]);
    assert_eq!(count, 5000);
    setrlimit(
        Resource::RLIMIT_FSIZE,
        libc::RLIM_INFINITY,
        libc::RLIM_INFINITY,
    )
    .unwrap();
    pieces.advance(count);
    let operation = Operation::Append {
        file,
        position: count as u64,
        pieces,
    };
    let Outcome::Appended { result, .. } = machine.run(operation) else {
        panic!("not appended");
    };
    assert_eq!(result.unwrap(), 3192);
}

#[test]
fn an_append_that_fails_says_so() {
    let directory = Directory::new();
    std::fs::write(directory.path("log"), b"").unwrap();
    let file = Files.open(&directory.path("log"), OpenMode::Read).unwrap();
    for append_mode in [AppendMode::Uring, AppendMode::Inline] {
        let mut machine = Machine::with(KernelConfig {
            append_mode,
            ..KernelConfig::default()
        });
        let operation = Operation::Append {
            file: file.clone(),
            position: 0,
            pieces: Pieces::from(&b"abc"[..]),
        };
        let Outcome::Appended {
            pieces,
            result,
            took_ns,
        } = machine.run(operation)
        else {
            panic!("not appended");
        };
        assert_eq!(pieces.to_vec(), b"abc");
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EBADF));
        assert!((1..10_000_000_000).contains(&took_ns), "{took_ns} ns");
    }
}

#[test]
fn a_read_goes_behind_what_the_buffer_holds_hot_cold_and_half_cold() {
    let directory = Directory::new();
    let bytes = pattern(1 << 20);
    let file = file_of(&directory, &bytes);
    let mut machine = Machine::new();
    for patience in [Patience::Hot, Patience::Cold] {
        for warm_up in [0, 8192] {
            make_cold(&file, bytes.len());
            if warm_up > 0 {
                Files.read_at(&file, 0, &mut vec![0; warm_up]).unwrap();
            }
            let mut buffer = BytesMut::with_capacity(300_000);
            buffer.extend_from_slice(b"head");
            let operation = Operation::Read {
                file: file.clone(),
                position: 100,
                length: 256 * 1024,
                buffer,
                patience,
            };
            let Outcome::Read { buffer, result } = machine.run(operation) else {
                panic!("not read");
            };
            let count = result.unwrap();
            assert!(count > 0);
            assert_eq!(&buffer[..4], b"head");
            assert!(buffer[4..] == bytes[100..100 + count]);
        }
    }
}

#[test]
fn sendfile_sends_what_is_resident_and_nothing_that_is_cold() {
    let directory = Directory::new();
    let bytes = pattern(3 << 20);
    let file = file_of(&directory, &bytes);
    let mut machine = Machine::new();
    let (socket, mut peer) = machine.connection();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    });
    let send = |machine: &mut Machine, position: usize| {
        let operation = Operation::SendFile {
            socket: socket.clone(),
            range: FileRange {
                file: file.clone(),
                position: position as u64,
                length: (bytes.len() - position) as u64,
            },
            more: false,
        };
        match machine.run(operation) {
            Outcome::SentFile(result) => result,
            other => panic!("{other:?}"),
        }
    };
    if make_cold(&file, bytes.len()) {
        assert_eq!(send(&mut machine, 0).unwrap(), None);
    }
    Files.read_at(&file, 0, &mut vec![0; bytes.len()]).unwrap();
    let mut sent = 0;
    while sent < bytes.len() {
        match send(&mut machine, sent) {
            Ok(Some(count)) => sent += count,
            Ok(None) => panic!("just read, and yet not resident"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                machine.wait(&socket, Interest::Writable);
            }
        }
    }
    machine.run(Operation::Shutdown {
        socket: socket.clone(),
    });
    assert!(reader.join().unwrap() == bytes);
}

#[test]
fn a_pipe_carries_what_is_cold_into_a_socket_and_is_used_again() {
    let directory = Directory::new();
    let bytes = pattern((3 << 20) + 17);
    let file = file_of(&directory, &bytes);
    make_cold(&file, bytes.len());
    let mut machine = Machine::new();
    let (socket, mut peer) = machine.connection();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    });
    let mut sent = 0;
    let mut seen = Vec::new();
    while sent < bytes.len() {
        let range = FileRange {
            file: file.clone(),
            position: sent as u64,
            length: (bytes.len() - sent) as u64,
        };
        let Outcome::Filled(Ok(Some((pipe, mut left)))) = machine.run(Operation::Fill { range })
        else {
            panic!("not filled");
        };
        assert!(left > 0 && left <= COLD_READ_BYTES_MAX);
        seen.push(pipe.read_end());
        let mut pipe = Some(pipe);
        while let Some(full) = pipe.take() {
            let operation = Operation::Drain {
                socket: socket.clone(),
                pipe: full,
                bytes: left,
                more: true,
            };
            let Outcome::Drained { pipe: rest, result } = machine.run(operation) else {
                panic!("not drained");
            };
            pipe = rest;
            match result {
                Ok(count) => {
                    left -= count;
                    sent += count;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    machine.wait(&socket, Interest::Writable);
                }
            }
        }
        assert_eq!(left, 0);
    }
    assert!(seen.iter().all(|end| *end == seen[0]), "{seen:?}");
    machine.run(Operation::Shutdown {
        socket: socket.clone(),
    });
    assert!(reader.join().unwrap() == bytes);

    // At the file's end a pipe comes back empty; one that is dropped full is closed.
    let range = FileRange {
        file: file.clone(),
        position: bytes.len() as u64,
        length: 10,
    };
    let outcome = machine.run(Operation::Fill { range });
    assert!(
        matches!(outcome, Outcome::Filled(Ok(Some((_, 0))))),
        "{outcome:?}"
    );
}

#[test]
fn pipes_are_bounded() {
    let directory = Directory::new();
    let file = file_of(&directory, b"12345");
    let mut machine = Machine::new();
    let fill = |machine: &mut Machine| {
        let range = FileRange {
            file: file.clone(),
            position: 0,
            length: 5,
        };
        match machine.run(Operation::Fill { range }) {
            Outcome::Filled(result) => result.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let mut held: Vec<_> = (0..COLD_BUFFERS_MAX)
        .map(|_| fill(&mut machine).expect("below the bound"))
        .collect();
    assert!(fill(&mut machine).is_none());
    held.pop();
    assert!(fill(&mut machine).is_some());
}

#[test]
fn sendfile_sends_the_resident_beginning_of_a_range() {
    let directory = Directory::new();
    let bytes = pattern(4 << 20);
    let file = file_of(&directory, &bytes);
    if !make_cold(&file, bytes.len()) {
        return;
    }
    // SAFETY: a plain call on an open descriptor. Random access: no readahead.
    unsafe { libc::posix_fadvise(file.number(), 0, 0, libc::POSIX_FADV_RANDOM) };
    Files.read_at(&file, 0, &mut vec![0; 256 * 1024]).unwrap();
    let mut machine = Machine::new();
    let (socket, _peer) = machine.connection();
    let operation = Operation::SendFile {
        socket,
        range: FileRange {
            file: file.clone(),
            position: 0,
            length: bytes.len() as u64,
        },
        more: true,
    };
    let outcome = machine.run(operation);
    assert!(
        matches!(outcome, Outcome::SentFile(Ok(Some(count))) if count > 0 && count <= 256 * 1024),
        "{outcome:?}"
    );
}

#[test]
fn tasks_wake_the_sleeper_that_submitted_them() {
    let directory = Directory::new();
    file_of(&directory, b"12345");
    let mut machine = Machine::with(KernelConfig {
        spin_us: 0,
        ..KernelConfig::default()
    });
    for number in 0..100 {
        machine.kernel.submit(
            Token::Ticket(number),
            Operation::Task(Work::Double(number as u32)),
        );
    }
    let mut doubled: Vec<_> = (0..100).map(|_| machine.next()).collect();
    doubled.sort_by_key(|completion| completion.token);
    for (number, completion) in doubled.into_iter().enumerate() {
        assert_eq!(completion.token, Token::Ticket(number as u64));
        assert!(matches!(completion.outcome, Outcome::Done(twice) if twice == number as u64 * 2));
    }
    let length = machine.run(Operation::Task(Work::Length(directory.path("file"))));
    assert!(matches!(length, Outcome::Done(5)));

    let began = Instant::now();
    let nap = Duration::from_millis(50);
    assert!(matches!(
        machine.run(Operation::Task(Work::Sleep(nap))),
        Outcome::Done(0)
    ));
    assert!(began.elapsed() >= nap && began.elapsed() < Duration::from_secs(5));
}

#[test]
fn task_threads_finish_what_was_submitted_before_they_go() {
    let tasks = TaskThreads::start(1, Arc::new(Files)).unwrap();
    let mut kernel: Kernel<Work> = Kernel::new(KernelConfig::default(), &tasks).unwrap();
    kernel.submit(T, Operation::Task(Work::Sleep(Duration::from_millis(20))));
    kernel.submit(T, Operation::Task(Work::Double(4)));
    drop(tasks);
    let mut completions = Vec::new();
    kernel.poll(Some(monotonic_us()), &mut || false, &mut completions);
    assert_eq!(completions.len(), 2);
}

#[test]
fn a_deadline_ends_the_sleep_and_not_before() {
    for spin_us in [0, 200] {
        let mut machine = Machine::with(KernelConfig {
            spin_us,
            ..KernelConfig::default()
        });
        let began_us = monotonic_us();
        let mut completions = Vec::new();
        machine
            .kernel
            .poll(Some(began_us + 30_000), &mut || false, &mut completions);
        let took_us = monotonic_us() - began_us;
        assert!(completions.is_empty());
        assert!((30_000..5_000_000).contains(&took_us), "{took_us} us");
    }
}

fn readable(socket: &Socket) -> Operation<Work> {
    Operation::Poll {
        socket: socket.clone(),
        interest: Interest::Readable,
    }
}

#[test]
fn a_shard_that_looks_around_asks_sockets_itself_until_it_lies_down() {
    let mut machine = Machine::new();
    let (socket, mut peer) = machine.connection();
    for _ in 0..3 {
        machine.kernel.submit(T, readable(&socket));
        assert_eq!(machine.kernel.asked(), 1);
        peer.write_all(b"x").unwrap();
        assert!(matches!(machine.next().outcome, Outcome::Ready(_)));
        assert_eq!(machine.kernel.asked(), 0);
        machine.receive(&socket, &[16]).1.unwrap();
    }
    machine.kernel.submit(T, readable(&socket));
    assert!(machine.is_quiet());
    assert_eq!(machine.kernel.asked(), 0, "the ring watches it");
    peer.write_all(b"x").unwrap();
    assert!(matches!(machine.next().outcome, Outcome::Ready(_)));
}

#[test]
fn a_shard_that_does_not_look_around_leaves_sockets_to_the_ring() {
    let mut machine = Machine::with(KernelConfig {
        spin_us: 0,
        ..KernelConfig::default()
    });
    let (socket, _peer) = machine.connection();
    machine.kernel.submit(T, readable(&socket));
    assert_eq!(machine.kernel.asked(), 0);
}

#[test]
fn a_shard_that_always_has_something_to_do_leaves_sockets_to_the_ring() {
    let mut machine = Machine::new();
    let (socket, mut peer) = machine.connection();
    machine.kernel.submit(T, readable(&socket));
    assert_eq!(machine.kernel.asked(), 1);
    let mut rounds = 0;
    while machine.kernel.asked() > 0 {
        rounds += 1;
        assert!(rounds < 1_000, "it goes on asking");
        machine
            .kernel
            .poll(None, &mut || true, &mut machine.completions);
    }
    machine.kernel.submit(T, readable(&socket));
    assert_eq!(machine.kernel.asked(), 0);
    peer.write_all(b"x").unwrap();
    for _ in 0..2 {
        assert!(matches!(machine.next().outcome, Outcome::Ready(_)));
    }
    // It has waited since.
    machine.receive(&socket, &[16]).1.unwrap();
    assert!(machine.is_quiet());
    machine.kernel.submit(T, readable(&socket));
    assert_eq!(machine.kernel.asked(), 1);
}

/// The kernel posts about twenty completions an entry: whoever came behind those would be overtaken by all that
/// is ready again at once.
#[test]
fn all_that_are_ready_come_together() {
    let mut machine = Machine::with(KernelConfig {
        spin_us: 0,
        ..KernelConfig::default()
    });
    let mut connections: Vec<_> = (0..200).map(|_| machine.connection()).collect();
    for (socket, _) in &connections {
        machine.kernel.submit(T, readable(socket));
    }
    assert!(machine.is_quiet());
    for (_, peer) in &mut connections {
        peer.write_all(b"x").unwrap();
    }
    // What loopback delivers later than that would come with the next poll.
    std::thread::sleep(Duration::from_millis(20));
    machine
        .kernel
        .poll(None, &mut || false, &mut machine.completions);
    assert_eq!(machine.completions.len(), connections.len());
}

#[test]
fn poll_does_not_sleep_on_completions_or_mail() {
    let mut machine = Machine::new();
    let (socket, _peer) = machine.connection();
    machine.kernel.submit(T, Operation::Shutdown { socket });
    machine.kernel.poll(
        None,
        &mut || panic!("asked although something completed"),
        &mut machine.completions,
    );
    assert_eq!(machine.completions.len(), 1);
    machine.completions.clear();
    machine
        .kernel
        .poll(None, &mut || true, &mut machine.completions);
    // Mail that comes between the last look and the sleep.
    let mut asked = 0;
    machine.kernel.poll(
        None,
        &mut || {
            asked += 1;
            asked == 2
        },
        &mut machine.completions,
    );
    assert_eq!(asked, 2);
    assert!(machine.completions.is_empty());
}

/// Two kernels on two threads hand a number to and fro; each sleeps until it has the number.
fn ping_pong(through_rings: bool) {
    const ROUNDS: u32 = 2_000;
    let number = Arc::new(AtomicU32::new(0));
    let (tell, told) = crossbeam_channel::unbounded::<Waker>();
    let (tell_back, told_back) = crossbeam_channel::unbounded::<Waker>();
    let player = |parity: u32,
                  tell: crossbeam_channel::Sender<Waker>,
                  told: crossbeam_channel::Receiver<Waker>| {
        let number = number.clone();
        std::thread::spawn(move || {
            let mut machine = Machine::with(KernelConfig {
                spin_us: 0,
                ..KernelConfig::default()
            });
            tell.send(machine.kernel.waker()).unwrap();
            let other = told.recv().unwrap();
            let mut completions = Vec::new();
            loop {
                let seen = number.load(Ordering::Acquire);
                if seen % 2 == parity {
                    number.store(seen + 1, Ordering::Release);
                    if through_rings {
                        machine.kernel.wake(&other);
                    } else {
                        other.wake();
                    }
                }
                if seen >= ROUNDS {
                    // The message still has to leave.
                    machine
                        .kernel
                        .poll(Some(0), &mut || false, &mut completions);
                    return;
                }
                let deadline_us = monotonic_us() + 10_000_000;
                machine.kernel.poll(
                    Some(deadline_us),
                    &mut || number.load(Ordering::Acquire) % 2 == parity,
                    &mut completions,
                );
                assert!(monotonic_us() < deadline_us, "a wake was lost at {seen}");
            }
        })
    };
    let one = player(0, tell, told_back);
    let two = player(1, tell_back, told);
    one.join().unwrap();
    two.join().unwrap();
    assert!(number.load(Ordering::Acquire) >= ROUNDS);
}

#[test]
fn shards_wake_each_other_by_ring_messages() {
    ping_pong(true);
}

#[test]
fn threads_without_a_ring_wake_by_the_bell() {
    ping_pong(false);
}

#[test]
fn a_waker_outlives_its_kernel() {
    let waker = Machine::new().kernel.waker();
    waker.wake();
    let mut other = Machine::new();
    other.kernel.wake(&waker);
    assert!(other.is_quiet());
}

#[test]
fn a_kernel_ends_with_operations_in_flight() {
    let directory = Directory::new();
    let file = file_of(&directory, &pattern(1 << 20));
    let mut machine = Machine::new();
    let (socket, peer) = machine.connection();
    for number in 0..3_000 {
        let operation = Operation::Poll {
            socket: socket.clone(),
            interest: Interest::Readable,
        };
        machine.kernel.submit(Token::Ticket(number), operation);
    }
    let operation = Operation::Read {
        file,
        position: 0,
        length: 1 << 20,
        buffer: BytesMut::with_capacity(1 << 20),
        patience: Patience::Cold,
    };
    machine.kernel.submit(T, operation);
    assert!(machine.kernel.in_flight() > 3_000);
    drop(machine);
    drop(peer);
}

#[test]
fn more_completions_than_the_ring_holds_all_arrive() {
    let mut machine = Machine::with(KernelConfig {
        ring_entries: 4,
        ..KernelConfig::default()
    });
    let (socket, mut peer) = machine.connection();
    for number in 0..500 {
        let operation = Operation::Poll {
            socket: socket.clone(),
            interest: Interest::Readable,
        };
        machine.kernel.submit(Token::Ticket(number), operation);
    }
    assert!(machine.is_quiet());
    peer.write_all(b"x").unwrap();
    let mut tokens: Vec<_> = (0..500).map(|_| machine.next().token).collect();
    tokens.sort();
    assert!(tokens.into_iter().eq((0..500).map(Token::Ticket)));
    assert!(machine.is_quiet());
}
