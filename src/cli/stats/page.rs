//! One page over HTTP: as much of it as the broker's own console speaks.

use crate::cli::client::Deadline;
use crate::cli::failure::Failure;
use crate::config::Address;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Bytes of a page at most: a broker of 100,000 topics writes about a tenth of it.
const PAGE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Fetches a page of JSON.
pub(super) fn get(address: &Address, path: &str, timeout: Duration) -> Result<Value, Failure> {
    let text = fetch(address, path, timeout).map_err(|error| {
        Failure::connection(format!("{address}: {error}")).advise(
            "does the broker run, and is this its millstream.metrics.listener? Its log says where it \
             answers",
        )
    })?;
    body(&text)
        .and_then(|body| serde_json::from_str(body).ok())
        .ok_or_else(|| Failure::new(format!("what answers at {address} is no Millstream")))
}

fn fetch(address: &Address, path: &str, timeout: Duration) -> io::Result<String> {
    let deadline = Deadline::after(timeout);
    let left = || {
        deadline
            .left()
            .ok_or(io::Error::from(io::ErrorKind::TimedOut))
    };
    let mut found = (address.host.as_str(), address.port).to_socket_addrs()?;
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let to = found.next().ok_or_else(none)?;
    let mut stream = TcpStream::connect_timeout(&to, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.set_read_timeout(Some(left()?))?;
    let mut text = String::new();
    stream.take(PAGE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// What a good answer holds.
fn body(text: &str) -> Option<&str> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    let is_http = words.next()?.starts_with("HTTP/1.");
    (is_http && words.next()? == "200").then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_has_a_body() {
        let good = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n{}\r\n\r\n";
        assert_eq!(body(good), Some("{}\r\n\r\n"));
        for bad in [
            "",
            "HTTP/1.1 404 Not Found\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\n",
            "x 200\r\n\r\n{}",
        ] {
            assert_eq!(body(bad), None, "{bad:?}");
        }
    }
}
