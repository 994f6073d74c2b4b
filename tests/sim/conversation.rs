//! A client's side of a connection: requests go out numbered, answers must come back in order.

use crate::history::History;
use crate::network::{Ending, Link, Told};
use crate::world::Stage;
use millstream::wire::{ApiKey, Body, Reader, decode_response_header, encode_request};
use std::collections::VecDeque;

/// How long a broker may take to answer, beyond what the request itself lets it wait.
pub const PATIENCE_US: u64 = 30_000_000;
/// A frame larger than that is nonsense.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// A request that is not answered yet. `T` is what its sender remembers of it.
pub struct Asked<T> {
    /// The number that the answer must carry.
    pub correlation: i32,
    /// Which API.
    pub key: ApiKey,
    /// In which version.
    pub version: i16,
    /// When.
    pub sent_us: u64,
    /// How long the broker may wait before it answers.
    pub wait_us: u64,
    /// What its sender remembers.
    pub what: T,
}

/// An answer.
pub struct Answer<T> {
    /// To what.
    pub asked: Asked<T>,
    /// When its first byte came.
    pub begun_us: u64,
    /// The frame without its size.
    pub frame: Vec<u8>,
}

impl<T> Answer<T> {
    /// The message in it.
    pub fn body<'a, B: Body<'a>>(&'a self) -> B {
        let (key, version) = (self.asked.key, self.asked.version);
        assert_eq!(key, B::KEY, "the client mixes up its own requests");
        let mut reader = Reader::new([&self.frame[..]]);
        let correlation = decode_response_header(&mut reader, key, version)
            .unwrap_or_else(|error| panic!("{} v{version}: {error}", key.name()));
        assert_eq!(correlation, self.asked.correlation);
        let body = B::decode(&mut reader, version)
            .unwrap_or_else(|error| panic!("{} v{version}: {error}", key.name()));
        assert_eq!(
            reader.remaining(),
            0,
            "{} v{version}: bytes left",
            key.name()
        );
        body
    }
}

/// A connection, or the lack of one.
pub struct Conversation<T> {
    link: Option<Link>,
    connected: bool,
    name: String,
    next_correlation: i32,
    asked: VecDeque<Asked<T>>,
    input: Vec<u8>,
    begun_us: u64,
    opened_us: u64,
    /// When bytes came last.
    heard_us: u64,
}

/// What became of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// Nothing to speak of; perhaps answers.
    None,
    /// It stands.
    Connected,
    /// It is over, or never was. What was asked has no answer.
    Over,
}

impl<T> Conversation<T> {
    /// Not connected.
    pub fn new(name: String) -> Conversation<T> {
        Conversation {
            link: None,
            connected: false,
            name,
            next_correlation: 1,
            asked: VecDeque::new(),
            input: Vec::new(),
            begun_us: 0,
            opened_us: 0,
            heard_us: 0,
        }
    }

    /// Connects, if it is not connected or about to be.
    pub fn open(&mut self, stage: &mut Stage<'_>) {
        if self.link.is_none() {
            self.opened_us = stage.now_us;
            self.link = Some(stage.connect());
        }
    }

    /// Whether requests may be sent.
    pub fn is_open(&self) -> bool {
        self.connected
    }

    /// Whether this connection's client reads slowly, so that its answers may be late.
    pub fn is_slow(&self, stage: &Stage<'_>) -> bool {
        self.link.is_some_and(|link| stage.network.is_slow(link))
    }

    /// Requests without an answer so far.
    pub fn unanswered(&self) -> usize {
        self.asked.len()
    }

    /// Closes it; what was asked has no answer.
    pub fn close(&mut self, abruptly: bool, stage: &mut Stage<'_>) {
        if let Some(link) = self.link.take() {
            stage.network.client_close(link, abruptly, stage.now_us);
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.link = None;
        self.connected = false;
        self.asked.clear();
        self.input.clear();
    }

    /// Sends a request that will be answered, after at most `wait_us` of waiting.
    pub fn ask<'a, B: Body<'a>>(
        &mut self,
        stage: &mut Stage<'_>,
        version: i16,
        body: &B,
        wait_us: u64,
        what: T,
    ) {
        let correlation = self.say(stage, version, body);
        self.asked.push_back(Asked {
            correlation,
            key: B::KEY,
            version,
            sent_us: stage.now_us,
            wait_us,
            what,
        });
    }

    /// Sends a request that is not answered; returns its number.
    pub fn say<'a, B: Body<'a>>(&mut self, stage: &mut Stage<'_>, version: i16, body: &B) -> i32 {
        let correlation = self.next_correlation;
        self.next_correlation += 1;
        let frame = encode_request(version, correlation, Some(&self.name), body)
            .unwrap_or_else(|error| panic!("{} v{version}: {error}", B::KEY.name()));
        assert!(frame.holes.is_empty());
        stage.note(format_args!(
            "asks {} v{version} #{correlation}",
            B::KEY.name()
        ));
        let link = self.link.expect("only an open conversation is used");
        stage.send(link, &frame.bytes);
        correlation
    }

    /// Takes what the network tells. The answers go to `answers`.
    pub fn told(
        &mut self,
        told: Told,
        stage: &mut Stage<'_>,
        history: &History,
        answers: &mut Vec<Answer<T>>,
    ) -> News {
        match told {
            Told::Connected(link) if self.link == Some(link) => {
                self.connected = true;
                News::Connected
            }
            Told::Refused(link) if self.link == Some(link) => {
                self.forget();
                News::Over
            }
            Told::Received(link, bytes) if self.link == Some(link) => {
                if self.input.is_empty() {
                    self.begun_us = stage.now_us;
                }
                self.input.extend(bytes);
                self.heard_us = stage.now_us;
                self.cut_frames(stage, answers);
                News::None
            }
            Told::Ended(link, ending) if self.link == Some(link) => {
                stage.note(format_args!("{link:?} ended: {ending:?}"));
                let stopped = self.opened_us <= history.stopped_us;
                let excused = ending == Ending::Cut || history.disk_failed || stopped;
                assert!(
                    excused,
                    "the broker ended a connection of {} for no reason: {ending:?}",
                    self.name
                );
                self.forget();
                News::Over
            }
            // Of a connection given up earlier.
            _ => News::None,
        }
    }

    fn cut_frames(&mut self, stage: &Stage<'_>, answers: &mut Vec<Answer<T>>) {
        while let Some(size) = self.input.first_chunk::<4>() {
            let size = u32::from_be_bytes(*size) as usize;
            assert!(
                (4..FRAME_BYTES_MAX).contains(&size),
                "a frame of {size} bytes"
            );
            if self.input.len() < 4 + size {
                return;
            }
            let frame: Vec<u8> = self.input.drain(..4 + size).skip(4).collect();
            let correlation = i32::from_be_bytes(frame[..4].try_into().expect("four bytes"));
            let asked = self
                .asked
                .pop_front()
                .unwrap_or_else(|| panic!("{}: an answer to nothing: {correlation}", self.name));
            assert_eq!(
                correlation,
                asked.correlation,
                "{}: an answer out of order (to {})",
                self.name,
                asked.key.name()
            );
            answers.push(Answer {
                asked,
                begun_us: self.begun_us,
                frame,
            });
            self.begun_us = stage.now_us;
        }
    }

    /// Checks that no request has waited for its answer longer than it may, or for more of it.
    pub fn check_patience(&self, stage: &Stage<'_>) {
        // Answers come in order, so all waits before it count.
        let mut wait_us = PATIENCE_US;
        for asked in &self.asked {
            wait_us += asked.wait_us;
            let waited_us = stage.now_us - asked.sent_us.max(self.heard_us);
            assert!(
                waited_us <= wait_us,
                "{}: no answer to {} v{} #{} after {} ms",
                self.name,
                asked.key.name(),
                asked.version,
                asked.correlation,
                waited_us / 1000
            );
        }
    }
}
