//! What is to be sent on a connection: small frames copied into one run of bytes, so that several leave
//! with one call; large record sets shared, so that they are never copied.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// Slices handed to the kernel at once.
const SLICES_MAX: usize = 16;

enum Piece {
    Own(Vec<u8>),
    Shared(Arc<[u8]>, usize),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Own(bytes) => bytes,
            Piece::Shared(bytes, from) => &bytes[*from..],
        }
    }
}

/// Bytes on their way out, in order.
#[derive(Default)]
pub struct Outgoing {
    pieces: VecDeque<Piece>,
    /// Of the first piece what is gone already.
    sent: usize,
    spare: Vec<Vec<u8>>,
}

impl Outgoing {
    /// Where small bytes are appended to.
    pub fn own(&mut self) -> &mut Vec<u8> {
        if !matches!(self.pieces.back(), Some(Piece::Own(_))) {
            let empty = self.spare.pop().unwrap_or_default();
            self.pieces.push_back(Piece::Own(empty));
        }
        match self.pieces.back_mut() {
            Some(Piece::Own(bytes)) => bytes,
            _ => unreachable!("it was just put there"),
        }
    }

    /// Appends `bytes` from `from` on.
    pub fn share(&mut self, bytes: &Arc<[u8]>, from: usize) {
        if from < bytes.len() {
            self.pieces.push_back(Piece::Shared(bytes.clone(), from));
        }
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Sends what the socket takes; whether that was everything.
    pub fn flush(&mut self, mut stream: &TcpStream) -> Result<bool> {
        while let Some(first) = self.pieces.front() {
            let result = if self.pieces.len() == 1 {
                stream.write(&first.bytes()[self.sent..])
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let mut count = 0;
                for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                    let skipped = if count == 0 { self.sent } else { 0 };
                    *slice = IoSlice::new(&piece.bytes()[skipped..]);
                    count += 1;
                }
                stream.write_vectored(&slices[..count])
            };
            match result {
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn advance(&mut self, count: usize) {
        self.sent += count;
        while let Some(first) = self.pieces.front() {
            let length = first.bytes().len();
            if self.sent < length {
                return;
            }
            self.sent -= length;
            if let Some(Piece::Own(mut bytes)) = self.pieces.pop_front() {
                bytes.clear();
                self.spare.push(bytes);
            }
        }
        assert_eq!(self.sent, 0, "no more was sent than there was");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    #[test]
    fn everything_leaves_once_and_in_order_however_little_the_socket_takes() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (mut peer, _) = listener.accept().expect("accepts");
        stream.set_nonblocking(true).expect("a socket");
        let large: Arc<[u8]> = (0..3_000_000usize).map(|at| (at % 251) as u8).collect();
        let mut outgoing = Outgoing::default();
        let mut expected = Vec::new();
        for round in 0..4u8 {
            outgoing.own().extend([round; 3]);
            outgoing.own().extend([round; 4]);
            outgoing.share(&large, round.into());
            expected.extend([round; 7]);
            expected.extend(&large[round.into()..]);
        }
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            peer.read_to_end(&mut got).expect("reads");
            got
        });
        let mut was_full = false;
        while !outgoing.flush(&stream).expect("sends") {
            was_full = true;
            std::thread::yield_now();
        }
        assert!(was_full && outgoing.is_empty());
        drop(stream);
        assert!(reader.join().expect("no panic") == expected);
    }
}
