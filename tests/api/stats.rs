//! `millstream stats`: what it shows came between two looks, for people and for programs.

use crate::broker::{Broker, Directory};
use crate::command_line::run_at;
use crate::records::batch;
use serde_json::Value;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs the command while a client produces to a topic of that name, ten records at a time.
fn while_producing(broker: &Broker, name: &str, arguments: &[&str]) -> String {
    let topic = broker.topic(name, 1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = broker.client();
            while !done.load(Ordering::Relaxed) {
                client.append(&topic, 0, batch(&["x"; 10]));
            }
        });
        let ran = run_at(broker, arguments, b"");
        done.store(true, Ordering::Relaxed);
        ran.ok()
    })
}

#[test]
fn programs_get_one_object_per_look() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let at = format!("127.0.0.1:{}", broker.metrics_port());
    let arguments = ["stats", "--at", &at, "--json", "-n", "2", "-i", "0.5"];
    let out = while_producing(&broker, "watched", &arguments);
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object per line"))
        .collect();
    assert_eq!(lines.len(), 2);
    for object in &lines {
        assert_eq!(object["node"], 1);
        assert_eq!(object["partitions"], 1);
        let seconds = object["seconds"].as_f64().unwrap();
        assert!((0.4..20.0).contains(&seconds), "{seconds}");
        let row = |table: &str, column: &str, name: &str| {
            let rows = object[table].as_array().unwrap();
            let row = rows.iter().find(|row| row[column] == name);
            row.unwrap_or_else(|| panic!("no {name} in {object:#}"))
                .clone()
        };
        let produce = row("apis", "api", "Produce");
        let produces = produce["per_second"].as_f64().unwrap();
        assert!(produces > 1.0, "{object:#}");
        let time = |name: &str| produce[name].as_f64().unwrap();
        assert!(0.0 < time("p50_us") && time("p50_us") <= time("p99.9_us"));
        assert!(time("p99.9_us") <= time("max_us"));
        let topic = row("topics", "topic", "watched");
        let messages = topic["messages_in_per_second"].as_f64().unwrap();
        // Not every produce that was answered in this look was begun in it.
        let ratio = messages / (10.0 * produces);
        assert!((0.5..2.0).contains(&ratio), "{ratio}");
        let append = row("stages", "stage", "append");
        assert!(append["per_second"].as_f64().unwrap() > 0.0);
        assert_eq!(object["shards"].as_array().unwrap().len(), 2);
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

#[test]
fn people_get_tables_and_need_not_know_the_port() {
    let directory = Directory::new();
    let listener = format!("millstream.metrics.listener=127.0.0.1:{}", free_port());
    let broker = Broker::start(&directory, &[&listener]);
    let arguments = ["stats", "-n", "1", "--interval", "0.5"];
    let out = while_producing(&broker, "shown", &arguments);
    assert!(out.starts_with("node 1 of cluster "), "{out}");
    assert!(out.contains(" 1 partitions with "), "{out}");
    for (start, columns) in [("REQUEST", 8), ("Produce", 7), ("STAGE", 8), ("append", 6)] {
        let line = out.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no {start} in\n{out}"));
        assert_eq!(line.split_whitespace().count(), columns, "{line}");
    }
    assert!(out.lines().any(|line| line.starts_with("shown ")), "{out}");
}

#[test]
fn the_figures_of_another_broker_are_not_shown() {
    let listener = format!("millstream.metrics.listener=127.0.0.1:{}", free_port());
    let directories = [Directory::new(), Directory::new()];
    let [first, second] = directories
        .each_ref()
        .map(|directory| Broker::start(directory, &[&listener]));
    let arguments = ["stats", "-n", "1", "--interval", "0.1"];
    run_at(&first, &arguments, b"").ok();
    let said = run_at(&second, &arguments, b"").failed(1);
    assert!(said.contains("answers at 127.0.0.1:"), "{said}");
    let advice = "a millstream.metrics.listener of its own";
    assert!(said.contains(advice), "{said}");
}

#[test]
fn where_nobody_answers_it_is_said() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["millstream.metrics.listener="]);
    let said = run_at(&broker, &["stats"], b"").failed(1);
    let why = "does not answer for its metrics";
    assert!(said.contains(why), "{said}");
    let at = format!("127.0.0.1:{}", free_port());
    let said = run_at(&broker, &["stats", "--at", &at], b"").failed(1);
    assert!(said.contains("Connection refused"), "{said}");
}
