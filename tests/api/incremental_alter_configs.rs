//! IncrementalAlterConfigs: settings are changed one by one, or refused in Kafka's words.

use crate::broker::{self, Broker, Directory};
use crate::client::{Client, versions};
use crate::settings::{
    APPEND, BROKER, Change, DELETE, GROUP, LOGGER, METRICS, SET, TOPIC, alter, described, value,
};
use millstream::wire::{
    ApiKey, ErrorCode, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

fn refused(
    client: &mut Client,
    kind: i8,
    name: &str,
    changes: &[Change<'_>],
    code: ErrorCode,
    words: &str,
) {
    let before = changes
        .iter()
        .map(|change| value(client, kind, name, change.0))
        .collect::<Vec<_>>();
    let (error, message) = alter(client, 1, kind, name, changes);
    let message = message.unwrap_or_default();
    assert_eq!(error, code, "{name} {changes:?}: {message}");
    assert!(message.contains(words), "{message}");
    let after = changes
        .iter()
        .map(|change| value(client, kind, name, change.0))
        .collect::<Vec<_>>();
    assert_eq!(before, after, "nothing changed");
}

#[test]
fn every_version_sets_and_deletes_and_every_connection_sees_it_at_once() {
    let broker = broker::shared();
    broker.topic("alter-versions", 4);
    let mut client = broker.client();
    let mut others: Vec<Client> = (0..5).map(|_| broker.client()).collect();
    for version in versions(ApiKey::INCREMENTAL_ALTER_CONFIGS) {
        let size = (2_000_000 + i32::from(version)).to_string();
        let result = alter(
            &mut client,
            version,
            TOPIC,
            "alter-versions",
            &[("segment.bytes", SET, Some(&size))],
        );
        assert_eq!(result, (ErrorCode::NONE, None));
        for other in &mut others {
            let (shown, source) =
                described(other, TOPIC, "alter-versions", "segment.bytes").expect("it is shown");
            assert_eq!((shown.as_deref(), source), (Some(&*size), 1));
        }
        let result = alter(
            &mut client,
            version,
            TOPIC,
            "alter-versions",
            &[("segment.bytes", DELETE, None)],
        );
        assert_eq!(result, (ErrorCode::NONE, None));
        for other in &mut others {
            let (shown, source) =
                described(other, TOPIC, "alter-versions", "segment.bytes").expect("it is shown");
            assert_eq!((shown.as_deref(), source), (Some("1073741824"), 5));
        }
    }
}

#[test]
fn validate_only_changes_nothing() {
    let broker = broker::shared();
    broker.topic("alter-validate", 1);
    let mut client = broker.client();
    let request = |value: &'static str| {
        let mut request =
            crate::settings::request(TOPIC, "alter-validate", &[("flush.ms", SET, Some(value))]);
        request.validate_only = true;
        request
    };
    let response: IncrementalAlterConfigsResponse = client.call(1, &request("5"));
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    let response: IncrementalAlterConfigsResponse = client.call(1, &request("x"));
    assert_eq!(response.responses[0].error_code, ErrorCode::INVALID_CONFIG);
    let (_, source) =
        described(&mut client, TOPIC, "alter-validate", "flush.ms").expect("it is shown");
    assert_eq!(source, 5);
}

#[test]
fn a_resource_changes_as_a_whole_or_not_at_all() {
    let broker = broker::shared();
    broker.topic("alter-whole", 1);
    let changes = [("flush.ms", SET, Some("7")), ("segment.ms", SET, Some("0"))];
    refused(
        &mut broker.client(),
        TOPIC,
        "alter-whole",
        &changes,
        ErrorCode::INVALID_CONFIG,
        "Invalid value 0 for configuration segment.ms: Value must be at least 1",
    );
}

#[test]
fn topics_refuse_what_kafka_refuses() {
    let broker = broker::shared();
    broker.topic("alter-refused", 1);
    let mut client = broker.client();
    let name = "alter-refused";
    let config = ErrorCode::INVALID_CONFIG;
    let request = ErrorCode::INVALID_REQUEST;
    for (changes, code, words) in [
        (
            &[("no.such", SET, Some("1"))][..],
            config,
            "Unknown topic config name: no.such",
        ),
        (
            &[("flush.ms", SET, Some("soon"))],
            config,
            "Invalid value soon for configuration flush.ms: Not a number of type LONG",
        ),
        (
            &[
                ("min.compaction.lag.ms", SET, Some("9")),
                ("max.compaction.lag.ms", SET, Some("8")),
            ],
            config,
            "conflict topic config setting",
        ),
        (
            &[("remote.storage.enable", SET, Some("true"))],
            config,
            "Tiered Storage",
        ),
        (
            &[("flush.ms", SET, Some("1")), ("flush.ms", DELETE, None)],
            request,
            "Error due to duplicate config keys",
        ),
        (
            &[("flush.ms", SET, None), ("flush.messages", APPEND, None)],
            request,
            "Null value not supported for : flush.ms, flush.messages",
        ),
        (
            &[("flush.ms", 9, Some("1"))],
            request,
            "Unknown operations type 9",
        ),
    ] {
        refused(&mut client, TOPIC, name, changes, code, words);
    }
    let long = |from: u32| {
        let elements: Vec<String> = (from..from + 3000).map(|at| format!("{at}:1")).collect();
        elements.join(",")
    };
    let throttled = "leader.replication.throttled.replicas";
    let first = long(10_000);
    let half = [(throttled, SET, Some(&*first))];
    assert_eq!(alter(&mut client, 1, TOPIC, name, &half).0, ErrorCode::NONE);
    refused(
        &mut client,
        TOPIC,
        name,
        &[(throttled, APPEND, Some(&*long(20_000)))],
        config,
        "maximum value size of 32767",
    );
    let one = [("flush.ms", SET, Some("1"))];
    for (kind, name, code, words) in [
        (
            TOPIC,
            "alter-missing",
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            "The topic 'alter-missing' does not exist.",
        ),
        (
            TOPIC,
            "",
            request,
            "Default topic resources are not allowed.",
        ),
        (
            TOPIC,
            "a b",
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid",
        ),
        (
            BROKER,
            "2",
            request,
            "Unexpected broker id, expected 1, but received 2",
        ),
        (
            BROKER,
            "x",
            request,
            "Node id must be an integer, but it is: x",
        ),
        (METRICS, "", request, "Subscription name can't be empty"),
        (
            GROUP,
            "",
            request,
            "Default group resources are not allowed.",
        ),
        (LOGGER, "1", config, "log levels"),
        (LOGGER, "7", request, "expected 1"),
        (77, "x", request, "Unknown resource type 77"),
    ] {
        let (error, message) = alter(&mut client, 1, kind, name, &one);
        let message = message.unwrap_or_default();
        assert_eq!(error, code, "{kind} {name}: {message}");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_resource_may_stand_once_and_the_others_are_changed_all_the_same() {
    let broker = broker::shared();
    for name in ["alter-twice", "alter-once"] {
        broker.topic(name, 1);
    }
    let mut client = broker.client();
    let mut request: IncrementalAlterConfigsRequest =
        crate::settings::request(TOPIC, "alter-twice", &[("flush.ms", SET, Some("1"))]);
    for name in ["alter-once", "alter-twice"] {
        let more = crate::settings::request(TOPIC, name, &[("flush.ms", SET, Some("2"))]);
        request.resources.extend(more.resources);
    }
    let response: IncrementalAlterConfigsResponse = client.call(1, &request);
    let codes: Vec<_> = response
        .responses
        .iter()
        .map(|it| (&*it.resource_name, it.error_code))
        .collect();
    assert_eq!(
        codes,
        [
            ("alter-twice", ErrorCode::INVALID_REQUEST),
            ("alter-once", ErrorCode::NONE),
            ("alter-twice", ErrorCode::INVALID_REQUEST),
        ]
    );
    assert_eq!(
        value(&mut client, TOPIC, "alter-once", "flush.ms").as_deref(),
        Some("2")
    );
    assert_ne!(
        value(&mut client, TOPIC, "alter-twice", "flush.ms").as_deref(),
        Some("2")
    );
}

#[test]
fn brokers_take_dynamic_settings_only_and_at_their_level() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2"]);
    let mut client = broker.client();
    let request = ErrorCode::INVALID_REQUEST;
    for (name, changes, words) in [
        (
            "1",
            &[("num.partitions", SET, Some("3"))][..],
            "Cannot update these configs dynamically: Set(num.partitions)",
        ),
        (
            "",
            &[("num.shards", SET, Some("3"))],
            "Cannot update these configs dynamically: Set(num.shards)",
        ),
        (
            "1",
            &[("ssl.keystore.location", SET, Some("x"))],
            "only per-listener using the listener prefix",
        ),
        (
            "",
            &[("principal.builder.class", SET, Some("x"))],
            "Cannot update these configs at default cluster level, broker id must be specified: Set(principal.builder.class)",
        ),
        (
            "1",
            &[("log.segment.bytes", SET, Some("12"))],
            "Invalid value 12 for configuration log.segment.bytes: Value must be at least 1048576",
        ),
        (
            "1",
            &[("num.io.threads", SET, Some("100"))],
            "value should not be greater than double the current value 8",
        ),
        (
            "1",
            &[("num.io.threads", SET, Some("2"))],
            "value should be at least half the current value 8",
        ),
        (
            "1",
            &[("listeners", SET, Some("PLAINTEXT://:1"))],
            "at start only",
        ),
        (
            "1",
            &[("max.connections.per.ip.overrides", SET, Some("x"))],
            "'x' is not address:count",
        ),
        (
            "",
            &[("max.connections.per.ip", SET, Some("0"))],
            "only if max.connections.per.ip.overrides",
        ),
        (
            "",
            &[("leader.replication.throttled.rate", SET, Some("-5"))],
            "Value must be at least 0",
        ),
        (
            "",
            &[
                ("log.cleaner.min.compaction.lag.ms", SET, Some("9")),
                ("log.cleaner.max.compaction.lag.ms", SET, Some("8")),
            ],
            "conflict topic config setting",
        ),
    ] {
        refused(&mut client, BROKER, name, changes, request, words);
    }
    let min_isr = [("min.insync.replicas", SET, Some("2"))];
    refused(
        &mut client,
        BROKER,
        "1",
        &min_isr,
        ErrorCode::INVALID_CONFIG,
        "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
    );
    let none = [("min.insync.replicas", DELETE, None)];
    refused(
        &mut client,
        BROKER,
        "",
        &none,
        ErrorCode::INVALID_CONFIG,
        "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
    );
    // A name that nobody knows may be a plug-in's; its value is not shown.
    assert_eq!(
        alter(
            &mut client,
            1,
            BROKER,
            "1",
            &[("my.plugin.key", SET, Some("secret"))]
        )
        .0,
        ErrorCode::NONE
    );
    assert_eq!(
        described(&mut client, BROKER, "1", "my.plugin.key"),
        Some((None, 2))
    );
    broker.stop();
}

#[test]
fn a_brokers_own_settings_go_before_the_clusters_and_both_outlive_a_crash() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=2", "log.flush.interval.ms=1000"]);
    let topic = broker.topic("levels", 2);
    let mut client = broker.client();
    let flush = |client: &mut Client| {
        let of_topic = described(client, TOPIC, "levels", "flush.ms").expect("it is shown");
        let of_broker =
            described(client, BROKER, "1", "log.flush.interval.ms").expect("it is shown");
        assert_eq!(of_topic, of_broker);
        (
            of_topic
                .0
                .expect("a value")
                .parse::<u32>()
                .expect("a number"),
            of_topic.1,
        )
    };
    assert_eq!(flush(&mut client), (1000, 4));
    let set = |client: &mut Client, name: &str, value: &str| {
        let result = alter(
            client,
            1,
            BROKER,
            name,
            &[("log.flush.interval.ms", SET, Some(value))],
        );
        assert_eq!(result, (ErrorCode::NONE, None));
    };
    set(&mut client, "", "2000");
    assert_eq!(flush(&mut client), (2000, 3));
    assert_eq!(
        value(&mut client, BROKER, "", "log.flush.interval.ms").as_deref(),
        Some("2000")
    );
    set(&mut client, "1", "3000");
    assert_eq!(flush(&mut client), (3000, 2));
    broker.kill();
    let broker = Broker::start(&directory, &["num.shards=3", "log.flush.interval.ms=1000"]);
    let mut client = broker.client();
    assert_eq!(flush(&mut client), (3000, 2));
    assert_eq!(client.append(&topic, 1, crate::records::batch(&["on"])), 0);
    let delete = [("log.flush.interval.ms", DELETE, None)];
    assert_eq!(
        alter(&mut client, 1, BROKER, "1", &delete).0,
        ErrorCode::NONE
    );
    assert_eq!(flush(&mut client), (2000, 3));
    assert_eq!(
        alter(&mut client, 1, BROKER, "", &delete).0,
        ErrorCode::NONE
    );
    assert_eq!(flush(&mut client), (1000, 4));
    broker.stop();
}

#[test]
fn groups_and_client_metrics_have_settings_of_their_own() {
    let mut client = broker::shared().client();
    let result = alter(
        &mut client,
        1,
        METRICS,
        "alter-metrics",
        &[
            ("interval.ms", SET, Some("5000")),
            ("match", APPEND, Some("client_id=a.*")),
        ],
    );
    assert_eq!(result, (ErrorCode::NONE, None));
    assert_eq!(
        described(&mut client, METRICS, "alter-metrics", "interval.ms"),
        Some((Some("5000".into()), 7))
    );
    assert_eq!(
        described(&mut client, METRICS, "alter-metrics", "metrics"),
        Some((Some(String::new()), 5))
    );
    let result = alter(
        &mut client,
        1,
        GROUP,
        "alter-group",
        &[("consumer.session.timeout.ms", SET, Some("50000"))],
    );
    assert_eq!(result, (ErrorCode::NONE, None));
    assert_eq!(
        described(
            &mut client,
            GROUP,
            "alter-group",
            "consumer.session.timeout.ms"
        ),
        Some((Some("50000".into()), 8))
    );
    assert_eq!(
        described(&mut client, GROUP, "alter-group", "share.auto.offset.reset"),
        Some((Some("latest".into()), 5))
    );
    let config = ErrorCode::INVALID_CONFIG;
    let request = ErrorCode::INVALID_REQUEST;
    for (kind, change, code, words) in [
        (
            METRICS,
            ("interval.ms", "99"),
            request,
            "interval must be between 100 and 3600000 (1 hour)",
        ),
        (
            METRICS,
            ("intervals", "1000"),
            request,
            "Unknown client metrics configuration: intervals",
        ),
        (
            METRICS,
            ("match", "client=x"),
            config,
            "Illegal client matching pattern: client=x",
        ),
        (
            METRICS,
            ("match", "client_id"),
            config,
            "Illegal client matching pattern: client_id",
        ),
        (
            METRICS,
            ("interval.ms", "x"),
            config,
            "Not a number of type INT",
        ),
        (
            GROUP,
            ("session.timeout.ms", "1"),
            config,
            "Unknown group config name: session.timeout.ms",
        ),
        (
            GROUP,
            ("consumer.session.timeout.ms", "100"),
            config,
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        (
            GROUP,
            ("share.heartbeat.interval.ms", "16000"),
            config,
            "must be less than or equal to group.share.max.heartbeat.interval.ms",
        ),
        (
            GROUP,
            ("share.auto.offset.reset", "by_duration:5"),
            config,
            "by_duration",
        ),
        (
            GROUP,
            ("share.isolation.level", "dirty"),
            config,
            "String must be one of",
        ),
    ] {
        let name = "alter-refused-kinds";
        refused(
            &mut client,
            kind,
            name,
            &[(change.0, SET, Some(change.1))],
            code,
            words,
        );
    }
}
