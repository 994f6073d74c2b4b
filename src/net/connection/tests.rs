//! Connections on a scripted kernel: receives of any length, short sends, sockets without room,
//! cold files, resets and ends of stream at any point, all drawn from a seed.

use super::*;
use crate::io::{Closer, Disk, File, FileRange, Pipe};
use crate::limits::{COLD_READ_BYTES_MAX, IOVECS_MAX, PIECE_BYTES, SENDFILE_BYTES_MIN};
use crate::metrics::Meter;
use crate::net::{Part, Parts};
use crate::types::Timestamp;
use bytes::Bytes;
use std::io::ErrorKind;
use std::sync::Arc;

#[derive(Debug)]
struct NoTask;

impl Task for NoTask {
    type Outcome = ();
    fn run(self, _: &dyn Disk) {}
}

struct NoCloser;

impl Closer for NoCloser {
    fn close(&self, _: i32) {}
}

/// Answers as the worker does, one request at a time.
trait Answering {
    fn answer(&mut self, slot: SlotId, reply: Reply, turn: &mut Turn<'_, NoTask>);

    fn answer_nothing(&mut self, slot: SlotId, turn: &mut Turn<'_, NoTask>) {
        self.answer(slot, Reply::default(), turn);
    }
}

impl Answering for Connection {
    fn answer(&mut self, slot: SlotId, reply: Reply, turn: &mut Turn<'_, NoTask>) {
        self.reply(slot, reply, turn.now, turn.metrics, turn.budget);
        self.proceed(turn);
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

fn file() -> File {
    File::new(9, Arc::new(NoCloser))
}

fn file_byte(position: u64) -> u8 {
    (position.wrapping_mul(0x9e37_79b9) >> 11) as u8
}

fn file_bytes(position: u64, length: usize) -> Vec<u8> {
    (position..position + length as u64)
        .map(file_byte)
        .collect()
}

fn now_at(monotonic_us: u64) -> Now {
    Now {
        monotonic_us,
        wall: Timestamp(0),
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as i32).to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

/// What a shard lends.
struct Shard {
    now: Now,
    pool: Pool,
    budget: Budget,
    metrics: Requests,
    operations: Vec<(Token, Operation<NoTask>)>,
    frames: Vec<Frame>,
}

impl Shard {
    fn new(budget: usize) -> Shard {
        Shard {
            now: now_at(0),
            pool: Pool::new(64),
            budget: Budget::new(budget),
            metrics: Requests::default(),
            operations: Vec::new(),
            frames: Vec::new(),
        }
    }

    fn turn(&mut self) -> Turn<'_, NoTask> {
        Turn {
            now: self.now,
            came_us: self.now.monotonic_us,
            pool: &mut self.pool,
            budget: &mut self.budget,
            metrics: &mut self.metrics,
            operations: &mut self.operations,
            frames: &mut self.frames,
        }
    }

    fn connection(&mut self, id: u64, settings: ConnectionSettings) -> Connection {
        let socket = Socket::new(id as i32, Arc::new(NoCloser));
        let peer = "127.0.0.1:1".parse().unwrap();
        let mut connection = Connection::new(id, socket, peer, settings, self.now);
        connection.start(&mut self.turn());
        connection
    }

    /// The only operation asked for.
    fn operation(&mut self) -> Operation<NoTask> {
        assert_eq!(self.operations.len(), 1, "{:?}", self.operations);
        self.operations.pop().unwrap().1
    }

    /// Lets a connection that waits for its socket receive these bytes, in one go, and returns when it
    /// waits again.
    fn deliver(&mut self, connection: &mut Connection, mut bytes: &[u8]) {
        connection.handle(Outcome::Ready(Interest::Readable), &mut self.turn());
        while let Some(at) = self
            .operations
            .iter()
            .position(|(_, operation)| matches!(operation, Operation::Receive { .. }))
        {
            let Operation::Receive { mut buffers, .. } = self.operations.remove(at).1 else {
                unreachable!();
            };
            let before = bytes.len();
            for buffer in &mut buffers {
                let (now, later) = bytes.split_at(bytes.len().min(buffer.capacity()));
                buffer.extend_from_slice(now);
                bytes = later;
            }
            let result = match before - bytes.len() {
                0 => Err(ErrorKind::WouldBlock.into()),
                count => Ok(count),
            };
            connection.handle(Outcome::Received { buffers, result }, &mut self.turn());
        }
    }
}

const SETTINGS: ConnectionSettings = ConnectionSettings {
    request_bytes_max: 1024 * 1024,
    idle_us: Some(600_000_000),
    cold_mode: ColdMode::Read,
};

/// One peer and its connection, as a seed has drawn them.
struct Peer {
    connection: Connection,
    requests: Vec<Vec<u8>>,
    stream: Vec<u8>,
    at: usize,
    /// Bytes of the stream that have reached us.
    arrived: usize,
    reset: bool,
    shut: bool,
    got: Vec<u8>,
    /// The bytes of each reply, in the order of requests, once it is decided.
    replies: Vec<Option<Vec<u8>>>,
    seen: usize,
    refused: Option<usize>,
    drained: bool,
    hostile: bool,
}

struct World {
    random: Random,
    shard: Shard,
    peers: Vec<Peer>,
    pending: Vec<(usize, Operation<NoTask>)>,
    /// Requests in the broker: who, slot.
    asked: Vec<(usize, SlotId)>,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random(seed);
        let budget = [300, 5_000, 100_000, 10_000_000][random.below(4)];
        let mut shard = Shard::new(budget);
        let mut peers = Vec::new();
        for id in 0..1 + random.below(3) {
            let longest = [20, 20, 500, 500, 500, 2_000, 30_000, 200_000][random.below(15) / 2];
            let most = if longest > 1000 { 4 } else { 40 };
            let requests: Vec<Vec<u8>> = (0..random.below(most))
                .map(|_| {
                    let length = 1 + random.below(longest);
                    let first = random.next();
                    (0..length as u64)
                        .map(|at| (first.wrapping_add(at * 131) >> 3) as u8)
                        .collect()
                })
                .collect();
            let mut stream: Vec<u8> = requests.iter().flat_map(|r| framed(r)).collect();
            let hostile = random.one_in(8);
            if hostile {
                let length = [0, -1, i32::MAX, 1024 * 1024 + 1][random.below(4)];
                stream.extend_from_slice(&length.to_be_bytes());
            } else if random.one_in(4) {
                // A frame that never ends.
                stream.extend_from_slice(&90_000i32.to_be_bytes());
                stream.resize(stream.len() + random.below(89_000), 1);
            }
            peers.push(Peer {
                connection: {
                    let cold_mode = match random.one_in(2) {
                        true => ColdMode::Splice,
                        false => ColdMode::Read,
                    };
                    let settings = ConnectionSettings {
                        cold_mode,
                        ..SETTINGS
                    };
                    shard.connection(id as u64, settings)
                },
                replies: vec![None; requests.len()],
                requests,
                stream,
                at: 0,
                arrived: 0,
                reset: false,
                shut: false,
                got: Vec::new(),
                seen: 0,
                refused: None,
                drained: false,
                hostile,
            });
        }
        World {
            random,
            shard,
            peers,
            pending: Vec::new(),
            asked: Vec::new(),
        }
    }

    fn run(&mut self) {
        let resets = self.random.one_in(3);
        let mut idle_rounds = 0;
        while !self.peers.iter().all(|peer| peer.connection.is_finished()) {
            self.collect();
            let did = match self.random.below(8) {
                0..4 => self.complete_one(),
                4 | 5 => self.arrive(),
                6 => self.answer_one(),
                _ => self.disturb(resets),
            };
            idle_rounds = if did { 0 } else { idle_rounds + 1 };
            assert!(idle_rounds < 2_000, "nothing moves any more");
        }
        self.collect();
        assert!(self.pending.is_empty(), "{:?}", self.pending);
        self.check();
    }

    /// Takes up what the connections ask for.
    fn collect(&mut self) {
        while let Some(who) = self.shard.budget.next_admitted() {
            let connection = &mut self.peers[who as usize].connection;
            connection.handle_admitted(&mut self.shard.turn());
        }
        for (token, operation) in self.shard.operations.drain(..) {
            let Token::Connection(who) = token else {
                panic!("{token:?}");
            };
            let receives = |o: &Operation<NoTask>| {
                matches!(
                    o,
                    Operation::Receive { .. }
                        | Operation::Poll {
                            interest: Interest::Readable,
                            ..
                        }
                        | Operation::Shutdown { .. }
                )
            };
            let is_receive = receives(&operation);
            let others = self.pending.iter().filter(|(other, o)| {
                *other == who as usize
                    && receives(o) == is_receive
                    && !matches!(o, Operation::Shutdown { .. })
                    && !matches!(operation, Operation::Shutdown { .. })
            });
            assert_eq!(others.count(), 0, "two of a kind in flight");
            self.pending.push((who as usize, operation));
        }
        for frame in self.shard.frames.drain(..) {
            let who = frame.connection as usize;
            let peer = &mut self.peers[who];
            assert_eq!(frame.slot.0, peer.seen as u64);
            assert_eq!(frame.pieces.to_vec(), peer.requests[peer.seen]);
            peer.seen += 1;
            self.asked.push((who, frame.slot));
        }
    }

    fn complete_one(&mut self) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let at = self.random.below(self.pending.len());
        let (who, operation) = self.pending.swap_remove(at);
        let random = &mut self.random;
        let peer = &mut self.peers[who];
        let dead = peer.reset || peer.shut;
        let broken = || std::io::Error::from(ErrorKind::ConnectionReset);
        let blocked = || std::io::Error::from(ErrorKind::WouldBlock);
        let outcome = match operation {
            Operation::Poll { socket, interest } => {
                let has_bytes = peer.at < peer.arrived || peer.at == peer.stream.len();
                let is_ready = interest == Interest::Writable || has_bytes || dead;
                if !is_ready && !random.one_in(50) {
                    self.pending
                        .push((who, Operation::Poll { socket, interest }));
                    return false;
                }
                Outcome::Ready(interest)
            }
            Operation::Receive { mut buffers, .. } => {
                let there = peer.arrived - peer.at;
                let result = if dead {
                    Err(broken())
                } else if peer.at == peer.stream.len() {
                    Ok(0)
                } else if there == 0 || random.one_in(10) {
                    Err(blocked())
                } else {
                    let space: usize = buffers.iter().map(|b| b.capacity() - b.len()).sum();
                    let most = there.min(space);
                    let count = match random.below(3) {
                        0 => 1 + random.below(most.min(5)),
                        1 => 1 + random.below(most),
                        _ => most,
                    };
                    let mut left = count;
                    for buffer in &mut buffers {
                        assert!(buffer.is_empty());
                        let now = left.min(buffer.capacity());
                        buffer.extend_from_slice(&peer.stream[peer.at..peer.at + now]);
                        peer.at += now;
                        left -= now;
                    }
                    Ok(count)
                };
                Outcome::Received { buffers, result }
            }
            Operation::Send { parts, .. } => {
                assert!(!parts.is_empty() && parts.len() <= IOVECS_MAX);
                let all: usize = parts.iter().map(Bytes::len).sum();
                assert!(all > 0);
                Outcome::Sent(if dead {
                    Err(broken())
                } else if random.one_in(6) {
                    Err(blocked())
                } else {
                    let count = match random.one_in(2) {
                        true => all,
                        false => 1 + random.below(all),
                    };
                    let mut left = count;
                    for part in &parts {
                        let now = left.min(part.len());
                        peer.got.extend_from_slice(&part[..now]);
                        left -= now;
                    }
                    Ok(count)
                })
            }
            Operation::SendFile { range, .. } => {
                assert!(range.length > 0);
                Outcome::SentFile(match random.below(6) {
                    _ if dead => Err(broken()),
                    0 => Err(blocked()),
                    1 => Ok(None),
                    2 | 3 => {
                        let count = 1 + random.below(range.length as usize);
                        peer.got.extend(file_bytes(range.position, count));
                        Ok(Some(count))
                    }
                    _ => {
                        let count = range.length as usize;
                        peer.got.extend(file_bytes(range.position, count));
                        Ok(Some(count))
                    }
                })
            }
            Operation::Read {
                position,
                length,
                mut buffer,
                ..
            } => {
                assert!(length > 0 && length <= buffer.capacity() - buffer.len());
                let count = match random.one_in(3) {
                    true => 1 + random.below(length),
                    false => length,
                };
                buffer.extend_from_slice(&file_bytes(position, count));
                Outcome::Read {
                    buffer,
                    result: Ok(count),
                }
            }
            Operation::Fill { range } => {
                assert!(range.length > 0 && range.length <= COLD_READ_BYTES_MAX as u64);
                let filled = match random.below(6) {
                    0 => None,
                    1 => Some(1 + random.below(range.length as usize)),
                    _ => Some(range.length as usize),
                };
                let closer = Arc::new(NoCloser);
                // The pipe's number is where in the file it was filled from.
                let from = range.position as i32;
                let pipe = filled.map(|count| (Pipe::new(from, from, closer), count));
                Outcome::Filled(Ok(pipe))
            }
            Operation::Drain { pipe, bytes, .. } => {
                let count = match random.below(4) {
                    0 => 1 + random.below(bytes),
                    _ => bytes,
                };
                let result = match random.below(6) {
                    _ if dead => Err(broken()),
                    0 => Err(blocked()),
                    _ => Ok(count),
                };
                let mut pipe = Some(pipe);
                if let Ok(count) = result {
                    let from = pipe.take().expect("just put there").read_end();
                    peer.got.extend(file_bytes(from as u64, count));
                    let from = from + count as i32;
                    pipe = (count < bytes).then(|| Pipe::new(from, from, Arc::new(NoCloser)));
                }
                Outcome::Drained { pipe, result }
            }
            Operation::Shutdown { .. } => {
                peer.shut = true;
                Outcome::ShutDown
            }
            other => panic!("{other:?}"),
        };
        peer.connection.handle(outcome, &mut self.shard.turn());
        true
    }

    fn arrive(&mut self) -> bool {
        let who = self.random.below(self.peers.len());
        let peer = &mut self.peers[who];
        let left = peer.stream.len() - peer.arrived;
        peer.arrived += match self.random.below(3) {
            _ if left == 0 => 0,
            0 => 1,
            1 => 1 + self.random.below(left),
            _ => left,
        };
        left > 0
    }

    fn answer_one(&mut self) -> bool {
        if self.asked.is_empty() {
            return false;
        }
        let at = self.random.below(self.asked.len());
        let (who, slot) = self.asked.swap_remove(at);
        let random = &mut self.random;
        let peer = &mut self.peers[who];
        let mut turn = self.shard.turn();
        if random.one_in(60) && peer.connection.awaits(slot) {
            let why = Disconnect::Refused("an unknown API".into());
            peer.refused = Some(slot.0 as usize);
            peer.connection.refuse(slot, why, &mut turn);
            return true;
        }
        if random.one_in(5) {
            if let Some(reservation) = peer.connection.begun(slot, Meter::default(), true) {
                turn.budget.release(reservation);
            }
            self.asked.push((who, slot));
            return true;
        }
        let mut reply = Reply::default();
        let mut bytes = Vec::new();
        for _ in 0..random.below(6) {
            let longest = match random.below(64) {
                0 => COLD_READ_BYTES_MAX * 2,
                1..=8 => 2 * SENDFILE_BYTES_MIN,
                9..20 => 2_000,
                _ => 50,
            };
            let length = random.below(longest + 1);
            let position = random.next() >> 20;
            let content = file_bytes(position, length);
            bytes.extend_from_slice(&content);
            reply.parts.push(match random.one_in(2) {
                true => Part::Bytes(Bytes::from(content)),
                false => Part::File(FileRange {
                    file: file(),
                    position,
                    length: length as u64,
                }),
            });
        }
        peer.replies[slot.0 as usize] = Some(bytes);
        match reply.is_empty() {
            true => peer.connection.answer_nothing(slot, &mut turn),
            false => peer.connection.answer(slot, reply, &mut turn),
        }
        true
    }

    /// Cuts a connection, or drains it, now and then.
    fn disturb(&mut self, resets: bool) -> bool {
        let who = self.random.below(self.peers.len());
        let peer = &mut self.peers[who];
        if resets && self.random.one_in(30) && !peer.reset {
            peer.reset = true;
            return true;
        }
        if resets && self.random.one_in(60) && !peer.drained {
            peer.drained = true;
            peer.connection
                .drain(Disconnect::Drained, &mut self.shard.turn());
            return true;
        }
        false
    }

    fn check(&self) {
        for peer in &self.peers {
            let end = peer.refused.unwrap_or(peer.seen);
            let mut expected = Vec::new();
            for reply in &peer.replies[..end] {
                let Some(bytes) = reply else {
                    assert!(peer.reset, "closed while it owed a reply");
                    break;
                };
                expected.extend_from_slice(bytes);
            }
            if peer.reset {
                assert!(expected.starts_with(&peer.got));
                continue;
            }
            assert_eq!(peer.got.len(), expected.len());
            assert!(peer.got == expected, "replies differ");
            if peer.refused.is_none() && !peer.drained {
                assert_eq!(peer.seen, peer.requests.len());
                let why = peer.connection.disconnect().unwrap();
                match peer.hostile {
                    true => assert!(matches!(why, Disconnect::FrameLength { .. }), "{why}"),
                    false => assert!(matches!(why, Disconnect::PeerClosed), "{why}"),
                }
            }
        }
        assert_eq!(self.shard.budget.waiting(), 0);
        assert_eq!(self.shard.budget.free(), self.shard.budget.capacity());
        assert_eq!(self.shard.pool.lent(), 0);
    }
}

/// `NET_SEED=7` replays one.
fn seeds() -> std::ops::Range<u64> {
    match std::env::var("NET_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("NET_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..10_000,
    }
}

#[test]
fn every_seed_delivers_frames_and_replies_exactly_and_leaves_nothing_behind() {
    for seed in seeds() {
        let outcome = std::panic::catch_unwind(|| World::new(seed).run());
        assert!(outcome.is_ok(), "NET_SEED={seed}");
    }
}

fn file_range(position: u64, length: u64) -> Part {
    Part::File(FileRange {
        file: file(),
        position,
        length,
    })
}

fn bytes_part(bytes: &'static [u8]) -> Part {
    Part::Bytes(Bytes::from_static(bytes))
}

#[test]
fn small_ranges_leave_with_the_header_and_large_ones_by_sendfile() {
    let mut shard = Shard::new(1000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    shard.deliver(&mut connection, &framed(b"fetch"));
    shard.operation();
    let large = SENDFILE_BYTES_MIN as u64;
    let parts = vec![
        bytes_part(b"head"),
        file_range(10, 100),
        bytes_part(b"more"),
        file_range(500, large),
        bytes_part(b"tail"),
    ];
    connection.answer(
        SlotId(0),
        Reply::from(Parts::from(parts)),
        &mut shard.turn(),
    );

    let Operation::Read {
        position,
        length,
        mut buffer,
        patience,
        ..
    } = shard.operation()
    else {
        panic!();
    };
    assert_eq!((position, length), (10, 100));
    assert_eq!(patience, crate::io::Patience::Hot);
    buffer.extend_from_slice(&file_bytes(10, 100));
    let result = Ok(100);
    connection.handle(Outcome::Read { buffer, result }, &mut shard.turn());

    let Operation::Send { parts, more, .. } = shard.operation() else {
        panic!();
    };
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[1], file_bytes(10, 100));
    assert!(more);
    connection.handle(Outcome::Sent(Ok(108)), &mut shard.turn());

    let Operation::SendFile { range, more, .. } = shard.operation() else {
        panic!();
    };
    assert_eq!((range.position, range.length, more), (500, large, true));
    connection.handle(Outcome::SentFile(Ok(None)), &mut shard.turn());

    // Not in the page cache: read with patience, then sent.
    let Operation::Read {
        mut buffer,
        patience,
        length,
        ..
    } = shard.operation()
    else {
        panic!();
    };
    assert_eq!(patience, crate::io::Patience::Cold);
    buffer.extend_from_slice(&file_bytes(500, length));
    let result = Ok(length);
    connection.handle(Outcome::Read { buffer, result }, &mut shard.turn());
    let Operation::Send { parts, more, .. } = shard.operation() else {
        panic!();
    };
    assert_eq!((&parts[1][..], more), (&b"tail"[..], false));
    let count = length + 4;
    connection.handle(Outcome::Sent(Ok(count)), &mut shard.turn());
    assert!(shard.operations.is_empty());
    assert_eq!(shard.metrics.counters.cold_ranges, 1);
    assert_eq!(connection.requests_waiting(), 0);
}

#[test]
fn a_cold_range_goes_through_a_pipe_in_steps_and_is_read_where_there_is_none() {
    let mut shard = Shard::new(1000);
    let settings = ConnectionSettings {
        cold_mode: ColdMode::Splice,
        ..SETTINGS
    };
    let mut connection = shard.connection(1, settings);
    shard.operation();
    shard.deliver(&mut connection, &framed(b"fetch"));
    shard.operation();
    let step = COLD_READ_BYTES_MAX as u64;
    let parts = vec![file_range(500, step + 100)];
    connection.answer(
        SlotId(0),
        Reply::from(Parts::from(parts)),
        &mut shard.turn(),
    );
    let Operation::SendFile { .. } = shard.operation() else {
        panic!();
    };
    connection.handle(Outcome::SentFile(Ok(None)), &mut shard.turn());
    let Operation::Fill { range } = shard.operation() else {
        panic!();
    };
    assert_eq!((range.position, range.length), (500, step));
    let pipe = Pipe::new(7, 8, Arc::new(NoCloser));
    let filled = Outcome::Filled(Ok(Some((pipe, step as usize))));
    connection.handle(filled, &mut shard.turn());
    let Operation::Drain {
        pipe, bytes, more, ..
    } = shard.operation()
    else {
        panic!();
    };
    assert_eq!((pipe.read_end(), bytes, more), (7, step as usize, true));
    let drained = Outcome::Drained {
        pipe: Some(pipe),
        result: Ok(bytes - 10),
    };
    connection.handle(drained, &mut shard.turn());
    let Operation::Poll { interest, .. } = shard.operation() else {
        panic!("the socket is full");
    };
    connection.handle(Outcome::Ready(interest), &mut shard.turn());
    let Operation::Drain { bytes: 10, .. } = shard.operation() else {
        panic!("ten bytes are left in it");
    };
    let drained = Outcome::Drained {
        pipe: None,
        result: Ok(10),
    };
    connection.handle(drained, &mut shard.turn());
    let Operation::Fill { range } = shard.operation() else {
        panic!();
    };
    assert_eq!((range.position, range.length), (500 + step, 100));
    connection.handle(Outcome::Filled(Ok(None)), &mut shard.turn());
    let Operation::Read {
        position, patience, ..
    } = shard.operation()
    else {
        panic!("there was no pipe");
    };
    assert_eq!(position, 500 + step);
    assert_eq!(patience, crate::io::Patience::Cold);
}

#[test]
fn what_a_short_sendfile_leaves_goes_by_sendfile_however_small() {
    let mut shard = Shard::new(1000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    shard.deliver(&mut connection, &framed(b"fetch"));
    shard.operation();
    let large = SENDFILE_BYTES_MIN as u64;
    let parts = vec![file_range(500, large)];
    connection.answer(
        SlotId(0),
        Reply::from(Parts::from(parts)),
        &mut shard.turn(),
    );
    let Operation::SendFile { .. } = shard.operation() else {
        panic!();
    };
    let short = Outcome::SentFile(Ok(Some(large as usize - 1)));
    connection.handle(short, &mut shard.turn());
    let Operation::Poll { interest, .. } = shard.operation() else {
        panic!();
    };
    connection.handle(Outcome::Ready(interest), &mut shard.turn());
    let Operation::SendFile { range, .. } = shard.operation() else {
        panic!();
    };
    assert_eq!((range.position, range.length), (500 + large - 1, 1));
    connection.handle(Outcome::SentFile(Ok(Some(1))), &mut shard.turn());
    assert_eq!(shard.metrics.counters.bytes_read, 0);
    assert_eq!(connection.requests_waiting(), 0);
}

#[test]
fn a_finished_reply_does_not_wait_for_the_next_ones_disk() {
    let mut shard = Shard::new(1000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    let two = [framed(b"a"), framed(b"b")].concat();
    shard.deliver(&mut connection, &two);
    shard.operation();
    let parts = vec![bytes_part(b"head"), file_range(0, 10)];
    connection.answer(
        SlotId(1),
        Reply::from(Parts::from(parts)),
        &mut shard.turn(),
    );
    assert!(shard.operations.is_empty(), "out of order");
    let first = Bytes::from_static(b"first").into();
    connection.answer(SlotId(0), first, &mut shard.turn());
    let Operation::Send { parts, .. } = shard.operation() else {
        panic!();
    };
    assert_eq!(&parts[..], [&b"first"[..]]);
}

#[test]
fn a_file_that_ends_early_disconnects() {
    let mut shard = Shard::new(1000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    shard.deliver(&mut connection, &framed(b"fetch"));
    shard.operation();
    let parts = vec![file_range(0, 100_000)];
    connection.answer(
        SlotId(0),
        Reply::from(Parts::from(parts)),
        &mut shard.turn(),
    );
    shard.operation();
    connection.handle(Outcome::SentFile(Ok(Some(0))), &mut shard.turn());
    assert!(matches!(connection.disconnect(), Some(Disconnect::File(_))));
    assert!(matches!(shard.operation(), Operation::Shutdown { .. }));
    assert!(!connection.is_finished(), "the poll is still in flight");
    connection.handle(Outcome::ShutDown, &mut shard.turn());
    connection.handle(Outcome::Ready(Interest::Readable), &mut shard.turn());
    assert!(connection.is_finished());
}

#[test]
fn reading_stops_while_too_many_requests_are_open() {
    let mut shard = Shard::new(1_000_000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    let many: Vec<u8> = (0..PIPELINED_REQUESTS_MAX + 10)
        .flat_map(|_| framed(b"request"))
        .collect();
    shard.deliver(&mut connection, &many);
    assert!(shard.operations.is_empty(), "it still reads");
    assert_eq!(shard.frames.len(), PIPELINED_REQUESTS_MAX);
    for slot in 0..10 {
        connection.answer_nothing(SlotId(slot), &mut shard.turn());
    }
    assert_eq!(shard.frames.len(), PIPELINED_REQUESTS_MAX + 10);
    assert!(shard.operations.is_empty(), "it still reads");
    connection.answer_nothing(SlotId(10), &mut shard.turn());
    assert!(matches!(shard.operation(), Operation::Poll { .. }));
}

#[test]
fn reading_stops_while_the_peer_does_not_read() {
    let mut shard = Shard::new(1_000_000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    shard.deliver(&mut connection, &framed(b"request"));
    shard.operation();
    let reply = Bytes::from(vec![0; UNSENT_BYTES_MAX]).into();
    connection.answer(SlotId(0), reply, &mut shard.turn());
    assert!(matches!(shard.operation(), Operation::Send { .. }));
    connection.handle(
        Outcome::Sent(Err(ErrorKind::WouldBlock.into())),
        &mut shard.turn(),
    );
    assert!(matches!(shard.operation(), Operation::Poll { .. }));
    connection.handle(Outcome::Ready(Interest::Readable), &mut shard.turn());
    assert!(shard.operations.is_empty(), "it still reads");
    connection.handle(Outcome::Ready(Interest::Writable), &mut shard.turn());
    shard.operation();
    connection.handle(Outcome::Sent(Ok(1)), &mut shard.turn());
    assert_eq!(shard.operations.len(), 2, "reads again, waits for room");
    assert_eq!(shard.metrics.counters.sends_blocked, 1);
}

#[test]
fn who_is_held_back_is_answered_but_not_read_until_the_time_has_come() {
    let mut shard = Shard::new(1000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    shard.deliver(&mut connection, &framed(b"request"));
    assert!(matches!(shard.operation(), Operation::Poll { .. }));
    connection.hold_back(5_000);
    let reply = Bytes::from_static(b"reply").into();
    connection.answer(SlotId(0), reply, &mut shard.turn());
    assert!(matches!(shard.operation(), Operation::Send { .. }));
    connection.handle(Outcome::Sent(Ok(5)), &mut shard.turn());
    connection.handle(Outcome::Ready(Interest::Readable), &mut shard.turn());
    assert!(shard.operations.is_empty(), "it still reads");
    assert_eq!(connection.poll_timeout(), Some(5_000));
    shard.now = now_at(4_999);
    connection.handle_timeout(&mut shard.turn());
    assert!(shard.operations.is_empty(), "it reads too early");
    shard.now = now_at(5_000);
    connection.handle_timeout(&mut shard.turn());
    assert!(matches!(shard.operation(), Operation::Receive { .. }));
    assert!(connection.disconnect().is_none());
}

#[test]
fn only_who_does_nothing_is_idle() {
    let idle_us = SETTINGS.idle_us.unwrap();
    let mut shard = Shard::new(1000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    assert_eq!(connection.poll_timeout(), Some(idle_us));
    shard.now = now_at(10);
    shard.deliver(&mut connection, &framed(b"a long poll"));
    shard.operation();
    assert_eq!(connection.poll_timeout(), None);
    shard.now = now_at(10 + idle_us);
    connection.handle_timeout(&mut shard.turn());
    assert!(connection.disconnect().is_none());

    connection.answer_nothing(SlotId(0), &mut shard.turn());
    assert_eq!(connection.poll_timeout(), Some(10 + 2 * idle_us));
    shard.now = now_at(9 + 2 * idle_us);
    connection.handle_timeout(&mut shard.turn());
    assert!(connection.disconnect().is_none());
    shard.now = now_at(10 + 2 * idle_us);
    connection.handle_timeout(&mut shard.turn());
    assert!(matches!(connection.disconnect(), Some(Disconnect::Idle)));
    assert_eq!(connection.poll_timeout(), None);
}

#[test]
fn who_holds_the_budget_with_half_a_frame_gives_way_to_others() {
    let mut shard = Shard::new(100_000);
    let mut slow = shard.connection(1, SETTINGS);
    let mut healthy = shard.connection(2, SETTINGS);
    shard.operations.clear();
    let mut half = 90_000i32.to_be_bytes().to_vec();
    half.resize(30_000, 0);
    shard.deliver(&mut slow, &half);
    assert_eq!(shard.budget.free(), 10_000);
    shard.now = now_at(SLOW_FRAME_US);
    assert_eq!(slow.poll_timeout(), Some(SLOW_FRAME_US));
    slow.handle_timeout(&mut shard.turn());
    assert!(slow.disconnect().is_none(), "nobody waits");

    shard.deliver(&mut healthy, &framed(&[7; 20_000]));
    assert!(shard.frames.is_empty());
    assert_eq!(shard.budget.waiting(), 1);
    shard.now = now_at(2 * SLOW_FRAME_US);
    slow.handle_timeout(&mut shard.turn());
    assert!(matches!(slow.disconnect(), Some(Disconnect::TooSlow)));
    assert_eq!(shard.budget.next_admitted(), Some(2));
    healthy.handle_admitted(&mut shard.turn());
    assert_eq!(shard.frames[0].pieces.to_vec(), [7; 20_000]);
}

#[test]
fn a_thousand_announced_giants_take_no_budget() {
    let mut shard = Shard::new(1_000_000);
    let mut connections: Vec<Connection> =
        (0..1000).map(|id| shard.connection(id, SETTINGS)).collect();
    shard.operations.clear();
    for connection in &mut connections {
        shard.deliver(connection, &1_000_000i32.to_be_bytes());
    }
    for _ in 0..20 {
        for connection in &mut connections {
            shard.deliver(connection, b"x");
        }
    }
    assert_eq!(shard.budget.free(), 1_000_000);
    assert!(shard.pool.pieces_made() <= 2, "pieces are pinned");
    for connection in &mut connections {
        connection.close(Disconnect::Drained, &mut shard.turn());
    }
    assert_eq!(shard.pool.lent(), 0);
}

#[test]
fn what_is_asked_before_the_peer_closes_is_answered() {
    let mut shard = Shard::new(1000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    shard.deliver(&mut connection, &framed(b"produce"));
    shard.operation();
    connection.handle(Outcome::Ready(Interest::Readable), &mut shard.turn());
    let Operation::Receive { buffers, .. } = shard.operation() else {
        panic!();
    };
    let result = Ok(0);
    connection.handle(Outcome::Received { buffers, result }, &mut shard.turn());
    assert!(connection.disconnect().is_none());
    assert!(shard.operations.is_empty());
    let reply = Bytes::from_static(b"done").into();
    connection.answer(SlotId(0), reply, &mut shard.turn());
    assert!(matches!(shard.operation(), Operation::Send { .. }));
    connection.handle(Outcome::Sent(Ok(4)), &mut shard.turn());
    assert!(matches!(
        connection.disconnect(),
        Some(Disconnect::PeerClosed)
    ));
    assert_eq!(shard.budget.free(), 1000);
}

#[test]
fn a_megabyte_frame_takes_few_receives_and_pieces() {
    let mut shard = Shard::new(10_000_000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    let body = vec![5; 1_000_000];
    shard.deliver(&mut connection, &framed(&body));
    let frame = shard.frames.pop().unwrap();
    assert!(frame.pieces.chunk_count() <= 1_000_000 / PIECE_BYTES + 2);
    assert_eq!(shard.metrics.counters.receives, 2);
    assert_eq!(frame.pieces.to_vec(), body);
}

#[test]
fn a_request_that_waits_without_its_pieces_makes_room_for_others() {
    let mut shard = Shard::new(100);
    let mut producer = shard.connection(1, SETTINGS);
    let mut follower = shard.connection(2, SETTINGS);
    shard.operations.clear();
    shard.deliver(&mut producer, &framed(&[1; 100]));
    shard.deliver(&mut follower, &framed(b"fetch"));
    assert_eq!(
        (shard.frames.len(), shard.budget.next_admitted()),
        (1, None)
    );
    let reservation = producer.begun(SlotId(0), Meter::default(), true);
    assert_eq!(producer.begun(SlotId(0), Meter::default(), true), None);
    assert_eq!(shard.budget.next_admitted(), None);
    shard.budget.release(reservation.expect("it was admitted"));
    assert_eq!(shard.budget.next_admitted(), Some(2));
    follower.handle_admitted(&mut shard.turn());
    assert_eq!(shard.frames.len(), 2);
    producer.answer_nothing(SlotId(0), &mut shard.turn());
    follower.answer_nothing(SlotId(0), &mut shard.turn());
    assert_eq!(shard.budget.free(), 100);
}

#[test]
fn a_refused_request_ends_the_connection_after_those_before_it() {
    let mut shard = Shard::new(1000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    let three = [framed(b"a"), framed(b"b"), framed(b"c")].concat();
    shard.deliver(&mut connection, &three);
    shard.operation();
    let why = Disconnect::Refused("an unknown API".into());
    connection.refuse(SlotId(1), why, &mut shard.turn());
    assert!(connection.awaits(SlotId(0)) && !connection.awaits(SlotId(2)));
    connection.answer_nothing(SlotId(2), &mut shard.turn());
    assert!(connection.disconnect().is_none());
    connection.answer(
        SlotId(0),
        Bytes::from_static(b"A").into(),
        &mut shard.turn(),
    );
    assert!(matches!(shard.operation(), Operation::Send { .. }));
    connection.handle(Outcome::Sent(Ok(1)), &mut shard.turn());
    assert!(matches!(
        connection.disconnect(),
        Some(Disconnect::Refused(_))
    ));
    assert_eq!(shard.budget.free(), 1000);
}

#[test]
fn a_request_is_measured_from_its_readable_socket_to_the_last_byte_of_its_answer() {
    let mut shard = Shard::new(10_000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    shard.now = now_at(1_000);
    let both = [framed(b"first"), framed(b"second")].concat();
    shard.deliver(&mut connection, &both);
    shard.operation();
    // Both came at that time; their handlers begin later.
    let times = |shard: &Shard, stage: &str| {
        let rows = shard.metrics.rows();
        let row = rows
            .iter()
            .find(|row| (row.stage, row.class) == (stage, "produce"));
        let values = &row.expect("a stage of that name").values;
        (values.count(), values.value_at(0.0), values.value_at(1.0))
    };
    shard.now = now_at(1_020);
    let frames = std::mem::take(&mut shard.frames);
    for frame in frames {
        let meter = shard.metrics.begun(0, 3, frame.came_us, shard.now);
        connection.begun(frame.slot, meter, false);
    }
    assert_eq!(times(&shard, "queue"), (2, 20, 20));
    // The second answer is there first, and waits for the other.
    let reply = || Bytes::from_static(b"answer").into();
    shard.now = now_at(1_030);
    connection.answer(SlotId(1), reply(), &mut shard.turn());
    assert!(shard.operations.is_empty());
    shard.now = now_at(1_050);
    connection.answer(SlotId(0), reply(), &mut shard.turn());
    assert!(matches!(shard.operation(), Operation::Send { .. }));
    // The first, and half of the second.
    shard.now = now_at(1_060);
    connection.handle(Outcome::Sent(Ok(9)), &mut shard.turn());
    assert_eq!(times(&shard, "send"), (1, 10, 10));
    shard.operation();
    connection.handle(Outcome::Ready(Interest::Writable), &mut shard.turn());
    shard.operation();
    shard.now = now_at(1_100);
    connection.handle(Outcome::Sent(Ok(3)), &mut shard.turn());
    assert_eq!(times(&shard, "send"), (2, 10, 70));
    let total = &shard.metrics.apis()[0].total_us;
    assert_eq!((total.value_at(0.0), total.value_at(1.0)), (60, 100));
}

#[test]
fn an_answer_without_bytes_is_measured_when_it_is_given() {
    let mut shard = Shard::new(1_000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    shard.deliver(&mut connection, &framed(b"acks=0"));
    let came_us = shard.frames.pop().unwrap().came_us;
    let meter = shard.metrics.begun(0, 3, came_us, shard.now);
    connection.begun(SlotId(0), meter, false);
    shard.now = now_at(40);
    connection.answer_nothing(SlotId(0), &mut shard.turn());
    let total = &shard.metrics.apis()[0].total_us;
    assert_eq!((total.count(), total.value_at(1.0)), (1, 40));
    assert_eq!(shard.metrics.counters.replies, 0);
}

#[test]
fn what_comes_while_a_client_is_held_back_does_not_count_as_waiting() {
    let mut shard = Shard::new(1_000);
    let mut connection = shard.connection(1, SETTINGS);
    shard.operation();
    connection.hold_back(5_000);
    // It stays in the socket.
    connection.handle(Outcome::Ready(Interest::Readable), &mut shard.turn());
    assert!(shard.operations.is_empty());
    shard.now = now_at(5_000);
    connection.handle_timeout(&mut shard.turn());
    let Operation::Receive { mut buffers, .. } = shard.operation() else {
        panic!("not received");
    };
    buffers[0].extend_from_slice(&framed(b"early"));
    let result = Ok(buffers[0].len());
    shard.now = now_at(5_003);
    connection.handle(Outcome::Received { buffers, result }, &mut shard.turn());
    assert_eq!(shard.frames.pop().unwrap().came_us, 5_000);
}

#[cfg(feature = "mutations")]
#[test]
fn swapped_replies_are_noticed() {
    use crate::mutation::{Mutation, plant};
    plant(Some(Mutation::RepliesSwapped));
    let noticed = (0..50).any(|seed| std::panic::catch_unwind(|| World::new(seed).run()).is_err());
    plant(None);
    assert!(noticed);
}
