//! What the figures were measured on.

use crate::contest::Setup;
use crate::system::Kafka;
use serde::Serialize;
use std::path::Path;
use std::process::Command;

/// A machine, as far as it matters.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// When, `2026-01-31 12:00`.
    pub date: String,
    /// The processor's name, and how many of it this process sees.
    pub processor: String,
    /// Whether a hypervisor says that it is there.
    pub is_virtual: bool,
    /// Memory.
    pub memory: String,
    /// Kernel.
    pub kernel: String,
    /// File system and device of the directory under test.
    pub file_system: String,
    /// Which cores the server and the client run on.
    pub cores: String,
    /// What is set of the kernel that matters here.
    pub settings: Vec<(String, String)>,
    /// The commit of this repository, and whether files differ from it.
    pub commit: String,
    /// How Apache Kafka runs, if it does.
    pub kafka: Option<String>,
    /// How perf was called.
    pub command: String,
}

/// Settings of the kernel that move the figures.
const SETTINGS: [&str; 8] = [
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    "/proc/sys/vm/dirty_background_ratio",
    "/proc/sys/vm/dirty_ratio",
    "/proc/sys/net/core/somaxconn",
    "/proc/sys/net/ipv4/tcp_rmem",
    "/proc/sys/net/ipv4/tcp_wmem",
    "/proc/sys/net/ipv4/tcp_congestion_control",
];

impl Machine {
    /// This one.
    pub fn this(setup: &Setup, kafka: Option<&Kafka>) -> Machine {
        let cpuinfo = text("/proc/cpuinfo");
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split(": ").nth(1))
                .unwrap_or_default()
                .to_owned()
        };
        let memory = text("/proc/meminfo");
        let memory = memory
            .lines()
            .next()
            .and_then(|line| line.split_whitespace().nth(1));
        let kibibytes: u64 = memory.and_then(|it| it.parse().ok()).unwrap_or(0);
        let settings = SETTINGS
            .iter()
            .map(|path| {
                (
                    (*path).to_owned(),
                    text(path).split_whitespace().collect::<Vec<_>>().join(" "),
                )
            })
            .filter(|(_, value)| !value.is_empty());
        let clients: Vec<String> = setup
            .client_cores
            .iter()
            .map(|it| it.id.to_string())
            .collect();
        Machine {
            date: said("date", &["+%F %H:%M"]),
            processor: format!("{} x {}", setup.cores, field("model name")),
            is_virtual: field("flags").split(' ').any(|it| it == "hypervisor"),
            memory: format!("{:.0} GiB", kibibytes as f64 / (1 << 20) as f64),
            kernel: said("uname", &["-sr"]),
            file_system: file_system(&setup.directory),
            cores: format!(
                "server {}, client {}",
                setup.server_core.id,
                clients.join(" ")
            ),
            settings: settings.collect(),
            commit: said("git", &["describe", "--always", "--dirty", "--abbrev=12"]),
            kafka: kafka.map(Kafka::describe),
            command: std::env::args()
                .skip(1)
                .map(shortened)
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    /// A name for a directory: the date and what it is.
    pub fn slug(&self, name: Option<&str>) -> String {
        let date = self.date.split(' ').next().unwrap_or_default();
        let words = match name {
            Some(name) => name.to_owned(),
            None => format!(
                "{} {}",
                self.processor,
                if self.is_virtual { "vm" } else { "" }
            ),
        };
        let words: Vec<String> = words
            .to_lowercase()
            .split(|it: char| !it.is_alphanumeric())
            .filter(|it| {
                !it.is_empty() && !["r", "tm", "cpu", "processor", "core", "x"].contains(it)
            })
            .map(str::to_owned)
            .collect();
        format!("{date}-{}", words.join("-"))
    }
}

/// Of a path its last part: where things lie here means nothing elsewhere.
fn shortened(argument: String) -> String {
    match argument.rsplit_once('/') {
        Some((front, name)) if front.starts_with('/') || front.is_empty() => name.to_owned(),
        _ => argument,
    }
}

fn file_system(directory: &Path) -> String {
    let directory = std::fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let mounts = text("/proc/self/mounts");
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?, words.next()?, words.next()?))
    });
    // The longest mount point above it; of several there, the last one mounted.
    let found = mounts
        .filter(|it| directory.starts_with(it.1))
        .max_by_key(|it| it.1.len());
    found.map_or_else(String::new, |(device, _, kind, options)| {
        format!("{kind} on {device} ({options})")
    })
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// What a program prints; nothing if it is not there.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    output.map_or_else(
        |_| String::new(),
        |it| String::from_utf8_lossy(&it.stdout).trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_name_that_a_directory_can_have() {
        let machine = Machine {
            date: "2026-01-31 12:00".to_owned(),
            processor: "2 x AMD EPYC(tm) 9R45".to_owned(),
            is_virtual: true,
            memory: String::new(),
            kernel: String::new(),
            file_system: String::new(),
            cores: String::new(),
            settings: Vec::new(),
            commit: String::new(),
            kafka: None,
            command: String::new(),
        };
        assert_eq!(machine.slug(None), "2026-01-31-2-amd-epyc-9r45-vm");
        assert_eq!(machine.slug(Some("Big Box")), "2026-01-31-big-box");
    }

    #[test]
    fn a_command_names_no_directories_of_this_machine() {
        let of = |argument: &str| shortened(argument.to_owned());
        assert_eq!(of("/home/me/millstream-before"), "millstream-before");
        assert_eq!(of("perf/runs"), "perf/runs");
        assert_eq!(
            of("--override=log.append.mode=uring"),
            "--override=log.append.mode=uring"
        );
    }

    #[test]
    fn the_file_system_of_the_root_is_known() {
        assert!(file_system(Path::new("/")).contains(" on "));
    }
}
