//! As much of HTTP/1.1 as a scrape needs: one GET or HEAD, one answer, and the connection closes.
//!
//! Nothing that comes is believed. However a peer drips its request or takes its answer, the whole
//! conversation ends after `CONVERSATION_US_MAX`; a request's head has `HEAD_BYTES_MAX` at most; and beyond
//! `CONNECTIONS_MAX` at once a connection is closed unread. So the worst that this port can cost is that
//! many threads, each with one answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Bytes of a request's head: a scraper's is below 1 KiB.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// How long a connection may take from when it came to the last byte of its answer, microseconds:
/// Prometheus gives up after as much, unless it is told otherwise.
const CONVERSATION_US_MAX: u64 = 10_000_000;
/// Connections at once.
const CONNECTIONS_MAX: usize = 8;
/// The pause after accepting has failed, for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// What a head ends with.
const END: &[u8] = b"\r\n\r\n";

/// Microseconds of the monotonic clock.
pub(super) type Clock = fn() -> u64;

/// What is answered.
pub(super) struct Answer {
    /// The content's type.
    pub kind: &'static str,
    /// The content.
    pub body: String,
}

/// What there is under a path.
type Find = dyn Fn(&str) -> Option<Answer> + Send + Sync;

/// Answers until the process ends.
pub(super) fn serve(listener: &TcpListener, clock: Clock, find: Arc<Find>) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(PAUSE);
            continue;
        };
        if open.load(Ordering::Relaxed) >= CONNECTIONS_MAX {
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (find, left) = (find.clone(), open.clone());
        let peer = Peer::new(stream, clock);
        let spawned = std::thread::Builder::new()
            .name("metrics-answer".into())
            .spawn(move || {
                // Whoever asked and left needs no answer.
                let _ = converse(peer, &*find);
                left.fetch_sub(1, Ordering::Relaxed);
            });
        if spawned.is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A connection and the end of its time.
struct Peer {
    stream: TcpStream,
    clock: Clock,
    until_us: u64,
}

impl Peer {
    fn new(stream: TcpStream, clock: Clock) -> Peer {
        Peer {
            stream,
            clock,
            until_us: clock() + CONVERSATION_US_MAX,
        }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        match self.until_us.saturating_sub((self.clock)()) {
            0 => Err(ErrorKind::TimedOut.into()),
            us => Ok(Some(Duration::from_micros(us))),
        }
    }
}

impl Read for Peer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(into)
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn converse(mut peer: Peer, find: &Find) -> io::Result<()> {
    let head = read_head(&mut peer)?;
    let (status, answer, has_body) = match parse(&head) {
        Err(status) => (status, None, true),
        Ok((path, has_body)) => match find(path) {
            Some(answer) => ("200 OK", Some(answer), has_body),
            None => ("404 Not Found", None, has_body),
        },
    };
    let answer = answer.unwrap_or_else(|| Answer {
        kind: "text/plain; charset=utf-8",
        body: format!("{status}\n"),
    });
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.kind,
        answer.body.len()
    );
    peer.write_all(head.as_bytes())?;
    if has_body {
        peer.write_all(answer.body.as_bytes())?;
    }
    peer.stream.shutdown(Shutdown::Write)
}

/// Reads up to the empty line behind the head, or as far as it is worth.
fn read_head(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        // The end may have begun with what came before.
        let seen = head.len().saturating_sub(END.len() - 1);
        match from.read(&mut buffer) {
            Ok(0) => return Ok(head),
            Ok(count) => head.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if has_end(&head[seen..]) || head.len() > HEAD_BYTES_MAX {
            return Ok(head);
        }
    }
}

fn has_end(head: &[u8]) -> bool {
    head.windows(END.len()).any(|found| found == END)
}

/// The path without its query, and whether a body is wanted; the status otherwise.
fn parse(head: &[u8]) -> Result<(&str, bool), &'static str> {
    const BAD: &str = "400 Bad Request";
    if !has_end(head) || head.len() > HEAD_BYTES_MAX {
        return Err(BAD);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| BAD)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BAD);
    };
    if !version.starts_with("HTTP/1.") {
        return Err(BAD);
    }
    let path = target.split('?').next().unwrap_or_default();
    match method {
        "GET" => Ok((path, true)),
        "HEAD" => Ok((path, false)),
        _ => Err("405 Method Not Allowed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn a_request_is_a_line_and_what_follows_up_to_an_empty_line() {
        let parse = |text: &'static str| parse(text.as_bytes());
        let get = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(parse(get), Ok(("/metrics", true)));
        assert_eq!(parse("HEAD /?a=b HTTP/1.0\r\n\r\n"), Ok(("/", false)));
        let post = parse("POST / HTTP/1.1\r\n\r\n");
        assert_eq!(post, Err("405 Method Not Allowed"));
        for bad in [
            "",
            "\r\n\r\n",
            "GET / HTTP/1.1\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/2\r\n\r\n",
            "GET / x HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(parse(bad), Err("400 Bad Request"), "{bad:?}");
        }
        let bad = super::parse(b"GET /\xff HTTP/1.1\r\n\r\n");
        assert_eq!(bad, Err("400 Bad Request"));
    }

    #[test]
    fn a_head_without_an_end_is_not_read_for_ever() {
        struct Endless;
        impl Read for Endless {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                into.fill(b'x');
                Ok(into.len())
            }
        }
        let head = read_head(&mut Endless).unwrap();
        assert!(head.len() <= HEAD_BYTES_MAX + 1024, "{}", head.len());
        assert_eq!(parse(&head), Err("400 Bad Request"));
    }

    #[test]
    fn a_head_ends_wherever_it_is_cut() {
        let whole = b"GET / HTTP/1.1\r\n\r\n";
        for cut in 0..=whole.len() {
            let (left, right) = whole.split_at(cut);
            let head = read_head(&mut left.chain(right)).unwrap();
            assert_eq!(parse(&head), Ok(("/", true)), "cut at {cut}");
        }
    }

    /// Both ends of a connection.
    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn a_request_that_drips_ends_when_its_time_is_over() {
        static NOW_US: AtomicU64 = AtomicU64::new(0);
        const STEP_US: u64 = 1_000_000;
        let (mut client, stream) = pair();
        // More than its time allows, and far less than a head may have.
        client.write_all(&[b'x'; 1_000]).unwrap();
        struct OneByOne(Peer, usize);
        impl Read for OneByOne {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                self.1 += 1;
                self.0.read(&mut into[..1])
            }
        }
        let peer = Peer::new(stream, || NOW_US.fetch_add(STEP_US, Ordering::Relaxed));
        let mut slow = OneByOne(peer, 0);
        let error = read_head(&mut slow).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(slow.1 as u64, CONVERSATION_US_MAX / STEP_US);
    }

    #[test]
    fn an_answer_that_nobody_takes_ends_when_its_time_is_over() {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let (mut client, stream) = pair();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        // It comes at 0; whatever follows has 20 ms left.
        let peer = Peer::new(stream, || {
            let first = CALLS.fetch_add(1, Ordering::Relaxed) == 0;
            if first {
                0
            } else {
                CONVERSATION_US_MAX - 20_000
            }
        });
        let find = |_: &str| {
            let body = "x".repeat(64 << 20);
            Some(Answer { kind: "", body })
        };
        let error = converse(peer, &find).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
    }
}
