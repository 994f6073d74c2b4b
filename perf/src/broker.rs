//! A broker as a contender: the release binary on one core, asked with Produce and Fetch requests.
//!
//! Requests are made by hand in versions without tagged fields (Produce 7, Fetch 4, CreateTopics 2),
//! so that what is measured does not depend on a client library. Record sets are one batch of one
//! uncompressed record.

use crate::contest::{Contender, Shape};
use core_affinity::CoreId;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const TOPIC: &str = "perf";
const CLIENT: &str = "perf";
const PRODUCE: (i16, i16) = (0, 7);
const FETCH: (i16, i16) = (1, 4);
const CREATE_TOPICS: (i16, i16) = (19, 2);

/// How long a broker may take to start.
const START_MAX: Duration = Duration::from_secs(30);

/// How to start one.
#[derive(Clone)]
pub struct Settings {
    /// The binary.
    pub binary: PathBuf,
    /// Where its data directory is made.
    pub directory: PathBuf,
    /// The core that all of its threads are pinned to.
    pub core: CoreId,
    /// More of `--override`.
    pub overrides: Vec<String>,
    /// Partitions of the topic that is produced to.
    pub partitions: usize,
}

/// A running broker, killed and cleaned up when dropped.
pub struct Broker {
    child: Child,
    directory: PathBuf,
    address: SocketAddr,
}

impl Broker {
    /// Starts one with a new data directory and a topic of so many partitions.
    pub fn start(settings: &Settings) -> Result<Broker> {
        let directory = settings
            .directory
            .join(format!("perf-broker-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let said = directory.join("stderr");
        let mut command = Command::new(&settings.binary);
        command.arg("serve");
        let data = format!("log.dirs={}", directory.join("data").display());
        let fixed = ["listeners=PLAINTEXT://127.0.0.1:0", "num.shards=1", &data];
        let more = settings.overrides.iter().map(String::as_str);
        for property in fixed.into_iter().chain(more) {
            command.args(["--override", property]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&said)?);
        let core = settings.core;
        // SAFETY: sched_setaffinity(2) may be called between fork and exec.
        unsafe { command.pre_exec(move || pin(core)) };
        let child = command.spawn().map_err(|error| {
            let binary = settings.binary.display();
            Error::new(error.kind(), format!("{binary}: {error}"))
        })?;
        let mut broker = Broker {
            child,
            directory,
            address: ([127, 0, 0, 1], 0).into(),
        };
        broker.address = broker.wait_until_ready(&said)?;
        broker.create_topic(settings.partitions)?;
        Ok(broker)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Processor time that it has used.
    fn used(&self) -> Result<Duration> {
        let mut clock = 0;
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: both are valid and filled by the calls.
        let result = unsafe {
            match libc::clock_getcpuclockid(self.child.id() as libc::pid_t, &mut clock) {
                0 => libc::clock_gettime(clock, &mut time),
                error => return Err(Error::from_raw_os_error(error)),
            }
        };
        match result {
            0 => Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32)),
            _ => Err(Error::last_os_error()),
        }
    }

    fn wait_until_ready(&mut self, said: &Path) -> Result<SocketAddr> {
        let began = Instant::now();
        while began.elapsed() < START_MAX {
            let text = std::fs::read_to_string(said)?;
            if let Some(status) = self.child.try_wait()? {
                return Err(Error::other(format!("the broker ended, {status}: {text}")));
            }
            let listening = text.split("listening on ").nth(1);
            if let Some(rest) = listening
                && text.contains("the broker is ready")
            {
                let address = rest.split_whitespace().next().unwrap_or_default();
                return address.parse().map_err(Error::other);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(Error::new(ErrorKind::TimedOut, "the broker did not start"))
    }

    fn create_topic(&self, partitions: usize) -> Result<()> {
        let mut body = 1i32.to_be_bytes().to_vec();
        put_string(&mut body, TOPIC);
        body.extend((partitions as i32).to_be_bytes());
        body.extend(1i16.to_be_bytes()); // replicas
        body.extend([0; 8]); // no assignment, no configuration
        body.extend(30_000i32.to_be_bytes());
        body.push(0); // not only validated
        let answer = self.ask(&frame(CREATE_TOPICS, &body))?;
        // Correlation id, throttle time, count, name, then the error.
        match answer.get(12 + 2 + TOPIC.len()..12 + 4 + TOPIC.len()) {
            Some([0, 0]) => Ok(()),
            error => Err(Error::other(format!("creating a topic: error {error:?}"))),
        }
    }

    /// One request on a connection of its own, and its answer without the length.
    pub fn ask(&self, request: &[u8]) -> Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(request)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn pin(core: CoreId) -> Result<()> {
    // SAFETY: all-zero bytes are the empty set; the call reads it.
    let result = unsafe {
        let mut cores: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core.id, &mut cores);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cores)
    };
    match result {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}

/// What a broker is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Load {
    Produce,
    Fetch,
}

/// A broker under one load.
pub struct Contestant {
    name: String,
    load: Load,
    settings: Settings,
    shape: Shape,
    running: Option<(Broker, Duration)>,
}

impl Contestant {
    /// Record sets in, acks=1.
    pub fn produce(settings: Settings, shape: Shape) -> Contestant {
        Contestant::new(Load::Produce, "produce", settings, shape)
    }

    /// Slices of a hot log out, each one record set.
    pub fn fetch(settings: Settings, shape: Shape) -> Contestant {
        Contestant::new(Load::Fetch, "fetch", settings, shape)
    }

    fn new(load: Load, name: &str, settings: Settings, shape: Shape) -> Contestant {
        Contestant {
            name: format!("broker {name} {}K", shape.set_bytes >> 10),
            load,
            settings,
            shape,
            running: None,
        }
    }

    /// The running broker.
    pub fn broker(&self) -> &Broker {
        &self.running.as_ref().expect("it was started").0
    }
}

impl Contender for Contestant {
    fn name(&self) -> &str {
        &self.name
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn start(&mut self, _bytes: u64, _connections: usize) -> Result<SocketAddr> {
        let mut settings = self.settings.clone();
        if self.load == Load::Fetch {
            settings.partitions = 1;
        }
        let broker = Broker::start(&settings)?;
        if self.load == Load::Fetch {
            let request = produce(0, &batch(self.shape.set_bytes));
            for _ in 0..self.shape.fetched_sets() {
                if !is_produced(&broker.ask(&request)?) {
                    return Err(Error::other("the log could not be filled"));
                }
            }
        }
        let (address, used) = (broker.address(), broker.used()?);
        self.running = Some((broker, used));
        Ok(address)
    }

    fn requests(&self) -> Vec<Vec<u8>> {
        let set_bytes = self.shape.set_bytes;
        match self.load {
            Load::Produce => {
                let batch = batch(set_bytes);
                let partitions = 0..self.settings.partitions as i32;
                partitions.map(|it| produce(it, &batch)).collect()
            }
            Load::Fetch => (0..self.shape.fetched_sets() as i64)
                .map(|offset| fetch(0, offset, set_bytes))
                .collect(),
        }
    }

    fn accepts(&self, start: &[u8], length: usize) -> bool {
        match self.load {
            Load::Produce => is_produced(start),
            Load::Fetch => is_fetched(start) && length >= self.shape.set_bytes,
        }
    }

    fn finish(&mut self) -> Result<Duration> {
        let (broker, before) = self.running.take().expect("finished once, after its start");
        Ok(broker.used()? - before)
    }
}

/// A Produce request of one record set, its length in front.
pub fn produce(partition: i32, batch: &[u8]) -> Vec<u8> {
    let mut body = (-1i16).to_be_bytes().to_vec(); // no transaction
    body.extend(1i16.to_be_bytes()); // acks
    body.extend(30_000i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    put_string(&mut body, TOPIC);
    body.extend(1i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend((batch.len() as i32).to_be_bytes());
    body.extend(batch);
    frame(PRODUCE, &body)
}

/// A Fetch request of at most `bytes` from `offset` on, its length in front.
pub fn fetch(partition: i32, offset: i64, bytes: usize) -> Vec<u8> {
    let mut body = (-1i32).to_be_bytes().to_vec(); // not a replica
    body.extend(500i32.to_be_bytes()); // longest wait, ms
    body.extend(1i32.to_be_bytes()); // least bytes
    body.extend(i32::MAX.to_be_bytes()); // most bytes
    body.push(0); // read uncommitted
    body.extend(1i32.to_be_bytes());
    put_string(&mut body, TOPIC);
    body.extend(1i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend(offset.to_be_bytes());
    body.extend((bytes as i32).to_be_bytes());
    frame(FETCH, &body)
}

/// Whether the answer to a Produce says that the set was taken.
pub fn is_produced(answer: &[u8]) -> bool {
    // Correlation id, counts of topics and partitions around the name, partition, error.
    let error = 4 + 4 + 2 + TOPIC.len() + 4 + 4;
    answer.get(error..error + 2) == Some(&[0, 0])
}

/// Whether the answer to a Fetch brings records and no error.
fn is_fetched(answer: &[u8]) -> bool {
    let error = RECORDS_AT - 4 - 4 - 8 - 8 - 2;
    answer.get(error..error + 2) == Some(&[0, 0])
}

/// Where the records of a Fetch answer begin: behind correlation id, throttle time, counts around the
/// name, partition, error, high watermark, last stable offset, aborted transactions, length.
pub const RECORDS_AT: usize = 8 + 4 + 2 + TOPIC.len() + 4 + 4 + 2 + 8 + 8 + 4 + 4;

fn frame((api, version): (i16, i16), body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend(api.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(0i32.to_be_bytes()); // correlation id: one request at a time
    put_string(&mut frame, CLIENT);
    frame.extend(body);
    let length = (frame.len() - 4) as u32;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

fn put_string(into: &mut Vec<u8>, text: &str) {
    into.extend((text.len() as i16).to_be_bytes());
    into.extend(text.as_bytes());
}

/// Bytes of a batch before its records.
const BATCH_HEADER_BYTES: usize = 61;
/// Where the bytes begin that its CRC covers.
const BATCH_CRC_START: usize = 21;

/// One batch of exactly `size` bytes with one record.
pub fn batch(size: usize) -> Vec<u8> {
    // The lengths of the record and of its value are varints of three or four bytes each.
    let value_bytes = (1..=24)
        .map(|less| size - BATCH_HEADER_BYTES - less)
        .find(|value_bytes| BATCH_HEADER_BYTES + record(*value_bytes).len() == size)
        .expect("sizes from 16 KiB on");
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64);
    let mut checked = 0i16.to_be_bytes().to_vec(); // attributes
    checked.extend(0i32.to_be_bytes()); // last offset delta
    checked.extend(now_ms.to_be_bytes());
    checked.extend(now_ms.to_be_bytes());
    checked.extend((-1i64).to_be_bytes()); // producer id
    checked.extend((-1i16).to_be_bytes()); // its epoch
    checked.extend((-1i32).to_be_bytes()); // sequence
    checked.extend(1i32.to_be_bytes()); // records
    checked.extend(record(value_bytes));
    let mut batch = 0i64.to_be_bytes().to_vec(); // base offset
    batch.extend((4 + 1 + 4 + checked.len() as i32).to_be_bytes());
    batch.extend((-1i32).to_be_bytes()); // leader epoch
    batch.push(2); // magic
    batch.extend(crate::bare::crc(&checked).to_be_bytes());
    batch.extend(checked);
    assert_eq!(batch.len(), size);
    batch
}

/// A record without key and headers.
fn record(value_bytes: usize) -> Vec<u8> {
    let mut rest = vec![0]; // attributes
    put_varint(&mut rest, 0); // timestamp delta
    put_varint(&mut rest, 0); // offset delta
    put_varint(&mut rest, -1); // no key
    put_varint(&mut rest, value_bytes as i64);
    rest.extend((0..value_bytes).map(|at| (at * 31 + at / 251) as u8));
    put_varint(&mut rest, 0); // headers
    let mut record = Vec::with_capacity(rest.len() + 5);
    put_varint(&mut record, rest.len() as i64);
    record.extend(rest);
    record
}

/// Zigzag, seven bits a byte, lowest first.
fn put_varint(into: &mut Vec<u8>, number: i64) {
    let mut left = ((number << 1) ^ (number >> 63)) as u64;
    while left > 0x7f {
        into.push(left as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}

/// Whether `got` is the batch `sent` at `offset`, byte by byte and by its CRC.
pub fn is_same_batch(got: &[u8], sent: &[u8], offset: i64) -> bool {
    let crc = |batch: &[u8]| crate::bare::crc(&batch[BATCH_CRC_START..]).to_be_bytes();
    // A broker sets base offset and leader epoch, which lie outside the CRC.
    got.len() == sent.len()
        && got[..8] == offset.to_be_bytes()
        && got[8..12] == sent[8..12]
        && got[16..] == sent[16..]
        && got[BATCH_CRC_START - 4..BATCH_CRC_START] == crc(got)
}
