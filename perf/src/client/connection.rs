//! One connection: what is under way on it, and what its answers say.

use super::{Addressed, Event, Figures, Measure, Outgoing, Reader, Templates};
use crate::load::{Pace, Readers, Spread, Way};
use crate::wire::{self, Fetch};
use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Result};
use std::net::TcpStream;

/// How long a broker may hold a tail consumer's fetch, as Java's consumer lets it, ms.
const WAIT_MS: i32 = 500;
/// Bytes that Java's consumer asks for, of a partition and in all.
const PARTITION_BYTES: i32 = 1 << 20;
const FETCH_BYTES: i32 = 50 << 20;

/// A request that was sent.
struct Sent {
    meant_ns: u64,
    sent_ns: u64,
    correlation: i32,
    records: u64,
    bytes: u64,
}

/// Who is at the client's end.
pub enum Role {
    /// Writes.
    Producer(Producer),
    /// Reads.
    Consumer(Consumer),
}

/// A writing connection.
pub struct Producer {
    acks: i16,
    in_flight_max: usize,
    /// Which of the templates comes next.
    turn: usize,
    /// Which partition comes next.
    partition: i32,
    partitions: i32,
    is_fixed: bool,
    is_closed: bool,
    in_flight: VecDeque<Sent>,
    /// The start of an answer.
    held: Vec<u8>,
}

/// What a consumer reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// What is produced from now on.
    Tail,
    /// What is there already.
    There(Way),
}

/// A reading connection.
pub struct Consumer {
    /// What it reads.
    pub reading: Reading,
    /// Partition and next offset.
    partitions: Vec<(i32, i64)>,
    /// Where in [`Consumer::partitions`] the partition stands whose answer is read.
    current: usize,
    /// Of those the ones whose offset moved since the last request.
    moved: Vec<usize>,
    session: i32,
    epoch: i32,
    partition_bytes: i32,
    reader: Reader,
    asked: Option<Sent>,
    /// Ends of its partitions, for those who read what is there.
    ends: Vec<i64>,
    /// Read to the end of all of its partitions.
    pub is_done: bool,
}

/// One connection.
pub struct Connection {
    /// Its socket.
    pub stream: TcpStream,
    outgoing: Outgoing,
    /// Who is at this end.
    pub role: Role,
    /// Requests that are due and found no room: when each was meant to be sent.
    waiting: VecDeque<u64>,
    correlation: i32,
    low_water_bytes: usize,
    /// Whether the socket was full.
    pub is_full: bool,
}

/// What all connections of a thread share.
pub struct Common<'a> {
    /// Requests.
    pub templates: Option<&'a Templates>,
    /// What is counted.
    pub figures: Figures,
    /// Records that tail consumers got, warm-up included.
    pub tail_records: u64,
    /// Records acknowledged, warm-up included.
    pub produced_records: u64,
    /// Bytes moved, warm-up included.
    pub bytes: u64,
    /// Bytes that a connection waits for at once, at most.
    pub low_water_max: usize,
}

impl Connection {
    fn new(stream: TcpStream, role: Role) -> Connection {
        Connection {
            stream,
            outgoing: Outgoing::default(),
            role,
            waiting: VecDeque::new(),
            correlation: 0,
            low_water_bytes: 1,
            is_full: false,
        }
    }

    /// A writing connection, the number `index` of `count`.
    pub fn producer(
        stream: TcpStream,
        index: usize,
        load: &crate::load::Producers,
        partitions: i32,
    ) -> Connection {
        let (first, is_fixed) = match load.spread {
            Spread::Fixed(shift) => (index + shift, true),
            // Apart from each other, so that connections do not meet in one partition.
            Spread::InTurn | Spread::Keys(_) => {
                (index * partitions as usize / load.connections, false)
            }
        };
        let producer = Producer {
            acks: load.acks,
            in_flight_max: load.in_flight,
            turn: index,
            partition: (first % partitions as usize) as i32,
            partitions,
            is_fixed,
            is_closed: load.pace == Pace::Closed,
            in_flight: VecDeque::new(),
            held: Vec::new(),
        };
        Connection::new(stream, Role::Producer(producer))
    }

    /// One that reads what is produced to these partitions from their `ends` on.
    pub fn tail(stream: TcpStream, partitions: Vec<(i32, i64)>, reader: Reader) -> Connection {
        let mut consumer = Consumer::new(Reading::Tail, partitions, reader);
        consumer.partition_bytes = PARTITION_BYTES;
        Connection::new(stream, Role::Consumer(consumer))
    }

    /// One that reads what is there: partition, first offset and end of each of its own.
    pub fn reader(
        stream: TcpStream,
        readers: &Readers,
        partitions: &[(i32, i64, i64)],
        reader: Reader,
    ) -> Connection {
        let at = partitions.iter().map(|it| (it.0, it.1)).collect();
        let mut consumer = Consumer::new(Reading::There(readers.way), at, reader);
        consumer.ends = partitions.iter().map(|it| it.2).collect();
        consumer.partition_bytes = i32::try_from(readers.fetch_bytes).unwrap_or(i32::MAX);
        if readers.way != Way::Drain {
            consumer.epoch = -1;
        }
        Connection::new(stream, Role::Consumer(consumer))
    }

    /// Sends or queues a request that was meant for `meant_ns`.
    pub fn due(&mut self, common: &mut Common, meant_ns: u64, now_ns: u64) {
        if self.has_room() && self.waiting.is_empty() {
            self.put(common, meant_ns, now_ns);
        } else {
            self.waiting.push_back(meant_ns);
        }
    }

    /// Whether another request may be under way.
    pub fn has_room(&self) -> bool {
        match &self.role {
            Role::Producer(it) if it.acks == 0 => self.outgoing.is_empty(),
            Role::Producer(it) => it.in_flight.len() < it.in_flight_max,
            Role::Consumer(it) => it.asked.is_none() && !it.is_done,
        }
    }

    /// Nothing is under way and nothing waits.
    pub fn is_idle(&self) -> bool {
        let is_answered = match &self.role {
            Role::Producer(it) => it.in_flight.is_empty(),
            Role::Consumer(it) => it.asked.is_none(),
        };
        is_answered && self.waiting.is_empty() && self.outgoing.is_empty()
    }

    /// Requests that were due before the measuring ended and have no answer: each counts with the time
    /// it has waited so far.
    pub fn give_up(&self, figures: &mut Figures, now_ns: u64) {
        let (measure, sent): (_, Vec<u64>) = match &self.role {
            Role::Producer(it) => (
                Measure::Produce,
                it.in_flight.iter().map(|it| it.meant_ns).collect(),
            ),
            Role::Consumer(it) if it.reading == Reading::Tail => return,
            Role::Consumer(it) => (
                Measure::Fetch,
                it.asked.iter().map(|it| it.meant_ns).collect(),
            ),
        };
        for meant_ns in sent.iter().chain(&self.waiting) {
            figures.unanswered += 1;
            figures.time(measure, *meant_ns, now_ns.saturating_sub(*meant_ns), 1);
        }
    }

    /// Puts what waited for room and now has it; in a closed loop, new requests. Whether it put any.
    pub fn refill(&mut self, common: &mut Common, is_closed: bool, now_ns: u64) -> bool {
        let mut has_put = false;
        while self.has_room() {
            match self.waiting.pop_front() {
                Some(meant_ns) => self.put(common, meant_ns, now_ns),
                None if is_closed => self.put(common, now_ns, now_ns),
                None => break,
            }
            has_put = true;
        }
        has_put
    }

    /// A closed loop without answers: room in its socket is all that it waits for.
    pub fn sends_unasked(&self) -> bool {
        matches!(&self.role, Role::Producer(it) if it.acks == 0 && it.is_closed)
    }

    /// Sends what the socket takes.
    pub fn flush(&mut self) -> Result<()> {
        self.is_full = !self.outgoing.flush(&self.stream)?;
        Ok(())
    }

    /// Takes what has come. `buffer` is shared by all connections, so that it stays in the cache.
    pub fn receive(
        &mut self,
        common: &mut Common,
        buffer: &mut [u8],
        clock: impl Fn() -> u64,
    ) -> Result<()> {
        loop {
            let count = match (&self.stream).read(buffer) {
                Ok(0) => return Err(Error::new(ErrorKind::UnexpectedEof, "the broker hung up")),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let now_ns = clock();
            let awaited = match &mut self.role {
                Role::Producer(it) => {
                    it.take(&buffer[..count], common, now_ns)?;
                    0
                }
                Role::Consumer(it) => {
                    it.take(&buffer[..count], common, now_ns)?;
                    it.reader.awaited()
                }
            };
            let low_water_bytes = awaited.clamp(1, common.low_water_max);
            if low_water_bytes != self.low_water_bytes {
                self.low_water_bytes = low_water_bytes;
                crate::sys::set_low_water(&self.stream, low_water_bytes)?;
            }
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    fn put(&mut self, common: &mut Common, meant_ns: u64, now_ns: u64) {
        self.correlation = self.correlation.wrapping_add(1);
        let mut sent = Sent {
            meant_ns,
            sent_ns: now_ns,
            correlation: self.correlation,
            records: 0,
            bytes: 0,
        };
        match &mut self.role {
            Role::Producer(it) => {
                let templates = common.templates.expect("a load that writes has requests");
                let template = templates.get(it.turn);
                (sent.records, sent.bytes) = (template.records, template.bytes);
                let to = Addressed {
                    correlation: self.correlation,
                    partition: it.partition,
                    meant_ns,
                };
                templates.put(it.turn, to, &mut self.outgoing);
                it.turn += 1;
                if !it.is_fixed {
                    it.partition = (it.partition + 1) % it.partitions;
                }
                match it.acks {
                    0 => {
                        count(&sent, common, now_ns);
                        // Nothing says when it was done; in an open loop it may have been sent late.
                        if !it.is_closed {
                            let late_ns = now_ns.saturating_sub(meant_ns);
                            common.figures.time(Measure::Produce, meant_ns, late_ns, 1);
                        }
                    }
                    _ => it.in_flight.push_back(sent),
                }
            }
            Role::Consumer(it) => {
                it.ask(self.correlation, self.outgoing.own());
                it.asked = Some(sent);
            }
        }
    }
}

/// A Produce request was answered.
fn done(sent: &Sent, common: &mut Common, now_ns: u64) {
    let took = |since_ns| now_ns.saturating_sub(since_ns);
    let figures = &mut common.figures;
    figures.time(Measure::Produce, sent.meant_ns, took(sent.meant_ns), 1);
    figures.time(
        Measure::ProduceService,
        sent.meant_ns,
        took(sent.sent_ns),
        1,
    );
    count(sent, common, now_ns);
}

/// A Produce request is done, as far as anybody will know.
fn count(sent: &Sent, common: &mut Common, now_ns: u64) {
    common.bytes += sent.bytes;
    common.produced_records += sent.records;
    if let Some(slice) = common.figures.at(now_ns) {
        slice.produced += 1;
        slice.produced_records += sent.records;
        slice.produced_bytes += sent.bytes;
    }
}

impl Producer {
    fn take(&mut self, bytes: &[u8], common: &mut Common, now_ns: u64) -> Result<()> {
        if self.held.is_empty() {
            let taken = self.answers(bytes, common, now_ns)?;
            self.held.extend(&bytes[taken..]);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend(bytes);
            let taken = self.answers(&held, common, now_ns)?;
            held.drain(..taken);
            self.held = held;
        }
        Ok(())
    }

    /// Takes the answers that are whole; how many bytes they are.
    fn answers(&mut self, bytes: &[u8], common: &mut Common, now_ns: u64) -> Result<usize> {
        let mut taken = 0;
        while let Some(prefix) = bytes.get(taken..taken + 4) {
            let end = taken + 4 + wire::i32_at(prefix, 0) as u32 as usize;
            let Some(answer) = bytes.get(taken + 4..end) else {
                break;
            };
            taken = end;
            let sent = self.in_flight.pop_front();
            let sent = sent.ok_or_else(|| Error::other("an answer to nothing"))?;
            match wire::produced(answer, sent.correlation) {
                Some(0) => done(&sent, common, now_ns),
                Some(error) => return Err(Error::other(format!("Produce: error {error}"))),
                None => return Err(Error::other("an answer to a Produce that is none")),
            }
        }
        Ok(taken)
    }
}

impl Consumer {
    fn new(reading: Reading, partitions: Vec<(i32, i64)>, reader: Reader) -> Consumer {
        Consumer {
            reading,
            partitions,
            current: 0,
            moved: Vec::new(),
            session: 0,
            epoch: 0,
            partition_bytes: 0,
            reader,
            asked: None,
            ends: Vec::new(),
            is_done: false,
        }
    }

    /// In a session only the partitions are named whose offset moved.
    fn ask(&mut self, correlation: i32, into: &mut Vec<u8>) {
        let fetch = Fetch {
            max_wait_ms: WAIT_MS,
            max_bytes: FETCH_BYTES,
            partition_bytes: self.partition_bytes,
            session: self.session,
            epoch: self.epoch,
        };
        if self.session != 0 {
            let moved = self.moved.iter().map(|at| self.partitions[*at]);
            wire::put_fetch(into, correlation, fetch, moved);
        } else {
            let all = self.partitions.iter().copied();
            wire::put_fetch(into, correlation, fetch, all);
        }
        self.moved.clear();
    }

    fn take(&mut self, bytes: &[u8], common: &mut Common, now_ns: u64) -> Result<()> {
        let mut reader = std::mem::replace(&mut self.reader, Reader::new(None, false));
        let mut failure = None;
        let result = reader.feed(bytes, &mut |event| {
            if let Err(error) = self.hear(event, common, now_ns) {
                failure.get_or_insert(error);
            }
        });
        self.reader = reader;
        failure.map_or(result, Err)
    }

    fn hear(&mut self, event: Event, common: &mut Common, now_ns: u64) -> Result<()> {
        match event {
            Event::Response {
                correlation,
                error,
                session,
                bytes,
            } => {
                let asked = self.asked.as_mut();
                let asked = asked.ok_or_else(|| Error::other("an answer to nothing"))?;
                if asked.correlation != correlation {
                    return Err(Error::other("an answer to another request"));
                }
                if error != 0 {
                    return Err(Error::other(format!("Fetch: error {error}")));
                }
                asked.bytes = bytes as u64;
                if self.epoch >= 0 {
                    self.session = session;
                    self.epoch = if session == 0 { 0 } else { self.epoch + 1 };
                }
            }
            Event::Partition { index, error, .. } => {
                if error != 0 {
                    let why = format!("Fetch of partition {index}: error {error}");
                    return Err(Error::other(why));
                }
                let at = self.partitions.iter().position(|it| it.0 == index);
                self.current = at.ok_or_else(|| Error::other("a partition not asked for"))?;
            }
            Event::Batch { header, stamp_ns } => self.batch(header, stamp_ns, common, now_ns)?,
            Event::End => self.end(common, now_ns),
        }
        Ok(())
    }

    fn batch(
        &mut self,
        header: crate::batch::Header,
        stamp_ns: Option<u64>,
        common: &mut Common,
        now_ns: u64,
    ) -> Result<()> {
        let (partition, next) = &mut self.partitions[self.current];
        if header.base_offset > *next {
            return Err(Error::other(format!(
                "partition {partition}: offsets {next} to {} are missing",
                header.base_offset
            )));
        }
        *next = header.next_offset;
        if self.moved.last() != Some(&self.current) {
            self.moved.push(self.current);
        }
        if self.reading == Reading::Tail {
            common.tail_records += u64::from(header.records);
            let stamp_ns = match stamp_ns {
                Some(stamp_ns) => stamp_ns,
                // All that a compressed set says, by the clock of the day.
                None => {
                    let age_ms = crate::clock::wall_ms() - header.last_time_ms;
                    now_ns.saturating_sub(age_ms.max(0) as u64 * 1_000_000)
                }
            };
            let took_ns = now_ns.saturating_sub(stamp_ns);
            let (measure, records) = (Measure::EndToEnd, header.records.into());
            common.figures.time(measure, stamp_ns, took_ns, records);
        }
        Ok(())
    }

    fn end(&mut self, common: &mut Common, now_ns: u64) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        let is_tail = self.reading == Reading::Tail;
        if let Some(slice) = common.figures.at(now_ns) {
            if is_tail {
                slice.tail_fetches += 1;
                slice.tail_bytes += asked.bytes;
            } else {
                slice.fetches += 1;
                slice.fetched_bytes += asked.bytes;
            }
        }
        let Reading::There(way) = self.reading else {
            return;
        };
        common.bytes += asked.bytes;
        let took = |since_ns| now_ns.saturating_sub(since_ns);
        let figures = &mut common.figures;
        figures.time(Measure::Fetch, asked.meant_ns, took(asked.meant_ns), 1);
        figures.time(
            Measure::FetchService,
            asked.meant_ns,
            took(asked.sent_ns),
            1,
        );
        match way {
            Way::Around => {
                if self.partitions[0].1 >= self.ends[0] {
                    self.partitions[0].1 = 0;
                }
            }
            Way::At(offset) => self.partitions[0].1 = offset,
            Way::Drain => {
                let mut left = self.partitions.iter().zip(&self.ends);
                self.is_done = left.all(|((_, next), end)| next >= end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SECOND_NS;
    use crate::load::{Producers, Set};
    use std::io::Write;
    use std::net::TcpListener;

    const MS: u64 = 1_000_000;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (peer, _) = listener.accept().expect("accepts");
        (stream, peer)
    }

    fn common(templates: &Templates) -> Common<'_> {
        let mut figures = Figures::new(SECOND_NS);
        figures.begin(0);
        Common {
            templates: Some(templates),
            figures,
            tail_records: 0,
            produced_records: 0,
            bytes: 0,
            low_water_max: 1,
        }
    }

    fn milliseconds(common: &Common, measure: Measure) -> Vec<u64> {
        let all = common.figures.total(measure).expect("counted");
        all.iter_recorded()
            .map(|it| it.value_iterated_to() / MS)
            .collect()
    }

    #[test]
    fn what_was_due_and_found_no_room_counts_from_when_it_was_due() {
        let producers = Producers::closed(
            1,
            Set::Records {
                count: 2,
                value_bytes: 50,
            },
        );
        let templates = Templates::new(&producers, 1);
        let mut common = common(&templates);
        let (stream, mut peer) = pair();
        let mut connection = Connection::producer(stream, 0, &producers, 1);
        // Three are due, and the broker answers the first after 200 ms.
        for meant_ms in [0, 10, 20] {
            connection.due(&mut common, meant_ms * MS, meant_ms * MS);
        }
        connection.flush().expect("sends");
        let mut buffer = [0; 1024];
        for (at, (answered_ms, refilled_ms)) in
            [(200, 200), (201, 201), (205, 205)].into_iter().enumerate()
        {
            peer.write_all(&wire::produce_answer(1 + at as i32, 0, 0))
                .expect("answers");
            connection
                .receive(&mut common, &mut buffer, || answered_ms * MS)
                .expect("an answer");
            assert_eq!(
                connection.refill(&mut common, false, refilled_ms * MS),
                at < 2
            );
            connection.flush().expect("sends");
        }
        assert!(connection.is_idle());
        assert_eq!(common.produced_records, 6);
        assert_eq!(milliseconds(&common, Measure::Produce), [185, 191, 200]);
        assert_eq!(milliseconds(&common, Measure::ProduceService), [1, 4, 200]);
    }

    #[test]
    fn what_is_never_answered_counts_with_the_time_it_waited() {
        let producers = Producers::closed(
            1,
            Set::Records {
                count: 1,
                value_bytes: 50,
            },
        );
        let templates = Templates::new(&producers, 1);
        let mut common = common(&templates);
        let (stream, _peer) = pair();
        let mut connection = Connection::producer(stream, 0, &producers, 1);
        connection.due(&mut common, 0, 0);
        connection.due(&mut common, 100 * MS, 100 * MS);
        connection.give_up(&mut common.figures, 500 * MS);
        assert_eq!(common.figures.unanswered, 2);
        assert_eq!(milliseconds(&common, Measure::Produce), [400, 500]);
    }

    #[test]
    fn an_error_and_a_foreign_answer_end_the_load() {
        let producers = Producers::closed(
            1,
            Set::Records {
                count: 1,
                value_bytes: 50,
            },
        );
        let templates = Templates::new(&producers, 1);
        let mut refused = wire::produce_answer(1, 0, 0);
        let error_at = refused.len() - 4 - 24 - 2;
        refused[error_at..error_at + 2].copy_from_slice(&6i16.to_be_bytes());
        for (answer, why) in [
            (refused, "error 6"),
            (wire::produce_answer(2, 0, 0), "none"),
        ] {
            let mut common = common(&templates);
            let (stream, mut peer) = pair();
            let mut connection = Connection::producer(stream, 0, &producers, 1);
            connection.due(&mut common, 0, 0);
            peer.write_all(&answer).expect("answers");
            let result = connection.receive(&mut common, &mut [0; 1024], || 1);
            assert!(result.is_err_and(|error| error.to_string().contains(why)));
        }
    }

    #[test]
    fn a_tail_consumer_times_records_by_their_stamps_and_asks_on_where_they_end() {
        let producers = Producers {
            is_stamped: true,
            ..Producers::closed(
                1,
                Set::Records {
                    count: 4,
                    value_bytes: 50,
                },
            )
        };
        let templates = Templates::new(&producers, 1);
        let mut common = common(&templates);
        let record = crate::batch::Record {
            key: None,
            value: &[0; 50],
        };
        let set = crate::batch::RecordSet::new([record], crate::batch::Codec::None);
        let mut bytes = set.bytes.clone();
        set.stamp(&mut bytes[..set.stamped_bytes()], 300 * MS, 1);
        bytes[..8].copy_from_slice(&7i64.to_be_bytes());
        let (stream, mut peer) = pair();
        let reader = Reader::new(templates.stamp_at, true);
        let mut connection = Connection::tail(stream, vec![(0, 7)], reader);
        assert!(connection.refill(&mut common, true, 0));
        let mut answer = wire::fetch_answer(1, 0, 8, bytes.len());
        answer.extend(&bytes);
        peer.write_all(&answer).expect("answers");
        connection
            .receive(&mut common, &mut [0; 4096], || 450 * MS)
            .expect("an answer");
        assert_eq!(common.tail_records, 1);
        assert_eq!(milliseconds(&common, Measure::EndToEnd), [150]);
        let Role::Consumer(consumer) = &connection.role else {
            panic!("it is one");
        };
        assert_eq!(consumer.partitions, [(0, 8)]);
        // The same batch again is before what was asked for; one further on means that some are missing.
        assert!(connection.refill(&mut common, true, 0));
        let mut answer = wire::fetch_answer(2, 0, 8, bytes.len());
        bytes[..8].copy_from_slice(&9i64.to_be_bytes());
        answer.extend(&bytes);
        peer.write_all(&answer).expect("answers");
        let result = connection.receive(&mut common, &mut [0; 4096], || 1);
        assert!(result.is_err_and(|error| error.to_string().contains("8 to 9 are missing")));
    }
}
