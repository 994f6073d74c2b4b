//! `millstream topics|cluster|produce|consume`: the real binary as a client of the real broker, with
//! its output as people and programs see it, its exit codes and its errors.

use crate::broker::{BINARY, Broker, shared};
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code().expect("no signal ends it"),
            out: String::from_utf8(output.stdout).expect("the tests print text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Its output; it must have succeeded.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Its error; it must have failed with that code, and shown nothing as a result.
    pub fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:?}");
        self.err
    }
}

pub fn run_at(broker: &Broker, arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(BINARY)
        .args(arguments)
        .env(
            "MILLSTREAM_BOOTSTRAP_SERVER",
            format!("127.0.0.1:{}", broker.port()),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A command that does not read its input may have ended already.
    let _ = stdin.write_all(input);
    drop(stdin);
    Ran::of(child.wait_with_output().expect("it is our child"))
}

/// Runs the command, its words separated by spaces, against the shared broker.
fn run(arguments: &str) -> Ran {
    run_with(arguments, "")
}

fn run_with(arguments: &str, input: &str) -> Ran {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    run_at(shared(), &arguments, input.as_bytes())
}

/// The text with every topic id replaced by "ID".
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() == 22 && millstream::types::Uuid::parse(word).is_some();
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n', '"']) {
        let (bare, end) = word.split_at(word.len() - usize::from(!word.is_empty()));
        match is_id(bare) {
            true => out.extend(["ID", end]),
            false => out.push_str(word),
        }
    }
    out
}

#[test]
fn a_topic_is_created_described_and_deleted() {
    let created =
        run("topics create cli-life -p 2 -c cleanup.policy=compact -c segment.ms=1000000");
    assert_eq!(
        without_ids(&created.ok()),
        "created 'cli-life': partitions 2, replicas 1, id ID\n"
    );
    assert_eq!(
        without_ids(&run("topics describe cli-life").ok()),
        "cli-life  id ID\n\
        \x20 cleanup.policy=compact\n\
        \x20 segment.ms=1000000\n\
        PARTITION  LEADER  EPOCH  REPLICAS  IN-SYNC  OFFLINE\n\
        \x20       0       1      0  1         1        -\n\
        \x20       1       1      0  1         1        -\n"
    );
    let listed = run("topics list").ok();
    let mut lines = listed.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["TOPIC", "PARTITIONS", "REPLICAS", "ID"]
    );
    assert!(lines.any(|line| line.starts_with("cli-life ")), "{listed}");

    let again = run("topics create cli-life").failed(1);
    assert_eq!(
        again,
        "millstream: topic 'cli-life': TOPIC_ALREADY_EXISTS: Topic 'cli-life' already exists; \
         --if-not-exists takes it as it is\n"
    );
    let again = run("topics create cli-life --if-not-exists");
    assert_eq!(again.ok(), "'cli-life' exists\n");

    assert_eq!(run("topics delete cli-life").ok(), "deleted 'cli-life'\n");
    let gone = run("topics delete cli-life").failed(1);
    assert!(
        gone.starts_with("millstream: topic 'cli-life': UNKNOWN_TOPIC_OR_PARTITION"),
        "{gone}"
    );
    let gone = run("topics delete cli-life --if-exists");
    assert_eq!(gone.ok(), "there is no 'cli-life'\n");
    assert_eq!(
        run("topics describe cli-life").failed(1),
        "millstream: there is no topic 'cli-life'; `millstream topics list` shows what there is\n"
    );
}

#[test]
fn programs_get_json() {
    run("topics create cli-json -p 1").ok();
    assert_eq!(
        without_ids(&run("topics describe cli-json --json").ok()),
        r#"{
  "topics": [
    {
      "name": "cli-json",
      "id": "ID",
      "internal": false,
      "partitions": [
        {
          "partition": 0,
          "leader": 1,
          "leader_epoch": 0,
          "replicas": [
            1
          ],
          "in_sync": [
            1
          ],
          "offline": []
        }
      ],
      "configs": {}
    }
  ]
}
"#
    );
    for command in [
        "topics list --json",
        "topics offsets cli-json --json",
        "topics create cli-json --if-not-exists --json",
        "cluster describe --json",
        "cluster api-versions --json",
        "cluster features --json",
        "cluster log-dirs --json",
        "cluster quorum --json",
        "configs describe topic cli-json --json",
    ] {
        let out = run(command).ok();
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&out);
        assert!(parsed.is_ok_and(|it| it.is_object()), "{command}: {out}");
    }
}

#[test]
fn the_cluster_is_shown_with_its_apis() {
    let described = run("cluster describe").ok();
    let port = shared().port();
    assert_eq!(
        without_ids(&described),
        format!(
            "cluster ID\nBROKER  ADDRESS{}  RACK  STATE\n     1  127.0.0.1:{port}  -     controller\n",
            " ".repeat(format!("127.0.0.1:{port}").len() - "ADDRESS".len())
        )
    );
    let apis = run("cluster api-versions").ok();
    assert!(apis.starts_with("KEY  API "), "{apis}");
    let fetch = apis.lines().find(|line| line.contains(" Fetch "));
    let words: Vec<&str> = fetch.expect("it serves Fetch").split_whitespace().collect();
    assert_eq!(words, ["1", "Fetch", "4", "18"]);
    let quorum = run("cluster quorum").ok();
    let lines: Vec<&str> = quorum.lines().collect();
    assert!(lines[0].starts_with("leader 1  epoch "), "{quorum}");
    let words: Vec<&str> = lines[2].split_whitespace().collect();
    assert_eq!(words[..2], ["1", "leader"], "{quorum}");
    assert_eq!((words[3], lines.len()), ("0", 3), "{quorum}");
    let features = run("cluster features").ok();
    assert!(features.contains("metadata.version"), "{features}");
    assert_eq!(
        run("cluster api-versions --broker 7").failed(1),
        "millstream: there is no broker 7; there is 1\n"
    );
}

#[test]
fn a_topic_gets_more_partitions_and_its_log_a_later_start() {
    run("topics create cli-alter -p 1").ok();
    run_with("produce cli-alter", "a\nb\nc\n").ok();
    assert_eq!(
        run("topics alter cli-alter -p 3 --validate-only").ok(),
        "'cli-alter' could have 3 partitions\n"
    );
    assert_eq!(
        run("topics alter cli-alter -p 3").ok(),
        "'cli-alter' has 3 partitions\n"
    );
    let fewer = run("topics alter cli-alter -p 2").failed(1);
    assert!(
        fewer.starts_with("millstream: topic 'cli-alter': INVALID_PARTITIONS: ")
            && fewer.ends_with("; partitions can be added, never taken away\n"),
        "{fewer}"
    );
    assert_eq!(
        run("topics delete-records cli-alter -p 0 --before 2").ok(),
        "TOPIC      PARTITION  START  END\n\
         cli-alter          0      2    3\n"
    );
    assert_eq!(run("consume cli-alter -e").ok(), "c\n");
    assert_eq!(
        run("topics delete-records cli-alter --before end").ok(),
        "TOPIC      PARTITION  START  END\n\
         cli-alter          0      3    3\n\
         cli-alter          1      0    0\n\
         cli-alter          2      0    0\n"
    );
    let beyond = run("topics delete-records cli-alter -p 0 --before 9").failed(1);
    assert_eq!(
        beyond,
        "millstream: 'cli-alter' partition 0: OFFSET_OUT_OF_RANGE: The offset lies outside of the \
         log; `millstream topics offsets` shows the range\n"
    );
}

#[test]
fn log_directories_are_shown_with_what_lies_in_them() {
    run("topics create cli-dirs -p 2").ok();
    run_with("produce cli-dirs -p 1", "a\n").ok();
    let shown = run("cluster log-dirs -t cli-dirs --partitions").ok();
    let rows: Vec<Vec<&str>> = shown
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        ["BROKER", "DIRECTORY", "TOPIC", "PARTITION", "BYTES", "LAG"]
    );
    // A batch of one record with one byte: 61 bytes of header, 8 of record.
    assert_eq!(rows[1][2..], ["cli-dirs", "0", "0", "0"]);
    assert_eq!(rows[2][2..], ["cli-dirs", "1", "69", "0"]);
    let json: serde_json::Value =
        serde_json::from_str(&run("cluster log-dirs -t cli-dirs --json").ok()).unwrap();
    assert_eq!(json["log_dirs"][0]["state"], "ok");
    assert_eq!(json["log_dirs"][0]["bytes"], 69);
}

#[test]
fn properties_are_shown_with_where_they_come_from() {
    run("topics create cli-configs -p 1 -c segment.bytes=1048576").ok();
    let shown = run("configs describe topic cli-configs").ok();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "topic 'cli-configs'");
    assert_eq!(
        lines[1].split_whitespace().collect::<Vec<_>>(),
        ["PROPERTY", "VALUE", "SOURCE"]
    );
    let row = lines.iter().find(|line| line.starts_with("segment.bytes "));
    let row: Vec<&str> = row.expect("it was set").split_whitespace().collect();
    assert_eq!(row, ["segment.bytes", "1048576", "topic"]);
    let all = run("configs describe topic cli-configs --all --documentation").ok();
    assert!(
        all.contains("\nretention.ms ") && all.contains(" (long)\n"),
        "{all}"
    );
    let one = run("configs describe broker 1 -p num.shards --json").ok();
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["configs"][0]["properties"][0]["value"], "4");
    assert_eq!(one["configs"][0]["properties"][0]["source"], "file");
    assert_eq!(
        run("configs describe broker one").failed(1),
        "millstream: 'one' is not a broker's id; give the id, or default for what holds for all brokers\n"
    );
    run("configs alter topic cli-configs").failed(2);
    run("configs alter topic cli-configs --set nonsense").failed(2);
}

#[test]
fn properties_are_set_appended_to_subtracted_from_and_deleted() {
    run("topics create cli-alter-configs -p 1").ok();
    let row = |name: &str| {
        let shown = run(&format!(
            "configs describe topic cli-alter-configs -p {name}"
        ))
        .ok();
        let last = shown.lines().last().expect("a row");
        last.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let alter = |change: &str| run(&format!("configs alter topic cli-alter-configs {change}"));
    assert_eq!(
        alter("--set segment.ms=60000 --append cleanup.policy=compact").ok(),
        "altered topic 'cli-alter-configs'\n"
    );
    assert_eq!(row("segment.ms"), "segment.ms 60000 topic");
    assert_eq!(row("cleanup.policy"), "cleanup.policy delete,compact topic");
    alter("--subtract cleanup.policy=delete --delete segment.ms").ok();
    assert_eq!(row("cleanup.policy"), "cleanup.policy compact topic");
    assert_eq!(row("segment.ms"), "segment.ms 604800000 default");
    assert_eq!(
        alter("--set segment.ms=70000 --validate-only").ok(),
        "topic 'cli-alter-configs' could be altered\n"
    );
    assert_eq!(row("segment.ms"), "segment.ms 604800000 default");
    let refused = alter("--set segment.ms=soon").failed(1);
    assert!(
        refused.starts_with("millstream: topic 'cli-alter-configs': INVALID_CONFIG: ")
            && refused.contains("`millstream configs describe"),
        "{refused}"
    );
}

#[test]
fn lines_become_records_and_records_lines() {
    run("topics create cli-lines -p 2").ok();
    let produced = run_with(
        "produce cli-lines -p 1 -K : --null NIL --headers -H all=yes",
        "h:1,i:NIL\tk1:v1\n\tk2:NIL\n\tno key\n\tk:with:two",
    );
    assert_eq!(
        produced.err,
        "4 records written to 1 partition of 'cli-lines'\n"
    );
    assert_eq!(produced.ok(), "");
    let shown = run("consume cli-lines -e -s partition,offset,headers,key -K : --null NIL");
    assert_eq!(
        shown.ok(),
        "1\t0\th:1,i:NIL,all:yes\tk1:v1\n\
         1\t1\tall:yes\tk2:NIL\n\
         1\t2\tall:yes\tNIL:no key\n\
         1\t3\tall:yes\tk:with:two\n"
    );
    let format = run_at(
        shared(),
        &[
            "consume",
            "cli-lines",
            "-e",
            "-f",
            "%t %p %o [%k]%K [%s]%S {%h}\\n",
            "-n",
            "2",
        ],
        b"",
    );
    assert_eq!(
        format.ok(),
        "cli-lines 1 0 [k1]2 [v1]2 {h=1,i=,all=yes}\ncli-lines 1 1 [k2]2 []-1 {all=yes}\n"
    );
    let offsets = run("topics offsets cli-lines").ok();
    assert_eq!(
        offsets,
        "TOPIC      PARTITION  START  END  OFFSETS\n\
         cli-lines          0      0    0        0\n\
         cli-lines          1      0    4        4\n"
    );
}

#[test]
fn what_consume_prints_as_json_produce_takes() {
    run("topics create cli-copy cli-copied -p 3 -c retention.ms=-1").ok();
    let lines = r#"{"key":"a","value":"1","partition":2,"timestamp":1700000000000,"headers":{"h":"x"}}
{"key":null,"value_base64":"/wA=","partition":0,"timestamp":1700000000001}
{"key":"a","value":null,"partition":2,"timestamp":1700000000002}
"#;
    run_with("produce cli-copy --input json", lines).ok();
    let first = run("consume cli-copy -e --json").ok();
    assert_eq!(
        first.lines().next(),
        Some(
            r#"{"topic":"cli-copy","partition":0,"offset":0,"timestamp":1700000000001,"timestamp_type":"create","key":null,"value_base64":"/wA=","headers":[]}"#
        )
    );
    let written = run_with("produce cli-copied --input json --json", &first);
    let summary: serde_json::Value = serde_json::from_str(&written.ok()).unwrap();
    assert_eq!(summary["records"], 3);
    assert_eq!(summary["partitions"][1]["last_offset"], 1);
    let second = run("consume cli-copied -e --json").ok();
    assert_eq!(second.replace("cli-copied", "cli-copy"), first);
}

#[test]
fn every_codec_and_every_acks_comes_back_as_it_went() {
    run("topics create cli-codecs -p 1").ok();
    let mut expected = String::new();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        for acks in ["0", "1", "all"] {
            let lines: String = (0..100)
                .map(|at| format!("{codec} {acks} {at}\n"))
                .collect();
            run_with(
                &format!("produce cli-codecs -z {codec} --acks {acks}"),
                &lines,
            )
            .ok();
            expected += &lines;
            // Nobody answers for acks 0: the records are there once they can be read.
            let count = expected.lines().count();
            let read = run(&format!("consume cli-codecs -n {count}"));
            assert_eq!(read.ok(), expected, "{codec} {acks}");
        }
    }
}

#[test]
fn a_consumer_begins_where_it_is_told() {
    run("topics create cli-from -p 1 -c retention.ms=-1").ok();
    let line = |at: i64| {
        format!(
            "{{\"value\":\"{at}\",\"timestamp\":{}}}\n",
            1_700_000_000_000 + at * 1000
        )
    };
    let lines: String = (0..10).map(line).collect();
    run_with("produce cli-from --input json --batch-bytes 1", &lines).ok();
    let from = |place: &str| {
        let read = run(&format!("consume cli-from -e -o {place}")).ok();
        read.lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(from("beginning"), "0 1 2 3 4 5 6 7 8 9");
    assert_eq!(from("7"), "7 8 9");
    assert_eq!(from("-2"), "8 9");
    assert_eq!(from("-20"), "0 1 2 3 4 5 6 7 8 9");
    assert_eq!(from("end"), "");
    assert_eq!(from("@1700000007500"), "8 9");
    assert_eq!(from("2023-11-14T22:13:29Z"), "9");
    assert_eq!(from("2023-11-15"), "");
    assert_eq!(run("consume cli-from -n 3").ok(), "0\n1\n2\n");
    assert_eq!(
        run("consume cli-from -o 11").failed(1),
        "millstream: 'cli-from' partition 0 has no offset 11: it begins at 0 and ends before 10; \
         --from beginning and --from end are always there\n"
    );
    let at = run("topics offsets cli-from --at @1700000007500").ok();
    assert_eq!(
        at,
        "TOPIC     PARTITION  OFFSET  TIMESTAMP\n\
         cli-from          0       8  2023-11-14T22:13:28.000Z\n"
    );
}

#[test]
fn a_key_chooses_the_partition_that_its_client_would() {
    // The keys and partitions of the unit test in src/cli/produce/partitioner.rs, over the wire.
    for (partitioner, expected) in [
        ("murmur2", [0, 5, 4, 4]),
        ("crc32", [6, 0, 3, 5]),
        ("fnv1a", [6, 1, 3, 5]),
        ("round-robin", [0, 1, 2, 3]),
    ] {
        let topic = format!("cli-{partitioner}");
        run(&format!("topics create {topic} -p 7")).ok();
        let lines: String = (0..4).map(|at| format!("key-{at}:v\n")).collect();
        run_with(
            &format!("produce {topic} -K : --partitioner {partitioner}"),
            &lines,
        )
        .ok();
        let read = run_at(shared(), &["consume", &topic, "-e", "-f", "%k %p\\n"], b"").ok();
        let mut read: Vec<&str> = read.lines().collect();
        read.sort_unstable();
        let expected: Vec<String> = expected
            .iter()
            .enumerate()
            .map(|(at, partition)| format!("key-{at} {partition}"))
            .collect();
        assert_eq!(read, expected, "{partitioner}");
    }
}

#[test]
fn a_large_file_survives_both_ways() {
    run("topics create cli-large -p 1").ok();
    let lines: String = (0..200_000).map(|at| format!("{at}\n")).collect();
    let produced = run_with("produce cli-large -z lz4", &lines);
    assert_eq!(
        produced.err,
        "200000 records written to 1 partition of 'cli-large'\n"
    );
    assert!(
        run("consume cli-large -e").ok() == lines,
        "the lines differ"
    );
}

#[test]
fn errors_say_what_to_do_and_the_exit_code_says_whose_they_are() {
    let nobody = run("topics list -b 127.0.0.1:1").failed(1);
    assert_eq!(
        nobody,
        "millstream: no broker answers: 127.0.0.1:1: nobody listens there; start one \
         (`millstream serve`) or name one with --bootstrap-server host:port\n"
    );
    for usage in [
        "topics",
        "topics create",
        "topics list -b nonsense",
        "topics create a -p 0",
        "consume a -o nowhere",
        "produce a --acks 2",
        "cluster describe --timeout -1",
        "nonsense",
    ] {
        run(usage).failed(2);
    }
    run("topics create cli-errors -p 1").ok();
    assert_eq!(
        run("consume cli-errors -p 4").failed(1),
        "millstream: 'cli-errors' has no partition 4; it has 1, counted from 0\n"
    );
    let bad = run_with(
        "produce cli-errors --input json -q",
        "{\"value\":\"kept\"}\nnonsense\n",
    );
    assert!(bad.failed(1).starts_with("millstream: line 2: "));
    assert_eq!(run("consume cli-errors -e").ok(), "kept\n");

    run("topics create cli-compact -p 1 -c cleanup.policy=compact").ok();
    let keyless = run_with("produce cli-compact -q", "v\n").failed(1);
    assert!(keyless.contains("INVALID_RECORD"), "{keyless}");
    assert!(
        keyless.ends_with("; a compacted topic needs a key in every record: --key-separator\n")
    );
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    run("topics create cli-pipe -p 1").ok();
    let lines: String = (0..100_000).map(|at| format!("{at}\n")).collect();
    run_with("produce cli-pipe", &lines).ok();
    let script = format!(
        "\"$0\" consume cli-pipe -e -b 127.0.0.1:{} | head -n 1; exit ${{PIPESTATUS[0]}}",
        shared().port()
    );
    let output = Command::new("bash")
        .args(["-c", &script, BINARY])
        .output()
        .expect("there is a shell");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_is_not_a_broker_is_named_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 8];
        std::io::Read::read_exact(&mut stream, &mut request).unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
    });
    let said = run(&format!("topics list --timeout 5 -b 127.0.0.1:{port}")).failed(1);
    server.join().unwrap();
    assert!(
        said.contains(&format!("127.0.0.1:{port}")) && said.contains("PLAINTEXT"),
        "{said}"
    );
}
