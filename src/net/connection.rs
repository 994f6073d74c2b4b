//! One connection: completions in, operations and frames out. How to drive it stands in the module's
//! page ([`super`]).
//!
//! Reading stops (so that TCP pushes the peer back) while its next frame waits for the budget, while
//! `PIPELINED_REQUESTS_MAX` requests and replies are open, and while `UNSENT_BYTES_MAX` of replies wait
//! for it to read them.
//!
//! How it ends:
//! - `close`, an error of the socket, the timeouts: at once; what was owed is dropped.
//! - The peer's end of stream, `drain`, `refuse`, an impossible length: no new requests; what was
//!   asked before is answered; then it is closed. (Kafka reads one request at a time, so it too has
//!   answered what came before the offending bytes.)
//!
//! Invariant: once closed, it holds no byte of the budget, and it is finished when its last operation
//! has completed. (Pieces of its requests may then still be in the hands of an append that is in
//! flight; whoever waits for that has taken over their reservation.)

use super::budget::{Budget, Reservation};
use super::disconnect::Disconnect;
use super::frames::{BadLength, Frames, LENGTH_BYTES};
use super::pool::Pool;
use super::replies::{Reply, SlotId, Slots};
use super::sender::{ColdMode, Sender};
use crate::io::{Interest, Operation, Outcome, Pieces, Socket, Task, Token};
use crate::limits::{
    PIECES_PER_RECEIVE, PIPELINED_REQUESTS_MAX, RECEIVES_PER_TURN, SLOW_FRAME_BYTES_PER_SECOND,
    SLOW_FRAME_US, UNSENT_BYTES_MAX,
};
use crate::metrics::{Meter, Requests};
use crate::types::Now;
use bytes::BytesMut;
use std::io;
use std::net::SocketAddr;

/// What a connection works with during one call: lent by its event loop.
pub struct Turn<'a, T: Task> {
    /// The time.
    pub now: Now,
    /// Since when the events of this round have been there, microseconds of the monotonic clock.
    pub came_us: u64,
    /// The shard's pieces.
    pub pool: &'a mut Pool,
    /// The shard's byte budget.
    pub budget: &'a mut Budget,
    /// The shard's figures.
    pub metrics: &'a mut Requests,
    /// To be submitted.
    pub operations: &'a mut Vec<(Token, Operation<T>)>,
    /// To be answered.
    pub frames: &'a mut Vec<Frame>,
}

/// A whole request.
#[derive(Debug)]
pub struct Frame {
    /// Who sent it.
    pub connection: u64,
    /// Where its reply belongs.
    pub slot: SlotId,
    /// Its bytes, without the four of the length.
    pub pieces: Pieces,
    /// When its socket became readable, microseconds of the monotonic clock.
    pub came_us: u64,
}

/// What the configuration says about connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSettings {
    /// Bytes of the largest request, `socket.request.max.bytes`.
    pub request_bytes_max: usize,
    /// Microseconds without a byte after which a connection is closed, `connections.max.idle.ms`.
    pub idle_us: Option<u64>,
    /// How ranges of files that are not in the page cache are sent.
    pub cold_mode: ColdMode,
}

/// A connection to a client or another broker.
pub struct Connection {
    id: u64,
    socket: Socket,
    peer: SocketAddr,
    settings: ConnectionSettings,
    frames: Frames,
    body: Option<Body>,
    slots: Slots,
    sender: Sender,
    reading: Reading,
    /// The last receive filled its buffers, so another one will find something.
    more_to_receive: bool,
    receives_in_a_row: u32,
    /// Bytes of the last frame: the next one is likely to be as long.
    usual_bytes: usize,
    bytes_received: u64,
    /// In the budget's line.
    parked: bool,
    /// No new requests until then: the peer is over its quota.
    held_until_us: Option<u64>,
    end_of_stream: bool,
    /// No new requests; closed when all is answered.
    ending: Option<Disconnect>,
    closed: Option<Disconnect>,
    shutting_down: bool,
    /// Slots from here on are refused; their replies are dropped.
    refused_from: SlotId,
    active_us: u64,
    /// When the socket last became readable: what is received from then on came at that time.
    readable_us: u64,
}

/// The admitted frame.
struct Body {
    reservation: Reservation,
    /// When its rate is checked next, and what had come by the last check.
    check_us: u64,
    come: u64,
}

/// The receiving operation in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    Idle,
    Polling,
    Receiving { space: usize },
}

/// Why no more frames can be cut.
#[derive(PartialEq, Eq)]
enum Stop {
    NeedsBytes,
    MustWait,
}

impl Connection {
    /// A connection that was accepted. `id` is its token's, never used twice.
    pub fn new(
        id: u64,
        socket: Socket,
        peer: SocketAddr,
        settings: ConnectionSettings,
        now: Now,
    ) -> Connection {
        Connection {
            id,
            socket,
            peer,
            settings,
            frames: Frames::default(),
            body: None,
            slots: Slots::default(),
            sender: Sender::new(settings.cold_mode),
            reading: Reading::Idle,
            more_to_receive: false,
            receives_in_a_row: 0,
            usual_bytes: 1,
            bytes_received: 0,
            parked: false,
            held_until_us: None,
            end_of_stream: false,
            ending: None,
            closed: None,
            shutting_down: false,
            refused_from: SlotId(u64::MAX),
            active_us: now.monotonic_us,
            readable_us: now.monotonic_us,
        }
    }

    /// Begins to read.
    pub fn start<T: Task>(&mut self, turn: &mut Turn<'_, T>) {
        self.proceed(turn);
    }

    /// Takes the completion of one of its operations.
    pub fn handle<T: Task>(&mut self, outcome: Outcome<T::Outcome>, turn: &mut Turn<'_, T>) {
        let now_us = turn.now.monotonic_us;
        let metrics = &mut *turn.metrics;
        let sent = match outcome {
            Outcome::Ready(Interest::Readable) => {
                assert_eq!(self.reading, Reading::Polling);
                self.reading = Reading::Idle;
                self.more_to_receive = true;
                self.receives_in_a_row = 0;
                self.readable_us = turn.came_us;
                // What it waited for has come, and nothing else has: unless it may not go on, it receives.
                if self.closed.is_none() && self.ending.is_none() && self.may_admit() {
                    return self.read_more(turn);
                }
                Ok(0)
            }
            Outcome::Received { buffers, result } => self.received(buffers, result, turn),
            Outcome::Ready(Interest::Writable) => {
                self.sender.writable();
                Ok(0)
            }
            Outcome::Sent(result) => self.sender.sent(result, metrics, now_us),
            Outcome::SentFile(result) => self.sender.sent_file(result, metrics, now_us),
            Outcome::Read { buffer, result } => {
                let ended = self.sender.read_ended(buffer, result, turn.pool, metrics);
                ended.map(|()| 0)
            }
            Outcome::Filled(result) => self.sender.filled(result, metrics).map(|()| 0),
            Outcome::Drained { pipe, result } => self.sender.drained(pipe, result, metrics, now_us),
            Outcome::ShutDown => {
                assert!(self.shutting_down);
                self.shutting_down = false;
                Ok(0)
            }
            Outcome::Accepted(_) | Outcome::Appended { .. } | Outcome::Done(_) => {
                panic!("a connection asks for no such operation: {outcome:?}")
            }
        };
        match sent {
            Ok(0) => {}
            Ok(_) => self.active_us = turn.now.monotonic_us,
            Err(why) => self.close(why, turn),
        }
        self.proceed(turn);
    }

    /// The budget has room for the frame that waits: called when [`Budget::next_admitted`] names this
    /// connection.
    pub fn handle_admitted<T: Task>(&mut self, turn: &mut Turn<'_, T>) {
        assert!(self.parked, "connection {} was not in line", self.id);
        self.parked = false;
        self.proceed(turn);
        if !self.parked {
            // It may have had to stop for another reason: then it joins the line again later.
            turn.budget.cancel(self.id);
        }
    }

    /// Answers a request, with nothing if it wants no reply (produce with acks=0). The reply leaves when
    /// those before it have, from the next [`Connection::proceed`] on.
    ///
    /// Panics if the request was answered before: our own mistake.
    pub fn reply(
        &mut self,
        slot: SlotId,
        reply: Reply,
        now: Now,
        metrics: &mut Requests,
        budget: &mut Budget,
    ) {
        if !self.awaits(slot) {
            return;
        }
        let is_empty = reply.is_empty();
        let meter = self.slots.fill(slot, reply, now, budget);
        match is_empty {
            true => metrics.sent(meter, now.monotonic_us),
            false => metrics.counters.replies += 1,
        }
        self.active_us = now.monotonic_us;
    }

    /// A request's handler has begun; `meter` is what is measured of it. If it waits, hands over the bytes
    /// that it has of the budget, to be given back when its pieces are dropped: that is before it is
    /// answered for a long poll, and may be after the connection is gone for a produce.
    pub fn begun(&mut self, slot: SlotId, meter: Meter, waits: bool) -> Option<Reservation> {
        match self.awaits(slot) {
            true => self.slots.begun(slot, meter, waits),
            false => None,
        }
    }

    /// What is measured of a request that has begun and whose reply has not left.
    pub fn meter(&mut self, slot: SlotId) -> Meter {
        match self.awaits(slot) {
            true => self.slots.meter(slot),
            false => Meter::default(),
        }
    }

    /// Says that a request cannot be answered: what was asked before it is answered, it and what
    /// follows is dropped, and the connection is closed.
    pub fn refuse<T: Task>(&mut self, slot: SlotId, why: Disconnect, turn: &mut Turn<'_, T>) {
        if !self.awaits(slot) {
            return;
        }
        self.refused_from = slot;
        self.slots.truncate(slot, turn.budget);
        self.ending = None;
        self.end(why, turn);
        self.proceed(turn);
    }

    /// Begins no more requests until that time, microseconds of the monotonic clock: what the peer
    /// sends meanwhile stays in the socket (KIP-219). Answers leave as ever.
    pub fn hold_back(&mut self, until_us: u64) {
        self.held_until_us = self.held_until_us.max(Some(until_us));
    }

    /// Takes no more requests, answers those it has, then closes.
    pub fn drain<T: Task>(&mut self, why: Disconnect, turn: &mut Turn<'_, T>) {
        if self.closed.is_none() {
            self.end(why, turn);
            self.proceed(turn);
        }
    }

    /// Closes at once. Everything it holds is given back; replies that come later are dropped.
    pub fn close<T: Task>(&mut self, why: Disconnect, turn: &mut Turn<'_, T>) {
        if self.closed.is_some() {
            return;
        }
        self.end(why, turn);
        self.slots.clear(turn.budget);
        self.sender.clear();
        self.closed = self.ending.take();
        self.shutting_down = true;
        let socket = self.socket.clone();
        self.submit(Operation::Shutdown { socket }, turn);
    }

    /// When `handle_timeout` is next due, in microseconds of the monotonic clock.
    pub fn poll_timeout(&self) -> Option<u64> {
        if self.closed.is_some() {
            return None;
        }
        let slow = self.body.as_ref().map(|body| body.check_us);
        let all = [slow, self.idle_at_us(), self.held_until_us];
        let due_us = all.map(|at| at.unwrap_or(u64::MAX)).into_iter().min();
        due_us.filter(|due_us| *due_us < u64::MAX)
    }

    /// Closes it if it is idle, or too slow while others wait. Harmless when called early.
    pub fn handle_timeout<T: Task>(&mut self, turn: &mut Turn<'_, T>) {
        let now_us = turn.now.monotonic_us;
        if self.poll_timeout().is_none_or(|due_us| due_us > now_us) {
            return;
        }
        if self
            .held_until_us
            .is_some_and(|until_us| until_us <= now_us)
        {
            self.held_until_us = None;
            // Its idleness counts from here, and what it has sent meanwhile has waited for this.
            self.active_us = now_us;
            self.readable_us = now_us;
            self.proceed(turn);
            return;
        }
        if self.idle_at_us().is_some_and(|due_us| due_us <= now_us) {
            let why = match self.sender.replies() {
                0 => Disconnect::Idle,
                _ => Disconnect::Stalled,
            };
            return self.close(why, turn);
        }
        let Some(body) = self.body.as_mut().filter(|body| body.check_us <= now_us) else {
            return;
        };
        let came = self.bytes_received - body.come;
        body.come = self.bytes_received;
        body.check_us = now_us + SLOW_FRAME_US;
        if turn.budget.waiting() > 0
            && came < SLOW_FRAME_BYTES_PER_SECOND * SLOW_FRAME_US / 1_000_000
        {
            self.close(Disconnect::TooSlow, turn);
        }
    }

    /// Whether it is closed and nothing of it is in flight: it may be dropped.
    pub fn is_finished(&self) -> bool {
        self.closed.is_some()
            && self.reading == Reading::Idle
            && !self.sender.in_flight()
            && !self.shutting_down
    }

    /// Why it was closed, once it was.
    pub fn disconnect(&self) -> Option<&Disconnect> {
        self.closed.as_ref()
    }

    /// Whether this request still wants an answer: frames behind a refused one, or of a closed
    /// connection, need not be looked at.
    pub fn awaits(&self, slot: SlotId) -> bool {
        self.closed.is_none() && slot < self.refused_from
    }

    /// Its number, that of its tokens.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Requests handed out and not answered.
    pub fn requests_waiting(&self) -> usize {
        self.slots.waiting()
    }

    /// Does whatever can be done now: to be called when its requests have been answered.
    pub fn proceed<T: Task>(&mut self, turn: &mut Turn<'_, T>) {
        if self.closed.is_some() || self.is_at_rest() {
            return;
        }
        while let Some((reply, meter)) = self.slots.next() {
            self.sender.push(reply, meter);
        }
        let stop = self.cut_frames(turn);
        if self.end_of_stream && stop == Stop::NeedsBytes {
            self.end(Disconnect::PeerClosed, turn);
        }
        if let Some(operation) = self.sender.next_operation(&self.socket, turn.pool) {
            self.submit(operation, turn);
        }
        let owes = self.slots.len() + self.sender.replies() > 0 || self.sender.in_flight();
        if !owes && let Some(why) = self.ending.take() {
            return self.close(why, turn);
        }
        if self.reading == Reading::Idle && stop == Stop::NeedsBytes && self.ending.is_none() {
            self.read_more(turn);
        }
    }

    /// Whether it waits for bytes and has nothing to send. While it waits for bytes there is no frame to be cut:
    /// none was when it began to, and nothing has come since.
    fn is_at_rest(&self) -> bool {
        self.reading != Reading::Idle
            && self.ending.is_none()
            && self.sender.replies() == 0
            && !self.sender.in_flight()
            && !self.slots.is_next_ready()
    }

    /// Hands out the frames that are there.
    #[inline]
    fn cut_frames<T: Task>(&mut self, turn: &mut Turn<'_, T>) -> Stop {
        let has_none = self.frames.is_empty() && self.body.is_none();
        if has_none && !self.parked && self.ending.is_none() && self.may_admit() {
            return Stop::NeedsBytes;
        }
        self.cut_what_came(turn)
    }

    /// The same, where there is something, or something is in the way: admits one after the other.
    fn cut_what_came<T: Task>(&mut self, turn: &mut Turn<'_, T>) -> Stop {
        while self.ending.is_none() && !self.parked {
            if self.body.is_some() {
                let Some(pieces) = self.frames.take_complete() else {
                    return Stop::NeedsBytes;
                };
                let body = self.body.take().expect("just seen");
                turn.metrics.counters.frames += 1;
                turn.frames.push(Frame {
                    connection: self.id,
                    slot: self.slots.open(body.reservation),
                    pieces,
                    came_us: self.readable_us,
                });
                continue;
            }
            if !self.may_admit() {
                return Stop::MustWait;
            }
            match self.frames.next_length(self.settings.request_bytes_max) {
                Ok(None) => return Stop::NeedsBytes,
                Ok(Some(length)) => match turn.budget.reserve(self.id, length) {
                    Some(reservation) => {
                        self.usual_bytes = LENGTH_BYTES + length;
                        self.frames.admit(length);
                        self.body = Some(Body {
                            reservation,
                            check_us: turn.now.monotonic_us + SLOW_FRAME_US,
                            come: self.bytes_received,
                        });
                    }
                    None => {
                        self.parked = true;
                        turn.metrics.counters.frames_parked += 1;
                    }
                },
                Err(BadLength(length)) => {
                    let max = self.settings.request_bytes_max;
                    self.end(Disconnect::FrameLength { length, max }, turn);
                }
            }
        }
        Stop::MustWait
    }

    /// Whether another request may be begun, as far as those before it are concerned.
    fn may_admit(&self) -> bool {
        self.held_until_us.is_none()
            && self.slots.len() + self.sender.replies() < PIPELINED_REQUESTS_MAX
            && self.sender.unsent_bytes() < UNSENT_BYTES_MAX
    }

    fn read_more<T: Task>(&mut self, turn: &mut Turn<'_, T>) {
        let socket = self.socket.clone();
        if !self.more_to_receive || self.receives_in_a_row >= RECEIVES_PER_TURN {
            self.reading = Reading::Polling;
            let interest = Interest::Readable;
            return self.submit(Operation::Poll { socket, interest }, turn);
        }
        self.receives_in_a_row += 1;
        let wanted = match self.frames.missing() {
            0 => self.usual_bytes,
            missing => missing,
        };
        let buffers = turn.pool.lend(wanted, PIECES_PER_RECEIVE);
        let space = buffers.iter().map(BytesMut::capacity).sum();
        self.reading = Reading::Receiving { space };
        self.submit(Operation::Receive { socket, buffers }, turn);
    }

    /// Takes what a receive brought.
    fn received<T: Task>(
        &mut self,
        mut buffers: Vec<BytesMut>,
        result: io::Result<usize>,
        turn: &mut Turn<'_, T>,
    ) -> Result<usize, Disconnect> {
        let Reading::Receiving { space } = self.reading else {
            panic!("a receive ended that was not begun");
        };
        self.reading = Reading::Idle;
        let count = match result {
            _ if self.closed.is_some() || self.ending.is_some() => 0,
            Ok(count) => {
                self.end_of_stream = count == 0;
                count
            }
            Err(error) => {
                turn.pool.give_back(buffers);
                self.more_to_receive &= error.kind() != io::ErrorKind::WouldBlock;
                return match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                    _ => Err(Disconnect::Broken(error)),
                };
            }
        };
        if count == 0 {
            turn.pool.give_back(buffers);
            return Ok(0);
        }
        for buffer in buffers.iter_mut().filter(|buffer| !buffer.is_empty()) {
            self.frames.push(buffer.split());
        }
        turn.pool.give_back(buffers);
        self.more_to_receive = count == space;
        self.bytes_received += count as u64;
        turn.metrics.counters.bytes_received += count as u64;
        turn.metrics.counters.receives += 1;
        self.cut_frames(turn);
        self.frames.settle(count);
        Ok(count)
    }

    /// Begins no more requests. The first reason stands.
    fn end<T: Task>(&mut self, why: Disconnect, turn: &mut Turn<'_, T>) {
        self.frames.clear();
        if let Some(body) = self.body.take() {
            turn.budget.release(body.reservation);
        }
        turn.budget.cancel(self.id);
        self.parked = false;
        self.ending.get_or_insert(why);
    }

    /// When it counts as idle. What it asked and the broker has not answered is not its idleness; a
    /// reply that it does not take is.
    fn idle_at_us(&self) -> Option<u64> {
        let idle_us = self.settings.idle_us?;
        let waits_for_us = self.slots.waiting() > 0 || self.parked || self.held_until_us.is_some();
        (!waits_for_us).then_some(self.active_us + idle_us)
    }

    fn submit<T: Task>(&self, operation: Operation<T>, turn: &mut Turn<'_, T>) {
        turn.operations
            .push((Token::Connection(self.id), operation));
    }
}

#[cfg(test)]
mod tests;
