//! Reads Fetch responses as they come, without keeping them: of each batch the header (and the stamp)
//! is looked at, the rest is counted. With `whole` batches are kept to their end and their CRC is taken.

use crate::batch::{self, Header};
use crate::wire::{self, TOPIC};
use std::io::{Error, ErrorKind, Result};

/// Frames and answers end here; a longer one is no Fetch response.
const FRAME_BYTES_MAX: usize = 1 << 30;

/// What a response brings, one after the other.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A response begins.
    Response {
        /// To which request.
        correlation: i32,
        /// Of the whole response.
        error: i16,
        /// The fetch session, 0 if there is none.
        session: i32,
        /// Of the whole frame, the length not counted.
        bytes: usize,
    },
    /// A partition's answer begins.
    Partition {
        /// Its index.
        index: i32,
        /// Kafka's code.
        error: i16,
        /// Where readers may read up to.
        high_watermark: i64,
    },
    /// A whole batch of that partition.
    Batch {
        /// What its header says.
        header: Header,
        /// Its stamp, ns, if one was looked for.
        stamp_ns: Option<u64>,
    },
    /// The response ends.
    End,
}

#[derive(Clone, Copy)]
enum State {
    Response,
    Topic,
    Partition,
    /// Behind the aborted transactions: preferred replica and length of the records.
    Records,
    /// So many bytes of records are left.
    Batch(usize),
    End,
}

enum Step {
    /// All that was shown is read; so many bytes behind it are passed over.
    Skip(usize),
    /// So many bytes are needed, from the same place on.
    Needs(usize),
}

/// Where a response is read.
pub struct Reader {
    /// Where stamps begin, if they are looked for.
    stamp_at: Option<usize>,
    whole: bool,
    state: State,
    /// Bytes that the next step needs.
    needed: usize,
    /// Bytes that came and did not suffice for it.
    held: Vec<u8>,
    /// Bytes to be passed over.
    skip: usize,
    /// Of the frame, behind what was read and is passed over.
    frame_left: usize,
    topics_left: i32,
    partitions_left: i32,
}

impl Reader {
    /// Looks for stamps at `stamp_at` of each batch; keeps batches `whole` and takes their CRC.
    pub fn new(stamp_at: Option<usize>, whole: bool) -> Reader {
        Reader {
            stamp_at,
            whole,
            state: State::Response,
            needed: RESPONSE_BYTES,
            held: Vec::new(),
            skip: 0,
            frame_left: 0,
            topics_left: 0,
            partitions_left: 0,
        }
    }

    /// Bytes that are certain to come, 0 between responses.
    pub fn awaited(&self) -> usize {
        (self.frame_left + self.skip).saturating_sub(self.held.len())
    }

    /// Takes bytes as they came and tells what they say.
    pub fn feed(&mut self, mut bytes: &[u8], tell: &mut impl FnMut(Event)) -> Result<()> {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if self.skip > 0 {
                return Ok(());
            }
            if let State::End = self.state {
                if self.frame_left > 0 {
                    return Err(nonsense("a response is longer than what it says"));
                }
                self.state = State::Response;
                self.needed = RESPONSE_BYTES;
                tell(Event::End);
            }
            let is_held = !self.held.is_empty();
            if is_held {
                let missing = self.needed.saturating_sub(self.held.len());
                let (more, rest) = bytes.split_at(missing.min(bytes.len()));
                self.held.extend(more);
                bytes = rest;
            }
            let shown = if is_held {
                self.held.len()
            } else {
                bytes.len()
            };
            if shown < self.needed {
                if !is_held {
                    self.held.extend(bytes);
                }
                return Ok(());
            }
            let held = std::mem::take(&mut self.held);
            let needed = self.needed;
            let step = self.step(if is_held { &held } else { &bytes[..needed] }, tell);
            self.held = held;
            match step? {
                Step::Needs(more) => self.needed = more,
                Step::Skip(count) => {
                    self.held.clear();
                    if !is_held {
                        bytes = &bytes[needed..];
                    }
                    self.skip = count;
                    self.frame_left = self
                        .frame_left
                        .checked_sub(needed + count)
                        .ok_or_else(|| nonsense("a response says more than its length"))?;
                    self.needed = self.needed();
                }
            }
        }
    }

    fn needed(&self) -> usize {
        match self.state {
            State::Response => RESPONSE_BYTES,
            State::Topic => 2 + TOPIC.len() + 4,
            State::Partition => 34,
            State::Records => 8,
            State::Batch(left) => left.min(batch::HEADER_BYTES),
            State::End => 0,
        }
    }

    fn step(&mut self, bytes: &[u8], tell: &mut impl FnMut(Event)) -> Result<Step> {
        match self.state {
            State::Response => self.response(bytes, tell),
            State::Topic => {
                if wire::i16_at(bytes, 0) as usize != TOPIC.len()
                    || !bytes[2..].starts_with(TOPIC.as_bytes())
                {
                    return Err(nonsense("a response about another topic"));
                }
                self.topics_left -= 1;
                self.partitions_left = wire::i32_at(bytes, 2 + TOPIC.len());
                self.go_on();
                Ok(Step::Skip(0))
            }
            State::Partition => {
                tell(Event::Partition {
                    index: wire::i32_at(bytes, 0),
                    error: wire::i16_at(bytes, 4),
                    high_watermark: wire::i64_at(bytes, 6),
                });
                self.partitions_left -= 1;
                self.state = State::Records;
                let aborted = wire::i32_at(bytes, 30).max(0) as usize;
                Ok(Step::Skip(aborted.min(FRAME_BYTES_MAX) * 16))
            }
            State::Records => {
                match usize::try_from(wire::i32_at(bytes, 4)) {
                    Ok(records) if records > 0 => self.state = State::Batch(records),
                    _ => self.go_on(),
                }
                Ok(Step::Skip(0))
            }
            State::Batch(left) => self.batch(bytes, left, tell),
            State::End => Err(nonsense("nothing is left to read")),
        }
    }

    fn response(&mut self, bytes: &[u8], tell: &mut impl FnMut(Event)) -> Result<Step> {
        let frame = 4 + wire::i32_at(bytes, 0) as u32 as usize;
        if !(RESPONSE_BYTES..FRAME_BYTES_MAX).contains(&frame) {
            return Err(nonsense("no length of a Fetch response"));
        }
        self.frame_left = frame;
        self.topics_left = wire::i32_at(bytes, 18);
        self.partitions_left = 0;
        tell(Event::Response {
            correlation: wire::i32_at(bytes, 4),
            error: wire::i16_at(bytes, 12),
            session: wire::i32_at(bytes, 14),
            bytes: frame,
        });
        self.go_on();
        Ok(Step::Skip(0))
    }

    /// A batch of which the first bytes came, with so many bytes of records left from its start on.
    fn batch(&mut self, bytes: &[u8], left: usize, tell: &mut impl FnMut(Event)) -> Result<Step> {
        if left < batch::HEADER_BYTES {
            self.go_on();
            return Ok(Step::Skip(0));
        }
        let header = Header::read(bytes).ok_or_else(|| nonsense("no record batch"))?;
        if header.total_bytes > left {
            // A slice may end within a batch; its reader asks for it again.
            self.go_on();
            return Ok(Step::Skip(left - bytes.len()));
        }
        let stamp_end = self.stamp_at.map(|at| at + batch::STAMP_BYTES);
        let stamp_end = stamp_end.filter(|end| !header.is_compressed && *end <= header.total_bytes);
        let wanted = match stamp_end {
            _ if self.whole => header.total_bytes,
            Some(end) => end,
            None => batch::HEADER_BYTES,
        };
        if bytes.len() < wanted {
            return Ok(Step::Needs(wanted));
        }
        if self.whole && !batch::is_intact(bytes) {
            return Err(nonsense("a batch came back damaged: its CRC differs"));
        }
        tell(Event::Batch {
            header,
            stamp_ns: stamp_end.map(|end| wire::i64_at(bytes, end - batch::STAMP_BYTES) as u64),
        });
        match left - header.total_bytes {
            0 => self.go_on(),
            rest => self.state = State::Batch(rest),
        }
        Ok(Step::Skip(header.total_bytes - bytes.len()))
    }

    /// To the next partition or topic, or the end.
    fn go_on(&mut self) {
        self.state = if self.partitions_left > 0 {
            State::Partition
        } else if self.topics_left > 0 {
            State::Topic
        } else {
            State::End
        };
    }
}

/// Length, correlation id, throttle time, error, session, topics.
const RESPONSE_BYTES: usize = 22;

fn nonsense(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Codec, Record, RecordSet};

    fn set(value: &[u8], offset: i64, stamp: u64) -> Vec<u8> {
        let record = || Record { key: None, value };
        let set = RecordSet::new([record(), record()], Codec::None);
        let mut bytes = set.bytes.clone();
        set.stamp(&mut bytes[..set.stamped_bytes()], stamp, 1);
        bytes[..8].copy_from_slice(&offset.to_be_bytes());
        bytes
    }

    fn told(answer: &[u8], piece: usize, whole: bool) -> Result<Vec<Event>> {
        let sample = RecordSet::new(
            [Record {
                key: None,
                value: &[1; 40],
            }],
            Codec::None,
        );
        let mut reader = Reader::new(sample.stamp_at(), whole);
        let mut events = Vec::new();
        for bytes in answer.chunks(piece) {
            reader.feed(bytes, &mut |event| events.push(event))?;
        }
        assert_eq!(reader.awaited(), 0);
        Ok(events)
    }

    #[test]
    fn a_response_says_the_same_in_pieces_of_every_size() {
        let (first, second) = (set(&[7; 40], 10, 111), set(&[8; 40], 12, 222));
        let cut = &second[..second.len() - 9];
        let records = first.len() + second.len() + cut.len();
        let mut answer = wire::fetch_answer(3, 5, 99, records);
        for part in [&first[..], &second, cut] {
            answer.extend(part);
        }
        answer.extend(answer.clone());
        for whole in [false, true] {
            let expected = told(&answer, answer.len(), whole).expect("a good answer");
            assert_eq!(expected.len(), 2 * 5, "{expected:?}");
            let Event::Batch { header, stamp_ns } = &expected[3] else {
                panic!("{expected:?}");
            };
            assert_eq!(*stamp_ns, Some(222));
            assert_eq!((header.base_offset, header.next_offset), (12, 14));
            for piece in 1..200 {
                assert_eq!(told(&answer, piece, whole).expect("the same"), expected);
            }
        }
    }

    #[test]
    fn a_damaged_batch_and_a_false_length_are_errors() {
        let batch = set(&[7; 40], 10, 111);
        let mut answer = wire::fetch_answer(3, 5, 99, batch.len());
        answer.extend(&batch);
        *answer.last_mut().expect("bytes") ^= 1;
        assert!(told(&answer, 7, true).is_err());
        assert!(told(&answer, 7, false).is_ok(), "nobody looked");
        let shorter = answer.len() - 1;
        wire::set_length(&mut answer, shorter);
        assert!(told(&answer, 7, false).is_err());
    }
}
