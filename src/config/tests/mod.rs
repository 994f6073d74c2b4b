//! The promises of the configuration as a whole.

use super::*;
use crate::types::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const MACHINE: Machine = Machine {
    host_name: || "mill.example".into(),
    cores: 4,
};

fn file(text: &str) -> Result<Loaded, ConfigError> {
    load(Some(("server.properties", text.as_bytes())), &[], &MACHINE)
}

fn config(text: &str) -> BrokerConfig {
    file(text).unwrap().config
}

fn refused(text: &str) -> String {
    file(text).unwrap_err().to_string()
}

fn warnings(text: &str) -> Vec<String> {
    let notes = file(text).unwrap().notes.into_iter();
    notes
        .filter_map(|note| match note {
            Note::Warn(text) => Some(text),
            Note::Info(_) => None,
        })
        .collect()
}

fn topic_may_have(settings: &[(&str, &str)]) -> Result<(), String> {
    validate_topic(&config(""), &overrides(settings))
}

fn overrides(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = settings.iter().map(|(n, v)| (n.to_string(), v.to_string()));
    owned.collect()
}

#[test]
fn every_default_of_the_table_is_valid_and_normal() {
    for property in PROPERTIES {
        let Some(default) = property.default else {
            continue;
        };
        assert_eq!(
            property.normalise(default).as_deref(),
            Ok(default),
            "{}",
            property.name
        );
    }
}

#[test]
fn no_property_stands_twice_and_each_is_documented() {
    let mut names = BTreeSet::new();
    for property in PROPERTIES {
        let kind = match property.scope {
            Scope::Broker => 4,
            Scope::Topic(_) => 2,
            Scope::ClientMetrics => 16,
            Scope::Group(_) => 32,
        };
        assert!(
            names.insert((property.name, kind)),
            "{} twice",
            property.name
        );
        assert!(
            property.doc.ends_with('.') || property.doc.ends_with("..."),
            "{}",
            property.name
        );
    }
}

#[test]
fn every_topic_default_is_that_of_its_broker_properties() {
    for property in PROPERTIES {
        let Scope::Topic(synonyms @ [_, ..]) = property.scope else {
            continue;
        };
        let default = synonyms.iter().find_map(|synonym| {
            let broker = broker_property(synonym).unwrap_or_else(|| panic!("{synonym}"));
            Some(topic::in_topic_unit(synonym, broker.default?))
        });
        assert_eq!(default.as_deref(), property.default, "{}", property.name);
    }
}

#[test]
fn without_a_file_the_broker_is_node_1_on_loopback_with_its_data_in_data() {
    let Loaded { config, notes } = load(None, &[], &MACHINE).unwrap();
    assert_eq!(config.node_id, NodeId(1));
    assert_eq!(
        config.listeners[0].to_string(),
        "PLAINTEXT://127.0.0.1:9092"
    );
    assert_eq!(config.advertised_listeners, config.listeners);
    assert_eq!(config.log_dirs, [PathBuf::from("./data")]);
    assert_eq!(config.metadata_log_dir, PathBuf::from("./data"));
    assert_eq!(config.shards, 4);
    assert_eq!(config.topic_defaults.segment_bytes, 1 << 30);
    assert_eq!(config.topic_defaults.segment_ms, 604_800_000);
    assert_eq!(config.topic_defaults.flush_ms, i64::MAX);
    assert_eq!(notes, []);
}

#[test]
fn kafkas_sample_file_is_served_as_it_is() {
    let loaded = file(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
         inter.broker.listener.name=PLAINTEXT\n\
         advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n\
         num.network.threads=3\n\
         num.io.threads=8\n\
         socket.send.buffer.bytes=102400\n\
         socket.receive.buffer.bytes=102400\n\
         socket.request.max.bytes=104857600\n\
         log.dirs=/tmp/kraft-combined-logs\n\
         num.partitions=1\n\
         num.recovery.threads.per.data.dir=1\n\
         offsets.topic.replication.factor=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         log.retention.hours=168\n\
         log.segment.bytes=1073741824\n\
         log.retention.check.interval.ms=300000\n",
    )
    .unwrap();
    let config = loaded.config;
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.listeners[0].to_string(), "PLAINTEXT://:9092");
    assert_eq!(
        config.advertised_listeners[0].to_string(),
        "PLAINTEXT://localhost:9092"
    );
    assert_eq!(config.advertised_listeners.len(), 1);
    assert_eq!(
        config.controller_listeners[0].to_string(),
        "CONTROLLER://:9093"
    );
    assert_eq!(config.log_dirs, [PathBuf::from("/tmp/kraft-combined-logs")]);
    assert!(
        loaded
            .notes
            .iter()
            .all(|note| matches!(note, Note::Info(_))),
        "{:?}",
        loaded.notes
    );
    assert!(loaded.notes.iter().any(
        |note| matches!(note, Note::Info(text) if text.starts_with("CONTROLLER://:9093 is not opened"))
    ));
}

#[test]
fn a_bad_value_is_refused_with_file_line_and_reason() {
    let text = "# a comment\nnode.id=1\nlog.segment.bytes=abc\n";
    assert_eq!(
        refused(text),
        "server.properties:3: log.segment.bytes: 'abc' is not a number (bytes, at least 1048576)"
    );
    assert_eq!(
        refused("log.segment.bytes=10"),
        "server.properties:1: log.segment.bytes: 10 is too small (bytes, at least 1048576)"
    );
    assert_eq!(
        refused("log.segment.bytes=4294967296"),
        "server.properties:1: log.segment.bytes: '4294967296' is not a whole number below 2^31 (bytes, at least 1048576)"
    );
    assert_eq!(
        refused("log.append.mode=fast"),
        "server.properties:1: log.append.mode: 'fast' is not valid (of: auto, uring, inline)"
    );
    assert_eq!(
        refused("millstream.metrics.listener=9644"),
        "server.properties:1: millstream.metrics.listener: '9644' is not host:port"
    );
    assert_eq!(
        refused("auto.create.topics.enable=yes"),
        "server.properties:1: auto.create.topics.enable: 'yes' is neither true nor false"
    );
    assert_eq!(
        refused("a=1\nb=\\u12"),
        "server.properties:2: \\u needs four hexadecimal digits"
    );
}

#[test]
fn metrics_have_an_address_of_their_own_or_none() {
    let address = |text: &str| config(text).metrics_listener.map(|it| it.to_string());
    assert_eq!(address("").as_deref(), Some("127.0.0.1:9644"));
    assert_eq!(address("millstream.metrics.listener="), None);
    for text in [":9644", "0.0.0.0:0", "[::1]:80", "metrics.example:65535"] {
        let set = format!("millstream.metrics.listener={text}");
        assert_eq!(address(&set).as_deref(), Some(text));
    }
    for bad in [
        "host",
        "host:",
        "host:65536",
        "::1:80",
        "http://a:80",
        "a b:80",
    ] {
        let said = refused(&format!("millstream.metrics.listener={bad}"));
        assert!(
            said.ends_with(&format!("'{bad}' is not host:port")),
            "{said}"
        );
    }
}

#[test]
fn a_broker_value_that_no_topic_could_have_is_refused() {
    assert_eq!(
        refused("log.roll.ms=0"),
        "server.properties:1: log.roll.ms: 0 is too small (milliseconds, at least 1)"
    );
    assert_eq!(
        refused("log.retention.ms=-2"),
        "server.properties:1: log.retention.ms: -2 is too small (milliseconds, at least -1)"
    );
}

#[test]
fn an_override_goes_before_the_file_and_a_later_line_before_an_earlier() {
    let text = b"num.partitions=2\nnum.partitions=3\nnode.id=7";
    let overrides = [("node.id".to_owned(), "9".to_owned())];
    let config = load(Some(("f", text)), &overrides, &MACHINE)
        .unwrap()
        .config;
    assert_eq!(config.partitions_default, 3);
    assert_eq!(config.node_id, NodeId(9));
    let bad = [("node.id".to_owned(), "x".to_owned())];
    let error = load(None, &bad, &MACHINE).unwrap_err().to_string();
    assert_eq!(
        error,
        "--override node.id: 'x' is not a number (at least 0)"
    );
}

#[test]
fn unknown_properties_warn_and_a_slip_is_corrected() {
    assert_eq!(
        warnings(
            "log.segment.byte=5000000\nfoo.bar=1\nsegment.bytes=2000000\nssl.keystore.type=PEM"
        ),
        [
            "server.properties:1: log.segment.byte is not a known property; did you mean log.segment.bytes?",
            "server.properties:2: foo.bar is not a known property",
            "server.properties:3: segment.bytes is not a known property; did you mean log.segment.bytes?",
            "server.properties:4: ssl.keystore.type has no effect in this release: listeners are PLAINTEXT only in this release",
        ]
    );
    let zookeeper = warnings("zookeeper.connect=localhost:2181");
    assert!(
        zookeeper[0].contains("there is no ZooKeeper"),
        "{zookeeper:?}"
    );
}

#[test]
fn what_has_no_effect_yet_is_said_when_it_is_set_to_something_unusual() {
    let notes = file("log.retention.hours=1\noffsets.topic.num.partitions=50")
        .unwrap()
        .notes;
    assert_eq!(
        notes,
        [Note::Info(
            "server.properties:1: log.retention.hours has no effect in this release: old segments are not deleted yet"
                .into()
        )]
    );
}

#[test]
fn the_more_precise_unit_wins_as_in_kafka() {
    let both = config(
        "log.roll.hours=1\nlog.roll.ms=5000\nlog.retention.hours=2\nlog.retention.minutes=3",
    );
    assert_eq!(both.topic_defaults.segment_ms, 5000);
    assert_eq!(both.topic_defaults.retention_ms, 180_000);
    assert_eq!(
        config("log.roll.hours=1").topic_defaults.segment_ms,
        3_600_000
    );
    assert_eq!(
        config("log.retention.hours=-1").topic_defaults.retention_ms,
        -1
    );
    assert_eq!(
        config("log.flush.scheduler.interval.ms=7")
            .topic_defaults
            .flush_ms,
        7
    );
    let dirs = config("log.dir=/a\nlog.dirs=/b, /c").log_dirs;
    assert_eq!(dirs, [PathBuf::from("/b"), PathBuf::from("/c")]);
    assert_eq!(config("log.dir=/a").log_dirs, [PathBuf::from("/a")]);
}

#[test]
fn broker_id_is_an_older_name_of_node_id() {
    assert_eq!(config("broker.id=5").node_id, NodeId(5));
    assert_eq!(config("broker.id=5\nnode.id=5").node_id, NodeId(5));
    assert!(refused("broker.id=5\nnode.id=6").contains("differs from node.id=6"));
    assert!(refused("broker.id=-1").contains("set node.id"));
}

#[test]
fn a_listener_without_a_host_is_every_address_and_advertises_the_machines_name() {
    let config = config("listeners=PLAINTEXT://:9092");
    assert_eq!(config.listeners[0].host, "");
    assert_eq!(
        config.advertised_listeners[0].to_string(),
        "PLAINTEXT://mill.example:9092"
    );
}

#[test]
fn listeners_of_several_names_and_families_are_kept_apart() {
    let config = config(
        "listeners=internal://[::1]:9092,EXTERNAL://127.0.0.1:9093\n\
         listener.security.protocol.map=INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT\n\
         advertised.listeners=EXTERNAL://mill.example.org:19093,INTERNAL://[::1]:9092\n\
         inter.broker.listener.name=INTERNAL",
    );
    assert_eq!(config.listeners[0].to_string(), "INTERNAL://[::1]:9092");
    assert_eq!(
        config.advertised_listeners[1].to_string(),
        "EXTERNAL://mill.example.org:19093"
    );
    assert_eq!(config.inter_broker_listener, "INTERNAL");
}

#[test]
fn listeners_that_cannot_be_served_are_refused_by_name() {
    for (text, reason) in [
        (
            "listeners=PLAINTEXT:9092",
            "'PLAINTEXT:9092' is not NAME://host:port",
        ),
        ("listeners=PLAINTEXT://::1:9092", "is not NAME://host:port"),
        ("listeners=PLAINTEXT://h:99999", "is not NAME://host:port"),
        ("listeners=", "names no listener"),
        ("listeners=A://:1,A://:2", "A stands twice"),
        ("listeners=PLAINTEXT://:1,SSL://:1", "port 1 stands twice"),
        (
            "listeners=SSL://:9092",
            "needs SSL, which this release does not serve",
        ),
        (
            "listeners=FOO://:9092",
            "FOO is not in listener.security.protocol.map",
        ),
        (
            "listener.security.protocol.map=A:B",
            "B is none of PLAINTEXT",
        ),
        (
            "listeners=PLAINTEXT://0.0.0.0:9092",
            "set advertised.listeners",
        ),
        ("advertised.listeners=PLAINTEXT://:9092", "has no host"),
        (
            "advertised.listeners=OTHER://h:1",
            "OTHER is not among the listeners",
        ),
        (
            "inter.broker.listener.name=X",
            "X is none of the advertised listeners",
        ),
        (
            "listeners=C://:1\ncontroller.listener.names=C",
            "names no listener for clients",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(reason), "{text}: {error}");
        assert!(error.starts_with("server.properties:"), "{error}");
    }
}

#[test]
fn other_voters_are_refused_rather_than_waited_for() {
    assert_eq!(
        config("controller.quorum.voters=1@localhost:9093").node_id,
        NodeId(1)
    );
    for (text, reason) in [
        (
            "process.roles=broker",
            "set process.roles=broker,controller",
        ),
        (
            "process.roles=controller",
            "set process.roles=broker,controller",
        ),
        (
            "controller.quorum.voters=1@a:1,2@b:1",
            "2@b:1 is another node than 1",
        ),
        ("controller.quorum.voters=a:1", "'a:1' is not id@host:port"),
        (
            "controller.quorum.bootstrap.servers=a:1,b:1",
            "names another node",
        ),
        (
            "listeners=PLAINTEXT://:1,C://:2\ncontroller.listener.names=C\ncontroller.quorum.bootstrap.servers=h:3",
            "h:3 names another node",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn bounds_of_shards_and_their_default_fit() {
    assert_eq!(config("num.shards=1024").shards, 1024);
    assert!(refused("num.shards=0").contains("0 is too small (1 to 1024)"));
    assert!(refused("num.shards=1025").contains("1025 is too large (1 to 1024)"));
    assert_eq!(
        config("queued.max.request.bytes=-1").queued_request_bytes_max,
        None
    );
    assert_eq!(
        config("connections.max.idle.ms=-1").connections_idle_ms_max,
        None
    );
    assert_eq!(
        config("socket.send.buffer.bytes=-1").socket_send_buffer_bytes,
        None
    );
    assert!(refused("socket.send.buffer.bytes=0").contains("neither -1 nor a size"));
}

#[test]
fn a_topic_has_its_own_settings_over_the_brokers() {
    let broker = config("log.segment.bytes=2000000\nmessage.max.bytes=77");
    let own = overrides(&[
        ("segment.bytes", " +3000000 "),
        ("cleanup.policy", "compact, delete"),
    ]);
    let topic = TopicConfig::resolve(&broker, &own).unwrap();
    assert_eq!(topic.segment_bytes, 3_000_000);
    assert_eq!(topic.max_message_bytes, 77);
    assert!(topic.cleanup_policy.compact && topic.cleanup_policy.delete);
    let none = TopicConfig::resolve(&broker, &BTreeMap::new()).unwrap();
    assert_eq!(none, broker.topic_defaults);
    assert_eq!(none.segment_bytes, 2_000_000);
    let tiny = overrides(&[("internal.segment.bytes", "500")]);
    assert_eq!(
        TopicConfig::resolve(&broker, &tiny).unwrap().segment_bytes,
        500
    );
}

/// The right side is what Apache Kafka 4.2.0's `LogConfig.validate` says.
#[test]
fn a_bad_topic_setting_is_refused_in_kafkas_words() {
    for (name, value, words) in [
        (
            "segment.bytes",
            "abc",
            "Invalid value abc for configuration segment.bytes: Not a number of type INT",
        ),
        (
            "segment.bytes",
            "10",
            "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576",
        ),
        (
            "segment.bytes",
            "99999999999",
            "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT",
        ),
        (
            "segment.bytes",
            "1.0",
            "Invalid value 1.0 for configuration segment.bytes: Not a number of type INT",
        ),
        ("nope", "1", "Unknown topic config name: nope"),
        (
            "cleanup.policy",
            "x",
            "Invalid value x for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            "preallocate",
            "yes",
            "Invalid value yes for configuration preallocate: Expected value to be either true or false",
        ),
        (
            "compression.type",
            "GZIP",
            "Invalid value GZIP for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        (
            "compression.gzip.level",
            "0",
            "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        ),
        (
            "compression.zstd.level",
            "30",
            "Invalid value 30 for configuration compression.zstd.level: Value must be no more than 22",
        ),
        (
            "retention.ms",
            "-2",
            "Invalid value -2 for configuration retention.ms: Value must be at least -1",
        ),
        (
            "min.cleanable.dirty.ratio",
            "x",
            "Invalid value x for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE",
        ),
    ] {
        assert_eq!(topic_may_have(&[(name, value)]).unwrap_err(), words);
    }
    for (name, value) in [
        ("cleanup.policy", ""),
        ("cleanup.policy", "delete,delete"),
        ("preallocate", "TRUE"),
        ("retention.ms", " 5 "),
        ("retention.bytes", "-7"),
        ("segment.bytes", "+5000000"),
        ("leader.replication.throttled.replicas", "*"),
        ("leader.replication.throttled.replicas", "0:1,1:2"),
        ("internal.segment.bytes", "5"),
    ] {
        assert_eq!(topic_may_have(&[(name, value)]), Ok(()), "{name}={value}");
    }
    assert!(topic_may_have(&[("leader.replication.throttled.replicas", "x")]).is_err());
    assert!(topic_may_have(&[("remote.storage.enable", "true")]).is_err());
    // An unknown name goes before a bad value, whatever their order.
    assert_eq!(
        topic_may_have(&[("flush.ms", "x"), ("no.such", "1")]).unwrap_err(),
        "Unknown topic config name: no.such"
    );
}

#[test]
fn settings_of_a_topic_that_contradict_each_other_are_refused() {
    let own = overrides(&[
        ("min.compaction.lag.ms", "10"),
        ("max.compaction.lag.ms", "5"),
    ]);
    assert_eq!(
        TopicConfig::resolve(&config(""), &own)
            .unwrap_err()
            .to_string(),
        "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"
    );
}

#[test]
fn an_internal_size_beyond_any_file_is_refused() {
    let own = overrides(&[("internal.segment.bytes", "-1")]);
    assert!(TopicConfig::resolve(&config(""), &own).is_err());
}

#[test]
fn a_topic_is_described_with_every_visible_property_and_where_it_comes_from() {
    let broker = config("log.segment.bytes=2000000\nlog.retention.hours=1");
    let own = overrides(&[("segment.bytes", "3000000")]);
    let entries = describe_topic(&own, &broker);
    assert!(entries.is_sorted_by_key(|entry| &entry.name));
    assert!(
        entries
            .iter()
            .all(|entry| entry.name != "internal.segment.bytes")
    );
    let of = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap();

    let segment = of("segment.bytes");
    assert_eq!(segment.value.as_deref(), Some("3000000"));
    assert_eq!(segment.source, Source::DynamicTopic);
    assert_eq!(segment.kind, 3);
    let synonyms: Vec<_> = segment
        .synonyms
        .iter()
        .map(|s| (s.name.as_str(), s.value.as_deref().unwrap(), s.source as i8))
        .collect();
    assert_eq!(
        synonyms,
        [
            ("segment.bytes", "3000000", 1),
            ("log.segment.bytes", "2000000", 4),
            ("log.segment.bytes", "1073741824", 5)
        ]
    );
    let retention = of("retention.ms");
    assert_eq!(retention.value.as_deref(), Some("3600000"));
    assert!(!retention.is_read_only);
    assert_eq!(of("flush.ms").value.as_deref(), Some("9223372036854775807"));
}

/// An entry as `kafka-configs --describe --all` prints it.
fn printed(entry: &Entry) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or("null".into());
    let synonyms: Vec<String> = entry
        .synonyms
        .iter()
        .map(|synonym| {
            let source = match synonym.source {
                Source::DynamicTopic => "DYNAMIC_TOPIC_CONFIG",
                Source::StaticBroker => "STATIC_BROKER_CONFIG",
                Source::Default => "DEFAULT_CONFIG",
                Source::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
                Source::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
                Source::BrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
                Source::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
                Source::Group => "DYNAMIC_GROUP_CONFIG",
            };
            format!("{source}:{}={}", synonym.name, value(&synonym.value))
        })
        .collect();
    format!(
        "  {}={} sensitive={} synonyms={{{}}}",
        entry.name,
        value(&entry.value),
        entry.is_sensitive,
        synonyms.join(", ")
    )
}

/// The broker that Apache Kafka 4.2.0 was when it printed `kafka-topic.txt` and `kafka-broker.txt`.
fn described_by_kafka() -> BrokerConfig {
    config(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:29093\n\
         listeners=PLAINTEXT://127.0.0.1:29092,CONTROLLER://127.0.0.1:29093\n\
         controller.listener.names=CONTROLLER\nlog.dirs=/kafka\nlog.retention.hours=168\n\
         log.roll.hours=100\nlog.segment.bytes=2000000\noffsets.topic.replication.factor=1\nfoo.bar=1\n",
    )
}

#[test]
fn what_the_cluster_has_as_default_stands_before_the_brokers_file() {
    let cluster = overrides(&[("min.insync.replicas", "2")]);
    let broker = config("min.insync.replicas=3").with_dynamic(&cluster, &BTreeMap::new());
    let of = |own: &[(&str, &str)]| {
        let entries = describe_topic(&overrides(own), &broker);
        let entry = entries.iter().find(|it| it.name == "min.insync.replicas");
        let entry = entry.unwrap();
        let sources: Vec<i8> = entry.synonyms.iter().map(|s| s.source as i8).collect();
        (entry.value.clone().unwrap(), entry.source as i8, sources)
    };
    assert_eq!(of(&[]), ("2".to_owned(), 3, vec![3, 4, 5]));
    let own = of(&[("min.insync.replicas", "1")]);
    assert_eq!(own, ("1".to_owned(), 1, vec![1, 3, 4, 5]));
}

#[test]
fn a_topic_is_described_as_kafka_describes_it() {
    let own = overrides(&[("segment.bytes", "3000000")]);
    let entries = describe_topic(&own, &described_by_kafka());
    let ours: Vec<String> = entries.iter().map(printed).collect();
    let theirs: Vec<&str> = include_str!("kafka-topic.txt").lines().collect();
    assert_eq!(ours, theirs);
}

#[test]
fn a_broker_is_described_as_kafka_describes_it_but_for_our_defaults() {
    // What Kafka's first start sets for all brokers.
    let cluster = overrides(&[("min.insync.replicas", "1")]);
    let broker = described_by_kafka().with_dynamic(&cluster, &BTreeMap::new());
    let entries = describe_broker(&broker);
    let ours: BTreeSet<String> = entries.iter().map(printed).collect();
    let theirs: BTreeSet<String> = include_str!("kafka-broker.txt")
        .lines()
        .map(str::to_owned)
        .collect();
    let name = |line: &String| line.trim().split('=').next().unwrap().to_owned();
    // Nothing of Kafka's is missing.
    let described: Vec<&str> = entries.iter().map(|entry| &*entry.name).collect();
    let missing: Vec<String> = theirs.difference(&ours).map(name).collect();
    assert_eq!(
        missing
            .iter()
            .filter(|name| !described.contains(&name.as_str()))
            .count(),
        0,
        "{missing:?}"
    );
    assert_eq!(
        ours.difference(&theirs).map(name).collect::<Vec<_>>(),
        [
            "controller.listener.names",
            "fetch.cold.mode",
            "listeners",
            "log.append.mode",
            "log.dir",
            "millstream.metrics.listener",
            "millstream.produce.validation",
            "node.id",
            "num.shards",
            "process.roles",
            "shard.spin.us",
        ]
    );
}

#[test]
fn a_broker_is_described_without_showing_what_it_does_not_know() {
    let broker = config("num.partitions=3\nsome.password=secret");
    let entries = describe_broker(&broker);
    let of = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap();
    assert_eq!(of("num.partitions").value.as_deref(), Some("3"));
    assert_eq!(of("num.partitions").source, Source::StaticBroker);
    assert!(of("num.partitions").is_read_only);
    assert!(!of("log.segment.bytes").is_read_only);
    assert_eq!(of("log.segment.bytes").source, Source::Default);
    assert_eq!(of("node.id").value.as_deref(), Some("1"));
    let secret = of("some.password");
    assert!(secret.is_sensitive);
    assert_eq!((&secret.value, &secret.synonyms[0].value), (&None, &None));
}

#[test]
fn help_lists_every_property_with_what_it_may_be() {
    let help = help();
    for property in PROPERTIES.iter().filter(|property| !property.internal) {
        assert!(help.contains(property.name), "{}", property.name);
    }
    assert!(help.contains(
        "  log.segment.bytes = 1073741824\n      int (bytes, at least 1048576). The largest segment file.\n"
    ));
    assert!(!help.contains("internal.segment.bytes"));
}
