//! Settings that change while the broker runs, each shown by what it does: of a topic, of this broker,
//! and of all brokers as the default of topics that have none of their own. [`EFFECTS`] holds the table
//! of properties to it: what is claimed to have an effect there must have a test here.

use crate::broker::{self, Broker, Directory, Topic};
use crate::client::Client;
use crate::compaction::{cleaned, log_bytes, read};
use crate::flush;
use crate::members::until;
use crate::records::{batch, batch_at, builder, headers, large, now_ms, sequenced};
use crate::settings::{BROKER, DELETE, SET, TOPIC, alter, set};
use millstream::batch::Codec;
use millstream::config::{PROPERTIES, Scope, Support, Update};
use millstream::types::Timestamp;
use millstream::wire::ErrorCode;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// Each property that may change while the broker runs, has an effect, and is a topic's or a broker's:
/// and the test that shows the effect.
const EFFECTS: &[(&str, &str)] = &[
    // of a topic, and of brokers as its default
    ("cleanup.policy", "cleanup_policy_compacts"),
    ("compression.gzip.level", "compression_type_and_levels"),
    ("compression.lz4.level", "compression_type_and_levels"),
    ("compression.type", "compression_type_and_levels"),
    ("compression.zstd.level", "compression_type_and_levels"),
    ("delete.retention.ms", "delete_retention_ms"),
    ("flush.messages", "flush_messages"),
    ("flush.ms", "flush_ms"),
    ("index.interval.bytes", "index_interval_and_size"),
    ("internal.segment.bytes", "internal_segment_bytes"),
    ("log.cleaner.delete.retention.ms", "delete_retention_ms"),
    (
        "log.cleaner.max.compaction.lag.ms",
        "dirty_ratio_and_lags_of_compaction",
    ),
    (
        "log.cleaner.min.cleanable.ratio",
        "dirty_ratio_and_lags_of_compaction",
    ),
    (
        "log.cleaner.min.compaction.lag.ms",
        "dirty_ratio_and_lags_of_compaction",
    ),
    ("log.cleanup.policy", "cleanup_policy_compacts"),
    ("log.flush.interval.messages", "flush_messages"),
    ("log.flush.interval.ms", "flush_ms"),
    ("log.index.interval.bytes", "index_interval_and_size"),
    ("log.index.size.max.bytes", "index_interval_and_size"),
    (
        "log.message.timestamp.after.max.ms",
        "message_timestamp_bounds",
    ),
    (
        "log.message.timestamp.before.max.ms",
        "message_timestamp_bounds",
    ),
    ("log.message.timestamp.type", "message_timestamp_type"),
    ("log.roll.jitter.ms", "segment_jitter_ms"),
    ("log.roll.ms", "segment_ms"),
    ("log.segment.bytes", "segment_bytes"),
    (
        "max.compaction.lag.ms",
        "dirty_ratio_and_lags_of_compaction",
    ),
    ("max.message.bytes", "max_message_bytes"),
    ("message.max.bytes", "max_message_bytes"),
    ("message.timestamp.after.max.ms", "message_timestamp_bounds"),
    (
        "message.timestamp.before.max.ms",
        "message_timestamp_bounds",
    ),
    ("message.timestamp.type", "message_timestamp_type"),
    (
        "min.cleanable.dirty.ratio",
        "dirty_ratio_and_lags_of_compaction",
    ),
    (
        "min.compaction.lag.ms",
        "dirty_ratio_and_lags_of_compaction",
    ),
    (
        "min.insync.replicas",
        "min_insync_replicas_beyond_the_replicas_is_no_bound_as_in_kafka",
    ),
    ("segment.bytes", "segment_bytes"),
    ("segment.index.bytes", "index_interval_and_size"),
    ("segment.jitter.ms", "segment_jitter_ms"),
    ("segment.ms", "segment_ms"),
    // of brokers
    (
        "listener.security.protocol.map",
        "listeners_stay_as_they_were_opened",
    ),
    ("listeners", "listeners_stay_as_they_were_opened"),
    ("log.cleaner.backoff.ms", "what_compaction_may_take"),
    ("log.cleaner.dedupe.buffer.size", "what_compaction_may_take"),
    (
        "log.cleaner.io.buffer.load.factor",
        "what_compaction_may_take",
    ),
    ("log.cleaner.io.buffer.size", "what_compaction_may_take"),
    (
        "log.cleaner.io.max.bytes.per.second",
        "what_compaction_may_take",
    ),
    (
        "max.connections",
        "max_connections_and_those_of_one_address",
    ),
    (
        "max.connections.per.ip",
        "max_connections_and_those_of_one_address",
    ),
    (
        "max.connections.per.ip.overrides",
        "max_connections_and_those_of_one_address",
    ),
    (
        "num.recovery.threads.per.data.dir",
        "recovery_threads_count_at_the_next_start",
    ),
    ("producer.id.expiration.ms", "producer_id_expiration_ms"),
];

#[test]
fn every_setting_that_is_claimed_to_change_something_has_a_test_of_its_effect() {
    let changes = PROPERTIES.iter().filter(|it| match it.scope {
        Scope::Topic(_) => true,
        Scope::Broker => it.update != Update::ReadOnly,
        Scope::Group(_) | Scope::ClientMetrics => false,
    });
    let claimed = changes.filter(|it| it.support == Support::Used);
    let claimed: BTreeSet<&str> = claimed.map(|it| it.name).collect();
    let shown: BTreeSet<&str> = EFFECTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(shown, claimed);
    let tests = include_str!("dynamic_settings.rs");
    for (name, test) in EFFECTS {
        let is_there = tests.contains(&format!("#[test]\nfn {test}()"));
        assert!(is_there, "{name}: there is no test {test}");
    }
}

/// The sizes of a partition's files of that kind, in the order of their offsets.
fn sizes(broker: &Broker, topic: &Topic, partition: i32, kind: &str) -> Vec<u64> {
    let mut files: Vec<_> = fs::read_dir(broker.partition(topic, partition))
        .expect("the partition's directory")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(kind))
        .collect();
    files.sort_by_key(|entry| entry.file_name());
    let sizes = files.iter().map(|it| it.metadata().expect("a file").len());
    sizes.collect()
}

fn unset(client: &mut Client, kind: i8, name: &str, key: &str) {
    let result = alter(client, 1, kind, name, &[(key, DELETE, None)]);
    assert_eq!(result, (ErrorCode::NONE, None), "{key}");
}

/// What becomes of a batch.
fn fate(client: &mut Client, topic: &Topic, records: Vec<u8>) -> ErrorCode {
    client.produce(topic, 0, records).error_code
}

/// A topic, and the place where its settings are changed: its own, or the defaults of all brokers.
struct Stage<'a> {
    broker: &'a Broker,
    topic: Topic,
    kind: i8,
    client: Client,
}

impl Stage<'_> {
    /// The setting under the name that it has here: of a topic, or of a broker.
    fn set(&mut self, (of_topic, of_broker): (&str, &str), value: &str) {
        let key = if self.kind == TOPIC {
            of_topic
        } else {
            of_broker
        };
        let name = if self.kind == TOPIC {
            &self.topic.name
        } else {
            ""
        };
        set(&mut self.client, self.kind, name, key, value);
    }

    fn unset(&mut self, (of_topic, of_broker): (&str, &str)) {
        let key = if self.kind == TOPIC {
            of_topic
        } else {
            of_broker
        };
        let name = if self.kind == TOPIC {
            &self.topic.name
        } else {
            ""
        };
        unset(&mut self.client, self.kind, name, key);
    }

    fn fate(&mut self, records: Vec<u8>) -> ErrorCode {
        fate(&mut self.client, &self.topic, records)
    }

    fn append(&mut self, partition: i32, records: Vec<u8>) -> i64 {
        self.client.append(&self.topic, partition, records)
    }

    /// How many segments a partition has.
    fn segments(&self, partition: i32) -> usize {
        sizes(self.broker, &self.topic, partition, ".log").len()
    }
}

/// Plays it with the topic's own settings, then with the defaults of all brokers.
fn at_both_levels(name: &str, partitions: i32, play: impl Fn(&mut Stage<'_>)) {
    let shared = broker::shared();
    play(&mut Stage {
        broker: shared,
        topic: shared.topic(name, partitions),
        kind: TOPIC,
        client: shared.client(),
    });
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    play(&mut Stage {
        broker: &broker,
        topic: broker.topic(name, partitions),
        kind: BROKER,
        client: broker.client(),
    });
    broker.stop();
}

#[test]
fn max_message_bytes() {
    const KEY: (&str, &str) = ("max.message.bytes", "message.max.bytes");
    at_both_levels("effect-max-bytes", 1, |stage| {
        assert_eq!(stage.fate(large(5000)), ErrorCode::NONE);
        stage.set(KEY, "4000");
        assert_eq!(stage.fate(large(5000)), ErrorCode::MESSAGE_TOO_LARGE);
        assert_eq!(stage.fate(large(3000)), ErrorCode::NONE);
        stage.set(KEY, "2000000");
        assert_eq!(stage.fate(large(1_500_000)), ErrorCode::NONE);
        stage.unset(KEY);
        assert_eq!(stage.fate(large(1_500_000)), ErrorCode::MESSAGE_TOO_LARGE);
    });
}

#[test]
fn message_timestamp_type() {
    const KEY: (&str, &str) = ("message.timestamp.type", "log.message.timestamp.type");
    at_both_levels("effect-timestamp-type", 1, |stage| {
        let time = |stage: &mut Stage<'_>| {
            let set = batch_at(Codec::None, &[1000]);
            let response = stage.client.produce(&stage.topic, 0, set);
            assert_eq!(response.error_code, ErrorCode::NONE);
            response.log_append_time_ms
        };
        assert_eq!(time(stage), -1);
        let before = now_ms();
        stage.set(KEY, "LogAppendTime");
        assert!(time(stage) >= before, "the broker's time");
        stage.unset(KEY);
        assert_eq!(time(stage), -1);
    });
}

#[test]
fn message_timestamp_bounds() {
    const BEFORE: (&str, &str) = (
        "message.timestamp.before.max.ms",
        "log.message.timestamp.before.max.ms",
    );
    const AFTER: (&str, &str) = (
        "message.timestamp.after.max.ms",
        "log.message.timestamp.after.max.ms",
    );
    const HOUR: i64 = 3_600_000;
    let at = |offset: i64| batch_at(Codec::None, &[now_ms() + offset]);
    at_both_levels("effect-timestamp-bounds", 1, |stage| {
        assert_eq!(stage.fate(at(-HOUR)), ErrorCode::NONE);
        assert_eq!(stage.fate(at(2 * HOUR)), ErrorCode::INVALID_TIMESTAMP);
        stage.set(BEFORE, "60000");
        assert_eq!(stage.fate(at(-HOUR)), ErrorCode::INVALID_TIMESTAMP);
        assert_eq!(stage.fate(at(2 * HOUR)), ErrorCode::INVALID_TIMESTAMP);
        stage.set(AFTER, "36000000");
        assert_eq!(stage.fate(at(-HOUR)), ErrorCode::INVALID_TIMESTAMP);
        assert_eq!(stage.fate(at(2 * HOUR)), ErrorCode::NONE);
        stage.unset(BEFORE);
        stage.unset(AFTER);
        assert_eq!(stage.fate(at(-HOUR)), ErrorCode::NONE);
        assert_eq!(stage.fate(at(2 * HOUR)), ErrorCode::INVALID_TIMESTAMP);
    });
}

#[test]
fn segment_bytes() {
    const KEY: (&str, &str) = ("segment.bytes", "log.segment.bytes");
    at_both_levels("effect-segment-bytes", 1, |stage| {
        for _ in 0..3 {
            stage.append(0, large(600_000));
        }
        assert_eq!(stage.segments(0), 1);
        stage.set(KEY, "1048576");
        for _ in 0..3 {
            stage.append(0, large(600_000));
        }
        assert_eq!(stage.segments(0), 4);
        let fetched = stage.client.fetch(&stage.topic, 0, 5);
        assert_eq!(fetched.response.high_watermark, 6);
        stage.unset(KEY);
        for _ in 0..3 {
            stage.append(0, large(600_000));
        }
        assert_eq!(stage.segments(0), 4);
    });
}

/// Below the bound that Kafka sets to segment.bytes, which brokers have no default for.
#[test]
fn internal_segment_bytes() {
    let broker = broker::shared();
    let topic = broker.topic("effect-internal-segment-bytes", 1);
    let mut client = broker.client();
    const KEY: &str = "internal.segment.bytes";
    for (value, expected) in [(None, 1), (Some("1000"), 4), (None, 4)] {
        match value {
            Some(value) => set(&mut client, TOPIC, &topic.name, KEY, value),
            None => unset(&mut client, TOPIC, &topic.name, KEY),
        }
        for _ in 0..3 {
            client.append(&topic, 0, large(600));
        }
        assert_eq!(sizes(broker, &topic, 0, ".log").len(), expected);
    }
}

/// Records say how much time has passed: more than `segment.ms` since the first of their segment.
#[test]
fn segment_ms() {
    const KEY: (&str, &str) = ("segment.ms", "log.roll.ms");
    let start = now_ms() - 1_000_000;
    let at = |ms: i64| batch_at(Codec::None, &[start + ms]);
    at_both_levels("effect-segment-ms", 1, |stage| {
        stage.append(0, at(0));
        stage.append(0, at(20_000));
        assert_eq!(stage.segments(0), 1);
        stage.set(KEY, "10000");
        stage.append(0, at(20_001));
        stage.append(0, at(30_001));
        assert_eq!(stage.segments(0), 2, "the first of these began a segment");
        stage.append(0, at(30_002));
        assert_eq!(stage.segments(0), 3);
        stage.unset(KEY);
        stage.append(0, at(90_000));
        assert_eq!(stage.segments(0), 3);
    });
}

/// Each segment draws its jitter when it begins, so the one that is open when the setting changes ends
/// as it would have. With the whole of `segment.ms` as jitter half of the segments are over after half of
/// it; that all of 24 partitions draw the same half is one in 8 million.
#[test]
fn segment_jitter_ms() {
    const MS: (&str, &str) = ("segment.ms", "log.roll.ms");
    const JITTER: (&str, &str) = ("segment.jitter.ms", "log.roll.jitter.ms");
    const PARTITIONS: i32 = 24;
    let start = now_ms() - 1_000_000;
    at_both_levels("effect-segment-jitter-ms", PARTITIONS, |stage| {
        stage.set(MS, "10000");
        let mut ms = 0;
        // How many partitions have begun a segment, all that time after the last batches.
        let mut rolled = |stage: &mut Stage<'_>, later: i64| {
            ms += later;
            let mut rolled = 0;
            for partition in 0..PARTITIONS {
                let before = stage.segments(partition);
                stage.append(partition, batch_at(Codec::None, &[start + ms]));
                rolled += stage.segments(partition) - before;
            }
            rolled as i32
        };
        rolled(stage, 0);
        stage.set(JITTER, "10000");
        assert_eq!(rolled(stage, 10_000), 0, "they began before");
        assert_eq!(rolled(stage, 1), PARTITIONS);
        let early = rolled(stage, 5000);
        assert!((1..PARTITIONS).contains(&early), "{early} of {PARTITIONS}");
        stage.unset(JITTER);
        assert_eq!(
            rolled(stage, 10_001),
            PARTITIONS,
            "each has waited its time"
        );
        assert_eq!(rolled(stage, 10_000), 0);
        assert_eq!(rolled(stage, 1), PARTITIONS);
        stage.unset(MS);
    });
}

#[test]
fn index_interval_and_size() {
    const INTERVAL: (&str, &str) = ("index.interval.bytes", "log.index.interval.bytes");
    const SIZE: (&str, &str) = ("segment.index.bytes", "log.index.size.max.bytes");
    at_both_levels("effect-index", 1, |stage| {
        let append = |stage: &mut Stage<'_>| {
            for _ in 0..12 {
                stage.append(0, batch(&["small"]));
            }
        };
        append(stage);
        assert_eq!(stage.segments(0), 1);
        // Room for three entries of eight bytes; but so few batches have none.
        stage.set(SIZE, "24");
        append(stage);
        assert_eq!(stage.segments(0), 1);
        // An entry for each batch.
        stage.set(INTERVAL, "0");
        append(stage);
        let many = stage.segments(0);
        assert!(many >= 4, "{many} segments");
        // Entries, but room for all of them.
        stage.unset(SIZE);
        append(stage);
        assert!(stage.segments(0) <= many + 1);
        stage.unset(INTERVAL);
        let fetched = stage.client.fetch(&stage.topic, 0, 47);
        assert_eq!(fetched.response.high_watermark, 48);
    });
}

#[test]
fn compression_type_and_levels() {
    const TYPE: (&str, &str) = ("compression.type", "compression.type");
    let text: String = (0..20_000)
        .map(|at| format!("{} {}; ", at % 97, at * at % 1009))
        .collect();
    at_both_levels("effect-compression", 1, |stage| {
        // Codec and size of a batch that comes uncompressed.
        let stored = |stage: &mut Stage<'_>| {
            let offset = stage.append(0, batch(&[&text]));
            let fetched = stage.client.fetch(&stage.topic, 0, offset);
            let header = headers(fetched.records)[0];
            (header.codec(), header.size())
        };
        assert_eq!(stored(stage).0, Some(Codec::None));
        for (codec, low, high) in [
            (Codec::Gzip, "1", "9"),
            (Codec::Lz4, "9", "12"),
            (Codec::Zstd, "-100", "9"),
        ] {
            stage.set(TYPE, codec.name());
            let level = format!("compression.{}.level", codec.name());
            let sizes = [low, high].map(|value| {
                stage.set((&level, &level), value);
                let (stored_in, size) = stored(stage);
                assert_eq!(stored_in, Some(codec));
                size
            });
            assert!(sizes[1] < sizes[0], "{codec:?}: {sizes:?}");
            stage.unset((&level, &level));
        }
        stage.set(TYPE, "snappy");
        assert_eq!(stored(stage).0, Some(Codec::Snappy));
        stage.unset(TYPE);
        assert_eq!(stored(stage).0, Some(Codec::None));
    });
}

#[test]
fn cleanup_policy_compact_wants_keys() {
    let broker = broker::shared();
    let topic = broker.topic("effect-compact", 1);
    let mut client = broker.client();
    assert_eq!(
        fate(&mut client, &topic, batch(&["keyless"])),
        ErrorCode::NONE
    );
    set(&mut client, TOPIC, &topic.name, "cleanup.policy", "compact");
    let error = fate(&mut client, &topic, batch(&["keyless"]));
    assert_eq!(error, ErrorCode::INVALID_RECORD);
    let mut keyed = builder();
    keyed.push(Timestamp(now_ms()), Some(b"key"), Some(b"value"), &[]);
    assert_eq!(fate(&mut client, &topic, keyed.finish()), ErrorCode::NONE);
    unset(&mut client, TOPIC, &topic.name, "cleanup.policy");
    assert_eq!(
        fate(&mut client, &topic, batch(&["keyless"])),
        ErrorCode::NONE
    );
}

#[test]
fn min_insync_replicas_beyond_the_replicas_is_no_bound_as_in_kafka() {
    const KEY: (&str, &str) = ("min.insync.replicas", "min.insync.replicas");
    at_both_levels("effect-min-isr", 1, |stage| {
        stage.set(KEY, "2");
        assert_eq!(stage.fate(batch(&["taken"])), ErrorCode::NONE);
        stage.set(KEY, "1");
        assert_eq!(stage.fate(batch(&["taken"])), ErrorCode::NONE);
    });
}

/// What is appended is made durable as long as the setting has this value, and only then.
fn flushes((of_topic, of_broker): (&str, &str), value: &str) {
    let directory = Directory::new();
    let broker = flush::start(&directory);
    let mut client = broker.client();
    for (kind, key) in [(TOPIC, of_topic), (BROKER, of_broker)] {
        let topic = broker.topic(&format!("of-{kind}"), 1);
        let name = if kind == TOPIC { &*topic.name } else { "" };
        let stays_at = |client: &mut Client, durable: i64| {
            client.append(&topic, 0, batch(&["x"]));
            std::thread::sleep(Duration::from_millis(200));
            assert_eq!(flush::recovery_point(&directory, &topic), durable, "{key}");
        };
        stays_at(&mut client, 0);
        set(&mut client, kind, name, key, value);
        for end in [2, 3] {
            client.append(&topic, 0, batch(&["x"]));
            flush::wait_for_recovery_point(&directory, &topic, end);
        }
        unset(&mut client, kind, name, key);
        stays_at(&mut client, 3);
    }
    broker.stop();
}

#[test]
fn flush_messages() {
    flushes(("flush.messages", "log.flush.interval.messages"), "1");
}

#[test]
fn flush_ms() {
    flushes(("flush.ms", "log.flush.interval.ms"), "20");
}

#[test]
fn producer_id_expiration_ms() {
    let directory = Directory::new();
    let settings = [
        "num.shards=2",
        "producer.id.expiration.check.interval.ms=20",
    ];
    let broker = Broker::start(&directory, &settings);
    let topic = broker.topic("t", 1);
    let mut client = broker.client();
    const KEY: &str = "producer.id.expiration.ms";
    // A batch beyond a gap is refused as long as its producer is known; a stranger may begin anywhere.
    let is_taken = |client: &mut Client, sequence: i32| {
        let response = client.produce(&topic, 0, sequenced(5, 0, sequence, 1));
        match response.error_code {
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER => false,
            error => {
                assert_eq!(error, ErrorCode::NONE);
                true
            }
        }
    };
    let is_remembered = |client: &mut Client, sequence: i32| {
        std::thread::sleep(Duration::from_millis(200));
        !is_taken(client, sequence)
    };
    let is_forgotten = |client: &mut Client, sequence: i32| {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if is_taken(client, sequence) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    };
    client.append(&topic, 0, sequenced(5, 0, 0, 1));
    assert!(is_remembered(&mut client, 10));
    set(&mut client, BROKER, "", KEY, "50");
    assert!(is_forgotten(&mut client, 20));
    assert!(is_forgotten(&mut client, 30));
    // This broker's own goes before that of all.
    set(&mut client, BROKER, "1", KEY, "3600000");
    client.append(&topic, 0, sequenced(5, 0, 31, 1));
    assert!(is_remembered(&mut client, 50));
    unset(&mut client, BROKER, "1", KEY);
    assert!(is_forgotten(&mut client, 60));
    unset(&mut client, BROKER, "", KEY);
    client.append(&topic, 0, sequenced(5, 0, 61, 1));
    assert!(is_remembered(&mut client, 70));
    broker.stop();
}

#[test]
fn recovery_threads_count_at_the_next_start() {
    let directory = Directory::new();
    const KEY: &str = "num.recovery.threads.per.data.dir";
    let mut broker = Broker::start(&directory, &["num.shards=1"]);
    broker.topic("t", 3);
    assert!(
        broker
            .said()
            .contains("the logs are loaded partitions=0 threads=2")
    );
    for (threads, partitions) in [("4", 3), ("3", 3)] {
        set(&mut broker.client(), BROKER, "", KEY, threads);
        broker.stop();
        broker = Broker::start(&directory, &["num.shards=1"]);
        let said = format!("the logs are loaded partitions={partitions} threads={threads}");
        assert!(broker.said().contains(&said), "{}", broker.said());
    }
    broker.stop();
}

/// As long as the broker opens its listeners at its start only, a change of them is refused with that
/// reason rather than taken without an effect.
#[test]
fn listeners_stay_as_they_were_opened() {
    let mut client = broker::shared().client();
    for (key, value) in [
        ("listeners", "PLAINTEXT://127.0.0.1:1"),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,A:SSL",
        ),
    ] {
        let change = (key, SET, Some(value));
        let (error, why) = alter(&mut client, 1, BROKER, "1", &[change]);
        assert_eq!(error, ErrorCode::INVALID_REQUEST, "{key}");
        let why = why.expect("it says why");
        assert!(why.contains("opens its listeners at start only"), "{why}");
    }
}

#[test]
fn broker_defaults_reach_topics_without_settings_of_their_own_on_every_shard() {
    let directory = Directory::new();
    let overrides = ["num.shards=3", "message.max.bytes=100000"];
    let broker = Broker::start(&directory, &overrides);
    let mut client = broker.client();
    let plain: Vec<Topic> = (0..6)
        .map(|at| broker.topic(&format!("plain-{at}"), 1))
        .collect();
    let own = broker.topic_with("own", 1, &[("max.message.bytes", "5000")]);
    let taken = |client: &mut Client, bytes: usize| {
        let mut taken = plain.iter().map(|topic| fate(client, topic, large(bytes)));
        let first = taken.next().expect("a topic");
        assert!(taken.all(|it| it == first), "all topics alike");
        assert_eq!(fate(client, &own, large(4000)), ErrorCode::NONE);
        assert_eq!(
            fate(client, &own, large(6000)),
            ErrorCode::MESSAGE_TOO_LARGE
        );
        first
    };
    assert_eq!(taken(&mut client, 90_000), ErrorCode::NONE);
    set(&mut client, BROKER, "", "message.max.bytes", "10000");
    assert_eq!(taken(&mut client, 90_000), ErrorCode::MESSAGE_TOO_LARGE);
    set(&mut client, BROKER, "1", "message.max.bytes", "200000");
    assert_eq!(taken(&mut client, 190_000), ErrorCode::NONE);
    set(
        &mut client,
        BROKER,
        "1",
        "log.message.timestamp.type",
        "LogAppendTime",
    );
    let stamped = client.produce(&plain[0], 0, batch(&["stamped"]));
    assert!(stamped.log_append_time_ms > 0);
    broker.stop();
    // What was set is in force from the first request on.
    let broker = Broker::start(&directory, &overrides);
    let mut client = broker.client();
    assert_eq!(taken(&mut client, 190_000), ErrorCode::NONE);
    let late = broker.topic("late", 1);
    assert!(
        client
            .produce(&late, 0, batch(&["stamped"]))
            .log_append_time_ms
            > 0
    );
    unset(&mut client, BROKER, "1", "message.max.bytes");
    assert_eq!(taken(&mut client, 90_000), ErrorCode::MESSAGE_TOO_LARGE);
    unset(&mut client, BROKER, "", "message.max.bytes");
    assert_eq!(taken(&mut client, 90_000), ErrorCode::NONE);
    assert_eq!(taken(&mut client, 110_000), ErrorCode::MESSAGE_TOO_LARGE);
    broker.stop();
}

#[test]
fn max_connections_and_those_of_one_address() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let topic = broker.topic("connected", 1);
    let mut client = broker.client();
    let is_let_in = |broker: &Broker| {
        let mut other = broker.client();
        // Whoever is not let in is disconnected without having said anything.
        let wait = Some(Duration::from_millis(300));
        other
            .stream
            .set_read_timeout(wait)
            .expect("a socket option");
        let mut byte = [0];
        match std::io::Read::read(&mut other.stream, &mut byte) {
            Ok(0) => false,
            Ok(_) => panic!("a byte that nobody asked for"),
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    };
    assert!(is_let_in(&broker));
    for (key, few, many) in [
        ("max.connections", "1", "100"),
        ("max.connections.per.ip", "1", "100"),
        (
            "max.connections.per.ip.overrides",
            "127.0.0.1:1",
            "127.0.0.1:100",
        ),
    ] {
        set(&mut client, BROKER, "", key, few);
        assert!(!is_let_in(&broker), "{key}={few}");
        // Whoever is in stays in.
        client.append(&topic, 0, batch(&["still"]));
        set(&mut client, BROKER, "1", key, many);
        assert!(is_let_in(&broker), "{key}={many}");
        unset(&mut client, BROKER, "1", key);
        unset(&mut client, BROKER, "", key);
    }
    broker.stop();
}

// -- compaction

const POLICY: (&str, &str) = ("cleanup.policy", "log.cleanup.policy");
const SMALL_SEGMENTS: (&str, &str) = ("internal.segment.bytes", "1000");

/// As [`at_both_levels`], on brokers that look every 20 ms for what to compact, with a topic whose segments
/// hold some eight batches.
fn under_eager_cleaners(name: &str, play: impl Fn(&mut Stage<'_>)) {
    for kind in [TOPIC, BROKER] {
        let directory = Directory::new();
        let broker = Broker::start(&directory, &["num.shards=2", "log.cleaner.backoff.ms=20"]);
        play(&mut Stage {
            broker: &broker,
            topic: broker.topic_with(name, 1, &[SMALL_SEGMENTS]),
            kind,
            client: broker.client(),
        });
        broker.stop();
    }
}

/// A batch of one record of 50 bytes, or of a tombstone.
fn keyed(key: &str, is_deleted: bool) -> Vec<u8> {
    let value = (!is_deleted).then_some(&[b'v'; 50][..]);
    let mut builder = builder();
    builder.push(Timestamp(now_ms()), Some(key.as_bytes()), value, &[]);
    builder.finish()
}

impl Stage<'_> {
    /// Sixty batches of one key: 7,000 bytes, of which 120 stay, and what is in the last segment.
    fn write_often(&mut self) -> i64 {
        let last = (0..60)
            .map(|_| self.append(0, keyed("often", false)))
            .last();
        last.expect("some") + 1
    }

    fn bytes(&self) -> u64 {
        log_bytes(&self.broker.partition(&self.topic, 0))
    }

    fn is_compacted_soon(&self) {
        until(|| self.bytes(), |bytes| *bytes < 3_000);
    }

    fn is_not_compacted(&self) {
        std::thread::sleep(Duration::from_millis(400));
        assert!(self.bytes() > 6_000, "{} bytes", self.bytes());
    }
}

#[test]
fn cleanup_policy_compacts() {
    under_eager_cleaners("effect-policy", |stage| {
        stage.write_often();
        stage.is_not_compacted();
        stage.set(POLICY, "compact");
        stage.is_compacted_soon();
        stage.unset(POLICY);
        stage.write_often();
        stage.is_not_compacted();
    });
}

#[test]
fn dirty_ratio_and_lags_of_compaction() {
    const RATIO: (&str, &str) = (
        "min.cleanable.dirty.ratio",
        "log.cleaner.min.cleanable.ratio",
    );
    const MIN: (&str, &str) = ("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms");
    const MAX: (&str, &str) = ("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms");
    under_eager_cleaners("effect-dirt", |stage| {
        stage.set(MIN, "3600000");
        stage.set(POLICY, "compact");
        stage.write_often();
        stage.is_not_compacted();
        stage.set(MIN, "0");
        stage.is_compacted_soon();
        // No log is dirtier than that.
        stage.set(RATIO, "1");
        stage.write_often();
        stage.is_not_compacted();
        stage.set(MAX, "1");
        stage.is_compacted_soon();
        stage.unset(MAX);
        stage.write_often();
        stage.is_not_compacted();
        stage.set(RATIO, "0.5");
        stage.is_compacted_soon();
    });
}

#[test]
fn delete_retention_ms() {
    const RETENTION: (&str, &str) = ("delete.retention.ms", "log.cleaner.delete.retention.ms");
    // Rounds of compaction, after which it is asked whether a tombstone is there.
    let round = |stage: &mut Stage<'_>| {
        let end = stage.write_often();
        stage.is_compacted_soon();
        let (newest, _) = read(&mut stage.client, &stage.topic, end);
        newest.contains_key("deleted")
    };
    under_eager_cleaners("effect-tombstones", |stage| {
        stage.set(POLICY, "compact");
        stage.set(RETENTION, "1");
        stage.append(0, keyed("deleted", true));
        until(|| round(stage), |is_there| !is_there);
        stage.set(RETENTION, "3600000");
        stage.append(0, keyed("deleted", true));
        for _ in 0..4 {
            assert!(round(stage));
        }
    });
}

#[test]
fn what_compaction_may_take() {
    const RATE: &str = "log.cleaner.io.max.bytes.per.second";
    let directory = Directory::new();
    let hourly = ["num.shards=2", "log.cleaner.backoff.ms=3600000"];
    let broker = Broker::start(&directory, &hourly);
    let compact = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0"),
    ];
    let configs = [&[SMALL_SEGMENTS], &compact[..]].concat();
    let mut stage = Stage {
        broker: &broker,
        topic: broker.topic_with("effect-means", 1, &configs),
        kind: BROKER,
        client: broker.client(),
    };
    stage.write_often();
    stage.is_not_compacted();
    stage.set(("", "log.cleaner.backoff.ms"), "20");
    stage.is_compacted_soon();
    // Too slow to come to an end.
    stage.set(("", RATE), "1");
    stage.write_often();
    stage.is_not_compacted();
    // With the smallest buffer batches are larger than it.
    stage.set(("", "log.cleaner.io.buffer.size"), "0");
    let mut large = builder();
    let value = vec![7; 300_000];
    large.push(Timestamp(now_ms()), Some(b"often"), Some(&value), &[]);
    stage.unset(("", RATE));
    let roomy = [&[("internal.segment.bytes", "400000")], &compact[..]].concat();
    let roomy = broker.topic_with("effect-buffer", 1, &roomy);
    let large = large.finish();
    for _ in 0..4 {
        stage.client.append(&roomy, 0, large.clone());
    }
    stage.is_compacted_soon();
    until(
        || log_bytes(&broker.partition(&roomy, 0)),
        |bytes| *bytes < 700_000,
    );
    // How many keys the first pass over 300 of them takes; slow enough to be seen.
    stage.set(("", RATE), "400000");
    let first_pass = |stage: &mut Stage<'_>, name: &str| {
        // What is not durable when a pass begins is left to the next one.
        let durable = [SMALL_SEGMENTS, ("flush.messages", "1")];
        let topic = broker.topic_with(name, 1, &durable);
        for at in 0..300 {
            let batch = keyed(&format!("{at:03}"), false);
            stage.client.append(&topic, 0, batch);
        }
        set(&mut stage.client, TOPIC, name, "cleanup.policy", "compact");
        let cleaned = until(|| cleaned(&directory, name), Option::is_some);
        unset(&mut stage.client, TOPIC, name, "cleanup.policy");
        cleaned.expect("just seen")
    };
    let all = first_pass(&mut stage, "effect-keys-all");
    assert!((280..=300).contains(&all), "{all}");
    stage.set(("", "log.cleaner.dedupe.buffer.size"), "4800");
    let ninety = first_pass(&mut stage, "effect-keys-90");
    assert!((88..=92).contains(&ninety), "{ninety}");
    stage.set(("", "log.cleaner.io.buffer.load.factor"), "0.5");
    let fifty = first_pass(&mut stage, "effect-keys-50");
    assert!((48..=52).contains(&fifty), "{fifty}");
    broker.stop();
}
