//! A whole broker, on a machine in memory where everything happens at once and in order: the workers
//! that `server::boot` makes, their operations performed as they come. One client.
//!
//! `tests/sim` asks what happens when things happen late, by halves or never; here the question is
//! only what bytes do.

use super::disk::{Files, MemoryDisk};
use super::make::NOW_MS;
use millstream::api::Endpoint;
use millstream::config::BrokerConfig;
use millstream::io::{
    Closer, Completion, Disk, File, Interest, Operation, Outcome, Socket, Task as _, Token,
};
use millstream::server::{Event, Listening, Progress, Worker, boot};
use millstream::shard::Outbox;
use millstream::store::Task;
use millstream::types::{Now, ShardId, Timestamp};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// Where the broker keeps its logs.
pub const DATA: &str = "/data";
const LISTENER: i32 = 1;
/// Timers that may run out while a client waits for its answers: those of the broker's own, and a
/// long poll's.
const TIMERS_MAX: usize = 40;
/// Timers until a broker must have stopped.
const STOP_TIMERS_MAX: usize = 200;

struct Forget;

impl Closer for Forget {
    fn close(&self, _: i32) {}
}

/// The broker and its machine.
pub struct Machine {
    disk: MemoryDisk,
    workers: Vec<Worker>,
    now_us: u64,
    todo: VecDeque<(usize, Token, Operation<Task>)>,
    /// The accept that waits.
    accepting: Option<(usize, Token)>,
    /// The polls for something to read that wait.
    polling: Vec<(usize, Token, Socket)>,
    wire: Wire,
}

/// The client's connection, from the client.
#[derive(Default)]
struct Wire {
    number: i32,
    to_broker: VecDeque<u8>,
    ended: bool,
    shut: bool,
    from_broker: Vec<u8>,
}

impl Machine {
    /// Boots a broker on these files.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn boot(files: &Files, settings: &[(&str, &str)]) -> Result<Machine, String> {
        let disk = MemoryDisk::with(files);
        let _ = disk.create_directory(Path::new("/"));
        let _ = disk.create_directory(Path::new(DATA));
        let mut all = vec![
            ("num.shards", "2"),
            ("log.dirs", DATA),
            ("listeners", "PLAINTEXT://127.0.0.1:9092"),
        ];
        all.extend(settings);
        let config = Arc::new(BrokerConfig::of(&all).expect("good settings"));
        let mut machine = Machine {
            disk,
            workers: Vec::new(),
            now_us: 1_000_000,
            todo: VecDeque::new(),
            accepting: None,
            polling: Vec::new(),
            wire: Wire::default(),
        };
        let listener = Listening {
            socket: Socket::new(LISTENER, Arc::new(Forget)),
            advertised: Endpoint {
                host: "127.0.0.1".to_owned(),
                port: 9092,
            },
        };
        machine.workers = boot(
            &config,
            &machine.disk,
            1,
            vec![listener],
            0x5eed,
            machine.now(),
            &Progress::default(),
        )
        .map_err(|error| error.to_string())?;
        for at in 0..machine.workers.len() {
            let (mut out, now) = (Outbox::default(), machine.now());
            machine.workers[at].start(now, &mut out);
            machine.take(at, out);
        }
        machine.work();
        Ok(machine)
    }

    fn now(&self) -> Now {
        Now {
            monotonic_us: self.now_us,
            wall: Timestamp(NOW_MS + (self.now_us / 1000) as i64),
        }
    }

    /// Opens the client's connection anew; what it had before is lost.
    pub fn connect(&mut self) {
        let Some((worker, token)) = self.accepting.take() else {
            return;
        };
        self.wire = Wire {
            number: self.wire.number.max(LISTENER) + 1,
            ..Wire::default()
        };
        let socket = Socket::new(self.wire.number, Arc::new(Forget));
        let peer = "127.0.0.1:50000".parse().expect("an address");
        self.complete(worker, token, Outcome::Accepted(Ok((socket, peer))));
        self.work();
    }

    /// Bytes from the client.
    pub fn send(&mut self, bytes: &[u8]) {
        self.wire.to_broker.extend(bytes);
        self.work();
    }

    /// What the broker has sent since.
    pub fn receive(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.wire.from_broker)
    }

    /// The client sends nothing more.
    pub fn end(&mut self) {
        self.wire.ended = true;
        self.work();
    }

    /// Whether the broker has closed the client's connection.
    pub fn is_closed(&self) -> bool {
        self.wire.shut
    }

    /// Lets time pass until something is sent, or for long enough.
    pub fn wait(&mut self) {
        for _ in 0..TIMERS_MAX {
            if !self.wire.from_broker.is_empty() || self.wire.shut || !self.pass() {
                return;
            }
        }
    }

    /// Stops the broker in order; returns its files.
    pub fn stop(mut self) -> Files {
        self.handle(0, Event::Stop);
        self.work();
        for _ in 0..STOP_TIMERS_MAX {
            if self.workers.iter().all(Worker::is_stopped) {
                assert_eq!(self.workers[0].failure(), None);
                return self.disk.files();
            }
            self.pass();
        }
        panic!("the broker does not stop");
    }

    /// What lies on the disk now, as a kill would leave it.
    pub fn kill(self) -> Files {
        self.disk.files()
    }

    /// Goes to the next timer. Says whether there was one.
    fn pass(&mut self) -> bool {
        let due = |worker: &Worker| worker.poll_timeout();
        let Some(next_us) = self.workers.iter().filter_map(due).min() else {
            return false;
        };
        self.now_us = self.now_us.max(next_us);
        for at in 0..self.workers.len() {
            if due(&self.workers[at]).is_some_and(|due_us| due_us <= self.now_us) {
                self.handle(at, Event::Timeout);
            }
        }
        self.work();
        true
    }

    fn handle(&mut self, at: usize, event: Event) {
        let mut out = Outbox::default();
        let now = self.now();
        self.workers[at].begin_round(now);
        self.workers[at].handle(now, event, &mut out);
        self.workers[at].end_round(now, &mut out);
        self.take(at, out);
    }

    fn take(&mut self, at: usize, out: Outbox) {
        let operations = out.operations.into_iter();
        self.todo
            .extend(operations.map(|(token, operation)| (at, token, operation)));
        for (to, mail) in out.mail {
            self.handle(usize::from(to.0), Event::Mail(ShardId(at as u16), mail));
        }
    }

    fn complete(
        &mut self,
        at: usize,
        token: Token,
        outcome: Outcome<<Task as millstream::io::Task>::Outcome>,
    ) {
        self.now_us += 1;
        self.handle(at, Event::Completion(Completion { token, outcome }));
    }

    /// Performs operations until all that are left wait for the client or the clock.
    fn work(&mut self) {
        loop {
            while let Some((at, token, operation)) = self.todo.pop_front() {
                self.perform(at, token, operation);
            }
            let wire = &self.wire;
            let readable = |socket: &Socket| {
                let other = socket.number() != wire.number;
                other || !wire.to_broker.is_empty() || wire.ended || wire.shut
            };
            let Some(ready) = self.polling.iter().position(|(_, _, it)| readable(it)) else {
                return;
            };
            let (at, token, _) = self.polling.remove(ready);
            self.complete(at, token, Outcome::Ready(Interest::Readable));
        }
    }

    fn perform(&mut self, at: usize, token: Token, operation: Operation<Task>) {
        let outcome = match operation {
            Operation::Accept { .. } => {
                self.accepting = Some((at, token));
                return;
            }
            Operation::Poll {
                socket,
                interest: Interest::Readable,
            } => {
                self.polling.push((at, token, socket));
                return;
            }
            Operation::Poll { interest, .. } => Outcome::Ready(interest),
            Operation::Receive {
                socket,
                mut buffers,
            } => {
                let result = self.received(&socket, &mut buffers);
                Outcome::Received { buffers, result }
            }
            Operation::Send { socket, parts, .. } => {
                let bytes = parts.concat();
                Outcome::Sent(self.sent(&socket, &bytes))
            }
            Operation::SendFile { socket, range, .. } => {
                let bytes = self.read(&range.file, range.position, range.length as usize);
                match self.sent(&socket, &bytes) {
                    Ok(count) => Outcome::SentFile(Ok(Some(count))),
                    Err(error) => Outcome::SentFile(Err(error)),
                }
            }
            // Everything is in its page cache.
            Operation::Fill { .. } | Operation::Drain { .. } => unreachable!("nothing is cold"),
            Operation::Shutdown { socket } => {
                if socket.number() == LISTENER
                    && let Some((at, token)) = self.accepting.take()
                {
                    let closed = ErrorKind::InvalidInput.into();
                    self.complete(at, token, Outcome::Accepted(Err(closed)));
                }
                self.wire.shut |= socket.number() == self.wire.number;
                Outcome::ShutDown
            }
            Operation::Append {
                file,
                mut position,
                pieces,
            } => {
                for piece in pieces.chunks() {
                    let written = self.disk.write_at(&file, position, piece);
                    position += written.expect("memory takes it") as u64;
                }
                let result = Ok(pieces.len());
                Outcome::Appended {
                    pieces,
                    result,
                    took_ns: 0,
                }
            }
            Operation::Read {
                file,
                position,
                length,
                mut buffer,
                ..
            } => {
                let bytes = self.read(&file, position, length);
                buffer.extend_from_slice(&bytes);
                let result = Ok(bytes.len());
                Outcome::Read { buffer, result }
            }
            Operation::Task(task) => Outcome::Done(task.run(&self.disk)),
        };
        self.complete(at, token, outcome);
    }

    fn received(
        &mut self,
        socket: &Socket,
        buffers: &mut [bytes::BytesMut],
    ) -> std::io::Result<usize> {
        if socket.number() != self.wire.number {
            return Ok(0);
        }
        let mut count = 0;
        for buffer in buffers {
            let space = buffer.capacity() - buffer.len();
            let some = space.min(self.wire.to_broker.len());
            let bytes: Vec<u8> = self.wire.to_broker.drain(..some).collect();
            buffer.extend_from_slice(&bytes);
            count += some;
        }
        match count {
            0 if !self.wire.ended && !self.wire.shut => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn sent(&mut self, socket: &Socket, bytes: &[u8]) -> std::io::Result<usize> {
        if socket.number() != self.wire.number || self.wire.shut {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.wire.from_broker.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn read(&self, file: &File, position: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let count = self.disk.read_at(file, position, &mut bytes);
        bytes.truncate(count.expect("memory gives it"));
        bytes
    }
}
