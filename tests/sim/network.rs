//! A network in memory that delays, cuts into segments, pushes back and resets. The fault model
//! stands in `main.rs`.
//!
//! A connection is two pipes. A pipe has bytes on their way (events of the world), bytes that have
//! arrived unread, and a window that bounds both together. The broker's end is driven by operations;
//! the client's end by commands of its [`Actor`](crate::world::Actor), to which happenings are told.
//! What must happen later is put on `schedule`; sockets of which the readiness may have changed are
//! put on `touched`.

use crate::disk::Closed;
use crate::random::Random;
use crate::weather::NetworkWeather;
use bytes::{Bytes, BytesMut};
use millstream::io::{Interest, Socket};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;

/// A connection, as its client names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Link(pub u64);

/// How a connection ended for its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The broker closed it in order.
    Closed,
    /// The broker closed it while it had bytes unread, or received bytes after that.
    ResetByBroker,
    /// The network or a crash cut it.
    Cut,
}

/// What a client is told of its connections.
#[derive(Debug)]
pub enum Told {
    /// It stands.
    Connected(Link),
    /// Nobody listens.
    Refused(Link),
    /// Bytes from the broker.
    Received(Link, Vec<u8>),
    /// It is over.
    Ended(Link, Ending),
}

/// What happens in the network at a later time.
#[derive(Debug)]
pub enum Happening {
    /// A connection attempt reaches the listener.
    Knock(Link),
    /// The client learns the answer.
    Answer(Link, bool),
    /// Bytes reach an end.
    Data(Link, Side, Vec<u8>),
    /// The end of a stream reaches an end.
    Fin(Link, Side),
    /// A reset reaches an end.
    Reset(Link, Side, Ending),
    /// The other end has read so many bytes: room for more.
    Room(Link, Side, u64),
    /// The client gets to read.
    ClientReads(Link),
    /// 200 ms after a send with MSG_MORE.
    Uncork(Link),
}

/// An end of a connection; of a pipe, the receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The broker's.
    Broker,
    /// The client's.
    Client,
}

/// Bytes of one segment at most, before the network's weather cuts it smaller.
const SEGMENT_BYTES: usize = 16 * 1024;
const UNCORK_US: u64 = 200_000;

/// All connections of the simulated machine.
pub struct Network {
    weather: NetworkWeather,
    random: Random,
    /// What to do later: (when, what).
    pub schedule: Vec<(u64, Happening)>,
    /// Sockets that may have become ready.
    pub touched: Vec<i32>,
    /// What to tell which actor.
    pub told: Vec<(usize, Told)>,
    closed: Arc<Closed>,
    sockets: BTreeMap<i32, Kind>,
    sockets_made: i32,
    connections: BTreeMap<Link, Connection>,
    links_made: u64,
    /// Count of resets that the network made.
    pub resets: u64,
}

enum Kind {
    Listener { open: bool, backlog: VecDeque<Link> },
    Connection(Link),
}

struct Connection {
    actor: usize,
    to_broker: Pipe,
    to_client: Pipe,
    broker: End,
    client: End,
    /// The client's bytes that did not fit the window yet.
    client_out: VecDeque<u8>,
    client_half_closes: bool,
    client_reads_at: Option<u64>,
    slow: bool,
    /// The network or a crash has cut it: however it ends, that is why.
    cut: bool,
}

#[derive(Default)]
struct Pipe {
    arrived: VecDeque<u8>,
    corked: Vec<u8>,
    used: u64,
    last_us: u64,
    fin_sent: bool,
    fin_arrived: bool,
    /// Cut: a segment was lost, so nothing behind it arrives.
    broken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// On the broker's side: not accepted yet.
    Waiting,
    Open(i32),
    /// Shut down by the broker, still held.
    ShutDown(i32),
    /// The reset has been seen; the error is still to be told.
    Reset(i32),
    Gone,
}

impl Network {
    /// No connection, nobody listening.
    pub fn new(weather: NetworkWeather, random: Random) -> Network {
        Network {
            weather,
            random,
            schedule: Vec::new(),
            touched: Vec::new(),
            told: Vec::new(),
            closed: Arc::new(Closed::default()),
            sockets: BTreeMap::new(),
            sockets_made: 0,
            connections: BTreeMap::new(),
            links_made: 0,
            resets: 0,
        }
    }

    /// Changes delays and faults.
    pub fn set_weather(&mut self, weather: NetworkWeather) {
        if weather.slow_reader_one_in == 0 {
            for connection in self.connections.values_mut() {
                connection.slow = false;
            }
        }
        self.weather = weather;
    }

    /// A listening socket for the broker.
    pub fn listen(&mut self) -> Socket {
        self.socket(Kind::Listener {
            open: true,
            backlog: VecDeque::new(),
        })
    }

    /// Sockets of the broker that are still open, listeners not counted.
    pub fn open_sockets(&self) -> usize {
        let is_connection = |kind: &&Kind| matches!(kind, Kind::Connection(_));
        self.sockets.values().filter(is_connection).count()
    }

    /// Whether that connection's client reads slowly.
    pub fn is_slow(&self, link: Link) -> bool {
        self.connections[&link].slow
    }

    fn socket(&mut self, kind: Kind) -> Socket {
        self.sockets_made += 1;
        self.sockets.insert(self.sockets_made, kind);
        Socket::new(self.sockets_made, self.closed.clone())
    }

    fn latency(&mut self) -> u64 {
        self.weather.latency.draw(&mut self.random)
    }

    // -- the client's end

    /// A client wants a connection.
    pub fn connect(&mut self, actor: usize, now_us: u64) -> Link {
        self.links_made += 1;
        let link = Link(self.links_made);
        let slow = self.random.one_in(self.weather.slow_reader_one_in);
        self.connections.insert(
            link,
            Connection {
                actor,
                to_broker: Pipe::default(),
                to_client: Pipe::default(),
                broker: End::Waiting,
                client: End::Open(0),
                client_out: VecDeque::new(),
                client_half_closes: false,
                client_reads_at: None,
                slow,
                cut: false,
            },
        );
        let at = now_us + self.latency();
        self.schedule.push((at, Happening::Knock(link)));
        link
    }

    /// A client sends; what does not fit the window waits.
    pub fn client_send(&mut self, link: Link, bytes: &[u8], now_us: u64) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if connection.client == End::Open(0) {
            connection.client_out.extend(bytes);
            self.pump(link, now_us);
        }
    }

    /// A client has nothing more to send, and still reads.
    pub fn client_half_close(&mut self, link: Link, now_us: u64) {
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.client_half_closes = true;
            self.pump(link, now_us);
        }
    }

    /// A client is done with it, or rather breaks it off.
    pub fn client_close(&mut self, link: Link, abruptly: bool, now_us: u64) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if connection.client != End::Open(0) {
            return;
        }
        connection.client = End::Gone;
        if abruptly || !connection.to_client.arrived.is_empty() {
            let at = now_us + self.latency();
            self.schedule
                .push((at, Happening::Reset(link, Side::Broker, Ending::Cut)));
        } else {
            connection.client_half_closes = true;
            self.pump(link, now_us);
        }
    }

    /// Sends what the window takes of a client's bytes.
    fn pump(&mut self, link: Link, now_us: u64) {
        let window = self.weather.window_bytes;
        loop {
            let connection = self.connections.get_mut(&link).expect("the caller has it");
            let pipe = &mut connection.to_broker;
            let room = window.saturating_sub(pipe.used) as usize;
            let count = room.min(connection.client_out.len()).min(SEGMENT_BYTES);
            if count == 0 {
                let done = connection.client_out.is_empty();
                if done && connection.client_half_closes && !pipe.fin_sent {
                    pipe.fin_sent = true;
                    self.fly(
                        link,
                        Side::Broker,
                        now_us,
                        Happening::Fin(link, Side::Broker),
                    );
                }
                return;
            }
            pipe.used += count as u64;
            let bytes = connection.client_out.drain(..count).collect();
            let data = Happening::Data(link, Side::Broker, bytes);
            self.fly(link, Side::Broker, now_us, data);
        }
    }

    /// Puts something on its way, behind all that is on the same way.
    fn fly(&mut self, link: Link, to: Side, now_us: u64, what: Happening) {
        let latency = self.latency();
        let connection = self.connections.get_mut(&link).expect("the caller has it");
        let pipe = connection.pipe(to);
        pipe.last_us = pipe.last_us.max(now_us + latency);
        self.schedule.push((pipe.last_us, what));
    }

    // -- time

    /// What was scheduled happens.
    pub fn happen(&mut self, what: Happening, now_us: u64) {
        match what {
            Happening::Knock(link) => self.knock(link, now_us),
            Happening::Answer(link, accepted) => {
                let connection = self
                    .connections
                    .get_mut(&link)
                    .expect("never removed early");
                if connection.client == End::Open(0) {
                    let told = if accepted {
                        Told::Connected(link)
                    } else {
                        connection.client = End::Gone;
                        Told::Refused(link)
                    };
                    self.told.push((connection.actor, told));
                }
            }
            Happening::Data(link, side, bytes) => self.data(link, side, bytes, now_us),
            Happening::Fin(link, side) => {
                let connection = self
                    .connections
                    .get_mut(&link)
                    .expect("never removed early");
                if connection.pipe(side).broken {
                    return;
                }
                connection.pipe(side).fin_arrived = true;
                match side {
                    Side::Broker => self.touch(link),
                    Side::Client => self.client_may_read(link, now_us),
                }
            }
            Happening::Reset(link, side, ending) => self.reset_arrives(link, side, ending),
            Happening::Room(link, side, count) => {
                let connection = self
                    .connections
                    .get_mut(&link)
                    .expect("never removed early");
                connection.pipe(side).used -= count;
                match side {
                    Side::Client => self.touch(link),
                    Side::Broker => self.pump(link, now_us),
                }
            }
            Happening::ClientReads(link) => self.client_reads(link, now_us),
            Happening::Uncork(link) => self.flush(link, now_us),
        }
    }

    fn knock(&mut self, link: Link, now_us: u64) {
        let listener = self
            .sockets
            .iter_mut()
            .find_map(|(number, kind)| match kind {
                Kind::Listener {
                    open: true,
                    backlog,
                } => Some((*number, backlog)),
                _ => None,
            });
        let accepted = match listener {
            Some((number, backlog)) => {
                backlog.push_back(link);
                self.touched.push(number);
                true
            }
            None => false,
        };
        if !accepted {
            let connection = self.connections.get_mut(&link).expect("just made");
            connection.broker = End::Gone;
        }
        let at = now_us + self.latency();
        self.schedule.push((at, Happening::Answer(link, accepted)));
    }

    fn data(&mut self, link: Link, side: Side, bytes: Vec<u8>, now_us: u64) {
        let connection = self
            .connections
            .get_mut(&link)
            .expect("never removed early");
        if connection.pipe(side).broken {
            return;
        }
        if self.random.one_in(self.weather.reset_one_in) {
            connection.pipe(side).broken = true;
            self.cut(link, now_us);
            return;
        }
        match (side, connection.broker, connection.client) {
            (Side::Broker, End::Waiting | End::Open(_), _) => {
                connection.to_broker.arrived.extend(bytes);
                self.touch(link);
            }
            // A shut down socket takes no more, and one that is gone answers with a reset.
            (Side::Broker, End::ShutDown(_) | End::Gone, _) => {
                self.reset_client(link, now_us, Ending::ResetByBroker);
            }
            (Side::Broker, End::Reset(_), _) => {}
            (Side::Client, _, End::Open(_)) => {
                connection.to_client.arrived.extend(bytes);
                self.client_may_read(link, now_us);
            }
            (Side::Client, _, _) => {
                let at = now_us + self.latency();
                let reset = Happening::Reset(link, Side::Broker, Ending::Cut);
                self.schedule.push((at, reset));
            }
        }
    }

    /// The network breaks a connection: both ends hear of it, each in its time.
    pub fn cut(&mut self, link: Link, now_us: u64) {
        self.resets += 1;
        let connection = self.connections.get_mut(&link);
        connection.expect("never removed early").cut = true;
        for side in [Side::Broker, Side::Client] {
            let at = now_us + self.latency();
            self.schedule
                .push((at, Happening::Reset(link, side, Ending::Cut)));
        }
    }

    fn reset_arrives(&mut self, link: Link, side: Side, ending: Ending) {
        let lose_unread = self.random.one_in(2);
        let connection = self
            .connections
            .get_mut(&link)
            .expect("never removed early");
        match side {
            Side::Broker => {
                match connection.broker {
                    End::Open(number) => connection.broker = End::Reset(number),
                    End::Waiting => connection.broker = End::Reset(0),
                    End::ShutDown(_) | End::Reset(_) | End::Gone => return,
                }
                if lose_unread {
                    connection.to_broker.arrived.clear();
                }
                self.touch(link);
            }
            Side::Client => {
                if connection.client == End::Open(0) {
                    let ending = if connection.cut { Ending::Cut } else { ending };
                    connection.client = End::Gone;
                    connection.client_out.clear();
                    self.told
                        .push((connection.actor, Told::Ended(link, ending)));
                }
            }
        }
    }

    fn client_may_read(&mut self, link: Link, now_us: u64) {
        let connection = self
            .connections
            .get_mut(&link)
            .expect("never removed early");
        if connection.client_reads_at.is_none() {
            let wait = if connection.slow {
                self.random.between(1_000, 60_000)
            } else {
                self.random.between(1, 50)
            };
            let connection = self.connections.get_mut(&link).expect("just had it");
            connection.client_reads_at = Some(now_us + wait);
            self.schedule
                .push((now_us + wait, Happening::ClientReads(link)));
        }
    }

    fn client_reads(&mut self, link: Link, now_us: u64) {
        let short = self.random.one_in(self.weather.short_receive_one_in);
        let some = self.random.between(1, 4_000) as usize;
        let connection = self
            .connections
            .get_mut(&link)
            .expect("never removed early");
        connection.client_reads_at = None;
        if connection.client != End::Open(0) {
            return;
        }
        let pipe = &mut connection.to_client;
        let count = if short || connection.slow {
            some.min(pipe.arrived.len())
        } else {
            pipe.arrived.len()
        };
        if count > 0 {
            let bytes = pipe.arrived.drain(..count).collect();
            let more = !pipe.arrived.is_empty() || pipe.fin_arrived;
            self.told
                .push((connection.actor, Told::Received(link, bytes)));
            let at = now_us + self.latency();
            self.schedule
                .push((at, Happening::Room(link, Side::Client, count as u64)));
            if more {
                self.client_may_read(link, now_us);
            }
        } else if pipe.fin_arrived {
            let ending = if connection.cut {
                Ending::Cut
            } else {
                Ending::Closed
            };
            connection.client = End::Gone;
            self.told
                .push((connection.actor, Told::Ended(link, ending)));
        }
    }

    fn touch(&mut self, link: Link) {
        if let End::Open(number) | End::ShutDown(number) | End::Reset(number) =
            self.connections[&link].broker
        {
            self.touched.push(number);
        }
    }

    // -- the broker's end

    /// accept(2); `None` if nobody waits.
    pub fn accept(&mut self, listener: i32) -> Option<Result<(Socket, SocketAddr)>> {
        let Some(Kind::Listener { open, backlog }) = self.sockets.get_mut(&listener) else {
            panic!("accept on socket {listener}, which does not listen");
        };
        if !*open {
            return Some(Err(Error::from_raw_os_error(libc::EINVAL)));
        }
        let link = *backlog.front()?;
        if self.random.one_in(self.weather.accept_error_one_in) {
            return Some(Err(Error::from_raw_os_error(libc::EMFILE)));
        }
        backlog.pop_front();
        let socket = self.socket(Kind::Connection(link));
        let number = socket.number();
        let connection = self.connections.get_mut(&link).expect("it knocked");
        connection.broker = match connection.broker {
            End::Waiting => End::Open(number),
            _ => End::Reset(number),
        };
        let port = 40_000 + (link.0 % 20_000) as u16;
        Some(Ok((socket, SocketAddr::from(([127, 0, 0, 1], port)))))
    }

    /// Whether an accept would give something.
    pub fn has_backlog(&self, listener: i32) -> bool {
        match self.sockets.get(&listener) {
            Some(Kind::Listener { open, backlog }) => !open || !backlog.is_empty(),
            _ => false,
        }
    }

    /// Whether the socket is ready, or falsely said to be.
    pub fn is_ready(&mut self, socket: i32, interest: Interest) -> bool {
        let window = self.weather.window_bytes;
        let connection = self.connection(socket);
        match (connection.broker, interest) {
            (End::ShutDown(_) | End::Reset(_), _) => true,
            (_, Interest::Readable) => {
                !connection.to_broker.arrived.is_empty() || connection.to_broker.fin_arrived
            }
            (_, Interest::Writable) => connection.to_client.used <= window - window / 3,
        }
    }

    /// Whether to answer a poll although nothing is ready.
    pub fn false_alarm(&mut self) -> bool {
        self.random.one_in(self.weather.spurious_one_in)
    }

    /// recvmsg(2) without waiting.
    pub fn receive(&mut self, socket: i32, buffers: &mut [BytesMut], now_us: u64) -> Result<usize> {
        let spare: usize = buffers.iter().map(|b| b.capacity() - b.len()).sum();
        assert!(
            spare > 0,
            "a receive into no room at all looks like the end of the stream"
        );
        let short = self.random.one_in(self.weather.short_receive_one_in);
        let chance = self.random.next();
        let link = self.link(socket);
        let connection = self
            .connections
            .get_mut(&link)
            .expect("never removed early");
        let pipe = &mut connection.to_broker;
        if matches!(connection.broker, End::ShutDown(_)) {
            return Ok(0);
        }
        let mut count = pipe.arrived.len().min(spare);
        if count == 0 {
            return match connection.broker {
                End::Reset(_) => Err(Error::from_raw_os_error(libc::ECONNRESET)),
                _ if pipe.fin_arrived => Ok(0),
                _ => Err(Error::from_raw_os_error(libc::EAGAIN)),
            };
        }
        if short {
            count = 1 + (chance % count as u64) as usize;
        }
        let mut left = count;
        for buffer in buffers {
            let take = left.min(buffer.capacity() - buffer.len());
            let (front, back) = pipe.arrived.as_slices();
            let from_front = take.min(front.len());
            buffer.extend_from_slice(&front[..from_front]);
            buffer.extend_from_slice(&back[..take - from_front]);
            pipe.arrived.drain(..take);
            left -= take;
        }
        let at = now_us + self.latency();
        self.schedule
            .push((at, Happening::Room(link, Side::Broker, count as u64)));
        Ok(count)
    }

    /// How many bytes a send may take now.
    pub fn send_room(&mut self, socket: i32) -> Result<usize> {
        let window = self.weather.window_bytes;
        let connection = self.connection(socket);
        match connection.broker {
            End::ShutDown(_) => return Err(Error::from_raw_os_error(libc::EPIPE)),
            End::Reset(_) => return Err(Error::from_raw_os_error(libc::ECONNRESET)),
            End::Waiting | End::Open(_) | End::Gone => {}
        }
        let room = window.saturating_sub(connection.to_client.used) as usize;
        if room == 0 {
            return Err(Error::from_raw_os_error(libc::EAGAIN));
        }
        if room > 1 && self.random.one_in(self.weather.short_send_one_in) {
            return Ok(self.random.between(1, room as u64 - 1) as usize);
        }
        Ok(room)
    }

    /// sendmsg(2) without waiting.
    pub fn send(&mut self, socket: i32, parts: &[Bytes], more: bool, now_us: u64) -> Result<usize> {
        let room = self.send_room(socket)?;
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&part[..part.len().min(room - bytes.len())]);
        }
        Ok(self.sent(socket, bytes, more, now_us))
    }

    /// Takes bytes for which `send_room` said there is room.
    pub fn sent(&mut self, socket: i32, bytes: Vec<u8>, more: bool, now_us: u64) -> usize {
        let count = bytes.len();
        let link = self.link(socket);
        let pipe = &mut self.connection(socket).to_client;
        pipe.used += count as u64;
        pipe.corked.extend(bytes);
        if more {
            self.schedule
                .push((now_us + UNCORK_US, Happening::Uncork(link)));
        } else {
            self.flush(link, now_us);
        }
        count
    }

    fn flush(&mut self, link: Link, now_us: u64) {
        let connection = self
            .connections
            .get_mut(&link)
            .expect("never removed early");
        let mut bytes = std::mem::take(&mut connection.to_client.corked);
        while !bytes.is_empty() {
            let rest = bytes.split_off(bytes.len().min(SEGMENT_BYTES));
            let data = Happening::Data(link, Side::Client, bytes);
            self.fly(link, Side::Client, now_us, data);
            bytes = rest;
        }
    }

    /// shutdown(2) both ways.
    pub fn shutdown(&mut self, socket: i32, now_us: u64) {
        if let Some(Kind::Listener { open, backlog }) = self.sockets.get_mut(&socket) {
            *open = false;
            for link in std::mem::take(backlog) {
                self.close(link, now_us);
            }
            self.touched.push(socket);
            return;
        }
        let link = self.link(socket);
        let connection = self.connection(socket);
        if let End::Open(number) = connection.broker {
            connection.broker = End::ShutDown(number);
            self.fin(link, now_us);
        }
        self.touched.push(socket);
    }

    fn fin(&mut self, link: Link, now_us: u64) {
        self.flush(link, now_us);
        let connection = self
            .connections
            .get_mut(&link)
            .expect("never removed early");
        if !connection.to_client.fin_sent {
            connection.to_client.fin_sent = true;
            self.fly(
                link,
                Side::Client,
                now_us,
                Happening::Fin(link, Side::Client),
            );
        }
    }

    /// Does what close(2) does for the sockets whose last holder is gone.
    pub fn close_dropped(&mut self, now_us: u64) {
        for number in self.closed.take() {
            match self.sockets.remove(&number) {
                None => {}
                Some(Kind::Listener { backlog, .. }) => {
                    for link in backlog {
                        self.close(link, now_us);
                    }
                }
                Some(Kind::Connection(link)) => self.close(link, now_us),
            }
        }
    }

    fn close(&mut self, link: Link, now_us: u64) {
        let connection = self
            .connections
            .get_mut(&link)
            .expect("never removed early");
        let was = std::mem::replace(&mut connection.broker, End::Gone);
        let unread = !connection.to_broker.arrived.is_empty();
        match was {
            End::Waiting => self.reset_client(link, now_us, Ending::Cut),
            End::Open(_) | End::ShutDown(_) if unread => {
                self.reset_client(link, now_us, Ending::ResetByBroker);
            }
            End::Open(_) | End::ShutDown(_) => self.fin(link, now_us),
            End::Reset(_) | End::Gone => {}
        }
    }

    fn reset_client(&mut self, link: Link, now_us: u64, ending: Ending) {
        let at = now_us + self.latency();
        self.schedule
            .push((at, Happening::Reset(link, Side::Client, ending)));
    }

    /// The broker's process is gone: each client hears of it, some after what was on its way, some
    /// before.
    pub fn crash(&mut self, now_us: u64) {
        self.sockets.clear();
        self.closed.take();
        let links: Vec<Link> = self.connections.keys().copied().collect();
        for link in links {
            let connection = self.connections.get_mut(&link).expect("just listed");
            let was = std::mem::replace(&mut connection.broker, End::Gone);
            connection.cut = true;
            connection.to_client.corked.clear();
            if was != End::Gone || connection.client != End::Gone {
                self.reset_client(link, now_us, Ending::Cut);
            }
        }
    }

    fn link(&self, socket: i32) -> Link {
        match self.sockets.get(&socket) {
            Some(Kind::Connection(link)) => *link,
            _ => panic!("socket {socket} is not a connection"),
        }
    }

    fn connection(&mut self, socket: i32) -> &mut Connection {
        let link = self.link(socket);
        self.connections
            .get_mut(&link)
            .expect("never removed early")
    }
}

impl Connection {
    fn pipe(&mut self, to: Side) -> &mut Pipe {
        match to {
            Side::Broker => &mut self.to_broker,
            Side::Client => &mut self.to_client,
        }
    }
}
