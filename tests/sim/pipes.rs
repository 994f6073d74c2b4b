//! Pipes between the simulated files and sockets: bytes by the number of the pipe they are in.

use crate::disk::Closed;
use millstream::io::Pipe;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The pipes of the simulated machine.
#[derive(Default)]
pub struct Pipes {
    made: i32,
    bytes: BTreeMap<i32, Vec<u8>>,
    closed: Arc<Closed>,
}

impl Pipes {
    /// A new pipe with these bytes in it.
    pub fn fill(&mut self, bytes: Vec<u8>) -> Pipe {
        for number in self.closed.take() {
            self.bytes.remove(&number);
        }
        self.made += 1;
        self.bytes.insert(self.made, bytes);
        Pipe::new(self.made, self.made, self.closed.clone())
    }

    /// What is in it, for the taker to remove what it takes.
    pub fn content(&mut self, pipe: &Pipe) -> &mut Vec<u8> {
        self.bytes.get_mut(&pipe.read_end()).expect("an open pipe")
    }
}
