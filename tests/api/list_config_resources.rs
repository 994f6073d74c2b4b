//! ListConfigResources: the names of what has settings.

use crate::broker::{Broker, Directory};
use crate::client::Client;
use crate::settings::{BROKER, GROUP, LOGGER, METRICS, TOPIC, set};
use millstream::wire::{ErrorCode, ListConfigResourcesRequest, ListConfigResourcesResponse};

fn list(client: &mut Client, version: i16, kinds: &[i8]) -> (ErrorCode, Vec<(i8, String)>) {
    let request = ListConfigResourcesRequest {
        resource_types: kinds.to_vec(),
    };
    let response: ListConfigResourcesResponse = client.call(version, &request);
    let names = response
        .config_resources
        .iter()
        .map(|it| (it.resource_type, it.resource_name.to_string()));
    (response.error_code, names.collect())
}

#[test]
fn every_resource_is_listed_by_its_kind() {
    let directory = Directory::new();
    let broker = Broker::start(&directory, &["num.shards=1"]);
    for name in ["b", "a"] {
        broker.topic(name, 1);
    }
    let mut client = broker.client();
    set(&mut client, METRICS, "m", "interval.ms", "1000");
    set(
        &mut client,
        GROUP,
        "g",
        "consumer.session.timeout.ms",
        "50000",
    );
    let of = |kind: i8, name: &str| (kind, name.to_string());
    let all = [
        of(GROUP, "g"),
        of(METRICS, "m"),
        of(LOGGER, "1"),
        of(BROKER, "1"),
        of(TOPIC, "a"),
        of(TOPIC, "b"),
    ];
    assert_eq!(list(&mut client, 1, &[]), (ErrorCode::NONE, all.to_vec()));
    let some = list(&mut client, 1, &[TOPIC, GROUP]);
    assert_eq!(some.1, [of(GROUP, "g"), of(TOPIC, "a"), of(TOPIC, "b")]);
    // The first version knew client metrics alone.
    let old = list(&mut client, 0, &[]);
    assert_eq!(old, (ErrorCode::NONE, vec![of(METRICS, "m")]));
    let unknown = list(&mut client, 1, &[TOPIC, 3]);
    assert_eq!(unknown, (ErrorCode::UNSUPPORTED_VERSION, vec![]));
    broker.stop();
}
