//! `millstream groups` and `millstream consume --group`: the real binary against the real broker, what
//! people and programs see of groups of either kind, and what becomes of their offsets.

use crate::broker::{BINARY, Broker, Directory, Topic, of_groups};
use crate::command_line::{Ran, run_at};
use crate::members::{Member, commit, offsets, topic_of, until};
use crate::records::{batch, batch_at, now_ms};
use millstream::batch::Codec;
use millstream::wire::{ConsumerProtocolAssignment, ConsumerProtocolTopic};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// Runs the command, its words separated by spaces, against the broker that the tests of groups share.
fn run(arguments: &str) -> Ran {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    run_at(of_groups(), &arguments, b"")
}

fn json_of(arguments: &str) -> Value {
    let out = run(&format!("{arguments} --json")).ok();
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// The lines of a table as words.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split_whitespace().collect())
        .collect()
}

/// A topic with ten records in partition 0, a second apart from `first_ms` on, and one in partition 1.
fn ten_and_one(name: &str, first_ms: i64) -> (Topic, crate::client::Client) {
    let (topic, mut client) = topic_of(name, 2);
    for at in 0..10 {
        client.append(&topic, 0, batch_at(Codec::None, &[first_ms + at * 1_000]));
    }
    client.append(&topic, 1, batch_at(Codec::None, &[first_ms]));
    (topic, client)
}

/// An assignment's bytes.
fn assignment(topic: &str, partitions: &[i32]) -> Vec<u8> {
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: vec![ConsumerProtocolTopic {
            topic: topic.to_owned().into(),
            partitions: partitions.to_vec(),
        }],
        user_data: None,
    };
    let bytes = assignment.to_bytes(0).expect("the version is known");
    bytes.to_vec()
}

#[test]
fn a_group_without_members_is_listed_and_described() {
    let name = "gc-offsets";
    let hour_ago = now_ms() - 3_600_000;
    let (topic, mut client) = ten_and_one(name, hour_ago);
    commit(&mut client, name, &topic, &[(0, 4), (1, 1)]);

    let listed = run("groups list").ok();
    let rows_of_it = rows(&listed);
    assert_eq!(
        rows_of_it[0],
        ["GROUP", "TYPE", "STATE", "PROTOCOL", "COORDINATOR"]
    );
    let expected = [name, "classic", "Empty", "-", "1"];
    assert!(rows_of_it.iter().any(|row| row == &expected), "{listed}");
    let listed = json_of("groups list --state Empty --type classic");
    let groups = listed["groups"].as_array().unwrap();
    assert!(groups.contains(&json!({
        "group": name, "type": "classic", "state": "Empty", "protocol_type": "", "coordinator": 1,
    })));
    assert!(
        groups.iter().all(|group| group["state"] == "Empty"),
        "{listed:#}"
    );

    let described = run(&format!("groups describe {name}")).ok();
    let found = rows(&described);
    assert_eq!(
        found[0],
        [
            "GROUP",
            "TOPIC",
            "PARTITION",
            "CURRENT-OFFSET",
            "LOG-END-OFFSET",
            "LAG",
            "LAG-SECONDS",
            "CONSUMER-ID",
            "HOST",
            "CLIENT-ID"
        ]
    );
    assert_eq!(found[1][..6], [name, name, "0", "4", "10", "6"]);
    let seconds: i64 = found[1][6].parse().unwrap();
    // The fifth record was written four seconds after the first.
    assert!((3_596..3_700).contains(&seconds), "{described}");
    assert_eq!(found[1][7..], ["-", "-", "-"]);
    assert_eq!(
        found[2],
        [name, name, "1", "1", "1", "0", "0", "-", "-", "-"]
    );
    assert_eq!(found.len(), 3);

    let document = json_of(&format!("groups describe {name}"));
    let group = &document["groups"][0];
    assert_eq!(
        (&group["group"], &group["state"]),
        (&json!(name), &json!("Empty"))
    );
    let offset = &group["offsets"][0];
    let seconds = offset["lag_seconds"].as_f64().unwrap();
    assert!((3_595.9..3_700.0).contains(&seconds), "{document:#}");
    assert_eq!(offset["lag"], 6);
    assert_eq!(group["offsets"][1]["lag_seconds"], 0.0);
    assert_eq!(offset["member"], Value::Null);
    let all = run("groups describe --all-groups").ok();
    assert!(all.contains(name), "{all}");
}

#[test]
fn what_is_before_the_log_has_a_lag_and_no_time() {
    let name = "gc-before";
    let (topic, mut client) = ten_and_one(name, now_ms());
    commit(&mut client, name, &topic, &[(0, 2)]);
    run(&format!("topics delete-records {name} -p 0 --before 5")).ok();
    let described = run(&format!("groups describe {name}")).ok();
    let found = rows(&described);
    assert_eq!(found[1][2..7], ["0", "2", "10", "8", "-"], "{described}");
}

#[test]
fn the_members_of_a_classic_group_are_shown_with_what_they_have() {
    let name = "gc-classic";
    let (topic, _) = ten_and_one(name, now_ms());
    let mut member = Member::of(of_groups(), name);
    member.metadata = crate::members::subscription(&[name]);
    member.settle(&assignment(name, &[0, 1]));
    member.commit(&topic, &[(0, 3)]);
    let id = member.id.clone();

    let described = run(&format!("groups describe {name}")).ok();
    let found = rows(&described);
    let row = found.iter().find(|row| row[2] == "0").unwrap();
    assert_eq!(row[3..6], ["3", "10", "7"], "{described}");
    assert_eq!(row[7..], [&id, "/127.0.0.1", "tests"], "{described}");
    // What is assigned and not committed is shown, too.
    let row = found.iter().find(|row| row[2] == "1").unwrap();
    assert_eq!(row[3..7], ["-", "1", "-", "-"], "{described}");
    assert_eq!(row[7], id);

    let members = run(&format!("groups members {name}")).ok();
    assert_eq!(
        rows(&members),
        [
            vec!["GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS"],
            vec![name, &id, "/127.0.0.1", "tests", "2"],
        ]
    );
    let same = run(&format!("groups describe --members {name}")).ok();
    assert_eq!(same, members);
    let verbose = run(&format!("groups members --verbose {name}")).ok();
    let assigned = format!("{name}:0,1");
    assert_eq!(
        rows(&verbose)[1][5..],
        ["-", &assigned, "-", "-"],
        "{verbose}"
    );
    let state = run(&format!("groups describe --state {name}")).ok();
    assert_eq!(
        rows(&state)[1],
        [name, "1", "classic", "range", "Stable", "1"],
        "{state}"
    );
    let document = json_of(&format!("groups members {name}"));
    let shown = &document["groups"][0]["members"][0];
    assert_eq!(shown["member"], json!(id));
    assert_eq!(shown["assigned"], json!({ name: [0, 1] }));
    assert_eq!(shown["topics"], json!([name]));

    // While it is there, its offsets and the group stay.
    let refused = run(&format!(
        "groups reset {name} --all-topics --to-earliest --execute"
    ));
    let said = refused.failed(1);
    let why =
        format!("the offsets of group '{name}' can be reset while nobody consumes: it is Stable");
    assert!(said.contains(&why), "{said}");
    assert_eq!(offsets(&mut member.client, name, &topic, &[0]), [3]);
    let said = run(&format!("groups delete {name}")).failed(1);
    assert!(said.contains("NON_EMPTY_GROUP"), "{said}");
    let said = run(&format!("groups delete {name} --topic {name}:0")).failed(1);
    assert!(said.contains("GROUP_SUBSCRIBED_TO_TOPIC"), "{said}");

    member.leave();
    assert_eq!(
        run(&format!("groups delete {name}")).ok(),
        format!("deleted '{name}'\n")
    );
    let gone = run(&format!("groups describe {name}")).failed(1);
    assert_eq!(
        gone,
        format!(
            "millstream: there is no group '{name}'; `millstream groups list` shows what there is\n"
        )
    );
}

/// What a reset, as a dry run, would make of partition 0, of which 4 is committed.
fn would_be(name: &str, to: &str) -> String {
    let out = run(&format!("groups reset {name} --topic {name}:0 {to}")).ok();
    let found = rows(&out);
    assert_eq!(
        found[0],
        [
            "GROUP",
            "TOPIC",
            "PARTITION",
            "CURRENT-OFFSET",
            "NEW-OFFSET"
        ]
    );
    assert_eq!(found[1][..4], [name, name, "0", "4"], "{out}");
    let end = "nothing has changed: --execute does it";
    assert_eq!(out.lines().last(), Some(end));
    found[1][4].to_owned()
}

#[test]
fn a_reset_has_all_forms_of_kafkas_tool() {
    let name = "gc-forms";
    let hour_ago = now_ms() - 3_600_000;
    let (topic, mut client) = ten_and_one(name, hour_ago);
    commit(&mut client, name, &topic, &[(0, 4)]);
    run(&format!("topics delete-records {name} -p 0 --before 1")).ok();
    for (to, expected) in [
        ("--to-earliest", "1"),
        ("--to-latest", "10"),
        ("--to-current", "4"),
        ("--to-offset 7", "7"),
        // Within the log.
        ("--to-offset 0", "1"),
        ("--to-offset 99", "10"),
        ("--shift-by 3", "7"),
        ("--shift-by -2", "2"),
        ("--shift-by -9", "1"),
        ("--by-duration PT1H", "1"),
        ("--by-duration 1m", "10"),
    ] {
        assert_eq!(would_be(name, to), expected, "{to}");
    }
    // To the record of just that time, and the one behind it.
    for (at_ms, expected) in [(6_000, "6"), (6_001, "7"), (3_700_000, "10")] {
        let to = format!("--to-datetime @{}", hour_ago + at_ms);
        assert_eq!(would_be(name, &to), expected, "{to}");
    }
    assert_eq!(would_be(name, "--to-datetime 2020-01-01T00:00:00.000"), "1");
    assert_eq!(
        offsets(&mut client, name, &topic, &[0]),
        [4],
        "dry runs change nothing"
    );

    // Where nothing is committed, the current offset is the log's end; nothing can be shifted.
    let out = run(&format!(
        "groups reset {name} --topic {name}:1 --to-current --export"
    ))
    .ok();
    assert_eq!(out, format!("{name},1,1\n"));
    let said = run(&format!(
        "groups reset {name} --topic {name}:1 --shift-by 1"
    ))
    .failed(1);
    assert!(said.contains("has no committed offset to shift"), "{said}");

    let done = run(&format!(
        "groups reset {name} --topic {name} --to-latest --execute"
    ))
    .ok();
    assert_eq!(rows(&done).len(), 3, "{done}");
    assert_eq!(offsets(&mut client, name, &topic, &[0, 1]), [10, 1]);
    let document = json_of(&format!(
        "groups reset {name} --all-topics --to-offset 5 --execute"
    ));
    assert_eq!(
        document,
        json!({
            "executed": true,
            "groups": [{ "group": name, "offsets": [
                { "topic": name, "partition": 0, "current": 10, "new": 5 },
                { "topic": name, "partition": 1, "current": 1, "new": 1 },
            ]}],
        })
    );
    assert_eq!(offsets(&mut client, name, &topic, &[0, 1]), [5, 1]);
}

#[test]
fn offsets_go_into_a_file_and_come_back_from_it() {
    let name = "gc-file";
    let (topic, mut client) = ten_and_one(name, now_ms());
    let groups = ["gc-file-a", "gc-file-b"];
    for (group, offset) in groups.iter().zip([3, 6]) {
        assert_eq!(
            crate::members::find(&mut client, group),
            millstream::wire::ErrorCode::NONE
        );
        commit(&mut client, group, &topic, &[(0, offset), (1, 1)]);
    }
    let directory = Directory::new();
    let file = directory.path().join("plan.csv");
    let path = file.to_str().expect("the path is text");

    // One group: three fields.
    let one = run("groups reset gc-file-a --all-topics --to-current --export").ok();
    assert_eq!(one, format!("{name},0,3\n{name},1,1\n"));
    fs::write(&file, &one).unwrap();
    run(&format!(
        "groups reset gc-file-b --from-file {path} --execute"
    ))
    .ok();
    assert_eq!(offsets(&mut client, "gc-file-b", &topic, &[0, 1]), [3, 1]);

    // Several: the group comes first.
    let both = run("groups reset gc-file-a gc-file-b --all-topics --shift-by 2 --export").ok();
    assert_eq!(
        both,
        format!(
            "gc-file-a,{name},0,5\ngc-file-a,{name},1,1\ngc-file-b,{name},0,5\ngc-file-b,{name},1,1\n"
        )
    );
    fs::write(
        &file,
        format!("gc-file-a,{name},0,8\ngc-file-b,\"{name}\",0,9\n"),
    )
    .unwrap();
    run(&format!(
        "groups reset gc-file-a gc-file-b --from-file {path} --execute"
    ))
    .ok();
    assert_eq!(offsets(&mut client, "gc-file-a", &topic, &[0, 1]), [8, 1]);
    assert_eq!(offsets(&mut client, "gc-file-b", &topic, &[0, 1]), [9, 1]);

    fs::write(&file, &one).unwrap();
    let several = format!("groups reset gc-file-a gc-file-b --from-file {path}");
    let said = run(&several).failed(1);
    assert!(said.contains("does not say of which groups"), "{said}");
    fs::write(&file, &both).unwrap();
    let other = run(&format!("groups reset gc-file-c --from-file {path}")).failed(1);
    assert!(
        other.contains("the file says nothing of group 'gc-file-c'"),
        "{other}"
    );
    fs::write(&file, "nonsense\n").unwrap();
    let bad = run(&format!("groups reset gc-file-a --from-file {path}")).failed(1);
    assert!(
        bad.contains("line 1: neither topic,partition,offset"),
        "{bad}"
    );
}

#[test]
fn offsets_of_a_topic_are_deleted_and_the_group_stays() {
    let name = "gc-delete";
    let (topic, mut client) = ten_and_one(name, now_ms());
    commit(&mut client, name, &topic, &[(0, 4), (1, 1)]);
    let out = run(&format!("groups delete {name} --topic {name}:1")).ok();
    assert_eq!(out, format!("deleted the offsets of '{name}': {name}:1\n"));
    assert_eq!(offsets(&mut client, name, &topic, &[0, 1]), [4, -1]);
    let none = run(&format!("groups delete {name} --topic {name}:1")).failed(1);
    let why = format!("group '{name}' has committed nothing of these topics");
    assert!(none.contains(&why), "{none}");
    let document = json_of(&format!("groups delete {name}"));
    assert_eq!(
        document,
        json!({ "groups": [{ "group": name, "deleted": true }] })
    );
    let gone = run(&format!("groups delete {name} --if-exists")).ok();
    assert_eq!(gone, format!("there is no '{name}'\n"));
    let gone = run(&format!("groups delete {name}")).failed(1);
    assert!(gone.contains("there is no group 'gc-delete'"), "{gone}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    for usage in [
        "groups",
        "groups describe",
        "groups describe a --all-groups",
        "groups describe a --members --state",
        "groups reset a --to-earliest",
        "groups reset a --topic t",
        "groups reset a --topic t --to-earliest --to-latest",
        "groups reset a --topic t --all-topics --to-earliest",
        "groups reset a --topic t:x --to-earliest",
        "groups reset a --topic t --to-earliest --execute --dry-run",
        "groups reset a --topic t --by-duration nonsense",
        "groups reset a --topic t --to-offset -1",
        "groups reset a --all-topics --from-file f",
        "groups delete",
        "consume t --group",
        "consume t --group-protocol classic",
        "consume t --group g -p 0",
        "consume t --group g --group-protocol nonsense",
    ] {
        run(usage).failed(2);
    }
    let missing = run("groups reset a --topic gc-nowhere --to-earliest").failed(1);
    assert!(
        missing.contains("there is no topic 'gc-nowhere'"),
        "{missing}"
    );
}

// -- consume --group

/// A consumer that runs until it is told to stop; killed with the test.
struct Running(Child);

impl Running {
    fn start(broker: &Broker, arguments: &[&str]) -> Running {
        let server = format!("127.0.0.1:{}", broker.port());
        let child = Command::new(BINARY)
            .args(arguments)
            .env("MILLSTREAM_BOOTSTRAP_SERVER", server)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Running(child.expect("the binary runs"))
    }

    /// Ctrl-C; it must end by itself.
    fn interrupt(mut self) -> Ran {
        let pid = Pid::from_raw(self.0.id() as i32);
        kill(pid, Signal::SIGINT).expect("it is our child");
        let status = crate::broker::ended(&mut self.0, || "a consumer".into());
        let read = |from: &mut dyn std::io::Read| {
            let mut text = String::new();
            from.read_to_string(&mut text).expect("text");
            text
        };
        Ran {
            code: status.code().expect("no signal ends it"),
            out: read(self.0.stdout.as_mut().expect("a pipe")),
            err: read(self.0.stderr.as_mut().expect("a pipe")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The group's state and how many members it has, as the command says.
fn state_of(group: &str) -> (String, u64) {
    let ran = run(&format!("groups describe --state --json {group}"));
    let document: Value = serde_json::from_str(&ran.out).unwrap_or_default();
    let group = &document["groups"][0];
    let state = group["state"].as_str().unwrap_or_default().to_owned();
    (state, group["members"].as_u64().unwrap_or(0))
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_consumer_of_a_group_goes_on_where_the_group_has_come_to() {
    for protocol in ["classic", "consumer"] {
        let name = format!("gc-consume-{protocol}");
        let (topic, mut client) = topic_of(&name, 2);
        client.append(&topic, 0, batch(&["a", "b"]));
        client.append(&topic, 1, batch(&["c"]));
        let consume = format!("consume {name} --group {name} --group-protocol {protocol}");

        // What is there, then the end.
        let first = run(&format!("{consume} --exit")).ok();
        assert_eq!(sorted(&first), ["a", "b", "c"], "{protocol}");
        assert_eq!(offsets(&mut client, &name, &topic, &[0, 1]), [2, 1]);
        let state = ("Empty".to_owned(), 0);
        assert_eq!(state_of(&name), state, "{protocol}: it has left");

        // Only what is new; what was not printed is not committed.
        client.append(&topic, 0, batch(&["d", "e", "f"]));
        let second = run(&format!("{consume} --count 2")).ok();
        assert_eq!(second, "d\ne\n", "{protocol}");
        assert_eq!(offsets(&mut client, &name, &topic, &[0, 1]), [4, 1]);

        // It stays until it is interrupted, commits and leaves.
        let arguments: Vec<&str> = consume.split(' ').collect();
        let running = Running::start(of_groups(), &arguments);
        until(
            || offsets(&mut client, &name, &topic, &[0]),
            |it| *it == [5],
        );
        let (state, members) = state_of(&name);
        assert_eq!((state.as_str(), members), ("Stable", 1), "{protocol}");
        let described = json_of(&format!("groups describe {name}"));
        assert_eq!(described["groups"][0]["type"], protocol);
        assert_eq!(
            described["groups"][0]["offsets"][1]["client_id"],
            "millstream"
        );
        let ended = running.interrupt();
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (0, "f\n"),
            "{protocol}: {}",
            ended.err
        );
        assert_eq!(ended.err, "", "{protocol}");
        assert_eq!(state_of(&name), ("Empty".to_owned(), 0), "{protocol}");
    }
}

#[test]
fn two_consumers_of_a_group_share_its_partitions() {
    for protocol in ["classic", "consumer"] {
        let name = format!("gc-share-{protocol}");
        let (topic, mut client) = topic_of(&name, 2);
        let consume = format!("consume {name} --group {name} --group-protocol {protocol}");
        let arguments: Vec<&str> = consume.split(' ').collect();
        let running = [0, 1].map(|_| Running::start(of_groups(), &arguments));
        // Both have one partition each.
        let shares = || {
            let ran = run(&format!("groups members --json {name}"));
            let document: Value = serde_json::from_str(&ran.out).unwrap_or_default();
            let members = document["groups"][0]["members"].clone();
            let members = members.as_array().cloned().unwrap_or_default();
            let count = |member: &Value| member["assigned"][&name].as_array().map(Vec::len);
            members.iter().map(count).collect::<Vec<_>>()
        };
        until(shares, |shares| *shares == [Some(1), Some(1)]);
        client.append(&topic, 0, batch(&["a"]));
        client.append(&topic, 1, batch(&["b"]));
        until(
            || offsets(&mut client, &name, &topic, &[0, 1]),
            |it| *it == [1, 1],
        );
        let mut printed: Vec<String> = running
            .into_iter()
            .map(|running| {
                let ended = running.interrupt();
                assert_eq!(ended.code, 0, "{protocol}: {}", ended.err);
                ended.out
            })
            .collect();
        printed.sort();
        assert_eq!(printed, ["a\n", "b\n"], "{protocol}: each prints its own");
    }
}

#[test]
fn a_group_that_was_nowhere_begins_where_it_is_told() {
    let name = "gc-from";
    let (topic, mut client) = topic_of(name, 1);
    client.append(&topic, 0, batch(&["a", "b", "c"]));
    let last = run(&format!("consume {name} --group {name} --from -1 --exit")).ok();
    assert_eq!(last, "c\n");
    // Once it has come somewhere, that counts.
    let none = run(&format!(
        "consume {name} --group {name} --from beginning --exit"
    ))
    .ok();
    assert_eq!(none, "");
    // And where the log begins behind it, the place counts again.
    run(&format!(
        "groups reset {name} --all-topics --to-earliest --execute"
    ))
    .ok();
    run(&format!("topics delete-records {name} --before 1")).ok();
    let rest = run(&format!("consume {name} --group {name} --exit")).ok();
    assert_eq!(rest, "b\nc\n");
}

// -- what a Millstream tells beyond the protocol

#[test]
fn where_the_broker_tells_it_the_last_commit_has_a_column() {
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("its address").port()
    };
    let directory = Directory::new();
    let listener = format!("millstream.metrics.listener=127.0.0.1:{port}");
    let broker = Broker::start(&directory, &[&listener, "num.shards=2"]);
    let topic = broker.topic("watched", 1);
    let mut client = broker.client();
    let hour_ago = now_ms() - 3_600_000;
    client.append(
        &topic,
        0,
        batch_at(Codec::Zstd, &[hour_ago, hour_ago + 60_000]),
    );
    assert_eq!(
        crate::members::find(&mut client, "g"),
        millstream::wire::ErrorCode::NONE
    );
    let before = now_ms();
    until(
        || crate::members::ask(&mut client, crate::members::FETCH_OFFSETS, "g", None).0,
        |error| error.is_none(),
    );
    commit(&mut client, "g", &topic, &[(0, 1)]);
    let ran = run_at(&broker, &["groups", "describe", "g"], b"").ok();
    let found = rows(&ran);
    assert_eq!(found[0][6..8], ["LAG-SECONDS", "LAST-COMMIT"], "{ran}");
    assert_eq!(found[1][..6], ["g", "watched", "0", "1", "2", "1"], "{ran}");
    let seconds: i64 = found[1][6].parse().unwrap();
    assert!((3_540..3_640).contains(&seconds), "{ran}");
    let ran = run_at(&broker, &["groups", "describe", "g", "--json"], b"").ok();
    let document: Value = serde_json::from_str(&ran).unwrap();
    let at = document["groups"][0]["offsets"][0]["last_commit"].as_i64();
    assert!((before..=now_ms()).contains(&at.unwrap()), "{ran}");
}
