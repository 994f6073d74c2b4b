//! A broker of toy size, on which the world itself is tested: it appends each frame that it receives
//! to the file of a shard and answers with the frame's position.
//!
//! Frame: length (4 bytes, little endian), digest (8), payload. Answer: position (8). Shard 0 accepts
//! and deals connections out by mail. At boot each file is cut at its first invalid frame. Planted
//! bugs show that the world brings out what it is there for.

use crate::disk::{Crash, SimDisk};
use crate::network::{Ending, Link, Told};
use crate::random::Random;
use crate::trace::{Trace, digest};
use crate::weather::Weather;
use crate::world::{Actor, Event, Node, Outbox, Stage, World};
use bytes::{Bytes, BytesMut};
use millstream::io::{
    Completion, Disk, File, Interest, OpenMode, Operation, Outcome, Pieces, Socket, Task, Token,
};
use millstream::types::{Now, ShardId};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    None,
    AnswersBeforeItWrites,
    TakesShortWritesForWhole,
    RecoversWithoutLooking,
    SyncsNothing,
}

struct Toy {
    shard: u16,
    shards: u16,
    bug: Bug,
    synced: bool,
    listener: Option<Socket>,
    accepted: u64,
    connections: BTreeMap<u64, Connection>,
    file: File,
    end: u64,
    /// (connection, frame), the first `writing` of them on their way to the disk.
    queue: VecDeque<(u64, Vec<u8>)>,
    writing: usize,
    stopping: bool,
}

struct Connection {
    socket: Socket,
    input: Vec<u8>,
    output: Vec<u8>,
    sending: bool,
}

#[derive(Debug)]
struct Sync(File);

impl Task for Sync {
    type Outcome = bool;

    fn run(self, disk: &dyn Disk) -> bool {
        disk.sync(&self.0).is_ok()
    }
}

fn path(shard: u16) -> PathBuf {
    PathBuf::from(format!("/data/{shard}.log"))
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_le_bytes().to_vec();
    frame.extend(digest(payload).to_le_bytes());
    frame.extend(payload);
    frame
}

/// The length of the valid frame at the start of `bytes`.
fn valid(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let payload = bytes.get(12..12 + length)?;
    (bytes[4..12] == digest(payload).to_le_bytes()).then_some(12 + length)
}

fn boot(
    disk: &Arc<SimDisk>,
    mut listeners: Vec<Socket>,
    shards: u16,
    bug: Bug,
    synced: bool,
) -> Result<Vec<Toy>, String> {
    let open = |shard: u16| -> std::io::Result<(File, u64)> {
        match disk.create_directory(Path::new("/data")) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => disk.sync_directory(Path::new("/"))?,
        }
        let file = disk.open(&path(shard), OpenMode::Create)?;
        disk.sync_directory(Path::new("/data"))?;
        let length = disk.info(&file)?.length as usize;
        let mut bytes = vec![0; length];
        let mut read = 0;
        while read < length {
            read += disk.read_at(&file, read as u64, &mut bytes[read..])?;
        }
        let mut end = 0;
        while let Some(length) = valid(&bytes[end..]) {
            end += length;
        }
        if bug == Bug::RecoversWithoutLooking {
            end = length;
        }
        disk.truncate(&file, end as u64)?;
        disk.sync(&file)?;
        Ok((file, end as u64))
    };
    let mut toys = Vec::new();
    for shard in 0..shards {
        let (file, end) = open(shard).map_err(|error| error.to_string())?;
        toys.push(Toy {
            shard,
            shards,
            bug,
            synced,
            listener: (shard == 0).then(|| listeners.remove(0)),
            accepted: 0,
            connections: BTreeMap::new(),
            file,
            end,
            queue: VecDeque::new(),
            writing: 0,
            stopping: false,
        });
    }
    Ok(toys)
}

impl Toy {
    fn accept(&self, out: &mut Outbox<Self>) {
        if let Some(listener) = &self.listener {
            let listener = listener.clone();
            out.operations
                .push((Token::Listener(0), Operation::Accept { listener }));
        }
    }

    fn add(&mut self, id: u64, socket: Socket, out: &mut Outbox<Self>) {
        poll(id, &socket, Interest::Readable, out);
        let connection = Connection {
            socket,
            input: Vec::new(),
            output: Vec::new(),
            sending: false,
        };
        self.connections.insert(id, connection);
    }

    fn frames(&mut self, id: u64, out: &mut Outbox<Self>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        while let Some(length) = valid(&connection.input) {
            let frame = connection.input.drain(..length).collect();
            self.queue.push_back((id, frame));
        }
        self.write(out);
    }

    fn write(&mut self, out: &mut Outbox<Self>) {
        if self.writing > 0 || self.queue.is_empty() {
            return;
        }
        self.writing = self.queue.len();
        let mut pieces = Pieces::new();
        for (_, frame) in &self.queue {
            pieces.push(BytesMut::from(&frame[..]));
        }
        if self.bug == Bug::AnswersBeforeItWrites {
            self.answer(out);
        }
        self.append(self.end, pieces, out);
    }

    fn append(&self, position: u64, pieces: Pieces, out: &mut Outbox<Self>) {
        let operation = Operation::Append {
            file: self.file.clone(),
            position,
            pieces,
        };
        // The token carries how far this append was to reach.
        out.operations.push((Token::Ticket(position), operation));
    }

    /// Answers all that is being written, which is done.
    fn answer(&mut self, out: &mut Outbox<Self>) {
        let mut position = self.end;
        for (id, frame) in self.queue.range(..self.writing) {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.output.extend(position.to_le_bytes());
            }
            position += frame.len() as u64;
        }
        let ids: Vec<u64> = self
            .queue
            .range(..self.writing)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.send(id, out);
        }
    }

    fn written(&mut self, out: &mut Outbox<Self>) {
        if self.bug != Bug::AnswersBeforeItWrites {
            self.answer(out);
        }
        for (_, frame) in self.queue.drain(..self.writing) {
            self.end += frame.len() as u64;
        }
        self.writing = 0;
        self.write(out);
    }

    fn send(&mut self, id: u64, out: &mut Outbox<Self>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.sending || connection.output.is_empty() {
            return;
        }
        connection.sending = true;
        let operation = Operation::Send {
            socket: connection.socket.clone(),
            parts: [Bytes::copy_from_slice(&connection.output)]
                .into_iter()
                .collect(),
            more: false,
        };
        out.operations.push((Token::Connection(id), operation));
    }

    fn complete(&mut self, completion: Completion<bool>, out: &mut Outbox<Self>) {
        match (completion.token, completion.outcome) {
            (_, Outcome::Accepted(result)) => {
                self.accept(out);
                if let Ok((socket, _)) = result {
                    self.accepted += 1;
                    let to = (self.accepted % u64::from(self.shards)) as u16;
                    if to == self.shard {
                        self.add(self.accepted, socket, out);
                    } else {
                        out.mail.push((ShardId(to), (self.accepted, socket)));
                    }
                }
            }
            (Token::Connection(id), Outcome::Ready(Interest::Readable)) => {
                let Some(connection) = self.connections.get(&id) else {
                    return;
                };
                let operation = Operation::Receive {
                    socket: connection.socket.clone(),
                    buffers: vec![BytesMut::with_capacity(100), BytesMut::with_capacity(1000)],
                };
                out.operations.push((Token::Connection(id), operation));
            }
            (Token::Connection(id), Outcome::Received { buffers, result }) => {
                let Some(connection) = self.connections.get_mut(&id) else {
                    return;
                };
                match result {
                    Ok(0) => drop(self.connections.remove(&id)),
                    Err(error) if error.kind() != ErrorKind::WouldBlock => {
                        drop(self.connections.remove(&id));
                    }
                    _ => {
                        for buffer in &buffers {
                            connection.input.extend_from_slice(buffer);
                        }
                        poll(id, &connection.socket, Interest::Readable, out);
                        self.frames(id, out);
                    }
                }
            }
            (Token::Connection(id), Outcome::Ready(Interest::Writable)) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.sending = false;
                    self.send(id, out);
                }
            }
            (Token::Connection(id), Outcome::Sent(result)) => {
                let Some(connection) = self.connections.get_mut(&id) else {
                    return;
                };
                match result {
                    Ok(count) => {
                        connection.output.drain(..count);
                        connection.sending = false;
                        self.send(id, out);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        poll(id, &connection.socket, Interest::Writable, out);
                    }
                    Err(_) => drop(self.connections.remove(&id)),
                }
            }
            (
                Token::Ticket(position),
                Outcome::Appended {
                    mut pieces, result, ..
                },
            ) => match result {
                Ok(count) => {
                    pieces.advance(count);
                    if !pieces.is_empty() && self.bug != Bug::TakesShortWritesForWhole {
                        self.append(position + count as u64, pieces, out);
                    } else if self.synced && self.bug != Bug::SyncsNothing {
                        let task = Operation::Task(Sync(self.file.clone()));
                        out.operations.push((Token::Ticket(0), task));
                    } else {
                        self.written(out);
                    }
                }
                Err(error) => panic!("the toy takes no errors of its disk: {error}"),
            },
            (_, Outcome::Done(synced)) => {
                assert!(synced, "the toy takes no errors of its disk");
                self.written(out);
            }
            other => panic!("not asked for: {other:?}"),
        }
    }
}

fn poll(id: u64, socket: &Socket, interest: Interest, out: &mut Outbox<Toy>) {
    let socket = socket.clone();
    out.operations
        .push((Token::Connection(id), Operation::Poll { socket, interest }));
}

impl Node for Toy {
    type Task = Sync;
    type Mail = (u64, Socket);

    fn start(&mut self, _now: Now, out: &mut Outbox<Self>) {
        self.accept(out);
    }

    fn handle(&mut self, _now: Now, event: Event<Self>, out: &mut Outbox<Self>) {
        match event {
            Event::Completion(completion) => self.complete(completion, out),
            Event::Mail(_, (id, socket)) => self.add(id, socket, out),
            Event::Stop => self.stopping = true,
            Event::Timeout => panic!("not asked for"),
        }
    }

    fn poll_timeout(&self) -> Option<u64> {
        None
    }

    fn is_stopped(&self) -> bool {
        self.stopping && self.writing == 0
    }
}

/// What clients know: frames that were answered, with shard file position.
#[derive(Default)]
struct Known {
    answered: Vec<(u64, Vec<u8>)>,
}

struct Writer {
    known: Rc<RefCell<Known>>,
    link: Option<Link>,
    sent: VecDeque<Vec<u8>>,
    input: Vec<u8>,
    count: u64,
}

impl Actor for Writer {
    fn told(&mut self, told: Told, stage: &mut Stage<'_>) {
        match told {
            Told::Connected(link) if self.link == Some(link) => stage.after(0, 1),
            Told::Received(link, bytes) if self.link == Some(link) => {
                self.input.extend(bytes);
                while let Some(position) = self.input.first_chunk::<8>() {
                    let position = u64::from_le_bytes(*position);
                    self.input.drain(..8);
                    let frame = self.sent.pop_front().expect("an answer to nothing");
                    self.known.borrow_mut().answered.push((position, frame));
                }
            }
            Told::Refused(link) | Told::Ended(link, _) if self.link == Some(link) => {
                if let Told::Ended(_, ending) = told {
                    assert_ne!(ending, Ending::Closed, "the toy closes nothing");
                }
                self.link = None;
                self.sent.clear();
                self.input.clear();
                stage.after(20_000, 0);
            }
            _ => {}
        }
    }

    fn timer(&mut self, name: u64, stage: &mut Stage<'_>) {
        match (name, self.link) {
            (0, None) => self.link = Some(stage.connect()),
            (1, Some(link)) if self.sent.len() < 8 => {
                self.count += 1;
                let length = stage.random.magnitude(8, 3_000) as usize;
                let mut payload = vec![(self.count % 251) as u8; length];
                payload[..8].copy_from_slice(&stage.random.next().to_le_bytes());
                let frame = frame(&payload);
                stage.send(link, &frame);
                self.sent.push_back(frame);
                let wait_us = stage.random.magnitude(100, 5_000);
                stage.after(wait_us, 1);
            }
            (1, Some(_)) => stage.after(1_000, 1),
            _ => {}
        }
    }
}

/// Runs a toy broker through two crashes; how many answers were checked and the hash of its trace.
fn run(seed: u64, how: Crash, bug: Bug) -> (usize, u64) {
    let mut random = Random::new(seed).fork("scenario");
    let mut weather = Weather::draw(&mut random, 1_000_000);
    weather.disk.write_error_at_us = None;
    weather.disk.sync_error_at_us = None;
    weather.disk.full.until_us = 0;
    let shards = random.between(1, 3) as u16;
    let synced = how == Crash::PowerLoss;
    let trace = Rc::new(RefCell::new(Trace::new(
        std::env::var_os("SIM_TRACE").is_some(),
    )));
    let mut world = World::new(
        seed,
        weather,
        trace.clone(),
        Box::new(move |disk, listeners, _, _| boot(disk, listeners, shards, bug, synced)),
    );
    let known = Rc::new(RefCell::new(Known::default()));
    for _ in 0..3 {
        let writer = Writer {
            known: known.clone(),
            link: None,
            sent: VecDeque::new(),
            input: Vec::new(),
            count: 0,
        };
        world.add_actor(Box::new(writer), 1_000_000);
    }
    for _ in 0..2 {
        while world.boot(None).is_err() {}
        for shard in 0..shards {
            let content = world.disk.content(&path(shard)).unwrap();
            let mut rest = &content[..];
            while let Some(length) = valid(rest) {
                rest = &rest[length..];
            }
            assert!(
                rest.is_empty(),
                "{} bytes are left of a torn frame",
                rest.len()
            );
        }
        let until_us = world.now_us() + random.between(50_000, 500_000);
        world.run_until(until_us);
        world.crash(how);
        let contents: Vec<Vec<u8>> = (0..shards)
            .filter_map(|shard| world.disk.content(&path(shard)).ok())
            .collect();
        for (position, frame) in &known.borrow().answered {
            let found = contents.iter().any(|content| {
                let from = *position as usize;
                content.get(from..from + frame.len()) == Some(frame)
            });
            assert!(
                found,
                "seed {seed} {how:?}: an answered frame of {} at {position} is gone\n{}",
                frame.len(),
                trace.borrow().tail()
            );
        }
    }
    let answered = known.borrow().answered.len();
    let hash = trace.borrow().hash();
    (answered, hash)
}

fn caught(how: Crash, bug: Bug) -> bool {
    let quiet = crate::Quiet::new();
    let caught = (0..100).any(|seed| std::panic::catch_unwind(|| run(seed, how, bug)).is_err());
    drop(quiet);
    caught
}

#[test]
fn a_right_toy_loses_no_answer_in_any_crash() {
    let mut answered = 0;
    for seed in 0..100 {
        answered += run(seed, Crash::Kill, Bug::None).0;
        answered += run(seed, Crash::PowerLoss, Bug::None).0;
    }
    assert!(answered > 10_000, "{answered}");
}

#[test]
fn a_seed_repeats_itself() {
    for seed in 0..20 {
        let first = run(seed, Crash::PowerLoss, Bug::None);
        assert_eq!(first, run(seed, Crash::PowerLoss, Bug::None));
        assert_ne!(first.1, run(seed + 1000, Crash::PowerLoss, Bug::None).1);
    }
}

#[test]
fn the_toys_bugs_are_brought_out() {
    assert!(caught(Crash::Kill, Bug::AnswersBeforeItWrites));
    assert!(caught(Crash::Kill, Bug::TakesShortWritesForWhole));
    assert!(caught(Crash::Kill, Bug::RecoversWithoutLooking));
    assert!(caught(Crash::PowerLoss, Bug::SyncsNothing));
}
