//! Apache Kafka 4.2, from Maven Central's jars, as `kafka-server-start.sh` would run it.

use super::{Process, Running};
use crate::admin::Admin;
use core_affinity::CoreId;
use std::io::{Error, Result};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What it is started with, said in the report. The heap and the collector's settings are those of
/// Kafka's own scripts (`kafka-server-start.sh`, `kafka-run-class.sh`).
pub const KAFKA_SETTINGS: [&str; 9] = [
    "-server",
    "-Xms1g",
    "-Xmx1g",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
];

/// Added to its sample configuration (combined roles, 3 network and 8 I/O threads) where it is paused while
/// others run: it must not be taken for dead because of that. One that was killed is taken for alive as long,
/// and its next start refused.
const IS_PAUSED: &str = "broker.session.timeout.ms=3600000\n";

/// How long it may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(180);

/// Kafka's jars, and how it is started.
pub struct Kafka {
    root: PathBuf,
    jars: PathBuf,
    /// Where it may run, if not everywhere.
    core: Option<CoreId>,
}

impl Kafka {
    /// Fetches the jars, pinned by their hashes, as the tests with clients do. It will run on `core`, or on
    /// all.
    pub fn fetch(root: &Path, core: Option<CoreId>) -> Result<Kafka> {
        let cache = match std::env::var_os("CACHE") {
            Some(cache) => PathBuf::from(cache),
            None => root.join("target/clients"),
        };
        let setup = root.join("tests/clients/setup.sh");
        let status = Command::new(&setup)
            .arg("java")
            .env("CACHE", &cache)
            .status()?;
        if !status.success() {
            return Err(Error::other(format!("{}: {status}", setup.display())));
        }
        Ok(Kafka {
            root: root.to_owned(),
            jars: cache.join("jars"),
            core,
        })
    }

    /// Starts it with its data in `directory`, to be paused at times, and waits until it answers.
    pub fn start(&self, directory: &Path) -> Result<Running> {
        let (address, mut process) = self.begin(directory, IS_PAUSED)?;
        wait_until_it_answers(&mut process, address)?;
        Ok(Running {
            address,
            process: Some(process),
        })
    }

    /// Starts it and waits for nothing. A directory that is new is formatted first, and its configuration is
    /// made with these `properties`.
    pub fn begin(&self, directory: &Path, properties: &str) -> Result<(SocketAddr, Process)> {
        let file = directory.join("server.properties");
        let port_file = directory.join("port");
        if !file.exists() {
            let (port, controller) = (free_port()?, free_port()?);
            let template = self.root.join("tests/clients/java/server.properties");
            let mut text = std::fs::read_to_string(template)?
                .replace("@DIR@", &directory.display().to_string())
                .replace("@PORT@", &port.to_string())
                .replace("@CONTROLLER@", &controller.to_string());
            text.push_str(properties);
            std::fs::create_dir_all(directory.join("data"))?;
            std::fs::write(&file, text)?;
            std::fs::write(&port_file, port.to_string())?;
            self.format(&file)?;
        }
        let port: u16 = std::fs::read_to_string(&port_file)?
            .parse()
            .map_err(Error::other)?;
        let mut command = Command::new("java");
        command
            .args(KAFKA_SETTINGS)
            .arg("-Xlog:disable")
            .arg("-Xlog:all=error:stderr");
        let log4j = self.root.join("tests/clients/java/log4j2.xml");
        command.arg(format!("-Dlog4j2.configurationFile={}", log4j.display()));
        command
            .arg("-cp")
            .arg(self.jars.join("*"))
            .arg("kafka.Kafka")
            .arg(&file);
        let process = Process::start(command, self.core, &directory.join("broker.log"))?;
        Ok((SocketAddr::from(([127, 0, 0, 1], port)), process))
    }

    fn format(&self, properties: &Path) -> Result<()> {
        let tool = |arguments: &[&str]| {
            let mut command = Command::new("java");
            command.args(["-Xmx256m", "-XX:+UseSerialGC", "-Xlog:disable", "-cp"]);
            command
                .arg(self.jars.join("*"))
                .arg("kafka.tools.StorageTool");
            command.args(arguments).output()
        };
        let id = tool(&["random-uuid"])?;
        let id = String::from_utf8_lossy(&id.stdout).trim().to_owned();
        let path = properties.display().to_string();
        let done = tool(&["format", "--standalone", "-t", &id, "-c", &path])?;
        match done.status.success() {
            true => Ok(()),
            false => Err(Error::other(
                String::from_utf8_lossy(&done.stderr).into_owned(),
            )),
        }
    }

    /// How it runs, in a line.
    pub fn describe(&self) -> String {
        let cores = match self.core {
            Some(core) => format!("core {}", core.id),
            None => "all cores".to_owned(),
        };
        format!(
            "4.2.0, {}, `{}`, its sample server.properties, on {cores}",
            Kafka::java_version(),
            KAFKA_SETTINGS.join(" ")
        )
    }

    /// What the Java that runs it says of itself.
    fn java_version() -> String {
        let output = Command::new("java").arg("-version").output();
        output.map_or_else(
            |_| String::new(),
            |it| {
                let said = String::from_utf8_lossy(&it.stderr);
                said.lines().nth(1).unwrap_or_default().to_owned()
            },
        )
    }
}

fn wait_until_it_answers(process: &mut Process, address: SocketAddr) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < READY_WITHIN {
        let answer = Admin::connect(address).and_then(|mut it| it.partitions("none"));
        if answer.is_ok() {
            return Ok(());
        }
        process.check()?;
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(Error::other("Kafka does not answer"))
}

/// A port that is free just now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
