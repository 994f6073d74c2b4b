//! DescribeConfigs: every property with value, source, type, documentation and synonyms.

use crate::broker;
use crate::client::{Client, versions};
use crate::settings;
use millstream::wire::{
    ApiKey, DescribeConfigsProperty, DescribeConfigsRequest, DescribeConfigsResource,
    DescribeConfigsResponse, DescribeConfigsResult, ErrorCode,
};

const NEWEST: i16 = 4;
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Where a value comes from.
const OF_TOPIC: i8 = 1;
const OF_FILE: i8 = 4;
const DEFAULT: i8 = 5;

fn request(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsRequest<'static> {
    DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.to_string().into(),
            configuration_keys: keys
                .map(|keys| keys.iter().map(|key| key.to_string().into()).collect()),
        }],
        ..Default::default()
    }
}

fn describe(
    client: &mut Client,
    version: i16,
    request: &DescribeConfigsRequest<'static>,
) -> DescribeConfigsResult<'static> {
    let mut response: DescribeConfigsResponse = client.call(version, request);
    assert_eq!(response.results.len(), 1);
    response.results.remove(0)
}

fn find<'a>(
    result: &'a DescribeConfigsResult<'static>,
    name: &str,
) -> &'a DescribeConfigsProperty<'static> {
    let found = result.configs.iter().find(|it| it.name == name);
    found.unwrap_or_else(|| panic!("{name} is not described"))
}

#[test]
fn every_version_describes_a_topic_and_the_broker() {
    let broker = broker::shared();
    let settings = [("max.message.bytes", "54321")];
    broker.topic_with("configs-versions", 1, &settings);
    let mut client = broker.client();
    for version in versions(ApiKey::DESCRIBE_CONFIGS) {
        let topic = describe(
            &mut client,
            version,
            &request(TOPIC, "configs-versions", None),
        );
        assert_eq!(topic.error_code, ErrorCode::NONE);
        assert_eq!(
            (topic.resource_type, &*topic.resource_name),
            (TOPIC, "configs-versions")
        );
        let set = find(&topic, "max.message.bytes");
        assert_eq!(
            (set.value.as_deref(), set.config_source),
            (Some("54321"), OF_TOPIC)
        );
        let default = find(&topic, "retention.ms");
        assert_eq!(default.value.as_deref(), Some("604800000"));
        assert_eq!(default.config_source, DEFAULT);
        assert!(topic.configs.iter().all(|it| it.synonyms.is_empty()));
        assert!(topic.configs.iter().all(|it| it.documentation.is_none()));
        if version >= 3 {
            assert!(topic.configs.iter().all(|it| it.config_type > 0));
        }

        let own = describe(&mut client, version, &request(BROKER, "1", None));
        assert_eq!(own.error_code, ErrorCode::NONE);
        let shards = find(&own, "num.shards");
        assert_eq!(
            (shards.value.as_deref(), shards.config_source),
            (Some("4"), OF_FILE)
        );
    }
}

#[test]
fn every_kind_of_topic_setting_of_kafka_is_described() {
    let broker = broker::shared();
    broker.topic("configs-complete", 1);
    let mut client = broker.client();
    let topic = describe(
        &mut client,
        NEWEST,
        &request(TOPIC, "configs-complete", None),
    );
    for name in [
        "cleanup.policy",
        "compression.type",
        "delete.retention.ms",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "index.interval.bytes",
        "max.compaction.lag.ms",
        "max.message.bytes",
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "message.timestamp.type",
        "min.cleanable.dirty.ratio",
        "min.compaction.lag.ms",
        "min.insync.replicas",
        "preallocate",
        "retention.bytes",
        "retention.ms",
        "segment.bytes",
        "segment.index.bytes",
        "segment.jitter.ms",
        "segment.ms",
        "unclean.leader.election.enable",
    ] {
        assert!(find(&topic, name).value.is_some(), "{name}");
    }
    let mut names: Vec<_> = topic.configs.iter().map(|it| &it.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), topic.configs.len(), "each stands once");
}

#[test]
fn synonyms_and_documentation_come_when_asked_for() {
    let broker = broker::shared();
    broker.topic_with("configs-synonyms", 1, &[("max.message.bytes", "777")]);
    let mut client = broker.client();
    let mut request = request(TOPIC, "configs-synonyms", None);
    request.include_synonyms = true;
    request.include_documentation = true;
    let topic = describe(&mut client, NEWEST, &request);
    let property = find(&topic, "max.message.bytes");
    let synonyms: Vec<_> = property
        .synonyms
        .iter()
        .map(|it| (&*it.name, it.value.as_deref(), it.source))
        .collect();
    let expected = [
        ("max.message.bytes", Some("777"), OF_TOPIC),
        ("message.max.bytes", Some("1048588"), DEFAULT),
    ];
    assert_eq!(synonyms, expected);
    for property in &topic.configs {
        let words = property.documentation.as_deref().unwrap_or_default();
        assert!(!words.is_empty(), "{}", property.name);
    }
}

#[test]
fn only_the_keys_asked_for_are_described() {
    let broker = broker::shared();
    broker.topic("configs-keys", 1);
    let mut client = broker.client();
    let keys: &[&str] = &["segment.ms", "no.such.setting", "flush.ms"];
    let topic = describe(
        &mut client,
        NEWEST,
        &request(TOPIC, "configs-keys", Some(keys)),
    );
    let mut names: Vec<_> = topic.configs.iter().map(|it| &*it.name).collect();
    names.sort();
    assert_eq!(names, ["flush.ms", "segment.ms"]);
    let all = describe(
        &mut client,
        NEWEST,
        &request(TOPIC, "configs-keys", Some(&[])),
    );
    assert!(all.configs.len() > 20, "an empty list asks for all");
}

#[test]
fn what_is_not_there_is_refused_with_a_reason() {
    let mut client = broker::shared().client();
    for (kind, name, expected) in [
        (
            TOPIC,
            "configs-missing",
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ),
        (TOPIC, "bad name", ErrorCode::INVALID_TOPIC_EXCEPTION),
        (TOPIC, "", ErrorCode::INVALID_TOPIC_EXCEPTION),
        (BROKER, "2", ErrorCode::INVALID_REQUEST),
        (BROKER, "x", ErrorCode::INVALID_REQUEST),
        (77, "x", ErrorCode::INVALID_REQUEST),
    ] {
        let result = describe(&mut client, NEWEST, &request(kind, name, None));
        assert_eq!(result.error_code, expected, "{kind} {name:?}");
        assert!(result.error_message.is_some());
        assert!(result.configs.is_empty());
        assert_eq!((result.resource_type, &*result.resource_name), (kind, name));
    }
}

#[test]
fn the_empty_name_shows_what_is_set_for_all_brokers_and_nothing_else() {
    let directory = broker::Directory::new();
    let broker = broker::Broker::start(&directory, &["num.shards=1"]);
    let mut client = broker.client();
    let shown = |client: &mut Client| -> Vec<(String, Option<String>, i8, bool)> {
        let mut all = request(BROKER, "", None);
        all.include_synonyms = true;
        let result = describe(client, NEWEST, &all);
        assert_eq!(result.error_code, ErrorCode::NONE);
        let one = |it: &DescribeConfigsProperty<'_>| {
            assert_eq!(it.synonyms.len(), 1);
            assert_eq!(it.synonyms[0].source, it.config_source);
            let value = it.value.as_deref().map(String::from);
            (it.name.to_string(), value, it.config_source, it.read_only)
        };
        result.configs.iter().map(one).collect()
    };
    // Kafka's first start sets this one, and so does ours.
    let min_isr = ("min.insync.replicas".into(), Some("1".into()), 3, false);
    assert_eq!(shown(&mut client), std::slice::from_ref(&min_isr));
    settings::set(&mut client, BROKER, "", "log.retention.ms", " 5000");
    let retention = ("log.retention.ms".into(), Some("5000".into()), 3, false);
    assert_eq!(shown(&mut client), [retention, min_isr]);
    broker.stop();
}

#[test]
fn throttles_of_replication_are_shown_with_their_values_once_they_are_set() {
    let directory = broker::Directory::new();
    let broker = broker::Broker::start(&directory, &["num.shards=1"]);
    let mut client = broker.client();
    let names = [
        "follower.replication.throttled.rate",
        "leader.replication.throttled.rate",
        "replica.alter.log.dirs.io.max.bytes.per.second",
    ];
    let mut all = request(BROKER, "1", None);
    all.include_synonyms = true;
    let shown = |client: &mut Client| -> Vec<DescribeConfigsProperty<'static>> {
        let result = describe(client, NEWEST, &all);
        let configs = result.configs.into_iter();
        configs.filter(|it| names.contains(&&*it.name)).collect()
    };
    assert_eq!(shown(&mut client), []);
    for name in names {
        settings::set(&mut client, BROKER, "", name, "1000");
        settings::set(&mut client, BROKER, "1", name, "2000");
    }
    let told = shown(&mut client);
    assert_eq!(told.len(), 3);
    for it in told {
        let value = it.value.as_deref();
        assert_eq!(
            (value, it.config_source, it.config_type),
            (Some("2000"), 2, 5)
        );
        assert!(!it.is_sensitive && it.read_only);
        let synonyms = it.synonyms.iter();
        let synonyms: Vec<_> = synonyms
            .map(|it| (it.value.as_deref(), it.source))
            .collect();
        assert_eq!(synonyms, [(Some("2000"), 2), (Some("1000"), 3)]);
    }
    let defaults = describe(&mut client, NEWEST, &request(BROKER, "", Some(&names)));
    assert_eq!(defaults.configs.len(), 3);
    for it in defaults.configs {
        assert_eq!((it.value.as_deref(), it.config_source), (Some("1000"), 3));
    }
    broker.stop();
}

#[test]
fn the_one_logger_is_shown_with_its_level() {
    let mut client = broker::shared().client();
    let result = describe(&mut client, NEWEST, &request(settings::LOGGER, "1", None));
    assert_eq!(result.error_code, ErrorCode::NONE);
    assert_eq!(result.configs.len(), 1);
    let root = &result.configs[0];
    assert_eq!((&*root.name, root.value.as_deref()), ("root", Some("INFO")));
    assert_eq!((root.config_source, root.read_only), (6, true));
    for name in ["", "2", "x"] {
        let result = describe(&mut client, NEWEST, &request(settings::LOGGER, name, None));
        assert_eq!(result.error_code, ErrorCode::INVALID_REQUEST, "{name:?}");
    }
}

#[test]
fn groups_and_client_metrics_show_their_defaults_before_anybody_has_set_one() {
    let mut client = broker::shared().client();
    for (kind, count) in [(settings::GROUP, 11), (settings::METRICS, 3)] {
        let result = describe(&mut client, NEWEST, &request(kind, "describe-new", None));
        assert_eq!(result.error_code, ErrorCode::NONE);
        assert_eq!(result.configs.len(), count);
        for property in &result.configs {
            assert!(property.value.is_some(), "{}", property.name);
            assert_eq!(
                (property.config_source, property.read_only),
                (DEFAULT, false)
            );
        }
        let result = describe(&mut client, NEWEST, &request(kind, "", None));
        assert_eq!(result.error_code, ErrorCode::INVALID_REQUEST);
    }
}

#[test]
fn passwords_are_not_shown() {
    let directory = broker::Directory::new();
    let secret = "ssl.keystore.password=hush";
    let broker = broker::Broker::start(&directory, &["num.shards=1", secret]);
    let mut all = request(BROKER, "1", None);
    all.include_synonyms = true;
    let result = describe(&mut broker.client(), NEWEST, &all);
    let password = find(&result, "ssl.keystore.password");
    assert!(password.is_sensitive && password.value.is_none());
    assert_eq!((password.config_type, password.config_source), (9, OF_FILE));
    assert!(password.synonyms.iter().all(|it| it.value.is_none()));
    assert!(!format!("{result:?}").contains("hush"));
    assert!(result.configs.len() > 320, "{}", result.configs.len());
    broker.stop();
}

#[test]
fn a_kind_that_nobody_knows_spoils_the_whole_request() {
    let broker = broker::shared();
    broker.topic("configs-spoilt", 1);
    let mut both = request(TOPIC, "configs-spoilt", None);
    both.resources.extend(request(64, "x", None).resources);
    let response: DescribeConfigsResponse = broker.client().call(NEWEST, &both);
    for result in &response.results {
        assert_eq!(result.error_code, ErrorCode::INVALID_REQUEST);
        assert!(result.configs.is_empty());
    }
}

#[test]
fn several_resources_are_answered_in_the_order_of_the_request() {
    let broker = broker::shared();
    broker.topic("configs-several", 1);
    let mut all = request(BROKER, "1", Some(&["node.id"]));
    all.resources
        .extend(request(TOPIC, "configs-missing", None).resources);
    all.resources
        .extend(request(TOPIC, "configs-several", None).resources);
    let response: DescribeConfigsResponse = broker.client().call(NEWEST, &all);
    let codes: Vec<_> = response.results.iter().map(|it| it.error_code).collect();
    let expected = [
        ErrorCode::NONE,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::NONE,
    ];
    assert_eq!(codes, expected);
    assert_eq!(
        find(&response.results[0], "node.id").value.as_deref(),
        Some("1")
    );
}
