//! `server.properties` as bytes, and settings as an admin client sends them: each gives a
//! configuration or a complaint.

use super::allocation::within;
use super::input::Input;
use super::make;
use millstream::config::{
    BrokerConfig, Machine, PROPERTIES, TopicConfig, describe_broker, describe_topic, load,
    validate_broker, validate_client_metrics, validate_group, validate_topic,
};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What loading takes in memory per byte (a line of `a` becomes an entry, and a note on it), and in
/// any case: the configuration itself.
const PER_BYTE: usize = 512;
const AT_LEAST: usize = 256 * 1024;

static DEFAULTS: LazyLock<BrokerConfig> =
    LazyLock::new(|| BrokerConfig::of(&[]).expect("the defaults"));

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    if input.byte() < 128 {
        file(input.rest());
        return;
    }
    let mut settings = BTreeMap::new();
    for _ in 0..=input.below(6) {
        let name = match input.byte() {
            0..=223 => PROPERTIES[input.below(PROPERTIES.len())].name.to_owned(),
            _ => make::text(&mut input),
        };
        let value = match input.byte() {
            0..=127 => make::text(&mut input),
            128..=191 => input.number().to_string(),
            _ => {
                let count = usize::from(input.byte());
                String::from_utf8_lossy(input.take(count)).into_owned()
            }
        };
        settings.insert(name, value);
    }
    dynamic(&settings);
}

fn file(text: &[u8]) {
    let machine = Machine {
        host_name: || "localhost".into(),
        cores: 2,
    };
    let loaded = within(text.len() * PER_BYTE + AT_LEAST, || {
        load(Some(("server.properties", text)), &[], &machine)
    });
    match loaded {
        Ok(loaded) => {
            assert!(!describe_broker(&loaded.config).is_empty());
            let topic = TopicConfig::resolve(&loaded.config, &BTreeMap::new());
            topic.expect("a broker's defaults serve its topics");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn dynamic(settings: &BTreeMap<String, String>) {
    let defaults = &*DEFAULTS;
    let none = BTreeMap::new();
    for own in [true, false] {
        let _ = validate_broker(defaults, settings, own);
    }
    // What the metadata log holds counts even if this release would have refused it.
    let config = defaults.with_dynamic(settings, &none);
    let config = config.with_dynamic(&none, settings);
    assert!(!describe_broker(&config).is_empty());
    TopicConfig::resolve(&config, &none).expect("a broker's defaults serve its topics");
    let of_topic = validate_topic(defaults, settings);
    assert_eq!(
        of_topic.is_ok(),
        TopicConfig::resolve(defaults, settings).is_ok()
    );
    assert!(!describe_topic(settings, &config).is_empty());
    let _ = validate_client_metrics(settings);
    let _ = validate_group(defaults, settings);
}

/// A file with everything that the syntax has, and every setting with its default.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "",
        "# comment \\\nnode.id=1\nlog.dirs=/a,/b\n",
        "a\\=b\\ c : d\\\n   e\n!x\r\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\n",
        "advertised.listeners=PLAINTEXT://h\\u00e9:1\nprocess.roles=broker,controller\n",
        "max.connections.per.ip.overrides=127.0.0.1:5,::1:6\nnum.partitions = 3 \n",
        "controller.quorum.voters=1@localhost:9093\ncompression.type=zstd\nlog.retention.hours=1\n",
    ]
    .iter()
    .map(|text| [&[0], text.as_bytes()].concat())
    .collect();
    for property in PROPERTIES {
        let value = property.default.unwrap_or("x");
        let line = format!("\0{}={value}\n", property.name);
        seeds.push(line.into_bytes());
    }
    let mut random = super::generate::Random::new(13);
    for _ in 0..60 {
        let mut seed = vec![200];
        seed.extend((0..40).map(|_| random.next() as u8));
        seeds.push(seed);
    }
    seeds
}
