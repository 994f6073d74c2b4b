//! What happened, in order: a hash of all of it, which two runs of one seed must share, and the text
//! of its last events, which a failing seed prints.

use std::collections::VecDeque;
use std::fmt::{self, Write};

/// Events of which the text is kept.
const KEPT_EVENTS: usize = 150;

/// The record of a run.
pub struct Trace {
    hash: u64,
    count: u64,
    last: VecDeque<String>,
    /// Prints every event at once.
    pub loud: bool,
}

impl Trace {
    /// Nothing happened yet.
    pub fn new(loud: bool) -> Trace {
        Trace {
            hash: 0xcbf2_9ce4_8422_2325,
            count: 0,
            last: VecDeque::new(),
            loud,
        }
    }

    /// Adds an event.
    pub fn note(&mut self, at_us: u64, event: fmt::Arguments<'_>) {
        let mut line = if self.last.len() >= KEPT_EVENTS {
            self.last.pop_front().expect("just counted")
        } else {
            String::new()
        };
        line.clear();
        write!(line, "{at_us:>10} {event}").expect("a String takes all");
        self.hash = (self.hash ^ digest(line.as_bytes())).wrapping_mul(0x0100_0000_01b3);
        self.count += 1;
        if self.loud {
            eprintln!("{line}");
        }
        self.last.push_back(line);
    }

    /// The hash of all events so far.
    pub fn hash(&self) -> u64 {
        self.hash ^ self.count
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The text of the last ones.
    pub fn tail(&self) -> String {
        let mut text = String::new();
        for line in &self.last {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// A hash of bytes with fixed keys (FNV-1a over words): the same in every process.
pub fn digest(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^= hash >> 29;
    }
    for byte in rest {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^ (hash >> 32)
}

/// The digest of bytes in several parts, whatever the cuts between them.
pub fn digest_parts<'a>(parts: impl Iterator<Item = &'a [u8]> + Clone) -> u64 {
    let mut only = parts.clone();
    match (only.next(), only.next()) {
        (Some(part), None) => digest(part),
        _ => digest(&parts.fold(Vec::new(), |mut all, part| {
            all.extend_from_slice(part);
            all
        })),
    }
}
