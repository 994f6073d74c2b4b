//! `millstream log dump|verify`: the files that a broker left behind, whole and damaged.

use crate::broker::{BINARY, Broker, Directory};
use crate::command_line::{Ran, run_at};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory with a log of two batches, written by a broker that has stopped.
struct Files {
    directory: Directory,
    segment: PathBuf,
}

fn files() -> Files {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    let at = |arguments: &str, input: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        run_at(&broker, &arguments, input.as_bytes()).ok()
    };
    at(
        "topics create t -p 1 -c retention.ms=-1 -c index.interval.bytes=0",
        "",
    );
    let lines = r#"{"key":"k","value":"v","timestamp":1700000000000,"headers":{"h":"x"}}
{"value":null,"timestamp":1700000001000}
"#;
    at("produce t --input json -z zstd", lines);
    let line = r#"{"value_base64":"/w==","timestamp":1700000002000}"#;
    at("produce t --input json --acks 1", line);
    broker.stop();
    let segment = directory.data().join("t-0/00000000000000000000.log");
    Files { directory, segment }
}

fn offline(arguments: &[&str], paths: &[&Path]) -> Ran {
    let output = Command::new(BINARY)
        .arg("log")
        .args(arguments)
        .args(paths)
        .output()
        .expect("the binary runs");
    Ran::of(output)
}

/// Changes one byte.
fn damage(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_log_is_shown_with_its_records() {
    let files = files();
    let shown = offline(&["dump", "-r"], &[&files.segment]).ok();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], files.segment.display().to_string());
    let size = fs::metadata(&files.segment).unwrap().len() - 69;
    assert!(
        lines[1].starts_with(&format!(
            "batch 0-1 at 0 bytes {size} records 2 epoch 0 codec zstd time 2023-11-14T22:13:21.000Z producer "
        )) && lines[1].ends_with(" epoch 0 sequence 0-1 crc ok"),
        "{shown}"
    );
    assert_eq!(
        lines[2..],
        [
            "  0 2023-11-14T22:13:20.000Z key \"k\" value \"v\" header \"h\"=\"x\"",
            "  1 2023-11-14T22:13:21.000Z key null value null",
            &format!(
                "batch 2-2 at {size} bytes 69 records 1 epoch 0 codec none time 2023-11-14T22:13:22.000Z crc ok"
            ),
            "  2 2023-11-14T22:13:22.000Z key null value 0xff",
        ]
    );
    let json = offline(&["dump", "--records", "--json"], &[&files.segment]).ok();
    let objects: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object per line"))
        .collect();
    let kinds: Vec<&str> = objects
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["file", "batch", "record", "record", "batch", "record"]
    );
    assert_eq!(objects[2]["headers"][0]["value"], "x");
    assert_eq!(objects[5]["value_base64"], "/w==");
}

#[test]
fn a_whole_directory_is_shown_with_indexes_checkpoints_and_metadata() {
    let files = files();
    let shown = offline(&["dump"], &[&files.directory.data()]).ok();
    for part in [
        // The second batch is the first for which an index entry is due.
        "/t-0/00000000000000000000.index\n  2 at ",
        "/t-0/00000000000000000000.timeindex\n  2023-11-14T22:13:22.000Z up to 2\n",
        "/t-0/00000000000000000003.snapshot\n  producer ",
        "/t-0/leader-epoch-checkpoint\n  epoch 0 from 0\n",
        "/t-0/partition.metadata\n  topic id ",
        "/recovery-point-offset-checkpoint\n  t-0 3\n",
        "/meta.properties\n",
        "LeaderChange",
        "Topic(TopicRecord { name: \"t\", topic_id: Uuid(",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in\n{shown}");
    }
}

#[test]
fn a_log_that_is_whole_is_well() {
    let files = files();
    let said = offline(&["verify"], &[&files.directory.data().join("t-0")]).ok();
    let size = fs::metadata(&files.segment).unwrap().len();
    assert_eq!(
        said,
        format!("partitions 1, segments 1, batches 2, records 3, bytes {size}: all is well\n")
    );
    let said = offline(&["verify"], &[&files.directory.data()]).ok();
    assert!(
        said.starts_with("partitions 2, ") && said.ends_with(": all is well\n"),
        "{said}"
    );
}

#[test]
fn what_is_damaged_is_told_and_the_exit_code_is_1() {
    let files = files();
    let data = files.directory.data();
    let broken = |what: &str| {
        let ran = offline(&["verify"], &[&data]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.err
                .starts_with("millstream: the log is damaged; keep a copy"),
            "{ran:?}"
        );
        assert!(ran.out.contains(what), "{what:?} is missing in {ran:?}");
    };
    let sound = fs::read(&files.segment).unwrap();
    let last = sound.len() - 69;

    damage(&files.segment, sound.len() - 1);
    broken(&format!(
        "/t-0/00000000000000000000.log: the batch of offset 2 at {last}: the CRC is "
    ));
    fs::write(&files.segment, &sound[..sound.len() - 5]).unwrap();
    broken(&format!(
        "the last 64 bytes, at {last}, are a batch that is cut off"
    ));
    broken("recovery-point-offset-checkpoint: t-0 is at 3, its log ends at 2");
    fs::write(&files.segment, [&sound[..], &[0; 100]].concat()).unwrap();
    broken(&format!(
        "the last 100 bytes, at {}, are zeros",
        sound.len()
    ));
    // The second batch again: its offset has been before.
    fs::write(&files.segment, [&sound[..], &sound[last..]].concat()).unwrap();
    broken(&format!(
        "the batch of offset 2 at {}: the log has come to 3 before",
        sound.len()
    ));
    fs::write(&files.segment, &sound).unwrap();

    let index = data.join("t-0/00000000000000000000.index");
    let sound = fs::read(&index).unwrap();
    damage(&index, 7);
    broken("/t-0/00000000000000000000.index: the entry of offset 2 points at ");
    fs::write(&index, sound).unwrap();

    let times = data.join("t-0/00000000000000000000.timeindex");
    let sound = fs::read(&times).unwrap();
    damage(&times, sound.len() - 5);
    broken("/t-0/00000000000000000000.timeindex: the entry of offset 2 says ");
    fs::write(&times, sound).unwrap();

    let snapshot = data.join("t-0/00000000000000000003.snapshot");
    let sound = fs::read(&snapshot).unwrap();
    damage(&snapshot, 12);
    broken("00000000000000000003.snapshot: damaged");
    fs::write(&snapshot, sound).unwrap();

    offline(&["verify"], &[&data]).ok();
}

#[test]
fn what_is_no_log_is_refused() {
    let directory = Directory::new();
    let said = offline(&["verify"], &[directory.path()]).failed(1);
    assert!(
        said.contains("there is no log in it; give a directory of log.dirs"),
        "{said}"
    );
    let notes = directory.path().join("notes.txt");
    fs::write(&notes, "hello").unwrap();
    let said = offline(&["dump"], &[&notes]).failed(1);
    assert!(said.contains("no file of a log has such a name"), "{said}");
    offline(&["dump"], &[]).failed(2);
    // Any bytes under a log's name give words, never a panic.
    let log = directory.path().join("00000000000000000000.log");
    fs::write(&log, [0xa5; 1000]).unwrap();
    let said = offline(&["dump"], &[&log]).ok();
    assert!(said.ends_with("  1000 bytes at 0: no batch\n"), "{said}");
    assert_eq!(offline(&["verify"], &[&log]).code, 1);
}

#[test]
fn shells_get_their_completion() {
    for (shell, sign) in [
        ("bash", "complete -F _millstream"),
        ("zsh", "#compdef millstream"),
        ("fish", "complete -c millstream"),
    ] {
        let output = Command::new(BINARY)
            .args(["completion", shell])
            .output()
            .unwrap();
        let script = Ran::of(output).ok();
        for word in [sign, "produce", "delete-records", "bootstrap-server"] {
            assert!(script.contains(word), "{shell}: {word} is missing");
        }
    }
    let check = "source <(\"$0\" completion bash); COMP_WORDS=(millstream to); COMP_CWORD=1; \
                 _millstream millstream to millstream; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["-c", check, BINARY])
        .output()
        .unwrap();
    assert_eq!(Ran::of(output).ok(), "topics\n");
}
