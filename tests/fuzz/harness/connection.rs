//! A connection and the bytes that come over it, cut anywhere: the frames are those of the bytes,
//! whatever the cuts; a length that no request has ends it; what it holds of memory and of the budget
//! is bounded by what came and given back in the end.

use super::allocation::within;
use super::input::{Input, cut};
use super::make::NOW_MS;
use bytes::{Bytes, BytesMut};
use millstream::io::{Closer, Disk, Interest, Operation, Outcome, Socket, Task, Token};
use millstream::limits::PIECE_BYTES;
use millstream::metrics::Requests;
use millstream::net::{
    Budget, Connection, ConnectionSettings, Disconnect, Frame, Pool, Reply, Turn,
};
use millstream::types::{Now, Timestamp};
use std::io::ErrorKind;
use std::sync::Arc;

/// The largest request.
const REQUEST_BYTES_MAX: usize = 4096;
/// Bytes in requests at once: less than one of the largest, so that frames wait.
const BUDGET_BYTES: usize = 3000;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let cuts = u64::from(input.short());
    let answers = input.byte();
    let stream = input.rest();
    let (expected, bad) = frames_of(stream);
    // Pieces that are received into, a copy of what came, and what the connection itself takes.
    let most = 8 * PIECE_BYTES + 4 * stream.len() + 64 * 1024;
    // A shard's figures have their size from the start, whatever comes.
    let figures = Requests::default();
    let whole = within(most, || deliver(&[stream], answers, figures));
    let chunks = cut(stream, cuts);
    let chunks: Vec<&[u8]> = chunks.into_iter().filter(|it| !it.is_empty()).collect();
    let figures = Requests::default();
    let dripped = within(most, || deliver(&chunks, answers, figures));
    assert_eq!(whole.0, expected);
    assert_eq!(dripped.0, expected);
    for end in [whole.1, dripped.1] {
        let is_bad = matches!(end, Disconnect::FrameLength { .. });
        assert_eq!(is_bad, bad, "{end}");
        assert!(is_bad || matches!(end, Disconnect::PeerClosed), "{end}");
    }
}

/// The frames in a stream, and whether an impossible length ends it.
fn frames_of(mut stream: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut frames = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk::<4>() {
        let length = i32::from_be_bytes(*length);
        let possible = usize::try_from(length).ok();
        let Some(length) = possible.filter(|it| (1..=REQUEST_BYTES_MAX).contains(it)) else {
            return (frames, true);
        };
        let Some((frame, rest)) = rest.split_at_checked(length) else {
            break;
        };
        frames.push(frame.to_vec());
        stream = rest;
    }
    (frames, false)
}

#[derive(Debug)]
struct NoTask;

impl Task for NoTask {
    type Outcome = ();
    fn run(self, _: &dyn Disk) {}
}

struct Forget;

impl Closer for Forget {
    fn close(&self, _: i32) {}
}

/// Runs a connection over these segments; returns its frames and why it ended. `answers` says how
/// late each frame is answered.
fn deliver(segments: &[&[u8]], answers: u8, metrics: Requests) -> (Vec<Vec<u8>>, Disconnect) {
    let mut shard = Shard {
        pool: Pool::new(4),
        budget: Budget::new(BUDGET_BYTES),
        metrics,
        operations: Vec::new(),
        frames: Vec::new(),
    };
    let settings = ConnectionSettings {
        request_bytes_max: REQUEST_BYTES_MAX,
        idle_us: None,
        cold_mode: Default::default(),
    };
    let socket = Socket::new(1, Arc::new(Forget));
    let peer = "127.0.0.1:1".parse().expect("an address");
    let mut connection = Connection::new(0, socket, peer, settings, NOW);
    connection.start(&mut shard.turn());
    let mut segments = segments.iter().copied().filter(|it| !it.is_empty());
    let mut segment: &[u8] = &[];
    let mut seen = Vec::new();
    let mut unanswered = Vec::new();
    loop {
        for frame in std::mem::take(&mut shard.frames) {
            seen.push(frame.pieces.to_vec());
            unanswered.push(frame.slot);
        }
        if unanswered.len() > usize::from(answers % 3) || shard.operations.is_empty() {
            // Any order will do.
            let at = usize::from(answers) % unanswered.len().max(1);
            if let Some(slot) = unanswered.get(at).copied() {
                unanswered.remove(at);
                let reply = Reply::from(Bytes::from_static(b"\0\0\0\0"));
                let mut turn = shard.turn();
                connection.reply(slot, reply, turn.now, turn.metrics, turn.budget);
                connection.proceed(&mut turn);
                while shard.budget.next_admitted().is_some() {
                    connection.handle_admitted(&mut shard.turn());
                }
                continue;
            }
        }
        let Some((_, operation)) = shard.operations.pop() else {
            break;
        };
        let outcome = match operation {
            Operation::Poll { interest, .. } => {
                if interest == Interest::Readable && segment.is_empty() {
                    segment = segments.next().unwrap_or_default();
                }
                Outcome::Ready(interest)
            }
            Operation::Receive { mut buffers, .. } => {
                let before = segment.len();
                for buffer in &mut buffers {
                    let (now, later) = segment.split_at(segment.len().min(buffer.capacity()));
                    buffer.extend_from_slice(now);
                    segment = later;
                }
                let result = match before - segment.len() {
                    0 if segments.clone().next().is_some() => Err(ErrorKind::WouldBlock.into()),
                    count => Ok(count),
                };
                Outcome::Received { buffers, result }
            }
            Operation::Send { parts, .. } => Outcome::Sent(Ok(parts.iter().map(Bytes::len).sum())),
            Operation::Shutdown { .. } => Outcome::ShutDown,
            other => panic!("a connection without files asks for {other:?}"),
        };
        connection.handle(outcome, &mut shard.turn());
        while shard.budget.next_admitted().is_some() {
            connection.handle_admitted(&mut shard.turn());
        }
    }
    assert!(connection.is_finished(), "it is stuck");
    assert_eq!(
        shard.budget.free(),
        BUDGET_BYTES,
        "bytes of the budget are lost"
    );
    assert_eq!((shard.budget.waiting(), shard.pool.lent()), (0, 0));
    let why = match connection.disconnect() {
        Some(Disconnect::PeerClosed) => Disconnect::PeerClosed,
        Some(Disconnect::FrameLength { length, max }) => Disconnect::FrameLength {
            length: *length,
            max: *max,
        },
        other => panic!("it ended with {other:?}"),
    };
    (seen, why)
}

const NOW: Now = Now {
    monotonic_us: 1,
    wall: Timestamp(NOW_MS),
};

/// What a shard lends.
struct Shard {
    pool: Pool,
    budget: Budget,
    metrics: Requests,
    operations: Vec<(Token, Operation<NoTask>)>,
    frames: Vec<Frame>,
}

impl Shard {
    fn turn(&mut self) -> Turn<'_, NoTask> {
        Turn {
            now: NOW,
            came_us: NOW.monotonic_us,
            pool: &mut self.pool,
            budget: &mut self.budget,
            metrics: &mut self.metrics,
            operations: &mut self.operations,
            frames: &mut self.frames,
        }
    }
}

/// Streams of frames, whole and cut off, and lengths that are none.
pub fn seeds() -> Vec<Vec<u8>> {
    let streams: [&[i32]; 8] = [
        &[5],
        &[1, 1, 1, 1, 1, 1],
        &[100, 4000, 3, 4096],
        &[4096, 4096, 4096],
        &[10, 0],
        &[10, -1],
        &[20, 4097],
        &[0x1603_0102],
    ];
    let mut seeds = Vec::new();
    for (at, lengths) in streams.iter().enumerate() {
        for missing in [0, 1, 3] {
            let mut seed = vec![at as u8, missing, at as u8 + missing];
            for length in *lengths {
                seed.extend(length.to_be_bytes());
                let body = usize::try_from(*length).unwrap_or(0).min(4100);
                seed.extend(BytesMut::zeroed(body));
            }
            seed.truncate(seed.len() - usize::from(missing));
            seeds.push(seed);
        }
    }
    seeds
}
