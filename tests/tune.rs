//! `millstream tune`: the real binary on this machine, which it leaves as it is, and with --apply on a
//! directory that looks like a machine.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What `--apply` could change on this machine.
const SETTINGS: &[&str] = &[
    "/proc/sys/vm/dirty_background_bytes",
    "/proc/sys/vm/dirty_background_ratio",
    "/proc/sys/vm/dirty_bytes",
    "/proc/sys/vm/dirty_ratio",
    "/proc/sys/vm/swappiness",
    "/proc/sys/net/core/somaxconn",
    "/proc/sys/net/core/default_qdisc",
    "/proc/sys/net/ipv4/tcp_slow_start_after_idle",
    "/sys/kernel/mm/transparent_hugepage/enabled",
];

#[test]
fn this_machine_is_checked_and_left_as_it_is() {
    let read = || SETTINGS.iter().map(|path| fs::read_to_string(path).ok());
    let before: Vec<_> = read().collect();
    let answer = json(&tune(&["--json"]));
    assert_eq!(read().collect::<Vec<_>>(), before);
    let checks = answer["checks"].as_array().expect("a list of checks");
    assert!(checks.len() > 40);
    for check in checks {
        let status = check["status"].as_str().expect("a status");
        assert!(["ok", "advice", "unknown"].contains(&status), "{check}");
        let must_say = status != "ok";
        assert_eq!(check["say"].is_string(), must_say, "{check}");
    }
    assert_eq!(answer["applied"], Value::Array(Vec::new()));

    let text = String::from_utf8(tune(&[]).stdout).expect("text");
    assert!(text.starts_with("STATUS "), "{text}");
    assert!(text.contains("Nothing was changed"), "{text}");
}

#[test]
fn apply_changes_the_running_kernel_and_says_old_and_new() {
    let machine = Root::new("apply", 0);
    let output = tune(&["--apply", "--json", "--root", machine.path()]);
    let answer = json(&output);
    assert_eq!(machine.read("/proc/sys/vm/swappiness"), "1");
    assert_eq!(
        machine.read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "madvise"
    );
    let applied = answer["applied"].as_array().expect("a list");
    let changed: BTreeMap<&str, (&str, &str)> = applied
        .iter()
        .map(|done| {
            let text = |name: &str| done[name].as_str().expect("text");
            (text("path"), (text("old"), text("new")))
        })
        .collect();
    assert_eq!(
        changed,
        BTreeMap::from([
            ("/proc/sys/vm/swappiness", ("60", "1")),
            (
                "/sys/kernel/mm/transparent_hugepage/enabled",
                ("always", "madvise")
            ),
        ])
    );
    assert!(!Path::new(machine.path()).join("etc").exists());

    let again = tune(&["--apply", "--root", machine.path()]);
    let text = String::from_utf8(again.stdout).expect("text");
    assert!(
        text.starts_with("No setting of the running kernel"),
        "{text}"
    );
}

#[test]
fn apply_tells_people_how_to_keep_it_and_what_is_left_to_them() {
    let machine = Root::new("keep", 0);
    let output = tune(&["--apply", "--root", machine.path()]);
    let text = String::from_utf8(output.stdout).expect("text");
    for line in [
        "vm.swappiness",
        "/etc/sysctl.d/90-millstream.conf:\n    vm.swappiness = 1\n",
        "/etc/tmpfiles.d/millstream.conf:\n    w /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise\n",
        "LimitNOFILE=",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}

#[test]
fn apply_takes_root_and_changes_nothing_without() {
    let machine = Root::new("refused", 1000);
    let output = tune(&["--apply", "--root", machine.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("takes root"), "{error}");
    assert_eq!(machine.read("/proc/sys/vm/swappiness"), "60");
}

#[test]
fn a_setting_that_cannot_be_written_fails_the_command_and_is_named() {
    let machine = Root::new("failing", 0);
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    let inside = Path::new(machine.path()).join(&path[1..]);
    fs::remove_file(&inside).expect("it was there");
    // Nobody can write this one, not even root.
    std::os::unix::fs::symlink("/proc/sys/kernel/ostype", &inside).expect("a link");
    let output = tune(&["--apply", "--json", "--root", machine.path()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("1 of 2 settings could not"), "{error}");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let applied = answer["applied"].as_array().expect("a list");
    let failed = applied.iter().find(|done| done["path"] == path);
    let failed = failed.expect("it was tried");
    assert!(failed["error"].is_string() && failed["new"].is_null());
    assert_eq!(machine.read("/proc/sys/vm/swappiness"), "1");
}

#[test]
fn a_configuration_that_cannot_be_served_is_refused() {
    let machine = Root::new("config", 0);
    let file = Path::new(machine.path()).join("server.properties");
    fs::write(&file, "num.shards=one\n").expect("a file");
    let output = tune(&["--config", file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("server.properties:1: num.shards"), "{error}");
}

fn tune(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_millstream"))
        .arg("tune")
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A directory with a few of a machine's files, gone at the end.
struct Root(PathBuf);

impl Root {
    fn new(name: &str, user: u32) -> Root {
        let name = format!("millstream-tune-{name}-{}", std::process::id());
        let root = Root(std::env::temp_dir().join(name));
        let status =
            format!("Uid:\t{user}\t{user}\t{user}\t{user}\nSeccomp:\t0\nCpus_allowed_list:\t0\n");
        for (path, text) in [
            ("/proc/self/status", status.as_str()),
            (
                "/proc/self/limits",
                "Max open files  1024  4096  files\nMax locked memory  0  0  bytes\n",
            ),
            ("/proc/meminfo", "SwapTotal: 1048576 kB\n"),
            ("/proc/sys/vm/swappiness", "60\n"),
            (
                "/sys/kernel/mm/transparent_hugepage/enabled",
                "[always] madvise never\n",
            ),
        ] {
            let path = root.0.join(&path[1..]);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        root
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("text")
    }

    fn read(&self, path: &str) -> String {
        let text = fs::read_to_string(self.0.join(&path[1..])).expect("a file");
        text.trim().to_owned()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
