//! The checks on machines that do not exist, and tuning.md against what it must explain.

use super::finding::Unknown;
use super::machine::Machine;
use super::*;
use crate::config::PROPERTIES;
use crate::io::Space;
use std::collections::{BTreeMap, BTreeSet};

/// A machine made of texts.
#[derive(Clone, Default)]
struct Fake {
    files: BTreeMap<String, String>,
    ethtool: BTreeMap<String, String>,
    space: Option<(u64, u64)>,
}

impl Machine for Fake {
    fn read(&self, path: &str) -> Result<String, Unknown> {
        let found = self.files.get(path).cloned();
        found.ok_or_else(|| Unknown(format!("{path} cannot be read")))
    }

    fn list(&self, path: &str) -> Vec<String> {
        let inside = self.files.keys().filter_map(|file| {
            file.strip_prefix(path)?
                .strip_prefix('/')?
                .split('/')
                .next()
        });
        let names: BTreeSet<&str> = inside.collect();
        names.into_iter().map(str::to_owned).collect()
    }

    fn space(&self, _: &Path) -> Result<Space, Unknown> {
        match self.space {
            Some((total, usable)) => Ok(Space { total, usable }),
            None => Err(Unknown("no statvfs".into())),
        }
    }

    fn place(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    fn ethtool(&self, option: &str, _: &str) -> Result<String, Unknown> {
        let found = self.ethtool.get(option).cloned();
        found.ok_or_else(|| Unknown("no ethtool".into()))
    }
}

impl Fake {
    fn with(mut self, files: &[(&str, &str)]) -> Fake {
        for (path, text) in files {
            self.files.insert((*path).to_owned(), (*text).to_owned());
        }
        self
    }

    /// What the checks find, for a broker with these settings and its logs under /srv/logs.
    fn lines(&self, settings: &[(&str, &str)]) -> Vec<Line> {
        let settings = [settings, &[("log.dirs", "/srv/logs")]].concat();
        let config = BrokerConfig::of(&settings).unwrap();
        lines(&Asked {
            machine: self,
            config: &config,
        })
    }
}

const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units\n\
    Max open files            1024                 524288               files\n\
    Max locked memory         8388608              8388608              bytes";

/// Four cores, one node, a card with four queues, XFS on a fast disk: nothing to do.
fn good() -> Fake {
    let mut fake = Fake::default().with(&[
        ("/proc/1/comm", "systemd"),
        ("/proc/sys/kernel/osrelease", "6.12.3-amd64"),
        ("/proc/sys/kernel/io_uring_disabled", "0"),
        ("/proc/sys/kernel/numa_balancing", "0"),
        (
            "/proc/self/status",
            "Name:\tmillstream\nUid:\t0\t0\t0\t0\nSeccomp:\t0\nCpus_allowed_list:\t0-3",
        ),
        ("/proc/self/limits", LIMITS),
        (
            "/proc/meminfo",
            "MemAvailable: 8388608 kB\nSwapTotal: 1048576 kB",
        ),
        (
            "/proc/self/mountinfo",
            "1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n2 1 254:0 / /srv rw,noatime shared:1 - xfs /dev/vda rw",
        ),
        ("/proc/sys/vm/dirty_background_bytes", "0"),
        ("/proc/sys/vm/dirty_background_ratio", "10"),
        ("/proc/sys/vm/dirty_bytes", "0"),
        ("/proc/sys/vm/dirty_ratio", "20"),
        ("/proc/sys/vm/dirty_expire_centisecs", "3000"),
        ("/proc/sys/vm/dirty_writeback_centisecs", "500"),
        ("/proc/sys/vm/swappiness", "1"),
        ("/proc/sys/vm/zone_reclaim_mode", "0"),
        (
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "always [madvise] never",
        ),
        (
            "/sys/kernel/mm/transparent_hugepage/defrag",
            "always defer defer+madvise [madvise] never",
        ),
        ("/sys/devices/system/node/online", "0-1"),
        ("/sys/devices/system/cpu/isolated", ""),
        ("/proc/sys/net/core/somaxconn", "4096"),
        ("/proc/sys/net/ipv4/tcp_max_syn_backlog", "1024"),
        ("/proc/sys/net/core/rmem_max", "65536"),
        ("/proc/sys/net/core/wmem_max", "212992"),
        ("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456"),
        ("/proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304"),
        ("/proc/sys/net/core/busy_read", "0"),
        ("/proc/sys/net/core/busy_poll", "0"),
        ("/proc/sys/net/ipv4/tcp_congestion_control", "cubic"),
        ("/proc/sys/net/core/default_qdisc", "fq_codel"),
        ("/proc/sys/net/core/rps_sock_flow_entries", "0"),
        ("/proc/sys/net/ipv4/tcp_slow_start_after_idle", "0"),
        ("/sys/class/net/lo/mtu", "65536"),
        ("/sys/class/net/eth0/speed", "25000"),
        ("/sys/dev/block/254:0/queue/scheduler", "[none] mq-deadline"),
        ("/sys/dev/block/254:0/queue/rotational", "0"),
        ("/sys/dev/block/254:0/queue/read_ahead_kb", "1024"),
        ("/sys/dev/block/254:0/queue/write_cache", "write back"),
    ]);
    for core in 0..4 {
        let sys = "/sys/devices/system/cpu/cpu";
        let queues = "/sys/class/net/eth0/queues";
        let interrupt = 40 + core;
        let [governor, rps, flows, xps, listed, affinity] = [
            format!("{sys}{core}/cpufreq/scaling_governor"),
            format!("{queues}/rx-{core}/rps_cpus"),
            format!("{queues}/rx-{core}/rps_flow_cnt"),
            format!("{queues}/tx-{core}/xps_cpus"),
            format!("/sys/class/net/eth0/device/msi_irqs/{interrupt}"),
            format!("/proc/irq/{interrupt}/effective_affinity_list"),
        ];
        fake = fake.with(&[
            (&governor, "performance"),
            (&rps, "0"),
            (&flows, "0"),
            (&xps, &format!("{:x}", 1 << core)),
            (&listed, "msix"),
            (&affinity, &core.to_string()),
        ]);
    }
    for (option, text) in [
        (
            "-g",
            "Pre-set maximums:\nRX: 1024\nTX: 1024\nCurrent hardware settings:\nRX: 1024\nTX: 1024",
        ),
        ("-c", "Adaptive RX: on  TX: on\nrx-usecs: 8"),
        (
            "-k",
            "rx-checksumming: on\ntx-checksumming: on\ntcp-segmentation-offload: on\ngeneric-segmentation-offload: on\ngeneric-receive-offload: on",
        ),
    ] {
        fake.ethtool.insert(option.into(), text.into());
    }
    fake.space = Some((100 << 30, 60 << 30));
    fake
}

/// The same with everything wrong.
fn bad() -> Fake {
    let mut fake = good();
    for core in 1..4 {
        let queues = "/sys/class/net/eth0/queues";
        fake.files.remove(&format!("{queues}/rx-{core}/rps_cpus"));
        fake.files
            .remove(&format!("{queues}/rx-{core}/rps_flow_cnt"));
        let xps = format!("{queues}/tx-{core}/xps_cpus");
        let affinity = format!("/proc/irq/{}/effective_affinity_list", 40 + core);
        fake = fake.with(&[(&xps, "0"), (&affinity, "0")]);
    }
    let limits = LIMITS.replace("524288", "4096");
    let mut fake = fake.with(&[
        ("/proc/77/comm", "irqbalance"),
        ("/proc/sys/kernel/osrelease", "5.10.0"),
        ("/proc/sys/kernel/io_uring_disabled", "2"),
        ("/proc/sys/kernel/numa_balancing", "1"),
        ("/proc/self/limits", &limits),
        (
            "/proc/self/mountinfo",
            "1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n2 1 254:0 / /srv rw,sync - ext4 /dev/vda rw,barrier=0,discard",
        ),
        ("/proc/sys/vm/dirty_background_ratio", "60"),
        ("/proc/sys/vm/dirty_expire_centisecs", "30000"),
        ("/proc/sys/vm/dirty_writeback_centisecs", "0"),
        ("/proc/sys/vm/swappiness", "60"),
        ("/proc/sys/vm/zone_reclaim_mode", "1"),
        (
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "[always] madvise never",
        ),
        (
            "/sys/kernel/mm/transparent_hugepage/defrag",
            "[always] madvise never",
        ),
        (
            "/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor",
            "powersave",
        ),
        ("/sys/devices/system/cpu/isolated", "2-3"),
        ("/proc/sys/net/core/somaxconn", "16"),
        ("/proc/sys/net/ipv4/tcp_max_syn_backlog", "16"),
        ("/proc/sys/net/core/rmem_max", "4096"),
        ("/proc/sys/net/core/wmem_max", "4096"),
        ("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 262144"),
        ("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 262144"),
        ("/proc/sys/net/core/busy_read", "50"),
        ("/proc/sys/net/core/busy_poll", "50"),
        ("/proc/sys/net/ipv4/tcp_congestion_control", "vegas"),
        ("/proc/sys/net/ipv4/tcp_slow_start_after_idle", "1"),
        ("/sys/class/net/eth0/speed", "1000"),
        ("/sys/dev/block/254:0/queue/scheduler", "none [bfq]"),
        ("/sys/dev/block/254:0/queue/read_ahead_kb", "4"),
        ("/sys/dev/block/254:0/queue/write_cache", "write through"),
    ]);
    for (option, text) in [
        (
            "-g",
            "Pre-set maximums:\nRX: 1024\nTX: 1024\nCurrent hardware settings:\nRX: 256\nTX: 1024",
        ),
        ("-c", "Adaptive RX: off  TX: off\nrx-usecs: 0"),
        (
            "-k",
            "tcp-segmentation-offload: off\ngeneric-receive-offload: off [fixed]",
        ),
    ] {
        fake.ethtool.insert(option.into(), text.into());
    }
    fake.space = Some((100 << 30, 2 << 30));
    fake
}

const BAD_SETTINGS: &[(&str, &str)] = &[
    ("num.shards", "8"),
    ("log.append.mode", "uring"),
    ("socket.receive.buffer.bytes", "1000000"),
    ("socket.send.buffer.bytes", "1000000"),
];

fn of<'a>(lines: &'a [Line], id: &str) -> Vec<&'a Finding> {
    let found = lines.iter().filter(|(check, _)| check.id == id);
    found.map(|(_, finding)| finding).collect()
}

#[test]
fn a_good_machine_has_nothing_to_do() {
    let lines = good().lines(&[("num.shards", "4")]);
    for (check, finding) in &lines {
        assert_eq!(finding.status, Status::Ok, "{}: {finding:?}", check.id);
        assert!(!finding.now.is_empty() && !finding.wanted.is_empty());
        assert!(finding.commands().is_empty() && finding.say.is_empty());
    }
    assert_eq!(lines.len(), CHECKS.len(), "one card, one directory");
}

#[test]
fn every_check_advises_on_a_bad_machine_and_says_what_to_do() {
    let lines = bad().lines(BAD_SETTINGS);
    for check in CHECKS {
        let id = check.id;
        let findings = of(&lines, id);
        let [finding] = findings[..] else {
            panic!("{id}: {findings:?}");
        };
        match id {
            // Only its owner knows whether the device keeps what it was told.
            "disk.write_cache" => assert_eq!(finding.status, Status::Unknown),
            // Nothing paces here: see the test of bbr.
            "net.core.default_qdisc" => assert_eq!(finding.status, Status::Ok),
            _ => {
                assert_eq!(finding.status, Status::Advice, "{id}: {finding:?}");
                assert!(finding.say.ends_with('.'), "{id}: {}", finding.say);
                let is_told = !finding.commands().is_empty();
                assert!(is_told || id == "kernel.osrelease", "{id}");
            }
        }
    }
}

#[test]
fn bbr_wants_fq() {
    let bbr = good().with(&[("/proc/sys/net/ipv4/tcp_congestion_control", "bbr")]);
    let lines = bbr.lines(&[]);
    assert_eq!(
        of(&lines, "net.core.default_qdisc")[0].commands(),
        [
            "sysctl -w net.core.default_qdisc='fq'",
            "tc qdisc replace dev eth0 root fq"
        ]
    );
    let fq = bbr.with(&[("/proc/sys/net/core/default_qdisc", "fq")]);
    let lines = fq.lines(&[]);
    assert_eq!(of(&lines, "net.core.default_qdisc")[0].status, Status::Ok);
}

#[test]
fn after_the_changes_no_change_is_left() {
    let mut fake = bad();
    let before = fake.lines(BAD_SETTINGS);
    let changes = before.iter().flat_map(|(_, finding)| &finding.changes);
    let changes: Vec<_> = changes.cloned().collect();
    assert!(changes.len() > 20, "{changes:?}");
    for change in changes {
        assert!(fake.files.contains_key(&change.path), "{change:?}");
        fake.files.insert(change.path, change.value);
    }
    for (check, finding) in fake.lines(BAD_SETTINGS) {
        assert!(finding.changes.is_empty(), "{}: {finding:?}", check.id);
    }
}

#[test]
fn interrupts_leave_the_shards_cores_when_others_are_free() {
    let lines = good().lines(&[("num.shards", "2")]);
    assert_eq!(
        of(&lines, "irq.affinity")[0].commands(),
        [
            "echo 2 > /proc/irq/40/smp_affinity_list",
            "echo 3 > /proc/irq/41/smp_affinity_list"
        ]
    );
}

#[test]
fn a_directory_is_judged_by_the_mount_that_holds_it() {
    let lines = good().lines(&[("metadata.log.dir", "/var/meta")]);
    let found = of(&lines, "fs.type");
    assert_eq!(
        (found[0].subject.as_str(), found[0].now.as_str()),
        ("/srv/logs", "xfs")
    );
    assert_eq!(
        (found[1].subject.as_str(), found[1].now.as_str()),
        ("/var/meta", "ext4")
    );
}

#[test]
fn costly_mount_options_are_taken_back_by_one_remount() {
    let lines = bad().lines(&[]);
    assert_eq!(
        of(&lines, "fs.options")[0].commands(),
        ["mount -o remount,async,barrier=1,nodiscard,noatime /srv"]
    );
}

#[test]
fn a_seccomp_filter_leaves_io_uring_unknown() {
    let status = "Uid: 0 0 0 0\nSeccomp:\t2\nCpus_allowed_list: 0";
    let lines = good().with(&[("/proc/self/status", status)]).lines(&[]);
    let finding = of(&lines, "kernel.io_uring_disabled")[0];
    assert_eq!(finding.status, Status::Unknown);
    assert!(finding.say.contains("seccomp"));
}

#[test]
fn what_cannot_be_read_is_unknown_and_says_why() {
    for (check, finding) in Fake::default().lines(&[]) {
        match check.id {
            // Known without the machine.
            "log.append.mode" => assert_eq!(finding.status, Status::Ok),
            id => {
                assert_eq!(finding.status, Status::Unknown, "{id}: {finding:?}");
                assert!(!finding.say.is_empty(), "{id}");
            }
        }
    }
}

#[test]
fn garbage_never_panics() {
    const GARBAGE: &[&str] = &[
        "",
        "-",
        "-9223372036854775808",
        "9223372036854775807",
        "99999999999999999999999",
        "[",
        "]é[ \\",
        "0-99999999",
        "MemAvailable: 18446744073709551615 kB\nSwapTotal: 18446744073709551615 kB",
        "Max open files é\nMax locked memory unlimited",
        "1 0 x / \\777 rw - ext4 - ,\n - \n\\ - \\ \\",
        "Uid:\nSeccomp:\nCpus_allowed_list: 8191",
        "Current hardware settings\nRX: 9\nTX:",
    ];
    let machine = good();
    for garbage in GARBAGE {
        let mut all = machine.clone();
        all.files
            .values_mut()
            .for_each(|text| *text = (*garbage).to_owned());
        all.ethtool
            .values_mut()
            .for_each(|text| *text = (*garbage).to_owned());
        all.space = Some((u64::MAX, u64::MAX));
        all.lines(BAD_SETTINGS);
        for path in machine.files.keys() {
            machine.clone().with(&[(path, garbage)]).lines(BAD_SETTINGS);
        }
    }
}

#[test]
fn this_machine_can_be_judged() {
    let config = BrokerConfig::of(&[]).unwrap();
    let machine = Here::new(Path::new("/"));
    let lines = lines(&Asked {
        machine: &machine,
        config: &config,
    });
    let kernel = of(&lines, "kernel.osrelease")[0];
    assert_eq!(kernel.status, Status::Ok, "{kernel:?}");
    let space = of(&lines, "fs.space")[0];
    assert_ne!(space.status, Status::Unknown, "{space:?}");
}

/// The sections of tuning.md by heading.
fn sections() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tuning.md");
    let manual = std::fs::read_to_string(path).unwrap();
    let parts = manual.split("\n### ").skip(1);
    let sections = parts.map(|part| {
        let (heading, text) = part.split_once('\n').expect("text under each heading");
        let text = text.split("\n## ").next().unwrap_or(text);
        (heading.to_owned(), text.to_owned())
    });
    sections.collect()
}

#[test]
fn the_manual_explains_every_check_under_its_heading() {
    let sections = sections();
    for check in CHECKS {
        let Some(text) = sections.get(check.section) else {
            panic!("tuning.md has no heading '### {}'", check.section);
        };
        let name = format!("`{}`", check.id);
        assert!(text.contains(&name), "{}: {name}", check.section);
    }
}

#[test]
fn the_manual_explains_every_property_of_our_own() {
    let ours = PROPERTIES
        .iter()
        .filter(|it| it.doc.starts_with("Millstream:"));
    let ours: Vec<&str> = ours.map(|property| property.name).collect();
    assert!(ours.len() >= 5, "{ours:?}");
    for name in ours {
        let name = format!("`{name}`");
        let under = sections().values().any(|text| text.contains(&name));
        assert!(under, "no section of tuning.md names {name}");
    }
}

#[test]
fn each_section_says_what_when_how_to_check_and_to_what_effect() {
    for (heading, text) in sections() {
        for label in ["*What.*", "*When.*", "*Check.*"] {
            assert!(text.contains(label), "{heading}: {label}");
        }
        let has_effect = text.contains("*Measured.*") || text.contains("*Not measured here.*");
        assert!(has_effect, "{heading}: neither measured nor said why not");
    }
}
