//! A broker for a test: the real binary on a free port of the loopback address, in a directory of
//! its own.

use crate::client::Client;
use crate::members::HASTY;
use millstream::types::{PartitionIndex, Uuid};
use millstream::wire::{
    CreateTopic, CreateTopicConfig, CreateTopicsRequest, CreateTopicsResponse, ErrorCode,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_millstream");

/// How long a start or a stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A topic as the tests name it.
#[derive(Clone, Debug)]
pub struct Topic {
    pub name: String,
    pub id: Uuid,
}

/// A running broker. Dropped, it is killed; its directory goes with [`Directory`].
pub struct Broker {
    child: Child,
    port: u16,
    directory: PathBuf,
}

/// A directory that is removed when dropped.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("api-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("the directory for tests is writable");
        Directory(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the broker keeps its data.
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed stays for whoever looks into target/tmp.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The broker that tests share: four shards, two partitions by default, everything else as it comes.
pub fn shared() -> &'static Broker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    SHARED.get_or_init(|| lasting(&["num.shards=4", "num.partitions=2"]))
}

/// The one that the tests of groups share: three shards, and as [`HASTY`] says.
pub fn of_groups() -> &'static Broker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    let fewer = ["num.shards=3", "offsets.topic.num.partitions=7"];
    SHARED.get_or_init(|| lasting(&[&fewer[..], &HASTY].concat()))
}

/// A broker for as long as the tests run.
fn lasting(overrides: &[&str]) -> Broker {
    let directory = Directory::new();
    let broker = Broker::start(&directory, overrides);
    keep(&broker, directory);
    broker
}

/// Statics are never dropped: a shell waits for the end of this process, which closes its stdin, then
/// stops the broker and clears up.
fn keep(broker: &Broker, directory: Directory) {
    let script = "read _; kill -TERM $0; sleep 2; rm -rf \"$1\"";
    let keeper = Command::new("sh")
        .args(["-c", script, &broker.child.id().to_string()])
        .arg(&directory.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("there is a shell");
    std::mem::forget((keeper, directory));
}

impl Broker {
    /// Starts a broker on the directory and waits until it serves.
    ///
    /// Panics with what it said if it does not.
    pub fn start(directory: &Directory, overrides: &[&str]) -> Broker {
        let said = directory.0.join("stderr");
        let log = File::create(&said).expect("the directory is writable");
        let child = command(&directory.data(), overrides)
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        let mut broker = Broker {
            child,
            port: 0,
            directory: directory.0.clone(),
        };
        let deadline = Instant::now() + PATIENCE;
        while !broker.said().contains("the broker is ready") {
            let status = broker.child.try_wait().expect("it is our child");
            assert!(
                status.is_none() && Instant::now() < deadline,
                "the broker does not start ({status:?}):\n{}",
                broker.said()
            );
            sleep(Duration::from_millis(5));
        }
        let said = broker.said();
        let port = said.split("listening on 127.0.0.1:").nth(1);
        let port = port.and_then(|rest| rest.split_whitespace().next());
        broker.port = port.expect("it says where").parse().expect("a port");
        broker
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it answers for its metrics.
    pub fn metrics_port(&self) -> u16 {
        let said = self.said();
        let port = said.split("metrics at http://127.0.0.1:").nth(1);
        let port = port.and_then(|rest| rest.split('/').next());
        port.expect("it says where").parse().expect("a port")
    }

    /// What it has written to stderr so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.directory.join("stderr")).unwrap_or_default()
    }

    /// The memory that it holds.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: u64 = kib
            .and_then(|kib| kib.parse().ok())
            .expect("a number of KiB");
        kib << 10
    }

    /// The directory of a partition.
    pub fn partition(&self, topic: &Topic, index: i32) -> PathBuf {
        let name = format!("{}-{index}", topic.name);
        self.directory.join("data").join(name)
    }

    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// A client that calls itself so.
    pub fn client_named(&self, name: &str) -> Client {
        Client::connect_as(self.port, name)
    }

    /// Asks for a clean stop, which [`Broker::ended`] waits for.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// What Ctrl-C sends.
    pub fn interrupt(&self) {
        self.signal(Signal::SIGINT);
    }

    /// Stops it cleanly.
    pub fn stop(self) {
        self.terminate();
        let status = self.ended();
        assert!(status.success(), "a clean stop ends with {status}");
    }

    /// Ends it as a power cut would, as far as a process can tell.
    pub fn kill(self) {
        self.signal(Signal::SIGKILL);
        self.ended();
    }

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
        ended(&mut self.child, || {
            std::fs::read_to_string(self.directory.join("stderr")).unwrap_or_default()
        })
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32);
        kill(pid, signal).expect("it is our child");
    }

    /// A new topic.
    pub fn topic(&self, name: &str, partitions: i32) -> Topic {
        self.topic_with(name, partitions, &[])
    }

    /// A new topic with settings.
    pub fn topic_with(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Topic {
        let request = CreateTopicsRequest {
            topics: vec![CreateTopic {
                name: name.into(),
                num_partitions: partitions,
                replication_factor: 1,
                configs: configs
                    .iter()
                    .map(|(name, value)| CreateTopicConfig {
                        name: (*name).into(),
                        value: Some((*value).into()),
                    })
                    .collect(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let response: CreateTopicsResponse = self.client().call(7, &request);
        let topic = &response.topics[0];
        assert_eq!(
            topic.error_code,
            ErrorCode::NONE,
            "{name}: {:?}",
            topic.error_message
        );
        Topic {
            name: name.into(),
            id: topic.topic_id,
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the broker said:\n{}", self.said());
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command that serves a data directory on a free port.
pub fn command(data: &Path, overrides: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("serve");
    command.arg("--override");
    command.arg(format!("log.dirs={}", data.display()));
    command.args(["--override", "listeners=PLAINTEXT://127.0.0.1:0"]);
    command.args(["--override", "millstream.metrics.listener=127.0.0.1:0"]);
    for it in overrides {
        command.args(["--override", it]);
    }
    command
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Waits for the end of a process; one that does not end is killed, and the test fails.
pub fn ended(child: &mut Child, said: impl Fn() -> String) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the broker does not end:\n{}", said());
        }
        sleep(Duration::from_millis(5));
    }
}

/// The shard of a partition: what `shard::owner_of` says, for tests that need two of them.
pub fn shard_of(topic: &Topic, index: i32, shards: u16) -> u16 {
    let partition = millstream::types::PartitionId {
        topic: topic.id,
        index: PartitionIndex(index),
    };
    millstream::shard::owner_of(partition, shards).0
}
