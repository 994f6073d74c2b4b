//! A broker without a kernel: its workers on one thread, every operation done at once and in memory.
//!
//! What runs between an event and the operations it leads to is the broker's own work and nothing
//! else, so its instructions and its allocations can be counted to the last one. Sends go to a
//! counter, receives come from bytes that the bench has laid ready; files lie in a temporary directory.

use bytes::BytesMut;
use millstream::api::Endpoint;
use millstream::config::BrokerConfig;
use millstream::io::{
    Closer, Completion, Disk as _, File, Interest, Operation, Outcome, Socket, Task as _, Token,
};
use millstream::server::{Event, Listening, Progress, Worker, boot};
use millstream::shard::{Mail, Outbox, owner_of};
use millstream::store::{Task, TaskOutcome};
use millstream::sys::Files;
use millstream::sys::{monotonic_ns, prefetch};
use millstream::types::{Now, PartitionId, PartitionIndex, ShardId, Timestamp, Uuid};
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Op = Operation<Task>;

/// The workers and what is under way between them and their kernel.
pub struct Machine {
    workers: Vec<Worker>,
    outboxes: Vec<Outbox>,
    completions: Vec<VecDeque<Completion<TaskOutcome>>>,
    mail: Vec<VecDeque<(ShardId, Mail)>>,
    /// By socket.
    sockets: BTreeMap<i32, Wire>,
    listener: Option<(usize, Token)>,
    next_socket: i32,
    files: Files,
    directory: PathBuf,
    now_us: u64,
    /// Shards that have something to do, a bit each: looking at all of them would cost a request more the
    /// more shards there are, and the broker is what is to be counted.
    awake: u64,
}

/// One connection as its client sees it.
#[derive(Default)]
struct Wire {
    shard: usize,
    /// What the broker has not received yet.
    input: VecDeque<u8>,
    /// The broker waits for it.
    waits: Option<Token>,
    /// What the broker has sent from memory, if it is kept.
    output: Vec<u8>,
    keeps_output: bool,
}

struct Nobody;

impl Closer for Nobody {
    fn close(&self, _: i32) {}
}

impl Machine {
    /// Starts a broker of so many shards with these settings in a new directory below `parent`.
    pub fn start(parent: &Path, shards: u16, settings: &[(&str, &str)]) -> Machine {
        let directory = parent.join(format!("machine-{}-{shards}", std::process::id()));
        // What an earlier run left behind would be recovered.
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("a temporary directory");
        let shards = shards.to_string();
        let log_dirs = directory.to_string_lossy().into_owned();
        let mut all = vec![("num.shards", &*shards), ("log.dirs", &*log_dirs)];
        all.extend_from_slice(settings);
        let config = Arc::new(BrokerConfig::of(&all).expect("good settings"));
        let listener = Listening {
            socket: Socket::new(0, Arc::new(Nobody)),
            advertised: Endpoint {
                host: "127.0.0.1".into(),
                port: 9092,
            },
        };
        let now = at(1_000_000);
        let progress = Progress::default();
        let workers =
            boot(&config, &Files, 1, vec![listener], 1, now, &progress).expect("it starts");
        let shards = workers.len();
        let mut machine = Machine {
            workers,
            outboxes: (0..shards).map(|_| Outbox::default()).collect(),
            completions: (0..shards).map(|_| VecDeque::new()).collect(),
            mail: (0..shards).map(|_| VecDeque::new()).collect(),
            sockets: BTreeMap::new(),
            listener: None,
            next_socket: 1,
            files: Files,
            directory,
            now_us: now.monotonic_us,
            // What the start puts out is to be done.
            awake: u64::MAX >> (64 - shards),
        };
        for shard in 0..shards {
            machine.workers[shard].measure_with(monotonic_ns);
            machine.workers[shard].prefetch_with(prefetch);
            machine.workers[shard].start(now, &mut machine.outboxes[shard]);
        }
        machine.run();
        machine
    }

    /// A client connects.
    pub fn connect(&mut self) -> i32 {
        let number = self.next_socket;
        self.next_socket += 1;
        self.sockets.insert(number, Wire::default());
        let (shard, token) = self.listener.take().expect("it listens");
        let socket = Socket::new(number, Arc::new(Nobody));
        let peer = ([127, 0, 0, 1], 40_000).into();
        let outcome = Outcome::Accepted(Ok((socket, peer)));
        self.complete(shard, token, outcome);
        self.run();
        number
    }

    /// The client sends these bytes; nothing happens before [`Machine::run`].
    pub fn send(&mut self, socket: i32, bytes: &[u8]) {
        let wire = self.sockets.get_mut(&socket).expect("it is connected");
        wire.input.extend(bytes);
        if let Some(token) = wire.waits.take() {
            let shard = wire.shard;
            self.complete(shard, token, Outcome::Ready(Interest::Readable));
        }
    }

    fn complete(&mut self, shard: usize, token: Token, outcome: Outcome<TaskOutcome>) {
        self.completions[shard].push_back(Completion { token, outcome });
        self.awake |= 1 << shard;
    }

    /// Sends a request and returns the answer's bytes, without what came from files.
    pub fn ask(&mut self, socket: i32, request: &[u8]) -> Vec<u8> {
        let wire = self.sockets.get_mut(&socket).expect("it is connected");
        wire.keeps_output = true;
        self.send(socket, request);
        self.run();
        let wire = self.sockets.get_mut(&socket).expect("it is connected");
        wire.keeps_output = false;
        std::mem::take(&mut wire.output)
    }

    /// The partition of a topic that lies on the shard which serves this client: requests for it stay
    /// there. There are as many partitions as shards.
    #[allow(dead_code)] // not every user of the machine has several shards
    pub fn partition_on_shard_of(&self, socket: i32, topic: Uuid, shards: u16) -> i32 {
        let owner = ShardId(self.sockets[&socket].shard as u16);
        let index_of = |index| PartitionId {
            topic,
            index: PartitionIndex(index),
        };
        let mut indexes = 0..i32::from(shards);
        let local = indexes.find(|index| owner_of(index_of(*index), shards) == owner);
        local.expect("consecutive partitions lie on different shards")
    }

    /// How many segments a partition's log has.
    #[allow(dead_code)] // not every user of the machine has logs of many
    pub fn segments(&self, topic: &str, partition: i32) -> usize {
        let log = self.directory.join(format!("{topic}-{partition}"));
        let entries = std::fs::read_dir(log).expect("it is there").flatten();
        let names = entries.map(|entry| entry.file_name());
        names
            .filter(|name| name.as_encoded_bytes().ends_with(b".log"))
            .count()
    }

    /// Runs until nobody has anything to do: round after round, as the event loop does.
    pub fn run(&mut self) {
        while self.round() {}
    }

    fn round(&mut self) -> bool {
        self.now_us += 10;
        let now = at(self.now_us);
        let mut any = false;
        let mut awake = std::mem::take(&mut self.awake);
        while awake != 0 {
            let shard = awake.trailing_zeros() as usize;
            awake &= awake - 1;
            let worker = &mut self.workers[shard];
            let out = &mut self.outboxes[shard];
            worker.begin_round(now);
            while let Some(completion) = self.completions[shard].pop_front() {
                work(|| worker.handle(now, Event::Completion(completion), out));
                any = true;
            }
            while let Some((from, mail)) = self.mail[shard].pop_front() {
                work(|| worker.handle(now, Event::Mail(from, mail), out));
                any = true;
            }
            work(|| worker.end_round(now, out));
            work(|| worker.worked(10));
            for (to, mail) in out.mail.drain(..) {
                self.mail[to.0 as usize].push_back((ShardId(shard as u16), mail));
                self.awake |= 1 << to.0;
                any = true;
            }
            let mut operations = std::mem::take(&mut self.outboxes[shard].operations);
            for (token, operation) in operations.drain(..) {
                self.perform(shard, token, operation);
                any = true;
            }
            self.outboxes[shard].operations = operations;
        }
        any
    }

    fn perform(&mut self, shard: usize, token: Token, operation: Op) {
        let outcome = match operation {
            Operation::Accept { .. } => {
                self.listener = Some((shard, token));
                return;
            }
            Operation::Poll { socket, interest } => {
                let wire = self.sockets.get_mut(&socket.number()).expect("it is there");
                wire.shard = shard;
                if interest == Interest::Readable && wire.input.is_empty() {
                    wire.waits = Some(token);
                    return;
                }
                Outcome::Ready(interest)
            }
            Operation::Receive {
                socket,
                mut buffers,
            } => {
                let wire = self.sockets.get_mut(&socket.number()).expect("it is there");
                let count = fill(&mut buffers, &mut wire.input);
                let result = match count {
                    0 => Err(std::io::ErrorKind::WouldBlock.into()),
                    count => Ok(count),
                };
                Outcome::Received { buffers, result }
            }
            Operation::Send { socket, parts, .. } => {
                let wire = self.sockets.get_mut(&socket.number()).expect("it is there");
                let bytes: usize = parts.iter().map(|part| part.len()).sum();
                if wire.keeps_output {
                    parts
                        .iter()
                        .for_each(|part| wire.output.extend_from_slice(part));
                }
                Outcome::Sent(Ok(bytes))
            }
            Operation::SendFile { socket, range, .. } => {
                let wire = self.sockets.get_mut(&socket.number()).expect("it is there");
                if wire.keeps_output {
                    let from = wire.output.len();
                    wire.output.resize(from + range.length as usize, 0);
                    let into = &mut wire.output[from..];
                    let read = self.files.read_at(&range.file, range.position, into);
                    assert_eq!(read.expect("it is there"), into.len());
                }
                Outcome::SentFile(Ok(Some(range.length as usize)))
            }
            Operation::Fill { .. } => Outcome::Filled(Ok(None)),
            Operation::Drain { .. } => unreachable!("no pipe was filled"),
            Operation::Shutdown { .. } => Outcome::ShutDown,
            Operation::Append {
                file,
                position,
                pieces,
            } => {
                let mut at = position;
                for chunk in pieces.chunks() {
                    let written = self.files.write_at(&file, at, chunk);
                    assert_eq!(written.expect("there is room"), chunk.len());
                    at += chunk.len() as u64;
                }
                Outcome::Appended {
                    result: Ok(pieces.len()),
                    pieces,
                    took_ns: 1_500,
                }
            }
            Operation::Read {
                file,
                position,
                length,
                mut buffer,
                ..
            } => {
                let result = read(&file, position, length, &mut buffer);
                Outcome::Read { buffer, result }
            }
            Operation::Task(task) => Outcome::Done(task.run(&self.files)),
        };
        self.complete(shard, token, outcome);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // What cannot be removed stays for whoever looks into the temporary directory.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

thread_local! {
    static AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// Whether the broker is at work on this thread, and not the machine around it.
#[allow(dead_code)] // not every user of the machine asks
pub fn is_at_work() -> bool {
    AT_WORK.get()
}

fn work(act: impl FnOnce()) {
    AT_WORK.set(true);
    act();
    AT_WORK.set(false);
}

fn at(monotonic_us: u64) -> Now {
    Now {
        monotonic_us,
        wall: Timestamp(1_700_000_000_000 + (monotonic_us / 1000) as i64),
    }
}

/// pread(2) into spare capacity, as the kernel does it: zeroes written there before, byte by byte, would count as the
/// broker's instructions.
#[allow(unsafe_code)]
fn read(
    file: &File,
    position: u64,
    length: usize,
    buffer: &mut BytesMut,
) -> std::io::Result<usize> {
    let into = &mut buffer.spare_capacity_mut()[..length];
    // SAFETY: `into` has room for `length` bytes.
    let count = unsafe {
        libc::pread(
            file.number(),
            into.as_mut_ptr().cast(),
            length,
            position as i64,
        )
    };
    let count = usize::try_from(count).map_err(|_| std::io::Error::last_os_error())?;
    // SAFETY: the kernel has filled `count` bytes of the spare capacity.
    unsafe { buffer.set_len(buffer.len() + count) };
    Ok(count)
}

fn fill(buffers: &mut [BytesMut], input: &mut VecDeque<u8>) -> usize {
    let mut count = 0;
    for buffer in buffers {
        let here = (buffer.capacity() - buffer.len()).min(input.len());
        let (front, back) = input.as_slices();
        let from_front = here.min(front.len());
        buffer.extend_from_slice(&front[..from_front]);
        buffer.extend_from_slice(&back[..here - from_front]);
        input.drain(..here);
        count += here;
    }
    count
}
